/* Names and registries: entries that belong to processes, in tables that are read without locks. */
#include "otp/registry.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "base/container.h"
#include "otp/registry_int.h"
#include "runtime/sched.h"

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

static const anqa_registry names = {.name = "names"};

/* Places of their table that are looked at in one go. */
#define NAMES_SLICE 1024u

static struct table *registry_table(const anqa_registry *registry)
{
    anqa_rt *rt = anqa_rt_self();

    ANQA_REQUIRE(rt != NULL);
    return table_of(rt, registry, registry->keys == ANQA_KEYS_DUPLICATE);
}

/* ---------------------------------------------------------------- values, listeners */

static struct value *value_new(anqa_json json)
{
    struct value *value = malloc(sizeof *value + json.len);

    if (value == NULL)
        return NULL;
    value->len = json.len;
    memcpy(value->json, json.ptr, json.len);
    return value;
}

static bool value_free(struct retired *note)
{
    free(ANQA_CONTAINER_OF(note, struct value, retired));
    return false;
}

static void value_retire(struct table *table, struct value *value)
{
    if (value != NULL)
        table_retire_noted(table, &value->retired, value_free);
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
    struct extra *extra = table_extra(table);

    if (extra == NULL) {
        extra = calloc(1, sizeof *extra);
        (void)table_set_extra(table, extra, extra_free);
    }
    return extra;
}

/* A listener that cannot be told, for want of memory, misses one change: it is no part of the registry's truth.
 * value: NULL for one that leaves. */
static void tell_listeners(
    const anqa_registry *registry, const char *tag, anqa_str key, const anqa_json *value)
{
    anqa_json_writer w;
    anqa_json json;

    anqa_json_writer_init_heap(&w, 0);
    anqa_json_begin_object(&w);
    anqa_json_key(&w, "registry");
    anqa_json_put_str(&w, anqa_str_of(registry->name));
    anqa_json_key(&w, "key");
    anqa_json_put_str(&w, key);
    if (value != NULL) {
        anqa_json_key(&w, "value");
        anqa_json_put_raw(&w, is_null(*value) ? ANQA_JSON_NULL : *value);
    }
    anqa_json_end_object(&w);
    if (anqa_json_writer_finish(&w, &json) == ANQA_OK)
        for (const char *const *name = registry->listeners; *name != NULL; name++)
            (void)anqa_send(anqa_whereis(*name), tag, anqa_text(json));
    anqa_json_writer_done(&w);
}

/* ---------------------------------------------------------------- entering and leaving */

/* Under the lock. The node's block is readable until all readers have left. */
static void entry_remove(struct table *table, struct table_node *node)
{
    struct value *value =
        atomic_load_explicit(fields_of(node, table->twins).value, memory_order_relaxed);

    table_remove(table, node);
    value_retire(table, value);
}

static bool lone_free(struct retired *note)
{
    free(ANQA_CONTAINER_OF(note, struct lone_entry, tie.retired));
    return false;
}

static bool twin_free(struct retired *note)
{
    free(ANQA_CONTAINER_OF(note, struct entry, tie.retired));
    return false;
}

static const anqa_registry *listened(const struct table *table)
{
    const struct extra *extra = table_extra(table);

    return extra == NULL ? NULL : extra->registry;
}

/* Its hook has run or was taken back. */
static void entry_gone(struct table *table, struct table_node *node)
{
    const anqa_registry *registry;

    table_lock(table);
    entry_remove(table, node);
    registry = listened(table);
    table_unlock(table);
    if (registry != NULL)
        tell_listeners(registry, "unregister", table_key(node), NULL);
    table_retire_noted(
        table, &fields_of(node, table->twins).tie->retired, table->twins ? twin_free : lone_free);
}

static void lone_exit(struct exit_hook *hook, anqa_pid pid)
{
    struct lone_entry *entry = ANQA_CONTAINER_OF(hook, struct lone_entry, tie.hook);

    entry_gone(entry->table, &entry->node);
}

static void twin_exit(struct exit_hook *hook, anqa_pid pid)
{
    struct entry *entry = ANQA_CONTAINER_OF(hook, struct entry, tie.hook);

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
    fields.tie->hook.run = table->twins ? twin_exit : lone_exit;
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
    exit_hook_add(&fields_of(node, table->twins).tie->hook);
    if (listened_to != NULL)
        tell_listeners(listened_to, "register", key, &value);
    return ANQA_OK;
}

static bool is_own(const struct table_node *node)
{
    return anqa_pid_eq(table_pid(node), anqa_self());
}

