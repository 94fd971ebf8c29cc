/* A client of the control socket: its connection, what it has asked, and who reads for it. */
#include "control/control.h"

#include <stdio.h>
#include <unistd.h>

#include <anqa/memory.h>
#include <anqa/net.h>

#define CONN_MS 5000u /* for the connection to come, once the client has started */

const char control_conn_tag[] = "conn";
const char control_line_tag[] = "line";
const char control_long_tag[] = "line_too_long";
const char control_event_tag[] = "event";
const char control_answer_tag[] = "answer";

/* A request under way. */
struct pending {
    anqa_pid pid; /* nobody: a free place */
    uint64_t id;
    bool streams, is_answered, is_cancelled;
};

struct client {
    const anqa_control *control;
    anqa_tcp conn;
    anqa_pid reader; /* nobody: the input has ended */
    struct pending pending[CONTROL_REQUESTS_MAX];
};

/* ---------------------------------------------------------------- the reader */

static void give(anqa_pid client, const char *tag, anqa_str bytes)
{
    (void)anqa_call_payload(client, tag, anqa_bytes(bytes.ptr, bytes.len), ANQA_INFINITY);
}

/* False: a line is too long. */
static bool give_lines(anqa_pid client, struct control_input *input)
{
    anqa_status status;
    anqa_str line;

    while ((status = control_input_next(input, &line)) == ANQA_OK)
        give(client, control_line_tag, line);
    if (status == ANQA_E_LIMIT)
        give(client, control_long_tag, anqa_str_make("", 0));
    return status != ANQA_E_LIMIT;
}

/* Its end, for whatever reason, is the end of the input. */
static void reader_run(void *arg)
{
    anqa_pid client = *(const anqa_pid *)arg;
    struct control_input *input = anqa_heap_calloc(1, sizeof *input);
    anqa_tcp conn;
    size_t n, size;

    if (anqa_tcp_take(anqa_receive(ANQA_INFINITY), &conn) != ANQA_OK)
        return;
    do {
        char *room = control_input_room(input, &size);
        (void)anqa_receive(
            0); /* ends the event: nobody writes to us, but answers to calls are kept */
        if (anqa_read(conn, room, size, ANQA_INFINITY, &n) != ANQA_OK)
            return;
        control_input_add(input, n);
    } while (give_lines(client, input));
}

/* ---------------------------------------------------------------- writing */

static void client_write(const struct client *client, anqa_str line)
{
    anqa_status status = anqa_write(client->conn, line.ptr, line.len, CONTROL_WRITE_MS, NULL);

    if (status != ANQA_OK)
        anqa_exit(anqa_reason_make(
            ANQA_REASON_SHUTDOWN, "a control client: %s", anqa_status_text(status)));
}

static void client_error(
    const struct client *client, const uint64_t *id, anqa_status status, const char *message)
{
    client_write(client, control_error_line(id, control_code(status), message));
}

/* ---------------------------------------------------------------- requests */

static struct pending *pending_of_id(struct client *client, uint64_t id)
{
    for (size_t i = 0; i < CONTROL_REQUESTS_MAX; i++)
        if (!anqa_pid_is_none(client->pending[i].pid) && client->pending[i].id == id)
            return &client->pending[i];
    return NULL;
}

/* Of nobody: a free place. */
static struct pending *pending_of_pid(struct client *client, anqa_pid pid)
{
    for (size_t i = 0; i < CONTROL_REQUESTS_MAX; i++)
        if (anqa_pid_eq(client->pending[i].pid, pid))
            return &client->pending[i];
    return NULL;
}

static void cancel(struct pending *pending)
{
    pending->is_cancelled = true;
    anqa_exit_signal(pending->pid, ANQA_KILL);
}

static void request_begin(struct client *client, const struct control_request_line *line)
{
    struct control_request request = {.control = client->control,
        .op = control_op_find(line->op),
        .program_op = control_program_op_find(client->control, line->op),
        .client = anqa_self(),
        .id = line->id,
        .args = line->args};
    struct pending *pending = pending_of_pid(client, (anqa_pid){0});
    struct pending made = {.id = line->id, .streams = request.op != NULL && request.op->streams};
    anqa_status status;

    if (request.op == NULL && request.program_op == NULL) {
        client_error(client, &line->id, ANQA_E_UNSUPPORTED,
            anqa_tmp_printf("there is no operation '%s'", line->op));
    } else if (pending_of_id(client, line->id) != NULL) {
        client_error(client, &line->id, ANQA_E_EXISTS, "a request with this id is under way");
    } else if (pending == NULL) {
        client_error(client, &line->id, ANQA_E_LIMIT, "too many requests are under way");
    } else {
        status = control_request_start(&request, &made.pid);
        if (status != ANQA_OK)
            client_error(client, &line->id, status, anqa_status_text(status));
        else
            *pending = made;
    }
}

