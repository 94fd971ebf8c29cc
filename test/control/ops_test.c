/* The control socket's operations on processes. */
#include "peer.h"
#include "otp/support.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct counter {
    int64_t value;
};

static anqa_next counter_add(void *state, anqa_msg *msg)
{
    struct counter *counter = state;

    counter->value += anqa_json_int(msg->body, "by", 1);
    return anqa_reply(anqa_jsonf("%lld", (long long)counter->value));
}

static anqa_next counter_tick(void *state, anqa_msg *msg)
{
    struct counter *counter = state;

    counter->value++;
    return anqa_noreply();
}

static anqa_next counter_hang(void *state, anqa_msg *msg)
{
    anqa_sleep(600000);
    return anqa_noreply();
}

static anqa_json counter_format(void *state)
{
    const struct counter *counter = state;

    return anqa_jsonf("{'value': %lld}", (long long)counter->value);
}

static const anqa_gen_server counter_server = {.name = "counter",
    .state_size = sizeof(struct counter),
    .handle_call = (const anqa_handler[]){{"add", counter_add}, {0}},
    .handle_info = (const anqa_handler[]){{"tick", counter_tick}, {"hang", counter_hang}, {0}},
    .format_status = counter_format};

static const anqa_control control = {.name = "shop"};
static const anqa_app shop = {.name = "shop",
    .children = (const anqa_child_spec[]){{.server = &counter_server}, ANQA_CONTROL(&control), {0}},
    .max_restarts = 100000};

/* A runtime with the application; this thread is a process of it. */
static anqa_rt *begin_shop(void)
{
    anqa_rt *rt;

    folder_begin();
    rt = begin();
    anqa_detach();
    CHECK_STATUS(anqa_app_start(rt, &shop, NULL), ANQA_OK);
    CHECK_STATUS(anqa_attach(rt, NULL), ANQA_OK);
    return rt;
}

static void end_shop(anqa_rt *rt, struct peer *peer)
{
    peer_close(peer);
    end(rt);
}

static const char *pid_of(const char *name)
{
    char text[ANQA_PID_TEXT];

    return anqa_tmp_printf("%s", anqa_pid_text(anqa_whereis(name), text));
}

/* Asks for something of the counter, by its name. */
static const char *ask_counter(struct peer *peer, const char *op)
{
    return ask(
        peer, anqa_tmp_printf("{\"id\":1,\"op\":\"%s\",\"args\":{\"process\":\"counter\"}}", op));
}

/* What the counter is at, asked by a call. */
static int64_t counter_value(void)
{
    anqa_json answer = anqa_call(
        anqa_whereis("counter"), "add", ANQA_JSON_LITERAL_("{\"by\":0}"), HARNESS_LONG_MS);
    int64_t value = -1;

    CHECK_STATUS(anqa_json_to_int(answer, &value), ANQA_OK);
    return value;
}

/* ---------------------------------------------------------------- looking */

TEST(a_process_is_seen_by_its_name_or_its_pid)
{
    anqa_rt *rt = begin_shop();
    struct peer *peer = peer_open();
    const char *by_name = ask_counter(peer, "info"), *by_pid;

    CHECK(strstr(by_name, "\"names\":[\"counter\"]") != NULL, "%s", by_name);
    CHECK(strstr(by_name, "\"kind\":\"gen_server\"") != NULL, "%s", by_name);
    by_pid = ask(peer, anqa_tmp_printf("{\"id\":1,\"op\":\"info\",\"args\":{\"process\":\"%s\"}}",
                           pid_of("counter")));
    CHECK_STR(by_pid, by_name);
    end_shop(rt, peer);
}

