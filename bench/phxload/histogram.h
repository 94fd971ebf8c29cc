/* Histograms in logarithmic buckets with 128 linear steps per power of two: error below 0.8 %. */
#ifndef PHXLOAD_HISTOGRAM_H
#define PHXLOAD_HISTOGRAM_H

#include <stdint.h>

#define HIST_BITS 7
#define HIST_SLOTS ((64 - HIST_BITS + 1) << HIST_BITS)

struct hist {
    uint64_t n, max, slot[HIST_SLOTS];
};

void hist_add(struct hist *h, uint64_t v);
void hist_merge(struct hist *to, const struct hist *from);
/* The highest value of the slot in which quantile q lies. */
uint64_t hist_at(const struct hist *h, double q);

#endif
