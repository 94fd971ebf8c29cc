/* What one process has for itself: time, locks, storage. What Node does too of the time is in web/performance.cases.mjs; it has
 * no locks and no storage. */
#include "support.h"

#include <stdio.h>

static const anqa_js_script script = ANQA_JS_SCRIPT(.name = "local",
    .source = "export const start = performance.now(), mark = performance.mark('loaded').name;",
    .apis = ANQA_JS_PERFORMANCE | ANQA_JS_LOCKS | ANQA_JS_STORAGE);

struct row {
    const char *name, *code, *result;
};

static void check_each(const struct row *rows, size_t count)
{
    anqa_rt *rt = js_begin(1);

    for (size_t i = 0; i < count; i++)
        CHECK_STR(js_eval(js_start(&script), rows[i].code), rows[i].result, "%s", rows[i].name);
    js_end(rt);
}

/* ---------------------------------------------------------------- time */

static const struct row times[] = {
    {"the time counts from the start of the process, not of the script",
        "performance.now() < 10000 && performance.now() >= 0", "true"},
    {"tenths of milliseconds are the finest",
        "let fine = 0; for (let i = 0; i < 2000; i++) {"
        "  const t = performance.now() * 10; if (Math.abs(t - Math.round(t)) > 1e-6) fine++ } fine",
        "0"},
    {"what was marked at the top level is there", "performance.getEntriesByName('loaded').length",
        "1"},
    {"the oldest of more than 10,000 entries go",
        "for (let i = 0; i < 10005; i++) performance.mark('m' + i, {startTime: i});"
        "const all = performance.getEntries(); [all.length, all[0].name, all[9999].name]",
        "[10000,\"m5\",\"m10004\"]"},
    {"a time of a mark is finite",
        "[NaN, Infinity, -1, 'x'].map(v => { try { performance.mark('m', {startTime: v}) }"
        "catch (e) { return e.name } })",
        "[\"TypeError\",\"TypeError\",\"TypeError\",\"TypeError\"]"},
    {"members need performance",
        "['now', 'mark', 'measure', 'getEntries'].map(k => {"
        "  try { performance[k].call({}, 'x') } catch (e) { return e.name } })",
        "[\"TypeError\",\"TypeError\",\"TypeError\",\"TypeError\"]"},
};

TEST(time_marks_and_measures)
{
    check_each(times, ANQA_COUNT(times));
}

static char log_lines[2048];

static void keep_line(void *ctx, const anqa_log_event *event)
{
    size_t len = strlen(log_lines);

    snprintf(
        log_lines + len, sizeof log_lines - len, "%s %.*s\n", event->id, ANQA_FMT(event->fields));
}

TEST(what_a_job_throws_is_logged_and_the_next_one_runs)
{
    anqa_rt *rt = js_begin(1);

    anqa_log_set_level(ANQA_ERROR);
    anqa_log_set_sink(keep_line, NULL);
    CHECK_STR(
        js_eval(js_start(&script),
            "new Promise(done => { queueMicrotask(() => { throw new RangeError('of a job') });"
            "queueMicrotask(() => done('next')) })"),
        "\"next\"");
    js_end(rt);
    anqa_log_set_sink(NULL, NULL);
    CHECK(strstr(log_lines, "js.job_failed") != NULL && strstr(log_lines, "of a job") != NULL, "%s",
        log_lines);
}

/* ---------------------------------------------------------------- locks */

/* `hold` takes a lock until it is let go; `log` is what has happened. */
#define LOCKS                                                                               \
    "const log = [], locks = navigator.locks, gates = {};"                                  \
    "const hold = (name, options, label) => locks.request(name, options ?? {}, (lock) => {" \
    "  log.push(label + (lock === null ? ' none' : ''));"                                   \
    "  return lock === null ? undefined : new Promise(done => { gates[label] = done }) })"  \
    "  .catch((e) => { log.push(`${label} ${e?.name ?? e}`) });"                            \
    "const soon = () => new Promise(done => setTimeout(done, 2));"

