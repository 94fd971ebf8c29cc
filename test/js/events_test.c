/* Events and signals: what Node does not do, or not as the DOM Standard says; what is logged. What Node does too is in
 * web/events.cases.mjs. */
#include "support.h"

#include <stdio.h>

static const anqa_js_script script =
    ANQA_JS_SCRIPT(.name = "events", .source = "export const nothing = 0;", .apis = ANQA_JS_EVENTS);

static const struct {
    const char *name, *code, *result;
} cases[] = {
    {"listeners that capture hear first",
        "const t = new EventTarget(), h = []; t.addEventListener('x', () => h.push('later'));"
        "t.addEventListener('x', () => h.push('first'), true); t.dispatchEvent(new Event('x')); h",
        "[\"first\",\"later\"]"},
    {"who captures stops the others",
        "const t = new EventTarget(), h = []; t.addEventListener('x', () => h.push('later'));"
        "t.addEventListener('x', e => { h.push('first'); e.stopPropagation() }, true);"
        "t.dispatchEvent(new Event('x')); h",
        "[\"first\"]"},
    {"a passive listener prevents nothing",
        "const t = new EventTarget(); let p;"
        "t.addEventListener('x', e => { e.preventDefault(); p = e.defaultPrevented }, {passive: "
        "1});"
        "[p, t.dispatchEvent(new Event('x', {cancelable: true})), p]",
        "[undefined,true,false]"},
    {"an event is dispatched once at a time",
        "const t = new EventTarget(), e = new Event('x'); let name;"
        "t.addEventListener('x', () => { try { t.dispatchEvent(e) } catch (error) { name = "
        "error.name } });"
        "t.dispatchEvent(e); name",
        "\"InvalidStateError\""},
    {"what inherits from an event is none", "Object.create(new Event('x')).type",
        "TypeError: private class field '#type' does not exist"},
    {"on<type> takes functions and objects only",
        "const {signal} = new AbortController(); signal.onabort = 5; const five = signal.onabort;"
        "signal.onabort = {}; [five, typeof signal.onabort]",
        "[null,\"object\"]"},
    {"any takes what can be iterated",
        "AbortSignal.any(new Set([AbortSignal.abort('set')])).reason", "\"set\""},
    {"any is aborted before its source tells",
        "const a = new AbortController(), s = AbortSignal.any([a.signal]); let seen;"
        "a.signal.onabort = () => { seen = s.aborted }; a.abort(); seen",
        "true"},
    {"events have what they were given",
        "const e = new ErrorEvent('error', {message: 'm', filename: 'f', lineno: -1, colno: 2.5, "
        "error: 7});"
        "const c = new CloseEvent('close', {wasClean: 1, code: 1001, reason: 'r'});"
        "const p = new ProgressEvent('p', {lengthComputable: true, loaded: 1, total: 2});"
        "[e.message, e.filename, e.lineno, e.colno, e.error, c.wasClean, c.code, c.reason,"
        " p.lengthComputable, p.loaded, p.total, new ErrorEvent('x').error, String(c)]",
        "[\"m\",\"f\",4294967295,2,7,true,1001,\"r\",true,1,2,undefined,\"[object CloseEvent]\"]"},
    {"initEvent makes an event anew, but not while it is dispatched",
        "const t = new EventTarget(), e = new Event('x'); e.initEvent('y', true, true); let during;"
        "t.addEventListener('y', () => { e.initEvent('z'); during = e.type });"
        "t.dispatchEvent(e); e.initEvent('w'); [during, e.type, e.bubbles, e.target]",
        "[\"y\",\"w\",false,null]"},
    {"a detail is given later",
        "const e = new CustomEvent('x'); e.initCustomEvent('y', false, true, 5);"
        "[e.type, e.cancelable, e.detail]",
        "[\"y\",true,5]"},
    {"a timeout is a number of milliseconds",
        "[NaN, -1, Infinity, {}, 2 ** 53].map(ms => { try { return AbortSignal.timeout(ms) && "
        "'made' }"
        "catch (e) { return e.name } })",
        "[\"TypeError\",\"TypeError\",\"TypeError\",\"TypeError\",\"TypeError\"]"},
    {"what throws does not end the dispatch",
        "const t = new EventTarget(), h = []; t.addEventListener('x', () => { throw new "
        "Error('first') });"
        "t.addEventListener('x', {handleEvent: 5}); t.addEventListener('x', () => h.push('heard'));"
        "[t.dispatchEvent(new Event('x')), h]",
        "[true,[\"heard\"]]"},
    {"a port is moved, not copied",
        "const {port1, port2} = new MessageChannel();"
        "try { port1.postMessage(port2) } catch (e) { e.name + ' ' + e.code }",
        "\"DataCloneError 25\""},
    {"isTrusted cannot be had by lying",
        "try { Object.defineProperty(Event.prototype, 'isTrusted', {get: () => true}) } catch {}"
        "new Event('x').isTrusted",
        "false"},
    {"what all objects have sees nothing of the platform's own",
        "const seen = [], {port1} = new MessageChannel(), other = new MessageChannel();"
        "for (const name of ['reported', 'fire', 'host', 'task', 'copy', 'move'])"
        "Object.defineProperty(Object.prototype, name, {configurable: true, get() { "
        "seen.push(name, Object.keys(this)) }});"
        "reportError(new Error('x')); try { port1.postMessage(other.port1) } catch {} seen",
        "[]"},
};

