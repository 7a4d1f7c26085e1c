/*
 * What becomes of counts: fields are ranked by what chance does not explain, suspects by where time is lost, words by traces.
 */
#include <math.h>
#include <stdio.h>

#include "check.h"
#include "query/differences.h"

static const differ_totals even = {{1000, 1000}, {1000, 1000}, {1000, 1000}};

static differ_input input_of(const char *name, differ_value *values, uint32_t count)
{
    differ_input in = {.name = span_text(name), .values = values, .value_count = count};
    for (uint32_t i = 0; i < count; i++)
        for (uint32_t side = 0; side < DIFFER_SIDES; side++)
            in.weight[side] = in.rows[side] += values[i].weight[side];
    return in;
}

static void fields_are_ranked_by_what_chance_does_not_explain(void **state)
{
    arena *mem = arena_new(64 * MIB);
    differ_value builds[] = {{.text = SPAN("7711"), .weight = {80, 960}},
                             {.text = SPAN("7712"), .weight = {920, 40}}};
    differ_value copies[] = {{.text = SPAN("b"), .weight = {920, 40}},
                             {.text = SPAN("a"), .weight = {80, 960}}};
    differ_value rare[] = {{.text = SPAN("x"), .weight = {10, 0}}};
    differ_value one[] = {{.text = SPAN("only"), .weight = {1000, 1000}}};
    differ_value follows[] = {{.text = SPAN("in"), .weight = {1000, 0}}};
    differ_value noise[400], ids[1000];
    char texts[1400][8];
    for (uint32_t i = 0; i < 1400; i++)
        snprintf(texts[i], sizeof texts[i], "v%u", i);
    for (uint32_t i = 0; i < 400; i++)
        noise[i] = (differ_value){.text = span_text(texts[i]), .weight = {i % 6, i / 6 % 6}};
    for (uint32_t i = 0; i < 1000; i++)
        ids[i] = (differ_value){.text = span_text(texts[i]), .weight = {i & 1, !(i & 1)}};
    differ_input inputs[] = {input_of("noise", noise, 400), input_of("build", builds, 2),
                             input_of("copy", copies, 2),   input_of("rare", rare, 1),
                             input_of("one", one, 1),       input_of("id", ids, 1000),
                             input_of("chosen", follows, 1)};
    inputs[6].follows = true;
    differ_list l;
    err e;
    check_ok(differ_fields(inputs, COUNT_OF(inputs), &even, 0, mem, &l, &e), &e);
    assert_int_equal(l.count, 4);
    check_text(l.fields[0].name, "build");
    check_text(l.fields[0].sentence, "build = 7712 is 92 % of the selection, 4 % of the baseline");
    check_text(l.fields[0].alike[0], "copy");
    check_text(l.fields[0].values[0].text, "7711");
    assert_true(fabs(l.fields[0].divergence - 0.6748223) < 1e-6);
    check_text(l.fields[3].name, "chosen"); /* the best score, but it follows */
    assert_true(l.fields[3].score > l.fields[0].score);
    for (uint32_t i = 1; i < 3; i++)
        assert_true(l.fields[i].score < 0.02);
    assert_int_equal(l.dropped_count, 2);
    check_text(l.dropped[0].name, "id");
    check_text(l.dropped[1].name, "one");
    assert_int_equal(l.dropped[0].dropped, DROP_UNIQUE);
    assert_int_equal(l.dropped[1].dropped, DROP_CONSTANT);
    arena_free(mem);
}

static void numbers_become_ranges(void **state)
{
    arena *mem = arena_new(64 * MIB);
    differ_value values[200];
    differ_input in;
    differ_list l;
    err e;
    for (uint32_t i = 0; i < 200; i++)
        values[199 - i] = (differ_value){
            .is_number = true, .low = i, .high = i, .weight = {i < 100 ? 1 : 9, i < 100 ? 9 : 1}};
    in = input_of("ms", values, 200);
    check_ok(differ_fields(&in, 1, &even, 0, mem, &l, &e), &e);
    assert_int_equal(l.count, 1);
    assert_true(l.fields[0].is_ranges && l.fields[0].value_count == 32);
    uint64_t sums[DIFFER_SIDES] = {0};
    for (uint32_t i = 0; i < 32; i++) {
        assert_true(i == 0 || l.fields[0].values[i].low > l.fields[0].values[i - 1].high);
        for (uint32_t side = 0; side < DIFFER_SIDES; side++)
            sums[side] += l.fields[0].values[i].weight[side];
    }
    assert_true(sums[0] == 1000 && sums[1] == 1000);
    check_text(l.fields[0].sentence, "ms >= 100 is 90 % of the selection, 10 % of the baseline");
    double low, high;
    for (double v = -1e9; v < 1e9; v = v < -1e-9 ? v / 7 : v < 1e-9 ? v + 1e-9 : v * 7) {
        differ_bucket_range(differ_bucket(v), &low, &high);
        assert_true(low <= v && v < high);
    }
    arena_free(mem);
}

