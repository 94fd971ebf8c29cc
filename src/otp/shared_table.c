/* Shared tables: the directory of a runtime, life and names. See shared_table.h. */
#include "otp/shared_table.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include <anqa/memory.h>

#include "base/container.h"
#include "otp/table.h"

#define CHUNK 256u
#define CHUNKS (ANQA_TABLES_MAX / CHUNK)
#define LIMBO_LOAD 64u /* rows that are worth a note */

struct place {
    _Atomic(struct shared *) table; /* shared */
    uint32_t generation;
    uint32_t next_free; /* its number plus one; 0: the last one */
};

struct directory {
    pthread_mutex_t lock; /* guards adding and removing: used, first_free, places but for `table` */
    uint32_t used, first_free;
    _Atomic(struct place *) chunks[CHUNKS]; /* shared */
};

static const char names_owner; /* the address tells the table of names */

/* ---------------------------------------------------------------- the directory */

static void *directory_new(anqa_rt *rt)
{
    struct directory *directory = calloc(1, sizeof *directory);

    if (directory != NULL)
        pthread_mutex_init(&directory->lock, NULL);
    return directory;
}

static bool shared_free_some(struct retired *retired);

static void directory_drop(void *object)
{
    struct directory *directory = object;

    for (unsigned i = 0; i < CHUNKS; i++) {
        struct place *chunk = atomic_load_explicit(&directory->chunks[i], memory_order_relaxed);
        for (unsigned j = 0; chunk != NULL && j < CHUNK; j++) {
            struct shared *shared = atomic_load_explicit(&chunk[j].table, memory_order_relaxed);
            if (shared != NULL)
                shared_end(shared); /* whose keeper was killed before it began */
        }
        free(chunk);
    }
    pthread_mutex_destroy(&directory->lock);
    free(directory);
}

static struct directory *directory_of(anqa_rt *rt)
{
    return rt_local(rt, RT_LOCAL_TABLES, directory_new, directory_drop);
}

static struct place *place_of(struct directory *directory, uint32_t number)
{
    struct place *chunk = atomic_load_explicit(
        &directory->chunks[number / CHUNK], memory_order_acquire); /* place_take */

    return chunk == NULL ? NULL : &chunk[number % CHUNK];
}

/* Under the lock. */
static anqa_status place_take(struct directory *directory, uint32_t *ret_number)
{
    struct place *chunk;

    if (directory->first_free != 0) {
        *ret_number = directory->first_free - 1;
        directory->first_free = place_of(directory, *ret_number)->next_free;
        return ANQA_OK;
    }
    if (directory->used == ANQA_TABLES_MAX)
        return ANQA_E_LIMIT;
    if (directory->used % CHUNK == 0) {
        chunk = calloc(CHUNK, sizeof *chunk);
        if (chunk == NULL)
            return ANQA_E_NOMEM;
        atomic_store_explicit(&directory->chunks[directory->used / CHUNK], chunk,
            memory_order_release); /* place_of */
    }
    *ret_number = directory->used++;
    return ANQA_OK;
}

static anqa_status directory_add(struct directory *directory, struct shared *shared)
{
    struct place *place;
    uint32_t number;
    anqa_status status;

    pthread_mutex_lock(&directory->lock);
    status = place_take(directory, &number);
    if (status == ANQA_OK) {
        place = place_of(directory, number);
        place->generation++;
        shared->bits = (uint64_t)place->generation << 32 | (number + 1);
        atomic_store_explicit(&place->table, shared, memory_order_release); /* find */
    }
    pthread_mutex_unlock(&directory->lock);
    return status;
}

static void directory_remove(struct directory *directory, struct shared *shared)
{
    uint32_t number = (uint32_t)shared->bits - 1;
    struct place *place = place_of(directory, number);

    pthread_mutex_lock(&directory->lock);
    atomic_store_explicit(&place->table, NULL, memory_order_release);
    place->next_free = directory->first_free;
    directory->first_free = number + 1;
    pthread_mutex_unlock(&directory->lock);
}

