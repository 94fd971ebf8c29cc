#include "http/ws_script.h"

#include "harness.h"

/* Text is UTF-8 (RFC 6455, 8.1). How rows are written stands in ws_script.h. */

static const struct ws_case good[] = {
    {"a word", "T(Hello)", "T(Hello)"},
    {"a word, each byte in a frame", "T(Hello)/5", "T(Hello)"},
    {"nothing but ASCII controls", "T(\x01\x02\x1f\x7f)", "T(\x01\x02\x1f\x7f)"},
    {"nothing but ASCII controls, each byte in a frame", "T(\x01\x02\x1f\x7f)/4",
        "T(\x01\x02\x1f\x7f)"},
    {"Latin letters with marks", "T(\xc3\xa4\xc3\xb6\xc3\xbc\xc3\x9f\xc2\xb5)",
        "T(\xc3\xa4\xc3\xb6\xc3\xbc\xc3\x9f\xc2\xb5)"},
    {"Latin letters with marks, each byte in a frame",
        "T(\xc3\xa4\xc3\xb6\xc3\xbc\xc3\x9f\xc2\xb5)/10",
        "T(\xc3\xa4\xc3\xb6\xc3\xbc\xc3\x9f\xc2\xb5)"},
    {"Greek", "T(\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5)",
        "T(\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5)"},
    {"Greek, each byte in a frame", "T(\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5)/11",
        "T(\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5)"},
    {"Japanese", "T(\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e)",
        "T(\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e)"},
    {"Japanese, each byte in a frame", "T(\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e)/9",
        "T(\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e)"},
    {"an emoji", "T(\xf0\x9f\x98\x80)", "T(\xf0\x9f\x98\x80)"},
    {"an emoji, each byte in a frame", "T(\xf0\x9f\x98\x80)/4", "T(\xf0\x9f\x98\x80)"},
    {"the first of two bytes, U+0080", "T(\xc2\x80)", "T(\xc2\x80)"},
    {"the first of two bytes, U+0080, each byte in a frame", "T(\xc2\x80)/2", "T(\xc2\x80)"},
    {"the last of two bytes, U+07FF", "T(\xdf\xbf)", "T(\xdf\xbf)"},
    {"the last of two bytes, U+07FF, each byte in a frame", "T(\xdf\xbf)/2", "T(\xdf\xbf)"},
    {"the first of three bytes, U+0800", "T(\xe0\xa0\x80)", "T(\xe0\xa0\x80)"},
    {"the first of three bytes, U+0800, each byte in a frame", "T(\xe0\xa0\x80)/3",
        "T(\xe0\xa0\x80)"},
    {"the last before the surrogates, U+D7FF", "T(\xed\x9f\xbf)", "T(\xed\x9f\xbf)"},
    {"the last before the surrogates, U+D7FF, each byte in a frame", "T(\xed\x9f\xbf)/3",
        "T(\xed\x9f\xbf)"},
    {"the first behind the surrogates, U+E000", "T(\xee\x80\x80)", "T(\xee\x80\x80)"},
    {"the first behind the surrogates, U+E000, each byte in a frame", "T(\xee\x80\x80)/3",
        "T(\xee\x80\x80)"},
    {"the replacement character", "T(\xef\xbf\xbd)", "T(\xef\xbf\xbd)"},
    {"the replacement character, each byte in a frame", "T(\xef\xbf\xbd)/3", "T(\xef\xbf\xbd)"},
    {"U+FFFE, which is no character but valid", "T(\xef\xbf\xbe)", "T(\xef\xbf\xbe)"},
    {"U+FFFE, which is no character but valid, each byte in a frame", "T(\xef\xbf\xbe)/3",
        "T(\xef\xbf\xbe)"},
    {"U+FFFF", "T(\xef\xbf\xbf)", "T(\xef\xbf\xbf)"},
    {"U+FFFF, each byte in a frame", "T(\xef\xbf\xbf)/3", "T(\xef\xbf\xbf)"},
    {"a byte order mark", "T(\xef\xbb\xbf)", "T(\xef\xbb\xbf)"},
    {"a byte order mark, each byte in a frame", "T(\xef\xbb\xbf)/3", "T(\xef\xbb\xbf)"},
    {"the first of four bytes, U+10000", "T(\xf0\x90\x80\x80)", "T(\xf0\x90\x80\x80)"},
    {"the first of four bytes, U+10000, each byte in a frame", "T(\xf0\x90\x80\x80)/4",
        "T(\xf0\x90\x80\x80)"},
    {"U+1FFFF", "T(\xf0\x9f\xbf\xbf)", "T(\xf0\x9f\xbf\xbf)"},
    {"U+1FFFF, each byte in a frame", "T(\xf0\x9f\xbf\xbf)/4", "T(\xf0\x9f\xbf\xbf)"},
    {"U+FFFFF", "T(\xf3\xbf\xbf\xbf)", "T(\xf3\xbf\xbf\xbf)"},
    {"U+FFFFF, each byte in a frame", "T(\xf3\xbf\xbf\xbf)/4", "T(\xf3\xbf\xbf\xbf)"},
    {"the last of all, U+10FFFF", "T(\xf4\x8f\xbf\xbf)", "T(\xf4\x8f\xbf\xbf)"},
    {"the last of all, U+10FFFF, each byte in a frame", "T(\xf4\x8f\xbf\xbf)/4",
        "T(\xf4\x8f\xbf\xbf)"},
    {"private use, U+F8FF", "T(\xef\xa3\xbf)", "T(\xef\xa3\xbf)"},
    {"private use, U+F8FF, each byte in a frame", "T(\xef\xa3\xbf)/3", "T(\xef\xa3\xbf)"},
    {"a combining mark alone", "T(\xcc\x81)", "T(\xcc\x81)"},
    {"a combining mark alone, each byte in a frame", "T(\xcc\x81)/2", "T(\xcc\x81)"},
    {"all lengths together", "T(a\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80z)",
        "T(a\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80z)"},
    {"all lengths together, each byte in a frame", "T(a\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80z)/11",
        "T(a\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80z)"},
};

