/**
 * anqa/base.h - what every other header stands on: the platform check, attributes, statuses, errors, strings.
 *
 * Failing. What can fail returns an `anqa_status`; `ANQA_OK` is 0. Where a human will ask "which file, which name" the
 * function also takes an `anqa_error *` (may be NULL), a plain struct on the caller's stack which is written on failure
 * only. There is no hidden "last error": code may fall asleep on one thread and wake on another.
 *
 * Strings. An `anqa_str` borrows bytes with a length. It need not end in NUL and may hold any byte. Who owns the bytes,
 * and for how long they live, is said by the function that gives one out.
 *
 * Threads. Everything here is a pure function of its arguments and may be called from any thread.
 */
#ifndef ANQA_BASE_H
#define ANQA_BASE_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if !defined(__linux__)
#error "Anqa supports Linux 5.14 or newer only"
#endif
#if !defined(__x86_64__) && !defined(__aarch64__)
#error "Anqa supports x86-64 and aarch64 only"
#endif
#include <features.h>
#if !defined(__GLIBC__) || !__GLIBC_PREREQ(2, 36)
#error "Anqa supports glibc 2.36 or newer only"
#endif

/** The version that a program is compiled against. */
#define ANQA_VERSION_MAJOR 0
#define ANQA_VERSION_MINOR 1
#define ANQA_VERSION_PATCH 0
#define ANQA_VERSION_STRING "0.1.0"

#ifdef __cplusplus
#define ANQA_BEGIN_DECLS extern "C" {
#define ANQA_END_DECLS }
#else
#define ANQA_BEGIN_DECLS
#define ANQA_END_DECLS
#endif

/** How declarations say what the compiler should know of them. */
#define ANQA_API __attribute__((visibility("default")))
#define ANQA_MUST_CHECK __attribute__((warn_unused_result))
#define ANQA_PRINTF(fmt, first) __attribute__((format(printf, fmt, first)))
#define ANQA_NORETURN __attribute__((noreturn))
#define ANQA_PURE __attribute__((pure))

/** Number of elements of an array. */
#define ANQA_COUNT(array) (sizeof(array) / sizeof((array)[0]))

/** A wait without a deadline, for every `timeout_ms`. */
#define ANQA_INFINITY UINT32_MAX

ANQA_BEGIN_DECLS

/** Version of the library that runs, as "0.1.0"; compare with ANQA_VERSION_STRING, the version compiled against. */
ANQA_API const char *anqa_version(void);

/* ---------------------------------------------------------------- status */

/* One list feeds the enum, the names and the texts. Codes are never renumbered: new ones go to the end. */
#define ANQA_STATUS_MAP(X)                               \
    X(OK, "ok")                                          \
    X(E_NOMEM, "out of memory")                          \
    X(E_INVALID, "invalid argument")                     \
    X(E_NOPROC, "no such process")                       \
    X(E_TIMEOUT, "timed out")                            \
    X(E_EXISTS, "already exists")                        \
    X(E_NOT_FOUND, "not found")                          \
    X(E_LIMIT, "limit reached")                          \
    X(E_FULL, "mailbox full")                            \
    X(E_PARSE, "malformed input")                        \
    X(E_TYPE, "wrong type")                              \
    X(E_RANGE, "out of range")                           \
    X(E_IO, "input/output error")                        \
    X(E_CLOSED, "closed")                                \
    X(E_REFUSED, "connection refused")                   \
    X(E_IN_USE, "address in use")                        \
    X(E_PERMISSION, "permission denied")                 \
    X(E_CONTEXT, "not allowed in this context")          \
    X(E_RUNNING, "still running")                        \
    X(E_STOPPED, "stopped")                              \
    X(E_DIED, "the other process died; outcome unknown") \
    X(E_IGNORE, "ignored")                               \
    X(E_VERSION, "versions do not match")                \
    X(E_UNSUPPORTED, "not supported")                    \
    X(E_SCRIPT, "error in JavaScript code")              \
    X(E_EXPIRED, "expired")

#define ANQA_STATUS_X(name, text) ANQA_##name,
typedef enum anqa_status { ANQA_STATUS_MAP(ANQA_STATUS_X) ANQA_STATUS_COUNT_ } anqa_status;
#undef ANQA_STATUS_X

/** Name of a status, as "E_TIMEOUT"; static. An unknown number gives "E_UNKNOWN". */
ANQA_API const char *anqa_status_name(anqa_status status);

/** What a status means, in words; static. */
ANQA_API const char *anqa_status_text(anqa_status status);

/** The status nearest to an errno value, E_IO when there is none. */
ANQA_API anqa_status anqa_status_from_errno(int errnum);

/* ---------------------------------------------------------------- error */

/** Why a call failed, for a human. Owner: the caller's stack. Written on failure only. */
typedef struct anqa_error {
    anqa_status status;
    int errnum;       /* 0: no system call failed */
    const char *file; /* source place that failed, static */
    int line;
    char text[236]; /* always ends in NUL; cut with "..." when too long */
} anqa_error;

/** Fills `err` (unless NULL) and returns `status`, so that failing is one line. */
#define anqa_fail(err, status, ...) \
    anqa_error_set((err), (status), 0, __FILE__, __LINE__, __VA_ARGS__)

/** As anqa_fail, with the status and words of an errno value: "cannot bind x: address in use". */
#define anqa_fail_errno(err, errnum, ...) \
    anqa_error_set((err), anqa_status_from_errno(errnum), (errnum), __FILE__, __LINE__, __VA_ARGS__)

/** What anqa_fail and anqa_fail_errno call: they add the source place. */
ANQA_API anqa_status anqa_error_set(anqa_error *err, anqa_status status, int errnum,
    const char *file, int line, const char *format, ...) ANQA_PRINTF(6, 7);

/* ---------------------------------------------------------------- strings */

/** Borrowed bytes with a length. */
typedef struct anqa_str {
    const char *ptr; /* may be NULL when len is 0 */
    size_t len;
} anqa_str;

/** For printf's %.*s: a string or JSON. It is evaluated twice, so it has to be a variable, not a call. */
#define ANQA_FMT(s) (int)(&(s))->len, (s).ptr

/** Borrows a NUL-ended string; NULL gives the empty one. */
static inline anqa_str anqa_str_of(const char *text)
{
    anqa_str s = {text, text == NULL ? 0 : strlen(text)};
    return s;
}

/** A string of `len` bytes at `ptr`. */
static inline anqa_str anqa_str_make(const char *ptr, size_t len)
{
    anqa_str s = {ptr, len};
    return s;
}

/** Whether both have the same bytes. */
static inline bool anqa_str_eq(anqa_str a, anqa_str b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

/** Whether it has the bytes of `text`. */
static inline bool anqa_str_is(anqa_str a, const char *text)
{
    return anqa_str_eq(a, anqa_str_of(text));
}

/** Whether it begins with `prefix`. */
static inline bool anqa_str_starts(anqa_str s, anqa_str prefix)
{
    return s.len >= prefix.len && (prefix.len == 0 || memcmp(s.ptr, prefix.ptr, prefix.len) == 0);
}

ANQA_END_DECLS

#endif
