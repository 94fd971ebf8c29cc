/* Faults, as code makes them that a test did not write on purpose. */
#ifndef FAULTY_H
#define FAULTY_H

#include <stddef.h>
#include <stdint.h>

/* What a sanitizer would report is what these are for. */
#define FAULTY __attribute__((noinline, unused, no_sanitize("address", "undefined")))

/* The compiler must not know these values. */
static volatile uintptr_t near_null = 0x10;
static volatile int zero;

static FAULTY void null_dereference(void)
{
    *(volatile int *)near_null = 1;
}

static FAULTY int recurse(volatile char *above)
{
    volatile char here[100];

    here[0] = above == NULL ? 'x' : above[0];
    if (zero != 0)
        return 0;
    return recurse(here) + here[zero];
}

static FAULTY void recursion_without_end(void)
{
    (void)recurse(NULL);
}

#endif
