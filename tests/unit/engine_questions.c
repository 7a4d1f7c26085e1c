/*
 * Plans over small stores: every meaning of aggregate.h that needs rows, and that the layout of the rows never shows.
 */
#include <math.h>

#include "base/clock.h"
#include "base/hash.h"
#include "unit/engine_fixture.h"

/* Ten rows: two datasets, one name with three types, absent values, sample rates, one row out of range. */
static void publish_mixed(fixture *f)
{
    batch *b = rows_new(FAMILY_TRACE);
    for (int i = 0; i < 6; i++) {
        rows_begin(b, i < 4 ? "shop" : "cart", T0 + i * 30 * NS_PER_S, i == 5 ? 10 : 1);
        put_float(b, "duration_ms", i * 10 + 0.5);
        put_string(b, "route", i % 2 ? "/a" : "/b");
        if (i < 2)
            put_int(b, "status", 200);
        else if (i < 4)
            put_string(b, "status", i == 2 ? "200" : "500");
        else if (i == 4)
            put_float(b, "status", 200.0);
        if (i == 3)
            put_bool(b, "error", true);
    }
    fixture_publish(f, b);
    b = rows_new(FAMILY_LOG);
    rows_begin(b, "shop", T0 + 599 * NS_PER_S, 1);
    put_string(b, "route", "");
    rows_begin(b, "shop", T0 + 600 * NS_PER_S, 1);
    put_string(b, "route", "/never");
    fixture_publish(f, b);
    b = rows_new(FAMILY_METRIC);
    rows_begin(b, "metrics", T0, 1);
    put_int(b, "metric.value", 3);
    rows_begin(b, "shop", T0, 1);
    put_int(b, "metric.value", 4);
    fixture_publish(f, b);
}

static void groups_by_text_and_type(void **state)
{
    fixture f = fixture_open(2, 0);
    publish_mixed(&f);
    check_answer(
        &f, "COUNT GROUP BY status",
        "{\"series\":[],\"results\":[{\"data\":{\"COUNT\":11,\"status\":null}},"
        "{\"data\":{\"COUNT\":4,\"status\":200}},{\"data\":{\"COUNT\":1,\"status\":\"500\"}}],"
        "\"total_by_aggregate\":{\"COUNT\":16}}");
    check_answer(
        &f, "COUNT GROUP BY route ORDER BY route DESC",
        "{\"series\":[],\"results\":[{\"data\":{\"COUNT\":3,\"route\":\"/b\"}},"
        "{\"data\":{\"COUNT\":12,\"route\":\"/a\"}},{\"data\":{\"COUNT\":1,\"route\":\"\"}}],"
        "\"total_by_aggregate\":{\"COUNT\":16}}");
    fixture_close(&f);
}

/* One value of a COUNT query without groups. */
static void check_count(fixture *f, const char *where, int64_t want)
{
    char text[300], answer[200];
    snprintf(text, sizeof text, "COUNT %s", where);
    snprintf(answer, sizeof answer,
             "{\"series\":[],\"results\":[{\"data\":{\"COUNT\":%lld}}],\"total_by_aggregate\":{"
             "\"COUNT\":%lld}}",
             (long long)want, (long long)want);
    check_answer(f, text, answer);
}

