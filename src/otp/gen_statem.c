/*
 * State machines: a gen_server whose handlers find a row of the table.
 *
 * What has happened is an item. Items of messages lie on the stack as long as they are handled, and move to the heap when
 * they are postponed; inserted events and time-outs are on the heap from the beginning. An item is in one list at most:
 * `waiting` (to be handled before the mailbox), `postponed`, `timeouts` (armed, in the order of their arming).
 */
#include <anqa/gen_statem.h>

#include <assert.h>

#include <anqa/log.h>
#include <anqa/memory.h>

#include "base/container.h"
#include "base/list.h"
#include "otp/child.h"
#include "runtime/proc.h"
#include "runtime/sched.h"

/* Of our timers and of the first continue. Told apart by address: a user's own may have the same text. */
static const char timer_tag[] = "$statem_timeout";
static const char begin_tag[] = "$statem_begin";

struct item {
    struct anqa_list_node node;
    anqa_statem_event_kind kind;
    bool on_heap;
    bool kept; /* msg: beyond its event, and ours to free */
    const char *tag;
    const anqa_msg *msg;
    anqa_json body;   /* the message's, or a piece of the heap */
    anqa_timer timer; /* in `timeouts`: none is one of 0 ms */
};

/* owner: process */
struct machine {
    const anqa_gen_statem *spec;
    const char *state;
    struct anqa_list waiting, postponed, timeouts;
    struct item *fresh;   /* the present message's, if it is postponed */
    anqa_step *beginning; /* what init has returned */
    bool hibernate;
};
static_assert(sizeof(struct machine) <= ANQA_STATEM_SIZE_, "ANQA_STATEM_SIZE_ is too small");
static_assert(ANQA_STATEM_SIZE_ % 16 == 0, "data is aligned for any type");

struct anqa_statem_action_ {
    enum { ACTION_REPLY, ACTION_EVENT, ACTION_ARM, ACTION_UPDATE } what;
    anqa_statem_event_kind kind;
    uint32_t timeout_ms;
    const char *tag;
    anqa_json body;
    struct anqa_statem_action_ *next;
};

static void *data_of(struct machine *m)
{
    return (char *)m + ANQA_STATEM_SIZE_;
}

/* ---------------------------------------------------------------- steps */

static anqa_step with(anqa_step step, struct anqa_statem_action_ what)
{
    struct anqa_statem_action_ *action = anqa_arena_alloc(anqa_tmp(), sizeof *action);

    *action = what;
    if (what.body.len > 0)
        action->body.ptr = anqa_tmp_copy(what.body.ptr, what.body.len);
    if (step.last == NULL)
        step.first = action;
    else
        step.last->next = action;
    step.last = action;
    return step;
}

anqa_step anqa_and_reply(anqa_step step, anqa_json json)
{
    return with(step, (struct anqa_statem_action_){.what = ACTION_REPLY, .body = json});
}

anqa_step anqa_and_event(anqa_step step, const char *tag, anqa_json body)
{
    ANQA_REQUIRE(tag != NULL);
    return with(step, (struct anqa_statem_action_){.what = ACTION_EVENT, .tag = tag, .body = body});
}

static anqa_step arming(anqa_step step, anqa_statem_event_kind kind, const char *tag,
    uint32_t timeout_ms, anqa_json body)
{
    ANQA_REQUIRE(tag != NULL);
    return with(step,
        (struct anqa_statem_action_){
            .what = ACTION_ARM, .kind = kind, .timeout_ms = timeout_ms, .tag = tag, .body = body});
}

anqa_step anqa_and_timeout(anqa_step step, uint32_t timeout_ms)
{
    return arming(step, ANQA_ON_TIMEOUT, "timeout", timeout_ms, (anqa_json){NULL, 0});
}

anqa_step anqa_and_state_timeout(anqa_step step, uint32_t timeout_ms)
{
    return arming(step, ANQA_ON_STATE_TIMEOUT, "state_timeout", timeout_ms, (anqa_json){NULL, 0});
}

