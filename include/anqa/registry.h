/**
 * anqa/registry.h - finding processes by name or key.
 *
 * Names (`anqa_register`, `anqa_whereis`) are unique in a runtime. An application may have registries of its own, each a
 * `static const` struct, with unique keys (one process a key) or duplicate ones (any number of processes a key; a process
 * any number of times). Keys are any bytes up to 65,535 of them. An entry may carry a value, which is JSON text.
 *
 *     static const anqa_registry rooms = {.name = "rooms"};
 *     ...
 *     s = anqa_registry_register(&rooms, topic, ANQA_JSON_NULL, &holder);
 *     pid = anqa_registry_whereis(&rooms, topic);
 *
 * Ownership. An entry belongs to the process that registered it; nobody else can change or remove it. It is gone before
 * links and monitors hear of the end of that process: who got a DOWN never finds the dead. A registry itself needs no
 * start and no end; it is made in a runtime when it is first used there and goes with it.
 *
 * Cost. A look-up takes no lock and hashes the key once (SipHash with a key of this run, as keys may come from outside).
 * Registering takes the registry's lock for a moment, which is not what it waits for: two schedulers register in one
 * registry as fast as in two (bench registry_register against registry_register_apart). So there is nothing to partition,
 * neither by key nor by process, and a dispatch has no partitions to run beside each other.
 *
 * Threads. "Context: process" throughout.
 */
#ifndef ANQA_REGISTRY_H
#define ANQA_REGISTRY_H

#include <anqa/process.h>

ANQA_BEGIN_DECLS

/* ---------------------------------------------------------------- names */

/** Gives the calling process a name. Fails: E_EXISTS (taken), E_INVALID (empty, too long), E_NOMEM. */
ANQA_API anqa_status anqa_register(const char *name) ANQA_MUST_CHECK;

/** Takes the name away again. Fails: E_NOT_FOUND, E_PERMISSION (it is another's, which keeps it). */
ANQA_API anqa_status anqa_unregister(const char *name);

/** Who has the name; nobody (anqa_pid_is_none) if no live process has. Calls and casts to nobody fail as to the dead. */
ANQA_API anqa_pid anqa_whereis(const char *name);

/* ---------------------------------------------------------------- registries */

/** Whether a key has one process or any number. */
typedef enum anqa_keys { ANQA_KEYS_UNIQUE, ANQA_KEYS_DUPLICATE } anqa_keys;

/** `static const`: known by its address. */
typedef struct anqa_registry {
    const char *name; /* for people and for listeners */
    anqa_keys keys;
    /* Registered names, ended by NULL, of processes that are told of every change, also when an entry goes with its
     * process: a message "register" or "unregister" from the process concerned, whose body is {"registry": name,
     * "key": key}, of the first also with "value". NULL: nobody. Keys that are no UTF-8 are not told of. */
    const char *const *listeners;
} anqa_registry;

/** One entry, as look-ups give it out. */
typedef struct anqa_registry_entry {
    anqa_str key;
    anqa_pid pid;
    anqa_json value; /* null unless something else was registered */
} anqa_registry_entry;

/**
 * Registers the calling process under a key.
 * ret_holder: may be NULL; on E_EXISTS, and only then, the process that has the key: the second one wants to know it.
 * Fails: E_EXISTS (unique keys only), E_INVALID (a key that is too long), E_NOMEM.
 */
ANQA_API anqa_status anqa_registry_register(const anqa_registry *registry, anqa_str key,
    anqa_json value, anqa_pid *ret_holder) ANQA_MUST_CHECK;

/** Removes all own entries of a key. Fails: E_NOT_FOUND, E_PERMISSION (a unique key that is another's, which keeps it). */
ANQA_API anqa_status anqa_registry_unregister(const anqa_registry *registry, anqa_str key);

/** Removes those own entries of a key that `match` accepts, which must not wait. Returns how many. */
ANQA_API size_t anqa_registry_unregister_match(const anqa_registry *registry, anqa_str key,
    bool (*match)(const anqa_registry_entry *entry, void *arg), void *arg);

/** The process of a key (duplicate keys: the one registered last); nobody if there is none. */
ANQA_API anqa_pid anqa_registry_whereis(const anqa_registry *registry, anqa_str key);

