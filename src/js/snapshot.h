/*
 * Snapshots: a process between two turns as bytes, and back.
 *
 *     head     SNAPSHOT_HEAD bytes, see snapshot.c: what it is of, and how much follows
 *     name     of the script
 *     lines    what its memory holds that the image does not (lines.h)
 *     digest   SHA-256 of all that is before
 *     witness  HMAC of the digest with a key that the runtime has drawn
 *
 * Numbers have their least byte first. The image is not in it, so the same image has to be there when it is put back: it
 * names the build of the engine, the script's source, what of the web platform it asks for, and the image by their
 * digests. It is refused where one of them is another.
 *
 * Pids and references in its memory name processes of the server that it was taken in. Only that server can make the
 * witness; where it is right they go on to be what they were. Anywhere else the process gets another `epoch`, a number
 * that was drawn, and what was made in another epoch than that stands for nobody: or else an old pid would be the name of
 * a stranger in the next server.
 *
 * Bytes of a snapshot are anybody's. What is the host's is checked here; what is memory of the script can do no more
 * than the script could.
 */
#ifndef JS_SNAPSHOT_H
#define JS_SNAPSHOT_H

#include <anqa/buf.h>

#include "js/js.h" // IWYU pragma: export

#define SNAPSHOT_FIRST '\x89' /* the first byte */

/* The process as bytes, which the caller owns. Fails: E_LIMIT, E_NOMEM. Context: process, not in a turn; may wait. */
anqa_status snapshot_take(struct js *js, anqa_buf *ret_bytes, anqa_error *err);
/* Has the bytes given back when the process ends, or by anqa_defer_run_to. Takes them over. Context: process. */
void snapshot_hold(anqa_buf bytes);
/* Whether these bytes are whole and of this version. Fails: E_PARSE, E_VERSION. Context: process; may wait. */
anqa_status snapshot_check(anqa_str bytes, anqa_error *err);
/* Makes the process, which has the image of its script and has run nothing, what the bytes say. *ret_ms: for how long it
 * was none. A failure leaves it as it was. Fails: E_PARSE, E_VERSION, E_INVALID, E_LIMIT, E_NOMEM. Context: process; may
 * wait. */
anqa_status snapshot_put(struct js *js, anqa_str bytes, double *ret_ms, anqa_error *err);

#endif
