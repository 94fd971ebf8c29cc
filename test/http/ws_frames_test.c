#include "http/ws_script.h"

#include "harness.h"

/* Frames, control frames, fragments and the end (RFC 6455, 5 and 7). How rows are written stands in ws_script.h. */

static const struct ws_case sizes[] = {
    {"an empty text message", "T", "T"},
    {"text of one byte", "T*1", "T(x)"},
    {"text of 125 bytes: the most in the short form", "T*125", "T*125"},
    {"text of 126 bytes: the least in the form of 2 bytes", "T*126", "T*126"},
    {"text of 127 bytes: the value that marks the form of 8 bytes", "T*127", "T*127"},
    {"text of 128 bytes: a length with the top bit of a byte", "T*128", "T*128"},
    {"text of 65535 bytes: the most in the form of 2 bytes", "T*65535", "T*65535"},
    {"text of 65536 bytes: the least in the form of 8 bytes", "T*65536", "T*65536"},
    {"text of 65537 bytes: one byte beyond 64 KiB", "T*65537", "T*65537"},
    {"an empty binary message", "B", "B"},
    {"binary of one byte", "B*1", "B(x)"},
    {"binary of 125 bytes: the most in the short form", "B*125", "B*125"},
    {"binary of 126 bytes: the least in the form of 2 bytes", "B*126", "B*126"},
    {"binary of 127 bytes: the value that marks the form of 8 bytes", "B*127", "B*127"},
    {"binary of 128 bytes: a length with the top bit of a byte", "B*128", "B*128"},
    {"binary of 65535 bytes: the most in the form of 2 bytes", "B*65535", "B*65535"},
    {"binary of 65536 bytes: the least in the form of 8 bytes", "B*65536", "B*65536"},
    {"binary of 65537 bytes: one byte beyond 64 KiB", "B*65537", "B*65537"},
    {"binary of bytes that are no text", "B(\xff\xfe\x80)", "B(\xff\xfe\x80)"},
    {"binary with a zero in front",
        "=(\x82\x82"
        "7\xfa!=6\xfb)",
        "B(\x01\x01)"},
    {"a message of 1,000,000 bytes", "B*1000000", "B*1000000"},
    {"messages of both kinds come back in order", "T(a) B(b) T(c) B(d)", "T(a) B(b) T(c) B(d)"},
    {"twenty messages in a row",
        "T(0) T(1) T(2) T(3) T(4) T(5) T(6) T(7) T(8) T(9) T(10) T(11) T(12) T(13) T(14) T(15) "
        "T(16) T(17) T(18) T(19)",
        "T(0) T(1) T(2) T(3) T(4) T(5) T(6) T(7) T(8) T(9) T(10) T(11) T(12) T(13) T(14) T(15) "
        "T(16) T(17) T(18) T(19)"},
    {"a long message between two short ones", "T(a) T*70000 T(b)", "T(a) T*70000 T(b)"},
    {"three long messages in a row", "B*100000 B*100000 B*100000", "B*100000 B*100000 B*100000"},
    {"empty messages in a row", "T B T B T", "T B T B T"},
};

TEST(messages_of_all_sizes_come_back)
{
    ws_server_begin();
    ws_play(sizes, ANQA_COUNT(sizes), "/", "");
    ws_server_end();
}

