/* Sessions in a table that all connections share, and the server that has it. */
#include <anqa/session.h>

#include <anqa/memory.h>
#include <anqa/table.h>
#include <anqa/token.h>

#define IDLE_MS 86400000u
#define SESSIONS 100000u
#define SWEEP_MS 60000u
#define ID_BYTES 32u
#define ID_LEN 43u   /* as text */
#define EVICTIONS 16 /* others may take the room that was made */

/* A row: when it was last asked for, and behind it JSON. */
#define HEAD sizeof(uint64_t)

static uint32_t idle_ms(const anqa_session_table *spec)
{
    return spec->max_idle_ms == 0 ? IDLE_MS : spec->max_idle_ms;
}

static bool is_over(const anqa_session_table *spec, anqa_str row)
{
    uint64_t used_ms;

    memcpy(&used_ms, row.ptr, HEAD);
    return anqa_now_ms() > used_ms + idle_ms(spec);
}

/* ---------------------------------------------------------------- the store */

static bool get(
    anqa_conn *conn, const void *arg, anqa_str cookie, anqa_str *ret_id, anqa_json *ret_data)
{
    const anqa_session_table *spec = arg;
    anqa_table table = anqa_table_whereis(spec->name);
    uint64_t now_ms = anqa_now_ms();
    anqa_str row;

    if (cookie.len != ID_LEN ||
        anqa_table_lookup_bytes(table, anqa_key_str(cookie), &row) != ANQA_OK || is_over(spec, row))
        return false;
    /* It may have ended by now: then there is nothing to remember. */
    if (anqa_table_update_element(table, anqa_key_str(cookie), 0, &now_ms, HEAD) != ANQA_OK)
        return false;
    *ret_id = cookie;
    *ret_data = anqa_json_of(anqa_str_make(row.ptr + HEAD, row.len - HEAD));
    return true;
}

static anqa_status evict(anqa_table table)
{
    anqa_table_entry entry;
    anqa_status status = anqa_table_first(table, &entry);

    return status == ANQA_OK ? anqa_table_delete(table, entry.key) : status;
}

/* For one more session some other one ends. */
static anqa_status put_new(anqa_table table, anqa_str id, anqa_str row)
{
    for (unsigned i = 0;; i++) {
        anqa_status status = anqa_table_insert_bytes(table, anqa_key_str(id), row);
        if (status != ANQA_E_LIMIT || i == EVICTIONS || evict(table) != ANQA_OK)
            return status;
    }
}

/* A session that has ended while its request was under way stays so. */
static anqa_str put(anqa_conn *conn, const void *arg, anqa_str id, anqa_json data)
{
    const anqa_session_table *spec = arg;
    anqa_table table = anqa_table_whereis(spec->name);
    char *bytes = anqa_arena_alloc(anqa_tmp(), HEAD + data.len);
    anqa_str row = anqa_str_make(bytes, HEAD + data.len);
    uint64_t now_ms = anqa_now_ms();
    anqa_status status;

    memcpy(bytes, &now_ms, HEAD);
    memcpy(bytes + HEAD, data.ptr, data.len);
    if (id.len == 0) {
        id = anqa_random_text(ID_BYTES);
        status = put_new(table, id, row);
    } else {
        status = anqa_table_replace_bytes(table, anqa_key_str(id), row);
        if (status == ANQA_E_NOT_FOUND)
            return anqa_str_make(NULL, 0);
    }
    if (status != ANQA_OK)
        anqa_exit(anqa_error_reason("a session of %zu bytes can not be kept in the table %s: %s",
            data.len, spec->name, anqa_status_text(status)));
    return id;
}

static bool drop(anqa_conn *conn, const void *arg, anqa_str id)
{
    const anqa_session_table *spec = arg;
    anqa_table_entry *rows;
    size_t count;

    return anqa_table_take_all(anqa_table_whereis(spec->name), anqa_key_str(id), &rows, &count) ==
               ANQA_OK &&
           count > 0;
}

const anqa_session_store anqa_session_in_table = {.get = get, .put = put, .drop = drop};

/* ---------------------------------------------------------------- the server */

struct owner {
    const anqa_session_table *spec;
    anqa_table table;
};

static anqa_next init(void *state, const void *arg)
{
    struct owner *owner = state;
    anqa_table_spec table = {.named = true, .access = ANQA_TABLE_PUBLIC};
    anqa_status status;

    owner->spec = arg;
    if (arg == NULL)
        return anqa_stop_with(anqa_error_reason("sessions need .arg: use ANQA_SESSION_TABLE"));
    table.name = owner->spec->name;
    table.max_rows = owner->spec->max_sessions == 0 ? SESSIONS : owner->spec->max_sessions;
    status = anqa_table_new(&table, &owner->table);
    if (status != ANQA_OK)
        return anqa_stop_with(anqa_error_reason(
            "no table %s for sessions: %s", table.name, anqa_status_text(status)));
    (void)anqa_send_every(
        anqa_self(), "sweep", idle_ms(owner->spec) < SWEEP_MS ? idle_ms(owner->spec) : SWEEP_MS);
    return anqa_noreply();
}

static bool has_ended(const anqa_table_entry *entry, void *spec)
{
    return is_over(spec, entry->row);
}

static anqa_next sweep(void *state, anqa_msg *msg)
{
    struct owner *owner = state;
    anqa_table_query ended = {.match = has_ended, .arg = (void *)(uintptr_t)owner->spec};

    (void)anqa_table_select_delete(owner->table, &ended, NULL);
    return anqa_noreply();
}

const anqa_gen_server anqa_session_table_server = {
    .name = "session table",
    .state_size = sizeof(struct owner),
    .init = init,
    .handle_info = (const anqa_handler[]){{"sweep", sweep}, {0}},
};
