/*
 * The pool's process, and those who ask it.
 *
 * A place is empty, or has a process that starts, is idle or busy (lent). The pool is linked to its processes and traps exits;
 * it monitors who borrows and who waits. Who waits does so without a time of its own: the pool answers in any case, so
 * no process is ever handed to somebody who has given up. Once it runs the pool itself waits for nobody: a start is one of
 * child.h whose note or end comes as a message.
 */
#include <anqa/js_pool.h>

#include <assert.h>
#include <stdio.h>

#include <anqa/log.h>
#include <anqa/memory.h>

#include "otp/child.h"
#include "runtime/proc.h"
#include "runtime/sched.h"

enum { SIZE_DEFAULT = 10, WAITING_DEFAULT = 100, START_MS_DEFAULT = 30000 };

static const char checkout_tag[] = "$js_pool.checkout", info_tag[] = "$js_pool.info",
                  checkin_tag[] = "$js_pool.checkin", discard_tag[] = "$js_pool.discard",
                  late_tag[] = "$js_pool.late", slow_tag[] = "$js_pool.slow";

enum place_state { PLACE_EMPTY, PLACE_STARTING, PLACE_IDLE, PLACE_BUSY };

struct place {
    enum place_state state;
    anqa_pid pid;
    anqa_pid borrower;
    anqa_ref
        ref; /* BUSY: our monitor of the borrower; STARTING: of the start, and of the process */
    anqa_timer timer; /* STARTING: when that has taken too long */
};

struct waiter {
    anqa_caller caller;
    anqa_ref ref;     /* our monitor */
    anqa_timer timer; /* 0: it has time */
};

/* Owner: the pool's process. */
struct pool {
    const anqa_js_pool *spec;
    struct place *places;
    struct waiter *waiters; /* in order */
    uint32_t size, waiting,
        waiting_most; /* waiting: beside waiting_most one for each that starts */
    uint64_t lent, started;
};
static_assert(sizeof(struct pool) <= ANQA_JS_POOL_STATE_SIZE_, "ANQA_JS_POOL_STATE_SIZE_");

/* The answer to a checkout. */
struct lending {
    anqa_status status;
    anqa_pid pid;
    char text[sizeof((anqa_error *)0)->text]; /* why not */
};

/* ---------------------------------------------------------------- places */

static struct place *find_state(struct pool *pool, enum place_state state)
{
    for (uint32_t i = 0; i < pool->size; i++)
        if (pool->places[i].state == state)
            return &pool->places[i];
    return NULL;
}

static struct place *find_pid(struct pool *pool, anqa_pid pid)
{
    for (uint32_t i = 0; i < pool->size; i++)
        if (pool->places[i].state != PLACE_EMPTY && anqa_pid_eq(pool->places[i].pid, pid))
            return &pool->places[i];
    return NULL;
}

static struct place *find_ref(struct pool *pool, enum place_state state, anqa_ref ref)
{
    for (uint32_t i = 0; i < pool->size; i++)
        if (pool->places[i].state == state && anqa_ref_eq(pool->places[i].ref, ref))
            return &pool->places[i];
    return NULL;
}

static uint32_t count_state(const struct pool *pool, enum place_state state)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < pool->size; i++)
        count += pool->places[i].state == state;
    return count;
}

static uint32_t or_default(uint32_t n, uint32_t otherwise)
{
    return n == 0 ? otherwise : n;
}

static uint32_t start_ms(const struct pool *pool)
{
    return or_default(pool->spec->start_ms, START_MS_DEFAULT);
}

/* Waits until it has started: for the start of the pool only. */
static anqa_status fill(struct pool *pool, struct place *place, anqa_error *err)
{
    anqa_start_opts opts = {.timeout_ms = start_ms(pool)};
    anqa_status status = anqa_js_start_link(pool->spec->script, NULL, &opts, &place->pid, err);

    if (status != ANQA_OK)
        return status;
    place->state = PLACE_IDLE;
    pool->started++;
    return ANQA_OK;
}

/* Does not wait. */
static anqa_status begin(struct pool *pool, struct place *place, anqa_error *err)
{
    const anqa_gen_server *server = &pool->spec->script->server;
    struct child_start start = {
        .kind = CHILD_SERVER, .spec = server, .id = anqa_str_of(server->name), .link = true};
    anqa_status status;

    place->ref = anqa_make_ref();
    status = child_spawn(&start, place->ref, &place->pid);
    if (status != ANQA_OK)
        return anqa_fail(err, status, "no process could be started: %s", anqa_status_text(status));
    place->state = PLACE_STARTING;
    place->timer = anqa_send_after(anqa_self(), slow_tag, anqa_nothing(), start_ms(pool));
    return ANQA_OK;
}

