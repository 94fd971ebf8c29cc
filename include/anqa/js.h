/**
 * anqa/js.h - JavaScript processes: scripts in a sandbox, each a process as any other.
 *
 *     static const anqa_js_handler handlers[] = {{"history", history}, {0}};
 *     static const anqa_js_script room = ANQA_JS_SCRIPT(
 *         .name = "room", .path = "rooms/room.ts", .handlers = handlers);
 *     static const anqa_dynamic_supervisor rooms = {
 *         .name = "rooms", .child = {.server = &room.server, .restart = ANQA_TRANSIENT},
 *     };
 *     ...
 *     anqa_ensure_child(&rooms, topic, NULL);
 *     anqa_json seq = anqa_call(anqa_child_pid(&rooms, topic), "post", message, 5000);
 *
 * A script is an ECMAScript module; the functions that it exports can be called from outside:
 *
 *     let posts = [];
 *     export function post(message) { posts.push(message); return posts.length; }
 *
 * A process of a script is a gen_server (`script.server`): child specs, names, keys, links, monitors, stopping and
 * introspection are those of anqa/gen_server.h. A call or cast whose tag is the name of an exported function calls it
 * with the JSON body; the functions below do the same with values, and tell errors apart.
 *
 * The sandbox. Each process has its own engine with its own memory, translated to native code whose every access stays
 * inside. A bug of the engine or a hostile script ends that process, at worst. A script has the language, timers,
 * console and `Beam`; it reaches nothing of C but the handlers that its embedder lists. What it computes is preempted:
 * an endless loop costs others no more than its share, until the time limit of the turn.
 *
 * Start. The first process of a script loads it; what memory holds then is kept, and every further process begins as a
 * copy of that: its top-level code does not run again. So top-level code may prepare what all will share, but cannot
 * use Beam's functions. An exported `init(arg)` runs in each process when it starts.
 *
 * Memory. A process has the pages that it wrote to as its own; after ten seconds without a message (see
 * ANQA_JS_SCRIPT_RESTING) it gives back those that are again as they were at the start.
 *
 * Limits. Each has a default; exceeding one is an error for who asked, or the end of that process: memory (allocations
 * fail: catchable), time (the turn fails with an uncatchable InternalError, the state stays as it was left; in a
 * built-in that cannot be interrupted, the process ends with TIMEOUT), recursion (catchable RangeError), timers,
 * outstanding calls, sizes of values, promise jobs (the turn fails and the process ends: what queues more of them than a
 * turn may run never comes to an end).
 *
 * In JavaScript:
 *
 *     Beam.call(name, ...args)      promise of what the handler answers; it runs in a process of its own
 *     Beam.callSync(name, ...args)  the same, waiting: nothing else runs in this process meanwhile
 *     Beam.send(pid, value)         a message; to a JavaScript process it arrives at its Beam.onMessage
 *     Beam.onMessage(fn)            fn(value, from) for each message
 *     Beam.self(), Beam.id()        the own pid; the key or id that a supervisor started it for
 *     Beam.monitor(pid, fn)         fn(pid, reason) when it ends; returns a reference; Beam.demonitor(ref)
 *     Beam.link(pid), Beam.unlink(pid), Beam.exit(reason)
 *     Beam.sleep(ms)                a promise
 *     new BroadcastChannel(topic)   a topic of anqa/pubsub.h that the script's `topics` list (100 at once; without any there is
 *                                   no such class): postMessage(value, event)
 *                                   broadcasts to all others (event: "message" when left out); onmessage and listeners
 *                                   get {data, event}, data being such a value; close()
 *     setTimeout, setInterval, clearTimeout, clearInterval, queueMicrotask, console.log/info/warn/error/debug
 *
 * Messages of a BroadcastChannel are broadcasts with JSON, for C and browsers to read and send. An object that JSON can hold
 * is the payload itself; any other value is {"data": value}, and so is an object whose only key is "data". Where JSON has no
 * word for a part of the value there is {"$": kind, "value": text}, with the kinds undefined, number (NaN, Infinity, -0),
 * bigint, date, bytes (hexadecimal) and object (one that has a key "$"). Pids and references go as text.
 *
 * Signals. Scripts are preempted by SIGURG, sent by a timer to the threads that run them, and only while they do; one that
 * comes from elsewhere goes to the handler that was there when the first script started.
 *
 * Threads. A script is constant and shared. All functions: process; those that ask wait.
 *
 * Platform: x86-64. Elsewhere, and in builds without JavaScript, starting a process of a script fails with E_UNSUPPORTED.
 */
