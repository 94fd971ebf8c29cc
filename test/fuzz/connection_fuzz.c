/*
 * Any bytes as all that a client sends over a connection, in one piece or in many, to an endpoint whose plug reads bodies and
 * trailers. What must hold:
 *  - what comes back does not depend on how the bytes are cut (but for dates and "100 Continue");
 *  - it is nothing, or begins with a response; every response but the last ends where its framing says;
 *  - the connection ends when the client has ended its side.
 */
#include "fuzz/site.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define ANSWER_MAX ((size_t)1 << 20)
#define BYTES_MAX 4096u

/* ---------------------------------------------------------------- the server */

static void plug(anqa_conn *conn, const void *opts)
{
    anqa_str body, trailer = {0};

    if (anqa_str_is(conn->request_path, "/unread")) {
        anqa_send_text(conn, 200, conn->query_string);
        return;
    }
    if (anqa_conn_read_body(conn, NULL, &body, NULL) != ANQA_OK)
        return;
    (void)anqa_conn_req_trailer(conn, "x", &trailer);
    if (!anqa_str_is(conn->request_path, "/chunks")) {
        anqa_send_text(conn, 200, body);
        return;
    }
    (void)anqa_send_chunked(conn, 200);
    anqa_chunk(conn, body);
    anqa_chunk(conn, trailer);
}

static const anqa_endpoint endpoint = {
    .address = fuzz_site_address,
    .quiet = true,
    .plugs = (const anqa_plug[]){{.call = plug}, {0}},
    .limits = {.header_bytes = 1024, .body_bytes = 512},
};

/* ---------------------------------------------------------------- the client */

/* All that comes back for bytes in pieces of `step`. */
static size_t ask(const char *bytes, size_t len, size_t step, char *answer)
{
    int fd = fuzz_site_dial();
    size_t got;

    fuzz_site_send(fd, bytes, len, step);
    got = fuzz_site_read(fd, answer, ANSWER_MAX - 1);
    answer[got] = '\0';
    return got;
}

/* What may differ: two answers may fall into two seconds, and who has sent its body already is not told to continue. Returns
 * the length that is left. */
static size_t hide_times(char *answer, size_t len)
{
    static const char date[] = "\r\ndate: ", go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";
    char *at = answer;

    while ((at = memmem(answer, len, go_on, sizeof go_on - 1)) != NULL) {
        len -= sizeof go_on - 1;
        memmove(at, at + sizeof go_on - 1, len + 1 - (size_t)(at - answer));
    }
    at = answer;

    while ((at = memmem(at, len - (size_t)(at - answer), date, sizeof date - 1)) != NULL) {
        at += sizeof date - 1;
        fuzz_require(len - (size_t)(at - answer) > 29);
        memset(at, '-', 29);
    }
    return len;
}

/* ---------------------------------------------------------------- properties */

/* The end of one response; NULL: it has none. */
static const char *response_end(const char *at, const char *end)
{
    const char *head_end = memmem(at, (size_t)(end - at), "\r\n\r\n", 4);
    const char *length;

    fuzz_require(strncmp(at, "HTTP/1.1 ", 9) == 0 && head_end != NULL);
    head_end += 4;
    if (strncmp(at + 9, "204", 3) == 0)
        return head_end;
    length = memmem(at, (size_t)(head_end - at), "\r\ncontent-length: ", 18);
    return length == NULL ? NULL : head_end + strtoul(length + 18, NULL, 10);
}

/* As far as lengths tell: to the first in chunks, or to HEAD. */
static void check_responses(const char *answer, size_t len, bool has_head)
{
    const char *at = answer, *end = answer + len;

    while (at != NULL && at < end && !has_head) {
        at = response_end(at, end);
        fuzz_require(at == NULL || at <= end);
    }
    fuzz_require(len == 0 || strncmp(answer, "HTTP/1.1 ", 9) == 0);
}

static bool is_http_2(const char *bytes, size_t size)
{
    static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    size_t len = sizeof preface - 1;

    return size >= len && memcmp(bytes, preface, len) == 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char whole[ANSWER_MAX], cut[ANSWER_MAX];
    const char *bytes = (const char *)data;
    size_t whole_len, cut_len;
    anqa_rt *rt;
    anqa_pid pid;

    if (size == 0 || size > BYTES_MAX || is_http_2(bytes, size)) /* that is h2_fuzz.c's */
        return 0;
    pid = fuzz_site_begin(&endpoint, "connection", &rt);
    whole_len = hide_times(whole, ask(bytes, size, size, whole));
    check_responses(whole, whole_len, memmem(bytes, size, "HEAD", 4) != NULL);
    for (size_t step = 1; step < 64; step = step * 4 + 3) {
        cut_len = hide_times(cut, ask(bytes, size, step, cut));
        fuzz_require(cut_len == whole_len && memcmp(cut, whole, whole_len) == 0);
    }
    fuzz_site_end(rt, pid);
    return 0;
}
