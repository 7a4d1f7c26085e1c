/*
 * tests/model/hand_main.c: the model against answers computed by hand: the engine's own suites, and hand_structure.c.
 */
#include "check.h"
#include "engine/local/local.h"
#include "model.h"

sk_code model_open_as_local(const local_options *o, engine **ret, err *e);

sk_code model_open_as_local(const local_options *o, engine **ret, err *e)
{
    return engine_open_model(ret);
}

TEST_MAIN(engine_questions, engine_pages, hand_structure)
