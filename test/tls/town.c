#include "tls/town.h"

#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "http/peer.h"

/* ---------------------------------------------------------------- files */

static char folder[64];

static void folder_remove(void)
{
    char line[128];

    snprintf(line, sizeof line, "rm -rf '%s'", folder);
    CHECK_EQ(system(line), 0);
}

const char *town_file(const char *name)
{
    static char paths[8][128];
    static unsigned next;
    char *path = paths[next++ % 8];

    if (folder[0] == '\0') {
        snprintf(folder, sizeof folder, "/tmp/anqa-tls-XXXXXX");
        CHECK(mkdtemp(folder) != NULL);
        harness_at_end(folder_remove);
    }
    snprintf(path, sizeof paths[0], "%s/%s", folder, name);
    return path;
}

static FILE *file_open(const char *name)
{
    FILE *file = fopen(town_file(name), "we");

    CHECK(file != NULL);
    return file;
}

void town_write(const char *name, const char *text)
{
    FILE *file = file_open(name);

    fputs(text, file);
    fclose(file);
}

void town_copy(const char *from, const char *to)
{
    char line[320];

    snprintf(line, sizeof line, "cp '%s' '%s'", town_file(from), town_file(to));
    CHECK_EQ(system(line), 0);
}

/* ---------------------------------------------------------------- certificates */

static void name_it(X509 *cert, const char *hosts)
{
    char value[256] = "";
    X509_NAME *name = X509_get_subject_name(cert);
    size_t first = strcspn(hosts, ",");
    X509_EXTENSION *extension;

    CHECK(X509_NAME_add_entry_by_txt(
              name, "CN", MBSTRING_ASC, (const unsigned char *)hosts, (int)first, -1, 0) == 1);
    CHECK(X509_set_issuer_name(cert, name) == 1);
    for (const char *at = hosts; *at != '\0'; at += strspn(at, ",")) {
        size_t len = strcspn(at, ",");
        size_t used = strlen(value);
        snprintf(
            value + used, sizeof value - used, "%sDNS:%.*s", used == 0 ? "" : ",", (int)len, at);
        at += len;
    }
    extension = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, value);
    CHECK(extension != NULL && X509_add_ext(cert, extension, -1) == 1);
    X509_EXTENSION_free(extension);
}

static void certificate_write(const char *name, const char *hosts, EVP_PKEY *key, long seconds)
{
    char file_name[64];
    X509 *cert = X509_new();
    FILE *file;

    X509_set_version(cert, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(cert), 1);
    X509_gmtime_adj(X509_getm_notBefore(cert), -3600);
    X509_gmtime_adj(X509_getm_notAfter(cert), seconds);
    X509_set_pubkey(cert, key);
    name_it(cert, hosts);
    CHECK(X509_sign(cert, key, EVP_sha256()) > 0);
    snprintf(file_name, sizeof file_name, "%s.crt", name);
    file = file_open(file_name);
    CHECK(PEM_write_X509(file, cert) == 1);
    fclose(file);
    snprintf(file_name, sizeof file_name, "%s.key", name);
    file = file_open(file_name);
    CHECK(PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL) == 1);
    fclose(file);
    X509_free(cert);
    EVP_PKEY_free(key);
}

static const char *of_name(const char *name, const char *suffix)
{
    char file_name[64];

    snprintf(file_name, sizeof file_name, "%s%s", name, suffix);
    return town_file(file_name);
}

const char *town_certificate(const char *name, const char *hosts)
{
    certificate_write(name, hosts, EVP_EC_gen("P-256"), 86400);
    return of_name(name, ".crt");
}

void town_rsa_certificate(const char *name, const char *hosts, unsigned bits)
{
    certificate_write(name, hosts, EVP_RSA_gen(bits), 86400);
}

void town_expired_certificate(const char *name, const char *hosts)
{
    certificate_write(name, hosts, EVP_EC_gen("P-256"), -60);
}

const char *town_key(const char *name)
{
    return of_name(name, ".key");
}

/* ---------------------------------------------------------------- the server */

