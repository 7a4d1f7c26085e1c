/*
 * tests/model/compare_test.c: the engine against the model on random data: every layout of the store, random plans, traces, service maps
 * and lists of fields, equal as DESIGN §4 "Exactness" says.
 *
 * SKEP_TEST_ROUNDS=all: at least 10,000 queries, every calculation with every operator on every type at least 50 times; a number: about so
 * many queries; else a run of seconds. SKEP_TEST_SEED begins elsewhere; a failure prints the seed of its world and the query.
 */
#include "compare.h"
#include "layouts.h"
#include "query/traces.h"
#include "questions.h"

#define QUERIES_ALL     12000
#define QUERIES_SHORT   260
#define QUERIES_A_WORLD 65
#define QUERY_MEMORY    (1 * GIB)
#define NON_EMPTY_LEAST 60 /* per cent */
#define LEAST_MET       50

typedef struct tally {
    coverage coverage;
    uint64_t queries, non_empty, refused, over_memory, loose, answers, rows, traces, maps,
        field_lists, chosen_maps, differences, suspects, words;
} tally;

typedef struct party { /* one world, the model and the engines that hold it */
    world w;
    uint64_t seed;
    engine *model;
    holder holders[LAYOUT_COUNT];
} party;

static uint32_t rounds(void)
{
    const char *asked = getenv("SKEP_TEST_ROUNDS");
    uint64_t n = 0;
    if (asked && strcmp(asked, "all") == 0)
        return QUERIES_ALL;
    return asked && span_to_u64(span_text(asked), &n) && n ? (uint32_t)n : QUERIES_SHORT;
}

static uint64_t first_seed(void)
{
    const char *asked = getenv("SKEP_TEST_SEED");
    uint64_t seed = 1;
    if (asked)
        span_to_u64(span_text(asked), &seed);
    return seed;
}

static void fill_model(party *p, uint32_t first)
{
    err e = {0};
    for (uint32_t i = first; i < p->w.batch_count; i++) {
        publish one = {.environment = p->w.batches[i].environment,
                       .seq = i + 1,
                       .take_batch = world_open(&p->w, i)};
        check_ok(engine_publish(p->model, &one, &e), &e);
    }
}

static void gather_some(party *p, uint64_t seed, uint32_t row_count, bool has_spans_alone)
{
    p->seed = seed;
    world_make(&p->w, seed, row_count, has_spans_alone);
    engine_open_model(&p->model);
    fill_model(p, 0);
    for (int l = 0; l < LAYOUT_COUNT; l++) {
        holder_open(&p->holders[l], &p->w);
        holder_fill(&p->holders[l], &p->w, 0, (layout)l);
    }
}

static void gather(party *p, uint64_t seed, uint32_t row_count)
{
    gather_some(p, seed, row_count, false);
}

/* Nearly all that was asked has been answered, and was something. */
static void check_tally(const tally *t, const char *what)
{
    print_message("%s: %llu queries (%llu non-empty, %llu refused), %llu answers with %llu rows "
                  "compared (%llu decided by sums of floats), %llu over the memory of a query; "
                  "%llu traces, %llu service maps (%llu of chosen traces), %llu lists of fields, "
                  "%llu differences (%llu with "
                  "suspects, %llu with words)\n",
                  what, (unsigned long long)t->queries, (unsigned long long)t->non_empty,
                  (unsigned long long)t->refused, (unsigned long long)t->answers,
                  (unsigned long long)t->rows, (unsigned long long)t->loose,
                  (unsigned long long)t->over_memory, (unsigned long long)t->traces,
                  (unsigned long long)t->maps, (unsigned long long)t->chosen_maps,
                  (unsigned long long)t->field_lists, (unsigned long long)t->differences,
                  (unsigned long long)t->suspects, (unsigned long long)t->words);
    assert_true(t->refused * 50 <= t->queries + 50);
    assert_true(t->loose * 50 <= t->answers + 500);
    assert_true(t->over_memory * 50 <= t->answers + 50);
}

static void scatter(party *p)
{
    for (int l = 0; l < LAYOUT_COUNT; l++)
        holder_close(&p->holders[l]);
    engine_close(p->model);
    world_done(&p->w);
}

