#include "telemetry/log_fields.h"

#include "base/utf8.h"

#include <stdio.h>

/*
 * A format is walked once. Outside of a value its characters are copied: keys and the blanks between fields are the
 * programmer's. An equals sign opens a value, the next blank of the format (not of an argument) closes it, unless it stands
 * between quotes of the format:
 *
 *     "error=%s:%d next=\"see %s\""
 *      key   value  key   value
 *
 * Each value is written behind a reserved quote. When it turns out at its end that it needs none, it is moved back by one.
 */
struct fields {
    char *text;
    size_t len, room; /* room: leaves space for a closing quote and the mark */
    size_t field_at;  /* where the current field began */
    size_t value_at;  /* where its reserved quote stands; 0: not in a value */
    bool quoted;      /* the value has characters that need quotes */
    bool in_quotes;   /* between quotes of the format: blanks belong to the value */
    bool worded;      /* some of it came from %s or %c: it must not look like a number */
    bool cut;
    int errnum;
};

static const char *skip_digits(const char *at, const char *end)
{
    while (at < end && *at >= '0' && *at <= '9')
        at++;
    return at;
}

/* Whether a text is a number in JSON's grammar. */
static bool is_number(anqa_str s)
{
    const char *at = s.ptr, *end = s.ptr + s.len, *digits;

    if (at < end && *at == '-')
        at++;
    digits = at;
    at = skip_digits(at, end);
    if (at == digits || (*digits == '0' && at - digits > 1))
        return false;
    if (at < end && *at == '.') {
        digits = ++at;
        at = skip_digits(at, end);
        if (at == digits)
            return false;
    }
    if (at < end && (*at == 'e' || *at == 'E')) {
        at++;
        if (at < end && (*at == '+' || *at == '-'))
            at++;
        digits = at;
        at = skip_digits(at, end);
        if (at == digits)
            return false;
    }
    return at == end;
}

/* ---------------------------------------------------------------- escaping */

/* Characters beyond ASCII that control a terminal, break lines or turn the reading direction. */
static uint32_t unsafe_point(const unsigned char *at, size_t len)
{
    uint32_t point = 0;

    if (len == 2)
        point = (uint32_t)(at[0] & 0x1f) << 6 | (at[1] & 0x3f);
    else if (len == 3)
        point = (uint32_t)(at[0] & 0x0f) << 12 | (uint32_t)(at[1] & 0x3f) << 6 | (at[2] & 0x3f);
    if ((point >= 0x80 && point < 0xa0) || point == 0x61c || point == 0x200e || point == 0x200f)
        return point;
    if ((point >= 0x2028 && point <= 0x202e) || (point >= 0x2066 && point <= 0x2069) ||
        point == 0xfeff)
        return point;
    return 0;
}

static size_t write_hex(char *to, const char *prefix, uint32_t value, size_t digits)
{
    to[0] = prefix[0];
    to[1] = prefix[1];
    for (size_t i = 0; i < digits; i++)
        to[2 + i] = "0123456789abcdef"[value >> (4 * (digits - 1 - i)) & 15];
    return 2 + digits;
}

static size_t escape_ascii(unsigned char c, char to[static 8], bool *quoted)
{
    static const char plain[] = "\"\\\n\r\t", letter[] = "\"\\nrt";
    const char *special = c == '\0' ? NULL : strchr(plain, c);

    to[0] = (char)c;
    if (special == NULL && c > ' ' && c != '=' && c != 0x7f)
        return 1;
    *quoted = true;
    if (c == ' ' || c == '=')
        return 1;
    if (special == NULL)
        return write_hex(to, "\\u", c, 4);
    to[0] = '\\';
    to[1] = letter[special - plain];
    return 2;
}

/* Escapes the character at `at`; returns the length of what was written and, over *ret_taken, of what was read. */
static size_t escape_char(
    const char *at, const char *end, char to[static 8], bool *quoted, size_t *ret_taken)
{
    const unsigned char *bytes = (const unsigned char *)at;
    size_t len = utf8_char_len(at, end);
    uint32_t point;

    *ret_taken = len == 0 ? 1 : len;
    if (len == 1)
        return escape_ascii(bytes[0], to, quoted);
    if (len == 0) {
        *quoted = true;
        return write_hex(to, "\\x", bytes[0], 2);
    }
    point = unsafe_point(bytes, len);
    if (point != 0) {
        *quoted = true;
        return write_hex(to, "\\u", point, 4);
    }
    memcpy(to, at, len);
    return len;
}

