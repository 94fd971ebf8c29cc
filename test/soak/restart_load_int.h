/* What the files restart_*.c of this folder share. */
#ifndef TEST_SOAK_RESTART_LOAD_INT_H
#define TEST_SOAK_RESTART_LOAD_INT_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "soak/restart_load.h"

#define RESTART_PAUSE_US 2000 /* between two requests of a thread */

struct restart_load {
    struct restart_load_options options;
    _Atomic(bool) over;
    _Atomic(uint64_t) requests, connections, framed, secure, joins, told, refused, broken, lost;
    unsigned count;
    pthread_t threads[];
};

static inline bool restart_load_is_over(struct restart_load *load)
{
    return atomic_load(&load->over);
}

static inline void restart_load_count(_Atomic(uint64_t) *counter)
{
    atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
}

/* A thread that speaks HTTP/2; one that ends at once where there is no library for it. The second does so over TLS. */
void *restart_h2_run(void *load);
void *restart_h2_secure_run(void *load);

#endif
