#include "http/static.h"

#include "http/static_int.h"

#include "harness.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

/* A folder "www" with files, beside a secret. */
static char root[64], www[96];

static void put_file(const char *name, const char *text)
{
    char path[256];
    FILE *out;

    snprintf(path, sizeof path, "%s/%s", root, name);
    out = fopen(path, "w");
    CHECK(out != NULL, "%s", path);
    fputs(text, out);
    fclose(out);
}

static void put_link(const char *name, const char *target)
{
    char path[256];

    snprintf(path, sizeof path, "%s/%s", root, name);
    CHECK_EQ(symlink(target, path), 0, "%s", path);
}

static void put_folder(const char *name)
{
    char path[256];

    snprintf(path, sizeof path, "%s/%s", root, name);
    CHECK_EQ(mkdir(path, 0755), 0, "%s", path);
}

static int drop(const char *path, const struct stat *st, int kind, struct FTW *where)
{
    return remove(path);
}

static void drop_tree(void)
{
    nftw(root, drop, 8, FTW_DEPTH | FTW_PHYS);
}

static void make_tree(void)
{
    char fifo[128];

    snprintf(root, sizeof root, "/tmp/anqa-static-XXXXXX");
    CHECK(mkdtemp(root) != NULL);
    harness_at_end(drop_tree);
    snprintf(www, sizeof www, "%s/www", root);
    put_folder("www");
    put_folder("www/css");
    put_folder("www/.git");
    put_folder("www/.well-known");
    put_file("secret.txt", "secret");
    put_file("www/index.html", "<h1>hi</h1>");
    put_file("www/app.js", "app()");
    put_file("www/css/app.css", "a{}");
    put_file("www/css/index.html", "css");
    put_file("www/a b.txt", "blank");
    put_file("www/.env", "PASSWORD=1");
    put_file("www/.git/config", "config");
    put_file("www/.well-known/acme.txt", "acme");
    put_file("www/empty", "");
    put_link("www/inner.js", "app.js");
    put_link("www/outer.txt", "../secret.txt");
    put_link("www/absolute.txt", "/etc/passwd");
    put_link("www/up", "..");
    snprintf(fifo, sizeof fifo, "%s/fifo", www);
    CHECK_EQ(mkfifo(fifo, 0644), 0);
}

static struct request request_for(const char *path)
{
    struct request req = {.method = REQUEST_GET, .minor_version = 1};

    req.path = anqa_str_of(path);
    return req;
}

static const char *content_of(struct static_file *file)
{
    static char text[64];
    ssize_t len = read(file->fd, text, sizeof text - 1);

    CHECK(len >= 0);
    CHECK_EQ((uint64_t)len, file->size);
    text[len] = '\0';
    static_file_close(file);
    return text;
}

