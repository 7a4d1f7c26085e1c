/*
 * cli/demo/visit.h: one visit to the shop becomes spans and log lines, faults included. Pure: a function of dice, fault and
 * start time.
 */
#ifndef CLI_DEMO_VISIT_H
#define CLI_DEMO_VISIT_H

#include "cli/demo/fault.h"

#define STEP_ATTRIBUTES_MAX 14u
#define VISIT_STEPS_MAX     400u

typedef enum attribute_kind { ATTRIBUTE_TEXT, ATTRIBUTE_INT, ATTRIBUTE_DOUBLE } attribute_kind;

typedef struct attribute {
    const char *key;
    attribute_kind kind;
    const char *constant; /* a text that lives for ever; NULL: `text` */
    union {
        char text[40];
        int64_t i;
        double d;
    };
} attribute;

typedef struct step { /* a span */
    uint64_t trace_hi, trace_lo, id, parent, link_hi, link_lo, link_id;
    int64_t start_ns, end_ns;
    shop_service service;
    uint32_t pod;
    bool is_next_version;
    span_kind kind;
    const char *name;
    const char *error; /* status message; NULL = fine */
    uint32_t attribute_count;
    attribute attributes[STEP_ATTRIBUTES_MAX];
    char log[120]; /* a line it writes, or empty */
    bool log_is_error;
} step;

typedef struct visit {
    uint32_t count;
    step steps[VISIT_STEPS_MAX];
} visit;

void visit_make(visit *out, dice *d, const fault *f, int64_t start_ns);

#endif
