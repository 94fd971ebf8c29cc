/*
 * One WebSocket of a script, as a client (RFC 6455). libcurl makes the connection, TCP and TLS, and moves bytes; the
 * handshake (net_handshake.h) and the frames (http/websocket.h) are ours. It has a multi handle of its own: there nothing looks
 * through connections that are not in use.
 *
 * The script may be a window ahead with what it sends; what it sends costs its bytes and NET_COST for each frame, and is
 * acknowledged when the kernel has it. Messages that come are told in parts, no more than a window ahead; when that is full,
 * nothing is read.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>

#include <anqa/memory.h>

#include "base/container.h"
#include "base/random.h"
#include "base/utf8.h"
#include "http/websocket.h"
#include "js/web/net.h"
#include "js/web/net_handshake.h"

enum {
    CLOSE_MS = 5000, /* for the other side to close, too */
    READ_BYTES = 16 << 10,
    READS = 16, /* at once, until others have their turn */
    PROTOCOLS_MAX = 1024,
    CODE_NORMAL = 1000,
    CODE_NONE = 1005,
    CODE_LOST = 1006,
    HELD_LITTLE = 64 << 10, /* bytes of one socket that it may always have */
    HELD_LEAST =
        64 << 20, /* what all of a family may have together, or four of its largest messages */
    HELD_MAX = 256 << 20 /* and all of the runtime */
};

static atomic_size_t held; /* shared: of all sockets */

/* What the sockets of a family (spawn.h) hold. Shared; in the list as long as it has any. */
struct share {
    struct share *next;
    anqa_pid family;
    uint32_t sockets;
    atomic_size_t held;
};

static struct share *shares;
static pthread_mutex_t shares_lock = PTHREAD_MUTEX_INITIALIZER; /* guards the list and `sockets` */

/* NULL: no memory. */
static struct share *share_take(anqa_pid family)
{
    struct share *share;

    pthread_mutex_lock(&shares_lock);
    share = shares;
    while (share != NULL && !anqa_pid_eq(share->family, family))
        share = share->next;
    if (share == NULL) {
        share = calloc(1, sizeof *share);
        if (share != NULL) {
            share->family = family;
            share->next = shares;
            shares = share;
        }
    }
    if (share != NULL)
        share->sockets++;
    pthread_mutex_unlock(&shares_lock);
    return share;
}

static void share_give_back(struct share *share)
{
    struct share **link = &shares;

    pthread_mutex_lock(&shares_lock);
    if (--share->sockets == 0) {
        while (*link != share)
            link = &(*link)->next;
        *link = share->next;
        free(share);
    }
    pthread_mutex_unlock(&shares_lock);
}

enum stage {
    CONNECTING,
    ASKING /* the handshake */,
    OPEN,
    CLOSING /* our close frame is on its way */,
    OVER
};

/* Owner: the network process. */
struct socket {
    struct net_job job;
    struct net_multi multi;
    struct handshake handshake;
    struct websocket ws;
    enum stage stage;
    char *protocols; /* offered */
    char *head;      /* of the request */
    bool told_open;
    bool fragmented; /* a message of ours has begun */
    bool more;       /* there may be frames in `in` that were not looked at */
    bool writable;   /* is watched for that */
    bool readable;
    struct net_bytes in, out;
    struct share *share;
    size_t held;    /* bytes of `in`, `out` and a message that is not whole, as they were counted */
    size_t cost;    /* of what is in `out` */
    size_t untaken; /* told, and not taken */
    anqa_str message; /* what is being told; in `in`, or the frame reader's */
    bool message_text, telling;
    char protocol[128];
    uint64_t due_ms;
    uint16_t code; /* of the end */
    char reason[WEBSOCKET_CONTROL_MAX + 1];
    bool clean;
};

static struct socket *socket_of(struct net_job *job)
{
    return ANQA_CONTAINER_OF(job, struct socket, job);
}

/* What it holds is counted anew. False: that has become more than may be, of its family or in the runtime. */
static bool count_held(struct socket *socket)
{
    size_t now = socket->in.len + socket->out.len + websocket_held(&socket->ws), was = socket->held,
           all = atomic_fetch_add(&held, now - was) + (now - was),
           ours = atomic_fetch_add(&socket->share->held, now - was) + (now - was),
           most = (size_t)4 * socket->job.net->limits.message_bytes;

    socket->held = now;
    if (now <= was || now <= HELD_LITTLE)
        return true;
    return ours <= (most > HELD_LEAST ? most : HELD_LEAST) && all <= HELD_MAX;
}

