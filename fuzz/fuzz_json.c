/*
 * fuzz/fuzz_json.c: the reader takes and skips the same documents, and what the writer makes of their tokens, numbers and
 * any bytes as a string reads the same again.
 */
#include "fuzz.h"
#include "wire/json.h"

#define ARENA_MAX (4 * MIB)

/* Every number that a token can be had as. */
static void check_numbers(const json *j, arena *a)
{
    int64_t i, i_again;
    uint64_t u, u_again;
    double d, d_again;
    bool has_i = json_i64(j, &i), has_u = json_u64(j, &u), has_d = json_double(j, &d);
    buf out;
    buf_init(&out, 4 * KIB);
    json_writer w = {.out = &out};
    jw_array(&w);
    if (has_i) {
        jw_i64(&w, i);
        jw_i64_text(&w, i);
    }
    if (has_u)
        jw_u64(&w, u);
    if (has_d)
        jw_double(&w, d);
    jw_array_end(&w);
    json again = json_of(buf_span(&out), a);
    must(json_next(&again) == JSON_ARRAY);
    for (int form = 0; has_i && form < 2; form++) {
        json_next(&again);
        must(json_i64(&again, &i_again) && i_again == i);
    }
    if (has_u) {
        json_next(&again);
        must(json_u64(&again, &u_again) && u_again == u);
    }
    if (has_d && json_next(&again) != JSON_NULL)
        must(json_double(&again, &d_again) && d_again == d);
    must(json_next(&again) == JSON_ARRAY_END && json_next(&again) == JSON_END && !again.failed);
    buf_done(&out);
}

/* Bytes that are no UTF-8 become ones that are. */
static void check_string(span bytes, arena *a)
{
    buf out;
    buf_init(&out, SIZE_MAX);
    json_writer w = {.out = &out};
    jw_string(&w, bytes);
    json again = json_of(buf_span(&out), a);
    must(json_next(&again) == JSON_STRING || arena_failed(a));
    must(again.failed || !utf8_is_valid(bytes) || span_equal(again.text, bytes));
    buf_done(&out);
}

static void write_token(const json *j, json_writer *w)
{
    double number;
    switch (j->kind) {
    case JSON_OBJECT: jw_object(w); break;
    case JSON_OBJECT_END: jw_object_end(w); break;
    case JSON_ARRAY: jw_array(w); break;
    case JSON_ARRAY_END: jw_array_end(w); break;
    case JSON_KEY: jw_key(w, j->text); break;
    case JSON_STRING: jw_string(w, j->text); break;
    case JSON_NUMBER:
        if (json_double(j, &number))
            jw_double(w, number);
        else
            jw_raw(w, j->text);
        break;
    case JSON_TRUE: jw_bool(w, true); break;
    case JSON_FALSE: jw_bool(w, false); break;
    case JSON_NULL: jw_null(w); break;
    case JSON_END: break;
    }
}

static bool rewrite(span text, arena *a, buf *out)
{
    json_writer w = {.out = out};
    json j = json_of(text, a);
    while (json_next(&j) != JSON_END) {
        must(j.at <= j.end);
        if (j.kind == JSON_KEY || j.kind == JSON_STRING)
            must(utf8_is_valid(j.text));
        if (j.kind == JSON_NUMBER || j.kind == JSON_STRING)
            check_numbers(&j, a);
        write_token(&j, &w);
    }
    err e;
    must((json_error(&j, &e) == SK_OK) == !j.failed);
    must(!j.failed || e.offset <= text.len);
    return !j.failed;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    span text = span_of(data, size);
    arena *a = arena_new(ARENA_MAX);
    buf first, second;
    buf_init(&first, SIZE_MAX);
    buf_init(&second, SIZE_MAX);
    check_string(text, a);
    bool is_good = rewrite(text, a, &first);

    json j = json_of(text, a);
    json_next(&j);
    span raw = json_raw(&j);
    bool is_skipped = json_next(&j) == JSON_END && !j.failed;
    must(is_skipped == is_good || arena_failed(a));
    if (is_good) {
        must(raw.at >= data && raw.len <= size);
        must(rewrite(buf_span(&first), a, &second) || arena_failed(a));
        must(span_equal(buf_span(&first), buf_span(&second)) || arena_failed(a));
    }
    buf_done(&first);
    buf_done(&second);
    arena_free(a);
    return 0;
}
