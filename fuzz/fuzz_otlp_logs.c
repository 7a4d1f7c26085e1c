/*
 * fuzz/fuzz_otlp_logs.c: any bytes as an OTLP request of log records are decoded or refused in
 * words, and what is decoded can be journaled.
 */
#include "fuzz_otlp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    return fuzz_otlp("/opentelemetry.proto.collector.logs.v1.LogsService/Export", data, size);
}
