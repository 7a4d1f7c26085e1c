/*
 * query/ops.c: the words of questions: one row per calculation and per filter operator. Read by
 * both forms of the spec, by the planner and by completion in the terminal. Never: allocates. Names
 * are Honeycomb's (honeycomb.md §4.3, §4.4) and part of our API: they do not change.
 */
#include "base/must.h"
#include "query/spec_private.h"

typedef struct calc_row {
    const char *name;
    calc_column column;
    double quantile; /* 0: not a percentile */
} calc_row;

static const calc_row calc_rows[CALC_OP_COUNT] = {
    [CALC_COUNT] = {"COUNT", CALC_COLUMN_OPTIONAL, 0},
    [CALC_CONCURRENCY] = {"CONCURRENCY", CALC_COLUMN_NONE, 0},
    [CALC_SUM] = {"SUM", CALC_COLUMN_NEEDED, 0},
    [CALC_AVG] = {"AVG", CALC_COLUMN_NEEDED, 0},
    [CALC_COUNT_DISTINCT] = {"COUNT_DISTINCT", CALC_COLUMN_NEEDED, 0},
    [CALC_MAX] = {"MAX", CALC_COLUMN_NEEDED, 0},
    [CALC_MIN] = {"MIN", CALC_COLUMN_NEEDED, 0},
    [CALC_P001] = {"P001", CALC_COLUMN_NEEDED, 0.001},
    [CALC_P01] = {"P01", CALC_COLUMN_NEEDED, 0.01},
    [CALC_P05] = {"P05", CALC_COLUMN_NEEDED, 0.05},
    [CALC_P10] = {"P10", CALC_COLUMN_NEEDED, 0.10},
    [CALC_P20] = {"P20", CALC_COLUMN_NEEDED, 0.20},
    [CALC_P25] = {"P25", CALC_COLUMN_NEEDED, 0.25},
    [CALC_P50] = {"P50", CALC_COLUMN_NEEDED, 0.50},
    [CALC_P75] = {"P75", CALC_COLUMN_NEEDED, 0.75},
    [CALC_P80] = {"P80", CALC_COLUMN_NEEDED, 0.80},
    [CALC_P90] = {"P90", CALC_COLUMN_NEEDED, 0.90},
    [CALC_P95] = {"P95", CALC_COLUMN_NEEDED, 0.95},
    [CALC_P99] = {"P99", CALC_COLUMN_NEEDED, 0.99},
    [CALC_P999] = {"P999", CALC_COLUMN_NEEDED, 0.999},
    [CALC_HEATMAP] = {"HEATMAP", CALC_COLUMN_NEEDED, 0},
    [CALC_RATE_AVG] = {"RATE_AVG", CALC_COLUMN_NEEDED, 0},
    [CALC_RATE_SUM] = {"RATE_SUM", CALC_COLUMN_NEEDED, 0},
    [CALC_RATE_MAX] = {"RATE_MAX", CALC_COLUMN_NEEDED, 0},
};

typedef struct filter_row {
    const char *name;
    bool is_negative;
    bool is_order;
} filter_row;

static const filter_row filter_rows[FILTER_OP_COUNT] = {
    [FILTER_EQ] = {"=", false, false},
    [FILTER_NE] = {"!=", true, false},
    [FILTER_GT] = {">", false, true},
    [FILTER_GE] = {">=", false, true},
    [FILTER_LT] = {"<", false, true},
    [FILTER_LE] = {"<=", false, true},
    [FILTER_STARTS_WITH] = {"starts-with", false, false},
    [FILTER_NOT_STARTS_WITH] = {"does-not-start-with", true, false},
    [FILTER_ENDS_WITH] = {"ends-with", false, false},
    [FILTER_NOT_ENDS_WITH] = {"does-not-end-with", true, false},
    [FILTER_CONTAINS] = {"contains", false, false},
    [FILTER_NOT_CONTAINS] = {"does-not-contain", true, false},
    [FILTER_EXISTS] = {"exists", false, false},
    [FILTER_NOT_EXISTS] = {"does-not-exist", true, false},
    [FILTER_IN] = {"in", false, false},
    [FILTER_NOT_IN] = {"not-in", true, false},
};

const char *calc_op_name(calc_op op)
{
    must(op < CALC_OP_COUNT);
    return calc_rows[op].name;
}

const char *filter_op_name(filter_op op)
{
    must(op < FILTER_OP_COUNT);
    return filter_rows[op].name;
}

bool calc_op_parse(span name, calc_op *ret)
{
    for (unsigned op = 0; op < CALC_OP_COUNT; op++)
        if (span_equal_nocase(name, span_text(calc_rows[op].name))) {
            *ret = (calc_op)op;
            return true;
        }
    return false;
}

bool filter_op_parse(span name, filter_op *ret)
{
    for (unsigned op = 0; op < FILTER_OP_COUNT; op++)
        if (span_equal_nocase(name, span_text(filter_rows[op].name))) {
            *ret = (filter_op)op;
            return true;
        }
    return false;
}

typedef struct later_row {
    const char *name, *instead;
} later_row;

static const char *find_later(const later_row *rows, size_t count, span name)
{
    for (size_t i = 0; i < count; i++)
        if (span_equal_nocase(name, span_text(rows[i].name)))
            return rows[i].instead;
    return NULL;
}

const char *spec__later_calc(span name)
{
    static const later_row rows[] = {
        {"COUNT_DATAPOINTS", "; COUNT counts the data points of a metrics dataset"},
        {"HISTOGRAM_COUNT", ""}};
    return find_later(rows, COUNT_OF(rows), name);
}

const char *spec__later_filter(span name)
{
    static const later_row rows[] = {{"search", "; contains looks into one field"},
                                     {"in-result", ""},
                                     {"not-in-result", ""},
                                     {"join-result", ""}};
    return find_later(rows, COUNT_OF(rows), name);
}

bool calc_op_percentile(calc_op op, double *ret_quantile)
{
    must(op < CALC_OP_COUNT);
    if (calc_rows[op].quantile == 0)
        return false;
    *ret_quantile = calc_rows[op].quantile;
    return true;
}

calc_column calc_op_column(calc_op op)
{
    must(op < CALC_OP_COUNT);
    return calc_rows[op].column;
}

bool filter_op_is_negative(filter_op op)
{
    must(op < FILTER_OP_COUNT);
    return filter_rows[op].is_negative;
}

bool filter_op_is_order(filter_op op)
{
    must(op < FILTER_OP_COUNT);
    return filter_rows[op].is_order;
}
