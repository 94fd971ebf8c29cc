#include "harness.h"

#include <anqa/config.h>
#include <anqa/json.h>

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* main gets its arguments writable, though nobody writes to them. */
#define ARG(text) ((char *)(text))

struct all {
    bool flag;
    int64_t number;
    int8_t small;
    uint64_t count;
    uint16_t port;
    uint64_t wait_ms;
    uint32_t tick_ms;
    uint64_t bytes;
    const char *text, *password, *needed;
    int color;
};

static const char *const colors[] = {"red", "green", "blue", NULL};

static const anqa_config_option all_options[] = {
    {.name = "flag", .type = ANQA_CONFIG_BOOL, ANQA_CONFIG_AT(struct all, flag), .doc = "a switch"},
    {.name = "number",
        .type = ANQA_CONFIG_INT,
        ANQA_CONFIG_AT(struct all, number),
        .standard = "-3"},
    {.name = "small",
        .type = ANQA_CONFIG_INT,
        ANQA_CONFIG_AT(struct all, small),
        .min = -10,
        .max = -2,
        .standard = "-2"},
    {.name = "count",
        .type = ANQA_CONFIG_UINT,
        ANQA_CONFIG_AT(struct all, count),
        .standard = "10",
        .min = 1},
    {.name = "port",
        .type = ANQA_CONFIG_UINT,
        ANQA_CONFIG_AT(struct all, port),
        .standard = "4000"},
    {.name = "wait",
        .type = ANQA_CONFIG_DURATION,
        ANQA_CONFIG_AT(struct all, wait_ms),
        .standard = "15s"},
    {.name = "tick",
        .type = ANQA_CONFIG_DURATION,
        ANQA_CONFIG_AT(struct all, tick_ms),
        .standard = "1m",
        .min = 10,
        .max = 120000},
    {.name = "bytes",
        .type = ANQA_CONFIG_SIZE,
        ANQA_CONFIG_AT(struct all, bytes),
        .standard = "64KB",
        .max = 1 << 30},
    {.name = "text",
        .type = ANQA_CONFIG_STR,
        ANQA_CONFIG_AT(struct all, text),
        .max = 20,
        .doc = "some words"},
    {.name = "password",
        .type = ANQA_CONFIG_STR,
        ANQA_CONFIG_AT(struct all, password),
        .secret = true},
    {.name = "color",
        .type = ANQA_CONFIG_ENUM,
        ANQA_CONFIG_AT(struct all, color),
        .choices = colors,
        .standard = "green"},
    {0},
};

struct other {
    uint32_t size, the_size;
};

static const anqa_config_option other_options[] = {
    {.name = "size", .type = ANQA_CONFIG_UINT, ANQA_CONFIG_AT(struct other, size), .standard = "1"},
    {.name = "the_size",
        .type = ANQA_CONFIG_UINT,
        ANQA_CONFIG_AT(struct other, the_size),
        .standard = "1"},
    {0},
};

static struct all all;
static struct other other;
static const anqa_config_area areas[] = {
    {"all", all_options, &all}, {"all_other", other_options, &other}};
static anqa_error err;

/* Loads a text as the file "app.conf", with nothing of the environment. */
static anqa_status load_text(const char *text, anqa_config **ret_config)
{
    const anqa_config_sources sources = {.areas = areas,
        .area_count = ANQA_COUNT(areas),
        .file = "app.conf",
        .text = text,
        .text_len = strlen(text),
        .ignore_environment = true};

    err = (anqa_error){0};
    return anqa_config_load(&sources, ret_config, &err);
}

static anqa_status load_variables(const char *const *variables, anqa_config **ret_config)
{
    const anqa_config_sources sources = {
        .areas = areas, .area_count = ANQA_COUNT(areas), .environ_ = variables};

    err = (anqa_error){0};
    return anqa_config_load(&sources, ret_config, &err);
}

static anqa_str shown(const anqa_config *config, const char *name)
{
    anqa_config_value value;

    CHECK_STATUS(anqa_config_find(config, name, &value), ANQA_OK, "%s", name);
    return value.text;
}

