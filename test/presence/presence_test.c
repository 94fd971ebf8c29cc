/* Presence as a program uses it, on one node: each rule by name. */
#include "harness.h"

#include <anqa/anqa.h>

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "presence/diff.h"
#include "presence/presenter.h"
#include "pubsub/pubsub.h"
#include "runtime/sched.h"

#define T "room:a"

static const anqa_presence presence = {
    .name = "presence", .max_per_topic = 5, .max_per_process = 3};

/* ---------------------------------------------------------------- a channel */

struct user {
    char name[16];
};

static anqa_status room_connect(anqa_socket *socket, anqa_json params)
{
    struct user *user = socket->assigns;

    snprintf(user->name, sizeof user->name, "%.*s", (int)anqa_json_str(params, "name").len,
        anqa_json_str(params, "name").ptr);
    return ANQA_OK;
}

static anqa_next room_join(anqa_socket *socket, anqa_str topic, anqa_json params)
{
    anqa_send(anqa_self(), "after_join", anqa_nothing());
    return anqa_reply_ok(ANQA_JSON_NULL);
}

static anqa_str name_of(const anqa_socket *socket)
{
    return anqa_str_of(((struct user *)socket->assigns)->name);
}

static anqa_next room_after_join(anqa_socket *socket, anqa_msg *msg)
{
    ANQA_REQUIRE(
        anqa_presence_track(&presence, socket, name_of(socket), anqa_jsonf("{'n': 1}")) == ANQA_OK);
    ANQA_REQUIRE(anqa_presence_push_state(&presence, socket) == ANQA_OK);
    return anqa_noreply();
}

static anqa_next room_update(anqa_socket *socket, anqa_json payload)
{
    anqa_status status = anqa_presence_update(&presence, socket, name_of(socket), payload);

    return status == ANQA_OK ? anqa_reply_ok(ANQA_JSON_NULL)
                             : anqa_reply_error(anqa_status_name(status));
}

static anqa_next room_untrack(anqa_socket *socket, anqa_json payload)
{
    ANQA_REQUIRE(anqa_presence_untrack(&presence, socket, name_of(socket)) == ANQA_OK);
    return anqa_reply_ok(ANQA_JSON_NULL);
}

static const anqa_channel room = {
    .topic = "room:*",
    .join = room_join,
    .handle_in = (const anqa_event[]){{"update", room_update}, {"untrack", room_untrack}, {0}},
    .handle_info = (const anqa_info[]){{"after_join", room_after_join}, {0}},
};
static const anqa_user_socket user_socket = {
    .channels = (const anqa_channel *const[]){&room, NULL},
    .assigns_size = sizeof(struct user),
    .connect = room_connect,
};

/* Is told in a diff of its own. */
static anqa_test_channel *enter(const char *name)
{
    anqa_test_channel *channel = anqa_test_join(
        anqa_test_connect(&user_socket, anqa_jsonf("{'name': %s}", name)), T, ANQA_JSON_NULL, NULL);

    anqa_test_advance(25);
    return channel;
}

static void start(void)
{
    (void)anqa_start_supervised(&(const anqa_child_spec)ANQA_PRESENCE(&presence));
}

ANQA_TEST(who_joins_is_told_who_is_there_and_is_told_to_the_others)
{
    anqa_test_channel *ann, *ben;
    anqa_json state;

    start();
    ann = enter("ann");
    state =
        ANQA_ASSERT_PUSH_TO(ann, "presence_state", "{'ann': {'metas': [{'n': 1, 'phx_ref': _}]}}");
    ben = enter("ben");
    ANQA_ASSERT_PUSH_TO(ann, "presence_diff",
        "{'joins': {'ben': {'metas': [{'n': 1, 'phx_ref': _}]}}, 'leaves': {}}");
    ANQA_ASSERT_PUSH_TO(ben, "presence_state", "{'ann': _, 'ben': _}");
    (void)anqa_test_leave(ben);
    ANQA_ASSERT_PUSH_TO(ann, "presence_diff",
        "{'joins': {}, 'leaves': {'ben': {'metas': [{'n': 1, 'phx_ref': _}]}}}");
    CHECK(state.len > 0);
}

ANQA_TEST(an_update_is_one_diff_with_both_sides_and_a_new_reference)
{
    anqa_test_channel *ann;
    anqa_json diff, ref, before;
    anqa_test_ref reply;

    start();
    ann = enter("ann");
    diff = ANQA_ASSERT_PUSH_TO(ann, "presence_diff", "{'joins': {'ann': _}, ...}");
    CHECK_STATUS(anqa_json_find(diff, "/joins/ann/metas/0/phx_ref", &before), ANQA_OK);
    CHECK_EQ(before.len, 18);
    reply =
        anqa_test_push(ann, "update", anqa_jsonf("{'n': 2, 'phx_ref': 'mine', 'phx_ref_prev': 3}"));
    ANQA_ASSERT_REPLY(reply, "ok");
    diff = ANQA_ASSERT_PUSH_TO(ann, "presence_diff",
        "{'joins': {'ann': {'metas': [{'n': 2, 'phx_ref': _, 'phx_ref_prev': %p}]}},"
        " 'leaves': {'ann': {'metas': [{'n': 1, 'phx_ref': %p}]}}}",
        &before, &before);
    CHECK_STATUS(anqa_json_find(diff, "/joins/ann/metas/0/phx_ref", &ref), ANQA_OK);
    CHECK(!anqa_str_eq(anqa_json_text(ref), anqa_json_text(before)));
    ANQA_REFUTE_PUSH_TO(ann, "presence_diff");
}

ANQA_TEST(who_is_untracked_leaves_and_can_not_be_updated)
{
    anqa_test_channel *ann;

    start();
    ann = enter("ann");
    ANQA_ASSERT_PUSH_TO(ann, "presence_diff", "{'joins': {'ann': _}, ...}");
    ANQA_ASSERT_REPLY(anqa_test_push(ann, "untrack", ANQA_JSON_NULL), "ok");
    ANQA_ASSERT_PUSH_TO(ann, "presence_diff", "{'joins': {}, 'leaves': {'ann': _}}");
    ANQA_ASSERT_REPLY(anqa_test_push(ann, "untrack", ANQA_JSON_NULL), "ok");
    ANQA_ASSERT_REPLY(
        anqa_test_push(ann, "update", ANQA_JSON_NULL), "error", "{'reason': 'E_NOT_FOUND'}");
    ANQA_REFUTE_PUSH_TO(ann, "presence_diff");
}

static anqa_next discreet_out(anqa_socket *socket, anqa_json payload)
{
    anqa_json joins, leaves;
    size_t come, gone;

    ANQA_REQUIRE(anqa_json_get(payload, "joins", &joins) == ANQA_OK &&
                 anqa_json_get(payload, "leaves", &leaves) == ANQA_OK);
    ANQA_REQUIRE(anqa_json_len(joins, &come) == ANQA_OK && anqa_json_len(leaves, &gone) == ANQA_OK);
    anqa_socket_push(socket, "how_many", anqa_jsonf("{'come': %zu, 'gone': %zu}", come, gone));
    return anqa_noreply();
}

