/*
 * fuzz/fuzz.h: what libFuzzer (or fuzz/replay_main.c) calls. A target checks its properties with must().
 */
#ifndef FUZZ_FUZZ_H
#define FUZZ_FUZZ_H

#include "base/must.h"
#include "base/span.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
