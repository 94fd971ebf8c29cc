/* Names, registries and their locks beside a model of them. */
#include "names_model.h"

#include "harness.h"

#include <stdio.h>
#include <string.h>

enum { MAX_ENTRIES = 256, MAX_CHANGES = 1024 };

static const char listener_name[] = "names listener";
static const char *const listeners[] = {listener_name, NULL};
static const anqa_registry unique = {.name = "unique", .listeners = listeners};
static const anqa_registry duplicate = {
    .name = "duplicate", .keys = ANQA_KEYS_DUPLICATE, .listeners = listeners};
static const char *const keys[NAMES_KEYS] = {"a", "b", "c", "d"};

struct entry {
    enum names_table table;
    unsigned key;
    anqa_pid pid;
    unsigned value;
};

struct change {
    struct entry entry;
    bool enters, heard;
};

static struct {
    struct entry entries[MAX_ENTRIES]; /* the oldest first */
    size_t count;
    anqa_pid locked_by[NAMES_KEYS];
    struct change changes[MAX_CHANGES]; /* all there ever were */
    size_t change_count, told;
    unsigned last_value;
} names;

/* ---------------------------------------------------------------- the model */

static bool is_at(const struct entry *entry, enum names_table table, unsigned key)
{
    return entry->table == table && entry->key == key;
}

static struct entry *model_holder(enum names_table table, unsigned key)
{
    for (size_t i = names.count; i-- > 0;)
        if (is_at(&names.entries[i], table, key))
            return &names.entries[i];
    return NULL;
}

static void model_note(struct entry entry, bool enters)
{
    CHECK(names.change_count < MAX_CHANGES);
    names.changes[names.change_count++] = (struct change){entry, enters, false};
}

static void model_add(struct entry entry)
{
    CHECK(names.count < MAX_ENTRIES);
    names.entries[names.count++] = entry;
    model_note(entry, true);
}

/* Takes out all of a process, or (key below NAMES_KEYS) those of one key; says how many there were. */
static size_t model_remove(anqa_pid pid, enum names_table table, unsigned key)
{
    size_t kept = 0, removed;

    for (size_t i = 0; i < names.count; i++) {
        struct entry entry = names.entries[i];
        if (anqa_pid_eq(entry.pid, pid) && (key >= NAMES_KEYS || is_at(&entry, table, key)))
            model_note(entry, false);
        else
            names.entries[kept++] = entry;
    }
    removed = names.count - kept;
    names.count = kept;
    return removed;
}

/* What changing the caller's entry of a key must say. */
static anqa_status model_permits(enum names_table table, unsigned key)
{
    const struct entry *holder = model_holder(table, key);

    if (holder == NULL)
        return ANQA_E_NOT_FOUND;
    return anqa_pid_eq(holder->pid, anqa_self()) ? ANQA_OK : ANQA_E_PERMISSION;
}

/* ---------------------------------------------------------------- operations on both */

static const anqa_registry *registry_of(enum names_table table)
{
    return table == NAMES_UNIQUE ? &unique : &duplicate;
}

static anqa_str key_text(unsigned key)
{
    return anqa_str_of(keys[key]);
}

static anqa_json value_json(unsigned value)
{
    return anqa_jsonf("%u", value);
}

static void enter(enum names_table table, unsigned key)
{
    struct entry entry = {table, key, anqa_self(), ++names.last_value};
    const struct entry *holder = table == NAMES_DUPLICATE ? NULL : model_holder(table, key);
    anqa_pid told = {0};
    anqa_status status = table == NAMES_PLAIN ? anqa_register(keys[key])
                                              : anqa_registry_register(registry_of(table),
                                                    key_text(key), value_json(entry.value), &told);

    CHECK_STATUS(status, holder == NULL ? ANQA_OK : ANQA_E_EXISTS, "key %s", keys[key]);
    if (holder == NULL)
        model_add(entry);
    else if (table == NAMES_UNIQUE)
        CHECK_EQ(told.bits, holder->pid.bits, "key %s", keys[key]);
}

