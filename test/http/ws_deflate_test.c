#include "http/ws_script.h"

#include "harness.h"

#include <stdio.h>

/* Compressed messages (RFC 7692). How rows are written stands in ws_script.h. */

#define OFFER "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n"

static void play(const struct ws_case *cases, size_t count, const char *path)
{
#ifndef HAVE_ZLIB
    SKIP("no zlib");
#endif
    ws_server_begin();
    ws_play(cases, count, path, OFFER);
    ws_server_end();
}

static const struct ws_case good[] = {
    {"a compressed word", "1T~(Hello)", "T(Hello)"},
    {"a compressed binary word", "1B~(Hello)", "B(Hello)"},
    {"the same word twice, each by itself", "1T~(Hello) 1T~(Hello)", "T(Hello) T(Hello)"},
    {"a compressed empty text", "1T~", "T"},
    {"a compressed empty binary message", "1B~", "B"},
    {"a plain message where compression was agreed on", "T(plain)", "T(plain)"},
    {"plain and compressed messages in turns", "T(a) 1T~(b) B(c) 1B~(d)", "T(a) T(b) B(c) B(d)"},
    {"a compressed message in two frames", "1T~(Hello)/2", "T(Hello)"},
    {"a compressed message in three frames", "1T~(Hello, hello, hello)/3",
        "T(Hello, hello, hello)"},
    {"a compressed message, each byte in a frame", "1T~(Hello)/7", "T(Hello)"},
    {"a compressed message of 1000 bytes in 5 frames", "1B~*1000/5", "1B*1000"},
    {"plain fragments where compression was agreed on", "t(a) k(b) K(c)", "T(abc)"},
    {"plain and compressed fragments in turns", "T(abc)/3 1T~(def)/3 T(ghi)/3",
        "T(abc) T(def) T(ghi)"},
    {"a ping between two messages", "1T~(a) P(p) 1T~(b)", "T(a) O(p) T(b)"},
    {"a ping of 125 bytes is neither inflated nor compressed", "P*125", "O*125"},
    {"what is short comes back plain: 255 bytes", "1T~*255", "T*255"},
    {"what is long enough comes back compressed: 256 bytes", "1T~*256", "1T*256"},
    {"a plain message comes back compressed", "T*300", "1T*300"},
    {"a plain binary message comes back compressed", "B*300", "1B*300"},
    {"64 KiB", "1B~*65536", "1B*65536"},
    {"1 MiB, the most that any message may become", "1B~*1048576", "B*1048576"},
    {"200,000 bytes, in slices, in several frames", "1B~*200000/3", "1B*200000"},
    {"256 KiB come back compressed", "B*262144", "1B*262144"},
    {"more than 256 KiB come back plain", "B*262145", "B*262145"},
    {"a text of two-byte characters", "1T~(\xc3\xa4\xc3\xb6\xc3\xbc)",
        "T(\xc3\xa4\xc3\xb6\xc3\xbc)"},
    {"a text of two-byte characters, cut between frames", "1T~(\xc3\xa4\xc3\xb6\xc3\xbc)/8",
        "T(\xc3\xa4\xc3\xb6\xc3\xbc)"},
    {"binary that is no text", "1B~(\xff\xfe\x80)", "B(\xff\xfe\x80)"},
    {"twenty compressed messages",
        "1T~(0) 1T~(1) 1T~(2) 1T~(3) 1T~(4) 1T~(5) 1T~(6) 1T~(7) 1T~(8) 1T~(9) 1T~(10) 1T~(11) "
        "1T~(12) 1T~(13) 1T~(14) 1T~(15) 1T~(16) 1T~(17) 1T~(18) 1T~(19)",
        "T(0) T(1) T(2) T(3) T(4) T(5) T(6) T(7) T(8) T(9) T(10) T(11) T(12) T(13) T(14) T(15) "
        "T(16) T(17) T(18) T(19)"},
    {"a close behind a compressed message", "1T~(a) C1001", "T(a) C1000"},
    {"a close in the middle of a compressed message", "1t(\xf2) C1000", "C1000"},
    {"a compressed message that never ends", "1t(\xf2) k(H)", ""},
    {"the client is gone in the middle of a compressed message", "1t(\xf2) $", "END"},
    {"a stored block",
        "=(\xc1\x8b"
        "0000050\xca\xcfxU\x5c\\_0)",
        "T(Hello)"},
    {"an empty stored block alone",
        "=(\xc1\x81"
        "00000)",
        "T"},
    {"the word of the RFC",
        "=(\xc1\x87"
        "1111\xc3y\xfc\xf8\xf8"
        "61)",
        "T(Hello)"},
    {"a last block and what must stand behind it",
        "=(\xc1\x88"
        "1111\xc2y\xfc\xf8\xf8"
        "611)",
        "T(Hello)"},
    {"a last block and nothing behind it",
        "=(\xc1\x87"
        "1111\xc2y\xfc\xf8\xf8"
        "61)",
        "T(Hello)"},
    {"two blocks in one message",
        "=(\xc1\x8d"
        "1111\xc3y4111\xce\xce\xfb\xf8\xf8"
        "61)",
        "T(Hello)"},
    {"two last blocks, one behind the other",
        "=(\xc1\x8e"
        "1111\xc2y\xfc\xf8\xf8"
        "61\xc2y\xfc\xf8\xf8"
        "61)",
        "T(HelloHello)"},
};

