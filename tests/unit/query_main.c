/*
 * tests/unit/query_main.c: the unit tests of layer query.
 */
#include "check.h"

TEST_MAIN(query_json, query_text, query_round, query_plan, query_filter, query_result,
          query_aggregate, query_groups, query_differences, query_traces)
