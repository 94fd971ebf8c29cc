#include "http/websocket.h"

#include "harness.h"

#include <stdio.h>
#include <stdlib.h>

/* ---------------------------------------------------------------- frames as a client writes them */

enum { FIN = 0x80, TEXT = 1, BIN = 2, CLOSE = 8, PING = 9, PONG = 10 };

/* How a frame differs from a proper one. */
enum { UNMASKED = 1, IN_2_BYTES = 2, IN_8_BYTES = 4 };

struct frame {
    unsigned char first; /* FIN, reserved bits, opcode; 0 with no payload and no flags: none */
    const char *payload; /* NULL: as many "x" as `len` says */
    size_t len;
    unsigned flags;
    bool there;
};

#define F(first, literal) {first, literal, sizeof(literal) - 1, 0, true}
#define FX(first, len) {first, NULL, len, 0, true}
#define FF(first, literal, flags) {first, literal, sizeof(literal) - 1, flags, true}

static size_t put_len(unsigned char *out, const struct frame *f)
{
    unsigned bytes = (f->flags & IN_8_BYTES) != 0   ? 8
                     : (f->flags & IN_2_BYTES) != 0 ? 2
                     : f->len < 126                 ? 0
                     : f->len <= 0xffff             ? 2
                                                    : 8;

    *out = (unsigned char)(((f->flags & UNMASKED) != 0 ? 0 : 0x80) | (bytes == 0      ? f->len
                                                                         : bytes == 2 ? 126
                                                                                      : 127));
    for (unsigned i = 0; i < bytes; i++)
        out[1 + i] = (unsigned char)(f->len >> (bytes - 1 - i) * 8);
    return 1 + bytes;
}

/* Appends a frame to bytes with room for it. */
static size_t put_frame(char *bytes, const struct frame *f)
{
    static const unsigned char mask[4] = {0x37, 0xfa, 0x21, 0x3d};
    unsigned char *out = (unsigned char *)bytes;
    size_t n = 1;

    out[0] = f->first;
    n += put_len(out + 1, f);
    if ((f->flags & UNMASKED) == 0) {
        memcpy(out + n, mask, 4);
        n += 4;
    }
    for (size_t i = 0; i < f->len; i++) {
        unsigned char c = f->payload == NULL ? 'x' : (unsigned char)f->payload[i];
        out[n + i] = (f->flags & UNMASKED) != 0 ? c : c ^ mask[i & 3];
    }
    return n + f->len;
}

/* ---------------------------------------------------------------- what comes of them */

struct log {
    char text[2048];
    size_t len;
};

static void note(struct log *log, const char *kind, anqa_str payload)
{
    size_t room = sizeof log->text - log->len;
    int n = payload.len > 40
                ? snprintf(log->text + log->len, room, "%s[%zu] ", kind, payload.len)
                : snprintf(log->text + log->len, room, "%s(%.*s) ", kind, ANQA_FMT(payload));

    CHECK(n >= 0 && (size_t)n < room);
    log->len += (size_t)n;
}

static void note_event(
    struct log *log, enum websocket_result result, const struct websocket_event *event)
{
    char codes[32];

    switch (result) {
    case WEBSOCKET_MESSAGE:
        note(log, event->opcode == WEBSOCKET_TEXT ? "text" : "bin", event->payload);
        break;
    case WEBSOCKET_CONTROL:
        note(log, event->opcode == WEBSOCKET_PING ? "ping" : "pong", event->payload);
        break;
    case WEBSOCKET_CLOSED:
        snprintf(codes, sizeof codes, "closed %u->%u ", event->peer_code, event->code);
        note(log, codes, event->payload);
        break;
    case WEBSOCKET_BROKEN:
        CHECK(event->why != NULL);
        snprintf(codes, sizeof codes, "broken %u ", event->code);
        note(log, codes, (anqa_str){0});
        break;
    case WEBSOCKET_MORE:
    case WEBSOCKET_BUSY: break;
    }
}

/* Feeds `step` bytes more at a time, the rest of before in front of them, always in a block of exactly their size. */
static void feed(struct websocket *ws, const char *bytes, size_t len, size_t step, struct log *log)
{
    char *held = NULL;
    size_t have = 0, given = 0, need = 0;

    do {
        size_t part = len - given < step ? len - given : step, at = 0;
        enum websocket_result result;
        char *block = malloc(have + part + 1); /* one more, so that it is not empty */
        CHECK(block != NULL);
        if (have != 0)
            memcpy(block, held, have);
        memcpy(block + have, bytes + given, part);
        free(held);
        held = block;
        have += part;
        given += part;
        do {
            struct websocket_event event;
            size_t taken;
            result = websocket_read(ws, held + at, have - at, NULL, &taken, &event);
            CHECK(taken <= have - at);
            at += taken;
            note_event(log, result, &event);
            CHECK(result != WEBSOCKET_MORE || event.need > have - at);
            need = event.need;
        } while (result != WEBSOCKET_MORE);
        have -= at;
        memmove(held, held + at, have);
    } while (given < len);
    CHECK(need >= 2);
    free(held);
}