TEST(events_are_what_the_standard_says)
{
    anqa_rt *rt = js_begin(1);

    for (size_t i = 0; i < ANQA_COUNT(cases); i++) {
        anqa_pid pid = js_start(&script);
        CHECK_STR(js_eval(pid, cases[i].code), cases[i].result, "%s", cases[i].name);
    }
    js_end(rt);
}

static char log_lines[8192];

static void keep_line(void *ctx, const anqa_log_event *event)
{
    size_t len = strlen(log_lines);

    snprintf(
        log_lines + len, sizeof log_lines - len, "%s %.*s\n", event->id, ANQA_FMT(event->fields));
}

TEST(what_a_listener_throws_is_logged)
{
    anqa_rt *rt = js_begin(1);
    anqa_pid pid = js_start(&script);

    anqa_log_set_level(ANQA_ERROR);
    anqa_log_set_sink(keep_line, NULL);
    CHECK_STR(js_eval(pid,
                  "const t = new EventTarget();"
                  "t.addEventListener('x', () => { throw new RangeError('too many') });"
                  "t.addEventListener('y', () => { throw new Proxy({}, {ownKeys() { throw 1 }}) });"
                  "reportError('reported'); t.dispatchEvent(new Event('y'));"
                  "t.dispatchEvent(new Event('x'))"),
        "true");
    js_end(rt);
    anqa_log_set_sink(NULL, NULL);
    CHECK(strstr(log_lines, "a listener of \\\"x\\\" failed: RangeError: too many") != NULL, "%s",
        log_lines);
    CHECK(strstr(log_lines, "an error was reported: reported") != NULL, "%s", log_lines);
    CHECK(strstr(log_lines, "[cannot be shown]") != NULL, "%s", log_lines);
}

