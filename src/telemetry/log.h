/**
 * telemetry/log.h - what the runtime needs of the logger: its thread, and the way out when the program is dying.
 */
#ifndef TELEMETRY_LOG_H
#define TELEMETRY_LOG_H

#include <anqa/config.h>
#include <anqa/log.h>

#include "telemetry/log_fields.h" /* IWYU pragma: export */

#define LOG_PID_TEXT 32
#define LOG_LABEL 64
#define LOG_METADATA_MAX 512

/** What is added to each event: filled by the hook on the stack of who logs. Starts zeroed. */
struct log_context {
    uint64_t pid;
    char pid_text[LOG_PID_TEXT]; /* ends in NUL */
    char label[LOG_LABEL];
    size_t label_len;
    char metadata[LOG_METADATA_MAX]; /* logfmt, escaped; put behind the fields */
    size_t metadata_len;
};

/** The hook runs in every call that is written; it must not wait, allocate or log. NULL: none. */
void log_set_context_hook(void (*hook)(struct log_context *context));

/** Writes an event about a process; NULL: about the one that runs, if any. fields: logfmt, escaped, made with log_out_*;
 * at most LOG_FIELDS_MAX bytes of it. */
void log_write_fields(
    const struct log_context *who, anqa_log_level level, const char *id, anqa_str fields);

/** Starts the logger's thread. Counted: the last stop ends it. Fails: E_NOMEM, E_LIMIT (no thread). Not in a process. */
anqa_status log_thread_start(anqa_error *err) ANQA_MUST_CHECK;

/**
 * One start less. The last one writes out what is in the ring, for at most `timeout_ms`, then counts the rest as dropped;
 * a sink of the user's is waited for as long as it takes. May wait; not in a process.
 */
void log_thread_stop(uint32_t timeout_ms);

/** Waits until what was logged before is written. Fails: E_TIMEOUT. Without a thread there is nothing to wait for. */
anqa_status log_flush(uint32_t timeout_ms) ANQA_MUST_CHECK;

/** Writes bytes to stderr at once, around the ring. Async-signal-safe. Gives up when stderr takes nothing for 100 ms. */
void log_write_now(const char *bytes, size_t len);

/**
 * Writes the lines that are still in the ring to stderr, as text, for a process that is about to abort: the last lines
 * before a crash are the ones that explain it. What the logger's thread has taken already it writes itself, for which it has half
 * a second. Async-signal-safe.
 */
void log_drain_now(void);

/** The logger's configuration area, "log": level, format, burst. */
struct log_config {
    int level, format;
    uint64_t burst_limit, burst_window_ms;
};

extern const anqa_config_option log_config_options[];

void log_configure(const struct log_config *config);

#endif
