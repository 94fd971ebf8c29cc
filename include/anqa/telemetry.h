/**
 * anqa/telemetry.h - event points that cost nothing while nobody listens.
 *
 *     ANQA_TELEMETRY_DEFINE(process_exit, "anqa.process.exit");
 *
 *     ANQA_EMIT(process_exit, (anqa_field_uint("lifetime_ns", age)), (anqa_field_pid("pid", pid.bits)));
 *
 * A point is a static struct with a dotted name. Emitting passes measurements (numbers that are summed and averaged) and
 * metadata (what one groups by), each a list in parentheses which may be empty. Without a handler that is one relaxed
 * load and a branch, and the lists are not evaluated.
 *
 * Handlers are attached by exact name ("anqa.process.exit"), by prefix ("anqa.process.*") or for everything ("*"), also
 * to points of libraries that are loaded later. They run in the caller, in the order they were attached. They must be
 * short and must not wait; the event and its strings are borrowed until they return. A handler may emit, attach and
 * detach, itself too. One that fails, i.e. whose process ends while it runs, is detached and
 * `anqa.telemetry.handler_failed` says so.
 *
 * Detaching never waits: another thread may be inside the handler a moment longer. `drop` is called when no thread can
 * be, at the latest when something is attached or detached after that, and is the place to free `ctx`.
 *
 * Threads. Any thread, process. Not from signal handlers. Attaching and detaching take a lock, emitting takes none.
 */
#ifndef ANQA_TELEMETRY_H
#define ANQA_TELEMETRY_H

#include <anqa/base.h>

ANQA_BEGIN_DECLS

/* ---------------------------------------------------------------- fields */

/** What a field holds. */
typedef enum anqa_field_type {
    ANQA_FIELD_END, /* ends a list; a list's count does not include it */
    ANQA_FIELD_INT,
    ANQA_FIELD_UINT,
    ANQA_FIELD_DOUBLE,
    ANQA_FIELD_BOOL,
    ANQA_FIELD_STR,
    ANQA_FIELD_PID,
} anqa_field_type;

/** A named value; names are static strings. */
typedef struct anqa_field {
    const char *name;
    anqa_field_type type;
    union {
        int64_t i;
        uint64_t u; /* UINT; PID: its bits */
        double d;
        bool b;
        anqa_str s;
    } as;
} anqa_field;

/** What ends a list of fields. Names of fields are borrowed and, as a rule, literals. */
static inline anqa_field anqa_field_end(void)
{
    anqa_field f;
    f.name = NULL;
    f.type = ANQA_FIELD_END;
    f.as.u = 0;
    return f;
}

/** A field with a signed number. */
static inline anqa_field anqa_field_int(const char *name, int64_t value)
{
    anqa_field f;
    f.name = name;
    f.type = ANQA_FIELD_INT;
    f.as.i = value;
    return f;
}

/** A field with an unsigned number. */
static inline anqa_field anqa_field_uint(const char *name, uint64_t value)
{
    anqa_field f;
    f.name = name;
    f.type = ANQA_FIELD_UINT;
    f.as.u = value;
    return f;
}

/** A field with a fraction. */
static inline anqa_field anqa_field_double(const char *name, double value)
{
    anqa_field f;
    f.name = name;
    f.type = ANQA_FIELD_DOUBLE;
    f.as.d = value;
    return f;
}

/** A field with a truth value. */
static inline anqa_field anqa_field_bool(const char *name, bool value)
{
    anqa_field f;
    f.name = name;
    f.type = ANQA_FIELD_BOOL;
    f.as.b = value;
    return f;
}

/** A field with borrowed bytes. */
static inline anqa_field anqa_field_str(const char *name, anqa_str value)
{
    anqa_field f;
    f.name = name;
    f.type = ANQA_FIELD_STR;
    f.as.s = value;
    return f;
}

/** A field with borrowed bytes that end in NUL. */
static inline anqa_field anqa_field_text(const char *name, const char *value)
{
    return anqa_field_str(name, anqa_str_of(value));
}

/** A field with a pid, by its bits. */
static inline anqa_field anqa_field_pid(const char *name, uint64_t bits)
{
    anqa_field f;
    f.name = name;
    f.type = ANQA_FIELD_PID;
    f.as.u = bits;
    return f;
}

