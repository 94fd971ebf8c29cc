/* http/deflate.h, and what websocket_read makes of it: limits, slices, memory. The rows of ws_deflate_test.c are for the rest. */
#include "http/websocket.h"

#include "harness.h"

#ifdef HAVE_ZLIB

#include <stdio.h>
#include <stdlib.h>
#include <zlib.h>

enum { TEXT = 0xc1, BINARY = 0xc2, FIN = 0x80 };

/* `len` times "x", compressed. */
static char *squeezed(size_t len, size_t *ret_len)
{
    size_t room = len / 100 + 1000;
    char *text = malloc(len + 1), *out = malloc(room);
    z_stream z = {0};

    CHECK(text != NULL && out != NULL);
    memset(text, 'x', len);
    CHECK_EQ(deflateInit2(&z, 9, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY), Z_OK);
    z.next_in = (unsigned char *)text;
    z.avail_in = (uInt)len;
    z.next_out = (unsigned char *)out;
    z.avail_out = (uInt)room;
    CHECK_EQ(deflate(&z, Z_SYNC_FLUSH), Z_OK);
    *ret_len = room - z.avail_out - 4;
    deflateEnd(&z);
    free(text);
    return out;
}

static size_t put_frame(char *to, unsigned first, const char *payload, size_t len)
{
    size_t at = 2;

    to[0] = (char)first;
    to[1] = (char)(0x80 | (len < 126 ? len : len <= 0xffff ? 126 : 127));
    for (int i = len < 126 ? 0 : len <= 0xffff ? 2 : 8; i-- > 0;)
        to[at++] = (char)((uint64_t)len >> 8 * i);
    memset(to + at, 0, 4);
    memcpy(to + at + 4, payload, len);
    return at + 4 + len;
}

static struct websocket agreed(bool client_context)
{
    return (struct websocket){
        .deflate = {
            .on = true, .client_context = client_context, .client_bits = 15, .server_bits = 15}};
}

/* ---------------------------------------------------------------- slices */

static void check_slices(const char *bytes, size_t n, size_t len)
{
    struct websocket ws = agreed(false);
    struct websocket_event event;
    enum websocket_result result;
    size_t taken, slices = 0, at = 0;
    char *held = malloc(n);

    CHECK(held != NULL);
    memcpy(held, bytes, n);
    while (
        (result = websocket_read(&ws, held + at, n - at, NULL, &taken, &event)) == WEBSOCKET_BUSY) {
        char *moved = malloc(n - at - taken); /* what is kept may lie elsewhere the next time */
        CHECK(moved != NULL);
        at += taken;
        memcpy(moved, held + at, n - at);
        free(held);
        held = moved;
        n -= at;
        at = 0;
        slices++;
    }
    CHECK_EQ(result, WEBSOCKET_MESSAGE);
    CHECK_EQ(at + taken, n);
    CHECK_EQ(event.payload.len, len);
    CHECK(slices >= len / (2 * INFLATE_SLICE_OUT) && slices > 0, "%zu", slices);
    CHECK_EQ(websocket_read(&ws, held, 0, NULL, &taken, &event), WEBSOCKET_MORE);
    CHECK(ws.message == NULL);
    free(held);
}

/* Numbers: they become a third, so no limit is reached. */
static char *numbers(size_t len)
{
    char *text = malloc(len + 16);

    CHECK(text != NULL);
    for (size_t at = 0, i = 0; at < len; i++)
        at += (size_t)snprintf(text + at, 16, "%zu,", i * 7919);
    return text;
}

TEST(a_large_message_is_inflated_in_slices_in_one_frame_and_in_several)
{
    size_t len = 1000000, n = 0, half;
    char *text = numbers(len), *out = malloc(len), *bytes = malloc(len + 64);
    z_stream z = {0};

    CHECK(out != NULL && bytes != NULL);
    CHECK_EQ(deflateInit2(&z, 6, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY), Z_OK);
    z.next_in = (unsigned char *)text;
    z.avail_in = (uInt)len;
    z.next_out = (unsigned char *)out;
    z.avail_out = (uInt)len;
    CHECK_EQ(deflate(&z, Z_SYNC_FLUSH), Z_OK);
    n = len - z.avail_out - 4;
    deflateEnd(&z);
    check_slices(bytes, put_frame(bytes, TEXT, out, n), len);
    half = put_frame(bytes, TEXT & ~FIN, out, n / 2);
    check_slices(bytes, half + put_frame(bytes + half, FIN, out + n / 2, n - n / 2), len);
    free(text);
    free(out);
    free(bytes);
}

