/*
 * The program's listening sockets: those it was given, and those it can hand on.
 *
 * A socket that listens outlives the process that made it as long as some descriptor of it is open; closing the last one
 * resets the connections in its queue. So a program that is replaced by its successor hands its sockets on as they
 * are, and a service manager can hold them while no program runs. They are inherited as descriptors:
 *
 *     LISTEN_FDS, LISTEN_PID, LISTEN_FDNAMES    from a service manager (systemd's protocol): from descriptor 3 on
 *     ANQA_HANDOVER                             from a predecessor (otp/restart.h): descriptor 3 is the end of a pipe, to
 *                                               say that we are ready; a line for each descriptor from 4 on says whose
 *                                               socket it is
 *
 * Whose. A socket that a program has made is known by the address it was asked for, as text, so that port 0 stays the
 * port that it became. One from a service manager is known by its name there, if its owner has one.
 *
 * Owners. Each who listens (http/listener.c) claims the sockets that are his, or makes them and has them kept here. The table
 * has a descriptor of its own of each; owners work with duplicates. What was given stays when its owner crashes, so
 * that its next life finds it, and nobody is refused meanwhile. What the owner made himself ends with him.
 *
 * One table for all runtimes of the program, as they share the descriptors. Any thread, but for what is said.
 */
#ifndef RUNTIME_INHERIT_H
#define RUNTIME_INHERIT_H

#include <stddef.h>

#include <anqa/net.h>

/* What a socket is known by: a letter for the kind, and a text. */
#define INHERIT_KEY (ANQA_ADDRESS_TEXT + 1)
#define INHERIT_VARIABLE "ANQA_HANDOVER"
#define INHERIT_FIRST_FD 3

/* Takes what was given, and the variables that say so out of the environment. While there is one thread.
 * Fails: E_INVALID (a variable that cannot be; a descriptor that does not listen), E_NOMEM: the program is not to start. */
anqa_status inherit_begin(anqa_error *err) ANQA_MUST_CHECK;

/* The program has started: what nobody has claimed is closed, for connections would wait in vain in it; who waits in
 * inherit_is_open goes on; a predecessor is told. While it starts it may fail, and the predecessor go on: so it is that
 * one who accepts until then. */
void inherit_open(void);
/* Whether connections may be accepted. */
bool inherit_is_open(void);

/* Claims for `owner` the sockets that are known by `name` (NULL: by any name), or else by `address`. Returns how many. */
size_t inherit_claim(const void *owner, const char *name, const char *address);
/* Keeps a socket that `owner` has made for this address; fd belongs to the table, and is closed if that fails.
 * Fails: E_NOMEM, E_INVALID (an address that cannot be a line). */
anqa_status inherit_keep(const void *owner, const char *address, int fd) ANQA_MUST_CHECK;
/* A duplicate of the owner's socket number `i`, counted from 0; the caller closes it. -1 and errno. */
int inherit_dup(const void *owner, size_t i);
/* The owner has ended. all: in good order, what was given to it is closed, too. */
void inherit_release(const void *owner, bool all);

/* ---------------------------------------------------------------- handing on */

struct inherit_socket {
    int fd; /* a duplicate, with a number above those that it can have in the successor */
    char key[INHERIT_KEY];
};

/* All sockets, for a successor; to be freed by inherit_list_free.   Fails: E_NOMEM, E_LIMIT (descriptors). */
anqa_status inherit_list(struct inherit_socket **ret_list, size_t *ret_count) ANQA_MUST_CHECK;
void inherit_list_free(struct inherit_socket *list, size_t count);
/* A successor has them: files of Unix sockets are its own. */
void inherit_handed_on(void);

#endif
