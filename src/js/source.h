/*
 * Where the text of a script comes from: the binary, or a file, which esbuild makes one module of when it is TypeScript
 * or has imports.
 */
#ifndef JS_SOURCE_H
#define JS_SOURCE_H

#include <time.h> // IWYU pragma: export

#include <anqa/js.h>

struct js_source {
    anqa_str text; /* with a NUL behind it; lives as long as the event */
    anqa_str map;  /* JSON; empty: none */
};

/* When its file was changed; zeroes for a script that has none. Fails: E_NOT_FOUND and others of the system. */
anqa_status source_changed(
    const anqa_js_script *script, struct timespec *ret_changed, anqa_error *err);
/* Fails: as above, E_SCRIPT (esbuild says what), E_INVALID. Context: process; may wait for a worker. */
anqa_status source_read(
    const anqa_js_script *script, struct js_source *ret_source, anqa_error *err);

#endif
