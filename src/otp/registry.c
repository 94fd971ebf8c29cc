/* Names and registries: entries that belong to processes, in tables that are read without locks. */
#include <anqa/registry.h>

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include <anqa/memory.h>

#include "base/container.h"
#include "otp/registry.h"
#include "otp/table.h"

struct value {
    size_t len;
    char json[];
};

/* owner: the process that registered it, which alone writes; readers find it through the table. The key follows. */
struct entry {
    /* unique tables use twin.node only; first, so that both kinds can be told by the table */
    struct table_twin twin;
    struct exit_hook hook;
    struct table *table;
    _Atomic(struct value *) value; /* NULL: null */
};

/* The same without the fields of a twin: most entries are unique, and there are many. */
struct lone_entry {
    struct table_node node;
    struct exit_hook hook;
    struct table *table;
    _Atomic(struct value *) value;
};

/* What a registry has beside its entries; made when first needed, under the table's lock. */
struct extra {
    const anqa_registry *registry; /* told of changes; NULL: nobody is */
    struct meta *metas;
};

struct meta {
    struct meta *next;
    char *name;
    struct value *value;
};

/* The fields behind the node, wherever they lie. */
struct fields {
    struct exit_hook *hook;
    struct table **table;
    _Atomic(struct value *) *value;
};

static struct fields fields_of(struct table_node *node, bool twins)
{
    struct lone_entry *lone = (struct lone_entry *)(void *)node;
    struct entry *entry = (struct entry *)(void *)node;

    if (twins)
        return (struct fields){&entry->hook, &entry->table, &entry->value};
    return (struct fields){&lone->hook, &lone->table, &lone->value};
}

static const anqa_registry names = {.name = "names"};

/* Places of their table that are looked at in one go. */
#define NAMES_SLICE 1024u

static struct table *registry_table(const anqa_registry *registry)
{
    anqa_rt *rt = anqa_rt_self();

    ANQA_REQUIRE(rt != NULL);
    return table_of(rt, registry, registry->keys == ANQA_KEYS_DUPLICATE);
}

/* NULL when nothing was ever registered there. */
static struct table *registry_look(const anqa_registry *registry)
{
    anqa_rt *rt = anqa_rt_self();

    return rt == NULL ? NULL : table_find(rt, registry);
}

/* ---------------------------------------------------------------- values, listeners */

static bool is_null(anqa_json json)
{
    return json.len == 0 || anqa_str_is(anqa_json_text(json), "null");
}

static struct value *value_new(anqa_json json)
{
    struct value *value = malloc(sizeof *value + json.len);

    if (value == NULL)
        return NULL;
    value->len = json.len;
    memcpy(value->json, json.ptr, json.len);
    return value;
}

static void extra_free(void *object)
{
    struct extra *extra = object;

    for (struct meta *meta = extra->metas; meta != NULL;) {
        struct meta *next = meta->next;
        free(meta->name);
        free(meta->value);
        free(meta);
        meta = next;
    }
    free(extra);
}

/* Under the lock. */
static struct extra *extra_of(struct table *table)
{
    if (table->extra == NULL) {
        table->extra = calloc(1, sizeof(struct extra));
        table->free_extra = extra_free;
    }
    return table->extra;
}

/* A listener that cannot be told, for want of memory, misses one change: it is no part of the registry's truth. */
static void tell_listener(const anqa_registry *registry, const char *tag, anqa_str key)
{
    anqa_pid listener = anqa_whereis(registry->listener);
    anqa_json_writer w;
    anqa_json json;

    if (anqa_pid_is_none(listener))
        return;
    anqa_json_writer_init_heap(&w, 0);
    anqa_json_begin_object(&w);
    anqa_json_key(&w, "registry");
    anqa_json_put_str(&w, anqa_str_of(registry->name));
    anqa_json_key(&w, "key");
    anqa_json_put_str(&w, key);
    anqa_json_end_object(&w);
    if (anqa_json_writer_finish(&w, &json) == ANQA_OK)
        (void)anqa_send(listener, tag, anqa_text(json));
    anqa_json_writer_done(&w);
}

/* ---------------------------------------------------------------- entering and leaving */

/* Under the lock. The node's block is readable until all readers have left. */
static void entry_remove(struct table *table, struct table_node *node)
{
    struct value *value =
        atomic_load_explicit(fields_of(node, table->twins).value, memory_order_relaxed);

    table_remove(table, node);
    if (value != NULL)
        table_retire(table, value);
}

static const anqa_registry *listened(const struct table *table)
{
    return table->extra == NULL ? NULL : ((const struct extra *)table->extra)->registry;
}

