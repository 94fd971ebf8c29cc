#include "http/peers.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/container.h"
#include "base/map.h"
#include "runtime/address.h"

#define KEY_MAX 8

struct peers {
    pthread_mutex_t lock; /* guards by_address, and the counts in it */
    struct map_str by_address;
    uint32_t most;
    _Atomic(uint32_t) refs; /* shared: the service, and each connection that is counted */
};

/* One address, and what all its connections have in their entries. */
struct peer {
    struct fd_extra extra;
    struct peers *peers;
    uint32_t count;
    uint8_t len;
    char key[KEY_MAX];
};

struct peers *peers_new(uint32_t most)
{
    struct peers *peers = calloc(1, sizeof *peers);

    if (peers == NULL)
        return NULL;
    pthread_mutex_init(&peers->lock, NULL);
    peers->most = most;
    atomic_init(&peers->refs, 1);
    return peers;
}

void peers_unref(struct peers *peers)
{
    /* acq_rel: who frees it sees what the others have done with it */
    if (peers == NULL || atomic_fetch_sub_explicit(&peers->refs, 1, memory_order_acq_rel) != 1)
        return;
    map_str_done(&peers->by_address);
    pthread_mutex_destroy(&peers->lock);
    free(peers);
}

/* Length of the key; 0: not counted. */
static uint8_t key_of(const struct address *address, char key[static KEY_MAX])
{
    const struct in6_addr *ip6 = &address->u.in6.sin6_addr;

    if (address->u.any.sa_family == AF_INET) {
        memcpy(key, &address->u.in.sin_addr, 4);
        return 4;
    }
    if (address->u.any.sa_family != AF_INET6)
        return 0;
    if (IN6_IS_ADDR_V4MAPPED(ip6)) {
        memcpy(key, ip6->s6_addr + 12, 4);
        return 4;
    }
    memcpy(key, ip6->s6_addr, KEY_MAX);
    return KEY_MAX;
}

static void peer_drop(struct fd_extra *extra, int fd)
{
    struct peer *peer = ANQA_CONTAINER_OF(extra, struct peer, extra);
    struct peers *peers = peer->peers;
    bool last;

    pthread_mutex_lock(&peers->lock);
    last = --peer->count == 0;
    if (last)
        (void)map_str_remove(&peers->by_address, anqa_str_make(peer->key, peer->len));
    pthread_mutex_unlock(&peers->lock);
    if (last)
        free(peer);
    peers_unref(peers);
}

/* Under the lock. NULL: no memory. */
static struct peer *peer_get(struct peers *peers, anqa_str key)
{
    struct peer *peer = map_str_get(&peers->by_address, key);

    if (peer != NULL)
        return peer;
    peer = calloc(1, sizeof *peer);
    if (peer == NULL)
        return NULL;
    peer->extra.drop = peer_drop;
    peer->peers = peers;
    peer->len = (uint8_t)key.len;
    memcpy(peer->key, key.ptr, key.len);
    if (map_str_put(&peers->by_address, anqa_str_make(peer->key, peer->len), peer, NULL) == ANQA_OK)
        return peer;
    free(peer);
    return NULL;
}

anqa_status peers_admit(struct peers *peers, struct fd_entry *entry)
{
    struct address address = {.len = sizeof address.u};
    anqa_status status = ANQA_OK;
    char key[KEY_MAX];
    struct peer *peer;
    uint8_t len;

    if (getpeername(entry->fd, &address.u.any, &address.len) < 0)
        return ANQA_OK; /* it is gone already */
    len = key_of(&address, key);
    if (len == 0)
        return ANQA_OK;
    pthread_mutex_lock(&peers->lock);
    peer = peer_get(peers, anqa_str_make(key, len));
    if (peer == NULL)
        status = ANQA_E_NOMEM;
    else if (peer->count == peers->most)
        status = ANQA_E_LIMIT;
    else
        peer->count++;
    pthread_mutex_unlock(&peers->lock);
    if (status != ANQA_OK)
        return status;
    atomic_fetch_add_explicit(&peers->refs, 1, memory_order_relaxed);
    entry->extra = &peer->extra;
    return ANQA_OK;
}
