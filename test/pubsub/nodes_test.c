/* Broadcasts between nodes: each rule by name. */
#include "pubsub/mesh.h"

#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/container.h"
#include "pubsub/pubsub.h"

static anqa_str topic(void)
{
    return anqa_str_of("prices");
}

/* What the subscribers of each node have heard. */
struct ear {
    _Atomic(unsigned) heard;
    _Atomic(uint64_t) from; /* of the last one */
    char last[64];          /* written before `heard` */
    _Atomic(bool) ready;
};

static struct ear ears[MESH_MAX];

static void ear_run(void *arg)
{
    struct ear *ear = arg;
    anqa_broadcast_view view;

    ANQA_REQUIRE(anqa_subscribe(topic()) == ANQA_OK);
    atomic_store(&ear->ready, true);
    for (;;) {
        const anqa_msg *msg = anqa_receive(ANQA_INFINITY);
        if (msg->kind == ANQA_MSG_EXIT || !anqa_broadcast_of(msg, &view))
            return;
        snprintf(
            ear->last, sizeof ear->last, "%.*s %.*s", ANQA_FMT(view.event), ANQA_FMT(view.payload));
        atomic_store(&ear->from, view.from.bits);
        atomic_fetch_add(&ear->heard, 1);
    }
}

static struct mesh *begin(unsigned nodes)
{
    struct mesh *mesh = mesh_begin(nodes);

    for (unsigned i = 0; i < nodes; i++) {
        anqa_spawn_opts opts = {.run = ear_run, .arg = &ears[i]};
        CHECK_STATUS(anqa_rt_spawn(mesh_rt(mesh, i), &opts, NULL), ANQA_OK);
        while (!atomic_load(&ears[i].ready))
            sched_yield();
    }
    return mesh;
}

/* Waits until that many were heard. More would be seen by who waits for the next ones. */
static void expect(unsigned node, unsigned heard)
{
    while (atomic_load(&ears[node].heard) < heard)
        sched_yield();
    CHECK_EQ(atomic_load(&ears[node].heard), heard, "node %u", node);
}

static void say(void *arg)
{
    ANQA_REQUIRE(anqa_broadcast(topic(), "said", anqa_jsonf("{'n': 1}")) == ANQA_OK);
}

static void say_here(void *arg)
{
    ANQA_REQUIRE(anqa_local_broadcast(topic(), "here", anqa_jsonf("{'n': 2}")) == ANQA_OK);
}

static void say_to_two(void *arg)
{
    ANQA_REQUIRE(anqa_direct_broadcast(
                     anqa_str_of("node2"), topic(), "you", anqa_jsonf("{'n': 3}")) == ANQA_OK);
}

static void say_to_nobody(void *arg)
{
    CHECK_STATUS(anqa_direct_broadcast(anqa_str_of("node9"), topic(), "you", ANQA_JSON_NULL),
        ANQA_E_NOT_FOUND);
}

static void say_to_myself(void *arg)
{
    CHECK_STR(anqa_node_name(), "node0");
    ANQA_REQUIRE(
        anqa_direct_broadcast(anqa_node_name(), topic(), "me", anqa_jsonf("{'n': 4}")) == ANQA_OK);
}

TEST(a_broadcast_is_heard_once_on_every_node)
{
    struct mesh *mesh = begin(3);

    mesh_run(mesh, 1, say, NULL);
    for (unsigned i = 0; i < 3; i++) {
        expect(i, 1);
        CHECK_STR(ears[i].last, "said {\"n\":1}");
        CHECK_EQ(atomic_load(&ears[i].from) == 0, i != 1);
    }
    mesh_run(mesh, 0, say, NULL);
    for (unsigned i = 0; i < 3; i++)
        expect(i, 2);
    mesh_end(mesh);
}

TEST(a_local_broadcast_stays_and_a_direct_one_goes_to_one_node)
{
    struct mesh *mesh = begin(3);

    mesh_run(mesh, 0, say_here, NULL);
    expect(0, 1);
    mesh_run(mesh, 0, say_to_two, NULL);
    expect(2, 1);
    CHECK_STR(ears[2].last, "you {\"n\":3}");
    mesh_run(mesh, 0, say_to_myself, NULL);
    expect(0, 2);
    mesh_run(mesh, 0, say_to_nobody, NULL);
    mesh_run(mesh, 0, say, NULL);
    expect(0, 3);
    expect(1, 1);
    expect(2, 2);
    mesh_end(mesh);
}

