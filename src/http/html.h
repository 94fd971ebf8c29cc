/* Text in HTML. */
#ifndef HTTP_HTML_H
#define HTTP_HTML_H

#include <anqa/base.h>

/* As the content of an element, or of an attribute in double quotes. In the event's memory. */
anqa_str html_escape(anqa_str text);

#endif
