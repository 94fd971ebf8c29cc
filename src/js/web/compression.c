/*
 * What CompressionStream and DecompressionStream ask of zlib, piece by piece: never more than PIECE_MAX bytes are read or written
 * by one operation, between buffers of the script where they lie. So a bomb grows as far as the script takes it.
 *
 * The states are on the process's heap, outside of the sandbox: what they may take is bounded, and they go when they have ended,
 * when their stream is collected, and with the process. An image never has any, and a process that was restored has none: their
 * numbers are random, so one from before means nothing after.
 */
#include "js/web/web.h"

#include <zconf.h>
#include <zlib.h>

#include <anqa/memory.h>

#include "js/convert.h"
#include "js/preempt.h"
#include "js/turn.h"

enum {
    PIECE_MAX = 64 << 10,
    CODECS_MAX = 100,     /* at once, of one process */
    MEMORY_MAX = 8 << 20, /* of all of them: about thirty that compress, or all that decompress */
    WINDOW_BITS = 15,
    GZIP = 16, /* beside the bits of the window */
    MEMORY_LEVEL = 8,
    ENDED_BIT = 40, /* of an answer, above the bytes that were written and those that were read */
    WRITTEN_BIT = 20
};

struct codec {
    double id;
    struct codecs *all;
    bool inflates, ended;
    z_stream z;
};

/* Owner: the process; on its heap. */
struct codecs {
    size_t memory;
    uint32_t count;
    struct codec *list[CODECS_MAX];
};

/* ---------------------------------------------------------------- memory */

static voidpf take(voidpf opaque, uInt items, uInt size)
{
    struct codec *codec = opaque;
    size_t bytes = (size_t)items * size, *piece;

    if (bytes > MEMORY_MAX - codec->all->memory)
        return NULL;
    codec->all->memory += bytes;
    piece = anqa_heap_alloc(16 + bytes); /* zlib's pieces are aligned to 16, as ours */
    *piece = bytes;
    return (char *)piece + 16;
}

static void put(voidpf opaque, voidpf memory)
{
    struct codec *codec = opaque;
    size_t *piece = (size_t *)(void *)((char *)memory - 16);

    codec->all->memory -= *piece;
    anqa_heap_free(piece);
}

static void codec_free(struct codec *codec)
{
    if (codec->inflates)
        (void)inflateEnd(&codec->z);
    else
        (void)deflateEnd(&codec->z);
    anqa_heap_free(codec);
}

/* The place of a codec in the list; the number of them: there is none. */
static uint32_t find(const struct js *js, uint64_t value)
{
    double id = -1;
    uint32_t i = 0;

    if (js->codecs == NULL)
        return 0;
    (void)convert_number(value, &id);
    while (i < js->codecs->count && js->codecs->list[i]->id != id)
        i++;
    return i;
}

static struct codec *codec_of(const struct js *js, uint64_t value)
{
    uint32_t i = find(js, value);

    return js->codecs == NULL || i == js->codecs->count ? NULL : js->codecs->list[i];
}

/* ---------------------------------------------------------------- operations */

/* As many as may be: what nobody holds is collected, which gives states back by jobs, and -1 asks for another try. */
static uint64_t full(struct js *js, uint64_t again, const char *what)
{
    if (again == JS_TRUE)
        return turn_throw(js, "RangeError", "%s", what);
    q_JS_RunGC(&js->engine, js->image->rt);
    return convert_double(-1);
}

/* (format, inflates, again): a number for it. format: 0 gzip, 1 zlib, 2 neither. */
static uint64_t op_open(struct js *js, const uint64_t *args)
{
    static const int bits[] = {WINDOW_BITS + GZIP, WINDOW_BITS, -WINDOW_BITS};
    double format = -1;
    uint64_t random;
    struct codec *codec;
    int status;

    if (!convert_number(args[0], &format) || !(format == 0 || format == 1 || format == 2))
        return turn_throw(js, "TypeError", "no format");
    if (js->codecs == NULL)
        js->codecs = anqa_heap_calloc(1, sizeof *js->codecs);
    if (js->codecs->count == CODECS_MAX)
        return full(js, args[2],
            anqa_tmp_printf("more than %d streams compress or decompress", CODECS_MAX));
    codec = anqa_heap_calloc(1, sizeof *codec);
    image_random(js, &random, sizeof random);
    codec->id = (double)(random >> 12);
    codec->all = js->codecs;
    codec->inflates = args[1] == JS_TRUE;
    codec->z.zalloc = take;
    codec->z.zfree = put;
    codec->z.opaque = codec;
    status = codec->inflates ? inflateInit2(&codec->z, bits[(int)format])
                             : deflateInit2(&codec->z, Z_DEFAULT_COMPRESSION, Z_DEFLATED,
                                   bits[(int)format], MEMORY_LEVEL, Z_DEFAULT_STRATEGY);
    if (status != Z_OK) {
        anqa_heap_free(codec);
        return full(js, args[2],
            anqa_tmp_printf(
                "streams that compress and decompress hold more than %d MiB", MEMORY_MAX >> 20));
    }
    js->codecs->list[js->codecs->count++] = codec;
    return convert_double(codec->id);
}