TEST(text_that_is_utf8_comes_back_however_it_is_cut)
{
    ws_server_begin();
    ws_play(good, ANQA_COUNT(good), "/", "");
    ws_server_end();
}

static const struct ws_case bad[] = {
    {"a lone tail byte", "T(\x80)", "C1007"},
    {"the last tail byte alone", "T(\xbf)", "C1007"},
    {"two tail bytes", "T(\x80\xbf)", "C1007"},
    {"two tail bytes, each byte in a frame", "T(\x80\xbf)/2", "C1007"},
    {"seven tail bytes", "T(\x80\x80\x80\x80\x80\x80\x80)", "C1007"},
    {"seven tail bytes, each byte in a frame", "T(\x80\x80\x80\x80\x80\x80\x80)/7", "C1007"},
    {"a two-byte lead without tail", "T(\xc3)", "C1007"},
    {"a two-byte lead before a blank", "T(\xc3 )", "C1007"},
    {"a two-byte lead before a blank, each byte in a frame", "T(\xc3 )/2", "C1007"},
    {"a three-byte lead without tails", "T(\xe2)", "C1007"},
    {"a three-byte character cut after two", "T(\xe2\x82)", "C1007"},
    {"a three-byte character cut after two, each byte in a frame", "T(\xe2\x82)/2", "C1007"},
    {"a four-byte lead alone", "T(\xf0)", "C1007"},
    {"a four-byte character cut after three", "T(\xf0\x9f\x98)", "C1007"},
    {"a four-byte character cut after three, each byte in a frame", "T(\xf0\x9f\x98)/3", "C1007"},
    {"a three-byte lead and a letter", "T(\xe2[[)", "C1007"},
    {"a three-byte lead and a letter, each byte in a frame", "T(\xe2[[)/3", "C1007"},
    {"an overlong slash of two bytes", "T(\xc0\xaf)", "C1007"},
    {"an overlong slash of two bytes, each byte in a frame", "T(\xc0\xaf)/2", "C1007"},
    {"an overlong slash of three bytes", "T(\xe0\x80\xaf)", "C1007"},
    {"an overlong slash of three bytes, each byte in a frame", "T(\xe0\x80\xaf)/3", "C1007"},
    {"an overlong slash of four bytes", "T(\xf0\x80\x80\xaf)", "C1007"},
    {"an overlong slash of four bytes, each byte in a frame", "T(\xf0\x80\x80\xaf)/4", "C1007"},
    {"the largest overlong of two bytes", "T(\xc1\xbf)", "C1007"},
    {"the largest overlong of two bytes, each byte in a frame", "T(\xc1\xbf)/2", "C1007"},
    {"the largest overlong of three bytes", "T(\xe0\x9f\xbf)", "C1007"},
    {"the largest overlong of three bytes, each byte in a frame", "T(\xe0\x9f\xbf)/3", "C1007"},
    {"the largest overlong of four bytes", "T(\xf0\x8f\xbf\xbf)", "C1007"},
    {"the largest overlong of four bytes, each byte in a frame", "T(\xf0\x8f\xbf\xbf)/4", "C1007"},
    {"an overlong zero", "T(\xc0\x80)", "C1007"},
    {"an overlong zero, each byte in a frame", "T(\xc0\x80)/2", "C1007"},
    {"the first high surrogate", "T(\xed\xa0\x80)", "C1007"},
    {"the first high surrogate, each byte in a frame", "T(\xed\xa0\x80)/3", "C1007"},
    {"the last high surrogate", "T(\xed\xaf\xbf)", "C1007"},
    {"the last high surrogate, each byte in a frame", "T(\xed\xaf\xbf)/3", "C1007"},
    {"the first low surrogate", "T(\xed\xb0\x80)", "C1007"},
    {"the first low surrogate, each byte in a frame", "T(\xed\xb0\x80)/3", "C1007"},
    {"the last low surrogate", "T(\xed\xbf\xbf)", "C1007"},
    {"the last low surrogate, each byte in a frame", "T(\xed\xbf\xbf)/3", "C1007"},
    {"a pair of surrogates", "T(\xed\xa0\xbd\xed\xb8\x80)", "C1007"},
    {"a pair of surrogates, each byte in a frame", "T(\xed\xa0\xbd\xed\xb8\x80)/6", "C1007"},
    {"one beyond the last, U+110000", "T(\xf4\x90\x80\x80)", "C1007"},
    {"one beyond the last, U+110000, each byte in a frame", "T(\xf4\x90\x80\x80)/4", "C1007"},
    {"a lead that is never valid, F5", "T(\xf5\x80\x80\x80)", "C1007"},
    {"a lead that is never valid, F5, each byte in a frame", "T(\xf5\x80\x80\x80)/4", "C1007"},
    {"a five-byte lead", "T(\xf8\x88\x80\x80\x80)", "C1007"},
    {"a five-byte lead, each byte in a frame", "T(\xf8\x88\x80\x80\x80)/5", "C1007"},
    {"a six-byte lead", "T(\xfc\x84\x80\x80\x80\x80)", "C1007"},
    {"a six-byte lead, each byte in a frame", "T(\xfc\x84\x80\x80\x80\x80)/6", "C1007"},
    {"the byte FE", "T(\xfe)", "C1007"},
    {"the byte FF", "T(\xff)", "C1007"},
    {"FE and FF together", "T(\xfe\xfe\xff\xff)", "C1007"},
    {"FE and FF together, each byte in a frame", "T(\xfe\xfe\xff\xff)/4", "C1007"},
    {"a bad byte behind good text", "T(good \xff)", "C1007"},
    {"a bad byte behind good text, each byte in a frame", "T(good \xff)/6", "C1007"},
    {"a bad byte before good text", "T(\xff good)", "C1007"},
    {"a bad byte before good text, each byte in a frame", "T(\xff good)/6", "C1007"},
    {"a character cut by the end, behind text", "T(abc\xce)", "C1007"},
    {"a character cut by the end, behind text, each byte in a frame", "T(abc\xce)/4", "C1007"},
};