static const char *outcome(const char *bytes, size_t len, size_t step)
{
    static struct log log;
    struct websocket ws = {0};

    log = (struct log){0};
    feed(&ws, bytes, len, step, &log);
    if (ws.message != NULL)
        note(&log, "under way", (anqa_str){0});
    websocket_done(&ws);
    if (log.len != 0)
        log.text[log.len - 1] = '\0'; /* the blank behind the last */
    return log.text;
}

/* However the bytes are cut, the same comes of them. */
static void check_outcome(const char *bytes, size_t len, const char *expected, const char *what)
{
    size_t least = len > 1000 ? len / 20 : 1;

    CHECK_STR(outcome(bytes, len, len == 0 ? 1 : len), expected, "%s", what);
    for (size_t step = least; step < len && step < least * 20; step += least)
        CHECK_STR(outcome(bytes, len, step), expected, "%s by %zu", what, step);
}

#define FRAMES_MAX 10

static const struct {
    const char *expected;
    struct frame frames[FRAMES_MAX];
} cases[] = {
    /* 1: sizes */
    {"text()", {F(FIN | TEXT, "")}},
    {"text(Hello)", {F(FIN | TEXT, "Hello")}},
    {"text[125]", {FX(FIN | TEXT, 125)}},
    {"text[126]", {FX(FIN | TEXT, 126)}},
    {"text[127]", {FX(FIN | TEXT, 127)}},
    {"text[128]", {FX(FIN | TEXT, 128)}},
    {"text[65535]", {FX(FIN | TEXT, 65535)}},
    {"text[65536]", {FX(FIN | TEXT, 65536)}},
    {"text[65537]", {FX(FIN | TEXT, 65537)}},
    {"bin()", {F(FIN | BIN, "")}},
    {"bin[125]", {FX(FIN | BIN, 125)}},
    {"bin[126]", {FX(FIN | BIN, 126)}},
    {"bin[65535]", {FX(FIN | BIN, 65535)}},
    {"bin[65536]", {FX(FIN | BIN, 65536)}},
    {"bin(\xff\xfe)", {F(FIN | BIN, "\xff\xfe")}},
    {"text(a) bin(b) text(c)", {F(FIN | TEXT, "a"), F(FIN | BIN, "b"), F(FIN | TEXT, "c")}},
    /* 2: pings and pongs */
    {"ping()", {F(FIN | PING, "")}},
    {"ping(Hello)", {F(FIN | PING, "Hello")}},
    {"ping(\xff\xfe)", {F(FIN | PING, "\xff\xfe")}},
    {"ping[125]", {FX(FIN | PING, 125)}},
    {"broken 1002 ()", {FX(FIN | PING, 126)}},
    {"broken 1002 ()", {FX(FIN | PONG, 126)}},
    {"pong()", {F(FIN | PONG, "")}},
    {"pong(unasked)", {F(FIN | PONG, "unasked")}},
    {"pong(unasked) ping(p)", {F(FIN | PONG, "unasked"), F(FIN | PING, "p")}},
    {"ping(1) ping(2) ping(3) ping(4)",
        {F(FIN | PING, "1"), F(FIN | PING, "2"), F(FIN | PING, "3"), F(FIN | PING, "4")}},
    /* 3: reserved bits */
    {"broken 1002 ()", {F(FIN | 0x10 | TEXT, "a")}},
    {"broken 1002 ()", {F(FIN | 0x20 | TEXT, "a")}},
    {"broken 1002 ()", {F(FIN | 0x30 | TEXT, "a")}},
    {"broken 1002 ()", {F(FIN | 0x40 | TEXT, "a")}},
    {"broken 1002 ()", {F(FIN | 0x50 | BIN, "a")}},
    {"broken 1002 ()", {F(FIN | 0x60 | PING, "a")}},
    {"broken 1002 ()", {F(FIN | 0x70 | CLOSE, "")}},
    {"broken 1002 ()", {F(0x40 | TEXT, "a")}},
    {"text(a) broken 1002 ()", {F(FIN | TEXT, "a"), F(FIN | 0x40 | TEXT, "b"), F(FIN | PING, "")}},
    /* 4: opcodes that nobody has defined */
    {"broken 1002 ()", {F(FIN | 3, "")}},
    {"broken 1002 ()", {F(FIN | 4, "a")}},
    {"broken 1002 ()", {F(FIN | 5, "a")}},
    {"broken 1002 ()", {F(FIN | 6, "a")}},
    {"broken 1002 ()", {F(FIN | 7, "a")}},
    {"broken 1002 ()", {F(3, "a")}},
    {"broken 1002 ()", {F(FIN | 11, "")}},
    {"broken 1002 ()", {F(FIN | 12, "a")}},
    {"broken 1002 ()", {F(FIN | 13, "a")}},
    {"broken 1002 ()", {F(FIN | 14, "a")}},
    {"broken 1002 ()", {F(FIN | 15, "a")}},
    {"text(a) broken 1002 ()", {F(FIN | TEXT, "a"), F(FIN | 5, "b"), F(FIN | PING, "")}},
    /* 5: messages in several frames */
    {"broken 1002 ()", {F(PING, "a"), F(FIN, "b")}},
    {"broken 1002 ()", {F(PONG, "a"), F(FIN, "b")}},
    {"broken 1002 ()", {F(CLOSE, "")}},
    {"text(ab)", {F(TEXT, "a"), F(FIN, "b")}},
    {"bin(ab)", {F(BIN, "a"), F(FIN, "b")}},
    {"text(abc)", {F(TEXT, "a"), F(0, "b"), F(FIN, "c")}},
    {"ping(p) text(ab)", {F(TEXT, "a"), F(FIN | PING, "p"), F(FIN, "b")}},
    {"pong(p) text(ab)", {F(TEXT, "a"), F(FIN | PONG, "p"), F(FIN, "b")}},
    {"ping(1) ping(2) text(abc)",
        {F(TEXT, "a"), F(FIN | PING, "1"), F(0, "b"), F(FIN | PING, "2"), F(FIN, "c")}},
    {"broken 1002 ()", {F(FIN, "a"), F(FIN | TEXT, "b")}},
    {"broken 1002 ()", {F(0, "a"), F(FIN | TEXT, "b")}},
    {"text(a) broken 1002 ()", {F(FIN | TEXT, "a"), F(FIN, "b")}},
    {"broken 1002 ()", {F(TEXT, "a"), F(TEXT, "b")}},
    {"broken 1002 ()", {F(TEXT, "a"), F(FIN | TEXT, "b")}},
    {"broken 1002 ()", {F(TEXT, "a"), F(FIN | BIN, "b")}},
    {"broken 1002 ()", {F(BIN, "a"), F(FIN | TEXT, "b")}},
    {"text(ab) broken 1002 ()", {F(TEXT, "a"), F(FIN, "b"), F(FIN, "c")}},
    {"text(ab) text(cd)", {F(TEXT, "a"), F(FIN, "b"), F(TEXT, "c"), F(FIN, "d")}},
    {"text(ab) text(c) bin(de)",
        {F(TEXT, "a"), F(FIN, "b"), F(FIN | TEXT, "c"), F(BIN, "d"), F(FIN, "e")}},
    {"text(b)", {F(TEXT, ""), F(FIN, "b")}},
    {"text(a)", {F(TEXT, "a"), F(FIN, "")}},
    {"text()", {F(TEXT, ""), F(FIN, "")}},
    {"bin()", {F(BIN, ""), F(FIN, "")}},
    {"broken 1008 ()", {F(TEXT, "a"), F(0, ""), F(FIN, "b")}},
    {"broken 1008 ()", {F(BIN, ""), F(0, "")}},
    {"ping(p) broken 1008 ()", {F(TEXT, "a"), F(FIN | PING, "p"), F(0, "")}},
    {"text[3000]", {FX(TEXT, 1000), FX(0, 1000), FX(FIN, 1000)}},
    {"bin[131072]", {FX(BIN, 65536), FX(FIN, 65536)}},
    {"text[250]", {FX(TEXT, 125), FX(FIN, 125)}},
    {"under way()", {F(TEXT, "a")}},
    {"ping(p) under way()", {F(TEXT, "a"), F(FIN | PING, "p")}},
    {"closed 1005->1000 ()", {F(TEXT, "a"), F(FIN | CLOSE, "")}},
    {"broken 1002 ()", {F(TEXT, "a"), F(FIN | 0x40, "b")}},
    {"broken 1002 ()", {F(TEXT, "a"), FF(FIN, "b", UNMASKED)}},
    /* masks and lengths */
    {"broken 1002 ()", {FF(FIN | TEXT, "a", UNMASKED)}},
    {"broken 1002 ()", {FF(FIN | TEXT, "", UNMASKED)}},
    {"broken 1002 ()", {FF(FIN | PING, "a", UNMASKED)}},
    {"broken 1002 ()", {FF(FIN | CLOSE, "", UNMASKED)}},
    {"broken 1002 ()", {FF(FIN | TEXT, "a", IN_2_BYTES)}},
    {"broken 1002 ()", {FF(FIN | TEXT, "a", IN_8_BYTES)}},
    {"broken 1002 ()", {FF(FIN | TEXT, "", IN_2_BYTES)}},
    {"broken 1002 ()", {FF(FIN | PING, "a", IN_2_BYTES)}},
    {"broken 1002 ()", {{FIN | TEXT, NULL, 125, IN_2_BYTES, true}}},
    {"broken 1002 ()", {{FIN | TEXT, NULL, 126, IN_8_BYTES, true}}},
    {"broken 1002 ()", {{FIN | TEXT, NULL, 65535, IN_8_BYTES, true}}},
    /* 7: closing */
    {"closed 1005->1000 ()", {F(FIN | CLOSE, "")}},
    {"broken 1002 ()", {F(FIN | CLOSE, "\x03")}},
    {"closed 1000->1000 ()", {F(FIN | CLOSE, "\x03\xe8")}},
    {"closed 1000->1000 (bye)", {F(FIN | CLOSE, "\x03\xe8"
                                                "bye")}},
    {"closed 1001->1000 (\xe2\x82\xac)", {F(FIN | CLOSE, "\x03\xe9\xe2\x82\xac")}},
    {"broken 1002 ()", {F(FIN | CLOSE, "\x03\xe8\xff")}},
    {"broken 1002 ()", {F(FIN | CLOSE, "\x03\xe8\xe2\x82")}},
    {"broken 1002 ()", {FX(FIN | CLOSE, 126)}},
    {"broken 1002 ()", {F(FIN | CLOSE, "\0\0")}},
    {"closed 1005->1000 ()", {F(FIN | CLOSE, ""), F(FIN | TEXT, "a")}},
    {"closed 1005->1000 ()", {F(FIN | CLOSE, ""), F(FIN | PING, "a")}},
    {"closed 1005->1000 ()", {F(FIN | CLOSE, ""), F(FIN | CLOSE, "")}},
    {"closed 1005->1000 ()", {F(FIN | CLOSE, ""), F(FIN | 15, "")}},
    {"text(a) closed 1000->1000 ()", {F(FIN | TEXT, "a"), F(FIN | CLOSE, "\x03\xe8")}},
    {"ping(p) closed 1000->1000 ()", {F(FIN | PING, "p"), F(FIN | CLOSE, "\x03\xe8")}},
    {"broken 1007 ()", {F(FIN | TEXT, "\xff"), F(FIN | TEXT, "a")}},
};

