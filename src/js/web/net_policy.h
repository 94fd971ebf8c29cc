/*
 * Where a script may go: its list of hosts, and which addresses are nobody's business from inside of a server.
 *
 * An entry is [private:]HOST[:PORT]. HOST is a name, "*.name" for all names below it, "*" for all names, or an address
 * ("127.0.0.1", "[::1]"); PORT a number, "*" for all of them, or left out: that of the scheme. Addresses that are not for the
 * public (this machine, private networks, link-local ones, those where clouds tell secrets, multicast ...) are refused even
 * when a name is listed that leads there, unless the entry begins with "private:" or is such an address itself;
 * "localhost" allows the addresses of this machine.
 *
 * Pure functions; any thread.
 */
#ifndef JS_WEB_NET_POLICY_H
#define JS_WEB_NET_POLICY_H

#include <sys/socket.h> // IWYU pragma: export

#include <anqa/js.h>

/* What an entry allows beyond public addresses. */
enum net_reach { NET_REFUSED, NET_PUBLIC, NET_LOCAL /* and this machine */, NET_ANY };

/* The widest of the entries that cover it. host: as in a URL, an IPv6 address in brackets; port: where it goes;
 * standard: whether that is the one of the scheme. */
enum net_reach net_policy_host(
    const char *const *hosts, anqa_str host, uint16_t port, bool standard);

/* Whether a connection to that address may be made. */
bool net_policy_address(enum net_reach reach, const struct sockaddr *address, socklen_t len);

#endif
