/*
 * The chat_room example under a crowd, while rooms of it are crashed: who is in another room loses nothing and hears nothing
 * twice, a crashed room answers again, memory is flat, and when all have left no file stays open.
 *
 * By default a small crowd for a few seconds. ANQA_SOAK=full in the environment is the real one: 2,000 rooms, 15,000
 * clients, a minute of talk. ANQA_SOAK_ROOMS, _CLIENTS, _SECONDS, _MESSAGES and _KILLS (both a second) change single
 * figures. --verbose prints what came of it.
 */
#include <inttypes.h>
#include <sys/wait.h>

#include "harness.h"
#include "soak/chat_load.h"
#include "soak/look.h"

#ifndef CHAT_ROOM
#define CHAT_ROOM NULL /* a build without examples */
#endif

/* CACHES_KB: what caches of the schedulers and free windows take once, however many rooms there are; after 45 s with 180
 * crashes it was 0.9 MB, after 180 s with 2,161 nothing was left of it. */
enum { LIMIT_MS = 420000, SPARE_FILES = 100, CACHES_KB = 1024 };

/* The same where clients are hostile: what waited for slow readers, and what malloc keeps of it. After 15 s it was 6.4 MB with
 * 30 of them, 8 to 12 MB with 75, and after 60 s with 1,100 faults no more than that. */
enum { HOSTILE_CACHES_KB = 16384, HOSTILE_KB = 64 };

static struct load_options crowd(void)
{
    bool full = look_is_full();

    return (struct load_options){.program = CHAT_ROOM,
        .rooms = look_figure("ANQA_SOAK_ROOMS", full ? 2000 : 200),
        .clients = look_figure("ANQA_SOAK_CLIENTS", full ? 15000 : 1500),
        .seconds = look_figure("ANQA_SOAK_SECONDS", full ? 60 : 15),
        .messages_per_s = look_figure("ANQA_SOAK_MESSAGES", full ? 300 : 150),
        .kills_per_s = look_figure("ANQA_SOAK_KILLS", full ? 10 : 4)};
}

static struct load_result run(const struct load_options *options)
{
    struct load_result r;

    if (options->program == NULL)
        SKIP("this build has no examples");
    if (!look_may_open(options->clients + SPARE_FILES))
        SKIP("needs %u open files: raise the hard limit (ulimit -Hn)",
            options->clients + SPARE_FILES);
    r = load_run(options);
#define X(name, text) CHECK_EQ(r.wrong.name, 0, "%s", text);
    LOAD_WRONG_MAP(X)
#undef X
    CHECK(r.delivered > r.sent, "%" PRIu64 " sent, %" PRIu64 " delivered", r.sent, r.delivered);
    CHECK(r.crashes > options->seconds, "%" PRIu64 " crashes", r.crashes);
    CHECK_EQ(r.first_try, r.crashes, "after each crash the next message is taken");
    CHECK(r.fds_with_all > r.fds_before);
    CHECK_EQ(r.fds_after, r.fds_before);
    CHECK(
        WIFEXITED(r.exit_status) && WEXITSTATUS(r.exit_status) == 0, "%x", (unsigned)r.exit_status);
    return r;
}

static void check_memory(const struct load_result *r, int percent_per_minute, uint64_t caches_kb)
{
    CHECK(r->percent_per_minute < percent_per_minute, "%.2f %%/min", r->percent_per_minute);
    CHECK(r->full_again_kb < r->full_kb + r->full_kb / 100 + caches_kb,
        "%" PRIu64 " kB, then %" PRIu64 " kB", r->full_kb, r->full_again_kb);
}

TEST(nothing_is_lost_or_doubled_in_living_rooms_while_others_are_crashed_and_memory_is_flat,
    .timeout_ms = LIMIT_MS)
{
    struct load_options options = crowd();
    struct load_result r = run(&options);

    check_memory(&r, 1, CACHES_KB);
}

TEST(
    slow_readers_garbage_vanishing_clients_and_faults_in_channels_cost_the_others_nothing_and_memory_returns,
    .timeout_ms = LIMIT_MS)
{
    struct load_options options = crowd();
    struct load_result r;

    options.hostile = options.clients / 20;
    r = run(&options);
    CHECK(r.came > options.hostile, "%" PRIu64 " hostile connections", r.came);
    CHECK(r.dropped > 0);
    CHECK(r.faults > options.hostile / 4 * options.seconds / 4, "%" PRIu64 " faults", r.faults);
    check_memory(&r, 5, HOSTILE_CACHES_KB + HOSTILE_KB * options.hostile);
}
