#include "harness.h"

#include <anqa/anqa.h>

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "http/multipart.h"
#include "http/site.h"

/* ---------------------------------------------------------------- the user's ten lines */

static void receive(anqa_conn *conn, const void *opts)
{
    const anqa_upload *photo = anqa_conn_upload(conn, "photo");
    anqa_json params = anqa_conn_params(conn);
    char bytes[64];
    ssize_t n = photo == NULL ? 0 : pread(photo->fd, bytes, sizeof bytes, 0);

    anqa_send_text(conn, 200,
        anqa_str_of(anqa_tmp_printf("%.*s %.*s", ANQA_FMT(params), n < 0 ? 0 : (int)n, bytes)));
}

static const anqa_endpoint endpoint = {
    .plugs = (const anqa_plug[]){{.call = anqa_parsers}, {.call = receive}, {0}}, .quiet = true};

/* A form with the boundary B. */
static const char *post(const char *body)
{
    char rest[8192];

    snprintf(rest, sizeof rest,
        "Content-Type: multipart/form-data; boundary=B\r\nContent-Length: %zu\r\n\r\n%s",
        strlen(body), body);
    return site_post(rest);
}

#define FIELD(name) "Content-Disposition: form-data; name=\"" name "\"\r\n\r\n"
#define FILE_(name, filename) \
    "Content-Disposition: form-data; name=\"" name "\"; filename=\"" filename "\"\r\n"

#define END "\r\n--B--\r\n"

TEST(a_form_with_a_file_is_read_as_its_values_and_the_file)
{
    site_begin_endpoint(&endpoint);
    CHECK_STR(
        body_of(post(
            "a preamble\r\n"
            "--B\r\n" FIELD(
                "user[name]") "J\xc3\xb6rg\r\n"
                              "--B \t\r\n" FIELD(
                                  "user[tags][]") "a\r\n"
                                                  "--B\r\n" FIELD(
                                                      "user[tags][]") "\r\n"
                                                                      "--B\r\n" FILE_("photo",
                                                                          "me.png") "content-TYPE: "
                                                                                    "image/"
                                                                                    "png\r\n\r\n"
                                                                                    "\x89PNG\r\n--"
                                                                                    "b\r\n--\r\n"
                                                                                    "\r\n--B--an "
                                                                                    "epilogue")),
        "{\"user\":{\"name\":\"J\xc3\xb6rg\",\"tags\":[\"a\",\"\"]},\"photo\":{"
        "\"filename\":\"me.png\",\"content_type\":\"image/png\",\"size\":15}} "
        "\x89PNG\r\n--b\r\n--\r\n");
    site_end();
}

/* ---------------------------------------------------------------- what else comes */

