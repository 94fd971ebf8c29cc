/* http/h2.h and http/h2_stream.h where the library is built without HTTP/2: no connection ever comes here. */
#include "http/h2.h"

#include <anqa/process.h>

#include "http/h2_stream.h"

enum h2_preface h2_preface(const char *bytes, size_t len)
{
    return H2_OTHER;
}

static _Noreturn void never(void)
{
    anqa_invariant_failed("there is no HTTP/2 in this build", __FILE__, __LINE__);
}

void h2_begin(struct conn *conn)
{
    never();
}

size_t h2_take(struct conn *conn, const char *bytes, size_t len)
{
    never();
}

void h2_pull(struct conn *conn)
{
    never();
}

void h2_timeout(struct conn *conn)
{
    never();
}

void h2_input_over(struct conn *conn)
{
    never();
}

void h2_leave(struct conn *conn)
{
    never();
}

void h2_gone(struct conn *conn)
{
    never();
}

bool stream_head(struct conn *conn, anqa_str head, bool follows)
{
    never();
}

void stream_finish(struct conn *conn)
{
    never();
}

void stream_flush(struct conn *conn)
{
    never();
}

bool stream_wait_room(struct conn *conn, uint32_t below)
{
    never();
}

bool stream_write(struct conn *conn, anqa_str bytes)
{
    never();
}

bool stream_write_file(struct conn *conn, int fd, struct range range)
{
    never();
}

void stream_count(struct conn *conn, int64_t bytes)
{
    never();
}

bool stream_allow(struct conn *conn, int64_t bytes)
{
    never();
}

bool stream_may_hold(const struct conn *conn, size_t size, size_t limit)
{
    never();
}

bool stream_timeout(struct conn *conn)
{
    never();
}

void stream_close(struct conn *conn)
{
    never();
}

void stream_lost(struct conn *conn)
{
    never();
}

void stream_peer(const struct conn *conn, char text[ANQA_ADDRESS_TEXT])
{
    never();
}
