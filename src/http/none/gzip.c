/* http/gzip.h where the library is built without zlib. */
#include "http/gzip.h"

const bool gzip_available = false;

struct gzip *gzip_new(int level, bool small)
{
    return NULL;
}

void gzip_free(struct gzip *gzip)
{
}

anqa_status gzip_write(
    struct gzip *gzip, anqa_str data, enum gzip_flush flush, gzip_sink sink, void *arg)
{
    return ANQA_E_UNSUPPORTED;
}
