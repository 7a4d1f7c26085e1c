/*
 * fuzz/seed_segments.c: makes the corpus of fuzz_segment.c: small real segments of every family, order and encoding, sealed
 * and merged by the store itself. `./dev fuzz seeds` runs it; run it again whenever the segment format changes.
 * Called with the folder of the corpus, whose seed-* files it replaces; version-* are
 * files as earlier versions wrote them.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/must.h"
#include "event/fields.h"
#include "segment_image.h"
#include "store/store.h"

#define DAY_NS (86400 * NS_PER_S)

typedef struct maker {
    const char *corpus, *name; /* of the recipe */
    char folder[128];          /* the store's */
    batch *b;
    uint64_t random;
    uint32_t row, saved;
} maker;

static uint64_t draw(maker *m)
{
    return m->random = hash_mix(m->random + 1);
}

static uint32_t below(maker *m, uint32_t n)
{
    return (uint32_t)(draw(m) % n);
}

/* ---- rows ---- */

static void begin(maker *m, family f, int64_t time_ns, const char *dataset)
{
    if (!m->b)
        must((m->b = batch_new(f, 256 * MIB)) != NULL);
    m->row =
        batch_begin_row(m->b, time_ns, m->row % 5 ? 1 : 10, batch_string(m->b, span_text(dataset)));
}

static uint32_t column_of(maker *m, const char *name, field_type type)
{
    return batch_column(m->b, span_text(name), type, NULL);
}

static void put_text(maker *m, const char *name, const char *text)
{
    batch_put_string(m->b, column_of(m, name, FIELD_STRING), span_text(text));
}

static void put_int(maker *m, const char *name, int64_t v)
{
    batch_put_int(m->b, column_of(m, name, FIELD_INT), v);
}

static void put_float(maker *m, const char *name, double v)
{
    batch_put_float(m->b, column_of(m, name, FIELD_FLOAT), v);
}

static void put_ids(maker *m, uint32_t trace, uint64_t span_id, uint64_t parent_id)
{
    m->b->trace_id[m->row] = (trace_id){trace % 3 ? hash_mix(trace) : 0, hash_mix(trace + 1000)};
    m->b->span_id[m->row] = span_id;
    m->b->parent_id[m->row] = parent_id;
}

/* ---- recipes: each fills one batch; `round` counts its batches ---- */

static void spans(maker *m, uint32_t round)
{
    for (uint32_t i = 0; i < 120; i++) {
        uint32_t trace = below(m, 12), number = below(m, 20), parent = below(m, 20);
        begin(m, FAMILY_TRACE, (int64_t)(i * 1000003 + round), i % 3 ? "shop" : "cart");
        put_ids(m, trace, i % 9 ? trace * 100 + number + 1 : 0,
                i % 5   ? trace * 100 + parent + 1
                : i % 2 ? draw(m)
                        : 0);
        put_text(m, F_NAME, i % 4 ? "GET /" : "SELECT");
        put_float(m, F_DURATION_MS, below(m, 1 << 30) / 1e6);
        put_int(m, "http.status_code", 200 + 100 * below(m, 4));
        if (i % 2)
            batch_put_bool(m->b, column_of(m, F_ERROR, FIELD_BOOL), i % 4 == 1);
    }
}

static void three_spans(maker *m, uint32_t round)
{
    for (uint32_t i = 0; i < 3; i++) {
        begin(m, FAMILY_TRACE, i, "a");
        put_ids(m, 1, i + 1, i);
        put_text(m, F_NAME, "n");
    }
}

static void log_lines(maker *m, uint32_t round)
{
    char text[120];
    for (uint32_t i = 0; i < 90; i++) {
        begin(m, FAMILY_LOG, (int64_t)i * NS_PER_S, i % 2 ? "x" : "y");
        snprintf(text, sizeof text, "%016llx", (unsigned long long)draw(m));
        put_text(m, "request.id", text);
        snprintf(text, sizeof text, "%08x-%04x-%04x-%04x-%012x", below(m, UINT32_MAX),
                 below(m, 65536), below(m, 65536), below(m, 65536), below(m, UINT32_MAX));
        put_text(m, "session", text);
        put_text(m, "empty", "");
        if (i % 7 == 0)
            put_ids(m, i, i + 1, 0);
        else if (i > 30)
            put_ids(m, below(m, 4), 0, 1000 + below(m, 9));
        char trace[33];
        trace_id_print(m->b->trace_id[m->row], trace);
        snprintf(text, sizeof text, "user %u asked for page %u of trace %s span %016llx\1",
                 below(m, 9), below(m, 99), trace, (unsigned long long)m->b->parent_id[m->row]);
        put_text(m, F_BODY, text);
    }
}

