/* fetch of scripts: answers, redirects and ends, by servers that do as they must and servers that do not. */
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "site.h"

/* ---------------------------------------------------------------- answers and requests */

TEST(an_answer_is_what_the_server_has_said)
{
    anqa_rt *rt = js_begin(2);
    uint16_t port = net_serve(site_serve);
    anqa_pid pid = js_start(&site_member);

    CHECK_STR(site_get(pid, port, "/"), "[200,\"hello\"]");
    CHECK_STR(site_ask(pid, "seen", port, "/seen", ""),
        anqa_tmp_printf(
            "[404,\"Not so\xc3\xa9\",false,\"a, b\",null,[\"a=1\",\"b=2\"],\"%s\",false,\"no\"]",
            site_at(port, "/seen")));
    js_end(rt);
}

TEST(a_request_is_what_the_script_has_said)
{
    anqa_rt *rt = js_begin(2);
    uint16_t port = net_serve(site_serve);
    anqa_pid pid = js_start(&site_member);
    const char *head;

    CHECK_STR(
        site_ask(pid, "get", port, "/echo", ", {\"method\": \"POST\", \"body\": \"h\\u00e9\"}"),
        "[200,\"POST 3 h\xc3\xa9\"]");
    CHECK_STR(site_ask(pid, "get", port, "/echo", ", {\"method\": \"PUT\", \"body\": \"\"}"),
        "[200,\"PUT 0 \"]");
    CHECK_STR(site_ask(pid, "get", port, "/echo", ", {\"method\": \"POST\"}"), "[200,\"POST 0 \"]");
    CHECK_STR(
        site_ask(pid, "get", port, "/echo", ", {\"method\": \"DELETE\"}"), "[200,\"DELETE 0 \"]");
    CHECK_STR(site_ask(pid, "get", port, "/echo", ", {\"method\": \"QUERY\", \"body\": \"q\"}"),
        "[200,\"QUERY 1 q\"]");
    CHECK(
        strstr(site_ask(pid, "post", port, "/echo", ", 3000000"), "POST 3000000 \\u0007") != NULL);
    head = site_ask(pid, "get", port, "/head",
        ", {\"method\": \"POST\", \"body\": \"x\", \"headers\": {\"X-A\": \"b\", "
        "\"X-Empty\": \"\"}}");
    CHECK(strcasestr(head, "\\r\\nX-Empty:") != NULL, "%s", head);
    CHECK(strcasestr(head, "\\r\\nContent-Length: 1\\r\\n") != NULL, "%s", head);
    CHECK(
        strcasestr(head, "\\r\\nContent-Type: text/plain;charset=UTF-8\\r\\n") != NULL, "%s", head);
    CHECK(strcasestr(head, "\\r\\nExpect:") == NULL, "%s", head);
    CHECK(strcasestr(head, "\\r\\nAccept-Encoding: gzip, deflate, br\\r\\n") != NULL, "%s", head);
    js_end(rt);
}

TEST(a_script_says_neither_who_is_asked_nor_where_a_message_ends)
{
    anqa_rt *rt = js_begin(2);
    uint16_t port = net_serve(site_serve);
    anqa_pid pid = js_start(&site_member);
    const char *head = site_ask(pid, "get", port, "/head",
        ", {\"headers\": {\"Host\": \"evil\", \"Connection\": \"close\", \"Transfer-Encoding\": "
        "\"chunked\", \"Content-Length\": \"5\", \"Upgrade\": \"x\", \"Expect\": "
        "\"100-continue\"}}");

    CHECK(strstr(head, "evil") == NULL && strcasestr(head, "\\r\\nConnection") == NULL &&
              strcasestr(head, "chunked") == NULL && strcasestr(head, "Content-Length") == NULL &&
              strcasestr(head, "Upgrade") == NULL && strcasestr(head, "Expect") == NULL,
        "%s", head);
    CHECK(
        strstr(head, anqa_tmp_printf("\\r\\nHost: 127.0.0.1:%u\\r\\n", port)) != NULL, "%s", head);
    CHECK(strstr(site_ask(pid, "get", port, "/head", ", {\"headers\": {\"X\": \"a\\r\\nY: b\"}}"),
              "TypeError") != NULL);
    CHECK(strstr(site_ask(pid, "get", port, "/head", ", {\"headers\": {\"X\\r\\nY\": \"b\"}}"),
              "TypeError") != NULL);
    CHECK(
        strstr(site_ask(pid, "get", port, "/head", ", {\"method\": \"GET /x HTTP/1.1\\r\\nY: b\"}"),
            "TypeError") != NULL);
    CHECK(strstr(site_ask(pid, "get", port, "/head", ", {\"method\": \"CONNECT\"}"), "TypeError") !=
          NULL);
    js_end(rt);
}