static const anqa_channel discreet_room = {
    .topic = "room:*", .handle_out = (const anqa_event[]){{"presence_diff", discreet_out}, {0}}};
static const anqa_user_socket discreet_socket = {
    .channels = (const anqa_channel *const[]){&discreet_room, NULL}};

ANQA_TEST(a_channel_that_intercepts_diffs_says_what_it_likes_in_their_place)
{
    anqa_test_channel *ann, *watcher;

    start();
    watcher = anqa_test_join(
        anqa_test_connect(&discreet_socket, ANQA_JSON_NULL), T, ANQA_JSON_NULL, NULL);
    ann = enter("ann");
    ANQA_ASSERT_PUSH_TO(watcher, "how_many", "{'come': 1, 'gone': 0}");
    ANQA_ASSERT_REPLY(anqa_test_push(ann, "update", anqa_jsonf("{'n': 2}")), "ok");
    ANQA_ASSERT_PUSH_TO(watcher, "how_many", "{'come': 1, 'gone': 1}");
    ANQA_ASSERT_PUSH_TO(ann, "presence_diff", "{'joins': {'ann': _}, 'leaves': {}}");
    ANQA_REFUTE_PUSH_TO(watcher, "presence_diff");
}

ANQA_TEST(a_channel_that_crashes_leaves)
{
    anqa_test_channel *ann, *ben;

    start();
    ann = enter("ann");
    ben = enter("ben");
    ANQA_ASSERT_PUSH_TO(ann, "presence_diff", "{'joins': {'ben': _}, ...}");
    anqa_test_crash(anqa_test_channel_pid(ben), anqa_error_reason("on purpose"));
    ANQA_ASSERT_PUSH_TO(ann, "presence_diff", "{'joins': {}, 'leaves': {'ben': _}}");
}

ANQA_TEST(a_presence_that_crashes_takes_those_it_tracks_along)
{
    anqa_test_channel *ann;

    start();
    ann = enter("ann");
    ANQA_ASSERT_PUSH_TO(ann, "presence_state", "{'ann': _}");
    anqa_test_crash(anqa_whereis("presence"), anqa_error_reason("on purpose"));
    ANQA_ASSERT_PUSH_TO(ann, "phx_error");
    anqa_test_settle(); /* it is started again */
    ANQA_ASSERT_PUSH_TO(enter("ann"), "presence_state", "{'ann': {'metas': [_]}}");
}

/* ---------------------------------------------------------------- processes */

static void idle(void *state)
{
    while (!anqa_tag_is(anqa_receive(ANQA_INFINITY)->tag, "quit"))
        ;
}

static anqa_pid someone(void)
{
    anqa_pid pid;

    CHECK_STATUS(anqa_spawn(&(anqa_spawn_opts){.run = idle, .link = true}, &pid, NULL), ANQA_OK);
    return pid;
}

static void quit(anqa_pid pid)
{
    (void)anqa_send(pid, "quit", anqa_nothing());
    anqa_test_settle();
}

static anqa_status track(anqa_pid pid, const char *topic, const char *key)
{
    return anqa_presence_track_pid(
        &presence, pid, anqa_str_of(topic), anqa_str_of(key), anqa_jsonf("{'x': %s}", key), NULL);
}

static anqa_json listed(const char *topic)
{
    anqa_json all;

    CHECK_STATUS(anqa_presence_list(&presence, anqa_str_of(topic), &all), ANQA_OK);
    return all;
}

ANQA_TEST(a_process_may_have_many_keys_and_a_key_many_processes)
{
    anqa_pid one, two;
    anqa_json found;

    start();
    one = someone();
    two = someone();
    ANQA_ASSERT_JSON(listed(T), "{}");
    CHECK_STATUS(track(one, T, "ann"), ANQA_OK);
    CHECK_STATUS(track(one, T, "ann"), ANQA_E_EXISTS);
    CHECK_STATUS(track(one, T, "ben"), ANQA_OK);
    CHECK_STATUS(track(two, T, "ann"), ANQA_OK);
    CHECK_STATUS(track(two, "room:b", "ann"), ANQA_OK);
    ANQA_ASSERT_JSON(listed(T),
        "{'ann': {'metas': [{'x': 'ann', ...}, {'x': 'ann', ...}]}, 'ben': {'metas': [_]}}");
    CHECK_STATUS(
        anqa_presence_get_by_key(&presence, anqa_str_of(T), anqa_str_of("ben"), &found), ANQA_OK);
    ANQA_ASSERT_JSON(found, "{'metas': [{'x': 'ben', 'phx_ref': _}]}");
    CHECK_STATUS(anqa_presence_get_by_key(&presence, anqa_str_of(T), anqa_str_of("cid"), &found),
        ANQA_E_NOT_FOUND);
    quit(one);
    ANQA_ASSERT_JSON(listed(T), "{'ann': {'metas': [_]}}");
    CHECK_STATUS(anqa_presence_untrack_all(&presence, two), ANQA_OK);
    ANQA_ASSERT_JSON(listed(T), "{}");
    ANQA_ASSERT_JSON(listed("room:b"), "{}");
}

ANQA_TEST(who_was_let_go_does_not_end_with_the_presence)
{
    anqa_pid one, two;

    start();
    one = someone();
    two = someone();
    CHECK_STATUS(track(one, T, "ann"), ANQA_OK);
    CHECK_STATUS(track(two, T, "ann"), ANQA_OK);
    CHECK_STATUS(
        anqa_presence_untrack_pid(&presence, one, anqa_str_of(T), anqa_str_of("ann")), ANQA_OK);
    anqa_trap_exit(true);
    anqa_test_crash(anqa_whereis("presence"), anqa_error_reason("on purpose"));
    anqa_test_settle();
    CHECK(anqa_is_alive(one));
    CHECK(!anqa_is_alive(two));
}

static anqa_json add_one(anqa_json meta, void *arg)
{
    unsigned *calls = arg;

    if ((*calls)++ == 0) /* somebody else is quicker */
        CHECK_STATUS(anqa_presence_update_pid(&presence, anqa_self(), anqa_str_of(T),
                         anqa_str_of("ann"), anqa_jsonf("{'n': 10}"), NULL),
            ANQA_OK);
    return anqa_jsonf("{'n': %d}", (int)anqa_json_int(meta, "n", 0) + 1);
}

ANQA_TEST(an_update_by_a_function_loses_no_other_update)
{
    char first[ANQA_PRESENCE_REF], second[ANQA_PRESENCE_REF];
    anqa_str topic = anqa_str_of(T), key = anqa_str_of("ann");
    unsigned calls = 0;

    start();
    anqa_trap_exit(true);
    CHECK_STATUS(
        anqa_presence_track_pid(&presence, anqa_self(), topic, key, anqa_jsonf("{'n': 1}"), first),
        ANQA_OK);
    CHECK_STATUS(
        anqa_presence_update_with(&presence, anqa_self(), topic, key, add_one, &calls, second),
        ANQA_OK);
    CHECK_EQ(calls, 2);
    ANQA_ASSERT_JSON(
        listed(T), "{'ann': {'metas': [{'n': 11, 'phx_ref': %s, 'phx_ref_prev': _}]}}", second);
    CHECK(strcmp(first, second) != 0 && strlen(second) == ANQA_PRESENCE_REF - 1);
    CHECK_STATUS(anqa_presence_update_with(
                     &presence, anqa_self(), topic, anqa_str_of("ben"), add_one, &calls, second),
        ANQA_E_NOT_FOUND);
    CHECK_STATUS(anqa_presence_untrack_all(&presence, anqa_self()), ANQA_OK);
}

