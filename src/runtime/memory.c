/* The memory API of processes, over struct heap, the arena of the stack, and the list of defers. */
#include <anqa/memory.h>

#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

#include "runtime/heap.h"
#include "runtime/memory.h"
#include "runtime/sched.h"

static struct heap *heap_of(const struct proc *p)
{
    return p->more == NULL ? NULL : p->more->heap;
}

static _Noreturn void over_quota(struct sched *s, const struct proc *p, size_t wanted)
{
    proc_exit(s, anqa_reason_make(ANQA_REASON_QUOTA, "%zu bytes of heap on top of %zu", wanted,
                     heap_held(heap_of(p))));
}

static void heap_changed(struct sched *s, struct proc *p, size_t before)
{
    size_t now = heap_held(heap_of(p));

    if (now == before)
        return;
    COUNT_ADD(s, heap_bytes, now - before);
    proc_show_heap(s, p, now);
}

/* A fault inside of malloc must not be contained: its lock would be lost. */
static void *heap_resize(struct sched *s, struct proc *p, void *piece, size_t size)
{
    struct proc_more *more = proc_more(s, p);
    bool foreign = false;
    size_t before;
    void *resized;

    if (more == NULL)
        over_quota(s, p, size);
    before = heap_held(more->heap);
    s->act.section++;
    resized = piece == NULL ? heap_alloc(&more->heap, size, proc_quota(s, p))
                            : heap_realloc(&more->heap, piece, size, proc_quota(s, p), &foreign);
    s->act.section--;
    heap_changed(s, p, before);
    ANQA_REQUIRE(!foreign);
    if (resized == NULL)
        over_quota(s, p, size);
    return resized;
}

void *anqa_heap_alloc(size_t size)
{
    struct sched *s;
    struct proc *p = proc_self(&s);

    return heap_resize(s, p, NULL, size);
}

void *anqa_heap_calloc(size_t count, size_t size)
{
    struct sched *s;
    struct proc *p = proc_self(&s);
    size_t bytes;
    void *piece;

    if (__builtin_mul_overflow(count, size, &bytes))
        over_quota(s, p, SIZE_MAX);
    piece = heap_resize(s, p, NULL, bytes);
    memset(piece, 0, bytes);
    return piece;
}

void *anqa_heap_realloc(void *piece, size_t size)
{
    struct sched *s;
    struct proc *p = proc_self(&s);

    return heap_resize(s, p, piece, size);
}

void anqa_heap_free(void *piece)
{
    struct sched *s;
    struct proc *p = proc_self(&s);
    struct heap *heap = heap_of(p);
    size_t before = heap_held(heap);
    bool ours;

    if (piece == NULL)
        return;
    s->act.section++;
    ours = heap_free(heap, piece);
    s->act.section--;
    heap_changed(s, p, before);
    ANQA_REQUIRE(ours && "a piece of this heap");
}

void proc_heap_drop(struct sched *s, struct proc *p)
{
    size_t before = heap_held(heap_of(p));

    if (before == 0)
        return;
    p->more->metadata = NULL;
    p->more->exit_trace = NULL;
    heap_drop(&p->more->heap);
    heap_changed(s, p, before);
}

void proc_heap_rest(struct sched *s, struct proc *p)
{
    const struct heap *heap = heap_of(p);

    if (heap != NULL && heap_used(heap) == 0)
        proc_heap_drop(s, p);
}

/* ---------------------------------------------------------------- tmp */

anqa_arena *anqa_tmp(void)
{
    struct sched *s;
    const struct proc *p = proc_self(&s);
    anqa_arena *tmp = &s->stack->tmp;

    tmp->limit = proc_quota(s, p); /* the stack may have served another process before */
    return tmp;
}

char *anqa_tmp_printf(const char *format, ...)
{
    va_list args;
    char *text;

    va_start(args, format);
    text = anqa_arena_vprintf(anqa_tmp(), NULL, format, args);
    va_end(args);
    return text;
}

char *anqa_tmp_copy(const void *bytes, size_t len)
{
    return anqa_arena_copy(anqa_tmp(), bytes, len);
}

anqa_str anqa_json_str(anqa_json object, const char *key)
{
    anqa_str value;

    return anqa_json_get_str(anqa_tmp(), object, key, &value) == ANQA_OK ? value
                                                                         : anqa_str_make("", 0);
}

anqa_json anqa_jsonf(const char *format, ...)
{
    anqa_json_writer writer;
    anqa_json json = ANQA_JSON_NULL;
    anqa_status status;
    va_list args;

    anqa_json_writer_init(&writer, anqa_tmp(), 0);
    va_start(args, format);
    anqa_json_vformat(&writer, format, args);
    va_end(args);
    status = anqa_json_writer_finish(&writer, &json);
    ANQA_REQUIRE(status == ANQA_OK && "a format that makes JSON");
    return json;
}

/* ---------------------------------------------------------------- defers */

anqa_deferred anqa_defer(void (*fn)(void *arg), void *arg)
{
    struct sched *s;
    struct proc *p = proc_self(&s);
    struct proc_more *more = proc_more(s, p);
    struct defer *defer = more == NULL ? NULL : block_take(&s->blocks, block_class(sizeof *defer));

    if (defer == NULL) {
        fn(arg);
        proc_exit(
            s, anqa_reason_make(ANQA_REASON_SYSTEM_LIMIT, "no memory for a deferred clean-up"));
    }
    *defer = (struct defer){.next = more->defers, .fn = fn, .arg = arg, .id = ++more->next_defer};
    more->defers = defer;
    return (anqa_deferred){defer->id};
}

static void close_fd(void *arg)
{
    close((int)(intptr_t)arg);
}

anqa_deferred anqa_defer_close(int fd)
{
    return fd < 0 ? (anqa_deferred){0} : anqa_defer(close_fd, (void *)(intptr_t)fd);
}

bool anqa_defer_cancel(anqa_deferred deferred)
{
    struct sched *s;
    struct proc *p = proc_self(&s);

    if (p->more == NULL)
        return false;
    for (struct defer **link = &p->more->defers; *link != NULL; link = &(*link)->next)
        if ((*link)->id == deferred.bits) {
            struct defer *defer = *link;
            *link = defer->next;
            block_put(&s->blocks, block_class(sizeof *defer), defer);
            return true;
        }
    return false;
}

anqa_deferred anqa_defer_mark(void)
{
    struct sched *s;
    const struct proc *p = proc_self(&s);

    return (anqa_deferred){p->more == NULL || p->more->defers == NULL ? 0 : p->more->defers->id};
}

void anqa_defer_run_to(anqa_deferred mark)
{
    struct sched *s;
    struct proc *p = proc_self(&s);

    proc_run_defers(s, p, mark.bits);
}
