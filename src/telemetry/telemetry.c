#include "telemetry/telemetry.h"

#include <anqa/process.h>

#include "base/clock.h"

#include <pthread.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdlib.h>

/*
 * A point has a list of nodes, one for each handler that matches its name:
 *
 *     point "a.b" -> node -> node -> NULL        a handler owns its nodes (over `sibling`)
 *                      |       |
 *                  handler h1  h2                everything below is changed under `lock`, read without
 *
 * Emitting walks the list without a lock, so what is detached is unlinked first, put on `retired`, and freed when nobody
 * can see it any more. Who emits is counted in one of the shards: up before the first look at a list, down after the
 * last. All these steps are sequentially consistent, hence: if a walk saw a node, its look came before the unlinking, so
 * its count went up before the shards were read; whoever finds a shard at 0 after unlinking knows that each walk counted
 * there is over, or began too late to see the node. The shards may be read one after the other, since this holds for each
 * by itself. Sixteen of them, so that schedulers do not pull one cache line back and forth.
 */
#define SHARDS 16

struct handler {
    struct handler *next; /* of attached ones, or of retired ones */
    struct anqa_telemetry_node *nodes;
    void (*run)(void *ctx, const anqa_telemetry_event *event);
    void (*drop)(void *ctx);
    void *ctx;
    atomic_bool detached;
    uint64_t serial; /* grows from each that is attached to the next */
    const char *pattern;
    char id[]; /* with the pattern behind it */
};

struct anqa_telemetry_node {
    _Atomic(struct anqa_telemetry_node *) next; /* of the point */
    struct handler *handler;
    anqa_telemetry_point *point; /* NULL: was unregistered */
    struct anqa_telemetry_node *sibling;
};

/* One run of anqa_telemetry_run. Not on its stack, which is gone when a handler has ended its process. */
struct emission {
    unsigned shard;
    const char *event;
    struct handler *handler; /* the one that runs */
};

#define EMISSIONS_MAX 16 /* handlers that emit, one in another: beyond that nobody is told */

static pthread_mutex_t lock =
    PTHREAD_MUTEX_INITIALIZER; /* guards points, handlers, retired, last_serial, lists of nodes */
static uint64_t last_serial;
static anqa_telemetry_point *points;
static struct handler *handlers; /* in the order they were attached */
static struct handler *retired;

static struct {
    alignas(64) atomic_size_t count;
} shards[SHARDS];
static atomic_bool has_retired; /* a hint for who ends an emission */

static _Thread_local struct emission emissions[EMISSIONS_MAX];
static _Thread_local unsigned emitting; /* how many of them are in use */
static _Thread_local unsigned my_shard; /* plus one; 0: not chosen yet */

ANQA_TELEMETRY_DEFINE(handler_failed, "anqa.telemetry.handler_failed");

/* A fault under the lock must not be contained: nobody would ever give it back. */
static void take_lock(void)
{
    anqa_section_begin();
    pthread_mutex_lock(&lock);
}

static void give_lock(void)
{
    pthread_mutex_unlock(&lock);
    anqa_section_end();
}

uint64_t anqa_telemetry_mono_ns(void)
{
    return clock_mono_ns();
}

uint64_t anqa_telemetry_wall_ns(void)
{
    return clock_wall_ns();
}

anqa_span_mark anqa_span_mark_now(void)
{
    static atomic_uint_fast64_t last_id;

    return (anqa_span_mark){
        .started_ns = clock_mono_ns(),
        .id = atomic_fetch_add_explicit(&last_id, 1, memory_order_relaxed) + 1,
    };
}

const anqa_field *anqa_field_find(const anqa_field *fields, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(fields[i].name, name) == 0)
            return &fields[i];
    return NULL;
}

/* ---------------------------------------------------------------- freeing */

static void handler_free(void *object)
{
    struct handler *h = object;

    while (h->nodes != NULL) {
        struct anqa_telemetry_node *node = h->nodes;
        h->nodes = node->sibling;
        free(node);
    }
    if (h->drop != NULL)
        h->drop(h->ctx);
    free(h);
}

