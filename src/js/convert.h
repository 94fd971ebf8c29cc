/*
 * Values between C and the engine: the binary form of anqa/value.h, and JSON text.
 */
#ifndef JS_CONVERT_H
#define JS_CONVERT_H

#include "js/js.h" // IWYU pragma: export

/* Writes a JSValue (not freed). False: an exception is set in the engine that says why not; getters may have run. */
bool convert_out(struct js *js, uint64_t value, anqa_value_writer *writer);
/* The same as a whole. */
bool convert_out_whole(struct js *js, uint64_t value, anqa_value *ret_value);
/* A new JSValue, or JS_EXCEPTION. The value was checked. */
uint64_t convert_in(struct js *js, anqa_value value);

bool convert_out_json(struct js *js, uint64_t value, anqa_json *ret_json);
uint64_t convert_in_json(struct js *js, anqa_json json);

uint64_t convert_string(struct js *js, anqa_str text);
/* A new Uint8Array. */
uint64_t convert_bytes(struct js *js, anqa_str bytes);
/* The pid or reference that an object stands for; false: it is none. No exception. */
bool convert_pid(struct js *js, uint64_t value, anqa_pid *ret_pid);
bool convert_ref(struct js *js, uint64_t value, anqa_ref *ret_ref);
uint64_t convert_pid_in(struct js *js, anqa_pid pid);
uint64_t convert_ref_in(struct js *js, anqa_ref ref);
/* A double that is one, or an integer. */
bool convert_number(uint64_t value, double *ret_number);
uint64_t convert_double(double d);

#endif
