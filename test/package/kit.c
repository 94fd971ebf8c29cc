/* The test of an application: of a channel, which says that the kit and the library that it got fit each other. */
#include <anqa/test.h>

static anqa_next echo(anqa_socket *socket, anqa_json payload)
{
    return anqa_reply_ok(payload);
}

static const anqa_channel echo_channel = {
    .topic = "echo:*", .handle_in = (const anqa_event[]){{"echo", echo}, {0}}};
static const anqa_user_socket user_socket = {
    .channels = (const anqa_channel *const[]){&echo_channel, NULL}};

ANQA_TEST(an_echo_comes_back)
{
    anqa_test_socket *socket = anqa_test_connect(&user_socket, ANQA_JSON_NULL);
    anqa_test_channel *channel = anqa_test_join(socket, "echo:1", ANQA_JSON_NULL, NULL);
    anqa_test_ref ref = anqa_test_push(channel, "echo", anqa_jsonf("{'n': 1}"));

    ANQA_ASSERT_REPLY(ref, "ok", "{'n': 1}");
}

ANQA_TEST_PLAIN(the_headers_are_those_of_the_library)
{
    ANQA_ASSERT_STR(anqa_version(), ANQA_VERSION_STRING);
}