TEST(a_slice_is_bounded_whatever_it_holds)
{
    /* empty blocks, which cost time and give nothing; last blocks, each of which begins anew */
    static const char *const parts[] = {"\x00\x00\x00\xff\xff", "\x03\x00"};
    static const size_t sizes[] = {5, 2};

    for (size_t i = 0; i < ANQA_COUNT(parts); i++) {
        size_t count = 200000 / sizes[i], len = count * sizes[i], slices = 0;
        struct inflater *inflater = inflater_new(15);
        char *bytes = malloc(len);
        anqa_str part;
        enum inflate_result result;
        CHECK(inflater != NULL && bytes != NULL);
        for (size_t at = 0; at < len; at += sizes[i])
            memcpy(bytes + at, parts[i], sizes[i]);
        if (i == 0)
            len -= 4; /* they are not sent */
        inflater_begin(inflater, len, 8000000);
        while ((result = inflater_run(inflater, bytes, &part)) == INFLATE_MORE)
            slices++;
        CHECK_EQ(result, INFLATE_DONE, "%zu", i);
        CHECK_EQ(inflater_message(inflater).len, 0);
        CHECK(slices >= len / (2 * INFLATE_SLICE_IN), "%zu", slices);
        inflater_free(inflater);
        free(bytes);
    }
}

/* ---------------------------------------------------------------- limits */

/* The code that a message of `len` bytes ends with; 0: it is taken. */
static unsigned code_for(size_t len, const struct websocket_limits *limits)
{
    size_t n, taken;
    char *payload = squeezed(len, &n), *bytes = malloc(n + 64);
    struct websocket ws = agreed(false);
    struct websocket_event event;
    enum websocket_result result;

    CHECK(bytes != NULL);
    n = put_frame(bytes, BINARY, payload, n);
    while ((result = websocket_read(&ws, bytes, n, limits, &taken, &event)) == WEBSOCKET_BUSY)
        CHECK_EQ(taken, 0);
    if (result == WEBSOCKET_MESSAGE)
        CHECK_EQ(event.payload.len, len);
    websocket_done(&ws);
    free(payload);
    free(bytes);
    return result == WEBSOCKET_MESSAGE ? 0 : event.code;
}

TEST(a_message_may_become_1_mib_and_beyond_that_25_times_what_came)
{
    unsigned taken = 0, refused = 0;

    for (size_t len = INFLATE_FREE - 100; len < INFLATE_FREE + 40000; len += 4000) {
        size_t n;
        bool fits;
        free(squeezed(len, &n));
        fits = len <= INFLATE_FREE + INFLATE_RATIO * n;
        CHECK_EQ(code_for(len, NULL), fits ? 0 : 1009, "%zu of %zu", len, n);
        taken += fits && len > INFLATE_FREE;
        refused += !fits;
    }
    CHECK(taken > 0 && refused > 0, "%u, %u", taken, refused);
    CHECK_EQ(code_for(8000000, NULL), 1009);
}

TEST(a_message_may_become_as_long_as_one_in_frames_may_be)
{
    const struct websocket_limits limits = {.message_bytes = 1000};

    CHECK_EQ(code_for(1000, &limits), 0);
    CHECK_EQ(code_for(1001, &limits), 1009);
}

TEST(what_a_bomb_takes_is_bounded_by_what_came)
{
    size_t n;
    char *payload = squeezed(100000000, &n);
    struct inflater *inflater = inflater_new(15);
    size_t most = INFLATE_FREE + INFLATE_RATIO * n;
    enum inflate_result result;
    anqa_str part;

    CHECK(inflater != NULL);
    CHECK(n < 110000, "%zu", n);
    inflater_begin(inflater, n, 8000000);
    while ((result = inflater_run(inflater, payload, &part)) == INFLATE_MORE) {
        CHECK(inflater_message(inflater).len <= most);
        CHECK(part.len < 2 * INFLATE_SLICE_OUT);
    }
    CHECK_EQ(result, INFLATE_TOO_LONG);
    CHECK_EQ(inflater_message(inflater).len, most + 1);
    inflater_free(inflater);
    free(payload);
}

/* ---------------------------------------------------------------- memory */