static unsigned enter(void)
{
    static atomic_uint last_shard;

    if (my_shard == 0)
        my_shard = atomic_fetch_add_explicit(&last_shard, 1, memory_order_relaxed) % SHARDS + 1;
    atomic_fetch_add_explicit(
        &shards[my_shard - 1].count, 1, memory_order_seq_cst); /* pairs with nobody_emits */
    return my_shard - 1;
}

/* Only meaningful for what was unlinked before. */
static bool nobody_emits(void)
{
    for (unsigned i = 0; i < SHARDS; i++)
        if (atomic_load_explicit(&shards[i].count, memory_order_seq_cst) !=
            0) /* pairs with enter and leave */
            return false;
    return true;
}

/* Called with the lock held; gives it back before it frees, because `drop` may call us. */
static void reclaim_and_unlock(void)
{
    struct handler *h = NULL;

    if (retired != NULL && nobody_emits()) {
        h = retired;
        retired = NULL;
        atomic_store_explicit(&has_retired, false, memory_order_relaxed);
    }
    give_lock();
    while (h != NULL) {
        struct handler *next = h->next;
        handler_free(h);
        h = next;
    }
}

static void leave(unsigned shard)
{
    /* Pairs with nobody_emits: either that sees the count at 0, or we see has_retired. */
    if (atomic_fetch_sub_explicit(&shards[shard].count, 1, memory_order_seq_cst) != 1)
        return;
    if (!atomic_load_explicit(&has_retired, memory_order_seq_cst)) /* pairs with unlink_handler */
        return;
    /* Busy: somebody attaches or detaches. has_retired stays set, so the next one to leave tries again. */
    anqa_section_begin();
    if (pthread_mutex_trylock(&lock) == 0)
        reclaim_and_unlock();
    else
        anqa_section_end();
}

/* ---------------------------------------------------------------- emitting */

static size_t list_length(const anqa_field *fields)
{
    size_t n = 0;

    while (fields[n].type != ANQA_FIELD_END)
        n++;
    return n;
}

void anqa_telemetry_run(
    anqa_telemetry_point *point, const anqa_field *measurements, const anqa_field *metadata)
{
    const anqa_telemetry_event event = {
        point->name, measurements, list_length(measurements), metadata, list_length(metadata)};
    struct emission *e = &emissions[emitting];
    struct anqa_telemetry_node *node;

    if (emitting == EMISSIONS_MAX)
        return;
    *e = (struct emission){.shard = enter(), .event = point->name};
    emitting++;
    /* This load and those of `next` pair with the stores of append and unlink_node. */
    node = __atomic_load_n(&point->handlers, __ATOMIC_SEQ_CST);
    for (; node != NULL; node = atomic_load_explicit(&node->next, memory_order_seq_cst)) {
        e->handler = node->handler;
        /* Pairs with unlink_handler; for a handler that is detached by one which runs before it in the same walk. */
        if (!atomic_load_explicit(&e->handler->detached, memory_order_acquire))
            e->handler->run(e->handler->ctx, &event);
    }
    emitting--;
    leave(e->shard);
}

bool telemetry_in_handler(void)
{
    return emitting > 0;
}

/* ---------------------------------------------------------------- lists, all under the lock */

static bool matches(const char *pattern, const char *name)
{
    size_t len = strlen(pattern);

    if (len > 0 && pattern[len - 1] == '*')
        return strncmp(pattern, name, len - 1) == 0;
    return strcmp(pattern, name) == 0;
}

/* "a.b", "a.*", "*": a star stands for whole parts, at the end. */
static bool is_pattern(const char *pattern)
{
    const char *star = strchr(pattern, '*');

    if (star == NULL)
        return pattern[0] != '\0';
    return star[1] == '\0' && (star == pattern || star[-1] == '.');
}

static void append(struct anqa_telemetry_node *node)
{
    struct anqa_telemetry_node *last = __atomic_load_n(&node->point->handlers, __ATOMIC_RELAXED),
                               *next;

    if (last == NULL) {
        __atomic_store_n(
            &node->point->handlers, node, __ATOMIC_SEQ_CST); /* pairs with anqa_telemetry_run */
        return;
    }
    while ((next = atomic_load_explicit(&last->next, memory_order_relaxed)) != NULL)
        last = next;
    atomic_store_explicit(
        &last->next, node, memory_order_seq_cst); /* pairs with anqa_telemetry_run */
}

