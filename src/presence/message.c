#include "presence/message.h"

/* ---------------------------------------------------------------- writing */

static void put_id(anqa_json_writer *w, const struct replica_id *id)
{
    anqa_json_put_str(w, id->name);
    anqa_json_put_uint(w, id->started);
    anqa_json_put_uint(w, id->nonce);
}

static void put_entry(anqa_json_writer *w, const struct section_entry *entry)
{
    anqa_json_begin_array(w);
    anqa_json_put_uint(w, entry->tag);
    anqa_json_put_uint(w, entry->pid);
    anqa_json_put_str(w, entry->topic);
    anqa_json_put_str(w, entry->key);
    anqa_json_put_raw(w, (anqa_json){entry->meta.ptr, entry->meta.len});
    anqa_json_end_array(w);
}

static void put_section(anqa_json_writer *w, const struct section *section)
{
    anqa_json_begin_array(w);
    put_id(w, &section->of);
    anqa_json_put_uint(w, section->since);
    anqa_json_put_uint(w, section->clock);
    anqa_json_put_uint(w, section->after);
    anqa_json_put_uint(w, section->to);
    anqa_json_begin_array(w);
    for (size_t i = 0; i < section->gone_count; i++)
        anqa_json_put_uint(w, section->gone[i]);
    anqa_json_end_array(w);
    anqa_json_begin_array(w);
    for (size_t i = 0; i < section->here_count; i++)
        put_entry(w, &section->here[i]);
    anqa_json_end_array(w);
    anqa_json_end_array(w);
}

static void put_message(anqa_json_writer *w, const struct message *message)
{
    anqa_json_begin_array(w);
    put_id(w, &message->from);
    anqa_json_begin_array(w);
    for (size_t i = 0; i < message->clocks_count; i++) {
        anqa_json_begin_array(w);
        put_id(w, &message->clocks[i].id);
        anqa_json_put_uint(w, message->clocks[i].clock);
        anqa_json_end_array(w);
    }
    anqa_json_end_array(w);
    anqa_json_begin_array(w);
    for (size_t i = 0; i < message->sections_count; i++)
        put_section(w, &message->sections[i]);
    anqa_json_end_array(w);
    anqa_json_end_array(w);
}

anqa_status message_write(anqa_arena *arena, const struct message *message, anqa_json *ret_json)
{
    anqa_json_writer *w = anqa_arena_alloc(arena, sizeof *w);

    if (w == NULL)
        return ANQA_E_NOMEM;
    anqa_json_writer_init(w, arena, 0);
    put_message(w, message);
    return anqa_json_writer_finish(w, ret_json);
}

/* ---------------------------------------------------------------- reading */

struct reader {
    anqa_arena *arena;
    anqa_error *err;
};

static anqa_status malformed(const struct reader *r, const char *what)
{
    return anqa_fail(
        r->err, ANQA_E_PARSE, "a tracker's message has no %s where one should be", what);
}

static bool get_number(anqa_json json, uint64_t max, uint64_t *ret_number)
{
    return anqa_json_to_uint(json, ret_number) == ANQA_OK && *ret_number <= max;
}

static bool get_text(const struct reader *r, anqa_json json, size_t min, size_t max, anqa_str *ret)
{
    return anqa_json_to_str(r->arena, json, ret) == ANQA_OK && ret->len >= min && ret->len <= max;
}

/* Three values that are a replica. */
static bool get_id(const struct reader *r, const anqa_json *at, struct replica_id *ret_id)
{
    return get_text(r, at[0], 1, 255, &ret_id->name) &&
           get_number(at[1], UINT64_MAX, &ret_id->started) &&
           get_number(at[2], UINT64_MAX, &ret_id->nonce);
}

/* Room for the elements of an array, which are counted first. NULL: *ret_status says why. */
static void *get_room(const struct reader *r, anqa_json array, size_t max, size_t size,
    const char *what, anqa_status *ret_status)
{
    size_t count = 0;
    void *room;

    if (anqa_json_type_of(array) != ANQA_JSON_IS_ARRAY || anqa_json_len(array, &count) != ANQA_OK) {
        *ret_status = malformed(r, what);
        return NULL;
    }
    if (count > max) {
        *ret_status =
            anqa_fail(r->err, ANQA_E_LIMIT, "%zu times %s in a tracker's message", count, what);
        return NULL;
    }
    room = anqa_arena_alloc(r->arena, (count + 1) * size);
    if (room == NULL)
        *ret_status = anqa_fail(r->err, ANQA_E_NOMEM, "no memory for a tracker's message");
    return room;
}