static struct test_endpoint server;
static char secure_address[ANQA_ADDRESS_TEXT], main_file[128], main_key[128];
static _Atomic(unsigned) failed_count;
static pthread_mutex_t failure_lock = PTHREAD_MUTEX_INITIALIZER; /* guards last_failure */
static char last_failure[128];

static void note_failed(void *ctx, const anqa_telemetry_event *event)
{
    const anqa_field *error = anqa_field_find(event->metadata, event->metadata_count, "error");

    pthread_mutex_lock(&failure_lock);
    if (error != NULL)
        snprintf(last_failure, sizeof last_failure, "%.*s", ANQA_FMT(error->as.s));
    pthread_mutex_unlock(&failure_lock);
    atomic_fetch_add(&failed_count, 1);
}

void town_begin_plain(const anqa_endpoint *endpoint)
{
    static anqa_endpoint whole;

    whole = *endpoint;
    whole.quiet = true;
    setenv("HTTPS_PORT", "0", 1);
    CHECK_STATUS(anqa_telemetry_attach(&(anqa_telemetry_handler){
                     .id = "town", .pattern = "anqa.http.handshake_failed", .run = note_failed}),
        ANQA_OK);
    server = endpoint_begin(&whole);
    CHECK_STATUS(anqa_endpoint_https_address(server.pid, secure_address), ANQA_OK);
}

void town_begin_https(const anqa_endpoint *endpoint, const anqa_https *https)
{
    static anqa_https secure;
    anqa_endpoint whole = *endpoint;

    secure = *https;
    if (secure.certfile == NULL) {
        snprintf(main_file, sizeof main_file, "%s", town_certificate("main", "localhost"));
        snprintf(main_key, sizeof main_key, "%s", town_key("main"));
        secure.certfile = main_file;
        secure.keyfile = main_key;
    }
    whole.https = &secure;
    town_begin_plain(&whole);
}

void town_begin(const anqa_endpoint *endpoint)
{
    town_begin_https(endpoint, &(anqa_https){0});
}

void town_end(void)
{
    endpoint_end(&server);
    (void)anqa_telemetry_detach("town");
}

uint16_t town_port(void)
{
    return (uint16_t)strtoul(strrchr(secure_address, ':') + 1, NULL, 10);
}

uint16_t town_plain_port(void)
{
    return endpoint_port(&server);
}

anqa_pid town_endpoint(void)
{
    return server.pid;
}

unsigned town_failed(void)
{
    return atomic_load(&failed_count);
}

void town_wait_failed(unsigned count)
{
    for (unsigned i = 0; i < 10000 && town_failed() < count; i++)
        usleep(5000);
    CHECK_EQ(town_failed(), count);
}

const char *town_failure(void)
{
    static char words[sizeof last_failure];

    pthread_mutex_lock(&failure_lock);
    memcpy(words, last_failure, sizeof words);
    pthread_mutex_unlock(&failure_lock);
    return words;
}

size_t town_connections(anqa_priority priority)
{
    anqa_process_info *infos;
    size_t count, found = 0;

    CHECK_STATUS(
        anqa_process_list(&(anqa_process_list_opts){.limit = 1000}, &infos, &count), ANQA_OK);
    for (size_t i = 0; i < count; i++)
        found += strcmp(infos[i].kind, "connection") == 0 && infos[i].priority == priority;
    return found;
}

void town_wait_connections(size_t count)
{
    size_t now = 0;

    for (unsigned i = 0; i < 10000 && now != count; i++) {
        now = town_connections(ANQA_PRIORITY_LOW) + town_connections(ANQA_PRIORITY_NORMAL);
        if (now != count)
            anqa_sleep(5);
    }
    CHECK_EQ(now, count);
}

/* ---------------------------------------------------------------- a client */

