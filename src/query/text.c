/*
 * query/text.c: query text to spec, by recursive descent over text_lexer's tokens; the grammar with
 * examples is docs/query-text.md. Called by POST /skep/v1/query with "text" and by the terminal.
 * Clauses may come in any order. Every refusal has the offset of the token that it is about and
 * says what was expected there. Never: keeps a pointer into the text after return; resolves times
 * or fills defaults.
 */
#include <stdarg.h>
#include <stdio.h>

#include "base/clock.h"
#include "query/spec_private.h"
#include "query/suggest.h"
#include "query/text_lexer.h"

#define TEXT_MAX  (64 * KIB)
#define FOUND_MAX ((size_t)80) /* bytes of the text quoted in a refusal */

typedef struct text_reader {
    text_lexer l;
    arena *mem;
    err *e;
    query_spec *s;
    spec_list calcs, filters, breakdowns, orders, havings;
} text_reader;

/* ---- errors ---- */

static sk_code refuse_at(text_reader *r, size_t offset, const char *format, ...) format_like(3, 4);
static sk_code refuse_at(text_reader *r, size_t offset, const char *format, ...)
{
    char text[300];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    sk_code code = err_set(r->e, SK_BAD_INPUT, "%s", text);
    if (r->e)
        r->e->offset = offset;
    return code;
}

/* The current token is not what is `expected`; `hint` may be empty. */
static sk_code refuse(text_reader *r, const char *expected, const char *hint)
{
    const text_lexer *l = &r->l;
    if (l->kind == TEXT_BAD)
        return refuse_at(r, l->offset, "%s", l->why);
    if (l->kind == TEXT_END)
        return refuse_at(r, l->offset, "expected %s, found the end of the text%s", expected, hint);
    span found = span_first(span_of(l->all.at + l->offset, l->at - l->offset), FOUND_MAX);
    return refuse_at(r, l->offset, "expected %s, found %.*s%s", expected, SPAN_FMT(found), hint);
}

static sk_code refuse_near(text_reader *r, const char *expected,
                           const char *(*names)(size_t index, const void *ctx))
{
    char hint[64] = "";
    const char *near = r->l.kind == TEXT_WORD ? suggest_nearest(r->l.text, names, NULL) : NULL;
    if (near)
        snprintf(hint, sizeof hint, "; did you mean %s?", near);
    return refuse(r, expected, hint);
}

static sk_code too_many(text_reader *r)
{
    return refuse_at(r, r->l.offset, "at most %u are allowed in one list", SPEC_LIST_MAX);
}

static const char *calc_name_at(size_t index, const void *ctx)
{
    return index < CALC_OP_COUNT ? calc_op_name((calc_op)index) : NULL;
}

static const char *filter_name_at(size_t index, const void *ctx)
{
    return index < FILTER_OP_COUNT ? filter_op_name((filter_op)index) : NULL;
}

/* ---- small pieces: each starts at its first token and leaves at the token after it ---- */

/* Takes the current token if it is that keyword. */
static bool take_keyword(text_reader *r, const char *keyword)
{
    if (!text_is_keyword(&r->l, keyword))
        return false;
    text_next(&r->l);
    return true;
}

static bool take_kind(text_reader *r, text_kind kind)
{
    if (r->l.kind != kind)
        return false;
    text_next(&r->l);
    return true;
}

static sk_code take_text(text_reader *r, span *ret)
{
    if (r->l.text.len == 0)
        *ret = SPAN("");
    else if (!arena_copy(r->mem, r->l.text, ret))
        return spec__no_memory(r->e);
    text_next(&r->l);
    return SK_OK;
}

static sk_code read_name(text_reader *r, const char *expected, span *ret)
{
    if (r->l.kind == TEXT_QUOTED) {
        if (r->l.text.len == 0)
            return refuse_at(r, r->l.offset, "a name must not be empty");
        return take_text(r, ret);
    }
    if (r->l.kind != TEXT_WORD)
        return refuse(r, expected, "");
    if (text_is_reserved(r->l.text))
        return refuse(r, expected, ", a reserved word: as a name it is written in double quotes");
    uint8_t c = r->l.text.at[0];
    if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'))
        return refuse(
            r, expected,
            ": a name that does not begin with a letter or _ is written in double quotes");
    return take_text(r, ret);
}

/* What may stand in parentheses after a calculation. */
static sk_code read_calc_column(text_reader *r, span *ret)
{
    if (!take_kind(r, TEXT_OPEN))
        return SK_OK;
    sk_code code = read_name(r, "a field name", ret);
    if (code)
        return code;
    if (!take_kind(r, TEXT_CLOSE))
        return refuse(r, ")", "");
    return SK_OK;
}

