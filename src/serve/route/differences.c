/*
 * serve/route/differences.c: POST /skep/v1/differences: which rows are meant (a query, a selection in it, a baseline) → what sets the
 * selection apart. Every form of a selection becomes a plan: a time, a range of values and a group are filters. Runs on a
 * query worker; closing the connection cancels. The JSON is in docs/openapi.yaml.
 */
#include "serve/route/differences.h"

#include "base/clock.h"
#include "query/differences.h"
#include "serve/route/common.h"

#define SIDE_FILTERS_MAX SPEC_LIST_MAX
#define FIELDS_MAX       1000u

/* One side as asked. */
typedef struct side {
    bool is_there, has_start, has_end;
    int64_t start_ns, end_ns;
    span filters_json, combination;
    spec_filter extra[SIDE_FILTERS_MAX]; /* range and group */
    uint32_t extra_count;
    span kind; /* of a baseline: "rest", "previous", "" */
} side;

typedef struct asked {
    span environment, dataset, spec_json, text;
    side selection, baseline;
    bool no_suspects, no_words;
    differ_rows rows;
    uint32_t limit;
    arena *mem;
} asked;

/* ---- one side ---- */

static sk_code read_time(const json *j, const char *name, bool *ret_has, int64_t *ret, err *e)
{
    if (j->kind != JSON_STRING && j->kind != JSON_NUMBER)
        return err_set(e, SK_BAD_INPUT, "\"%s\" takes RFC 3339 or unix seconds", name);
    *ret_has = true;
    return route_time(j->text, name, ret, e);
}

static sk_code read_scalar(arena *mem, const json *j, span name, value *ret, err *e)
{
    *ret = (value){.is_set = true};
    switch ((int)j->kind) {
    case JSON_STRING:
        ret->type = FIELD_STRING;
        return arena_copy(mem, j->text, &ret->text) ? SK_OK
                                                    : err_set(e, SK_NO_MEMORY, "memory ran out");
    case JSON_TRUE:
    case JSON_FALSE:
        ret->type = FIELD_BOOL;
        ret->b = j->kind == JSON_TRUE;
        return SK_OK;
    case JSON_NUMBER:
        ret->type = FIELD_INT;
        if (j->is_integer && json_i64(j, &ret->i))
            return SK_OK;
        ret->type = FIELD_FLOAT;
        if (json_double(j, &ret->f))
            return SK_OK;
        break;
    default: break;
    }
    return err_set(e, SK_BAD_INPUT, "\"%.*s\" takes a text, a number, true or false",
                   SPAN_FMT(name));
}

static sk_code add_filter(asked *a, side *s, span field, filter_op op, const value *v, err *e)
{
    if (s->extra_count == SIDE_FILTERS_MAX)
        return err_set(e, SK_BAD_INPUT, "a selection takes up to %u filters", SIDE_FILTERS_MAX);
    spec_filter *f = &s->extra[s->extra_count++];
    *f = (spec_filter){.column = field, .op = op};
    if (!v)
        return SK_OK;
    f->values = ARENA_NEW(a->mem, value);
    if (!f->values)
        return err_set(e, SK_NO_MEMORY, "memory ran out");
    *f->values = *v;
    f->value_count = 1;
    return SK_OK;
}

/* {"field":…,"min":…,"max":…}: [min, max); either may be left out. */
static sk_code read_range(asked *a, side *s, json *j, err *e)
{
    span field = {NULL, 0};
    value bounds[2] = {{0}};
    if (j->kind != JSON_OBJECT)
        return err_set(e, SK_BAD_INPUT, "\"range\" is an object: {\"field\", \"min\", \"max\"}");
    while (json_next(j) == JSON_KEY) {
        span key = j->text;
        sk_code code = SK_OK;
        json_next(j);
        if (span_is(key, "field") && j->kind == JSON_STRING)
            field = j->text;
        else if ((span_is(key, "min") || span_is(key, "max")) && j->kind == JSON_NULL)
            continue;
        else if ((span_is(key, "min") || span_is(key, "max")) && j->kind == JSON_NUMBER)
            code = read_scalar(a->mem, j, key, &bounds[span_is(key, "max")], e);
        else
            return err_set(e, SK_BAD_INPUT,
                           "\"range\" takes \"field\" (a text), \"min\" and \"max\" (numbers), not "
                           "\"%.*s\"",
                           SPAN_FMT(key));
        if (code != SK_OK)
            return code;
    }
    if (!field.len || (!bounds[0].is_set && !bounds[1].is_set))
        return err_set(e, SK_BAD_INPUT, "\"range\" needs \"field\", and \"min\" or \"max\"");
    sk_code code = SK_OK;
    if (bounds[0].is_set)
        code = add_filter(a, s, field, FILTER_GE, &bounds[0], e);
    if (code == SK_OK && bounds[1].is_set)
        code = add_filter(a, s, field, FILTER_LT, &bounds[1], e);
    return code;
}