static void entry_gone(struct table *table, struct table_node *node)
{
    const anqa_registry *registry;

    table_lock(table);
    entry_remove(table, node);
    registry = listened(table);
    table_unlock(table);
    if (registry != NULL)
        tell_listener(registry, "unregister", table_key(node));
    table_retire(table, node);
}

static void lone_exit(struct exit_hook *hook, anqa_pid pid)
{
    struct lone_entry *entry = ANQA_CONTAINER_OF(hook, struct lone_entry, hook);

    entry_gone(entry->table, &entry->node);
}

static void twin_exit(struct exit_hook *hook, anqa_pid pid)
{
    struct entry *entry = ANQA_CONTAINER_OF(hook, struct entry, hook);

    entry_gone(entry->table, &entry->twin.node);
}

static struct table_node *entry_new(struct table *table, anqa_str key, anqa_json json)
{
    size_t at = table->twins ? sizeof(struct entry) : sizeof(struct lone_entry);
    struct table_node *node = calloc(1, at + key.len);
    struct value *value = NULL;
    struct fields fields;

    if (node == NULL)
        return NULL;
    if (!is_null(json))
        value = value_new(json);
    if (!is_null(json) && value == NULL) {
        free(node);
        return NULL;
    }
    table_node_init(node, anqa_self(), key, at);
    fields = fields_of(node, table->twins);
    fields.hook->run = table->twins ? twin_exit : lone_exit;
    *fields.table = table;
    atomic_init(fields.value, value);
    return node;
}

static void entry_free(struct table *table, struct table_node *node)
{
    free(atomic_load_explicit(fields_of(node, table->twins).value, memory_order_relaxed));
    free(node);
}

/* Under the lock. */
static anqa_status entry_put(struct table *table, const anqa_registry *listened_to,
    struct table_node *node, anqa_pid *ret_holder)
{
    struct table_node *holder = table->twins ? NULL : table_get(table, table_key(node));

    if (holder != NULL) {
        if (ret_holder != NULL)
            *ret_holder = table_pid(holder);
        return ANQA_E_EXISTS;
    }
    if (listened_to != NULL) {
        if (extra_of(table) == NULL)
            return ANQA_E_NOMEM;
        extra_of(table)->registry = listened_to;
    }
    return table_put(table, node);
}

static anqa_status enter(struct table *table, const anqa_registry *listened_to, anqa_str key,
    anqa_json value, anqa_pid *ret_holder)
{
    struct table_node *node;
    anqa_status status;

    if (key.len > TABLE_KEY_MAX)
        return ANQA_E_INVALID;
    node = table == NULL ? NULL : entry_new(table, key, value);
    if (node == NULL)
        return ANQA_E_NOMEM;
    table_lock(table);
    status = entry_put(table, listened_to, node, ret_holder);
    table_unlock(table);
    if (status != ANQA_OK) {
        entry_free(table, node);
        return status;
    }
    exit_hook_add(fields_of(node, table->twins).hook);
    if (listened_to != NULL)
        tell_listener(listened_to, "register", key);
    return ANQA_OK;
}

static struct table_node *own_entry(struct table *table, anqa_str key, bool *ret_is_anothers)
{
    anqa_pid self = anqa_self();
    struct table_node *node = table_get(table, key);

    while (node != NULL && !anqa_pid_eq(table_pid(node), self)) {
        *ret_is_anothers = true;
        if (!table->twins)
            return NULL;
        struct table_twin *older = atomic_load_explicit(
            &((struct table_twin *)(void *)node)->older, memory_order_relaxed); /* under the lock */
        node = older == NULL ? NULL : &older->node;
    }
    return node;
}

static anqa_status leave(struct table *table, anqa_str key)
{
    bool is_anothers = false;
    struct table_node *node = NULL;

    if (table == NULL)
        return ANQA_E_NOT_FOUND;
    table_lock(table);
    node = own_entry(table, key, &is_anothers);
    table_unlock(table);
    if (node == NULL)
        return is_anothers && !table->twins ? ANQA_E_PERMISSION : ANQA_E_NOT_FOUND;
    exit_hook_remove(fields_of(node, table->twins).hook);
    entry_gone(table, node);
    return ANQA_OK;
}

/* ---------------------------------------------------------------- names */

anqa_status anqa_register(const char *name)
{
    if (name == NULL || name[0] == '\0')
        return ANQA_E_INVALID;
    return anqa_registry_register(&names, anqa_str_of(name), ANQA_JSON_NULL, NULL);
}

anqa_status anqa_unregister(const char *name)
{
    return anqa_registry_unregister(&names, anqa_str_of(name));
}

