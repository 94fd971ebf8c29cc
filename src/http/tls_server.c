/* Certificates of a listener: read from files, chosen by name, replaced while it listens. See tls.h. */
#include "http/tls_int.h"

#include <openssl/x509v3.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <anqa/log.h>
#include <anqa/process.h>

#include "base/clock.h"
#include "base/container.h"
#include "base/list.h"

#define STRONG "ECDHE+AESGCM:ECDHE+CHACHA20"
#define CERTIFICATES_MAX 1000u

/* One of a listener's certificates, ready for use. */
struct tls_host {
    SSL_CTX *context;
    const char *name; /* pattern; NULL: the names in the certificate */
};

/* All of them, the one for who asks for no other first. shared: counted, otherwise constant. */
struct tls_set {
    _Atomic(uint32_t) refs;
    struct tls_server *server; /* counted: its ticket keys */
    size_t count;
    struct tls_host hosts[];
};

/* shared */
struct tls_server {
    _Atomic(uint32_t) refs;
    const anqa_https *https;
    struct anqa_list_node node; /* in `servers` */
    unsigned char *alpn;        /* what we speak, as on the wire; constant */
    unsigned alpn_len;
    pthread_mutex_t lock; /* guards what follows; never held for long */
    struct tls_set *set;  /* NULL: it was closed */
    struct tls_tickets tickets;
};

/* Those of the program, for anqa_tls_reload, which holds the lock while it reads files. */
static pthread_mutex_t servers_lock = PTHREAD_MUTEX_INITIALIZER;
static struct anqa_list servers = {{&servers.head, &servers.head}};

/* ---------------------------------------------------------------- life */

static void server_unref(struct tls_server *server)
{
    if (atomic_fetch_sub_explicit(&server->refs, 1, memory_order_acq_rel) != 1)
        return;
    OPENSSL_cleanse(&server->tickets, sizeof server->tickets);
    pthread_mutex_destroy(&server->lock);
    free(server->alpn);
    free(server);
}

void tls_set_unref(struct tls_set *set)
{
    if (set == NULL || atomic_fetch_sub_explicit(&set->refs, 1, memory_order_acq_rel) != 1)
        return;
    for (size_t i = 0; i < set->count; i++)
        SSL_CTX_free(set->hosts[i].context);
    if (set->server != NULL)
        server_unref(set->server);
    free(set);
}

struct tls_set *tls_server_set(struct tls_server *server)
{
    struct tls_set *set;

    pthread_mutex_lock(&server->lock);
    set = server->set;
    if (set != NULL)
        atomic_fetch_add_explicit(&set->refs, 1, memory_order_relaxed);
    pthread_mutex_unlock(&server->lock);
    return set;
}

SSL_CTX *tls_set_context(const struct tls_set *set)
{
    return set->hosts[0].context;
}

bool tls_server_ticket_key(struct tls_server *server, const unsigned char *name,
    struct tls_ticket_key *ret_key, bool *ret_old)
{
    uint64_t now_s = clock_mono_ms() / 1000;
    const struct tls_ticket_key *key = &server->tickets.now;
    bool found;

    pthread_mutex_lock(&server->lock);
    tls_tickets_turn(&server->tickets, now_s);
    if (name != NULL)
        key = tls_tickets_find(&server->tickets, name, now_s);
    found = key != NULL;
    if (found) {
        *ret_key = *key;
        *ret_old = key != &server->tickets.now;
    }
    pthread_mutex_unlock(&server->lock);
    return found;
}

/* ---------------------------------------------------------------- failures in words */

/* Why OpenSSL failed: its first word of it; what comes then are callers who fail in turn. */
static const char *openssl_words(void)
{
    unsigned long code = ERR_peek_error();
    const char *words = NULL;

    if (ERR_SYSTEM_ERROR(code))
        words = strerrordesc_np((int)ERR_GET_REASON(code));
    else if (code != 0)
        words = ERR_reason_error_string(code);
    return words == NULL ? "it cannot be read" : words;
}

