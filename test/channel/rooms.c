#include "channel/rooms.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct room {
    bool push_at_end, wait_at_end;
    int64_t count;
};

struct user {
    int64_t seen;
    char name[16];
};

static void tell_pid(void)
{
    anqa_pid self = anqa_self();

    (void)anqa_send(server_test(), "pid", anqa_bytes(&self, sizeof self));
}

static bool is_go(const anqa_msg *msg, void *arg)
{
    return anqa_tag_is(msg->tag, "go");
}

/* ---------------------------------------------------------------- joining */

static anqa_json numbered(int64_t i, anqa_json params)
{
    int bytes = (int)anqa_json_int(params, "bytes", 0);

    return bytes == 0
               ? anqa_jsonf("{'i': %d}", (int)i)
               : anqa_jsonf("{'i': %d, 'pad': %s}", (int)i, anqa_tmp_printf("%*d", bytes, 0));
}

static anqa_next room_join(anqa_socket *socket, anqa_str topic, anqa_json params)
{
    anqa_next nothing = {0};
    anqa_json reply;

    ((struct room *)socket->state)->push_at_end = anqa_json_bool(params, "push_at_end", false);
    ((struct room *)socket->state)->wait_at_end = anqa_json_bool(params, "wait_at_end", false);
    for (int64_t i = 0; i < anqa_json_int(params, "broadcasts", 0); i++)
        ANQA_REQUIRE(anqa_broadcast(topic, "during", numbered(i, params)) == ANQA_OK);
    if (anqa_json_bool(params, "tell", false))
        server_tell("joining", "");
    if (anqa_json_int(params, "wait_ms", 0) > 0)
        anqa_sleep((uint32_t)anqa_json_int(params, "wait_ms", 0));
    if (anqa_json_bool(params, "wait_go", false) ||
        anqa_str_is(anqa_json_str(params, "wait"), "go")) {
        tell_pid();
        (void)anqa_receive_if(is_go, NULL, ANQA_INFINITY);
    }
    ANQA_REQUIRE(!anqa_json_bool(params, "crash", false));
    if (anqa_json_bool(params, "garbage", false))
        return nothing;
    if (anqa_json_bool(params, "early", false))
        anqa_socket_push(socket, "early", ANQA_JSON_EMPTY_OBJECT);
    if (anqa_json_bool(params, "no_object", false))
        return anqa_reply_ok(ANQA_JSON_TRUE);
    if (anqa_json_bool(params, "refuse", false))
        return anqa_reply_error("not you");
    if (anqa_json_get(params, "refuse_with", &reply) == ANQA_OK)
        return anqa_reply_error_json(reply);
    if (anqa_json_get(params, "reply", &reply) == ANQA_OK)
        return anqa_reply_ok(reply);
    return anqa_noreply();
}

static void room_terminate(anqa_socket *socket, anqa_reason reason)
{
    char text[200];

    if (((struct room *)socket->state)->wait_at_end)
        (void)anqa_receive_if(is_go, NULL, ANQA_INFINITY);
    if (((struct room *)socket->state)->push_at_end)
        anqa_socket_push(socket, "bye", ANQA_JSON_EMPTY_OBJECT);
    server_tell("terminated", anqa_reason_format(reason, text, sizeof text));
}

/* ---------------------------------------------------------------- events */

static anqa_next echo(anqa_socket *socket, anqa_json payload)
{
    return anqa_reply_ok(anqa_jsonf("{'got': %p}", (const void *)&payload));
}

static anqa_next echo_binary(anqa_socket *socket, anqa_str data)
{
    return anqa_reply_payload(anqa_bytes(data.ptr, data.len));
}

static anqa_next push(anqa_socket *socket, anqa_json payload)
{
    anqa_socket_push(socket, "pushed", payload);
    return anqa_noreply();
}

static anqa_next push_odd(anqa_socket *socket, anqa_json payload)
{
    anqa_socket_push(socket, "say \"hi\"", payload);
    return anqa_noreply();
}

static anqa_next push_bytes(anqa_socket *socket, anqa_json payload)
{
    anqa_socket_push_binary(socket, "bytes", anqa_str_of("\1data"));
    return anqa_noreply();
}

