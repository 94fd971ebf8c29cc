/*
 * Rules of a shop, written by its users in JavaScript and changed while it runs. Each is a process in a sandbox; engine.ts is
 * the parent of them all.
 *
 *     curl -T examples/rule_engine/rules/discount.js http://127.0.0.1:4000/rules/discount
 *     curl -T examples/rule_engine/rules/stock.js http://127.0.0.1:4000/rules/stock
 *     curl -T examples/rule_engine/rules/endless.js http://127.0.0.1:4000/rules/endless
 *     curl -d '{"total": 120, "items": [{"item": "tea", "count": 2}]}' http://127.0.0.1:4000/decisions
 *     curl http://127.0.0.1:4000/rules
 *     curl -X DELETE http://127.0.0.1:4000/rules/endless
 */
#include <anqa/anqa.h>

#define PATIENCE_MS 5000

/* ---------------------------------------------------------------- what rules reach */

/* How many of an item there are: Beam.call("stock", item). */
static anqa_status stock(const anqa_js_request *request, anqa_value_writer *result)
{
    anqa_str item = anqa_value_str(anqa_value_at(request->args, 0));

    if (item.len == 0)
        return anqa_fail(request->err, ANQA_E_INVALID, "stock needs the name of an item");
    anqa_value_put_int(result, anqa_str_is(item, "tea") ? 12 : 0);
    return ANQA_OK;
}

static const anqa_js_script engine = ANQA_JS_SCRIPT(.name = "engine", .server.name = "engine",
    .path = EXAMPLE_DIR "/engine.js", .handlers = (const anqa_js_handler[]){{"stock", stock}, {0}},
    .limits = {.memory = (size_t)16 << 20, .turn_ms = 100, .children = 110});

/* ---------------------------------------------------------------- the API */

/* Calls a function of the engine and sends its answer; what it throws is the client's to read. */
static void ask(anqa_conn *conn, const char *function, anqa_json arg, int status)
{
    anqa_js_error thrown = {.name = {NULL, 0}};
    anqa_json answer;
    anqa_error err;

    switch (anqa_js_call_json(
        anqa_whereis("engine"), function, arg, PATIENCE_MS, &answer, &thrown, &err)) {
    case ANQA_OK: anqa_send_json(conn, status, answer); break;
    case ANQA_E_SCRIPT:
        anqa_send_json(conn, 422,
            anqa_jsonf("{'error': %.*s, 'message': %.*s}", ANQA_FMT(thrown.name),
                ANQA_FMT(thrown.message)));
        break;
    default: anqa_send_json(conn, 503, anqa_jsonf("{'error': %s}", err.text));
    }
}

static void list(anqa_conn *conn, const void *opts)
{
    ask(conn, "list", ANQA_JSON_NULL, 200);
}

static void load(anqa_conn *conn, const void *opts)
{
    anqa_str text, name = anqa_conn_path_param(conn, "name");

    if (anqa_conn_read_body(conn, NULL, &text, NULL) == ANQA_OK)
        ask(conn, "load",
            anqa_jsonf("{'name': %.*s, 'text': %.*s}", ANQA_FMT(name), ANQA_FMT(text)), 201);
}

static void unload(anqa_conn *conn, const void *opts)
{
    anqa_str name = anqa_conn_path_param(conn, "name");

    ask(conn, "unload", anqa_jsonf("{'name': %.*s}", ANQA_FMT(name)), 200);
}

static void decide(anqa_conn *conn, const void *opts)
{
    anqa_json order;
    anqa_error err;
    anqa_str text;

    if (anqa_conn_read_body(conn, NULL, &text, NULL) != ANQA_OK)
        return;
    if (anqa_json_parse(text, NULL, &order, &err) == ANQA_OK)
        ask(conn, "decide", order, 200);
    else
        anqa_send_json(conn, 400, anqa_jsonf("{'error': %s}", err.text));
}

/* ---------------------------------------------------------------- the program */

/* clang-format off */
static const anqa_router router = {
    .routes = (const anqa_route[]){
        ANQA_GET("/rules", list),
        ANQA_PUT("/rules/:name", load),
        ANQA_DELETE("/rules/:name", unload),
        ANQA_POST("/decisions", decide),
        {0},
    },
};
/* clang-format on */

static const anqa_endpoint endpoint = {
    .plugs = (const anqa_plug[]){{.call = anqa_plug_request_id}, {.call = anqa_plug_logger}, {0}},
    .router = &router,
};

static const anqa_app rule_engine = {
    .name = "rule_engine",
    .about = "rules that users write and change while it runs",
    .children =
        (const anqa_child_spec[]){{.server = &engine.server}, ANQA_ENDPOINT(&endpoint), {0}},
};

int main(int argc, char **argv)
{
    return anqa_main(argc, argv, &rule_engine);
}
