/*
 * Links, monitors, exit signals, trapping and names against a model.
 *
 * Random processes do random operations in deterministic mode. In the first test each operation is played to its end
 * before the next one, so that the model, written from the rules alone, can say exactly who is alive, why the others
 * died, and which messages everybody has. In the second test many operations are under way at once; there what must
 * hold in any order is checked: both ends of a link agree, every monitor of a dead process gave one DOWN, hooks ran
 * once, and nothing refers to the dead. What names and registries must answer is known exactly in both tests; that part of
 * the model is names_model.h. A failed run is repeated with --seed.
 */
#include <stdlib.h>

#include "names_model.h"
#include "runtime/rt_fixture.h"
#include "runtime/hooks.h"
#include "runtime/sched.h"

enum { RUNS = 600, PEOPLE = 7, MAX_EVENTS = 512, MAX_MONITORS = 64, REASONS = 5 };

static const anqa_reason_kind reasons[REASONS] = {ANQA_REASON_NORMAL, ANQA_REASON_SHUTDOWN,
    ANQA_REASON_ERROR, ANQA_REASON_KILL, ANQA_REASON_KILLED};

/* An EXIT or DOWN message that somebody has. */
struct event {
    int to, from;
    anqa_msg_kind kind;
    anqa_reason_kind reason;
    int monitor; /* DOWN: its number */
};

struct events {
    struct event list[MAX_EVENTS];
    size_t count;
};

static void event_add(struct events *events, struct event event)
{
    CHECK(events->count < MAX_EVENTS);
    events->list[events->count++] = event;
}

static int event_order(const void *a, const void *b)
{
    return memcmp(a, b, sizeof(struct event));
}

/* ---------------------------------------------------------------- operations */

enum op_kind {
    OP_LINK,
    OP_UNLINK,
    OP_MONITOR,
    OP_DEMONITOR,
    OP_SIGNAL,
    OP_EXIT,
    OP_TRAP,
    OP_NAMES,
    OP_KINDS
};

struct op {
    enum op_kind kind;
    int who, whom;
    anqa_reason_kind reason;
    int monitor; /* MONITOR: its number; DEMONITOR: whose end it is */
    bool on; /* TRAP; DEMONITOR: flush; NAMES: wait afterwards, so that deaths come in the middle */
    enum names_op names;
    enum names_table table;
    unsigned key;
};

static struct op random_op(int monitors)
{
    /* links and monitors more often than deaths, or there would soon be nobody left */
    static const enum op_kind kinds[] = {OP_LINK, OP_LINK, OP_LINK, OP_UNLINK, OP_MONITOR,
        OP_MONITOR, OP_DEMONITOR, OP_SIGNAL, OP_SIGNAL, OP_EXIT, OP_TRAP, OP_TRAP, OP_TRAP,
        OP_NAMES, OP_NAMES, OP_NAMES, OP_NAMES, OP_NAMES, OP_NAMES};
    static const enum names_op names[] = {
        NAMES_REGISTER, NAMES_REGISTER, NAMES_REGISTER, NAMES_UNREGISTER, NAMES_UPDATE, NAMES_LOCK};
    uint64_t r = harness_random();

    return (struct op){
        .kind = kinds[r % ANQA_COUNT(kinds)],
        .who = (int)(r >> 8) & 0xff,
        .whom = (int)(r >> 16) & 0xff,
        .reason = reasons[(r >> 24 & 0xff) % REASONS],
        .monitor = monitors == 0 ? -1 : (int)(r >> 32 & 0xff) % monitors,
        .on = r >> 40 & 1,
        .names = names[(r >> 41 & 0xff) % ANQA_COUNT(names)],
        .table = (enum names_table)((r >> 49 & 0xff) % NAMES_TABLES),
        .key = (unsigned)(r >> 57) % NAMES_KEYS,
    };
}

/* ---------------------------------------------------------------- the model */

struct model {
    struct {
        bool dead, traps;
        anqa_reason_kind reason;
    } people[PEOPLE];
    bool linked[PEOPLE][PEOPLE];
    struct {
        int watcher, target;
        bool active;
    } monitors[MAX_MONITORS];
    int monitor_count;
    struct events events;
};

static void model_die(struct model *m, int who, anqa_reason_kind reason);

static void model_exit_signal(
    struct model *m, int from, int to, anqa_reason_kind reason, bool by_link)
{
    if (m->people[to].dead)
        return;
    if (reason == ANQA_REASON_KILL && !by_link) {
        model_die(m, to, ANQA_REASON_KILLED);
        return;
    }
    if (m->people[to].traps) {
        event_add(&m->events, (struct event){to, from, ANQA_MSG_EXIT, reason, -1});
        return;
    }
    if (reason != ANQA_REASON_NORMAL || from == to)
        model_die(m, to, reason);
}

