#include "cli/process.h"

#include <inttypes.h>

/* Two texts, with something between them if there is a second one. */
static anqa_str join(struct cli *cli, anqa_str a, const char *between, anqa_str b)
{
    if (b.len == 0)
        return a;
    return text_format(cli, "%.*s%s%.*s", ANQA_FMT(a), a.len > 0 ? between : "", ANQA_FMT(b));
}

/* ---------------------------------------------------------------- lists */

const struct column process_columns[PROCESS_COLUMN_COUNT_] = {
    [PROCESS_PID] = {.title = "PID", .look = LOOK_DIM},
    [PROCESS_NAME] = {.title = "NAME", .look = LOOK_CYAN},
    [PROCESS_KIND] = {.title = "KIND"},
    [PROCESS_STATUS] = {.title = "STATUS"},
    [PROCESS_MAILBOX] = {.title = "MAILBOX", .is_number = true},
    [PROCESS_MEMORY] = {.title = "MEMORY", .is_number = true},
    [PROCESS_HANDLED] = {.title = "HANDLED", .is_number = true},
    [PROCESS_HANDLING] = {.title = "NOW"},
};

static anqa_str name_of(struct cli *cli, anqa_json process)
{
    anqa_json first;
    anqa_str text;

    if (anqa_json_at(field_json(process, "names"), 0, &first) == ANQA_OK &&
        anqa_json_to_str(&cli->arena, first, &text) == ANQA_OK)
        return text_clean(cli, text);
    text = field_text(cli, process, "label");
    return text.len > 0 ? text : field_text(cli, process, "spec");
}

anqa_str process_cell(struct cli *cli, anqa_json process, enum process_column column)
{
    switch (column) {
    case PROCESS_PID: return field_text(cli, process, "pid");
    case PROCESS_NAME: return name_of(cli, process);
    case PROCESS_KIND: return field_text(cli, process, "kind");
    case PROCESS_STATUS: return field_text(cli, process, "status");
    case PROCESS_MAILBOX: return text_count(cli, anqa_json_uint(process, "mailbox", 0));
    case PROCESS_MEMORY: return text_bytes(cli, anqa_json_uint(process, "memory", 0));
    case PROCESS_HANDLED: return text_count(cli, anqa_json_uint(process, "handled", 0));
    default: return field_text(cli, process, "handling");
    }
}

unsigned process_look(anqa_json process)
{
    anqa_json status = field_json(process, "status");

    if (anqa_json_is_str(status, anqa_str_of("running")))
        return LOOK_GREEN;
    if (anqa_json_is_str(status, anqa_str_of("runnable")) ||
        anqa_json_is_str(status, anqa_str_of("suspended")))
        return LOOK_YELLOW;
    return anqa_json_is_str(status, anqa_str_of("idle")) ? LOOK_DIM : LOOK_PLAIN;
}

void processes_print(struct cli *cli, anqa_json processes, FILE *out)
{
    struct table *table = table_new(cli, process_columns, PROCESS_COLUMN_COUNT_);
    anqa_json_iter it = anqa_json_each(processes);

    while (anqa_json_next(&it)) {
        anqa_str *cells = table_row(table);
        for (int i = 0; i < PROCESS_COLUMN_COUNT_; i++)
            cells[i] = process_cell(cli, it.value, (enum process_column)i);
    }
    table_print(table, out);
}

/* ---------------------------------------------------------------- fields */

enum field_kind { FIELD_TEXT, FIELD_COUNT, FIELD_BYTES, FIELD_DURATION, FIELD_PERCENT };

struct field_row {
    const char *key, *title;
    enum field_kind kind;
    bool shows_zero;
};

static const struct field_row process_rows[] = {
    {"pid", "pid", FIELD_TEXT, false},
    {"names", "registered as", FIELD_TEXT, false},
    {"label", "label", FIELD_TEXT, false},
    {"kind", "kind", FIELD_TEXT, false},
    {"spec", "started from", FIELD_TEXT, false},
    {"parent", "parent", FIELD_TEXT, false},
    {"status", "status", FIELD_TEXT, false},
    {"handling", "handles now", FIELD_TEXT, false},
    {"waits_for", "waits for", FIELD_TEXT, false},
    {"mailbox", "mailbox", FIELD_COUNT, true},
    {"handled", "handled", FIELD_COUNT, true},
    {"memory", "memory", FIELD_BYTES, true},
    {"quota", "quota", FIELD_BYTES, false},
    {"links", "links", FIELD_COUNT, true},
    {"monitors", "monitors", FIELD_COUNT, true},
    {"monitored_by", "monitored by", FIELD_COUNT, true},
    {"scheduler", "scheduler", FIELD_COUNT, true},
    {"priority", "priority", FIELD_TEXT, false},
};

