/* Files that stay open from one request to the next. */
#include "http/file_cache.h"

#include "harness.h"

#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <anqa/anqa.h>

static char root[64];
static anqa_rt *rt;
static struct static_mount mount;

static int drop_one(const char *path, const struct stat *st, int kind, struct FTW *where)
{
    return remove(path);
}

static void drop_tree(void)
{
    nftw(root, drop_one, 8, FTW_DEPTH | FTW_PHYS);
}

static const char *path_of(const char *name)
{
    static char paths[2][256];
    static unsigned next;
    char *path = paths[next++ % 2];

    snprintf(path, sizeof paths[0], "%s/%s", root, name);
    return path;
}

static void put_file(const char *name, const char *text)
{
    FILE *out = fopen(path_of(name), "w");

    CHECK(out != NULL, "%s", name);
    fputs(text, out);
    fclose(out);
}

static void begin(const struct static_spec *given)
{
    struct static_spec spec = *given;
    anqa_error err = {0};

    snprintf(root, sizeof root, "/tmp/anqa-kept-XXXXXX");
    CHECK(mkdtemp(root) != NULL);
    harness_at_end(drop_tree);
    put_file("a.js", "a()");
    put_file("b.js", "b()");
    spec.folder = root;
    CHECK_STATUS(static_open(&mount, &spec, &err), ANQA_OK, "%s", err.text);
    CHECK_STATUS(anqa_start(&(anqa_options){.deterministic = true, .seed = 1}, &rt, &err), ANQA_OK,
        "%s", err.text);
    CHECK_STATUS(anqa_attach(rt, &err), ANQA_OK, "%s", err.text);
}

static void end(struct file_cache *cache)
{
    file_cache_free(cache);
    static_close(&mount);
    anqa_detach();
    anqa_stop(rt);
}

static enum static_result find(
    struct file_cache *cache, const char *path, const char *codings, struct kept_file **ret_kept)
{
    struct request req = {.method = REQUEST_GET, .minor_version = 1, .path = anqa_str_of(path)};

    if (codings != NULL)
        req.headers[req.header_count++] =
            (struct request_header){anqa_str_of("accept-encoding"), anqa_str_of(codings)};
    return file_cache_find(cache, &mount, &req, ret_kept);
}

/* One more that is lent. */
static struct kept_file *take(struct file_cache *cache, const char *path)
{
    struct kept_file *kept;

    CHECK_EQ(find(cache, path, NULL, &kept), STATIC_FOUND, "%s", path);
    return kept;
}

/* What a request for it is sent. */
static const char *content(struct file_cache *cache, const char *path)
{
    static char text[64];
    struct kept_file *kept = take(cache, path);
    ssize_t len = pread(kept->file.fd, text, sizeof text - 1, 0);

    CHECK_EQ(len, (ssize_t)kept->file.size);
    text[len] = '\0';
    kept_file_unref(kept);
    return text;
}

static unsigned open_files(void)
{
    DIR *folder = opendir("/proc/self/fd");
    unsigned count = 0;

    while (readdir(folder) != NULL)
        count++;
    closedir(folder);
    return count;
}

TEST(a_file_stays_open_for_the_next_request)
{
    struct file_cache *cache;
    struct kept_file *first, *second, *other;

    begin(&(struct static_spec){0});
    cache = file_cache_new();
    first = take(cache, "/a.js");
    second = take(cache, "/a.js");
    other = take(cache, "/b.js");
    CHECK(first == second && first != other);
    CHECK_EQ(file_cache_count(cache), 2);
    kept_file_unref(first);
    kept_file_unref(second);
    kept_file_unref(other);
    CHECK(take(cache, "/a.js") == first);
    kept_file_unref(first);
    end(cache);
}

TEST(what_was_written_replaced_or_deleted_is_seen_by_the_next_request)
{
    struct file_cache *cache;
    struct kept_file *kept;

    begin(&(struct static_spec){0});
    cache = file_cache_new();
    CHECK_STR(content(cache, "/a.js"), "a()");
    put_file("a.js", "longer()");
    CHECK_STR(content(cache, "/a.js"), "longer()");
    put_file("new", "new()");
    CHECK_EQ(rename(path_of("new"), path_of("a.js")), 0);
    CHECK_STR(content(cache, "/a.js"), "new()");
    CHECK_EQ(unlink(path_of("a.js")), 0);
    CHECK_EQ(find(cache, "/a.js", NULL, &kept), STATIC_MISSING);
    CHECK_EQ(file_cache_count(cache), 0);
    end(cache);
}

/* What happens to a file from now on is told from what has happened to it: its times are as fine as the kernel's clock. */
static void let_clock_go_on(const char *name)
{
    struct stat file, other;

    CHECK_EQ(stat(path_of(name), &file), 0);
    do {
        put_file("clock", "");
        CHECK_EQ(stat(path_of("clock"), &other), 0);
    } while (other.st_ctim.tv_sec == file.st_ctim.tv_sec &&
             other.st_ctim.tv_nsec == file.st_ctim.tv_nsec);
}

