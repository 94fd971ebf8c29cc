/* The one event for a crash: each rule by name. */
#include "support.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "telemetry/log.h"

/* ---------------------------------------------------------------- what is written */

enum { EVENTS_KEPT = 8 };

/* owner: the logger's sink while it is set, the test after anqa_stop */
static struct {
    _Atomic(uint32_t) count;
    _Atomic(uint64_t) dropped, bytes; /* sums */
    char fields[EVENTS_KEPT][1100], label[EVENTS_KEPT][64], pid[EVENTS_KEPT][ANQA_PID_TEXT];
    char json[EVENTS_KEPT][4096], text[EVENTS_KEPT][2048];
} events;

static void keep_event(void *ctx, const anqa_log_event *event)
{
    uint32_t i = atomic_load(&events.count);
    char fields[1100];
    const char *dropped;

    if (strncmp(event->id, "process.crashed", strlen("process.crashed")) != 0)
        return;
    snprintf(fields, sizeof fields, "%.*s", ANQA_FMT(event->fields));
    dropped = strstr(fields, "dropped=");
    if (dropped != NULL)
        atomic_fetch_add(&events.dropped, strtoull(dropped + 8, NULL, 10));
    atomic_fetch_add(&events.bytes, event->fields.len);
    if (strcmp(event->id, "process.crashed") != 0)
        return;
    if (i < EVENTS_KEPT) {
        memcpy(events.fields[i], fields, sizeof fields);
        snprintf(events.label[i], sizeof events.label[i], "%.*s", ANQA_FMT(event->label));
        snprintf(events.pid[i], sizeof events.pid[i], "%.*s", ANQA_FMT(event->pid_text));
        (void)anqa_log_format_line(ANQA_LOG_JSON, event, events.json[i], sizeof events.json[i]);
        (void)anqa_log_format_line(ANQA_LOG_TEXT, event, events.text[i], sizeof events.text[i]);
    }
    atomic_store(&events.count, i + 1);
}

static anqa_rt *begin_listening(void)
{
    anqa_rt *rt = begin_deterministic();

    anqa_log_set_sink(keep_event, NULL);
    anqa_log_set_level(ANQA_ERROR);
    return rt;
}

/* Events that were logged so far. */
static uint32_t logged(void)
{
    CHECK_STATUS(log_flush(HARNESS_LONG_MS), ANQA_OK);
    return atomic_load(&events.count);
}

/* What was logged is with the sink when this returns. */
static void end_listening(anqa_rt *rt)
{
    end(rt);
    anqa_log_set_sink(NULL, NULL);
}

#define CHECK_HAS(text, part) \
    CHECK(strstr((text), (part)) != NULL, "%s is not in: %s", (part), (text))
#define CHECK_HAS_NOT(text, part) \
    CHECK(strstr((text), (part)) == NULL, "%s is in: %s", (part), (text))

/* ---------------------------------------------------------------- a server that crashes */

static anqa_next vault_crash(void *state, anqa_msg *msg)
{
    anqa_exit(anqa_error_reason("broken"));
}

static anqa_next vault_stop(void *state, anqa_msg *msg)
{
    return anqa_stop_with(anqa_json_str(msg->body, "why").len == 0
                              ? ANQA_SHUTDOWN
                              : anqa_error_reason("%s", "asked to"));
}

static anqa_next vault_require(void *state, anqa_msg *msg)
{
    ANQA_REQUIRE(msg == NULL);
    return anqa_noreply();
}

static anqa_json vault_status(void *state)
{
    return anqa_jsonf("{'password': %s, 'uses': %d}", "***", 3);
}

static anqa_json vault_message(void *state, const anqa_msg *msg)
{
    return anqa_jsonf("{'password': %s}", "***");
}

static const anqa_handler calls[] = {{"crash", vault_crash}, {0}},
                          casts[] = {{"crash", vault_crash}, {"stop", vault_stop},
                              {"require", vault_require}, {0}};