/* cmocka prints at most 1 KiB at once; what differs comes first, as a question can hold long texts. */
static void differ(const party *p, int l, const char *question, const char *diff)
{
    print_error("world %llu of a run from seed %llu, layout \"%s\": %.700s\n",
                (unsigned long long)p->seed, (unsigned long long)first_seed(), layout_names[l],
                diff);
    for (size_t at = 0, len = strlen(question); at < len && at < 8000; at += 800)
        print_error("%.800s", question + at);
    print_error("\n");
    fail();
}

/* ---- queries ---- */

static void ask_one(party *p, tally *t, const query_spec *s, arena *mem)
{
    plan pl;
    err e = {0};
    if (plan_make(s, p->w.now_ns, s->limit <= PLAN_LIMIT_SERIES_MAX && world_chance(&p->w, 40), mem,
                  &pl, &e) != SK_OK) {
        t->refused++;
        return;
    }
    uint32_t environment = world_chance(&p->w, 90) ? 1 : 2;
    result want, got;
    check_ok(engine_run(p->model, environment, &pl, NULL, mem, &want, &e), &e);
    t->queries++;
    t->non_empty += want.rows_scanned > 0; /* of the model: rows that count */
    buf text;
    buf_init(&text, MIB);
    spec_to_text(s, &text);
    buf_add_u8(&text, 0);
    for (int l = 0; l < LAYOUT_COUNT; l++) {
        bool is_loose = false;
        sk_code code = engine_run(p->holders[l].engine, environment, &pl, NULL, mem, &got, &e);
        if (code == SK_TOO_LARGE) { /* of query_memory_max, which the model does not have */
            t->over_memory++;
            continue;
        }
        if (code != SK_OK)
            differ(p, l, (const char *)text.at, e.text);
        const char *diff = compare_results(&pl, &want, &got, &is_loose, mem);
        if (diff)
            differ(p, l, (const char *)text.at, diff);
        t->loose += is_loose;
        t->answers++;
        t->rows += got.row_count + got.series_count;
    }
    buf_done(&text);
}

static void ask_questions(party *p, tally *t, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        arena *mem = arena_new(QUERY_MEMORY);
        query_spec s = question_make(&p->w, &t->coverage, mem);
        ask_one(p, t, &s, mem);
        arena_free(mem);
    }
}

/* ---- structure ---- */

static void ask_traces(party *p, tally *t, uint32_t count)
{
    for (uint32_t i = 0; i < count && p->w.trace_count; i++) {
        trace_id id = p->w.traces[world_below(&p->w, p->w.trace_count)];
        int64_t start =
            world_chance(&p->w, 70)
                ? 0
                : p->w.start_ns + (int64_t)world_below(&p->w, (uint64_t)(600 * NS_PER_S));
        int64_t end = world_chance(&p->w, 70)
                          ? 0
                          : (start ? start : p->w.start_ns) + 1 +
                                (int64_t)world_below(&p->w, (uint64_t)(900 * NS_PER_S));
        arena *mem = arena_new(QUERY_MEMORY);
        trace_result want, got;
        err e = {0};
        char text[33];
        trace_id_print(id, text);
        sk_code wanted = engine_trace(p->model, 1, id, start, end, mem, &want, &e);
        for (int l = 0; l < LAYOUT_COUNT; l++) {
            sk_code code = engine_trace(p->holders[l].engine, 1, id, start, end, mem, &got, &e);
            const char *diff = code != wanted  ? sk_name(code)
                               : code == SK_OK ? compare_traces(&want, &got, mem)
                                               : NULL;
            if (diff)
                differ(p, l, text, diff);
        }
        t->traces += wanted == SK_OK;
        arena_free(mem);
    }
}

static void random_range(world *w, int64_t *ret_start, int64_t *ret_end)
{
    *ret_start = w->start_ns - (world_chance(w, 50) ? 3 * 86400 * NS_PER_S : 0);
    *ret_end = w->now_ns + 3600 * NS_PER_S;
    if (world_chance(w, 50)) {
        *ret_start = w->start_ns + (int64_t)world_below(w, (uint64_t)(w->now_ns - w->start_ns + 1));
        *ret_end = *ret_start + 1 + (int64_t)world_below(w, (uint64_t)(600 * NS_PER_S));
    }
}

