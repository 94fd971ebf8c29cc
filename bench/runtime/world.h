/**
 * bench/runtime/world.h - what the cases of the runtime bench stand on: a runtime whose first process is the main thread.
 *
 * A case builds its processes in `setup`. A sample then is one message from the main thread that says how many
 * operations are wanted, and one back to it when they are done; while it waits the thread sleeps.
 *
 *     world_kick(pid, ops);        main thread
 *     value = world_await();
 *     world_report(value);         the process, in the end
 *
 * Where a single process does all the work it is a *driver*: a function of the case that is run in a process of its own.
 *
 * A program runs one case, so there is one world and what belongs to a case is static. It is written in `setup` or by one
 * process, and messages order what several threads do with it.
 *
 * What goes wrong ends the program with a word on stderr: processes that end unasked, answers that do not come.
 */
#ifndef BENCH_RUNTIME_WORLD_H
#define BENCH_RUNTIME_WORLD_H

#include <string.h>

#include <anqa/process.h> // IWYU pragma: export
#include <anqa/runtime.h> // IWYU pragma: export

#include "bench.h" // IWYU pragma: export

/* ---------------------------------------------------------------- life; context: main thread */

/** Starts the runtime, with nothing logged. Context: not attached. */
void world_open(struct bench *b);
/** The same with room for many processes. */
void world_open_large(struct bench *b, uint32_t max_processes);
/** A case's `teardown`. */
void world_close(struct bench *b);

/** Runs `build` in a process on the first scheduler, so that what it spawns is spawned there; returns when it has. */
void world_build(void (*build)(void *arg), void *arg);

/** As anqa_spawn, which must succeed. `monitor` is what the main thread should ask for. Context: any process. */
anqa_pid world_spawn(const anqa_spawn_opts *opts);

/* ---------------------------------------------------------------- samples */

/** Starts a sample. Context: main thread. */
void world_kick(anqa_pid to, uint64_t value);
/** The value of the next report. Context: main thread; waits. */
uint64_t world_await(void);
/** Context: any other process. */
void world_report(uint64_t value);
/** What world_kick sent. Context: its receiver. */
uint64_t world_value(const anqa_msg *msg);

/** Opens a world with a driver that runs `work` for each sample. Context: main thread. */
void world_open_driver(struct bench *b, void (*work)(struct bench *b, uint64_t ops));
/** A case's `run`: one sample of the driver's work. */
void world_drive(struct bench *b, uint64_t ops);
/** Ends the event of a `run` process that waits in nothing that would: what it received is given back. */
void world_end_event(void);

/** Processes that have come into being say so; await waits until `count` have since the start. */
void world_arrive(void);
void world_await_arrivals(uint64_t count);

/* ---------------------------------------------------------------- messages of 64 bytes */

struct letter {
    uint64_t n[8];
};

#define LETTER_MASK 0xfffffffu

static inline uint64_t letter_sum(const struct letter *letter)
{
    const uint64_t *n = letter->n;

    return n[0] + n[1] + n[2] + n[3] + n[4] + n[5] + n[6] + n[7];
}

static inline struct letter letter_read(const anqa_msg *msg)
{
    struct letter letter;

    memcpy(&letter, msg->body.ptr, sizeof letter);
    return letter;
}

static inline void letter_send(anqa_pid to, const char *tag, const struct letter *letter)
{
    anqa_send(to, tag, anqa_bytes(letter, sizeof *letter));
}

#endif
