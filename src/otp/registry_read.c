/* Looking at many entries of a registry. */
#include <stdatomic.h>

#include "otp/registry_int.h"

typedef bool (*matcher)(const anqa_registry_entry *entry, void *arg);

/* Copies into the event's memory: what a reader holds must outlive its reading. */
struct list {
    anqa_registry_entry *entries;
    size_t count, size;
};

static void list_grow(struct list *list)
{
    size_t size = list->size == 0 ? 8 : list->size * 2;
    anqa_registry_entry *entries = anqa_arena_alloc(anqa_tmp(), size * sizeof *entries);

    if (list->count > 0)
        memcpy(entries, list->entries, list->count * sizeof *entries);
    list->entries = entries;
    list->size = size;
}

static void list_add(struct list *list, anqa_registry_entry entry, anqa_str copied_key)
{
    anqa_json value = entry.value;
    anqa_str original = entry.key;

    if (list->count == list->size)
        list_grow(list);
    entry.key = copied_key;
    if (copied_key.ptr == NULL)
        entry.key =
            anqa_str_make(anqa_arena_copy(anqa_tmp(), original.ptr, original.len), original.len);
    if (!is_null(value))
        entry.value.ptr = anqa_arena_copy(anqa_tmp(), value.ptr, value.len);
    list->entries[list->count++] = entry;
}

static bool is_wanted(const anqa_registry_entry *entry, matcher match, void *arg)
{
    return anqa_is_alive(entry->pid) && (match == NULL || match(entry, arg));
}

/* ---------------------------------------------------------------- of one key */

/* list: NULL only counts. */
static size_t list_key(const anqa_registry *registry, anqa_str key, matcher match, void *arg,
    struct list *list, anqa_str copied_key)
{
    struct table *table = registry_table_if_made(registry);
    size_t count = 0;

    if (table == NULL)
        return 0;
    table_read_begin(table);
    for (struct table_node *node = table_get(table, key); node != NULL;
        node = older_of(table, node)) {
        anqa_registry_entry entry = peek(table, node);
        if (!is_wanted(&entry, match, arg))
            continue;
        count++;
        if (list != NULL)
            list_add(list, entry, copied_key);
    }
    table_read_end(table);
    return count;
}

void anqa_registry_lookup(const anqa_registry *registry, anqa_str key,
    anqa_registry_entry **ret_entries, size_t *ret_count)
{
    anqa_str copied = {anqa_arena_copy(anqa_tmp(), key.ptr, key.len), key.len};
    struct list list = {0};

    *ret_count = list_key(registry, key, NULL, NULL, &list, copied);
    *ret_entries = list.entries;
}

size_t anqa_registry_count_key(const anqa_registry *registry, anqa_str key)
{
    return list_key(registry, key, NULL, NULL, NULL, key);
}

size_t anqa_registry_count_match(const anqa_registry *registry, anqa_str key,
    bool (*match)(const anqa_registry_entry *entry, void *arg), void *arg)
{
    return list_key(registry, key, match, arg, NULL, key);
}

size_t anqa_registry_dispatch(const anqa_registry *registry, anqa_str key,
    void (*run)(const anqa_registry_entry *entry, void *arg), void *arg)
{
    anqa_registry_entry *entries;
    size_t count;

    anqa_registry_lookup(registry, key, &entries, &count);
    for (size_t i = 0; i < count; i++)
        run(&entries[i], arg);
    return count;
}

struct sending {
    const char *tag;
    anqa_payload payload;
};

static void send_to(const anqa_registry_entry *entry, void *arg)
{
    const struct sending *sending = arg;

    (void)anqa_send(entry->pid, sending->tag, sending->payload);
}

size_t anqa_registry_send(
    const anqa_registry *registry, anqa_str key, const char *tag, anqa_payload payload)
{
    struct sending sending = {tag, payload};

    ANQA_REQUIRE(payload.kind != ANQA_PAYLOAD_OBJECT); /* one object cannot be moved to many */
    return anqa_registry_dispatch(registry, key, send_to, &sending);
}

/* ---------------------------------------------------------------- of all keys */

size_t anqa_registry_count(const anqa_registry *registry)
{
    struct table *table = registry_table_if_made(registry);

    return table == NULL ? 0 : atomic_load_explicit(&table->count, memory_order_relaxed);
}

static size_t list_all(const anqa_registry *registry, matcher match, void *arg, struct list *list)
{
    struct table *table = registry_table_if_made(registry);
    struct table_walk walk = {0};
    struct table_node *node;
    size_t count = 0;

    if (table == NULL)
        return 0;
    table_read_begin(table);
    while ((node = table_next(table, &walk)) != NULL) {
        anqa_registry_entry entry = peek(table, node);
        if (!is_wanted(&entry, match, arg))
            continue;
        count++;
        if (list != NULL)
            list_add(list, entry, (anqa_str){NULL, 0});
    }
    table_read_end(table);
    return count;
}

void anqa_registry_select(const anqa_registry *registry,
    bool (*match)(const anqa_registry_entry *entry, void *arg), void *arg,
    anqa_registry_entry **ret_entries, size_t *ret_count)
{
    struct list list = {0};

    *ret_count = list_all(registry, match, arg, &list);
    *ret_entries = list.entries;
}

size_t anqa_registry_count_select(const anqa_registry *registry,
    bool (*match)(const anqa_registry_entry *entry, void *arg), void *arg)
{
    return list_all(registry, match, arg, NULL);
}

bool anqa_registry_select_page(const anqa_registry *registry, anqa_registry_cursor *cursor,
    size_t max, bool (*match)(const anqa_registry_entry *entry, void *arg), void *arg,
    anqa_registry_entry **ret_entries, size_t *ret_count)
{
    struct table *table = registry_table_if_made(registry);
    struct table_page page = {.bucket = cursor->bucket, .after = cursor->after, .max = max};
    struct list list = {0};

    ANQA_REQUIRE(max > 0);
    *ret_count = 0;
    *ret_entries = NULL;
    if (table == NULL || cursor->at_end)
        return false;
    page.nodes = anqa_arena_calloc(anqa_tmp(), max, sizeof *page.nodes);
    table_read_begin(table);
    table_page(table, &page);
    for (size_t i = 0; i < page.count; i++) {
        anqa_registry_entry entry = peek(table, page.nodes[i]);
        if (is_wanted(&entry, match, arg))
            list_add(&list, entry, (anqa_str){NULL, 0});
    }
    table_read_end(table);
    *cursor = (anqa_registry_cursor){page.bucket, page.after, page.at_end};
    *ret_entries = list.entries;
    *ret_count = list.count;
    return true;
}

static bool of_pid(const anqa_registry_entry *entry, void *arg)
{
    return anqa_pid_eq(entry->pid, *(const anqa_pid *)arg);
}

void anqa_registry_keys(const anqa_registry *registry, anqa_pid pid,
    anqa_registry_entry **ret_entries, size_t *ret_count)
{
    anqa_registry_select(registry, of_pid, &pid, ret_entries, ret_count);
}
