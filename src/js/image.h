/*
 * Images: what the memory of a script's process holds when it starts.
 *
 * The first process of a script makes the image in its own window: it starts the engine, evaluates boot.js and the
 * script, and copies its memory to a memory file. From then on processes map that file. Who comes while it is being made
 * waits; when its maker dies, the next one makes it.
 *
 * Everything below that names a place in the engine's memory holds in every copy.
 *
 * Whoever makes the image of the same script with the same library gets the same bytes, also in another program run on
 * another day: while it is made the clocks stand at 0 and what is random follows from the source, and in the platform
 * that it begins with (platform.h) from nothing. So a snapshot need not hold the image, only what names it (snapshot.h).
 *
 * Owner: struct js_rt. Images are counted by their users: processes, parked ones too, from image_open to their exit hook, and
 * whoever reads one that is not his own. That of a script lives as long as the runtime, used or not, unless its file changes:
 * then it is `stale`, for the processes that have it, and goes with the last of them. That of a text that came at run time
 * (spawn.h), which records count too, is kept when it has no users for the next one who brings the same text, as long as
 * IMAGE_IDLE_MAX others and IMAGE_IDLE_BYTES allow.
 */
#ifndef JS_IMAGE_H
#define JS_IMAGE_H

#include <stdatomic.h> // IWYU pragma: export
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <anqa/js.h>

#include "base/sha256.h" // IWYU pragma: export
#include "js/lines.h"    // IWYU pragma: export
#include "js/pages.h"    // IWYU pragma: export

struct js;
struct js_rt;
struct js_window;
struct source_files;
struct source_map;

/* What boot.js returns, in its order. */
enum boot_part {
    BOOT_PID_PROTOTYPE,
    BOOT_REF_PROTOTYPE,
    BOOT_FIRE,
    BOOT_REBASE,
    BOOT_DELIVER,
    BOOT_ANSWER,
    BOOT_DOWN,
    BOOT_AWAIT,
    BOOT_FAIL,
    BOOT_BIG_TO_HEX,
    BOOT_HEX_TO_BIG,
    BOOT_HEAR,
    BOOT_WEB,
    BOOT_TOLD,
    BOOT_RESTORED,
    BOOT_COUNTS,
    BOOT_GET_FUNCTION,
    BOOT_TOOLS,
    BOOT_COUNT
};

struct js_export {
    char *name;
    uint32_t atom;
};

/* Pages that the first turn of a process writes to, as far as they lie together. */
struct js_run {
    uint32_t at, len;
};

#define IMAGE_HOT_RUNS 32

struct js_image {
    struct js_image *next;
    const anqa_js_script *script;
    char *text; /* that it is of; NULL: the script's own */
    size_t text_len;
    bool worker;            /* no text: the platform, for a worker to begin with */
    uint32_t users;         /* guarded by js_rt.lock */
    uint64_t idle_since;    /* js_rt.releases, then; as above */
    struct js_window *free; /* windows that show it; guarded by js_rt.lock */
    uint32_t warm;          /* of these; as above */
    bool ready, stale;      /* as above */
    anqa_pid maker;         /* until it is ready; as above */
    /* constant once it is ready */
    int fd;
    const uint8_t *view; /* the file, to compare with; NULL: it could not be mapped */
    uint32_t size;
    uint32_t sp, rt, ctx;
    uint64_t namespace;
    uint64_t parts[BOOT_COUNT];
    uint32_t pid_atom, ref_atom, epoch_atom;
    uint32_t random; /* where Math.random's state is */
    uint32_t polls;  /* where the engine counts down to the next look at interrupts; 0: not known */
    uint64_t debug_parts[2]; /* what debug.js returns, see debug.h */
    uint64_t module;         /* what reads variables of the module; undefined: nothing does */
    uint32_t apis;           /* with all that they need */
    bool has_timers;         /* that top-level code has set, by a clock that stood at 0 */
    uint64_t seed;           /* of what is random while it is made */
    uint8_t source_hash[SHA256_LEN];
    uint8_t
        hash[SHA256_LEN]; /* of its bytes; not constant: guarded by js_rt.lock, see image_hash */
    bool hashed;          /* likewise */
    struct js_export *exports;
    uint32_t export_count;
    int32_t init, restored;        /* which of them is `init`, `restored`; -1: there is none */
    struct source_map *source_map; /* NULL: none */
    struct source_files *files;
    char *coverage; /* what its counters stand for (coverage.h), JSON; NULL: nothing is counted */
    uint32_t counters_at, counter_count;
    _Atomic(uint64_t) *counters; /* shared: sums of all processes */
    struct js_run hot[IMAGE_HOT_RUNS];
    _Atomic(uint32_t)
        hot_count; /* shared; IMAGE_HOT_NONE: not known yet, _BUSY: somebody finds out */
};

