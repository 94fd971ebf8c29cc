#include "js/bytecode.h"

#include <anqa/gen_server.h>
#include <anqa/memory.h>

#include "base/sha256.h"
#include "js/debug.h"
#include "js/source.h"
#include "js/turn.h"
#include "otp/child.h"

enum {
    WRITE_CODE = 1,    /* the engine's flags: JS_WRITE_OBJ_BYTECODE, */
    STRIP_SOURCE = 16, /* JS_WRITE_OBJ_STRIP_SOURCE, */
    READ_CODE = 1,     /* JS_READ_OBJ_BYTECODE */
    ENGINE_LEN = 32,
    COMPILE_MS = 60000
};

static const char compile_tag[] = "$js.compile"; /* told apart by address */

/* ---------------------------------------------------------------- reading */

anqa_status bytecode_check(const anqa_js_script *script, anqa_str *ret_code, anqa_error *err)
{
    const char *at = script->bytecode;
    unsigned char digest[SHA256_LEN];
    uint32_t name_len, len;

    if ((script->bytecode_len > 0 && script->bytecode_len < BYTECODE_HEAD) ||
        memcmp(at, BYTECODE_MAGIC, 8) != 0)
        return anqa_fail(err, ANQA_E_INVALID, "script '%s': that is no bytecode", script->name);
    if (memcmp(at + 8, ANQA_JS_ENGINE, ENGINE_LEN) != 0)
        return anqa_fail(err, ANQA_E_INVALID,
            "the bytecode of script '%s' is of another engine (%.8s, this is %.8s): compile it "
            "again",
            script->name, at + 8, ANQA_JS_ENGINE);
    memcpy(&name_len, at + BYTECODE_HEAD - 8, 4);
    memcpy(&len, at + BYTECODE_HEAD - 4, 4);
    if (script->bytecode_len > 0 &&
        script->bytecode_len != (uint64_t)BYTECODE_HEAD + name_len + len)
        return anqa_fail(
            err, ANQA_E_INVALID, "the bytecode of script '%s' is not whole", script->name);
    sha256_of(at + BYTECODE_HEAD - 8, 8 + (size_t)name_len + len, digest);
    if (memcmp(digest, at + 8 + ENGINE_LEN, SHA256_LEN) != 0)
        return anqa_fail(
            err, ANQA_E_INVALID, "the bytecode of script '%s' is damaged", script->name);
    if (!anqa_str_is(anqa_str_make(at + BYTECODE_HEAD, name_len), script->name))
        return anqa_fail(err, ANQA_E_INVALID, "the bytecode of script '%s' is that of '%.*s'",
            script->name, name_len > 64 ? 64 : (int)name_len, at + BYTECODE_HEAD);
    *ret_code = anqa_str_make(at + BYTECODE_HEAD + name_len, len);
    return ANQA_OK;
}

void bytecode_seal(char *bytes, size_t len)
{
    unsigned char digest[SHA256_LEN];

    sha256_of(bytes + BYTECODE_HEAD - 8, len - (BYTECODE_HEAD - 8), digest);
    memcpy(bytes + 8 + ENGINE_LEN, digest, SHA256_LEN);
}

uint64_t bytecode_read(struct js *js, anqa_str code)
{
    struct engine *e = &js->engine;
    uint32_t ctx = js->image->ctx, at = turn_put(js, code.ptr, code.len);
    uint64_t module;

    if (at == 0)
        return q_JS_ThrowOutOfMemory(e, ctx);
    module = q_JS_ReadObject(e, ctx, at, (uint32_t)code.len, READ_CODE);
    q_free(e, at);
    if (turn_is_exception(module))
        return module;
    if (JS_TAG(module) != JS_TAG_MODULE) {
        turn_free(js, module);
        return turn_throw(js, "SyntaxError", "the bytecode is no module's");
    }
    return (int32_t)q_JS_ResolveModule(e, ctx, module) < 0 ? JS_EXCEPTION : module;
}

/* ---------------------------------------------------------------- compiling, in a process of its own */

bool bytecode_is_request(const anqa_msg *msg)
{
    return msg->tag == compile_tag;
}

/* The request is the name, a NUL, the text; the answer a byte, 0 or 1, with the words of an error or the code. */
struct compiling {
    anqa_str name, text;
    bool ok;
    anqa_str out;
};

static void set_error(struct js *js, struct compiling *compiling)
{
    anqa_js_error error = turn_exception(js);

    compiling->out = anqa_str_of(anqa_tmp_printf(
        "%.*s: %.*s\n%.*s", ANQA_FMT(error.name), ANQA_FMT(error.message), ANQA_FMT(error.stack)));
}

static void compile(struct js *js, void *arg)
{
    struct compiling *compiling = arg;
    struct engine *e = &js->engine;
    uint64_t module =
        debug_compile(js, compiling->text, anqa_tmp_copy(compiling->name.ptr, compiling->name.len));
    uint32_t sp = e->sp, out = js_frame(js, 16), bytes = 0, len;

    if (!turn_is_exception(module))
        bytes = q_JS_WriteObject(e, js->image->ctx, out, module, WRITE_CODE | STRIP_SOURCE);
    len = js_u32(js, out);
    e->sp = sp;
    if (bytes == 0) {
        set_error(js, compiling);
        return;
    }
    compiling->ok = true;
    compiling->out = anqa_str_make(anqa_tmp_copy(js_at(js, bytes, len), len), len);
}

