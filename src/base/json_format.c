#include "base/json_scan.h"
#include "base/json_write_int.h"
#include "base/utf8.h"

/* What the format may go on with. */
enum state { VALUE, VALUE_OR_END, KEY, KEY_OR_END, COLON, BEHIND_VALUE, DONE };

/* Where a directive stands, which decides what it writes. */
enum place { AS_VALUE, AS_KEY, IN_STRING };

struct format {
    anqa_json_writer *w;
    const char *at, *end;
    uint32_t
        outside;  /* the writer's depth before: the format closes nothing that it has not opened */
    va_list args; /* in a struct, so that a pointer to it can be handed on */
};

struct directive {
    char length; /* 'H' for hh, 'L' for ll, else the letter; 0: none */
    char conversion;
    enum { WHOLE, EXACT, AT_MOST } cut;
    int precision;
};

static void mistake(struct format *f)
{
    json_write_fail(f->w, ANQA_E_INVALID);
}

static bool going_on(const struct format *f)
{
    return f->w->status == ANQA_OK;
}

static bool take(struct format *f, char c)
{
    if (f->at == f->end || *f->at != c)
        return false;
    f->at++;
    return true;
}

/* ---------------------------------------------------------------- directives */

static char take_length(struct format *f)
{
    char first = (char)(f->at < f->end ? *f->at : '\0');

    if (first == '\0' || strchr("hljzt", first) == NULL)
        return '\0';
    f->at++;
    if ((first == 'h' || first == 'l') && take(f, first))
        return first == 'h' ? 'H' : 'L';
    return first;
}

static int take_number(struct format *f)
{
    int value = 0;

    for (; f->at < f->end && *f->at >= '0' && *f->at <= '9'; f->at++)
        value = value < 100000000 ? value * 10 + (*f->at - '0') : value;
    return value;
}

/* From behind the percent sign. Flags and widths are not known and end as a conversion that is none. */
static struct directive take_directive(struct format *f)
{
    struct directive d = {.cut = WHOLE};

    if (take(f, '.')) {
        d.cut = take(f, '*') ? EXACT : AT_MOST;
        d.precision = d.cut == EXACT ? va_arg(f->args, int) : take_number(f);
    }
    d.length = take_length(f);
    d.conversion = (char)(f->at < f->end ? *f->at++ : '\0');
    return d;
}

static int64_t take_signed(struct format *f, char length)
{
    switch (length) {
    case 'H': return (signed char)va_arg(f->args, int);
    case 'h': return (short)va_arg(f->args, int);
    case 'l': return va_arg(f->args, long);
    case 'L': return va_arg(f->args, long long);
    /* NOLINTNEXTLINE(bugprone-branch-clone): the types differ, though here not in size */
    case 'j': return va_arg(f->args, intmax_t);
    case 'z': return va_arg(f->args, ssize_t);
    case 't': return va_arg(f->args, ptrdiff_t);
    default: return va_arg(f->args, int);
    }
}

static uint64_t take_unsigned(struct format *f, char length)
{
    switch (length) {
    case 'H': return (unsigned char)va_arg(f->args, unsigned);
    case 'h': return (unsigned short)va_arg(f->args, unsigned);
    case 'l': return va_arg(f->args, unsigned long);
    case 'L': return va_arg(f->args, unsigned long long);
    /* NOLINTNEXTLINE(bugprone-branch-clone): the types differ, though here not in size */
    case 'j': return va_arg(f->args, uintmax_t);
    case 'z': return va_arg(f->args, size_t);
    case 't': return (uint64_t)va_arg(f->args, ptrdiff_t);
    default: return va_arg(f->args, unsigned);
    }
}

/* At most `max` bytes, without a character that would be cut in two. */
static anqa_str cut_string(const char *text, size_t max)
{
    size_t len = strnlen(text, max);

    if (len == max) {
        size_t whole = len;
        while (whole > 0 && utf8_is_tail((unsigned char)text[whole - 1]))
            whole--;
        if (whole > 0 && utf8_char_len(text + whole - 1, text + len) == 0)
            len = whole - 1;
    }
    return anqa_str_make(text, len);
}

