/* Registries: each rule by name. */
#include "support.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "otp/table.h"

static const anqa_registry unique = {.name = "unique"};
static const anqa_registry topics = {.name = "topics", .keys = ANQA_KEYS_DUPLICATE};
static const anqa_registry watched = {
    .name = "watched", .listeners = (const char *const[]){"listener", "second listener", NULL}};

/* A process that registers and then lives until it is told. */
struct member {
    anqa_pid observer;
    const anqa_registry *registry; /* NULL: a name */
    const char *key;
};

static bool is_end(const anqa_msg *msg, void *arg)
{
    return anqa_tag_is(msg->tag, "end");
}

static void member_run(void *state)
{
    const struct member *member = state;
    anqa_status status = member->registry == NULL
                             ? anqa_register(member->key)
                             : anqa_registry_register(member->registry, anqa_str_of(member->key),
                                   ANQA_JSON_LITERAL_("{\"at\":1}"), NULL);

    report(member->observer, "registered", anqa_status_name(status));
    (void)anqa_receive_if(is_end, NULL, ANQA_INFINITY);
}

static anqa_pid member(const anqa_registry *registry, const char *key, const char *status)
{
    struct member what = {anqa_self(), registry, key};
    anqa_pid pid = {0};

    CHECK_STATUS(
        anqa_spawn(&(anqa_spawn_opts){.run = member_run, .arg = &what, .arg_size = sizeof what},
            &pid, NULL),
        ANQA_OK);
    CHECK_STR(expect_text("registered"), status);
    return pid;
}

/* Ends it, and comes back with its DOWN. */
static void finish(anqa_pid pid)
{
    anqa_ref ref = anqa_monitor(pid);

    (void)anqa_send(pid, "end", anqa_nothing());
    CHECK(anqa_receive_ref(ref, HARNESS_LONG_MS) != NULL);
}

static anqa_str key(const char *text)
{
    return anqa_str_of(text);
}

/* ---------------------------------------------------------------- names */

TEST(a_name_leads_to_its_process_until_that_ends_or_gives_it_up)
{
    anqa_rt *rt = begin();
    anqa_pid pid = member(NULL, "db", "OK");

    CHECK(anqa_pid_eq(anqa_whereis("db"), pid));
    CHECK_STATUS(anqa_register("db"), ANQA_E_EXISTS);
    CHECK_STATUS(anqa_unregister("db"), ANQA_E_PERMISSION);
    finish(pid);
    CHECK(anqa_pid_is_none(anqa_whereis("db")));
    CHECK_STATUS(anqa_register("db"), ANQA_OK);
    CHECK(anqa_pid_eq(anqa_whereis("db"), anqa_self()));
    CHECK_STATUS(anqa_unregister("db"), ANQA_OK);
    CHECK_STATUS(anqa_unregister("db"), ANQA_E_NOT_FOUND);
    CHECK_STATUS(anqa_register(""), ANQA_E_INVALID);
    CHECK_STATUS(anqa_register(NULL), ANQA_E_INVALID);
    end(rt);
}

TEST(names_belong_to_their_runtime)
{
    anqa_rt *rt = begin();
    anqa_rt *other = NULL;

    CHECK_STATUS(anqa_register("me"), ANQA_OK);
    anqa_detach();
    other = begin();
    CHECK(anqa_pid_is_none(anqa_whereis("me")));
    end(other);
    anqa_stop(rt);
}

/* ---------------------------------------------------------------- unique keys */

TEST(a_second_registration_of_a_unique_key_is_told_the_holder)
{
    anqa_rt *rt = begin();
    anqa_pid pid = member(&unique, "ann", "OK"), holder = {0};

    (void)member(&unique, "ann", "E_EXISTS");
    CHECK_STATUS(anqa_registry_register(&unique, key("ann"), NOTHING, &holder), ANQA_E_EXISTS);
    CHECK(anqa_pid_eq(holder, pid));
    CHECK_STATUS(anqa_registry_register(&unique, key("bob"), NOTHING, &holder), ANQA_OK);
    CHECK_EQ(anqa_registry_count(&unique), 2);
    end(rt);
}

