/* Frames and their dispatch, one test for each rule of the protocol. */
#include "channel/rooms.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---------------------------------------------------------------- rule 1: heartbeats */

TEST(a_heartbeat_is_answered_without_a_join_ref)
{
    struct client client = rooms_begin();

    client_send(client, "[\"77\",\"1\",\"phoenix\",\"heartbeat\",{}]");
    client_expect(client, "[null,\"1\",\"phoenix\"," OK("{}"));
    client_send(client, "[null,\"2\",\"phoenix\",\"other\",{}]");
    client_expect(client, "[null,\"2\",\"phoenix\"," UNMATCHED);
    rooms_end(client);
}

/* ---------------------------------------------------------------- rule 2: not joined */

TEST(an_event_on_a_topic_that_is_not_joined_is_unmatched)
{
    struct client client = rooms_begin();

    client_send(client, "[\"1\",\"2\",\"room:a\",\"echo\",{}]");
    client_expect(client, "[null,\"2\",\"room:a\"," UNMATCHED);
    client_send(client, "[\"1\",\"2\",\"room:a\",null,{}]");
    client_expect(client, "[null,\"2\",\"room:a\"," UNMATCHED);
    rooms_end(client);
}

/* ---------------------------------------------------------------- rule 3: joined */

TEST(an_answer_has_the_join_ref_of_the_channel)
{
    struct client client = rooms_begin_joined();

    client_send(client, "[\"1\",\"2\",\"room:a\",\"echo\",{\"a\":[1,{}]}]");
    client_expect(client, "[\"1\",\"2\",\"room:a\"," OK("{\"got\":{\"a\":[1,{}]}}"));
    client_send(client, "[null,\"3\",\"room:a\",\"echo\",7]");
    client_expect(client, "[\"1\",\"3\",\"room:a\"," OK("{\"got\":7}"));
    rooms_end(client);
}

TEST(a_stale_join_ref_is_dropped_silently)
{
    struct client client = rooms_begin_joined();

    client_send(client, "[\"0\",\"2\",\"room:a\",\"echo\",{}]");
    client_send(client, "[1,\"2\",\"room:a\",\"echo\",{}]");
    client_send(client, "[\"0\",\"3\",\"room:a\",\"phx_leave\",{}]");
    client_expect_nothing(client);
    client_send(client, "[\"\\u0031\",\"4\",\"room:a\",\"fail\",{}]");
    client_expect(client, "[\"1\",\"4\",\"room:a\"," ERROR("{\"reason\":\"because\"}"));
    rooms_end(client);
}

TEST(a_join_without_join_ref_is_stored_as_none)
{
    struct client client = rooms_begin();

    client_send(client, "[null,\"5\",\"room:a\",\"phx_join\",{}]");
    client_expect(client, "[null,\"5\",\"room:a\"," OK("{}"));
    client_send(client, "[\"5\",\"6\",\"room:a\",\"push\",{}]");
    client_expect_nothing(client);
    client_send(client, "[null,\"7\",\"room:a\",\"push\",{}]");
    client_expect(client, "[\"5\",null,\"room:a\",\"pushed\",{}]");
    client_send(client, "[null,\"8\",\"room:a\",\"crash\",{}]");
    client_expect(client, "[null,null,\"room:a\",\"phx_error\",{\"reason\":\"channel_crash\"}]");
    rooms_end(client);
}

TEST(refs_are_echoed_as_they_came)
{
    static const char *const refs[] = {
        "1", "\"a\\\"b\"", "null", "true", "1.50", "\"\\u00e9\"", "\"\""};
    struct client client = rooms_begin_joined();

    for (size_t i = 0; i < ANQA_COUNT(refs); i++) {
        client_send(client, "[\"1\",%s,\"room:a\",\"fail\",{}]", refs[i]);
        client_expect(client, "[\"1\",%s,\"room:a\"," ERROR("{\"reason\":\"because\"}"), refs[i]);
    }
    rooms_end(client);
}

TEST(a_ref_that_is_too_long_closes_the_connection)
{
    struct client client = rooms_begin_joined();

    client_send(client, "[\"1\",\"%0300d\",\"room:a\",\"fail\",{}]", 1);
    client_expect_close(client, 1009);
    rooms_end(client);
}

