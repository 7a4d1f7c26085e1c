/*
 * tests/unit/event_codec.c: batches as bytes and back; damage of every kind.
 */
#include "event/codec.h"
#include "event_random.h"

#define CAP (64 * MIB)

static void encode(const batch *b, buf *out)
{
    buf_init(out, CAP);
    err e = {0};
    check_ok(batch_encode(b, out, &e), &e);
}

static batch *decode(span bytes)
{
    err e = {0};
    batch *b = NULL;
    check_ok(batch_decode(bytes, CAP, &b, &e), &e);
    return b;
}

static void comes_back_as_it_went(void **state)
{
    static twin t;
    for (uint64_t seed = 1; seed <= 300; seed++) {
        batch *b = twin_build(&t, seed);
        assert_true(batch_freeze(b));
        buf first, second;
        encode(b, &first);
        uint8_t *copy = malloc(first.len); /* exactly as long: the sanitizer sees a byte too far */
        memcpy(copy, first.at, first.len);
        batch *back = decode(span_of(copy, first.len));
        memset(copy, 0xEE, first.len); /* the bytes may go away */
        free(copy);
        twin_check(&t, back);
        assert_true(back->family == b->family && back->arrival_ns == b->arrival_ns);
        assert_int_equal(back->dropped_items, b->dropped_items);
        assert_int_equal(back->truncated_strings, b->truncated_strings);
        assert_int_equal(back->column_count, b->column_count);
        for (uint32_t i = 0; i < b->column_count; i++)
            assert_int_equal(back->columns[i].range_count, b->columns[i].range_count);
        encode(back, &second);
        check_span(buf_span(&second), buf_span(&first));
        buf_done(&second);
        batch_free(back);
        buf_done(&first);
        batch_free(b);
    }
}

/* More texts and rows than a byte, and than two, can number. */
static void wide_numbers(void **state)
{
    static const uint32_t counts[] = {0, 1, 254, 255, 256, 257, 65534, 65536, 70000};
    for (size_t k = 0; k < COUNT_OF(counts); k++) {
        batch *b = batch_new(FAMILY_LOG, CAP);
        uint32_t text = batch_column(b, SPAN("text"), FIELD_STRING, NULL);
        uint32_t rare = batch_column(b, SPAN("rare"), FIELD_INT, NULL);
        for (uint32_t i = 0; i < counts[k]; i++) {
            char s[16];
            snprintf(s, sizeof s, "t%u", i);
            batch_begin_row(b, i, 1, batch_string(b, SPAN("d")));
            assert_true(batch_put_string(b, text, span_text(s)));
            if (i % 100 == 99)
                assert_true(batch_put_int(b, rare, i));
        }
        assert_true(batch_freeze(b));
        buf out;
        encode(b, &out);
        batch *back = decode(buf_span(&out));
        assert_int_equal(back->row_count, counts[k]);
        for (uint32_t i = 0; i < counts[k]; i++) {
            char s[16];
            snprintf(s, sizeof s, "t%u", i);
            check_text(batch_cell(back, 0, i).text, s);
            if (counts[k] > 99)
                assert_int_equal(batch_cell(back, 1, i).is_set, i % 100 == 99);
        }
        batch_free(back);
        buf_done(&out);
        batch_free(b);
    }
}

static batch *small_batch(uint64_t seed, twin *t)
{
    batch *b = NULL;
    do {
        batch_free(b);
        b = twin_build(t, seed++);
    } while (t->row_count < 5 || t->row_count > 40 || t->range_count == 0);
    assert_true(batch_freeze(b));
    return b;
}

static void every_cut_is_refused(void **state)
{
    static twin t;
    batch *b = small_batch(50, &t);
    buf out;
    encode(b, &out);
    for (size_t len = 0; len < out.len; len++) {
        uint8_t *copy = malloc(len + !len);
        memcpy(copy, out.at, len);
        batch *back = NULL;
        err e = {0};
        check_code(batch_decode(span_of(copy, len), CAP, &back, &e), SK_CORRUPT, &e);
        assert_true(e.offset <= len && e.text[0]);
        assert_null(back);
        free(copy);
    }
    buf_add_u8(&out, 0);
    batch *back = NULL;
    assert_int_equal(batch_decode(buf_span(&out), CAP, &back, NULL), SK_CORRUPT);
    buf_done(&out);
    batch_free(b);
}

