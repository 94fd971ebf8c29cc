#include "js/snapshot.h"

#include <assert.h>
#include <stdlib.h>

#include <anqa/memory.h>

#include "base/sha256.h"
#include "js/lines.h"
#include "js/park.h"

enum {
    VERSION = 2, /* 1: words of lines were whole */
    WASM_PAGE = 65536,
    PIECE = 256 << 10, /* bytes to digest or copy at once: about a millisecond */
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
    uint64_t taken_ms; /* by the clock that timers count by */
    uint64_t lines_len;
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

/* SHA-256 of something large; others have their turn meanwhile. */
static void digest_of(const char *bytes, size_t len, uint8_t ret_digest[static SHA256_LEN])
{
    struct sha256 sha256;

    sha256_init(&sha256);
    for (size_t at = 0; at < len; at += PIECE) {
        if (at > 0)
            anqa_yield();
        sha256_feed(&sha256, bytes + at, len - at < PIECE ? len - at : PIECE);
    }
    sha256_finish(&sha256, ret_digest);
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

/* A snapshot with head and name, and room for lines and the rest; held. */
static anqa_status make_room(
    struct js *js, struct head *head, size_t len, anqa_buf *ret_bytes, char **ret_lines)
{
    anqa_status status;
    char *at;

    head->lines_len = len;
    status = anqa_buf_new(sizeof *head + head->name_len + len + TAIL, ret_bytes, &at);
    if (status != ANQA_OK)
        return status;
    snapshot_hold(*ret_bytes); /* whoever yields may be killed */
    memcpy(at, head, sizeof *head);
    memcpy(at + sizeof *head, js->script->name, head->name_len);
    *ret_lines = at + sizeof *head + head->name_len;
    return ANQA_OK;
}

/* Of one that is parked, and stays so: it has them already. */
static anqa_status put_parked(
    struct js *js, struct head *head, anqa_buf *ret_bytes, char **ret_tail)
{
    size_t len = js->lines_len;
    char *to;
    anqa_status status = make_room(js, head, len, ret_bytes, &to);

    if (status != ANQA_OK)
        return status;
    for (size_t at = 0; at < len; at += PIECE) {
        if (at > 0)
            anqa_yield();
        memcpy(to + at, js->lines + at, len - at < PIECE ? len - at : PIECE);
    }
    *ret_tail = to + len;
    return ANQA_OK;
}

static void search_all(struct image_search *search, char *out, size_t room)
{
    image_search_into(search, (uint8_t *)out, room);
    while (image_search_some(search))
        anqa_yield();
}

/* Of one that is BUSY, in no turn: its memory stays what it is. */
static anqa_status put_mapped(
    struct js *js, struct head *head, anqa_buf *ret_bytes, char **ret_tail)
{
    struct image_search search;
    anqa_status status;
    char *to;
    size_t len;

    if (!image_search_begin(&search, js))
        return ANQA_E_NOMEM;
    (void)anqa_defer(free, search.same);
    search_all(&search, NULL, 0);
    len = search.writing.len;
    status = make_room(js, head, len, ret_bytes, &to);
    if (status != ANQA_OK)
        return status;
    if (len > 0)
        search_all(&search, to, len);
    *ret_tail = to + len;
    return ANQA_OK;
}

static anqa_status put_memory(
    struct js *js, struct head *head, anqa_buf *ret_bytes, char **ret_tail)
{
    anqa_status status;

    while (!park_try_begin(js)) {
        if (park_is(js))
            return put_parked(js, head, ret_bytes, ret_tail);
        anqa_yield();
    }
    status = put_mapped(js, head, ret_bytes, ret_tail);
    park_end_unused(js);
    return status;
}

anqa_status snapshot_take(struct js *js, anqa_buf *ret_bytes, anqa_error *err)
{
    uint8_t digest[SHA256_LEN], witness[SHA256_LEN];
    anqa_deferred mark = anqa_defer_mark();
    struct head head;
    char *tail = NULL;
    anqa_status status = fill_head(js, &head, err);

    if (status != ANQA_OK)
        return status;
    status = put_memory(js, &head, ret_bytes, &tail);
    if (status != ANQA_OK) {
        anqa_defer_run_to(mark);
        return anqa_fail(err, status, "a snapshot of script '%s'", js->script->name);
    }
    digest_of(ret_bytes->ptr, ret_bytes->len - TAIL, digest);
    sha256_hmac(js->rt->secret, sizeof js->rt->secret, digest, sizeof digest, witness);
    memcpy(tail, digest, sizeof digest);
    memcpy(tail + sizeof digest, witness, sizeof witness);
    (void)anqa_buf_ref(*ret_bytes);
    anqa_defer_run_to(mark);
    return ANQA_OK;
}

/* ---------------------------------------------------------------- checking */

/* The parts of a snapshot that is whole. */
struct parts {
    struct head head;
    anqa_str name, lines;
    const uint8_t *digest, *witness;
};

static anqa_status damaged(anqa_error *err, const char *what)
{
    return anqa_fail(err, ANQA_E_PARSE, "the snapshot is damaged: %s", what);
}

static anqa_status split(anqa_str bytes, struct parts *parts, anqa_error *err)
{
    struct head *head = &parts->head;

    *parts = (struct parts){0};
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
    if (head->name_len > NAME_MOST || head->lines_len > bytes.len ||
        sizeof *head + head->name_len + head->lines_len + TAIL != bytes.len)
        return damaged(err, "it has not the length that it says");
    parts->name = anqa_str_make(bytes.ptr + sizeof *head, head->name_len);
    parts->lines = anqa_str_make(parts->name.ptr + parts->name.len, head->lines_len);
    parts->digest = (const uint8_t *)parts->lines.ptr + parts->lines.len;
    parts->witness = parts->digest + SHA256_LEN;
    return ANQA_OK;
}

static bool is_whole(anqa_str bytes)
{
    uint8_t digest[SHA256_LEN];

    digest_of(bytes.ptr, bytes.len - TAIL, digest);
    return memcmp(digest, bytes.ptr + bytes.len - TAIL, sizeof digest) == 0;
}

static anqa_status check(anqa_str bytes, struct parts *parts, anqa_error *err)
{
    anqa_status status = split(bytes, parts, err);

    if (status == ANQA_OK && !is_whole(bytes))
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
            "the snapshot of script '%s' has %u pages of 64 KiB, more than limits.memory allows",
            js->script->name, head->pages);
    if (head->pages < js->image->size / WASM_PAGE || head->next_id > INT32_MAX ||
        head->taken_ms > MS_MOST || head->zero != 0)
        return damaged(err, "a number is out of range");
    return ANQA_OK;
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

/* Into the memory, or NULL: to check them; others have their turn meanwhile. */
static bool read_lines(anqa_str lines, uint8_t *memory, uint32_t size)
{
    struct lines_reading reading = {.at = (const uint8_t *)lines.ptr,
        .end = (const uint8_t *)lines.ptr + lines.len,
        .size = size};
    bool ok = true;

    while (ok && reading.at < reading.end) {
        ok = lines_decode_some(&reading, memory);
        if (reading.at < reading.end)
            anqa_yield();
    }
    return ok;
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
    if (!read_lines(parts.lines, NULL, size))
        return damaged(err, "its memory is none");
    if (!window_grow(js->window, size))
        return anqa_fail(
            err, ANQA_E_NOMEM, "memory for a snapshot of script '%s'", js->script->name);
    js->engine.memory.pages = parts.head.pages;
    js->engine.memory.size = size;
    js->window->touched = true;
    ANQA_INVARIANT(read_lines(parts.lines, js->engine.memory.data, size));
    js->next_id = parts.head.next_id;
    js->epoch = epoch_of(js, &parts);
    js->restored = true;
    *ret_ms = (double)anqa_now_ms() - (double)parts.head.taken_ms;
    return ANQA_OK;
}