static const struct field_row system_rows[] = {
    {"uptime_ns", "up", FIELD_DURATION, true},
    {"processes", "processes", FIELD_COUNT, true},
    {"process_limit", "at most", FIELD_COUNT, true},
    {"spawned", "spawned", FIELD_COUNT, true},
    {"exited", "exited", FIELD_COUNT, true},
    {"waiting", "with a stack", FIELD_COUNT, true},
    {"zombies", "zombies", FIELD_COUNT, false},
    {"faults", "faults contained", FIELD_COUNT, true},
    {"tainted", "tainted", FIELD_TEXT, false},
    {"names", "names", FIELD_COUNT, true},
    {"timers", "timers", FIELD_COUNT, true},
    {"messages", "messages", FIELD_COUNT, true},
    {"heap_bytes", "process heaps", FIELD_BYTES, true},
    {"block_bytes", "messages and tables", FIELD_BYTES, true},
    {"stack_bytes", "stacks (addresses)", FIELD_BYTES, true},
    {"resident_bytes", "resident", FIELD_BYTES, true},
};

/* Strings without their quotes, lists parted by blanks; anything else as JSON. */
static anqa_str plain_text(struct cli *cli, anqa_json value)
{
    anqa_json_iter it = anqa_json_each(value);
    anqa_str text = {0}, all = {"", 0};

    if (anqa_json_type_of(value) == ANQA_JSON_IS_STRING &&
        anqa_json_to_str(&cli->arena, value, &text) == ANQA_OK)
        return text_clean(cli, text);
    if (anqa_json_type_of(value) != ANQA_JSON_IS_ARRAY)
        return text_clean(cli, anqa_json_text(value));
    while (anqa_json_next(&it))
        all = join(cli, all, " ", plain_text(cli, it.value));
    return all;
}

static anqa_str quantity(struct cli *cli, enum field_kind kind, uint64_t value)
{
    switch (kind) {
    case FIELD_BYTES: return text_bytes(cli, value);
    case FIELD_DURATION: return text_duration(cli, value);
    default: return text_count(cli, value);
    }
}

static size_t fields(struct cli *cli, anqa_json object, const struct field_row *rows, size_t count,
    struct field ret_fields[FIELDS_MAX])
{
    size_t used = 0;

    for (size_t i = 0; i < count && used < FIELDS_MAX; i++) {
        const struct field_row *row = &rows[i];
        struct field field = {.title = row->title};
        anqa_json value;
        uint64_t number = 0;
        if (anqa_json_get(object, row->key, &value) != ANQA_OK ||
            anqa_json_type_of(value) == ANQA_JSON_IS_NULL)
            continue;
        if (row->kind == FIELD_TEXT || anqa_json_to_uint(value, &number) != ANQA_OK)
            field.text = plain_text(cli, value);
        else if (number != 0 || row->shows_zero)
            field.text = quantity(cli, row->kind, number);
        if (field.text.len > 0 && !anqa_str_is(field.text, "false"))
            ret_fields[used++] = field;
    }
    return used;
}

size_t process_fields(struct cli *cli, anqa_json process, struct field ret_fields[FIELDS_MAX])
{
    return fields(cli, process, process_rows, ANQA_COUNT(process_rows), ret_fields);
}

static void print(
    struct cli *cli, anqa_json object, const struct field_row *rows, size_t row_count, FILE *out)
{
    struct field list[FIELDS_MAX];
    size_t count = fields(cli, object, rows, row_count, list);
    int width = 0;

    for (size_t i = 0; i < count; i++)
        width = (int)strlen(list[i].title) > width ? (int)strlen(list[i].title) : width;
    for (size_t i = 0; i < count; i++) {
        look_print(cli, out, LOOK_CYAN, anqa_str_of(list[i].title));
        fprintf(out, "%*s  %.*s\n", width - (int)strlen(list[i].title), "", ANQA_FMT(list[i].text));
    }
}

void process_print(struct cli *cli, anqa_json process, FILE *out)
{
    print(cli, process, process_rows, ANQA_COUNT(process_rows), out);
}

void system_print(struct cli *cli, anqa_json system, FILE *out)
{
    print(cli, system, system_rows, ANQA_COUNT(system_rows), out);
}

/* ---------------------------------------------------------------- trees */

/* What a supervisor says may be nested as deep as JSON is; below that nothing is drawn. */
struct tree {
    struct cli *cli;
    struct tree_row *rows;
    size_t count, room;
};

static struct tree_row *row_add(struct tree *tree)
{
    struct tree_row *grown;

    if (tree->count == tree->room) {
        tree->room = tree->room == 0 ? 64 : tree->room * 2;
        grown = anqa_arena_calloc(&tree->cli->arena, tree->room, sizeof *grown);
        if (tree->count > 0)
            memcpy(grown, tree->rows, tree->count * sizeof *grown);
        tree->rows = grown;
    }
    return &tree->rows[tree->count++];
}

