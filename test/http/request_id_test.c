/* The id of a request in the lines that are logged while it is served. */
#include "harness.h"

#include <anqa/anqa.h>

#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

#include "http/site.h"
#include "telemetry/log.h"

#define ID "12345678901234567890"

static char lines[16384];
static size_t lines_len;

static void keep_line(void *ctx, const anqa_log_event *event)
{
    lines_len +=
        anqa_log_format_line(ANQA_LOG_TEXT, event, lines + lines_len, sizeof lines - lines_len);
}

static const char *logged(void)
{
    CHECK_STATUS(log_flush(HARNESS_LONG_MS), ANQA_OK);
    return lines;
}

static void serve(anqa_conn *conn, const void *opts)
{
    anqa_log(ANQA_NOTICE, "test.served", "path=%.*s", ANQA_FMT(conn->request_path));
    if (anqa_str_is(conn->request_path, "/crash"))
        anqa_exit(anqa_error_reason("oh"));
    anqa_send_text(conn, 200, anqa_str_of("ok"));
}

static void say_first(anqa_conn *conn, const void *opts)
{
    anqa_log(ANQA_NOTICE, "test.begun", "path=%.*s", ANQA_FMT(conn->request_path));
}

static const anqa_endpoint endpoint = {.plugs = (const anqa_plug[]){{.call = say_first},
                                           {.call = anqa_plug_request_id}, {.call = serve}, {0}},
    .quiet = true};

TEST(lines_of_a_request_have_its_id_and_those_of_the_next_one_do_not)
{
    char buf[2048];
    int fd;

    anqa_log_set_sink(keep_line, NULL);
    site_begin_endpoint(&endpoint);
    anqa_log_set_level(ANQA_NOTICE);
    fd = site_dial();
    peer_say(fd, "GET /one HTTP/1.1\r\nHost: a\r\nX-Request-Id: " ID "\r\n\r\n");
    (void)peer_get(fd, "ok", buf, sizeof buf);
    peer_say(fd, "GET /two HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    (void)peer_get(fd, NULL, buf, sizeof buf);
    close(fd);
    CHECK(has(logged(), "test.served"), "%s", lines);
    CHECK(has(lines, "path=/one request_id=\"" ID "\"") || has(lines, "path=/one request_id=" ID),
        "%s", lines);
    CHECK(has(lines, "path=/two\n"), "%s", lines); /* of test.begun */
    CHECK(has(lines, "path=/two request_id="), "%s", lines);
    CHECK_EQ(count(lines, ID), 1, "%s", lines);
    site_end();
    anqa_log_set_sink(NULL, NULL);
}

TEST(the_line_of_a_crash_has_the_id_of_its_request)
{
    anqa_log_set_sink(keep_line, NULL);
    site_begin_endpoint(&endpoint);
    anqa_log_set_level(ANQA_NOTICE);
    CHECK_EQ(status_of(site_ask(
                 "GET /crash HTTP/1.1\r\nHost: a\r\nX-Request-Id: abcdefghijklmnopqrst\r\n\r\n")),
        500);
    CHECK(has(logged(), "process.crashed"), "%s", lines);
    CHECK(has(strstr(lines, "process.crashed"), "request_id=abcdefghijklmnopqrst"), "%s", lines);
    site_end();
    anqa_log_set_sink(NULL, NULL);
}
