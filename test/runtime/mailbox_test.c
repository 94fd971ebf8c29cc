/* What mailboxes promise: order, selective receive, time-outs, aliases, bounds, payloads. */
#include <stdlib.h>

#include "rt_fixture.h"

/* ---------------------------------------------------------------- order */

enum { SENDERS = 4, NUMBERS = 3000 };

struct sender {
    anqa_pid to;
    uint64_t id;
};

static void send_numbers(void *state)
{
    const struct sender *sender = state;

    for (uint64_t i = 0; i < NUMBERS; i++) {
        CHECK_STATUS(rt_send_number(sender->to, "number", sender->id << 32 | i), ANQA_OK);
        if (i % 100 == 0)
            anqa_yield();
    }
}

TEST(messages_between_one_pair_arrive_in_order)
{
    anqa_rt *rt = rt_open(2);
    uint64_t next[SENDERS] = {0};

    for (uint64_t i = 0; i < SENDERS; i++) {
        struct sender sender = {anqa_self(), i};
        CHECK_STATUS(anqa_spawn(&(anqa_spawn_opts){.run = send_numbers,
                                    .arg = &sender,
                                    .arg_size = sizeof sender,
                                    .scheduler = (uint16_t)(1 + i % 2)},
                         NULL, NULL),
            ANQA_OK);
    }
    for (size_t i = 0; i < (size_t)SENDERS * NUMBERS; i++) {
        uint64_t number = rt_expect_number("number");
        CHECK_EQ(number & UINT32_MAX, next[number >> 32]++, "sender %" PRIu64, number >> 32);
    }
    rt_close(rt);
}

static void send_then_exit(void *to)
{
    for (uint64_t i = 0; i < 10; i++)
        rt_send_number(*(anqa_pid *)to, "number", i);
    anqa_exit(ANQA_SHUTDOWN);
}

TEST(messages_of_a_process_arrive_before_its_down_and_its_exit_signal)
{
    anqa_rt *rt = rt_open(2);

    for (unsigned round = 0; round < 100; round++) {
        anqa_pid pid = rt_puppet(&(anqa_spawn_opts){.link = true}), self = anqa_self();
        unsigned ends = 0;
        (void)anqa_monitor(pid);
        rt_tell(pid, send_then_exit, &self);
        for (uint64_t i = 0; i < 12; i++) {
            const anqa_msg *msg = anqa_receive(RT_LONG_MS);
            CHECK(msg != NULL);
            if (msg->kind != ANQA_MSG_PLAIN)
                ends++;
            CHECK_EQ(ends > 0, i >= 10, "message %" PRIu64 " of round %u", i, round);
        }
    }
    rt_close(rt);
}

/* ---------------------------------------------------------------- receive */

static bool is_odd(const anqa_msg *msg, void *arg)
{
    uint64_t number;

    if (!anqa_tag_is(msg->tag, "number"))
        return false;
    memcpy(&number, msg->body.ptr, sizeof number);
    return number % 2 == 1;
}

static uint64_t number_of(const anqa_msg *msg)
{
    uint64_t number;

    CHECK(msg != NULL);
    memcpy(&number, msg->body.ptr, sizeof number);
    return number;
}

static void send_to_self(uint64_t count)
{
    for (uint64_t i = 0; i < count; i++)
        CHECK_STATUS(rt_send_number(anqa_self(), "number", i), ANQA_OK);
}

TEST(selective_receive_takes_the_oldest_match_and_leaves_the_rest_in_order)
{
    anqa_rt *rt = rt_open(1);

    send_to_self(10);
    for (uint64_t i = 1; i < 10; i += 2)
        CHECK_EQ(number_of(anqa_receive_if(is_odd, NULL, 0)), i);
    CHECK(anqa_receive_if(is_odd, NULL, 0) == NULL);
    for (uint64_t i = 0; i < 10; i += 2)
        CHECK_EQ(number_of(anqa_receive(0)), i);
    CHECK(anqa_receive(0) == NULL);
    rt_close(rt);
}

