/*
 * tests/unit/cli_chart.c: lines, heatmaps and sparks from fixed numbers.
 */
#include <math.h>

#include "cli/chart.h"
#include "cli_fixed.h"

static const chart_time two_hours = {1795334400 * NS_PER_S, 1795341600 * NS_PER_S, 8};

static void a_line_rises_and_breaks(void **state)
{
    arena *mem = arena_new(1 * MIB);
    term t = fixed_term(30, false);
    const double values[] = {0, 1, 2, 3, NAN, 4, 4, 0};
    const chart_line line = {SPAN(""), values};
    chart_lines(&t, mem, SPAN("COUNT"), &line, 1, &two_hours, form_number);
    check_printed(&t, "COUNT\n"
                      "        4             ******\n"
                      "                           *\n"
                      "                 ***       *\n"
                      "                 *         *\n"
                      "               ***         *\n"
                      "               *           *\n"
                      "               *           *\n"
                      "            ****           *\n"
                      "            *              *\n"
                      "        0 ***              ***\n"
                      "          2026-11-22 08:00:00 2026-11-22 10:00:00\n");
    fixed_done(&t);
    arena_free(mem);
}

static void braille_has_its_dots(void **state)
{
    arena *mem = arena_new(1 * MIB);
    term t = fixed_term(30, true);
    const double values[] = {5, 5, 5, 5, 5, 5, 5, 5};
    const chart_line line = {SPAN("web"), values};
    chart_lines(&t, mem, SPAN("P50(d)"), &line, 1, &two_hours, form_number);
    assert_non_null(
        strstr((const char *)t.text.at, "\xe2\xa0\x89\xe2\xa0\x89")); /* both upper dots */
    assert_false(has_printed(&t, "*"));
    fixed_done(&t);
    arena_free(mem);
}

static void groups_stand_below_each_other_without_color(void **state)
{
    arena *mem = arena_new(1 * MIB);
    term t = fixed_term(30, false);
    const double low[] = {1, 1, 1, 1, 1, 1, 1, 1}, high[] = {9, 9, 9, 9, 9, 9, 9, 9};
    const chart_line lines[] = {{SPAN("api"), low},
                                {SPAN("we\x1b"
                                      "b"),
                                 high}};
    chart_lines(&t, mem, SPAN("MAX(d)"), lines, 2, &two_hours, form_number);
    check_printed(&t, "MAX(d)\n"
                      "-- api\n"
                      "        1 ********************\n\n\n        0\n"
                      "-- we\\x1bb\n"
                      "        9 ********************\n\n\n        0\n"
                      "          2026-11-22 08:00:00 2026-11-22 10:00:00\n");
    fixed_done(&t);
    arena_free(mem);
}

static void a_heatmap_has_shades(void **state)
{
    arena *mem = arena_new(1 * MIB);
    term t = fixed_term(30, false);
    const chart_cell cells[] = {{0, 1, 2, 1000}, {0, 512, 1024, 1}, {7, 30, 34, 50}};
    chart_heatmap(&t, mem, SPAN("HEATMAP(d)"), cells, COUNT_OF(cells), &two_hours, form_number);
    assert_true(has_printed(&t, "##\n")); /* the darkest, at the low end */
    assert_true(has_printed(&t, "..\n"));
    assert_true(has_printed(&t, "                  OOO")); /* the last bucket */
    assert_true(has_printed(&t, "most: 1000 events in one cell; logarithmic scale"));
    buf_clear(&t.text);
    chart_heatmap(&t, mem, SPAN("HEATMAP(d)"), NULL, 0, &two_hours, form_number);
    check_printed(&t, "HEATMAP(d)\nno values\n");
    fixed_done(&t);
    arena_free(mem);
}

static void a_spark_fits_its_columns(void **state)
{
    arena *mem = arena_new(1 * MIB);
    const chart_cell cells[] = {{0, 0, 10, 1}, {0, 10, 20, 0}, {0, 20, 30, 100}, {0, 30, 40, 3}};
    const chart_scale on = chart_scale_of(cells, 4), wide = {-40, 40, false};
    check_text(chart_spark(cells, 4, &on, 4, false, mem), ". #:");
    check_text(chart_spark(cells, 4, &on, 4, true, mem), "\xe2\x96\x82 \xe2\x96\x88\xe2\x96\x83");
    check_text(chart_spark(cells, 1, &on, 4, false, mem), "#   ");
    check_text(chart_spark(cells, 4, &wide, 4, false, mem), "  .#");
    check_text(chart_spark(cells, 0, &on, 3, false, mem), "");
    arena_free(mem);
}

static void numbers_are_short(void **state)
{
    static const struct {
        double v;
        const char *text;
    } rows[] = {{0, "0"},           {12, "12"},        {9999, "9999"},      {12345, "12.3k"},
                {1.5e6, "1.5M"},    {2.5e11, "250G"},  {0.03456, "0.0346"}, {3.14159, "3.14"},
                {123.456, "123.5"}, {-20000, "-20.0k"}};
    char out[FORM_MAX];
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        check_text(span_of(out, form_number(rows[i].v, out)), rows[i].text);
}

TEST_GROUP(cli_chart, TEST(a_line_rises_and_breaks), TEST(braille_has_its_dots),
           TEST(groups_stand_below_each_other_without_color), TEST(a_heatmap_has_shades),
           TEST(a_spark_fits_its_columns), TEST(numbers_are_short));