static void leave(enum names_table table, unsigned key)
{
    anqa_status want = model_permits(table, key);
    anqa_status status = table == NAMES_PLAIN
                             ? anqa_unregister(keys[key])
                             : anqa_registry_unregister(registry_of(table), key_text(key));

    if (table == NAMES_DUPLICATE) /* whoever else is there */
        want = model_remove(anqa_self(), table, key) > 0 ? ANQA_OK : ANQA_E_NOT_FOUND;
    else if (want == ANQA_OK)
        (void)model_remove(anqa_self(), table, key);
    CHECK_STATUS(status, want, "key %s", keys[key]);
}

static void update(enum names_table table, unsigned key)
{
    unsigned value = ++names.last_value;
    anqa_status want = table == NAMES_DUPLICATE ? ANQA_E_UNSUPPORTED : model_permits(table, key);

    if (table == NAMES_PLAIN)
        return;
    CHECK_STATUS(anqa_registry_update_value(registry_of(table), key_text(key), value_json(value)),
        want, "key %s", keys[key]);
    if (want == ANQA_OK)
        model_holder(table, key)->value = value;
}

static void hold_lock(void *arg)
{
    anqa_pid *holder = arg;

    CHECK(anqa_pid_is_none(*holder), "a lock is held twice");
    *holder = anqa_self();
    anqa_yield();
    CHECK(anqa_pid_eq(*holder, anqa_self()), "a lock was taken away");
    *holder = (anqa_pid){0};
}

void names_do(enum names_op op, enum names_table table, unsigned key)
{
    switch (op) {
    case NAMES_REGISTER: enter(table, key); break;
    case NAMES_UNREGISTER: leave(table, key); break;
    case NAMES_UPDATE: update(table, key); break;
    case NAMES_LOCK:
        anqa_registry_lock(&unique, key_text(key), hold_lock, &names.locked_by[key]);
        break;
    case NAMES_OPS: break;
    }
}

void names_inherit(anqa_pid dead)
{
    size_t changes = names.change_count;

    CHECK(!anqa_is_alive(dead));
    for (size_t i = 0; i < changes; i++) {
        const struct change *change = &names.changes[i];
        if (!change->enters && anqa_pid_eq(change->entry.pid, dead) &&
            change->entry.table != NAMES_DUPLICATE) /* nobody is in the way there */
            enter(change->entry.table, change->entry.key);
    }
}

void names_dead(anqa_pid pid)
{
    (void)model_remove(pid, NAMES_PLAIN, NAMES_KEYS);
    for (unsigned key = 0; key < NAMES_KEYS; key++)
        if (anqa_pid_eq(names.locked_by[key], pid))
            names.locked_by[key] = (anqa_pid){0};
}

void names_open(void)
{
    memset(&names, 0, sizeof names);
    CHECK_STATUS(anqa_register(listener_name), ANQA_OK);
}

/* ---------------------------------------------------------------- looking */

static void check_whereis(enum names_table table, unsigned key)
{
    const struct entry *holder = model_holder(table, key);
    anqa_pid pid = table == NAMES_PLAIN ? anqa_whereis(keys[key])
                                        : anqa_registry_whereis(registry_of(table), key_text(key));

    CHECK_EQ(
        pid.bits, holder == NULL ? 0 : holder->pid.bits, "table %d key %s", (int)table, keys[key]);
}

