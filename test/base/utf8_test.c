#include "base/utf8.h"

#include "harness.h"

static const struct {
    const char *bytes;
    size_t len;
    bool valid;
    size_t
        bad_at; /* the first byte after which nothing can help, if not valid; len: only the end is missing */
} texts[] = {
#define T(literal, valid, bad_at) {literal, sizeof(literal) - 1, valid, bad_at}
    T("", true, 0),
    T("plain", true, 0),
    T("a\0b", true, 0),
    T("\x7f", true, 0),
    T("\xc2\x80", true, 0),
    T("\xdf\xbf", true, 0),
    T("\xe0\xa0\x80", true, 0),
    T("\xed\x9f\xbf", true, 0),
    T("\xee\x80\x80", true, 0),
    T("\xef\xbf\xbf", true, 0),
    T("\xf0\x90\x80\x80", true, 0),
    T("\xf4\x8f\xbf\xbf", true, 0),
    T("sixteen bytes, a long ASCII run, then \xe2\x82\xac and more ASCII behind it", true, 0),
    T("\x80", false, 0),
    T("\xbf", false, 0),
    T("\xc0\x80", false, 0),
    T("\xc1\xbf", false, 0),
    T("\xe0\x9f\xbf", false, 1),
    T("\xf0\x8f\xbf\xbf", false, 1),
    T("\xed\xa0\x80", false, 1),
    T("\xed\xbf\xbf", false, 1),
    T("\xf4\x90\x80\x80", false, 1),
    T("\xf5\x80\x80\x80", false, 0),
    T("\xff", false, 0),
    T("\xfe", false, 0),
    T("\xc3(", false, 1),
    T("\xe2\x82(", false, 2),
    T("\xe2(\xac", false, 1),
    T("\xf0\x9f\x98(", false, 3),
    T("\xc3", false, 1),
    T("\xe2\x82", false, 2),
    T("\xf0\x9f\x98", false, 3),
    T("ok ok ok ok ok ok\xf0\x9f\x98", false, 20),
    T("\xe2\x82\xac\xac", false, 3),
#undef T
};

/* An own second opinion, straight from the definition: decode, then look at the number. */
static bool valid_by_definition(const unsigned char *p, size_t len)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};

    for (size_t i = 0; i < len;) {
        size_t n = p[i] < 0x80             ? 1
                   : (p[i] & 0xe0) == 0xc0 ? 2
                   : (p[i] & 0xf0) == 0xe0 ? 3
                   : (p[i] & 0xf8) == 0xf0 ? 4
                                           : 0;
        uint32_t point = n == 1 ? p[i] : p[i] & (0xffu >> (n + 1));
        if (n == 0 || i + n > len)
            return false;
        for (size_t k = 1; k < n; k++) {
            if ((p[i + k] & 0xc0) != 0x80)
                return false;
            point = point << 6 | (p[i + k] & 0x3f);
        }
        if (point < least[n] || point > 0x10ffff || (point >= 0xd800 && point <= 0xdfff))
            return false;
        i += n;
    }
    return true;
}

static bool valid_in_pieces(const char *bytes, size_t len, size_t first, size_t second)
{
    struct utf8 u = {0};

    utf8_feed(&u, bytes, first);
    utf8_feed(&u, bytes + first, second - first);
    utf8_feed(&u, bytes + second, len - second);
    return utf8_may_end(&u);
}

TEST(utf8_takes_what_rfc_3629_allows_and_nothing_else)
{
    for (size_t i = 0; i < ANQA_COUNT(texts); i++)
        CHECK_EQ(utf8_valid(texts[i].bytes, texts[i].len), texts[i].valid, "text %zu", i);
}

TEST(utf8_split_anywhere_gives_the_same_answer)
{
    for (size_t i = 0; i < ANQA_COUNT(texts); i++)
        for (size_t first = 0; first <= texts[i].len; first++)
            for (size_t second = first; second <= texts[i].len; second++)
                CHECK_EQ(valid_in_pieces(texts[i].bytes, texts[i].len, first, second),
                    texts[i].valid, "text %zu cut at %zu and %zu", i, first, second);
}

TEST(utf8_refuses_the_first_byte_that_cannot_be)
{
    for (size_t i = 0; i < ANQA_COUNT(texts); i++) {
        struct utf8 u = {0};
        size_t fed = 0;

        while (fed < texts[i].len && utf8_feed(&u, texts[i].bytes + fed, 1))
            fed++;
        CHECK_EQ(fed, texts[i].valid ? texts[i].len : texts[i].bad_at, "text %zu", i);
    }
}

TEST(utf8_stays_bad_once_it_is)
{
    struct utf8 u = {0};

    CHECK(!utf8_feed(&u, "\xff", 1));
    CHECK(!utf8_feed(&u, "fine", 4));
    CHECK(!utf8_feed(&u, "", 0));
    CHECK(!utf8_may_end(&u));
}

TEST(utf8_encodes_what_it_takes)
{
    for (uint32_t point = 0; point <= 0x10ffff; point++) {
        char out[4];
        size_t len;

        if (point >= 0xd800 && point <= 0xdfff)
            continue;
        len = utf8_encode(point, out);
        CHECK_EQ(utf8_char_len(out, out + len), len, "U+%04X", point);
        CHECK(utf8_valid(out, len), "U+%04X", point);
        for (size_t cut = 0; cut < len; cut++)
            CHECK_EQ(utf8_char_len(out, out + cut), 0, "U+%04X cut to %zu", point, cut);
    }
}

TEST(utf8_agrees_with_the_definition_for_all_short_and_many_random_texts)
{
    static const unsigned char bytes[] = {0x00, 0x41, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf,
        0xc0, 0xc1, 0xc2, 0xdf, 0xe0, 0xe1, 0xec, 0xed, 0xee, 0xef, 0xf0, 0xf1, 0xf3, 0xf4, 0xf5,
        0xff};

    for (int round = 0; round < 300000; round++) {
        unsigned char text[40];
        size_t len = harness_random() % sizeof text;
        uint64_t bits = harness_random();

        for (size_t i = 0; i < len; i++, bits = bits >> 6 | bits << 58)
            text[i] = (bits & 64) != 0 || i < 20 ? bytes[bits % sizeof bytes] : 'a';
        CHECK_EQ(utf8_valid(text, len), valid_by_definition(text, len), "round %d", round);
        CHECK_EQ(valid_in_pieces((const char *)text, len, len / 3, len / 2),
            valid_by_definition(text, len), "round %d", round);
    }
    for (uint32_t i = 0; i < 0x1000000; i += 1) {
        unsigned char text[3] = {
            (unsigned char)(i >> 16), (unsigned char)(i >> 8), (unsigned char)i};
        if (text[0] < 0x7f)
            continue;
        CHECK_EQ(utf8_valid(text, 3), valid_by_definition(text, 3), "%06x", i);
    }
}
