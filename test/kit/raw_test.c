/* Raw sockets in tests of one's own: clients without a network. */
#include <anqa/test.h>

#include <string.h>

static anqa_status connect_if_named(anqa_raw *raw, anqa_json params, const anqa_connect_info *info)
{
    anqa_str name = anqa_json_str(params, "name");

    ANQA_REQUIRE(!anqa_str_is(name, "crash"));
    *(int *)raw->state = (int)info->user_agent.len;
    return name.len == 0 ? ANQA_E_PERMISSION : ANQA_OK;
}

static void back(anqa_raw *raw, bool binary, anqa_str data)
{
    if (data.len > 0)
        (void)anqa_raw_push(raw, binary, data);
    else
        anqa_raw_close(raw, 1000);
}

static void tick(anqa_raw *raw, const anqa_msg *msg)
{
    (void)anqa_raw_push(
        raw, false, anqa_str_of(anqa_tmp_printf("%s %d", msg->tag, *(int *)raw->state)));
}

static const anqa_raw_socket echo = {
    .state_size = sizeof(int), .connect = connect_if_named, .handle_in = back, .handle_info = tick};

ANQA_TEST(a_client_of_a_raw_socket_sends_and_is_sent)
{
    const anqa_connect_info info = {.user_agent = {"abc", 3}};
    anqa_test_socket *socket;
    bool binary;

    ANQA_ASSERT(
        anqa_test_try_connect_raw(&echo, anqa_jsonf("{'name': 'ann'}"), &info, &socket) == ANQA_OK);
    anqa_test_send_raw(socket, false, anqa_str_of("text"));
    ANQA_ASSERT(anqa_str_is(anqa_test_receive_raw(socket, &binary), "text") && !binary);
    anqa_test_send_raw(socket, true, anqa_str_of("bytes"));
    ANQA_ASSERT(anqa_str_is(anqa_test_receive_raw(socket, &binary), "bytes") && binary);
    ANQA_ASSERT(anqa_send(anqa_test_socket_pid(socket), "tick", anqa_nothing()) == ANQA_OK);
    ANQA_ASSERT(anqa_str_is(anqa_test_receive_raw(socket, NULL), "tick 3"));
    anqa_test_close(socket);
}

ANQA_TEST(a_raw_socket_that_closes_ends_its_client)
{
    anqa_test_socket *socket;
    anqa_ref ended;

    ANQA_ASSERT(
        anqa_test_try_connect_raw(&echo, anqa_jsonf("{'name': 'ann'}"), NULL, &socket) == ANQA_OK);
    ended = anqa_monitor(anqa_test_socket_pid(socket));
    anqa_test_send_raw(socket, false, anqa_str_of(""));
    ANQA_ASSERT(anqa_receive_ref(ended, ANQA_INFINITY) != NULL);
}

ANQA_TEST(a_raw_socket_refuses_a_client)
{
    anqa_test_socket *socket;

    ANQA_ASSERT(
        anqa_test_try_connect_raw(&echo, ANQA_JSON_NULL, NULL, &socket) == ANQA_E_PERMISSION);
    ANQA_ASSERT(anqa_test_try_connect_raw(&echo, anqa_jsonf("{'name': 'crash'}"), NULL, &socket) ==
                ANQA_E_DIED);
}

static anqa_status shown;

static anqa_status see(anqa_socket *socket, anqa_json params)
{
    shown =
        anqa_str_is(anqa_socket_connect_info(socket)->auth_token, "t") ? ANQA_OK : ANQA_E_INVALID;
    return ANQA_OK;
}

ANQA_TEST(a_connect_is_shown_what_the_test_says)
{
    static const anqa_user_socket user_socket = {.connect = see};
    const anqa_connect_info info = {.has_auth_token = true, .auth_token = {"t", 1}};
    anqa_test_socket *socket;

    ANQA_ASSERT(
        anqa_test_try_connect_with(&user_socket, ANQA_JSON_NULL, &info, &socket) == ANQA_OK);
    ANQA_ASSERT(shown == ANQA_OK);
    ANQA_ASSERT(anqa_test_try_connect(&user_socket, ANQA_JSON_NULL, &socket) == ANQA_OK);
    ANQA_ASSERT(shown == ANQA_E_INVALID);
}
