#include "base/json_scan.h"
#include "base/utf8.h"

#include <stdio.h>

/*
 * One pass by a machine of three states, without recursion: the stacks we run on are small. What would be on the stack
 * is a bit a level, whether it is an object.
 */
enum state { VALUE, KEY, BEHIND_VALUE, DONE, STUCK };

struct check {
    const char *at, *end;
    const char *expected; /* why it is stuck */
    anqa_status status;
    uint32_t depth, max_depth;
    anqa_str *elements; /* of the outermost array, `room` of them; see json_check_elements */
    size_t room, found;
    uint64_t kinds[ANQA_JSON_MAX_DEPTH / 64];
};

static enum state stuck(struct check *c, const char *at, const char *expected)
{
    c->at = at;
    c->expected = expected;
    c->status = ANQA_E_PARSE;
    return STUCK;
}

static inline bool in_object(const struct check *c)
{
    uint32_t level = c->depth - 1;

    return (c->kinds[level / 64] >> level % 64 & 1) != 0;
}

static inline bool stands_at(const struct check *c, char wanted)
{
    return c->at != c->end && *c->at == wanted;
}

static inline void skip_blanks(struct check *c)
{
    c->at = json_skip_blanks(c->at, c->end);
}

static bool check_escape(struct check *c)
{
    uint32_t point;
    const char *behind = json_escape_end(c->at + 1, c->end, &point);

    if (behind == NULL) {
        stuck(c, c->at, "an escape that stands for a character");
        return false;
    }
    c->at = behind;
    return true;
}

/* Characters beyond ASCII come in groups. */
static bool check_beyond_ascii(struct check *c)
{
    while (c->at < c->end && (signed char)*c->at < 0) {
        size_t len = utf8_char_len(c->at, c->end);
        if (len == 0) {
            stuck(c, c->at, "UTF-8");
            return false;
        }
        c->at += len;
    }
    return true;
}

/* What the fast scan of a string stopped at, if it is not the closing quote. */
static bool check_stop(struct check *c)
{
    if (c->at == c->end) {
        stuck(c, c->at, "the string to go on");
        return false;
    }
    if (*c->at == '\\')
        return check_escape(c);
    if ((signed char)*c->at < 0)
        return check_beyond_ascii(c);
    stuck(c, c->at, "control characters in strings to be escaped");
    return false;
}

/* From the opening quote on. */
static inline bool check_string(struct check *c)
{
    c->at++;
    for (;;) {
        c->at = json_find_strict_stop(c->at, c->end);
        if (stands_at(c, '"')) {
            c->at++;
            return true;
        }
        if (!check_stop(c))
            return false;
    }
}

static enum state check_literal(struct check *c, const char *word, size_t len)
{
    if ((size_t)(c->end - c->at) < len || memcmp(c->at, word, len) != 0)
        return stuck(c, c->at, "a value");
    c->at += len;
    return BEHIND_VALUE;
}

static inline enum state check_number(struct check *c)
{
    const char *place = c->at, *behind = json_number_end(c->at, c->end, &place);

    if (behind == NULL)
        return stuck(c, place, "a digit");
    c->at = behind;
    return BEHIND_VALUE;
}

static inline enum state check_open(struct check *c, bool object)
{
    uint64_t bit = (uint64_t)1 << c->depth % 64, *kinds = &c->kinds[c->depth / 64];

    if (c->depth == c->max_depth) {
        stuck(c, c->at, "no deeper nesting");
        c->status = ANQA_E_LIMIT;
        return STUCK;
    }
    if (c->depth % 64 == 0)
        *kinds = 0; /* bits of levels above are left over, or never were set */
    *kinds = object ? *kinds | bit : *kinds & ~bit;
    c->depth++;
    c->at++;
    skip_blanks(c);
    if (!stands_at(c, object ? '}' : ']'))
        return object ? KEY : VALUE;
    c->at++;
    c->depth--;
    return BEHIND_VALUE;
}

static inline bool notes_elements(const struct check *c)
{
    return c->found < c->room && c->depth == 1;
}

static inline enum state check_value(struct check *c)
{
    skip_blanks(c);
    if (notes_elements(c))
        c->elements[c->found].ptr = c->at;
    if (c->at == c->end)
        return stuck(c, c->at, "a value");
    switch (*c->at) {
    case '"': return check_string(c) ? BEHIND_VALUE : STUCK;
    case '{': return check_open(c, true);
    case '[': return check_open(c, false);
    case '-':
    case '0' ... '9': return check_number(c);
    case 't': return check_literal(c, "true", 4);
    case 'f': return check_literal(c, "false", 5);
    case 'n': return check_literal(c, "null", 4);
    default: return stuck(c, c->at, "a value");
    }
}

