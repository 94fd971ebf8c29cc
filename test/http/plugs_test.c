/* The plugs that most sites have in front. */
#include <anqa/test.h>

static void ok(anqa_conn *conn, const void *opts)
{
    anqa_send_text(conn, 200, anqa_str_of("fine"));
}

/* One plug before an answer. */
static anqa_conn *through(
    anqa_conn *conn, void (*plug)(anqa_conn *conn, const void *opts), const void *opts)
{
    anqa_test_run(conn, (const anqa_plug[]){{plug, opts}, {.call = ok}, {0}});
    return conn;
}

#define HEADERS(...)                 \
    .headers = (const anqa_header[]) \
    {                                \
        __VA_ARGS__, {0}             \
    }

static const char *header_of(const anqa_conn *conn, const char *name)
{
    anqa_str value;

    return anqa_conn_resp_header(conn, name, &value) ? anqa_tmp_copy(value.ptr, value.len) : "";
}

/* ---------------------------------------------------------------- ids, the log, the span */

#define TEN "0123456789"

static const struct {
    const char *given;
    bool taken;
} ids[] = {
    {TEN TEN, true},
    {TEN "012345678", false},
    {TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN, true},
    {TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN "x", false},
    {TEN " " TEN, false},
    {TEN "\xc3\xa9" TEN, false},
};

ANQA_TEST(a_request_id_of_20_to_200_characters_is_taken_over)
{
    for (size_t i = 0; i < ANQA_COUNT(ids); i++) {
        anqa_conn *conn =
            through(anqa_test_conn("GET", "/", HEADERS({"x-request-id", ids[i].given})),
                anqa_plug_request_id, NULL);
        ANQA_ASSERT_EQ(strcmp(header_of(conn, "x-request-id"), ids[i].given) == 0, ids[i].taken,
            "%s", ids[i].given);
        ANQA_ASSERT_STR(anqa_conn_request_id(conn), header_of(conn, "x-request-id"));
    }
}

ANQA_TEST(a_request_without_an_id_gets_one_of_its_own)
{
    anqa_conn *a = through(anqa_test_conn("GET", "/"), anqa_plug_request_id, NULL);
    anqa_conn *b = through(anqa_test_conn("GET", "/"), anqa_plug_request_id, NULL);

    ANQA_ASSERT_EQ(strlen(header_of(a, "x-request-id")), 20);
    ANQA_ASSERT(strcmp(header_of(a, "x-request-id"), header_of(b, "x-request-id")) != 0);
}

ANQA_TEST(each_answer_is_one_line_of_the_log)
{
    static const anqa_logger_opts quiet = {.level = ANQA_DEBUG};
    static const anqa_plug plugs[] = {
        {.call = anqa_plug_request_id}, {.call = anqa_plug_logger}, {.call = ok}, {0}};
    anqa_conn *conn = anqa_test_conn("GET", "/a%20b?secret", HEADERS({"x-request-id", TEN TEN}));

    anqa_test_capture_log(ANQA_INFO);
    anqa_test_run(conn, plugs);
    ANQA_ASSERT_LOGGED("info http.request");
    ANQA_ASSERT_LOGGED("method=GET path=/a%20b status=200 duration_us=");
    ANQA_ASSERT_LOGGED("bytes=4 request_id=");
    ANQA_REFUTE_LOGGED("secret");
    (void)through(anqa_test_conn("GET", "/quiet"), anqa_plug_logger, &quiet);
    ANQA_REFUTE_LOGGED("quiet");
}

static unsigned starts, stops;

static void count_events(void *ctx, const anqa_telemetry_event *event)
{
    if (strcmp(event->name, "anqa.endpoint.start") == 0)
        starts++;
    else if (anqa_field_find(event->measurements, event->measurement_count, "status")->as.u == 200)
        stops++;
}

ANQA_TEST(a_request_is_a_span)
{
    const anqa_telemetry_handler handler = {
        .id = "test", .pattern = "anqa.endpoint.*", .run = count_events};

    (void)through(anqa_test_conn("GET", "/"), anqa_plug_telemetry, NULL);
    ANQA_ASSERT_EQ(starts, 0);
    ANQA_ASSERT_STATUS(anqa_telemetry_attach(&handler), ANQA_OK);
    (void)through(anqa_test_conn("GET", "/"), anqa_plug_telemetry, NULL);
    (void)anqa_telemetry_detach("test");
    ANQA_ASSERT_EQ(starts, 1);
    ANQA_ASSERT_EQ(stops, 1);
}

