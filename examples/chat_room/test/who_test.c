/* Who is in which room, as the rooms' channels see it. */
#include <anqa/test.h>

#include "../chat.h"

static anqa_next join(anqa_socket *socket, anqa_str topic, anqa_json params)
{
    anqa_str name = anqa_json_str(params, "name");

    (void)anqa_send(anqa_self(), "enter", anqa_text(anqa_jsonf("{'name': %.*s}", ANQA_FMT(name))));
    return anqa_reply_ok(ANQA_JSON_NULL);
}

static anqa_next enter(anqa_socket *socket, anqa_msg *msg)
{
    who_enter(socket, anqa_json_str(msg->body, "name"));
    return anqa_noreply();
}

static const anqa_channel room = {
    .topic = "room:*", .join = join, .handle_info = (const anqa_info[]){{"enter", enter}, {0}}};
static const anqa_user_socket user_socket = {
    .channels = (const anqa_channel *const[]){&room, NULL}};

static anqa_test_channel *enters(const char *name)
{
    anqa_test_socket *socket = anqa_test_connect(&user_socket, ANQA_JSON_NULL);
    anqa_test_channel *channel =
        anqa_test_join(socket, "room:lobby", anqa_jsonf("{'name': %s}", name), NULL);

    anqa_test_settle();
    return channel;
}

static void start(void)
{
    (void)anqa_start_supervised(&(const anqa_child_spec)ANQA_PRESENCE(&who));
    ANQA_ASSERT_STATUS(anqa_subscribe(anqa_str_of("room:lobby")), ANQA_OK);
}

ANQA_TEST(a_newcomer_sees_all_and_the_others_hear_of_it)
{
    anqa_test_channel *ann, *bob;

    start();
    ann = enters("Ann");
    ANQA_ASSERT_PUSH_TO(ann, "presence_state", "{'Ann': {'metas': [{'id': _, 'phx_ref': _}]}}");
    bob = enters("Bob");
    ANQA_ASSERT_PUSH_TO(bob, "presence_state", "{'Ann': _, 'Bob': _}");
    ANQA_ASSERT_PUSH_TO(ann, "presence_diff", "{'joins': {'Bob': _}, ...}");
}

ANQA_TEST(a_channel_that_ends_is_not_in_the_room_any_more)
{
    anqa_test_channel *ann;

    start();
    ann = enters("Ann");
    (void)enters("Bob");
    anqa_test_crash(anqa_test_channel_pid(ann), anqa_error_reason("on purpose"));
    ANQA_ASSERT_BROADCAST("presence_diff", "{'leaves': {'Ann': _}, ...}");
    ANQA_ASSERT_JSON(who_is_in(anqa_str_of("room:lobby")), "['Bob']");
}

ANQA_TEST(two_windows_of_one_name_are_one_person)
{
    anqa_test_channel *first;

    start();
    first = enters("Ann");
    (void)enters("Ann");
    ANQA_ASSERT_JSON(who_is_in(anqa_str_of("room:lobby")), "['Ann']");
    (void)anqa_test_leave(first);
    anqa_test_settle();
    ANQA_ASSERT_JSON(who_is_in(anqa_str_of("room:lobby")), "['Ann']");
    ANQA_ASSERT_JSON(who_is_in(anqa_str_of("room:other")), "[]");
}