/** What a handler is given; borrowed until it returns. */
typedef struct anqa_telemetry_event {
    const char *name;
    const anqa_field *measurements;
    size_t measurement_count;
    const anqa_field *metadata;
    size_t metadata_count;
} anqa_telemetry_event;

/** The field of that name in a list, or NULL. */
ANQA_API const anqa_field *anqa_field_find(
    const anqa_field *fields, size_t count, const char *name);

/* ---------------------------------------------------------------- points */

struct anqa_telemetry_node;

/** shared: `handlers` is only accessed atomically; a plain pointer so that C++ can read this header. */
typedef struct anqa_telemetry_point {
    const char *name;
    struct anqa_telemetry_node *handlers; /* NULL: nobody listens */
    struct anqa_telemetry_point *next;    /* of all points; under the lock of attach */
} anqa_telemetry_point;

/** Makes a point known, and unknown again; the DEFINE macros call these when the program or library is (un)loaded. */
ANQA_API void anqa_telemetry_register(anqa_telemetry_point *point);
ANQA_API void anqa_telemetry_unregister(anqa_telemetry_point *point);

/* NOLINTBEGIN(bugprone-macro-parentheses): names that are declared cannot stand in parentheses. */

/** Defines a static point of this file. */
#define ANQA_TELEMETRY_DEFINE(point, event_name)                    \
    static anqa_telemetry_point point = {(event_name), NULL, NULL}; \
    ANQA_TELEMETRY_REGISTER_(point, &point)

#define ANQA_TELEMETRY_REGISTER_(id, point)                                \
    __attribute__((constructor)) static void anqa_telemetry_add_##id(void) \
    {                                                                      \
        anqa_telemetry_register(point);                                    \
    }                                                                      \
    __attribute__((destructor)) static void anqa_telemetry_drop_##id(void) \
    {                                                                      \
        anqa_telemetry_unregister(point);                                  \
    }                                                                      \
    struct anqa_telemetry_semicolon_

/** Whether anybody listens. Relaxed: a handler is seen by other threads some moment after it was attached. */
static inline bool anqa_telemetry_on(const anqa_telemetry_point *point)
{
    return __builtin_expect(__atomic_load_n(&point->handlers, __ATOMIC_RELAXED) != NULL, 0);
}

/** Calls the handlers; the lists end with ANQA_FIELD_END. */
ANQA_API void anqa_telemetry_run(
    anqa_telemetry_point *point, const anqa_field *measurements, const anqa_field *metadata);

#define ANQA_FIELD_LIST_(...) __VA_ARGS__ __VA_OPT__(, ) anqa_field_end()

/** Emits an event: the point, then measurements and metadata as two lists in parentheses. */
#define ANQA_EMIT(point, measurements, metadata)                            \
    do {                                                                    \
        if (anqa_telemetry_on(&(point))) {                                  \
            const anqa_field measured_[] = {ANQA_FIELD_LIST_ measurements}; \
            const anqa_field about_[] = {ANQA_FIELD_LIST_ metadata};        \
            anqa_telemetry_run(&(point), measured_, about_);                \
        }                                                                   \
    } while (0)

/* ---------------------------------------------------------------- spans */

/** Three points: <name>.start, <name>.stop, <name>.exception. */
typedef struct anqa_span {
    anqa_telemetry_point start, stop, exception;
} anqa_span;

