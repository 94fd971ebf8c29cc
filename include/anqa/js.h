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
 * use Beam's functions. An exported `init(arg)` runs in each process when it starts. Top-level code runs once for all
 * processes and comes to the same wherever it runs: in it all clocks stand at 0 (Date.now() is 0), and what is random
 * follows from the source alone.
 *
 * Snapshots. A process can be made bytes between two turns (anqa_js_snapshot), and a process begin as these bytes
 * (anqa_js_restore_link), on the same server or on one started later: with all that its memory holds, closures, classes,
 * generators, pending promises and timers, without running its top-level code or `init`. What is outside of its memory is not in them:
 *   - timers go on with the time that they had left; due ones fire at once;
 *   - promises of Beam.call and of other work outside are rejected with an Error: nobody knows what became of it;
 *   - functions of Beam.monitor are called with the reason "restored"; links are gone;
 *   - a CompressionStream or DecompressionStream that was given something before fails with the next chunk;
 *   - a BroadcastChannel is open again; messages that waited in the mailbox are not there; names (Beam.register) and
 *     children (Beam.spawn) are gone;
 *   - who had called and still waited for an answer gets none;
 *   - Beam.self() is the new process; Beam.id() is what it is started for. Pids and references kept in memory are what
 *     they were while the server that the snapshot was taken in lives; on any other they are nobody's;
 *   - Math.random and what else is random is seeded anew: two processes of one snapshot differ in it; clocks are those
 *     of the server: performance.now() may show less than before;
 *   - an exported `restored(arg)` runs, as `init` in any other start, when all that has been told.
 * A snapshot holds what differs from what all processes of the script began as, so it is small, and only of use where
 * that is the same: with the same source, .apis and limits, and the same build of this library's engine. Anything else is
 * refused by name. A `store` has it done for supervised processes. Snapshots are checked, but not secret and not signed: keep them as
 * you keep the program's data. A forged one can do what a script could do that its forger wrote.
 *
 * Memory. A process has the pages that it wrote to as its own; after ten seconds without a message (see
 * ANQA_JS_SCRIPT_RESTING) it gives back those that are again as they were at the start.
 *
 * Parking. So many processes as the runtime's option `js_mapped` says (10,000) have their memory mapped. When there are
 * more, those used least recently are *parked*: of their memory only what differs from the start is kept, a few kilobytes
 * for a room. The next message, answer or due timer wakes them; they notice nothing of it but some 50 us. Not parked are
 * processes in a turn, also while they wait in Beam.callSync, and those of a script with `stays_mapped`. If all that are
 * mapped are such, who starts waits five seconds for one to come out of its turn (then E_LIMIT), and who is to be woken
 * a minute; then it ends with SYSTEM_LIMIT, as it does when the system has no memory to map it.
 *
 * Limits. Each has a default; exceeding one is an error for who asked, or the end of that process: memory (allocations
 * fail: catchable), time (the turn fails with an uncatchable InternalError, the state stays as it was left; in a
 * built-in that cannot be interrupted, the process ends with TIMEOUT), recursion (catchable RangeError), timers,
 * outstanding calls, children, sizes of values, bytes sent in one turn and given to and by
 * Beam.callSync (as many as `memory` has), bytes sent that nobody has received yet (a RangeError for who sends; it is the
 * sender who pays for what waits, so nobody can fill another's mailbox beyond that), promise jobs (the turn
 * fails and the process ends: what queues more of them than a turn may run never comes to an end).
 *
 * In JavaScript:
 *
 *     Beam.call(name, ...args)      promise of what the handler answers; it runs in a process of its own
 *     Beam.callSync(name, ...args)  the same, waiting: nothing else runs in this process meanwhile
 *     Beam.send(pid, value)         a message; to a JavaScript process it arrives at its Beam.onMessage
 *     Beam.onMessage(fn)            fn(value, from) for each message
 *     Beam.self(), Beam.id()        the own pid; the key or id that a supervisor started it for
 *     Beam.monitor(pid, fn)         fn(pid, reason) when it ends; returns a reference, up to 10,000; Beam.demonitor(ref)
 *     Beam.link(pid), Beam.unlink(pid)
 *                                   of its parent or a child; of others a TypeError: what C has started and linked ends
 *                                   with its starter
 *     Beam.exit(reason)             ends this process; "normal" when left out
 *     Beam.exit(child, reason)      ends a child, without its end being this process's; "shutdown" when left out, "kill" leaves it
 *                                   no choice. Whether it was a living child: nobody else is touched
 *     Beam.sleep(ms)                a promise
 *     Beam.spawn(text, arg)         pid of a child: a process of another text, a module whose exported `init` gets arg; see below
 *     Beam.spawn(null, arg)         one more of what this process runs
 *     Beam.register(name), Beam.unregister(name), Beam.whereis(name)
 *                                   in the script's `registry`, where there is one: up to 16 names at once, of 1 to 255 bytes;
 *                                   whereis gives a pid or null
 *     Beam.makeRef(), Beam.uniqueInteger()
 *                                   a reference, a BigInt: there once in a runtime
 *     Beam.nanoseconds()            of a clock that only goes forward, a BigInt, in steps of 1,000
 *     Beam.randomUUIDv7()           a UUID; those of a process sort as they were made
 *     Beam.hash(value, range)       0 to range - 1 (2^32 when left out), the same everywhere and always, for what can be sent (but pids
 *                                   and references, which differ themselves); the order of an object's keys does not count
 *     Beam.deepEquals(a, b)         whether both hold the same: as Object.is for what is no object, by kind, keys and members for
 *                                   objects, by identity for functions, promises and weak collections
 *     Beam.peek(promise)            what it has become, the promise itself while it is pending, and what is no promise as it is;
 *                                   Beam.peek.status(promise): "pending", "fulfilled" or "rejected"
 *     Beam.inspect(value, {depth}) its text, as of Node's util.inspect in one line; depth 2 when left out, 100 members of each, and
 *                                   nothing is opened behind 65,536 characters
 *     Beam.escapeHTML(text)
 *     Beam.password.hash(text, {rounds})
 *                                   promise of "$pbkdf2-sha256$i=<rounds>$<salt>$<key>": PBKDF2 with HMAC-SHA-256, 600,000 rounds when
 *                                   left out, 1,000 to 10,000,000; of a password of at most 1,024 bytes; needs OpenSSL
 *     Beam.password.verify(hash, text)
 *                                   promise of whether it is that password; rejected for what is no such hash. Both run on
 *                                   a worker, two at once for each script's process
 *     Beam.processInfo()            {pid, id, memory, memoryLimit, turns, preemptions, timeMs, messageQueue, pendingCalls,
 *                                   waitingCalls, names, children}; children: of its whole family
 *     Beam.systemInfo()             {schedulers, processes, uptimeMs, version}
 *     Beam.version                  of Anqa
 *     new BroadcastChannel(topic)   a topic of anqa/pubsub.h that the script's `topics` list (100 at once; without any there is
 *                                   no such class): postMessage(value, event)
 *                                   broadcasts to all others (event: "message" when left out); onmessage and listeners
 *                                   get {data, event}, data being such a value; close()
 *                                   (with ANQA_JS_EVENTS it is an EventTarget, and these are MessageEvents with a member `event`)
 *     setTimeout, setInterval, clearTimeout, clearInterval, queueMicrotask
 *     console                       log, info, warn, error, debug, assert, count, countReset, dir, group, groupCollapsed, groupEnd, table
 *                                   (the value itself), time, timeLog, timeEnd, trace: events "js.console" of the log, of at most 8 KiB,
 *                                   with Node's %s, %d, %i, %f, %j, %o, %O, %c and %%
 *
 * Messages of a BroadcastChannel are broadcasts with JSON, for C and browsers to read and send. An object that JSON can hold
 * is the payload itself; any other value is {"data": value}, and so is an object whose only key is "data". Where JSON has no
 * word for a part of the value there is {"$": kind, "value": text}, with the kinds undefined, number (NaN, Infinity, -0),
 * bigint, date, bytes (hexadecimal) and object (one that has a key "$"). Pids and references go as text.
 *
 * Children. A script whose limits.children is not 0 may start processes while it runs. A child has its parent's handlers, topics,
 * registry, modules of the platform and limits, never more. It counts against limits.children of the process that C has
 * started, with all others that descend from that one. Beam.spawn waits until the child has loaded and its `init` is through,
 * and throws what went wrong there. Parent and child are linked: when a child fails, so does its parent, unless that has
 * unlinked it. A script can link nobody else: what is linked and traps no exits would end as the script pleases.
 * When the parent ends, whatever the reason and the links, its children end with SHUTDOWN. The image of a text
 * is kept while a process runs it, and for some that nobody runs: starting a text again costs no loading.
 *
 * The network (ANQA_JS_FETCH, ANQA_JS_WEBSOCKET, ANQA_JS_EVENTSOURCE; in builds with libcurl). As the standards have it, with
 * these differences. Nothing is reached but what `hosts` lists, by any hop of a redirect; no cookies are kept, no proxy of the
 * environment is used, and requests are HTTP/1.1. Fields that say where a message ends or who is asked (host, content-length,
 * connection, ...) are left out of what a script sets. data: URLs need no network, so they are in no list of hosts. What a
 * request's `integrity` names is compared with the whole answer before the script gets it (in builds with OpenSSL; in others
 * it fails), an answer no larger than limits.values.bytes. A redirect of a request with redirect: "manual" is given out as it is. The end
 * of a process ends what it has under way; so does a crash of the process that works for it, which is an error of each.
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

