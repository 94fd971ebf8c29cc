#include "pubsub/mesh.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

struct node {
    struct mesh *mesh;
    unsigned index;
    anqa_rt *rt; /* NULL: it does not run */
    _Atomic(uint64_t) pid;
    _Atomic(unsigned long) arrived;
    char name[8];
};

struct mesh {
    unsigned count;
    /* guards the runtimes of others while something is sent to them */
    pthread_mutex_t lock;
    _Atomic(bool) cut[MESH_MAX][MESH_MAX];
    struct node nodes[MESH_MAX];
};

/* ---------------------------------------------------------------- the adapter */

static void pass(struct node *from, unsigned to, anqa_buf message)
{
    struct mesh *mesh = from->mesh;
    struct node *node = &mesh->nodes[to];
    anqa_pid pid;

    if (atomic_load(&mesh->cut[from->index][to]))
        return;
    pthread_mutex_lock(&mesh->lock);
    pid.bits = atomic_load(&node->pid);
    if (node->rt != NULL && !anqa_pid_is_none(pid))
        (void)anqa_rt_send(node->rt, pid, "message", anqa_shared(message));
    pthread_mutex_unlock(&mesh->lock);
}

static anqa_status mesh_broadcast(void *arg, anqa_str topic, anqa_buf message)
{
    struct node *node = arg;

    for (unsigned i = 0; i < node->mesh->count; i++)
        if (i != node->index)
            pass(node, i, message);
    return ANQA_OK;
}

static anqa_status mesh_direct(void *arg, anqa_str name, anqa_str topic, anqa_buf message)
{
    struct node *node = arg;

    for (unsigned i = 0; i < node->mesh->count; i++) {
        if (!anqa_str_is(name, node->mesh->nodes[i].name))
            continue;
        pass(node, i, message);
        return ANQA_OK;
    }
    return ANQA_E_NOT_FOUND;
}

static const anqa_pubsub_adapter mesh_adapter = {
    .broadcast = mesh_broadcast, .direct_broadcast = mesh_direct};

static void node_run(void *state)
{
    struct node *node = *(struct node **)state;

    ANQA_REQUIRE(anqa_pubsub_attach(&mesh_adapter, node, anqa_str_of(node->name)) == ANQA_OK);
    atomic_store(&node->pid, anqa_self().bits);
    for (;;) {
        const anqa_msg *msg = anqa_receive(ANQA_INFINITY);
        if (msg->kind == ANQA_MSG_EXIT)
            return;
        ANQA_REQUIRE(anqa_pubsub_receive(anqa_json_text(msg->body), NULL) == ANQA_OK);
        atomic_fetch_add(&node->arrived, 1);
    }
}

/* ---------------------------------------------------------------- nodes */

static void wait_for_pid(struct node *node)
{
    while (atomic_load(&node->pid) == 0)
        sched_yield();
}

void mesh_restart(struct mesh *mesh, unsigned index)
{
    struct node *node = &mesh->nodes[index];
    anqa_options options = {.schedulers = 2};
    anqa_rt *rt;

    snprintf(node->name, sizeof node->name, "node%u", index);
    CHECK_STATUS(anqa_start(&options, &rt, NULL), ANQA_OK);
    pthread_mutex_lock(&mesh->lock);
    node->rt = rt;
    pthread_mutex_unlock(&mesh->lock);
    CHECK_STATUS(
        anqa_rt_spawn(
            rt, &(anqa_spawn_opts){.run = node_run, .arg = &node, .arg_size = sizeof node}, NULL),
        ANQA_OK);
    wait_for_pid(node);
}

void mesh_crash(struct mesh *mesh, unsigned index)
{
    struct node *node = &mesh->nodes[index];
    anqa_rt *rt;

    pthread_mutex_lock(&mesh->lock);
    rt = node->rt;
    node->rt = NULL;
    atomic_store(&node->pid, 0);
    pthread_mutex_unlock(&mesh->lock);
    for (unsigned i = 0; i < mesh->count; i++)
        mesh_cut(mesh, index, i, true);
    anqa_stop(rt);
    for (unsigned i = 0; i < mesh->count; i++)
        mesh_cut(mesh, index, i, false);
}

struct mesh *mesh_begin(unsigned count)
{
    struct mesh *mesh = calloc(1, sizeof *mesh);

    CHECK(mesh != NULL && count <= MESH_MAX);
    pthread_mutex_init(&mesh->lock, NULL);
    mesh->count = count;
    for (unsigned i = 0; i < count; i++) {
        mesh->nodes[i].mesh = mesh;
        mesh->nodes[i].index = i;
        mesh_restart(mesh, i);
    }
    return mesh;
}

void mesh_end(struct mesh *mesh)
{
    for (unsigned i = 0; i < mesh->count; i++)
        if (mesh->nodes[i].rt != NULL)
            mesh_crash(mesh, i);
    pthread_mutex_destroy(&mesh->lock);
    free(mesh);
}

anqa_rt *mesh_rt(struct mesh *mesh, unsigned node)
{
    return mesh->nodes[node].rt;
}

void mesh_cut(struct mesh *mesh, unsigned a, unsigned b, bool cut)
{
    atomic_store(&mesh->cut[a][b], cut);
    atomic_store(&mesh->cut[b][a], cut);
}

unsigned long mesh_arrived(struct mesh *mesh, unsigned node)
{
    return atomic_load(&mesh->nodes[node].arrived);
}

/* ---------------------------------------------------------------- running something on a node */

void mesh_run(struct mesh *mesh, unsigned node, void (*fn)(void *arg), void *arg)
{
    const anqa_msg *msg;
    anqa_pid pid;

    CHECK_STATUS(anqa_attach(mesh->nodes[node].rt, NULL), ANQA_OK);
    CHECK_STATUS(anqa_spawn(&(anqa_spawn_opts){.run = fn, .arg = arg, .monitor = true}, &pid, NULL),
        ANQA_OK);
    msg = anqa_receive(HARNESS_LONG_MS);
    CHECK(msg != NULL && msg->kind == ANQA_MSG_DOWN);
    CHECK_EQ(anqa_reason_get_kind(msg->u.reason), ANQA_REASON_NORMAL);
    anqa_detach();
}