static uint64_t op_close(struct js *js, const uint64_t *args)
{
    uint32_t i = find(js, args[0]);

    if (js->codecs == NULL || i == js->codecs->count)
        return JS_FALSE;
    codec_free(js->codecs->list[i]);
    js->codecs->list[i] = js->codecs->list[--js->codecs->count];
    return JS_TRUE;
}

void web_drop_codecs(struct js *js)
{
    while (js->codecs != NULL && js->codecs->count > 0)
        codec_free(js->codecs->list[--js->codecs->count]);
}

/* A Uint8Array that is given. */
static bool bytes_arg(struct js *js, uint64_t value, uint32_t *ret_at, uint32_t *ret_len)
{
    struct engine *e = &js->engine;
    uint32_t sp = e->sp, out;

    if (JS_TAG(value) != JS_TAG_OBJECT)
        return false;
    out = js_frame(js, 16);
    *ret_at = q_JS_GetUint8Array(e, js->image->ctx, out, value);
    *ret_len = *ret_at == 0 ? 0 : js_u32(js, out);
    e->sp = sp;
    if (q_JS_HasException(e, js->image->ctx))
        turn_free(js, q_JS_GetException(e, js->image->ctx));
    return *ret_at != 0;
}

/* One step; false: the bytes are malformed. */
static bool run(struct codec *codec, bool last)
{
    int status;

    if (codec->ended)
        return true;
    status = codec->inflates ? inflate(&codec->z, Z_NO_FLUSH)
                             : deflate(&codec->z, last ? Z_FINISH : Z_NO_FLUSH);
    codec->ended = status == Z_STREAM_END;
    return codec->ended || status == Z_OK || status == Z_BUF_ERROR;
}

/* (id, bytes, from, to, last): reads `bytes` from there on and writes to `to`. What was read, written, and whether the
 * stream has ended, in one number; -1: the bytes are malformed; -2: there is no such codec. */
static uint64_t op_run(struct js *js, const uint64_t *args)
{
    uint32_t in = 0, in_len = 0, out = 0, out_len = 0, read, written;
    struct codec *codec;
    double from = 0;
    uint64_t answer;

    (void)bytes_arg(js, args[1], &in, &in_len);
    if (!bytes_arg(js, args[3], &out, &out_len) || !convert_number(args[2], &from) ||
        !(from >= 0 && from <= in_len))
        return turn_throw(js, "TypeError", "no bytes");
    codec = codec_of(js, args[0]); /* from here on nothing of the script runs that could close it */
    if (codec == NULL)
        return convert_double(-2);
    read = in_len - (uint32_t)from < PIECE_MAX ? in_len - (uint32_t)from : PIECE_MAX;
    written = out_len < PIECE_MAX ? out_len : PIECE_MAX;
    codec->z.next_in = js_at(js, in + (uint32_t)from, read);
    codec->z.avail_in = read;
    codec->z.next_out = js_at(js, out, written);
    codec->z.avail_out = written;
    if (!run(codec, args[4] == JS_TRUE && (uint32_t)from + read == in_len))
        return convert_double(-1);
    read -= codec->z.avail_in;
    written -= codec->z.avail_out;
    answer = (uint64_t)codec->ended << ENDED_BIT | (uint64_t)written << WRITTEN_BIT | read;
    preempt_point(js);
    return convert_double((double)answer);
}

const struct js_op web_compression_ops[] = {
    {op_open, false}, {op_close, false}, {op_run, false}, {0}};