static anqa_status get_clocks(const struct reader *r, anqa_json array, struct message *message)
{
    anqa_status status = ANQA_OK;
    struct replica_clock *clocks =
        get_room(r, array, PRESENCE_REPLICAS_MAX, sizeof *clocks, "a list of clocks", &status);
    anqa_json_iter it;
    anqa_json at[4];

    if (clocks == NULL)
        return status;
    for (it = anqa_json_each(array); anqa_json_next(&it);) {
        struct replica_clock *clock = &clocks[message->clocks_count++];
        if (anqa_json_split(it.value, at, 4) != ANQA_OK || !get_id(r, at, &clock->id) ||
            !get_number(at[3], PRESENCE_CLOCK_MAX, &clock->clock))
            return malformed(r, "clock of a replica");
    }
    message->clocks = clocks;
    return ANQA_OK;
}

static anqa_status get_gone(const struct reader *r, anqa_json array, struct section *section)
{
    anqa_status status = ANQA_OK;
    uint64_t *gone =
        get_room(r, array, PRESENCE_REMOVALS_MAX, sizeof *gone, "a list of removals", &status);
    anqa_json_iter it;

    if (gone == NULL)
        return status;
    for (it = anqa_json_each(array); anqa_json_next(&it); section->gone_count++)
        if (!get_number(it.value, section->since, &gone[section->gone_count]))
            return malformed(r, "tag that was removed");
    section->gone = gone;
    return ANQA_OK;
}

/* An object with a reference: a client's list would break without one. */
static bool get_meta(const struct reader *r, anqa_json json, anqa_str *ret_meta)
{
    anqa_str ref;

    *ret_meta = anqa_json_text(json);
    return anqa_json_type_of(json) == ANQA_JSON_IS_OBJECT && json.len <= PRESENCE_META_TEXT_MAX &&
           anqa_json_get_str(r->arena, json, "phx_ref", &ref) == ANQA_OK && ref.len > 0;
}

static anqa_status get_here(const struct reader *r, anqa_json array, struct section *section)
{
    anqa_status status = ANQA_OK;
    struct section_entry *here =
        get_room(r, array, SECTION_ENTRIES_MAX, sizeof *here, "a list of entries", &status);
    uint64_t before = section->after;
    anqa_json_iter it;
    anqa_json at[5];

    if (here == NULL)
        return status;
    for (it = anqa_json_each(array); anqa_json_next(&it);) {
        struct section_entry *entry = &here[section->here_count++];
        if (anqa_json_split(it.value, at, 5) != ANQA_OK ||
            !get_number(at[0], section->to, &entry->tag) || entry->tag <= before ||
            !get_number(at[1], UINT64_MAX, &entry->pid) ||
            !get_text(r, at[2], 1, PRESENCE_TOPIC_MAX, &entry->topic) ||
            !get_text(r, at[3], 0, PRESENCE_KEY_MAX, &entry->key) ||
            !get_meta(r, at[4], &entry->meta))
            return malformed(r, "entry");
        before = entry->tag;
    }
    section->here = here;
    return ANQA_OK;
}

static anqa_status get_section(const struct reader *r, anqa_json json, struct section *section)
{
    anqa_json at[9];
    anqa_status status;

    *section = (struct section){.since = 0};
    if (anqa_json_split(json, at, 9) != ANQA_OK || !get_id(r, at, &section->of) ||
        !get_number(at[4], PRESENCE_CLOCK_MAX, &section->clock) ||
        !get_number(at[6], section->clock, &section->to) ||
        !get_number(at[5], section->to, &section->after) ||
        !get_number(at[3], section->after, &section->since))
        return malformed(r, "section");
    status = get_gone(r, at[7], section);
    return status == ANQA_OK ? get_here(r, at[8], section) : status;
}

static anqa_status get_sections(const struct reader *r, anqa_json array, struct message *message)
{
    anqa_status status = ANQA_OK;
    struct section *sections =
        get_room(r, array, MESSAGE_SECTIONS_MAX, sizeof *sections, "a list of sections", &status);
    anqa_json_iter it;

    if (sections == NULL)
        return status;
    for (it = anqa_json_each(array); status == ANQA_OK && anqa_json_next(&it);)
        status = get_section(r, it.value, &sections[message->sections_count++]);
    message->sections = sections;
    return status;
}

anqa_status message_read(
    anqa_arena *arena, anqa_json json, struct message *ret_message, anqa_error *err)
{
    struct reader r = {arena, err};
    anqa_json at[5];
    anqa_status status;

    *ret_message = (struct message){.clocks = NULL};
    if (anqa_json_split(json, at, 5) != ANQA_OK || !get_id(&r, at, &ret_message->from))
        return malformed(&r, "sender");
    status = get_clocks(&r, at[3], ret_message);
    return status == ANQA_OK ? get_sections(&r, at[4], ret_message) : status;
}