static void ask_maps(party *p, tally *t, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        arena *mem = arena_new(QUERY_MEMORY);
        service_map want, got;
        plan asked;
        err e = {0};
        char question[500];
        int64_t start, end;
        random_range(&p->w, &start, &end);
        span where = world_chance(&p->w, 50) ? question_traces(&p->w, mem) : SPAN("");
        snprintf(question, sizeof question, "service map WHERE %.*s", SPAN_FMT(where));
        check_ok(traces_plan(where, start, end, mem, &asked, &e), &e);
        check_ok(engine_service_map(p->model, 1, &asked, NULL, mem, &want, &e), &e);
        for (int l = 0; l < LAYOUT_COUNT; l++) {
            check_ok(engine_service_map(p->holders[l].engine, 1, &asked, NULL, mem, &got, &e), &e);
            const char *diff = compare_maps(&want, &got, mem);
            if (diff)
                differ(p, l, question, diff);
        }
        t->maps += want.edge_count > 0;
        t->chosen_maps += where.len && want.edge_count > 0;
        arena_free(mem);
    }
}

static void ask_fields(party *p, tally *t, uint32_t count)
{
    static const char *const datasets[] = {"web", "metrics", "shop", "nobody"};
    for (uint32_t i = 0; i < count; i++) {
        arena *mem = arena_new(QUERY_MEMORY);
        fields_query q = {.top_max = (uint32_t)world_below(&p->w, 12),
                          .limit = (uint32_t)world_below(&p->w, 2) * 9};
        fields_result want, got;
        err e = {0};
        random_range(&p->w, &q.start_ns, &q.end_ns);
        if (world_chance(&p->w, 50))
            q.dataset = span_text(datasets[world_below(&p->w, COUNT_OF(datasets))]);
        if (world_chance(&p->w, 30))
            q.prefix = SPAN("h");
        check_ok(engine_fields(p->model, 1, &q, mem, &want, &e), &e);
        for (int l = 0; l < LAYOUT_COUNT; l++) {
            check_ok(engine_fields(p->holders[l].engine, 1, &q, mem, &got, &e), &e);
            const char *diff = compare_fields(&want, &got, mem);
            if (diff)
                differ(p, l, "fields", diff);
        }
        t->field_lists += want.count > 0;
        arena_free(mem);
    }
}

static bool random_plan(party *p, tally *t, bool has_dataset, arena *mem, plan *ret)
{
    err e = {0};
    query_spec s = question_make(&p->w, &t->coverage, mem);
    query_spec side = {.dataset = has_dataset ? s.dataset : (span){NULL, 0},
                       .filters = s.filters,
                       .filter_count = s.filter_count > 2 ? 2 : s.filter_count,
                       .filters_or = s.filters_or};
    if (plan_make(&side, p->w.now_ns, false, mem, ret, &e) != SK_OK)
        return false;
    random_range(&p->w, &ret->start_ns, &ret->end_ns);
    return true;
}

static void ask_differences(party *p, tally *t, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        arena *mem = arena_new(QUERY_MEMORY);
        plan all, selection, baseline;
        differences_result want, first, got;
        err e = {0};
        if (!random_plan(p, t, world_chance(&p->w, 30), mem, &all) ||
            !random_plan(p, t, false, mem, &selection) ||
            !random_plan(p, t, false, mem, &baseline)) {
            arena_free(mem);
            continue;
        }
        if (world_chance(&p->w, 75))
            all.filter_count = all.related_count = 0;
        if (world_chance(&p->w, 50))
            selection.filter_count = selection.related_count = 0;
        differences_query q = {.all = &all,
                               .selection = &selection,
                               .baseline = world_chance(&p->w, 30) ? &baseline : NULL,
                               .rows = (differ_rows)world_below(&p->w, DIFFER_ROWS_COUNT),
                               .wants_suspects = true,
                               .wants_words = true,
                               .field_limit = (uint32_t)world_below(&p->w, 2) * 5};
        check_ok(engine_differences(p->model, 1, &q, NULL, mem, &want, &e), &e);
        for (int l = 0; l < LAYOUT_COUNT; l++) {
            check_ok(engine_differences(p->holders[l].engine, 1, &q, NULL, mem, &got, &e), &e);
            const char *diff = compare_differences(&want, &got, false, mem);
            if (!diff && l > 0)
                diff = compare_differences(&first, &got, true, mem);
            if (diff)
                differ(p, l, "differences", diff);
            first = got;
        }
        t->differences += want.fields.count > 0;
        t->suspects += first.suspects.count > 0;
        t->words += first.words.count > 0;
        arena_free(mem);
    }
}

