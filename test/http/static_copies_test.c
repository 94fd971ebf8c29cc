/* Compressed copies that lie beside a file, on the wire. */
#include "harness.h"

#include <anqa/anqa.h>

#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "http/site.h"

#define ALL "Accept-Encoding: gzip, br\r\n"

static char root[64];

static int drop(const char *path, const struct stat *st, int kind, struct FTW *where)
{
    return remove(path);
}

static void drop_tree(void)
{
    nftw(root, drop, 8, FTW_DEPTH | FTW_PHYS);
}

static const char *path_of(const char *name)
{
    static char path[256];

    snprintf(path, sizeof path, "%s/%s", root, name);
    return path;
}

/* A file that was changed so many seconds ago. */
static void put_file(const char *name, const char *text, time_t age)
{
    FILE *out = fopen(path_of(name), "w");
    struct timespec then[2] = {{.tv_sec = time(NULL) - age}, {.tv_sec = time(NULL) - age}};

    CHECK(out != NULL, "%s", name);
    fputs(text, out);
    fclose(out);
    CHECK_EQ(utimensat(AT_FDCWD, path_of(name), then, 0), 0);
}

static anqa_static_files statics[2];
static const anqa_endpoint endpoint = {.statics = statics, .quiet = true};

static void put_files(void)
{
    snprintf(root, sizeof root, "/tmp/anqa-copies-XXXXXX");
    CHECK(mkdtemp(root) != NULL);
    harness_at_end(drop_tree);
    put_file("app.js", "plain app", 100);
    put_file("app.js.gz", "GZIP APP", 100); /* as gzip leaves the time */
    put_file("app.js.br", "BR APP!", 50);
    put_file("old.js", "plain old", 100);
    put_file("old.js.gz", "GZIP OLD", 101);
    put_file("old.js.br", "BR OLD", 102);
    put_file("half.js", "plain half", 100);
    put_file("half.js.gz", "GZIP HALF", 90);
    put_file("alone.js.gz", "GZIP ALONE", 90);
    put_file("folder.js", "plain folder", 100);
    CHECK_EQ(mkdir(path_of("folder.js.gz"), 0755), 0);
    put_file("link.js", "plain link", 100);
    CHECK_EQ(symlink("/etc/passwd", path_of("link.js.gz")), 0);
}

static void begin(bool gzip, bool brotli)
{
    put_files();
    statics[0] = (anqa_static_files){.url = "/", .dir = root, .gzip = gzip, .brotli = brotli};
    site_begin_endpoint(&endpoint);
}

static const char *ask(const char *line, const char *fields)
{
    char request[512];

    snprintf(request, sizeof request, "%s HTTP/1.1\r\nHost: a\r\nConnection: close\r\n%s\r\n", line,
        fields);
    return site_ask(request);
}

static const char *get(const char *path, const char *fields)
{
    char line[128];

    snprintf(line, sizeof line, "GET %s", path);
    return ask(line, fields);
}

static void tag_of(const char *answer, char tag[static 32])
{
    const char *at = strstr(answer, "\r\netag: ");

    CHECK(at != NULL, "%s", answer);
    at += strlen("\r\netag: ");
    snprintf(tag, 32, "%.*s", (int)strcspn(at, "\r"), at);
}

/* ---------------------------------------------------------------- which one is sent */

static const struct {
    const char *path, *fields, *body, *coding; /* coding: NULL: none */
} choices[] = {
    {"/app.js", "", "plain app", NULL},
    {"/app.js", ALL, "BR APP!", "br"},
    {"/app.js", "Accept-Encoding: gzip\r\n", "GZIP APP", "gzip"},
    {"/app.js", "Accept-Encoding: br;q=0, gzip\r\n", "GZIP APP", "gzip"},
    {"/app.js", "Accept-Encoding: br;q=0.1, gzip\r\n", "GZIP APP", "gzip"},
    {"/app.js", "Accept-Encoding: gzip;q=0.1\r\nAccept-Encoding: br\r\n", "BR APP!", "br"},
    {"/app.js", "Accept-Encoding: identity\r\n", "plain app", NULL},
    {"/app.js", "Accept-Encoding: zstd\r\n", "plain app", NULL},
    {"/half.js", ALL, "GZIP HALF", "gzip"},
    {"/old.js", ALL, "plain old", NULL},
    {"/folder.js", ALL, "plain folder", NULL},
    {"/link.js", ALL, "plain link", NULL},
};

