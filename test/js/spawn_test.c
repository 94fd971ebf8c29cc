/* Processes that scripts start, and names by which they find each other. */
#include "support.h"

static anqa_status echo(const anqa_js_request *request, anqa_value_writer *result)
{
    anqa_value_put(result, request->args);
    return ANQA_OK;
}

static const anqa_js_handler handlers[] = {{"echo", echo}, {0}};
static const anqa_registry names = {.name = "script names"};
static const char *const topics[] = {"prices", NULL};

/* Runs `code`, the text of a function of a child, and gives back what it answers. */
#define ASK_CHILD                                                                            \
    "globalThis.answers = new Map();\n"                                                      \
    "Beam.onMessage((m) => { const r = answers.get(m[0]); answers.delete(m[0]); r?.(m[1]); " \
    "});\n"                                                                                  \
    "globalThis.ask = (pid, code) => new Promise((r) => { const k = "                        \
    "String(Beam.uniqueInteger()); answers.set(k, r); Beam.send(pid, [Beam.self(), k, "      \
    "code]); });\n"
#define CHILD                                                                                    \
    "export function init(arg) { globalThis.arg = arg; Beam.onMessage(async ([to, k, code]) => " \
    "{ let v; try { v = await (0, eval)(code); } catch (e) { v = String(e); } Beam.send(to, "    \
    "[k, v]); }); }"

static const anqa_js_script parent = ANQA_JS_SCRIPT(.name = "parent",
    .source = "export function init() {" ASK_CHILD "}\n"
              "globalThis.child = `" CHILD "`;\n"
              "export function start(...a) { globalThis.kid = Beam.spawn(...a); return 1; }",
    .handlers = handlers, .topics = topics, .registry = &names,
    .limits = {
        .memory = (size_t)16 << 20, .turn_ms = 500, .timers = 10, .calls = 5, .children = 4});

TEST(a_script_starts_another_and_they_talk)
{
    anqa_rt *rt = js_begin(2);
    anqa_pid pid = js_start(&parent);

    CHECK_STR(
        js_eval(pid, "globalThis.kid = Beam.spawn(child, {n: 5}); Beam.processInfo().children"),
        "1");
    CHECK_STR(js_eval(pid, "ask(kid, '[arg.n, Beam.processInfo().children]')"), "[5,1]");
    CHECK_STR(js_eval(pid, "ask(kid, 'Beam.callSync(\"echo\", 1, 2)')"), "[1,2]");
    CHECK_STR(js_eval(pid, "ask(kid, 'typeof BroadcastChannel')"), "\"function\"");
    js_end(rt);
}

TEST(a_script_may_start_none_unless_its_limits_say_so)
{
    static const anqa_js_script closed =
        ANQA_JS_SCRIPT(.name = "closed", .source = "export function f() {}");
    anqa_rt *rt = js_begin(1);
    anqa_pid pid = js_start(&closed);

    CHECK_STR(js_eval(pid, "Beam.spawn('')"),
        "Error: this script may start no others: its limits.children is 0");
    CHECK_STR(js_eval(pid, "Beam.spawn(null)"),
        "Error: this script may start no others: its limits.children is 0");
    js_end(rt);
}

TEST(null_starts_another_process_of_the_same_script)
{
    static const anqa_js_script same = ANQA_JS_SCRIPT(.name = "same",
        .source = "export function init(arg) { if (arg) Beam.send(arg, [Beam.id(), "
                  "Beam.processInfo().children]); else Beam.onMessage((v) => { "
                  "globalThis.got = v; }); }\n"
                  "export function start() { Beam.spawn(null, Beam.self()); return "
                  "Beam.sleep(20); }",
        .limits = {.children = 1});
    anqa_rt *rt = js_begin(1);
    anqa_pid pid = js_start(&same);

    CHECK_STR(js_call(pid, "start", "[]"), "null");
    CHECK_STR(js_eval(pid, "got"), "[\"same\",1]");
    js_end(rt);
}

