/* A client that we did not write: curl. */
#include "harness.h"

#include <anqa/anqa.h>

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "http/site.h"

static char file_path[64];

/* A file that comes in a form is kept beside the test's own one. */
static void receive(anqa_conn *conn)
{
    const anqa_upload *upload;
    anqa_json params;

    anqa_parsers(conn, NULL);
    if (conn->halted)
        return;
    params = anqa_conn_params(conn);
    upload = anqa_conn_upload(conn, "f");
    ANQA_REQUIRE(upload != NULL &&
                 anqa_upload_save(upload, anqa_tmp_printf("%s.saved", file_path), NULL) == ANQA_OK);
    anqa_send_json(conn, 200, params);
}

static void answer(anqa_conn *conn, const void *opts)
{
    anqa_str body;

    if (anqa_str_is(conn->request_path, "/form")) {
        receive(conn);
        return;
    }
    if (anqa_str_is(conn->request_path, "/blind")) {
        anqa_send_text(conn, 200, anqa_str_of("not read"));
        return;
    }
    if (anqa_str_is(conn->request_path, "/gone")) {
        anqa_send_resp(conn, 204, anqa_str_of(""));
        return;
    }
    if (anqa_str_is(conn->request_path, "/missing")) {
        anqa_send_text(conn, 404, anqa_str_of("there is nothing"));
        return;
    }
    ANQA_REQUIRE(!anqa_str_is(conn->request_path, "/crash"));
    if (anqa_str_is(conn->request_path, "/file")) {
        ANQA_REQUIRE(anqa_send_file(conn, 200, file_path, 0, 0) == ANQA_OK);
        return;
    }
    ANQA_REQUIRE(anqa_conn_read_body(conn, NULL, &body, NULL) == ANQA_OK);
    if (anqa_str_is(conn->request_path, "/chunks")) {
        (void)anqa_send_chunked(conn, 200);
        for (size_t at = 0; at < body.len; at += 7)
            anqa_chunk(conn, anqa_str_make(body.ptr + at, body.len - at < 7 ? body.len - at : 7));
        return;
    }
    anqa_send_text(conn, 200, body);
}

/* What a shell prints for a command in which URL and FILE stand for those of the test. It must succeed. */
static const char *shell(const char *command)
{
    static char output[4096];
    char line[640];
    FILE *pipe;
    size_t len;

    snprintf(line, sizeof line,
        "set -e; URL=http://%s; FILE=%s; curl() { command curl --silent "
        "--show-error --max-time 20 \"$@\"; }; %s",
        site_address(), file_path, command);
    pipe = popen(line, "re");
    CHECK(pipe != NULL);
    len = fread(output, 1, sizeof output - 1, pipe);
    output[len] = '\0';
    CHECK_EQ(pclose(pipe), 0, "%s", command);
    return output;
}

static void begin(void)
{
    FILE *file;
    int fd;

    if (system("command -v curl >/dev/null") != 0)
        SKIP("curl is not installed");
    snprintf(file_path, sizeof file_path, "/tmp/anqa-curl-XXXXXX");
    fd = mkstemp(file_path);
    file = fd < 0 ? NULL : fdopen(fd, "w");
    CHECK(file != NULL);
    for (unsigned i = 0; i < 300000; i++)
        CHECK_EQ(fprintf(file, "%07u\n", i), 8);
    CHECK_EQ(fclose(file), 0);
    site_begin(answer);
}

static void end(void)
{
    site_end();
    unlink(file_path);
}

TEST(curl_posts_and_reads_back)
{
    begin();
    CHECK_STR(shell("curl -d hello $URL/"), "hello");
    CHECK_STR(shell("curl -0 -d hello $URL/"), "hello");
    CHECK_STR(shell("curl -d hello $URL/chunks"), "hello");
    CHECK_STR(shell("curl -0 -d hello $URL/chunks"), "hello");
    CHECK_STR(shell("curl -d x $URL/ $URL/chunks $URL/"), "xxx"); /* on one connection */
    end();
}