ANQA_TEST(head_becomes_get)
{
    ANQA_ASSERT_STR(through(anqa_test_conn("HEAD", "/"), anqa_plug_head, NULL)->method, "GET");
    ANQA_ASSERT_STR(through(anqa_test_conn("POST", "/"), anqa_plug_head, NULL)->method, "POST");
}

/* ---------------------------------------------------------------- health */

ANQA_TEST(health_is_answered_at_its_path_and_nothing_else_is)
{
    ANQA_ASSERT_JSON_RESPONSE(
        through(anqa_test_conn("GET", "/health"), anqa_plug_health, NULL), 200, "{'status': 'ok'}");
    ANQA_ASSERT_STR(
        anqa_test_resp_body(through(anqa_test_conn("GET", "/healthy"), anqa_plug_health, NULL)),
        "fine");
    ANQA_ASSERT_STR(
        anqa_test_resp_body(through(anqa_test_conn("POST", "/health"), anqa_plug_health, NULL)),
        "fine");
    ANQA_ASSERT_JSON_RESPONSE(
        through(anqa_test_conn("GET", "/up"), anqa_plug_health, "/up"), 200, "{'status': 'ok'}");
}

/* ---------------------------------------------------------------- safety */

ANQA_TEST(browsers_are_told_to_be_careful)
{
    static const anqa_header own[] = {{"content-security-policy", "default-src 'self'"}, {0}};
    anqa_conn *conn = through(anqa_test_conn("GET", "/"), anqa_put_secure_browser_headers, NULL);

    ANQA_ASSERT_RESP_HEADER(
        conn, "content-security-policy", "base-uri 'self'; frame-ancestors 'self';");
    ANQA_ASSERT_RESP_HEADER(conn, "referrer-policy", "strict-origin-when-cross-origin");
    ANQA_ASSERT_RESP_HEADER(conn, "x-content-type-options", "nosniff");
    ANQA_ASSERT_RESP_HEADER(conn, "x-permitted-cross-domain-policies", "none");
    conn = through(anqa_test_conn("GET", "/"), anqa_put_secure_browser_headers, own);
    ANQA_ASSERT_RESP_HEADER(conn, "content-security-policy", "default-src 'self'");
}

static const struct {
    const char *field;
    unsigned status;
} logins[] = {
    {"Basic YWRhOnNlc2FtZQ==", 200}, /* ada:sesame */
    {"basic  YWRhOnNlc2FtZQ==", 200},
    {"Basic YWRhOnNlc2FtZTE=", 401}, /* ada:sesame1 */
    {"Basic YWRlOnNlc2FtZQ==", 401}, /* ade:sesame */
    {"Basic YWRhc2VzYW1l", 401},     /* without a colon */
    {"Basic Og==", 401},             /* : */
    {"Basic !!!", 401},
    {"Basic", 401},
    {"Bearer YWRhOnNlc2FtZQ==", 401},
};

ANQA_TEST(who_has_no_name_and_password_gets_401)
{
    static const anqa_basic_auth auth = {"ada", "sesame", NULL};
    anqa_conn *conn = through(anqa_test_conn("GET", "/"), anqa_plug_basic_auth, &auth);

    ANQA_ASSERT_STR(ANQA_ASSERT_RESPONSE(conn, 401), "Unauthorized");
    ANQA_ASSERT_RESP_HEADER(conn, "www-authenticate", "Basic realm=\"Application\"");
    for (size_t i = 0; i < ANQA_COUNT(logins); i++) {
        conn = through(anqa_test_conn("GET", "/", HEADERS({"authorization", logins[i].field})),
            anqa_plug_basic_auth, &auth);
        ANQA_ASSERT_EQ(conn->status, logins[i].status, "%s", logins[i].field);
    }
}

