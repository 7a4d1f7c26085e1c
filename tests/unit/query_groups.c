/*
 * The group table and finishing against a plain list of rows: fed whole or by several workers, chosen, limited, merged.
 */
#include "check.h"
#include "query/finish.h"

#define ROWS    3000
#define BUCKETS 4

typedef struct row {
    uint32_t key[2]; /* 0: absent, else the number of a text */
    uint32_t bucket, weight;
    double v;
} row;

typedef struct stage { /* everything that a query has around its groups */
    arena *mem;
    plan plan;
    agg_budget budget;
    agg_buckets buckets;
    group_keys *keys;
    uint32_t numbers[2][32]; /* text number → key number */
} stage;

static void stage_open(stage *s, const char *text, uint32_t breakdowns)
{
    query_spec spec;
    err e;
    *s = (stage){.mem = arena_new(64 * MIB), .budget = {.max_bytes = 64 * MIB}};
    check_ok(spec_from_text(span_text(text), s->mem, &spec, &e), &e);
    check_ok(plan_make(&spec, 0, true, s->mem, &s->plan, &e), &e);
    s->buckets = (agg_buckets){s->plan.start_ns, s->plan.end_ns, s->plan.granularity_ns,
                               s->plan.bucket_count};
    assert_int_equal(s->buckets.count, BUCKETS);
    assert_int_equal(s->plan.breakdown_count, breakdowns);
    s->keys = group_keys_new(breakdowns, &s->budget);
    assert_non_null(s->keys);
    for (uint32_t b = 0; b < breakdowns; b++)
        for (uint32_t n = 1; n < 32; n++) {
            char name[8];
            int len = snprintf(name, sizeof name, "k%02u", n);
            group_keys_begin(s->keys, b);
            s->numbers[b][n] =
                group_keys_text(s->keys, b, span_of(name, (size_t)len), GROUP_KEY_TEXT, false);
            group_keys_end(s->keys, b);
        }
}

static void stage_close(stage *s)
{
    group_keys_free(s->keys);
    assert_int_equal(s->budget.used_bytes, 0);
    arena_free(s->mem);
}

static void random_rows(uint64_t *seed, row *rows)
{
    for (uint32_t i = 0; i < ROWS; i++) {
        uint64_t r = check_random(seed);
        rows[i] = (row){{(uint32_t)(r % 31), (uint32_t)(r >> 8) % 5},
                        (uint32_t)(r >> 16) % BUCKETS,
                        1 + (uint32_t)(r >> 24) % 3,
                        (double)(r >> 32 & 0xffff) / 16};
    }
}

static void feed(stage *s, groups *g, const row *rows, uint32_t from, uint32_t end)
{
    static uint32_t keys[2][ROWS], cells[ROWS], weights[ROWS];
    static double values[ROWS];
    uint32_t n = end - from;
    for (uint32_t i = 0; i < n; i++) {
        for (uint32_t b = 0; b < g->key_count; b++)
            keys[b][i] = s->numbers[b][rows[from + i].key[b]];
        weights[i] = rows[from + i].weight;
        values[i] = rows[from + i].v;
    }
    const uint32_t *both[] = {keys[0], keys[1]};
    assert_true(groups_put_rows(g, both, n, cells));
    for (uint32_t i = 0; i < n; i++)
        cells[i] = cells[i] * g->buckets.count + (g->buckets.count > 1 ? rows[from + i].bucket : 0);
    for (uint32_t i = 0; i < g->state_count; i++)
        agg_update(&g->states[i].states, &(agg_run){.count = n,
                                                    .cells = cells,
                                                    .weights = weights,
                                                    .kind = AGG_VALUES_FLOATS,
                                                    .floats = values});
}

/* What COUNT and MAX of rows are; count 0: none. */
typedef struct plain {
    uint64_t count;
    double max;
} plain;

static plain plain_of(const row *rows, const uint32_t *key, uint32_t breakdowns, int bucket)
{
    plain p = {0, 0};
    for (uint32_t i = 0; i < ROWS; i++) {
        if (bucket >= 0 && rows[i].bucket != (uint32_t)bucket)
            continue;
        if (key && breakdowns &&
            (rows[i].key[0] != key[0] || (breakdowns > 1 && rows[i].key[1] != key[1])))
            continue;
        p.max = p.count && p.max > rows[i].v ? p.max : rows[i].v;
        p.count += rows[i].weight;
    }
    return p;
}

static void key_of(const result_row *r, uint32_t breakdowns, uint32_t key[2])
{
    for (uint32_t b = 0; b < breakdowns; b++) {
        uint64_t number = 0;
        if (r->keys[b].kind != RESULT_NULL)
            assert_true(span_to_u64(span_from(r->keys[b].text, 1), &number));
        key[b] = (uint32_t)number;
    }
}