static struct shared *find(anqa_rt *rt, anqa_table table)
{
    struct directory *directory = directory_of(rt);
    uint32_t number = (uint32_t)table.bits - 1;
    struct place *place;
    struct shared *shared;

    if (directory == NULL || number >= ANQA_TABLES_MAX)
        return NULL;
    place = place_of(directory, number);
    if (place == NULL)
        return NULL;
    shared = atomic_load_explicit(&place->table, memory_order_acquire); /* directory_add */
    return shared == NULL || shared->bits != table.bits ? NULL : shared;
}

/* ---------------------------------------------------------------- opening */

static uint64_t owner_of(struct shared *shared)
{
    return atomic_load_explicit(&shared->owner, memory_order_acquire);
}

static bool may(struct shared *shared, enum shared_use use)
{
    switch (use) {
    case SHARED_LOOK: return true;
    case SHARED_READ:
        if (shared->access != ANQA_TABLE_PRIVATE)
            return true;
        break;
    case SHARED_WRITE:
        if (shared->access == ANQA_TABLE_PUBLIC)
            return true;
        break;
    case SHARED_OWN: break;
    }
    return owner_of(shared) == anqa_self().bits;
}

struct shared *shared_open_in(anqa_rt *rt, anqa_table table)
{
    struct shared *shared;

    qsbr_read_begin(rt);
    shared = find(rt, table);
    if (shared == NULL)
        qsbr_read_end(rt);
    return shared;
}

anqa_status shared_open(anqa_table table, enum shared_use use, struct shared **ret_shared)
{
    anqa_rt *rt = anqa_rt_self();
    struct shared *shared;

    ANQA_REQUIRE(rt != NULL);
    shared = shared_open_in(rt, table);
    if (shared == NULL)
        return ANQA_E_CLOSED;
    if (!may(shared, use)) {
        qsbr_read_end(rt);
        return ANQA_E_PERMISSION;
    }
    *ret_shared = shared;
    return ANQA_OK;
}

anqa_status shared_open_at(anqa_table table, enum shared_use use, anqa_key key,
    struct shared **ret_shared, struct rows_at *ret_at)
{
    anqa_status status = shared_open(table, use, ret_shared);

    if (status != ANQA_OK)
        return status;
    status = rows_at_key(shared_is_ordered(*ret_shared), key, ret_at);
    if (status != ANQA_OK)
        shared_close(*ret_shared);
    return status;
}

void shared_close(struct shared *shared)
{
    qsbr_read_end(shared->rt);
}

/* ---------------------------------------------------------------- rows that were taken out */

static struct row *dead_free(struct row *row)
{
    for (unsigned i = 0; i < ROWS_PER_PART && row != NULL; i++) {
        struct row *next = row->dead;
        free(row);
        row = next;
    }
    return row;
}

static bool limbo_free_some(struct retired *retired)
{
    struct limbo *limbo = ANQA_CONTAINER_OF(retired, struct limbo, retired);
    int busy = LIMBO_BUSY;

    limbo->rows = dead_free(limbo->rows);
    if (limbo->rows != NULL)
        return true;
    /* release: the next load is put into an empty one. Pairs with limbo_send. */
    if (!atomic_compare_exchange_strong_explicit(
            &limbo->state, &busy, LIMBO_IDLE, memory_order_release, memory_order_acquire))
        free(limbo); /* its table has ended */
    return false;
}

/* Under the lock. */
static void limbo_send(struct shared *shared)
{
    struct limbo *limbo = shared->limbo;
    int idle = LIMBO_IDLE;

    /* acquire: limbo_free_some */
    if (limbo == NULL || !atomic_compare_exchange_strong_explicit(&limbo->state, &idle, LIMBO_BUSY,
                             memory_order_acquire, memory_order_relaxed))
        return;
    limbo->rows = shared->dead;
    shared->dead = NULL;
    shared->dead_count = 0;
    qsbr_retire(shared->rt, &limbo->retired);
}

