/**
 * anqa/gen_server.h - a process that serves: calls, casts and other messages, one at a time, over a state of its own.
 *
 *     struct counter { int64_t value; };
 *
 *     static anqa_next counter_add(void *state, anqa_msg *msg)
 *     {
 *         struct counter *counter = state;
 *         counter->value += anqa_json_int(msg->body, "by", 1);
 *         return anqa_reply(anqa_jsonf("%" PRId64, counter->value));
 *     }
 *     static const anqa_gen_server counter_server = {
 *         .name = "counter", .state_size = sizeof(struct counter),
 *         .handle_call = (const anqa_handler[]){{"add", counter_add}, {0}},
 *     };
 *
 * A server is described by a `static const` struct; what is left out has OTP's default. Handlers are found by tag, in the
 * order of their table, and say by their return value (`anqa_next`) how to go on. They run in the server's process and
 * are free to wait: the server then handles nothing else, and its scheduler goes on with other processes. The state is
 * born zeroed and ends with the process.
 *
 * Failing. A server that meets what it cannot handle lets it crash (anqa_exit, anqa_stop_with, ANQA_REQUIRE) and its
 * supervisor acts. A call or cast that no handler takes is such a crash; any other message that no handler takes is
 * logged and dropped. A zeroed anqa_next is no valid return value and ends the server with BAD_RETURN.
 *
 * The end. `terminate` runs when the server's own code ends it (a stop, anqa_exit, a failed ANQA_REQUIRE), when
 * anqa_gen_server_stop asks, and when the parent's exit signal arrives while the server traps exits. It does not run
 * when the server is killed, on an exit signal that is not trapped, after a memory fault (its state cannot be trusted
 * then), nor when init did not succeed. What must happen in every case is a defer's (anqa/memory.h) or a monitor's work.
 *
 * Threads. Specs are shared and constant; a state belongs to its process.
 */
#ifndef ANQA_GEN_SERVER_H
#define ANQA_GEN_SERVER_H

#include <anqa/memory.h>
#include <anqa/process.h>

ANQA_BEGIN_DECLS

/* ---------------------------------------------------------------- how a handler says what is next */

/** What an anqa_next says; made by the functions below. */
typedef enum anqa_next_kind {
    ANQA_NEXT_INVALID_, /* what a zeroed one is */
    ANQA_NEXT_NOREPLY,
    ANQA_NEXT_REPLY,
    ANQA_NEXT_REPLY_ERROR, /* the payload is the error's text, or JSON */
    ANQA_NEXT_STOP,
    ANQA_NEXT_STOP_REPLY,
    ANQA_NEXT_IGNORE
} anqa_next_kind;

/** Made and changed by the functions below only; returned by handlers of all behaviours. */
typedef struct anqa_next {
    uint8_t kind; /* anqa_next_kind */
    bool hibernate;
    bool has_timeout;
    uint32_t timeout_ms;
    const char *then;   /* tag of the handle_continue that runs next, or NULL */
    anqa_reason reason; /* of a stop */
    /* borrowed until the handler has returned: never from the handler's own frame */
    anqa_payload answer;
} anqa_next;

static inline anqa_next anqa_next_make_(anqa_next_kind kind, anqa_payload answer)
{
    anqa_next next;
    next.kind = (uint8_t)kind;
    next.hibernate = false;
    next.has_timeout = false;
    next.timeout_ms = 0;
    next.then = NULL;
    next.reason.bits = 0;
    next.answer = answer;
    return next;
}

/** Goes on; of init: the start succeeded. The answer to a call may be given later, see anqa_msg_caller. */
static inline anqa_next anqa_noreply(void)
{
    return anqa_next_make_(ANQA_NEXT_NOREPLY, anqa_nothing());
}

/** Answers the call. `json` must outlive the handler's frame: anqa_tmp, the state, a literal. */
static inline anqa_next anqa_reply(anqa_json json)
{
    return anqa_next_make_(ANQA_NEXT_REPLY, anqa_text(json));
}

/** As anqa_reply, with any payload. */
static inline anqa_next anqa_reply_payload(anqa_payload payload)
{
    return anqa_next_make_(ANQA_NEXT_REPLY, payload);
}

/** As anqa_reply; the pair of anqa_reply_error where an answer says ok or error. */
static inline anqa_next anqa_reply_ok(anqa_json json)
{
    return anqa_reply(json);
}

/** Answers with an error that `text` (which outlives the handler) explains. A gen_server's caller gets {"error": text}. */
static inline anqa_next anqa_reply_error(const char *text)
{
    return anqa_next_make_(ANQA_NEXT_REPLY_ERROR, anqa_bytes(text, strlen(text)));
}

