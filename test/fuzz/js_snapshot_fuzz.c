/*
 * Snapshots that anybody may have written. The first byte says what the rest is: a snapshot; changes to a good one, each
 * three bytes (where: two, and what); or the lines of one whose head is right. The latter two have a checksum that fits, so
 * what the fuzzer makes is believed. Properties: whatever comes of it is an error, or a process that can be asked, made a
 * snapshot of, and ended; one that nobody has touched goes on as ever.
 */
#include <string.h>

#include <anqa/anqa.h>

#include "base/sha256.h"
#include "fuzz/process.h"

enum { HEAD = 152, TAIL = 64, AT_LINES_LEN = 144, LINES_MAX = 1 << 16 };

static const anqa_js_script script = ANQA_JS_SCRIPT(.name = "fuzzed",
    .source = "let n = 1; const all = [new Map([[{}, 1n]]), new Float64Array(4), function* () { "
              "yield 1; }()];\n"
              "export function init() { new BroadcastChannel('t'); setTimeout(() => n++, 60000);\n"
              "  Beam.call('nap').catch(() => {}); all.push(Beam.self(), Beam.monitor(Beam.self(), "
              "() => {})); }\n"
              "export function add(by) { all[0].set(n, all[2].next()); return n += by; }\n",
    .topics = (const char *const[]){"t", NULL}, .handlers = (const anqa_js_handler[]){{0}},
    .limits = {.memory = 4 << 20, .turn_ms = 100});

static anqa_buf good;

static void make_good(void)
{
    anqa_pid pid;
    anqa_str bytes;

    fuzz_require(anqa_js_start_link(&script, NULL, NULL, &pid, NULL) == ANQA_OK);
    fuzz_require(anqa_js_call_json(pid, "add", anqa_json_of(anqa_str_of("[1]")), 10000, NULL, NULL,
                     NULL) == ANQA_OK);
    fuzz_require(anqa_js_snapshot(pid, 10000, &bytes, NULL) == ANQA_OK);
    fuzz_require(anqa_buf_copy(bytes.ptr, bytes.len, &good) == ANQA_OK);
    anqa_exit_signal(pid, ANQA_KILL);
}

static void drop_good(void)
{
    anqa_buf_unref(good);
    fuzz_stop();
}

static void begin(void)
{
    static const anqa_options options = {.schedulers = 1};

    if (fuzz_rt != NULL)
        return;
    anqa_log_set_level(ANQA_LOG_NONE);
    fuzz_require(
        anqa_start(&options, &fuzz_rt, NULL) == ANQA_OK && anqa_attach(fuzz_rt, NULL) == ANQA_OK);
    (void)anqa_trap_exit(true);
    make_good();
    if (anqa_test_at_end != NULL)
        anqa_test_at_end(drop_good);
}

/* ---------------------------------------------------------------- what the input says */

static anqa_str sealed(char *bytes, size_t len)
{
    sha256_of(bytes, len - TAIL, (unsigned char *)bytes + len - TAIL);
    return anqa_str_make(bytes, len);
}

static anqa_str changed(const uint8_t *data, size_t size)
{
    char *bytes = anqa_tmp_copy(good.ptr, good.len);

    for (; size >= 3; data += 3, size -= 3) {
        size_t at = ((size_t)data[0] | (size_t)data[1] << 8) % (good.len - TAIL);
        bytes[at] = (char)((uint8_t)bytes[at] ^ data[2]);
    }
    return sealed(bytes, good.len);
}

static anqa_str with_lines(const uint8_t *data, size_t size)
{
    size_t before = HEAD + strlen(script.name), len = before + size + TAIL;
    char *bytes = anqa_arena_alloc(anqa_tmp(), len);
    uint64_t lines_len = size;

    /* NOLINTNEXTLINE(bugprone-not-null-terminated-result): it has a length */
    memcpy(bytes, good.ptr, before);
    memcpy(bytes + AT_LINES_LEN, &lines_len, sizeof lines_len);
    if (size > 0)
        memcpy(bytes + before, data, size);
    memset(bytes + before + size, 0, TAIL);
    return sealed(bytes, len);
}

/* ---------------------------------------------------------------- what comes of it */

static bool is_alive_and_asked(anqa_pid pid)
{
    anqa_status status =
        anqa_js_call_json(pid, "add", anqa_json_of(anqa_str_of("[1]")), 10000, NULL, NULL, NULL);

    fuzz_require(status == ANQA_OK || status == ANQA_E_SCRIPT || status == ANQA_E_DIED ||
                 status == ANQA_E_NOPROC);
    return status == ANQA_OK || status == ANQA_E_SCRIPT;
}

static void end(anqa_pid pid)
{
    anqa_ref ref = anqa_monitor(pid);

    anqa_exit_signal(pid, ANQA_KILL);
    fuzz_require(anqa_receive_ref(ref, 10000) != NULL);
}

static void try_it(anqa_str bytes)
{
    anqa_pid pid, twin;
    anqa_str again;
    anqa_status status = anqa_js_restore_link(&script, bytes, NULL, NULL, &pid, NULL);

    fuzz_require(status == ANQA_OK || status == ANQA_E_PARSE || status == ANQA_E_VERSION ||
                 status == ANQA_E_INVALID || status == ANQA_E_LIMIT || status == ANQA_E_STOPPED ||
                 status == ANQA_E_DIED);
    if (status != ANQA_OK)
        return;
    if (is_alive_and_asked(pid) && anqa_js_snapshot(pid, 10000, &again, NULL) == ANQA_OK &&
        anqa_js_restore_link(&script, again, NULL, NULL, &twin, NULL) == ANQA_OK)
        end(twin);
    end(pid);
}

static void try_the_good_one(void)
{
    anqa_json answer;
    anqa_pid pid;

    fuzz_require(
        anqa_js_restore_link(&script, anqa_buf_str(good), NULL, NULL, &pid, NULL) == ANQA_OK);
    fuzz_require(anqa_js_call_json(pid, "add", anqa_json_of(anqa_str_of("[1]")), 10000, &answer,
                     NULL, NULL) == ANQA_OK);
    fuzz_require(anqa_str_is(anqa_json_text(answer), "3"));
    end(pid);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    begin();
    if (size == 0 || size > LINES_MAX)
        return 0;
    switch (data[0] % 3) {
    case 0: try_it(anqa_str_make((const char *)data + 1, size - 1)); break;
    case 1: try_it(changed(data + 1, size - 1)); break;
    default: try_it(with_lines(data + 1, size - 1));
    }
    try_the_good_one();
    fuzz_event_over();
    return 0;
}
