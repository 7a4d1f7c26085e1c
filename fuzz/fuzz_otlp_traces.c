/*
 * fuzz/fuzz_otlp_traces.c: any bytes as an OTLP request of spans are decoded or refused in words,
 * and what is decoded can be journaled.
 */
#include "fuzz_otlp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    return fuzz_otlp("/opentelemetry.proto.collector.trace.v1.TraceService/Export", data, size);
}
