/**
 * base/json_write_int.h - the parts of a written value, for json_write.c and json_format.c.
 *
 * All of them do nothing once the writer has failed.
 */
#ifndef ANQA_BASE_JSON_WRITE_INT_H
#define ANQA_BASE_JSON_WRITE_INT_H

#include <anqa/json.h>

/** Remembers the first failure. */
void json_write_fail(anqa_json_writer *w, anqa_status status);

/** What stands before a value or a key; false if none may stand here. */
bool json_write_begin_value(anqa_json_writer *w);
bool json_write_begin_key(anqa_json_writer *w);

/** What stands behind a key: the colon. */
void json_write_end_key(anqa_json_writer *w);

void json_write_bytes(anqa_json_writer *w, const char *bytes, size_t len);

/** A part of a string, escaped, without quotes. It holds whole characters only. */
void json_write_escaped(anqa_json_writer *w, anqa_str part);

/** Whether the level that is open now is an object's; there must be one. */
static inline bool json_write_in_object(const anqa_json_writer *w)
{
    uint32_t level = w->depth - 1;

    return (w->kinds[level / 64] >> level % 64 & 1) != 0;
}

#endif
