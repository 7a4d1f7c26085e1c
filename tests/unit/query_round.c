/*
 * tests/unit/query_round.c: random specs go through text and through JSON and come back as equal trees; text printed
 * from what was read prints the same again.
 */
#include "check.h"
#include "query/spec.h"

#define MEM    (1 * MIB)
#define ROUNDS 6000

typedef struct dice {
    uint64_t state;
    arena *mem;
} dice;

static uint32_t roll(dice *d, uint32_t sides)
{
    return (uint32_t)(check_random(&d->state) % sides);
}

/* Names of every kind that quoting must tell apart. */
static span any_name(dice *d)
{
    static const char *const names[] = {
        "duration_ms", "http.route",    "a",         "name",       "COUNT",   "max",
        "from",        "Since",         "for",       "with space", "quo\"te", "back\\slash",
        "ta\tb",       "new\nline",     "\u00fcber", "\U0001f41d", "2xx",     "-dash",
        "_x",          "a-b/c:d+e@f$g", "in",        "exists",     "true",    "null",
        "()",          "a,b",           "=",         "\x7f",       "__all",   "'",
        ".dot",        "P99(x)",        "\x01"};
    return span_text(names[roll(d, COUNT_OF(names))]);
}

static value any_value(dice *d)
{
    static const int64_t ints[] = {0, 1, -1, 200, INT64_MAX, INT64_MIN, 9007199254740993};
    static const double floats[] = {0.0,   -0.0,   1.0,  0.1,           -2.5e-7,
                                    1e300, 5e-324, 1e19, 123456789012.0};
    value v = {.is_set = true, .type = (field_type)roll(d, 4)};
    if (v.type == FIELD_STRING)
        v.text = roll(d, 8) ? any_name(d) : SPAN("");
    else if (v.type == FIELD_INT)
        v.i = ints[roll(d, COUNT_OF(ints))];
    else if (v.type == FIELD_FLOAT)
        v.f = floats[roll(d, COUNT_OF(floats))];
    else
        v.b = roll(d, 2);
    return v;
}

static value any_number(dice *d)
{
    for (;;) {
        value v = any_value(d);
        double number;
        if (value_number(v, &number))
            return v;
    }
}

static spec_calc any_calc(dice *d)
{
    spec_calc c = {.op = (calc_op)roll(d, CALC_OP_COUNT)};
    calc_column takes = calc_op_column(c.op);
    if (takes == CALC_COLUMN_NEEDED || (takes == CALC_COLUMN_OPTIONAL && roll(d, 4) == 0))
        c.column = any_name(d);
    return c;
}

static spec_filter any_filter(dice *d)
{
    spec_filter f = {.column = any_name(d), .op = (filter_op)roll(d, FILTER_OP_COUNT)};
    if (f.op == FILTER_EXISTS || f.op == FILTER_NOT_EXISTS)
        return f;
    f.value_count = f.op == FILTER_IN || f.op == FILTER_NOT_IN ? roll(d, 5) : 1;
    f.values = f.value_count ? ARENA_ARRAY(d->mem, value, f.value_count) : NULL;
    for (uint32_t i = 0; i < f.value_count; i++)
        f.values[i] = filter_op_is_order(f.op) ? any_number(d) : any_value(d);
    return f;
}

static spec_having any_having(dice *d)
{
    for (;;) {
        spec_calc c = any_calc(d);
        value v = any_value(d);
        if (c.op == CALC_HEATMAP || v.type != FIELD_FLOAT)
            continue;
        return (spec_having){c.op, c.column, (filter_op)roll(d, 6), v.f + 0.0};
    }
}

static void any_times(dice *d, query_spec *s)
{
    static const int64_t spans[] = {1, 59, 60, 7200, 86400, 604800, 31536001, SPEC_TIME_MAX_S};
    s->has_start = roll(d, 3) == 0;
    s->has_end = roll(d, 3) == 0;
    s->has_range = roll(d, 2);
    s->start_s = s->has_start ? (int64_t)roll(d, 2000000000) : 0;
    s->end_s = s->has_end ? (int64_t)roll(d, 2000000000) * 4 : 0;
    s->range_s = s->has_range ? spans[roll(d, COUNT_OF(spans))] : 0;
    s->granularity_s = roll(d, 2) ? spans[roll(d, COUNT_OF(spans))] : 0;
    s->compare_offset_s = roll(d, 4) == 0 ? spans[roll(d, COUNT_OF(spans))] : 0;
    s->limit = roll(d, 2) ? 1 + roll(d, UINT32_MAX - 1) : 0;
}