static void filters_mean_what_they_say(void **state)
{
    static const struct {
        const char *name;
        int64_t count;
    } rows[] = {
        {"", 16},
        {"FROM shop", 5},
        {"FROM cart", 11},
        {"FROM metrics", 1},
        {"FROM nobody", 0},
        {"FROM __all__", 16},
        {"WHERE status = 200", 4},
        {"WHERE status = \"200\"", 4},
        {"WHERE status != 200", 12},
        {"WHERE status in (200, 500)", 5},
        {"WHERE status not-in (200)", 12},
        {"WHERE status exists", 5},
        {"WHERE status does-not-exist", 11},
        {"WHERE status >= 200", 5},
        {"WHERE status > 200", 1},
        {"WHERE status < 200.5", 4},
        {"WHERE status starts-with \"20\"", 4},
        {"WHERE status does-not-contain \"0\"", 11},
        {"WHERE duration_ms > 20", 13},
        {"WHERE duration_ms > 20.5", 12},
        {"WHERE duration_ms >= 20.5", 13},
        {"WHERE duration_ms = 20.5", 1},
        {"WHERE duration_ms = \"20.5\"", 1},
        {"WHERE duration_ms in (20.5, 30.5, 77)", 2},
        {"WHERE duration_ms ends-with \".5\"", 15},
        {"WHERE duration_ms contains \"0.\"", 15},
        {"WHERE route = \"\"", 1},
        {"WHERE route exists", 16},
        {"WHERE route starts-with \"/\"", 15},
        {"WHERE route ends-with \"a\"", 12},
        {"WHERE error = true", 1},
        {"WHERE error = \"true\"", 1},
        {"WHERE error != true", 15},
        {"WHERE error = false", 0},
        {"WHERE error exists AND status = 500", 1},
        {"WHERE error exists AND status = 200", 0},
        {"WHERE error exists OR status = 200", 5},
        {"FROM shop WHERE error exists OR route = \"\"", 2},
        {"FROM shop WHERE nothing = 1 OR route = \"\"", 1},
        {"WHERE nothing = 1", 0},
        {"WHERE nothing != 1", 16},
        {"WHERE nothing != 1 AND duration_ms < 1", 1},
        {"SINCE 1700000000 UNTIL 1700000030", 1},
        {"SINCE 1700000030 UNTIL 1700000061", 2},
        {"SINCE 1700000000 UNTIL 1700000601", 17},
        {"SINCE 1600000000 UNTIL 1600000601", 0},
    };
    fixture f = fixture_open(2, 0);
    publish_mixed(&f);
    EACH_ROW(row, rows)
    check_count(&f, row->name, row->count);
    fixture_close(&f);
}

/* Long lists are searched, not compared one by one: NaN, which no order knows, is in none of numbers. */
static void long_lists_of_numbers(void **state)
{
    static const struct {
        const char *name;
        int64_t count;
    } rows[] = {
        {"WHERE x in (9, 8, 7, 6, 5, 4, 3, 2, 1)", 2},
        {"WHERE x not-in (9, 8, 7, 6, 5, 4, 3, 2, 1)", 3},
        {"WHERE x in (9, 8, 7, 6, 5, 4, 3, 2, 1, 0.5)", 3},
        {"WHERE x in (9, 8, 7, 6, 5, 4, 3, 2, 1, \"nan\")", 3},
        {"WHERE x in (9, 8, 7, 6, 5, 4, 3, 2, 1, \"nan\", \"inf\")", 4},
    };
    fixture f = fixture_open(2, 0);
    batch *b = rows_new(FAMILY_TRACE);
    double floats[] = {NAN, 0.5, 3, INFINITY};
    for (size_t i = 0; i < COUNT_OF(floats); i++) {
        rows_begin(b, "shop", T0, 1);
        put_float(b, "x", floats[i]);
    }
    rows_begin(b, "shop", T0, 1);
    put_int(b, "x", 9);
    fixture_publish(&f, b);
    EACH_ROW(row, rows)
    check_count(&f, row->name, row->count);
    fixture_close(&f);
}

