/*
 * fuzz/fuzz_otlp_metrics.c: any bytes as an OTLP request of data points are decoded or refused in
 * words, and what is decoded can be journaled.
 */
#include "fuzz_otlp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    return fuzz_otlp("/opentelemetry.proto.collector.metrics.v1.MetricsService/Export", data, size);
}