TEST(a_text_that_does_not_load_is_an_error_of_who_starts_it)
{
    anqa_rt *rt = js_begin(1);
    anqa_pid pid = js_start(&parent);

    CHECK(strstr(js_eval(pid, "Beam.spawn('let x = ;')"), "SyntaxError") != NULL);
    CHECK(strstr(js_eval(pid, "Beam.spawn('throw new TypeError(\"at start\")')"), "at start") !=
          NULL);
    CHECK(strstr(js_eval(pid, "Beam.spawn('export function init() { throw 5 }')"), "init") != NULL);
    CHECK(strstr(js_eval(pid, "Beam.spawn('for (;;);')"), "interrupted") != NULL);
    CHECK(strstr(js_eval(pid, "Beam.spawn(child, () => 1)"), "Error") != NULL);
    CHECK_STR(js_eval(pid, "Beam.processInfo().children"), "0");
    CHECK_STR(js_eval(pid, "Beam.spawn(' '.repeat((4 << 20) + 1))"),
        "Error: the text of a script has more than 4194304 bytes");
    js_end(rt);
}

TEST(all_that_descend_from_a_process_count_together)
{
    anqa_rt *rt = js_begin(2);
    anqa_pid pid = js_start(&parent);

    /* each child starts one; the fifth of all is refused, whoever asks */
    CHECK_STR(js_eval(pid, "globalThis.kid = Beam.spawn(child); ask(kid, 'globalThis.kid = '"
                           " + 'Beam.spawn(' + JSON.stringify(child) + '); 1')"),
        "1");
    CHECK_STR(js_eval(pid, "Beam.spawn(child); Beam.processInfo().children"), "3");
    CHECK_STR(js_eval(pid, "ask(kid, 'Beam.spawn(' + JSON.stringify(child) + '); 1')"), "1");
    CHECK_STR(js_eval(pid, "Beam.spawn(child)"), "Error: more than 4 children");
    CHECK_STR(js_eval(pid, "ask(kid, 'Beam.spawn(\"\")')"), "\"Error: more than 4 children\"");
    CHECK_STR(js_eval(pid, "ask(kid, 'Beam.spawn(null)')"), "\"Error: more than 4 children\"");
    js_end(rt);
}

static bool are_gone(const anqa_pid *pids, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (anqa_is_alive(pids[i]))
            return false;
    return true;
}

static bool is_of_a_script(const anqa_msg *msg, void *arg)
{
    return anqa_tag_is(msg->tag, ANQA_JS_MESSAGE);
}

/* The pids that Beam.send brings to this process. */
static void collect(anqa_pid pid, const char *code, anqa_pid *pids, size_t count)
{
    anqa_value_writer writer;
    anqa_value value;
    uint64_t bits = 0;

    anqa_value_writer_init(&writer, anqa_tmp(), NULL);
    anqa_value_put_pid(&writer, anqa_self().bits);
    CHECK_STATUS(anqa_value_done(&writer, &value), ANQA_OK);
    CHECK_STR(js_eval(pid, "globalThis.was = null; Beam.onMessage((p) => { globalThis.tester = p; "
                           "}); 1"),
        "1");
    CHECK_STATUS(anqa_js_send(pid, value), ANQA_OK);
    CHECK_STR(js_eval(pid, code), "1");
    for (size_t i = 0; i < count; i++) {
        const anqa_msg *msg = anqa_receive_if(is_of_a_script, NULL, LONG_MS);
        CHECK(msg != NULL);
        CHECK_STATUS(anqa_value_check(msg->body.ptr, msg->body.len, NULL, &value), ANQA_OK);
        CHECK_STATUS(anqa_value_get_bits(value, &bits), ANQA_OK);
        pids[i] = (anqa_pid){bits};
    }
}

#define FAMILY                                                                                  \
    "const deep = `export function init(to) { Beam.unlink(to[1]); Beam.send(to[0], "            \
    "Beam.self()); }`; const mid = `export function init(to) { Beam.send(to[0], Beam.self()); " \
    "Beam.unlink(Beam.spawn(to[2], [to[0], Beam.self()])); }`;"                                 \
    "Beam.unlink(Beam.spawn(mid, [tester, Beam.self(), deep])); 1"

