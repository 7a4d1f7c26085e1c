/* tests/unit/intake_policy.c: rows out of retention go, times ahead move, and nothing else changes. */
#include "unit/intake_stub.h"

#include "event/codec.h"
#include "event_random.h"
#include "intake/intake_private.h"

static const policy rules = {.arrival_ns = 1000 * DAY_NS, .retention_ns = 60 * DAY_NS};

static void is_same_value(value a, value b)
{
    assert_int_equal(a.is_set, b.is_set);
    if (!a.is_set)
        return;
    assert_int_equal(a.type, b.type);
    if (a.type == FIELD_STRING || a.type == FIELD_HISTOGRAM)
        check_span(a.text, b.text);
    else if (a.type == FIELD_BOOL)
        assert_int_equal(a.b, b.b);
    else
        assert_int_equal(a.i, b.i);
}

/* Times: some far past, some ahead, most fine. */
static void set_times(batch *b, uint64_t seed, uint32_t share)
{
    for (uint32_t row = 0; row < b->row_count; row++) {
        uint64_t dice = check_random(&seed) % share;
        b->time_ns[row] = rules.arrival_ns - (int64_t)(check_random(&seed) % (uint64_t)DAY_NS);
        if (dice == 0)
            b->time_ns[row] = (int64_t)(check_random(&seed) % (uint64_t)DAY_NS);
        if (dice == 1)
            b->time_ns[row] = rules.arrival_ns + HOUR_NS + 1 + row % 3;
    }
}

/* What batch.h promises of a frozen batch: full columns have no row numbers, the types of a name are chained, nothing is
 * empty. */
static void keeps_promises(const batch *b)
{
    for (uint32_t i = 0; i < b->column_count; i++) {
        const column *c = &b->columns[i];
        assert_true(c->count || c->range_count);
        if (c->count == b->row_count)
            assert_null(c->rows);
        uint32_t next = i + 1;
        while (next < b->column_count && !span_equal(b->columns[next].name, c->name))
            next++;
        assert_int_equal(c->next_same_name, next < b->column_count ? next : COLUMN_NONE);
    }
}

static void compare(const batch *was, const batch *is)
{
    arena *mem = arena_new(64 * MIB);
    uint32_t at = 0;
    for (uint32_t row = 0; row < was->row_count; row++) {
        if (was->time_ns[row] < rules.arrival_ns - rules.retention_ns)
            continue;
        assert_true(at < is->row_count);
        bool is_moved = was->time_ns[row] > rules.arrival_ns + HOUR_NS;
        assert_int_equal(is->time_ns[at], is_moved ? rules.arrival_ns : was->time_ns[row]);
        assert_int_equal(is->rate[at], was->rate[row]);
        assert_int_equal(is->span_id[at], was->span_id[row]);
        assert_int_equal(is->parent_id[at], was->parent_id[row]);
        assert_true(trace_id_equal(is->trace_id[at], was->trace_id[row]));
        check_span(batch_text(is, is->dataset[at]), batch_text(was, was->dataset[row]));
        for (uint32_t i = 0; i < TWIN_NAMES; i++)
            is_same_value(batch_get(is, twin_name(i), at, mem),
                          batch_get(was, twin_name(i), row, mem));
        value original = batch_get(is, SPAN(F_ORIGINAL_TIME), at, mem);
        assert_int_equal(original.is_set, is_moved);
        if (is_moved) {
            int64_t read_back;
            assert_true(clock_parse_rfc3339(original.text, &read_back));
            assert_int_equal(read_back, was->time_ns[row]);
        }
        at++;
    }
    assert_int_equal(at, is->row_count);
    arena_free(mem);
}

static void only_bad_times_change(void **state)
{
    twin *t = malloc(sizeof *t);
    for (uint64_t seed = 1; seed < 150; seed++) {
        err e;
        intake_report report = {0};
        batch *was = twin_build(t, seed), *is = twin_build(t, seed), *decoded;
        assert_true(batch_freeze(was) && batch_freeze(is));
        set_times(was, seed, (uint32_t)(2 + seed % 40));
        set_times(is, seed, (uint32_t)(2 + seed % 40));
        intake__judge(is, &rules, &report);
        check_ok(intake__apply(is, &rules, &e), &e);
        assert_int_equal(was->row_count - is->row_count, report.refused_rows);
        compare(was, is);
        keeps_promises(is);
        buf out; /* still a batch by the codec's strict reader */
        buf_init(&out, 64 * MIB);
        check_ok(batch_encode(is, &out, &e), &e);
        check_ok(batch_decode(buf_span(&out), 64 * MIB, &decoded, &e), &e);
        compare(was, decoded);
        batch_free(decoded);
        buf_done(&out);
        batch_free(was);
        batch_free(is);
    }
    free(t);
}

