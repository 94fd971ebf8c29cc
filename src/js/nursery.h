/*
 * Nurseries: where in its memory a process allocates first.
 *
 * A process has pages of its own where it differs from its image, so what its first turns allocate should lie together.
 * The engine keeps blocks of up to 512 bytes in *arenas*: 4 KB for each of 31 sizes of blocks. So one message with values of
 * ten sizes would write to ten arenas, each on two pages. A nursery is small arenas of all sizes side by side, a few blocks
 * each, in front of the engine's own, which are all made to look full: what is free in there is given up.
 *
 * How the engine keeps its arenas is found out by what it does; one that does otherwise gets no nursery.
 */
#ifndef JS_NURSERY_H
#define JS_NURSERY_H

#include <stdint.h>

struct js;

/* Gives up all blocks that are free. What is allocated from here on lies together: first in `strips` small arenas of
 * each size, then in arenas of the engine's. Context: in a turn, while the image is made. */
void nursery_make(struct js *js, uint32_t strips);

#endif
