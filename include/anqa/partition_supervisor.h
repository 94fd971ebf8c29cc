/**
 * anqa/partition_supervisor.h - many children of one kind, each for a part of the keys.
 *
 *     static const anqa_partition_supervisor counters = {.name = "counters", .child = {.server = &counter}};
 *
 *     anqa_cast(anqa_partition_pid(&counters, user), "count", body);
 *
 * One process that everybody asks runs on one core at a time. A *partition supervisor* starts as many of it as there are
 * schedulers, or as its spec says, numbered from 0; a key says which one to ask. All who name the same key mean the same
 * partition, as long as their number is not changed: which one that is may differ from one run of the program to the
 * next, and is no promise. A partition that ends is started again under its number, with the same argument.
 *
 * A look-up runs in the caller and asks nobody. While its partition is being started again there is nobody behind a key.
 *
 * A partition is a child as any other (anqa/supervisor.h): its id, inside of it anqa_child_id(), is its number as text. All
 * that takes the pid of a supervisor takes that of this one (stop, count_children, which_children, terminate_child,
 * restart_child), but for adding and deleting children: E_UNSUPPORTED.
 *
 * Threads. Specs are shared and constant. Context: process, throughout.
 */
#ifndef ANQA_PARTITION_SUPERVISOR_H
#define ANQA_PARTITION_SUPERVISOR_H

#include <anqa/supervisor.h>

ANQA_BEGIN_DECLS

/** How many partitions there can be. */
#define ANQA_PARTITIONS_MAX 65536u

/** What a partition supervisor is. `static const`; zero is a sensible default but for name and child. */
typedef struct anqa_partition_supervisor {
    const char *name;    /* registered; there must be one */
    uint32_t partitions; /* 0: one per scheduler; at most ANQA_PARTITIONS_MAX */
    anqa_child_spec
        child; /* what all partitions are. Not temporary, and without names of their own */
    anqa_strategy strategy;
    uint32_t max_restarts; /* 0: 3 */
    uint32_t max_seconds;  /* 0: 5 */
    /* Changes the argument of one partition, a copy of arg_size bytes of child.arg (zeroes for NULL). Runs in the
     * supervisor, once for each partition, before its first start. NULL: all have the same. */
    void (*with_argument)(void *arg, uint32_t partition);
} anqa_partition_supervisor;

/** As anqa_supervisor_start_link. */
ANQA_API anqa_status anqa_partition_supervisor_start_link(
    const anqa_partition_supervisor *supervisor, anqa_pid *ret_pid,
    anqa_error *err) ANQA_MUST_CHECK;

/** The partition of a key, found without asking the supervisor; nobody when it is not running. */
ANQA_API anqa_pid anqa_partition_pid(const anqa_partition_supervisor *supervisor, anqa_str key);
/** The same by number: partition |key| modulo how many there are. So those from 0 on are the partitions in order. */
ANQA_API anqa_pid anqa_partition_pid_int(const anqa_partition_supervisor *supervisor, int64_t key);
/** How many there are; 0 when the supervisor does not run. */
ANQA_API uint32_t anqa_partition_count(const anqa_partition_supervisor *supervisor);

/**
 * Changes how many there are, from 1 up to as many as there were at the start. Keys are spread anew. Those that are too many
 * are stopped, from the last one, after keys have ceased to lead there; new ones get keys when all have started.
 * A look-up at that very moment may find one that is about to stop, or nobody.
 * Fails: E_RANGE, E_NOPROC (no supervisor), E_STOPPED (a partition failed to start: all is as it was).   May wait.
 */
ANQA_API anqa_status anqa_partition_supervisor_resize(
    const anqa_partition_supervisor *supervisor, uint32_t partitions, anqa_error *err);

ANQA_END_DECLS

#endif
