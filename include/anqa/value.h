/**
 * anqa/value.h - structured data in one compact, checked, binary form.
 *
 * What crosses between processes that do not share a language (C and JavaScript) is a *value*: undefined, null, a
 * boolean, an integer of 64 bits, a double, a big integer, a string, bytes, an array, a map with string keys, a date, a
 * pid or a reference. A value is encoded in a run of bytes without pointers, so it is copied, kept and sent as bytes.
 *
 * Writing. An `anqa_value_writer` appends to memory of an arena. Its errors stick: whoever has written everything asks
 * once, with anqa_value_done. Keys of maps are written before their values; the writer keeps count.
 *
 * Reading. An `anqa_value` borrows the bytes of one value. Bytes from outside pass anqa_value_check first, which finds
 * anything malformed, too deep or too much; after that the reading functions cannot fail but for asking for another kind
 * than there is. Reading allocates nothing.
 *
 * Numbers. INT holds what fits in 64 bits. JavaScript's numbers become INT when they are integers below 2^53 (but -0),
 * DOUBLE otherwise; an INT from 2^53 becomes a BigInt there. BIGINT is a sign and a magnitude, least byte first.
 *
 * Threads. Pure functions of their arguments: any thread.
 */
#ifndef ANQA_VALUE_H
#define ANQA_VALUE_H

#include <anqa/arena.h>
#include <anqa/base.h>

ANQA_BEGIN_DECLS

/** What a value is. */
typedef enum anqa_value_kind {
    ANQA_VALUE_UNDEFINED,
    ANQA_VALUE_NULL,
    ANQA_VALUE_BOOL,
    ANQA_VALUE_INT,
    ANQA_VALUE_DOUBLE,
    ANQA_VALUE_BIGINT,
    ANQA_VALUE_STRING, /* UTF-8 */
    ANQA_VALUE_BYTES,
    ANQA_VALUE_ARRAY,
    ANQA_VALUE_MAP, /* keys are strings, in the order they were written; each once in what JavaScript wrote */
    ANQA_VALUE_DATE, /* milliseconds since 1970, a double */
    ANQA_VALUE_PID,  /* the bits of an anqa_pid */
    ANQA_VALUE_REF   /* the bits of an anqa_ref */
} anqa_value_kind;

/** One encoded value. Borrowed; len 0 reads as UNDEFINED. */
typedef struct anqa_value {
    const char *ptr;
    size_t len;
} anqa_value;

/** Bounds for checking and writing. Zero fields stand for the defaults. */
typedef struct anqa_value_limits {
    size_t bytes;   /* of the whole; 0: 16 MiB */
    uint32_t depth; /* of arrays and maps in each other; 0: 64, at most 64 */
    uint32_t nodes; /* values in it, itself too; 0: 1,000,000 */
} anqa_value_limits;

/* ---------------------------------------------------------------- reading */

/**
 * Checks that the bytes are exactly one well-formed value. limits: NULL for the defaults.
 * Fails: E_PARSE (malformed), E_LIMIT (deeper or more than allowed).
 */
ANQA_API anqa_status anqa_value_check(const void *bytes, size_t len,
    const anqa_value_limits *limits, anqa_value *ret_value) ANQA_MUST_CHECK;

/** What it is; UNDEFINED for a zeroed one. */
ANQA_API anqa_value_kind anqa_value_kind_of(anqa_value value) ANQA_PURE;
/** What the kind is called: "string". Static. */
ANQA_API const char *anqa_value_kind_name(anqa_value_kind kind);

/** Fail with E_TYPE for another kind; what was in the result before is then a default. get_double takes INT too; get_int takes a DOUBLE that is an integer (E_RANGE else). */
ANQA_API anqa_status anqa_value_get_bool(anqa_value value, bool *ret_bool);
ANQA_API anqa_status anqa_value_get_int(anqa_value value, int64_t *ret_int);
ANQA_API anqa_status anqa_value_get_double(anqa_value value, double *ret_double);
/** Strings and bytes: a slice of the value. */
ANQA_API anqa_status anqa_value_get_str(anqa_value value, anqa_str *ret_str);
/** Milliseconds since 1970. */
ANQA_API anqa_status anqa_value_get_date(anqa_value value, double *ret_ms);
/** PID and REF. */
ANQA_API anqa_status anqa_value_get_bits(anqa_value value, uint64_t *ret_bits);
/** The magnitude, least byte first, a slice of the value. */
ANQA_API anqa_status anqa_value_get_bigint(
    anqa_value value, bool *ret_negative, anqa_str *ret_magnitude);

