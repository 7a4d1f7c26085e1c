/*
 * cli/load/run.c: the senders. Each connection is a thread with its own client, its own copy of the body that it patches, and
 * its own list of latencies; one atomic counter hands out the work. Called by the `load` command.
 */
#include "cli/load/run.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/thread.h"
#include "outbound/http.h"

#define RETRIES_MAX 200

typedef struct loader {
    const load_options *o;
    patch_index *indexes;
    uint64_t items_per_pass;
    uint64_t mask_seed;
    int64_t start_mono_ns, start_wall_ns, newest_ns;
    atomic_uint_fast64_t next, items, bytes, retries, refused;
    atomic_uint running; /* workers */
    atomic_bool is_stopping;
    lock first_lock;
    char first_refusal[256]; /* guarded by first_lock */
} loader;

typedef struct worker {
    loader *l;
    thread thread;
    double *latencies_ms;
    uint32_t count, capacity;
    err failure;
} worker;

static bool is_stopped(const loader *l)
{
    return atomic_load(&l->is_stopping);
}

static void rest_until(const loader *l, int64_t mono_ns)
{
    while (!is_stopped(l)) {
        int64_t left = mono_ns - clock_mono_ns();
        if (left <= 0)
            return;
        int64_t nap = left < 100 * NS_PER_MS ? left : 100 * NS_PER_MS;
        nanosleep(&(struct timespec){0, nap}, NULL);
    }
}

static void note_refusal(loader *l, const http_reply *reply)
{
    atomic_fetch_add(&l->refused, 1);
    lock_take(&l->first_lock);
    if (!l->first_refusal[0])
        snprintf(l->first_refusal, sizeof l->first_refusal, "%d: %.*s", reply->status,
                 (int)(reply->body.len < 200 ? reply->body.len : 200),
                 (const char *)reply->body.at);
    lock_drop(&l->first_lock);
}

/* One body until it is acknowledged or refused for good. SK_IO when the server is gone. */
static sk_code send_body(worker *w, http_client *http, span body, uint32_t items)
{
    loader *l = w->l;
    char url[512];
    const http_header headers[] = {{"Content-Type", "application/x-protobuf"},
                                   {"x-honeycomb-team", l->o->key ? l->o->key : ""},
                                   {"User-Agent", "skep-load"}};
    snprintf(url, sizeof url, "%s%s", l->o->url,
             l->o->signal == PATCH_TRACES ? "/v1/traces" : "/v1/logs");
    http_request request = {.method = "POST",
                            .url = url,
                            .headers = headers,
                            .header_count = l->o->key ? 3 : 1,
                            .body = body,
                            .timeout_ms = 60000};
    for (int attempt = 0; attempt < RETRIES_MAX && !is_stopped(l); attempt++) {
        http_reply reply;
        int64_t begun = clock_mono_ns();
        sk_code code = http_call(http, &request, &reply, &w->failure);
        double took_ms = (double)(clock_mono_ns() - begun) / 1e6;
        int status = reply.status;
        if (code == SK_OK && status >= 400 && status != 429 && status != 503)
            note_refusal(l, &reply);
        http_reply_done(&reply);
        if (code != SK_OK)
            return code;
        if (status == 429 || status == 503) {
            atomic_fetch_add(&l->retries, 1);
            rest_until(l, clock_mono_ns() + 20 * NS_PER_MS);
            continue;
        }
        if (status < 300 &&
            base_reserve(&w->latencies_ms, &w->capacity, w->count + 1, sizeof *w->latencies_ms)) {
            w->latencies_ms[w->count++] = took_ms;
            atomic_fetch_add(&l->items, items);
            atomic_fetch_add(&l->bytes, body.len);
        }
        return SK_OK;
    }
    return SK_OK;
}

/* One mask and one shift a pass, so that a trace's spans stay together. */
static void renew(loader *l, uint32_t which, uint64_t pass, uint8_t *out)
{
    const load_options *o = l->o;
    int64_t pass_ns = o->items_per_s > 0
                          ? (int64_t)((double)(pass * l->items_per_pass) / o->items_per_s * 1e9)
                          : clock_mono_ns() - l->start_mono_ns;
    patch_apply(&l->indexes[which], o->bodies[which].bytes.at, out, hash_mix(l->mask_seed + pass),
                l->start_wall_ns + pass_ns - l->newest_ns);
}

/* The next request to send, in `copy`; 0 items when there is none left. */
static uint32_t next_body(worker *w, buf *copy)
{
    loader *l = w->l;
    const load_options *o = l->o;
    uint64_t before, turn = 0;
    uint32_t items = 0;
    if (o->file) {
        sk_code code = body_file_next(o->file, copy, &items, &before, &w->failure);
        if (code != SK_OK) {
            w->failure.code = code == SK_NOT_FOUND ? SK_OK : code;
            return 0;
        }
    } else {
        turn = atomic_fetch_add(&l->next, 1);
        uint32_t which = (uint32_t)(turn % o->body_count);
        before = turn / o->body_count * l->items_per_pass +
                 turn % o->body_count * l->items_per_pass / o->body_count;
        items = l->indexes[which].items;
    }
    if (before >= o->items)
        return 0;
    if (o->items_per_s > 0)
        rest_until(l, l->start_mono_ns + (int64_t)((double)before / o->items_per_s * 1e9));
    if (o->file)
        return items;
    uint32_t which = (uint32_t)(turn % o->body_count);
    buf_clear(copy);
    buf_add_span(copy, buf_span(&o->bodies[which].bytes));
    if (copy->failed) {
        w->failure.code = err_set(&w->failure, SK_NO_MEMORY, "out of memory");
        return 0;
    }
    if (!o->keep_as_is)
        renew(l, which, turn / o->body_count, copy->at);
    return items;
}

