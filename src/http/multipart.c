#include "http/multipart.h"

#include "base/str.h"

#include "http/request.h"
#include "http/response.h"

/* ---------------------------------------------------------------- the stream */

/* RFC 2046, 5.1.1: bchars, of which a blank must not be the last. */
static bool is_boundary(anqa_str boundary)
{
    static const char others[] = "'()+_,-./:=? ";

    if (boundary.len == 0 || boundary.len > MULTIPART_BOUNDARY_MAX ||
        boundary.ptr[boundary.len - 1] == ' ')
        return false;
    for (size_t i = 0; i < boundary.len; i++) {
        char c = boundary.ptr[i];
        bool plain = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
        if (!plain && memchr(others, c, sizeof others - 1) == NULL)
            return false;
    }
    return true;
}

anqa_status multipart_init(struct multipart *multipart, anqa_str boundary)
{
    if (!is_boundary(boundary))
        return ANQA_E_INVALID;
    *multipart = (struct multipart){.mark = "\r\n--", .mark_len = 4 + boundary.len};
    memcpy(multipart->mark + 4, boundary.ptr, boundary.len);
    return ANQA_OK;
}

/* The first mark may stand at the very front, without the line end that is a part of the others. */
static enum multipart_event take_first(
    struct multipart *multipart, anqa_str bytes, size_t *ret_taken)
{
    anqa_str mark = anqa_str_make(multipart->mark + 2, multipart->mark_len - 2);

    if (bytes.len < mark.len && anqa_str_starts(mark, bytes))
        return MULTIPART_MORE;
    multipart->state = MULTIPART_BEFORE;
    if (anqa_str_starts(bytes, mark)) {
        multipart->state = MULTIPART_AT_MARK;
        *ret_taken = mark.len;
    }
    return MULTIPART_SKIP;
}

/* What there is up to the next mark, or as far as there can be none. */
static enum multipart_event take_data(
    struct multipart *multipart, anqa_str bytes, size_t *ret_taken, anqa_str *ret_piece)
{
    bool counts = multipart->state == MULTIPART_IN_DATA;
    const char *mark;

    if (bytes.len < multipart->mark_len)
        return MULTIPART_MORE;
    mark = memmem(bytes.ptr, bytes.len, multipart->mark, multipart->mark_len);
    if (mark == bytes.ptr) {
        multipart->state = MULTIPART_AT_MARK;
        *ret_taken = multipart->mark_len;
        return counts ? MULTIPART_END : MULTIPART_SKIP;
    }
    *ret_taken = mark != NULL ? (size_t)(mark - bytes.ptr) : bytes.len - multipart->mark_len + 1;
    *ret_piece = anqa_str_make(bytes.ptr, *ret_taken);
    return counts ? MULTIPART_DATA : MULTIPART_SKIP;
}

/* Behind a mark: two dashes, or blanks and the end of the line, which is left to the head. */
static enum multipart_event take_mark_end(
    struct multipart *multipart, anqa_str bytes, size_t *ret_taken)
{
    size_t at = 0;

    if (bytes.len < 2)
        return MULTIPART_MORE;
    if (anqa_str_starts(bytes, anqa_str_of("--"))) {
        multipart->state = MULTIPART_AT_END;
        *ret_taken = 2;
        return MULTIPART_DONE;
    }
    while (at < bytes.len && (bytes.ptr[at] == ' ' || bytes.ptr[at] == '\t'))
        at++;
    if (at > MULTIPART_BOUNDARY_MAX)
        return MULTIPART_REFUSED;
    if (bytes.len - at < 2)
        return MULTIPART_MORE;
    if (memcmp(bytes.ptr + at, "\r\n", 2) != 0)
        return MULTIPART_REFUSED;
    multipart->state = MULTIPART_IN_HEAD;
    *ret_taken = at;
    return MULTIPART_SKIP;
}

/* CR LF head CR LF CR LF; where there are no fields, CR LF CR LF. */
static enum multipart_event take_head(
    struct multipart *multipart, anqa_str bytes, size_t *ret_taken, anqa_str *ret_piece)
{
    const char *end = bytes.len == 0 ? NULL : memmem(bytes.ptr, bytes.len, "\r\n\r\n", 4);
    size_t len = end == NULL ? bytes.len : (size_t)(end - bytes.ptr);

    if (end == NULL)
        return len < MULTIPART_ROOM ? MULTIPART_MORE : MULTIPART_TOO_LONG;
    if (len > MULTIPART_HEAD_MAX)
        return MULTIPART_TOO_LONG;
    multipart->state = MULTIPART_IN_DATA;
    *ret_taken = len + 4;
    *ret_piece = len == 0 ? anqa_str_make(bytes.ptr, 0) : anqa_str_make(bytes.ptr + 2, len - 2);
    return MULTIPART_HEAD;
}

