/* Exit reasons: a bare kind, or a counted block of kind and text. Small numbers are kinds, all others addresses. */
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include <anqa/process.h>

#include "runtime/proc.h"

#define REASON_TEXT_MAX 3000

struct reason {
    _Atomic(uint32_t) count;
    anqa_reason_kind kind;
    size_t len;
    char text[];
};

static struct reason *reason_block(anqa_reason reason)
{
    return reason.bits < ANQA_REASON_COUNT_ ? NULL : (struct reason *)reason.bits;
}

/* Writes the text, cut to size. Returns its length; below 0: the format is wrong. A text without arguments, as most reasons
 * are that people write, is in the way of every crash: it is copied. */
static int reason_text(char text[REASON_TEXT_MAX + 1], const char *format, va_list args)
{
    int len;

    if (strchr(format, '%') == NULL) {
        len = (int)strnlen(format, REASON_TEXT_MAX);
        memcpy(text, format, (size_t)len);
        return len;
    }
    len = vsnprintf(text, REASON_TEXT_MAX + 1, format, args);
    return len > REASON_TEXT_MAX ? REASON_TEXT_MAX : len;
}

anqa_reason anqa_reason_make(anqa_reason_kind kind, const char *format, ...)
{
    char text[REASON_TEXT_MAX + 1];
    struct reason *block;
    va_list args;
    int len;

    va_start(args, format);
    len = reason_text(text, format, args);
    va_end(args);
    if (len < 0)
        return anqa_reason_of(kind);
    anqa_section_begin(); /* malloc's lock */
    block = malloc(sizeof *block + (size_t)len + 1);
    anqa_section_end();
    if (block == NULL)
        return anqa_reason_of(kind);
    atomic_init(&block->count, 1);
    block->kind = kind;
    block->len = (size_t)len;
    memcpy(block->text, text, (size_t)len);
    block->text[len] = '\0';
    return (anqa_reason){(uintptr_t)block};
}

anqa_reason anqa_reason_errno(int errnum, const char *what)
{
    char words[96];

    return anqa_error_reason("%s: %s", what, strerror_r(errnum, words, sizeof words));
}

anqa_reason_kind anqa_reason_get_kind(anqa_reason reason)
{
    const struct reason *block = reason_block(reason);

    return block == NULL ? (anqa_reason_kind)reason.bits : block->kind;
}

anqa_str anqa_reason_get_text(anqa_reason reason)
{
    const struct reason *block = reason_block(reason);

    return block == NULL ? anqa_str_make("", 0) : anqa_str_make(block->text, block->len);
}

anqa_reason anqa_reason_ref(anqa_reason reason)
{
    struct reason *block = reason_block(reason);

    if (block != NULL)
        atomic_fetch_add_explicit(&block->count, 1, memory_order_relaxed);
    return reason;
}

void anqa_reason_unref(anqa_reason reason)
{
    struct reason *block = reason_block(reason);

    /* release: our reads of it; acquire: everybody's, before it is freed. Pairs with itself on other threads. */
    if (block == NULL || atomic_fetch_sub_explicit(&block->count, 1, memory_order_acq_rel) != 1)
        return;
    anqa_section_begin();
    free(block);
    anqa_section_end();
}

bool anqa_reason_is_quiet(anqa_reason reason)
{
    anqa_reason_kind kind = anqa_reason_get_kind(reason);

    return kind == ANQA_REASON_NORMAL || kind == ANQA_REASON_SHUTDOWN;
}

const char *reason_name(anqa_reason reason)
{
    static const char *const names[] = {
#define X(name, text) text,
        ANQA_REASON_MAP(X)
#undef X
    };

    return names[anqa_reason_get_kind(reason)];
}

const char *anqa_reason_format(anqa_reason reason, char *buf, size_t size)
{
    anqa_str text = anqa_reason_get_text(reason);

    if (text.len > 0)
        snprintf(buf, size, "%s: %.*s", reason_name(reason), ANQA_FMT(text));
    else
        snprintf(buf, size, "%s", reason_name(reason));
    return buf;
}
