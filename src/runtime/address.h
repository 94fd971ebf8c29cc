/*
 * Socket addresses and their texts, see anqa/net.h for the grammar. Pure functions of their arguments, any thread.
 */
#ifndef RUNTIME_ADDRESS_H
#define RUNTIME_ADDRESS_H

#include <netinet/in.h> /* IWYU pragma: export */
#include <sys/socket.h> /* IWYU pragma: export */
#include <sys/un.h>     /* IWYU pragma: export */

#include <anqa/base.h>
#include <anqa/net.h>

#define HOST_TEXT 254 /* the longest name that DNS knows, and a NUL */

struct address {
    socklen_t len;
    union {
        struct sockaddr any;
        struct sockaddr_in in;
        struct sockaddr_in6 in6;
        struct sockaddr_un un;
    } u;
};

enum address_kind {
    ADDRESS_READY, /* `address` holds it */
    ADDRESS_ANY,   /* "*": `address` holds [::], which shall take IPv4 too */
    ADDRESS_NAME   /* `host` and `port` are to be looked up */
};

struct address_text {
    enum address_kind kind;
    uint16_t port;
    char host[HOST_TEXT];
    struct address address;
};

/* Fails: E_INVALID, err says what is wrong with it. */
anqa_status address_parse(
    const char *text, struct address_text *ret_parsed, anqa_error *err) ANQA_MUST_CHECK;

void address_from_ip4(struct address *ret_address, const struct in_addr *ip, uint16_t port);
void address_from_ip6(
    struct address *ret_address, const struct in6_addr *ip, uint32_t scope, uint16_t port);

/* Writes the text that address_parse understands; bytes of a socket path that are not printable become '?'. */
void address_format(const struct address *address, char text[ANQA_ADDRESS_TEXT]);

/* The address, or the addresses of a name, at most `max`; asks the resolver on a worker. Context: process; may wait.
 * Fails: E_INVALID, E_NOT_FOUND, E_IO, E_NOMEM, E_LIMIT. */
anqa_status address_resolve(const struct address_text *parsed, struct address *addresses,
    size_t max, size_t *ret_count, anqa_error *err) ANQA_MUST_CHECK;

#endif
