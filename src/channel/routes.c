#include "channel/routes.h"

#include <anqa/endpoint.h>

#include <stdio.h>

#include "otp/child.h"

/* As deep as supervisors are written within each other. NOLINTNEXTLINE(misc-no-recursion) */
static anqa_status print_routes(
    const anqa_child_spec *children, anqa_router_format format, anqa_error *err)
{
    anqa_status status = ANQA_OK;

    for (; status == ANQA_OK && children != NULL && !child_spec_is_end(children); children++) {
        const anqa_endpoint *endpoint =
            children->server == &anqa_endpoint_server ? children->arg : NULL;
        if (children->supervisor != NULL)
            status = print_routes(children->supervisor->children, format, err);
        else if (endpoint != NULL && endpoint->router != NULL)
            status = anqa_router_print(endpoint->router, format, stdout, err);
    }
    return status;
}

static int answer_routes(const anqa_app *app, const char *value)
{
    anqa_router_format format = ANQA_ROUTER_TEXT;
    anqa_error err;

    if (value != NULL && strcmp(value, "json") == 0) {
        format = ANQA_ROUTER_JSON;
    } else if (value != NULL && strcmp(value, "text") != 0) {
        fprintf(stderr, "%s: --routes=%s: it is text or json\n", app->name, value);
        return ANQA_EXIT_USAGE;
    }
    if (print_routes(app->children, format, &err) == ANQA_OK)
        return ANQA_EXIT_OK;
    fprintf(stderr, "%s: %s\n", app->name, err.text);
    return ANQA_EXIT_START;
}

struct main_argument routes_argument = {
    .name = "--routes", .about = "prints the routes, =json for programs", .answer = answer_routes};
