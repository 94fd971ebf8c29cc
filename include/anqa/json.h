/**
 * anqa/json.h - JSON read on demand and written straight into buffers; there is no document tree.
 *
 * A value is a piece of text. An `anqa_json` borrows the bytes of one JSON value and lives as long as they do; asking it
 * for a field walks that text. Who takes text from outside checks it once with `anqa_json_parse`, which refuses all that
 * RFC 8259 does not allow and all that is over the limits; from there on reading is a matter of finding the right bytes.
 *
 * Unchecked text. Every reader is safe on any bytes: it never looks outside of the value and never runs longer than one
 * pass over it. What it finds in malformed text is E_PARSE, or a part of that text, but no promise is made which.
 *
 * Strictness. Text is UTF-8 without a byte order mark, one value with only blanks around it. Refused besides: a \u escape
 * for half of a surrogate pair (it has no UTF-8 form), and nesting beyond the limit. \u0000 is a character as any other:
 * strings that come out may hold NUL bytes.
 *
 * Names that are in an object twice. Not an error; the first one is found, by every way of asking. Iteration shows all.
 *
 * Numbers are text until asked for, so that none loses digits on its way through. As an integer a number is taken if its
 * value is one, however written (1, 1.0, 1e2); as a double it is rounded once, correctly. Nothing depends on the locale.
 *
 * Failing. E_NOT_FOUND: no such field or element. E_TYPE: it is there but of another kind, or the value asked is no
 * object. E_RANGE: a number that the C type cannot hold. E_PARSE: malformed. E_NOMEM: the arena is full.
 *
 * Threads. Any thread; values are immutable. A writer or an iterator belongs to one thread at a time.
 */
#ifndef ANQA_JSON_H
#define ANQA_JSON_H

#include <anqa/arena.h>
#include <anqa/base.h>

ANQA_BEGIN_DECLS

/* ---------------------------------------------------------------- values */

/** The text of one value. A zeroed one holds nothing: every question fails with E_TYPE, and it is written as null. */
typedef struct anqa_json {
    const char *ptr;
    size_t len;
} anqa_json;

#ifdef __cplusplus
#define ANQA_JSON_LITERAL_(text) (anqa_json{(text), sizeof(text) - 1})
#else
#define ANQA_JSON_LITERAL_(text) ((anqa_json){(text), sizeof(text) - 1})
#endif

/** Values that are always there. */
#define ANQA_JSON_NULL ANQA_JSON_LITERAL_("null")
#define ANQA_JSON_TRUE ANQA_JSON_LITERAL_("true")
#define ANQA_JSON_FALSE ANQA_JSON_LITERAL_("false")
#define ANQA_JSON_EMPTY_OBJECT ANQA_JSON_LITERAL_("{}")
#define ANQA_JSON_EMPTY_ARRAY ANQA_JSON_LITERAL_("[]")

/** What a value is, by its first byte. */
typedef enum anqa_json_type {
    ANQA_JSON_IS_NOTHING, /* empty, or begins as no value does */
    ANQA_JSON_IS_NULL,
    ANQA_JSON_IS_BOOL,
    ANQA_JSON_IS_NUMBER,
    ANQA_JSON_IS_STRING,
    ANQA_JSON_IS_ARRAY,
    ANQA_JSON_IS_OBJECT,
} anqa_json_type;

/** Name of a type, as "object"; static. */
ANQA_API const char *anqa_json_type_name(anqa_json_type type);

/** Kind of a value, told by its first character. */
ANQA_API anqa_json_type anqa_json_type_of(anqa_json json) ANQA_PURE;

/** Takes text that is known to be JSON, or that may be anything: nothing is checked. Blanks around it are cut off. */
ANQA_API anqa_json anqa_json_of(anqa_str text) ANQA_PURE;

/** The text of a value. */
static inline anqa_str anqa_json_text(anqa_json json)
{
    return anqa_str_make(json.ptr, json.len);
}

/* ---------------------------------------------------------------- checking */

/** Limits of texts from outside: bytes and nesting by default, and the deepest nesting that can be asked for. */
#define ANQA_JSON_DEFAULT_BYTES ((size_t)8 << 20)
#define ANQA_JSON_DEFAULT_DEPTH 64u
#define ANQA_JSON_MAX_DEPTH 1024u

