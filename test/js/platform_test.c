/* What images begin with, and that nobody can tell whether it was made for them. */
#include "support.h"

#include <stdlib.h>

#include "js/js.h"

#define SOURCE                                                                                     \
    "const all = new Map(), id = Math.random(), url = new URL('http://example.com/a?b=c');\n"      \
    "for (let i = 0; i < 200; i++) all.set({i}, [Math.random(), 'text ' + i, url.host]);\n"        \
    "class Room { #posts = []; post(m) { this.#posts.push(m); return this.#posts.length; } }\n"    \
    "export const room = new Room();\n"                                                            \
    "export function timers(n) { try { for (; n > 0; n--) setTimeout(() => 0, 1e6); return 'ok'; " \
    "} catch (e) { return e.message; } }\n"                                                        \
    "export function post(m) { return room.post(m); }\n"

static const anqa_js_script script =
    ANQA_JS_SCRIPT(.name = "one", .source = SOURCE, .apis = ANQA_JS_URL | ANQA_JS_HTTP);
static const anqa_js_script other = ANQA_JS_SCRIPT(.name = "two",
    .source = "export function f() {}\n"
              "const none = [...Array(1000)].map((_, i) => ({['key' + i]: i}));\n",
    .apis = ANQA_JS_URL | ANQA_JS_HTTP);
static const anqa_js_script few_timers = ANQA_JS_SCRIPT(.name = "one", .source = SOURCE,
    .apis = ANQA_JS_URL | ANQA_JS_HTTP, .limits = {.timers = 2});
static const anqa_js_script fewer_apis =
    ANQA_JS_SCRIPT(.name = "one", .source = SOURCE, .apis = ANQA_JS_URL);
static const anqa_js_script with_topics = ANQA_JS_SCRIPT(.name = "one", .source = SOURCE,
    .apis = ANQA_JS_URL | ANQA_JS_HTTP, .topics = (const char *const[]){"news", NULL});

static const struct js_image *image_of(const anqa_js_script *of)
{
    const struct js_image *image = js_rt_get()->images;

    while (image != NULL && image->script != of)
        image = image->next;
    CHECK(image != NULL && image->view != NULL);
    return image;
}

/* Where in them the runtime finds what it needs. */
static void check_same_places(const struct js_image *one, const struct js_image *again)
{
    CHECK_EQ(one->sp, again->sp);
    CHECK_EQ(one->rt, again->rt);
    CHECK_EQ(one->ctx, again->ctx);
    CHECK_EQ(one->pid_atom, again->pid_atom);
    CHECK_EQ(one->ref_atom, again->ref_atom);
    CHECK_EQ(one->epoch_atom, again->epoch_atom);
    CHECK_EQ(one->random, again->random);
    CHECK(one->polls != 0);
    CHECK_EQ(one->polls, again->polls);
    CHECK(memcmp(one->parts, again->parts, sizeof one->parts) == 0);
    CHECK(memcmp(one->debug_parts, again->debug_parts, sizeof one->debug_parts) == 0);
}

TEST(an_image_has_the_same_bytes_whether_its_platform_was_there)
{
    anqa_rt *rt = js_begin(1);
    const struct js_image *image;
    struct js_image made;
    uint8_t *bytes;
    uint32_t size;

    (void)js_start(&other);
    CHECK_STR(js_call(js_start(&script), "post", "[1]"), "1");
    image = image_of(&script);
    memcpy(&made, image, sizeof made);
    size = image->size;
    bytes = malloc(size);
    CHECK(bytes != NULL);
    memcpy(bytes, image->view, size);
    js_end(rt);

    rt = js_begin(1);
    CHECK_STR(js_call(js_start(&script), "post", "[1]"), "1");
    image = image_of(&script);
    CHECK_EQ(image->size, size);
    CHECK(memcmp(image->view, bytes, size) == 0);
    check_same_places(image, &made);
    js_end(rt);
    free(bytes);
}

TEST(one_platform_is_kept_of_each_kind)
{
    anqa_rt *rt = js_begin(1);
    const struct js_platform *kept;

    (void)js_start(&script);
    kept = js_rt_get()->platforms;
    CHECK(kept != NULL);
    (void)js_start(&other);
    CHECK(js_rt_get()->platforms == kept);
    (void)js_start(&few_timers);
    CHECK(js_rt_get()->platforms != kept);
    kept = js_rt_get()->platforms;
    (void)js_start(&fewer_apis);
    CHECK(js_rt_get()->platforms != kept);
    kept = js_rt_get()->platforms;
    (void)js_start(&with_topics);
    CHECK(js_rt_get()->platforms != kept);
    js_end(rt);
}

TEST(a_script_gets_the_platform_of_its_own_limits)
{
    static const struct {
        const anqa_js_script *script;
        const char *timers, *globals;
    } table[] = {
        {&script, "\"ok\"", "\"undefined function\""},
        {&few_timers, "\"more than 2 timers\"", "\"undefined function\""},
        {&fewer_apis, "\"ok\"", "\"undefined undefined\""},
        {&with_topics, "\"ok\"", "\"function function\""},
    };
    static anqa_js_script copies[ANQA_COUNT(table)]; /* the second time from what is kept */
    anqa_rt *rt = js_begin(1);

    for (size_t round = 0; round < 2; round++)
        for (size_t i = 0; i < ANQA_COUNT(table); i++) {
            anqa_pid pid;
            copies[i] = *table[i].script;
            pid = js_start(round == 0 ? table[i].script : &copies[i]);
            CHECK_STR(js_call(pid, "timers", "[3]"), table[i].timers, "%zu", i);
            CHECK_STR(js_eval(pid, "`${typeof BroadcastChannel} ${typeof Response}`"),
                table[i].globals, "%zu", i);
        }
    js_end(rt);
}