TEST(a_copy_is_sent_to_who_takes_it_if_it_is_there_and_not_older)
{
    begin(true, true);
    for (size_t i = 0; i < ANQA_COUNT(choices); i++) {
        const char *answer = get(choices[i].path, choices[i].fields);
        char field[64];
        CHECK_EQ(status_of(answer), 200, "case %zu", i);
        CHECK_STR(body_of(answer), choices[i].body, "case %zu", i);
        CHECK(has(answer, "\r\ncontent-type: text/javascript; charset=utf-8\r\n"));
        CHECK(has(answer, "\r\nvary: accept-encoding\r\n"), "case %zu", i);
        snprintf(field, sizeof field, "\r\ncontent-encoding: %s\r\n",
            choices[i].coding == NULL ? "" : choices[i].coding);
        CHECK_EQ(has(answer, field), choices[i].coding != NULL, "case %zu", i);
        CHECK_EQ(has(answer, "content-encoding"), choices[i].coding != NULL, "case %zu", i);
    }
    CHECK_EQ(status_of(get("/alone.js", ALL)), 404);
    site_end();
}

TEST(without_the_options_no_copy_is_looked_for)
{
    begin(false, false);
    CHECK_STR(body_of(get("/app.js", ALL)), "plain app");
    CHECK(!has(get("/app.js", ALL), "vary"));
    site_end();
    begin(true, false);
    CHECK_STR(body_of(get("/app.js", ALL)), "GZIP APP");
    site_end();
    begin(false, true);
    CHECK_STR(body_of(get("/app.js", ALL)), "BR APP!");
    CHECK_STR(body_of(get("/app.js", "Accept-Encoding: gzip\r\n")), "plain app");
    site_end();
}

TEST(the_head_of_a_copy_is_that_of_its_get)
{
    const char *answer;

    begin(true, true);
    answer = ask("HEAD /app.js", ALL);
    CHECK(has(answer, "\r\ncontent-encoding: br\r\n") && has(answer, "\r\ncontent-length: 7\r\n"));
    CHECK_STR(body_of(answer), "");
    site_end();
}

/* ---------------------------------------------------------------- conditions and ranges */

TEST(each_copy_has_a_tag_of_its_own_which_only_itself_fits)
{
    char plain[32], gzip[32], br[32], fields[128];

    begin(true, true);
    tag_of(get("/app.js", ""), plain);
    tag_of(get("/app.js", "Accept-Encoding: gzip\r\n"), gzip);
    tag_of(get("/app.js", ALL), br);
    CHECK(strcmp(plain, gzip) != 0 && strcmp(plain, br) != 0 && strcmp(gzip, br) != 0);
    snprintf(fields, sizeof fields, "%sIf-None-Match: %s\r\n", ALL, br);
    CHECK_EQ(status_of(get("/app.js", fields)), 304);
    CHECK(has(get("/app.js", fields), "\r\nvary: accept-encoding\r\n"));
    snprintf(fields, sizeof fields, "%sIf-None-Match: %s\r\n", ALL, gzip);
    CHECK_EQ(status_of(get("/app.js", fields)), 200);
    snprintf(fields, sizeof fields, "If-None-Match: %s\r\n", br);
    CHECK_EQ(status_of(get("/app.js", fields)), 200);
    site_end();
}

TEST(a_range_is_one_of_the_copy)
{
    char plain[32], br[32], fields[192];
    const char *answer;

    begin(true, true);
    tag_of(get("/app.js", ""), plain);
    tag_of(get("/app.js", ALL), br);
    answer = get("/app.js", ALL "Range: bytes=3-\r\n");
    CHECK_EQ(status_of(answer), 206);
    CHECK_STR(body_of(answer), "APP!");
    CHECK(has(answer, "\r\ncontent-range: bytes 3-6/7\r\n"), "%s", answer);
    CHECK(has(answer, "\r\ncontent-encoding: br\r\n"));
    snprintf(fields, sizeof fields, "%sRange: bytes=3-\r\nIf-Range: %s\r\n", ALL, br);
    CHECK_EQ(status_of(get("/app.js", fields)), 206);
    snprintf(fields, sizeof fields, "%sRange: bytes=3-\r\nIf-Range: %s\r\n", ALL, plain);
    CHECK_EQ(status_of(get("/app.js", fields)), 200);
    CHECK(!has(get("/app.js", ALL "Range: bytes=99-\r\n"), "content-encoding"));
    site_end();
}