static void mixed_values_are_texts(void **state)
{
    arena *mem = arena_new(64 * MIB);
    differ_value values[] = {{.is_number = true, .low = 200, .high = 200, .weight = {300, 400}},
                             {.text = SPAN("200"), .weight = {300, 400}},
                             {.text = SPAN("none"), .weight = {400, 200}}};
    differ_input in = input_of("status", values, 3);
    differ_list l;
    err e;
    check_ok(differ_fields(&in, 1, &even, 0, mem, &l, &e), &e);
    assert_int_equal(l.fields[0].distinct, 2);
    assert_int_equal(l.fields[0].value_count, 2);
    arena_free(mem);
}

/* Few rows prove little: the same shares of 12 rows score nothing. */
static void small_samples_say_little(void **state)
{
    arena *mem = arena_new(64 * MIB);
    static const differ_totals few = {{6, 6}, {600, 600}, {60000, 60000}};
    differ_value values[] = {{.text = SPAN("a"), .weight = {400, 200}},
                             {.text = SPAN("b"), .weight = {200, 400}}};
    differ_input in = input_of("x", values, 2);
    differ_list l;
    err e;
    check_ok(differ_fields(&in, 1, &few, 0, mem, &l, &e), &e);
    assert_true(l.fields[0].score == 0 && l.fields[0].expected > l.fields[0].divergence);
    static const differ_totals many = {{600, 600}, {600, 600}, {600, 600}};
    check_ok(differ_fields(&in, 1, &many, 0, mem, &l, &e), &e);
    assert_true(l.fields[0].score > 0.05);
    arena_free(mem);
}

/* ---- suspects: texts are one letter ---- */

static span letter(void *ctx, uint32_t number)
{
    return span_of((const char *)ctx + number - 1, 1);
}

static differ_cell cell(differ_kind kind, char caller, char service, char name, double selected_ms,
                        double baseline_ms, uint64_t rows)
{
    differ_cell c = {.kind = kind,
                     .caller = caller ? (uint32_t)(caller - 'a') + 1 : 0,
                     .service = (uint32_t)(service - 'a') + 1,
                     .name = (uint32_t)(name - 'a') + 1};
    const double ms[] = {selected_ms, baseline_ms};
    for (uint32_t side = 0; side < DIFFER_SIDES; side++) {
        c.rows[side] = c.weight[side] = c.timed_rows[side] = c.timed_weight[side] = rows;
        c.us[side] = (uint64_t)(ms[side] * 1e3) * rows;
        int64_t one = differ_log((int64_t)(ms[side] * 1e6));
        c.logs[side] = one * (int64_t)rows;
        c.squares[side] =
            (uint64_t)(one >> DIFFER_SQUARE_SHIFT) * (uint64_t)(one >> DIFFER_SQUARE_SHIFT) * rows;
    }
    return c;
}

static differ_suspects suspects_of(const differ_cell *cells, uint32_t count, arena *mem)
{
    static char letters[] = "abcdefghijklmnopqrstuvwxyz";
    differ_suspects ret;
    err e;
    check_ok(differ_suspects_of(cells, count, letter, letters, mem, &ret, &e), &e);
    return ret;
}

static void who_waits_is_not_blamed(void **state)
{
    arena *mem = arena_new(64 * MIB);
    /* a calls b and c; both call d, and all ways to d are slow. */
    const differ_cell cells[] = {cell(DIFFER_BETWEEN, 'a', 'b', 'x', 3, 3, 100),
                                 cell(DIFFER_BETWEEN, 'a', 'c', 'x', 3, 3, 100),
                                 cell(DIFFER_BETWEEN, 'b', 'd', 'y', 200, 2, 100),
                                 cell(DIFFER_BETWEEN, 'c', 'd', 'y', 200, 2, 100)};
    differ_suspects s = suspects_of(cells, COUNT_OF(cells), mem);
    check_text(s.suspects[0].service, "d");
    assert_true(s.suspects[0].between > 3.5 && !s.suspects[0].is_weak);
    assert_true(s.suspects[0].share > 0.9);
    assert_true(s.count == 1 || s.suspects[1].score < 0.3);
    check_text(s.suspects[0].operation.name, "y");
    /* a's ways to b, c and d are all slow: it is a. */
    const differ_cell caller[] = {cell(DIFFER_BETWEEN, 'a', 'b', 'x', 90, 2, 100),
                                  cell(DIFFER_BETWEEN, 'a', 'c', 'x', 90, 2, 100),
                                  cell(DIFFER_BETWEEN, 'a', 'd', 'y', 90, 2, 100),
                                  cell(DIFFER_BETWEEN, 'b', 'd', 'y', 2, 2, 100)};
    s = suspects_of(caller, COUNT_OF(caller), mem);
    check_text(s.suspects[0].service, "a");
    arena_free(mem);
}

