/*
 * tests/unit/engine_fixture.c: see engine_fixture.h.
 */
#include "unit/engine_fixture.h"

#include "event/fields.h"

fixture fixture_open_in(const char *parent, uint32_t workers, uint64_t query_memory_max,
                        bool keeps_nothing)
{
    fixture f = {.seq = 1, .arrival_ns = T0 + 600 * NS_PER_S};
    static unsigned folder; /* each its own below the test's */
    snprintf(f.dir, sizeof f.dir, "%s/%u", parent, folder++);
    local_options o = {
        .workers = workers, .query_memory_max = query_memory_max, .keeps_nothing = keeps_nothing};
    err e;
    o.store = (store_options){.dir = f.dir,
                              .data_dir = f.dir,
                              .seal_rows = 1 << 20,
                              .seal_bytes = 256 * MIB,
                              .seal_age_ns = 60 * NS_PER_S,
                              .seal_age_rows = 64 << 10,
                              .idle_seal_ns = 900 * NS_PER_S,
                              .merge_rows_max = 16u << 20,
                              .threads = false};
    check_ok(engine_open_local(&o, &f.engine, &e), &e);
    return f;
}

void fixture_close(fixture *f)
{
    engine_close(f->engine);
}

batch *rows_new(family f)
{
    batch *b = batch_new(f, 256 * MIB);
    assert_non_null(b);
    return b;
}

uint32_t rows_begin(batch *b, const char *dataset, int64_t time_ns, uint32_t rate)
{
    return batch_begin_row(b, time_ns, rate, batch_string(b, span_text(dataset)));
}

void put_string(batch *b, const char *name, const char *text)
{
    assert_true(
        batch_put_string(b, batch_column(b, span_text(name), FIELD_STRING, NULL), span_text(text)));
}

void put_int(batch *b, const char *name, int64_t v)
{
    assert_true(batch_put_int(b, batch_column(b, span_text(name), FIELD_INT, NULL), v));
}

void put_float(batch *b, const char *name, double v)
{
    assert_true(batch_put_float(b, batch_column(b, span_text(name), FIELD_FLOAT, NULL), v));
}

void put_bool(batch *b, const char *name, bool v)
{
    assert_true(batch_put_bool(b, batch_column(b, span_text(name), FIELD_BOOL, NULL), v));
}

uint32_t rows_span(batch *b, const char *service, int64_t time_ns, uint64_t trace, uint64_t id,
                   uint64_t parent, const char *name, const char *kind, double duration_ms)
{
    uint32_t row = rows_begin(b, service, time_ns, 1);
    b->trace_id[row] = (trace_id){0xabcdef, trace};
    b->span_id[row] = id;
    b->parent_id[row] = parent;
    put_string(b, F_SERVICE_NAME, service);
    put_string(b, F_NAME, name);
    if (kind)
        put_string(b, F_SPAN_KIND, kind);
    if (duration_ms >= 0)
        put_float(b, F_DURATION_MS, duration_ms);
    return row;
}

void fixture_publish(fixture *f, batch *take_b)
{
    err e;
    assert_true(batch_freeze(take_b));
    take_b->arrival_ns = f->arrival_ns;
    publish p = {.environment = ENVIRONMENT, .seq = f->seq++, .take_batch = take_b};
    check_ok(engine_publish(f->engine, &p, &e), &e);
}

/* What stands behind "data": in a result's JSON, without "meta". */
static char *data_of(span json)
{
    static const char head[] = "{\"data\":", tail[] = ",\"meta\":";
    const uint8_t *end = memmem(json.at, json.len, tail, sizeof tail - 1);
    assert_non_null(end);
    size_t len = (size_t)(end - json.at) - (sizeof head - 1);
    char *text = base_alloc(len + 1);
    assert_non_null(text);
    memcpy(text, json.at + sizeof head - 1, len);
    text[len] = 0;
    return text;
}

char *fixture_ask(fixture *f, const char *text, bool wants_series)
{
    arena *mem = arena_new(256 * MIB);
    char full[1000], *answer;
    query_spec spec;
    plan p;
    result r;
    err e = {0};
    bool has_times = strstr(text, "SINCE") || strstr(text, "UNTIL");
    snprintf(full, sizeof full, "%s%s", text,
             has_times ? "" : " SINCE 1700000000 UNTIL 1700000600 EVERY 60s");
    sk_code code = spec_from_text(span_text(full), mem, &spec, &e);
    if (code == SK_OK)
        code = plan_make(&spec, T0 + 600 * NS_PER_S, wants_series, mem, &p, &e);
    if (code == SK_OK)
        code = engine_run(f->engine, ENVIRONMENT, &p, NULL, mem, &r, &e);
    if (code == SK_OK) {
        buf out;
        buf_init(&out, 256 * MIB);
        result_to_json(&r, &out);
        answer = data_of(buf_span(&out));
        buf_done(&out);
    } else {
        size_t size = sizeof e.text + 40;
        answer = base_alloc(size);
        snprintf(answer, size, "%s: %s", sk_name(code), e.text);
    }
    arena_free(mem);
    return answer;
}

void check__answer(fixture *f, const char *text, bool wants_series, const char *want,
                   const char *file, int line)
{
    char *got = fixture_ask(f, text, wants_series);
    bool is_same = strcmp(got, want) == 0;
    if (!is_same)
        print_error("asked %s\ngot   %s\nwant  %s\n", text, got, want);
    base_free(got);
    if (!is_same)
        _fail(file, line);
}
