/* Text in HTML. */
#ifndef HTTP_HTML_H
#define HTTP_HTML_H

#include <anqa/arena.h>

/* As the content of an element, or of an attribute in double quotes. In the event's memory. */
anqa_str html_escape(anqa_str text);
/* The same in any memory. */
anqa_str html_escape_in(anqa_arena *arena, anqa_str text);

#endif