/* {"field":value,…}: a row of a grouped answer; null is the group without the field. */
static sk_code read_group(asked *a, side *s, json *j, err *e)
{
    if (j->kind != JSON_OBJECT)
        return err_set(e, SK_BAD_INPUT, "\"group\" is an object: {\"field\": value, …}");
    while (json_next(j) == JSON_KEY) {
        span key = j->text;
        value v;
        sk_code code = SK_OK;
        json_next(j);
        if (j->kind == JSON_NULL) {
            code = add_filter(a, s, key, FILTER_NOT_EXISTS, NULL, e);
        } else {
            code = read_scalar(a->mem, j, key, &v, e);
            if (code == SK_OK)
                code = add_filter(a, s, key, FILTER_EQ, &v, e);
        }
        if (code != SK_OK)
            return code;
    }
    return SK_OK;
}

static sk_code read_side(asked *a, side *s, const char *name, json *j, err *e)
{
    if (j->kind != JSON_OBJECT)
        return err_set(e, SK_BAD_INPUT, "\"%s\" must be an object", name);
    s->is_there = true;
    while (json_next(j) == JSON_KEY) {
        span key = j->text;
        sk_code code = SK_OK;
        json_next(j);
        if (span_is(key, "start"))
            code = read_time(j, "start", &s->has_start, &s->start_ns, e);
        else if (span_is(key, "end"))
            code = read_time(j, "end", &s->has_end, &s->end_ns, e);
        else if (span_is(key, "filters") && j->kind == JSON_ARRAY)
            s->filters_json = json_raw(j);
        else if (span_is(key, "filter_combination") && j->kind == JSON_STRING)
            s->combination = j->text;
        else if (span_is(key, "range"))
            code = read_range(a, s, j, e);
        else if (span_is(key, "group"))
            code = read_group(a, s, j, e);
        else if (s == &a->baseline && span_is(key, "kind") && j->kind == JSON_STRING)
            s->kind = j->text;
        else
            return err_set(
                e, SK_BAD_INPUT,
                "unknown key \"%.*s\" in \"%s\": known are start, end, filters (a list), "
                "filter_combination, range, group%s",
                SPAN_FMT(key), name, s == &a->baseline ? ", kind" : "");
        if (code != SK_OK)
            return code;
    }
    return SK_OK;
}

/* ---- the body ---- */

static sk_code read_member(void *ctx, span key, json *j, err *e)
{
    asked *a = ctx;
    int64_t number;
    if (span_is(key, "selection"))
        return read_side(a, &a->selection, "selection", j, e);
    if (span_is(key, "baseline"))
        return read_side(a, &a->baseline, "baseline", j, e);
    if (span_is(key, "query") && j->kind == JSON_OBJECT) {
        a->spec_json = json_raw(j);
        return SK_OK;
    }
    if ((span_is(key, "suspects") || span_is(key, "words")) &&
        (j->kind == JSON_TRUE || j->kind == JSON_FALSE)) {
        *(span_is(key, "words") ? &a->no_words : &a->no_suspects) = j->kind == JSON_FALSE;
        return SK_OK;
    }
    if (span_is(key, "limit") && json_i64(j, &number) && number > 0 && number <= FIELDS_MAX) {
        a->limit = (uint32_t)number;
        return SK_OK;
    }
    for (int r = 0; span_is(key, "rows") && j->kind == JSON_STRING && r < DIFFER_ROWS_COUNT; r++)
        if (span_is(j->text, differ_rows_name((differ_rows)r))) {
            a->rows = (differ_rows)r;
            return SK_OK;
        }
    if (span_is(key, "rows"))
        return err_set(e, SK_BAD_INPUT, "\"rows\" is \"spans\" (the default), \"logs\" or \"all\"");
    span *field = span_is(key, "environment") ? &a->environment
                  : span_is(key, "dataset")   ? &a->dataset
                  : span_is(key, "text")      ? &a->text
                                              : NULL;
    if (field && j->kind == JSON_STRING) {
        *field = j->text;
        return SK_OK;
    }
    return err_set(
        e, SK_BAD_INPUT,
        "\"%.*s\" is not understood: known are environment, dataset, text (texts), query, "
        "selection, baseline (objects), rows (spans, logs or all), suspects, words (true or "
        "false), limit (1 to %u)",
        SPAN_FMT(key), FIELDS_MAX);
}

