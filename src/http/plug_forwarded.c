/* What proxies say of clients, and which are believed. See anqa/plugs.h. */
#include <anqa/memory.h>
#include <anqa/plugs.h>
#include <anqa/process.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "http/request.h"

#define REMOTE_KEY "anqa.remote_ip"
#define HOPS_MAX 32 /* addresses that are looked at */

/* An address as 16 bytes; those of IPv4 are mapped into IPv6, so that both forms of one are the same. */
struct ip {
    unsigned char bytes[16];
    unsigned bits; /* of the network, of a rule */
};

/* What the last proxy has said. Empty: nothing. */
struct told {
    anqa_str hops[HOPS_MAX]; /* the nearest last */
    size_t hop_count;
    anqa_str proto, host, port;
};

/* ---------------------------------------------------------------- addresses */

static bool parse_ip(anqa_str text, struct ip *ret_ip)
{
    static const unsigned char mapped[12] = {[10] = 0xff, [11] = 0xff};
    char copy[INET6_ADDRSTRLEN];

    if (text.len == 0 || text.len >= sizeof copy)
        return false;
    memcpy(copy, text.ptr, text.len);
    copy[text.len] = '\0';
    ret_ip->bits = 128;
    if (inet_pton(AF_INET6, copy, ret_ip->bytes) == 1)
        return true;
    memcpy(ret_ip->bytes, mapped, sizeof mapped);
    return inet_pton(AF_INET, copy, ret_ip->bytes + sizeof mapped) == 1;
}

/* "10.0.0.0/8" */
static bool parse_network(anqa_str text, struct ip *ret_ip)
{
    const char *slash = memchr(text.ptr, '/', text.len);
    size_t len = slash == NULL ? text.len : (size_t)(slash - text.ptr);
    unsigned most = memchr(text.ptr, ':', len) == NULL ? 32 : 128, bits = 0;

    if (!parse_ip(anqa_str_make(text.ptr, len), ret_ip) || len + 1 == text.len)
        return false;
    if (slash == NULL)
        return true;
    for (size_t i = len + 1; i < text.len; i++) {
        if (text.ptr[i] < '0' || text.ptr[i] > '9')
            return false;
        bits = bits * 10 + (unsigned)(text.ptr[i] - '0');
        if (bits > most)
            return false;
    }
    ret_ip->bits = 128 - most + bits;
    return true;
}

static bool is_within(const struct ip *ip, const struct ip *network)
{
    unsigned whole = network->bits / 8, rest = network->bits % 8;
    unsigned mask = 0xffu << (8 - rest) & 0xffu;

    return memcmp(ip->bytes, network->bytes, whole) == 0 &&
           (rest == 0 || ((ip->bytes[whole] ^ network->bytes[whole]) & mask) == 0);
}

/* "192.0.2.1", "192.0.2.1:80", "[2001:db8::1]:80", "2001:db8::1": without port and brackets. */
static anqa_str without_port(anqa_str text)
{
    const char *end = text.len == 0 || *text.ptr != '[' ? NULL : memchr(text.ptr, ']', text.len);
    const char *colon = text.len == 0 ? NULL : memchr(text.ptr, ':', text.len);

    if (end != NULL)
        return anqa_str_make(text.ptr + 1, (size_t)(end - text.ptr - 1));
    if (colon != NULL && memrchr(text.ptr, ':', text.len) == colon)
        return anqa_str_make(text.ptr, (size_t)(colon - text.ptr));
    return text;
}

static bool is_trusted(const anqa_forwarded_opts *opts, anqa_str address)
{
    struct ip ip, network;
    bool is_ip = parse_ip(address, &ip);

    for (const char *const *from = opts->from; from != NULL && *from != NULL; from++) {
        if (strcmp(*from, "unix:") == 0) {
            if (anqa_str_is(address, "unix:"))
                return true;
            continue;
        }
        if (!parse_network(anqa_str_of(*from), &network))
            anqa_exit(anqa_error_reason("anqa_plug_forwarded: \"%s\" is no address", *from));
        if (is_ip && is_within(&ip, &network))
            return true;
    }
    return false;
}

/* ---------------------------------------------------------------- fields */

/* When there are too many, the farthest go. */
static void add_hop(struct told *told, anqa_str hop)
{
    if (told->hop_count == HOPS_MAX)
        memmove(told->hops, told->hops + 1, --told->hop_count * sizeof told->hops[0]);
    told->hops[told->hop_count++] = hop;
}

/* The last element of all fields of that name: what the nearest proxy has added. */
static anqa_str last_of(const anqa_conn *conn, const char *name)
{
    anqa_str found, list, element, last = {0}, wanted = anqa_str_of(name);

    for (size_t at = 0; anqa_conn_each_req_header(conn, &at, &found, &list);)
        while (request_same_word(found, wanted) && request_next_token(&list, &element))
            last = element;
    return last;
}

static void read_x_forwarded(const anqa_conn *conn, struct told *told)
{
    anqa_str found, list, element, wanted = anqa_str_of("x-forwarded-for");

    for (size_t at = 0; anqa_conn_each_req_header(conn, &at, &found, &list);)
        while (request_same_word(found, wanted) && request_next_token(&list, &element))
            add_hop(told, without_port(element));
    told->proto = last_of(conn, "x-forwarded-proto");
    told->host = last_of(conn, "x-forwarded-host");
    told->port = last_of(conn, "x-forwarded-port");
}