TEST(defaults_hold_where_nothing_is_said)
{
    anqa_config *config;

    CHECK_STATUS(load_text("", &config), ANQA_OK);
    CHECK(!all.flag);
    CHECK_EQ(all.number, -3);
    CHECK_EQ(all.small, -2);
    CHECK_EQ(all.count, 10);
    CHECK_EQ(all.port, 4000);
    CHECK_EQ(all.wait_ms, 15000);
    CHECK_EQ(all.tick_ms, 60000);
    CHECK_EQ(all.bytes, 65536);
    CHECK_STR(all.text, "");
    CHECK_EQ(all.color, 1);
    CHECK_EQ(other.size, 1);
    CHECK_EQ(anqa_config_count(config), ANQA_COUNT(all_options) + ANQA_COUNT(other_options) - 2);
    anqa_config_free(config);
}

static const struct {
    const char *line, *name, *value;
} good[] = {
    {"flag = true", "all.flag", "true"},
    {"flag=on", "all.flag", "true"},
    {"flag = YES # sure", "all.flag", "true"},
    {"flag\t=\t0", "all.flag", "false"},
    {"number = -9223372036854775808", "all.number", "-9223372036854775808"},
    {"number = 0xff", "all.number", "255"},
    {"number = +1_000_000", "all.number", "1000000"},
    {"number = 9223372036854775807", "all.number", "9223372036854775807"},
    {"small = -10", "all.small", "-10"},
    {"count = 18446744073709551615", "all.count", "18446744073709551615"},
    {"port = 65535", "all.port", "65535"},
    {"wait = 200ms", "all.wait", "200ms"},
    {"wait = 1m30s", "all.wait", "1m30s"},
    {"wait = 90S", "all.wait", "1m30s"},
    {"wait = 0", "all.wait", "0ms"},
    {"wait = infinity", "all.wait", "infinity"},
    {"wait = 1d2h3m4s5ms", "all.wait", "1d2h3m4s5ms"},
    {"tick = 2m", "all.tick", "2m"},
    {"bytes = 512", "all.bytes", "512B"},
    {"bytes = 1 mb", "all.bytes", "1MB"},
    {"bytes = 3KiB", "all.bytes", "3KB"},
    {"bytes = 1025B", "all.bytes", "1025B"},
    {"bytes = 0", "all.bytes", "0B"},
    {"text = a b  c", "all.text", "a b  c"},
    {"text = a#b", "all.text", "a#b"},
    {"text = a #b", "all.text", "a"},
    {"text = # all comment", "all.text", ""},
    {"text =", "all.text", ""},
    {"text = \"#1 \\\"x\\\"\\n\" # c", "all.text", "#1 \"x\"\n"},
    {"text = \" \"", "all.text", " "},
    {"text = back\\slash", "all.text", "back\\slash"},
    {"text = \"\\\\\"", "all.text", "\\"},
    {"text = h\xc3\xa9", "all.text", "h\xc3\xa9"},
    {"color = blue\r", "all.color", "blue"},
    {"  color  =  red  ", "all.color", "red"},
    {"text = a = b", "all.text", "a = b"},
};

TEST(every_way_to_write_a_value_is_understood)
{
    for (size_t i = 0; i < ANQA_COUNT(good); i++) {
        anqa_config *config;
        char text[200];
        snprintf(text, sizeof text, "\n# c\n[all]\n%s\n", good[i].line);
        CHECK_STATUS(load_text(text, &config), ANQA_OK, "%s: %s", good[i].line, err.text);
        CHECK_STR(shown(config, good[i].name), good[i].value, "%s", good[i].line);
        anqa_config_free(config);
    }
}