/* What is worth a look: a state that is not running, a process that is suspended, restarts, a mailbox that is not empty. */
static anqa_str note_of(struct cli *cli, anqa_json node)
{
    anqa_str note = field_text(cli, node, "state");
    uint64_t restarts = anqa_json_uint(node, "restarts", 0);
    anqa_str status = field_text(cli, field_json(node, "process"), "status");
    uint64_t mailbox = anqa_json_uint(field_json(node, "process"), "mailbox", 0);

    if (anqa_str_is(note, "running"))
        note = anqa_str_make("", 0);
    note = join(cli, note, ", ", field_text(cli, node, "error"));
    if (anqa_str_is(status, "suspended"))
        note = join(cli, note, ", ", status);
    if (mailbox > 0)
        note = join(cli, note, ", ", text_format(cli, "mailbox %" PRIu64, mailbox));
    if (restarts > 0)
        note = join(cli, note, ", ",
            text_format(cli, "restarted %" PRIu64 " time%s", restarts, restarts == 1 ? "" : "s"));
    return join(cli, note, ": ", field_text(cli, node, "last_exit"));
}

static void node_add(struct tree *tree, anqa_json node, anqa_str prefix, anqa_str below);

static void children_add(struct tree *tree, anqa_json node, anqa_str below)
{
    struct cli *cli = tree->cli;
    uint64_t more = anqa_json_uint(node, "more", 0);
    anqa_json children = field_json(node, "children");
    anqa_json_iter it = anqa_json_each(children);
    size_t count = json_count(children);

    while (anqa_json_next(&it)) {
        bool is_last = it.index + 1 == count && more == 0;
        const char *corner = cli->utf8 ? (is_last ? "└─ " : "├─ ") : (is_last ? "`- " : "|- ");
        const char *line = is_last ? "   " : cli->utf8 ? "│  " : "|  ";
        node_add(tree, it.value, text_format(cli, "%.*s%s", ANQA_FMT(below), corner),
            text_format(cli, "%.*s%s", ANQA_FMT(below), line));
    }
    if (more > 0)
        *row_add(tree) = (struct tree_row){
            .prefix = text_format(cli, "%.*s%s", ANQA_FMT(below), cli->utf8 ? "└─ " : "`- "),
            .name = text_format(cli, "and %" PRIu64 " more", more)};
}

/* An application has a name and a supervisor where others have an id and a process; dynamic children may have no id. */
static void node_add(struct tree *tree, anqa_json node, anqa_str prefix, anqa_str below)
{
    struct cli *cli = tree->cli;
    anqa_json process = field_json(node, "process");
    anqa_str id = field_text(cli, node, "id"), pid = field_text(cli, process, "pid");

    if (id.len == 0)
        id = field_text(cli, node, "application");
    *row_add(tree) = (struct tree_row){
        .prefix = prefix,
        .name = id.len > 0 ? id : name_of(cli, process),
        .pid = pid.len > 0 ? pid : field_text(cli, node, "supervisor"),
        .note = note_of(cli, node),
        .is_supervisor = !anqa_json_is_str(field_json(node, "type"), anqa_str_of("worker")),
    };
    children_add(tree, node, below);
}

size_t tree_rows(struct cli *cli, anqa_json answer, struct tree_row **ret_rows)
{
    struct tree tree = {.cli = cli};
    anqa_json_iter it = anqa_json_each(field_json(answer, "applications"));

    while (anqa_json_next(&it))
        node_add(&tree, it.value, anqa_str_make("", 0), anqa_str_make("", 0));
    *ret_rows = tree.rows;
    return tree.count;
}

/* ---------------------------------------------------------------- traces */

unsigned event_look(anqa_json event)
{
    anqa_json kind = field_json(event, "event");

    if (anqa_json_is_str(kind, anqa_str_of("receive")))
        return LOOK_GREEN;
    if (anqa_json_is_str(kind, anqa_str_of("send")))
        return LOOK_CYAN;
    return anqa_json_is_str(kind, anqa_str_of("ended")) ? LOOK_RED : LOOK_PLAIN;
}

anqa_str event_text(struct cli *cli, anqa_json event)
{
    anqa_str kind = field_text(cli, event, "event"), tag = field_text(cli, event, "tag");
    uint64_t size = anqa_json_uint(event, "size", 0);
    uint64_t duration = anqa_json_uint(event, "duration_ns", 0);
    uint64_t dropped = anqa_json_uint(event, "dropped", 0);
    anqa_str text = text_format(cli, "%-8.*s %-20.*s", ANQA_FMT(kind), ANQA_FMT(tag));

    text = join(
        cli, text, anqa_str_is(kind, "send") ? " to " : " from ", field_text(cli, event, "peer"));
    if (size > 0)
        text = join(cli, text, "  ", text_bytes(cli, size));
    if (duration > 0)
        text = join(cli, text, "  in ", text_duration(cli, duration));
    text = join(cli, text, "  ", field_text(cli, event, "body"));
    if (dropped > 0)
        text = join(cli, text, "  lost so far: ", text_count(cli, dropped));
    return text;
}