/* So that as many start as somebody waits for. */
static anqa_status begin_for(struct pool *pool, uint32_t wanted, anqa_error *err)
{
    anqa_status status = ANQA_OK;
    struct place *place;

    for (uint32_t n = count_state(pool, PLACE_STARTING); status == ANQA_OK && n < wanted; n++) {
        place = find_state(pool, PLACE_EMPTY);
        if (place == NULL)
            break;
        status = begin(pool, place, err);
    }
    return status;
}

static void end_start(struct place *place)
{
    (void)anqa_demonitor(place->ref, true);
    (void)anqa_timer_cancel(place->timer);
    place->timer.bits = 0;
}

/* Its process has ended, or is to. */
static void empty(struct place *place, bool kill)
{
    if (place->state == PLACE_BUSY)
        (void)anqa_demonitor(place->ref, true);
    if (place->state == PLACE_STARTING)
        end_start(place);
    child_unlink(place->pid);
    if (kill)
        anqa_exit_signal(place->pid, ANQA_KILL);
    *place = (struct place){0};
}

/* ---------------------------------------------------------------- lending */

static void answer(const anqa_caller *caller, anqa_status status, anqa_pid pid, const char *text)
{
    struct lending lending = {.status = status, .pid = pid};

    (void)snprintf(lending.text, sizeof lending.text, "%s", text);
    anqa_reply_to(caller, anqa_bytes(&lending, sizeof lending));
}

static void lend(struct pool *pool, struct place *place, const anqa_caller *caller, anqa_ref ref)
{
    place->state = PLACE_BUSY;
    place->borrower = caller->pid;
    place->ref = ref;
    pool->lent++;
    answer(caller, ANQA_OK, place->pid, "");
}

/* An idle one; of its end, if it has come to that, we may not have heard yet. */
static struct place *find_idle(struct pool *pool)
{
    struct place *place;

    while ((place = find_state(pool, PLACE_IDLE)) != NULL && !anqa_is_alive(place->pid))
        empty(place, true);
    return place;
}

static void remove_waiter(struct pool *pool, uint32_t i)
{
    if (pool->waiters[i].timer.bits != 0)
        (void)anqa_timer_cancel(pool->waiters[i].timer);
    pool->waiting--;
    memmove(&pool->waiters[i], &pool->waiters[i + 1], (pool->waiting - i) * sizeof *pool->waiters);
}

/* Who waits for longest hears why there is none. False: nobody waits. */
static bool refuse_first(struct pool *pool, anqa_status status, const char *text)
{
    struct waiter first;

    if (pool->waiting == 0)
        return false;
    first = pool->waiters[0];
    remove_waiter(pool, 0);
    (void)anqa_demonitor(first.ref, true);
    answer(&first.caller, status, (anqa_pid){0}, text);
    return true;
}

/* Who waits gets what there is, and for the others processes start. */
static void serve(struct pool *pool)
{
    struct place *place;
    anqa_error err = {.text = ""};
    anqa_status status;

    do {
        while (pool->waiting > 0 && (place = find_idle(pool)) != NULL) {
            struct waiter first = pool->waiters[0];
            remove_waiter(pool, 0);
            lend(pool, place, &first.caller, first.ref);
        }
        status = begin_for(pool, pool->waiting, &err);
    } while (status != ANQA_OK && refuse_first(pool, status, err.text));
}

static const char *why_late(const struct pool *pool)
{
    return count_state(pool, PLACE_STARTING) > 0 ? "all processes are out or have not started yet"
                                                 : "all processes are out";
}

static void wait_for_one(struct pool *pool, const anqa_caller *caller, uint32_t timeout_ms)
{
    struct waiter *waiter = &pool->waiters[pool->waiting];

    if (timeout_ms == 0) {
        answer(caller, ANQA_E_TIMEOUT, (anqa_pid){0}, why_late(pool));
        return;
    }
    if (pool->waiting >= pool->waiting_most + count_state(pool, PLACE_STARTING)) {
        answer(caller, ANQA_E_FULL, (anqa_pid){0},
            anqa_tmp_printf("all processes are out, and %u wait for one", pool->waiting));
        return;
    }
    pool->waiting++;
    *waiter = (struct waiter){.caller = *caller, .ref = anqa_monitor(caller->pid)};
    if (timeout_ms != ANQA_INFINITY)
        waiter->timer = anqa_send_after(anqa_self(), late_tag, anqa_nothing(), timeout_ms);
}

