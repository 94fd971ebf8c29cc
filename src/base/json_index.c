#include <anqa/json.h>

#include "base/siphash.h"

struct field {
    anqa_str name;   /* decoded */
    anqa_json value; /* len 0: a free slot */
    uint64_t hash;
};

/* Open addressing with linear probing in a power of two, never more than half full. Nothing is ever removed. */
struct anqa_json_index {
    size_t mask, count;
    struct field fields[];
};

static uint64_t hash_of(anqa_str name)
{
    return siphash(name.ptr, name.len, siphash_boot_key());
}

/* The field of that name, or the free slot where it would be. */
static size_t slot_of(const anqa_json_index *index, anqa_str name, uint64_t hash)
{
    size_t at = hash & index->mask;

    while (index->fields[at].value.len != 0) {
        const struct field *f = &index->fields[at];
        if (f->hash == hash && anqa_str_eq(f->name, name))
            break;
        at = (at + 1) & index->mask;
    }
    return at;
}

static anqa_json_index *index_alloc(anqa_arena *arena, size_t count)
{
    anqa_json_index *index;
    size_t slots = 4;

    while (slots < 2 * count) /* a field takes 4 bytes of text at least: no overflow */
        slots *= 2;
    if (slots > (SIZE_MAX - sizeof *index) / sizeof(struct field))
        return NULL;
    index = anqa_arena_calloc(arena, 1, sizeof *index + slots * sizeof(struct field));
    if (index != NULL)
        index->mask = slots - 1;
    return index;
}

static anqa_status index_fill(anqa_json_index *index, anqa_arena *arena, anqa_json object)
{
    anqa_json_iter it = anqa_json_each(object);

    while (anqa_json_next(&it)) {
        struct field field = {.value = it.value}, *slot;
        anqa_status s = anqa_json_to_str(arena, it.key, &field.name);

        if (s != ANQA_OK)
            return s;
        field.hash = hash_of(field.name);
        slot = &index->fields[slot_of(index, field.name, field.hash)];
        if (slot->value.len != 0)
            continue; /* of fields with one name the first is found */
        *slot = field;
        index->count++;
    }
    return it.status;
}

anqa_status anqa_json_index_new(
    anqa_arena *arena, anqa_json object, const anqa_json_index **ret_index)
{
    anqa_json_index *index;
    size_t count;
    anqa_status s;

    if (anqa_json_type_of(object) != ANQA_JSON_IS_OBJECT)
        return ANQA_E_TYPE;
    s = anqa_json_len(object, &count);
    if (s != ANQA_OK)
        return s;
    index = index_alloc(arena, count);
    if (index == NULL)
        return ANQA_E_NOMEM;
    s = index_fill(index, arena, object);
    if (s == ANQA_OK)
        *ret_index = index;
    return s;
}

size_t anqa_json_index_count(const anqa_json_index *index)
{
    return index->count;
}

anqa_status anqa_json_index_get(const anqa_json_index *index, anqa_str key, anqa_json *ret_value)
{
    const struct field *f = &index->fields[slot_of(index, key, hash_of(key))];

    if (f->value.len == 0)
        return ANQA_E_NOT_FOUND;
    *ret_value = f->value;
    return ANQA_OK;
}
