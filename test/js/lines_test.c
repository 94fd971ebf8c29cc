/* What differs from an image as bytes, and back. */
#include "js/lines.h"

#include "harness.h"

#include <stdlib.h>

enum { MOST = 12 * LINES_PAGE, ROOM = 2 * MOST };

static uint8_t image[MOST], memory[MOST], back[MOST], same[MOST / LINES_PAGE], bytes[ROOM];

static uint32_t below(uint32_t n)
{
    return (uint32_t)(harness_random() % n);
}

static void scribble(uint8_t *at, uint32_t size, uint32_t times)
{
    for (uint32_t i = 0; i < times; i++) {
        uint32_t from = below(size), len = 1 + below(below(8) == 0 ? 600 : 20);
        for (uint32_t j = from; j < from + len && j < size; j++)
            at[j] = below(4) == 0 ? 0 : (uint8_t)harness_random();
    }
}

/* What the memory would be after parking and waking. */
static void restore(const struct lines_source *source, size_t len)
{
    uint32_t shown = source->image_size < source->size ? source->image_size : source->size;

    memset(back, 0, sizeof back);
    memcpy(back, source->image, shown);
    CHECK(lines_check(bytes, len, source->size));
    CHECK(lines_decode(bytes, len, back, source->size));
}

TEST(what_is_written_and_read_is_the_memory_again)
{
    for (int round = 0; round < 300; round++) {
        struct lines_source source = {.memory = memory, .image = image};
        uint32_t alive;
        size_t len;

        source.image_size = below(1 + MOST / LINES_PAGE) * LINES_PAGE;
        source.size =
            source.image_size + below(1 + (MOST - source.image_size) / LINES_PAGE) * LINES_PAGE;
        source.from = below(3) == 0 || source.size == 0 ? 0 : below(source.size);
        scribble(image, sizeof image, 300);
        memset(memory, 0, sizeof memory);
        memcpy(memory, image, source.image_size);
        if (source.size > 0)
            scribble(memory, source.size, below(200));
        len = lines_encode(&source, bytes, sizeof bytes);
        CHECK(len <= sizeof bytes);
        restore(&source, len);
        alive = source.from / LINES_LINE * LINES_LINE;
        CHECK(memcmp(back + alive, memory + alive, source.size - alive) == 0);
        /* what is dead is what the image holds */
        for (uint32_t i = 0; i < alive; i++)
            CHECK_EQ(back[i], i < source.image_size ? image[i] : 0);
    }
}

TEST(pages_that_are_known_to_be_the_same_are_not_looked_at)
{
    struct lines_source source = {
        .memory = memory, .image = image, .size = MOST, .image_size = MOST, .same = same};

    memory[0] = memory[LINES_PAGE] = memory[2 * LINES_PAGE] = 1;
    same[1] = 1;
    CHECK_EQ(lines_encode(&source, bytes, sizeof bytes), 2 * (1 + 2 + 1 + 1));
    restore(&source, 10);
    CHECK_EQ(back[0], 1);
    CHECK_EQ(back[LINES_PAGE], 0);
    CHECK_EQ(back[2 * LINES_PAGE], 1);
}

TEST(a_line_takes_by_how_much_its_words_differ)
{
    static const struct {
        uint32_t was, more, size;
    } table[] = {
        {0, 1, 1},
        {0, 127, 1},
        {0, 128, 2},
        {0, 32767, 2},
        {0, 32768, 3},
        {0, 0x7fffff, 3},
        {0, 0x800000, 4},
        {0, 0x80000000, 4},
        {5, 0xffffffff, 1},
        {0, 0xffffff80, 1},
        {0, 0xffffff7f, 2},
        {0, 0xffff8000, 2},
        {0, 0xffff7fff, 3},
        {0, 0xff800000, 3},
        {0, 0xff7fffff, 4},
        {0xffffffff, 2, 1},
        {0x80000000, 0x7fffffff, 4},
    };
    struct lines_source source = {
        .memory = memory, .image = image, .size = MOST, .image_size = MOST};

    CHECK_EQ(lines_encode(&source, bytes, sizeof bytes), 0);
    memory[5 * LINES_LINE + 63] = 7;
    CHECK_EQ(lines_encode(&source, bytes, sizeof bytes), 8);
    CHECK(memcmp(bytes, "\5\0\x80\3\0\0\0\7", 8) == 0);
    memset(memory + 6 * LINES_LINE, 9, LINES_LINE);
    CHECK_EQ(lines_encode(&source, bytes, sizeof bytes), 8 + 1 + 2 + 4 + LINES_LINE);
    for (size_t i = 0; i < ANQA_COUNT(table); i++) {
        uint32_t word = table[i].was + table[i].more;
        memset(memory, 0, sizeof memory);
        memcpy(image, &table[i].was, sizeof word);
        memcpy(memory, &word, sizeof word);
        CHECK_EQ(lines_encode(&source, bytes, sizeof bytes), 4 + table[i].size, "%zu", i);
        CHECK_EQ(bytes[3], table[i].size - 1, "%zu", i);
        CHECK(memcmp(bytes + 4, &table[i].more, table[i].size) == 0, "%zu", i);
        restore(&source, 4 + table[i].size);
        CHECK(memcmp(back, memory, sizeof memory) == 0, "%zu", i);
    }
}

