/*
 * Any bytes as a form in parts. The first byte says how long the pieces are in which they come, the next how long the boundary
 * is, which follows. What must hold: pieces lie in the bytes, in order; heads are short; what is read of a form that comes in
 * pieces is what is read of the whole; names of files are no paths.
 */
#include "http/multipart.h"

#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* All that was read, as text: events and data. */
struct record {
    char *text;
    size_t len;
    enum multipart_event last;
};

static void require(bool holds)
{
    if (!holds)
        abort();
}

static void add(struct record *record, const char *bytes, size_t len)
{
    memcpy(record->text + record->len, bytes, len);
    record->len += len;
}

static void check_head(anqa_str head)
{
    struct multipart_head parts;
    char *out = malloc(head.len + 1);
    anqa_str text;

    require(out != NULL && head.len <= MULTIPART_HEAD_MAX);
    if (multipart_head_read(head, &parts) &&
        multipart_param(parts.disposition, "filename", out, &text)) {
        anqa_str base = multipart_base_name(text);
        require(text.len <= parts.disposition.len && base.len <= text.len);
        require(!anqa_str_is(base, "..") && memchr(base.ptr, '/', base.len) == NULL);
    }
    free(out);
}

static void note(struct record *record, enum multipart_event event, anqa_str piece)
{
    record->last = event;
    if (event == MULTIPART_HEAD) {
        check_head(piece);
        add(record, "H", 1);
    } else if (event == MULTIPART_END) {
        add(record, "E", 1);
    }
    if (event == MULTIPART_HEAD || event == MULTIPART_DATA)
        add(record, piece.ptr, piece.len);
}

/* Reads `bytes` of which `step` come at a time. */
static struct record read_in(anqa_str boundary, anqa_str bytes, size_t step)
{
    struct record record = {.text = malloc(2 * bytes.len + 1)};
    struct multipart multipart;
    size_t at = 0, end = 0, taken;

    require(record.text != NULL && multipart_init(&multipart, boundary) == ANQA_OK);
    for (;;) {
        anqa_str given = anqa_str_make(bytes.ptr + at, end - at), piece = {NULL, 0};
        enum multipart_event event = multipart_next(&multipart, given, &taken, &piece);
        require(taken <= given.len && piece.len <= given.len);
        require(event != MULTIPART_MORE || (taken == 0 && given.len < MULTIPART_ROOM));
        note(&record, event, piece);
        at += taken;
        if (event >= MULTIPART_DONE || (event == MULTIPART_MORE && end == bytes.len))
            return record;
        if (event == MULTIPART_MORE)
            end += bytes.len - end < step ? bytes.len - end : step;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    anqa_str boundary, bytes;
    struct multipart multipart;
    struct record whole, split;

    if (size < 2 || size > 20000 || size - 2 < data[1])
        return 0;
    boundary = anqa_str_make((const char *)data + 2, data[1]);
    bytes = anqa_str_make(boundary.ptr + boundary.len, size - 2 - boundary.len);
    if (multipart_init(&multipart, boundary) != ANQA_OK)
        return 0;
    whole = read_in(boundary, bytes, bytes.len + 1);
    split = read_in(boundary, bytes, data[0] + 1u);
    require(whole.len == split.len && memcmp(whole.text, split.text, whole.len) == 0);
    require(whole.last == split.last);
    free(whole.text);
    free(split.text);
    return 0;
}