static void calculations_without_rows(void **state)
{
    fixture f = fixture_open(1, 0);
    check_answer(&f,
                 "COUNT, SUM(x), AVG(x), MIN(x), COUNT_DISTINCT(x), P50(x), HEATMAP(x), "
                 "CONCURRENCY, RATE_SUM(x)",
                 "{\"series\":[],\"results\":[{\"data\":{\"COUNT\":0,\"SUM(x)\":null,\"AVG(x)\":"
                 "null,\"MIN(x)\":null,"
                 "\"COUNT_DISTINCT(x)\":0,\"P50(x)\":null,\"HEATMAP(x)\":null,\"CONCURRENCY\":null,"
                 "\"RATE_SUM(x)\":null}}],"
                 "\"total_by_aggregate\":{\"COUNT\":0,\"SUM(x)\":null,\"AVG(x)\":null,\"MIN(x)\":"
                 "null,\"COUNT_DISTINCT(x)\":0,"
                 "\"P50(x)\":null,\"HEATMAP(x)\":null,\"CONCURRENCY\":null,\"RATE_SUM(x)\":null}}");
    check_series_answer(&f, "COUNT GROUP BY x",
                        "{\"series\":[],\"results\":[],\"total_by_aggregate\":{\"COUNT\":0}}");
    fixture_close(&f);
}

static void calculations_over_mixed_types(void **state)
{
    fixture f = fixture_open(2, 0);
    publish_mixed(&f);
    check_answer(
        &f,
        "COUNT(status), SUM(status), AVG(status), MIN(status), MAX(status), COUNT_DISTINCT(status)",
        "{\"series\":[],\"results\":[{\"data\":{\"COUNT(status)\":5,\"SUM(status)\":1300,\"AVG("
        "status)\":260,"
        "\"MIN(status)\":200,\"MAX(status)\":500,\"COUNT_DISTINCT(status)\":2}}],"
        "\"total_by_aggregate\":{\"COUNT(status)\":5,\"SUM(status)\":1300,\"AVG(status)\":260,"
        "\"MIN(status)\":200,\"MAX(status)\":500,\"COUNT_DISTINCT(status)\":2}}");
    check_answer(
        &f, "SUM(duration_ms), MAX(error), SUM(error), COUNT(error), COUNT_DISTINCT(error)",
        "{\"series\":[],\"results\":[{\"data\":{\"SUM(duration_ms)\":607.5,\"MAX(error)\":null,"
        "\"SUM(error)\":null,"
        "\"COUNT(error)\":1,\"COUNT_DISTINCT(error)\":1}}],\"total_by_aggregate\":{\"SUM(duration_"
        "ms)\":607.5,"
        "\"MAX(error)\":null,\"SUM(error)\":null,\"COUNT(error)\":1,\"COUNT_DISTINCT(error)\":1}}");
    fixture_close(&f);
}

static void series_have_points_where_rows_are(void **state)
{
    fixture f = fixture_open(2, 0);
    publish_mixed(&f);
    check_series_answer(
        &f, "COUNT, RATE_MAX(duration_ms) FROM cart GROUP BY route",
        "{\"series\":[{\"time\":\"2023-11-14T22:15:20Z\",\"data\":{\"COUNT\":10,\"RATE_MAX("
        "duration_ms)\":null,\"route\":\"/a\"}},"
        "{\"time\":\"2023-11-14T22:15:20Z\",\"data\":{\"COUNT\":1,\"RATE_MAX(duration_ms)\":null,"
        "\"route\":\"/b\"}}],"
        "\"results\":[{\"data\":{\"COUNT\":10,\"RATE_MAX(duration_ms)\":0,\"route\":\"/a\"}},"
        "{\"data\":{\"COUNT\":1,\"RATE_MAX(duration_ms)\":0,\"route\":\"/b\"}}],"
        "\"total_by_aggregate\":{\"COUNT\":11,\"RATE_MAX(duration_ms)\":0}}");
    check_series_answer(
        &f, "RATE_SUM(duration_ms), CONCURRENCY FROM shop WHERE duration_ms exists",
        "{\"series\":[{\"time\":\"2023-11-14T22:13:20Z\",\"data\":{\"RATE_SUM(duration_ms)\":null,"
        "\"CONCURRENCY\":0.00018333333333333334}},"
        "{\"time\":\"2023-11-14T22:14:20Z\",\"data\":{\"RATE_SUM(duration_ms)\":40,\"CONCURRENCY\":"
        "0.00085}}],"
        "\"results\":[{\"data\":{\"RATE_SUM(duration_ms)\":40,\"CONCURRENCY\":0."
        "00010333333333333333}}],"
        "\"total_by_aggregate\":{\"RATE_SUM(duration_ms)\":40,\"CONCURRENCY\":0."
        "00010333333333333333}}");
    fixture_close(&f);
}

