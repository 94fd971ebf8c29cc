/* Presence on several nodes, each a runtime of its own. */
#include "pubsub/mesh.h"

#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define T "room:a"

static const anqa_presence presence = {.name = "presence",
    .broadcast_period_ms = 20,
    .max_silent_periods = 5,
    .permdown_period_ms = 60000};
static const anqa_presence leaving = {.name = "leaving",
    .broadcast_period_ms = 20,
    .max_silent_periods = 5,
    .down_period_ms = 60000,
    .permdown_period_ms = 100000,
    .permdown_on_shutdown = true,
    .shards = 3};

/* A process of a node that has started both, and tracks itself when it is told; "quit" ends it. */
static void start(void *arg)
{
    anqa_pid pid;

    ANQA_REQUIRE(
        anqa_gen_server_start(&anqa_presence_server, &presence, NULL, &pid, NULL) == ANQA_OK);
    ANQA_REQUIRE(
        anqa_gen_server_start(&anqa_presence_server, &leaving, NULL, &pid, NULL) == ANQA_OK);
}

static struct mesh *begin(unsigned nodes)
{
    struct mesh *mesh = mesh_begin(nodes);

    for (unsigned i = 0; i < nodes; i++)
        mesh_run(mesh, i, start, NULL);
    return mesh;
}

struct person {
    const anqa_presence *in;
    const char *key;
    _Atomic(int) wish; /* 0: stay, 1: update, 2: go */
    _Atomic(bool) here;
};

static void person_run(void *arg)
{
    struct person *person = arg;
    anqa_str topic = anqa_str_of(T), key = anqa_str_of(person->key);

    ANQA_REQUIRE(anqa_presence_track_pid(
                     person->in, anqa_self(), topic, key, anqa_jsonf("{'v': 1}"), NULL) == ANQA_OK);
    atomic_store(&person->here, true);
    while (atomic_load(&person->wish) == 0)
        anqa_sleep(1);
    if (atomic_load(&person->wish) == 1)
        ANQA_REQUIRE(anqa_presence_update_pid(person->in, anqa_self(), topic, key,
                         anqa_jsonf("{'v': 2}"), NULL) == ANQA_OK);
    while (atomic_load(&person->wish) != 2)
        anqa_sleep(1);
}

static void enter(struct mesh *mesh, unsigned node, struct person *person)
{
    anqa_spawn_opts opts = {.run = person_run, .arg = person};

    CHECK_STATUS(anqa_rt_spawn(mesh_rt(mesh, node), &opts, NULL), ANQA_OK);
    while (!atomic_load(&person->here))
        sched_yield();
}

struct expected {
    const anqa_presence *in;
    const char *text; /* key and v of each meta, sorted */
};

struct seen {
    char words[10][20];
    size_t count;
};

static int by_text(const void *a, const void *b)
{
    return strcmp(a, b);
}

static void look_once(const anqa_presence *in, struct seen *seen)
{
    anqa_json all, metas;
    anqa_json_iter keys, each;

    seen->count = 0;
    ANQA_REQUIRE(anqa_presence_list(in, anqa_str_of(T), &all) == ANQA_OK);
    for (keys = anqa_json_each(all); anqa_json_next(&keys);) {
        ANQA_REQUIRE(anqa_json_get(keys.value, "metas", &metas) == ANQA_OK);
        for (each = anqa_json_each(metas); anqa_json_next(&each) && seen->count < 10;)
            snprintf(seen->words[seen->count++], sizeof seen->words[0], "%.*s%d ",
                (int)keys.key.len - 2, keys.key.ptr + 1, (int)anqa_json_int(each.value, "v", 0));
    }
    qsort(seen->words, seen->count, sizeof seen->words[0], by_text);
}

/* Waits until the list is what is expected. */
static void look(void *arg)
{
    const struct expected *expected = arg;
    char found[220];
    struct seen seen;
    size_t len;

    do {
        (void)anqa_receive(1);
        look_once(expected->in, &seen);
        found[len = 0] = '\0';
        for (size_t i = 0; i < seen.count; i++)
            len += (size_t)snprintf(found + len, sizeof found - len, "%s", seen.words[i]);
    } while (strcmp(found, expected->text) != 0);
}

static void expect(struct mesh *mesh, unsigned node, const anqa_presence *in, const char *text)
{
    struct expected expected = {in, text};

    mesh_run(mesh, node, look, &expected);
}

static void set(struct person *person, int wish)
{
    atomic_store(&person->wish, wish);
}

TEST(all_nodes_see_who_joins_is_updated_and_leaves_on_one)
{
    static struct person ann = {.in = &presence, .key = "ann"};
    struct mesh *mesh = begin(3);

    enter(mesh, 0, &ann);
    for (unsigned i = 0; i < 3; i++)
        expect(mesh, i, &presence, "ann1 ");
    set(&ann, 1);
    for (unsigned i = 0; i < 3; i++)
        expect(mesh, i, &presence, "ann2 ");
    set(&ann, 2);
    for (unsigned i = 0; i < 3; i++)
        expect(mesh, i, &presence, "");
    mesh_end(mesh);
}

TEST(one_key_on_two_nodes_has_both_metas)
{
    static struct person one = {.in = &leaving, .key = "ann"}, two = {.in = &leaving, .key = "ann"};
    struct mesh *mesh = begin(2);

    enter(mesh, 0, &one);
    enter(mesh, 1, &two);
    expect(mesh, 0, &leaving, "ann1 ann1 ");
    expect(mesh, 1, &leaving, "ann1 ann1 ");
    set(&one, 2);
    expect(mesh, 1, &leaving, "ann1 ");
    set(&two, 2);
    mesh_end(mesh);
}

