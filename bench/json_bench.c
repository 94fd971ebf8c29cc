/* A chat message as Phoenix's clients send it: checked, its fields fetched, an answer written. Baseline: jansson. */
#include <anqa/json.h>

#include <dlfcn.h>

#include "bench.h"

static const char message[] =
    "[\"3\",\"5\",\"room:lobby\",\"new_msg\",{\"body\":\"hello to everyone in this room\","
    "\"user\":{\"id\":17,\"name\":\"Ada Lovelace\"},\"at\":1700000000123,\"n\":1}]";

static anqa_str message_text(void)
{
    const char *text = message;

    __asm__ volatile("" : "+r"(text)); /* or the compiler could read it once for all rounds */
    return anqa_str_make(text, sizeof message - 1);
}

static void run_check(struct bench *b, uint64_t ops)
{
    for (uint64_t i = 0; i < ops; i++)
        if (anqa_json_check(message_text(), NULL, NULL) != ANQA_OK)
            bench_fail("the message was refused");
}

/* Checks the message and takes three fields out of its payload. */
static uint64_t fetch(anqa_arena *arena)
{
    anqa_json json, parts[5], user;
    anqa_str body;
    int64_t id, at;

    if (anqa_json_parse(message_text(), NULL, &json, NULL) != ANQA_OK ||
        anqa_json_split(json, parts, ANQA_COUNT(parts)) != ANQA_OK ||
        anqa_json_get_str(arena, parts[4], "body", &body) != ANQA_OK ||
        anqa_json_get(parts[4], "user", &user) != ANQA_OK ||
        anqa_json_get_int(user, "id", &id) != ANQA_OK ||
        anqa_json_get_int(parts[4], "at", &at) != ANQA_OK)
        bench_fail("a field is missing");
    return body.len + (uint64_t)id + (uint64_t)at;
}

static void run_fetch(struct bench *b, uint64_t ops)
{
    anqa_arena arena = {0};
    uint64_t sum = 0;

    for (uint64_t i = 0; i < ops; i++)
        sum += fetch(&arena);
    bench_keep(sum);
    anqa_arena_done(&arena);
}

/* jansson is looked for when the bench runs, so that building it asks for no more than the library does. */
static struct {
    void *(*loadb)(const char *text, size_t len, size_t flags, void *error);
    void *(*array_get)(const void *array, size_t index);
    void *(*object_get)(const void *object, const char *key);
    const char *(*string_value)(const void *string);
    long long (*integer_value)(const void *integer);
    void (*delete)(void *json);
} jansson;

static bool find_jansson(struct bench *b)
{
    void *library = dlopen("libjansson.so.4", RTLD_NOW);

    if (library == NULL)
        return false;
    *(void **)&jansson.loadb = dlsym(library, "json_loadb");
    *(void **)&jansson.array_get = dlsym(library, "json_array_get");
    *(void **)&jansson.object_get = dlsym(library, "json_object_get");
    *(void **)&jansson.string_value = dlsym(library, "json_string_value");
    *(void **)&jansson.integer_value = dlsym(library, "json_integer_value");
    *(void **)&jansson.delete = dlsym(library, "json_delete");
    return jansson.loadb != NULL && jansson.array_get != NULL && jansson.object_get != NULL &&
           jansson.string_value != NULL && jansson.integer_value != NULL && jansson.delete != NULL;
}

static uint64_t fetch_with_jansson(void)
{
    anqa_str text = message_text();
    void *json = jansson.loadb(text.ptr, text.len, 0, NULL);
    void *payload = jansson.array_get(json, 4);
    const char *body = jansson.string_value(jansson.object_get(payload, "body"));
    uint64_t sum;

    if (body == NULL)
        bench_fail("a field is missing");
    sum = strlen(body);
    sum += (uint64_t)jansson.integer_value(
        jansson.object_get(jansson.object_get(payload, "user"), "id"));
    sum += (uint64_t)jansson.integer_value(jansson.object_get(payload, "at"));
    jansson.delete(json); /* the only reference to it */
    return sum;
}

static void run_jansson(struct bench *b, uint64_t ops)
{
    uint64_t sum = 0;

    for (uint64_t i = 0; i < ops; i++)
        sum += fetch_with_jansson();
    bench_keep(sum);
}

static void write_calls(anqa_json_writer *w, int64_t at)
{
    anqa_json_begin_array(w);
    anqa_json_put_null(w);
    anqa_json_put_null(w);
    anqa_json_put_str(w, anqa_str_of("room:lobby"));
    anqa_json_put_str(w, anqa_str_of("new_msg"));
    anqa_json_begin_object(w);
    anqa_json_key(w, "body");
    anqa_json_put_str(w, anqa_str_of("hello to everyone in this room"));
    anqa_json_key(w, "at");
    anqa_json_put_int(w, at);
    anqa_json_end_object(w);
    anqa_json_end_array(w);
}

static void write_format(anqa_json_writer *w, int64_t at)
{
    anqa_json_format(w, "[null, null, %s, %s, {'body': %s, 'at': %lld}]", "room:lobby", "new_msg",
        "hello to everyone in this room", (long long)at);
}

static void run_writer(uint64_t ops, void (*write)(anqa_json_writer *w, int64_t at))
{
    char bytes[256];
    anqa_json_writer w;
    anqa_json json;

    anqa_json_writer_init_fixed(&w, bytes, sizeof bytes);
    for (uint64_t i = 0; i < ops; i++) {
        write(&w, 1700000000123);
        if (anqa_json_writer_finish(&w, &json) != ANQA_OK)
            bench_fail("the message was not written");
        bench_keep(json.len);
        anqa_json_writer_reset(&w);
    }
}

static void run_write(struct bench *b, uint64_t ops)
{
    run_writer(ops, write_calls);
}

static void run_format(struct bench *b, uint64_t ops)
{
    run_writer(ops, write_format);
}

const struct bench_area bench_area = {
    .name = "json",
    .cases =
        (const struct bench_case[]){
            {.name = "jansson_fetch", .unit = "ns", .setup = find_jansson, .run = run_jansson},
            {.name = "check", .unit = "ns", .run = run_check},
            {.name = "fetch",
                .unit = "ns",
                .against = "jansson_fetch",
                .budget = {BENCH_TIMES_BETTER, 5},
                .run = run_fetch},
            {.name = "write", .unit = "ns", .run = run_write},
            {.name = "format", .unit = "ns", .against = "write", .run = run_format},
            {0},
        },
};
