/* `anqa js coverage`: what has run of scripts that count, as a table or as lcov's tracefile. */
#include "cli/client.h"

#include <inttypes.h>
#include <stdlib.h>

/* A map of Istanbul's and its counts, whose members stand in the same order. */
struct counted {
    anqa_json_iter map, counts;
};

static struct counted counted_each(anqa_json file, const char *map, const char *counts)
{
    return (struct counted){
        anqa_json_each(field_json(file, map)), anqa_json_each(field_json(file, counts))};
}

/* The next thing, and how often it ran. */
static bool counted_next(struct counted *at, anqa_json *ret_thing, uint64_t *ret_count)
{
    if (!anqa_json_next(&at->map) || !anqa_json_next(&at->counts))
        return false;
    *ret_thing = at->map.value;
    *ret_count = 0;
    if (anqa_json_to_uint(at->counts.value, ret_count) != ANQA_OK)
        *ret_count = 0;
    return true;
}

/* Calls use() for each file of each script. */
static void each_file(struct cli *cli, anqa_json answer,
    void (*use)(struct cli *cli, void *ctx, anqa_json file), void *ctx)
{
    anqa_json_iter script = anqa_json_each(field_json(answer, "scripts"));

    while (anqa_json_next(&script)) {
        anqa_json_iter file = anqa_json_each(field_json(script.value, "coverage"));
        while (anqa_json_next(&file))
            use(cli, ctx, file.value);
    }
}

/* ---------------------------------------------------------------- a table */

static anqa_str share(struct cli *cli, anqa_json file, const char *map, const char *counts)
{
    struct counted all = counted_each(file, map, counts);
    uint64_t count, hit = 0, found = 0;
    anqa_json thing;

    while (counted_next(&all, &thing, &count)) {
        found++;
        hit += count > 0;
    }
    if (found == 0)
        return text_format(cli, "-");
    return text_format(
        cli, "%" PRIu64 " of %" PRIu64 ", %3" PRIu64 " %%", hit, found, hit * 100 / found);
}

static void add_row(struct cli *cli, void *ctx, anqa_json file)
{
    anqa_str *cells = table_row(ctx);

    cells[0] = field_text(cli, file, "path");
    cells[1] = share(cli, file, "statementMap", "s");
    cells[2] = share(cli, file, "fnMap", "f");
}

static void table_show(struct cli *cli, anqa_json answer)
{
    static const struct column columns[] = {{"FILE", false, LOOK_BOLD},
        {"STATEMENTS", true, LOOK_PLAIN}, {"FUNCTIONS", true, LOOK_PLAIN}};
    struct table *table = table_new(cli, columns, ANQA_COUNT(columns));

    if (json_count(field_json(answer, "scripts")) == 0)
        puts("no script counts what of it runs: anqa_add_script(... COVERAGE)");
    else
        each_file(cli, answer, add_row, table);
    table_print(table, stdout);
}

/* ---------------------------------------------------------------- lcov */

/* A text on a line of its own. */
static void print_text(struct cli *cli, FILE *out, anqa_json object, const char *key)
{
    anqa_str text = {"", 0};

    if (anqa_json_get_str(&cli->arena, object, key, &text) != ANQA_OK)
        text = anqa_str_make("?", 1);
    for (size_t i = 0; i < text.len; i++)
        fputc((uint8_t)text.ptr[i] < ' ' ? '?' : text.ptr[i], out);
    fputc('\n', out);
}

static uint64_t start_line(anqa_json range)
{
    return anqa_json_uint(field_json(range, "start"), "line", 0);
}

static void print_functions(struct cli *cli, FILE *out, anqa_json file)
{
    struct counted all = counted_each(file, "fnMap", "f");
    uint64_t count, hit = 0, found = 0;
    anqa_json function;

    while (counted_next(&all, &function, &count)) {
        fprintf(out, "FN:%" PRIu64 ",", start_line(field_json(function, "loc")));
        print_text(cli, out, function, "name");
        fprintf(out, "FNDA:%" PRIu64 ",", count);
        print_text(cli, out, function, "name");
        found++;
        hit += count > 0;
    }
    fprintf(out, "FNF:%" PRIu64 "\nFNH:%" PRIu64 "\n", found, hit);
}

struct line {
    uint64_t number, count;
};

static int by_number(const void *a, const void *b)
{
    const struct line *x = a, *y = b;

    return x->number != y->number ? (x->number < y->number ? -1 : 1)
           : x->count > y->count  ? -1
                                  : x->count < y->count;
}

/* A line has run as often as the most frequent of the statements that begin on it. */
static void print_lines(struct cli *cli, FILE *out, anqa_json file)
{
    struct counted all = counted_each(file, "statementMap", "s");
    size_t most = json_count(field_json(file, "statementMap")), count = 0;
    struct line *lines = anqa_arena_calloc(&cli->arena, most + 1, sizeof *lines);
    uint64_t hit = 0, found = 0;
    anqa_json range;

    while (count < most && counted_next(&all, &range, &lines[count].count))
        lines[count++].number = start_line(range);
    qsort(lines, count, sizeof *lines, by_number);
    for (size_t i = 0; i < count; i++) {
        if (i > 0 && lines[i].number == lines[i - 1].number)
            continue;
        fprintf(out, "DA:%" PRIu64 ",%" PRIu64 "\n", lines[i].number, lines[i].count);
        found++;
        hit += lines[i].count > 0;
    }
    fprintf(out, "LF:%" PRIu64 "\nLH:%" PRIu64 "\n", found, hit);
}

static void print_file(struct cli *cli, void *ctx, anqa_json file)
{
    FILE *out = ctx;

    fputs("TN:\nSF:", out);
    print_text(cli, out, file, "path");
    print_functions(cli, out, file);
    print_lines(cli, out, file);
    fputs("end_of_record\n", out);
}

static enum cli_status write_lcov(struct cli *cli, anqa_json answer, const char *path)
{
    FILE *out = fopen(path, "we");
    bool failed;

    if (out == NULL)
        return cli_fail(CLI_FAILED, "cannot write %s: %m", path);
    each_file(cli, answer, print_file, out);
    failed = ferror(out) != 0;
    failed = fclose(out) != 0 || failed;
    return failed ? cli_fail(CLI_FAILED, "cannot write %s: %m", path) : CLI_OK;
}

/* ---------------------------------------------------------------- the subcommand */

enum cli_status js_coverage(struct cli *cli)
{
    const char *lcov = args_value(cli, "lcov", NULL);
    struct client client;
    enum cli_status status;
    anqa_json answer;

    if (!args_are(cli, 0, 0))
        return CLI_USAGE;
    if (lcov == NULL)
        return ask_and_show(cli, "js_coverage", ANQA_JSON_EMPTY_OBJECT, table_show);
    status = client_find(&client, cli);
    if (status != CLI_OK)
        return status;
    status = client_ask(&client, "js_coverage", ANQA_JSON_EMPTY_OBJECT, &answer);
    client_close(&client);
    return status == CLI_OK ? write_lcov(cli, answer, lcov) : status;
}