static anqa_next reply_bytes(anqa_socket *socket, anqa_json payload)
{
    return anqa_reply_payload(anqa_bytes("\1data", 5));
}

static anqa_next shout(anqa_socket *socket, anqa_json payload)
{
    ANQA_REQUIRE(anqa_socket_broadcast(socket, "msg", payload) == ANQA_OK);
    return anqa_reply_ok(ANQA_JSON_NULL);
}

static anqa_next shout_others(anqa_socket *socket, anqa_json payload)
{
    ANQA_REQUIRE(anqa_socket_broadcast_from(socket, "msg", payload) == ANQA_OK);
    return anqa_reply_ok(ANQA_JSON_NULL);
}

static anqa_next secret(anqa_socket *socket, anqa_json payload)
{
    ANQA_REQUIRE(anqa_socket_broadcast(socket, "secret", payload) == ANQA_OK);
    return anqa_noreply();
}

/* As many as it is told, which it has itself to handle. */
static anqa_next secrets(anqa_socket *socket, anqa_json payload)
{
    for (int64_t i = 0; i < anqa_json_int(payload, "count", 0); i++)
        ANQA_REQUIRE(anqa_socket_broadcast(socket, "secret", ANQA_JSON_EMPTY_OBJECT) == ANQA_OK);
    return anqa_reply_ok(ANQA_JSON_NULL);
}

static anqa_next fail(anqa_socket *socket, anqa_json payload)
{
    return anqa_reply_error("because");
}

static anqa_next odd_status(anqa_socket *socket, anqa_json payload)
{
    return anqa_reply_status(socket, "maybe", payload);
}

static anqa_next silent(anqa_socket *socket, anqa_json payload)
{
    return anqa_noreply();
}

static void answer_later(void *state)
{
    const anqa_socket_ref *ref = state;

    ANQA_REQUIRE(anqa_socket_reply(ref, "ok", anqa_jsonf("{'n': 1}")) == ANQA_OK);
    ANQA_REQUIRE(anqa_socket_reply(ref, "done", anqa_jsonf("{'n': 2}")) == ANQA_OK);
}

static anqa_next later(anqa_socket *socket, anqa_json payload)
{
    anqa_socket_ref ref = anqa_socket_ref_of(socket);
    anqa_spawn_opts opts = {
        .run = answer_later, .arg = &ref, .arg_size = sizeof ref, .scheduler = 1};

    ANQA_REQUIRE(anqa_spawn(&opts, NULL, NULL) == ANQA_OK);
    opts.scheduler = 2;
    ANQA_REQUIRE(anqa_spawn(&opts, NULL, NULL) == ANQA_OK);
    return anqa_noreply();
}

static anqa_next stop_normal(anqa_socket *socket, anqa_json payload)
{
    return anqa_stop_with(ANQA_NORMAL);
}

static anqa_next stop_with_reply(anqa_socket *socket, anqa_json payload)
{
    return anqa_stop_reply(anqa_reason_make(ANQA_REASON_SHUTDOWN, "done"), payload);
}

static anqa_next stop_error(anqa_socket *socket, anqa_json payload)
{
    return anqa_stop_reply(anqa_error_reason("on purpose"), payload);
}

static anqa_next exit_normal(anqa_socket *socket, anqa_json payload)
{
    anqa_exit(ANQA_NORMAL);
}

/* A real fault, which the sanitizers are not to report in their own way. */
__attribute__((noinline, no_sanitize("address", "undefined"))) static anqa_next crash(
    anqa_socket *socket, anqa_json payload)
{
    volatile const char *nowhere = NULL;

    return *nowhere == 0 ? anqa_noreply() : anqa_ignore();
}

static anqa_next kill_me(anqa_socket *socket, anqa_json payload)
{
    anqa_exit_signal(anqa_self(), ANQA_KILL);
    return anqa_noreply();
}

static anqa_next bad_broadcast(anqa_socket *socket, anqa_json payload)
{
    (void)anqa_socket_broadcast(socket, "msg", ANQA_JSON_TRUE);
    return anqa_noreply();
}

