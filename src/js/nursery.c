#include "js/nursery.h"

#include "js/js.h"

/* A list is two addresses, {before, behind}. Of the lists there are as many as sizes, first one for all arenas of each size,
 * then one for those that have free blocks. */
enum {
    SIZES = 31,
    LIST = 8,
    RUNTIME_SPAN = 1024, /* of the engine's struct, where the lists are */
    /* an arena: two places in lists, these numbers, blocks */
    FREE_LINK = 0,
    LINK = 8,
    SIZE = 16, /* 1 byte; numbers of 2 bytes: */
    USED = 18,
    BLOCKS = 20,
    FIRST = 22, /* of the blocks that are free */
    HEAD = 24,
    /* a block: 2 bytes, its number or that of the next that is free; its size, flags, a count of references; then the user's */
    BLOCK_SIZE = 2,
    BLOCK_HEAD = 8,
    NIL = 0xffff,
    PAGE = 4096,
    PIECE_HEAD = 8, /* of what the C library's malloc gives out, or less */
    PIECE_LEAST = 64
};

static const uint16_t sizes[SIZES] = {16, 24, 32, 40, 48, 56, 64, 72, 80, 88, 96, 104, 112, 120,
    128, 144, 160, 176, 192, 208, 224, 240, 256, 288, 320, 352, 384, 416, 448, 480, 512};

/* How many blocks of each size a strip has. */
static const uint8_t strip[SIZES] = {12, 8, 6, 9, 15, 4, 3, 3, 4, 4, 3};

static uint32_t u16(const struct js *js, uint32_t at)
{
    uint16_t n;

    memcpy(&n, js_at(js, at, sizeof n), sizeof n);
    return n;
}

static void put_u16(const struct js *js, uint32_t at, uint32_t n)
{
    uint16_t word = (uint16_t)n;

    memcpy(js_at(js, at, sizeof word), &word, sizeof word);
}

static void put_u32(const struct js *js, uint32_t at, uint32_t n)
{
    memcpy(js_at(js, at, sizeof n), &n, sizeof n);
}

static uint8_t *u8(const struct js *js, uint32_t at)
{
    return js_at(js, at, 1);
}

/* ---------------------------------------------------------------- lists */

static void set_between(const struct js *js, uint32_t at, uint32_t before, uint32_t behind)
{
    put_u32(js, at, before);
    put_u32(js, at + 4, behind);
    put_u32(js, before + 4, at);
    put_u32(js, behind, at);
}

/* There are not so many arenas: a list that is longer is none. */
static uint32_t too_many(const struct js *js)
{
    return js->engine.memory.size / HEAD;
}

/* The head of the list that something is in, if that is in the engine's struct; 0: it is not. */
static uint32_t head_of(const struct js *js, uint32_t at)
{
    for (uint32_t left = too_many(js); left > 0 && js_bytes(js, at, LIST) != NULL; left--) {
        if (at - js->image->rt < RUNTIME_SPAN)
            return at;
        at = js_u32(js, at);
    }
    return 0;
}

/* ---------------------------------------------------------------- what the engine does */

/* The arena of a block of that size; 0: it is none as we know it. */
static uint32_t arena_of(const struct js *js, uint32_t block, uint32_t size)
{
    uint32_t at = block - BLOCK_HEAD - u16(js, block - BLOCK_HEAD) * sizes[size] - HEAD;
    bool known = *u8(js, block - BLOCK_HEAD + BLOCK_SIZE) == size &&
                 js_bytes(js, at, HEAD) != NULL && *u8(js, at + SIZE) == size &&
                 u16(js, at + USED) > 0 && u16(js, at + USED) <= u16(js, at + BLOCKS);

    return known ? at : 0;
}

