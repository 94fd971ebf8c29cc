#include "js/store.h"

#include <anqa/log.h>
#include <anqa/memory.h>
#include <anqa/supervisor.h>

#include "js/beam.h"
#include "js/snapshot.h"
#include "otp/task.h"

enum { DEFAULT_EVERY_MS = 10000 };

static const char save_tag[] = "$js.save";

void store_begin(struct js *js)
{
    js->kept = js->script->store != NULL && js->self == NULL && anqa_child_id().len > 0;
    if (js->kept)
        (void)anqa_trap_exit(true);
}

anqa_status store_load(const struct js *js, anqa_buf *ret_snapshot, anqa_error *err)
{
    const anqa_js_store *store = js->script->store;

    err->text[0] = '\0';
    return store->load(store, js->script, anqa_child_id(), ret_snapshot, err);
}

static void log_failure(const anqa_js_script *script, anqa_str id, const char *text)
{
    anqa_log(ANQA_ERROR, "js.save_failed", "script=%s id=%.*s error=%s next=later", script->name,
        ANQA_FMT(id), text);
}

/* ---------------------------------------------------------------- saving, as a task */

/* Behind it stands the id. */
struct job {
    const anqa_js_script *script;
    uint64_t parcel;
    uint32_t id_len;
};

static anqa_status save(
    const anqa_js_script *script, anqa_str id, anqa_str snapshot, anqa_error *err)
{
    anqa_status status;

    err->text[0] = '\0';
    status = script->store->save(script->store, script, id, snapshot, err);
    if (status != ANQA_OK && err->text[0] == '\0')
        (void)anqa_fail(err, status, "%s", anqa_status_text(status));
    return status;
}

static anqa_payload run_save(void *arg)
{
    const struct job *job = arg;
    anqa_str id = anqa_str_make((const char *)(job + 1), job->id_len);
    anqa_buf bytes = {0};
    anqa_error err = {.text = ""};
    anqa_status status = ANQA_OK;

    if (js_parcel_take(js_rt_get(), job->parcel, &bytes)) {
        snapshot_hold(bytes);
        status = save(job->script, id, anqa_buf_str(bytes), &err);
    }
    if (status != ANQA_OK)
        log_failure(job->script, id, err.text);
    return beam_answer(status == ANQA_OK, NULL, 0);
}

static anqa_status start_save(struct js *js, anqa_buf bytes, anqa_error *err)
{
    anqa_str id = anqa_child_id();
    struct job *job = anqa_arena_alloc(anqa_tmp(), sizeof *job + id.len);
    anqa_task task;
    anqa_status status;

    *job = (struct job){js->script, js_parcel_put(js->rt, bytes), (uint32_t)id.len};
    memcpy(job + 1, id.ptr, id.len);
    if (job->parcel == 0)
        return anqa_fail(err, ANQA_E_NOMEM, "no memory");
    status = task_open(run_save, job, sizeof *job + id.len, "js.save", NULL, &task);
    if (status == ANQA_OK) {
        js->saving = task.ref;
        return ANQA_OK;
    }
    if (js_parcel_take(js->rt, job->parcel, &bytes))
        anqa_buf_unref(bytes);
    return anqa_fail(err, status, "no process to save it: %s", anqa_status_text(status));
}

/* ---------------------------------------------------------------- when */

void store_note_turn(struct js *js)
{
    uint32_t every_ms = js->script->store->every_ms;

    js->unsaved = true;
    if (js->save_timer.bits == 0)
        js->save_timer = anqa_send_after(
            anqa_self(), save_tag, anqa_nothing(), every_ms == 0 ? DEFAULT_EVERY_MS : every_ms);
}

static void save_now(struct js *js)
{
    anqa_error err = {.text = ""};
    anqa_buf bytes;

    js->save_timer.bits = 0;
    if (js->saving.bits != 0) { /* the one before takes its time */
        store_note_turn(js);
        return;
    }
    js->unsaved = false;
    if (snapshot_take(js, &bytes, &err) == ANQA_OK && start_save(js, bytes, &err) == ANQA_OK)
        return;
    log_failure(js->script, anqa_child_id(), err.text);
    store_note_turn(js);
}

static void saved(struct js *js, const anqa_msg *msg)
{
    bool crashed = anqa_task_crashed(msg);
    char text[300];

    js->saving.bits = 0;
    if (crashed)
        log_failure(
            js->script, anqa_child_id(), anqa_reason_format(msg->u.reason, text, sizeof text));
    if (crashed || msg->body.len == 0 || msg->body.ptr[0] == 0)
        store_note_turn(js);
}

bool store_on_message(struct js *js, const anqa_msg *msg)
{
    if (msg->kind == ANQA_MSG_TIMEOUT && msg->tag == save_tag) {
        if (msg->ref.bits == js->save_timer.bits)
            save_now(js);
        return true;
    }
    if ((msg->kind != ANQA_MSG_DOWN && msg->kind != ANQA_MSG_REPLY) || js->saving.bits == 0 ||
        !anqa_ref_eq(js->saving, msg->ref))
        return false;
    saved(js, msg);
    return true;
}

/* What a turn has left half done is not what anybody wants to go on from. */
void store_end(struct js *js, anqa_reason reason)
{
    const anqa_js_store *store = js->script->store;
    anqa_reason_kind kind = anqa_reason_get_kind(reason);
    anqa_error err = {.text = ""};
    anqa_status status = ANQA_OK;
    anqa_str id = anqa_child_id();
    anqa_buf bytes;

    if (!js->kept || (kind != ANQA_REASON_NORMAL && kind != ANQA_REASON_SHUTDOWN))
        return;
    if (js->saving.bits != 0) /* or it would be written over by what is older */
        (void)anqa_receive_ref(js->saving, ANQA_INFINITY);
    if (js->in_turn) {
        if (kind == ANQA_REASON_NORMAL && store->drop != NULL)
            status = store->drop(store, js->script, id, &err);
    } else if (js->unsaved) {
        status = snapshot_take(js, &bytes, &err);
        if (status == ANQA_OK) {
            snapshot_hold(bytes);
            status = save(js->script, id, anqa_buf_str(bytes), &err);
        }
    }
    if (status != ANQA_OK)
        log_failure(js->script, id, err.text);
}