/* Whatever a reader may do with a batch. */
static void use(const batch *b)
{
    arena *mem = arena_new(CAP);
    for (uint32_t row = 0; row < b->row_count; row += 1 + row / 20) {
        batch_text(b, b->dataset[row]);
        for (uint32_t i = 0; i < b->column_count; i++) {
            char scratch[VALUE_TEXT_MAX];
            value_text(batch_cell(b, i, row), scratch);
        }
    }
    arena_free(mem);
}

static void flipped_bits_never_crash(void **state)
{
    static twin t;
    uint64_t seed = 77, refused = 0, taken = 0;
    for (uint64_t round = 0; round < 40; round++) {
        batch *b = small_batch(100 + round * 13, &t);
        buf out;
        encode(b, &out);
        batch_free(b);
        for (int i = 0; i < 400; i++) {
            uint8_t *copy = malloc(out.len);
            memcpy(copy, out.at, out.len);
            for (uint64_t flips = 1 + check_random(&seed) % 3; flips > 0; flips--) {
                uint64_t bit = check_random(&seed) % (out.len * 8);
                copy[bit / 8] ^= (uint8_t)(1u << bit % 8);
            }
            batch *back = NULL;
            err e = {0};
            sk_code code = batch_decode(span_of(copy, out.len), CAP, &back, &e);
            if (code == SK_OK) {
                use(back);
                taken++;
            } else {
                assert_true(code == SK_CORRUPT || code == SK_NO_MEMORY);
                refused++;
            }
            batch_free(back);
            free(copy);
        }
        buf_done(&out);
    }
    assert_true(refused > 1000 && taken > 1000);
}

/* One row, one dictionary text "d", then columns as bytes: each row a batch that must be refused. */
static void crafted_damage_is_named(void **state)
{
    static const struct {
        const char *name;
        uint32_t columns;
        const char *bytes;
        size_t len;
        const char *says;
    } rows[] = {
#define BYTES(s) s, sizeof(s) - 1
        {"type 5", 1, BYTES("\5\0\1\0\1\0\0\0\0\0\0\0a\0"), "head"},
        {"no name", 1, BYTES("\0\0\0\0\1\0\0\0\0\0\0\0\0"), "head"},
        {"flag", 1, BYTES("\0\2\1\0\1\0\0\0\0\0\0\0a\0"), "head"},
        {"no values", 1, BYTES("\0\0\1\0\0\0\0\0\0\0\0\0a"), "head"},
        {"too many values", 1, BYTES("\0\0\1\0\2\0\0\0\0\0\0\0a\0\0"), "count"},
        {"numbered though full", 1, BYTES("\0\1\1\0\1\0\0\0\0\0\0\0a\0\0"), "count"},
        {"text 1 of 1", 1, BYTES("\0\0\1\0\1\0\0\0\0\0\0\0a\1"), "dictionary"},
        {"bool 2", 1, BYTES("\3\0\1\0\1\0\0\0\0\0\0\0a\2"), "bool"},
        {"twice", 2, BYTES("\3\0\1\0\1\0\0\0\0\0\0\0a\1\3\0\1\0\1\0\0\0\0\0\0\0a\1"), "twice"},
        {"two values", 2, BYTES("\3\0\1\0\1\0\0\0\0\0\0\0a\1\0\0\1\0\1\0\0\0\0\0\0\0a\0"), "two"},
        {"two values, one a range", 2,
         BYTES("\3\0\1\0\1\0\0\0\0\0\0\0a\1\0\0\1\0\0\0\0\0\1\0\0\0a\0\1\0\0\0\0\0\0\0\0"), "two"},
        {"empty range", 1, BYTES("\1\0\1\0\0\0\0\0\1\0\0\0a\1\1\0\0\0\0\0\0\0\0"), "range"},
        {"long range", 1, BYTES("\1\0\1\0\0\0\0\0\1\0\0\0a\0\2\0\0\0\0\0\0\0\0"), "row number"},
        {"range of text 1 of 1", 1, BYTES("\0\0\1\0\0\0\0\0\1\0\0\0a\0\1\1\0\0\0\0\0\0\0"),
         "range"},
        {"bytes left", 0, BYTES("x"), "follow"},
    };
    static const char head[] = "SKB\1\1\2\0\0"
                               "\0\0\0\0\0\0\0\0" /* arrival */
                               "\1\0\0\0";        /* rows */
    EACH_ROW(row, rows)
    {
        buf out;
        buf_init(&out, CAP);
        buf_add(&out, head, sizeof head - 1);
        buf_add_u32(&out, row->columns);
        buf_add(&out, "\1\0\0\0\0\0\0\0\0\0\0\0\1\0\0\0\1\0d", 19); /* "d" */
        buf_add_u64(&out, 12345);
        buf_add_u8(&out, 0);
        buf_add(&out, row->bytes, row->len);
        batch *back = NULL;
        err e = {0};
        check_code(batch_decode(buf_span(&out), CAP, &back, &e), SK_CORRUPT, &e);
        if (!span_contains(span_text(e.text), span_text(row->says)))
            fail_msg("says \"%s\"", e.text);
        buf_done(&out);
    }
}