TEST(a_line_that_is_cut_loses_broadcasts_and_no_others)
{
    struct mesh *mesh = begin(3);

    mesh_cut(mesh, 0, 1, true);
    mesh_run(mesh, 0, say, NULL);
    expect(2, 1);
    mesh_cut(mesh, 0, 1, false);
    mesh_run(mesh, 0, say, NULL);
    expect(1, 1);
    expect(2, 2);
    mesh_end(mesh);
}

static void attach_again(void *arg)
{
    static const anqa_pubsub_adapter none;

    CHECK_STATUS(anqa_pubsub_attach(&none, NULL, anqa_str_of("other")), ANQA_E_EXISTS);
    CHECK_STATUS(anqa_pubsub_attach(&none, NULL, anqa_str_of("")), ANQA_E_INVALID);
    CHECK_STATUS(anqa_pubsub_attach(&none, NULL, anqa_str_of("\xc0")), ANQA_E_INVALID);
}

TEST(a_runtime_has_one_adapter)
{
    struct mesh *mesh = begin(1);

    mesh_run(mesh, 0, attach_again, NULL);
    mesh_end(mesh);
}

/* ---------------------------------------------------------------- the life of an adapter */

static _Atomic(unsigned) dropped, carried;

static anqa_status carry(void *arg, anqa_str name, anqa_buf message)
{
    atomic_fetch_add(&carried, 1);
    return ANQA_E_FULL;
}

static void drop(void *arg)
{
    free(arg);
    atomic_fetch_add(&dropped, 1);
}

static const anqa_pubsub_adapter counted = {.broadcast = carry, .drop = drop};

static void attach_and_go(void *arg)
{
    void *state = malloc(1);

    ANQA_REQUIRE(anqa_pubsub_attach(&counted, state, anqa_str_of("short")) == ANQA_OK);
    CHECK_STR(anqa_node_name(), "short");
    CHECK_STATUS(anqa_broadcast(topic(), "e", ANQA_JSON_NULL), ANQA_E_FULL);
    CHECK_EQ(atomic_load(&carried), 1);
}

static void look_after(void *arg)
{
    CHECK_STR(anqa_node_name(), "nonode");
    CHECK_STATUS(anqa_broadcast(topic(), "e", ANQA_JSON_NULL), ANQA_OK);
    CHECK_STATUS(
        anqa_direct_broadcast(anqa_str_of("nonode"), topic(), "e", ANQA_JSON_NULL), ANQA_OK);
    CHECK_EQ(atomic_load(&carried), 1);
}

TEST(an_adapter_ends_with_its_process_and_is_freed_when_nobody_is_inside)
{
    anqa_rt *rt;

    CHECK_STATUS(anqa_start(NULL, &rt, NULL), ANQA_OK);
    CHECK_STATUS(anqa_attach(rt, NULL), ANQA_OK);
    for (unsigned i = 0; i < 2; i++) {
        void (*steps[])(void *) = {attach_and_go, look_after};
        CHECK_STATUS(
            anqa_spawn(&(anqa_spawn_opts){.run = steps[i], .monitor = true}, NULL, NULL), ANQA_OK);
        CHECK(anqa_receive(HARNESS_LONG_MS) != NULL);
    }
    anqa_detach();
    anqa_stop(rt);
    CHECK_EQ(atomic_load(&dropped), 1);
}

/* ---------------------------------------------------------------- one frame for all sockets of a node */

#define LANES 100

struct lane {
    struct sub sub;
    struct frame *frame;
    unsigned got;
};

static void lane_deliver(struct sub *sub, struct frame *const *frames, size_t count)
{
    struct lane *lane = ANQA_CONTAINER_OF(sub, struct lane, sub);

    lane->frame = frames[count - 1];
    lane->got += (unsigned)count;
}

static const struct sub_ops lane_ops = {lane_deliver};

static void lanes_run(void *arg)
{
    static struct lane lanes[LANES];

    for (unsigned i = 0; i < LANES; i++) {
        lanes[i] = (struct lane){.sub.ops = &lane_ops};
        ANQA_REQUIRE(sub_open(&lanes[i].sub, topic()) == ANQA_OK);
    }
    atomic_store((_Atomic(bool) *)arg, true);
    while (lanes[LANES - 1].got == 0 || lanes[0].got == 0)
        anqa_sleep(1);
    for (unsigned i = 0; i < LANES; i++) {
        CHECK_EQ(lanes[i].got, 1, "%u", i);
        CHECK(lanes[i].frame == lanes[0].frame, "%u", i); /* its encoded forms are in it */
        sub_close(&lanes[i].sub);
    }
    atomic_store((_Atomic(bool) *)arg, false);
}

