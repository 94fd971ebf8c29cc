/* Shared tables: many schedulers at once. What is checked is what no reader and no writer may ever see. */
#include "table_support.h"

#include <stdatomic.h>

enum { WORKERS = 4 };

#define TIMES (10000 / (int)harness_slowness())

static anqa_table shared;
static _Atomic(unsigned) writers_left;
static _Atomic(int64_t) total;

static anqa_rt *begin_wide(void)
{
    anqa_options options = {.schedulers = WORKERS, .watchdog_ms = ANQA_INFINITY};
    anqa_error err;
    anqa_rt *rt;

    anqa_log_set_level(ANQA_LOG_NONE);
    CHECK_STATUS(anqa_start(&options, &rt, &err), ANQA_OK, "%s", err.text);
    CHECK_STATUS(anqa_attach(rt, &err), ANQA_OK, "%s", err.text);
    return rt;
}

struct worker {
    void (*run)(unsigned number);
    unsigned number;
    bool writes;
};

static void worker_run(void *state)
{
    const struct worker *worker = state;

    worker->run(worker->number);
    if (worker->writes)
        atomic_fetch_sub(&writers_left, 1);
}

static anqa_ref start(void (*run)(unsigned number), unsigned number, bool writes)
{
    struct worker worker = {run, number, writes};
    anqa_spawn_opts opts = {.run = worker_run,
        .arg = &worker,
        .arg_size = sizeof worker,
        .scheduler = (uint16_t)(number % WORKERS + 1),
        .pinned = true,
        .monitor = true};
    anqa_ref ref;

    CHECK_STATUS(anqa_spawn(&opts, NULL, &ref), ANQA_OK);
    return ref;
}

static void wait_for(anqa_ref ref)
{
    const anqa_msg *msg = anqa_receive_ref(ref, 60000 * harness_slowness());

    CHECK(msg != NULL);
    CHECK_EQ(anqa_reason_get_kind(msg->u.reason), ANQA_REASON_NORMAL);
}

/* Both at once, half of the workers each, and this thread, which is no scheduler's, reads too. Readers go on until the
 * writers are through. */
static void run_against(void (*write)(unsigned number), void (*read)(unsigned number))
{
    anqa_ref refs[WORKERS];

    atomic_store(&writers_left, WORKERS / 2);
    for (unsigned i = 0; i < WORKERS; i++)
        refs[i] = start(i % 2 == 0 ? write : read, i, i % 2 == 0);
    read(WORKERS);
    for (unsigned i = 0; i < WORKERS; i++)
        wait_for(refs[i]);
}

static void run_all(void (*write)(unsigned number))
{
    anqa_ref refs[WORKERS];

    for (unsigned i = 0; i < WORKERS; i++)
        refs[i] = start(write, i, false);
    for (unsigned i = 0; i < WORKERS; i++)
        wait_for(refs[i]);
}

static bool writers_are_there(void)
{
    anqa_yield();
    return atomic_load(&writers_left) > 0;
}

static uint64_t step(uint64_t *random)
{
    *random ^= *random << 13;
    *random ^= *random >> 7;
    return *random ^= *random << 17;
}

/* ---------------------------------------------------------------- whole rows */

enum { FEW = 16 };

static void write_mirrors(unsigned number_)
{
    uint64_t random = number_ * 2 + 1;

    for (int64_t i = 0; i < TIMES; i++) {
        anqa_key key = number((int64_t)(step(&random) % FEW));
        if (step(&random) % 4 == 0)
            CHECK_STATUS(anqa_table_delete(shared, key), ANQA_OK);
        else
            put_pair(shared, key, i, ~i);
        if (i % 16 == 0)
            anqa_yield();
    }
}

static bool is_mirror(const anqa_table_entry *entry, void *arg)
{
    struct pair pair;

    memcpy(&pair, entry->row.ptr, sizeof pair);
    CHECK_EQ(pair.a, ~pair.b);
    return true;
}

static void read_mirrors(unsigned number_)
{
    while (writers_are_there()) {
        for (int64_t i = 0; i < FEW; i++) {
            struct pair pair;
            if (anqa_table_lookup(shared, number(i), &pair) == ANQA_OK)
                CHECK_EQ(pair.a, ~pair.b);
        }
        CHECK_STATUS(anqa_table_fold(shared, NULL, is_mirror, NULL), ANQA_OK);
    }
}

