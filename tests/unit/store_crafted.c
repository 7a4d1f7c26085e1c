/*
 * tests/unit/store_crafted.c: segments with right checksums that no writer makes: each is refused, by opening or by reading, and
 * named as damage. What is let through here would be a wrong answer or worse in a query.
 */
#include "unit/store_rows.h"

#include <stdio.h>

#include "base/file.h"
#include "store/segment.h"
#include "store/segment_write.h"

#define ROWS 8u

typedef struct craft {
    const char *name;
    void (*columns)(segment_writer *w); /* the named ones */
    bool times_are_absent, datasets_have_gaps;
} craft;

static void put(segment_writer *w, uint32_t pseudo, span name, field_type type, uint32_t text_count,
                const char *text, size_t text_len, uint32_t value_count)
{
    uint64_t present[1] = {value_count ? 0x55 : 0};
    uint64_t bits[ROWS];
    column_writer *c;
    uint32_t code;
    err e;
    for (uint32_t i = 0; i < ROWS; i++)
        bits[i] = text_count ? i % text_count : i;
    check_ok(column_writer_new(w, pseudo, type, &c, &e), &e);
    for (uint32_t i = 0; i < text_count; i++)
        check_ok(column_writer_text(c, span_of(text, text_len), &code, &e), &e);
    block_values v = {
        .row_count = ROWS, .value_count = value_count, .present = present, .bits = bits};
    check_ok(column_writer_put(c, &v, &e), &e);
    check_ok(column_writer_end(c, name, &e), &e);
    column_writer_free(c);
}

static void put_int(segment_writer *w, const char *name)
{
    put(w, PART_COLUMNS, span_text(name), FIELD_INT, 0, NULL, 0, ROWS);
}

static void nothing(segment_writer *w)
{
}

static void twice(segment_writer *w)
{
    put_int(w, "a");
    put_int(w, "a");
}

static void out_of_order(segment_writer *w)
{
    put_int(w, "b");
    put_int(w, "a");
}

static void rare_bool_of_two(segment_writer *w)
{
    const uint32_t rows[] = {1, 3};
    const uint64_t bits[] = {1, 2};
    err e;
    rare_values v = {
        .name = SPAN("flag"), .type = FIELD_BOOL, .count = 2, .rows = rows, .bits = bits};
    check_ok(segment_writer_rare(w, &v, &e), &e);
}

static void long_text(segment_writer *w)
{
    static const char text[EVENT_STRING_MAX + 1];
    put(w, PART_COLUMNS, SPAN("text"), FIELD_STRING, 1, text, sizeof text, ROWS);
}

static void three_texts(segment_writer *w)
{
    put(w, PART_COLUMNS, SPAN("text"), FIELD_STRING, 3, "x", 1, ROWS);
}

static const char *write_crafted(const craft *c)
{
    static char path[300];
    segment_writer *w;
    err e;
    snprintf(path, sizeof path, "%s/crafted.seg", check_dir());
    encoder *coder = encoder_new(1);
    check_ok(file_remove(path, &e), &e);
    check_ok(segment_writer_open(path, coder, &w, &e), &e);
    put(w, PART_TIME, SPAN(""), FIELD_INT, 0, NULL, 0, c->times_are_absent ? 0 : ROWS);
    put(w, PART_RATE, SPAN(""), FIELD_INT, 0, NULL, 0, ROWS);
    put(w, PART_DATASET, SPAN(""), FIELD_STRING, 1, "d", 1, c->datasets_have_gaps ? 4 : ROWS);
    for (uint32_t pseudo = PART_TRACE_ID; pseudo < PART_COLUMNS; pseudo++)
        put(w, pseudo, SPAN(""), FIELD_INT, 0, NULL, 0, 0);
    c->columns(w);
    segment_facts facts = {.order = ORDER_STREAMS, .row_count = ROWS, .max_time_ns = ROWS};
    check_ok(segment_writer_end_columns(w, &e), &e);
    check_ok(segment_writer_finish(w, &facts, &e), &e);
    segment_writer_free(w);
    encoder_free(coder);
    return path;
}

/* The first code that is not SK_OK. */
static sk_code read_crafted(const char *path, bool checks, err *e)
{
    segment *s;
    part_reader *r;
    vector *v = malloc(sizeof *v);
    sk_code code = segment_open(path, checks, NULL, &s, e);
    assert_int_equal(code, SK_OK);
    code = segment_pin(s, e);
    if (code == SK_OK) {
        check_ok(part_reader_new(segment_part(s), &r, e), e);
        for (uint32_t col = 0; code == SK_OK && col < PART_COLUMNS + s->facts.column_count; col++)
            code = part_read(r, col, 0, v, e);
        part_reader_free(r);
        segment_unpin(s);
    }
    segment_unref(s);
    free(v);
    return code;
}

static void what_no_writer_makes_is_damage(void **state)
{
    static const craft rows[] = {{"times are absent", nothing, true, false},
                                 {"some rows have no dataset", nothing, false, true},
                                 {"a column is there twice", twice, false, false},
                                 {"columns are out of order", out_of_order, false, false},
                                 {"a bool is 2", rare_bool_of_two, false, false},
                                 {"a text is too long", long_text, false, false}};
    err e = {0};
    EACH_ROW(row, rows)
    {
        check_code(read_crafted(write_crafted(row), true, &e), SK_CORRUPT, &e);
        assert_non_null(strstr(e.text, "crafted.seg"));
    }
    craft good = {"good", three_texts, false, false};
    check_ok(read_crafted(write_crafted(&good), true, &e), &e);
}

/* Only texts within a block's range are loaded before its codes are given out. */
static void a_code_outside_its_range_is_damage(void **state)
{
    craft c = {"three texts", three_texts, false, false};
    const char *path = write_crafted(&c);
    segment *s;
    column_index *x;
    err e;
    check_ok(segment_open(path, true, NULL, &s, &e), &e);
    check_ok(segment_pin(s, &e), &e);
    directory_column *text = &segment_directory(s)->columns[PART_COLUMNS];
    check_ok(segment_load_index(s, text, &x, &e), &e);
    assert_int_equal(x->blocks[0].max, 2);
    uint64_t place = text->index.offset;
    assert_int_equal(text->index.method, METHOD_RAW);
    file *f;
    uint8_t bytes[12];
    check_ok(file_open(path, FILE_WRITE, &f, &e), &e);
    check_ok(file_read_at(f, place, bytes, sizeof bytes, &e), &e);
    reader r = reader_of(span_of(bytes, sizeof bytes));
    assert_int_equal(reader_varint(&r), 1);
    (void)reader_u8(&r);
    for (int i = 0; i < 3; i++) /* place, length, least */
        (void)reader_varint(&r);
    place += sizeof bytes - reader_left(&r);
    assert_int_equal(reader_u8(&r), 2);
    check_ok(file_write_at(f, place, SPAN("\1"), &e), &e);
    file_close(f);
    segment_unpin(s);
    segment_unref(s);
    check_code(read_crafted(path, false, &e), SK_CORRUPT, &e);
}

TEST_GROUP(store_crafted, TEST(what_no_writer_makes_is_damage),
           TEST(a_code_outside_its_range_is_damage));
