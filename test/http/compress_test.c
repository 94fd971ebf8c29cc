/* Answers that are compressed while they are sent. */
#include "harness.h"

#include <anqa/anqa.h>

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "http/exchange.h"
#include "http/gzip.h"
#include "http/h2.h"
#include "http/site.h"

#define TAKES "Accept-Encoding: gzip\r\n"
#define LONG 300000u
#define VERY_LONG (8u << 20)

static char text[LONG];

/* Words that compress, and differ from place to place. */
static anqa_str long_text(size_t len)
{
    for (size_t i = 0; text[LONG - 1] == '\0' && i < LONG; i++)
        text[i] = i % 8 == 7 ? '\n' : (char)('a' + (i / 8 * 7 + i % 8 * (i / 4096)) % 26);
    return anqa_str_make(text, len);
}

/* ---------------------------------------------------------------- which answers */

/* What an action answers with. */
struct given {
    const char *type; /* NULL: none */
    size_t len;
    unsigned status;
    anqa_header fields[2];
};

static void give(anqa_conn *conn, const void *opts)
{
    const struct given *answer = opts;

    if (answer->type != NULL)
        anqa_conn_put_resp_header(conn, "content-type", anqa_str_of(answer->type));
    for (const anqa_header *field = answer->fields; field->name != NULL; field++)
        anqa_conn_put_resp_header(conn, field->name, anqa_str_of(field->value));
    (void)anqa_send_resp(conn, answer->status == 0 ? 200 : answer->status, long_text(answer->len));
}

static const struct {
    struct given answer;
    bool compressed, varies;
} answers[] = {
    {{"text/plain; charset=utf-8", 5000, 0, {{0}}}, true, true},
    {{"text/html", 5000, 0, {{0}}}, true, true},
    {{"TEXT/HTML", 5000, 0, {{0}}}, true, true},
    {{"application/json", 5000, 0, {{0}}}, true, true},
    {{"application/problem+json", 5000, 0, {{0}}}, true, true},
    {{"image/svg+xml", 5000, 0, {{0}}}, true, true},
    {{"text/plain", 5000, 404, {{0}}}, true, true},
    {{"text/plain", 1024, 0, {{0}}}, true, true},
    {{"text/plain", 1023, 0, {{0}}}, false, false},
    {{"image/png", 5000, 0, {{0}}}, false, false},
    {{"application/octet-stream", 5000, 0, {{0}}}, false, false},
    {{NULL, 5000, 0, {{0}}}, false, false},
    {{"nonsense", 5000, 0, {{0}}}, false, false},
    {{"text/plain", 5000, 206, {{0}}}, false, false},
    {{"text/plain", 5000, 0, {{"content-range", "bytes 0-4999/9999"}}}, false, false},
    {{"text/plain", 5000, 0, {{"content-encoding", "br"}}}, false, false},
    {{"text/plain", 5000, 0, {{"repr-digest", "sha-256=:AA==:"}}}, false, false},
    {{"text/plain", 5000, 0, {{"cache-control", "no-transform"}}}, false, false},
    {{"text/plain", 5000, 0, {{"cache-control", "private, No-Transform"}}}, false, false},
    {{"text/plain", 5000, 0, {{"cache-control", "private"}}}, true, true},
};

static bool has_field(const anqa_conn *conn, const char *name, const char *wanted)
{
    anqa_str value;

    return anqa_conn_resp_header(conn, name, &value) && anqa_str_is(value, wanted);
}

static const anqa_header takes[] = {{"accept-encoding", "gzip"}, {0}};

static void need_zlib(void)
{
    if (!gzip_available)
        SKIP("built without zlib");
}