#include <anqa/buf.h>
#include <anqa/gen_server.h>
#include <anqa/registry.h>
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
 * promise is rejected; in Beam.callSync the script's process ends. What it has of anqa_tmp, and what it has received and not
 * kept, ends when it returns, in either.
 */
typedef struct anqa_js_handler {
    const char *name;
    anqa_status (*run)(const anqa_js_request *request, anqa_value_writer *result);
} anqa_js_handler;

/** Of fetch, WebSocket and EventSource. Zero fields stand for the defaults. What came and waits in the mailbox of a script's process
 * has at most 384 KiB for each of its `requests` and `sockets`, and 1 MiB: also what a request left that was aborted. */
typedef struct anqa_js_net_limits {
    uint32_t requests;   /* at once, each until its answer is over; 0: 100 */
    uint32_t sockets;    /* WebSockets at once; 0: 20 */
    uint32_t connect_ms; /* for the look-up of a name, TCP and TLS; 0: 10,000 */
    uint32_t head_ms; /* without a byte of the request sent, nor the head of an answer; 0: 30,000 */
    uint32_t idle_ms; /* without a byte of an answer, while the script takes them; 0: 300,000 */
    uint32_t head_bytes; /* of the head of an answer; 0: 64 KiB, at most 100 KiB */
    uint32_t url_bytes;  /* 0: 16 KiB */
    /* Of a message that comes over a WebSocket; 0: 16 MiB, at most 1 GiB. What all sockets of a process and of those
     * that descend from it hold of messages that are not whole is at most 64 MiB, or four such messages, and 256 MiB in the runtime;
     * beyond that a socket fails */
    uint32_t message_bytes;
    /* Of an answer, decompressed; 0: any. What waits for the script is a window of 256 KiB, and what one reading of
     * 16 KiB was decompressed to: at most 64 MiB, and 256 MiB in all answers of the runtime; beyond that an answer fails */
    uint64_t body_bytes;
} anqa_js_net_limits;

