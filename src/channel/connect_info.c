/* What `connect` may see of a request. */
#include "channel/connect.h"

#include <anqa/csrf.h>
#include <anqa/memory.h>

#define FIELDS_MAX 100u /* as many as a request can have */

/* Fields of one name. */
struct field {
    anqa_str name;
    anqa_str value;
};

static anqa_str lower(anqa_str text)
{
    char *copy = anqa_tmp_copy(text.ptr, text.len);

    for (size_t i = 0; i < text.len; i++)
        if (copy[i] >= 'A' && copy[i] <= 'Z')
            copy[i] = (char)(copy[i] + 'a' - 'A');
    return anqa_str_make(copy, text.len);
}

static bool begins(anqa_str name, const char *prefix)
{
    size_t len = strlen(prefix);

    return name.len >= len && request_same_word(anqa_str_make(name.ptr, len), anqa_str_of(prefix));
}

/* Adds to the field of that name. */
static void add(struct field *fields, size_t *count, anqa_str name, anqa_str value)
{
    for (size_t i = 0; i < *count; i++)
        if (request_same_word(fields[i].name, name)) {
            fields[i].value = anqa_str_of(
                anqa_tmp_printf("%.*s, %.*s", ANQA_FMT(fields[i].value), ANQA_FMT(value)));
            return;
        }
    if (*count < FIELDS_MAX)
        fields[(*count)++] = (struct field){lower(name), value};
}

/* A value that is no UTF-8 can not be shown, and is left out. */
static void put(anqa_json_writer *w, const struct field *field)
{
    anqa_json_writer one;
    anqa_json json;

    anqa_json_writer_init(&one, anqa_tmp(), 0);
    anqa_json_put_str(&one, field->value);
    if (anqa_json_writer_finish(&one, &json) != ANQA_OK)
        return;
    anqa_json_key_str(w, field->name);
    anqa_json_put_raw(w, json);
}

static bool is_trace(anqa_str name, const char *prefix)
{
    return request_same_word(name, anqa_str_of("traceparent")) ||
           request_same_word(name, anqa_str_of("tracestate"));
}

/* Those that are wanted. */
static anqa_json headers(
    const anqa_conn *conn, bool (*is_wanted)(anqa_str name, const char *prefix), const char *prefix)
{
    struct field *fields = anqa_arena_alloc(anqa_tmp(), FIELDS_MAX * sizeof *fields);
    anqa_json json = ANQA_JSON_EMPTY_OBJECT;
    size_t count = 0, at = 0;
    anqa_json_writer w;
    anqa_str name, value;

    while (anqa_conn_each_req_header(conn, &at, &name, &value))
        if (is_wanted(name, prefix))
            add(fields, &count, name, value);
    anqa_json_writer_init(&w, anqa_tmp(), 0);
    anqa_json_begin_object(&w);
    for (size_t i = 0; i < count; i++)
        put(&w, &fields[i]);
    anqa_json_end_object(&w);
    ANQA_REQUIRE(anqa_json_writer_finish(&w, &json) == ANQA_OK);
    return json;
}

static anqa_json session(anqa_conn *conn, anqa_json params, bool unchecked)
{
    anqa_json all = anqa_session_all(conn);
    size_t count = 0;

    if (anqa_json_len(all, &count) != ANQA_OK || count == 0)
        return ANQA_JSON_NULL; /* there is none */
    return unchecked || anqa_csrf_valid(all, anqa_json_str(params, "_csrf_token")) ? all
                                                                                   : ANQA_JSON_NULL;
}

static anqa_str peer(const anqa_conn *conn)
{
    char text[ANQA_ADDRESS_TEXT];

    anqa_conn_peer(conn, text);
    return anqa_str_of(anqa_tmp_copy(text, strlen(text) + 1));
}

const anqa_connect_info *connect_info(
    anqa_conn *conn, const struct socket_mount *mount, anqa_json params, anqa_str auth_token)
{
    anqa_connect_info *info = anqa_arena_calloc(anqa_tmp(), 1, sizeof *info);
    unsigned wanted = mount->spec->connect_info;

    info->x_headers = info->trace_context_headers = info->sec_websocket_headers = info->session =
        ANQA_JSON_NULL;
    if (wanted & ANQA_CONNECT_PEER)
        info->peer = peer(conn);
    if (wanted & ANQA_CONNECT_URI) {
        info->scheme = anqa_str_of(conn->scheme);
        info->host = conn->host;
        info->port = conn->port;
        info->path = conn->request_path;
        info->query = conn->query_string;
    }
    if (wanted & ANQA_CONNECT_USER_AGENT)
        (void)anqa_conn_req_header(conn, "user-agent", &info->user_agent);
    if (wanted & ANQA_CONNECT_X_HEADERS)
        info->x_headers = headers(conn, begins, "x-");
    if (wanted & ANQA_CONNECT_TRACE)
        info->trace_context_headers = headers(conn, is_trace, NULL);
    if (wanted & ANQA_CONNECT_SEC_WEBSOCKET)
        info->sec_websocket_headers = headers(conn, begins, "sec-websocket-");
    if (wanted & (ANQA_CONNECT_SESSION | ANQA_CONNECT_SESSION_UNCHECKED))
        info->session = session(conn, params, (wanted & ANQA_CONNECT_SESSION_UNCHECKED) != 0);
    info->has_auth_token = mount->spec->auth_token && auth_token.ptr != NULL;
    if (info->has_auth_token)
        info->auth_token = auth_token;
    return info;
}