#define VAULT .state_size = 64, .handle_call = calls, .handle_cast = casts

static const anqa_gen_server vault = {VAULT, .name = "vault", .label = "the vault",
    .format_status = vault_status, .format_message = vault_message};
static const anqa_gen_server plain = {VAULT};

static anqa_pid start(const anqa_gen_server *server)
{
    anqa_pid pid = {0};

    CHECK_STATUS(anqa_gen_server_start(server, NULL, NULL, &pid, NULL), ANQA_OK);
    return pid;
}

static void crash(anqa_pid pid)
{
    anqa_cast(pid, "crash", anqa_jsonf("{'password': %s}", "s3cret"));
    CHECK_EQ(end_of(pid), ANQA_REASON_ERROR);
}

TEST(a_crash_is_one_event_with_what_there_is_to_know)
{
    anqa_rt *rt = begin_listening();
    anqa_pid pid = start(&vault);
    char self[ANQA_PID_TEXT], text[ANQA_PID_TEXT], wanted[128];

    anqa_pid_text(anqa_self(), self);
    anqa_link(pid);
    anqa_cast(pid, "crash", anqa_jsonf("{'password': %s}", "s3cret"));
    report(pid, "later", "");
    CHECK_EQ(end_of(pid), ANQA_REASON_ERROR);
    end_listening(rt);
    CHECK_EQ(atomic_load(&events.count), 1);
    CHECK_STR(events.pid[0], anqa_pid_text(pid, text));
    CHECK_STR(events.label[0], "the vault");
    CHECK_HAS(events.fields[0], "reason=\"error: broken\" name=vault mailbox=1 links=1 ");
    snprintf(wanted, sizeof wanted, " message=\"cast crash\" from=%s bytes=21 ancestors=%s ", self,
        self);
    CHECK_HAS(events.fields[0], wanted);
    CHECK_HAS(events.fields[0], " body=\"{\\\"password\\\":\\\"***\\\"}\"");
    CHECK_HAS(events.fields[0], " state=\"{\\\"password\\\":\\\"***\\\",\\\"uses\\\":3}\"");
}

TEST(the_event_reads_as_text_and_as_json)
{
    anqa_rt *rt = begin_listening();
    anqa_json line, fields;

    crash(start(&vault));
    end_listening(rt);
    CHECK_HAS(events.text[0], " error process.crashed pid=<");
    CHECK_STATUS(anqa_json_parse(anqa_str_make(events.json[0], strcspn(events.json[0], "\n")), NULL,
                     &line, NULL),
        ANQA_OK);
    CHECK_STATUS(anqa_json_get(line, "fields", &fields), ANQA_OK);
    CHECK_HAS(events.json[0], "\"reason\":\"error: broken\"");
    CHECK_EQ(anqa_json_int(fields, "bytes", 0), 21);
}

TEST(what_no_hook_shows_is_not_shown)
{
    anqa_rt *rt = begin_listening();

    crash(start(&plain));
    end_listening(rt);
    CHECK_EQ(atomic_load(&events.count), 1);
    CHECK_HAS(events.fields[0], "message=\"cast crash\"");
    CHECK_HAS(events.fields[0], " bytes=21");
    CHECK_HAS_NOT(events.fields[0], "s3cret");
    CHECK_HAS_NOT(events.fields[0], "body=");
    CHECK_HAS_NOT(events.fields[0], "state=");
    CHECK_HAS_NOT(events.fields[0], "name=");
}

static const anqa_child_spec vault_children[] = {{.id = "first", .server = &plain}, {0}};
static const anqa_supervisor top = {.name = "top", .children = vault_children, .max_restarts = 3};

