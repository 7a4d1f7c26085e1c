/*
 * cli/load_command.c: skep load: sends OTLP at a rate, or as fast as it is acknowledged, and prints throughput and latencies.
 */
#include <stdio.h>

#include "base/alloc.h"
#include "base/file.h"
#include "cli/api.h"
#include "cli/load/run.h"
#include "wire/json.h"

#define PREPARED_MAX                                                                               \
    2200000u /* spans made before the clock starts (1 GB); beyond it they are sent again as new ones */

typedef struct load {
    uint64_t spans, connections, seed;
    double rate;
    bool logs, as_is;
} load;

static const cli_option load_options_table[] = {
    {"spans", 'n', OPTION_COUNT, offsetof(load, spans), "N",
     "stop after so many spans or log records (default 1,000,000)"},
    {"rate", 'r', OPTION_NUMBER, offsetof(load, rate), "N",
     "so many a second (default: as fast as they are acknowledged)"},
    {"connections", 'c', OPTION_COUNT, offsetof(load, connections), "N",
     "senders at once (default 8)"},
    {"seed", 0, OPTION_COUNT, offsetof(load, seed), "N", "of the generated spans (default 1)"},
    {"logs", 0, OPTION_FLAG, offsetof(load, logs), NULL,
     "the files are OTLP log requests, not traces"},
    {"as-is", 0, OPTION_FLAG, offsetof(load, as_is), NULL,
     "send the files unchanged, without new ids and times"},
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
        load_body body = {0};
        buf_init(&body.bytes, 64 * MIB);
        buf_add(&body.bytes, bytes, len);
        base_free(bytes);
        if (body.bytes.failed ||
            !base_reserve(&ret->bodies, &ret->capacity, ret->count + 1, sizeof *ret->bodies)) {
            buf_done(&body.bytes);
            return err_set(e, SK_NO_MEMORY, "out of memory");
        }
        ret->bodies[ret->count++] = body;
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

static int run_load(cli *c, void *own)
{
    load *l = own;
    err e = {0};
    load_bodies bodies = {0};
    load_report report;
    int code = api_prepare(c);
    if (code != EXIT_OK)
        return code;
    uint64_t spans = l->spans ? l->spans : 1000000;
    double window_s = l->rate > 0 ? (double)PREPARED_MAX / l->rate : 2;
    sk_code done = c->word_count ? read_files(c, &bodies, &e)
                                 : load_generate(l->seed ? l->seed : 1,
                                                 spans < PREPARED_MAX ? spans : PREPARED_MAX,
                                                 (int64_t)(window_s * 1e9), &bodies, &e);
    load_options o = {.url = c->url,
                      .key = c->key,
                      .signal = l->logs ? PATCH_LOGS : PATCH_TRACES,
                      .items = spans,
                      .items_per_s = l->rate,
                      .connections = l->connections ? (uint32_t)l->connections : 8,
                      .body_count = bodies.count,
                      .bodies = bodies.bodies,
                      .keep_as_is = l->as_is,
                      .is_stopped = is_stopped,
                      .progress = show_progress,
                      .ctx = c};
    if (done == SK_OK)
        done = load_run(&o, &report, &e);
    load_bodies_done(&bodies);
    if (done != SK_OK)
        return cli_fail_err(c, &e);
    print_report(c, &report);
    return report.refused ? cli_fail(c, EXIT_FAILED, "refused: %s", report.first_refusal) : EXIT_OK;
}

const command command_load = {
    .name = "load",
    .summary = "send OTLP spans at a rate and measure how they are acknowledged",
    .usage = "[--spans N] [--rate N] [FILE…]",
    .examples = "skep load --spans 2000000\nskep load --rate 5000 --spans 300000\nskep load "
                "requests/*.pb --spans 100000\n",
    .more = "Without files it makes spans of about 450 bytes (14 services, 17 fields). Files are "
            "OTLP protobuf requests. Every send gets new ids and times, "
            "so that it is new data and not a retry.\n",
    .options = load_options_table,
    .own_bytes = sizeof(load),
    .run = run_load,
};