/* Own entries of a key; all of them, or those that match. They stay where they are meanwhile: only we remove them. */
static size_t leave(struct table *table, anqa_str key,
    bool (*match)(const anqa_registry_entry *entry, void *arg), void *arg)
{
    size_t count = 0;
    struct table_node *node, *older;

    table_read_begin(table);
    for (node = table_get(table, key); node != NULL; node = older) {
        anqa_registry_entry entry = peek(table, node);
        older = older_of(table, node);
        if (!is_own(node) || (match != NULL && !match(&entry, arg)))
            continue;
        exit_hook_remove(&fields_of(node, table->twins).tie->hook);
        entry_gone(table, node);
        count++;
    }
    table_read_end(table);
    return count;
}

/* Of a unique key: somebody has it, and it is not us. */
static bool is_anothers(struct table *table, anqa_str key)
{
    anqa_pid holder = table_whereis(table, key);

    return !table->twins && !anqa_pid_is_none(holder) && !anqa_pid_eq(holder, anqa_self());
}

/* ---------------------------------------------------------------- names */

/* Entries go before their process is dead, see table_pid_of. */
static inline anqa_pid pid_of(const anqa_registry *registry, anqa_str key)
{
    return sched_self == NULL ? (anqa_pid){0} : table_pid_of(sched_self->rt, registry, key);
}

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
    return pid_of(&names, anqa_str_of(name));
}

anqa_str registry_name_of(anqa_pid pid)
{
    anqa_registry_entry *entries;
    size_t count;

    anqa_registry_keys(&names, pid, &entries, &count);
    return count == 0 ? (anqa_str){NULL, 0} : entries[0].key;
}

anqa_str registry_own_name(const struct exit_hook *hooks)
{
    for (const struct exit_hook *hook = hooks; hook != NULL; hook = hook->next) {
        const struct lone_entry *entry =
            hook->run == lone_exit ? ANQA_CONTAINER_OF(hook, const struct lone_entry, tie.hook)
                                   : NULL;
        if (entry != NULL && entry->table->owner == &names)
            return table_key(&entry->node);
    }
    return (anqa_str){NULL, 0};
}

bool registry_some_names(
    size_t *at, void (*visit)(void *ctx, anqa_pid pid, anqa_str name), void *ctx)
{
    struct table *table = registry_table_if_made(&names);
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
    return enter(registry_table(registry), registry->listeners == NULL ? NULL : registry, key,
        value, ret_holder);
}

anqa_status anqa_registry_unregister(const anqa_registry *registry, anqa_str key)
{
    struct table *table = registry_table_if_made(registry);

    if (table == NULL)
        return ANQA_E_NOT_FOUND;
    if (leave(table, key, NULL, NULL) > 0)
        return ANQA_OK;
    return is_anothers(table, key) ? ANQA_E_PERMISSION : ANQA_E_NOT_FOUND;
}

size_t anqa_registry_unregister_match(const anqa_registry *registry, anqa_str key,
    bool (*match)(const anqa_registry_entry *entry, void *arg), void *arg)
{
    struct table *table = registry_table_if_made(registry);

    return table == NULL ? 0 : leave(table, key, match, arg);
}

anqa_pid anqa_registry_whereis(const anqa_registry *registry, anqa_str key)
{
    return pid_of(registry, key);
}

anqa_status anqa_registry_update_value(const anqa_registry *registry, anqa_str key, anqa_json json)
{
    struct table *table = registry_table_if_made(registry);
    struct table_node *node;
    struct value *value = NULL, *old = NULL;

    if (registry->keys == ANQA_KEYS_DUPLICATE)
        return ANQA_E_UNSUPPORTED;
    if (table == NULL)
        return ANQA_E_NOT_FOUND;
    if (!is_null(json))
        value = value_new(json);
    if (!is_null(json) && value == NULL)
        return ANQA_E_NOMEM;
    table_lock(table);
    node = table_get(table, key);
    if (node != NULL && !is_own(node))
        node = NULL;
    if (node != NULL) /* release: the bytes. Pairs with value_load */
        old = atomic_exchange_explicit(fields_of(node, false).value, value, memory_order_acq_rel);
    table_unlock(table);
    if (node == NULL) {
        free(value);
        return is_anothers(table, key) ? ANQA_E_PERMISSION : ANQA_E_NOT_FOUND;
    }
    value_retire(table, old);
    return ANQA_OK;
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
    (void)leave(locks, key, NULL, NULL);
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
    value_retire(table, meta->value);
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
    struct table *table = registry_table_if_made(registry);
    anqa_json json = {NULL, 0};
    struct meta *meta;
    struct value *value;

    if (table == NULL)
        return json;
    table_read_begin(table);
    table_lock(table);
    meta = table_extra(table) == NULL ? NULL : meta_find(table_extra(table), name);
    value = meta == NULL ? NULL : meta->value;
    table_unlock(table);
    if (value != NULL) { /* not under the lock: copying may end this process */
        json.len = value->len;
        json.ptr = anqa_arena_copy(anqa_tmp(), value->json, json.len);
    }
    table_read_end(table);
    return json;
}
