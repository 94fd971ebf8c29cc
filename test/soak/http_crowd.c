#include "soak/http_crowd.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "harness.h"
#include "soak/look.h"

enum {
    EVENTS = 512,
    TURN_MS = 2,
    ROUND_MS = 100, /* in which each is looked at once */
    OPENED_A_TURN = 48,
    PER_SOURCE = 4000, /* connections of one source address */
    FLOOD_BYTES = 32768,
    GARBAGE_BYTES = 40000,
};

#define MS UINT64_C(1000000)

struct guest {
    int fd; /* -1: none */
    uint8_t kind;
    bool began, answered;
    uint32_t at; /* of what it says byte by byte, or how often it has done what it does */
    uint64_t due_ns;
};

struct crowd {
    uint16_t port;
    int epoll;
    uint32_t count, next, came;
    uint64_t random;
    struct crowd_result result;
    char flood[FLOOD_BYTES], garbage[GARBAGE_BYTES];
    char scratch[65536];
    struct guest guests[];
};

static uint32_t random_below(struct crowd *crowd, uint32_t n)
{
    crowd->random = crowd->random * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)((crowd->random >> 33) % n);
}

static void wait_ms(struct crowd *crowd, struct guest *guest, uint32_t from, uint32_t to)
{
    guest->due_ns = look_now_ns() + (from + random_below(crowd, to - from)) * MS;
}

/* ---------------------------------------------------------------- coming and going */

static void leave(struct crowd *crowd, struct guest *guest)
{
    close(guest->fd);
    guest->fd = -1;
    crowd->result.there--;
    wait_ms(crowd, guest, 100, 800);
}

static void thrown_out(struct crowd *crowd, struct guest *guest)
{
    crowd->result.kinds[guest->kind].thrown_out++;
    leave(crowd, guest);
}

