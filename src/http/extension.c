#include "http/extension.h"

#include <stdio.h>

#include "http/deflate.h"

/* ---------------------------------------------------------------- the field */

/* RFC 7230, 3.2.6. */
static bool is_token_char(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (c != '\0' && strchr("!#$%&'*+-.^_`|~", c) != NULL);
}

static void skip_blanks(anqa_str *at)
{
    while (at->len > 0 && (*at->ptr == ' ' || *at->ptr == '\t')) {
        at->ptr++;
        at->len--;
    }
}

/* Takes this character and the blanks on both sides of it. */
static bool take_char(anqa_str *at, char c)
{
    skip_blanks(at);
    if (at->len == 0 || *at->ptr != c)
        return false;
    at->ptr++;
    at->len--;
    skip_blanks(at);
    return true;
}

static bool take_token(anqa_str *at, anqa_str *ret_token)
{
    size_t len = 0;

    while (len < at->len && is_token_char(at->ptr[len]))
        len++;
    *ret_token = anqa_str_make(at->ptr, len);
    at->ptr += len;
    at->len -= len;
    return len > 0;
}

/* Between quotes, behind the first one. What it says must be a token, too; one with a backslash is no value that we know:
 * it comes as an empty one. */
static bool take_quoted(anqa_str *at, anqa_str *ret_value)
{
    const char *from = at->ptr, *end = at->ptr + at->len, *p = from;
    bool escaped = false;

    for (; p < end && *p != '"'; p++) {
        if (*p == '\\' && end - p > 1) {
            escaped = true;
            p++;
        }
        if (!is_token_char(*p))
            return false;
    }
    if (p == end || p == from)
        return false;
    *ret_value = anqa_str_make(from, escaped ? 0 : (size_t)(p - from));
    *at = anqa_str_make(p + 1, (size_t)(end - p) - 1);
    return true;
}

static bool take_value(anqa_str *at, anqa_str *ret_value)
{
    if (at->len == 0 || *at->ptr != '"')
        return take_token(at, ret_value);
    at->ptr++;
    at->len--;
    return take_quoted(at, ret_value);
}

/* ---------------------------------------------------------------- an offer */

struct offer {
    struct ws_deflate agreed;
    bool good;
    bool seen[4]; /* its parameters */
};

enum { SERVER_NO_CONTEXT, CLIENT_NO_CONTEXT, SERVER_BITS, CLIENT_BITS, PARAMETERS };

static const char *const parameters[PARAMETERS] = {"server_no_context_takeover",
    "client_no_context_takeover", "server_max_window_bits", "client_max_window_bits"};

/* 8 to 15, without zeroes in front; 0: it is not. */
static unsigned window_bits(anqa_str value)
{
    unsigned bits = 0;

    if (value.len == 0 || value.len > 2 || value.ptr[0] == '0')
        return 0;
    for (size_t i = 0; i < value.len; i++) {
        if (value.ptr[i] < '0' || value.ptr[i] > '9')
            return 0;
        bits = bits * 10 + (unsigned)(value.ptr[i] - '0');
    }
    return bits >= DEFLATE_WINDOW_MIN && bits <= DEFLATE_WINDOW_MAX ? bits : 0;
}

/* has_value: it came with "=". */
static bool accept(struct offer *offer, unsigned which, bool has_value, anqa_str value)
{
    struct ws_deflate *agreed = &offer->agreed;
    unsigned bits = has_value ? window_bits(value) : DEFLATE_WINDOW_MAX;

    if (which == PARAMETERS || offer->seen[which])
        return false;
    offer->seen[which] = true;
    switch (which) {
    case SERVER_BITS:
        agreed->server_bits = bits & 15;
        agreed->says_server_bits = true;
        return has_value && bits != 0;
    case CLIENT_BITS:
        agreed->client_bits = bits & 15;
        agreed->says_client_bits = true;
        return bits != 0;
    case CLIENT_NO_CONTEXT: agreed->client_context = false; return !has_value;
    default: return !has_value;
    }
}

static unsigned parameter_of(anqa_str name)
{
    unsigned which = 0;

    while (which < PARAMETERS && !request_same_word(name, anqa_str_of(parameters[which])))
        which++;
    return which;
}

/* extension *( ";" parameter [ "=" value ] ). False: malformed. */
static bool take_offer(anqa_str *at, bool client_context, struct offer *offer)
{
    anqa_str name, value;

    *offer = (struct offer){.agreed = {.on = true,
                                .client_context = client_context,
                                .client_bits = DEFLATE_WINDOW_MAX,
                                .server_bits = DEFLATE_WINDOW_MAX}};
    if (!take_token(at, &name))
        return false;
    offer->good = request_same_word(name, anqa_str_of("permessage-deflate"));
    while (take_char(at, ';')) {
        bool has_value = false;
        if (!take_token(at, &name))
            return false;
        value = (anqa_str){NULL, 0};
        if (take_char(at, '=')) {
            has_value = true;
            if (!take_value(at, &value))
                return false;
        }
        offer->good = offer->good && accept(offer, parameter_of(name), has_value, value);
    }
    return true;
}

/* One field: offers between commas; empty ones are allowed (RFC 7230, 7). */
static bool choose_from(anqa_str at, bool client_context, struct ws_deflate *agreed)
{
    do {
        struct offer offer;
        skip_blanks(&at);
        if (at.len == 0 || *at.ptr == ',')
            continue;
        if (!take_offer(&at, client_context, &offer))
            return false;
        if (offer.good && !agreed->on)
            *agreed = offer.agreed;
    } while (take_char(&at, ','));
    return at.len == 0;
}

bool extension_choose(const struct request *req, bool client_context, struct ws_deflate *ret_agreed)
{
    anqa_str name = anqa_str_of("sec-websocket-extensions");
    struct ws_deflate agreed = {0};

    for (size_t i = 0; i < req->header_count; i++) {
        const struct request_header *header = &req->headers[i];
        if (request_same_word(header->name, name) &&
            !choose_from(header->value, client_context, &agreed))
            return false;
    }
    *ret_agreed = deflate_available ? agreed : (struct ws_deflate){0};
    return true;
}

anqa_str extension_answer(const struct ws_deflate *agreed, char out[static EXTENSION_ANSWER_MAX])
{
    char server[32] = "", client[32] = "";
    int len;

    if (!agreed->on)
        return (anqa_str){NULL, 0};
    if (agreed->says_server_bits)
        snprintf(server, sizeof server, "; server_max_window_bits=%u", agreed->server_bits);
    if (agreed->says_client_bits)
        snprintf(client, sizeof client, "; client_max_window_bits=%u", agreed->client_bits);
    len =
        snprintf(out, EXTENSION_ANSWER_MAX, "permessage-deflate; server_no_context_takeover%s%s%s",
            agreed->client_context ? "" : "; client_no_context_takeover", server, client);
    return anqa_str_make(out, (size_t)len);
}
