/*
 * Any bytes as a request, and what follows the head as its body. What must hold:
 *  - byte by byte, or cut in two, a head is the same as whole;
 *  - every slice lies in the bytes; names are not empty; a refusal has a status and words;
 *  - no head that is taken has a control character but tabs, or is what two servers could read in two ways;
 *  - the pieces of a body do not depend on how it is cut.
 */
#include "http/body.h"
#include "http/response.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct request_limits limits = {
    .line_bytes = 256, .head_bytes = 1024, .headers = 20, .body_bytes = 512};

static void require(bool holds)
{
    if (!holds)
        abort();
}

static void inside(anqa_str part, const char *bytes, size_t len)
{
    require(part.len == 0 || anqa_str_is(part, "/") ||
            (part.ptr >= bytes && part.ptr + part.len <= bytes + len));
}

/* Parses with `step` bytes more each time. */
static enum request_result parse(
    struct request *req, const char *bytes, size_t len, size_t first, size_t step)
{
    struct request_scan scan = {0};
    enum request_result result;
    size_t have = first < len ? first : len;

    while ((result = request_parse(req, &scan, bytes, have, &limits)) == REQUEST_MORE && have < len)
        have = len - have < step ? len : have + step;
    return result;
}

static void same(const struct request *a, const struct request *b)
{
    require(a->head_bytes == b->head_bytes && a->header_count == b->header_count);
    require(a->method == b->method && a->keep_alive == b->keep_alive && a->upgrade == b->upgrade);
    require(a->chunked == b->chunked && a->body_bytes == b->body_bytes);
    require(anqa_str_eq(a->path, b->path) && anqa_str_eq(a->query, b->query));
    require(anqa_str_eq(a->host, b->host));
    for (size_t i = 0; i < a->header_count; i++)
        require(anqa_str_eq(a->headers[i].name, b->headers[i].name) &&
                anqa_str_eq(a->headers[i].value, b->headers[i].value));
}

static unsigned count(const struct request *req, const char *name)
{
    unsigned n = 0;

    for (size_t i = 0; i < req->header_count; i++)
        n += request_same_word(req->headers[i].name, anqa_str_of(name));
    return n;
}

/* A date that is read is written as it came. */
static void check_date(anqa_str value)
{
    char again[RESPONSE_DATE_LEN];
    int64_t unix_s;

    if (!response_read_date(value, &unix_s))
        return;
    response_write_date(unix_s, again);
    require(anqa_str_eq(value, anqa_str_make(again, sizeof again)));
}

static void check_head(const struct request *req, const char *bytes, size_t len)
{
    require(req->head_bytes <= len && req->head_bytes <= limits.head_bytes);
    require(memcmp(bytes + req->head_bytes - 4, "\r\n\r\n", 4) == 0);
    inside(req->path, bytes, req->head_bytes);
    inside(req->query, bytes, req->head_bytes);
    inside(req->host, bytes, req->head_bytes);
    require(req->path.len != 0 && (*req->path.ptr == '/' || anqa_str_is(req->path, "*")));
    for (size_t i = 0; i < req->header_count; i++) {
        inside(req->headers[i].name, bytes, req->head_bytes);
        inside(req->headers[i].value, bytes, req->head_bytes);
        require(req->headers[i].name.len != 0);
        check_date(req->headers[i].value);
    }
    for (size_t i = 0; i < req->head_bytes; i++) {
        unsigned char c = (unsigned char)bytes[i];
        require((c >= 0x20 && c != 0x7f) || c == '\t' || (c == '\r' && bytes[i + 1] == '\n') ||
                (c == '\n' && i > 0 && bytes[i - 1] == '\r'));
    }
    require(count(req, "host") <= 1 && count(req, "content-length") <= 1);
    require(count(req, "content-length") == 0 || count(req, "transfer-encoding") == 0);
    require(req->chunked == (count(req, "transfer-encoding") == 1));
}

struct outcome {
    enum body_result result;
    size_t taken, len;
    uint64_t sum;
};

static struct outcome read_body(
    const struct request *req, const char *bytes, size_t len, size_t step)
{
    struct outcome out = {.result = BODY_MORE};
    struct body body;

    body_init(&body, req, limits.body_bytes);
    do {
        size_t part = len - out.taken < step ? len - out.taken : step, taken;
        anqa_str piece;
        out.result = body_read(&body, bytes + out.taken, part, &taken, &piece);
        require(taken <= part);
        if (out.result == BODY_PIECE) {
            require(piece.len != 0);
            inside(piece, bytes + out.taken, part);
            for (size_t i = 0; i < piece.len; i++)
                out.sum = out.sum * 31 + (unsigned char)piece.ptr[i];
            out.len += piece.len;
        }
        out.taken += taken;
    } while (out.result == BODY_PIECE || (out.result == BODY_MORE && out.taken < len));
    require(out.len <= limits.body_bytes);
    require(out.result != BODY_REFUSED || body.status != 0);
    return out;
}

static void check_body(const struct request *req, const char *bytes, size_t len)
{
    struct outcome whole = read_body(req, bytes, len, len == 0 ? 1 : len);

    for (size_t step = 1; step < 8; step += 3) {
        struct outcome cut = read_body(req, bytes, len, step);
        require(cut.result == whole.result && cut.taken == whole.taken);
        require(cut.len == whole.len && cut.sum == whole.sum);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct request req, other;
    const char *bytes = (const char *)data;
    enum request_result result = parse(&req, bytes, size, size, 1);

    require(parse(&other, bytes, size, 1, 1) == result);
    require(result != REQUEST_REFUSED || (req.status >= 400 && req.status < 600));
    require(result != REQUEST_REFUSED || (req.status == other.status && *req.why != '\0'));
    if (result == REQUEST_DONE) {
        same(&req, &other);
        check_head(&req, bytes, size);
        check_body(&req, bytes + req.head_bytes, size - req.head_bytes);
    }
    require(parse(&other, bytes, size, size / 2, size) == result);
    if (result == REQUEST_DONE)
        same(&req, &other);
    return 0;
}