static void a_column_that_becomes_full_is_full(void **state)
{
    err e;
    batch *b = batch_new(FAMILY_LOG, MIB);
    uint32_t dataset = batch_string(b, SPAN("shop"));
    uint32_t rare = batch_column(b, SPAN("rare"), FIELD_INT, NULL);
    uint32_t gone = batch_column(b, SPAN("gone"), FIELD_INT, NULL);
    for (uint32_t i = 0; i < 3; i++) {
        batch_begin_row(b, i == 1 ? rules.arrival_ns : 0, 1, dataset);
        batch_put_int(b, i == 1 ? rare : gone, 5);
    }
    assert_true(batch_freeze(b));
    check_ok(intake__apply(b, &rules, &e), &e);
    assert_int_equal(b->row_count, 1);
    assert_int_equal(b->column_count, 1);
    keeps_promises(b);
    batch_free(b);
}

static void the_edges_of_time(void **state)
{
    static const struct {
        const char *name;
        int64_t time_ns;
        uint32_t refused, moved;
    } rows[] = {{"now", 1000 * DAY_NS, 0, 0},
                {"an hour ahead", 1000 * DAY_NS + HOUR_NS, 0, 0},
                {"a bit more", 1000 * DAY_NS + HOUR_NS + 1, 0, 1},
                {"the end of time", INT64_MAX, 0, 1},
                {"just inside", 940 * DAY_NS, 0, 0},
                {"just outside", 940 * DAY_NS - 1, 1, 0},
                {"1970", 0, 1, 0},
                {"before all", INT64_MIN, 1, 0}};
    EACH_ROW(row, rows)
    {
        err e;
        intake_report report = {0};
        batch *b = some_batch(2, row->time_ns);
        intake__judge(b, &rules, &report);
        assert_int_equal(report.refused_rows, 2 * row->refused);
        assert_int_equal(report.moved_times, 2 * row->moved);
        check_ok(intake__apply(b, &rules, &e), &e);
        assert_int_equal(b->row_count, row->refused ? 0 : 2);
        batch_free(b);
    }
}

static void a_senders_own_original_time_gives_way(void **state)
{
    err e;
    arena *mem = arena_new(MIB);
    batch *b = batch_new(FAMILY_LOG, MIB);
    uint32_t dataset = batch_string(b, SPAN("shop"));
    uint32_t as_int = batch_column(b, SPAN(F_ORIGINAL_TIME), FIELD_INT, NULL);
    uint32_t as_text = batch_column(b, SPAN(F_ORIGINAL_TIME), FIELD_STRING, NULL);
    uint32_t other = batch_column(b, SPAN("other"), FIELD_INT, NULL);
    for (uint32_t i = 0; i < 3; i++) {
        batch_begin_row(b, rules.arrival_ns + (i ? 2 * HOUR_NS : 0), 1, dataset);
        if (i == 1)
            batch_put_string(b, as_text, SPAN("mine"));
        else
            batch_put_int(b, as_int, 5);
        batch_put_int(b, other, i);
    }
    assert_true(batch_freeze(b));
    check_ok(intake__apply(b, &rules, &e), &e);
    assert_false(batch_get(b, SPAN(F_ORIGINAL_TIME), 0, mem).is_set);
    assert_int_equal(batch_get(b, SPAN(F_ORIGINAL_TIME), 1, mem).text.len, 20);
    assert_int_equal(batch_get(b, SPAN("other"), 2, mem).i, 2);
    assert_int_equal(b->column_count, 2);
    batch_free(b);
    arena_free(mem);
}

static void annotations_are_not_items(void **state)
{
    intake_report report = {0};
    batch *b = batch_new(FAMILY_TRACE, MIB);
    uint32_t dataset = batch_string(b, SPAN("shop"));
    uint32_t kind = batch_column(b, SPAN(F_ANNOTATION_TYPE), FIELD_STRING, NULL);
    for (uint32_t i = 0; i < 5; i++) {
        batch_begin_row(b, 1, 1, dataset);
        if (i % 2)
            batch_put_string(b, kind, SPAN("span_event"));
    }
    assert_true(batch_freeze(b));
    intake__judge(b, &rules, &report);
    assert_int_equal(report.refused_rows, 5);
    assert_int_equal(report.refused_items, 3);
    assert_non_null(strstr(report.text, "1970-01-01T00:00:00.000000001Z"));
    batch_free(b);
}

TEST_GROUP(intake_policy, TEST(only_bad_times_change), TEST(a_column_that_becomes_full_is_full),
           TEST(the_edges_of_time), TEST(a_senders_own_original_time_gives_way),
           TEST(annotations_are_not_items));
