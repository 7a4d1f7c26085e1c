/*
 * tests/model/compare.h: is an engine's answer the model's, as DESIGN §4 "Exactness" means it? Each function returns NULL, or a
 * sentence (in the arena) that says what differs first.
 */
#ifndef TESTS_MODEL_COMPARE_H
#define TESTS_MODEL_COMPARE_H

#include "model.h"

/* `ret_is_loose` (in/out): set when groups of sums of floats came in another order, or others of them were shown, because sums that are
 * equal but for their last digits decide it; then only what both show is compared. */
const char *compare_results(const plan *p, const result *want, const result *got,
                            bool *ret_is_loose, arena *mem);
const char *compare_traces(const trace_result *want, const trace_result *got, arena *mem);
const char *compare_maps(const service_map *want, const service_map *got, arena *mem);
/* `all`: suspects and words too, which the model leaves out. */
const char *compare_differences(const differences_result *want, const differences_result *got,
                                bool all, arena *mem);
const char *compare_fields(const fields_result *want, const fields_result *got, arena *mem);

#endif
