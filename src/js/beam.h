/*
 * What scripts ask of the host, by number: the first argument of boot.js's `host`.
 */
#ifndef JS_BEAM_H
#define JS_BEAM_H

#include "js/js.h" // IWYU pragma: export

enum beam_op {
    BEAM_LOG,
    BEAM_CALL,
    BEAM_CALL_SYNC,
    BEAM_SEND,
    BEAM_SELF,
    BEAM_ID,
    BEAM_MONITOR,
    BEAM_DEMONITOR,
    BEAM_LINK,
    BEAM_UNLINK,
    BEAM_EXIT,
    BEAM_NOW,
    BEAM_TIMER,
    BEAM_SETTLED,
    BEAM_TEXT,
    BEAM_SUBSCRIBE,
    BEAM_UNSUBSCRIBE,
    BEAM_PUBLISH,
    BEAM_SPAWN,
    BEAM_REGISTER,
    BEAM_UNREGISTER,
    BEAM_WHEREIS,
    BEAM_UNIQUE,
    BEAM_MAKE_REF,
    BEAM_NANOSECONDS,
    BEAM_UUID,
    BEAM_HASH,
    BEAM_ESCAPE,
    BEAM_PEEK,
    BEAM_PROCESS_INFO,
    BEAM_SYSTEM_INFO,
    BEAM_PASSWORD,
    BEAM_OP_COUNT
};

/* A Beam.call that runs in a task. */
struct js_task {
    anqa_ref ref; /* of its result */
    uint32_t id;
};

enum { BEAM_TOPICS_MAX = 100 }; /* of BroadcastChannels, open at once */

/* The tag of messages to ourselves; told apart by address. */
extern const char beam_timer_tag[];

/* The import: boxes in, a box out, or 0 with an exception set. */
uint32_t beam_call(struct js *js, uint32_t argc, uint32_t argv);
/* An id that boot.js has given; 0: it is none. */
uint32_t beam_id(uint64_t value);
/* Starts a process that runs `run` with a copy of `arg`; the promise that boot.js has noted as `id` becomes what it
 * returns, made by beam_answer: a value, or the message of an Error. `name`, which must last: for logs. Undefined, or
 * JS_EXCEPTION. */
uint64_t beam_start(struct js *js, const char *name, anqa_payload (*run)(void *arg),
    const void *arg, size_t size, uint32_t id);
/* Context: the process that was started. */
anqa_payload beam_answer(bool ok, const void *ptr, size_t len);
/* The text of any value, in scratch memory. False: an exception is set. */
bool beam_text(struct js *js, uint64_t value, anqa_str *ret_text);
/* The bytes of a value that is to go to another process. False: an exception is set, also when the turn has sent as much as it
 * may. */
bool beam_parcel(struct js *js, uint64_t value, anqa_value *ret_value);
/* What waits in mailboxes is in nobody's memory. So whatever a script has others hold lies in bufs on this meter until who gets
 * them has received them. Those of a family (spawn.h) are a group. NULL: no memory. */
struct buf_meter *beam_out(struct js *js);
/* Sends `head` and the value on that meter. Fails: E_LIMIT (the meter's), E_FULL (the mailbox's), E_NOMEM. Who is dead is no
 * failure. */
anqa_status beam_post(
    struct js *js, anqa_pid to, const char *tag, anqa_str head, anqa_value value) ANQA_MUST_CHECK;
/* Undefined, or JS_EXCEPTION with what beam_post has failed for. */
uint64_t beam_posted(struct js *js, anqa_status status);
/* Takes back all names that the process has registered. */
void beam_forget_names(struct js *js);
/* Ends all subscriptions. */
void beam_forget_topics(struct js *js);
/* What a monitor of the script's was is known no more. False: it is none. */
bool beam_forget_monitor(struct js *js, anqa_ref ref);
/* Takes back all monitors of the script's. */
void beam_forget_monitors(struct js *js);
/* Their processes go on; nobody hears of them any more. */
void beam_forget_tasks(struct js *js);
/* A task's result or end. False: it is no task's. Context: a turn. */
bool beam_on_result(struct js *js, const anqa_msg *msg);
/* Calls from outside that wait for a promise. Of those nobody waits for any more the places are free. Context: the process. */
uint32_t beam_waiting(struct js *js);
/* Answers a call from outside; `id` 0 and unknown ones do nothing. Takes no value over. */
void beam_settled(struct js *js, uint32_t id, bool ok, uint64_t value);

#endif
