/**
 * anqa/config.h - configuration: tables of options, and where each value comes from.
 *
 * Each area has one table that gives name, type, default, bounds and documentation of its options, and a struct of its
 * own that the values are written into:
 *
 *     struct pool { uint64_t size, timeout_ms; const char *user; };
 *     static const anqa_config_option pool_options[] = {
 *         {.name = "size", .type = ANQA_CONFIG_UINT, ANQA_CONFIG_AT(struct pool, size), .standard = "10", .min = 1,
 *             .doc = "connections to the database"},
 *         {.name = "timeout", .type = ANQA_CONFIG_DURATION, ANQA_CONFIG_AT(struct pool, timeout_ms), .standard = "15s"},
 *         {.name = "user", .type = ANQA_CONFIG_STR, ANQA_CONFIG_AT(struct pool, user)},
 *         {0},
 *     };
 *
 * Sources, a later one wins: the default, the file, the environment (ANQA_POOL_SIZE=20), the arguments (--pool.size=20).
 * Who embeds the library may put values of his own between default and file (`overrides`).
 *
 * The file is UTF-8 with sections, one option a line, and comments that start with # at the begin of a line or after a
 * blank. A value that begins or ends with blanks, or holds a blank and a #, or a quote, stands in double quotes, with C's
 * escapes for quote, backslash, newline, tab and return inside:
 *
 *     [pool]
 *     size = 20          # a comment
 *     user = "#1 user"
 *
 * Failing. The first mistake ends the loading; no struct is written then. The error names file and line, or variable, or
 * argument, the bad value, what is allowed and, for an unknown option, the nearest one that exists. Values of options
 * marked `secret` are never printed, here or by the print functions.
 *
 * Threads. A configuration is immutable once loaded; any thread may read it. Nothing else in the library reads the
 * environment, but for PORT (anqa/endpoint.h) and XDG_RUNTIME_DIR (anqa/control.h).
 */
#ifndef ANQA_CONFIG_H
#define ANQA_CONFIG_H

#include <anqa/arena.h>
#include <anqa/base.h>

ANQA_BEGIN_DECLS

/** What an option is, how it is written, and the C types that it is stored in. */
typedef enum anqa_config_type {
    ANQA_CONFIG_BOOL, /* true, false, yes, no, on, off, 1, 0;                              bool */
    ANQA_CONFIG_INT,  /* -5, 0x1f, 1_000_000;                                   int8_t .. int64_t */
    ANQA_CONFIG_UINT, /*                                                      uint8_t .. uint64_t */
    ANQA_CONFIG_DURATION, /* 200ms, 5s, 1m30s, 2h, 1d, infinity; a unit is a must;  uint32_t, uint64_t: milliseconds */
    ANQA_CONFIG_SIZE, /* 512, 512B, 64KB, 1MB, 2GB, units of 1024;              uint32_t, uint64_t: bytes */
    ANQA_CONFIG_STR, /*                                       const char *, never NULL after loading */
    ANQA_CONFIG_ENUM, /* one of `choices`;                                              int: its index */
} anqa_config_type;

/** One option. The table must live as long as the program. */
typedef struct anqa_config_option {
    const char *name; /* a-z, 0-9 and _, a letter first; NULL ends the table */
    anqa_config_type type;
    size_t offset, size; /* ANQA_CONFIG_AT */
    const char *
        standard; /* default, as one would write it in the file; NULL: 0, false, "" or the first choice */
    int64_t min,
        max; /* both 0: what the member can hold; max < min: no upper one. For STR: of its length */
    const char *const *choices; /* ENUM: names, NULL at the end */
    const char *doc;            /* one line */
    bool secret;
} anqa_config_option;

/** Where the value of an option goes: the member of the area's struct. */
#define ANQA_CONFIG_AT(struct_type, member) \
    .offset = offsetof(struct_type, member), .size = sizeof(((struct_type *)0)->member)

