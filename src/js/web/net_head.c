#include "js/web/net_head.h"

#include <string.h>
#include <strings.h>

/* ---------------------------------------------------------------- of a request */

bool net_head_is_token(anqa_str text)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (!((c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
                (c != '\0' && strchr("!#$%&'*+-.^_`|~", c) != NULL)))
            return false;
    }
    return text.len > 0;
}

bool net_head_is_one_of(anqa_str name, const char *const *words)
{
    while (*words != NULL &&
           (strlen(*words) != name.len || strncasecmp(*words, name.ptr, name.len) != 0))
        words++;
    return *words != NULL;
}

/* Those that say where a message ends, or who is asked. */
bool net_head_is_ours(anqa_str name)
{
    static const char *const ours[] = {"host", "connection", "content-length", "transfer-encoding",
        "expect", "upgrade", "te", "trailer", "keep-alive", "proxy-connection",
        "proxy-authorization", "proxy-authenticate", NULL};

    return net_head_is_one_of(name, ours);
}

/* The bytes of a text whose characters are such; false: it has others, or those that end a line. */
bool net_head_bytes(anqa_str value, char *out, size_t *ret_len)
{
    size_t len = 0;

    for (size_t i = 0; i < value.len; i++) {
        unsigned char c = (unsigned char)value.ptr[i];
        if (c == '\r' || c == '\n' || c == '\0')
            return false;
        if (c >= 0x80) { /* U+0080 to U+00FF begin with C2 or C3 */
            if ((c != 0xc2 && c != 0xc3) || i + 1 == value.len)
                return false;
            c = (unsigned char)((c & 3) << 6 | ((unsigned char)value.ptr[++i] & 0x3f));
        }
        out[len++] = (char)c;
    }
    *ret_len = len;
    return true;
}

/* ---------------------------------------------------------------- of an answer */

/* Latin-1 as UTF-8; without what is no visible character. */
static void put_field(anqa_value_writer *writer, const char *bytes, size_t len, bool name)
{
    char *text = anqa_arena_alloc(writer->arena, len * 2 + 1);
    size_t to = 0;

    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)bytes[i];
        if (name && c >= 'A' && c <= 'Z')
            c += 'a' - 'A';
        if (c < 0x80) {
            text[to++] = (char)c;
        } else {
            text[to++] = (char)(0xc0 | c >> 6);
            text[to++] = (char)(0x80 | (c & 0x3f));
        }
    }
    anqa_value_put_str(writer, anqa_str_make(text, to));
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* A line "name: value" becomes two elements; others none. */
static void put_line(anqa_value_writer *writer, const char *line, size_t len)
{
    const char *colon = memchr(line, ':', len);
    size_t at, name_len;

    if (colon == NULL)
        return;
    name_len = (size_t)(colon - line);
    at = name_len + 1;
    while (at < len && is_blank(line[at]))
        at++;
    while (len > at && is_blank(line[len - 1]))
        len--;
    if (!net_head_is_token(anqa_str_make(line, name_len)) ||
        memchr(line + at, '\0', len - at) != NULL || memchr(line + at, '\r', len - at) != NULL)
        return;
    put_field(writer, line, name_len, true);
    put_field(writer, line + at, len - at, false);
}

/* "HTTP/1.1 200 Fine" */
static void put_reason(anqa_value_writer *writer, const char *line, size_t len)
{
    const char *space = memchr(line, ' ', len);
    size_t at = space == NULL ? len : (size_t)(space - line) + 4; /* behind the digits */

    while (at < len && is_blank(line[at]))
        at++;
    while (len > at && is_blank(line[len - 1]))
        len--;
    put_field(writer, line + (at < len ? at : len), at < len ? len - at : 0, false);
}

void net_head_write(anqa_value_writer *writer, anqa_str head)
{
    bool first = true;

    while (head.len > 0) {
        const char *end = memchr(head.ptr, '\n', head.len);
        size_t len = end == NULL ? head.len : (size_t)(end - head.ptr) + 1;
        if (first) {
            put_reason(writer, head.ptr, len);
            anqa_value_array_begin(writer);
        } else {
            put_line(writer, head.ptr, len);
        }
        first = false;
        head = anqa_str_make(head.ptr + len, head.len - len);
    }
    if (first) {
        anqa_value_put_str(writer, anqa_str_of(""));
        anqa_value_array_begin(writer);
    }
    anqa_value_end(writer);
}