static void answer(void *state, const anqa_msg *msg)
{
    anqa_caller caller = anqa_msg_caller(msg);

    anqa_reply_to(&caller, anqa_nothing());
}

static const anqa_behaviour answering = {.name = "answering", .handle = answer};

static anqa_pid spawn_answering(void)
{
    anqa_pid pid;

    CHECK_STATUS(anqa_spawn(&(anqa_spawn_opts){.behaviour = &answering}, &pid, NULL), ANQA_OK);
    return pid;
}

struct calls {
    anqa_pid server;
    uint64_t empty_us, long_us;
};

static uint64_t time_calls(anqa_pid server)
{
    uint64_t begin = rt_clock_us();

    for (unsigned i = 0; i < 500; i++) {
        const anqa_msg *msg =
            anqa_receive_ref(anqa_request(server, "ask", anqa_nothing()), RT_LONG_MS);
        CHECK(msg != NULL && msg->kind == ANQA_MSG_REPLY);
        anqa_msg_free(msg);
    }
    return rt_clock_us() - begin;
}

static void call_with_a_long_mailbox(void *arg)
{
    struct calls *calls = arg;

    calls->empty_us = time_calls(calls->server);
    send_to_self(200000);
    CHECK_EQ(anqa_mailbox_length(), 200000);
    calls->long_us = UINT64_MAX;
    for (unsigned i = 0; i < 5;
        i++) { /* the best of some: others may have the processor now and then */
        uint64_t us = time_calls(calls->server);
        calls->long_us = us < calls->long_us ? us : calls->long_us;
    }
}

TEST(a_call_costs_the_same_with_a_long_mailbox)
{
    anqa_rt *rt = rt_open(1);
    struct calls calls = {spawn_answering(), 0, 0};

    CHECK(rt_have(rt_puppet(NULL), call_with_a_long_mailbox, &calls));
    /* Looking through all that waits would take some hundred times as long. */
    CHECK(calls.long_us < 10 * calls.empty_us + 5000,
        "%" PRIu64 " us, with an empty one %" PRIu64 " us", calls.long_us, calls.empty_us);
    anqa_exit_signal(calls.server, ANQA_SHUTDOWN);
    rt_close(rt);
}

/* The reply comes, and is passed over, while it waits for something else. */
static void wait_for_another_message_first(void *arg)
{
    anqa_ref ref = anqa_request(*(anqa_pid *)arg, "ask", anqa_nothing());

    anqa_send_after(anqa_self(), "other", anqa_nothing(), 20);
    CHECK(rt_expect("other") != NULL);
    CHECK_EQ(anqa_mailbox_length(), 1);
    CHECK(anqa_receive_ref(ref, 0) != NULL);
}

TEST(a_reply_that_came_during_another_selective_receive_is_found)
{
    anqa_rt *rt = rt_open(2);
    anqa_pid server = spawn_answering();

    CHECK(rt_have(rt_puppet(NULL), wait_for_another_message_first, &server));
    anqa_exit_signal(server, ANQA_SHUTDOWN);
    rt_close(rt);
}

static void wait_again_for_the_same_reference(void *arg)
{
    anqa_ref ref = anqa_make_ref();

    send_to_self(5);
    CHECK(anqa_receive_ref(ref, 1) == NULL);
    CHECK_STATUS(anqa_send_ref(anqa_self(), "marked", ref, anqa_nothing()), ANQA_OK);
    for (uint64_t i = 0; i < 5; i++) /* takes out the message that the mark stands on */
        CHECK_EQ(rt_expect_number("number"), i);
    CHECK(anqa_receive_ref(ref, 0) != NULL);
}

