/*
 * A chat whose rooms are JavaScript processes. Every client's `room:<id>` is a channel in C; every room is a process of
 * chat-room.ts, in a sandbox of its own, started when somebody first comes, and started again when it crashes.
 *
 *     chat_room         one for one
 *     |- rooms          one JavaScript process per room: history, rules
 *     |- who            Presence: names by channel
 *     |- tree           tells the page of this tree
 *     `- endpoint       page, WebSockets; their channels are the callers of the rooms
 */
#include "chat.h"

extern const anqa_app chat;

/* A room says something to everybody in it: Beam.callSync("broadcast", event, text of the JSON). In the room's process. */
static anqa_status broadcast(const anqa_js_request *request, anqa_value_writer *result)
{
    anqa_str event = anqa_value_str(anqa_value_at(request->args, 0));
    anqa_str text = anqa_value_str(anqa_value_at(request->args, 1));
    anqa_json payload;
    anqa_status status = anqa_json_parse(text, NULL, &payload, request->err);

    if (status != ANQA_OK)
        return status;
    return anqa_broadcast(anqa_child_id(), anqa_tmp_copy(event.ptr, event.len), payload);
}

static const anqa_js_script room =
    ANQA_JS_SCRIPT(.name = "chat-room", .path = EXAMPLE_DIR "/chat-room.js",
        .handlers = (const anqa_js_handler[]){{"broadcast", broadcast}, {0}},
        .limits = {.memory = (size_t)16 << 20});
static const anqa_dynamic_supervisor rooms = {.name = "rooms",
    .child = {.server = &room.server, .restart = ANQA_TRANSIENT},
    .max_restarts = 1000, /* people crash rooms for fun here */
    .max_seconds = 1,
    .max_children = 10000};

/* Calls a function of a room, which is started if it does not run. One that ended before it saw the question is asked in its next life. */
static anqa_status ask_room(anqa_str topic, const char *function, anqa_json arg,
    anqa_json *ret_answer, anqa_js_error *ret_thrown)
{
    anqa_status status = ANQA_E_NOPROC;
    anqa_pid pid;

    for (unsigned lives = 0; lives < 3 && status == ANQA_E_NOPROC; lives++) {
        status = anqa_ensure_child_pid(&rooms, topic, NULL, &pid, NULL);
        if (status == ANQA_OK)
            status = anqa_js_call_json(pid, function, arg, 5000, ret_answer, ret_thrown, NULL);
    }
    return status;
}

/* Asks the room of a topic. What it throws is for the client to read. */
static anqa_status ask(anqa_str topic, const char *function, anqa_json arg, anqa_next *ret_failure,
    anqa_json *ret_answer)
{
    anqa_js_error thrown = {.name = {NULL, 0}};
    anqa_status status = ask_room(topic, function, arg, ret_answer, &thrown);

    if (status == ANQA_E_SCRIPT)
        *ret_failure = anqa_reply_error_json(
            anqa_jsonf("{'reason': 'refused', 'message': %.*s}", ANQA_FMT(thrown.message)));
    else if (status != ANQA_OK)
        *ret_failure = anqa_reply_error_json(anqa_jsonf(
            "{'reason': 'unavailable', 'message': 'The room has a problem. Please try again.'}"));
    return status;
}

static anqa_next refuse(const char *reason, const char *message)
{
    return anqa_reply_error_json(anqa_jsonf("{'reason': %s, 'message': %s}", reason, message));
}

static bool is_room_name(anqa_str topic)
{
    size_t prefix = strlen("room:");
    anqa_str id = anqa_str_make(topic.ptr + prefix, topic.len - prefix);

    for (size_t i = 0; i < id.len; i++)
        if (strchr("_-0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ", id.ptr[i]) ==
                NULL ||
            id.ptr[i] == '\0')
            return false;
    return id.len > 0 && id.len <= 64;
}

/* A channel of a room: its client's name. */
struct visitor {
    char name[160];
    size_t name_len;
};

static anqa_next room_join(anqa_socket *socket, anqa_str topic, anqa_json params)
{
    struct visitor *visitor = socket->state;
    anqa_json answer, history;
    anqa_next failure;
    char pid[ANQA_PID_TEXT];
    anqa_str name;

    if (!is_room_name(topic))
        return refuse("name", "A room is named by 1 to 64 letters, digits, - and _.");
    if (ask(topic, "join", params, &failure, &answer) != ANQA_OK)
        return failure;
    name = anqa_json_str(answer, "name"); /* of 40 characters at most, says the room */
    ANQA_REQUIRE(name.len <= sizeof visitor->name);
    memcpy(visitor->name, name.ptr, name.len);
    visitor->name_len = name.len;
    ANQA_REQUIRE(anqa_json_get(answer, "history", &history) == ANQA_OK);
    anqa_send(anqa_self(), "after_join", anqa_nothing());
    return anqa_reply_ok(anqa_jsonf("{'history': %p, 'me': {'id': %s, 'name': %.*s}}", &history,
        anqa_pid_text(anqa_self(), pid), ANQA_FMT(name)));
}

