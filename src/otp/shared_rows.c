/* The list of rows, with what finds a place in it. See shared_rows.h. */
#include "otp/shared_rows.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/container.h"
#include "otp/shared_key.h"

#define ROW_OF(l) ANQA_CONTAINER_OF((l), struct row, link)

/* ---------------------------------------------------------------- links */

static struct link *link_next(const struct link *link)
{
    /* acquire: what the next one holds. Pairs with link_set. */
    return atomic_load_explicit(&((struct link *)(uintptr_t)link)->next, memory_order_acquire);
}

static void link_set(struct link *link, struct link *next)
{
    atomic_store_explicit(&link->next, next, memory_order_release); /* pairs with link_next */
}

static bool link_is_row(const struct rows *rows, const struct link *link)
{
    return rows->ordered ? link != rows->first : (link->order & 1) != 0;
}

/* Only two rows can be of the same order. */
static int link_compare(const struct rows *rows, const struct link *link, const struct rows_at *at)
{
    const struct row *row;
    int difference;

    if (at == NULL)
        return -1;
    if (link->order != at->order)
        return link->order < at->order ? -1 : 1;
    row = ROW_OF((struct link *)(uintptr_t)link);
    difference = key_compare(rows->ordered, row_key(row), at->key);
    if (difference != 0 || rows->unique)
        return difference;
    return row->seq < at->seq ? -1 : row->seq > at->seq;
}

/* The first row from a link on. */
static struct row *link_row(const struct rows *rows, struct link *link)
{
    while (link != NULL && !link_is_row(rows, link))
        link = link_next(link);
    return link == NULL ? NULL : ROW_OF(link);
}

/* ---------------------------------------------------------------- buckets */

/* Of bucket `number` from ROWS_BUCKETS_FIRST on. */
static unsigned segment_of(size_t number)
{
    return (unsigned)(63 - __builtin_clzll(number / ROWS_BUCKETS_FIRST));
}

static size_t segment_start(unsigned segment)
{
    return (size_t)ROWS_BUCKETS_FIRST << segment;
}

/* NULL: it has just been dropped, with its segment. */
static struct link *bucket(struct rows *rows, size_t number)
{
    struct rows_segment *segment;
    unsigned i;

    if (number < ROWS_BUCKETS_FIRST)
        return &rows->first[number];
    i = segment_of(number);
    segment = atomic_load_explicit(
        &rows->segments[i], memory_order_acquire); /* segment_new, segment_retire */
    return segment == NULL ? NULL : &segment->links[number - segment_start(i)];
}

/* A hash belongs to the bucket of as many of its low bits as there are buckets for. */
static size_t bucket_number(uint64_t hash, size_t buckets)
{
    uint64_t mask = buckets == 1 ? 0 : UINT64_MAX >> __builtin_clzll(buckets - 1);
    size_t number = hash & mask;

    return number < buckets ? number : number & (mask >> 1);
}

static struct link *bucket_for(struct rows *rows, uint64_t hash)
{
    struct link *link;

    do /* acquire: the segment it lies in. Pairs with bucket_add and bucket_drop. */
        link = bucket(
            rows, bucket_number(hash, atomic_load_explicit(&rows->buckets, memory_order_acquire)));
    while (link == NULL);
    return link;
}

/* The last link in front of bucket `number`, which may be in the list or not. */
static struct link *bucket_before(struct rows *rows, size_t number)
{
    uint64_t order = key_order_of_hash(number);
    size_t parent = number & ~((size_t)1 << (63 - __builtin_clzll(number)));
    struct link *link = bucket(rows, parent), *next;

    while ((next = link_next(link)) != NULL && next->order < order)
        link = next;
    return link;
}

static bool segment_new(struct rows *rows, unsigned i)
{
    size_t size = sizeof(struct rows_segment) + segment_start(i) * sizeof(struct link);
    struct rows_segment *segment;

    if (i >= ROWS_SEGMENTS)
        return false;
    if (atomic_load_explicit(&rows->segments[i], memory_order_relaxed) != NULL)
        return true;
    segment = calloc(1, size);
    if (segment == NULL)
        return false;
    atomic_store_explicit(&rows->segments[i], segment, memory_order_release); /* bucket */
    atomic_fetch_add_explicit(&rows->bytes, size, memory_order_relaxed);
    return true;
}

