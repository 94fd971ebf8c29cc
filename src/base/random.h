/** base/random.h - random bytes that nobody can guess. */
#ifndef ANQA_BASE_RANDOM_H
#define ANQA_BASE_RANDOM_H

#include <stddef.h>

/** From the kernel's generator; ends the program where a sandbox forbids that. */
void random_bytes(void *out, size_t len);

#endif
