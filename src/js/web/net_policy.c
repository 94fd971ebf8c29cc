#include "js/web/net_policy.h"

#include <arpa/inet.h>
#include <netinet/in.h>

/* ---------------------------------------------------------------- addresses */

static bool in_net(uint32_t address, uint32_t net, unsigned bits)
{
    return (address ^ net) >> (32 - bits) == 0;
}

/* IANA's registry of special addresses, and one that only looks public: Azure's host. */
static bool is_public_v4(uint32_t address)
{
    static const struct {
        uint32_t net;
        unsigned bits;
    } special[] = {
        {0x00000000, 8},  /* 0.0.0.0: this network */
        {0x0a000000, 8},  /* 10.0.0.0: private */
        {0x64400000, 10}, /* 100.64.0.0: carriers, and Alibaba's metadata */
        {0x7f000000, 8},  /* 127.0.0.0: this machine */
        {0xa9fe0000, 16}, /* 169.254.0.0: link-local, and metadata of clouds */
        {0xac100000, 12}, /* 172.16.0.0: private */
        {0xc0000000, 24}, /* 192.0.0.0: protocols, and Oracle's metadata */
        {0xc0000200, 24}, /* 192.0.2.0: documentation */
        {0xc0586300, 24}, /* 192.88.99.0: relays */
        {0xc0a80000, 16}, /* 192.168.0.0: private */
        {0xc6120000, 15}, /* 198.18.0.0: measurements */
        {0xc6336400, 24}, /* 198.51.100.0: documentation */
        {0xcb007100, 24}, /* 203.0.113.0: documentation */
        {0xa83f8110, 32}, /* 168.63.129.16: Azure's host */
        {0xe0000000, 3},  /* 224.0.0.0 and above: multicast, reserved, broadcast */
    };

    for (size_t i = 0; i < ANQA_COUNT(special); i++)
        if (special[i].bits == 32 ? address == special[i].net
                                  : in_net(address, special[i].net, special[i].bits))
            return false;
    return true;
}

static uint32_t v4_at(const uint8_t *at)
{
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

/* The IPv4 address that one of IPv6 stands for, if it does. */
static bool v4_inside(const uint8_t a[16], uint32_t *ret_address)
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    static const uint8_t nat64[12] = {0x00, 0x64, 0xff, 0x9b};

    if (memcmp(a, mapped, 12) == 0 || memcmp(a, nat64, 12) == 0) {
        *ret_address = v4_at(a + 12);
        return true;
    }
    if (a[0] == 0x20 && a[1] == 0x02) { /* 6to4 */
        *ret_address = v4_at(a + 2);
        return true;
    }
    return false;
}

static bool is_public_v6(const uint8_t a[16])
{
    uint32_t v4;

    if (v4_inside(a, &v4))
        return is_public_v4(v4);
    if ((a[0] & 0xe0) != 0x20) /* all that is public lies in 2000::/3 */
        return false;
    if (a[0] == 0x20 && a[1] == 0x01 && (a[2] & 0xfe) == 0) /* 2001::/23: Teredo and others */
        return false;
    if (a[0] == 0x20 && a[1] == 0x01 && a[2] == 0x0d && a[3] == 0xb8) /* documentation */
        return false;
    return a[0] != 0x3f || a[1] != 0xff || (a[2] & 0xf0) != 0; /* 3fff::/20: documentation */
}

static bool is_local_v6(const uint8_t a[16])
{
    static const uint8_t loopback[16] = {[15] = 1};
    uint32_t v4;

    return memcmp(a, loopback, 16) == 0 || (v4_inside(a, &v4) && v4 >> 24 == 127);
}

bool net_policy_address(enum net_reach reach, const struct sockaddr *address, socklen_t len)
{
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
    uint32_t number;

    if (address->sa_family == AF_INET && len >= (socklen_t)sizeof v4) {
        memcpy(&v4, address, sizeof v4);
        number = ntohl(v4.sin_addr.s_addr);
        return reach == NET_ANY || (reach == NET_LOCAL && number >> 24 == 127) ||
               (reach != NET_REFUSED && is_public_v4(number));
    }
    if (address->sa_family == AF_INET6 && len >= (socklen_t)sizeof v6) {
        memcpy(&v6, address, sizeof v6);
        return reach == NET_ANY || (reach == NET_LOCAL && is_local_v6(v6.sin6_addr.s6_addr)) ||
               (reach != NET_REFUSED && is_public_v6(v6.sin6_addr.s6_addr));
    }
    return false;
}