TEST(a_join_with_a_ref_that_is_too_long_closes_the_connection)
{
    static const struct {
        int join_ref, ref; /* how many digits */
    } lengths[] = {{300, 1}, {1, 300}};

    server_begin(&rooms_endpoint);
    for (size_t i = 0; i < ANQA_COUNT(lengths); i++) {
        struct client client = client_open();
        client_send(client, "[\"%0*d\",\"%0*d\",\"room:a\",\"phx_join\",{}]", lengths[i].join_ref,
            1, lengths[i].ref, 1);
        client_expect_close(client, 1009);
        client_close(client);
    }
    server_end();
}

/* ---------------------------------------------------------------- frames */

TEST(elements_after_the_fifth_are_ignored)
{
    struct client client = rooms_begin_joined();

    client_send(client, " [ \"1\" , \"2\" , \"room:a\" , \"fail\" , {} , 7 , [ ] ] ");
    client_expect(client, "[\"1\",\"2\",\"room:a\"," ERROR("{\"reason\":\"because\"}"));
    rooms_end(client);
}

static const char *const malformed[] = {"", "{", "[]", "7", "{}",
    "[\"1\",\"2\",\"room:a\",\"fail\"]", "[\"1\",\"2\",\"room:a\",\"fail\",]",
    "[\"1\",\"2\",\"room:a\",\"fail\",{}", "[\"1\",\"2\",\"room:a\",\"fail\",{}] x"};

TEST(what_is_no_message_closes_the_connection_with_1011)
{
    server_begin(&rooms_endpoint);
    for (size_t i = 0; i < ANQA_COUNT(malformed); i++) {
        struct client client = client_open();
        client_join(client, "1", "room:a");
        client_send(client, "%s", malformed[i]);
        client_expect_close(client, 1011);
        CHECK_STR(server_told("terminated"), "shutdown: closed");
        client_close(client);
    }
    server_end();
}

TEST(a_topic_with_escapes_is_the_same_topic_and_is_answered_as_it_was_joined)
{
    struct client client = rooms_begin();

    client_send(client, "[\"1\",\"1\",\"room:\\u0061\\\"\",\"phx_join\",{}]");
    client_expect(client, "[\"1\",\"1\",\"room:\\u0061\\\"\"," OK("{}"));
    client_send(client, "[\"1\",\"2\",\"room:a\\\"\",\"shout\",{}]");
    client_expect(client, "[null,null,\"room:a\\\"\",\"msg\",{}]");
    client_expect(client, "[\"1\",\"2\",\"room:\\u0061\\\"\"," OK("{}"));
    rooms_end(client);
}

TEST(a_topic_in_another_script_is_written_as_it_is)
{
    struct client client = rooms_begin();

    client_join(client, "1", "room:عنقاء");
    client_send(client, "[\"1\",\"2\",\"room:عنقاء\",\"shout\",{}]");
    client_expect(client, "[null,null,\"room:عنقاء\",\"msg\",{}]");
    client_expect(client, "[\"1\",\"2\",\"room:عنقاء\"," OK("{}"));
    rooms_end(client);
}

TEST(a_large_payload_comes_back_whole)
{
    static char text[200000];
    struct client client = rooms_begin_joined();

    memset(text, 'x', sizeof text - 1);
    client_send(client, "[\"1\",\"2\",\"room:a\",\"push\",{\"text\":\"%s\"}]", text);
    CHECK_EQ(strlen(client_receive(client)),
        strlen("[\"1\",null,\"room:a\",\"pushed\",{\"text\":\"\"}]") + strlen(text));
    rooms_end(client);
}

TEST(a_message_longer_than_a_client_may_leave_unread_resets_it)
{
    static char text[300001];
    struct client client = rooms_begin_joined();

    memset(text, 'x', sizeof text - 1);
    client_send(client, "[\"1\",\"2\",\"room:a\",\"push\",{\"text\":\"%s\"}]", text);
    CHECK_STR(server_told("terminated"), "shutdown: closed");
    rooms_end(client);
}