ANQA_TEST(what_is_too_long_too_much_or_no_meta_is_refused)
{
    char text[ANQA_PRESENCE_META_MAX + 3];
    anqa_str topic = anqa_str_of(T), key = anqa_str_of("k");
    anqa_pid pid, others[3];

    start();
    pid = someone();
    memset(text, ' ', sizeof text);
    text[0] = '{';
    text[ANQA_PRESENCE_META_MAX - 1] = '}';
    CHECK_STATUS(anqa_presence_track_pid(
                     &presence, pid, topic, key, (anqa_json){text, ANQA_PRESENCE_META_MAX}, NULL),
        ANQA_OK);
    text[ANQA_PRESENCE_META_MAX - 1] = ' ';
    text[ANQA_PRESENCE_META_MAX] = '}';
    CHECK_STATUS(anqa_presence_track_pid(&presence, pid, topic, anqa_str_of("l"),
                     (anqa_json){text, ANQA_PRESENCE_META_MAX + 1}, NULL),
        ANQA_E_LIMIT);
    memset(text, '[', 100);
    CHECK_STATUS(anqa_presence_track_pid(
                     &presence, pid, topic, anqa_str_of("l"), (anqa_json){text, 100}, NULL),
        ANQA_E_LIMIT);
    CHECK_STATUS(
        anqa_presence_track_pid(&presence, pid, topic, anqa_str_of("l"), ANQA_JSON_TRUE, NULL),
        ANQA_E_INVALID);
    memset(text, 'k', sizeof text);
    CHECK_STATUS(anqa_presence_track_pid(&presence, pid, topic,
                     anqa_str_make(text, ANQA_PRESENCE_KEY_MAX + 1), ANQA_JSON_NULL, NULL),
        ANQA_E_INVALID);
    CHECK_STATUS(
        anqa_presence_track_pid(&presence, pid, topic, anqa_str_of("\xff"), ANQA_JSON_NULL, NULL),
        ANQA_E_INVALID);
    CHECK_STATUS(
        anqa_presence_track_pid(&presence, pid, anqa_str_of(""), key, ANQA_JSON_NULL, NULL),
        ANQA_E_INVALID);
    CHECK_STATUS(
        anqa_presence_track_pid(&presence, (anqa_pid){0}, topic, key, ANQA_JSON_NULL, NULL),
        ANQA_E_INVALID);
    CHECK_STATUS(track(pid, T, "two"), ANQA_OK);
    CHECK_STATUS(track(pid, T, "three"), ANQA_OK);
    CHECK_STATUS(track(pid, "b", "four"), ANQA_E_LIMIT); /* of a process */
    for (int i = 0; i < 3; i++) {
        others[i] = someone();
        CHECK_STATUS(track(others[i], T, "k"), i < 2 ? ANQA_OK : ANQA_E_LIMIT); /* of a topic */
    }
    quit(pid);
    CHECK_STATUS(track(pid, T, "k"), ANQA_E_NOPROC);
    CHECK_STATUS(track(others[2], T, "k"), ANQA_OK);
}

ANQA_TEST(without_its_server_a_presence_answers_nothing)
{
    anqa_json all;

    CHECK_STATUS(track(anqa_self(), T, "ann"), ANQA_E_NOPROC);
    CHECK_STATUS(anqa_presence_list(&presence, anqa_str_of(T), &all), ANQA_E_NOPROC);
}

/* ---------------------------------------------------------------- diffs of a rush */

static anqa_pid boss;

static void listen_to_diffs(void *state)
{
    anqa_broadcast_view view;

    ANQA_REQUIRE(anqa_subscribe(anqa_str_of(T)) == ANQA_OK);
    for (;;) {
        const anqa_msg *msg = anqa_receive(ANQA_INFINITY);
        if (anqa_broadcast_of(msg, &view))
            (void)anqa_send(boss, "diff", anqa_text(view.payload));
    }
}

static void hear_diffs(void)
{
    boss = anqa_self();
    CHECK_STATUS(
        anqa_spawn(&(anqa_spawn_opts){.run = listen_to_diffs, .link = true}, NULL, NULL), ANQA_OK);
    anqa_test_settle();
}

ANQA_TEST(a_change_is_told_at_once_and_those_that_follow_within_a_period_together)
{
    anqa_pid pid;

    start();
    hear_diffs();
    anqa_test_advance(20);
    pid = someone();
    CHECK_STATUS(track(pid, T, "ann"), ANQA_OK);
    anqa_test_settle();
    ANQA_ASSERT_RECEIVED("diff", "{'joins': {'ann': _}, 'leaves': {}}");
    CHECK_STATUS(track(pid, T, "ben"), ANQA_OK);
    CHECK_STATUS(track(pid, T, "cid"), ANQA_OK);
    CHECK_STATUS(
        anqa_presence_untrack_pid(&presence, pid, anqa_str_of(T), anqa_str_of("cid")), ANQA_OK);
    CHECK_STATUS(anqa_presence_update_pid(&presence, pid, anqa_str_of(T), anqa_str_of("ben"),
                     anqa_jsonf("{'x': 'new'}"), NULL),
        ANQA_OK);
    CHECK_STATUS(
        anqa_presence_untrack_pid(&presence, pid, anqa_str_of(T), anqa_str_of("ann")), ANQA_OK);
    anqa_test_advance(19);
    ANQA_REFUTE_RECEIVED("diff");
    anqa_test_advance(1);
    ANQA_ASSERT_RECEIVED(
        "diff", "{'joins': {'ben': {'metas': [{'x': 'new', ...}]}}, 'leaves': {'ann': _}}");
    CHECK_STATUS(track(pid, T, "cid"), ANQA_OK);
    anqa_test_settle();
    ANQA_REFUTE_RECEIVED("diff");
    (void)listed(T);
    CHECK_STATUS(
        anqa_presence_untrack_pid(&presence, pid, anqa_str_of(T), anqa_str_of("cid")), ANQA_OK);
    anqa_test_advance(20);
    ANQA_ASSERT_RECEIVED("diff", "{'joins': {'cid': _}, 'leaves': {'cid': _}}");
    anqa_test_advance(100);
    ANQA_REFUTE_RECEIVED("diff");
}

/* ---------------------------------------------------------------- specs */