TEST(connections_are_kept_alive)
{
    anqa_rt *rt = js_begin(2);
    uint16_t port = net_serve(site_serve);
    anqa_pid pid = js_start(&site_member);

    for (int i = 0; i < 3; i++)
        CHECK_STR(site_get(pid, port, "/"), "[200,\"hello\"]");
    CHECK_EQ(net_accepted(), 1);
    js_end(rt);
}

TEST(a_connection_that_has_gone_is_noticed_and_made_anew)
{
    anqa_rt *rt = js_begin(2);
    uint16_t port = net_serve(site_serve);
    anqa_pid pid = js_start(&site_member);

    for (int i = 0; i < 3; i++) {
        CHECK_STR(site_get(pid, port, "/once"), "[200,\"hello\"]");
        CHECK_STR(
            site_ask(pid, "get", port, "/echo", ", {\"method\": \"POST\", \"body\": \"abc\"}"),
            "[200,\"POST 3 abc\"]");
    }
    js_end(rt);
}

TEST(an_answer_is_read_while_it_comes)
{
    anqa_rt *rt = js_begin(2);
    uint16_t port = net_serve(site_serve);
    anqa_pid pid = js_start(&site_member);

    CHECK_STR(site_ask(pid, "parts", port, "/parts", ""), "[\"part0\",\"part1\",\"part2\"]");
    js_end(rt);
}

TEST(an_answer_that_is_compressed_is_read_as_it_was)
{
    anqa_rt *rt = js_begin(2);
    uint16_t port = net_serve(site_serve);
    anqa_pid pid = js_start(&site_member);

    CHECK_STR(site_get(pid, port, "/gzip"), "[200,\"hello\"]");
    CHECK_STR(site_get(pid, port, "/br"), "[200,\"hello\"]");
    CHECK(strstr(site_get(pid, port, "/bomb"), "TypeError: fetch failed: ") != NULL);
    js_end(rt);
}

/* Until it stands still. */
static size_t settled(_Atomic(size_t) *count)
{
    size_t before;

    do {
        before = atomic_load(count);
        anqa_sleep(150);
    } while (atomic_load(count) != before);
    return before;
}

TEST(a_script_that_does_not_read_stops_the_server)
{
    anqa_rt *rt = js_begin(2);
    uint16_t port = net_serve(site_serve);
    anqa_pid pid = js_start(&site_member);
    anqa_js_info info;
    anqa_error err;

    CHECK_STR(site_ask(pid, "keep", port, "/big", ""), "200");
    CHECK(settled(&site_written) < (size_t)SITE_BIG / 2, "%zu bytes", atomic_load(&site_written));
    CHECK_STATUS(anqa_js_get_info(pid, LONG_MS, &info, &err), ANQA_OK);
    CHECK(info.memory < (size_t)8 << 20, "%zu bytes", info.memory);
    CHECK_STR(js_call(pid, "rest", "[]"), anqa_tmp_printf("%d", SITE_BIG));
    CHECK_STR(site_ask(pid, "keep", port, "/big", ""), "200"); /* one that is not read to its end */
    CHECK(strcmp(js_call(pid, "first", "[]"), "0") != 0);
    for (int i = 0; i < 10000 && net_served_now() > 0; i++)
        anqa_sleep(2);
    CHECK_EQ(net_served_now(), 0);
    js_end(rt);
}