/* Under the lock: a load that is under way frees its limbo when it comes to its end. */
static void limbo_part(struct shared *shared)
{
    struct limbo *limbo = shared->limbo;

    shared->limbo = NULL;
    if (atomic_exchange_explicit(&limbo->state, LIMBO_ORPHAN, memory_order_acq_rel) == LIMBO_IDLE)
        free(limbo);
}

void shared_lock(struct shared *shared)
{
    pthread_mutex_lock(&shared->lock);
}

void shared_unlock(struct shared *shared)
{
    if (shared->dead_count >= LIMBO_LOAD)
        limbo_send(shared);
    pthread_mutex_unlock(&shared->lock);
}

/* Locked, and out of the list. */
static void bury(struct shared *shared, struct row *row)
{
    row_bury(row);
    row->dead = shared->dead;
    shared->dead = row;
    shared->dead_count++;
}

/* What is in the list is not dead, and only who holds the table's lock can make it so. */
static void lock_live(struct row *row)
{
    (void)row_lock(row);
}

void shared_remove(struct shared *shared, struct rows *rows, struct row *row)
{
    lock_live(row);
    rows_remove(shared->rt, rows, row);
    bury(shared, row);
}

bool shared_remove_seen(
    struct shared *shared, struct rows *rows, struct row *row, uint64_t seq, uint32_t version)
{
    lock_live(row);
    if (row->seq != seq ||
        atomic_load_explicit(&row->version, memory_order_relaxed) != (version | ROW_BUSY)) {
        row_unlock(row);
        return false;
    }
    rows_remove(shared->rt, rows, row);
    bury(shared, row);
    return true;
}

void shared_put(struct shared *shared, struct rows *rows, struct row *row)
{
    struct row *old = rows_put(rows, row);

    if (old == NULL)
        return;
    lock_live(old); /* who has changed it in place meanwhile did so before */
    bury(shared, old);
}

/* ---------------------------------------------------------------- batches */

uint64_t shared_batch_begin(struct shared *shared)
{
    uint64_t batch;

    /* acquire: what was written before. Pairs with the writers' release. */
    while (((batch = atomic_load_explicit(&shared->batch, memory_order_acquire)) & 1) != 0) {
        pthread_mutex_lock(&shared->lock); /* until they are through */
        pthread_mutex_unlock(&shared->lock);
    }
    return batch;
}

bool shared_batch_end(struct shared *shared, uint64_t batch)
{
    /* What was read in between was read with acquire, so this is no older. */
    return atomic_load_explicit(&shared->batch, memory_order_relaxed) == batch;
}

/* ---------------------------------------------------------------- names */

static struct table *names_of(anqa_rt *rt)
{
    return table_of(rt, &names_owner, false);
}

static bool name_is_valid(const char *name)
{
    return name != NULL && name[0] != '\0' && strlen(name) <= SHARED_NAME_MAX;
}

/* In the table of names; its node's pid is the bits of what it names. */
struct name {
    struct table_node node;
    struct retired retired;
    char text[];
};

static bool name_free(struct retired *retired)
{
    free(ANQA_CONTAINER_OF(retired, struct name, retired));
    return false;
}

/* Enters a name for a table. Fails: E_EXISTS, E_NOMEM. */
static anqa_status name_enter(struct shared *shared, const char *name, struct table_node **ret_node)
{
    struct table *names = names_of(shared->rt);
    size_t len = strlen(name);
    struct name *entry = names == NULL ? NULL : calloc(1, sizeof *entry + len);
    anqa_status status = ANQA_E_EXISTS;

    if (entry == NULL)
        return ANQA_E_NOMEM;
    table_node_init(&entry->node, (anqa_pid){shared->bits}, anqa_str_make(name, len),
        offsetof(struct name, text));
    table_lock(names);
    if (table_get(names, table_key(&entry->node)) == NULL)
        status = table_put(names, &entry->node);
    table_unlock(names);
    if (status != ANQA_OK) {
        free(entry);
        return status;
    }
    *ret_node = &entry->node;
    return ANQA_OK;
}