/* Lines of a few kinds with what their rows say in them, and some of no kind: two pages of one column's templates. */
static void lines(maker *m, uint32_t round)
{
    char text[200], time[36], trace[33];
    for (uint32_t i = 0; i < 300; i++) {
        int64_t at = (int64_t)i * 7 * NS_PER_MS + 1000;
        begin(m, FAMILY_LOG, at, i < 200 ? "x" : "y");
        put_ids(m, below(m, 20), 0, 1000 + below(m, 9));
        trace_id_print(m->b->trace_id[m->row], trace);
        clock_print_rfc3339(at + 2 * 3600 * NS_PER_S, time);
        snprintf(text, sizeof text,
                 i % 50 == 7 ? "%.19s nothing %u %u like what others write, nor again"
                 : i % 3     ? "%.23s [%u] worker-%u of %s is done"
                             : "%.19s [%u] attempt %u at %s was \2refused\3 by "
                               "0a1b2c3d-0a1b-4c2d-8e3f-0123456789ab",
                 time, 7u, below(m, i % 20 ? 9 : 99), i % 11 ? trace : "none");
        put_text(m, F_BODY, text);
        snprintf(text, sizeof text, "/shop/items/%u/of/a/path/that/is/rather/long/and/ends/in/%u",
                 below(m, 50), i);
        put_text(m, "path", text);
    }
}

/* Every form of integers and floats. */
static void points(maker *m, uint32_t round)
{
    static const double odd[] = {0.0, -0.0, 1e300, 0.1, 1.0 / 3, 4503599627370497.5};
    for (uint32_t i = 0; i < 300; i++) {
        begin(m, FAMILY_METRIC, (int64_t)(i / 10) * NS_PER_S, "host");
        put_text(m, F_METRIC_NAME, i % 3 ? "cpu" : "memory");
        put_int(m, "sequence", 7 * i);
        put_int(m, "packed", below(m, 1000));
        put_int(m, "eight", below(m, 256));
        put_int(m, "sixteen", below(m, 65536));
        put_int(m, "all bits", (int64_t)draw(m));
        put_int(m, "growing", i * 5000 + below(m, 64));
        put_int(m, "runs", i / 40 * 7919);
        put_int(m, "skewed", i % 50 ? below(m, 8) : (int64_t)(draw(m) >> 3));
        put_int(m, "planes", (int64_t)(below(m, 2) << 16) + (i / 30) * 77);
        put_int(m, "extreme", i % 2 ? INT64_MIN : INT64_MAX);
        put_float(m, "decimal", below(m, 10000) / 100.0);
        put_float(m, "mostly", i % 40 ? below(m, 100) / 4.0 : 1.0 / 3);
        put_float(m, "random", (double)(draw(m) >> 11) * 0x1p-53);
        put_float(m, "steps", i / 30 / 7.0);
        if (i % 3 == 0)
            put_float(m, "odd", odd[below(m, COUNT_OF(odd))]);
        if (i % 100)
            put_int(m, "holes", 1 + i % 3);
    }
}

/* More rows than a block; one trace whose annotations have their parents in another block. */
static void blocks(maker *m, uint32_t round)
{
    for (uint32_t i = 0; i < 8500; i++) {
        begin(m, FAMILY_TRACE, i * 1000, "big");
        put_ids(m, 7, i < 20 ? i + 1 : 0, i < 20 ? i : 1 + i % 20);
        put_int(m, "half", i / 4096);
        if (i > 8200)
            put_text(m, "late", i % 2 ? "p" : "q");
        if (i % 3000 == 0)
            put_int(m, "seldom", i);
    }
}

/* So many texts that they take two pages and have no bitmap. */
static void texts(maker *m, uint32_t round)
{
    char text[32];
    for (uint32_t i = 0; i < 4200; i++) {
        begin(m, FAMILY_LOG, i / 100, "many");
        snprintf(text, sizeof text, "t%u", i);
        put_text(m, "number", text);
    }
}

/* Columns with few values among many rows go into packs. */
static void rare(maker *m, uint32_t round)
{
    char name[32];
    for (uint32_t i = 0; i < 400; i++) {
        begin(m, FAMILY_LOG, i, "wide");
        put_text(m, F_BODY, "line");
        snprintf(name, sizeof name, "field.%u", i % 40);
        if (i % 5 == 0)
            put_int(m, name, below(m, 1000));
        else if (i % 5 == 1)
            put_text(m, name, below(m, 2) ? "yes" : "no");
        else if (i % 5 == 2)
            put_float(m, name, below(m, 1000) / 8.0);
        else if (i % 5 == 3)
            batch_put_bool(m->b, column_of(m, name, FIELD_BOOL), i % 2);
        else
            batch_put_string(m->b, column_of(m, name, FIELD_HISTOGRAM), span_of(&i, 4));
    }
}

/* Late rows and rows of several days: one seal makes several files. */
static void days(maker *m, uint32_t round)
{
    for (uint32_t i = 0; i < 60; i++) {
        begin(m, FAMILY_TRACE, (int64_t)(i % 3) * DAY_NS + i, "d");
        put_ids(m, i % 5, i + 1, i % 5 ? i : 0);
        put_int(m, "day", i % 3);
    }
}

