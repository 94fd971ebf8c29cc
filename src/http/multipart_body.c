/* A form in parts, from a connection: fields to memory, files to the disk. See multipart.h for how it is cut. */
#include "http/multipart.h"

#include <assert.h>

#include <anqa/log.h>
#include <anqa/memory.h>

#include "base/utf8.h"
#include "http/form.h"
#include "http/named.h"
#include "http/parsers.h"
#include "http/request.h"
#include "http/upload.h"
#include "http/url.h"

#define LENGTH 8000000u
#define FIELD_LENGTH 1000000u
#define FILES 20u
#define BUFFER ((size_t)16 << 10)

static_assert(BUFFER >= MULTIPART_ROOM, "a head has to fit");

/* Lies on the stack of multipart_read; all that it points to is the request's. */
struct reader {
    anqa_conn *conn;
    const anqa_parsers_opts *opts;
    struct multipart multipart;
    char *buf; /* BUFFER bytes, of which from `at` to `end` are not done with */
    size_t at, end;
    size_t total, length, parts, files; /* of `length` bytes at most */
    struct form_pair *pairs;
    size_t pair_count;
    struct spool *spool;   /* NULL: there was no file yet */
    struct upload *upload; /* this part is a file */
    bool is_field;         /* or a value */
    anqa_str name;
    char *text;
    size_t len, cap;
};

static size_t limit(size_t given, size_t otherwise)
{
    return given == 0 ? otherwise : given;
}

static bool refuse(struct reader *reader, unsigned status, const char *why)
{
    parsers_refuse(reader->conn, status, why);
    return false;
}

/* ---------------------------------------------------------------- a part begins */

static bool is_text(anqa_str text)
{
    return utf8_valid(text.ptr, text.len);
}

/* RFC 8187: UTF-8''caf%C3%A9.txt */
static bool decode_extended(anqa_str text, char *out, anqa_str *ret_text)
{
    static const anqa_str charset = {"utf-8'", 6};
    size_t len = charset.len;
    const char *quote;

    if (text.len < len || !request_same_word(anqa_str_make(text.ptr, len), charset))
        return false;
    quote = memchr(text.ptr + len, '\'', text.len - len);
    if (quote == NULL)
        return false;
    len = (size_t)(quote + 1 - text.ptr);
    return url_decode(anqa_str_make(quote + 1, text.len - len), 0, out, text.len, ret_text) ==
           ANQA_OK;
}

/* The name of a file. False: it is none.   ret_filename: empty where no file was chosen. */
static bool file_name(anqa_str disposition, anqa_str *ret_filename)
{
    char *out = anqa_arena_alloc(anqa_tmp(), disposition.len);
    char *decoded = anqa_arena_alloc(anqa_tmp(), disposition.len);
    anqa_str text;

    if (multipart_param(disposition, "filename*", out, &text) &&
        decode_extended(text, decoded, ret_filename))
        return true;
    return multipart_param(disposition, "filename", out, ret_filename);
}

static bool begin_file(struct reader *reader, anqa_str filename, anqa_str type)
{
    struct params *params = params_of(reader->conn);
    struct upload *upload = anqa_arena_calloc(anqa_tmp(), 1, sizeof *upload);

    reader->files++;
    if (reader->files > limit(reader->opts->max_files, FILES))
        return refuse(reader, 413, "the form has too many files");
    if (reader->spool == NULL)
        reader->spool = spool_new();
    if (!spool_open(reader->spool, reader->opts->upload_dir)) {
        anqa_log(ANQA_ERROR, "http.upload.failed", "errno=%d", reader->spool->errnum);
        return refuse(reader, 500, "a file could not be kept");
    }
    filename = multipart_base_name(filename);
    upload->pub = (anqa_upload){.name = reader->name,
        .filename = anqa_str_make(anqa_tmp_copy(filename.ptr, filename.len), filename.len),
        .content_type = anqa_str_make(anqa_tmp_copy(type.ptr, type.len), type.len),
        .fd = reader->spool->fd};
    upload->next = params->uploads;
    params->uploads = reader->upload = upload;
    return true;
}

/* What has no name, and a file that was not chosen, is read over. */
static bool begin_part(struct reader *reader, anqa_str text)
{
    struct multipart_head head;
    anqa_str name, filename;
    char *out;

    reader->upload = NULL;
    reader->is_field = false;
    reader->len = 0;
    reader->parts++;
    if (reader->parts > limit(reader->opts->max_parts, QUERY_PAIRS_MAX) ||
        reader->parts > QUERY_PAIRS_MAX)
        return refuse(reader, 400, "the form has too many parts");
    if (!multipart_head_read(text, &head))
        return refuse(reader, 400, "the head of a part can not be read");
    out = anqa_arena_alloc(anqa_tmp(), head.disposition.len);
    if (head.disposition.len == 0 || !multipart_param(head.disposition, "name", out, &name))
        return true;
    reader->name = anqa_str_make(anqa_tmp_copy(name.ptr, name.len), name.len);
    reader->is_field = !file_name(head.disposition, &filename);
    if (!is_text(name) || (!reader->is_field && !is_text(filename)) || !is_text(head.type))
        return refuse(reader, 400, "a name in the form is not UTF-8");
    if (reader->is_field || filename.len == 0)
        return true;
    return begin_file(reader, filename, head.type);
}

