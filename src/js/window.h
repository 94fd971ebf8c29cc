/*
 * Windows: the addresses that JavaScript processes live in.
 *
 *     | memory: readable, writable | nothing ........... up to 4 GB | guard: 16 MB |
 *     ^ base                       ^ base + size
 *
 * A 32-bit address plus the largest constant offset of the translated code stays inside, so what is out of bounds hits
 * memory that cannot be touched: no bounds checks. The first part is a private mapping of the image's memory file, what
 * the process adds by memory.grow is anonymous. A window that is given back drops its pages and keeps its mapping, so
 * that the next process of the same script needs no system call to be mapped.
 *
 * Some free windows of each image stay *warm*: the pages that a first turn writes to are kept and get back what the image
 * holds, all others are dropped. Their next process has its first turn without a page fault.
 *
 * The address space of x86-64 has room for some 30,000 windows and vm.max_map_count (65,530 unless raised) for three
 * mappings each, so a program has at most WINDOWS_MAX. Who may have one, and what becomes of the others: park.h.
 *
 * Owner: struct js_rt, of a runtime; a window that is out belongs to its process. Any thread.
 */
#ifndef JS_WINDOW_H
#define JS_WINDOW_H

/* IWYU pragma: begin_exports */
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <anqa/buf.h>
#include <anqa/js.h>
#include <anqa/runtime.h>

#include "base/list.h"
#include "base/map.h"
/* IWYU pragma: end_exports */

#define WINDOW_SPAN ((uint64_t)1 << 32)
#define WINDOW_GUARD ((uint64_t)16 << 20) /* js_engine.sh knows it too */
#define WINDOWS_MAX JS_MAPPED_MAX
#define WINDOWS_WARM 64u /* of each image: some 50 KB each */

struct js;
struct js_image;
struct js_parcel;
struct js_platform;

struct js_window {
    uint8_t *base;
    struct js_window *next;
    struct anqa_list_node
        node;               /* in js_rt.used, if its process may be parked; guarded by the lock */
    struct js *js;          /* that process; as above */
    _Atomic(uint64_t) used; /* shared: when its process has come out of its last turn, in ticks */
    uint64_t seen;          /* what that was when somebody looked at it; guarded by the lock */
    struct js_image *image; /* mapped here; NULL: nothing is */
    uint32_t size;          /* bytes that may be touched */
    bool warm;              /* free, and the pages of a first turn are there */
    bool touched;           /* a turn has run in it since it was taken */
};

/* Workers that work for scripts, see work.h. Guarded by js_rt.lock. */
struct work_gate {
    uint32_t limit, family_limit, queue; /* constant */
    uint32_t working, waiters;
    struct anqa_list waiting, running; /* struct place */
    uint64_t turns; /* the last that was given; two apart, so that who comes is between them */
};

struct work_gates {
    struct work_gate work, looks;
    uint32_t limit, working; /* of both together */
};

/* Of a runtime. Owner: RT_LOCAL_JS. */
struct js_rt {
    anqa_rt *rt;
    pthread_mutex_t lock; /* guards all below, and the lists in images */
    struct js_window *free;
    uint32_t windows;          /* reserved */
    uint32_t limit;            /* of windows that are out */
    uint32_t mapped;           /* windows that are out, or that somebody is about to take */
    struct anqa_list used;     /* those that may be parked, the least recently used first, about */
    uint32_t used_count;       /* of these */
    struct anqa_list waiting;  /* for a window: struct js_waiter, in the order they have come */
    _Atomic(uint32_t) waiters; /* shared: of these, and who looks whether he must be one */
    struct work_gates gates;   /* see work.h */
    _Atomic(uint32_t) parked;  /* shared: processes, */
    _Atomic(uint64_t) parked_bytes; /* their lines, */
    _Atomic(uint64_t) parks, wakes; /* and how often, since the start */
    int pagemap;                    /* -1: there is none */
    int timers[64];                 /* the ticks of its threads */
    uint32_t timer_count;
    struct js_image *images;
    struct js_platform *platforms;
    struct js_parcel *parcels;
    uint64_t last_parcel;
    uint8_t secret[32];      /* constant: the key of witnesses, see snapshot.h */
    struct map_u64 children; /* by number, see spawn.h */
    uint64_t last_child;
    uint64_t releases;          /* of images of texts; tells which has been idle for long */
    struct js *live;            /* all processes */
    uint64_t questions;         /* asked so far */
    struct js_profile *profile; /* the one that is taken; NULL: none is */
    _Atomic(bool) profiling;    /* shared: whether there is one */
};

/* Bytes on the way from one process to another, wherever either of them ends: whoever has the key takes them, once. */
uint64_t js_parcel_put(struct js_rt *rt, anqa_buf bytes); /* takes them over; 0: no memory */
bool js_parcel_take(struct js_rt *rt, uint64_t key, anqa_buf *ret_bytes);

/* The calling process's; made at the first call. NULL: no memory. */
struct js_rt *js_rt_get(void);

/* Remembers a timer, to be deleted with the runtime. False: there is no place. */
bool js_rt_note_timer(struct js_rt *rt, int timer);

/* A window that shows `image` (NULL: nothing yet, see window_grow), for who has a place (park.h). Fails: E_NOMEM, and
 * E_LIMIT when the system has no addresses for one more. */
anqa_status window_take(
    struct js_rt *rt, struct js_image *image, struct js_window **ret_window, anqa_error *err);
/* Makes it `size` bytes long, a multiple of the page size. False: the system refuses. */
bool window_grow(struct js_window *window, uint32_t size);
/* Shows the image in a window that showed nothing. */
anqa_status window_show(struct js_window *window, struct js_image *image, anqa_error *err);
/* wanted: somebody takes it at once, and will write to about as many pages: they are kept, up to a bound. */
void window_give(struct js_rt *rt, struct js_window *window, bool wanted);
/* One that is out shows its image as when it was taken. False: the system refuses. */
bool window_renew(struct js_rt *rt, struct js_window *window);
/* The free windows that show an image show nothing any more, and hold nothing of it. */
void windows_empty(struct js_rt *rt, struct js_image *image);

#endif
