/* Version 1 of the wire format: objects, for clients that ask for no version. */
#include "channel/rooms.h"

#include "channel/v1.h"

#define STR(literal) anqa_str_make((literal), sizeof(literal) - 1)

#define V1_OK(ref, topic, response)                                                  \
    "{\"event\":\"phx_reply\",\"payload\":{\"status\":\"ok\",\"response\":" response \
    "},\"ref\":" ref ",\"topic\":\"" topic "\"}"

/* ---------------------------------------------------------------- reading */

TEST(an_object_is_copied_into_the_order_of_a_tail)
{
    anqa_arena arena = {0};
    struct v2_message m, again;
    struct v2_places places;
    anqa_str tail;

    CHECK_STATUS(v1_read(&arena,
                     STR(" {\"payload\" : {\"a\": 1} , \"topic\":\"t\", \"\\u0065vent\":\"e\", "
                         "\"other\":[], \"ref\":\"9\", \"topic\":\"second\"} "),
                     &m, NULL),
        ANQA_OK);
    CHECK_STR(m.join_ref, STR("null"));
    CHECK_STR(m.topic, STR("\"second\""), "of two of one name the last, as JSON.parse has it");
    CHECK_STATUS(v2_tail(&m, &tail, &places), ANQA_OK);
    again = v2_of_tail(tail, places);
    CHECK_STR(again.ref, STR("\"9\""));
    CHECK_STR(again.event, STR("\"e\""));
    CHECK_STR(again.payload, STR("{\"a\": 1}"));
    anqa_arena_done(&arena);
}

static const struct {
    const char *frame, *words;
} refused[] = {{"", "value"}, {"[]", "object"}, {"7", "object"}, {"{", ""},
    {"{\"topic\":\"t\",\"event\":\"e\",\"payload\":{}}", "\"ref\""},
    {"{\"topic\":\"t\",\"event\":\"e\",\"ref\":\"1\"}", "\"payload\""},
    {"{\"topic\":\"t\",\"payload\":{},\"ref\":\"1\"}", "\"event\""},
    {"{\"event\":\"e\",\"payload\":{},\"ref\":\"1\"}", "\"topic\""}};

TEST(what_lacks_a_part_is_refused_in_words)
{
    anqa_arena arena = {0};

    for (size_t i = 0; i < ANQA_COUNT(refused); i++) {
        struct v2_message m;
        anqa_error err = {0};
        CHECK_STATUS(v1_read(&arena, anqa_str_of(refused[i].frame), &m, &err), ANQA_E_PARSE);
        CHECK(strstr(err.text, refused[i].words) != NULL, "%s: %s", refused[i].frame, err.text);
    }
    anqa_arena_done(&arena);
}

/* ---------------------------------------------------------------- clients */

static struct client begin_v1(void)
{
    server_begin(&rooms_endpoint);
    return client_open_at("/socket/websocket");
}

TEST(a_client_that_names_no_version_speaks_objects)
{
    struct client client = begin_v1();

    client_send(
        client, "{\"topic\":\"phoenix\",\"event\":\"heartbeat\",\"payload\":{},\"ref\":\"1\"}");
    client_expect(client, V1_OK("\"1\"", "phoenix", "{}"));
    client_send(client, "{\"topic\":\"room:a\",\"event\":\"phx_join\",\"payload\":{},\"ref\":\"2\","
                        "\"join_ref\":\"2\"}");
    client_expect(client, V1_OK("\"2\"", "room:a", "{}"));
    client_send(
        client, "{\"topic\":\"room:a\",\"event\":\"shout\",\"payload\":{\"a\":1},\"ref\":\"3\"}");
    client_expect(
        client, "{\"event\":\"msg\",\"payload\":{\"a\":1},\"ref\":null,\"topic\":\"room:a\"}");
    client_expect(client, V1_OK("\"3\"", "room:a", "{}"));
    client_send(client, "{\"topic\":\"room:a\",\"event\":\"push_odd\",\"payload\":{},\"ref\":\"4\","
                        "\"join_ref\":\"2\"}");
    client_expect(
        client, "{\"event\":\"say \\\"hi\\\"\",\"payload\":{},\"ref\":null,\"topic\":\"room:a\"}");
    client_send(client, "{\"topic\":\"room:a\",\"event\":\"echo\",\"payload\":{},\"ref\":\"5\","
                        "\"join_ref\":\"0\"}");
    client_send(
        client, "{\"topic\":\"room:a\",\"event\":\"phx_leave\",\"payload\":{},\"ref\":\"6\"}");
    client_expect(client, V1_OK("\"6\"", "room:a", "{}")); /* that of 5 was stale */
    client_expect(
        client, "{\"event\":\"phx_close\",\"payload\":{},\"ref\":\"2\",\"topic\":\"room:a\"}");
    rooms_end(client);
}

TEST(a_broadcast_reaches_clients_of_both_versions_each_in_its_own)
{
    struct client one = begin_v1(), two = client_open();

    client_send(one, "{\"topic\":\"room:a\",\"event\":\"phx_join\",\"payload\":{},\"ref\":\"1\"}");
    client_expect(one, V1_OK("\"1\"", "room:a", "{}"));
    client_join(two, "1", "room:a");
    for (int i = 0; i < 3; i++) {
        client_send(two, "[\"1\",\"%d\",\"room:a\",\"shout\",{\"i\":%d}]", i, i);
        client_expect(
            one, "{\"event\":\"msg\",\"payload\":{\"i\":%d},\"ref\":null,\"topic\":\"room:a\"}", i);
        client_expect(two, "[null,null,\"room:a\",\"msg\",{\"i\":%d}]", i);
        client_expect(two, "[\"1\",\"%d\",\"room:a\"," OK("{}"), i);
    }
    client_close(one);
    rooms_end(two);
}

TEST(what_is_binary_is_not_sent_to_a_client_of_version_1)
{
    struct client client = begin_v1();

    client_send(
        client, "{\"topic\":\"room:a\",\"event\":\"phx_join\",\"payload\":{},\"ref\":\"1\"}");
    client_expect(client, V1_OK("\"1\"", "room:a", "{}"));
    client_send(
        client, "{\"topic\":\"room:a\",\"event\":\"push_bytes\",\"payload\":{},\"ref\":\"2\"}");
    client_send(
        client, "{\"topic\":\"room:a\",\"event\":\"reply_bytes\",\"payload\":{},\"ref\":\"3\"}");
    client_expect(client,
        "{\"event\":\"phx_reply\",\"payload\":{\"status\":\"error\",\"response\":{\"reason\":\"no "
        "binary frames\"}},\"ref\":\"3\",\"topic\":\"room:a\"}");
    client_send_bytes(client,
        "\0\0\1\6\4"
        "2room:aecho",
        16);
    client_expect_close(client, 1011);
    rooms_end(client);
}

TEST(a_message_of_version_1_that_lacks_a_part_closes_with_1011)
{
    struct client client = begin_v1();

    client_send(client, "{\"topic\":\"phoenix\",\"event\":\"heartbeat\",\"payload\":{}}");
    client_expect_close(client, 1011);
    rooms_end(client);
}