static const struct {
    const char *body;
    unsigned status;
    const char *answer; /* a part of it */
} forms[] = {
    /* what is taken */
    {"--B--", 200, "{} "},
    {"--B\r\n" FIELD("a") "1" END, 200, "{\"a\":\"1\"}"},
    {"\r\n--B\r\n" FIELD("a") "1" END, 200, "{\"a\":\"1\"}"},
    {"--B\r\n" FIELD("a") "1\r\n--B\r\n" FIELD("a") "2" END, 200, "{\"a\":\"2\"}"},
    {"--B\r\n" FIELD("a\\\"b") "1" END, 200, "{\"a\\\"b\":\"1\"}"},
    {"--B\r\nContent-Disposition: form-data; name=a ; x\r\n\r\n1" END, 200, "{\"a\":\"1\"}"},
    {"--B\r\nContent-Disposition: form-data; NAME=\"a;b=c\"\r\n\r\n1" END, 200,
        "{\"a;b=c\":\"1\"}"},
    {"--B\r\n\r\n1" END, 200, "{} "},
    {"--B\r\nContent-Disposition: form-data\r\n\r\n1" END, 200, "{} "},
    {"--B\r\nContent-Type: text/plain\r\n\r\n1" END, 200, "{} "},
    /* files */
    {"--B\r\n" FILE_("photo", "") "\r\n" END, 200, "{} "},
    {"--B\r\n" FILE_("photo", "a") "\r\n" END, 200, "\"size\":0}"},
    {"--B\r\n" FILE_("photo", "/etc/passwd") "\r\n1" END, 200, "\"filename\":\"passwd\""},
    {"--B\r\n" FILE_("photo", "../../a.txt") "\r\n1" END, 200, "\"filename\":\"a.txt\""},
    {"--B\r\n" FILE_("photo", "C:\\dir\\a.txt") "\r\n1" END, 200, "\"filename\":\"a.txt\""},
    {"--B\r\n" FILE_("photo", "..") "\r\n1" END, 200, "\"filename\":\"\""},
    {"--B\r\n" FILE_("photo", "a/") "\r\n1" END, 200, "\"filename\":\"\""},
    {"--B\r\n" FILE_("photo", "a\tb") "\r\n1" END, 200, "\"filename\":\"\""},
    {"--B\r\nContent-Disposition: form-data; name=photo; filename=\"x\"; "
     "filename*=UTF-8''caf%C3%A9%2Fb.txt\r\n\r\n1" END,
        200, "\"filename\":\"b.txt\""},
    {"--B\r\nContent-Disposition: form-data; name=photo; filename*=utf-8'en'%e2%82%ac; "
     "filename=x\r\n\r\n1" END,
        200, "\"filename\":\"\xe2\x82\xac\""},
    {"--B\r\nContent-Disposition: form-data; name=photo; filename=x; "
     "filename*=latin1''%E9\r\n\r\n1" END,
        200, "\"filename\":\"x\""},
    /* what is refused */
    {"", 400, "ends before"},
    {"--B", 400, "ends before"},
    {"--B\r\n" FIELD("a") "1", 400, "ends before"},
    {"--B\r\n" FIELD("a") "1\r\n--B", 400, "ends before"},
    {"--B\r\nContent-Disposition: form-data; name=\"a\"\r\n", 400, "ends before"},
    {"--BB\r\n" FIELD("a") "1" END, 400, "boundary"},
    {"--B\r\n" FIELD("a") "1\r\n--B-" END, 400, "boundary"},
    {"--B\n" FIELD("a") "1" END, 400, "boundary"},
    {"--B\r\nno field\r\n\r\n1" END, 400, "head"},
    {"--B\r\nContent-Disposition : form-data; name=\"a\"\r\n\r\n1" END, 400, "head"},
    {"--B\r\nContent-Disposition: form-data;\r\n name=\"a\"\r\n\r\n1" END, 400, "head"},
    {"--B\r\n" FIELD("a") "\xff" END, 400, "UTF-8"},
    {"--B\r\n" FIELD("\xff") "1" END, 400, "UTF-8"},
    {"--B\r\n" FILE_("photo", "\xff") "\r\n1" END, 400, "UTF-8"},
    {"--B\r\n" FILE_("photo", "a") "Content-Type: \xff\r\n\r\n1" END, 400, "UTF-8"},
};

TEST(forms_in_parts_are_taken_or_refused_by_these_rules)
{
    site_begin_endpoint(&endpoint);
    for (size_t i = 0; i < ANQA_COUNT(forms); i++) {
        const char *answer = post(forms[i].body);
        CHECK_EQ(status_of(answer), forms[i].status, "%s", forms[i].body);
        CHECK(has(body_of(answer), forms[i].answer), "%s: %s", forms[i].body, answer);
    }
    site_end();
}

static const struct {
    const char *type;
    unsigned status;
} types[] = {
    {"Multipart/Form-Data ; Boundary=\"B\"", 200},
    {"multipart/form-data; charset=utf-8; boundary=B", 200},
    {"multipart/form-data", 400},
    {"multipart/form-data; boundary=", 400},
    {"multipart/form-data; boundary=\"\"", 400},
    {"multipart/form-data; boundary=\"B", 400},
    {"multipart/form-data; boundary=\"B \"", 400},
    {"multipart/form-data; boundary=B\xff", 400},
    {"multipart/form-data; boundary=01234567890123456789012345678901234567890123456789012345678901"
     "234567890",
        400},
    {"multipart/mixed; boundary=B", 415},
};

TEST(a_form_needs_a_boundary_that_can_be)
{
    site_begin_endpoint(&endpoint);
    for (size_t i = 0; i < ANQA_COUNT(types); i++) {
        char rest[512];
        snprintf(
            rest, sizeof rest, "Content-Type: %s\r\nContent-Length: 5\r\n\r\n--B--", types[i].type);
        CHECK_EQ(status_of(site_post(rest)), types[i].status, "%s", types[i].type);
    }
    site_end();
}

/* ---------------------------------------------------------------- limits */