/* ---------------------------------------------------------------- fields */

/* A unit goes in whole or not at all, so that no character and no escape is ever cut in two. */
static void put(struct fields *f, const char *bytes, size_t len)
{
    if (f->cut || len > f->room - f->len) {
        f->cut = true;
        return;
    }
    memcpy(f->text + f->len, bytes, len);
    f->len += len;
}

static void begin_value(struct fields *f)
{
    put(f, "=", 1);
    if (f->cut)
        return;
    f->value_at = f->len;
    f->quoted = f->worded = false;
    put(f, "\"", 1);
    if (f->cut)
        f->value_at = 0;
}

static void end_value(struct fields *f)
{
    anqa_str value = anqa_str_make(f->text + f->value_at + 1, f->len - f->value_at - 1);

    if (value.len == 0 || (f->worded && is_number(value)))
        f->quoted = true;
    if (f->quoted) {
        f->text[f->len++] = '"'; /* room was left for it */
    } else {
        memmove(f->text + f->value_at, value.ptr, value.len);
        f->len--;
    }
    f->value_at = 0;
}

/* Length of the run of characters that stand for themselves everywhere. */
static size_t plain_run(const char *bytes, const char *end)
{
    const char *at = bytes;

    while (at < end && *at > ' ' && *at < 0x7f && *at != '"' && *at != '=' && *at != '\\')
        at++;
    return (size_t)(at - bytes);
}

/* Bytes of the value; outside of one they stand for a word without a key and are kept to what a key may be. */
static void put_value(struct fields *f, const char *bytes, size_t len)
{
    const char *end = bytes + len;

    while (bytes < end && !f->cut) {
        char unit[8];
        bool quoted = false;
        size_t taken = plain_run(bytes, end), unit_len, room = f->room - f->len;
        if (taken != 0 && room != 0) {
            taken = taken < room ? taken : room;
            put(f, bytes, taken);
            bytes += taken;
            continue;
        }
        unit_len = escape_char(bytes, end, unit, &quoted, &taken);
        if (f->value_at == 0 && quoted) {
            unit[0] = '?';
            unit_len = 1;
        }
        put(f, unit, unit_len);
        f->quoted = f->quoted || quoted;
        bytes += taken;
    }
}

static void put_literal(struct fields *f, char c)
{
    if (f->value_at != 0 && c == '"') {
        f->in_quotes = !f->in_quotes;
        f->quoted = true;
    } else if (c == ' ' && !f->in_quotes) {
        if (f->value_at != 0)
            end_value(f);
        if (f->len > 0 && f->text[f->len - 1] != ' ')
            put(f, " ", 1);
        f->field_at = f->cut ? f->field_at : f->len;
    } else if (c == '=' && f->value_at == 0 && f->len > f->field_at) {
        begin_value(f);
    } else {
        put_value(f, &c, 1);
    }
}

/* A field that was cut before its value began says nothing. */
static size_t finish(struct fields *f)
{
    if (f->value_at != 0)
        end_value(f);
    else if (f->cut)
        f->len = f->field_at;
    if (f->len > 0 && f->text[f->len - 1] == ' ')
        f->len--;
    if (f->cut) {
        memcpy(f->text + f->len, LOG_CUT_MARK, sizeof LOG_CUT_MARK - 1);
        f->len += sizeof LOG_CUT_MARK - 1;
    }
    return f->len;
}

/* ---------------------------------------------------------------- conversions */

/* printf's own, read by hand: calling it with parts of a format would hide the format from the compiler's check. */
struct spec {
    bool minus, zero, plus, blank, alternate;
    int width, precision; /* precision -1: none */
    int size;             /* bytes of an integer argument */
    bool wide, long_double;
    char conversion;
};

/* A va_list cannot be passed by reference everywhere; in a struct it can. */
struct arguments {
    va_list list;
};

