/*
 * The heap of a process: random work against a model, quotas, misuse, memory running out.
 */
#include "runtime/heap.h"

#include <stdlib.h>

#include "harness.h"

#if defined(__SANITIZE_ADDRESS__)
#define ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ASAN 1
#endif
#endif

static void *get(struct heap **heap, size_t size)
{
    void *piece = heap_alloc(heap, size, 0);

    CHECK(piece != NULL);
    CHECK_EQ((uintptr_t)piece % 16, 0, "size %zu", size);
    return piece;
}

static void *resize(struct heap **heap, void *piece, size_t size)
{
    bool foreign;
    void *moved = heap_realloc(heap, piece, size, 0, &foreign);

    CHECK(moved != NULL);
    CHECK(!foreign);
    CHECK_EQ((uintptr_t)moved % 16, 0, "size %zu", size);
    return moved;
}

/* ---------------------------------------------------------------- against a model */

/* Each piece is filled with a byte of its own: pieces that overlap overwrite each other. */
struct model {
    unsigned char *piece;
    size_t size;
    unsigned char fill;
};

static void check_filled(const struct model *m, size_t size)
{
    for (size_t i = 0; i < size; i++)
        CHECK_EQ(m->piece[i], m->fill, "byte %zu of %zu", i, m->size);
}

/* Mostly small, some of a few kilobytes, a few large. */
static size_t random_size(void)
{
    static const size_t limits[] = {64, 64, 200, 200, 600, 3000, 3000, 40000};

    return harness_random() % limits[harness_random() % ANQA_COUNT(limits)];
}

static void refill(struct model *m, size_t size)
{
    m->size = size;
    m->fill = (unsigned char)harness_random();
    memset(m->piece, m->fill, size);
}

static void random_step(struct heap **heap, struct model *m)
{
    size_t size = random_size();

    if (m->piece == NULL) {
        m->piece = get(heap, size);
        refill(m, size);
        return;
    }
    check_filled(m, m->size);
    if (harness_random() % 2 == 0) {
        CHECK(heap_free(*heap, m->piece));
        m->piece = NULL;
        return;
    }
    m->piece = resize(heap, m->piece, size);
    check_filled(m, size < m->size ? size : m->size);
    refill(m, size);
}

static size_t free_all(struct heap *heap, struct model *models, size_t count)
{
    size_t freed = 0;

    for (size_t i = 0; i < count; i++) {
        if (models[i].piece == NULL)
            continue;
        check_filled(&models[i], models[i].size);
        CHECK(heap_free(heap, models[i].piece));
        models[i].piece = NULL;
        freed++;
    }
    return freed;
}

TEST(random_work_matches_a_model)
{
    struct model models[200] = {{0}};
    struct heap *heap = NULL;

    for (unsigned round = 0; round < 5; round++) {
        for (unsigned step = 0; step < 8000; step++)
            random_step(&heap, &models[harness_random() % ANQA_COUNT(models)]);
        CHECK(heap_used(heap) > 0);
        CHECK(free_all(heap, models, ANQA_COUNT(models)) > 0);
        CHECK_EQ(heap_used(heap), 0);
        CHECK(heap_held(heap) <= 512, "%zu held with nothing in use", heap_held(heap));
    }
    heap_drop(&heap);
    CHECK(heap == NULL);
}

TEST(every_size_is_usable_to_its_end)
{
    struct heap *heap = NULL;
    unsigned char *before = NULL;

    for (size_t size = 0; size <= 5000; size++) {
        unsigned char *piece = get(&heap, size);
        memset(piece, (int)(size & 0xff), size);
        for (size_t i = 0; size > 0 && i < size - 1; i++)
            CHECK_EQ(before[i], (size - 1) & 0xff, "size %zu", size - 1);
        if (before != NULL)
            CHECK(heap_free(heap, before), "size %zu", size - 1);
        before = piece;
    }
    heap_drop(&heap);
}

/* ---------------------------------------------------------------- what it costs */

TEST(a_heap_begins_with_its_first_piece)
{
    struct heap *heap = NULL;

    CHECK_EQ(heap_used(heap), 0);
    CHECK_EQ(heap_held(heap), 0);
    heap_drop(&heap);
    CHECK(get(&heap, 1) != NULL);
    CHECK(heap != NULL);
    heap_drop(&heap);
    CHECK(heap == NULL);
}

#ifndef ASAN
TEST(a_small_state_takes_half_a_kilobyte)
{
    struct heap *heap = NULL;

    for (unsigned i = 0; i < 4; i++)
        CHECK(get(&heap, 50) != NULL);
    CHECK_EQ(heap_held(heap), 512);
    heap_drop(&heap);
}

