/* Pages of other sites (CORS). See anqa/plugs.h. */
#include <anqa/plugs.h>

#include <inttypes.h>

#include <anqa/memory.h>
#include <anqa/process.h>

#include "http/origin_list.h"
#include "http/request.h"
#include "http/response.h"
#include "http/vary.h"

#define MAX_AGE_S 7200u

static const char *const any_method[] = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", NULL};
static const char *const usual_fields[] = {
    "accept", "authorization", "content-type", "x-csrf-token", "x-requested-with", NULL};

static bool is_all(const char *const *list)
{
    return list != NULL && list[0] != NULL && strcmp(list[0], "*") == 0;
}

static bool is_let_in(const anqa_cors_opts *cors, anqa_str text)
{
    struct origin origin = origin_parse(text);

    return is_all(cors->origins) || (origin.host.len != 0 && origin_listed(cors->origins, &origin));
}

static anqa_str joined(const char *const *list)
{
    const char *text = "";

    for (; *list != NULL; list++)
        text = anqa_tmp_printf("%s%s%s", text, *text == '\0' ? "" : ", ", *list);
    return anqa_str_of(text);
}

/* ---------------------------------------------------------------- each answer */

/* Where any site is let in, the answer is the same for all: caches may keep one. */
static void put_origin(anqa_conn *conn, const anqa_cors_opts *cors, anqa_str origin)
{
    anqa_conn_put_resp_header(
        conn, "access-control-allow-origin", is_all(cors->origins) ? anqa_str_of("*") : origin);
    if (cors->credentials)
        anqa_conn_put_resp_header(conn, "access-control-allow-credentials", anqa_str_of("true"));
}

/* ---------------------------------------------------------------- the question before */

/* The names of fields that the browser asks for, if that is what they are. */
static anqa_str asked_fields(anqa_conn *conn)
{
    anqa_str list = {"", 0}, rest, name;

    (void)anqa_conn_req_header(conn, "access-control-request-headers", &list);
    for (rest = list; request_next_token(&rest, &name);)
        if (!response_is_name(name))
            return anqa_str_of("");
    return list;
}

static void put_fields(anqa_conn *conn, const anqa_cors_opts *cors)
{
    anqa_str fields;

    if (is_all(cors->headers)) {
        vary_add(conn, "access-control-request-headers");
        fields = asked_fields(conn);
    } else {
        fields = joined(cors->headers == NULL ? usual_fields : cors->headers);
    }
    if (fields.len != 0)
        anqa_conn_put_resp_header(conn, "access-control-allow-headers", fields);
}

static void put_max_age(anqa_conn *conn, const anqa_cors_opts *cors)
{
    uint32_t max_age_s = cors->max_age_s == 0 ? MAX_AGE_S : cors->max_age_s;

    if (max_age_s == ANQA_INFINITY)
        max_age_s = 0;
    anqa_conn_put_resp_header(
        conn, "access-control-max-age", anqa_str_of(anqa_tmp_printf("%" PRIu32, max_age_s)));
}

static void answer_question(anqa_conn *conn, const anqa_cors_opts *cors, anqa_str origin)
{
    if (!is_let_in(cors, origin)) {
        (void)anqa_send_text(conn, 403, anqa_str_of("pages of this site may not ask here\n"));
        return;
    }
    put_origin(conn, cors, origin);
    anqa_conn_put_resp_header(conn, "access-control-allow-methods",
        joined(cors->methods == NULL ? any_method : cors->methods));
    put_fields(conn, cors);
    put_max_age(conn, cors);
    (void)anqa_send_resp(conn, 204, anqa_str_of(""));
}

/* ---------------------------------------------------------------- the plug */

void anqa_plug_cors(anqa_conn *conn, const void *opts)
{
    const anqa_cors_opts *cors = opts;
    anqa_str origin, method;

    if (cors->credentials && is_all(cors->origins))
        anqa_exit(
            anqa_error_reason("anqa_plug_cors: with .credentials, .origins has to name the sites"));
    if (!is_all(cors->origins))
        vary_add(conn, "origin");
    if (!anqa_conn_req_header(conn, "origin", &origin))
        return;
    if (anqa_str_is(conn->method, "OPTIONS") &&
        anqa_conn_req_header(conn, "access-control-request-method", &method)) {
        answer_question(conn, cors, origin);
        anqa_conn_halt(conn);
        return;
    }
    if (!is_let_in(cors, origin))
        return;
    put_origin(conn, cors, origin);
    if (cors->expose != NULL)
        anqa_conn_put_resp_header(conn, "access-control-expose-headers", joined(cors->expose));
}