static const struct {
    const char *text;
    anqa_status status;
    const char *words; /* part of the message */
} bad[] = {
    {"[all]\nflag = maybe", ANQA_E_PARSE,
        "app.conf:2: all.flag = \"maybe\" is neither true nor false; allowed: true, false"},
    {"[all]\n\nnumber = 12x", ANQA_E_PARSE,
        "app.conf:3: all.number = \"12x\" is not a whole number; allowed: whole numbers"},
    {"[all]\nnumber =", ANQA_E_PARSE, "all.number = \"\" is not a whole number"},
    {"[all]\nnumber = 0x", ANQA_E_PARSE, "is not a whole number"},
    {"[all]\nnumber = 1_", ANQA_E_PARSE, "is not a whole number"},
    {"[all]\nnumber = _1", ANQA_E_PARSE, "is not a whole number"},
    {"[all]\nnumber = --1", ANQA_E_PARSE, "is not a whole number"},
    {"[all]\nnumber = 9223372036854775808", ANQA_E_RANGE, "is too large"},
    {"[all]\nnumber = -9223372036854775809", ANQA_E_RANGE, "is too small"},
    {"[all]\nsmall = -11", ANQA_E_RANGE, "is out of bounds; allowed: -10 to -2"},
    {"[all]\nsmall = -1", ANQA_E_RANGE, "is out of bounds; allowed: -10 to -2"},
    {"[all]\nsmall = 0", ANQA_E_RANGE, "is out of bounds"},
    {"[all]\ncount = 0", ANQA_E_RANGE, "is out of bounds; allowed: 1 or more"},
    {"[all]\ncount = -1", ANQA_E_PARSE, "is not a whole number"},
    {"[all]\ncount = 18446744073709551616", ANQA_E_RANGE, "is too large"},
    {"[all]\nport = 65536", ANQA_E_RANGE, "allowed: 0 to 65535"},
    {"[all]\nwait = 5", ANQA_E_PARSE, "needs one of the units ms, s, m, h, d"},
    {"[all]\nwait = 5 s", ANQA_E_PARSE, "needs one of the units"},
    {"[all]\nwait = 5us", ANQA_E_PARSE, "needs one of the units"},
    {"[all]\nwait = 30s1m", ANQA_E_PARSE, "has its units out of order"},
    {"[all]\nwait = s", ANQA_E_PARSE, "is not a duration; allowed: 0ms or more, infinity"},
    {"[all]\nwait = \"\"", ANQA_E_PARSE, "is not a duration"},
    {"[all]\nwait = 213503982335d", ANQA_E_RANGE, "is too large"},
    {"[all]\nwait = 18446744073709551615ms", ANQA_E_RANGE, "is out of bounds"},
    {"[all]\ntick = infinity", ANQA_E_RANGE, "is not allowed here; allowed: 10ms to 2m"},
    {"[all]\ntick = 9ms", ANQA_E_RANGE, "allowed: 10ms to 2m"},
    {"[all]\nbytes = 2GB", ANQA_E_RANGE, "allowed: 0B to 1GB"},
    {"[all]\nbytes = 1PB", ANQA_E_PARSE, "needs one of the units B, KB, MB, GB, TB"},
    {"[all]\nbytes = 99999999999TB", ANQA_E_RANGE, "is too large"},
    {"[all]\nbytes = KB", ANQA_E_PARSE, "is not a size"},
    {"[all]\ntext = 123456789012345678901", ANQA_E_RANGE,
        "has a length out of bounds; allowed: 0 to 20 bytes"},
    {"[all]\ntext = say \"hi\"", ANQA_E_PARSE, "must stand in double quotes as a whole"},
    {"[all]\ntext = \"open", ANQA_E_PARSE, "app.conf:2: the closing quote is missing"},
    {"[all]\ntext = \"open\\", ANQA_E_PARSE, "after a backslash only"},
    {"[all]\ntext = \"a\\x\"", ANQA_E_PARSE, "after a backslash only"},
    {"[all]\ntext = \"a\" b", ANQA_E_PARSE, "something stands behind the closing quote"},
    {"[all]\ncolor = pink", ANQA_E_PARSE, "is none of the choices; allowed: red, green, blue"},
    {"[all]\ncolour = red", ANQA_E_NOT_FOUND,
        "app.conf:2: unknown option \"all.colour\"; did you mean \"color\"?"},
    {"[all]\nzzzzzz = red", ANQA_E_NOT_FOUND, "unknown option \"all.zzzzzz\""},
    {"[all]\nthe_size = 1", ANQA_E_NOT_FOUND, "did you mean \"all_other.the_size\"?"},
    {"[al]\n", ANQA_E_NOT_FOUND, "app.conf:1: unknown area \"al\"; did you mean \"all\"?"},
    {"[]\n", ANQA_E_NOT_FOUND, "unknown area"},
    {"[all\n", ANQA_E_PARSE, "a section must look like [area]"},
    {"[all] x\n", ANQA_E_PARSE, "a section must look like [area]"},
    {"flag = true\n", ANQA_E_PARSE, "app.conf:1: an option must stand below a section"},
    {"[all]\nflag\n", ANQA_E_PARSE, "app.conf:2: expected name = value, [area] or # comment"},
    {"[all]\nflag = on\n[all_other]\n[all]\nflag = on", ANQA_E_EXISTS,
        "app.conf:5: all.flag was set in line 2 already"},
    {"[all]\ntext = \xff\xfe", ANQA_E_PARSE, "app.conf:2: not UTF-8"},
    {"[all]\ntext = a\x01", ANQA_E_PARSE, "app.conf:2: a control character"},
    {"[all]\rflag = on", ANQA_E_PARSE, "app.conf:1: a control character"},
};

