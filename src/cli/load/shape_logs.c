/*
 * cli/load/shape_logs.c: the lines that the spans of load B would write. Called by cli/load/shape.c. Three templates of each
 * operation, about 550 bytes a line; every line repeats its trace and span id, and mostly names things from small sets, as the
 * logs of real business services do. docs/performance.md says how repetitive they are beside real ones.
 */
#include <stdio.h>

#include "base/alloc.h"
#include "base/hash.h"
#include "cli/demo/random.h"
#include "cli/load/flow.h"
#include "cli/load/words.h"

#define SENDERS      (TREE_SERVICES_MAX * FLOW_PODS)
#define LINES_A_SPAN 0.95
#define QUIET_CHANCE 0.73 /* of a span to write nothing */
#define LISTS        8u /* that a template prints: what was asked for, the first ones most often */
#define KINDS        6u /* of things that lists name */
#define TEMPLATES    3u /* of an operation, at most */
#define LINES_MAX    5u /* of a span that writes at all, which are at least two */

typedef struct generator {
    load_packer packer;
    const load_plan *plan;
    op_words words[WORDS_OPS_MAX];
    buf line;
} generator;

static void put_resource(void *ctx, uint32_t sender, buf *out)
{
    (void)ctx;
    uint32_t service = sender / FLOW_PODS;
    char pod[64];
    snprintf(pod, sizeof pod, "%s-%08x-%u", words_service(service), 0x9e3779b9u * (service + 1),
             sender % FLOW_PODS);
    put_text(out, 1, "service.name", words_service(service));
    put_text(out, 1, "k8s.pod.name", pod);
    put_text(out, 1, "k8s.namespace.name", "shop");
    put_text(out, 1, "deployment.environment.name", "production");
}

static void print_uuid(buf *out, uint64_t of)
{
    uint64_t a = hash_mix(of), b = hash_mix(a + 1);
    buf_print(out, "%08x-%04x-4%03x-%04x-%012llx", (unsigned)(a >> 32),
              (unsigned)(a >> 16) & 0xffff, (unsigned)a & 0xfff,
              0x8000u | ((unsigned)(b >> 48) & 0x3fff), (unsigned long long)b & 0xffffffffffffull);
}

/* One of the things a service knows: the same text each time it is named. */
static void print_thing(buf *out, uint32_t kind, uint32_t which)
{
    uint64_t h = hash_mix(kind * 4096ull + which);
    char first = words_noun(kind)[0];
    buf_print(out, "%c%s(id=", first - 'a' + 'A', words_noun(kind) + 1);
    print_uuid(out, h);
    buf_print(
        out, ", number=%c%04u, from=%s, to=%s, start=2026-05-%02u %02u:%02u:00, price=%u.%02u)",
        (char)('A' + h % 26), (unsigned)(h >> 8) % 10000, words_service((uint32_t)(h >> 16)),
        words_service((uint32_t)(h >> 24)), 1 + (unsigned)(h >> 32) % 28, (unsigned)(h >> 40) % 24,
        (unsigned)(h >> 48) % 60, 10 + (unsigned)(h >> 20) % 400, (unsigned)(h >> 36) % 100);
}

/* What the line says behind its head; `form` is its template and decides how much that is. */
static void print_message(buf *out, const flow_span *s, const op_words *w, uint64_t form, dice *d)
{
    static const char *const phrases[] = {"Query all", "Check",          "Found",        "Begin to",
                                          "Done with", "Get details of", "No change of", "Prepare"};
    buf_print(out, "[%s][%s %s]", w->method, phrases[form % COUNT_OF(phrases)],
              words_noun((uint32_t)(form >> 8)));
    uint32_t things = (uint32_t)(form >> 16) % 8;
    things = things < 3 ? 0 : things < 5 ? 1 : things == 5 ? 4 : things == 6 ? 7 : 11;
    if ((form >> 24) % 40 == 0) {
        buf_add_text(out, "[OrderId: ");
        print_uuid(out, 0x0d0e0 + s->order);
        buf_add_text(out, "]");
    }
    if ((form >> 30) % 32 == 0) {
        buf_add_text(out, "[UserId: ");
        print_uuid(out, 0x05e60000 + s->user);
        buf_add_text(out, "]");
    }
    if ((form >> 32) % 6 == 0)
        buf_print(out, "[took %u ms, %u rows]", (unsigned)((s->end_ns - s->start_ns) / NS_PER_MS),
                  dice_below(d, 20));
    if (!things)
        return;
    uint32_t kind = (uint32_t)(form >> 36), list = (uint32_t)(LISTS * pow(dice_unit(d), 6));
    buf_print(out, "[%ss: [", words_noun(kind % KINDS));
    for (uint32_t i = 0; i < things; i++) {
        if (i)
            buf_add_text(out, ", ");
        print_thing(out, kind % KINDS, list + i);
    }
    buf_add_text(out, "]]");
}

