/**
 * anqa/log.h - the logger: one line per event, never in the way of who writes it.
 *
 *     anqa_log(ANQA_WARN, "http.accept.failed", "address=%s error=%s retry_ms=%d", address, text, 1000);
 *     2026-03-01T12:00:00.123Z warning http.accept.failed pid=<0.71.1> address=0.0.0.0:4000 error="too many files" retry_ms=1000
 *
 * An event has a level, an id that stays the same over versions (dotted, area first) and fields in logfmt. The format is
 * a literal of `key=value` pairs parted by blanks; the values hold printf conversions (all but %n), and stand in quotes if
 * the format has blanks in them. What the conversions give is quoted and escaped as a whole value: blanks, quotes, control
 * characters, invalid UTF-8 and characters that reorder or break lines cannot forge a field or a line. A text that reads
 * like a number is quoted, so that numbers and texts stay apart. NULL for %s is written as null. Secrets are not to be
 * logged: nothing here can recognise them.
 *
 * Metadata. A process may have fields of its own (anqa_log_metadata), which stand behind those of all its events: of which
 * request they are, of which user.
 *
 * Cost. Below the level: one relaxed load and a branch; the arguments are not evaluated. Above it the line is formatted
 * on the caller's stack (under 3 KB of it), without malloc and without a lock, and copied into a bounded ring that one
 * thread empties. That thread runs from anqa_start to anqa_stop; before and after, the caller writes the line itself.
 *
 * Overload. A caller never waits for a slow reader of stderr. When the ring (512 lines) is full the event is dropped and
 * counted; when one id comes more often than the burst limit (500 in 1000 ms unless configured) the rest of that window
 * is dropped and counted. A line `log.dropped` says how many were lost. Fields over 1 KB are cut and end in `log.cut=true`.
 *
 * Threads. Everything may be called from any thread and any process. Not from signal handlers.
 */
#ifndef ANQA_LOG_H
#define ANQA_LOG_H

#include <anqa/base.h>

ANQA_BEGIN_DECLS

/** OTP's eight levels; a smaller number is more severe. ANQA_LOG_NONE as a threshold lets nothing through. */
typedef enum anqa_log_level {
    ANQA_LOG_NONE = -1,
    ANQA_EMERGENCY,
    ANQA_ALERT,
    ANQA_CRITICAL,
    ANQA_ERROR,
    ANQA_WARN,
    ANQA_NOTICE,
    ANQA_INFO,
    ANQA_DEBUG
} anqa_log_level;

/** Name of a level, as "warning"; static. */
ANQA_API const char *anqa_log_level_name(anqa_log_level level);

/* ---------------------------------------------------------------- writing */

/* Accessed with relaxed atomic loads and stores only; a plain int so that C++ can read this header. */
extern ANQA_API int anqa_log_threshold_;

/** Whether an event of this level would be written now. */
static inline bool anqa_log_enabled(anqa_log_level level)
{
    return (int)level <= __atomic_load_n(&anqa_log_threshold_, __ATOMIC_RELAXED);
}

/** Writes an event: level, id, then a literal format with its arguments, or nothing. Context: any thread, process. */
#define anqa_log(level, id, ...)                                                                   \
    (__builtin_expect(anqa_log_enabled(level), 0) ? anqa_log_write((level), (id), " " __VA_ARGS__) \
                                                  : (void)0)

/** The call behind anqa_log. Does not look at the level. */
ANQA_API void anqa_log_write(anqa_log_level level, const char *id, const char *format, ...)
    ANQA_PRINTF(3, 4);
ANQA_API void anqa_log_vwrite(
    anqa_log_level level, const char *id, const char *format, va_list args) ANQA_PRINTF(3, 0);

/**
 * Has a field put behind those of all events of the calling process, that of its crash included, until it ends; a second one of that
 * name takes the place of the first. Processes that it starts do not have it.
 * key: letters, digits, '_', '-' and '.', 31 at most.   value: is copied and escaped; empty takes the field away.
 * Of fields that have together more than 8 rows or 512 bytes the last ones are left out.
 * Context: process; elsewhere it does nothing.
 */
ANQA_API void anqa_log_metadata(const char *key, anqa_str value);

/* ---------------------------------------------------------------- what happens to events */

/** The least severe level that is still written; ANQA_NOTICE at the start. Any thread, at any time. */
ANQA_API void anqa_log_set_level(anqa_log_level level);
ANQA_API anqa_log_level anqa_log_get_level(void);

/** How lines look: logfmt for people, or JSON. */
typedef enum anqa_log_format { ANQA_LOG_TEXT, ANQA_LOG_JSON } anqa_log_format;

/**
 * How the built-in sink writes lines. JSON: one object with time, level, id, pid and label if there are any, and the
 * fields as an object of strings and, where logfmt has no quotes, numbers.
 */
ANQA_API void anqa_log_set_format(anqa_log_format format);

/** At most `limit` events of one id in `window_ms`; limit 0: no limit. Critical events and above are always let through. */
ANQA_API void anqa_log_set_burst(uint32_t limit, uint32_t window_ms);

/** An event as a sink sees it. Everything borrowed, until the sink returns. */
typedef struct anqa_log_event {
    anqa_log_level level;
    const char *id;
    uint64_t time_us;  /* wall clock, since 1970 */
    uint64_t pid;      /* bits of the process's pid; 0: not from a process */
    anqa_str pid_text; /* "<0.71.1>", or empty */
    anqa_str label;    /* of the process, raw bytes; may be empty */
    anqa_str fields;   /* logfmt, escaped, valid UTF-8 without control characters */
} anqa_log_event;

/** Takes one event at a time, on the logger's thread. */
typedef void (*anqa_log_sink)(void *ctx, const anqa_log_event *event);

/**
 * Sends all events to `sink` from now on; NULL: the built-in one, lines on stderr.
 * A sink is called by one thread at a time: the logger's, or without it the caller's. It may wait; events are dropped
 * meanwhile. What it logs itself is dropped. When this returns the old sink is not running and will not be called again.
 * A sink may call this itself. Context: any thread; may wait for a running sink.
 */
ANQA_API void anqa_log_set_sink(anqa_log_sink sink, void *ctx);

/** The line that the built-in sink would write, with its newline. Returns its length, cut to size - 1; ends in NUL. */
ANQA_API size_t anqa_log_format_line(
    anqa_log_format format, const anqa_log_event *event, char *line, size_t size);

/** What the logger has done since the start. */
typedef struct anqa_log_counts {
    uint64_t accepted; /* put into the ring or written at once */
    uint64_t dropped;  /* ring was full, or the sink itself logged */
    uint64_t bursts;   /* over the burst limit */
} anqa_log_counts;

/** Counts since the program started. */
ANQA_API anqa_log_counts anqa_log_get_counts(void);

ANQA_END_DECLS

#endif
