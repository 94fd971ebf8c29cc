/*
 * Snapshots of random programs (programs.h): whoever goes on from one behaves as the process that it was taken of. By default
 * 1,000 programs; ANQA_SOAK=full in the environment is 10,000. --verbose prints how large they were.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "programs.h"
#include "support.h"

enum { BATCH = 250, ELSEWHERE = 40 };

/* What the one that was not restored has done. */
struct twin {
    char *snapshot, *trace;
    size_t len;
};

static anqa_pid restore(anqa_str bytes)
{
    anqa_pid pid = {0};
    anqa_error err = {.text = ""};

    CHECK_STATUS(anqa_js_restore_link(&programs_script, bytes, NULL, NULL, &pid, &err), ANQA_OK,
        "%s", err.text);
    return pid;
}

/* Ends a process and the event's memory. */
static void end(anqa_pid pid)
{
    (void)js_kill(pid);
    (void)anqa_receive(0);
}

static void record(struct twin *twin, uint64_t seed)
{
    anqa_pid pid = programs_build(seed);
    anqa_str bytes = {NULL, 0};

    CHECK_STATUS(anqa_js_snapshot(pid, LONG_MS, &bytes, NULL), ANQA_OK);
    twin->len = bytes.len;
    twin->snapshot = malloc(bytes.len);
    CHECK(twin->snapshot != NULL && bytes.len > 0);
    memcpy(twin->snapshot, bytes.ptr, bytes.len);
    twin->trace = strdup(programs_go_on(pid, seed));
    CHECK(twin->trace != NULL);
    end(pid);
}

static void repeat(const struct twin *twin, uint64_t seed)
{
    anqa_pid pid = restore(anqa_str_make(twin->snapshot, twin->len));

    CHECK_STR(programs_go_on(pid, seed), twin->trace, "seed %llu", (unsigned long long)seed);
    end(pid);
}

static void forget(struct twin *twin)
{
    free(twin->snapshot);
    free(twin->trace);
}

/* One runtime takes the snapshots; another one, whose image is another file and whose clock shows another time, goes on. */
static size_t run_batch(uint64_t first)
{
    static struct twin twins[BATCH];
    size_t bytes = 0;
    anqa_rt *rt = programs_begin(first);

    (void)anqa_trap_exit(true);
    for (size_t i = 0; i < BATCH; i++) {
        record(&twins[i], first + i);
        bytes += twins[i].len;
        if (i % 8 == 0) /* in the same one, later, too */
            repeat(&twins[i], first + i);
    }
    programs_end(rt);
    rt = programs_begin(first + 1);
    (void)anqa_trap_exit(true);
    for (size_t i = 0; i < BATCH; i++) {
        repeat(&twins[i], first + i);
        forget(&twins[i]);
    }
    programs_end(rt);
    return bytes;
}

TEST(random_programs_go_on_as_their_twins_that_were_no_snapshots, .timeout_ms = 600000)
{
    const char *soak = getenv("ANQA_SOAK");
    size_t count = soak != NULL && strcmp(soak, "full") == 0 ? 10000 : 1000, bytes = 0;

    for (size_t i = 0; i < count; i += BATCH)
        bytes += run_batch(1000000 + i);
    printf("%zu programs, snapshots of %zu bytes on average\n", count, bytes / count);
}

/* One that is built up and restored again and again. */
TEST(a_snapshot_of_a_snapshot_goes_on_as_well)
{
    anqa_rt *rt = programs_begin(1);
    struct twin twin;

    (void)anqa_trap_exit(true);
    for (uint64_t seed = 1; seed <= 50; seed++) {
        record(&twin, seed);
        for (int i = 0; i < 3; i++) {
            anqa_pid pid = restore(anqa_str_make(twin.snapshot, twin.len));
            anqa_str bytes = {NULL, 0};
            CHECK_STATUS(anqa_js_snapshot(pid, LONG_MS, &bytes, NULL), ANQA_OK);
            free(twin.snapshot);
            twin.snapshot = malloc(bytes.len);
            CHECK(twin.snapshot != NULL && bytes.len > 0);
            memcpy(twin.snapshot, bytes.ptr, bytes.len);
            twin.len = bytes.len;
            end(pid);
        }
        repeat(&twin, seed);
        forget(&twin);
    }
    programs_end(rt);
}

/* ---------------------------------------------------------------- another program */

static void write_file(
    const char *folder, uint64_t seed, const char *end_of_name, const char *bytes, size_t len)
{
    char path[256];
    FILE *file;

    snprintf(path, sizeof path, "%s/%llu%s", folder, (unsigned long long)seed, end_of_name);
    file = fopen(path, "wb");
    CHECK(file != NULL);
    CHECK_EQ(fwrite(bytes, 1, len, file), len);
    CHECK(fclose(file) == 0);
}

static void remove_file(const char *folder, uint64_t seed, const char *end_of_name)
{
    char path[256];

    snprintf(path, sizeof path, "%s/%llu%s", folder, (unsigned long long)seed, end_of_name);
    CHECK(unlink(path) == 0);
}

TEST(snapshots_go_on_in_another_program, .timeout_ms = 120000)
{
    char folder[] = "/tmp/anqa-snapshots-XXXXXX", output[300];
    anqa_rt *rt = programs_begin(7);
    int status = -1;
    pid_t child;

    CHECK(mkdtemp(folder) != NULL);
    for (uint64_t seed = 1; seed <= ELSEWHERE; seed++) {
        struct twin twin;
        (void)anqa_trap_exit(true);
        record(&twin, seed);
        write_file(folder, seed, ".snapshot", twin.snapshot, twin.len);
        write_file(folder, seed, ".trace", twin.trace, strlen(twin.trace));
        forget(&twin);
    }
    programs_end(rt);
    child = fork();
    if (child == 0) {
        setenv("SNAPSHOTS", folder, 1);
        snprintf(output, sizeof output, "%s/output", folder);
        if (freopen(output, "w", stdout) != NULL)
            execl(SNAPSHOT_PROGRAMS, SNAPSHOT_PROGRAMS, (char *)NULL);
        _exit(99);
    }
    CHECK_EQ(waitpid(child, &status, 0), child);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0, "%x: see %s/output", (unsigned)status,
        folder);
    for (uint64_t seed = 1; seed <= ELSEWHERE; seed++) {
        remove_file(folder, seed, ".snapshot");
        remove_file(folder, seed, ".trace");
    }
    snprintf(output, sizeof output, "%s/output", folder);
    CHECK(unlink(output) == 0 && rmdir(folder) == 0);
}