static void name_leave(struct shared *shared, struct table_node *node)
{
    struct table *names = names_of(shared->rt);

    table_lock(names);
    table_remove(names, node);
    table_unlock(names);
    table_retire_noted(names, &ANQA_CONTAINER_OF(node, struct name, node)->retired, name_free);
}

anqa_table anqa_table_whereis(const char *name)
{
    anqa_rt *rt = anqa_rt_self();
    struct table *names = rt == NULL ? NULL : table_find(rt, &names_owner);
    anqa_table table = {0};
    struct table_node *node;

    if (names == NULL || name == NULL)
        return table;
    table_read_begin(names);
    node = table_get(names, anqa_str_of(name));
    if (node != NULL)
        table.bits = table_pid(node).bits;
    table_read_end(names);
    return table;
}

static void name_set(struct shared *shared, const char *name)
{
    memcpy(shared->name, name, strlen(name) + 1);
}

/* The name that is left; on failure none is. */
static anqa_status rename_opened(
    struct shared *shared, const char *name, struct table_node **ret_old)
{
    struct table_node *node = NULL;
    anqa_status status = shared->named ? name_enter(shared, name, &node) : ANQA_OK;

    if (status != ANQA_OK)
        return status;
    shared_lock(shared);
    if (shared->ended) { /* nobody would take the name away */
        *ret_old = node;
        status = ANQA_E_CLOSED;
    } else {
        *ret_old = shared->name_node;
        shared->name_node = node;
        name_set(shared, name);
    }
    shared_unlock(shared);
    return status;
}

anqa_status anqa_table_rename(anqa_table table, const char *name)
{
    struct table_node *left = NULL;
    struct shared *shared;
    anqa_status status;

    if (!name_is_valid(name))
        return ANQA_E_INVALID;
    status = shared_open(table, SHARED_WRITE, &shared);
    if (status != ANQA_OK)
        return status;
    status = rename_opened(shared, name, &left);
    if (left != NULL)
        name_leave(shared, left);
    shared_close(shared);
    return status;
}

/* ---------------------------------------------------------------- life */

static bool shared_free_some(struct retired *retired)
{
    struct shared *shared = ANQA_CONTAINER_OF(retired, struct shared, retired);

    shared->dead = dead_free(shared->dead);
    if (shared->dead != NULL)
        return true;
    pthread_mutex_destroy(&shared->lock);
    free(shared->heir_data);
    free(shared);
    return false;
}

/* Of what nobody has seen yet; copes with one that is half made. */
static void shared_undo(struct shared *shared)
{
    struct rows *rows = atomic_load_explicit(&shared->rows, memory_order_relaxed);

    if (rows != NULL)
        rows_free(rows);
    free(shared->limbo);
    pthread_mutex_destroy(&shared->lock);
    free(shared);
}

static struct shared *shared_new(anqa_rt *rt, const anqa_table_spec *spec)
{
    struct shared *shared = calloc(1, sizeof *shared);

    if (shared == NULL)
        return NULL;
    *shared = (struct shared){.rt = rt,
        .type = spec->type,
        .access = spec->access,
        .named = spec->named,
        .row_size = spec->row_size,
        .max_rows = spec->max_rows,
        .max_bytes = spec->max_bytes,
        .retired.free_some = shared_free_some,
        .hook.run = shared_hook_run};
    pthread_mutex_init(&shared->lock, NULL);
    name_set(shared, spec->name);
    atomic_init(&shared->owner, anqa_self().bits);
    atomic_init(&shared->rows, rows_new(shared_is_ordered(shared), shared_is_unique(shared)));
    shared->limbo = calloc(1, sizeof *shared->limbo);
    if (shared->limbo == NULL ||
        atomic_load_explicit(&shared->rows, memory_order_relaxed) == NULL) {
        shared_undo(shared);
        return NULL;
    }
    shared->limbo->retired.free_some = limbo_free_some;
    return shared;
}