/** Zero fields stand for the defaults. */
typedef struct anqa_js_limits {
    size_t memory; /* bytes of the engine's memory; 0: 64 MiB; at least 4 MiB, at most 2 GiB */
    /* of computing in one turn; 0: 1,000, with a sanitizer 10,000. Beyond twice that the process ends */
    uint32_t turn_ms;
    uint32_t jobs;   /* promise jobs in one turn; 0: 100,000 */
    uint32_t timers; /* armed at once; 0: 10,000 */
    uint32_t calls;  /* Beam.call and calls from outside without an answer yet, each; 0: 1,000 */
    /* processes that it and those that it started may have running, all together (Beam.spawn, Worker); 0: none. Each has
     * the limits of the script for itself: so a script can use as much as 1 + children processes may */
    uint32_t children;
    /* bytes that it has sent and nobody has received yet, wherever they wait, with 128 for each message; and arguments of its
     * Beam.calls that run, with 2,048 for each; 0: as many as memory has. It and those that it started may have twice as
     * many all together, of which nobody gets more than is left free then: so none of them keeps the others from sending */
    size_t unread;
    anqa_value_limits values; /* of what crosses */
    anqa_js_net_limits net;
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
    /* URL, URLSearchParams; a URL has at most 1 MiB, a name beyond ASCII at most 1,024 characters, a query that is no URL's
     * 16 MiB */
    ANQA_JS_URL = 1 << 2,
    /* performance: now (tenths of milliseconds since the process has started), timeOrigin, mark, measure; the last 10,000 */
    ANQA_JS_PERFORMANCE = 1 << 3,
    ANQA_JS_LOCKS = 1 << 13, /* navigator.locks, among what one process does; 10,000 at once */
    /* ReadableStream (also of bytes), WritableStream, TransformStream, queuing strategies, TextEncoderStream,
     * TextDecoderStream */
    ANQA_JS_STREAMS = 1 << 4,
    ANQA_JS_BLOB = 1 << 5, /* Blob, File, FormData; a form that is parsed has up to 10,000 parts */
    ANQA_JS_HTTP = 1 << 6, /* Headers, Request, Response */
    /* CompressionStream, DecompressionStream: gzip, deflate, deflate-raw; up to 100 at once of a process, which hold up to
     * 8 MiB beside its limits.memory. Chunks come as they are read, of 64 KiB at most. Not in builds without zlib */
    ANQA_JS_COMPRESSION = 1 << 7,
    /* crypto: getRandomValues, randomUUID, subtle with SHA-1 and SHA-2, HMAC, AES (CBC, CTR, GCM, KW), RSA (PKCS1-v1_5, PSS,
     * OAEP), ECDSA and ECDH (P-256, P-384, P-521), Ed25519, X25519, PBKDF2 and HKDF. What takes long runs in a process of
     * its own, two at once for each script's process, and half as many of all as there are workers (anqa_options). Limits:
     * for one operation as many bytes as limits.values has, and 48 MiB; 65,536 bytes derived at once, 10,000,000 rounds of
     * PBKDF2 (64 bytes of its salt, or of HKDF's info, are one for each block that is made), 12 KiB for a key, RSA keys of
     * 16,384 bits, of 8,192 where they are made. Keys are kept in the memory of the script's process, and so in its
     * snapshots. In deterministic runs random values and keys repeat, but not RSA's and not signatures with random parts.
     * Without OpenSSL subtle refuses with NotSupportedError. */
    ANQA_JS_CRYPTO = 1 << 8,
    ANQA_JS_STORAGE = 1 << 9,      /* localStorage, in the memory of the process; 5 Mi characters */
    ANQA_JS_WEBSOCKET = 1 << 10,   /* WebSocket, as a client; where `hosts` are listed */
    ANQA_JS_FETCH = 1 << 11,       /* fetch, with all of ANQA_JS_HTTP; likewise */
    ANQA_JS_EVENTSOURCE = 1 << 12, /* EventSource; likewise */
    /* Worker: a child (see above) with the script's modules, handlers and limits, given as the text of a classic script or as a
     * data URL; so limits.children is to be more than 0. postMessage both ways, with what Beam.send can send; onmessage, onerror
     * (what its top-level code or a listener throws, and its end when that was none of its own), terminate. In it: self, name,
     * postMessage, onmessage, close. It is not linked to its parent, and ends with it. */
    ANQA_JS_WORKER = 1 << 16
};

