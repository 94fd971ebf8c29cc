#include "harness.h"

#include <anqa/buf.h>

#include "base/buf_meter.h"

#include <pthread.h>

TEST(a_copy_holds_the_bytes_and_not_the_source)
{
    char source[] = "hello";
    anqa_buf buf;

    CHECK_STATUS(anqa_buf_copy(source, 5, &buf), ANQA_OK);
    source[0] = 'j';
    CHECK_STR(anqa_buf_str(buf), "hello");
    anqa_buf_unref(buf);
}

TEST(an_empty_copy_needs_no_block)
{
    anqa_buf buf;

    CHECK_STATUS(anqa_buf_copy(NULL, 0, &buf), ANQA_OK);
    CHECK_EQ(buf.len, 0);
    CHECK(buf.block == NULL && buf.ptr != NULL);
    anqa_buf_unref(buf);
}

static const struct {
    size_t from, len;
    const char *slice;
} slices[] = {
    {0, 5, "hello"},
    {1, 3, "ell"},
    {3, 100, "lo"},
    {5, 1, ""},
    {6, 1, ""},
    {SIZE_MAX, SIZE_MAX, ""},
    {2, 0, ""},
    {1, SIZE_MAX, "ello"},
};

TEST(a_slice_is_cut_to_what_is_there)
{
    anqa_buf buf = anqa_buf_static("hello", 5);

    for (size_t i = 0; i < ANQA_COUNT(slices); i++)
        CHECK_STR(anqa_buf_str(anqa_buf_slice(buf, slices[i].from, slices[i].len)), slices[i].slice,
            "row %zu", i);
    CHECK_EQ(anqa_buf_slice((anqa_buf){0}, 0, 3).len, 0);
}

TEST(a_slice_keeps_the_whole_alive)
{
    anqa_buf buf, slice;
    char *bytes;

    CHECK_STATUS(anqa_buf_new(6, &buf, &bytes), ANQA_OK);
    memcpy(bytes, "abcdef", 6);
    slice = anqa_buf_ref(anqa_buf_slice(buf, 2, 2));
    anqa_buf_unref(buf);
    CHECK_STR(anqa_buf_str(slice), "cd");
    anqa_buf_unref(slice);
}

TEST(a_size_that_overflows_is_refused)
{
    anqa_buf buf;
    char *bytes;

    CHECK_STATUS(anqa_buf_new(SIZE_MAX, &buf, &bytes), ANQA_E_NOMEM);
    CHECK_STATUS(anqa_buf_new(SIZE_MAX - 7, &buf, &bytes), ANQA_E_NOMEM);
}

static void *ref_and_unref(void *shared)
{
    anqa_buf buf = *(anqa_buf *)shared;

    for (int i = 0; i < 20000; i++) {
        anqa_buf mine = anqa_buf_ref(buf);
        CHECK_EQ(mine.ptr[3], 'l');
        anqa_buf_unref(mine);
    }
    anqa_buf_unref(buf); /* the count this thread was given */
    return NULL;
}

TEST(threads_share_a_buf_and_the_last_one_frees_it)
{
    pthread_t threads[4];
    anqa_buf buf;

    CHECK_STATUS(anqa_buf_copy("hello", 5, &buf), ANQA_OK);
    for (size_t i = 0; i < ANQA_COUNT(threads); i++) {
        anqa_buf_ref(buf);
        CHECK_EQ(pthread_create(&threads[i], NULL, ref_and_unref, &buf), 0);
    }
    for (size_t i = 0; i < ANQA_COUNT(threads); i++)
        pthread_join(threads[i], NULL);
    CHECK_STR(anqa_buf_str(buf), "hello");
    anqa_buf_unref(buf);
}

TEST(a_failing_allocation_is_a_status)
{
    size_t failed = 0;

    EACH_ALLOC_FAILURE {
        anqa_buf buf;
        anqa_status s = anqa_buf_copy("x", 1, &buf);
        CHECK(s == ANQA_OK || s == ANQA_E_NOMEM);
        failed += s != ANQA_OK;
        if (s == ANQA_OK)
            anqa_buf_unref(buf);
    }
    CHECK_EQ(failed, 1);
}