TEST(readers_see_the_rows_of_one_insert)
{
    anqa_rt *rt = begin_wide();

    EACH_TYPE (type, all_types) {
        shared = table_made(PAIRS(.type = *type, .access = ANQA_TABLE_PUBLIC));
        run_against(write_mirrors, read_mirrors);
        CHECK_STATUS(anqa_table_free(shared), ANQA_OK);
    }
    end(rt);
}

/* Takes so long to copy that others write meanwhile. */
struct wide {
    int64_t n[400];
};

static void write_wide(unsigned number_)
{
    struct wide wide;

    for (int64_t i = 0; i < TIMES; i++) {
        for (size_t j = 0; j < ANQA_COUNT(wide.n); j++)
            wide.n[j] = i;
        CHECK_STATUS(anqa_table_insert(shared, number(i % 2), &wide), ANQA_OK);
        if (i % 16 == 0)
            anqa_yield();
    }
}

static void read_wide(unsigned number_)
{
    struct wide wide;

    for (int64_t i = 0; writers_are_there(); i++) {
        CHECK_STATUS(anqa_table_lookup(shared, number(i % 2), &wide), ANQA_OK);
        for (size_t j = 1; j < ANQA_COUNT(wide.n); j++)
            CHECK_EQ(wide.n[j], wide.n[0]);
    }
}

TEST(readers_see_whole_rows_only)
{
    anqa_rt *rt = begin_wide();

    EACH_TYPE (type, unique_types) {
        static const struct wide zeroes;
        shared = table_made((anqa_table_spec){.name = "wide",
            .type = *type,
            .access = ANQA_TABLE_PUBLIC,
            .row_size = sizeof(struct wide)});
        for (int64_t i = 0; i < 2; i++)
            CHECK_STATUS(anqa_table_insert(shared, number(i), &zeroes), ANQA_OK);
        run_against(write_wide, read_wide);
    }
    end(rt);
}

/* ---------------------------------------------------------------- counters */

static void count_up(unsigned number_)
{
    const struct pair none = {0, 0};
    const anqa_table_counter both[] = {
        {.at = offsetof(struct pair, a), .add = 1}, {.at = offsetof(struct pair, b), .add = -1}};
    int64_t values[2];

    for (int64_t i = 0; i < TIMES; i++) {
        CHECK_STATUS(
            anqa_table_update_counters(shared, number(i % 3), both, 2, &none, values), ANQA_OK);
        CHECK_EQ(values[0], -values[1]);
        if (i % 16 == 0)
            anqa_yield();
    }
}

TEST(counters_add_up)
{
    anqa_rt *rt = begin_wide();

    EACH_TYPE (type, unique_types) {
        int64_t sum = 0;
        shared = table_made(PAIRS(.type = *type, .access = ANQA_TABLE_PUBLIC));
        run_all(count_up);
        for (int64_t i = 0; i < 3; i++) {
            sum += pair_at(shared, number(i)).a;
            CHECK_EQ(pair_at(shared, number(i)).a, -pair_at(shared, number(i)).b);
        }
        CHECK_EQ(sum, WORKERS * TIMES);
    }
    end(rt);
}

static void count_or_take(unsigned number_)
{
    const struct pair none = {0, 0};
    const anqa_table_counter up = {.at = offsetof(struct pair, a), .add = 1};

    for (int64_t i = 0; i < TIMES; i++) {
        struct pair pair;
        if (number_ == 0 && anqa_table_take(shared, number(0), &pair) == ANQA_OK)
            atomic_fetch_add(&total, pair.a);
        else if (number_ != 0)
            CHECK_STATUS(
                anqa_table_update_counters(shared, number(0), &up, 1, &none, NULL), ANQA_OK);
        if (i % 16 == 0)
            anqa_yield();
    }
}

TEST(no_step_of_a_counter_is_lost_when_its_row_is_taken_out)
{
    anqa_rt *rt = begin_wide();

    EACH_TYPE (type, unique_types) {
        struct pair left;
        atomic_store(&total, 0);
        shared = table_made(PAIRS(.type = *type, .access = ANQA_TABLE_PUBLIC));
        run_all(count_or_take);
        if (anqa_table_take(shared, number(0), &left) == ANQA_OK)
            atomic_fetch_add(&total, left.a);
        CHECK_EQ(atomic_load(&total), (WORKERS - 1) * TIMES);
    }
    end(rt);
}

/* ---------------------------------------------------------------- several rows at once */