static anqa_next with_action(anqa_socket *socket, anqa_json payload)
{
    return anqa_then_timeout(anqa_noreply(), 1);
}

/* Stays until the test says go; tells it that it is there. */
static anqa_next wait_here(anqa_socket *socket, anqa_json payload)
{
    server_tell("waiting", "");
    (void)anqa_receive_if(is_go, NULL, ANQA_INFINITY);
    return anqa_reply_ok(ANQA_JSON_NULL);
}

static anqa_next count_up(anqa_socket *socket, anqa_json payload)
{
    struct room *room = socket->state;
    struct user *user = socket->assigns;

    return anqa_reply_ok(anqa_jsonf("{'count': %d, 'seen': %d, 'name': %s}", (int)++room->count,
        (int)++user->seen, user->name));
}

static anqa_next who_am_i(anqa_socket *socket, anqa_json payload)
{
    tell_pid();
    return anqa_noreply();
}

static anqa_next subscribe(anqa_socket *socket, anqa_json payload)
{
    ANQA_REQUIRE(anqa_subscribe(anqa_str_of("news")) == ANQA_OK);
    return anqa_reply_ok(ANQA_JSON_NULL);
}

/* A channel's topic is no subscription that it made itself. */
static anqa_next unsubscribe(anqa_socket *socket, anqa_json payload)
{
    anqa_unsubscribe(socket->topic);
    return anqa_reply_ok(ANQA_JSON_NULL);
}

static const anqa_event room_in[] = {{"echo", echo}, {"push", push}, {"push_odd", push_odd},
    {"push_bytes", push_bytes}, {"reply_bytes", reply_bytes}, {"shout", shout},
    {"shout_others", shout_others}, {"secret", secret}, {"secrets", secrets}, {"fail", fail},
    {"odd_status", odd_status}, {"silent", silent}, {"later", later}, {"stop_normal", stop_normal},
    {"stop_with_reply", stop_with_reply}, {"stop_error", stop_error}, {"exit_normal", exit_normal},
    {"crash", crash}, {"kill_me", kill_me}, {"bad_broadcast", bad_broadcast},
    {"with_action", with_action}, {"wait_here", wait_here}, {"count_up", count_up},
    {"who_am_i", who_am_i}, {"subscribe", subscribe}, {"unsubscribe", unsubscribe}, {0}};

/* ---------------------------------------------------------------- other messages */

static anqa_next see_secret(anqa_socket *socket, anqa_json payload)
{
    if (payload.len > 1 << 16) /* the client gets none that is so long */
        payload = anqa_jsonf("{'len': %zu}", payload.len);
    anqa_socket_push(socket, "secret", anqa_jsonf("{'seen': %p}", (const void *)&payload));
    return anqa_noreply();
}

static anqa_next hello(anqa_socket *socket, anqa_msg *msg)
{
    anqa_socket_push(socket, "hello", msg->body);
    return anqa_noreply();
}

static anqa_next news(anqa_socket *socket, anqa_msg *msg)
{
    anqa_broadcast_view view;

    ANQA_REQUIRE(anqa_broadcast_of(msg, &view));
    anqa_socket_push(socket, "news", view.payload);
    return anqa_noreply();
}

static anqa_next ask(anqa_socket *socket, anqa_msg *msg)
{
    return anqa_reply(anqa_jsonf("%.*s", ANQA_FMT(socket->topic)));
}

static const anqa_channel room_channel = {
    .topic = "room:*",
    .state_size = sizeof(struct room),
    .join = room_join,
    .handle_in = room_in,
    .handle_in_binary = (const anqa_binary_event[]){{"echo", echo_binary}, {0}},
    .handle_out = (const anqa_event[]){{"secret", see_secret}, {0}},
    .handle_info = (const anqa_info[]){{"hello", hello}, {ANQA_BROADCAST, news}, {"ask", ask}, {0}},
    .terminate = room_terminate,
};