/** What a text may take; 0 stands for the default. A depth of 1 is one array or object with no other in it. */
typedef struct anqa_json_limits {
    size_t max_bytes;
    uint32_t max_depth; /* at most ANQA_JSON_MAX_DEPTH */
} anqa_json_limits;

/**
 * Checks that a text is one JSON value; one pass, constant memory.
 * limits: NULL for the defaults.   err: names line, column (in characters, from 1) and byte (from 0), and what was
 * expected there.
 * Fails: E_PARSE; E_LIMIT (too long, too deep); E_INVALID (limits that are none).
 */
ANQA_API anqa_status anqa_json_check(
    anqa_str text, const anqa_json_limits *limits, anqa_error *err) ANQA_MUST_CHECK;

/** Checks a text and gives its value, which borrows the text. Fails as anqa_json_check. */
ANQA_API anqa_status anqa_json_parse(anqa_str text, const anqa_json_limits *limits,
    anqa_json *ret_json, anqa_error *err) ANQA_MUST_CHECK;

/* ---------------------------------------------------------------- objects and arrays */

/** A field of an object. Names compare by what they mean: "a" finds "\u0061". Fails: E_NOT_FOUND, E_TYPE, E_PARSE. */
ANQA_API anqa_status anqa_json_get(
    anqa_json object, const char *key, anqa_json *ret_value) ANQA_MUST_CHECK;
ANQA_API anqa_status anqa_json_get_named(
    anqa_json object, anqa_str key, anqa_json *ret_value) ANQA_MUST_CHECK;

/** Number of elements of an array or fields of an object; walks it. Fails: E_TYPE, E_PARSE. */
ANQA_API anqa_status anqa_json_len(anqa_json json, size_t *ret_len) ANQA_MUST_CHECK;

/** Element `index`, from 0; walks up to it. Fails: E_NOT_FOUND, E_TYPE, E_PARSE. */
ANQA_API anqa_status anqa_json_at(
    anqa_json array, size_t index, anqa_json *ret_value) ANQA_MUST_CHECK;

/**
 * Takes an array of exactly `count` elements apart in one walk, as a message whose places have meanings.
 * Fails: E_RANGE (another number of elements), E_TYPE, E_PARSE; ret_values may then be written in part.
 */
ANQA_API anqa_status anqa_json_split(
    anqa_json array, anqa_json *ret_values, size_t count) ANQA_MUST_CHECK;

/** What a JSON Pointer (RFC 6901, "/user/tags/0") leads to. Fails: E_INVALID (no pointer), E_NOT_FOUND, E_TYPE, E_PARSE. */
ANQA_API anqa_status anqa_json_find(
    anqa_json json, const char *pointer, anqa_json *ret_value) ANQA_MUST_CHECK;

/**
 * A walk over an array or an object:
 *
 *     anqa_json_iter it = anqa_json_each(json);
 *     while (anqa_json_next(&it))
 *         use(it.key, it.value);
 *     if (it.status != ANQA_OK) ... E_TYPE: no container; E_PARSE: malformed, the fields before were given out
 */
typedef struct anqa_json_iter {
    anqa_json key; /* objects only: a string with its quotes and escapes */
    anqa_json value;
    size_t index; /* of value, from 0 */
    anqa_status status;
    char close; /* from here on private: '}' or ']' */
    bool started;
    bool key_plain; /* key has no escapes */
    const char *at, *end;
} anqa_json_iter;

/** Walks the elements of an array or the members of an object; of anything else there are none. False: that was the last. */
ANQA_API anqa_json_iter anqa_json_each(anqa_json json);
ANQA_API bool anqa_json_next(anqa_json_iter *iter);

/* ---------------------------------------------------------------- what a value means in C */

/** Fails: E_TYPE. */
ANQA_API anqa_status anqa_json_to_bool(anqa_json json, bool *ret_value) ANQA_MUST_CHECK;

/** Fails: E_TYPE also for a number that is no integer, E_RANGE for an integer that does not fit. */
ANQA_API anqa_status anqa_json_to_int(anqa_json json, int64_t *ret_value) ANQA_MUST_CHECK;
ANQA_API anqa_status anqa_json_to_uint(anqa_json json, uint64_t *ret_value) ANQA_MUST_CHECK;

/** The nearest double; what is too small becomes 0. Fails: E_RANGE for what would be infinite. */
ANQA_API anqa_status anqa_json_to_double(anqa_json json, double *ret_value) ANQA_MUST_CHECK;

