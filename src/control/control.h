/*
 * The control socket's own parts. A *server* (server.c) listens and hands each connection to a *client*
 * (client.c), a process which owns the connection. The client has a reader, which cuts the input into lines, and
 * one process for each request (request.c), in which an operation runs (ops.c):
 *
 *     server --conn--> client <--line-- reader
 *                        | `--spawns--> request, request, ...
 *                        `<--answer, event--'
 *
 * All are linked to the client. What a request or the reader gives it is a call, answered when the bytes are with the
 * kernel: so there is never more than one piece of each in its mailbox.
 */
#ifndef CONTROL_CONTROL_H
#define CONTROL_CONTROL_H

/* IWYU pragma: begin_exports */
#include <anqa/control.h>

#include "control/line.h"
/* IWYU pragma: end_exports */

#define CONTROL_CLIENTS_MAX 16u
#define CONTROL_REQUESTS_MAX 16u
#define CONTROL_ANSWER_MAX ((size_t)8 << 20)
#define CONTROL_REQUEST_QUOTA ((size_t)64 << 20)
#define CONTROL_WRITE_MS 5000u

/* ---------------------------------------------------------------- clients */

extern const char control_conn_tag[];   /* a client's connection, moved to it */
extern const char control_line_tag[];   /* reader: a line */
extern const char control_long_tag[];   /* reader: the next line is too long */
extern const char control_event_tag[];  /* request: a line to be written */
extern const char control_answer_tag[]; /* request: the last one */

struct control_client_arg {
    const anqa_control *control;
};

extern const anqa_gen_server control_client_server;

/* ---------------------------------------------------------------- requests */

/* What runs in a request's process. owner: that process. */
struct control_request {
    const anqa_control *control;
    const struct control_op *op;       /* built in; NULL: */
    const anqa_control_op *program_op; /* the program's own */
    anqa_pid client;
    uint64_t id;
    anqa_json args; /* borrows the process's state */
};

struct control_op {
    const char *name, *doc;
    bool streams;
    anqa_status (*run)(
        const struct control_request *request, anqa_json *ret_answer, anqa_error *err);
};

/* Starts the process of a request, linked. Copies what it borrows. */
anqa_status control_request_start(const struct control_request *request, anqa_pid *ret_pid);

/* The lines that end a request, in the event's memory. id: NULL for a line that is no request. */
anqa_str control_ok_line(uint64_t id, anqa_json answer);
anqa_str control_error_line(const uint64_t *id, const char *code, const char *message);
/* The text, with '?' in place of what is no UTF-8. */
anqa_str control_utf8(anqa_str text);
/* "not_found" for E_NOT_FOUND. */
const char *control_code(anqa_status status);

/* Of an operation that streams: sends an event to the client, and waits until it is written. */
void control_event(const struct control_request *request, anqa_json event);

/* ---------------------------------------------------------------- operations */

/* NULL: there is none of that name. */
const struct control_op *control_op_find(const char *name);
const anqa_control_op *control_program_op_find(const anqa_control *control, const char *name);
/* Whether a program's list of operations can be used. Fails: E_INVALID, E_EXISTS. */
anqa_status control_ops_check(const anqa_control_op *ops, anqa_error *err) ANQA_MUST_CHECK;

#endif
