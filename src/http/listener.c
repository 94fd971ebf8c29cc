/* Accepting on every scheduler, and ending what was accepted. See conn.h. */
#include "http/conn_int.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include <anqa/log.h>
#include <anqa/memory.h>

#include "http/peers.h"

#define POLL_MS 20u

/* owner: the acceptor's process; a copy for each */
struct acceptor {
    struct http_service *service;
    anqa_pid boss;
    anqa_ref ref;      /* of what the boss is told */
    bool shared, join; /* see anqa_listen_spec */
    char address[ANQA_ADDRESS_TEXT];
};

/* What an acceptor tells its boss. */
struct listening {
    anqa_status status;
    anqa_error error;
    char address[ANQA_ADDRESS_TEXT];
};

static anqa_status admit(struct http_service *service, anqa_tcp socket)
{
    anqa_status status;
    struct fd_entry *entry = fd_get(socket.bits, FD_CONN, &status);

    if (service->peers == NULL)
        return ANQA_OK;
    if (entry == NULL)
        return status;
    anqa_section_begin();
    status = peers_admit(service->peers, entry);
    anqa_section_end();
    return status;
}

static void accept_one(struct acceptor *acceptor, anqa_listener listener)
{
    anqa_tcp socket;
    anqa_error err;
    anqa_status status = anqa_accept(listener, ANQA_INFINITY, &socket, &err);

    if (status != ANQA_OK) {
        anqa_log(
            ANQA_WARN, "http.accept.failed", "address=%s error=%s", acceptor->address, err.text);
        return;
    }
    status = admit(acceptor->service, socket);
    if (status == ANQA_OK)
        status = conn_start(acceptor->service, socket);
    if (status == ANQA_OK)
        return;
    anqa_log(ANQA_WARN, "http.connection.refused", "address=%s error=%s", acceptor->address,
        status == ANQA_E_LIMIT ? "as many connections as allowed" : anqa_status_text(status));
    (void)anqa_tcp_reset(socket);
}

static void service_hook(void *service)
{
    service_unref(service);
}

static void acceptor_run(void *state)
{
    struct acceptor *acceptor = state;
    anqa_listener listener;
    struct listening told = {.status = ANQA_OK};

    anqa_defer(service_hook, acceptor->service); /* the count that was taken for us */
    told.status = anqa_listen(
        &(anqa_listen_spec){
            .address = acceptor->address, .shared = acceptor->shared, .join = acceptor->join},
        &listener, &told.error);
    if (told.status == ANQA_OK)
        (void)anqa_listener_address(listener, told.address);
    if (anqa_send_ref(acceptor->boss, "listening", acceptor->ref, anqa_bytes(&told, sizeof told)) ==
        ANQA_E_NOMEM)
        anqa_exit(anqa_error_reason("no memory to say that it listens"));
    if (told.status != ANQA_OK)
        return;
    for (;;)
        accept_one(acceptor, listener);
}

/* What the boss waits for: the acceptor's word, or its end, of which it hears if it traps exits (else it ends, too). */
struct word {
    anqa_pid pid;
    anqa_ref ref;
};

static bool is_word(const anqa_msg *msg, void *arg)
{
    const struct word *wanted = arg;

    return anqa_ref_eq(msg->ref, wanted->ref) ||
           (msg->kind == ANQA_MSG_EXIT && anqa_pid_eq(msg->from, wanted->pid));
}

/* Starts one and waits until it listens. */
static anqa_status acceptor_start(
    struct acceptor *acceptor, uint16_t scheduler, struct listening *ret_told, anqa_error *err)
{
    struct http_service *service = acceptor->service;
    anqa_spawn_opts opts = {
        .run = acceptor_run,
        .arg = acceptor,
        .arg_size = sizeof *acceptor,
        .label = "acceptor",
        .link = true,
        .scheduler = scheduler,
    };
    struct word wanted;
    const anqa_msg *msg;
    anqa_status status;
    char text[160];

    acceptor->ref = anqa_make_ref();
    atomic_fetch_add_explicit(&service->refs, 1, memory_order_relaxed);
    status = anqa_spawn(&opts, &service->acceptors[service->acceptor_count], NULL);
    if (status != ANQA_OK) {
        service_unref(service);
        return anqa_fail(err, status, "an acceptor: %s", anqa_status_text(status));
    }
    wanted = (struct word){service->acceptors[service->acceptor_count++], acceptor->ref};
    msg = anqa_receive_if(is_word, &wanted, ANQA_INFINITY);
    if (msg->kind == ANQA_MSG_EXIT)
        return anqa_fail(err, ANQA_E_NOMEM, "an acceptor has ended: %s",
            anqa_reason_format(msg->u.reason, text, sizeof text));
    memcpy(ret_told, msg->body.ptr, sizeof *ret_told);
    if (ret_told->status != ANQA_OK && err != NULL)
        *err = ret_told->error;
    return ret_told->status;
}

anqa_status service_listen(struct http_service *service, const char *address,
    char ret_address[ANQA_ADDRESS_TEXT], anqa_error *err)
{
    struct acceptor acceptor = {.service = service, .boss = anqa_self()};
    struct listening told;
    uint16_t count = sched_self->rt->sched_count;
    anqa_status status;

    /* A Unix socket cannot be shared: one scheduler accepts, and has the connections. */
    acceptor.shared = strncmp(address, "unix:", 5) != 0;
    if (strlen(address) >= sizeof acceptor.address)
        return anqa_fail(err, ANQA_E_INVALID, "the address %s is too long", address);
    anqa_section_begin();
    service->acceptors = calloc(count, sizeof *service->acceptors);
    if (service->max_per_address != 0)
        service->peers = peers_new(service->max_per_address);
    anqa_section_end();
    if (service->acceptors == NULL || (service->max_per_address != 0 && service->peers == NULL))
        return anqa_fail(err, ANQA_E_NOMEM, "no memory to listen at %s", address);
    memcpy(acceptor.address, address, strlen(address) + 1);
    status = acceptor_start(&acceptor, 1, &told, err);
    if (status != ANQA_OK)
        return status;
    memcpy(ret_address, told.address, ANQA_ADDRESS_TEXT);
    count = acceptor.shared ? count : 1;
    acceptor.shared = false;
    for (uint16_t i = 2; i <= count && status == ANQA_OK; i++) {
        acceptor.join = true;
        memcpy(acceptor.address, told.address, sizeof acceptor.address);
        status = acceptor_start(&acceptor, i, &told, err);
    }
    return status;
}

/* Whoever comes back at once shall find nobody, not an end that is near. */
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
}

static bool drained(const struct http_service *service, uint32_t timeout_ms)
{
    for (uint32_t waited = 0; waited < timeout_ms; waited += POLL_MS) {
        if (atomic_load_explicit(&service->connections, memory_order_relaxed) == 0)
            return true;
        anqa_sleep(POLL_MS);
    }
    return atomic_load_explicit(&service->connections, memory_order_relaxed) == 0;
}

void service_drain(struct http_service *service, uint16_t code, uint32_t timeout_ms)
{
    struct drain drain = {.service = service, .code = code};

    stop_accepting(service);
    if (drained(service, 0))
        return;
    outlets_drain(&drain);
    if (drained(service, timeout_ms))
        return;
    drain.kill = true;
    outlets_drain(&drain);
    (void)drained(service, 1000);
}
