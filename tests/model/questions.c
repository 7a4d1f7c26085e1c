/*
 * tests/model/questions.c: see questions.h.
 */
#include "questions.h"

#include "event/fields.h"

/* ---- fields ---- */

static const char *const well_known[] = {
    F_DURATION_MS,  F_NAME,   F_SPAN_KIND,    F_STATUS_CODE, F_ERROR,
    F_TRACE_ID,     F_BODY,   F_SERVICE_NAME, F_PARENT_ID,   "semconv.http.response.status_code",
    F_METRIC_VALUE, "nowhere"};

/* A field of the world that has only values of this type. */
static uint32_t field_of_type(world *w, field_type type)
{
    for (;;) {
        uint32_t i = (uint32_t)world_below(w, world_field_count);
        if (world_fields[i].type == type)
            return i;
    }
}

static span any_column(world *w)
{
    if (world_chance(w, 30))
        return span_text(well_known[world_below(w, COUNT_OF(well_known))]);
    return span_text(world_fields[world_below(w, world_field_count)].name);
}

/* ---- filters ---- */

static value pool_value(world *w, uint32_t field)
{
    uint32_t count = w->pool_count[field] < WORLD_POOL ? w->pool_count[field] : WORLD_POOL;
    value v = {.is_set = true, .type = FIELD_STRING, .text = SPAN("nothing like it")};
    if (count && !world_chance(w, 4))
        v = w->pool[field][world_below(w, count)];
    if (v.type == FIELD_HISTOGRAM)
        v = (value){.is_set = true, .type = FIELD_STRING, .text = SPAN("")};
    return v;
}

static bool is_text_op(filter_op op)
{
    return op >= FILTER_STARTS_WITH && op <= FILTER_NOT_CONTAINS;
}

/* A piece of the value's text, as the operator would find it. */
static value piece_of(world *w, filter_op op, value v, arena *mem)
{
    char scratch[VALUE_TEXT_MAX];
    span text = value_text(v, scratch);
    size_t len = world_below(w, text.len < 5 ? text.len + 1 : 5), at = 0;
    if (op == FILTER_ENDS_WITH || op == FILTER_NOT_ENDS_WITH)
        at = text.len - len;
    else if (op == FILTER_CONTAINS || op == FILTER_NOT_CONTAINS)
        at = world_below(w, text.len - len + 1);
    span piece = span_first(span_from(text, at), len);
    while (piece.len && !utf8_is_valid(piece)) /* specs are text */
        piece = world_chance(w, 50) ? span_from(piece, 1) : span_first(piece, piece.len - 1);
    value out = {.is_set = true, .type = FIELD_STRING, .text = SPAN("")};
    if (piece.len)
        assert_true(arena_copy(mem, piece, &out.text));
    return out;
}

static value order_number(world *w, value v)
{
    double n;
    if (!value_number(v, &n) || world_chance(w, 20))
        v = (value){.is_set = true, .type = FIELD_FLOAT, .f = (double)world_below(w, 100) / 4 - 5};
    return v;
}

static spec_filter make_filter(world *w, filter_op op, span name, uint32_t pool, arena *mem)
{
    spec_filter f = {.column = name, .op = op, .value_count = 1};
    if (op == FILTER_EXISTS || op == FILTER_NOT_EXISTS)
        f.value_count = 0;
    else if (op == FILTER_IN || op == FILTER_NOT_IN)
        f.value_count = (uint32_t)world_below(w, 6);
    f.values = ARENA_ARRAY(mem, value, f.value_count + 1);
    for (uint32_t i = 0; i < f.value_count; i++) {
        value v = pool_value(w, pool);
        if (is_text_op(op))
            v = piece_of(w, op, v, mem);
        else if (filter_op_is_order(op))
            v = order_number(w, v);
        else if (world_chance(w, 15)) /* another type of the same text must mean the same */
            v = piece_of(w, FILTER_STARTS_WITH, v, mem);
        f.values[i] = v;
    }
    return f;
}

/* ---- the parts of a spec ---- */

