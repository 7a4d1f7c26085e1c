/*
 * tests/unit/receive_limits.c: what is too much, too deep, too long or not text: refused item by
 * item, in words.
 */
#include "receive_build.h"

/* KeyValue `key` = AnyValue of `depth` maps or arrays around an int. */
static void put_nested(buf *b, uint32_t list_field, const char *key, bool is_map, uint32_t depth)
{
    size_t open[4 * 64], count = 0;
    open[count++] = pb_begin(b, list_field);
    pb_put_bytes(b, 1, span_text(key));
    open[count++] = pb_begin(b, 2);
    for (uint32_t i = 0; i < depth; i++) {
        open[count++] = pb_begin(b, is_map ? 6 : 5);
        open[count++] = pb_begin(b, 1);
        if (is_map) {
            pb_put_bytes(b, 1, SPAN("k"));
            open[count++] = pb_begin(b, 2);
        }
    }
    pb_put_var(b, 3, 7);
    while (count > 0)
        pb_finish(b, open[--count]);
}

static void expect_refusal(const receive_output *done, sk_code code, const char *text)
{
    assert_int_equal(done->rejected, 1);
    assert_int_equal(done->drop_count, 1);
    assert_int_equal(done->drops[0].code, code);
    assert_int_equal(done->drops[0].count, 1);
    assert_string_equal(done->drops[0].text, text);
}

static void nests_thirty_two_deep_and_refuses_more(void **state)
{
    for (int is_map = 0; is_map < 2; is_map++)
        for (uint32_t depth = 31; depth <= 34; depth++) {
            buf b;
            buf_init(&b, MIB);
            size_t at = begin_span(&b);
            put_attribute(&b, 9, "flat", "x");
            put_nested(&b, 9, "deep", is_map, depth);
            pb_finish(&b, at);
            at = begin_span(&b);
            pb_finish(&b, at);
            receive_output done = decoded_items("otlp-traces", &b);
            assert_int_equal(done.item_count, 2);
            assert_int_equal(done.batch->row_count, depth <= 32 ? 2 : 1);
            if (depth > 32)
                expect_refusal(&done, SK_TOO_LARGE,
                               "resourceSpans[0].scopeSpans[0].spans[0].attributes[1] is nested "
                               "deeper than 32 "
                               "levels; send it flatter or as text");
            else
                expect_field(&done, 1, "flat", "-");
            batch_free(done.batch);
            buf_done(&b);
        }
}

static void put_many(buf *b, uint32_t list_field, const char *prefix, uint32_t count)
{
    char key[32];
    for (uint32_t i = 0; i < count; i++) {
        snprintf(key, sizeof(key), "%s%u", prefix, i);
        put_attribute(b, list_field, key, "v");
    }
}

static void refuses_more_than_two_thousand_fields(void **state)
{
    /* name, kind, type, duration, status, events, links; and service.name and meta.signal_type as
     * ranges */
    const uint32_t mapped = 9;
    static const struct {
        const char *name;
        uint32_t count;
        const char *refusal;
    } rows[] = {
        {"as many as fit", 2000 - mapped, NULL},
        {"one too many with the mapped ones", 2001 - mapped,
         "resourceSpans[0].scopeSpans[0].spans[0] makes more than 2,000 fields with its resource's "
         "and scope's; send "
         "fewer attributes"},
        {"too many alone", 2001,
         "resourceSpans[0].scopeSpans[0].spans[0].attributes[2000] makes more than 2,000 fields; "
         "send fewer attributes"},
    };
    EACH_ROW(row, rows)
    {
        buf b;
        buf_init(&b, MIB);
        size_t at = begin_span(&b);
        size_t event = pb_begin(&b, 11);
        pb_finish(&b, event);
        put_many(&b, 9, "a", row->count);
        pb_finish(&b, at);
        at = begin_span(&b);
        put_attribute(&b, 9, "next", "x");
        pb_finish(&b, at);
        receive_output done = decoded_items("otlp-traces", &b);
        assert_int_equal(done.batch->row_count, row->refusal ? 1 : 3); /* its event goes with it */
        expect_field(&done, done.batch->row_count - 1, "next", "\"x\"");
        if (row->refusal)
            expect_refusal(&done, SK_TOO_LARGE, row->refusal);
        batch_free(done.batch);
        buf_done(&b);
    }
}