static const struct {
    const char *name, *code; /* NULL: killed */
} endings[] = {
    {"normal", "setTimeout(() => Beam.exit(), 1); 1"},
    {"shutdown", "setTimeout(() => Beam.exit('shutdown'), 1); 1"},
    {"error", "setTimeout(() => Beam.exit('broken'), 1); 1"},
    {"killed", NULL},
};

TEST(children_end_with_their_parent_whatever_links_there_are)
{
    anqa_rt *rt = js_begin(2);

    anqa_trap_exit(true);
    for (size_t i = 0; i < ANQA_COUNT(endings); i++) {
        anqa_pid pid = js_start(&parent), pids[2];
        anqa_ref ref, kids[2];
        collect(pid, FAMILY, pids, 2);
        ref = anqa_monitor(pid);
        kids[0] = anqa_monitor(pids[0]);
        kids[1] = anqa_monitor(pids[1]);
        if (endings[i].code != NULL)
            CHECK_STR(js_eval(pid, endings[i].code), "1");
        else
            anqa_exit_signal(pid, ANQA_KILL);
        (void)js_ended(ref);
        CHECK_STR(js_ended(kids[0]), "shutdown", "%s", endings[i].name);
        CHECK_STR(js_ended(kids[1]), "shutdown", "%s", endings[i].name);
        CHECK(are_gone(pids, 2), "%s", endings[i].name);
    }
    js_end(rt);
}

TEST(a_child_that_fails_ends_its_parent_unless_that_has_unlinked)
{
    anqa_rt *rt = js_begin(1);
    anqa_pid linked, apart;
    anqa_ref ref;

    anqa_trap_exit(true);
    linked = js_start(&parent);
    apart = js_start(&parent);
    ref = anqa_monitor(linked);
    CHECK_STR(js_eval(linked, "Beam.spawn('export function init() { setTimeout(() => "
                              "Beam.exit(\"failed\"), 5) }'); 1"),
        "1");
    CHECK_STR(js_ended(ref), "error: failed");
    CHECK_STR(js_eval(apart, "const kid = Beam.spawn('export function init() { setTimeout(() => "
                             "Beam.exit(\"failed\"), 5) }'); Beam.unlink(kid); new Promise((r) => "
                             "Beam.monitor(kid, (who, why) => r(why)))"),
        "\"error: failed\"");
    CHECK_STR(js_eval(apart, "Beam.processInfo().children"), "0");
    js_end(rt);
}

static const struct {
    const char *args, *reason;
} exits[] = {
    {"kid", "shutdown"},
    {"kid, 'shutdown'", "shutdown"},
    {"kid, 'normal'", "shutdown"},
    {"kid, 'kill'", "killed"},
    {"kid, 'not needed'", "error: not needed"},
    {"kid, new Error('x')", "error: Error: x"},
};

TEST(a_script_ends_a_child_whatever_that_is_doing, .timeout_ms = 60000)
{
    static const char start[] =
        "globalThis.kid = Beam.spawn('export function init() { Beam.onMessage(() => { for (;;); "
        "}); }'); globalThis.ended = new Promise((r) => Beam.monitor(kid, (who, why) => r(why))); "
        "%s Beam.exit(%s)";
    anqa_rt *rt = js_begin(2);
    anqa_pid pid = js_start(&parent);

    for (size_t i = 0; i < 2 * ANQA_COUNT(exits); i++) {
        size_t row = i / 2;
        CHECK_STR(js_eval(pid, anqa_tmp_printf(
                                   start, i % 2 == 0 ? "" : "Beam.send(kid, 1);", exits[row].args)),
            "true", "%s", exits[row].args);
        CHECK_STR(js_eval(pid, "ended"), anqa_tmp_printf("\"%s\"", exits[row].reason), "%s",
            exits[row].args);
        CHECK_STR(js_eval(pid, "[Beam.exit(kid), Beam.processInfo().children]"), "[false,0]");
    }
    js_end(rt);
}

