/**
 * anqa/table.h - tables that many processes share, in the manner of ETS.
 *
 * A table holds rows, each under a key. Rows are C structs of one size, or bytes of any length; keys are numbers or
 * strings. Everything is copied in and copied out: nobody ever has a pointer into a table, so a process may wait between
 * any two calls.
 *
 *     struct price { int64_t cents, asked; };
 *     static const anqa_table_spec prices = {.name = "prices", .named = true, .row_size = sizeof(struct price)};
 *
 *     s = anqa_table_new(&prices, &table);
 *     s = anqa_table_insert(table, anqa_key_text("tea"), &(struct price){.cents = 250});
 *     s = anqa_table_lookup(anqa_table_whereis("prices"), anqa_key_text("tea"), &price);
 *
 * When to use one. What many read and few write: configuration, caches, routes, sessions; and counters. Readers take no
 * lock and ask nobody, on all schedulers at once. When not: a state that one process alone uses belongs into that
 * process; steps over several keys that must hold together belong into a process or a database, for beside
 * anqa_table_insert_all there are no transactions; where somebody must be told of changes, use messages.
 *
 * Types. A set has one row a key. An ordered set too, and keeps the keys in order: numbers before strings, numbers by
 * value, strings byte by byte. It takes 1 and 1.0 for the same key; the other types do not. A bag has any number of
 * different rows a key, a duplicate bag also equal ones; rows of a key stay in the order in which they came. To put one in
 * takes time that grows with the rows of its key. Rows are compared byte by byte, padding included.
 *
 * Guarantees. Each call is atomic and isolated: others see all of it or nothing. A walk over a table is many calls,
 * and others may write meanwhile: a row that is there from the start of the walk to its end is seen exactly once, and none
 * twice. That needs no fixation (ets:safe_fixtable): a walk knows the key where it stands, and goes on behind it whether
 * that key is still there or not.
 *
 * Ownership. Who makes a table owns it. It ends with its owner, before links and monitors hear of that, unless an heir
 * was named. A table that was inherited or given away ends soon after the process that has it then. Only the owner may
 * free a table, whatever its access.
 *
 * Failing. Every function fails with E_CLOSED when the table has ended or never was, and with E_PERMISSION when its access
 * does not allow the call; what is said at each comes on top of that. Functions that put something in also fail with
 * E_NOMEM, E_LIMIT (max_rows, max_bytes), E_RANGE (a key or row that is too long), E_INVALID (a key that is NaN) and E_TYPE (the
 * size of a row is not that of the table's rows). What has failed has changed nothing.
 *
 * Memory. A row costs its bytes, its key and some 50 bytes; what is taken out is freed once no scheduler can be reading it,
 * which is when each has come to its next process. Large tables are freed in parts, so no scheduler stands still for one.
 *
 * Threads. "Context: process" throughout; nothing waits, except functions that the caller hands in: they get copies, and may do
 * anything.
 */
#ifndef ANQA_TABLE_H
#define ANQA_TABLE_H

#include <anqa/process.h>

ANQA_BEGIN_DECLS

/** Most bytes of a string that is a key, and of a row. */
#define ANQA_TABLE_KEY_MAX 65535u
#define ANQA_TABLE_ROW_MAX (1u << 20)
/** Most tables of a runtime. */
#define ANQA_TABLES_MAX 65536u

/** Names one table for as long as it lives; all zero: none. */
typedef struct anqa_table {
    uint64_t bits;
} anqa_table;

/** Whether it names no table. */
static inline bool anqa_table_is_none(anqa_table table)
{
    return table.bits == 0;
}

/* ---------------------------------------------------------------- keys and rows */

/** What a key is. */
typedef enum anqa_key_kind { ANQA_KEY_STR, ANQA_KEY_INT, ANQA_KEY_DOUBLE } anqa_key_kind;

/** A number or a string; made by the functions below. */
typedef struct anqa_key {
    anqa_key_kind kind;
    union {
        anqa_str str;
        int64_t integer;
        double real;
    } u;
} anqa_key;

/** A string, borrowed. */
static inline anqa_key anqa_key_str(anqa_str str)
{
    anqa_key key;

    key.kind = ANQA_KEY_STR;
    key.u.str = str;
    return key;
}

/** The same, of a string that ends in NUL. */
static inline anqa_key anqa_key_text(const char *text)
{
    return anqa_key_str(anqa_str_of(text));
}

/** An integer. */
static inline anqa_key anqa_key_int(int64_t integer)
{
    anqa_key key;

    key.kind = ANQA_KEY_INT;
    key.u.integer = integer;
    return key;
}

