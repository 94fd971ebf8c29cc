/* What `anqa observe` shows. Drawn afresh each time from the last answers. */
#include "cli/observe.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "cli/process.h"

/* ---------------------------------------------------------------- the head */

#define BAR_WIDTH 10u
#define BARS_LINES_MAX 4
#define ROWS_FOR_ALL 16 /* a smaller window shows less of the system */

static const char *state_text(struct observe *observe)
{
    if (!observe->is_connected)
        return " lost, retrying ";
    if (observe->is_paused)
        return " paused ";
    anqa_str duration = text_duration(observe->cli, observe->interval_ms * 1000000);
    return anqa_arena_printf(&observe->cli->arena, " every %.*s ", ANQA_FMT(duration));
}

/* The state to the right is always there; what is left of it is cut. */
static void draw_title(struct observe *observe)
{
    struct cli *cli = observe->cli;
    struct line line = line_begin(&observe->screen, LOOK_REVERSE | LOOK_BOLD);
    anqa_json program = observe->answers[ASK_PROGRAM].json;
    anqa_str name = field_text(cli, program, "name"), version = field_text(cli, program, "version");
    anqa_str uptime =
        text_duration(cli, anqa_json_uint(observe->answers[ASK_SYSTEM].json, "uptime_ns", 0));
    const char *state = state_text(observe);
    size_t columns = (size_t)observe->screen.columns;
    size_t left = columns > strlen(state) ? columns - strlen(state) : 0;
    anqa_str title = text_format(cli, " %.*s %.*s  pid %ld  up %.*s", ANQA_FMT(name),
        ANQA_FMT(version), (long)anqa_json_int(program, "pid", 0), ANQA_FMT(uptime));

    line_put(&line, LOOK_PLAIN, text_cut(cli, title, left));
    line_to(&line, left);
    line_add_text(&line, observe->is_connected ? LOOK_PLAIN : LOOK_RED, state);
    line_end(&line);
}

/* What does not fit as a whole is left out: a number that is cut is another one. */
static void put_figure(struct line *line, const char *title, anqa_str text)
{
    const char *blanks = line->width == 0 ? " " : "   ";

    if (line->width + strlen(blanks) + strlen(title) + 1 + text_width(text) >
        (size_t)line->screen->columns)
        return;
    line_add_text(line, LOOK_DIM, blanks);
    line_add_text(line, LOOK_DIM, title);
    line_add_text(line, LOOK_PLAIN, " ");
    line_put(line, LOOK_PLAIN, text);
}

static void draw_figures(struct observe *observe, anqa_json system)
{
    struct cli *cli = observe->cli;
    struct line line = line_begin(&observe->screen, LOOK_PLAIN);
    uint64_t faults = anqa_json_uint(system, "faults", 0);

    put_figure(&line, "processes", text_count(cli, anqa_json_uint(system, "processes", 0)));
    put_figure(&line, "memory", text_bytes(cli, anqa_json_uint(system, "resident_bytes", 0)));
    put_figure(&line, "heaps", text_bytes(cli, anqa_json_uint(system, "heap_bytes", 0)));
    put_figure(&line, "messages", text_count(cli, anqa_json_uint(system, "messages", 0)));
    put_figure(&line, "timers", text_count(cli, anqa_json_uint(system, "timers", 0)));
    if (faults > 0)
        put_figure(&line, "faults", text_count(cli, faults));
    if (anqa_json_bool(system, "tainted", false))
        line_add_text(&line, LOOK_RED | LOOK_BOLD, "   tainted");
    line_end(&line);
}

