/*
 * What sets a selection apart, over a small shop whose culprit is known, and the same answer from every layout of the store.
 */
#include <stdio.h>

#include "base/buf.h"
#include "engine/local/kept_blocks.h"
#include "engine/local/local_private.h"
#include "event/fields.h"
#include "query/differences.h"
#include "unit/engine_fixture.h"

#define TRACES 1000u

static uint64_t dice(uint64_t n, uint64_t salt)
{
    return hash_mix(n * 0x9e3779b97f4a7c15ull + salt);
}

static bool is_late(uint32_t trace)
{
    return trace >= TRACES / 2;
}

static int64_t start_of(uint32_t trace)
{
    return T0 + (int64_t)trace * 100 * NS_PER_MS;
}

static void put_part(batch *b, const char *service, const char *pod, int64_t at_ms, uint32_t trace,
                     uint64_t id, uint64_t parent, const char *name, const char *kind, double ms)
{
    rows_span(b, service, start_of(trace) + at_ms * NS_PER_MS, trace + 1, id, parent, name, kind,
              ms);
    put_string(b, "service.instance.id", pod);
    put_string(b, "build", is_late(trace) && dice(trace, 3) % 10 ? "7712" : "7711");
    put_int(b, "size", (int64_t)(dice(trace, 4) % 3000));
    put_float(b, "ratio", (double)(dice(id * trace, 5) % 100000) / 7);
    put_bool(b, "cold", dice(trace, 6) & 1);
}

/* What the rules treat apart: a consumer, failed spans, a parent whose clock is behind its child's, spans without a duration or without
 * their parent, a producer elsewhere. One span of a trace: 6 to 8. */
static void put_odd_span(batch *b, uint32_t trace, uint32_t number)
{
    static const char *const kinds[] = {"client", "consumer", "server", "internal", "producer"};
    uint64_t roll = dice(trace, number);
    const char *service = roll % 3 ? "cart" : "queue";
    uint64_t parent = number == 8 ? 8 : roll / 16 % 9;
    double ms = (double)(roll % 1000) / 10 * (is_late(trace) ? 2 : 1);
    rows_span(b, service, start_of(trace) + (int64_t)(roll / 4 % 40) * NS_PER_MS, trace + 1,
              number + 1, parent, roll % 2 ? "poll" : "push", kinds[roll / 8 % 5],
              roll % 11 ? ms : -1);
    if (roll % 5)
        put_string(b, roll % 5 == 1 ? "host.name" : "service.instance.id", "queue-1");
    if (roll % 7 == 0)
        put_bool(b, "error", true);
    if (roll % 13 == 0)
        put_int(b, "status_code", 2);
}

/* front calls cart and store; later the store's own work takes ten times as long, and cart waits for it too. One span of a
 * trace, so that traces can be cut anywhere: 0 to 5. */
static void put_span(batch *b, uint32_t trace, uint32_t number)
{
    double work = (3 + (double)(dice(trace, 1) % 100) / 100) * (is_late(trace) ? 10 : 1);
    const char *pod = dice(trace, 2) & 1 ? "store-1" : "store-2";
    switch (number) {
    case 0:
        put_part(b, "front", "front-1", 0, trace, 1, 0, "GET /", "server", 100 + 2 * work);
        break;
    case 1: put_part(b, "front", "front-1", 1, trace, 2, 1, "get", "client", 6 + work); break;
    case 2: put_part(b, "cart", "cart-1", 2, trace, 3, 2, "cart", "server", 4 + work); break;
    case 3: put_part(b, "cart", "cart-1", 3, trace, 4, 3, "load", "client", 2 + work); break;
    case 4: put_part(b, "store", pod, 4, trace, 5, 4, "read", "server", work); break;
    default: put_part(b, "store", pod, 60, trace, 6, 1, "read", "server", work); break;
    }
}