/** Answers with an error that an object describes: of a channel that is the response, of a gen_server {"error": object}. */
static inline anqa_next anqa_reply_error_json(anqa_json json)
{
    return anqa_next_make_(ANQA_NEXT_REPLY_ERROR, anqa_text(json));
}

/** Ends the process: terminate(reason) runs, then it exits. Takes over the caller's count of `reason`. */
static inline anqa_next anqa_stop_with(anqa_reason reason)
{
    anqa_next next = anqa_next_make_(ANQA_NEXT_STOP, anqa_nothing());
    next.reason = reason;
    return next;
}

/** Answers the call, then ends the process. */
static inline anqa_next anqa_stop_reply(anqa_reason reason, anqa_json json)
{
    anqa_next next = anqa_next_make_(ANQA_NEXT_STOP_REPLY, anqa_text(json));
    next.reason = reason;
    return next;
}

/** Of init only: ends quietly, and the start says E_IGNORE. A supervisor keeps the spec without a process. */
static inline anqa_next anqa_ignore(void)
{
    return anqa_next_make_(ANQA_NEXT_IGNORE, anqa_nothing());
}

/** Adds: if nothing arrives for `timeout_ms`, handle_info gets the tag "timeout". Any message cancels it. 0: at once,
 * unless something waits in the mailbox. */
static inline anqa_next anqa_then_timeout(anqa_next next, uint32_t timeout_ms)
{
    next.has_timeout = timeout_ms != ANQA_INFINITY;
    next.timeout_ms = timeout_ms;
    return next;
}

/** Adds: handle_continue's handler of that tag runs next, before anything in the mailbox. */
static inline anqa_next anqa_then_continue(anqa_next next, const char *tag)
{
    next.then = tag;
    return next;
}

/** Adds: `hibernate` runs now, as there will be nothing to do for long. */
static inline anqa_next anqa_then_hibernate(anqa_next next)
{
    next.hibernate = true;
    return next;
}

/* ---------------------------------------------------------------- the server */

/** One row of a handler table, which {0} ends. */
typedef struct anqa_handler {
    const char *tag;
    anqa_next (*run)(void *state, anqa_msg *msg);
} anqa_handler;

/** What a server is. `static const`: processes point to it. Zero is a sensible default everywhere. */
typedef struct anqa_gen_server {
    const char *name; /* registered before init runs, unique in the runtime; NULL: none */
    size_t state_size;
    /* init's argument is a copy of so many bytes, which lives as long as the process; 0: the pointer */
    size_t arg_size;
    anqa_next (*init)(void *state, const void *arg); /* NULL: always succeeds */

    const anqa_handler *handle_call, *handle_cast, *handle_info, *handle_continue;
    /* what the tables do not have; NULL: see above */
    anqa_next (*handle_any_call)(void *state, anqa_msg *msg);
    anqa_next (*handle_any_cast)(void *state, anqa_msg *msg);
    anqa_next (*handle_any_info)(void *state, anqa_msg *msg);

    void (*terminate)(void *state, anqa_reason reason);
    /* the state as people may see it in crash logs: without secrets; NULL: not shown. Must not wait */
    anqa_json (*format_status)(void *state);
    /* the same of the message that it crashed on; `return msg->body;` shows it as it is. NULL: kind, tag and length */
    anqa_json (*format_message)(void *state, const anqa_msg *msg);
    /* takes a state from outside (anqa_sys_replace_state); what it fails with goes to the asker. NULL: not offered */
    anqa_status (*replace_state)(void *state, anqa_json value, anqa_error *err);
    /* time to give back what can be made again; an idle process owns no stack anyway */
    void (*hibernate)(void *state);
    uint32_t hibernate_after_ms; /* `hibernate` runs after so long without a message; 0: never */

    const char *label; /* for people; NULL: none, as `name` is shown */
    /* exit signals become handle_info "EXIT"; the parent's one ends the server, by terminate */
    bool trap_exit;
    bool pinned; /* never moved to another scheduler */
    anqa_priority priority;
    uint32_t mailbox_limit; /* messages waiting; 0: no bound */
    anqa_overflow overflow; /* what happens beyond it */
    size_t heap_quota;      /* 0: the runtime's default */
} anqa_gen_server;

struct anqa_registry;

/** How one process of a server is started; NULL stands for all zero. */
typedef struct anqa_start_opts {
    const char *name; /* instead of the spec's; it is copied */
    const struct anqa_registry
        *registry;       /* `name` is a key in this one; NULL: a name as any other */
    anqa_json value;     /* of its entry in `registry`; copied. Zero: null */
    uint32_t timeout_ms; /* for init; 0: as long as it takes. On expiry the process is killed */
    uint16_t scheduler;  /* 1..n: start there */
} anqa_start_opts;