TEST(every_mistake_is_refused_with_its_place_and_what_is_allowed)
{
    for (size_t i = 0; i < ANQA_COUNT(bad); i++) {
        anqa_config *config;
        all.port = 7;
        CHECK_STATUS(
            load_text(bad[i].text, &config), bad[i].status, "%s: %s", bad[i].text, err.text);
        CHECK(strstr(err.text, bad[i].words) != NULL, "\"%s\" gives \"%s\"", bad[i].text, err.text);
        CHECK_EQ(err.status, bad[i].status);
        CHECK_EQ(all.port, 7, "written although row %zu failed", i);
    }
}

TEST(lines_and_files_have_a_limit)
{
    size_t size = ANQA_CONFIG_FILE_MAX + 2;
    char *text = malloc(size + 1);
    anqa_config *config;

    CHECK(text != NULL);
    memset(text, '\n', size);
    text[size] = '\0';
    CHECK_STATUS(load_text(text, &config), ANQA_E_LIMIT);
    CHECK_STR(err.text, "app.conf: longer than 1048576 bytes");
    text[ANQA_CONFIG_FILE_MAX] = '\0';
    CHECK_STATUS(load_text(text, &config), ANQA_OK);
    anqa_config_free(config);
    memset(text, '#', ANQA_CONFIG_LINE_MAX + 1);
    CHECK_STATUS(load_text(text, &config), ANQA_E_LIMIT);
    CHECK_STR(err.text, "app.conf:1: the line is too long");
    memset(text, 'a', ANQA_CONFIG_LINE_MAX);
    memcpy(text, "[all]\ntext=", 11);
    CHECK_STATUS(load_text(text, &config), ANQA_E_LIMIT);
    CHECK_STR(err.text, "app.conf:2: the value is too long");
    free(text);
}