TEST(compressed_messages_come_back)
{
    play(good, ANQA_COUNT(good), "/deflate");
}

static const struct ws_case bad[] = {
    {"a compressed continuation", "1t(\xf2) 1K(H)", "C1002"},
    {"a compressed continuation of a plain message", "t(a) 1K(b)", "C1002"},
    {"a compressed continuation of nothing", "1K(a)", "C1002"},
    {"a compressed continuation that does not end", "t(a) 1k(b)", "C1002"},
    {"a compressed ping", "1P(a)", "C1002"},
    {"a compressed pong", "1O(a)", "C1002"},
    {"a compressed close", "1C1000", "C1002"},
    {"a compressed ping between fragments", "1t(\xf2) 1P(p)", "C1002"},
    {"reserved bit 2 beside that of compression", "12T(a)", "C1002"},
    {"reserved bit 3 beside that of compression", "13T(a)", "C1002"},
    {"all reserved bits", "123T(a)", "C1002"},
    {"reserved bit 2 alone", "2T(a)", "C1002"},
    {"reserved bit 3 alone", "3T(a)", "C1002"},
    {"a compressed opcode that nobody has defined", "1N3(a)", "C1002"},
    {"a compressed control opcode that nobody has defined", "1Nb(a)", "C1002"},
    {"a compressed frame without a mask", "!1T~(a)", "C1002"},
    {"a compressed frame in too long a form", "@1T~(a)", "C1002"},
    {"a compressed message inside of another", "1t(\xf2) 1T~(b)", "C1002"},
    {"a plain message inside of a compressed one", "1t(\xf2) T(b)", "C1002"},
    {"an empty continuation of a compressed message", "1t(\xf2) k K(H)", "C1008"},
    {"nothing at all: an empty message has one byte", "1T", "C1007"},
    {"bytes that are no DEFLATE", "1T(\xff\xff\xff)", "C1007"},
    {"binary that is no DEFLATE", "1B(\xff\xff\xff)", "C1007"},
    {"a block of the type that nobody has defined", "1T(\x06)", "C1007"},
    {"a stored block with a wrong complement",
        "=(\xc1\x86"
        "1111141111)",
        "C1007"},
    {"a message that is cut off in a block", "1T(\xf2H\xcd)", "C1007"},
    {"a reference to what was not there",
        "=(\xc1\x85"
        "1111\xc3"
        "1 11)",
        "C1007"},
    {"bytes behind the end that are no block",
        "=(\xc1\x89"
        "1111\xc2y\xfc\xf8\xf8"
        "61\xce\xce)",
        "C1007"},
    {"no DEFLATE in several frames", "1T(\xff\xff\xff)/3", "C1007"},
    {"text that is not UTF-8", "1T~(\xff)", "C1007"},
    {"text that is not UTF-8 behind good text", "1T~(good \xed\xa0\x80)", "C1007"},
    {"text that is not UTF-8, in frames", "1T~(good \xed\xa0\x80)/4", "C1007"},
    {"text that ends in the middle of a character", "1T~(\xe2\x82)", "C1007"},
    {"good messages before a bad one come back", "1T~(a) T(b) 1T(\xff\xff) P(p)",
        "T(a) T(b) C1007"},
    {"what becomes more than 1 MiB and 25 times what came", "1B~*2000000", "C1009"},
    {"the same in several frames", "1B~*2000000/4", "C1009"},
    {"the same as text", "1T~*2000000", "C1009"},
    {"a bomb of 100 MB", "1B~*100000000", "C1009"},
    {"a ping behind a bomb is not answered", "1B~*2000000 P(p)", "C1009"},
    {"a message before a bomb comes back", "1T~(a) 1B~*2000000", "T(a) C1009"},
    {"a reference to the message before, which was not agreed on",
        "1T^(Hello, I am here) 1T^(Hello, I am here)", "T(Hello, I am here) C1007"},
};

