/* Topics and broadcasts: each rule by name. */
#include "harness.h"

#include <anqa/anqa.h>

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/container.h"
#include "pubsub/pubsub.h"

static anqa_rt *begin(void)
{
    anqa_rt *rt;
    anqa_options options = {.schedulers = 2};

    CHECK_STATUS(anqa_start(&options, &rt, NULL), ANQA_OK);
    CHECK_STATUS(anqa_attach(rt, NULL), ANQA_OK);
    return rt;
}

static void end(anqa_rt *rt)
{
    anqa_detach();
    anqa_stop(rt);
}

static anqa_str topic(void)
{
    return anqa_str_of("prices");
}

static void tell(anqa_pid to, const char *tag, anqa_json json)
{
    (void)anqa_send(to, tag, anqa_text(json));
}

/* Subscribes, says so, and passes on what it hears; "quit" ends it, "leave" unsubscribes. */
struct listener {
    anqa_pid boss;
    unsigned times;
};

static void listener_run(void *state)
{
    const struct listener *listener = state;
    anqa_broadcast_view view;

    for (unsigned i = 0; i < listener->times; i++)
        ANQA_REQUIRE(anqa_subscribe(topic()) == ANQA_OK);
    tell(listener->boss, "ready", ANQA_JSON_NULL);
    for (;;) {
        const anqa_msg *msg = anqa_receive(ANQA_INFINITY);
        if (anqa_tag_is(msg->tag, "quit"))
            return;
        if (anqa_tag_is(msg->tag, "leave")) {
            anqa_unsubscribe(topic());
            tell(listener->boss, "left", ANQA_JSON_NULL);
        } else if (anqa_tag_is(msg->tag, "say")) {
            ANQA_REQUIRE(anqa_broadcast_from(anqa_self(), topic(), "said", msg->body) == ANQA_OK);
            tell(listener->boss, "done", ANQA_JSON_NULL);
        } else if (anqa_broadcast_of(msg, &view)) {
            ANQA_REQUIRE(anqa_str_eq(view.topic, topic()));
            tell(listener->boss, "heard",
                anqa_jsonf("{'event': %.*s, 'payload': %p}", ANQA_FMT(view.event), &view.payload));
        }
    }
}

static const char *expect(const char *tag)
{
    const anqa_msg *msg = anqa_receive(HARNESS_LONG_MS);

    if (msg == NULL || !anqa_tag_is(msg->tag, tag)) {
        CHECK(msg != NULL);
        return msg == NULL ? "nothing" : msg->tag;
    }
    return anqa_tmp_printf("%.*s", (int)msg->body.len, msg->body.ptr);
}

static anqa_pid listen_on(uint16_t scheduler, unsigned times)
{
    struct listener listener = {anqa_self(), times};
    anqa_pid pid;

    CHECK_STATUS(anqa_spawn(&(anqa_spawn_opts){.run = listener_run,
                                .arg = &listener,
                                .arg_size = sizeof listener,
                                .scheduler = scheduler},
                     &pid, NULL),
        ANQA_OK);
    CHECK_STR(expect("ready"), "null");
    return pid;
}

static void say(int n)
{
    CHECK_STATUS(anqa_broadcast(topic(), "changed", anqa_jsonf("{'n': %d}", n)), ANQA_OK);
}

static void finish(anqa_pid pid)
{
    anqa_ref ref = anqa_monitor(pid);

    (void)anqa_send(pid, "quit", anqa_nothing());
    CHECK(anqa_receive_ref(ref, HARNESS_LONG_MS) != NULL);
}

TEST(all_who_have_subscribed_hear_it_on_any_scheduler)
{
    anqa_rt *rt = begin();

    (void)listen_on(1, 1);
    (void)listen_on(2, 1);
    say(1);
    CHECK_STR(expect("heard"), "{\"event\":\"changed\",\"payload\":{\"n\":1}}");
    CHECK_STR(expect("heard"), "{\"event\":\"changed\",\"payload\":{\"n\":1}}");
    CHECK(anqa_receive(50) == NULL);
    end(rt);
}

TEST(broadcasts_of_one_process_come_in_order)
{
    anqa_rt *rt = begin();
    char want[80];

    (void)listen_on(2, 1);
    for (int i = 0; i < 1000; i++)
        say(i);
    for (int i = 0; i < 1000; i++) {
        snprintf(want, sizeof want, "{\"event\":\"changed\",\"payload\":{\"n\":%d}}", i);
        CHECK_STR(expect("heard"), want);
    }
    end(rt);
}

