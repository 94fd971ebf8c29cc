/*
 * A JavaScript process, as the files of this area share it.
 *
 * A process is a gen_server whose state is a struct js. Its memory is a *window*: a range of addresses so large that no
 * 32-bit address leaves it (window.h). A window begins as a copy-on-write mapping of the *image* of its script: the
 * memory of an engine that has started and loaded the script (image.h).
 *
 *     message -> server.c -> turn.c (a window, a large stack, the tick) -> engine (anqa_js_text) -> import.c, beam.c -> ...
 *
 * A *turn* is one entry into the engine: a call, a delivery, a due timer, with all jobs that follow from it. In a turn
 * the process may be preempted at any instruction of the engine (preempt.h); what of this area is C is not preempted.
 *
 * Addresses inside of a window are uint32_t here, JSValues uint64_t. Bytes of a window are as hostile as a client's:
 * what is read there is bounded by memory.size before it is used, and never trusted to stay the same across a call into
 * the engine.
 */
#ifndef JS_JS_H
#define JS_JS_H

/* IWYU pragma: begin_exports */
#include <stdatomic.h>

#include <anqa/js.h>
#include <anqa/js_debug.h>

#include "js/engine/engine.h"
#include "js/image.h"
#include "js/window.h"
#include "runtime/hooks.h"
/* IWYU pragma: end_exports */

/* JSValues: a tag in the upper half, from JS_TAG_FIRST; what is not in the range of tags is a double, see value.c */
#define JS_TAG(value) ((int32_t)((value) >> 32))
#define JS_MAKE(tag, payload) ((uint64_t)(uint32_t)(tag) << 32 | (uint32_t)(payload))
enum {
    JS_TAG_FIRST = -9,
    JS_TAG_BIG_INT = -9,
    JS_TAG_SYMBOL = -8,
    JS_TAG_STRING = -7,
    JS_TAG_STRING_ROPE = -6,
    JS_TAG_MODULE = -3,
    JS_TAG_OBJECT = -1,
    JS_TAG_INT = 0,
    JS_TAG_BOOL = 1,
    JS_TAG_NULL = 2,
    JS_TAG_UNDEFINED = 3,
    JS_TAG_EXCEPTION = 6,
    JS_TAG_SHORT_BIG_INT = 7,
    JS_TAG_FLOAT64 = 8 /* and all that follow */
};
#define JS_NULL JS_MAKE(JS_TAG_NULL, 0)
#define JS_UNDEFINED JS_MAKE(JS_TAG_UNDEFINED, 0)
#define JS_EXCEPTION JS_MAKE(JS_TAG_EXCEPTION, 0)
#define JS_TRUE JS_MAKE(JS_TAG_BOOL, 1)
#define JS_FALSE JS_MAKE(JS_TAG_BOOL, 0)

/* A call from outside whose promise has not settled. */
struct js_waiting {
    uint32_t id;     /* what JavaScript knows it by; 0: free */
    uint8_t form;    /* of the answer, see server.c */
    uint64_t due_ms; /* nobody waits from then on; UINT64_MAX: not known */
    anqa_caller caller;
};

/* What others see of a process. Owner: the process, which alone writes; the list is guarded by js_rt.lock. */
struct js_face {
    struct js *next, **link;
    anqa_pid pid;
    _Atomic(uint64_t) turns, preemptions, ticks;
    /* A turn is to look for questions until this time, in ms * ASKED_UNIT, with a number that tells who asked last; 0: not.
     * Written by who asks, and set back by the process. */
    _Atomic(uint64_t) asked;
    _Atomic(uint32_t) memory;
    _Atomic(uint8_t) status; /* an anqa_js_status */
};

/* Adds to a number that others read. */
static inline void js_count(_Atomic(uint64_t) *number)
{
    atomic_store_explicit(
        number, atomic_load_explicit(number, memory_order_relaxed) + 1, memory_order_relaxed);
}

/* Memory set aside while an operation runs, see turn_memory_begin. On no stack: an exit in its midst gives it back. */
struct js_memory {
    struct js_memory *outer;
    anqa_arena scratch, tmp;
};

