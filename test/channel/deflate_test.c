/* Compressed sockets: what is compressed, for whom, how often. */
#include "channel/rooms.h"

#ifdef HAVE_ZLIB

#include <dlfcn.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#define OFFER "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n"
#define LONG 1000 /* bytes of a text that is worth it */
#define TEXT_FIRST 0x81u
#define DEFLATED_FIRST 0xc1u

static _Atomic(unsigned) compressions;
static _Atomic(bool) broken;

/* In place of zlib's, which it calls: the library begins each message with it. */
int deflateReset(z_streamp z)
{
    int (*real)(z_streamp);

    *(void **)&real = dlsym(RTLD_NEXT, "deflateReset"); /* each time: schedulers do it at once */
    atomic_fetch_add(&compressions, 1);
    if (atomic_load(&broken))
        return Z_STREAM_ERROR;
    return real(z);
}

static struct client open_at(const char *mount, const char *offer)
{
    char target[64];
    struct client client;

    snprintf(target, sizeof target, "%s/websocket?vsn=2.0.0", mount);
    CHECK_EQ(client_request(target, offer, &client), 101);
    return client;
}

/* The next frame, inflated if it was compressed; ends in a NUL. */
static const char *next(struct client client, unsigned *ret_first, size_t *ret_wire)
{
    static char text[1 << 20];
    unsigned char in[1 << 16];
    const char *bytes = client_receive_raw(client, ret_first, ret_wire);
    z_stream z = {0};

    if ((*ret_first & 0x40) == 0)
        return bytes;
    CHECK(*ret_wire + 4 <= sizeof in);
    memcpy(in, bytes, *ret_wire);
    memcpy(in + *ret_wire, "\0\0\xff\xff", 4);
    CHECK_EQ(inflateInit2(&z, -15), Z_OK);
    z.next_in = in;
    z.avail_in = (uInt)*ret_wire + 4;
    z.next_out = (unsigned char *)text;
    z.avail_out = sizeof text - 1;
    CHECK_EQ(inflate(&z, Z_SYNC_FLUSH), Z_OK);
    text[z.total_out] = '\0';
    inflateEnd(&z);
    return text;
}

static void expect(struct client client, unsigned first, const char *text)
{
    unsigned got_first;
    size_t wire;
    const char *got = next(client, &got_first, &wire);

    CHECK_STR(got, text);
    CHECK_EQ(got_first, first);
    if (first == DEFLATED_FIRST)
        CHECK(wire < strlen(text) / 2, "%zu", wire);
}

/* {"text":"..."} of about `len` bytes that are easily compressed. */
static const char *payload_of(size_t len)
{
    static char payload[400000];
    size_t at = (size_t)snprintf(payload, sizeof payload, "{\"text\":\"");

    while (at < len)
        at += (size_t)snprintf(payload + at, sizeof payload - at, "all work and no play ");
    snprintf(payload + at, sizeof payload - at, "\"}");
    return payload;
}

static const char *broadcast_text(const char *payload)
{
    static char text[400100];

    snprintf(text, sizeof text, "[null,null,\"room:a\",\"msg\",%s]", payload);
    return text;
}

static void join_all(struct client *clients, size_t count)
{
    for (size_t i = 0; i < count; i++)
        client_join(clients[i], "1", "room:a");
}

static void shout(struct client client, const char *payload)
{
    client_send(client, "[\"1\",\"9\",\"room:a\",\"shout_others\",%s]", payload);
    client_expect(client, "[\"1\",\"9\",\"room:a\"," OK("{}"));
}

TEST(each_subscriber_gets_a_broadcast_in_the_form_that_it_has_agreed_on)
{
    struct client plain, none, squeezed, remembered, speaker;
    const char *payload = payload_of(LONG);

    server_begin(&rooms_endpoint);
    plain = open_at("/socket", OFFER);
    none = open_at("/squeezed", "");
    squeezed = open_at("/squeezed", OFFER);
    remembered = open_at("/remembered", OFFER);
    speaker = open_at("/socket", "");
    join_all((struct client[]){plain, none, squeezed, remembered, speaker}, 5);
    for (int i = 0; i < 3; i++) {
        shout(speaker, payload);
        expect(plain, TEXT_FIRST, broadcast_text(payload));
        expect(none, TEXT_FIRST, broadcast_text(payload));
        expect(squeezed, DEFLATED_FIRST, broadcast_text(payload));
        expect(remembered, DEFLATED_FIRST, broadcast_text(payload));
    }
    client_close(plain);
    client_close(none);
    client_close(squeezed);
    client_close(remembered);
    rooms_end(speaker);
}