TEST(two_sides_of_a_split_lose_each_other_and_come_together_again)
{
    static struct person ann = {.in = &presence, .key = "ann"},
                         ben = {.in = &presence, .key = "ben"};
    struct mesh *mesh = begin(2);

    enter(mesh, 0, &ann);
    expect(mesh, 1, &presence, "ann1 ");
    mesh_cut(mesh, 0, 1, true);
    expect(mesh, 1, &presence, "");
    set(&ann, 1);
    enter(mesh, 1, &ben);
    expect(mesh, 1, &presence, "ben1 ");
    mesh_cut(mesh, 0, 1, false);
    expect(mesh, 1, &presence, "ann2 ben1 ");
    expect(mesh, 0, &presence, "ann2 ben1 ");
    set(&ann, 2);
    set(&ben, 2);
    expect(mesh, 0, &presence, "");
    mesh_end(mesh);
}

TEST(a_node_that_was_restarted_begins_anew_and_its_earlier_life_is_over)
{
    static struct person ann = {.in = &leaving, .key = "ann"}, ben = {.in = &leaving, .key = "ben"};
    struct mesh *mesh = begin(2);

    enter(mesh, 0, &ann);
    expect(mesh, 1, &leaving, "ann1 ");
    mesh_crash(mesh, 0);
    mesh_restart(mesh, 0);
    mesh_run(mesh, 0, start, NULL);
    enter(mesh, 0, &ben);
    expect(mesh, 1, &leaving, "ben1 ");
    expect(mesh, 0, &leaving, "ben1 ");
    set(&ben, 2);
    mesh_end(mesh);
}

static void stop_leaving(void *arg)
{
    CHECK_STATUS(
        anqa_gen_server_stop(anqa_whereis("leaving"), ANQA_SHUTDOWN, HARNESS_LONG_MS), ANQA_OK);
}

TEST(a_presence_that_stops_in_order_may_say_that_it_does_not_come_back)
{
    static struct person ann = {.in = &leaving, .key = "ann"};
    struct mesh *mesh = begin(2);

    enter(mesh, 0, &ann);
    expect(mesh, 1, &leaving, "ann1 ");
    mesh_run(mesh, 0, stop_leaving, NULL);
    expect(mesh, 1, &leaving, "");
    mesh_end(mesh);
}

/* ---------------------------------------------------------------- diffs on the other node */

static _Atomic(unsigned) diffs;
static char last[300];

static void hear(void *arg)
{
    anqa_broadcast_view view;

    ANQA_REQUIRE(anqa_subscribe(anqa_str_of(T)) == ANQA_OK);
    atomic_store((_Atomic(bool) *)arg, true);
    for (;;) {
        const anqa_msg *msg = anqa_receive(ANQA_INFINITY);
        if (!anqa_broadcast_of(msg, &view))
            return;
        snprintf(last, sizeof last, "%.*s", ANQA_FMT(view.payload));
        atomic_fetch_add(&diffs, 1);
    }
}

TEST(another_node_tells_its_own_clients_in_one_diff)
{
    static struct person ann = {.in = &leaving, .key = "ann"}, ben = {.in = &leaving, .key = "ben"};
    static _Atomic(bool) hears;
    struct mesh *mesh = begin(2);

    CHECK_STATUS(
        anqa_rt_spawn(mesh_rt(mesh, 1), &(anqa_spawn_opts){.run = hear, .arg = &hears}, NULL),
        ANQA_OK);
    while (!atomic_load(&hears))
        sched_yield();
    mesh_cut(mesh, 0, 1, true);
    enter(mesh, 0, &ann);
    enter(mesh, 0, &ben);
    mesh_cut(mesh, 0, 1, false);
    expect(mesh, 1, &leaving, "ann1 ben1 ");
    while (atomic_load(&diffs) == 0)
        sched_yield();
    CHECK(strstr(last, "ann") != NULL && strstr(last, "ben") != NULL, "%s", last);
    CHECK_EQ(atomic_load(&diffs), 1);
    set(&ann, 2);
    set(&ben, 2);
    mesh_end(mesh);
}

/* A program lets anybody broadcast anything: that reaches no tracker, neither here nor there. */
static void forge(void *arg)
{
    for (int shard = 0; shard < 3; shard++) {
        const char *name = anqa_tmp_printf("\xffpresence:leaving:%d", shard);
        ANQA_REQUIRE(anqa_broadcast(anqa_str_of(name + 1), "bye",
                         anqa_jsonf("['node0', 1, 2, [], []]")) == ANQA_OK);
        ANQA_REQUIRE(anqa_local_broadcast(anqa_str_of(name), "beat",
                         anqa_jsonf("['ghost', 1, 2, [], [['ghost', 1, 2, 0, 1, 0, 1, [],"
                                    "[[1, 1, %s, 'ghost', {'phx_ref': 'x'}]]]]]",
                             T)) == ANQA_OK);
    }
}

TEST(only_other_nodes_are_believed)
{
    static struct person ann = {.in = &leaving, .key = "ann"};
    struct mesh *mesh = begin(2);

    mesh_run(mesh, 1, forge, NULL);
    enter(mesh, 0, &ann);
    expect(mesh, 1, &leaving, "ann1 ");
    set(&ann, 2);
    mesh_end(mesh);
}
