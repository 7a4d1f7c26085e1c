/*
 * tests/model/model.h: a second engine behind engine/engine.h: slow and obvious, for comparison. It keeps every event as a list of
 * (name, value) pairs and answers from DESIGN §4's definitions (written out in query/aggregate/aggregate.h and
 * docs/internals/service-map.md) with naive code over lists of values. It shares no code with the engine's kernels, aggregates or groups.
 */
#ifndef TESTS_MODEL_MODEL_H
#define TESTS_MODEL_MODEL_H

#include "engine/engine.h"

sk_code engine_open_model(engine **ret);

/* Sums of floats may differ in their last digits between engines. Every `calcs` array of the model's results (rows, series,
 * total, other) is followed by calc_count more values, all RESULT_NUMBER: the size of what was added up (Σ|x|), of which 1e-12
 * is allowed; 0 when the answer must be the same to the bit. */
#define MODEL_SCALES(p, calcs) ((calcs) + (p)->calc_count)

#endif
