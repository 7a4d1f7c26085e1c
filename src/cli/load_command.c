/*
 * cli/load_command.c: skep load: sends OTLP at a rate, or as fast as it is acknowledged, and prints throughput and latencies.
 */
#include <stdio.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/file.h"
#include "cli/api.h"
#include "cli/load/run.h"
#include "wire/json.h"

#define PREPARED_MAX                                                                               \
    2200000u /* spans made before the clock starts (1 GB); beyond it they are sent again as new ones */
#define WRITTEN_PER_S                                                                              \
    10000.0 /* the rate at which the events of a file happened, unless --rate says another */

typedef struct load {
    uint64_t spans, connections, seed, at;
    double rate;
    bool logs, as_is;
    const char *shape, *write, *read;
} load;

static const cli_option load_options_table[] = {
    {"spans", 'n', OPTION_COUNT, offsetof(load, spans), "N",
     "stop after so many spans or log records (default 1,000,000)"},
    {"shape", 0, OPTION_TEXT, offsetof(load, shape), "A|B|logs",
     "A: synthetic spans (default); B: call trees of real systems; logs"},
    {"rate", 'r', OPTION_NUMBER, offsetof(load, rate), "N",
     "so many a second (default: as fast as they are acknowledged)"},
    {"connections", 'c', OPTION_COUNT, offsetof(load, connections), "N",
     "senders at once (default 8)"},
    {"seed", 0, OPTION_COUNT, offsetof(load, seed), "N", "of what is generated (default 1)"},
    {"write", 0, OPTION_TEXT, offsetof(load, write), "FILE",
     "do not send: write the requests to FILE, their times at --rate (default 10,000 a second)"},
    {"at", 0, OPTION_COUNT, offsetof(load, at), "UNIX_SECONDS",
     "when what --write makes ends (default now): the same seed and time give the same bytes"},
    {"read", 0, OPTION_TEXT, offsetof(load, read), "FILE",
     "send each request of FILE once, unchanged"},
    {"logs", 0, OPTION_FLAG, offsetof(load, logs), NULL,
     "the files named as words are OTLP log requests, not traces"},
    {"as-is", 0, OPTION_FLAG, offsetof(load, as_is), NULL,
     "send those files unchanged, without new ids and times"},
    {NULL, 0, OPTION_FLAG, 0, NULL, NULL},
};

static bool is_stopped(void *ctx)
{
    return cli_is_interrupted(ctx);
}

static void show_progress(void *ctx, uint64_t items, double seconds)
{
    cli *c = ctx;
    char count[FORM_MAX], rate[FORM_MAX];
    form_count(items, count);
    form_count((uint64_t)((double)items / seconds), rate);
    if (c->talk.is_terminal && !c->quiet) {
        term_print(&c->talk, "\r%s sent, %s/s  ", count, rate);
        term_flush(&c->talk);
    }
}

static sk_code read_files(const cli *c, load_bodies *ret, err *e)
{
    for (uint32_t i = 0; i < c->word_count; i++) {
        uint8_t *bytes;
        size_t len;
        sk_code code = file_read_all(c->words[i], 64 * MIB, &bytes, &len, e);
        if (code != SK_OK)
            return code;
        code = load_bodies_add(ret, span_of(bytes, len), 0, e);
        base_free(bytes);
        if (code != SK_OK)
            return code;
    }
    return SK_OK;
}

static void print_report(cli *c, const load_report *r)
{
    if (c->json) {
        buf out;
        buf_init(&out, 64 * KIB);
        json_writer w = {.out = &out};
        const struct {
            const char *name;
            double v;
        } numbers[] = {{"items", (double)r->items},
                       {"requests", (double)r->requests},
                       {"bytes", (double)r->bytes},
                       {"seconds", r->seconds},
                       {"items_per_s", (double)r->items / r->seconds},
                       {"retries", (double)r->retries},
                       {"refused", (double)r->refused},
                       {"p50_ms", r->p50_ms},
                       {"p90_ms", r->p90_ms},
                       {"p99_ms", r->p99_ms},
                       {"p999_ms", r->p999_ms},
                       {"max_ms", r->max_ms}};
        jw_object(&w);
        for (size_t i = 0; i < COUNT_OF(numbers); i++) {
            jw_key_text(&w, numbers[i].name);
            jw_double(&w, numbers[i].v);
        }
        jw_object_end(&w);
        term_print(&c->out, "%.*s\n", SPAN_FMT(buf_span(&out)));
        buf_done(&out);
        return;
    }
    char items[FORM_MAX], rate[FORM_MAX], bytes[FORM_MAX], p[5][FORM_MAX];
    form_count(r->items, items);
    form_count((uint64_t)((double)r->items / r->seconds), rate);
    form_bytes((uint64_t)((double)r->bytes / r->seconds), bytes);
    const double points[] = {r->p50_ms, r->p90_ms, r->p99_ms, r->p999_ms, r->max_ms};
    for (size_t i = 0; i < COUNT_OF(points); i++)
        form_ms(points[i], p[i]);
    term_print(&c->out, "%s acknowledged in %.2f s: %s/s, %s/s, in %llu requests\n", items,
               r->seconds, rate, bytes, (unsigned long long)r->requests);
    term_print(&c->out, "acknowledgement  p50 %s  p90 %s  p99 %s  p99.9 %s  max %s\n", p[0], p[1],
               p[2], p[3], p[4]);
    if (r->retries || r->refused)
        term_print(&c->out, "asked to wait %llu times, refused %llu times\n",
                   (unsigned long long)r->retries, (unsigned long long)r->refused);
}