/* " 1 [######    ]  63%" */
static void put_bar(struct line *line, const struct cli *cli, size_t number, double busy)
{
    unsigned look = busy > 0.9 ? LOOK_RED : busy > 0.6 ? LOOK_YELLOW : LOOK_GREEN;
    size_t full = (size_t)(busy * BAR_WIDTH + 0.5);
    char text[16];

    snprintf(text, sizeof text, "%3zu ", number);
    line_add_text(line, LOOK_DIM, text);
    line_add_text(line, LOOK_DIM, cli->utf8 ? "▕" : "[");
    for (size_t i = 0; i < BAR_WIDTH; i++) {
        if (i < full)
            line_add_text(line, look, cli->utf8 ? "█" : "#");
        else
            line_add_text(line, LOOK_DIM, cli->utf8 ? "░" : " ");
    }
    line_add_text(line, LOOK_DIM, cli->utf8 ? "▏" : "]");
    snprintf(text, sizeof text, "%3d%% ", (int)(busy * 100 + 0.5));
    line_add_text(line, LOOK_PLAIN, text);
}

#define BAR_COLUMNS (4 + 1 + BAR_WIDTH + 1 + 5)

static void draw_bars(struct observe *observe, size_t count)
{
    size_t each_line = (size_t)observe->screen.columns / BAR_COLUMNS;
    size_t lines = observe->screen.rows < ROWS_FOR_ALL ? 1 : BARS_LINES_MAX;

    each_line = each_line == 0 ? 1 : each_line;
    for (size_t i = 0; i < count && i < each_line * lines; i += each_line) {
        struct line line = line_begin(&observe->screen, LOOK_PLAIN);
        for (size_t at = i; at < i + each_line && at < count; at++)
            put_bar(&line, observe->cli, at + 1, observe->busy[at]);
        line_end(&line);
    }
}

static void draw_head(struct observe *observe)
{
    anqa_json system = observe->answers[ASK_SYSTEM].json;
    size_t count = json_count(field_json(system, "schedulers"));

    draw_title(observe);
    if (system.len == 0)
        return;
    draw_figures(observe, system);
    draw_bars(observe, count < SCHEDULERS_MAX ? count : SCHEDULERS_MAX);
}

/* ---------------------------------------------------------------- the foot */

static const char *hints_of(const struct observe *observe)
{
    switch (observe->view) {
    case VIEW_PROCESSES:
        return " q quit  ? help  Tab tree  Enter look  t trace  / filter  s sort  K kill";
    case VIEW_TREE: return " q quit  ? help  Tab list  Enter look  t trace  / filter  K kill";
    case VIEW_PROCESS: return " q quit  ? help  Esc back  t trace  S suspend  R resume  K kill";
    case VIEW_TRACE: return " q quit  ? help  Esc back  End follow  S suspend  R resume  K kill";
    default: return " Esc back  q quit";
    }
}

/* As many whole hints, which two blanks part, as fit. */
static anqa_str hints(const struct observe *observe)
{
    anqa_str all = anqa_str_of(hints_of(observe));
    size_t columns = (size_t)observe->screen.columns;

    if (all.len <= columns)
        return all;
    while (columns > 1 && strncmp(all.ptr + columns - 1, "  ", 2) != 0)
        columns--;
    return anqa_str_make(all.ptr, columns - 1);
}

static void draw_foot(struct observe *observe)
{
    struct line line;

    while (picture_left(&observe->screen) > 1) {
        line = line_begin(&observe->screen, LOOK_PLAIN);
        line_end(&line);
    }
    line = line_begin(&observe->screen,
        observe->confirm != CONFIRM_NONE ? LOOK_REVERSE | LOOK_YELLOW : LOOK_PLAIN);
    if (observe->confirm != CONFIRM_NONE) {
        line_add_text(&line, LOOK_BOLD, observe->confirm == CONFIRM_KILL ? " kill " : " suspend ");
        line_add_text(&line, LOOK_BOLD, observe->target);
        line_add_text(&line, LOOK_BOLD, "? y: yes, any other key: no");
    } else if (observe->is_typing) {
        line_add_text(&line, LOOK_BOLD, " filter: ");
        line_add_text(&line, LOOK_PLAIN, observe->filter);
        line_add_text(&line, LOOK_REVERSE, " ");
        line_add_text(&line, LOOK_DIM, "  Enter keeps it, Esc clears it");
    } else if (observe->message_until_ms > clock_mono_ms()) {
        line_add_text(&line, LOOK_YELLOW, " ");
        line_put(&line, LOOK_YELLOW, text_clean(observe->cli, anqa_str_of(observe->message)));
    } else if (observe->filter[0] != '\0' && observe->view == observe->list) {
        line_add_text(&line, LOOK_YELLOW, " filter: ");
        line_add_text(&line, LOOK_YELLOW, observe->filter);
        line_add_text(&line, LOOK_DIM, "  Esc clears it");
    } else {
        line_put(&line, LOOK_DIM, hints(observe));
    }
    line_end(&line);
}

