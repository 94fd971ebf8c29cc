/* Tables whose columns are as wide as their widest cell. */
#include "cli/cli.h"

struct row {
    struct row *next;
    anqa_str cells[];
};

struct table {
    struct cli *cli;
    const struct column *columns;
    size_t count;
    struct row *first, **end;
};

struct table *table_new(struct cli *cli, const struct column *columns, size_t count)
{
    struct table *table = anqa_arena_calloc(&cli->arena, 1, sizeof *table);

    *table = (struct table){.cli = cli, .columns = columns, .count = count};
    table->end = &table->first;
    return table;
}

anqa_str *table_row(struct table *table)
{
    struct row *row =
        anqa_arena_calloc(&table->cli->arena, 1, sizeof *row + table->count * sizeof row->cells[0]);

    *table->end = row;
    table->end = &row->next;
    return row->cells;
}

static void put_blanks(FILE *out, size_t count)
{
    fprintf(out, "%*s", (int)count, "");
}

static void put_cell(
    const struct table *table, FILE *out, size_t at, anqa_str text, unsigned look, size_t width)
{
    size_t blanks = width - text_width(text);
    bool is_last = at + 1 == table->count;

    if (table->columns[at].is_number)
        put_blanks(out, blanks);
    look_print(table->cli, out, look, text);
    if (!table->columns[at].is_number && !is_last)
        put_blanks(out, blanks);
    fputs(is_last ? "\n" : "  ", out);
}

void table_print(struct table *table, FILE *out)
{
    size_t *widths = anqa_arena_calloc(&table->cli->arena, table->count, sizeof *widths);

    for (size_t i = 0; i < table->count; i++) {
        widths[i] = strlen(table->columns[i].title);
        for (const struct row *row = table->first; row != NULL; row = row->next) {
            size_t width = text_width(row->cells[i]);
            widths[i] = width > widths[i] ? width : widths[i];
        }
    }
    for (size_t i = 0; i < table->count; i++)
        put_cell(table, out, i, anqa_str_of(table->columns[i].title), LOOK_BOLD, widths[i]);
    for (const struct row *row = table->first; row != NULL; row = row->next)
        for (size_t i = 0; i < table->count; i++)
            put_cell(table, out, i, row->cells[i], table->columns[i].look, widths[i]);
}