static inline enum state check_key(struct check *c)
{
    skip_blanks(c);
    if (!stands_at(c, '"'))
        return stuck(c, c->at, "a name in double quotes");
    if (!check_string(c))
        return STUCK;
    skip_blanks(c);
    if (!stands_at(c, ':'))
        return stuck(c, c->at, "':'");
    c->at++;
    return VALUE;
}

static inline enum state check_behind(struct check *c)
{
    bool object;

    if (notes_elements(c)) {
        c->elements[c->found].len = (size_t)(c->at - c->elements[c->found].ptr);
        c->found++;
    }
    skip_blanks(c);
    if (c->depth == 0)
        return c->at == c->end ? DONE : stuck(c, c->at, "the end of the text");
    object = in_object(c);
    if (stands_at(c, ',')) {
        c->at++;
        return object ? KEY : VALUE;
    }
    if (!stands_at(c, object ? '}' : ']'))
        return stuck(c, c->at, object ? "',' or '}'" : "',' or ']'");
    c->at++;
    c->depth--;
    return BEHIND_VALUE;
}

static bool run(struct check *c)
{
    enum state state = VALUE;

    for (;;) {
        switch (state) {
        case VALUE: state = check_value(c); break;
        case KEY: state = check_key(c); break;
        case BEHIND_VALUE: state = check_behind(c); break;
        case DONE: return true;
        case STUCK: return false;
        }
    }
}

/* ---------------------------------------------------------------- saying what is wrong */

static void found_text(const struct check *c, char *out, size_t size)
{
    unsigned char byte;

    if (c->at == c->end) {
        snprintf(out, size, "the end");
        return;
    }
    byte = (unsigned char)*c->at;
    snprintf(out, size, byte > 0x20 && byte < 0x7f ? "'%c'" : "byte 0x%02x", byte);
}

static anqa_status fail_at(const struct check *c, const char *from, anqa_error *err)
{
    size_t line = 1, column = 1;
    char found[16];

    if (err == NULL)
        return c->status;
    for (const char *p = from; p < c->at; p++) {
        if (*p == '\n') {
            line++;
            column = 1;
        } else if (!utf8_is_tail((unsigned char)*p)) {
            column++;
        }
    }
    found_text(c, found, sizeof found);
    return anqa_fail(err, c->status, "line %zu, column %zu (byte %zu): expected %s, found %s", line,
        column, (size_t)(c->at - from), c->expected, found);
}

/* c: where elements are to be noted; the rest is set here. */
static anqa_status check(
    struct check *c, anqa_str text, const anqa_json_limits *limits, anqa_error *err)
{
    static const anqa_json_limits defaults;
    const anqa_json_limits *l = limits != NULL ? limits : &defaults;
    size_t max_bytes = l->max_bytes != 0 ? l->max_bytes : ANQA_JSON_DEFAULT_BYTES;

    if (l->max_depth > ANQA_JSON_MAX_DEPTH)
        return anqa_fail(err, ANQA_E_INVALID, "JSON may be %u deep at most, not %u",
            ANQA_JSON_MAX_DEPTH, l->max_depth);
    if (text.len > max_bytes)
        return anqa_fail(
            err, ANQA_E_LIMIT, "JSON of %zu bytes, %zu are allowed", text.len, max_bytes);
    if (text.ptr == NULL)
        text = anqa_str_of("");
    c->at = text.ptr; /* the kinds are not set: 128 bytes, read only where they were written */
    c->end = text.ptr + text.len;
    c->depth = 0;
    c->max_depth = l->max_depth != 0 ? l->max_depth : ANQA_JSON_DEFAULT_DEPTH;
    return run(c) ? ANQA_OK : fail_at(c, text.ptr, err);
}

anqa_status anqa_json_check(anqa_str text, const anqa_json_limits *limits, anqa_error *err)
{
    struct check c;

    c.found = c.room = 0;
    return check(&c, text, limits, err);
}

anqa_status json_check_elements(
    anqa_str text, anqa_str *elements, size_t room, size_t *ret_found, anqa_error *err)
{
    struct check c;
    anqa_status status;

    c.elements = elements;
    c.room = room;
    c.found = 0;
    status = check(&c, text, NULL, err);
    if (status != ANQA_OK)
        return status;
    if (*json_skip_blanks(text.ptr, text.ptr + text.len) != '[')
        return anqa_fail(err, ANQA_E_TYPE, "no array");
    *ret_found = c.found;
    return ANQA_OK;
}

anqa_status anqa_json_parse(
    anqa_str text, const anqa_json_limits *limits, anqa_json *ret_json, anqa_error *err)
{
    anqa_status s = anqa_json_check(text, limits, err);

    if (s == ANQA_OK)
        *ret_json = anqa_json_of(text);
    return s;
}