static sk_code read_calc(text_reader *r, spec_calc *ret)
{
    size_t offset = r->l.offset;
    const char *later = r->l.kind == TEXT_WORD ? spec__later_calc(r->l.text) : NULL;
    if (later)
        return refuse_at(r, offset, "the calculation %.*s is not yet supported%s",
                         SPAN_FMT(r->l.text), later);
    if (r->l.kind != TEXT_WORD || !calc_op_parse(r->l.text, &ret->op))
        return refuse_near(r, "a calculation such as COUNT or P90(duration_ms)", calc_name_at);
    text_next(&r->l);
    sk_code code = read_calc_column(r, &ret->column);
    if (code)
        return code;
    code = spec__check_calc(ret, r->e);
    if (code && r->e)
        r->e->offset = offset;
    return code;
}

static sk_code read_count(text_reader *r, uint64_t min, uint64_t max, uint64_t *ret)
{
    uint64_t v;
    if (r->l.kind != TEXT_WORD || !span_to_u64(r->l.text, &v) || v < min || v > max)
        return refuse(r, "a whole number", "");
    *ret = v;
    text_next(&r->l);
    return SK_OK;
}

static sk_code read_duration(text_reader *r, int64_t *ret)
{
    if (r->l.kind != TEXT_WORD || !text_duration(r->l.text, ret) || *ret == 0)
        return refuse(r, "a time span such as 90s, 5m, 2h, 7d or 1w", "");
    text_next(&r->l);
    return SK_OK;
}

static sk_code read_instant(text_reader *r, int64_t *ret_s)
{
    uint64_t seconds;
    int64_t ns;
    if (r->l.kind == TEXT_WORD && span_to_u64(r->l.text, &seconds) &&
        seconds <= (uint64_t)SPEC_TIME_MAX_S) {
        *ret_s = (int64_t)seconds;
    } else if ((r->l.kind == TEXT_WORD || r->l.kind == TEXT_QUOTED) &&
               clock_parse_rfc3339(r->l.text, &ns) && ns >= 0) {
        if (ns % NS_PER_S != 0)
            return refuse(r, "a time in whole seconds", "");
        *ret_s = ns / NS_PER_S;
    } else {
        return refuse(r, "a time such as 2026-08-21T14:05:00Z or unix seconds", "");
    }
    text_next(&r->l);
    return SK_OK;
}

static sk_code read_value(text_reader *r, value *ret)
{
    *ret = (value){.is_set = true};
    if (r->l.kind == TEXT_QUOTED) {
        ret->type = FIELD_STRING;
        return take_text(r, &ret->text);
    }
    if (text_is_keyword(&r->l, "TRUE") || text_is_keyword(&r->l, "FALSE")) {
        ret->type = FIELD_BOOL;
        ret->b = text_is_keyword(&r->l, "TRUE");
    } else if (r->l.kind == TEXT_WORD && span_to_i64(r->l.text, &ret->i)) {
        ret->type = FIELD_INT;
    } else if (r->l.kind == TEXT_WORD && span_to_double(r->l.text, &ret->f)) {
        ret->type = FIELD_FLOAT;
    } else {
        return refuse(r, "a value",
                      r->l.kind == TEXT_WORD ? ": strings are written in double quotes" : "");
    }
    text_next(&r->l);
    return SK_OK;
}

/* ---- filters ---- */

static sk_code read_values(text_reader *r, spec_filter *f)
{
    spec_list values = {0};
    if (!take_kind(r, TEXT_OPEN))
        return refuse(r, "( and a list of values", "");
    while (r->l.kind != TEXT_CLOSE) {
        if (values.count && !take_kind(r, TEXT_COMMA))
            return refuse(r, ", or )", "");
        value *v = spec__list_add(r->mem, &values, sizeof *v);
        if (!v)
            return spec__no_memory(r->e);
        sk_code code = read_value(r, v);
        if (code)
            return code;
    }
    text_next(&r->l);
    f->values = values.at;
    f->value_count = values.count;
    return SK_OK;
}