/** The digits of a number as they were written. Fails: E_TYPE, E_PARSE. */
ANQA_API anqa_status anqa_json_number_text(anqa_json json, anqa_str *ret_text) ANQA_MUST_CHECK;

/** A string: a slice of the text if it has no escapes, else decoded into the arena. Not ended by NUL. */
ANQA_API anqa_status anqa_json_to_str(
    anqa_arena *arena, anqa_json json, anqa_str *ret_str) ANQA_MUST_CHECK;

/** Whether a value is the string `text`, told without decoding it anywhere. */
ANQA_API bool anqa_json_is_str(anqa_json json, anqa_str text) ANQA_PURE;

/** Field by name, then as above. */
ANQA_API anqa_status anqa_json_get_bool(
    anqa_json object, const char *key, bool *ret_value) ANQA_MUST_CHECK;
ANQA_API anqa_status anqa_json_get_int(
    anqa_json object, const char *key, int64_t *ret_value) ANQA_MUST_CHECK;
ANQA_API anqa_status anqa_json_get_uint(
    anqa_json object, const char *key, uint64_t *ret_value) ANQA_MUST_CHECK;
ANQA_API anqa_status anqa_json_get_double(
    anqa_json object, const char *key, double *ret_value) ANQA_MUST_CHECK;
ANQA_API anqa_status anqa_json_get_str(
    anqa_arena *arena, anqa_json object, const char *key, anqa_str *ret_str) ANQA_MUST_CHECK;

/** The same for those who have a good answer to every failure: `otherwise` stands for what is missing or does not fit. */
ANQA_API bool anqa_json_bool(anqa_json object, const char *key, bool otherwise) ANQA_PURE;
ANQA_API int64_t anqa_json_int(anqa_json object, const char *key, int64_t otherwise) ANQA_PURE;
ANQA_API uint64_t anqa_json_uint(anqa_json object, const char *key, uint64_t otherwise) ANQA_PURE;
ANQA_API double anqa_json_double(anqa_json object, const char *key, double otherwise);

/* ---------------------------------------------------------------- index */

/**
 * A table of an object's fields, for one that is asked often: each answer then costs a hash instead of a walk. It lives
 * in the arena and borrows the object's text. Keys are hashed with the key of this run, so that no client can choose
 * names that collide.
 */
typedef struct anqa_json_index anqa_json_index;

/** Fails: E_TYPE (no object), E_PARSE, E_NOMEM. */
ANQA_API anqa_status anqa_json_index_new(
    anqa_arena *arena, anqa_json object, const anqa_json_index **ret_index) ANQA_MUST_CHECK;

/** Number of different names. */
ANQA_API size_t anqa_json_index_count(const anqa_json_index *index) ANQA_PURE;

/** As anqa_json_get. Fails: E_NOT_FOUND only. */
ANQA_API anqa_status anqa_json_index_get(
    const anqa_json_index *index, anqa_str key, anqa_json *ret_value) ANQA_MUST_CHECK;

/* ---------------------------------------------------------------- writing */

/**
 * Writes one JSON value into memory that grows (or does not):
 *
 *     anqa_json_writer w;
 *     anqa_json_writer_init(&w, arena, 0);
 *     anqa_json_begin_object(&w);
 *     anqa_json_key(&w, "seq");
 *     anqa_json_put_uint(&w, seq);
 *     anqa_json_end_object(&w);
 *     s = anqa_json_writer_finish(&w, &json);
 *
 * The calls return nothing: the first mistake or failure is remembered, what follows does nothing, and finish tells.
 * E_INVALID: calls that make no JSON (a value without key, an end without begin, a second value), NaN and infinities, strings
 * that are not UTF-8. E_LIMIT: more bytes than allowed, deeper than ANQA_JSON_MAX_DEPTH. E_NOMEM.
 * Where it writes to is chosen by the init function; only the second kind holds memory that _done gives back.
 */
typedef struct anqa_json_writer {
    char *ptr;
    size_t len, cap;
    size_t limit;
    anqa_arena *arena; /* else the heap, or nothing if fixed */
    anqa_status status;
    bool fixed;
    bool html;  /* see anqa_json_writer_html */
    bool comma; /* a value was written at this level */
    bool keyed; /* a key waits for its value */
    uint32_t depth;
    uint64_t kinds[ANQA_JSON_MAX_DEPTH /
                   64]; /* a bit a level: 1 for an object. Only levels below depth are set. */
} anqa_json_writer;

