#include <anqa/html.h>

#include <stdio.h>

#include <anqa/memory.h>
#include <anqa/process.h>

#define FIRST 512u
#define DIRECTIVE 32u /* of a number: "%-+08.3lld" */
#define NUMBER 400u   /* DBL_MAX in full, and what a width adds */

/* ---------------------------------------------------------------- what has been written */

static char *room(anqa_html *html, size_t len)
{
    size_t capacity = html->capacity == 0 ? FIRST : html->capacity;
    char *larger;

    if (html->capacity - html->text.len >= len && html->capacity != 0)
        return (char *)(uintptr_t)html->text.ptr + html->text.len;
    while (capacity - html->text.len < len)
        capacity *= 2;
    larger = anqa_arena_alloc(anqa_tmp(), capacity);
    if (html->text.len != 0)
        memcpy(larger, html->text.ptr, html->text.len);
    html->text.ptr = larger;
    html->capacity = capacity;
    return larger + html->text.len;
}

static void put(anqa_html *html, anqa_str text)
{
    if (text.len == 0)
        return;
    memcpy(room(html, text.len), text.ptr, text.len);
    html->text.len += text.len;
}

static const char *escape_of(char c)
{
    switch (c) {
    case '&': return "&amp;";
    case '<': return "&lt;";
    case '>': return "&gt;";
    case '"': return "&quot;";
    case '\'': return "&#39;";
    default: return NULL;
    }
}

static void put_escaped(anqa_html *html, anqa_str text)
{
    size_t from = 0;

    for (size_t i = 0; i < text.len; i++) {
        const char *escape = escape_of(text.ptr[i]);
        if (escape == NULL)
            continue;
        put(html, anqa_str_make(text.ptr + from, i - from));
        put(html, anqa_str_of(escape));
        from = i + 1;
    }
    if (from < text.len)
        put(html, anqa_str_make(text.ptr + from, text.len - from));
}

anqa_str anqa_html_escape(anqa_str text)
{
    anqa_html html = {0};

    put_escaped(&html, text);
    return html.text.len == 0 ? anqa_str_of("") : html.text;
}

/* ---------------------------------------------------------------- formats */

struct format {
    anqa_html *html;
    const char *whole, *at;
    va_list args; /* in a struct, so that a pointer to it can be handed on */
};

ANQA_NORETURN static void mistake(const struct format *f, const char *why)
{
    anqa_exit(anqa_error_reason("the format of HTML \"%.40s\": %s", f->whole, why));
}

/* %s, %.10s, %.*s: from behind the percent sign. */
static void format_text(struct format *f)
{
    size_t most = SIZE_MAX;
    const char *text;

    if (*f->at == '.') {
        int precision = 0;
        if (*++f->at == '*') {
            f->at++;
            precision = va_arg(f->args, int);
        }
        for (; *f->at >= '0' && *f->at <= '9' && precision < 100000000; f->at++)
            precision = precision * 10 + (*f->at - '0');
        most = precision < 0 ? 0 : (size_t)precision;
    }
    f->at++; /* the s */
    text = va_arg(f->args, const char *);
    if (text == NULL && most != 0)
        mistake(f, "a text is NULL");
    put_escaped(f->html, anqa_str_make(text, text == NULL ? 0 : strnlen(text, most)));
}

static void format_part(struct format *f)
{
    const anqa_str *part = va_arg(f->args, const anqa_str *);

    if (part == NULL)
        mistake(f, "a part is NULL");
    put(f->html, *part);
}

/* What a number is passed as. */
static const char *take_length(struct format *f)
{
    static const char *const lengths[] = {"hh", "h", "ll", "l", "j", "z", "t"};

    for (size_t i = 0; i < ANQA_COUNT(lengths); i++) {
        size_t len = strlen(lengths[i]);
        if (strncmp(f->at, lengths[i], len) == 0) {
            f->at += len;
            return lengths[i];
        }
    }
    return "";
}

static int print_number(struct format *f, char *out, const char *directive, const char *length)
{
    /* NOLINTBEGIN(clang-diagnostic-format-nonliteral): a piece of one that the compiler has checked */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    if (strchr("fge", directive[strlen(directive) - 1]) != NULL)
        return snprintf(out, NUMBER, directive, va_arg(f->args, double));
    switch (*length) {
    case 'l':
        if (length[1] == 'l')
            return snprintf(out, NUMBER, directive, va_arg(f->args, long long));
        return snprintf(out, NUMBER, directive, va_arg(f->args, long));
    /* NOLINTNEXTLINE(bugprone-branch-clone): the types differ, though here not in size */
    case 'j': return snprintf(out, NUMBER, directive, va_arg(f->args, intmax_t));
    case 'z': return snprintf(out, NUMBER, directive, va_arg(f->args, size_t));
    case 't': return snprintf(out, NUMBER, directive, va_arg(f->args, ptrdiff_t));
    default: return snprintf(out, NUMBER, directive, va_arg(f->args, int));
    }
#pragma GCC diagnostic pop
    /* NOLINTEND(clang-diagnostic-format-nonliteral) */
}

/* Numbers are printf's affair; no escape is in what it writes. */
static void format_number(struct format *f, const char *percent)
{
    char directive[DIRECTIVE], out[NUMBER];
    const char *length;
    size_t len;
    int n;

    f->at += strspn(f->at, "-+ #0123456789.");
    length = take_length(f);
    if (*f->at == '\0' || strchr("diuxXofge", *f->at) == NULL)
        mistake(f, "no directive that HTML has");
    f->at++;
    len = (size_t)(f->at - percent);
    if (len >= sizeof directive)
        mistake(f, "a directive is too long");
    memcpy(directive, percent, len);
    directive[len] = '\0';
    n = print_number(f, out, directive, length);
    if (n < 0 || (size_t)n >= sizeof out)
        mistake(f, "a number is too long");
    put(f->html, anqa_str_make(out, (size_t)n));
}

static bool is_text(const char *at)
{
    if (*at == '.')
        at += at[1] == '*' ? 2 : 1 + strspn(at + 1, "0123456789");
    return *at == 's';
}

static void format_directive(struct format *f)
{
    const char *percent = f->at++;
    char c;

    if (is_text(f->at)) {
        format_text(f);
        return;
    }
    switch (*f->at) {
    case 'c':
        f->at++;
        c = (char)va_arg(f->args, int);
        put_escaped(f->html, anqa_str_make(&c, 1));
        return;
    case 'p':
        f->at++;
        format_part(f);
        return;
    case '%':
        f->at++;
        put(f->html, anqa_str_of("%"));
        return;
    default: format_number(f, percent);
    }
}

void anqa_html_vadd(anqa_html *html, const char *format, va_list args)
{
    struct format f = {.html = html, .whole = format, .at = format};

    va_copy(f.args, args);
    while (*f.at != '\0') {
        size_t plain = strcspn(f.at, "%");
        put(html, anqa_str_make(f.at, plain));
        f.at += plain;
        if (*f.at == '%')
            format_directive(&f);
    }
    va_end(f.args);
}

void anqa_html_add(anqa_html *html, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    anqa_html_vadd(html, format, args);
    va_end(args);
}

anqa_str anqa_htmlf(const char *format, ...)
{
    anqa_html html = {0};
    va_list args;

    va_start(args, format);
    anqa_html_vadd(&html, format, args);
    va_end(args);
    return html.text.len == 0 ? anqa_str_of("") : html.text;
}
