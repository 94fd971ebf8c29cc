/* The wire format by itself: what is read, what is written. */
#include "channel/v2.h"

#include "harness.h"

#include <stdio.h>
#include <stdlib.h>

#define STR(literal) anqa_str_make((literal), sizeof(literal) - 1)

static const char *text_of(const struct v2_frame *frame)
{
    static char text[1024];

    CHECK(frame->len < sizeof text);
    v2_write(frame, text);
    text[frame->len] = '\0';
    return text;
}

static struct v2_message read_text(const char *text)
{
    struct v2_message m;

    CHECK_STATUS(v2_read_text(anqa_str_of(text), &m, NULL), ANQA_OK, "%s", text);
    return m;
}

TEST(a_text_frame_is_taken_apart_where_it_lies)
{
    struct v2_message m = read_text(" [\n null ,\"2\",\"a:b\" , \"ev\",{\"x\":[1,2]} , 6] ");

    CHECK_STR(m.join_ref, "null");
    CHECK_STR(m.ref, "\"2\"");
    CHECK_STR(m.topic, "\"a:b\"");
    CHECK_STR(m.event, "\"ev\"");
    CHECK_STR(m.payload, "{\"x\":[1,2]}");
    CHECK(!m.binary);
}

static const char *const not_messages[] = {"", " ", "{}", "\"[1,2,3,4,5]\"", "[]", "[ ]", "[1]",
    "[1,2,3,4]", "[1,2,3,4,]", "[1,2,3,4,5", "[1,2,3,4,5]]", "[1,2,3,4,\xff]", "[[1,2,3,4,5]]"};

TEST(what_is_no_array_of_five_is_refused_in_words)
{
    for (size_t i = 0; i < ANQA_COUNT(not_messages); i++) {
        struct v2_message m;
        anqa_error err = {.text = ""};
        size_t len = strlen(not_messages[i]);
        char *exact = malloc(len + 1); /* so that a look behind the end shows */
        CHECK(exact != NULL);
        memcpy(exact, not_messages[i], len);
        exact = realloc(exact, len == 0 ? 1 : len);
        CHECK_STATUS(
            v2_read_text(anqa_str_make(exact, len), &m, &err), ANQA_E_PARSE, "%s", not_messages[i]);
        CHECK(err.text[0] != '\0');
        free(exact);
    }
}

TEST(a_tail_keeps_all_that_a_channel_needs)
{
    struct v2_message m = read_text("[\"1\" , \"22\", \"a:b\" ,\"ev\" , [7] ]"), again;
    struct v2_places places;
    anqa_str tail;

    CHECK_STATUS(v2_tail(&m, &tail, &places), ANQA_OK);
    CHECK_STR(tail, "\"22\", \"a:b\" ,\"ev\" , [7]");
    CHECK_EQ(places.bits >> 61, 0);
    again = v2_of_tail(tail, places);
    CHECK_STR(again.ref, "\"22\"");
    CHECK_STR(again.event, "\"ev\"");
    CHECK_STR(again.payload, "[7]");
    CHECK(!again.binary);
    CHECK_STATUS(v2_read_binary(STR("\0\1\1\1\2"
                                    "jrteedata"),
                     &m, NULL),
        ANQA_OK);
    CHECK_STATUS(v2_tail(&m, &tail, &places), ANQA_OK);
    again = v2_of_tail(tail, places);
    CHECK_STR(again.ref, "r");
    CHECK_STR(again.event, "ee");
    CHECK_STR(again.payload, "data");
    CHECK(again.binary);
}

TEST(a_tail_whose_head_is_too_long_is_refused)
{
    size_t room = V2_TAIL_HEAD_MAX + 100;
    struct v2_places places;
    struct v2_message m;
    char *text = malloc(room);
    anqa_str tail;
    int len;

    CHECK(text != NULL);
    len = snprintf(text, room, "[1,2,\"t\",\"%0*d\",{}]", (int)V2_EVENT_MAX - 2, 1);
    CHECK_STATUS(v2_read_text(anqa_str_make(text, (size_t)len), &m, NULL), ANQA_OK);
    CHECK_STATUS(v2_tail(&m, &tail, &places), ANQA_OK);
    CHECK_EQ(v2_of_tail(tail, places).event.len, V2_EVENT_MAX);
    len = snprintf(text, room, "[1,2,\"t\",\"%0*d\",{}]", (int)V2_EVENT_MAX - 1, 1);
    CHECK_STATUS(v2_read_text(anqa_str_make(text, (size_t)len), &m, NULL), ANQA_OK);
    CHECK_STATUS(v2_tail(&m, &tail, &places), ANQA_E_LIMIT);
    len = snprintf(text, room, "[1,2,\"t\",\"e\",%*s{}]", (int)V2_TAIL_HEAD_MAX, "");
    CHECK_STATUS(v2_read_text(anqa_str_make(text, (size_t)len), &m, NULL), ANQA_OK);
    CHECK_STATUS(v2_tail(&m, &tail, &places), ANQA_E_LIMIT);
    free(text);
}

static const struct {
    const char *theirs, *ours;
    bool same;
} join_refs[] = {{"\"1\"", "\"1\"", true}, {"\"1\"", "1", false}, {"1", "1.0", false},
    {"\"\\u0031\"", "\"1\"", true}, {"\"1\"", "\"\\u0031\"", true}, {"\"\\u0032\"", "\"1\"", false},
    {"\"12\"", "\"1\"", false}};