TEST(a_frame_of_another_node_is_one_for_all_who_get_it)
{
    struct mesh *mesh = begin(2);
    _Atomic(bool) open = false;

    CHECK_STATUS(
        anqa_rt_spawn(mesh_rt(mesh, 1), &(anqa_spawn_opts){.run = lanes_run, .arg = &open}, NULL),
        ANQA_OK);
    while (!atomic_load(&open))
        sched_yield();
    mesh_run(mesh, 0, say, NULL);
    while (atomic_load(&open))
        sched_yield();
    mesh_end(mesh);
}

/* ---------------------------------------------------------------- limits and outside bytes */

static void too_long(void *arg)
{
    size_t size = ANQA_NODE_MESSAGE_MAX;
    char *text = malloc(size);

    memset(text, ' ', size);
    memcpy(text, "{}", 2);
    CHECK_STATUS(anqa_broadcast(topic(), "said", (anqa_json){text, size}), ANQA_E_LIMIT);
    size -= 8 + topic().len + 4;
    CHECK_STATUS(anqa_broadcast(topic(), "said", (anqa_json){text, size}), ANQA_OK);
    CHECK_STATUS(anqa_broadcast(topic(), "said", (anqa_json){text, size + 1}), ANQA_E_LIMIT);
    free(text);
}

static void not_utf8(void *arg)
{
    CHECK_STATUS(
        anqa_broadcast(anqa_str_of("\xc0"), "said", ANQA_JSON_EMPTY_OBJECT), ANQA_E_INVALID);
    CHECK_STATUS(anqa_broadcast(topic(), "\xc0", ANQA_JSON_EMPTY_OBJECT), ANQA_E_INVALID);
    CHECK_STATUS(anqa_broadcast(anqa_str_of("\xff"
                                            "own"),
                     "said", ANQA_JSON_EMPTY_OBJECT),
        ANQA_OK);
}

TEST(what_is_no_text_is_heard_here_only)
{
    struct mesh *mesh = begin(2);

    mesh_run(mesh, 0, not_utf8, NULL);
    mesh_run(mesh, 0, say, NULL);
    expect(0, 2);
    expect(1, 1);
    mesh_end(mesh);
}

TEST(what_is_too_long_for_other_nodes_is_heard_here_and_said)
{
    struct mesh *mesh = begin(2);

    mesh_run(mesh, 0, too_long, NULL);
    expect(0, 3);
    expect(1, 1);
    mesh_end(mesh);
}

static const struct {
    const char *bytes;
    size_t len;
    anqa_status status;
} messages[] = {
    {"\1\1\1\0\2\0\0\0te{}", 12, ANQA_OK},
    {"\1\1\1\0\2\0\0\0\xff"
     "e{}",
        12, ANQA_OK},
    {"", 0, ANQA_E_PARSE},
    {"\1\1\1\0\2\0\0\0te{", 11, ANQA_E_PARSE},
    {"\1\1\1\0\2\0\0\0te{}x", 13, ANQA_E_PARSE},
    {"\2\1\1\0\2\0\0\0te{}", 12, ANQA_E_PARSE},
    {"\1\1\1\1\2\0\0\0te{}", 12, ANQA_E_PARSE},
    {"\1\0\1\0\2\0\0\0e{}", 11, ANQA_E_PARSE},
    {"\1\1\0\0\2\0\0\0t{}", 11, ANQA_E_PARSE},
    {"\1\1\1\0\2\0\0\0te{]", 12, ANQA_E_PARSE},
    {"\1\1\1\0\2\0\0\0\xfe"
     "e{}",
        12, ANQA_E_PARSE},
    {"\1\1\1\0\2\0\0\0t\xff{}", 12, ANQA_E_PARSE},
    {"\1\1\1\0\377\377\377\377te{}", 12, ANQA_E_PARSE},
};

static void receive_all(void *arg)
{
    anqa_error err;

    for (size_t i = 0; i < ANQA_COUNT(messages); i++) {
        anqa_str bytes = anqa_str_make(messages[i].bytes, messages[i].len);
        err.text[0] = '\0';
        CHECK_STATUS(anqa_pubsub_receive(bytes, &err), messages[i].status, "%zu", i);
        CHECK_EQ(err.text[0] != '\0', messages[i].status != ANQA_OK, "%zu", i);
    }
}

TEST(what_is_no_message_of_a_node_is_refused_with_a_reason)
{
    struct mesh *mesh = begin(1);

    mesh_run(mesh, 0, receive_all, NULL);
    mesh_end(mesh);
}
