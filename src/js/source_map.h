/*
 * Source maps (version 3): positions in a bundle become those in the files it was made of.
 *
 * A map is read when somebody first asks it, once for all: into an index in which a place is a search by line and column. Who asks
 * are errors of scripts, as many and with such texts as these like.
 *
 * Any thread, but for what makes texts.
 */
#ifndef JS_SOURCE_MAP_H
#define JS_SOURCE_MAP_H

#include <anqa/base.h>

struct source_map;

/* Of JSON text, which is copied. NULL: no memory. One that is malformed knows no place. */
struct source_map *source_map_new(anqa_str text);
void source_map_free(struct source_map *map); /* NULL is fine */
/* The place in a source, from 1, for one in the bundle. False: the map does not know. `file` is the map's. */
bool source_map_find(struct source_map *map, uint32_t *line, uint32_t *column, anqa_str *ret_file);

/* The stack with each "name:line:column" replaced, up to the 64th; what the map does not know stays. The result lives as
 * long as the event. Context: process. */
anqa_str source_map_apply(struct source_map *map, const char *name, anqa_str stack);

#endif
