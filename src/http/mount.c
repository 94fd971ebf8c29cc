/* Paths with variables, as "/socket/:user_id/websocket". See conn.h. */
#include "base/str.h"
#include "http/conn.h"

static bool is_variable(anqa_str segment)
{
    return segment.len > 1 && segment.ptr[0] == ':';
}

bool mount_fits(anqa_str pattern, anqa_str path)
{
    bool more, more_path;

    if (pattern.len == 0 || memchr(pattern.ptr, ':', pattern.len) == NULL)
        return anqa_str_eq(pattern, path);
    do {
        anqa_str wanted, segment;
        more = str_cut(&pattern, "/", &wanted);
        more_path = str_cut(&path, "/", &segment);
        if (is_variable(wanted) ? segment.len == 0 : !anqa_str_eq(wanted, segment))
            return false;
    } while (more && more_path);
    return more == more_path;
}

bool mount_next_variable(anqa_str *pattern, anqa_str *path, anqa_str *ret_name, anqa_str *ret_value)
{
    bool more = true;

    while (more) {
        anqa_str wanted, segment;
        more = str_cut(pattern, "/", &wanted);
        (void)str_cut(path, "/", &segment);
        if (!is_variable(wanted))
            continue;
        *ret_name = anqa_str_make(wanted.ptr + 1, wanted.len - 1);
        *ret_value = segment;
        return true;
    }
    return false;
}
