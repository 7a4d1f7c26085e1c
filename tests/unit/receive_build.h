/*
 * tests/unit/receive_build.h: requests made by hand, and what is expected of them.
 */
#ifndef TESTS_RECEIVE_BUILD_H
#define TESTS_RECEIVE_BUILD_H

#include "check.h"
#include "receive/receive.h"
#include "receive_dump.h"
#include "wire/protobuf.h"

#define ARRIVAL  1790000000000000000ll
#define TRACE_ID "\x5b\x8e\xff\xf7\x98\x03\x81\x03\xd2\x69\xb6\x33\x81\x3f\xc6\x0c"
#define SPAN_ID  "\xee\xe1\x9b\x7e\xc3\xc1\xb1\x74"

static maybe_unused const receive_row *row_named(const char *name)
{
    for (size_t i = 0; i < receive_table_count; i++)
        if (strcmp(receive_table[i].name, name) == 0)
            return &receive_table[i];
    fail_msg("no row %s", name);
    return NULL;
}

static maybe_unused sk_code decode_capped(const char *row, span body, receive_form form,
                                          size_t cap_bytes, receive_output *ret, err *e)
{
    receive_input in = {
        .body = body, .form = form, .arrival_ns = ARRIVAL, .batch_cap_bytes = cap_bytes};
    return row_named(row)->decode(&in, ret, e);
}

static maybe_unused sk_code decode(const char *row, span body, receive_form form,
                                   receive_output *ret, err *e)
{
    return decode_capped(row, body, form, 64 * MIB, ret, e);
}

/* The output of a body that must decode. */
static maybe_unused receive_output decoded(const char *row, span body, receive_form form)
{
    err e = {.code = SK_OK};
    receive_output done;
    check_ok(decode(row, body, form, &done, &e), &e);
    return done;
}

/* The dump of what the body becomes; the caller frees it with buf_done. */
static maybe_unused buf dump_of(const char *row, span body, receive_form form)
{
    receive_output done = decoded(row, body, form);
    buf out;
    buf_init(&out, 64 * MIB);
    dump_output(&done, &out);
    batch_free(done.batch);
    return out;
}

static maybe_unused void expect_dump(const char *row, span body, receive_form form,
                                     const char *want)
{
    buf got = dump_of(row, body, form);
    check_text(buf_span(&got), want);
    buf_done(&got);
}

/* The field of a row as the dump shows it, "-" when it is absent; in `text`. */
static maybe_unused const char *field(const receive_output *done, uint32_t row, const char *name,
                                      char text[256])
{
    arena *mem = arena_new(MIB);
    buf out;
    buf_init(&out, MIB);
    value v = batch_get(done->batch, span_text(name), row, mem);
    if (v.is_set)
        dump_value(v, mem, &out);
    else
        buf_add_text(&out, "-");
    snprintf(text, 256, "%.*s", SPAN_FMT(buf_span(&out)));
    buf_done(&out);
    arena_free(mem);
    return text;
}

static maybe_unused void expect_field(const receive_output *done, uint32_t row, const char *name,
                                      const char *want)
{
    char text[256];
    check_text(span_text(field(done, row, name, text)), want);
}

/* ---- protobuf ---- */

static maybe_unused void put_attribute(buf *b, uint32_t list_field, const char *key,
                                       const char *text)
{
    size_t pair = pb_begin(b, list_field);
    pb_put_bytes(b, 1, span_text(key));
    size_t any = pb_begin(b, 2);
    pb_put_bytes(b, 1, span_text(text));
    pb_finish(b, any);
    pb_finish(b, pair);
}

/* otlp.md §14: service a, one SERVER span, one attribute. Returns its length, 99. */
static maybe_unused size_t reference_vector(uint8_t out[100])
{
    static const char hex[] =
        "0a610a150a130a0c736572766963652e6e616d6512030a0161124812460a105b8efff798038103d269b633813f"
        "c60c1208eee19b7ec3c1b1742a06474554202f78300239004859e3faeb6f15410012f41efbeb6f154a080a016e"
        "120318c8017a021802";
    size_t len = 0;
    for (; hex[2 * len]; len++) {
        uint64_t byte;
        assert_true(span_to_hex64(span_of(hex + 2 * len, 2), &byte));
        out[len] = (uint8_t)byte;
    }
    return len;
}

/* A request with one resource and one scope around the items that `items` holds (each with its
 * tag). */
static maybe_unused void wrap_items(buf *out, const buf *items)
{
    size_t resource_spans = pb_begin(out, 1);
    size_t resource = pb_begin(out, 1);
    put_attribute(out, 1, "service.name", "s");
    pb_finish(out, resource);
    size_t scope_spans = pb_begin(out, 2);
    buf_add_span(out, buf_span(items));
    pb_finish(out, scope_spans);
    pb_finish(out, resource_spans);
}

/* A span's message with its ids and times, open for more: pb_finish(b, …) closes it. */
static maybe_unused size_t begin_span(buf *b)
{
    size_t at = pb_begin(b, 2);
    pb_put_bytes(b, 1, SPAN(TRACE_ID));
    pb_put_bytes(b, 2, SPAN(SPAN_ID));
    pb_put_i64(b, 7, 1000000000);
    pb_put_i64(b, 8, 1001500000);
    return at;
}

/* What becomes of one item's bytes (with tag 2). */
static maybe_unused receive_output decoded_items(const char *row, const buf *items)
{
    buf body;
    buf_init(&body, 64 * MIB);
    wrap_items(&body, items);
    assert_false(body.failed);
    receive_output done = decoded(row, buf_span(&body), FORM_PROTOBUF);
    buf_done(&body);
    return done;
}

#endif
