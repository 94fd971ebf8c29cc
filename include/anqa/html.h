/**
 * anqa/html.h - HTML that is made in C, in which a text stays a text.
 *
 *     anqa_html page = {0};
 *
 *     anqa_html_add(&page, "<h1>%s</h1><ul>", title);
 *     for (size_t i = 0; i < count; i++)
 *         anqa_html_add(&page, "<li>%.*s", ANQA_FMT(names[i]));
 *     anqa_html_add(&page, "</ul>");
 *     anqa_send_html(conn, 200, page.text);
 *
 * The format is HTML with printf's directives in it. What %s and %c stand for is escaped, so that it can be anything a
 * visitor has written: as the content of an element, and of an attribute in quotes. It must not stand elsewhere: not in a
 * script, not as the name of a tag or an attribute, and of an address that somebody else has chosen it has to be known that it
 * is one of http (`href="%s"` would take javascript:, too).
 *
 *     %s %.*s %.10s     a text, escaped; NULL ends the process
 *     %c                a character, escaped
 *     %p                a pointer to an anqa_str that is HTML already: a part of a page. Nothing is escaped
 *     %d %i %u %x %X %o with hh, h, l, ll, j, z, t; %f %g %e: numbers as printf writes them, with flags, width, precision
 *     %%                a percent sign
 *
 * What the format has beyond that ends the process.
 *
 * Memory. It grows in the event's memory (anqa_tmp), which it ends with. Context: process.
 */
#ifndef ANQA_HTML_H
#define ANQA_HTML_H

#include <anqa/base.h>
#include <stdarg.h>

ANQA_BEGIN_DECLS

/** A page or a part of one. Born zeroed: empty. */
typedef struct anqa_html {
    anqa_str text;   /* so far */
    size_t capacity; /* behind text.ptr */
} anqa_html;

/** Adds to it. */
ANQA_API void anqa_html_add(anqa_html *html, const char *format, ...) ANQA_PRINTF(2, 3);
ANQA_API void anqa_html_vadd(anqa_html *html, const char *format, va_list args) ANQA_PRINTF(2, 0);

/** A part of its own: anqa_htmlf("<b>%s</b>", name). */
ANQA_API anqa_str anqa_htmlf(const char *format, ...) ANQA_PRINTF(1, 2);

/** A text as it can stand in HTML, as described above. */
ANQA_API anqa_str anqa_html_escape(anqa_str text);

ANQA_END_DECLS

#endif