TEST(a_supervised_crash_names_the_child_and_its_ancestors)
{
    anqa_rt *rt = begin_listening();
    anqa_child_info *children;
    anqa_pid supervisor = {0};
    size_t count;

    CHECK_STATUS(anqa_register("observer"), ANQA_OK);
    CHECK_STATUS(anqa_supervisor_start_link(&top, &supervisor, NULL), ANQA_OK);
    CHECK_STATUS(anqa_supervisor_which_children(supervisor, &children, &count), ANQA_OK);
    crash(children[0].pid);
    CHECK_STATUS(anqa_supervisor_stop(supervisor, ANQA_SHUTDOWN, ANQA_INFINITY), ANQA_OK);
    end_listening(rt);
    CHECK_EQ(atomic_load(&events.count), 1, "the supervisor adds none");
    CHECK_HAS(events.fields[0], " id=first ");
    CHECK_HAS(events.fields[0], "> top, <");
    CHECK_HAS(events.fields[0], "> observer\"");
}

/* ---------------------------------------------------------------- which ends are crashes */

TEST(a_quiet_end_and_an_end_by_a_signal_are_no_crashes)
{
    anqa_rt *rt = begin_listening();
    anqa_pid pid = start(&plain);

    anqa_cast(pid, "stop", NOTHING);
    CHECK_EQ(end_of(pid), ANQA_REASON_SHUTDOWN);
    CHECK_STATUS(anqa_gen_server_stop(start(&plain), ANQA_NORMAL, ANQA_INFINITY), ANQA_OK);
    kill_and_wait(start(&plain));
    pid = start(&plain);
    anqa_exit_signal(pid, anqa_error_reason("somebody else's"));
    CHECK_EQ(end_of(pid), ANQA_REASON_ERROR);
    end_listening(rt);
    CHECK_EQ(atomic_load(&events.count), 0, "%s", events.fields[0]);
}

TEST(a_stop_with_another_reason_and_a_broken_contract_are_crashes)
{
    anqa_rt *rt = begin_listening();
    anqa_pid stopping = start(&plain), broken = start(&plain);

    anqa_cast(stopping, "stop", anqa_jsonf("{'why': 'x'}"));
    CHECK_EQ(end_of(stopping), ANQA_REASON_ERROR);
    anqa_cast(broken, "require", NOTHING);
    CHECK_EQ(end_of(broken), ANQA_REASON_CONTRACT);
    end_listening(rt);
    CHECK_EQ(atomic_load(&events.count), 2);
    CHECK_HAS(events.fields[0], "reason=\"error: asked to\"");
    CHECK_HAS(events.fields[1], "reason=\"contract: msg == NULL");
}

static void link_and_wait(void *arg)
{
    anqa_link(*(const anqa_pid *)arg);
    (void)anqa_receive(ANQA_INFINITY);
}

TEST(who_goes_with_a_crash_over_a_link_adds_no_event)
{
    anqa_rt *rt = begin_listening();
    anqa_pid pid = start(&plain), linked = {0};

    CHECK_STATUS(
        anqa_spawn(&(anqa_spawn_opts){.run = link_and_wait, .arg = &pid, .arg_size = sizeof pid},
            &linked, NULL),
        ANQA_OK);
    anqa_sleep(1);
    crash(pid);
    CHECK_EQ(end_of(linked), ANQA_REASON_ERROR);
    end_listening(rt);
    CHECK_EQ(atomic_load(&events.count), 1);
}

static anqa_next init_crash(void *state, const void *arg)
{
    anqa_exit(anqa_error_reason("no vault"));
}

static void terminate_crash(void *state, anqa_reason reason)
{
    anqa_exit(anqa_error_reason("worse"));
}

TEST(a_crash_of_init_and_one_of_terminate_say_so)
{
    static const anqa_gen_server no_init = {.init = init_crash, .format_status = vault_status};
    static const anqa_gen_server no_end = {VAULT, .terminate = terminate_crash};
    anqa_rt *rt = begin_listening();
    anqa_pid pid;

    CHECK_STATUS(anqa_gen_server_start(&no_init, NULL, NULL, &pid, NULL), ANQA_E_DIED);
    CHECK_EQ(logged(), 1);
    CHECK_HAS(events.fields[0], "reason=\"error: no vault\" during=init ");
    CHECK_HAS_NOT(events.fields[0], "state=");
    crash(start(&no_end));
    end_listening(rt);
    CHECK_EQ(atomic_load(&events.count), 3, "each crash has its event");
    CHECK_HAS_NOT(events.fields[1], "during=");
    CHECK_HAS(events.fields[2], "reason=\"error: worse\" during=terminate ");
}

