#include "soak/chat_load.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness.h"
#include "phxload/link.h"
#include "soak/look.h"

enum {
    NUMBERS = 64, /* of one sender's messages; 0 is not used */
    SCRATCH = 4096,
    IN_FLIGHT = 128, /* clients that are being let in */
    EVENTS = 512,
    HISTORY = 200, /* what a room keeps */
    UNANSWERED_MAX = 256,
    JOIN_LIMIT_S = 180,
    FILL_LIMIT_S = 240,
    DRAIN_LIMIT_S = 20,
    HEARTBEAT_S = 20, /* the server wants to hear something within 60 */
    RECOVERY_LIMIT_S = 15,
    PROBE_MS = 50,
    PER_SOURCE = 4000, /* connections of one source address */
    COMPLAINTS_MAX = 20,
    FLOOD_FRAMES = 1024,
    FLOOD_FRAME = 47,
    FLOODERS = 20,
};

enum state { ABSENT, OPENING, JOINING, LIVE, LEAVING };
enum kind { HONEST, SLOW, GARBLED, VANISHING, FAULTY, HOSTILE_KINDS = 4 };

struct client {
    int fd;
    uint32_t side, ref;
    uint8_t state, kind, stage;
    uint32_t sent;        /* the number of the last message */
    uint64_t ok, refused; /* answers, by number */
    uint64_t *got;        /* by seat of the sender in this room */
    uint64_t due_ns;      /* of a hostile one: when it does what it does next */
    uint32_t flood_at;    /* of a slow one: how much of the flood it has sent */
};

struct room {
    enum { QUIET, CRASHING, PROBING } stage;
    uint32_t prober,
        number; /* who crashed it, and the message that waits for its answer, 0: none */
    uint64_t since_ns, again_ns;
    bool tried, was_crashed;
};

struct message_note {
    uint64_t id, sent_ns;
};

/* owner: the one thread of the test. */
static struct load {
    struct loop loop; /* first: callbacks get it */
    struct load_options options;
    struct load_result result;
    struct sockaddr_in server;
    pid_t pid;
    FILE *log;
    struct client *clients;
    struct room *rooms;
    struct message_note *notes; /* by client and number */
    uint64_t *ids;              /* a set, open addressing */
    uint64_t ids_mask;
    uint32_t wanted, joined, opening, opened, beat; /* honest ones */
    uint64_t beat_ns, talk_ns, kill_ns, reply_ns_sum, replies_calm;
    uint64_t random;
    struct look_samples memory;
    uint32_t complaints;
    enum { COMING, FILLING, TALKING, ENDING } phase;
    uint32_t rounds, next; /* of filling, and whose turn it is */
    unsigned char flood[FLOOD_FRAMES * FLOOD_FRAME];
} *the;

_Noreturn void die(int code, const char *format, ...)
{
    char text[256];
    va_list args;

    (void)code;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    ANQA_FAIL("the load generator does not go on: %s", text);
}

static void wrong(uint64_t *figure, const char *format, ...) ANQA_PRINTF(2, 3);

static void wrong(uint64_t *figure, const char *format, ...)
{
    va_list args;

    ++*figure;
    if (the->complaints++ >= COMPLAINTS_MAX)
        return;
    va_start(args, format);
    vprintf(format, args);
    va_end(args);
    putchar('\n');
}

static uint32_t honest(void)
{
    return the->options.clients - the->options.hostile;
}

static uint32_t random_below(uint32_t n)
{
    the->random = the->random * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)((the->random >> 33) % n);
}

static uint32_t room_of(uint32_t i)
{
    return i % the->options.rooms;
}

static uint32_t seat_of(uint32_t i)
{
    return i / the->options.rooms;
}

static bool is_stormy(uint32_t room)
{
    return room % 2 == 1;
}

static struct message_note *note_of(uint32_t sender, uint32_t number)
{
    return &the->notes[(size_t)sender * NUMBERS + number];
}

/* ---------------------------------------------------------------- the server */