#ifndef ANQA_JS_H
#define ANQA_JS_H

#include <anqa/gen_server.h>
#include <anqa/value.h>

ANQA_BEGIN_DECLS

/* ---------------------------------------------------------------- scripts */

struct anqa_js_script;

/** What a handler is asked. Lives as long as the handler runs. */
typedef struct anqa_js_request {
    const struct anqa_js_script *script;
    anqa_pid from;   /* the JavaScript process */
    anqa_value args; /* an array */
    anqa_error *err; /* anqa_fail(request->err, ...): its text becomes the message of the Error */
} anqa_js_request;

/**
 * A function that scripts may call. It writes one value (none is undefined) and returns OK, or fails.
 * Context: process: for Beam.call one of its own, for Beam.callSync the script's; may wait. If it crashes, Beam.call's
 * promise is rejected; in Beam.callSync the script's process ends.
 */
typedef struct anqa_js_handler {
    const char *name;
    anqa_status (*run)(const anqa_js_request *request, anqa_value_writer *result);
} anqa_js_handler;

/** Zero fields stand for the defaults. */
typedef struct anqa_js_limits {
    size_t memory;    /* bytes of the engine's memory; 0: 64 MiB; at least 4 MiB, at most 2 GiB */
    uint32_t turn_ms; /* of computing in one turn; 0: 1,000. Beyond twice that the process ends */
    uint32_t jobs;    /* promise jobs in one turn; 0: 100,000 */
    uint32_t timers;  /* armed at once; 0: 10,000 */
    uint32_t calls;   /* Beam.call and calls from outside without an answer yet, each; 0: 1,000 */
    anqa_value_limits values; /* of what crosses */
} anqa_js_limits;

/**
 * What of the web platform a script finds beside the language: flags of anqa_js_script.apis, none by default. Each brings
 * what it needs itself. What is not asked for is not there, and costs nothing.
 */
enum {
    /* EventTarget, Event and its kind, AbortController, AbortSignal, MessageChannel, reportError.
     * What a listener throws is logged. */
    ANQA_JS_EVENTS = 1 << 0,
    /* TextEncoder, TextDecoder (UTF-8, UTF-16, windows-1252), structuredClone; atob and btoa are always there */
    ANQA_JS_ENCODING = 1 << 1,
    /* ReadableStream (also of bytes), WritableStream, TransformStream, queuing strategies, TextEncoderStream,
     * TextDecoderStream */
    ANQA_JS_STREAMS = 1 << 8,
    ANQA_JS_BLOB = 1 << 9, /* Blob, File, FormData */
    /* CompressionStream, DecompressionStream: gzip, deflate, deflate-raw; not in builds without zlib */
    ANQA_JS_COMPRESSION = 1 << 11
};

/** What a script is. `static const`: processes point to it. Made by ANQA_JS_SCRIPT. */
typedef struct anqa_js_script {
    anqa_gen_server server; /* how it is started; filled by ANQA_JS_SCRIPT */
    const char *name;       /* for people: in logs and stacks */
    /* The source: text; or a file, which is read (and bundled by esbuild, if it is TypeScript or imports others) when
     * the first process starts, and again when it has changed: for development. */
    const char *source;
    size_t source_len;      /* 0: up to its NUL */
    const char *source_map; /* of `source`; NULL: none */
    const char *path;
    const anqa_js_handler *handlers; /* {0} ends them; NULL: none */
    /* Where it may open a BroadcastChannel: "prices", or "room:*" for all that begin so; NULL ends them, or: none */
    const char *const *topics;
    uint32_t apis; /* ANQA_JS_EVENTS and its like */
    anqa_js_limits limits;
} anqa_js_script;

/* The parts of the gen_server; not to be called. */
ANQA_API anqa_next anqa_js_init_(void *state, const void *arg);
ANQA_API anqa_next anqa_js_call_(void *state, anqa_msg *msg);
ANQA_API anqa_next anqa_js_cast_(void *state, anqa_msg *msg);
ANQA_API anqa_next anqa_js_info_(void *state, anqa_msg *msg);
ANQA_API void anqa_js_hibernate_(void *state);
#define ANQA_JS_STATE_SIZE_ 384