void bytecode_answer(struct js *js, const anqa_msg *msg)
{
    size_t name_len = strnlen(msg->body.ptr, msg->body.len - 1);
    struct compiling compiling = {.name = anqa_str_make(msg->body.ptr, name_len),
        .text = anqa_str_make(msg->body.ptr + name_len + 1, msg->body.len - name_len - 1)};
    anqa_caller caller = anqa_msg_caller(msg);
    char *bytes;

    turn_run(js, compile, &compiling);
    bytes = anqa_arena_alloc(anqa_tmp(), 1 + compiling.out.len);
    bytes[0] = compiling.ok ? 1 : 0;
    memcpy(bytes + 1, compiling.out.ptr, compiling.out.len);
    anqa_reply_to(&caller, anqa_bytes(bytes, 1 + compiling.out.len));
}

/* ---------------------------------------------------------------- asking for it */

static const anqa_js_script compiler = ANQA_JS_SCRIPT(.name = "compiler", .source = "export {};",
    .limits = {.memory = (size_t)1 << 30, .turn_ms = COMPILE_MS});

static void end(void *arg)
{
    anqa_pid pid = {(uint64_t)(uintptr_t)arg};

    anqa_exit_signal(pid, ANQA_KILL);
}

static anqa_str with_head(const anqa_js_script *script, anqa_str code)
{
    uint32_t name_len = (uint32_t)strlen(script->name), len = (uint32_t)code.len;
    size_t all = BYTECODE_HEAD + (size_t)name_len + len;
    char *bytes = anqa_arena_alloc(anqa_tmp(), all);

    /* NOLINTNEXTLINE(bugprone-not-null-terminated-result): it has a length */
    memcpy(bytes, BYTECODE_MAGIC, 8);
    memcpy(bytes + 8, ANQA_JS_ENGINE, ENGINE_LEN);
    memcpy(bytes + BYTECODE_HEAD - 8, &name_len, 4);
    memcpy(bytes + BYTECODE_HEAD - 4, &len, 4);
    /* NOLINTNEXTLINE(bugprone-not-null-terminated-result): it has a length */
    memcpy(bytes + BYTECODE_HEAD, script->name, name_len);
    if (code.len > 0)
        memcpy(bytes + BYTECODE_HEAD + name_len, code.ptr, code.len);
    bytecode_seal(bytes, all);
    return anqa_str_make(bytes, all);
}

static anqa_status ask(
    anqa_pid pid, const anqa_js_script *script, anqa_str text, anqa_str *ret_code, anqa_error *err)
{
    size_t name_len = strlen(script->name);
    char *request = anqa_arena_alloc(anqa_tmp(), name_len + 1 + text.len);
    const anqa_msg *msg = NULL;
    anqa_status status;

    memcpy(request, script->name, name_len + 1);
    memcpy(request + name_len + 1, text.ptr, text.len);
    status = anqa_try_call_payload(
        pid, compile_tag, anqa_bytes(request, name_len + 1 + text.len), 2 * COMPILE_MS, &msg, err);
    if (status != ANQA_OK)
        return status;
    if (msg->body.ptr[0] == 0)
        return anqa_fail(err, ANQA_E_SCRIPT, "script '%s' does not compile: %.*s", script->name,
            (int)msg->body.len - 1, msg->body.ptr + 1);
    *ret_code = anqa_str_make(msg->body.ptr + 1, msg->body.len - 1);
    return ANQA_OK;
}

anqa_status anqa_js_compile(
    const anqa_js_script *script, anqa_str *ret_bytecode, anqa_str *ret_source_map, anqa_error *err)
{
    struct child_start start = {.kind = CHILD_SERVER, .spec = &compiler.server};
    anqa_deferred mark = anqa_defer_mark();
    struct js_source source;
    anqa_str code = {NULL, 0};
    anqa_status status = source_check(script, err);
    anqa_pid pid;

    if (status == ANQA_OK && script->bytecode != NULL)
        return anqa_fail(err, ANQA_E_INVALID, "script '%s' is bytecode already", script->name);
    if (status == ANQA_OK)
        status = source_read(script, &source, err);
    if (status != ANQA_OK)
        return status;
    source_files_free(source.files);
    status = child_start(&start, &pid, err);
    if (status != ANQA_OK)
        return status;
    (void)anqa_defer(end, (void *)(uintptr_t)pid.bits); /* also when we are killed */
    status = ask(pid, script, source.text, &code, err);
    anqa_defer_run_to(mark);
    if (status != ANQA_OK)
        return status;
    *ret_bytecode = with_head(script, code);
    if (ret_source_map != NULL)
        *ret_source_map = source.map;
    return ANQA_OK;
}
