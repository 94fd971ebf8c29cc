/*
 * Source maps (version 3): positions in a bundle become those in the files it was made of.
 */
#ifndef JS_SOURCE_MAP_H
#define JS_SOURCE_MAP_H

#include <anqa/json.h>

/* A map that was read. Borrows its text; lives as long as the event. */
struct source_map {
    anqa_str mappings;
    anqa_json sources;
};

/* False: there is none, or it is malformed. Context: process. */
bool source_map_read(const char *text, struct source_map *ret_map);
/* The place in a source, from 1, for one in the bundle. False: the map does not know. `file` lives as long as the event. */
bool source_map_find(
    const struct source_map *map, uint32_t *line, uint32_t *column, anqa_str *ret_file);

/* The stack with each "name:line:column" replaced; what the map does not know stays. `map` is JSON text. A map that is
 * malformed changes nothing. The result lives as long as the event. Context: process. */
anqa_str source_map_apply(const char *map, const char *name, anqa_str stack);

#endif
