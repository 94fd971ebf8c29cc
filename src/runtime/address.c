#include "runtime/address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>

#include <anqa/process.h>

#define UNIX_PREFIX "unix:"
#define UNIX_MAX (sizeof(((struct sockaddr_un *)0)->sun_path) - 1)
#define RESOLVED_MAX 8

/* ---------------------------------------------------------------- making */

void address_from_ip4(struct address *ret_address, const struct in_addr *ip, uint16_t port)
{
    memset(ret_address, 0, sizeof *ret_address);
    ret_address->len = sizeof ret_address->u.in;
    ret_address->u.in.sin_family = AF_INET;
    ret_address->u.in.sin_port = htons(port);
    ret_address->u.in.sin_addr = *ip;
}

void address_from_ip6(
    struct address *ret_address, const struct in6_addr *ip, uint32_t scope, uint16_t port)
{
    memset(ret_address, 0, sizeof *ret_address);
    ret_address->len = sizeof ret_address->u.in6;
    ret_address->u.in6.sin6_family = AF_INET6;
    ret_address->u.in6.sin6_port = htons(port);
    ret_address->u.in6.sin6_addr = *ip;
    ret_address->u.in6.sin6_scope_id = scope;
}

/* ---------------------------------------------------------------- parsing */

/* Decimal, no sign, at most `max`. */
static bool number_parse(const char *text, uint32_t max, uint32_t *ret_number)
{
    uint32_t number = 0;

    if (*text == '\0')
        return false;
    for (; *text != '\0'; text++) {
        if (*text < '0' || *text > '9')
            return false;
        number = number * 10 + (uint32_t)(*text - '0');
        if (number > max)
            return false;
    }
    *ret_number = number;
    return true;
}

static anqa_status unix_parse(const char *path, struct address_text *parsed, anqa_error *err)
{
    struct sockaddr_un *un = &parsed->address.u.un;
    bool is_abstract = path[0] == '@';
    size_t len = strlen(path);

    if (len <= is_abstract)
        return anqa_fail(err, ANQA_E_INVALID, "address \"unix:%s\": the name is missing", path);
    if (len > UNIX_MAX)
        return anqa_fail(err, ANQA_E_INVALID,
            "address \"unix:%.60s...\": the name has %zu bytes, there is room for %zu", path, len,
            UNIX_MAX);
    memset(&parsed->address, 0, sizeof parsed->address);
    un->sun_family = AF_UNIX;
    memcpy(un->sun_path, path, len);
    if (is_abstract)
        un->sun_path[0] = '\0';
    /* Of an abstract name every byte counts, so its length ends with the last one; a path takes its NUL along. */
    parsed->address.len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len + !is_abstract);
    parsed->kind = ADDRESS_READY;
    return ANQA_OK;
}

static bool scope_parse(const char *text, uint32_t *ret_scope)
{
    if (number_parse(text, INT32_MAX, ret_scope))
        return *ret_scope != 0;
    *ret_scope = if_nametoindex(text);
    return *ret_scope != 0;
}

static anqa_status ip6_parse(
    const char *text, char *host, struct address_text *parsed, anqa_error *err)
{
    char *percent = strchr(host, '%');
    uint32_t scope = 0;
    struct in6_addr ip;

    if (percent != NULL) {
        *percent = '\0';
        if (!scope_parse(percent + 1, &scope))
            return anqa_fail(
                err, ANQA_E_INVALID, "address \"%.100s\": no interface \"%s\"", text, percent + 1);
    }
    if (inet_pton(AF_INET6, host, &ip) != 1)
        return anqa_fail(
            err, ANQA_E_INVALID, "address \"%.100s\": \"%s\" is not an IPv6 address", text, host);
    address_from_ip6(&parsed->address, &ip, scope, parsed->port);
    parsed->kind = ADDRESS_READY;
    return ANQA_OK;
}

static bool is_name_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.' || c == '_';
}

/* A name whose last label is a number would be taken for an address by some, by others not. */
static bool is_name(const char *host)
{
    const char *dot = strrchr(host, '.'), *last = dot == NULL ? host : dot + 1;
    uint32_t number;

    for (const char *c = host; *c != '\0'; c++)
        if (!is_name_char(*c))
            return false;
    return host[0] != '.' && host[0] != '-' && !number_parse(last, UINT32_MAX / 16, &number);
}

