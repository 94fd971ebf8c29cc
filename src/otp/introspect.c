/* Processes and the system, seen from outside: what the runtime can see, with names and what behaviours know. */
#include <anqa/introspect.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <anqa/agent.h>
#include <anqa/gen_statem.h>
#include <anqa/memory.h>

#include "otp/child.h"
#include "otp/introspect.h"
#include "otp/registry.h"
#include "otp/sys.h"
#include "otp/table.h"
#include "runtime/inspect.h"

#define LIST_STANDARD 100u
#define LIST_SLICE 128u /* processes that are looked at in one go: some 20 us */

/* ---------------------------------------------------------------- kinds */

static const char *server_kind(const anqa_gen_server *server)
{
    if (server->init == anqa_statem_init_)
        return "gen_statem";
    return server->handle_call == anqa_agent_calls_ ? "agent" : "gen_server";
}

/* Specs are static, so this holds for the dead too. */
static void name_kind(struct look *look)
{
    if (look->spec == NULL)
        return;
    if (look->behaviour == &gen_server_behaviour) {
        look->info.kind = server_kind(look->spec);
        look->info.spec = ((const anqa_gen_server *)look->spec)->name;
    } else if (look->behaviour == &supervisor_behaviour) {
        look->info.spec = ((const anqa_supervisor *)look->spec)->name;
    } else if (look->behaviour == &dynamic_behaviour) {
        look->info.spec = ((const anqa_dynamic_supervisor *)look->spec)->name;
    }
}

/* Who waits for a message while it handles a question of sys.c has been suspended by that. */
static void name_suspended(anqa_process_info *info)
{
    if (info->status != ANQA_PROCESS_RECEIVE || info->handling != sys_tag)
        return;
    info->status = ANQA_PROCESS_SUSPENDED;
    info->handling = NULL;
}

static bool look_whole(const anqa_rt *rt, anqa_pid pid, struct look *ret_look)
{
    if (!proc_look(rt, pid, ret_look))
        return false;
    name_kind(ret_look);
    name_suspended(&ret_look->info);
    return true;
}

bool introspect_glance(anqa_pid pid, anqa_process_info *ret_info)
{
    struct look look;

    if (!look_whole(anqa_rt_self(), pid, &look))
        return false;
    *ret_info = look.info;
    return true;
}

bool introspect_is_child(anqa_pid pid, bool *ret_alive)
{
    struct look look;

    *ret_alive = proc_look(anqa_rt_self(), pid, &look);
    return *ret_alive &&
           (look.behaviour == &gen_server_behaviour || look.behaviour == &supervisor_behaviour ||
               look.behaviour == &dynamic_behaviour);
}

/* ---------------------------------------------------------------- names */

/* Infos by their pids. */
struct named {
    anqa_process_info **infos;
    size_t count;
};

static int by_pid(const void *a, const void *b)
{
    uint64_t x = (*(anqa_process_info *const *)a)->pid.bits,
             y = (*(anqa_process_info *const *)b)->pid.bits;

    return x < y ? -1 : x > y;
}

static bool has_name(const anqa_process_info *info, anqa_str name)
{
    for (size_t i = 0; i < info->name_count; i++)
        if (anqa_str_eq(info->names[i], name))
            return true;
    return false;
}

static void add_name(void *ctx, anqa_pid pid, anqa_str name)
{
    const struct named *named = ctx;
    anqa_process_info key = {.pid = pid}, *wanted = &key, **found, *info;
    anqa_str *names;

    found = bsearch(&wanted, named->infos, named->count, sizeof *named->infos, by_pid);
    if (found == NULL || has_name(*found, name))
        return;
    info = *found;
    names = anqa_arena_calloc(anqa_tmp(), info->name_count + 1, sizeof *names);
    for (size_t i = 0; i < info->name_count; i++)
        names[i] = info->names[i];
    names[info->name_count++] = anqa_str_make(anqa_tmp_copy(name.ptr, name.len), name.len);
    info->names = names;
}

