/*
 * Any bytes as all that a client sends behind the preface of HTTP/2, in one piece or in many, to an endpoint whose plug reads
 * bodies and trailers, crashes, and speaks WebSocket. What must hold:
 *  - what comes back is whole frames, none longer than agreed; of streams only those that the client can have opened;
 *  - behind GOAWAY with an error nothing comes, and the connection ends when the client has ended its side;
 *  - another client is served all the same.
 */
#include "fuzz/site.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define ANSWER_MAX ((size_t)1 << 20)
#define BYTES_MAX 4096u
#define FRAME_MAX 16384u
#define GOAWAY 7

/* ---------------------------------------------------------------- the server */

static void talk_in(anqa_websocket *ws, bool binary, anqa_str data)
{
    anqa_websocket_push(ws, binary, data);
}

static const anqa_websocket_handler talk = {.handle_in = talk_in};

static void plug(anqa_conn *conn, const void *opts)
{
    anqa_str body, trailer = {0};

    if (anqa_str_is(conn->request_path, "/ws")) {
        (void)anqa_conn_upgrade_websocket(conn, &talk, NULL);
        return;
    }
    if (anqa_str_is(conn->request_path, "/unread")) {
        anqa_send_text(conn, 200, conn->query_string);
        return;
    }
    if (anqa_str_is(conn->request_path, "/x"))
        anqa_exit(anqa_error_reason("as told"));
    if (anqa_conn_read_body(conn, NULL, &body, NULL) != ANQA_OK)
        return;
    (void)anqa_conn_req_trailer(conn, "x", &trailer);
    (void)anqa_send_chunked(conn, 200);
    anqa_chunk(conn, body);
    anqa_chunk(conn, trailer);
}

static const anqa_endpoint endpoint = {
    .address = fuzz_site_address,
    .quiet = true,
    .plugs = (const anqa_plug[]){{.call = plug}, {0}},
    .limits = {.header_bytes = 1024, .body_bytes = 512, .streams = 4, .request_timeout_ms = 1000},
};

static void begin(void)
{
    static bool begun;

    fuzz_begin();
    if (begun)
        return;
    begun = true;
    (void)fuzz_site_start(&endpoint, "h2");
}

/* ---------------------------------------------------------------- the client */

static void greet(int fd)
{
    static const char hello[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0";

    fuzz_require(send(fd, hello, sizeof hello - 1, MSG_NOSIGNAL) == sizeof hello - 1);
}

static uint32_t get32(const unsigned char *at)
{
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

/* Returns how many frames of that type there are. */
static unsigned check_frames(const unsigned char *at, size_t len, unsigned type)
{
    unsigned count = 0;
    bool over = false;

    while (len > 0) {
        uint32_t size;
        fuzz_require(!over && len >= 9);
        size = get32(at) >> 8;
        fuzz_require(size <= FRAME_MAX && len - 9 >= size && at[3] <= 9);
        fuzz_require(get32(at + 5) == 0 || get32(at + 5) % 2 == 1);
        over = at[3] == GOAWAY && get32(at + 13) != 0;
        count += at[3] == type;
        at += 9 + size;
        len -= 9 + size;
    }
    return count;
}

static void ask(const uint8_t *bytes, size_t len, size_t step, unsigned char *answer)
{
    int fd = fuzz_site_dial();

    greet(fd);
    fuzz_site_send(fd, bytes, len, step);
    (void)check_frames(answer, fuzz_site_read(fd, answer, ANSWER_MAX), GOAWAY);
}

/* Its request is answered: HEADERS and DATA. */
static void ask_politely(unsigned char *answer)
{
    static const char get[] = "\0\0\6\1\5\0\0\0\1\x82\x86\x84\x41\1a";
    int fd = fuzz_site_dial();
    size_t len;

    greet(fd);
    fuzz_site_send(fd, get, sizeof get - 1, sizeof get);
    len = fuzz_site_read(fd, answer, ANSWER_MAX);
    fuzz_require(check_frames(answer, len, 1) == 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static unsigned char answer[ANSWER_MAX];

    if (size == 0 || size > BYTES_MAX)
        return 0;
    begin();
    ask(data, size, size, answer);
    for (size_t step = 1; step < 64; step = step * 4 + 3)
        ask(data, size, step, answer);
    ask_politely(answer);
    return 0;
}