struct anqa_js_store;

/** What a script is. `static const`: processes point to it. Made by ANQA_JS_SCRIPT. */
typedef struct anqa_js_script {
    anqa_gen_server server; /* how it is started; filled by ANQA_JS_SCRIPT */
    const char *name;       /* for people: in logs and stacks */
    /* The source: text; or a file, which is read when the first process starts, and again when it has changed, or one
     * that it imports (of 256, packages left out): for development. With esbuild in ./node_modules it is bundled, with
     * all that anqa_add_script can (cmake/script.cmake): TypeScript, JSX as tsconfig.json says, packages, JSON, texts. */
    const char *source;
    size_t source_len;      /* 0: up to its NUL */
    const char *source_map; /* of `source` or `bytecode`; NULL: none */
    /* What anqa_js_compile has made of the source, in place of that. Trusted, as the program itself: it is not checked as
     * a text is, though what it does stays in the sandbox. It is for the engine that it was made by, and for a script of
     * this name; the start fails otherwise, and says so. */
    const char *bytecode;
    size_t bytecode_len; /* 0: as its head says */
    const char *path;
    const anqa_js_handler *handlers; /* {0} ends them; NULL: none */
    /* Where it may open a BroadcastChannel: "prices", or "room:*" for all that begin so; NULL ends them, or: none */
    const char *const *topics;
    /* Where fetch, WebSocket and EventSource may go: "api.example.org", "*.example.org:8443", "*:*" for everywhere; NULL ends
     * them, or: nowhere. Without a port that of the scheme. Addresses of this machine, of private networks and
     * others that are not for the public are refused, wherever they come from, unless the entry is such an address
     * ("127.0.0.1:8080"), "localhost", or says "private:db.internal:9200". */
    const char *const *hosts;
    const char *ca_file; /* certificates to trust, PEM; NULL: those of the system */
    /* Where it may register itself and find others by name; NULL: nowhere. Processes of C may be in it too. */
    const anqa_registry *registry;
    uint32_t apis; /* ANQA_JS_EVENTS and its like */
    bool
        stays_mapped; /* its processes are never parked: each has one of the `js_mapped` places until it ends */
    anqa_js_limits limits;
    const struct anqa_js_store *store; /* where its processes' snapshots are kept; NULL: nowhere */
} anqa_js_script;