/* ---------------------------------------------------------------- names */

/* An address as text, in brackets or not, as 16 bytes. */
static bool literal(anqa_str host, uint8_t ret_bytes[16])
{
    char text[INET6_ADDRSTRLEN];

    if (host.len >= 2 && host.ptr[0] == '[' && host.ptr[host.len - 1] == ']')
        host = anqa_str_make(host.ptr + 1, host.len - 2);
    if (host.len >= sizeof text)
        return false;
    memcpy(text, host.ptr, host.len);
    text[host.len] = '\0';
    memset(ret_bytes, 0, 16);
    if (inet_pton(AF_INET6, text, ret_bytes) == 1)
        return true;
    ret_bytes[10] = ret_bytes[11] = 0xff;
    return inet_pton(AF_INET, text, ret_bytes + 12) == 1;
}

static char lower(char c)
{
    if (c < 'A' || c > 'Z')
        return c;
    return (char)((unsigned char)c | 0x20);
}

static bool same_name(anqa_str a, anqa_str b)
{
    size_t i = 0;

    while (i < a.len && i < b.len && lower(a.ptr[i]) == lower(b.ptr[i]))
        i++;
    return i == a.len && i == b.len;
}

/* An entry without its "private:". */
struct entry {
    anqa_str host, port; /* port empty: left out */
};

static struct entry entry_of(anqa_str text)
{
    size_t at = text.len, from = 0;

    /* the colons of an address in brackets are none of a port */
    while (from < text.len && text.len > 0 && text.ptr[0] == '[' && text.ptr[from] != ']')
        from++;
    while (at > from && text.ptr[at - 1] != ':')
        at--;
    if (at == from)
        return (struct entry){text, {NULL, 0}};
    return (struct entry){
        anqa_str_make(text.ptr, at - 1), anqa_str_make(text.ptr + at, text.len - at)};
}

static bool port_fits(anqa_str entry, uint16_t port, bool standard)
{
    uint32_t number = 0;

    if (entry.len == 0)
        return standard;
    if (anqa_str_is(entry, "*"))
        return true;
    for (size_t i = 0; i < entry.len; i++) {
        if (entry.ptr[i] < '0' || entry.ptr[i] > '9' || number > UINT16_MAX)
            return false;
        number = number * 10 + (uint32_t)(entry.ptr[i] - '0');
    }
    return number == port;
}

static bool name_fits(anqa_str entry, anqa_str host)
{
    if (anqa_str_is(entry, "*"))
        return true;
    if (entry.len < 2 || entry.ptr[0] != '*')
        return same_name(entry, host);
    entry = anqa_str_make(entry.ptr + 1, entry.len - 1); /* ".name" */
    return host.len > entry.len &&
           same_name(entry, anqa_str_make(host.ptr + host.len - entry.len, entry.len));
}

static enum net_reach entry_reach(anqa_str text, anqa_str host, uint16_t port, bool standard)
{
    static const char mark[] = "private:";
    uint8_t ours[16], theirs[16];
    bool internal = text.len > sizeof mark - 1 && memcmp(text.ptr, mark, sizeof mark - 1) == 0;
    struct entry entry = entry_of(
        internal ? anqa_str_make(text.ptr + sizeof mark - 1, text.len - (sizeof mark - 1)) : text);

    if (!port_fits(entry.port, port, standard))
        return NET_REFUSED;
    if (literal(entry.host, ours))
        return literal(host, theirs) && memcmp(ours, theirs, 16) == 0 ? NET_ANY : NET_REFUSED;
    if (!name_fits(entry.host, host))
        return NET_REFUSED;
    if (internal)
        return NET_ANY;
    return anqa_str_is(entry.host, "localhost") ? NET_LOCAL : NET_PUBLIC;
}

enum net_reach net_policy_host(
    const char *const *hosts, anqa_str host, uint16_t port, bool standard)
{
    enum net_reach widest = NET_REFUSED;

    if (host.len > 1 && host.ptr[host.len - 1] == '.') /* "example.com." is the same name */
        host.len--;
    for (; hosts != NULL && *hosts != NULL; hosts++) {
        enum net_reach reach = entry_reach(anqa_str_of(*hosts), host, port, standard);
        if (reach > widest)
            widest = reach;
    }
    return widest;
}