TEST(an_entry_is_gone_before_a_monitor_hears_of_the_end)
{
    anqa_rt *rt = begin();

    for (int i = 0; i < 200; i++) {
        anqa_pid pid = member(&unique, "ann", "OK");
        anqa_ref ref = anqa_monitor(pid);
        if (i % 2 == 0)
            (void)anqa_send(pid, "end", anqa_nothing());
        else
            anqa_exit_signal(pid, ANQA_KILL);
        CHECK(anqa_receive_ref(ref, HARNESS_LONG_MS) != NULL);
        CHECK(anqa_pid_is_none(anqa_registry_whereis(&unique, key("ann"))), "round %d", i);
        CHECK_EQ(anqa_registry_count(&unique), 0);
    }
    end(rt);
}

TEST(registries_with_the_same_keys_do_not_meet)
{
    anqa_rt *rt = begin();
    static const anqa_registry twin = {.name = "unique"};

    CHECK_STATUS(anqa_registry_register(&unique, key("k"), NOTHING, NULL), ANQA_OK);
    CHECK(anqa_pid_is_none(anqa_registry_whereis(&twin, key("k"))));
    CHECK(anqa_pid_is_none(anqa_whereis("k")));
    CHECK_STATUS(anqa_registry_register(&twin, key("k"), NOTHING, NULL), ANQA_OK);
    end(rt);
}

TEST(a_key_is_any_bytes_up_to_its_limit)
{
    anqa_rt *rt = begin();
    static char big[65536];

    CHECK_STATUS(anqa_registry_register(&unique, anqa_str_make("a\0b", 3), NOTHING, NULL), ANQA_OK);
    CHECK_STATUS(anqa_registry_register(&unique, anqa_str_make("a\0c", 3), NOTHING, NULL), ANQA_OK);
    CHECK_STATUS(anqa_registry_register(&unique, anqa_str_make("", 0), NOTHING, NULL), ANQA_OK);
    CHECK_STATUS(
        anqa_registry_register(&unique, anqa_str_make(big, 65535), NOTHING, NULL), ANQA_OK);
    CHECK_STATUS(
        anqa_registry_register(&unique, anqa_str_make(big, 65536), NOTHING, NULL), ANQA_E_INVALID);
    CHECK(!anqa_pid_is_none(anqa_registry_whereis(&unique, anqa_str_make("a\0c", 3))));
    CHECK(!anqa_pid_is_none(anqa_registry_whereis(&unique, anqa_str_make("", 0))));
    CHECK(anqa_pid_is_none(anqa_registry_whereis(&unique, key("a"))));
    end(rt);
}

/* ---------------------------------------------------------------- values */

TEST(only_the_owner_updates_its_value)
{
    anqa_rt *rt = begin();
    anqa_registry_entry *entries;
    size_t count;

    (void)member(&unique, "ann", "OK");
    CHECK_STATUS(
        anqa_registry_update_value(&unique, key("ann"), ANQA_JSON_TRUE), ANQA_E_PERMISSION);
    CHECK_STATUS(anqa_registry_update_value(&unique, key("zoe"), ANQA_JSON_TRUE), ANQA_E_NOT_FOUND);
    CHECK_STATUS(
        anqa_registry_update_value(&topics, key("ann"), ANQA_JSON_TRUE), ANQA_E_UNSUPPORTED);
    CHECK_STATUS(
        anqa_registry_register(&unique, key("me"), ANQA_JSON_LITERAL_("[1]"), NULL), ANQA_OK);
    CHECK_STATUS(
        anqa_registry_update_value(&unique, key("me"), ANQA_JSON_LITERAL_("[1,2]")), ANQA_OK);
    anqa_registry_lookup(&unique, key("me"), &entries, &count);
    CHECK_EQ(count, 1);
    CHECK_STR(anqa_json_text(entries[0].value), "[1,2]");
    CHECK_STR(entries[0].key, "me");
    anqa_registry_lookup(&unique, key("ann"), &entries, &count);
    CHECK_STR(anqa_json_text(entries[0].value), "{\"at\":1}");
    end(rt);
}

