/*
 * cli/demo/run.c: makes visits, holds spans back until they have ended, and sends them every second as OTLP over HTTP: an
 * ordinary sender. Called by the `demo` command.
 */
#include "cli/demo/run.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "cli/demo/export.h"
#include "outbound/http.h"

#define TICK_NS          NS_PER_S
#define METRICS_EVERY_NS (15 * NS_PER_S)
#define STEPS_PER_SEND   2000u
#define GIVE_UP_TRIES    60

typedef struct shop {
    const demo_options *o;
    http_client *http;
    dice d;
    fault f;
    visit one;
    step *held; /* spans that have not ended yet */
    uint32_t held_count, held_capacity;
    int64_t next_metrics_ns, orders;
    uint64_t spans_sent;
} shop;

static bool is_stopped(const shop *s)
{
    return s->o->is_stopped && s->o->is_stopped(s->o->ctx);
}

static void rest_until(int64_t wall_ns, const shop *s)
{
    while (!is_stopped(s)) {
        int64_t left = wall_ns - clock_wall_ns();
        if (left <= 0)
            return;
        int64_t nap = left < 200 * NS_PER_MS ? left : 200 * NS_PER_MS;
        nanosleep(&(struct timespec){0, nap}, NULL);
    }
}

static sk_code post_once(shop *s, const char *path, span body, err *e)
{
    char url[512];
    snprintf(url, sizeof url, "%s%s", s->o->url, path);
    const http_header headers[] = {{"Content-Type", "application/x-protobuf"},
                                   {"x-honeycomb-team", s->o->key},
                                   {"User-Agent", "skep-demo"}};
    http_request request = {.method = "POST",
                            .url = url,
                            .headers = headers,
                            .header_count = COUNT_OF(headers),
                            .body = body,
                            .timeout_ms = 30000};
    http_reply reply;
    sk_code code = http_call(s->http, &request, &reply, e);
    if (code == SK_OK && (reply.status == 429 || reply.status == 503))
        code = err_set(e, SK_BUSY, "the server is busy");
    else if (code == SK_OK && reply.status >= 400)
        code = err_set(
            e, reply.status == 401 || reply.status == 403 ? SK_UNAUTHENTICATED : SK_BAD_INPUT,
            "%s answered %d: %.*s", url, reply.status, SPAN_FMT(buf_span(&reply.body)));
    http_reply_done(&reply);
    return code;
}

static sk_code post(shop *s, const char *path, buf *body, err *e)
{
    sk_code code = SK_OK;
    if (body->failed)
        return err_set(e, SK_NO_MEMORY, "out of memory");
    for (int attempt = 0; body->len && attempt < GIVE_UP_TRIES && !is_stopped(s); attempt++) {
        code = post_once(s, path, buf_span(body), e);
        if (code != SK_IO && code != SK_BUSY && code != SK_TIMEOUT)
            break;
        rest_until(clock_wall_ns() + NS_PER_S, s);
    }
    buf_clear(body);
    return code;
}

static sk_code send_steps(shop *s, const step *const *steps, uint32_t count, err *e)
{
    buf body;
    buf_init(&body, 64 * MIB);
    export_traces(steps, count, &body);
    sk_code code = post(s, "/v1/traces", &body, e);
    if (code == SK_OK) {
        export_logs(steps, count, &body);
        code = post(s, "/v1/logs", &body, e);
    }
    buf_done(&body);
    s->spans_sent += code == SK_OK ? count : 0;
    return code;
}

/* Sends what has ended by `until_ns`, keeps the rest. */
static sk_code flush(shop *s, int64_t until_ns, err *e)
{
    const step *ready[STEPS_PER_SEND];
    uint32_t kept = 0, count = 0;
    sk_code code = SK_OK;
    for (uint32_t i = 0; i < s->held_count && code == SK_OK; i++) {
        if (s->held[i].end_ns > until_ns)
            continue;
        ready[count++] = &s->held[i];
        if (count == STEPS_PER_SEND) {
            code = send_steps(s, ready, count, e);
            count = 0;
        }
    }
    if (code == SK_OK && count)
        code = send_steps(s, ready, count, e);
    for (uint32_t i = 0; i < s->held_count; i++)
        if (s->held[i].end_ns > until_ns)
            s->held[kept++] = s->held[i];
    s->held_count = kept;
    return code;
}