/* The parts of the gen_server; not to be called. */
ANQA_API anqa_next anqa_js_init_(void *state, const void *arg);
ANQA_API anqa_next anqa_js_call_(void *state, anqa_msg *msg);
ANQA_API anqa_next anqa_js_cast_(void *state, anqa_msg *msg);
ANQA_API anqa_next anqa_js_info_(void *state, anqa_msg *msg);
ANQA_API void anqa_js_hibernate_(void *state);
ANQA_API void anqa_js_terminate_(void *state, anqa_reason reason);
#define ANQA_JS_STATE_SIZE_ 640

/** A script as a gen_server: members of anqa_js_script in the braces. */
#define ANQA_JS_SCRIPT(...) ANQA_JS_SCRIPT_RESTING(10000, __VA_ARGS__)
/** With another time until an idle process gives pages back, in milliseconds; 0: never. */
#define ANQA_JS_SCRIPT_RESTING(after_ms, ...)      \
    {.server = {.state_size = ANQA_JS_STATE_SIZE_, \
         .init = anqa_js_init_,                    \
         .handle_any_call = anqa_js_call_,         \
         .handle_any_cast = anqa_js_cast_,         \
         .handle_any_info = anqa_js_info_,         \
         .hibernate = anqa_js_hibernate_,          \
         .terminate = anqa_js_terminate_,          \
         .hibernate_after_ms = (after_ms),         \
         .label = "javascript"},                   \
        __VA_ARGS__}

/**
 * Starts a process, linked to the caller. arg: for the script's `init`, an encoded value; NULL: undefined.
 * opts: may be NULL.   Fails: E_STOPPED (the script does not load, or its `init` throws; err says where), E_LIMIT (windows,
 * memory), E_UNSUPPORTED, else as anqa_gen_server_start_link.
 */
ANQA_API anqa_status anqa_js_start_link(const anqa_js_script *script, const anqa_value *arg,
    const anqa_start_opts *opts, anqa_pid *ret_pid, anqa_error *err) ANQA_MUST_CHECK;

/**
 * Compiles a script: processes of one that has the result as its `bytecode` start their first process without reading
 * text, which takes a tenth of a second for 500 KB, a few milliseconds as bytecode. Functions have no text of their own
 * then (toString). ret_source_map: may be NULL; empty: none.   Both live as long as the current event.
 * Fails: E_SCRIPT (it does not compile), E_INVALID, E_LIMIT, else as a start.   Context: process; waits.
 */
ANQA_API anqa_status anqa_js_compile(const anqa_js_script *script, anqa_str *ret_bytecode,
    anqa_str *ret_source_map, anqa_error *err) ANQA_MUST_CHECK;

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