/* ---------------------------------------------------------------- duplicate keys */

TEST(duplicate_keys_hold_many_processes_and_a_process_many_times)
{
    anqa_rt *rt = begin();
    anqa_pid a = member(&topics, "news", "OK"), b = member(&topics, "news", "OK");
    anqa_registry_entry *entries;
    size_t count;

    CHECK_STATUS(anqa_registry_register(&topics, key("news"), NOTHING, NULL), ANQA_OK);
    CHECK_STATUS(anqa_registry_register(&topics, key("news"), NOTHING, NULL), ANQA_OK);
    CHECK_STATUS(anqa_registry_register(&topics, key("sport"), NOTHING, NULL), ANQA_OK);
    CHECK_EQ(anqa_registry_count(&topics), 5);
    CHECK_EQ(anqa_registry_count_key(&topics, key("news")), 4);
    anqa_registry_lookup(&topics, key("news"), &entries, &count);
    CHECK_EQ(count, 4);
    /* the youngest first */
    CHECK(anqa_pid_eq(entries[2].pid, b) && anqa_pid_eq(entries[3].pid, a));
    finish(b);
    CHECK_EQ(anqa_registry_count_key(&topics, key("news")), 3);
    CHECK_STATUS(anqa_registry_unregister(&topics, key("news")), ANQA_OK); /* both of ours */
    CHECK_EQ(anqa_registry_count_key(&topics, key("news")), 1);
    CHECK_STATUS(anqa_registry_unregister(&topics, key("news")), ANQA_E_NOT_FOUND);
    finish(a);
    CHECK_EQ(anqa_registry_count_key(&topics, key("news")), 0);
    CHECK_EQ(anqa_registry_count(&topics), 1);
    end(rt);
}

static void count_up(const anqa_registry_entry *entry, void *arg)
{
    CHECK(anqa_pid_eq(anqa_self(), *(anqa_pid *)arg)); /* in the caller */
    (void)anqa_send(anqa_self(), "dispatched", anqa_nothing());
    anqa_yield(); /* it may wait */
}

TEST(dispatch_runs_in_the_caller_for_each_process_of_a_key)
{
    anqa_rt *rt = begin();
    anqa_pid self = anqa_self();

    (void)member(&topics, "news", "OK");
    (void)member(&topics, "news", "OK");
    (void)member(&topics, "sport", "OK");
    CHECK_EQ(anqa_registry_dispatch(&topics, key("news"), count_up, &self), 2);
    (void)expect("dispatched");
    (void)expect("dispatched");
    CHECK(nothing_came("dispatched"));
    CHECK_EQ(anqa_registry_dispatch(&topics, key("weather"), count_up, &self), 0);
    CHECK_STATUS(anqa_registry_register(&topics, key("news"), NOTHING, NULL), ANQA_OK);
    CHECK_EQ(anqa_registry_send(&topics, key("news"), "hello", anqa_text(ANQA_JSON_TRUE)), 3);
    CHECK_STR(expect_text("hello"), "true");
    end(rt);
}

/* ---------------------------------------------------------------- looking around */

static bool begins_with(const anqa_registry_entry *entry, void *arg)
{
    return anqa_str_starts(entry->key, anqa_str_of(arg));
}

TEST(select_and_keys_find_entries_by_what_they_hold)
{
    anqa_rt *rt = begin();
    anqa_registry_entry *entries;
    size_t count;
    char name[32];

    (void)member(&topics, "room:1", "OK");
    for (int i = 0; i < 100; i++) {
        snprintf(name, sizeof name, "%s:%d", i % 2 == 0 ? "room" : "user", i);
        CHECK_STATUS(anqa_registry_register(&topics, key(name), NOTHING, NULL), ANQA_OK);
    }
    anqa_registry_select(&topics, begins_with, (void *)(uintptr_t)"room:", &entries, &count);
    CHECK_EQ(count, 51);
    anqa_registry_select(&topics, NULL, NULL, &entries, &count);
    CHECK_EQ(count, 101);
    anqa_registry_keys(&topics, anqa_self(), &entries, &count);
    CHECK_EQ(count, 100);
    end(rt);
}