/* Without memory chains become longer. */
static void bucket_add(struct rows *rows)
{
    size_t number = atomic_load_explicit(&rows->buckets, memory_order_relaxed);
    struct link *before, *link;

    if (number >= ROWS_BUCKETS_FIRST && !segment_new(rows, segment_of(number)))
        return;
    link = bucket(rows, number);
    if (link->order == 0) /* one that was there before has it still, and may have readers */
        link->order = key_order_of_hash(number);
    before = bucket_before(rows, number);
    link_set(link, link_next(before));
    link_set(before, link);
    atomic_store_explicit(&rows->buckets, number + 1, memory_order_release); /* bucket_for */
}

static bool segment_free(struct retired *retired)
{
    free(ANQA_CONTAINER_OF(retired, struct rows_segment, retired));
    return false;
}

static void segment_retire(anqa_rt *rt, struct rows *rows, unsigned i)
{
    struct rows_segment *segment = atomic_load_explicit(&rows->segments[i], memory_order_relaxed);

    if (segment == NULL)
        return;
    atomic_store_explicit(&rows->segments[i], NULL, memory_order_release); /* bucket */
    atomic_fetch_sub_explicit(&rows->bytes,
        sizeof *segment + segment_start(i) * sizeof(struct link), memory_order_relaxed);
    segment->retired.free_some = segment_free;
    qsbr_retire(rt, &segment->retired);
}

/* A reader that has found the bucket before goes on from where it stood in the list. */
static void bucket_drop(anqa_rt *rt, struct rows *rows)
{
    size_t number = atomic_load_explicit(&rows->buckets, memory_order_relaxed) - 1;
    struct link *before;
    unsigned i;

    atomic_store_explicit(&rows->buckets, number, memory_order_release); /* bucket_for */
    before = bucket_before(rows, number);
    link_set(before, link_next(bucket(rows, number)));
    if (number < ROWS_BUCKETS_FIRST)
        return;
    i = segment_of(number);
    if (number == segment_start(i) && i + 1 < ROWS_SEGMENTS)
        segment_retire(rt, rows, i + 1); /* one that is empty stays: the table may grow again */
}

/* ---------------------------------------------------------------- towers */

static _Atomic(struct row *) *tower(struct rows *rows, struct row *row, unsigned level)
{
    return row == NULL ? &rows->up[level - 1] : &row->up[level - 1];
}

static struct row *tower_next(struct rows *rows, struct row *row, unsigned level)
{
    return atomic_load_explicit(tower(rows, row, level), memory_order_acquire); /* tower_set */
}

static void tower_set(struct rows *rows, struct row *row, unsigned level, struct row *next)
{
    atomic_store_explicit(
        tower(rows, row, level), next, memory_order_release); /* pairs with tower_next */
}

/* Asks for the row that is looked at next if this one lies beyond the place: both come at once. */
static void prefetch_below(struct rows *rows, struct row *row, unsigned level)
{
    if (level > 1)
        __builtin_prefetch(tower_next(rows, row, level - 1));
    else
        __builtin_prefetch(link_next(row == NULL ? rows->first : &row->link));
}

/* The last link with a tower in front of a place. ret_before: may be NULL; of each level, NULL is the head. */
static struct link *tower_before(
    struct rows *rows, const struct rows_at *at, struct row *ret_before[ROWS_LEVELS])
{
    struct row *row = NULL, *next;

    for (unsigned level = ROWS_LEVELS - 1; level > 0; level--) {
        while ((next = tower_next(rows, row, level)) != NULL) {
            prefetch_below(rows, row, level);
            if (link_compare(rows, &next->link, at) >= 0)
                break;
            row = next;
        }
        if (ret_before != NULL)
            ret_before[level] = row;
    }
    return row == NULL ? rows->first : &row->link;
}

