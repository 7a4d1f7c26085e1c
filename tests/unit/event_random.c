/*
 * tests/unit/event_random.c: see event_random.h.
 */
#include "event_random.h"

span twin_name(uint32_t i)
{
    static const char *const names[TWIN_NAMES] = {"name",
                                                  "duration_ms",
                                                  "error",
                                                  "http.route",
                                                  "http.status_code",
                                                  "user.id",
                                                  "a",
                                                  "b",
                                                  "host.name",
                                                  "库",
                                                  "with space",
                                                  "x.y.z",
                                                  "metric.value",
                                                  "trace.parent_id"};
    return span_text(names[i]);
}

static uint64_t below(twin *t, uint64_t limit)
{
    return check_random(&t->seed) % limit;
}

static twin_value random_value(twin *t)
{
    twin_value v = {.is_set = true, .type = (field_type)below(t, FIELD_TYPE_COUNT)};
    double f;
    switch (v.type) {
    case FIELD_STRING:
    case FIELD_HISTOGRAM:
        snprintf(v.text, sizeof v.text, "%s%u", below(t, 2) ? "text" : "ü", (unsigned)below(t, 30));
        if (below(t, 10) == 0)
            v.text[0] = '\0';
        break;
    case FIELD_INT: v.bits = below(t, 2) ? below(t, 5) : check_random(&t->seed); break;
    case FIELD_FLOAT:
        f = (double)(int64_t)check_random(&t->seed) / 1e6;
        memcpy(&v.bits, &f, sizeof f);
        break;
    case FIELD_BOOL: v.bits = below(t, 2); break;
    case FIELD_TYPE_COUNT: break;
    }
    return v;
}

static bool put_point(batch *b, uint32_t c, const twin_value *v)
{
    double f;
    switch (v->type) {
    case FIELD_STRING: return batch_put_string(b, c, span_text(v->text));
    case FIELD_HISTOGRAM: return batch_put_code(b, c, batch_string(b, span_text(v->text)));
    case FIELD_INT: return batch_put_int(b, c, (int64_t)v->bits);
    case FIELD_FLOAT: memcpy(&f, &v->bits, sizeof f); return batch_put_float(b, c, f);
    case FIELD_BOOL: return batch_put_bool(b, c, v->bits != 0);
    case FIELD_TYPE_COUNT: break;
    }
    return false;
}

static void put_range(twin *t, batch *b, uint32_t name, uint32_t first, uint32_t end)
{
    if (t->range_count == TWIN_RANGES_MAX)
        return;
    twin_value v = random_value(t);
    uint32_t c = batch_column(b, twin_name(name), v.type, NULL);
    uint64_t bits = v.bits;
    if (v.type == FIELD_STRING || v.type == FIELD_HISTOGRAM)
        bits = batch_string(b, span_text(v.text));
    if (!batch_put_range(b, c, first, end, bits))
        return;
    t->ranges[t->range_count++] = (twin_range){name, first, end, v};
}

static void put_row(twin *t, batch *b, uint32_t *predict)
{
    uint32_t row = t->row_count;
    t->rows[row].time_ns = (int64_t)check_random(&t->seed);
    t->rows[row].rate = below(t, 4) ? 1 : (uint32_t)below(t, 100) + 1;
    snprintf(t->rows[row].dataset, sizeof t->rows[row].dataset, "set%u", (unsigned)below(t, 3));
    t->rows[row].trace = (trace_id){below(t, 2), below(t, 3)};
    t->rows[row].span = below(t, 3);
    t->rows[row].parent = below(t, 3);
    memset(t->rows[row].values, 0, sizeof t->rows[row].values);
    uint32_t code = batch_string(b, span_text(t->rows[row].dataset));
    if (batch_begin_row(b, t->rows[row].time_ns, t->rows[row].rate, code) != row)
        return;
    b->trace_id[row] = t->rows[row].trace;
    b->span_id[row] = t->rows[row].span;
    b->parent_id[row] = t->rows[row].parent;
    t->row_count++;
    for (uint64_t n = below(t, 20); n > 0; n--) {
        uint32_t name = (uint32_t)below(t, TWIN_NAMES);
        twin_value v = random_value(t);
        if (name < 3) /* dense, of one type */
            v = (twin_value){.is_set = true, .type = FIELD_INT, .bits = row / 5};
        uint32_t c = batch_column(b, twin_name(name), v.type, &predict[n]);
        if (put_point(b, c, &v))
            t->rows[row].values[name] = v;
    }
}

static void close_ranges(twin *t, batch *b, uint32_t mark, uint32_t from)
{
    batch_close_ranges(b, mark);
    for (uint32_t i = from; i < t->range_count; i++)
        if (t->ranges[i].end == BATCH_RANGE_OPEN)
            t->ranges[i].end = t->row_count;
}