static const struct ws_case pings[] = {
    {"a ping without payload", "P", "O"},
    {"a ping is answered with its payload", "P(Hello)", "O(Hello)"},
    {"a ping with bytes that are no text", "P(\xff\xfe\x01\xfd)", "O(\xff\xfe\x01\xfd)"},
    {"a ping of 125 bytes", "P*125", "O*125"},
    {"a ping of 126 bytes is too long", "P*126", "C1002"},
    {"a ping of 70000 bytes is too long", "P*70000", "C1002"},
    {"a pong of 126 bytes is too long", "O*126", "C1002"},
    {"a pong that nobody asked for is dropped", "O", ""},
    {"a pong with payload that nobody asked for is dropped", "O(unasked)", ""},
    {"a pong of 125 bytes is dropped", "O*125", ""},
    {"a pong and then a ping", "O(a) P(b)", "O(b)"},
    {"ten pings are answered in order", "P(0) P(1) P(2) P(3) P(4) P(5) P(6) P(7) P(8) P(9)",
        "O(0) O(1) O(2) O(3) O(4) O(5) O(6) O(7) O(8) O(9)"},
    {"pings without payload are answered one by one", "P P P", "O O O"},
    {"a ping before a message", "P(a) T(b)", "O(a) T(b)"},
    {"a ping behind a message", "T(a) P(b)", "T(a) O(b)"},
    {"a ping between two messages", "T(a) P(p) T(b)", "T(a) O(p) T(b)"},
    {"a ping between two fragments is answered before the message", "t(a) P(p) K(b)", "O(p) T(ab)"},
    {"pings between all fragments", "t(a) P(1) k(b) P(2) k(c) P(3) K(d)", "O(1) O(2) O(3) T(abcd)"},
    {"a pong between two fragments", "t(a) O(p) K(b)", "T(ab)"},
    {"a ping in fragments", "p(a) K(b)", "C1002"},
    {"a pong in fragments", "o(a) K(b)", "C1002"},
    {"a ping without FIN, alone", "p", "C1002"},
    {"a ping behind a close is not answered", "C1000 P(late)", "C1000"},
    {"a ping between the bytes of nothing: before anything else", "P(first) B(x)", "O(first) B(x)"},
    {"a ping of 125 bytes in the form of 2 bytes", "@P*125", "C1002"},
    {"a ping in the form of 8 bytes", "&P(a)", "C1002"},
    {"a ping without a mask", "!P(a)", "C1002"},
};

TEST(pings_are_answered_and_pongs_dropped)
{
    ws_server_begin();
    ws_play(pings, ANQA_COUNT(pings), "/", "");
    ws_server_end();
}

static const struct ws_case reserved[] = {
    {"reserved bit 1 on text", "1T(a)", "C1002"},
    {"reserved bit 1 on binary", "1B(a)", "C1002"},
    {"reserved bit 1 on a ping", "1P(a)", "C1002"},
    {"reserved bit 1 on a pong", "1O(a)", "C1002"},
    {"reserved bit 1 on a close", "1C", "C1002"},
    {"reserved bit 2 on text", "2T(a)", "C1002"},
    {"reserved bit 2 on binary", "2B(a)", "C1002"},
    {"reserved bit 2 on a ping", "2P(a)", "C1002"},
    {"reserved bit 2 on a pong", "2O(a)", "C1002"},
    {"reserved bit 2 on a close", "2C", "C1002"},
    {"reserved bit 3 on text", "3T(a)", "C1002"},
    {"reserved bit 3 on binary", "3B(a)", "C1002"},
    {"reserved bit 3 on a ping", "3P(a)", "C1002"},
    {"reserved bit 3 on a pong", "3O(a)", "C1002"},
    {"reserved bit 3 on a close", "3C", "C1002"},
    {"reserved bits 1 and 2 on text", "12T(a)", "C1002"},
    {"reserved bits 1 and 2 on a ping", "12P(a)", "C1002"},
    {"reserved bits 1 and 3 on text", "13T(a)", "C1002"},
    {"reserved bits 1 and 3 on a ping", "13P(a)", "C1002"},
    {"reserved bits 2 and 3 on text", "23T(a)", "C1002"},
    {"reserved bits 2 and 3 on a ping", "23P(a)", "C1002"},
    {"reserved bits 1 and 2 and 3 on text", "123T(a)", "C1002"},
    {"reserved bits 1 and 2 and 3 on binary", "123B(a)", "C1002"},
    {"reserved bits 1 and 2 and 3 on a ping", "123P(a)", "C1002"},
    {"reserved bits 1 and 2 and 3 on a pong", "123O(a)", "C1002"},
    {"reserved bits 1 and 2 and 3 on a close", "123C", "C1002"},
    {"a reserved bit behind a good message", "T(a) 1T(b)", "T(a) C1002"},
    {"nothing is answered behind a reserved bit", "2T(a) P(p)", "C1002"},
    {"a reserved bit on a fragment that begins", "1t(a) K(b)", "C1002"},
    {"a reserved bit on a continuation", "t(a) 1K(b)", "C1002"},
    {"reserved bit 2 on a continuation", "t(a) 2k(b) K(c)", "C1002"},
    {"a reserved bit on a ping between fragments", "t(a) 1P(p) K(b)", "C1002"},
    {"all reserved bits on an empty text", "123T", "C1002"},
};