/* ---------------------------------------------------------------- hooks that fail */

static anqa_json exit_in_format(void *state)
{
    anqa_exit(anqa_error_reason("in format_status"));
}

static anqa_json wait_in_format(void *state)
{
    anqa_sleep(1);
    return ANQA_JSON_NULL;
}

static anqa_json take_all_in_format(void *state)
{
    (void)anqa_arena_alloc(anqa_tmp(), 1 << 20);
    return ANQA_JSON_NULL;
}

static anqa_json message_exit(void *state, const anqa_msg *msg)
{
    anqa_exit(anqa_error_reason("in format_message"));
}

static void tell_observer(void *state, anqa_reason reason)
{
    char text[64];

    report(anqa_whereis("observer"), "terminate", anqa_reason_format(reason, text, sizeof text));
}

TEST(a_hook_that_fails_is_given_up_and_changes_nothing_else)
{
    static const anqa_gen_server failing[] = {
        {VAULT, .format_status = exit_in_format, .terminate = tell_observer},
        {VAULT, .format_status = wait_in_format, .terminate = tell_observer},
        {VAULT, .format_status = take_all_in_format, .terminate = tell_observer,
            .heap_quota = 1 << 19},
        {VAULT, .format_message = message_exit, .format_status = vault_status,
            .terminate = tell_observer}};
    anqa_rt *rt = begin_listening();

    CHECK_STATUS(anqa_register("observer"), ANQA_OK);
    for (uint32_t i = 0; i < ANQA_COUNT(failing); i++) {
        crash(start(&failing[i]));
        CHECK_STR(expect_text("terminate"), "error: broken");
        CHECK_EQ(logged(), i + 1);
        CHECK_HAS(events.fields[i], "reason=\"error: broken\" ");
        CHECK_HAS(events.fields[i], " format_failed=true ");
        CHECK_HAS_NOT(events.fields[i], "state=");
    }
    end_listening(rt);
}

static anqa_json long_status(void *state)
{
    char *text = anqa_arena_calloc(anqa_tmp(), 1, 5000);

    memset(text, '\n', 4999);
    return (anqa_json){text, 4999}; /* not even JSON */
}

TEST(what_a_hook_shows_is_bounded_and_escaped)
{
    static const anqa_gen_server talkative = {VAULT, .format_status = long_status};
    anqa_rt *rt = begin_listening();

    crash(start(&talkative));
    end_listening(rt);
    CHECK_HAS(events.fields[0], " state=\"\\n\\n");
    CHECK_HAS(events.fields[0], "\\n...\"");
    CHECK(strlen(events.fields[0]) < 800, "%zu", strlen(events.fields[0]));
    CHECK(strchr(events.fields[0], '\n') == NULL);
}

/* ---------------------------------------------------------------- for programs */

struct heard {
    int count;
    char reason[64], message[64], state[64], name[16];
    uint64_t pid;
};

static void copy_field(const anqa_telemetry_event *event, const char *name, char *to, size_t size)
{
    const anqa_field *field = anqa_field_find(event->metadata, event->metadata_count, name);

    CHECK(field != NULL && field->type == ANQA_FIELD_STR, "%s", name);
    snprintf(to, size, "%.*s", ANQA_FMT(field->as.s));
}

static void hear(void *ctx, const anqa_telemetry_event *event)
{
    struct heard *heard = ctx;

    heard->count++;
    copy_field(event, "reason", heard->reason, sizeof heard->reason);
    copy_field(event, "message", heard->message, sizeof heard->message);
    copy_field(event, "state", heard->state, sizeof heard->state);
    copy_field(event, "name", heard->name, sizeof heard->name);
    heard->pid = anqa_field_find(event->metadata, event->metadata_count, "pid")->as.u;
}

