/**
 * anqa/agent.h - a state that several processes share: kept by one process, which runs their functions over it.
 *
 *     static const anqa_gen_server counter = {ANQA_AGENT, .name = "counter", .state_size = sizeof(int64_t)};
 *
 *     static void add(void *state, const void *arg)
 *     {
 *         *(int64_t *)state += *(const int64_t *)arg;
 *     }
 *     ...
 *     anqa_agent_update(pid, add, &(int64_t){1}, sizeof(int64_t), ANQA_CALL_TIMEOUT_MS);
 *
 * An agent is a gen_server whose handlers are written already. It is started, named, registered and supervised as any
 * other (anqa_gen_server_start_link, anqa_child_spec.server); `init`, if there is one, fills the state, else it is zeroes.
 *
 * Functions run in the agent's process, one at a time, in the order in which they were sent; while one waits, the others
 * do too. They get a copy of their argument, aligned to 16 (with an arg_size of 0: the pointer that was given), which
 * lives as long as the call. What they return must outlive their frame: anqa_tmp, the state, the argument, a literal.
 *
 * Failing. A function that crashes ends the agent. Who asks an agent that is dead, dies or takes longer than `timeout_ms`
 * exits, as in anqa_call; to ask itself is a broken contract.
 *
 * Threads. "Context: process; may wait" throughout, but for anqa_agent_cast.
 */
#ifndef ANQA_AGENT_H
#define ANQA_AGENT_H

#include <anqa/gen_server.h>

ANQA_BEGIN_DECLS

/* Extern for the macro below. */
extern ANQA_API const anqa_handler anqa_agent_calls_[], anqa_agent_casts_[];

/** What makes an anqa_gen_server an agent. */
#define ANQA_AGENT .handle_call = anqa_agent_calls_, .handle_cast = anqa_agent_casts_

/** What fn makes of the state, of any payload; the answer lives as long as the caller's event.
 * timeout_ms: as a rule ANQA_CALL_TIMEOUT_MS. */
ANQA_API const anqa_msg *anqa_agent_get(anqa_pid agent,
    anqa_payload (*fn)(const void *state, const void *arg), const void *arg, size_t arg_size,
    uint32_t timeout_ms);

/** Has fn change the state; returns when it has. */
ANQA_API void anqa_agent_update(anqa_pid agent, void (*fn)(void *state, const void *arg),
    const void *arg, size_t arg_size, uint32_t timeout_ms);

/** Has fn change the state and answer. */
ANQA_API const anqa_msg *anqa_agent_get_and_update(anqa_pid agent,
    anqa_payload (*fn)(void *state, const void *arg), const void *arg, size_t arg_size,
    uint32_t timeout_ms);

/** As anqa_agent_update, without waiting. Always fine, also when nobody is there. Context: process. */
ANQA_API void anqa_agent_cast(
    anqa_pid agent, void (*fn)(void *state, const void *arg), const void *arg, size_t arg_size);

/** Ends an agent with NORMAL and waits until it is gone. Fails: as anqa_gen_server_stop. */
static inline anqa_status anqa_agent_stop(anqa_pid agent, uint32_t timeout_ms)
{
    return anqa_gen_server_stop(agent, ANQA_NORMAL, timeout_ms);
}

ANQA_END_DECLS

#endif