static const struct row locks[] = {
    {"a lock is given and says what it is",
        "navigator.locks.request('a', (lock) => [lock.name, lock.mode, String(lock), lock "
        "instanceof Lock])",
        "[\"a\",\"exclusive\",\"[object Lock]\",true]"},
    {"what the callback returns comes back", "navigator.locks.request('a', async () => 5)", "5"},
    {"what the callback throws comes back",
        "navigator.locks.request('a', () => { throw new RangeError('x') }).catch(e => e.name)",
        "\"RangeError\""},
    {"a lock that failed is given back",
        "navigator.locks.request('a', () => { throw 1 }).catch(() => 0)"
        ".then(() => navigator.locks.request('a', {ifAvailable: true}, lock => lock !== null))",
        "true"},
    {"the callback is not called at once",
        "let called = false; navigator.locks.request('a', () => { called = true }); called",
        "false"},
    {"one holds, the others wait in their order",
        LOCKS "(async () => { hold('a', {}, 1); hold('a', {}, 2); hold('a', {}, 3); await soon();"
              "const first = [...log]; gates[1](); await soon(); gates[2](); await soon();"
              "return [first, log] })()",
        "[[\"1\"],[\"1\",\"2\",\"3\"]]"},
    {"other names do not wait",
        LOCKS "(async () => { hold('a', {}, 1); hold('b', {}, 2); await soon(); return log })()",
        "[\"1\",\"2\"]"},
    {"those that share hold together",
        LOCKS "(async () => { hold('a', {mode: 'shared'}, 1); hold('a', {mode: 'shared'}, 2);"
              "await soon(); return log })()",
        "[\"1\",\"2\"]"},
    {"who shares waits behind who does not",
        LOCKS "(async () => { const s = {mode: 'shared'}; hold('a', s, 1); hold('a', {}, 2);"
              "hold('a', s, 3); await soon(); const first = [...log]; gates[1](); await soon();"
              "const then = [...log]; gates[2](); await soon(); return [first, then, log] })()",
        "[[\"1\"],[\"1\",\"2\"],[\"1\",\"2\",\"3\"]]"},
    {"who takes only what is available is told",
        LOCKS "(async () => { hold('a', {}, 1); hold('a', {ifAvailable: true}, 2);"
              "hold('b', {ifAvailable: true}, 3); await soon(); return log })()",
        "[\"1\",\"2 none\",\"3\"]"},
    {"who shares has what others share",
        LOCKS "(async () => { const s = {mode: 'shared', ifAvailable: true}; hold('a', s, 1);"
              "hold('a', s, 2); hold('a', {ifAvailable: true}, 3); await soon(); return log })()",
        "[\"1\",\"2\",\"3 none\"]"},
    {"who steals has it, and who had it hears",
        LOCKS "(async () => { hold('a', {}, 1); hold('a', {}, 2); await soon();"
              "hold('a', {steal: true}, 3); await soon(); gates[1](); await soon();"
              "const first = [...log]; gates[3](); await soon(); return [first, log] })()",
        "[[\"1\",\"3\",\"1 AbortError\"],[\"1\",\"3\",\"1 AbortError\",\"2\"]]"},
    {"who waits can be aborted",
        LOCKS "(async () => { const c = new AbortController(); hold('a', {}, 1);"
              "hold('a', {signal: c.signal}, 2); hold('a', {}, 3); await soon(); c.abort();"
              "await soon(); gates[1](); await soon(); return log })()",
        "[\"1\",\"2 AbortError\",\"3\"]"},
    {"who has the lock is not aborted",
        LOCKS "(async () => { const c = new AbortController(); hold('a', {signal: c.signal}, 1);"
              "await soon(); c.abort(); await soon(); gates[1](); await soon(); return log })()",
        "[\"1\"]"},
    {"who is aborted already is told the reason",
        "navigator.locks.request('a', {signal: AbortSignal.abort('why')}, () => 1).catch(e => e)",
        "\"why\""},
    {"what holds and waits is listed",
        LOCKS "(async () => { hold('a', {}, 1); hold('a', {mode: 'shared'}, 2); hold('b', {}, 3);"
              "await soon(); const { held, pending } = await locks.query();"
              "return [held.map(l => l.name + l.mode), pending.map(l => l.name + l.mode)] })()",
        "[[\"aexclusive\",\"bexclusive\"],[\"ashared\"]]"},
    {"nothing is left when all is given back",
        "(async () => { await navigator.locks.request('a', () => 1);"
        "const { held, pending } = await navigator.locks.query(); return held.length + "
        "pending.length })()",
        "0"},
    {"names may be any text but those with a dash",
        "Promise.all(['', '__proto__', 'constructor', '-x'].map(n =>"
        "  navigator.locks.request(n, l => l.name).catch(e => e.name)))",
        "[\"\",\"__proto__\",\"constructor\",\"NotSupportedError\"]"},
    {"options that contradict are refused",
        "Promise.all([{steal: true, ifAvailable: true}, {steal: true, mode: 'shared'},"
        "  {steal: true, signal: new AbortController().signal}, {mode: 'x'}, 5, {signal: "
        "{}}].map(o =>"
        "  navigator.locks.request('a', o, () => 1).catch(e => e.name)))",
        "[\"NotSupportedError\",\"NotSupportedError\",\"NotSupportedError\",\"TypeError\","
        "\"TypeError\",\"TypeError\"]"},
    {"a callback is needed",
        "Promise.all([navigator.locks.request('a').catch(e => e.name),"
        "  navigator.locks.request('a', {}).catch(e => e.name),"
        "  navigator.locks.request('a', {}, 5).catch(e => e.name)])",
        "[\"TypeError\",\"TypeError\",\"TypeError\"]"},
    {"there are 10,000 at once",
        "(async () => { let done; const gate = new Promise(d => { done = d }), all = [];"
        "for (let i = 0; i < 10000; i++) all.push(navigator.locks.request('a', () => gate));"
        "const more = await navigator.locks.request('b', () => 1).catch(e => e.name);"
        "done(); await Promise.all(all);"
        "return [more, await navigator.locks.request('b', () => 1)] })()",
        "[\"QuotaExceededError\",1]"},
    {"locks are not constructed",
        "[Lock, LockManager, Navigator].map(C => { try { return new C() } catch (e) { return "
        "e.name } })",
        "[\"TypeError\",\"TypeError\",\"TypeError\"]"},
};