/* Columns that follow from others, with and without holes, by codes, numbers and bools; in the last block they do not. */
static void followers(maker *m, uint32_t round)
{
    char text[32];
    for (uint32_t i = 0; i < 8300; i++) {
        uint32_t pod = below(m, 12), odd = i > 8200 ? below(m, 3) : 0;
        begin(m, FAMILY_LOG, i / 7, pod % 2 ? "x" : "y");
        snprintf(text, sizeof text, "pod-%u", pod);
        put_text(m, "pod", text);
        put_text(m, "node", (pod + odd) % 3 ? "a" : "b");
        if (pod > 3)
            put_int(m, "port", 8000 + pod * 1000003 + odd);
        if (pod > 5)
            batch_put_bool(m->b, column_of(m, "canary", FIELD_BOOL), pod == 7);
    }
}

static const struct recipe {
    const char *name;
    void (*fill)(maker *m, uint32_t round);
    uint32_t batches;
} recipes[] = {{"spans", spans, 2},   {"three", three_spans, 1}, {"logs", log_lines, 2},
               {"points", points, 1}, {"blocks", blocks, 1},     {"texts", texts, 1},
               {"rare", rare, 2},     {"days", days, 2},         {"followers", followers, 1},
               {"lines", lines, 2}};

/* ---- files ---- */

static sk_code save(void *ctx, const char *name, bool is_dir, err *e)
{
    maker *m = ctx;
    char path[400];
    uint8_t *bytes;
    size_t len;
    if (!span_ends_with(span_text(name), SPAN(".seg")))
        return SK_OK;
    snprintf(path, sizeof path, "%s/%s", m->folder, name);
    sk_code code = file_read_all(path, 16 * MIB, &bytes, &len, e);
    if (code != SK_OK)
        return code;
    buf out;
    buf_init(&out, 16 * MIB);
    buf_add_u8(&out, IMAGE_REPAIR | IMAGE_RESEAL | IMAGE_REBUILD);
    buf_add(&out, bytes, len);
    snprintf(path, sizeof path, "%s/seed-%s-%u", m->corpus, m->name, m->saved++);
    code = file_replace(path, buf_span(&out), 0644, e);
    printf("%s: %zu bytes\n", path, out.len);
    buf_done(&out);
    base_free(bytes);
    return code;
}

static sk_code save_all(maker *m, const char *dir, err *e)
{
    static const char *const families[] = {"trace", "log", "metric"};
    for (uint32_t i = 0; i < COUNT_OF(families); i++) {
        snprintf(m->folder, sizeof m->folder, "%s/env-1/%s", dir, families[i]);
        sk_code code = file_list_dir(m->folder, save, m, e);
        if (code != SK_OK && code != SK_NOT_FOUND)
            return code;
    }
    return SK_OK;
}

static sk_code make(maker *m, const struct recipe *r, const char *dir, err *e)
{
    store_options o = {.dir = dir};
    store *s;
    sk_code code = store_open(&o, &s, e);
    if (code != SK_OK)
        return code;
    for (uint32_t i = 0; code == SK_OK && i < r->batches; i++) {
        r->fill(m, i);
        batch *b = m->b;
        m->b = NULL;
        m->row = 0;
        b->arrival_ns = clock_wall_ns();
        must(batch_freeze(b));
        code = store_publish(s, 1, (publish_info){i + 1, {i + 1, hash_mix(i)}}, b, e);
        if (code == SK_OK)
            code = store_seal(s, e);
    }
    if (code == SK_OK)
        code = save_all(m, dir, e);
    if (code == SK_OK && r->batches > 1) {
        code = store_merge(s, e);
        if (code == SK_OK)
            code = save_all(m, dir, e);
    }
    store_close(s);
    return code;
}

static sk_code remove_seed(void *ctx, const char *name, bool is_dir, err *e)
{
    char path[400];
    snprintf(path, sizeof path, "%s/%s", (const char *)ctx, name);
    return span_starts_with(span_text(name), SPAN("seed-")) ? file_remove(path, e) : SK_OK;
}

int main(int argc, char **argv)
{
    err e = {0};
    char dir[] = "/tmp/skep-seeds-XXXXXX";
    if (argc != 2 || !mkdtemp(dir))
        return 2;
    sk_code code = file_list_dir(argv[1], remove_seed, argv[1], &e);
    for (uint32_t i = 0; code == SK_OK && i < COUNT_OF(recipes); i++) {
        char folder[64];
        maker m = {.corpus = argv[1], .name = recipes[i].name, .random = i};
        snprintf(folder, sizeof folder, "%s/%s", dir, m.name);
        code = file_make_dir(folder, &e);
        if (code == SK_OK)
            code = make(&m, &recipes[i], folder, &e);
    }
    err ignored;
    if (file_remove_tree(dir, &ignored) != SK_OK || code != SK_OK) {
        fprintf(stderr, "seed-segments: %s\n", code != SK_OK ? e.text : ignored.text);
        return 1;
    }
    return 0;
}
