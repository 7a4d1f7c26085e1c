/*
 * tests/unit/receive_faults.c: bodies cut short and garbled at every byte, memory failing at every
 * point, caps.
 */
#include "receive_build.h"

static const struct input {
    const char *name, *row;
    receive_form form;
} inputs[] = {
    {"tests/data/otlp-traces/canonical.pb", "otlp-traces", FORM_PROTOBUF},
    {"tests/data/otlp-logs/canonical.pb", "otlp-logs", FORM_PROTOBUF},
    {"tests/data/otlp-metrics/canonical.pb", "otlp-metrics", FORM_PROTOBUF},
    {"tests/data/otlp-traces/oddities.json", "otlp-traces", FORM_JSON},
    {"tests/data/otlp-logs/bad-items.json", "otlp-logs", FORM_JSON},
    {"tests/data/otlp-metrics/bad-items.json", "otlp-metrics", FORM_JSON},
};

/* The file in memory of its exact size, so that ASan sees a byte too far. */
static span load(const char *path)
{
    FILE *f = fopen(path, "rb");
    if (!f)
        fail_msg("no %s: run this in the source root", path);
    fseek(f, 0, SEEK_END);
    size_t len = (size_t)ftell(f);
    uint8_t *at = malloc(len);
    rewind(f);
    assert_int_equal(fread(at, 1, len, f), len);
    fclose(f);
    return span_of(at, len);
}

static void check_refusal(sk_code code, const err *e, size_t len, receive_form form)
{
    check_code(code, SK_BAD_INPUT, e);
    assert_true(e->text[0] != 0);
    assert_true(utf8_is_valid(span_text(e->text)));
    if (form == FORM_PROTOBUF)
        assert_true(e->offset <= len);
}

static void every_beginning_decodes_or_is_refused(void **state)
{
    EACH_ROW(input, inputs)
    {
        span whole = load(input->name);
        size_t decoded_count = 0;
        for (size_t len = 0; len < whole.len; len += input->form == FORM_JSON ? 7 : 1) {
            uint8_t *part = malloc(len ? len : 1);
            memcpy(part, whole.at, len);
            receive_output done;
            err e = {.code = SK_OK};
            sk_code code = decode(input->row, span_of(part, len), input->form, &done, &e);
            if (code == SK_OK) {
                decoded_count++;
                batch_free(done.batch);
            } else {
                check_refusal(code, &e, len, input->form);
            }
            free(part);
        }
        assert_true(decoded_count <= 8); /* only where a resource ends */
        free((void *)(uintptr_t)whole.at);
    }
}

static void every_garbled_byte_decodes_or_is_refused(void **state)
{
    uint64_t random = 7;
    EACH_ROW(input, inputs)
    {
        span whole = load(input->name);
        uint8_t *bytes = (uint8_t *)(uintptr_t)whole.at;
        for (size_t at = 0; at < whole.len; at += input->form == FORM_JSON ? 5 : 1) {
            uint8_t was = bytes[at];
            bytes[at] = (uint8_t)check_random(&random);
            receive_output done;
            err e = {.code = SK_OK};
            sk_code code = decode(input->row, whole, input->form, &done, &e);
            if (code == SK_OK)
                batch_free(done.batch);
            else
                check_refusal(code, &e, whole.len, input->form);
            bytes[at] = was;
        }
        free(bytes);
    }
}

static void names_the_place_where_bytes_break_off(void **state)
{
    static const struct {
        const char *name;
        size_t cut, poke; /* the body's length; this byte becomes 0x7f */
        const char *where;
    } rows[] = {
        {"cut", 60, 99, "bytes 0 to 60, the request, cannot be read"},
        {"resource length", 99, 3, "bytes 2 to 99, resourceSpans[0], cannot be read"},
        {"scope length", 99, 26, "bytes 2 to 99, resourceSpans[0], cannot be read"},
        {"span length", 99, 28, "bytes 27 to 99, resourceSpans[0].scopeSpans[0], cannot be read"},
        {"trace id length", 99, 30,
         "bytes 29 to 99, resourceSpans[0].scopeSpans[0].spans[0], cannot be read"},
    };
    EACH_ROW(row, rows)
    {
        uint8_t bytes[100];
        reference_vector(bytes);
        bytes[row->poke] = 0x7f;
        receive_output done;
        err e = {.code = SK_OK};
        check_code(decode("otlp-traces", span_of(bytes, row->cut), FORM_PROTOBUF, &done, &e),
                   SK_BAD_INPUT, &e);
        if (!strstr(e.text, row->where))
            fail_msg("%s", e.text);
        assert_int_equal(e.offset, row->cut);
    }
}

