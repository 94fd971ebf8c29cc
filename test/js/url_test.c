/* URLs where Node does not do what the URL Standard says, limits, and scripts that mean harm. What Node does too is in
 * web/url.cases.mjs. */
#include "support.h"

static const anqa_js_script script = ANQA_JS_SCRIPT(.name = "url",
    .source = "export const url = (text, base) => {\n"
              "  try { return new URL(text, base).href } catch (e) { return e.name } };\n"
              "export const set = (text, member, value) => {\n"
              "  const url = new URL(text); url[member] = value; return url.href };\n",
    .apis = ANQA_JS_URL);

static const struct {
    const char *text, *base, *href;
} parsed[] = {
    {"http://a/b^c", NULL, "http://a/b%5Ec"},
    {"x:/..", NULL, "x:/"},
    {"x://a/../..", NULL, "x://a/"},
    {"..", "x://h", "x://h/"},
    {"../../..", "x:/a/b", "x:/"},
    {"file:///C:a/..", NULL, "file:///"},
    {"http://FA\u1e9e.de", NULL, "http://xn--fa-hia.de/"},
    {"http://a\u05d0", NULL, "TypeError"},
    {"http://\u05d0.1a", NULL, "TypeError"},
    {"http://\u0660", NULL, "TypeError"},
    {"http://xn--a-", NULL, "TypeError"},
    {"http://xn--ascii-", NULL, "TypeError"},
    {"http://xn--xn---epa", NULL, "TypeError"},
    {"#b", "mailto:a?c#d", "mailto:a?c#b"},
    {"a#b", "mailto:a", "TypeError"},
    {"?#b", "blob:https://a/b", "TypeError"},
    {"x:a b ?c", NULL, "x:a b%20?c"},
    {"x:a b #c", NULL, "x:a b%20#c"},
    {"x:a  #c", NULL, "x:a %20#c"},
};

TEST(a_url_is_what_the_standard_says)
{
    anqa_rt *rt = js_begin(1);
    anqa_pid pid = js_start(&script);

    for (size_t i = 0; i < ANQA_COUNT(parsed); i++)
        CHECK_STR(js_call(pid, "url",
                      parsed[i].base == NULL
                          ? anqa_tmp_printf("[\"%s\"]", parsed[i].text)
                          : anqa_tmp_printf("[\"%s\", \"%s\"]", parsed[i].text, parsed[i].base)),
            anqa_tmp_printf("\"%s\"", parsed[i].href), "%s against %s", parsed[i].text,
            parsed[i].base == NULL ? "nothing" : parsed[i].base);
    js_end(rt);
}

static const struct {
    const char *text, *member, *value, *href;
} changed[] = {
    {"x:/a", "host", "", "x:///a"},
    {"x:/a", "host", "new:82", "x://new:82/a"},
    {"x:/a", "host", "[::2]:9", "x://[::2]:9/a"},
    {"x:/a", "host", "new:65536", "x://new/a"},
    {"x:/a", "hostname", "", "x:///a"},
    {"x:/a", "hostname", "new:82", "x:/a"},
    {"x://u@h:81/a", "host", ":82", "x://u@h:81/a"},
    {"x://h", "host", "new:82", "x://new:82"},
    {"x:/a/b", "pathname", "..", "x:/"},
    {"x://h/a", "pathname", "/../..", "x://h/"},
    {"http://h/", "pathname", "a^b", "http://h/a%5Eb"},
};

TEST(a_part_of_a_url_is_changed_as_the_standard_says)
{
    anqa_rt *rt = js_begin(1);
    anqa_pid pid = js_start(&script);

    for (size_t i = 0; i < ANQA_COUNT(changed); i++)
        CHECK_STR(js_call(pid, "set",
                      anqa_tmp_printf("[\"%s\", \"%s\", \"%s\"]", changed[i].text,
                          changed[i].member, changed[i].value)),
            anqa_tmp_printf("\"%s\"", changed[i].href), "%s of %s: %s", changed[i].member,
            changed[i].text, changed[i].value);
    js_end(rt);
}

TEST(queries_take_what_they_are_given)
{
    anqa_rt *rt = js_begin(1);
    anqa_pid pid = js_start(&script);

    CHECK_STR(js_eval(pid, "[...new URLSearchParams(null)]"), "[[\"null\",\"\"]]");
    CHECK_STR(js_eval(pid, "URL.parse('a') === null && URL.parse('a', 'http://b').href"),
        "\"http://b/a\"");
    CHECK_STR(js_eval(pid, "typeof URL.parse('http://b') + URL.parse.length"), "\"object1\"");
    js_end(rt);
}