static void hear_and_exit(void *ctx, const anqa_telemetry_event *event)
{
    anqa_exit(anqa_error_reason("in a handler"));
}

TEST(programs_hear_of_a_crash_by_telemetry_also_when_nothing_is_logged)
{
    struct heard heard = {0};
    anqa_rt *rt = begin_deterministic();
    anqa_pid pid = start(&vault);

    CHECK_STATUS(anqa_telemetry_attach(&(anqa_telemetry_handler){
                     .id = "hear", .pattern = "anqa.process.crash", .run = hear, .ctx = &heard}),
        ANQA_OK);
    crash(pid);
    CHECK_STATUS(anqa_gen_server_stop(start(&plain), ANQA_NORMAL, ANQA_INFINITY), ANQA_OK);
    CHECK_EQ(heard.count, 1);
    CHECK_EQ(heard.pid, pid.bits);
    CHECK_STR(heard.reason, "error: broken");
    CHECK_STR(heard.message, "cast crash");
    CHECK_STR(heard.state, "{\"password\":\"***\",\"uses\":3}");
    CHECK_STR(heard.name, "vault");
    CHECK_STATUS(anqa_telemetry_detach("hear"), ANQA_OK);
    end(rt);
}

TEST(a_handler_that_fails_costs_no_event_and_is_detached)
{
    anqa_rt *rt = begin_listening();

    CHECK_STATUS(anqa_telemetry_attach(&(anqa_telemetry_handler){
                     .id = "hear", .pattern = "anqa.process.crash", .run = hear_and_exit}),
        ANQA_OK);
    crash(start(&vault));
    CHECK_STATUS(anqa_telemetry_detach("hear"), ANQA_E_NOT_FOUND);
    end_listening(rt);
    CHECK_EQ(atomic_load(&events.count), 1);
    CHECK_HAS(events.fields[0], " state=");
}

/* ---------------------------------------------------------------- many, and without memory */

enum { STORM = 10000, LIMIT = 100 };

static void crash_at_once(void *arg)
{
    anqa_exit(anqa_error_reason("one of many"));
}

static void storm(void)
{
    for (int i = 0; i < STORM; i++)
        CHECK_STATUS(
            anqa_spawn(&(anqa_spawn_opts){.run = crash_at_once}, &(anqa_pid){0}, NULL), ANQA_OK);
    anqa_sleep(1);
}

TEST(in_a_storm_lines_are_limited_and_the_next_one_counts_the_others)
{
    anqa_rt *rt = begin_listening();
    uint32_t lines;

    anqa_sleep(1000);
    storm();
    lines = logged();
    CHECK(lines >= LIMIT && lines <= 2 * LIMIT, "%u", lines); /* a second may end in the storm */
    CHECK(atomic_load(&events.bytes) < (uint64_t)lines * 300);
    anqa_sleep(1000);
    crash(start(&plain));
    CHECK_EQ(logged(), lines + 1);
    CHECK_EQ(atomic_load(&events.count) + atomic_load(&events.dropped), STORM + 1);
    end_listening(rt);
}

TEST(what_no_line_has_counted_is_counted_when_the_runtime_stops)
{
    anqa_rt *rt = begin_listening();

    storm();
    end_listening(rt);
    CHECK_EQ(atomic_load(&events.count) + atomic_load(&events.dropped), STORM);
}

TEST(a_storm_on_two_schedulers_loses_no_count)
{
    anqa_rt *rt = begin();
    anqa_rt_stats stats;

    anqa_log_set_sink(keep_event, NULL);
    anqa_log_set_level(ANQA_ERROR);
    storm();
    do
        anqa_rt_get_stats(rt, &stats);
    while (stats.processes > 1 && anqa_receive(1) == NULL);
    end_listening(rt);
    CHECK_EQ(atomic_load(&events.count) + atomic_load(&events.dropped), STORM);
}

