#include "cli/flame.h"

#include <inttypes.h>
#include <stdlib.h>

enum { WIDTH = 1200, MARGIN = 10, ROW = 17, HEAD = 40, CHAR_WIDTH = 7, DEPTH_MAX = 256 };
#define LEAST 0.3 /* points of a bar that is drawn */

struct node {
    anqa_str name;
    uint64_t count;
    struct node *next, *children;
};

/* ---------------------------------------------------------------- the tree */

/* In the order of names, so that two pictures of one program look alike. */
static int compare(anqa_str a, anqa_str b)
{
    size_t len = a.len < b.len ? a.len : b.len;
    int order = len == 0 ? 0 : memcmp(a.ptr, b.ptr, len);

    return order != 0 ? order : a.len < b.len ? -1 : a.len > b.len;
}

static struct node *child_of(struct cli *cli, struct node *node, anqa_str name)
{
    struct node **at = &node->children, *made;

    while (*at != NULL && compare((*at)->name, name) < 0)
        at = &(*at)->next;
    if (*at != NULL && anqa_str_eq((*at)->name, name))
        return *at;
    made = anqa_arena_calloc(&cli->arena, 1, sizeof *made);
    made->name = name;
    made->next = *at;
    *at = made;
    return made;
}

/* "a;b;c 12" */
static size_t add_line(struct cli *cli, struct node *root, anqa_str line)
{
    const char *at = line.ptr, *end = line.ptr + line.len, *blank = memrchr(at, ' ', line.len);
    struct node *node = root;
    uint64_t count = 0;
    size_t depth = 0;

    if (blank == NULL || blank + 1 == end || end - blank > 18)
        return 0;
    for (const char *c = blank + 1; c < end; c++) {
        if (*c < '0' || *c > '9')
            return 0;
        count = count * 10 + (uint64_t)(*c - '0');
    }
    root->count += count;
    while (at < blank && depth < DEPTH_MAX) {
        const char *semicolon = memchr(at, ';', (size_t)(blank - at));
        const char *name_end = semicolon == NULL ? blank : semicolon;
        node = child_of(cli, node, anqa_str_make(at, (size_t)(name_end - at)));
        node->count += count;
        depth++;
        at = name_end + 1;
    }
    return depth;
}

/* Returns how deep it is. */
static size_t read_folded(struct cli *cli, struct node *root, anqa_str folded)
{
    const char *at = folded.ptr, *end = folded.ptr + folded.len;
    size_t deepest = 0;

    while (at < end) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        size_t len = (size_t)((newline == NULL ? end : newline) - at), depth;
        depth = len == 0 ? 0 : add_line(cli, root, anqa_str_make(at, len));
        deepest = depth > deepest ? depth : deepest;
        at += len + 1;
    }
    return deepest;
}

/* ---------------------------------------------------------------- the picture */

/* UTF-8 as XML may have it, at most `chars` characters of it. */
static void print_xml(FILE *out, anqa_str text, size_t chars)
{
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = (uint8_t)text.ptr[i];
        if ((c & 0xc0) != 0x80 && chars-- == 0)
            return;
        switch (c) {
        case '&': fputs("&amp;", out); break;
        case '<': fputs("&lt;", out); break;
        case '>': fputs("&gt;", out); break;
        case '"': fputs("&quot;", out); break;
        case '\'': fputs("&apos;", out); break;
        default: /* U+FFFE and U+FFFF are no characters */
            if (c < ' ' || c == 0x7f)
                fputc('?', out);
            else if (c == 0xef && i + 2 < text.len && (uint8_t)text.ptr[i + 1] == 0xbf &&
                     (uint8_t)text.ptr[i + 2] >= 0xbe) {
                fputc('?', out);
                i += 2;
            } else
                fputc(c, out);
        }
    }
}

static unsigned hash_of(anqa_str name)
{
    unsigned hash = 2166136261u;

    for (size_t i = 0; i < name.len; i++)
        hash = (hash ^ (uint8_t)name.ptr[i]) * 16777619u;
    return hash;
}

static void print_node(
    FILE *out, const struct node *node, const struct node *root, double x, size_t level, size_t top)
{
    double width = (double)node->count / (double)root->count * (WIDTH - 2 * MARGIN);
    size_t y = HEAD + (top - level) * ROW;
    unsigned hash = hash_of(node->name);

    if (width < LEAST)
        return;
    fputs("<g><title>", out);
    print_xml(out, node->name, SIZE_MAX);
    fprintf(out, ": %" PRIu64 " of %" PRIu64 " samples, %.1f %%</title>", node->count, root->count,
        100.0 * (double)node->count / (double)root->count);
    fprintf(out,
        "<rect x=\"%.1f\" y=\"%zu\" width=\"%.1f\" height=\"%d\" fill=\"hsl(%u,%u%%,%u%%)\"/>", x,
        y, width, ROW - 1, 10 + hash % 45, 70 + (hash >> 8) % 20, 60 + (hash >> 16) % 12);
    if (width >= 3 * CHAR_WIDTH) {
        fprintf(out, "<text x=\"%.1f\" y=\"%zu\">", x + 3, y + ROW - 5);
        print_xml(out, node->name, (size_t)(width / CHAR_WIDTH));
        fputs("</text>", out);
    }
    fputs("</g>\n", out);
    for (const struct node *child = node->children; child != NULL; child = child->next) {
        print_node(out, child, root, x, level + 1, top);
        x += (double)child->count / (double)root->count * (WIDTH - 2 * MARGIN);
    }
}

void flame_print(struct cli *cli, FILE *out, const char *title, anqa_str folded)
{
    struct node root = {.name = anqa_str_of("all")};
    size_t depth = read_folded(cli, &root, folded);

    fprintf(out,
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%zu\" viewBox=\"0 0 %d "
        "%zu\">\n"
        "<style>text{font:11px monospace}rect{stroke:#fff;stroke-width:.5}g:hover>rect{stroke:#000}"
        "</style>\n<rect width=\"100%%\" height=\"100%%\" fill=\"#fff\"/>\n"
        "<text x=\"%d\" y=\"22\" style=\"font-size:14px\">",
        WIDTH, HEAD + (depth + 2) * ROW, WIDTH, HEAD + (depth + 2) * ROW, MARGIN);
    print_xml(out, anqa_str_of(title), 160);
    fputs("</text>\n", out);
    if (root.count > 0)
        print_node(out, &root, &root, MARGIN, 0, depth);
    fputs("</svg>\n", out);
}
