/* Handshakes: what is agreed upon, who is refused, and who takes too long. */
#include "tls/town.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "http/peer.h"
#include "http/tls_int.h"

static void answer(anqa_conn *conn, const void *opts)
{
    anqa_send_text(conn, 200, anqa_str_of(conn->scheme));
}

static const anqa_endpoint plain = {.plugs = (const anqa_plug[]){{answer, NULL}, {0}}};

static const char request[] = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";

/* Whether it gets an answer. */
static bool is_served(struct caller *caller)
{
    char buf[1024];

    caller_say(caller, request);
    (void)caller_get(caller, "\r\n\r\nhttps", buf, sizeof buf);
    return strstr(buf, "\r\n\r\nhttps") != NULL;
}

static bool can_call(const struct call *call)
{
    struct caller caller;
    bool served = caller_begin(&caller, call) && is_served(&caller);

    caller_leave(&caller);
    return served;
}

/* ---------------------------------------------------------------- versions */

TEST(tls_1_2_and_1_3_are_spoken_and_older_versions_refused)
{
    town_begin(&plain);
    CHECK(can_call(&(struct call){.version = TLS1_3_VERSION}));
    CHECK(can_call(&(struct call){.version = TLS1_2_VERSION}));
    CHECK(!can_call(&(struct call){.version = TLS1_1_VERSION}));
    CHECK(!can_call(&(struct call){.version = TLS1_VERSION}));
    town_wait_failed(2);
    CHECK_STR(town_failure(), "unsupported protocol");
    town_end();
}

TEST(an_endpoint_may_ask_for_1_3)
{
    town_begin_https(&plain, &(anqa_https){.min_version = ANQA_TLS_1_3});
    CHECK(can_call(&(struct call){.version = TLS1_3_VERSION}));
    CHECK(!can_call(&(struct call){.version = TLS1_2_VERSION}));
    town_end();
}

static bool can_call_with_ciphers(const char *ciphers)
{
    struct caller caller;
    bool served;

    caller_dial(&caller, &(struct call){.version = TLS1_2_VERSION});
    CHECK(SSL_set_cipher_list(caller.ssl, ciphers) == 1);
    served = SSL_connect(caller.ssl) == 1 && is_served(&caller);
    caller_leave(&caller);
    return served;
}

TEST(only_ciphers_with_forward_secrecy_and_authentication_are_agreed_upon)
{
    town_begin(&plain);
    CHECK(can_call_with_ciphers("ECDHE-ECDSA-AES128-GCM-SHA256"));
    CHECK(can_call_with_ciphers("ECDHE-ECDSA-CHACHA20-POLY1305"));
    CHECK(!can_call_with_ciphers("ECDHE-ECDSA-AES128-SHA256"), "CBC");
    CHECK(!can_call_with_ciphers("AES128-GCM-SHA256"), "RSA's own key exchange");
    town_end();
}

TEST(an_endpoint_may_name_its_ciphers)
{
    town_begin_https(&plain, &(anqa_https){.ciphers = "ECDHE-ECDSA-AES256-GCM-SHA384"});
    CHECK(can_call_with_ciphers("ECDHE-ECDSA-AES256-GCM-SHA384"));
    CHECK(!can_call_with_ciphers("ECDHE-ECDSA-AES128-GCM-SHA256"));
    town_end();
}

TEST(a_session_is_not_renegotiated)
{
    struct caller caller;

    town_begin(&plain);
    CHECK(caller_begin(&caller, &(struct call){.version = TLS1_2_VERSION}));
    CHECK(is_served(&caller));
    (void)SSL_renegotiate(caller.ssl);
    CHECK(SSL_do_handshake(caller.ssl) != 1 || !is_served(&caller));
    caller_end(&caller);
    CHECK(can_call(NULL));
    town_end();
}

/* ---------------------------------------------------------------- ALPN */

static const char *agreed(const char *alpn)
{
    static char name[32];
    const unsigned char *selected;
    struct caller caller;
    unsigned len;

    name[0] = '\0';
    if (caller_begin(&caller, &(struct call){.alpn = alpn})) {
        SSL_get0_alpn_selected(caller.ssl, &selected, &len);
        snprintf(name, sizeof name, "%.*s", (int)len, (const char *)selected);
        CHECK(is_served(&caller));
    } else {
        snprintf(name, sizeof name, "refused");
    }
    caller_leave(&caller);
    return name;
}

TEST(http_1_1_is_agreed_upon_and_an_unknown_protocol_refused)
{
    town_begin(&plain);
    CHECK_STR(agreed("\x8http/1.1"), "http/1.1");
    CHECK_STR(agreed("\x6spdy/9\x8http/1.1"), "http/1.1");
    CHECK_STR(agreed("\x6spdy/9"), "refused");
    CHECK_STR(agreed(NULL), "");
    town_end();
}

