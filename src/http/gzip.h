/*
 * A gzip stream (RFC 1952) in the making, over zlib. A library that is built without it (src/http/none) has none, and nothing here is called then.
 *
 * Its memory is that of the process that makes it (anqa_heap): 300 KB, or 45 KB for a small one, which remembers 4 KB of what came before and
 * suits streams that stay open. Work is done in slices: between them others run, so a long text stops no scheduler.
 *
 * owner: the process that made it. gzip_write may wait.
 */
#ifndef HTTP_GZIP_H
#define HTTP_GZIP_H

#include <anqa/base.h>

/* Whether there is a zlib. Constant. */
extern const bool gzip_available;

struct gzip;

enum gzip_flush {
    GZIP_MORE,  /* what came may be held back until more comes */
    GZIP_FLUSH, /* the reader can read all that came */
    GZIP_END    /* nothing more comes */
};

/* Takes a piece of the output, not empty, before it returns; may wait. What it fails with ends the writing. */
typedef anqa_status (*gzip_sink)(void *arg, anqa_str piece);

/* level: 1 to 9. */
struct gzip *gzip_new(int level, bool small);
/* NULL does nothing. */
void gzip_free(struct gzip *gzip);

/* Fails: with what the sink fails with. */
anqa_status gzip_write(struct gzip *gzip, anqa_str data, enum gzip_flush flush, gzip_sink sink,
    void *arg) ANQA_MUST_CHECK;

#endif