static void put_scope(twin *t, batch *b, uint32_t *predict, uint32_t row_max)
{
    uint32_t mark = batch_open_ranges(b), from = t->range_count;
    for (uint64_t n = below(t, 4); n > 0; n--)
        put_range(t, b, (uint32_t)below(t, TWIN_NAMES), t->row_count, BATCH_RANGE_OPEN);
    for (uint64_t n = below(t, 30); n > 0 && t->row_count < row_max && !batch_failed(b); n--) {
        put_row(t, b, predict);
        if (below(t, 15) == 0) {
            uint32_t to =
                t->row_count - (uint32_t)below(t, t->row_count < 3 ? t->row_count + 1 : 3);
            batch_drop_row(b, to);
            t->dropped += t->row_count - to;
            t->row_count = to;
        }
    }
    close_ranges(t, b, mark, from);
}

batch *twin_build(twin *t, uint64_t seed)
{
    uint32_t predict[20];
    memset(predict, 0xff, sizeof predict);
    *t = (twin){.seed = seed};
    uint32_t row_max = (uint32_t)below(t, TWIN_ROWS_MAX);
    batch *b = batch_new((family)below(t, FAMILY_COUNT), 64 * MIB);
    if (!b)
        return NULL;
    if (below(t, 2))
        batch_expect_rows(b, below(t, 3) ? below(t, 500) : SIZE_MAX);
    b->arrival_ns = (int64_t)check_random(&t->seed);
    b->dropped_items = (uint32_t)below(t, 9);
    for (uint64_t n = below(t, 8); n > 0 && !batch_failed(b); n--) {
        uint32_t mark = batch_open_ranges(b), from = t->range_count;
        for (uint64_t k = below(t, 5); k > 0; k--)
            put_range(t, b, (uint32_t)below(t, TWIN_NAMES), t->row_count, BATCH_RANGE_OPEN);
        for (uint64_t k = below(t, 4); k > 0; k--)
            put_scope(t, b, predict, row_max);
        close_ranges(t, b, mark, from);
        if (below(t, 3) == 0 && t->row_count)
            put_range(t, b, (uint32_t)below(t, TWIN_NAMES), (uint32_t)below(t, t->row_count),
                      t->row_count);
    }
    return b;
}

twin_value twin_at(const twin *t, uint32_t row, uint32_t name)
{
    if (t->rows[row].values[name].is_set)
        return t->rows[row].values[name];
    for (uint32_t i = t->range_count; i-- > 0;)
        if (t->ranges[i].name == name && t->ranges[i].first <= row && row < t->ranges[i].end)
            return t->ranges[i].v;
    return (twin_value){.is_set = false};
}

static bool same_value(const twin_value *want, value got)
{
    if (want->is_set != got.is_set || !got.is_set)
        return want->is_set == got.is_set;
    if (want->type != got.type)
        return false;
    uint64_t bits = 0;
    switch (got.type) {
    case FIELD_STRING:
    case FIELD_HISTOGRAM: return span_is(got.text, want->text);
    case FIELD_INT: bits = (uint64_t)got.i; break;
    case FIELD_FLOAT: memcpy(&bits, &got.f, sizeof bits); break;
    case FIELD_BOOL: bits = got.b; break;
    case FIELD_TYPE_COUNT: break;
    }
    return bits == want->bits;
}

/* The value of the name over all its types; fails when two types have one on the row. */
static value only_cell(const batch *b, span name, uint32_t row)
{
    value found = {.is_set = false};
    for (uint32_t i = 0; i < b->column_count; i++) {
        if (!span_equal(b->columns[i].name, name))
            continue;
        value v = batch_cell(b, i, row);
        if (v.is_set && found.is_set)
            fail_msg("row %u has two values of one name", row);
        if (v.is_set)
            found = v;
    }
    return found;
}

static void check_columns(const batch *b)
{
    for (uint32_t i = 0; i < b->column_count; i++) {
        const column *c = &b->columns[i];
        assert_true(c->count || c->range_count);
        assert_int_equal(c->rows == NULL, c->count == b->row_count || c->count == 0);
        for (uint32_t p = 1; c->rows && p < c->count; p++)
            assert_true(c->rows[p - 1] < c->rows[p]);
        uint32_t same = 0, linked = 0;
        for (uint32_t k = i; k < b->column_count; k++)
            same += span_equal(b->columns[k].name, c->name);
        for (uint32_t k = i; k != COLUMN_NONE; k = b->columns[k].next_same_name) {
            check_span(b->columns[k].name, c->name);
            linked++;
        }
        assert_int_equal(same, linked);
    }
}

void twin_check(const twin *t, const batch *b)
{
    assert_int_equal(b->row_count, t->row_count);
    check_columns(b);
    for (uint32_t row = 0; row < t->row_count; row++) {
        assert_true(b->time_ns[row] == t->rows[row].time_ns);
        assert_int_equal(b->rate[row], t->rows[row].rate);
        check_text(batch_text(b, b->dataset[row]), t->rows[row].dataset);
        assert_true(trace_id_equal(b->trace_id[row], t->rows[row].trace));
        assert_true(b->span_id[row] == t->rows[row].span);
        assert_true(b->parent_id[row] == t->rows[row].parent);
        for (uint32_t name = 0; name < TWIN_NAMES; name++) {
            twin_value want = twin_at(t, row, name);
            if (!same_value(&want, only_cell(b, twin_name(name), row)))
                fail_msg("row %u, name %u: not what was put", row, name);
        }
    }
}
