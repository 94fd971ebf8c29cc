/*
 * Profiles: stacks that are counted while somebody waits for them (anqa_js_profile). One at a time in a runtime; guarded by
 * js_rt.lock. Whoever asked for it owns it and takes it out of js_rt, also when he is killed.
 */
#ifndef JS_PROFILE_H
#define JS_PROFILE_H

#include "js/js.h" // IWYU pragma: export

/* Counts the stack, if the profile that is taken is about this process. Context: a safe point. */
void profile_sample(struct js *js);

#endif
