#include "http/request.h"

#include "base/json_scan.h"

#include <llhttp/llhttp.h>

#include <strings.h>

const struct request_limits request_default_limits = {
    .line_bytes = 8u << 10,
    .head_bytes = 32u << 10,
    .headers = REQUEST_HEADERS_MAX,
    .body_bytes = 8000000,
};

static struct request_limits limits_of(const struct request_limits *given)
{
    struct request_limits limits = request_default_limits;

    if (given == NULL)
        return limits;
    if (given->line_bytes != 0)
        limits.line_bytes = given->line_bytes;
    if (given->head_bytes != 0)
        limits.head_bytes = given->head_bytes;
    if (given->headers != 0 && given->headers < REQUEST_HEADERS_MAX)
        limits.headers = given->headers;
    if (given->body_bytes != 0)
        limits.body_bytes =
            given->body_bytes < REQUEST_BODY_MAX ? given->body_bytes : REQUEST_BODY_MAX;
    return limits;
}

static enum request_result refuse(struct request *req, uint16_t status, const char *why)
{
    req->status = status;
    req->why = why;
    return REQUEST_REFUSED;
}

/* ---------------------------------------------------------------- words */

bool request_same_word(anqa_str a, anqa_str b)
{
    return a.len == b.len && (a.len == 0 || strncasecmp(a.ptr, b.ptr, a.len) == 0);
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

anqa_str request_trim(anqa_str s)
{
    while (s.len != 0 && is_blank(s.ptr[s.len - 1]))
        s.len--;
    while (s.len != 0 && is_blank(*s.ptr)) {
        s.ptr++;
        s.len--;
    }
    return s;
}

bool request_next_token(anqa_str *list, anqa_str *ret_token)
{
    while (list->len != 0) {
        const char *comma = memchr(list->ptr, ',', list->len);
        size_t len = comma == NULL ? list->len : (size_t)(comma - list->ptr);
        anqa_str token = request_trim(anqa_str_make(list->ptr, len));

        len += comma != NULL;
        *list = anqa_str_make(list->ptr + len, list->len - len);
        if (token.len != 0) {
            *ret_token = token;
            return true;
        }
    }
    return false;
}

bool request_header(const struct request *req, const char *name, anqa_str *ret_value)
{
    anqa_str wanted = anqa_str_of(name);

    for (size_t i = 0; i < req->header_count; i++) {
        if (request_same_word(req->headers[i].name, wanted)) {
            *ret_value = req->headers[i].value;
            return true;
        }
    }
    return false;
}

static bool list_has(anqa_str list, anqa_str wanted)
{
    anqa_str token;

    while (request_next_token(&list, &token)) {
        if (request_same_word(token, wanted))
            return true;
    }
    return false;
}

bool request_has_token(const struct request *req, const char *name, const char *token)
{
    anqa_str field = anqa_str_of(name), wanted = anqa_str_of(token);

    for (size_t i = 0; i < req->header_count; i++) {
        const struct request_header *header = &req->headers[i];
        if (request_same_word(header->name, field) && list_has(header->value, wanted))
            return true;
    }
    return false;
}

/* ---------------------------------------------------------------- the shape of lines */

/* The next control character, or `end`. */
static const char *find_control(const char *at, const char *end)
{
    while (end - at >= 8) {
        uint64_t word, stops;

        memcpy(&word, at, sizeof word);
        stops = json_bytes_control(word) | json_bytes_equal(word, 0x7f);
        if (stops != 0)
            return at + (__builtin_ctzll(stops) >> 3);
        at += 8;
    }
    while (at < end && (unsigned char)*at >= 0x20 && *at != 0x7f)
        at++;
    return at;
}

/* A line has ended in front of `end`, the place of its CR. */
static enum request_result scan_line(struct request *req, struct request_scan *scan,
    const char *bytes, uint32_t end, const struct request_limits *limits)
{
    bool empty = end == scan->line;

    if (empty && scan->lines == 0 && scan->line != 0)
        return refuse(req, 400, "empty lines in front of the request");
    if (!empty && is_blank(bytes[scan->line]))
        return refuse(req, 400, "a line begins with a blank");
    if (!empty && scan->lines > limits->headers)
        return refuse(req, 431, "too many header fields");
    if (empty && scan->lines != 0)
        return REQUEST_DONE;
    scan->lines += !empty; /* one empty line in front is let pass: RFC 9112, 2.2 */
    scan->line = end + 2;
    return REQUEST_MORE;
}

static enum request_result scan_limits(
    struct request *req, const struct request_scan *scan, const struct request_limits *limits)
{
    if (scan->lines == 0 && scan->at - scan->line > limits->line_bytes)
        return refuse(req, 414, "the request line is too long");
    if (scan->at > limits->head_bytes)
        return refuse(req, 431, "the head is too long");
    return REQUEST_MORE;
}

/* Goes on to the empty line that ends the head. REQUEST_DONE: scan->at is behind it, scan->line in front of it. */
static enum request_result scan_head(struct request *req, struct request_scan *scan,
    const char *bytes, size_t len, const struct request_limits *limits)
{
    const char *end = bytes + len;

    for (;;) {
        const char *stop = find_control(bytes + scan->at, end);
        enum request_result result;

        scan->at = (uint32_t)(stop - bytes);
        result = scan_limits(req, scan, limits);
        if (result != REQUEST_MORE || stop == end)
            return result;
        if (*stop == '\t') {
            scan->at++;
            continue;
        }
        if (*stop != '\r')
            return refuse(req, 400, "a control character in the head");
        if (stop + 1 == end)
            return REQUEST_MORE;
        if (stop[1] != '\n')
            return refuse(req, 400, "a CR without LF in the head");
        result = scan_line(req, scan, bytes, scan->at, limits);
        if (result == REQUEST_REFUSED)
            return result;
        scan->at += 2;
        if (result == REQUEST_DONE)
            return scan->at > limits->head_bytes ? refuse(req, 431, "the head is too long")
                                                 : REQUEST_DONE;
    }
}

/* ---------------------------------------------------------------- the parts, as llhttp finds them */

struct parse {
    llhttp_t llhttp; /* first: callbacks get a pointer to it */
    struct request *req;
    anqa_str target;
    bool in_name;
    bool newer; /* a minor version that we do not know: RFC 9110, 2.5: it is read as 1.1 */
};

static void extend(anqa_str *span, const char *at, size_t len)
{
    if (span->ptr == NULL)
        span->ptr = at;
    span->len = (size_t)(at + len - span->ptr);
}

static int on_method(llhttp_t *llhttp, const char *at, size_t len)
{
    extend(&((struct parse *)llhttp)->req->method_name, at, len);
    return HPE_OK;
}

static int on_url(llhttp_t *llhttp, const char *at, size_t len)
{
    extend(&((struct parse *)llhttp)->target, at, len);
    return HPE_OK;
}

static int on_name(llhttp_t *llhttp, const char *at, size_t len)
{
    struct parse *parse = (struct parse *)llhttp;
    struct request *req = parse->req;

    if (!parse->in_name) {
        if (req->header_count == REQUEST_HEADERS_MAX)
            return HPE_USER; /* never: the lines were counted */
        req->headers[req->header_count++] = (struct request_header){0};
        parse->in_name = true;
    }
    extend(&req->headers[req->header_count - 1].name, at, len);
    return HPE_OK;
}

static int on_name_end(llhttp_t *llhttp)
{
    ((struct parse *)llhttp)->in_name = false;
    return HPE_OK;
}

static int on_value(llhttp_t *llhttp, const char *at, size_t len)
{
    struct request *req = ((struct parse *)llhttp)->req;

    if (req->header_count == 0)
        return HPE_USER;
    extend(&req->headers[req->header_count - 1].value, at, len);
    return HPE_OK;
}

static int on_head_end(llhttp_t *llhttp)
{
    return HPE_PAUSED;
}

static const llhttp_settings_t settings = {
    .on_method = on_method,
    .on_url = on_url,
    .on_header_field = on_name,
    .on_header_field_complete = on_name_end,
    .on_header_value = on_value,
    .on_headers_complete = on_head_end,
};

/* ---------------------------------------------------------------- the request line */

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

bool request_is_token_char(char c)
{
    return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (c != '\0' && strchr("!#$%&'*+-.^_`|~", c) != NULL);
}

static bool is_token(anqa_str s)
{
    for (size_t i = 0; i < s.len; i++) {
        if (!request_is_token_char(s.ptr[i]))
            return false;
    }
    return s.len != 0;
}

/* "HTTP/2.0" is a version, "HTTP/1.11" is none. */
static bool is_version(anqa_str s)
{
    return s.len == 8 && memcmp(s.ptr, "HTTP/", 5) == 0 && is_digit(s.ptr[5]) && s.ptr[6] == '.' &&
           is_digit(s.ptr[7]);
}

/* Method, target and version are divided by one space each; llhttp would let more pass. */
static bool split_line(anqa_str line, anqa_str *method, anqa_str *target, anqa_str *version)
{
    const char *end = line.ptr + line.len;
    const char *first = memchr(line.ptr, ' ', line.len), *second;

    if (first == NULL)
        return false;
    second = memchr(first + 1, ' ', (size_t)(end - first - 1));
    if (second == NULL)
        return false;
    *method = anqa_str_make(line.ptr, (size_t)(first - line.ptr));
    *target = anqa_str_make(first + 1, (size_t)(second - first - 1));
    *version = anqa_str_make(second + 1, (size_t)(end - second - 1));
    return target->len != 0;
}

static enum request_method method_of(uint8_t llhttp_method)
{
    switch (llhttp_method) {
    case HTTP_GET: return REQUEST_GET;
    case HTTP_HEAD: return REQUEST_HEAD;
    case HTTP_POST: return REQUEST_POST;
    case HTTP_PUT: return REQUEST_PUT;
    case HTTP_PATCH: return REQUEST_PATCH;
    case HTTP_DELETE: return REQUEST_DELETE;
    case HTTP_OPTIONS: return REQUEST_OPTIONS;
    default: return REQUEST_OTHER;
    }
}

static enum request_result parse_request_line(struct parse *parse, anqa_str line)
{
    struct request *req = parse->req;
    anqa_str method, target, version;

    if (!split_line(line, &method, &target, &version) || !is_token(method) || !is_version(version))
        return refuse(req, 400, "the request line is no request line");
    if (version.ptr[5] != '1')
        return refuse(req, 505, "not HTTP/1");
    parse->newer = version.ptr[7] > '1';
    if (anqa_str_is(method, "CONNECT") || anqa_str_is(method, "TRACE"))
        return refuse(req, 405, "CONNECT and TRACE are for proxies");
    if (memchr(target.ptr, '#', target.len) != NULL)
        return refuse(req, 400, "a fragment in the target");
    return REQUEST_DONE;
}

static enum request_result refuse_llhttp(struct parse *parse, llhttp_errno_t error)
{
    switch (error) {
    case HPE_INVALID_METHOD: return refuse(parse->req, 501, "unknown method");
    case HPE_PAUSED_H2_UPGRADE: return refuse(parse->req, 505, "HTTP/2 where HTTP/1 is spoken");
    default: break;
    }
    return refuse(parse->req, 400,
        parse->llhttp.reason == NULL || *parse->llhttp.reason == '\0' ? "malformed head"
                                                                      : parse->llhttp.reason);
}

/* What llhttp found must be what the scan saw: one field for each line, a name that touches its colon. */
static bool fields_fit_lines(struct request *req, const struct request_scan *scan)
{
    if (req->header_count != scan->lines - 1)
        return false;
    for (size_t i = 0; i < req->header_count; i++) {
        struct request_header *header = &req->headers[i];
        if (!is_token(header->name) || header->name.ptr[header->name.len] != ':')
            return false;
        header->value = request_trim(header->value);
    }
    return true;
}

static enum request_result run_llhttp(
    struct parse *parse, const struct request_scan *scan, anqa_str head, anqa_str line)
{
    struct request *req = parse->req;
    llhttp_errno_t error;

    llhttp_init(&parse->llhttp, HTTP_REQUEST, &settings);
    if (parse->newer)
        parse->llhttp.lenient_flags |= LENIENT_VERSION;
    error = llhttp_execute(&parse->llhttp, head.ptr, head.len);
    if (error != HPE_PAUSED)
        return refuse_llhttp(parse, error);
    req->method = method_of(llhttp_get_method(&parse->llhttp));
    req->minor_version = llhttp_get_http_minor(&parse->llhttp) != 0;
    if (req->method_name.len + parse->target.len + strlen("  HTTP/1.1") != line.len ||
        !fields_fit_lines(req, scan))
        return refuse(req, 400, "malformed head");
    return REQUEST_DONE;
}

/* ---------------------------------------------------------------- what it means */

/* The host of a target or of the field Host: a name or an address, and perhaps a port. RFC 3986, 3.2.2 */
static bool is_host(anqa_str host)
{
    for (size_t i = 0; i < host.len; i++) {
        char c = host.ptr[i];
        if (!request_is_token_char(c) && strchr("[]:();=", c) == NULL)
            return false;
        if (c == '#' || c == '^' || c == '`' || c == '|')
            return false;
    }
    return true;
}

/* Takes "http://host" off an absolute target. */
static bool take_authority(struct request *req, anqa_str *target)
{
    static const anqa_str schemes[] = {{"http://", 7}, {"https://", 8}};

    for (size_t i = 0; i < ANQA_COUNT(schemes); i++) {
        anqa_str scheme = schemes[i];
        size_t end = scheme.len;
        if (target->len < scheme.len ||
            !request_same_word(anqa_str_make(target->ptr, scheme.len), scheme))
            continue;
        while (end < target->len && target->ptr[end] != '/' && target->ptr[end] != '?')
            end++;
        req->host = anqa_str_make(target->ptr + scheme.len, end - scheme.len);
        *target = anqa_str_make(target->ptr + end, target->len - end);
        return req->host.len != 0 && is_host(req->host);
    }
    return false;
}

static enum request_result split_target(struct request *req, anqa_str target)
{
    const char *mark;

    if (anqa_str_is(target, "*")) {
        if (req->method != REQUEST_OPTIONS)
            return refuse(req, 400, "the target * is for OPTIONS");
        req->path = target;
        return REQUEST_DONE;
    }
    if (*target.ptr != '/') {
        if (!take_authority(req, &target))
            return refuse(req, 400, "the target is neither a path nor an http URL");
    }
    mark = target.len == 0 ? NULL : memchr(target.ptr, '?', target.len);
    req->path = target;
    if (mark != NULL) {
        req->path.len = (size_t)(mark - target.ptr);
        req->query = anqa_str_make(mark + 1, target.len - req->path.len - 1);
    }
    if (req->path.len == 0)
        req->path = anqa_str_of("/"); /* "http://host?x": the path is "/" all the same */
    return REQUEST_DONE;
}

/* Fields that decide where the request ends, and what becomes of the connection. */
struct framing {
    unsigned hosts, lengths, codings;
    anqa_str host, length, coding, expect;
    bool close, keep_alive, upgrade, has_upgrade;
};

static void note_connection(struct framing *f, anqa_str list)
{
    anqa_str token;

    while (request_next_token(&list, &token)) {
        f->close |= request_same_word(token, anqa_str_of("close"));
        f->keep_alive |= request_same_word(token, anqa_str_of("keep-alive"));
        f->upgrade |= request_same_word(token, anqa_str_of("upgrade"));
    }
}

static void note_field(struct framing *f, const struct request_header *header)
{
    switch (header->name.len) { /* most fields are told from these by their length */
    case 4:
        if (request_same_word(header->name, anqa_str_of("host"))) {
            f->host = header->value;
            f->hosts++;
        }
        break;
    case 6:
        if (request_same_word(header->name, anqa_str_of("expect")))
            f->expect = header->value;
        break;
    case 7: f->has_upgrade |= request_same_word(header->name, anqa_str_of("upgrade")); break;
    case 10:
        if (request_same_word(header->name, anqa_str_of("connection")))
            note_connection(f, header->value);
        break;
    case 14:
        if (request_same_word(header->name, anqa_str_of("content-length"))) {
            f->length = header->value;
            f->lengths++;
        }
        break;
    case 17:
        if (request_same_word(header->name, anqa_str_of("transfer-encoding"))) {
            f->coding = header->value;
            f->codings++;
        }
        break;
    default: break;
    }
}

static enum request_result check_host(struct request *req, const struct framing *f)
{
    if (f->hosts > 1)
        return refuse(req, 400, "more than one Host");
    if (f->hosts == 0 && req->minor_version == 1)
        return refuse(req, 400, "no Host");
    if (!is_host(f->host))
        return refuse(req, 400, "Host is no host");
    if (req->host.len == 0) /* an absolute target goes before the field: RFC 9112, 3.2.2 */
        req->host = f->host;
    return REQUEST_DONE;
}

static enum request_result read_length(struct request *req, anqa_str text, uint64_t max)
{
    uint64_t value = 0;

    if (text.len == 0)
        return refuse(req, 400, "Content-Length is no number");
    for (size_t i = 0; i < text.len; i++) {
        if (!is_digit(text.ptr[i]))
            return refuse(req, 400, "Content-Length is no number");
        if (value <= max) /* beyond it only the digits are looked at */
            value = value * 10 + (uint64_t)(text.ptr[i] - '0');
    }
    if (value > max)
        return refuse(req, 413, "the body is too large");
    req->body_bytes = value;
    return REQUEST_DONE;
}

static enum request_result check_body(
    struct request *req, const struct framing *f, const struct request_limits *limits)
{
    if (f->codings != 0) {
        if (f->lengths != 0)
            return refuse(req, 400, "Content-Length beside Transfer-Encoding");
        if (f->codings > 1 || req->minor_version == 0)
            return refuse(req, 400, "Transfer-Encoding where none can be");
        if (!request_same_word(f->coding, anqa_str_of("chunked")))
            return refuse(req, 501, "a transfer coding other than chunked");
        req->chunked = true;
        return REQUEST_DONE;
    }
    if (f->lengths > 1)
        return refuse(req, 400, "more than one Content-Length");
    return f->lengths == 0 ? REQUEST_DONE : read_length(req, f->length, limits->body_bytes);
}

static enum request_result understand(struct request *req, const struct request_limits *limits)
{
    struct framing f = {0};
    enum request_result result;

    for (size_t i = 0; i < req->header_count; i++)
        note_field(&f, &req->headers[i]);
    result = check_host(req, &f);
    if (result == REQUEST_DONE)
        result = check_body(req, &f, limits);
    if (result != REQUEST_DONE)
        return result;
    if (f.expect.len != 0 && req->minor_version == 1) {
        if (!request_same_word(f.expect, anqa_str_of("100-continue")))
            return refuse(req, 417, "Expect is not 100-continue");
        req->expects_continue = req->chunked || req->body_bytes != 0;
    }
    req->keep_alive = !f.close && (req->minor_version == 1 || f.keep_alive);
    req->upgrade = f.upgrade && f.has_upgrade;
    return REQUEST_DONE;
}

static void clear(struct request *req)
{
    memset(req, 0, offsetof(struct request, headers));
}

static enum request_result parse_head(struct request *req, const struct request_scan *scan,
    const char *bytes, const struct request_limits *limits)
{
    struct parse parse = {.req = req};
    anqa_str head, line;
    enum request_result result;

    clear(req);
    head.ptr = bytes + (*bytes == '\r' ? 2 : 0);
    head.len = (size_t)(bytes + scan->at - head.ptr);
    line = anqa_str_make(
        head.ptr, (size_t)((const char *)memchr(head.ptr, '\r', head.len) - head.ptr));
    req->head_bytes = scan->at;
    result = parse_request_line(&parse, line);
    if (result == REQUEST_DONE)
        result = run_llhttp(&parse, scan, head, line);
    if (result == REQUEST_DONE)
        result = split_target(req, parse.target);
    if (result == REQUEST_DONE)
        result = understand(req, limits);
    return result;
}

enum request_result request_parse(struct request *req, struct request_scan *scan, const char *bytes,
    size_t len, const struct request_limits *given)
{
    struct request_limits limits = limits_of(given);
    enum request_result result;

    if (len > (size_t)limits.head_bytes + 2) /* beyond it nothing is a part of this head */
        len = (size_t)limits.head_bytes + 2;
    result = scan_head(req, scan, bytes, len, &limits);
    if (result == REQUEST_DONE)
        result = parse_head(req, scan, bytes, &limits);
    if (result == REQUEST_DONE)
        *scan = (struct request_scan){0};
    return result;
}

/* ---------------------------------------------------------------- parts of another protocol */

static bool method_find(struct request *req)
{
    static const struct {
        const char *name;
        uint8_t number;
    } methods[] = {
#define METHOD_ROW(number, name, text) {#text, number},
        HTTP_METHOD_MAP(METHOD_ROW)
#undef METHOD_ROW
    };

    for (size_t i = 0; i < ANQA_COUNT(methods); i++)
        if (anqa_str_is(req->method_name, methods[i].name)) {
            req->method = method_of(methods[i].number);
            return true;
        }
    return false;
}

static enum request_result check_parts(
    struct request *req, anqa_str target, const struct request_limits *limits)
{
    if (anqa_str_is(req->method_name, "CONNECT") || anqa_str_is(req->method_name, "TRACE"))
        return refuse(req, 405, "CONNECT and TRACE are for proxies");
    if (!method_find(req))
        return refuse(req, 501, "unknown method");
    if (target.len > limits->line_bytes)
        return refuse(req, 414, "the path is too long");
    if (target.len == 0 || (*target.ptr != '/' && !anqa_str_is(target, "*")) ||
        memchr(target.ptr, '#', target.len) != NULL)
        return refuse(req, 400, "the path is none");
    return split_target(req, target);
}

enum request_result request_of_parts(
    struct request *req, anqa_str target, bool has_body, const struct request_limits *given)
{
    struct request_limits limits = limits_of(given);
    enum request_result result;

    req->minor_version = 1;
    req->chunked = has_body;
    result = check_parts(req, target, &limits);
    if (result == REQUEST_DONE)
        result = understand(req, &limits);
    if (result != REQUEST_DONE)
        return result;
    req->chunked = has_body && req->body_bytes == 0;
    return REQUEST_DONE;
}

/* ---------------------------------------------------------------- copies */

size_t request_copy_size(const struct request *request)
{
    return offsetof(struct request, headers) +
           request->header_count * sizeof(struct request_header) + request->head_bytes;
}

/* What the parts lie in, and where that has gone. */
struct move {
    const char *from, *to;
    size_t len;
};

/* What does not lie in there is constant. */
static void slice_move(anqa_str *slice, const struct move *move)
{
    uintptr_t at = (uintptr_t)slice->ptr, from = (uintptr_t)move->from;

    if (at >= from && at <= from + move->len)
        slice->ptr = move->to + (slice->ptr - move->from);
}

struct request *request_copy(const struct request *request, const char *bytes, void *room)
{
    size_t size = request_copy_size(request) - request->head_bytes;
    struct request *own = room;
    char *copy = (char *)room + size;
    struct move move = {bytes, copy, request->head_bytes};

    memcpy(own, request, size);
    if (request->head_bytes != 0) /* else it was refused */
        memcpy(copy, bytes, request->head_bytes);
    slice_move(&own->method_name, &move);
    slice_move(&own->path, &move);
    slice_move(&own->query, &move);
    slice_move(&own->host, &move);
    for (uint32_t i = 0; i < own->header_count; i++) {
        slice_move(&own->headers[i].name, &move);
        slice_move(&own->headers[i].value, &move);
    }
    return own;
}