#define CROWD 16

TEST(a_broadcast_is_compressed_once_on_each_scheduler)
{
    struct client clients[CROWD], speaker;
    const char *payload = payload_of(LONG);
    unsigned before;

    server_begin(&rooms_endpoint);
    speaker = open_at("/socket", "");
    client_join(speaker, "1", "room:a");
    for (int i = 0; i < CROWD; i++)
        clients[i] = open_at(i % 2 == 0 ? "/squeezed" : "/socket", OFFER);
    join_all(clients, CROWD);
    shout(speaker, payload); /* makes what a scheduler has for all */
    for (int i = 0; i < CROWD; i++)
        expect(clients[i], i % 2 == 0 ? DEFLATED_FIRST : TEXT_FIRST, broadcast_text(payload));
    for (int round = 0; round < 3; round++) {
        before = atomic_load(&compressions);
        shout(speaker, payload);
        for (int i = 0; i < CROWD; i++)
            expect(clients[i], i % 2 == 0 ? DEFLATED_FIRST : TEXT_FIRST, broadcast_text(payload));
        CHECK(atomic_load(&compressions) - before >= 1 && atomic_load(&compressions) - before <= 2,
            "%u", atomic_load(&compressions) - before);
    }
    for (int i = 0; i < CROWD; i++)
        client_close(clients[i]);
    rooms_end(speaker);
}

TEST(nothing_is_compressed_for_plain_subscribers)
{
    struct client a, b;
    const char *payload = payload_of(LONG);

    server_begin(&rooms_endpoint);
    a = open_at("/squeezed", "");
    b = open_at("/socket", OFFER);
    join_all((struct client[]){a, b}, 2);
    shout(a, payload);
    expect(b, TEXT_FIRST, broadcast_text(payload));
    shout(b, payload);
    expect(a, TEXT_FIRST, broadcast_text(payload));
    CHECK_EQ(atomic_load(&compressions), 0);
    client_close(b);
    rooms_end(a);
}

TEST(answers_are_compressed_when_they_are_worth_it)
{
    struct client client;
    const char *payload = payload_of(LONG);
    char text[2 * LONG];

    server_begin(&rooms_endpoint);
    client = open_at("/squeezed", OFFER);
    client_join(client, "1", "room:a"); /* short: plain */
    client_send(client, "[\"1\",\"2\",\"room:a\",\"echo\",%s]", payload);
    snprintf(text, sizeof text, "[\"1\",\"2\",\"room:a\"," OK("{\"got\":%s}"), payload);
    expect(client, DEFLATED_FIRST, text);
    client_send(client, "[\"1\",\"3\",\"room:a\",\"push\",%s]", payload);
    snprintf(text, sizeof text, "[\"1\",null,\"room:a\",\"pushed\",%s]", payload);
    expect(client, DEFLATED_FIRST, text);
    client_send(client, "[\"1\",\"4\",\"room:a\",\"echo\",7]");
    expect(client, TEXT_FIRST, "[\"1\",\"4\",\"room:a\"," OK("{\"got\":7}"));
    rooms_end(client);
}

/* Text that hardly becomes shorter. */
static const char *noise(size_t len)
{
    static char payload[LONG * 2];
    unsigned seed = 7;
    size_t at = (size_t)snprintf(payload, sizeof payload, "{\"text\":\"");

    for (; at < len; at++) {
        char c = (char)(' ' + rand_r(&seed) % 95);
        payload[at] = c == '"' || c == '\\' ? '.' : c;
    }
    snprintf(payload + at, sizeof payload - at, "\"}");
    return payload;
}

TEST(what_hardly_becomes_shorter_arrives_all_the_same)
{
    struct client a, b;
    const char *payload = noise(LONG);
    unsigned first;
    size_t wire;

    server_begin(&rooms_endpoint);
    a = open_at("/squeezed", OFFER);
    b = open_at("/squeezed", OFFER);
    join_all((struct client[]){a, b}, 2);
    shout(a, payload);
    CHECK_STR(next(b, &first, &wire), broadcast_text(payload));
    CHECK(wire <= strlen(broadcast_text(payload)));
    client_close(b);
    rooms_end(a);
}