/* ---------------------------------------------------------------- lists and texts */

/* Rows for the view, which leave the foot its line. */
static size_t body_rows(const struct observe *observe)
{
    int left = picture_left(&observe->screen) - 1;

    return left > 0 ? (size_t)left : 0;
}

/* The chosen row is among those that are shown. */
static void place_fit(struct place *place, size_t count, size_t rows)
{
    place->count = count;
    if (place->at >= count)
        place->at = count == 0 ? 0 : count - 1;
    if (place->top > place->at)
        place->top = place->at;
    if (place->at >= place->top + rows)
        place->top = place->at - rows + 1;
    if (place->top + rows > count)
        place->top = count > rows ? count - rows : 0;
}

/* Of a text the rows are not chosen, only scrolled. Returns the first that is shown. */
static size_t place_scroll(struct place *place, size_t count, size_t rows)
{
    place->count = count > rows ? count - rows + 1 : 1;
    if (place->at >= place->count)
        place->at = place->count - 1;
    return place->at;
}

static void draw_note(struct observe *observe, unsigned look, const char *text)
{
    struct line line = line_begin(&observe->screen, LOOK_PLAIN);

    line_add_text(&line, LOOK_PLAIN, " ");
    line_put(&line, look, text_clean(observe->cli, anqa_str_of(text)));
    line_end(&line);
}

/* False: there is no answer to show yet, which has been said. */
static bool has_answer(struct observe *observe, enum question question)
{
    const struct answer *answer = &observe->answers[question];

    if (answer->json.len > 0)
        return true;
    if (answer->error[0] != '\0')
        draw_note(observe, LOOK_RED, answer->error);
    else
        draw_note(observe, LOOK_DIM, "waiting for the program ...");
    return false;
}

static bool holds(anqa_str text, const char *part)
{
    return part[0] == '\0' || (text.len > 0 && strcasestr(text.ptr, part) != NULL);
}

/* The row that was chosen may have moved. The first row is chosen as such: who has not moved sees what comes up there. */
static void choose(struct observe *observe, size_t index, anqa_str pid)
{
    if (observe->place.at != 0 && observe->chosen[0] != '\0' && anqa_str_is(pid, observe->chosen))
        observe->place.at = index;
}

static void remember(struct observe *observe, anqa_str pid)
{
    snprintf(observe->chosen, sizeof observe->chosen, "%.*s", ANQA_FMT(pid));
}

/* ---------------------------------------------------------------- processes */

struct shown_column {
    enum process_column column;
    size_t width;     /* 0: what is left */
    int from_columns; /* only in windows that are so wide */
};

static const struct shown_column shown_columns[] = {
    {PROCESS_PID, 12, 0},
    {PROCESS_NAME, 0, 0},
    {PROCESS_KIND, 18, 110},
    {PROCESS_STATUS, 8, 56},
    {PROCESS_MAILBOX, 7, 0},
    {PROCESS_MEMORY, 8, 0},
    {PROCESS_HANDLED, 11, 70},
    {PROCESS_HANDLING, 16, 90},
};

#define NAME_MAX_WIDTH 60u

/* The columns that fit, with their widths. */
static size_t columns_fit(int columns, struct shown_column fit[ANQA_COUNT(shown_columns)])
{
    size_t count = 0, used = 1, left;

    for (size_t i = 0; i < ANQA_COUNT(shown_columns); i++) {
        if (columns < shown_columns[i].from_columns)
            continue;
        fit[count++] = shown_columns[i];
        used += shown_columns[i].width + 1;
    }
    left = (size_t)columns > used + 4 ? (size_t)columns - used : 4;
    for (size_t i = 0; i < count; i++)
        if (fit[i].width == 0)
            fit[i].width = left < NAME_MAX_WIDTH ? left : NAME_MAX_WIDTH;
    return count;
}

