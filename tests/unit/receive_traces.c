/*
 * tests/unit/receive_traces.c: OTLP spans: wire order, ids, sample rates. Golden files hold the
 * mapping itself.
 */
#include "receive_build.h"

#define IDS "trace.span_id=\"eee19b7ec3c1b174\" trace.trace_id=\"5b8efff798038103d269b633813fc60c\""

static void decodes_the_reference_vector(void **state)
{
    uint8_t bytes[100];
    size_t len = reference_vector(bytes);
    assert_int_equal(len, 99);
    expect_dump("otlp-traces", span_of(bytes, len), FORM_PROTOBUF,
                "1544712660000000000 x1 a: duration_ms=1000.0 error=true "
                "meta.signal_type=\"trace\" n=200 name=\"GET /x\" "
                "service.name=\"a\" span.kind=\"server\" span.num_events=0 span.num_links=0 "
                "status_code=2 " IDS " type=\"server\"\n1 items, 0 rejected\n");
}

static void takes_fields_in_any_order(void **state)
{
    buf b;
    buf_init(&b, MIB);
    size_t resource_spans = pb_begin(&b, 1);
    size_t scope_spans = pb_begin(&b, 2);
    size_t one = pb_begin(&b, 2);
    put_attribute(&b, 9, "sampleRate", "6");
    size_t event = pb_begin(&b, 11);
    put_attribute(&b, 3, "exception.type", "E");
    pb_put_bytes(&b, 2, SPAN("exception"));
    pb_put_i64(&b, 1, 1000000000);
    pb_finish(&b, event);
    size_t status = pb_begin(&b, 15);
    pb_put_var(&b, 3, 2);
    pb_finish(&b, status);
    put_attribute(&b, 9, "k", "v");
    pb_put_bytes(&b, 5, SPAN("late"));
    pb_put_var(&b, 6, 3);
    pb_put_i64(&b, 8, 1001500000);
    pb_put_i64(&b, 7, 1000000000);
    pb_put_bytes(&b, 2, SPAN(SPAN_ID));
    pb_put_bytes(&b, 1, SPAN(TRACE_ID));
    pb_finish(&b, one);
    size_t scope = pb_begin(&b, 1);
    put_attribute(&b, 3, "in", "scope");
    pb_put_bytes(&b, 1, SPAN("lib"));
    pb_finish(&b, scope);
    pb_finish(&b, scope_spans);
    for (int twice = 0; twice < 2; twice++) { /* a message sent in two parts is merged */
        size_t resource = pb_begin(&b, 1);
        put_attribute(&b, 1, twice ? "host.name" : "service.name", twice ? "h" : "s");
        pb_finish(&b, resource);
    }
    pb_finish(&b, resource_spans);
    expect_dump("otlp-traces", buf_span(&b), FORM_PROTOBUF,
                "1000000000 x6 s: error=true exception.type=\"E\" host.name=\"h\" in=\"scope\" "
                "library.name=\"lib\" "
                "meta.annotation_type=\"span_event\" meta.signal_type=\"trace\" "
                "meta.time_since_span_start_ms=0.0 "
                "name=\"exception\" parent_name=\"late\" service.name=\"s\" "
                "trace.parent_id=\"eee19b7ec3c1b174\" "
                "trace.trace_id=\"5b8efff798038103d269b633813fc60c\"\n"
                "1000000000 x6 s: duration_ms=1.5 error=true exception.type=\"E\" host.name=\"h\" "
                "in=\"scope\" k=\"v\" "
                "library.name=\"lib\" meta.signal_type=\"trace\" name=\"late\" service.name=\"s\" "
                "span.kind=\"client\" span.num_events=1 span.num_links=0 status_code=2 " IDS
                " type=\"client\"\n"
                "1 items, 0 rejected\n");
    buf_done(&b);
}

static void skips_what_it_does_not_know(void **state)
{
    buf b;
    buf_init(&b, MIB);
    size_t at = begin_span(&b);
    pb_put_var(&b, 999, 7);
    pb_put_i32(&b, 16, 0x301);
    pb_put_bytes(&b, 100, SPAN("anything"));
    buf_add_varint(&b, 40 << 3 | 3); /* a group with a field inside */
    pb_put_i64(&b, 3, 1);
    buf_add_varint(&b, 40 << 3 | 4);
    pb_put_var(&b, 5, 3); /* `name` as a number: not the field */
    pb_finish(&b, at);
    receive_output done = decoded_items("otlp-traces", &b);
    assert_int_equal(done.batch->row_count, 1);
    expect_field(&done, 0, "name", "\"\"");
    batch_free(done.batch);
    buf_done(&b);
}

static void put_int(buf *b, uint32_t list_field, const char *key, int64_t v)
{
    size_t pair = pb_begin(b, list_field);
    pb_put_bytes(b, 1, span_text(key));
    size_t any = pb_begin(b, 2);
    pb_put_var(b, 3, (uint64_t)v);
    pb_finish(b, any);
    pb_finish(b, pair);
}

