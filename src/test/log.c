/* The log of a test, kept in place of being printed. */
#include "test/kit.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "telemetry/log.h"

#define FLUSH_MS 5000u

enum { LINE_MAX_BYTES = 4096 };

/* The lock guards the text: the logger's thread adds to it. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char *text;
static size_t text_len;

static void keep(void *ctx, const anqa_log_event *event)
{
    char line[LINE_MAX_BYTES];
    size_t len = anqa_log_format_line(ANQA_LOG_TEXT, event, line, sizeof line);
    const char *rest = strchr(line, ' '); /* without the time */
    char *larger;

    rest = rest == NULL ? line : rest + 1;
    len -= (size_t)(rest - line);
    pthread_mutex_lock(&lock);
    larger = realloc(text, text_len + len + 1);
    if (larger == NULL)
        abort();
    text = larger;
    memcpy(text + text_len, rest, len + 1);
    text_len += len;
    pthread_mutex_unlock(&lock);
}

void anqa_test_capture_log(anqa_log_level level)
{
    anqa_log_set_level(level);
    anqa_log_set_sink(keep, NULL);
}

const char *anqa_test_captured_log(void)
{
    const char *copy;

    if (log_flush(FLUSH_MS) != ANQA_OK)
        anqa_exit(anqa_error_reason("the logger does not come to an end"));
    pthread_mutex_lock(&lock);
    copy = anqa_tmp_copy(text == NULL ? "" : text, text_len);
    pthread_mutex_unlock(&lock);
    return copy;
}

void anqa_test_assert_logged_(struct anqa_test_place place, const char *words, bool wanted)
{
    const char *log = anqa_test_captured_log();

    if ((strstr(log, words) != NULL) == wanted)
        return;
    fprintf(stderr, "%s:%d: check failed: %s \"%s\"\n  log:\n%s", place.file, place.line,
        wanted ? "logged" : "not logged", words, log);
    kit_end_failed();
}