static void make_filters(world *w, coverage *c, query_spec *s, filter_op *ops, field_type *types,
                         arena *mem)
{
    s->filter_count = (uint32_t)(world_chance(w, 8) ? 0 : 1 + world_below(w, 3));
    s->filters = ARENA_ARRAY(mem, spec_filter, s->filter_count + 1);
    s->filters_or = s->filter_count > 1 && world_chance(w, 55);
    for (uint32_t i = 0; i < s->filter_count; i++) {
        uint64_t n = c->next_filter++;
        ops[i] = (filter_op)(n % FILTER_OP_COUNT);
        types[i] = (field_type)(n / FILTER_OP_COUNT % FIELD_TYPE_COUNT);
        uint32_t field = field_of_type(w, types[i]);
        s->filters[i] = make_filter(w, ops[i], span_text(world_fields[field].name), field, mem);
        if (s->filter_count > 1 &&
            world_chance(w, 10)) { /* a field of no fixed type, not counted */
            types[i] = FIELD_TYPE_COUNT;
            s->filters[i].column = any_column(w);
        }
    }
}

/* The calculation that has met this query's filters least. */
static calc_op neediest_calc(coverage *c, const query_spec *s, const filter_op *ops,
                             const field_type *types)
{
    calc_op best = (calc_op)(c->next_calc++ % CALC_OP_COUNT);
    uint32_t fewest = UINT32_MAX;
    for (int i = 0; i < CALC_OP_COUNT; i++) {
        calc_op op = (calc_op)((c->next_calc + (uint64_t)i) % CALC_OP_COUNT);
        for (uint32_t f = 0; f < s->filter_count; f++) {
            if (types[f] < FIELD_TYPE_COUNT && c->met[op][ops[f]][types[f]] < fewest) {
                fewest = c->met[op][ops[f]][types[f]];
                best = op;
            }
        }
    }
    return best;
}

static field_type neediest_type(const coverage *c, calc_op op)
{
    field_type best = FIELD_STRING;
    for (int type = 0; type < FIELD_TYPE_COUNT; type++)
        if (c->over[op][type] < c->over[op][best])
            best = (field_type)type;
    return best;
}

static void make_calcs(world *w, coverage *c, query_spec *s, const filter_op *ops,
                       const field_type *types, arena *mem)
{
    s->calc_count = 3 + (uint32_t)world_below(w, 9);
    s->calcs = ARENA_ARRAY(mem, spec_calc, s->calc_count);
    for (uint32_t i = 0; i < s->calc_count; i++) {
        spec_calc *calc = &s->calcs[i];
        calc->op = neediest_calc(c, s, ops, types);
        for (uint32_t f = 0; f < s->filter_count; f++)
            if (types[f] < FIELD_TYPE_COUNT)
                c->met[calc->op][ops[f]][types[f]]++;
        calc_column takes = calc_op_column(calc->op);
        if (takes == CALC_COLUMN_NONE || (takes == CALC_COLUMN_OPTIONAL && world_chance(w, 40)))
            continue;
        if (world_chance(w, 25)) {
            calc->column = any_column(w);
            continue;
        }
        field_type type = neediest_type(c, calc->op);
        calc->column = span_text(world_fields[field_of_type(w, type)].name);
        c->over[calc->op][type]++;
    }
}

static void make_breakdowns(world *w, query_spec *s, arena *mem)
{
    static const uint8_t how_many[] = {0, 0, 1, 1, 1, 2, 3};
    s->breakdown_count = how_many[world_below(w, COUNT_OF(how_many))];
    s->breakdowns = ARENA_ARRAY(mem, span, s->breakdown_count + 1);
    for (uint32_t i = 0; i < s->breakdown_count; i++)
        s->breakdowns[i] = any_column(w);
}

static void make_orders(world *w, query_spec *s, arena *mem)
{
    s->order_count = (uint32_t)(world_chance(w, 40) ? 1 + world_below(w, 2) : 0);
    s->orders = ARENA_ARRAY(mem, spec_order, s->order_count + 1);
    for (uint32_t i = 0; i < s->order_count; i++) {
        spec_order *o = &s->orders[i];
        o->descending = world_chance(w, 50);
        if (s->breakdown_count && world_chance(w, 40)) {
            o->column = s->breakdowns[world_below(w, s->breakdown_count)];
        } else {
            const spec_calc *calc = &s->calcs[world_below(w, s->calc_count)];
            *o = (spec_order){true, calc->op, calc->column, o->descending};
        }
    }
}

