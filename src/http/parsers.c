/* The parameters of a request, and the plug that reads them out of its body. */
#include "http/parsers.h"

#include <anqa/memory.h>
#include <anqa/process.h>
#include <anqa/router.h>

#include "http/exchange.h"
#include "http/form.h"
#include "http/media_type.h"

#define QUERY_LENGTH_MAX 1000000u
#define FORM_LENGTH 1000000u
#define JSON_LENGTH 8000000u

struct params *params_of(anqa_conn *conn)
{
    struct exchange *exchange = exchange_of(conn);

    if (exchange->params == NULL)
        exchange->params = anqa_arena_calloc(anqa_tmp(), 1, sizeof *exchange->params);
    return exchange->params;
}

static anqa_json object_or_empty(anqa_json object)
{
    return object.len == 0 ? ANQA_JSON_EMPTY_OBJECT : object;
}

static bool is_empty(anqa_json object)
{
    anqa_json_iter it = anqa_json_each(object);

    return !anqa_json_next(&it);
}

/* ---------------------------------------------------------------- what is known */

static const struct params *fetch_query(anqa_conn *conn)
{
    struct params *params = params_of(conn);

    if (params->query.len != 0)
        return params;
    params->query = ANQA_JSON_EMPTY_OBJECT;
    params->query_status = conn->query_string.len > QUERY_LENGTH_MAX
                               ? ANQA_E_RANGE
                               : form_decode(conn->query_string, &params->query);
    return params;
}

anqa_json anqa_conn_query_params(anqa_conn *conn)
{
    return fetch_query(conn)->query;
}

anqa_json anqa_conn_body_params(anqa_conn *conn)
{
    return object_or_empty(params_of(conn)->body);
}

/* Whether a router further in has a parameter of that name too: one of the first `count`. */
static bool is_hidden(const anqa_conn *conn, size_t count, anqa_str name)
{
    anqa_str other, value;

    for (size_t at = 0; at < count && anqa_conn_each_path_param(conn, &at, &other, &value);)
        if (anqa_str_eq(other, name))
            return true;
    return false;
}

anqa_json anqa_conn_path_params(anqa_conn *conn)
{
    anqa_str name, value;
    anqa_json_writer w;
    anqa_json path;

    anqa_json_writer_init(&w, anqa_tmp(), 0);
    anqa_json_begin_object(&w);
    for (size_t at = 0; anqa_conn_each_path_param(conn, &at, &name, &value);) {
        if (is_hidden(conn, at - 1, name))
            continue;
        anqa_json_key_str(&w, name);
        anqa_json_put_str(&w, value);
    }
    anqa_json_end_object(&w);
    ANQA_REQUIRE(anqa_json_writer_finish(&w, &path) == ANQA_OK);
    return path;
}

void params_put_body(anqa_conn *conn, anqa_json body)
{
    struct params *params = params_of(conn);

    params->body = body;
    params->all.len = 0;
}

/* ---------------------------------------------------------------- all of them */

/* The names of an object that has few, to be compared with those of one that may have very many. */
struct names {
    const anqa_json_index *index;
    const char *text; /* of the object */
    bool *met;        /* by where its value begins in `text` */
    uint64_t lengths; /* bit n: there is a name of n bytes, modulo 64 */
};

static anqa_str name_of(anqa_json key)
{
    anqa_str name;

    ANQA_REQUIRE(anqa_json_to_str(anqa_tmp(), key, &name) == ANQA_OK);
    return name;
}

static uint64_t length_bit(size_t len)
{
    return UINT64_C(1) << (len & 63);
}

static void names_of(struct names *names, anqa_json object)
{
    anqa_json_iter it = anqa_json_each(object);

    *names = (struct names){
        .text = object.ptr, .met = anqa_arena_calloc(anqa_tmp(), object.len, sizeof(bool))};
    ANQA_REQUIRE(anqa_json_index_new(anqa_tmp(), object, &names->index) == ANQA_OK);
    while (anqa_json_next(&it))
        names->lengths |= length_bit(name_of(it.key).len);
}

/* Whether a member's name is one of them; then it is one that was met. */
static bool meet(struct names *names, const anqa_json_iter *member)
{
    anqa_json value;
    anqa_str name;

    if (member->key_plain && (names->lengths & length_bit(member->key.len - 2)) == 0)
        return false;
    name = name_of(member->key);
    if (anqa_json_index_get(names->index, name, &value) != ANQA_OK)
        return false;
    names->met[value.ptr - names->text] = true;
    return true;
}

