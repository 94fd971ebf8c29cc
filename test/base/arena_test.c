#include "harness.h"

#include "base/vec.h"

#include <anqa/arena.h>

#include <stdint.h>

static unsigned failures;
static size_t wanted_last;

static void count_failure(anqa_arena *arena, size_t wanted)
{
    failures++;
    wanted_last = wanted;
}

TEST(an_arena_takes_nothing_before_the_first_piece)
{
    anqa_arena arena;

    anqa_arena_init(&arena, 0);
    CHECK_EQ(arena.held, 0);
    anqa_arena_done(&arena);
    CHECK_EQ(arena.held, 0);
}

TEST(pieces_are_aligned_and_do_not_overlap)
{
    anqa_arena arena = {0};
    unsigned char *pieces[500];
    size_t sizes[500];

    for (size_t i = 0; i < ANQA_COUNT(pieces); i++) {
        sizes[i] = i % 50 == 0 ? 20000 + harness_random() % 90000 : 1 + harness_random() % 700;
        pieces[i] = anqa_arena_alloc(&arena, sizes[i]);
        CHECK(pieces[i] != NULL);
        CHECK_EQ((uintptr_t)pieces[i] % 16, 0, "piece %zu", i);
        memset(pieces[i], (int)(i & 0xff), sizes[i]);
    }
    for (size_t i = 0; i < ANQA_COUNT(pieces); i++)
        for (size_t j = 0; j < sizes[i]; j++)
            CHECK_EQ(pieces[i][j], (unsigned char)i, "piece %zu byte %zu", i, j);
    anqa_arena_done(&arena);
}

TEST(the_limit_is_kept_and_what_is_left_of_it_can_be_used)
{
    anqa_arena arena;
    size_t got = 0;

    anqa_arena_init(&arena, 10000);
    while (anqa_arena_alloc(&arena, 96) != NULL)
        got++;
    CHECK(arena.held <= 10000, "%zu", arena.held);
    CHECK(got >= 85, "%zu pieces of 96 in 10000",
        got); /* two blocks with a header, or a header a piece */
    CHECK(anqa_arena_alloc(&arena, 20000) == NULL);
    CHECK(anqa_arena_alloc(&arena, SIZE_MAX - 3) == NULL);
    anqa_arena_done(&arena);
}

TEST(on_fail_is_told_how_much_was_wanted)
{
    anqa_arena arena;

    anqa_arena_init(&arena, 4096);
    arena.on_fail = count_failure;
    CHECK(anqa_arena_alloc(&arena, 5000) == NULL);
    CHECK_EQ(failures, 1);
    CHECK_EQ(wanted_last, 5000);
    CHECK(anqa_arena_calloc(&arena, SIZE_MAX / 2, 3) == NULL);
    CHECK_EQ(failures, 2);
    CHECK(anqa_arena_alloc(&arena, 100) != NULL);
    CHECK_EQ(failures, 2);
    anqa_arena_done(&arena);
}

TEST(a_steady_user_stops_growing_after_the_first_round)
{
    anqa_arena arena = {0};
    size_t held = 0;

    for (int round = 0; round < 5; round++) {
        for (int i = 0; i < 30; i++)
            CHECK(anqa_arena_alloc(&arena, 100) != NULL);
        CHECK(round == 0 || arena.held == held, "round %d: %zu", round, arena.held);
        held = arena.held;
        anqa_arena_reset(&arena);
    }
#ifdef ANQA_ARENA_ASAN_
    CHECK_EQ(arena.held, 0);
#else
    CHECK_EQ(arena.held, held);
#endif
    anqa_arena_done(&arena);
    CHECK_EQ(arena.held, 0);
}

TEST(a_reset_keeps_no_block_of_a_big_piece)
{
    anqa_arena arena = {0};

    CHECK(anqa_arena_alloc(&arena, 1 << 20) != NULL);
    CHECK(anqa_arena_alloc(&arena, 10) != NULL);
    CHECK(anqa_arena_alloc(&arena, 1 << 20) != NULL);
    anqa_arena_reset(&arena);
    CHECK(arena.held <= 65536, "%zu", arena.held);
    CHECK(anqa_arena_alloc(&arena, 1 << 20) != NULL);
    anqa_arena_reset(&arena);
    CHECK(arena.held <= 65536, "%zu", arena.held);
    anqa_arena_done(&arena);
}

