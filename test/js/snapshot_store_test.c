/* Stores: processes that begin as the last snapshot that was kept of them. */
#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support.h"

/* ---------------------------------------------------------------- a program with rooms (fixture/rooms.c) */

struct program {
    pid_t pid;
    FILE *in, *out;
};

struct folder {
    char path[32];
};

static struct folder folder_new(void)
{
    struct folder folder = {"/tmp/anqa-rooms-XXXXXX"};

    CHECK(mkdtemp(folder.path) != NULL);
    return folder;
}

static unsigned file_count(const struct folder *folder)
{
    DIR *dir = opendir(folder->path);
    struct dirent *entry;
    unsigned count = 0;

    CHECK(dir != NULL);
    while ((entry = readdir(dir)) != NULL)
        count += entry->d_name[0] != '.';
    closedir(dir);
    return count;
}

static void folder_remove(const struct folder *folder)
{
    DIR *dir = opendir(folder->path);
    struct dirent *entry;

    CHECK(dir != NULL);
    while ((entry = readdir(dir)) != NULL)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            CHECK(unlinkat(dirfd(dir), entry->d_name, 0) == 0);
    closedir(dir);
    CHECK(rmdir(folder->path) == 0);
}

static const char *line_of(struct program *program)
{
    static char line[4096];

    if (fgets(line, sizeof line, program->out) == NULL)
        return "(end)";
    line[strcspn(line, "\n")] = '\0';
    return line;
}

static struct program begin(const struct folder *folder, const char *every_ms)
{
    struct program program = {0};
    int in[2], out[2];

    CHECK(pipe2(in, O_CLOEXEC) == 0 && pipe2(out, O_CLOEXEC) == 0);
    program.pid = fork();
    if (program.pid == 0) {
        dup2(in[0], STDIN_FILENO);
        dup2(out[1], STDOUT_FILENO);
        execl(SNAPSHOT_ROOMS, SNAPSHOT_ROOMS, folder->path, every_ms, (char *)NULL);
        _exit(99);
    }
    close(in[0]);
    close(out[1]);
    program.in = fdopen(in[1], "w");
    program.out = fdopen(out[0], "r");
    CHECK(program.in != NULL && program.out != NULL);
    CHECK_STR(line_of(&program), "ready");
    return program;
}

/* The answer; lines of what has been saved meanwhile are counted. */
static const char *ask(struct program *program, const char *request, unsigned *saved)
{
    const char *line;

    CHECK(fprintf(program->in, "%s\n", request) > 0 && fflush(program->in) == 0);
    while (line = line_of(program), strncmp(line, "saved ", 6) == 0)
        ++*saved;
    return line;
}

static void close_program(struct program *program, int *ret_status)
{
    (void)fclose(program->in);
    (void)fclose(program->out);
    CHECK_EQ(waitpid(program->pid, ret_status, 0), program->pid);
}

static void kill_program(struct program *program)
{
    int status;

    CHECK(kill(program->pid, SIGKILL) == 0);
    close_program(program, &status);
    CHECK(WIFSIGNALED(status));
}

static void quit(struct program *program)
{
    unsigned saved = 0;
    int status;

    CHECK_STR(ask(program, "quit", &saved), "bye");
    close_program(program, &status);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0, "%x", (unsigned)status);
}

/* Returns when what has been answered is saved: a saving that was told after an answer may be of before it, but not the one
 * after that, as there are never two at once. */
static void await_saved(struct program *program, const char *room)
{
    char saved_line[80], request[80];
    unsigned saved = 0;

    snprintf(saved_line, sizeof saved_line, "saved %s", room);
    snprintf(request, sizeof request, "state %s", room);
    CHECK_STR(line_of(program), saved_line);
    (void)ask(program, request, &saved); /* something to be saved */
    if (saved == 0)
        CHECK_STR(line_of(program), saved_line);
}

static void await_state(struct program *program, const char *room, const char *want)
{
    char request[80];
    unsigned saved = 0;

    snprintf(request, sizeof request, "state %s", room);
    for (int i = 0; i < 10000 && strcmp(ask(program, request, &saved), want) != 0; i++)
        usleep(2000);
    CHECK_STR(ask(program, request, &saved), want);
}

