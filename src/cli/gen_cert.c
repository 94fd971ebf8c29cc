/* `anqa gen-cert`: a certificate that signs itself, for development. */
#include "cli/client.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

#define DAYS 365
#define HOSTS_MAX 50
#define HOST_MAX 253

static const char *const local_hosts[] = {"localhost", "127.0.0.1", "::1"};

static enum cli_status openssl_failed(void)
{
    const char *why = ERR_reason_error_string(ERR_peek_error());

    return cli_fail(CLI_FAILED, "OpenSSL: %s", why == NULL ? "it has failed" : why);
}

/* ---------------------------------------------------------------- the certificate */

static bool is_address(const char *host)
{
    unsigned char bytes[16];

    return inet_pton(AF_INET, host, bytes) == 1 || inet_pton(AF_INET6, host, bytes) == 1;
}

/* What can stand in a list of names without being another entry of it. */
static bool is_name(const char *host)
{
    size_t len = strlen(host);
    static const char letters[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.*_-";

    return len > 0 && len <= HOST_MAX && strspn(host, letters) == len;
}

static bool extension_add(X509 *cert, int kind, const char *value)
{
    X509V3_CTX context;
    X509_EXTENSION *extension;
    bool done;

    X509V3_set_ctx(&context, cert, cert, NULL, NULL, 0);
    extension = X509V3_EXT_conf_nid(NULL, &context, kind, value);
    done = extension != NULL && X509_add_ext(cert, extension, -1) == 1;
    X509_EXTENSION_free(extension);
    return done;
}

static const char *names_of(struct cli *cli, const char *const *hosts, int count)
{
    anqa_str all = anqa_str_of("");

    for (int i = 0; i < count; i++)
        all = text_format(cli, "%.*s%s%s:%s", ANQA_FMT(all), i == 0 ? "" : ",",
            is_address(hosts[i]) ? "IP" : "DNS", hosts[i]);
    return all.ptr;
}

static bool fill(X509 *cert, EVP_PKEY *key, const char *first, const char *names)
{
    X509_NAME *name = X509_get_subject_name(cert);
    uint64_t serial;

    return RAND_bytes((unsigned char *)&serial, sizeof serial) == 1 &&
           ASN1_INTEGER_set_uint64(X509_get_serialNumber(cert), serial >> 1) == 1 &&
           X509_set_version(cert, X509_VERSION_3) == 1 &&
           X509_gmtime_adj(X509_getm_notBefore(cert), 0) != NULL &&
           X509_gmtime_adj(X509_getm_notAfter(cert), DAYS * 86400L) != NULL &&
           X509_set_pubkey(cert, key) == 1 &&
           X509_NAME_add_entry_by_txt(name, "O", MBSTRING_ASC,
               (const unsigned char *)"anqa gen-cert, for development", -1, -1, 0) == 1 &&
           X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)first,
               strlen(first) <= 64 ? -1 : 64, -1, 0) == 1 &&
           X509_set_issuer_name(cert, name) == 1 &&
           extension_add(cert, NID_subject_alt_name, names) &&
           extension_add(cert, NID_basic_constraints, "critical,CA:FALSE") &&
           extension_add(cert, NID_key_usage, "critical,digitalSignature") &&
           extension_add(cert, NID_ext_key_usage, "serverAuth") &&
           extension_add(cert, NID_subject_key_identifier, "hash") &&
           X509_sign(cert, key, EVP_sha256()) > 0;
}

/* ---------------------------------------------------------------- files */

/* A file that was not there before. NULL: it was, or cannot be. */
static FILE *file_new(const char *path, mode_t mode)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
    FILE *file;

    if (fd < 0) {
        if (errno == EEXIST)
            (void)cli_fail(CLI_FAILED, "%s is there already, and is not written over", path);
        else
            (void)cli_fail(CLI_FAILED, "cannot make %s: %s", path, strerrordesc_np(errno));
        return NULL;
    }
    file = fdopen(fd, "w");
    if (file == NULL)
        cli_quit(CLI_FAILED, "out of memory");
    return file;
}

static enum cli_status file_end(FILE *file, bool written, const char *path)
{
    bool kept = fflush(file) == 0 && fsync(fileno(file)) == 0;

    if ((fclose(file) == 0 && kept) && written)
        return CLI_OK;
    (void)unlink(path);
    return cli_fail(CLI_FAILED, "cannot write %s", path);
}

static enum cli_status key_write(const char *path, EVP_PKEY *key)
{
    FILE *file = file_new(path, S_IRUSR | S_IWUSR);

    if (file == NULL)
        return CLI_FAILED;
    return file_end(file, PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL) == 1, path);
}

static enum cli_status certificate_write(const char *path, X509 *cert)
{
    FILE *file = file_new(path, S_IRUSR | S_IWUSR | S_IRGRP | S_IROTH);

    if (file == NULL)
        return CLI_FAILED;
    return file_end(file, PEM_write_X509(file, cert) == 1, path);
}

/* Both, or none. */
static enum cli_status both_write(
    const char *certfile, X509 *cert, const char *keyfile, EVP_PKEY *key)
{
    enum cli_status status = key_write(keyfile, key);

    if (status != CLI_OK)
        return status;
    status = certificate_write(certfile, cert);
    if (status != CLI_OK)
        (void)unlink(keyfile);
    return status;
}

/* ---------------------------------------------------------------- the command */

enum cli_status command_gen_cert(struct cli *cli)
{
    const char *folder = args_value(cli, "dir", ".");
    const char *certfile = text_format(cli, "%s/cert.pem", folder).ptr;
    const char *keyfile = text_format(cli, "%s/key.pem", folder).ptr;
    const char *const *hosts = local_hosts;
    int count = (int)ANQA_COUNT(local_hosts);
    enum cli_status status;
    EVP_PKEY *key;
    X509 *cert;

    if (!args_are(cli, 0, HOSTS_MAX))
        return CLI_USAGE;
    if (cli->argc > 0) {
        hosts = (const char *const *)cli->argv;
        count = cli->argc;
    }
    for (int i = 0; i < count; i++)
        if (!is_address(hosts[i]) && !is_name(hosts[i]))
            return cli_fail(CLI_USAGE, "argument %d is no name of a host, and no address", i + 1);
    key = EVP_EC_gen("P-256");
    cert = X509_new();
    if (key == NULL || cert == NULL || !fill(cert, key, hosts[0], names_of(cli, hosts, count)))
        status = openssl_failed();
    else
        status = both_write(certfile, cert, keyfile, key);
    X509_free(cert);
    EVP_PKEY_free(key);
    if (status == CLI_OK && cli->json)
        json_print(stdout, json_make(cli, "{'certfile': %s, 'keyfile': %s}", certfile, keyfile));
    else if (status == CLI_OK)
        printf("TLS_CERTFILE=%s TLS_KEYFILE=%s HTTPS_PORT=4001\n", certfile, keyfile);
    return status;
}