TEST(a_server_that_does_not_read_stops_the_script)
{
    anqa_rt *rt = js_begin(2);
    uint16_t port = net_serve(site_serve);
    anqa_pid pid = js_start(&site_member);
    anqa_value args = {NULL, 0};
    anqa_value_writer writer;
    unsigned made = 0, before;

    anqa_value_writer_init(&writer, anqa_tmp(), NULL);
    anqa_value_array_begin(&writer);
    anqa_value_put_str(&writer, anqa_str_of(site_at(port, "/hold")));
    anqa_value_put_int(&writer, 1024);
    anqa_value_put_int(&writer, 64 << 10);
    anqa_value_end(&writer);
    CHECK_STATUS(anqa_value_done(&writer, &args), ANQA_OK);
    CHECK_STATUS(anqa_js_call(pid, "upload", &args, 1, NULL, NULL, NULL), ANQA_E_TIMEOUT);
    do {
        before = made;
        anqa_sleep(150);
        made = (unsigned)strtoul(js_call(pid, "madeSoFar", "[]"), NULL, 10);
    } while (made != before || made == 0);
    CHECK(made < 512, "%u of 1,024 parts", made);
    atomic_store(&site_go_on, true);
    for (int i = 0; i < 10000 && atomic_load(&site_read) < (size_t)64 << 20; i++)
        anqa_sleep(2);
    CHECK_EQ(atomic_load(&site_read), (size_t)64 << 20);
    js_end(rt);
}

/* ---------------------------------------------------------------- redirects */

TEST(redirects_are_followed_as_the_request_says)
{
    anqa_rt *rt = js_begin(2);
    uint16_t port = net_serve(site_serve);
    anqa_pid pid = js_start(&site_member);
    const char *other = anqa_tmp_printf("/302?%s", site_at(net_serve(site_serve), "/head")), *head;

    CHECK_STR(site_ask(pid, "where", port, "/302?/echo", ""),
        "[200,true,\"http://127.0.0.1/echo\",\"GET 0 \"]");
    CHECK_STR(
        site_ask(pid, "where", port, "/302?/echo", ", {\"method\": \"POST\", \"body\": \"abc\"}"),
        "[200,true,\"http://127.0.0.1/echo\",\"GET 0 \"]");
    CHECK_STR(
        site_ask(pid, "where", port, "/302?/echo", ", {\"method\": \"PUT\", \"body\": \"abc\"}"),
        "[200,true,\"http://127.0.0.1/echo\",\"PUT 3 abc\"]");
    CHECK_STR(
        site_ask(pid, "where", port, "/303?/echo", ", {\"method\": \"PUT\", \"body\": \"abc\"}"),
        "[200,true,\"http://127.0.0.1/echo\",\"GET 0 \"]");
    CHECK_STR(
        site_ask(pid, "where", port, "/307?/echo", ", {\"method\": \"POST\", \"body\": \"abc\"}"),
        "[200,true,\"http://127.0.0.1/echo\",\"POST 3 abc\"]");
    CHECK_STR(site_ask(pid, "where", port, "/302?/echo", ", {\"redirect\": \"manual\"}"),
        "[302,false,\"http://127.0.0.1/302?/echo\",\"gone\"]");
    CHECK_STR(site_ask(pid, "where", port, "/302?/echo", ", {\"redirect\": \"error\"}"),
        "TypeError: fetch failed: a redirect, which the request forbids");
    CHECK_STR(site_ask(pid, "where", port, "/loop", ""),
        "TypeError: fetch failed: more than 20 redirects");
    CHECK_STR(site_ask(pid, "upload", port, "/307?/echo", ", 1, 10"),
        "TypeError: fetch failed: a body that was a stream cannot be sent once more");
    head = site_ask(
        pid, "get", port, "/302?/head", ", {\"headers\": {\"authorization\": \"secret\"}}");
    CHECK(strstr(head, "secret") != NULL, "%s", head);
    head = site_ask(pid, "get", port, other,
        ", {\"headers\": {\"authorization\": \"secret\", \"cookie\": \"secret\", \"x\": \"y\"}}");
    CHECK(strstr(head, "secret") == NULL && strstr(head, "x: y") != NULL, "%s", head);
    js_end(rt);
}

static const char *const open_hosts[] = {"*:*", "127.0.0.1:*", NULL};
static const anqa_js_script everywhere = ANQA_JS_SCRIPT(.name = "everywhere", .source = site_source,
    .apis = ANQA_JS_FETCH, .hosts = open_hosts);
static const anqa_js_script nowhere =
    ANQA_JS_SCRIPT(.name = "nowhere", .source = site_source, .apis = ANQA_JS_FETCH);

