#include "http/ws_script.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "http/site.h"

#ifdef HAVE_ZLIB
#include <zlib.h>
#endif

/* ---------------------------------------------------------------- the server */

static void echo_in(anqa_websocket *ws, bool binary, anqa_str data)
{
    (void)anqa_websocket_push(ws, binary, data);
}

static const anqa_websocket_handler plain = {.handle_in = echo_in};
static const anqa_websocket_handler deflate_echo = {.handle_in = echo_in, .compress = true};
static const anqa_websocket_handler context_echo = {
    .handle_in = echo_in, .compress = true, .client_context = true};

static void open_echo(anqa_conn *conn, const void *opts)
{
    const anqa_websocket_handler *handler = &plain;

    if (anqa_str_is(conn->request_path, "/deflate"))
        handler = &deflate_echo;
    else if (anqa_str_is(conn->request_path, "/context"))
        handler = &context_echo;
    anqa_conn_upgrade_websocket(conn, handler, NULL);
}

void ws_server_begin(void)
{
    site_begin(open_echo);
}

void ws_server_end(void)
{
    site_end();
}

/* ---------------------------------------------------------------- bytes that grow */

struct bytes {
    char *at;
    size_t len, cap;
};

static void add(struct bytes *bytes, const void *more, size_t len)
{
    if (bytes->len + len > bytes->cap) {
        bytes->cap = 2 * (bytes->len + len) + 64;
        bytes->at = realloc(bytes->at, bytes->cap);
        CHECK(bytes->at != NULL);
    }
    if (len > 0)
        memcpy(bytes->at + bytes->len, more, len);
    bytes->len += len;
}

/* ---------------------------------------------------------------- compression, by somebody else than who is tested */

#ifdef HAVE_ZLIB
static void squeeze(z_stream *z, bool context, const char *text, size_t len, struct bytes *out)
{
    size_t room = deflateBound(z, (uLong)len) + 64;
    unsigned char *to = malloc(room);

    CHECK(to != NULL);
    if (!context)
        CHECK_EQ(deflateReset(z), Z_OK);
    z->next_in = (z_const Bytef *)(uintptr_t)text;
    z->avail_in = (uInt)len;
    z->next_out = to;
    z->avail_out = (uInt)room;
    CHECK_EQ(deflate(z, Z_SYNC_FLUSH), Z_OK);
    CHECK_EQ(z->avail_in, 0);
    add(out, to, room - z->avail_out - 4);
    free(to);
}

/* What came compressed, each message by itself. */
static void unsqueeze(const char *bytes, size_t len, struct bytes *out)
{
    unsigned char *in = malloc(len + 4), part[4096];
    z_stream z = {0};

    CHECK(in != NULL);
    memcpy(in, bytes, len);
    memcpy(in + len, "\0\0\xff\xff", 4);
    CHECK_EQ(inflateInit2(&z, -15), Z_OK);
    z.next_in = in;
    z.avail_in = (uInt)len + 4;
    do {
        int result;
        z.next_out = part;
        z.avail_out = sizeof part;
        result = inflate(&z, Z_SYNC_FLUSH);
        CHECK(result == Z_OK || result == Z_BUF_ERROR, "%d", result);
        add(out, part, sizeof part - z.avail_out);
    } while (z.avail_out == 0);
    CHECK_EQ(z.avail_in, 0);
    inflateEnd(&z);
    free(in);
}
#endif

/* ---------------------------------------------------------------- what is sent */

struct script {
    const char *at;
    struct bytes out;
    bool ends; /* "$" */
#ifdef HAVE_ZLIB
    z_stream z;
#endif
};

struct sent_frame {
    unsigned first;
    bool unmasked;
    unsigned length_bytes; /* 0: the shortest form */
};