static void socket_free(struct net_job *job)
{
    struct socket *socket = socket_of(job);

    net_easy_free(job);
    net_multi_close(&socket->multi);
    websocket_done(&socket->ws);
    net_bytes_free(&socket->in);
    net_bytes_free(&socket->out);
    (void)count_held(socket);
    share_give_back(socket->share);
    free(socket->protocols);
    free(socket->head);
    anqa_list_remove(&job->node);
    job->net->sockets--;
    free(socket);
}

static void over(struct socket *socket, uint16_t code, anqa_str reason, bool clean)
{
    if (socket->stage == OVER)
        return;
    socket->stage = OVER;
    socket->code = code;
    socket->clean = clean;
    snprintf(socket->reason, sizeof socket->reason, "%.*s",
        reason.len > WEBSOCKET_CONTROL_MAX ? WEBSOCKET_CONTROL_MAX : (int)reason.len,
        reason.len > 0 ? reason.ptr : "");
}

static const anqa_str nothing = {"", 0};

/* ---------------------------------------------------------------- bytes out */

/* What the epoll instance is to say. */
static void watch(struct socket *socket)
{
    bool over = socket->stage == OVER;
    bool readable = !over && socket->untaken < NET_WINDOW && !socket->telling;
    bool writable = !over && net_bytes_count(&socket->out) > 0;
    struct epoll_event event = {.events = (readable ? EPOLLIN : 0u) | (writable ? EPOLLOUT : 0u),
        .data.u64 = (uint64_t)socket->job.id << 32 | (uint32_t)socket->job.fd};

    if (socket->job.fd == CURL_SOCKET_BAD ||
        (readable == socket->readable && writable == socket->writable))
        return;
    if (!readable && !writable) /* or errors would be said of it all the time */
        (void)epoll_ctl(net_epoll(socket->job.net), EPOLL_CTL_DEL, socket->job.fd, NULL);
    else if (epoll_ctl(net_epoll(socket->job.net), EPOLL_CTL_MOD, socket->job.fd, &event) != 0 &&
             epoll_ctl(net_epoll(socket->job.net), EPOLL_CTL_ADD, socket->job.fd, &event) != 0)
        net_fail(&socket->job, "network", "no descriptor can be watched");
    socket->readable = readable;
    socket->writable = writable;
}

static void write_out(struct socket *socket)
{
    CURLcode code = CURLE_OK;

    anqa_section_begin();
    while (code == CURLE_OK && net_bytes_count(&socket->out) > 0) {
        size_t sent = 0;
        code = curl_easy_send(
            socket->job.easy, net_bytes_first(&socket->out), net_bytes_count(&socket->out), &sent);
        if (code == CURLE_OK)
            net_bytes_take(&socket->out, sent);
    }
    anqa_section_end();
    if (code != CURLE_OK && code != CURLE_AGAIN)
        over(socket, CODE_LOST, nothing, false);
}

/* A frame of ours: masked with bytes that nobody can foresee. */
static void add_frame(struct socket *socket, unsigned opcode, bool last, anqa_str payload)
{
    char head[WEBSOCKET_HEAD_MAX + 4];
    size_t len = websocket_write_frame_head(head, opcode, payload.len);
    unsigned char mask[4];
    char *room = net_bytes_room(&socket->out, len + sizeof mask + payload.len);

    if (room == NULL) {
        net_fail(&socket->job, "network", "out of memory");
        return;
    }
    random_bytes(mask, sizeof mask);
    if (!last)
        head[0] = (char)((unsigned char)head[0] & 0x7f);
    head[1] = (char)((unsigned char)head[1] | 0x80);
    memcpy(room, head, len);
    memcpy(room + len, mask, sizeof mask);
    if (payload.len > 0)
        memcpy(room + len + sizeof mask, payload.ptr, payload.len);
    websocket_mask(room + len + sizeof mask, payload.len, mask);
    socket->out.len += len + sizeof mask + payload.len;
}

static void add_close(struct socket *socket, uint16_t code, anqa_str reason)
{
    char frame[WEBSOCKET_CLOSE_MAX];
    size_t len = websocket_write_close(frame, code, reason);

    add_frame(socket, WEBSOCKET_CLOSE, true,
        code == CODE_NONE ? nothing : anqa_str_make(frame + 2, len - 2));
}

