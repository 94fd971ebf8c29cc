#include "js/snapshot.h"

#include <assert.h>

#include <anqa/memory.h>

#include "base/sha256.h"
#include "js/lines.h"

enum {
    VERSION = 1,
    WASM_PAGE = 65536,
    PIECE = 4 << 20, /* of memory, between two of which others have their turn */
    NAME_MOST = 255,
    TAIL = 2 * SHA256_LEN
};

#define MAGIC "\x89JSsnap\n"
#define MS_MOST ((uint64_t)1 << 53)

/* As it lies in the bytes, little endian as all platforms are (base.h). */
struct head {
    char magic[8];
    uint32_t version;
    uint32_t name_len;
    uint8_t engine[SHA256_LEN]; /* of its WebAssembly */
    uint8_t source[SHA256_LEN];
    uint8_t image[SHA256_LEN];
    uint32_t apis;
    uint32_t pages; /* of WebAssembly: how large its memory is */
    uint32_t next_id;
    uint32_t zero;
    uint64_t epoch;
    uint64_t taken_ms;   /* by the clock that timers count by */
    uint64_t pieces_len; /* bytes of all pieces */
};
static_assert(sizeof(struct head) == 152, "no holes");

/* ANQA_JS_ENGINE is made by the build (cmake/js.cmake): 64 hexadecimal digits. */
static void engine_id(uint8_t ret_id[static SHA256_LEN])
{
    static const char hex[] = ANQA_JS_ENGINE, digits[] = "0123456789abcdef";

    static_assert(sizeof hex == 2 * SHA256_LEN + 1, "ANQA_JS_ENGINE is a SHA-256");
    for (size_t i = 0; i < SHA256_LEN; i++)
        ret_id[i] = (uint8_t)((strchr(digits, hex[2 * i]) - digits) << 4 |
                              (strchr(digits, hex[2 * i + 1]) - digits));
}

/* ---------------------------------------------------------------- pieces */

static struct lines_source piece_at(const struct js *js, uint32_t at)
{
    const struct js_image *image = js->image;
    uint32_t size = js->engine.memory.size - at;

    return (struct lines_source){
        .memory = js->engine.memory.data + at,
        .image = at < image->size ? image->view + at : NULL,
        .size = size < PIECE ? size : PIECE,
        .image_size = at < image->size ? image->size - at : 0,
        .from = at < js->engine.sp ? js->engine.sp - at : 0,
    };
}

static struct lines_source cut(struct lines_source source)
{
    if (source.image_size > source.size)
        source.image_size = source.size;
    if (source.from > source.size)
        source.from = source.size;
    return source;
}

/* How many bytes the pieces take. */
static uint64_t measure(const struct js *js)
{
    uint64_t len = 0;

    for (uint64_t at = 0; at < js->engine.memory.size; at += PIECE) {
        struct lines_source source = cut(piece_at(js, (uint32_t)at));
        if (at > 0)
            anqa_yield();
        len += sizeof(uint32_t) + lines_encode(&source, NULL, 0);
    }
    return len;
}

struct writing {
    uint8_t *at;
    struct sha256 sha256;
};

static void put(struct writing *w, const void *bytes, size_t len)
{
    if (bytes != NULL)
        memcpy(w->at, bytes, len);
    sha256_feed(&w->sha256, w->at, len);
    w->at += len;
}

/* `room` is what measure said; nothing has run since. */
static void write_pieces(const struct js *js, struct writing *w, uint64_t room)
{
    uint8_t *end = w->at + room;

    for (uint64_t at = 0; at < js->engine.memory.size; at += PIECE) {
        struct lines_source source = cut(piece_at(js, (uint32_t)at));
        uint8_t *lines = w->at + sizeof(uint32_t);
        uint32_t len = (uint32_t)lines_encode(&source, lines, (size_t)(end - lines));
        ANQA_INVARIANT(lines + len <= end);
        put(w, &len, sizeof len);
        put(w, NULL, len);
        if (at > 0)
            anqa_yield();
    }
}

/* ---------------------------------------------------------------- taking */

static anqa_status fill_head(struct js *js, struct head *head, anqa_error *err)
{
    *head = (struct head){
        .version = VERSION,
        .name_len = (uint32_t)strlen(js->script->name),
        .apis = js->image->apis,
        .pages = js->engine.memory.pages,
        .next_id = js->next_id,
        .epoch = js->epoch,
        .taken_ms = anqa_now_ms(),
    };
    memcpy(head->magic, MAGIC, sizeof head->magic);
    engine_id(head->engine);
    memcpy(head->source, js->image->source_hash, sizeof head->source);
    if (head->name_len > NAME_MOST)
        return anqa_fail(err, ANQA_E_LIMIT,
            "a script whose name has more than %d bytes has no snapshots", NAME_MOST);
    if (!image_hash(js, head->image))
        return anqa_fail(err, ANQA_E_NOMEM, "the image of script '%s'", js->script->name);
    return ANQA_OK;
}