static void put_frame(struct script *script, struct sent_frame f, const char *payload, size_t len)
{
    static const unsigned char mask[4] = {0x37, 0xfa, 0x21, 0x3d};
    unsigned bytes = f.length_bytes != 0 ? f.length_bytes : len < 126 ? 0 : len <= 0xffff ? 2 : 8;
    unsigned char head[14] = {(unsigned char)f.first};
    size_t n = 2, at = script->out.len;

    head[1] = (unsigned char)((f.unmasked ? 0 : 0x80) | (bytes == 0      ? len
                                                            : bytes == 2 ? 126
                                                                         : 127));
    for (unsigned i = bytes; i-- > 0;)
        head[n++] = (unsigned char)((uint64_t)len >> 8 * i);
    if (!f.unmasked) {
        memcpy(head + n, mask, 4);
        n += 4;
    }
    add(&script->out, head, n);
    add(&script->out, payload, len);
    if (!f.unmasked)
        for (size_t i = 0; i < len; i++)
            script->out.at[at + n + i] ^= (char)mask[i & 3];
}

/* A message in `count` frames. */
static void put_frames(struct script *script, struct sent_frame f, const struct bytes *payload)
{
    unsigned long count = 1;
    size_t from = 0;

    if (*script->at == '/')
        count = strtoul(script->at + 1, (char **)&script->at, 10);
    for (unsigned long i = 0; i < count; i++) {
        size_t to = payload->len * (i + 1) / count;
        struct sent_frame part = f;
        if (i > 0)
            part.first &= 0x80;
        if (i + 1 < count)
            part.first &= 0x7f;
        put_frame(script, part, payload->at + from, to - from);
        from = to;
    }
}

static void read_payload(struct script *script, struct bytes *payload)
{
    const char *end;

    if (*script->at == '*') {
        unsigned long len = strtoul(script->at + 1, (char **)&script->at, 10);
        for (unsigned long i = 0; i < len; i++)
            add(payload, "x", 1);
    } else if (*script->at == '(') {
        end = strchr(script->at, ')');
        CHECK(end != NULL);
        add(payload, script->at + 1, (size_t)(end - script->at) - 1);
        script->at = end + 1;
    }
}

static void compress_payload(struct script *script, struct bytes *payload, bool context)
{
#ifdef HAVE_ZLIB
    struct bytes squeezed = {0};

    squeeze(&script->z, context, payload->at, payload->len, &squeezed);
    free(payload->at);
    *payload = squeezed;
#endif
}

static unsigned read_opcode(struct script *script)
{
    static const char letters[] = "KTB     CPO";
    char letter = *script->at++, capital = letter >= 'a' ? (char)(letter - 32) : letter;
    unsigned fin = letter == capital ? 0x80 : 0;
    const char *found = strchr(letters, capital);
    char digit[2] = {0};

    if (capital == 'N') {
        digit[0] = *script->at++;
        return fin | (unsigned)strtoul(digit, NULL, 16);
    }
    CHECK(found != NULL && capital != ' ' && capital != '\0', "%c", letter);
    return fin | (unsigned)(found - letters);
}

static void play_frame(struct script *script)
{
    struct sent_frame f = {0};
    struct bytes payload = {0};
    char squeezed = 0;

    for (; *script->at != '\0' && strchr("123!@&", *script->at) != NULL; script->at++) {
        switch (*script->at) {
        case '!': f.unmasked = true; break;
        case '@': f.length_bytes = 2; break;
        case '&': f.length_bytes = 8; break;
        default: f.first |= 0x80u >> (*script->at - '0');
        }
    }
    f.first |= read_opcode(script);
    if ((f.first & 15) == 8 && *script->at >= '0' && *script->at <= '9') {
        unsigned long code = strtoul(script->at, (char **)&script->at, 10);
        char two[2] = {(char)(code >> 8), (char)code};
        add(&payload, two, 2);
    }
    if (*script->at == '~' || *script->at == '^')
        squeezed = *script->at++;
    read_payload(script, &payload);
    if (squeezed != 0)
        compress_payload(script, &payload, squeezed == '^');
    put_frames(script, f, &payload);
    free(payload.at);
}

static void play_script(struct script *script)
{
    struct bytes raw = {0};

    for (; *script->at != '\0' && !script->ends;) {
        if (*script->at == ' ') {
            script->at++;
        } else if (*script->at == '$') {
            script->ends = true;
        } else if (*script->at == '=') {
            script->at++;
            read_payload(script, &raw);
            add(&script->out, raw.at, raw.len);
            raw.len = 0;
        } else {
            play_frame(script);
        }
    }
    free(raw.at);
}