/* Cuts the text up to the next `c` outside of quotes off the front. */
static anqa_str cut_unquoted(anqa_str *rest, char c)
{
    bool quoted = false;
    size_t len = 0;
    anqa_str head;

    for (; len < rest->len && (quoted || rest->ptr[len] != c); len++)
        quoted ^= rest->ptr[len] == '"';
    head = anqa_str_make(rest->ptr, len);
    len += len < rest->len;
    *rest = anqa_str_make(rest->ptr + len, rest->len - len);
    return request_trim(head);
}

/* Without quotes; values that are meant here need no escapes in them. */
static anqa_str unquote(anqa_str text)
{
    if (text.len >= 2 && text.ptr[0] == '"' && text.ptr[text.len - 1] == '"')
        return anqa_str_make(text.ptr + 1, text.len - 2);
    return text;
}

/* for=192.0.2.60;proto=https;host=example.org (RFC 7239, 4) */
static void read_element(struct told *told, anqa_str element)
{
    anqa_str hop = {0};

    told->proto = told->host = (anqa_str){0}; /* only what the nearest says counts */
    while (element.len != 0) {
        anqa_str value = cut_unquoted(&element, ';'), name = cut_unquoted(&value, '=');
        value = unquote(value);
        if (request_same_word(name, anqa_str_of("for")))
            hop = without_port(value);
        else if (request_same_word(name, anqa_str_of("proto")))
            told->proto = value;
        else if (request_same_word(name, anqa_str_of("host")))
            told->host = value;
    }
    add_hop(told, hop);
}

static void read_forwarded(const anqa_conn *conn, struct told *told)
{
    anqa_str found, list, wanted = anqa_str_of("forwarded");

    for (size_t at = 0; anqa_conn_each_req_header(conn, &at, &found, &list);)
        while (request_same_word(found, wanted) && list.len != 0)
            read_element(told, cut_unquoted(&list, ','));
}

/* What a proxy passes on as it came is the client's word. */
static void forget_unbelieved(struct told *told, unsigned believed)
{
    if (believed == 0)
        believed = ANQA_FORWARDED_FOR | ANQA_FORWARDED_PROTO;
    if ((believed & ANQA_FORWARDED_FOR) == 0)
        told->hop_count = 0;
    if ((believed & ANQA_FORWARDED_PROTO) == 0)
        told->proto = (anqa_str){0};
    if ((believed & ANQA_FORWARDED_HOST) == 0)
        told->host = (anqa_str){0};
    if ((believed & ANQA_FORWARDED_PORT) == 0)
        told->port = (anqa_str){0};
}

/* ---------------------------------------------------------------- what is made of them */

/* The nearest that is no proxy of ours; what is no address ends the chain. */
static anqa_str client_of(const anqa_forwarded_opts *opts, const struct told *told, anqa_str peer)
{
    anqa_str client = peer;
    struct ip ip;

    for (size_t i = told->hop_count; i > 0 && is_trusted(opts, client); i--) {
        if (!parse_ip(told->hops[i - 1], &ip))
            break;
        client = told->hops[i - 1];
    }
    return client;
}

static void put_port(anqa_conn *conn, anqa_str text)
{
    unsigned port = 0;

    for (size_t i = 0; i < text.len && port <= UINT16_MAX; i++) {
        if (text.ptr[i] < '0' || text.ptr[i] > '9')
            return;
        port = port * 10 + (unsigned)(text.ptr[i] - '0');
    }
    if (port != 0 && port <= UINT16_MAX)
        conn->port = (uint16_t)port;
}

static void put_told(anqa_conn *conn, const struct told *told)
{
    anqa_str host = told->host, port;

    if (request_same_word(told->proto, anqa_str_of("https"))) {
        conn->scheme = "https";
        conn->port = 443;
    } else if (request_same_word(told->proto, anqa_str_of("http"))) {
        conn->scheme = "http";
        conn->port = 80;
    }
    if (host.len != 0) {
        const char *colon = memrchr(host.ptr, ':', host.len);
        bool has_port = colon != NULL && host.ptr[host.len - 1] != ']';
        conn->host = has_port ? anqa_str_make(host.ptr, (size_t)(colon - host.ptr)) : host;
        port = has_port ? anqa_str_make(colon + 1, host.len - conn->host.len - 1)
                        : (anqa_str){NULL, 0};
        put_port(conn, port);
    }
    put_port(conn, told->port);
}

static anqa_str peer_ip(const anqa_conn *conn)
{
    char text[ANQA_ADDRESS_TEXT];
    anqa_str ip;

    anqa_conn_peer(conn, text);
    ip = anqa_str_of(text);
    if (!anqa_str_is(ip, "unix:"))
        ip = without_port(ip);
    return anqa_str_make(anqa_tmp_copy(ip.ptr, ip.len), ip.len);
}

void anqa_plug_forwarded(anqa_conn *conn, const void *opts)
{
    const anqa_forwarded_opts *forwarded = opts;
    anqa_str peer = peer_ip(conn), *client;
    struct told told = {0};

    if (!is_trusted(forwarded, peer))
        return;
    if (forwarded->rfc7239)
        read_forwarded(conn, &told);
    else
        read_x_forwarded(conn, &told);
    forget_unbelieved(&told, forwarded->believed);
    client = anqa_arena_alloc(anqa_tmp(), sizeof *client);
    *client = client_of(forwarded, &told, peer);
    anqa_conn_put_private(conn, REMOTE_KEY, client);
    put_told(conn, &told);
}

anqa_str anqa_conn_remote_ip(const anqa_conn *conn)
{
    const anqa_str *client = anqa_conn_private(conn, REMOTE_KEY);

    return client == NULL ? peer_ip(conn) : *client;
}