TEST(each_sequence_of_frames_has_its_outcome_however_it_is_cut)
{
    char *bytes = malloc(300000);

    CHECK(bytes != NULL);
    for (size_t i = 0; i < ANQA_COUNT(cases); i++) {
        char what[32];
        size_t len = 0;
        for (size_t f = 0; f < FRAMES_MAX && cases[i].frames[f].there; f++)
            len += put_frame(bytes + len, &cases[i].frames[f]);
        snprintf(what, sizeof what, "case %zu", i);
        check_outcome(bytes, len, cases[i].expected, what);
    }
    free(bytes);
}

/* 6: text that is or is not UTF-8 */
static const struct {
    const char *bytes;
    bool valid;
} texts[] = {
    {"Hello-\xc2\xb5@\xc3\x9f\xc3\xb6\xc3\xa4\xc3\xbc\xc3\xa0\xc3\xa1-UTF-8!!", true},
    {"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5", true},
    {"\xc2\x80", true},
    {"\xdf\xbf", true},
    {"\xe0\xa0\x80", true},
    {"\xef\xbf\xbf", true},
    {"\xef\xbf\xbd", true},
    {"\xef\xbb\xbf", true},
    {"\xed\x9f\xbf", true},
    {"\xee\x80\x80", true},
    {"\xf0\x90\x80\x80", true},
    {"\xf4\x8f\xbf\xbf", true},
    {"a\xf0\x9f\x98\x80z", true},
    {"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xed\xa0\x80"
     "edited",
        false},
    {"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xf4\x90\x80\x80"
     "edited",
        false},
    {"\xce", false},
    {"\xce\xba\xe1", false},
    {"\xce\xba\xe1\xbd", false},
    {"\xf0\x9f\x98", false},
    {"\x80", false},
    {"\xbf", false},
    {"\x80\xbf\x80", false},
    {"\xc0 \xc1 ", false},
    {"\xe0 \xe1 ", false},
    {"\xf8\x88\x80\x80\x80", false},
    {"\xfc\x84\x80\x80\x80\x80", false},
    {"\xfe", false},
    {"\xff", false},
    {"\xc0\xaf", false},
    {"\xe0\x80\xaf", false},
    {"\xf0\x80\x80\xaf", false},
    {"\xc1\xbf", false},
    {"\xe0\x9f\xbf", false},
    {"\xf0\x8f\xbf\xbf", false},
    {"\xed\xa0\x80", false},
    {"\xed\xbf\xbf", false},
    {"\xed\xa0\xbd\xed\xb8\x80", false},
    {"\xf4\x90\x80\x80", false},
    {"\xf5\x80\x80\x80", false},
};