/* The client has its answer: now it may be told who is here. */
static anqa_next room_after_join(anqa_socket *socket, anqa_msg *msg)
{
    const struct visitor *visitor = socket->state;

    who_enter(socket, anqa_str_make(visitor->name, visitor->name_len));
    return anqa_noreply();
}

static anqa_next room_send_message(anqa_socket *socket, anqa_json payload)
{
    anqa_json message;
    anqa_next failure;

    if (ask(socket->topic, "send_message", payload, &failure, &message) != ANQA_OK)
        return failure;
    return anqa_reply_ok(anqa_jsonf("{'message': %p}", &message));
}

static anqa_next room_typing(anqa_socket *socket, anqa_json payload)
{
    anqa_str sender = anqa_json_str(payload, "sender");

    if (sender.len > 0 && sender.len <= 160)
        anqa_socket_broadcast_from(
            socket, "typing", anqa_jsonf("{'sender': %.*s}", ANQA_FMT(sender)));
    return anqa_noreply();
}

/* Crashes the room as asked; or this channel, by a real null dereference in C. */
static anqa_next room_crash(anqa_socket *socket, anqa_json payload)
{
    static int *const volatile nothing = NULL;
    anqa_str how = anqa_json_str(payload, "how");
    anqa_pid victim = anqa_child_pid(&rooms, socket->topic);
    anqa_js_error thrown;
    anqa_status status;
    anqa_json answer;
    anqa_error err;

    if (anqa_str_is(how, "null"))
        *nothing = 1;
    if (!anqa_str_is(how, "exception") && !anqa_str_is(how, "loop") &&
        !anqa_str_is(how, "memory") && !anqa_str_is(how, "stack"))
        return refuse("how", "There is no such way to crash a room.");
    status = anqa_js_call_json(victim, "crash", payload, 5000, &answer, &thrown, &err);
    if (status == ANQA_E_SCRIPT)
        anqa_exit_signal(victim,
            anqa_error_reason("%.*s: %.*s", ANQA_FMT(thrown.name), ANQA_FMT(thrown.message)));
    else if (status != ANQA_OK) /* on a busy machine a loop may take longer */
        anqa_exit_signal(victim, anqa_error_reason("%s", err.text));
    return anqa_reply_ok(ANQA_JSON_NULL);
}

static anqa_next tree_join(anqa_socket *socket, anqa_str topic, anqa_json params)
{
    return anqa_reply_ok(tree_now(&chat));
}

/* `anqa rpc rooms`: the names of those who are in each room. */
static anqa_status rooms_and_names(anqa_json args, anqa_json *ret_answer, anqa_error *err)
{
    anqa_json_writer *w = anqa_arena_alloc(anqa_tmp(), sizeof *w);
    anqa_child_info *children;
    size_t count;
    anqa_status status =
        anqa_supervisor_which_children(anqa_whereis(rooms.name), &children, &count);

    if (status != ANQA_OK)
        return status;
    anqa_json_writer_init(w, anqa_tmp(), 0);
    anqa_json_begin_object(w);
    for (size_t i = 0; i < count; i++) {
        anqa_json_key_str(w, children[i].id);
        anqa_json_put_raw(w, who_is_in(children[i].id));
    }
    anqa_json_end_object(w);
    return anqa_json_writer_finish(w, ret_answer);
}

static const anqa_channel room_channel = {
    .topic = "room:*",
    .state_size = sizeof(struct visitor),
    .join = room_join,
    .handle_in = (const anqa_event[]){{"send_message", room_send_message}, {"typing", room_typing},
        {"crash", room_crash}, {0}},
    .handle_info = (const anqa_info[]){{"after_join", room_after_join}, {0}},
};
static const anqa_channel tree_channel = {.topic = "tree", .join = tree_join};
static const anqa_user_socket user_socket = {
    .channels = (const anqa_channel *const[]){&room_channel, &tree_channel, NULL}};
static const anqa_endpoint endpoint = {
    .sockets =
        (const anqa_socket_mount[]){
            {.path = "/socket", .user_socket = &user_socket, .compress = true}, {0}},
    .statics = (const anqa_static_files[]){{.url = "/", .dir = EXAMPLE_DIR "/assets"}, {0}},
};
const anqa_app chat = {
    .name = "chat_room",
    .version = "0.1.0",
    .about = "chat rooms that are JavaScript processes",
    .children = (const anqa_child_spec[]){{.dynamic_supervisor = &rooms}, ANQA_PRESENCE(&who),
        {.server = &tree_server, .arg = &chat}, ANQA_ENDPOINT(&endpoint), {0}},
    .control =
        (const anqa_control_op[]){{"rooms", "the rooms, and who is in them", rooms_and_names}, {0}},
};

int main(int argc, char **argv)
{
    return anqa_main(argc, argv, &chat);
}
