/* Server-sent events (HTML, 9.2). See anqa/plugs.h. */
#include <anqa/memory.h>
#include <anqa/plugs.h>
#include <anqa/process.h>

#include <stdio.h>

#define DATA "data: "

anqa_status anqa_sse_begin(anqa_conn *conn)
{
    anqa_conn_put_resp_header(conn, "content-type", anqa_str_of("text/event-stream"));
    anqa_conn_put_resp_header(conn, "cache-control", anqa_str_of("no-cache"));
    return anqa_send_chunked(conn, 200);
}

/* ---------------------------------------------------------------- the text of an event */

/* On the heap, as a stream of events may outlive what the event's memory could hold. */
struct text {
    char *bytes;
    size_t len;
};

static void add(struct text *text, const char *bytes, size_t len)
{
    if (len != 0)
        memcpy(text->bytes + text->len, bytes, len);
    text->len += len;
}

static void add_word(struct text *text, const char *word)
{
    add(text, word, strlen(word));
}

static void add_field(struct text *text, const char *name, const char *value)
{
    if (value == NULL)
        return;
    add_word(text, name);
    add_word(text, ": ");
    add_word(text, value);
    add_word(text, "\n");
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

static void add_lines(struct text *text, anqa_str data)
{
    for (;;) {
        size_t next, len = line_len(data, &next);
        add_word(text, DATA);
        add(text, data.ptr, len);
        add_word(text, "\n");
        if (next > data.len)
            return;
        data = anqa_str_make(data.ptr + next, data.len - next);
    }
}

/* ---------------------------------------------------------------- sending it */

static size_t check_field(const char *name, const char *value)
{
    if (value == NULL)
        return 0;
    if (strpbrk(value, "\r\n") != NULL)
        anqa_exit(anqa_error_reason("an event's field %s has a line break in it", name));
    return strlen(name) + strlen(value) + strlen(": \n");
}

static size_t count_lines(anqa_str data)
{
    size_t count = 1;

    for (size_t i = 0; i < data.len; i++)
        count += data.ptr[i] == '\r' || data.ptr[i] == '\n';
    return count;
}

anqa_status anqa_sse_send(anqa_conn *conn, const anqa_sse_event *event)
{
    char retry[16] = "";
    const char *retry_field = event->retry_ms == 0 ? NULL : retry;
    size_t fields = check_field("event", event->event) + check_field("id", event->id) +
                    strlen("retry: \n\n") + sizeof retry;
    struct text text = {
        anqa_heap_alloc(fields + event->data.len + count_lines(event->data) * strlen(DATA "\n")),
        0};
    anqa_status status;

    (void)snprintf(retry, sizeof retry, "%u", event->retry_ms);
    add_field(&text, "event", event->event);
    add_field(&text, "id", event->id);
    add_field(&text, "retry", retry_field);
    if (event->data.len != 0)
        add_lines(&text, event->data);
    add_word(&text, "\n");
    status = anqa_chunk(conn, anqa_str_make(text.bytes, text.len));
    anqa_heap_free(text.bytes);
    return status;
}

anqa_status anqa_sse_heartbeat(anqa_conn *conn)
{
    return anqa_chunk(conn, anqa_str_of(":\n\n"));
}
