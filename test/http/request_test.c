#include "http/request.h"

#include "harness.h"

#include <stdio.h>
#include <stdlib.h>

static struct request req;

/* Parses bytes that lie in a block of exactly their size, which stays until the next call. */
static enum request_result parse(const char *bytes, size_t len, const struct request_limits *limits)
{
    static char *block;
    struct request_scan scan = {0};

    free(block);
    block = malloc(len == 0 ? 1 : len);
    CHECK(block != NULL);
    memcpy(block, bytes, len);
    return request_parse(&req, &scan, block, len, limits);
}

static enum request_result parse_text(const char *text)
{
    return parse(text, strlen(text), NULL);
}

/* The same bytes, one more at a time, each time in another place. */
static enum request_result parse_slowly(const char *bytes, size_t len)
{
    struct request_scan scan = {0};
    enum request_result result = REQUEST_MORE;
    static char *block;

    for (size_t n = 0; n <= len && result == REQUEST_MORE; n++) {
        char *next = malloc(n == 0 ? 1 : n);
        memcpy(next, bytes, n);
        free(block);
        block = next;
        result = request_parse(&req, &scan, block, n, NULL);
    }
    return result;
}

#define HOST "Host: a\r\n"
#define POST(fields) "POST / HTTP/1.1\r\n" HOST fields "\r\n\r\n"

TEST(the_head_of_a_browser_is_taken_apart)
{
    static const char text[] = "GET /socket/websocket?vsn=2.0.0&t=a%20b HTTP/1.1\r\n"
                               "Host: example.org:4000\r\n"
                               "Connection: keep-alive, Upgrade\r\n"
                               "Upgrade: websocket\r\n"
                               "X-Empty:\r\n"
                               "X-Blanks: \t  a b\t \r\n"
                               "Cookie: caf\xc3\xa9=1\r\n"
                               "\r\nrest";
    anqa_str value;

    CHECK_EQ(parse_text(text), REQUEST_DONE, "%s", req.why == NULL ? "" : req.why);
    CHECK_EQ(req.method, REQUEST_GET);
    CHECK_STR(req.method_name, "GET");
    CHECK_STR(req.path, "/socket/websocket");
    CHECK_STR(req.query, "vsn=2.0.0&t=a%20b");
    CHECK_STR(req.host, "example.org:4000");
    CHECK_EQ(req.minor_version, 1);
    CHECK_EQ(req.head_bytes, sizeof text - 1 - 4);
    CHECK(req.keep_alive && req.upgrade && !req.chunked && !req.expects_continue);
    CHECK_EQ(req.header_count, 6);
    CHECK(request_header(&req, "x-empty", &value));
    CHECK_STR(value, "");
    CHECK(request_header(&req, "X-BLANKS", &value));
    CHECK_STR(value, "a b");
    CHECK(request_header(&req, "cookie", &value));
    CHECK_STR(value, "caf\xc3\xa9=1");
    CHECK(!request_header(&req, "x-empt", &value));
    CHECK(request_has_token(&req, "connection", "UPGRADE"));
    CHECK(!request_has_token(&req, "connection", "grade"));
}

TEST(a_head_that_comes_whole_is_not_copied)
{
    static const char text[] = "GET /a?b HTTP/1.1\r\n" HOST "\r\n";
    struct request_scan scan = {0};

    CHECK_EQ(request_parse(&req, &scan, text, sizeof text - 1, NULL), REQUEST_DONE);
    CHECK_EQ(req.path.ptr, text + 4);
    CHECK_EQ(req.query.ptr, text + 7);
    CHECK_EQ(req.headers[0].value.ptr, text + 25);
    CHECK_EQ(scan.at, 0);
}

