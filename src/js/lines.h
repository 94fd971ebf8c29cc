/*
 * Lines: what a process's memory holds that its image does not, as bytes.
 *
 * Memory is looked at in lines of 64 bytes. Each that differs is written, in ascending order, as
 *
 *     gap     lines that do not differ since the one before, or since the begin (varint)
 *     mask    which of its 16 words of 4 bytes differ: 2 bytes, the lower half first, not 0
 *     sizes   for each of these words how many bytes it takes here, less 1: 2 bits, the lowest first
 *     words   by how much each is more than it was (modulo 2^32): a number with a sign, the lowest byte first
 *
 * Most words are addresses, small numbers or counts that have changed a little, and take one to three bytes. Beyond the
 * image's size memory is compared with zeros. Varints have 7 bits a byte, the lowest first, and the shortest form, as
 * words have.
 *
 * Pure functions. Any thread.
 */
#ifndef JS_LINES_H
#define JS_LINES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LINES_LINE 64u
#define LINES_PAGE 4096u

/* What is compared. Sizes are multiples of LINES_PAGE; the image may be as long as the memory, or shorter. */
struct lines_source {
    const uint8_t *memory;
    const uint8_t *image;
    uint32_t size, image_size;
    uint32_t
        from; /* lines that lie wholly below are dead (a stack grows down to there) and left out */
    const uint8_t
        *same; /* for each page: not 0: it is known not to differ; NULL: nothing is known */
};

/* Writes the lines if they fit into `room` bytes. Returns how many bytes they take in any case; if these are more than
 * `room`, what `out` holds is of no use. */
size_t lines_encode(const struct lines_source *source, uint8_t *out, size_t room);

/* The same piece by piece: of pages in ascending order, each from `first` to before `end`. `len` is that of all so far. */
struct lines_writing {
    uint8_t *out;
    size_t room, len;
    uint32_t next; /* the line behind the last one written */
};
void lines_encode_pages(
    struct lines_writing *writing, const struct lines_source *source, uint32_t first, uint32_t end);

/* Whether that is an encoding for memory of `size` bytes. */
bool lines_check(const uint8_t *bytes, size_t len, uint32_t size);

/* Puts the lines into memory that holds the image, and zeros beyond. The bytes may be anybody's: if they are no encoding
 * for `size` bytes, false is returned, and a part of them may be in the memory, but nothing outside of it. */
bool lines_decode(const uint8_t *bytes, size_t len, uint8_t *memory, uint32_t size);

/* Either of them piece by piece, LINES_PIECE lines at most in each: until `at` is `end`, or false is returned. */
struct lines_reading {
    const uint8_t *at, *end;
    uint32_t size, next; /* next: the line behind the last one read; 0 at the start */
};
#define LINES_PIECE 4096u
/* memory: NULL: it is only checked. */
bool lines_decode_some(struct lines_reading *reading, uint8_t *memory);

#endif