static const struct {
    const char *request, *part;
} refused[] = {
    {"{\"id\":1,\"op\":\"info\"}", "\"process\\\" is needed: a pid or a name"},
    {"{\"id\":1,\"op\":\"info\",\"args\":{\"process\":7}}", "is needed"},
    {"{\"id\":1,\"op\":\"info\",\"args\":{\"process\":\"nobody\"}}",
        "there is no process 'nobody'"},
    {"{\"id\":1,\"op\":\"info\",\"args\":{\"process\":\"<0.9.77777>\"}}", "\"code\":\"noproc\""},
    {"{\"id\":1,\"op\":\"kill\",\"args\":{\"process\":\"<0.9.77777>\"}}", "it has ended already"},
    {"{\"id\":1,\"op\":\"state\",\"args\":{\"process\":\"<0.9.77777>\"}}", "\"code\":\"noproc\""},
    {"{\"id\":1,\"op\":\"trace\",\"args\":{\"process\":\"<0.9.77777>\"}}", "\"code\":\"noproc\""},
    {"{\"id\":1,\"op\":\"trace\",\"args\":{\"process\":\"counter\",\"body\":1025}}", "\"range\""},
    {"{\"id\":1,\"op\":\"processes\",\"args\":{\"sort\":\"age\"}}", "there is no order 'age'"},
    {"{\"id\":1,\"op\":\"processes\",\"args\":{\"limit\":10001}}", "from 0 to 10000"},
    {"{\"id\":1,\"op\":\"processes\",\"args\":{\"limit\":4294967297}}", "from 0 to 10000"},
    {"{\"id\":1,\"op\":\"processes\",\"args\":{\"limit\":-1}}", "from 0 to 10000"},
    {"{\"id\":1,\"op\":\"processes\",\"args\":{\"limit\":\"all\"}}", "from 0 to 10000"},
    {"{\"id\":1,\"op\":\"tree\",\"args\":{\"depth\":65}}", "from 0 to 64"},
    {"{\"id\":1,\"op\":\"tree\",\"args\":{\"depth\":4294967297}}", "from 0 to 64"},
    {"{\"id\":1,\"op\":\"tree\",\"args\":{\"limit\":4294967296}}", "\"range\""},
    {"{\"id\":1,\"op\":\"trace\",\"args\":{\"process\":\"counter\",\"body\":4294967296}}",
        "from 0 to 1024"},
    {"{\"id\":1,\"op\":\"suspend\",\"args\":{\"process\":\"anqa_control\"}}",
        "a part of the control socket"},
    {"{\"id\":1,\"op\":\"suspend\",\"args\":{\"process\":\"anqa_control_clients\"}}",
        "a part of the control socket"},
};

TEST(what_cannot_be_seen_or_done_is_an_error_that_says_why)
{
    anqa_rt *rt = begin_shop();
    struct peer *peer = peer_open();

    for (size_t i = 0; i < ANQA_COUNT(refused); i++) {
        const char *answer = ask(peer, refused[i].request);
        CHECK(strstr(answer, "\"error\":") != NULL, "%s: %s", refused[i].request, answer);
        CHECK(strstr(answer, refused[i].part) != NULL, "%s: %s", refused[i].request, answer);
    }
    end_shop(rt, peer);
}

static size_t count_of(const char *text, const char *part)
{
    size_t count = 0;

    for (; (text = strstr(text, part)) != NULL; text++)
        count++;
    return count;
}

TEST(processes_are_listed_up_to_a_limit_and_in_an_order)
{
    anqa_rt *rt = begin_shop();
    struct peer *peer = peer_open();
    const char *answer;

    answer = ask(peer, "{\"id\":1,\"op\":\"processes\",\"args\":{\"limit\":3}}");
    CHECK_EQ(count_of(answer, "\"pid\":"), 3u, "%s", answer);
    answer = ask(peer, "{\"id\":1,\"op\":\"processes\",\"args\":{\"sort\":\"mailbox\"}}");
    CHECK(strstr(answer, "\"names\":[\"counter\"]") != NULL, "%s", answer);
    end_shop(rt, peer);
}

static void be_strange(void *arg)
{
    anqa_set_label("a\xff\x1b[31m\n");
    report(*(anqa_pid *)arg, "labelled", "");
    (void)anqa_receive(ANQA_INFINITY);
}