TEST(a_file_that_lives_on_under_another_name_or_is_closed_to_us_is_not_sent_under_its_old_one)
{
    struct file_cache *cache;
    struct kept_file *kept;

    begin(&(struct static_spec){0});
    cache = file_cache_new();
    CHECK_STR(content(cache, "/a.js"), "a()");
    let_clock_go_on("a.js");
    CHECK_EQ(rename(path_of("a.js"), path_of("a.js.bak")), 0);
    put_file("a.js", "moved()");
    CHECK_STR(content(cache, "/a.js"), "moved()");
    CHECK_EQ(link(path_of("a.js"), path_of("copy.js")), 0);
    CHECK_STR(content(cache, "/a.js"), "moved()");
    let_clock_go_on("a.js");
    put_file("new", "new()");
    CHECK_EQ(rename(path_of("new"), path_of("a.js")), 0);
    CHECK_STR(content(cache, "/a.js"), "new()");
    CHECK_EQ(link(path_of("a.js"), path_of("other.js")), 0);
    CHECK_STR(content(cache, "/a.js"), "new()");
    let_clock_go_on("a.js");
    CHECK_EQ(unlink(path_of("a.js")), 0);
    CHECK_EQ(find(cache, "/a.js", NULL, &kept), STATIC_MISSING);
    CHECK_STR(content(cache, "/b.js"), "b()");
    kept = take(cache, "/b.js");
    let_clock_go_on("b.js");
    CHECK_EQ(chmod(path_of("b.js"), 0), 0);
    if (geteuid() == 0) { /* to whom no file is closed */
        struct kept_file *again = take(cache, "/b.js");
        CHECK(again != kept);
        kept_file_unref(again);
    } else {
        CHECK_EQ(find(cache, "/b.js", NULL, &(struct kept_file *){NULL}), STATIC_DENIED);
    }
    kept_file_unref(kept);
    end(cache);
}

/* Within a tick of the clock, or with a time that was set, a file may change in one of them only. */
TEST(a_file_whose_length_or_time_differs_is_opened_anew)
{
    static const struct {
        const char *text;
        int64_t s, ns;
    } states[] = {
        {"one()", 1000, 5}, {"longer()", 1000, 5}, {"other(1)", 1001, 5}, {"other(2)", 1001, 6}};
    struct kept_file *before = NULL, *kept;
    struct file_cache *cache;

    begin(&(struct static_spec){0});
    cache = file_cache_new();
    for (size_t i = 0; i < ANQA_COUNT(states); i++) {
        put_file("a.js", states[i].text);
        CHECK_EQ(utimensat(AT_FDCWD, path_of("a.js"),
                     (struct timespec[]){{0}, {states[i].s, states[i].ns}}, 0),
            0);
        kept = take(cache, "/a.js");
        CHECK(kept != before, "%zu", i);
        if (before != NULL)
            kept_file_unref(before);
        before = take(cache, "/a.js");
        CHECK(kept == before, "%zu", i);
        kept_file_unref(kept);
    }
    kept_file_unref(before);
    end(cache);
}

TEST(what_a_path_leads_to_is_looked_at_anew_each_second)
{
    struct file_cache *cache;

    begin(&(struct static_spec){0});
    cache = file_cache_new();
    CHECK_EQ(mkdir(path_of("v1"), 0755), 0);
    CHECK_EQ(mkdir(path_of("v2"), 0755), 0);
    put_file("v1/x", "one");
    put_file("v2/x", "two");
    CHECK_EQ(symlink("v1", path_of("now")), 0);
    CHECK_STR(content(cache, "/now/x"), "one");
    CHECK_EQ(unlink(path_of("now")), 0);
    CHECK_EQ(symlink("v2", path_of("now")), 0);
    for (unsigned i = 0; i < 11; i++) { /* however often it is asked for */
        (void)content(cache, "/now/x");
        anqa_sleep(100);
    }
    CHECK_STR(content(cache, "/now/x"), "two");
    end(cache);
}

TEST(a_file_that_nobody_asks_for_is_closed_in_time)
{
    struct file_cache *cache;
    unsigned files;

    begin(&(struct static_spec){0});
    cache = file_cache_new();
    files = open_files();
    (void)content(cache, "/a.js");
    anqa_sleep(500);
    (void)content(cache, "/b.js");
    CHECK_EQ(open_files(), files + 2);
    file_cache_sweep(cache);
    CHECK_EQ(file_cache_count(cache), 2);
    anqa_sleep(600);
    file_cache_sweep(cache);
    CHECK_EQ(file_cache_count(cache), 1);
    anqa_sleep(600);
    file_cache_sweep(cache);
    CHECK_EQ(file_cache_count(cache), 0);
    CHECK_EQ(open_files(), files);
    end(cache);
}

