/* Certificates that are replaced while they are in use. */
#include "tls/town.h"

#include <openssl/pem.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

static void answer(anqa_conn *conn, const void *opts)
{
    anqa_send_text(conn, 200, anqa_str_of("served"));
}

static const anqa_endpoint plain = {.plugs = (const anqa_plug[]){{answer, NULL}, {0}}};

static const char *shown_now(void)
{
    static char name[64];
    struct caller caller;

    CHECK(caller_begin(&caller, NULL));
    snprintf(name, sizeof name, "%s", caller_shown(&caller));
    caller_leave(&caller);
    return name;
}

static bool is_served(struct caller *caller)
{
    char buf[1024];

    caller_say(caller, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    (void)caller_get(caller, "served", buf, sizeof buf);
    return strstr(buf, "served") != NULL;
}

/* What "main" is from now on. */
static void replace(const char *hosts)
{
    (void)town_certificate("main", hosts);
}

TEST(new_connections_have_the_new_certificate_and_old_ones_go_on)
{
    struct caller old;

    town_begin(&plain);
    CHECK(caller_begin(&old, NULL));
    CHECK_STR(caller_shown(&old), "localhost");
    replace("renewed.org");
    CHECK_STR(shown_now(), "localhost");
    CHECK_STATUS(anqa_tls_reload(NULL), ANQA_OK);
    CHECK_STR(shown_now(), "renewed.org");
    CHECK(is_served(&old));
    caller_leave(&old);
    town_end();
}

TEST(a_broken_file_keeps_the_old_certificate_and_says_which)
{
    anqa_error err;

    town_begin(&plain);
    town_write("main.crt", "-----BEGIN CERTIFICATE-----\nnonsense\n");
    CHECK_STATUS(anqa_tls_reload(&err), ANQA_E_INVALID);
    CHECK(strstr(err.text, "the certificate ") != NULL && strstr(err.text, "main.crt") != NULL,
        "%s", err.text);
    CHECK_STR(shown_now(), "localhost");
    replace("renewed.org");
    (void)town_certificate("other", "other.org");
    town_copy("other.key", "main.key");
    CHECK_STATUS(anqa_tls_reload(&err), ANQA_E_INVALID);
    CHECK(strstr(err.text, "the key ") != NULL && strstr(err.text, "key values mismatch") != NULL,
        "%s", err.text);
    CHECK_STR(shown_now(), "localhost");
    replace("renewed.org");
    CHECK_STATUS(anqa_tls_reload(&err), ANQA_OK, "%s", err.text);
    CHECK_STR(shown_now(), "renewed.org");
    town_end();
}

static SSL_SESSION *session;

TEST(tickets_from_before_are_still_good)
{
    struct caller caller;

    town_begin(&plain);
    CHECK(caller_begin(&caller, NULL) && is_served(&caller));
    session = SSL_get1_session(caller.ssl);
    caller_leave(&caller);
    replace("localhost");
    CHECK_STATUS(anqa_tls_reload(NULL), ANQA_OK);
    CHECK(caller_begin(&caller, &(struct call){.session = session}));
    CHECK(SSL_session_reused(caller.ssl) == 1);
    SSL_SESSION_free(session);
    caller_leave(&caller);
    town_end();
}

static _Atomic(unsigned) warned, kept, read_again;

static void count_lines(void *ctx, const anqa_log_event *event)
{
    atomic_fetch_add(&warned, strcmp(event->id, "tls.certificate.expired") == 0);
    atomic_fetch_add(&kept, strcmp(event->id, "tls.certificates.kept") == 0);
    atomic_fetch_add(&read_again, strcmp(event->id, "tls.certificates.read") == 0);
}

TEST(the_log_tells_what_was_read_what_was_kept_and_what_has_expired)
{
    town_begin(&plain);
    anqa_log_set_sink(count_lines, NULL);
    anqa_log_set_level(ANQA_NOTICE);
    town_expired_certificate("main", "old.org");
    CHECK_STATUS(anqa_tls_reload(NULL), ANQA_OK);
    CHECK_STR(shown_now(), "old.org");
    town_write("main.key", "nonsense");
    CHECK_STATUS(anqa_tls_reload(NULL), ANQA_E_INVALID);
    town_end(); /* writes what is left */
    anqa_log_set_sink(NULL, NULL);
    CHECK(atomic_load(&warned) >= 1);
    CHECK_EQ(atomic_load(&read_again), 1);
    CHECK_EQ(atomic_load(&kept), 1);
}

TEST(rsa_keys_are_as_good)
{
    struct caller caller;

    town_begin(&plain);
    town_rsa_certificate("main", "rsa.org", 2048);
    CHECK_STATUS(anqa_tls_reload(NULL), ANQA_OK);
    CHECK_STR(shown_now(), "rsa.org");
    CHECK(caller_begin(&caller, &(struct call){.version = TLS1_2_VERSION}) && is_served(&caller));
    caller_leave(&caller);
    town_end();
}

/* ---------------------------------------------------------------- a start that fails */

static const char *refusal_of(const anqa_https *https)
{
    static anqa_error err;
    anqa_endpoint endpoint = {.https = https, .quiet = true};
    anqa_pid pid;

    CHECK(anqa_gen_server_start(&anqa_endpoint_server, &endpoint, NULL, &pid, &err) != ANQA_OK);
    return err.text;
}

TEST(an_endpoint_without_a_good_certificate_does_not_start_and_says_why)
{
    char good[128], good_key[128], bad[128];

    snprintf(good, sizeof good, "%s", town_certificate("good", "localhost"));
    snprintf(good_key, sizeof good_key, "%s", town_key("good"));
    town_write("bad", "nonsense");
    snprintf(bad, sizeof bad, "%s", town_file("bad"));
    town_begin(&plain);
#define REFUSED(words, ...)                                       \
    do {                                                          \
        const char *why = refusal_of(&(anqa_https){__VA_ARGS__}); \
        CHECK(strstr(why, words) != NULL, "%s", why);             \
    } while (0)
    REFUSED("https needs a certificate: .certfile, or TLS_CERTFILE", .port = 0);
    REFUSED("No such file or directory", .certfile = "/nowhere/cert.pem");
    REFUSED("/nowhere/key.pem", .certfile = good, .keyfile = "/nowhere/key.pem");
    REFUSED("no start line", .certfile = bad);
    REFUSED("the key ", .certfile = good);
    REFUSED("there is no cipher in 'NONE-SUCH'", .certfile = good, .keyfile = good_key,
        .ciphers = "NONE-SUCH");
    REFUSED(
        "verify_peer needs cacertfile", .certfile = good, .keyfile = good_key, .verify_peer = true);
    REFUSED("those who sign for clients /nowhere/ca.pem", .certfile = good, .keyfile = good_key,
        .verify_peer = true, .cacertfile = "/nowhere/ca.pem");
    REFUSED("the certificate /nowhere/sni.pem", .certfile = good, .keyfile = good_key,
        .sni_hosts = (const anqa_certificate[]){{.certfile = "/nowhere/sni.pem"}, {0}});
    town_end();
}

/* Nobody is to be asked for it at a terminal. */
TEST(a_key_with_a_password_is_refused)
{
    char cert[128], key[128];
    EVP_PKEY *locked = EVP_EC_gen("P-256");
    FILE *file;
    const char *why;

    snprintf(cert, sizeof cert, "%s", town_certificate("good", "localhost"));
    snprintf(key, sizeof key, "%s", town_key("locked"));
    file = fopen(key, "we");
    CHECK(file != NULL && PEM_write_PrivateKey(file, locked, EVP_aes_128_cbc(),
                              (const unsigned char *)"secret", 6, NULL, NULL) == 1);
    fclose(file);
    EVP_PKEY_free(locked);
    town_begin(&plain);
    why = refusal_of(&(anqa_https){.certfile = cert, .keyfile = key});
    CHECK(strstr(why, "the key ") != NULL, "%s", why);
    town_end();
}

TEST(the_environment_may_say_where_the_certificate_is)
{
    setenv("TLS_CERTFILE", town_certificate("env", "env.org"), 1);
    setenv("TLS_KEYFILE", town_key("env"), 1);
    setenv("HTTPS_PORT", "0", 1);
    town_begin_plain(&plain);
    CHECK_STR(shown_now(), "env.org");
    town_end();
}
