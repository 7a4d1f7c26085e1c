/*
 * bench/query_bench.c: how long the questions of DESIGN §8 take over generated spans, asked through the engine's door (no HTTP).
 * usage: query_bench [ROWS] [--runs N] [--open] [--dir DIR] [--only TEXT]
 * Spans like load A's: 14 services, 17 fields, 200 k users by Zipf, ~11 spans a trace, parents, a random id and a random double on
 * 60 % of spans; batches of one service, up to 512 spans, in order of end. --open asks before anything is sealed.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/hash.h"
#include "engine/local/local.h"
#include "event/fields.h"

#define SERVICES    14
#define BATCH_ROWS  512
#define USERS       200000
#define START_NS    ((int64_t)1700000000 * NS_PER_S)
#define RANGE_NS    (3600 * NS_PER_S)
#define ENVIRONMENT 1

static const char *const SERVICE_NAMES[SERVICES] = {
    "frontend", "checkout", "cart",      "catalog", "currency", "payment", "shipping",
    "email",    "ads",      "recommend", "search",  "accounts", "ledger",  "gateway"};

typedef struct generator {
    engine *engine;
    uint64_t random, seq, rows;
    batch *open[SERVICES];
    uint32_t columns[SERVICES][20];

    trace_id some_trace;
    char some_request[17];
} generator;

static void stop(const char *what, const err *e)
{
    fprintf(stderr, "query_bench: %s: %s\n", what, e ? e->text : "");
    exit(1);
}

static uint64_t next_random(generator *g)
{
    return hash_mix(g->random++);
}

static double next_share(generator *g)
{
    return (double)(next_random(g) >> 11) / 0x1p53;
}

/* User numbers by Zipf's law with exponent 1: inverse of the cumulative sum, H(n) ~ ln n. */
static uint32_t next_user(generator *g)
{
    return (uint32_t)(exp(next_share(g) * log(USERS)) - 1);
}

enum {
    C_SERVICE,
    C_NAME,
    C_KIND,
    C_DURATION,
    C_ROUTE,
    C_METHOD,
    C_STATUS,
    C_ERROR,
    C_USER,
    C_REQUEST,
    C_SCORE,
    C_REGION,
    C_HOST,
    C_POD,
    C_TENANT,
    C_THREAD,
    C_LIBRARY,
    C_COUNT
};

static const struct {
    const char *name;
    field_type type;
} COLUMNS[C_COUNT] = {
    {F_SERVICE_NAME, FIELD_STRING},
    {F_NAME, FIELD_STRING},
    {F_SPAN_KIND, FIELD_STRING},
    {F_DURATION_MS, FIELD_FLOAT},
    {"http.route", FIELD_STRING},
    {"http.request.method", FIELD_STRING},
    {"http.response.status_code", FIELD_INT},
    {F_ERROR, FIELD_BOOL},
    {"user.id", FIELD_STRING},
    {"request.id", FIELD_STRING},
    {"score", FIELD_FLOAT},
    {"cloud.region", FIELD_STRING},
    {"host.name", FIELD_STRING},
    {"k8s.pod.name", FIELD_STRING},
    {"tenant", FIELD_STRING},
    {"thread.id", FIELD_INT},
    {F_LIBRARY_NAME, FIELD_STRING},
};

static void publish_open(generator *g, uint32_t service)
{
    batch *b = g->open[service];
    err e;
    if (!b)
        return;
    g->open[service] = NULL;
    if (!batch_freeze(b))
        stop("a batch could not be frozen", NULL);
    b->arrival_ns = b->time_ns[b->row_count - 1] + NS_PER_S;
    publish p = {.environment = ENVIRONMENT, .seq = ++g->seq, .take_batch = b};
    if (engine_publish(g->engine, &p, &e) != SK_OK)
        stop("publish", &e);
}

static batch *open_batch(generator *g, uint32_t service)
{
    if (g->open[service] && g->open[service]->row_count == BATCH_ROWS)
        publish_open(g, service);
    if (g->open[service])
        return g->open[service];
    batch *b = g->open[service] = batch_new(FAMILY_TRACE, 64 * MIB);
    if (!b)
        stop("no memory", NULL);
    for (uint32_t c = 0; c < C_COUNT; c++)
        g->columns[service][c] = batch_column(b, span_text(COLUMNS[c].name), COLUMNS[c].type, NULL);
    return b;
}

typedef struct span_shape {
    trace_id trace;
    uint64_t id, parent;
    int64_t start_ns, duration_ns;
    uint32_t service, user;
    const char *kind;
} span_shape;