TEST(curl_sends_a_large_body_when_it_is_told_to_continue_by_length_and_in_chunks)
{
    begin();
    CHECK_STR(shell("curl -H 'Expect: 100-continue' -T $FILE $URL/ | cmp - $FILE && echo same"),
        "same\n");
    CHECK_STR(shell("curl -H 'Transfer-Encoding: chunked' -T $FILE $URL/chunks | cmp - $FILE && "
                    "echo same"),
        "same\n");
    end();
}

TEST(curl_gets_a_file_its_parts_and_its_head)
{
    begin();
    CHECK_STR(shell("curl $URL/file | cmp - $FILE && echo same"), "same\n");
    CHECK_STR(shell("curl -r 8-15 $URL/file"), "0000001\n");
    CHECK_STR(shell("curl -r -8 $URL/file"), "0299999\n");
    CHECK(strstr(shell("curl -I $URL/file"), "content-length: 2400000\r\n") != NULL);
    CHECK(strstr(shell("curl -i -r 2400000- $URL/file"), "HTTP/1.1 416 ") != NULL);
    end();
}

#define PRIOR "curl --http2-prior-knowledge "

TEST(curl_speaks_http_2)
{
    begin();
    if (strstr(shell("curl --version"), "HTTP2") == NULL)
        SKIP("this curl does not speak HTTP/2");
    CHECK_STR(shell(PRIOR "-w '%{http_version}' -d hello $URL/"), "hello2");
    CHECK_STR(
        shell(PRIOR "-d x $URL/chunks"), "x"); /* curl 7.88 can not use such a connection twice */
    CHECK_STR(shell(PRIOR "-T $FILE $URL/ | cmp - $FILE && echo same"), "same\n");
    CHECK_STR(shell(PRIOR "-T $FILE $URL/chunks | cmp - $FILE && echo same"), "same\n");
    CHECK_STR(shell(PRIOR "$URL/file | cmp - $FILE && echo same"), "same\n");
    CHECK_STR(shell(PRIOR "-r 8-15 $URL/file"), "0000001\n");
    CHECK(strstr(shell(PRIOR "-I $URL/file"), "content-length: 2400000\r\n") != NULL);
    end();
}

TEST(curl_sees_the_answer_to_a_big_body_that_nobody_reads)
{
    begin();
    if (strstr(shell("curl --version"), "HTTP2") == NULL)
        SKIP("this curl does not speak HTTP/2");
    CHECK_STR(shell("truncate -s 30M $FILE; " PRIOR "-T $FILE $URL/blind"), "not read");
    CHECK_STR(shell(PRIOR "-T $FILE $URL/gone -w '%{http_code}'"), "204");
    CHECK_STR(shell(PRIOR "-T $FILE $URL/missing"), "there is nothing");
    CHECK_STR(shell(PRIOR "-T $FILE $URL/crash"), "Internal Server Error");
    CHECK_STR(shell("curl -T $FILE $URL/blind"), "not read");
    end();
}

TEST(h2load_asks_over_many_streams)
{
    begin();
    if (system("command -v h2load >/dev/null") != 0)
        SKIP("h2load is not installed");
    CHECK(strstr(shell("timeout 50 h2load -n 3000 -c 3 -m 50 $URL/"),
              "3000 succeeded, 0 failed, 0 errored, 0 timeout") != NULL);
    CHECK(strstr(shell("timeout 50 h2load -n 20 -c 2 -m 5 $URL/file"),
              "20 succeeded, 0 failed, 0 errored, 0 timeout") != NULL);
    end();
}

TEST(curl_sends_a_form_with_a_file)
{
    begin();
    CHECK_STR(shell("curl -F 'user[name]=J\xc3\xb6rg' -F 'f=@'$FILE';filename=b.txt' $URL/form; "
                    "cmp $FILE $FILE.saved && rm $FILE.saved && echo same"),
        "{\"user\":{\"name\":\"J\xc3\xb6rg\"},\"f\":{\"filename\":\"b.txt\",\"content_type\":"
        "\"text/"
        "plain\",\"size\":2400000}}same\n");
    CHECK(strstr(shell("curl -i -F f=@$FILE -F f=@$FILE -F f=@$FILE -F f=@$FILE $URL/form"),
              "HTTP/1.1 413 ") != NULL);
    end();
}
