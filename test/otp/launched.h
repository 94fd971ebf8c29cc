/*
 * A server that runs as a program of its own (fixture/server.c), in a folder of its own, where "hello.txt" is to be
 * served. Its successors become children of the test.
 */
#ifndef TEST_OTP_LAUNCHED_H
#define TEST_OTP_LAUNCHED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define LAUNCHED_HELLO "hello, world\n"

struct launched {
    pid_t pid; /* of the one that serves */
    uint16_t port;
    int folder;
    char path[64];
};

struct launch {
    const char *program;
    const char *const *variables; /* "NAME=value", NULL at the end; may be NULL */
    const char *const *arguments; /* more of them; as above */
    const int *sockets;           /* that it gets as a service manager would give them */
    size_t socket_count;
    const char *socket_names;
};

/* Starts it and waits until it has started. With sockets of the launch `port` stays 0. */
struct launched launched_begin(const struct launch *launch);
/* Stops it, which must go well, and removes its folder. */
void launched_end(struct launched *server);

/* Sends a signal to the one that serves. */
void launched_signal(const struct launched *server, int signal);
/* Waits for the end of one of them; returns its status as of wait(2). */
int launched_wait(pid_t pid);
/* Has it replaced: waits until it has ended well, and the successor is the one that serves. */
void launched_restart(struct launched *server);
/* Waits until another one than `before` has started, which is the one that serves from then on. */
void launched_await_successor(struct launched *server, pid_t before);
/* Waits until what they have all written, to both outputs, has `text` in it `count` times. */
void launched_await(const struct launched *server, const char *text, unsigned count);
/* The number behind the last but `back` "listening on http://127.0.0.1:". */
uint16_t launched_port(const struct launched *server, unsigned back);
/* That of https, if it was started with HTTPS_PORT. */
uint16_t launched_secure_port(const struct launched *server);
/* Puts a file into its folder. */
void launched_put(const struct launched *server, const char *name, const char *content);

/* ---------------------------------------------------------------- a client that blocks */

/* -1 and errno: it was refused. */
int launched_dial(uint16_t port);
/* GET of hello.txt over a connection; what it answers must be whole. Returns the status; -1: the connection broke. *ret_close: whether
 * the connection is closed behind it. */
int launched_get(int fd, bool keep_alive, bool *ret_close);
/* The same over a connection of its own. -1: also refused. */
int launched_get_once(uint16_t port);

#endif