/* False: the argument was NULL. */
static bool take_string(struct format *f, const struct directive *d, anqa_str *ret_str)
{
    const char *text = va_arg(f->args, const char *);

    *ret_str = anqa_str_make("", 0);
    if (d->cut == EXACT) {
        if (d->precision < 0)
            mistake(f);
        else if (d->precision > 0 && text != NULL)
            *ret_str = anqa_str_make(text, (size_t)d->precision);
        return d->precision <= 0 || text != NULL;
    }
    if (text == NULL)
        return false;
    *ret_str = d->cut == AT_MOST ? cut_string(text, (size_t)d->precision) : anqa_str_of(text);
    return true;
}

static void format_string(struct format *f, const struct directive *d, enum place place)
{
    anqa_str text;
    bool there = take_string(f, d, &text);

    if (!there && place != AS_VALUE)
        mistake(f); /* null has no place inside of a string, nor as a name */
    else if (!there)
        anqa_json_put_null(f->w);
    else if (place == AS_VALUE)
        anqa_json_put_str(f->w, text);
    else if (place == AS_KEY)
        anqa_json_key_str(f->w, text);
    else
        json_write_escaped(f->w, text);
}

/* Numbers inside of a string are written by a writer of their own, which knows nothing of what is around. */
static void format_number(struct format *f, const struct directive *d, enum place place)
{
    char bytes[32];
    anqa_json_writer part;
    anqa_json_writer *w = f->w;
    anqa_json text;

    if (place == IN_STRING) {
        anqa_json_writer_init_fixed(&part, bytes, sizeof bytes);
        w = &part;
    }
    if (d->conversion == 'u')
        anqa_json_put_uint(w, take_unsigned(f, d->length));
    else if (d->conversion == 'd' || d->conversion == 'i')
        anqa_json_put_int(w, take_signed(f, d->length));
    else
        anqa_json_put_double(w, va_arg(f->args, double));
    if (place != IN_STRING)
        return;
    if (anqa_json_writer_finish(&part, &text) != ANQA_OK)
        mistake(f);
    else
        json_write_bytes(f->w, text.ptr, text.len);
}

static void format_bool(struct format *f)
{
    int value = va_arg(f->args, int);

    if (value != 0 && value != 1)
        mistake(f);
    else
        anqa_json_put_bool(f->w, value != 0);
}

static void format_raw(struct format *f)
{
    const anqa_json *json = va_arg(f->args, const anqa_json *);

    anqa_json_put_raw(f->w, json != NULL ? *json : ANQA_JSON_NULL);
}

static void format_directive(struct format *f, enum place place)
{
    struct directive d = take_directive(f);
    bool bare = d.length == '\0' && d.cut == WHOLE;

    switch (d.conversion) {
    case 's':
        if (d.length != '\0')
            break;
        format_string(f, &d, place);
        return;
    case 'd':
    case 'i':
    case 'u':
        if (d.cut != WHOLE || place == AS_KEY)
            break;
        format_number(f, &d, place);
        return;
    case 'f':
    case 'g':
    case 'e':
        if (d.cut != WHOLE || place == AS_KEY || (d.length != '\0' && d.length != 'l'))
            break;
        format_number(f, &d, place);
        return;
    case 'c':
        if (!bare || place != AS_VALUE)
            break;
        format_bool(f);
        return;
    case 'p':
        if (!bare || place != AS_VALUE)
            break;
        format_raw(f);
        return;
    case '%':
        if (!bare || place != IN_STRING)
            break;
        json_write_bytes(f->w, "%", 1);
        return;
    default: break;
    }
    mistake(f);
}

/* ---------------------------------------------------------------- the JSON around them */

