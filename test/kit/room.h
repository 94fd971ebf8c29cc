/* A small room, for the tests of this folder and for those that must fail. */
#ifndef TEST_KIT_ROOM_H
#define TEST_KIT_ROOM_H

#include <anqa/anqa.h>

struct visitor {
    char name[16];
};

static anqa_next room_join(anqa_socket *socket, anqa_str topic, anqa_json params)
{
    const struct visitor *visitor = socket->assigns;
    int64_t wait_ms = anqa_json_int(params, "wait_ms", 0);

    if (wait_ms > 0)
        anqa_sleep((uint32_t)wait_ms);
    if (anqa_str_is(topic, "room:full"))
        return anqa_reply_error("full");
    return anqa_reply_ok(anqa_jsonf("{'hello': %s, 'tags': ['a', 'b']}", visitor->name));
}

static anqa_next room_say(anqa_socket *socket, anqa_json payload)
{
    ANQA_REQUIRE(anqa_socket_broadcast(socket, "said", payload) == ANQA_OK);
    return anqa_reply_ok(ANQA_JSON_NULL);
}

static anqa_next room_whisper(anqa_socket *socket, anqa_json payload)
{
    anqa_socket_push(socket, "whispered", payload);
    return anqa_noreply();
}

static void answer_later(void *state)
{
    const anqa_socket_ref *ref = state;

    anqa_sleep(50);
    ANQA_REQUIRE(anqa_socket_reply(ref, "ok", anqa_jsonf("{'late': true}")) == ANQA_OK);
}

static anqa_next room_ask(anqa_socket *socket, anqa_json payload)
{
    anqa_socket_ref ref = anqa_socket_ref_of(socket);
    anqa_spawn_opts opts = {.run = answer_later, .arg = &ref, .arg_size = sizeof ref};

    ANQA_REQUIRE(anqa_spawn(&opts, NULL, NULL) == ANQA_OK);
    return anqa_noreply();
}

static anqa_next room_fall(anqa_socket *socket, anqa_json payload)
{
    anqa_exit(anqa_error_reason("fallen"));
}

static anqa_next room_bytes(anqa_socket *socket, anqa_json payload)
{
    anqa_socket_push_binary(socket, "bytes", anqa_str_of("data"));
    return anqa_noreply();
}

static const anqa_channel room_channel = {
    .topic = "room:*",
    .join = room_join,
    .handle_in = (const anqa_event[]){{"say", room_say}, {"whisper", room_whisper},
        {"ask", room_ask}, {"fall", room_fall}, {"bytes", room_bytes}, {0}},
};

static anqa_status visitor_connect(anqa_socket *socket, anqa_json params)
{
    struct visitor *visitor = socket->assigns;
    anqa_str name = anqa_json_str(params, "name");

    if (anqa_str_is(name, "mallory"))
        return ANQA_E_PERMISSION;
    ANQA_REQUIRE(!anqa_str_is(name, "crash"));
    for (size_t i = 0; i < name.len && i + 1 < sizeof visitor->name; i++)
        visitor->name[i] = name.ptr[i];
    return ANQA_OK;
}

static anqa_str visitor_id(anqa_socket *socket)
{
    const struct visitor *visitor = socket->assigns;

    return anqa_str_of(anqa_tmp_printf("visitors:%s", visitor->name));
}

static const anqa_user_socket visitor_socket = {
    .channels = (const anqa_channel *const[]){&room_channel, NULL},
    .assigns_size = sizeof(struct visitor),
    .connect = visitor_connect,
    .id = visitor_id,
};

#endif