/* The nearest wins also when the types differ, and a row never has two values of one name. */
static void one_value_per_name_whatever_its_type(void **state)
{
    buf b;
    buf_init(&b, MIB);
    size_t resource_spans = pb_begin(&b, 1), resource = pb_begin(&b, 1);
    put_attribute(&b, 1, "a", "resource");
    put_attribute(&b, 1, "b", "resource");
    put_int(&b, 1, "c", -1);
    put_attribute(&b, 1, "status_code", "resource");
    put_int(&b, 1, "meta.signal_type", 5);
    pb_finish(&b, resource);
    size_t scope_spans = pb_begin(&b, 2), scope = pb_begin(&b, 1);
    put_int(&b, 3, "b", 2);
    put_attribute(&b, 3, "c", "scope");
    put_attribute(&b, 3, "duration_ms", "scope");
    pb_finish(&b, scope);
    size_t at = begin_span(&b);
    put_int(&b, 9, "a", 1);
    put_int(&b, 9, "c", 300);
    put_attribute(&b, 9, "span.num_links", "item");
    pb_finish(&b, at);
    at = begin_span(&b);
    pb_finish(&b, at);
    pb_finish(&b, scope_spans);
    pb_finish(&b, resource_spans);
    expect_dump(
        "otlp-traces", buf_span(&b), FORM_PROTOBUF,
        "1000000000 x1 unknown_service: a=1 b=2 c=300 duration_ms=\"scope\" meta.signal_type=5 "
        "name=\"\" "
        "span.kind=\"unspecified\" span.num_events=0 span.num_links=\"item\" "
        "status_code=\"resource\" " IDS " type=\"unspecified\"\n"
        "1000000000 x1 unknown_service: a=\"resource\" b=2 c=\"scope\" duration_ms=\"scope\" "
        "meta.signal_type=5 name=\"\" span.kind=\"unspecified\" span.num_events=0 span.num_links=0 "
        "status_code=\"resource\" " IDS " type=\"unspecified\"\n2 items, 0 rejected\n");
    buf_done(&b);
}

/* ---- ids ---- */

static void takes_ids_whose_hex_went_for_base64(void **state)
{
    static const uint8_t trace[24] = {0xe5, 0xbf, 0x1e, 0x7d, 0xf7, 0xfb, 0xf7, 0xcd,
                                      0x37, 0xf3, 0x5d, 0x37, 0x77, 0x6e, 0xbd, 0x6f,
                                      0xad, 0xf7, 0xf3, 0x5d, 0xdf, 0x73, 0xad, 0x1c};
    static const uint8_t id[12] = {0x79, 0xe7, 0xb5, 0xf5, 0xbe, 0xde,
                                   0x73, 0x77, 0x35, 0x6f, 0x5e, 0xf8};
    buf b;
    buf_init(&b, MIB);
    size_t at = pb_begin(&b, 2);
    pb_put_bytes(&b, 1, span_of(trace, sizeof(trace)));
    pb_put_bytes(&b, 2, span_of(id, sizeof(id)));
    pb_finish(&b, at);
    at = pb_begin(&b, 2);
    pb_put_bytes(&b, 1, SPAN("twenty-four bytes no hex"));
    pb_put_bytes(&b, 2, SPAN("twelve bytes"));
    pb_finish(&b, at);
    receive_output done = decoded_items("otlp-traces", &b);
    assert_int_equal(done.batch->row_count, 1);
    assert_int_equal(done.rejected, 1);
    expect_field(&done, 0, "trace.trace_id", "\"5b8efff798038103d269b633813fc60c\"");
    expect_field(&done, 0, "trace.span_id", "\"eee19b7ec3c1b174\"");
    batch_free(done.batch);
    buf_done(&b);
}

static void an_attribute_is_an_id_only_where_none_is(void **state)
{
    buf b;
    buf_init(&b, MIB);
    size_t at = begin_span(&b);
    put_attribute(&b, 9, "trace.span_id", "0000000000000001");
    put_attribute(&b, 9, "trace.parent_id", "0000000000000002");
    put_attribute(&b, 9, "trace.state", "not an id field");
    pb_finish(&b, at);
    at = begin_span(&b);
    put_attribute(&b, 9, "trace.parent_id", "no id");
    pb_finish(&b, at);
    receive_output done = decoded_items("otlp-traces", &b);
    expect_field(&done, 0, "trace.span_id", "\"eee19b7ec3c1b174\"");
    expect_field(&done, 0, "trace.parent_id", "\"0000000000000002\"");
    expect_field(&done, 0, "trace.state", "\"not an id field\"");
    assert_int_equal(done.batch->parent_id[0], 2);
    expect_field(&done, 1, "trace.parent_id", "\"no id\"");
    assert_int_equal(done.batch->parent_id[1], 0);
    batch_free(done.batch);
    buf_done(&b);
}