anqa_step anqa_and_named_timeout(
    anqa_step step, const char *name, uint32_t timeout_ms, anqa_json body)
{
    return arming(step, ANQA_ON_NAMED_TIMEOUT, name, timeout_ms, body);
}

anqa_step anqa_and_update_timeout(anqa_step step, const char *name, anqa_json body)
{
    ANQA_REQUIRE(name != NULL);
    return with(
        step, (struct anqa_statem_action_){
                  .what = ACTION_UPDATE, .kind = ANQA_ON_NAMED_TIMEOUT, .tag = name, .body = body});
}

/* ---------------------------------------------------------------- items */

static void set_body(struct item *item, anqa_json body)
{
    char *copy = body.len == 0 ? NULL : anqa_heap_alloc(body.len);

    if (copy != NULL)
        memcpy(copy, body.ptr, body.len);
    anqa_heap_free((void *)(uintptr_t)item->body.ptr);
    item->body = (anqa_json){copy, body.len};
}

static struct item *item_new(anqa_statem_event_kind kind, const char *tag, anqa_json body)
{
    struct item *item = anqa_heap_calloc(1, sizeof *item);

    anqa_list_node_init(&item->node);
    item->kind = kind;
    item->on_heap = true;
    item->tag = tag;
    set_body(item, body);
    return item;
}

static void item_free(struct machine *m, struct item *item)
{
    if (item == m->fresh)
        m->fresh = NULL;
    if (item->kept)
        anqa_msg_free(item->msg);
    if (!item->on_heap)
        return;
    if (item->msg == NULL)
        anqa_heap_free((void *)(uintptr_t)item->body.ptr);
    anqa_heap_free(item);
}

/* The message of the present event is the event's until that ends, see keep_fresh: it may be handled again before. */
static void postpone(struct machine *m, struct item *item)
{
    struct item *kept = item;

    if (!item->on_heap) {
        kept = anqa_heap_alloc(sizeof *kept);
        *kept = *item;
        kept->on_heap = true;
        m->fresh = kept;
    }
    anqa_list_push(&m->postponed, &kept->node);
}

static void keep_fresh(struct machine *m)
{
    if (m->fresh == NULL)
        return;
    anqa_msg_keep(m->fresh->msg);
    m->fresh->kept = true;
    m->fresh = NULL;
}

/* ---------------------------------------------------------------- time-outs */

static struct item *armed(struct machine *m, anqa_statem_event_kind kind, const char *tag)
{
    struct anqa_list_node *node = anqa_list_first(&m->timeouts);

    for (; node != NULL; node = anqa_list_next(&m->timeouts, node)) {
        struct item *item = ANQA_CONTAINER_OF(node, struct item, node);

        if (item->kind == kind && (kind != ANQA_ON_NAMED_TIMEOUT || anqa_tag_is(item->tag, tag)))
            return item;
    }
    return NULL;
}

static void disarm(struct machine *m, anqa_statem_event_kind kind, const char *tag)
{
    struct item *item = armed(m, kind, tag);

    if (item == NULL)
        return;
    if (item->timer.bits != 0)
        (void)anqa_timer_cancel(item->timer);
    anqa_list_remove(&item->node);
    item_free(m, item);
}

static void arm(struct machine *m, const struct anqa_statem_action_ *action)
{
    struct item *item;

    disarm(m, action->kind, action->tag);
    if (action->timeout_ms == ANQA_INFINITY)
        return;
    item = item_new(action->kind, action->tag, action->body);
    anqa_list_push(&m->timeouts, &item->node);
    if (action->timeout_ms > 0)
        item->timer = anqa_send_after(anqa_self(), timer_tag, anqa_nothing(), action->timeout_ms);
}

/* One that is not armed arrives at once, as OTP has it. */
static void update(struct machine *m, const struct anqa_statem_action_ *action)
{
    struct item *item = armed(m, action->kind, action->tag);

    if (item != NULL)
        set_body(item, action->body);
    else
        arm(m, action);
}