TEST(an_idle_websocket_holds_nothing_unless_it_may_be_referred_to)
{
    for (int context = 0; context < 2; context++) {
        struct websocket ws = agreed(context != 0);
        struct websocket_event event;
        char bytes[64], fragment[64];
        size_t taken, n = put_frame(bytes, TEXT, "\xf2\x48\xcd\xc9\xc9\x07\x00", 7);
        size_t first = put_frame(fragment, TEXT & ~FIN, "\xf2\x48\xcd", 3);
        CHECK_EQ(websocket_read(&ws, bytes, n, NULL, &taken, &event), WEBSOCKET_MESSAGE);
        CHECK_STR(event.payload, "Hello");
        CHECK_EQ(websocket_read(&ws, bytes, 0, NULL, &taken, &event), WEBSOCKET_MORE);
        CHECK_EQ(ws.message != NULL, context != 0);
        CHECK_EQ(websocket_read(&ws, fragment, first, NULL, &taken, &event), WEBSOCKET_MORE);
        CHECK(ws.message != NULL && ws.under_way);
        websocket_done(&ws);
        CHECK(ws.message == NULL && !ws.under_way);
    }
}

TEST(a_compressed_message_that_finds_no_memory_ends_the_connection)
{
    size_t n, taken;
    char *payload = squeezed(60000, &n), *bytes = malloc(n + 64);

    CHECK(bytes != NULL);
    n = put_frame(bytes, BINARY, payload, n);
    EACH_ALLOC_FAILURE {
        struct websocket ws = agreed(true);
        struct websocket_event event;
        enum websocket_result result;
        do
            result = websocket_read(&ws, bytes, n, NULL, &taken, &event);
        while (result == WEBSOCKET_BUSY);
        CHECK(result == WEBSOCKET_MESSAGE || result == WEBSOCKET_BROKEN);
        if (result == WEBSOCKET_MESSAGE)
            CHECK_EQ(event.payload.len, 60000);
        else
            CHECK_EQ(event.code, 1011);
        websocket_done(&ws);
    }
    free(payload);
    free(bytes);
}

/* ---------------------------------------------------------------- out */

TEST(pieces_are_one_message_that_refers_to_no_other)
{
    static const char text[] = "all work and no play makes a dull text, all work and no play";
    struct deflater *deflater = deflater_new();
    char first[sizeof text];
    size_t first_len = 0;

    CHECK(deflater != NULL);
    for (size_t cut = 0; cut < sizeof text; cut++) {
        anqa_str pieces[2] = {{text, cut}, {text + cut, sizeof text - cut}}, part;
        anqa_str message = deflater_run(deflater, pieces, 2);
        struct inflater *inflater = inflater_new(15);
        CHECK(inflater != NULL && message.len > 0 && message.len < sizeof text);
        if (cut == 0) {
            memcpy(first, message.ptr, message.len);
            first_len = message.len;
        }
        CHECK_STR(message, anqa_str_make(first, first_len), "%zu", cut);
        inflater_begin(inflater, message.len, 1000);
        CHECK_EQ(inflater_run(inflater, message.ptr, &part), INFLATE_DONE);
        CHECK_STR(part, anqa_str_make(text, sizeof text));
        inflater_free(inflater);
    }
    deflater_free(deflater);
}

TEST(what_would_not_become_shorter_is_not_compressed)
{
    char bytes[3000];
    unsigned seed = 1;
    anqa_str piece = {bytes, sizeof bytes};
    struct deflater *deflater = deflater_new();

    CHECK(deflater != NULL);
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (char)(rand_r(&seed) >> 8);
    CHECK_EQ(deflater_run(deflater, &piece, 1).len, 0);
    memset(bytes, 'x', sizeof bytes);
    CHECK(deflater_run(deflater, &piece, 1).len > 0);
    piece.len = 0;
    CHECK_EQ(deflater_run(deflater, &piece, 1).len, 0);
    deflater_free(deflater);
}

TEST(without_memory_nothing_is_compressed)
{
    static const char text[1000];
    anqa_str piece = {text, sizeof text};

    EACH_ALLOC_FAILURE {
        struct deflater *deflater = deflater_new();
        if (deflater != NULL)
            CHECK(deflater_run(deflater, &piece, 1).len < sizeof text);
        deflater_free(deflater);
    }
}

#else

TEST(without_zlib_nothing_is_compressed)
{
    CHECK(!deflate_available);
}

#endif