TEST(rooms_of_a_program_that_is_killed_go_on_from_their_last_snapshots, .timeout_ms = 120000)
{
    struct folder folder = folder_new();
    char request[64], words[1024] = "", state[1200];
    unsigned posts = 0, saved;

    for (int life = 0; life < 8; life++) {
        struct program program = begin(&folder, "30");
        unsigned more = 1 + harness_random() % 4;
        for (unsigned i = 0; i < more; i++) {
            size_t len = strlen(words);
            snprintf(words + len, sizeof words - len, "%sw%u", posts == 0 ? "" : " ", posts);
            snprintf(request, sizeof request, "post lobby w%u", posts);
            saved = 0;
            CHECK_EQ(strtoul(ask(&program, request, &saved), NULL, 10), ++posts);
        }
        await_saved(&program, "lobby");
        kill_program(&program);

        program = begin(&folder, "60000");
        snprintf(state, sizeof state, "[\"lobby\",\"%s\",%u,%u]", words, posts, posts);
        await_state(&program, "lobby", state); /* timers that were not due yet come to an end */
        (void)ask(&program, "post lobby lost", &saved);
        kill_program(&program); /* and that was not saved */
    }
    folder_remove(&folder);
}

/* ---------------------------------------------------------------- killed at any moment */

enum { KEPT_ROOMS = 12, WORDS_MOST = 400 };

/* What is known of a room. */
struct kept {
    unsigned sent, answered; /* posts */
    unsigned at_save;        /* answered when it was last told to be saved */
    unsigned least;          /* that the last saving that was told has in it */
};

/* Never two are saved at once: what is told to be saved has been begun after the one before was told. */
static void take_line(struct kept *rooms, const unsigned *asked, unsigned *at, const char *line)
{
    struct kept *room;

    if (strncmp(line, "saved r", 7) == 0) {
        room = &rooms[strtoul(line + 7, NULL, 10)];
        room->least = room->at_save;
        room->at_save = room->answered;
        return;
    }
    room = &rooms[asked[(*at)++]];
    CHECK_EQ(strtoul(line, NULL, 10), ++room->answered, "%s", line);
}

/* How many posts a room has gone on with: the first of those that were sent, in their order. */
static unsigned look_at(struct program *program, unsigned room)
{
    char request[40], want[WORDS_MOST * 6] = "";
    unsigned saved = 0, count;
    const char *state, *words;

    snprintf(request, sizeof request, "state r%u", room);
    state = ask(program, request, &saved);
    words = strstr(state, "\",\"");
    CHECK(words != NULL && strstr(words + 3, "\",") != NULL, "%s", state);
    count = (unsigned)strtoul(strstr(words + 3, "\",") + 2, NULL, 10);
    CHECK(count < WORDS_MOST, "%s", state);
    for (unsigned i = 0; i < count; i++)
        snprintf(want + strlen(want), sizeof want - strlen(want), "%sw%u", i == 0 ? "" : " ", i);
    snprintf(want + strlen(want), sizeof want - strlen(want), "\",%u,", count);
    CHECK(strncmp(words + 3, want, strlen(want)) == 0, "%s", state);
    return count;
}

static void send_post(struct program *program, struct kept *rooms, unsigned *ret_room)
{
    *ret_room = (unsigned)(harness_random() % KEPT_ROOMS);
    CHECK(fprintf(program->in, "post r%u w%u\n", *ret_room, rooms[*ret_room].sent++) > 0);
}

/* Some posts are waited for, others are not; then it is killed, and what it had said until then is read. */
static void live_and_die(struct program *program, struct kept *rooms)
{
    enum { MOST = 60 };
    unsigned asked[MOST], at = 0, waited = (unsigned)(harness_random() % 30),
                          count = waited + (unsigned)(harness_random() % 30);
    const char *line;
    int status;

    for (unsigned i = 0; i < count; i++) {
        send_post(program, rooms, &asked[i]);
        CHECK(fflush(program->in) == 0);
        while (i < waited && at <= i)
            take_line(rooms, asked, &at, line_of(program));
    }
    usleep((unsigned)(harness_random() % 8000));
    CHECK(kill(program->pid, SIGKILL) == 0);
    while (line = line_of(program), strcmp(line, "(end)") != 0)
        take_line(rooms, asked, &at, line);
    close_program(program, &status);
    CHECK(WIFSIGNALED(status));
}

