/* What holds and why, for people and for programs. */
#include "base/config_int.h"

#include <anqa/json.h>

#include <stdio.h>

/* Text that grows in an arena; once an allocation failed it takes nothing more. */
struct out {
    anqa_arena *arena;
    char *ptr;
    size_t len, capacity;
    bool failed;
};

static void out_bytes(struct out *out, const char *bytes, size_t len)
{
    if (out->failed)
        return;
    if (len > out->capacity - out->len) {
        size_t capacity = (out->len + len) * 2 + 512;
        char *bigger = anqa_arena_alloc(out->arena, capacity);
        if (bigger == NULL) {
            out->failed = true;
            return;
        }
        if (out->len != 0)
            memcpy(bigger, out->ptr, out->len);
        out->ptr = bigger;
        out->capacity = capacity;
    }
    if (len != 0)
        memcpy(out->ptr + out->len, bytes, len);
    out->len += len;
}

static void out_text(struct out *out, const char *text)
{
    out_bytes(out, text, strlen(text));
}

/* In a comment: one line, whatever the name of the file is. */
static void out_comment(struct out *out, const char *text)
{
    for (; *text != '\0'; text++)
        out_bytes(out, (unsigned char)*text < ' ' || *text == 0x7f ? "?" : text, 1);
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* Exactly what the reader does not take without quotes. */
static bool needs_quotes(anqa_str value)
{
    if (value.len == 0 || is_blank(value.ptr[0]) || is_blank(value.ptr[value.len - 1]))
        return true;
    for (size_t i = 0; i < value.len; i++) {
        if (value.ptr[i] == '"' || value.ptr[i] == '\n' || value.ptr[i] == '\r')
            return true;
        if (value.ptr[i] == '#' && (i == 0 || is_blank(value.ptr[i - 1])))
            return true;
    }
    return false;
}

static void out_value(struct out *out, anqa_str value)
{
    if (!needs_quotes(value)) {
        out_bytes(out, value.ptr, value.len);
        return;
    }
    out_text(out, "\"");
    for (size_t i = 0; i < value.len; i++) {
        switch (value.ptr[i]) {
        case '\n': out_text(out, "\\n"); break;
        case '\r': out_text(out, "\\r"); break;
        case '"': out_text(out, "\\\""); break;
        case '\\': out_text(out, "\\\\"); break;
        default: out_bytes(out, &value.ptr[i], 1); break;
        }
    }
    out_text(out, "\"");
}

static const char *from_text(anqa_config_from from)
{
    static const char *const texts[] = {"default", "program", "file", "environment", "argument"};

    return texts[from];
}

static void out_entry(struct out *out, const struct config_entry *e)
{
    anqa_str value = config_shown_text(e);
    bool hidden = value.ptr != e->text.ptr;
    char allowed[160];

    config_value_allowed(e->option, allowed, sizeof allowed);
    out_text(out, "\n# ");
    out_comment(out, e->option->doc == NULL ? e->option->name : e->option->doc);
    if (e->option->type != ANQA_CONFIG_STR) {
        out_text(out, " (");
        out_comment(out, allowed);
        out_text(out, ")");
    }
    out_text(out, hidden ? "\n# " : "\n");
    out_text(out, e->option->name);
    out_text(out, " = ");
    out_value(out, value);
    out_text(out, "  # ");
    out_comment(out, e->where[0] == '\0' ? from_text(e->from) : e->where);
    out_text(out, "\n");
}

anqa_status anqa_config_print_text(const anqa_config *config, anqa_arena *arena, anqa_str *ret_text)
{
    struct out out = {.arena = arena};

    for (size_t i = 0; i < config->count; i++) {
        const struct config_entry *e = &config->entries[i];
        if (i == 0 || e->area != config->entries[i - 1].area) {
            out_text(&out, i == 0 ? "[" : "\n[");
            out_text(&out, e->area->name);
            out_text(&out, "]\n");
        }
        out_entry(&out, e);
    }
    if (out.failed)
        return ANQA_E_NOMEM;
    *ret_text = anqa_str_make(out.ptr, out.len);
    return ANQA_OK;
}

static void put_member(anqa_json_writer *w, const char *key, anqa_str value)
{
    anqa_json_key(w, key);
    anqa_json_put_str(w, value);
}

static void put_entry(anqa_json_writer *w, const struct config_entry *e)
{
    const char *standard = e->option->standard;

    anqa_json_begin_object(w);
    put_member(w, "area", anqa_str_of(e->area->name));
    put_member(w, "name", anqa_str_of(e->option->name));
    put_member(w, "type", anqa_str_of(config_type_name(e->option->type)));
    put_member(w, "value", config_shown_text(e));
    anqa_json_key(w, "default");
    if (standard == NULL)
        anqa_json_put_null(w);
    else
        anqa_json_put_str(w, anqa_str_of(e->option->secret ? "(hidden)" : standard));
    put_member(w, "from", anqa_str_of(from_text(e->from)));
    put_member(w, "where", anqa_str_of(e->where));
    put_member(w, "doc", anqa_str_of(e->option->doc));
    anqa_json_end_object(w);
}

anqa_status anqa_config_print_json(const anqa_config *config, anqa_arena *arena, anqa_str *ret_json)
{
    anqa_json_writer w;
    anqa_json json;
    anqa_status s;

    anqa_json_writer_init(&w, arena, 0);
    anqa_json_begin_array(&w);
    for (size_t i = 0; i < config->count; i++)
        put_entry(&w, &config->entries[i]);
    anqa_json_end_array(&w);
    s = anqa_json_writer_finish(&w, &json);
    if (s != ANQA_OK)
        return s;
    *ret_json = anqa_json_text(json);
    return ANQA_OK;
}

static void show(const struct config_entry *e, anqa_config_value *ret_value)
{
    *ret_value = (anqa_config_value){.area = e->area->name,
        .option = e->option,
        .text = config_shown_text(e),
        .from = e->from,
        .where = e->where};
}

size_t anqa_config_count(const anqa_config *config)
{
    return config->count;
}

anqa_status anqa_config_at(const anqa_config *config, size_t index, anqa_config_value *ret_value)
{
    if (index >= config->count)
        return ANQA_E_NOT_FOUND;
    show(&config->entries[index], ret_value);
    return ANQA_OK;
}

anqa_status anqa_config_find(
    const anqa_config *config, const char *name, anqa_config_value *ret_value)
{
    for (size_t i = 0; i < config->count; i++) {
        const struct config_entry *e = &config->entries[i];
        size_t area_len = strlen(e->area->name);
        if (strncmp(name, e->area->name, area_len) != 0 || name[area_len] != '.' ||
            strcmp(name + area_len + 1, e->option->name) != 0)
            continue;
        show(e, ret_value);
        return ANQA_OK;
    }
    return ANQA_E_NOT_FOUND;
}