TEST(locks_are_given_in_order)
{
    check_each(locks, ANQA_COUNT(locks));
}

/* ---------------------------------------------------------------- storage */

static const struct row storage[] = {
    {"what is set is there",
        "localStorage.setItem('a', 5); [localStorage.getItem('a'), localStorage.getItem('b'), "
        "localStorage.length]",
        "[\"5\",null,1]"},
    {"items are properties",
        "localStorage.a = 1; localStorage['b c'] = {}; [localStorage.a, localStorage['b c'],"
        " localStorage.c, 'a' in localStorage, 'c' in localStorage, Object.keys(localStorage)]",
        "[\"1\",\"[object Object]\",undefined,true,false,[\"a\",\"b c\"]]"},
    {"items are taken away",
        "localStorage.a = 1; localStorage.b = 2; localStorage.c = 3; localStorage.removeItem('a');"
        "delete localStorage.b; localStorage.removeItem('none'); delete localStorage.none;"
        "[localStorage.length, localStorage.key(0), localStorage.key(1)]",
        "[1,\"c\",null]"},
    {"all are taken away",
        "localStorage.a = 1; localStorage.clear(); [localStorage.length, localStorage.a]",
        "[0,undefined]"},
    {"keys stay in their order",
        "for (const k of ['z', 'a', 'm']) localStorage[k] = k; localStorage.a = 'again';"
        "[0, 1, 2, 3, -1, NaN, 4294967296].map(i => localStorage.key(i))",
        "[\"z\",\"a\",\"m\",null,null,\"z\",\"z\"]"},
    {"members are not hidden by items",
        "localStorage.setItem('getItem', 'x'); localStorage.length = 'y'; localStorage.toString = "
        "'z';"
        "[typeof localStorage.getItem, localStorage.length, localStorage.getItem('length'),"
        " Object.keys(localStorage), String(localStorage)]",
        "[\"function\",3,\"y\",[],\"[object Storage]\"]"},
    {"properties look as they do elsewhere",
        "localStorage.a = 1; const d = Object.getOwnPropertyDescriptor(localStorage, 'a');"
        "[d.value, d.writable, d.enumerable, d.configurable, Object.hasOwn(localStorage, 'a'),"
        " JSON.stringify(localStorage), {...localStorage}.a]",
        "[\"1\",true,true,true,true,\"{\"a\":\"1\"}\",\"1\"]"},
    {"properties are defined as items",
        "Object.defineProperty(localStorage, 'a', {value: 7});"
        "try { Object.defineProperty(localStorage, 'b', {get() {}}) } catch (e) { var name = "
        "e.name }"
        "[localStorage.getItem('a'), name, localStorage.length]",
        "[\"7\",\"TypeError\",1]"},
    {"symbols are properties of its own",
        "const s = Symbol('s'); localStorage[s] = {}; [typeof localStorage[s], "
        "localStorage.length]",
        "[\"object\",0]"},
    {"keys and values are texts",
        "localStorage.setItem(null, undefined); localStorage.setItem('\\ud800', '\\udc00');"
        "[localStorage.getItem('null'), localStorage.getItem('\\ud800') === '\\udc00']",
        "[\"undefined\",true]"},
    {"a key may be __proto__",
        "localStorage.setItem('__proto__', 'x'); [localStorage.getItem('__proto__'),"
        " Object.getPrototypeOf(localStorage) === Storage.prototype]",
        "[\"x\",true]"},
    {"it cannot be frozen nor be of another class",
        "[() => Object.freeze(localStorage), () => Object.preventExtensions(localStorage),"
        " () => Object.setPrototypeOf(localStorage, null)].map(f => {"
        "  try { f(); return 'done' } catch (e) { return e.name } })",
        "[\"TypeError\",\"TypeError\",\"TypeError\"]"},
    {"arguments are needed",
        "['getItem', 'setItem', 'removeItem', 'key'].map(k => {"
        "  try { localStorage[k]() } catch (e) { return e.name } })",
        "[\"TypeError\",\"TypeError\",\"TypeError\",\"TypeError\"]"},
    {"members need the storage",
        "[() => Storage.prototype.getItem.call({}, 'a'), () => new Storage(),"
        " () => Storage.prototype.length].map(f => { try { return f() } catch (e) { return e.name "
        "} })",
        "[\"TypeError\",\"TypeError\",\"TypeError\"]"},
    {"there is room for 5 Mi characters",
        "const half = 'x'.repeat(5 << 19); localStorage.a = half.slice(1); localStorage.b = "
        "half.slice(1);"
        "try { localStorage.c = '' } catch (e) { var first = [e.name, e.code] }"
        "try { localStorage.a = half } catch (e) { var second = e.name }"
        "localStorage.a = ''; localStorage.c = half.slice(2);"
        "[first, second, localStorage.length, localStorage.b.length]",
        "[[\"QuotaExceededError\",22],\"QuotaExceededError\",3,2621439]"},
    {"what does not fit leaves what was there",
        "localStorage.a = 'old'; try { localStorage.a = 'x'.repeat(6 << 20) } catch {} "
        "localStorage.a",
        "\"old\""},
};

TEST(storage_holds_texts_by_name)
{
    check_each(storage, ANQA_COUNT(storage));
}

TEST(storage_is_the_processes_own)
{
    anqa_rt *rt = js_begin(1);
    anqa_pid one = js_start(&script), two = js_start(&script);

    CHECK_STR(js_eval(one, "localStorage.a = 1; localStorage.length"), "1");
    CHECK_STR(js_eval(two, "localStorage.length"), "0");
    CHECK_STR(js_eval(one, "localStorage.a"), "\"1\"");
    js_end(rt);
}
