/**
 * anqa/gen_statem.h - a process that is a state machine: what an event does depends on the state it is in.
 *
 *     struct door { uint32_t opened; };
 *
 *     static anqa_step door_unlock(void *data, const anqa_statem_event *event)
 *     {
 *         struct door *door = data;
 *         door->opened++;
 *         return anqa_and_reply(anqa_next_state("open"), ANQA_JSON_TRUE);
 *     }
 *     static anqa_step door_opened(void *data, const anqa_statem_event *event)
 *     {
 *         return anqa_and_state_timeout(anqa_keep_state(), 5000);
 *     }
 *     static anqa_step door_relock(void *data, const anqa_statem_event *event)
 *     {
 *         return anqa_next_state("locked");
 *     }
 *     static const anqa_gen_statem door = ANQA_GEN_STATEM(struct door,
 *         .server.name = "door", .initial = "locked",
 *         .rows = (const anqa_statem_row[]){
 *             {"locked", ANQA_ON_CALL,          "unlock", door_unlock},
 *             {"open",   ANQA_ON_ENTER,         NULL,     door_opened},
 *             {"open",   ANQA_ON_STATE_TIMEOUT, NULL,     door_relock},
 *             {0}});
 *
 * The table. An event goes to the first row whose state, event and tag are its own; what a row leaves out matches all. So
 * a row {"locked", .run = locked} is one function for a state (OTP's state_functions), and {.run = handle} one for
 * everything (handle_event_function). Enter calls go only to rows of ANQA_ON_ENTER; a state without one has none. A
 * handler returns an anqa_step: where to go, and the actions that come along.
 *
 * A state is a text, compared as such: a literal, or from anqa_intern. Everything else that the machine remembers is its
 * data, a struct that is born zeroed.
 *
 * Order. First the enter call of a new state, then inserted events, then postponed ones (the oldest first), then
 * time-outs of 0 ms, then the mailbox. All that comes before the mailbox is one event of the process: anqa_tmp lives on.
 *
 * Time-outs. There are three kinds; each is armed by an action, and armed anew when it is armed already:
 *   event time-out   cancelled by any event, whatever it is, also by those that are inserted and by other time-outs
 *   state time-out   cancelled when the state changes; keeping and repeating the state leave it
 *   named time-outs  as many as there are names; they survive changes of state
 * One of ANQA_INFINITY is cancelled. One that has been cancelled never arrives, also if it was just about to.
 *
 * A state machine is a gen_server (`machine.server`): child specs (.server = &door.server), names, keys, stopping, calls,
 * casts, mailbox limits and trap_exit are those of anqa/gen_server.h; its members are set as .server.name = "door". As
 * there, a call or cast that no row takes is a crash, as are an inserted event and a time-out; any other message that no
 * row takes is logged and dropped.
 *
 * Threads. Machines are shared and constant; data belongs to its process. Handlers are free to wait.
 */
#ifndef ANQA_GEN_STATEM_H
#define ANQA_GEN_STATEM_H

#include <anqa/gen_server.h>

ANQA_BEGIN_DECLS

/* ---------------------------------------------------------------- events */

/** The kinds of events, for rows of a state and for inserted events. */
typedef enum anqa_statem_event_kind {
    ANQA_ON_ANY,           /* in a row: all but ENTER */
    ANQA_ON_CALL,          /* tag: the call's */
    ANQA_ON_CAST,          /* tag: the cast's */
    ANQA_ON_INFO,          /* any other message; tag: the message's, "EXIT", "DOWN" */
    ANQA_ON_INTERNAL,      /* inserted by anqa_and_event; tag: its own */
    ANQA_ON_TIMEOUT,       /* the event time-out; tag: "timeout" */
    ANQA_ON_STATE_TIMEOUT, /* tag: "state_timeout" */
    ANQA_ON_NAMED_TIMEOUT, /* tag: its name */
    ANQA_ON_ENTER          /* the state was entered, or repeated; tag: "enter" */
} anqa_statem_event_kind;

/** What happened. It lives as long as its handler runs. */
typedef struct anqa_statem_event {
    anqa_statem_event_kind kind;
    const char *tag;
    const char *state; /* the one it happens in */
    const char *
        previous; /* ENTER: where it came from; at the start and when repeated the same state. Else NULL */
    anqa_json body;
    /* CALL, CAST, INFO: the message; else NULL. anqa_msg_caller(event->msg) is for answering later, by anqa_reply_to */
    const anqa_msg *msg;
} anqa_statem_event;

/* ---------------------------------------------------------------- how a handler says what is next */