static int read_count(const char **at, struct arguments *args)
{
    int n = 0;

    if (**at == '*') {
        ++*at;
        return va_arg(args->list, int);
    }
    for (; **at >= '0' && **at <= '9'; ++*at)
        n = n < 10000 ? n * 10 + (**at - '0') : n;
    return n;
}

static void read_flags(const char **at, struct spec *spec)
{
    for (;; ++*at) {
        switch (**at) {
        case '-': spec->minus = true; break;
        case '0': spec->zero = true; break;
        case '+': spec->plus = true; break;
        case ' ': spec->blank = true; break;
        case '#': spec->alternate = true; break;
        default: return;
        }
    }
}

static void read_size(const char **at, struct spec *spec)
{
    spec->size = sizeof(int);
    for (;; ++*at) {
        switch (**at) {
        case 'h': spec->size /= 2; break;
        case 'l':
            spec->size = sizeof(long);
            spec->wide = true;
            break;
        case 'j':
        case 'z':
        case 't': spec->size = sizeof(int64_t); break;
        case 'L': spec->long_double = true; break;
        default: return;
        }
    }
}

static struct spec read_spec(const char **at, struct arguments *args)
{
    struct spec spec = {.precision = -1};

    read_flags(at, &spec);
    spec.width = read_count(at, args);
    if (spec.width < 0) {
        spec.minus = true;
        spec.width = spec.width == INT32_MIN ? 0 : -spec.width;
    }
    if (**at == '.') {
        ++*at;
        spec.precision = read_count(at, args);
    }
    read_size(at, &spec);
    spec.conversion = **at;
    if (**at != '\0')
        ++*at;
    return spec;
}

static void put_padding(struct fields *f, char c, int count)
{
    while (count-- > 0 && !f->cut)
        put_value(f, &c, 1);
}

/* Pads `text`, whose first `prefix` characters (sign, 0x) stay before zeros. */
static void put_padded(
    struct fields *f, const struct spec *spec, const char *text, size_t prefix, size_t len)
{
    int missing = (size_t)spec->width > len ? spec->width - (int)len : 0;

    if (!spec->minus && !spec->zero)
        put_padding(f, ' ', missing);
    put_value(f, text, prefix);
    if (!spec->minus && spec->zero)
        put_padding(f, '0', missing);
    put_value(f, text + prefix, len - prefix);
    if (spec->minus)
        put_padding(f, ' ', missing);
}

#define DIGITS_MAX 64

static void put_digits(
    struct fields *f, struct spec *spec, const char *prefix, uint64_t value, unsigned base)
{
    const char *digits = spec->conversion == 'X' ? "0123456789ABCDEF" : "0123456789abcdef";
    char text[DIGITS_MAX + 4];
    size_t at = sizeof text, prefix_len = strlen(prefix);
    int least = spec->precision < 0 ? 1 : spec->precision;

    least = least > DIGITS_MAX ? DIGITS_MAX : least;
    for (int n = 0; value != 0 || n < least; n++, value /= base)
        text[--at] = digits[value % base];
    for (size_t i = prefix_len; i > 0; i--)
        text[--at] = prefix[i - 1];
    if (spec->precision >= 0)
        spec->zero = false; /* as in C: a precision takes the zeros' place */
    put_padded(f, spec, text + at, prefix_len, sizeof text - at);
}

static void put_signed(struct fields *f, struct spec *spec, struct arguments *args)
{
    int64_t value = spec->size == 8 ? va_arg(args->list, int64_t) : va_arg(args->list, int);
    const char *sign = spec->plus ? "+" : spec->blank ? " " : "";
    int unused_bits = 64 - 8 * (spec->size < 1 ? 1 : spec->size);

    value = (int64_t)((uint64_t)value << unused_bits) >> unused_bits; /* what %hd and %hhd mean */
    put_digits(f, spec, value < 0 ? "-" : sign, value < 0 ? -(uint64_t)value : (uint64_t)value, 10);
}

