/* The tree of supervisors as text. */
#include <anqa/supervisor.h>

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <anqa/memory.h>

#include "otp/application.h"
#include "otp/introspect.h"
#include "otp/registry.h"

#define DEPTH_MAX 16u
#define SHOWN_MAX 50u /* children of one supervisor */
#define PREFIX_MAX (DEPTH_MAX * 8)

struct text {
    char *bytes;
    size_t len, size;
    bool colours;
};

static const char bold[] = "\033[1m", dim[] = "\033[2m", yellow[] = "\033[33m", red[] = "\033[31m",
                  plain[] = "\033[0m";

static void put(struct text *text, const char *bytes, size_t len)
{
    if (text->len + len > text->size) {
        size_t size = (text->len + len) * 2 + 256;
        char *grown = anqa_arena_alloc(anqa_tmp(), size);
        if (text->len > 0)
            memcpy(grown, text->bytes, text->len);
        text->bytes = grown;
        text->size = size;
    }
    memcpy(text->bytes + text->len, bytes, len);
    text->len += len;
}

static void puts_(struct text *text, const char *s)
{
    put(text, s, strlen(s));
}

static void put_coloured(struct text *text, const char *colour, const char *s, size_t len)
{
    if (text->colours)
        puts_(text, colour);
    put(text, s, len);
    if (text->colours)
        puts_(text, plain);
}

static void put_state(struct text *text, const anqa_child_info *child)
{
    static const char *const states[] = {"ended", "", "starting", "restarting"};
    char line[64];

    if (child->state != ANQA_CHILD_RUNNING) {
        puts_(text, "  ");
        put_coloured(text, red, states[child->state], strlen(states[child->state]));
    }
    if (child->restarts > 0) {
        snprintf(line, sizeof line, "restarted %u time%s", child->restarts,
            child->restarts == 1 ? "" : "s");
        puts_(text, "  ");
        put_coloured(text, yellow, line, strlen(line));
    }
    if (child->last_exit.len > 0) {
        puts_(text, "  (");
        put_coloured(text, dim, child->last_exit.ptr, child->last_exit.len);
        puts_(text, ")");
    }
}

/* Only where it says something: most mailboxes are empty. */
static void put_mailbox(struct text *text, anqa_pid pid)
{
    anqa_process_info info;
    char line[64];

    if (!introspect_glance(pid, &info) || info.mailbox == 0)
        return;
    snprintf(line, sizeof line, "%u message%s waiting", info.mailbox, info.mailbox == 1 ? "" : "s");
    puts_(text, "  ");
    put_coloured(text, yellow, line, strlen(line));
}

static void put_child(struct text *text, const anqa_child_info *child, size_t width)
{
    char pid[ANQA_PID_TEXT];

    anqa_pid_text(child->pid, pid);
    put_coloured(text, child->kind == ANQA_CHILD_SUPERVISOR ? bold : plain,
        child->id.ptr == NULL ? "" : child->id.ptr, child->id.len);
    for (size_t i = child->id.len; i < width; i++)
        puts_(text, " ");
    puts_(text, "  ");
    if (!anqa_pid_is_none(child->pid))
        put_coloured(text, dim, pid, strlen(pid));
    put_state(text, child);
    put_mailbox(text, child->pid);
    puts_(text, "\n");
}

static void put_children(
    struct text *text, anqa_pid supervisor, const char *prefix, unsigned depth);

/* The oldest first, as they were started: the list comes the other way round. */
static void put_row(struct text *text, const anqa_child_info *child, size_t width, bool is_last,
    const char *prefix, unsigned depth)
{
    char deeper[PREFIX_MAX];

    puts_(text, prefix);
    puts_(text, is_last ? "└─ " : "├─ ");
    put_child(text, child, width);
    if (child->kind != ANQA_CHILD_SUPERVISOR || anqa_pid_is_none(child->pid) ||
        depth + 1 >= DEPTH_MAX)
        return;
    snprintf(deeper, sizeof deeper, "%s%s", prefix, is_last ? "   " : "│  ");
    put_children(text, child->pid, deeper, depth + 1);
}

static void put_children(struct text *text, anqa_pid supervisor, const char *prefix, unsigned depth)
{
    anqa_child_info *children;
    size_t count, width = 0, shown;
    char line[64];

    if (anqa_supervisor_which_children(supervisor, &children, &count) != ANQA_OK) {
        puts_(text, prefix);
        puts_(text, "└─ (does not answer)\n");
        return;
    }
    shown = count < SHOWN_MAX ? count : SHOWN_MAX;
    for (size_t i = 0; i < shown; i++)
        width = children[count - 1 - i].id.len > width ? children[count - 1 - i].id.len : width;
    for (size_t i = 0; i < shown; i++)
        put_row(text, &children[count - 1 - i], width, i + 1 == count, prefix, depth);
    if (shown == count)
        return;
    snprintf(line, sizeof line, "└─ and %zu more\n", count - shown);
    puts_(text, prefix);
    puts_(text, line);
}

static void put_tree(struct text *text, anqa_pid supervisor)
{
    anqa_str name = registry_name_of(supervisor);
    char pid[ANQA_PID_TEXT];

    anqa_pid_text(supervisor, pid);
    put_coloured(text, bold, name.len > 0 ? name.ptr : "supervisor",
        name.len > 0 ? name.len : strlen("supervisor"));
    puts_(text, "  ");
    put_coloured(text, dim, pid, strlen(pid));
    put_mailbox(text, supervisor);
    puts_(text, "\n");
    put_children(text, supervisor, "", 0);
}

anqa_str anqa_tree_text(anqa_pid supervisor)
{
    struct text text = {.colours = false};

    put_tree(&text, supervisor);
    return anqa_str_make(text.bytes, text.len);
}

anqa_str anqa_tree_text_all(void)
{
    struct text text = {.colours = false};
    anqa_registry_entry *apps;
    size_t count;

    application_list(&apps, &count);
    for (size_t i = 0; i < count; i++) {
        anqa_pid top = anqa_whereis(apps[i].key.ptr);
        if (!anqa_pid_is_none(top)) {
            put_tree(&text, top);
            continue;
        }
        put(&text, apps[i].key.ptr, apps[i].key.len);
        puts_(&text, "  (starts, or ends)\n");
    }
    return anqa_str_make(text.bytes, text.len);
}

void anqa_tree_print(anqa_pid supervisor)
{
    struct text text = {.colours = isatty(STDOUT_FILENO) == 1};
    size_t at = 0;

    put_tree(&text, supervisor);
    while (at < text.len) {
        ssize_t n = write(STDOUT_FILENO, text.bytes + at, text.len - at);
        if (n <= 0)
            return; /* nobody reads: there is nobody to tell */
        at += (size_t)n;
    }
}