static struct script script_of(const char *text)
{
    struct script script = {.at = text};
    struct script end = {.at = "C1000"};

#ifdef HAVE_ZLIB
    CHECK_EQ(deflateInit2(&script.z, 9, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY), Z_OK);
#endif
    play_script(&script);
#ifdef HAVE_ZLIB
    deflateEnd(&script.z);
#endif
    if (!script.ends) {
        play_script(&end);
        add(&script.out, end.out.at, end.out.len);
        free(end.out.at);
    }
    return script;
}

/* ---------------------------------------------------------------- what comes back */

struct log {
    char text[8192];
    size_t len;
};

static void note(struct log *log, const char *text, size_t len)
{
    CHECK(log->len + len < sizeof log->text);
    memcpy(log->text + log->len, text, len);
    log->len += len;
    log->text[log->len] = '\0';
}

static bool all_x(const char *bytes, size_t len)
{
    return len > 0 && bytes[0] == 'x' && memcmp(bytes, bytes + 1, len - 1) == 0;
}

static void note_payload(struct log *log, const char *bytes, size_t len)
{
    char text[32];

    if (len > 40) {
        int n = snprintf(text, sizeof text, all_x(bytes, len) ? "*%zu" : "[%zu]", len);
        note(log, text, (size_t)n);
    } else if (len > 0) {
        note(log, "(", 1);
        note(log, bytes, len);
        note(log, ")", 1);
    }
}

static void note_frame(struct log *log, unsigned first, const char *payload, size_t len)
{
    static const char letters[] = "ktb?????cpo?????KTB?????CPO?????";
    struct bytes whole = {0};
    char code[16];

    if (log->len > 0)
        note(log, " ", 1);
    if ((first & 0x70) == 0x40)
        note(log, "1", 1);
    else if ((first & 0x70) != 0)
        note(log, "?", 1);
    note(log, &letters[(first & 0x80) >> 3 | (first & 15)], 1);
    if ((first & 15) == 8) {
        CHECK(len >= 2);
        note(log, code,
            (size_t)snprintf(code, sizeof code, "%u",
                (unsigned)(unsigned char)payload[0] << 8 | (unsigned char)payload[1]));
        return;
    }
#ifdef HAVE_ZLIB
    if ((first & 0x40) != 0) {
        unsqueeze(payload, len, &whole);
        payload = whole.at;
        len = whole.len;
    }
#endif
    note_payload(log, payload, len);
    free(whole.at);
}

/* All frames of the server. */
static void read_frames(struct log *log, const struct bytes *in)
{
    const unsigned char *at = (const unsigned char *)in->at, *end = at + in->len;

    while (end - at >= 2) {
        uint64_t len = at[1];
        unsigned bytes = len == 126 ? 2 : len == 127 ? 8 : 0;
        CHECK(len < 128, "a mask");
        if (bytes != 0)
            len = 0;
        for (unsigned i = 0; i < bytes; i++)
            len = len << 8 | at[2 + i];
        CHECK((uint64_t)(end - at) >= 2 + bytes + len, "half a frame");
        note_frame(log, at[0], (const char *)at + 2 + bytes, (size_t)len);
        at += 2 + bytes + len;
    }
    CHECK(at == end);
}

/* ---------------------------------------------------------------- the client */

static int dial(const char *path, const char *fields)
{
    char text[2048];
    int fd = site_dial(), one = 1;

    snprintf(text, sizeof text,
        "GET %s HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n%s\r\n",
        path, fields);
    CHECK(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one) == 0);
    peer_say(fd, text);
    return fd;
}

static const char *read_head(int fd)
{
    static char head[4096];
    size_t len = 0;

    head[0] = '\0';
    while (len + 1 < sizeof head && strstr(head, "\r\n\r\n") == NULL &&
           recv(fd, head + len, 1, 0) == 1)
        head[++len] = '\0';
    return head;
}

int ws_open(const char *path, const char *offer)
{
    int fd = dial(path, offer);

    CHECK(strstr(read_head(fd), " 101 ") != NULL);
    return fd;
}