/* Signals of one long source, or with a timeout of an hour, that nobody keeps. */
TEST(signals_that_nobody_waits_for_are_given_back)
{
    anqa_rt *rt = js_begin(1);
    anqa_pid pid = js_start(&script);
    anqa_js_info before = {0}, after = {0};

    CHECK_STR(js_eval(pid, "globalThis.source = new AbortController();"
                           "globalThis.make = (n) => { for (let i = 0; i < n; i++) {"
                           "  AbortSignal.any([source.signal]); AbortSignal.timeout(3600000) } };"
                           "make(100)"),
        "undefined");
    CHECK_STATUS(anqa_js_get_info(pid, LONG_MS, &before, NULL), ANQA_OK);
    for (int i = 0; i < 60; i++) /* more than there may be timers */
        CHECK_STR(js_eval(pid, "make(200)"), "undefined");
    CHECK_STATUS(anqa_js_get_info(pid, LONG_MS, &after, NULL), ANQA_OK);
    CHECK(after.memory <= before.memory + (1u << 20), "%zu, then %zu", before.memory, after.memory);
    js_end(rt);
}

TEST(signals_that_somebody_waits_for_stay)
{
    anqa_rt *rt = js_begin(1);
    anqa_pid pid = js_start(&script);

    CHECK_STR(
        js_eval(pid, "globalThis.heard = []; globalThis.source = new AbortController();"
                     "AbortSignal.any([source.signal]).onabort = () => heard.push('any');"
                     "AbortSignal.timeout(20).addEventListener('abort', () => heard.push('time'));"
                     "new Promise(done => setTimeout(() => { source.abort(); done(heard) }, 60))"),
        "[\"time\",\"any\"]");
    js_end(rt);
}

/* Each message of a port has a turn of its own, so that who speaks without end can be spoken to. */
TEST(ports_that_never_rest_let_others_have_their_turn)
{
    anqa_rt *rt = js_begin(1);
    anqa_pid pid = js_start(&script);

    CHECK_STR(js_eval(pid, "globalThis.count = 0; const {port1, port2} = new MessageChannel();"
                           "port1.onmessage = () => { count++; port1.postMessage(0) };"
                           "port2.onmessage = () => port2.postMessage(0); port1.postMessage(0)"),
        "undefined");
    CHECK_STR(js_eval(pid, "new Promise(done => { const look = () => count > 10 ? done('heard') : "
                           "setTimeout(look, 5); look(); })"),
        "\"heard\"");
    js_end(rt);
}

/* What is made while the script loads is there in its processes. */
TEST(ports_and_signals_made_at_the_top_level_work)
{
    static const anqa_js_script early = ANQA_JS_SCRIPT(.name = "early",
        .source = "const {port1, port2} = new MessageChannel(); let heard = '';\n"
                  "port2.onmessage = (e) => { heard += e.data }; port1.postMessage('loaded');\n"
                  "const signal = AbortSignal.timeout(5);\n"
                  "export const look = () => new Promise(done =>\n"
                  "  setTimeout(() => done(heard + ' ' + signal.aborted), 50));\n",
        .apis = ANQA_JS_EVENTS);
    anqa_rt *rt = js_begin(1);

    CHECK_STR(js_call(js_start(&early), "look", "[]"), "\"loaded true\"");
    CHECK_STR(js_call(js_start(&early), "look", "[]"), "\"loaded true\"");
    js_end(rt);
}

TEST(messages_come_where_a_script_has_as_many_timers_as_it_may_and_sends_none)
{
    static const anqa_js_script bound =
        ANQA_JS_SCRIPT(.name = "bound", .source = "export const nothing = 0;",
            .apis = ANQA_JS_EVENTS, .limits = {.timers = 1, .unread = 1});
    anqa_rt *rt = js_begin(1);
    anqa_pid pid = js_start(&bound);

    CHECK_STR(
        js_eval(pid, "setTimeout(() => {}, 1e6); const {port1, port2} = new MessageChannel(), "
                     "heard = []; new Promise((done) => { port2.onmessage = (e) => { "
                     "if (heard.push(e.data) === 3) done(heard) }; for (let i = 0; i < 3; i++) "
                     "port1.postMessage(i) })"),
        "[0,1,2]");
    CHECK_STR(js_eval(pid, "try { setTimeout(() => {}, 1) } catch (e) { e.message }"),
        "\"more than 1 timers\"");
    js_end(rt);
}
