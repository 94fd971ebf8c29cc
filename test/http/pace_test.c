/* How long a body is waited for: a client that sends by the fake clock. */
#include <anqa/test.h>

#include "http/exchange.h"

/* Sends `piece` bytes each `gap_ms`, until `left` are sent. */
struct client {
    struct exchange exchange;
    uint32_t gap_ms;
    size_t piece, here, left;
};

static anqa_status read_by_the_clock(
    struct exchange *exchange, char *buf, size_t size, uint64_t deadline_ms, size_t *ret_n)
{
    struct client *client = (struct client *)exchange;
    uint64_t now_ms = anqa_now_ms();

    if (client->here == 0 && client->left != 0) {
        if (now_ms + client->gap_ms > deadline_ms) {
            anqa_sleep((uint32_t)(deadline_ms - now_ms));
            return ANQA_E_TIMEOUT;
        }
        anqa_sleep(client->gap_ms);
        client->here = client->piece < client->left ? client->piece : client->left;
        client->left -= client->here;
    }
    *ret_n = client->here < size ? client->here : size;
    memset(buf, 'x', *ret_n);
    client->here -= *ret_n;
    exchange->body_done = client->here + client->left == 0;
    return ANQA_OK;
}

static const struct exchange_ops ops = {.scheme = "http", .read = read_by_the_clock};

static anqa_conn *post(struct client *client, uint32_t gap_ms, size_t piece, size_t len)
{
    static const struct request request = {.host = {"a", 1}, .path = {"/", 1}};

    ANQA_ASSERT(exchange_init(&client->exchange, &ops, &request));
    client->gap_ms = gap_ms;
    client->piece = piece;
    client->here = 0;
    client->left = len;
    return &client->exchange.pub;
}

static anqa_status read_whole(anqa_conn *conn)
{
    anqa_str body;

    return anqa_conn_read_body(conn, &(anqa_body_opts){.read_timeout_ms = 1000}, &body, NULL);
}

/* work_ms: what the reader does with each part. */
static anqa_status read_parts(anqa_conn *conn, uint32_t work_ms)
{
    char *buf = anqa_arena_alloc(anqa_tmp(), 100000);
    anqa_status status = ANQA_OK;
    size_t n = 1;

    while (status == ANQA_OK && n != 0) {
        status = anqa_conn_read_part(conn, buf, 100000, 1000, &n);
        if (work_ms != 0)
            anqa_sleep(work_ms);
    }
    return status;
}

static const struct {
    uint32_t gap_ms;
    size_t piece;
    anqa_status status;
} paces[] = {
    {0, 1000, ANQA_OK},
    {240, 16384, ANQA_OK}, /* 64 KiB in 960 ms */
    {990, 65536, ANQA_OK},
    {260, 16384, ANQA_E_TIMEOUT},
    {1001, 65536, ANQA_E_TIMEOUT},
    {1, 1, ANQA_E_TIMEOUT},
    {990, 1000, ANQA_E_TIMEOUT},
};

ANQA_TEST(each_64_kib_of_a_body_have_their_time_however_they_are_read)
{
    for (size_t i = 0; i < ANQA_COUNT(paces); i++) {
        struct client client;
        ANQA_ASSERT_STATUS(read_whole(post(&client, paces[i].gap_ms, paces[i].piece, 200000)),
            paces[i].status, "%zu", i);
        ANQA_ASSERT_STATUS(read_parts(post(&client, paces[i].gap_ms, paces[i].piece, 200000), 0),
            paces[i].status, "%zu", i);
    }
}

ANQA_TEST(a_client_that_trickles_is_waited_for_no_longer_than_one_that_sends_nothing)
{
    struct client client;
    uint64_t began_ms = anqa_now_ms();

    ANQA_ASSERT_STATUS(read_parts(post(&client, 10, 1, 200000), 0), ANQA_E_TIMEOUT);
    ANQA_ASSERT(anqa_now_ms() - began_ms < 1010);
    began_ms = anqa_now_ms();
    ANQA_ASSERT_STATUS(read_parts(post(&client, 100000, 1, 200000), 0), ANQA_E_TIMEOUT);
    ANQA_ASSERT(anqa_now_ms() - began_ms < 1010);
}

ANQA_TEST(what_a_reader_does_between_two_parts_is_not_the_clients_time)
{
    struct client client;

    ANQA_ASSERT_STATUS(read_parts(post(&client, 10, 1000, 200000), 5000), ANQA_OK);
}
