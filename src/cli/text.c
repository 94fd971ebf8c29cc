/* Text for terminals. */
#include "cli/cli.h"

#include <inttypes.h>
#include <wchar.h>

#include "base/utf8.h"

const char *look_code(unsigned look, char code[LOOK_CODE_MAX])
{
    static const struct {
        unsigned look;
        const char *digits;
    } codes[] = {{LOOK_BOLD, ";1"}, {LOOK_DIM, ";2"}, {LOOK_REVERSE, ";7"}, {LOOK_RED, ";31"},
        {LOOK_GREEN, ";32"}, {LOOK_YELLOW, ";33"}, {LOOK_CYAN, ";36"}};
    int len = snprintf(code, LOOK_CODE_MAX, "\x1b[0");

    for (size_t i = 0; i < ANQA_COUNT(codes); i++)
        if ((look & codes[i].look) != 0)
            len += snprintf(code + len, LOOK_CODE_MAX - (size_t)len, "%s", codes[i].digits);
    snprintf(code + len, LOOK_CODE_MAX - (size_t)len, "m");
    return code;
}

void look_print(const struct cli *cli, FILE *out, unsigned look, anqa_str clean)
{
    bool shown = cli->colour && look != 0 && clean.len > 0;
    char code[LOOK_CODE_MAX];

    fprintf(out, "%s%.*s%s", shown ? look_code(look, code) : "", ANQA_FMT(clean),
        shown ? "\x1b[0m" : "");
}

/* ---------------------------------------------------------------- characters */

static uint32_t point_of(const char *at, size_t len)
{
    const unsigned char *p = (const unsigned char *)at;

    switch (len) {
    case 1: return p[0];
    case 2: return (p[0] & 0x1fu) << 6 | (p[1] & 0x3fu);
    case 3: return (p[0] & 0x0fu) << 12 | (p[1] & 0x3fu) << 6 | (p[2] & 0x3fu);
    default:
        return (p[0] & 0x07u) << 18 | (p[1] & 0x3fu) << 12 | (p[2] & 0x3fu) << 6 | (p[3] & 0x3fu);
    }
}

/* Controls, and what makes a text look like another: marks of direction, breaks of lines, invisible ones. */
static bool is_unsafe(uint32_t point)
{
    return point < 0x20 || (point >= 0x7f && point < 0xa0) || point == 0xad || point == 0x61c ||
           (point >= 0x200b && point <= 0x200f) || (point >= 0x2028 && point <= 0x202e) ||
           (point >= 0x2060 && point <= 0x206f) || point == 0xfeff ||
           (point >= 0xfff9 && point <= 0xfffb) || (point >= 0xe0000 && point <= 0xe0fff);
}

static size_t columns_of(uint32_t point)
{
    int width = wcwidth((wchar_t)point);

    return width < 0 ? 1 : (size_t)width;
}

#define LONGEST_ESCAPE sizeof "\\u{10ffff}"

static size_t clean_one(const struct cli *cli, const char *at, size_t len, char *out)
{
    uint32_t point;

    if (len == 0)
        return (size_t)snprintf(out, LONGEST_ESCAPE, "\\x%02x", (unsigned char)*at);
    point = point_of(at, len);
    if (point < 0x20 || point == 0x7f)
        return (size_t)snprintf(out, LONGEST_ESCAPE, "\\x%02" PRIx32, point);
    if (is_unsafe(point))
        return (size_t)snprintf(out, LONGEST_ESCAPE, "\\u{%" PRIx32 "}", point);
    if (!cli->utf8 && point >= 0x80) {
        *out = '?';
        return 1;
    }
    memcpy(out, at, len);
    return len;
}

anqa_str text_clean(struct cli *cli, anqa_str text)
{
    char *out = anqa_arena_alloc(&cli->arena, text.len * LONGEST_ESCAPE + 1), *to = out;
    const char *end = text.ptr + text.len;

    for (const char *at = text.ptr; at < end;) {
        size_t len = utf8_char_len(at, end);
        to += clean_one(cli, at, len, to);
        at += len == 0 ? 1 : len;
    }
    *to = '\0';
    return anqa_str_make(out, (size_t)(to - out));
}

size_t text_width(anqa_str clean)
{
    const char *end = clean.ptr + clean.len;
    size_t width = 0;

    for (const char *at = clean.ptr; at < end;) {
        size_t len = utf8_char_len(at, end);
        width += len == 0 ? 1 : columns_of(point_of(at, len));
        at += len == 0 ? 1 : len;
    }
    return width;
}

anqa_str text_cut(struct cli *cli, anqa_str clean, size_t width)
{
    const char *end = clean.ptr + clean.len, *at = clean.ptr;
    const char *ellipsis = cli->utf8 ? "\u2026" : "~";
    size_t used = 0;

    if (text_width(clean) <= width)
        return clean;
    if (width == 0)
        return anqa_str_make(clean.ptr, 0);
    while (at < end) {
        size_t len = utf8_char_len(at, end);
        size_t columns = len == 0 ? 1 : columns_of(point_of(at, len));
        if (used + columns > width - 1)
            break;
        used += columns;
        at += len == 0 ? 1 : len;
    }
    return text_format(cli, "%.*s%s", (int)(at - clean.ptr), clean.ptr, ellipsis);
}

anqa_str text_format(struct cli *cli, const char *format, ...)
{
    anqa_str text;
    va_list args;

    va_start(args, format);
    text.ptr = anqa_arena_vprintf(&cli->arena, &text.len, format, args);
    va_end(args);
    return text;
}

