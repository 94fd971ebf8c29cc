/* JavaScript processes where there are none: another processor than x86-64, or a build without them. */
#include <anqa/js_debug.h>
#include <anqa/js_pool.h>

static const char why[] = "this build has no JavaScript processes (they need x86-64)";

anqa_next anqa_js_init_(void *state, const void *arg)
{
    return anqa_stop_with(anqa_error_reason("%s", why));
}

anqa_next anqa_js_call_(void *state, anqa_msg *msg)
{
    return anqa_reply_error(why);
}

anqa_next anqa_js_cast_(void *state, anqa_msg *msg)
{
    return anqa_noreply();
}

anqa_next anqa_js_info_(void *state, anqa_msg *msg)
{
    return anqa_noreply();
}

void anqa_js_hibernate_(void *state)
{
}

anqa_status anqa_js_start_link(const anqa_js_script *script, const anqa_value *arg,
    const anqa_start_opts *opts, anqa_pid *ret_pid, anqa_error *err)
{
    return anqa_fail(err, ANQA_E_UNSUPPORTED, "%s", why);
}

anqa_status anqa_js_call(anqa_pid to, const char *function, const anqa_value *args,
    uint32_t timeout_ms, anqa_value *ret_value, anqa_js_error *ret_error, anqa_error *err)
{
    return anqa_fail(err, ANQA_E_UNSUPPORTED, "%s", why);
}

anqa_status anqa_js_call_json(anqa_pid to, const char *function, anqa_json args,
    uint32_t timeout_ms, anqa_json *ret_json, anqa_js_error *ret_error, anqa_error *err)
{
    return anqa_fail(err, ANQA_E_UNSUPPORTED, "%s", why);
}

anqa_status anqa_js_eval(anqa_pid to, anqa_str source, uint32_t timeout_ms, anqa_value *ret_value,
    anqa_js_error *ret_error, anqa_error *err)
{
    return anqa_fail(err, ANQA_E_UNSUPPORTED, "%s", why);
}

anqa_status anqa_js_send(anqa_pid to, anqa_value value)
{
    return ANQA_E_UNSUPPORTED;
}

void anqa_js_get_counts(anqa_js_counts *ret_counts)
{
    *ret_counts = (anqa_js_counts){0};
}

anqa_status anqa_js_get_info(
    anqa_pid pid, uint32_t timeout_ms, anqa_js_info *ret_info, anqa_error *err)
{
    return anqa_fail(err, ANQA_E_UNSUPPORTED, "%s", why);
}

anqa_status anqa_js_snapshot(
    anqa_pid pid, uint32_t timeout_ms, anqa_str *ret_snapshot, anqa_error *err)
{
    return anqa_fail(err, ANQA_E_UNSUPPORTED, "%s", why);
}

anqa_status anqa_js_restore_link(const anqa_js_script *script, anqa_str snapshot,
    const anqa_value *arg, const anqa_start_opts *opts, anqa_pid *ret_pid, anqa_error *err)
{
    return anqa_fail(err, ANQA_E_UNSUPPORTED, "%s", why);
}

void anqa_js_terminate_(void *state, anqa_reason reason)
{
}

anqa_status anqa_js_files_load(const anqa_js_store *store, const anqa_js_script *script,
    anqa_str id, anqa_buf *ret_snapshot, anqa_error *err)
{
    return anqa_fail(err, ANQA_E_UNSUPPORTED, "%s", why);
}

anqa_status anqa_js_files_save(const anqa_js_store *store, const anqa_js_script *script,
    anqa_str id, anqa_str snapshot, anqa_error *err)
{
    return anqa_fail(err, ANQA_E_UNSUPPORTED, "%s", why);
}

anqa_status anqa_js_files_drop(
    const anqa_js_store *store, const anqa_js_script *script, anqa_str id, anqa_error *err)
{
    return anqa_fail(err, ANQA_E_UNSUPPORTED, "%s", why);
}

anqa_status anqa_js_compile(
    const anqa_js_script *script, anqa_str *ret_bytecode, anqa_str *ret_source_map, anqa_error *err)
{
    return anqa_fail(err, ANQA_E_UNSUPPORTED, "%s", why);
}

const char *anqa_js_status_text(anqa_js_status status)
{
    return "?";
}

anqa_status anqa_js_processes(uint32_t limit, anqa_js_process **ret_processes, size_t *ret_count)
{
    return ANQA_E_UNSUPPORTED;
}

anqa_status anqa_js_pause(anqa_pid pid, uint32_t timeout_ms, anqa_error *err)
{
    return anqa_fail(err, ANQA_E_UNSUPPORTED, "%s", why);
}

anqa_status anqa_js_resume(anqa_pid pid, uint32_t timeout_ms, anqa_error *err)
{
    return anqa_fail(err, ANQA_E_UNSUPPORTED, "%s", why);
}