static const struct {
    const char *path;
    enum static_result result;
    const char *content, *type;
} lookups[] = {
    {"/s/app.js", STATIC_FOUND, "app()", "text/javascript; charset=utf-8"},
    {"/s/css/app.css", STATIC_FOUND, "a{}", "text/css; charset=utf-8"},
    {"/s/", STATIC_FOUND, "<h1>hi</h1>", "text/html; charset=utf-8"},
    {"/s/css/", STATIC_FOUND, "css", "text/html; charset=utf-8"},
    {"/s/a%20b.txt", STATIC_FOUND, "blank", "text/plain; charset=utf-8"},
    {"/s/%61pp.js", STATIC_FOUND, "app()", "text/javascript; charset=utf-8"},
    {"/s/empty", STATIC_FOUND, "", "application/octet-stream"},
    {"/s/inner.js", STATIC_FOUND, "app()", "text/javascript; charset=utf-8"},
    {"/s/.well-known/acme.txt", STATIC_FOUND, "acme", "text/plain; charset=utf-8"},
    {"/s/none", STATIC_MISSING, NULL, NULL},
    {"/s/css", STATIC_MISSING, NULL, NULL},
    {"/s/app.js/", STATIC_MISSING, NULL, NULL},
    {"/s/app.js/x", STATIC_MISSING, NULL, NULL},
    {"/s/fifo", STATIC_MISSING, NULL, NULL},
    {"/s/../secret.txt", STATIC_MISSING, NULL, NULL},
    {"/s/css/../app.js", STATIC_MISSING, NULL, NULL},
    {"/s/./app.js", STATIC_MISSING, NULL, NULL},
    {"/s/%2e%2e/secret.txt", STATIC_MISSING, NULL, NULL},
    {"/s/.%2E/secret.txt", STATIC_MISSING, NULL, NULL},
    {"/s/%2e%2e%2fsecret.txt", STATIC_MISSING, NULL, NULL},
    {"/s/..%5csecret.txt", STATIC_MISSING, NULL, NULL},
    {"/s/css\\app.css", STATIC_MISSING, NULL, NULL},
    {"/s/css%2Fapp.css", STATIC_MISSING, NULL, NULL},
    {"/s//app.js", STATIC_MISSING, NULL, NULL},
    {"/s//etc/passwd", STATIC_MISSING, NULL, NULL},
    {"/s/%2fetc/passwd", STATIC_MISSING, NULL, NULL},
    {"/s/app.js%00.png", STATIC_MISSING, NULL, NULL},
    {"/s/app.js%0", STATIC_MISSING, NULL, NULL},
    {"/s/%c0%ae%c0%ae/secret.txt", STATIC_MISSING, NULL, NULL},
    {"/s/.env", STATIC_MISSING, NULL, NULL},
    {"/s/%2eenv", STATIC_MISSING, NULL, NULL},
    {"/s/.git/config", STATIC_MISSING, NULL, NULL},
    {"/s/outer.txt", STATIC_MISSING, NULL, NULL},
    {"/s/absolute.txt", STATIC_MISSING, NULL, NULL},
    {"/s/up/secret.txt", STATIC_MISSING, NULL, NULL},
    {"/s/up/www/app.js", STATIC_MISSING, NULL, NULL},
    {"/s", STATIC_PASS, NULL, NULL},
    {"/sapp.js", STATIC_PASS, NULL, NULL},
    {"/t/app.js", STATIC_PASS, NULL, NULL},
    {"*", STATIC_PASS, NULL, NULL},
};

static void open_mount(struct static_mount *mount, const struct static_spec *spec)
{
    anqa_error err = {0};

    CHECK_STATUS(static_open(mount, spec, &err), ANQA_OK, "%s", err.text);
}

TEST(only_files_below_the_folder_are_found)
{
    struct static_mount mount;

    make_tree();
    open_mount(&mount, &(struct static_spec){.prefix = "/s", .folder = www, .index = "index.html"});
    for (size_t i = 0; i < ANQA_COUNT(lookups); i++) {
        struct request req = request_for(lookups[i].path);
        struct static_file file;
        CHECK_EQ(static_find(&mount, &req, &file), lookups[i].result, "%s", lookups[i].path);
        if (lookups[i].result == STATIC_FOUND) {
            CHECK_STR(file.content_type, lookups[i].type, "%s", lookups[i].path);
            CHECK_STR(content_of(&file), lookups[i].content, "%s", lookups[i].path);
        }
    }
    static_close(&mount);
}

TEST(without_an_index_a_folder_is_not_found)
{
    struct request req = request_for("/");
    struct static_file file;
    struct static_mount mount;

    make_tree();
    open_mount(&mount, &(struct static_spec){.folder = www});
    CHECK_EQ(static_find(&mount, &req, &file), STATIC_MISSING);
    req = request_for("/app.js");
    CHECK_EQ(static_find(&mount, &req, &file), STATIC_FOUND);
    CHECK_STR(content_of(&file), "app()");
    static_close(&mount);
}

TEST(other_methods_are_passed_on)
{
    struct request req = request_for("/app.js");
    struct static_mount mount;
    struct static_file file;

    make_tree();
    open_mount(&mount, &(struct static_spec){.folder = www});
    req.method = REQUEST_POST;
    CHECK_EQ(static_find(&mount, &req, &file), STATIC_PASS);
    static_close(&mount);
}