TEST(a_marked_place_in_the_mailbox_survives_that_its_message_is_taken_out)
{
    anqa_rt *rt = rt_open(1);

    CHECK(rt_have(rt_puppet(NULL), wait_again_for_the_same_reference, NULL));
    rt_close(rt);
}

TEST(receive_with_zero_polls)
{
    anqa_rt *rt = rt_open_deterministic(1);
    uint64_t before = anqa_now_ms();

    CHECK(anqa_receive(0) == NULL);
    CHECK_STATUS(anqa_send(anqa_self(), "here", anqa_nothing()), ANQA_OK);
    CHECK(anqa_receive(0) != NULL);
    CHECK_EQ(anqa_now_ms(), before);
    rt_close(rt);
}

static void time_out(void *timeout_ms)
{
    uint64_t before = anqa_now_ms();
    uint32_t ms = *(uint32_t *)timeout_ms;

    CHECK(anqa_receive_if(NULL, NULL, ms) == NULL);
    CHECK(anqa_now_ms() - before >= ms, "%" PRIu64, anqa_now_ms() - before);
    CHECK(anqa_now_ms() - before <= (uint64_t)ms + 2, "%" PRIu64, anqa_now_ms() - before);
}

TEST(receive_times_out_after_the_time_given_up_to_2_to_the_32)
{
    static const uint32_t times[] = {1, 2, 63, 64, 65, 4095, 4096, 1000000, UINT32_MAX - 1};
    anqa_rt *rt = rt_open_deterministic(1);
    anqa_pid pid = rt_puppet(NULL);

    for (size_t i = 0; i < ANQA_COUNT(times); i++) {
        rt_tell(pid, time_out, &times[i]);
        anqa_sleep(times[i]);
        anqa_sleep(10);
    }
    CHECK(rt_have(pid, rt_do_nothing, NULL)); /* it has passed all checks */
    rt_close(rt);
}

static void work(uint64_t ms)
{
    uint64_t end = rt_clock_us() + ms * 1000;

    while (rt_clock_us() < end)
        ;
}

/* The wait begins now, not when the scheduler last looked at its clock. */
static void sleep_after_work(void *arg)
{
    uint64_t begin;

    work(30);
    begin = rt_clock_us();
    anqa_sleep(20);
    *(uint64_t *)arg = rt_clock_us() - begin;
}

TEST(a_time_out_counts_from_the_call_even_after_long_work)
{
    anqa_rt *rt = rt_open(1);
    uint64_t slept = 0;

    CHECK(rt_have(rt_puppet(NULL), sleep_after_work, &slept));
    CHECK(slept >= 19000, "a process slept %" PRIu64 " us", slept);
    sleep_after_work(&slept);
    CHECK(slept >= 19000, "an attached thread slept %" PRIu64 " us", slept);
    rt_close(rt);
}

TEST(a_message_that_comes_in_time_ends_the_wait)
{
    anqa_rt *rt = rt_open(2);
    uint64_t begin = rt_clock_us();

    anqa_send_after(anqa_self(), "soon", anqa_nothing(), 5);
    CHECK(anqa_receive(UINT32_MAX - 1) != NULL);
    CHECK(rt_clock_us() - begin < RT_LONG_MS * 1000ull);
    rt_close(rt);
}

/* ---------------------------------------------------------------- aliases */

TEST(a_message_to_an_alias_arrives_until_it_is_taken_back)
{
    anqa_rt *rt = rt_open(1);
    anqa_alias alias = anqa_alias_make(ANQA_ALIAS_EXPLICIT);

    for (unsigned i = 0; i < 3; i++)
        CHECK_STATUS(anqa_send_alias(alias, "hello", anqa_nothing()), ANQA_OK);
    for (unsigned i = 0; i < 3; i++)
        CHECK_EQ(rt_expect("hello")->ref.bits, alias.ref.bits);
    CHECK(anqa_unalias(alias));
    CHECK(!anqa_unalias(alias));
    (void)anqa_send_alias(alias, "too late", anqa_nothing());
    CHECK(anqa_receive(0) == NULL);
    rt_close(rt);
}

