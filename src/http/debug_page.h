/*
 * The page that who develops sees of a request that went wrong: why, where in the sources, and what was asked. All that came from outside is
 * escaped. Never made where errors are not shown (anqa_endpoint.debug_errors).
 *
 * Any context that may allocate: also that of a process whose own memory has ended.
 */
#ifndef HTTP_DEBUG_PAGE_H
#define HTTP_DEBUG_PAGE_H

#include <anqa/arena.h>

#include "http/request.h"         /* IWYU pragma: export */
#include "runtime/source_lines.h" /* IWYU pragma: export */

struct debug_page {
    unsigned status;
    const char *why;
    const struct request *request;
    const struct source_lines *lines; /* NULL: it did not crash */
};

/* The HTML, in `arena`, which has no limit. */
anqa_str debug_page_html(anqa_arena *arena, const struct debug_page *page);

#endif