static void header_damage_is_named(void **state)
{
    static const struct {
        const char *name;
        size_t at;
        uint8_t byte;
        const char *says;
    } rows[] = {
        {"magic", 0, 'X', "not a batch"}, {"version", 3, 2, "version 2"},
        {"family", 4, 3, "family"},       {"flags", 5, 32, "flag"},
        {"reserved", 7, 1, "flag"},       {"string bytes", 36, 9, "texts"},
        {"strings", 27, 255, "ends too"},
    };
    batch *b = batch_new(FAMILY_LOG, CAP);
    batch_begin_row(b, 5, 3, batch_string(b, SPAN("d")));
    batch_begin_row(b, 5, 1, batch_string(b, SPAN("e")));
    assert_true(batch_freeze(b));
    EACH_ROW(row, rows)
    {
        buf out;
        encode(b, &out);
        out.at[row->at] = row->byte;
        batch *back = NULL;
        err e = {0};
        check_code(batch_decode(buf_span(&out), CAP, &back, &e), SK_CORRUPT, &e);
        if (!span_contains(span_text(e.text), span_text(row->says)))
            fail_msg("says \"%s\"", e.text);
        buf_done(&out);
    }
    buf out;
    encode(b, &out);
    memset(out.at + out.len - 2 - 8, 0, 8); /* both rates, before the two datasets */
    batch *back = NULL;
    err e = {0};
    check_code(batch_decode(buf_span(&out), CAP, &back, &e), SK_CORRUPT, &e);
    assert_true(span_contains(span_text(e.text), SPAN("rate")));
    buf_done(&out);
    batch_free(b);
}

static void short_memory_is_said(void **state)
{
    static twin t;
    batch *b = small_batch(900, &t);
    EACH_ALLOC_FAILURE(n)
    {
        buf out;
        buf_init(&out, CAP);
        err e = {0};
        sk_code code = batch_encode(b, &out, &e);
        if (code == SK_OK) {
            batch *back = NULL;
            code = batch_decode(buf_span(&out), CAP, &back, &e);
            if (code == SK_OK)
                twin_check(&t, back);
            batch_free(back);
        }
        check_code(code, alloc_did_fail() ? SK_NO_MEMORY : SK_OK, &e);
        buf_done(&out);
    }
    buf out;
    encode(b, &out);
    batch *back = NULL;
    err e = {0};
    check_code(batch_decode(buf_span(&out), 2 * KIB, &back, &e), SK_NO_MEMORY, &e);
    buf_done(&out);
    batch_free(b);
}

TEST_GROUP(event_codec, TEST(comes_back_as_it_went), TEST(wide_numbers), TEST(every_cut_is_refused),
           TEST(flipped_bits_never_crash), TEST(crafted_damage_is_named),
           TEST(header_damage_is_named), TEST(short_memory_is_said));