/** Not NaN. -0.0 is taken for 0.0. */
static inline anqa_key anqa_key_double(double real)
{
    anqa_key key;

    key.kind = ANQA_KEY_DOUBLE;
    key.u.real = real;
    return key;
}

/** A key with its row. What look-ups give out lives as long as the current event; a row is aligned to 8 bytes. */
typedef struct anqa_table_entry {
    anqa_key key;
    anqa_str row;
} anqa_table_entry;

/* ---------------------------------------------------------------- life of a table */

/** How many rows a key may have, and whether keys have an order. */
typedef enum anqa_table_type {
    ANQA_TABLE_SET,
    ANQA_TABLE_ORDERED_SET,
    ANQA_TABLE_BAG,
    ANQA_TABLE_DUPLICATE_BAG
} anqa_table_type;

/** Who may read and write. */
typedef enum anqa_table_access {
    ANQA_TABLE_PROTECTED, /* all read, the owner writes */
    ANQA_TABLE_PUBLIC,    /* all read and write */
    ANQA_TABLE_PRIVATE    /* the owner reads and writes */
} anqa_table_access;

/** How a table is made. Zero is a sensible default in each field but the name. Copied. */
typedef struct anqa_table_spec {
    const char *name; /* from 1 to 255 bytes; for people, unless it is `named` */
    bool named;       /* anqa_table_whereis finds it; unique in the runtime */
    anqa_table_type type;
    anqa_table_access access;
    uint32_t row_size; /* of the struct that rows are; 0: rows are bytes of any length */
    uint64_t max_rows; /* 0: no limit */
    uint64_t
        max_bytes; /* of anqa_table_info.bytes, where 16 a row for finding it may come on top; 0: no limit */
} anqa_table_spec;

/** Makes an empty table, whose owner is the caller. Fails: E_EXISTS (named, and the name is taken), E_INVALID (name),
 * E_RANGE (row_size), E_LIMIT (as many tables as there may be), E_NOMEM. */
ANQA_API anqa_status anqa_table_new(
    const anqa_table_spec *spec, anqa_table *ret_table) ANQA_MUST_CHECK;

/** Ends a table (ets:delete/1). Fails: E_PERMISSION when it is another's. */
ANQA_API anqa_status anqa_table_free(anqa_table table);

/** The table with that name; none if there is none. */
ANQA_API anqa_table anqa_table_whereis(const char *name);

/** Gives a table another name; who may write may. Fails: E_EXISTS, E_INVALID, E_NOMEM. */
ANQA_API anqa_status anqa_table_rename(anqa_table table, const char *name) ANQA_MUST_CHECK;

/**
 * Makes `to` the owner and sends it a message "ETS-TRANSFER", which anqa_table_transfer reads.
 * data: goes along; may be empty.
 * Fails: E_PERMISSION (another's), E_INVALID (`to` is the caller), E_LIMIT (data above ANQA_TABLE_ROW_MAX), and as
 * anqa_spawn and anqa_send; then it stays.
 */
ANQA_API anqa_status anqa_table_give_away(
    anqa_table table, anqa_pid to, anqa_str data) ANQA_MUST_CHECK;

/**
 * Names who gets the table when its owner ends, with a message as in anqa_table_give_away. An heir that cannot be told
 * by then, being dead, its mailbox full, or for want of memory, inherits nothing: the table ends.
 * heir: nobody takes it back.   Fails: E_PERMISSION (another's), E_LIMIT (data above ANQA_TABLE_ROW_MAX), E_NOMEM.
 */
ANQA_API anqa_status anqa_table_set_heir(
    anqa_table table, anqa_pid heir, anqa_str data) ANQA_MUST_CHECK;

/** What an "ETS-TRANSFER" says. `data` lives as long as the message. */
typedef struct anqa_table_gift {
    anqa_table table;
    anqa_pid from; /* who gave it away, or was the owner when it died */
    anqa_str data;
} anqa_table_gift;

/** Reads a message "ETS-TRANSFER"; false when it is no such message. */
ANQA_API bool anqa_table_transfer(const anqa_msg *msg, anqa_table_gift *ret_gift);

/** What can be said of a table. */
typedef struct anqa_table_info {
    anqa_str name; /* lives as long as the current event */
    bool named;
    anqa_table_type type;
    anqa_table_access access;
    anqa_pid owner, heir; /* heir: nobody if there is none */
    uint32_t row_size;
    uint64_t rows;
    uint64_t bytes; /* of rows, keys and what finds them; what waits to be freed does not count */
    uint64_t max_rows, max_bytes;
} anqa_table_info;

