/*
 * Any bytes as a configuration file. Properties: refusing leaves the structs alone and gives words; what was accepted,
 * printed and loaded again gives the same values.
 */
#include <anqa/config.h>

#include <stdlib.h>

struct all {
    bool flag;
    int64_t number;
    uint16_t port;
    uint64_t wait_ms, bytes;
    const char *text, *password;
    int color;
};

static const char *const colors[] = {"red", "green", NULL};

static const anqa_config_option options[] = {
    {.name = "flag", .type = ANQA_CONFIG_BOOL, ANQA_CONFIG_AT(struct all, flag)},
    {.name = "number", .type = ANQA_CONFIG_INT, ANQA_CONFIG_AT(struct all, number)},
    {.name = "port",
        .type = ANQA_CONFIG_UINT,
        ANQA_CONFIG_AT(struct all, port),
        .standard = "4000"},
    {.name = "wait", .type = ANQA_CONFIG_DURATION, ANQA_CONFIG_AT(struct all, wait_ms)},
    {.name = "bytes", .type = ANQA_CONFIG_SIZE, ANQA_CONFIG_AT(struct all, bytes)},
    {.name = "text", .type = ANQA_CONFIG_STR, ANQA_CONFIG_AT(struct all, text), .doc = "words"},
    {.name = "password",
        .type = ANQA_CONFIG_STR,
        ANQA_CONFIG_AT(struct all, password),
        .secret = true},
    {.name = "color",
        .type = ANQA_CONFIG_ENUM,
        ANQA_CONFIG_AT(struct all, color),
        .choices = colors},
    {0},
};

#define HOLDS(condition)  \
    do {                  \
        if (!(condition)) \
            abort();      \
    } while (0)

static anqa_status load(anqa_str text, struct all *into, anqa_config **ret_config, anqa_error *err)
{
    const anqa_config_area area = {"all", options, into};
    const anqa_config_sources sources = {.areas = &area,
        .area_count = 1,
        .file = "f",
        .text = text.len ? text.ptr : "",
        .text_len = text.len,
        .ignore_environment = true};

    return anqa_config_load(&sources, ret_config, err);
}

static bool same(const struct all *a, const struct all *b)
{
    return a->flag == b->flag && a->number == b->number && a->port == b->port &&
           a->wait_ms == b->wait_ms && a->bytes == b->bytes && a->color == b->color &&
           strcmp(a->text, b->text) == 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct all first = {.port = 1}, second = {0};
    anqa_config *config, *again;
    anqa_error err = {0};
    anqa_arena arena = {0};
    anqa_str text;

    if (load(anqa_str_make((const char *)data, size), &first, &config, &err) != ANQA_OK) {
        HOLDS(err.status != ANQA_OK && err.text[0] != '\0' && first.port == 1);
        return 0;
    }
    HOLDS(anqa_config_print_text(config, &arena, &text) == ANQA_OK);
    HOLDS(load(text, &second, &again, &err) == ANQA_OK);
    HOLDS(same(&first, &second) && second.password[0] == '\0');
    HOLDS(anqa_config_print_json(config, &arena, &text) == ANQA_OK);
    anqa_config_free(again);
    anqa_config_free(config);
    anqa_arena_done(&arena);
    return 0;
}