/* Also in the middle of a save, of a rename, or of a line that tells of it. */
TEST(rooms_of_a_program_that_is_killed_at_any_moment_have_what_was_told_to_be_saved,
    .timeout_ms = 240000)
{
    struct folder folder = folder_new();
    struct kept rooms[KEPT_ROOMS] = {0};
    unsigned lives = harness_slowness() > 1 ? 10 : 30, kept = 0;

    for (unsigned life = 0; life < lives; life++) {
        struct program program = begin(&folder, "1");
        for (unsigned i = 0; i < KEPT_ROOMS; i++) {
            unsigned count = look_at(&program, i);
            CHECK(count >= rooms[i].least, "room %u has %u of %u", i, count, rooms[i].least);
            CHECK(count <= rooms[i].sent, "room %u has %u of %u", i, count, rooms[i].sent);
            rooms[i] = (struct kept){count, count, count, count};
            kept += count;
        }
        live_and_die(&program, rooms);
    }
    CHECK(kept > 0);
    folder_remove(&folder);
}

TEST(rooms_are_saved_when_their_program_ends_in_good_order)
{
    struct folder folder = folder_new();
    struct program program = begin(&folder, "60000");
    unsigned saved = 0;

    CHECK_STR(ask(&program, "post lobby a", &saved), "1");
    CHECK_STR(ask(&program, "post ../attic%20b b", &saved), "1");
    CHECK_EQ(file_count(&folder), 0);
    quit(&program);
    CHECK_EQ(file_count(&folder), 2);
    program = begin(&folder, "60000");
    await_state(&program, "lobby", "[\"lobby\",\"a\",1,1]");
    await_state(&program, "../attic%20b", "[\"../attic%20b\",\"b\",1,1]");
    quit(&program);
    folder_remove(&folder);
}

TEST(a_room_that_has_ended_itself_begins_anew)
{
    struct folder folder = folder_new();
    struct program program = begin(&folder, "60000");
    unsigned saved = 0;

    CHECK_STR(ask(&program, "post lobby a", &saved), "1");
    quit(&program);
    program = begin(&folder, "60000");
    await_state(&program, "lobby", "[\"lobby\",\"a\",1,1]");
    CHECK_STR(ask(&program, "leave lobby", &saved), "ended");
    await_state(&program, "lobby", "[\"lobby\",\"\",0,0]");
    quit(&program);
    folder_remove(&folder);
}

/* ---------------------------------------------------------------- a store in memory */

static struct {
    pthread_mutex_t lock;
    anqa_buf kept;
    int saves, at_once, most_at_once, drops;
    int failures; /* of the next savings */
    uint32_t slow_ms;
    bool crash;
    int strangers; /* savings of others than "one" */
} memory = {.lock = PTHREAD_MUTEX_INITIALIZER};

static anqa_status memory_load(const anqa_js_store *store, const anqa_js_script *script,
    anqa_str id, anqa_buf *ret_snapshot, anqa_error *err)
{
    anqa_status status = ANQA_E_NOT_FOUND;

    pthread_mutex_lock(&memory.lock);
    if (memory.kept.ptr != NULL) {
        *ret_snapshot = anqa_buf_ref(memory.kept);
        status = ANQA_OK;
    }
    pthread_mutex_unlock(&memory.lock);
    return status;
}

static void memory_keep(anqa_str bytes)
{
    anqa_buf_unref(memory.kept);
    CHECK_STATUS(anqa_buf_copy(bytes.ptr, bytes.len, &memory.kept), ANQA_OK);
}

static int enter(int by)
{
    int failures;

    pthread_mutex_lock(&memory.lock);
    memory.at_once += by;
    if (memory.at_once > memory.most_at_once)
        memory.most_at_once = memory.at_once;
    failures = memory.failures;
    pthread_mutex_unlock(&memory.lock);
    return failures;
}