static void come(struct crowd *crowd, struct guest *guest)
{
    static const int one = 1, small = 4096;
    uint32_t i = (uint32_t)(guest - crowd->guests);
    struct sockaddr_in from = {.sin_family = AF_INET,
                           .sin_addr.s_addr = htonl(INADDR_LOOPBACK + (1 + i / PER_SOURCE) * 256)},
                       to = {.sin_family = AF_INET,
                           .sin_port = htons(crowd->port),
                           .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    bool reads = guest->kind != CROWD_SLOW_READER && guest->kind != CROWD_FLOOD;
    struct epoll_event event = {.events = (reads ? EPOLLIN : 0) | EPOLLRDHUP, .data.ptr = guest};

    guest->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    CHECK(guest->fd >= 0, "%s", strerror(errno));
    guest->began = guest->answered = false;
    guest->at = 0;
    crowd->result.there++;
    setsockopt(guest->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof one);
    if (!reads)
        setsockopt(guest->fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    if (bind(guest->fd, (struct sockaddr *)&from, sizeof from) != 0 ||
        (connect(guest->fd, (struct sockaddr *)&to, sizeof to) != 0 && errno != EINPROGRESS) ||
        epoll_ctl(crowd->epoll, EPOLL_CTL_ADD, guest->fd, &event) != 0) {
        crowd->result.refused++;
        leave(crowd, guest);
        return;
    }
    crowd->result.kinds[guest->kind].came++;
    wait_ms(crowd, guest, 1, 200);
}

/* False: it has been thrown out. What the kernel does not take is not sent. */
static bool say(struct crowd *crowd, struct guest *guest, const void *bytes, size_t len)
{
    ssize_t n = send(guest->fd, bytes, len, MSG_NOSIGNAL | MSG_DONTWAIT);

    if (n >= 0 || errno == EAGAIN || errno == ENOTCONN)
        return true;
    thrown_out(crowd, guest);
    return false;
}

static bool say_text(struct crowd *crowd, struct guest *guest, const char *text)
{
    return say(crowd, guest, text, strlen(text));
}

/* ---------------------------------------------------------------- what each kind does */

/* Half of each kind. */
static bool is_odd(const struct crowd *crowd, const struct guest *guest)
{
    return (guest - crowd->guests) / 16 % 2 == 1;
}

static void drip_head(struct crowd *crowd, struct guest *guest)
{
    static const char head[] = "GET /number/1 HTTP/1.1\r\nHost: a\r\nX-Long: ";
    char byte = guest->at < sizeof head - 1 ? head[guest->at] : 'a';

    guest->at++;
    wait_ms(crowd, guest, 300, 1500);
    (void)say(crowd, guest, &byte, 1);
}

static void drip_body(struct crowd *crowd, struct guest *guest)
{
    static const char head[] = "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 50000\r\n\r\n";
    static const char chunked[] =
        "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";

    wait_ms(crowd, guest, 300, 1500);
    if (guest->began) {
        (void)say_text(crowd, guest, is_odd(crowd, guest) ? "1\r\nx\r\n" : "x");
        return;
    }
    guest->began = true;
    (void)say_text(crowd, guest, is_odd(crowd, guest) ? chunked : head);
}

static void drip_form(struct crowd *crowd, struct guest *guest)
{
    static const char begin[] =
        "POST /form HTTP/1.1\r\nHost: a\r\nContent-Length: 50000\r\nContent-Type: "
        "multipart/form-data; boundary=B\r\n\r\n--B\r\nContent-Disposition: form-data; name=\"a\"";
    bool first = !guest->began;

    guest->began = true;
    wait_ms(crowd, guest, 300, 1500);
    (void)say_text(crowd, guest, first ? begin : is_odd(crowd, guest) ? "\r\n\r\n" : "x");
}

static void read_slowly(struct crowd *crowd, struct guest *guest)
{
    static const char *const asks[] = {"GET /big HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /stream HTTP/1.1\r\nHost: a\r\n\r\n", "GET /files/big HTTP/1.1\r\nHost: a\r\n\r\n"};

    wait_ms(crowd, guest, 500, 1000);
    if (!guest->began) {
        guest->began = true;
        (void)say_text(crowd, guest, asks[random_below(crowd, ANQA_COUNT(asks))]);
    } else if (is_odd(crowd, guest) && recv(guest->fd, crowd->scratch, 16, MSG_DONTWAIT) == 0) {
        thrown_out(crowd, guest);
    } else if (++guest->at == 60) { /* so few bytes in so long: it has seen enough */
        leave(crowd, guest);
    }
}

static void idle(struct crowd *crowd, struct guest *guest)
{
    guest->due_ns = UINT64_MAX;
    if (random_below(crowd, 2) == 0)
        (void)say_text(crowd, guest, "GET /number/1 HTTP/1.1\r\nHost: a\r\n\r\n");
}

static void send_garbage(struct crowd *crowd, struct guest *guest)
{
    static const char *const begins[] = {"", "\x16\x03\x01\x02", "GET", "GET / HTTP/9.9\r\n",
        "GET /number/1 HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        "GET /number/1 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
        "GET /number/1 HTTP/1.1\nHost: a\n\n", "GET /%zz HTTP/1.1\r\nHost: a\r\n\r\n",
        "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999\r\n\r\n",
        "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 9000000\r\n\r\n"};
    size_t from = random_below(crowd, sizeof crowd->garbage);

    wait_ms(crowd, guest, 500, 3000);
    if (say_text(crowd, guest, begins[random_below(crowd, ANQA_COUNT(begins))]))
        (void)say(crowd, guest, crowd->garbage + from, sizeof crowd->garbage - from);
}

/* A socket in repair is dropped without a word, as by a power cut; who may not do so resets it. */
static void drop(struct guest *guest)
{
    static const struct linger abort = {.l_onoff = 1};
    static const int on = 1;

    if (setsockopt(guest->fd, IPPROTO_TCP, TCP_REPAIR, &on, sizeof on) != 0)
        setsockopt(guest->fd, SOL_SOCKET, SO_LINGER, &abort, sizeof abort);
}

static void vanish(struct crowd *crowd, struct guest *guest)
{
    static const char half[] = "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\nhalf";

    if (!guest->began) {
        guest->began = true;
        wait_ms(crowd, guest, 200, 1000);
        (void)say(crowd, guest, half, 1 + random_below(crowd, sizeof half - 1));
        return;
    }
    wait_ms(crowd, guest, 4000, 8000);
    switch (random_below(crowd, 3)) {
    case 0: shutdown(guest->fd, SHUT_WR); return;
    case 1: drop(guest); break;
    default: break;
    }
    leave(crowd, guest);
}

static void churn(struct crowd *crowd, struct guest *guest)
{
    if (guest->began) {
        leave(crowd, guest);
        return;
    }
    guest->began = true;
    wait_ms(crowd, guest, 100, 400);
    (void)say_text(crowd, guest, "GET /number/1 HTTP/1.1\r\nHost: a\r\n\r\n");
}

/* Each of them has us answer a thousand requests: more of it would measure the processor. */
static void flood(struct crowd *crowd, struct guest *guest)
{
    wait_ms(crowd, guest, 500, 1500);
    (void)say(crowd, guest, crowd->flood, sizeof crowd->flood); /* cut anywhere: garbage, in time */
}

static void misbehave(struct crowd *crowd, struct guest *guest)
{
    static void (*const does[CROWD_KINDS])(struct crowd *, struct guest *) = {
        [CROWD_HEAD_DRIP] = drip_head,
        [CROWD_BODY_DRIP] = drip_body,
        [CROWD_FORM_DRIP] = drip_form,
        [CROWD_SLOW_READER] = read_slowly,
        [CROWD_IDLE] = idle,
        [CROWD_GARBAGE] = send_garbage,
        [CROWD_VANISHING] = vanish,
        [CROWD_CHURN] = churn,
        [CROWD_FLOOD] = flood,
    };

    does[guest->kind](crowd, guest);
}

/* ---------------------------------------------------------------- what comes back */

static void hear(struct crowd *crowd, struct guest *guest)
{
    ssize_t n = recv(guest->fd, crowd->scratch, sizeof crowd->scratch - 1, MSG_DONTWAIT);
    unsigned status;

    if (n < 0 && errno == EAGAIN)
        return;
    if (n <= 0) {
        thrown_out(crowd, guest);
        return;
    }
    crowd->scratch[n] = '\0';
    if (guest->answered || sscanf(crowd->scratch, "HTTP/1.1 %3u", &status) != 1 || status > 599)
        return;
    guest->answered = true;
    crowd->result.statuses[status]++;
}

static void on_event(struct crowd *crowd, struct guest *guest, uint32_t events)
{
    if (guest->fd < 0)
        return;
    if ((events & EPOLLIN) != 0)
        hear(crowd, guest);
    else if ((events & (EPOLLERR | EPOLLHUP | EPOLLRDHUP)) != 0)
        thrown_out(crowd, guest);
}

void crowd_turn(struct crowd *crowd)
{
    struct epoll_event events[EVENTS];
    int n = epoll_wait(crowd->epoll, events, EVENTS, TURN_MS);
    uint32_t looked_at = crowd->count * TURN_MS / ROUND_MS + 1, opened = 0;
    uint64_t now = look_now_ns();

    for (int i = 0; i < n; i++)
        on_event(crowd, events[i].data.ptr, events[i].events);
    for (uint32_t i = 0; i < looked_at && opened < OPENED_A_TURN; i++) {
        struct guest *guest = &crowd->guests[crowd->next];
        crowd->next = (crowd->next + 1) % crowd->count;
        if (crowd->came < crowd->count && crowd->next == 0)
            crowd->came = crowd->count;
        if (guest->due_ns > now)
            continue;
        if (guest->fd >= 0) {
            misbehave(crowd, guest);
            continue;
        }
        come(crowd, guest);
        opened++;
    }
}

/* ---------------------------------------------------------------- all of them */

static void make_noise(struct crowd *crowd)
{
    static const char one[] = "GET /number/1 HTTP/1.1\r\nHost: a\r\n\r\n";

    for (size_t at = 0; at < FLOOD_BYTES; at++)
        crowd->flood[at] = one[at % (sizeof one - 1)];
    for (size_t at = 0; at < GARBAGE_BYTES; at++)
        crowd->garbage[at] = (char)random_below(crowd, 256);
}

/* Most are slow: who makes work is as dear to those who send it. */
static enum crowd_kind kind_of(uint32_t i)
{
    static const enum crowd_kind kinds[] = {CROWD_HEAD_DRIP, CROWD_BODY_DRIP, CROWD_SLOW_READER,
        CROWD_IDLE, CROWD_GARBAGE, CROWD_VANISHING, CROWD_CHURN, CROWD_FLOOD, CROWD_HEAD_DRIP,
        CROWD_BODY_DRIP, CROWD_SLOW_READER, CROWD_IDLE, CROWD_HEAD_DRIP, CROWD_BODY_DRIP,
        CROWD_FORM_DRIP, CROWD_IDLE};

    return kinds[i % ANQA_COUNT(kinds)];
}

struct crowd *crowd_begin(uint16_t port, uint32_t connections)
{
    struct crowd *crowd = calloc(1, sizeof *crowd + connections * sizeof crowd->guests[0]);

    CHECK(crowd != NULL);
    crowd->port = port;
    crowd->count = connections;
    crowd->random = harness_random();
    crowd->epoll = epoll_create1(EPOLL_CLOEXEC);
    CHECK(crowd->epoll >= 0);
    make_noise(crowd);
    for (uint32_t i = 0; i < connections; i++)
        crowd->guests[i] = (struct guest){.fd = -1, .kind = (uint8_t)kind_of(i)};
    return crowd;
}

bool crowd_is_there(const struct crowd *crowd)
{
    return crowd->came == crowd->count;
}

struct crowd_result crowd_now(const struct crowd *crowd)
{
    return crowd->result;
}

void crowd_end(struct crowd *crowd)
{
    for (uint32_t i = 0; i < crowd->count; i++)
        if (crowd->guests[i].fd >= 0)
            close(crowd->guests[i].fd);
    close(crowd->epoll);
    free(crowd);
}