ANQA_TEST(a_presence_whose_times_do_not_fit_does_not_start)
{
    static const anqa_presence bad = {
        .name = "bad", .broadcast_period_ms = 1000, .down_period_ms = 1500};
    static const anqa_presence nameless = {.shards = 1};
    anqa_error err;

    CHECK_STATUS(anqa_try_start_supervised(
                     &(const anqa_child_spec)ANQA_PRESENCE(&bad), &(anqa_pid){0}, &err),
        ANQA_E_STOPPED);
    CHECK(strstr(err.text, "down period") != NULL, "%s", err.text);
    CHECK_STATUS(anqa_try_start_supervised(
                     &(const anqa_child_spec)ANQA_PRESENCE(&nameless), &(anqa_pid){0}, &err),
        ANQA_E_STOPPED);
}

static const anqa_presence sharded = {.name = "sharded", .shards = 4};

ANQA_TEST(shards_share_the_topics_and_end_together)
{
    anqa_json all;
    anqa_pid pid, third;

    anqa_trap_exit(true);
    (void)anqa_start_supervised(&(const anqa_child_spec)ANQA_PRESENCE(&sharded));
    pid = someone();
    for (int i = 0; i < 40; i++)
        CHECK_STATUS(
            anqa_presence_track_pid(&sharded, pid, anqa_str_of(anqa_tmp_printf("room:%d", i)),
                anqa_str_of("ann"), ANQA_JSON_NULL, NULL),
            ANQA_OK);
    for (int i = 0; i < 40; i++) {
        CHECK_STATUS(anqa_presence_list(&sharded, anqa_str_of(anqa_tmp_printf("room:%d", i)), &all),
            ANQA_OK);
        ANQA_ASSERT_JSON(all, "{'ann': _}");
    }
    for (uint32_t i = 0; i < 4; i++) {
        const char *name = i == 0 ? "sharded" : anqa_tmp_printf("sharded:%u", i);
        anqa_json status;
        CHECK_STATUS(anqa_sys_get_state(anqa_whereis(name), 1000, &status, NULL), ANQA_OK);
        CHECK(anqa_json_int(status, "topics", 0) > 2, "shard %u", i);
    }
    anqa_test_capture_log(ANQA_WARN);
    for (int i = 0; i < 20; i++) {
        third = anqa_whereis("sharded:3");
        anqa_test_crash(third, anqa_error_reason("on purpose"));
        anqa_test_settle();
        CHECK(!anqa_is_alive(pid));
        CHECK(!anqa_pid_is_none(anqa_whereis("sharded:3")));
        CHECK(!anqa_pid_eq(anqa_whereis("sharded:3"), third));
    }
    ANQA_REFUTE_LOGGED("restart_failed");
}

/* ---------------------------------------------------------------- no room for diffs */

#define FLOODED 100000

static struct sub flooded[FLOODED];

static void take_nothing(struct sub *sub, struct frame *const *frames, size_t count)
{
}

static void flooded_close(void *arg)
{
    for (int i = 0; i < FLOODED; i++)
        sub_close(&flooded[i]);
}

static void listen_to_flood(void *state)
{
    static const struct sub_ops ops = {take_nothing};

    (void)anqa_defer(flooded_close, NULL);
    for (int i = 0; i < FLOODED; i++) {
        flooded[i] = (struct sub){.ops = &ops, .who = anqa_self()};
        ANQA_REQUIRE(sub_open(&flooded[i], anqa_str_of("flood")) == ANQA_OK);
    }
    anqa_sleep(ANQA_INFINITY);
}

/* So many that it takes some turns to hand a broadcast out. */
static void hear_flood(void)
{
    CHECK_STATUS(
        anqa_spawn(&(anqa_spawn_opts){.run = listen_to_flood, .link = true}, NULL, NULL), ANQA_OK);
    anqa_test_settle();
}

/* Until no broadcast has room any more. */
static void flood(void)
{
    static char bytes[1 << 20] = "{}";

    if (bytes[2] == '\0')
        memset(bytes + 2, ' ', sizeof bytes - 2);
    for (size_t size = sizeof bytes; size >= 2; size /= 2)
        while (anqa_local_broadcast(anqa_str_of("flood"), "e", (anqa_json){bytes, size}) == ANQA_OK)
            ;
}

static void untrack(anqa_pid pid, const char *key)
{
    CHECK_STATUS(
        anqa_presence_untrack_pid(&presence, pid, anqa_str_of(T), anqa_str_of(key)), ANQA_OK);
}

ANQA_TEST(diffs_that_find_no_room_wait_and_what_follows_becomes_one)
{
    anqa_pid pid;

    start();
    hear_diffs();
    hear_flood();
    anqa_test_capture_log(ANQA_WARN);
    pid = someone();
    CHECK_STATUS(track(pid, T, "old"), ANQA_OK);
    anqa_test_advance(30);
    ANQA_ASSERT_RECEIVED("diff", "{'joins': {'old': _}, 'leaves': {}}");
    flood();
    CHECK_STATUS(track(pid, T, "ann"), ANQA_OK);
    (void)listed("another"); /* the diff is made behind the answer */
    ANQA_ASSERT_LOGGED("presence.diff_waits");
    flood();
    CHECK_STATUS(track(pid, T, "ben"), ANQA_OK);
    flood();
    untrack(pid, "ann");
    flood();
    untrack(pid, "ben"); /* nobody has heard of it */
    flood();
    untrack(pid, "old");
    ANQA_REFUTE_RECEIVED("diff");
    anqa_test_advance(100);
    ANQA_ASSERT_RECEIVED("diff", "{'joins': {'ann': _}, 'leaves': {}}");
    ANQA_ASSERT_RECEIVED("diff", "{'joins': {}, 'leaves': {'ann': _, 'old': _}}");
    ANQA_REFUTE_RECEIVED("diff");
    CHECK_STATUS(track(pid, T, "cid"), ANQA_OK);
    anqa_test_settle();
    ANQA_ASSERT_RECEIVED("diff", "{'joins': {'cid': _}, 'leaves': {}}");
}

ANQA_TEST(without_memory_for_a_diff_the_presence_and_whom_it_tracks_crash)
{
    anqa_pid pid, server;
    anqa_error err;

    anqa_trap_exit(true);
    CHECK_STATUS(
        anqa_gen_server_start_link(&anqa_presence_server, &presence, NULL, &server, &err), ANQA_OK);
    hear_diffs();
    pid = someone();
    CHECK_STATUS(track(pid, T, "ann"), ANQA_OK);
    CHECK_STATUS(track(pid, T, "ben"), ANQA_OK);
    anqa_test_settle(); /* they are linked */
    CHECK_STATUS(anqa_send(server, "presence.tell", anqa_nothing()), ANQA_OK);
    harness_out_of_memory(true);
    for (int i = 0; i < 10000 && anqa_is_alive(server); i++)
        anqa_yield();
    harness_out_of_memory(false);
    anqa_test_settle();
    CHECK(!anqa_is_alive(server) && !anqa_is_alive(pid));
    CHECK_STATUS(
        anqa_gen_server_start_link(&anqa_presence_server, &presence, NULL, &server, &err), ANQA_OK);
    CHECK_STATUS(track(someone(), T, "ann"), ANQA_OK);
}

