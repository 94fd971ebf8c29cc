#include "js/web/net_handshake.h"

#include "base/base64.h"
#include "base/random.h"
#include "http/websocket.h"

void handshake_key(struct handshake *handshake)
{
    unsigned char bytes[16];

    static_assert(HANDSHAKE_KEY_LEN == (sizeof bytes + 2) / 3 * 4, "what they become");
    random_bytes(bytes, sizeof bytes);
    (void)base64_encode(bytes, sizeof bytes, 0, handshake->key);
}

/* ---------------------------------------------------------------- words */

static char lower(char c)
{
    if (c < 'A' || c > 'Z')
        return c;
    return (char)((unsigned char)c | 0x20);
}

static bool same(anqa_str a, anqa_str b, bool exact)
{
    size_t i = 0;

    if (a.len != b.len)
        return false;
    while (i < a.len && (exact ? a.ptr[i] == b.ptr[i] : lower(a.ptr[i]) == lower(b.ptr[i])))
        i++;
    return i == a.len;
}

static anqa_str trim(anqa_str text)
{
    while (text.len > 0 && (text.ptr[0] == ' ' || text.ptr[0] == '\t'))
        text = anqa_str_make(text.ptr + 1, text.len - 1);
    while (text.len > 0 && (text.ptr[text.len - 1] == ' ' || text.ptr[text.len - 1] == '\t'))
        text.len--;
    return text;
}

bool handshake_lists(anqa_str list, anqa_str name, bool exact)
{
    while (list.len > 0) {
        const char *comma = memchr(list.ptr, ',', list.len);
        size_t len = comma == NULL ? list.len : (size_t)(comma - list.ptr), skip;
        if (same(trim(anqa_str_make(list.ptr, len)), name, exact))
            return true;
        skip = comma == NULL ? len : len + 1;
        list = anqa_str_make(list.ptr + skip, list.len - skip);
    }
    return false;
}

/* ---------------------------------------------------------------- the answer */

/* What its fields have said so far. */
struct answer {
    bool upgrade, connection, accept;
    anqa_str protocol;
    const char *why;
};

/* "HTTP/1.1 101 ..." */
static bool is_switch(anqa_str line)
{
    static const char want[] = "HTTP/1.1 101";
    size_t len = sizeof want - 1;

    return line.len >= len && memcmp(line.ptr, want, len) == 0 &&
           (line.len == len || line.ptr[len] == ' ');
}

static void take_accept(struct answer *answer, const struct handshake *handshake, anqa_str value)
{
    char want[WEBSOCKET_ACCEPT_LEN];

    websocket_accept_key(anqa_str_make(handshake->key, HANDSHAKE_KEY_LEN), want);
    if (answer->accept || !same(value, anqa_str_make(want, sizeof want), true))
        answer->why = "the server has not understood the key";
    answer->accept = true;
}

static void take_protocol(struct answer *answer, const struct handshake *handshake, anqa_str value)
{
    if (answer->protocol.len != 0 || value.len == 0 ||
        !handshake_lists(anqa_str_of(handshake->protocols), value, true))
        answer->why = "the server has chosen a subprotocol that was not offered";
    answer->protocol = value;
}

static void take_field(struct answer *answer, const struct handshake *handshake, anqa_str line)
{
    const char *colon = memchr(line.ptr, ':', line.len);
    anqa_str name, value;

    if (colon == NULL || colon == line.ptr || line.ptr[0] == ' ' || line.ptr[0] == '\t') {
        answer->why = "the answer is malformed";
        return;
    }
    name = anqa_str_make(line.ptr, (size_t)(colon - line.ptr));
    value = trim(anqa_str_make(colon + 1, line.len - name.len - 1));
    if (same(name, anqa_str_of("upgrade"), false))
        answer->upgrade |= handshake_lists(value, anqa_str_of("websocket"), false);
    else if (same(name, anqa_str_of("connection"), false))
        answer->connection |= handshake_lists(value, anqa_str_of("upgrade"), false);
    else if (same(name, anqa_str_of("sec-websocket-accept"), false))
        take_accept(answer, handshake, value);
    else if (same(name, anqa_str_of("sec-websocket-protocol"), false))
        take_protocol(answer, handshake, value);
    else if (same(name, anqa_str_of("sec-websocket-extensions"), false) && value.len > 0)
        answer->why = "the server has chosen an extension that was not offered";
}

/* The next line without its CRLF; false: it is not whole. */
static bool next_line(anqa_str bytes, size_t *at, anqa_str *ret_line)
{
    const char *end = *at < bytes.len ? memchr(bytes.ptr + *at, '\n', bytes.len - *at) : NULL;
    size_t len;

    if (end == NULL)
        return false;
    len = (size_t)(end - bytes.ptr) - *at;
    *ret_line = anqa_str_make(bytes.ptr + *at, len > 0 && end[-1] == '\r' ? len - 1 : len);
    *at += len + 1;
    return true;
}

enum handshake_result handshake_read(const struct handshake *handshake, anqa_str bytes,
    size_t *ret_len, anqa_str *ret_protocol, const char **ret_why)
{
    struct answer answer = {0};
    anqa_str line = {NULL, 0};
    size_t at = 0;

    if (!next_line(bytes, &at, &line))
        return HANDSHAKE_MORE;
    if (!is_switch(line)) {
        *ret_why = "the server does not speak WebSocket there";
        return HANDSHAKE_REFUSED;
    }
    while (next_line(bytes, &at, &line) && line.len > 0 && answer.why == NULL)
        take_field(&answer, handshake, line);
    if (answer.why == NULL && line.len > 0)
        return HANDSHAKE_MORE;
    if (answer.why == NULL && (!answer.upgrade || !answer.connection || !answer.accept))
        answer.why = "the answer is not a handshake of WebSocket";
    if (answer.why != NULL) {
        *ret_why = answer.why;
        return HANDSHAKE_REFUSED;
    }
    *ret_len = at;
    *ret_protocol = answer.protocol;
    return HANDSHAKE_DONE;
}