TEST(text_must_be_utf8_in_one_frame_and_in_several)
{
    char bytes[256], expected[64];

    for (size_t i = 0; i < ANQA_COUNT(texts); i++) {
        const char *text = texts[i].bytes;
        size_t len = strlen(text);
        snprintf(expected, sizeof expected, texts[i].valid ? "text(%s)" : "broken 1007 ()", text);
        for (size_t cut = 0; cut <= len; cut++) {
            struct frame whole = {FIN | TEXT, text, len, 0, true};
            struct frame first = {TEXT, text, cut, 0, true};
            struct frame ping = F(FIN | PING, "");
            struct frame rest = {FIN, text + cut, len - cut, 0, true};
            size_t n = put_frame(bytes, &whole);
            char with_ping[80];
            check_outcome(bytes, n, expected, text);
            n = put_frame(bytes, &first);
            n += put_frame(bytes + n, &rest);
            check_outcome(bytes, n, expected, text);
            if (!texts[i].valid)
                continue;
            n = put_frame(bytes, &first);
            n += put_frame(bytes + n, &ping);
            n += put_frame(bytes + n, &rest);
            snprintf(with_ping, sizeof with_ping, "ping() %s", expected);
            check_outcome(bytes, n, with_ping, text);
        }
    }
}

TEST(text_that_cannot_become_utf8_is_refused_before_its_message_ends)
{
    struct frame first = F(TEXT, "ok \xf4"), second = F(0, "\x90");
    char bytes[64];
    size_t n = put_frame(bytes, &first);

    n += put_frame(bytes + n, &second);
    check_outcome(bytes, n, "broken 1007 ()", "two frames, no end");
}