static void run_worker(void *ctx)
{
    worker *w = ctx;
    loader *l = w->l;
    buf copy;
    buf_init(&copy, 256 * MIB);
    http_client *http = http_client_new();
    for (uint32_t items; http && !is_stopped(l) && (items = next_body(w, &copy));) {
        if (send_body(w, http, buf_span(&copy), items) != SK_OK)
            break;
        w->failure.code = SK_OK;
    }
    http_client_free(http);
    buf_done(&copy);
    atomic_fetch_sub(&l->running, 1);
}

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void collect(loader *l, worker *workers, load_report *ret)
{
    uint32_t count = 0, filled = 0;
    for (uint32_t i = 0; i < l->o->connections; i++)
        count += workers[i].count;
    ret->items = atomic_load(&l->items);
    ret->bytes = atomic_load(&l->bytes);
    ret->retries = atomic_load(&l->retries);
    ret->refused = atomic_load(&l->refused);
    ret->requests = count;
    snprintf(ret->first_refusal, sizeof ret->first_refusal, "%s", l->first_refusal);
    double *all = count ? base_alloc(count * sizeof *all) : NULL;
    if (!all)
        return;
    for (uint32_t i = 0; i < l->o->connections; i++) {
        if (workers[i].count)
            memcpy(all + filled, workers[i].latencies_ms, workers[i].count * sizeof *all);
        filled += workers[i].count;
    }
    qsort(all, count, sizeof *all, compare_doubles);
    ret->p50_ms = all[count / 2];
    ret->p90_ms = all[count * 9ull / 10];
    ret->p99_ms = all[count * 99ull / 100];
    ret->p999_ms = all[count * 999ull / 1000];
    ret->max_ms = all[count - 1];
    base_free(all);
}

static sk_code find_patches(loader *l, err *e)
{
    if (l->o->file)
        return SK_OK;
    l->indexes = base_alloc_zero(l->o->body_count, sizeof *l->indexes);
    if (!l->indexes)
        return err_set(e, SK_NO_MEMORY, "out of memory");
    for (uint32_t i = 0; i < l->o->body_count; i++) {
        sk_code code =
            patch_find(l->o->signal, buf_span(&l->o->bodies[i].bytes), &l->indexes[i], e);
        if (code != SK_OK) {
            err_prefix(e, "request %u", i);
            return code;
        }
        l->items_per_pass += l->indexes[i].items;
        if ((int64_t)l->indexes[i].newest_ns > l->newest_ns)
            l->newest_ns = (int64_t)l->indexes[i].newest_ns;
    }
    return l->items_per_pass ? SK_OK : err_set(e, SK_BAD_INPUT, "the requests hold no items");
}

/* Reports every second until all workers are done. */
static void watch(loader *l)
{
    int64_t next = l->start_mono_ns + NS_PER_S;
    while (atomic_load(&l->running)) {
        nanosleep(&(struct timespec){0, 20 * NS_PER_MS}, NULL);
        if (l->o->is_stopped && l->o->is_stopped(l->o->ctx))
            atomic_store(&l->is_stopping, true);
        if (clock_mono_ns() < next)
            continue;
        next += NS_PER_S;
        if (l->o->progress)
            l->o->progress(l->o->ctx, atomic_load(&l->items),
                           (double)(clock_mono_ns() - l->start_mono_ns) / 1e9);
    }
}

sk_code load_run(const load_options *o, load_report *ret, err *e)
{
    loader l = {.o = o, .mask_seed = random_u64()};
    *ret = (load_report){0};
    worker *workers = base_alloc_zero(o->connections, sizeof *workers);
    sk_code code = workers ? find_patches(&l, e) : err_set(e, SK_NO_MEMORY, "out of memory");
    lock_init(&l.first_lock, RANK_LEAF);
    l.start_mono_ns = clock_mono_ns();
    l.start_wall_ns = clock_wall_ns();
    uint32_t started = 0;
    for (; code == SK_OK && started < o->connections; started++) {
        workers[started].l = &l;
        atomic_fetch_add(&l.running, 1);
        if (!thread_start(&workers[started].thread, "load", run_worker, &workers[started]))
            code = err_set(e, SK_INTERNAL, "a thread could not be started");
    }
    if (code == SK_OK)
        watch(&l);
    for (uint32_t i = 0; i < started; i++)
        thread_join(&workers[i].thread);
    ret->seconds = (double)(clock_mono_ns() - l.start_mono_ns) / 1e9;
    if (workers) {
        collect(&l, workers, ret);
        for (uint32_t i = 0; i < o->connections; i++) {
            if (code == SK_OK && workers[i].failure.code != SK_OK) {
                *e = workers[i].failure;
                code = e->code;
            }
            base_free(workers[i].latencies_ms);
        }
    }
    for (uint32_t i = 0; l.indexes && i < o->body_count; i++)
        patch_done(&l.indexes[i]);
    base_free(l.indexes);
    base_free(workers);
    lock_done(&l.first_lock);
    return code;
}