TEST(metadata_stays_with_the_registry)
{
    anqa_rt *rt = begin();

    CHECK_EQ(anqa_registry_meta(&unique, "limit").len, 0);
    CHECK_STATUS(anqa_registry_put_meta(&unique, "limit", ANQA_JSON_LITERAL_("7")), ANQA_OK);
    CHECK_STATUS(anqa_registry_put_meta(&unique, "limit", ANQA_JSON_LITERAL_("80")), ANQA_OK);
    CHECK_STATUS(anqa_registry_put_meta(&unique, "owner", ANQA_JSON_TRUE), ANQA_OK);
    CHECK_STR(anqa_json_text(anqa_registry_meta(&unique, "limit")), "80");
    CHECK_STR(anqa_json_text(anqa_registry_meta(&unique, "owner")), "true");
    end(rt);
}

TEST(a_listener_is_told_of_every_change)
{
    anqa_rt *rt = begin();
    const anqa_msg *msg;
    anqa_pid pid;

    CHECK_STATUS(anqa_register("listener"), ANQA_OK);
    pid = member(&watched, "ann", "OK");
    msg = expect("register");
    CHECK(anqa_pid_eq(msg->from, pid));
    CHECK_STR(anqa_json_text(msg->body),
        "{\"registry\":\"watched\",\"key\":\"ann\",\"value\":{\"at\":1}}");
    finish(pid);
    CHECK_STR(expect_text("unregister"), "{\"registry\":\"watched\",\"key\":\"ann\"}");
    CHECK_STATUS(anqa_registry_register(&watched, key("me"), NOTHING, NULL), ANQA_OK);
    CHECK_STATUS(anqa_registry_unregister(&watched, key("me")), ANQA_OK);
    CHECK_STR(expect_text("register"), "{\"registry\":\"watched\",\"key\":\"me\",\"value\":null}");
    CHECK_STR(expect_text("unregister"), "{\"registry\":\"watched\",\"key\":\"me\"}");
    end(rt);
}

TEST(each_of_several_listeners_is_told_also_of_an_entry_that_goes_with_its_process)
{
    anqa_rt *rt = begin();
    anqa_pid pid;

    CHECK_STATUS(anqa_register("listener"), ANQA_OK);
    CHECK_STATUS(anqa_register("second listener"), ANQA_OK);
    pid = member(&watched, "ann", "OK");
    kill_and_wait(pid);
    for (int i = 0; i < 2; i++) {
        CHECK(anqa_pid_eq(expect("register")->from, pid));
        CHECK(anqa_pid_eq(expect("unregister")->from, pid));
    }
    CHECK(nothing_came("register") && nothing_came("unregister"));
    end(rt);
}

/* ---------------------------------------------------------------- starting under a key */

static anqa_next say_id(void *state, anqa_msg *msg)
{
    anqa_str id = anqa_child_id();

    return anqa_reply(anqa_jsonf("%.*s", ANQA_FMT(id)));
}

TEST(a_server_can_be_started_under_a_key_with_a_value)
{
    static const anqa_handler calls[] = {{"id", say_id}, {0}};
    static const anqa_gen_server room = {.state_size = 32, .handle_call = calls};
    anqa_start_opts opts = {
        .name = "room:1", .registry = &unique, .value = ANQA_JSON_LITERAL_("{\"seats\":4}")};
    anqa_rt *rt = begin();
    anqa_registry_entry *entries;
    anqa_pid pid = {0};
    size_t count;

    CHECK_STATUS(anqa_gen_server_start(&room, NULL, &opts, &pid, NULL), ANQA_OK);
    anqa_registry_lookup(&unique, key("room:1"), &entries, &count);
    CHECK_EQ(count, 1);
    CHECK(anqa_pid_eq(entries[0].pid, pid));
    CHECK_STR(anqa_json_text(entries[0].value), "{\"seats\":4}");
    CHECK_STR(anqa_json_text(anqa_call(pid, "id", NOTHING, ANQA_CALL_TIMEOUT_MS)), "\"room:1\"");
    opts.registry = NULL;
    CHECK_STATUS(anqa_gen_server_start(&room, NULL, &opts, &pid, NULL), ANQA_E_INVALID);
    end(rt);
}