/* A span that lasts reaches into buckets where no row of its group is. */
static void concurrency_reaches_on(void **state)
{
    fixture f = fixture_open(1, 0);
    batch *b = rows_new(FAMILY_TRACE);
    rows_begin(b, "s", T0 + 90 * NS_PER_S, 2);
    put_int(b, "duration_ms", 120000);
    fixture_publish(&f, b);
    check_series_answer(
        &f, "CONCURRENCY, COUNT",
        "{\"series\":[{\"time\":\"2023-11-14T22:14:20Z\",\"data\":{\"CONCURRENCY\":1,\"COUNT\":2}},"
        "{\"time\":\"2023-11-14T22:15:20Z\",\"data\":{\"CONCURRENCY\":2,\"COUNT\":0}},"
        "{\"time\":\"2023-11-14T22:16:20Z\",\"data\":{\"CONCURRENCY\":1,\"COUNT\":0}}],"
        "\"results\":[{\"data\":{\"CONCURRENCY\":0.4,\"COUNT\":2}}],"
        "\"total_by_aggregate\":{\"CONCURRENCY\":0.4,\"COUNT\":2}}");
    fixture_close(&f);
}

static void limits_havings_and_others(void **state)
{
    fixture f = fixture_open(2, 0);
    publish_mixed(&f);
    check_answer(&f,
                 "COUNT, MAX(duration_ms) GROUP BY duration_ms HAVING COUNT < 5 ORDER BY "
                 "MAX(duration_ms) DESC LIMIT 2",
                 "{\"series\":[],\"results\":[{\"data\":{\"COUNT\":1,\"MAX(duration_ms)\":40.5,"
                 "\"duration_ms\":40.5}},"
                 "{\"data\":{\"COUNT\":1,\"MAX(duration_ms)\":30.5,\"duration_ms\":30.5}}],"
                 "\"total_by_aggregate\":{\"COUNT\":16,\"MAX(duration_ms)\":50.5},"
                 "\"other_by_aggregate\":{\"COUNT\":4,\"MAX(duration_ms)\":20.5}}");
    fixture_close(&f);
}

static void ids_are_fields(void **state)
{
    fixture f = fixture_open(2, 0);
    batch *b = rows_new(FAMILY_TRACE);
    rows_span(b, "s", T0, 1, 0x10, 0, "root", "server", 5);
    rows_span(b, "s", T0 + 1, 1, 0x11, 0x10, "child", "client", 3);
    rows_span(b, "s", T0 + 2, 2, 0x12, 0, "root", "server", 4);
    rows_begin(b, "s", T0 + 3, 1);
    put_string(b, "trace.trace_id", "not-an-id");
    rows_begin(b, "s", T0 + 4, 1);
    fixture_publish(&f, b);
    check_answer(&f, "COUNT GROUP BY trace.trace_id",
                 "{\"series\":[],\"results\":[{\"data\":{\"COUNT\":2,\"trace.trace_id\":"
                 "\"0000000000abcdef0000000000000001\"}},"
                 "{\"data\":{\"COUNT\":1,\"trace.trace_id\":null}},"
                 "{\"data\":{\"COUNT\":1,\"trace.trace_id\":\"0000000000abcdef0000000000000002\"}},"
                 "{\"data\":{\"COUNT\":1,\"trace.trace_id\":\"not-an-id\"}}],\"total_by_"
                 "aggregate\":{\"COUNT\":5}}");
    check_count(&f, "WHERE trace.trace_id = \"0000000000abcdef0000000000000001\"", 2);
    check_count(&f, "WHERE trace.trace_id != \"0000000000abcdef0000000000000001\"", 3);
    check_count(&f, "WHERE trace.trace_id contains \"abcdef\"", 3);
    check_count(&f, "WHERE trace.trace_id = \"not-an-id\"", 1);
    check_count(&f, "WHERE trace.parent_id = \"0000000000000010\"", 1);
    check_count(&f, "WHERE trace.parent_id does-not-exist", 4);
    check_count(&f, "WHERE trace.span_id exists", 3);
    check_answer(
        &f, "COUNT_DISTINCT(trace.trace_id), COUNT_DISTINCT(trace.span_id), MAX(trace.span_id)",
        "{\"series\":[],\"results\":[{\"data\":{\"COUNT_DISTINCT(trace.trace_id)\":3,"
        "\"COUNT_DISTINCT(trace.span_id)\":3,\"MAX(trace.span_id)\":null}}],\"total_by_aggregate\":"
        "{"
        "\"COUNT_DISTINCT(trace.trace_id)\":3,\"COUNT_DISTINCT(trace.span_id)\":3,\"MAX(trace.span_"
        "id)\":null}}");
    fixture_close(&f);
}