/* ---------------------------------------------------------------- bytes in */

/* What they say; up to a message, which is told before the next is looked at. */
static void take_event(
    struct socket *socket, enum websocket_result result, const struct websocket_event *event)
{
    switch (result) {
    case WEBSOCKET_MESSAGE:
        socket->message = event->payload;
        socket->message_text = event->opcode == WEBSOCKET_TEXT;
        socket->telling = true;
        return;
    case WEBSOCKET_CONTROL:
        /* A peer that does not read the answers to its pings gets no more of them. */
        if (event->opcode == WEBSOCKET_PING && socket->stage == OPEN &&
            net_bytes_count(&socket->out) < NET_WINDOW)
            add_frame(socket, WEBSOCKET_PONG, true, event->payload);
        return;
    case WEBSOCKET_CLOSED:
        if (socket->stage == OPEN)
            add_close(socket, event->peer_code, nothing);
        write_out(socket);
        over(socket, event->peer_code, event->payload, true);
        return;
    case WEBSOCKET_BROKEN:
        add_close(socket, event->code, nothing);
        write_out(socket);
        over(socket, CODE_LOST, nothing, false);
        return;
    case WEBSOCKET_MORE:
    case WEBSOCKET_BUSY: return; /* nothing is compressed */
    }
}

static void read_frames(struct socket *socket)
{
    const struct websocket_limits limits = {
        .frame_bytes = socket->job.net->limits.message_bytes + WEBSOCKET_HEAD_MAX,
        .message_bytes = socket->job.net->limits.message_bytes};
    enum websocket_result result = WEBSOCKET_CONTROL;

    while (
        socket->more && !socket->telling && socket->stage != OVER && socket->untaken < NET_WINDOW) {
        struct websocket_event event;
        size_t taken = 0;
        anqa_section_begin();
        result = websocket_read(&socket->ws, net_bytes_first(&socket->in),
            net_bytes_count(&socket->in), &limits, &taken, &event);
        anqa_section_end();
        socket->in.at += taken; /* the bytes stay where they are: the message lies there */
        socket->more = result != WEBSOCKET_MORE;
        take_event(socket, result, &event);
    }
}

static void read_handshake(struct socket *socket)
{
    size_t len = 0;
    anqa_str protocol = {NULL, 0};
    const char *why = NULL;

    switch (handshake_read(&socket->handshake,
        anqa_str_make(net_bytes_first(&socket->in), net_bytes_count(&socket->in)), &len, &protocol,
        &why)) {
    case HANDSHAKE_MORE:
        if (net_bytes_count(&socket->in) > socket->job.net->limits.head_bytes)
            net_fail(&socket->job, "limit", "the head of the answer has more than %u bytes",
                socket->job.net->limits.head_bytes);
        return;
    case HANDSHAKE_REFUSED: net_fail(&socket->job, "network", "%s", why); return;
    case HANDSHAKE_DONE: break;
    }
    if (protocol.len >= sizeof socket->protocol) {
        net_fail(&socket->job, "limit", "the subprotocol is too long");
        return;
    }
    snprintf(socket->protocol, sizeof socket->protocol, "%.*s", ANQA_FMT(protocol));
    socket->stage = OPEN;
    socket->due_ms = UINT64_MAX;
    socket->more = true;
    net_bytes_take(&socket->in, len);
}

/* At once, so that no other socket fails for it as well. */
static void give_up(struct socket *socket)
{
    net_fail(&socket->job, "limit", "too many bytes of messages wait for their scripts");
    socket->telling = socket->more = false;
    websocket_done(&socket->ws);
    net_bytes_free(&socket->in);
    (void)count_held(socket);
}

