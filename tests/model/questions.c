/*
 * tests/model/questions.c: see questions.h.
 */
#include "questions.h"

#include "event/fields.h"

/* ---- fields ---- */

/* Asked beside the fields of the world. */
static const char *const others[] = {"semconv.http.response.status_code",
                                     "semconv.db.namespace",
                                     "semconv.db.system.name",
                                     "semconv.server.address",
                                     "semconv.messaging.destination.name",
                                     "semconv.http.route",
                                     F_SEVERITY,
                                     "nowhere"};

/* A field of the world whose values are of this type only, or of several. */
static uint32_t field_of_type(world *w, uint32_t type)
{
    for (;;) {
        uint32_t i = (uint32_t)world_below(w, world_field_count);
        if ((uint32_t)world_fields[i].type == type)
            return i;
    }
}

static const char *const derived[] = {F_SELF_MS, F_GAP_MS, F_DEPTH, F_ROOT_NAME};
static const char *const relations[] = {"root.", "parent.", "child.", "any.",
                                        "any2.", "any3.",   "none."};
#define CALCULATED_RELATIONS 2u

static const char *name_of_any(world *w)
{
    if (world_chance(w, 12))
        return others[world_below(w, COUNT_OF(others))];
    return world_fields[world_below(w, world_field_count)].name;
}

/* A field of another span of the trace, of one of the first relations. */
static span related_column(world *w, uint32_t relation_count, arena *mem)
{
    span name = arena_print(mem, "%s%s", relations[world_below(w, relation_count)], name_of_any(w));
    assert_non_null(name.at);
    return name;
}