/* ---- plans ---- */

static sk_code read_spec(const asked *a, query_spec *ret, err *e)
{
    *ret = (query_spec){0};
    if (a->text.at && (a->spec_json.at || a->dataset.at))
        return err_set(e, SK_BAD_INPUT,
                       "with \"text\" neither \"query\" nor \"dataset\" is given: "
                       "both stand in the text");
    if (a->text.at)
        return spec_from_text(a->text, a->mem, ret, e);
    sk_code code = a->spec_json.at ? spec_from_json(a->spec_json, a->mem, ret, e) : SK_OK;
    if (a->dataset.len && !span_is(a->dataset, "__all__"))
        ret->dataset = a->dataset;
    return code;
}

/* A plan with a side's filters; its times are the caller's to set. */
static sk_code plan_side(const asked *a, const side *s, plan *ret, err *e)
{
    query_spec spec = {0};
    sk_code code = SK_OK;
    if (s->filters_json.at) {
        span all = arena_print(a->mem, "{\"filters\":%.*s,\"filter_combination\":\"%.*s\"}",
                               SPAN_FMT(s->filters_json),
                               SPAN_FMT(s->combination.len ? s->combination : SPAN("AND")));
        code = all.at ? spec_from_json(all, a->mem, &spec, e)
                      : err_set(e, SK_TOO_LARGE, "the filters are too long");
    }
    if (code != SK_OK)
        return code;
    if (s->extra_count && spec.filter_count > 1 && spec.filters_or)
        return err_set(e, SK_BAD_INPUT,
                       "filters joined by OR do not go with \"range\" or "
                       "\"group\"; put what holds for all rows into the query");
    spec_filter *both = ARENA_ARRAY(a->mem, spec_filter, spec.filter_count + s->extra_count + 1);
    if (!both)
        return err_set(e, SK_NO_MEMORY, "memory ran out");
    if (spec.filter_count)
        memcpy(both, spec.filters, spec.filter_count * sizeof *both);
    memcpy(both + spec.filter_count, s->extra, s->extra_count * sizeof *both);
    spec.filters = both;
    spec.filter_count += s->extra_count;
    return plan_make(&spec, clock_wall_ns(), false, a->mem, ret, e);
}

/* Times: a side without one has the query's. `all` grows over both. */
static sk_code place_sides(const asked *a, plan *all, plan *selection, plan *baseline, err *e)
{
    const side *s = &a->selection, *b = &a->baseline;
    selection->start_ns = s->has_start ? s->start_ns : all->start_ns;
    selection->end_ns = s->has_end ? s->end_ns : all->end_ns;
    if (selection->start_ns >= selection->end_ns)
        return err_set(e, SK_BAD_INPUT, "the selection's start must be before its end");
    baseline->start_ns = b->has_start ? b->start_ns : all->start_ns;
    baseline->end_ns = b->has_end ? b->end_ns : all->end_ns;
    if (span_is(b->kind, "previous")) {
        baseline->end_ns = selection->start_ns;
        if (__builtin_sub_overflow(selection->start_ns, selection->end_ns - selection->start_ns,
                                   &baseline->start_ns))
            baseline->start_ns = INT64_MIN;
    }
    if (baseline->start_ns >= baseline->end_ns)
        return err_set(e, SK_BAD_INPUT, "the baseline's start must be before its end");
    const plan *sides[] = {selection, baseline};
    for (size_t i = 0; i < COUNT_OF(sides); i++) {
        all->start_ns = sides[i]->start_ns < all->start_ns ? sides[i]->start_ns : all->start_ns;
        all->end_ns = sides[i]->end_ns > all->end_ns ? sides[i]->end_ns : all->end_ns;
    }
    return SK_OK;
}

