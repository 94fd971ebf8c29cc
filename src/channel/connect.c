#include "channel/connect.h"

#include <anqa/log.h>
#include <anqa/memory.h>
#include <anqa/params.h>

#include "base/container.h"
#include "channel/origin.h"
#include "http/conn.h"
#include "http/form.h"
#include "http/url.h"

static void log_refused(const struct socket_mount *mount, const char *why)
{
    anqa_log(ANQA_INFO, "socket.connect.refused", "path=%s error=%s", mount->spec->path, why);
}

bool connect_origin_allowed(const anqa_conn *conn, const struct socket_mount *mount)
{
    anqa_str origin;

    if (!anqa_conn_req_header(conn, "origin", &origin) ||
        origin_allowed(
            mount->spec, mount->host, origin, conn->scheme, exchange_of(conn)->request->host))
        return true;
    log_refused(mount, "origin");
    return false;
}

/* ---------------------------------------------------------------- parameters */

static bool has_variable(anqa_str pattern, anqa_str path, anqa_str wanted)
{
    anqa_str name, raw;

    while (mount_next_variable(&pattern, &path, &name, &raw))
        if (anqa_str_eq(name, wanted))
            return true;
    return false;
}

/* Those of the path, and what else is in the query. */
static anqa_status join_params(
    anqa_str pattern, anqa_str path, anqa_json query, anqa_json *ret_params)
{
    anqa_str all = pattern, whole = path;
    anqa_json_writer w;
    anqa_json_iter it;
    anqa_str name, raw, text;
    anqa_status status = ANQA_OK;

    anqa_json_writer_init(&w, anqa_tmp(), 0);
    anqa_json_begin_object(&w);
    while (status == ANQA_OK && mount_next_variable(&pattern, &path, &name, &raw)) {
        status =
            url_decode(raw, URL_SEGMENT, anqa_arena_alloc(anqa_tmp(), raw.len), raw.len, &text);
        anqa_json_key_str(&w, name);
        anqa_json_put_str(&w, text);
    }
    if (status != ANQA_OK)
        return status;
    it = anqa_json_each(query);
    while (anqa_json_next(&it)) {
        anqa_str key;
        if (anqa_json_to_str(anqa_tmp(), it.key, &key) != ANQA_OK || has_variable(all, whole, key))
            continue;
        anqa_json_key_str(&w, key);
        anqa_json_put_raw(&w, it.value);
    }
    anqa_json_end_object(&w);
    return anqa_json_writer_finish(&w, ret_params);
}

anqa_status connect_params(
    const anqa_conn *conn, const struct socket_mount *mount, anqa_json *ret_params)
{
    anqa_status status = form_decode(conn->query_string, ret_params);

    if (status != ANQA_OK || memchr(mount->path.ptr, ':', mount->path.len) == NULL)
        return status;
    return join_params(mount->path, conn->request_path, *ret_params, ret_params);
}

const struct serializer *connect_serializer(anqa_json params)
{
    anqa_json vsn;

    if (anqa_json_get(params, "vsn", &vsn) != ANQA_OK)
        return &serializer_v1;
    return serializer_of(anqa_json_str(params, "vsn"));
}

/* ---------------------------------------------------------------- the application */

/* What `connect` and `id` are given. */
struct applicant {
    anqa_socket pub;
    const anqa_connect_info *info;
};

const anqa_connect_info *anqa_socket_connect_info(const anqa_socket *socket)
{
    ANQA_REQUIRE(socket->topic.len == 0 && "in connect or id");
    return ANQA_CONTAINER_OF((anqa_socket *)(uintptr_t)socket, struct applicant, pub)->info;
}

/* What `connect` says. */
static anqa_status ask(const struct socket_mount *mount, const anqa_connect_info *info,
    anqa_json params, struct applicant *user)
{
    const anqa_user_socket *spec = mount->spec->user_socket;
    const anqa_raw_socket *raw = mount->spec->raw;

    if (raw == NULL)
        return spec->connect == NULL ? ANQA_OK : spec->connect(&user->pub, params);
    return raw->connect == NULL ? ANQA_OK
                                : raw->connect(&(anqa_raw){user->pub.assigns}, params, info);
}

anqa_status connect_admit(const struct socket_mount *mount, const anqa_connect_info *info,
    anqa_json params, struct admission *ret_admission)
{
    const anqa_user_socket *spec = mount->spec->user_socket;
    struct applicant user = {
        .pub = {.assigns = anqa_arena_calloc(anqa_tmp(), 1, mount_state_size(mount) + 1)},
        .info = info};

    *ret_admission = (struct admission){.assigns = user.pub.assigns};
    ret_admission->refusal = ask(mount, info, params, &user);
    if (ret_admission->refusal != ANQA_OK)
        return ANQA_E_PERMISSION;
    if (mount->spec->raw == NULL && spec->id != NULL)
        ret_admission->id = spec->id(&user.pub);
    return ret_admission->id.len > ANQA_TOPIC_MAX ? ANQA_E_LIMIT : ANQA_OK;
}

anqa_status connect_client(anqa_conn *conn, const struct socket_mount *mount, anqa_json params,
    anqa_str auth_token, struct admission *ret_admission)
{
    const struct serializer *serializer = connect_serializer(params);
    anqa_status status;

    *ret_admission = (struct admission){0};
    if (serializer == NULL && mount->spec->raw == NULL) {
        log_refused(mount, "vsn");
        return ANQA_E_VERSION;
    }
    status =
        connect_admit(mount, connect_info(conn, mount, params, auth_token), params, ret_admission);
    ret_admission->serializer = serializer;
    if (status != ANQA_OK)
        log_refused(mount, status == ANQA_E_LIMIT ? "\"the id is too long\"" : "connect");
    return status;
}

bool connect_refused(
    anqa_conn *conn, const struct socket_mount *mount, const struct admission *admission)
{
    if (mount->spec->refused == NULL || admission->refusal == ANQA_OK ||
        admission->refusal == ANQA_E_PERMISSION)
        return false;
    mount->spec->refused(conn, admission->refusal);
    return true;
}

void connect_log(const struct socket_mount *mount, const char *transport)
{
    anqa_log_level level =
        mount->spec->raw != NULL ? mount->spec->raw->log : mount->spec->user_socket->log;

    if (level == 0)
        level = ANQA_INFO;
    if (level != ANQA_LOG_NONE)
        anqa_log(level, "socket.connected", "path=%s transport=%s", mount->spec->path, transport);
}