static anqa_status no_memory(anqa_error *err)
{
    ERR_clear_error();
    return anqa_fail(err, ANQA_E_NOMEM, "no memory for certificates");
}

static anqa_status file_bad(anqa_error *err, const char *what, const char *file)
{
    anqa_status status;

    if (ERR_GET_REASON(ERR_peek_error()) == ERR_R_MALLOC_FAILURE)
        return no_memory(err);
    status = anqa_fail(err, ANQA_E_INVALID, "https: %s %s: %s", what, file, openssl_words());
    ERR_clear_error();
    return status;
}

/* ---------------------------------------------------------------- one certificate */

/* A key with a password would have somebody asked for it at the terminal. */
static int no_password(char *buf, int size, int writes, void *user)
{
    return -1;
}

static void warn_if_over(SSL_CTX *context, const char *file)
{
    X509 *leaf = SSL_CTX_get0_certificate(context);

    if (leaf != NULL && X509_cmp_current_time(X509_get0_notAfter(leaf)) < 0)
        anqa_log(ANQA_WARN, "tls.certificate.expired", "file=%s next=\"it is shown anyway\"", file);
}

static anqa_status certificate_read(
    SSL_CTX *context, const char *certfile, const char *keyfile, anqa_error *err)
{
    if (keyfile == NULL)
        keyfile = certfile;
    SSL_CTX_set_default_passwd_cb(context, no_password);
    if (SSL_CTX_use_certificate_chain_file(context, certfile) != 1)
        return file_bad(err, "the certificate", certfile);
    if (SSL_CTX_use_PrivateKey_file(context, keyfile, SSL_FILETYPE_PEM) != 1 ||
        SSL_CTX_check_private_key(context) != 1)
        return file_bad(err, "the key", keyfile);
    warn_if_over(context, certfile);
    return ANQA_OK;
}

static anqa_status clients_verify(SSL_CTX *context, const anqa_https *https, anqa_error *err)
{
    int mode =
        SSL_VERIFY_PEER | (https->fail_if_no_peer_cert ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0);
    STACK_OF(X509_NAME) * names;

    if (!https->verify_peer && !https->fail_if_no_peer_cert)
        return ANQA_OK;
    if (https->cacertfile == NULL)
        return anqa_fail(err, ANQA_E_INVALID, "https: verify_peer needs cacertfile");
    names = SSL_load_client_CA_file(https->cacertfile);
    if (names == NULL || SSL_CTX_load_verify_file(context, https->cacertfile) != 1) {
        sk_X509_NAME_pop_free(names, X509_NAME_free);
        return file_bad(err, "those who sign for clients", https->cacertfile);
    }
    SSL_CTX_set_client_CA_list(context, names);
    SSL_CTX_set_verify(context, mode, NULL);
    return ANQA_OK;
}

/* ---------------------------------------------------------------- what is agreed upon */

static int choose_protocol(SSL *ssl, const unsigned char **ret_name, unsigned char *ret_len,
    const unsigned char *theirs, unsigned theirs_len, void *arg)
{
    const struct tls_server *server = arg;
    unsigned char *name;

    if (SSL_select_next_proto(&name, ret_len, server->alpn, server->alpn_len, theirs, theirs_len) !=
        OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    *ret_name = name;
    return SSL_TLSEXT_ERR_OK;
}

/* "*" stands for one label. */
static bool host_fits(const char *pattern, const char *name)
{
    const char *dot;

    if (strncmp(pattern, "*.", 2) != 0)
        return strcasecmp(pattern, name) == 0;
    dot = strchr(name, '.');
    return dot != NULL && dot != name && strcasecmp(pattern + 1, dot) == 0;
}

static bool host_is_for(const struct tls_host *host, const char *name)
{
    X509 *leaf;

    if (host->name != NULL)
        return host_fits(host->name, name);
    leaf = SSL_CTX_get0_certificate(host->context);
    return leaf != NULL && X509_check_host(leaf, name, 0, 0, NULL) == 1;
}

static int choose_host(SSL *ssl, int *alert, void *arg)
{
    const struct tls_set *set = arg;
    const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);

    if (name == NULL)
        return SSL_TLSEXT_ERR_NOACK;
    for (size_t i = 1; i < set->count; i++) {
        if (!host_is_for(&set->hosts[i], name))
            continue;
        if (SSL_set_SSL_CTX(ssl, set->hosts[i].context) == NULL)
            return SSL_TLSEXT_ERR_ALERT_FATAL;
        break;
    }
    return SSL_TLSEXT_ERR_OK;
}

