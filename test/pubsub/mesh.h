/*
 * Several nodes in one program: a runtime for each, joined by an adapter that passes messages from memory to memory. Lines
 * between two nodes can be cut.
 */
#ifndef TEST_PUBSUB_MESH_H
#define TEST_PUBSUB_MESH_H

#include <anqa/anqa.h>

#include "harness.h"

#define MESH_MAX 4

struct mesh;

/* Starts `count` runtimes with two schedulers each, named "node0" and so on, that hear each other. */
struct mesh *mesh_begin(unsigned count);
/* Stops what runs. */
void mesh_end(struct mesh *mesh);

anqa_rt *mesh_rt(struct mesh *mesh, unsigned node);

/* Nothing passes between the two any more; or again. */
void mesh_cut(struct mesh *mesh, unsigned a, unsigned b, bool cut);

/* Ends a node as a crash of its machine would: nobody hears of it. */
void mesh_crash(struct mesh *mesh, unsigned node);
/* Starts it again, under the same name. */
void mesh_restart(struct mesh *mesh, unsigned node);

/* Messages that have arrived at a node, and bytes of them. */
unsigned long mesh_arrived(struct mesh *mesh, unsigned node);

/* Runs fn(arg) in a process of a node, and waits for its end, which must be a normal one. This thread is not attached. */
void mesh_run(struct mesh *mesh, unsigned node, void (*fn)(void *arg), void *arg);

#endif