/** What an anqa_step says; made by the functions below. */
typedef enum anqa_step_kind {
    ANQA_STEP_INVALID_, /* what a zeroed one is: ends the machine with BAD_RETURN */
    ANQA_STEP_KEEP,
    ANQA_STEP_REPEAT,
    ANQA_STEP_NEXT,
    ANQA_STEP_STOP,
    ANQA_STEP_IGNORE
} anqa_step_kind;

struct anqa_statem_action_;

/** Made and changed by the functions below only. Their actions live as long as the current event. */
typedef struct anqa_step {
    anqa_step_kind kind;
    bool postpone, hibernate;
    const char *state;  /* NEXT */
    anqa_reason reason; /* STOP */
    struct anqa_statem_action_ *first, *last;
} anqa_step;

static inline anqa_step anqa_step_make_(anqa_step_kind kind, const char *state, anqa_reason reason)
{
    anqa_step step;
    step.kind = kind;
    step.postpone = step.hibernate = false;
    step.state = state;
    step.reason = reason;
    step.first = step.last = NULL;
    return step;
}

/** Stays in the state. Of init: the machine begins in `.initial`. */
static inline anqa_step anqa_keep_state(void)
{
    return anqa_step_make_(ANQA_STEP_KEEP, NULL, anqa_reason_of(ANQA_REASON_NONE));
}

/** Goes to a state: postponed events are tried again. If it is the present one, the same as anqa_keep_state. */
static inline anqa_step anqa_next_state(const char *state)
{
    return anqa_step_make_(ANQA_STEP_NEXT, state, anqa_reason_of(ANQA_REASON_NONE));
}

/** Stays in the state, but its enter call runs again. That is no change: postponed events wait, time-outs go on. */
static inline anqa_step anqa_repeat_state(void)
{
    return anqa_step_make_(ANQA_STEP_REPEAT, NULL, anqa_reason_of(ANQA_REASON_NONE));
}

/** Ends the process: terminate runs, then it exits. An answer that comes along is sent. Takes over the count of `reason`. */
static inline anqa_step anqa_stop_machine(anqa_reason reason)
{
    return anqa_step_make_(ANQA_STEP_STOP, NULL, reason);
}

/** Of init only: ends quietly, and the start says E_IGNORE. */
static inline anqa_step anqa_ignore_machine(void)
{
    return anqa_step_make_(ANQA_STEP_IGNORE, NULL, anqa_reason_of(ANQA_REASON_NONE));
}

/* Actions: each returns the step with one thing added. Of init and enter calls only what is said there. Without memory
 * for one the process exits. Context: process. */

/** Answers the call that the event is; anything else is BAD_RETURN. json: need not outlive the handler's frame. */
ANQA_API anqa_step anqa_and_reply(anqa_step step, anqa_json json) ANQA_MUST_CHECK;

/** Inserts an ANQA_ON_INTERNAL event, before all that waits; several come in their order. Not of an enter call.
 * tag: lives for ever.   body: is copied. */
ANQA_API anqa_step anqa_and_event(anqa_step step, const char *tag, anqa_json body) ANQA_MUST_CHECK;

/** Arms the event time-out: it arrives if nothing else does for so long. 0: at once, unless something waits. */
ANQA_API anqa_step anqa_and_timeout(anqa_step step, uint32_t timeout_ms) ANQA_MUST_CHECK;

/** Arms the state time-out, of the state that the step goes to. */
ANQA_API anqa_step anqa_and_state_timeout(anqa_step step, uint32_t timeout_ms) ANQA_MUST_CHECK;

/** Arms the time-out of that name, which lives for ever. body: its event's; is copied. */
ANQA_API anqa_step anqa_and_named_timeout(
    anqa_step step, const char *name, uint32_t timeout_ms, anqa_json body) ANQA_MUST_CHECK;

/** Gives a named time-out another body and leaves its time; one that is not armed arrives as one of 0 ms. */
ANQA_API anqa_step anqa_and_update_timeout(
    anqa_step step, const char *name, anqa_json body) ANQA_MUST_CHECK;

/** Cancels a named time-out; fine if it is not armed. */
static inline anqa_step anqa_and_cancel_timeout(anqa_step step, const char *name)
{
    return anqa_and_named_timeout(step, name, ANQA_INFINITY, ANQA_JSON_NULL);
}

/** Keeps the event until the state has changed; then it comes again, before the mailbox. Not of init nor an enter call. */
static inline anqa_step anqa_and_postpone(anqa_step step)
{
    step.postpone = true;
    return step;
}