TEST(compressed_messages_that_can_not_be_end_the_connection)
{
    play(bad, ANQA_COUNT(bad), "/deflate");
}

static const struct ws_case context[] = {
    {"a message that refers to the one before", "1T^(Hello, I am here) 1T^(Hello, I am here)",
        "T(Hello, I am here) T(Hello, I am here)"},
    {"a hundred messages that refer to those before",
        "1T^(Hello, I am here) 1T^(Hello, I am here) 1T^(Hello, I am here) 1T^(Hello, I am here) "
        "1T^(Hello, I am here) 1T^(Hello, I am here) 1T^(Hello, I am here) 1T^(Hello, I am here) "
        "1T^(Hello, I am here) 1T^(Hello, I am here) 1T^(Hello, I am here) 1T^(Hello, I am here) "
        "1T^(Hello, I am here) 1T^(Hello, I am here) 1T^(Hello, I am here) 1T^(Hello, I am here) "
        "1T^(Hello, I am here) 1T^(Hello, I am here) 1T^(Hello, I am here) 1T^(Hello, I am here) "
        "1T^(Hello, I am here) 1T^(Hello, I am here) 1T^(Hello, I am here) 1T^(Hello, I am here) "
        "1T^(Hello, I am here) 1T^(Hello, I am here) 1T^(Hello, I am here) 1T^(Hello, I am here) "
        "1T^(Hello, I am here) 1T^(Hello, I am here) 1T^(Hello, I am here) 1T^(Hello, I am here) "
        "1T^(Hello, I am here) 1T^(Hello, I am here) 1T^(Hello, I am here) 1T^(Hello, I am here) "
        "1T^(Hello, I am here) 1T^(Hello, I am here) 1T^(Hello, I am here) 1T^(Hello, I am here) "
        "1T^(Hello, I am here) 1T^(Hello, I am here) 1T^(Hello, I am here) 1T^(Hello, I am here) "
        "1T^(Hello, I am here) 1T^(Hello, I am here) 1T^(Hello, I am here) 1T^(Hello, I am here) "
        "1T^(Hello, I am here) 1T^(Hello, I am here) 1T^(Hello, I am here) 1T^(Hello, I am here) "
        "1T^(Hello, I am here) 1T^(Hello, I am here) 1T^(Hello, I am here) 1T^(Hello, I am here) "
        "1T^(Hello, I am here) 1T^(Hello, I am here) 1T^(Hello, I am here) 1T^(Hello, I am here)",
        "T(Hello, I am here) T(Hello, I am here) T(Hello, I am here) T(Hello, I am here) T(Hello, "
        "I am here) T(Hello, I am here) T(Hello, I am here) T(Hello, I am here) T(Hello, I am "
        "here) T(Hello, I am here) T(Hello, I am here) T(Hello, I am here) T(Hello, I am here) "
        "T(Hello, I am here) T(Hello, I am here) T(Hello, I am here) T(Hello, I am here) T(Hello, "
        "I am here) T(Hello, I am here) T(Hello, I am here) T(Hello, I am here) T(Hello, I am "
        "here) T(Hello, I am here) T(Hello, I am here) T(Hello, I am here) T(Hello, I am here) "
        "T(Hello, I am here) T(Hello, I am here) T(Hello, I am here) T(Hello, I am here) T(Hello, "
        "I am here) T(Hello, I am here) T(Hello, I am here) T(Hello, I am here) T(Hello, I am "
        "here) T(Hello, I am here) T(Hello, I am here) T(Hello, I am here) T(Hello, I am here) "
        "T(Hello, I am here) T(Hello, I am here) T(Hello, I am here) T(Hello, I am here) T(Hello, "
        "I am here) T(Hello, I am here) T(Hello, I am here) T(Hello, I am here) T(Hello, I am "
        "here) T(Hello, I am here) T(Hello, I am here) T(Hello, I am here) T(Hello, I am here) "
        "T(Hello, I am here) T(Hello, I am here) T(Hello, I am here) T(Hello, I am here) T(Hello, "
        "I am here) T(Hello, I am here) T(Hello, I am here) T(Hello, I am here)"},
    {"a message by itself, and one that refers to it",
        "1T~(Hello, I am here) 1T^(Hello, I am here)", "T(Hello, I am here) T(Hello, I am here)"},
    {"a message by itself behind others", "1T^(Hello, I am here) 1T~(Hello, I am here)",
        "T(Hello, I am here) T(Hello, I am here)"},
    {"plain messages in between are not referred to",
        "1T^(Hello, I am here) T(plain) 1T^(Hello, I am here)",
        "T(Hello, I am here) T(plain) T(Hello, I am here)"},
    {"fragments that refer to the message before", "1T^(Hello, I am here) 1T^(Hello, I am here)/3",
        "T(Hello, I am here) T(Hello, I am here)"},
    {"plain fragments in between", "1T^(Hello, I am here)/2 T(plain)/2 1T^(Hello, I am here)/2",
        "T(Hello, I am here) T(plain) T(Hello, I am here)"},
    {"a last block does not end what may be referred to",
        "=(\xc1\x88"
        "1111\xc2y\xfc\xf8\xf8"
        "611) =(\xc1\x85"
        "1111\xc3"
        "1 11)",
        "T(Hello) T(Hello)"},
    {"a reference to before the first message",
        "=(\xc1\x85"
        "1111\xc3"
        "1 11)",
        "C1007"},
    {"an error ends it as without", "1T^(Hello) 1T(\xff\xff)", "T(Hello) C1007"},
    {"a bomb ends it as without", "1T^(Hello) 1B^*2000000", "T(Hello) C1009"},
    {"long messages that refer to each other", "1B^*60000 1B^*60000 1B^*60000",
        "1B*60000 1B*60000 1B*60000"},
};

