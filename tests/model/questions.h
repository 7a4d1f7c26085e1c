/*
 * tests/model/questions.h: random query specs over a world, steered so that every calculation meets every operator on every type often
 * enough, and the table that proves it.
 */
#ifndef TESTS_MODEL_QUESTIONS_H
#define TESTS_MODEL_QUESTIONS_H

#include "query/plan.h"
#include "world.h"

typedef struct coverage {
    uint32_t met[CALC_OP_COUNT][FILTER_OP_COUNT]
                [FIELD_TYPE_COUNT]; /* calculation with an operator on a field of a type */
    uint32_t over[CALC_OP_COUNT][FIELD_TYPE_COUNT]; /* calculation over a column of a type */
    uint64_t next_filter, next_calc;
} coverage;

/* A spec in `mem`; the coverage counts it. */
query_spec question_make(world *w, coverage *c, arena *mem);
/* The least of all cells; prints one line per calculation and type when `print`. */
uint32_t coverage_least(const coverage *c, bool print);

#endif
