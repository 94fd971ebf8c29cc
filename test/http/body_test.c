#include "http/body.h"

#include "harness.h"

#include <stdio.h>
#include <stdlib.h>

struct outcome {
    enum body_result result;
    size_t taken, len;
    unsigned status;
    char text[64];
};

/* Feeds `step` bytes at a time, each in a block of its own, until the body ends or the bytes do. */
static struct outcome read_body(
    const struct request *req, const char *bytes, size_t len, size_t step, uint64_t max)
{
    struct outcome out = {.result = BODY_MORE};
    struct body body;

    body_init(&body, req, max);
    do {
        size_t part = len - out.taken < step ? len - out.taken : step, taken = 0;
        char *block = malloc(part == 0 ? 1 : part);
        anqa_str piece = {0};
        CHECK(block != NULL);
        memcpy(block, bytes + out.taken, part);
        out.result = body_read(&body, block, part, &taken, &piece);
        if (out.result == BODY_PIECE) {
            CHECK(piece.len > 0 && out.len + piece.len <= sizeof out.text);
            memcpy(out.text + out.len, piece.ptr, piece.len);
            out.len += piece.len;
        }
        CHECK(taken <= part);
        CHECK(out.result != BODY_MORE || taken == part);
        out.taken += taken;
        out.status = body.status;
        free(block);
    } while (out.result < BODY_DONE && (out.taken < len || out.result == BODY_PIECE));
    return out;
}

/* status 0: whole, 1: not yet whole */
static const struct {
    const char *bytes;
    unsigned status;
    const char *text, *rest;
} chunked[] = {
    {"0\r\n\r\n", 0, "", ""},
    {"5\r\nhello\r\n0\r\n\r\n", 0, "hello", ""},
    {"5\r\nhello\r\n6\r\n world\r\n0\r\n\r\nGET /", 0, "hello world", "GET /"},
    {"a\r\n0123456789\r\n0\r\n\r\n", 0, "0123456789", ""},
    {"A\r\n0123456789\r\n000\r\n\r\n", 0, "0123456789", ""},
    {"0000000000000001\r\nx\r\n0\r\n\r\n", 0, "x", ""},
    {"1;a=b;c=\"d e\"\r\nx\r\n0;z\r\n\r\n", 0, "x", ""},
    {"1\r\nx\r\n0\r\nTrailer: a\r\nOther: b\r\n\r\nrest", 0, "x", "rest"},
    {"0\r\na:\r\nB!:b:\xc3\xa4\tc\r\n\r\n", 0, "", ""},
    {"2\r\n\r\n\r\n0\r\n\r\n", 0, "\r\n", ""},
    {"", 1, "", ""},
    {"5\r\nhel", 1, "hel", ""},
    {"5\r\nhello\r\n0\r\n", 1, "hello", ""},
    {"\r\n", 400, "", NULL},
    {" 5\r\n", 400, "", NULL},
    {"5 \r\n", 400, "", NULL},
    {"5 ;a\r\n", 400, "", NULL},
    {"-5\r\n", 400, "", NULL},
    {"+5\r\n", 400, "", NULL},
    {"0x5\r\n", 400, "", NULL},
    {"5g\r\n", 400, "", NULL},
    {"g\r\n", 400, "", NULL},
    {";a\r\n", 400, "", NULL},
    {"5\n", 400, "", NULL},
    {"5\r\r\n", 400, "", NULL},
    {"5;a\nhello\r\n", 400, "", NULL},
    {"5;a\x01\r\n", 400, "", NULL},
    {"5\r\nhellox", 400, "hello", NULL},
    {"5\r\nhello\n0\r\n", 400, "hello", NULL},
    {"5\r\nhello\r0", 400, "hello", NULL},
    {"00000000000000005\r\n", 400, "", NULL},
    {"10000000000000000\r\n", 400, "", NULL},
    {"ffffffffffffffff\r\n", 413, "", NULL},
    {"7a1201\r\n", 413, "", NULL},
    {"0\r\n\n", 400, "", NULL},
    {"0\r\n\rx", 400, "", NULL},
    {"0\r\n a: b\r\n\r\n", 400, "", NULL},
    {"0\r\n\ta: b\r\n\r\n", 400, "", NULL},
    {"0\r\na: b\r\n c: d\r\n\r\n", 400, "", NULL},
    {"0\r\na\r\n\r\n", 400, "", NULL},
    {"0\r\na: b\r\nc\r\n\r\n", 400, "", NULL},
    {"0\r\n: b\r\n\r\n", 400, "", NULL},
    {"0\r\na : b\r\n\r\n", 400, "", NULL},
    {"0\r\na\t: b\r\n\r\n", 400, "", NULL},
    {"0\r\na b: c\r\n\r\n", 400, "", NULL},
    {"0\r\na(b): c\r\n\r\n", 400, "", NULL},
    {"0\r\n\xc3\xa4: b\r\n\r\n", 400, "", NULL},
    {"0\r\nGET /x HTTP/1.1\r\n\r\n", 400, "", NULL},
    {"0\r\nGET /x HTTP/1.1\r\nHost: a\r\n\r\n", 400, "", NULL},
    {"0\r\na: b\n\r\n", 400, "", NULL},
    {"0\r\na: \x01\r\n\r\n", 400, "", NULL},
    {"0\r\na: b\rc", 400, "", NULL},
};

