#include "town.h"

#include <anqa/log.h>
#include <anqa/memory.h>
#include <anqa/runtime.h>

#include <dirent.h>
#include <stdatomic.h>
#include <stdio.h>
#include <time.h>

#include "harness.h"

enum { CITIZENS_EACH = 100, MAX_CITIZENS = 10000, OUTSTANDING = 16, HOPS = 400 };

static struct {
    const struct ending *ending;
    anqa_pid mayor; /* the test itself */
    uint32_t keepers, citizens;
    _Atomic(bool) quiet; /* nobody hops any more */
    _Atomic(uint64_t) gaps, hops, born;
    _Atomic(uint64_t) address[MAX_CITIZENS];
    /* Written by the citizen of that number only. */
    _Atomic(uint64_t) sent[MAX_CITIZENS], heard[MAX_CITIZENS], heard_from[MAX_CITIZENS];
} town;

struct fall {
    uint32_t citizen;
    uint32_t reason;
    bool text_is_right;
};

static const anqa_payload nothing = {.kind = ANQA_PAYLOAD_NONE};

static void send(anqa_pid to, const char *tag, anqa_payload payload)
{
    anqa_status status = anqa_send(to, tag, payload);

    CHECK(status == ANQA_OK || status == ANQA_E_NOPROC, "%s: %s", tag, anqa_status_name(status));
}

/* ---------------------------------------------------------------- citizens */

struct citizen {
    uint32_t number;
    void *things;
};

static void hop(uint32_t number)
{
    uint32_t next = (number + 1) % town.citizens;
    uint64_t count = atomic_load_explicit(&town.sent[number], memory_order_relaxed) + 1;
    anqa_pid to = {
        atomic_load_explicit(&town.address[next], memory_order_acquire)}; /* pairs with settle */

    if (atomic_load_explicit(&town.quiet, memory_order_relaxed))
        return;
    atomic_store_explicit(&town.sent[number], count, memory_order_relaxed);
    send(to, "hop", anqa_bytes(&count, sizeof count));
}

/* A new listener may begin anywhere; a new sender begins with 1; all else is a message that was lost or came twice. */
static void hear(uint32_t number, const anqa_msg *msg)
{
    uint64_t from = atomic_load_explicit(&town.heard_from[number], memory_order_relaxed);
    uint64_t last = atomic_load_explicit(&town.heard[number], memory_order_relaxed);
    uint64_t count;

    CHECK_EQ(msg->body.len, sizeof count);
    memcpy(&count, msg->body.ptr, sizeof count);
    if (from != 0 && count != (from == msg->from.bits ? last + 1 : 1))
        atomic_fetch_add_explicit(&town.gaps, 1, memory_order_relaxed);
    atomic_store_explicit(&town.heard_from[number], msg->from.bits, memory_order_relaxed);
    atomic_store_explicit(&town.heard[number], count, memory_order_relaxed);
    atomic_fetch_add_explicit(&town.hops, 1, memory_order_relaxed);
}

static void citizen_init(void *state)
{
    struct citizen *citizen = state;

    atomic_store_explicit(&town.sent[citizen->number], 0, memory_order_relaxed);
    atomic_store_explicit(&town.heard[citizen->number], 0, memory_order_relaxed);
    atomic_store_explicit(&town.heard_from[citizen->number], 0, memory_order_relaxed);
    citizen->things = anqa_heap_alloc(100);
    atomic_fetch_add_explicit(&town.born, 1, memory_order_relaxed);
}

static void citizen_end(void)
{
    if (town.ending->killed)
        send(town.mayor, "waits", nothing);
    town.ending->run();
    CHECK(false && "the citizen lives on");
}

static void citizen_handle(void *state, const anqa_msg *msg)
{
    const struct citizen *citizen = state;

    if (anqa_tag_is(msg->tag, "hop"))
        hear(citizen->number, msg);
    else if (anqa_tag_is(msg->tag, "end"))
        citizen_end();
    hop(citizen->number);
}

static void citizen_terminate(void *state, anqa_reason reason)
{
    if (town.ending->terminate != NULL)
        town.ending->terminate();
}

static const anqa_behaviour citizen_behaviour = {
    .name = "citizen",
    .init = citizen_init,
    .handle = citizen_handle,
    .terminate = citizen_terminate,
};

/* ---------------------------------------------------------------- keepers */

struct keeper {
    uint32_t first; /* citizen */
};

static void settle(uint32_t number)
{
    struct citizen citizen = {.number = number};
    anqa_spawn_opts opts = {
        .behaviour = &citizen_behaviour,
        .arg = &citizen,
        .arg_size = sizeof citizen,
        .link = true,
        .label = "citizen",
        .heap_quota = town.ending->heap_quota,
    };
    anqa_pid pid;

    CHECK_STATUS(anqa_spawn(&opts, &pid, NULL), ANQA_OK);
    atomic_store_explicit(
        &town.address[number], pid.bits, memory_order_release); /* pairs with hop */
}