static void model_die(struct model *m, int who, anqa_reason_kind reason)
{
    m->people[who].dead = true;
    m->people[who].reason = reason;
    for (int i = 0; i < m->monitor_count; i++) {
        if (!m->monitors[i].active)
            continue;
        if (m->monitors[i].target == who && !m->people[m->monitors[i].watcher].dead)
            event_add(
                &m->events, (struct event){m->monitors[i].watcher, who, ANQA_MSG_DOWN, reason, i});
        if (m->monitors[i].target == who || m->monitors[i].watcher == who)
            m->monitors[i].active = false;
    }
    for (int i = 0; i < PEOPLE; i++)
        if (m->linked[who][i]) {
            m->linked[who][i] = m->linked[i][who] = false;
            model_exit_signal(m, who, i, reason, true);
        }
}

static void model_link(struct model *m, int who, int whom)
{
    if (who == whom)
        return;
    if (m->people[whom].dead)
        model_exit_signal(m, whom, who, ANQA_REASON_NOPROC, true);
    else
        m->linked[who][whom] = m->linked[whom][who] = true;
}

static void model_monitor(struct model *m, int who, int whom)
{
    int i = m->monitor_count++;

    m->monitors[i].watcher = who;
    m->monitors[i].target = whom;
    m->monitors[i].active = !m->people[whom].dead && who != whom;
    if (m->people[whom].dead)
        event_add(&m->events, (struct event){who, whom, ANQA_MSG_DOWN, ANQA_REASON_NOPROC, i});
}

static void model_apply(struct model *m, const struct op *op)
{
    switch (op->kind) {
    case OP_LINK: model_link(m, op->who, op->whom); break;
    case OP_UNLINK: m->linked[op->who][op->whom] = m->linked[op->whom][op->who] = false; break;
    case OP_MONITOR: model_monitor(m, op->who, op->whom); break;
    case OP_DEMONITOR:
        if (op->monitor >= 0 && m->monitors[op->monitor].watcher == op->who)
            m->monitors[op->monitor].active = false;
        break;
    case OP_SIGNAL: model_exit_signal(m, op->who, op->whom, op->reason, false); break;
    case OP_EXIT: model_die(m, op->who, op->reason); break;
    case OP_TRAP: m->people[op->who].traps = op->on; break;
    case OP_NAMES: /* has a model of its own */
    case OP_KINDS: break;
    }
}

/* ---------------------------------------------------------------- the real ones */

struct person {
    struct exit_hook hook;
    anqa_pid pid;
    anqa_ref ref; /* the test watches it */
    int hook_runs;
    bool born, dead;
    anqa_reason_kind reason;
};

static struct {
    struct person people[PEOPLE];
    struct {
        anqa_ref ref;
        int watcher, target;
        bool demonitored;
        int downs;
    } monitors[MAX_MONITORS];
    int monitor_count;
    struct events events;
} world;

static int person_of(anqa_pid pid)
{
    for (int i = 0; i < PEOPLE; i++)
        if (anqa_pid_eq(world.people[i].pid, pid))
            return i;
    CHECK(false, "a message from a stranger");
    return -1;
}

static int monitor_of(anqa_ref ref)
{
    for (int i = 0; i < world.monitor_count; i++)
        if (anqa_ref_eq(world.monitors[i].ref, ref))
            return i;
    CHECK(false, "a DOWN for no monitor");
    return -1;
}

static void person_note(int self, const anqa_msg *msg)
{
    struct event event = {self, person_of(msg->from), (anqa_msg_kind)msg->kind,
        anqa_reason_get_kind(msg->u.reason), -1};

    if (msg->kind == ANQA_MSG_DOWN) {
        event.monitor = monitor_of(msg->ref);
        world.monitors[event.monitor].downs++;
    }
    event_add(&world.events, event);
}

static void person_monitor(int self, int whom)
{
    int i = world.monitor_count++;

    world.monitors[i].watcher = self;
    world.monitors[i].target = whom;
    world.monitors[i].ref = anqa_monitor(world.people[whom].pid);
}

static void person_demonitor(int self, const struct op *op)
{
    if (op->monitor < 0 || world.monitors[op->monitor].watcher != self)
        return;
    (void)anqa_demonitor(world.monitors[op->monitor].ref, op->on);
    world.monitors[op->monitor].demonitored = true;
}