static bool is_sorted_by(const struct observe *observe, enum process_column column)
{
    static const enum process_column sorted[OBSERVE_SORTS] = {
        PROCESS_MEMORY, PROCESS_MAILBOX, PROCESS_HANDLED, PROCESS_PID};

    return sorted[observe->sort] == column;
}

static void draw_columns(struct observe *observe, const struct shown_column *columns, size_t count)
{
    struct line line = line_begin(&observe->screen, LOOK_PLAIN);

    line_add_text(&line, LOOK_PLAIN, " ");
    for (size_t i = 0; i < count; i++) {
        const struct column *column = &process_columns[columns[i].column];
        bool is_sorted = is_sorted_by(observe, columns[i].column);
        line_cell(&line, is_sorted ? LOOK_BOLD | LOOK_YELLOW : LOOK_BOLD,
            anqa_str_of(column->title), columns[i].width, column->is_number);
        line_to(&line, line.width + 1);
    }
    line_end(&line);
}

static void draw_process(struct observe *observe, anqa_json process,
    const struct shown_column *columns, size_t count, bool is_chosen)
{
    struct line line = line_begin(&observe->screen, is_chosen ? LOOK_REVERSE : LOOK_PLAIN);

    line_to(&line, 1);
    for (size_t i = 0; i < count; i++) {
        enum process_column column = columns[i].column;
        unsigned look =
            column == PROCESS_STATUS ? process_look(process) : process_columns[column].look;
        if (column == PROCESS_MAILBOX && anqa_json_uint(process, "mailbox", 0) > 0)
            look = LOOK_YELLOW | LOOK_BOLD;
        line_cell(&line, is_chosen ? LOOK_PLAIN : look, process_cell(observe->cli, process, column),
            columns[i].width, process_columns[column].is_number);
        line_to(&line, line.width + 1);
    }
    line_end(&line);
}

static bool process_matches(struct observe *observe, anqa_json process)
{
    static const enum process_column looked_at[] = {
        PROCESS_PID, PROCESS_NAME, PROCESS_KIND, PROCESS_STATUS, PROCESS_HANDLING};

    for (size_t i = 0; i < ANQA_COUNT(looked_at); i++)
        if (holds(process_cell(observe->cli, process, looked_at[i]), observe->filter))
            return true;
    return false;
}

/* Those that the filter lets through. */
static anqa_json *processes_matching(struct observe *observe, size_t *ret_count)
{
    anqa_json list = field_json(observe->answers[ASK_PROCESSES].json, "processes");
    anqa_json *rows = anqa_arena_calloc(&observe->cli->arena, json_count(list) + 1, sizeof *rows);
    anqa_json_iter it = anqa_json_each(list);
    size_t count = 0;

    while (anqa_json_next(&it)) {
        if (observe->filter[0] != '\0' && !process_matches(observe, it.value))
            continue;
        if (observe->chosen[0] != '\0')
            choose(observe, count, process_cell(observe->cli, it.value, PROCESS_PID));
        rows[count++] = it.value;
    }
    *ret_count = count;
    return rows;
}

static void draw_processes(struct observe *observe)
{
    struct shown_column columns[ANQA_COUNT(shown_columns)];
    size_t column_count = columns_fit(observe->screen.columns, columns), count, rows;
    struct place *place = &observe->place;
    anqa_json *list;

    if (!has_answer(observe, ASK_PROCESSES))
        return;
    draw_columns(observe, columns, column_count);
    list = processes_matching(observe, &count);
    rows = body_rows(observe);
    place_fit(place, count, rows);
    if (count == 0)
        draw_note(observe, LOOK_DIM, "none that the filter lets through; Esc clears it");
    for (size_t i = place->top; i < count && i < place->top + rows; i++)
        draw_process(observe, list[i], columns, column_count, i == place->at);
    if (count > 0)
        remember(observe, process_cell(observe->cli, list[place->at], PROCESS_PID));
}

