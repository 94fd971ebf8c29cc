/* Beam.password: what comes of it, its limits, its format. */
#include "support.h"

#include "js/password.h"

static const anqa_js_script script = ANQA_JS_SCRIPT(.name = "password.js",
    .source = "let done = 0;\n"
              "export const hash = (text, options) => Beam.password.hash(text, options);\n"
              "export const verify = (hash, text) => Beam.password.verify(hash, text);\n"
              "export function start() { Beam.password.hash('x', {rounds: 3000000}).then(() => { "
              "done++; }); }\n"
              "export const count = () => done;\n");

TEST(a_password_is_verified_by_its_hash)
{
    anqa_rt *rt = js_begin(1);
    anqa_pid pid = js_start(&script);
    const char *hash = js_call(pid, "hash", "[\"open sesame\"]");

    CHECK(strncmp(hash, "\"$pbkdf2-sha256$i=600000$", 25) == 0, "%s", hash);
    CHECK_STR(js_call(pid, "verify", anqa_tmp_printf("[%s, \"open sesame\"]", hash)), "true");
    CHECK_STR(js_call(pid, "verify", anqa_tmp_printf("[%s, \"open sesam\"]", hash)), "false");
    CHECK(strcmp(js_call(pid, "hash", "[\"open sesame\", {\"rounds\": 1000}]"),
              js_call(pid, "hash", "[\"open sesame\", {\"rounds\": 1000}]")) != 0);
    js_end(rt);
}

/* Made by Python's hashlib.pbkdf2_hmac("sha256", "pässword".encode(), b"0123456789abcdef", 1000). */
TEST(a_hash_that_was_made_elsewhere_is_read)
{
    anqa_rt *rt = js_begin(1);
    anqa_pid pid = js_start(&script);

    CHECK_STR(js_call(pid, "verify",
                  "[\"$pbkdf2-sha256$i=1000$MDEyMzQ1Njc4OWFiY2RlZg$"
                  "rybsuBlIHCOEKCPpDvTVloYHkPEiKOiJqqYGLCHAfF0\", \"pässword\"]"),
        "true");
    js_end(rt);
}

static const struct {
    const char *what, *function, *args, *outcome;
} refused[] = {
    {"no password", "hash", "[]", "TypeError: a password is a string"},
    {"a number", "hash", "[5]", "TypeError: a password is a string"},
    {"no hash", "verify", "[null, \"x\"]", "TypeError: that is no hash of a password"},
    {"another hash", "verify", "[\"$2b$12$abc\", \"x\"]",
        "TypeError: that is no hash of a password"},
    {"too few rounds", "hash", "[\"x\", {\"rounds\": 999}]",
        "RangeError: a password is hashed in 1000 to 10000000 rounds"},
    {"too many rounds", "hash", "[\"x\", {\"rounds\": 10000001}]",
        "RangeError: a password is hashed in 1000 to 10000000 rounds"},
    {"rounds as text", "hash", "[\"x\", {\"rounds\": \"1000\"}]",
        "RangeError: a password is hashed in 1000 to 10000000 rounds"},
};

TEST(what_is_no_password_or_hash_is_refused)
{
    anqa_rt *rt = js_begin(1);
    anqa_pid pid = js_start(&script);

    for (size_t i = 0; i < ANQA_COUNT(refused); i++)
        CHECK_STR(js_call(pid, refused[i].function, refused[i].args), refused[i].outcome, "%s",
            refused[i].what);
    CHECK_STR(js_eval(pid, "Beam.password.hash('x'.repeat(1025))"),
        "RangeError: a password has at most 1024 bytes");
    CHECK_STR(
        js_eval(
            pid, "Beam.password.hash('x'.repeat(1024), {rounds: 1000}).then((h) => h.length > 60)"),
        "true");
    js_end(rt);
}

TEST(hashing_holds_nobody_up)
{
    anqa_rt *rt = js_begin(1);
    anqa_pid pid = js_start(&script);
    anqa_js_info info = {0};

    for (int i = 0; i < 5; i++)
        CHECK_STR(js_call(pid, "start", "[]"), "null");
    CHECK_STR(js_call(pid, "count", "[]"), "0");
    CHECK_STATUS(anqa_js_get_info(pid, LONG_MS, &info, NULL), ANQA_OK);
    CHECK_EQ(info.pending_calls, 2u);
    (void)anqa_trap_exit(true);
    CHECK_STR(js_kill(pid), "killed"); /* long before the worker is done */
    js_end(rt);
}

