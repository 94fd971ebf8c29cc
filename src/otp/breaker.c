/*
 * Circuit breakers. The state of one is the `extra` of a table that is otherwise empty, so it is found by the address
 * of the spec and lives as long as the runtime. As long as it is closed a call that succeeds takes no lock.
 *
 * Each opening begins a *round*: a call notes the round in which it began, and counts only there.
 */
#include "otp/retry.h"

#include <stdatomic.h>
#include <stdlib.h>

#include <anqa/memory.h>
#include <anqa/telemetry.h>

#include "otp/table.h"

#define FAILURES 5u
#define WINDOW_MS 10000u
#define OPEN_MS 5000u

ANQA_TELEMETRY_DEFINE(state_changed, "anqa.breaker.state");
ANQA_TELEMETRY_DEFINE(refused, "anqa.breaker.refused");

/* shared: `state` and `round` are atomics, written under the table's lock, which guards all else. */
struct breaker {
    _Atomic(uint32_t) state; /* anqa_breaker_state, as of the last call */
    _Atomic(uint32_t) round;
    uint64_t open_until_ms;
    bool is_probed;
    uint32_t probed;        /* probes in a row that have succeeded */
    uint32_t count, oldest; /* of the times below */
    uint32_t size;          /* as many failures as open it */
    uint64_t times_ms[];    /* of the last failures while closed, a ring */
};

/* A call that is under way; on the caller's heap, for its end may be that of the process. */
struct ticket {
    const anqa_breaker *spec;
    struct table *table;
    struct breaker *breaker;
    uint32_t round;
    bool is_probe;
};

static uint32_t or_default(uint32_t value, uint32_t otherwise)
{
    return value != 0 ? value : otherwise;
}

/* ---------------------------------------------------------------- the state */

static struct breaker *breaker_new(const anqa_breaker *spec)
{
    uint32_t size = or_default(spec->failures, FAILURES);
    struct breaker *made;

    ANQA_REQUIRE(size <= ANQA_BREAKER_FAILURES_MAX);
    made = calloc(1, sizeof *made + size * sizeof made->times_ms[0]);
    if (made != NULL)
        made->size = size;
    return made;
}

/* The state, made by the first who asks; NULL: no memory. */
static struct breaker *breaker_of(const anqa_breaker *spec, struct table *table)
{
    struct breaker *breaker = table_extra(table), *made;

    if (breaker != NULL)
        return breaker;
    made = breaker_new(spec);
    if (made == NULL)
        return NULL;
    table_lock(table);
    breaker = table_extra(table);
    if (breaker == NULL) {
        (void)table_set_extra(table, made, free);
        breaker = made;
        made = NULL;
    }
    table_unlock(table);
    free(made);
    return breaker;
}

static anqa_breaker_state state_of(const struct breaker *breaker)
{
    return (anqa_breaker_state)atomic_load_explicit(
        &((struct breaker *)(uintptr_t)breaker)->state, memory_order_relaxed);
}

static void state_set(struct breaker *breaker, anqa_breaker_state state)
{
    atomic_store_explicit(&breaker->state, state, memory_order_relaxed);
}

static uint32_t round_of(const struct breaker *breaker)
{
    return atomic_load_explicit(
        &((struct breaker *)(uintptr_t)breaker)->round, memory_order_relaxed);
}

static void open_up(const anqa_breaker *spec, struct breaker *breaker)
{
    atomic_store_explicit(&breaker->round, round_of(breaker) + 1, memory_order_relaxed);
    breaker->open_until_ms = anqa_now_ms() + or_default(spec->open_ms, OPEN_MS);
    breaker->probed = 0;
    state_set(breaker, ANQA_BREAKER_OPEN);
}

/* One more failure. True: these are too many within the window. */
static bool failure_add(const anqa_breaker *spec, struct breaker *breaker)
{
    uint64_t now = anqa_now_ms();

    if (breaker->count < breaker->size) {
        breaker->times_ms[breaker->count++] = now;
    } else {
        breaker->times_ms[breaker->oldest] = now;
        breaker->oldest = (breaker->oldest + 1) % breaker->size;
    }
    return breaker->count == breaker->size &&
           now - breaker->times_ms[breaker->oldest] <= or_default(spec->window_ms, WINDOW_MS);
}

static void close_up(struct breaker *breaker)
{
    breaker->count = breaker->oldest = 0;
    state_set(breaker, ANQA_BREAKER_CLOSED);
}

/* ---------------------------------------------------------------- a call */

/* Not under the lock, for handlers are the user's: by now others may have changed it again. */
static void emit_change(
    const struct ticket *ticket, anqa_breaker_state before, anqa_breaker_state now)
{
    if (now != before)
        ANQA_EMIT(state_changed, (anqa_field_uint("failures", ticket->breaker->size)),
            (anqa_field_text("name", ticket->spec->name),
                anqa_field_text("state", anqa_breaker_state_name(now))));
}