/* ---- sample rates ---- */

static uint32_t rate_with(const char *tracestate, uint64_t id)
{
    buf b;
    buf_init(&b, MIB);
    size_t at = pb_begin(&b, 2);
    pb_put_bytes(&b, 1, SPAN(TRACE_ID));
    pb_put_bytes(&b, 2, span_of(&id, 8));
    pb_put_bytes(&b, 3, span_text(tracestate));
    pb_finish(&b, at);
    receive_output done = decoded_items("otlp-traces", &b);
    uint32_t rate = done.batch->rate[0];
    batch_free(done.batch);
    buf_done(&b);
    return rate;
}

static void reads_tracestate_thresholds(void **state)
{
    static const struct {
        const char *name;
        uint32_t least, most;
    } rows[] = {
        {"ot=th:0", 1, 1},
        {"ot=th:8", 2, 2},
        {"ot=th:c", 4, 4},
        {"ot=th:f", 16, 16},
        {"ot=rv:abcdef01234567;th:c", 4, 4},
        {"a=b, ot=th:e ,c=d", 8, 8},
        {"th=c", 4, 4},
        {"th=c;rv=1", 4, 4},
        {"ot=th:fd70a", 99, 100},
        {"ot=th:ffbe76c8b4396", 1000, 1001},
        {"ot=th:ffffffffffffff", INT32_MAX, INT32_MAX},
        {"ot=th:", 1, 1},
        {"ot=th:xyz", 1, 1},
        {"ot=th:0123456789abcde", 1, 1},
        {"ot=p:3", 1, 1},
        {"note=th:c", 1, 1},
        {"", 1, 1},
        {",,;=", 1, 1},
    };
    EACH_ROW(row, rows)
    {
        uint32_t rate = rate_with(row->name, 77);
        assert_in_range(rate, row->least, row->most);
    }
}

static void rounds_fractions_the_same_way_each_time_and_fairly(void **state)
{
    uint64_t random = 1;
    double sum = 0;
    for (int i = 0; i < 2000; i++) {
        uint64_t id = check_random(&random) | 1;
        uint32_t rate = rate_with("ot=th:5", id); /* 1 / (1 - 5/16) = 1.4545… */
        assert_in_range(rate, 1, 2);
        assert_int_equal(rate_with("ot=th:5", id), rate);
        sum += rate;
    }
    check_near(sum / 2000, 16.0 / 11, 0.05);
}

typedef struct rate_row {
    const char *name;
    bool in_item, in_scope, in_resource;
    const char *text;
    uint32_t rate;
} rate_row;

static void rate_attributes_leave_the_fields(void **state)
{
    static const rate_row rows[] = {
        {"sampleRate", true, false, false, "12", 12},
        {"SampleRate", false, true, false, "12.5", 13},
        {"sampleRate", false, false, true, "0", 1},
        {"SampleRate", true, false, false, "-4", 1},
        {"sampleRate", true, true, true, "9e99", 0x7fffffff},
        {"sampleRate", true, false, false, "many", 1},
        {"samplerate", true, false, false, "12", 1},
    };
    EACH_ROW(row, rows)
    {
        buf b;
        buf_init(&b, MIB);
        size_t resource_spans = pb_begin(&b, 1), resource = pb_begin(&b, 1);
        put_attribute(&b, 1, row->in_resource ? row->name : "r", row->text);
        pb_finish(&b, resource);
        size_t scope_spans = pb_begin(&b, 2), scope = pb_begin(&b, 1);
        put_attribute(&b, 3, row->in_scope ? row->name : "s", row->text);
        pb_finish(&b, scope);
        size_t at = begin_span(&b);
        put_attribute(&b, 9, row->in_item ? row->name : "i", row->text);
        pb_put_bytes(&b, 3, SPAN("ot=th:c")); /* counts only without the attribute */
        pb_finish(&b, at);
        pb_finish(&b, scope_spans);
        pb_finish(&b, resource_spans);
        receive_output done = decoded("otlp-traces", buf_span(&b), FORM_PROTOBUF);
        bool is_rate = strcmp(row->name, "samplerate") != 0;
        assert_int_equal(done.batch->rate[0], is_rate ? row->rate : 4);
        char text[256];
        assert_int_equal(strcmp(field(&done, 0, row->name, text), "-") == 0, is_rate);
        batch_free(done.batch);
        buf_done(&b);
    }
}

TEST_GROUP(receive_traces, TEST(decodes_the_reference_vector), TEST(takes_fields_in_any_order),
           TEST(skips_what_it_does_not_know), TEST(one_value_per_name_whatever_its_type),
           TEST(takes_ids_whose_hex_went_for_base64),
           TEST(an_attribute_is_an_id_only_where_none_is), TEST(reads_tracestate_thresholds),
           TEST(rounds_fractions_the_same_way_each_time_and_fairly),
           TEST(rate_attributes_leave_the_fields));