enum multipart_event multipart_next(
    struct multipart *multipart, anqa_str bytes, size_t *ret_taken, anqa_str *ret_piece)
{
    *ret_taken = 0;
    switch (multipart->state) {
    case MULTIPART_AT_START: return take_first(multipart, bytes, ret_taken);
    case MULTIPART_BEFORE:
    case MULTIPART_IN_DATA: return take_data(multipart, bytes, ret_taken, ret_piece);
    case MULTIPART_AT_MARK: return take_mark_end(multipart, bytes, ret_taken);
    case MULTIPART_IN_HEAD: return take_head(multipart, bytes, ret_taken, ret_piece);
    case MULTIPART_AT_END: break;
    }
    return MULTIPART_DONE;
}

/* ---------------------------------------------------------------- heads */

bool multipart_head_read(anqa_str head, struct multipart_head *ret_head)
{
    *ret_head = (struct multipart_head){{NULL, 0}, {NULL, 0}};
    while (head.len != 0) {
        anqa_str value, name;

        (void)str_cut(&head, "\r\n", &value);
        if (memchr(value.ptr, ':', value.len) == NULL)
            return false;
        (void)str_cut(&value, ":", &name);
        value = request_trim(value);
        if (!response_is_name(name) || !response_is_value(value))
            return false;
        if (request_same_word(name, anqa_str_of("content-disposition")))
            ret_head->disposition = value;
        else if (request_same_word(name, anqa_str_of("content-type")))
            ret_head->type = value;
    }
    return true;
}

/* Takes what stands in quotes, behind the first one. A backslash stands for itself unless a quote or another one follows:
 * some browsers have sent whole paths. */
static bool take_quoted(anqa_str *rest, char *out, anqa_str *ret_text)
{
    size_t len = 0, at = 1;

    for (; at < rest->len && rest->ptr[at] != '"'; at++) {
        if (rest->ptr[at] == '\\' && at + 1 < rest->len &&
            (rest->ptr[at + 1] == '"' || rest->ptr[at + 1] == '\\'))
            at++;
        out[len++] = rest->ptr[at];
    }
    if (at >= rest->len)
        return false;
    *rest = anqa_str_make(rest->ptr + at + 1, rest->len - at - 1);
    *ret_text = anqa_str_make(out, len);
    return true;
}

static size_t span(anqa_str text, const char *ends)
{
    size_t len = 0;

    while (len < text.len && strchr(ends, text.ptr[len]) == NULL)
        len++;
    return len;
}

/* Takes `=value` and what is behind it up to the next ';'. */
static bool take_value(anqa_str *rest, char *out, anqa_str *ret_text)
{
    anqa_str skipped;

    *rest = request_trim(anqa_str_make(rest->ptr + 1, rest->len - 1));
    if (rest->len != 0 && *rest->ptr == '"') {
        if (!take_quoted(rest, out, ret_text))
            return false;
    } else {
        *ret_text = request_trim(anqa_str_make(rest->ptr, span(*rest, ";")));
    }
    (void)str_cut(rest, ";", &skipped);
    return true;
}

bool multipart_param(anqa_str field, const char *name, char *out, anqa_str *ret_text)
{
    anqa_str rest = field, text, skipped;

    (void)str_cut(&rest, ";", &skipped);
    while (rest.len != 0) {
        size_t len = span(rest, "=;");
        anqa_str found = request_trim(anqa_str_make(rest.ptr, len));
        bool valued = len < rest.len && rest.ptr[len] == '=';
        rest = anqa_str_make(rest.ptr + len, rest.len - len);
        if (!valued) {
            (void)str_cut(&rest, ";", &skipped);
            continue;
        }
        if (!take_value(&rest, out, &text))
            return false;
        if (request_same_word(found, anqa_str_of(name))) {
            *ret_text = text;
            return true;
        }
    }
    return false;
}

anqa_str multipart_base_name(anqa_str filename)
{
    static const anqa_str none = {"", 0};

    for (size_t i = filename.len; i-- > 0;) {
        if ((unsigned char)filename.ptr[i] < ' ' || filename.ptr[i] == 0x7f)
            return none;
        if (filename.ptr[i] == '/' || filename.ptr[i] == '\\') {
            filename = anqa_str_make(filename.ptr + i + 1, filename.len - i - 1);
            break;
        }
    }
    return anqa_str_is(filename, ".") || anqa_str_is(filename, "..") ? none : filename;
}