/* From behind the opening quote to behind the closing one. */
static void format_quoted(struct format *f)
{
    json_write_bytes(f->w, "\"", 1);
    while (going_on(f)) {
        const char *from = f->at;

        while (f->at < f->end && *f->at != '\'' && *f->at != '%')
            f->at++;
        json_write_escaped(f->w, anqa_str_make(from, (size_t)(f->at - from)));
        if (take(f, '%')) {
            format_directive(f, IN_STRING);
        } else if (!take(f, '\'')) {
            mistake(f);
        } else if (take(f, '\'')) {
            json_write_bytes(f->w, "'", 1);
        } else {
            json_write_bytes(f->w, "\"", 1);
            return;
        }
    }
}

static void format_key(struct format *f)
{
    if (take(f, '%')) {
        format_directive(f, AS_KEY);
    } else if (!take(f, '\'')) {
        mistake(f);
    } else if (json_write_begin_key(f->w)) {
        format_quoted(f);
        json_write_end_key(f->w);
    }
}

/* A number or a literal as it stands. */
static void format_constant(struct format *f)
{
    const char *behind = json_skip_value(f->at, f->end), *stuck;
    anqa_json json;

    if (behind == NULL) {
        mistake(f);
        return;
    }
    json = (anqa_json){f->at, (size_t)(behind - f->at)};
    f->at = behind;
    if (json_number_end(json.ptr, behind, &stuck) == behind ||
        anqa_str_is(anqa_json_text(json), "null") || anqa_str_is(anqa_json_text(json), "true") ||
        anqa_str_is(anqa_json_text(json), "false"))
        anqa_json_put_raw(f->w, json);
    else
        mistake(f);
}

static enum state format_value(struct format *f)
{
    if (take(f, '{')) {
        anqa_json_begin_object(f->w);
        return KEY_OR_END;
    }
    if (take(f, '[')) {
        anqa_json_begin_array(f->w);
        return VALUE_OR_END;
    }
    if (take(f, '%'))
        format_directive(f, AS_VALUE);
    else if (!take(f, '\''))
        format_constant(f);
    else if (json_write_begin_value(f->w))
        format_quoted(f);
    return f->w->depth == f->outside ? DONE : BEHIND_VALUE;
}

static enum state format_end(struct format *f)
{
    if (json_write_in_object(f->w) && take(f, '}'))
        anqa_json_end_object(f->w);
    else if (!json_write_in_object(f->w) && take(f, ']'))
        anqa_json_end_array(f->w);
    else
        mistake(f);
    return f->w->depth == f->outside ? DONE : BEHIND_VALUE;
}

static enum state format_step(struct format *f, enum state state)
{
    switch (state) {
    case VALUE_OR_END: return f->at < f->end && *f->at == ']' ? format_end(f) : format_value(f);
    case VALUE: return format_value(f);
    case KEY_OR_END:
        if (f->at < f->end && *f->at == '}')
            return format_end(f);
        format_key(f);
        return COLON;
    case KEY: format_key(f); return COLON;
    case COLON:
        if (!take(f, ':'))
            mistake(f);
        return VALUE;
    case BEHIND_VALUE:
        if (!take(f, ','))
            return format_end(f);
        return json_write_in_object(f->w) ? KEY : VALUE;
    case DONE: mistake(f); return DONE;
    }
    return DONE;
}

void anqa_json_vformat(anqa_json_writer *w, const char *format, va_list args)
{
    struct format f = {.w = w, .at = format, .end = format + strlen(format), .outside = w->depth};
    enum state state = VALUE;

    va_copy(f.args, args);
    for (;;) {
        f.at = json_skip_blanks(f.at, f.end);
        if (!going_on(&f) || (state == DONE && f.at == f.end))
            break;
        state = format_step(&f, state);
    }
    va_end(f.args);
}

void anqa_json_format(anqa_json_writer *w, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    anqa_json_vformat(w, format, args);
    va_end(args);
}
