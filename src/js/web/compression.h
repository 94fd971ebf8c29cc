/*
 * What CompressionStream and DecompressionStream hold outside of the sandbox: states of zlib.
 */
#ifndef JS_WEB_COMPRESSION_H
#define JS_WEB_COMPRESSION_H

struct js;

/* Frees all states of a process. Context: process, in no turn. */
void compression_forget(struct js *js);

#endif