/* status: 0 when it is a request. */
static const struct {
    const char *text;
    unsigned status;
} heads[] = {
    {"GET / HTTP/1.1\r\n" HOST "\r\n", 0},
    {"GET / HTTP/1.0\r\n\r\n", 0},
    {"\r\nGET / HTTP/1.1\r\n" HOST "\r\n", 0},
    {"\r\n\r\nGET / HTTP/1.1\r\n" HOST "\r\n", 400},
    {"OPTIONS * HTTP/1.1\r\n" HOST "\r\n", 0},
    {"GET / HTTP/1.2\r\n" HOST "\r\n", 0},
    {"GET / HTTP/1.9\r\n" HOST "\r\n", 0},
    {"GET / HTTP/1.2\r\n\r\n", 400},
    {"PROPFIND / HTTP/1.1\r\n" HOST "\r\n", 0},
    {POST("Content-Length: 5"), 0},
    {POST("Transfer-Encoding: Chunked"), 0},
    {"GET http://b.org/x?y HTTP/1.1\r\n" HOST "\r\n", 0},
    {"GET HTTPS://b.org HTTP/1.1\r\n" HOST "\r\n", 0},
    {"GET / HTTP/1.1\r\nHost: [::1]:80\r\n\r\n", 0},
    {"GET / HTTP/1.1\r\nHost:\r\n\r\n", 0},
    {"GET /?a=%20&b[c]={} HTTP/1.1\r\n" HOST "\r\n", 0},
    /* the request line */
    {"\r\r\n", 400},
    {"GET\r\n\r\n", 400},
    {"GET /\r\n\r\n", 400},
    {"GET  / HTTP/1.1\r\n" HOST "\r\n", 400},
    {"GET /  HTTP/1.1\r\n" HOST "\r\n", 400},
    {"GET / HTTP/1.1 \r\n" HOST "\r\n", 400},
    {" GET / HTTP/1.1\r\n" HOST "\r\n", 400},
    {"GET\t/ HTTP/1.1\r\n" HOST "\r\n", 400},
    {"GET /\tHTTP/1.1\r\n" HOST "\r\n", 400},
    {"GET /a\tb HTTP/1.1\r\n" HOST "\r\n", 400},
    {"GET /\x7f HTTP/1.1\r\n" HOST "\r\n", 400},
    {"GET /\xc3\xa9 HTTP/1.1\r\n" HOST "\r\n", 400},
    {"GET /#a HTTP/1.1\r\n" HOST "\r\n", 400},
    {"GET a HTTP/1.1\r\n" HOST "\r\n", 400},
    {"GET ftp://a/ HTTP/1.1\r\n" HOST "\r\n", 400},
    {"GET http:/// HTTP/1.1\r\n" HOST "\r\n", 400},
    {"GET http://u@h/ HTTP/1.1\r\n" HOST "\r\n", 400},
    {"GET * HTTP/1.1\r\n" HOST "\r\n", 400},
    {"G@T / HTTP/1.1\r\n" HOST "\r\n", 400},
    {"get / HTTP/1.1\r\n" HOST "\r\n", 501},
    {"BREW / HTTP/1.1\r\n" HOST "\r\n", 501},
    {"GETS / HTTP/1.1\r\n" HOST "\r\n", 501},
    {"CONNECT a:1 HTTP/1.1\r\n" HOST "\r\n", 405},
    {"TRACE / HTTP/1.1\r\n" HOST "\r\n", 405},
    {"GET / HTTP/2.0\r\n" HOST "\r\n", 505},
    {"GET / HTTP/3.1\r\n" HOST "\r\n", 505},
    {"GET / HTTP/0.9\r\n" HOST "\r\n", 505},
    {"GET / HTTP/1.10\r\n" HOST "\r\n", 400},
    {"GET / HTTP/11\r\n" HOST "\r\n", 400},
    {"GET / http/1.1\r\n" HOST "\r\n", 400},
    {"GET / ICE/1.0\r\n" HOST "\r\n", 400},
    {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505},
    {"\x16\x03\x01\x02\x00\x01\x00", 400},
    /* the shape of lines */
    {"GET / HTTP/1.1\n", 400},
    {"GET / HTTP/1.1\r\nHost: a\n\n", 400},
    {"GET / HTTP/1.1\r\nHost: a\n\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: a\r\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: a\rX: b\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: a\x01\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: a\x1b[0m\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\n" HOST "X: a\x7f\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\n" HOST "X: a\r\n b\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\n" HOST "X: a\r\n\tb\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\n X: a\r\n" HOST "\r\n", 400},
    {"GET / HTTP/1.1\r\n" HOST "X: a\r\n \r\n\r\n", 400},
    /* fields */
    {"GET / HTTP/1.1\r\n" HOST "X : a\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\n" HOST "X\t: a\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\n" HOST "X a\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\n" HOST "X\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\n" HOST ": a\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\n" HOST "X(: a\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\n" HOST "X\xc3: a\r\n\r\n", 400},
    /* Host */
    {"GET / HTTP/1.1\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\n" HOST HOST "\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: a\r\nhOST: b\r\n\r\n", 400},
    {"GET / HTTP/1.0\r\n" HOST HOST "\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: a,b\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: u@a\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: a<b>\r\n\r\n", 400},
    {"GET http://b.org/ HTTP/1.1\r\n\r\n", 400},
    /* where the request ends: smuggling */
    {"POST / HTTP/1.1\r\n" HOST "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
    {"POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n", 400},
    {"POST / HTTP/1.1\r\n" HOST "Content-Length: 5\r\nContent-Length: 5\r\n\r\n", 400},
    {"POST / HTTP/1.1\r\n" HOST "Content-Length: 5\r\nContent-Length: 6\r\n\r\n", 400},
    {"POST / HTTP/1.1\r\n" HOST "Content-Length: 5, 5\r\n\r\n", 400},
    {"POST / HTTP/1.1\r\n" HOST "Content-Length: +5\r\n\r\n", 400},
    {"POST / HTTP/1.1\r\n" HOST "Content-Length: -5\r\n\r\n", 400},
    {"POST / HTTP/1.1\r\n" HOST "Content-Length: 0x5\r\n\r\n", 400},
    {"POST / HTTP/1.1\r\n" HOST "Content-Length: 5 5\r\n\r\n", 400},
    {"POST / HTTP/1.1\r\n" HOST "Content-Length: 5;\r\n\r\n", 400},
    {"POST / HTTP/1.1\r\n" HOST "Content-Length:\r\n\r\n", 400},
    {"POST / HTTP/1.1\r\n" HOST "Content-Length : 5\r\n\r\n", 400},
    {"POST / HTTP/1.1\r\n" HOST "Content-Length: 8000000\r\n\r\n", 0},
    {"POST / HTTP/1.1\r\n" HOST "Content-Length: 8000001\r\n\r\n", 413},
    {"POST / HTTP/1.1\r\n" HOST "Content-Length: 9999999999999999999\r\n\r\n", 413},
    {"POST / HTTP/1.1\r\n" HOST "Content-Length: 99999999999999999999999\r\n\r\n", 400},
    {"POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: gzip, chunked\r\n\r\n", 501},
    {"POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked, chunked\r\n\r\n", 400},
    {"POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
        400},
    {"POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: identity\r\n\r\n", 501},
    {"POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: xchunked\r\n\r\n", 501},
    {"POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked, identity\r\n\r\n", 400},
    {"POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: \x0b"
     "chunked\r\n\r\n",
        400},
    {POST("Transfer-Encoding : chunked"), 400},
    {POST("Transfer-Encoding:\r\n chunked"), 400},
    {"POST / HTTP/1.0\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n", 400},
    {POST("Expect: 100-continue\r\nContent-Length: 1"), 0},
    {POST("Expect: 200-ok"), 417},
};

TEST(each_head_is_taken_or_refused_with_its_status)
{
    for (size_t i = 0; i < ANQA_COUNT(heads); i++) {
        enum request_result result = parse_text(heads[i].text);
        CHECK_EQ(result == REQUEST_REFUSED ? req.status
                 : result == REQUEST_DONE  ? 0
                                           : 1,
            heads[i].status, "%zu: %s: %s", i, heads[i].text,
            result == REQUEST_REFUSED ? req.why : "");
    }
}

TEST(a_head_that_comes_byte_by_byte_is_the_same)
{
    for (size_t i = 0; i < ANQA_COUNT(heads); i++) {
        enum request_result result = parse_slowly(heads[i].text, strlen(heads[i].text));
        CHECK_EQ(result == REQUEST_REFUSED ? req.status
                 : result == REQUEST_DONE  ? 0
                                           : 1,
            heads[i].status, "%zu: %s", i, heads[i].text);
        if (result == REQUEST_DONE) {
            struct request slow = req;
            CHECK_EQ(parse_text(heads[i].text), REQUEST_DONE);
            CHECK_STR(slow.path, req.path);
            CHECK_STR(slow.query, req.query);
            CHECK_STR(slow.host, req.host);
            CHECK_EQ(slow.head_bytes, req.head_bytes);
            CHECK_EQ(slow.header_count, req.header_count);
        }
    }
}

TEST(a_nul_anywhere_in_the_head_is_refused)
{
    char text[] = "GET / HTTP/1.1\r\nHost: a\r\nX: b\r\n\r\n";

    for (size_t i = 0; i < sizeof text - 1; i++) {
        char was = text[i];
        text[i] = '\0';
        CHECK_EQ(parse(text, sizeof text - 1, NULL), REQUEST_REFUSED, "at %zu", i);
        CHECK_EQ(req.status, 400, "at %zu", i);
        text[i] = was;
    }
}

TEST(the_rest_of_a_head_is_waited_for)
{
    static const char text[] = "GET / HTTP/1.1\r\n" HOST "\r\n";

    for (size_t len = 0; len < sizeof text - 1; len++)
        CHECK_EQ(parse(text, len, NULL), REQUEST_MORE, "%zu", len);
}

TEST(a_target_is_split_into_host_path_and_query)
{
    static const struct {
        const char *target, *host, *path, *query;
    } targets[] = {
        {"/", "a", "/", ""},
        {"/?", "a", "/", ""},
        {"/a/b?c?d", "a", "/a/b", "c?d"},
        {"//b.org/x", "a", "//b.org/x", ""},
        {"http://b.org", "b.org", "/", ""},
        {"http://b.org?q=1", "b.org", "/", "q=1"},
        {"http://b.org:81/x?y", "b.org:81", "/x", "y"},
    };

    for (size_t i = 0; i < ANQA_COUNT(targets); i++) {
        char text[128];
        snprintf(text, sizeof text, "GET %s HTTP/1.1\r\n" HOST "\r\n", targets[i].target);
        CHECK_EQ(parse_text(text), REQUEST_DONE, "%s", targets[i].target);
        CHECK_STR(req.host, targets[i].host, "%s", targets[i].target);
        CHECK_STR(req.path, targets[i].path, "%s", targets[i].target);
        CHECK_STR(req.query, targets[i].query, "%s", targets[i].target);
    }
}

TEST(the_connection_stays_as_version_and_field_say)
{
    static const struct {
        const char *version, *field;
        bool keep_alive, upgrade;
    } cases[] = {
        {"1.1", "", true, false},
        {"1.1", "Connection: close\r\n", false, false},
        {"1.1", "Connection: foo, CLOSE\r\n", false, false},
        {"1.1", "Connection: close\r\nConnection: keep-alive\r\n", false, false},
        {"1.1", "Connection: closed\r\n", true, false},
        {"1.2", "", true, false},
        {"1.9", "Connection: close\r\n", false, false},
        {"1.0", "", false, false},
        {"1.0", "Connection: Keep-Alive\r\n", true, false},
        {"1.1", "Connection: upgrade\r\n", true, false},
        {"1.1", "Upgrade: websocket\r\n", true, false},
        {"1.1", "Connection: , keep-alive ,\tUpgrade\r\nUpgrade: x\r\n", true, true},
    };

    for (size_t i = 0; i < ANQA_COUNT(cases); i++) {
        char text[256];
        snprintf(
            text, sizeof text, "GET / HTTP/%s\r\n" HOST "%s\r\n", cases[i].version, cases[i].field);
        CHECK_EQ(parse_text(text), REQUEST_DONE, "%s", cases[i].field);
        CHECK_EQ(req.keep_alive, cases[i].keep_alive, "%s", cases[i].field);
        CHECK_EQ(req.upgrade, cases[i].upgrade, "%s", cases[i].field);
        CHECK_EQ(req.minor_version, strcmp(cases[i].version, "1.0") != 0, "%s", cases[i].version);
    }
}

/* A head of one field, long enough that all of it has `len` bytes. */
static char *head_of(size_t len)
{
    static const char begin[] = "GET / HTTP/1.1\r\n" HOST "X: ";
    char *text = malloc(len);

    CHECK(text != NULL);
    memset(text, 'x', len);
    memcpy(text, begin, sizeof begin - 1);
    memcpy(text + len - 4, "\r\n\r\n", 4);
    return text;
}

TEST(a_head_of_32_kib_is_taken_and_a_longer_one_refused)
{
    for (size_t len = (32u << 10) - 2; len < (32u << 10) + 4; len++) {
        char *text = head_of(len);
        CHECK_EQ(parse(text, len, NULL), len <= 32u << 10 ? REQUEST_DONE : REQUEST_REFUSED);
        CHECK(req.status == 431 || len <= 32u << 10, "%zu: %u", len, req.status);
        CHECK_EQ(parse_slowly(text, len), len <= 32u << 10 ? REQUEST_DONE : REQUEST_REFUSED);
        free(text);
    }
}

TEST(a_head_without_an_end_is_refused_at_the_limit)
{
    size_t len = 33u << 10;
    char *text = head_of(len);

    CHECK_EQ(parse(text, 32u << 10, NULL), REQUEST_MORE);
    CHECK_EQ(parse(text, len - 10, NULL), REQUEST_REFUSED);
    CHECK_EQ(req.status, 431);
    free(text);
}

TEST(a_request_line_of_8_kib_is_taken_and_a_longer_one_refused)
{
    for (size_t target = (8u << 10) - 16; target < (8u << 10); target++) {
        char text[9000];
        size_t line = strlen("GET / HTTP/1.1") + target;
        int len = snprintf(text, sizeof text, "GET /%0*d HTTP/1.1\r\n" HOST "\r\n", (int)target, 0);
        CHECK_EQ(parse(text, (size_t)len, NULL), line <= 8u << 10 ? REQUEST_DONE : REQUEST_REFUSED);
        CHECK(line <= 8u << 10 || req.status == 414);
        CHECK(line <= 8u << 10 || parse(text, (8u << 10) + 1, NULL) == REQUEST_REFUSED);
    }
}

TEST(a_hundred_fields_are_taken_and_one_more_is_refused)
{
    char text[4096];
    size_t len = 0;

    len += (size_t)snprintf(text, sizeof text, "GET / HTTP/1.1\r\n" HOST);
    for (size_t i = 1; i < REQUEST_HEADERS_MAX; i++)
        len += (size_t)snprintf(text + len, sizeof text - len, "X: %zu\r\n", i);
    memcpy(text + len, "\r\n", 3);
    CHECK_EQ(parse_text(text), REQUEST_DONE);
    CHECK_EQ(req.header_count, REQUEST_HEADERS_MAX);
    CHECK_STR(req.headers[99].value, "99");
    memcpy(text + len, "Y: 1\r\n\r\n", 9);
    CHECK_EQ(parse_text(text), REQUEST_REFUSED);
    CHECK_EQ(req.status, 431);
}

TEST(limits_can_be_set)
{
    static const char text[] = "POST /12345 HTTP/1.1\r\n" HOST "Content-Length: 9\r\n\r\n";

#define LIMITED(...)                                                                     \
    (parse(text, sizeof text - 1, &(struct request_limits){__VA_ARGS__}) == REQUEST_DONE \
            ? 0                                                                          \
            : req.status)
    CHECK_EQ(LIMITED(.line_bytes = 20), 0);
    CHECK_EQ(LIMITED(.line_bytes = 19), 414);
    CHECK_EQ(LIMITED(.head_bytes = sizeof text - 1), 0);
    CHECK_EQ(LIMITED(.head_bytes = sizeof text - 2), 431);
    CHECK_EQ(LIMITED(.headers = 2), 0);
    CHECK_EQ(LIMITED(.headers = 1), 431);
    CHECK_EQ(LIMITED(.body_bytes = 9), 0);
    CHECK_EQ(LIMITED(.body_bytes = 8), 413);
    CHECK_EQ(LIMITED(.body_bytes = UINT64_MAX), 0);
#undef LIMITED
}

TEST(requests_that_follow_each_other_are_parsed_in_turn)
{
    static const char text[] = "GET /1 HTTP/1.1\r\n" HOST "\r\nGET /2 HTTP/1.1\r\n" HOST "\r\n";
    struct request_scan scan = {0};
    size_t first;

    CHECK_EQ(request_parse(&req, &scan, text, sizeof text - 1, NULL), REQUEST_DONE);
    CHECK_STR(req.path, "/1");
    first = req.head_bytes;
    CHECK_EQ(request_parse(&req, &scan, text + first, sizeof text - 1 - first, NULL), REQUEST_DONE);
    CHECK_STR(req.path, "/2");
    CHECK_EQ(first + req.head_bytes, sizeof text - 1);
}

TEST(a_comma_list_is_walked_without_its_blanks)
{
    anqa_str list = anqa_str_of(" ,a,, b c\t,\"d\" ,"), token;

    CHECK(request_next_token(&list, &token));
    CHECK_STR(token, "a");
    CHECK(request_next_token(&list, &token));
    CHECK_STR(token, "b c");
    CHECK(request_next_token(&list, &token));
    CHECK_STR(token, "\"d\"");
    CHECK(!request_next_token(&list, &token));
}