static void check_values(const result_value *calcs, plain want)
{
    assert_int_equal(calcs[0].kind, RESULT_INT);
    assert_int_equal(calcs[0].i, want.count);
    assert_int_equal(calcs[1].kind, want.count ? RESULT_NUMBER : RESULT_NULL);
    if (want.count)
        check_near(calcs[1].f, want.max, 0);
}

static void check_result(const stage *s, const row *rows, const result *r, uint32_t limit)
{
    uint32_t breakdowns = s->plan.breakdown_count, key[2] = {0, 0};
    assert_true(r->row_count <= limit);
    for (uint32_t i = 0; i < r->row_count; i++) {
        key_of(&r->rows[i], breakdowns, key);
        check_values(r->rows[i].calcs, plain_of(rows, key, breakdowns, -1));
        assert_true(i == 0 || result_compare_rows(&s->plan, &r->rows[i - 1], &r->rows[i]) < 0);
    }
    uint32_t points = 0;
    for (uint32_t b = 0; b < BUCKETS; b++)
        for (uint32_t i = 0; i < r->row_count; i++) {
            key_of(&r->rows[i], breakdowns, key);
            plain want = plain_of(rows, key, breakdowns, (int)b);
            if (!want.count)
                continue;
            assert_true(points < r->series_count);
            assert_true(r->series[points].time_ns ==
                        s->buckets.start_ns + b * s->buckets.granularity_ns);
            assert_int_equal(result_compare_keys(&s->plan, r->series[points].keys, r->rows[i].keys),
                             0);
            check_values(r->series[points++].calcs, want);
        }
    assert_int_equal(points, r->series_count);
    check_values(r->total, plain_of(rows, NULL, 0, -1));
}

/* One result by `workers` tables merged. */
static void make_result(stage *s, const row *rows, uint32_t workers, result *ret)
{
    groups all;
    finish_choice choice;
    err e;
    assert_true(groups_init(&all, &s->plan, NULL, &s->buckets, s->keys, &s->budget));
    for (uint32_t w = 0; w < workers; w++) {
        groups g;
        assert_true(groups_init(&g, &s->plan, NULL, &s->buckets, s->keys, &s->budget));
        feed(s, &g, rows, ROWS * w / workers, ROWS * (w + 1) / workers);
        assert_true(groups_merge(&all, &g));
        groups_done(&g);
    }
    check_ok(finish_choose(&all, s->mem, &choice, &e), &e);
    check_ok(finish_result(&all, &choice, NULL, s->mem, ret, &e), &e);
    groups_done(&all);
}

static void results_match(void **state)
{
    static const struct {
        const char *name;
        uint32_t breakdowns, limit;
    } rows_of[] = {
        {"COUNT, MAX(x) SINCE 1700000000 UNTIL 1700000040 EVERY 10s", 0, 1},
        {"COUNT, MAX(x) GROUP BY a SINCE 1700000000 UNTIL 1700000040 EVERY 10s", 1, 100},
        {"COUNT, MAX(x) GROUP BY a LIMIT 7 SINCE 1700000000 UNTIL 1700000040 EVERY 10s", 1, 7},
        {"COUNT, MAX(x) GROUP BY a, b LIMIT 50 SINCE 1700000000 UNTIL 1700000040 EVERY 10s", 2, 50},
        {"COUNT, MAX(x) GROUP BY b, a ORDER BY MAX(x) ASC, a DESC LIMIT 20 SINCE 1700000000 UNTIL "
         "1700000040 EVERY 10s",
         2, 20},
        {"COUNT, MAX(x) GROUP BY a ORDER BY a DESC LIMIT 5 SINCE 1700000000 UNTIL 1700000040 EVERY "
         "10s",
         1, 5},
    };
    static row rows[ROWS];
    uint64_t seed = 3;
    EACH_ROW(at, rows_of)
    {
        random_rows(&seed, rows);
        if (at->breakdowns == 2 && strstr(at->name, "b, a"))
            for (uint32_t i = 0; i < ROWS; i++)
                rows[i].key[0] %= 5;
        for (uint32_t workers = 1; workers < 4; workers++) {
            stage s;
            result r;
            stage_open(&s, at->name, at->breakdowns);
            make_result(&s, rows, workers, &r);
            check_result(&s, rows, &r, at->limit);
            assert_int_equal(r.has_other, r.group_count > r.row_count);
            if (at->breakdowns == 0)
                assert_int_equal(r.row_count, 1);
            stage_close(&s);
        }
    }
}