/* Under the lock: whether this call may be a probe. */
static bool probe_begin(struct breaker *breaker)
{
    if (state_of(breaker) == ANQA_BREAKER_OPEN && anqa_now_ms() >= breaker->open_until_ms)
        state_set(breaker, ANQA_BREAKER_HALF_OPEN);
    if (state_of(breaker) != ANQA_BREAKER_HALF_OPEN || breaker->is_probed)
        return false;
    breaker->is_probed = true;
    return true;
}

/* False: the call is not to be made. */
static bool ticket_begin(struct ticket *ticket)
{
    struct breaker *breaker = ticket->breaker;
    anqa_breaker_state before, after;

    ticket->round = round_of(breaker);
    if (state_of(breaker) == ANQA_BREAKER_CLOSED)
        return true;
    table_lock(ticket->table);
    before = state_of(breaker);
    ticket->is_probe = before != ANQA_BREAKER_CLOSED && probe_begin(breaker);
    ticket->round = round_of(breaker);
    after = state_of(breaker);
    table_unlock(ticket->table);
    emit_change(ticket, before, after);
    return before == ANQA_BREAKER_CLOSED || ticket->is_probe;
}

/* Under the lock. */
static void probe_end(const struct ticket *ticket, bool has_failed)
{
    struct breaker *breaker = ticket->breaker;

    breaker->is_probed = false;
    if (has_failed)
        open_up(ticket->spec, breaker);
    else if (++breaker->probed >= or_default(ticket->spec->probes, 1))
        close_up(breaker);
}

static void ticket_end(const struct ticket *ticket, bool has_failed)
{
    struct breaker *breaker = ticket->breaker;
    anqa_breaker_state before, after;

    if (!ticket->is_probe && !has_failed)
        return;
    table_lock(ticket->table);
    before = state_of(breaker);
    if (ticket->is_probe)
        probe_end(ticket, has_failed);
    else if (before == ANQA_BREAKER_CLOSED && ticket->round == round_of(breaker) &&
             failure_add(ticket->spec, breaker))
        open_up(ticket->spec, breaker);
    after = state_of(breaker);
    table_unlock(ticket->table);
    emit_change(ticket, before, after);
}

/* The process ends in the midst of a call. */
static void ticket_lost(void *arg)
{
    ticket_end(arg, true);
}

static anqa_status refuse(const anqa_breaker *spec, anqa_error *err)
{
    ANQA_EMIT(refused, (), (anqa_field_text("name", spec->name)));
    return anqa_fail(err, ANQA_E_REFUSED, "circuit breaker '%s' is %s: not asked", spec->name,
        anqa_breaker_state_name(anqa_breaker_get_state(spec)));
}

anqa_status anqa_breaker_call(
    const anqa_breaker *breaker, anqa_attempt attempt, void *arg, anqa_error *err)
{
    struct ticket begun = {.spec = breaker, .table = table_of(anqa_rt_self(), breaker, false)};
    struct ticket *ticket;
    anqa_deferred lost;
    anqa_status status;

    if (begun.table != NULL)
        begun.breaker = breaker_of(breaker, begun.table);
    if (begun.breaker == NULL)
        return anqa_fail(err, ANQA_E_NOMEM, "no memory for circuit breaker '%s'", breaker->name);
    ticket = anqa_heap_alloc(sizeof *ticket);
    *ticket = begun;
    if (!ticket_begin(ticket)) {
        anqa_heap_free(ticket);
        return refuse(breaker, err);
    }
    lost = anqa_defer(ticket_lost, ticket);
    status = attempt(arg, err);
    (void)anqa_defer_cancel(lost);
    ticket_end(ticket, status_is_on(status, breaker->on));
    anqa_heap_free(ticket);
    return status;
}

/* ---------------------------------------------------------------- looking */

anqa_breaker_state anqa_breaker_get_state(const anqa_breaker *breaker)
{
    anqa_rt *rt = anqa_rt_self();
    struct table *table = rt == NULL ? NULL : table_find(rt, breaker);
    struct breaker *found = table == NULL ? NULL : table_extra(table);
    anqa_breaker_state state = ANQA_BREAKER_CLOSED;

    if (found == NULL)
        return state;
    table_lock(table);
    state = state_of(found);
    if (state == ANQA_BREAKER_OPEN && anqa_now_ms() >= found->open_until_ms)
        state = ANQA_BREAKER_HALF_OPEN;
    table_unlock(table);
    return state;
}

const char *anqa_breaker_state_name(anqa_breaker_state state)
{
    static const char *const names[] = {"closed", "open", "half_open"};

    return state <= ANQA_BREAKER_HALF_OPEN ? names[state] : "unknown";
}