/* ---------------------------------------------------------------- quantities */

anqa_str text_bytes(struct cli *cli, uint64_t bytes)
{
    static const char *const units[] = {"B", "KB", "MB", "GB", "TB", "PB"};
    double amount = (double)bytes;
    size_t unit = 0;

    while (amount >= 999.5 && unit + 1 < ANQA_COUNT(units)) {
        amount /= 1024;
        unit++;
    }
    return text_format(cli, "%.*f %s", unit > 0 && amount < 99.95 ? 1 : 0, amount, units[unit]);
}

anqa_str text_duration(struct cli *cli, uint64_t ns)
{
    uint64_t s = ns / 1000000000;

    if (ns < 1000000)
        return text_format(cli, "%.1f us", (double)ns / 1e3);
    if (s == 0)
        return text_format(cli, "%.*f ms", ns < 10000000 ? 1 : 0, (double)ns / 1e6);
    if (s < 60)
        return text_format(cli, "%" PRIu64 " s", s);
    if (s < 3600)
        return text_format(cli, "%" PRIu64 " m %" PRIu64 " s", s / 60, s % 60);
    if (s < 86400)
        return text_format(cli, "%" PRIu64 " h %" PRIu64 " m", s / 3600, s / 60 % 60);
    return text_format(cli, "%" PRIu64 " d %" PRIu64 " h", s / 86400, s / 3600 % 24);
}

anqa_str text_count(struct cli *cli, uint64_t count)
{
    char digits[24];
    size_t len = (size_t)snprintf(digits, sizeof digits, "%" PRIu64, count);
    char *out = anqa_arena_alloc(&cli->arena, 2 * sizeof digits), *to = out;

    for (size_t i = 0; i < len; i++) {
        if (i > 0 && (len - i) % 3 == 0)
            *to++ = ',';
        *to++ = digits[i];
    }
    return anqa_str_make(out, (size_t)(to - out));
}

/* ---------------------------------------------------------------- JSON */

anqa_json field_json(anqa_json object, const char *key)
{
    anqa_json value;

    return anqa_json_get(object, key, &value) == ANQA_OK ? value : ANQA_JSON_NULL;
}

size_t json_count(anqa_json array)
{
    size_t count;

    return anqa_json_len(array, &count) == ANQA_OK ? count : 0;
}

anqa_str field_text(struct cli *cli, anqa_json object, const char *key)
{
    anqa_str text;

    if (anqa_json_get_str(&cli->arena, object, key, &text) != ANQA_OK)
        return anqa_str_make("", 0);
    return text_clean(cli, text);
}

/* Outside of ASCII characters stand in strings only, where an escape means the same. */
void json_print(FILE *out, anqa_json json)
{
    const char *end = json.ptr + json.len;

    for (const char *at = json.ptr; at < end;) {
        size_t len = utf8_char_len(at, end);
        uint32_t point = len == 0 ? 0xfffd : point_of(at, len);
        if (len <= 1 && (point == '\n' || point == '\r' || point == '\t'))
            fputc(' ', out);
        else if (len != 0 && !is_unsafe(point))
            fwrite(at, 1, len, out);
        else if (point >= 0x10000)
            fprintf(out, "\\u%04" PRIx32 "\\u%04" PRIx32, 0xd800 + ((point - 0x10000) >> 10),
                0xdc00 + ((point - 0x10000) & 0x3ff));
        else
            fprintf(out, "\\u%04" PRIx32, point);
        at += len == 0 ? 1 : len;
    }
    fputc('\n', out);
}

static void show(struct cli *cli, FILE *out, anqa_json json, int indent);

static void show_members(struct cli *cli, FILE *out, anqa_json json, int indent)
{
    anqa_json_iter it = anqa_json_each(json);
    anqa_str key = {0};

    while (anqa_json_next(&it)) {
        bool is_deep = it.value.len > 2 && (anqa_json_type_of(it.value) == ANQA_JSON_IS_OBJECT ||
                                               anqa_json_type_of(it.value) == ANQA_JSON_IS_ARRAY);
        fprintf(out, "%*s", indent, "");
        if (it.key.len == 0)
            fputc('-', out);
        else if (anqa_json_to_str(&cli->arena, it.key, &key) == ANQA_OK)
            look_print(cli, out, LOOK_CYAN, text_clean(cli, key));
        fputs(it.key.len == 0 ? "" : ":", out);
        fputc(is_deep ? '\n' : ' ', out);
        show(cli, out, it.value, indent + 2);
    }
}

/* Answers are checked JSON, which has at most ANQA_JSON_DEFAULT_DEPTH levels. */
static void show(struct cli *cli, FILE *out, anqa_json json, int indent)
{
    anqa_json_type type = anqa_json_type_of(json);
    anqa_str text = {0};

    if (json.len > 2 && (type == ANQA_JSON_IS_OBJECT || type == ANQA_JSON_IS_ARRAY)) {
        show_members(cli, out, json, indent);
        return;
    }
    if (type != ANQA_JSON_IS_STRING || anqa_json_to_str(&cli->arena, json, &text) != ANQA_OK)
        text = anqa_json_text(json);
    anqa_str clean = text_clean(cli, text);
    fprintf(out, "%.*s\n", ANQA_FMT(clean));
}

void json_show(struct cli *cli, FILE *out, anqa_json json)
{
    show(cli, out, json, 0);
}