static const anqa_endpoint small = {
    .plugs = (const anqa_plug[]){{anqa_parsers, &(const anqa_parsers_opts){.multipart_length = 300,
                                                    .field_length = 4,
                                                    .file_length = 5,
                                                    .max_parts = 3,
                                                    .max_files = 1}},
        {.call = receive}, {0}},
    .quiet = true};

#define EMPTY "\r\n--B\r\n\r\n"

static const struct {
    const char *body;
    unsigned status;
} limits[] = {
    {"--B\r\n" FIELD("a") "1234" END, 200},
    {"--B\r\n" FIELD("a") "12345" END, 413},
    {"--B\r\n" FILE_("a", "a") "\r\n12345" END, 200},
    {"--B\r\n" FILE_("a", "a") "\r\n123456" END, 413},
    {EMPTY EMPTY EMPTY END, 200},
    {EMPTY EMPTY EMPTY EMPTY END, 400},
    {"--B\r\n" FILE_("a", "a") "\r\n1\r\n--B\r\n" FILE_("b", "") "\r\n" END, 200},
    {"--B\r\n" FILE_("a", "a") "\r\n1\r\n--B\r\n" FILE_("b", "b") "\r\n1" END, 413},
};

TEST(parts_files_and_what_they_hold_are_bounded)
{
    site_begin_endpoint(&small);
    for (size_t i = 0; i < ANQA_COUNT(limits); i++)
        CHECK_EQ(status_of(post(limits[i].body)), limits[i].status, "%s", limits[i].body);
    site_end();
}

/* With as many bytes in front of the first part. */
static unsigned post_behind(size_t len)
{
    static char body[8000];

    memset(body, '-', len);
    memcpy(body + len, END, sizeof END);
    return status_of(post(body));
}

TEST(the_form_as_a_whole_is_bounded)
{
    site_begin_endpoint(&small);
    CHECK_EQ(post_behind(300 - strlen(END)), 200);
    CHECK_EQ(post_behind(301 - strlen(END)), 413);
    site_end();
}

static const anqa_endpoint hasty = {
    .plugs = (const anqa_plug[]){{anqa_parsers, &(anqa_parsers_opts){.read_timeout_ms = 50}},
        {.call = receive}, {0}},
    .quiet = true};

TEST(a_form_that_trickles_is_408_however_long_it_goes_on)
{
    char buf[1024] = "";
    int fd;

    site_begin_endpoint(&hasty);
    fd = site_dial();
    peer_say(fd, "POST /x HTTP/1.1\r\nHost: a\r\nContent-Type: multipart/form-data; boundary=B\r\n"
                 "Content-Length: 100000\r\n\r\n--B\r\n" FIELD("a"));
    while (recv(fd, buf, sizeof buf - 1, MSG_DONTWAIT) <= 0) {
        peer_say(fd, "x");
        usleep(10000);
    }
    CHECK_EQ(status_of(buf), 408);
    close(fd);
    site_end();
}

TEST(the_head_of_a_part_has_at_most_8192_bytes)
{
    static const char field[] = "X: ";
    struct multipart multipart;
    char bytes[9000] = "--B\r\nX: ";
    enum multipart_event event;
    size_t at = 0, taken;
    anqa_str piece;

    for (size_t over = 0; over < 2; over++) {
        size_t end = 5 + MULTIPART_HEAD_MAX - 2 + over;
        memset(bytes + 5 + strlen(field), 'x', sizeof bytes - 5 - strlen(field));
        memcpy(bytes + end, "\r\n\r\n", 4);
        CHECK_STATUS(multipart_init(&multipart, anqa_str_of("B")), ANQA_OK);
        for (at = 0;; at += taken) {
            event = multipart_next(
                &multipart, anqa_str_make(bytes + at, sizeof bytes - at), &taken, &piece);
            if (event != MULTIPART_SKIP)
                break;
        }
        CHECK_EQ(event, over == 0 ? MULTIPART_HEAD : MULTIPART_TOO_LONG);
    }
}

/* ---------------------------------------------------------------- files */

/* Sends a form whose file has `len` bytes; returns the answer. */
static const char *post_file(size_t len)
{
    static const char head[] = "--B\r\n" FILE_("photo", "a") "\r\n";
    static char buf[4096];
    int fd = site_dial();

    snprintf(buf, sizeof buf,
        "POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Type: multipart/form-data; "
        "boundary=B\r\nContent-Length: %zu\r\n\r\n%s",
        strlen(head) + len + strlen(END), head);
    peer_say(fd, buf);
    memset(buf, 'x', sizeof buf);
    for (size_t sent = 0; sent < len; sent += sizeof buf)
        peer_put(fd, buf, len - sent < sizeof buf ? len - sent : sizeof buf);
    peer_say(fd, END);
    (void)peer_get(fd, NULL, buf, sizeof buf);
    close(fd);
    return buf;
}