TEST(binary_messages_in_several_frames_need_not_be_utf8)
{
    struct frame first = F(BIN, "\xff"), second = F(FIN, "\xfe");
    char bytes[64];
    size_t n = put_frame(bytes, &first);

    n += put_frame(bytes + n, &second);
    check_outcome(bytes, n, "bin(\xff\xfe)", "binary");
}

TEST(close_codes_are_answered_as_phoenix_does)
{
    for (unsigned code = 0; code < 65536; code += code < 5100 ? 1 : 997) {
        char payload[2] = {(char)(code >> 8), (char)code}, bytes[16], expected[64];
        struct frame close = {FIN | CLOSE, payload, 2, 0, true};
        bool good = (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1011) || code > 2999;
        snprintf(expected, sizeof expected, good ? "closed %u->1000 ()" : "broken 1002 ()", code);
        CHECK_STR(outcome(bytes, put_frame(bytes, &close), 16), expected, "%u", code);
    }
}

/* ---------------------------------------------------------------- limits and memory */

TEST(a_frame_of_ten_million_bytes_is_taken_and_a_longer_one_refused_by_its_header)
{
    for (uint64_t len = 9999985; len <= 9999987; len++) {
        char head[14] = {(char)(FIN | BIN), (char)0xff};
        bool fits = len + sizeof head <= 10000000;
        struct websocket_event event;
        struct websocket ws = {0};
        size_t taken;
        for (unsigned i = 0; i < 8; i++)
            head[2 + i] = (char)(len >> (56 - i * 8));
        CHECK_EQ(websocket_read(&ws, head, 10, NULL, &taken, &event),
            fits ? WEBSOCKET_MORE : WEBSOCKET_BROKEN);
        CHECK_EQ(taken, 0);
        CHECK(fits ? event.need == len + sizeof head : event.code == 1009);
    }
}

TEST(a_length_of_64_bits_does_not_wrap)
{
    static const struct {
        const char *head;
        unsigned code;
    } heads[] = {
        {"\x82\xff\xff\xff\xff\xff\xff\xff\xff\xff", 1002}, /* the top bit must not be set */
        {"\x82\xff\x80\x00\x00\x00\x00\x00\x00\x00", 1002},
        {"\x82\xff\x7f\xff\xff\xff\xff\xff\xff\xff", 1009},
        {"\x82\xff\x00\x00\x00\x01\x00\x00\x00\x00", 1009},
        {"\x80\xff\x00\x00\x00\x01\x00\x00\x00\x00", 1009},
        {"\x82\xff\x00\x00\x00\x00\x00\x00\xff\xff", 1002}, /* fits into two bytes */
    };

    for (size_t i = 0; i < ANQA_COUNT(heads); i++) {
        struct websocket_event event;
        struct websocket ws = {0};
        char head[10];
        size_t taken;
        memcpy(head, heads[i].head, sizeof head);
        CHECK_EQ(websocket_read(&ws, head, 10, NULL, &taken, &event), WEBSOCKET_BROKEN, "%zu", i);
        CHECK_EQ(event.code, heads[i].code, "%zu", i);
    }
}