static size_t count_of(anqa_json object)
{
    size_t count;

    CHECK_STATUS(anqa_json_len(object, &count), ANQA_OK);
    return count;
}

static const anqa_presence large = {.name = "large"};

/* So much that only short broadcasts have room. */
static void flood_but_for(size_t bytes)
{
    static char text[1 << 20] = "{}";
    size_t count = ANQA_BROADCAST_PENDING_MAX / sizeof text;

    if (text[2] == '\0')
        memset(text + 2, ' ', sizeof text - 2);
    for (size_t i = 0; i < count; i++)
        CHECK_STATUS(anqa_local_broadcast(anqa_str_of("flood"), "e",
                         (anqa_json){text, sizeof text - (i == 0 ? bytes : 0)}),
            ANQA_OK);
}

/* The shorter one would find room before the other. */
ANQA_TEST(a_piece_of_a_diff_waits_behind_those_before_it)
{
    enum { KEYS = 20 };
    anqa_json leaves;
    size_t first;
    anqa_pid pid;

    (void)anqa_start_supervised(&(const anqa_child_spec)ANQA_PRESENCE(&large));
    hear_flood();
    pid = someone();
    for (int i = 0; i < KEYS; i++)
        CHECK_STATUS(anqa_presence_track_pid(&large, pid, anqa_str_of(T),
                         anqa_str_of(anqa_tmp_printf("k%d", i)),
                         anqa_jsonf("{'p': %s}", anqa_tmp_printf("%4000d", 0)), NULL),
            ANQA_OK);
    anqa_test_advance(100); /* all were told */
    hear_diffs();
    anqa_test_capture_log(ANQA_WARN);
    flood_but_for(48 << 10);
    CHECK_STATUS(anqa_presence_untrack_all(&large, pid), ANQA_OK);
    anqa_test_advance(100);
    ANQA_ASSERT_LOGGED("presence.diff_waits");
    CHECK_STATUS(anqa_json_get(ANQA_ASSERT_RECEIVED("diff")->body, "leaves", &leaves), ANQA_OK);
    first = count_of(leaves);
    CHECK(first > KEYS / 2, "%zu", first);
    CHECK_STATUS(anqa_json_get(ANQA_ASSERT_RECEIVED("diff")->body, "leaves", &leaves), ANQA_OK);
    CHECK_EQ(count_of(leaves), KEYS - first);
}

static anqa_status say_nothing(void *arg, anqa_str topic, anqa_buf message)
{
    return ANQA_OK;
}

static const anqa_pubsub_adapter mute = {.broadcast = say_nothing};

/* Brings a message of another node's tracker, and keeps it. */
static anqa_buf from_far(const char *event, const char *sections)
{
    static const char topic[] = "\xffpresence:presence:0";
    anqa_json payload =
        anqa_jsonf("['far', 1, 2, [], %p]", &(anqa_json){sections, strlen(sections)});
    size_t size = 8 + strlen(topic) + strlen(event) + payload.len;
    char head[8] = {1, (char)strlen(topic), (char)strlen(event), 0, (char)payload.len};
    char *bytes = anqa_arena_alloc(anqa_tmp(), size);
    const anqa_msg *msg;
    anqa_error err;

    CHECK(payload.len < 128);
    memcpy(bytes, head, 8);
    memcpy(bytes + 8, topic, strlen(topic));
    memcpy(bytes + 8 + strlen(topic), event, strlen(event));
    memcpy(bytes + size - payload.len, payload.ptr, payload.len);
    CHECK_STATUS(anqa_pubsub_receive(anqa_str_make(bytes, size), &err), ANQA_OK, "%s", err.text);
    msg = anqa_receive(1000);
    CHECK(msg != NULL && msg->payload == ANQA_PAYLOAD_BUF);
    anqa_msg_keep(msg);
    return (anqa_buf){msg->u.block, msg->body.ptr, msg->body.len};
}

/* The same once more, though there is no room for broadcasts here. */
static void again(anqa_buf message)
{
    CHECK_STATUS(
        anqa_send(anqa_whereis("presence"), ANQA_BROADCAST, anqa_shared(message)), ANQA_OK);
    (void)listed("another");
}

/* Else one who was forgotten and learnt anew by the same reference would be told to join and to leave at once. */
ANQA_TEST(while_diffs_wait_other_nodes_are_not_heard)
{
    static const char ann[] =
        "[[\"far\",1,2,0,1,0,1,[],[[1,1,\"room:a\",\"ann\",{\"phx_ref\":\"x\"}]]]]";
    anqa_buf beat, bye;
    anqa_pid pid;

    CHECK_STATUS(anqa_pubsub_attach(&mute, NULL, anqa_str_of("me")), ANQA_OK);
    start();
    CHECK_STATUS(anqa_subscribe(anqa_str_of("\xffpresence:presence:0")), ANQA_OK);
    bye = from_far("bye", "[]");
    beat = from_far("beat", ann); /* it is met */
    again(beat);
    anqa_unsubscribe(anqa_str_of("\xffpresence:presence:0"));
    ANQA_ASSERT_JSON(listed(T), "{'ann': _}");
    hear_diffs();
    hear_flood();
    pid = someone();
    anqa_test_capture_log(ANQA_WARN);
    anqa_test_advance(30);
    flood();
    CHECK_STATUS(track(pid, "flood", "k"), ANQA_OK);
    (void)listed("another");
    ANQA_ASSERT_LOGGED("presence.diff_waits");
    flood();
    again(bye);
    flood();
    again(beat);
    flood();
    again(beat);
    anqa_test_advance(100);
    ANQA_REFUTE_RECEIVED("diff", "{'leaves': {'ann': _}, ...}");
    ANQA_ASSERT_JSON(listed(T), "{'ann': _}");
}

static const anqa_presence brisk = {
    .name = "presence", .broadcast_period_ms = 1000, .down_period_ms = 2500};

/* A presence that heard of ann's node 2.6 seconds ago, which is too long, but has not ticked since it is. Returns that node's beat. */
static anqa_buf know_ann(void)
{
    anqa_buf beat;

    CHECK_STATUS(anqa_pubsub_attach(&mute, NULL, anqa_str_of("me")), ANQA_OK);
    (void)anqa_start_supervised(&(const anqa_child_spec)ANQA_PRESENCE(&brisk));
    CHECK_STATUS(anqa_subscribe(anqa_str_of("\xffpresence:presence:0")), ANQA_OK);
    beat = from_far(
        "beat", "[[\"far\",1,2,0,1,0,1,[],[[1,1,\"room:a\",\"ann\",{\"phx_ref\":\"x\"}]]]]");
    again(beat);
    anqa_unsubscribe(anqa_str_of("\xffpresence:presence:0"));
    hear_diffs();
    hear_flood();
    anqa_test_capture_log(ANQA_WARN);
    anqa_test_advance(2600);
    ANQA_ASSERT_JSON(listed(T), "{'ann': _}");
    flood();
    CHECK_STATUS(track(someone(), "flood", "k"), ANQA_OK);
    (void)listed("another");
    ANQA_ASSERT_LOGGED("presence.diff_waits");
    return beat;
}