static void counts_every_leaf_of_a_map(void **state)
{
    buf b;
    buf_init(&b, MIB);
    size_t at = begin_span(&b);
    size_t pair = pb_begin(&b, 9);
    pb_put_bytes(&b, 1, SPAN("m"));
    size_t any = pb_begin(&b, 2), list = pb_begin(&b, 6);
    put_many(&b, 1, "k", 2001);
    pb_finish(&b, list);
    pb_finish(&b, any);
    pb_finish(&b, pair);
    pb_finish(&b, at);
    receive_output done = decoded_items("otlp-traces", &b);
    assert_int_equal(done.batch->row_count, 0);
    expect_refusal(&done, SK_TOO_LARGE,
                   "resourceSpans[0].scopeSpans[0].spans[0].attributes[0] makes more than 2,000 "
                   "fields; send fewer attributes");
    batch_free(done.batch);
    buf_done(&b);
}

static void refuses_names_beyond_1024_bytes(void **state)
{
    static char long_key[1100];
    memset(long_key, 'n', sizeof(long_key) - 1);
    for (size_t len = 1023; len <= 1025; len++) {
        buf b;
        buf_init(&b, MIB);
        long_key[len] = 0;
        size_t at = begin_span(&b);
        put_attribute(&b, 9, long_key, "v");
        pb_finish(&b, at);
        long_key[len - 2] = 0; /* and two bytes more by way of a map */
        at = begin_span(&b);
        put_nested(&b, 9, long_key, true, 1);
        pb_finish(&b, at);
        long_key[len - 2] = long_key[len] = 'n';
        receive_output done = decoded_items("otlp-traces", &b);
        assert_int_equal(done.rejected, len > 1024 ? 2 : 0);
        if (len > 1024)
            assert_string_equal(done.drops[0].text,
                                "resourceSpans[0].scopeSpans[0].spans[0].attributes[0] has a "
                                "name of more than 1,024 bytes; shorten it");
        batch_free(done.batch);
        buf_done(&b);
    }
}

static void cuts_long_texts_and_says_so(void **state)
{
    static char text[70000];
    memset(text, 'x', sizeof(text) - 1);
    buf b;
    buf_init(&b, MIB);
    size_t at = begin_span(&b);
    put_attribute(&b, 9, "a", text);
    text[EVENT_STRING_MAX] = 0;
    put_attribute(&b, 9, "b", text);
    pb_finish(&b, at);
    at = begin_span(&b);
    put_attribute(&b, 9, "c", "short");
    pb_finish(&b, at);
    receive_output done = decoded_items("otlp-traces", &b);
    arena *mem = arena_new(MIB);
    assert_int_equal(batch_get(done.batch, SPAN("a"), 0, mem).text.len, EVENT_STRING_MAX);
    assert_int_equal(batch_get(done.batch, SPAN("b"), 0, mem).text.len, EVENT_STRING_MAX);
    expect_field(&done, 0, "meta.truncated_fields", "1");
    expect_field(&done, 1, "meta.truncated_fields", "-");
    arena_free(mem);
    batch_free(done.batch);
    buf_done(&b);
}

static void replaces_what_is_not_utf8(void **state)
{
    buf b;
    buf_init(&b, MIB);
    size_t at = begin_span(&b);
    put_attribute(&b, 9, "text", "a\xff\xc3(\xe2\x82");
    put_attribute(&b, 9, "k\xfey", "v");
    pb_finish(&b, at);
    at = begin_span(&b);
    put_attribute(&b, 9, "text", "caf\xc3\xa9, long enough for words of eight");
    pb_finish(&b, at);
    receive_output done = decoded_items("otlp-traces", &b);
    expect_field(&done, 0, "text", "\"a\xEF\xBF\xBD\xEF\xBF\xBD(\xEF\xBF\xBD\xEF\xBF\xBD\"");
    expect_field(&done, 0, "k\xEF\xBF\xBDy", "\"v\"");
    expect_field(&done, 0, "meta.invalid_utf8", "true");
    expect_field(&done, 1, "text", "\"caf\xc3\xa9, long enough for words of eight\"");
    expect_field(&done, 1, "meta.invalid_utf8", "-");
    assert_int_equal(done.rejected, 0);
    assert_int_equal(done.drop_count, 0);
    batch_free(done.batch);
    buf_done(&b);
}