TEST(text_that_is_not_utf8_ends_the_connection_however_it_is_cut)
{
    ws_server_begin();
    ws_play(bad, ANQA_COUNT(bad), "/", "");
    ws_server_end();
}

static const struct ws_case mixed[] = {
    {"a character cut between frames, with a ping in the cut", "t(\xe2\x82) P(p) K(\xac)",
        "O(p) T(\xe2\x82\xac)"},
    {"a character in two frames, and a binary message behind it", "t(\xc3) K(\xa4) B(\xff)",
        "T(\xc3\xa4) B(\xff)"},
    {"what one message has cut off is not completed by the next",
        "t(\xe2\x82) K(\xac) t(a) K(\xac)", "T(\xe2\x82\xac) C1007"},
    {"text that can become no UTF-8 ends before its message does", "t(\xf4) k(\x90)", "C1007"},
    {"text that may still become UTF-8 is waited for", "t(\xf4)", ""},
    {"bad text is told at once, pings behind it are not answered", "T(\xff) P(p)", "C1007"},
    {"good text before bad text comes back", "T(a) T(\xff)", "T(a) C1007"},
    {"binary may hold what text may not", "B(\xed\xa0\x80\xff)", "B(\xed\xa0\x80\xff)"},
    {"binary in frames may hold what text may not", "b(\xed\xa0) K(\x80\xff)",
        "B(\xed\xa0\x80\xff)"},
    {"a ping may hold what text may not", "P(\xed\xa0\x80)", "O(\xed\xa0\x80)"},
    {"an empty last frame completes no character", "t(\xe2\x82) K", "C1007"},
    {"an empty last frame behind a whole character", "t(\xe2\x82\xac) K", "T(\xe2\x82\xac)"},
};

TEST(text_is_checked_across_frames_and_only_text_is)
{
    ws_server_begin();
    ws_play(mixed, ANQA_COUNT(mixed), "/", "");
    ws_server_end();
}