static void unref(void *buf)
{
    anqa_buf_unref(*(anqa_buf *)buf);
    anqa_heap_free(buf);
}

void snapshot_hold(anqa_buf bytes)
{
    anqa_buf *held = anqa_heap_alloc(sizeof *held);

    *held = bytes;
    (void)anqa_defer(unref, held);
}

static void fill(struct js *js, struct head *head, char *bytes)
{
    struct writing w = {.at = (uint8_t *)bytes};
    uint8_t digest[SHA256_LEN], witness[SHA256_LEN];

    sha256_init(&w.sha256);
    put(&w, head, sizeof *head);
    put(&w, js->script->name, head->name_len);
    write_pieces(js, &w, head->pieces_len);
    sha256_finish(&w.sha256, digest);
    sha256_hmac(js->rt->secret, sizeof js->rt->secret, digest, sizeof digest, witness);
    memcpy(w.at, digest, sizeof digest);
    memcpy(w.at + sizeof digest, witness, sizeof witness);
}

anqa_status snapshot_take(struct js *js, anqa_buf *ret_bytes, anqa_error *err)
{
    anqa_buf *held;
    anqa_deferred deferred;
    struct head head;
    char *bytes;
    anqa_status status = fill_head(js, &head, err);

    if (status != ANQA_OK)
        return status;
    head.pieces_len = measure(js);
    held = anqa_heap_alloc(sizeof *held);
    status = anqa_buf_new(sizeof head + head.name_len + head.pieces_len + TAIL, held, &bytes);
    if (status != ANQA_OK) {
        anqa_heap_free(held);
        return anqa_fail(err, status, "a snapshot of script '%s'", js->script->name);
    }
    deferred = anqa_defer(unref, held); /* whoever yields may be killed */
    fill(js, &head, bytes);
    *ret_bytes = anqa_buf_ref(*held);
    (void)anqa_defer_cancel(deferred);
    unref(held);
    return ANQA_OK;
}

/* ---------------------------------------------------------------- checking */

/* The parts of a snapshot that is whole. */
struct parts {
    struct head head;
    anqa_str name, pieces;
    const uint8_t *digest, *witness;
};

static anqa_status damaged(anqa_error *err, const char *what)
{
    return anqa_fail(err, ANQA_E_PARSE, "the snapshot is damaged: %s", what);
}

static anqa_status split(anqa_str bytes, struct parts *parts, anqa_error *err)
{
    struct head *head = &parts->head;

    if (bytes.len < sizeof head->magic || memcmp(bytes.ptr, MAGIC, sizeof head->magic) != 0)
        return anqa_fail(err, ANQA_E_PARSE, "this is no snapshot of a JavaScript process");
    if (bytes.len < offsetof(struct head, name_len))
        return damaged(err, "it ends too early");
    memcpy(&head->version, bytes.ptr + offsetof(struct head, version), sizeof head->version);
    if (head->version != VERSION)
        return anqa_fail(err, ANQA_E_VERSION,
            "the snapshot has the format %u, this library reads %d", head->version, VERSION);
    if (bytes.len < sizeof *head + TAIL)
        return damaged(err, "it ends too early");
    memcpy(head, bytes.ptr, sizeof *head);
    if (head->name_len > NAME_MOST || head->pieces_len > bytes.len ||
        sizeof *head + head->name_len + head->pieces_len + TAIL != bytes.len)
        return damaged(err, "it has not the length that it says");
    parts->name = anqa_str_make(bytes.ptr + sizeof *head, head->name_len);
    parts->pieces = anqa_str_make(parts->name.ptr + parts->name.len, head->pieces_len);
    parts->digest = (const uint8_t *)parts->pieces.ptr + parts->pieces.len;
    parts->witness = parts->digest + SHA256_LEN;
    return ANQA_OK;
}

static bool is_whole(anqa_str bytes, const struct parts *parts)
{
    uint8_t digest[SHA256_LEN];

    sha256_of(bytes.ptr, bytes.len - TAIL, digest);
    return memcmp(digest, parts->digest, sizeof digest) == 0;
}

static anqa_status check(anqa_str bytes, struct parts *parts, anqa_error *err)
{
    anqa_status status = split(bytes, parts, err);

    if (status == ANQA_OK && !is_whole(bytes, parts))
        return damaged(err, "its checksum is another");
    return status;
}

anqa_status snapshot_check(anqa_str bytes, anqa_error *err)
{
    struct parts parts;

    return check(bytes, &parts, err);
}

/* ---------------------------------------------------------------- putting back */