TEST(many_small_pieces_cost_little_more_than_their_bytes)
{
    struct heap *heap = NULL;

    for (unsigned i = 0; i < 40000; i++)
        CHECK(get(&heap, 56) != NULL);
    CHECK_EQ(heap_used(heap), 40000 * 64);
    CHECK(heap_held(heap) < 40000 * 64 + (128 << 10), "%zu held", heap_held(heap));
    heap_drop(&heap);
}

TEST(freed_pieces_are_used_again)
{
    struct heap *heap = NULL;
    void *pieces[100];

    for (unsigned i = 0; i < ANQA_COUNT(pieces); i++)
        pieces[i] = get(&heap, 100);
    size_t held = heap_held(heap);
    for (unsigned round = 0; round < 1000; round++) {
        CHECK(heap_free(heap, pieces[round % ANQA_COUNT(pieces)]));
        pieces[round % ANQA_COUNT(pieces)] = get(&heap, 90 + round % 20);
    }
    CHECK_EQ(heap_held(heap), held);
    heap_drop(&heap);
}
#endif

TEST(large_pieces_go_back_to_the_system)
{
    struct heap *heap = NULL;
    void *small = get(&heap, 10);
    size_t held = heap_held(heap);
    void *large = get(&heap, 1 << 20);

    CHECK(heap_held(heap) >= held + (1 << 20));
    large = resize(&heap, large, 2 << 20);
    CHECK(heap_held(heap) >= held + (2 << 20));
    CHECK(heap_free(heap, large));
    CHECK_EQ(heap_held(heap), held);
    CHECK(heap_free(heap, small));
    CHECK_EQ(heap_used(heap), 0);
    heap_drop(&heap);
}

/* ---------------------------------------------------------------- quota */

TEST(the_quota_bounds_what_is_held)
{
    enum { QUOTA = 100 << 10 };
    static void *pieces[10000];
    struct heap *heap = NULL;
    size_t count = 0;

    for (void *piece; (piece = heap_alloc(&heap, 40, QUOTA)) != NULL; count++) {
        CHECK(count < ANQA_COUNT(pieces));
        pieces[count] = piece;
        CHECK(heap_held(heap) <= QUOTA);
    }
    CHECK(heap_held(heap) > QUOTA - 200, "%zu held",
        heap_held(heap)); /* the last chunk is cut to what fits */
    CHECK(heap_alloc(&heap, 5000, QUOTA) == NULL);
    CHECK(heap_free(heap, pieces[count / 2]));
    pieces[count / 2] = heap_alloc(&heap, 40, QUOTA);
    CHECK(pieces[count / 2] != NULL);
    CHECK(heap_alloc(&heap, 40, QUOTA) == NULL);
    CHECK(heap_alloc(&heap, 40, 0) != NULL);
    heap_drop(&heap);
}

TEST(a_quota_too_small_for_anything_makes_no_heap)
{
    struct heap *heap = NULL;

    CHECK(heap_alloc(&heap, 1, 1) == NULL);
    CHECK(heap == NULL);
    CHECK(heap_alloc(&heap, 10000, 1000) == NULL);
    CHECK(heap == NULL);
    CHECK(heap_alloc(&heap, SIZE_MAX, 0) == NULL);
    CHECK(heap_alloc(&heap, SIZE_MAX - 20, 1 << 20) == NULL);
    CHECK(heap == NULL);
}

#ifndef ASAN
/* What was freed in other sizes is in the heap's hands, and the quota lets it get no more. */
TEST(a_heap_that_may_not_grow_gives_out_larger_pieces)
{
    enum { QUOTA = 20 << 10 };
    struct heap *heap = NULL;
    void *pieces[100];
    size_t count = 0;

    while (count < ANQA_COUNT(pieces) && (pieces[count] = heap_alloc(&heap, 500, QUOTA)) != NULL)
        count++;
    while (heap_alloc(&heap, 1, QUOTA) != NULL)
        continue;
    CHECK(heap_free(heap, pieces[0]));
    char *smaller = heap_alloc(&heap, 300, QUOTA);
    CHECK(smaller == pieces[0]);
    CHECK(heap_alloc(&heap, 300, QUOTA) == NULL);
    CHECK(heap_free(heap, smaller));
    heap_drop(&heap);
}
#endif