static anqa_next client_line(void *state, anqa_msg *msg)
{
    struct client *client = state;
    struct control_request_line line;
    struct pending *pending;
    anqa_error err;
    anqa_status status = control_line_parse(anqa_json_text(msg->body), &line, &err);

    if (status != ANQA_OK) {
        client_error(client, line.has_id ? &line.id : NULL, status, err.text);
    } else if (strcmp(line.op, "cancel") == 0) {
        pending = pending_of_id(client, line.id);
        if (pending == NULL)
            client_error(client, &line.id, ANQA_E_NOT_FOUND, "no such request is under way");
        else
            cancel(pending);
    } else {
        request_begin(client, &line);
    }
    return anqa_reply(ANQA_JSON_NULL);
}

static anqa_next client_line_too_long(void *state, anqa_msg *msg)
{
    client_error(state, NULL, ANQA_E_LIMIT, "a line is longer than 64 KiB");
    return anqa_stop_with(anqa_reason_make(ANQA_REASON_SHUTDOWN, "a line is too long"));
}

static anqa_next client_event(void *state, anqa_msg *msg)
{
    client_write(state, anqa_json_text(msg->body));
    return anqa_reply(ANQA_JSON_NULL);
}

static anqa_next client_answer(void *state, anqa_msg *msg)
{
    struct pending *pending = pending_of_pid(state, msg->from);

    if (pending != NULL && !pending->is_cancelled) {
        pending->is_answered = true;
        client_write(state, anqa_json_text(msg->body));
    }
    return anqa_reply(ANQA_JSON_NULL);
}

/* ---------------------------------------------------------------- ends */

static void request_ended(struct client *client, struct pending *pending, anqa_reason reason)
{
    struct pending ended = *pending;
    char text[200];

    *pending = (struct pending){.id = 0};
    if (ended.is_answered)
        return;
    if (ended.is_cancelled)
        client_write(client, control_ok_line(ended.id, ANQA_JSON_LITERAL_("{\"cancelled\":true}")));
    else
        client_error(client, &ended.id, ANQA_E_DIED,
            anqa_tmp_printf("the operation has ended without an answer: %s",
                anqa_reason_format(reason, text, sizeof text)));
}

/* The client is not going to say anything more: what would not end by itself is ended. */
static void input_ended(struct client *client)
{
    client->reader = (anqa_pid){0};
    for (size_t i = 0; i < CONTROL_REQUESTS_MAX; i++)
        if (client->pending[i].streams)
            cancel(&client->pending[i]);
}

static bool is_idle(const struct client *client)
{
    for (size_t i = 0; i < CONTROL_REQUESTS_MAX; i++)
        if (!anqa_pid_is_none(client->pending[i].pid))
            return false;
    return true;
}

static anqa_next client_exit(void *state, anqa_msg *msg)
{
    struct client *client = state;
    struct pending *pending = pending_of_pid(client, msg->from);

    if (anqa_pid_eq(msg->from, client->reader))
        input_ended(client);
    else if (pending != NULL)
        request_ended(client, pending, msg->u.reason);
    if (anqa_pid_is_none(client->reader) && is_idle(client))
        return anqa_stop_with(ANQA_SHUTDOWN);
    return anqa_noreply();
}

/* ---------------------------------------------------------------- the beginning */

/* The reader has a descriptor of its own, since a connection belongs to one process. */
static anqa_status reader_start(struct client *client)
{
    anqa_pid self = anqa_self();
    anqa_spawn_opts opts = {
        .run = reader_run, .arg = &self, .arg_size = sizeof self, .label = "reader", .link = true};
    anqa_tcp input;
    int fd;
    anqa_status status = anqa_tcp_dup(client->conn, &fd);

    if (status != ANQA_OK)
        return status;
    status = anqa_tcp_adopt(fd, &input, NULL);
    if (status != ANQA_OK) {
        close(fd);
        return status;
    }
    status = anqa_spawn(&opts, &client->reader, NULL);
    if (status != ANQA_OK)
        return status;
    return anqa_tcp_move(input, client->reader, control_conn_tag);
}

static anqa_next client_conn(void *state, anqa_msg *msg)
{
    struct client *client = state;
    anqa_status status = anqa_tcp_take(msg, &client->conn);

    if (status == ANQA_OK)
        status = reader_start(client);
    if (status != ANQA_OK)
        return anqa_stop_with(anqa_reason_make(
            ANQA_REASON_SHUTDOWN, "a control client: %s", anqa_status_text(status)));
    return anqa_noreply();
}

static anqa_next client_timeout(void *state, anqa_msg *msg)
{
    return anqa_stop_with(anqa_reason_make(ANQA_REASON_SHUTDOWN, "no connection came"));
}

static anqa_next client_init(void *state, const void *arg)
{
    struct client *client = state;

    client->control = ((const struct control_client_arg *)arg)->control;
    return anqa_then_timeout(anqa_noreply(), CONN_MS);
}

const anqa_gen_server control_client_server = {
    .state_size = sizeof(struct client),
    .arg_size = sizeof(struct control_client_arg),
    .init = client_init,
    .handle_call = (const anqa_handler[]){{control_line_tag, client_line},
        {control_long_tag, client_line_too_long}, {control_event_tag, client_event},
        {control_answer_tag, client_answer}, {0}},
    .handle_info = (const anqa_handler[]){{control_conn_tag, client_conn}, {"EXIT", client_exit},
        {"timeout", client_timeout}, {0}},
    .label = "control client",
    .trap_exit = true,
};
