/*
 * cli/demo/random.h: a small seeded generator (splitmix64): the same seed gives the same shop on every machine.
 */
#ifndef CLI_DEMO_RANDOM_H
#define CLI_DEMO_RANDOM_H

#include <math.h>

#include "base/port.h"

typedef struct dice {
    uint64_t state;
} dice;

static inline uint64_t dice_u64(dice *d)
{
    uint64_t z = (d->state += 0x9e3779b97f4a7c15ull);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
    return z ^ (z >> 31);
}

static inline uint32_t dice_below(dice *d, uint32_t n)
{
    return (uint32_t)((dice_u64(d) >> 32) * n >> 32);
}

static inline double dice_unit(dice *d) /* [0, 1) */
{
    return (double)(dice_u64(d) >> 11) * 0x1p-53;
}

static inline bool dice_chance(dice *d, double p)
{
    return dice_unit(d) < p;
}

/* Log-normal around `median` (sum of uniforms stands in for the normal): how latencies look. */
static inline double dice_latency(dice *d, double median, double sigma)
{
    double normal = dice_unit(d) + dice_unit(d) + dice_unit(d) + dice_unit(d) - 2.0;
    return median * exp(normal * 1.732 * sigma);
}

#endif