TEST(a_path_as_long_as_may_be_is_looked_up_and_a_longer_one_is_not)
{
    char path[STATIC_PATH_MAX + 3];
    struct static_mount mount;
    struct static_file file;
    struct request req;

    make_tree();
    open_mount(&mount, &(struct static_spec){.folder = www, .index = "index.html"});
    for (size_t len = STATIC_PATH_MAX - 20; len < sizeof path; len++) {
        memset(path, 'a', sizeof path);
        path[0] = '/';
        req = request_for("/");
        req.path = anqa_str_make(path, len);
        CHECK_EQ(static_find(&mount, &req, &file), STATIC_MISSING);
        path[len - 1] = '/'; /* the index goes behind it */
        CHECK_EQ(static_find(&mount, &req, &file), STATIC_MISSING);
        memcpy(path + 1, "%61", 3);
        CHECK_EQ(static_find(&mount, &req, &file), STATIC_MISSING);
    }
    static_close(&mount);
}

TEST(step_by_step_no_link_is_followed)
{
    static const struct {
        const char *path;
        int error;
    } paths[] = {
        {"app.js", 0},
        {"css/app.css", 0},
        {"none", ENOENT},
        {"css/none", ENOENT},
        {"app.js/x", ENOTDIR},
        {"inner.js", ELOOP},
        {"outer.txt", ELOOP},
        {"absolute.txt", ELOOP},
        {"up/secret.txt", ENOTDIR},
    };
    char long_name[300];
    int folder;

    make_tree();
    folder = open(www, O_PATH | O_DIRECTORY | O_CLOEXEC);
    for (size_t i = 0; i < ANQA_COUNT(paths); i++) {
        int fd = static_open_stepwise(folder, paths[i].path);
        CHECK_EQ(fd < 0 ? errno : 0, paths[i].error, "%s", paths[i].path);
        if (fd >= 0)
            close(fd);
    }
    memset(long_name, 'x', sizeof long_name - 1);
    long_name[sizeof long_name - 1] = '\0';
    CHECK_EQ(static_open_stepwise(folder, long_name), -1);
    CHECK_EQ(errno, ENAMETOOLONG);
    close(folder);
}

TEST(a_folder_that_cannot_be_served_is_named)
{
    struct static_mount mount;
    anqa_error err = {0};

    CHECK_STATUS(static_open(&mount, &(struct static_spec){.folder = "/no/such/folder"}, &err),
        ANQA_E_NOT_FOUND);
    CHECK(strstr(err.text, "/no/such/folder") != NULL, "%s", err.text);
    CHECK(static_open(&mount, &(struct static_spec){.folder = "/dev/null"}, &err) != ANQA_OK);
    CHECK_STATUS(static_open(&mount, &(struct static_spec){.prefix = "s", .folder = "/"}, &err),
        ANQA_E_INVALID);
    CHECK_STATUS(static_open(&mount, &(struct static_spec){.prefix = "/s/", .folder = "/"}, &err),
        ANQA_E_INVALID);
}

TEST(no_descriptor_left_is_not_the_same_as_no_file)
{
    struct request req = request_for("/app.js");
    struct static_mount mount;
    struct static_file file;

    make_tree();
    open_mount(&mount, &(struct static_spec){.folder = www});
    CHECK_EQ(setrlimit(RLIMIT_NOFILE, &(struct rlimit){.rlim_cur = 0, .rlim_max = 1024}), 0);
    CHECK_EQ(static_find(&mount, &req, &file), STATIC_BUSY);
    CHECK_EQ(setrlimit(RLIMIT_NOFILE, &(struct rlimit){.rlim_cur = 1024, .rlim_max = 1024}), 0);
    static_close(&mount);
}

/* ---------------------------------------------------------------- heads */

/* The status of the answer to a request with one field; *ret_follows: bytes of content. */
static unsigned answer(const struct static_mount *mount, enum request_method method,
    const char *name, const char *value, uint64_t *ret_follows)
{
    struct request req = request_for("/app.js");
    struct static_file file;
    struct response response;
    char buffer[RESPONSE_HEAD_SIZE];
    anqa_str head;

    req.method = method;
    req.header_count = 1;
    req.headers[0].name = anqa_str_of(name);
    req.headers[0].value = anqa_str_of(value);
    CHECK_EQ(static_find(mount, &req, &file), STATIC_FOUND);
    *ret_follows =
        static_write_head(&response, buffer, sizeof buffer, mount, &file, &req, NULL).length;
    CHECK_STATUS(response_finish(&response, &head), ANQA_OK);
    static_file_close(&file);
    return (unsigned)strtoul(head.ptr + 9, NULL, 10);
}