/* Reads what the kernel has, as far as it is wanted. */
static void read_in(struct socket *socket)
{
    CURLcode code = CURLE_OK;
    size_t count = 0;

    for (int i = 0;
        i < READS && code == CURLE_OK && !socket->telling && socket->untaken < NET_WINDOW &&
        socket->stage != OVER && socket->job.failure == NULL;
        i++) {
        char *room;
        anqa_section_begin();
        room = net_bytes_room(&socket->in, READ_BYTES);
        code = room == NULL ? CURLE_OUT_OF_MEMORY
                            : curl_easy_recv(socket->job.easy, room, READ_BYTES, &count);
        anqa_section_end();
        if (code == CURLE_OK && count == 0)
            code = CURLE_RECV_ERROR; /* the end */
        if (code != CURLE_OK)
            break;
        socket->in.len += count;
        socket->more = true;
        if (socket->stage == ASKING)
            read_handshake(socket);
        if (socket->stage >= OPEN)
            read_frames(socket);
        if (!count_held(socket))
            give_up(socket);
    }
    if (code == CURLE_OK || code == CURLE_AGAIN)
        return;
    if (socket->stage == ASKING)
        net_fail(&socket->job, "network", "the connection has ended in the handshake");
    else
        over(socket, CODE_LOST, nothing, false);
}

static void socket_ready(struct net_job *job, unsigned events)
{
    struct socket *socket = socket_of(job);

    if (socket->stage == OVER || socket->stage == CONNECTING)
        return;
    if (events & (EPOLLOUT | EPOLLERR | EPOLLHUP))
        write_out(socket);
    read_in(socket);
    watch(socket);
}

/* ---------------------------------------------------------------- beginning */

static void socket_done(struct net_job *job, CURLcode result)
{
    struct socket *socket = socket_of(job);

    if (result == CURLE_OK)
        result = curl_easy_getinfo(job->easy, CURLINFO_ACTIVESOCKET, &socket->job.fd);
    if (result != CURLE_OK || socket->job.fd == CURL_SOCKET_BAD) {
        net_fail_curl(job, result);
        return;
    }
    socket->stage = ASKING;
    if (!net_bytes_add(&socket->out, socket->head, strlen(socket->head)))
        net_fail(job, "network", "out of memory");
    write_out(socket);
    watch(socket);
}

/* Protocols were checked by who asks for the object; here only that they end no line. */
static bool read_protocols(struct socket *socket, anqa_str protocols)
{
    for (size_t i = 0; i < protocols.len; i++)
        if (protocols.ptr[i] < ' ' || protocols.ptr[i] > '~')
            return net_fail(&socket->job, "refused", "a subprotocol is malformed"), false;
    if (protocols.len > PROTOCOLS_MAX)
        return net_fail(&socket->job, "limit", "too many subprotocols"), false;
    anqa_section_begin();
    socket->protocols = strndup(protocols.len == 0 ? "" : protocols.ptr, protocols.len);
    anqa_section_end();
    socket->handshake.protocols = socket->protocols;
    return socket->protocols != NULL;
}

/* The request, from parts of the URL as libcurl has read it; in a section. */
static bool write_head(struct socket *socket)
{
    char *host = NULL, *port = NULL, *path = NULL, *query = NULL;
    CURLU *url = socket->job.url;
    bool offers = socket->protocols[0] != '\0';
    bool ok = curl_url_get(url, CURLUPART_HOST, &host, 0) == CURLUE_OK &&
              curl_url_get(url, CURLUPART_PATH, &path, 0) == CURLUE_OK;
    int len = -1;

    (void)curl_url_get(url, CURLUPART_PORT, &port, CURLU_NO_DEFAULT_PORT);
    (void)curl_url_get(url, CURLUPART_QUERY, &query, 0);
    handshake_key(&socket->handshake);
    if (ok)
        len = asprintf(&socket->head,
            "GET %s%s%s HTTP/1.1\r\nHost: %s%s%s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Key: %.*s\r\nSec-WebSocket-Version: 13\r\nUser-Agent: anqa/%s\r\n"
            "%s%s%s\r\n",
            path, query == NULL ? "" : "?", query == NULL ? "" : query, host,
            port == NULL ? "" : ":", port == NULL ? "" : port, HANDSHAKE_KEY_LEN,
            socket->handshake.key, ANQA_VERSION_STRING, offers ? "Sec-WebSocket-Protocol: " : "",
            socket->protocols, offers ? "\r\n" : "");
    if (len < 0)
        socket->head = NULL;
    curl_free(host);
    curl_free(port);
    curl_free(path);
    curl_free(query);
    return len >= 0;
}