TEST(reserved_bits_end_the_connection)
{
    ws_server_begin();
    ws_play(reserved, ANQA_COUNT(reserved), "/", "");
    ws_server_end();
}

static const struct ws_case opcodes[] = {
    {"opcode 3, not defined, empty", "N3", "C1002"},
    {"opcode 3, not defined, with payload", "N3(a)", "C1002"},
    {"opcode 4, not defined, empty", "N4", "C1002"},
    {"opcode 4, not defined, with payload", "N4(a)", "C1002"},
    {"opcode 5, not defined, empty", "N5", "C1002"},
    {"opcode 5, not defined, with payload", "N5(a)", "C1002"},
    {"opcode 6, not defined, empty", "N6", "C1002"},
    {"opcode 6, not defined, with payload", "N6(a)", "C1002"},
    {"opcode 7, not defined, empty", "N7", "C1002"},
    {"opcode 7, not defined, with payload", "N7(a)", "C1002"},
    {"control opcode b, not defined, empty", "Nb", "C1002"},
    {"control opcode b, not defined, with payload", "Nb(a)", "C1002"},
    {"control opcode c, not defined, empty", "Nc", "C1002"},
    {"control opcode c, not defined, with payload", "Nc(a)", "C1002"},
    {"control opcode d, not defined, empty", "Nd", "C1002"},
    {"control opcode d, not defined, with payload", "Nd(a)", "C1002"},
    {"control opcode e, not defined, empty", "Ne", "C1002"},
    {"control opcode e, not defined, with payload", "Ne(a)", "C1002"},
    {"control opcode f, not defined, empty", "Nf", "C1002"},
    {"control opcode f, not defined, with payload", "Nf(a)", "C1002"},
    {"opcode 3 in fragments", "n3(a) K(b)", "C1002"},
    {"opcode b without FIN", "nb(a)", "C1002"},
    {"an opcode that is not defined, behind a good message", "T(a) N5(b) P(p)", "T(a) C1002"},
    {"an opcode that is not defined, between fragments", "t(a) N3(b) K(c)", "C1002"},
    {"a control opcode that is not defined, between fragments", "t(a) Nb(b) K(c)", "C1002"},
};

TEST(opcodes_that_nobody_defined_end_the_connection)
{
    ws_server_begin();
    ws_play(opcodes, ANQA_COUNT(opcodes), "/", "");
    ws_server_end();
}