/* A reset that has nothing to do does nothing: so each that has must be told from it. */
TEST(a_reset_ends_whatever_was_taken_since_the_one_before)
{
    static const size_t sizes[] = {0, 1, 16, 4080, 4096, 20000, 65536, 1 << 20};
    anqa_arena arena = {0};
    size_t held;

    CHECK(anqa_arena_alloc(&arena, 16000) != NULL);
    for (size_t i = 0; i < 20; i++)
        CHECK(
            anqa_arena_alloc(&arena, 10000) != NULL); /* until blocks are as large as they become */
    anqa_arena_reset(&arena);
    held = arena.held;
    for (size_t i = 0; i < ANQA_COUNT(sizes); i++) {
        for (size_t n = 0; n < 3; n++) {
            const char *end = arena.end, *at = arena.at;
            for (size_t k = 0; k < n; k++)
                CHECK(anqa_arena_alloc(&arena, sizes[i]) != NULL);
            anqa_arena_reset(&arena);
            CHECK_EQ(arena.held, held, "%zu pieces of %zu", n, sizes[i]);
            CHECK(arena.at == at && arena.end == end, "%zu pieces of %zu", n, sizes[i]);
        }
    }
    anqa_arena_done(&arena);
}

TEST(calloc_clears_what_was_used_before)
{
    anqa_arena arena = {0};
    unsigned char *piece = anqa_arena_alloc(&arena, 300);

    memset(piece, 0xff, 300);
    anqa_arena_reset(&arena);
    piece = anqa_arena_calloc(&arena, 100, 3);
    for (size_t i = 0; i < 300; i++)
        CHECK_EQ(piece[i], 0);
    CHECK(anqa_arena_calloc(&arena, 0, 8) != NULL);
    CHECK(anqa_arena_calloc(&arena, SIZE_MAX, 2) == NULL);
    anqa_arena_done(&arena);
}

TEST(copies_and_printed_text_end_in_nul)
{
    anqa_arena arena = {0};

    CHECK_STR(anqa_arena_copy(&arena, "hello world", 5), "hello");
    CHECK_STR(anqa_arena_copy(&arena, NULL, 0), "");
    CHECK(anqa_arena_copy(&arena, "x", SIZE_MAX) == NULL);
    CHECK_STR(anqa_arena_printf(&arena, "%s-%d", "a", 42), "a-42");
    anqa_arena_done(&arena);
}

TEST(a_vector_keeps_its_elements_while_it_grows)
{
    anqa_arena arena = {0};
    ANQA_VEC(uint32_t) numbers = {0};

    for (uint32_t i = 0; i < 1000; i++) {
        uint32_t *n = ANQA_VEC_ADD(&numbers, &arena);
        CHECK(n != NULL);
        *n = i * 3;
    }
    CHECK_EQ(numbers.count, 1000);
    for (uint32_t i = 0; i < 1000; i++)
        CHECK_EQ(numbers.at[i], i * 3);
    anqa_arena_done(&arena);
}

TEST(a_vector_that_cannot_grow_is_unchanged)
{
    anqa_arena arena;
    ANQA_VEC(uint64_t) numbers = {0};
    uint64_t *n;
    size_t count;

    anqa_arena_init(&arena, 4096);
    while ((n = ANQA_VEC_ADD(&numbers, &arena)) != NULL)
        *n = numbers.count;
    count = numbers.count;
    CHECK(count >= 64 && count == numbers.capacity, "%zu of %zu", count, numbers.capacity);
    for (size_t i = 0; i < count; i++)
        CHECK_EQ(numbers.at[i], i + 1);
    anqa_arena_done(&arena);
}

TEST(every_failing_allocation_leaves_a_usable_arena)
{
    EACH_ALLOC_FAILURE {
        anqa_arena arena = {0};
        char *small = anqa_arena_copy(&arena, "abc", 3), *big = anqa_arena_alloc(&arena, 100000);
        CHECK(small == NULL || strcmp(small, "abc") == 0);
        if (big != NULL)
            memset(big, 1, 100000);
        anqa_arena_reset(&arena);
        anqa_arena_done(&arena);
    }
}

#ifdef ANQA_ARENA_ASAN_
TEST(a_step_over_the_end_of_a_piece_is_seen, .expect_exit = 1,
    .expect_stderr = "heap-buffer-overflow")
{
    anqa_arena arena = {0};
    volatile char *piece = anqa_arena_alloc(&arena, 10);

    piece[10] = 1;
}

TEST(a_use_after_the_reset_is_seen, .expect_exit = 1, .expect_stderr = "heap-use-after-free")
{
    anqa_arena arena = {0};
    volatile char *piece = anqa_arena_alloc(&arena, 10);

    anqa_arena_reset(&arena);
    piece[0] = 1;
}
#endif
