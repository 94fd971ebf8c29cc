/* Collections of requests: entries in the order they were added, and an index by reference. */
#include <anqa/requests.h>

#include <string.h>

#include <anqa/memory.h>

#include "runtime/proc.h"

#define CAPACITY_FIRST 8u

struct anqa_request_entry {
    anqa_ref ref;
    uint64_t label;
    bool removed;
    bool answered;
};

anqa_until anqa_within(uint32_t timeout_ms)
{
    anqa_until until = {timeout_ms == ANQA_INFINITY ? UINT64_MAX : anqa_now_ms() + timeout_ms};

    return until;
}

/* ---------------------------------------------------------------- the table */

/* The index is twice as large as the entries: at most half full. */
static uint32_t index_mask(const anqa_requests *set)
{
    return set->capacity * 2 - 1;
}

/* References are counted up: mixed, so that runs of them do not lie in runs of places. */
static uint32_t first_place(const anqa_requests *set, anqa_ref ref)
{
    return (uint32_t)((ref.bits * 0x9e3779b97f4a7c15u) >> 32) & index_mask(set);
}

static struct anqa_request_entry *find(const anqa_requests *set, anqa_ref ref)
{
    uint32_t number;

    if (set->capacity == 0)
        return NULL;
    for (uint32_t at = first_place(set, ref); (number = set->index[at]) != 0;
        at = (at + 1) & index_mask(set)) {
        struct anqa_request_entry *entry = &set->entries[number - 1];
        if (anqa_ref_eq(entry->ref, ref))
            return entry->removed ? NULL : entry;
    }
    return NULL;
}

static void append(anqa_requests *set, const struct anqa_request_entry *entry)
{
    uint32_t at = first_place(set, entry->ref);

    while (set->index[at] != 0)
        at = (at + 1) & index_mask(set);
    set->entries[set->used++] = *entry;
    set->index[at] = set->used;
}

/* A copy without what was removed, in which half is free. */
static void rebuild(anqa_requests *set)
{
    anqa_requests old = *set;

    set->capacity = CAPACITY_FIRST;
    while (set->capacity < old.count * 2)
        set->capacity *= 2;
    set->entries = anqa_heap_calloc(set->capacity, sizeof *set->entries);
    set->index = anqa_heap_calloc((size_t)set->capacity * 2, sizeof *set->index);
    set->used = 0;
    for (uint32_t i = 0; i < old.used; i++)
        if (!old.entries[i].removed)
            append(set, &old.entries[i]);
    anqa_heap_free(old.entries);
    anqa_heap_free(old.index);
}

anqa_status anqa_requests_add(anqa_requests *set, anqa_ref request, uint64_t label)
{
    if (find(set, request) != NULL)
        return ANQA_E_EXISTS;
    if (set->used == set->capacity)
        rebuild(set);
    append(set, &(struct anqa_request_entry){.ref = request, .label = label});
    set->count++;
    set->waiting++;
    set->mark.bits = 0; /* its response may have come long ago */
    return ANQA_OK;
}

anqa_ref anqa_requests_send(
    anqa_requests *set, anqa_pid to, const char *tag, anqa_payload payload, uint64_t label)
{
    anqa_ref request = anqa_request(to, tag, payload);

    (void)anqa_requests_add(set, request, label); /* a new reference is not there yet */
    return request;
}

size_t anqa_requests_size(const anqa_requests *set)
{
    return set->count;
}

void anqa_requests_list(const anqa_requests *set, anqa_request_info **ret_infos, size_t *ret_count)
{
    anqa_request_info *infos = anqa_arena_calloc(anqa_tmp(), set->count + 1u, sizeof *infos);
    size_t count = 0;

    for (uint32_t i = 0; i < set->used; i++) {
        const struct anqa_request_entry *entry = &set->entries[i];
        if (!entry->removed)
            infos[count++] = (anqa_request_info){entry->ref, entry->label, entry->answered};
    }
    *ret_infos = infos;
    *ret_count = count;
}

/* ---------------------------------------------------------------- responses */

static void respond(anqa_requests *set, struct anqa_request_entry *entry, const anqa_msg *msg,
    anqa_response_mode mode, anqa_response *ret_response)
{
    bool is_answer = msg->kind == ANQA_MSG_REPLY;

    *ret_response = (anqa_response){
        .label = entry->label, .request = entry->ref, .from = msg->from, .msg = msg};
    if (is_answer) {
        ret_response->answer = msg->body;
    } else {
        ret_response->status = anqa_msg_never_started(msg) ? ANQA_E_NOPROC : ANQA_E_DIED;
        ret_response->reason = msg->u.reason;
    }
    set->waiting--;
    entry->answered = true;
    entry->removed = mode == ANQA_RESPONSE_DELETE;
    set->count -= entry->removed;
}

static struct anqa_request_entry *entry_of(const anqa_requests *set, const anqa_msg *msg)
{
    struct anqa_request_entry *entry =
        msg->kind == ANQA_MSG_REPLY || msg->kind == ANQA_MSG_DOWN ? find(set, msg->ref) : NULL;

    return entry == NULL || entry->answered ? NULL : entry;
}

static bool is_response(const anqa_msg *msg, void *arg)
{
    return entry_of(arg, msg) != NULL;
}

/* Milliseconds that are left. */
static uint32_t left_of(anqa_until until)
{
    uint64_t now;

    if (until.at_ms == UINT64_MAX)
        return ANQA_INFINITY;
    now = anqa_now_ms();
    if (until.at_ms <= now)
        return 0;
    return until.at_ms - now < ANQA_INFINITY ? (uint32_t)(until.at_ms - now) : ANQA_INFINITY - 1;
}

anqa_status anqa_requests_wait(
    anqa_requests *set, anqa_until until, anqa_response_mode mode, anqa_response *ret_response)
{
    const anqa_msg *msg;

    if (set->waiting == 0)
        return ANQA_E_NOT_FOUND;
    msg = proc_receive_since(&set->mark, is_response, set, left_of(until));
    if (msg == NULL)
        return ANQA_E_TIMEOUT;
    respond(set, find(set, msg->ref), msg, mode, ret_response);
    return ANQA_OK;
}

/* Those whose responses are there first: they are found where the search stands, not one by one. */
static void abandon(anqa_requests *set)
{
    anqa_response response;

    while (anqa_requests_wait(set, (anqa_until){0}, ANQA_RESPONSE_DELETE, &response) == ANQA_OK)
        anqa_msg_free(response.msg);
    for (uint32_t i = 0; i < set->used; i++) {
        struct anqa_request_entry *entry = &set->entries[i];
        if (entry->removed || entry->answered)
            continue;
        anqa_request_cancel(entry->ref);
        entry->removed = true;
        set->count--;
    }
    set->waiting = 0;
}

anqa_status anqa_requests_receive(
    anqa_requests *set, anqa_until until, anqa_response_mode mode, anqa_response *ret_response)
{
    anqa_status status = anqa_requests_wait(set, until, mode, ret_response);

    if (status == ANQA_E_TIMEOUT)
        abandon(set);
    return status;
}

anqa_status anqa_requests_check(
    anqa_requests *set, const anqa_msg *msg, anqa_response_mode mode, anqa_response *ret_response)
{
    struct anqa_request_entry *entry = entry_of(set, msg);

    if (entry == NULL)
        return ANQA_E_NOT_FOUND;
    respond(set, entry, msg, mode, ret_response);
    return ANQA_OK;
}

void anqa_requests_clear(anqa_requests *set)
{
    abandon(set);
    anqa_heap_free(set->entries);
    anqa_heap_free(set->index);
    *set = (anqa_requests){0};
}
