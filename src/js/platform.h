/*
 * Platforms: the memory of an engine that has started, with boot.js and the modules that a script asks for, and no script.
 *
 * To make one takes 4 to 30 ms, and it is the same for all that ask for the same. So one is kept of each kind, and whoever makes an
 * image begins with a copy of it. What is random in it does not follow from a script: its image has the same bytes whether
 * the platform was there or not.
 *
 * Owner: struct js_rt. They live as long as the runtime, one to two megabytes each; there are no more than scripts, and one
 * more for each that has workers. Any thread; constant from when they are in the list.
 */
#ifndef JS_PLATFORM_H
#define JS_PLATFORM_H

#include <stdbool.h>
#include <stdint.h>

#define PLATFORM_LIMITS 128

struct js;
struct js_rt;

/* All that the bytes of a platform depend on, beside the library. */
struct platform_key {
    uint32_t apis;
    char limits[PLATFORM_LIMITS]; /* what boot.js is given, as text */
};

/* Makes the process's memory a copy of that platform. False: there is none, or no memory for it.
 * Context: process, the image is being made and its memory is empty. */
bool platform_copy(struct js *js, const struct platform_key *key);
/* Keeps a copy of the process's memory as that platform; if there is no memory for it, nothing. Context: as above. */
void platform_keep(struct js *js, const struct platform_key *key);
void platforms_free(struct js_rt *rt);

#endif
