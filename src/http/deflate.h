/*
 * Messages compressed as permessage-deflate has them (RFC 7692): raw DEFLATE that ends in an empty block without its last four
 * bytes. Over zlib; a build without it (src/http/none) says so by deflate_available, and nothing here is called then.
 *
 * A *deflater* compresses each message by itself: what it makes can be sent to any client, whatever that one has had before.
 * It is large (160 KiB), so a scheduler has one for all.
 *
 * An *inflater* takes one message after the other, each in slices, so that a message that becomes large holds nobody up.
 * What comes out is bounded twice, since the one who sends it pays a thousandth of it at worst: by a length, and beyond
 * INFLATE_FREE by INFLATE_RATIO times what came. Memory follows what has come out.
 *
 * Owner: whoever made it; no locks. Never waits.
 */
#ifndef HTTP_DEFLATE_H
#define HTTP_DEFLATE_H

#include <anqa/base.h>

/* Whether there is a zlib. Constant. */
extern const bool deflate_available;

#define DEFLATE_WINDOW_MIN 8u
#define DEFLATE_WINDOW_MAX 15u

/* ---------------------------------------------------------------- out */

/* Bytes of a message that is worth it: shorter ones hardly become shorter, longer ones would hold others up for too long. */
#define DEFLATE_LEAST 256u
#define DEFLATE_MOST (256u << 10)

struct deflater;

/* NULL: no memory. */
struct deflater *deflater_new(void);
/* NULL is fine. */
void deflater_free(struct deflater *deflater);

/* The pieces as one message. Empty: it would not be shorter, or there is no memory. It lies in the deflater until the next
 * call. The pieces have DEFLATE_MOST bytes at most. */
anqa_str deflater_run(struct deflater *deflater, const anqa_str *pieces, size_t count);

/* ---------------------------------------------------------------- in */

#define INFLATE_FREE \
    (1u << 20) /* bytes that any message may become: as much as a client may leave unread */
#define INFLATE_RATIO 25u /* a longer one may become so many times what came */
#define INFLATE_SLICE_IN (16u << 10)
#define INFLATE_SLICE_OUT (64u << 10)

enum inflate_result {
    INFLATE_MORE, /* the slice is over: call again */
    INFLATE_DONE,
    INFLATE_TOO_LONG,
    INFLATE_BAD, /* no DEFLATE, or cut off */
    INFLATE_NO_MEMORY
};

struct inflater;

/* window_bits: of the window that the sender may use; smaller ones take less memory. NULL: no memory. */
struct inflater *inflater_new(unsigned window_bits);
/* NULL is fine. */
void inflater_free(struct inflater *inflater);

/* Begins a message of `len` compressed bytes that may become `limit`. It may refer to what messages before it were. */
void inflater_begin(struct inflater *inflater, size_t len, size_t limit);

/* A slice of it. bytes: all of the message, wherever it lies now.   ret_new: what came out in this slice; lies in
 * inflater_message. After any result but MORE the message is over; after BAD, TOO_LONG and NO_MEMORY so is the inflater. */
enum inflate_result inflater_run(struct inflater *inflater, const char *bytes, anqa_str *ret_new);

/* What came out; until the next inflater_run, inflater_begin or inflater_drop. */
anqa_str inflater_message(const struct inflater *inflater);
/* Gives back the memory of the message, not what later ones may refer to. */
void inflater_drop(struct inflater *inflater);

#endif
