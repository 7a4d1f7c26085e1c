/*
 * tests/unit/receive_reply.c: what senders hear, byte by byte: full and partial success, errors, in
 * both forms.
 */
#include "receive_build.h"

static receive_output partly(void)
{
    receive_output done = {.item_count = 9, .rejected = 3, .drop_count = 2};
    done.drops[0] = (receive_drop){SK_BAD_INPUT, 2, "spans[1].traceId is missing"};
    done.drops[1] = (receive_drop){SK_TOO_LARGE, 1, "spans[4] is \"too\" large"};
    return done;
}

#define PARTLY_TEXT                                                                                \
    "3 of 9 items were not stored; do not send them again. spans[1].traceId is missing (and 1 "    \
    "more like it); spans[4] is "

static void full_success_is_an_empty_message(void **state)
{
    receive_output done = {.item_count = 9};
    buf b;
    buf_init(&b, MIB);
    for (size_t i = 0; i < receive_table_count; i++) {
        buf_clear(&b);
        receive_table[i].reply(&done, FORM_PROTOBUF, &b);
        assert_int_equal(b.len, 0);
        receive_table[i].reply(&done, FORM_JSON, &b);
        check_text(buf_span(&b), "{}");
    }
    buf_done(&b);
}

static void partial_success_in_json(void **state)
{
    static const char *const keys[] = {"rejectedSpans", "rejectedLogRecords", "rejectedDataPoints"};
    receive_output done = partly();
    char want[512];
    buf b;
    buf_init(&b, MIB);
    for (size_t i = 0; i < receive_table_count; i++) {
        assert_string_equal(receive_table[i].rejected_json_key, keys[i]);
        buf_clear(&b);
        receive_table[i].reply(&done, FORM_JSON, &b);
        snprintf(want, sizeof(want),
                 "{\"partialSuccess\":{\"%s\":\"3\",\"errorMessage\":\"" PARTLY_TEXT
                 "\\\"too\\\" large\"}}",
                 keys[i]);
        check_text(buf_span(&b), want);
    }
    buf_done(&b);
}

static void partial_success_in_protobuf(void **state)
{
    receive_output done = partly();
    buf b;
    buf_init(&b, MIB);
    row_named("otlp-traces")->reply(&done, FORM_PROTOBUF, &b);
    reader r = reader_of(buf_span(&b));
    assert_int_equal(pb_tag(&r), PB(1, LEN));
    reader partial = pb_message(&r);
    assert_int_equal(pb_tag(&r), 0);
    assert_int_equal(pb_tag(&partial), PB(1, VAR));
    assert_int_equal(pb_var(&partial), 3);
    assert_int_equal(pb_tag(&partial), PB(2, LEN));
    check_text(pb_bytes(&partial), PARTLY_TEXT "\"too\" large");
    assert_false(r.failed || partial.failed);
    buf_done(&b);
}

static void a_warning_rejects_nothing(void **state)
{
    receive_output done = {.item_count = 9, .drop_count = 1};
    done.drops[0] = (receive_drop){SK_BAD_INPUT, 1, "logRecords[1].traceId is no id"};
    buf b;
    buf_init(&b, MIB);
    row_named("otlp-logs")->reply(&done, FORM_JSON, &b);
    check_text(buf_span(&b),
               "{\"partialSuccess\":{\"errorMessage\":\"logRecords[1].traceId is no id\"}}");
    buf_clear(&b);
    row_named("otlp-logs")->reply(&done, FORM_PROTOBUF, &b);
    reader r = reader_of(buf_span(&b));
    pb_tag(&r);
    reader partial = pb_message(&r);
    assert_int_equal(pb_tag(&partial), PB(2, LEN)); /* no count */
    buf_done(&b);
}

static void errors_in_json(void **state)
{
    static const struct {
        const char *name;
        err e;
        const char *want;
    } rows[] = {
        {"bad input",
         {.code = SK_BAD_INPUT, .offset = 17, .text = "it breaks off"},
         "{\"code\":3,\"message\":\"it breaks "
         "off\",\"details\":[{\"@type\":\"type.googleapis.com/google.rpc.BadRequest\","
         "\"fieldViolations\":[{\"field\":\"body at byte 17\",\"description\":\"it breaks "
         "off\"}]}]}"},
        {"retry",
         {.code = SK_BUSY, .text = "later"},
         "{\"code\":14,\"message\":\"later\",\"details\":[{\"@type\":\"type.googleapis.com/"
         "google.rpc.RetryInfo\","
         "\"retryDelay\":\"1s\"}]}"},
        {"retry after",
         {.code = SK_THROTTLED, .retry_after_s = 30, .text = "quota"},
         "{\"code\":8,\"message\":\"quota\",\"details\":[{\"@type\":\"type.googleapis.com/"
         "google.rpc.RetryInfo\","
         "\"retryDelay\":\"30s\"}]}"},
        {"large",
         {.code = SK_TOO_LARGE, .text = "64 MiB"},
         "{\"code\":8,\"message\":\"64 MiB\",\"details\":[]}"},
    };
    EACH_ROW(row, rows)
    {
        buf b;
        buf_init(&b, MIB);
        receive_error_body(&row->e, FORM_JSON, &b);
        check_text(buf_span(&b), row->want);
        buf_done(&b);
    }
}

static void errors_in_protobuf(void **state)
{
    err e = {.code = SK_NO_MEMORY, .text = "later"};
    buf b;
    buf_init(&b, MIB);
    receive_error_body(&e, FORM_PROTOBUF, &b);
    /* Status{14, "later", Any{RetryInfo, Duration{1 s}}} */
    check_span(buf_span(&b),
               SPAN("\x08\x0e\x12\x05later\x1a\x30\x0a\x28type.googleapis.com/google.rpc.RetryInfo"
                    "\x12\x04\x0a\x02\x08\x01"));
    buf_clear(&b);
    e = (err){.code = SK_BAD_INPUT, .text = "no"};
    receive_error_body(&e, FORM_PROTOBUF, &b);
    check_span(buf_span(&b),
               SPAN("\x08\x03\x12\x02no\x1a\x39\x0a\x29type.googleapis.com/google.rpc.BadRequest"
                    "\x12\x0c\x0a\x0a\x0a\x04"
                    "body\x12\x02no"));
    buf_clear(&b);
    e = (err){.code = SK_UNAUTHENTICATED, .text = "no"};
    receive_error_body(&e, FORM_PROTOBUF, &b);
    check_span(buf_span(&b), SPAN("\x08\x10\x12\x02no"));
    buf_done(&b);
}

TEST_GROUP(receive_reply, TEST(full_success_is_an_empty_message), TEST(partial_success_in_json),
           TEST(partial_success_in_protobuf), TEST(a_warning_rejects_nothing), TEST(errors_in_json),
           TEST(errors_in_protobuf));