static void crash_without_memory(void *arg)
{
    anqa_pid pid;

    if (anqa_gen_server_start_link(&vault, NULL, NULL, &pid, NULL) != ANQA_OK)
        return;
    anqa_cast(pid, "crash", anqa_jsonf("{'password': %s}", "s3cret"));
    (void)anqa_receive_ref(anqa_monitor(pid), ANQA_INFINITY);
}

static void forget_event(void *ctx, const anqa_log_event *event)
{
    CHECK(strstr(event->id, "process.crashed") == NULL || event->fields.len > 0);
}

TEST(a_crash_without_memory_is_told_and_nothing_is_left_behind)
{
    const anqa_options options = {.deterministic = true, .seed = harness_random()};
    anqa_rt *rt = NULL;
    anqa_rt_stats stats;

    anqa_log_set_sink(forget_event, NULL);
    anqa_log_set_level(ANQA_ERROR);
    CHECK_STATUS(anqa_start(&options, &rt, NULL), ANQA_OK);
    EACH_ALLOC_FAILURE {
        anqa_status status =
            anqa_rt_spawn(rt, &(anqa_spawn_opts){.run = crash_without_memory}, NULL);
        CHECK(status == ANQA_OK || status == ANQA_E_NOMEM);
        (void)anqa_rt_run(rt, ANQA_INFINITY);
        anqa_rt_get_stats(rt, &stats);
        CHECK_EQ(stats.processes, 0);
    }
    anqa_stop(rt);
    anqa_log_set_sink(NULL, NULL);
}

/* ---------------------------------------------------------------- faults */

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
static volatile uintptr_t near_null = 0x10;

static __attribute__((noinline)) void write_near_null(void)
{
    *(volatile int *)near_null = 1;
}

static anqa_next vault_fault(void *state, anqa_msg *msg)
{
    write_near_null();
    return anqa_noreply();
}

static anqa_json fault_in_format(void *state)
{
    write_near_null();
    return ANQA_JSON_NULL;
}

static const anqa_handler faulty_casts[] = {{"crash", vault_crash}, {"fault", vault_fault}, {0}};
static const anqa_gen_server faulty = {.name = "faulty",
    .handle_cast = faulty_casts,
    .format_status = fault_in_format,
    .terminate = tell_observer};

TEST(a_fault_is_one_event_with_its_backtrace_and_without_the_state)
{
    anqa_rt *rt = begin(); /* with a watchdog, which knows the names */
    anqa_pid pid = start(&faulty);

    anqa_log_set_sink(keep_event, NULL);
    anqa_log_set_level(ANQA_ERROR);
    anqa_cast(pid, "fault", NOTHING);
    CHECK_EQ(end_of(pid), ANQA_REASON_FAULT);
    end_listening(rt);
    CHECK_EQ(atomic_load(&events.count), 1);
    CHECK_HAS(events.fields[0], "reason=fault name=faulty ");
    CHECK_HAS(events.fields[0], " message=\"cast fault\" ");
    CHECK_HAS(events.fields[0], " fault=\"SIGSEGV at 0x10\" in=");
    CHECK_HAS(events.fields[0], " <write_near_null+0x");
    CHECK_HAS(events.fields[0], " <vault_fault+0x");
    CHECK_HAS_NOT(events.fields[0], "state=");
    CHECK_HAS_NOT(events.fields[0], "format_failed");
}

TEST(a_fault_in_format_status_leaves_the_reason_and_tells_both)
{
    anqa_rt *rt = begin_listening();

    CHECK_STATUS(anqa_register("observer"), ANQA_OK);
    crash(start(&faulty));
    CHECK(nothing_came("terminate"), "its state cannot be trusted any more");
    CHECK_EQ(logged(), 1);
    CHECK_HAS(events.fields[0], "reason=\"error: broken\" name=faulty ");
    CHECK_HAS(events.fields[0], " format_failed=true ");
    CHECK_HAS(events.fields[0], " <fault_in_format+0x");
    end_listening(rt);
}
#endif
