/* What requests ask of sessions. See poll.h. */
#include "channel/poll_int.h"

#include <anqa/memory.h>

#include "runtime/inspect.h"
#include "runtime/sched.h"

#define GRACE_MS 2000u /* for a session to end */

/* A token may name whoever has that pid now, in this life of the program. */
static bool is_session(anqa_pid pid)
{
    struct look look;

    return proc_look(sched_self->rt, pid, &look) && look.behaviour == &poll_behaviour;
}

/* NULL: not in time. */
static const anqa_msg *ask(const struct poll_name *name, const char *tag, enum poll_body kind,
    anqa_str body, uint32_t timeout_ms)
{
    struct poll_head head = {.kind = kind};
    const void *request = &head;
    const anqa_msg *msg;
    anqa_ref ref;

    memcpy(head.secret, name->secret, sizeof head.secret);
    if (body.len > 0) {
        char *bytes = anqa_arena_alloc(anqa_tmp(), sizeof head + body.len);
        memcpy(bytes, &head, sizeof head);
        memcpy(bytes + sizeof head, body.ptr, body.len);
        request = bytes;
    }
    ref = anqa_request(name->pid, tag, anqa_bytes(request, sizeof head + body.len));
    msg = anqa_receive_ref(ref, timeout_ms);
    if (msg == NULL)
        anqa_request_cancel(ref);
    return msg;
}

static enum poll_result result_of(const anqa_msg *msg)
{
    if (msg == NULL || (msg->kind == ANQA_MSG_REPLY && msg->body.len == 0))
        return POLL_NOTHING;
    if (msg->kind != ANQA_MSG_REPLY)
        return anqa_msg_never_started(msg) ? POLL_GONE : POLL_ENDED;
    return msg->body.ptr[0] == '[' ? POLL_MESSAGES : POLL_GONE;
}

enum poll_result poll_wait(const struct poll_name *name, const anqa_msg **ret_msg)
{
    *ret_msg = NULL;
    if (!is_session(name->pid))
        return POLL_GONE;
    *ret_msg = ask(name, poll_wait_tag, POLL_FRAME, (anqa_str){NULL, 0},
        ANQA_INFINITY); /* it knows the window */
    return result_of(*ret_msg);
}

enum poll_result poll_post(
    const struct poll_name *name, enum poll_body kind, anqa_str body, uint32_t wait_ms)
{
    if (!is_session(name->pid))
        return POLL_GONE;
    return result_of(ask(name, poll_post_tag, kind, body, wait_ms));
}

void poll_close(const struct poll_name *name)
{
    if (is_session(name->pid))
        (void)ask(name, poll_close_tag, POLL_FRAME, (anqa_str){NULL, 0}, GRACE_MS);
}