TEST(a_script_ends_nobody_but_itself_and_its_children)
{
    anqa_rt *rt = js_begin(2);
    anqa_pid pid, other;
    anqa_ref ref;

    anqa_trap_exit(true);
    pid = js_start(&parent);
    other = js_start(&parent);
    CHECK_STR(js_eval(other, "Beam.register('other'); 1"), "1");
    CHECK_STR(js_eval(pid, "Beam.exit(Beam.whereis('other'), 'kill')"), "false");
    CHECK_STR(js_eval(pid, "globalThis.kid = Beam.spawn(child, Beam.self()); ask(kid, "
                           "'Beam.exit(arg, \"kill\")')"),
        "false");
    CHECK_STR(js_eval(other, "1"), "1");
    ref = anqa_monitor(pid);
    CHECK_STR(js_eval(pid, "setTimeout(() => Beam.exit(Beam.self(), 'mine'), 1); 1"), "1");
    CHECK_STR(js_ended(ref), "error: mine");
    js_end(rt);
}

TEST(a_script_links_its_parent_and_its_children_only)
{
    static const char refused[] =
        "TypeError: only parent and child may be linked: Beam.monitor tells of others";
    anqa_rt *rt = js_begin(1);
    anqa_pid pid, other;
    anqa_ref ref;

    anqa_trap_exit(true);
    pid = js_start(&parent);
    other = js_start(&parent);
    anqa_unlink(other);
    CHECK_STR(js_eval(other, "Beam.register('other'); 1"), "1");
    CHECK_STATUS(anqa_registry_register(&names, anqa_str_of("c"), ANQA_JSON_NULL, NULL), ANQA_OK);
    CHECK_STR(js_eval(pid, "Beam.link(Beam.whereis('other'))"), refused);
    CHECK_STR(js_eval(pid, "Beam.link(Beam.whereis('c'))"), refused);
    CHECK_STR(js_eval(pid, "Beam.link(Beam.self())"), "undefined");
    CHECK_STR(js_eval(pid, "Beam.unlink(Beam.whereis('other'))"),
        "TypeError: only parent and child may be unlinked");
    CHECK_STR(js_eval(pid, "Beam.unlink(Beam.self())"), "undefined");
    CHECK_STR(js_eval(pid, "globalThis.kid = Beam.spawn(child, Beam.self()); 1"), "1");
    CHECK_STR(js_eval(pid, "ask(kid, 'Beam.link(Beam.whereis(\"other\"))')"),
        anqa_tmp_printf("\"%s\"", refused));
    CHECK_STR(js_eval(pid, "ask(kid, 'Beam.unlink(arg); Beam.link(arg); 1')"), "1");
    CHECK_STR(js_eval(pid, "Beam.unlink(kid); Beam.link(kid); 1"), "1");
    CHECK_STR(js_eval(pid, "Beam.register('parent'); 1"), "1");
    CHECK_STR(js_eval(other, "globalThis.gone = Beam.whereis('parent'); 1"), "1");
    ref = anqa_monitor(pid);
    (void)js_eval(
        pid, "Beam.send(kid, [Beam.self(), 0, 'Beam.exit(\"gone\")'])"); /* it may end first */
    CHECK_STR(js_ended(ref), "error: gone");
    CHECK_STR(js_eval(other, "Beam.unlink(gone)"), "undefined");
    js_end(rt);
}

/* Neither ends nor yields for a while. */
static anqa_status spin(const anqa_js_request *request, anqa_value_writer *result)
{
    uint64_t until = anqa_now_ms() + 20;

    while (anqa_now_ms() < until)
        ;
    return ANQA_OK;
}

/* The four leaves leave half of the two schedulers to the others: what would be left to who was preempted beside those that
 * spin all the time takes a loaded machine minutes. */