static void check_lookup(enum names_table table, unsigned key)
{
    anqa_registry_entry *got;
    size_t count, at = 0;

    anqa_registry_lookup(registry_of(table), key_text(key), &got, &count);
    for (size_t i = names.count; i-- > 0;) { /* the youngest first */
        const struct entry *want = &names.entries[i];
        char value[16];
        if (!is_at(want, table, key))
            continue;
        CHECK(at < count, "table %d key %s: %zu entries", (int)table, keys[key], count);
        snprintf(value, sizeof value, "%u", want->value);
        CHECK_EQ(got[at].pid.bits, want->pid.bits, "table %d key %s", (int)table, keys[key]);
        CHECK_STR(got[at].key, keys[key]);
        CHECK_STR(anqa_json_text(got[at].value), value);
        at++;
    }
    CHECK_EQ(count, at, "table %d key %s", (int)table, keys[key]);
}

static size_t model_count(enum names_table table, const anqa_pid *of)
{
    size_t count = 0;

    for (size_t i = 0; i < names.count; i++)
        count += names.entries[i].table == table &&
                 (of == NULL || anqa_pid_eq(names.entries[i].pid, *of));
    return count;
}

static void check_counts(enum names_table table)
{
    anqa_pid self = anqa_self();
    anqa_registry_entry *entries;
    size_t count;

    CHECK_EQ(anqa_registry_count(registry_of(table)), model_count(table, NULL));
    anqa_registry_select(registry_of(table), NULL, NULL, &entries, &count);
    CHECK_EQ(count, model_count(table, NULL));
    anqa_registry_keys(registry_of(table), self, &entries, &count);
    CHECK_EQ(count, model_count(table, &self));
}

void names_check(void)
{
    for (enum names_table table = 0; table < NAMES_TABLES; table++) {
        for (unsigned key = 0; key < NAMES_KEYS; key++) {
            check_whereis(table, key);
            if (table != NAMES_PLAIN)
                check_lookup(table, key);
        }
        if (table != NAMES_PLAIN)
            check_counts(table);
    }
}

/* ---------------------------------------------------------------- what the listener hears */

static bool is_change(const anqa_msg *msg, void *arg)
{
    return anqa_tag_is(msg->tag, "register") || anqa_tag_is(msg->tag, "unregister");
}

/* Up to the key, which is what changes are told apart by. */
static size_t change_begin(const struct change *change, char *text, size_t size)
{
    return (size_t)snprintf(text, size, "{\"registry\":\"%s\",\"key\":\"%s\"",
        registry_of(change->entry.table)->name, keys[change->entry.key]);
}

static void check_body(const struct change *change, anqa_str body)
{
    char text[96];
    size_t len = change_begin(change, text, sizeof text);

    if (change->enters)
        snprintf(text + len, sizeof text - len, ",\"value\":%u}", change->entry.value);
    else
        snprintf(text + len, sizeof text - len, "}");
    CHECK_STR(body, text);
}

/* The oldest change of that key which was not told of yet. */
static struct change *awaited(anqa_str body)
{
    char text[64];
    size_t len;

    for (size_t i = names.told; i < names.change_count; i++) {
        struct change *change = &names.changes[i];
        if (change->entry.table == NAMES_PLAIN || change->heard)
            continue;
        len = change_begin(change, text, sizeof text);
        if (strncmp(body.ptr, text, len) == 0)
            return change;
    }
    CHECK(false, "told of a change that was not made: %.*s", ANQA_FMT(body));
    return NULL;
}

void names_check_told(void)
{
    const anqa_msg *msg;
    size_t left = 0;

    for (size_t i = names.told; i < names.change_count; i++)
        left += names.changes[i].entry.table != NAMES_PLAIN;
    for (; (msg = anqa_receive_if(is_change, NULL, 0)) != NULL; left--) {
        struct change *change = awaited(anqa_json_text(msg->body));
        CHECK_EQ(anqa_tag_is(msg->tag, "register"), change->enters);
        check_body(change, anqa_json_text(msg->body));
        CHECK_EQ(msg->from.bits, change->entry.pid.bits);
        change->heard = true;
        anqa_msg_free(msg);
    }
    CHECK_EQ(left, 0, "changes that the listener was not told of");
    names.told = names.change_count;
}
