/** base/str.h - borrowed strings, cut in pieces. */
#ifndef ANQA_BASE_STR_H
#define ANQA_BASE_STR_H

#include <anqa/base.h>

/** Takes what stands before the first `mark` off the front of `rest`, and the mark. Without one all is taken, and false. */
static inline bool str_cut(anqa_str *rest, const char *mark, anqa_str *ret_head)
{
    size_t len = strlen(mark);
    const char *at = rest->len == 0 ? NULL : (const char *)memmem(rest->ptr, rest->len, mark, len);

    *ret_head = *rest;
    if (at == NULL) {
        *rest = rest->len == 0 ? *rest : anqa_str_make(rest->ptr + rest->len, 0);
        return false;
    }
    ret_head->len = (size_t)(at - rest->ptr);
    *rest = anqa_str_make(at + len, rest->len - ret_head->len - len);
    return true;
}

#endif
