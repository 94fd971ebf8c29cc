/*
 * A load for a server that is restarted under it: connections that are kept for many requests, connections for one request
 * each, those of HTTP/2, which are told to go elsewhere, and WebSockets in a room, which come back when they are told to. Each is a thread of its own.
 */
#ifndef TEST_SOAK_RESTART_LOAD_H
#define TEST_SOAK_RESTART_LOAD_H

#include <stdint.h>

/* Threads of each kind; those of HTTP/2 are as many again over TLS. */
struct restart_load_options {
    uint16_t port, secure_port; /* that of https; 0: none */
    unsigned keeping, single, framed, websockets;
};

/* What the last three count must never be. */
struct restart_load_result {
    uint64_t requests;    /* answered */
    uint64_t connections; /* that were opened for them */
    uint64_t framed;      /* and those of HTTP/2, if the tests can speak it */
    uint64_t secure;      /* the same over TLS */
    uint64_t joins;       /* WebSockets whose join was answered */
    uint64_t told;        /* of these: to come back */
    uint64_t refused;     /* connections */
    uint64_t broken;      /* requests without a whole answer */
    uint64_t lost;        /* WebSockets that ended, or were not let in, in any other way */
};

struct restart_load;

struct restart_load *restart_load_begin(const struct restart_load_options *options);
struct restart_load_result restart_load_end(struct restart_load *load);

#endif