/* Times of what is generated to be sent at once do not matter: each send gives it new ones. */
static load_plan plan_of(const load *l, load_shape shape, uint64_t items, double items_per_s,
                         int64_t end_ns)
{
    int64_t window_ns = (int64_t)((double)items / items_per_s * 1e9);
    return (load_plan){.shape = shape,
                       .seed = l->seed ? l->seed : 1,
                       .items = items,
                       .start_ns = end_ns - window_ns,
                       .window_ns = window_ns};
}

static int write_file(cli *c, const load *l, load_shape shape, uint64_t items)
{
    err e = {0};
    body_file *out;
    int64_t end_ns = l->at ? (int64_t)l->at * NS_PER_S : clock_wall_ns();
    load_plan plan = plan_of(l, shape, items, l->rate > 0 ? l->rate : WRITTEN_PER_S, end_ns);
    sk_code done =
        body_file_create(l->write, shape == LOAD_SHAPE_LOGS ? PATCH_LOGS : PATCH_TRACES, &out, &e);
    if (done != SK_OK)
        return cli_fail_err(c, &e);
    done = load_generate(&plan, body_file_sink(out), &e);
    unsigned long long made = body_file_items(out), requests = body_file_requests(out);
    err close_e = {0};
    sk_code closed = body_file_close(out, &close_e);
    if (done != SK_OK || closed != SK_OK)
        return cli_fail_err(c, done != SK_OK ? &e : &close_e);
    if (c->json)
        term_print(&c->out,
                   "{\"items\":%llu,\"requests\":%llu,\"start_ns\":\"%lld\",\"end_ns\":\"%lld\"}\n",
                   made, requests, (long long)plan.start_ns,
                   (long long)(plan.start_ns + plan.window_ns));
    else
        term_print(&c->out, "%llu items in %llu requests written to %s\n", made, requests,
                   l->write);
    return EXIT_OK;
}

static sk_code prepare(cli *c, const load *l, load_shape shape, load_options *o,
                       load_bodies *bodies, err *e)
{
    sk_code code;
    if (l->read) {
        code = body_file_open(l->read, &o->file, e);
        if (code == SK_OK)
            o->signal = body_file_signal(o->file);
        if (!l->spans)
            o->items = UINT64_MAX;
        return code;
    }
    uint64_t prepared = o->items < PREPARED_MAX ? o->items : PREPARED_MAX;
    load_plan plan = plan_of(l, shape, prepared, l->rate > 0 ? l->rate : (double)PREPARED_MAX / 2,
                             clock_wall_ns());
    code = c->word_count ? read_files(c, bodies, e)
                         : load_generate(&plan, load_bodies_sink(bodies), e);
    o->bodies = bodies->bodies;
    o->body_count = bodies->count;
    return code;
}

static int run_load(cli *c, void *own)
{
    load *l = own;
    err e = {0};
    load_shape shape = LOAD_SHAPE_A;
    uint64_t items = l->spans ? l->spans : 1000000;
    if (l->shape && !load_shape_parse(span_text(l->shape), &shape))
        return cli_fail(c, EXIT_USAGE, "--shape is A, B or logs, not %s", l->shape);
    if (l->write)
        return write_file(c, l, shape, items);
    if (c->dry_run) {
        term_print(&c->out, "%llu spans or log lines to %s\n", (unsigned long long)items, c->url);
        return EXIT_DRY_RUN;
    }
    int code = api_prepare(c);
    if (code != EXIT_OK)
        return code;
    load_bodies bodies = {0};
    load_report report;
    load_options o = {.url = c->url,
                      .key = c->key,
                      .signal = l->logs || (shape == LOAD_SHAPE_LOGS && !c->word_count)
                                    ? PATCH_LOGS
                                    : PATCH_TRACES,
                      .items = items,
                      .items_per_s = l->rate,
                      .connections = l->connections ? (uint32_t)l->connections : 8,
                      .keep_as_is = l->as_is,
                      .is_stopped = is_stopped,
                      .progress = show_progress,
                      .ctx = c};
    sk_code done = prepare(c, l, shape, &o, &bodies, &e);
    if (done == SK_OK)
        done = load_run(&o, &report, &e);
    load_bodies_done(&bodies);
    err ignored = {0};
    if (o.file && body_file_close(o.file, &ignored) != SK_OK && done == SK_OK)
        done = ignored.code;
    if (done != SK_OK)
        return cli_fail_err(c, &e);
    print_report(c, &report);
    return report.refused ? cli_fail(c, EXIT_FAILED, "refused: %s", report.first_refusal) : EXIT_OK;
}

const command command_load = {
    .name = "load",
    .summary = "send OTLP spans at a rate and measure how they are acknowledged",
    .usage = "[--shape A|B|logs] [--spans N] [--rate N] [FILE…]",
    .examples =
        "skep load --spans 2000000\nskep load --shape B --rate 5000 --spans 300000\n"
        "skep load --shape logs --spans 1000000 --write lines.load\nskep load --read lines.load\n"
        "skep load requests/*.pb --spans 100000\n",
    .more =
        "Shape A: spans of about 450 bytes, 14 services, 17 fields. Shape B: call trees and times "
        "of real microservices, 22 fields. logs: lines of about 550 bytes. "
        "Files named as words are OTLP protobuf requests. Every send gets new ids and times, so "
        "that "
        "it is new data and not a retry; only --read and --as-is send the bytes as they are.\n",
    .word = "FILE",
    .options = load_options_table,
    .own_bytes = sizeof(load),
    .run = run_load,
};