static void put_line(batch *b, uint32_t trace)
{
    char line[64];
    uint32_t row = rows_begin(b, "store", start_of(trace) + 5 * NS_PER_MS, 1);
    b->trace_id[row] = (trace_id){0xabcdef, trace + 1};
    snprintf(line, sizeof line, "%s page %u", is_late(trace) ? "evicted" : "found", trace);
    put_string(b, "body", line);
}

typedef struct ask {
    plan all, selection;
    differences_query query;
} ask;

/* Everything; selected is what came late. */
static void make_ask(ask *a, arena *mem)
{
    query_spec none = {0};
    err e;
    check_ok(plan_make(&none, T0, false, mem, &a->all, &e), &e);
    a->all.start_ns = T0;
    a->all.end_ns = start_of(TRACES);
    a->selection = a->all;
    a->selection.start_ns = start_of(TRACES / 2);
    a->query = (differences_query){
        .all = &a->all, .selection = &a->selection, .wants_suspects = true, .wants_words = true};
}

static const differ_field *field_of(const differences_result *r, const char *name)
{
    for (uint32_t i = 0; i < r->fields.count; i++)
        if (span_is(r->fields.fields[i].name, name))
            return &r->fields.fields[i];
    fail();
    return NULL;
}

#define SPANS     6u
#define SPANS_ODD 9u /* with odd ones */

static void fill(fixture *f, uint32_t spans, uint32_t batch_rows, uint32_t settle_every,
                 bool is_backwards)
{
    uint32_t whole = TRACES * spans, batches = 0;
    err e;
    for (uint32_t from = 0; from < whole; from += batch_rows) {
        batch *b = rows_new(FAMILY_TRACE);
        for (uint32_t i = from; i < whole && i < from + batch_rows; i++) {
            uint32_t at = is_backwards ? whole - 1 - i : i;
            if (at % spans < SPANS)
                put_span(b, at / spans, at % spans);
            else
                put_odd_span(b, at / spans, at % spans);
        }
        fixture_publish(f, b);
        if (settle_every && ++batches % settle_every == 0)
            check_ok(engine_settle(f->engine, &e), &e);
    }
    batch *b = rows_new(FAMILY_LOG);
    for (uint32_t i = 0; i < TRACES; i++)
        put_line(b, i);
    fixture_publish(f, b);
}

static void the_culprit_and_its_traces_are_found(void **state)
{
    fixture f = fixture_open(2, 0);
    arena *mem = arena_new(64 * MIB);
    differences_result r;
    ask a;
    err e;
    fill(&f, SPANS, SPANS * TRACES, 0, false);
    make_ask(&a, mem);
    check_ok(engine_differences(f.engine, ENVIRONMENT, &a.query, NULL, mem, &r, &e), &e);
    assert_true(r.totals.rows[0] == 3 * TRACES && r.totals.rows[1] == 3 * TRACES);
    check_text(r.suspects.suspects[0].service, "store");
    assert_true(r.suspects.suspects[0].own > 1.5 && r.suspects.suspects[0].own < 2.4);
    assert_true(r.suspects.suspects[0].share > 0.9 && !r.suspects.suspects[0].is_weak);
    check_text(r.suspects.suspects[0].operation.name, "read");
    assert_true(r.suspects.count == 1 || r.suspects.suspects[1].score < 0.1);
    const differ_field *build = field_of(&r, "build");
    assert_true(build->score > 0.3);
    check_text(build->sentence, "build = 7712 is 91 % of the selection, 0 % of the baseline");
    assert_true(field_of(&r, "meta.self_ms")->score > 0.05);
    assert_true(field_of(&r, "size")->is_ranges && field_of(&r, "size")->score < 0.05);
    assert_true(field_of(&r, "cold")->score < 0.01);
    assert_int_equal(r.words.count, 2);
    check_text(r.words.words[0].service, "store");
    check_text(r.words.words[0].word, "evicted");
    assert_true(r.words.words[0].with[0] == TRACES / 2 && r.words.words[0].with[1] == 0);

    a.query.rows = DIFFER_ROWS_LOGS;
    check_ok(engine_differences(f.engine, ENVIRONMENT, &a.query, NULL, mem, &r, &e), &e);
    assert_true(r.totals.rows[0] == TRACES / 2 && r.totals.rows[1] == TRACES / 2);
    check_text(r.suspects.suspects[0].service, "store"); /* by the lines' traces */
    atomic_bool cancel = true;
    run_control c = {.cancel = &cancel};
    assert_int_equal(engine_differences(f.engine, ENVIRONMENT, &a.query, &c, mem, &r, &e),
                     SK_CANCELLED);
    a.selection.end_ns = a.selection.start_ns;
    assert_int_equal(engine_differences(f.engine, ENVIRONMENT, &a.query, NULL, mem, &r, &e),
                     SK_BAD_INPUT);
    arena_free(mem);
    fixture_close(&f);
}