static void leaves_out_bad_attributes_of_resource_and_scope(void **state)
{
    buf b;
    buf_init(&b, MIB);
    size_t resource_spans = pb_begin(&b, 1), resource = pb_begin(&b, 1);
    put_nested(&b, 1, "deep", false, 40);
    put_attribute(&b, 1, "service.name", "s\xff");
    pb_finish(&b, resource);
    size_t scope_spans = pb_begin(&b, 2), scope = pb_begin(&b, 1);
    put_nested(&b, 3, "deep", false, 40);
    pb_finish(&b, scope);
    size_t at = begin_span(&b);
    pb_finish(&b, at);
    pb_finish(&b, scope_spans);
    pb_finish(&b, resource_spans);
    receive_output done = decoded("otlp-traces", buf_span(&b), FORM_PROTOBUF);
    assert_int_equal(done.rejected, 0);
    assert_int_equal(done.batch->row_count, 1);
    expect_field(&done, 0, "service.name", "\"s\xEF\xBF\xBD\"");
    expect_field(&done, 0, "meta.invalid_utf8", "true");
    check_text(batch_text(done.batch, done.batch->dataset[0]), "s\xEF\xBF\xBD");
    expect_field(&done, 0, "deep", "-");
    assert_int_equal(done.drop_count, 1);
    assert_int_equal(done.drops[0].count, 2);
    assert_string_equal(done.drops[0].text,
                        "resourceSpans[0].resource.attributes[0] is nested deeper than 32 levels; "
                        "send it flatter or as text (left out; the items are kept)");
    batch_free(done.batch);
    buf_done(&b);
}

static void a_bad_event_or_link_refuses_its_span(void **state)
{
    for (uint32_t part = 11; part <= 13; part += 2) {
        buf b;
        buf_init(&b, MIB);
        size_t at = begin_span(&b), inner = pb_begin(&b, part);
        pb_finish(&b, inner);
        inner = pb_begin(&b, part);
        put_nested(&b, part == 11 ? 3 : 4, "deep", true, 40);
        pb_finish(&b, inner);
        pb_finish(&b, at);
        receive_output done = decoded_items("otlp-traces", &b);
        assert_int_equal(done.batch->row_count, 0);
        char want[160];
        snprintf(want, sizeof(want),
                 "resourceSpans[0].scopeSpans[0].spans[0].%s[].attributes[0] is nested deeper than "
                 "32 levels; send it "
                 "flatter or as text",
                 part == 11 ? "events" : "links");
        expect_refusal(&done, SK_TOO_LARGE, want);
        batch_free(done.batch);
        buf_done(&b);
    }
}

static void put_histogram(buf *b, uint32_t bucket_count)
{
    size_t metric = pb_begin(b, 2), data = pb_begin(b, 9), point = pb_begin(b, 1),
           packed = pb_begin(b, 6);
    for (uint32_t i = 0; i <= bucket_count; i++)
        buf_add_u64(b, i % 2 ? UINT64_MAX - i : 0);
    pb_finish(b, packed);
    for (uint32_t i = 0; i < bucket_count; i++) /* not packed: as good */
        pb_put_double(b, 7, i);
    pb_finish(b, point);
    pb_finish(b, data);
    pb_finish(b, metric);
}

static void refuses_histograms_beyond_what_is_kept(void **state)
{
    static const struct {
        const char *name;
        uint32_t bounds;
        const char *refusal;
    } rows[] = {
        {"some", 1000, NULL},
        {"more than 64 KiB", 8000,
         "resourceMetrics[0].scopeMetrics[0].metrics[0].histogram.dataPoints[0] takes more than 64 "
         "KiB as it is kept; "
         "use fewer buckets"},
        {"more than are read", 40000,
         "resourceMetrics[0].scopeMetrics[0].metrics[0].histogram.dataPoints[0] has more than 8192 "
         "buckets; use fewer"},
    };
    EACH_ROW(row, rows)
    {
        buf b;
        buf_init(&b, 4 * MIB);
        put_histogram(&b, row->bounds);
        receive_output done = decoded_items("otlp-metrics", &b);
        assert_int_equal(done.batch->row_count, row->refusal ? 0 : 1);
        if (row->refusal)
            expect_refusal(&done, SK_BAD_INPUT, row->refusal);
        batch_free(done.batch);
        buf_done(&b);
    }
}

TEST_GROUP(receive_limits, TEST(nests_thirty_two_deep_and_refuses_more),
           TEST(refuses_more_than_two_thousand_fields), TEST(counts_every_leaf_of_a_map),
           TEST(refuses_names_beyond_1024_bytes), TEST(cuts_long_texts_and_says_so),
           TEST(replaces_what_is_not_utf8), TEST(leaves_out_bad_attributes_of_resource_and_scope),
           TEST(a_bad_event_or_link_refuses_its_span),
           TEST(refuses_histograms_beyond_what_is_kept));
