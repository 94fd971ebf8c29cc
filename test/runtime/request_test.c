/* Requests and replies: exactly one answer or one DOWN, whatever happens to the one who is asked. */
#include "rt_fixture.h"
#include "runtime/sched.h"

/* A server that does with a request what its tag says. */
struct server {
    anqa_pid helper;
    anqa_caller later;
    const anqa_msg *kept;
};

static void helper_handle(void *state, const anqa_msg *msg)
{
    anqa_caller caller;

    memcpy(&caller, msg->body.ptr, sizeof caller);
    anqa_reply_to(&caller, anqa_bytes("from elsewhere", 14));
}

static const anqa_behaviour helper = {.name = "helper", .handle = helper_handle};

static void hand_over(struct server *server, const anqa_caller *caller)
{
    CHECK_STATUS(anqa_send(server->helper, "answer", anqa_bytes(caller, sizeof *caller)), ANQA_OK);
}

static void server_call(struct server *server, const anqa_msg *msg)
{
    anqa_caller caller = anqa_msg_caller(msg);

    if (anqa_tag_is(msg->tag, "echo")) {
        anqa_reply_to(&caller, anqa_bytes(msg->body.ptr, msg->body.len));
    } else if (anqa_tag_is(msg->tag, "twice")) {
        anqa_reply_to(&caller, anqa_bytes("first", 5));
        anqa_reply_to(&caller, anqa_bytes("second", 6));
    } else if (anqa_tag_is(msg->tag, "later")) {
        server->later = caller;
    } else if (anqa_tag_is(msg->tag, "keep")) {
        anqa_msg_keep(msg);
        server->kept = msg;
    } else if (anqa_tag_is(msg->tag, "helper")) {
        hand_over(server, &caller);
    } else if (anqa_tag_is(msg->tag, "helper and wait")) {
        hand_over(server, &caller);
        anqa_sleep(1);
    } else if (anqa_tag_is(msg->tag, "exit")) {
        anqa_exit(anqa_error_reason("asked to"));
    }
}

static void server_handle(void *state, const anqa_msg *msg)
{
    struct server *server = state;

    if (msg->kind == ANQA_MSG_CALL)
        server_call(server, msg);
    else if (anqa_tag_is(msg->tag, "now"))
        anqa_reply_to(&server->later, anqa_bytes("late", 4));
    else if (anqa_tag_is(msg->tag, "free"))
        anqa_msg_free(server->kept);
    else if (anqa_tag_is(msg->tag, "block"))
        anqa_sleep(ANQA_INFINITY);
}

static const anqa_behaviour server_behaviour = {.name = "server", .handle = server_handle};

static anqa_pid server_open(void)
{
    struct server server = {0};
    anqa_pid pid;

    CHECK_STATUS(
        anqa_spawn(&(anqa_spawn_opts){.behaviour = &helper}, &server.helper, NULL), ANQA_OK);
    CHECK_STATUS(anqa_spawn(
                     &(anqa_spawn_opts){
                         .behaviour = &server_behaviour, .arg = &server, .arg_size = sizeof server},
                     &pid, NULL),
        ANQA_OK);
    return pid;
}

static anqa_ref ask(anqa_pid server, const char *tag)
{
    return anqa_request(server, tag, anqa_bytes("body", 4));
}

static const anqa_msg *answer_to(anqa_ref ref)
{
    const anqa_msg *msg = anqa_receive_ref(ref, RT_LONG_MS);

    CHECK(msg != NULL);
    return msg;
}

static void expect_reply(anqa_ref ref, const char *text)
{
    const anqa_msg *msg = answer_to(ref);

    CHECK_EQ(msg->kind, ANQA_MSG_REPLY);
    CHECK_STR(anqa_str_make(msg->body.ptr, msg->body.len), text);
    anqa_msg_free(msg);
}

static void expect_down(anqa_ref ref, anqa_pid from, anqa_reason_kind kind, bool never_started)
{
    const anqa_msg *msg = answer_to(ref);

    CHECK_EQ(msg->kind, ANQA_MSG_DOWN);
    CHECK_EQ(msg->from.bits, from.bits);
    CHECK_EQ(anqa_reason_get_kind(msg->u.reason), kind);
    CHECK_EQ(anqa_msg_never_started(msg), never_started);
    anqa_msg_free(msg);
}

/* Nothing else came for it, and the runtime can end with nothing left over. */
static void finish(anqa_rt *rt)
{
    CHECK(anqa_receive(0) == NULL);
    anqa_detach();
    anqa_stop(rt);
}