ANQA_TEST(plain_http_is_sent_to_https)
{
    static const anqa_ssl_opts fixed = {.host = "example.org"};
    anqa_conn *conn = through(anqa_test_conn("GET", "/a%20b?c=d"), anqa_plug_ssl, NULL);

    ANQA_ASSERT_EQ(conn->status, 301);
    ANQA_ASSERT_REDIRECTED_TO(conn, "https://www.example.com/a%20b?c=d");
    conn = through(anqa_test_conn("POST", "/"), anqa_plug_ssl, &fixed);
    ANQA_ASSERT_EQ(conn->status, 307);
    ANQA_ASSERT_REDIRECTED_TO(conn, "https://example.org/");
    conn = through(anqa_test_conn("GET", "/", .host = "localhost:4000"), anqa_plug_ssl, NULL);
    (void)ANQA_ASSERT_RESPONSE(conn, 200);
}

ANQA_TEST(who_comes_over_https_is_told_to_stay_there)
{
    static const anqa_ssl_opts all = {.expires_s = 60, .subdomains = true, .preload = true},
                               off = {.no_hsts = true};
    anqa_conn *conn = through(anqa_test_conn("GET", "/", .https = true), anqa_plug_ssl, NULL);

    ANQA_ASSERT_RESP_HEADER(conn, "strict-transport-security", "max-age=31536000");
    conn = through(anqa_test_conn("GET", "/", .https = true), anqa_plug_ssl, &all);
    ANQA_ASSERT_RESP_HEADER(
        conn, "strict-transport-security", "max-age=60; preload; includeSubDomains");
    conn = through(anqa_test_conn("GET", "/", .https = true), anqa_plug_ssl, &off);
    ANQA_ASSERT_RESP_HEADER(conn, "strict-transport-security", NULL);
}

/* ---------------------------------------------------------------- proxies */

static const anqa_forwarded_opts ours = {
    .from = (const char *const[]){"10.0.0.0/9", "2001:db8::/33", "::1", "unix:", NULL}};
static const anqa_forwarded_opts ours_7239 = {
    .from = (const char *const[]){"10.0.0.0/9", "2001:db8::/33", NULL}, .rfc7239 = true};
#define ALL_OF_IT \
    (ANQA_FORWARDED_FOR | ANQA_FORWARDED_PROTO | ANQA_FORWARDED_HOST | ANQA_FORWARDED_PORT)
static const anqa_forwarded_opts ours_all = {
    .from = (const char *const[]){"10.0.0.0/9", "::1", NULL}, .believed = ALL_OF_IT};
static const anqa_forwarded_opts ours_7239_all = {
    .from = (const char *const[]){"10.0.0.0/9", NULL}, .rfc7239 = true, .believed = ALL_OF_IT};

static const struct {
    const char *peer, *forwarded_for, *client;
} chains[] = {
    {"10.0.0.1:5", "192.0.2.1", "192.0.2.1"},
    {"10.127.255.255:5", "192.0.2.1", "192.0.2.1"},
    {"10.128.0.0:5", "192.0.2.1", "10.128.0.0"},
    {"[2001:db8:7fff::1]:5", "192.0.2.1", "192.0.2.1"},
    {"[2001:db8:8000::1]:5", "192.0.2.1", "2001:db8:8000::1"},
    {"[::1]:5", "2001:db9::1", "2001:db9::1"},
    {"[::ffff:10.0.0.1]:5", "192.0.2.1", "192.0.2.1"},
    {"unix:", "192.0.2.1", "192.0.2.1"},
    {"192.0.2.9:5", "192.0.2.1", "192.0.2.9"},
    {"10.0.0.1:5", "6.6.6.6, 192.0.2.1", "192.0.2.1"},
    {"10.0.0.1:5", "6.6.6.6, 192.0.2.1, 10.0.0.7", "192.0.2.1"},
    {"10.0.0.1:5", "10.0.0.7", "10.0.0.7"},
    {"10.0.0.1:5", "192.0.2.1, nonsense", "10.0.0.1"},
    {"10.0.0.1:5", "192.0.2.1:80", "192.0.2.1"},
    {"10.0.0.1:5", "[2001:db9::1]:80", "2001:db9::1"},
};

ANQA_TEST(only_proxies_of_ours_are_believed_who_the_client_is)
{
    for (size_t i = 0; i < ANQA_COUNT(chains); i++) {
        anqa_conn *conn = through(anqa_test_conn("GET", "/", .peer = chains[i].peer,
                                      HEADERS({"x-forwarded-for", chains[i].forwarded_for})),
            anqa_plug_forwarded, &ours);
        ANQA_ASSERT_STR(anqa_conn_remote_ip(conn), chains[i].client, "%s, %s", chains[i].peer,
            chains[i].forwarded_for);
    }
}