ANQA_TEST(an_answer_is_compressed_where_it_is_worth_it_and_allowed)
{
    need_zlib();
    for (size_t i = 0; i < ANQA_COUNT(answers); i++) {
        anqa_conn *conn = anqa_test_conn("GET", "/", .headers = takes);
        anqa_test_run(
            conn, (const anqa_plug[]){{anqa_compress, NULL}, {give, &answers[i].answer}, {0}});
        ANQA_ASSERT_EQ(
            has_field(conn, "content-encoding", "gzip"), answers[i].compressed, "case %zu", i);
        ANQA_ASSERT_EQ(
            has_field(conn, "vary", "accept-encoding"), answers[i].varies, "case %zu", i);
        conn = anqa_test_conn("GET", "/");
        anqa_test_run(
            conn, (const anqa_plug[]){{anqa_compress, NULL}, {give, &answers[i].answer}, {0}});
        ANQA_ASSERT(!has_field(conn, "content-encoding", "gzip"), "case %zu", i);
        ANQA_ASSERT_EQ(
            has_field(conn, "vary", "accept-encoding"), answers[i].varies, "case %zu", i);
        ANQA_ASSERT(strlen(anqa_test_resp_body(conn)) == answers[i].answer.len);
    }
}

ANQA_TEST(options_say_from_which_length_on_and_of_which_types)
{
    static const char *const types[] = {"image/png", "application/*+zip", NULL};
    static const anqa_compress_opts opts = {.min_bytes = 10, .types = types};
    static const struct {
        struct given answer;
        bool compressed;
    } cases[] = {{{"image/png", 50, 0, {{0}}}, true}, {{"application/x+zip", 50, 0, {{0}}}, true},
        {{"application/zip", 50, 0, {{0}}}, false}, {{"text/plain", 50, 0, {{0}}}, false},
        {{"image/png", 9, 0, {{0}}}, false}};
    static char same[64] = "";

    need_zlib();
    memset(same, 'a', sizeof same);
    memcpy(text, same, sizeof same); /* short, but can be made shorter */
    text[LONG - 1] = '\n';
    for (size_t i = 0; i < ANQA_COUNT(cases); i++) {
        anqa_conn *conn = anqa_test_conn("GET", "/", .headers = takes);
        anqa_test_run(
            conn, (const anqa_plug[]){{anqa_compress, &opts}, {give, &cases[i].answer}, {0}});
        ANQA_ASSERT_EQ(
            has_field(conn, "content-encoding", "gzip"), cases[i].compressed, "case %zu", i);
    }
}

static void put_vary(anqa_conn *conn, const void *opts)
{
    anqa_conn_put_resp_header(conn, "vary", anqa_str_of(opts));
}

ANQA_TEST(vary_is_added_to_what_is_there_and_once)
{
    static const struct given plain = {.type = "text/plain", .len = 5000};
    static const struct {
        const char *before;
        bool added;
    } cases[] = {{"origin", true}, {"origin, Accept-Encoding", false}, {"*", false}};

    need_zlib();
    for (size_t i = 0; i < ANQA_COUNT(cases); i++) {
        anqa_conn *conn = anqa_test_conn("GET", "/", .headers = takes);
        size_t count = 0;
        anqa_test_run(conn, (const anqa_plug[]){{anqa_compress, NULL}, {put_vary, cases[i].before},
                                {give, &plain}, {0}});
        ANQA_ASSERT(has_field(conn, "vary", cases[i].before));
        for (const struct resp_field *f = exchange_of(conn)->fields; f != NULL; f = f->next)
            count += strcmp(f->name, "vary") == 0;
        ANQA_ASSERT_EQ(count, cases[i].added ? 2 : 1, "%s", cases[i].before);
    }
}