static void write_together(unsigned number_)
{
    for (int64_t i = 0; i < TIMES; i++) {
        struct pair pair = {i, 0};
        anqa_table_entry rows[FEW];
        if (number_ != 0)
            return; /* one counts up, so that later means more */
        for (int64_t key = 0; key < FEW; key++)
            rows[key] =
                (anqa_table_entry){number(FEW - 1 - key), {(const char *)&pair, sizeof pair}};
        CHECK_STATUS(anqa_table_insert_all(shared, rows, FEW), ANQA_OK);
        if (i % 16 == 0)
            anqa_yield();
    }
}

static bool all_alike(const anqa_table_entry *entry, void *arg)
{
    struct pair pair;
    int64_t *first = arg;

    memcpy(&pair, entry->row.ptr, sizeof pair);
    if (*first < 0)
        *first = pair.a;
    CHECK_EQ(pair.a, *first);
    return true;
}

/* The row that is written first is seen by a look-up or by a change, the one that is written last after it. */
static void read_together(unsigned number_)
{
    for (int i = 0; writers_are_there(); i++) {
        int64_t early, all = -1;
        anqa_status status =
            i % 2 == 0 ? anqa_table_lookup_element(shared, number(FEW - 1), 0, &early, sizeof early)
                       : anqa_table_update_counter(shared, number(FEW - 1), 0, 0, &early);
        if (status == ANQA_OK)
            CHECK(pair_at(shared, number(0)).a >= early);
        CHECK_STATUS(anqa_table_fold(shared, NULL, all_alike, &all), ANQA_OK);
    }
}

TEST(who_sees_one_row_of_a_list_sees_all_of_them)
{
    anqa_rt *rt = begin_wide();

    EACH_TYPE (type, unique_types) {
        shared = table_made(PAIRS(.type = *type, .access = ANQA_TABLE_PUBLIC));
        run_against(write_together, read_together);
    }
    end(rt);
}

/* ---------------------------------------------------------------- neighbours */

/* Odd keys come and go, even ones stay. */
static void change_neighbours(unsigned number_)
{
    uint64_t random = number_ * 2 + 1;

    for (int64_t i = 0; i < TIMES * 5; i++) {
        anqa_key key = number((int64_t)(step(&random) % FEW) | 1);
        if (step(&random) % 2 == 0)
            put_pair(shared, key, i, 0);
        else
            CHECK_STATUS(anqa_table_delete(shared, key), ANQA_OK);
        if (i % 64 == 0)
            anqa_yield();
    }
}

static void find_what_stays(unsigned number_)
{
    while (writers_are_there())
        for (int64_t i = 0; i < FEW; i += 2)
            for (int again = 0; again < 100; again++)
                CHECK_EQ(pair_at(shared, number(i)).a, i);
}

TEST(a_row_that_stays_is_found_while_its_neighbours_come_and_go)
{
    anqa_rt *rt = begin_wide();

    EACH_TYPE (type, unique_types) {
        shared = table_made(PAIRS(.type = *type, .access = ANQA_TABLE_PUBLIC));
        for (int64_t i = 0; i < FEW; i += 2)
            put_pair(shared, number(i), i, 0);
        run_against(change_neighbours, find_what_stays);
    }
    end(rt);
}

/* ---------------------------------------------------------------- each row once */

enum { STAYING = 400 };

static void come_and_go(unsigned number_)
{
    uint64_t random = number_ * 2 + 1;

    for (int64_t i = 0; i < TIMES * 3; i++) {
        int64_t key = STAYING + (int64_t)(step(&random) % (2 * STAYING));
        if (step(&random) % 2 == 0)
            put_pair(shared, number(key * 7919), key, 0);
        else
            CHECK_STATUS(anqa_table_delete(shared, number(key * 7919)), ANQA_OK);
        if (i % 16 == 0)
            anqa_yield();
    }
}

struct sight {
    uint8_t times[3 * STAYING];
};

static bool see(const anqa_table_entry *entry, void *arg)
{
    struct sight *sight = arg;

    sight->times[entry->key.u.integer / 7919]++;
    return true;
}

static void walk_through(unsigned number_)
{
    while (writers_are_there()) {
        struct sight sight = {{0}};
        CHECK_STATUS(anqa_table_fold(shared, NULL, see, &sight), ANQA_OK);
        for (int i = 0; i < 3 * STAYING; i++)
            CHECK(i < STAYING ? sight.times[i] == 1 : sight.times[i] <= 1, "%d", i);
    }
}

