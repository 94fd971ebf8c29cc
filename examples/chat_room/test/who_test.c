/* Who is in which room, as the rooms' channels see it: here the test and its processes stand for them. */
#include <anqa/test.h>

#include "../chat.h"

/* A guest who stays in the room until told to go. */
static void guest(void *state)
{
    const char *const *name = state;

    who_enter(anqa_str_of("room:lobby"), anqa_str_of(*name));
    (void)anqa_receive(ANQA_INFINITY);
}

static anqa_pid enters(const char *name)
{
    anqa_spawn_opts opts = {.run = guest, .arg = &name, .arg_size = sizeof name, .link = true};
    anqa_pid pid;

    ANQA_ASSERT_STATUS(anqa_spawn(&opts, &pid, NULL), ANQA_OK);
    anqa_test_settle();
    return pid;
}

static void start(void)
{
    anqa_start_supervised(&(anqa_child_spec){.server = &who_server});
    ANQA_ASSERT_STATUS(anqa_subscribe(anqa_str_of("room:lobby")), ANQA_OK);
}

ANQA_TEST(everybody_in_the_room_hears_who_enters)
{
    start();
    (void)enters("Ann");
    ANQA_ASSERT_BROADCAST("who", "{'names': ['Ann']}");
    (void)enters("Bob");
    ANQA_ASSERT_BROADCAST("who", "{'names': ['Bob', 'Ann']}");
}

ANQA_TEST(a_channel_that_ends_is_not_in_the_room_any_more)
{
    anqa_pid ann;

    start();
    ann = enters("Ann");
    (void)enters("Bob");
    (void)anqa_send(ann, "go", anqa_nothing());
    ANQA_ASSERT_BROADCAST("who", "{'names': ['Bob']}");
    ANQA_ASSERT_JSON(who_is_in(anqa_str_of("room:lobby")), "['Bob']");
}

ANQA_TEST(a_name_is_listed_once_until_the_last_of_that_name_has_gone)
{
    anqa_pid first;

    start();
    first = enters("Ann");
    (void)enters("Ann");
    ANQA_ASSERT_JSON(who_is_in(anqa_str_of("room:lobby")), "['Ann']");
    (void)anqa_send(first, "go", anqa_nothing());
    anqa_test_settle();
    ANQA_ASSERT_JSON(who_is_in(anqa_str_of("room:lobby")), "['Ann']");
}

ANQA_TEST(rooms_do_not_hear_of_each_other)
{
    start();
    who_enter(anqa_str_of("room:kitchen"), anqa_str_of("Cleo"));
    ANQA_REFUTE_BROADCAST("who");
    ANQA_ASSERT_JSON(who_is_in(anqa_str_of("room:lobby")), "[]");
}

ANQA_TEST(a_crash_forgets_who_was_there)
{
    start();
    (void)enters("Ann");
    anqa_test_capture_log(ANQA_ERROR);
    anqa_test_crash(anqa_whereis("who"), anqa_error_reason("on purpose"));
    anqa_test_settle();
    ANQA_ASSERT_JSON(who_is_in(anqa_str_of("room:lobby")), "[]");
}
