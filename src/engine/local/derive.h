/*
 * engine/local/derive.h: the rules of docs/internals/structure.md for the spans of one trace, whatever they are: ids that are not unique,
 * parents that are missing or their own descendants, clocks that disagree. Used for traces that structure_block.c's one pass
 * over a block does not cover, for those that lie in several parts, and by trace.c. Pure.
 */
#ifndef ENGINE_LOCAL_DERIVE_H
#define ENGINE_LOCAL_DERIVE_H

#include "event/tree.h"
#include "query/aggregate/aggregate.h"

#define DERIVE_NONE UINT32_MAX

/* Other spans that a span's fields may come from. */
typedef enum derive_relation {
    DERIVE_ROOT,   /* the trace's first root among those for which root.'s filters hold */
    DERIVE_PARENT, /* and so on */
    DERIVE_CHILD,
    DERIVE_TOP, /* the trace's first root */
    DERIVE_RELATIONS
} derive_relation;
#define DERIVE_BIT(r) ((uint8_t)(1u << (r)))

typedef struct derive_span {
    uint64_t id, parent_id;
    int64_t time_ns, duration_ns; /* -1: none */
    uint32_t service, instance;   /* numbers of texts; instance 0: none */
    uint32_t place;               /* the caller's */
    uint8_t kind;                 /* span_kind */
    uint8_t match;                /* DERIVE_BITs: all filters of that relation hold on it */
} derive_span;

typedef struct derive_result {
    int64_t self_ns, gap_ns;           /* -1: absent */
    uint32_t depth;                    /* DERIVE_NONE: absent */
    uint32_t chosen[DERIVE_RELATIONS]; /* index of the span that is meant, or DERIVE_NONE */
} derive_result;

typedef struct derive_rules {
    bool wants_self, wants_gap, wants_depth;
    uint8_t relations; /* DERIVE_BITs */
    /* Which of two spans that begin at the same time comes first, by the fields that are asked of the relation. NULL: all equal. */
    int (*compare)(void *ctx, derive_relation r, const derive_span *a, const derive_span *b);
    void *ctx;
} derive_rules;

typedef struct derive_scratch {
    agg_budget *budget;
    void *at;
    size_t bytes;
} derive_scratch;

void derive_scratch_done(derive_scratch *s);
/* Any order of spans gives the same results. False: the budget has failed. O(n log n). */
bool derive_trace(const derive_rules *rules, const derive_span *spans, uint32_t count,
                  derive_scratch *scratch, derive_result *ret) must_use;

static inline int64_t derive_end(int64_t time_ns, int64_t duration_ns)
{
    int64_t end;
    duration_ns = duration_ns < 0 ? 0 : duration_ns;
    return __builtin_add_overflow(time_ns, duration_ns, &end) ? INT64_MAX : end;
}

/* The duration of a number of duration_ms. */
static inline int64_t derive_duration(double ms)
{
    double ns = (ms < 0 ? 0 : ms) * 1e6 + 0.5;
    return ns < 0x1p62 ? (int64_t)ns : (int64_t)1 << 62;
}

#endif
