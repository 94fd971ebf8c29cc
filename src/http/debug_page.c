#include "http/debug_page.h"

#include "http/response.h"

#define VALUE_MAX 1000u /* bytes of a field that are shown */

static const char style[] =
    "body{font:16px/1.4 sans-serif;margin:2em;max-width:70em}pre{background:#eee;padding:1em;"
    "overflow-x:auto}pre.why{white-space:pre-wrap}th{text-align:left;padding-right:1em;"
    "vertical-align:top}td{word-break:break-all}b.at{background:#fc9;display:block}"
    "li{margin:.2em 0}li.other{color:#777}code{font-size:90%}";

/* A text in the making. */
struct html {
    anqa_arena *arena;
    char *text;
    size_t len, size;
};

static void add(struct html *html, anqa_str text)
{
    if (text.len > html->size - html->len) {
        size_t size = (html->size + text.len) * 2;
        char *larger = anqa_arena_alloc(html->arena, size);
        if (html->len != 0)
            memcpy(larger, html->text, html->len);
        html->text = larger;
        html->size = size;
    }
    if (text.len != 0)
        memcpy(html->text + html->len, text.ptr, text.len);
    html->len += text.len;
}

static void add_raw(struct html *html, const char *text)
{
    add(html, anqa_str_of(text));
}

static const char *escape_of(char c)
{
    switch (c) {
    case '&': return "&amp;";
    case '<': return "&lt;";
    case '>': return "&gt;";
    case '"': return "&quot;";
    default: return NULL;
    }
}

static void add_text(struct html *html, anqa_str text)
{
    size_t len = text.len < VALUE_MAX ? text.len : VALUE_MAX, from = 0;

    for (size_t i = 0; i < len; i++) {
        const char *escape = escape_of(text.ptr[i]);
        if (escape == NULL)
            continue;
        add(html, anqa_str_make(text.ptr + from, i - from));
        add_raw(html, escape);
        from = i + 1;
    }
    if (from < len)
        add(html, anqa_str_make(text.ptr + from, len - from));
}

static void add_number(struct html *html, unsigned number)
{
    add_raw(html, anqa_arena_printf(html->arena, "%u", number));
}

/* ---------------------------------------------------------------- where it was */

static void add_excerpt(
    struct html *html, const struct source_line *frame, const struct excerpt *excerpt)
{
    add_raw(html, "<h2><code>");
    add_text(html, anqa_str_of(frame->function));
    add_raw(html, "</code></h2>\n<p>");
    add_text(html, anqa_str_of(frame->file));
    add_raw(html, ":");
    add_number(html, frame->line);
    add_raw(html, "</p>\n<pre>");
    for (unsigned i = 0; i < excerpt->count; i++) {
        bool here = excerpt->first + i == frame->line;
        add_raw(html, here ? "<b class=at>" : "");
        add_raw(html, anqa_arena_printf(html->arena, "%5u  ", excerpt->first + i));
        add_text(html, anqa_str_of(excerpt->lines[i]));
        add_raw(html, here ? "</b>" : "\n");
    }
    add_raw(html, "</pre>\n");
}

static void add_frame(struct html *html, const struct source_line *frame)
{
    add_raw(html, frame->own ? "<li><code><b>" : "<li class=other><code>");
    add_text(html, anqa_str_of(frame->function));
    add_raw(html, frame->own ? "</b></code>" : "</code>");
    if (frame->line != 0) {
        add_raw(html, " ");
        add_text(html, anqa_str_of(frame->file));
        add_raw(html, ":");
        add_number(html, frame->line);
    }
    add_raw(html, "</li>\n");
}

static void add_lines(struct html *html, const struct source_lines *lines)
{
    for (uint32_t i = 0; i < lines->excerpt_count; i++)
        add_excerpt(html, &lines->frames[lines->excerpts[i].frame], &lines->excerpts[i]);
    if (lines->trace.count == 0)
        return;
    add_raw(html, "<h2>Frames</h2>\n<ol>\n");
    for (uint32_t i = 0; i < lines->trace.count; i++)
        add_frame(html, &lines->frames[i]);
    add_raw(html, "</ol>\n");
}

/* ---------------------------------------------------------------- what was asked */

static void add_row(struct html *html, anqa_str name, anqa_str value)
{
    add_raw(html, "<tr><th>");
    add_text(html, name);
    add_raw(html, "</th><td>");
    add_text(html, value);
    add_raw(html, "</td></tr>\n");
}

static void add_request(struct html *html, const struct request *request)
{
    add_raw(html, "<h2>Request</h2>\n<table>\n");
    add_row(html, anqa_str_of("query"), request->query);
    for (uint32_t i = 0; i < request->header_count; i++)
        add_row(html, request->headers[i].name, request->headers[i].value);
    add_raw(html, "</table>\n");
}

anqa_str debug_page_html(anqa_arena *arena, const struct debug_page *page)
{
    const char *title =
        anqa_arena_printf(arena, "%u %s", page->status, response_phrase(page->status));
    struct html html = {.arena = arena};

    add_raw(&html, "<!doctype html><meta charset=utf-8><title>");
    add_raw(&html, title);
    add_raw(&html, "</title>\n<style>");
    add_raw(&html, style);
    add_raw(&html, "</style>\n<h1>");
    add_raw(&html, title);
    add_raw(&html, "</h1><p>");
    add_text(&html, page->request->method_name);
    add_raw(&html, " ");
    add_text(&html, page->request->path);
    add_raw(&html, "</p><pre class=why>");
    add_text(&html, anqa_str_of(page->why));
    add_raw(&html, "</pre>\n");
    if (page->lines != NULL)
        add_lines(&html, page->lines);
    add_request(&html, page->request);
    return anqa_str_make(html.text, html.len);
}