TEST(who_subscribes_twice_hears_twice_and_unsubscribing_ends_both)
{
    anqa_rt *rt = begin();
    anqa_pid pid = listen_on(1, 2);

    say(1);
    (void)expect("heard");
    (void)expect("heard");
    (void)anqa_send(pid, "leave", anqa_nothing());
    (void)expect("left");
    say(2);
    CHECK(anqa_receive(50) == NULL);
    end(rt);
}

TEST(broadcast_from_leaves_out_the_one_it_is_from)
{
    anqa_rt *rt = begin();
    anqa_pid one = listen_on(1, 1);

    (void)listen_on(1, 1);
    tell(one, "say", ANQA_JSON_TRUE);
    for (int i = 0; i < 2; i++) { /* one "done", one "heard", in some order */
        const anqa_msg *msg = anqa_receive(HARNESS_LONG_MS);
        CHECK(msg != NULL && (anqa_tag_is(msg->tag, "done") || anqa_tag_is(msg->tag, "heard")));
    }
    CHECK(anqa_receive(50) == NULL);
    end(rt);
}

TEST(a_subscription_ends_with_its_process_and_the_topic_with_its_last_one)
{
    anqa_rt *rt = begin();

    for (int i = 0; i < 100; i++) {
        anqa_pid pid = listen_on((uint16_t)(1 + i % 2), 1);
        say(i);
        (void)expect("heard");
        finish(pid);
        say(i);
        CHECK(anqa_receive(0) == NULL);
    }
    end(rt);
}

TEST(bad_topics_and_events_are_refused)
{
    anqa_rt *rt = begin();
    char text[ANQA_TOPIC_MAX + 2];

    memset(text, 'x', sizeof text);
    CHECK_STATUS(anqa_broadcast(anqa_str_of(""), "e", ANQA_JSON_NULL), ANQA_E_INVALID);
    CHECK_STATUS(anqa_broadcast(topic(), "", ANQA_JSON_NULL), ANQA_E_INVALID);
    CHECK_STATUS(anqa_broadcast(anqa_str_make(text, ANQA_TOPIC_MAX + 1), "e", ANQA_JSON_NULL),
        ANQA_E_INVALID);
    CHECK_STATUS(anqa_broadcast(anqa_str_make(text, ANQA_TOPIC_MAX), "e", ANQA_JSON_NULL), ANQA_OK);
    text[ANQA_TOPIC_MAX + 1] = '\0';
    CHECK_STATUS(anqa_broadcast(topic(), text, ANQA_JSON_NULL), ANQA_E_INVALID);
    CHECK_STATUS(anqa_subscribe(topic()), ANQA_E_UNSUPPORTED); /* an attached thread */
    end(rt);
}

TEST(a_message_that_only_looks_like_a_broadcast_is_none)
{
    anqa_rt *rt = begin();
    anqa_broadcast_view view;
    anqa_buf buf;
    const anqa_msg *msg;

    for (size_t len = 0; len < 64; len++) {
        char *bytes;
        CHECK_STATUS(anqa_buf_new(len, &buf, &bytes), ANQA_OK);
        memset(bytes, 0xff, len);
        CHECK_STATUS(anqa_send(anqa_self(), ANQA_BROADCAST, anqa_shared(buf)), ANQA_OK);
        anqa_buf_unref(buf);
        msg = anqa_receive(HARNESS_LONG_MS);
        CHECK(msg != NULL && !anqa_broadcast_of(msg, &view));
    }
    end(rt);
}

/* ---------------------------------------------------------------- the fastlane */

#define LANES 1000

struct lane {
    struct sub sub;
    unsigned got, calls;
    bool wrong;
};

static void lane_deliver(struct sub *sub, struct frame *const *frames, size_t count)
{
    struct lane *lane = ANQA_CONTAINER_OF(sub, struct lane, sub);

    lane->calls++;
    for (size_t i = 0; i < count; i++) {
        int64_t n = anqa_json_int(frame_view(frames[i]).payload, "n", -1);
        lane->wrong |= n != lane->got++;
    }
}

static const struct sub_ops lane_ops = {lane_deliver};

static struct lane lanes[LANES];

static void lanes_say(int n)
{
    ANQA_REQUIRE(anqa_broadcast(topic(), "e", anqa_jsonf("{'n': %d}", n)) == ANQA_OK);
}

