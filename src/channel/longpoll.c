/* Requests of long-poll clients: what npm's client and Phoenix agree on. */
#include "channel/poll.h"
#include "channel/poll_lines.h"

#include <inttypes.h>
#include <stdio.h>

#include <anqa/memory.h>
#include <anqa/token.h>

#include "base/utf8.h"

#define SALT "anqa long-poll"
#define TOKEN_DATA 51u /* three numbers of 16 digits, dots, NUL */

/* ---------------------------------------------------------------- tokens */

static const anqa_token_opts two_weeks = {.max_age_s = 14 * 24 * 3600};

static anqa_str token_make(const anqa_conn *conn, const struct poll_name *name)
{
    char data[TOKEN_DATA];

    snprintf(data, sizeof data, "%016" PRIx64 ".%016" PRIx64 ".%016" PRIx64, name->pid.bits,
        name->secret[0], name->secret[1]);
    return anqa_token_sign(anqa_conn_secret(conn), SALT, anqa_str_of(data), &two_weeks);
}

static bool token_read(const anqa_conn *conn, anqa_json params, struct poll_name *ret_name)
{
    anqa_str token, data;

    if (!anqa_conn_req_header(conn, "x-phoenix-longpoll-token", &token))
        token = anqa_json_str(params, "token");
    if (anqa_token_verify(anqa_conn_secret(conn), SALT, token, &two_weeks, &data) != ANQA_OK)
        return false;
    return sscanf(anqa_tmp_printf("%.*s", ANQA_FMT(data)), "%16" SCNx64 ".%16" SCNx64 ".%16" SCNx64,
               &ret_name->pid.bits, &ret_name->secret[0], &ret_name->secret[1]) == 3;
}

/* ---------------------------------------------------------------- answers */

static void empty(anqa_conn *conn, unsigned status)
{
    (void)anqa_send_resp(conn, status, (anqa_str){NULL, 0});
}

/* The status that counts stands in the body. */
static void answer(anqa_conn *conn, unsigned status)
{
    (void)anqa_send_json(conn, 200, anqa_jsonf("{'status': %u}", status));
}

static void answer_poll(anqa_conn *conn, unsigned status, anqa_str token, anqa_json messages)
{
    (void)anqa_send_json(conn, 200,
        anqa_jsonf("{'status': %u, 'token': %.*s, 'messages': %p}", status, ANQA_FMT(token),
            (const void *)&messages));
}

/* ---------------------------------------------------------------- requests */

static void open_session(anqa_conn *conn, const struct socket_mount *mount, anqa_json params)
{
    struct admission admission;
    struct poll_name name;
    anqa_str auth_token = {NULL, 0};

    (void)anqa_conn_req_header(conn, "x-phoenix-authtoken", &auth_token);
    if (connect_client(conn, mount, params, auth_token, &admission) != ANQA_OK) {
        answer(conn, 403);
    } else if (poll_open(mount, &admission, (anqa_pid){0}, &name) != ANQA_OK) {
        empty(conn, 503);
    } else {
        connect_log(mount, "longpoll");
        answer_poll(conn, 410, token_make(conn, &name), ANQA_JSON_EMPTY_ARRAY);
    }
}

static void serve_get(anqa_conn *conn, const struct socket_mount *mount, anqa_json params)
{
    const anqa_json none = ANQA_JSON_EMPTY_ARRAY;
    const anqa_msg *msg = NULL;
    enum poll_result result = POLL_GONE;
    struct poll_name name;

    if (token_read(conn, params, &name))
        result = poll_wait(&name, &msg);
    switch (result) {
    case POLL_MESSAGES: answer_poll(conn, 200, token_make(conn, &name), msg->body); break;
    case POLL_NOTHING: answer_poll(conn, 204, token_make(conn, &name), none); break;
    case POLL_ENDED: answer_poll(conn, 410, token_make(conn, &name), none); break;
    case POLL_GONE: open_session(conn, mount, params); break;
    }
}

static void serve_post(anqa_conn *conn, const struct socket_mount *mount, anqa_json params)
{
    static const unsigned statuses[] = {
        [POLL_MESSAGES] = 200, [POLL_NOTHING] = 408, [POLL_ENDED] = 408, [POLL_GONE] = 410};
    anqa_str type, body;
    struct poll_name name;
    enum poll_body kind = POLL_FRAME;

    if (!token_read(conn, params, &name)) {
        answer(conn, 410);
        return;
    }
    if (anqa_conn_req_header(conn, "content-type", &type) &&
        anqa_str_is(type, "application/x-ndjson"))
        kind = POLL_LINES;
    if (anqa_conn_read_body(conn, NULL, &body, NULL) != ANQA_OK)
        return; /* it is answered for */
    if (!utf8_valid(body.ptr, body.len) || (kind == POLL_LINES && !poll_lines_fit(body)))
        empty(conn, 400); /* frames are text; bytes come as base64 */
    else
        answer(conn, statuses[poll_post(&name, kind, body, mount->window_ms)]);
}

/* What a browser asks before it lets a page of another site ask. */
static void serve_options(anqa_conn *conn)
{
    anqa_str wanted = {NULL, 0};

    if (anqa_conn_req_header(conn, "access-control-request-headers", &wanted))
        anqa_conn_put_resp_header(conn, "access-control-allow-headers", wanted);
    anqa_conn_put_resp_header(
        conn, "access-control-allow-methods", anqa_str_of("get, post, options"));
    anqa_conn_put_resp_header(conn, "access-control-max-age", anqa_str_of("3600"));
    empty(conn, 200);
}

void longpoll_serve(anqa_conn *conn, const void *opts)
{
    const struct socket_mount *mount = opts;
    anqa_json params;

    anqa_conn_put_resp_header(conn, "cache-control", anqa_str_of("no-store"));
    anqa_conn_put_resp_header(conn, "access-control-allow-origin", anqa_str_of("*"));
    if (connect_params(conn, mount, &params) != ANQA_OK) {
        empty(conn, 400);
        return;
    }
    if (!connect_origin_allowed(conn, mount))
        answer(conn, 403);
    else if (anqa_str_is(conn->method, "GET"))
        serve_get(conn, mount, params);
    else if (anqa_str_is(conn->method, "POST"))
        serve_post(conn, mount, params);
    else if (anqa_str_is(conn->method, "OPTIONS"))
        serve_options(conn);
    else
        empty(conn, 400);
}