/* ---------------------------------------------------------------- matching */

static bool has_value(const anqa_registry_entry *entry, void *arg)
{
    return anqa_str_is(anqa_json_text(entry->value), arg);
}

static void put(const anqa_registry *registry, const char *name, const char *value)
{
    CHECK_STATUS(
        anqa_registry_register(registry, key(name), anqa_json_of(key(value)), NULL), ANQA_OK);
}

TEST(matching_counts_and_removes_only_what_is_accepted_and_own)
{
    anqa_rt *rt = begin();
    anqa_pid other = member(&topics, "news", "OK"); /* value {"at":1} */

    put(&topics, "news", "1");
    put(&topics, "news", "2");
    put(&topics, "news", "1");
    put(&topics, "sport", "1");
    CHECK_EQ(anqa_registry_count_match(&topics, key("news"), has_value, (void *)"1"), 2);
    CHECK_EQ(anqa_registry_count_match(&topics, key("news"), NULL, NULL), 4);
    CHECK_EQ(anqa_registry_count_match(&topics, key("none"), NULL, NULL), 0);
    CHECK_EQ(anqa_registry_count_select(&topics, has_value, (void *)"1"), 3);
    CHECK_EQ(anqa_registry_count_select(&unique, NULL, NULL), 0);

    CHECK_EQ(anqa_registry_unregister_match(&topics, key("news"), has_value, (void *)"1"), 2);
    CHECK_EQ(anqa_registry_unregister_match(&topics, key("news"), has_value, (void *)"{\"at\":1}"),
        0, "another's stays");
    CHECK_EQ(anqa_registry_count_key(&topics, key("news")), 2);
    CHECK_EQ(anqa_registry_count_key(&topics, key("sport")), 1);
    finish(other);
    CHECK_EQ(anqa_registry_unregister_match(&unique, key("news"), NULL, NULL), 0);
    end(rt);
}

/* ---------------------------------------------------------------- pages */

enum { PAGED = 1000, PAGE = 7 };

/* Counts how often each of PAGED values comes. */
static void count_page(const anqa_registry_entry *entries, size_t count, int seen[PAGED])
{
    CHECK(count <= PAGE);
    for (size_t i = 0; i < count; i++) {
        int64_t value = strtol(entries[i].value.ptr, NULL, 10);
        if (value < PAGED)
            seen[value]++;
    }
}

static void put_numbered(const anqa_registry *registry, bool one_key, int from, int to)
{
    char name[32], value[32];

    for (int i = from; i < to; i++) {
        snprintf(name, sizeof name, "key %d", one_key ? 0 : i);
        snprintf(value, sizeof value, "%d", i);
        put(registry, name, value);
    }
}

static void check_each_once(const anqa_registry *registry)
{
    anqa_registry_cursor cursor = {0};
    anqa_registry_entry *entries;
    int seen[PAGED] = {0};
    size_t count;

    while (anqa_registry_select_page(registry, &cursor, PAGE, NULL, NULL, &entries, &count))
        count_page(entries, count, seen);
    for (int i = 0; i < PAGED; i++)
        CHECK_EQ(seen[i], 1, "entry %d", i);
}