static uint32_t number_of(const struct keeper *keeper, anqa_pid pid)
{
    for (uint32_t i = keeper->first; i < keeper->first + CITIZENS_EACH; i++) {
        if (atomic_load_explicit(&town.address[i], memory_order_relaxed) == pid.bits)
            return i;
    }
    CHECK(false && "a citizen that is known");
    return 0;
}

static bool text_is_right(anqa_reason reason)
{
    anqa_str text = anqa_reason_get_text(reason);
    const char *wanted = town.ending->text;

    if (wanted == NULL || memmem(text.ptr, text.len, wanted, strlen(wanted)) != NULL)
        return true;
    fprintf(stderr, "the reason is: %.*s\n", ANQA_FMT(text));
    return false;
}

static void replace(const struct keeper *keeper, const anqa_msg *msg)
{
    struct fall fall = {number_of(keeper, msg->from), anqa_reason_get_kind(msg->u.reason),
        text_is_right(msg->u.reason)};

    settle(fall.citizen);
    send((anqa_pid){atomic_load_explicit(&town.address[fall.citizen], memory_order_relaxed)},
        "start", nothing);
    send(town.mayor, "fallen", anqa_bytes(&fall, sizeof fall));
}

static void close_down(const struct keeper *keeper)
{
    for (uint32_t i = keeper->first; i < keeper->first + CITIZENS_EACH; i++)
        anqa_exit_signal((anqa_pid){atomic_load_explicit(&town.address[i], memory_order_relaxed)},
            ANQA_SHUTDOWN);
    for (uint32_t i = 0; i < CITIZENS_EACH; i++) {
        const anqa_msg *msg = anqa_receive(ANQA_INFINITY);
        CHECK_EQ(msg->kind, ANQA_MSG_EXIT);
        CHECK_EQ(anqa_reason_get_kind(msg->u.reason), ANQA_REASON_SHUTDOWN);
    }
}

static void keeper_run(void *state)
{
    const struct keeper *keeper = state;
    const anqa_msg *msg;

    for (uint32_t i = keeper->first; i < keeper->first + CITIZENS_EACH; i++)
        settle(i);
    send(town.mayor, "ready", nothing);
    while ((msg = anqa_receive(ANQA_INFINITY))->kind == ANQA_MSG_EXIT)
        replace(keeper, msg);
    close_down(keeper);
}

/* ---------------------------------------------------------------- the test */

static unsigned open_files(void)
{
    DIR *dir = opendir("/proc/self/fd");
    unsigned count = 0;

    CHECK(dir != NULL);
    while (readdir(dir) != NULL)
        count++;
    closedir(dir);
    return count;
}

static const anqa_msg *next_message(const char *waiting_for)
{
    const anqa_msg *msg = anqa_receive(20000 * harness_slowness());

    CHECK(msg != NULL, "no message, waiting for: %s", waiting_for);
    return msg;
}

static void found(anqa_pid *keepers)
{
    for (uint32_t i = 0; i < town.keepers; i++) {
        struct keeper keeper = {.first = i * CITIZENS_EACH};
        anqa_spawn_opts opts = {
            .run = keeper_run,
            .arg = &keeper,
            .arg_size = sizeof keeper,
            .monitor = true,
            .trap_exit = true,
            .scheduler = (uint16_t)(1 + i % 2),
        };
        CHECK_STATUS(anqa_spawn(&opts, &keepers[i], NULL), ANQA_OK);
    }
    for (uint32_t i = 0; i < town.keepers; i++)
        CHECK_STR(next_message("a keeper to be ready")->tag, "ready");
    while (atomic_load_explicit(&town.born, memory_order_relaxed) < town.citizens)
        CHECK(anqa_receive(1) == NULL);
}

static void close_town(const anqa_pid *keepers)
{
    for (uint32_t i = 0; i < town.keepers; i++)
        send(keepers[i], "close", nothing);
    for (uint32_t i = 0; i < town.keepers; i++) {
        const anqa_msg *msg = next_message("a keeper to end");
        CHECK_EQ(msg->kind, ANQA_MSG_DOWN);
        CHECK_EQ(anqa_reason_get_kind(msg->u.reason), ANQA_REASON_NORMAL);
    }
}

/* One of those whose number leaves `slot` as the rest, so that nobody is ended twice at a time. */
static void end_somebody(uint32_t slot)
{
    uint32_t number =
        (uint32_t)(harness_random() % (town.citizens / OUTSTANDING)) * OUTSTANDING + slot;

    send((anqa_pid){atomic_load_explicit(&town.address[number], memory_order_acquire)}, "end",
        nothing);
}