TEST(who_begins_anew_finds_the_places_of_all_that_descended_from_it_free)
{
    static const anqa_js_handler spinning[] = {{"spin", spin}, {0}};
    static const anqa_js_script deep = ANQA_JS_SCRIPT(.name = "deep",
        .source = "const leaf = 'export function init() { setInterval(() => "
                  "Beam.callSync(\"spin\"), 60) }';\n"
                  "const text = 'export function init(leaf) { Beam.spawn(leaf); Beam.spawn(leaf); "
                  "}';\n"
                  "export function init() { Beam.spawn(text, leaf); Beam.spawn(text, leaf); }",
        .handlers = spinning, .limits = {.children = 6});
    anqa_rt *rt = js_begin(2);
    anqa_pid pid = js_start(&deep);

    for (int i = 0; i < 5; i++) {
        CHECK_STATUS(anqa_js_reset(pid, LONG_MS, NULL), ANQA_OK);
        CHECK_STR(js_eval(pid, "Beam.processInfo().children"), "6");
    }
    js_end(rt);
}

/* A child among others begins anew: they are not touched. */
TEST(a_child_that_begins_anew_ends_what_descends_from_it_only)
{
    static const anqa_js_script deep = ANQA_JS_SCRIPT(.name = "deep",
        .source = "const leaf = 'export function init() { setInterval(() => {}, 1) }';\n"
                  "globalThis.text = 'export function init(leaf) { Beam.spawn(leaf); "
                  "Beam.spawn(leaf); }';\n"
                  "export function init() { globalThis.kid = Beam.spawn(text, leaf); "
                  "globalThis.other = Beam.spawn(leaf); }",
        .limits = {.children = 4});
    anqa_rt *rt = js_begin(2);
    anqa_pid pid = js_start(&deep);
    anqa_value kid = {NULL, 0};
    uint64_t bits = 0;

    CHECK_STATUS(anqa_js_get_global(pid, anqa_str_of("kid"), LONG_MS, &kid, NULL, NULL), ANQA_OK);
    CHECK_STATUS(anqa_value_get_bits(kid, &bits), ANQA_OK);
    CHECK_STR(js_eval(pid, "globalThis.ended = 0; Beam.monitor(other, () => ended++); 1"), "1");
    for (int i = 0; i < 10; i++) {
        CHECK_STATUS(anqa_js_reset((anqa_pid){bits}, LONG_MS, NULL), ANQA_OK);
        CHECK_STR(js_eval(pid, "Beam.processInfo().children"), "4");
    }
    CHECK_STR(js_eval(pid, "ended"), "0");
    js_end(rt);
}

/* Starts one, linked, and ends when it is told. */
static void own(void *arg)
{
    anqa_pid tell = *(anqa_pid *)arg, pid = js_start(&parent);

    CHECK_STATUS(
        anqa_registry_register(&names, anqa_str_of("owner"), ANQA_JSON_NULL, NULL), ANQA_OK);
    CHECK_STATUS(anqa_send(tell, "owned", anqa_bytes(&pid, sizeof pid)), ANQA_OK);
    (void)anqa_receive(ANQA_INFINITY);
    anqa_exit(anqa_error_reason("over"));
}

static bool is_owned(const anqa_msg *msg, void *arg)
{
    return anqa_tag_is(msg->tag, "owned");
}

TEST(a_script_cannot_leave_the_process_of_c_that_has_started_it)
{
    anqa_rt *rt = js_begin(1);
    anqa_pid self = anqa_self(), owner, pid;
    const anqa_msg *msg;
    anqa_ref ref;

    CHECK_STATUS(anqa_spawn(&(anqa_spawn_opts){.run = own, .arg = &self, .arg_size = sizeof self},
                     &owner, NULL),
        ANQA_OK);
    msg = anqa_receive_if(is_owned, NULL, LONG_MS);
    CHECK(msg != NULL);
    memcpy(&pid, msg->body.ptr, sizeof pid);
    ref = anqa_monitor(pid);
    CHECK_STR(js_eval(pid, "Beam.unlink(Beam.whereis('owner'))"),
        "TypeError: only parent and child may be unlinked");
    CHECK_STATUS(anqa_send(owner, "end", anqa_nothing()), ANQA_OK);
    CHECK_STR(js_ended(ref), "error: over");
    js_end(rt);
}