static void put_text(generator *g, batch *b, uint32_t service, uint32_t c, const char *format,
                     unsigned v)
{
    char text[40];
    int len = snprintf(text, sizeof text, format, v);
    (void)batch_put_string(b, g->columns[service][c], span_of(text, (size_t)len));
}

static void put_fields(generator *g, batch *b, const span_shape *s)
{
    uint64_t r = next_random(g);
    uint32_t n = s->service, *c = g->columns[n];
    bool is_error = r % 50 == 0;
    (void)batch_put_string(b, c[C_SERVICE], span_text(SERVICE_NAMES[n]));
    put_text(g, b, n, C_NAME, "operation-%u", (unsigned)(r >> 8) % 12);
    (void)batch_put_string(b, c[C_KIND], span_text(s->kind));
    (void)batch_put_float(b, c[C_DURATION], (double)s->duration_ns / 1e6);
    put_text(g, b, n, C_ROUTE, "/api/v1/resource-%u/{id}", (unsigned)(r >> 16) % 40);
    (void)batch_put_string(b, c[C_METHOD], r >> 20 & 3 ? SPAN("GET") : SPAN("POST"));
    (void)batch_put_int(b, c[C_STATUS], is_error ? 500 : r >> 22 & 15 ? 200 : 404);
    if (is_error)
        (void)batch_put_bool(b, c[C_ERROR], true);
    put_text(g, b, n, C_USER, "user-%06u", s->user);
    if (r >> 26 & 1 || (r >> 27 & 7) == 0) {
        char id[17];
        snprintf(id, sizeof id, "%016llx", (unsigned long long)next_random(g));
        memcpy(g->some_request, id, sizeof id);
        (void)batch_put_string(b, c[C_REQUEST], span_of(id, 16));
        (void)batch_put_float(b, c[C_SCORE], next_share(g));
    }
    put_text(g, b, n, C_REGION, "eu-west-%u", (unsigned)(r >> 30) % 3);
    put_text(g, b, n, C_HOST, "host-%02u", (unsigned)(r >> 32) % 24);
    put_text(g, b, n, C_POD, "pod-%03u", n * 8 + ((unsigned)(r >> 36) & 7));
    put_text(g, b, n, C_TENANT, "tenant-%u", s->user % 50);
    (void)batch_put_int(b, c[C_THREAD], (int64_t)(r >> 40 & 31));
    (void)batch_put_string(b, c[C_LIBRARY], SPAN("io.opentelemetry.http"));
}

static void put_span(generator *g, const span_shape *s)
{
    batch *b = open_batch(g, s->service);
    uint32_t row =
        batch_begin_row(b, s->start_ns, 1, batch_string(b, span_text(SERVICE_NAMES[s->service])));
    if (batch_failed(b))
        stop("no memory for a row", NULL);
    b->trace_id[row] = s->trace;
    b->span_id[row] = s->id;
    b->parent_id[row] = s->parent;
    put_fields(g, b, s);
    g->rows++;
}

/* A trace: server spans that call on, through a client span of theirs, into other services. */
static void put_trace(generator *g, int64_t start_ns)
{
    span_shape spans[40];
    uint32_t count = 1, wanted = 3 + (uint32_t)(next_random(g) % 17);
    spans[0] = (span_shape){.trace = {next_random(g) | 1, next_random(g)},
                            .id = next_random(g) | 1,
                            .start_ns = start_ns,
                            .duration_ns = (int64_t)(exp(next_share(g) * 4 + 16)),
                            .user = next_user(g),
                            .kind = "server"};
    for (uint32_t i = 0; count < wanted; i++) {
        const span_shape *p = &spans[i];
        uint32_t children = p->kind[0] == 's' ? 1 + (uint32_t)(next_random(g) % 3) : 1;
        for (uint32_t k = 0; k < children && count < wanted; k++) {
            bool is_call = p->kind[0] == 's';
            spans[count] = (span_shape){
                .trace = p->trace,
                .id = next_random(g) | 1,
                .parent = p->id,
                .user = p->user,
                .start_ns = p->start_ns + p->duration_ns / 20 * (k + 1),
                .duration_ns = (int64_t)((double)p->duration_ns * (0.2 + 0.6 * next_share(g))),
                .service = is_call ? p->service
                                   : (p->service + 1 + (uint32_t)(next_random(g) % 4)) % SERVICES,
                .kind = is_call ? "client" : "server"};
            count++;
        }
    }
    for (uint32_t i = count; i-- > 0;)
        put_span(g, &spans[i]);
    if (next_random(g) % 1000 == 0)
        g->some_trace = spans[0].trace;
}

/* ---- asking ---- */