/**
 * The same with variables: vars is a map of names to values. The source sees them as a function's own, and so do the functions
 * that it makes, as long as they live; nothing of them is left elsewhere. What it declares with `var` or as a function is its
 * own too. Fails also with E_TYPE: vars is no map.
 */
ANQA_API anqa_status anqa_js_eval_with(anqa_pid to, anqa_str source, anqa_value vars,
    uint32_t timeout_ms, anqa_value *ret_value, anqa_js_error *ret_error,
    anqa_error *err) ANQA_MUST_CHECK;

/** Names of the global properties that the script has added: an array of strings. For tools. As anqa_js_call. */
ANQA_API anqa_status anqa_js_globals(
    anqa_pid pid, uint32_t timeout_ms, anqa_value *ret_names, anqa_error *err) ANQA_MUST_CHECK;
/** A property of the global object: its value, undefined when there is none. As anqa_js_call. */
ANQA_API anqa_status anqa_js_get_global(anqa_pid pid, anqa_str name, uint32_t timeout_ms,
    anqa_value *ret_value, anqa_js_error *ret_error, anqa_error *err) ANQA_MUST_CHECK;
/** Sets one. As anqa_js_call. */
ANQA_API anqa_status anqa_js_set_global(anqa_pid pid, anqa_str name, anqa_value value,
    uint32_t timeout_ms, anqa_js_error *ret_error, anqa_error *err) ANQA_MUST_CHECK;

/**
 * Lets a process begin anew: its memory is mapped from the script's image, and `init` runs again with the argument of its
 * start. It keeps its pid, its place with its supervisor, the name it was started with, its links and what waits in its
 * mailbox. Gone are its timers, subscriptions, monitors, and the names that it has registered; its children have ended;
 * its Beam.calls run to their end, unheard; calls from outside that wait for a promise fail with E_SCRIPT. What a store has of it
 * counts no more: the new state is saved over it. A Worker that is reset has no source any more: end it instead.
 * Fails: E_NOPROC, E_DIED (`init` threw: the process has ended), E_TIMEOUT as anqa_try_call.
 */
ANQA_API anqa_status anqa_js_reset(
    anqa_pid pid, uint32_t timeout_ms, anqa_error *err) ANQA_MUST_CHECK;

/** Sends a value to its Beam.onMessage. As anqa_send; never waits. */
ANQA_API anqa_status anqa_js_send(anqa_pid to, anqa_value value);

/* ---------------------------------------------------------------- snapshots */

/**
 * The process as bytes, see above. It answers between two turns, so it waits for a Beam.callSync to come back.
 * ret_snapshot: lives as long as the current event.
 * Fails: E_LIMIT, E_NOMEM, else as anqa_try_call.
 */
ANQA_API anqa_status anqa_js_snapshot(
    anqa_pid pid, uint32_t timeout_ms, anqa_str *ret_snapshot, anqa_error *err) ANQA_MUST_CHECK;

/**
 * As anqa_js_start_link, of a process that begins as a snapshot. arg: for the script's `restored`.
 * Fails: E_PARSE (damaged, or none), E_VERSION (of another format, engine, source or image: err says of which), E_INVALID (of
 * another script), E_LIMIT (more memory than limits.memory), else as anqa_js_start_link.
 */
ANQA_API anqa_status anqa_js_restore_link(const anqa_js_script *script, anqa_str snapshot,
    const anqa_value *arg, const anqa_start_opts *opts, anqa_pid *ret_pid,
    anqa_error *err) ANQA_MUST_CHECK;

/**
 * Where snapshots of a script's processes are kept, so that each begins as the last one that was saved: after a crash of the
 * process, and after one of the server. Processes are told apart by Beam.id(): a child's id, or the name it is started by;
 * one that has neither is not kept. Functions get the store itself as `store`; they run in processes and may wait.
 *
 *     static const anqa_js_store rooms_store = ANQA_JS_FILES("/var/lib/chat/rooms", .every_ms = 1000);
 *     static const anqa_js_script room = ANQA_JS_SCRIPT(.name = "room", .path = "room.ts", .store = &rooms_store);
 *
 * A process is saved `every_ms` after the first turn since it was last saved, so what happened since then is what a
 * `kill -9` can cost. It is saved once more when it is told to end (by its supervisor, or anqa_gen_server_stop); not when
 * it crashes. Its mailbox is not saved. A script that ends itself with Beam.exit() is done: `drop`.
 */
