/* Several ranges of a file, on the wire: from a mount, and from a plug. */
#include "harness.h"

#include <anqa/anqa.h>

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "http/site.h"

static char root[64], path[80];

static void drop(void)
{
    unlink(path);
    rmdir(root);
}

static void give(anqa_conn *conn, const void *opts)
{
    if (anqa_str_is(conn->query_string, "type"))
        anqa_conn_put_resp_header(conn, "content-type", anqa_str_of("text/odd"));
    ANQA_REQUIRE(anqa_send_file(conn, 200, path, 0, 0) == ANQA_OK);
}

static anqa_static_files statics[2];
static const anqa_endpoint endpoint = {
    .statics = statics, .plugs = (const anqa_plug[]){{.call = give}, {0}}, .quiet = true};

static void begin(void)
{
    FILE *out;

    snprintf(root, sizeof root, "/tmp/anqa-ranges-XXXXXX");
    CHECK(mkdtemp(root) != NULL);
    snprintf(path, sizeof path, "%s/abc.txt", root);
    harness_at_end(drop);
    out = fopen(path, "w");
    CHECK(out != NULL);
    fputs("abcdefghijklmnopqrstuvwxyz", out);
    fclose(out);
    statics[0] = (anqa_static_files){.url = "/s", .dir = root};
    site_begin_endpoint(&endpoint);
}

static const char *get(const char *target, const char *fields)
{
    char request[512];

    snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: a\r\nConnection: close\r\n%s\r\n",
        target, fields);
    return site_ask(request);
}

/* The field of a head, without its name. */
static void field_of(const char *answer, const char *name, char *value, size_t size)
{
    const char *at = strstr(answer, name);

    CHECK(at != NULL && at < body_of(answer), "%s: %s", name, answer);
    at += strlen(name);
    snprintf(value, size, "%.*s", (int)strcspn(at, "\r"), at);
}

static void check_parts(const char *target, const char *type)
{
    const char *answer = get(target, "Range: bytes=0-2,-2,10-10\r\n");
    char boundary[64], length[32], wanted[1024];

    CHECK_EQ(status_of(answer), 206);
    field_of(
        answer, "\r\ncontent-type: multipart/byteranges; boundary=", boundary, sizeof boundary);
    field_of(answer, "\r\ncontent-length: ", length, sizeof length);
    snprintf(wanted, sizeof wanted,
        "--%s\r\ncontent-type: %s\r\ncontent-range: bytes 0-2/26\r\n\r\nabc\r\n"
        "--%s\r\ncontent-type: %s\r\ncontent-range: bytes 24-25/26\r\n\r\nyz\r\n"
        "--%s\r\ncontent-type: %s\r\ncontent-range: bytes 10-10/26\r\n\r\nk\r\n--%s--\r\n",
        boundary, type, boundary, type, boundary, type, boundary);
    CHECK_STR(body_of(answer), wanted);
    CHECK_EQ(strtoul(length, NULL, 10), strlen(wanted));
    CHECK_EQ(count(answer, "content-range"), 3); /* none in the head */
}

TEST(several_ranges_are_sent_in_parts_each_with_a_head)
{
    begin();
    check_parts("/s/abc.txt", "text/plain; charset=utf-8");
    check_parts("/plug", "text/plain; charset=utf-8");
    check_parts("/plug?type", "text/odd");
    site_end();
}

TEST(of_several_ranges_one_that_is_left_is_sent_plainly)
{
    static const char *const targets[] = {"/s/abc.txt", "/plug"};

    begin();
    for (size_t i = 0; i < ANQA_COUNT(targets); i++) {
        const char *answer = get(targets[i], "Range: bytes=99-,1-2\r\n");
        CHECK_EQ(status_of(answer), 206);
        CHECK_STR(body_of(answer), "bc");
        CHECK(has(answer, "\r\ncontent-range: bytes 1-2/26\r\n"));
        CHECK(has(answer, "\r\ncontent-type: text/plain"));
        answer = get(targets[i], "Range: bytes=99-,100-\r\n");
        CHECK_EQ(status_of(answer), 416);
        CHECK(has(answer, "\r\ncontent-range: bytes */26\r\n"));
    }
    site_end();
}

TEST(ranges_that_touch_or_are_too_many_are_answered_with_the_whole_file)
{
    static const char *const ranges[] = {"0-5,3-8", "0-,0-", "5-,-1",
        "0-0,1-1,2-2,3-3,4-4,5-5,6-6,7-7,8-8,9-9,10-10,11-11,12-12,13-13,14-14,15-15,16-16"};
    char field[192];

    begin();
    for (size_t i = 0; i < ANQA_COUNT(ranges); i++) {
        snprintf(field, sizeof field, "Range: bytes=%s\r\n", ranges[i]);
        CHECK_EQ(status_of(get("/s/abc.txt", field)), 200, "%s", ranges[i]);
        CHECK_STR(body_of(get("/plug", field)), "abcdefghijklmnopqrstuvwxyz");
    }
    site_end();
}

TEST(parts_are_for_who_has_the_rest_of_this_very_file)
{
    char tag[64], fields[192];

    begin();
    field_of(get("/s/abc.txt", ""), "\r\netag: ", tag, sizeof tag);
    snprintf(fields, sizeof fields, "Range: bytes=0-1,4-5\r\nIf-Range: %s\r\n", tag);
    CHECK_EQ(status_of(get("/s/abc.txt", fields)), 206);
    CHECK_EQ(status_of(get("/plug", fields)), 206);
    snprintf(fields, sizeof fields, "Range: bytes=0-1,4-5\r\nIf-Range: \"x\"\r\n");
    CHECK_EQ(status_of(get("/s/abc.txt", fields)), 200);
    CHECK_EQ(status_of(get("/plug", fields)), 200);
    site_end();
}

TEST(to_head_a_range_means_nothing)
{
    const char *answer;

    begin();
    answer = site_ask("HEAD /s/abc.txt HTTP/1.1\r\nHost: a\r\nConnection: close\r\n"
                      "Range: bytes=0-1,4-5\r\n\r\n");
    CHECK_EQ(status_of(answer), 200);
    CHECK(has(answer, "\r\ncontent-length: 26\r\n"));
    site_end();
}
