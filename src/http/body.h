/*
 * The body of a request: where it ends, and which of the bytes that come are its own.
 *
 * A body has a length that was announced, or comes in chunks (RFC 9112, 7.1). It is given out in the pieces in which it
 * arrived, as slices of the caller's bytes: nothing is copied, and no memory is held. All that bounds it is counted:
 * the body itself, and the bytes of chunk extensions and trailers. Extensions are read over; trailers are kept where the caller
 * has given room for them.
 *
 * Any thread; never waits.
 */
#ifndef HTTP_BODY_H
#define HTTP_BODY_H

#include "http/request.h" /* IWYU pragma: export */

/* What chunk extensions and trailers of one body may take in all. */
#define BODY_EXTRA_MAX 8192

/* Room for the trailers of any body: each line is not empty, and has a line feed added. */
#define BODY_TRAILERS_ROOM ((size_t)2 * BODY_EXTRA_MAX)

enum body_result {
    BODY_MORE, /* all bytes are taken, and the body goes on */
    BODY_PIECE,
    BODY_DONE,
    BODY_REFUSED
};

struct body {
    uint64_t left;  /* bytes of this chunk, or of the body */
    uint64_t room;  /* bytes that further chunks may have */
    char *trailers; /* set by the caller after body_init; NULL: they are read over */
    uint16_t trailers_len;
    uint16_t extra; /* of BODY_EXTRA_MAX */
    uint8_t state;
    uint8_t digits;  /* of a chunk's size */
    uint16_t status; /* BODY_REFUSED: 400, 413 or 431 */
};

/* max_bytes: 0 is the default of struct request_limits; it bounds chunked bodies, others were bounded by their head. */
void body_init(struct body *body, const struct request *req, uint64_t max_bytes);

/*
 * Takes bytes of the body from the front of `bytes`. BODY_PIECE: *ret_piece is the next piece, not empty, and there may be more in
 * the same bytes. BODY_DONE: what follows is the next request; the result stays. BODY_REFUSED: answer body->status and close.
 * ret_taken: how many bytes were taken, whatever the result.
 */
enum body_result body_read(
    struct body *body, const char *bytes, size_t len, size_t *ret_taken, anqa_str *ret_piece);

/* The value of the first trailer of that name, whatever its case. */
bool body_trailer(const struct body *body, const char *name, anqa_str *ret_value);

#endif
