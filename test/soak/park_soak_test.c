/*
 * Rooms in JavaScript, of which nine in ten are parked: what they take of memory in all, and that each still has what was
 * posted in it.
 *
 * By default 10,000 rooms. ANQA_SOAK=full in the environment is the real thing: 100,000. ANQA_SOAK_ROOMS and
 * ANQA_SOAK_POSTS (in each room) change single figures. --verbose prints what came of it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <anqa/anqa.h>

#include "harness.h"
#include "soak/look.h"

/* 2.5 GB for 100,000 rooms; what is not a room's is a part of that. */
enum { ROOM_KB = 25, ANSWER_MS = 60000 };

static const anqa_js_script room = ANQA_JS_SCRIPT(.name = "room",
    .source =
        "const posts = [];\n"
        "export function post(m) { posts.push({sender: m.sender, text: m.text, at: Date.now(), id: "
        "posts.length}); return posts.length; }\n"
        "export function last() { return posts[posts.length - 1].text; }\n");

static const anqa_dynamic_supervisor rooms = {
    .name = "rooms", .child = {.server = &room.server, .restart = ANQA_TRANSIENT}};

static uint64_t status_kb(const char *path, const char *field)
{
    char line[256];
    uint64_t kb = 0;
    FILE *in = fopen(path, "r");

    CHECK(in != NULL);
    while (fgets(line, sizeof line, in) != NULL)
        if (strncmp(line, field, strlen(field)) == 0)
            kb = strtoull(line + strlen(field), NULL, 10);
    fclose(in);
    return kb;
}

/* What is the program's own, with its page tables. */
static uint64_t memory_kb(void)
{
    return look_memory_kb(getpid()) + status_kb("/proc/self/status", "VmPTE:");
}

static anqa_pid room_of(uint32_t number)
{
    char key[32];
    anqa_pid pid;
    anqa_error err;

    snprintf(key, sizeof key, "room:%u", number);
    CHECK_STATUS(
        anqa_ensure_child_pid(&rooms, anqa_str_of(key), NULL, &pid, &err), ANQA_OK, "%s", err.text);
    return pid;
}

static void post(anqa_pid pid, uint32_t number)
{
    (void)anqa_call(pid, "post",
        anqa_jsonf("{'sender': 'ada', 'text': 'hello to everyone in room %u'}", (unsigned)number),
        ANSWER_MS);
    (void)anqa_receive(0); /* ends the event */
}

static void check_last(uint32_t number)
{
    anqa_json last = anqa_call(room_of(number), "last", ANQA_JSON_NULL, ANSWER_MS);

    CHECK_STR(anqa_tmp_printf("%.*s", ANQA_FMT(last)),
        anqa_tmp_printf("\"hello to everyone in room %u\"", (unsigned)number));
    (void)anqa_receive(0);
}

TEST(of_many_rooms_those_that_rest_take_next_to_nothing, .timeout_ms = 600000)
{
    uint32_t count = look_figure("ANQA_SOAK_ROOMS", look_is_full() ? 100000 : 10000),
             posts = look_figure("ANQA_SOAK_POSTS", 1);
    anqa_options options = {.schedulers = 2, .js_mapped = count / 10, .watchdog_ms = ANQA_INFINITY};
    uint64_t need = (uint64_t)count * ROOM_KB, before, after;
    anqa_rt *rt = NULL;
    anqa_js_counts counts;
    anqa_pid supervisor;
    anqa_error err;

    if (harness_slowness() > 1)
        SKIP("sanitizers keep memory of their own");
    if (status_kb("/proc/meminfo", "MemAvailable:") < need + need / 2)
        SKIP("needs %u MB of free memory", (unsigned)(need / 1024 * 3 / 2));
    anqa_log_set_level(ANQA_LOG_NONE);
    CHECK_STATUS(anqa_start(&options, &rt, &err), ANQA_OK, "%s", err.text);
    CHECK_STATUS(anqa_attach(rt, &err), ANQA_OK, "%s", err.text);
    CHECK_STATUS(anqa_dynamic_supervisor_start_link(&rooms, &supervisor, &err), ANQA_OK);
    before = memory_kb();
    for (uint32_t i = 0; i < count; i++) {
        anqa_pid pid = room_of(i);
        for (uint32_t j = 0; j < posts; j++)
            post(pid, i);
    }
    after = memory_kb();
    anqa_js_get_counts(&counts);
    CHECK(counts.parked > 0 && counts.parked >= count / 10 * 9);
    printf(
        "# %u rooms, %u of them parked: %.0f MB, %.1f KB each; a parked one %.0f bytes of lines\n",
        count, counts.parked, (double)(after - before) / 1024, (double)(after - before) / count,
        (double)counts.parked_bytes / counts.parked);
    CHECK(after - before <= need, "%u MB", (unsigned)((after - before) / 1024));
    for (uint32_t i = 0; i < 2000; i++)
        check_last((uint32_t)(harness_random() % count));
    anqa_detach();
    anqa_stop(rt);
}
