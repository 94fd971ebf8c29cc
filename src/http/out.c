/* The output of a connection, and the outlet of a scheduler that sends it. See conn.h. */
#include "http/conn_int.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/container.h"
#include "http/file_cache.h"
#include "http/h2.h"
#include "http/h2_stream.h"
#include "runtime/net_int.h"

#define PIECES 64
#define SLICE 256        /* connections that are flushed before others run */
#define CHUNK_SMALL 384u /* the first chunk: a reply or two */
#define CHUNK_LARGE 4096u
#define ALLOWED_UNIT ((size_t)64 << 10)
#define SEAL_EXTRA \
    ((size_t)4 * SEAL_SIZE) /* beyond a connection's limit: records of what was within */
#define TICK "tick"
#define DRAIN "drain"

/* ---------------------------------------------------------------- chunks */

static struct chunk *chunk_new(size_t cap)
{
    struct chunk *chunk;
    size_t size = sizeof *chunk + cap;

    if (size <= BLOCK_MAX) {
        unsigned class = block_class(size);
        chunk = block_take(&sched_self->blocks, class);
        cap = block_class_size(class) - sizeof *chunk;
    } else {
        chunk = malloc(size);
    }
    if (chunk == NULL)
        return NULL;
    *chunk = (struct chunk){.cap = (uint32_t)cap};
    return chunk;
}

static void chunk_free(struct chunk *chunk)
{
    size_t size = sizeof *chunk + chunk->cap;

    anqa_buf_unref(chunk->buf);
    if (size <= BLOCK_MAX)
        block_put(&sched_self->blocks, block_class(size), chunk);
    else
        free(chunk);
}

/* Streams share what their connection may hold. */
static void count_out(struct conn *conn, int64_t bytes)
{
    conn->out_bytes += (uint32_t)bytes;
    if (conn->streamed)
        stream_count(conn, bytes);
}

static void chunk_add(struct conn *conn, struct chunk *chunk)
{
    if (conn->out_end == NULL)
        conn->out = chunk;
    else
        conn->out_end->next = chunk;
    conn->out_end = chunk;
}

/* allowed: times ALLOWED_UNIT. False: other streams are allowed too much; never for 0. */
static bool set_allowed(struct conn *conn, uint16_t allowed)
{
    int64_t more = ((int64_t)allowed - conn->allowed) * (int64_t)ALLOWED_UNIT;

    if (conn->streamed && more != 0 && !stream_allow(conn, more))
        return false;
    conn->allowed = allowed;
    return true;
}

void conn_out_free(struct conn *conn)
{
    (void)set_allowed(conn, 0);
    if (conn->streamed && conn->out != NULL)
        stream_count(conn, -(int64_t)conn->out_bytes);
    while (conn->out != NULL) {
        struct chunk *chunk = conn->out;
        conn->out = chunk->next;
        chunk_free(chunk);
    }
    conn->out_end = NULL;
    conn->out_bytes = 0;
    anqa_list_remove(&conn->dirty);
}

/* ---------------------------------------------------------------- queueing */

bool conn_is_closing(const struct conn *conn)
{
    return conn->phase >= CONN_WS_CLOSING || conn->phase < CONN_HTTP;
}

static uint32_t output_limit(const struct conn *conn)
{
    return service_output_bytes(conn->service);
}

void conn_dirty(struct conn *conn)
{
    struct outlet *outlet = conn->outlet;
    struct sched *s = sched_self;

    if (conn->blocked || anqa_list_linked(&conn->dirty))
        return;
    if (anqa_list_empty(&outlet->dirty))
        proc_kick(s, proc_slot(s->rt, outlet->pid));
    anqa_list_push(&outlet->dirty, &conn->dirty);
}

static_assert(CONN_ALLOW_MAX / ALLOWED_UNIT <= UINT16_MAX, "it is kept in 16 bits");
static_assert(CONN_ALLOW_MAX % ALLOWED_UNIT == 0, "a stream alone may have it all");

bool conn_allow(struct conn *conn, size_t size)
{
    if (conn_is_closing(conn)) /* nothing of it will wait */
        return true;
    if (conn->out_bytes > output_limit(conn))
        return false;
    size = size < CONN_ALLOW_MAX ? size : CONN_ALLOW_MAX;
    return set_allowed(conn, (uint16_t)((size + ALLOWED_UNIT - 1) / ALLOWED_UNIT));
}