static void person_do(int self, const struct op *op)
{
    anqa_pid whom = world.people[op->whom].pid;

    switch (op->kind) {
    case OP_LINK: anqa_link(whom); break;
    case OP_UNLINK: anqa_unlink(whom); break;
    case OP_MONITOR: person_monitor(self, op->whom); break;
    case OP_DEMONITOR: person_demonitor(self, op); break;
    case OP_SIGNAL: anqa_exit_signal(whom, anqa_reason_of(op->reason)); break;
    case OP_EXIT: anqa_exit(anqa_reason_of(op->reason));
    case OP_TRAP: anqa_trap_exit(op->on); break;
    case OP_NAMES:
        names_do(op->names, op->table, op->key);
        if (op->on)
            anqa_yield();
        break;
    case OP_KINDS: break;
    }
}

static void hook_run(struct exit_hook *hook, anqa_pid pid)
{
    struct person *person = ANQA_CONTAINER_OF(hook, struct person, hook);

    CHECK_EQ(pid.bits, person->pid.bits);
    person->hook_runs++;
    names_dead(pid);
}

static void person_init(void *state)
{
    struct person *person = &world.people[*(int *)state];

    person->hook.run = hook_run;
    person->born = true;
    exit_hook_add(&person->hook);
}

static void person_handle(void *state, const anqa_msg *msg)
{
    int self = *(int *)state;
    struct op op;

    names_check();
    if (msg->kind == ANQA_MSG_EXIT || msg->kind == ANQA_MSG_DOWN) {
        person_note(self, msg);
        if (!anqa_is_alive(msg->from)) /* an EXIT may be sent by hand */
            names_inherit(msg->from);
    } else {
        memcpy(&op, msg->body.ptr, sizeof op);
        person_do(self, &op);
    }
    names_check();
}

/* Names are the process's until this is over. */
static void person_terminate(void *state, anqa_reason reason)
{
    anqa_yield();
    names_check();
}

static const anqa_behaviour person_behaviour = {
    .name = "person", .init = person_init, .handle = person_handle, .terminate = person_terminate};

static void world_open(void)
{
    memset(&world, 0, sizeof world);
    names_open();
    for (int i = 0; i < PEOPLE; i++) {
        struct person *person = &world.people[i];
        anqa_spawn_opts opts = {
            .behaviour = &person_behaviour, .arg = &i, .arg_size = sizeof i, .monitor = true};
        CHECK_STATUS(anqa_spawn(&opts, &person->pid, &person->ref), ANQA_OK);
    }
}

static void world_order(const struct op *op)
{
    CHECK_STATUS(anqa_send(world.people[op->who].pid, "do", anqa_bytes(op, sizeof *op)), ANQA_OK);
}

/* Everything comes to rest; notes who has died. */
static void world_settle(anqa_rt *rt)
{
    uint64_t ran;

    do { /* it comes back early when there is mail for us: taking it in lets it go on */
        ran = anqa_rt_run(rt, 0);
        (void)anqa_mailbox_length();
    } while (ran > 0 || anqa_rt_run(rt, 0) > 0);
    for (int i = 0; i < PEOPLE; i++) {
        struct person *person = &world.people[i];
        const anqa_msg *msg = person->dead ? NULL : anqa_receive_ref(person->ref, 0);
        if (msg == NULL)
            continue;
        person->dead = true;
        person->reason = anqa_reason_get_kind(msg->u.reason);
        anqa_msg_free(msg);
    }
    names_check();
    names_check_told();
}

static void world_close(anqa_rt *rt)
{
    for (int i = 0; i < PEOPLE; i++)
        anqa_exit_signal(world.people[i].pid, ANQA_KILL);
    rt_close(rt);
    for (int i = 0; i < PEOPLE; i++)
        CHECK_EQ(world.people[i].hook_runs, world.people[i].born, "person %d", i);
}

/* ---------------------------------------------------------------- one operation after the other */

/* Who dies may have read what came just before, or not. */
static void forget_the_dead(struct events *events, const struct model *model)
{
    size_t kept = 0;

    for (size_t i = 0; i < events->count; i++)
        if (!model->people[events->list[i].to].dead)
            events->list[kept++] = events->list[i];
    events->count = kept;
}