/* Sends a message in frames of the given sizes, and returns the close code, or 0. */
static unsigned send_sizes(const size_t *sizes, size_t count, size_t *ret_len)
{
    struct websocket ws = {0};
    unsigned code = 0;

    for (size_t i = 0; i < count && code == 0; i++) {
        struct frame f = {(unsigned char)((i == 0 ? BIN : 0) | (i + 1 == count ? FIN : 0)), NULL,
            sizes[i], 0, true};
        struct websocket_event event;
        char *bytes = malloc(sizes[i] + 14);
        size_t taken, n;
        CHECK(bytes != NULL);
        n = put_frame(bytes, &f);
        websocket_read(&ws, bytes, n, NULL, &taken, &event);
        code = event.code;
        *ret_len = event.payload.len;
        free(bytes);
    }
    websocket_done(&ws);
    return code;
}

TEST(a_message_of_eight_million_bytes_in_frames_is_taken_and_a_longer_one_refused)
{
    size_t len = 0;

    CHECK_EQ(send_sizes((const size_t[]){4000000, 3999999, 1}, 3, &len), 0);
    CHECK_EQ(len, 8000000);
    CHECK_EQ(send_sizes((const size_t[]){4000000, 4000000, 1}, 3, &len), 1009);
    CHECK_EQ(send_sizes((const size_t[]){8000001, 1}, 2, &len), 1009);
    CHECK_EQ(send_sizes((const size_t[]){9000000}, 1, &len), 0); /* one frame has another limit */
    CHECK_EQ(len, 9000000);
}

TEST(what_will_be_refused_is_not_waited_for)
{
    /* 4,000,000 bytes are announced, none has come. */
    static const char *const heads[] = {
        "\x80\xff\x00\x00\x00\x00\x00\x3d\x09\x00", "\x82\xff\x00\x00\x00\x00\x00\x3d\x09\x00"};
    struct websocket_event event;
    struct websocket ws = {0};
    struct frame first = F(TEXT, "a");
    char bytes[32];
    size_t taken, n;

    memcpy(bytes, heads[0], 10); /* a continuation of nothing */
    CHECK_EQ(websocket_read(&ws, bytes, 10, NULL, &taken, &event), WEBSOCKET_BROKEN);
    CHECK_EQ(event.code, 1002);
    ws = (struct websocket){0};
    n = put_frame(bytes, &first);
    memcpy(bytes + n, heads[1], 10); /* a message inside of another */
    CHECK_EQ(websocket_read(&ws, bytes, n + 10, NULL, &taken, &event), WEBSOCKET_BROKEN);
    CHECK_EQ(event.code, 1002);
    ws = (struct websocket){0};
    n = put_frame(bytes, &first);
    memcpy(bytes + n, heads[0], 10);
    CHECK_EQ(websocket_read(&ws, bytes, n + 10,
                 &(struct websocket_limits){.message_bytes = 4000000}, &taken, &event),
        WEBSOCKET_BROKEN);
    CHECK_EQ(event.code, 1009);
}

TEST(a_message_in_one_frame_is_a_slice_of_the_bytes)
{
    struct frame f = F(FIN | TEXT, "hello, in place");
    struct websocket_event event;
    struct websocket ws = {0};
    char bytes[64];
    size_t taken, n = put_frame(bytes, &f);

    EACH_ALLOC_FAILURE {
        char copy[64];
        ws = (struct websocket){0};
        memcpy(copy, bytes, n);
        CHECK_EQ(websocket_read(&ws, copy, n, NULL, &taken, &event), WEBSOCKET_MESSAGE);
        CHECK_EQ(event.payload.ptr, copy + 6);
        CHECK_STR(event.payload, "hello, in place");
        CHECK_EQ(taken, n);
    }
}

