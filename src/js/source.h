/*
 * Where the text of a script comes from: the binary, or a file, which esbuild makes one module of when it is TypeScript
 * or has imports.
 */
#ifndef JS_SOURCE_H
#define JS_SOURCE_H

#include <anqa/js.h>

#define SOURCE_FILES_MAX 256 /* beyond that, what is imported is not looked at again */

/* The files that a script was made of, as they were then. */
struct source_files {
    uint64_t stamp;
    uint32_t count;
    const char *paths[SOURCE_FILES_MAX];
};

struct js_source {
    anqa_str text;              /* with a NUL behind it; lives as long as the event */
    bool is_bytecode;           /* it is code, not text (bytecode.h) */
    anqa_str map;               /* JSON; empty: none */
    struct source_files *files; /* the caller's; NULL: the script has no file */
};

/* Whether it has text or a file that can be read. Fails: E_INVALID, E_NOT_FOUND and others of the system. */
anqa_status source_check(const anqa_js_script *script, anqa_error *err);
/* Fails: as above, E_SCRIPT (esbuild says what). Context: process; may wait for a worker. */
anqa_status source_read(
    const anqa_js_script *script, struct js_source *ret_source, anqa_error *err);
/* Whether one of them is another now. */
bool source_files_changed(const struct source_files *files);
void source_files_free(struct source_files *files);

#endif