static const struct ws_case fragments[] = {
    {"text in two frames", "t(Hel) K(lo)", "T(Hello)"},
    {"binary in two frames", "b(Hel) K(lo)", "B(Hello)"},
    {"text in three frames", "t(a) k(b) K(c)", "T(abc)"},
    {"text in ten frames", "T(0123456789)/10", "T(0123456789)"},
    {"binary of 1000 bytes in 100 frames", "B*1000/100", "B*1000"},
    {"binary of 300 bytes, each in a frame", "B*300/300", "B*300"},
    {"binary of 100000 bytes in 7 frames", "B*100000/7", "B*100000"},
    {"a first frame that is empty", "t K(a)", "T(a)"},
    {"a last frame that is empty", "t(a) K", "T(a)"},
    {"two empty frames make an empty text", "t K", "T"},
    {"two empty frames make an empty binary message", "b K", "B"},
    {"an empty frame in the middle ends nothing", "t(a) k K(b)", "C1008"},
    {"an empty continuation right behind an empty start", "b k K", "C1008"},
    {"a hundred empty continuations end at the first",
        "t k k k k k k k k k k k k k k k k k k k k k k k k k k k k k k k k k k k k k k k k k k k k "
        "k k k k k k k k k k k k k k k k k k k k k k k k k k k k k k k k k k k k k k k k k k k k k "
        "k k k k k k k k k k k K",
        "C1008"},
    {"a message that never ends, and a close", "t(a) k(b)", ""},
    {"two messages in fragments", "t(a) K(b) b(c) K(d)", "T(ab) B(cd)"},
    {"a whole message behind one in fragments", "t(a) K(b) T(c)", "T(ab) T(c)"},
    {"fragments behind a whole message", "T(a) t(b) K(c)", "T(a) T(bc)"},
    {"a continuation of nothing", "K(a)", "C1002"},
    {"a continuation of nothing that does not end", "k(a)", "C1002"},
    {"an empty continuation of nothing", "K", "C1002"},
    {"a continuation of nothing, then a message", "K(a) T(b)", "C1002"},
    {"a continuation of nothing that does not end, then a message", "k(a) T(b)", "C1002"},
    {"a continuation behind a whole message", "T(a) K(b)", "T(a) C1002"},
    {"a continuation behind a message in fragments", "t(a) K(b) K(c)", "T(ab) C1002"},
    {"a continuation behind a ping", "P(a) K(b)", "O(a) C1002"},
    {"text begins inside of text", "t(a) t(b)", "C1002"},
    {"whole text inside of text", "t(a) T(b) K(c)", "C1002"},
    {"binary begins inside of text", "t(a) b(b) K(c)", "C1002"},
    {"whole binary inside of text", "t(a) B(b) K(c)", "C1002"},
    {"text begins inside of binary", "b(a) t(b) K(c)", "C1002"},
    {"whole text inside of binary", "b(a) T(b)", "C1002"},
    {"a message inside of another, behind a ping", "t(a) P(p) T(b)", "O(p) C1002"},
    {"many pings and pongs between fragments", "t(a) P(1) O(2) P(3) k(b) O(4) P(5) K(c)",
        "O(1) O(3) O(5) T(abc)"},
    {"a close between fragments", "t(a) C1000 K(b)", "C1000"},
    {"a ping of 125 bytes between fragments", "t(a) P*125 K(b)", "O*125 T(ab)"},
    {"a ping of 126 bytes between fragments", "t(a) P*126 K(b)", "C1002"},
    {"fragments of different forms of length", "t*10 k*200 k*70000 K*5", "T*70215"},
    {"a close in fragments", "c K", "C1002"},
    {"a close with a code in fragments", "c1000 K(bye)", "C1002"},
};

TEST(fragments_make_messages)
{
    ws_server_begin();
    ws_play(fragments, ANQA_COUNT(fragments), "/", "");
    ws_server_end();
}

static const struct ws_case lengths[] = {
    {"text of 1 byte in the form of 2 bytes", "@T(a)", "C1002"},
    {"text of 1 byte in the form of 8 bytes", "&T(a)", "C1002"},
    {"an empty text in the form of 2 bytes", "@T", "C1002"},
    {"an empty text in the form of 8 bytes", "&T", "C1002"},
    {"125 bytes in the form of 2 bytes", "@B*125", "C1002"},
    {"126 bytes in the form of 8 bytes", "&B*126", "C1002"},
    {"65535 bytes in the form of 8 bytes", "&B*65535", "C1002"},
    {"a continuation in too long a form", "t(a) @K(b)", "C1002"},
    {"a close in the form of 2 bytes", "@C1000", "C1002"},
    {"a length whose top bit is set", "=(\x82\xff\xff\xff\xff\xff\xff\xff\xff\xff)", "C1002"},
    {"a frame of 2 to the power of 62 bytes", "=(\x82\xff@\x01\x01\x01\x01\x01\x01\x01)", "C1009"},
    {"text without a mask", "!T(a)", "C1002"},
    {"an empty text without a mask", "!T", "C1002"},
    {"binary without a mask", "!B(a)", "C1002"},
    {"a pong without a mask", "!O(a)", "C1002"},
    {"a close without a mask", "!C1000", "C1002"},
    {"a continuation without a mask", "t(a) !K(b)", "C1002"},
    {"a frame without a mask behind a good one", "T(a) !T(b)", "T(a) C1002"},
    {"a mask of zeroes is a mask",
        "=(\x81\x81"
        "0000Q)",
        "T(a)"},
    {"the mask begins anew with each frame", "t(abcde) K(fghij)", "T(abcdefghij)"},
    {"all that is sent is an end: nothing is answered", "$", "END"},
    {"the client is gone in the middle of a header", "=(\x81)$", "END"},
    {"the client is gone in the middle of a length", "=(\x81\xfe\x01)$", "END"},
    {"the client is gone in the middle of a payload",
        "=(\x81\x85"
        "7\xfa)$",
        "END"},
    {"the client is gone in the middle of a message", "t(a) $", "END"},
    {"the client is gone behind a message", "T(a) $", "T(a) END"},
    {"the client is gone behind a ping", "P(a) $", "O(a) END"},
};

