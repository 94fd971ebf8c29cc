/* What callers ask of dynamic supervisors, and look up without asking. */
#include <anqa/supervisor.h>

#include <string.h>

#include <anqa/memory.h>

#include "otp/requests.h"
#include "otp/table.h"

anqa_status anqa_dynamic_supervisor_start_link(
    const anqa_dynamic_supervisor *supervisor, anqa_pid *ret_pid, anqa_error *err)
{
    struct child_start start = {.kind = CHILD_DYNAMIC,
        .spec = supervisor,
        .id = anqa_str_of(supervisor->name),
        .link = true};

    return child_start(&start, ret_pid, err);
}

static anqa_status ask_start(anqa_pid supervisor, const void *arg, size_t arg_size, anqa_str key,
    anqa_pid *ret_pid, anqa_error *err)
{
    struct request_start request = {
        .arg_is_pointer = arg != NULL && arg_size == 0, .id_len = (uint16_t)key.len};
    const void *from = request.arg_is_pointer ? (const void *)&arg : arg;
    char small[512], *bytes = small;
    size_t len;

    if (arg_size > UINT32_MAX / 2)
        return anqa_fail(err, ANQA_E_INVALID, "an argument of %zu bytes", arg_size);
    arg_size = arg == NULL ? 0 : request.arg_is_pointer ? sizeof arg : arg_size;
    request.arg_size = (uint32_t)arg_size;
    len = sizeof request + arg_size + key.len;
    if (len > sizeof small)
        bytes = anqa_arena_alloc(anqa_tmp(), len);
    memcpy(bytes, &request, sizeof request);
    if (arg_size > 0)
        memcpy(bytes + sizeof request, from, arg_size);
    if (key.len > 0)
        memcpy(bytes + sizeof request + arg_size, key.ptr, key.len);
    return request_ask(supervisor, request_start_tag, anqa_bytes(bytes, len), ret_pid, err);
}

anqa_status anqa_dynamic_supervisor_start_child(
    anqa_pid supervisor, const void *arg, size_t arg_size, anqa_pid *ret_pid, anqa_error *err)
{
    return ask_start(supervisor, arg, arg_size, (anqa_str){NULL, 0}, ret_pid, err);
}

anqa_status anqa_start_child(
    const anqa_dynamic_supervisor *supervisor, const void *arg, anqa_pid *ret_pid, anqa_error *err)
{
    if (supervisor->name == NULL)
        return anqa_fail(
            err, ANQA_E_INVALID, "a dynamic supervisor without a .name is addressed by its pid");
    return ask_start(anqa_whereis(supervisor->name), arg, child_spec_arg_size(&supervisor->child),
        (anqa_str){NULL, 0}, ret_pid, err);
}

anqa_status anqa_dynamic_supervisor_terminate_child(anqa_pid supervisor, anqa_pid child)
{
    return request_ask(
        supervisor, request_terminate_tag, anqa_bytes(&child, sizeof child), NULL, NULL);
}

anqa_pid anqa_child_pid(const anqa_dynamic_supervisor *supervisor, anqa_str key)
{
    anqa_rt *rt = anqa_rt_self();

    return table_whereis(rt == NULL ? NULL : table_find(rt, supervisor), key);
}

anqa_status anqa_ensure_child_pid(const anqa_dynamic_supervisor *supervisor, anqa_str key,
    const void *arg, anqa_pid *ret_pid, anqa_error *err)
{
    anqa_pid pid = anqa_child_pid(supervisor, key);

    if (!anqa_pid_is_none(pid)) {
        if (ret_pid != NULL)
            *ret_pid = pid;
        return ANQA_OK;
    }
    if (supervisor->name == NULL)
        return anqa_fail(
            err, ANQA_E_INVALID, "a dynamic supervisor whose children have keys needs a .name");
    if (key.len == 0 || key.len > TABLE_KEY_MAX)
        return anqa_fail(err, ANQA_E_INVALID, "a key of %zu bytes: from 1 to %u are allowed",
            key.len, TABLE_KEY_MAX);
    return ask_start(anqa_whereis(supervisor->name), arg, child_spec_arg_size(&supervisor->child),
        key, ret_pid, err);
}

anqa_status anqa_ensure_child(
    const anqa_dynamic_supervisor *supervisor, anqa_str key, const void *arg)
{
    return anqa_ensure_child_pid(supervisor, key, arg, NULL, NULL);
}
