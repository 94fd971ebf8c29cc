#include "http/url.h"

#include "harness.h"

#include <stdlib.h>

TEST(escapes_are_decoded_or_refused)
{
    static const struct {
        const char *raw;
        unsigned flags;
        const char *text; /* NULL: refused */
    } cases[] = {
        {"", 0, ""},
        {"plain", 0, "plain"},
        {"a%20b", 0, "a b"},
        {"a+b", 0, "a+b"},
        {"a+b", URL_PLUS, "a b"},
        {"a%2Bb+c", URL_PLUS, "a+b c"},
        {"%41%7a", 0, "Az"},
        {"%e2%82%AC", 0, "\xe2\x82\xac"},
        {"%25", 0, "%"},
        {"%2541", 0, "%41"},
        {"%2e%2E", URL_PATH, ".."},
        {"a%2Fb", 0, "a/b"},
        {"a%2Fb", URL_SEGMENT, "a/b"},
        {"a%2fb", URL_PATH, NULL},
        {"a/b%20", URL_PATH, "a/b "},
        {"%00", URL_SEGMENT, NULL},
        {"%00", URL_PATH, NULL},
        {"%", 0, NULL},
        {"%2", 0, NULL},
        {"ab%", 0, NULL},
        {"%4g", 0, NULL},
        {"%g4", 0, NULL},
        {"%-1", 0, NULL},
        {"% 1", 0, NULL},
        {"%%41", 0, NULL},
        {"%u0041", 0, NULL},
        {"%ff", 0, NULL},
        {"%c0%af", 0, NULL},
        {"%e2%82", 0, NULL},
        {"%ed%a0%80", 0, NULL},
        {"\xff", 0, NULL},
    };

    for (size_t i = 0; i < ANQA_COUNT(cases); i++) {
        anqa_str raw = anqa_str_of(cases[i].raw), text = {0};
        char out[32];
        anqa_status status = url_decode(raw, cases[i].flags, out, sizeof out, &text);
        CHECK_STATUS(status, cases[i].text == NULL ? ANQA_E_PARSE : ANQA_OK, "%s", cases[i].raw);
        if (cases[i].text != NULL)
            CHECK_STR(text, cases[i].text, "%s", cases[i].raw);
    }
}

TEST(text_without_escapes_is_not_copied)
{
    anqa_str raw = anqa_str_of("plain"), text;

    CHECK_STATUS(url_decode(raw, URL_PLUS, NULL, 0, &text), ANQA_OK);
    CHECK_EQ(text.ptr, raw.ptr);
}

TEST(decoded_text_stays_inside_its_room)
{
    anqa_str raw = anqa_str_of("%41%42%43"), text;
    char *out = malloc(3);

    CHECK_STATUS(url_decode(raw, 0, out, 3, &text), ANQA_OK);
    CHECK_STR(text, "ABC");
    CHECK_STATUS(url_decode(raw, 0, out, 2, &text), ANQA_E_LIMIT);
    free(out);
}

TEST(a_query_is_walked_pair_by_pair)
{
    static const char *const keys[] = {"a", "b[c]", "d", "e", "", "f"};
    static const char *const values[] = {"1", "x=y", "", "", "v", "?/"};
    struct query_iter it = query_each(anqa_str_of("&a=1&&b[c]=x=y&d&e=&=v&f=?/&"));
    struct query_pair pair;

    for (size_t i = 0; i < ANQA_COUNT(keys); i++) {
        CHECK(query_next(&it, &pair));
        CHECK_STR(pair.key, keys[i]);
        CHECK_STR(pair.value, values[i]);
    }
    CHECK(!query_next(&it, &pair));
    CHECK(!it.refused);
    it = query_each((anqa_str){0});
    CHECK(!query_next(&it, &pair));
}

static bool is_refused(anqa_str query)
{
    struct query_iter it = query_each(query);
    struct query_pair pair;

    while (query_next(&it, &pair))
        ;
    return it.refused;
}

TEST(a_query_of_too_many_pairs_is_refused)
{
    char query[(QUERY_PAIRS_MAX + 1) * 2];

    for (size_t i = 0; i < sizeof query; i += 2)
        memcpy(query + i, "a&", 2);
    CHECK(!is_refused(anqa_str_make(query, sizeof query - 2)));
    CHECK(is_refused(anqa_str_make(query, sizeof query)));
}