/* ---------------------------------------------------------------- the tree */

static void draw_tree_row(struct observe *observe, const struct tree_row *row, bool is_chosen)
{
    struct line line = line_begin(&observe->screen, is_chosen ? LOOK_REVERSE : LOOK_PLAIN);

    line_add_text(&line, LOOK_PLAIN, " ");
    line_put(&line, LOOK_DIM, row->prefix);
    line_put(&line, row->is_supervisor ? LOOK_BOLD : LOOK_PLAIN, row->name);
    line_add_text(&line, LOOK_PLAIN, "  ");
    line_put(&line, LOOK_DIM, row->pid);
    if (row->note.len > 0) {
        line_add_text(&line, LOOK_PLAIN, "  ");
        line_put(&line, LOOK_YELLOW, row->note);
    }
    line_end(&line);
}

static void draw_tree(struct observe *observe)
{
    struct place *place = &observe->place;
    struct tree_row *rows;
    size_t count, shown, matching = 0;

    if (!has_answer(observe, ASK_TREE))
        return;
    count = tree_rows(observe->cli, observe->answers[ASK_TREE].json, &rows);
    for (size_t i = 0; i < count; i++) {
        if (!holds(rows[i].name, observe->filter) && !holds(rows[i].pid, observe->filter))
            continue;
        choose(observe, matching, rows[i].pid);
        rows[matching++] = rows[i];
    }
    shown = body_rows(observe);
    place_fit(place, matching, shown);
    for (size_t i = place->top; i < matching && i < place->top + shown; i++)
        draw_tree_row(observe, &rows[i], i == place->at);
    if (matching > 0)
        remember(observe, rows[place->at].pid);
}

/* ---------------------------------------------------------------- one process */

struct text_line {
    unsigned look;
    const char *title; /* NULL: none */
    anqa_str text;
};

/* Enough for the fields of a process and the first lines of its state. */
#define TEXT_LINES_MAX 1000u

static size_t state_lines(struct observe *observe, struct text_line *lines, size_t count)
{
    const struct answer *answer = &observe->answers[ASK_STATE];
    struct cli plain = {.utf8 = observe->cli->utf8};
    char *text = NULL;
    size_t len = 0;
    anqa_json state;
    FILE *out;

    lines[count++] = (struct text_line){LOOK_PLAIN, NULL, anqa_str_of("")};
    lines[count++] = (struct text_line){LOOK_BOLD, NULL, anqa_str_of("state")};
    if (anqa_json_get(answer->json, "state", &state) != ANQA_OK) {
        lines[count++] = (struct text_line){LOOK_DIM, NULL,
            text_clean(
                observe->cli, anqa_str_of(answer->error[0] != '\0' ? answer->error : "..."))};
        return count;
    }
    out = open_memstream(&text, &len);
    if (out == NULL)
        return count;
    json_show(&plain, out, state);
    fclose(out);
    anqa_arena_done(&plain.arena);
    for (const char *at = text, *end; at < text + len && count < TEXT_LINES_MAX; at = end + 1) {
        end = memchr(at, '\n', (size_t)(text + len - at));
        if (end == NULL)
            break;
        lines[count++] = (struct text_line){LOOK_PLAIN, NULL,
            anqa_str_of(anqa_arena_copy(&observe->cli->arena, at, (size_t)(end - at)))};
    }
    free(text);
    return count;
}

static void draw_text_line(struct observe *observe, const struct text_line *text)
{
    struct line line = line_begin(&observe->screen, LOOK_PLAIN);

    line_add_text(&line, LOOK_PLAIN, " ");
    if (text->title != NULL) {
        line_cell(&line, LOOK_CYAN, anqa_str_of(text->title), 14, false);
        line_add_text(&line, LOOK_PLAIN, " ");
    }
    line_put(&line, text->look, text->text);
    line_end(&line);
}