static void put_unsigned(struct fields *f, struct spec *spec, struct arguments *args, unsigned base)
{
    uint64_t value = spec->size == 8 ? va_arg(args->list, uint64_t) : va_arg(args->list, unsigned);
    const char *prefix = "";

    if (spec->size == 2)
        value = (unsigned short)value;
    else if (spec->size < 2)
        value = (unsigned char)value;
    if (spec->alternate && base == 16 && value != 0)
        prefix = spec->conversion == 'X' ? "0X" : "0x";
    else if (spec->alternate && base == 8 && value != 0)
        prefix = "0";
    put_digits(f, spec, prefix, value, base);
}

/* The precision is bounded and long numbers are written with an exponent, so that snprintf never needs malloc. */
static void put_double(struct fields *f, struct spec *spec, struct arguments *args)
{
    double value =
        spec->long_double ? (double)va_arg(args->list, long double) : va_arg(args->list, double);
    int precision = spec->precision < 0 ? 6 : spec->precision > 17 ? 17 : spec->precision;
    char kind = spec->conversion, text[64];
    int len;

    if ((kind == 'f' || kind == 'F') && !(value > -1e17 && value < 1e17)) {
        kind = 'g';
        precision = 17;
    }
    switch (kind) {
    case 'f':
    case 'F': len = snprintf(text, sizeof text, "%.*f", precision, value); break;
    case 'e': len = snprintf(text, sizeof text, "%.*e", precision, value); break;
    case 'E': len = snprintf(text, sizeof text, "%.*E", precision, value); break;
    case 'a': len = snprintf(text, sizeof text, "%a", value); break;
    case 'A': len = snprintf(text, sizeof text, "%A", value); break;
    case 'G': len = snprintf(text, sizeof text, "%.*G", precision, value); break;
    default: len = snprintf(text, sizeof text, "%.*g", precision, value); break;
    }
    if (len > 0)
        put_padded(f, spec, text, text[0] == '-', (size_t)len);
}

static void put_string(struct fields *f, struct spec *spec, const char *text)
{
    size_t len;

    if (text == NULL) {
        put_value(f, "null", 4);
        return;
    }
    f->worded = true;
    len = spec->precision < 0 ? strlen(text) : strnlen(text, (size_t)spec->precision);
    spec->zero = false;
    put_padded(f, spec, text, 0, len);
}

static void put_pointer(struct fields *f, struct spec *spec, const void *pointer)
{
    spec->conversion = 'x';
    put_digits(f, spec, "0x", (uint64_t)(uintptr_t)pointer, 16);
}

static void put_char_argument(struct fields *f, struct spec *spec, int value)
{
    char c = (char)value;

    f->worded = true;
    spec->zero = false;
    put_padded(f, spec, &c, 0, 1);
}

static void put_conversion(struct fields *f, struct spec *spec, struct arguments *args)
{
    switch (spec->conversion) {
    case 'd':
    case 'i': put_signed(f, spec, args); return;
    case 'u': put_unsigned(f, spec, args, 10); return;
    case 'o': put_unsigned(f, spec, args, 8); return;
    case 'x':
    case 'X': put_unsigned(f, spec, args, 16); return;
    case 'f':
    case 'F':
    case 'e':
    case 'E':
    case 'g':
    case 'G':
    case 'a':
    case 'A': put_double(f, spec, args); return;
    case 'c': put_char_argument(f, spec, va_arg(args->list, int)); return;
    case 'p': put_pointer(f, spec, va_arg(args->list, void *)); return;
    case 'm': put_string(f, spec, strerrordesc_np(f->errnum)); return;
    case '%': put_value(f, "%", 1); return;
    case 's':
        if (spec->wide) {
            (void)va_arg(args->list, void *);
            put_value(f, "?", 1); /* wide characters would need the locale */
        } else {
            put_string(f, spec, va_arg(args->list, const char *));
        }
        return;
    default: put_value(f, "?", 1); return; /* %n and what no compiler lets through */
    }
}