TEST(a_frame_that_is_not_whole_is_left_as_it_is)
{
    struct frame f = FX(FIN | TEXT, 200);
    struct websocket_event event;
    struct websocket ws = {0};
    char bytes[256], before[256];
    size_t taken, n = put_frame(bytes, &f);

    memcpy(before, bytes, n);
    for (size_t len = 0; len < n; len++) {
        CHECK_EQ(websocket_read(&ws, bytes, len, NULL, &taken, &event), WEBSOCKET_MORE);
        CHECK_EQ(event.need, len < 2 ? 2 : len < 4 ? 8 : n, "%zu", len);
        CHECK_EQ(taken, 0);
        CHECK_EQ(memcmp(before, bytes, n), 0);
    }
}

TEST(memory_is_held_only_while_a_message_is_under_way)
{
    struct frame first = F(TEXT, "a"), last = F(FIN, "b");
    struct websocket_event event;
    struct websocket ws = {0};
    char bytes[32];
    size_t taken, n = put_frame(bytes, &first);

    CHECK_EQ(websocket_read(&ws, bytes, n, NULL, &taken, &event), WEBSOCKET_MORE);
    CHECK(ws.message != NULL);
    n = put_frame(bytes, &last);
    CHECK_EQ(websocket_read(&ws, bytes, n, NULL, &taken, &event), WEBSOCKET_MESSAGE);
    CHECK_STR(event.payload, "ab");
    CHECK_EQ(websocket_read(&ws, bytes, 0, NULL, &taken, &event), WEBSOCKET_MORE);
    CHECK(ws.message == NULL);
    websocket_done(&ws);
    websocket_done(&ws);
}

TEST(a_message_that_finds_no_memory_ends_the_connection)
{
    struct frame frames[] = {F(TEXT, "a"), FX(0, 5000), FX(FIN, 50000)};
    char *bytes = malloc(60000);
    size_t n = 0;

    CHECK(bytes != NULL);
    EACH_ALLOC_FAILURE {
        struct websocket_event event;
        struct websocket ws = {0};
        enum websocket_result result;
        size_t taken;
        n = 0;
        for (size_t i = 0; i < ANQA_COUNT(frames); i++)
            n += put_frame(bytes + n, &frames[i]);
        result = websocket_read(&ws, bytes, n, NULL, &taken, &event);
        CHECK(result == WEBSOCKET_MESSAGE || result == WEBSOCKET_BROKEN);
        if (result == WEBSOCKET_MESSAGE)
            CHECK_EQ(event.payload.len, 55001);
        else
            CHECK_EQ(event.code, 1011);
        websocket_done(&ws);
    }
    free(bytes);
}

TEST(a_mask_is_its_own_inverse_for_every_length_and_place)
{
    static const unsigned char mask[4] = {1, 2, 0x80, 0xff};
    char bytes[64], expected[64];

    for (size_t from = 0; from < 9; from++) {
        for (size_t len = 0; len < 50; len++) {
            for (size_t i = 0; i < sizeof bytes; i++)
                bytes[i] = expected[i] = (char)(i * 7);
            for (size_t i = 0; i < len; i++)
                expected[from + i] = (char)((unsigned char)expected[from + i] ^ mask[i % 4]);
            websocket_mask(bytes + from, len, mask);
            CHECK_EQ(memcmp(bytes, expected, sizeof bytes), 0, "%zu+%zu", from, len);
        }
    }
}

/* ---------------------------------------------------------------- frames out */

TEST(the_header_of_a_frame_has_the_shortest_length)
{
    static const struct {
        uint64_t len;
        const char *head;
        size_t head_len;
    } heads[] = {
        {0, "\x81\x00", 2},
        {125, "\x81\x7d", 2},
        {126, "\x81\x7e\x00\x7e", 4},
        {65535, "\x81\x7e\xff\xff", 4},
        {65536, "\x81\x7f\x00\x00\x00\x00\x00\x01\x00\x00", 10},
        {UINT64_C(1) << 40, "\x81\x7f\x00\x00\x01\x00\x00\x00\x00\x00", 10},
    };

    for (size_t i = 0; i < ANQA_COUNT(heads); i++) {
        char out[WEBSOCKET_HEAD_MAX];
        size_t n = websocket_write_frame_head(out, WEBSOCKET_TEXT, heads[i].len);
        CHECK_STR(anqa_str_make(out, n), anqa_str_make(heads[i].head, heads[i].head_len));
    }
}

TEST(a_close_frame_has_its_code_and_as_much_of_the_reason_as_fits)
{
    char out[WEBSOCKET_CLOSE_MAX], reason[200];
    size_t n = websocket_write_close(out, 1001, anqa_str_of("away"));

    CHECK_STR(anqa_str_make(out, n), anqa_str_make("\x88\x06\x03\xe9"
                                                   "away",
                                         8));
    n = websocket_write_close(out, 1000, (anqa_str){0});
    CHECK_STR(anqa_str_make(out, n), anqa_str_make("\x88\x02\x03\xe8", 4));
    memset(reason, 'r', sizeof reason);
    CHECK_EQ(websocket_write_close(out, 1000, anqa_str_make(reason, 123)), 127);
    CHECK_EQ(websocket_write_close(out, 1000, anqa_str_make(reason, 200)), 127);
    memcpy(reason + 121, "\xe2\x82\xac", 3); /* would end behind byte 123 */
    CHECK_EQ(websocket_write_close(out, 1000, anqa_str_make(reason, 200)), 4 + 121);
    CHECK_EQ(out[1], 2 + 121);
}

