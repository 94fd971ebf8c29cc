/*
 * How many connections each address has with a service that limits them.
 *
 * An address is an IPv4 one, or the network of an IPv6 one (its first 64 bits, which one customer has). Clients on Unix sockets
 * are not counted. A connection is counted from peers_admit until its descriptor is closed, wherever that is.
 *
 * Threads: any, a lock guards the table. It is taken when connections begin and end, and never for long.
 */
#ifndef HTTP_PEERS_H
#define HTTP_PEERS_H

#include "runtime/poller.h" /* IWYU pragma: export */

struct peers;

/* most: connections of one address, from 1.   NULL: no memory. */
struct peers *peers_new(uint32_t most);
/* Lets go; it stays as long as there are connections. NULL is fine. */
void peers_unref(struct peers *peers);

/* Counts the connection of `entry`.   Fails: E_LIMIT (its address has as many as allowed), E_NOMEM. */
anqa_status peers_admit(struct peers *peers, struct fd_entry *entry) ANQA_MUST_CHECK;

#endif
