/**
 * base/config_int.h - what config.c, config_value.c and config_print.c share.
 */
#ifndef ANQA_BASE_CONFIG_INT_H
#define ANQA_BASE_CONFIG_INT_H

#include <anqa/config.h>

/* One option with what holds for it now. */
struct config_entry {
    const anqa_config_area *area;
    const anqa_config_option *option;
    anqa_str text; /* plainest form; of secrets too: never to be shown without config_shown_text */
    uint64_t bits; /* the value in two's complement; choice of an ENUM; 0 or 1; unused for STR */
    anqa_config_from from;
    const char *where;
    size_t line; /* of the file it was set in; 0: none */
};

struct anqa_config {
    anqa_arena arena; /* owner of all strings */
    const anqa_config_area
        *areas; /* a copy: the caller's array may be gone when something is printed */
    size_t area_count;
    struct config_entry *entries;
    size_t count;
};

/* Why a text is no value; a status and words for people. */
struct config_refusal {
    anqa_status status;
    const char *why;
};

/**
 * Reads a value from `raw` into the entry's bits and text (which goes into the arena; E_NOMEM).
 * ret_refusal: written on failure; its words are static.
 */
anqa_status config_value_parse(struct config_entry *entry, anqa_str raw, anqa_arena *arena,
    struct config_refusal *ret_refusal);

/* Writes what an option allows, as "1 to 64" or "text, json". */
void config_value_allowed(const anqa_config_option *option, char *text, size_t size);

/* Writes the value into the area's struct. */
void config_value_store(const struct config_entry *entry);

/* Whether the value's size in bytes suits its type. */
bool config_value_fits_type(const anqa_config_option *option);

const char *config_type_name(anqa_config_type type);

/* The value as it may be shown. */
anqa_str config_shown_text(const struct config_entry *entry);

#endif