static void put_line(generator *g, const flow_span *s, uint32_t which, dice *d)
{
    const op_words *w = &g->words[s->op];
    uint64_t form = hash_mix(s->op * TEMPLATES + which % TEMPLATES + 77);
    bool is_error = s->is_error && which == 0;
    int64_t time_ns = s->start_ns + (int64_t)((double)(s->end_ns - s->start_ns) *
                                              (which + dice_unit(d)) / LINES_MAX);
    unsigned day_ms = (unsigned)(time_ns / NS_PER_MS % 86400000);
    buf *line = &g->line;
    buf_clear(line);
    buf_print(line, "%02u:%02u:%02u.%03u %-5s c.e.%s#%u TraceID: %016llx%016llx SpanID: %016llx ",
              day_ms / 3600000, day_ms / 60000 % 60, day_ms / 1000 % 60, day_ms % 1000,
              is_error ? "ERROR" : "INFO", w->code + sizeof "com.example",
              40 + (unsigned)(form >> 40) % 400, (unsigned long long)s->trace_hi,
              (unsigned long long)s->trace_lo, (unsigned long long)s->id);
    if (is_error)
        buf_print(line, "[%s][upstream request failed][%s: connection refused after %u ms]",
                  w->method, w->peer, dice_below(d, 3000));
    else
        print_message(line, s, w, form, d);
    buf *out = pack_begin(&g->packer, s->sender, s->ready_ns);
    pb_put_i64(out, 1, (uint64_t)time_ns);
    pb_put_var(out, 2, is_error ? 17 : 9);
    pb_put_bytes(out, 3, is_error ? SPAN("ERROR") : SPAN("INFO"));
    size_t any = pb_begin(out, 5);
    pb_put_bytes(out, 1, buf_span(line));
    pb_finish(out, any);
    put_id(out, 9, s->trace_hi, s->trace_lo, 16);
    put_id(out, 10, 0, s->id, 8);
    pb_put_i64(out, 11, (uint64_t)(time_ns + 40000));
    pack_end(&g->packer, s->sender);
}

static void put_lines(void *ctx, const flow_span *s)
{
    generator *g = ctx;
    dice d = {s->seed};
    if (dice_chance(&d, QUIET_CHANCE))
        return;
    uint32_t lines = 2 + dice_below(&d, LINES_MAX - 1);
    for (uint32_t i = 0; i < lines; i++)
        put_line(g, s, i, &d);
}

static bool is_over(void *ctx)
{
    return ((generator *)ctx)->packer.code != SK_OK;
}

sk_code load_generate_logs(const load_plan *plan, load_sink sink, err *e)
{
    generator *g = base_alloc_zero(1, sizeof *g);
    if (!g)
        return err_set(e, SK_NO_MEMORY, "out of memory");
    g->plan = plan;
    g->packer = (load_packer){.sink = sink, .put_resource = put_resource, .ctx = g};
    buf_init(&g->line, 64 * KIB);
    for (uint32_t i = 0; i < tree_op_count && i < WORDS_OPS_MAX; i++)
        words_of_op(i, &g->words[i]);
    sk_code code = pack_init(&g->packer, SENDERS, e);
    flow f = {plan, LINES_A_SPAN, put_lines, is_over, g};
    if (code == SK_OK)
        code = flow_run(&f, e);
    sk_code packed = pack_finish(&g->packer, e);
    pack_done(&g->packer);
    buf_done(&g->line);
    base_free(g);
    return code != SK_OK ? code : packed;
}