TEST(messages_may_refer_to_earlier_ones_where_that_was_agreed_on)
{
    play(context, ANQA_COUNT(context), "/context");
}

/* What the answer to an offer says; empty: it does not say anything. */
static const struct ws_case offers[] = {
    {"nothing is offered", "", ""},
    {"a plain offer", "permessage-deflate",
        "permessage-deflate; server_no_context_takeover; client_no_context_takeover"},
    {"as Chromium offers", "permessage-deflate; client_max_window_bits",
        "permessage-deflate; server_no_context_takeover; client_no_context_takeover; "
        "client_max_window_bits=15"},
    {"the server is asked not to refer to earlier messages",
        "permessage-deflate; server_no_context_takeover",
        "permessage-deflate; server_no_context_takeover; client_no_context_takeover"},
    {"the client will not refer to earlier messages",
        "permessage-deflate; client_no_context_takeover",
        "permessage-deflate; server_no_context_takeover; client_no_context_takeover"},
    {"all four",
        "permessage-deflate; server_no_context_takeover; client_no_context_takeover; "
        "server_max_window_bits=10; client_max_window_bits=9",
        "permessage-deflate; server_no_context_takeover; client_no_context_takeover; "
        "server_max_window_bits=10; client_max_window_bits=9"},
    {"the window of the server is 8 bits", "permessage-deflate; server_max_window_bits=8",
        "permessage-deflate; server_no_context_takeover; client_no_context_takeover; "
        "server_max_window_bits=8"},
    {"the window of the server is 9 bits", "permessage-deflate; server_max_window_bits=9",
        "permessage-deflate; server_no_context_takeover; client_no_context_takeover; "
        "server_max_window_bits=9"},
    {"the window of the server is 10 bits", "permessage-deflate; server_max_window_bits=10",
        "permessage-deflate; server_no_context_takeover; client_no_context_takeover; "
        "server_max_window_bits=10"},
    {"the window of the server is 11 bits", "permessage-deflate; server_max_window_bits=11",
        "permessage-deflate; server_no_context_takeover; client_no_context_takeover; "
        "server_max_window_bits=11"},
    {"the window of the server is 12 bits", "permessage-deflate; server_max_window_bits=12",
        "permessage-deflate; server_no_context_takeover; client_no_context_takeover; "
        "server_max_window_bits=12"},
    {"the window of the server is 13 bits", "permessage-deflate; server_max_window_bits=13",
        "permessage-deflate; server_no_context_takeover; client_no_context_takeover; "
        "server_max_window_bits=13"},
    {"the window of the server is 14 bits", "permessage-deflate; server_max_window_bits=14",
        "permessage-deflate; server_no_context_takeover; client_no_context_takeover; "
        "server_max_window_bits=14"},
    {"the window of the server is 15 bits", "permessage-deflate; server_max_window_bits=15",
        "permessage-deflate; server_no_context_takeover; client_no_context_takeover; "
        "server_max_window_bits=15"},
    {"the window of the client is 8 bits", "permessage-deflate; client_max_window_bits=8",
        "permessage-deflate; server_no_context_takeover; client_no_context_takeover; "
        "client_max_window_bits=8"},
    {"the window of the client is 9 bits", "permessage-deflate; client_max_window_bits=9",
        "permessage-deflate; server_no_context_takeover; client_no_context_takeover; "
        "client_max_window_bits=9"},
    {"the window of the client is 12 bits", "permessage-deflate; client_max_window_bits=12",
        "permessage-deflate; server_no_context_takeover; client_no_context_takeover; "
        "client_max_window_bits=12"},
    {"the window of the client is 15 bits", "permessage-deflate; client_max_window_bits=15",
        "permessage-deflate; server_no_context_takeover; client_no_context_takeover; "
        "client_max_window_bits=15"},
    {"a server window that is too small", "permessage-deflate; server_max_window_bits=7", ""},
    {"a client window that is too small", "permessage-deflate; client_max_window_bits=7", ""},
    {"a server window that is too large", "permessage-deflate; server_max_window_bits=16", ""},
    {"a client window that is too large", "permessage-deflate; client_max_window_bits=16", ""},
    {"a server window that is zero", "permessage-deflate; server_max_window_bits=0", ""},
    {"a server window that is two zeroes", "permessage-deflate; server_max_window_bits=00", ""},
    {"a server window that is a zero in front", "permessage-deflate; server_max_window_bits=08",
        ""},
    {"a client window that is a zero in front", "permessage-deflate; client_max_window_bits=08",
        ""},
    {"a server window that is negative", "permessage-deflate; server_max_window_bits=-1", ""},
    {"a server window that is one digit too few", "permessage-deflate; server_max_window_bits=1",
        ""},
    {"a server window that is three digits", "permessage-deflate; server_max_window_bits=100", ""},
    {"a server window that is no number", "permessage-deflate; server_max_window_bits=x", ""},
    {"a client window that is no number", "permessage-deflate; client_max_window_bits=x", ""},
    {"a server window that is a number and a letter",
        "permessage-deflate; server_max_window_bits=9x", ""},
    {"a server window that is wraps around",
        "permessage-deflate; server_max_window_bits=1000000000000000000008", ""},
    {"a server window without a value", "permessage-deflate; server_max_window_bits", ""},
    {"server_no_context_takeover with a value", "permessage-deflate; server_no_context_takeover=1",
        ""},
    {"client_no_context_takeover with a value",
        "permessage-deflate; client_no_context_takeover=true", ""},
    {"a parameter that nobody has defined", "permessage-deflate; fast", ""},
    {"a parameter that nobody has defined, with a value", "permessage-deflate; level=9", ""},
    {"a parameter twice",
        "permessage-deflate; server_no_context_takeover; server_no_context_takeover", ""},
    {"a window twice, with the same value",
        "permessage-deflate; client_max_window_bits=9; client_max_window_bits=9", ""},
    {"a window twice, once without a value",
        "permessage-deflate; client_max_window_bits; client_max_window_bits=9", ""},
    {"another extension", "x-webkit-deflate-frame", ""},
    {"another extension with a similar name", "permessage-deflates", ""},
    {"another extension first", "foo; bar=1, permessage-deflate",
        "permessage-deflate; server_no_context_takeover; client_no_context_takeover"},
    {"two offers: the first is taken",
        "permessage-deflate; client_max_window_bits=9, permessage-deflate",
        "permessage-deflate; server_no_context_takeover; client_no_context_takeover; "
        "client_max_window_bits=9"},
    {"two offers: the first cannot be, the second is taken",
        "permessage-deflate; server_max_window_bits=7, permessage-deflate",
        "permessage-deflate; server_no_context_takeover; client_no_context_takeover"},
    {"two offers, neither can be", "permessage-deflate; a, permessage-deflate; b", ""},
    {"a fall-back without a parameter",
        "permessage-deflate; server_max_window_bits=99; client_max_window_bits, "
        "permessage-deflate; client_max_window_bits",
        "permessage-deflate; server_no_context_takeover; client_no_context_takeover; "
        "client_max_window_bits=15"},
    {"a quoted value", "permessage-deflate; client_max_window_bits=\"10\"",
        "permessage-deflate; server_no_context_takeover; client_no_context_takeover; "
        "client_max_window_bits=10"},
    {"a quoted value with a backslash is no value that we know",
        "permessage-deflate; client_max_window_bits=\"1\\0\"", ""},
    {"capital letters", "PerMessage-Deflate; Client_Max_Window_Bits=11",
        "permessage-deflate; server_no_context_takeover; client_no_context_takeover; "
        "client_max_window_bits=11"},
    {"no blanks", "permessage-deflate;client_max_window_bits;server_no_context_takeover",
        "permessage-deflate; server_no_context_takeover; client_no_context_takeover; "
        "client_max_window_bits=15"},
    {"many blanks and tabs", "  permessage-deflate \t;  client_max_window_bits  =  12  ",
        "permessage-deflate; server_no_context_takeover; client_no_context_takeover; "
        "client_max_window_bits=12"},
    {"empty elements of the list", ", ,permessage-deflate ,, ",
        "permessage-deflate; server_no_context_takeover; client_no_context_takeover"},
    {"an empty field", " ", ""},
    {"two fields", "foo\r\nSec-WebSocket-Extensions: permessage-deflate",
        "permessage-deflate; server_no_context_takeover; client_no_context_takeover"},
    {"two fields: the first offer is taken",
        "permessage-deflate; client_max_window_bits=8\r\nsec-websocket-extensions: "
        "permessage-deflate",
        "permessage-deflate; server_no_context_takeover; client_no_context_takeover; "
        "client_max_window_bits=8"},
};