TEST(pages_of_a_selection_are_bounded_and_give_each_entry_once)
{
    anqa_rt *rt = begin();
    anqa_registry_cursor cursor = {0};
    anqa_registry_entry *entries;
    size_t count, found = 0;

    CHECK(!anqa_registry_select_page(&unique, &cursor, PAGE, NULL, NULL, &entries, &count));
    CHECK_EQ(count, 0);
    put_numbered(&unique, false, 0, PAGED);
    check_each_once(&unique);
    put_numbered(&topics, true, 0, PAGED);
    check_each_once(&topics);
    while (anqa_registry_select_page(
        &unique, &cursor, PAGE, has_value, (void *)"500", &entries, &count))
        found += count;
    CHECK_EQ(found, 1);
    CHECK(!anqa_registry_select_page(&unique, &cursor, PAGE, NULL, NULL, &entries, &count));
    end(rt);
}

TEST(a_selection_in_pages_misses_nothing_that_stays_while_the_registry_grows_and_shrinks)
{
    anqa_rt *rt = begin();
    anqa_registry_cursor cursor = {0};
    anqa_registry_entry *entries;
    int seen[PAGED] = {0}, grown = PAGED;
    char name[32];
    size_t count;

    put_numbered(&unique, false, 0, PAGED);
    while (anqa_registry_select_page(&unique, &cursor, PAGE, NULL, NULL, &entries, &count)) {
        count_page(entries, count, seen);
        if (grown < 10 * PAGED) {
            put_numbered(&unique, false, grown, grown + 200);
            grown += 200;
        } else if (grown < 11 * PAGED) { /* what is left leaves tombstones, and room to shrink */
            for (int i = PAGED; i < 10 * PAGED; i++) {
                snprintf(name, sizeof name, "key %d", i);
                CHECK_STATUS(anqa_registry_unregister(&unique, key(name)), ANQA_OK);
            }
            put_numbered(&unique, false, 10 * PAGED, 13 * PAGED);
            grown = 13 * PAGED;
        }
    }
    for (int i = 0; i < PAGED; i++)
        CHECK(seen[i] >= 1, "entry %d", i);
    end(rt);
}

/* ---------------------------------------------------------------- locks */

static _Atomic(int) inside, rounds;

static void alone(void *arg)
{
    ANQA_REQUIRE(atomic_fetch_add(&inside, 1) == 0);
    anqa_yield();
    atomic_fetch_add(&rounds, 1);
    atomic_fetch_sub(&inside, 1);
}

static void lock_often(void *arg)
{
    for (int i = 0; i < 20; i++)
        anqa_registry_lock(&unique, key("k"), alone, NULL);
}

static void lock_for_ever(void *arg)
{
    report(*(anqa_pid *)arg, "locked", "");
    anqa_sleep(60000);
}

static void lock_and_stay(void *arg)
{
    anqa_registry_lock(&unique, key("k"), lock_for_ever, arg);
}

TEST(a_lock_of_a_key_is_held_by_one_process_and_ends_with_it)
{
    anqa_rt *rt = begin();
    anqa_pid self = anqa_self(), holder;
    anqa_ref refs[4];

    for (size_t i = 0; i < ANQA_COUNT(refs); i++)
        CHECK_STATUS(
            anqa_spawn(&(anqa_spawn_opts){.run = lock_often, .monitor = true}, NULL, &refs[i]),
            ANQA_OK);
    for (size_t i = 0; i < ANQA_COUNT(refs); i++)
        CHECK_EQ(anqa_reason_get_kind(anqa_receive_ref(refs[i], HARNESS_LONG_MS)->u.reason),
            ANQA_REASON_NORMAL);
    CHECK_EQ(atomic_load(&rounds), 80);
    CHECK_STATUS(
        anqa_spawn(&(anqa_spawn_opts){.run = lock_and_stay, .arg = &self, .arg_size = sizeof self},
            &holder, NULL),
        ANQA_OK);
    (void)expect("locked");
    anqa_exit_signal(holder, ANQA_KILL);
    anqa_registry_lock(&unique, key("k"), alone, NULL);
    CHECK_EQ(atomic_load(&rounds), 81);
    end(rt);
}

/* ---------------------------------------------------------------- many at once */

static _Atomic(bool) over;