static anqa_next exact_join(anqa_socket *socket, anqa_str topic, anqa_str data)
{
    return anqa_reply_ok(anqa_jsonf("{'len': %zu, 'last': %d}", data.len,
        data.len == 0 ? -1 : (unsigned char)data.ptr[data.len - 1]));
}

static const anqa_channel exact_channel = {.topic = "exact",
    .join_binary = exact_join,
    .handle_in = (const anqa_event[]){{"echo", echo}, {0}}};

static anqa_next any_in(anqa_socket *socket, anqa_str event, anqa_json payload)
{
    return anqa_reply_ok(anqa_jsonf("{'event': %.*s}", ANQA_FMT(event)));
}

static const anqa_channel any_channel = {.topic = "any:*", .handle_any_in = any_in};

/* ---------------------------------------------------------------- the socket */

static anqa_status user_connect(anqa_socket *socket, anqa_json params)
{
    struct user *user = socket->assigns;
    anqa_str name = anqa_json_str(params, "name");

    if (anqa_str_is(anqa_json_str(params, "wait"), "yes"))
        anqa_sleep(20);
    if (anqa_str_is(anqa_json_str(params, "wait"), "go")) {
        tell_pid();
        (void)anqa_receive_if(is_go, NULL, ANQA_INFINITY);
    }
    ANQA_REQUIRE(!anqa_str_is(name, "crash"));
    if (anqa_str_is(name, "fault"))
        return crash(socket, params).kind == ANQA_NEXT_NOREPLY ? ANQA_OK : ANQA_E_INVALID;
    snprintf(user->name, sizeof user->name, "%.*s", ANQA_FMT(name));
    return anqa_str_is(name, "mallory") ? ANQA_E_PERMISSION : ANQA_OK;
}

static anqa_str user_id(anqa_socket *socket)
{
    const struct user *user = socket->assigns;

    ANQA_REQUIRE(strcmp(user->name, "crash in id") != 0);
    if (strcmp(user->name, "long id") == 0)
        return anqa_str_of(anqa_tmp_printf("%0300d", 1));
    return anqa_str_of(user->name[0] == '\0' ? "" : anqa_tmp_printf("users:%s", user->name));
}

const anqa_user_socket rooms_socket = {
    .channels = (const anqa_channel *const[]){&room_channel, &exact_channel, &any_channel, NULL},
    .assigns_size = sizeof(struct user),
    .connect = user_connect,
    .id = user_id,
};

const anqa_endpoint rooms_endpoint = {
    .sockets =
        (const anqa_socket_mount[]){
            {.path = "/socket", .user_socket = &rooms_socket, .max_channels = 3},
            {.path = "/squeezed", .user_socket = &rooms_socket, .compress = true},
            {.path = "/remembered",
                .user_socket = &rooms_socket,
                .compress = true,
                .client_context = true},
            {.path = "/short", .user_socket = &rooms_socket, .timeout_ms = 4000},
            {.path = "/listed",
                .user_socket = &rooms_socket,
                .check_origin = ANQA_ORIGIN_LIST,
                .origins = (const char *const[]){"//*.example.org", NULL}},
            {0}},
    .max_output_bytes = 300000,
    .quiet = true,
};

/* ---------------------------------------------------------------- for tests */

struct client rooms_begin(void)
{
    server_begin(&rooms_endpoint);
    return client_open();
}

struct client rooms_begin_joined(void)
{
    struct client client = rooms_begin();

    client_join(client, "1", "room:a");
    return client;
}

void rooms_end(struct client client)
{
    client_close(client);
    server_end();
}

anqa_pid rooms_channel(struct client client, const char *join_ref, const char *topic)
{
    anqa_pid pid;

    client_send(client, "[\"%s\",\"9\",\"%s\",\"who_am_i\",{}]", join_ref, topic);
    memcpy(&pid, server_told("pid"), sizeof pid);
    return pid;
}

anqa_pid rooms_channel_that_waits(struct client client)
{
    anqa_pid pid = rooms_channel(client, "1", "room:a");

    client_send(client, "[\"1\",\"w\",\"room:a\",\"wait_here\",{}]");
    CHECK_STR(server_told("waiting"), "");
    return pid;
}
