/* What a comparison found: for eyes, for programs, for the docs. */
#include <stdlib.h>
#include <string.h>

#include "bench_int.h"

static const char *const rule_signs[] = {
    [BENCH_NO_BUDGET] = "",
    [BENCH_TIMES_BETTER] = ">=",
    [BENCH_TIMES_COST] = "<=",
    [BENCH_AT_MOST] = "<=",
};

bool row_ok(const struct row *row)
{
    enum bench_rule rule = row->spec->budget.rule;

    if (!row->measured)
        return false;
    if (!row->compared && (rule == BENCH_TIMES_BETTER || rule == BENCH_TIMES_COST))
        return false;
    return stats_budget_met(row->spec->budget, row->ours, row->ratio);
}

static const char *verdict(const struct row *row)
{
    enum bench_rule rule = row->spec->budget.rule;

    if (row->why_not != NULL)
        return row->why_not;
    if (rule == BENCH_NO_BUDGET)
        return "";
    return row_ok(row) ? "ok" : "MISSED";
}

/** A number with about three digits that mean something. */
static void print_number(FILE *out, double value)
{
    double size = value < 0 ? -value : value;

    fprintf(out, "%.*f", size >= 100 ? 0 : size >= 10 ? 1 : 2, value);
}

static void print_stats(FILE *out, bool have, struct stats stats, const char *unit)
{
    if (!have) {
        fputc('-', out);
        return;
    }
    print_number(out, stats.median);
    fprintf(out, "%s [", unit);
    print_number(out, stats.q1);
    fputs("..", out);
    print_number(out, stats.q3);
    fputc(']', out);
}

static void print_budget(FILE *out, struct bench_budget budget, const char *unit)
{
    if (budget.rule == BENCH_NO_BUDGET)
        return;
    fprintf(out, "%s ", rule_signs[budget.rule]);
    fprintf(out, budget.rule == BENCH_AT_MOST ? "%g %s" : "%gx", budget.limit, unit);
}

enum { COLUMNS = 6 };
static const char *const headings[COLUMNS] = {"case", "ours", "baseline", "ratio", "budget", ""};
static const int widths[COLUMNS] = {-22, 26, 26, 22, 10, 0};

static void print_column(FILE *out, const struct row *row, unsigned column)
{
    switch (column) {
    case 0: fputs(row->label, out); break;
    case 1:
        print_stats(out, row->measured, row->ours, "");
        fprintf(out, " %s", row->measured ? row->spec->unit : "");
        break;
    case 2: print_stats(out, row->compared, row->theirs, ""); break;
    case 3: print_stats(out, row->compared, row->ratio, "x"); break;
    case 4: print_budget(out, row->spec->budget, row->spec->unit); break;
    default: fputs(verdict(row), out);
    }
}

/** The text of one column in memory of its own, or NULL. */
static char *column_text(const struct row *row, unsigned column)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);

    if (out == NULL)
        return NULL;
    print_column(out, row, column);
    fclose(out);
    return text;
}

static void print_baselines(FILE *out, const struct options *options)
{
    bool by_peer = false;

    for (const struct bench_case *c = bench_area.cases; c->name != NULL; c++) {
        if (c->against != NULL)
            fprintf(out, "The baseline of %s is %s. ", c->name, c->against);
        else if (c->peer != NULL && strcmp(c->peer, c->name) != 0)
            fprintf(out, "The baseline of %s is the peer's %s. ", c->name, c->peer);
        by_peer = by_peer || c->peer != NULL;
    }
    if (by_peer)
        fprintf(
            out, "The peer is %s.", options->peer != NULL ? options->peer_name : "not installed");
}

static void print_method(FILE *out, const struct options *options)
{
    fprintf(out,
        "%u pairs, interleaved A B B A%s; median [first quartile..third quartile], lower is "
        "better. ",
        options->pairs, options->pairs < BENCH_PAIRS ? " (too few to judge by)" : "");
    fputs("A name ends in the number of schedulers. A ratio is the median of the pairs' ratios; a "
          "budget is missed ",
        out);
    fputs("when the better quartile misses it. ", out);
}

