/*
 * tests/unit/event_random.h: random batches beside a plain list of what every row should hold: rows of (name, value),
 * ranges in the order they were put, the newest put winning, points over ranges. Used by the tests of batch and codec.
 */
#ifndef TESTS_EVENT_RANDOM_H
#define TESTS_EVENT_RANDOM_H

#include "check.h"
#include "event/batch.h"

#define TWIN_NAMES      14
#define TWIN_ROWS_MAX   400
#define TWIN_RANGES_MAX 600

typedef struct twin_value {
    bool is_set;
    field_type type;
    uint64_t bits; /* int, float, bool */
    char text[24]; /* string, histogram */
} twin_value;

typedef struct twin_range {
    uint32_t name, first, end;
    twin_value v;
} twin_range;

typedef struct twin {
    uint64_t seed;
    uint32_t row_count, range_count, dropped;
    struct {
        int64_t time_ns;
        uint32_t rate;
        char dataset[16];
        trace_id trace;
        uint64_t span, parent;
        twin_value values[TWIN_NAMES];
    } rows[TWIN_ROWS_MAX];
    twin_range ranges[TWIN_RANGES_MAX];
} twin;

span twin_name(uint32_t i);
/* Builds a batch and its twin; the batch is not frozen. NULL when memory was short (tests of that). */
batch *twin_build(twin *t, uint64_t seed);
twin_value twin_at(const twin *t, uint32_t row, uint32_t name);
/* Fails the test unless the frozen batch holds exactly what its twin does, and keeps the promises of batch.h. */
void twin_check(const twin *t, const batch *b);

#endif
