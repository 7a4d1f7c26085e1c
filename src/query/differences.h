/*
 * query/differences.h: what sets a selection apart from its baseline (docs/internals/differences.md): fields ranked by how
 * differently their values are spread, services ranked by how much longer their own work takes, words that log lines gained
 * or lost. Engines count; the rules that turn counts into an answer are here, once. Pure.
 *
 * All sums that engines hand over are integers, so an answer does not depend on the order of rows.
 */
#ifndef QUERY_DIFFERENCES_H
#define QUERY_DIFFERENCES_H

#include "query/plan.h"

#define DIFFER_SIDES        2u /* of every pair below: 0 the selection, 1 its baseline */
#define DIFFER_SELECTION    0u
#define DIFFER_BASELINE     1u
#define DIFFER_NUMBERS_MAX  1024u /* different numbers of a field; more are put into buckets */
#define DIFFER_VALUES_MAX   (256u << 10) /* different texts of a field; one with more is left out */
#define DIFFER_ROWS_EXACT   (5000u * 1000) /* both sides together; more: a sample by trace id */
#define DIFFER_SAMPLE_ROWS  (200u * 1000)  /* a side of a sample, about */
#define DIFFER_WORD_MAX     64u            /* longer words of log lines are passed over */
#define DIFFER_FIELDS_SHOWN 40u            /* default */
#define DIFFER_BARS         8u

/* Whose fields are compared. Suspects and words are looked for in the traces of those rows, whatever they are. */
typedef enum differ_rows {
    DIFFER_ROWS_SPANS, /* rows with a trace and a span id; not their events and links */
    DIFFER_ROWS_LOGS,
    DIFFER_ROWS_ALL, /* that the dataset has; of a metrics dataset its points */
    DIFFER_ROWS_COUNT
} differ_rows;
const char *differ_rows_name(differ_rows r); /* "spans" */

/* Plans say which rows: only their filters, dataset and times are looked at. */
typedef struct differences_query {
    const plan *all; /* holds for every row; its times bound both sides */
    const plan *selection;
    const plan *baseline; /* NULL: all that is not selected. A row of both sides is selected */
    differ_rows rows;
    bool wants_suspects, wants_words;
    uint32_t field_limit; /* 0: DIFFER_FIELDS_SHOWN */
} differences_query;

/* ---- fields ---- */

typedef struct differ_value {
    span text;        /* canonical */
    double low, high; /* numbers: the value, or the bucket's [low, high) */
    bool is_number, is_absent, is_other;
    uint64_t weight[DIFFER_SIDES];
} differ_value;

typedef struct differ_input { /* one field, as counted */
    span name;
    uint32_t value_count;
    differ_value *values;                              /* differ_fields may change their order */
    uint64_t rows[DIFFER_SIDES], weight[DIFFER_SIDES]; /* that have it */
    bool has_too_many;
    bool follows; /* a filter of the selection or baseline names it */
} differ_input;

typedef enum differ_drop { DROP_NONE, DROP_CONSTANT, DROP_UNIQUE, DROP_TOO_MANY } differ_drop;

typedef struct differ_field {
    span name;
    double score; /* (divergence - expected) * share, never below 0 */
    double divergence, expected, share;
    uint64_t weight[DIFFER_SIDES]; /* rows that have it */
    uint32_t distinct;
    bool is_ranges, follows;
    differ_drop dropped; /* then there are no values */
    span sentence;
    uint32_t value_count; /* the most telling first, "other" and "absent" last; ranges ascending */
    const differ_value *values;
    uint32_t alike_count; /* fields that cut the rows in the same way */
    const span *alike;
} differ_field;

/* Of all rows of a side, whatever fields they have. */
typedef struct differ_totals {
    uint64_t rows[DIFFER_SIDES], weight[DIFFER_SIDES], weight_squares[DIFFER_SIDES];
} differ_totals;

typedef struct differ_list {
    uint32_t count, dropped_count;
    const differ_field *fields;  /* best first; those that follow from the selection last */
    const differ_field *dropped; /* by name */
} differ_list;

sk_code differ_fields(differ_input *inputs, uint32_t count, const differ_totals *totals,
                      uint32_t limit, arena *mem, differ_list *ret, err *e) must_use;

/* The bucket of a number, for fields with more than DIFFER_NUMBERS_MAX: 64 an octave, in the order of numbers. */
#define DIFFER_BUCKET_BITS 18u /* sign, exponent, 6 bits of the fraction */

