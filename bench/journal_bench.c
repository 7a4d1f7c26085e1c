/*
 * bench/journal_bench.c: acknowledgements a second and their latency with 1, 4 and 16 writers of 30 kB bodies, each of which
 * waits for its acknowledgement before it sends the next: what a sender sees of the disk. Run as
 * `journal_bench [DIR] [SECONDS]`; the folder should be on the disk that is to hold the data.
 * For comparison: reference/storage-engine.md §10 measured 3.3 k / 6.9 k / 17 k acks/s, p50 0.28 / 0.60 / 0.92 ms.
 */
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/must.h"
#include "base/thread.h"
#include "journal/journal.h"

#define WRITERS_MAX 16u
#define BODY_BYTES  30000u
#define SAMPLES_MAX (1u << 20)

typedef struct writer {
    journal *j;
    uint32_t number;
    thread t;
    lock lock;
    condition changed;
    bool is_done;
    sk_code result;
    uint8_t body[BODY_BYTES];
    uint64_t last_seq;
} writer;

typedef struct run {
    atomic_bool is_over;
    atomic_uint count;
    uint32_t *samples_us;
} run;

static run bench_run;

static void on_done(void *ctx, uint64_t seq, const err *e)
{
    writer *w = ctx;
    lock_take(&w->lock);
    w->is_done = true;
    w->result = e->code;
    w->last_seq = seq;
    condition_wake_one(&w->changed);
    lock_drop(&w->lock);
}

static void write_on(void *ctx)
{
    writer *w = ctx;
    while (!atomic_load(&bench_run.is_over)) {
        err e;
        int64_t begun_ns = clock_mono_ns();
        journal_record r = {.environment = 1 + w->number % 3,
                            .arrival_ns = clock_wall_ns(),
                            .payload = span_of(w->body, BODY_BYTES)};
        w->is_done = false;
        must(journal_append(w->j, &r, on_done, w, &e) == SK_OK);
        lock_take(&w->lock);
        while (!w->is_done)
            condition_wait(&w->changed, &w->lock);
        lock_drop(&w->lock);
        must(w->result == SK_OK);
        journal_release(w->j, r.environment, r.family, w->last_seq, w->last_seq);
        uint32_t at = atomic_fetch_add(&bench_run.count, 1);
        if (at < SAMPLES_MAX)
            bench_run.samples_us[at] = (uint32_t)((clock_mono_ns() - begun_ns) / NS_PER_US);
    }
}

static int by_size(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

/* Span-like text: compresses about eight to one, as batches do. */
static void fill(uint8_t *body, uint32_t seed)
{
    size_t at = 0;
    for (uint32_t i = 0; at < BODY_BYTES; i++) {
        char line[160];
        int len =
            snprintf(line, sizeof line, "GET /api/cart/%u HTTP/1.1 200 checkout-service %08x;",
                     (seed + i) % 50, (seed * 2654435761u) ^ (i * 40503u));
        for (int k = 0; k < len && at < BODY_BYTES; k++)
            body[at++] = (uint8_t)line[k];
    }
}

static void measure(journal *j, uint32_t writers, int64_t seconds)
{
    static writer all[WRITERS_MAX];
    journal_stats before, after;
    atomic_store(&bench_run.is_over, false);
    atomic_store(&bench_run.count, 0);
    journal_stats_get(j, &before);
    int64_t begun_ns = clock_mono_ns();
    for (uint32_t i = 0; i < writers; i++) {
        all[i].j = j;
        all[i].number = i;
        lock_init(&all[i].lock, RANK_CONFIG);
        condition_init(&all[i].changed);
        fill(all[i].body, i);
        must(thread_start(&all[i].t, "writer", write_on, &all[i]));
    }
    usleep((useconds_t)(seconds * 1000000));
    atomic_store(&bench_run.is_over, true);
    for (uint32_t i = 0; i < writers; i++) {
        thread_join(&all[i].t);
        condition_done(&all[i].changed);
        lock_done(&all[i].lock);
    }
    double took_s = (double)(clock_mono_ns() - begun_ns) / 1e9;
    journal_stats_get(j, &after);
    uint32_t count = atomic_load(&bench_run.count),
             kept = count < SAMPLES_MAX ? count : SAMPLES_MAX;
    qsort(bench_run.samples_us, kept, sizeof(uint32_t), by_size);
    printf("%7u %10.0f %8.3f %8.3f %8.3f %10.1f\n", writers, count / took_s,
           bench_run.samples_us[kept / 2] / 1e3, bench_run.samples_us[kept - 1 - kept / 100] / 1e3,
           bench_run.samples_us[kept - 1] / 1e3,
           (double)count / (double)(after.syncs - before.syncs ? after.syncs - before.syncs : 1));
}

int main(int argc, char **argv)
{
    static const uint32_t writers[] = {1, 4, 16};
    char folder[] = "/var/tmp/skep-bench-XXXXXX";
    const char *dir = argc > 1 ? argv[1] : mkdtemp(folder);
    int64_t seconds = argc > 2 ? strtol(argv[2], NULL, 10) : 5;
    journal_options options = {.dir = dir, .keep_ns = 1};
    journal_replay replay = {0};
    journal *j;
    err e;
    bench_run.samples_us = calloc(SAMPLES_MAX, sizeof(uint32_t));
    must(dir && bench_run.samples_us);
    if (journal_open(&options, &replay, &j, &e) != SK_OK) {
        fprintf(stderr, "%s\n", e.text);
        return 1;
    }
    printf("writers     acks/s   p50 ms   p99 ms   max ms  acks/sync\n");
    for (size_t i = 0; i < COUNT_OF(writers); i++)
        measure(j, writers[i], seconds > 0 ? seconds : 1);
    journal_close(j);
    free(bench_run.samples_us);
    return argc > 1 || file_remove_tree(dir, &e) == SK_OK ? 0 : 1;
}