static unsigned random_height(struct rows *rows)
{
    uint64_t random =
        atomic_fetch_add_explicit(&rows->random, 0x9e3779b97f4a7c15u, memory_order_relaxed);
    unsigned zeros;

    random = (random ^ random >> 30) * 0xbf58476d1ce4e5b9u;
    random = (random ^ random >> 27) * 0x94d049bb133111ebu;
    random ^= random >> 31;
    zeros = (unsigned)__builtin_ctzll(random | (uint64_t)1 << 63);
    return zeros / 2 + 1 < ROWS_LEVELS ? zeros / 2 + 1 : ROWS_LEVELS;
}

/* ---------------------------------------------------------------- finding */

/*
 * The last link in front of a place. ret_next: the one behind it, NULL at the end, and how that compares (above 0 at the
 * end). Others may put something in between the two at once, so only this one is known not to lie before the place: who asks
 * the link in front for its next one again may get another. ret_towers as above.
 */
static struct link *before(struct rows *rows, const struct rows_at *at, struct link **ret_next,
    int *ret_compared, struct row *ret_towers[ROWS_LEVELS])
{
    struct link *link = rows->ordered ? tower_before(rows, at, ret_towers)
                                      : bucket_for(rows, key_hash_of_order(at->order));
    struct link *next;

    *ret_compared = 1;
    while ((next = link_next(link)) != NULL) {
        *ret_compared = link_compare(rows, next, at);
        if (*ret_compared >= 0)
            break;
        link = next;
    }
    *ret_next = next;
    return link;
}

struct row *rows_find(struct rows *rows, const struct rows_at *at)
{
    int compared;
    struct link *link;

    (void)before(rows, at, &link, &compared, NULL);
    if (link == NULL || (rows->unique && compared != 0) || link->order != at->order)
        return NULL;
    return rows->unique || row_has_key(rows, ROW_OF(link), at) ? ROW_OF(link) : NULL;
}

struct row *rows_from(struct rows *rows, const struct rows_at *at)
{
    int compared;
    struct link *link;

    if (at == NULL)
        return link_row(rows, link_next(rows->first));
    (void)before(rows, at, &link, &compared, NULL);
    return link_row(rows, link);
}

struct row *rows_before(struct rows *rows, const struct rows_at *at)
{
    int compared;
    struct link *next, *link = before(rows, at, &next, &compared, NULL);

    return link_is_row(rows, link) ? ROW_OF(link) : NULL;
}

struct row *rows_next(struct rows *rows, const struct row *row)
{
    return link_row(rows, link_next(&row->link));
}

struct row *rows_next_same(struct rows *rows, const struct row *row)
{
    struct link *link = link_next(&row->link);
    struct rows_at at = row_at(row);

    if (link == NULL || rows->unique || link->order != at.order)
        return NULL;
    return row_has_key(rows, ROW_OF(link), &at) ? ROW_OF(link) : NULL;
}

/* ---------------------------------------------------------------- putting in, taking out */

/* A place to put something into, and what is there. */
struct spot {
    struct link *before;
    struct row *row; /* NULL: the place is free */
    struct row *towers[ROWS_LEVELS];
};

static void spot_find(struct rows *rows, const struct rows_at *at, struct spot *ret_spot)
{
    int compared;
    struct link *next;

    *ret_spot = (struct spot){NULL};
    ret_spot->before = before(rows, at, &next, &compared, ret_spot->towers);
    ret_spot->row = compared == 0 ? ROW_OF(next) : NULL;
}

/* Puts `row`, or nothing, there. Level 0 first: that is where a row is, or is not. */
static void spot_set(struct rows *rows, const struct spot *spot, struct row *row)
{
    struct row *old = spot->row;
    struct link *next = link_next(old == NULL ? spot->before : &old->link);

    if (row != NULL)
        link_set(&row->link, next);
    link_set(spot->before, row == NULL ? next : &row->link);
    for (unsigned level = 1; rows->ordered && level < ROWS_LEVELS; level++) {
        bool had = old != NULL && level < old->height, has = row != NULL && level < row->height;
        struct row *above = tower_next(rows, had ? old : spot->towers[level], level);
        if (has)
            tower_set(rows, row, level, above);
        if (has || had)
            tower_set(rows, spot->towers[level], level, has ? row : above);
    }
}