TEST(what_was_sent_before_unalias_has_arrived)
{
    anqa_rt *rt = rt_open(1);
    anqa_alias alias = anqa_alias_make(ANQA_ALIAS_EXPLICIT);

    CHECK_STATUS(anqa_send_alias(alias, "in time", anqa_nothing()), ANQA_OK);
    CHECK(anqa_unalias(alias));
    CHECK(rt_expect("in time") != NULL);
    rt_close(rt);
}

TEST(an_alias_for_one_reply_swallows_the_second)
{
    anqa_rt *rt = rt_open(1);
    anqa_alias alias = anqa_alias_make(ANQA_ALIAS_ONE_REPLY);

    (void)anqa_send_alias(alias, "first", anqa_nothing());
    (void)anqa_send_alias(alias, "second", anqa_nothing());
    CHECK_STR(anqa_receive(0)->tag, "first");
    CHECK(anqa_receive(0) == NULL);
    CHECK(!anqa_unalias(alias));
    rt_close(rt);
}

TEST(a_plain_send_with_the_reference_of_a_dead_alias_still_arrives)
{
    anqa_rt *rt = rt_open(1);
    anqa_alias alias = anqa_alias_make(ANQA_ALIAS_EXPLICIT);

    CHECK(anqa_unalias(alias));
    CHECK_STATUS(anqa_send_ref(alias.pid, "direct", alias.ref, anqa_nothing()), ANQA_OK);
    CHECK(rt_expect("direct") != NULL);
    rt_close(rt);
}

static void make_alias(void *arg)
{
    *(anqa_alias *)arg = anqa_alias_make(ANQA_ALIAS_EXPLICIT);
}

TEST(an_alias_dies_with_its_process_and_only_its_owner_takes_it_back)
{
    anqa_rt *rt = rt_open(2);
    anqa_pid pid = rt_puppet(NULL);
    anqa_alias alias;

    CHECK(rt_have(pid, make_alias, &alias));
    CHECK_EQ(alias.pid.bits, pid.bits);
    CHECK(!anqa_unalias(alias));
    rt_end(pid, ANQA_REASON_NORMAL);
    CHECK_STATUS(anqa_send_alias(alias, "nobody", anqa_nothing()), ANQA_E_NOPROC);
    rt_close(rt);
}

/* ---------------------------------------------------------------- bounds */

static anqa_pid bounded(uint32_t limit, anqa_overflow overflow)
{
    return rt_puppet(&(anqa_spawn_opts){.mailbox_limit = limit, .overflow = overflow});
}

TEST(a_full_mailbox_that_refuses_tells_the_sender_until_there_is_room)
{
    anqa_rt *rt = rt_open(1);

    anqa_set_mailbox_limit(3, ANQA_OVERFLOW_REFUSE);
    send_to_self(3);
    CHECK_STATUS(rt_send_number(anqa_self(), "number", 3), ANQA_E_FULL);
    CHECK_EQ(anqa_mailbox_length(), 3);
    CHECK_EQ(rt_expect_number("number"), 0);
    CHECK_STATUS(rt_send_number(anqa_self(), "number", 4), ANQA_OK);
    CHECK_STATUS(rt_send_number(anqa_self(), "number", 5), ANQA_E_FULL);
    anqa_set_mailbox_limit(0, ANQA_OVERFLOW_REFUSE);
    CHECK_STATUS(rt_send_number(anqa_self(), "number", 6), ANQA_OK);
    rt_close(rt);
}

static _Atomic(unsigned) objects_dropped;

static void object_drop(void *object)
{
    atomic_fetch_add(&objects_dropped, 1);
    free(object);
}

static const anqa_type object_type = {.name = "object", .size = 8, .drop = object_drop};

static void *object_new(void)
{
    void *object = calloc(1, 8);

    CHECK(object != NULL);
    return object;
}