static void compare(struct model *model, unsigned run, unsigned step)
{
    struct events *want = &model->events, *got = &world.events;

    for (int i = 0; i < PEOPLE; i++) {
        CHECK_EQ(
            world.people[i].dead, model->people[i].dead, "run %u step %u person %d", run, step, i);
        if (model->people[i].dead)
            CHECK_EQ(world.people[i].reason, model->people[i].reason, "run %u step %u person %d",
                run, step, i);
    }
    forget_the_dead(want, model);
    forget_the_dead(got, model);
    CHECK_EQ(got->count, want->count, "run %u step %u", run, step);
    qsort(want->list, want->count, sizeof want->list[0], event_order);
    qsort(got->list, got->count, sizeof got->list[0], event_order);
    for (size_t i = 0; i < want->count; i++)
        CHECK_EQ(memcmp(&want->list[i], &got->list[i], sizeof want->list[i]), 0,
            "run %u step %u: message %d from %d to %d, reason %d", run, step,
            (int)want->list[i].kind, want->list[i].from, want->list[i].to,
            (int)want->list[i].reason);
}

/* One of those who live; -1: nobody does. */
static int somebody(const struct model *model, int start)
{
    for (int i = 0; i < PEOPLE; i++)
        if (!model->people[(start + i) % PEOPLE].dead)
            return (start + i) % PEOPLE;
    return -1;
}

static void run_against_model(unsigned run)
{
    anqa_rt *rt = rt_open_deterministic(harness_random());
    struct model model = {.monitor_count = 0};

    world_open();
    for (unsigned step = 0; step < 40 && model.monitor_count < MAX_MONITORS; step++) {
        struct op op = random_op(model.monitor_count);
        op.who = somebody(&model, op.who);
        op.whom %= PEOPLE;
        if (op.who < 0)
            break;
        model_apply(&model, &op);
        world_order(&op);
        world_settle(rt);
        compare(&model, run, step);
    }
    world_close(rt);
}

TEST(random_operations_have_exactly_the_results_of_the_model)
{
    for (unsigned run = 0; run < RUNS / harness_slowness(); run++)
        run_against_model(run);
}

/* ---------------------------------------------------------------- many operations at once */

/* The tables of the living, looked at while nothing runs. */
static void check_tables(const anqa_rt *rt, unsigned run)
{
    for (int i = 0; i < PEOPLE; i++) {
        const struct proc *p = proc_slot(rt, world.people[i].pid);
        for (uint32_t j = 0; !world.people[i].dead && p->rels != NULL && j < p->rels->capacity;
            j++) {
            const struct rel *rel = &p->rels->entries[j];
            bool is_link = rel->key != 0 && (rel->key & REF_BIT) == 0;
            int other = is_link ? person_of((anqa_pid){rel->key}) : -1;
            if (!is_link)
                continue;
            CHECK(!world.people[other].dead, "run %u: %d is linked to dead %d", run, i, other);
            CHECK(rels_get(proc_slot(rt, world.people[other].pid)->rels,
                      world.people[i].pid.bits) != NULL,
                "run %u: %d is linked to %d, not the other way", run, i, other);
        }
    }
}

static void check_monitors(unsigned run)
{
    for (int i = 0; i < world.monitor_count; i++) {
        bool target_dead = world.people[world.monitors[i].target].dead;
        int downs = world.monitors[i].downs;
        CHECK(downs <= (target_dead ? 1 : 0), "run %u: %d DOWN messages", run, downs);
        if (target_dead && !world.monitors[i].demonitored &&
            !world.people[world.monitors[i].watcher].dead)
            CHECK_EQ(downs, 1, "run %u", run);
    }
}

static void check_hooks(unsigned run)
{
    for (int i = 0; i < PEOPLE; i++)
        CHECK_EQ(world.people[i].hook_runs, world.people[i].born && world.people[i].dead,
            "run %u person %d", run, i);
}

static void order_a_batch(unsigned size)
{
    for (unsigned i = 0; i < size && world.monitor_count + (int)size < MAX_MONITORS; i++) {
        struct op op = random_op(world.monitor_count);
        op.who %= PEOPLE;
        op.whom %= PEOPLE;
        if (!world.people[op.who].dead)
            world_order(&op);
    }
}

static void run_batches(unsigned run)
{
    anqa_rt *rt = rt_open_deterministic(harness_random());

    world_open();
    for (unsigned batch = 0; batch < 6; batch++) {
        order_a_batch(1 + (unsigned)(harness_random() % 10));
        world_settle(rt);
        check_tables(rt, run);
        check_monitors(run);
        check_hooks(run);
    }
    world_close(rt);
}

TEST(operations_at_once_leave_both_ends_of_every_relation_in_agreement)
{
    for (unsigned run = 0; run < RUNS / harness_slowness(); run++)
        run_batches(run);
}
