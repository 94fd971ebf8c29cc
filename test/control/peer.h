/*
 * What the tests of the control socket share: a folder of their own for sockets, and a client of plain system calls.
 */
#ifndef TEST_CONTROL_PEER_H
#define TEST_CONTROL_PEER_H

#include <anqa/anqa.h>

/* The folder that XDG_RUNTIME_DIR names until the test ends. */
extern char folder[64];
void folder_begin(void);
/* Where the usual place is then. */
const char *anqa_folder(void);

/* The path of the control socket of the caller's runtime. */
const char *socket_path(void);

struct peer {
    int fd;
    size_t len;
    char bytes[9 << 20]; /* room for the longest answer */
};

/* A descriptor, or -1. */
int connect_to(const char *path);
struct peer *peer_open(void);
/* NULL: nobody listens there, or there is no memory. */
struct peer *peer_open_at(const char *path);
void peer_close(struct peer *peer);
void say_bytes(struct peer *peer, const char *bytes, size_t len);
void say(struct peer *peer, const char *text);
/* Says that there will be no more. */
void peer_end(struct peer *peer);
/* Whether there is something to be heard. */
bool has_come(const struct peer *peer);
/* Reads more; false at the end of the connection. */
bool fill(struct peer *peer);
/* The next line, in memory of the caller's event; NULL: the connection has ended. */
const char *hear(struct peer *peer);
/* Says a line and hears one. */
const char *ask(struct peer *peer, const char *text);

/* Whether the server serves nobody; for soon(). */
bool no_client_is_left(void *unused);

#endif