TEST(a_reply_carries_the_reference_of_its_request)
{
    anqa_rt *rt = rt_open(2);
    anqa_pid server = server_open();
    anqa_ref refs[10];

    for (size_t i = 0; i < ANQA_COUNT(refs); i++)
        refs[i] = ask(server, "echo");
    for (size_t i = ANQA_COUNT(refs); i-- > 0;)
        expect_reply(refs[i], "body");
    finish(rt);
}

TEST(the_second_answer_to_a_request_is_dropped)
{
    anqa_rt *rt = rt_open(2);
    anqa_pid server = server_open();

    expect_reply(ask(server, "twice"), "first");
    expect_reply(ask(server, "echo"), "body"); /* the second has had its time */
    finish(rt);
}

TEST(a_server_may_answer_later)
{
    anqa_rt *rt = rt_open(2);
    anqa_pid server = server_open();
    anqa_ref ref = ask(server, "later");

    expect_reply(ask(server, "echo"), "body");
    CHECK(anqa_receive_ref(ref, 0) == NULL);
    CHECK_STATUS(anqa_send(server, "now", anqa_nothing()), ANQA_OK);
    expect_reply(ref, "late");
    finish(rt);
}

TEST(any_process_may_answer_with_the_callers_handle)
{
    anqa_rt *rt = rt_open(2);
    anqa_pid server = server_open();

    for (unsigned i = 0; i < 100; i++)
        expect_reply(ask(server, i % 2 ? "helper" : "helper and wait"), "from elsewhere");
    /* The server owes nothing any more: its end is no second answer. */
    anqa_exit_signal(server, ANQA_SHUTDOWN);
    (void)rt_wait_for_end(server);
    finish(rt);
}

/* The answer goes out while the server still handles the request, or before that: it need not remember it. */
TEST(a_server_remembers_no_request_that_another_process_has_answered)
{
    anqa_rt *rt = rt_open_deterministic(harness_random());
    anqa_pid server = server_open();
    const struct proc *p = proc_slot(rt, server);

    for (unsigned i = 0; i < 50; i++)
        expect_reply(ask(server, i % 2 ? "helper" : "helper and wait"), "from elsewhere");
    anqa_sleep(10);
    CHECK(p->rels == NULL || p->rels->count == 0, "%u", p->rels->count);
    finish(rt);
}

TEST(a_reply_after_the_request_was_cancelled_vanishes)
{
    anqa_rt *rt = rt_open(2);
    anqa_pid server = server_open();
    anqa_ref ref = ask(server, "later");

    expect_reply(ask(server, "echo"), "body");
    anqa_request_cancel(ref);
    CHECK_STATUS(anqa_send(server, "now", anqa_nothing()), ANQA_OK);
    expect_reply(ask(server, "echo"), "body");
    finish(rt);
}

TEST(cancelling_takes_out_a_reply_or_down_that_came_already)
{
    anqa_rt *rt = rt_open(1);
    anqa_pid server = server_open();
    anqa_ref answered = ask(server, "echo"), failed = ask(rt_dead(), "echo");

    expect_reply(ask(server, "echo"), "body"); /* so the first one has come */
    anqa_request_cancel(answered);
    anqa_request_cancel(failed);
    anqa_request_cancel(failed);
    finish(rt);
}

TEST(a_request_to_the_dead_was_never_started)
{
    anqa_rt *rt = rt_open(2);
    anqa_pid dead = rt_dead();

    expect_down(ask(dead, "echo"), dead, ANQA_REASON_NOPROC, true);
    expect_down(ask((anqa_pid){0}, "echo"), (anqa_pid){0}, ANQA_REASON_NOPROC, true);
    finish(rt);
}

TEST(a_request_that_died_in_the_mailbox_was_never_started)
{
    static const anqa_reason_kind sent[] = {ANQA_REASON_KILL, ANQA_REASON_SHUTDOWN};
    static const anqa_reason_kind reasons[] = {ANQA_REASON_KILLED, ANQA_REASON_SHUTDOWN};
    anqa_rt *rt = rt_open(2);

    for (size_t i = 0; i < ANQA_COUNT(sent); i++) {
        anqa_pid server = server_open();
        anqa_ref refs[200];
        CHECK_STATUS(anqa_send(server, "block", anqa_nothing()), ANQA_OK);
        for (size_t j = 0; j < ANQA_COUNT(refs); j++)
            refs[j] = ask(server, "echo");
        anqa_exit_signal(server, anqa_reason_of(sent[i]));
        for (size_t j = 0; j < ANQA_COUNT(refs); j++)
            expect_down(refs[j], server, reasons[i], true);
    }
    finish(rt);
}