/* The node's own `next` stays, for those who stand on it now. */
static void unlink_node(struct anqa_telemetry_node *node)
{
    struct anqa_telemetry_node *next = atomic_load_explicit(&node->next, memory_order_relaxed),
                               *before;

    if (node->point == NULL)
        return;
    before = __atomic_load_n(&node->point->handlers, __ATOMIC_RELAXED);
    if (before == node) {
        __atomic_store_n(
            &node->point->handlers, next, __ATOMIC_SEQ_CST); /* pairs with anqa_telemetry_run */
        return;
    }
    while (atomic_load_explicit(&before->next, memory_order_relaxed) != node)
        before = atomic_load_explicit(&before->next, memory_order_relaxed);
    atomic_store_explicit(
        &before->next, next, memory_order_seq_cst); /* pairs with anqa_telemetry_run */
}

/* A node for this point, owned by the handler and not yet in the point's list. */
static struct anqa_telemetry_node *node_new(struct handler *h, anqa_telemetry_point *point)
{
    struct anqa_telemetry_node *node = malloc(sizeof *node);

    if (node == NULL)
        return NULL;
    atomic_init(&node->next, NULL);
    node->handler = h;
    node->point = point;
    node->sibling = h->nodes;
    h->nodes = node;
    return node;
}

static bool nodes_for_all_points(struct handler *h)
{
    for (anqa_telemetry_point *p = points; p != NULL; p = p->next)
        if (matches(h->pattern, p->name) && node_new(h, p) == NULL)
            return false;
    return true;
}

static struct handler **find_handler(const char *id)
{
    struct handler **at = &handlers;

    while (*at != NULL && strcmp((*at)->id, id) != 0)
        at = &(*at)->next;
    return at;
}

static void unlink_handler(struct handler **at)
{
    struct handler *h = *at;

    *at = h->next;
    atomic_store_explicit(
        &h->detached, true, memory_order_release); /* pairs with anqa_telemetry_run */
    for (struct anqa_telemetry_node *node = h->nodes; node != NULL; node = node->sibling)
        unlink_node(node);
    h->next = retired;
    retired = h;
    atomic_store_explicit(&has_retired, true, memory_order_seq_cst); /* pairs with leave */
}

/* ---------------------------------------------------------------- points */

void anqa_telemetry_register(anqa_telemetry_point *point)
{
    take_lock();
    point->next = points;
    points = point;
    for (struct handler *h = handlers; h != NULL; h = h->next) {
        struct anqa_telemetry_node *node =
            matches(h->pattern, point->name) ? node_new(h, point) : NULL;
        /* Without memory the handler misses this point: there is nobody to tell while a library is being loaded. */
        if (node != NULL)
            append(node);
    }
    give_lock();
}

void anqa_telemetry_unregister(anqa_telemetry_point *point)
{
    anqa_telemetry_point **at = &points;

    take_lock();
    while (*at != NULL && *at != point)
        at = &(*at)->next;
    if (*at != NULL)
        *at = point->next;
    __atomic_store_n(&point->handlers, NULL, __ATOMIC_SEQ_CST); /* pairs with anqa_telemetry_run */
    for (struct handler *h = handlers; h != NULL; h = h->next)
        for (struct anqa_telemetry_node *node = h->nodes; node != NULL; node = node->sibling)
            if (node->point == point)
                node->point = NULL;
    give_lock();
}

/* The lock is not held while a visitor runs, who may wait and exit. So we find our way by what stays: addresses. */
static const anqa_telemetry_point *point_behind(const anqa_telemetry_point *last)
{
    const anqa_telemetry_point *next = NULL;

    take_lock();
    for (const anqa_telemetry_point *p = points; p != NULL; p = p->next)
        if ((uintptr_t)p > (uintptr_t)last && (next == NULL || (uintptr_t)p < (uintptr_t)next))
            next = p;
    give_lock();
    return next;
}

void anqa_telemetry_each_point(
    void (*visit)(void *ctx, const anqa_telemetry_point *point), void *ctx)
{
    const anqa_telemetry_point *point = NULL;

    while ((point = point_behind(point)) != NULL)
        visit(ctx, point);
}