static char *answer_text(fixture *f)
{
    arena *mem = arena_new(64 * MIB);
    differences_result r;
    ask a;
    err e;
    buf out;
    make_ask(&a, mem);
    check_ok(engine_differences(f->engine, ENVIRONMENT, &a.query, NULL, mem, &r, &e), &e);
    r.elapsed_ns = 0;
    r.rows_scanned = 0;
    buf_init(&out, MIB);
    differences_to_json(&r, &a.query, &out);
    buf_add_u8(&out, 0);
    assert_false(out.failed);
    arena_free(mem);
    return (char *)out.at;
}

static void the_answer_does_not_show_the_layout(void **state)
{
    static const struct {
        uint32_t workers, batch_rows, settle_every;
        bool is_backwards;
    } layouts[] = {{1, SPANS_ODD * TRACES, 0, false},
                   {2, SPANS_ODD * TRACES, 1, false},
                   {3, 7, 0, false},
                   {2, 1000, 2, true},
                   {2, 301, 3, false}};
    char *first = NULL;
    for (size_t l = 0; l < COUNT_OF(layouts); l++) {
        fixture f = fixture_open(layouts[l].workers, 0);
        fill(&f, SPANS_ODD, layouts[l].batch_rows, layouts[l].settle_every,
             layouts[l].is_backwards);
        char *got = answer_text(&f), *again = answer_text(&f);
        assert_string_equal(again, got); /* by what is kept between questions */
        base_free(again);
        fixture_close(&f);
        if (!first) {
            first = got;
            continue;
        }
        assert_string_equal(got, first);
        base_free(got);
    }
    base_free(first);
}

/* What happens to a store: rows of sealed traces come in a segment of their own, and go with it; others come, merging, retention, a
 * dataset that goes. */
enum {
    STEP_FILL,
    STEP_APART,
    STEP_NOT_APART,
    STEP_LATE,
    STEP_MERGE,
    STEP_LATER,
    STEP_RETAIN,
    STEP_DROP,
    STEPS
};

/* Of the day before. */
#define DAY_NS (24 * 3600 * NS_PER_S)

static void put_apart(fixture *f)
{
    batch *b = rows_new(FAMILY_TRACE);
    err e;
    for (uint32_t i = 0; i < TRACES; i += 3)
        rows_span(b, "apart", start_of(i) - DAY_NS, i + 1, 100, 1, "wait", "client",
                  DAY_NS / 1e6 + 5);
    fixture_publish(f, b);
    check_ok(store_seal(engine_local_store(f->engine), &e), &e);
}

static void put_late_spans(fixture *f, uint32_t every)
{
    batch *b = rows_new(FAMILY_TRACE);
    for (uint32_t i = 0; i < TRACES; i += every)
        put_odd_span(b, i, SPANS_ODD + every % 2);
    fixture_publish(f, b);
}

static void take_step(fixture *f, int step)
{
    drop_query drop = {.environment = ENVIRONMENT};
    err e;
    switch (step) {
    case STEP_FILL: fill(f, SPANS_ODD, 1000, 2, false); break;
    case STEP_APART: put_apart(f); break;
    case STEP_LATE: put_late_spans(f, 7); break;
    case STEP_MERGE: check_ok(engine_settle(f->engine, &e), &e); break;
    case STEP_LATER: put_late_spans(f, 16); break;
    case STEP_NOT_APART:
    case STEP_RETAIN:
        drop.before_ns = step == STEP_NOT_APART ? T0 - NS_PER_S : start_of(TRACES / 4);
        check_ok(engine_drop(f->engine, &drop, &e), &e);
        break;
    default:
        drop.dataset = SPAN("cart");
        check_ok(engine_drop(f->engine, &drop, &e), &e);
        break;
    }
}

