/* What the files of http/tls.h share. */
#ifndef HTTP_TLS_INT_H
#define HTTP_TLS_INT_H

/* IWYU pragma: begin_exports */
#include <openssl/err.h>
#include <openssl/ssl.h>

#include "http/tls.h"
/* IWYU pragma: end_exports */

struct tls_set;

/* The certificates that are current, with a count for the caller. Any thread. */
struct tls_set *tls_server_set(struct tls_server *server);
void tls_set_unref(struct tls_set *set);
/* Borrowed; for new connections. */
SSL_CTX *tls_set_context(const struct tls_set *set);

/* ---------------------------------------------------------------- session tickets */

#define TLS_TICKET_S 14400u /* how long a session may be resumed, and a key seals */
#define TLS_TICKET_NAME 16
#define TLS_TICKET_KEY 32

struct tls_ticket_key {
    unsigned char name[TLS_TICKET_NAME], cipher[TLS_TICKET_KEY], mac[TLS_TICKET_KEY];
    uint64_t made_s; /* of the monotonic clock */
};

/* The key that seals, and the one before it, which only opens. For all schedulers; the owner's lock is around each use. */
struct tls_tickets {
    struct tls_ticket_key now, before;
};

/* Zeroed tickets have no key. Makes a new one if there is none, or the one there is has done its time. */
void tls_tickets_turn(struct tls_tickets *tickets, uint64_t now_s);
/* The key of that name; NULL: none any more. */
const struct tls_ticket_key *tls_tickets_find(const struct tls_tickets *tickets,
    const unsigned char name[static TLS_TICKET_NAME], uint64_t now_s);
/* A copy of the key for a ticket to be sealed (name NULL) or opened. False: there is none. ret_old: the ticket is to be replaced. */
bool tls_server_ticket_key(struct tls_server *server, const unsigned char *name,
    struct tls_ticket_key *ret_key, bool *ret_old);
/* Sets what seals and opens tickets of this context, whose app data is the server. */
bool tls_ticket_enable(SSL_CTX *context);

#endif