ANQA_TEST(while_diffs_wait_nobody_is_silent)
{
    (void)know_ann();
    flood();
    CHECK_STATUS(anqa_send(anqa_whereis("presence"), "presence.tick", anqa_nothing()), ANQA_OK);
    ANQA_ASSERT_JSON(listed(T), "{'ann': _}");
    anqa_test_advance(700); /* there is room again, and it has ticked */
    ANQA_ASSERT_JSON(listed(T), "{'ann': _}");
    ANQA_REFUTE_RECEIVED("diff");
    anqa_test_advance(4000);
    ANQA_ASSERT_RECEIVED("diff", "{'joins': {}, 'leaves': {'ann': _}}");
}

ANQA_TEST(who_was_not_heard_because_diffs_waited_is_not_silent)
{
    anqa_buf beat = know_ann();

    flood();
    again(beat);
    anqa_test_advance(700);
    ANQA_ASSERT_JSON(listed(T), "{'ann': _}");
    ANQA_REFUTE_RECEIVED("diff");
    anqa_test_advance(4000);
    ANQA_ASSERT_RECEIVED("diff", "{'joins': {}, 'leaves': {'ann': _}}");
}

/* ---------------------------------------------------------------- a scheduler that hangs */

static _Atomic(bool) hangs;
static _Atomic(unsigned) told_here, told_there;

static void count_here(struct sub *sub, struct frame *const *frames, size_t count)
{
    atomic_fetch_add(&told_here, (unsigned)count);
}

static void count_there(struct sub *sub, struct frame *const *frames, size_t count)
{
    atomic_fetch_add(&told_there, (unsigned)count);
}

static void close_sub(void *sub)
{
    sub_close(sub);
}

static void count_diffs(void (*deliver)(struct sub *, struct frame *const *, size_t),
    struct sub_ops *ops, struct sub *sub, const char *topic)
{
    ops->deliver = deliver;
    *sub = (struct sub){.ops = ops, .who = anqa_self()};
    ANQA_REQUIRE(sub_open(sub, anqa_str_of(topic)) == ANQA_OK);
    (void)anqa_defer(close_sub, sub);
}

/* Keeps its scheduler from handing anything out. */
static void hang_run(void *arg)
{
    static struct sub_ops ops, flood_ops;
    static struct sub diffs, flood;

    count_diffs(count_there, &ops, &diffs, T);
    count_diffs(take_nothing, &flood_ops, &flood, "flood");
    atomic_store(&hangs, true);
    while (atomic_load(&hangs))
        ;
    anqa_sleep(ANQA_INFINITY);
}

static anqa_status track_in(const anqa_presence *spec, anqa_pid pid, const char *key)
{
    return anqa_presence_track_pid(
        spec, pid, anqa_str_of(T), anqa_str_of(key), ANQA_JSON_NULL, NULL);
}

static void wait_for(_Atomic(unsigned) *count, unsigned wanted)
{
    for (int i = 0; i < 30000 && atomic_load(count) < wanted; i++)
        anqa_sleep(1);
    CHECK_EQ(atomic_load(count), wanted);
}

/* A diff that is tried again and again, until the other scheduler goes on. */
static void tell_past_a_hang(const anqa_presence *spec)
{
    static struct sub_ops ops;
    static struct sub diffs;
    anqa_json all;
    anqa_pid pid, server;
    anqa_error err;

    boss = anqa_self();
    count_diffs(count_here, &ops, &diffs, T); /* which pins us */
    CHECK_STATUS(anqa_spawn(&(anqa_spawn_opts){.run = hang_run,
                                .link = true,
                                .scheduler = (uint16_t)(2 - sched_self->index)},
                     NULL, NULL),
        ANQA_OK);
    while (!atomic_load(&hangs))
        anqa_sleep(1);
    CHECK_STATUS(
        anqa_gen_server_start_link(&anqa_presence_server, spec, NULL, &server, &err), ANQA_OK);
    pid = someone();
    flood();
    CHECK_STATUS(track_in(spec, pid, "ann"), ANQA_OK);
    wait_for(&told_here, 1);
    for (int i = 0; i < 10; i++)
        CHECK_STATUS(anqa_send(server, "presence.tell", anqa_nothing()), ANQA_OK);
    CHECK_STATUS(anqa_presence_list(spec, anqa_str_of(T), &all), ANQA_OK);
    anqa_sleep(100);
    CHECK_EQ(atomic_load(&told_here), 1);
    CHECK_EQ(atomic_load(&told_there), 0);
    atomic_store(&hangs, false);
    wait_for(&told_there, 1);
    CHECK_STATUS(track_in(spec, pid, "ben"), ANQA_OK);
    wait_for(&told_there, 2);
    wait_for(&told_here, 2);
}

ANQA_TEST(a_diff_that_one_scheduler_has_no_room_for_reaches_the_others_once, .schedulers = 2)
{
    anqa_test_capture_log(ANQA_WARN);
    tell_past_a_hang(&presence);
    ANQA_ASSERT_LOGGED("presence.diff_waits");
}

static const anqa_presence wide = {.name = "wide", .max_per_process = 2000};

static anqa_status track_wide(anqa_pid pid, const char *topic, int i, anqa_json meta)
{
    return anqa_presence_track_pid(
        &wide, pid, anqa_str_of(topic), anqa_str_of(anqa_tmp_printf("k%d", i)), meta, NULL);
}

ANQA_TEST(while_too_much_waits_to_be_told_nobody_is_tracked)
{
    anqa_json meta = anqa_jsonf("{'p': %s}", anqa_tmp_printf("%4000d", 0)), all;
    const char *said;
    anqa_pid pid;

    (void)anqa_start_supervised(&(const anqa_child_spec)ANQA_PRESENCE(&wide));
    hear_diffs();
    hear_flood();
    anqa_test_capture_log(ANQA_WARN);
    pid = someone();
    flood();
    CHECK_STATUS(track_wide(pid, "flood", 0, meta), ANQA_OK); /* its diff waits */
    for (int i = 0; i < 1100; i++) {
        if (i % 100 == 0)
            flood();
        CHECK_STATUS(track_wide(pid, T, i, meta), ANQA_OK);
    }
    CHECK_STATUS(anqa_presence_list(&wide, anqa_str_of(T), &all), ANQA_OK); /* somebody knows */
    CHECK_STATUS(anqa_presence_untrack_all(&wide, pid), ANQA_OK);
    flood();
    CHECK_STATUS(track_wide(pid, T, 0, meta), ANQA_E_FULL);
    said = strstr(anqa_test_captured_log(), "presence.diff_waits");
    CHECK(said != NULL && strstr(said + 1, "presence.diff_waits") == NULL); /* only once */
    anqa_test_advance(100);
    CHECK_STATUS(track_wide(pid, T, 0, meta), ANQA_OK);
    CHECK_STATUS(anqa_presence_update_pid(
                     &wide, pid, anqa_str_of(T), anqa_str_of("k0"), ANQA_JSON_NULL, NULL),
        ANQA_OK);
}

