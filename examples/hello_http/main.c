/*
 * Tea or coffee? A page with two forms, and the same votes as JSON. Run it and open http://127.0.0.1:4000, or
 *
 *     curl -X POST http://127.0.0.1:4000/api/votes/tea
 *     curl http://127.0.0.1:4000/api/votes
 *
 * The votes are the state of one process; each request is answered in the process of its connection. With --routes the
 * program prints what it answers.
 */
#include <anqa/anqa.h>

#include <inttypes.h>

/* ---------------------------------------------------------------- the votes */

struct poll {
    int64_t tea, coffee;
};

static anqa_next vote(void *state, anqa_msg *msg)
{
    struct poll *poll = state;
    anqa_str drink = anqa_json_str(msg->body, "drink");

    if (anqa_str_is(drink, "tea"))
        poll->tea++;
    else if (anqa_str_is(drink, "coffee"))
        poll->coffee++;
    else
        return anqa_reply(anqa_jsonf("{'ok': false}"));
    return anqa_reply(anqa_jsonf("{'ok': true}"));
}

static anqa_next count(void *state, anqa_msg *msg)
{
    const struct poll *poll = state;

    return anqa_reply(
        anqa_jsonf("{'tea': %" PRId64 ", 'coffee': %" PRId64 "}", poll->tea, poll->coffee));
}

static const anqa_gen_server poll_server = {
    .name = "poll",
    .state_size = sizeof(struct poll),
    .handle_call = (const anqa_handler[]){{"vote", vote}, {"count", count}, {0}},
};

static anqa_json votes(void)
{
    return anqa_call(anqa_whereis("poll"), "count", ANQA_JSON_NULL, ANQA_CALL_TIMEOUT_MS);
}

/* For the drink that the path names. False: there is none of that name. */
static bool cast_vote(const anqa_conn *conn)
{
    anqa_str drink = anqa_conn_path_param(conn, "drink");
    anqa_json answer = anqa_call(anqa_whereis("poll"), "vote",
        anqa_jsonf("{'drink': %.*s}", ANQA_FMT(drink)), ANQA_CALL_TIMEOUT_MS);
    bool ok = false;

    return anqa_json_get_bool(answer, "ok", &ok) == ANQA_OK && ok;
}

/* ---------------------------------------------------------------- the page */

static const anqa_router router; /* below */

/* The token tells this form from one that another site has made. */
static void put_form(anqa_conn *conn, anqa_html *html, const char *drink, int64_t count)
{
    anqa_str action = ANQA_PATH(&router, "/votes/:drink", drink), token = anqa_csrf_token(conn);

    anqa_html_add(html, "<form method=post action=\"%.*s\">", ANQA_FMT(action));
    anqa_html_add(html, "<input type=hidden name=_csrf_token value=\"%.*s\">", ANQA_FMT(token));
    anqa_html_add(html, "<button>%s</button> %" PRId64 "</form>", drink, count);
}

static void home(anqa_conn *conn, const void *opts)
{
    anqa_str said = anqa_flash_get(conn, "info");
    anqa_json now = votes();
    anqa_html html = {0};

    anqa_html_add(&html, "<!doctype html><html lang=en><meta charset=utf-8>"
                         "<title>Tea or coffee?</title><h1>Tea or coffee?</h1>");
    put_form(conn, &html, "tea", anqa_json_int(now, "tea", 0));
    put_form(conn, &html, "coffee", anqa_json_int(now, "coffee", 0));
    anqa_html_add(&html, "<p>%.*s</p>", ANQA_FMT(said));
    anqa_send_html(conn, 200, html.text);
}

static void vote_on_page(anqa_conn *conn, const void *opts)
{
    if (!cast_vote(conn)) {
        anqa_send_text(conn, 404, anqa_str_of("There is only tea and coffee.\n"));
        return;
    }
    anqa_flash_put(conn, "info", anqa_str_of("Thank you."));
    anqa_redirect(conn, ANQA_PATH(&router, "/"));
}

/* ---------------------------------------------------------------- the API */

static void list_votes(anqa_conn *conn, const void *opts)
{
    anqa_send_json(conn, 200, votes());
}

static void create_vote(anqa_conn *conn, const void *opts)
{
    if (cast_vote(conn))
        anqa_send_json(conn, 201, votes());
    else
        anqa_send_json(conn, 404, anqa_jsonf("{'error': 'there is only tea and coffee'}"));
}

/* ---------------------------------------------------------------- the program */

static const anqa_plug browser[] = {{.call = anqa_put_secure_browser_headers},
    {.call = anqa_fetch_flash}, {.call = anqa_protect_from_forgery}, {0}};

/* clang-format off */
static const anqa_router router = {
    .routes = (const anqa_route[]){
        ANQA_SCOPE("/", browser,
            ANQA_GET("/", home),
            ANQA_POST("/votes/:drink", vote_on_page)),
        ANQA_SCOPE("/api", NULL,
            ANQA_GET("/votes", list_votes),
            ANQA_POST("/votes/:drink", create_vote)),
        {0},
    },
};
/* clang-format on */

static const anqa_endpoint endpoint = {
    .plugs = (const anqa_plug[]){{.call = anqa_plug_request_id}, {.call = anqa_plug_logger},
        {.call = anqa_plug_health}, {.call = anqa_parsers}, {0}},
    .router = &router,
    .session = &(anqa_session_opts){0},
};

static const anqa_app hello_http = {
    .name = "hello_http",
    .about = "tea or coffee, as a page and as an API",
    .children = (const anqa_child_spec[]){{.server = &poll_server}, ANQA_ENDPOINT(&endpoint), {0}},
};

int main(int argc, char **argv)
{
    return anqa_main(argc, argv, &hello_http);
}
