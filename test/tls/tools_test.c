/* Clients that we did not write: openssl's own, and curl. */
#include "tls/town.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char file_path[128];

static void answer(anqa_conn *conn, const void *opts)
{
    anqa_str body;

    if (anqa_str_is(conn->request_path, "/file")) {
        ANQA_REQUIRE(anqa_send_file(conn, 200, file_path, 0, 0) == ANQA_OK);
        return;
    }
    ANQA_REQUIRE(anqa_conn_read_body(conn, NULL, &body, NULL) == ANQA_OK);
    anqa_send_text(conn, 200, body.len != 0 ? body : anqa_str_of(conn->scheme));
}

static const anqa_endpoint plain = {.plugs = (const anqa_plug[]){{answer, NULL}, {0}}};

/* What a shell prints for a command in which AT is host and port, URL has both, DIR has main.crt, and FILE is one that is
 * served. */
static const char *shell(const char *command)
{
    static char output[1 << 16];
    char line[2048];
    FILE *pipe;
    size_t len;

    snprintf(line, sizeof line,
        "AT=localhost:%u; URL=https://$AT; FILE=%s; CA=%s; DIR=${CA%%/*}; "
        "curl() { command curl --silent --show-error --max-time 20 --cacert $CA \"$@\"; }; "
        "client() { timeout 20 openssl s_client -connect $AT -servername localhost -CAfile $CA "
        "\"$@\" 2>&1; }; %s",
        town_port(), file_path, town_file("main.crt"), command);
    pipe = popen(line, "re");
    CHECK(pipe != NULL);
    len = fread(output, 1, sizeof output - 1, pipe);
    output[len] = '\0';
    pclose(pipe);
    return output;
}

static bool has(const char *text, const char *part)
{
    return strstr(text, part) != NULL;
}

static void begin(void)
{
    FILE *file;

    if (system("command -v curl >/dev/null && command -v openssl >/dev/null") != 0)
        SKIP("curl or openssl is not installed");
    town_write("file", "");
    snprintf(file_path, sizeof file_path, "%s", town_file("file"));
    file = fopen(file_path, "we");
    CHECK(file != NULL);
    for (unsigned i = 0; i < 300000; i++)
        fprintf(file, "%07u\n", i);
    fclose(file);
    town_begin(&plain);
}

#define GET "printf 'GET / HTTP/1.1\\r\\nHost: a\\r\\nConnection: close\\r\\n\\r\\n' | "

TEST(openssl_agrees_on_a_version_a_protocol_and_the_certificate)
{
    const char *said;

    begin();
    said = shell(GET "client -tls1_3 -alpn http/1.1 -ign_eof");
    CHECK(has(said, "New, TLSv1.3, Cipher is TLS_") && has(said, "Verify return code: 0 (ok)") &&
              has(said, "ALPN protocol: http/1.1") && has(said, "Early data was not sent") &&
              has(said, "\r\n\r\nhttps"),
        "%s", said);
    said = shell(GET "client -tls1_2 -ign_eof");
    CHECK(has(said, "New, TLSv1.2, Cipher is ECDHE-ECDSA-") && has(said, "Compression: NONE") &&
              has(said, "\r\n\r\nhttps"),
        "%s", said);
    town_end();
}

TEST(openssl_is_refused_old_versions_weak_ciphers_and_unknown_protocols)
{
    begin();
    CHECK(
        has(shell("client -tls1_1 -cipher ALL:@SECLEVEL=0 </dev/null"), "alert protocol version"));
    CHECK(has(shell("client -tls1_2 -cipher AES128-SHA </dev/null"), "alert handshake failure"));
    CHECK(has(shell("client -alpn spdy/9 </dev/null"), "alert no application protocol"));
    town_end();
}

TEST(openssl_is_refused_a_renegotiation)
{
    const char *said;

    begin();
    said = shell("(sleep 0.3; echo R; sleep 0.3) | client -tls1_2");
    CHECK(has(said, "RENEGOTIATING") && has(said, "no renegotiation"), "%s", said);
    town_end();
}

TEST(openssl_resumes_its_sessions)
{
    begin();
    for (int i = 2; i <= 3; i++) {
        char command[512];
        snprintf(command, sizeof command,
            GET "client -tls1_%d -ign_eof -sess_out $DIR/s >/dev/null; " GET
                "client -tls1_%d -ign_eof -sess_in $DIR/s",
            i, i);
        CHECK(has(shell(command), "Reused, TLSv1."), "1.%d", i);
    }
    town_end();
}

TEST(curl_sends_and_gets_over_one_connection)
{
    begin();
    CHECK_STR(shell("curl --http1.1 -w ' %{http_version}' -d hello $URL/"), "hello 1.1");
    CHECK_STR(shell("curl --http1.1 -T $FILE $URL/x | cmp - $FILE && echo same"), "same\n");
    CHECK_STR(shell("curl -w ' %{http_version}' -d hello $URL/"), "hello 2");
    CHECK_STR(shell("curl -d hello $URL/ $URL/ $URL/"), "hellohellohello");
    CHECK_STR(shell("curl --tls-max 1.2 $URL/"), "https");
    CHECK_STR(shell("curl $URL/file | cmp - $FILE && echo same"), "same\n");
    CHECK_STR(shell("curl -r 8-15 $URL/file"), "0000001\n");
    CHECK_STR(shell("curl -T $FILE $URL/x | cmp - $FILE && echo same"), "same\n");
    CHECK_STR(shell("curl -H 'Transfer-Encoding: chunked' --limit-rate 20M -T $FILE $URL/x | "
                    "cmp - $FILE && echo same"),
        "same\n");
    CHECK(has(shell("curl http://$AT/"), "http was spoken to a port of https"));
    town_end();
}