/** `hibernate` runs when nothing more is to be done at once. */
static inline anqa_step anqa_and_hibernate(anqa_step step)
{
    step.hibernate = true;
    return step;
}

/* ---------------------------------------------------------------- the machine */

/** One row of the table, which {0} ends; see above. */
typedef struct anqa_statem_row {
    const char *state;           /* NULL: every state */
    anqa_statem_event_kind kind; /* ANQA_ON_ANY: every event but ENTER */
    const char *tag;             /* NULL: every tag */
    /* Of ENTER: it may keep the state or stop; it may arm time-outs and hibernate, but not postpone or insert. */
    anqa_step (*run)(void *data, const anqa_statem_event *event);
} anqa_statem_row;

/** What a state machine is. `static const`: processes point to it. Made by ANQA_GEN_STATEM. */
typedef struct anqa_gen_statem {
    /* How it is started. For the user: name, arg_size, hibernate_after_ms, label, trap_exit, pinned, priority,
     * mailbox_limit, overflow, heap_quota; the others are filled by ANQA_GEN_STATEM */
    anqa_gen_server server;
    const char *initial; /* the first state, unless init goes to another */
    const anqa_statem_row *rows;
    /* NULL: always succeeds. It may keep, go to a state, stop, ignore; insert, arm time-outs, hibernate. The first
     * state's enter call runs behind it, when the start has returned */
    anqa_step (*init)(void *data, const void *arg);
    void (*terminate)(void *data, const char *state, anqa_reason reason);
    /* the data as people may see it in crash logs: without secrets; NULL: only the state is shown */
    anqa_json (*format_status)(void *data, const char *state);
    anqa_json (*format_message)(void *data, const anqa_msg *msg); /* as in anqa_gen_server */
    void (*hibernate)(void *data); /* time to give back what can be made again */
} anqa_gen_statem;

/* The parts of the gen_server; not to be called. */
ANQA_API anqa_next anqa_statem_init_(void *block, const void *arg);
ANQA_API anqa_next anqa_statem_call_(void *block, anqa_msg *msg);
ANQA_API anqa_next anqa_statem_cast_(void *block, anqa_msg *msg);
ANQA_API anqa_next anqa_statem_info_(void *block, anqa_msg *msg);
ANQA_API void anqa_statem_terminate_(void *block, anqa_reason reason);
ANQA_API anqa_json anqa_statem_format_(void *block);
ANQA_API anqa_json anqa_statem_format_message_(void *block, const anqa_msg *msg);
ANQA_API void anqa_statem_hibernate_(void *block);
ANQA_API extern const anqa_handler anqa_statem_continue_[];
#define ANQA_STATEM_SIZE_ 96 /* of what stands before the data */

/** Fills in what every machine has. type: of its data; `char` if it has none. */
#define ANQA_GEN_STATEM(type, ...)                            \
    {.server.state_size = ANQA_STATEM_SIZE_ + sizeof(type),   \
        .server.init = anqa_statem_init_,                     \
        .server.handle_continue = anqa_statem_continue_,      \
        .server.handle_any_call = anqa_statem_call_,          \
        .server.handle_any_cast = anqa_statem_cast_,          \
        .server.handle_any_info = anqa_statem_info_,          \
        .server.terminate = anqa_statem_terminate_,           \
        .server.format_status = anqa_statem_format_,          \
        .server.format_message = anqa_statem_format_message_, \
        .server.hibernate = anqa_statem_hibernate_,           \
        __VA_ARGS__}

/** As anqa_gen_server_start. An init that says in which state to begin neither by its step nor by `.initial` is E_DIED. */
ANQA_MUST_CHECK static inline anqa_status anqa_gen_statem_start(const anqa_gen_statem *machine,
    const void *arg, const anqa_start_opts *opts, anqa_pid *ret_pid, anqa_error *err)
{
    return anqa_gen_server_start(&machine->server, arg, opts, ret_pid, err);
}

/** As anqa_gen_server_start_link. */
ANQA_MUST_CHECK static inline anqa_status anqa_gen_statem_start_link(const anqa_gen_statem *machine,
    const void *arg, const anqa_start_opts *opts, anqa_pid *ret_pid, anqa_error *err)
{
    return anqa_gen_server_start_link(&machine->server, arg, opts, ret_pid, err);
}

/** As anqa_gen_server_stop. */
static inline anqa_status anqa_gen_statem_stop(
    anqa_pid machine, anqa_reason reason, uint32_t timeout_ms)
{
    return anqa_gen_server_stop(machine, reason, timeout_ms);
}

ANQA_END_DECLS

#endif
