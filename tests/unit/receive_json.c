/*
 * tests/unit/receive_json.c: OTLP in JSON where it is wrong: which place is named, and what is
 * kept. Golden files hold what is right and what is odd.
 */
#include "receive_build.h"

static void refuses_the_body_naming_byte_or_place(void **state)
{
    static const struct {
        const char *name, *body, *text;
    } rows[] = {
        {"empty", "", "JSON, line 1, byte 0: found nothing: the document is empty"},
        {"array", "[]", "the body is not a JSON object"},
        {"text", "\"x\"", "the body is not a JSON object"},
        {"cut", "{\"resourceSpans\":[{\"scope", NULL},
        {"rest", "{} {}", NULL},
        {"no array", "{\"resourceSpans\":{}}", "resourceSpans is an object; it must be an array"},
        {"no object", "{\"resourceSpans\":[{},7]}", "resourceSpans[1] is 7; it must be an object"},
        {"resource attribute",
         "{\"resourceSpans\":[{\"resource\":{\"attributes\":[{\"key\":\"a\",\"value\":{"
         "\"intValue\":\"abcdefghijklmnopqrstuvwxyz\"}}]}}]}",
         "resourceSpans[0].resource.attributes[0].value.intValue is \"abcdefghijklmnopqrst…\"; it "
         "must be a 64-bit "
         "integer, as a number or as text"},
        {"scope name", "{\"resourceSpans\":[{\"scopeSpans\":[{\"scope\":{\"name\":true}}]}]}",
         "resourceSpans[0].scopeSpans[0].scope.name is true; it must be text"},
    };
    EACH_ROW(row, rows)
    {
        receive_output done;
        err e = {.code = SK_OK};
        check_code(decode("otlp-traces", span_text(row->body), FORM_JSON, &done, &e), SK_BAD_INPUT,
                   &e);
        if (row->text)
            assert_string_equal(e.text, row->text);
        else
            assert_true(e.offset > 0);
    }
}

static span nested_span(buf *b, uint32_t depth)
{
    buf_clear(b);
    buf_add_text(b, "{\"resourceSpans\":[{\"scopeSpans\":[{\"spans\":["
                    "{\"traceId\":\"5b8efff798038103d269b633813fc60c\",\"spanId\":"
                    "\"eee19b7ec3c1b174\",\"attributes\":["
                    "{\"key\":\"k\",\"value\":");
    for (uint32_t i = 0; i < depth; i++)
        buf_add_text(b, "{\"kvlistValue\":{\"values\":[{\"key\":\"k\",\"value\":");
    buf_add_text(b, "{\"intValue\":1}");
    for (uint32_t i = 0; i < depth; i++)
        buf_add_text(b, "}]}}");
    buf_add_text(b, "}]},{\"traceId\":\"5b8efff798038103d269b633813fc60c\",\"spanId\":"
                    "\"0000000000000001\"}]}]}]}");
    return buf_span(b);
}

static void refuses_only_the_item_that_nests_too_deep(void **state)
{
    buf b;
    buf_init(&b, MIB);
    for (uint32_t depth = 30; depth <= 60; depth++) {
        receive_output done = decoded("otlp-traces", nested_span(&b, depth), FORM_JSON);
        assert_int_equal(done.batch->row_count, depth <= 32 ? 2 : 1);
        assert_int_equal(done.rejected, depth <= 32 ? 0 : 1);
        if (depth > 32)
            assert_int_equal(done.drops[0].code, SK_TOO_LARGE);
        batch_free(done.batch);
    }
    receive_output done;
    err e = {.code = SK_OK};
    check_code(decode("otlp-traces", nested_span(&b, 100000), FORM_JSON, &done, &e), SK_BAD_INPUT,
               &e);
    assert_non_null(strstr(e.text, "nesting deeper than 256"));
    buf_done(&b);
}

static void keeps_a_body_that_is_not_all_utf8(void **state)
{
    receive_output done = decoded("otlp-logs",
                                  SPAN("{\"resourceLogs\":[{\"scopeLogs\":[{\"logRecords\":[{"
                                       "\"body\":{\"stringValue\":\"a\xff\"}}]}]}]}"),
                                  FORM_JSON);
    expect_field(&done, 0, "body", "\"a\xEF\xBF\xBD\"");
    assert_int_equal(done.rejected, 0);
    assert_int_equal(done.drop_count, 1);
    assert_non_null(strstr(done.drops[0].text, "U+FFFD"));
    batch_free(done.batch);
    err e = {.code = SK_OK};
    check_code(decode("otlp-logs", SPAN("{\"resourceLogs\":[\xff]}"), FORM_JSON, &done, &e),
               SK_BAD_INPUT, &e);
}

static void refusals_of_items_stay_short_and_whole(void **state)
{
    buf b;
    buf_init(&b, MIB);
    buf_add_text(&b, "{\"resourceLogs\":[{\"scopeLogs\":[{\"logRecords\":[");
    for (int i = 0; i < 12; i++)
        buf_add_text(&b, "{\"attributes\":[{\"value\":{\"kvlistValue\":{\"values\":[{\"value\":{"
                         "\"kvlistValue\":{\"values\":[{"
                         "\"value\":{\"arrayValue\":{\"values\":[{\"boolValue\":"
                         "\"\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3"
                         "\xa4\xc3\xa4\xc3\xa4\"}]}}}]}}}]}}}]},");
    buf_add_text(&b, "{}]}]}]}");
    receive_output done = decoded("otlp-logs", buf_span(&b), FORM_JSON);
    assert_int_equal(done.item_count, 13);
    assert_int_equal(done.rejected, 12);
    assert_int_equal(done.drop_count, 1);
    assert_int_equal(done.drops[0].count, 12);
    assert_true(utf8_is_valid(span_text(done.drops[0].text)));
    assert_true(span_starts_with(
        span_text(done.drops[0].text),
        SPAN("resourceLogs[0].scopeLogs[0].logRecords[0].attributes[0].value.kvlistValue.")));
    batch_free(done.batch);
    buf_done(&b);
}

TEST_GROUP(receive_json, TEST(refuses_the_body_naming_byte_or_place),
           TEST(refuses_only_the_item_that_nests_too_deep), TEST(keeps_a_body_that_is_not_all_utf8),
           TEST(refusals_of_items_stay_short_and_whole));
