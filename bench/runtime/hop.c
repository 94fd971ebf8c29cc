/* Messages of 64 bytes between processes that own no stack while they wait, and once between such as do. */
#include "cases.h"

static anqa_pid kicked; /* whom a sample begins with */

/* Costs nothing that is timed. */
static void check(struct bench *b, uint64_t got, uint64_t wanted)
{
    if (got != wanted)
        bench_fail("%s: the sum is %llu instead of %llu", b->spec->name, (unsigned long long)got,
            (unsigned long long)wanted);
}

/* ---------------------------------------------------------------- ping and pong */

struct ping {
    anqa_pid pong;
    uint64_t left, seed, sum;
};

static void ping_begin(struct ping *ping, uint64_t ops)
{
    ping->left = ops / 2;
    ping->seed = ops;
    ping->sum = 0;
}

static void ping_serve(struct ping *ping)
{
    const struct letter letter = {{ping->left, ping->seed, 3, 4, 5, 6, 7, ping->sum & LETTER_MASK}};

    ping->left--;
    letter_send(ping->pong, "ball", &letter);
}

static void ping_take(struct ping *ping, const anqa_msg *msg)
{
    const struct letter letter = letter_read(msg);

    ping->sum = letter_sum(&letter);
}

static void ping_handle(void *state, const anqa_msg *msg)
{
    struct ping *ping = state;

    if (anqa_tag_is(msg->tag, "ball"))
        ping_take(ping, msg);
    else
        ping_begin(ping, world_value(msg));
    if (ping->left > 0)
        ping_serve(ping);
    else
        world_report(ping->sum);
}

static void pong_handle(void *state, const anqa_msg *msg)
{
    struct letter letter = letter_read(msg);

    letter.n[7] = letter_sum(&letter) & LETTER_MASK;
    letter_send(msg->from, "ball", &letter);
}

static void ping_run(void *state)
{
    struct ping *ping = state;

    for (;;) {
        ping_begin(ping, world_value(anqa_receive(ANQA_INFINITY)));
        while (ping->left > 0) {
            ping_serve(ping);
            ping_take(ping, anqa_receive(ANQA_INFINITY));
        }
        world_report(ping->sum);
    }
}

static void pong_run(void *state)
{
    for (;;)
        pong_handle(state, anqa_receive(ANQA_INFINITY));
}

static const anqa_behaviour ping_behaviour = {.name = "ping", .handle = ping_handle};
static const anqa_behaviour pong_behaviour = {.name = "pong", .handle = pong_handle};

static bool setup_hop(struct bench *b, anqa_spawn_opts pong, anqa_spawn_opts ping)
{
    struct ping first = {{0}, 0, 0, 0};

    world_open(b);
    pong.pinned = ping.pinned = true;
    first.pong = world_spawn(&pong);
    ping.arg = &first;
    ping.arg_size = sizeof first;
    kicked = world_spawn(&ping);
    return true;
}

bool setup_hop_same(struct bench *b)
{
    return setup_hop(b, (anqa_spawn_opts){.behaviour = &pong_behaviour, .scheduler = 1},
        (anqa_spawn_opts){.behaviour = &ping_behaviour, .scheduler = 1});
}

bool setup_hop_cross(struct bench *b)
{
    return setup_hop(b, (anqa_spawn_opts){.behaviour = &pong_behaviour, .scheduler = 2},
        (anqa_spawn_opts){.behaviour = &ping_behaviour, .scheduler = 1});
}

bool setup_hop_receive(struct bench *b)
{
    return setup_hop(b, (anqa_spawn_opts){.run = pong_run, .scheduler = 1},
        (anqa_spawn_opts){.run = ping_run, .scheduler = 1});
}

static uint64_t hop_sum(uint64_t ops)
{
    uint64_t sum = 0;

    for (uint64_t left = ops / 2; left > 0; left--) {
        uint64_t others = left + ops + 3 + 4 + 5 + 6 + 7;

        sum = others + ((others + (sum & LETTER_MASK)) & LETTER_MASK);
    }
    return sum;
}

void run_hop(struct bench *b, uint64_t ops)
{
    uint64_t sum;

    world_kick(kicked, ops);
    sum = world_await();
    bench_pause(b);
    check(b, sum, hop_sum(ops));
}

/* ---------------------------------------------------------------- ring */

#define RING_NODES 1000

struct node {
    anqa_pid next;
};