TEST(join_refs_are_the_same_when_they_mean_the_same)
{
    anqa_arena arena = {0};

    for (size_t i = 0; i < ANQA_COUNT(join_refs); i++) {
        struct v2_message m = {.join_ref = anqa_str_of(join_refs[i].theirs)};
        CHECK_EQ(v2_join_ref_is(&arena, &m, anqa_str_of(join_refs[i].ours)), join_refs[i].same,
            "%s %s", join_refs[i].theirs, join_refs[i].ours);
    }
    CHECK(v2_join_ref_is(
        &arena, &(struct v2_message){.join_ref = STR("1"), .binary = true}, STR("\"1\"")));
    CHECK(!v2_join_ref_is(&arena, &(struct v2_message){.binary = true}, STR("\"1\"")));
    anqa_arena_done(&arena);
}

TEST(frames_are_written_with_status_before_response)
{
    struct v2_frame frame;

    v2_reply(
        &frame, STR("\"1\""), STR("2"), (struct v2_topic){STR("a:b"), true}, STR("ok"), STR("{}"));
    CHECK_STR(text_of(&frame), "\x81\x37[\"1\",2,\"a:b\",\"phx_reply\",{\"status\":\"ok\","
                               "\"response\":{}}]");
    v2_push(&frame, STR("null"), STR("null"), (struct v2_topic){.text = STR("\"\\u0061\"")},
        STR("e"), STR("[]"));
    CHECK_STR(text_of(&frame), "\x81\x1b[null,null,\"\\u0061\",\"e\",[]]");
}

TEST(binary_frames_have_the_sizes_of_their_strings)
{
    struct v2_frame frame;
    char text[64], longer[257] = {0};

    CHECK(v2_binary_reply(
        &frame, STR("1"), STR("22"), STR("a:b"), STR("ok"), anqa_str_make("d\0", 2)));
    v2_write(&frame, text);
    CHECK_STR(anqa_str_make(text, frame.len), STR("\x82\x0f\1\1\2\3\2"
                                                  "122a:bokd\0"));
    CHECK(v2_binary_push(&frame, STR("1"), STR("a:b"), STR("ev"), STR("d")));
    v2_write(&frame, text);
    CHECK_STR(anqa_str_make(text, frame.len), STR("\x82\x0b\0\1\3\2"
                                                  "1a:bevd"));
    CHECK(!v2_binary_push(&frame, STR("1"), STR("a:b"), anqa_str_make(longer, 256), STR("d")));
    CHECK(v2_binary_push(&frame, STR("1"), STR("a:b"), anqa_str_make(longer, 255), STR("d")));
}

static const struct {
    const char *topic, *event, *frame;
} broadcasts[] = {
    {"a:b", "ev", "\x81\x1a[null,null,\"a:b\",\"ev\",{}]"},
    {"a\"b", "e\\v", "\x81\x1c[null,null,\"a\\\"b\",\"e\\\\v\",{}]"},
    {"é", "\n", "\x81\x19[null,null,\"é\",\"\\n\",{}]"},
};

TEST(a_broadcast_escapes_what_needs_it)
{
    for (size_t i = 0; i < ANQA_COUNT(broadcasts); i++)
        EACH_ALLOC_FAILURE {
            anqa_buf buf;
            anqa_status status = frame_broadcast(v2_push, anqa_str_of(broadcasts[i].topic),
                anqa_str_of(broadcasts[i].event), STR("{}"), &buf);
            CHECK(status == ANQA_OK || status == ANQA_E_NOMEM);
            if (status == ANQA_OK) {
                CHECK_EQ((size_t)(unsigned char)buf.ptr[1], buf.len - 2);
                CHECK_STR(anqa_buf_str(anqa_buf_slice(buf, 2, buf.len)), broadcasts[i].frame + 2);
                anqa_buf_unref(buf);
            }
        }
    CHECK_STATUS(
        frame_broadcast(v2_push, STR("a"), STR("\xff"), STR("{}"), &(anqa_buf){0}), ANQA_E_INVALID);
}

TEST(a_message_comes_out_of_its_frame_whatever_its_length)
{
    static const size_t lengths[] = {0, 80, 81, 200, 65450, 65600};
    bool binary = true;

    for (size_t i = 0; i < ANQA_COUNT(lengths); i++) {
        char *payload = malloc(lengths[i] + 3), *bytes;
        struct v2_frame frame;
        struct v2_message m;
        CHECK(payload != NULL);
        memset(payload, 'x', lengths[i] + 2);
        payload[0] = payload[lengths[i] + 1] = '"';
        v2_push(&frame, STR("null"), STR("null"), (struct v2_topic){STR("room:a"), true}, STR("e"),
            anqa_str_make(payload, lengths[i] + 2));
        bytes = malloc(frame.len);
        CHECK(bytes != NULL);
        v2_write(&frame, bytes);
        CHECK_STATUS(
            v2_read_text(v2_unframe(anqa_str_make(bytes, frame.len), &binary), &m, NULL), ANQA_OK);
        CHECK(!binary);
        CHECK_EQ(m.payload.len, lengths[i] + 2);
        free(bytes);
        free(payload);
    }
}

TEST(a_binary_message_comes_out_of_its_frame)
{
    struct v2_frame frame;
    char bytes[64];
    bool binary = false;
    anqa_str message;

    CHECK(v2_binary_push(&frame, STR("1"), STR("t"), STR("e"), STR("data")));
    v2_write(&frame, bytes);
    message = v2_unframe(anqa_str_make(bytes, frame.len), &binary);
    CHECK(binary);
    CHECK_EQ(message.ptr[0], 0); /* the kind: a push */
    CHECK_EQ(message.len, 4 + 3 + 4);
}