typedef struct question {
    const char *name, *text; /* text NULL: see ask_other */
    bool wants_series;
} question;

static const question QUESTIONS[] = {
    {"count per interval", "COUNT", true},
    {"P99 by service over time", "P99(duration_ms) GROUP BY service.name", true},
    {"heatmap", "HEATMAP(duration_ms)", true},
    {"top 50 users with P99",
     "COUNT, P99(duration_ms) GROUP BY user.id ORDER BY COUNT DESC LIMIT 50", false},
    {"users by P99", "P99(duration_ms) GROUP BY user.id ORDER BY P99(duration_ms) DESC LIMIT 50",
     false},
    {"distinct users", "COUNT_DISTINCT(user.id)", false},
    {"errors by path", "COUNT WHERE error = true GROUP BY http.route", false},
    {"service map", NULL, false},
    {"group by attribute", "COUNT, AVG(duration_ms) GROUP BY host.name", false},
    {"group by two, over time",
     "COUNT, MAX(duration_ms) GROUP BY service.name, http.response.status_code", true},
    {"count by trace", "COUNT GROUP BY trace.trace_id", false},
    {"slow spans of a service",
     "COUNT, P95(duration_ms) FROM checkout WHERE duration_ms > 100 AND http.request.method = "
     "\"GET\"",
     true},
    {"one request", "COUNT WHERE request.id = \"%s\"", false},
    {"text in a field", "COUNT WHERE request.id contains \"c0ffee\"", false},
    {"trace by id", NULL, false},
    {"fields with top values", NULL, false},
    {"structure: self time heatmap", "HEATMAP(meta.self_ms)", true},
    {"structure: gap by service", "P95(meta.gap_ms) GROUP BY service.name", false},
    {"structure: depth", "COUNT GROUP BY meta.depth", false},
    {"structure: by root name", "COUNT GROUP BY meta.root_name", false},
    {"structure: a calls b, slow",
     "COUNT, P99(duration_ms) WHERE parent.service.name = \"frontend\" AND service.name = "
     "\"checkout\" AND duration_ms > 50",
     false},
    {"structure: parent alone", "COUNT WHERE parent.service.name = \"frontend\"", false},
    {"structure: any and none", "COUNT WHERE any.error = true AND none.service.name = \"payment\"",
     false},
};

static uint64_t ask_other(generator *g, const char *name, arena *mem)
{
    err e;
    sk_code code;
    uint64_t rows = 0;
    if (strcmp(name, "service map") == 0) {
        service_map m;
        plan all = {.start_ns = START_NS, .end_ns = START_NS + RANGE_NS};
        code = engine_service_map(g->engine, ENVIRONMENT, &all, NULL, mem, &m, &e);
        rows = code == SK_OK ? m.edge_count : 0;
    } else if (strcmp(name, "trace by id") == 0) {
        trace_result t;
        code = engine_trace(g->engine, ENVIRONMENT, g->some_trace, 0, 0, mem, &t, &e);
        rows = code == SK_OK ? t.row_count : 0;
    } else {
        fields_result f;
        fields_query q = {.start_ns = START_NS, .end_ns = START_NS + RANGE_NS, .top_max = 10};
        code = engine_fields(g->engine, ENVIRONMENT, &q, mem, &f, &e);
        rows = code == SK_OK ? f.count : 0;
    }
    if (code != SK_OK)
        stop(name, &e);
    return rows;
}

static uint64_t ask(generator *g, const question *q, arena *mem)
{
    char with_id[300], text[400];
    query_spec spec;
    plan p;
    result r;
    err e;
    if (!q->text)
        return ask_other(g, q->name, mem);
    const char *hole = strstr(q->text, "%s");
    if (hole)
        snprintf(with_id, sizeof with_id, "%.*s%s%s", (int)(hole - q->text), q->text,
                 g->some_request, hole + 2);
    snprintf(text, sizeof text, "%s SINCE 1700000000 UNTIL 1700003600 EVERY 30s",
             hole ? with_id : q->text);
    sk_code code = spec_from_text(span_text(text), mem, &spec, &e);
    if (code == SK_OK)
        code = plan_make(&spec, START_NS, q->wants_series, mem, &p, &e);
    if (code == SK_OK)
        code = engine_run(g->engine, ENVIRONMENT, &p, NULL, mem, &r, &e);
    if (code != SK_OK)
        stop(q->name, &e);
    return r.row_count + r.series_count;
}

static int64_t cpu_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (int64_t)t.tv_sec * NS_PER_S + t.tv_nsec;
}