/* As long for any two, so that nobody finds a witness byte by byte. */
static bool same(const uint8_t *a, const uint8_t *b)
{
    uint8_t differ = 0;

    for (size_t i = 0; i < SHA256_LEN; i++)
        differ |= (uint8_t)(a[i] ^ b[i]);
    return differ == 0;
}

/* Whether it is one of this script, as it is. */
static anqa_status check_origin(struct js *js, const struct parts *parts, anqa_error *err)
{
    const struct head *head = &parts->head;
    const char *name = js->script->name;
    uint8_t engine[SHA256_LEN], image[SHA256_LEN];

    engine_id(engine);
    if (!anqa_str_is(parts->name, name))
        return anqa_fail(err, ANQA_E_INVALID, "the snapshot is one of script '%.*s', not '%s'",
            ANQA_FMT(parts->name), name);
    if (!same(head->engine, engine))
        return anqa_fail(err, ANQA_E_VERSION,
            "the snapshot of script '%s' was made with another build of the JavaScript engine",
            name);
    if (!same(head->source, js->image->source_hash))
        return anqa_fail(err, ANQA_E_VERSION,
            "the snapshot of script '%s' was made when its source was another", name);
    if (head->apis != js->image->apis)
        return anqa_fail(err, ANQA_E_VERSION,
            "the snapshot of script '%s' was made with other .apis: %#x, which now are %#x", name,
            head->apis, js->image->apis);
    if (!image_hash(js, image))
        return anqa_fail(err, ANQA_E_NOMEM, "the image of script '%s'", name);
    if (!same(head->image, image))
        return anqa_fail(err, ANQA_E_VERSION,
            "the snapshot of script '%s' was made from another image: its limits or topics, or "
            "this "
            "library, have changed",
            name);
    return ANQA_OK;
}

/* What the host takes from it. */
static anqa_status check_numbers(const struct js *js, const struct head *head, anqa_error *err)
{
    if (head->pages > js->memory_limit / WASM_PAGE)
        return anqa_fail(err, ANQA_E_LIMIT,
            "the snapshot of script '%s' has %u KiB of memory, more than limits.memory allows",
            js->script->name, head->pages * (WASM_PAGE / 1024));
    if (head->pages < js->image->size / WASM_PAGE || head->next_id > INT32_MAX ||
        head->taken_ms > MS_MOST || head->zero != 0)
        return damaged(err, "a number is out of range");
    return ANQA_OK;
}

/* Goes through the pieces; memory NULL: only looks whether they are some. */
static bool each_piece(anqa_str pieces, uint8_t *memory, uint32_t size)
{
    const uint8_t *at = (const uint8_t *)pieces.ptr, *end = at + pieces.len;
    uint32_t len, room;

    for (uint64_t from = 0; from < size; from += PIECE, at += len) {
        if (end - at < (ptrdiff_t)sizeof len)
            return false;
        memcpy(&len, at, sizeof len);
        at += sizeof len;
        room = size - from < PIECE ? (uint32_t)(size - from) : PIECE;
        if (end - at < (ptrdiff_t)len ||
            !(memory == NULL ? lines_check(at, len, room)
                             : lines_decode(at, len, memory + from, room)))
            return false;
        if (from > 0)
            anqa_yield();
    }
    return at == end;
}

/* Another epoch, unless it was taken in this very runtime. */
static uint64_t epoch_of(struct js *js, const struct parts *parts)
{
    uint8_t witness[SHA256_LEN];
    uint64_t epoch = 0;

    sha256_hmac(js->rt->secret, sizeof js->rt->secret, parts->digest, SHA256_LEN, witness);
    if (same(witness, parts->witness))
        return parts->head.epoch;
    while (epoch == 0)
        image_random(js, &epoch, sizeof epoch);
    return epoch;
}

anqa_status snapshot_put(struct js *js, anqa_str bytes, double *ret_ms, anqa_error *err)
{
    struct parts parts;
    uint32_t size;
    anqa_status status = check(bytes, &parts, err);

    if (status == ANQA_OK)
        status = check_origin(js, &parts, err);
    if (status == ANQA_OK)
        status = check_numbers(js, &parts.head, err);
    if (status != ANQA_OK)
        return status;
    size = parts.head.pages * WASM_PAGE;
    if (!each_piece(parts.pieces, NULL, size))
        return damaged(err, "its memory is none");
    if (!window_grow(js->window, size))
        return anqa_fail(
            err, ANQA_E_NOMEM, "memory for a snapshot of script '%s'", js->script->name);
    js->engine.memory.pages = parts.head.pages;
    js->engine.memory.size = size;
    js->window->touched = true;
    ANQA_INVARIANT(each_piece(parts.pieces, js->engine.memory.data, size));
    js->next_id = parts.head.next_id;
    js->epoch = epoch_of(js, &parts);
    js->restored = true;
    *ret_ms = (double)anqa_now_ms() - (double)parts.head.taken_ms;
    return ANQA_OK;
}