/* Entries of a folder. */
static unsigned entries(const char *path)
{
    DIR *dir = opendir(path);
    unsigned count_ = 0;

    CHECK(dir != NULL);
    while (readdir(dir) != NULL)
        count_++;
    closedir(dir);
    return count_ - 2;
}

static char folder[] = "/tmp/anqa-multipart-XXXXXX", saved[64];

static void folder_begin(void)
{
    CHECK(mkdtemp(folder) != NULL);
    setenv("TMPDIR", folder, 1);
    snprintf(saved, sizeof saved, "%s/saved", folder);
}

static void folder_end(void)
{
    CHECK_EQ(entries(folder), 0);
    CHECK_EQ(rmdir(folder), 0);
}

static void keep(anqa_conn *conn, const void *opts)
{
    anqa_error err, again;
    anqa_status status = anqa_upload_save(anqa_conn_upload(conn, "photo"), saved, &err);

    CHECK_EQ(entries(folder), status == ANQA_OK ? 1 : 0);
    CHECK_STATUS(anqa_upload_save(anqa_conn_upload(conn, "photo"), saved, &again),
        status == ANQA_OK ? ANQA_E_EXISTS : status);
    anqa_send_text(conn, 200, anqa_str_of(status == ANQA_OK ? "saved" : err.text));
}

static const anqa_endpoint keeping = {
    .plugs = (const anqa_plug[]){{.call = anqa_parsers}, {.call = keep}, {0}}, .quiet = true};

TEST(a_file_that_is_saved_outlives_the_request)
{
    struct stat stat_;

    folder_begin();
    site_begin_endpoint(&keeping);
    CHECK_STR(body_of(post_file(300000)), "saved");
    site_end();
    CHECK_EQ(stat(saved, &stat_), 0);
    CHECK_EQ(stat_.st_size, 300000);
    CHECK_EQ(stat_.st_mode & 0777, 0600);
    CHECK_EQ(unlink(saved), 0);
    folder_end();
}

TEST(a_file_can_be_saved_on_another_file_system)
{
    struct stat stat_;

    if (stat("/dev/shm", &stat_) != 0)
        SKIP("there is no /dev/shm");
    folder_begin();
    setenv("TMPDIR", "/dev/shm", 1);
    site_begin_endpoint(&keeping);
    CHECK_STR(body_of(post_file(70000)), "saved");
    site_end();
    CHECK_EQ(stat(saved, &stat_), 0);
    CHECK_EQ(stat_.st_size, 70000);
    CHECK_EQ(unlink(saved), 0);
    folder_end();
}

TEST(where_a_file_can_not_be_saved_it_is_said_why)
{
    folder_begin();
    snprintf(saved, sizeof saved, "%s/none/saved", folder);
    site_begin_endpoint(&keeping);
    CHECK(has(body_of(post_file(10)), "/none/saved: No such file"));
    site_end();
    folder_end();
}

static void look_and_crash(anqa_conn *conn, const void *opts)
{
    CHECK(anqa_conn_upload(conn, "photo")->size == 100000);
    CHECK_EQ(entries(folder), 0); /* it has no name: kill -9 leaves nothing either */
    anqa_exit(anqa_error_reason("on purpose"));
}

static const anqa_endpoint crashing = {
    .plugs = (const anqa_plug[]){{.call = anqa_parsers}, {.call = look_and_crash}, {0}},
    .quiet = true};

TEST(a_file_has_no_name_and_ends_with_a_crash)
{
    folder_begin();
    site_begin_endpoint(&crashing);
    CHECK_EQ(status_of(post_file(100000)), 500);
    site_end();
    folder_end();
}

TEST(where_files_can_not_be_kept_the_answer_is_500)
{
    setenv("TMPDIR", "/nowhere/to/be/found", 1);
    site_begin_endpoint(&endpoint);
    CHECK_EQ(status_of(post_file(10)), 500);
    CHECK_EQ(status_of(post("--B\r\n" FIELD("a") "1" END)), 200);
    site_end();
}
