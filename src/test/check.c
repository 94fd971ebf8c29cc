/* Assertions about values: what failed, in words. */
#include "test/kit.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "telemetry/log.h"

#define FLUSH_MS 1000u /* for the last lines of the log */

void kit_end_failed(void)
{
    if (log_flush(FLUSH_MS) != ANQA_OK)
        fputs("the log is not complete\n", stderr);
    fflush(NULL);
    if (kit.no_fork)
        abort(); /* where the debugger wants to be */
    _exit(KIT_EXIT_FAILED);
}

void anqa_test_fail_(struct anqa_test_place place, const char *what, const char *got,
    const char *want, const char *format, ...)
{
    va_list args;

    fprintf(stderr, "%s:%d: check failed: %s", place.file, place.line, what);
    va_start(args, format);
    if (format[0] != '\0' && format[1] != '\0')
        vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    if (got != NULL)
        fprintf(stderr, "  got:  %s\n  want: %s\n", got, want);
    kit_end_failed();
}

void anqa_test_skip_(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(kit.skip_reason, KIT_SKIP_REASON_SIZE, format, args);
    va_end(args);
    fflush(NULL);
    if (kit.no_fork) {
        printf("ok 1 # SKIP %s\n", kit.skip_reason);
        exit(0); /* NOLINT(concurrency-mt-unsafe): ends the program */
    }
    _exit(KIT_EXIT_SKIPPED);
}

int anqa_test_int_order_(struct anqa_test_int a, struct anqa_test_int b)
{
    if (a.negative != b.negative)
        return a.negative ? -1 : 1;
    return a.bits < b.bits ? -1 : a.bits > b.bits;
}

const char *anqa_test_int_text_(struct anqa_test_int value, const char *op)
{
    const char *before = strcmp(op, "==") == 0 ? "" : op, *blank = before[0] == '\0' ? "" : " ";
    char *text = NULL;
    int n = value.negative ? asprintf(&text, "%s%s%" PRId64, before, blank, (int64_t)value.bits)
                           : asprintf(&text, "%s%s%" PRIu64 " (0x%" PRIx64 ")", before, blank,
                                 value.bits, value.bits);

    return n < 0 ? "?" : text;
}

bool anqa_test_text_eq_(struct anqa_test_text a, struct anqa_test_text b)
{
    if (a.ptr == NULL || b.ptr == NULL)
        return a.ptr == b.ptr;
    return a.len == b.len && memcmp(a.ptr, b.ptr, a.len) == 0;
}

const char *anqa_test_text_quote_(struct anqa_test_text text)
{
    char *quoted = NULL;
    size_t size;
    FILE *out;

    if (text.ptr == NULL)
        return "NULL";
    out = open_memstream(&quoted, &size);
    if (out == NULL)
        return "?";
    fputc('"', out);
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        if (c == '"' || c == '\\')
            fprintf(out, "\\%c", c);
        else if (c >= 0x20 && c != 0x7f)
            fputc(c, out);
        else
            fprintf(out, "\\x%02x", c);
    }
    fprintf(out, "\" (%zu bytes)", text.len);
    fclose(out);
    return quoted;
}

uint64_t anqa_test_random(void)
{
    /* splitmix64: any seed will do, zero too */
    uint64_t z = kit.random += 0x9e3779b97f4a7c15;

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
}

unsigned anqa_test_slowness(void)
{
    return ANQA_TEST_SLOWNESS;
}
