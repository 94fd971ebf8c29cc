/* What callers and the server of a presence say to each other. */
#ifndef PRESENCE_WIRE_H
#define PRESENCE_WIRE_H

/* IWYU pragma: begin_exports */
#include <anqa/presence.h>
/* IWYU pragma: end_exports */

/* A request of tags "track", "update", "untrack", "untrack_all", "meta" and "get": topic, key and meta follow each other. */
struct wire_ask {
    anqa_pid pid;
    uint32_t meta_len;
    uint16_t topic_len, key_len;
    char expected
        [ANQA_PRESENCE_REF]; /* of an update: only if the meta has this reference; empty: whatever it is */
};

/* The answer, as bytes; "meta" has the text behind it. "list" (whose request is the topic) and "get" answer with a buf instead, if they succeed. */
struct wire_answer {
    anqa_status status;
    char ref[ANQA_PRESENCE_REF];
};

/* The name of a shard's server. */
#define SHARD_NAME_MAX 220u
const char *shard_name(const anqa_presence *presence, uint32_t shard, char name[SHARD_NAME_MAX]);
uint32_t shard_count(const anqa_presence *presence);

/* The same on all nodes: it has no key. FNV-1a. */
static inline uint32_t wire_hash(anqa_str text)
{
    uint32_t hash = 2166136261u;

    for (size_t i = 0; i < text.len; i++)
        hash = (hash ^ (unsigned char)text.ptr[i]) * 16777619u;
    return hash;
}

#endif
