/*
 * The web platform beside the language: modules that a script gets when its `apis` ask for them.
 *
 * A module is a file of this folder, bundled with what it imports from npm when the library is built. It is evaluated
 * once for each image, between boot.js and the script, so what it needs of memory is shared by all processes of the
 * script until they write to it. It exports one function:
 *
 *     export default function (web, op) { const { EventTarget } = globalThis; ...; web.define({ URL }); }
 *
 * `web` is what boot.js gives to modules (see there); `op` is the number of the first of its operations: what it asks
 * of C is `web.host(op + N, ...)`, answered by row N of its table of operations. Operations of modules that a script has
 * not asked for cannot be reached by it, whatever it does.
 *
 * What takes longer than a turn runs in a process of its own, and tells what happened by web_tell().
 */
#ifndef JS_WEB_WEB_H
#define JS_WEB_WEB_H

#include "js/beam.h" // IWYU pragma: export

/* One thing that can be asked of the host. Arguments are borrowed, those left out are undefined; the result is a new
 * value, or JS_EXCEPTION with an exception set. */
struct js_op {
    uint64_t (*run)(struct js *js, const uint64_t *args);
    bool loading; /* may be used while the script loads */
};

/* How many arguments an operation gets, its number not counted. */
#define JS_OP_ARGS 8

/* Where the numbers of a module's operations begin; those of Beam are 0 to this. */
#define WEB_OP_SPAN 256u

/* The flags with all that they need; unknown ones are left out. */
uint32_t web_closure(uint32_t apis);
/* Loads the modules that the script asks for. Context: a turn, the image is being made. False: an exception is set. */
bool web_load(struct js *js);
/* The process starts: what scripts see of the time counts from here. */
void web_start_clock(struct js *js);
/* The operation of that number, which is not one of Beam's; NULL: there is none, or not for this script. */
const struct js_op *web_op(const struct js *js, uint32_t number);

/* For a process that works for a script: `value` arrives at the function that was given to web.source() as `id`, or its loss
 * where the script has no memory for it. It is charged on the meter until the script has it.
 * Fails as anqa_send; E_LIMIT: the meter has no room. */
anqa_status web_tell(
    struct buf_meter *meter, anqa_pid script, uint32_t id, anqa_value value) ANQA_MUST_CHECK;
/* The same by a script, which pays for it: see beam_post. */
anqa_status web_post(struct js *js, anqa_pid script, uint32_t id, anqa_value value) ANQA_MUST_CHECK;
/* In a worker: its parent is told what nobody has caught. */
void web_worker_failed(struct js *js, const anqa_js_error *error);
/* What modules hold outside of the script's memory is given up, and what they were told and have not heard. Context: the script's
 * process, between two turns. */
void web_reset(struct js *js);
/* Of the modules that have it. */
void web_drop_codecs(struct js *js);
/* The operation of crypto.js that runs a job of subtle.h: id, kind | hash << 8 | family << 16 | flags, n, m, key, data, extra,
 * more. The result: bytes; a string that tells what is wrong; null where the job is long and id is 0. With another id it
 * becomes the answer of a process. */
uint64_t web_run_job(struct js *js, const uint64_t *args);
/* Whether a message is one of web_tell's; id and value are then written. */
bool web_told(const anqa_msg *msg, uint32_t *ret_id, anqa_value *ret_value);

/* ---------------------------------------------------------------- for operations */

/* Memory until the operation ends, however that comes. Not anqa_tmp(): a turn may be very many operations. */
anqa_arena *web_scratch(struct js *js);
/* Whether that many bytes of it may be taken: it is limited, and who takes more ends the process. False: an exception is set. */
bool web_room(struct js *js, size_t len);
/* A string of the engine as well-formed UTF-8, in scratch memory; lone surrogates are U+FFFD. False: it is
 * none, or is too long; an exception is set. */
bool web_text(struct js *js, uint64_t value, anqa_str *ret_text);
/* Text in which malformed bytes are U+FFFD, as decoders have it. In scratch memory, or the same. */
anqa_str web_well_formed(struct js *js, anqa_str text);
/* Where the bytes of a Uint8Array lie: in the window, for js_at. False: it is none, or has none. No exception. */
bool web_bytes(struct js *js, uint64_t value, uint32_t *ret_at, uint32_t *ret_len);

#endif
