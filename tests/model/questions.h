/*
 * tests/model/questions.h: random query specs over a world, steered so that every calculation meets every operator on every type often
 * enough, and the table that proves it.
 */
#ifndef TESTS_MODEL_QUESTIONS_H
#define TESTS_MODEL_QUESTIONS_H

#include "query/plan.h"
#include "world.h"

#define QUESTION_TYPES (FIELD_TYPE_COUNT + 1) /* the last: several types under one name */

typedef struct coverage {
    /* calculation with an operator on a field of a type */
    uint32_t met[CALC_OP_COUNT][FILTER_OP_COUNT][QUESTION_TYPES];
    uint32_t over[CALC_OP_COUNT][QUESTION_TYPES]; /* calculation over a column of a type */
    uint64_t next_filter, next_calc;
} coverage;

/* A spec in `mem`, of a time range that ends at the latest a little after the world's now; the coverage counts it. */
query_spec question_make(world *w, coverage *c, arena *mem);
/* The WHERE of traces_plan: one row's filters, at times with others on the root or on any or no row. */
span question_traces(world *w, arena *mem);
/* The least of all cells; prints one line per calculation and type when `print`. */
uint32_t coverage_least(const coverage *c, bool print);

#endif