/* ---------------------------------------------------------------- hooks */

static bool fetch_crashes, fetch_hangs, fetch_floods;

/* Adds "name" to each key. */
static anqa_json with_names(anqa_str topic, anqa_json presences)
{
    anqa_json_writer *w = anqa_arena_alloc(anqa_tmp(), sizeof *w);
    anqa_json_iter it;
    anqa_json metas, all;

    if (fetch_crashes)
        anqa_exit(anqa_error_reason("no database"));
    if (fetch_hangs)
        anqa_sleep(ANQA_INFINITY);
    if (fetch_floods)
        flood();
    anqa_json_writer_init(w, anqa_tmp(), 0);
    anqa_json_begin_object(w);
    for (it = anqa_json_each(presences); anqa_json_next(&it);) {
        anqa_str key;
        ANQA_REQUIRE(anqa_json_to_str(anqa_tmp(), it.key, &key) == ANQA_OK);
        ANQA_REQUIRE(anqa_json_get(it.value, "metas", &metas) == ANQA_OK);
        anqa_json_key_str(w, key);
        anqa_json_format(w, "{'metas': %p, 'name': 'Mx %.*s'}", &metas, ANQA_FMT(key));
    }
    anqa_json_end_object(w);
    ANQA_REQUIRE(anqa_json_writer_finish(w, &all) == ANQA_OK);
    return all;
}

static void count_from_ten(void *state)
{
    *(int *)state = 10;
}

static void tell_boss(
    void *state, anqa_str topic, anqa_json joins, anqa_json leaves, anqa_json presences)
{
    int *count = state;

    (void)anqa_send(boss, "metas",
        anqa_text(anqa_jsonf("{'n': %d, 'topic': %.*s, 'joins': %p, 'leaves': %p, 'all': %p}",
            (*count)++, ANQA_FMT(topic), &joins, &leaves, &presences)));
}

static const anqa_presence hooked = {.name = "hooked",
    .fetch = with_names,
    .state_size = sizeof(int),
    .init = count_from_ten,
    .handle_metas = tell_boss};

static void start_hooked(void)
{
    (void)anqa_start_supervised(&(const anqa_child_spec)ANQA_PRESENCE(&hooked));
    hear_diffs();
}

static void track_hooked(anqa_pid pid, const char *key)
{
    CHECK_STATUS(anqa_presence_track_pid(
                     &hooked, pid, anqa_str_of(T), anqa_str_of(key), ANQA_JSON_NULL, NULL),
        ANQA_OK);
}

ANQA_TEST(fetch_adds_to_lists_and_diffs_and_handle_metas_sees_each_change)
{
    anqa_json all;
    anqa_pid pid;

    start_hooked();
    pid = someone();
    track_hooked(pid, "ann");
    ANQA_ASSERT_RECEIVE(
        "diff", 100, "{'joins': {'ann': {'metas': [_], 'name': 'Mx ann'}}, 'leaves': {}}");
    ANQA_ASSERT_RECEIVE("metas", 100,
        "{'n': 10, 'topic': %s, 'joins': {'ann': {'metas': [_]}}, 'leaves': {}, 'all': {'ann': _}}",
        T);
    CHECK_STATUS(anqa_presence_list(&hooked, anqa_str_of(T), &all), ANQA_OK);
    ANQA_ASSERT_JSON(all, "{'ann': {'metas': [_], 'name': 'Mx ann'}}");
    CHECK_STATUS(
        anqa_presence_get_by_key(&hooked, anqa_str_of(T), anqa_str_of("ann"), &all), ANQA_OK);
    ANQA_ASSERT_JSON(all, "{'metas': [_], 'name': 'Mx ann'}");
    quit(pid);
    ANQA_ASSERT_RECEIVE("metas", 100, "{'n': 11, 'leaves': {'ann': _}, 'all': {}, ...}");
}

ANQA_TEST(a_fetch_that_crashes_costs_its_fields_and_no_diff)
{
    anqa_pid pid, server;

    start_hooked();
    anqa_test_capture_log(ANQA_ERROR);
    server = anqa_whereis("hooked");
    pid = someone();
    fetch_crashes = true;
    track_hooked(pid, "ann");
    ANQA_ASSERT_RECEIVE("diff", 100, "{'joins': {'ann': {'metas': [_]}}, 'leaves': {}}");
    fetch_crashes = false;
    track_hooked(pid, "ben");
    ANQA_ASSERT_RECEIVE("diff", 100, "{'joins': {'ben': {'metas': [_], 'name': 'Mx ben'}}, ...}");
    ANQA_ASSERT_RECEIVE("metas", 100, "{'n': 10, ...}"); /* it has begun afresh */
    CHECK(anqa_pid_eq(anqa_whereis("hooked"), server));
    CHECK(anqa_is_alive(pid));
}

/* Tracks "ann", whose diff finds no room as long as fetch_floods is set; by whom. */
static anqa_pid track_into_flood(void)
{
    anqa_pid pid;

    start_hooked();
    hear_flood();
    anqa_test_capture_log(ANQA_WARN);
    pid = someone();
    fetch_floods = true;
    track_hooked(pid, "ann");
    anqa_test_settle();
    ANQA_ASSERT_LOGGED("presence.diff_waits");
    return pid;
}

ANQA_TEST(a_diff_with_hooks_that_finds_no_room_waits_too)
{
    anqa_pid pid = track_into_flood();

    fetch_floods = false;
    ANQA_REFUTE_RECEIVED("diff");
    track_hooked(pid, "ben");
    ANQA_ASSERT_RECEIVE("diff", 1000, "{'joins': {'ann': {'metas': [_], 'name': 'Mx ann'}}, ...}");
    ANQA_ASSERT_RECEIVE("metas", 100, "{'joins': {'ann': _}, ...}");
    ANQA_ASSERT_RECEIVE("diff", 1000, "{'joins': {'ben': {'metas': [_], 'name': 'Mx ben'}}, ...}");
}

ANQA_TEST(
    a_diff_with_hooks_that_one_scheduler_has_no_room_for_reaches_the_others_once, .schedulers = 2)
{
    anqa_test_capture_log(ANQA_WARN);
    tell_past_a_hang(&hooked);
    ANQA_ASSERT_LOGGED("presence.diff_waits");
}

static void flood_again(void *state)
{
    anqa_sleep(PRESENTER_RETRY_MS);
    if (!fetch_floods)
        return;
    fetch_floods = false;
    flood();
}

/* Those that flood are due when it is tried again: nearly always one of them is first. */
ANQA_TEST(a_diff_with_hooks_is_tried_until_it_finds_room)
{
    (void)track_into_flood();
    for (int i = 0; i < 20; i++)
        CHECK_STATUS(anqa_spawn(&(anqa_spawn_opts){.run = flood_again}, NULL, NULL), ANQA_OK);
    anqa_test_advance(100 * PRESENTER_RETRY_MS);
    ANQA_ASSERT_RECEIVED("diff", "{'joins': {'ann': _}, 'leaves': {}}");
}