TEST(a_child_that_ends_at_once_is_no_end_of_its_parent)
{
    anqa_rt *rt = js_begin(2);
    anqa_pid pid = js_start(&parent);

    CHECK_STR(js_eval(pid, "(async () => { for (let i = 0; i < 300; i++) { Beam.spawn('export "
                           "function init() { setTimeout(Beam.exit, 0) }'); if (i % 3 === 0) while "
                           "(Beam.processInfo().children > 0) await Beam.sleep(1); } })()"),
        "undefined");
    CHECK_STR(js_eval(pid, "1"), "1");
    js_end(rt);
}

/* What a child gets of each limit: as much as its parent, and no more. */
TEST(no_quota_is_escaped_by_starting_another)
{
    anqa_rt *rt = js_begin(2);
    anqa_pid pid = js_start(&parent);
    const char *times[] = {
        "globalThis.kid = Beam.spawn(child); 1", "globalThis.kid = Beam.spawn(null); 1"};

    CHECK_STR(js_eval(pid, times[0]), "1");
    CHECK_STR(js_eval(pid, "ask(kid, 'Beam.processInfo().memoryLimit')"), "16777216");
    CHECK_STR(
        js_eval(pid, "ask(kid, 'new Uint8Array(20 << 20)')"), "\"InternalError: out of memory\"");
    CHECK_STR(js_eval(pid, "ask(kid, 'for (let i = 0; i < 11; i++) setTimeout(() => {}, 1e6)')"),
        "\"RangeError: more than 10 timers\"");
    CHECK_STR(js_eval(pid, "ask(kid, 'for (let i = 0; i < 6; i++) Beam.call(\"echo\")')"),
        "\"RangeError: more than 5 calls wait for an answer\"");
    CHECK_STR(js_eval(pid, "ask(kid, 'Beam.callSync(\"other\")')"),
        "\"ReferenceError: no handler 'other' is listed for this script\"");
    CHECK_STR(js_eval(pid, "ask(kid, 'new BroadcastChannel(\"other\")')"),
        "\"ReferenceError: no topic 'other' is listed for this script\"");
    /* the turn fails in the child, whose parent hears nothing */
    CHECK_STR(js_eval(pid, "Promise.race([ask(kid, 'for (;;);'), Beam.sleep(1500)])"), "undefined");
    CHECK_STR(js_eval(pid, "ask(kid, '1')"), "1");
    js_end(rt);
}

/* A parent in its turn cannot be parked for its own child. */
TEST(a_child_that_finds_no_window_is_an_error)
{
    /* it waits for one, which takes no time by a fake clock */
    anqa_rt *rt = js_begin_with(&(anqa_options){.deterministic = true, .js_mapped = 1});
    anqa_pid pid = js_start(&parent);

    CHECK(strstr(js_eval(pid, "Beam.spawn(null)"), "js_mapped") != NULL);
    CHECK_STR(js_eval(pid, "Beam.processInfo().children"), "0");
    js_end(rt);
}

/* ---------------------------------------------------------------- images of texts */

static size_t mapped_images(void)
{
    char line[512];
    FILE *maps = fopen("/proc/self/maps", "r");
    size_t count = 0;

    CHECK(maps != NULL);
    while (fgets(line, sizeof line, maps) != NULL)
        if (strstr(line, "anqa-js") != NULL && strstr(line, "r--s") != NULL)
            count++; /* each image is mapped once to compare with */
    fclose(maps);
    return count;
}