static anqa_status memory_save(const anqa_js_store *store, const anqa_js_script *script,
    anqa_str id, anqa_str snapshot, anqa_error *err)
{
    bool fail = enter(1) > 0;

    if (memory.slow_ms > 0)
        anqa_sleep(memory.slow_ms);
    (void)enter(-1);
    pthread_mutex_lock(&memory.lock);
    if (fail)
        memory.failures--;
    else
        memory_keep(snapshot);
    memory.saves++;
    memory.strangers += !anqa_str_is(id, "one");
    pthread_mutex_unlock(&memory.lock);
    if (fail && memory.crash)
        anqa_exit(anqa_error_reason("the disk is full"));
    return fail ? ANQA_E_IO : ANQA_OK;
}

static anqa_status memory_drop(
    const anqa_js_store *store, const anqa_js_script *script, anqa_str id, anqa_error *err)
{
    memory.drops++;
    return ANQA_OK;
}

#define SOURCE                                              \
    "let n = 0; const told = [];\n"                         \
    "export function add(by) { return n += by; }\n"         \
    "export function fail() { Beam.exit('on purpose'); }\n" \
    "export function restored(arg) { told.push(arg); }\n"   \
    "export function said() { return told; }\n"

static const anqa_js_store store = {
    .load = memory_load, .save = memory_save, .drop = memory_drop, .every_ms = 10};
static const anqa_js_script script =
    ANQA_JS_SCRIPT(.name = "kept.js", .source = SOURCE, .store = &store);
static const anqa_js_script changed =
    ANQA_JS_SCRIPT(.name = "kept.js", .source = SOURCE "//", .store = &store);
static const anqa_js_store lenient = {
    .load = memory_load, .save = memory_save, .every_ms = 60000, .anew = true};
static const anqa_js_script changed_lenient =
    ANQA_JS_SCRIPT(.name = "kept.js", .source = SOURCE "//", .store = &lenient);

static int saves(void)
{
    int count;

    pthread_mutex_lock(&memory.lock);
    count = memory.saves;
    pthread_mutex_unlock(&memory.lock);
    return count;
}

static void await_saves(int count)
{
    for (unsigned ms = 0; ms < LONG_MS && saves() < count; ms++)
        anqa_sleep(1);
    CHECK(saves() >= count, "%d", saves());
}

static anqa_pid start_named(const anqa_js_script *of)
{
    anqa_start_opts opts = {.name = "one"};
    anqa_pid pid = {0};
    anqa_error err = {.text = ""};

    CHECK_STATUS(anqa_js_start_link(of, NULL, &opts, &pid, &err), ANQA_OK, "%s", err.text);
    return pid;
}

static anqa_rt *store_begin_test(void)
{
    anqa_rt *rt = js_begin(2);

    (void)anqa_trap_exit(true);
    return rt;
}

static void store_end_test(anqa_rt *rt)
{
    js_end(rt);
    anqa_buf_unref(memory.kept);
    memory.kept = (anqa_buf){0};
}

TEST(who_crashes_begins_as_the_last_snapshot)
{
    anqa_rt *rt = store_begin_test();
    anqa_pid pid = start_named(&script);
    int before;

    CHECK_STR(js_call(pid, "add", "[1]"), "1");
    await_saves(1);
    before = saves();
    CHECK_STR(js_call(pid, "add", "[1]"), "2");
    await_saves(before + 1);
    CHECK_STR(js_kill(pid), "killed");
    pid = start_named(&script);
    CHECK_STR(js_call(pid, "add", "[0]"), "2");
    CHECK_STR(js_call(pid, "said", "[]"), "[null]");
    store_end_test(rt);
}

TEST(who_rests_is_not_saved_again)
{
    anqa_rt *rt = store_begin_test();
    anqa_pid pid = start_named(&script);

    (void)js_call(pid, "add", "[1]");
    await_saves(1);
    anqa_sleep(60);
    CHECK(saves() <= 2, "%d", saves());
    store_end_test(rt);
}

TEST(who_has_no_name_is_not_kept)
{
    anqa_rt *rt = store_begin_test();

    (void)js_call(js_start(&script), "add", "[1]");
    anqa_sleep(40);
    CHECK_EQ(saves(), 0);
    store_end_test(rt);
}

