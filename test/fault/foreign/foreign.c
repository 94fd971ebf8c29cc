#include "foreign.h"

#include <stdint.h>

static volatile uintptr_t near_null = 0x20;
static volatile int calls;

void foreign_crash(void)
{
    *(volatile int *)near_null = 1;
}

void foreign_call(void (*callback)(void))
{
    callback();
    calls++; /* so that the call is not the last thing done, which would leave no frame */
}