/* All visits that begin in [from, to). */
static sk_code make_visits(shop *s, int64_t from_ns, int64_t to_ns, err *e)
{
    double expected = s->o->visits_per_s * (double)(to_ns - from_ns) / 1e9;
    uint32_t visits = (uint32_t)expected + dice_chance(&s->d, expected - floor(expected));
    for (uint32_t i = 0; i < visits; i++) {
        visit_make(&s->one, &s->d, &s->f,
                   from_ns + (int64_t)(dice_unit(&s->d) * (double)(to_ns - from_ns)));
        if (!base_reserve(&s->held, &s->held_capacity, s->held_count + s->one.count,
                          sizeof *s->held))
            return err_set(e, SK_NO_MEMORY, "out of memory");
        memcpy(s->held + s->held_count, s->one.steps, s->one.count * sizeof *s->held);
        s->held_count += s->one.count;
        for (uint32_t k = 0; k < s->one.count; k++)
            s->orders += s->one.steps[k].kind == KIND_PRODUCER;
    }
    return SK_OK;
}

static sk_code send_metrics(shop *s, int64_t up_to_ns, err *e)
{
    buf body;
    sk_code code = SK_OK;
    buf_init(&body, 16 * MIB);
    while (s->next_metrics_ns <= up_to_ns && code == SK_OK) {
        export_metrics(&s->d, &s->f, s->next_metrics_ns, s->orders, &body);
        s->next_metrics_ns += METRICS_EVERY_NS;
        if (body.len > 1 * MIB || s->next_metrics_ns > up_to_ns)
            code = post(s, "/v1/metrics", &body, e);
    }
    buf_done(&body);
    return code;
}

static sk_code advance(shop *s, int64_t from_ns, int64_t to_ns, err *e)
{
    sk_code code = make_visits(s, from_ns, to_ns, e);
    if (code == SK_OK)
        code = flush(s, to_ns, e);
    return code == SK_OK ? send_metrics(s, to_ns, e) : code;
}

static sk_code live(shop *s, err *e)
{
    char line[200];
    int64_t now = clock_wall_ns(), at = now - s->o->past_ns;
    sk_code code = SK_OK;
    s->next_metrics_ns = at;
    while (at < now && code == SK_OK && !is_stopped(s)) {
        int64_t to = at + 20 * NS_PER_S < now ? at + 20 * NS_PER_S : now;
        code = advance(s, at, to, e);
        at = to;
    }
    if (code == SK_OK && !s->o->is_quiet && s->o->say) {
        snprintf(line, sizeof line, "demo: sent %llu spans of the last %lld min (seed %llu)%s",
                 (unsigned long long)s->spans_sent, (long long)(s->o->past_ns / NS_PER_S / 60),
                 (unsigned long long)s->o->seed, s->o->past_only ? "" : "; the shop is open");
        s->o->say(s->o->ctx, line);
    }
    while (code == SK_OK && !s->o->past_only && !is_stopped(s)) {
        rest_until(at + TICK_NS, s);
        now = clock_wall_ns();
        code = advance(s, at, now, e);
        at = now;
    }
    return code;
}

sk_code demo_run(const demo_options *o, err *e)
{
    shop *s = base_alloc_zero(1, sizeof *s);
    if (!s)
        return err_set(e, SK_NO_MEMORY, "out of memory");
    int64_t fault_age_ns = o->past_ns / 3;
    s->o = o;
    s->d.state =
        o->seed ^
        (uint64_t)clock_wall_ns(); /* the fault is the seed's; visits and ids are always new */
    s->f = fault_of_seed(o->seed, clock_wall_ns() - fault_age_ns);
    s->http = http_client_new();
    sk_code code = s->http ? live(s, e) : err_set(e, SK_NO_MEMORY, "out of memory");
    http_client_free(s->http);
    base_free(s->held);
    base_free(s);
    return code;
}
