/*
 * Pages that are written in JSX and rendered on the server: pages.tsx, by a pool of JavaScript processes. What they show is
 * looked up here. A page that fails or never ends costs its own visitor an error, and nobody else anything.
 *
 *     curl http://127.0.0.1:4000/?search=green
 *     curl http://127.0.0.1:4000/items/sencha
 */
#include <anqa/anqa.h>

#define PATIENCE_MS 5000

/* ---------------------------------------------------------------- what there is */

struct item {
    const char *id, *name;
    int64_t cents, stock;
};

static const struct item items[] = {
    {"sencha", "Sencha, green", 790, 12}, {"assam", "Assam, black", 650, 0},
    {"mint", "Peppermint <fresh>", 420, 30},
    {"lost", "Lost in the count", 100, -1}, /* its page fails */
};

static void put_item(anqa_value_writer *w, const struct item *item)
{
    anqa_value_map_begin(w);
    anqa_value_key(w, anqa_str_of("id"));
    anqa_value_put_str(w, anqa_str_of(item->id));
    anqa_value_key(w, anqa_str_of("name"));
    anqa_value_put_str(w, anqa_str_of(item->name));
    anqa_value_key(w, anqa_str_of("cents"));
    anqa_value_put_int(w, item->cents);
    anqa_value_key(w, anqa_str_of("stock"));
    anqa_value_put_int(w, item->stock);
    anqa_value_end(w);
}

/* ---------------------------------------------------------------- pages */

static const anqa_js_script pages = ANQA_JS_SCRIPT(.name = "pages", .path = EXAMPLE_DIR "/pages.js",
    .limits = {.memory = (size_t)16 << 20, .turn_ms = 200});
static const anqa_js_pool pool =
    ANQA_JS_POOL("pages", .script = &pages, .size = 4, .waiting = 1000);

/* The arguments of a page: one map, whose members come between the two. */
static void page_begin(anqa_value_writer *w)
{
    anqa_value_writer_init(w, anqa_tmp(), NULL);
    anqa_value_array_begin(w);
    anqa_value_map_begin(w);
}

static void page_send(anqa_conn *conn, const char *page, anqa_value_writer *w)
{
    anqa_value args, html;
    anqa_status status;
    anqa_error err;

    anqa_value_end(w);
    anqa_value_end(w);
    status = anqa_value_done(w, &args);
    if (status != ANQA_OK)
        (void)anqa_fail(&err, status, "its data: %s", anqa_status_text(status));
    else
        status =
            anqa_js_pool_run(anqa_whereis("pages"), page, &args, PATIENCE_MS, &html, NULL, &err);
    if (status == ANQA_OK) {
        anqa_send_html(conn, 200, anqa_value_str(html));
        return;
    }
    anqa_log(ANQA_ERROR, "ssr.page_failed", "page=%s error=%s", page, err.text);
    anqa_send_text(
        conn, status == ANQA_E_FULL ? 503 : 500, anqa_str_of("This page has a problem.\n"));
}

static void shop(anqa_conn *conn, const void *opts)
{
    anqa_str search = anqa_json_str(anqa_conn_query_params(conn), "search");
    anqa_value_writer w;

    page_begin(&w);
    anqa_value_key(&w, anqa_str_of("search"));
    anqa_value_put_str(&w, search);
    anqa_value_key(&w, anqa_str_of("items"));
    anqa_value_array_begin(&w);
    for (size_t i = 0; i < ANQA_COUNT(items); i++)
        if (strstr(items[i].name, anqa_tmp_copy(search.ptr, search.len)) != NULL)
            put_item(&w, &items[i]);
    anqa_value_end(&w);
    page_send(conn, "shop", &w);
}

static void show_item(anqa_conn *conn, const void *opts)
{
    anqa_str id = anqa_conn_path_param(conn, "id");
    anqa_value_writer w;
    size_t i = 0;

    while (i < ANQA_COUNT(items) && !anqa_str_is(id, items[i].id))
        i++;
    if (i == ANQA_COUNT(items)) {
        anqa_send_text(conn, 404, anqa_str_of("There is no such tea.\n"));
        return;
    }
    page_begin(&w);
    anqa_value_key(&w, anqa_str_of("item"));
    put_item(&w, &items[i]);
    page_send(conn, "item", &w);
}

/* ---------------------------------------------------------------- the program */

static const anqa_router router = {
    .routes = (const anqa_route[]){ANQA_GET("/", shop), ANQA_GET("/items/:id", show_item), {0}},
};

static const anqa_endpoint endpoint = {
    .plugs = (const anqa_plug[]){{.call = anqa_plug_request_id}, {.call = anqa_plug_logger},
        {.call = anqa_put_secure_browser_headers}, {0}},
    .router = &router,
};

static const anqa_app ssr = {
    .name = "ssr",
    .about = "pages in JSX, rendered on the server",
    .children = (const anqa_child_spec[]){{.server = &pool.server}, ANQA_ENDPOINT(&endpoint), {0}},
};

int main(int argc, char **argv)
{
    return anqa_main(argc, argv, &ssr);
}
