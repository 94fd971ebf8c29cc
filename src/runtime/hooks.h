/*
 * What the areas above the runtime may hang into it: clean-up at the exit of a process, objects that live as long as
 * a runtime, and reclamation for tables that every scheduler reads.
 *
 * Reclamation is by quiescent states (QSBR). A scheduler is quiescent between two turns of its loop, so code of a
 * process may follow pointers into a shared table as long as it does not wait. What was taken out of a table is handed
 * to qsbr_retire and freed when every scheduler has passed a quiescent state and no foreign reader is inside. Threads
 * that are not schedulers (foreign, workers) read between qsbr_read_begin and qsbr_read_end; on schedulers
 * these two cost a load and a branch.
 */
#ifndef RUNTIME_HOOKS_H
#define RUNTIME_HOOKS_H

/* IWYU pragma: begin_exports */
#include <anqa/process.h>
#include <anqa/runtime.h>
/* IWYU pragma: end_exports */

/* owner: the process it was added to. Runs on the thread that ends the process, before EXIT and DOWN signals go out;
 * must not wait or exit. The hook's memory belongs to whoever added it and may be freed by `run`. */
struct exit_hook {
    struct exit_hook *next, **link;
    void (*run)(struct exit_hook *hook, anqa_pid pid);
};

/* To the calling process. Every hook runs at most once. */
void exit_hook_add(struct exit_hook *hook);
void exit_hook_remove(struct exit_hook *hook);

/* How areas above call the processes of theirs. Both run on the process's scheduler, and give what lives as long as it. */
struct name_hooks {
    anqa_str (*name)(const struct exit_hook *hooks); /* registered name; empty: none */
    anqa_str (*id)(void);                            /* what its supervisor calls it; empty: none */
};
/* Before the first runtime starts. */
void proc_set_name_hooks(const struct name_hooks *hooks);

/* Objects with the life of a runtime, one per kind; made by whoever asks first, dropped by anqa_stop after the last
 * process is gone, in reverse order of the kinds. */
enum rt_local {
    RT_LOCAL_REGISTRY,
    RT_LOCAL_TABLES,
    RT_LOCAL_APPLICATION,
    RT_LOCAL_PUBSUB,
    RT_LOCAL_HTTP,
    RT_LOCAL_JS,
    RT_LOCAL_COUNT
};
/* The object, made by `make` when it is not there yet (under a lock: make must not ask for locals). NULL: no memory. */
void *rt_local(
    anqa_rt *rt, enum rt_local kind, void *(*make)(anqa_rt *rt), void (*drop)(void *object));

/* A note of what was taken out of a table. */
struct retired {
    struct retired *next;
    uint64_t epoch;
    /* Frees a part, so much as one turn of a scheduler may take, and says whether there is more. */
    bool (*free_some)(struct retired *retired);
};

/* Frees an object once nobody can see it any more. The note lies in it, where no reader looks, with `free_some` set: so this needs
 * no memory. Any thread of the runtime; never waits. */
void qsbr_retire(anqa_rt *rt, struct retired *retired);
void qsbr_read_begin(anqa_rt *rt);
void qsbr_read_end(anqa_rt *rt);

#endif