static void arm_all(struct machine *m, const anqa_step *step)
{
    for (const struct anqa_statem_action_ *at = step->first; at != NULL; at = at->next) {
        if (at->what == ACTION_ARM)
            arm(m, at);
        else if (at->what == ACTION_UPDATE)
            update(m, at);
    }
}

/* Takes out the time-out whose timer has fired, or, for no timer, the first of 0 ms. NULL: it was cancelled meanwhile. */
static struct item *take_due(struct machine *m, uint64_t timer)
{
    struct anqa_list_node *node = anqa_list_first(&m->timeouts);

    for (; node != NULL; node = anqa_list_next(&m->timeouts, node)) {
        struct item *item = ANQA_CONTAINER_OF(node, struct item, node);

        if (item->timer.bits == timer) {
            anqa_list_remove(node);
            return item;
        }
    }
    return NULL;
}

/* ---------------------------------------------------------------- what a handler has returned */

static ANQA_NORETURN void bad_return(const struct machine *m, const char *tag, const char *why)
{
    anqa_exit(anqa_reason_make(
        ANQA_REASON_BAD_RETURN, "of the handler of '%s' in state '%s': %s", tag, m->state, why));
}

/* Answers go out at once, also those of a step that stops; events are collected. */
static void reply_and_collect(const struct machine *m, const struct item *item,
    const anqa_step *step, struct anqa_list *ret_inserted)
{
    anqa_caller caller;

    for (const struct anqa_statem_action_ *at = step->first; at != NULL; at = at->next) {
        if (at->what == ACTION_EVENT) {
            struct item *event = item_new(ANQA_ON_INTERNAL, at->tag, at->body);

            anqa_list_push(ret_inserted, &event->node);
        } else if (at->what == ACTION_REPLY) {
            if (item->kind != ANQA_ON_CALL)
                bad_return(m, item->tag, "it replies, but that is no call");
            caller = anqa_msg_caller(item->msg);
            anqa_reply_to(&caller, anqa_text(at->body));
        }
    }
}

static const anqa_statem_row *find(
    const struct machine *m, anqa_statem_event_kind kind, const char *tag)
{
    const anqa_statem_row *row = m->spec->rows;

    for (; row != NULL && row->run != NULL; row++) {
        bool is_kind = row->kind == ANQA_ON_ANY ? kind != ANQA_ON_ENTER : row->kind == kind;

        if (is_kind && (row->tag == NULL || anqa_tag_is(tag, row->tag)) &&
            (row->state == NULL || anqa_tag_is(m->state, row->state)))
            return row;
    }
    return NULL;
}

static void enter(struct machine *m, const char *previous)
{
    struct item item = {.kind = ANQA_ON_ENTER, .tag = "enter"};
    const anqa_statem_row *row = find(m, item.kind, item.tag);
    anqa_statem_event event = {
        .kind = item.kind, .tag = item.tag, .state = m->state, .previous = previous};
    struct anqa_list inserted;
    anqa_step step;

    if (row == NULL)
        return;
    step = row->run(data_of(m), &event);
    if (step.kind == ANQA_STEP_STOP)
        anqa_exit(step.reason);
    if (step.kind != ANQA_STEP_KEEP || step.postpone)
        bad_return(m, item.tag, "an enter call keeps its state or stops, and postpones nothing");
    anqa_list_init(&inserted);
    reply_and_collect(m, &item, &step, &inserted);
    if (!anqa_list_empty(&inserted))
        bad_return(m, item.tag, "an enter call inserts no event");
    arm_all(m, &step);
    m->hibernate |= step.hibernate;
}

/* The order of what waits: inserted, then postponed if the state has changed, then what waited. */
static void queue(struct machine *m, struct anqa_list *inserted, bool changed)
{
    if (changed)
        anqa_list_splice(inserted, &m->postponed);
    anqa_list_splice(inserted, &m->waiting);
    anqa_list_splice(&m->waiting, inserted);
}