static bool socket_prepare(struct socket *socket, anqa_value what)
{
    anqa_str url = anqa_value_str(anqa_value_get(what, "url"));
    bool secure = url.len > 6 && memcmp(url.ptr, "wss://", 6) == 0, ok;

    if (!secure && (url.len <= 5 || memcmp(url.ptr, "ws://", 5) != 0))
        return net_fail(&socket->job, "refused", "no URL of ws or wss"), false;
    url = anqa_str_of(anqa_tmp_printf("http%.*s", (int)url.len - 2, url.ptr + 2));
    if (!read_protocols(socket, anqa_value_str(anqa_value_get(what, "protocols"))) ||
        !net_easy(&socket->job, url) ||
        !net_multi_open(&socket->multi, socket->job.net, socket->job.id))
        return false;
    socket->job.multi = &socket->multi;
    anqa_section_begin();
    ok = write_head(socket) &&
         curl_easy_setopt(socket->job.easy, CURLOPT_CONNECT_ONLY, 1L) == CURLE_OK;
    anqa_section_end();
    return ok;
}

/* ---------------------------------------------------------------- what the script says */

static void take_part(struct socket *socket, enum net_ask ask, anqa_str bytes)
{
    bool last = ask == NET_TEXT_LAST || ask == NET_BYTES_LAST;
    unsigned opcode = ask == NET_TEXT || ask == NET_TEXT_LAST ? WEBSOCKET_TEXT : WEBSOCKET_BINARY;

    if (socket->stage != OPEN)
        return;
    if (net_bytes_count(&socket->out) > (size_t)2 * NET_WINDOW) {
        net_fail(&socket->job, "limit", "more was sent than was asked for");
        return;
    }
    add_frame(socket, socket->fragmented ? WEBSOCKET_CONTINUATION : opcode, last, bytes);
    socket->fragmented = !last;
    socket->cost += bytes.len + NET_COST;
}

static void take_close(struct socket *socket, anqa_value value)
{
    int64_t code = anqa_value_int(anqa_value_at(value, 0), CODE_NONE);
    anqa_str reason = anqa_value_str(anqa_value_at(value, 1));

    if (socket->stage < OPEN) {
        net_fail(&socket->job, "network", "it was closed before it was open");
    } else if (socket->stage == OPEN) {
        add_close(socket, (uint16_t)code, reason);
        socket->stage = CLOSING;
        socket->due_ms = anqa_now_ms() + CLOSE_MS;
    }
}

static void socket_ask(struct net_job *job, enum net_ask ask, anqa_value value)
{
    struct socket *socket = socket_of(job);
    int64_t count = anqa_value_int(value, 0);

    if (ask >= NET_TEXT && ask <= NET_BYTES_LAST)
        take_part(socket, ask, anqa_value_str(value));
    else if (ask == NET_CLOSE)
        take_close(socket, value);
    else if (ask == NET_TAKEN && count > 0)
        socket->untaken -= (uint64_t)count < socket->untaken ? (size_t)count : socket->untaken;
}

/* ---------------------------------------------------------------- what is told */

/* How much of the text goes into one part: whole characters. */
static size_t part_len(anqa_str message, bool text)
{
    size_t len = message.len;

    if (len <= NET_PART)
        return len;
    len = NET_PART;
    while (text && len > 0 && utf8_is_tail((unsigned char)message.ptr[len]))
        len--;
    return len;
}

static bool tell_part(struct socket *socket, size_t len)
{
    anqa_value_writer writer;
    anqa_value value = {NULL, 0};
    anqa_str part = anqa_str_make(socket->message.ptr, len);

    anqa_value_writer_init(&writer, anqa_tmp(), NULL);
    anqa_value_array_begin(&writer);
    anqa_value_put_str(&writer, anqa_str_of(socket->message_text ? "text" : "bytes"));
    if (socket->message_text)
        anqa_value_put_str(&writer, part);
    else
        anqa_value_put_bytes(&writer, part);
    anqa_value_put_bool(&writer, len == socket->message.len);
    anqa_value_put_int(&writer, (int64_t)(len + NET_COST));
    anqa_value_end(&writer);
    if (anqa_value_done(&writer, &value) != ANQA_OK)
        anqa_exit(anqa_error_reason("what the network tells cannot be written"));
    return net_tell(&socket->job, value);
}