TEST(a_date_does_not_tell_a_file_from_its_copy)
{
    char fields[192];
    const char *answer, *date;

    begin(true, true);
    answer = get("/app.js", "");
    date = strstr(answer, "last-modified: ");
    CHECK(date != NULL);
    date += strlen("last-modified: ");
    snprintf(fields, sizeof fields,
        "Accept-Encoding: gzip\r\nRange: bytes=3-\r\nIf-Range: %.29s\r\n", date);
    CHECK_EQ(status_of(get("/app.js", fields)), 200); /* the gzip one has the same date */
    site_end();
}

/* ---------------------------------------------------------------- a client that unpacks */

TEST(curl_unpacks_a_copy)
{
    char command[512], text[64];
    FILE *pipe;
    size_t len;

    if (system("command -v curl >/dev/null") != 0)
        SKIP("curl is not installed");
    begin(true, true);
    snprintf(command, sizeof command,
        "cd %s && seq 1 4 > n.txt && gzip -kn n.txt && curl --silent --compressed http://%s/n.txt",
        root, site_address());
    pipe = popen(command, "re");
    CHECK(pipe != NULL);
    len = fread(text, 1, sizeof text - 1, pipe);
    text[len] = '\0';
    CHECK_EQ(pclose(pipe), 0);
    CHECK_STR(text, "1\n2\n3\n4\n");
    site_end();
}

TEST(an_endpoint_says_how_its_files_are_kept_and_which_they_are)
{
    const char *answer;

    put_files();
    statics[0] = (anqa_static_files){.url = "/",
        .dir = root,
        .cache_control = "max-age=60",
        .cache_control_vsn = "max-age=120",
        .only = (const char *const[]){"app.js", NULL},
        .headers = (const anqa_header[]){{"x-a", "b"}, {0}}};
    site_begin_endpoint(&endpoint);
    answer = site_get("/app.js");
    CHECK(has(answer, "\r\ncache-control: max-age=60\r\n"), "%s", answer);
    CHECK(has(answer, "\r\nx-a: b\r\n"), "%s", answer);
    CHECK(has(site_get("/app.js?vsn=1"), "\r\ncache-control: max-age=120\r\n"));
    CHECK_EQ(status_of(site_get("/old.js")), 404);
    site_end();
}

/* Files of the folder that this program, which is the server too, has open. */
static unsigned open_files(void)
{
    DIR *folder = opendir("/proc/self/fd");
    unsigned found = 0;

    for (struct dirent *entry = readdir(folder); entry != NULL; entry = readdir(folder)) {
        char target[256] = "";
        if (readlinkat(dirfd(folder), entry->d_name, target, sizeof target - 1) > 0)
            found += strncmp(target, path_of(""), strlen(path_of(""))) == 0;
    }
    closedir(folder);
    return found;
}

TEST(a_file_stays_open_for_who_comes_next_and_is_closed_when_nobody_does)
{
    begin(false, false);
    CHECK_STR(body_of(site_get("/app.js")), "plain app");
    put_file("app.js", "another app", 0);
    CHECK_STR(body_of(site_get("/app.js")), "another app");
    while (open_files() != 0)
        usleep(10000);
    CHECK_STR(body_of(site_get("/app.js")), "another app");
    site_end();
}

TEST(a_file_that_is_opened_anew_is_not_open_between_requests)
{
    put_files();
    statics[0] = (anqa_static_files){.url = "/", .dir = root, .opens_anew = true};
    site_begin_endpoint(&endpoint);
    CHECK_STR(body_of(site_get("/app.js")), "plain app");
    CHECK_EQ(open_files(), 0);
    site_end();
}