TEST(a_later_source_wins_and_says_where_it_stands)
{
    static const anqa_config_override overrides[] = {
        {"all.number", "1"}, {"all.count", "2"}, {"all.port", "3"}, {"all.bytes", "4"}, {0}};
    static const char *const variables[] = {
        "PATH=/bin", "ANQA_ALL_PORT=33", "ANQA_ALL_BYTES=44", "ANQA_HOME=/x", "x", NULL};
    static const char text[] = "[all]\ncount = 22\nport = 33\nbytes = 44\n";
    char *argv[] = {ARG("app"), ARG("serve"), ARG("--all.bytes=444B"), ARG("--verbose"),
        ARG("--all.flag"), ARG("--"), ARG("--all.number=5"), NULL};
    int argc = (int)ANQA_COUNT(argv) - 1;
    const anqa_config_sources sources = {.areas = areas,
        .area_count = ANQA_COUNT(areas),
        .overrides = overrides,
        .file = "app.conf",
        .text = text,
        .text_len = sizeof text - 1,
        .environ_ = variables,
        .argc = &argc,
        .argv = argv};
    static const struct {
        const char *name, *value;
        anqa_config_from from;
        const char *where;
    } rows[] = {
        {"all.text", "", ANQA_CONFIG_FROM_DEFAULT, ""},
        {"all.number", "1", ANQA_CONFIG_FROM_PROGRAM, "program: all.number"},
        {"all.count", "22", ANQA_CONFIG_FROM_FILE, "app.conf:2"},
        {"all.port", "33", ANQA_CONFIG_FROM_ENVIRONMENT, "ANQA_ALL_PORT"},
        {"all.bytes", "444B", ANQA_CONFIG_FROM_ARGUMENT, "--all.bytes"},
        {"all.flag", "true", ANQA_CONFIG_FROM_ARGUMENT, "--all.flag"},
    };
    anqa_config *config;

    CHECK_STATUS(anqa_config_load(&sources, &config, &err), ANQA_OK, "%s", err.text);
    for (size_t i = 0; i < ANQA_COUNT(rows); i++) {
        anqa_config_value value;
        CHECK_STATUS(anqa_config_find(config, rows[i].name, &value), ANQA_OK);
        CHECK_STR(value.text, rows[i].value, "%s", rows[i].name);
        CHECK_EQ(value.from, rows[i].from, "%s", rows[i].name);
        CHECK_STR(value.where, rows[i].where);
    }
    CHECK_EQ(argc, 5);
    CHECK_STR(argv[1], "serve");
    CHECK_STR(argv[2], "--verbose");
    CHECK_STR(argv[3], "--");
    CHECK_STR(argv[4], "--all.number=5");
    CHECK(argv[5] == NULL);
    anqa_config_free(config);
}

static const struct {
    const char *variable;
    anqa_status status;
    const char *words;
} variables[] = {
    {"ANQA_ALL_PORT=x", ANQA_E_PARSE,
        "ANQA_ALL_PORT: all.port = \"x\" is not a whole number; allowed: 0 to 65535"},
    {"ANQA_ALL_PROT=1", ANQA_E_NOT_FOUND,
        "ANQA_ALL_PROT: unknown option \"all.prot\"; did you mean \"port\"?"},
    {"ANQA_ALL_TEXT=\xff", ANQA_E_PARSE, "is not UTF-8"},
    {"ANQA_ALL_TEXT=\x01", ANQA_E_PARSE, "holds a control character"},
    {"ANQA_ALL_OTHER_SIZE=5", ANQA_OK, ""},
    {"ANQA_ALL_TEXT=a \"b\" #c", ANQA_OK, ""},
    {"ANQA_SOMETHING=5", ANQA_OK, ""},
    {"ANQA_ALL=5", ANQA_OK, ""},
    {"anqa_all_port=x", ANQA_OK, ""},
};

TEST(variables_are_named_after_area_and_option)
{
    for (size_t i = 0; i < ANQA_COUNT(variables); i++) {
        const char *const list[] = {variables[i].variable, NULL};
        anqa_config *config;
        CHECK_STATUS(load_variables(list, &config), variables[i].status, "%s: %s",
            variables[i].variable, err.text);
        CHECK(strstr(err.text, variables[i].words) != NULL, "%s gives %s", variables[i].variable,
            err.text);
        if (variables[i].status == ANQA_OK)
            anqa_config_free(config);
    }
}

static const struct {
    const char *argument;
    anqa_status status;
    const char *words;
} arguments[] = {
    {"--all.port=99999", ANQA_E_RANGE,
        "--all.port: all.port = \"99999\" is out of bounds; allowed: 0 to 65535"},
    {"--all.port", ANQA_E_PARSE, "--all.port: needs a value: --all.port=..."},
    {"--all.prt=1", ANQA_E_NOT_FOUND, "unknown option \"all.prt\"; did you mean \"port\"?"},
    {"--al.port=1", ANQA_E_NOT_FOUND, "unknown area \"al\"; did you mean \"all\"?"},
    {"--all.password=\x01", ANQA_E_PARSE, "all.password = \"(hidden)\" holds a control character"},
    {"--all=1.5", ANQA_OK, ""},
    {"-v", ANQA_OK, ""},
    {"--file=a.b", ANQA_OK, ""},
};