/* Where the lists begin, as a block of that size tells; 0: they are not where we know. */
static uint32_t lists_by(struct js *js, uint32_t size)
{
    uint32_t block = q_js_malloc_rt(&js->engine, js->image->rt, sizes[size] - BLOCK_HEAD);
    uint32_t arena = block == 0 ? 0 : arena_of(js, block, size), all = 0;
    bool known = false;

    if (arena != 0) {
        bool full = u16(js, arena + USED) == u16(js, arena + BLOCKS);
        all = head_of(js, arena + LINK);
        known = all != 0 && (full || head_of(js, arena + FREE_LINK) == all + SIZES * LIST);
    }
    q_js_free_rt(&js->engine, js->image->rt, block);
    return known ? all - size * LIST : 0;
}

/* Where the lists begin; 0: it is not known. */
static uint32_t find_lists(struct js *js)
{
    uint32_t lists = lists_by(js, 0);

    for (uint32_t size = 1; size < SIZES; size++)
        if (lists_by(js, size) != lists)
            return 0;
    return lists;
}

/* ---------------------------------------------------------------- nurseries */

/* Makes arenas look full. */
static void give_up(const struct js *js, uint32_t list)
{
    uint32_t at = js_u32(js, list + 4);

    for (uint32_t left = too_many(js); left > 0 && at != list; left--) {
        uint32_t arena = at - FREE_LINK;
        at = js_u32(js, at + 4);
        put_u16(js, arena + USED, u16(js, arena + BLOCKS));
        put_u16(js, arena + FIRST, NIL);
        put_u32(js, arena + FREE_LINK, 0);
        put_u32(js, arena + FREE_LINK + 4, 0);
    }
    put_u32(js, list, list);
    put_u32(js, list + 4, list);
}

static uint32_t arena_span(uint32_t size, uint32_t count)
{
    return count == 0 ? 0 : HEAD + count * sizes[size];
}

/* An arena with one block that is in use for ever, or else the engine would free it when it is empty: it is none of those
 * that are there. */
static void add_arena(
    const struct js *js, uint32_t lists, uint32_t at, uint32_t size, uint32_t count)
{
    uint32_t all = lists + size * LIST, free = all + SIZES * LIST;

    memset(js_at(js, at, arena_span(size, count)), 0, arena_span(size, count));
    *u8(js, at + SIZE) = (uint8_t)size;
    put_u16(js, at + USED, 1);
    put_u16(js, at + BLOCKS, count + 1);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t block = at + HEAD + i * sizes[size];
        put_u16(js, block, i + 1 < count ? i + 1 : NIL);
        *u8(js, block + BLOCK_SIZE) = (uint8_t)size;
    }
    set_between(js, at + LINK, all, js_u32(js, all + 4));
    set_between(
        js, at + FREE_LINK, js_u32(js, free), free); /* the last: strips are used one by one */
}

static void lay_strip(const struct js *js, uint32_t lists, uint32_t at)
{
    for (uint32_t size = 0; size < SIZES; size++) {
        if (strip[size] == 0)
            continue;
        add_arena(js, lists, at, size, strip[size]);
        at += arena_span(size, strip[size]);
    }
}

static uint32_t strip_span(void)
{
    uint32_t span = 0;

    for (uint32_t size = 0; size < SIZES; size++)
        span += arena_span(size, strip[size]);
    return span;
}

/* Memory up to the end of a page, behind all that there is. */
static uint32_t rest_of_page(struct js *js)
{
    uint32_t at = q_malloc(&js->engine, PAGE / 2), rest = PAGE - at % PAGE;

    q_free(&js->engine, at);
    return q_malloc(&js->engine, (rest < PIECE_LEAST ? rest + PAGE : rest) - PIECE_HEAD);
}

void nursery_make(struct js *js, uint32_t strips)
{
    uint32_t lists = find_lists(js), hole = 0, at, rest;

    if (lists == 0)
        return;
    for (uint32_t size = 0; size < SIZES; size++)
        give_up(js, lists + (SIZES + size) * LIST);
    (void)rest_of_page(js);
    for (uint32_t i = 0; i < strips; i++) {
        at = q_malloc(&js->engine, strip_span());
        rest = rest_of_page(js);
        if (at == 0)
            break;
        lay_strip(js, lists, at);
        hole = i == 0 ? rest : hole;
    }
    q_free(&js->engine, hole);
}