/* Does what the step of an item says, and frees the item or keeps it. */
static void advance(struct machine *m, struct item *item, const anqa_step *step)
{
    const char *previous = m->state;
    bool changed = step->kind == ANQA_STEP_NEXT && !anqa_tag_is(step->state, m->state);
    struct anqa_list inserted;

    anqa_list_init(&inserted);
    reply_and_collect(m, item, step, &inserted);
    if (step->kind == ANQA_STEP_STOP)
        anqa_exit(step->reason);
    if (step->postpone)
        postpone(m, item);
    else
        item_free(m, item);
    if (changed) {
        disarm(m, ANQA_ON_STATE_TIMEOUT, NULL);
        m->state = step->state;
    }
    queue(m, &inserted, changed);
    m->hibernate = step->hibernate;
    arm_all(m, step);
    if (changed || step->kind == ANQA_STEP_REPEAT)
        enter(m, previous);
}

/* ---------------------------------------------------------------- events */

static ANQA_NORETURN void no_row(const struct machine *m, const struct item *item)
{
    static const char *const kinds[] = {[ANQA_ON_ANY] = "event",
        [ANQA_ON_CALL] = "call",
        [ANQA_ON_CAST] = "cast",
        [ANQA_ON_INFO] = "message",
        [ANQA_ON_INTERNAL] = "internal event",
        [ANQA_ON_TIMEOUT] = "event time-out",
        [ANQA_ON_STATE_TIMEOUT] = "state time-out",
        [ANQA_ON_NAMED_TIMEOUT] = "named time-out",
        [ANQA_ON_ENTER] = "enter call"};

    anqa_exit(anqa_error_reason(
        "no row for the %s '%s' in state '%s'", kinds[item->kind], item->tag, m->state));
}

static anqa_step drop(const struct machine *m, const struct item *item)
{
    char from[ANQA_PID_TEXT];

    anqa_log(ANQA_ERROR, "gen_statem.unexpected_message", "tag=%s state=%s from=%s next=dropped",
        item->tag, m->state, anqa_pid_text(item->msg->from, from));
    return anqa_keep_state();
}

static void handle(struct machine *m, struct item *item)
{
    const anqa_statem_row *row = find(m, item->kind, item->tag);
    anqa_statem_event event = {.kind = item->kind,
        .tag = item->tag,
        .state = m->state,
        .body = item->body,
        .msg = item->msg};
    anqa_step step;

    disarm(m, ANQA_ON_TIMEOUT, NULL); /* cancelled by any event */
    if (row == NULL && item->kind != ANQA_ON_INFO)
        no_row(m, item);
    step = row == NULL ? drop(m, item) : row->run(data_of(m), &event);
    if (step.kind == ANQA_STEP_INVALID_ || step.kind == ANQA_STEP_IGNORE ||
        (step.kind == ANQA_STEP_NEXT && step.state == NULL))
        bad_return(m, item->tag, "it says nothing that a machine can do");
    advance(m, item, &step);
}

/* All that comes before the mailbox. A machine that feeds itself events leaves others their turn. */
static anqa_next go_on(struct machine *m)
{
    enum { TURN = 64 };
    bool hibernate;

    for (unsigned count = 1;; count++) {
        struct anqa_list_node *node = anqa_list_pop(&m->waiting);
        struct item *item =
            node == NULL ? take_due(m, 0) : ANQA_CONTAINER_OF(node, struct item, node);

        if (item == NULL)
            break;
        handle(m, item);
        if (count % TURN == 0)
            anqa_yield();
    }
    keep_fresh(m);
    hibernate = m->hibernate;
    m->hibernate = false;
    return hibernate ? anqa_then_hibernate(anqa_noreply()) : anqa_noreply();
}

static anqa_next on_message(struct machine *m, anqa_statem_event_kind kind, const anqa_msg *msg)
{
    struct item item = {.kind = kind, .tag = msg->tag, .msg = msg, .body = msg->body};

    handle(m, &item);
    return go_on(m);
}

