/*
 * engine/local/differ_cells.c: sums over spans that are alike (query/differences.h): of one service, name and instance, and of one way from a
 * caller to them. A worker's own until the end. Called by differ_trace.c and differ_columns.c.
 */
#include "base/hash.h"
#include "engine/local/differ.h"

static uint32_t hash_like(uint32_t service, uint32_t name, uint32_t instance)
{
    return (uint32_t)hash_mix((uint64_t)name << 32 ^ (uint64_t)instance << 16 ^ service);
}

static uint32_t find_like(differ_run *r, differ_worker *w, uint32_t service, uint32_t name,
                          uint32_t instance)
{
    uint32_t hash = hash_like(service, name, instance), n;
    const differ_like *likes = w->likes.at;
    for (uint32_t step = 0; item_table_next(&w->likes, hash, &step, &n);)
        if (likes[n].own.service == service && likes[n].own.name == name &&
            likes[n].own.instance == instance)
            return n;
    differ_like *made = item_table_add(&r->budget, &w->likes, hash, sizeof *made);
    if (!made)
        return DIFFER_NO_LIKE;
    made->own =
        (differ_cell){.kind = DIFFER_OWN, .service = service, .name = name, .instance = instance};
    made->visit = made->own;
    made->visit.kind = DIFFER_VISIT;
    return w->likes.count - 1;
}

/* Neighbouring spans are often alike: what was found is remembered. */
uint32_t differ__like(differ_run *r, differ_worker *w, uint32_t service, uint32_t name,
                      uint32_t instance)
{
    like_slot *slot = &w->known_likes[(name * 31 + instance) & (DIFFER_LIKE_SLOTS - 1)];
    if (likely(slot->like1 && slot->service == service && slot->name == name &&
               slot->instance == instance))
        return slot->like1 - 1;
    uint32_t like = find_like(r, w, service, name, instance);
    if (like != DIFFER_NO_LIKE)
        *slot = (like_slot){service, name, instance, like + 1};
    return like;
}

bool differ__add_way(differ_run *r, differ_worker *w, uint32_t caller, uint32_t like, uint32_t side,
                     uint32_t weight, int64_t ns, int64_t of)
{
    uint32_t hash = (uint32_t)hash_mix((uint64_t)caller << 32 | like), n;
    differ_way *ways = w->ways.at;
    for (uint32_t step = 0; item_table_next(&w->ways, hash, &step, &n);)
        if (ways[n].cell.caller == caller && ways[n].like == like) {
            differ__add_time(&ways[n].cell, side, weight, ns, of);
            return true;
        }
    differ_way *made = item_table_add(&r->budget, &w->ways, hash, sizeof *made);
    if (!made)
        return false;
    const differ_cell *own = &((const differ_like *)w->likes.at)[like].own;
    made->like = like;
    made->cell = (differ_cell){.kind = DIFFER_BETWEEN,
                               .caller = caller,
                               .service = own->service,
                               .name = own->name,
                               .instance = own->instance};
    differ__add_time(&made->cell, side, weight, ns, of);
    return true;
}

/* ---- all workers' ---- */

static bool is_same(const differ_cell *a, const differ_cell *b)
{
    return a->kind == b->kind && a->caller == b->caller && a->service == b->service &&
           a->name == b->name && a->instance == b->instance;
}

static void add(differ_cell *to, const differ_cell *from)
{
    for (uint32_t side = 0; side < DIFFER_SIDES; side++) {
        to->rows[side] += from->rows[side];
        to->weight[side] += from->weight[side];
        to->errors[side] += from->errors[side];
        to->timed_rows[side] += from->timed_rows[side];
        to->timed_weight[side] += from->timed_weight[side];
        to->us[side] += from->us[side];
        to->logs[side] += from->logs[side];
        to->squares[side] += from->squares[side];
    }
}

static bool merge(differ_run *r, item_table *into, const differ_cell *from)
{
    uint32_t hash = (uint32_t)hash_mix(((uint64_t)from->caller << 32 | from->service) *
                                           (uint64_t)(DIFFER_KINDS + from->kind) ^
                                       hash_like(from->service, from->name, from->instance)),
             n;
    differ_cell *cells = into->at;
    if (!(from->rows[0] | from->rows[1] | from->timed_rows[0] | from->timed_rows[1]))
        return true;
    for (uint32_t step = 0; item_table_next(into, hash, &step, &n);)
        if (is_same(&cells[n], from)) {
            add(&cells[n], from);
            return true;
        }
    differ_cell *made = item_table_add(&r->budget, into, hash, sizeof *made);
    if (made)
        *made = *from;
    return made != NULL;
}

bool differ__merge_cells(differ_run *r, item_table *into)
{
    for (uint32_t i = 0; i < r->worker_count; i++) {
        const differ_worker *w = r->workers[i];
        const differ_like *likes = w->likes.at;
        const differ_way *ways = w->ways.at;
        for (uint32_t n = 0; n < w->likes.count; n++)
            if (!merge(r, into, &likes[n].own) || !merge(r, into, &likes[n].visit))
                return false;
        for (uint32_t n = 0; n < w->ways.count; n++)
            if (!merge(r, into, &ways[n].cell))
                return false;
    }
    return true;
}

void differ__free_cells(differ_run *r, differ_worker *w)
{
    item_table_free(&r->budget, &w->likes, sizeof(differ_like));
    item_table_free(&r->budget, &w->ways, sizeof(differ_way));
}
