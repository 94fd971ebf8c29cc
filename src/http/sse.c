/* Server-sent events (HTML, 9.2). See anqa/plugs.h. */
#include <anqa/memory.h>
#include <anqa/plugs.h>
#include <anqa/process.h>

anqa_status anqa_sse_begin(anqa_conn *conn)
{
    anqa_conn_put_resp_header(conn, "content-type", anqa_str_of("text/event-stream"));
    anqa_conn_put_resp_header(conn, "cache-control", anqa_str_of("no-cache"));
    return anqa_send_chunked(conn, 200);
}

static const char *field(const char *name, const char *value)
{
    if (value == NULL)
        return "";
    if (strpbrk(value, "\r\n") != NULL)
        anqa_exit(anqa_error_reason("an event's field %s has a line break in it", name));
    return anqa_tmp_printf("%s: %s\n", name, value);
}

/* The length of the line at the front, and in *ret_next where the next one begins: CR, LF or both end it. */
static size_t line_len(anqa_str text, size_t *ret_next)
{
    size_t len = 0;

    while (len < text.len && text.ptr[len] != '\r' && text.ptr[len] != '\n')
        len++;
    *ret_next = len + 1;
    if (len + 1 < text.len && text.ptr[len] == '\r' && text.ptr[len + 1] == '\n')
        *ret_next = len + 2;
    return len;
}

/* With the empty line that ends an event. There are at most as many lines as bytes, and one more. */
static anqa_str data_lines(anqa_str data)
{
    static const char prefix[] = "data: ";
    const size_t prefix_len = sizeof prefix - 1;
    char *text = anqa_arena_alloc(anqa_tmp(), (data.len + 1) * (prefix_len + 1) + data.len + 1);
    size_t len = 0;

    for (;;) {
        size_t next, n = line_len(data, &next);
        memcpy(text + len, prefix, prefix_len);
        if (n != 0)
            memcpy(text + len + prefix_len, data.ptr, n);
        len += prefix_len + n;
        text[len++] = '\n';
        if (next > data.len) {
            text[len++] = '\n';
            return anqa_str_make(text, len);
        }
        data = anqa_str_make(data.ptr + next, data.len - next);
    }
}

anqa_status anqa_sse_send(anqa_conn *conn, const anqa_sse_event *event)
{
    const char *head =
        anqa_tmp_printf("%s%s%s", field("event", event->event), field("id", event->id),
            event->retry_ms == 0 ? "" : anqa_tmp_printf("retry: %u\n", event->retry_ms));
    anqa_status status = anqa_chunk(conn, anqa_str_of(head));

    if (status != ANQA_OK)
        return status;
    return anqa_chunk(conn, event->data.len == 0 ? anqa_str_of("\n") : data_lines(event->data));
}

anqa_status anqa_sse_heartbeat(anqa_conn *conn)
{
    return anqa_chunk(conn, anqa_str_of(":\n\n"));
}
