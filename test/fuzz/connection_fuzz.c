/*
 * Any bytes as all that a client sends over a connection, in one piece or in many, to an endpoint whose plug reads bodies and
 * trailers. What must hold:
 *  - what comes back does not depend on how the bytes are cut (but for dates and "100 Continue");
 *  - it is nothing, or begins with a response; every response but the last ends where its framing says;
 *  - the connection ends when the client has ended its side.
 */
#include <anqa/anqa.h>

#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define ANSWER_MAX ((size_t)1 << 20)
#define BYTES_MAX 4096u

static void require(bool holds)
{
    if (!holds)
        abort();
}

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

static char address[64];

static const anqa_endpoint endpoint = {
    .address = address,
    .quiet = true,
    .plugs = (const anqa_plug[]){{.call = plug}, {0}},
    .limits = {.header_bytes = 1024, .body_bytes = 512},
};

static anqa_pid begin(anqa_rt **ret_rt)
{
    anqa_pid pid;

    snprintf(address, sizeof address, "unix:@anqa-fuzz-%d", (int)getpid());
    anqa_log_set_level(ANQA_LOG_NONE);
    require(anqa_start(&(anqa_options){.schedulers = 1}, ret_rt, NULL) == ANQA_OK);
    require(anqa_attach(*ret_rt, NULL) == ANQA_OK);
    require(anqa_gen_server_start(&anqa_endpoint_server, &endpoint, NULL, &pid, NULL) == ANQA_OK);
    return pid;
}

static void end(anqa_rt *rt, anqa_pid pid)
{
    require(anqa_gen_server_stop(pid, ANQA_SHUTDOWN, 10000) == ANQA_OK);
    anqa_detach();
    anqa_stop(rt);
}

/* ---------------------------------------------------------------- the client */

static int dial(void)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    struct timeval limit = {.tv_sec = 20};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    size_t len = strlen(address + strlen("unix:@"));

    memcpy(to.sun_path + 1, address + strlen("unix:@"), len);
    require(fd >= 0 && connect(fd, (struct sockaddr *)&to,
                           (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + len)) == 0);
    require(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit) == 0);
    return fd;
}

/* All that comes back for bytes in pieces of `step`. */
static size_t ask(const char *bytes, size_t len, size_t step, char *answer)
{
    int fd = dial();
    size_t got = 0;
    ssize_t n;

    for (size_t at = 0; at < len; at += step) {
        size_t part = len - at < step ? len - at : step;
        if (send(fd, bytes + at, part, MSG_NOSIGNAL) < (ssize_t)part)
            break;
    }
    shutdown(fd, SHUT_WR);
    while ((n = recv(fd, answer + got, ANSWER_MAX - 1 - got, 0)) > 0)
        got += (size_t)n;
    require(n == 0); /* it has ended, in good order and in time */
    close(fd);
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
        require(len - (size_t)(at - answer) > 29);
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

    require(strncmp(at, "HTTP/1.1 ", 9) == 0 && head_end != NULL);
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
        require(at == NULL || at <= end);
    }
    require(len == 0 || strncmp(answer, "HTTP/1.1 ", 9) == 0);
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
    pid = begin(&rt);
    whole_len = hide_times(whole, ask(bytes, size, size, whole));
    check_responses(whole, whole_len, memmem(bytes, size, "HEAD", 4) != NULL);
    for (size_t step = 1; step < 64; step = step * 4 + 3) {
        cut_len = hide_times(cut, ask(bytes, size, step, cut));
        require(cut_len == whole_len && memcmp(cut, whole, whole_len) == 0);
    }
    end(rt, pid);
    return 0;
}
