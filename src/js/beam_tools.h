/*
 * Operations of Beam that ask nothing of other processes: numbers, texts, hashes, and what can be seen of this process
 * and its runtime. Rows of beam.c's table.
 */
#ifndef JS_BEAM_TOOLS_H
#define JS_BEAM_TOOLS_H

#include "js/beam.h" // IWYU pragma: export

uint64_t tools_unique(struct js *js, const uint64_t *args);
uint64_t tools_make_ref(struct js *js, const uint64_t *args);
uint64_t tools_nanoseconds(struct js *js, const uint64_t *args);
uint64_t tools_uuid(struct js *js, const uint64_t *args);
uint64_t tools_hash(struct js *js, const uint64_t *args);
uint64_t tools_escape(struct js *js, const uint64_t *args);
uint64_t tools_peek(struct js *js, const uint64_t *args);
uint64_t tools_process_info(struct js *js, const uint64_t *args);
uint64_t tools_system_info(struct js *js, const uint64_t *args);

#endif