/** Defines a span, `static`, in a source file. */
#define ANQA_SPAN_DEFINE(span, span_name)                                                       \
    static anqa_span span = {{span_name ".start", NULL, NULL}, {span_name ".stop", NULL, NULL}, \
        {span_name ".exception", NULL, NULL}};                                                  \
    ANQA_TELEMETRY_REGISTER_(span##_start, &span.start);                                        \
    ANQA_TELEMETRY_REGISTER_(span##_stop, &span.stop);                                          \
    ANQA_TELEMETRY_REGISTER_(span##_exception, &span.exception)

/* NOLINTEND(bugprone-macro-parentheses) */

/** One run of a span; zeroed when nobody listened at its begin, and then its end is silent. */
typedef struct anqa_span_mark {
    uint64_t started_ns; /* monotonic */
    uint64_t id; /* the metadata "span" of all its events; unique in this run of the program */
} anqa_span_mark;

/** Whether anybody listens to it. */
static inline bool anqa_span_on(const anqa_span *span)
{
    return anqa_telemetry_on(&span->start) || anqa_telemetry_on(&span->stop) ||
           anqa_telemetry_on(&span->exception);
}

/** A new mark, stamped with the time. */
ANQA_API anqa_span_mark anqa_span_mark_now(void);

/** Nanoseconds of the monotonic and of the wall clock. */
ANQA_API uint64_t anqa_telemetry_mono_ns(void);
ANQA_API uint64_t anqa_telemetry_wall_ns(void);

/** Emits <name>.start, measuring monotonic_time and system_time (ns), and fills `mark`, a variable of anqa_span_mark. */
#define ANQA_SPAN_BEGIN(span, mark, metadata)                                  \
    do {                                                                       \
        (mark).started_ns = (mark).id = 0;                                     \
        if (anqa_span_on(&(span))) {                                           \
            (mark) = anqa_span_mark_now();                                     \
            ANQA_EMIT((span).start,                                            \
                (anqa_field_uint("monotonic_time", (mark).started_ns),         \
                    anqa_field_uint("system_time", anqa_telemetry_wall_ns())), \
                (anqa_field_uint("span", (mark).id) ANQA_AND_ metadata));      \
        }                                                                      \
    } while (0)

/** Emits <name>.stop, measuring monotonic_time and duration (ns). */
#define ANQA_SPAN_END(span, mark, measurements, metadata) \
    ANQA_SPAN_FINISH_(                                    \
        (span).stop, mark, measurements, (anqa_field_uint("span", (mark).id) ANQA_AND_ metadata))

/** Emits <name>.exception as ANQA_SPAN_END, with the metadata "reason". */
#define ANQA_SPAN_FAIL(span, mark, reason, metadata) \
    ANQA_SPAN_FINISH_((span).exception, mark, (),    \
        (anqa_field_uint("span", (mark).id),         \
            anqa_field_text("reason", (reason)) ANQA_AND_ metadata))

#define ANQA_AND_(...) __VA_OPT__(, ) __VA_ARGS__
#define ANQA_SPAN_FINISH_(point, mark, measurements, metadata)                    \
    do {                                                                          \
        if (__builtin_expect((mark).started_ns != 0, 0)) {                        \
            uint64_t finished_ns_ = anqa_telemetry_mono_ns();                     \
            ANQA_EMIT(point,                                                      \
                (anqa_field_uint("monotonic_time", finished_ns_),                 \
                    anqa_field_uint("duration", finished_ns_ - (mark).started_ns) \
                        ANQA_AND_ measurements),                                  \
                metadata);                                                        \
        }                                                                         \
    } while (0)

/* ---------------------------------------------------------------- handlers */

/** Bytes that a handler's id, and its pattern, may have. */
#define ANQA_TELEMETRY_NAME_MAX 255

/** What is attached. Everything is copied but `ctx`. */
typedef struct anqa_telemetry_handler {
    const char *id;      /* unique among the attached ones */
    const char *pattern; /* "a.b.c", "a.b.*" or "*" */
    void (*run)(void *ctx, const anqa_telemetry_event *event);
    void *ctx;
    void (*drop)(void *ctx); /* may be NULL. Runs on any thread, once, and must not wait */
} anqa_telemetry_handler;

/** Attaches a handler to all points that match, now and later. Fails: E_EXISTS (id), E_INVALID (pattern, NULLs,
 * longer than ANQA_TELEMETRY_NAME_MAX), E_NOMEM. */
ANQA_API anqa_status anqa_telemetry_attach(const anqa_telemetry_handler *handler) ANQA_MUST_CHECK;

/**
 * Detaches by id. On this thread no call of it begins after this returns; on another one it may just be beginning, and
 * `drop` tells when the last is over. Fails: E_NOT_FOUND. Never for want of memory.
 */
ANQA_API anqa_status anqa_telemetry_detach(const char *id);

/** Calls `visit` for each attached handler, the oldest first. It may do anything: attach, detach, wait, exit. What is
 * attached or detached meanwhile is visited or not; id and pattern are copies and live until `visit` returns. */
ANQA_API void anqa_telemetry_each_handler(
    void (*visit)(void *ctx, const char *id, const char *pattern), void *ctx);

/** Calls `visit` for each known point, in no particular order. It may do anything, but for unregistering the point it is
 * given; what is registered meanwhile is visited or not. */
ANQA_API void anqa_telemetry_each_point(
    void (*visit)(void *ctx, const anqa_telemetry_point *point), void *ctx);

ANQA_END_DECLS

#endif