static const struct {
    const char *range, *if_range; /* NULL: none; "date", "etag": those of the file */
    unsigned status;
    uint64_t length;
} part_cases[] = {
    {"bytes=0-1", NULL, 206, 2},
    {"bytes=4-", NULL, 206, 1},
    {"bytes=-3", NULL, 206, 3},
    {"bytes=5-", NULL, 416, 0},
    {"bytes=0-1,3-4", NULL, 200, 5},
    {"bytes=0-1", "etag", 206, 2},
    {"bytes=0-1", "date", 206, 2},
    {"bytes=0-1", "\"other\"", 200, 5},
    {"bytes=0-1", "W/etag", 200, 5},
    {"bytes=0-1", "Thu, 01 Jan 1970 00:00:00 GMT", 200, 5},
};

TEST(a_part_is_sent_of_the_file_that_the_client_has_the_rest_of)
{
    struct static_mount mount;
    struct static_file file;

    make_tree();
    open_mount(&mount, &(struct static_spec){.folder = www});
    for (size_t i = 0; i < ANQA_COUNT(part_cases); i++) {
        struct request req = request_for("/app.js");
        const char *if_range = part_cases[i].if_range;
        char date[RESPONSE_DATE_LEN + 1] = {0}, weak[64];
        struct static_part part;
        CHECK_EQ(static_find(&mount, &req, &file), STATIC_FOUND);
        static_file_close(&file);
        response_write_date(file.modified_s, date);
        snprintf(weak, sizeof weak, "W/%s", file.etag);
        req.headers[req.header_count++] =
            (struct request_header){anqa_str_of("Range"), anqa_str_of(part_cases[i].range)};
        if (if_range != NULL)
            req.headers[req.header_count++] = (struct request_header){
                anqa_str_of("If-Range"), anqa_str_of(strcmp(if_range, "etag") == 0     ? file.etag
                                                     : strcmp(if_range, "date") == 0   ? date
                                                     : strcmp(if_range, "W/etag") == 0 ? weak
                                                                                       : if_range)};
        static_select(&file, &req, &part, NULL);
        CHECK_EQ(part.status, part_cases[i].status, "case %zu", i);
        CHECK_EQ(part.range.length, part_cases[i].length, "case %zu", i);
        req.method = REQUEST_HEAD;
        static_select(&file, &req, &part, NULL);
        CHECK_EQ(part.status, 200, "HEAD, case %zu", i);
    }
    static_close(&mount);
}

TEST(a_copy_that_is_still_good_is_not_sent_again)
{
    struct request req = request_for("/app.js");
    struct static_mount mount;
    struct static_file file;
    char weak[64], list[96], date[RESPONSE_DATE_LEN + 1] = {0};
    uint64_t follows;

    make_tree();
    open_mount(&mount, &(struct static_spec){.folder = www});
    CHECK_EQ(static_find(&mount, &req, &file), STATIC_FOUND);
    static_file_close(&file);
    snprintf(weak, sizeof weak, "W/%s", file.etag);
    snprintf(list, sizeof list, "\"x\", %s", weak);
    response_write_date(file.modified_s, date);
    const struct {
        const char *name, *value;
        unsigned status;
    } cases[] = {
        {"if-none-match", file.etag, 304},
        {"If-None-Match", weak, 304},
        {"if-none-match", list, 304},
        {"if-none-match", "*", 304},
        {"if-none-match", "\"x\"", 200},
        {"if-none-match", "", 200},
        {"if-modified-since", date, 304},
        {"if-modified-since", "Fri, 31 Dec 9999 23:59:59 GMT", 304},
        {"if-modified-since", "Thu, 01 Jan 1970 00:00:00 GMT", 200},
        {"if-modified-since", "tomorrow", 200},
        {"x", "y", 200},
    };
    for (size_t i = 0; i < ANQA_COUNT(cases); i++) {
        CHECK_EQ(answer(&mount, REQUEST_GET, cases[i].name, cases[i].value, &follows),
            cases[i].status, "%s: %s", cases[i].name, cases[i].value);
        CHECK_EQ(follows, cases[i].status == 200 ? 5 : 0);
        CHECK_EQ(answer(&mount, REQUEST_HEAD, cases[i].name, cases[i].value, &follows),
            cases[i].status, "%s: %s", cases[i].name, cases[i].value);
        CHECK_EQ(follows, 0);
    }
    static_close(&mount);
}

