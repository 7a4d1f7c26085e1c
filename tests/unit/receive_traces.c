/*
 * tests/unit/receive_traces.c: OTLP spans: ids, times, events, links, limits, order of fields on the wire.
 */
#include "check.h"
#include "receive_build.h"
#include "receive_dump.h"

#define IDS "trace.span_id=\"eee19b7ec3c1b174\" trace.trace_id=\"5b8efff798038103d269b633813fc60c\""
static void decodes_the_reference_vector(void **state)
{
    static const char hex[] =
        "0a610a150a130a0c736572766963652e6e616d6512030a0161124812460a105b8efff798038103d269b633813f"
        "c60c1208eee19b7ec3c1b174"
        "2a06474554202f78300239004859e3faeb6f15410012f41efbeb6f154a080a016e120318c8017a021802";
    uint8_t bytes[128];
    size_t len = 0;
    for (; hex[2 * len]; len++) {
        uint64_t byte;
        assert_true(span_to_hex64(span_of(hex + 2 * len, 2), &byte));
        bytes[len] = (uint8_t)byte;
    }
    assert_int_equal(len, 99);
    expect_dump("otlp-traces", span_of(bytes, len), FORM_PROTOBUF,
                "1544712660000000000 x1 a: duration_ms=1000.0 error=true "
                "meta.signal_type=\"trace\" n=200 name=\"GET /x\" "
                "service.name=\"a\" span.kind=\"server\" span.num_events=0 span.num_links=0 "
                "status_code=2 " IDS " type=\"server\"\n1 items, 0 rejected\n");
}

TEST_GROUP(receive_traces, TEST(decodes_the_reference_vector));