static anqa_status host_parse(
    const char *text, const char *host, struct address_text *parsed, anqa_error *err)
{
    struct in_addr ip;

    if (strcmp(host, "*") == 0) {
        address_from_ip6(&parsed->address, &in6addr_any, 0, parsed->port);
        parsed->kind = ADDRESS_ANY;
        return ANQA_OK;
    }
    if (inet_pton(AF_INET, host, &ip) == 1) {
        address_from_ip4(&parsed->address, &ip, parsed->port);
        parsed->kind = ADDRESS_READY;
        return ANQA_OK;
    }
    if (strchr(host, ':') != NULL)
        return anqa_fail(err, ANQA_E_INVALID,
            "address \"%.100s\": an IPv6 address is written in brackets, [::1]:80", text);
    if (!is_name(host))
        return anqa_fail(err, ANQA_E_INVALID,
            "address \"%.100s\": \"%.100s\" is neither an IPv4 address nor a name", text, host);
    memcpy(parsed->host, host, strlen(host) + 1);
    parsed->kind = ADDRESS_NAME;
    return ANQA_OK;
}

anqa_status address_parse(const char *text, struct address_text *ret_parsed, anqa_error *err)
{
    char host[HOST_TEXT];
    const char *colon, *start = text;
    uint32_t port;
    size_t len;

    if (text == NULL)
        return anqa_fail(err, ANQA_E_INVALID, "no address is given");
    if (strncmp(text, UNIX_PREFIX, sizeof UNIX_PREFIX - 1) == 0)
        return unix_parse(text + sizeof UNIX_PREFIX - 1, ret_parsed, err);
    colon = strrchr(text, ':');
    if (colon == NULL)
        return anqa_fail(err, ANQA_E_INVALID,
            "address \"%.100s\": the port is missing, as in 127.0.0.1:4000", text);
    if (!number_parse(colon + 1, 65535, &port))
        return anqa_fail(
            err, ANQA_E_INVALID, "address \"%.100s\": the port is a number from 0 to 65535", text);
    len = (size_t)(colon - text);
    if (text[0] == '[') {
        if (len < 2 || text[len - 1] != ']')
            return anqa_fail(err, ANQA_E_INVALID,
                "address \"%.100s\": a bracket is not closed before the port", text);
        start++;
        len -= 2;
    }
    if (len == 0 || len >= sizeof host)
        return anqa_fail(err, ANQA_E_INVALID,
            "address \"%.100s\": the host has %zu bytes, it needs 1 to %zu", text, len,
            sizeof host - 1);
    memcpy(host, start, len);
    host[len] = '\0';
    ret_parsed->port = (uint16_t)port;
    return start != text ? ip6_parse(text, host, ret_parsed, err)
                         : host_parse(text, host, ret_parsed, err);
}

/* ---------------------------------------------------------------- text */

static bool is_printable(char c)
{
    return (unsigned char)c >= 0x20 && c != 0x7f;
}

static void unix_format(const struct address *address, char *text)
{
    const char *path = address->u.un.sun_path;
    size_t head = offsetof(struct sockaddr_un, sun_path),
           len = address->len > head ? address->len - head : 0;
    char name[sizeof address->u.un.sun_path + 1];
    bool is_abstract = len > 0 && path[0] == '\0';

    if (!is_abstract)
        len = strnlen(path, len);
    memcpy(name, path, len);
    for (size_t i = 0; i < len; i++)
        if (!is_printable(name[i]))
            name[i] = '?';
    if (is_abstract)
        name[0] = '@';
    name[len] = '\0';
    snprintf(text, ANQA_ADDRESS_TEXT, UNIX_PREFIX "%s", name);
}

static void ip6_format(const struct sockaddr_in6 *in6, char *text)
{
    char ip[INET6_ADDRSTRLEN], scope[16] = "";

    inet_ntop(AF_INET6, &in6->sin6_addr, ip, sizeof ip);
    if (in6->sin6_scope_id != 0)
        snprintf(scope, sizeof scope, "%%%u", in6->sin6_scope_id);
    snprintf(text, ANQA_ADDRESS_TEXT, "[%s%s]:%u", ip, scope, ntohs(in6->sin6_port));
}