TEST(images_of_texts_that_nobody_runs_are_given_back)
{
    anqa_rt *rt = js_begin(1);
    anqa_pid pid = js_start(&parent);
    size_t with_cache;

    CHECK_EQ(mapped_images(), 1);
    for (int i = 0; i < 20; i++)
        CHECK_STR(js_eval(pid, anqa_tmp_printf("Beam.spawn('export function init() { "
                                               "setTimeout(Beam.exit, 1) } // %d'); Beam.sleep(10)",
                                   i)),
            "undefined");
    with_cache = mapped_images();
    CHECK(with_cache <= 17, "%zu", with_cache);
    CHECK(with_cache >= 2, "%zu", with_cache);
    /* what was there already is found again */
    CHECK_STR(js_eval(pid, "Beam.spawn('export function init() { setTimeout(Beam.exit, 1) } // "
                           "19'); Beam.sleep(10)"),
        "undefined");
    CHECK_EQ(mapped_images(), with_cache);
    js_end(rt);
}

/* ---------------------------------------------------------------- names */

TEST(names_are_those_of_the_registry_that_a_script_was_given)
{
    anqa_rt *rt = js_begin(2);
    anqa_pid a = js_start(&parent), b = js_start(&parent);

    CHECK_STR(js_eval(a, "Beam.register('left'); Beam.whereis('left')"), "pid");
    CHECK(anqa_pid_eq(anqa_registry_whereis(&names, anqa_str_of("left")), a));
    CHECK(anqa_pid_is_none(anqa_whereis("left")));
    CHECK_STR(js_eval(b, "[String(Beam.whereis('left')) === String(Beam.self()), "
                         "Beam.whereis('right')]"),
        "[false,null]");
    CHECK_STR(js_eval(b, "Beam.register('left')"), "Error: the name 'left' is taken");
    CHECK_STR(js_eval(b, "Beam.unregister('left')"), "false");
    CHECK_STR(js_eval(a, "[Beam.unregister('left'), Beam.unregister('left'), "
                         "Beam.whereis('left')]"),
        "[true,false,null]");
    CHECK_STR(js_eval(b, "Beam.register('left'); Beam.processInfo().names"), "1");
    js_end(rt);
}

TEST(names_of_the_runtime_are_not_to_be_seen)
{
    static const anqa_js_script closed =
        ANQA_JS_SCRIPT(.name = "closed", .source = "export function f() {}");
    anqa_rt *rt = js_begin(1);
    anqa_pid open = js_start(&parent), pid = js_start(&closed);

    CHECK_STATUS(anqa_register("secret"), ANQA_OK);
    CHECK_STR(js_eval(open, "Beam.whereis('secret')"), "null");
    CHECK_STR(
        js_eval(pid, "Beam.whereis('secret')"), "Error: this script has no registry of names");
    CHECK_STR(js_eval(pid, "Beam.register('x')"), "Error: this script has no registry of names");
    CHECK_STR(js_eval(pid, "Beam.unregister('x')"), "Error: this script has no registry of names");
    js_end(rt);
}

TEST(a_process_has_no_more_than_sixteen_names_which_go_with_it)
{
    anqa_rt *rt = js_begin(1);
    anqa_pid pid;

    anqa_trap_exit(true);
    pid = js_start(&parent);
    CHECK_STR(js_eval(pid, "for (let i = 0; ; i++) Beam.register('n' + i)"),
        "RangeError: more than 16 names");
    CHECK_STR(js_eval(pid, "Beam.unregister('n3'); Beam.register('again'); "
                           "Beam.processInfo().names"),
        "16");
    CHECK_EQ(anqa_registry_count(&names), 16);
    CHECK_STR(js_eval(pid, "Beam.register('')"), "RangeError: a name has 1 to 255 bytes");
    CHECK_STR(
        js_eval(pid, "Beam.register('x'.repeat(256))"), "RangeError: a name has 1 to 255 bytes");
    CHECK_STR(js_eval(pid, "Beam.unregister('again'); Beam.register('a\\0b')"),
        "TypeError: a name holds a NUL");
    (void)js_kill(pid);
    CHECK_EQ(anqa_registry_count(&names), 0);
    js_end(rt);
}
