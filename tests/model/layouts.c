/*
 * tests/model/layouts.c: see layouts.h.
 */
#include "layouts.h"

const char *const layout_names[LAYOUT_COUNT] = {"all open", "all sealed", "many segments", "merged",
                                                "mixed, restarted"};

static void open_engine(holder *h)
{
    err e = {0};
    local_options o = {.workers = h->workers,
                       .keeps_nothing = h->keeps_nothing,
                       .store = {.dir = h->dir,
                                 .data_dir = h->dir,
                                 .seal_rows = 1 << 20,
                                 .seal_bytes = 256 * MIB,
                                 .seal_age_ns = 60 * NS_PER_S,
                                 .seal_age_rows = 64 << 10,
                                 .idle_seal_ns = 900 * NS_PER_S,
                                 .merge_rows_max = 16u << 20,
                                 .threads = false}};
    check_ok(engine_open_local(&o, &h->engine, &e), &e);
}

static void give(holder *h, const world *w, uint32_t i)
{
    err e = {0};
    publish p = {
        .environment = w->batches[i].environment, .seq = i + 1, .take_batch = world_open(w, i)};
    check_ok(engine_publish(h->engine, &p, &e), &e);
}

void holder_seal(holder *h)
{
    err e = {0};
    check_ok(store_seal(engine_local_store(h->engine), &e), &e);
}

static void merge(holder *h)
{
    err e = {0};
    check_ok(store_merge(engine_local_store(h->engine), &e), &e);
}

void holder_restart(holder *h, const world *w, uint32_t published)
{
    engine_close(h->engine);
    h->keeps_nothing = !h->keeps_nothing;
    open_engine(h);
    store *s = engine_local_store(h->engine);
    for (uint32_t i = 0; i < published; i++)
        if (!store_is_sealed(s, w->batches[i].environment, w->batches[i].family, i + 1))
            give(h, w, i);
}

void holder_open(holder *h, world *w)
{
    static unsigned folder;
    *h = (holder){.workers = 1 + (uint32_t)world_below(w, 2)};
    snprintf(h->dir, sizeof h->dir, "%s/%u", check_dir(), folder++);
    open_engine(h);
}

void holder_fill(holder *h, world *w, uint32_t first, layout l)
{
    for (uint32_t i = first; i < w->batch_count; i++) {
        give(h, w, i);
        bool often = world_chance(w, 15);
        if ((l == LAYOUT_SEGMENTS || l == LAYOUT_MERGED || l == LAYOUT_MIXED) && often)
            holder_seal(h);
        if (l == LAYOUT_MIXED && world_chance(w, 5))
            merge(h);
        if (l == LAYOUT_MIXED && world_chance(w, 5))
            holder_restart(h, w, i + 1);
    }
    if (l == LAYOUT_SEALED || l == LAYOUT_MERGED)
        holder_seal(h);
    if (l == LAYOUT_MERGED)
        merge(h);
}

void holder_close(holder *h)
{
    engine_close(h->engine);
}