ANQA_TEST(of_more_hops_than_are_looked_at_the_farthest_go)
{
    const char *hops = "192.0.2.1";
    anqa_conn *conn;

    for (int i = 0; i < 40; i++)
        hops = anqa_tmp_printf("%s, 10.0.0.%d", hops, i);
    conn =
        through(anqa_test_conn("GET", "/", .peer = "[::1]:5", HEADERS({"x-forwarded-for", hops})),
            anqa_plug_forwarded, &ours);
    ANQA_ASSERT_STR(anqa_conn_remote_ip(conn), "10.0.0.8");
}

/* A request by a proxy of ours, with all that can be told. */
static anqa_conn *told_all(const anqa_forwarded_opts *opts)
{
    return through(anqa_test_conn("GET", "/", .peer = "10.0.0.1:5",
                       HEADERS({"x-forwarded-for", "192.0.2.1"}, {"x-forwarded-proto", "https"},
                           {"x-forwarded-host", "example.org"}, {"x-forwarded-port", "8443"},
                           {"forwarded", "for=192.0.2.1;proto=https;host=\"example.org:8443\""})),
        anqa_plug_forwarded, opts);
}

ANQA_TEST(scheme_host_and_port_are_those_the_client_came_with)
{
    anqa_conn *conn = through(anqa_test_conn("GET", "/", .peer = "10.0.0.1:5",
                                  HEADERS({"x-forwarded-proto", "http, https"},
                                      {"x-forwarded-host", "example.org:8443"})),
        anqa_plug_forwarded, &ours_all);

    ANQA_ASSERT_STR(conn->scheme, "https");
    ANQA_ASSERT_STR(conn->host, "example.org");
    ANQA_ASSERT_EQ(conn->port, 8443);
    conn = through(anqa_test_conn("GET", "/", .peer = "10.0.0.1:5",
                       HEADERS({"x-forwarded-proto", "gopher"}, {"x-forwarded-port", "70000"})),
        anqa_plug_forwarded, &ours_all);
    ANQA_ASSERT_STR(conn->scheme, "http");
    ANQA_ASSERT_EQ(conn->port, 80);
    conn = through(anqa_test_conn("GET", "/", .peer = "192.0.2.9:5",
                       HEADERS({"x-forwarded-proto", "https"}, {"x-forwarded-host", "evil"})),
        anqa_plug_forwarded, &ours_all);
    ANQA_ASSERT_STR(conn->scheme, "http");
    ANQA_ASSERT_STR(conn->host, "www.example.com");
}

ANQA_TEST(host_and_port_that_a_proxy_passes_on_unseen_are_not_believed_unless_it_is_said)
{
    static const anqa_forwarded_opts *const defaults[] = {&ours, &ours_7239};

    for (size_t i = 0; i < ANQA_COUNT(defaults); i++) {
        anqa_conn *conn = told_all(defaults[i]);
        ANQA_ASSERT_STR(anqa_conn_remote_ip(conn), "192.0.2.1");
        ANQA_ASSERT_STR(conn->scheme, "https");
        ANQA_ASSERT_STR(conn->host, "www.example.com");
        ANQA_ASSERT_EQ(conn->port, 443);
    }
}

static const struct {
    unsigned believed;
    bool rfc7239;
    const char *client, *scheme, *host;
    uint16_t port;
} beliefs[] = {
    {ANQA_FORWARDED_FOR, false, "192.0.2.1", "http", "www.example.com", 80},
    {ANQA_FORWARDED_PROTO, false, "10.0.0.1", "https", "www.example.com", 443},
    {ANQA_FORWARDED_HOST, false, "10.0.0.1", "http", "example.org", 80},
    {ANQA_FORWARDED_PORT, false, "10.0.0.1", "http", "www.example.com", 8443},
    {ALL_OF_IT, false, "192.0.2.1", "https", "example.org", 8443},
    {ANQA_FORWARDED_FOR, true, "192.0.2.1", "http", "www.example.com", 80},
    {ANQA_FORWARDED_PROTO, true, "10.0.0.1", "https", "www.example.com", 443},
    {ANQA_FORWARDED_HOST, true, "10.0.0.1", "http", "example.org", 8443},
    {ALL_OF_IT, true, "192.0.2.1", "https", "example.org", 8443},
};

