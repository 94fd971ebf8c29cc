#include "http/form.h"

#include "base/str.h"

#include <anqa/memory.h>
#include <anqa/process.h>

#include "http/named.h"
#include "http/url.h"

enum node_kind { NODE_VALUE, NODE_MAP, NODE_LIST };

/* owner: the event's memory */
struct node {
    struct node *next;  /* beside it, in its map or list */
    struct node *first; /* of a map or list: below it */
    anqa_str name;      /* in a map */
    anqa_json value;
    enum node_kind kind;
};

/* ---------------------------------------------------------------- the tree */

static struct node *node_add(struct node *parent, anqa_str name, enum node_kind kind)
{
    struct node *node = anqa_arena_calloc(anqa_tmp(), 1, sizeof *node);

    node->name = name;
    node->kind = kind;
    node->next = parent->first;
    parent->first = node;
    return node;
}

static struct node *node_find(struct node *map, anqa_str name)
{
    struct node *node = map->first;

    while (node != NULL && !anqa_str_eq(node->name, name))
        node = node->next;
    return node;
}

/* NULL: something of another kind is there. */
static struct node *node_below(struct node *map, anqa_str name, enum node_kind kind)
{
    struct node *node = node_find(map, name);

    if (node == NULL)
        return node_add(map, name, kind);
    return node->kind == kind ? node : NULL;
}

static void put_value(struct node *parent, anqa_str name, anqa_json value)
{
    if (parent->kind == NODE_LIST || node_find(parent, name) == NULL)
        node_add(parent, name, NODE_VALUE)->value = value;
}

/* An empty part behind a name makes that a list, each of whose elements is new. */
static void assign(struct node *map, const anqa_str *parts, size_t count, anqa_json value)
{
    static const anqa_str nameless = {NULL, 0};

    while (count > 1) {
        bool in_list = parts[1].len == 0;
        struct node *node = node_below(map, *parts, in_list ? NODE_LIST : NODE_MAP);
        if (node == NULL)
            return;
        if (in_list && count == 2) {
            put_value(node, nameless, value);
            return;
        }
        map = in_list ? node_add(node, nameless, NODE_MAP) : node;
        parts += in_list ? 2 : 1;
        count -= in_list ? 2 : 1;
    }
    put_value(map, *parts, value);
}

static void write_node(anqa_json_writer *w, const struct node *node)
{
    if (node->kind == NODE_VALUE) {
        anqa_json_put_raw(w, node->value);
        return;
    }
    if (node->kind == NODE_MAP)
        anqa_json_begin_object(w);
    else
        anqa_json_begin_array(w);
    for (const struct node *below = node->first; below != NULL; below = below->next) {
        if (node->kind == NODE_MAP)
            anqa_json_key_str(w, below->name);
        write_node(w, below);
    }
    if (node->kind == NODE_MAP)
        anqa_json_end_object(w);
    else
        anqa_json_end_array(w);
}

static anqa_json write_tree(const struct node *root)
{
    anqa_json_writer w;
    anqa_json object;

    anqa_json_writer_init(&w, anqa_tmp(), 0);
    write_node(&w, root);
    ANQA_REQUIRE(anqa_json_writer_finish(&w, &object) == ANQA_OK);
    return object;
}

/* ---------------------------------------------------------------- names */

/* Returns how many parts there are; 0: more than there may be. */
static size_t split_name(anqa_str name, anqa_str parts[static FORM_DEPTH_MAX])
{
    bool more;
    size_t count = 1;

    if (name.len == 0 || name.ptr[name.len - 1] != ']') {
        parts[0] = name;
        return 1;
    }
    name.len--;
    more = str_cut(&name, "[", &parts[0]);
    while (more) {
        if (count == FORM_DEPTH_MAX)
            return 0;
        more = str_cut(&name, "][", &parts[count++]);
    }
    return count;
}

anqa_status form_nest(const struct form_pair *pairs, size_t count, anqa_json *ret_object)
{
    struct node root = {.kind = NODE_MAP};

    for (size_t i = count; i-- > 0;) {
        anqa_str parts[FORM_DEPTH_MAX];
        size_t part_count = split_name(pairs[i].name, parts);
        if (part_count == 0)
            return ANQA_E_LIMIT;
        assign(&root, parts, part_count, pairs[i].value);
    }
    *ret_object = write_tree(&root);
    return ANQA_OK;
}

/* ---------------------------------------------------------------- urlencoded */

static anqa_status decode(anqa_str raw, anqa_str *ret_text)
{
    return url_decode(raw, URL_PLUS, anqa_arena_alloc(anqa_tmp(), raw.len), raw.len, ret_text);
}

static anqa_status decode_pair(const struct query_pair *raw, struct form_pair *ret_pair)
{
    anqa_str value;
    anqa_status status = decode(raw->key, &ret_pair->name);

    if (status == ANQA_OK)
        status = decode(raw->value, &value);
    if (status == ANQA_OK)
        ret_pair->value = named_text(value);
    return status;
}

static size_t count_pairs(anqa_str text)
{
    struct query_iter it = query_each(text);
    struct query_pair raw;

    while (query_next(&it, &raw))
        ;
    return it.count;
}

anqa_status form_decode(anqa_str text, anqa_json *ret_object)
{
    struct query_iter it = query_each(text);
    struct form_pair *pairs = anqa_arena_alloc(anqa_tmp(), count_pairs(text) * sizeof *pairs);
    struct query_pair raw;

    while (query_next(&it, &raw)) {
        anqa_status status = decode_pair(&raw, &pairs[it.count - 1]);
        if (status != ANQA_OK)
            return status;
    }
    return it.refused ? ANQA_E_LIMIT : form_nest(pairs, it.count, ret_object);
}
