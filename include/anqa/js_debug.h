/**
 * anqa/js_debug.h - looking into JavaScript processes while they run: who there is, variables, stacks, profiles.
 *
 *     anqa_json stack;
 *
 *     if (anqa_js_stack(room, 1000, &stack, &err) == ANQA_OK)
 *         printf("%.*s\n", ANQA_FMT(stack));      [{"function":"spin","file":"rooms/room.ts","line":7,"column":3}]
 *
 * The `anqa` command has all of it: `anqa js ps`, `anqa js stack PID`, `anqa js profile`.
 *
 * *From outside*: anqa_js_processes and anqa_js_profile ask nobody.
 *
 * *Asking*: the others send the process a question. It answers between two turns; in the midst of one that computes, at
 * the next *safe point*: a call or the end of a round of a loop, less than a millisecond away, but for built-in functions
 * that go on for long. One that waits in Beam.callSync answers when that returns.
 *
 * *Pausing*: a paused process takes no turn, or stops in the midst of the one it has, until it is resumed. Messages wait in
 * its mailbox, the time of the turn does not count; it answers questions, ends when it is told to, and can be killed.
 *
 * What variables are seen: those that stand at the begin of a line of the script's own text, or of its bundle (esbuild puts
 * all top-level variables of modules there; packages in CommonJS keep theirs to themselves), and what the script has made
 * global. Getters are not called; a Proxy may run code of the script, for a tenth of a second.
 *
 * Positions are those of the sources, by the script's source map.
 *
 * What they have in common. timeout_ms: 0 stands for 5,000.   err: says who and why; may be NULL.
 * Fails: E_NOPROC, E_DIED (it ended meanwhile), E_TIMEOUT (it came to no safe point), E_UNSUPPORTED (it is no JavaScript
 * process, or there are none in this build). JSON that is given out lives as long as the current event.
 * Context: process; may wait.
 */
#ifndef ANQA_JS_DEBUG_H
#define ANQA_JS_DEBUG_H

#include <anqa/process.h>

ANQA_BEGIN_DECLS

/* ---------------------------------------------------------------- from outside */

/** What a process does just now. */
typedef enum anqa_js_status {
    ANQA_JS_IDLE,    /* between two turns */
    ANQA_JS_RUNNING, /* in a turn, preempted or not */
    ANQA_JS_PAUSED,
    ANQA_JS_PARKED /* idle, and its memory is packed away: see anqa/js.h */
} anqa_js_status;

/** "idle", "running", "paused", "parked"; static. */
ANQA_API const char *anqa_js_status_text(anqa_js_status status);

/** What can be seen of a JavaScript process. */
typedef struct anqa_js_process {
    anqa_pid pid;
    const char *script; /* its name; static */
    anqa_js_status status;
    size_t memory, memory_limit;
    uint64_t turns, preemptions;
    uint64_t time_ms; /* of computing, as in anqa_js_info */
} anqa_js_process;

/** How many one list can have. */
#define ANQA_JS_PROCESSES_MAX 10000u

/** Those there are, the youngest first.   limit: 0: 100.   ret_processes: live as long as the current event.
 * Fails: E_RANGE (limit), E_NOMEM, E_UNSUPPORTED. */
ANQA_API anqa_status anqa_js_processes(
    uint32_t limit, anqa_js_process **ret_processes, size_t *ret_count) ANQA_MUST_CHECK;

/* ---------------------------------------------------------------- asking */

/** From the answer on it is paused. Fine when it is already. */
ANQA_API anqa_status anqa_js_pause(
    anqa_pid pid, uint32_t timeout_ms, anqa_error *err) ANQA_MUST_CHECK;
/** Has it go on. Fine when it is not paused. */
ANQA_API anqa_status anqa_js_resume(
    anqa_pid pid, uint32_t timeout_ms, anqa_error *err) ANQA_MUST_CHECK;

/** [{"name", "scope": "module" or "global", "kind": "number", "array", "Room", ..., "text"}], at most 1,000.
 * Fails also: E_LIMIT (a Proxy of the script's takes too long, or memory). */
ANQA_API anqa_status anqa_js_variables(
    anqa_pid pid, uint32_t timeout_ms, anqa_json *ret_variables, anqa_error *err) ANQA_MUST_CHECK;

/** [{"function", "file", "line", "column"}], innermost first, at most 64; empty between two turns. In the innermost function
 * the line is that of its last call, or of its begin. What is built in has no file. */
ANQA_API anqa_status anqa_js_stack(
    anqa_pid pid, uint32_t timeout_ms, anqa_json *ret_stack, anqa_error *err) ANQA_MUST_CHECK;

/** {"memory": {"size", "limit", "used", "objects", "strings", "arrays", "functions", ...: numbers of things, and bytes where
 * the name ends in "_bytes"}, "timers", "monitors", "topics", "sources", "pending_calls", "waiting_calls"}. Looks at
 * every object: a millisecond for a hundred thousand. */
ANQA_API anqa_status anqa_js_report(
    anqa_pid pid, uint32_t timeout_ms, anqa_json *ret_report, anqa_error *err) ANQA_MUST_CHECK;

/* ---------------------------------------------------------------- profiles */

/** Whose profile; zero: of all JavaScript processes. */
typedef struct anqa_js_profile_opts {
    anqa_pid pid;       /* of one */
    const char *script; /* of those whose script has this name */
    uint32_t time_ms;   /* 0: 5,000; at most ANQA_JS_PROFILE_MS_MAX */
    uint32_t
        stacks; /* different ones that are told apart; 0, and at most: ANQA_JS_PROFILE_STACKS_MAX */
} anqa_js_profile_opts;

/** How long a profile takes at most, and how many stacks it tells apart. */
#define ANQA_JS_PROFILE_MS_MAX 600000u
#define ANQA_JS_PROFILE_STACKS_MAX 10000u

/** What a profile has seen. */
typedef struct anqa_js_profile_result {
    /* A line for each stack, outermost function first: "deliver (anqa:338);post (rooms/room.ts:12) 17". Lines are those
     * where functions begin. */
    anqa_str folded;
    uint64_t samples;
    uint64_t lost; /* not counted: more different stacks, or no memory */
} anqa_js_profile_result;

/**
 * Takes a profile for some time, waiting: of each half millisecond that a script computes, the stack at the next safe
 * point. While none is taken that costs nothing. ret_result lives as long as the current event.
 * Fails: E_IN_USE (another is taken), E_RANGE (time_ms, stacks), E_NOMEM, E_UNSUPPORTED.
 */
ANQA_API anqa_status anqa_js_profile(const anqa_js_profile_opts *opts,
    anqa_js_profile_result *ret_result, anqa_error *err) ANQA_MUST_CHECK;

/* ---------------------------------------------------------------- coverage */

/**
 * [{"script", "coverage"}] for each script whose bundle counts what of it runs (anqa_add_script(... COVERAGE)): since the
 * start, by all its processes, also those that have ended; turns that still go on are not in it. The coverage is Istanbul's:
 * for each source file statements, functions, and how often they ran. Branches are not counted, packages neither.
 * Fails: E_NOMEM, E_LIMIT, E_UNSUPPORTED.
 */
ANQA_API anqa_status anqa_js_coverage(anqa_json *ret_coverage, anqa_error *err) ANQA_MUST_CHECK;

ANQA_END_DECLS

#endif