TEST(an_object_stays_the_senders_when_the_mailbox_refuses_it)
{
    anqa_rt *rt = rt_open(1);
    void *object = object_new();

    anqa_set_mailbox_limit(1, ANQA_OVERFLOW_REFUSE);
    send_to_self(1);
    CHECK_STATUS(anqa_send(anqa_self(), "object", anqa_moved(&object_type, object)), ANQA_E_FULL);
    CHECK_STATUS(
        anqa_rt_send(rt, anqa_self(), "object", anqa_moved(&object_type, object)), ANQA_E_FULL);
    CHECK_EQ(atomic_load(&objects_dropped), 0);
    free(object);
    rt_close(rt);
}

TEST(a_full_mailbox_that_sheds_keeps_the_newest)
{
    enum { LIMIT = 5, SENT = 9 };
    anqa_rt *rt = rt_open(1);

    anqa_set_mailbox_limit(LIMIT, ANQA_OVERFLOW_SHED_OLDEST);
    send_to_self(SENT);
    CHECK_EQ(anqa_mailbox_length(), LIMIT);
    for (uint64_t i = SENT - LIMIT; i < SENT; i++)
        CHECK_EQ(rt_expect_number("number"), i);
    CHECK(anqa_receive(0) == NULL);
    rt_close(rt);
}

/* The search stands on a message that is shed when the next ones come in. */
TEST(a_selective_receive_goes_on_when_what_it_has_passed_is_shed)
{
    anqa_rt *rt = rt_open(1);

    anqa_set_mailbox_limit(2, ANQA_OVERFLOW_SHED_OLDEST);
    send_to_self(2);
    CHECK_EQ(anqa_mailbox_length(), 2);
    CHECK_STATUS(anqa_send(anqa_self(), "filler", anqa_nothing()), ANQA_OK);
    CHECK_STATUS(anqa_send(anqa_self(), "wanted", anqa_nothing()), ANQA_OK);
    CHECK(rt_receive("wanted", 0) != NULL);
    CHECK(rt_receive("filler", 0) != NULL);
    CHECK(anqa_receive(0) == NULL);
    rt_close(rt);
}

TEST(a_full_mailbox_that_kills_ends_its_owner)
{
    anqa_rt *rt = rt_open(2);
    anqa_pid pid = bounded(100, ANQA_OVERFLOW_KILL);
    anqa_ref ref = anqa_monitor(pid);
    uint64_t i = 0;

    while (rt_send_number(pid, "number", i) == ANQA_OK)
        i++;
    CHECK_EQ(i, 100);
    CHECK_EQ(rt_ended(ref), ANQA_REASON_KILLED);
    rt_close(rt);
}

TEST(a_thread_that_is_not_attached_may_overflow_a_mailbox_that_kills)
{
    anqa_rt *rt;
    anqa_pid pid;
    const anqa_spawn_opts opts = {
        .run = rt_puppet_run, .mailbox_limit = 1, .overflow = ANQA_OVERFLOW_KILL};

    CHECK_STATUS(anqa_start(&(anqa_options){.schedulers = 1}, &rt, NULL), ANQA_OK);
    CHECK_STATUS(anqa_rt_spawn(rt, &opts, &pid), ANQA_OK);
    while (anqa_rt_is_alive(rt, pid))
        (void)anqa_rt_send(rt, pid, "more", anqa_nothing());
    rt_check_empty(rt);
    anqa_stop(rt);
}