/* ---- what is taken away ---- */

static void drop_everywhere(party *p, const drop_query *q)
{
    err e = {0};
    check_ok(engine_drop(p->model, q, &e), &e);
    for (int l = 0; l < LAYOUT_COUNT; l++)
        check_ok(engine_drop(p->holders[l].engine, q, &e), &e);
}

static void settle_everywhere(party *p)
{
    err e = {0};
    for (int l = 0; l < LAYOUT_COUNT; l++)
        check_ok(engine_settle(p->holders[l].engine, &e), &e);
}

static void ask_all(party *p, tally *t, uint32_t queries)
{
    ask_questions(p, t, queries);
    ask_traces(p, t, queries / 4 + 1);
    ask_maps(p, t, queries / 16 + 1);
    ask_fields(p, t, queries / 12 + 1);
    ask_differences(p, t, queries / 8 + 1);
}

static void one_world(tally *t, uint64_t seed, uint32_t queries)
{
    static party p;
    gather(&p, seed, 200 + (uint32_t)(seed % 5) * 300);
    ask_all(&p, t, queries - queries / 5);
    drop_everywhere(&p, &(drop_query){.environment = 1, .dataset = SPAN("cart")});
    ask_all(&p, t, queries / 10);
    settle_everywhere(&p);
    ask_all(&p, t, queries / 10);
    drop_everywhere(&p, &(drop_query){.environment = 2});
    ask_questions(&p, t, 2);
    scatter(&p);
}

static void the_engine_answers_as_the_model(void **state)
{
    static tally t;
    uint32_t wanted = rounds();
    for (uint64_t seed = first_seed(); t.queries < wanted; seed++) {
        one_world(&t, seed, QUERIES_A_WORLD);
        check__end(NULL); /* the stores' folder */
    }
    uint32_t least = coverage_least(&t.coverage, wanted >= QUERIES_ALL);
    check_tally(&t, "all");
    assert_true(t.non_empty * 100 >= t.queries * NON_EMPTY_LEAST);
    if (wanted >= QUERIES_ALL)
        assert_true(least >= LEAST_MET);
}

/* Segments and open sets go as a whole; days apart, that is exactly the rows that are older. */
static void old_days_go(void **state)
{
    static party p;
    static tally t;
    gather(&p, 777, 600);
    uint32_t first = p.w.batch_count;
    int64_t between = p.w.now_ns + 60 * 3600 * NS_PER_S;
    world_extend(&p.w, 5 * 86400 * NS_PER_S, 600);
    fill_model(&p, first);
    for (int l = 0; l < LAYOUT_COUNT; l++) {
        holder_seal(&p.holders[l]);
        holder_fill(&p.holders[l], &p.w, first, (layout)l);
    }
    ask_all(&p, &t, 30);
    drop_everywhere(&p, &(drop_query){.environment = 1, .before_ns = between});
    ask_all(&p, &t, 30);
    settle_everywhere(&p);
    ask_all(&p, &t, 20);
    scatter(&p);
}

static void ask_text(party *p, tally *t, const char *question)
{
    arena *mem = arena_new(4 * GIB);
    char text[300];
    query_spec s;
    err e = {0};
    snprintf(text, sizeof text, "%s SINCE 1600000000 UNTIL 1800000000", question);
    check_ok(spec_from_text(span_text(text), mem, &s, &e), &e);
    ask_one(p, t, &s, mem);
    arena_free(mem);
}