/** An area: its table and the struct to be filled. Copied; name and table must live as long as the program. */
typedef struct anqa_config_area {
    const char *name; /* as an option's name */
    const anqa_config_option *options;
    void *
        into; /* an option's offset counts from here; its strings live as long as the configuration */
} anqa_config_area;

/** A value given by the program that embeds the library. */
typedef struct anqa_config_override {
    const char *name; /* "area.name"; NULL ends the list */
    const char *value;
} anqa_config_override;

/** Where to load from; zero means "not from there", but for the environment. */
typedef struct anqa_config_sources {
    const anqa_config_area *areas;
    size_t area_count;
    const anqa_config_override *overrides;
    const char *file; /* path */
    bool file_may_miss;
    const char *text; /* instead of a file: its content; `file` then is the name to show */
    size_t text_len;
    const char *const
        *environ_; /* "NAME=value" strings, NULL at the end; NULL: the program's own environment */
    bool ignore_environment;
    int *argc; /* arguments --area.name=value are taken out of argv; what stands after -- stays */
    char **argv;
} anqa_config_sources;

/** What a file, and a line of it, may have in bytes. */
#define ANQA_CONFIG_FILE_MAX ((size_t)1 << 20)
#define ANQA_CONFIG_LINE_MAX ((size_t)4096)

/** What was loaded: each option with its value and where that came from. */
typedef struct anqa_config anqa_config;

/**
 * Loads all sources, then writes the structs of all areas.
 * Fails: E_PARSE (malformed), E_NOT_FOUND (unknown option, no such file), E_RANGE (out of bounds), E_EXISTS (set twice in
 * one file), E_LIMIT (file too long), E_INVALID (a table that contradicts itself), E_IO, E_PERMISSION, E_NOMEM.
 * Context: any thread; reads a file.
 */
ANQA_API anqa_status anqa_config_load(
    const anqa_config_sources *sources, anqa_config **ret_config, anqa_error *err) ANQA_MUST_CHECK;

/** Ends the configuration and the strings in the areas' structs. NULL is allowed. */
ANQA_API void anqa_config_free(anqa_config *config);

/** Where a value came from; later ones win. */
typedef enum anqa_config_from {
    ANQA_CONFIG_FROM_DEFAULT,
    ANQA_CONFIG_FROM_PROGRAM, /* overrides */
    ANQA_CONFIG_FROM_FILE,
    ANQA_CONFIG_FROM_ENVIRONMENT,
    ANQA_CONFIG_FROM_ARGUMENT,
} anqa_config_from;

/** What holds for one option, and why. Strings live as long as the configuration. */
typedef struct anqa_config_value {
    const char *area;
    const anqa_config_option *option;
    anqa_str text; /* the value in its plainest form; "(hidden)" if secret and set */
    anqa_config_from from;
    const char *where; /* "app.conf:12", "ANQA_POOL_SIZE", "--pool.size", "" */
} anqa_config_value;

/** Number of options in all areas. */
ANQA_API size_t anqa_config_count(const anqa_config *config);

/** Option `index`, areas and options in the order of their tables. Fails: E_NOT_FOUND. */
ANQA_API anqa_status anqa_config_at(
    const anqa_config *config, size_t index, anqa_config_value *ret_value) ANQA_MUST_CHECK;

/** Option "area.name". Fails: E_NOT_FOUND. */
ANQA_API anqa_status anqa_config_find(
    const anqa_config *config, const char *name, anqa_config_value *ret_value) ANQA_MUST_CHECK;

/**
 * Everything that holds as a configuration file, with the source of each value and its documentation as comments. Loading
 * the text gives the same values, but for secrets, which are commented out. Fails: E_NOMEM.
 */
ANQA_API anqa_status anqa_config_print_text(
    const anqa_config *config, anqa_arena *arena, anqa_str *ret_text) ANQA_MUST_CHECK;

/** The same as a JSON array of objects with area, name, type, value, default, from, where, doc. Fails: E_NOMEM. */
ANQA_API anqa_status anqa_config_print_json(
    const anqa_config *config, anqa_arena *arena, anqa_str *ret_json) ANQA_MUST_CHECK;

ANQA_END_DECLS

#endif
