/*
 * What the engine imports: memory, traps, the clock, host calls. These run on the stack of the turn, as C like any
 * other: the engine may be exited from in here (anqa_exit), but not jumped out of into another turn.
 */
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

#include <wasm-rt.h>

#include <anqa/log.h>

#include "js/beam.h"
#include "js/debug.h"
#include "js/js.h"
#include "js/preempt.h"
#include "js/turn.h"
#include "runtime/sched.h"

enum { PAGE = 65536, TYPES_MAX = 256, TYPE_SIZE = 24 };
/* enum: errors of WASI */
enum { WASI_OK = 0, WASI_BADF = 8 };

/* ---------------------------------------------------------------- traps */

ANQA_NORETURN void js_trap(const char *what)
{
    preempt_leave();
    anqa_exit(anqa_reason_make(ANQA_REASON_FAULT, "sandbox: JavaScript: %s", what));
}

void wasm_rt_trap(wasm_rt_trap_t code)
{
    static const char *const words[] = {
        [WASM_RT_TRAP_NONE] = "trap",
        [WASM_RT_TRAP_OOB] = "memory access out of bounds",
        [WASM_RT_TRAP_INT_OVERFLOW] = "integer overflow",
        [WASM_RT_TRAP_DIV_BY_ZERO] = "integer divided by zero",
        [WASM_RT_TRAP_INVALID_CONVERSION] = "invalid conversion to an integer",
        [WASM_RT_TRAP_UNREACHABLE] = "the engine has aborted",
        [WASM_RT_TRAP_CALL_INDIRECT] = "invalid call through the table",
        [WASM_RT_TRAP_UNCAUGHT_EXCEPTION] = "exception",
        [WASM_RT_TRAP_EXHAUSTION] = "call stack exhausted",
    };

    js_trap(code < ANQA_COUNT(words) ? words[code] : "trap");
}

void *js_at(const struct js *js, uint32_t at, uint32_t len)
{
    void *bytes = js_bytes(js, at, len);

    if (bytes == NULL)
        js_trap("an address out of bounds was given to the host");
    return bytes;
}

/* ---------------------------------------------------------------- types and tables, made once */

static struct {
    uint8_t bytes[TYPES_MAX][TYPE_SIZE];
    uint32_t count;
} types;

/* Called by engine_setup only. Numbers begin with 1: 0 is that of an empty place in the table. */
uint32_t wasm_rt_register_func_type(uint32_t params, uint32_t results, ...)
{
    uint8_t type[TYPE_SIZE] = {(uint8_t)params, (uint8_t)results};
    va_list args;

    if (params + results + 2 > TYPE_SIZE || types.count == TYPES_MAX)
        anqa_invariant_failed(
            "the engine has a function of too many arguments", __FILE__, __LINE__);
    va_start(args, results);
    for (uint32_t i = 0; i < params + results; i++)
        type[2 + i] = (uint8_t)va_arg(args, int);
    va_end(args);
    for (uint32_t i = 0; i < types.count; i++)
        if (memcmp(types.bytes[i], type, sizeof type) == 0)
            return i + 1;
    memcpy(types.bytes[types.count], type, sizeof type);
    return ++types.count;
}

/* One for the program, for ever. */
void wasm_rt_allocate_funcref_table(wasm_rt_funcref_table_t *table, uint32_t elements, uint32_t max)
{
    static wasm_rt_funcref_t all[1024];

    if (elements > ANQA_COUNT(all))
        anqa_invariant_failed("the engine has too large a table of functions", __FILE__, __LINE__);
    *table = (wasm_rt_funcref_table_t){.data = all, .max_size = max, .size = elements};
}

void wasm_rt_free_funcref_table(wasm_rt_funcref_table_t *table)
{
    (void)table;
}

/* ---------------------------------------------------------------- memory */

static struct js *js_of_memory(wasm_rt_memory_t *memory)
{
    return (struct js *)((char *)memory - offsetof(struct js, engine.memory));
}

void wasm_rt_allocate_memory(wasm_rt_memory_t *memory, uint32_t pages, uint32_t max_pages)
{
    struct js *js = js_of_memory(memory);

    if (!window_grow(js->window, pages * PAGE))
        anqa_exit(anqa_reason_make(ANQA_REASON_SYSTEM_LIMIT, "no memory for a JavaScript process"));
    *memory = (wasm_rt_memory_t){
        .data = js->window->base, .pages = pages, .max_pages = max_pages, .size = pages * PAGE};
}

void wasm_rt_free_memory(wasm_rt_memory_t *memory)
{
    (void)memory;
}

uint32_t wasm_rt_grow_memory(wasm_rt_memory_t *memory, uint32_t pages)
{
    struct js *js = js_of_memory(memory);
    uint32_t was = memory->pages;

    if (pages > js->memory_limit / PAGE || was + pages > js->memory_limit / PAGE ||
        !window_grow(js->window, (was + pages) * PAGE))
        return UINT32_MAX;
    memory->pages += pages;
    memory->size += pages * PAGE;
    atomic_store_explicit(&js->face.memory, memory->size, memory_order_relaxed);
    return was;
}