anqa_status anqa_js_variables(
    anqa_pid pid, uint32_t timeout_ms, anqa_json *ret_variables, anqa_error *err)
{
    return anqa_fail(err, ANQA_E_UNSUPPORTED, "%s", why);
}

anqa_status anqa_js_stack(anqa_pid pid, uint32_t timeout_ms, anqa_json *ret_stack, anqa_error *err)
{
    return anqa_fail(err, ANQA_E_UNSUPPORTED, "%s", why);
}

anqa_status anqa_js_report(
    anqa_pid pid, uint32_t timeout_ms, anqa_json *ret_report, anqa_error *err)
{
    return anqa_fail(err, ANQA_E_UNSUPPORTED, "%s", why);
}

anqa_status anqa_js_profile(
    const anqa_js_profile_opts *opts, anqa_js_profile_result *ret_result, anqa_error *err)
{
    return anqa_fail(err, ANQA_E_UNSUPPORTED, "%s", why);
}

anqa_status anqa_js_coverage(anqa_json *ret_coverage, anqa_error *err)
{
    return anqa_fail(err, ANQA_E_UNSUPPORTED, "%s", why);
}

anqa_status anqa_js_eval_with(anqa_pid to, anqa_str source, anqa_value vars, uint32_t timeout_ms,
    anqa_value *ret_value, anqa_js_error *ret_error, anqa_error *err)
{
    return anqa_fail(err, ANQA_E_UNSUPPORTED, "%s", why);
}

anqa_status anqa_js_globals(
    anqa_pid pid, uint32_t timeout_ms, anqa_value *ret_names, anqa_error *err)
{
    return anqa_fail(err, ANQA_E_UNSUPPORTED, "%s", why);
}

anqa_status anqa_js_get_global(anqa_pid pid, anqa_str name, uint32_t timeout_ms,
    anqa_value *ret_value, anqa_js_error *ret_error, anqa_error *err)
{
    return anqa_fail(err, ANQA_E_UNSUPPORTED, "%s", why);
}

anqa_status anqa_js_set_global(anqa_pid pid, anqa_str name, anqa_value value, uint32_t timeout_ms,
    anqa_js_error *ret_error, anqa_error *err)
{
    return anqa_fail(err, ANQA_E_UNSUPPORTED, "%s", why);
}

anqa_status anqa_js_reset(anqa_pid pid, uint32_t timeout_ms, anqa_error *err)
{
    return anqa_fail(err, ANQA_E_UNSUPPORTED, "%s", why);
}

anqa_status anqa_js_get_memory(
    anqa_pid pid, uint32_t timeout_ms, anqa_js_memory *ret_memory, anqa_error *err)
{
    return anqa_fail(err, ANQA_E_UNSUPPORTED, "%s", why);
}

anqa_next anqa_js_pool_init_(void *state, const void *arg)
{
    return anqa_stop_with(anqa_error_reason("%s", why));
}

anqa_next anqa_js_pool_call_(void *state, anqa_msg *msg)
{
    return anqa_reply_error(why);
}

anqa_next anqa_js_pool_cast_(void *state, anqa_msg *msg)
{
    return anqa_noreply();
}

anqa_next anqa_js_pool_info_(void *state, anqa_msg *msg)
{
    return anqa_noreply();
}

void anqa_js_pool_terminate_(void *state, anqa_reason reason)
{
}

void anqa_js_pool_checkin(anqa_pid pool, anqa_pid process)
{
}

void anqa_js_pool_discard(anqa_pid pool, anqa_pid process)
{
}

anqa_status anqa_js_pool_start_link(
    const anqa_js_pool *pool, const anqa_start_opts *opts, anqa_pid *ret_pid, anqa_error *err)
{
    return anqa_fail(err, ANQA_E_UNSUPPORTED, "%s", why);
}

anqa_status anqa_js_pool_checkout(
    anqa_pid pool, uint32_t timeout_ms, anqa_pid *ret_process, anqa_error *err)
{
    return anqa_fail(err, ANQA_E_UNSUPPORTED, "%s", why);
}

anqa_status anqa_js_pool_run(anqa_pid pool, const char *function, const anqa_value *args,
    uint32_t timeout_ms, anqa_value *ret_value, anqa_js_error *ret_error, anqa_error *err)
{
    return anqa_fail(err, ANQA_E_UNSUPPORTED, "%s", why);
}

anqa_status anqa_js_pool_run_json(anqa_pid pool, const char *function, anqa_json args,
    uint32_t timeout_ms, anqa_json *ret_json, anqa_js_error *ret_error, anqa_error *err)
{
    return anqa_fail(err, ANQA_E_UNSUPPORTED, "%s", why);
}

anqa_status anqa_js_pool_get_info(
    anqa_pid pool, uint32_t timeout_ms, anqa_js_pool_info *ret_info, anqa_error *err)
{
    return anqa_fail(err, ANQA_E_UNSUPPORTED, "%s", why);
}