static void checkout(struct pool *pool, const anqa_caller *caller, uint32_t timeout_ms)
{
    struct place *place = pool->waiting > 0 ? NULL : find_idle(pool);
    anqa_error err = {.text = ""};
    anqa_status status;

    if (place != NULL) {
        lend(pool, place, caller, anqa_monitor(caller->pid));
        return;
    }
    status = begin_for(pool, pool->waiting + 1, &err);
    if (status == ANQA_OK)
        wait_for_one(pool, caller, timeout_ms);
    else
        answer(caller, status, (anqa_pid){0}, err.text);
}

/* What somebody else has borrowed is not theirs to give. */
static void checkin(struct pool *pool, anqa_pid from, anqa_pid pid, bool kill)
{
    struct place *place = find_pid(pool, pid);

    if (place == NULL || place->state != PLACE_BUSY || !anqa_pid_eq(place->borrower, from))
        return;
    if (kill || pool->spec->fresh) {
        empty(place, true);
    } else {
        (void)anqa_demonitor(place->ref, true);
        place->state = PLACE_IDLE;
    }
    if (!kill && pool->spec->fresh) /* a failure is of who needs it: then it is tried again */
        (void)begin(pool, place, NULL);
    serve(pool);
}

/* ---------------------------------------------------------------- what arrives */

anqa_next anqa_js_pool_init_(void *state, const void *arg)
{
    struct pool *pool = state;
    struct sched *s;
    const struct child_head *head = proc_self(&s)->state;
    anqa_error err = {.text = ""};

    pool->spec = ANQA_CONTAINER_OF((anqa_gen_server *)(uintptr_t)head->spec, anqa_js_pool, server);
    pool->size = or_default(pool->spec->size, SIZE_DEFAULT);
    pool->waiting_most = or_default(pool->spec->waiting, WAITING_DEFAULT);
    if (pool->spec->script == NULL || pool->size > ANQA_JS_POOL_MAX)
        return anqa_stop_with(
            anqa_error_reason("a pool has a script and up to %u processes", ANQA_JS_POOL_MAX));
    pool->places = anqa_heap_alloc(pool->size * sizeof *pool->places);
    memset(pool->places, 0, pool->size * sizeof *pool->places);
    pool->waiters =
        anqa_heap_alloc(((size_t)pool->waiting_most + pool->size) * sizeof *pool->waiters);
    for (uint32_t i = 0; i < pool->size && !pool->spec->lazy; i++)
        if (fill(pool, &pool->places[i], &err) != ANQA_OK)
            return anqa_stop_with(anqa_error_reason("%s", err.text));
    return anqa_noreply();
}

static void answer_info(struct pool *pool, const anqa_caller *caller)
{
    anqa_js_pool_info info = {
        .size = pool->size, .waiting = pool->waiting, .lent = pool->lent, .started = pool->started};

    info.idle = count_state(pool, PLACE_IDLE);
    info.busy = count_state(pool, PLACE_BUSY);
    anqa_reply_to(caller, anqa_bytes(&info, sizeof info));
}

anqa_next anqa_js_pool_call_(void *state, anqa_msg *msg)
{
    struct pool *pool = state;
    anqa_caller caller = anqa_msg_caller(msg);
    uint32_t timeout_ms;

    if (anqa_tag_is(msg->tag, info_tag)) {
        answer_info(pool, &caller);
        return anqa_noreply();
    }
    if (!anqa_tag_is(msg->tag, checkout_tag) || msg->body.len != sizeof timeout_ms)
        return anqa_reply_error("a pool is not asked that");
    memcpy(&timeout_ms, msg->body.ptr, sizeof timeout_ms);
    checkout(pool, &caller, timeout_ms);
    return anqa_noreply();
}

anqa_next anqa_js_pool_cast_(void *state, anqa_msg *msg)
{
    bool kill = anqa_tag_is(msg->tag, discard_tag);
    anqa_pid pid;

    if ((kill || anqa_tag_is(msg->tag, checkin_tag)) && msg->body.len == sizeof pid) {
        memcpy(&pid, msg->body.ptr, sizeof pid);
        checkin(state, msg->from, pid, kill);
    }
    return anqa_noreply();
}

static uint32_t find_waiter(const struct pool *pool, const anqa_msg *msg)
{
    uint32_t i = 0;

    while (i < pool->waiting && pool->waiters[i].timer.bits != msg->ref.bits &&
           !anqa_ref_eq(pool->waiters[i].ref, msg->ref))
        i++;
    return i;
}