ANQA_TEST(a_tag_becomes_weak_and_ranges_are_not_offered_of_what_is_compressed)
{
    static const struct given tagged = {
        .type = "text/plain", .len = 5000, .fields = {{"etag", "\"x\""}}};
    static const struct given weak = {
        .type = "text/plain", .len = 5000, .fields = {{"etag", "W/\"x\""}}};
    static const struct given ranges = {
        .type = "text/plain", .len = 5000, .fields = {{"accept-ranges", "bytes"}}};
    anqa_conn *conn = anqa_test_conn("GET", "/", .headers = takes);
    anqa_str value;

    need_zlib();
    anqa_test_run(conn, (const anqa_plug[]){{anqa_compress, NULL}, {give, &tagged}, {0}});
    ANQA_ASSERT_RESP_HEADER(conn, "etag", "W/\"x\"");
    conn = anqa_test_conn("GET", "/");
    anqa_test_run(conn, (const anqa_plug[]){{anqa_compress, NULL}, {give, &tagged}, {0}});
    ANQA_ASSERT_RESP_HEADER(conn, "etag", "\"x\"");
    conn = anqa_test_conn("GET", "/", .headers = takes);
    anqa_test_run(conn, (const anqa_plug[]){{anqa_compress, NULL}, {give, &weak}, {0}});
    ANQA_ASSERT_RESP_HEADER(conn, "etag", "W/\"x\"");
    conn = anqa_test_conn("GET", "/", .headers = takes);
    anqa_test_run(conn, (const anqa_plug[]){{anqa_compress, NULL}, {give, &ranges}, {0}});
    ANQA_ASSERT(!anqa_conn_resp_header(conn, "accept-ranges", &value));
}

static void give_noise(anqa_conn *conn, const void *opts)
{
    static char noise[4096];
    uint64_t x = 88172645463325252u;

    for (size_t i = 0; i < sizeof noise; i++) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        noise[i] = (char)(x >> 32);
    }
    (void)anqa_send_text(conn, 200, anqa_str_make(noise, sizeof noise));
}

ANQA_TEST(a_body_that_does_not_become_shorter_is_sent_as_it_is)
{
    anqa_conn *conn = anqa_test_conn("GET", "/", .headers = takes);
    anqa_str value;

    need_zlib();
    anqa_test_run(conn, (const anqa_plug[]){{anqa_compress, NULL}, {.call = give_noise}, {0}});
    ANQA_ASSERT(!anqa_conn_resp_header(conn, "content-encoding", &value));
    ANQA_ASSERT_EQ(conn->resp_body.len, 4096);
}

static void count_turns(void *arg)
{
    unsigned *turns = *(unsigned **)arg;

    for (;;) {
        ++*turns;
        anqa_yield();
    }
}

static char very_long[VERY_LONG];

static void give_very_long(anqa_conn *conn, const void *opts)
{
    memset(very_long, 'x', sizeof very_long);
    (void)anqa_send_text(conn, 200, anqa_str_make(very_long, sizeof very_long));
}

/* Who of those that are ready runs next is up to the seed. */
ANQA_TEST(others_run_while_a_long_body_is_compressed)
{
    anqa_conn *conn = anqa_test_conn("GET", "/", .headers = takes);
    unsigned turns = 0, *at = &turns;
    anqa_pid pid;

    need_zlib();
    ANQA_ASSERT_STATUS(
        anqa_spawn(
            &(anqa_spawn_opts){.run = count_turns, .arg = &at, .arg_size = sizeof at}, &pid, NULL),
        ANQA_OK);
    anqa_test_run(conn, (const anqa_plug[]){{anqa_compress, NULL}, {.call = give_very_long}, {0}});
    ANQA_ASSERT(turns >= VERY_LONG / (64u << 10) / 10, "%u", turns);
    anqa_exit_signal(pid, ANQA_KILL);
}

/* ---------------------------------------------------------------- on the wire */

static atomic_uint seen; /* events that the client has read */

static void events(anqa_conn *conn)
{
    (void)anqa_sse_begin(conn);
    for (unsigned i = 0; i < 3; i++) {
        const char *data = anqa_tmp_printf("event number %u", i);
        if (anqa_sse_send(conn, &(anqa_sse_event){.data = anqa_str_of(data)}) != ANQA_OK)
            return;
        while (atomic_load(&seen) <= i) /* the next one only when this one was read */
            anqa_sleep(1);
    }
}