/* ---------------------------------------------------------------- handlers */

static struct handler *handler_new(const anqa_telemetry_handler *spec)
{
    size_t id_size = strlen(spec->id) + 1, pattern_size = strlen(spec->pattern) + 1;
    struct handler *h = calloc(1, sizeof *h + id_size + pattern_size);

    if (h == NULL)
        return NULL;
    h->run = spec->run;
    h->ctx = spec->ctx;
    atomic_init(&h->detached, false);
    memcpy(h->id, spec->id, id_size);
    memcpy(h->id + id_size, spec->pattern, pattern_size);
    h->pattern = h->id + id_size;
    return h;
}

anqa_status anqa_telemetry_attach(const anqa_telemetry_handler *spec)
{
    struct handler *h, **end;
    anqa_status s = ANQA_OK;

    if (spec->id == NULL || spec->run == NULL || spec->pattern == NULL ||
        !is_pattern(spec->pattern) || strlen(spec->id) > ANQA_TELEMETRY_NAME_MAX ||
        strlen(spec->pattern) > ANQA_TELEMETRY_NAME_MAX)
        return ANQA_E_INVALID;
    h = handler_new(spec);
    if (h == NULL)
        return ANQA_E_NOMEM;
    take_lock();
    end = find_handler(spec->id);
    if (*end != NULL)
        s = ANQA_E_EXISTS;
    else if (!nodes_for_all_points(h))
        s = ANQA_E_NOMEM;
    if (s == ANQA_OK) {
        for (struct anqa_telemetry_node *node = h->nodes; node != NULL; node = node->sibling)
            append(node);
        h->serial = ++last_serial;
        h->drop = spec->drop; /* not before: on failure ctx stays the caller's */
        *end = h;
        h = NULL;
    }
    reclaim_and_unlock();
    if (h != NULL)
        handler_free(h);
    return s;
}

anqa_status anqa_telemetry_detach(const char *id)
{
    struct handler **at;
    bool found;

    take_lock();
    at = find_handler(id);
    found = *at != NULL;
    if (found)
        unlink_handler(at);
    reclaim_and_unlock();
    return found ? ANQA_OK : ANQA_E_NOT_FOUND;
}

struct seen {
    uint64_t serial;
    char id[ANQA_TELEMETRY_NAME_MAX + 1], pattern[ANQA_TELEMETRY_NAME_MAX + 1];
};

/* The handler that was attached next, copied: it may be freed when the lock is given back. */
static bool handler_behind(struct seen *seen)
{
    const struct handler *h;

    take_lock();
    h = handlers; /* the oldest first */
    while (h != NULL && h->serial <= seen->serial)
        h = h->next;
    if (h != NULL) {
        seen->serial = h->serial;
        memcpy(seen->id, h->id, strlen(h->id) + 1);
        memcpy(seen->pattern, h->pattern, strlen(h->pattern) + 1);
    }
    give_lock();
    return h != NULL;
}

void anqa_telemetry_each_handler(
    void (*visit)(void *ctx, const char *id, const char *pattern), void *ctx)
{
    struct seen seen = {0};

    while (handler_behind(&seen))
        visit(ctx, seen.id, seen.pattern);
}

static void detach_failed(const struct handler *failed)
{
    take_lock();
    for (struct handler **at = &handlers; *at != NULL; at = &(*at)->next) {
        if (*at == failed) { /* else it had detached itself before it failed */
            unlink_handler(at);
            break;
        }
    }
    give_lock();
}

bool telemetry_handler_failed(const char *reason)
{
    struct emission failed[EMISSIONS_MAX], *innermost;
    unsigned count = emitting;

    if (count == 0)
        return false;
    memcpy(failed, emissions, sizeof failed);
    innermost = &failed[count - 1];
    emitting = 0;
    detach_failed(innermost->handler);
    /* The counts of the abandoned emissions are still up, so the handler's name is there. */
    ANQA_EMIT(handler_failed, (),
        (anqa_field_text("handler", innermost->handler->id),
            anqa_field_text("event", innermost->event), anqa_field_text("reason", reason)));
    while (count-- > 0)
        leave(failed[count].shard);
    return true;
}
