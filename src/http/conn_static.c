/* Static files on a connection. See conn.h. */
#include "http/conn_int.h"

#include <anqa/memory.h>

#include "http/file_cache.h"

static bool write_several(struct conn *conn, int fd, const struct byteranges *parts)
{
    char text[BYTERANGES_TEXT];

    for (unsigned i = 0; i < parts->ranges.count; i++)
        if (!conn_write(conn, byteranges_head(parts, i, text)) ||
            !conn_write_file(conn, fd, parts->ranges.at[i]))
            return false;
    return conn_write(conn, byteranges_head(parts, parts->ranges.count, text));
}

static bool write_content(
    struct conn *conn, int fd, struct range range, const struct byteranges *parts)
{
    if (parts->ranges.count != 0)
        return write_several(conn, fd, parts);
    return range.length == 0 || conn_write_file(conn, fd, range);
}

static void send_file(struct conn *conn, const struct static_mount *mount,
    const struct static_file *file, const struct request *request, anqa_str hsts)
{
    char *head = anqa_arena_alloc(anqa_tmp(), RESPONSE_HEAD_SIZE);
    struct byteranges parts;
    struct response response;
    anqa_str text;
    struct range range =
        static_write_head(&response, head, RESPONSE_HEAD_SIZE, mount, file, request, &parts);

    if (hsts.len != 0)
        response_header(&response, "strict-transport-security", hsts);
    if (!conn->streamed)
        h1_connection_field(conn, &response);
    conn->answered = conn->partial = true;
    if (response_finish(&response, &text) != ANQA_OK)
        conn_kill(conn, true);
    else if (conn_write_head(conn, text, range.length != 0 || parts.ranges.count != 0) &&
             write_content(conn, file->fd, range, &parts))
        conn_answer_over(conn);
}

static void unref(void *kept)
{
    kept_file_unref(kept);
}

bool conn_serve_static(struct conn *conn, const struct static_mount *mount,
    const struct request *request, anqa_str hsts)
{
    struct kept_file *kept;
    anqa_deferred deferred;

    switch (file_cache_find(outlet_files(), mount, request, &kept)) {
    case STATIC_PASS:
    case STATIC_DENIED:
    case STATIC_MISSING: return false;
    case STATIC_BUSY:
        conn_respond(conn, 503, "text/plain; charset=utf-8",
            anqa_str_of("no file can be opened for the moment\n"));
        return true;
    case STATIC_FOUND: break;
    }
    deferred = anqa_defer(unref, kept);
    send_file(conn, mount, &kept->file, request, hsts);
    anqa_defer_cancel(deferred);
    kept_file_unref(kept);
    return true;
}