static bool context_agree(SSL_CTX *context, struct tls_set *set, const anqa_https *https)
{
    static const unsigned char same_for_all[] = "anqa";
    int oldest = https->min_version == ANQA_TLS_1_3 ? TLS1_3_VERSION : TLS1_2_VERSION;

    SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_read_ahead(context, 1); /* else a record costs two system calls */
    SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
    SSL_CTX_set_app_data(context, set->server);
    SSL_CTX_set_alpn_select_cb(context, choose_protocol, set->server);
    SSL_CTX_set_tlsext_servername_callback(context, choose_host);
    SSL_CTX_set_tlsext_servername_arg(context, set);
    return SSL_CTX_set_min_proto_version(context, oldest) == 1 &&
           SSL_CTX_set_session_id_context(context, same_for_all, sizeof same_for_all - 1) == 1 &&
           tls_ticket_enable(context);
}

static anqa_status host_add(struct tls_set *set, const char *name, const char *certfile,
    const char *keyfile, anqa_error *err)
{
    const anqa_https *https = set->server->https;
    struct tls_host *host = &set->hosts[set->count];
    anqa_status status;

    host->name = name;
    host->context = SSL_CTX_new(TLS_server_method());
    if (host->context == NULL)
        return no_memory(err);
    set->count++;
    if (!context_agree(host->context, set, https))
        return no_memory(err);
    if (SSL_CTX_set_cipher_list(host->context, https->ciphers == NULL ? STRONG : https->ciphers) !=
        1) {
        ERR_clear_error();
        return anqa_fail(err, ANQA_E_INVALID, "https: there is no cipher in '%s'", https->ciphers);
    }
    status = certificate_read(host->context, certfile, keyfile, err);
    return status == ANQA_OK ? clients_verify(host->context, https, err) : status;
}

/* ---------------------------------------------------------------- all of them */

static size_t count_hosts(const anqa_https *https)
{
    size_t count = 0;

    while (https->sni_hosts != NULL && https->sni_hosts[count].certfile != NULL)
        count++;
    return count;
}

static anqa_status set_read(struct tls_server *server, struct tls_set **ret_set, anqa_error *err)
{
    const anqa_https *https = server->https;
    size_t count = count_hosts(https);
    struct tls_set *set;
    anqa_status status;

    if (count > CERTIFICATES_MAX)
        return anqa_fail(err, ANQA_E_INVALID, "https: more than %u certificates", CERTIFICATES_MAX);
    set = calloc(1, sizeof *set + (count + 1) * sizeof *set->hosts);
    if (set == NULL)
        return no_memory(err);
    atomic_init(&set->refs, 1);
    atomic_fetch_add_explicit(&server->refs, 1, memory_order_relaxed);
    set->server = server;
    ERR_clear_error();
    status = host_add(set, NULL, https->certfile, https->keyfile, err);
    for (size_t i = 0; i < count && status == ANQA_OK; i++) {
        const anqa_certificate *one = &https->sni_hosts[i];
        status = host_add(set, one->host, one->certfile, one->keyfile, err);
    }
    if (status == ANQA_OK)
        *ret_set = set;
    else
        tls_set_unref(set);
    return status;
}

/* ---------------------------------------------------------------- protocols */

static bool is_wanted(const anqa_https *https, const char *protocol)
{
    if (https->alpn == NULL)
        return true;
    for (const char *const *name = https->alpn; *name != NULL; name++)
        if (strcmp(*name, protocol) == 0)
            return true;
    return false;
}

