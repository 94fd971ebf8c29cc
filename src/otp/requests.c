/* The protocol between supervisors and those who manage them, and the public functions that speak it. */
#include "otp/requests.h"

#include <stdio.h>
#include <string.h>

const char request_start_tag[] = "$start_child";
const char request_add_tag[] = "$add_child";
const char request_terminate_tag[] = "$terminate_child";
const char request_restart_tag[] = "$restart_child";
const char request_delete_tag[] = "$delete_child";
const char request_resize_tag[] = "$resize";
const char request_which_tag[] = "$which_children";
const char request_count_tag[] = "$count_children";

bool request_is_ours(const char *tag)
{
    static const char *const tags[] = {request_start_tag, request_add_tag, request_terminate_tag,
        request_restart_tag, request_delete_tag, request_resize_tag, request_which_tag,
        request_count_tag};

    for (size_t i = 0; i < ANQA_COUNT(tags); i++)
        if (tag == tags[i])
            return true;
    return false;
}

/* ---------------------------------------------------------------- outcomes */

void request_answer(
    const anqa_caller *caller, anqa_status status, anqa_pid pid, const char *format, ...)
{
    struct child_outcome outcome = {.status = status, .pid = pid};
    va_list args;

    va_start(args, format);
    vsnprintf(outcome.text, sizeof outcome.text, format, args);
    va_end(args);
    anqa_reply_to(caller, anqa_bytes(&outcome, child_outcome_size(&outcome)));
}

void request_done(const anqa_caller *caller, anqa_pid pid)
{
    struct child_outcome outcome;

    outcome.status = ANQA_OK;
    outcome.pid = pid;
    outcome.text[0] = '\0';
    anqa_reply_to(caller, anqa_bytes(&outcome, offsetof(struct child_outcome, text) + 1));
}

anqa_status request_ask(
    anqa_pid supervisor, const char *tag, anqa_payload payload, anqa_pid *ret_pid, anqa_error *err)
{
    const anqa_msg *answer;
    struct child_outcome outcome;
    anqa_status status =
        anqa_try_call_payload(supervisor, tag, payload, ANQA_INFINITY, &answer, err);

    if (status != ANQA_OK)
        return status;
    if (answer->payload != ANQA_PAYLOAD_BYTES && answer->payload != ANQA_PAYLOAD_NONE)
        return anqa_fail(err, ANQA_E_TYPE, "what answered is no supervisor");
    outcome = child_note_read(answer);
    outcome.text[sizeof outcome.text - 1] = '\0';
    anqa_msg_free(answer);
    if (outcome.status != ANQA_OK)
        return anqa_fail(err, outcome.status, "%s", outcome.text);
    if (ret_pid != NULL)
        *ret_pid = outcome.pid;
    return ANQA_OK;
}

/* ---------------------------------------------------------------- management */

anqa_status anqa_supervisor_start_child(
    anqa_pid supervisor, const anqa_child_spec *child, anqa_pid *ret_pid, anqa_error *err)
{
    const char *id = child_spec_id(child);
    size_t arg_size = child->arg == NULL ? 0 : child_spec_arg_size(child),
           id_len = id == NULL ? 0 : strlen(id);
    struct request_add request = {
        .spec = *child, .arg_size = (uint32_t)arg_size, .id_len = (uint16_t)id_len};
    anqa_status status = child_spec_check(child, "the supervisor", 0, ANQA_ANY_SIGNIFICANT, err);
    char *bytes;

    if (status != ANQA_OK)
        return status;
    if (id_len > UINT16_MAX || arg_size > UINT32_MAX)
        return anqa_fail(err, ANQA_E_INVALID, "a child's id or argument is too long");
    bytes = anqa_arena_alloc(anqa_tmp(), sizeof request + arg_size + id_len);
    memcpy(bytes, &request, sizeof request);
    if (arg_size > 0)
        memcpy(bytes + sizeof request, child->arg, arg_size);
    if (id_len > 0)
        /* Its length goes with it. NOLINTNEXTLINE(bugprone-not-null-terminated-result) */
        memcpy(bytes + sizeof request + arg_size, id, id_len);
    return request_ask(supervisor, request_add_tag,
        anqa_bytes(bytes, sizeof request + arg_size + id_len), ret_pid, err);
}

anqa_status anqa_supervisor_terminate_child(anqa_pid supervisor, const char *id, anqa_error *err)
{
    return request_ask(supervisor, request_terminate_tag, anqa_bytes(id, strlen(id)), NULL, err);
}

