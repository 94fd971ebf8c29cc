/*
 * Coverage: what of a script has run, for bundles that count (cmake/coverage.mjs). Their counters lie in the window; at the
 * end of each turn what they say is added to sums of the image, so that they tell of all processes, also those that have
 * ended.
 */
#ifndef JS_COVERAGE_H
#define JS_COVERAGE_H

#include "js/js.h" // IWYU pragma: export

#define COVERAGE_COUNTERS_MAX (1u << 20)

/* Whether an export of the module is one of coverage's, which is then remembered. Context: the image is being made. */
bool coverage_take_export(struct js *js, anqa_str name, uint64_t value);
/* Adds up what was counted since the last time. Context: the process's window is there. */
void coverage_harvest(struct js *js);
void coverage_forget(struct js_image *image);

#endif