/* Each in a diff of its own. */
static void update_hooked(anqa_pid pid, int i)
{
    anqa_test_advance(20);
    CHECK_STATUS(anqa_presence_update_pid(&hooked, pid, anqa_str_of(T), anqa_str_of("ann"),
                     anqa_jsonf("{'i': %d}", i), NULL),
        ANQA_OK);
}

ANQA_TEST(a_fetch_that_hangs_holds_up_so_many_diffs_and_no_call)
{
    anqa_pid pid;

    start_hooked();
    anqa_test_capture_log(ANQA_WARN);
    pid = someone();
    fetch_hangs = true;
    track_hooked(pid, "ann");
    for (int i = 1; i < 256; i++)
        update_hooked(pid, i);
    ANQA_REFUTE_RECEIVE("diff", 100);
    update_hooked(pid, 256);
    fetch_hangs = false;
    ANQA_ASSERT_RECEIVE("diff", 100, "{'joins': {'ann': {'metas': [{'phx_ref': _}]}}, ...}");
    for (int i = 1; i <= 256; i++)
        ANQA_ASSERT_RECEIVE("diff", 100, "{'joins': {'ann': {'metas': [{'i': %d, ...}]}}, ...}", i);
    ANQA_ASSERT_LOGGED("too slow");
    update_hooked(pid, 257);
    ANQA_ASSERT_RECEIVE(
        "diff", 100, "{'joins': {'ann': {'metas': [{'i': 257, ...}], 'name': _}}, ...}");
}

/* ---------------------------------------------------------------- large topics */

static const anqa_presence crowd = {.name = "crowd", .max_per_process = 2000};

static anqa_next crowd_after_join(anqa_socket *socket, anqa_msg *msg)
{
    ANQA_REQUIRE(anqa_presence_push_state(&crowd, socket) == ANQA_OK);
    return anqa_noreply();
}

static const anqa_channel crowd_room = {
    .topic = "room:*",
    .join = room_join,
    .handle_info = (const anqa_info[]){{"after_join", crowd_after_join}, {0}},
};
static const anqa_user_socket crowd_socket = {
    .channels = (const anqa_channel *const[]){&crowd_room, NULL}};

/* A thousand presences of a thousand bytes, and the leaves of all at once. */
ANQA_TEST(a_large_state_comes_whole_and_a_large_diff_in_pieces)
{
    char *padding = anqa_tmp_printf("%1000d", 0);
    size_t leaves = 0, pieces = 0;
    anqa_test_channel *watcher;
    anqa_json part;
    anqa_pid pid;

    (void)anqa_start_supervised(&(const anqa_child_spec)ANQA_PRESENCE(&crowd));
    pid = someone();
    for (int i = 0; i < 1000; i++)
        CHECK_STATUS(
            anqa_presence_track_pid(&crowd, pid, anqa_str_of(T),
                anqa_str_of(anqa_tmp_printf("k%d", i)), anqa_jsonf("{'p': %s}", padding), NULL),
            ANQA_OK);
    anqa_test_advance(25); /* all were told */
    watcher =
        anqa_test_join(anqa_test_connect(&crowd_socket, ANQA_JSON_NULL), T, ANQA_JSON_NULL, NULL);
    CHECK_EQ(count_of(ANQA_ASSERT_PUSH_TO(watcher, "presence_state")), 1000);
    CHECK_STATUS(anqa_presence_untrack_all(&crowd, pid), ANQA_OK);
    for (; leaves < 1000; leaves += count_of(part), pieces++) {
        anqa_json diff =
            ANQA_ASSERT_PUSH_TO(watcher, "presence_diff", "{'joins': {}, 'leaves': _}");
        CHECK(diff.len <= (64 << 10) + 100, "%zu", diff.len);
        CHECK_STATUS(anqa_json_get(diff, "leaves", &part), ANQA_OK);
    }
    CHECK_EQ(leaves, 1000);
    CHECK(pieces < 20);
}

static size_t padding_size;

/* An object of so many bytes. */
static anqa_json with_padding(anqa_str topic, anqa_json presences)
{
    char *bytes = anqa_arena_alloc(anqa_tmp(), padding_size);

    memset(bytes, ' ', padding_size);
    bytes[0] = '{';
    bytes[padding_size - 1] = '}';
    return (anqa_json){bytes, padding_size};
}

static const anqa_presence padded = {.name = "padded", .fetch = with_padding};

static anqa_next padded_push(anqa_socket *socket, anqa_json payload)
{
    padding_size = ANQA_PRESENCE_STATE_MAX;
    ANQA_REQUIRE(anqa_presence_push_state(&padded, socket) == ANQA_OK);
    padding_size++;
    return anqa_reply_error(anqa_status_name(anqa_presence_push_state(&padded, socket)));
}

static const anqa_channel padded_room = {
    .topic = "room:*", .handle_in = (const anqa_event[]){{"push", padded_push}, {0}}};
static const anqa_user_socket padded_socket = {
    .channels = (const anqa_channel *const[]){&padded_room, NULL}};

ANQA_TEST(a_state_that_is_too_long_is_refused)
{
    anqa_test_channel *channel;

    (void)anqa_start_supervised(&(const anqa_child_spec)ANQA_PRESENCE(&padded));
    channel =
        anqa_test_join(anqa_test_connect(&padded_socket, ANQA_JSON_NULL), T, ANQA_JSON_NULL, NULL);
    ANQA_ASSERT_REPLY(
        anqa_test_push(channel, "push", ANQA_JSON_NULL), "error", "{'reason': 'E_LIMIT'}");
    CHECK_EQ(count_of(ANQA_ASSERT_PUSH_TO(channel, "presence_state")), 0);
}

static void count_metas(void *arg, anqa_json diff)
{
    size_t *counts = arg;
    anqa_json metas;

    CHECK(diff.len < (64 << 10) + 5000, "%zu", diff.len);
    CHECK_STATUS(anqa_json_check(anqa_json_text(diff), NULL, NULL), ANQA_OK);
    CHECK_STATUS(anqa_json_find(diff, "/joins/ann/metas", &metas), ANQA_OK);
    counts[0] += count_of(metas);
    counts[1]++;
}

static bool cut(void *arg, const struct presence_topic *topic)
{
    diff_each(topic, count_metas, arg);
    return true;
}

ANQA_TEST(many_metas_of_one_key_come_in_pieces_too)
{
    static const struct replica_id self = {.name = {"me", 2}};
    anqa_str meta = anqa_str_of(anqa_tmp_printf("{\"p\":\"%1000d\"}", 0));
    struct presence_state state;
    size_t counts[2] = {0, 0};

    CHECK_STATUS(state_init(&state, &self, NULL), ANQA_OK);
    for (uint64_t pid = 1; pid <= 200; pid++)
        CHECK_STATUS(state_join(&state, pid, anqa_str_of(T), anqa_str_of("ann"), meta), ANQA_OK);
    state_flush(&state, cut, counts);
    CHECK_EQ(counts[0], 200);
    CHECK_EQ(counts[1], 4);
    state_done(&state);
}