TEST(the_tag_changes_with_the_file)
{
    struct request req = request_for("/app.js");
    struct static_mount mount;
    struct static_file first, same, second;

    make_tree();
    open_mount(&mount, &(struct static_spec){.folder = www});
    CHECK_EQ(static_find(&mount, &req, &first), STATIC_FOUND);
    CHECK_EQ(static_find(&mount, &req, &same), STATIC_FOUND);
    put_file("www/app.js", "app(1)");
    CHECK_EQ(static_find(&mount, &req, &second), STATIC_FOUND);
    CHECK_STR(first.etag, same.etag);
    CHECK(strcmp(first.etag, second.etag) != 0);
    CHECK_EQ(strlen(first.etag), 18);
    static_file_close(&first);
    static_file_close(&same);
    static_file_close(&second);
    static_close(&mount);
}

TEST(the_head_says_what_the_file_is)
{
    struct request req = request_for("/app.js");
    struct static_mount mount;
    struct static_file file;
    struct response response;
    char buffer[RESPONSE_HEAD_SIZE];
    anqa_str head;

    make_tree();
    open_mount(&mount, &(struct static_spec){.folder = www, .cache_control = "max-age=60"});
    CHECK_EQ(static_find(&mount, &req, &file), STATIC_FOUND);
    CHECK_EQ(
        static_write_head(&response, buffer, sizeof buffer, &mount, &file, &req, NULL).length, 5);
    CHECK_STATUS(response_finish(&response, &head), ANQA_OK);
    buffer[head.len] = '\0';
    CHECK(strstr(buffer, "\r\ncontent-length: 5\r\n") != NULL, "%s", buffer);
    CHECK(strstr(buffer, "\r\ncontent-type: text/javascript; charset=utf-8\r\n") != NULL);
    CHECK(strstr(buffer, "\r\ncache-control: max-age=60\r\n") != NULL);
    CHECK(strstr(buffer, "\r\nlast-modified: ") != NULL);
    CHECK(strstr(buffer, file.etag) != NULL);
    static_file_close(&file);
    static_close(&mount);
}

/* The value of a field of the answer to a request; empty: it has none. */
static const char *field_of(
    const struct static_mount *mount, const struct request *req, const char *name)
{
    static char buffer[RESPONSE_HEAD_SIZE], start[64];
    struct static_file file;
    struct response response;
    anqa_str head;
    char *at;

    CHECK_EQ(static_find(mount, req, &file), STATIC_FOUND);
    (void)static_write_head(&response, buffer, sizeof buffer, mount, &file, req, NULL);
    CHECK_STATUS(response_finish(&response, &head), ANQA_OK);
    static_file_close(&file);
    buffer[head.len] = '\0';
    snprintf(start, sizeof start, "\r\n%s: ", name);
    at = strstr(buffer, start);
    if (at == NULL)
        return "";
    at += strlen(start);
    at[strcspn(at, "\r")] = '\0';
    return at;
}

static const struct {
    const char *query, *cache_control, *cache_control_vsn, *sent;
} caching[] = {
    {"", NULL, NULL, "public"},
    {"vsn=d", NULL, NULL, "public, max-age=31536000, immutable"},
    {"vsn=", NULL, NULL, "public, max-age=31536000, immutable"},
    {"vsnx=d", NULL, NULL, "public"},
    {"a=b&vsn=d", NULL, NULL, "public"},
    {"", "max-age=60", "max-age=120", "max-age=60"},
    {"vsn=d", "max-age=60", "max-age=120", "max-age=120"},
    {"vsn=d", "max-age=60", NULL, "public, max-age=31536000, immutable"},
};

TEST(a_url_with_a_version_is_kept_by_caches_and_others_are_asked_for_again)
{
    make_tree();
    for (size_t i = 0; i < ANQA_COUNT(caching); i++) {
        struct request req = request_for("/app.js");
        struct static_mount mount;
        open_mount(&mount, &(struct static_spec){.folder = www,
                               .cache_control = caching[i].cache_control,
                               .cache_control_vsn = caching[i].cache_control_vsn});
        req.query = anqa_str_of(caching[i].query);
        CHECK_STR(field_of(&mount, &req, "cache-control"), caching[i].sent, "%zu", i);
        req.headers[req.header_count++] =
            (struct request_header){anqa_str_of("range"), anqa_str_of("bytes=100-")};
        CHECK_STR(field_of(&mount, &req, "cache-control"), "");
        static_close(&mount);
    }
}