static void node_handle(void *state, const anqa_msg *msg)
{
    struct node *node = state;
    struct letter letter;

    if (!anqa_tag_is(msg->tag, "ball")) {
        memcpy(&node->next, msg->body.ptr, sizeof node->next);
        return;
    }
    letter = letter_read(msg);
    if (letter.n[0] == 0) {
        world_report(letter.n[7]);
        return;
    }
    letter.n[7] = letter_sum(&letter) & LETTER_MASK;
    letter.n[0]--;
    letter_send(node->next, "ball", &letter);
}

static const anqa_behaviour node_behaviour = {.name = "node", .handle = node_handle};

static anqa_pid spawn_node(anqa_pid next)
{
    const struct node node = {next};

    return world_spawn(
        &(anqa_spawn_opts){.behaviour = &node_behaviour, .arg = &node, .arg_size = sizeof node});
}

static void build_ring(void *arg)
{
    anqa_pid last = spawn_node((anqa_pid){0});

    kicked = last;
    for (unsigned i = 1; i < RING_NODES; i++)
        kicked = spawn_node(kicked);
    anqa_send(last, "next", anqa_bytes(&kicked, sizeof kicked));
}

bool setup_ring(struct bench *b)
{
    world_open(b);
    world_build(build_ring, NULL);
    return true;
}

static uint64_t ring_sum(uint64_t ops)
{
    uint64_t sum = 8;

    for (uint64_t left = ops; left > 0; left--)
        sum = (left + 2 + 3 + 4 + 5 + 6 + 7 + sum) & LETTER_MASK;
    return sum;
}

void run_ring(struct bench *b, uint64_t ops)
{
    const struct letter letter = {{ops, 2, 3, 4, 5, 6, 7, 8}};
    uint64_t sum;

    letter_send(kicked, "ball", &letter);
    sum = world_await();
    bench_pause(b);
    check(b, sum, ring_sum(ops));
}

/* ---------------------------------------------------------------- fan in */

#define SENDERS UINT64_C(8)
#define WINDOW UINT64_C(64)

struct sender {
    anqa_pid receiver;
    uint64_t seed, windows;
};

struct receiver {
    anqa_pid senders[SENDERS];
    uint64_t left, sum;
};

static void sender_handle(void *state, const anqa_msg *msg)
{
    struct sender *sender = state;

    if (anqa_tag_is(msg->tag, "begin"))
        sender->windows = world_value(msg);
    else
        sender->windows--;
    if (sender->windows == 0)
        return;
    for (uint64_t left = WINDOW - 1; left > 0; left--) {
        const struct letter letter = {{left, sender->seed, 3, 4, 5, 6, 7, 8}};

        letter_send(sender->receiver, "letter", &letter);
    }
    const struct letter last = {{1, sender->seed, 3, 4, 5, 6, 7, sender->windows}};

    letter_send(sender->receiver, "last", &last);
}

static const anqa_behaviour sender_behaviour = {.name = "sender", .handle = sender_handle};

static void receiver_init(void *state)
{
    struct receiver *receiver = state;

    for (unsigned i = 0; i < SENDERS; i++) {
        const struct sender sender = {anqa_self(), i + 1, 0};

        receiver->senders[i] = world_spawn(&(anqa_spawn_opts){
            .behaviour = &sender_behaviour, .arg = &sender, .arg_size = sizeof sender});
    }
}

static void receiver_begin(struct receiver *receiver, uint64_t windows)
{
    receiver->left = windows * WINDOW * SENDERS;
    receiver->sum = 0;
    for (unsigned i = 0; i < SENDERS; i++)
        anqa_send(receiver->senders[i], "begin", anqa_bytes(&windows, sizeof windows));
}

static void receiver_take(struct receiver *receiver, const anqa_msg *msg)
{
    const struct letter letter = letter_read(msg);

    receiver->sum = (receiver->sum + letter_sum(&letter)) & LETTER_MASK;
    if (--receiver->left == 0)
        world_report(receiver->sum);
}

static void receiver_handle(void *state, const anqa_msg *msg)
{
    struct receiver *receiver = state;

    if (anqa_tag_is(msg->tag, "letter")) {
        receiver_take(receiver, msg);
    } else if (anqa_tag_is(msg->tag, "last")) {
        anqa_send(msg->from, "go_on", anqa_nothing());
        receiver_take(receiver, msg);
    } else {
        receiver_begin(receiver, world_value(msg));
    }
}

static const anqa_behaviour receiver_behaviour = {
    .name = "receiver", .init = receiver_init, .handle = receiver_handle};

bool setup_fan_in(struct bench *b)
{
    world_open(b);
    kicked = world_spawn(&(anqa_spawn_opts){
        .behaviour = &receiver_behaviour, .state_size = sizeof(struct receiver), .scheduler = 1});
    return true;
}