/** The same with a default for any other kind. */
ANQA_API int64_t anqa_value_int(anqa_value value, int64_t otherwise) ANQA_PURE;
ANQA_API anqa_str anqa_value_str(anqa_value value) ANQA_PURE; /* empty otherwise */

/** Elements of an array, entries of a map; 0 for other kinds. */
ANQA_API size_t anqa_value_count(anqa_value value) ANQA_PURE;
/** The element `index` of an array, found by going through it; UNDEFINED when there is none. */
ANQA_API anqa_value anqa_value_at(anqa_value array, size_t index) ANQA_PURE;
/** The value of a key, the last one if it is there twice; UNDEFINED when there is none. */
ANQA_API anqa_value anqa_value_get(anqa_value map, const char *key) ANQA_PURE;

/** Goes through an array or a map. */
typedef struct anqa_value_each {
    const char *at_, *end_;
    bool map_;
} anqa_value_each;

/** Begins a walk over the elements of an array or the members of a map; of anything else there are none. */
ANQA_API anqa_value_each anqa_value_begin(anqa_value container) ANQA_PURE;
/** The next one; ret_key (may be NULL) is written for maps. False: there is none. */
ANQA_API bool anqa_value_next(anqa_value_each *each, anqa_str *ret_key, anqa_value *ret_value);

/* ---------------------------------------------------------------- writing */

/** How deep values may nest. */
#define ANQA_VALUE_DEPTH_MAX 64

/** Owner: whoever writes, on its stack; the bytes are the arena's. */
typedef struct anqa_value_writer {
    anqa_arena *arena;
    anqa_value_limits limits;
    anqa_status status; /* the first failure */
    char *bytes;
    size_t len, capacity;
    uint32_t depth, nodes;
    struct {
        uint32_t at, count; /* where its head is */
        bool map, has_key;
    } open[ANQA_VALUE_DEPTH_MAX];
} anqa_value_writer;

/** limits: NULL for the defaults. */
ANQA_API void anqa_value_writer_init(
    anqa_value_writer *writer, anqa_arena *arena, const anqa_value_limits *limits);

/** Values: elements of an array, or each behind its key. */
ANQA_API void anqa_value_put_undefined(anqa_value_writer *writer);
ANQA_API void anqa_value_put_null(anqa_value_writer *writer);
ANQA_API void anqa_value_put_bool(anqa_value_writer *writer, bool value);
ANQA_API void anqa_value_put_int(anqa_value_writer *writer, int64_t value);
ANQA_API void anqa_value_put_double(anqa_value_writer *writer, double value);
ANQA_API void anqa_value_put_bigint(anqa_value_writer *writer, bool negative, anqa_str magnitude);
/** Fails the writer with E_PARSE when the text is not UTF-8. */
ANQA_API void anqa_value_put_str(anqa_value_writer *writer, anqa_str text);
ANQA_API void anqa_value_put_bytes(anqa_value_writer *writer, anqa_str bytes);
ANQA_API void anqa_value_put_date(anqa_value_writer *writer, double ms);
ANQA_API void anqa_value_put_pid(anqa_value_writer *writer, uint64_t bits);
ANQA_API void anqa_value_put_ref(anqa_value_writer *writer, uint64_t bits);
/** A value that was checked or written before. */
ANQA_API void anqa_value_put(anqa_value_writer *writer, anqa_value value);

/** Arrays and maps nest; each begin has its end. */
ANQA_API void anqa_value_array_begin(anqa_value_writer *writer);
ANQA_API void anqa_value_map_begin(anqa_value_writer *writer);
/** In a map, before each value. */
ANQA_API void anqa_value_key(anqa_value_writer *writer, anqa_str key);
ANQA_API void anqa_value_end(anqa_value_writer *writer);

/** The value that was written. Fails: E_LIMIT, E_PARSE (a text that was not UTF-8), E_NOMEM, E_CONTEXT (a key without a value,
 * something left open, none or two values at the top). */
ANQA_API anqa_status anqa_value_done(
    anqa_value_writer *writer, anqa_value *ret_value) ANQA_MUST_CHECK;

ANQA_END_DECLS

#endif