typedef struct anqa_js_store {
    /* The last snapshot, which the caller takes over. E_NOT_FOUND: it begins anew; anything else: it does not start */
    anqa_status (*load)(const struct anqa_js_store *store, const anqa_js_script *script,
        anqa_str id, anqa_buf *ret_snapshot, anqa_error *err);
    /* Keeps this one instead, whole or not at all. A failure is logged, and it is tried again after every_ms */
    anqa_status (*save)(const struct anqa_js_store *store, const anqa_js_script *script,
        anqa_str id, anqa_str snapshot, anqa_error *err);
    anqa_status (*drop)(const struct anqa_js_store *store, const anqa_js_script *script,
        anqa_str id, anqa_error *err); /* forgets it; NULL: it stays */
    const void *arg;                   /* yours */
    uint32_t every_ms;                 /* 0: 10,000 */
    /* What is refused (see anqa_js_restore_link), as after a change of the script, is logged and the process begins anew;
     * false: it does not start */
    bool anew;
} anqa_js_store;

/** The parts of ANQA_JS_FILES; for who wraps one of them. As the members of anqa_js_store say. */
ANQA_API anqa_status anqa_js_files_load(const anqa_js_store *store, const anqa_js_script *script,
    anqa_str id, anqa_buf *ret_snapshot, anqa_error *err);
ANQA_API anqa_status anqa_js_files_save(const anqa_js_store *store, const anqa_js_script *script,
    anqa_str id, anqa_str snapshot, anqa_error *err);
ANQA_API anqa_status anqa_js_files_drop(
    const anqa_js_store *store, const anqa_js_script *script, anqa_str id, anqa_error *err);

/** A store of files in a folder that exists, one for each process, replaced as a whole and synchronised; other members in the rest. */
#define ANQA_JS_FILES(folder, ...)  \
    {.load = anqa_js_files_load,    \
        .save = anqa_js_files_save, \
        .drop = anqa_js_files_drop, \
        .arg = (folder),            \
        __VA_ARGS__}

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
    uint32_t waiting_calls; /* from outside, whose promise has not settled; their callers wait */
    bool parked;
    size_t parked_bytes; /* that are kept of its memory while it is parked */
} anqa_js_info;

/** What is in the memory of a process, as its engine counts. */
typedef struct anqa_js_memory {
    size_t total, limit; /* bytes that it has, and may have */
    uint64_t used;       /* bytes of what follows, about */
    uint64_t pieces;     /* allocated */
    uint64_t atoms, strings, objects, properties, shapes, functions;
    uint64_t code; /* bytes of functions' code */
    uint64_t arrays;
    uint64_t buffers, buffer_bytes; /* of ArrayBuffers */
} anqa_js_memory;

/** It looks at all of the memory: for tools. Fails as anqa_try_call. */
ANQA_API anqa_status anqa_js_get_memory(
    anqa_pid pid, uint32_t timeout_ms, anqa_js_memory *ret_memory, anqa_error *err) ANQA_MUST_CHECK;

/** Does not wake a parked process. Fails as anqa_try_call. */
ANQA_API anqa_status anqa_js_get_info(
    anqa_pid pid, uint32_t timeout_ms, anqa_js_info *ret_info, anqa_error *err) ANQA_MUST_CHECK;

/** The JavaScript processes of a runtime. */
typedef struct anqa_js_counts {
    uint32_t mapped; /* now, and those that are about to be */
    uint32_t
        mapped_limit; /* option js_mapped, or less where the system has no addresses for as many */
    uint32_t waiting; /* to be mapped */
    uint32_t parked;
    size_t parked_bytes;   /* kept of the memory of these */
    uint64_t parks, wakes; /* since the start */
} anqa_js_counts;

/** Each number is right at some moment of the call. Events tell of each park and wake: anqa.js.park (count, bytes, parked,
 * parked_bytes; script), anqa.js.wake (count, bytes, parked; script).   Context: process. */
ANQA_API void anqa_js_get_counts(anqa_js_counts *ret_counts);

ANQA_END_DECLS

#endif