TEST(the_outcome_of_a_request_that_was_begun_is_unknown)
{
    anqa_rt *rt = rt_open(2);
    anqa_pid server = server_open();

    expect_down(ask(server, "exit"), server, ANQA_REASON_ERROR, false);
    finish(rt);
}

TEST(a_deferred_request_is_answered_by_the_servers_death)
{
    static const char *const ways[] = {"later", "keep"};
    anqa_rt *rt = rt_open(2);

    for (size_t i = 0; i < ANQA_COUNT(ways); i++) {
        anqa_pid server = server_open();
        anqa_ref ref = ask(server, ways[i]);
        expect_reply(ask(server, "echo"), "body");
        anqa_exit_signal(server, ANQA_SHUTDOWN);
        expect_down(ref, server, ANQA_REASON_SHUTDOWN, false);
    }
    finish(rt);
}

TEST(a_kept_request_that_is_freed_unanswered_is_still_owed)
{
    anqa_rt *rt = rt_open(2);
    anqa_pid server = server_open();
    anqa_ref ref = ask(server, "keep");

    CHECK_STATUS(anqa_send(server, "free", anqa_nothing()), ANQA_OK);
    expect_reply(ask(server, "echo"), "body");
    anqa_exit_signal(server, ANQA_KILL);
    expect_down(ref, server, ANQA_REASON_KILLED, false);
    finish(rt);
}

TEST(a_request_refused_or_shed_by_a_bound_was_never_started)
{
    static const anqa_overflow policies[] = {ANQA_OVERFLOW_REFUSE, ANQA_OVERFLOW_SHED_OLDEST};
    anqa_rt *rt = rt_open(2);

    for (size_t i = 0; i < ANQA_COUNT(policies); i++) {
        anqa_pid server =
            rt_puppet(&(anqa_spawn_opts){.mailbox_limit = 2, .overflow = policies[i]});
        anqa_ref refs[4];
        size_t refused = 0;
        for (size_t j = 0; j < ANQA_COUNT(refs); j++)
            refs[j] = ask(server, "nobody looks");
        for (size_t j = 0; j < 2; j++) {
            /* refused: the newest at once; shed: the oldest */
            size_t lost = policies[i] == ANQA_OVERFLOW_REFUSE ? 2 + j : j;
            expect_down(refs[lost], server, ANQA_REASON_SYSTEM_LIMIT, true);
            refused++;
        }
        CHECK_EQ(refused, 2);
        CHECK(anqa_receive(0) == NULL);
        anqa_exit_signal(server, ANQA_SHUTDOWN);
        for (size_t j = 0; j < 2; j++)
            expect_down(refs[policies[i] == ANQA_OVERFLOW_REFUSE ? j : 2 + j], server,
                ANQA_REASON_SHUTDOWN, true);
    }
    finish(rt);
}

/* ---------------------------------------------------------------- what an event holds */

enum { ANSWERS_QUOTA = 100000, ANSWER = 5000, ANSWERS_WITHIN = ANSWERS_QUOTA / (ANSWER + 64) };

struct keen {
    anqa_pid server;
    void (*after)(const anqa_msg *answer);
    unsigned wanted, *answered;
};

/* One event, unless `after` ends it. */
static void ask_again_and_again(void *state)
{
    static const char body[ANSWER];
    const struct keen *keen = state;

    for (; *keen->answered < keen->wanted; ++*keen->answered)
        keen->after(answer_to(anqa_request(keen->server, "echo", anqa_bytes(body, sizeof body))));
}

static void keep_holding(const anqa_msg *answer)
{
}

static void end_event(const anqa_msg *answer)
{
    CHECK(anqa_receive(0) == NULL);
}

static anqa_reason_kind end_of_keen(void (*after)(const anqa_msg *answer), unsigned *ret_answered)
{
    struct keen keen = {server_open(), after, 10 * ANSWERS_WITHIN, ret_answered};
    anqa_ref ref;

    *ret_answered = 0;
    CHECK_STATUS(anqa_spawn(&(anqa_spawn_opts){.run = ask_again_and_again,
                                .arg = &keen,
                                .arg_size = sizeof keen,
                                .heap_quota = ANSWERS_QUOTA,
                                .monitor = true},
                     NULL, &ref),
        ANQA_OK);
    return rt_ended(ref);
}