static void on_late(struct pool *pool, const anqa_msg *msg)
{
    uint32_t i = find_waiter(pool, msg);
    struct waiter waiter;

    if (i == pool->waiting)
        return;
    waiter = pool->waiters[i];
    remove_waiter(pool, i);
    (void)anqa_demonitor(waiter.ref, true);
    answer(&waiter.caller, ANQA_E_TIMEOUT, (anqa_pid){0}, why_late(pool));
}

/* ---------------------------------------------------------------- how starts end */

/* Who waits for longest hears of it. */
static void start_failed(
    struct pool *pool, struct place *place, anqa_status status, const char *text)
{
    empty(place, true);
    if (!refuse_first(pool, status, text))
        anqa_log(ANQA_WARN, "js_pool.start_failed", "script=%s error=%s next=tried_when_needed",
            pool->spec->script->name, text);
    serve(pool);
}

static void start_ended(struct pool *pool, struct place *place, anqa_reason reason)
{
    char text[200];

    start_failed(pool, place, ANQA_E_DIED, anqa_reason_format(reason, text, sizeof text));
}

static void on_note(struct pool *pool, const anqa_msg *msg)
{
    struct place *place = find_ref(pool, PLACE_STARTING, msg->ref);
    struct child_outcome outcome = child_note_read(msg);

    if (place == NULL)
        return;
    if (outcome.status != ANQA_OK) {
        start_failed(pool, place, outcome.status, outcome.text);
        return;
    }
    end_start(place);
    place->state = PLACE_IDLE;
    pool->started++;
    serve(pool);
}

static void on_slow(struct pool *pool, const anqa_msg *msg)
{
    for (uint32_t i = 0; i < pool->size; i++)
        if (pool->places[i].state == PLACE_STARTING &&
            pool->places[i].timer.bits == msg->ref.bits) {
            start_failed(pool, &pool->places[i], ANQA_E_TIMEOUT,
                anqa_tmp_printf("init took longer than %u ms and was killed", start_ms(pool)));
            return;
        }
}

/* ---------------------------------------------------------------- ends of others */

/* Who waits or has borrowed has ended; or a process did while it started. */
static void on_down(struct pool *pool, const anqa_msg *msg)
{
    struct place *place = find_ref(pool, PLACE_BUSY, msg->ref),
                 *starting = find_ref(pool, PLACE_STARTING, msg->ref);
    uint32_t i = find_waiter(pool, msg);

    if (i < pool->waiting)
        remove_waiter(pool, i);
    if (starting != NULL)
        start_ended(pool, starting, msg->u.reason);
    if (place != NULL) {
        empty(place, true);
        serve(pool);
    }
}

static void on_exit_of(struct pool *pool, const anqa_msg *msg)
{
    struct place *place = find_pid(pool, msg->from);
    char pid[ANQA_PID_TEXT], reason[300];

    if (place == NULL)
        return;
    if (place->state == PLACE_STARTING) {
        start_ended(pool, place, msg->u.reason);
        return;
    }
    anqa_log(ANQA_WARN, "js_pool.process_ended",
        "script=%s process=%s reason=%s next=replaced_when_needed", pool->spec->script->name,
        anqa_pid_text(msg->from, pid), anqa_reason_format(msg->u.reason, reason, sizeof reason));
    empty(place, false);
    serve(pool);
}

static void on_timeout(struct pool *pool, const anqa_msg *msg)
{
    if (anqa_tag_is(msg->tag, slow_tag))
        on_slow(pool, msg);
    else
        on_late(pool, msg);
}

anqa_next anqa_js_pool_info_(void *state, anqa_msg *msg)
{
    if (msg->kind == ANQA_MSG_PLAIN && msg->tag == child_note_tag) {
        on_note(state, msg);
        return anqa_noreply();
    }
    switch (msg->kind) {
    case ANQA_MSG_TIMEOUT: on_timeout(state, msg); break;
    case ANQA_MSG_DOWN: on_down(state, msg); break;
    case ANQA_MSG_EXIT: on_exit_of(state, msg); break;
    default: anqa_log(ANQA_ERROR, "js_pool.unexpected_message", "tag=%s next=dropped", msg->tag);
    }
    return anqa_noreply();
}