TEST(children_of_who_is_kept_are_not_kept)
{
    static const anqa_js_script parent =
        ANQA_JS_SCRIPT(.name = "kept.js", .source = SOURCE, .store = &store, .limits.children = 1);
    anqa_rt *rt = store_begin_test();
    anqa_pid pid = start_named(&parent);

    CHECK_STR(js_eval(pid, "Beam.spawn(null) instanceof Object"), "true");
    await_saves(1);
    anqa_sleep(40);
    CHECK_EQ(memory.strangers, 0);
    store_end_test(rt);
}

TEST(one_is_saved_after_the_other_and_calls_are_answered_meanwhile)
{
    anqa_rt *rt = store_begin_test();
    anqa_pid pid = start_named(&script);

    memory.slow_ms = 40;
    for (int i = 0; i < 100; i++) {
        CHECK_STR(js_call(pid, "add", "[0]"), "0");
        anqa_sleep(1);
    }
    await_saves(2);
    CHECK_EQ(memory.most_at_once, 1);
    store_end_test(rt);
}

TEST(a_saving_that_fails_is_tried_again)
{
    anqa_rt *rt = store_begin_test();
    anqa_pid pid = start_named(&script);

    memory.failures = 2;
    CHECK_STR(js_call(pid, "add", "[5]"), "5");
    await_saves(3);
    memory.crash = true;
    memory.failures = 1;
    CHECK_STR(js_call(pid, "add", "[1]"), "6");
    await_saves(5);
    CHECK_STR(js_kill(pid), "killed");
    CHECK_STR(js_call(start_named(&script), "add", "[0]"), "6");
    store_end_test(rt);
}

TEST(who_ends_with_an_error_is_not_saved_and_not_dropped)
{
    anqa_rt *rt = store_begin_test();
    anqa_pid pid = start_named(&script);
    anqa_ref ref = anqa_monitor(pid);
    int before;

    (void)js_call(pid, "add", "[1]");
    await_saves(1);
    before = saves();
    anqa_cast(pid, "fail", ANQA_JSON_NULL);
    CHECK_STR(js_ended(ref), "error: on purpose");
    CHECK(saves() <= before + 1); /* what was under way */
    CHECK_EQ(memory.drops, 0);
    CHECK_STR(js_call(start_named(&script), "add", "[0]"), "1");
    store_end_test(rt);
}

TEST(who_is_linked_to_what_crashes_ends_as_any_other)
{
    anqa_rt *rt = store_begin_test();
    anqa_pid pid = start_named(&script);
    anqa_ref ref = anqa_monitor(pid);

    anqa_exit_signal(pid, anqa_error_reason("of a friend"));
    CHECK_STR(js_ended(ref), "error: of a friend");
    store_end_test(rt);
}

TEST(what_is_refused_does_not_start_or_begins_anew_as_the_store_says)
{
    anqa_rt *rt = store_begin_test();
    anqa_start_opts opts = {.name = "one"};
    anqa_error err = {.text = ""};
    anqa_pid pid = start_named(&script);

    CHECK_STR(js_call(pid, "add", "[1]"), "1");
    CHECK_STATUS(anqa_gen_server_stop(pid, ANQA_NORMAL, LONG_MS), ANQA_OK);
    CHECK_EQ(memory.drops, 0);
    CHECK_STATUS(
        anqa_js_start_link(&changed, NULL, &opts, &pid, &err), ANQA_E_VERSION, "%s", err.text);
    CHECK(strstr(err.text, "source was another") != NULL, "%s", err.text);
    pid = start_named(&changed_lenient);
    CHECK_STR(js_call(pid, "add", "[0]"), "0");
    store_end_test(rt);
}

/* ---------------------------------------------------------------- the store of files */

static const anqa_str snapshot_text = {"a snapshot", 10};

