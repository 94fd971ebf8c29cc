/**
 * anqa/control.h - the control socket: what the `anqa` command and others talk to while a program runs.
 *
 * anqa_main opens one for every application (option `runtime.control`: a path, "off", or nothing for the usual place); the
 * command finds it there: `anqa tree`, `anqa observe`, `anqa stop`. A program adds operations of its own, which
 * `anqa rpc NAME ARGS` runs inside of it:
 *
 *     static anqa_status forget(anqa_json args, anqa_json *ret_answer, anqa_error *err)
 *     {
 *         *ret_answer = anqa_call(anqa_whereis("cache"), "forget", args, ANQA_CALL_TIMEOUT_MS);
 *         return ANQA_OK;
 *     }
 *     static const anqa_app shop = {
 *         .name = "shop",
 *         .control = (const anqa_control_op[]){{"forget", "forgets what the cache holds", forget}, {0}},
 *     };
 *
 * Place. `$XDG_RUNTIME_DIR/anqa/<name>.sock`, else `/tmp/anqa-<uid>/<name>.sock`; the folder is made with mode 0700 and
 * refused unless it is the user's own and nobody else may enter. The socket has mode 0600, and who connects must be the
 * same user or root, whatever the file's mode says. The socket of a program that is dead is replaced; beside one that is
 * alive a second one is called `<name>-<process id>.sock`. A path of one's own that is in use is an error, but for a
 * successor (see anqa_main_restart): it takes its predecessor's path when it has started.
 *
 * Protocol. A line is a JSON object, at most 64 KiB with its newline.
 *     {"id": 1, "op": "info", "args": {"pid": "<0.12.1>"}}     id: an integer from 0, chosen by the client
 *     {"id": 1, "ok": {...}}                                   or
 *     {"id": 1, "error": {"code": "noproc", "message": "no such process"}}
 * Requests run at the same time and are answered when they are done. One that streams sends {"id": 1, "event": {...}} any
 * number of times before its answer; {"id": 1, "op": "cancel"} ends any request, whose answer then is {"cancelled": true}.
 * When the client ends its side, what streams is cancelled and the rest is still answered. A line that is no request is
 * answered with an error and id null; one that is too long ends the connection. The operation "operations" lists what
 * there is.
 *
 * Limits. 16 clients, 16 requests at a time of each, answers of 8 MiB, 64 MiB of memory for each request. Nobody waits for
 * a client: one that has not read for 5 seconds what was written to it is dropped.
 *
 * Failing. Each request runs in a process of its own, under a supervisor that is not the application's: what crashes there
 * is an error of that request and no more.
 */
#ifndef ANQA_CONTROL_H
#define ANQA_CONTROL_H

#include <anqa/supervisor.h>

ANQA_BEGIN_DECLS

/** An operation of the program's own. `static const`; {0} ends a list of them. */
typedef struct anqa_control_op {
    const char *name; /* a-z, 0-9, _ and -, a letter first, at most 63; none that is built in */
    const char *doc;  /* one line for people */
    /* args: an object.   *ret_answer: null unless set; anqa_tmp, the heap, a literal.   err: E_... and words, optional.
     * Runs in a process of its own; may wait. */
    anqa_status (*run)(anqa_json args, anqa_json *ret_answer, anqa_error *err);
} anqa_control_op;

/** A control socket, for programs without anqa_main. One in a runtime. Zero is a sensible default but for `name`. */
typedef struct anqa_control {
    const char *name;    /* of the program: names the socket */
    const char *version; /* of the program, for people */
    const char *path;    /* NULL or "": the usual place */
    const anqa_control_op *ops;
    void (*stop)(void);    /* what the operation "stop" calls; NULL: not supported */
    void (*restart)(void); /* the same for "restart" */
} anqa_control;

/** What ANQA_CONTROL stands for. */
extern ANQA_API const anqa_dynamic_supervisor anqa_control_clients;
extern ANQA_API const anqa_gen_server anqa_control_server;

/** Children of any supervisor: the socket and its clients. The start fails when the socket cannot be made. */
#define ANQA_CONTROL(control)                            \
    {.dynamic_supervisor = &anqa_control_clients},       \
    {                                                    \
        .server = &anqa_control_server, .arg = (control) \
    }

/**
 * The path of the socket.   path: of at least `size` bytes; cut to it.
 * Fails: E_NOPROC (there is none), E_DIED, E_TIMEOUT.   Context: process; may wait.
 */
ANQA_API anqa_status anqa_control_path(char *path, size_t size) ANQA_MUST_CHECK;

/**
 * Of a program that is to take another's place, before that one ends: its socket goes to the path that it was told to have,
 * where the predecessor's has been until now. Until then it is at that path with ".new" behind. anqa_main does this
 * when the application has started. Fine where there is nothing to be done.
 * Fails: E_IN_USE, E_NOMEM, E_DIED, E_TIMEOUT, else as rename(2).   Context: process; may wait.
 */
ANQA_API anqa_status anqa_control_take_place(anqa_error *err) ANQA_MUST_CHECK;

ANQA_END_DECLS

#endif