TEST(a_label_that_is_no_utf8_or_has_controls_spoils_no_answer)
{
    anqa_rt *rt = begin_shop();
    struct peer *peer = peer_open();
    anqa_pid self = anqa_self();
    const char *answer;

    CHECK_STATUS(
        anqa_spawn(&(anqa_spawn_opts){.run = be_strange, .arg = &self, .arg_size = sizeof self},
            NULL, NULL),
        ANQA_OK);
    (void)expect("labelled");
    answer = ask(peer, "{\"id\":1,\"op\":\"processes\"}");
    CHECK(strstr(answer, "\"ok\":{\"processes\":[") != NULL, "%s", answer);
    CHECK(strstr(answer, "\\u001b[31m\\n\"") != NULL, "%s", answer);
    end_shop(rt, peer);
}

static void ignore(void *state, const anqa_msg *msg)
{
}

static const anqa_behaviour idle = {.name = "idle", .handle = ignore};

TEST(as_many_processes_as_can_be_asked_for_fit_into_an_answer, .timeout_ms = 60000)
{
    static const anqa_spawn_opts opts = {.behaviour = &idle,
        .label = "a label that is as long as labels can be, which is 63 bytes in all"};
    anqa_rt *rt = begin_shop();
    struct peer *peer = peer_open();
    const char *answer;

    for (unsigned i = 0; i < ANQA_PROCESS_LIST_MAX; i++)
        CHECK_STATUS(anqa_spawn(&opts, NULL, NULL), ANQA_OK);
    answer = ask(peer, "{\"id\":1,\"op\":\"processes\",\"args\":{\"limit\":10000}}");
    CHECK_EQ(count_of(answer, "\"pid\":"), 10000u);
    CHECK(count_of(answer, "a label that is as long") > 9000);
    end_shop(rt, peer);
}

TEST(the_system_and_the_trees_of_all_applications_are_seen)
{
    anqa_rt *rt = begin_shop();
    struct peer *peer = peer_open();
    const char *answer = ask(peer, "{\"id\":1,\"op\":\"system\"}");

    CHECK(strstr(answer, "\"processes\":") != NULL && strstr(answer, "\"schedulers\":[{") != NULL,
        "%s", answer);
    answer = ask(peer, "{\"id\":1,\"op\":\"tree\"}");
    CHECK(strstr(answer, "\"application\":\"shop\"") != NULL, "%s", answer);
    CHECK(strstr(answer, "\"id\":\"counter\",\"type\":\"worker\",\"state\":\"running\"") != NULL,
        "%s", answer);
    end_shop(rt, peer);
}

TEST(metrics_come_as_text_with_its_type)
{
    anqa_rt *rt = begin_shop();
    struct peer *peer = peer_open();
    const char *answer = ask(peer, "{\"id\":1,\"op\":\"metrics\"}");

    CHECK(strstr(answer, "\"type\":\"text/plain; version=0.0.4") != NULL, "%s", answer);
    CHECK(strstr(answer, "# TYPE anqa_processes gauge\\n") != NULL, "%s", answer);
    end_shop(rt, peer);
}

/* ---------------------------------------------------------------- asking and acting */

TEST(the_state_of_a_server_is_what_its_format_status_shows)
{
    anqa_rt *rt = begin_shop();
    struct peer *peer = peer_open();

    CHECK_STR(ask_counter(peer, "state"),
        anqa_tmp_printf(
            "{\"id\":1,\"ok\":{\"pid\":\"%s\",\"state\":{\"value\":0}}}", pid_of("counter")));
    end_shop(rt, peer);
}

TEST(a_suspended_server_handles_nothing_until_it_is_resumed)
{
    anqa_rt *rt = begin_shop();
    struct peer *peer = peer_open();
    const char *done = anqa_tmp_printf("{\"id\":1,\"ok\":{\"pid\":\"%s\"}}", pid_of("counter"));

    CHECK_STR(ask_counter(peer, "suspend"), done);
    CHECK_STATUS(anqa_send(anqa_whereis("counter"), "tick", anqa_nothing()), ANQA_OK);
    CHECK(strstr(ask_counter(peer, "state"), "{\"value\":0}") != NULL);
    CHECK_STR(ask_counter(peer, "resume"), done);
    CHECK_EQ(counter_value(), 1);
    end_shop(rt, peer);
}