TEST(every_id_has_a_file_of_its_own)
{
    static const anqa_str ids[] = {{"a", 1}, {"A", 1}, {"a.b", 3}, {"a/b", 3}, {"..", 2}, {"", 0},
        {"a%2fb", 5}, {"\0", 1}, {"\xff", 1}, {"a.new", 5}, {"files.a", 7}};
    struct folder folder = folder_new();
    anqa_js_store files = ANQA_JS_FILES(folder.path);
    anqa_rt *rt = js_begin(1);
    anqa_buf got;

    for (size_t i = 0; i < ANQA_COUNT(ids); i++)
        CHECK_STATUS(anqa_js_files_load(&files, &script, ids[i], &got, NULL), ANQA_E_NOT_FOUND);
    for (size_t i = 0; i < ANQA_COUNT(ids); i++) {
        char text[2] = {(char)('a' + i), '\0'};
        CHECK_STATUS(anqa_js_files_save(&files, &script, ids[i], snapshot_text, NULL), ANQA_OK);
        CHECK_STATUS(anqa_js_files_save(&files, &script, ids[i], anqa_str_of(text), NULL), ANQA_OK);
    }
    CHECK_EQ(file_count(&folder), ANQA_COUNT(ids));
    for (size_t i = 0; i < ANQA_COUNT(ids); i++) {
        char text[2] = {(char)('a' + i), '\0'};
        CHECK_STATUS(anqa_js_files_load(&files, &script, ids[i], &got, NULL), ANQA_OK);
        CHECK(anqa_str_is(anqa_buf_str(got), text), "%zu", i);
        anqa_buf_unref(got);
        CHECK_STATUS(anqa_js_files_drop(&files, &script, ids[i], NULL), ANQA_OK);
        CHECK_STATUS(anqa_js_files_drop(&files, &script, ids[i], NULL), ANQA_OK);
    }
    CHECK_EQ(file_count(&folder), 0);
    js_end(rt);
    folder_remove(&folder);
}

TEST(what_no_file_can_be_made_of_is_an_error)
{
    char id[300];
    struct folder folder = folder_new();
    anqa_js_store files = ANQA_JS_FILES(folder.path), nowhere = ANQA_JS_FILES("/nonexistent");
    anqa_rt *rt = js_begin(1);
    anqa_error err;
    anqa_buf got;

    memset(id, 'x', sizeof id);
    CHECK_STATUS(
        anqa_js_files_save(&files, &script, anqa_str_make(id, sizeof id), snapshot_text, &err),
        ANQA_E_RANGE);
    CHECK_STATUS(
        anqa_js_files_save(&files, &script, anqa_str_make(id, 230), snapshot_text, &err), ANQA_OK);
    CHECK_STATUS(anqa_js_files_load(&nowhere, &script, anqa_str_of("a"), &got, &err), ANQA_E_IO);
    CHECK_STATUS(
        anqa_js_files_save(&nowhere, &script, anqa_str_of("a"), snapshot_text, &err), ANQA_E_IO);
    js_end(rt);
    folder_remove(&folder);
}

TEST(a_file_that_is_no_snapshot_is_refused)
{
    static anqa_js_store files = ANQA_JS_FILES(NULL);
    static const anqa_js_script of_files =
        ANQA_JS_SCRIPT(.name = "files", .source = SOURCE, .store = &files);
    struct folder folder = folder_new();
    anqa_start_opts opts = {.name = "one"};
    anqa_rt *rt = store_begin_test();
    char path[64];
    anqa_pid pid;
    int fd;

    files.arg = folder.path;
    CHECK_STATUS(
        anqa_js_files_save(&files, &of_files, anqa_str_of("one"), (anqa_str){NULL, 0}, NULL),
        ANQA_OK);
    CHECK_STATUS(anqa_js_start_link(&of_files, NULL, &opts, &pid, NULL), ANQA_E_PARSE);
    CHECK_STATUS(
        anqa_js_files_save(&files, &of_files, anqa_str_of("one"), snapshot_text, NULL), ANQA_OK);
    CHECK_STATUS(anqa_js_start_link(&of_files, NULL, &opts, &pid, NULL), ANQA_E_PARSE);
    snprintf(path, sizeof path, "%s/files.one", folder.path);
    fd = open(path, O_WRONLY | O_CLOEXEC);
    CHECK(fd >= 0 && ftruncate(fd, ((off_t)4 << 30) + 1) == 0 && close(fd) == 0); /* a hole */
    CHECK_STATUS(anqa_js_start_link(&of_files, NULL, &opts, &pid, NULL), ANQA_E_IO);
    files.arg = "/nonexistent";
    CHECK_STATUS(anqa_js_start_link(&of_files, NULL, &opts, &pid, NULL), ANQA_E_IO);
    store_end_test(rt);
    folder_remove(&folder);
}