static void lanes_open(void)
{
    for (unsigned i = 0; i < LANES; i++) {
        lanes[i] = (struct lane){.sub.ops = &lane_ops};
        ANQA_REQUIRE(sub_open(&lanes[i].sub, topic()) == ANQA_OK);
    }
}

/* Those that stayed. */
static bool lanes_have_all(void)
{
    for (unsigned i = 0; i < LANES; i++)
        if (i % 3 != 0 && lanes[i].got < 11)
            return false;
    return true;
}

/* Those that stayed have all eleven, in order, and in few deliveries. */
static void lanes_check(void)
{
    unsigned calls = 0;

    for (unsigned i = 0; i < LANES; i++) {
        CHECK(!lanes[i].wrong && (i % 3 == 0 || lanes[i].got == 11), "%u", i);
        calls += lanes[i].calls;
        sub_close(&lanes[i].sub);
    }
    CHECK(calls <= 2 * LANES + 1);
}

/* Broadcasts ten at once, catches one subscriber up in the midst of it, closes others in the midst. */
static void lanes_run(void *arg)
{
    lanes_open();
    for (int i = 0; i < 10; i++)
        lanes_say(i);
    sub_catch_up(&lanes[LANES / 2].sub);
    CHECK_EQ(lanes[LANES / 2].got, 10);
    CHECK_EQ(lanes[0].got + lanes[LANES - 1].got, 0);
    while (lanes[LANES - 1].got == 0)
        anqa_yield(); /* a slice of the walk */
    CHECK_EQ(lanes[1].got, 0);
    for (unsigned i = 0; i < LANES; i += 3)
        sub_close(&lanes[i].sub);
    lanes_say(10);
    for (int i = 0; i < 20000 && !lanes_have_all(); i++)
        anqa_sleep(1);
    lanes_check();
    tell(*(anqa_pid *)arg, "done", ANQA_JSON_NULL);
}

TEST(frames_of_one_moment_are_delivered_together_and_in_order_whoever_comes_and_goes)
{
    anqa_rt *rt = begin();
    anqa_pid self = anqa_self();

    CHECK_STATUS(anqa_spawn(
                     &(anqa_spawn_opts){
                         .run = lanes_run, .arg = &self, .arg_size = sizeof self, .heap_quota = 0},
                     NULL, NULL),
        ANQA_OK);
    CHECK_STR(expect("done"), "null");
    end(rt);
}

/* An empty object of a megabyte. */
static anqa_json big(void)
{
    static char bytes[1 << 20];

    memset(bytes, ' ', sizeof bytes);
    bytes[0] = '{';
    bytes[1] = '}';
    return (anqa_json){bytes, sizeof bytes};
}

static void flood_run(void *arg)
{
    struct lane lane = {.sub.ops = &lane_ops};
    anqa_status status = ANQA_OK;
    unsigned n = 0;

    ANQA_REQUIRE(sub_open(&lane.sub, topic()) == ANQA_OK);
    for (; status == ANQA_OK && n < 1000; n++)
        status = anqa_broadcast(topic(), "e", big());
    CHECK_STATUS(status, ANQA_E_FULL);
    CHECK_EQ(n, ANQA_BROADCAST_PENDING_MAX / (1 << 20));
    for (n = 0; status != ANQA_OK && n < 20000;
        n++) { /* it is handed out, and there is room again */
        anqa_sleep(1);
        status = anqa_broadcast(topic(), "e", big());
    }
    CHECK_STATUS(status, ANQA_OK);
    sub_close(&lane.sub);
    tell(*(anqa_pid *)arg, "done", ANQA_JSON_NULL);
}

TEST(what_waits_to_be_handed_out_is_bounded)
{
    anqa_rt *rt = begin();
    anqa_pid self = anqa_self();

    CHECK_STATUS(
        anqa_spawn(&(anqa_spawn_opts){.run = flood_run, .arg = &self, .arg_size = sizeof self},
            NULL, NULL),
        ANQA_OK);
    CHECK_STR(expect("done"), "null");
    end(rt);
}

static _Atomic(bool) blocked;

/* A subscriber that keeps its scheduler from handing anything out. */
static void block_run(void *arg)
{
    ANQA_REQUIRE(anqa_subscribe(topic()) == ANQA_OK);
    tell(*(anqa_pid *)arg, "blocks", ANQA_JSON_NULL);
    while (atomic_load(&blocked))
        ;
}