TEST(a_killed_child_is_started_again_by_its_supervisor)
{
    anqa_rt *rt = begin_shop();
    struct peer *peer = peer_open();
    anqa_ref down = anqa_monitor(anqa_whereis("counter"));

    CHECK(strstr(ask_counter(peer, "kill"), "\"ok\"") != NULL);
    CHECK_EQ(anqa_reason_get_kind(anqa_receive_ref(down, HARNESS_LONG_MS)->u.reason),
        ANQA_REASON_KILLED);
    while (anqa_pid_is_none(anqa_whereis("counter")))
        anqa_yield();
    CHECK_EQ(counter_value(), 0);
    end_shop(rt, peer);
}

TEST(a_server_that_hangs_can_be_looked_at_and_holds_up_no_other_question)
{
    anqa_rt *rt = begin_shop();
    struct peer *peer = peer_open();

    CHECK_STATUS(anqa_send(anqa_whereis("counter"), "hang", anqa_nothing()), ANQA_OK);
    say(peer, "{\"id\":2,\"op\":\"state\",\"args\":{\"process\":\"counter\"}}\n");
    while (strstr(ask_counter(peer, "info"), "\"handling\":\"hang\"") == NULL)
        anqa_yield();
    CHECK_STR(ask(peer, "{\"id\":2,\"op\":\"cancel\"}"), "{\"id\":2,\"ok\":{\"cancelled\":true}}");
    end_shop(rt, peer);
}

/* ---------------------------------------------------------------- tracing */

/* Hears events until one holds both parts. */
static const char *hear_event(struct peer *peer, const char *part, const char *other)
{
    for (;;) {
        const char *line = hear(peer);
        CHECK(line != NULL && strstr(line, "{\"id\":1,\"event\":{") == line, "%s", line);
        if (strstr(line, part) != NULL && strstr(line, other) != NULL)
            return line;
    }
}

/* A trace begins when the target next looks at its mail; what it had already seen of that is only told when it is handled. */
static void begin_trace(struct peer *peer)
{
    say(peer, "{\"id\":1,\"op\":\"trace\",\"args\":{\"process\":\"counter\"}}\n");
    do {
        CHECK_STATUS(anqa_send(anqa_whereis("counter"), "tick", anqa_nothing()), ANQA_OK);
        anqa_sleep(1);
    } while (!has_come(peer));
    (void)hear_event(peer, "\"tag\":\"tick\"", "");
}

TEST(a_trace_tells_what_a_process_receives_sends_and_has_handled_until_it_is_cancelled)
{
    anqa_rt *rt = begin_shop();
    struct peer *peer = peer_open();
    const char *line;

    begin_trace(peer);
    (void)counter_value();
    (void)hear_event(peer, "\"event\":\"receive\"", "\"tag\":\"add\"");
    line = hear_event(peer, "\"event\":\"send\"", "\"tag\":\"reply\"");
    CHECK(strstr(line, "\"size\":") != NULL, "%s", line);
    (void)hear_event(peer, "\"event\":\"handled\"", "\"tag\":\"add\"");
    say(peer, "{\"id\":1,\"op\":\"cancel\"}\n");
    do
        line = hear(peer);
    while (strstr(line, "\"event\"") != NULL);
    CHECK_STR(line, "{\"id\":1,\"ok\":{\"cancelled\":true}}");
    CHECK(counter_value() > 0);
    end_shop(rt, peer);
}

TEST(a_trace_ends_with_the_process)
{
    anqa_rt *rt = begin_shop();
    struct peer *peer = peer_open();

    begin_trace(peer);
    kill_and_wait(anqa_whereis("counter"));
    (void)hear_event(peer, "\"event\":\"ended\"", "\"tag\":\"killed\"");
    CHECK_STR(hear(peer), "{\"id\":1,\"ok\":{\"ended\":true}}");
    end_shop(rt, peer);
}

static bool has_no_trace(void *unused)
{
    anqa_json status;

    CHECK_STATUS(anqa_sys_get_status(anqa_whereis("counter"), 5000, &status, NULL), ANQA_OK);
    return anqa_json_int(status, "traces", -1) == 0;
}