TEST(without_room_it_is_told_how_much_would_do)
{
    struct lines_source source = {
        .memory = memory, .image = image, .size = MOST, .image_size = MOST};
    uint8_t *exact;
    size_t len;

    scribble(memory, sizeof memory, 50);
    len = lines_encode(&source, bytes, sizeof bytes);
    CHECK(len > 100);
    CHECK_EQ(lines_encode(&source, NULL, 0), len);
    for (size_t room = 0; room <= len; room += len - room < 10 ? 1 : 7) {
        exact = malloc(room == 0 ? 1 : room); /* a byte more would be seen by AddressSanitizer */
        CHECK_EQ(lines_encode(&source, exact, room), len);
        CHECK(room < len || memcmp(exact, bytes, len) == 0);
        free(exact);
    }
}

#define BYTES(text) text, sizeof(text) - 1

TEST(what_is_no_encoding_is_refused)
{
    static const struct {
        const char *bytes;
        size_t len;
        uint32_t size;
        bool good;
    } table[] = {
        {BYTES(""), 4096, true}, {BYTES(""), 0, true}, {BYTES("\0\1\0\3abcd"), 4096, true},
        {BYTES("\77\1\0\3abcd"), 4096, true}, {BYTES("\0\1\0\3abcd\76\1\0\3efgh"), 4096, true},
        {BYTES("\0\3\0\1\1\1\1"), 4096, true}, {BYTES("\0\37\0\0\0\1\1\1\1\1"), 4096, true},
        {BYTES("\0\1\0\3abcd"), 0, false},      /* there is no such line */
        {BYTES("\100\1\0\3abcd"), 4096, false}, /* the line behind the last */
        {BYTES("\0\1\0\3abcd\77\1\0\3efgh"), 4096, false},
        {BYTES("\377\377\377\77\1\0\3abcd"), 4096, false},
        {BYTES("\377\377\377\177\1\0\3abcd"), 0xfffff000, false},
        {BYTES("\200\200\200\200\1\1\0\3abcd"), 4096, false}, /* a longer number than any */
        {BYTES("\200\0\1\0\3abcd"), 4096, false},             /* not the shortest */
        {BYTES("\0\1\0\3abc\0"), 4096, false}, {BYTES("\0\1\0\3ab\300\377"), 4096, false},
        {BYTES("\0\1\0\1a\0"), 4096, false}, {BYTES("\0"), 4096, false}, /* cut off */
        {BYTES("\200"), 4096, false}, {BYTES("\0\1"), 4096, false}, {BYTES("\0\1\0"), 4096, false},
        {BYTES("\0\1\0\3"), 4096, false}, {BYTES("\0\37\0\0"), 4096, false},
        {BYTES("\0\3\0\0\1"), 4096, false}, {BYTES("\0\1\0\3abc"), 4096, false},
        {BYTES("\0\3\0\17abcd"), 4096, false},
        {BYTES("\0\0\0\3abcd"), 4096, false},  /* nothing differs */
        {BYTES("\0\1\0\0\0"), 4096, false},    /* a word that does not */
        {BYTES("\0\1\0\7abcd"), 4096, false},  /* the size of one that is not there */
        {BYTES("\0\1\0\3abcde"), 4096, false}, /* something is left */
    };

    for (size_t i = 0; i < ANQA_COUNT(table); i++) {
        const uint8_t *at = (const uint8_t *)table[i].bytes;
        uint32_t size = table[i].size < MOST ? table[i].size : 0;
        CHECK_EQ(lines_check(at, table[i].len, table[i].size), table[i].good, "%zu", i);
        if (size == table[i].size)
            CHECK_EQ(lines_decode(at, table[i].len, back, size), table[i].good, "%zu", i);
    }
}

TEST(hostile_bytes_write_nothing_outside)
{
    uint8_t *small = malloc(LINES_PAGE); /* AddressSanitizer looks at its ends */
    uint32_t taken = 0;

    memset(small, 0, LINES_PAGE);
    for (int round = 0; round < 200000; round++) {
        uint32_t len = below(40);
        bool good;

        for (uint32_t i = 0; i < len; i++)
            bytes[i] = below(3) == 0 ? (uint8_t)harness_random() : (uint8_t)below(3);
        good = lines_check(bytes, len, LINES_PAGE);
        CHECK_EQ(lines_decode(bytes, len, small, LINES_PAGE), good);
        taken += good;
    }
    CHECK(taken > 200);
    free(small);
}
