#include "http/gzip.h"

#include <anqa/memory.h>
#include <anqa/process.h>

#define ZLIB_CONST
#include <zlib.h>

#define SLICE (64u << 10) /* of input, between which others run: a millisecond */
#define GZIP_HEADER 16    /* added to the bits of the window: the format is gzip's, not zlib's */

static const struct size {
    int window_bits, memory;
    unsigned piece; /* of output */
} large = {15, 8, 16u << 10}, small_one = {12, 5, 4u << 10};

const bool gzip_available = true;

struct gzip {
    z_stream z;
    unsigned piece_size;
    unsigned char piece[];
};

static void *take(void *opaque, unsigned count, unsigned size)
{
    return anqa_heap_alloc((size_t)count * size);
}

static void give(void *opaque, void *piece)
{
    anqa_heap_free(piece);
}

struct gzip *gzip_new(int level, bool small)
{
    const struct size *size = small ? &small_one : &large;
    struct gzip *gzip = anqa_heap_alloc(sizeof *gzip + size->piece);

    gzip->z = (z_stream){.zalloc = take, .zfree = give};
    gzip->piece_size = size->piece;
    ANQA_REQUIRE(deflateInit2(&gzip->z, level, Z_DEFLATED, size->window_bits + GZIP_HEADER,
                     size->memory, Z_DEFAULT_STRATEGY) == Z_OK);
    return gzip;
}

void gzip_free(struct gzip *gzip)
{
    if (gzip == NULL)
        return;
    (void)deflateEnd(&gzip->z);
    anqa_heap_free(gzip);
}

/* All output of the input that zlib has. */
static anqa_status drain(struct gzip *gzip, int flush, gzip_sink sink, void *arg)
{
    anqa_status status = ANQA_OK;
    size_t len;

    do {
        gzip->z.next_out = gzip->piece;
        gzip->z.avail_out = gzip->piece_size;
        (void)deflate(&gzip->z, flush);
        len = gzip->piece_size - gzip->z.avail_out;
        if (len != 0)
            status = sink(arg, anqa_str_make((const char *)gzip->piece, len));
    } while (status == ANQA_OK && gzip->z.avail_out == 0);
    return status;
}

anqa_status gzip_write(
    struct gzip *gzip, anqa_str data, enum gzip_flush flush, gzip_sink sink, void *arg)
{
    static const int flushes[] = {
        [GZIP_MORE] = Z_NO_FLUSH, [GZIP_FLUSH] = Z_SYNC_FLUSH, [GZIP_END] = Z_FINISH};
    anqa_status status;

    for (; data.len > SLICE; data = anqa_str_make(data.ptr + SLICE, data.len - SLICE)) {
        gzip->z.next_in = (const unsigned char *)data.ptr;
        gzip->z.avail_in = SLICE;
        status = drain(gzip, Z_NO_FLUSH, sink, arg);
        if (status != ANQA_OK)
            return status;
        anqa_yield();
    }
    gzip->z.next_in = (const unsigned char *)data.ptr;
    gzip->z.avail_in = (unsigned)data.len;
    return drain(gzip, flushes[flush], sink, arg);
}