static void serve(anqa_conn *conn, const void *opts)
{
    anqa_str all = long_text(LONG);

    if (anqa_str_is(conn->request_path, "/whole")) {
        (void)anqa_send_text(conn, 200, all);
    } else if (anqa_str_is(conn->request_path, "/stream")) {
        anqa_conn_put_resp_header(conn, "content-type", anqa_str_of("text/csv"));
        (void)anqa_send_chunked(conn, 200);
        for (size_t at = 0; at < all.len; at += 20000)
            anqa_chunk(conn, anqa_str_make(all.ptr + at, 20000));
    } else if (anqa_str_is(conn->request_path, "/file")) {
        ANQA_REQUIRE(anqa_send_file(conn, 200, "/etc/passwd", 0, 0) == ANQA_OK);
    } else if (anqa_str_is(conn->request_path, "/crash")) {
        anqa_conn_put_resp_header(conn, "content-type", anqa_str_of("text/csv"));
        (void)anqa_send_chunked(conn, 200);
        anqa_chunk(conn, anqa_str_of("half"));
        anqa_exit(anqa_error_reason("amid a stream"));
    } else {
        events(conn);
    }
}

static const anqa_endpoint endpoint = {
    .plugs = (const anqa_plug[]){{.call = anqa_compress}, {.call = serve}, {0}}, .quiet = true};

/* What a shell prints for a command. It must succeed. */
static const char *shell(const char *command)
{
    static char output[4096];
    char line[640];
    FILE *pipe;
    size_t len;

    snprintf(line, sizeof line,
        "URL=http://%s; curl() { command curl --silent --show-error --max-time 20 \"$@\"; }; %s",
        site_address(), command);
    pipe = popen(line, "re");
    CHECK(pipe != NULL);
    len = fread(output, 1, sizeof output - 1, pipe);
    output[len] = '\0';
    CHECK_EQ(pclose(pipe), 0, "%s", command);
    return output;
}

static void begin(void)
{
    need_zlib();
    if (system("command -v curl >/dev/null") != 0)
        SKIP("curl is not installed");
    (void)long_text(LONG);
    site_begin_endpoint(&endpoint);
}

TEST(curl_unpacks_bodies_and_streams_to_what_was_sent)
{
    begin();
    CHECK_STR(
        shell("A=$(curl $URL/whole | md5sum); B=$(curl --compressed $URL/whole | md5sum); "
              "C=$(curl --compressed $URL/stream | md5sum); D=$(curl $URL/stream | md5sum); "
              "[ \"$A\" = \"$B\" ] && [ \"$B\" = \"$C\" ] && [ \"$C\" = \"$D\" ] && echo same; "
              "curl $URL/whole | wc -c"),
        "same\n300000\n");
    CHECK(atoi(shell("curl -H 'Accept-Encoding: gzip' $URL/whole | wc -c")) < (int)LONG / 2);
    CHECK(atoi(shell("curl -H 'Accept-Encoding: gzip' $URL/stream | wc -c")) < (int)LONG / 2);
    CHECK_STR(shell("curl -0 --compressed $URL/stream | wc -c"), "300000\n");
    CHECK_STR(shell("curl --compressed $URL/whole $URL/stream $URL/whole | wc -c"), "900000\n");
    site_end();
}

TEST(over_http2_bodies_and_streams_are_compressed_too)
{
    static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

    begin();
    if (h2_preface(preface, sizeof preface - 1) == H2_OTHER)
        SKIP("built without HTTP/2");
    if (system("curl --version | grep -q HTTP2") != 0)
        SKIP("curl speaks no HTTP/2");
    CHECK_STR(shell("for path in whole stream; do curl --http2-prior-knowledge --compressed "
                    "$URL/$path | md5sum; done | uniq -c | awk '{ print $1 }'"),
        "2\n");
    CHECK(has(shell("curl --http2-prior-knowledge -o /dev/null -D - -H 'Accept-Encoding: gzip' "
                    "$URL/stream"),
        "content-encoding: gzip"));
    CHECK(
        atoi(shell("curl --http2-prior-knowledge -H 'Accept-Encoding: gzip' $URL/stream | wc -c")) <
        (int)LONG / 2);
    site_end();
}