anqa_next anqa_statem_call_(void *block, anqa_msg *msg)
{
    return on_message(block, ANQA_ON_CALL, msg);
}

anqa_next anqa_statem_cast_(void *block, anqa_msg *msg)
{
    return on_message(block, ANQA_ON_CAST, msg);
}

anqa_next anqa_statem_info_(void *block, anqa_msg *msg)
{
    struct machine *m = block;
    struct item *item;

    if (msg->kind != ANQA_MSG_TIMEOUT || msg->tag != timer_tag)
        return on_message(m, ANQA_ON_INFO, msg);
    item = take_due(m, msg->ref.bits);
    if (item != NULL)
        handle(m, item);
    return go_on(m);
}

/* ---------------------------------------------------------------- begin and end */

anqa_next anqa_statem_init_(void *block, const void *arg)
{
    struct machine *m = block;
    struct sched *s;
    struct child_head *head = proc_self(&s)->state;
    anqa_step step = anqa_keep_state();

    m->spec = ANQA_CONTAINER_OF((anqa_gen_server *)(uintptr_t)head->spec, anqa_gen_statem, server);
    m->state = m->spec->initial;
    anqa_list_init(&m->waiting);
    anqa_list_init(&m->postponed);
    anqa_list_init(&m->timeouts);
    if (m->spec->init != NULL)
        step = m->spec->init(data_of(m), arg);
    if (step.kind == ANQA_STEP_IGNORE)
        return anqa_ignore();
    if (step.kind == ANQA_STEP_STOP)
        return anqa_stop_with(step.reason);
    if (step.kind == ANQA_STEP_NEXT)
        m->state = step.state;
    if (m->state == NULL)
        anqa_exit(anqa_reason_make(ANQA_REASON_BAD_RETURN,
            "of init: no state to begin in; set .initial, or return anqa_next_state"));
    if ((step.kind != ANQA_STEP_NEXT && step.kind != ANQA_STEP_KEEP) || step.postpone)
        bad_return(
            m, "init", "it keeps or goes to a state, stops or ignores, and postpones nothing");
    m->beginning = anqa_arena_alloc(anqa_tmp(), sizeof *m->beginning);
    *m->beginning = step;
    return anqa_then_continue(anqa_noreply(), begin_tag);
}

/* As OTP: who starts a machine does not wait for its first enter call. Same event as init, so its memory is still there. */
static anqa_next begin(void *block, anqa_msg *msg)
{
    struct machine *m = block;
    const anqa_step *step = m->beginning;
    struct item item = {.kind = ANQA_ON_ENTER, .tag = "init"};
    struct anqa_list inserted;

    anqa_list_init(&inserted);
    reply_and_collect(m, &item, step, &inserted);
    m->beginning = NULL;
    m->hibernate = step->hibernate;
    queue(m, &inserted, false);
    arm_all(m, step);
    enter(m, m->state);
    return go_on(m);
}

const anqa_handler anqa_statem_continue_[] = {{begin_tag, begin}, {0}};

void anqa_statem_terminate_(void *block, anqa_reason reason)
{
    struct machine *m = block;

    if (m->spec->terminate != NULL)
        m->spec->terminate(data_of(m), m->state, reason);
}

anqa_json anqa_statem_format_(void *block)
{
    struct machine *m = block;
    anqa_json data;

    if (m->spec->format_status == NULL)
        return anqa_jsonf("{'state': %s}", m->state);
    data = m->spec->format_status(data_of(m), m->state);
    return anqa_jsonf("{'state': %s, 'data': %p}", m->state, (const void *)&data);
}

anqa_json anqa_statem_format_message_(void *block, const anqa_msg *msg)
{
    struct machine *m = block;

    return m->spec->format_message == NULL ? (anqa_json){NULL, 0}
                                           : m->spec->format_message(data_of(m), msg);
}

void anqa_statem_hibernate_(void *block)
{
    struct machine *m = block;

    if (m->spec->hibernate != NULL)
        m->spec->hibernate(data_of(m));
}