static sk_code read_filter(text_reader *r)
{
    spec_filter f = {0};
    if (r->l.kind == TEXT_OPEN)
        return refuse(r, "a field name",
                      ": filters are not grouped, all are joined by AND or all by OR");
    sk_code code = read_name(r, "a field name", &f.column);
    if (code)
        return code;
    const char *later = r->l.kind == TEXT_WORD ? spec__later_filter(r->l.text) : NULL;
    if (later)
        return refuse_at(r, r->l.offset, "the operator %.*s is not yet supported%s",
                         SPAN_FMT(r->l.text), later);
    if ((r->l.kind != TEXT_COMPARE && r->l.kind != TEXT_WORD) || !filter_op_parse(r->l.text, &f.op))
        return refuse_near(r, "an operator such as =, >, exists, contains or in", filter_name_at);
    text_next(&r->l);
    size_t offset = r->l.offset;
    if (f.op == FILTER_IN || f.op == FILTER_NOT_IN) {
        code = read_values(r, &f);
    } else if (f.op != FILTER_EXISTS && f.op != FILTER_NOT_EXISTS) {
        f.values = ARENA_NEW(r->mem, value);
        f.value_count = 1;
        code = f.values ? read_value(r, f.values) : spec__no_memory(r->e);
    }
    if (code)
        return code;
    code = spec__check_filter(&f, r->e);
    if (code) {
        if (r->e)
            r->e->offset = offset;
        return code;
    }
    spec_filter *added = spec__list_add(r->mem, &r->filters, sizeof *added);
    if (!added)
        return spec__no_memory(r->e);
    *added = f;
    return SK_OK;
}

static sk_code read_where(text_reader *r)
{
    bool has_and = false, has_or = false;
    for (;;) {
        if (r->filters.count == SPEC_LIST_MAX)
            return too_many(r);
        sk_code code = read_filter(r);
        if (code)
            return code;
        size_t offset = r->l.offset;
        if (take_keyword(r, "AND"))
            has_and = true;
        else if (take_keyword(r, "OR"))
            has_or = true;
        else
            break;
        if (has_and && has_or)
            return refuse_at(r, offset,
                             "AND and OR cannot be mixed: all filters are joined by AND, or all "
                             "by OR");
    }
    r->s->filters_or = has_or;
    return SK_OK;
}

/* ---- the other clauses ---- */

static sk_code read_calcs(text_reader *r)
{
    do {
        if (r->calcs.count == SPEC_LIST_MAX)
            return too_many(r);
        spec_calc *c = spec__list_add(r->mem, &r->calcs, sizeof *c);
        sk_code code = c ? read_calc(r, c) : spec__no_memory(r->e);
        if (code)
            return code;
    } while (take_kind(r, TEXT_COMMA));
    return SK_OK;
}

static sk_code read_from(text_reader *r)
{
    sk_code code = read_name(r, "a dataset name", &r->s->dataset);
    if (!code && span_is(r->s->dataset, "__all__"))
        r->s->dataset = (span){NULL, 0};
    return code;
}

static sk_code read_group(text_reader *r)
{
    if (!take_keyword(r, "BY"))
        return refuse(r, "BY", "");
    do {
        if (r->breakdowns.count == SPEC_LIST_MAX)
            return too_many(r);
        span *name = spec__list_add(r->mem, &r->breakdowns, sizeof *name);
        sk_code code = name ? read_name(r, "a field name", name) : spec__no_memory(r->e);
        if (code)
            return code;
    } while (take_kind(r, TEXT_COMMA));
    return SK_OK;
}

static sk_code read_having_item(text_reader *r, spec_having *h)
{
    spec_calc c = {0};
    size_t offset = r->l.offset;
    sk_code code = read_calc(r, &c);
    if (code)
        return code;
    if (r->l.kind != TEXT_COMPARE || !filter_op_parse(r->l.text, &h->compare))
        return refuse(r, "= != > >= < or <=", "");
    text_next(&r->l);
    if (r->l.kind != TEXT_WORD || !span_to_double(r->l.text, &h->value))
        return refuse(r, "a number", "");
    h->value += 0.0; /* -0 is 0 */
    text_next(&r->l);
    h->op = c.op;
    h->column = c.column;
    code = spec__check_having(h, r->e);
    if (code && r->e)
        r->e->offset = offset;
    return code;
}

static sk_code read_having(text_reader *r)
{
    do {
        if (r->havings.count == SPEC_LIST_MAX)
            return too_many(r);
        spec_having *h = spec__list_add(r->mem, &r->havings, sizeof *h);
        sk_code code = h ? read_having_item(r, h) : spec__no_memory(r->e);
        if (code)
            return code;
    } while (take_keyword(r, "AND"));
    return SK_OK;
}

static sk_code read_order_item(text_reader *r, spec_order *o)
{
    sk_code code;
    if (r->l.kind == TEXT_WORD && calc_op_parse(r->l.text, &o->op)) {
        o->has_op = true;
        text_next(&r->l);
        code = read_calc_column(r, &o->column);
    } else {
        code = read_name(r, "a calculation or a field of GROUP BY", &o->column);
    }
    if (code)
        return code;
    o->descending = take_keyword(r, "DESC");
    if (!o->descending)
        take_keyword(r, "ASC");
    return SK_OK;
}

