/* Without memory, OpenSSL's own included: a handshake fails and nothing else. */
#include "tls/town.h"

#include <openssl/crypto.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "http/tls.h"

/* ---------------------------------------------------------------- allocations that fail */

/* Which one of OpenSSL's allocations fails, counted down; 0: none. */
static _Atomic(long) left;
static _Atomic(unsigned) failures;
static _Thread_local bool is_spared; /* the client */

static bool fails(void)
{
    if (is_spared || atomic_load(&left) <= 0 || atomic_fetch_sub(&left, 1) != 1)
        return false;
    atomic_fetch_add(&failures, 1);
    return true;
}

static void *failing_malloc(size_t size, const char *file, int line)
{
    return fails() ? NULL : malloc(size);
}

static void *failing_realloc(void *from, size_t size, const char *file, int line)
{
    return fails() ? NULL : realloc(from, size);
}

static void plain_free(void *memory, const char *file, int line)
{
    free(memory);
}

/* Before OpenSSL has allocated anything. */
static void begin(void)
{
    CHECK(CRYPTO_set_mem_functions(failing_malloc, failing_realloc, plain_free) == 1);
}

/* ---------------------------------------------------------------- a server */

static void open_one(const anqa_https *https, bool may_fail)
{
    struct tls_server *server;
    anqa_error err;
    anqa_status status = tls_server_open(https, &server, &err);

    CHECK(status == ANQA_OK || may_fail, "%s", err.text);
    if (status == ANQA_OK)
        tls_server_close(server);
}

TEST(without_memory_a_server_does_not_open_and_leaves_nothing)
{
    char certfile[128], keyfile[128];
    anqa_https https = {.certfile = certfile, .keyfile = keyfile};

    begin();
    snprintf(certfile, sizeof certfile, "%s", town_certificate("main", "localhost"));
    snprintf(keyfile, sizeof keyfile, "%s", town_key("main"));
    open_one(&https, false);
    for (long i = 1, before = -1; (long)atomic_load(&failures) > before; i += 1 + i / 8) {
        before = (long)atomic_load(&failures);
        atomic_store(&left, i);
        open_one(&https, true);
        atomic_store(&left, 0);
    }
    CHECK(atomic_load(&failures) > 20);
    open_one(&https, false);
}

TEST(without_memory_of_our_own_a_server_does_not_open_either)
{
    char certfile[128], keyfile[128];
    anqa_https https = {.certfile = certfile, .keyfile = keyfile};
    struct tls_server *server;

    snprintf(certfile, sizeof certfile, "%s", town_certificate("main", "localhost"));
    snprintf(keyfile, sizeof keyfile, "%s", town_key("main"));
    EACH_ALLOC_FAILURE {
        anqa_status status = tls_server_open(&https, &server, NULL);
        CHECK(status == ANQA_OK || status == ANQA_E_NOMEM, "%s", anqa_status_name(status));
        if (status == ANQA_OK)
            tls_server_close(server);
    }
}

/* ---------------------------------------------------------------- a connection */

static void answer(anqa_conn *conn, const void *opts)
{
    anqa_send_text(conn, 200, anqa_str_of("served"));
}

static const anqa_endpoint plain = {.plugs = (const anqa_plug[]){{answer, NULL}, {0}}};

static bool is_served(void)
{
    char buf[1024] = "";
    struct caller caller;

    if (caller_begin(&caller, &(struct call){.alpn = "\x8http/1.1", .sni = "localhost"})) {
        caller_say(&caller, "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        (void)caller_get(&caller, NULL, buf, sizeof buf);
    }
    caller_leave(&caller);
    return strstr(buf, "\r\n\r\nserved") != NULL;
}

TEST(without_memory_a_connection_ends_and_the_next_one_is_served)
{
    unsigned before;
    long i = 1;

    begin();
    is_spared = true;
    town_begin(&plain);
    CHECK(is_served());
    do {
        before = atomic_load(&failures);
        atomic_store(&left, i);
        (void)is_served();
        atomic_store(&left, 0);
        i += 1 + i / 8;
    } while (atomic_load(&failures) > before);
    CHECK(atomic_load(&failures) > 20);
    CHECK(is_served());
    town_end();
}