TEST(answers_that_are_never_given_back_reach_the_quota)
{
    anqa_rt *rt = rt_open(2);
    unsigned answered;

    CHECK_EQ(end_of_keen(keep_holding, &answered), ANQA_REASON_QUOTA);
    CHECK(answered >= ANSWERS_WITHIN && answered <= ANSWERS_WITHIN + 2, "%u", answered);
    finish(rt);
}

TEST(answers_that_are_given_back_do_not_count)
{
    static void (*const ways[])(const anqa_msg *answer) = {anqa_msg_free, end_event};
    anqa_rt *rt = rt_open(2);

    for (size_t i = 0; i < ANQA_COUNT(ways); i++) {
        unsigned answered;
        CHECK_EQ(end_of_keen(ways[i], &answered), ANQA_REASON_NORMAL, "way %zu", i);
        CHECK_EQ(answered, 10 * ANSWERS_WITHIN);
    }
    finish(rt);
}

static void take_long(void *arg)
{
    CHECK_EQ(rt_expect("long")->body.len, ANSWER);
}

/* A message as long as the quota is the sender's doing: it must not end the receiver. */
TEST(one_message_is_received_whatever_the_quota)
{
    anqa_rt *rt = rt_open(2);
    anqa_pid pid = rt_puppet(&(anqa_spawn_opts){.heap_quota = 1000});
    static const char body[ANSWER];

    CHECK_STATUS(anqa_send(pid, "long", anqa_bytes(body, sizeof body)), ANQA_OK);
    CHECK(rt_have(pid, take_long, NULL));
    rt_end(pid, ANQA_REASON_NORMAL);
    finish(rt);
}

/* ---------------------------------------------------------------- a server that is killed */

struct asker {
    anqa_pid server;
    unsigned asked, replies, downs;
};

/* Until some time after its death. */
static void ask_on(void *arg)
{
    struct asker *asker = arg;

    for (; asker->downs < 100; asker->asked++) {
        anqa_ref ref = ask(asker->server, "echo");
        const anqa_msg *msg = answer_to(ref);
        asker->replies += msg->kind == ANQA_MSG_REPLY;
        asker->downs += msg->kind == ANQA_MSG_DOWN;
        anqa_msg_free(msg);
        CHECK(anqa_receive_ref(ref, 0) == NULL);
    }
}

TEST(exactly_one_answer_comes_while_the_server_is_killed)
{
    anqa_rt *rt = rt_open(2);

    for (unsigned round = 0; round < 10; round++) {
        struct asker asker = {.server = server_open()};
        anqa_pid puppet = rt_puppet(&(anqa_spawn_opts){.scheduler = 2});
        rt_tell(puppet, ask_on, &asker);
        if (round % 2)
            rt_pause();
        anqa_exit_signal(asker.server, ANQA_KILL);
        CHECK(rt_have(puppet, rt_do_nothing, NULL));
        CHECK_EQ(asker.replies + asker.downs, asker.asked);
        rt_end(puppet, ANQA_REASON_NORMAL);
    }
    finish(rt);
}

/* ---------------------------------------------------------------- receiving since a mark */

static bool is_counted(const anqa_msg *msg, void *arg)
{
    (*(unsigned *)arg)++;
    return anqa_tag_is(msg->tag, "wanted");
}

TEST(a_search_with_a_mark_looks_at_each_message_once)
{
    anqa_rt *rt = rt_open(2);
    anqa_ref mark = {0};
    unsigned looks = 0;

    for (int i = 0; i < 100; i++)
        CHECK_STATUS(
            anqa_send(anqa_self(), i % 10 == 9 ? "wanted" : "other", anqa_nothing()), ANQA_OK);
    for (int i = 0; i < 10; i++)
        CHECK(proc_receive_since(&mark, is_counted, &looks, 0) != NULL);
    CHECK(proc_receive_since(&mark, is_counted, &looks, 0) == NULL);
    CHECK_EQ(looks, 100);
    CHECK(anqa_receive_if(NULL, NULL, 0) != NULL, "the mark's neighbours may go");
    CHECK_STATUS(anqa_send(anqa_self(), "wanted", anqa_nothing()), ANQA_OK);
    CHECK(proc_receive_since(&mark, is_counted, &looks, 0) != NULL);
    CHECK_EQ(looks, 101);
    while (anqa_receive(0) != NULL)
        ;
    finish(rt);
}
