/* Static files on a connection. See conn.h. */
#include "http/conn_int.h"

#include <anqa/memory.h>

#include "http/static.h"

static void send_file(struct conn *conn, const struct static_mount *mount,
    const struct static_file *file, const struct request *request)
{
    char *head = anqa_arena_alloc(anqa_tmp(), RESPONSE_HEAD_SIZE);
    struct response response;
    anqa_str text;
    struct range range =
        static_write_head(&response, head, RESPONSE_HEAD_SIZE, mount, file, request);

    if (!conn->streamed)
        h1_connection_field(conn, &response);
    conn->answered = conn->partial = true;
    if (response_finish(&response, &text) != ANQA_OK)
        conn_kill(conn, true);
    else if (conn_write_head(conn, text, range.length != 0) &&
             (range.length == 0 || conn_write_file(conn, file->fd, range)))
        conn_answer_over(conn);
}

bool conn_serve_static(
    struct conn *conn, const struct static_mount *mount, const struct request *request)
{
    struct static_file file;
    anqa_deferred deferred;

    switch (static_find(mount, request, &file)) {
    case STATIC_PASS:
    case STATIC_DENIED:
    case STATIC_MISSING: return false;
    case STATIC_BUSY:
        conn_respond(conn, 503, "text/plain; charset=utf-8",
            anqa_str_of("no file can be opened for the moment\n"));
        return true;
    case STATIC_FOUND: break;
    }
    deferred = anqa_defer_close(file.fd);
    send_file(conn, mount, &file, request);
    anqa_defer_cancel(deferred);
    static_file_close(&file);
    return true;
}
