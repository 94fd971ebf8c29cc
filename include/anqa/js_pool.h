/**
 * anqa/js_pool.h - some JavaScript processes of one script, lent to whoever has a request.
 *
 *     static const anqa_js_script page = ANQA_JS_SCRIPT(.name = "page", .path = "pages/page.tsx");
 *     static const anqa_js_pool pages = ANQA_JS_POOL("pages", .script = &page, .size = 4);
 *     static const anqa_supervisor site = {.children = (const anqa_child_spec[]){{.server = &pages.server}, {0}}};
 *     ...
 *     s = anqa_js_pool_run(anqa_whereis("pages"), "render", &args, 1000, &html, NULL, &err);
 *
 * A pool is a gen_server that keeps up to `size` processes. Who wants one *checks it out*, asks it as any other (anqa/js.h), and
 * checks it in; anqa_js_pool_run does all three. A process is lent to one at a time. When all are out, one waits, in the order
 * of asking, up to a time and as many as `waiting` says.
 *
 * State. A process keeps its state from one borrower to the next, unless the pool is `fresh`: then it is killed when it comes
 * back, and another one starts in its place. Nothing of a borrower reaches the next one in the process: no state, no message
 * that waits, no link, no subscription. What a script has done elsewhere (handlers, names, databases) is not taken back.
 * A borrower may also begin anew by anqa_js_reset, over which messages that wait and links stay.
 *
 * Failing. The place of a process that ends is filled again when somebody needs it. A process is killed whose borrower ends or
 * says that it is broken; anqa_js_pool_run does so when the time is over. One that cannot be started is an error of
 * who has asked for longest, except when the pool starts: then the pool does not start. One whose init takes longer than
 * `start_ms` is killed, and has not started. While processes start, the pool goes on to lend others and keeps the times of
 * those who wait. The processes end with their pool.
 *
 * Threads. Specs are shared and constant. All functions: process; may wait.
 */
#ifndef ANQA_JS_POOL_H
#define ANQA_JS_POOL_H

#include <anqa/js.h>

ANQA_BEGIN_DECLS

/** How many processes a pool can have. */
#define ANQA_JS_POOL_MAX 1000u

/** What a pool is. `static const`; made by ANQA_JS_POOL. */
typedef struct anqa_js_pool {
    anqa_gen_server server; /* how it is started; filled by ANQA_JS_POOL */
    const anqa_js_script *script;
    uint32_t size;     /* processes; 0: 10; at most ANQA_JS_POOL_MAX */
    bool lazy;         /* they are started when they are needed, not with the pool */
    bool fresh;        /* each borrower finds one as after its start */
    uint32_t waiting;  /* who may wait for one to come back; 0: 100 */
    uint32_t start_ms; /* how long the init of a process may take; 0: 30,000 */
} anqa_js_pool;

/* The parts of the gen_server; not to be called. */
ANQA_API anqa_next anqa_js_pool_init_(void *state, const void *arg);
ANQA_API anqa_next anqa_js_pool_call_(void *state, anqa_msg *msg);
ANQA_API anqa_next anqa_js_pool_cast_(void *state, anqa_msg *msg);
ANQA_API anqa_next anqa_js_pool_info_(void *state, anqa_msg *msg);
ANQA_API void anqa_js_pool_terminate_(void *state, anqa_reason reason);
#define ANQA_JS_POOL_STATE_SIZE_ 64

/** A pool as a gen_server, registered under a name (NULL: none); then members of anqa_js_pool. */
#define ANQA_JS_POOL(registered, ...)            \
    {.server = {.name = (registered),            \
         .state_size = ANQA_JS_POOL_STATE_SIZE_, \
         .trap_exit = true,                      \
         .init = anqa_js_pool_init_,             \
         .handle_any_call = anqa_js_pool_call_,  \
         .handle_any_cast = anqa_js_pool_cast_,  \
         .handle_any_info = anqa_js_pool_info_,  \
         .terminate = anqa_js_pool_terminate_,   \
         .label = "javascript pool"},            \
        __VA_ARGS__}

/** Starts one, linked to the caller, with its processes unless it is lazy. As anqa_gen_server_start_link. */
ANQA_API anqa_status anqa_js_pool_start_link(const anqa_js_pool *pool, const anqa_start_opts *opts,
    anqa_pid *ret_pid, anqa_error *err) ANQA_MUST_CHECK;

/**
 * Borrows a process until the caller checks it in or ends.   timeout_ms: how long to wait for one; ANQA_INFINITY is allowed.
 * Fails: E_TIMEOUT (also: of a start), E_FULL (as many wait as may), E_NOPROC, E_DIED (the pool), else as
 * anqa_js_start_link: a process that had to be started did not. err may be NULL.
 */
ANQA_API anqa_status anqa_js_pool_checkout(
    anqa_pid pool, uint32_t timeout_ms, anqa_pid *ret_process, anqa_error *err) ANQA_MUST_CHECK;
/** Gives it back. Nothing happens for one that the caller has not borrowed. Does not wait. */
ANQA_API void anqa_js_pool_checkin(anqa_pid pool, anqa_pid process);
/** Gives back one that nobody is to use again: it is killed. Does not wait. */
ANQA_API void anqa_js_pool_discard(anqa_pid pool, anqa_pid process);

/**
 * Calls an exported function in one of the processes, as anqa_js_call. timeout_ms: for all, waiting for a process too. One
 * that has not answered by then is killed. Fails: as anqa_js_pool_checkout and anqa_js_call.
 */
ANQA_API anqa_status anqa_js_pool_run(anqa_pid pool, const char *function, const anqa_value *args,
    uint32_t timeout_ms, anqa_value *ret_value, anqa_js_error *ret_error,
    anqa_error *err) ANQA_MUST_CHECK;
/** The same with JSON, as anqa_js_call_json. */
ANQA_API anqa_status anqa_js_pool_run_json(anqa_pid pool, const char *function, anqa_json args,
    uint32_t timeout_ms, anqa_json *ret_json, anqa_js_error *ret_error,
    anqa_error *err) ANQA_MUST_CHECK;

/** How a pool is. */
typedef struct anqa_js_pool_info {
    uint32_t size, idle,
        busy; /* what is left of size has no process just now, or one that starts */
    uint32_t waiting;
    uint64_t lent, started; /* how often, since the start of the pool */
} anqa_js_pool_info;

/** Fails as anqa_try_call. */
ANQA_API anqa_status anqa_js_pool_get_info(anqa_pid pool, uint32_t timeout_ms,
    anqa_js_pool_info *ret_info, anqa_error *err) ANQA_MUST_CHECK;

ANQA_END_DECLS

#endif