/* ---------------------------------------------------------------- handshake */

TEST(the_accept_key_is_that_of_the_rfc)
{
    char accept[WEBSOCKET_ACCEPT_LEN];

    websocket_accept_key(anqa_str_of("dGhlIHNhbXBsZSBub25jZQ=="), accept);
    CHECK_STR(anqa_str_make(accept, sizeof accept), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
}

#define KEY "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
#define GOOD "Host: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" KEY

static struct request req;

static void parse(const char *text)
{
    struct request_scan scan = {0};

    CHECK_EQ(request_parse(&req, &scan, text, strlen(text), NULL), REQUEST_DONE, "%s: %s", text,
        req.why);
}

TEST(a_request_that_is_no_good_handshake_is_told_which_field_is_wrong)
{
    static const struct {
        const char *text, *refusal; /* NULL: good; else a part of the text */
    } requests[] = {
        {"GET / HTTP/1.1\r\n" GOOD "Sec-WebSocket-Version: 13\r\n\r\n", NULL},
        {"GET / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, upgrade\r\nUpgrade: h2c, "
         "WebSocket\r\n" KEY "Sec-WebSocket-Version: 13\r\n\r\n",
            NULL},
        {"POST / HTTP/1.1\r\n" GOOD "Sec-WebSocket-Version: 13\r\n\r\n", ""},
        {"HEAD / HTTP/1.1\r\n" GOOD "Sec-WebSocket-Version: 13\r\n\r\n", ""},
        {"GET / HTTP/1.0\r\n" GOOD "Sec-WebSocket-Version: 13\r\n\r\n", "HTTP version"},
        {"GET / HTTP/1.1\r\nHost:\r\nConnection: Upgrade\r\n\r\n", "'host'"},
        {"GET / HTTP/1.1\r\nHost: a\r\n\r\n", "'connection'"},
        {"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", "'connection'"},
        {"GET / HTTP/1.1\r\nHost: a\r\nConnection: upgraded\r\n\r\n", "'connection'"},
        {"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\n\r\n", "'upgrade'"},
        {"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n", "'upgrade'"},
        {"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
            "'sec-websocket-key'"},
        {"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
         "Sec-WebSocket-Key:\r\nSec-WebSocket-Version: 13\r\n\r\n",
            "'sec-websocket-key'"},
        {"GET / HTTP/1.1\r\n" GOOD "\r\n", "'sec-websocket-version'"},
        {"GET / HTTP/1.1\r\n" GOOD "Sec-WebSocket-Version: 8\r\n\r\n", "'sec-websocket-version'"},
        {"GET / HTTP/1.1\r\n" GOOD "Sec-WebSocket-Version: 13, 8\r\n\r\n",
            "'sec-websocket-version'"},
    };

    for (size_t i = 0; i < ANQA_COUNT(requests); i++) {
        const char *refusal;
        parse(requests[i].text);
        refusal = websocket_refusal(&req);
        CHECK_EQ(refusal == NULL, requests[i].refusal == NULL, "%s", requests[i].text);
        if (refusal == NULL)
            continue;
        CHECK(strstr(refusal, requests[i].refusal) != NULL, "%s", refusal);
        CHECK_EQ(*refusal == '\0', *requests[i].refusal == '\0', "%s", refusal);
    }
}

TEST(the_answer_to_a_handshake_has_the_accept_key_and_the_subprotocol_if_there_is_one)
{
    struct response response;
    char buffer[256];
    anqa_str head;

    parse("GET / HTTP/1.1\r\n" GOOD "Sec-WebSocket-Version: 13\r\n\r\n");
    websocket_write_head(&response, buffer, sizeof buffer, &req, (anqa_str){0}, NULL);
    CHECK_STATUS(response_finish(&response, &head), ANQA_OK);
    CHECK_STR(head,
        "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\n"
        "sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n");
    websocket_write_head(&response, buffer, sizeof buffer, &req, anqa_str_of("phoenix"), NULL);
    CHECK_STATUS(response_finish(&response, &head), ANQA_OK);
    CHECK(memmem(head.ptr, head.len, "\r\nsec-websocket-protocol: phoenix\r\n\r\n", 37) != NULL);
}
