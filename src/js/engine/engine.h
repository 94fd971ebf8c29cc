/*
 * The translated engine as the rest of src/js sees it: an instance struct, and QuickJS's C API with addresses and sizes
 * of 32 bits, which count from the start of the process's memory. JSValues are 64 bits: a tag above, a payload below.
 *
 * Functions run in the section anqa_js_text and may be interrupted, preempted and abandoned in there (preempt.h). They
 * must be called on a stack of the large class and with the instance of the calling process.
 */
#ifndef JS_ENGINE_ENGINE_H
#define JS_ENGINE_ENGINE_H

#include <stdint.h>

/* Mirrors what wasm2c makes; engine.c compares the two. Owner: the process. */
struct engine {
    void *env, *wasi; /* what imports are called with */
    uint32_t sp;      /* __stack_pointer: where the C stack inside of the memory ends */
    struct engine_memory {
        uint8_t *data;
        uint32_t pages, max_pages;
        uint32_t size;
    } memory;
    struct engine_table {
        void *data;
        uint32_t max_size, size;
    } table;
};

/* Once in a program, before all else. */
void engine_setup(void);
/* Sets what imports are called with and the table: enough for an instance whose memory is a copy of another's. */
void engine_prepare(struct engine *engine, void *env);
/* Fresh memory with the data of the module; calls wasm_rt_allocate_memory. */
void engine_instantiate(struct engine *engine);