TEST(what_can_not_be_compressed_goes_plain)
{
    struct client a, b;
    const char *payload = payload_of(LONG);

    server_begin(&rooms_endpoint);
    a = open_at("/socket", "");
    b = open_at("/squeezed", OFFER);
    join_all((struct client[]){a, b}, 2);
    shout(a, payload);
    expect(b, DEFLATED_FIRST, broadcast_text(payload));
    atomic_store(&broken, true);
    shout(a, payload);
    expect(b, TEXT_FIRST, broadcast_text(payload));
    client_send(b, "[\"1\",\"3\",\"room:a\",\"push\",{\"a\":%s}]", payload);
    CHECK(strstr(client_receive(b), "\"pushed\"") != NULL);
    atomic_store(&broken, false);
    client_close(b);
    rooms_end(a);
}

TEST(broadcasts_that_wait_for_a_join_are_compressed_too)
{
    struct client client;

    server_begin(&rooms_endpoint);
    client = open_at("/squeezed", OFFER);
    client_send(client, "[\"1\",\"1\",\"room:a\",\"phx_join\",{\"broadcasts\":2,\"reply\":%s}]",
        payload_of(LONG));
    for (int i = 0; i < 3; i++) {
        unsigned first;
        size_t wire;
        const char *text = next(client, &first, &wire);
        CHECK_EQ(first, i == 0 ? DEFLATED_FIRST : TEXT_FIRST);
        CHECK(strstr(text, i == 0 ? "phx_reply" : "during") != NULL, "%s", text);
    }
    rooms_end(client);
}

/* A message as a client compresses it. */
static void send_deflated(struct client client, const char *text)
{
    static unsigned char out[1 << 20];
    z_stream z = {0};

    CHECK_EQ(deflateInit2(&z, 9, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY), Z_OK);
    z.next_in = (z_const Bytef *)(uintptr_t)text;
    z.avail_in = (uInt)strlen(text);
    z.next_out = out;
    z.avail_out = sizeof out;
    CHECK_EQ(deflate(&z, Z_SYNC_FLUSH), Z_OK);
    client_send_raw(client, DEFLATED_FIRST, out, sizeof out - z.avail_out - 4);
    deflateEnd(&z);
}

TEST(a_channel_gets_compressed_messages_as_others)
{
    struct client client;
    char text[2 * LONG];

    server_begin(&rooms_endpoint);
    client = open_at("/squeezed", OFFER);
    send_deflated(client, "[\"1\",\"1\",\"room:a\",\"phx_join\",{}]");
    expect(client, TEXT_FIRST, "[\"1\",\"1\",\"room:a\"," OK("{}"));
    snprintf(text, sizeof text, "[\"1\",\"2\",\"room:a\",\"shout\",%s]", payload_of(LONG));
    send_deflated(client, text);
    expect(client, DEFLATED_FIRST, broadcast_text(payload_of(LONG)));
    expect(client, TEXT_FIRST, "[\"1\",\"2\",\"room:a\"," OK("{}"));
    rooms_end(client);
}

TEST(a_bomb_ends_its_connection_and_no_other)
{
    struct client bomber, other;
    char *bomb = malloc(3000001);

    CHECK(bomb != NULL);
    memset(bomb, ' ', 3000000);
    bomb[3000000] = '\0';
    server_begin(&rooms_endpoint);
    bomber = open_at("/squeezed", OFFER);
    other = open_at("/squeezed", OFFER);
    join_all((struct client[]){bomber, other}, 2);
    send_deflated(bomber, bomb);
    client_expect_close(bomber, 1009);
    client_expect_nothing(other);
    free(bomb);
    client_close(bomber);
    rooms_end(other);
}

#else

TEST(sockets_are_not_compressed_without_zlib)
{
    struct client client;

    server_begin(&rooms_endpoint);
    CHECK_EQ(client_request("/squeezed/websocket?vsn=2.0.0",
                 "Sec-WebSocket-Extensions: permessage-deflate\r\n", &client),
        101);
    client_join(client, "1", "room:a");
    rooms_end(client);
}

#endif
