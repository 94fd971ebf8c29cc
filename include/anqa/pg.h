/**
 * anqa/pg.h - process groups: many processes under one name, each as often as it has joined. OTP's pg.
 *
 *     static const anqa_pg workers = {.name = "workers"};
 *     ...
 *     .children = (const anqa_child_spec[]){ANQA_PG(&workers), ...}
 *     ...
 *     s = anqa_pg_join(&workers, anqa_str_of("resize"), anqa_self());
 *     anqa_pg_members(&workers, anqa_str_of("resize"), &pids, &count);
 *
 * A *scope* is a set of groups of its own, a `static const` struct, and a server that keeps it: a child of a supervisor.
 * Groups need no beginning and no end: one is there while it has members. A process may join a group n times, is n times
 * among its members, and has to leave n times. Who dies leaves all groups, soon after. Anybody may let any process of this
 * node join and leave.
 *
 * Against a registry: entries belong to nobody, carry no value, and may be watched: who monitors a group or a scope is
 * told of each process that joins and leaves.
 *
 * Reading asks nobody and takes no lock; joining, leaving and monitoring are calls to the scope's server, and what they
 * did can be read when they return. When the server ends its groups are empty; its successor begins anew, as OTP's.
 *
 * Groups are of this node for now. Functions that say "local" leave out what other nodes will add.
 *
 * Threads. Scopes are constant. "Context: process" throughout.
 */
#ifndef ANQA_PG_H
#define ANQA_PG_H

#include <anqa/gen_server.h>

ANQA_BEGIN_DECLS

/* ---------------------------------------------------------------- scopes */

/** `static const`: known by its address. */
typedef struct anqa_pg {
    const char *name; /* the registered name of its server */
} anqa_pg;

/** The server of all scopes; its argument is an anqa_pg. */
extern ANQA_API const anqa_gen_server anqa_pg_server;

/** A scope as a child of a supervisor; its id is what stands in the parentheses. */
#define ANQA_PG(scope) {.id = #scope, .server = &anqa_pg_server, .arg = (scope)}

/** Starts a scope outside of a tree, linked. Fails as anqa_gen_server_start_link. Context: process; may wait. */
ANQA_API anqa_status anqa_pg_start_link(
    const anqa_pg *scope, anqa_pid *ret_pid, anqa_error *err) ANQA_MUST_CHECK;

/* ---------------------------------------------------------------- joining and leaving */

/**
 * Adds a process of this node to a group, once more if it is there already.
 * group: any bytes, at most 65,535 of them.
 * Fails: E_NOPROC, E_DIED (the scope's server is not there, or ended), E_INVALID (a name that is too long, a process of
 * another node or nobody), E_NOMEM.   Context: process; may wait.
 */
ANQA_API anqa_status anqa_pg_join(
    const anqa_pg *scope, anqa_str group, anqa_pid pid) ANQA_MUST_CHECK;

/** Takes a process out of a group, once. Fails as anqa_pg_join; E_NOT_FOUND (it is not there). */
ANQA_API anqa_status anqa_pg_leave(const anqa_pg *scope, anqa_str group, anqa_pid pid);

/* ---------------------------------------------------------------- reading */

/** All members of a group, each as often as it has joined, in no order. They live as long as the current event. */
ANQA_API void anqa_pg_members(
    const anqa_pg *scope, anqa_str group, anqa_pid **ret_pids, size_t *ret_count);
/** Those of this node. */
ANQA_API void anqa_pg_local_members(
    const anqa_pg *scope, anqa_str group, anqa_pid **ret_pids, size_t *ret_count);
/** The names of all groups that have members, in no order. They live as long as the current event. */
ANQA_API void anqa_pg_which_groups(const anqa_pg *scope, anqa_str **ret_groups, size_t *ret_count);

/* ---------------------------------------------------------------- monitors */

/** A process that is in a group, has joined it, or left it; once. */
typedef struct anqa_pg_change {
    anqa_str group;
    anqa_pid pid;
} anqa_pg_change;

/**
 * Tells the caller of all changes of a group from now on, until it ends or anqa_pg_demonitor: messages "join" and "leave"
 * from the scope's server, with the reference *ret_ref, which anqa_pg_read reads.
 * ret_members: who is in it at that moment, each as often as it has joined; may be NULL, as ret_count may. They live as long as the current event.
 * Fails: E_NOPROC, E_DIED (no server), E_INVALID (a name that is too long), E_NOMEM, E_LIMIT (more than 32 MiB of
 * members).   Context: process; may wait.
 */
ANQA_API anqa_status anqa_pg_monitor(const anqa_pg *scope, anqa_str group, anqa_ref *ret_ref,
    anqa_pg_change **ret_members, size_t *ret_count) ANQA_MUST_CHECK;
/** As anqa_pg_monitor, of all groups of the scope. */
ANQA_API anqa_status anqa_pg_monitor_scope(const anqa_pg *scope, anqa_ref *ret_ref,
    anqa_pg_change **ret_members, size_t *ret_count) ANQA_MUST_CHECK;

/** Ends a monitor of the caller's and takes what it has sent out of the mailbox. Fails: E_NOPROC, E_DIED, E_NOT_FOUND. */
ANQA_API anqa_status anqa_pg_demonitor(const anqa_pg *scope, anqa_ref ref);

/** What a message "join" or "leave" says; lives as long as it. Fails: E_TYPE (it is none of those). */
ANQA_API anqa_status anqa_pg_read(const anqa_msg *msg, anqa_pg_change *ret_change) ANQA_MUST_CHECK;

ANQA_END_DECLS

#endif