/* Many blocks, so that some are skipped, some cut by the range, traces cut by their edges, and workers share the parts. */
static void many_blocks(void **state)
{
    static const char *const texts[] = {
        "COUNT, SUM(meta.self_ms), SUM(meta.gap_ms) GROUP BY trace.span_id LIMIT 10000",
        "SUM(meta.self_ms), SUM(meta.gap_ms), SUM(meta.depth), COUNT(root.name), SUM(parent.rare)",
        "COUNT, MAX(root.duration_ms), MIN(parent.duration_ms) GROUP BY meta.root_name, "
        "parent.name LIMIT 10000",
        "COUNT, COUNT(root.name) GROUP BY trace.span_id, root.host.name LIMIT 10000",
        "COUNT WHERE child.service.name = \"web\" AND parent.name exists GROUP BY child.name, name",
        "COUNT WHERE root.span.kind = \"server\" AND meta.depth > 1 AND none.error exists GROUP BY "
        "name, meta.depth",
        "P99(meta.self_ms), HEATMAP(meta.gap_ms) WHERE any.service.name = \"cart\" AND "
        "any2.duration_ms > 350 GROUP BY service.name",
        "COUNT, P99(duration_ms) WHERE trace.span_id exists GROUP BY trace.span_id ORDER BY COUNT "
        "DESC LIMIT 50",
        "P99(duration_ms), COUNT, P50(duration_ms) GROUP BY trace.span_id HAVING COUNT >= 2 ORDER "
        "BY P99(duration_ms) DESC LIMIT 20",
        "P50(duration_ms) GROUP BY trace.span_id LIMIT 30",
        "COUNT, P90(duration_ms) GROUP BY trace.trace_id ORDER BY COUNT DESC LIMIT 10",
        "COUNT GROUP BY trace.trace_id, name ORDER BY COUNT DESC LIMIT 9",
    };
    static party p;
    static tally t;
    gather(&p, first_seed() + 98, 30000);
    for (size_t i = 0; i < COUNT_OF(texts); i++)
        ask_text(&p, &t, texts[i]);
    ask_questions(&p, &t, rounds() >= QUERIES_ALL ? 60 : 8);
    scatter(&p);
    check_tally(&t, "many blocks");
}

/* More distinct values than are counted exactly. */
static void many_distinct_values(void **state)
{
    static const char *const texts[] = {
        "COUNT_DISTINCT(request.id), COUNT_DISTINCT(trace.span_id), COUNT_DISTINCT(user.id)",
        "COUNT_DISTINCT(request.id) GROUP BY is_cached",
        "COUNT_DISTINCT(trace.span_id), COUNT GROUP BY http.route LIMIT 2",
    };
    static party p;
    static tally t;
    gather(&p, 4242, 16000);
    for (size_t i = 0; i < COUNT_OF(texts); i++)
        ask_text(&p, &t, texts[i]);
    scatter(&p);
}

/* Spans alone: traces that lie in one place are counted without a table of them. */
static void traces_are_counted(void **state)
{
    static const char *const texts[] = {
        "COUNT GROUP BY trace.trace_id LIMIT 10",
        "COUNT GROUP BY trace.trace_id ORDER BY COUNT LIMIT 300",
        "COUNT GROUP BY trace.trace_id ORDER BY trace.trace_id DESC LIMIT 3",
        "COUNT GROUP BY trace.trace_id ORDER BY COUNT DESC, trace.trace_id DESC LIMIT 1000",
        "COUNT GROUP BY trace.trace_id LIMIT 10000",
        "COUNT WHERE duration_ms exists GROUP BY trace.trace_id HAVING COUNT > 2 LIMIT 7",
        "COUNT GROUP BY trace.trace_id HAVING COUNT < 5 AND COUNT != 3 ORDER BY COUNT LIMIT 50",
        "COUNT GROUP BY trace.trace_id HAVING COUNT > 1000000",
    };
    static party p;
    static tally t;
    gather_some(&p, first_seed() + 31, rounds() >= QUERIES_ALL ? 120000 : 40000, true);
    for (int again = 0; again < 2; again++)
        for (size_t i = 0; i < COUNT_OF(texts); i++)
            ask_text(&p, &t, texts[i]);
    scatter(&p);
    check_tally(&t, "traces");
}

TEST_GROUP(model_compare, TEST(the_engine_answers_as_the_model), TEST(old_days_go),
           TEST(many_blocks), TEST(traces_are_counted), TEST(many_distinct_values));
TEST_MAIN(model_compare)