static void make_havings(world *w, query_spec *s, arena *mem)
{
    static const filter_op compares[] = {FILTER_GT, FILTER_GE, FILTER_LT,
                                         FILTER_LE, FILTER_EQ, FILTER_NE};
    s->havings = ARENA_ARRAY(mem, spec_having, 2);
    for (uint32_t i = 0; i < 2 && world_chance(w, 20); i++) {
        const spec_calc *calc = &s->calcs[world_below(w, s->calc_count)];
        if (calc->op == CALC_HEATMAP)
            continue;
        s->havings[s->having_count++] =
            (spec_having){calc->op, calc->column, compares[world_below(w, COUNT_OF(compares))],
                          (double)world_below(w, 30) - 5};
    }
}

static void make_time(world *w, query_spec *s)
{
    int64_t first = w->start_ns / NS_PER_S - 60, last = w->now_ns / NS_PER_S + 60;
    if (world_chance(w, 25)) { /* with what came late and early */
        first -= 3 * 86400;
        last += 3600;
    } else if (world_chance(w, 50)) {
        first += (int64_t)world_below(w, (uint64_t)(last - first) / 2);
        last -= (int64_t)world_below(w, (uint64_t)(last - first) / 2);
    }
    s->has_start = s->has_end = true;
    s->start_s = first;
    s->end_s = last > first ? last : first + 1;
    int64_t range = s->end_s - s->start_s;
    if (world_chance(w, 60))
        s->granularity_s =
            range / 1000 + 1 +
            (int64_t)world_below(w, (uint64_t)range / (world_chance(w, 80) ? 4 : 40) + 1);
    if (s->granularity_s > range)
        s->granularity_s = range;
}

query_spec question_make(world *w, coverage *c, arena *mem)
{
    static const char *const datasets[] = {"web",  "cart",         "shop",   "metrics",
                                           "mail", "more.metrics", "nobody", "unknown_log_source"};
    query_spec s = {0};
    filter_op ops[8];
    field_type types[8];
    if (world_chance(w, 40))
        s.dataset =
            span_text(datasets[world_below(w, world_chance(w, 80) ? 4 : COUNT_OF(datasets))]);
    make_filters(w, c, &s, ops, types, mem);
    make_calcs(w, c, &s, ops, types, mem);
    make_breakdowns(w, &s, mem);
    make_orders(w, &s, mem);
    make_havings(w, &s, mem);
    make_time(w, &s);
    if (world_chance(w, 50))
        s.limit = 1 + (uint32_t)world_below(w, world_chance(w, 70) ? 10 : 1000);
    return s;
}

/* ---- the proof ---- */

uint32_t coverage_least(const coverage *c, bool print)
{
    uint32_t least = UINT32_MAX;
    if (print)
        print_message("how often each calculation met each operator on a field of type "
                      "string/int/float/bool/histogram\n%-16s",
                      "");
    for (int op = 0; op < FILTER_OP_COUNT && print; op++)
        print_message("%24s", filter_op_name((filter_op)op));
    for (int calc = 0; calc < CALC_OP_COUNT; calc++) {
        if (print)
            print_message("\n%-16s", calc_op_name((calc_op)calc));
        for (int op = 0; op < FILTER_OP_COUNT; op++) {
            char cell[64];
            int len = 0;
            for (int type = 0; type < FIELD_TYPE_COUNT; type++) {
                uint32_t n = c->met[calc][op][type];
                least = n < least ? n : least;
                len += snprintf(cell + len, sizeof cell - (size_t)len, "%s%u", type ? "/" : "", n);
            }
            if (print)
                print_message("%24s", cell);
        }
    }
    for (int calc = 0; calc < CALC_OP_COUNT; calc++) {
        if (print)
            print_message("%s%-16s over a column of type", calc ? "\n" : "\n\n",
                          calc_op_name((calc_op)calc));
        for (int type = 0; type < FIELD_TYPE_COUNT; type++) {
            uint32_t n = c->over[calc][type];
            bool is_countable = calc_op_column((calc_op)calc) != CALC_COLUMN_NONE;
            least = is_countable && n < least ? n : least;
            if (print)
                print_message("  %s %u", field_type_name((field_type)type), n);
        }
    }
    if (print)
        print_message("\nleast: %u\n", least);
    return least;
}