/* ---------------------------------------------------------------- its data, and its end */

static bool take_text(struct reader *reader, anqa_str piece)
{
    if (reader->len + piece.len > limit(reader->opts->field_length, FIELD_LENGTH))
        return refuse(reader, 413, "a value of the form is too long");
    if (reader->len + piece.len > reader->cap) {
        char *larger;
        reader->cap = 2 * (reader->len + piece.len);
        larger = anqa_arena_alloc(anqa_tmp(), reader->cap);
        if (reader->len != 0)
            memcpy(larger, reader->text, reader->len);
        reader->text = larger;
    }
    memcpy(reader->text + reader->len, piece.ptr, piece.len);
    reader->len += piece.len;
    return true;
}

static bool take_data(struct reader *reader, anqa_str piece)
{
    if (reader->is_field)
        return take_text(reader, piece);
    if (reader->upload == NULL)
        return true;
    reader->upload->pub.size += piece.len;
    if (reader->upload->pub.size > limit(reader->opts->file_length, SIZE_MAX))
        return refuse(reader, 413, "a file of the form is too long");
    return spool_write(reader->spool, piece) || refuse(reader, 500, "a file could not be kept");
}

static void add_pair(struct reader *reader, anqa_json value)
{
    reader->pairs[reader->pair_count++] = (struct form_pair){reader->name, value};
}

static bool end_part(struct reader *reader)
{
    const anqa_upload *upload = reader->upload == NULL ? NULL : &reader->upload->pub;
    anqa_str text = anqa_str_make(reader->text, reader->len);

    if (reader->is_field) {
        if (!is_text(text))
            return refuse(reader, 400, "a value of the form is not UTF-8");
        add_pair(reader, named_text(text));
    }
    if (upload == NULL)
        return true;
    if (!spool_finish(reader->spool))
        return refuse(reader, 500, "a file could not be kept");
    add_pair(reader, anqa_jsonf("{'filename': %.*s, 'content_type': %.*s, 'size': %llu}",
                         ANQA_FMT(upload->filename), ANQA_FMT(upload->content_type),
                         (unsigned long long)upload->size));
    return true;
}

/* ---------------------------------------------------------------- the whole */

static bool read_more(struct reader *reader)
{
    anqa_status status;
    size_t n;

    memmove(reader->buf, reader->buf + reader->at, reader->end - reader->at);
    reader->end -= reader->at;
    reader->at = 0;
    status = anqa_conn_read_part(reader->conn, reader->buf + reader->end, BUFFER - reader->end,
        reader->opts->read_timeout_ms, &n);
    if (status != ANQA_OK) {
        parsers_refuse_unread(reader->conn, status);
        return false;
    }
    if (n == 0)
        return refuse(reader, 400, "the form ends before its last part does");
    reader->end += n;
    reader->total += n;
    return reader->total <= reader->length || refuse(reader, 413, "the form is too long");
}

/* Reads up to the last part's end; false: it was answered. */
static bool read_parts(struct reader *reader)
{
    bool goes_on = true;

    while (goes_on) {
        anqa_str bytes = anqa_str_make(reader->buf + reader->at, reader->end - reader->at), piece;
        size_t taken;
        enum multipart_event event = multipart_next(&reader->multipart, bytes, &taken, &piece);
        switch (event) {
        case MULTIPART_MORE: goes_on = read_more(reader); break;
        case MULTIPART_SKIP: break;
        case MULTIPART_HEAD: goes_on = begin_part(reader, piece); break;
        case MULTIPART_DATA: goes_on = take_data(reader, piece); break;
        case MULTIPART_END: goes_on = end_part(reader); break;
        case MULTIPART_DONE: return true;
        case MULTIPART_REFUSED: return refuse(reader, 400, "a boundary of the form is malformed");
        case MULTIPART_TOO_LONG: return refuse(reader, 400, "the head of a part is too long");
        }
        reader->at += taken;
    }
    return false;
}

void multipart_read(anqa_conn *conn, const anqa_parsers_opts *opts, anqa_str content_type)
{
    struct reader reader = {.conn = conn, .opts = opts};
    anqa_str boundary = {"", 0};
    anqa_json object;

    (void)multipart_param(
        content_type, "boundary", anqa_arena_alloc(anqa_tmp(), content_type.len), &boundary);
    if (multipart_init(&reader.multipart, boundary) != ANQA_OK) {
        parsers_refuse(conn, 400, "the form has no boundary that can be");
        return;
    }
    reader.length = parsers_length(conn, opts->multipart_length, LENGTH);
    if (opts->multipart_length != 0)
        anqa_conn_limit_body(conn, reader.length);
    reader.buf = anqa_arena_alloc(anqa_tmp(), BUFFER);
    reader.pairs = anqa_arena_alloc(anqa_tmp(), QUERY_PAIRS_MAX * sizeof *reader.pairs);
    if (!read_parts(&reader))
        return;
    if (form_nest(reader.pairs, reader.pair_count, &object) != ANQA_OK)
        parsers_refuse(conn, 400, "the form has too deep parameters");
    else
        params_put_body(conn, object);
}