/* Whoever goes through all tables sees it from here on, so one that gets no name ends as others do. */
static anqa_status enter(struct shared *shared)
{
    struct directory *directory = directory_of(shared->rt);
    anqa_status status = directory == NULL ? ANQA_E_NOMEM : directory_add(directory, shared);

    if (status != ANQA_OK) {
        shared_undo(shared);
        return status;
    }
    if (shared->named)
        status = name_enter(shared, shared->name, &shared->name_node);
    if (status != ANQA_OK)
        shared_end(shared);
    return status;
}

anqa_status anqa_table_new(const anqa_table_spec *spec, anqa_table *ret_table)
{
    anqa_rt *rt = anqa_rt_self();
    struct shared *shared;
    anqa_status status;

    ANQA_REQUIRE(rt != NULL);
    if (!name_is_valid(spec->name) || spec->type > ANQA_TABLE_DUPLICATE_BAG ||
        spec->access > ANQA_TABLE_PRIVATE)
        return ANQA_E_INVALID;
    if (spec->row_size > ANQA_TABLE_ROW_MAX)
        return ANQA_E_RANGE;
    shared = shared_new(rt, spec);
    if (shared == NULL)
        return ANQA_E_NOMEM;
    status = enter(shared);
    if (status != ANQA_OK)
        return status;
    exit_hook_add(&shared->hook);
    *ret_table = (anqa_table){shared->bits};
    return ANQA_OK;
}

void shared_end(struct shared *shared)
{
    struct table_node *name;

    shared_lock(shared);
    if (shared->ended) {
        shared_unlock(shared);
        return;
    }
    shared->ended = true;
    name = shared->name_node;
    shared->name_node = NULL;
    limbo_part(shared);
    shared_unlock(shared);
    if (name != NULL)
        name_leave(shared, name);
    directory_remove(directory_of(shared->rt), shared);
    rows_retire(shared->rt, shared_rows(shared));
    qsbr_retire(shared->rt, &shared->retired);
}

anqa_status anqa_table_get_info(anqa_table table, anqa_table_info *ret_info)
{
    struct shared *shared;
    anqa_status status = shared_open(table, SHARED_LOOK, &shared);
    char name[SHARED_NAME_MAX + 1];
    struct rows *rows;

    if (status != ANQA_OK)
        return status;
    rows = shared_rows(shared);
    shared_lock(shared);
    *ret_info = (anqa_table_info){.named = shared->named,
        .type = shared->type,
        .access = shared->access,
        .owner = {owner_of(shared)},
        .heir = shared->heir,
        .row_size = shared->row_size,
        .rows = atomic_load_explicit(&rows->count, memory_order_relaxed),
        .bytes = sizeof *shared + atomic_load_explicit(&rows->bytes, memory_order_relaxed),
        .max_rows = shared->max_rows,
        .max_bytes = shared->max_bytes};
    memcpy(name, shared->name, sizeof name);
    shared_unlock(shared);
    shared_close(shared);
    ret_info->name = anqa_str_of(anqa_tmp_copy(name, strlen(name)));
    return ANQA_OK;
}

void anqa_table_all(anqa_table **ret_tables, size_t *ret_count)
{
    struct directory *directory;
    anqa_table *tables;
    size_t count = 0, used;

    ANQA_REQUIRE(anqa_rt_self() != NULL);
    *ret_count = 0;
    *ret_tables = NULL;
    directory = directory_of(anqa_rt_self());
    if (directory == NULL)
        return;
    pthread_mutex_lock(&directory->lock);
    used = directory->used;
    pthread_mutex_unlock(&directory->lock);
    tables = anqa_arena_calloc(anqa_tmp(), used, sizeof *tables); /* not under the lock: may exit */
    qsbr_read_begin(anqa_rt_self());
    for (uint32_t i = 0; i < used; i++) {
        struct shared *shared = atomic_load_explicit(
            &place_of(directory, i)->table, memory_order_acquire); /* directory_add */
        if (shared != NULL)
            tables[count++] = (anqa_table){shared->bits};
    }
    qsbr_read_end(anqa_rt_self());
    *ret_tables = tables;
    *ret_count = count;
}