static void says_what_a_body_looks_like(void **state)
{
    static const struct {
        const char *name;
        span body;
        receive_form form;
        const char *hint;
    } rows[] = {
        {"JSON",
         {(const uint8_t *)" {\"resourceSpans\":[]}", 21},
         FORM_PROTOBUF,
         "the body looks like JSON: send Content-Type: application/json"},
        {"gzip",
         {(const uint8_t *)"\x1f\x8b\x08\x00", 4},
         FORM_PROTOBUF,
         "the body looks like gzip: send Content-Encoding: gzip"},
        {"gzip for JSON",
         {(const uint8_t *)"\x1f\x8b\x08\x00", 4},
         FORM_JSON,
         "the body looks like gzip: send Content-Encoding: gzip"},
        {"protobuf",
         {(const uint8_t *)"\x0a\x15\x0a\x13", 4},
         FORM_JSON,
         "the body looks like protobuf: send Content-Type: application/x-protobuf"},
        {"neither", {(const uint8_t *)"resource", 8}, FORM_JSON, "JSON, line 1"},
    };
    EACH_ROW(row, rows)
    {
        receive_output done;
        err e = {.code = SK_OK};
        check_code(decode("otlp-traces", row->body, row->form, &done, &e), SK_BAD_INPUT, &e);
        if (!span_starts_with(span_text(e.text), span_text(row->hint)))
            fail_msg("%s", e.text);
    }
}

static void survives_every_failed_allocation(void **state)
{
    EACH_ROW(input, inputs)
    {
        span whole = load(input->name);
        uint32_t failures = 0;
        EACH_ALLOC_FAILURE(n)
        {
            receive_output done = {.batch = NULL};
            err e = {.code = SK_OK};
            sk_code code = decode(input->row, whole, input->form, &done, &e);
            bool did_fail = alloc_did_fail();
            if (code != SK_OK)
                check_code(code, SK_NO_MEMORY, &e);
            assert_true(did_fail == (code != SK_OK));
            batch_free(done.batch);
            failures++;
        }
        assert_true(failures > 20);
        free((void *)(uintptr_t)whole.at);
    }
}

static void says_too_large_when_the_cap_is_reached(void **state)
{
    char text[32];
    buf items, body;
    buf_init(&items, 8 * MIB);
    buf_init(&body, 8 * MIB);
    for (int i = 0; i < 4000; i++) {
        size_t at = begin_span(&items);
        snprintf(text, sizeof(text), "%d", i);
        put_attribute(&items, 9, "one", text);
        pb_finish(&items, at);
    }
    wrap_items(&body, &items);
    receive_output done;
    err e = {.code = SK_OK};
    check_code(decode_capped("otlp-traces", buf_span(&body), FORM_PROTOBUF, 256 * KIB, &done, &e),
               SK_TOO_LARGE, &e);
    assert_non_null(strstr(e.text, "send fewer items at a time"));
    check_ok(decode_capped("otlp-traces", buf_span(&body), FORM_PROTOBUF, 8 * MIB, &done, &e), &e);
    batch_free(done.batch);
    buf_done(&items);
    buf_done(&body);
}

TEST_GROUP(receive_faults, TEST(every_beginning_decodes_or_is_refused),
           TEST(every_garbled_byte_decodes_or_is_refused),
           TEST(names_the_place_where_bytes_break_off), TEST(says_what_a_body_looks_like),
           TEST(survives_every_failed_allocation), TEST(says_too_large_when_the_cap_is_reached));