static int compare_times(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static void measure(generator *g, const question *q, uint32_t runs)
{
    int64_t times[1000], cpu = 0;
    uint64_t answer_rows = 0;
    for (uint32_t i = 0; i <= runs; i++) {
        arena *mem = arena_new(GIB);
        int64_t start = clock_mono_ns(), cpu_start = cpu_ns();
        answer_rows = ask(g, q, mem);
        times[i ? i - 1 : 0] = clock_mono_ns() - start; /* the first one warms up */
        cpu += i ? cpu_ns() - cpu_start : 0;
        arena_free(mem);
    }
    qsort(times, runs, sizeof *times, compare_times);
    double median = (double)times[runs / 2] / 1e6;
    printf("%-28s %9.2f ms   least %9.2f   cpu %9.2f   %6.1f cpu ns/span   %llu rows\n", q->name,
           median, (double)times[0] / 1e6, (double)cpu / 1e6 / runs,
           (double)cpu / runs / (double)g->rows, (unsigned long long)answer_rows);
    fflush(stdout);
}

static double seconds_since(int64_t start)
{
    return (double)(clock_mono_ns() - start) / 1e9;
}

static void fill(generator *g, uint64_t rows)
{
    int64_t start = clock_mono_ns();
    uint64_t traces = rows / 11 + 1;
    for (uint64_t i = 0; g->rows < rows; i++)
        put_trace(g, START_NS + (int64_t)((double)(RANGE_NS - 2 * NS_PER_S) / (double)traces *
                                          (double)(i < traces ? i : traces - 1)));
    for (uint32_t s = 0; s < SERVICES; s++)
        publish_open(g, s);
    printf("published %llu spans in %.1f s\n", (unsigned long long)g->rows, seconds_since(start));
}

static void settle(generator *g)
{
    err e;
    int64_t start = clock_mono_ns();
    if (engine_settle(g->engine, &e) != SK_OK)
        stop("settle", &e);
    engine_stats s;
    engine_stats_get(g->engine, ENVIRONMENT, &s);
    printf("sealed and merged in %.1f s: %llu segments, %.1f B/span\n", seconds_since(start),
           (unsigned long long)s.segments, (double)s.disk_bytes / (double)g->rows);
    fflush(stdout);
}

typedef struct arguments {
    uint64_t rows;
    uint32_t runs;
    bool stays_open;
    const char *dir, *only;
} arguments;

static void read_arguments(int argc, char **argv, arguments *a)
{
    *a = (arguments){.rows = 2000000, .runs = 5};
    for (int i = 1; i < argc; i++) {
        span s = span_text(argv[i]);
        uint64_t runs;
        if (span_is(s, "--open"))
            a->stays_open = true;
        else if (span_is(s, "--dir") && i + 1 < argc)
            a->dir = argv[++i];
        else if (span_is(s, "--only") && i + 1 < argc)
            a->only = argv[++i];
        else if (span_is(s, "--runs") && i + 1 < argc &&
                 span_to_u64(span_text(argv[i + 1]), &runs) && runs && runs < 1000)
            a->runs = (uint32_t)runs, i++;
        else if (!span_to_u64(s, &a->rows))
            stop("usage: query_bench [ROWS] [--runs N] [--open] [--dir DIR] [--only TEXT]", NULL);
    }
}

int main(int argc, char **argv)
{
    arguments a;
    read_arguments(argc, argv, &a);
    static generator g = {.random = 1};
    char dir[300];
    err e;
    snprintf(dir, sizeof dir, "%s/skep-query-bench-XXXXXX", a.dir ? a.dir : "/tmp");
    if (!mkdtemp(dir))
        stop("no temporary folder", NULL);
    local_options o = {.store = {.dir = dir,
                                 .data_dir = dir,
                                 .seal_rows = 1 << 20,
                                 .seal_bytes = 256 * MIB,
                                 .seal_age_ns = 3600 * NS_PER_S,
                                 .seal_age_rows = 64 << 10,
                                 .idle_seal_ns = 3600 * NS_PER_S,
                                 .merge_rows_max = 16u << 20,
                                 .threads = !a.stays_open}};
    if (engine_open_local(&o, &g.engine, &e) != SK_OK)
        stop("open", &e);
    fill(&g, a.rows);
    if (!a.stays_open)
        settle(&g);
    for (size_t i = 0; i < COUNT_OF(QUESTIONS); i++)
        if (!a.only || strstr(QUESTIONS[i].name, a.only))
            measure(&g, &QUESTIONS[i], a.runs);
    engine_close(g.engine);
    if (file_remove_tree(dir, &e) != SK_OK)
        stop("clean up", &e);
    return 0;
}