/* False: that is too much, and it is reset. */
static bool fits(struct conn *conn, size_t size, size_t limit)
{
    uint32_t bytes = conn->out_bytes;

    limit += conn->allowed * ALLOWED_UNIT;
    if (size <= limit && bytes + size <= limit &&
        (!conn->streamed || stream_may_hold(conn, size, output_limit(conn))))
        return true;
    conn_kill(conn, true);
    conn->slow = true; /* told by its own process: handlers of others have no place here */
    conn->out_bytes = bytes;
    return false;
}

/* False: it is over, or too much. */
static bool may_queue(struct conn *conn, size_t size)
{
    if (conn->phase >= CONN_WS_CLOSING) /* nothing goes behind a close frame */
        return false;
    return fits(conn, size, output_limit(conn));
}

char *conn_append_room(struct conn *conn, size_t size)
{
    struct chunk *chunk = conn->out_end;
    char *room;

    if (chunk == NULL || chunk->buf.ptr != NULL || chunk->sealed ||
        chunk->cap - chunk->len < size) {
        size_t cap = chunk == NULL ? CHUNK_SMALL - sizeof *chunk : CHUNK_LARGE - sizeof *chunk;
        chunk = chunk_new(size > cap ? size : cap);
        if (chunk == NULL) {
            conn_kill(conn, true);
            return NULL;
        }
        chunk_add(conn, chunk);
    }
    room = chunk->bytes + chunk->len;
    chunk->len += (uint32_t)size;
    count_out(conn, (int64_t)size);
    return room;
}

char *conn_queue_room(struct conn *conn, size_t size)
{
    char *room = may_queue(conn, size) ? conn_append_room(conn, size) : NULL;

    if (room != NULL)
        conn_dirty(conn);
    return room;
}

/* Frames of HTTP/2 are bounded in another way (h2_pull). */
static uint32_t sealed_limit(const struct conn *conn)
{
    uint32_t limit = output_limit(conn);

    return conn->framed && limit < H2_OUTPUT_MAX ? H2_OUTPUT_MAX : limit;
}

/* What was plain output is a little more now, and was let in before; what TLS says of itself is bounded by the same. */
bool conn_queue_sealed(struct conn *conn, const char *bytes, size_t len)
{
    struct chunk **at = &conn->out, *chunk;

    if (!fits(conn, len, (size_t)sealed_limit(conn) + SEAL_EXTRA))
        return false;
    chunk = chunk_new(len);
    if (chunk == NULL) {
        conn_kill(conn, true);
        return false;
    }
    memcpy(chunk->bytes, bytes, len);
    chunk->len = (uint32_t)len;
    chunk->sealed = true;
    while (*at != NULL && (*at)->sealed)
        at = &(*at)->next;
    chunk->next = *at;
    *at = chunk;
    if (chunk->next == NULL)
        conn->out_end = chunk;
    conn->out_bytes += (uint32_t)len;
    conn_dirty(conn);
    return true;
}

/* sent: bytes of it that are gone already. */
static void queue_buf(struct conn *conn, anqa_buf buf, size_t sent)
{
    struct chunk *chunk;

    if (!may_queue(conn, buf.len - sent))
        return;
    chunk = chunk_new(0);
    if (chunk == NULL) {
        conn_kill(conn, true);
        return;
    }
    chunk->buf = anqa_buf_ref(buf);
    chunk->at = (uint32_t)sent;
    chunk->len = (uint32_t)buf.len;
    chunk_add(conn, chunk);
    count_out(conn, (int64_t)(buf.len - sent));
    conn_dirty(conn);
}

/* ---------------------------------------------------------------- sending */

/* After a send that has failed: the kernel takes nothing now, or it is over. */
static void send_failed(struct conn *conn)
{
    if (errno == EAGAIN) {
        fd_filled(conn->entry);
        conn->blocked = true;
        anqa_list_remove(&conn->dirty);
        conn_arm(conn);
    } else if (conn->serving) {
        conn_lose(conn, false);
    } else {
        conn_kill(conn, false);
    }
}