TEST(a_mount_with_a_list_serves_what_begins_as_it_says)
{
    static const struct {
        const char *path;
        enum static_result result;
    } paths[] = {{"/css/app.css", STATIC_FOUND}, {"/css/none", STATIC_MISSING},
        {"/cs%73/app.css", STATIC_FOUND}, {"/css", STATIC_MISSING}, {"/index.html", STATIC_FOUND},
        {"/", STATIC_FOUND}, {"/app.js", STATIC_PASS}, {"/css2", STATIC_PASS},
        {"/a/css/app.css", STATIC_PASS}, {"/CSS/app.css", STATIC_PASS}};
    struct static_mount mount;

    make_tree();
    open_mount(&mount, &(struct static_spec){.folder = www,
                           .index = "index.html",
                           .only = (const char *const[]){"css", "index.html", NULL}});
    for (size_t i = 0; i < ANQA_COUNT(paths); i++) {
        struct request req = request_for(paths[i].path);
        struct static_file file;
        CHECK_EQ(static_find(&mount, &req, &file), paths[i].result, "%s", paths[i].path);
        if (paths[i].result == STATIC_FOUND)
            static_file_close(&file);
    }
    static_close(&mount);
}

TEST(a_mount_adds_fields_to_its_answers)
{
    static const anqa_header headers[] = {{"access-control-allow-origin", "*"}, {"x-a", "b"}, {0}};
    struct request req = request_for("/app.js");
    struct static_mount mount;

    make_tree();
    open_mount(&mount, &(struct static_spec){.folder = www, .headers = headers});
    CHECK_STR(field_of(&mount, &req, "access-control-allow-origin"), "*");
    CHECK_STR(field_of(&mount, &req, "x-a"), "b");
    static_close(&mount);
}

TEST(fields_that_can_not_be_sent_fail_when_the_mount_is_opened)
{
    static char long_value[STATIC_FIELDS_MAX];
    const struct {
        anqa_header header;
        const char *cache_control;
        anqa_status status;
    } cases[] = {
        {{"x-a", "b"}, NULL, ANQA_OK},
        {{"x a", "b"}, NULL, ANQA_E_INVALID},
        {{"x-a", "b\r\nc: d"}, NULL, ANQA_E_INVALID},
        {{"ETag", "b"}, NULL, ANQA_E_INVALID},
        {{"content-length", "1"}, NULL, ANQA_E_INVALID},
        {{"x-a", "b"}, "a\nb: c", ANQA_E_INVALID},
        {{"x-a", long_value}, NULL, ANQA_E_LIMIT},
        {{"x-a", long_value + 60}, NULL, ANQA_OK},
    };

    make_tree();
    memset(long_value, 'x', sizeof long_value - 1);
    for (size_t i = 0; i < ANQA_COUNT(cases); i++) {
        const anqa_header headers[] = {cases[i].header, {0}};
        const struct static_spec spec = {
            .folder = www, .headers = headers, .cache_control = cases[i].cache_control};
        struct request req = request_for("/app.js");
        struct static_mount mount;
        anqa_error err = {0};
        CHECK_STATUS(static_open(&mount, &spec, &err), cases[i].status, "%zu", i);
        if (cases[i].status != ANQA_OK)
            continue;
        CHECK_STR(field_of(&mount, &req, "x-a"), cases[i].header.value);
        static_close(&mount);
    }
}

TEST(the_content_type_goes_by_the_last_ending)
{
    static const struct {
        const char *path, *type;
    } types[] = {
        {"a.PNG", "image/png"},
        {"a.tar.gz", "application/gzip"},
        {"a.js.map", "application/json"},
        {"a.", "application/octet-stream"},
        {"", "application/octet-stream"},
        {"html", "application/octet-stream"},
        {"a.b/html", "application/octet-stream"},
    };

    for (size_t i = 0; i < ANQA_COUNT(types); i++)
        CHECK_STR(
            static_content_type(anqa_str_of(types[i].path)), types[i].type, "%s", types[i].path);
}
