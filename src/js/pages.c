#include "js/pages.h"

#include <unistd.h>

#include "js/window.h"

void pages_begin(struct pages *pages, const struct js_rt *rt, const uint8_t *base, uint32_t size)
{
    pages->fd = rt->pagemap;
    pages->base = base;
    pages->size = size;
    pages->first = pages->count = 0;
    pages->unknown = false;
}

static void fill(struct pages *pages, uint32_t page)
{
    uint32_t left = pages->size / PAGES_SIZE - page, count = left < PAGES_SOME ? left : PAGES_SOME;
    size_t size = count * sizeof pages->entries[0];
    off_t at = (off_t)(((uintptr_t)pages->base / PAGES_SIZE + page) * sizeof pages->entries[0]);

    pages->first = page;
    pages->count = count;
    pages->unknown = pread(pages->fd, pages->entries, size, at) != (ssize_t)size;
}

bool pages_own(struct pages *pages, uint32_t at)
{
    uint32_t page = at / PAGES_SIZE;
    uint64_t entry;

    if (!pages->unknown && page - pages->first >= pages->count)
        fill(pages, page);
    if (pages->unknown)
        return true;
    entry = pages->entries[page - pages->first];
    /* bit 63: there; 62: swapped out; 61: of a file */
    return (entry >> 62) != 0 && (entry >> 61 & 1) == 0;
}