/* A column of a calculation or a group. */
static span any_column(world *w, arena *mem)
{
    if (world_chance(w, 12))
        return span_text(derived[world_below(w, COUNT_OF(derived))]);
    if (world_chance(w, 12))
        return related_column(w, CALCULATED_RELATIONS, mem);
    if (world_chance(w, 12))
        return span_text(others[world_below(w, COUNT_OF(others))]);
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
    size_t most = world_chance(w, 30) ? 20 : 5;
    size_t len = world_below(w, text.len < most ? text.len + 1 : most), at = 0;
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

/* Nearly the value's text: another case, a sign, zeros. */
static value variant_of(world *w, value v, arena *mem)
{
    char scratch[VALUE_TEXT_MAX];
    span text = value_text(v, scratch);
    const char *format = world_chance(w, 50) ? "%.*s.0" : world_chance(w, 50) ? "+%.*s" : "0%.*s";
    value out = {.is_set = true, .type = FIELD_STRING};
    if (world_chance(w, 50)) {
        out.text = arena_print(mem, format, SPAN_FMT(text));
        return out;
    }
    uint8_t *at = arena_alloc(mem, text.len + 1, 1);
    for (size_t i = 0; i < text.len; i++)
        at[i] = text.at[i] >= 'a' && text.at[i] <= 'z' ? text.at[i] - 'a' + 'A' : text.at[i];
    out.text = span_of(at, text.len);
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
        f.value_count = (uint32_t)world_below(w, world_chance(w, 90) ? 6 : 60);
    f.values = ARENA_ARRAY(mem, value, f.value_count + 1);
    for (uint32_t i = 0; i < f.value_count; i++) {
        value v = pool_value(w, pool);
        if (is_text_op(op))
            v = piece_of(w, op, v, mem);
        else if (filter_op_is_order(op))
            v = order_number(w, v);
        else if (world_chance(w, 5))
            v = variant_of(w, v, mem);
        else if (world_chance(w, 15)) /* another type of the same text must mean the same */
            v = piece_of(w, FILTER_STARTS_WITH, v, mem);
        f.values[i] = v;
    }
    return f;
}

/* ---- the parts of a spec ---- */

/* A piece of a line of a log, which a sealed segment looks for without spelling its lines. */
static spec_filter search_lines(world *w, arena *mem)
{
    uint32_t body = 0;
    while (strcmp(world_fields[body].name, F_BODY) != 0)
        body++;
    return make_filter(w, world_chance(w, 70) ? FILTER_CONTAINS : FILTER_NOT_CONTAINS, SPAN(F_BODY),
                       body, mem);
}

static void make_filters(world *w, coverage *c, query_spec *s, filter_op *ops, uint32_t *types,
                         arena *mem)
{
    s->filter_count = (uint32_t)(world_chance(w, 8) ? 0 : 1 + world_below(w, 3));
    s->filters = ARENA_ARRAY(mem, spec_filter, s->filter_count + 1);
    s->filters_or = s->filter_count > 1 && world_chance(w, 62);
    for (uint32_t i = 0; i < s->filter_count; i++) {
        uint64_t n = c->next_filter++;
        ops[i] = (filter_op)(n % FILTER_OP_COUNT);
        types[i] = (uint32_t)(n / FILTER_OP_COUNT % QUESTION_TYPES);
        uint32_t field = field_of_type(w, types[i]);
        s->filters[i] = make_filter(w, ops[i], span_text(world_fields[field].name), field, mem);
        if (s->filter_count > 1 && world_chance(w, 8)) { /* any field, not counted */
            types[i] = QUESTION_TYPES;
            s->filters[i].column = span_text(name_of_any(w));
        } else if (world_chance(w, 12)) {
            types[i] = QUESTION_TYPES;
            s->filters[i] = search_lines(w, mem);
        }
    }
}

span question_traces(world *w, arena *mem)
{
    static const char *const prefixes[] = {"", "", "", "root.", "any.", "none."};
    query_spec s = {.filter_count = 1 + (uint32_t)world_below(w, 3)};
    buf text;
    span where;
    s.filters = ARENA_ARRAY(mem, spec_filter, s.filter_count);
    for (uint32_t i = 0; i < s.filter_count; i++) {
        uint32_t field = (uint32_t)world_below(w, world_field_count);
        span name = arena_print(mem, "%s%s", prefixes[world_below(w, COUNT_OF(prefixes))],
                                world_fields[field].name);
        s.filters[i] = make_filter(w, (filter_op)world_below(w, FILTER_OP_COUNT), name, field, mem);
    }
    buf_init(&text, MIB);
    spec_to_text(&s, &text);
    assert_true(span_starts_with(buf_span(&text), SPAN("WHERE ")));
    assert_true(arena_copy(mem, span_from(buf_span(&text), strlen("WHERE ")), &where));
    buf_done(&text);
    return where;
}

/* The calculation that has met this query's filters least. */
static calc_op neediest_calc(coverage *c, const query_spec *s, const filter_op *ops,
                             const uint32_t *types)
{
    calc_op best = (calc_op)(c->next_calc++ % CALC_OP_COUNT);
    uint32_t fewest = UINT32_MAX;
    for (int i = 0; i < CALC_OP_COUNT; i++) {
        calc_op op = (calc_op)((c->next_calc + (uint64_t)i) % CALC_OP_COUNT);
        for (uint32_t f = 0; f < s->filter_count; f++) {
            if (types[f] < QUESTION_TYPES && c->met[op][ops[f]][types[f]] < fewest) {
                fewest = c->met[op][ops[f]][types[f]];
                best = op;
            }
        }
    }
    return best;
}

static uint32_t neediest_type(const coverage *c, calc_op op)
{
    uint32_t best = FIELD_STRING;
    for (uint32_t type = 0; type < QUESTION_TYPES; type++)
        if (c->over[op][type] < c->over[op][best])
            best = type;
    return best;
}

static void make_calcs(world *w, coverage *c, query_spec *s, const filter_op *ops,
                       const uint32_t *types, arena *mem)
{
    s->calc_count = 3 + (uint32_t)world_below(w, 9);
    s->calcs = ARENA_ARRAY(mem, spec_calc, s->calc_count);
    for (uint32_t i = 0; i < s->calc_count; i++) {
        spec_calc *calc = &s->calcs[i];
        calc->op = neediest_calc(c, s, ops, types);
        for (uint32_t f = 0; f < s->filter_count; f++)
            if (types[f] < QUESTION_TYPES)
                c->met[calc->op][ops[f]][types[f]]++;
        calc_column takes = calc_op_column(calc->op);
        if (takes == CALC_COLUMN_NONE || (takes == CALC_COLUMN_OPTIONAL && world_chance(w, 40)))
            continue;
        if (world_chance(w, 25)) {
            calc->column = any_column(w, mem);
            continue;
        }
        uint32_t type = neediest_type(c, calc->op);
        calc->column = span_text(world_fields[field_of_type(w, type)].name);
        c->over[calc->op][type]++;
    }
}

static void make_breakdowns(world *w, query_spec *s, arena *mem)
{
    static const uint8_t how_many[] = {0, 0, 0, 1, 1, 1, 1, 2, 2, 3, 3, 4, 7};
    s->breakdown_count = how_many[world_below(w, COUNT_OF(how_many))];
    s->breakdowns = ARENA_ARRAY(mem, span, s->breakdown_count + 1);
    for (uint32_t i = 0; i < s->breakdown_count; i++)
        s->breakdowns[i] = any_column(w, mem);
}

static value text_value(const char *text)
{
    return (value){.is_set = true, .type = FIELD_STRING, .text = span_text(text)};
}

/* What a filter on a span's own well-known fields may ask, most of which some spans answer. */
static spec_filter span_filter(world *w, const char *prefix, arena *mem)
{
    static const struct {
        const char *name;
        filter_op op;
        const char *text; /* NULL: a number, or nothing */
    } rows[] = {{F_SERVICE_NAME, FILTER_EQ, "web"},   {F_SERVICE_NAME, FILTER_NE, "cart"},
                {F_SERVICE_NAME, FILTER_EQ, "stock"}, {F_SPAN_KIND, FILTER_EQ, "server"},
                {F_SPAN_KIND, FILTER_NE, "client"},   {F_NAME, FILTER_CONTAINS, "1"},
                {F_NAME, FILTER_EXISTS, NULL},        {F_DURATION_MS, FILTER_GT, NULL},
                {F_DURATION_MS, FILTER_LE, NULL},     {F_ERROR, FILTER_EXISTS, NULL},
                {F_ERROR, FILTER_NOT_EXISTS, NULL},   {F_STATUS_CODE, FILTER_GE, NULL},
                {F_BODY, FILTER_NOT_EXISTS, NULL}};
    size_t i = world_below(w, COUNT_OF(rows));
    spec_filter f = {.op = rows[i].op, .values = ARENA_ARRAY(mem, value, 1)};
    f.column = arena_print(mem, "%s%s", prefix, rows[i].name);
    if (rows[i].text)
        f.values[f.value_count++] = text_value(rows[i].text);
    else if (filter_op_is_order(f.op))
        f.values[f.value_count++] = (value){
            .is_set = true, .type = FIELD_FLOAT, .f = (double)world_below(w, 400000) / 1000};
    return f;
}

static spec_filter derived_filter(world *w, arena *mem)
{
    static const filter_op ops[] = {FILTER_GT, FILTER_LE,        FILTER_EXISTS, FILTER_NOT_EXISTS,
                                    FILTER_NE, FILTER_ENDS_WITH, FILTER_EQ};
    spec_filter f = {.column = span_text(derived[world_below(w, COUNT_OF(derived))]),
                     .op = ops[world_below(w, COUNT_OF(ops))],
                     .values = ARENA_ARRAY(mem, value, 1)};
    if (f.op == FILTER_EXISTS || f.op == FILTER_NOT_EXISTS)
        return f;
    f.value_count = 1;
    f.values[0] = filter_op_is_order(f.op)
                      ? (value){.is_set = true,
                                .type = FIELD_FLOAT,
                                .f = (double)world_below(w, world_chance(w, 50) ? 5 : 300)}
                      : text_value(world_chance(w, 50) ? "1" : "op-1");
    return f;
}

/* Filters on what the whole trace says, in place of the others or beside them. True: a child is among them. */
static bool make_structure(world *w, query_spec *s, uint32_t *types, arena *mem)
{
    bool has_child = false;
    if (!world_chance(w, 30))
        return false;
    spec_filter *filters = ARENA_ARRAY(mem, spec_filter, s->filter_count + 4);
    uint32_t kept = world_chance(w, 70) ? 0 : s->filter_count;
    for (uint32_t i = 0; i < kept; i++)
        filters[i] = s->filters[i];
    for (int n = world_chance(w, 30) ? 2 : 1; n > 0; n--) {
        uint64_t relation = world_below(w, COUNT_OF(relations) + 2);
        types[kept] = QUESTION_TYPES;
        if (relation >= COUNT_OF(relations)) {
            filters[kept++] = derived_filter(w, mem);
            continue;
        }
        filters[kept++] = span_filter(w, relations[relation], mem);
        s->filters_or = false;
        has_child |= relation == 2;
    }
    s->filters = filters;
    s->filter_count = kept;
    return has_child;
}

static void make_orders(world *w, query_spec *s, arena *mem)
{
    s->order_count = (uint32_t)(world_chance(w, 40) ? 1 + world_below(w, 3) : 0);
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
    s->havings = ARENA_ARRAY(mem, spec_having, 3);
    for (uint32_t i = 0; i < 3 && world_chance(w, 25); i++) {
        const spec_calc *calc = &s->calcs[world_below(w, s->calc_count)];
        if (calc->op == CALC_HEATMAP)
            continue;
        s->havings[s->having_count++] =
            (spec_having){calc->op, calc->column, compares[world_below(w, COUNT_OF(compares))],
                          (double)world_below(w, 30) - 5};
    }
}

/* A moment of the world, or somewhat before or after it. */
static int64_t moment(world *w, int64_t first, int64_t last)
{
    return first + (int64_t)world_below(w, (uint64_t)(last - first + 1));
}

/* The range as every form of the spec can give it; returns its length. */
static int64_t make_range(world *w, query_spec *s)
{
    int64_t first = w->start_ns / NS_PER_S - 60, last = w->now_ns / NS_PER_S + 60;
    int64_t range = world_chance(w, 12)   ? 1 + (int64_t)world_below(w, 90)
                    : world_chance(w, 50) ? last - first
                                          : 3 * 86400;
    uint64_t form = world_below(w, 20);
    if (form < 10) {
        bool is_wide = world_chance(w, 30); /* with what came late and early */
        s->has_start = s->has_end = true;
        s->start_s = is_wide ? first - 3 * 86400 : moment(w, first, (first + last) / 2);
        s->end_s = is_wide ? last + 3600 : moment(w, (first + last) / 2 + 1, last);
        return s->end_s - s->start_s;
    }
    if (form < 14) /* with a start forward, else backward */
        s->has_start = form < 12;
    else if (form < 16)
        s->has_end = true;
    s->start_s = s->has_start ? moment(w, first, last - 60) : 0;
    s->end_s = s->has_end ? moment(w, first + 60, last) : 0;
    s->has_range = !world_chance(w, 25);
    s->range_s = s->has_range ? range : 0;
    return s->has_range ? range : PLAN_RANGE_DEFAULT_S;
}

static void make_time(world *w, query_spec *s)
{
    int64_t range = make_range(w, s);
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
    uint32_t types[8];
    if (world_chance(w, 40))
        s.dataset =
            span_text(datasets[world_below(w, world_chance(w, 80) ? 4 : COUNT_OF(datasets))]);
    make_filters(w, c, &s, ops, types, mem);
    bool has_child = make_structure(w, &s, types, mem);
    make_calcs(w, c, &s, ops, types, mem);
    make_breakdowns(w, &s, mem);
    if (has_child && s.breakdown_count && world_chance(w, 60))
        s.breakdowns[0] = arena_print(mem, "child.%s", name_of_any(w));
    make_orders(w, &s, mem);
    make_havings(w, &s, mem);
    make_time(w, &s);
    if (world_chance(w, 50))
        s.limit = 1 + (uint32_t)world_below(w, world_chance(w, 70)   ? 10
                                               : world_chance(w, 80) ? PLAN_LIMIT_SERIES_MAX
                                                                     : PLAN_LIMIT_MAX);
    return s;
}

/* ---- the proof ---- */

uint32_t coverage_least(const coverage *c, bool print)
{
    uint32_t least = UINT32_MAX;
    if (print)
        print_message("how often each calculation met each operator on a field of type "
                      "string/int/float/bool/histogram/several\n%-16s",
                      "");
    for (int op = 0; op < FILTER_OP_COUNT && print; op++)
        print_message("%24s", filter_op_name((filter_op)op));
    for (int calc = 0; calc < CALC_OP_COUNT; calc++) {
        if (print)
            print_message("\n%-16s", calc_op_name((calc_op)calc));
        for (int op = 0; op < FILTER_OP_COUNT; op++) {
            char cell[64];
            int len = 0;
            for (int type = 0; type < QUESTION_TYPES; type++) {
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
        for (int type = 0; type < QUESTION_TYPES; type++) {
            uint32_t n = c->over[calc][type];
            bool is_countable = calc_op_column((calc_op)calc) != CALC_COLUMN_NONE;
            least = is_countable && n < least ? n : least;
            if (print)
                print_message(
                    "  %s %u",
                    type < FIELD_TYPE_COUNT ? field_type_name((field_type)type) : "several", n);
        }
    }
    if (print)
        print_message("\nleast: %u\n", least);
    return least;
}
