/*
 * The one translation unit of the sandbox: quickjs.c, which wasm2c makes of the npm package quickjs-wasi in the build
 * tree, and the little that must be compiled with it. cmake/js_engine.sh compiles it once for all presets, without
 * sanitizers, and moves its text to the section anqa_js_text. What holds in that text:
 *
 *  - every access to memory goes through the process's window, whose guard stops what is out of bounds. There are no
 *    bounds checks: an address of 32 bits plus a constant offset (js_engine.sh checks the largest) stays in the window;
 *  - it holds no lock and calls nothing but the imports of src/js, so that it may be stopped
 *    at any instruction. Copies are made here for the same reason: in libc's memmove it could not be stopped.
 *
 * wabt gives each funcref the instance that made the table. Here the table is shared by all processes, and what a
 * function is called with is its caller's instance (js_engine.sh rewrites the calls): so each process has an instance
 * struct of its own, and nothing is swapped when another one runs.
 */
#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Short pieces in the widest moves that every x86-64 has, long ones by the instruction made for it, which may be
 * interrupted in its midst. */
static inline void copy_forward(unsigned char *to, const unsigned char *from, size_t n)
{
    if (n >= 512) {
        __asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(n) : : "memory");
        return;
    }
    for (; n >= 8; n -= 8, to += 8, from += 8) {
        uint64_t word;
        __builtin_memcpy(&word, from, 8);
        __asm__("" : "+r"(word));
        __builtin_memcpy(to, &word, 8);
    }
    for (; n > 0; n--) {
        *to++ = *from++;
        __asm__ volatile("" : : : "memory"); /* or the compiler makes a call to memcpy of it */
    }
}

static inline void copy_backward(unsigned char *to, const unsigned char *from, size_t n)
{
    to += n;
    from += n;
    for (; n >= 8; n -= 8) {
        uint64_t word;
        to -= 8;
        from -= 8;
        __builtin_memcpy(&word, from, 8);
        __asm__ volatile("" : "+r"(word) : : "memory");
        __builtin_memcpy(to, &word, 8);
    }
    for (; n > 0; n--) {
        *--to = *--from;
        __asm__ volatile("" : : : "memory");
    }
}

static __attribute__((noinline)) void sandbox_memmove(void *to, const void *from, size_t n)
{
    if ((uintptr_t)to - (uintptr_t)from >= n)
        copy_forward(to, from, n);
    else
        copy_backward(to, from, n);
}

static __attribute__((noinline)) void sandbox_memset(void *to, int value, size_t n)
{
    __asm__ volatile("rep stosb" : "+D"(to), "+c"(n) : "a"(value) : "memory");
}

/* Ties to even, as the default mode of the processor rounds: what is below 2^52 loses its fraction when 2^52 is added. */
static inline double sandbox_nearbyint(double x)
{
    const double shift = __builtin_copysign(4503599627370496.0, x);
    double sum;

    if (!(__builtin_fabs(x) < 4503599627370496.0))
        return x;
    sum = x + shift;
    __asm__("" : "+x"(sum));
    return __builtin_copysign(sum - shift, x);
}

/* Only those of the generated code with a length that is not constant: wasm-rt.h and the casts keep the builtin. */
#define memmove(to, from, n) sandbox_memmove(to, from, n)
#define memset(to, value, n) sandbox_memset(to, value, n)
#define nearbyint(x) sandbox_nearbyint(x)

#include "quickjs.c"

#undef memmove
#undef memset
#undef nearbyint

#include "js/engine/engine.h"

_Static_assert(
    sizeof(struct engine) == sizeof(Z_quickjs_instance_t), "engine.h mirrors the instance");
_Static_assert(
    offsetof(struct engine, env) == offsetof(Z_quickjs_instance_t, Z_env_instance), "as above");
_Static_assert(offsetof(struct engine, wasi) ==
                   offsetof(Z_quickjs_instance_t, Z_wasi_snapshot_preview1_instance),
    "as above");
_Static_assert(
    offsetof(struct engine, sp) == offsetof(Z_quickjs_instance_t, w2c___stack_pointer), "as above");
_Static_assert(
    offsetof(struct engine, memory.data) == offsetof(Z_quickjs_instance_t, w2c_memory.data),
    "as above");
_Static_assert(
    offsetof(struct engine, memory.size) == offsetof(Z_quickjs_instance_t, w2c_memory.size),
    "as above");
_Static_assert(
    offsetof(struct engine, table) == offsetof(Z_quickjs_instance_t, w2c___indirect_function_table),
    "as above");

static Z_quickjs_instance_t model;

void engine_setup(void)
{
    Z_quickjs_init_module();
    init_tables(&model);
}

void engine_prepare(struct engine *engine, void *env)
{
    Z_quickjs_instance_t *instance = (Z_quickjs_instance_t *)engine;

    init_instance_import(instance, env, env);
    instance->w2c___indirect_function_table = model.w2c___indirect_function_table;
}

void engine_instantiate(struct engine *engine)
{
    Z_quickjs_instance_t *instance = (Z_quickjs_instance_t *)engine;

    init_globals(instance);
    init_memories(instance);
    init_data_instances(instance);
}
