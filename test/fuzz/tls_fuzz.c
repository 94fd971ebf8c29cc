/*
 * Any bytes as all that a client sends to a port of https, in one piece or in many. What must hold:
 *  - what comes back is nothing, records of TLS, or the answer to who speaks plain HTTP, and which of them does not depend on
 *    how the bytes are cut;
 *  - the connection ends when the client has ended its side;
 *  - nobody is served: no such bytes make a handshake, which needs an answer to what the server says.
 */
#include <anqa/anqa.h>

#include <fcntl.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define BYTES_MAX 20000u
#define RECORD_ALERT 21
#define RECORD_HANDSHAKE 22

static void require(bool holds)
{
    if (!holds)
        abort();
}

/* ---------------------------------------------------------------- the server */

static void plug(anqa_conn *conn, const void *opts)
{
    require(false);
}

/* Key and certificate, in a file without a name. */
static int certificate_make(char *path, size_t size)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *cert = X509_new();
    int fd = memfd_create("certificate", 0);
    FILE *file = fdopen(dup(fd), "w");

    X509_gmtime_adj(X509_getm_notBefore(cert), 0);
    X509_gmtime_adj(X509_getm_notAfter(cert), 86400);
    X509_set_pubkey(cert, key);
    require(X509_sign(cert, key, EVP_sha256()) > 0 && file != NULL);
    require(PEM_write_X509(file, cert) == 1);
    require(PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL) == 1);
    fclose(file);
    X509_free(cert);
    EVP_PKEY_free(key);
    snprintf(path, size, "/proc/self/fd/%d", fd);
    return fd;
}

static char address[64], certificate[64];

static const anqa_endpoint endpoint = {
    .address = address,
    .no_http = true,
    .https = &(const anqa_https){.certfile = certificate},
    .quiet = true,
    .plugs = (const anqa_plug[]){{.call = plug}, {0}},
};

static anqa_pid begin(anqa_rt **ret_rt)
{
    anqa_pid pid;
    int fd = certificate_make(certificate, sizeof certificate);

    snprintf(address, sizeof address, "unix:@anqa-fuzz-tls-%d", (int)getpid());
    anqa_log_set_level(ANQA_LOG_NONE);
    require(anqa_start(&(anqa_options){.schedulers = 1}, ret_rt, NULL) == ANQA_OK);
    require(anqa_attach(*ret_rt, NULL) == ANQA_OK);
    require(anqa_gen_server_start(&anqa_endpoint_server, &endpoint, NULL, &pid, NULL) == ANQA_OK);
    close(fd);
    return pid;
}

static void end(anqa_rt *rt, anqa_pid pid)
{
    require(anqa_gen_server_stop(pid, ANQA_SHUTDOWN, 10000) == ANQA_OK);
    anqa_detach();
    anqa_stop(rt);
}

/* ---------------------------------------------------------------- the client */

static int dial(void)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    struct timeval limit = {.tv_sec = 20};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    size_t len = strlen(address + strlen("unix:@"));

    memcpy(to.sun_path + 1, address + strlen("unix:@"), len);
    require(fd >= 0 && connect(fd, (struct sockaddr *)&to,
                           (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + len)) == 0);
    require(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit) == 0);
    return fd;
}

/* The first byte of what comes back for bytes in pieces of `step`; 0: nothing. */
static int ask(const uint8_t *bytes, size_t len, size_t step)
{
    static unsigned char answer[1 << 16];
    int fd = dial();
    size_t got = 0;
    ssize_t n;

    for (size_t at = 0; at < len; at += step) {
        size_t part = len - at < step ? len - at : step;
        if (send(fd, bytes + at, part, MSG_NOSIGNAL) < (ssize_t)part)
            break;
    }
    shutdown(fd, SHUT_WR);
    while ((n = recv(fd, answer + got, sizeof answer - got, 0)) > 0)
        got += (size_t)n;
    require(n == 0); /* it has ended, in good order and in time */
    close(fd);
    return got == 0 ? 0 : answer[0];
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    anqa_rt *rt;
    anqa_pid pid;
    int whole;

    if (size == 0 || size > BYTES_MAX)
        return 0;
    pid = begin(&rt);
    whole = ask(data, size, size);
    require(whole == 0 || whole == 'H' || whole == RECORD_ALERT || whole == RECORD_HANDSHAKE);
    for (size_t step = 1; step < 64; step = step * 4 + 3)
        require(ask(data, size, step) == whole);
    end(rt, pid);
    return 0;
}