const char *ws_handshake(const char *path, const char *fields)
{
    int fd = dial(path, fields);
    const char *head = read_head(fd);

    close(fd);
    return head;
}

/* How bytes are cut. */
enum cut { WHOLE, ONE_BY_ONE, AT_RANDOM };

static size_t piece(enum cut cut, unsigned *seed, size_t left)
{
    size_t n = cut == WHOLE ? left : cut == ONE_BY_ONE ? 1 : 1 + (size_t)rand_r(seed) % 40;

    if (cut == AT_RANDOM && rand_r(seed) % 4 == 0)
        n *= 1000;
    return n < left ? n : left;
}

/* Writes and reads at the same time, so that neither side waits for the other. False: it took too long. */
static bool talk(int fd, const struct script *script, enum cut cut, unsigned seed, struct bytes *in)
{
    size_t at = 0;
    static char buf[1 << 16];
    bool shut = !script->ends;

    CHECK(fcntl(fd, F_SETFL, O_NONBLOCK) == 0);
    for (;;) {
        struct pollfd poller = {.fd = fd, .events = POLLIN};
        ssize_t n;
        if (at == script->out.len && !shut)
            shut = shutdown(fd, SHUT_WR) == 0;
        if (at < script->out.len)
            poller.events |= POLLOUT;
        if (poll(&poller, 1, 10000 * (int)harness_slowness()) <= 0)
            return false;
        n = recv(fd, buf, sizeof buf, 0);
        if (n == 0 || (n < 0 && errno != EAGAIN))
            return true;
        if (n > 0)
            add(in, buf, (size_t)n);
        if (at < script->out.len) {
            n = send(
                fd, script->out.at + at, piece(cut, &seed, script->out.len - at), MSG_NOSIGNAL);
            at += n > 0 ? (size_t)n : 0;
            if (n < 0 && errno != EAGAIN)
                at = script->out.len;
        }
    }
}

static void play(const struct ws_case *row, const char *path, const char *offer,
    const struct script *script, enum cut cut, unsigned seed)
{
    static const char *const cuts[] = {"whole", "byte by byte", "cut at random"};
    static struct log log;
    char expected[2048];
    struct bytes in = {0};
    int fd = ws_open(path, offer);
    const char *last = strrchr(row->expected, ' ');
    bool ends;

    last = last == NULL ? row->expected : last + 1;
    ends = last[0] == 'C' || strcmp(last, "END") == 0;
    snprintf(expected, sizeof expected, "%s%s%s", row->expected,
        *row->expected == '\0' || ends ? "" : " ", ends ? "" : "C1000");
    log = (struct log){0};
    CHECK(talk(fd, script, cut, seed, &in), "%s, %s: it does not end", row->name, cuts[cut]);
    read_frames(&log, &in);
    if (strcmp(last, "END") == 0)
        note(&log, log.len == 0 ? "END" : " END", log.len == 0 ? 3 : 4);
    CHECK_STR(log.text, expected, "%s, %s (%u)", row->name, cuts[cut], seed);
    free(in.at);
    close(fd);
}

char *ws_exchange(int fd, const char *bytes, size_t len, size_t *ret_len)
{
    struct script script = {.out = {(char *)(uintptr_t)bytes, len, len}};
    struct bytes in = {0};

    CHECK(talk(fd, &script, WHOLE, 0, &in), "it does not end");
    *ret_len = in.len;
    return in.at;
}

#define FEW 400 /* bytes that are sent one by one */

void ws_play(const struct ws_case *cases, size_t count, const char *path, const char *offer)
{
    for (size_t i = 0; i < count; i++) {
        struct script script = script_of(cases[i].sent);
        play(&cases[i], path, offer, &script, WHOLE, 0);
        if (script.out.len <= FEW)
            play(&cases[i], path, offer, &script, ONE_BY_ONE, 0);
        for (unsigned seed = 1; seed <= 2; seed++)
            play(&cases[i], path, offer, &script, AT_RANDOM, seed + (unsigned)i);
        free(script.out.at);
    }
}