static void conventions_read_the_first_name(void **state)
{
    fixture f = fixture_open(2, 0);
    batch *b = rows_new(FAMILY_TRACE);
    rows_begin(b, "s", T0, 1);
    put_int(b, "http.response.status_code", 200);
    put_string(b, "http.status_code", "404");
    rows_begin(b, "s", T0, 1);
    put_string(b, "http.status_code", "404");
    rows_begin(b, "s", T0, 1);
    fixture_publish(&f, b);
    check_answer(
        &f,
        "COUNT, SUM(semconv.http.response.status_code) GROUP BY semconv.http.response.status_code",
        "{\"series\":[],\"results\":[{\"data\":{\"COUNT\":1,\"SUM(semconv.http.response.status_"
        "code)\":null,"
        "\"semconv.http.response.status_code\":null}},"
        "{\"data\":{\"COUNT\":1,\"SUM(semconv.http.response.status_code)\":200,\"semconv.http."
        "response.status_code\":200}},"
        "{\"data\":{\"COUNT\":1,\"SUM(semconv.http.response.status_code)\":404,"
        "\"semconv.http.response.status_code\":\"404\"}}],"
        "\"total_by_aggregate\":{\"COUNT\":3,\"SUM(semconv.http.response.status_code)\":604}}");
    check_count(&f, "WHERE semconv.http.response.status_code = 404", 1);
    check_count(&f, "WHERE semconv.http.response.status_code != 404", 2);
    check_count(&f, "WHERE semconv.http.response.status_code exists", 2);
    fixture_close(&f);
}

/* Random rows of every type in few columns, the same for a seed, from row `from` on. */
static void put_random_row(batch *b, uint64_t seed, uint32_t number)
{
    static const char *const texts[] = {"", "a", "b", "200", "7", "1.5", "true", "nan"};
    uint64_t r = hash_mix(seed + number), state = r;
    char user[16];
    rows_begin(b, r % 3 ? "shop" : "cart", T0 + (int64_t)(r >> 8 & 0x7ffff) * NS_PER_MS,
               r % 7 ? 1 : 1 + (uint32_t)(r >> 60));
    for (uint32_t c = 0; c < 3; c++) {
        char name[2] = {(char)('x' + c), 0};
        uint64_t v = check_random(&state);
        switch (v % 6) {
        case 0: put_string(b, name, texts[v >> 8 & 7]); break;
        case 1: put_int(b, name, (int64_t)(v >> 8 & 7)); break;
        case 2: put_float(b, name, (double)(v >> 8 & 15) / 2); break;
        case 3: put_bool(b, name, v >> 8 & 1); break;
        default: break;
        }
    }
    snprintf(user, sizeof user, "user-%u", (unsigned)(check_random(&state) % 5000));
    put_string(b, "user", user);
    put_float(b, "duration_ms", (double)(check_random(&state) >> 44) / 16);
}