ANQA_TEST(what_is_believed_of_a_proxy_is_what_is_named)
{
    for (size_t i = 0; i < ANQA_COUNT(beliefs); i++) {
        const anqa_forwarded_opts opts = {
            .from = ours.from, .rfc7239 = beliefs[i].rfc7239, .believed = beliefs[i].believed};
        anqa_conn *conn = told_all(&opts);
        ANQA_ASSERT_STR(anqa_conn_remote_ip(conn), beliefs[i].client, "%zu", i);
        ANQA_ASSERT_STR(conn->scheme, beliefs[i].scheme, "%zu", i);
        ANQA_ASSERT_STR(conn->host, beliefs[i].host, "%zu", i);
        ANQA_ASSERT_EQ(conn->port, beliefs[i].port, "%zu", i);
    }
}

ANQA_TEST(the_standard_field_forwarded_is_read_where_it_is_asked_for)
{
    anqa_conn *conn = through(
        anqa_test_conn("GET", "/", .peer = "10.0.0.1:5",
            HEADERS({"forwarded", "for=6.6.6.6;proto=http, For=\"[2001:db9::1]:4711\";proto=https;"
                                  "host=\"example.org:444\""},
                {"x-forwarded-for", "6.6.6.6"})),
        anqa_plug_forwarded, &ours_7239_all);

    ANQA_ASSERT_STR(anqa_conn_remote_ip(conn), "2001:db9::1");
    ANQA_ASSERT_STR(conn->scheme, "https");
    ANQA_ASSERT_STR(conn->host, "example.org");
    ANQA_ASSERT_EQ(conn->port, 444);
    conn = through(anqa_test_conn("GET", "/", .peer = "10.0.0.1:5",
                       HEADERS({"forwarded", "for=unknown;x=\"a,b"})),
        anqa_plug_forwarded, &ours_7239);
    ANQA_ASSERT_STR(anqa_conn_remote_ip(conn), "10.0.0.1");
}

ANQA_TEST(a_host_that_a_proxy_tells_and_that_is_none_is_not_redirected_to)
{
    anqa_conn *conn = anqa_test_conn("GET", "/", .peer = "[::1]:5",
        HEADERS({"x-forwarded-for", "192.0.2.1"}, {"x-forwarded-host", "a@evil/"}));

    anqa_test_run(conn, (const anqa_plug[]){{anqa_plug_forwarded, &ours_all},
                            {.call = anqa_plug_ssl}, {.call = ok}, {0}});
    (void)ANQA_ASSERT_RESPONSE(conn, 400);
}

static void believe_nonsense(void *arg)
{
    const anqa_forwarded_opts opts = {.from = (const char *const[]){arg, NULL}};

    (void)through(anqa_test_conn("GET", "/"), anqa_plug_forwarded, &opts);
}

ANQA_TEST(a_list_of_proxies_that_has_no_address_ends_the_process)
{
    static const char *const bad[] = {"example.org", "10.0.0.0/33", "10.0.0.0/", "::/129", ""};

    anqa_test_capture_log(ANQA_ERROR);
    for (size_t i = 0; i < ANQA_COUNT(bad); i++)
        (void)ANQA_ASSERT_EXIT(believe_nonsense, (void *)(uintptr_t)bad[i], ANQA_REASON_ERROR);
}

/* ---------------------------------------------------------------- methods */

static void say_method(anqa_conn *conn, const void *opts)
{
    (void)anqa_send_text(conn, 200, conn->method);
}

static const struct {
    const char *method, *body, *seen;
} overrides[] = {
    {"POST", "_method=delete", "DELETE"},
    {"POST", "_method=PUT", "PUT"},
    {"POST", "a=b&_method=Patch", "PATCH"},
    {"POST", "_method=GET", "POST"},
    {"POST", "_method=OPTIONS", "POST"},
    {"POST", "_method=deletes", "POST"},
    {"POST", "_method=", "POST"},
    {"POST", "_method[]=delete", "POST"},
    {"POST", "a=b", "POST"},
    {"PUT", "_method=delete", "PUT"},
    {"PATCH", "_method=delete", "PATCH"},
};

