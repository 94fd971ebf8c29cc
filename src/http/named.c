#include "http/named.h"

#include <anqa/memory.h>
#include <anqa/process.h>

static struct named_value **find(struct named *named, anqa_str name)
{
    struct named_value **link = &named->first;

    while (*link != NULL && !anqa_str_eq((*link)->name, name))
        link = &(*link)->next;
    return link;
}

static void add(struct named *named, anqa_str name, anqa_json value)
{
    struct named_value *one = anqa_arena_alloc(anqa_tmp(), sizeof *one);

    *one = (struct named_value){named->first, name, value};
    named->first = one;
}

void named_load(struct named *named, anqa_json object)
{
    anqa_json_iter it = anqa_json_each(object);
    anqa_str name;

    while (anqa_json_next(&it)) {
        if (anqa_json_to_str(anqa_tmp(), it.key, &name) == ANQA_OK && *find(named, name) == NULL)
            add(named, name, it.value);
    }
}

anqa_json named_get(const struct named *named, anqa_str name)
{
    const struct named_value *one = named->first;

    while (one != NULL && !anqa_str_eq(one->name, name))
        one = one->next;
    return one == NULL ? ANQA_JSON_NULL : one->value;
}

void named_put(struct named *named, anqa_str name, anqa_json value)
{
    anqa_json copy = {anqa_tmp_copy(value.ptr, value.len), value.len};
    struct named_value *one = *find(named, name);

    if (one == NULL)
        add(named, anqa_str_make(anqa_tmp_copy(name.ptr, name.len), name.len), copy);
    else
        one->value = copy;
}

bool named_delete(struct named *named, anqa_str name)
{
    struct named_value **link = find(named, name);

    if (*link == NULL)
        return false;
    *link = (*link)->next;
    return true;
}

anqa_json named_write(const struct named *named)
{
    anqa_json_writer w;
    anqa_json object;

    anqa_json_writer_init(&w, anqa_tmp(), 0);
    anqa_json_begin_object(&w);
    for (const struct named_value *one = named->first; one != NULL; one = one->next) {
        anqa_json_key_str(&w, one->name);
        anqa_json_put_raw(&w, one->value);
    }
    anqa_json_end_object(&w);
    ANQA_REQUIRE(anqa_json_writer_finish(&w, &object) == ANQA_OK);
    return object;
}

anqa_json named_text(anqa_str text)
{
    return anqa_jsonf("%.*s", ANQA_FMT(text));
}

anqa_str named_str(anqa_json value)
{
    anqa_str text = {NULL, 0};

    return anqa_json_to_str(anqa_tmp(), value, &text) == ANQA_OK ? text : anqa_str_make(NULL, 0);
}