/* `settle_every`: seal and merge after so many batches; 0: never. */
static void publish_random(fixture *f, uint64_t seed, uint32_t count, uint32_t batch_rows,
                           uint32_t settle_every)
{
    uint32_t batches = 0;
    for (uint32_t from = 0; from < count; from += batch_rows) {
        batch *b = rows_new(from / batch_rows % 3 == 2 ? FAMILY_LOG : FAMILY_TRACE);
        for (uint32_t i = from; i < count && i < from + batch_rows; i++)
            put_random_row(b, seed, i);
        fixture_publish(f, b);
        err e;
        if (settle_every && ++batches % settle_every == 0)
            check_ok(engine_settle(f->engine, &e), &e);
    }
}

static const char *const QUESTIONS[] = {
    "COUNT, SUM(x), MIN(y), MAX(z), COUNT_DISTINCT(user), P90(duration_ms) GROUP BY x",
    "COUNT, P50(x), COUNT_DISTINCT(x) GROUP BY y, z",
    "COUNT, P99(duration_ms), RATE_MAX(x) GROUP BY user LIMIT 20",
    "P99(duration_ms) GROUP BY user ORDER BY P99(duration_ms) DESC LIMIT 7",
    "COUNT GROUP BY user, x HAVING COUNT > 2 ORDER BY user LIMIT 10",
    "HEATMAP(duration_ms), CONCURRENCY FROM shop",
    "COUNT WHERE x = 7 OR y contains \"0\" OR z > 3 GROUP BY z",
    "COUNT, COUNT(x) WHERE user starts-with \"user-1\" AND x exists GROUP BY user LIMIT 5",
    "COUNT_DISTINCT(user), COUNT_DISTINCT(duration_ms)",
};

/* The same rows in other batches, and by other numbers of workers: the same bytes. */
static void layout_does_not_show(void **state)
{
    static const struct {
        uint32_t workers, batch_rows, settle_every;
    } layouts[] = {{1, 20000, 0}, {2, 20000, 1}, {3, 999, 0}, {2, 77, 90}, {2, 3000, 2}};
    char *answers[COUNT_OF(QUESTIONS)][2] = {{0}};
    for (size_t l = 0; l < COUNT_OF(layouts); l++) {
        fixture f = fixture_open(layouts[l].workers, 0);
        publish_random(&f, 5, 20000, layouts[l].batch_rows, layouts[l].settle_every);
        for (size_t q = 0; q < COUNT_OF(QUESTIONS); q++)
            for (int series = 0; series < 2; series++) {
                char *got = fixture_ask(&f, QUESTIONS[q], series);
                if (l == 0) {
                    answers[q][series] = got;
                    continue;
                }
                if (strcmp(got, answers[q][series]) != 0)
                    print_error("asked %s\nonce %.3000s\nnow  %.3000s\n", QUESTIONS[q],
                                answers[q][series], got);
                assert_true(strcmp(got, answers[q][series]) == 0);
                base_free(got);
            }
        fixture_close(&f);
    }
    for (size_t q = 0; q < COUNT_OF(QUESTIONS); q++)
        for (int series = 0; series < 2; series++)
            base_free(answers[q][series]);
}

TEST_GROUP(engine_questions, TEST(groups_by_text_and_type), TEST(filters_mean_what_they_say),
           TEST(long_lists_of_numbers), TEST(calculations_without_rows),
           TEST(calculations_over_mixed_types), TEST(series_have_points_where_rows_are),
           TEST(concurrency_reaches_on), TEST(limits_havings_and_others), TEST(ids_are_fields),
           TEST(conventions_read_the_first_name), TEST(layout_does_not_show));