#define IMAGE_IDLE_MAX 16
#define IMAGE_IDLE_BYTES ((size_t)64 << 20)

#define IMAGE_HOT_NONE UINT32_MAX
#define IMAGE_HOT_BUSY (UINT32_MAX - 1)

extern const char js_boot_start[], js_boot_end[];

/* Gives the process its window and makes it an engine that is ready to run, from the image of its script.
 * Context: process, on a large stack; may wait. */
anqa_status image_open(struct js *js, anqa_error *err);
/* The process is no user of its image any more. Context: its exit hook, when its window has been given back. */
void image_leave(struct js *js);
/* The memory is again what it was at the start. False: the system refuses. Context: the process, mapped, in no turn. */
bool image_renew(struct js *js);
/* The export of that name; NULL: there is none. */
const struct js_export *image_export(const struct js_image *image, anqa_str name);
void image_free(struct js_image *image);
/* The image of a text, made when its first process starts; the caller is one of its users. NULL: no memory. */
struct js_image *image_of_text(
    struct js_rt *rt, const anqa_js_script *script, anqa_str text, bool worker);
struct js_image *image_share(struct js_rt *rt, struct js_image *image);
/* The caller is a user no more. Any thread; not with the lock. */
void image_release(struct js_rt *rt, struct js_image *image);
/* Has the system copy, at once, the pages that a first turn will write to: a page fault for each costs twice as much. */
void image_warm(struct js *js);
/* After the first turn of a process: which pages these were, unless that is known. */
void image_learn(struct js *js);
/* Gives back the pages that hold again what the image holds: a turn counts references up and down all over the memory. */
void image_shrink(struct js *js);
/* What its memory holds that the image does not (lines.h), malloc'ed; NULL and 0: nothing. False: no memory for that.
 * Context: any thread, while the process is in no turn; takes no memory of the calling process. */
bool image_lines(const struct js *js, uint8_t **ret_lines, size_t *ret_len);

/* The same piece by piece, a megabyte of memory in each: the memory is the same until the end of the last. */
struct image_search {
    struct lines_source source;
    struct lines_writing writing;
    struct pages pages;
    uint8_t *same; /* malloc'ed, the caller's to free */
    uint32_t page; /* the next to look at */
    bool again;    /* which pages are the same is known */
};
/* False: no memory. */
bool image_search_begin(struct image_search *search, const struct js *js);
/* From the first page on: what has no room in `out` is only measured, see lines_encode. */
void image_search_into(struct image_search *search, uint8_t *out, size_t room);
/* One piece. False: it was the last, writing.len is what all take. */
bool image_search_some(struct image_search *search);
/* Random bytes; in deterministic mode those of the runtime's seed, while the image is made those of its source. */
void image_random(struct js *js, void *bytes, size_t len);
/* The SHA-256 of the image of a process, worked out at the first call. False: no memory to read it in. */
bool image_hash(struct js *js, uint8_t ret_hash[static SHA256_LEN]);

#endif