anqa_pid anqa_whereis(const char *name)
{
    return anqa_registry_whereis(&names, anqa_str_of(name));
}

anqa_str registry_name_of(anqa_pid pid)
{
    anqa_registry_entry *entries;
    size_t count;

    anqa_registry_keys(&names, pid, &entries, &count);
    return count == 0 ? (anqa_str){NULL, 0} : entries[0].key;
}

bool registry_some_names(
    size_t *at, void (*visit)(void *ctx, anqa_pid pid, anqa_str name), void *ctx)
{
    struct table *table = registry_look(&names);
    struct table_walk walk = {.at = *at};
    struct table_node *node;

    if (table == NULL)
        return false;
    table_read_begin(table);
    do {
        node = table_next(table, &walk);
        if (node != NULL && !anqa_pid_is_none(table_pid(node)))
            visit(ctx, table_pid(node), table_key(node));
    } while (node != NULL && walk.at - *at < NAMES_SLICE);
    table_read_end(table);
    *at = walk.at;
    return node != NULL;
}

size_t registry_name_count(void)
{
    return anqa_registry_count(&names);
}

/* ---------------------------------------------------------------- registries */

anqa_status anqa_registry_register(
    const anqa_registry *registry, anqa_str key, anqa_json value, anqa_pid *ret_holder)
{
    return enter(registry_table(registry), registry->listener == NULL ? NULL : registry, key, value,
        ret_holder);
}

anqa_status anqa_registry_unregister(const anqa_registry *registry, anqa_str key)
{
    struct table *table = registry_look(registry);
    anqa_status status = leave(table, key);

    while (status == ANQA_OK && table->twins && leave(table, key) == ANQA_OK)
        ;
    return status;
}

anqa_pid anqa_registry_whereis(const anqa_registry *registry, anqa_str key)
{
    return table_whereis(registry_look(registry), key);
}

anqa_status anqa_registry_update_value(const anqa_registry *registry, anqa_str key, anqa_json json)
{
    struct table *table = registry_look(registry);
    struct table_node *node;
    struct value *value = NULL, *old = NULL;
    bool is_anothers = false;

    if (registry->keys == ANQA_KEYS_DUPLICATE)
        return ANQA_E_UNSUPPORTED;
    if (table == NULL)
        return ANQA_E_NOT_FOUND;
    if (!is_null(json))
        value = value_new(json);
    if (!is_null(json) && value == NULL)
        return ANQA_E_NOMEM;
    table_lock(table);
    node = own_entry(table, key, &is_anothers);
    if (node != NULL) /* release: the bytes. Pairs with value_load */
        old = atomic_exchange_explicit(fields_of(node, false).value, value, memory_order_acq_rel);
    table_unlock(table);
    if (node == NULL) {
        free(value);
        return is_anothers ? ANQA_E_PERMISSION : ANQA_E_NOT_FOUND;
    }
    if (old != NULL)
        table_retire(table, old);
    return ANQA_OK;
}

/* ---------------------------------------------------------------- many entries */

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

static anqa_json value_load(struct table *table, struct table_node *node)
{
    /* acquire: pairs with anqa_registry_update_value */
    const struct value *value =
        atomic_load_explicit(fields_of(node, table->twins).value, memory_order_acquire);

    return value == NULL ? ANQA_JSON_NULL : (anqa_json){value->json, value->len};
}

static anqa_registry_entry peek(struct table *table, struct table_node *node)
{
    return (anqa_registry_entry){
        .key = table_key(node), .pid = table_pid(node), .value = value_load(table, node)};
}

static void list_add(struct list *list, anqa_registry_entry entry, anqa_str copied_key)
{
    anqa_json value = entry.value;

    if (list->count == list->size)
        list_grow(list);
    if (copied_key.ptr != NULL)
        entry.key = copied_key;
    else
        entry.key.ptr = anqa_arena_copy(anqa_tmp(), entry.key.ptr, entry.key.len);
    if (!is_null(value))
        entry.value.ptr = anqa_arena_copy(anqa_tmp(), value.ptr, value.len);
    list->entries[list->count++] = entry;
}