/* An object in the making. */
struct merged {
    char *text;
    size_t len;
};

/* Members as they stand, from one to another one. */
static void add_run(struct merged *all, const char *from, const char *to)
{
    if (from == to)
        return;
    if (all->len > 1)
        all->text[all->len++] = ',';
    memcpy(all->text + all->len, from, (size_t)(to - from));
    all->len += (size_t)(to - from);
}

/* Those of the body that the path has not; what the body has of the query is met. Copied in runs: a body may have a million. */
static void add_body(struct merged *all, anqa_json body, struct names *path, struct names *query)
{
    anqa_json_iter it = anqa_json_each(body);
    const char *from = NULL, *to = NULL;

    while (anqa_json_next(&it)) {
        (void)meet(query, &it);
        if (meet(path, &it)) {
            add_run(all, from, to);
            from = to = NULL;
            continue;
        }
        from = from == NULL ? it.key.ptr : from;
        to = it.value.ptr + it.value.len;
    }
    add_run(all, from, to);
}

static void add_query(
    struct merged *all, anqa_json query, struct names *path, const struct names *names)
{
    anqa_json_iter it = anqa_json_each(query);

    while (anqa_json_next(&it))
        if (!meet(path, &it) && !names->met[it.value.ptr - names->text])
            add_run(all, it.key.ptr, it.value.ptr + it.value.len);
}

static anqa_json merge(anqa_json path, anqa_json body, anqa_json query)
{
    struct names path_names, query_names;
    struct merged all = {0};

    if (is_empty(path) && is_empty(body))
        return query;
    if (is_empty(path) && is_empty(query))
        return body;
    names_of(&path_names, path);
    names_of(&query_names, query);
    all.text = anqa_arena_alloc(anqa_tmp(), path.len + body.len + query.len);
    all.text[all.len++] = '{';
    add_run(&all, path.ptr + 1, path.ptr + path.len - 1); /* as we have written it */
    add_body(&all, body, &path_names, &query_names);
    add_query(&all, query, &path_names, &query_names);
    all.text[all.len++] = '}';
    return anqa_json_of(anqa_str_make(all.text, all.len));
}

anqa_json anqa_conn_params(anqa_conn *conn)
{
    struct params *params = params_of(conn);

    if (params->all.len == 0 || params->all_route != anqa_conn_route(conn))
        params->all = merge(
            anqa_conn_path_params(conn), anqa_conn_body_params(conn), anqa_conn_query_params(conn));
    params->all_route = anqa_conn_route(conn);
    return params->all;
}

/* ---------------------------------------------------------------- bodies */

void parsers_refuse(anqa_conn *conn, unsigned status, const char *why)
{
    (void)anqa_send_text(conn, status, anqa_str_of(anqa_tmp_printf("%s\n", why)));
    anqa_conn_halt(conn);
}

void parsers_refuse_unread(anqa_conn *conn, anqa_status status)
{
    switch (status) {
    case ANQA_E_LIMIT: parsers_refuse(conn, 413, "the body is too long"); break;
    case ANQA_E_TIMEOUT: parsers_refuse(conn, 408, "the body came too slowly"); break;
    default: parsers_refuse(conn, 400, "the body could not be read");
    }
}

size_t parsers_length(const anqa_conn *conn, size_t given, size_t standard)
{
    uint64_t most = exchange_of(conn)->body_most;

    if (given != 0)
        return given;
    return most < standard ? (size_t)most : standard;
}

static bool read_body(
    anqa_conn *conn, size_t length, const anqa_parsers_opts *opts, anqa_str *ret_body)
{
    anqa_body_opts body = {.length = length, .read_timeout_ms = opts->read_timeout_ms};
    anqa_status status = anqa_conn_read_body(conn, &body, ret_body, NULL);

    if (status != ANQA_OK)
        parsers_refuse_unread(conn, status);
    return status == ANQA_OK;
}

static void refuse_form(anqa_conn *conn, anqa_status status, const char *what)
{
    const char *why = status == ANQA_E_LIMIT ? "has too many parameters, or too deep ones"
                                             : "has an escape that is none, or is not UTF-8";

    parsers_refuse(conn, 400, anqa_tmp_printf("the %s %s", what, why));
}