/** What there is to know about a table, of any access. */
ANQA_API anqa_status anqa_table_get_info(anqa_table table, anqa_table_info *ret_info);

/** All tables of the runtime, in no order. They live as long as the current event. */
ANQA_API void anqa_table_all(anqa_table **ret_tables, size_t *ret_count);

/* ---------------------------------------------------------------- writing */

/** Puts a row in; a set replaces the one of that key.   row: row_size bytes. */
ANQA_API anqa_status anqa_table_insert(
    anqa_table table, anqa_key key, const void *row) ANQA_MUST_CHECK;
/** The same for rows that are bytes. */
ANQA_API anqa_status anqa_table_insert_bytes(
    anqa_table table, anqa_key key, anqa_str row) ANQA_MUST_CHECK;
/** Puts a row of bytes in in place of the one that the key has. Fails: E_NOT_FOUND (it has none, and gets none), E_UNSUPPORTED (a
 * bag). */
ANQA_API anqa_status anqa_table_replace_bytes(
    anqa_table table, anqa_key key, anqa_str row) ANQA_MUST_CHECK;
/** Puts a row in unless the key has one. Fails: E_EXISTS. */
ANQA_API anqa_status anqa_table_insert_new(
    anqa_table table, anqa_key key, const void *row) ANQA_MUST_CHECK;

/** Puts all rows in, at once for everybody who looks. Of rows of a set with the same key the last one stays; for the limits
 * each counts. */
ANQA_API anqa_status anqa_table_insert_all(
    anqa_table table, const anqa_table_entry *entries, size_t count) ANQA_MUST_CHECK;
/** The same unless one of the keys has a row. Fails: E_EXISTS. */
ANQA_API anqa_status anqa_table_insert_all_new(
    anqa_table table, const anqa_table_entry *entries, size_t count) ANQA_MUST_CHECK;

/** Takes all rows of a key out. It is no error that there are none. */
ANQA_API anqa_status anqa_table_delete(anqa_table table, anqa_key key);
/** Takes the rows of a key out that are equal to `row`. */
ANQA_API anqa_status anqa_table_delete_object(anqa_table table, anqa_key key, anqa_str row);
/** Empties the table. Fails: E_NOMEM. */
ANQA_API anqa_status anqa_table_delete_all_objects(anqa_table table) ANQA_MUST_CHECK;

/** Takes the row of a key out and gives it to the caller, who alone gets it.
 * ret_row: row_size bytes.   Fails: E_NOT_FOUND, E_TYPE (rows are bytes), E_UNSUPPORTED (a bag). */
ANQA_API anqa_status anqa_table_take(anqa_table table, anqa_key key, void *ret_row) ANQA_MUST_CHECK;
/** The same for all rows of a key, of any table. None is no error. */
ANQA_API anqa_status anqa_table_take_all(anqa_table table, anqa_key key,
    anqa_table_entry **ret_entries, size_t *ret_count) ANQA_MUST_CHECK;

/** Replaces `size` bytes of a row from offset `at` on.
 * Fails: E_NOT_FOUND, E_RANGE (outside of the row), E_UNSUPPORTED (a bag). */
ANQA_API anqa_status anqa_table_update_element(
    anqa_table table, anqa_key key, size_t at, const void *bytes, size_t size) ANQA_MUST_CHECK;

/** Most steps of anqa_table_update_counters. */
#define ANQA_TABLE_COUNTERS_MAX 16u

/**
 * Adds to an int64_t of a row and gives its new value.
 * at: its offset, a multiple of 8.   ret_value: may be NULL.
 * Fails: E_NOT_FOUND, E_RANGE (no place in the row, or the sum does not fit), E_UNSUPPORTED (a bag).
 */
ANQA_API anqa_status anqa_table_update_counter(
    anqa_table table, anqa_key key, size_t at, int64_t add, int64_t *ret_value);

/** One step of anqa_table_update_counters. */
typedef struct anqa_table_counter {
    size_t at;
    int64_t add;
    /* With `wraps`, a sum above `threshold` (below it, when `add` is negative) becomes `set_to`. */
    bool wraps;
    int64_t threshold, set_to;
} anqa_table_counter;

/** Does several steps at once, one after the other.
 * initial: row_size bytes that are put in first when the key has no row; NULL: E_NOT_FOUND then.
 * count: at most ANQA_TABLE_COUNTERS_MAX.   ret_values: one for each step; may be NULL.
 * Fails as anqa_table_update_counter; E_LIMIT (too many steps). */
ANQA_API anqa_status anqa_table_update_counters(anqa_table table, anqa_key key,
    const anqa_table_counter *counters, size_t count, const void *initial, int64_t *ret_values);