/* name, result, arguments behind the instance */
#define ENGINE_FUNCTION_MAP(X)                                                                     \
    X(_initialize, void, (struct engine *))                                                        \
    X(qjs_init, uint32_t, (struct engine *))                                                       \
    X(qjs_get_runtime_ptr, uint32_t, (struct engine *))                                            \
    X(qjs_get_context_ptr, uint32_t, (struct engine *))                                            \
    X(qjs_set_interrupt_handler, void, (struct engine *, uint32_t on))                             \
    X(qjs_set_promise_rejection_handler, void, (struct engine *, uint32_t on))                     \
    X(qjs_new_host_function, uint32_t,                                                             \
        (struct engine *, uint32_t name, uint32_t len, uint32_t argc))                             \
    X(qjs_free_value, void, (struct engine *, uint32_t box))                                       \
    X(malloc, uint32_t, (struct engine *, uint32_t size))                                          \
    X(free, void, (struct engine *, uint32_t at))                                                  \
    X(js_malloc_rt, uint32_t, (struct engine *, uint32_t rt, uint32_t size))                       \
    X(js_free_rt, void, (struct engine *, uint32_t rt, uint32_t at))                               \
    X(JS_SetMaxStackSize, void, (struct engine *, uint32_t rt, uint32_t size))                     \
    X(JS_SetMemoryLimit, void, (struct engine *, uint32_t rt, uint32_t size))                      \
    X(JS_SetCanBlock, void, (struct engine *, uint32_t rt, uint32_t can))                          \
    X(JS_SetGCThreshold, void, (struct engine *, uint32_t rt, uint32_t size))                      \
    X(JS_RunGC, void, (struct engine *, uint32_t rt))                                              \
    X(JS_ComputeMemoryUsage, void, (struct engine *, uint32_t rt, uint32_t ret_usage))             \
    X(JS_Eval, uint64_t,                                                                           \
        (struct engine *, uint32_t ctx, uint32_t text, uint32_t len, uint32_t name,                \
            uint32_t flags))                                                                       \
    X(JS_EvalFunction, uint64_t, (struct engine *, uint32_t ctx, uint64_t code))                   \
    X(JS_WriteObject, uint32_t,                                                                    \
        (struct engine *, uint32_t ctx, uint32_t ret_len, uint64_t value, uint32_t flags))         \
    X(JS_ReadObject, uint64_t,                                                                     \
        (struct engine *, uint32_t ctx, uint32_t bytes, uint32_t len, uint32_t flags))             \
    X(JS_ResolveModule, uint32_t, (struct engine *, uint32_t ctx, uint64_t module))                \
    X(JS_ComputeMemoryUsage, void, (struct engine *, uint32_t rt, uint32_t ret_usage))             \
    X(JS_GetModuleNamespace, uint64_t, (struct engine *, uint32_t ctx, uint32_t module))           \
    X(JS_Call, uint64_t,                                                                           \
        (struct engine *, uint32_t ctx, uint64_t fn, uint64_t self, uint32_t argc, uint32_t argv)) \
    X(JS_IsFunction, uint32_t, (struct engine *, uint32_t ctx, uint64_t value))                    \
    X(JS_IsJobPending, uint32_t, (struct engine *, uint32_t rt))                                   \
    X(JS_ExecutePendingJob, uint32_t, (struct engine *, uint32_t rt, uint32_t ret_ctx))            \
    X(JS_Throw, uint64_t, (struct engine *, uint32_t ctx, uint64_t value))                         \
    X(JS_GetException, uint64_t, (struct engine *, uint32_t ctx))                                  \
    X(JS_IsError, uint32_t, (struct engine *, uint64_t value))                                     \
    X(JS_ResetUncatchableError, void, (struct engine *, uint32_t ctx))                             \
    X(JS_FreeValue, void, (struct engine *, uint32_t ctx, uint64_t value))                         \
    X(JS_DupValue, uint64_t, (struct engine *, uint32_t ctx, uint64_t value))                      \
    X(JS_GetGlobalObject, uint64_t, (struct engine *, uint32_t ctx))                               \
    X(JS_NewAtomLen, uint32_t, (struct engine *, uint32_t ctx, uint32_t text, uint32_t len))       \
    X(JS_FreeAtom, void, (struct engine *, uint32_t ctx, uint32_t atom))                           \
    X(JS_ValueToAtom, uint32_t, (struct engine *, uint32_t ctx, uint64_t value))                   \
    X(JS_AtomToValue, uint64_t, (struct engine *, uint32_t ctx, uint32_t atom))                    \
    X(JS_AtomToCStringLen, uint32_t,                                                               \
        (struct engine *, uint32_t ctx, uint32_t ret_len, uint32_t atom))                          \
    X(JS_NewPrivateSymbol, uint64_t, (struct engine *, uint32_t ctx, uint32_t atom))               \
    X(JS_GetProperty, uint64_t, (struct engine *, uint32_t ctx, uint64_t object, uint32_t atom))   \
    X(JS_GetPropertyStr, uint64_t,                                                                 \
        (struct engine *, uint32_t ctx, uint64_t object, uint32_t name))                           \
    X(JS_GetPropertyInt64, uint64_t,                                                               \
        (struct engine *, uint32_t ctx, uint64_t object, uint64_t index))                          \
    X(JS_SetPropertyStr, uint32_t,                                                                 \
        (struct engine *, uint32_t ctx, uint64_t object, uint32_t name, uint64_t value))           \
    X(JS_DefinePropertyValue, uint32_t,                                                            \
        (struct engine *, uint32_t ctx, uint64_t object, uint32_t atom, uint64_t value,            \
            uint32_t flags))                                                                       \
    X(JS_DefinePropertyValueUint32, uint32_t,                                                      \
        (struct engine *, uint32_t ctx, uint64_t object, uint32_t index, uint64_t value,           \
            uint32_t flags))                                                                       \
    X(JS_GetOwnPropertyNames, uint32_t,                                                            \
        (struct engine *, uint32_t ctx, uint32_t ret_list, uint32_t ret_len, uint64_t object,      \
            uint32_t flags))                                                                       \
    X(JS_FreePropertyEnum, void, (struct engine *, uint32_t ctx, uint32_t list, uint32_t len))     \
    X(JS_IsProxy, uint32_t, (struct engine *, uint64_t value))                                     \
    X(JS_GetOwnProperty, uint32_t,                                                                 \
        (struct engine *, uint32_t ctx, uint32_t ret_descriptor, uint64_t object, uint32_t atom))  \
    X(JS_HasException, uint32_t, (struct engine *, uint32_t ctx))                                  \
    X(JS_ThrowOutOfMemory, uint64_t, (struct engine *, uint32_t ctx))                              \
    X(JS_IsArray, uint32_t, (struct engine *, uint64_t value))                                     \
    X(JS_IsDate, uint32_t, (struct engine *, uint64_t value))                                      \
    X(JS_IsMap, uint32_t, (struct engine *, uint64_t value))                                       \
    X(JS_IsSet, uint32_t, (struct engine *, uint64_t value))                                       \
    X(JS_IsPromise, uint32_t, (struct engine *, uint64_t value))                                   \
    X(JS_GetClassID, uint32_t, (struct engine *, uint64_t value))                                  \
    X(JS_PromiseState, uint32_t, (struct engine *, uint32_t ctx, uint64_t value))                  \
    X(JS_PromiseResult, uint64_t, (struct engine *, uint32_t ctx, uint64_t value))                 \
    X(JS_GetLength, uint32_t, (struct engine *, uint32_t ctx, uint64_t value, uint32_t ret_len))   \
    X(JS_GetTypedArrayType, uint32_t, (struct engine *, uint64_t value))                           \
    X(JS_GetUint8Array, uint32_t,                                                                  \
        (struct engine *, uint32_t ctx, uint32_t ret_len, uint64_t value))                         \
    X(JS_IsArrayBuffer, uint32_t, (struct engine *, uint64_t value))                               \
    X(JS_GetArrayBuffer, uint32_t,                                                                 \
        (struct engine *, uint32_t ctx, uint32_t ret_len, uint64_t value))                         \
    X(JS_ToFloat64, uint32_t,                                                                      \
        (struct engine *, uint32_t ctx, uint32_t ret_number, uint64_t value))                      \
    X(JS_ToString, uint64_t, (struct engine *, uint32_t ctx, uint64_t value))                      \
    X(JS_ToCStringLen2, uint32_t,                                                                  \
        (struct engine *, uint32_t ctx, uint32_t ret_len, uint64_t value, uint32_t cesu8))         \
    X(JS_FreeCString, void, (struct engine *, uint32_t ctx, uint32_t text))                        \
    X(JS_NewStringLen, uint64_t, (struct engine *, uint32_t ctx, uint32_t text, uint32_t len))     \
    X(JS_NewStringUTF16, uint64_t, (struct engine *, uint32_t ctx, uint32_t units, uint32_t len))  \
    X(JS_NewObject, uint64_t, (struct engine *, uint32_t ctx))                                     \
    X(JS_NewObjectProto, uint64_t, (struct engine *, uint32_t ctx, uint64_t prototype))            \
    X(JS_NewArray, uint64_t, (struct engine *, uint32_t ctx))                                      \
    X(JS_NewDate, uint64_t, (struct engine *, uint32_t ctx, double ms))                            \
    X(JS_NewBigInt64, uint64_t, (struct engine *, uint32_t ctx, uint64_t value))                   \
    X(JS_ToBigInt64, uint32_t,                                                                     \
        (struct engine *, uint32_t ctx, uint32_t ret_value, uint64_t value))                       \
    X(JS_NewUint8ArrayCopy, uint64_t,                                                              \
        (struct engine *, uint32_t ctx, uint32_t bytes, uint32_t len))                             \
    X(JS_ParseJSON, uint64_t,                                                                      \
        (struct engine *, uint32_t ctx, uint32_t text, uint32_t len, uint32_t name))               \
    X(JS_JSONStringify, uint64_t,                                                                  \
        (struct engine *, uint32_t ctx, uint64_t value, uint64_t replacer, uint64_t space))

#define ENGINE_FUNCTION_X(name, result, args) \
    __attribute__((visibility("hidden"))) result q_##name args __asm__("Z_quickjsZ_" #name);
ENGINE_FUNCTION_MAP(ENGINE_FUNCTION_X)
#undef ENGINE_FUNCTION_X

#endif