TEST(no_redirect_leads_to_where_the_script_may_not_go)
{
    anqa_rt *rt = js_begin(2);
    uint16_t port = net_serve(site_serve), hidden = net_serve(site_serve);
    anqa_pid pid = js_start(&site_member), open = js_start(&everywhere);
    const char *to_name = anqa_tmp_printf("/302?http://localhost:%u/", hidden);

    CHECK_STR(site_get(pid, port, to_name),
        anqa_tmp_printf(
            "TypeError: fetch failed: localhost:%u is not among the hosts of this script", hidden));
    CHECK_STR(site_get(open, port, to_name),
        "TypeError: fetch failed: its address is none that a script may reach");
    CHECK_STR(site_get(open, port, "/302?http://169.254.169.254/latest/"),
        "TypeError: fetch failed: its address is none that a script may reach");
    CHECK_STR(site_get(open, port, anqa_tmp_printf("/302?http://[::1]:%u/", hidden)),
        "TypeError: fetch failed: its address is none that a script may reach");
    CHECK_STR(site_get(open, port, anqa_tmp_printf("/302?http://[::ffff:7f00:1]:%u/", hidden)),
        "[200,\"hello\"]"); /* which is 127.0.0.1, that is listed */
    CHECK_STR(site_get(open, port, "/302?file:///etc/passwd"),
        "TypeError: fetch failed: a redirect to what is neither http nor https");
    CHECK_STR(site_get(open, port, "/302?http://a:b@127.0.0.1/"),
        "TypeError: fetch failed: a redirect with a password");
    js_end(rt);
}

TEST(what_is_not_listed_is_not_asked)
{
    anqa_rt *rt = js_begin(2);
    uint16_t port = net_serve(site_serve);
    anqa_pid none = js_start(&nowhere), open = js_start(&everywhere);

    CHECK_STR(site_get(none, port, "/"),
        anqa_tmp_printf(
            "TypeError: fetch failed: 127.0.0.1:%u is not among the hosts of this script", port));
    CHECK_STR(js_call(open, "get", anqa_tmp_printf("[\"http://localhost:%u/\"]", port)),
        "TypeError: fetch failed: its address is none that a script may reach");
    CHECK_STR(js_call(open, "get", anqa_tmp_printf("[\"http://0.0.0.0:%u/\"]", port)),
        "TypeError: fetch failed: its address is none that a script may reach");
    CHECK_EQ(net_accepted(), 0);
    js_end(rt);
}

/* ---------------------------------------------------------------- ends */

TEST(a_request_is_aborted)
{
    anqa_rt *rt = js_begin(2);
    uint16_t port = net_serve(site_serve);
    anqa_pid pid = js_start(&site_member);

    CHECK_STR(site_ask(pid, "aborted", port, "/", ""), "\"why\"");
    CHECK_EQ(net_accepted(), 0);
    CHECK_STR(site_ask(pid, "abortAfter", port, "/silent", ", 20"), "\"AbortError\"");
    CHECK_STR(site_ask(pid, "abortAfter", port, "/stall", ", 50"), "\"AbortError\"");
    CHECK_STR(site_ask(pid, "timeout", port, "/silent", ", 20"), "\"TimeoutError\"");
    CHECK_STR(site_ask(pid, "abortAfter", port, "/", ", 5000"), "\"done\"");
    CHECK_STR(site_ask(pid, "abortInCancel", port, "/early", ""), "\"AbortError\"");
    js_end(rt);
}

TEST(a_server_that_breaks_off_is_an_error_behind_what_it_has_sent)
{
    anqa_rt *rt = js_begin(2);
    uint16_t port = net_serve(site_serve);
    anqa_pid pid = js_start(&site_member);

    CHECK(strncmp(site_ask(pid, "until", port, "/short", ""), "[4,\"TypeError\",", 15) == 0);
    CHECK(strncmp(site_ask(pid, "until", port, "/reset", ""), "[4,\"TypeError\",", 15) == 0);
    CHECK(strstr(site_get(pid, port, "/garbage"), "TypeError: fetch failed: ") != NULL);
    CHECK(strstr(site_get(pid, 1, "/"), "TypeError: fetch failed: ") != NULL); /* nobody listens */
    js_end(rt);
}

