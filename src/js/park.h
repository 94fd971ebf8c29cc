/*
 * Parking: how there are more JavaScript processes than windows.
 *
 * A process whose memory is mapped has a *place*; there are js_rt.limit of them. Who needs one when all are taken parks
 * the process that was used least recently and is in no turn: its memory becomes lines (lines.h), its window and its
 * place are the other's. A parked process takes a place when a message needs a turn: turn_run is the one gate.
 *
 * The parked is not asked, and does not run: who parks it does so on his own thread. One word of each process keeps the
 * two apart:
 *
 *     BUSY  <--process-->  IDLE  --anybody-->  PARKING  --the same-->  PARKED  --process-->  BUSY
 *
 * BUSY is the process's: it starts, ends or is in a turn. IDLE belongs to nobody: the first one to swap the word has it.
 * A process that finds PARKING yields until that is over; one that ends waits on its thread. PARKING never spans a wait,
 * so the two are on different threads, and the wait is for computing only. It is one piece of work, whatever the memory: some
 * 10 ms for 50 MB that were written to all over. Waking is not: others have their turn in between.
 *
 * If all that may be parked are BUSY, who needs a place queues. While somebody does, each process that comes out of a turn
 * parks itself and its place goes to the first of the queue. A process cannot come back before it: that is what makes
 * it fair. Who waits too long gives up.
 */
#ifndef JS_PARK_H
#define JS_PARK_H

#include "js/js.h" // IWYU pragma: export

enum js_use { JS_BUSY, JS_IDLE, JS_PARKING, JS_PARKED };

/* How long one waits for a place: to start, and to go on. The latter ends the process. */
#define PARK_START_MS 5000u
#define PARK_WAKE_MS 60000u

/* A place and a window that shows `image` (NULL: nothing) for the calling process, which is BUSY or PARKED.
 * Fails: E_LIMIT, E_NOMEM.   Context: process; may wait. */
anqa_status park_take(struct js *js, struct js_image *image, uint32_t timeout_ms, anqa_error *err);

/* The process goes into a turn: it is mapped and BUSY then, or ends (SYSTEM_LIMIT). Context: process; may wait. */
void park_begin(struct js *js);
/* It has come out of its turn and may be parked from here on. */
void park_end(struct js *js);
/* The same for what is no use of the process: false when it is parked, or about to be. */
bool park_try_begin(struct js *js);
void park_end_unused(struct js *js);
/* Whether it is parked. Context: the process. */
bool park_is(const struct js *js);
/* The process ends: gives all up. Context: its exit hook. */
void park_leave(struct js *js);

#endif