/* Registers and unregisters keys of its own, so that the table grows and is full of gaps. */
static void churn(void *arg)
{
    unsigned who = *(unsigned *)arg;

    for (unsigned i = 0; i < 3000; i++) {
        anqa_str k = anqa_str_of(anqa_tmp_printf("%u:%u", who, i));
        ANQA_REQUIRE(anqa_registry_register(&unique, k, NOTHING, NULL) == ANQA_OK);
        ANQA_REQUIRE(anqa_pid_eq(anqa_registry_whereis(&unique, k), anqa_self()));
        if (i % 3 != 0)
            ANQA_REQUIRE(anqa_registry_unregister(&unique, k) == ANQA_OK);
        if (i % 64 == 0)
            anqa_yield();
    }
}

static void look_up(void *arg)
{
    anqa_pid holder = *(anqa_pid *)arg;

    while (!atomic_load(&over)) {
        for (int i = 0; i < 100; i++)
            ANQA_REQUIRE(anqa_pid_eq(anqa_registry_whereis(&unique, key("steady")), holder));
        anqa_yield();
    }
}

TEST(look_ups_find_what_is_there_while_others_change_the_table)
{
    anqa_rt *rt = begin();
    anqa_pid self = anqa_self();
    anqa_ref writers[3], readers[3];

    CHECK_STATUS(anqa_registry_register(&unique, key("steady"), NOTHING, NULL), ANQA_OK);
    for (unsigned i = 0; i < 3; i++) {
        CHECK_STATUS(
            anqa_spawn(
                &(anqa_spawn_opts){.run = churn, .arg = &i, .arg_size = sizeof i, .monitor = true},
                NULL, &writers[i]),
            ANQA_OK);
        CHECK_STATUS(
            anqa_spawn(
                &(anqa_spawn_opts){
                    .run = look_up, .arg = &self, .arg_size = sizeof self, .monitor = true},
                NULL, &readers[i]),
            ANQA_OK);
    }
    for (unsigned i = 0; i < 3; i++)
        CHECK_EQ(anqa_reason_get_kind(anqa_receive_ref(writers[i], 20000)->u.reason),
            ANQA_REASON_NORMAL);
    atomic_store(&over, true);
    for (unsigned i = 0; i < 3; i++)
        CHECK_EQ(anqa_reason_get_kind(anqa_receive_ref(readers[i], 20000)->u.reason),
            ANQA_REASON_NORMAL);
    CHECK_EQ(anqa_registry_count(&unique), 1);
    end(rt);
}

static _Atomic(unsigned) crowned;

/* Waits for the end of whoever has the key, has it once, and ends with it. */
static void succeed(void *arg)
{
    anqa_pid holder, before = {0};
    anqa_status status;

    while ((status = anqa_registry_register(&unique, key("crown"), NOTHING, &holder)) != ANQA_OK) {
        ANQA_REQUIRE(status == ANQA_E_EXISTS);
        ANQA_REQUIRE(!anqa_pid_eq(holder, before));
        ANQA_REQUIRE(anqa_receive_ref(anqa_monitor(holder), ANQA_INFINITY) != NULL);
        before = holder;
    }
    atomic_fetch_add(&crowned, 1);
    anqa_yield();
    ANQA_REQUIRE(anqa_pid_eq(anqa_registry_whereis(&unique, key("crown")), anqa_self()));
}

TEST(a_key_is_free_for_whoever_has_heard_of_its_holders_end)
{
    anqa_rt *rt = begin();
    anqa_registry_entry *entries;
    anqa_ref refs[100];
    size_t count;

    for (size_t i = 0; i < ANQA_COUNT(refs); i++)
        CHECK_STATUS(
            anqa_spawn(&(anqa_spawn_opts){.run = succeed, .monitor = true}, NULL, &refs[i]),
            ANQA_OK);
    for (size_t i = 0; i < ANQA_COUNT(refs); i++) {
        anqa_registry_lookup(&unique, key("crown"), &entries, &count);
        CHECK(count <= 1);
        CHECK_EQ(
            anqa_reason_get_kind(anqa_receive_ref(refs[i], 20000)->u.reason), ANQA_REASON_NORMAL);
    }
    CHECK_EQ(atomic_load(&crowned), ANQA_COUNT(refs));
    CHECK_EQ(anqa_registry_count(&unique), 0);
    end(rt);
}

