/*
 * Stores: where the snapshots of a script's processes are kept (anqa_js_store), and when one is taken.
 *
 * A process that a turn has run in is saved `every_ms` after that, by a task of its own, so that it serves others while
 * the bytes are written; never two at once. It traps exits: when it is told to end in good order, it saves itself once more.
 */
#ifndef JS_STORE_H
#define JS_STORE_H

#include <anqa/buf.h>

#include "js/js.h" // IWYU pragma: export

/* The process begins: js->kept says whether it has a store, and an id to be kept by, as
 * children of scripts have not. */
void store_begin(struct js *js);
/* The last snapshot, which the caller owns. Fails: E_NOT_FOUND, and as the store's `load`. Context: process; may wait. */
anqa_status store_load(const struct js *js, anqa_buf *ret_snapshot, anqa_error *err);
/* A turn has run; the process is kept. */
void store_note_turn(struct js *js);
/* Whether a message is about saving; it has been dealt with then. Context: process; may wait. */
bool store_on_message(struct js *js, const anqa_msg *msg);
/* The process ends. Context: process; may wait. */
void store_end(struct js *js, anqa_reason reason);

#endif
