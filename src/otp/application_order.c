/* In which order applications start that need each other. */
#include "otp/application_int.h"

#include <stdio.h>
#include <string.h>

struct walk {
    const anqa_app **order;
    size_t count;
    const anqa_app *path[APPLICATIONS_MAX + 1]; /* from the root to where we are */
    size_t depth;
    anqa_error *err;
};

static anqa_status cycle(const struct walk *walk, const anqa_app *again)
{
    char text[200];
    size_t at = 0, len = 0;

    while (walk->path[at] != again)
        at++;
    for (; at < walk->depth && len < sizeof text; at++)
        len += (size_t)snprintf(text + len, sizeof text - len, "%s -> ", walk->path[at]->name);
    return anqa_fail(walk->err, ANQA_E_INVALID, "applications need each other: %.*s%s",
        (int)(len < sizeof text ? len : sizeof text - 1), text, again->name);
}

static bool is_on_path(const struct walk *walk, const anqa_app *app)
{
    for (size_t i = 0; i < walk->depth; i++)
        if (walk->path[i] == app)
            return true;
    return false;
}

/* The application of that name that is there already, or NULL. */
static const anqa_app *namesake(const struct walk *walk, const char *name)
{
    for (size_t i = 0; i < walk->count; i++)
        if (strcmp(walk->order[i]->name, name) == 0)
            return walk->order[i];
    for (size_t i = 0; i < walk->depth; i++)
        if (strcmp(walk->path[i]->name, name) == 0)
            return walk->path[i];
    return NULL;
}

static anqa_status visit_needs(struct walk *walk, const anqa_app *app);

static anqa_status visit(struct walk *walk, const anqa_app *app, const char *needed_by)
{
    const anqa_app *other;
    anqa_status status;

    if (app->name == NULL || app->name[0] == '\0')
        return anqa_fail(
            walk->err, ANQA_E_INVALID, "an application that '%s' needs has no .name", needed_by);
    if (is_on_path(walk, app))
        return cycle(walk, app);
    other = namesake(walk, app->name);
    if (other != NULL && other != app)
        return anqa_fail(
            walk->err, ANQA_E_INVALID, "two applications have the name '%s'", app->name);
    if (other == app)
        return ANQA_OK;
    if (walk->depth + walk->count > APPLICATIONS_MAX)
        return anqa_fail(
            walk->err, ANQA_E_LIMIT, "it needs more than %u applications", APPLICATIONS_MAX);
    status = visit_needs(walk, app);
    if (status == ANQA_OK)
        walk->order[walk->count++] = app;
    return status;
}

static anqa_status visit_needs(struct walk *walk, const anqa_app *app)
{
    anqa_status status = ANQA_OK;

    walk->path[walk->depth++] = app;
    for (size_t i = 0; app->applications != NULL && app->applications[i] != NULL; i++) {
        status = visit(walk, app->applications[i], app->name);
        if (status != ANQA_OK)
            return status;
    }
    walk->depth--;
    return ANQA_OK;
}

anqa_status application_order(const anqa_app *app, const anqa_app *ret_order[APPLICATIONS_MAX],
    size_t *ret_count, anqa_error *err)
{
    struct walk walk = {.order = ret_order, .err = err};
    anqa_status status = visit_needs(&walk, app);

    if (status == ANQA_OK)
        *ret_count = walk.count;
    return status;
}