TEST(a_bound_is_on_mail_only_and_not_on_what_the_runtime_has_promised)
{
    anqa_rt *rt = rt_open(1);
    anqa_pid server = spawn_answering();
    anqa_ref down, reply;

    anqa_set_mailbox_limit(1, ANQA_OVERFLOW_REFUSE);
    send_to_self(1);
    down = anqa_monitor(rt_dead());
    reply = anqa_request(server, "ask", anqa_nothing());
    CHECK(anqa_receive_ref(reply, RT_LONG_MS) != NULL);
    CHECK_EQ(rt_ended(down), ANQA_REASON_NOPROC);
    anqa_send_after(anqa_self(), "tick", anqa_nothing(), 1);
    CHECK(rt_expect("tick") != NULL);
    CHECK_STATUS(rt_send_number(anqa_self(), "number", 9), ANQA_E_FULL);
    anqa_exit_signal(server, ANQA_SHUTDOWN);
    rt_close(rt);
}

static void count_waiting(void *arg)
{
    *(size_t *)arg = anqa_mailbox_length();
}

static void flood(void *state)
{
    const anqa_pid *to = state;

    for (unsigned i = 0; i < 20000; i++)
        (void)anqa_send(*to, "flood", anqa_nothing());
}

TEST(a_bound_holds_against_many_senders_at_once)
{
    static const anqa_overflow policies[] = {ANQA_OVERFLOW_REFUSE, ANQA_OVERFLOW_SHED_OLDEST};
    anqa_rt *rt = rt_open(2);

    for (size_t policy = 0; policy < ANQA_COUNT(policies); policy++) {
        anqa_pid pid = bounded(50, policies[policy]);
        anqa_ref refs[4];
        size_t waiting = 0;
        for (size_t i = 0; i < ANQA_COUNT(refs); i++)
            CHECK_STATUS(anqa_spawn(&(anqa_spawn_opts){.run = flood,
                                        .arg = &pid,
                                        .arg_size = sizeof pid,
                                        .monitor = true,
                                        .scheduler = (uint16_t)(1 + i % 2)},
                             NULL, &refs[i]),
                ANQA_OK);
        for (size_t i = 0; i < ANQA_COUNT(refs); i++)
            CHECK_EQ(rt_ended(refs[i]), ANQA_REASON_NORMAL);
        if (policies[policy] == ANQA_OVERFLOW_SHED_OLDEST)
            while (
                !rt_have(pid, count_waiting, &waiting)) /* refused while it had no time to shed */
                CHECK(anqa_is_alive(pid));
        else /* our order would be refused */
            anqa_exit_signal(pid, ANQA_SHUTDOWN);
        CHECK(waiting <= 50, "%zu", waiting);
    }
    rt_close(rt);
}

/* ---------------------------------------------------------------- payloads */

TEST(bytes_of_any_length_arrive_as_they_were_with_a_nul_behind)
{
    static const size_t lengths[] = {0, 1, 31, 32, 33, 958, 959, 960, 961, 5000, 3000000};
    anqa_rt *rt = rt_open(1);
    char *bytes = malloc(3000000);

    CHECK(bytes != NULL);
    for (size_t i = 0; i < 3000000; i++)
        bytes[i] = (char)(i * 31 + 1);
    for (size_t i = 0; i < ANQA_COUNT(lengths); i++) {
        const anqa_msg *msg;
        CHECK_STATUS(anqa_send(anqa_self(), "bytes", anqa_bytes(bytes, lengths[i])), ANQA_OK);
        msg = rt_expect("bytes");
        CHECK_EQ(msg->body.len, lengths[i]);
        CHECK_EQ(memcmp(msg->body.ptr, bytes, lengths[i]), 0, "%zu bytes", lengths[i]);
        CHECK_EQ(msg->body.ptr[lengths[i]], 0);
    }
    free(bytes);
    rt_close(rt);
}

TEST(more_than_64_mib_in_one_message_is_refused)
{
    anqa_rt *rt = rt_open(1);

    CHECK_STATUS(
        anqa_send(anqa_self(), "long", anqa_bytes("", ((size_t)64 << 20) + 1)), ANQA_E_LIMIT);
    CHECK(anqa_receive(0) == NULL);
    rt_close(rt);
}

