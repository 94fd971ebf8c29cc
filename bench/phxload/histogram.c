#include "histogram.h"

void hist_add(struct hist *h, uint64_t v)
{
    unsigned at = (unsigned)v;
    if (v >> HIST_BITS) {
        unsigned shift = 63u - (unsigned)__builtin_clzll(v) - HIST_BITS;
        at = ((shift + 1) << HIST_BITS) + (unsigned)((v >> shift) & ((1u << HIST_BITS) - 1));
    }
    h->slot[at]++;
    h->n++;
    if (v > h->max)
        h->max = v;
}

void hist_merge(struct hist *to, const struct hist *from)
{
    for (int i = 0; i < HIST_SLOTS; i++)
        to->slot[i] += from->slot[i];
    to->n += from->n;
    if (from->max > to->max)
        to->max = from->max;
}

uint64_t hist_at(const struct hist *h, double q)
{
    uint64_t want = (uint64_t)(q * (double)h->n + 0.999999), sum = 0;
    if (want < 1)
        want = 1;
    for (unsigned i = 0; i < HIST_SLOTS; i++) {
        sum += h->slot[i];
        if (sum < want)
            continue;
        uint64_t v = i;
        if (i >> (HIST_BITS + 1)) {
            unsigned shift = (i >> HIST_BITS) - 1;
            v = (((uint64_t)(1u << HIST_BITS) + (i & ((1u << HIST_BITS) - 1))) << shift) +
                (1ull << shift) - 1;
        }
        return v < h->max ? v : h->max;
    }
    return h->max;
}
