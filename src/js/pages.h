/*
 * Pages: which ones of a window a process has written to, as the kernel knows it (/proc/self/pagemap).
 *
 * A window is a private mapping of a file, with anonymous memory behind it: a page that is not the file's and is there,
 * or was and has been swapped out, is the process's own. Where the kernel does not say, any may be.
 */
#ifndef JS_PAGES_H
#define JS_PAGES_H

#include <stdbool.h>
#include <stdint.h>

#define PAGES_SIZE 4096u
#define PAGES_SOME 256u

struct js_rt;

/* A look at the memory from `base` on. Owner: the caller's frame. */
struct pages {
    int fd;
    const uint8_t *base;
    uint32_t size;
    uint32_t first, count; /* of what is in `entries` */
    bool unknown;          /* the kernel does not say */
    uint64_t entries[PAGES_SOME];
};

void pages_begin(struct pages *pages, const struct js_rt *rt, const uint8_t *base, uint32_t size);
/* Whether the page that begins at `at`, below `size`, may have been written to. Cheap if asked in ascending order. */
bool pages_own(struct pages *pages, uint32_t at);

#endif
