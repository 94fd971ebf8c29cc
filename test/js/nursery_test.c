/* Where a process allocates first. */
#include "support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Of what is mapped from images, what is no longer theirs. */
static uint32_t own_kb(void)
{
    FILE *in = fopen("/proc/self/smaps", "re");
    bool image = false;
    uint32_t kb = 0;
    char line[512];

    CHECK(in != NULL);
    while (fgets(line, sizeof line, in) != NULL) {
        if (strchr(line, '-') != NULL && strchr(line, '-') < strchr(line, ' '))
            image = strstr(line, "memfd:anqa-js") != NULL && strstr(line, " rw-p ") != NULL;
        if (image && strncmp(line, "Anonymous:", 10) == 0)
            kb += (uint32_t)strtoul(line + 10, NULL, 10);
    }
    fclose(in);
    return kb;
}

TEST(what_a_message_makes_differ_from_the_image_lies_on_a_few_pages)
{
    enum { COUNT = 20, MOST_KB = 52 };
    static const anqa_js_script resting = ANQA_JS_SCRIPT_RESTING(1, .name = "resting",
        .source = "const posts = [];\n"
                  "export function post(sender, text) {\n"
                  "  posts.push({sender, text, at: Date.now(), id: posts.length});\n"
                  "  return {id: posts.length};\n"
                  "}");
    anqa_rt *rt = js_begin(1);
    uint64_t end = anqa_now_ms() + LONG_MS;

    for (int i = 0; i < COUNT; i++)
        CHECK_STR(
            js_call(js_start(&resting), "post", "[\"ada\", \"hello to everyone in this room\"]"),
            "{\"id\":1}");
    while (own_kb() > COUNT * MOST_KB && anqa_now_ms() < end)
        anqa_sleep(5);
    CHECK(own_kb() <= COUNT * MOST_KB, "%u KB", own_kb() / COUNT);
    js_end(rt);
}

/* Keeps a third of what it makes, and looks whether it is still what it was. */
static const anqa_js_script churn = ANQA_JS_SCRIPT(.name = "churn",
    .source =
        "export function churn(count) {\n"
        "  let held = [];\n"
        "  for (let i = 0; i < count; i++) {\n"
        "    const size = i * 7 % 120, one = {};\n"
        "    for (let n = 0; n < size % 9; n++) one['k' + size + n] = 'v'.repeat(n * size) + "
        "i;\n"
        "    held.push([size, one, i]);\n"
        "    if (i % 50 === 49) held = held.filter((_, n) => n % 3 === 0);\n"
        "    for (const [size, one, at] of i % 100 === 0 ? held : [])\n"
        "      for (let n = 0; n < size % 9; n++)\n"
        "        if (one['k' + size + n] !== 'v'.repeat(n * size) + at) return [size, n, at];\n"
        "    if (i % 1000 === 999) held = [];\n"
        "  }\n"
        "  return 'sound';\n"
        "}");

TEST(what_is_freed_where_a_process_allocates_first_is_used_again)
{
    anqa_rt *rt = js_begin(1);
    anqa_pid pid = js_start(&churn);
    anqa_js_info info, later;
    anqa_error err;

    CHECK_STR(js_call(pid, "churn", "[10000]"), "\"sound\"");
    CHECK_STATUS(anqa_js_get_info(pid, LONG_MS, &info, &err), ANQA_OK);
    CHECK_STR(js_call(pid, "churn", "[10000]"), "\"sound\"");
    CHECK_STATUS(anqa_js_get_info(pid, LONG_MS, &later, &err), ANQA_OK);
    CHECK_EQ(later.memory, info.memory);
    js_end(rt);
}

/* ---------------------------------------------------------------- an engine that keeps its blocks otherwise */

struct engine;
uint32_t __real_Z_quickjsZ_js_malloc_rt(struct engine *e, uint32_t rt, uint32_t size);
void __real_Z_quickjsZ_js_free_rt(struct engine *e, uint32_t rt, uint32_t block);
uint32_t __wrap_Z_quickjsZ_js_malloc_rt(struct engine *e, uint32_t rt, uint32_t size);
void __wrap_Z_quickjsZ_js_free_rt(struct engine *e, uint32_t rt, uint32_t block);

/* What nurseries see of the engine, which they alone ask for blocks. */
static enum { AS_IT_IS, LONGER_HEAD, LARGER_BLOCKS, NO_MEMORY } engine;
static unsigned asked;

#define MORE 8u

uint32_t __wrap_Z_quickjsZ_js_malloc_rt(struct engine *e, uint32_t rt, uint32_t size)
{
    asked++;
    switch (engine) {
    case LONGER_HEAD: return __real_Z_quickjsZ_js_malloc_rt(e, rt, size + MORE) + MORE;
    case LARGER_BLOCKS: return __real_Z_quickjsZ_js_malloc_rt(e, rt, size + 600);
    case NO_MEMORY: return 0;
    default: return __real_Z_quickjsZ_js_malloc_rt(e, rt, size);
    }
}

void __wrap_Z_quickjsZ_js_free_rt(struct engine *e, uint32_t rt, uint32_t block)
{
    __real_Z_quickjsZ_js_free_rt(e, rt, engine == LONGER_HEAD ? block - MORE : block);
}

/* Whatever is taken for a list or an arena and is none would be written to: what the script keeps is not what it was, or the engine
 * fails. */
static void check_runs(void)
{
    anqa_rt *rt = js_begin(1);

    CHECK_STR(js_call(js_start(&churn), "churn", "[10000]"), "\"sound\"");
    CHECK(asked > 0);
    js_end(rt);
}

TEST(an_engine_whose_blocks_have_other_heads_runs_without_a_nursery)
{
    engine = LONGER_HEAD;
    check_runs();
}

TEST(an_engine_whose_blocks_lie_in_no_arenas_runs_without_a_nursery)
{
    engine = LARGER_BLOCKS;
    check_runs();
}

TEST(an_engine_that_has_no_block_runs_without_a_nursery)
{
    engine = NO_MEMORY;
    check_runs();
}