void address_format(const struct address *address, char text[ANQA_ADDRESS_TEXT])
{
    char ip[INET_ADDRSTRLEN];

    switch (address->len < sizeof(sa_family_t) ? AF_UNSPEC : address->u.any.sa_family) {
    case AF_UNIX: unix_format(address, text); return;
    case AF_INET6: ip6_format(&address->u.in6, text); return;
    case AF_INET:
        inet_ntop(AF_INET, &address->u.in.sin_addr, ip, sizeof ip);
        snprintf(text, ANQA_ADDRESS_TEXT, "%s:%u", ip, ntohs(address->u.in.sin_port));
        return;
    default: text[0] = '\0';
    }
}

/* ---------------------------------------------------------------- names */

/* What goes to the worker and comes back. */
struct lookup {
    char host[HOST_TEXT];
    uint16_t port;
    int error, errnum;
    size_t count;
    struct address found[RESOLVED_MAX];
};

static bool lookup_add(struct lookup *lookup, const struct addrinfo *info)
{
    struct address *address = &lookup->found[lookup->count];

    if (info->ai_family == AF_INET) {
        const struct sockaddr_in *in = (const void *)info->ai_addr;
        address_from_ip4(address, &in->sin_addr, lookup->port);
    } else if (info->ai_family == AF_INET6) {
        const struct sockaddr_in6 *in6 = (const void *)info->ai_addr;
        address_from_ip6(address, &in6->sin6_addr, in6->sin6_scope_id, lookup->port);
    } else {
        return true;
    }
    return ++lookup->count < RESOLVED_MAX;
}

static void lookup_run(void *job)
{
    struct lookup *lookup = job;
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *list = NULL;

    lookup->error = getaddrinfo(lookup->host, NULL, &hints, &list);
    lookup->errnum = errno;
    if (lookup->error != 0)
        return;
    for (const struct addrinfo *info = list; info != NULL && lookup_add(lookup, info);
        info = info->ai_next) {
    }
    freeaddrinfo(list);
}

static anqa_status lookup_status(const struct lookup *lookup, anqa_error *err)
{
    switch (lookup->error) {
    case 0: break;
    case EAI_MEMORY: return anqa_fail(err, ANQA_E_NOMEM, "looking up \"%.100s\"", lookup->host);
    case EAI_SYSTEM:
        return anqa_fail_errno(err, lookup->errnum, "looking up \"%.100s\"", lookup->host);
    case EAI_NONAME:
    case EAI_NODATA:
        return anqa_fail(err, ANQA_E_NOT_FOUND, "no host has the name \"%.100s\"", lookup->host);
    default:
        return anqa_fail(
            err, ANQA_E_IO, "looking up \"%.100s\": %s", lookup->host, gai_strerror(lookup->error));
    }
    if (lookup->count == 0)
        return anqa_fail(err, ANQA_E_NOT_FOUND, "\"%.100s\" has no address", lookup->host);
    return ANQA_OK;
}

anqa_status address_resolve(const struct address_text *parsed, struct address *addresses,
    size_t max, size_t *ret_count, anqa_error *err)
{
    struct lookup lookup = {.port = parsed->port};
    anqa_status status;

    if (parsed->kind != ADDRESS_NAME) {
        addresses[0] = parsed->address;
        *ret_count = 1;
        return ANQA_OK;
    }
    memcpy(lookup.host, parsed->host, sizeof lookup.host);
    status = anqa_blocking(lookup_run, &lookup, sizeof lookup);
    if (status != ANQA_OK)
        return anqa_fail(
            err, status, "cannot look up \"%.100s\": %s", parsed->host, anqa_status_text(status));
    status = lookup_status(&lookup, err);
    if (status != ANQA_OK)
        return status;
    *ret_count = lookup.count < max ? lookup.count : max;
    memcpy(addresses, lookup.found, *ret_count * sizeof *addresses);
    return ANQA_OK;
}
