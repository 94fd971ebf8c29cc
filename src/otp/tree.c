/* The tree of supervisors as text. */
#include <anqa/supervisor.h>

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <anqa/memory.h>

#include "otp/application.h"
#include "otp/introspect.h"
#include "otp/registry.h"
#include "otp/text.h"

#define DEPTH_MAX 16u
#define SHOWN_MAX 50u /* children of one supervisor */
#define PREFIX_MAX (DEPTH_MAX * 8)

struct drawing {
    struct text text;
    bool colours;
};

static const char bold[] = "\033[1m", dim[] = "\033[2m", yellow[] = "\033[33m", red[] = "\033[31m",
                  plain[] = "\033[0m";

static void put(struct drawing *drawing, const char *s)
{
    text_puts(&drawing->text, s);
}

static void put_coloured(struct drawing *drawing, const char *colour, const char *s, size_t len)
{
    if (drawing->colours)
        put(drawing, colour);
    text_put(&drawing->text, s, len);
    if (drawing->colours)
        put(drawing, plain);
}

static void put_state(struct drawing *drawing, const anqa_child_info *child)
{
    static const char *const states[] = {"ended", "", "starting", "restarting"};
    char line[64];

    if (child->state != ANQA_CHILD_RUNNING) {
        put(drawing, "  ");
        put_coloured(drawing, red, states[child->state], strlen(states[child->state]));
    }
    if (child->restarts > 0) {
        snprintf(line, sizeof line, "restarted %u time%s", child->restarts,
            child->restarts == 1 ? "" : "s");
        put(drawing, "  ");
        put_coloured(drawing, yellow, line, strlen(line));
    }
    if (child->last_exit.len > 0) {
        put(drawing, "  (");
        put_coloured(drawing, dim, child->last_exit.ptr, child->last_exit.len);
        put(drawing, ")");
    }
}

/* Only what says something: most processes are not suspended, and most mailboxes are empty. */
static void put_process(struct drawing *drawing, anqa_pid pid)
{
    anqa_process_info info;
    char line[64];

    if (!introspect_glance(pid, &info))
        return;
    if (info.status == ANQA_PROCESS_SUSPENDED) {
        const char *text = anqa_process_status_text(info.status);
        put(drawing, "  ");
        put_coloured(drawing, yellow, text, strlen(text));
    }
    if (info.mailbox == 0)
        return;
    snprintf(line, sizeof line, "%u message%s waiting", info.mailbox, info.mailbox == 1 ? "" : "s");
    put(drawing, "  ");
    put_coloured(drawing, yellow, line, strlen(line));
}

static void put_child(struct drawing *drawing, const anqa_child_info *child, size_t width)
{
    char pid[ANQA_PID_TEXT];

    anqa_pid_text(child->pid, pid);
    put_coloured(drawing, child->kind == ANQA_CHILD_SUPERVISOR ? bold : plain,
        child->id.ptr == NULL ? "" : child->id.ptr, child->id.len);
    for (size_t i = child->id.len; i < width; i++)
        put(drawing, " ");
    put(drawing, "  ");
    if (!anqa_pid_is_none(child->pid))
        put_coloured(drawing, dim, pid, strlen(pid));
    put_state(drawing, child);
    put_process(drawing, child->pid);
    put(drawing, "\n");
}

static void put_children(
    struct drawing *drawing, anqa_pid supervisor, const char *prefix, unsigned depth);

/* The oldest first, as they were started: the list comes the other way round. */
static void put_row(struct drawing *drawing, const anqa_child_info *child, size_t width,
    bool is_last, const char *prefix, unsigned depth)
{
    char deeper[PREFIX_MAX];

    put(drawing, prefix);
    put(drawing, is_last ? "└─ " : "├─ ");
    put_child(drawing, child, width);
    if (child->kind != ANQA_CHILD_SUPERVISOR || anqa_pid_is_none(child->pid) ||
        depth + 1 >= DEPTH_MAX)
        return;
    snprintf(deeper, sizeof deeper, "%s%s", prefix, is_last ? "   " : "│  ");
    put_children(drawing, child->pid, deeper, depth + 1);
}

static void put_children(
    struct drawing *drawing, anqa_pid supervisor, const char *prefix, unsigned depth)
{
    anqa_child_info *children;
    size_t count, width = 0, shown;
    char line[64];

    if (anqa_supervisor_which_children(supervisor, &children, &count) != ANQA_OK) {
        put(drawing, prefix);
        put(drawing, "└─ (does not answer)\n");
        return;
    }
    shown = count < SHOWN_MAX ? count : SHOWN_MAX;
    for (size_t i = 0; i < shown; i++)
        width = children[count - 1 - i].id.len > width ? children[count - 1 - i].id.len : width;
    for (size_t i = 0; i < shown; i++)
        put_row(drawing, &children[count - 1 - i], width, i + 1 == count, prefix, depth);
    if (shown == count)
        return;
    snprintf(line, sizeof line, "└─ and %zu more\n", count - shown);
    put(drawing, prefix);
    put(drawing, line);
}

static void put_tree(struct drawing *drawing, anqa_pid supervisor)
{
    anqa_str name = registry_name_of(supervisor);
    char pid[ANQA_PID_TEXT];

    anqa_pid_text(supervisor, pid);
    put_coloured(drawing, bold, name.len > 0 ? name.ptr : "supervisor",
        name.len > 0 ? name.len : strlen("supervisor"));
    put(drawing, "  ");
    put_coloured(drawing, dim, pid, strlen(pid));
    put_process(drawing, supervisor);
    put(drawing, "\n");
    put_children(drawing, supervisor, "", 0);
}

anqa_str anqa_tree_text(anqa_pid supervisor)
{
    struct drawing drawing = {.colours = false};

    put_tree(&drawing, supervisor);
    return anqa_str_make(drawing.text.bytes, drawing.text.len);
}

anqa_str anqa_tree_text_all(void)
{
    struct drawing drawing = {.colours = false};
    anqa_registry_entry *apps;
    size_t count;

    application_list(&apps, &count);
    for (size_t i = 0; i < count; i++) {
        anqa_pid top = anqa_whereis(apps[i].key.ptr);
        if (!anqa_pid_is_none(top)) {
            put_tree(&drawing, top);
            continue;
        }
        text_put(&drawing.text, apps[i].key.ptr, apps[i].key.len);
        put(&drawing, "  (starts, or ends)\n");
    }
    return anqa_str_make(drawing.text.bytes, drawing.text.len);
}

void anqa_tree_print(anqa_pid supervisor)
{
    struct drawing drawing = {.colours = isatty(STDOUT_FILENO) == 1};
    size_t at = 0;

    put_tree(&drawing, supervisor);
    while (at < drawing.text.len) {
        ssize_t n = write(STDOUT_FILENO, drawing.text.bytes + at, drawing.text.len - at);
        if (n <= 0)
            return; /* nobody reads: there is nobody to tell */
        at += (size_t)n;
    }
}
