/*
 * Source maps (version 3): positions in a bundle become those in the files it was made of.
 */
#ifndef JS_SOURCE_MAP_H
#define JS_SOURCE_MAP_H

#include <anqa/base.h>

/* The stack with each "name:line:column" replaced; what the map does not know stays. `map` is JSON text. A map that is
 * malformed changes nothing. The result lives as long as the event. Context: process. */
anqa_str source_map_apply(const char *map, const char *name, anqa_str stack);

#endif
