/* The control socket: where it is made, and who may connect. */
#include "control/control.h"

#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include <anqa/log.h>
#include <anqa/net.h>
#include <anqa/registry.h>

#include "control/path.h"
#include "runtime/inherit.h"
#include "runtime/net_int.h"

#define CONNECT_MS 1000u
#define TAKE_POLL_MS 20u /* between two looks whether it is time to take a predecessor's place */

static const char accept_tag[] = "accept";
static const char take_place_tag[] = "take_place";

/* The path of the runtime's control socket is the value of its server's entry. */
static const anqa_registry sockets = {.name = "control sockets"};
static const char sockets_key[] = "control";
/* The server has this one too while its socket is beside a predecessor's: only then does it look at calls, between waits. */
static const char beside_key[] = "beside";

const anqa_dynamic_supervisor anqa_control_clients = {.name = "anqa_control_clients",
    .max_children = CONTROL_CLIENTS_MAX,
    .child = {.server = &control_client_server,
        .restart = ANQA_TEMPORARY,
        .shutdown_ms = ANQA_BRUTAL_KILL}};

struct server {
    const anqa_control *control;
    anqa_listener listener;
    bool is_beside; /* its path is a predecessor's still */
};

/* ---------------------------------------------------------------- listening */

static anqa_status listen_at(const char *path, anqa_listener *ret_listener, anqa_error *err)
{
    const char *address = anqa_tmp_printf("unix:%s", path);

    return anqa_listen(&(anqa_listen_spec){.address = address, .unix_mode = 0600, .backlog = 64},
        ret_listener, err);
}

/* In the usual place: beside a living program of the same name under a name with our process id. */
static anqa_status listen_in_folder(
    const char *name, char path[CONTROL_PATH_MAX], anqa_listener *ret_listener, anqa_error *err)
{
    char folder[CONTROL_PATH_MAX];
    anqa_status status = control_folder(folder, err);

    if (status == ANQA_OK)
        status = control_folder_make(folder, err);
    if (status == ANQA_OK)
        status = control_path(folder, name, 0, path, err);
    if (status != ANQA_OK)
        return status;
    status = listen_at(path, ret_listener, err);
    if (status != ANQA_E_IN_USE)
        return status;
    status = control_path(folder, name, (long)getpid(), path, err);
    return status == ANQA_OK ? listen_at(path, ret_listener, err) : status;
}

