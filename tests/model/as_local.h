/*
 * tests/model/as_local.h: lets the engine's own hand-computed tests (tests/unit/engine_questions.c) run against the model: their
 * fixture is compiled with engine_open_local meaning model_open_as_local. One suite, every engine.
 */
#ifndef TESTS_MODEL_AS_LOCAL_H
#define TESTS_MODEL_AS_LOCAL_H

#define engine_open_local model_open_as_local

#endif