/* ---------------------------------------------------------------- env */

uint32_t Z_envZ_host_call(
    void *env, uint32_t name, uint32_t name_len, uint32_t self, uint32_t argc, uint32_t argv);
uint32_t Z_envZ_host_interrupt(void *env);
void Z_envZ_host_promise_rejection(void *env, uint32_t promise, uint32_t reason, uint32_t handled);
uint32_t Z_envZ_host_module_normalize(void *env, uint32_t base, uint32_t name);
uint32_t Z_envZ_host_module_load(void *env, uint32_t name, uint32_t ret_len);
uint32_t Z_envZ_host_get_timezone_offset(void *env, uint32_t high, uint32_t low);

/* There is one host function, whatever its name: the first argument says what to do. */
uint32_t Z_envZ_host_call(
    void *env, uint32_t name, uint32_t name_len, uint32_t self, uint32_t argc, uint32_t argv)
{
    struct js *js = env;
    uint32_t box = beam_call(js, argc, argv);

    preempt_enter(js);
    if (js_thread.note)
        js_preempted(js);
    return box;
}

uint32_t Z_envZ_host_interrupt(void *env)
{
    struct js *js = env;

    if (js->look || js->sample)
        debug_safe_point(js);
    return js->interrupt;
}

/* Owns both boxes. A rejection that nobody handles within the turn is logged by boot.js, which sees promises itself. */
void Z_envZ_host_promise_rejection(void *env, uint32_t promise, uint32_t reason, uint32_t handled)
{
    struct js *js = env;

    turn_note_rejection(js, promise, reason, handled != 0);
}

/* Scripts are one file: bundled at build or start. */
uint32_t Z_envZ_host_module_normalize(void *env, uint32_t base, uint32_t name)
{
    struct js *js = env;
    uint32_t copy = q_malloc(&js->engine, 1);

    if (copy != 0)
        *(char *)js_at(js, copy, 1) = '\0';
    return copy;
}

uint32_t Z_envZ_host_module_load(void *env, uint32_t name, uint32_t ret_len)
{
    return 0;
}

uint32_t Z_envZ_host_get_timezone_offset(void *env, uint32_t high, uint32_t low)
{
    return 0; /* scripts live in UTC: where a server stands must not change what they do */
}

/* ---------------------------------------------------------------- WASI */

uint32_t Z_wasi_snapshot_preview1Z_clock_time_get(
    void *env, uint32_t clock, uint64_t precision, uint32_t ret_ns);
uint32_t Z_wasi_snapshot_preview1Z_random_get(void *env, uint32_t at, uint32_t len);
uint32_t Z_wasi_snapshot_preview1Z_fd_close(void *env, uint32_t fd);
uint32_t Z_wasi_snapshot_preview1Z_fd_fdstat_get(void *env, uint32_t fd, uint32_t ret_stat);
uint32_t Z_wasi_snapshot_preview1Z_fd_seek(
    void *env, uint32_t fd, uint64_t offset, uint32_t whence, uint32_t ret_at);
uint32_t Z_wasi_snapshot_preview1Z_fd_write(
    void *env, uint32_t fd, uint32_t iovs, uint32_t count, uint32_t ret_written);

/* The monotonic clock is the runtime's, which is a fake one in deterministic mode; there it stands for the one on the wall too,
 * so that dates are repeated. Microseconds are nobody's business. While an image is made both stand at 0: whoever makes
 * it again gets the same. */
uint32_t Z_wasi_snapshot_preview1Z_clock_time_get(
    void *env, uint32_t clock, uint64_t precision, uint32_t ret_ns)
{
    struct js *js = env;
    bool wall = clock == 0 && !sched_self->deterministic;
    struct timespec now = {0};
    uint64_t ns = 0;

    if (wall && !js->loading)
        clock_gettime(CLOCK_REALTIME, &now);
    if (!js->loading)
        ns = wall ? (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec
                  : anqa_now_ms() * 1000000u;
    memcpy(js_at(js, ret_ns, sizeof ns), &ns, sizeof ns);
    return WASI_OK;
}

uint32_t Z_wasi_snapshot_preview1Z_random_get(void *env, uint32_t at, uint32_t len)
{
    struct js *js = env;

    image_random(js, js_at(js, at, len), len);
    return WASI_OK;
}

uint32_t Z_wasi_snapshot_preview1Z_fd_close(void *env, uint32_t fd)
{
    return WASI_BADF;
}

uint32_t Z_wasi_snapshot_preview1Z_fd_fdstat_get(void *env, uint32_t fd, uint32_t ret_stat)
{
    return WASI_BADF;
}

uint32_t Z_wasi_snapshot_preview1Z_fd_seek(
    void *env, uint32_t fd, uint64_t offset, uint32_t whence, uint32_t ret_at)
{
    return WASI_BADF;
}

uint32_t Z_wasi_snapshot_preview1Z_fd_write(
    void *env, uint32_t fd, uint32_t iovs, uint32_t count, uint32_t ret_written)
{
    return WASI_BADF;
}