/* As they are. -1: the kernel takes nothing now, or it is over (conn_kill was called). */
static ssize_t send_pieces(struct conn *conn, struct iovec *pieces, size_t count)
{
    struct msghdr header = {.msg_iov = pieces, .msg_iovlen = count};
    int flags = MSG_NOSIGNAL | MSG_DONTWAIT | (conn->more ? MSG_MORE : 0);
    ssize_t n;

    do
        n = count == 1 ? send(conn->entry->fd, pieces->iov_base, pieces->iov_len, flags)
                       : sendmsg(conn->entry->fd, &header, flags);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        send_failed(conn);
    return n;
}

/* The same as records of TLS. */
__attribute__((noinline)) static ssize_t seal_pieces(
    struct conn *conn, struct iovec *pieces, size_t count)
{
    ssize_t n = tls_send(conn, pieces, count);

    if (n < 0)
        send_failed(conn);
    return n;
}

void conn_send_now(struct conn *conn, const anqa_buf *bufs, size_t count)
{
    struct iovec pieces[PIECES];
    size_t at = 0;
    ssize_t n = 0;

    if (conn->out == NULL && !conn->blocked && !conn->streamed && !conn_is_closing(conn) &&
        count <= PIECES) {
        for (size_t i = 0; i < count; i++)
            pieces[i] = (struct iovec){(char *)(uintptr_t)bufs[i].ptr, bufs[i].len};
        n = __builtin_expect(conn->secure, 0) ? seal_pieces(conn, pieces, count)
                                              : send_pieces(conn, pieces, count);
        n = n < 0 ? 0 : n;
    }
    for (; at < count && (size_t)n >= bufs[at].len; at++)
        n -= (ssize_t)bufs[at].len;
    for (; at < count; at++, n = 0)
        queue_buf(conn, bufs[at], (size_t)n);
}

static const char *chunk_bytes(const struct chunk *chunk)
{
    return (chunk->buf.ptr != NULL ? (const char *)chunk->buf.ptr : chunk->bytes) + chunk->at;
}

void conn_out_copy(const struct conn *conn, char *to, size_t n)
{
    for (const struct chunk *chunk = conn->out; n > 0; chunk = chunk->next) {
        size_t part = chunk->len - chunk->at;
        part = part < n ? part : n;
        memcpy(to, chunk_bytes(chunk), part);
        to += part;
        n -= part;
    }
}

/* Forgets `n` bytes that begin with the chunk *at. before: that one; NULL: it is the first. */
__attribute__((always_inline)) static inline void chunks_sent(
    struct conn *conn, struct chunk **at, struct chunk *before, size_t n)
{
    count_out(conn, -(int64_t)n);
    for (struct chunk *chunk = *at; chunk != NULL; chunk = *at) {
        size_t left = chunk->len - chunk->at;
        if (n < left) { /* never true of an empty one, which goes too */
            chunk->at += (uint32_t)n;
            return;
        }
        n -= left;
        *at = chunk->next;
        if (*at == NULL) {
            conn->out_end = before;
            if (before == NULL && conn->allowed != 0)
                (void)set_allowed(conn, 0);
        }
        chunk_free(chunk);
    }
}

/* The same, where what they have become may stand before them. */
static void plain_sent(struct conn *conn, size_t n)
{
    struct chunk **at = &conn->out, *before = NULL;

    while (*at != NULL && (*at)->sealed) {
        before = *at;
        at = &before->next;
    }
    chunks_sent(conn, at, before, n);
}

void conn_out_sent(struct conn *conn, size_t n)
{
    chunks_sent(conn, &conn->out, NULL, n);
}

/* The first chunks as pieces, as long as they are sealed as the first is; how many. */
static size_t gather(const struct conn *conn, struct iovec *pieces, size_t max)
{
    bool sealed = conn->out != NULL && conn->out->sealed;
    size_t count = 0;

    for (struct chunk *chunk = conn->out; chunk != NULL && chunk->sealed == sealed && count < max;
        chunk = chunk->next)
        pieces[count++] =
            (struct iovec){(char *)(uintptr_t)chunk_bytes(chunk), chunk->len - chunk->at};
    return count;
}

/* Sends what is sealed, or else seals and sends what is not. False: that is all for now. */
__attribute__((noinline)) static bool flush_secure(struct conn *conn)
{
    struct iovec pieces[PIECES];
    bool sealed = conn->out->sealed;
    size_t count = gather(conn, pieces, PIECES);
    ssize_t n = sealed ? send_pieces(conn, pieces, count) : seal_pieces(conn, pieces, count);

    if (n < 0)
        return false;
    if (sealed)
        chunks_sent(conn, &conn->out, NULL, (size_t)n);
    else
        plain_sent(conn, (size_t)n);
    return true;
}

