/* What the kernel allows, and what to raise. */
#ifndef PHXLOAD_KERNEL_H
#define PHXLOAD_KERNEL_H

#include <stdint.h>

/* Raises the limit on open files to `need` if it can; says what is missing if not. Returns it. */
uint64_t raise_files(uint64_t need);
/* Checks what the kernel allows before any connection is made. */
void check_limits(void);
/* After a run with failures or a lot of memory: what may be missing. */
void hint_limits(void);

#endif