TEST(a_meter_is_charged_until_the_last_lets_go)
{
    struct buf_meter *meter = buf_meter_new(1000, NULL);
    anqa_buf buf, other;
    char *bytes;

    CHECK(meter != NULL);
    CHECK_STATUS(buf_new_metered(meter, 500, 100, &buf, &bytes), ANQA_OK);
    CHECK_EQ((uintptr_t)bytes % 16, 0u);
    CHECK_EQ(buf_meter_held(meter), 600u);
    CHECK_STATUS(buf_new_metered(meter, 401, 0, &other, &bytes), ANQA_E_LIMIT);
    CHECK_STATUS(buf_new_metered(meter, SIZE_MAX / 4, 100, &other, &bytes), ANQA_E_LIMIT);
    CHECK_STATUS(buf_new_metered(meter, 300, 100, &other, &bytes), ANQA_OK);
    CHECK_EQ(buf_meter_held(meter), 1000u);
    anqa_buf_ref(buf);
    anqa_buf_unref(buf);
    CHECK_EQ(buf_meter_held(meter), 1000u);
    anqa_buf_unref(buf);
    CHECK_EQ(buf_meter_held(meter), 400u);
    buf_meter_unref(meter); /* the buf has it still */
    anqa_buf_unref(other);
}

TEST(of_a_group_of_meters_each_leaves_room_to_the_others)
{
    struct buf_meter *all = buf_meter_new(1000, NULL), *one = buf_meter_new(600, all),
                     *other = buf_meter_new_beside(one), *third = buf_meter_new_beside(other);
    anqa_buf bufs[4];
    char *bytes;

    CHECK(all != NULL && one != NULL && other != NULL && third != NULL);
    CHECK_STATUS(buf_new_metered(one, 300, 0, &bufs[0], &bytes), ANQA_OK);
    CHECK_STATUS(buf_new_metered(one, 301, 0, &bufs[1], &bytes), ANQA_E_LIMIT); /* its own */
    CHECK_STATUS(buf_new_metered(one, 200, 0, &bufs[1], &bytes), ANQA_OK);
    CHECK_EQ(buf_meter_held(one), 500u);
    CHECK_EQ(buf_meter_held(all), 500u);
    CHECK_STATUS(buf_new_metered(one, 1, 0, &bufs[2], &bytes), ANQA_E_LIMIT); /* as much is free */
    CHECK_STATUS(buf_new_metered(other, 250, 0, &bufs[2], &bytes), ANQA_OK);
    CHECK_STATUS(buf_new_metered(other, 1, 0, &bufs[3], &bytes), ANQA_E_LIMIT);
    CHECK_STATUS(buf_new_metered(third, 125, 0, &bufs[3], &bytes), ANQA_OK);
    CHECK_EQ(buf_meter_held(all), 875u);
    buf_meter_unref(all); /* those of the group have it still, and the bufs these */
    buf_meter_unref(one);
    buf_meter_unref(third);
    anqa_buf_unref(bufs[0]);
    anqa_buf_unref(bufs[1]);
    anqa_buf_unref(bufs[3]);
    CHECK_STATUS(buf_new_metered(other, 250, 0, &bufs[0], &bytes), ANQA_OK);
    CHECK_EQ(buf_meter_held(other), 500u);
    buf_meter_unref(other);
    anqa_buf_unref(bufs[2]);
    anqa_buf_unref(bufs[0]);
}

TEST(without_a_meter_nobody_is_charged)
{
    anqa_buf buf;
    char *bytes;

    CHECK_STATUS(buf_new_metered(NULL, 5, 100, &buf, &bytes), ANQA_OK);
    CHECK_EQ(buf.len, 5u);
    anqa_buf_unref(buf);
    buf_meter_unref(NULL);
}