/** Into an arena; the last piece of an arena grows in place. limit: in bytes; 0: none but the arena's. */
ANQA_API void anqa_json_writer_init(anqa_json_writer *w, anqa_arena *arena, size_t limit);

/** Into memory of malloc, kept until _done. limit: in bytes; 0: none. */
ANQA_API void anqa_json_writer_init_heap(anqa_json_writer *w, size_t limit);

/** Into `cap` bytes of the caller; E_LIMIT when they are full. */
ANQA_API void anqa_json_writer_init_fixed(anqa_json_writer *w, char *bytes, size_t cap);

/** Starts afresh with the same memory; what finish gave out before is overwritten, unless it lies in an arena. */
ANQA_API void anqa_json_writer_reset(anqa_json_writer *w);

/** Gives back what init_heap took; harmless for the other kinds. */
ANQA_API void anqa_json_writer_done(anqa_json_writer *w);

/** Strings from here on can stand in HTML's <script>: < > & and U+2028, U+2029 are written as \u escapes. Not for raw JSON. */
ANQA_API void anqa_json_writer_html(anqa_json_writer *w);

/** Ends the writing. The value borrows the writer's memory (an arena's, if it has one). Fails: see above. */
ANQA_API anqa_status anqa_json_writer_finish(
    anqa_json_writer *w, anqa_json *ret_json) ANQA_MUST_CHECK;

/** Objects and arrays nest; each begin has its end. */
ANQA_API void anqa_json_begin_object(anqa_json_writer *w);
ANQA_API void anqa_json_end_object(anqa_json_writer *w);
ANQA_API void anqa_json_begin_array(anqa_json_writer *w);
ANQA_API void anqa_json_end_array(anqa_json_writer *w);

/** Name of the next value, in objects. That a name is written once only is the caller's care. */
ANQA_API void anqa_json_key(anqa_json_writer *w, const char *key);
ANQA_API void anqa_json_key_str(anqa_json_writer *w, anqa_str key);

/** Values: elements of an array, or each behind its key. */
ANQA_API void anqa_json_put_null(anqa_json_writer *w);
ANQA_API void anqa_json_put_bool(anqa_json_writer *w, bool value);
ANQA_API void anqa_json_put_int(anqa_json_writer *w, int64_t value);
ANQA_API void anqa_json_put_uint(anqa_json_writer *w, uint64_t value);

/** The shortest digits that read back as the same double; 1.0 is written as 1, as in JavaScript. */
ANQA_API void anqa_json_put_double(anqa_json_writer *w, double value);
ANQA_API void anqa_json_put_str(anqa_json_writer *w, anqa_str value);

/** Text that is JSON already, as it stands. Builds without NDEBUG check it (E_INVALID); others trust the caller. */
ANQA_API void anqa_json_put_raw(anqa_json_writer *w, anqa_json value);

/**
 * Writes the one value that a format describes, as printf would:
 *
 *     anqa_json_format(&w, "{'seq': %" PRIu64 ", 'to': 'room:%s', 'tags': [%s, null], 'user': %p}", seq, name, tag, &user);
 *
 * A format is JSON with its strings in single quotes ('' inside of one stands for a single quote), blanks as you like and
 * directives. It has no other escapes: C's own do.
 *   %d %i %u      integers, with hh h l ll j z t, so that PRId64 and its like work
 *   %f %g %e      doubles, as anqa_json_put_double writes them; widths and precisions are mistakes
 *   %s            a string, quoted and escaped; NULL gives null
 *   %.*s          for ANQA_FMT(str): exactly that many bytes, NULs among them; (0, NULL) is the empty string
 *   %.9s          a string of at most 9 bytes, cut before a character that would be over
 *   %c            a bool: true or false; a number other than 0 or 1 is a mistake
 *   %p            a `const anqa_json *`: raw JSON; NULL gives null
 *   %%            in strings: a percent sign
 * In single quotes integers, doubles and strings become part of that string. As a key: a string or a directive for one.
 * A mistake in the format is E_INVALID, found when the format is used, whatever the arguments are.
 */
ANQA_API void anqa_json_format(anqa_json_writer *w, const char *format, ...) ANQA_PRINTF(2, 3);
ANQA_API void anqa_json_vformat(anqa_json_writer *w, const char *format, va_list args)
    ANQA_PRINTF(2, 0);

ANQA_END_DECLS

#endif