__attribute__((always_inline)) static inline bool flush_plain(struct conn *conn)
{
    struct iovec pieces[PIECES];
    ssize_t n = send_pieces(conn, pieces, gather(conn, pieces, PIECES));

    if (n >= 0)
        chunks_sent(conn, &conn->out, NULL, (size_t)n);
    return n >= 0;
}

static bool flush_some(struct conn *conn)
{
    return __builtin_expect(conn->secure, 0) ? flush_secure(conn) : flush_plain(conn);
}

void conn_flush(struct conn *conn)
{
    if (conn->streamed) {
        stream_flush(conn);
        return;
    }
    do {
        if (conn->phase == CONN_H2 && !conn->blocked)
            h2_pull(conn);
    } while (conn->out != NULL && !conn->blocked && conn->phase < CONN_LINGER && flush_some(conn));
    if (conn->out == NULL && conn->phase == CONN_FLUSH)
        conn_close(conn);
}

/* ---------------------------------------------------------------- the outlet */

uint32_t outlet_now_s(void)
{
    return (uint32_t)(sched_now(sched_self) / 1000);
}

/* Without memory there are none: whoever is timed next tries again. */
static void ticks_begin(struct outlet *outlet, uint32_t now)
{
    struct timer *timer = timer_arm_ticks(sched_self, outlet->pid, TICK, 1000);

    if (timer == NULL)
        return;
    outlet->ticks = timer_handle(sched_self, timer);
    outlet->tick_s = now;
}

/* In the slot of second `at`. Who has longer than the wheel is looked at in between. */
static void wheel_add(struct outlet *outlet, struct conn *conn, uint32_t at, uint32_t now)
{
    uint32_t last = now + WHEEL - 1;

    anqa_list_push(&outlet->wheel[(at < last ? at : last) % WHEEL], &conn->timed);
}

void outlet_time(struct conn *conn, uint16_t timeout_s)
{
    struct outlet *outlet = conn->outlet;
    uint32_t now = outlet_now_s();

    conn->timeout_s = timeout_s;
    conn->since_s = now;
    if (anqa_list_linked(&conn->timed))
        anqa_list_remove(&conn->timed);
    wheel_add(outlet, conn, now + timeout_s + 1, now);
    if (outlet->ticks.bits == 0)
        ticks_begin(outlet, now);
}

/* Looks at those whose slot has come: their time may have been moved since. */
static void wheel_slot(struct outlet *outlet, uint32_t second, uint32_t now)
{
    struct anqa_list due;
    struct anqa_list_node *node;

    anqa_list_init(&due);
    anqa_list_splice(&due, &outlet->wheel[second % WHEEL]);
    while ((node = anqa_list_pop(&due)) != NULL) {
        struct conn *conn = ANQA_CONTAINER_OF(node, struct conn, timed);
        uint32_t at = conn->since_s + conn->timeout_s + 1;
        if (at <= now) {
            conn_timeout(conn);
            if (anqa_list_linked(&conn->timed) || conn->phase == CONN_DEAD)
                continue;
            at = now + 1;
        }
        wheel_add(outlet, conn, at, now);
    }
}

static bool wheel_empty(const struct outlet *outlet)
{
    for (unsigned i = 0; i < WHEEL; i++)
        if (!anqa_list_empty(&outlet->wheel[i]))
            return false;
    return true;
}

static void outlet_tick(struct outlet *outlet)
{
    uint32_t now = outlet_now_s();

    for (uint32_t i = 0; i < WHEEL && outlet->tick_s < now; i++)
        wheel_slot(outlet, ++outlet->tick_s, now);
    outlet->tick_s = now;
    file_cache_sweep(outlet->files);
    if (outlet->ticks.bits == 0 || !wheel_empty(outlet) || file_cache_count(outlet->files) != 0)
        return;
    (void)anqa_timer_cancel(outlet->ticks);
    outlet->ticks.bits = 0;
}

