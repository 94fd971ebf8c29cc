#include "http/body.h"

enum {
    PLAIN, /* of known length */
    SIZE,
    EXTENSION,
    SIZE_LF,
    DATA,
    DATA_CR,
    DATA_LF,
    TRAILER_START,
    TRAILER_NAME,
    TRAILER,
    TRAILER_LF,
    END_LF,
    DONE,
    BAD
};

void body_init(struct body *body, const struct request *req, uint64_t max_bytes)
{
    *body = (struct body){
        .left = req->chunked ? 0 : req->body_bytes,
        .room = max_bytes == 0 ? request_default_limits.body_bytes : max_bytes,
        .state = req->chunked ? SIZE : PLAIN,
    };
}

static int refuse(struct body *body, uint16_t status)
{
    body->status = status;
    return BAD;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The next state after one more character of a chunk's size. */
static int size_char(struct body *body, char c)
{
    int digit = hex_digit(c);

    if (digit >= 0) {
        if (body->digits == 16)
            return refuse(body, 400);
        body->digits++;
        body->left = body->left << 4 | (uint64_t)digit;
        return SIZE;
    }
    if (body->digits == 0)
        return refuse(body, 400);
    if (body->left > body->room)
        return refuse(body, 413);
    if (c == ';')
        return EXTENSION;
    return c == '\r' ? SIZE_LF : refuse(body, 400);
}

/* One more character of an extension or a trailer, which ends with a CR. */
static int extra_char(struct body *body, char c, int same, int then)
{
    if (c == '\r')
        return then;
    if (((unsigned char)c < 0x20 && c != '\t') || c == 0x7f)
        return refuse(body, 400);
    if (body->extra == BODY_EXTRA_MAX)
        return refuse(body, 431);
    body->extra++;
    return same;
}

static void keep_char(struct body *body, char c)
{
    if (body->trailers != NULL)
        body->trailers[body->trailers_len++] = c;
}

static int trailer_char(struct body *body, char c, int same)
{
    int state = extra_char(body, c, same, TRAILER_LF);

    if (state == same)
        keep_char(body, c);
    return state;
}

/* What has no name in front of a colon is no field: it may be the next request, for a server that reads less strictly. */
static int trailer_name_char(struct body *body, char c)
{
    if (c == ':' && body->state == TRAILER_NAME)
        return trailer_char(body, c, TRAILER);
    return request_is_token_char(c) ? trailer_char(body, c, TRAILER_NAME) : refuse(body, 400);
}

static int trailer_ends(struct body *body, char c)
{
    if (c != '\n')
        return refuse(body, 400);
    keep_char(body, c);
    return TRAILER_START;
}

static int expect(struct body *body, char c, char wanted, int then)
{
    return c == wanted ? then : refuse(body, 400);
}

static int chunk_begins(struct body *body)
{
    body->digits = 0;
    body->room -= body->left;
    return body->left == 0 ? TRAILER_START : DATA;
}

static int next_state(struct body *body, char c)
{
    switch (body->state) {
    case SIZE: return size_char(body, c);
    case EXTENSION: return extra_char(body, c, EXTENSION, SIZE_LF);
    case SIZE_LF: return c == '\n' ? chunk_begins(body) : refuse(body, 400);
    case DATA_CR: return expect(body, c, '\r', DATA_LF);
    case DATA_LF: return expect(body, c, '\n', SIZE);
    case TRAILER_START: return c == '\r' ? END_LF : trailer_name_char(body, c);
    case TRAILER_NAME: return trailer_name_char(body, c);
    case TRAILER: return trailer_char(body, c, TRAILER);
    case TRAILER_LF: return trailer_ends(body, c);
    case END_LF: return expect(body, c, '\n', DONE);
    default: return BAD;
    }
}

static enum body_result take_piece(
    struct body *body, const char *bytes, size_t len, size_t *ret_taken, anqa_str *ret_piece)
{
    size_t taken = len < body->left ? len : (size_t)body->left;

    body->left -= taken;
    *ret_taken += taken;
    *ret_piece = anqa_str_make(bytes, taken);
    if (body->left == 0)
        body->state = body->state == DATA ? DATA_CR : DONE;
    return BODY_PIECE;
}

enum body_result body_read(
    struct body *body, const char *bytes, size_t len, size_t *ret_taken, anqa_str *ret_piece)
{
    size_t at = 0;
    bool data = false;

    if (body->state == PLAIN && body->left == 0)
        body->state = DONE;
    while (at < len && body->state != DONE && body->state != BAD && !data) {
        data = body->state == PLAIN || body->state == DATA;
        if (!data)
            body->state = (uint8_t)next_state(body, bytes[at++]);
    }
    *ret_taken = at;
    if (data)
        return take_piece(body, bytes + at, len - at, ret_taken, ret_piece);
    if (body->state == BAD)
        return BODY_REFUSED;
    return body->state == DONE ? BODY_DONE : BODY_MORE;
}

bool body_trailer(const struct body *body, const char *name, anqa_str *ret_value)
{
    anqa_str rest = anqa_str_make(body->trailers, body->trailers_len), wanted = anqa_str_of(name);

    while (rest.len != 0) {
        const char *end = memchr(rest.ptr, '\n', rest.len), *colon;
        size_t len = end == NULL ? rest.len : (size_t)(end - rest.ptr);

        colon = memchr(rest.ptr, ':', len);
        if (colon != NULL &&
            request_same_word(anqa_str_make(rest.ptr, (size_t)(colon - rest.ptr)), wanted)) {
            *ret_value =
                request_trim(anqa_str_make(colon + 1, len - (size_t)(colon + 1 - rest.ptr)));
            return true;
        }
        len += end != NULL;
        rest = anqa_str_make(rest.ptr + len, rest.len - len);
    }
    return false;
}