TEST(a_url_has_a_mebibyte_at_most)
{
    anqa_rt *rt = js_begin(1);
    anqa_pid pid = js_start(&script);

    CHECK_STR(
        js_eval(pid, "new URL('http://a/' + 'b'.repeat((1 << 20) - 9)).href.length"), "1048576");
    CHECK_STR(js_eval(pid, "URL.canParse('http://a/' + 'b'.repeat((1 << 20) - 8))"), "false");
    CHECK_STR(js_eval(pid, "URL.canParse('http://a/' + '\\u20ac'.repeat(200000))"), "false");
    CHECK_STR(js_eval(pid, "const u = new URL('http://a/b'); u.pathname = 'c'.repeat(1 << 20);"
                           "u.hash = '\\u20ac'.repeat(200000); u.href"),
        "\"http://a/b\"");
    CHECK_STR(js_eval(pid, "URL.canParse('b', 'http://a/' + 'b'.repeat(1 << 20))"), "false");
    js_end(rt);
}

TEST(a_name_has_a_thousand_characters_at_most_beyond_ascii)
{
    anqa_rt *rt = js_begin(1);
    anqa_pid pid = js_start(&script);

    CHECK_STR(js_eval(pid, "URL.canParse('http://' + '\\u00e4'.repeat(1024))"), "true");
    CHECK_STR(js_eval(pid, "URL.canParse('http://' + '\\u00e4'.repeat(1025))"), "false");
    CHECK_STR(js_eval(pid, "URL.canParse('http://' + '\\ufdfa'.repeat(500))"), "false");
    CHECK_STR(js_eval(pid, "URL.canParse('http://xn--' + '9'.repeat(1000))"), "false");
    js_end(rt);
}

TEST(a_query_has_16_mebibytes_at_most)
{
    static const anqa_js_script large =
        ANQA_JS_SCRIPT(.name = "large", .source = "export const nothing = 0;", .apis = ANQA_JS_URL,
            .limits = {.memory = (size_t)256 << 20, .turn_ms = 60000});
    anqa_rt *rt = js_begin(1);
    anqa_pid pid = js_start(&large);

    CHECK_STR(
        js_eval(pid, "new URLSearchParams('a=' + 'b'.repeat((16 << 20) - 2)).get('a').length"),
        "16777214");
    CHECK_STR(js_eval(pid, "try { new URLSearchParams('a=' + 'b'.repeat((16 << 20) - 1)) }"
                           "catch (e) { e.name }"),
        "\"RangeError\"");
    CHECK_STR(
        js_eval(pid, "new URLSearchParams({a: 'b'.repeat((16 << 20) - 2)}).toString().length"),
        "16777216");
    CHECK_STR(
        js_eval(pid, "['b'.repeat((16 << 20) - 1), '\\u00e9'.repeat(3 << 20), 'b'.repeat(17 << 20)]"
                     ".map(a => { try { new URLSearchParams({a}).toString() }"
                     "catch (e) { return e.name } })"),
        "[\"RangeError\",\"RangeError\",\"RangeError\"]");
    js_end(rt);
}

/* What an operation needs is given back when it ends: a turn may be very many of them. */
TEST(a_turn_may_parse_very_many_urls)
{
    static const anqa_js_script small =
        ANQA_JS_SCRIPT(.name = "small", .source = "export const nothing = 0;", .apis = ANQA_JS_URL,
            .limits = {.memory = (size_t)8 << 20, .turn_ms = 60000});
    const unsigned times = 2000 / harness_slowness(); /* of 100 KB each */
    anqa_rt *rt = js_begin(1);

    CHECK_STR(
        js_eval(js_start(&small),
            anqa_tmp_printf("const long = 'http://a/' + 'b'.repeat(100000); let n = 0;"
                            "for (let i = 0; i < %u; i++) n += new URL(long).pathname.length; n",
                times)),
        anqa_tmp_printf("%u", times * 100001));
    js_end(rt);
}

TEST(scripts_that_replace_what_urls_are_made_with_get_the_same_urls)
{
    anqa_rt *rt = js_begin(1);

    CHECK_STR(js_eval(js_start(&script),
                  "const wrong = () => { throw 'asked' };"
                  "for (const k of ['slice', 'normalize', 'toWellFormed', 'toLowerCase', 'split'])"
                  "  String.prototype[k] = wrong;"
                  "for (const k of ['splice', 'sort', 'push', 'slice', 'join'])"
                  "  Array.prototype[k] = wrong;"
                  "Reflect.apply = Reflect.ownKeys = wrong;"
                  "globalThis.Uint8Array = globalThis.String = globalThis.URLSearchParams = wrong;"
                  "const u = new URL('//\\u00e4/b?c=d&a', 'http://h'); u.searchParams.sort();"
                  "u.searchParams.delete('c'); u.host = '\\u00e9:81'; u.hash = 'x';"
                  "u.href + u.origin + u.search + u.port"),
        "\"http://xn--9ca:81/b?a=#xhttp://xn--9ca:81?a=81\"");
    js_end(rt);
}