TEST(chunks_are_joined_or_refused_however_they_are_cut)
{
    struct request req = {.chunked = true};

    for (size_t i = 0; i < ANQA_COUNT(chunked); i++) {
        for (size_t step = 1; step < 80; step++) {
            size_t len = strlen(chunked[i].bytes);
            struct outcome out = read_body(&req, chunked[i].bytes, len, step, 0);
            CHECK_EQ(out.result == BODY_DONE      ? 0
                     : out.result == BODY_REFUSED ? out.status
                                                  : 1,
                chunked[i].status, "%s by %zu", chunked[i].bytes, step);
            CHECK_STR(anqa_str_make(out.text, out.len), chunked[i].text, "%s by %zu",
                chunked[i].bytes, step);
            if (chunked[i].rest != NULL)
                CHECK_STR(chunked[i].bytes + out.taken, chunked[i].rest, "by %zu", step);
        }
    }
}

TEST(a_body_of_known_length_ends_there)
{
    struct request req = {.body_bytes = 5};

    for (size_t step = 1; step < 12; step++) {
        struct outcome out = read_body(&req, "hello and", 9, step, 0);
        CHECK_EQ(out.result, BODY_DONE);
        CHECK_EQ(out.taken, 5);
        CHECK_STR(anqa_str_make(out.text, out.len), "hello");
    }
}

TEST(no_body_is_done_at_once)
{
    struct request req = {0};
    struct outcome out = read_body(&req, "GET", 3, 3, 0);

    CHECK_EQ(out.result, BODY_DONE);
    CHECK_EQ(out.taken, 0);
}

TEST(the_limit_holds_for_all_chunks_together)
{
    struct request req = {.chunked = true};
    static const char bytes[] = "4\r\nabcd\r\n4\r\nefgh\r\n0\r\n\r\n";

    CHECK_EQ(read_body(&req, bytes, sizeof bytes - 1, 100, 8).result, BODY_DONE);
    CHECK_EQ(read_body(&req, bytes, sizeof bytes - 1, 100, 7).result, BODY_REFUSED);
    CHECK_EQ(read_body(&req, bytes, sizeof bytes - 1, 100, 7).status, 413);
}

TEST(extensions_and_trailers_are_bounded)
{
    struct request req = {.chunked = true};
    char bytes[BODY_EXTRA_MAX + 64];
    int len;

    len = snprintf(bytes, sizeof bytes, "0;%0*d\r\n\r\n", BODY_EXTRA_MAX, 0);
    CHECK_EQ(read_body(&req, bytes, (size_t)len, 100, 0).result, BODY_DONE);
    len = snprintf(bytes, sizeof bytes, "0;%0*d\r\nx\r\n\r\n", BODY_EXTRA_MAX, 0);
    CHECK_EQ(read_body(&req, bytes, (size_t)len, 100, 0).status, 431);
}

TEST(the_end_of_a_body_stays)
{
    struct request req = {.body_bytes = 1};
    struct body body;
    size_t taken;
    anqa_str piece;

    body_init(&body, &req, 0);
    CHECK_EQ(body_read(&body, "ab", 2, &taken, &piece), BODY_PIECE);
    CHECK_EQ(taken, 1);
    for (size_t i = 0; i < 3; i++) {
        CHECK_EQ(body_read(&body, "b", 1, &taken, &piece), BODY_DONE);
        CHECK_EQ(taken, 0);
    }
}