/** A script as a gen_server: members of anqa_js_script in the braces. */
#define ANQA_JS_SCRIPT(...) ANQA_JS_SCRIPT_RESTING(10000, __VA_ARGS__)
/** With another time until an idle process gives pages back, in milliseconds; 0: never. */
#define ANQA_JS_SCRIPT_RESTING(after_ms, ...)         \
    {                                                 \
        .server = {.state_size = ANQA_JS_STATE_SIZE_, \
            .init = anqa_js_init_,                    \
            .handle_any_call = anqa_js_call_,         \
            .handle_any_cast = anqa_js_cast_,         \
            .handle_any_info = anqa_js_info_,         \
            .hibernate = anqa_js_hibernate_,          \
            .hibernate_after_ms = (after_ms),         \
            .label = "javascript"},                   \
        __VA_ARGS__                                   \
    }

/**
 * Starts a process, linked to the caller. arg: for the script's `init`, an encoded value; NULL: undefined.
 * opts: may be NULL.   Fails: E_STOPPED (the script does not load, or its `init` throws; err says where), E_LIMIT (windows,
 * memory), E_UNSUPPORTED, else as anqa_gen_server_start_link.
 */
ANQA_API anqa_status anqa_js_start_link(const anqa_js_script *script, const anqa_value *arg,
    const anqa_start_opts *opts, anqa_pid *ret_pid, anqa_error *err) ANQA_MUST_CHECK;

/* ---------------------------------------------------------------- asking */

/** What was thrown. The texts live as long as the current event; positions are those of the source, by its map. */
typedef struct anqa_js_error {
    anqa_str name;    /* "TypeError"; empty: what was thrown is no Error */
    anqa_str message; /* or what was thrown, as text */
    anqa_str stack;   /* a line for each call: "    at post (rooms/room.ts:12:5)" */
} anqa_js_error;

/**
 * Calls an exported function and waits for what it returns, or for what the promise that it returns becomes.
 * args: an array, one element for each argument; NULL: none.   timeout_ms: ANQA_INFINITY is allowed.
 * ret_value, ret_error: may be NULL; live as long as the current event.
 * Fails: E_SCRIPT (it threw, or there is no such function; ret_error is written), E_LIMIT (a limit of the script),
 * E_NOPROC, E_DIED, E_TIMEOUT as anqa_try_call; err (may be NULL) has it in words, in every case.
 */
ANQA_API anqa_status anqa_js_call(anqa_pid to, const char *function, const anqa_value *args,
    uint32_t timeout_ms, anqa_value *ret_value, anqa_js_error *ret_error,
    anqa_error *err) ANQA_MUST_CHECK;

/** The same with JSON: args is the text of an array, or any other for the one argument; the answer is JSON text. */
ANQA_API anqa_status anqa_js_call_json(anqa_pid to, const char *function, anqa_json args,
    uint32_t timeout_ms, anqa_json *ret_json, anqa_js_error *ret_error,
    anqa_error *err) ANQA_MUST_CHECK;

/** Runs source text in the process and waits for its value, as anqa_js_call. For tools and tests. */
ANQA_API anqa_status anqa_js_eval(anqa_pid to, anqa_str source, uint32_t timeout_ms,
    anqa_value *ret_value, anqa_js_error *ret_error, anqa_error *err) ANQA_MUST_CHECK;

/** Sends a value to its Beam.onMessage. As anqa_send; never waits. */
ANQA_API anqa_status anqa_js_send(anqa_pid to, anqa_value value);

/** What Beam.send sends to a process of C: a PLAIN message of this tag, whose body is one value, checked. */
#define ANQA_JS_MESSAGE "js.message"

/** What a script's process has used. */
typedef struct anqa_js_info {
    size_t memory; /* bytes of the engine's memory */
    size_t memory_limit;
    uint64_t turns; /* since the start */
    uint64_t preemptions;
    uint64_t time_ms; /* of computing, in steps of half a millisecond; short turns are not seen */
    uint32_t pending_calls; /* Beam.calls without an answer */
    uint32_t waiting_calls; /* calls from outside whose promise has not settled */
} anqa_js_info;

/** Fails as anqa_try_call. */
ANQA_API anqa_status anqa_js_get_info(
    anqa_pid pid, uint32_t timeout_ms, anqa_js_info *ret_info, anqa_error *err) ANQA_MUST_CHECK;

ANQA_END_DECLS

#endif