TEST(running_out_of_memory_registers_nothing)
{
    anqa_rt *rt = begin();

    EACH_ALLOC_FAILURE {
        anqa_status status = anqa_registry_register(&unique, key("k"), ANQA_JSON_TRUE, NULL);
        CHECK(status == ANQA_OK || status == ANQA_E_NOMEM);
        CHECK_EQ(anqa_registry_count(&unique), status == ANQA_OK ? 1 : 0);
        if (status == ANQA_OK)
            CHECK_STATUS(anqa_registry_unregister(&unique, key("k")), ANQA_OK);
    }
    end(rt);
}

/* Two schedulers at one table: neither may wait for the other while it holds the table. */
enum { LEAVERS = 2, LEFT_BY_EACH = 2000 };

static atomic_uint leavers_ready, leavers_done;

static void leave_without_memory(void *state)
{
    unsigned number = *(const unsigned *)state;
    char name[16];

    for (unsigned i = 0; i < LEFT_BY_EACH; i++) {
        (void)snprintf(name, sizeof name, "%u of %u", i, number);
        CHECK_STATUS(anqa_registry_register(&unique, key(name), ANQA_JSON_TRUE, NULL), ANQA_OK);
    }
    atomic_fetch_add(&leavers_ready, 1);
    while (atomic_load(&leavers_ready) <= LEAVERS)
        anqa_yield();
    for (unsigned i = 0; i < LEFT_BY_EACH; i++) {
        (void)snprintf(name, sizeof name, "%u of %u", i, number);
        CHECK_STATUS(anqa_registry_unregister(&unique, key(name)), ANQA_OK);
    }
    atomic_fetch_add(&leavers_done, 1);
}

TEST(entries_leave_on_all_schedulers_at_once_without_memory)
{
    anqa_rt *rt = begin();

    for (unsigned i = 0; i < LEAVERS; i++)
        CHECK_STATUS(anqa_spawn(&(anqa_spawn_opts){.run = leave_without_memory,
                                    .arg = &i,
                                    .arg_size = sizeof i,
                                    .scheduler = (uint16_t)(i + 1),
                                    .pinned = true},
                         NULL, NULL),
            ANQA_OK);
    while (atomic_load(&leavers_ready) < LEAVERS)
        anqa_sleep(1);
    harness_out_of_memory(true);
    atomic_fetch_add(&leavers_ready, 1);
    while (atomic_load(&leavers_done) < LEAVERS)
        usleep(1000);
    harness_out_of_memory(false);
    CHECK_EQ(anqa_registry_count(&unique), 0);
    end(rt);
}

/* ---------------------------------------------------------------- the table */

/* Two keys of the same hash are told apart by their bytes alone: here the hash of the node is made that of the key asked for. */
TEST(keys_of_one_hash_that_differ_in_any_byte_are_two)
{
    enum { LONGEST = 40 };
    static const char owner;
    anqa_rt *rt = begin();
    struct table *table = table_of(rt, &owner, false);
    struct {
        struct table_node node;
        char key[LONGEST];
    } entry;

    CHECK(table != NULL);
    for (size_t len = 1; len <= LONGEST; len++) {
        char text[LONGEST];
        memset(text, 'k', sizeof text);
        for (size_t at = 0; at <= len; at++) { /* at len: none differs */
            anqa_str asked = anqa_str_make(text, len);
            struct table_node *found;
            table_node_init(&entry.node, anqa_self(), asked, offsetof(__typeof__(entry), key));
            if (at < len)
                entry.key[at] ^= 1;
            table_lock(table);
            CHECK_STATUS(table_put(table, &entry.node), ANQA_OK);
            found = table_get(table, asked);
            table_remove(table, &entry.node);
            table_unlock(table);
            CHECK_EQ(found != NULL, at == len, "%zu bytes, at %zu", len, at);
        }
    }
    end(rt);
}