static void read_form(anqa_conn *conn, const anqa_parsers_opts *opts)
{
    anqa_str body;
    anqa_json object;
    anqa_status status;

    if (!read_body(conn, parsers_length(conn, opts->form_length, FORM_LENGTH), opts, &body))
        return;
    status = form_decode(body, &object);
    if (status == ANQA_OK)
        params_put_body(conn, object);
    else
        refuse_form(conn, status, "form");
}

static void read_json(anqa_conn *conn, const anqa_parsers_opts *opts)
{
    size_t length = parsers_length(conn, opts->json_length, JSON_LENGTH);
    anqa_json_limits limits = {.max_bytes = length};
    anqa_str body;
    anqa_json json;
    anqa_error err;

    if (!read_body(conn, length, opts, &body) || body.len == 0)
        return;
    if (anqa_json_parse(body, &limits, &json, &err) != ANQA_OK)
        parsers_refuse(conn, 400, err.text);
    else if (anqa_json_type_of(json) == ANQA_JSON_IS_OBJECT)
        params_put_body(conn, json);
    else
        params_put_body(conn, anqa_jsonf("{'_json': %p}", &json));
}

/* ---------------------------------------------------------------- the plug */

/* What can be read. */
enum body_kind { BODY_FORM, BODY_MULTIPART, BODY_JSON, BODY_OTHER };

static enum body_kind kind_of(anqa_str type, anqa_str subtype)
{
    if (media_type_fits("application/x-www-form-urlencoded", type, subtype))
        return BODY_FORM;
    if (media_type_fits("multipart/form-data", type, subtype))
        return BODY_MULTIPART;
    if (media_type_fits("application/json", type, subtype) ||
        media_type_fits("application/*+json", type, subtype))
        return BODY_JSON;
    return BODY_OTHER;
}

static bool is_passed(const anqa_parsers_opts *opts, anqa_str type, anqa_str subtype)
{
    for (const char *const *pass = opts->pass; pass != NULL && *pass != NULL; pass++)
        if (media_type_fits(*pass, type, subtype))
            return true;
    return false;
}

static bool may_have_body(const anqa_conn *conn)
{
    static const char *const methods[] = {"POST", "PUT", "PATCH", "DELETE"};

    for (size_t i = 0; i < ANQA_COUNT(methods); i++)
        if (anqa_str_is(conn->method, methods[i]))
            return true;
    return false;
}

/* RFC 9110, 15.5.16: what would be taken is said. */
static bool refuse_coded(anqa_conn *conn)
{
    anqa_str coding;

    if (!anqa_conn_req_header(conn, "content-encoding", &coding) || coding.len == 0 ||
        request_same_word(coding, anqa_str_of("identity")))
        return false;
    anqa_conn_put_resp_header(conn, "accept-encoding", anqa_str_of("identity"));
    parsers_refuse(conn, 415, "a body with a content-encoding is not read here");
    return true;
}

static void parse_body(anqa_conn *conn, const anqa_parsers_opts *opts)
{
    anqa_str content_type, type = {"", 0}, subtype = {"", 0};
    enum body_kind kind;

    if (!may_have_body(conn) || !anqa_conn_req_header(conn, "content-type", &content_type))
        return;
    (void)media_type_of(content_type, &type, &subtype);
    kind = kind_of(type, subtype);
    if (kind != BODY_OTHER && refuse_coded(conn))
        return;
    switch (kind) {
    case BODY_FORM: read_form(conn, opts); return;
    case BODY_MULTIPART: multipart_read(conn, opts, content_type); return;
    case BODY_JSON: read_json(conn, opts); return;
    case BODY_OTHER: break;
    }
    if (!is_passed(opts, type, subtype))
        parsers_refuse(conn, 415, "a body of this type is not read here");
}

void anqa_parsers(anqa_conn *conn, const void *given)
{
    static const anqa_parsers_opts defaults = {0};
    anqa_status status = fetch_query(conn)->query_status;

    if (status == ANQA_E_RANGE)
        parsers_refuse(conn, 414, "the query is too long");
    else if (status != ANQA_OK)
        refuse_form(conn, status, "query");
    else
        parse_body(conn, given == NULL ? &defaults : given);
}