static uint64_t fan_in_sum(uint64_t windows)
{
    uint64_t sum = 0;

    for (uint64_t seed = 1; seed <= SENDERS; seed++) {
        uint64_t letters =
            (WINDOW - 1) * WINDOW / 2 + (WINDOW - 1) * (seed + 3 + 4 + 5 + 6 + 7 + 8);

        sum += windows * (letters + 1 + seed + 3 + 4 + 5 + 6 + 7);
        sum += windows * (windows + 1) / 2;
    }
    return sum & LETTER_MASK;
}

/* Whole windows: at least as many messages as are asked for, so that rounding is never in our favour. */
void run_fan_in(struct bench *b, uint64_t ops)
{
    uint64_t windows = (ops + SENDERS * WINDOW - 1) / (SENDERS * WINDOW);
    uint64_t sum;

    world_kick(kicked, windows);
    sum = world_await();
    bench_pause(b);
    check(b, sum, fan_in_sum(windows));
}

/* ---------------------------------------------------------------- fan in, a flood */

/* A callback is not pre-empted: one that sent its whole share at once would keep its scheduler until the last message is
 * sent, so that nobody else, the receiver least of all, would run. Who has much to send does as a user would: a burst in
 * an event, then a message to itself, behind which all others have their turn. */
#define BURST UINT64_C(256)

struct flooder {
    anqa_pid receiver;
    uint64_t seed, left;
};

struct flooded {
    anqa_pid flooders[SENDERS];
    uint64_t left, sum;
};

static void flooder_handle(void *state, const anqa_msg *msg)
{
    struct flooder *flooder = state;

    if (anqa_tag_is(msg->tag, "begin"))
        flooder->left = world_value(msg);
    for (uint64_t burst = BURST; burst > 0 && flooder->left > 0; burst--) {
        const struct letter letter = {{flooder->left, flooder->seed, 3, 4, 5, 6, 7, 8}};

        letter_send(flooder->receiver, "letter", &letter);
        flooder->left--;
    }
    if (flooder->left > 0)
        anqa_send(anqa_self(), "continue", anqa_nothing());
}

static const anqa_behaviour flooder_behaviour = {.name = "flooder", .handle = flooder_handle};

static void flooded_init(void *state)
{
    struct flooded *flooded = state;

    for (unsigned i = 0; i < SENDERS; i++) {
        const struct flooder flooder = {anqa_self(), i + 1, 0};

        flooded->flooders[i] = world_spawn(&(anqa_spawn_opts){
            .behaviour = &flooder_behaviour, .arg = &flooder, .arg_size = sizeof flooder});
    }
}

static void flooded_begin(struct flooded *flooded, uint64_t share)
{
    flooded->left = share * SENDERS;
    flooded->sum = 0;
    for (unsigned i = 0; i < SENDERS; i++)
        anqa_send(flooded->flooders[i], "begin", anqa_bytes(&share, sizeof share));
}

static void flooded_handle(void *state, const anqa_msg *msg)
{
    struct flooded *flooded = state;
    struct letter letter;

    if (!anqa_tag_is(msg->tag, "letter")) {
        flooded_begin(flooded, world_value(msg));
        return;
    }
    letter = letter_read(msg);
    flooded->sum = (flooded->sum + letter_sum(&letter)) & LETTER_MASK;
    if (--flooded->left == 0)
        world_report(flooded->sum);
}

static const anqa_behaviour flooded_behaviour = {
    .name = "flooded", .init = flooded_init, .handle = flooded_handle};

bool setup_fan_in_flood(struct bench *b)
{
    world_open(b);
    kicked = world_spawn(&(anqa_spawn_opts){
        .behaviour = &flooded_behaviour, .state_size = sizeof(struct flooded), .scheduler = 1});
    return true;
}

static uint64_t flood_sum(uint64_t share)
{
    uint64_t sum = 0;

    for (uint64_t seed = 1; seed <= SENDERS; seed++)
        sum += share * (share + 1) / 2 + share * (seed + 3 + 4 + 5 + 6 + 7 + 8);
    return sum & LETTER_MASK;
}

/* Equal shares: at least as many messages as are asked for. */
void run_fan_in_flood(struct bench *b, uint64_t ops)
{
    uint64_t share = (ops + SENDERS - 1) / SENDERS;
    uint64_t sum;

    world_kick(kicked, share);
    sum = world_await();
    bench_pause(b);
    check(b, sum, flood_sum(share));
}