TEST(options_that_hash_another_password_when_they_are_read_pass_no_limit)
{
    anqa_rt *rt = js_begin(1);
    anqa_pid pid = js_start(&script);
    anqa_js_info info = {0};

    CHECK_STR(
        js_eval(pid, "let depth = 0; function nest() { Beam.password.hash('x', {get rounds() { "
                     "if (depth++ < 5) nest(); return 3000000; }}); } nest(); depth"),
        "6");
    CHECK_STATUS(anqa_js_get_info(pid, LONG_MS, &info, NULL), ANQA_OK);
    CHECK_EQ(info.pending_calls, 2u);
    CHECK_STR(js_eval(pid, "Beam.password.hash('x', {get rounds() { throw new Error('none') }})"),
        "Error: none");
    (void)anqa_trap_exit(true);
    CHECK_STR(js_kill(pid), "killed");
    js_end(rt);
}

TEST(top_level_code_hashes_no_passwords)
{
    static const anqa_js_script early = ANQA_JS_SCRIPT(.name = "early.js",
        .source = "let said; Beam.password.hash('x').catch((e) => { said = e.message; });\n"
                  "export const what = () => said.slice(0, 39);\n");
    anqa_rt *rt = js_begin(1);

    CHECK_STR(
        js_call(js_start(&early), "what", "[]"), "\"Beam cannot be used in top-level code, \"");
    js_end(rt);
}

/* ---------------------------------------------------------------- the format */

#define KEY "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA" /* 32 bytes */

static const struct {
    const char *text;
    bool is_one;
} formats[] = {
    {"$pbkdf2-sha256$i=1$AAAAAAAAAAA$" KEY, true},
    {"$pbkdf2-sha256$i=10000000$AAAAAAAAAAA$" KEY, true},
    {"$pbkdf2-sha256$i=10000001$AAAAAAAAAAA$" KEY, false},
    {"$pbkdf2-sha256$i=99999999$AAAAAAAAAAA$" KEY, false},
    {"$pbkdf2-sha256$i=4294967297$AAAAAAAAAAA$" KEY, false},
    {"$pbkdf2-sha256$i=0$AAAAAAAAAAA$" KEY, false},
    {"$pbkdf2-sha256$i=01$AAAAAAAAAAA$" KEY, false},
    {"$pbkdf2-sha256$i=$AAAAAAAAAAA$" KEY, false},
    {"$pbkdf2-sha256$i=-1$AAAAAAAAAAA$" KEY, false},
    {"$pbkdf2-sha256$i=1,l=32$AAAAAAAAAAA$" KEY, false},
    {"$pbkdf2-sha1$i=1$AAAAAAAAAAA$" KEY, false},
    {"$pbkdf2-sha256$i=1$AAAAAAAAAA$" KEY, false},   /* 7 bytes of salt */
    {"$pbkdf2-sha256$i=1$AAAAAAAAAAA=$" KEY, false}, /* padding */
    {"$pbkdf2-sha256$i=1$AAAAAAAAAAB$" KEY, false},  /* bits left over */
    {"$pbkdf2-sha256$i=1$AAAAAAAA.AA$" KEY, false},
    {"$pbkdf2-sha256$i=1$AAAAAAAAAAA", false},
    {"$pbkdf2-sha256$i=1$AAAAAAAAAAA$", false},
    {"$pbkdf2-sha256$i=1$AAAAAAAAAAA$" KEY "$", false},
    {"$pbkdf2-sha256$i=1$AAAAAAAAAAA$" KEY "AA", false},
    {"$pbkdf2-sha256$i=1$"
     "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA$" KEY,
        true}, /* 64 */
    {"$pbkdf2-sha256$i=1$"
     "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA$" KEY,
        false},
    {"$pbkdf2-sha256$", false},
    {"", false},
};

TEST(a_hash_is_read_as_it_was_written)
{
    for (size_t i = 0; i < ANQA_COUNT(formats); i++) {
        struct password password;
        char text[PASSWORD_HASH_MAX];
        bool is_one = password_read(anqa_str_of(formats[i].text), &password);
        CHECK_EQ(is_one, formats[i].is_one, "%s", formats[i].text);
        if (is_one)
            CHECK(
                anqa_str_is(anqa_str_make(text, password_write(&password, text)), formats[i].text),
                "%s", formats[i].text);
    }
}
