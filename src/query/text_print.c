/*
 * query/text_print.c: a spec as query text: one line, clauses in the grammar's order, reads back as
 * an equal tree. Called by the routes (every answer shows its question), saved queries and the
 * terminal. Never: leaves a name unquoted that the parser would read as something else.
 */
#include "base/clock.h"
#include "query/spec_private.h"
#include "query/text_lexer.h"
#include "wire/json.h"

static void print_quoted(span text, buf *out)
{
    json_writer w = {.out = out};
    jw_string(&w, text);
}

static void print_name(span name, buf *out)
{
    if (text_is_bare_name(name))
        buf_add_span(out, name);
    else
        print_quoted(name, out);
}

static void print_calc(calc_op op, span of, buf *out)
{
    buf_add_text(out, calc_op_name(op));
    if (of.at) {
        buf_add_text(out, "(");
        print_name(of, out);
        buf_add_text(out, ")");
    }
}

static void print_value(value v, buf *out)
{
    char digits[40];
    switch (v.type) {
    case FIELD_STRING:
    case FIELD_HISTOGRAM: print_quoted(v.text, out); return;
    case FIELD_FLOAT: buf_add(out, digits, spec__print_float(v.f, digits)); return;
    case FIELD_INT:
    case FIELD_BOOL: buf_add_span(out, value_text(v, digits)); return;
    case FIELD_TYPE_COUNT: break;
    }
}

/* Starts a clause: a space before it unless it is the first thing. */
static void print_clause(const char *keyword, buf *out)
{
    if (out->len)
        buf_add_text(out, " ");
    buf_add_text(out, keyword);
}

static void print_filter(const spec_filter *f, buf *out)
{
    print_name(f->column, out);
    buf_add_text(out, " ");
    buf_add_text(out, filter_op_name(f->op));
    if (f->op == FILTER_IN || f->op == FILTER_NOT_IN) {
        buf_add_text(out, " (");
        for (uint32_t i = 0; i < f->value_count; i++) {
            buf_add_text(out, i ? ", " : "");
            print_value(f->values[i], out);
        }
        buf_add_text(out, ")");
    } else if (f->value_count) {
        buf_add_text(out, " ");
        print_value(f->values[0], out);
    }
}

static void print_asked(const query_spec *s, buf *out)
{
    for (uint32_t i = 0; i < s->calc_count; i++) {
        buf_add_text(out, i ? ", " : "");
        print_calc(s->calcs[i].op, s->calcs[i].column, out);
    }
    if (s->dataset.at) {
        print_clause("FROM ", out);
        print_name(s->dataset, out);
    }
    for (uint32_t i = 0; i < s->filter_count; i++) {
        print_clause(i == 0 ? "WHERE " : s->filters_or ? "OR " : "AND ", out);
        print_filter(&s->filters[i], out);
    }
    for (uint32_t i = 0; i < s->breakdown_count; i++) {
        if (i == 0)
            print_clause("GROUP BY ", out);
        else
            buf_add_text(out, ", ");
        print_name(s->breakdowns[i], out);
    }
}

static void print_shown(const query_spec *s, buf *out)
{
    for (uint32_t i = 0; i < s->having_count; i++) {
        const spec_having *h = &s->havings[i];
        char digits[32];
        print_clause(i == 0 ? "HAVING " : "AND ", out);
        print_calc(h->op, h->column, out);
        buf_print(out, " %s ", filter_op_name(h->compare));
        buf_add(out, digits, json_print_double(h->value, digits));
    }
    for (uint32_t i = 0; i < s->order_count; i++) {
        const spec_order *o = &s->orders[i];
        if (i == 0)
            print_clause("ORDER BY ", out);
        else
            buf_add_text(out, ", ");
        if (o->has_op)
            print_calc(o->op, o->column, out);
        else
            print_name(o->column, out);
        if (o->descending)
            buf_add_text(out, " DESC");
    }
    if (s->limit) {
        print_clause("LIMIT ", out);
        buf_print(out, "%u", s->limit);
    }
}

static void print_instant(const char *clause, int64_t seconds, buf *out)
{
    char text[36];
    print_clause(clause, out);
    buf_add(out, text, clock_print_rfc3339(seconds * NS_PER_S, text));
}

static void print_span_of_time(const char *clause, int64_t seconds, buf *out)
{
    print_clause(clause, out);
    text_print_duration(seconds, out);
}

void spec_to_text(const query_spec *s, buf *out)
{
    buf text; /* apart, as the first clause is known by an empty text */
    buf_init(&text, out->max_bytes);
    print_asked(s, &text);
    print_shown(s, &text);
    if (s->has_start)
        print_instant("SINCE ", s->start_s, &text);
    if (s->has_end)
        print_instant("UNTIL ", s->end_s, &text);
    if (s->has_range)
        print_span_of_time(s->has_start || s->has_end ? "FOR " : "SINCE ", s->range_s, &text);
    if (s->granularity_s)
        print_span_of_time("EVERY ", s->granularity_s, &text);
    if (s->compare_offset_s)
        print_span_of_time("COMPARE ", s->compare_offset_s, &text);
    if (text.failed)
        out->failed = true;
    else
        buf_add_span(out, buf_span(&text));
    buf_done(&text);
}