void report_head(FILE *out, const struct options *options)
{
    fprintf(out, "%s: ", bench_area.name);
    print_method(out, options);
    print_baselines(out, options);
    fputs("\n\n", out);
    for (unsigned i = 0; i < COLUMNS; i++)
        fprintf(out, "%*s ", widths[i], headings[i]);
    fputc('\n', out);
    fflush(out);
}

void report_row(FILE *out, const struct row *row)
{
    for (unsigned i = 0; i < COLUMNS; i++) {
        char *text = column_text(row, i);

        fprintf(out, "%*s ", widths[i], text != NULL ? text : "?");
        free(text);
    }
    fputc('\n', out);
    fflush(out);
}

/** Names, labels and units are identifiers of ours: nothing in them needs an escape. */
static void json_text(FILE *out, const char *name, const char *text)
{
    fprintf(out, "\"%s\": \"%s\", ", name, text);
}

static void json_number(FILE *out, const char *name, bool have, double value)
{
    if (have)
        fprintf(out, "\"%s\": %.6g, ", name, value);
    else
        fprintf(out, "\"%s\": null, ", name);
}

void report_json(FILE *out, const struct row *row)
{
    bool judged = row->spec->budget.rule != BENCH_NO_BUDGET;
    bool known = row->measured && (row->compared || row->spec->budget.rule == BENCH_AT_MOST);

    fputc('{', out);
    json_text(out, "area", bench_area.name);
    json_text(out, "case", row->label);
    json_number(out, "value", row->measured, row->ours.median);
    json_number(out, "value_q1", row->measured, row->ours.q1);
    json_number(out, "value_q3", row->measured, row->ours.q3);
    json_text(out, "unit", row->spec->unit);
    json_number(out, "baseline", row->compared, row->theirs.median);
    json_number(out, "ratio", row->compared, row->ratio.median);
    json_number(out, "ratio_q1", row->compared, row->ratio.q1);
    json_number(out, "ratio_q3", row->compared, row->ratio.q3);
    json_number(out, "budget", judged, row->spec->budget.limit);
    fprintf(out, "\"ok\": %s}\n", judged && !known ? "null" : row_ok(row) ? "true" : "false");
}

/** Is there to be told why this one misses its budget? */
static bool has_note(const struct row *row)
{
    return row->why_not == NULL && row->spec->note != NULL && !row_ok(row);
}

/** The notes of what is missed; the rows of one case, which stand together, share theirs. */
static void markdown_notes(FILE *out, const struct row *rows, size_t count)
{
    const struct bench_case *last = NULL;

    for (size_t i = 0; i < count; i++) {
        if (!has_note(&rows[i]) || rows[i].spec == last)
            continue;
        fprintf(out, "%s\n- %s: %s",
            last == NULL ? "\nWhy a budget is missed, as measured when the note was written:\n"
                         : "",
            rows[i].spec->name, rows[i].spec->note);
        last = rows[i].spec;
    }
    if (last != NULL)
        fputc('\n', out);
}

static void markdown_row(FILE *out, const struct row *row)
{
    for (unsigned i = 0; i < COLUMNS; i++) {
        fputs("| ", out);
        print_column(out, row, i);
        fputc(' ', out);
    }
    fputs("|\n", out);
}

bool report_markdown(
    const char *path, const struct options *options, const struct row *rows, size_t count)
{
    FILE *out = fopen(path, "we");
    bool written;

    if (out == NULL)
        return false;
    if (bench_area.about != NULL)
        fprintf(out, "%s\n\n", bench_area.about);
    print_method(out, options);
    print_baselines(out, options);
    fputs("\n\n| case | ours | baseline | ratio | budget | |\n|---|---:|---:|---:|---|---|\n", out);
    for (size_t i = 0; i < count; i++)
        markdown_row(out, &rows[i]);
    markdown_notes(out, rows, count);
    written = !ferror(out);
    return fclose(out) == 0 && written;
}