static void count_change(struct rows *rows, const struct row *row, bool added)
{
    size_t sign = added ? 1 : (size_t)-1;

    atomic_fetch_add_explicit(&rows->count, sign, memory_order_relaxed);
    atomic_fetch_add_explicit(&rows->bytes, sign * row_size(row), memory_order_relaxed);
}

static size_t rows_count(struct rows *rows)
{
    return atomic_load_explicit(&rows->count, memory_order_relaxed);
}

static size_t buckets_count(struct rows *rows)
{
    return atomic_load_explicit(&rows->buckets, memory_order_relaxed);
}

struct row *rows_put(struct rows *rows, struct row *row)
{
    struct rows_at at;
    struct spot spot;

    row->seq = ++rows->seq;
    at = row_at(row);
    spot_find(rows, &at, &spot);
    if (spot.row != NULL)
        count_change(rows, spot.row, false);
    count_change(rows, row, true);
    spot_set(rows, &spot, row);
    if (!rows->ordered && rows_count(rows) > buckets_count(rows))
        bucket_add(rows);
    return spot.row;
}

void rows_remove(anqa_rt *rt, struct rows *rows, struct row *row)
{
    struct rows_at at = row_at(row);
    struct spot spot;

    spot_find(rows, &at, &spot);
    spot_set(rows, &spot, NULL);
    count_change(rows, row, false);
    for (int i = 0; i < 2 && !rows->ordered; i++)
        if (buckets_count(rows) > 1 && rows_count(rows) * 2 < buckets_count(rows))
            bucket_drop(rt, rows);
}

/* ---------------------------------------------------------------- life */

struct rows *rows_new(bool ordered, bool unique)
{
    struct rows *rows = calloc(1, sizeof *rows);

    if (rows == NULL)
        return NULL;
    rows->ordered = ordered;
    rows->unique = unique;
    atomic_init(&rows->buckets, 1);
    atomic_init(&rows->bytes, sizeof *rows);
    return rows;
}

static void rows_done(struct rows *rows)
{
    for (unsigned i = 0; i < ROWS_SEGMENTS; i++)
        free(atomic_load_explicit(&rows->segments[i], memory_order_relaxed));
    free(rows);
}

static bool rows_free_some(struct retired *retired)
{
    struct rows *rows = ANQA_CONTAINER_OF(retired, struct rows, retired);
    struct link *link = link_next(rows->first);

    for (unsigned i = 0; i < ROWS_PER_PART && link != NULL; i++) {
        struct link *next = link_next(link);
        if (link_is_row(rows, link))
            free(ROW_OF(link));
        link = next;
    }
    link_set(rows->first, link);
    if (link != NULL)
        return true;
    rows_done(rows);
    return false;
}

void rows_retire(anqa_rt *rt, struct rows *rows)
{
    rows->retired.free_some = rows_free_some;
    qsbr_retire(rt, &rows->retired);
}

void rows_free(struct rows *rows)
{
    while (rows_free_some(&rows->retired))
        ;
}

struct row *row_new(struct rows *rows, const struct rows_at *at, anqa_str bytes)
{
    unsigned height = rows->ordered ? random_height(rows) : 1;
    struct row shape = {.len = (uint32_t)bytes.len,
        .key_len = (uint16_t)(at->key.kind == ANQA_KEY_STR ? at->key.u.str.len : 0),
        .key_kind = (uint8_t)at->key.kind,
        .height = (uint8_t)height};
    struct row *row = calloc(1, row_size(&shape));

    if (row == NULL)
        return NULL;
    *row = shape;
    row->link.order = at->order;
    row_write(row, 0, bytes.ptr, bytes.len);
    row_key_write(row, at->key);
    return row;
}