static void check_offers(const struct ws_case *rows, size_t count, const char *path)
{
    static const char field[] = "\r\nsec-websocket-extensions: ";
    char line[1024], expected[1024];

#ifndef HAVE_ZLIB
    SKIP("no zlib");
#endif
    ws_server_begin();
    for (size_t i = 0; i < count; i++) {
        const char *answer, *found;
        snprintf(line, sizeof line, "Sec-WebSocket-Extensions: %s\r\n", rows[i].sent);
        snprintf(expected, sizeof expected, "%s%s\r\n", field, rows[i].expected);
        answer = ws_handshake(path, line);
        CHECK(strncmp(answer, "HTTP/1.1 101 ", 13) == 0, "%s: %s", rows[i].name, answer);
        found = strstr(answer, field);
        if (*rows[i].expected == '\0')
            CHECK(found == NULL, "%s: %s", rows[i].name, answer);
        else
            CHECK(found != NULL && strncmp(found, expected, strlen(expected)) == 0, "%s: %s",
                rows[i].name, answer);
    }
    ws_server_end();
}

TEST(the_first_offer_that_can_be_is_taken)
{
    check_offers(offers, ANQA_COUNT(offers), "/deflate");
}

static const struct ws_case with_context[] = {
    {"nothing said: the client may refer to earlier messages", "permessage-deflate",
        "permessage-deflate; server_no_context_takeover"},
    {"the client does not want to", "permessage-deflate; client_no_context_takeover",
        "permessage-deflate; server_no_context_takeover; client_no_context_takeover"},
    {"with a smaller window", "permessage-deflate; client_max_window_bits=10",
        "permessage-deflate; server_no_context_takeover; client_max_window_bits=10"},
};