static sk_code check_sides(const asked *a, err *e)
{
    const side *s = &a->selection, *b = &a->baseline;
    if (!s->has_start && !s->has_end && !s->extra_count && !s->filters_json.at)
        return err_set(e, SK_BAD_INPUT,
                       "\"selection\" says which rows are odd: give it start and "
                       "end, range, group or filters");
    if (b->kind.len && !span_is(b->kind, "rest") && !span_is(b->kind, "previous"))
        return err_set(e, SK_BAD_INPUT,
                       "a baseline's kind is \"rest\" or \"previous\" (the time just before the "
                       "selection), not \"%.*s\"",
                       SPAN_FMT(b->kind));
    bool says_more = b->has_start || b->has_end || b->extra_count || b->filters_json.at;
    if (b->kind.len && says_more)
        return err_set(e, SK_BAD_INPUT,
                       "a baseline is either of a kind, or has start and end, "
                       "range, group or filters");
    if (span_is(b->kind, "previous") && !s->has_start)
        return err_set(e, SK_BAD_INPUT, "a \"previous\" baseline needs a selection with a start");
    return SK_OK;
}

static sk_code run(exchange *x, asked *a, environment *ret_asked, buf *out, err *e)
{
    query_spec spec;
    plan all, selection, baseline;
    differences_result found;
    run_control control = {.cancel = exchange_cancel(x),
                           .deadline_mono_ns = exchange_deadline_mono_ns(x)};
    sk_code code = route_environment(x, a->environment, ret_asked, e);
    if (code == SK_OK)
        code = check_sides(a, e);
    if (code == SK_OK)
        code = read_spec(a, &spec, e);
    if (code == SK_OK)
        code = plan_make(&spec, clock_wall_ns(), false, a->mem, &all, e);
    if (code == SK_OK)
        code = plan_side(a, &a->selection, &selection, e);
    if (code == SK_OK)
        code = plan_side(a, &a->baseline, &baseline, e);
    if (code == SK_OK)
        code = place_sides(a, &all, &selection, &baseline, e);
    if (code != SK_OK)
        return code;
    bool is_rest = !a->baseline.is_there || span_is(a->baseline.kind, "rest");
    differences_query q = {.all = &all,
                           .selection = &selection,
                           .baseline = is_rest ? NULL : &baseline,
                           .rows = a->rows,
                           .wants_suspects = !a->no_suspects,
                           .wants_words = !a->no_words,
                           .field_limit = a->limit};
    code = engine_differences(exchange_services(x)->engine, ret_asked->id, &q, &control, a->mem,
                              &found, e);
    if (code == SK_OK)
        differences_to_json(&found, &q, out);
    return code;
}

sk_code differences_answer(exchange *x, span body, environment *ret_asked, buf *out, err *e)
{
    asked a = {.mem = exchange_arena(x)};
    sk_code code = route_object_of(body, a.mem, read_member, &a, e);
    return code == SK_OK ? run(x, &a, ret_asked, out, e) : code;
}

void route_differences(exchange *take_x)
{
    static const char *const parameters[] = {NULL};
    err e = {0};
    environment env;
    asked a = {.mem = exchange_arena(take_x)};
    buf out;
    sk_code code = route_check_query(take_x, parameters, &e);
    if (code == SK_OK)
        code = route_object(take_x, read_member, &a, &e);
    buf_init(&out, ROUTE_REPLY_MAX);
    if (code == SK_OK)
        code = run(take_x, &a, &env, &out, &e);
    if (code == SK_OK) {
        route_reply(take_x, 200, &out);
        return;
    }
    buf_done(&out);
    route_fail(take_x, code, &e);
}
