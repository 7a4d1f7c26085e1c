/*
 * tests/unit/engine_main.c: the unit tests of layer engine.
 */
#include "check.h"

TEST_MAIN(engine_questions, engine_structure, engine_map, engine_control, engine_derived,
          engine_selections, engine_kept_columns, engine_pages, hand_structure)