/* Each is told with its length before it. */
static anqa_status alpn_make(struct tls_server *server, anqa_error *err)
{
    size_t size = 1; /* never empty */

    for (const struct tls_protocol *p = tls_protocols; p->name != NULL; p++)
        size += 1 + strlen(p->name);
    server->alpn = malloc(size);
    if (server->alpn == NULL)
        return no_memory(err);
    for (const struct tls_protocol *p = tls_protocols; p->name != NULL; p++) {
        size_t len = strlen(p->name);
        if (!is_wanted(server->https, p->name))
            continue;
        server->alpn[server->alpn_len++] = (unsigned char)len;
        memcpy(server->alpn + server->alpn_len, p->name, len);
        server->alpn_len += (unsigned)len;
    }
    return server->alpn_len != 0
               ? ANQA_OK
               : anqa_fail(err, ANQA_E_INVALID, "https: alpn names nothing that is spoken here");
}

/* ---------------------------------------------------------------- servers */

anqa_status tls_server_open(
    const anqa_https *https, struct tls_server **ret_server, anqa_error *err)
{
    struct tls_server *server = calloc(1, sizeof *server);
    anqa_status status;

    if (server == NULL)
        return no_memory(err);
    atomic_init(&server->refs, 1);
    pthread_mutex_init(&server->lock, NULL);
    server->https = https;
    anqa_list_node_init(&server->node);
    status = alpn_make(server, err);
    if (status == ANQA_OK)
        status = set_read(server, &server->set, err);
    if (status != ANQA_OK) {
        server_unref(server);
        return status;
    }
    pthread_mutex_lock(&servers_lock);
    anqa_list_push(&servers, &server->node);
    pthread_mutex_unlock(&servers_lock);
    *ret_server = server;
    return ANQA_OK;
}

/* Returns what was there before. */
static struct tls_set *set_exchange(struct tls_server *server, struct tls_set *set)
{
    struct tls_set *before;

    pthread_mutex_lock(&server->lock);
    before = server->set;
    server->set = set;
    pthread_mutex_unlock(&server->lock);
    return before;
}

void tls_server_close(struct tls_server *server)
{
    if (server == NULL)
        return;
    pthread_mutex_lock(&servers_lock);
    anqa_list_remove(&server->node);
    pthread_mutex_unlock(&servers_lock);
    tls_set_unref(set_exchange(server, NULL));
    server_unref(server);
}

anqa_status tls_server_reload(struct tls_server *server, anqa_error *err)
{
    struct tls_set *set = NULL;
    anqa_status status = set_read(server, &set, err);

    if (status == ANQA_OK)
        tls_set_unref(set_exchange(server, set));
    return status;
}

struct reload {
    anqa_status status;
    anqa_error err;
};

/* On a worker: files are read. */
static void reload_all(void *arg)
{
    struct reload *reload = arg;

    pthread_mutex_lock(&servers_lock);
    for (struct anqa_list_node *node = servers.head.next; node != &servers.head;
        node = node->next) {
        struct tls_server *server = ANQA_CONTAINER_OF(node, struct tls_server, node);
        anqa_error err;
        anqa_status status = tls_server_reload(server, &err);
        if (status == ANQA_OK) {
            anqa_log(ANQA_NOTICE, "tls.certificates.read", "certfile=%s", server->https->certfile);
            continue;
        }
        anqa_log(
            ANQA_ERROR, "tls.certificates.kept", "error=%s next=\"the old ones stay\"", err.text);
        if (reload->status == ANQA_OK)
            *reload = (struct reload){status, err};
    }
    pthread_mutex_unlock(&servers_lock);
}

anqa_status anqa_tls_reload(anqa_error *err)
{
    struct reload reload = {.status = ANQA_OK};
    anqa_status status = anqa_blocking(reload_all, &reload, sizeof reload);

    if (status != ANQA_OK)
        return anqa_fail(err, status, "no worker to read certificates");
    if (reload.status != ANQA_OK && err != NULL)
        *err = reload.err;
    return reload.status;
}