/* ---------------------------------------------------------------- reading */

/** The row of a key, of bags the oldest.   ret_row: row_size bytes.   Fails: E_NOT_FOUND, E_TYPE (rows are bytes). */
ANQA_API anqa_status anqa_table_lookup(
    anqa_table table, anqa_key key, void *ret_row) ANQA_MUST_CHECK;
/** The same for rows of any kind. It lives as long as the current event. Fails: E_NOT_FOUND. */
ANQA_API anqa_status anqa_table_lookup_bytes(
    anqa_table table, anqa_key key, anqa_str *ret_row) ANQA_MUST_CHECK;
/** All rows of a key, in the order in which they came. None is no error. */
ANQA_API anqa_status anqa_table_lookup_all(anqa_table table, anqa_key key,
    anqa_table_entry **ret_entries, size_t *ret_count) ANQA_MUST_CHECK;
/** `size` bytes of a row from offset `at` on. Fails: E_NOT_FOUND, E_RANGE (outside of the row). */
ANQA_API anqa_status anqa_table_lookup_element(
    anqa_table table, anqa_key key, size_t at, void *ret_bytes, size_t size) ANQA_MUST_CHECK;
/** Whether there is a row of that key; false too when the table is not there or not to be read. */
ANQA_API bool anqa_table_member(anqa_table table, anqa_key key);

/** The first row of a table, and the next one behind a key, which itself need not be there. A set that is not ordered has
 * some order which stays the same; in it last and prev are E_UNSUPPORTED. The next of a bag is the first row of the next
 * key. Fails: E_NOT_FOUND (there is none).
 * Each result takes memory of the event: anqa_table_fold is for long walks. */
ANQA_API anqa_status anqa_table_first(
    anqa_table table, anqa_table_entry *ret_entry) ANQA_MUST_CHECK;
ANQA_API anqa_status anqa_table_last(anqa_table table, anqa_table_entry *ret_entry) ANQA_MUST_CHECK;
ANQA_API anqa_status anqa_table_next(
    anqa_table table, anqa_key key, anqa_table_entry *ret_entry) ANQA_MUST_CHECK;
ANQA_API anqa_status anqa_table_prev(
    anqa_table table, anqa_key key, anqa_table_entry *ret_entry) ANQA_MUST_CHECK;

/* ---------------------------------------------------------------- walking */

/** Which rows, and in which direction. Zero: all, forwards. A NULL query is a zeroed one. */
typedef struct anqa_table_query {
    bool (*match)(const anqa_table_entry *entry, void *arg); /* NULL: every row */
    void *arg;
    const anqa_key *from; /* begins at this key, it included; NULL: at the beginning */
    const anqa_key *to;   /* ends with this key, it included; ordered sets only */
    bool backwards;       /* ordered sets only */
    size_t limit;         /* select: most rows a call gives; 0: all */
} anqa_table_query;

/** Where a select goes on. Zero: at the start. Lives as long as the current event. */
typedef struct anqa_table_cursor {
    anqa_key key;
    uint64_t seq;
    bool started, done; /* done: there is nothing more */
} anqa_table_cursor;

/** Rows that the query accepts; with a NULL query ets:tab2list.
 * cursor: with a limit, goes on where the last call ended; may be NULL.
 * Fails: E_UNSUPPORTED (`backwards` or `to` of a table without order). */
ANQA_API anqa_status anqa_table_select(anqa_table table, const anqa_table_query *query,
    anqa_table_cursor *cursor, anqa_table_entry **ret_entries, size_t *ret_count) ANQA_MUST_CHECK;
/** How many rows the query accepts. */
ANQA_API anqa_status anqa_table_select_count(
    anqa_table table, const anqa_table_query *query, size_t *ret_count) ANQA_MUST_CHECK;
/** Takes out what the query accepts, row by row: a row is taken out as it was when `match` saw it, or seen again.
 * ret_count: how many; may be NULL. */
ANQA_API anqa_status anqa_table_select_delete(
    anqa_table table, const anqa_table_query *query, size_t *ret_count);

/**
 * Calls fn for each row that the query accepts (ets:foldl; with `backwards` foldr) until it returns false.
 * fn: gets a copy of the row, which lives until it returns; may do anything, also write to this table and wait.
 * Fails: as anqa_table_select; E_CLOSED also when the table ends during the walk.
 * Context: process; waits if `fn` does.
 */
ANQA_API anqa_status anqa_table_fold(anqa_table table, const anqa_table_query *query,
    bool (*fn)(const anqa_table_entry *entry, void *arg), void *arg);

ANQA_END_DECLS

#endif
