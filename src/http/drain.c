/* Ending a service: nobody is accepted any more, and those who are there end in good order. See conn.h. */
#include "http/conn_int.h"

#include <stdatomic.h>

#include <anqa/log.h>

#include "http/h2.h"
#include "runtime/inherit.h"

#define POLL_MS 20u
#define KILL_MS 1000u
#define DEFAULT_BATCH 10000u
#define DEFAULT_INTERVAL_MS 2000u

/* ---------------------------------------------------------------- a connection */

bool service_drain_turn(struct http_service *service)
{
    return atomic_fetch_sub_explicit(&service->drain_left, 1, memory_order_relaxed) > 0;
}

static void drain_websocket(struct conn *conn, const struct drain *drain)
{
    if (!service_drain_turn(drain->service))
        return;
    if (conn->ops->drained != NULL)
        conn->ops->drained(conn, conn->user, drain->code);
    else
        conn_ws_close(conn, drain->code, anqa_str_of(""));
}

/* It may still answer the request, or send the message, that it is in the middle of. Whose head is on its way without a word
 * of the end may send another request. */
static void leave(struct conn *conn)
{
    conn->leaving = true;
    if (!conn->answered)
        conn->keep_alive = false;
}

/* Who has just had an answer may have sent the next request before he can know that we end: that one is still taken. */
static void drain_http(struct conn *conn)
{
    if (!conn_is_idle(conn) || conn->timeout_s <= CONN_DRAIN_S)
        return; /* its end is near */
    if (outlet_now_s() - conn->since_s > CONN_DRAIN_S)
        conn_close(conn);
    else
        outlet_time(conn, CONN_DRAIN_S);
}

void conn_drain(struct conn *conn, const struct drain *drain)
{
    if (drain->kill)
        conn_kill(conn, true);
    else if (conn->serving || conn->waiting)
        leave(conn);
    else if (conn->phase == CONN_WS)
        drain_websocket(conn, drain);
    else if (conn->phase == CONN_HTTP)
        drain_http(conn);
    else if (conn->phase == CONN_H2)
        h2_leave(conn);
}

/* ---------------------------------------------------------------- the service */

/* Whoever comes back at once shall find a successor, or nobody, not an end that is near. */
static void stop_accepting(struct http_service *service)
{
    for (uint16_t i = 0; i < service->acceptor_count; i++) {
        anqa_pid acceptor = service->acceptors[i];
        anqa_ref ref = anqa_monitor(acceptor);
        anqa_unlink(acceptor);
        anqa_exit_signal(acceptor, ANQA_KILL);
        (void)anqa_receive_ref(ref, ANQA_INFINITY);
    }
    service->acceptor_count = 0;
    inherit_release(service, true);
    inherit_release(&service->tls, true);
}

static bool is_empty(const struct http_service *service)
{
    return atomic_load_explicit(&service->connections, memory_order_acquire) ==
               0 && /* pairs with service_leave */
           atomic_load_explicit(&service->others, memory_order_relaxed) == 0;
}

/* Waits up to `ms` for all to end. */
static bool wait_empty(const struct http_service *service, uint64_t ms)
{
    uint64_t end = anqa_now_ms() + ms;

    while (!is_empty(service)) {
        uint64_t now = anqa_now_ms();
        if (now >= end)
            return false;
        anqa_sleep(end - now < POLL_MS ? (uint32_t)(end - now) : POLL_MS);
    }
    return true;
}

static void batch_begin(const struct drain *drain, uint32_t size)
{
    struct http_service *service = drain->service;

    atomic_store_explicit(&service->drain_left,
        size > INT32_MAX / 2 ? INT32_MAX / 2 : (int32_t)size, memory_order_relaxed);
    outlets_drain(drain);
    if (service->drained != NULL)
        service->drained(service);
}

/* True: all have ended. */
static bool drain_in_batches(const struct drain *drain, uint32_t timeout_ms)
{
    uint32_t interval_ms = drain->service->drain_interval_ms, size = drain->service->drain_batch;
    uint64_t now = anqa_now_ms(), end = now + timeout_ms;

    if (interval_ms == 0)
        interval_ms = DEFAULT_INTERVAL_MS;
    for (; now < end; now = anqa_now_ms()) {
        batch_begin(drain, size == 0 ? DEFAULT_BATCH : size);
        if (wait_empty(drain->service, end - now < interval_ms ? end - now : interval_ms))
            return true;
    }
    return false;
}

void service_drain(struct http_service *service, uint16_t code, uint32_t timeout_ms)
{
    struct drain drain = {.service = service, .code = code};

    atomic_store_explicit(&service->draining, true, memory_order_relaxed);
    stop_accepting(service);
    if (is_empty(service) || drain_in_batches(&drain, timeout_ms))
        return;
    drain.kill = true;
    batch_begin(&drain, UINT32_MAX);
    if (!wait_empty(service, KILL_MS))
        anqa_log(ANQA_WARN, "endpoint.drain.late", "connections=%u others=%u next=\"left alone\"",
            atomic_load_explicit(&service->connections, memory_order_relaxed),
            atomic_load_explicit(&service->others, memory_order_relaxed));
}
