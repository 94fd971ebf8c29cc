/* Accepting on every scheduler, and ending what was accepted. See conn.h. */
#include "http/conn_int.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include <unistd.h>

#include <anqa/log.h>
#include <anqa/memory.h>

#include "http/peers.h"
#include "runtime/inherit.h"
#include "runtime/net_int.h"

#define OPEN_POLL_MS 10u

/* owner: the acceptor's process; a copy for each */
struct acceptor {
    struct http_service *service;
    const void *owner; /* of its sockets */
    bool secure;
    anqa_pid boss;
    anqa_ref ref;  /* of what the boss is told */
    size_t socket; /* which one of the service's */
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
        status = conn_start(acceptor->service, acceptor->secure, socket);
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

/* Several acceptors may have one socket, and a scheduler several acceptors: after a hand-over there can be more or fewer
 * schedulers than sockets, and each socket is to be read. */
static anqa_status acceptor_open(
    struct acceptor *acceptor, anqa_listener *ret_listener, anqa_error *err)
{
    int fd = inherit_dup(acceptor->owner, acceptor->socket);
    anqa_status status;

    if (fd < 0)
        return fd_fail(err, errno, "an acceptor needs a descriptor");
    status = anqa_listener_adopt(fd, ret_listener, err);
    if (status != ANQA_OK)
        close(fd);
    return status;
}

static void acceptor_run(void *state)
{
    struct acceptor *acceptor = state;
    anqa_listener listener = {0};
    struct listening told = {.status = ANQA_OK};

    anqa_defer(service_hook, acceptor->service); /* the count that was taken for us */
    told.status = acceptor_open(acceptor, &listener, &told.error);
    if (told.status == ANQA_OK)
        (void)anqa_listener_address(listener, acceptor->address);
    memcpy(told.address, acceptor->address, sizeof told.address);
    if (anqa_send_ref(acceptor->boss, "listening", acceptor->ref, anqa_bytes(&told, sizeof told)) ==
        ANQA_E_NOMEM)
        anqa_exit(anqa_error_reason("no memory to say that it listens"));
    if (told.status != ANQA_OK)
        return;
    while (!inherit_is_open())
        anqa_sleep(OPEN_POLL_MS);
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

/* ---------------------------------------------------------------- sockets */

/* Where a service listens: plainly, or over TLS. What is kept for it has an owner that tells the two apart. */
struct door {
    struct http_service *service;
    const void *owner;
    bool secure;
    const char *name; /* of its sockets in a service manager; NULL: any */
    const char *address;
};

static void release_hook(void *owner)
{
    inherit_release(owner, false);
}

/* at: where it listens, with the real port. */
static anqa_status socket_make(const struct door *door, const anqa_listen_spec *spec,
    char at[ANQA_ADDRESS_TEXT], anqa_error *err)
{
    anqa_listener listener;
    anqa_status status = anqa_listen(spec, &listener, err);
    int fd;

    if (status != ANQA_OK)
        return status;
    (void)anqa_listener_address(listener, at);
    fd = listener_take_fd(listener);
    if (fd < 0)
        return fd_fail(err, errno, "a socket that listens");
    status = inherit_keep(door->owner, door->address, fd);
    return status == ANQA_OK
               ? ANQA_OK
               : anqa_fail(err, status, "cannot keep the socket of %s", door->address);
}

/* A socket for each scheduler, among which the kernel spreads connections; a Unix socket can be no more than one. */
static anqa_status sockets_make(const struct door *door, size_t *ret_count, anqa_error *err)
{
    bool is_unix = strncmp(door->address, "unix:", 5) == 0;
    size_t count = is_unix ? 1 : sched_self->rt->sched_count;
    char at[ANQA_ADDRESS_TEXT];
    anqa_status status = socket_make(
        door, &(anqa_listen_spec){.address = door->address, .shared = !is_unix}, at, err);

    for (size_t i = 1; i < count && status == ANQA_OK; i++)
        status = socket_make(door, &(anqa_listen_spec){.address = at, .join = true}, at, err);
    if (status == ANQA_OK)
        *ret_count = count;
    return status;
}

/* Makes room for so many more. False: no memory. */
static bool acceptors_grow(struct http_service *service, size_t count)
{
    anqa_pid *larger;

    anqa_section_begin();
    larger = realloc(service->acceptors, (service->acceptor_count + count) * sizeof *larger);
    if (larger != NULL)
        service->acceptors = larger;
    if (service->max_per_address != 0 && service->peers == NULL)
        service->peers = peers_new(service->max_per_address);
    anqa_section_end();
    return larger != NULL && (service->max_per_address == 0 || service->peers != NULL);
}

/* One for each scheduler, and for each socket. */
static anqa_status acceptors_start(
    const struct door *door, size_t sockets, char ret_address[ANQA_ADDRESS_TEXT], anqa_error *err)
{
    struct acceptor acceptor = {.service = door->service,
        .owner = door->owner,
        .secure = door->secure,
        .boss = anqa_self()};
    uint16_t schedulers = sched_self->rt->sched_count;
    size_t count = sockets > schedulers ? sockets : schedulers;
    struct listening told;
    anqa_status status = ANQA_OK;

    ANQA_INVARIANT(sockets > 0 && schedulers > 0);
    if (!acceptors_grow(door->service, count))
        return anqa_fail(err, ANQA_E_NOMEM, "no memory for acceptors");
    for (size_t i = 0; i < count && status == ANQA_OK; i++) {
        acceptor.socket = i % sockets;
        status = acceptor_start(&acceptor, (uint16_t)(i % schedulers + 1), &told, err);
    }
    if (status == ANQA_OK)
        memcpy(ret_address, told.address, ANQA_ADDRESS_TEXT);
    return status;
}

/* For redirects from the one to the other. */
static void note_port(const struct door *door, const char *address)
{
    const char *colon = strncmp(address, "unix:", 5) == 0 ? NULL : strrchr(address, ':');
    uint16_t port = colon == NULL ? 0 : (uint16_t)strtoul(colon + 1, NULL, 10);

    atomic_store_explicit(door->secure ? &door->service->secure_port : &door->service->plain_port,
        port, memory_order_relaxed);
}

static anqa_status door_open(
    const struct door *door, char ret_address[ANQA_ADDRESS_TEXT], anqa_error *err)
{
    anqa_status status = ANQA_OK;
    size_t sockets;

    (void)anqa_defer(release_hook, (void *)(uintptr_t)door->owner);
    sockets = inherit_claim(door->owner, door->name, door->address);
    if (sockets == 0)
        status = sockets_make(door, &sockets, err);
    if (status == ANQA_OK)
        status = acceptors_start(door, sockets, ret_address, err);
    if (status == ANQA_OK)
        note_port(door, ret_address);
    else
        inherit_release(door->owner, false);
    return status;
}

anqa_status service_listen(struct http_service *service, const char *address,
    char ret_address[ANQA_ADDRESS_TEXT], anqa_error *err)
{
    struct door door = {
        .service = service, .owner = service, .name = service->name, .address = address};

    return door_open(&door, ret_address, err);
}

anqa_status service_listen_tls(struct http_service *service, const char *name, const char *address,
    char ret_address[ANQA_ADDRESS_TEXT], anqa_error *err)
{
    struct door door = {.service = service,
        .owner = &service->tls,
        .secure = true,
        .name = name,
        .address = address};

    return door_open(&door, ret_address, err);
}
