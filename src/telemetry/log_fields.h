/**
 * telemetry/log_fields.h - from a format and its arguments to escaped logfmt, and from there to JSON.
 *
 * No malloc, no lock, no locale; all state is on the caller's stack. Thread: any.
 */
#ifndef TELEMETRY_LOG_FIELDS_H
#define TELEMETRY_LOG_FIELDS_H

#include <anqa/base.h>

/* Bytes of fields in one event. What does not fit is cut, and the mark stands at the end. */
#define LOG_FIELDS_MAX 1024
#define LOG_CUT_MARK " log.cut=true"

/* Writes the fields; `errnum` is for %m. Returns the length; no NUL at the end. */
size_t log_fields_format(char text[static LOG_FIELDS_MAX], int errnum, const char *format,
    va_list args) ANQA_PRINTF(3, 0);

/* Text that goes into a buffer until that is full. */
struct log_out {
    char *ptr;
    size_t len, size;
};

void log_out_bytes(struct log_out *out, const char *bytes, size_t len);
void log_out_text(struct log_out *out, const char *text);

/* One value in logfmt, quoted and escaped if it must be. */
void log_out_value(struct log_out *out, anqa_str bytes);

/* One value, a key or a value of logfmt, as a JSON string. */
void log_out_json_string(struct log_out *out, anqa_str logfmt);

/* Fields in logfmt as a JSON object. */
void log_out_json_fields(struct log_out *out, anqa_str fields);

#endif