static inline uint32_t differ_bucket(double v)
{
    const uint64_t sign = (uint64_t)1 << 63;
    uint64_t bits;
    memcpy(&bits, &v, sizeof bits);
    bits = bits == sign ? 0 : bits;    /* one zero */
    bits ^= (0 - (bits >> 63)) | sign; /* ascending */
    return (uint32_t)(bits >> (64 - DIFFER_BUCKET_BITS));
}
void differ_bucket_range(uint32_t bucket, double *ret_low, double *ret_high);

/* ---- suspects ---- */

/* What is timed: */
typedef enum differ_kind {
    /* a span's self time, when it has no child elsewhere and none that failed: then it waits, or waits to try again */
    DIFFER_OWN,
    DIFFER_VISIT, /* of a span by which a service is entered: the sum of that over what the service does for it */
    DIFFER_BETWEEN, /* a span called from elsewhere: its parent's self time, when it has a gap */
    DIFFER_KINDS
} differ_kind;

/* Spans that are compared with their like: kind, the caller's service (OWN, VISIT: 0), service, name; apart by
 * instance. Texts are numbers of the engine's, 0 is none. */
typedef struct differ_cell {
    differ_kind kind;
    uint32_t caller, service, name, instance;
    uint64_t rows[DIFFER_SIDES], weight[DIFFER_SIDES], errors[DIFFER_SIDES]; /* errors: weight */
    /* of those that have a time: the sum of weighted differ_log and µs */
    uint64_t timed_rows[DIFFER_SIDES], timed_weight[DIFFER_SIDES], us[DIFFER_SIDES];
    int64_t logs[DIFFER_SIDES];
    uint64_t squares[DIFFER_SIDES]; /* of logs without their DIFFER_SQUARE_SHIFT last bits */
} differ_cell;

#define DIFFER_LOG_ONE      1048576.0 /* logs are kept in these parts */
#define DIFFER_SQUARE_SHIFT 10
int64_t differ_log(int64_t ns); /* of a time plus one millisecond */

typedef struct differ_part {
    span name; /* at == NULL: none */
    double score;
    uint64_t rows; /* of the selection */
} differ_part;

typedef struct differ_suspect {
    span service;
    double score; /* own + between + errors */
    double own /* the greater of OWN's and VISIT's */, between, errors;
    uint64_t rows;    /* of the selection, that say so */
    double excess_ms; /* of the selection, against the baseline's mean */
    double share;     /* of all that the selection took longer */
    bool is_weak;     /* few rows, or a difference that chance often makes */
    differ_part instance, operation;
} differ_suspect;

typedef struct differ_suspects {
    uint32_t count;
    const differ_suspect *suspects; /* best first; none with a score of 0 */
} differ_suspects;

/* `text` names a number. Cells in any order; no two with the same texts. */
sk_code differ_suspects_of(const differ_cell *cells, uint32_t count,
                           span (*text)(void *ctx, uint32_t number), void *ctx, arena *mem,
                           differ_suspects *ret, err *e) must_use;

/* ---- words of log lines ---- */

typedef struct differ_word { /* traces (lines without one: lines) of a service that have the word */
    span service, word;
    uint64_t with[DIFFER_SIDES], all[DIFFER_SIDES];
    double strength; /* standard deviations, about */
} differ_word;

typedef struct differ_words {
    uint32_t count;
    const differ_word *words; /* strongest first, at most one service's DIFFER_WORDS_SHOWN */
} differ_words;
#define DIFFER_WORDS_SHOWN 3u

/* The next word of a line that may stand for what the program says (not for one request): letters, more than digits. */
bool differ_next_word(span *line, span *ret);
sk_code differ_words_of(differ_word *words, uint32_t count, arena *mem, differ_words *ret,
                        err *e) must_use;

/* ---- the answer ---- */

typedef struct differences_result {
    differ_totals totals;
    differ_list fields;
    differ_suspects suspects;
    differ_words words;
    span sentence;   /* of the first field; at == NULL: none says anything */
    bool is_sampled; /* more than DIFFER_ROWS_EXACT rows */
    uint64_t rows_scanned;
    uint32_t damaged_blocks; /* left out */
    int64_t elapsed_ns;
} differences_result;

void differences_to_json(const differences_result *r, const differences_query *q, buf *out);

#endif