struct saver {
    const anqa_js_store *files;
    char letter;
};

/* Files as large as that are not written in one piece. */
static anqa_payload save_often(void *arg)
{
    const struct saver *saver = arg;
    size_t len = 300000;
    char *bytes = anqa_heap_alloc(len);

    memset(bytes, saver->letter, len);
    for (int i = 0; i < 10; i++)
        CHECK_STATUS(anqa_js_files_save(
                         saver->files, &script, anqa_str_of("a"), anqa_str_make(bytes, len), NULL),
            ANQA_OK);
    return anqa_nothing();
}

TEST(files_are_replaced_as_a_whole_also_by_several_at_once)
{
    struct folder folder = folder_new();
    anqa_js_store files = ANQA_JS_FILES(folder.path);
    anqa_rt *rt = js_begin(2);
    anqa_task tasks[4];
    anqa_buf got;

    for (size_t i = 0; i < ANQA_COUNT(tasks); i++)
        tasks[i] = anqa_task_async(
            save_often, &(struct saver){&files, (char)('a' + i)}, sizeof(struct saver));
    for (size_t i = 0; i < ANQA_COUNT(tasks); i++) {
        (void)anqa_task_await(&tasks[i], LONG_MS);
        CHECK_STATUS(anqa_js_files_load(&files, &script, anqa_str_of("a"), &got, NULL), ANQA_OK);
        CHECK_EQ(got.len, 300000);
        for (size_t n = 1; n < got.len; n++)
            CHECK_EQ(got.ptr[n], got.ptr[0]);
        anqa_buf_unref(got);
    }
    CHECK_EQ(file_count(&folder), 1);
    js_end(rt);
    folder_remove(&folder);
}

struct late {
    const anqa_js_store *files;
    anqa_str text; /* NULL: the file is dropped */
};

static void save_or_drop(void *arg)
{
    const struct late *late = arg;
    anqa_str id = anqa_str_of("a");

    if (late->text.ptr == NULL)
        CHECK_STATUS(anqa_js_files_drop(late->files, &script, id, NULL), ANQA_OK);
    else
        CHECK_STATUS(anqa_js_files_save(late->files, &script, id, late->text, NULL), ANQA_OK);
}

/* In a process of its own, whose worker has time to come to the lock. */
static anqa_pid start_late(const anqa_js_store *files, anqa_str text, anqa_ref *ret_ref)
{
    struct late late = {files, text};
    anqa_pid pid = {0};

    CHECK_STATUS(
        anqa_spawn(
            &(anqa_spawn_opts){
                .run = save_or_drop, .arg = &late, .arg_size = sizeof late, .monitor = true},
            &pid, ret_ref),
        ANQA_OK);
    anqa_sleep(30);
    return pid;
}

TEST(a_save_of_who_was_killed_undoes_nothing_that_was_asked_after_it)
{
    for (int dropped = 0; dropped < 2; dropped++) {
        struct folder folder = folder_new();
        anqa_js_store files = ANQA_JS_FILES(folder.path);
        anqa_rt *rt = js_begin(1);
        char path[100];
        anqa_ref ref;
        anqa_buf got;
        int fd;

        snprintf(path, sizeof path, "%s/kept%%2ejs.a.new", folder.path);
        fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
        CHECK(fd >= 0 && flock(fd, LOCK_EX) == 0);
        (void)js_kill(start_late(&files, anqa_str_of("old"), &ref));
        (void)start_late(&files, dropped ? (anqa_str){NULL, 0} : anqa_str_of("new"), &ref);
        close(fd);
        CHECK_STR(js_ended(ref), "normal");
        anqa_sleep(50);
        if (!dropped) {
            CHECK_STATUS(
                anqa_js_files_load(&files, &script, anqa_str_of("a"), &got, NULL), ANQA_OK);
            CHECK(anqa_str_is(anqa_buf_str(got), "new"));
            anqa_buf_unref(got);
        }
        js_end(rt);
        CHECK_EQ(file_count(&folder), dropped ? 0 : 1);
        folder_remove(&folder);
    }
}
