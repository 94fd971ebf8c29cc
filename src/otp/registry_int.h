/*
 * Entries of registries, for who changes them (registry.c) and who reads many of them (registry_read.c).
 */
#ifndef OTP_REGISTRY_INT_H
#define OTP_REGISTRY_INT_H

/* IWYU pragma: begin_exports */
#include <stdatomic.h>
#include <string.h>

#include <anqa/memory.h>
#include <anqa/registry.h>

#include "otp/table.h"
/* IWYU pragma: end_exports */

struct value {
    struct retired retired;
    size_t len;
    char json[];
};

/* What ties an entry to its process, and when it is loose, to its end. Readers do not look here. */
struct tie {
    union {
        struct exit_hook hook;
        struct retired retired;
    };
};

/* owner: the process that registered it, which alone writes; readers find it through the table. The key follows. */
struct entry {
    /* unique tables use twin.node only; first, so that both kinds can be told by the table */
    struct table_twin twin;
    struct tie tie;
    struct table *table;
    _Atomic(struct value *) value; /* NULL: null */
};

/* The same without the fields of a twin: most entries are unique, and there are many. */
struct lone_entry {
    struct table_node node;
    struct tie tie;
    struct table *table;
    _Atomic(struct value *) value;
};

/* The fields behind the node, wherever they lie. */
struct fields {
    struct tie *tie;
    struct table **table;
    _Atomic(struct value *) *value;
};

static inline struct fields fields_of(struct table_node *node, bool twins)
{
    struct lone_entry *lone = (struct lone_entry *)(void *)node;
    struct entry *entry = (struct entry *)(void *)node;

    if (twins)
        return (struct fields){&entry->tie, &entry->table, &entry->value};
    return (struct fields){&lone->tie, &lone->table, &lone->value};
}

/* NULL when nothing was ever registered there. */
static inline struct table *registry_table_if_made(const anqa_registry *registry)
{
    anqa_rt *rt = anqa_rt_self();

    return rt == NULL ? NULL : table_find(rt, registry);
}

static inline bool is_null(anqa_json json)
{
    return json.len == 0 || anqa_str_is(anqa_json_text(json), "null");
}

/* The next older node of the same key, or NULL. As table_get. */
static inline struct table_node *older_of(const struct table *table, struct table_node *node)
{
    struct table_twin *older =
        !table->twins ? NULL : /* acquire: pairs with twin_remove */
            atomic_load_explicit(&((struct table_twin *)(void *)node)->older, memory_order_acquire);

    return older == NULL ? NULL : &older->node;
}

static inline anqa_json value_load(struct table *table, struct table_node *node)
{
    /* acquire: pairs with anqa_registry_update_value */
    const struct value *value =
        atomic_load_explicit(fields_of(node, table->twins).value, memory_order_acquire);

    return value == NULL ? ANQA_JSON_NULL : (anqa_json){value->json, value->len};
}

static inline anqa_registry_entry peek(struct table *table, struct table_node *node)
{
    return (anqa_registry_entry){
        .key = table_key(node), .pid = table_pid(node), .value = value_load(table, node)};
}

#endif