TEST(an_endpoint_may_say_what_is_spoken)
{
    anqa_error err;

    town_begin_https(&plain, &(anqa_https){.alpn = (const char *const[]){"http/1.1", NULL}});
    CHECK_STR(agreed("\x2h2\x8http/1.1"), "http/1.1");
    CHECK_STATUS(tls_server_open(&(anqa_https){.alpn = (const char *const[]){"smtp", NULL}},
                     &(struct tls_server *){NULL}, &err),
        ANQA_E_INVALID);
    CHECK_STR(err.text, "https: alpn names nothing that is spoken here");
    town_end();
}

/* ---------------------------------------------------------------- certificates by name */

static const char *shown(const char *sni)
{
    static char name[64];
    struct caller caller;

    CHECK(caller_begin(&caller, &(struct call){.sni = sni}), "%s", sni);
    snprintf(name, sizeof name, "%s", caller_shown(&caller));
    CHECK(is_served(&caller));
    caller_leave(&caller);
    return name;
}

TEST(a_host_is_shown_its_certificate)
{
    char one[128], one_key[128], wild[128], wild_key[128], own[128], own_key[128];
    anqa_certificate hosts[] = {{.host = "one.org", .certfile = one, .keyfile = one_key},
        {.host = "*.wild.org", .certfile = wild, .keyfile = wild_key},
        {.certfile = own, .keyfile = own_key}, {0}};

    snprintf(one, sizeof one, "%s", town_certificate("one", "first"));
    snprintf(wild, sizeof wild, "%s", town_certificate("wild", "second"));
    snprintf(own, sizeof own, "%s", town_certificate("own", "own.org,*.own.org"));
    snprintf(one_key, sizeof one_key, "%s", town_key("one"));
    snprintf(wild_key, sizeof wild_key, "%s", town_key("wild"));
    snprintf(own_key, sizeof own_key, "%s", town_key("own"));
    town_begin_https(&plain, &(anqa_https){.sni_hosts = hosts});
    CHECK_STR(shown("one.org"), "first");
    CHECK_STR(shown("ONE.org"), "first");
    CHECK_STR(shown("a.one.org"), "localhost");
    CHECK_STR(shown("a.wild.org"), "second");
    CHECK_STR(shown("a.b.wild.org"), "localhost");
    CHECK_STR(shown("wild.org"), "localhost");
    CHECK_STR(shown(".wild.org"), "localhost");
    CHECK_STR(shown("own.org"), "own.org");
    CHECK_STR(shown("a.own.org"), "own.org");
    CHECK_STR(shown("nobody.org"), "localhost");
    CHECK_STR(shown(NULL), "localhost");
    town_end();
}

/* ---------------------------------------------------------------- tickets */

/* The session of a client that was served. */
static SSL_SESSION *session_of(const struct call *call, bool resumed)
{
    struct caller caller;
    SSL_SESSION *session;

    CHECK(caller_begin(&caller, call));
    CHECK(is_served(&caller)); /* with 1.3 tickets come behind the handshake */
    CHECK_EQ(SSL_session_reused(caller.ssl), resumed);
    session = SSL_get1_session(caller.ssl);
    CHECK_EQ(SSL_SESSION_get_max_early_data(session), 0);
    caller_leave(&caller);
    return session;
}

TEST(a_session_is_resumed_by_its_ticket_on_every_scheduler)
{
    const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};

    town_begin(&plain);
    for (size_t v = 0; v < ANQA_COUNT(versions); v++) {
        SSL_SESSION *session = session_of(&(struct call){.version = versions[v]}, false);
        CHECK(SSL_SESSION_has_ticket(session));
        for (int i = 0; i < 12; i++) { /* the kernel spreads them over both */
            SSL_SESSION *next =
                session_of(&(struct call){.version = versions[v], .session = session}, true);
            SSL_SESSION_free(session);
            session = next;
        }
        SSL_SESSION_free(session);
    }
    town_end();
}

TEST(a_ticket_that_was_tampered_with_makes_for_a_full_handshake)
{
    SSL_SESSION *session, *bad;
    unsigned char *bytes, *at;
    const unsigned char *ticket, *from;
    size_t len, size;

    town_begin(&plain);
    session = session_of(&(struct call){.version = TLS1_2_VERSION}, false);
    SSL_SESSION_get0_ticket(session, &ticket, &len);
    size = (size_t)i2d_SSL_SESSION(session, NULL);
    bytes = at = OPENSSL_malloc(size);
    i2d_SSL_SESSION(session, &at);
    for (size_t i = 0; i + len <= size; i++)
        if (memcmp(bytes + i, ticket, len) == 0)
            bytes[i + len - 1] ^= 1;
    from = bytes;
    bad = d2i_SSL_SESSION(NULL, &from, (long)size);
    CHECK(bad != NULL);
    SSL_SESSION_free(session_of(&(struct call){.version = TLS1_2_VERSION, .session = bad}, false));
    SSL_SESSION_free(bad);
    SSL_SESSION_free(session);
    OPENSSL_free(bytes);
    town_end();
}