static void what_is_kept_is_of_the_rows_that_are_there(void **state)
{
    fixture kept = fixture_open(2, 0);
    kept_blocks *times = ((local *)kept.engine)->kept;
    for (int steps = 1; steps <= STEPS; steps++) {
        fixture fresh = fixture_open(2, 0);
        for (int step = 0; step < steps; step++)
            take_step(&fresh, step);
        take_step(&kept, steps - 1);
        char *want = answer_text(&fresh), *first = answer_text(&kept);
        uint64_t found[KEPT_COLUMNS + 1];
        for (uint32_t k = 0; k <= KEPT_COLUMNS; k++)
            found[k] = kept_blocks_found(times, k);
        char *second = answer_text(&kept);
        assert_string_equal(first, want);
        assert_string_equal(second, want);
        for (uint32_t k = 0; k <= KEPT_COLUMNS; k++)
            assert_true(kept_blocks_found(times, k) > found[k]);
        base_free(want);
        base_free(first);
        base_free(second);
        fixture_close(&fresh);
    }
    fixture_close(&kept);
}

#define KEPT_ROWS 1000u

static bool finds(kept_blocks *t, uint32_t block, int64_t high)
{
    static int64_t self_ns[KEPT_ROWS], gap_ns[KEPT_ROWS];
    if (!kept_blocks_times(t, 1, block, KEPT_ROWS, self_ns, gap_ns))
        return false;
    for (uint32_t i = 0; i < KEPT_ROWS; i++)
        assert_true(self_ns[i] == (int64_t)i * high - 1 && gap_ns[i] == (int64_t)(i % 2) - 1);
    return true;
}

static void put_times(kept_blocks *t, uint32_t block, int64_t high)
{
    static int64_t self_ns[KEPT_ROWS], gap_ns[KEPT_ROWS];
    for (uint32_t i = 0; i < KEPT_ROWS; i++) {
        self_ns[i] = (int64_t)i * high - 1;
        gap_ns[i] = (int64_t)(i % 2) - 1;
    }
    kept_blocks_put_times(t, 1, block, KEPT_ROWS, self_ns, gap_ns);
}

static void kept_times_stay_within_their_bound(void **state)
{
    memory *m = memory_new(MIB); /* of which a sixth is theirs: twenty blocks of small times */
    kept_blocks *t = kept_blocks_new(m);
    const int64_t small = 1000, large = (int64_t)1 << 40;
    put_times(t, 0, small);
    put_times(t, 0, small);
    put_times(t, 1, large);
    assert_true(finds(t, 0, small) && finds(t, 1, large) && !finds(t, 2, small));
    for (uint32_t block = 2; block < 40; block++)
        put_times(t, block, small);
    assert_true(memory_used(m, MEMORY_CACHE) > 0 && memory_used(m, MEMORY_CACHE) <= MIB / 6);
    assert_true(finds(t, 0, small) && finds(t, 1, large) && !finds(t, 39, small));
    for (uint32_t question = 0; question < 40; question++) {
        kept_blocks_begin(t);
        assert_true(finds(t, 1, large));
    }
    put_times(t, 39, small);
    assert_true(finds(t, 39, small) && finds(t, 1, large) && !finds(t, 0, small));
    kept_blocks_free(t);
    assert_true(memory_used(m, MEMORY_CACHE) == 0);
    memory_free(m);
}

TEST_GROUP(engine_selections, TEST(the_culprit_and_its_traces_are_found),
           TEST(the_answer_does_not_show_the_layout),
           TEST(what_is_kept_is_of_the_rows_that_are_there),
           TEST(kept_times_stay_within_their_bound));
