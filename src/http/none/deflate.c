/* http/deflate.h where the library is built without zlib: nothing is negotiated, so nothing here is called. */
#include "http/deflate.h"

const bool deflate_available = false;

struct deflater *deflater_new(void)
{
    return NULL;
}

void deflater_free(struct deflater *deflater)
{
}

anqa_str deflater_run(struct deflater *deflater, const anqa_str *pieces, size_t count)
{
    return (anqa_str){NULL, 0};
}

struct inflater *inflater_new(unsigned window_bits)
{
    return NULL;
}

void inflater_free(struct inflater *inflater)
{
}

void inflater_begin(struct inflater *inflater, size_t len, size_t limit)
{
}

enum inflate_result inflater_run(struct inflater *inflater, const char *bytes, anqa_str *ret_new)
{
    return INFLATE_BAD;
}

anqa_str inflater_message(const struct inflater *inflater)
{
    return (anqa_str){NULL, 0};
}

void inflater_drop(struct inflater *inflater)
{
}