TEST(the_end_of_the_process_is_the_end_of_its_requests)
{
    anqa_rt *rt = js_begin(2);
    uint16_t port = net_serve(site_serve);
    anqa_pid first = js_start(&site_member), pid; /* the image stays */
    unsigned before;
    bool gone = false;

    anqa_unlink(first);
    (void)js_kill(first);
    before = net_open_files();
    pid = js_start(&site_member);
    anqa_unlink(pid);
    for (int i = 0; i < 30; i++)
        (void)site_ask(pid, "start", port,
            i % 3 == 0   ? "/big"
            : i % 3 == 1 ? "/silent"
                         : "/stall",
            "");
    for (int i = 0; i < 10000 && net_accepted() < 30; i++)
        anqa_sleep(2);
    CHECK(net_open_files() >= before + 60);
    (void)js_kill(pid);
    for (int i = 0; i < 10000 && !gone; i++) {
        gone = net_open_files() <= before + net_served_now();
        anqa_sleep(2);
    }
    CHECK(gone, "%u files, %u before", net_open_files(), before);
    js_end(rt);
}

/* Those that work for scripts. */
static size_t networks(anqa_pid *ret_first)
{
    anqa_process_info *infos = NULL;
    size_t count = 0, found = 0;

    CHECK_STATUS(anqa_process_list(NULL, &infos, &count), ANQA_OK);
    for (size_t i = 0; i < count; i++)
        if (strcmp(infos[i].label, "network of a script") == 0 && found++ == 0)
            *ret_first = infos[i].pid;
    return found;
}

TEST(the_end_of_the_process_that_works_for_a_script_is_an_error_of_what_is_under_way)
{
    anqa_rt *rt = js_begin(2);
    uint16_t port = net_serve(site_serve);
    anqa_pid pid = js_start(&site_member), worker = {0};

    CHECK_EQ(networks(&worker), 0);
    CHECK_STR(site_ask(pid, "keep", port, "/stall", ""), "200");
    CHECK_EQ(networks(&worker), 1);
    (void)js_kill(worker);
    CHECK_STR(js_call(pid, "rest", "[]"), "TypeError: fetch failed: the network process has ended");
    CHECK_STR(site_get(pid, port, "/"), "[200,\"hello\"]");
    js_end(rt);
}

TEST(answers_under_way_are_errors_in_what_was_restored_from_a_snapshot)
{
    anqa_rt *rt = js_begin(2);
    uint16_t port = net_serve(site_serve);
    anqa_pid pid = js_start(&site_member), twin = {0};
    anqa_str bytes;

    CHECK_STR(site_ask(pid, "keep", port, "/big", ""), "200");
    CHECK_STATUS(anqa_js_snapshot(pid, LONG_MS, &bytes, NULL), ANQA_OK);
    CHECK_STATUS(anqa_js_restore_link(&site_member, bytes, NULL, NULL, &twin, NULL), ANQA_OK);
    CHECK(strstr(js_call(twin, "rest", "[]"), "TypeError: fetch failed: ") != NULL);
    CHECK_STR(site_get(twin, port, "/"), "[200,\"hello\"]");
    CHECK_STR(js_call(pid, "rest", "[]"), anqa_tmp_printf("%d", SITE_BIG));
    js_end(rt);
}

TEST(answers_that_nobody_reads_any_more_hold_nothing)
{
    anqa_rt *rt = js_begin(2);
    uint16_t port = net_serve(site_serve);
    anqa_pid pid = js_start(&site_member);

    CHECK_STR(site_ask(pid, "unread", port, "/big", ", 150"), "150");
    js_end(rt);
}

TEST(a_process_makes_a_thousand_requests_in_turn)
{
    anqa_rt *rt = js_begin(2);
    uint16_t port = net_serve(site_serve);
    anqa_pid pid = js_start(&site_member);
    unsigned before = net_open_files();

    CHECK_STR(site_ask(pid, "many", port, "/", ", 1000, 20"), "1000");
    CHECK(net_accepted() <= 40, "%u connections", net_accepted());
    CHECK(net_open_files() <= before + 80); /* both ends of each */
    js_end(rt);
}

TEST(who_asks_for_nothing_any_more_keeps_no_connections)
{
    anqa_rt *rt = js_begin(2);
    uint16_t port = net_serve(site_serve);
    anqa_pid pid = js_start(&site_member);
    unsigned before = net_open_files();

    CHECK_STR(site_get(pid, port, "/"), "[200,\"hello\"]");
    for (int i = 0; i < 10000 && net_open_files() > before; i++)
        anqa_sleep(5);
    CHECK(net_open_files() <= before, "%u files, %u before", net_open_files(), before);
    CHECK_STR(site_get(pid, port, "/"), "[200,\"hello\"]"); /* and begins again */
    js_end(rt);
}