TEST(arguments_with_a_dot_are_options)
{
    for (size_t i = 0; i < ANQA_COUNT(arguments); i++) {
        char *argv[] = {ARG("app"), ARG(arguments[i].argument), NULL};
        int argc = 2;
        const anqa_config_sources sources = {.areas = areas,
            .area_count = ANQA_COUNT(areas),
            .ignore_environment = true,
            .argc = &argc,
            .argv = argv};
        anqa_config *config;
        err = (anqa_error){0};
        CHECK_STATUS(anqa_config_load(&sources, &config, &err), arguments[i].status, "%s",
            arguments[i].argument);
        CHECK(strstr(err.text, arguments[i].words) != NULL, "%s gives %s", arguments[i].argument,
            err.text);
        CHECK_EQ(argc, 2);
        if (arguments[i].status == ANQA_OK)
            anqa_config_free(config);
    }
}

TEST(a_file_is_read_and_one_that_cannot_be_is_named)
{
    char path[] = "/tmp/anqa-config-XXXXXX", text[] = "\xef\xbb\xbf[all]\r\nport = 5\r\n";
    anqa_config_sources sources = {
        .areas = areas, .area_count = ANQA_COUNT(areas), .ignore_environment = true};
    anqa_config *config;
    int fd = mkstemp(path);

    CHECK(fd >= 0 && write(fd, text, sizeof text - 1) == sizeof text - 1);
    close(fd);
    sources.file = path;
    CHECK_STATUS(anqa_config_load(&sources, &config, &err), ANQA_OK, "%s", err.text);
    CHECK_EQ(all.port, 5);
    anqa_config_free(config);
    unlink(path);
    CHECK_STATUS(anqa_config_load(&sources, &config, &err), ANQA_E_NOT_FOUND);
    CHECK(strstr(err.text, path) != NULL, "%s", err.text);
    sources.file_may_miss = true;
    CHECK_STATUS(anqa_config_load(&sources, &config, &err), ANQA_OK);
    anqa_config_free(config);
    sources.file = "/tmp";
    CHECK_STATUS(anqa_config_load(&sources, &config, &err), ANQA_E_IO);
    CHECK(strstr(err.text, "cannot read configuration file /tmp") != NULL, "%s", err.text);
}

TEST(an_option_without_a_fitting_default_must_be_set)
{
    static const anqa_config_option options[] = {
        {.name = "host", .type = ANQA_CONFIG_STR, ANQA_CONFIG_AT(struct all, needed), .min = 1},
        {0}};
    const anqa_config_area area = {"db", options, &all};
    const char *const set[] = {"ANQA_DB_HOST=h", NULL};
    anqa_config_sources sources = {.areas = &area, .area_count = 1, .ignore_environment = true};
    anqa_config *config;

    CHECK_STATUS(anqa_config_load(&sources, &config, &err), ANQA_E_NOT_FOUND);
    CHECK_STR(
        err.text, "db.host must be set: host below [db] in the file, ANQA_DB_HOST or --db.host=");
    sources.ignore_environment = false;
    sources.environ_ = set;
    CHECK_STATUS(anqa_config_load(&sources, &config, &err), ANQA_OK);
    CHECK_STR(all.needed, "h");
    anqa_config_free(config);
}