TEST(who_may_refer_to_earlier_messages_is_agreed_on)
{
    check_offers(with_context, ANQA_COUNT(with_context), "/context");
}

static const struct ws_case malformed[] = {
    {"a semicolon at the end", "permessage-deflate;", ""},
    {"no name", ";a", ""},
    {"no name of a parameter", "permessage-deflate; =1", ""},
    {"no value", "permessage-deflate; client_max_window_bits=", ""},
    {"a quote that does not end", "permessage-deflate; client_max_window_bits=\"10", ""},
    {"an empty quoted value", "permessage-deflate; client_max_window_bits=\"\"", ""},
    {"a quoted value that is no token", "permessage-deflate; client_max_window_bits=\"1 0\"", ""},
    {"two names without a comma", "permessage-deflate foo", ""},
    {"a slash", "permessage-deflate/1", ""},
    {"brackets", "(permessage-deflate)", ""},
    {"malformed behind a good offer", "permessage-deflate, ;", ""},
    {"two values", "permessage-deflate; a=1=2", ""},
    {"bytes that are no ASCII", "permessage-deflate; \xe4=1", ""},
};

TEST(a_malformed_offer_ends_the_handshake_where_offers_are_read)
{
    char line[256];

    ws_server_begin();
    for (size_t i = 0; i < ANQA_COUNT(malformed); i++) {
        const char *answer;
        snprintf(line, sizeof line, "Sec-WebSocket-Extensions: %s\r\n", malformed[i].sent);
        answer = ws_handshake("/deflate", line);
        CHECK(strncmp(answer, "HTTP/1.1 400 ", 13) == 0, "%s: %s", malformed[i].name, answer);
        answer = ws_handshake("/", line);
        CHECK(strncmp(answer, "HTTP/1.1 101 ", 13) == 0, "%s: %s", malformed[i].name, answer);
    }
    ws_server_end();
}

TEST(without_the_option_nothing_is_agreed_on)
{
    static const struct ws_case rows[] = {
        {"a compressed message that nobody agreed on", "1T(a)", "C1002"},
        {"a long message comes back plain", "T*300", "T*300"},
    };

    ws_server_begin();
    CHECK(strstr(ws_handshake("/", OFFER), "xtensions") == NULL);
    ws_play(rows, ANQA_COUNT(rows), "/", OFFER);
    ws_play(rows, ANQA_COUNT(rows), "/deflate", "");
    ws_server_end();
}

TEST(a_message_that_is_longer_than_the_window_goes_plain)
{
    static const struct ws_case small[] = {
        {"256 bytes", "B*256", "B*256"},
        {"511 bytes", "B*511", "1B*511"},
        {"512 bytes", "B*512", "B*512"},
        {"60000 bytes", "B*60000", "B*60000"},
    };

#ifndef HAVE_ZLIB
    SKIP("no zlib");
#endif
    ws_server_begin();
    ws_play(small, 1, "/deflate",
        "Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=8\r\n");
    ws_play(small + 1, 3, "/deflate",
        "Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=9\r\n");
    ws_server_end();
}