static sk_code read_order(text_reader *r)
{
    if (!take_keyword(r, "BY"))
        return refuse(r, "BY", "");
    do {
        if (r->orders.count == SPEC_LIST_MAX)
            return too_many(r);
        spec_order *o = spec__list_add(r->mem, &r->orders, sizeof *o);
        sk_code code = o ? read_order_item(r, o) : spec__no_memory(r->e);
        if (code)
            return code;
    } while (take_kind(r, TEXT_COMMA));
    return SK_OK;
}

static sk_code read_limit(text_reader *r)
{
    uint64_t limit = 0;
    sk_code code = read_count(r, 1, UINT32_MAX, &limit);
    r->s->limit = (uint32_t)limit;
    return code;
}

static sk_code read_for(text_reader *r)
{
    if (r->s->has_range)
        return refuse_at(r, r->l.offset, "the length of time is given twice");
    r->s->has_range = true;
    return read_duration(r, &r->s->range_s);
}

static sk_code read_since(text_reader *r)
{
    int64_t ignored;
    if (r->l.kind == TEXT_WORD && text_duration(r->l.text, &ignored))
        return read_for(r);
    r->s->has_start = true;
    return read_instant(r, &r->s->start_s);
}

static sk_code read_until(text_reader *r)
{
    r->s->has_end = true;
    return read_instant(r, &r->s->end_s);
}

static sk_code read_every(text_reader *r)
{
    return read_duration(r, &r->s->granularity_s);
}

static sk_code read_compare(text_reader *r)
{
    return read_duration(r, &r->s->compare_offset_s);
}

/* ---- the whole ---- */

static const struct {
    const char *keyword;
    sk_code (*read)(text_reader *r); /* at the token after the keyword */
} clauses[] = {{"FROM", read_from},     {"WHERE", read_where},    {"GROUP", read_group},
               {"HAVING", read_having}, {"ORDER", read_order},    {"LIMIT", read_limit},
               {"SINCE", read_since},   {"UNTIL", read_until},    {"FOR", read_for},
               {"EVERY", read_every},   {"COMPARE", read_compare}};

static const char *clause_at(size_t index, const void *ctx)
{
    return index < COUNT_OF(clauses) ? clauses[index].keyword : NULL;
}

static sk_code read_clauses(text_reader *r)
{
    uint32_t seen = 0;
    while (r->l.kind != TEXT_END) {
        size_t i = 0, offset = r->l.offset;
        while (i < COUNT_OF(clauses) && !text_is_keyword(&r->l, clauses[i].keyword))
            i++;
        if (i == COUNT_OF(clauses))
            return refuse_near(r, "a clause such as WHERE, GROUP BY, ORDER BY, LIMIT or SINCE",
                               clause_at);
        if (seen & 1u << i)
            return refuse_at(r, offset, "%s stands here a second time", clauses[i].keyword);
        seen |= 1u << i;
        text_next(&r->l);
        sk_code code = clauses[i].read(r);
        if (code)
            return code;
    }
    return SK_OK;
}

sk_code spec_from_text(span text, arena *mem, query_spec *ret, err *e)
{
    query_spec s = {0};
    text_reader r = {.l = text_lexer_of(text, mem), .mem = mem, .e = e, .s = &s};
    if (text.len > TEXT_MAX)
        return err_set(e, SK_TOO_LARGE, "the query text is longer than %zu bytes", TEXT_MAX);
    if (!utf8_is_valid(text))
        return err_set(e, SK_BAD_INPUT, "the query text is not valid UTF-8");
    text_next(&r.l);
    sk_code code = SK_OK;
    if (r.l.kind != TEXT_END && !(r.l.kind == TEXT_WORD && text_is_reserved(r.l.text)))
        code = read_calcs(&r);
    if (!code)
        code = read_clauses(&r);
    if (code)
        return arena_failed(mem) ? spec__no_memory(e) : code;
    s.calcs = r.calcs.at;
    s.calc_count = r.calcs.count;
    s.filters = r.filters.at;
    s.filter_count = r.filters.count;
    s.breakdowns = r.breakdowns.at;
    s.breakdown_count = r.breakdowns.count;
    s.orders = r.orders.at;
    s.order_count = r.orders.count;
    s.havings = r.havings.at;
    s.having_count = r.havings.count;
    *ret = s;
    return SK_OK;
}