static void server_start(void)
{
    char line[256] = "";
    unsigned port = 0;
    int out[2];
    FILE *said;

    the->log = tmpfile();
    CHECK(the->log != NULL);
    CHECK_EQ(pipe2(out, O_CLOEXEC), 0);
    the->pid = fork();
    CHECK(the->pid >= 0);
    if (the->pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        setenv("PORT", "0", 1);
        if (dup2(out[1], STDOUT_FILENO) < 0 || dup2(fileno(the->log), STDERR_FILENO) < 0)
            _exit(126);
        execl(the->options.program, the->options.program, (char *)NULL);
        _exit(127);
    }
    close(out[1]);
    said = fdopen(out[0], "r");
    CHECK(said != NULL);
    while (port == 0 && fgets(line, sizeof line, said) != NULL)
        if (sscanf(line, "listening on http://127.0.0.1:%u", &port) != 1)
            port = 0;
    CHECK(port != 0, "%s did not say where it listens", the->options.program);
    fclose(said);
    the->server = (struct sockaddr_in){.sin_family = AF_INET,
        .sin_port = htons((uint16_t)port),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

/* What the server has logged last: part of the output, which is seen when a check fails. */
static void show_log(void)
{
    char text[2048];
    long end;
    size_t n;

    fseek(the->log, 0, SEEK_END);
    end = ftell(the->log);
    fseek(the->log, end > (long)sizeof text ? end - (long)sizeof text : 0, SEEK_SET);
    n = fread(text, 1, sizeof text, the->log);
    printf("the server's log of %ld bytes ends with:\n%.*s\n", end, (int)n, text);
    fclose(the->log);
}

static void server_stop(void)
{
    uint64_t begin = now_ns();
    int status;
    pid_t ended = 0;

    CHECK_EQ(kill(the->pid, SIGTERM), 0);
    while ((ended = waitpid(the->pid, &status, WNOHANG)) == 0 && now_ns() - begin < 20 * NS)
        (void)poll(NULL, 0, 10);
    if (ended == 0) {
        kill(the->pid, SIGKILL);
        waitpid(the->pid, &status, 0);
    }
    the->result.stop_seconds = (double)(now_ns() - begin) / 1e9;
    the->result.exit_status = status;
    show_log();
}

/* ---------------------------------------------------------------- clients: sending */

static void client_close(uint32_t i)
{
    struct client *c = &the->clients[i];

    if (c->kind == HONEST && (c->state == OPENING || c->state == JOINING))
        the->opening--;
    close(c->fd);
    side_drop(&the->loop, &c->side);
    c->fd = -1;
    c->state = ABSENT;
    c->due_ns = now_ns() + NS + random_below(3000) * 1000000ull; /* the hostile come back */
}

static void client_fail(uint32_t i, const char *why)
{
    struct client *c = &the->clients[i];

    if (c->kind == HONEST)
        wrong(&the->result.wrong.failed, "client %u of room %u: %s (%s)", i, room_of(i), why,
            strerror(errno));
    else if (c->kind == SLOW && c->state == LIVE)
        the->result.dropped++;
    client_close(i);
}

static void client_send(uint32_t i, int op, size_t n)
{
    struct client *c = &the->clients[i];
    size_t total;
    unsigned char *frame = frame_wrap(&the->loop, op, the->loop.scratch + HEADROOM, n, &total);

    if (!link_send(&the->loop, c->fd, i, &c->side, frame, total))
        client_fail(i, "sending");
}

static void client_push(uint32_t i, const char *ref, const char *event, const char *payload)
{
    int n = snprintf((char *)the->loop.scratch + HEADROOM, SCRATCH,
        "[\"1\",\"%s\",\"room:r%u\",\"%s\",%s]", ref, room_of(i), event, payload);

    client_send(i, OP_TEXT, (size_t)n);
}

static void client_join(uint32_t i)
{
    char payload[64];

    the->clients[i].state = JOINING;
    snprintf(payload, sizeof payload, "{\"name\":\"c%u\"}", i);
    client_push(i, "1", "phx_join", payload);
}

static void client_beat(uint32_t i)
{
    static const char beat[] = "[null,\"h\",\"phoenix\",\"heartbeat\",{}]";

    memcpy(the->loop.scratch + HEADROOM, beat, sizeof beat - 1);
    client_send(i, OP_TEXT, sizeof beat - 1);
}

/* Says the next thing; its number. */
static uint32_t client_say(uint32_t i)
{
    struct client *c = &the->clients[i];
    char ref[16], payload[96];
    uint32_t number = ++c->sent;

    snprintf(ref, sizeof ref, "m%u", number);
    snprintf(payload, sizeof payload, "{\"sender\":\"c%u\",\"text\":\"%u %u\"}", i, i, number);
    note_of(i, number)->sent_ns = now_ns();
    the->result.sent++;
    client_push(i, ref, "send_message", payload);
    return number;
}

static bool client_can_say(uint32_t i)
{
    const struct client *c = &the->clients[i];

    return c->kind == HONEST && c->state == LIVE && c->sent < NUMBERS - 1;
}

static void client_open(uint32_t i)
{
    static const char hello[] =
        "GET /socket/websocket?vsn=2.0.0 HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\n"
        "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    static const char noise[] = "\x16\x03\x01 this is no request\r\n\r\n\r\n";
    static const int one = 1, small = 4096;
    struct client *c = &the->clients[i];
    struct sockaddr_in from = {.sin_family = AF_INET,
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK + (1 + i / PER_SOURCE) * 256)};
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = i};
    bool noisy = c->kind == GARBLED && random_below(3) == 0;

    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    CHECK(c->fd >= 0, "%s", strerror(errno));
    c->state = OPENING;
    c->due_ns = UINT64_MAX;
    c->flood_at = 0;
    if (c->kind == HONEST)
        the->opening++;
    else
        the->result.came++;
    setsockopt(c->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof one);
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (c->kind == SLOW)
        setsockopt(c->fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    if (bind(c->fd, (struct sockaddr *)&from, sizeof from) != 0 ||
        (connect(c->fd, (struct sockaddr *)&the->server, sizeof the->server) != 0 &&
            errno != EINPROGRESS) ||
        epoll_ctl(the->loop.ep, EPOLL_CTL_ADD, c->fd, &event) != 0 ||
        !link_send(&the->loop, c->fd, i, &c->side, noisy ? noise : hello,
            (noisy ? sizeof noise : sizeof hello) - 1))
        client_fail(i, "connecting");
}

/* ---------------------------------------------------------------- clients: hearing */

/* Sees an id for the first time, or once more. */
static void see_id(uint32_t sender, uint32_t number, struct span id)
{
    struct message_note *note = note_of(sender, number);
    uint64_t hash = 14695981039346656037u, at;

    for (size_t k = 0; k < id.n; k++)
        hash = (hash ^ (unsigned char)id.p[k]) * 1099511628211u;
    hash |= 1; /* 0 is an empty place */
    if (note->id == hash)
        return;
    if (note->id != 0) {
        wrong(&the->result.wrong.changed_ids, "message %u of client %u now has the id %.*s", number,
            sender, (int)id.n, id.p);
        return;
    }
    note->id = hash;
    for (at = hash >> 20 & the->ids_mask; the->ids[at] != 0; at = (at + 1) & the->ids_mask)
        if (the->ids[at] == hash) {
            wrong(&the->result.wrong.shared_ids,
                "message %u of client %u has an id of another: %.*s", number, sender, (int)id.n,
                id.p);
            return;
        }
    the->ids[at] = hash;
}

/* {"id": ..., "text": "<sender> <number>"}: whose message, and which. */
static bool read_said(struct span message, uint32_t *sender, uint32_t *number)
{
    struct span text, id;

    if (!find_member(message, "text", &text) || !find_member(message, "id", &id) || text.n > 32 ||
        sscanf(text.p, "\"%u %u\"", sender, number) != 2)
        return false;
    if (*sender >= the->options.clients || *number == 0 || *number > the->clients[*sender].sent)
        return false;
    see_id(*sender, *number, id);
    return true;
}

static void heard(uint32_t i, struct span payload)
{
    struct client *c = &the->clients[i];
    uint32_t sender, number;
    uint64_t *got;

    if (!read_said(payload, &sender, &number) || room_of(sender) != room_of(i)) {
        wrong(&the->result.wrong.foreign, "client %u of room %u got %.*s", i, room_of(i),
            (int)(payload.n < 200 ? payload.n : 200), payload.p);
        return;
    }
    got = &c->got[seat_of(sender)];
    the->result.delivered++;
    if (*got >> number & 1)
        wrong(&the->result.wrong.repeated, "client %u got message %u of client %u twice", i, number,
            sender);
    else if (*got >> number != 0)
        wrong(&the->result.wrong.disordered, "client %u got message %u of client %u late", i,
            number, sender);
    *got |= 1ull << number;
}

static void recovery(uint32_t i, struct room *room, bool ok)
{
    uint64_t now = now_ns(), took_ms = (now - room->since_ns) / 1000000;

    if (!ok) {
        room->tried = true;
        room->number = 0;
        room->again_ns = now + PROBE_MS * 1000000ull;
        return;
    }
    the->result.first_try += !room->tried;
    if (took_ms > the->result.worst_recovery_ms)
        the->result.worst_recovery_ms = took_ms;
    room->stage = QUIET;
}

static void answered(uint32_t i, uint32_t number, struct span payload)
{
    struct client *c = &the->clients[i];
    struct room *room = &the->rooms[room_of(i)];
    struct span status = {0}, response = {0}, message;
    uint32_t sender = UINT32_MAX, which = 0;
    uint64_t took;
    bool ok;

    if (number == 0 || number > c->sent || ((c->ok | c->refused) >> number & 1) ||
        !find_member(payload, "status", &status) || !find_member(payload, "response", &response)) {
        wrong(&the->result.wrong.foreign, "client %u got an answer to %u: %.*s", i, number,
            (int)payload.n, payload.p);
        return;
    }
    the->result.answered++;
    ok = is(status, "\"ok\"");
    if (!ok) {
        c->refused |= 1ull << number;
        if (is_stormy(room_of(i)))
            the->result.refused_stormy++;
        else
            wrong(&the->result.wrong.refused, "client %u in calm room %u was answered %.*s", i,
                room_of(i), (int)payload.n, payload.p);
    } else {
        c->ok |= 1ull << number;
        if (!find_member(response, "message", &message) || !read_said(message, &sender, &which) ||
            sender != i || which != number)
            wrong(&the->result.wrong.foreign, "client %u got a wrong answer to %u: %.*s", i, number,
                (int)payload.n, payload.p);
    }
    if (room->stage == PROBING && room->prober == i && room->number == number)
        recovery(i, room, ok);
    if (is_stormy(room_of(i)) || the->phase == FILLING)
        return;
    took = the->loop.now - note_of(i, number)->sent_ns;
    the->reply_ns_sum += took;
    the->replies_calm++;
    if (took / 1000 > the->result.worst_reply_us)
        the->result.worst_reply_us = took / 1000;
}

static void probe(struct room *room, uint32_t i)
{
    if (client_can_say(i))
        room->number = client_say(i);
    else
        room->stage = QUIET; /* it has no numbers left */
}

static void let_in(uint32_t i, struct span payload)
{
    struct client *c = &the->clients[i];
    struct span status = {0};

    if (c->state != JOINING || !find_member(payload, "status", &status) || !is(status, "\"ok\"")) {
        errno = 0;
        printf("%.*s\n", (int)(payload.n < 200 ? payload.n : 200), payload.p);
        client_fail(i, "joining");
        return;
    }
    c->state = LIVE;
    if (c->kind == HONEST) {
        the->joined++;
        the->opening--;
        return;
    }
    c->due_ns = now_ns() + random_below(2000) * 1000000ull;
    if (c->kind == SLOW)
        epoll_ctl(the->loop.ep, EPOLL_CTL_MOD, c->fd, &(struct epoll_event){.data.u64 = i});
}

static int on_message(struct loop *loop, uint32_t i, int op, char *p, size_t n)
{
    struct client *c = &the->clients[i];
    struct room *room = &the->rooms[room_of(i)];
    struct message m;

    if (op != OP_TEXT || !parse_text(p, n, &m)) {
        if (c->kind == HONEST)
            wrong(&the->result.wrong.foreign, "client %u got %.*s", i, (int)(n < 200 ? n : 200), p);
        return 0;
    }
    if (is(m.event, "phx_reply") && is(m.ref, "1")) {
        let_in(i, m.payload);
    } else if (is(m.event, "phx_error") && c->kind == FAULTY && c->state == LIVE) {
        the->result.faults++;
        client_join(i);
    } else if (is(m.event, "phx_error") || is(m.event, "phx_close")) {
        errno = 0;
        client_fail(i, "the channel ended");
    } else if (c->kind != HONEST) {
        return 0;
    } else if (is(m.event, "new_message")) {
        heard(i, m.payload);
    } else if (is(m.event, "phx_reply") && m.ref.n > 1 && m.ref.p[0] == 'm') {
        answered(i, (uint32_t)strtoul(m.ref.p + 1, NULL, 10), m.payload);
    } else if (is(m.event, "phx_reply") && is(m.ref, "k")) {
        room->stage = PROBING;
        room->since_ns = now_ns();
        probe(room, i);
    }
    return c->fd < 0;
}

static int on_control(struct loop *loop, uint32_t i, int op, char *p, size_t n)
{
    errno = 0;
    if (op == OP_CLOSE && the->clients[i].state == LEAVING)
        client_close(i);
    else if (op == OP_CLOSE)
        client_fail(i, "closed by the server");
    return the->clients[i].fd < 0;
}

static ssize_t on_http(struct loop *loop, uint32_t i, char *p, size_t n)
{
    struct client *c = &the->clients[i];
    char *end = memmem(p, n, "\r\n\r\n", 4);

    errno = 0;
    if (end == NULL && n < SCRATCH)
        return 0;
    if (end == NULL || memcmp(p, "HTTP/1.1 101", 12) != 0) {
        client_fail(i, "no upgrade");
        return -1;
    }
    client_join(i);
    return c->fd < 0 ? -1 : end + 4 - p;
}

static void on_event(uint32_t i, uint32_t events)
{
    struct client *c = &the->clients[i];
    enum link_result read;

    if (c->fd < 0)
        return;
    if ((events & EPOLLOUT) && !link_flush(&the->loop, c->fd, i, &c->side)) {
        client_fail(i, "sending");
        return;
    }
    if (!(events & ~(uint32_t)EPOLLOUT))
        return;
    if (c->kind == SLOW && c->state == LIVE) { /* it does not read: this is an end */
        client_fail(i, "ended");
        return;
    }
    read = link_read(&the->loop, c->fd, i, &c->side, c->state == OPENING);
    if (read == LINK_EOF && c->state == LEAVING)
        client_close(i);
    else if (read == LINK_EOF || read == LINK_ERROR || read == LINK_BAD)
        client_fail(i, read == LINK_EOF   ? "end of the connection"
                       : read == LINK_BAD ? the->loop.bad
                                          : "reading");
}

/* ---------------------------------------------------------------- the hostile */

static void make_flood(void)
{
    static const char beat[] = "[null,\"h123456\",\"phoenix\",\"heartbeat\",{}]";

    static_assert(sizeof beat - 1 + 6 == FLOOD_FRAME, "a frame with a mask");
    for (size_t k = 0; k < FLOOD_FRAMES; k++) {
        unsigned char *o = the->flood + k * FLOOD_FRAME;
        *o++ = 0x80 | OP_TEXT;
        *o++ = (unsigned char)(0x80 | (sizeof beat - 1));
        memset(o, 0, 4); /* a mask that changes nothing */
        memcpy(o + 4, beat, sizeof beat - 1);
    }
}

/* Makes the server write, and reads none of it. More than a few of these would use up the machine; the others just do not
 * read. */
static void flood(uint32_t i)
{
    struct client *c = &the->clients[i];
    ssize_t sent =
        send(c->fd, the->flood + c->flood_at, sizeof the->flood - c->flood_at, MSG_NOSIGNAL);

    if (sent < 0 && errno != EAGAIN) {
        client_fail(i, "sending");
        return;
    }
    if (sent > 0)
        c->flood_at = (c->flood_at + (uint32_t)sent) % sizeof the->flood;
    c->due_ns = now_ns() + 50000000u;
}

static void send_garbage(uint32_t i)
{
    unsigned char *o = the->loop.scratch;
    size_t n = 1 + random_below(600);

    for (size_t k = 0; k < n; k++)
        o[k] = (unsigned char)random_below(256);
    the->clients[i].due_ns = now_ns() + 500000000u;
    if (!link_send(&the->loop, the->clients[i].fd, i, &the->clients[i].side, o, n))
        client_fail(i, "sending");
}

static void vanish(uint32_t i)
{
    struct linger abort = {.l_onoff = 1};

    if (random_below(2) == 0)
        setsockopt(the->clients[i].fd, SOL_SOCKET, SO_LINGER, &abort, sizeof abort);
    client_close(i);
}

/* Its channel dereferences a null pointer; the others on the same scheduler go on. */
static void crash_channel(uint32_t i)
{
    the->clients[i].due_ns = UINT64_MAX; /* until it has joined again */
    if (the->clients[i].state == LIVE)
        client_push(i, "c", "crash", "{\"how\":\"null\"}");
}

static void misbehave(uint64_t now)
{
    for (uint32_t i = honest(); i < the->options.clients; i++) {
        struct client *c = &the->clients[i];
        if (c->due_ns > now)
            continue;
        if (c->state == ABSENT)
            client_open(i);
        else if (c->kind == SLOW && i < honest() + FLOODERS * HOSTILE_KINDS)
            flood(i);
        else if (c->kind == SLOW)
            c->due_ns = UINT64_MAX;
        else if (c->kind == GARBLED)
            send_garbage(i);
        else if (c->kind == FAULTY)
            crash_channel(i);
        else
            vanish(i);
    }
}

/* ---------------------------------------------------------------- what is due */

static void let_more_in(void)
{
    while (the->opened < the->wanted && the->opening < IN_FLIGHT)
        client_open(the->opened++);
}

static void keep_alive(uint64_t now)
{
    uint64_t step = HEARTBEAT_S * NS / honest();

    for (; the->beat_ns <= now; the->beat_ns += step) {
        if (the->clients[the->beat].state == LIVE)
            client_beat(the->beat);
        the->beat = (the->beat + 1) % honest();
    }
}

static void talk(uint64_t now)
{
    for (; the->talk_ns <= now; the->talk_ns += NS / the->options.messages_per_s) {
        uint32_t i = random_below(honest());
        if (client_can_say(i))
            client_say(i);
    }
}

/* Most crashes are exceptions; loops and the use of all memory take the server a second or many pages each. */
static void crash_one(void)
{
    static const char *const ways[] = {"exception", "exception", "exception", "exception",
        "exception", "exception", "exception", "exception", "stack", "memory", "exception",
        "exception", "exception", "exception", "exception", "exception", "exception", "exception",
        "stack", "loop"};
    uint32_t i = random_below(honest());
    struct room *room = &the->rooms[room_of(i)];
    char payload[48];

    if (!is_stormy(room_of(i)) || room->stage != QUIET || !client_can_say(i))
        return;
    *room =
        (struct room){.stage = CRASHING, .prober = i, .since_ns = now_ns(), .was_crashed = true};
    snprintf(payload, sizeof payload, "{\"how\":\"%s\"}",
        ways[the->result.crashes++ % ANQA_COUNT(ways)]);
    client_push(i, "k", "crash", payload);
}

static void crash_some(uint64_t now)
{
    for (; the->kill_ns <= now; the->kill_ns += NS / the->options.kills_per_s)
        for (uint64_t before = the->result.crashes, tries = 0;
            the->result.crashes == before && tries < 20; tries++)
            crash_one();
}

static void probe_again(uint64_t now)
{
    for (uint32_t r = 0; r < the->options.rooms; r++) {
        struct room *room = &the->rooms[r];
        if (room->stage == PROBING && room->number == 0 && room->again_ns <= now)
            probe(room, room->prober);
    }
}

/* What a room keeps grows until its history is full: everybody talks, round after round, until that is so everywhere, and
 * those in crashed rooms do so once more. */
static void fill(void)
{
    for (; the->next < honest() * the->rounds &&
           the->result.sent - the->result.answered < UNANSWERED_MAX;
        the->next++) {
        uint32_t i = the->next % honest();
        if (client_can_say(i) && (the->result.crashes == 0 || the->rooms[room_of(i)].was_crashed))
            client_say(i);
    }
}

static void turn(void)
{
    struct epoll_event events[EVENTS];
    int n = epoll_wait(the->loop.ep, events, EVENTS, 2);
    uint64_t now;

    for (int k = 0; k < n; k++)
        on_event((uint32_t)events[k].data.u64, events[k].events);
    now = now_ns();
    keep_alive(now);
    probe_again(now);
    if (the->phase == COMING) {
        let_more_in();
    } else if (the->phase == FILLING) {
        fill();
    } else if (the->phase == TALKING) {
        talk(now);
        crash_some(now);
        misbehave(now);
        look_sample(&the->memory, the->pid);
    }
}

/* ---------------------------------------------------------------- the account */

static bool everybody_is_in(void)
{
    return the->joined == the->wanted || the->result.wrong.failed > 0;
}

/* Of what a sender said: what this one must have got. In a stormy room a refused message may have been heard or not. */
static uint64_t missing(uint32_t i, uint32_t sender)
{
    const struct client *from = &the->clients[sender];

    return from->ok & ~the->clients[i].got[seat_of(sender)];
}

static bool all_is_said_and_heard(void)
{
    if (the->phase == FILLING && the->next < honest() * the->rounds)
        return false;
    for (uint32_t r = 0; r < the->options.rooms; r++)
        if (the->rooms[r].stage != QUIET)
            return false;
    if (the->result.answered < the->result.sent)
        return false;
    for (uint32_t i = 0; i < honest(); i++)
        for (uint32_t sender = room_of(i); sender < honest(); sender += the->options.rooms)
            if (the->clients[i].state == LIVE && missing(i, sender) != 0)
                return false;
    return true;
}

static void settle(void)
{
    for (uint32_t i = 0; i < honest(); i++) {
        const struct client *c = &the->clients[i];
        for (uint32_t number = 1; number <= c->sent; number++)
            if (!((c->ok | c->refused) >> number & 1))
                wrong(&the->result.wrong.unanswered,
                    "message %u of client %u in room %u has no answer", number, i, room_of(i));
        for (uint32_t sender = room_of(i); sender < honest(); sender += the->options.rooms)
            for (uint64_t lost = missing(i, sender); lost != 0; lost &= lost - 1)
                wrong(&the->result.wrong.lost,
                    "client %u of room %u has not got message %d of client %u", i, room_of(i),
                    __builtin_ctzll(lost), sender);
    }
    for (uint32_t r = 0; r < the->options.rooms; r++)
        if (the->rooms[r].stage != QUIET)
            wrong(&the->result.wrong.unrecovered, "room %u, crashed by client %u, %s", r,
                the->rooms[r].prober,
                the->rooms[r].stage == CRASHING ? "gave no answer to that"
                                                : "refuses all messages");
    if (the->replies_calm > 0)
        the->result.mean_reply_us = the->reply_ns_sum / the->replies_calm / 1000;
}

static void settle_memory(void)
{
    struct look_slope slope = look_slope(&the->memory);

    the->result.percent_per_minute = slope.percent_per_minute;
    the->result.start_kb = slope.first_kb;
    the->result.end_kb = slope.last_kb;
    the->result.peak_kb = slope.peak_kb;
}

static void print_result(void)
{
    const struct load_result *r = &the->result;

    printf("%u rooms, %u clients (%u hostile), %u s\n", the->options.rooms, the->options.clients,
        the->options.hostile, the->options.seconds);
    printf("joined in %.1f s; filled the rooms with %" PRIu64
           " messages in %.1f s; then the server used %.1f s of CPU\n",
        r->join_seconds, r->filled, r->fill_seconds, r->server_cpu_s);
    printf("sent %" PRIu64 ", answered %" PRIu64 ", delivered %" PRIu64
           ", refused in stormy rooms %" PRIu64 "\n",
        r->sent, r->answered, r->delivered, r->refused_stormy);
    printf("answers of calm rooms: mean %" PRIu64 " us, worst %" PRIu64 " us\n", r->mean_reply_us,
        r->worst_reply_us);
    printf("crashes %" PRIu64 ", next message taken %" PRIu64 ", longest until one was %" PRIu64
           " ms\n",
        r->crashes, r->first_try, r->worst_recovery_ms);
    printf("hostile connections %" PRIu64 ", slow readers dropped %" PRIu64
           ", faults in channels %" PRIu64 "\n",
        r->came, r->dropped, r->faults);
    printf("memory %" PRIu64 " kB, then %" PRIu64 " kB, at most %" PRIu64 " kB: %+.2f %%/min\n",
        r->start_kb, r->end_kb, r->peak_kb, r->percent_per_minute);
    printf("memory with all histories full %" PRIu64 " kB, once more %" PRIu64 " kB\n", r->full_kb,
        r->full_again_kb);
    printf("open files %u, %u, %u\n", r->fds_before, r->fds_with_all, r->fds_after);
#define X(name, text)      \
    if (r->wrong.name > 0) \
        printf("WRONG: %" PRIu64 " %s\n", r->wrong.name, text);
    LOAD_WRONG_MAP(X)
#undef X
}

/* ---------------------------------------------------------------- phases */

static void turn_until(bool (*done)(void), uint32_t seconds)
{
    uint64_t end = now_ns() + seconds * NS;

    while ((done == NULL || !done()) && now_ns() < end)
        turn();
}

static bool nobody_is_left(void)
{
    for (uint32_t i = 0; i < the->options.clients; i++)
        if (the->clients[i].fd >= 0)
            return false;
    return true;
}

/* Half of them with a close frame, the others without. */
static void everybody_leaves(void)
{
    for (uint32_t i = 0; i < the->options.clients; i++) {
        struct client *c = &the->clients[i];
        if (c->fd < 0)
            continue;
        if (i % 2 == 0 || c->state != LIVE || c->kind != HONEST) {
            client_close(i);
            continue;
        }
        c->state = LEAVING;
        memcpy(the->loop.scratch + HEADROOM, "\x03\xe8", 2);
        client_send(i, OP_CLOSE, 2);
    }
    turn_until(nobody_is_left, DRAIN_LIMIT_S);
    for (uint32_t i = 0; i < the->options.clients; i++)
        if (the->clients[i].fd >= 0) {
            errno = 0;
            client_fail(i, "the server does not close");
        }
}

/* The first room there is loads the script, which stays open. */
static void one_visit(void)
{
    the->wanted = 1;
    turn_until(everybody_is_in, JOIN_LIMIT_S);
    CHECK_EQ(the->joined, 1, "the first client");
    client_close(0);
    turn_until(NULL, 1);
    the->opened = the->joined = 0;
}

static bool files_are_back(void)
{
    return look_open_files(the->pid) <= the->result.fds_before;
}

static void load_init(const struct load_options *options)
{
    uint32_t seats = (options->clients + options->rooms - 1) / options->rooms;
    uint64_t ids = 1024;

    while (ids < 2ull * options->clients * NUMBERS)
        ids *= 2;
    the = zeroed(1, sizeof *the);
    the->options = *options;
    the->random = harness_random();
    the->clients = zeroed(options->clients, sizeof *the->clients);
    the->rooms = zeroed(options->rooms, sizeof *the->rooms);
    the->notes = zeroed((size_t)options->clients * NUMBERS, sizeof *the->notes);
    the->ids = zeroed(ids, sizeof *the->ids);
    the->ids_mask = ids - 1;
    loop_init(&the->loop, false, SCRATCH, (uint32_t)the->random);
    the->loop.on_http = on_http;
    the->loop.on_message = on_message;
    the->loop.on_control = on_control;
    for (uint32_t i = 0; i < options->clients; i++) {
        struct client *c = &the->clients[i];
        c->fd = -1;
        c->got = zeroed(seats, sizeof *c->got);
        if (i >= honest())
            c->kind = (uint8_t)(SLOW + i % HOSTILE_KINDS);
    }
    make_flood();
    the->rounds = HISTORY / (honest() < options->rooms ? 1 : honest() / options->rooms) + 1;
    if (the->rounds > NUMBERS / 2)
        the->rounds = NUMBERS / 2;
}

static void load_done(void)
{
    for (uint32_t i = 0; i < the->options.clients; i++)
        free(the->clients[i].got);
    for (uint32_t k = 0; k < the->loop.n_sides; k++)
        free(the->loop.sides[k]);
    free(the->loop.sides);
    free(the->loop.free_sides);
    free(the->loop.rbuf);
    free(the->loop.scratch);
    close(the->loop.ep);
    free(the->clients);
    free(the->rooms);
    free(the->notes);
    free(the->ids);
    free(the);
}

/* All histories are full; the server's memory then. */
static uint64_t fill_up(void)
{
    the->next = 0;
    the->phase = FILLING;
    turn_until(all_is_said_and_heard, FILL_LIMIT_S);
    the->phase = ENDING;
    turn_until(NULL, 1);
    return look_memory_kb(the->pid);
}

struct load_result load_run(const struct load_options *options)
{
    struct load_result result;
    uint64_t begin;

    load_init(options);
    server_start();
    one_visit();
    the->result.fds_before = look_open_files(the->pid);
    the->wanted = honest();
    begin = the->beat_ns = now_ns();
    turn_until(everybody_is_in, JOIN_LIMIT_S);
    the->result.join_seconds = (double)(now_ns() - begin) / 1e9;
    the->result.fds_with_all = look_open_files(the->pid);
    if (the->joined < honest())
        wrong(&the->result.wrong.failed, "only %u of %u clients came in", the->joined, honest());
    begin = now_ns();
    the->result.full_kb = fill_up();
    the->result.fill_seconds = (double)(now_ns() - begin) / 1e9;
    the->result.filled = the->result.answered;
    the->result.server_cpu_s = -look_cpu_seconds(the->pid);
    the->phase = TALKING;
    the->talk_ns = the->kill_ns = now_ns();
    turn_until(NULL, options->seconds);
    the->phase = ENDING;
    the->result.server_cpu_s += look_cpu_seconds(the->pid);
    for (uint32_t i = honest(); i < options->clients; i++)
        if (the->clients[i].fd >= 0)
            client_close(i);
    turn_until(all_is_said_and_heard, DRAIN_LIMIT_S);
    the->result.full_again_kb = fill_up();
    settle();
    settle_memory();
    everybody_leaves();
    turn_until(files_are_back, DRAIN_LIMIT_S);
    the->result.fds_after = look_open_files(the->pid);
    print_result();
    server_stop();
    result = the->result;
    load_done();
    return result;
}