/* Owner: the process; the gen_server's state. */
struct js {
    struct engine engine; /* its env is this struct */
    const anqa_js_script *script;
    struct js_rt *rt;
    struct js_image *image; /* counted */
    struct js_window *window;
    struct exit_hook hook; /* gives the window back */
    anqa_arena scratch;    /* of the operation that runs: empty when none does */
    struct js_memory
        *outer;            /* of whatever the operation that runs has come from; NULL: none runs */
    size_t set_aside;      /* bytes of scratch memory in there */
    _Atomic(uint32_t) use; /* shared: enum js_use, see park.h */
    uint32_t lines_len;
    uint8_t *lines;           /* PARKED: its memory (lines.h), malloc'ed; NULL: the image's */
    struct js_waiter *waiter; /* it waits for a window */
    uint32_t memory_limit;
    uint32_t turn_ticks; /* ticks of the turn that runs */
    uint32_t soft, hard; /* limits on that, in ticks */
    uint32_t jobs;       /* run in this turn */
    uint64_t sent;       /* bytes, in this turn */
    uint32_t errors;     /* that nobody has caught, in this turn */
    uint32_t waiting_count, waiting_size;
    struct js_waiting *waiting; /* on the heap */
    struct js_task *tasks;      /* Beam.calls that run; on the heap */
    uint32_t task_count, task_size;
    anqa_ref *monitors; /* of the script's; on the heap */
    uint32_t monitor_count, monitor_size;
    struct codecs *codecs; /* of web/compression.c; on the heap; NULL: none were asked for */
    uint32_t rejected
        [4]; /* boxes of reasons of promises that nobody has handled yet, and of the promises */
    uint32_t rejected_promises[4];
    uint32_t next_id;
    uint64_t started, started_wall; /* see web_start_clock */
    uint64_t
        epoch; /* pids and references that were made in another one are nobody's, see snapshot.h */
    anqa_timer timer;          /* the nearest of the script's timers */
    anqa_timer save_timer;     /* see store.h */
    anqa_ref saving;           /* of the task that saves; 0: none does */
    struct js_child *self;     /* what it was started as by another; NULL: by C */
    struct js_child *children; /* guarded by js_rt.lock */
    struct js_family *family;  /* that begins with this process; as above */
    struct buf_meter *out;     /* see beam_out */
    char **names;              /* that it has registered; on the heap */
    uint32_t name_count;
    char **topics; /* that it has subscribed to; on the heap */
    uint32_t topic_count;
    uint32_t resets;
    anqa_value arg; /* of init; in the block of the process */
    uint64_t last_uuid;
    anqa_pid net;      /* works for it (web/net.h); zero: nobody */
    anqa_buf net_pass; /* see there; empty: it has asked for none yet */
    struct js_face face;
    uint8_t rejected_count;
    bool in_turn;
    bool loading;    /* the image is being made: nothing but the language is there */
    bool interrupt;  /* the engine is to give up the turn */
    bool endless;    /* more jobs came than a turn may run: the process ends with the turn */
    bool restored;   /* began as a snapshot */
    bool kept;       /* has a store and an id: see store.h */
    bool unsaved;    /* a turn has run since the last snapshot for the store */
    bool fresh;      /* has run nothing since it was mapped */
    bool look;       /* the next safe point is to look for questions of a debugger */
    bool sample;     /* ... to note the stack for a profile */
    bool inspecting; /* what runs is a debugger's */
    bool paused;
    bool has_spawned;
};

static inline void js_status(struct js *js, anqa_js_status status)
{
    atomic_store_explicit(
        &js->face.status, (uint8_t)(js->paused ? ANQA_JS_PAUSED : status), memory_order_relaxed);
}

/* ---------------------------------------------------------------- memory of the window */

/* `len` bytes at `at`, or NULL when they are not all there. */
static inline void *js_bytes(const struct js *js, uint32_t at, uint32_t len)
{
    return (uint64_t)at + len <= js->engine.memory.size ? js->engine.memory.data + at : NULL;
}

/* As js_bytes where the engine has said that they are there; if not, that is a trap. */
void *js_at(const struct js *js, uint32_t at, uint32_t len);

static inline uint32_t js_u32(const struct js *js, uint32_t at)
{
    uint32_t n;

    memcpy(&n, js_at(js, at, sizeof n), sizeof n);
    return n;
}

static inline uint64_t js_u64(const struct js *js, uint32_t at)
{
    uint64_t n;

    memcpy(&n, js_at(js, at, sizeof n), sizeof n);
    return n;
}

/* Ends the process: the sandbox did what it never does. */
ANQA_NORETURN void js_trap(const char *what);

/* A frame on the C stack inside of the window, as compiled code would take it; js->engine.sp is put back to what it
 * was. */
static inline uint32_t js_frame(struct js *js, uint32_t size)
{
    js->engine.sp -= (size + 15) & ~15u;
    return js->engine.sp;
}

#endif