static query_spec any_spec(dice *d)
{
    query_spec s = {.calc_count = roll(d, 4),
                    .filter_count = roll(d, 4),
                    .breakdown_count = roll(d, 4),
                    .order_count = roll(d, 3),
                    .having_count = roll(d, 3)};
    if (roll(d, 2))
        s.dataset = any_name(d);
    s.calcs = ARENA_ARRAY(d->mem, spec_calc, s.calc_count + 1);
    s.filters = ARENA_ARRAY(d->mem, spec_filter, s.filter_count + 1);
    s.breakdowns = ARENA_ARRAY(d->mem, span, s.breakdown_count + 1);
    s.orders = ARENA_ARRAY(d->mem, spec_order, s.order_count + 1);
    s.havings = ARENA_ARRAY(d->mem, spec_having, s.having_count + 1);
    s.filters_or = s.filter_count > 1 && roll(d, 2);
    for (uint32_t i = 0; i < s.calc_count; i++)
        s.calcs[i] = any_calc(d);
    for (uint32_t i = 0; i < s.filter_count; i++)
        s.filters[i] = any_filter(d);
    for (uint32_t i = 0; i < s.breakdown_count; i++)
        s.breakdowns[i] = any_name(d);
    for (uint32_t i = 0; i < s.order_count; i++) {
        s.orders[i] = (spec_order){.has_op = roll(d, 2), .descending = roll(d, 2)};
        s.orders[i].op = s.orders[i].has_op ? (calc_op)roll(d, CALC_OP_COUNT) : CALC_COUNT;
        if (!s.orders[i].has_op || roll(d, 2))
            s.orders[i].column = any_name(d);
    }
    for (uint32_t i = 0; i < s.having_count; i++)
        s.havings[i] = any_having(d);
    any_times(d, &s);
    return s;
}

static void check_through(const query_spec *s, arena *mem, uint64_t seed)
{
    err e = {0};
    query_spec from_text, from_json, copy;
    buf text, again, json;
    buf_init(&text, MEM);
    buf_init(&again, MEM);
    buf_init(&json, MEM);
    spec_to_text(s, &text);
    spec_to_json(s, &json);
    sk_code code = spec_from_text(buf_span(&text), mem, &from_text, &e);
    if (code || !spec_equal(s, &from_text)) {
        print_error("seed %llu: %.*s\n%s at %zu\n", (unsigned long long)seed, (int)text.len,
                    (const char *)text.at, e.text, e.offset);
        fail();
    }
    spec_to_text(&from_text, &again);
    check_span(buf_span(&again), buf_span(&text));
    code = spec_from_json(buf_span(&json), mem, &from_json, &e);
    from_json.dataset = s->dataset;
    if (code || !spec_equal(s, &from_json)) {
        print_error("seed %llu: %.*s\n%s at %zu\n", (unsigned long long)seed, (int)json.len,
                    (const char *)json.at, e.text, e.offset);
        fail();
    }
    check_ok(spec_copy(s, mem, &copy, &e), &e);
    assert_true(spec_equal(s, &copy));
    buf_done(&text);
    buf_done(&again);
    buf_done(&json);
}

static void both_forms_are_lossless(void **state)
{
    for (uint64_t seed = 0; seed < ROUNDS; seed++) {
        dice d = {.state = seed, .mem = arena_new(MEM)};
        query_spec s = any_spec(&d);
        check_through(&s, d.mem, seed);
        arena_free(d.mem);
    }
}

/* Each single change makes another tree: equality looks at everything. */
static void equality_sees_every_part(void **state)
{
    arena *mem = arena_new(MEM);
    uint32_t differ = 0, same = 0;
    arena_mark empty = arena_here(mem);
    for (uint64_t seed = 0; seed < 300; seed++) {
        dice x = {.state = seed, .mem = mem}, y = {.state = seed + 1, .mem = mem};
        query_spec a = any_spec(&x), b = any_spec(&y);
        buf at, bt;
        buf_init(&at, MEM);
        buf_init(&bt, MEM);
        spec_to_text(&a, &at);
        spec_to_text(&b, &bt);
        bool is_equal = span_equal(buf_span(&at), buf_span(&bt));
        assert_int_equal(spec_equal(&a, &b), is_equal);
        differ += !is_equal;
        same += spec_equal(&a, &a);
        buf_done(&at);
        buf_done(&bt);
        arena_rewind(mem, empty);
    }
    assert_true(differ > 290);
    assert_int_equal(same, 300);
    arena_free(mem);
}

TEST_GROUP(query_round, TEST(both_forms_are_lossless), TEST(equality_sees_every_part));