/* ---------------------------------------------------------------- binary */

TEST(a_binary_push_is_answered_in_binary)
{
    static const char push[] = "\0\1\1\6\4"
                               "12room:aecho\1\2data";
    static const char reply[] = "\1\1\1\6\2"
                                "12room:aok\1\2data";
    struct client client = rooms_begin_joined();

    client_send_bytes(client, push, sizeof push - 1);
    client_expect_bytes(client, reply, sizeof reply - 1);
    rooms_end(client);
}

TEST(a_binary_push_from_the_server_has_no_ref)
{
    static const char pushed[] = "\0\1\6\5"
                                 "1room:abytes\1data";
    struct client client = rooms_begin_joined();

    client_send(client, "[\"1\",\"2\",\"room:a\",\"push_bytes\",{}]");
    client_expect_bytes(client, pushed, sizeof pushed - 1);
    rooms_end(client);
}

TEST(a_binary_push_with_an_empty_join_ref_is_stale)
{
    static const char push[] = "\0\0\1\6\4"
                               "2room:aechodata";
    struct client client = rooms_begin_joined();

    client_send_bytes(client, push, sizeof push - 1);
    client_expect_nothing(client);
    rooms_end(client);
}

TEST(a_binary_push_to_a_topic_that_is_not_joined_is_unmatched)
{
    static const char push[] = "\0\1\1\6\4"
                               "12room:aechodata";
    struct client client = rooms_begin();

    client_send_bytes(client, push, sizeof push - 1);
    client_expect(client, "[null,\"2\",\"room:a\"," UNMATCHED);
    rooms_end(client);
}

TEST(a_binary_push_for_an_event_without_bytes_crashes_the_channel)
{
    static const char push[] = "\0\1\1\6\4"
                               "12room:afaildata";
    struct client client = rooms_begin_joined();

    client_send_bytes(client, push, sizeof push - 1);
    client_expect(client, CRASHED);
    rooms_end(client);
}

TEST(a_binary_push_whose_ref_is_no_utf8_crashes_its_channel_only)
{
    static const char push[] = "\0\1\1\6\4"
                               "1\377room:aechodata";
    struct client client = rooms_begin_joined();

    client_send_bytes(client, push, sizeof push - 1);
    client_expect(client, CRASHED);
    client_expect_nothing(client);
    rooms_end(client);
}

TEST(a_join_may_bring_bytes)
{
    static const char exact[] = "\0\1\1\5\10"
                                "11exactphx_join\0a\377",
                      any[] = "\0\1\1\5\10"
                              "22any:xphx_join";
    struct client client = rooms_begin();

    client_send_bytes(client, exact, sizeof exact - 1);
    client_expect(client, "[\"1\",\"1\",\"exact\"," OK("{\"len\":3,\"last\":255}"));
    client_send_bytes(client, any, sizeof any - 1);
    client_expect(client, "[\"2\",\"2\",\"any:x\"," OK("{}"));
    client_send(client, "[\"3\",\"3\",\"exact\",\"phx_join\",{}]");
    client_expect(client, "[\"3\",\"3\",\"exact\"," OK("{}"));
    rooms_end(client);
}

TEST(a_join_with_bytes_that_a_channel_does_not_take_fails)
{
    static const char join[] = "\0\1\1\6\10"
                               "11room:aphx_joindata";
    struct client client = rooms_begin();

    client_send_bytes(client, join, sizeof join - 1);
    client_expect(client, "[\"1\",\"1\",\"room:a\"," ERROR("{\"reason\":\"join crashed\"}"));
    client_expect_nothing(client);
    rooms_end(client);
}

static const struct {
    const char *bytes;
    size_t len;
} odd_bytes[] = {{"", 0}, {"\0\1\1\6", 4}, {"\1\0\0\0\0", 5}, {"\2\0\0\0\0", 5}, {"\0\0\0\0\1", 5},
    {"\0\0\1\6\4\xffroom:aecho", 16}};