/** All entries of a key, the youngest first. They live as long as the current event. */
ANQA_API void anqa_registry_lookup(const anqa_registry *registry, anqa_str key,
    anqa_registry_entry **ret_entries, size_t *ret_count);

/** Runs `run` in the caller for each entry of a key, the youngest first; it may send, call and wait. A process that is
 * there twice is run for twice. Returns how many entries there were. */
ANQA_API size_t anqa_registry_dispatch(const anqa_registry *registry, anqa_str key,
    void (*run)(const anqa_registry_entry *entry, void *arg), void *arg);

/** Sends a message for each entry of a key, as anqa_registry_dispatch. payload: no object, which could be moved only
 * once. Returns how many entries there were. */
ANQA_API size_t anqa_registry_send(
    const anqa_registry *registry, anqa_str key, const char *tag, anqa_payload payload);

/** Replaces the value of an own entry of a unique key. Fails: E_NOT_FOUND, E_PERMISSION (another's), E_UNSUPPORTED
 * (duplicate keys), E_NOMEM. */
ANQA_API anqa_status anqa_registry_update_value(
    const anqa_registry *registry, anqa_str key, anqa_json value) ANQA_MUST_CHECK;

/** Number of entries in all. */
ANQA_API size_t anqa_registry_count(const anqa_registry *registry);
/** Number of entries of a key. */
ANQA_API size_t anqa_registry_count_key(const anqa_registry *registry, anqa_str key);
/** Number of entries of a key, or of all, that `match` accepts, which must not wait. */
ANQA_API size_t anqa_registry_count_match(const anqa_registry *registry, anqa_str key,
    bool (*match)(const anqa_registry_entry *entry, void *arg), void *arg);
ANQA_API size_t anqa_registry_count_select(const anqa_registry *registry,
    bool (*match)(const anqa_registry_entry *entry, void *arg), void *arg);

/** Entries of a process, in no order; looks at all entries. They live as long as the current event. */
ANQA_API void anqa_registry_keys(const anqa_registry *registry, anqa_pid pid,
    anqa_registry_entry **ret_entries, size_t *ret_count);

/** Entries that `match` accepts (NULL: all), in no order. It must not wait. They live as long as the current event. */
ANQA_API void anqa_registry_select(const anqa_registry *registry,
    bool (*match)(const anqa_registry_entry *entry, void *arg), void *arg,
    anqa_registry_entry **ret_entries, size_t *ret_count);

/** Where the next page begins. Zero: with the first. */
typedef struct anqa_registry_cursor {
    uint64_t bucket, after;
    bool at_end;
} anqa_registry_cursor;

/**
 * As anqa_registry_select, a page at a time, between which the caller may wait: looks at the next `max` entries or fewer
 * and gives those that `match` accepts, which may be none. Returns false when there was nothing left to look at.
 * What is there all the time is given at least once, and twice only if the registry grows or shrinks a lot meanwhile. All
 * entries of a key are looked at for each page that has some of them.   max: from 1.
 */
ANQA_API bool anqa_registry_select_page(const anqa_registry *registry, anqa_registry_cursor *cursor,
    size_t max, bool (*match)(const anqa_registry_entry *entry, void *arg), void *arg,
    anqa_registry_entry **ret_entries, size_t *ret_count);

/** Runs `run` while no other process runs something under the lock of the same key; a cooperative lock, which ends with
 * its holder. It may wait. Not to be nested with the same key: that waits for ever. A key that is too long, or no memory,
 * ends the caller (ERROR).   Context: process; may wait. */
ANQA_API void anqa_registry_lock(
    const anqa_registry *registry, anqa_str key, void (*run)(void *arg), void *arg);

/** Keeps a JSON value with the registry, not bound to any process. Fails: E_NOMEM. */
ANQA_API anqa_status anqa_registry_put_meta(
    const anqa_registry *registry, const char *name, anqa_json value) ANQA_MUST_CHECK;
/** That value, as long as the current event; a zeroed one when there is none. */
ANQA_API anqa_json anqa_registry_meta(const anqa_registry *registry, const char *name);

ANQA_END_DECLS

#endif