TEST(a_ticket_key_seals_for_one_period_and_opens_for_two)
{
    struct tls_tickets tickets = {0};
    struct tls_ticket_key first, second;

    tls_tickets_turn(&tickets, 0);
    first = tickets.now;
    tls_tickets_turn(&tickets, TLS_TICKET_S - 1);
    CHECK(memcmp(&first, &tickets.now, sizeof first) == 0);
    tls_tickets_turn(&tickets, TLS_TICKET_S + 1);
    second = tickets.now;
    CHECK(memcmp(first.name, second.name, sizeof first.name) != 0);
    CHECK(memcmp(first.cipher, second.cipher, sizeof first.cipher) != 0);
    CHECK(memcmp(first.mac, second.mac, sizeof first.mac) != 0);
    CHECK(tls_tickets_find(&tickets, first.name, TLS_TICKET_S + 1) == &tickets.before);
    CHECK(tls_tickets_find(&tickets, second.name, TLS_TICKET_S + 1) == &tickets.now);
    CHECK(tls_tickets_find(&tickets, first.name, (uint64_t)2 * TLS_TICKET_S + 1) == NULL);
    tls_tickets_turn(&tickets, (uint64_t)3 * TLS_TICKET_S);
    CHECK(tls_tickets_find(&tickets, first.name, (uint64_t)3 * TLS_TICKET_S) == NULL);
}

/* ---------------------------------------------------------------- certificates of clients */

TEST(clients_are_asked_for_a_certificate_and_a_wrong_one_is_refused)
{
    char friends[128];

    snprintf(friends, sizeof friends, "%s", town_certificate("friend", "friend"));
    (void)town_certificate("stranger", "stranger");
    town_begin_https(&plain, &(anqa_https){.verify_peer = true, .cacertfile = friends});
    CHECK(can_call(&(struct call){.certificate = "friend"}));
    CHECK(can_call(NULL), "none is not a wrong one");
    CHECK(!can_call(&(struct call){.certificate = "stranger"}));
    town_wait_failed(1);
    CHECK_STR(town_failure(), "self-signed certificate");
    town_end();
}

TEST(clients_without_a_certificate_may_be_refused)
{
    char friends[128];

    snprintf(friends, sizeof friends, "%s", town_certificate("friend", "friend"));
    town_begin_https(&plain,
        &(anqa_https){.verify_peer = true, .fail_if_no_peer_cert = true, .cacertfile = friends});
    CHECK(can_call(&(struct call){.certificate = "friend"}));
    CHECK(!can_call(NULL));
    town_wait_failed(1);
    CHECK_STR(town_failure(), "peer did not return a certificate");
    town_end();
}

/* ---------------------------------------------------------------- what is no handshake */

TEST(who_speaks_http_to_https_is_told_so)
{
    const char *told;

    town_begin(&plain);
    told = peer_ask(town_port(), request);
    CHECK(strncmp(told, "HTTP/1.1 400 ", 13) == 0, "%s", told);
    CHECK(strstr(told, "\r\n\r\nhttp was spoken to a port of https") != NULL, "%s", told);
    town_wait_failed(1);
    CHECK_STR(town_failure(), "http request");
    town_end();
}

TEST(garbage_is_refused_and_counted)
{
    char buf[256];

    town_begin(&plain);
    for (unsigned i = 0; i < 40; i++) {
        unsigned char bytes[200];
        size_t len = 1 + harness_random() % sizeof bytes;
        int fd = peer_dial(town_port());
        for (size_t j = 0; j < len; j++)
            bytes[j] = (unsigned char)harness_random();
        if (i % 2 == 0)
            memcpy(bytes, "\x16\x03\x01\x00\x40\x01", len < 6 ? len : 6); /* as if it began one */
        peer_put(fd, (const char *)bytes, len);
        shutdown(fd, SHUT_WR);
        (void)peer_get(fd, NULL, buf, sizeof buf);
        close(fd);
    }
    town_wait_failed(40);
    CHECK(can_call(NULL));
    town_end();
}

/* What a client sends up to the end of its handshake, of which the server sees a part. */
static size_t first_flight(char *bytes, size_t size)
{
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    SSL *ssl = SSL_new(context);
    BIO *in = BIO_new(BIO_s_mem()), *out = BIO_new(BIO_s_mem());
    int n;

    SSL_set_bio(ssl, in, out);
    CHECK(SSL_connect(ssl) != 1);
    n = BIO_read(out, bytes, (int)size);
    CHECK(n > 0);
    SSL_free(ssl);
    SSL_CTX_free(context);
    return (size_t)n;
}