TEST(a_table_that_contradicts_itself_is_refused)
{
    static const struct {
        anqa_config_option option;
        const char *words;
    } rows[] = {
        {{.name = "Port", .type = ANQA_CONFIG_UINT, ANQA_CONFIG_AT(struct all, port)},
            "not a proper name"},
        {{.name = "", .type = ANQA_CONFIG_UINT, ANQA_CONFIG_AT(struct all, port)},
            "not a proper name"},
        {{.name = "port", .type = ANQA_CONFIG_BOOL, ANQA_CONFIG_AT(struct all, port)},
            "does not suit its type"},
        {{.name = "port", .type = ANQA_CONFIG_UINT}, "does not suit its type"},
        {{.name = "color", .type = ANQA_CONFIG_ENUM, ANQA_CONFIG_AT(struct all, color)},
            "does not suit its type"},
        {{.name = "port",
             .type = ANQA_CONFIG_UINT,
             ANQA_CONFIG_AT(struct all, port),
             .standard = "65536"},
            "default of t.port: \"65536\" is out of bounds"},
    };

    for (size_t i = 0; i < ANQA_COUNT(rows); i++) {
        const anqa_config_option options[] = {rows[i].option, {0}};
        const anqa_config_area area = {"t", options, &all};
        const anqa_config_sources sources = {
            .areas = &area, .area_count = 1, .ignore_environment = true};
        anqa_config *config;
        CHECK_STATUS(anqa_config_load(&sources, &config, &err), ANQA_E_INVALID, "row %zu", i);
        CHECK(strstr(err.text, rows[i].words) != NULL, "row %zu gives %s", i, err.text);
    }
}

TEST(an_area_or_option_that_is_there_twice_is_refused)
{
    static const anqa_config_option twice[] = {
        {.name = "port", .type = ANQA_CONFIG_UINT, ANQA_CONFIG_AT(struct all, port)},
        {.name = "port", .type = ANQA_CONFIG_UINT, ANQA_CONFIG_AT(struct all, port)}, {0}};
    const anqa_config_area one = {"t", twice, &all},
                           two[] = {{"t", other_options, &other}, {"t", other_options, &other}};
    anqa_config_sources sources = {.areas = &one, .area_count = 1, .ignore_environment = true};
    anqa_config *config;

    CHECK_STATUS(anqa_config_load(&sources, &config, &err), ANQA_E_INVALID);
    CHECK_STR(err.text, "option t.port is there twice");
    sources.areas = two;
    sources.area_count = 2;
    CHECK_STATUS(anqa_config_load(&sources, &config, &err), ANQA_E_INVALID);
    CHECK_STR(err.text, "configuration area t is there twice");
}

TEST(what_is_printed_can_be_loaded_again)
{
    static const char text[] = "[all]\ntext = \" #1 \\\"x\\\"\\n\"\nwait = 90s\npassword = "
                               "hunter2\n[all_other]\nsize = 9\n";
    anqa_config *config, *again;
    anqa_arena arena = {0};
    anqa_str first, second;

    CHECK_STATUS(load_text(text, &config), ANQA_OK, "%s", err.text);
    CHECK_STATUS(anqa_config_print_text(config, &arena, &first), ANQA_OK);
    first.ptr = anqa_arena_copy(&arena, first.ptr, first.len);
    CHECK(strstr(first.ptr, "# some words\ntext = \" #1 \\\"x\\\"\\n\"  # app.conf:2\n") != NULL,
        "%s", first.ptr);
    CHECK(strstr(first.ptr, "wait = 1m30s  # app.conf:3\n") != NULL, "%s", first.ptr);
    CHECK(strstr(first.ptr, "# a switch (true, false)\nflag = false  # default\n") != NULL, "%s",
        first.ptr);
    CHECK(strstr(first.ptr, "# password = (hidden)  # app.conf:4\n") != NULL, "%s", first.ptr);
    CHECK(strstr(first.ptr, "hunter2") == NULL);
    CHECK_STATUS(load_text(first.ptr, &again), ANQA_OK, "%s", err.text);
    CHECK_STR(all.text, " #1 \"x\"\n");
    CHECK_EQ(all.wait_ms, 90000);
    CHECK_EQ(other.size, 9);
    CHECK_STR(all.password, "");
    CHECK_STATUS(anqa_config_print_text(again, &arena, &second), ANQA_OK);
    CHECK(second.len > 0);
    anqa_arena_done(&arena);
    anqa_config_free(config);
    anqa_config_free(again);
}