/* All connections are in the wheel. */
static void outlet_drain(struct outlet *outlet, const struct drain *drain)
{
    for (unsigned i = 0; i < WHEEL; i++) {
        struct anqa_list all;
        struct anqa_list_node *node;
        anqa_list_init(&all);
        anqa_list_splice(&all, &outlet->wheel[i]);
        while ((node = anqa_list_pop(&all)) != NULL) {
            struct conn *conn = ANQA_CONTAINER_OF(node, struct conn, timed);
            anqa_list_push(&outlet->wheel[i], node);
            if (conn->service == drain->service)
                conn_drain(conn, drain);
        }
    }
}

static void outlet_handle(void *state, const anqa_msg *msg)
{
    struct outlet *outlet = state;
    struct anqa_list_node *node;

    anqa_section_begin();
    if (msg->kind != ANQA_MSG_SYSTEM && anqa_tag_is(msg->tag, TICK))
        outlet_tick(outlet);
    else if (anqa_tag_is(msg->tag, DRAIN) && msg->body.len == sizeof(struct drain))
        outlet_drain(outlet, (const struct drain *)msg->body.ptr);
    for (unsigned i = 0; i < SLICE && (node = anqa_list_pop(&outlet->dirty)) != NULL; i++)
        conn_flush(ANQA_CONTAINER_OF(node, struct conn, dirty));
    if (!anqa_list_empty(&outlet->dirty)) {
        proc_kick(sched_self, sched_self->current);
        sched_look_soon(sched_self);
    }
    anqa_section_end();
}

static const anqa_behaviour outlet_behaviour = {.name = "outlet", .handle = outlet_handle};

/* owner: runtime */
struct outlets {
    uint16_t count;
    struct outlet each[];
};

static void outlets_drop(void *object)
{
    struct outlets *outlets = object;

    for (uint16_t i = 0; i < outlets->count; i++) {
        deflater_free(outlets->each[i].deflater);
        file_cache_free(outlets->each[i].files);
    }
    free(outlets);
}

static void *outlets_make(anqa_rt *rt)
{
    struct outlets *outlets = calloc(1, sizeof *outlets + rt->sched_count * sizeof(struct outlet));

    if (outlets == NULL)
        return NULL;
    outlets->count = rt->sched_count;
    for (uint16_t i = 0; i < outlets->count; i++) {
        struct outlet *outlet = &outlets->each[i];
        anqa_spawn_opts opts = {
            .behaviour = &outlet_behaviour,
            .arg = outlet,
            .label = "outlet",
            .pinned = true,
            .scheduler = (uint16_t)(i + 1),
        };
        anqa_list_init(&outlet->dirty);
        for (unsigned j = 0; j < WHEEL; j++)
            anqa_list_init(&outlet->wheel[j]);
        if (anqa_rt_spawn(rt, &opts, &outlet->pid) == ANQA_OK)
            continue;
        while (i-- > 0)
            anqa_rt_exit_signal(rt, outlets->each[i].pid, ANQA_KILL);
        free(outlets);
        return NULL;
    }
    return outlets;
}

void outlets_drain(const struct drain *drain)
{
    struct outlets *outlets = rt_local(sched_self->rt, RT_LOCAL_HTTP, outlets_make, outlets_drop);

    for (uint16_t i = 0; outlets != NULL && i < outlets->count; i++)
        (void)anqa_send(outlets->each[i].pid, DRAIN, anqa_bytes(drain, sizeof *drain));
}

struct outlet *outlet_here(void)
{
    struct sched *s = sched_self;
    struct outlets *outlets = rt_local(s->rt, RT_LOCAL_HTTP, outlets_make, outlets_drop);

    return outlets == NULL || s->foreign ? NULL : &outlets->each[s->index];
}

struct file_cache *outlet_files(void)
{
    struct outlet *outlet = outlet_here();

    if (outlet == NULL)
        return NULL;
    if (outlet->files == NULL) {
        anqa_section_begin();
        outlet->files = file_cache_new();
        anqa_section_end();
    }
    return outlet->files;
}

anqa_str conn_deflate(const anqa_str *pieces, size_t count)
{
    struct outlet *outlet = outlet_here();
    anqa_str deflated = {NULL, 0};

    anqa_section_begin();
    if (outlet != NULL && outlet->deflater == NULL)
        outlet->deflater = deflater_new();
    if (outlet != NULL && outlet->deflater != NULL)
        deflated = deflater_run(outlet->deflater, pieces, count);
    anqa_section_end();
    return deflated;
}