/**
 * Starts a server, not linked; returns when its init has.
 * arg: arg_size bytes of it are copied (NULL: zeroes); with an arg_size of 0 the pointer itself is handed on.
 * Fails: E_EXISTS (the name is taken), E_IGNORE (init said so), E_STOPPED (init gave up), E_DIED (init
 * crashed), E_TIMEOUT, E_INVALID, E_LIMIT, E_NOMEM; err has the reason in words.
 * Context: process; may wait.
 */
ANQA_API anqa_status anqa_gen_server_start(const anqa_gen_server *server, const void *arg,
    const anqa_start_opts *opts, anqa_pid *ret_pid, anqa_error *err) ANQA_MUST_CHECK;

/**
 * As anqa_gen_server_start, linked to the caller. As in OTP a failed start that is no E_IGNORE also sends the caller the
 * exit signal, unless the caller traps exits: then the error is all it hears.
 */
ANQA_API anqa_status anqa_gen_server_start_link(const anqa_gen_server *server, const void *arg,
    const anqa_start_opts *opts, anqa_pid *ret_pid, anqa_error *err) ANQA_MUST_CHECK;

/**
 * Asks a server to end with `reason` (taken over), waits until it is gone. terminate runs. Works for supervisors too.
 * timeout_ms: usually ANQA_INFINITY.
 * Fails: E_NOPROC, E_TIMEOUT (it may still end later), E_DIED (it ended, but with another reason).
 * Context: process; may wait.
 */
ANQA_API anqa_status anqa_gen_server_stop(anqa_pid server, anqa_reason reason, uint32_t timeout_ms);

/* ---------------------------------------------------------------- asking */

/* With the parts of the payload in registers, see anqa_send_parts_. */
ANQA_API const anqa_msg *anqa_call_parts_(anqa_pid to, const char *tag, anqa_payload_kind kind,
    const void *ptr, size_t len, struct anqa_buf_block *shared, uint32_t timeout_ms);
ANQA_API void anqa_cast_parts_(anqa_pid to, const char *tag, anqa_payload_kind kind,
    const void *ptr, size_t len, struct anqa_buf_block *shared);

/** What a call waits as a rule. */
#define ANQA_CALL_TIMEOUT_MS 5000u

/**
 * Asks `to` and returns its answer, which lives as long as the current event.
 * There is no failure to handle: if the server is dead, dies or takes longer than `timeout_ms`, the *caller* exits, with
 * NOPROC, the server's reason (ERROR in place of a quiet one) or TIMEOUT. After a time-out the request stays with the
 * server; its late answer is dropped.
 * tag: a literal or from anqa_intern.   timeout_ms: as a rule ANQA_CALL_TIMEOUT_MS; ANQA_INFINITY is allowed.
 * Context: process; may wait.
 */
ANQA_API anqa_json anqa_call(anqa_pid to, const char *tag, anqa_json arg, uint32_t timeout_ms);

/** As anqa_call, with any payload each way. */
static inline const anqa_msg *anqa_call_payload(
    anqa_pid to, const char *tag, anqa_payload arg, uint32_t timeout_ms)
{
    return anqa_call_parts_(to, tag, arg.kind, arg.ptr, arg.len, arg.u.block, timeout_ms);
}

/**
 * As anqa_call, but failures come back and are told apart.
 * Fails: E_NOPROC (never delivered: it was dead, or died before it began), E_DIED (the server died over it: outcome
 * unknown), E_TIMEOUT (outcome unknown; the late answer is dropped).   err: says who and why; may be NULL.
 * Context: process; may wait.
 */
ANQA_API anqa_status anqa_try_call(anqa_pid to, const char *tag, anqa_json arg, uint32_t timeout_ms,
    anqa_json *ret_answer, anqa_error *err) ANQA_MUST_CHECK;
ANQA_API anqa_status anqa_try_call_payload(anqa_pid to, const char *tag, anqa_payload arg,
    uint32_t timeout_ms, const anqa_msg **ret_answer, anqa_error *err) ANQA_MUST_CHECK;

/** Tells `to` something, which arrives at handle_cast. Always fine, also when nobody is there. Context: process. */
static inline void anqa_cast_payload(anqa_pid to, const char *tag, anqa_payload arg)
{
    anqa_cast_parts_(to, tag, arg.kind, arg.ptr, arg.len, arg.u.block);
}
/** As anqa_cast_payload, with JSON. */
static inline void anqa_cast(anqa_pid to, const char *tag, anqa_json arg)
{
    anqa_cast_payload(to, tag, anqa_text(arg));
}

ANQA_END_DECLS

#endif