ANQA_TEST(a_form_may_ask_for_put_patch_and_delete_and_nothing_else)
{
    static const anqa_header form[] = {{"content-type", "application/x-www-form-urlencoded"}, {0}};
    anqa_conn *conn;

    for (size_t i = 0; i < ANQA_COUNT(overrides); i++) {
        conn = anqa_test_conn(
            overrides[i].method, "/", .headers = form, .body = anqa_str_of(overrides[i].body));
        anqa_test_run(conn, (const anqa_plug[]){{.call = anqa_parsers},
                                {.call = anqa_plug_method_override}, {.call = say_method}, {0}});
        ANQA_ASSERT_STR(
            ANQA_ASSERT_RESPONSE(conn, 200), overrides[i].seen, "%s", overrides[i].body);
    }
    conn = anqa_test_conn("POST", "/?_method=delete"); /* a link of another site could have that */
    anqa_test_run(conn, (const anqa_plug[]){{.call = anqa_parsers},
                            {.call = anqa_plug_method_override}, {.call = say_method}, {0}});
    ANQA_ASSERT_STR(ANQA_ASSERT_RESPONSE(conn, 200), "POST");
}

static const anqa_controller posts = {.delete_ = say_method, .update = say_method};
static const anqa_router forms = {
    .routes = (const anqa_route[]){ANQA_RESOURCES("/posts", posts), {0}}};
static const anqa_endpoint form_endpoint = {
    .plugs = (const anqa_plug[]){{.call = anqa_parsers}, {.call = anqa_plug_method_override}, {0}},
    .router = &forms};

ANQA_TEST(routers_go_by_the_method_that_a_form_asks_for)
{
    static const anqa_header form[] = {{"content-type", "application/x-www-form-urlencoded"}, {0}};
    anqa_conn *conn = anqa_test_conn("POST", ANQA_PATH(&forms, "/posts/:id", "7").ptr,
        .headers = form, .body = anqa_str_of("_method=delete"));

    anqa_test_dispatch(conn, &form_endpoint);
    ANQA_ASSERT_STR(ANQA_ASSERT_RESPONSE(conn, 200), "DELETE");
    conn = anqa_test_conn("POST", "/posts/7");
    anqa_test_dispatch(conn, &form_endpoint);
    (void)ANQA_ASSERT_RESPONSE(conn, 404);
}

/* ---------------------------------------------------------------- server-sent events */

static const char *sent(const anqa_sse_event *event)
{
    anqa_conn *conn = anqa_test_conn("GET", "/");

    ANQA_ASSERT_STATUS(anqa_sse_begin(conn), ANQA_OK);
    ANQA_ASSERT_STATUS(anqa_sse_send(conn, event), ANQA_OK);
    ANQA_ASSERT_RESP_HEADER(conn, "content-type", "text/event-stream");
    return anqa_test_resp_body(conn);
}

ANQA_TEST(an_event_has_a_line_for_each_line_of_its_data)
{
    ANQA_ASSERT_STR(sent(&(anqa_sse_event){.data = anqa_str_of("a\nb\r\nc\rd\n")}),
        "data: a\ndata: b\ndata: c\ndata: d\ndata: \n\n");
    ANQA_ASSERT_STR(sent(&(anqa_sse_event){
                        .event = "tick", .id = "7", .retry_ms = 3000, .data = anqa_str_of("x")}),
        "event: tick\nid: 7\nretry: 3000\ndata: x\n\n");
    ANQA_ASSERT_STR(sent(&(anqa_sse_event){.id = "7"}), "id: 7\n\n");
}

ANQA_TEST(a_heartbeat_is_a_comment)
{
    anqa_conn *conn = anqa_test_conn("GET", "/");

    ANQA_ASSERT_STATUS(anqa_sse_begin(conn), ANQA_OK);
    ANQA_ASSERT_STATUS(anqa_sse_heartbeat(conn), ANQA_OK);
    ANQA_ASSERT_STR(anqa_test_resp_body(conn), ":\n\n");
}

static void send_forged(void *arg)
{
    (void)sent(&(anqa_sse_event){.event = "a\ndata: forged"});
}

ANQA_TEST(a_line_break_in_an_events_name_ends_the_process)
{
    anqa_test_capture_log(ANQA_ERROR);
    (void)ANQA_ASSERT_EXIT(send_forged, NULL, ANQA_REASON_ERROR);
}