/* What it broadcasts is handed out at once where it is itself. */
static void fill_run(void *arg)
{
    struct lane lane = {.sub.ops = &lane_ops};
    anqa_status status = ANQA_OK;
    unsigned n = 0;

    ANQA_REQUIRE(sub_open(&lane.sub, topic()) == ANQA_OK);
    for (; status == ANQA_OK && n < 100; n++) {
        status = anqa_broadcast(topic(), "e", big());
        anqa_sleep(1);
    }
    CHECK_STATUS(status, ANQA_E_FULL);
    CHECK_EQ(lane.got, n);
    sub_close(&lane.sub);
    tell(*(anqa_pid *)arg, "done", ANQA_JSON_NULL);
}

/* Runs `run` on the second scheduler, until it says "done", while the first hangs. */
static void beside_a_hang(void (*run)(void *arg))
{
    anqa_rt *rt = begin();
    anqa_pid self = anqa_self();
    anqa_spawn_opts opts = {
        .run = block_run, .arg = &self, .arg_size = sizeof self, .scheduler = 1};

    atomic_store(&blocked, true);
    CHECK_STATUS(anqa_spawn(&opts, NULL, NULL), ANQA_OK);
    CHECK_STR(expect("blocks"), "null");
    opts.run = run;
    opts.scheduler = 2;
    CHECK_STATUS(anqa_spawn(&opts, NULL, NULL), ANQA_OK);
    CHECK_STR(expect("done"), "null");
    atomic_store(&blocked, false);
    end(rt);
}

TEST(a_broadcast_that_one_scheduler_has_no_room_for_says_so_and_reaches_the_others)
{
    beside_a_hang(fill_run);
}

static void insist_run(void *arg)
{
    struct lane lane = {.sub.ops = &lane_ops};
    uint64_t rest = PUBSUB_ALL;
    unsigned n = 1; /* broadcasts that fill the other one, the last of which it does not take */

    ANQA_REQUIRE(sub_open(&lane.sub, topic()) == ANQA_OK);
    for (; anqa_broadcast(topic(), "e", big()) == ANQA_OK && n < 100; n++)
        anqa_sleep(1);
    for (int i = 0; i < 10; i++) {
        CHECK_STATUS(pubsub_local_rest(topic(), "e", big(), &rest), ANQA_E_FULL);
        CHECK_EQ(rest, 1); /* the first scheduler */
        anqa_sleep(1);
    }
    CHECK_EQ(lane.got, n + 1);
    atomic_store(&blocked, false);
    for (int i = 0; i < 20000 && rest != 0; i++) {
        anqa_sleep(1);
        if (pubsub_local_rest(topic(), "e", big(), &rest) == ANQA_OK)
            CHECK_EQ(rest, 0);
    }
    CHECK_EQ(rest, 0);
    CHECK_EQ(lane.got, n + 1);
    sub_close(&lane.sub);
    tell(*(anqa_pid *)arg, "done", ANQA_JSON_NULL);
}

TEST(who_tries_again_reaches_those_only_who_have_not_got_it)
{
    beside_a_hang(insist_run);
}

static void unlucky_run(void *arg)
{
    anqa_status status;

    EACH_ALLOC_FAILURE {
        status = anqa_subscribe(topic());
        CHECK(status == ANQA_OK || status == ANQA_E_NOMEM);
        for (int i = 0; i < 5; i++) { /* the list of frames grows */
            status = anqa_broadcast(topic(), "e", ANQA_JSON_NULL);
            CHECK(status == ANQA_OK || status == ANQA_E_NOMEM);
        }
        anqa_unsubscribe(topic());
    }
    ANQA_REQUIRE(anqa_subscribe(topic()) == ANQA_OK);
    ANQA_REQUIRE(anqa_broadcast(topic(), "e", ANQA_JSON_NULL) == ANQA_OK);
    CHECK(anqa_receive(HARNESS_LONG_MS) != NULL);
    tell(*(anqa_pid *)arg, "done", ANQA_JSON_NULL);
}

TEST(without_memory_a_subscription_or_a_broadcast_fails_and_nothing_else)
{
    anqa_rt *rt = begin();
    anqa_pid self = anqa_self();

    CHECK_STATUS(
        anqa_spawn(&(anqa_spawn_opts){.run = unlucky_run, .arg = &self, .arg_size = sizeof self},
            NULL, NULL),
        ANQA_OK);
    CHECK_STR(expect("done"), "null");
    end(rt);
}