static void add_names(anqa_process_info *infos, size_t count)
{
    struct named named = {
        .infos = anqa_arena_calloc(anqa_tmp(), count, sizeof(anqa_process_info *)), .count = count};
    size_t at = 0;

    for (size_t i = 0; i < count; i++)
        named.infos[i] = &infos[i];
    qsort(named.infos, count, sizeof *named.infos, by_pid);
    while (registry_some_names(&at, add_name, &named))
        anqa_yield();
}

/* ---------------------------------------------------------------- one process */

anqa_status anqa_process_info_get(anqa_pid pid, anqa_process_info *ret_info)
{
    struct look look;

    ANQA_REQUIRE(anqa_rt_self() != NULL);
    if (!look_whole(anqa_rt_self(), pid, &look))
        return ANQA_E_NOPROC;
    add_names(&look.info, 1);
    *ret_info = look.info;
    return ANQA_OK;
}

/* ---------------------------------------------------------------- many */

/* A process that may be listed, and what it is to be sorted by. */
struct candidate {
    uint64_t weight;
    anqa_pid pid;
};

/* The heaviest so far: a heap with the lightest on top, until it is sorted. */
struct candidates {
    struct candidate *rows;
    size_t count, limit;
    bool sorted;
};

static bool lighter(const struct candidate *a, const struct candidate *b)
{
    return a->weight != b->weight ? a->weight < b->weight : a->pid.bits > b->pid.bits;
}

static void sift_down(struct candidates *list, size_t at)
{
    struct candidate moved = list->rows[at];

    for (size_t child = 2 * at + 1; child < list->count; child = 2 * at + 1) {
        if (child + 1 < list->count && lighter(&list->rows[child + 1], &list->rows[child]))
            child++;
        if (!lighter(&list->rows[child], &moved))
            break;
        list->rows[at] = list->rows[child];
        at = child;
    }
    list->rows[at] = moved;
}

static void keep(struct candidates *list, struct candidate row)
{
    if (list->count == list->limit) {
        if (!lighter(&list->rows[0], &row))
            return;
        list->rows[0] = row;
        sift_down(list, 0);
        return;
    }
    list->rows[list->count++] = row;
    if (list->count == list->limit && list->sorted)
        for (size_t i = list->count / 2; i-- > 0;)
            sift_down(list, i);
}

static int heaviest_first(const void *a, const void *b)
{
    return lighter(a, b) ? 1 : lighter(b, a) ? -1 : 0;
}

static uint64_t weight_of(anqa_process_sort sort, const anqa_process_info *info)
{
    switch (sort) {
    case ANQA_SORT_MAILBOX: return info->mailbox;
    case ANQA_SORT_MEMORY: return info->memory;
    case ANQA_SORT_HANDLED: return info->handled;
    case ANQA_SORT_NONE: break;
    }
    return 0;
}

static bool is_of_kind(const struct look *look, const char *kind)
{
    return kind == NULL || strcmp(look->info.kind, kind) == 0;
}

/* Looks at all, in slices, until there are enough of those that are not sorted. */
static void collect(const anqa_rt *rt, const anqa_process_list_opts *opts, struct candidates *list)
{
    uint32_t slots = look_slots(rt), first = 0;
    struct look look;

    if (!anqa_pid_is_none(opts->after))
        first = ((uint32_t)(opts->after.bits >> 32) & 0xffffff) + 1;
    for (uint32_t slot = first; slot < slots; slot++) {
        if ((slot - first) % LIST_SLICE == LIST_SLICE - 1)
            anqa_yield();
        if (look_whole(rt, look_at_slot(rt, slot), &look) && is_of_kind(&look, opts->kind))
            keep(list, (struct candidate){weight_of(opts->sort, &look.info), look.info.pid});
        if (!list->sorted && list->count == list->limit)
            return;
    }
}

/* Those who have died meanwhile are left out. */
static size_t look_again(const anqa_rt *rt, const struct candidates *list, anqa_process_info *infos)
{
    size_t count = 0;
    struct look look;

    for (size_t i = 0; i < list->count; i++) {
        if (i % LIST_SLICE == LIST_SLICE - 1)
            anqa_yield();
        if (look_whole(rt, list->rows[i].pid, &look))
            infos[count++] = look.info;
    }
    return count;
}