static void having_and_other_divide(void **state)
{
    static row rows[ROWS];
    uint64_t seed = 4, shown = 0, dropped = 0;
    uint32_t passing = 0;
    random_rows(&seed, rows);
    stage s;
    result r;
    stage_open(&s,
               "COUNT, MAX(x) GROUP BY a HAVING COUNT >= 195 LIMIT 3 SINCE 1700000000 UNTIL "
               "1700000040 EVERY 10s",
               1);
    make_result(&s, rows, 2, &r);
    for (uint32_t k = 0; k < 31; k++) {
        plain p = plain_of(rows, (uint32_t[]){k, 0}, 1, -1);
        passing += p.count >= 195;
        dropped += p.count >= 195 ? 0 : p.count;
    }
    for (uint32_t i = 0; i < r.row_count; i++)
        shown += (uint64_t)r.rows[i].calcs[0].i;
    assert_true(passing > 3 && dropped > 0);
    assert_int_equal(r.group_count, passing);
    assert_int_equal(r.row_count, 3);
    assert_true(r.has_other);
    assert_true((uint64_t)r.other[0].i == (uint64_t)r.total[0].i - shown - dropped);
    stage_close(&s);
}

static void keys_are_shown_as_what_they_were(void **state)
{
    agg_budget budget = {.max_bytes = MIB};
    arena *mem = arena_new(MIB);
    group_keys *k = group_keys_new(1, &budget);
    group_keys_begin(k, 0);
    uint32_t text = group_keys_text(k, 0, SPAN("200"), GROUP_KEY_TEXT, true);
    assert_int_equal(group_keys_text(k, 0, SPAN("200"), GROUP_KEY_NUMBER, true), text);
    uint32_t word = group_keys_text(k, 0, SPAN("true"), GROUP_KEY_TEXT, true);
    uint32_t empty = group_keys_text(k, 0, SPAN(""), GROUP_KEY_TEXT, true);
    uint32_t fraction = group_keys_text(k, 0, SPAN("1.5"), GROUP_KEY_NUMBER, false);
    uint32_t odd = group_keys_text(k, 0, SPAN("nan"), GROUP_KEY_NUMBER, false);
    uint32_t trace;
    assert_true(group_keys_trace_ids(k, 0, &(trace_id){0, 0x5}, 1, &trace));
    uint32_t id = group_keys_span_id(k, 0, 0x5);
    group_keys_end(k, 0);
    assert_true(trace != id);
    assert_int_equal(group_keys_value(k, 0, GROUP_KEY_ABSENT, mem).kind, RESULT_NULL);
    assert_true(group_keys_value(k, 0, text, mem).kind == RESULT_INT &&
                group_keys_value(k, 0, text, mem).i == 200);
    assert_int_equal(group_keys_value(k, 0, word, mem).kind, RESULT_TEXT);
    group_keys_begin(k, 0);
    assert_int_equal(group_keys_text(k, 0, SPAN("true"), GROUP_KEY_BOOL, true), word);
    group_keys_end(k, 0);
    assert_true(group_keys_value(k, 0, word, mem).kind == RESULT_BOOL &&
                group_keys_value(k, 0, word, mem).b);
    check_text(group_keys_value(k, 0, empty, mem).text, "");
    assert_true(group_keys_value(k, 0, fraction, mem).kind == RESULT_NUMBER);
    check_text(group_keys_value(k, 0, odd, mem).text, "nan");
    check_text(group_keys_value(k, 0, trace, mem).text, "0000000000000005");
    group_keys_free(k);
    assert_int_equal(budget.used_bytes, 0);
    arena_free(mem);
}

static void memory_may_run_out(void **state)
{
    static row rows[ROWS];
    uint64_t seed = 5;
    random_rows(&seed, rows);
    EACH_ALLOC_FAILURE(n)
    {
        alloc_fail_at(-1, false);
        stage s;
        stage_open(&s, "COUNT, P90(x) GROUP BY a, b SINCE 1700000000 UNTIL 1700000040 EVERY 10s",
                   2);
        alloc_fail_at(n, false);
        groups g;
        finish_choice choice;
        result r;
        err e;
        uint32_t cells[64], keys[2][64];
        bool is_done = groups_init(&g, &s.plan, NULL, &s.buckets, s.keys, &s.budget);
        for (uint32_t i = 0; i < 64; i++)
            for (uint32_t b = 0; b < 2; b++)
                keys[b][i] = s.numbers[b][rows[i].key[b]];
        is_done = is_done && groups_put_rows(&g, (const uint32_t *[]){keys[0], keys[1]}, 64, cells);
        sk_code code =
            is_done ? finish_choose(&g, s.mem, &choice, &e) : finish_budget_error(&s.budget, &e);
        if (code == SK_OK)
            code = finish_result(&g, &choice, NULL, s.mem, &r, &e);
        assert_int_equal(code != SK_OK, alloc_did_fail());
        bool did_fail = alloc_did_fail();
        groups_done(&g);
        stage_close(&s);
        assert_true(did_fail == alloc_did_fail());
    }
}

TEST_GROUP(query_groups, TEST(results_match), TEST(having_and_other_divide),
           TEST(keys_are_shown_as_what_they_were), TEST(memory_may_run_out));