/* Whether the program that listens there is the one that has started us, to take its place. */
static bool is_predecessors(const char *path)
{
    struct ucred peer;
    socklen_t len = sizeof peer;
    anqa_tcp conn;
    bool is;

    if (inherit_is_open() ||
        anqa_connect(anqa_tmp_printf("unix:%s", path), CONNECT_MS, &conn, NULL) != ANQA_OK)
        return false;
    is = getsockopt(anqa_tcp_fd(conn), SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0 &&
         peer.pid == getppid();
    (void)anqa_close(conn);
    return is;
}

/* At a path of the program's own: beside a predecessor's socket until that is to be replaced. */
static anqa_status listen_at_own(
    struct server *server, char path[CONTROL_PATH_MAX], anqa_error *err)
{
    const char *own = server->control->path;
    anqa_status status = listen_at(own, &server->listener, err);

    server->is_beside = status == ANQA_E_IN_USE && is_predecessors(own);
    if (snprintf(path, CONTROL_PATH_MAX, "%s%s", own, server->is_beside ? ".new" : "") >=
        CONTROL_PATH_MAX)
        return anqa_fail(err, ANQA_E_LIMIT, "no socket can be at %s.new", own);
    return server->is_beside ? listen_at(path, &server->listener, err) : status;
}

static anqa_status server_listen(struct server *server, anqa_error *err)
{
    const anqa_control *control = server->control;
    char path[CONTROL_PATH_MAX];
    anqa_status status = control_ops_check(control->ops, err);

    if (status != ANQA_OK)
        return status;
    if (control->path != NULL && control->path[0] != '\0') {
        status = listen_at_own(server, path, err);
    } else {
        status = listen_in_folder(control->name, path, &server->listener, err);
    }
    if (status != ANQA_OK)
        return status;
    anqa_log(ANQA_INFO, "control.listening", "path=%s", path);
    status =
        anqa_registry_register(&sockets, anqa_str_of(sockets_key), anqa_jsonf("%s", path), NULL);
    if (status == ANQA_OK && server->is_beside)
        status = anqa_registry_register(&sockets, anqa_str_of(beside_key), ANQA_JSON_NULL, NULL);
    if (status != ANQA_OK)
        return anqa_fail(err, status, "a control socket: %s", anqa_status_text(status));
    return ANQA_OK;
}

anqa_status anqa_control_path(char *path, size_t size)
{
    anqa_registry_entry *entries;
    size_t count;
    anqa_str text;

    anqa_registry_lookup(&sockets, anqa_str_of(sockets_key), &entries, &count);
    if (count == 0 || anqa_json_to_str(anqa_tmp(), entries[0].value, &text) != ANQA_OK)
        return ANQA_E_NOT_FOUND;
    snprintf(path, size, "%.*s", ANQA_FMT(text));
    return ANQA_OK;
}

static anqa_status path_take(struct server *server, anqa_error *err)
{
    const char *path = server->control->path;
    anqa_status status = listener_rename(server->listener, path, err);

    if (status != ANQA_OK)
        return status;
    server->is_beside = false;
    (void)anqa_registry_unregister(&sockets, anqa_str_of(beside_key));
    anqa_log(ANQA_INFO, "control.listening", "path=%s", path);
    status = anqa_registry_update_value(&sockets, anqa_str_of(sockets_key), anqa_jsonf("%s", path));
    return status == ANQA_OK ? ANQA_OK : anqa_fail(err, status, "%s: its entry", path);
}

static anqa_next take_place(void *state, anqa_msg *msg)
{
    struct server *server = state;
    anqa_error err = {.text = ""};
    anqa_status status = path_take(server, &err);

    return anqa_reply(anqa_jsonf("{'status': %d, 'text': %s}", (int)status, err.text));
}

anqa_status anqa_control_take_place(anqa_error *err)
{
    anqa_pid server = anqa_registry_whereis(&sockets, anqa_str_of(beside_key));
    anqa_status status;
    anqa_json answer;

    if (anqa_pid_is_none(server))
        return ANQA_OK;
    status =
        anqa_try_call(server, take_place_tag, ANQA_JSON_NULL, ANQA_CALL_TIMEOUT_MS, &answer, err);
    if (status != ANQA_OK)
        return status;
    status = (anqa_status)anqa_json_int(answer, "status", ANQA_OK);
    if (status == ANQA_OK)
        return ANQA_OK;
    anqa_str text = anqa_json_str(answer, "text");
    return anqa_fail(err, status, "%.*s", ANQA_FMT(text));
}

/* ---------------------------------------------------------------- accepting */

/* The mode of the socket's file is one lock; who is at the other end is asked as well, for the file may be moved or given
 * another mode, and a path of the user's own may lie in a folder of everybody's. */
static bool may_connect(anqa_tcp conn)
{
    struct ucred peer;
    socklen_t len = sizeof peer;

    if (getsockopt(anqa_tcp_fd(conn), SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0)
        return false;
    if (peer.uid == 0 || peer.uid == geteuid())
        return true;
    anqa_log(ANQA_WARN, "control.refused", "uid=%ld peer_pid=%ld next=closed", (long)peer.uid,
        (long)peer.pid);
    return false;
}

/* With a word, if it fits at once. */
static void refuse(anqa_tcp conn, anqa_status status, const char *message)
{
    anqa_str line = control_error_line(NULL, control_code(status), message);

    if (anqa_write(conn, line.ptr, line.len, 0, NULL) == ANQA_OK)
        (void)anqa_close(conn);
    else
        (void)anqa_tcp_reset(conn);
}

static void serve(const anqa_control *control, anqa_tcp conn)
{
    struct control_client_arg arg = {control};
    anqa_error err;
    anqa_pid client;

    if (!may_connect(conn)) {
        refuse(conn, ANQA_E_PERMISSION, "the control socket is for the program's own user");
        return;
    }
    anqa_status status = anqa_start_child(&anqa_control_clients, &arg, &client, &err);
    if (status != ANQA_OK)
        refuse(conn, status, status == ANQA_E_LIMIT ? "too many clients" : err.text);
    else if (anqa_tcp_move(conn, client, control_conn_tag) == ANQA_E_NOMEM)
        anqa_exit(anqa_error_reason("no memory to hand over a connection"));
}

/* Accepting is a message to ourselves, so that each connection is an event of its own. */
static anqa_next accept_later(void)
{
    if (anqa_send(anqa_self(), accept_tag, anqa_nothing()) != ANQA_OK)
        return anqa_stop_with(anqa_error_reason("no memory to accept connections"));
    return anqa_noreply();
}

static anqa_next accept_next(void *state, anqa_msg *msg)
{
    struct server *server = state;
    anqa_error err;
    anqa_tcp conn;
    anqa_status status = anqa_accept(
        server->listener, server->is_beside ? TAKE_POLL_MS : ANQA_INFINITY, &conn, &err);

    if (status == ANQA_OK)
        serve(server->control, conn);
    else if (status != ANQA_E_TIMEOUT && status != ANQA_E_LIMIT &&
             status != ANQA_E_NOMEM) /* those have waited, and pass */
        return anqa_stop_with(anqa_error_reason("%s", err.text));
    return accept_later();
}

static anqa_next server_init(void *state, const void *arg)
{
    struct server *server = state;
    anqa_error err;

    server->control = arg;
    if (arg == NULL || server->control->name == NULL)
        return anqa_stop_with(anqa_error_reason("a control socket needs .name: use ANQA_CONTROL"));
    if (server_listen(server, &err) != ANQA_OK)
        return anqa_stop_with(anqa_error_reason("%s", err.text));
    return accept_later();
}

const anqa_gen_server anqa_control_server = {
    .name = "anqa_control",
    .state_size = sizeof(struct server),
    .init = server_init,
    .handle_call = (const anqa_handler[]){{take_place_tag, take_place}, {0}},
    .handle_info = (const anqa_handler[]){{accept_tag, accept_next}, {0}},
};
