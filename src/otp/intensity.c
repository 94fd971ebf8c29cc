/* The restart intensity of a supervisor. */
#include "otp/intensity.h"

#include <string.h>

#include <anqa/memory.h>
#include <anqa/process.h>
#include <anqa/supervisor.h>

void intensity_init(struct intensity *intensity, uint32_t max_restarts, uint32_t max_seconds)
{
    memset(intensity, 0, sizeof *intensity);
    intensity->max = max_restarts == 0 ? 3 : max_restarts == ANQA_NO_RESTARTS ? 0 : max_restarts;
    intensity->period_ms = (max_seconds == 0           ? 5
                               : max_seconds > 4000000 ? 4000000
                                                       : max_seconds) *
                           1000;
}

static void grow(struct intensity *intensity)
{
    uint32_t size = intensity->size == 0 ? 4 : intensity->size * 2;
    uint64_t *times = anqa_heap_alloc(size * sizeof *times);

    for (uint32_t i = 0; i < intensity->count; i++)
        times[i] = intensity->times[(intensity->first + i) % intensity->size];
    anqa_heap_free(intensity->times);
    intensity->times = times;
    intensity->first = 0;
    intensity->size = size;
}

bool intensity_add(struct intensity *intensity)
{
    uint64_t now = anqa_now_ms();

    while (
        intensity->count > 0 && now - intensity->times[intensity->first] > intensity->period_ms) {
        intensity->first = (intensity->first + 1) % intensity->size;
        intensity->count--;
    }
    if (intensity->count >= intensity->max)
        return false;
    if (intensity->count == intensity->size)
        grow(intensity);
    intensity->times[(intensity->first + intensity->count) % intensity->size] = now;
    intensity->count++;
    return true;
}
