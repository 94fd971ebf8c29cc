/* The lines that are logged during a test: anqa_log_set_sink(keep_line, NULL). */
#ifndef LOG_FIXTURE_H
#define LOG_FIXTURE_H

#include <anqa/log.h>

static char log_lines[4096];
static size_t log_length; /* one thread at a time calls a sink */

static inline void keep_line(void *ctx, const anqa_log_event *event)
{
    log_length += anqa_log_format_line(
        ANQA_LOG_TEXT, event, log_lines + log_length, sizeof log_lines - log_length);
}

#endif