TEST(lengths_and_masks_are_as_they_must_be)
{
    ws_server_begin();
    ws_play(lengths, ANQA_COUNT(lengths), "/", "");
    ws_server_end();
}

static const struct ws_case closes[] = {
    {"a close without a code", "C", "C1000"},
    {"a close with half a code", "C(\x03)", "C1002"},
    {"a close with a reason", "C1000(bye)", "C1000"},
    {"a close with the longest reason", "C1000*123", "C1000"},
    {"a close with too long a reason", "C1000*124", "C1002"},
    {"a close with a reason of two-, three- and four-byte characters",
        "C1000(\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80)", "C1000"},
    {"a close whose reason is not UTF-8", "C1000(\xff)", "C1002"},
    {"a close whose reason ends in the middle of a character", "C1000(\xe2\x82)", "C1002"},
    {"a close whose reason has a surrogate", "C1000(\xed\xa0\x80)", "C1002"},
    {"a close whose reason is overlong", "C1000(\xc0\xaf)", "C1002"},
    {"a message behind a close is dropped", "C1000 T(a)", "C1000"},
    {"a ping behind a close is dropped", "C1000 P(a)", "C1000"},
    {"a second close is dropped", "C1000 C1001", "C1000"},
    {"bytes that are no frames behind a close are dropped", "C1000 =(\xff\xff\xff\xff)", "C1000"},
    {"a long message behind a close is dropped", "C1000 B*200000", "C1000"},
    {"a message before a close comes back", "T(a) C1000", "T(a) C1000"},
    {"pings before a close are answered", "P(1) P(2) C1000", "O(1) O(2) C1000"},
    {"a close in the middle of a message", "t(a) C1001", "C1000"},
    {"a close in the middle of a message without a code", "b(a) C", "C1000"},
    {"a long message before a close comes back whole", "B*300000 C1000", "B*300000 C1000"},
    {"what follows an error is dropped", "3T(a) T(b) C1000", "C1002"},
    {"a close of 126 bytes", "C*126", "C1002"},
    {"a close with the code 1000", "C1000", "C1000"},
    {"a close with the code 1001", "C1001", "C1000"},
    {"a close with the code 1002", "C1002", "C1000"},
    {"a close with the code 1003", "C1003", "C1000"},
    {"a close with the code 1007", "C1007", "C1000"},
    {"a close with the code 1008", "C1008", "C1000"},
    {"a close with the code 1009", "C1009", "C1000"},
    {"a close with the code 1010", "C1010", "C1000"},
    {"a close with the code 1011", "C1011", "C1000"},
    {"a close with the code 3000", "C3000", "C1000"},
    {"a close with the code 3999", "C3999", "C1000"},
    {"a close with the code 4000", "C4000", "C1000"},
    {"a close with the code 4999", "C4999", "C1000"},
    {"a close with the code 0, which may not be sent", "C0", "C1002"},
    {"a close with the code 1, which may not be sent", "C1", "C1002"},
    {"a close with the code 999, which may not be sent", "C999", "C1002"},
    {"a close with the code 1004, which may not be sent", "C1004", "C1002"},
    {"a close with the code 1005, which may not be sent", "C1005", "C1002"},
    {"a close with the code 1006, which may not be sent", "C1006", "C1002"},
    {"a close with the code 1012, which may not be sent", "C1012", "C1002"},
    {"a close with the code 1013, which may not be sent", "C1013", "C1002"},
    {"a close with the code 1014, which may not be sent", "C1014", "C1002"},
    {"a close with the code 1015, which may not be sent", "C1015", "C1002"},
    {"a close with the code 1016, which may not be sent", "C1016", "C1002"},
    {"a close with the code 1100, which may not be sent", "C1100", "C1002"},
    {"a close with the code 2000, which may not be sent", "C2000", "C1002"},
    {"a close with the code 2999, which may not be sent", "C2999", "C1002"},
    {"a close with the code 5000, which nobody has defined", "C5000", "C1000"},
    {"a close with the code 65535, which nobody has defined", "C65535", "C1000"},
};

TEST(closes_are_answered)
{
    ws_server_begin();
    ws_play(closes, ANQA_COUNT(closes), "/", "");
    ws_server_end();
}