anqa_status anqa_supervisor_restart_child(
    anqa_pid supervisor, const char *id, anqa_pid *ret_pid, anqa_error *err)
{
    return request_ask(supervisor, request_restart_tag, anqa_bytes(id, strlen(id)), ret_pid, err);
}

anqa_status anqa_supervisor_delete_child(anqa_pid supervisor, const char *id, anqa_error *err)
{
    return request_ask(supervisor, request_delete_tag, anqa_bytes(id, strlen(id)), NULL, err);
}

anqa_status anqa_supervisor_stop(anqa_pid supervisor, anqa_reason reason, uint32_t timeout_ms)
{
    return child_stop(supervisor, reason, timeout_ms);
}

/* ---------------------------------------------------------------- looking at children */

static void list_put(struct request_list *list, const void *bytes, size_t len)
{
    if (len > 0)
        memcpy(list->bytes + list->len, bytes, len);
    list->len += len;
}

void request_list_add(struct request_list *list, const struct request_child *child, const char *id,
    const char *last_exit)
{
    size_t needed = list->len + sizeof *child + child->id_len + child->exit_len;

    if (needed > list->size) {
        size_t size = needed * 2 < 512 ? 512 : needed * 2;
        char *bytes = anqa_arena_alloc(anqa_tmp(), size);
        if (list->len > 0)
            memcpy(bytes, list->bytes, list->len);
        list->bytes = bytes;
        list->size = size;
    }
    list_put(list, child, sizeof *child);
    list_put(list, id, child->id_len);
    list_put(list, last_exit, child->exit_len);
}

/* False: that is no child, so it was no supervisor that answered. */
static bool list_read(anqa_json bytes, size_t at, struct request_child *ret_child)
{
    if (bytes.len - at < sizeof *ret_child)
        return false;
    memcpy(ret_child, bytes.ptr + at, sizeof *ret_child);
    return (uint64_t)ret_child->id_len + ret_child->exit_len <=
               bytes.len - at - sizeof *ret_child &&
           ret_child->kind <= ANQA_CHILD_SUPERVISOR && ret_child->state <= ANQA_CHILD_RESTARTING &&
           ret_child->restart <= ANQA_TEMPORARY;
}

anqa_status anqa_supervisor_which_children(
    anqa_pid supervisor, anqa_child_info **ret_children, size_t *ret_count)
{
    const anqa_msg *answer;
    anqa_status status = anqa_try_call_payload(
        supervisor, request_which_tag, anqa_nothing(), ANQA_CALL_TIMEOUT_MS, &answer, NULL);
    struct request_child child;
    anqa_child_info *infos;
    size_t count = 0;

    if (status != ANQA_OK)
        return status;
    if (answer->payload == ANQA_PAYLOAD_OBJECT)
        return ANQA_E_TYPE;
    infos = anqa_arena_calloc(anqa_tmp(), answer->body.len / sizeof child + 1, sizeof *infos);
    for (size_t at = 0; at < answer->body.len; at += sizeof child + child.id_len + child.exit_len) {
        if (!list_read(answer->body, at, &child))
            return ANQA_E_TYPE;
        infos[count++] =
            (anqa_child_info){.id = {answer->body.ptr + at + sizeof child, child.id_len},
                .pid = child.pid,
                .kind = (anqa_child_kind)child.kind,
                .state = (anqa_child_state)child.state,
                .restart = (anqa_restart)child.restart,
                .restarts = child.restarts,
                .last_exit = {answer->body.ptr + at + sizeof child + child.id_len, child.exit_len}};
    }
    *ret_children = infos;
    *ret_count = count;
    return ANQA_OK;
}

anqa_status anqa_supervisor_count_children(anqa_pid supervisor, anqa_child_counts *ret_counts)
{
    const anqa_msg *answer;
    anqa_status status = anqa_try_call_payload(
        supervisor, request_count_tag, anqa_nothing(), ANQA_CALL_TIMEOUT_MS, &answer, NULL);

    if (status != ANQA_OK)
        return status;
    if (answer->payload == ANQA_PAYLOAD_OBJECT || answer->body.len != sizeof *ret_counts)
        return ANQA_E_TYPE;
    memcpy(ret_counts, answer->body.ptr, sizeof *ret_counts);
    return ANQA_OK;
}
