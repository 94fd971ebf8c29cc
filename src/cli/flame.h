/* Flame graphs: folded stacks as a picture. */
#ifndef CLI_FLAME_H
#define CLI_FLAME_H

#include "cli/cli.h" // IWYU pragma: export

/*
 * Writes an SVG that needs nothing else: a bar for each function on a stack, as wide as its part of all samples, callers
 * below. Bars are in the order of their names; pointing at one shows its name and figures. What is narrower than a
 * third of a point is left out. folded: lines of names, parted by semicolons, and a number; others are passed over.
 */
void flame_print(struct cli *cli, FILE *out, const char *title, anqa_str folded);

#endif