void anqa_registry_lookup(const anqa_registry *registry, anqa_str key,
    anqa_registry_entry **ret_entries, size_t *ret_count)
{
    struct table *table = registry_look(registry);
    struct list list = {0};
    struct table_node *node;
    anqa_str copied = {anqa_arena_copy(anqa_tmp(), key.ptr, key.len), key.len};

    if (table != NULL) {
        table_read_begin(table);
        for (node = table_get(table, key); node != NULL;) {
            anqa_registry_entry entry = peek(table, node);
            if (anqa_is_alive(entry.pid))
                list_add(&list, entry, copied);
            struct table_twin *older =
                !table->twins ? NULL : /* acquire: pairs with twin_remove */
                    atomic_load_explicit(
                        &((struct table_twin *)(void *)node)->older, memory_order_acquire);
            node = older == NULL ? NULL : &older->node;
        }
        table_read_end(table);
    }
    *ret_entries = list.entries;
    *ret_count = list.count;
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

size_t anqa_registry_count(const anqa_registry *registry)
{
    struct table *table = registry_look(registry);

    return table == NULL ? 0 : atomic_load_explicit(&table->count, memory_order_relaxed);
}

size_t anqa_registry_count_key(const anqa_registry *registry, anqa_str key)
{
    anqa_registry_entry *entries;
    size_t count;

    anqa_registry_lookup(registry, key, &entries, &count);
    return count;
}

void anqa_registry_select(const anqa_registry *registry,
    bool (*match)(const anqa_registry_entry *entry, void *arg), void *arg,
    anqa_registry_entry **ret_entries, size_t *ret_count)
{
    struct table *table = registry_look(registry);
    struct table_walk walk = {0};
    struct table_node *node;
    struct list list = {0};

    if (table != NULL) {
        table_read_begin(table);
        while ((node = table_next(table, &walk)) != NULL) {
            anqa_registry_entry entry = peek(table, node);
            if (anqa_is_alive(entry.pid) && (match == NULL || match(&entry, arg)))
                list_add(&list, entry, (anqa_str){NULL, 0});
        }
        table_read_end(table);
    }
    *ret_entries = list.entries;
    *ret_count = list.count;
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

/* ---------------------------------------------------------------- locks, metadata */

/* A lock is an entry in a table of locks, so that it ends with its holder. Who finds it taken tries again, at first at
 * once: locks are held for moments. */
void anqa_registry_lock(
    const anqa_registry *registry, anqa_str key, void (*run)(void *arg), void *arg)
{
    struct table *locks = table_of(anqa_rt_self(), &registry->keys, false);
    uint32_t tries = 0;
    anqa_status status;

    while ((status = enter(locks, NULL, key, ANQA_JSON_NULL, NULL)) == ANQA_E_EXISTS) {
        if (++tries < 10)
            anqa_yield();
        else
            anqa_sleep(1);
    }
    if (status != ANQA_OK)
        anqa_exit(
            anqa_error_reason("registry %s: lock: %s", registry->name, anqa_status_text(status)));
    run(arg);
    (void)leave(locks, key);
}

static struct meta *meta_find(struct extra *extra, const char *name)
{
    struct meta *meta = extra->metas;

    while (meta != NULL && strcmp(meta->name, name) != 0)
        meta = meta->next;
    return meta;
}

/* Under the lock, of which readers of metadata take a turn too: they are few. */
static anqa_status meta_put(
    struct table *table, struct extra *extra, const char *name, struct value *value)
{
    struct meta *meta = extra == NULL ? NULL : meta_find(extra, name);

    if (extra == NULL)
        return ANQA_E_NOMEM;
    if (meta == NULL) {
        meta = calloc(1, sizeof *meta);
        if (meta != NULL)
            meta->name = strdup(name);
        if (meta == NULL || meta->name == NULL) {
            free(meta);
            return ANQA_E_NOMEM;
        }
        meta->next = extra->metas;
        extra->metas = meta;
    }
    if (meta->value != NULL)
        table_retire(table, meta->value);
    meta->value = value;
    return ANQA_OK;
}

anqa_status anqa_registry_put_meta(const anqa_registry *registry, const char *name, anqa_json json)
{
    struct table *table = registry_table(registry);
    struct value *value = value_new(json);
    anqa_status status = ANQA_E_NOMEM;

    if (table != NULL && value != NULL) {
        table_lock(table);
        status = meta_put(table, extra_of(table), name, value);
        table_unlock(table);
    }
    if (status != ANQA_OK)
        free(value);
    return status;
}

anqa_json anqa_registry_meta(const anqa_registry *registry, const char *name)
{
    struct table *table = registry_look(registry);
    anqa_json json = {NULL, 0};
    struct meta *meta;
    struct value *value;

    if (table == NULL)
        return json;
    table_read_begin(table);
    table_lock(table);
    meta = table->extra == NULL ? NULL : meta_find(table->extra, name);
    value = meta == NULL ? NULL : meta->value;
    table_unlock(table);
    if (value != NULL) { /* not under the lock: copying may end this process */
        json.len = value->len;
        json.ptr = anqa_arena_copy(anqa_tmp(), value->json, json.len);
    }
    table_read_end(table);
    return json;
}