/* A link says nothing when we end with NORMAL. */
void anqa_js_pool_terminate_(void *state, anqa_reason reason)
{
    struct pool *pool = state;

    for (uint32_t i = 0; i < pool->size; i++)
        if (pool->places[i].state != PLACE_EMPTY)
            anqa_exit_signal(pool->places[i].pid, ANQA_SHUTDOWN);
}

/* ---------------------------------------------------------------- asking */

anqa_status anqa_js_pool_start_link(
    const anqa_js_pool *pool, const anqa_start_opts *opts, anqa_pid *ret_pid, anqa_error *err)
{
    return anqa_gen_server_start_link(&pool->server, NULL, opts, ret_pid, err);
}

anqa_status anqa_js_pool_checkout(
    anqa_pid pool, uint32_t timeout_ms, anqa_pid *ret_process, anqa_error *err)
{
    const anqa_msg *msg = NULL;
    struct lending lending;
    anqa_status status = anqa_try_call_payload(
        pool, checkout_tag, anqa_bytes(&timeout_ms, sizeof timeout_ms), ANQA_INFINITY, &msg, err);

    if (status != ANQA_OK)
        return status;
    if (msg->body.len != sizeof lending)
        return anqa_fail(err, ANQA_E_PARSE, "what was asked is no pool");
    memcpy(&lending, msg->body.ptr, sizeof lending);
    if (lending.status != ANQA_OK)
        return anqa_fail(err, lending.status, "%s", lending.text);
    *ret_process = lending.pid;
    return ANQA_OK;
}

void anqa_js_pool_checkin(anqa_pid pool, anqa_pid process)
{
    anqa_cast_payload(pool, checkin_tag, anqa_bytes(&process, sizeof process));
}

void anqa_js_pool_discard(anqa_pid pool, anqa_pid process)
{
    anqa_cast_payload(pool, discard_tag, anqa_bytes(&process, sizeof process));
}

/* A process for one call, and the time that is left for it. */
struct run {
    anqa_pid pool, process;
    uint64_t begun_ms;
    uint32_t timeout_ms;
};

static anqa_status run_begin(struct run *run, anqa_error *err)
{
    anqa_status status;
    uint64_t passed;

    run->begun_ms = anqa_now_ms();
    status = anqa_js_pool_checkout(run->pool, run->timeout_ms, &run->process, err);
    if (status != ANQA_OK || run->timeout_ms == ANQA_INFINITY)
        return status;
    passed = anqa_now_ms() - run->begun_ms;
    run->timeout_ms = passed >= run->timeout_ms ? 1 : run->timeout_ms - (uint32_t)passed;
    return ANQA_OK;
}

static void run_end(const struct run *run, anqa_status status)
{
    if (status == ANQA_E_TIMEOUT || status == ANQA_E_DIED || status == ANQA_E_NOPROC)
        anqa_js_pool_discard(run->pool, run->process);
    else
        anqa_js_pool_checkin(run->pool, run->process);
}

anqa_status anqa_js_pool_run(anqa_pid pool, const char *function, const anqa_value *args,
    uint32_t timeout_ms, anqa_value *ret_value, anqa_js_error *ret_error, anqa_error *err)
{
    struct run run = {.pool = pool, .timeout_ms = timeout_ms};
    anqa_status status = run_begin(&run, err);

    if (status != ANQA_OK)
        return status;
    status = anqa_js_call(run.process, function, args, run.timeout_ms, ret_value, ret_error, err);
    run_end(&run, status);
    return status;
}

anqa_status anqa_js_pool_run_json(anqa_pid pool, const char *function, anqa_json args,
    uint32_t timeout_ms, anqa_json *ret_json, anqa_js_error *ret_error, anqa_error *err)
{
    struct run run = {.pool = pool, .timeout_ms = timeout_ms};
    anqa_status status = run_begin(&run, err);

    if (status != ANQA_OK)
        return status;
    status =
        anqa_js_call_json(run.process, function, args, run.timeout_ms, ret_json, ret_error, err);
    run_end(&run, status);
    return status;
}

anqa_status anqa_js_pool_get_info(
    anqa_pid pool, uint32_t timeout_ms, anqa_js_pool_info *ret_info, anqa_error *err)
{
    const anqa_msg *msg = NULL;
    anqa_status status =
        anqa_try_call_payload(pool, info_tag, anqa_nothing(), timeout_ms, &msg, err);

    if (status != ANQA_OK)
        return status;
    if (msg->body.len != sizeof *ret_info)
        return anqa_fail(err, ANQA_E_PARSE, "what was asked is no pool");
    memcpy(ret_info, msg->body.ptr, sizeof *ret_info);
    return ANQA_OK;
}
