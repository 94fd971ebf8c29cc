/* What comes compressed (--deflate). Messages refer to none before them. */
#include "client.h"

#ifdef HAVE_ZLIB

#include <zlib.h>

#define LONGEST (4u << 20)

bool cl_inflate(unsigned char **data, size_t *len)
{
    static unsigned char *out, tail[4] = {0, 0, 0xff, 0xff};
    static z_stream z;
    int ok;
    if (!out) {
        out = grow(NULL, LONGEST);
        if (inflateInit2(&z, -15) != Z_OK)
            die(2, "zlib: no memory");
    }
    inflateReset(&z);
    z.next_in = *data;
    z.avail_in = (uInt)*len;
    z.next_out = out;
    z.avail_out = LONGEST;
    ok = inflate(&z, Z_SYNC_FLUSH);
    z.next_in = tail;
    z.avail_in = sizeof tail;
    if (ok != Z_OK || inflate(&z, Z_SYNC_FLUSH) != Z_OK || z.avail_in)
        return false;
    *data = out;
    *len = LONGEST - z.avail_out;
    return true;
}

#else

bool cl_inflate(unsigned char **data, size_t *len)
{
    die(2, "--deflate: built without zlib");
}

#endif