TEST(json_output_is_json_and_hides_secrets)
{
    anqa_config *config;
    anqa_arena arena = {0};
    anqa_json json, item;
    anqa_str text;
    size_t len;

    CHECK_STATUS(load_text("[all]\npassword = hunter2\ntext = \"a\\\"b\"\n", &config), ANQA_OK);
    CHECK_STATUS(anqa_config_print_json(config, &arena, &text), ANQA_OK);
    CHECK_STATUS(anqa_json_parse(text, NULL, &json, &err), ANQA_OK, "%s", err.text);
    CHECK_STATUS(anqa_json_len(json, &len), ANQA_OK);
    CHECK_EQ(len, anqa_config_count(config));
    CHECK_STATUS(anqa_json_at(json, 8, &item), ANQA_OK);
    CHECK_STATUS(anqa_json_get_str(&arena, item, "value", &text), ANQA_OK);
    CHECK_STR(text, "a\"b");
    CHECK_STATUS(anqa_json_get_str(&arena, item, "where", &text), ANQA_OK);
    CHECK_STR(text, "app.conf:3");
    CHECK_STATUS(anqa_json_at(json, 9, &item), ANQA_OK);
    CHECK_STATUS(anqa_json_get_str(&arena, item, "value", &text), ANQA_OK);
    CHECK_STR(text, "(hidden)");
    anqa_arena_done(&arena);
    anqa_config_free(config);
}

TEST(a_value_that_is_not_there_is_not_found)
{
    anqa_config_value value;
    anqa_config *config;

    CHECK_STATUS(load_text("", &config), ANQA_OK);
    CHECK_STATUS(anqa_config_find(config, "all.nothing", &value), ANQA_E_NOT_FOUND);
    CHECK_STATUS(anqa_config_find(config, "all", &value), ANQA_E_NOT_FOUND);
    CHECK_STATUS(anqa_config_find(config, "", &value), ANQA_E_NOT_FOUND);
    CHECK_STATUS(anqa_config_at(config, anqa_config_count(config), &value), ANQA_E_NOT_FOUND);
    CHECK_STATUS(anqa_config_at(config, 0, &value), ANQA_OK);
    CHECK_STR(value.option->name, "flag");
    anqa_config_free(config);
    anqa_config_free(NULL);
}

TEST(the_program_s_own_environment_is_read_by_default)
{
    const anqa_config_sources sources = {.areas = areas, .area_count = ANQA_COUNT(areas)};
    anqa_config *config;

    CHECK_EQ(setenv("ANQA_ALL_PORT", "77", 1), 0);
    CHECK_STATUS(anqa_config_load(&sources, &config, &err), ANQA_OK, "%s", err.text);
    CHECK_EQ(all.port, 77);
    anqa_config_free(config);
}

TEST(every_failing_allocation_is_reported_and_nothing_is_written)
{
    EACH_ALLOC_FAILURE {
        static const anqa_config_override overrides[] = {{"all.number", "1"}, {0}};
        const anqa_config_sources sources = {.areas = areas,
            .area_count = ANQA_COUNT(areas),
            .overrides = overrides,
            .text = "[all]\nport = 9\n",
            .text_len = 15,
            .ignore_environment = true};
        anqa_config *config;
        anqa_arena arena = {0};
        anqa_str text;
        anqa_status s;
        all.port = 7;
        s = anqa_config_load(&sources, &config, &err);
        CHECK(s == ANQA_OK || s == ANQA_E_NOMEM);
        CHECK_EQ(all.port, s == ANQA_OK ? 9 : 7);
        if (s != ANQA_OK)
            continue;
        s = anqa_config_print_text(config, &arena, &text);
        CHECK(s == ANQA_OK || s == ANQA_E_NOMEM);
        s = anqa_config_print_json(config, &arena, &text);
        CHECK(s == ANQA_OK || s == ANQA_E_NOMEM);
        anqa_arena_done(&arena);
        anqa_config_free(config);
    }
}
