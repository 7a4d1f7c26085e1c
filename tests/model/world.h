/*
 * tests/model/world.h: random data for the comparison: batches of three families, several datasets and environments, every field type,
 * several types under one name, traces that straddle batches, late and repeated rows. The same seed gives the same world.
 */
#ifndef TESTS_MODEL_WORLD_H
#define TESTS_MODEL_WORLD_H

#include "base/buf.h"
#include "check.h"
#include "event/batch.h"

#define WORLD_BATCHES_MAX 256
#define WORLD_POOL        48 /* values remembered per field, for filters */
#define WORLD_TRACES_MAX  512

typedef enum value_kind { /* how values of a field are made */
                          FEW_TEXTS,
                          MANY_TEXTS,
                          UNIQUE_TEXTS,
                          NUMBER_TEXTS,
                          ODD_TEXTS,
                          FEW_INTS,
                          ANY_INTS,
                          PLAIN_FLOATS,
                          WILD_FLOATS,
                          NOT_FINITE,
                          BOOLS,
                          HISTOGRAMS,
                          INT_OR_TEXT,
                          ANYTHING,
                          OF_THE_MAPPING, /* put by the rows themselves, not by put_fields */
} value_kind;

typedef struct world_field {
    const char *name;
    field_type type; /* FIELD_TYPE_COUNT: several */
    value_kind kind; /* of its values */
    uint32_t percent;
} world_field;

extern const world_field world_fields[];
extern const uint32_t world_field_count;

typedef struct world_batch {
    uint32_t environment;
    family family;
    int64_t arrival_ns;
    buf bytes; /* encoded: what a journal would hold */
} world_batch;

typedef struct planned_span {
    trace_id trace;
    uint64_t id, parent;
    int64_t start_ns;
    double ms;
    uint32_t service;
    const char *kind;
    int peer; /* what a client talks to */
    uint32_t link_count;
    trace_id link_trace[2];
    uint64_t link_span[2];
} planned_span;

#define WORLD_PENDING_MAX 512

typedef struct world {
    uint64_t seed;
    arena *mem;
    int64_t start_ns, now_ns;
    uint64_t next_id;
    uint32_t scale; /* of batches: large worlds have large ones */
    bool has_spans_alone;
    uint32_t batch_count, row_count;
    world_batch batches[WORLD_BATCHES_MAX];
    uint32_t pool_count[64];
    value pool[64][WORLD_POOL];
    uint32_t trace_count;
    trace_id traces[WORLD_TRACES_MAX];
    uint32_t pending_count; /* spans planned, not yet sent */
    planned_span pending[WORLD_PENDING_MAX];
    uint32_t producer_count; /* planned so far; the newest four can be linked to */
    trace_id producer_trace[4];
    uint64_t producer_span[4];
} world;

uint64_t world_below(world *w, uint64_t limit);
bool world_chance(world *w, uint32_t percent);
value world_value(world *w, value_kind kind);
void world_remember(world *w, uint32_t field, value v); /* for filters */
void world_make(world *w, uint64_t seed, uint32_t row_count, bool has_spans_alone);
/* Later batches, after a pause. */
void world_extend(world *w, int64_t pause_ns, uint32_t row_count);
void world_done(world *w);
/* A fresh frozen batch decoded from the i-th of the world. */
batch *world_open(const world *w, uint32_t i);

#endif
