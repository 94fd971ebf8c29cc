/* What has come on a connection and was not taken yet. See conn.h. */
#include "http/conn_int.h"

#include <stdlib.h>
#include <string.h>

#include <anqa/process.h>

#define FIRST 4096u

static struct input *input_new(const char *bytes, size_t len)
{
    struct input *in;

    anqa_section_begin();
    in = malloc(sizeof *in + len);
    anqa_section_end();
    if (in == NULL)
        return NULL;
    *in = (struct input){.end = (uint32_t)len, .cap = (uint32_t)len};
    memcpy(in->bytes, bytes, len);
    return in;
}

static void input_free(struct conn *conn)
{
    free(conn->in);
    conn->in = NULL;
}

void input_keep(struct conn *conn, const char *bytes, size_t len)
{
    struct input *in = conn->in;

    if (len == 0) {
        input_free(conn);
        return;
    }
    if (in != NULL) {
        in->at = (uint32_t)(bytes - in->bytes);
        in->end = in->at + (uint32_t)len;
        return;
    }
    conn->in = input_new(bytes, len);
    if (conn->in == NULL)
        conn_kill(conn, true);
}

/* As much again as is kept, so that memory follows what has really come. */
static bool input_grow(struct conn *conn)
{
    struct input *larger, *in = conn->in;
    size_t cap = in->cap < FIRST / 2 ? FIRST : (size_t)in->cap * 2;

    anqa_section_begin();
    larger = realloc(in, sizeof *in + cap);
    anqa_section_end();
    if (larger == NULL)
        return false;
    larger->cap = (uint32_t)cap;
    conn->in = larger;
    return true;
}

char *input_room(struct conn *conn, size_t *ret_size)
{
    struct input *in = conn->in;

    if (in->at > 0) {
        memmove(in->bytes, in->bytes + in->at, in->end - in->at);
        in->end -= in->at;
        in->at = 0;
    }
    if (in->end == in->cap && !input_grow(conn))
        return NULL;
    in = conn->in;
    *ret_size = in->cap - in->end;
    return in->bytes + in->end;
}

size_t input_take(struct conn *conn, char *buf, size_t size)
{
    struct input *in = conn->in;
    size_t n = in->end - in->at;

    n = n < size ? n : size;
    memcpy(buf, in->bytes + in->at, n);
    in->at += (uint32_t)n;
    if (in->at == in->end)
        input_free(conn);
    return n;
}

bool input_add(struct conn *conn, const char *bytes, size_t len)
{
    while (len > 0 && conn->in != NULL) {
        size_t room;
        char *to = input_room(conn, &room);
        if (to == NULL)
            return false;
        room = room < len ? room : len;
        memcpy(to, bytes, room);
        conn->in->end += (uint32_t)room;
        bytes += room;
        len -= room;
    }
    if (len > 0)
        conn->in = input_new(bytes, len);
    return conn->in != NULL;
}

void input_put_back(struct conn *conn, const char *bytes, size_t len)
{
    if (conn->in == NULL)
        input_keep(conn, bytes, len);
    else /* it is still there */
        conn->in->at -= (uint32_t)len;
}