TEST(shrinking_never_fails_and_growing_over_the_quota_changes_nothing)
{
    static const size_t sizes[] = {100, 2000, 5000, 100000};
    bool foreign;

    for (size_t i = 0; i < ANQA_COUNT(sizes); i++) {
        struct heap *heap = NULL;
        char *piece = get(&heap, sizes[i]);
        size_t quota = heap_held(heap), used = heap_used(heap);

        memset(piece, 0x77, sizes[i]);
        CHECK(heap_realloc(&heap, piece, sizes[i] + 200000, quota, &foreign) == NULL);
        CHECK(!foreign);
        CHECK_EQ(heap_used(heap), used);
        CHECK_EQ(heap_held(heap), quota);
        piece = heap_realloc(&heap, piece, sizes[i] / 3, quota, &foreign);
        CHECK(piece != NULL, "size %zu", sizes[i]);
        for (size_t at = 0; at < sizes[i] / 3; at++)
            CHECK_EQ(piece[at], 0x77);
        CHECK(heap_free(heap, piece));
        CHECK_EQ(heap_used(heap), 0);
        heap_drop(&heap);
    }
}

/* ---------------------------------------------------------------- misuse */

/* AddressSanitizer reports these itself, and ends the program. */
#ifndef ASAN
TEST(a_second_free_is_refused)
{
    static const size_t sizes[] = {1, 100, 1000, 2040};
    struct heap *heap = NULL;

    for (size_t i = 0; i < ANQA_COUNT(sizes); i++) {
        void *kept = get(&heap, sizes[i]), *piece = get(&heap, sizes[i]);
        bool foreign;

        CHECK(heap_free(heap, piece));
        CHECK(!heap_free(heap, piece), "size %zu", sizes[i]);
        CHECK(heap_realloc(&heap, piece, 5, 0, &foreign) == NULL);
        CHECK(foreign);
        CHECK(heap_free(heap, kept));
    }
    heap_drop(&heap);
}

TEST(a_write_past_the_end_is_noticed_when_the_neighbour_is_freed)
{
    struct heap *heap = NULL;
    volatile char *piece = get(&heap, 24);
    char *neighbour = get(&heap, 24);

    CHECK(neighbour == piece + 32);
    piece[24] = 'x';
    CHECK(!heap_free(heap, neighbour));
    heap_drop(&heap);
}

TEST(a_piece_of_another_heap_is_refused)
{
    struct heap *heap = NULL, *other = NULL;
    void *piece = get(&heap, 64), *foreign = get(&other, 64), *large = get(&other, 64 << 10);
    char inside[64] __attribute__((aligned(16))) = {0};

    CHECK(!heap_free(heap, foreign));
    CHECK(!heap_free(heap, large));
    CHECK(!heap_free(heap, inside + 16));
    CHECK(!heap_free(heap, (char *)piece + 16));
    CHECK(!heap_free(heap, (char *)piece + 1));
    CHECK(!heap_free(NULL, piece));
    CHECK(heap_free(other, foreign));
    CHECK(heap_free(other, large));
    CHECK(heap_free(heap, piece));
    heap_drop(&heap);
    heap_drop(&other);
}
#else
TEST(a_second_free_is_reported, .expect_exit = 1, .expect_stderr = "heap-use-after-free")
{
    struct heap *heap = NULL;
    void *piece = get(&heap, 24);

    CHECK(heap_free(heap, piece));
    CHECK(!heap_free(heap, piece));
}

TEST(a_write_past_the_end_is_reported, .expect_exit = 1, .expect_stderr = "heap-buffer-overflow")
{
    struct heap *heap = NULL;
    volatile char *piece = get(&heap, 24);

    piece[24] = 'x';
}
#endif

/* ---------------------------------------------------------------- no memory */

TEST(without_memory_it_says_so_and_goes_on)
{
    EACH_ALLOC_FAILURE {
        struct heap *heap = NULL;
        char *small = heap_alloc(&heap, 100, 0);
        char *large = heap_alloc(&heap, 100000, 0);
        bool foreign;

        if (large != NULL) {
            memset(large, 1, 100000);
            char *moved = heap_realloc(&heap, large, 200000, 0, &foreign);
            large = moved != NULL ? moved : large;
            CHECK_EQ(large[99999], 1);
            large = heap_realloc(&heap, large, 50, 0, &foreign);
            CHECK(large != NULL);
            CHECK_EQ(large[49], 1);
            CHECK(heap_free(heap, large));
        }
        for (unsigned i = 0; i < 20; i++) {
            void *piece = heap_alloc(&heap, 300, 0);
            if (piece != NULL)
                memset(piece, 2, 300);
        }
        if (small != NULL)
            CHECK(heap_free(heap, small));
        heap_drop(&heap);
    }
}