TEST(a_walk_sees_each_row_that_stays_once_while_others_write)
{
    anqa_rt *rt = begin_wide();

    EACH_TYPE (type, unique_types) {
        shared = table_made(PAIRS(.type = *type, .access = ANQA_TABLE_PUBLIC));
        for (int64_t i = 0; i < STAYING; i++)
            put_pair(shared, number(i * 7919), i, 0);
        run_against(come_and_go, walk_through);
    }
    end(rt);
}

static void take_what_is_there(unsigned number_)
{
    for (int64_t i = 0; i < TIMES; i++) {
        struct pair pair;
        if (number_ % 2 == 0) {
            int64_t key = i * WORKERS + number_;
            CHECK_STATUS(anqa_table_insert_new(shared, number(key), &(struct pair){1, 0}), ANQA_OK);
        }
        for (int64_t other = 0; other < WORKERS; other += 2)
            if (anqa_table_take(shared, number(i * WORKERS + other), &pair) == ANQA_OK)
                atomic_fetch_add(&total, pair.a);
        if (i % 16 == 0)
            anqa_yield();
    }
}

TEST(a_row_is_taken_by_one_only)
{
    anqa_rt *rt = begin_wide();

    EACH_TYPE (type, unique_types) {
        atomic_store(&total, 0);
        shared = table_made(PAIRS(.type = *type, .access = ANQA_TABLE_PUBLIC));
        run_all(take_what_is_there);
        CHECK_EQ((uint64_t)atomic_load(&total) + info_of(shared).rows, WORKERS / 2 * TIMES);
    }
    end(rt);
}

/* ---------------------------------------------------------------- growing and emptying */

static void fill_and_empty(unsigned number_)
{
    for (int64_t i = 0; i < TIMES * 2; i++) {
        put_pair(shared, number(i * WORKERS + number_), i, ~i);
        if (i % 700 == 699)
            CHECK_STATUS(anqa_table_delete_all_objects(shared), ANQA_OK);
        if (i % 16 == 0)
            anqa_yield();
    }
    for (int64_t i = 0; i < TIMES * 2; i++)
        CHECK_STATUS(anqa_table_delete(shared, number(i * WORKERS + number_)), ANQA_OK);
}

TEST(tables_grow_shrink_and_are_emptied_under_their_readers)
{
    anqa_rt *rt = begin_wide();

    EACH_TYPE (type, all_types) {
        shared = table_made(PAIRS(.type = *type, .access = ANQA_TABLE_PUBLIC));
        run_against(fill_and_empty, read_mirrors);
        CHECK_EQ(info_of(shared).rows, 0);
    }
    end(rt);
}

/* ---------------------------------------------------------------- owners that die */

static void own_for_a_moment(void *state)
{
    anqa_table_spec spec = PAIRS(.named = true, .type = ANQA_TABLE_ORDERED_SET);
    anqa_table table;
    anqa_status status = anqa_table_new(&spec, &table);

    CHECK(status == ANQA_OK || status == ANQA_E_EXISTS);
    for (int64_t i = 0; i < 100 && status == ANQA_OK; i++)
        put_pair(table, number(i), i, ~i);
    anqa_yield();
}

static void make_owners(unsigned number_)
{
    for (int i = 0; i < TIMES / 20; i++) {
        anqa_spawn_opts opts = {.run = own_for_a_moment, .monitor = true};
        anqa_pid pid;
        anqa_ref ref;
        CHECK_STATUS(anqa_spawn(&opts, &pid, &ref), ANQA_OK);
        if (i % 2 == 0)
            anqa_exit_signal(pid, ANQA_KILL);
        CHECK(anqa_receive_ref(ref, ANQA_INFINITY) != NULL);
    }
}

static void read_the_named(unsigned number_)
{
    while (writers_are_there()) {
        anqa_table table = anqa_table_whereis("pairs");
        anqa_status status;
        struct pair pair;
        for (int64_t i = 0; i < 100; i++)
            if (anqa_table_lookup(table, number(i), &pair) == ANQA_OK)
                CHECK_EQ(pair.a, ~pair.b);
        status = anqa_table_fold(table, NULL, is_mirror, NULL);
        CHECK(status == ANQA_OK || status == ANQA_E_CLOSED);
    }
}

TEST(readers_of_a_table_whose_owner_dies_see_rows_or_that_it_is_closed)
{
    anqa_rt *rt = begin_wide();
    anqa_table *tables;
    size_t count;

    run_against(make_owners, read_the_named);
    anqa_table_all(&tables, &count);
    CHECK_EQ(count, 0);
    end(rt);
}
