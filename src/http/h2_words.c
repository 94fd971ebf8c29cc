/* What is said for streams whose processes are gone. See h2_int.h. */
#include "http/h2_int.h"

#include <stdlib.h>
#include <string.h>

/* The content of an answer that nobody else holds any more. owner: struct h2 */
struct words {
    struct anqa_list_node node;
    int32_t stream;
    bool given_up; /* nghttp2 knows, and may still have to tell the client */
    size_t at, len;
    char bytes[];
};

static void drop(struct words *words)
{
    anqa_list_remove(&words->node);
    free(words);
}

static ssize_t on_words(nghttp2_session *session, int32_t id, uint8_t *buf, size_t length,
    uint32_t *data_flags, nghttp2_data_source *source, void *user)
{
    struct words *words = source->ptr;
    size_t left = words->len - words->at, n = left < length ? left : length;

    memcpy(buf, words->bytes + words->at, n);
    words->at += n;
    if (words->at == words->len) {
        *data_flags |= NGHTTP2_DATA_FLAG_EOF;
        drop(words);
    }
    return (ssize_t)n;
}

static struct words *keep(struct h2 *h2, int32_t id, anqa_str text)
{
    struct words *words = malloc(sizeof *words + text.len);

    if (words == NULL)
        return NULL;
    *words = (struct words){.stream = id, .len = text.len};
    memcpy(words->bytes, text.ptr, text.len);
    anqa_list_push(&h2->words, &words->node);
    return words;
}

bool h2_words_say(
    struct h2 *h2, int32_t id, const nghttp2_nv *fields, size_t count, anqa_str content)
{
    struct words *words = content.len == 0 ? NULL : keep(h2, id, content);
    const nghttp2_data_provider provider = {.source.ptr = words, .read_callback = on_words};

    if (content.len != 0 && words == NULL)
        return false;
    if (nghttp2_submit_response(h2->session, id, fields, count, words == NULL ? NULL : &provider) ==
        0)
        return true;
    if (words != NULL)
        drop(words);
    return false;
}

static bool is_stuck(const struct h2 *h2, const struct words *words)
{
    return nghttp2_session_get_stream_remote_window_size(h2->session, words->stream) <= 0 ||
           nghttp2_session_get_remote_window_size(h2->session) <= 0;
}

void h2_words_give_up(struct h2 *h2, bool stuck)
{
    struct anqa_list_node *node;

    for (node = anqa_list_first(&h2->words); node != NULL;
        node = anqa_list_next(&h2->words, node)) {
        struct words *words = ANQA_CONTAINER_OF(node, struct words, node);
        if (words->given_up || (stuck && !is_stuck(h2, words)))
            continue;
        words->given_up = true;
        (void)nghttp2_submit_rst_stream(
            h2->session, NGHTTP2_FLAG_NONE, words->stream, NGHTTP2_CANCEL);
        h2_wake(h2);
    }
}

void h2_words_drop(struct h2 *h2, int32_t id)
{
    struct anqa_list_node *node, *next;

    for (node = anqa_list_first(&h2->words); node != NULL; node = next) {
        struct words *words = ANQA_CONTAINER_OF(node, struct words, node);
        next = anqa_list_next(&h2->words, node);
        if (id == 0 || words->stream == id)
            drop(words);
    }
}