static void draw_process_view(struct observe *observe)
{
    struct text_line *lines =
        anqa_arena_calloc(&observe->cli->arena, TEXT_LINES_MAX, sizeof *lines);
    struct field fields[FIELDS_MAX];
    size_t count = 0, rows, first;

    if (!has_answer(observe, ASK_PROCESS))
        return;
    count = process_fields(observe->cli, observe->answers[ASK_PROCESS].json, fields);
    for (size_t i = 0; i < count; i++)
        lines[i] = (struct text_line){LOOK_PLAIN, fields[i].title, fields[i].text};
    count = state_lines(observe, lines, count);
    rows = body_rows(observe);
    first = place_scroll(&observe->place, count, rows);
    for (size_t i = first; i < count && i < first + rows; i++)
        draw_text_line(observe, &lines[i]);
}

/* ---------------------------------------------------------------- a trace */

static void draw_trace(struct observe *observe)
{
    const struct answer *answer = &observe->answers[ASK_TRACE];
    struct line line = line_begin(&observe->screen, LOOK_PLAIN);
    struct place *place = &observe->place;
    size_t rows, first;

    line_add_text(&line, LOOK_BOLD, " trace of ");
    line_add_text(&line, LOOK_BOLD, observe->target);
    line_add_text(&line, LOOK_DIM,
        anqa_arena_printf(&observe->cli->arena, "  %zu events", observe->event_count));
    if (answer->id == 0 && observe->is_connected)
        line_add_text(&line, LOOK_RED, answer->error[0] != '\0' ? "  refused" : "  ended");
    line_end(&line);
    if (answer->error[0] != '\0')
        draw_note(observe, LOOK_RED, answer->error);
    rows = body_rows(observe);
    if (observe->follows)
        place->at = observe->event_count;
    first = place_scroll(place, observe->event_count, rows);
    for (size_t i = first; i < observe->event_count && i < first + rows; i++) {
        const char *text = observe->events[(observe->first_event + i) % EVENTS_MAX];
        anqa_json event = anqa_json_of(anqa_str_of(text));
        draw_text_line(
            observe, &(struct text_line){event_look(event), NULL, event_text(observe->cli, event)});
    }
}

/* ---------------------------------------------------------------- help */

static void draw_help(struct observe *observe)
{
    static const struct {
        const char *keys, *what;
    } table[] = {
        {"Up Down j k", "choose a row, or scroll"},
        {"PgUp PgDn Home End", "the same, faster"},
        {"Enter", "look at the process"},
        {"Esc", "back; in a list: forget the filter"},
        {"Tab", "processes or tree"},
        {"/", "show only rows that hold a text"},
        {"s Right Left", "sort by the next column"},
        {"t", "trace its messages"},
        {"S R", "suspend, resume"},
        {"K", "kill"},
        {"Space", "pause"},
        {"+ -", "look less often, more often"},
        {"Ctrl-L", "draw all again"},
        {"q Ctrl-C", "quit"},
    };
    size_t rows = body_rows(observe), count = ANQA_COUNT(table);
    size_t first = place_scroll(&observe->place, count, rows);

    for (size_t i = first; i < count && i < first + rows; i++) {
        struct line line = line_begin(&observe->screen, LOOK_PLAIN);
        line_add_text(&line, LOOK_PLAIN, " ");
        line_cell(&line, LOOK_CYAN, anqa_str_of(table[i].keys), 20, false);
        line_add_text(&line, LOOK_PLAIN, table[i].what);
        line_end(&line);
    }
}

void observe_draw(struct observe *observe)
{
    static void (*const views[])(struct observe *observe) = {
        [VIEW_PROCESSES] = draw_processes,
        [VIEW_TREE] = draw_tree,
        [VIEW_PROCESS] = draw_process_view,
        [VIEW_TRACE] = draw_trace,
        [VIEW_HELP] = draw_help,
    };

    picture_begin(&observe->screen);
    draw_head(observe);
    if (picture_left(&observe->screen) > 1)
        views[observe->view](observe);
    draw_foot(observe);
    picture_end(&observe->screen);
}