TEST(a_connection_may_be_cut_at_each_byte_of_its_handshake)
{
    char bytes[2048], buf[8192];
    size_t len = first_flight(bytes, sizeof bytes);
    unsigned failed = 0;

    town_begin(&plain);
    for (size_t i = 0; i <= len; i += 1 + i / 40) {
        int fd = peer_dial(town_port());
        peer_put(fd, bytes, i);
        if (i % 2 == 0)
            (void)shutdown(fd, SHUT_WR); /* else it is reset, perhaps */
        if (i % 2 == 0)
            (void)peer_get(fd, NULL, buf, sizeof buf);
        close(fd);
        failed++;
    }
    town_wait_failed(failed);
    CHECK_STR(town_failure(), "the peer has closed the connection");
    CHECK(can_call(NULL));
    town_end();
}

TEST(a_handshake_may_come_byte_by_byte)
{
    struct caller caller;
    char buf[4096];
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    BIO *in = BIO_new(BIO_s_mem()), *out = BIO_new(BIO_s_mem());

    town_begin(&plain);
    caller = (struct caller){.fd = peer_dial(town_port()), .context = context};
    caller.ssl = SSL_new(context);
    SSL_set_bio(caller.ssl, in, out);
    while (SSL_connect(caller.ssl) != 1) {
        int n;
        while ((n = BIO_read(out, buf, 1)) > 0)
            peer_put(caller.fd, buf, 1);
        n = (int)recv(caller.fd, buf, sizeof buf, 0);
        CHECK(n > 0);
        if (n <= 0)
            break;
        BIO_write(in, buf, n);
    }
    for (int n; (n = BIO_read(out, buf, 1)) > 0;)
        peer_put(caller.fd, buf, 1);
    SSL_set_fd(caller.ssl, caller.fd);
    CHECK(is_served(&caller));
    caller_end(&caller);
    town_end();
}

TEST(who_does_not_end_a_handshake_in_time_is_let_go)
{
    char bytes[2048], buf[8192];
    size_t len = first_flight(bytes, sizeof bytes), sent = 0;
    int silent, slow, stuck;

    town_begin_https(&plain, &(anqa_https){.handshake_timeout_ms = 1000});
    silent = peer_dial(town_port());
    stuck = peer_dial(town_port());
    slow = peer_dial(town_port());
    peer_put(stuck, bytes, len); /* and never answers the server's part */
    while (town_failed() < 3 && sent < 1000) {
        peer_put(slow, bytes + (sent < len ? sent : len - 1), 1); /* always something new */
        sent++;
        usleep(10000);
    }
    town_wait_failed(3);
    CHECK_STR(town_failure(), "the time is over");
    CHECK_EQ(peer_get(silent, NULL, buf, sizeof buf), 0);
    (void)peer_get(stuck, NULL, buf, sizeof buf);
    CHECK(peer_at_end(stuck) && peer_at_end(slow));
    close(silent);
    close(stuck);
    close(slow);
    CHECK(can_call(NULL));
    town_end();
}

TEST(half_handshakes_hold_nobody_up)
{
    char bytes[2048];
    size_t len = first_flight(bytes, sizeof bytes);
    int fds[50];

    town_begin(&plain);
    for (size_t i = 0; i < ANQA_COUNT(fds); i++) {
        fds[i] = peer_dial(town_port());
        peer_put(fds[i], bytes, len * i / ANQA_COUNT(fds));
    }
    CHECK(can_call(NULL));
    for (size_t i = 0; i < ANQA_COUNT(fds); i++)
        close(fds[i]);
    town_end();
}

/* The connections of this priority, once there are any. */
static size_t wait_connections(anqa_priority priority)
{
    size_t found = 0;

    for (int i = 0; i < 1000 && found == 0; i++) {
        anqa_process_info *infos;
        size_t count;
        CHECK_STATUS(
            anqa_process_list(&(anqa_process_list_opts){.limit = 1000}, &infos, &count), ANQA_OK);
        for (size_t j = 0; j < count; j++)
            found += strcmp(infos[j].kind, "connection") == 0 && infos[j].priority == priority;
        if (found == 0)
            anqa_sleep(5);
    }
    return found;
}

/* Many at once are behind those who are served already. */
TEST(who_shakes_hands_has_low_priority_and_who_is_served_has_not)
{
    struct caller caller;

    town_begin(&plain);
    caller_dial(&caller, &(struct call){0});
    CHECK_EQ(wait_connections(ANQA_PRIORITY_LOW), 1);
    CHECK(SSL_connect(caller.ssl) == 1 && is_served(&caller));
    CHECK_EQ(wait_connections(ANQA_PRIORITY_NORMAL), 1);
    caller_leave(&caller);
    town_end();
}