TEST(the_head_of_what_is_compressed_is_that_of_its_get)
{
    begin();
    CHECK_STR(
        shell("for path in whole stream; do for how in -I '-D - -o /dev/null'; do "
              "curl $how -H 'Accept-Encoding: gzip' $URL/$path | grep -v ^date | md5sum; done; "
              "done | uniq -c | awk '{ print $1 }'"),
        "2\n2\n");
    CHECK(has(shell("curl -I -H 'Accept-Encoding: gzip' $URL/stream"), "content-encoding: gzip"));
    site_end();
}

TEST(a_file_is_not_compressed_and_its_ranges_stay)
{
    begin();
    CHECK(!has(shell("curl -D - -o /dev/null -H 'Accept-Encoding: gzip' $URL/file"), "encoding"));
    CHECK(has(shell("curl -D - -o /dev/null -H 'Accept-Encoding: gzip' -r 0-3 $URL/file"),
        "HTTP/1.1 206 "));
    site_end();
}

/* What gzip reads out of bytes that need not be whole. */
static const char *unpack(const char *bytes, size_t len)
{
    static char output[4096];
    char path[] = "/tmp/anqa-events-XXXXXX", command[128];
    int fd = mkstemp(path);
    FILE *pipe;

    CHECK(fd >= 0);
    CHECK_EQ(write(fd, bytes, len), len);
    close(fd);
    snprintf(command, sizeof command, "gzip -dc <%s 2>/dev/null", path);
    pipe = popen(command, "re");
    CHECK(pipe != NULL);
    output[fread(output, 1, sizeof output - 1, pipe)] = '\0';
    pclose(pipe);
    unlink(path);
    return output;
}

/* Up to `end`, and nothing of what is behind it. */
static void read_to(int peer, const char *end, char *line, size_t size)
{
    size_t len = 0;

    do {
        CHECK(len + 1 < size && read(peer, line + len, 1) == 1, "%.*s", (int)len, line);
        line[++len] = '\0';
    } while (!ends_with(line, end));
}

/* Adds the next chunk. */
static void read_chunk(int peer, char *all, size_t *len)
{
    char line[32];
    size_t size;

    read_to(peer, "\r\n", line, sizeof line);
    size = strtoul(line, NULL, 16);
    CHECK(size > 0 && *len + size + 2 < 4096, "%s", line);
    for (size_t at = 0; at < size + 2; at++)
        CHECK_EQ(read(peer, all + *len + at, 1), 1);
    *len += size;
}

TEST(each_event_of_a_stream_can_be_read_before_the_next_one_is_sent)
{
    static const char request[] = "GET /events HTTP/1.1\r\nHost: a\r\n" TAKES "\r\n";
    char head[1024], all[4096];
    size_t len = 0;
    int peer;

    need_zlib();
    site_begin_endpoint(&endpoint);
    peer = site_dial();
    peer_say(peer, request);
    read_to(peer, "\r\n\r\n", head, sizeof head);
    CHECK(has(head, "content-encoding: gzip") && has(head, "text/event-stream"), "%s", head);
    for (unsigned i = 0; i < 3; i++) {
        char wanted[64];
        snprintf(wanted, sizeof wanted, "data: event number %u\n\n", i);
        while (!ends_with(unpack(all, len), wanted))
            read_chunk(peer, all, &len);
        atomic_fetch_add(&seen, 1);
    }
    close(peer);
    site_end();
}

TEST(a_crash_amid_a_stream_leaves_it_unfinished)
{
    begin();
    CHECK(atoi(shell("curl -o /dev/null -H 'Accept-Encoding: gzip' $URL/crash 2>/dev/null; "
                     "echo $?")) != 0);
    site_end();
}