/* The message that was read, as far as the window goes. */
static void tell_message(struct socket *socket)
{
    while (socket->telling && socket->untaken < NET_WINDOW) {
        size_t len = part_len(socket->message, socket->message_text);
        if (!tell_part(socket, len))
            return;
        socket->untaken += len + NET_COST;
        socket->telling = len < socket->message.len;
        socket->message = anqa_str_make(socket->message.ptr + len, socket->message.len - len);
    }
    if (!socket->telling)
        net_bytes_take(&socket->in, 0); /* if it is empty it may be given back */
    (void)count_held(socket);
}

static bool tell_open(struct socket *socket)
{
    anqa_value_writer writer;
    anqa_value value = {NULL, 0};

    anqa_value_writer_init(&writer, anqa_tmp(), NULL);
    anqa_value_array_begin(&writer);
    anqa_value_put_str(&writer, anqa_str_of("open"));
    anqa_value_put_str(&writer, anqa_str_of(socket->protocol));
    anqa_value_end(&writer);
    return anqa_value_done(&writer, &value) == ANQA_OK && net_tell(&socket->job, value);
}

static bool tell_closed(struct socket *socket)
{
    anqa_value_writer writer;
    anqa_value value = {NULL, 0};

    anqa_value_writer_init(&writer, anqa_tmp(), NULL);
    anqa_value_array_begin(&writer);
    anqa_value_put_str(&writer, anqa_str_of("closed"));
    anqa_value_put_int(&writer, socket->code);
    anqa_value_put_str(&writer, anqa_str_of(socket->reason));
    anqa_value_put_bool(&writer, socket->clean);
    anqa_value_end(&writer);
    return anqa_value_done(&writer, &value) == ANQA_OK && net_tell(&socket->job, value);
}

/* Tells messages and reads more of them, in turn. */
static void go_on(struct socket *socket)
{
    tell_message(socket);
    while (!socket->telling && socket->more && socket->stage >= OPEN && socket->stage != OVER &&
           socket->untaken < NET_WINDOW && !socket->job.net->stuck) {
        read_frames(socket);
        tell_message(socket);
    }
}

static bool socket_flush(struct net_job *job)
{
    struct socket *socket = socket_of(job);

    if (job->failure != NULL)
        return net_tell_error(job);
    if (socket->stage < OPEN)
        return false;
    if (!socket->told_open && !tell_open(socket))
        return false;
    socket->told_open = true;
    go_on(socket);
    if (socket->stage != OVER && net_bytes_count(&socket->out) > 0)
        write_out(socket);
    /* TLS may hold what the kernel has given out already. */
    if (!socket->readable && !socket->telling && socket->untaken < NET_WINDOW &&
        socket->stage != OVER) {
        read_in(socket);
        go_on(socket);
    }
    if (socket->cost > 0 && net_bytes_count(&socket->out) == 0 && net_tell_sent(job, socket->cost))
        socket->cost = 0;
    if (socket->stage == OVER && !socket->telling)
        return tell_closed(socket);
    watch(socket);
    return job->failure != NULL && net_tell_error(job);
}

static uint64_t socket_due(const struct net_job *job)
{
    return socket_of((struct net_job *)(uintptr_t)job)->due_ms;
}

static const char *socket_late(const struct net_job *job)
{
    return socket_of((struct net_job *)(uintptr_t)job)->stage < OPEN
               ? "there is no answer in time"
               : "the other side does not close";
}

static const struct net_kind socket_kind = {
    .ask = socket_ask,
    .done = socket_done,
    .ready = socket_ready,
    .flush = socket_flush,
    .due = socket_due,
    .late = socket_late,
    .free = socket_free,
};

struct net_job *net_socket_new(struct net *net, uint32_t id, anqa_value what)
{
    struct socket *socket = calloc(1, sizeof *socket);

    if (socket == NULL)
        return NULL;
    socket->share = share_take(net->family);
    if (socket->share == NULL) {
        free(socket);
        return NULL;
    }
    socket->job = (struct net_job){.net = net, .kind = &socket_kind, .id = id};
    socket->job.fd = CURL_SOCKET_BAD;
    socket->ws.client = true;
    socket->due_ms = anqa_now_ms() + net->limits.head_ms;
    anqa_list_push(&net->jobs, &socket->job.node);
    if (++net->sockets > net->limits.sockets)
        net_fail(&socket->job, "limit", "more than %u WebSockets at once", net->limits.sockets);
    else if (!socket_prepare(socket, what))
        net_fail(&socket->job, "network", "the WebSocket cannot be made");
    else
        net_go(&socket->job);
    return &socket->job;
}