anqa_status anqa_process_list(
    const anqa_process_list_opts *opts, anqa_process_info **ret_infos, size_t *ret_count)
{
    static const anqa_process_list_opts standard;
    const anqa_rt *rt = anqa_rt_self();
    struct candidates list = {.limit = LIST_STANDARD};

    ANQA_REQUIRE(rt != NULL);
    if (opts == NULL)
        opts = &standard;
    if (opts->sort > ANQA_SORT_HANDLED ||
        (opts->sort != ANQA_SORT_NONE && !anqa_pid_is_none(opts->after)))
        return ANQA_E_INVALID;
    if (opts->limit > ANQA_PROCESS_LIST_MAX)
        return ANQA_E_RANGE;
    if (opts->limit != 0)
        list.limit = opts->limit;
    list.sorted = opts->sort != ANQA_SORT_NONE;
    list.rows = anqa_arena_calloc(anqa_tmp(), list.limit, sizeof *list.rows);
    collect(rt, opts, &list);
    if (list.sorted)
        qsort(list.rows, list.count, sizeof *list.rows, heaviest_first);
    *ret_infos = anqa_arena_calloc(anqa_tmp(), list.count + 1, sizeof **ret_infos);
    *ret_count = look_again(rt, &list, *ret_infos);
    add_names(*ret_infos, *ret_count);
    return ANQA_OK;
}

/* ---------------------------------------------------------------- who is meant */

static bool read_number(const char **at, const char *end, uint64_t max, uint64_t *ret_number)
{
    uint64_t number = 0;
    const char *start = *at;

    while (*at < end && **at >= '0' && **at <= '9' && number <= max)
        number = number * 10 + (uint64_t)(*(*at)++ - '0');
    *ret_number = number;
    return *at > start && number <= max;
}

static bool read_dot(const char **at, const char *end)
{
    if (*at == end || **at != '.')
        return false;
    ++*at;
    return true;
}

/* "0.12.1", with < and > around or without. */
static bool read_pid(anqa_str text, anqa_pid *ret_pid)
{
    const char *at = text.ptr, *end = text.ptr + text.len;
    uint64_t node, slot, generation;

    if (text.len > 2 && at[0] == '<' && end[-1] == '>') {
        at++;
        end--;
    }
    if (!read_number(&at, end, 0xff, &node) || !read_dot(&at, end) ||
        !read_number(&at, end, 0xffffff, &slot) || !read_dot(&at, end) ||
        !read_number(&at, end, UINT32_MAX, &generation) || at != end)
        return false;
    ret_pid->bits = node << 56 | slot << 32 | generation;
    return true;
}

anqa_status anqa_process_find(anqa_str text, anqa_pid *ret_pid)
{
    anqa_pid pid;

    if (!read_pid(text, &pid))
        pid = anqa_whereis(anqa_tmp_copy(text.ptr, text.len));
    if (anqa_pid_is_none(pid))
        return ANQA_E_NOT_FOUND;
    *ret_pid = pid;
    return ANQA_OK;
}

/* ---------------------------------------------------------------- the system */

void anqa_system_info_get(anqa_system_info *ret_info)
{
    anqa_rt *rt = anqa_rt_self();

    ANQA_REQUIRE(rt != NULL);
    look_at_system(rt, ret_info);
    ret_info->names = registry_name_count();
    ret_info->tables = table_count(rt);
}

double anqa_system_busy(
    const anqa_system_info *before, const anqa_system_info *now, uint16_t scheduler)
{
    static const anqa_system_info start;
    double passed, idle;

    if (before == NULL)
        before = &start;
    passed = (double)now->uptime_ns - (double)before->uptime_ns;
    idle =
        (double)now->schedulers[scheduler].idle_ns - (double)before->schedulers[scheduler].idle_ns;
    if (passed <= 0 || idle >= passed)
        return 0;
    return idle <= 0
               ? 1
               : 1 - idle / passed; /* two clocks are read: it may be a little less than nothing */
}
