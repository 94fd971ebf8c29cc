/* Agents: the handlers of a gen_server that runs the functions it is sent. */
#include <anqa/agent.h>

#include "otp/job.h"

typedef anqa_payload (*get_fn)(const void *state, const void *arg);
typedef anqa_payload (*get_and_update_fn)(void *state, const void *arg);
typedef void (*update_fn)(void *state, const void *arg);

/* ---------------------------------------------------------------- in the agent */

static anqa_next agent_get(void *state, anqa_msg *msg)
{
    struct job job;
    const void *arg = job_unpack(msg->body.ptr, &job, true);

    return anqa_reply_payload(((get_fn)job.fn)(state, arg));
}

static anqa_next agent_get_and_update(void *state, anqa_msg *msg)
{
    struct job job;
    const void *arg = job_unpack(msg->body.ptr, &job, true);

    return anqa_reply_payload(((get_and_update_fn)job.fn)(state, arg));
}

static void update(void *state, const anqa_msg *msg)
{
    struct job job;
    const void *arg = job_unpack(msg->body.ptr, &job, true);

    ((update_fn)job.fn)(state, arg);
}

static anqa_next agent_update(void *state, anqa_msg *msg)
{
    update(state, msg);
    return anqa_reply_payload(anqa_nothing());
}

static anqa_next agent_cast(void *state, anqa_msg *msg)
{
    update(state, msg);
    return anqa_noreply();
}

static const char get_tag[] = "$agent_get", update_tag[] = "$agent_update",
                  get_and_update_tag[] = "$agent_get_and_update", cast_tag[] = "$agent_cast";

const anqa_handler anqa_agent_calls_[] = {{get_tag, agent_get}, {update_tag, agent_update},
    {get_and_update_tag, agent_get_and_update}, {0}};
const anqa_handler anqa_agent_casts_[] = {{cast_tag, agent_cast}, {0}};

/* ---------------------------------------------------------------- for callers */

static const anqa_msg *ask(anqa_pid agent, const char *tag, void (*fn)(void), const void *arg,
    size_t arg_size, uint32_t timeout_ms)
{
    struct job_bytes bytes;
    const anqa_msg *answer;

    job_pack(&bytes, fn, arg, arg_size, false);
    answer = anqa_call_payload(agent, tag, anqa_bytes(bytes.ptr, bytes.len), timeout_ms);
    job_pack_done(&bytes);
    return answer;
}

const anqa_msg *anqa_agent_get(anqa_pid agent,
    anqa_payload (*fn)(const void *state, const void *arg), const void *arg, size_t arg_size,
    uint32_t timeout_ms)
{
    return ask(agent, get_tag, (void (*)(void))fn, arg, arg_size, timeout_ms);
}

void anqa_agent_update(anqa_pid agent, void (*fn)(void *state, const void *arg), const void *arg,
    size_t arg_size, uint32_t timeout_ms)
{
    anqa_msg_free(ask(agent, update_tag, (void (*)(void))fn, arg, arg_size, timeout_ms));
}

const anqa_msg *anqa_agent_get_and_update(anqa_pid agent,
    anqa_payload (*fn)(void *state, const void *arg), const void *arg, size_t arg_size,
    uint32_t timeout_ms)
{
    return ask(agent, get_and_update_tag, (void (*)(void))fn, arg, arg_size, timeout_ms);
}

void anqa_agent_cast(
    anqa_pid agent, void (*fn)(void *state, const void *arg), const void *arg, size_t arg_size)
{
    struct job_bytes bytes;

    job_pack(&bytes, (void (*)(void))fn, arg, arg_size, false);
    anqa_cast_payload(agent, cast_tag, anqa_bytes(bytes.ptr, bytes.len));
    job_pack_done(&bytes);
}