static void operations_are_compared_with_themselves(void **state)
{
    arena *mem = arena_new(64 * MIB);
    /* Of the slow operation there are many more in the selection, but it takes as long as ever. */
    differ_cell cells[] = {cell(DIFFER_OWN, 0, 'a', 'q', 500, 500, 100),
                           cell(DIFFER_OWN, 0, 'a', 'r', 1, 1, 100),
                           cell(DIFFER_OWN, 0, 'b', 's', 9, 3, 100)};
    for (uint32_t k = 0; k < 1; k++) {
        cells[k].timed_rows[1] = cells[k].timed_weight[1] = 10;
        cells[k].logs[1] /= 10;
        cells[k].squares[1] /= 10;
        cells[k].us[1] /= 10;
    }
    differ_suspects s = suspects_of(cells, COUNT_OF(cells), mem);
    assert_int_equal(s.count, 1);
    check_text(s.suspects[0].service, "b");
    /* Ten quick statements instead of one: only the visit shows it. */
    const differ_cell visits[] = {cell(DIFFER_OWN, 0, 'a', 'q', 2, 2, 1000),
                                  cell(DIFFER_VISIT, 0, 'a', 'r', 30, 4, 100)};
    s = suspects_of(visits, COUNT_OF(visits), mem);
    assert_int_equal(s.count, 1);
    assert_true(s.suspects[0].own > 1.3);
    arena_free(mem);
}

static void errors_are_blamed(void **state)
{
    arena *mem = arena_new(64 * MIB);
    differ_cell cells[] = {cell(DIFFER_OWN, 0, 'a', 'q', 2, 2, 100),
                           cell(DIFFER_OWN, 0, 'b', 'r', 2, 2, 100)};
    cells[1].errors[DIFFER_SELECTION] = 60;
    cells[0].errors[0] = cells[0].errors[1] = 50; /* it always does */
    differ_suspects s = suspects_of(cells, COUNT_OF(cells), mem);
    check_text(s.suspects[0].service, "b");
    assert_true(s.suspects[0].errors > 1);
    assert_true(s.count == 1 || s.suspects[1].score < 0.01);
    arena_free(mem);
}

static void words_are_cut_and_ranked(void **state)
{
    arena *mem = arena_new(64 * MIB);
    static const char *const want[] = {"INFO", "c.s.Contacts#34", "TraceID", "findById", "Find"};
    span line = SPAN("16:42:10.362 INFO  c.s.Contacts#34 TraceID: 9a0f3c77aa01b2c3 [findById][Find "
                     "7a] ab {77}"),
         word;
    for (size_t i = 0; i < COUNT_OF(want); i++) {
        assert_true(differ_next_word(&line, &word));
        check_text(word, want[i]);
    }
    assert_false(differ_next_word(&line, &word));
    differ_word words[] = {
        {.service = SPAN("a"), .word = SPAN("gone"), .with = {1, 113}, .all = {20, 113}},
        {.service = SPAN("a"), .word = SPAN("same"), .with = {10, 60}, .all = {20, 113}},
        {.service = SPAN("b"), .word = SPAN("new"), .with = {5, 0}, .all = {53, 570}}};
    differ_words l;
    err e;
    check_ok(differ_words_of(words, COUNT_OF(words), mem, &l, &e), &e);
    assert_int_equal(l.count, 2);
    check_text(l.words[0].word, "gone");
    assert_true(l.words[0].strength > 10 && l.words[0].strength < 10.2);
    check_text(l.words[1].word, "new");
    arena_free(mem);
}

TEST_GROUP(query_differences, TEST(fields_are_ranked_by_what_chance_does_not_explain),
           TEST(numbers_become_ranges), TEST(mixed_values_are_texts),
           TEST(small_samples_say_little), TEST(who_waits_is_not_blamed),
           TEST(operations_are_compared_with_themselves), TEST(errors_are_blamed),
           TEST(words_are_cut_and_ranked));