TEST(a_trace_ends_with_its_client_whether_it_hangs_up_or_only_ends_its_side)
{
    anqa_rt *rt = begin_shop();
    struct peer *peer = peer_open();

    begin_trace(peer);
    CHECK(!has_no_trace(NULL));
    peer_close(peer);
    CHECK(soon(has_no_trace, NULL));
    peer = peer_open();
    begin_trace(peer);
    peer_end(peer);
    CHECK(soon(has_no_trace, NULL));
    end_shop(rt, peer);
}

#define MANY 20000

TEST(a_trace_that_is_read_slowly_loses_events_and_counts_them_and_holds_up_nobody,
    .timeout_ms = 60000)
{
    anqa_rt *rt = begin_shop();
    struct peer *peer = peer_open();
    int64_t before;

    begin_trace(peer);
    before = counter_value();
    for (int i = 0; i < MANY; i++)
        CHECK_STATUS(anqa_send(anqa_whereis("counter"), "tick", anqa_nothing()), ANQA_OK);
    CHECK_EQ(counter_value(), before + MANY); /* all were handled, though nobody has read */
    (void)hear_event(peer, "\"dropped\":", "");
    end_shop(rt, peer);
}

/* ---------------------------------------------------------------- everything at once */

static const char *const anything[] = {
    "{\"id\":1,\"op\":\"trace\",\"args\":{\"process\":\"counter\"}}\n",
    "{\"id\":2,\"op\":\"trace\",\"args\":{\"process\":\"shop\",\"body\":1024}}\n",
    "{\"id\":3,\"op\":\"kill\",\"args\":{\"process\":\"counter\"}}\n",
    "{\"id\":4,\"op\":\"processes\",\"args\":{\"sort\":\"memory\"}}\n",
    "{\"id\":5,\"op\":\"tree\"}\n",
    "{\"id\":6,\"op\":\"state\",\"args\":{\"process\":\"counter\"}}\n",
    "{\"id\":7,\"op\":\"suspend\",\"args\":{\"process\":\"counter\"}}\n",
    "{\"id\":7,\"op\":\"resume\",\"args\":{\"process\":\"counter\"}}\n",
    "{\"id\":1,\"op\":\"cancel\"}\n",
    "{\"id\":6,\"op\":\"cancel\"}\n",
    "{\"id\":8,\"op\":\"metrics\"}\n",
    "{\"id\":9,\"op\":\"ki",
    "\n[]\n",
};

/* Some requests, some of what comes, and an end: in good order or not. */
static void any_life(void)
{
    struct peer *peer = peer_open_at(socket_path());
    uint64_t random = harness_random();

    CHECK(peer != NULL);
    for (uint64_t i = 0; i <= random % 7; i++) {
        const char *text = anything[harness_random() % ANQA_COUNT(anything)];
        (void)send(peer->fd, text, strlen(text), MSG_NOSIGNAL); /* it may be one client too many */
        (void)anqa_send(anqa_whereis("counter"), "tick", anqa_nothing());
        if (has_come(peer) && random % 3 == 0 && fill(peer))
            peer->len = 0;
    }
    if (random % 2 == 0)
        peer_end(peer);
    peer_close(peer);
}

static bool counter_answers(void *peer)
{
    (void)ask_counter(peer, "resume");
    return strstr(ask_counter(peer, "state"), "\"value\":") != NULL;
}

TEST(whatever_clients_ask_and_however_they_end_the_program_is_served_as_before, .timeout_ms = 60000)
{
    anqa_rt *rt = begin_shop();
    anqa_pid server = anqa_whereis(anqa_control_server.name);
    struct peer *peer;

    for (int i = 0; i < 300; i++)
        any_life();
    CHECK(soon(no_client_is_left, NULL));
    CHECK(anqa_pid_eq(anqa_whereis(anqa_control_server.name), server));
    peer = peer_open();
    CHECK(soon(counter_answers, peer)); /* it may just have been killed */
    end_shop(rt, peer);
}