TEST(an_object_is_dropped_by_whoever_has_it_last)
{
    anqa_rt *rt = rt_open(1);
    anqa_pid pid = rt_puppet(NULL), dead = rt_dead();

    CHECK_STATUS(anqa_send(dead, "object", anqa_moved(&object_type, object_new())), ANQA_E_NOPROC);
    CHECK_EQ(atomic_load(&objects_dropped), 1);
    CHECK_STATUS(anqa_send(pid, "object", anqa_moved(&object_type, object_new())), ANQA_OK);
    rt_end(pid, ANQA_REASON_NORMAL);
    (void)anqa_receive_ref(anqa_request(dead, "ask", anqa_moved(&object_type, object_new())), 0);
    CHECK_EQ(atomic_load(&objects_dropped), 3);
    rt_close(rt);
}

TEST(an_object_that_was_taken_belongs_to_the_taker)
{
    static const anqa_type other_type = {.name = "other", .size = 8};
    anqa_rt *rt = rt_open(1);
    void *object = object_new();
    const anqa_msg *msg;

    CHECK_STATUS(anqa_send(anqa_self(), "object", anqa_moved(&object_type, object)), ANQA_OK);
    msg = rt_expect("object");
    CHECK(anqa_msg_take(msg, &other_type) == NULL);
    CHECK(anqa_msg_take(msg, &object_type) == object);
    CHECK(anqa_msg_take(msg, &object_type) == NULL);
    anqa_msg_free(msg);
    CHECK_EQ(atomic_load(&objects_dropped), 0);
    free(object);
    rt_close(rt);
}

TEST(a_shared_buffer_is_not_copied)
{
    anqa_rt *rt = rt_open(1);
    const anqa_msg *msg;
    anqa_buf buf;
    char *bytes;

    CHECK_STATUS(anqa_buf_new(5000, &buf, &bytes), ANQA_OK);
    memset(bytes, 'b', 5000);
    CHECK_STATUS(anqa_send(anqa_self(), "buf", anqa_shared(buf)), ANQA_OK);
    anqa_buf_unref(buf);
    msg = rt_expect("buf");
    CHECK(msg->body.ptr == bytes);
    CHECK_EQ(msg->body.ptr[4999], 'b');
    rt_close(rt);
}

TEST(a_kept_message_outlives_its_event)
{
    anqa_rt *rt = rt_open(1);
    const anqa_msg *kept;

    send_to_self(2);
    kept = anqa_receive(0);
    anqa_msg_keep(kept);
    anqa_msg_keep(kept); /* once is enough */
    CHECK_EQ(number_of(anqa_receive(0)), 1);
    CHECK_EQ(number_of(kept), 0);
    anqa_msg_free(kept);
    rt_close(rt);
}

TEST(kept_messages_end_in_any_order)
{
    static const int order[] = {1, 0, 3};
    anqa_rt *rt = rt_open(1);
    const anqa_msg *kept[4];

    send_to_self(4);
    for (size_t i = 0; i < ANQA_COUNT(kept); i++) {
        kept[i] = anqa_receive(0);
        anqa_msg_keep(kept[i]);
    }
    for (size_t i = 0; i < ANQA_COUNT(order); i++)
        anqa_msg_free(kept[order[i]]);
    CHECK_EQ(number_of(kept[2]), 2); /* which ends with us */
    rt_close(rt);
}

TEST(equal_tags_are_interned_once)
{
    char text[300];
    const char *first = anqa_intern(anqa_str_of("room:1"));

    CHECK(first == anqa_intern(anqa_str_make("room:12", 6)));
    CHECK_STR(first, "room:1");
    memset(text, 'x', sizeof text);
    CHECK(anqa_intern(anqa_str_make(text, 255)) != NULL);
    CHECK(anqa_intern(anqa_str_make(text, 256)) == NULL);
    CHECK(anqa_intern(anqa_str_make("a\0b", 3)) == NULL);
}