TEST(other_binary_frames_close_the_connection_with_1011)
{
    server_begin(&rooms_endpoint);
    for (size_t i = 0; i < ANQA_COUNT(odd_bytes); i++) {
        struct client client = client_open();
        client_send_bytes(client, odd_bytes[i].bytes, odd_bytes[i].len);
        client_expect_close(client, 1011);
        client_close(client);
    }
    server_end();
}

/* ---------------------------------------------------------------- back pressure */

TEST(a_client_that_sends_faster_than_its_channel_handles_is_read_no_more)
{
    enum { COUNT = 2000 };
    struct client client = rooms_begin_joined();
    anqa_pid pid = rooms_channel_that_waits(client);

    for (int i = 0; i < COUNT; i++)
        client_send(client, "[\"1\",\"%d\",\"room:a\",\"push\",{}]", i);
    client_send(client, "[null,\"h\",\"phoenix\",\"heartbeat\",{}]");
    anqa_sleep(50); /* were it read, its answer would come before all others */
    CHECK_STATUS(anqa_send(pid, "go", anqa_nothing()), ANQA_OK);
    client_expect(client, "[\"1\",\"w\",\"room:a\"," OK("{}"));
    for (int i = 0; i < 256; i++)
        client_expect(client, "[\"1\",null,\"room:a\",\"pushed\",{}]");
    for (int pushes = 256; pushes < COUNT;) {
        const char *frame = client_receive(client);
        CHECK(frame != NULL);
        if (strstr(frame, "pushed") != NULL)
            pushes++;
    }
    rooms_end(client);
}

/* A heartbeat is answered while the channel waits if the client is read. */
static void check_read(struct client client, bool is_read, anqa_pid waiting)
{
    client_send(client, "[null,\"h\",\"phoenix\",\"heartbeat\",{}]");
    if (is_read) {
        client_expect(client, "[null,\"h\",\"phoenix\"," OK("{}"));
        return;
    }
    anqa_sleep(50); /* for the answer to come if it were */
    CHECK_STATUS(anqa_send(waiting, "go", anqa_nothing()), ANQA_OK);
    client_expect(client, "[\"1\",\"w\",\"room:a\"," OK("{}"));
    client_expect(client, "[null,\"h\",\"phoenix\"," OK("{}"));
}

TEST(the_256th_message_that_waits_stops_the_reading)
{
    struct client client = rooms_begin_joined();
    anqa_pid pid = rooms_channel_that_waits(client);

    for (int i = 0; i < 255; i++)
        client_send(client, "[\"1\",\"2\",\"room:a\",\"silent\",{}]");
    check_read(client, true, pid);
    client_send(client, "[\"1\",\"2\",\"room:a\",\"silent\",{}]");
    check_read(client, false, pid);
    rooms_end(client);
}

TEST(four_megabytes_that_wait_stop_the_reading)
{
    static char text[1 << 20];
    struct client client = rooms_begin_joined();
    anqa_pid pid = rooms_channel_that_waits(client);

    memset(text, 'x', sizeof text - 1);
    for (int i = 0; i < 3; i++)
        client_send(client, "[\"1\",\"2\",\"room:a\",\"silent\",\"%s\"]", text);
    check_read(client, true, pid);
    client_send(client, "[\"1\",\"2\",\"room:a\",\"silent\",\"%s\"]", text);
    check_read(client, false, pid);
    rooms_end(client);
}

TEST(a_channel_that_ends_while_it_holds_its_client_lets_it_go)
{
    struct client client = rooms_begin_joined();
    anqa_pid pid = rooms_channel_that_waits(client);

    for (int i = 0; i < 300; i++)
        client_send(client, "[\"1\",\"%d\",\"room:a\",\"silent\",{}]", i);
    client_send(client, "[null,\"h\",\"phoenix\",\"heartbeat\",{}]");
    anqa_sleep(50);
    anqa_exit_signal(pid, ANQA_KILL);
    client_expect(client, CRASHED);
    for (;;) { /* those that had not been read are unmatched now */
        const char *frame = client_receive(client);
        CHECK(frame != NULL);
        if (strstr(frame, "\"h\"") != NULL)
            break;
        CHECK(strstr(frame, "unmatched topic") != NULL, "%s", frame);
    }
    rooms_end(client);
}