static void check_fall(const anqa_msg *msg, uint32_t *ret_citizen)
{
    struct fall fall;

    CHECK_EQ(msg->body.len, sizeof fall);
    memcpy(&fall, msg->body.ptr, sizeof fall);
    CHECK_EQ(fall.reason, town.ending->reason);
    CHECK(fall.text_is_right);
    *ret_citizen = fall.citizen;
}

static void end_many(uint64_t rounds)
{
    uint64_t begun = 0, ended = 0;

    while (begun < OUTSTANDING)
        end_somebody((uint32_t)begun++);
    while (ended < rounds) {
        const anqa_msg *msg = next_message("somebody to fall");
        uint32_t citizen;
        if (anqa_tag_is(msg->tag, "waits")) {
            anqa_exit_signal(msg->from, ANQA_KILL);
            continue;
        }
        CHECK_STR(msg->tag, "fallen");
        check_fall(msg, &citizen);
        ended++;
        if (begun < rounds) {
            end_somebody(citizen % OUTSTANDING);
            begun++;
        }
    }
}

static bool is_at_rest(const anqa_rt_stats *now, const anqa_rt_stats *before)
{
    return now->processes == before->processes && now->messages == before->messages &&
           now->stacks == before->stacks && now->heap_bytes == before->heap_bytes &&
           now->zombies == 0;
}

/* Nothing announces that the last hop has been heard, so this one looks again and again, for a limited time. That it
 * receives in between ends its own event too, which holds a message. */
static void check_rest(anqa_rt *rt, const anqa_rt_stats *before)
{
    anqa_rt_stats now;

    for (unsigned i = 0; i < 2500 * harness_slowness(); i++) {
        CHECK(anqa_receive(2) == NULL);
        anqa_rt_get_stats(rt, &now);
        if (is_at_rest(&now, before))
            return;
    }
    CHECK_EQ(now.processes, before->processes);
    CHECK_EQ(now.messages, before->messages);
    CHECK_EQ(now.stacks, before->stacks);
    CHECK_EQ(now.heap_bytes, before->heap_bytes);
    CHECK_EQ(now.zombies, 0);
}

/* What was sent last between two that live must have been heard too. */
static void check_last_hops(void)
{
    for (uint32_t i = 0; i < town.citizens; i++) {
        uint32_t next = (i + 1) % town.citizens;
        if (atomic_load_explicit(&town.heard_from[next], memory_order_relaxed) ==
            atomic_load_explicit(&town.address[i], memory_order_relaxed))
            CHECK_EQ(atomic_load_explicit(&town.heard[next], memory_order_relaxed),
                atomic_load_explicit(&town.sent[i], memory_order_relaxed), "from %u", i);
    }
}

uint64_t town_suffers(const struct ending *ending)
{
    uint64_t rounds = harness_slowness() > 1 ? 50 : 1000;
    anqa_pid keepers[MAX_CITIZENS / CITIZENS_EACH];
    anqa_options options = {.schedulers = 2};
    anqa_rt_stats before, after;
    unsigned files;
    anqa_error err;
    anqa_rt *rt;

    anqa_log_set_level(ANQA_CRITICAL); /* a thousand crashes would hide what a check prints */
    town.ending = ending;
    town.keepers = harness_slowness() > 1 ? 16 : ANQA_COUNT(keepers);
    town.citizens = town.keepers * CITIZENS_EACH;
    CHECK_STATUS(anqa_start(&options, &rt, &err), ANQA_OK, "%s", err.text);
    CHECK_STATUS(anqa_attach(rt, &err), ANQA_OK, "%s", err.text);
    town.mayor = anqa_self();
    found(keepers);
    anqa_rt_get_stats(rt, &before);
    before.messages = 0; /* of the keepers' being ready, one is still held */
    before.stacks = town.keepers;
    check_rest(rt, &before);
    files = open_files();

    for (uint32_t i = 0; i < HOPS; i++)
        send((anqa_pid){atomic_load_explicit(
                 &town.address[i * 4 % town.citizens], memory_order_relaxed)},
            "start", nothing);
    end_many(rounds);
    atomic_store_explicit(&town.quiet, true, memory_order_relaxed);
    check_rest(rt, &before);
    check_last_hops();
    anqa_rt_get_stats(rt, &after);
    CHECK_EQ(after.contained, ending->contained ? rounds : 0);
    CHECK_EQ(atomic_load_explicit(&town.gaps, memory_order_relaxed), 0);
    CHECK(atomic_load_explicit(&town.hops, memory_order_relaxed) > rounds);
    CHECK_EQ(open_files(), files);

    close_town(keepers);
    anqa_detach();
    anqa_stop(rt);
    return rounds;
}