TEST(who_sends_a_file_has_it_until_the_end)
{
    struct file_cache *cache;
    struct kept_file *kept;
    char text[8] = "";

    begin(&(struct static_spec){0});
    cache = file_cache_new();
    kept = take(cache, "/a.js");
    CHECK_EQ(unlink(path_of("a.js")), 0);
    anqa_sleep(2000);
    file_cache_sweep(cache);
    CHECK_EQ(file_cache_count(cache), 0);
    file_cache_free(cache);
    CHECK_EQ(pread(kept->file.fd, text, sizeof text, 0), 3);
    CHECK_STR(text, "a()");
    kept_file_unref(kept);
    end(NULL);
}

TEST(of_more_files_than_are_kept_the_oldest_go)
{
    struct file_cache *cache;
    struct kept_file *first;
    unsigned files;

    begin(&(struct static_spec){0});
    cache = file_cache_new();
    files = open_files();
    first = take(cache, "/a.js");
    for (unsigned i = 0; i < FILE_CACHE_FILES + 10; i++) {
        char name[32];
        snprintf(name, sizeof name, "/%u", i);
        put_file(name + 1, "x");
        CHECK_STR(content(cache, name), "x");
    }
    CHECK_EQ(file_cache_count(cache), FILE_CACHE_FILES);
    CHECK_EQ(open_files(), files + FILE_CACHE_FILES + 1);
    kept_file_unref(first);
    CHECK_EQ(open_files(), files + FILE_CACHE_FILES);
    end(cache);
}

TEST(files_are_kept_by_mount_and_by_the_codings_that_are_taken)
{
    struct static_mount other;
    struct file_cache *cache;
    struct kept_file *plain, *gzip, *again, *elsewhere;
    struct request req = {.method = REQUEST_GET, .path = {"/a.js", 5}};
    anqa_error err;

    begin(&(struct static_spec){.gzip = true});
    put_file("a.js.gz", "GZIP");
    cache = file_cache_new();
    CHECK_EQ(find(cache, "/a.js", NULL, &plain), STATIC_FOUND);
    CHECK_EQ(find(cache, "/a.js", "gzip", &gzip), STATIC_FOUND);
    CHECK_EQ(find(cache, "/a.js", "br;q=0.5, gzip", &again), STATIC_FOUND);
    CHECK(plain != gzip && gzip == again);
    CHECK_EQ(plain->file.encoding, ENCODING_IDENTITY);
    CHECK_EQ(gzip->file.encoding, ENCODING_GZIP);
    CHECK(plain->file.varies && gzip->file.varies);
    CHECK_STATUS(static_open(&other, &(struct static_spec){.folder = root}, &err), ANQA_OK);
    CHECK_EQ(file_cache_find(cache, &other, &req, &elsewhere), STATIC_FOUND);
    CHECK(elsewhere != plain);
    kept_file_unref(plain);
    kept_file_unref(gzip);
    kept_file_unref(again);
    kept_file_unref(elsewhere);
    static_close(&other);
    end(cache);
}

TEST(a_mount_may_open_each_file_anew)
{
    struct file_cache *cache;
    struct kept_file *first, *second;

    begin(&(struct static_spec){.opens_anew = true});
    cache = file_cache_new();
    first = take(cache, "/a.js");
    second = take(cache, "/a.js");
    CHECK(first != second);
    CHECK_EQ(file_cache_count(cache), 0);
    kept_file_unref(first);
    kept_file_unref(second);
    end(cache);
}

TEST(where_descriptors_run_out_files_that_are_kept_make_room)
{
    struct rlimit before, few;
    struct file_cache *cache;
    struct kept_file *kept;

    begin(&(struct static_spec){0});
    cache = file_cache_new();
    CHECK_STR(content(cache, "/a.js"), "a()");
    CHECK_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
    few = before;
    kept = take(cache, "/a.js");
    few.rlim_cur = (rlim_t)kept->file.fd + 1;
    kept_file_unref(kept);
    CHECK_EQ(setrlimit(RLIMIT_NOFILE, &few), 0);
    CHECK_STR(content(cache, "/b.js"), "b()");
    kept = take(cache, "/b.js"); /* nobody can take it away */
    CHECK_EQ(find(cache, "/a.js", NULL, &(struct kept_file *){NULL}), STATIC_BUSY);
    CHECK_EQ(setrlimit(RLIMIT_NOFILE, &before), 0);
    kept_file_unref(kept);
    end(cache);
}

TEST(without_memory_a_file_is_busy_or_not_kept)
{
    begin(&(struct static_spec){0});
    EACH_ALLOC_FAILURE {
        struct file_cache *cache = file_cache_new();
        struct kept_file *kept;
        if (find(cache, "/a.js", NULL, &kept) == STATIC_FOUND)
            kept_file_unref(kept);
        file_cache_free(cache);
    }
    end(NULL);
}
