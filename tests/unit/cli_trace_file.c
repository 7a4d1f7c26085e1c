/*
 * tests/unit/cli_trace_file.c: traces out of files: OTLP JSON in both spellings, in lines, what trace --json printed, and
 * what is none of these.
 */
#include "cli/trace_file.h"
#include "cli_fixed.h"

#define ID(last) "4bf92f3577b34da6a3ce929d0e0e473" last
#define FIRST                                                                                      \
    "{\"resourceSpans\":[{\"resource\":{\"attributes\":[{\"key\":\"service.name\",\"value\":"      \
    "{\"stringValue\":\"web\"}}]},\"scopeSpans\":[{\"spans\":[{\"traceId\":\"" ID(                 \
        "6") "\","                                                                                 \
             "\"spanId\":\"000000000000000b\",\"parentSpanId\":\"000000000000000a\",\"name\":"     \
             "\"get\","                                                                            \
             "\"kind\":3,\"startTimeUnixNano\":\"1795334400000000000\",\"endTimeUnixNano\":"       \
             "\"1795334400001500000\",\"status\":{\"code\":2,\"message\":\"no\"},\"events\":[{"    \
             "\"name\":"                                                                           \
             "\"e\"}]},{\"traceId\":\"" ID(                                                        \
                 "1") "\",\"spanId\":\"000000000000000c\",\"name\":\"x\","                         \
                      "\"status\":{\"code\":\"STATUS_CODE_ERROR\"}}]}]}]}"
#define SECOND                                                                                     \
    "{\"resource_spans\":[{\"scope_spans\":[{\"spans\":[{\"trace_id\":\"" ID(                      \
        "6") "\","                                                                                 \
             "\"span_id\":\"000000000000000a\",\"name\":\"root\"}]}]}]}"

static const char with_parent[] = "{\"trace_id\":\"" ID(
    "6") "\",\"spans\":[{\"start_ns\":\"1795334400000000000\",\"trace.span_id\":"
         "\"000000000000000b\",\"trace.parent_id\":\"000000000000000a\",\"service.name\":\"web\","
         "\"name\":"
         "\"get\",\"span.kind\":\"client\",\"duration_ms\":1.5,\"status_code\":2,\"status_"
         "message\":\"no\"},"
         "{\"trace.parent_id\":\"000000000000000b\",\"meta.annotation_type\":\"span_event\","
         "\"name\":\"e\"},"
         "{\"start_ns\":\"0\",\"trace.span_id\":\"000000000000000a\",\"service.name\":\"unknown_"
         "service\","
         "\"name\":\"root\",\"duration_ms\":0,\"status_code\":0}]}\n";
static const char alone[] =
    "{\"trace_id\":\"" ID("1") "\",\"spans\":[{\"start_ns\":\"0\",\"trace.span_id\":"
                               "\"000000000000000c\",\"service.name\":\"web\",\"name\":\"x\","
                               "\"duration_ms\":0,\"status_code\":2}]}\n";

static int keep(void *ctx, span trace_json)
{
    buf_add_span(ctx, trace_json);
    buf_add_u8(ctx, '\n');
    return 0;
}

static int keep_one(void *ctx, span trace_json)
{
    return keep(ctx, trace_json) + 1;
}

static void traces_are_put_together(void **state)
{
    arena *mem = arena_new(1 * MIB);
    buf got;
    err e;
    buf_init(&got, 64 * KIB);
    check_ok(trace_file_each(SPAN(FIRST "\n\n" SECOND "\n"), mem, keep, &got, &e), &e);
    span rest = buf_span(&got), first = span_first(rest, sizeof with_parent - 1);
    check_text(first, with_parent);
    check_text(span_from(rest, first.len), alone);
    buf_clear(&got);
    check_ok(trace_file_each(SPAN(FIRST), mem, keep_one, &got, &e), &e);
    assert_false(span_contains(buf_span(&got), SPAN("\"x\"")));
    buf_clear(&got);
    check_ok(trace_file_each(span_text(alone), mem, keep, &got, &e), &e);
    assert_true(span_starts_with(buf_span(&got), span_first(span_text(alone), sizeof alone - 2)));
    buf_done(&got);
    arena_free(mem);
}

static void other_files_are_refused(void **state)
{
    static const char *const texts[] = {
        "", "{}", "[]", "not json", FIRST "\nhalf {", "{\"resourceSpans\":7}"};
    arena *mem = arena_new(1 * MIB);
    buf got;
    err e;
    buf_init(&got, 64 * KIB);
    for (size_t i = 0; i < COUNT_OF(texts); i++)
        check_code(trace_file_each(span_text(texts[i]), mem, keep, &got, &e), SK_BAD_INPUT, &e);
    assert_int_equal(got.len, 0);
    buf_done(&got);
    arena_free(mem);
}

TEST_GROUP(cli_trace_file, TEST(traces_are_put_together), TEST(other_files_are_refused));