void caller_dial(struct caller *caller, const struct call *call)
{
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());

    CHECK(context != NULL);
    *caller = (struct caller){.context = context};
    if (call->version != 0) {
        SSL_CTX_set_security_level(context, 0); /* or it would not speak old versions itself */
        CHECK(SSL_CTX_set_min_proto_version(context, call->version) == 1);
        CHECK(SSL_CTX_set_max_proto_version(context, call->version) == 1);
    }
    if (call->certificate != NULL) {
        CHECK(SSL_CTX_use_certificate_file(
                  context, of_name(call->certificate, ".crt"), SSL_FILETYPE_PEM) == 1);
        CHECK(SSL_CTX_use_PrivateKey_file(
                  context, of_name(call->certificate, ".key"), SSL_FILETYPE_PEM) == 1);
    }
    caller->fd = peer_dial(call->port != 0 ? call->port : town_port());
    caller->ssl = SSL_new(context);
    if (call->sni != NULL)
        SSL_set_tlsext_host_name(caller->ssl, call->sni);
    if (call->alpn != NULL)
        SSL_set_alpn_protos(
            caller->ssl, (const unsigned char *)call->alpn, (unsigned)strlen(call->alpn));
    if (call->session != NULL)
        SSL_set_session(caller->ssl, call->session);
    SSL_set_fd(caller->ssl, caller->fd);
}

bool caller_begin(struct caller *caller, const struct call *call)
{
    static const struct call plain;

    signal(SIGPIPE, SIG_IGN); /* the test's own, when the server hangs up */
    caller_dial(caller, call == NULL ? &plain : call);
    ERR_clear_error();
    return SSL_connect(caller->ssl) == 1;
}

void caller_end(struct caller *caller)
{
    SSL_free(caller->ssl);
    SSL_CTX_free(caller->context);
    close(caller->fd);
    ERR_clear_error();
}

void caller_leave(struct caller *caller)
{
    (void)SSL_shutdown(caller->ssl);
    caller_end(caller);
}

void caller_put(struct caller *caller, const char *bytes, size_t len)
{
    size_t done;

    while (len > 0) {
        if (SSL_write_ex(caller->ssl, bytes, len, &done) != 1)
            return;
        bytes += done;
        len -= done;
    }
}

void caller_say(struct caller *caller, const char *text)
{
    caller_put(caller, text, strlen(text));
}

size_t caller_get(struct caller *caller, const char *end, char *buf, size_t size)
{
    size_t len = 0, n;

    buf[0] = '\0';
    while (len + 1 < size && SSL_read_ex(caller->ssl, buf + len, size - 1 - len, &n) == 1) {
        len += n;
        buf[len] = '\0';
        if (end != NULL && strstr(buf, end) != NULL)
            break;
    }
    return len;
}

bool caller_read(struct caller *caller, char *buf, size_t size)
{
    size_t n;

    for (; size > 0; size -= n, buf += n)
        if (SSL_read_ex(caller->ssl, buf, size, &n) != 1)
            return false;
    return true;
}

enum ending caller_ending(struct caller *caller)
{
    char rest[4096];
    int n;

    do
        n = SSL_read(caller->ssl, rest, sizeof rest);
    while (n > 0);
    switch (SSL_get_error(caller->ssl, n)) {
    case SSL_ERROR_ZERO_RETURN: return ENDED_WELL;
    case SSL_ERROR_WANT_READ: return NOT_ENDED;
    default: return ENDED_SHORT;
    }
}

const char *caller_shown(struct caller *caller)
{
    static char name[128];
    X509 *cert = SSL_get0_peer_certificate(caller->ssl);

    name[0] = '\0';
    if (cert != NULL)
        X509_NAME_get_text_by_NID(X509_get_subject_name(cert), NID_commonName, name, sizeof name);
    return name;
}

const char *caller_ask(const char *request)
{
    static char answer[1 << 16];
    struct caller caller;

    CHECK(caller_begin(&caller, NULL));
    caller_say(&caller, request);
    (void)caller_get(&caller, NULL, answer, sizeof answer);
    caller_leave(&caller);
    return answer;
}

const char *caller_fetch(const char *target)
{
    char request[512];

    snprintf(request, sizeof request,
        "GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", target);
    return caller_ask(request);
}