size_t log_fields_format(
    char text[static LOG_FIELDS_MAX], int errnum, const char *format, va_list args)
{
    struct fields f = {
        .text = text, .errnum = errnum, .room = LOG_FIELDS_MAX - sizeof LOG_CUT_MARK};
    struct arguments copy;

    va_copy(copy.list, args);
    while (*format != '\0' && !f.cut) {
        struct spec spec;
        if (*format != '%') {
            put_literal(&f, *format++);
            continue;
        }
        format++;
        spec = read_spec(&format, &copy);
        put_conversion(&f, &spec, &copy);
    }
    va_end(copy.list);
    return finish(&f);
}

/* ---------------------------------------------------------------- out */

void log_out_bytes(struct log_out *out, const char *bytes, size_t len)
{
    if (len > out->size - out->len)
        len = out->size - out->len;
    if (len != 0)
        memcpy(out->ptr + out->len, bytes, len);
    out->len += len;
}

void log_out_text(struct log_out *out, const char *text)
{
    log_out_bytes(out, text, strlen(text));
}

void log_out_value(struct log_out *out, anqa_str bytes)
{
    const char *end = bytes.ptr + bytes.len;
    bool quoted = bytes.len == 0 || is_number(bytes);
    char unit[8];
    size_t taken;

    for (const char *at = bytes.ptr; at < end && !quoted; at += taken)
        escape_char(at, end, unit, &quoted, &taken);
    if (quoted)
        log_out_text(out, "\"");
    for (const char *at = bytes.ptr; at < end; at += taken)
        log_out_bytes(out, unit, escape_char(at, end, unit, &quoted, &taken));
    if (quoted)
        log_out_text(out, "\"");
}

/* Our escapes are JSON's but for \xNN, which stands for a byte that is no character: its backslash is escaped. */
void log_out_json_string(struct log_out *out, anqa_str logfmt)
{
    bool quoted = logfmt.len >= 2 && logfmt.ptr[0] == '"';
    const char *at = logfmt.ptr + quoted, *end = logfmt.ptr + logfmt.len - quoted;

    log_out_text(out, "\"");
    for (; at < end; at++) {
        if (*at != '\\' || at + 1 == end) {
            log_out_bytes(out, at, 1);
            continue;
        }
        if (at[1] == 'x')
            log_out_text(out, "\\");
        log_out_bytes(out, at++, 2);
    }
    log_out_text(out, "\"");
}

/* Takes a key or a bare word off the front. */
static anqa_str take_key(anqa_str *fields)
{
    size_t len = 0;
    anqa_str key;

    while (len < fields->len && fields->ptr[len] != '=' && fields->ptr[len] != ' ')
        len++;
    key = anqa_str_make(fields->ptr, len);
    *fields = anqa_str_make(fields->ptr + len, fields->len - len);
    return key;
}

static anqa_str take_value(anqa_str *fields)
{
    bool quoted = fields->len > 0 && fields->ptr[0] == '"';
    size_t len = quoted;
    anqa_str value;

    while (len < fields->len && fields->ptr[len] != (quoted ? '"' : ' '))
        len += fields->ptr[len] == '\\' && len + 1 < fields->len ? 2 : 1;
    if (quoted && len < fields->len)
        len++;
    value = anqa_str_make(fields->ptr, len);
    *fields = anqa_str_make(fields->ptr + len, fields->len - len);
    return value;
}

/* Takes key or key=value off the front and writes it as a member; a word without a value is a flag. */
static void out_json_member(struct log_out *out, anqa_str *fields)
{
    anqa_str value;

    log_out_json_string(out, take_key(fields));
    if (fields->len == 0 || fields->ptr[0] != '=') {
        log_out_text(out, ":true");
        return;
    }
    *fields = anqa_str_make(fields->ptr + 1, fields->len - 1);
    value = take_value(fields);
    log_out_text(out, ":");
    if (is_number(value))
        log_out_bytes(out, value.ptr, value.len);
    else
        log_out_json_string(out, value);
}

void log_out_json_fields(struct log_out *out, anqa_str fields)
{
    const char *comma = "";

    log_out_text(out, "{");
    while (fields.len > 0) {
        if (fields.ptr[0] == ' ') {
            fields = anqa_str_make(fields.ptr + 1, fields.len - 1);
            continue;
        }
        log_out_text(out, comma);
        comma = ",";
        out_json_member(out, &fields);
    }
    log_out_text(out, "}");
}
