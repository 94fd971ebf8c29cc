/**
 * anqa/compress.h - answers that are compressed while they are sent.
 *
 *     static const anqa_endpoint endpoint = {
 *         .plugs = (const anqa_plug[]){{.call = anqa_compress}, {0}},
 *         .router = &router,
 *     };
 *
 * The plug anqa_compress stands before those that answer, in the pipeline of an endpoint or in that of some routes. It has the answer
 * of the request compressed with gzip if the client takes that (Accept-Encoding, with its weights) and if it is
 *
 * - a body that is sent as a whole and has some length, or a stream (anqa_send_chunked, server-sent events), but no file:
 *   those are compressed once, ahead of time (`.gzip` and `.brotli` of anqa_static_files);
 * - of a type that is worth it: texts, JSON, XML, JavaScript, SVG and the like, not pictures;
 * - not compressed already, nor a part (206, content-range), nor forbidden to be changed (`cache-control: no-transform`), nor
 *   one whose bytes a digest has been taken of.
 *
 * Such an answer has `vary: accept-encoding` also where this client is sent it as it is. A strong tag becomes a weak one, as bytes
 * differ from what the tag was made of. To HEAD the head is sent that GET has.
 *
 * Each chunk of a stream can be read by the client as soon as it is sent. Of a whole body that does not become shorter the body
 * itself is sent.
 *
 * Cost. A whole body takes 300 KB while it is compressed and as much as comes out, on the heap of its process; a stream takes
 * 300 KB as long as it is open, one of server-sent events, of which there may be many, 45 KB. Others run after each 64 KB of
 * input. A millisecond compresses about 90 KB of HTML at the level 4. There is gzip alone: brotli at the same speed
 * makes a tenth less of it, with 1 to 2 MB in place of 300 KB.
 *
 * Secrets. Whoever can have a page sent again and again with a text of his own in it (a search term), and sees how long the
 * answers are, learns piece by piece a secret that stands in the same page, also through TLS (BREACH). The tokens of
 * anqa/csrf.h look different in each answer, so they are safe. Where a page has other secrets of a session beside what comes
 * from the request, leave it uncompressed: put the plug in the pipelines of other routes, or `cache-control: no-transform` there.
 *
 * A library that was built without zlib compresses nothing.
 *
 * Threads. Options are `static const`. The plug is for the process of the connection.
 */
#ifndef ANQA_COMPRESS_H
#define ANQA_COMPRESS_H

#include <anqa/conn.h>

ANQA_BEGIN_DECLS

/** What is compressed. Zero is a sensible default everywhere. */
typedef struct anqa_compress_opts {
    size_t min_bytes; /* of a whole body: shorter ones are not worth it; 0: 1,024 */
    int level;        /* from 1, the fastest, to 9, the smallest; 0: 4 */
    /* "text/plain", "text" followed by "/" and "*" for all its kinds, "application" followed by "/" and "*+json" for those that end so;
     * NULL ends them; NULL: those that are named above */
    const char *const *types;
    bool no_streams; /* whole bodies only */
} anqa_compress_opts;

/** The plug. opts: anqa_compress_opts, or NULL.   Context: process of the connection. */
ANQA_API void anqa_compress(anqa_conn *conn, const void *opts);

ANQA_END_DECLS

#endif
