/*
 * Any bytes as all that a client sends to a port of https, in one piece or in many. What must hold:
 *  - what comes back is nothing, records of TLS, or the answer to who speaks plain HTTP, and which of them does not depend on
 *    how the bytes are cut;
 *  - the connection ends when the client has ended its side;
 *  - nobody is served: no such bytes make a handshake, which needs an answer to what the server says.
 */
#include "fuzz/site.h"

#include <fcntl.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <sys/mman.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define BYTES_MAX 20000u
#define RECORD_ALERT 21
#define RECORD_HANDSHAKE 22

/* ---------------------------------------------------------------- the server */

static void plug(anqa_conn *conn, const void *opts)
{
    fuzz_require(false);
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
    fuzz_require(X509_sign(cert, key, EVP_sha256()) > 0 && file != NULL);
    fuzz_require(PEM_write_X509(file, cert) == 1);
    fuzz_require(PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL) == 1);
    fclose(file);
    X509_free(cert);
    EVP_PKEY_free(key);
    snprintf(path, size, "/proc/self/fd/%d", fd);
    return fd;
}

static char certificate[64];

static const anqa_endpoint endpoint = {
    .address = fuzz_site_address,
    .no_http = true,
    .https = &(const anqa_https){.certfile = certificate},
    .quiet = true,
    .plugs = (const anqa_plug[]){{.call = plug}, {0}},
};

/* ---------------------------------------------------------------- the client */

/* The first byte of what comes back for bytes in pieces of `step`; 0: nothing. */
static int ask(const uint8_t *bytes, size_t len, size_t step)
{
    static unsigned char answer[1 << 16];
    int fd = fuzz_site_dial();
    size_t got;

    fuzz_site_send(fd, bytes, len, step);
    got = fuzz_site_read(fd, answer, sizeof answer);
    return got == 0 ? 0 : answer[0];
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    anqa_rt *rt;
    anqa_pid pid;
    int whole, fd;

    if (size == 0 || size > BYTES_MAX)
        return 0;
    fd = certificate_make(certificate, sizeof certificate);
    pid = fuzz_site_begin(&endpoint, "tls", &rt);
    close(fd);
    whole = ask(data, size, size);
    fuzz_require(whole == 0 || whole == 'H' || whole == RECORD_ALERT || whole == RECORD_HANDSHAKE);
    for (size_t step = 1; step < 64; step = step * 4 + 3)
        fuzz_require(ask(data, size, step) == whole);
    fuzz_site_end(rt, pid);
    return 0;
}
