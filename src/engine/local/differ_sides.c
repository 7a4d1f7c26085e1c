/*
 * engine/local/differ_sides.c: which side each row is of, and each trace: a trace is of the selection when one of its rows is. Called by
 * differences.c, the other passes ask by trace.
 */
#include "base/hash.h"
#include "engine/local/differ.h"

/* ---- traces ---- */

uint64_t differ__trace_hash(trace_id id)
{
    return hash_mix(id.hi ^ hash_mix(id.lo)) | 1;
}

static uint32_t slot_of(const differ_set *s, uint64_t hash)
{
    uint32_t i = (uint32_t)(hash >> 1) & (s->slot_count - 1);
    while (s->slots[i] && s->slots[i] != hash)
        i = (i + 1) & (s->slot_count - 1);
    return i;
}

bool differ__has(const differ_set *s, uint64_t hash)
{
    return s->slot_count && s->slots[slot_of(s, hash)] != 0;
}

bool differ__put(differ_run *r, differ_set *s, uint64_t hash)
{
    if (2 * (s->count + 1) >= s->slot_count) {
        differ_set grown = {.slot_count = s->slot_count ? s->slot_count * 2 : 1024};
        grown.slots = agg_alloc(&r->budget, grown.slot_count * sizeof *grown.slots);
        if (!grown.slots)
            return false;
        for (uint32_t i = 0; i < s->slot_count; i++)
            if (s->slots[i])
                grown.slots[slot_of(&grown, s->slots[i])] = s->slots[i];
        agg_free(&r->budget, s->slots, s->slot_count * sizeof *s->slots);
        grown.count = s->count;
        *s = grown;
    }
    uint32_t i = slot_of(s, hash);
    if (s->slots[i])
        return false;
    s->slots[i] = hash;
    s->count++;
    return true;
}

bool differ__is_kept(const differ_run *r, uint64_t hash, uint32_t side)
{
    return hash_mix(hash) <= r->keep[side];
}

uint32_t differ__side_of(const differ_run *r, uint64_t hash)
{
    uint32_t side = DIFFER_SIDES;
    if (differ__has(&r->traces[DIFFER_SELECTION], hash))
        side = DIFFER_SELECTION;
    else if (r->all_others_are_baseline || differ__has(&r->traces[DIFFER_BASELINE], hash))
        side = DIFFER_BASELINE;
    return side != DIFFER_SIDES && differ__is_kept(r, hash, side) ? side : DIFFER_SIDES;
}

/* ---- which side a row is of ---- */

/* Rows that may be compared at all. */
static sk_code find_spans(differ_run *r, differ_worker *w, uint64_t *out, err *e)
{
    const vector *v;
    memset(out, 0xff, VECTOR_WORDS * sizeof *out);
    if (r->query->rows != DIFFER_ROWS_SPANS ||
        part_block_is_full(w->scans[SCAN_ALL].at->part, PART_SPAN_ID, w->scans[SCAN_ALL].block))
        return SK_OK;
    sk_code code = scan_read(&w->scans[SCAN_ALL], PART_SPAN_ID, &v, e);
    if (code == SK_OK)
        scan_present(v, out);
    return code;
}

sk_code differ__find_sides(differ_run *r, differ_worker *w, uint32_t number, uint32_t block,
                           bool *ret_is_known, err *e)
{
    scan_worker *all = &w->scans[SCAN_ALL];
    uint32_t damaged = 0;
    *ret_is_known = false;
    memset(w->sides, 0, sizeof w->sides);
    uint64_t spans[VECTOR_WORDS];
    sk_code code = SK_OK;
    for (uint32_t s = SCAN_ALL; code == SK_OK && s < r->scan_count; s++) {
        if (s != SCAN_ALL && all->count == 0)
            break;
        damaged += w->scans[s].damage.blocks;
        code = scan_block(&w->scans[s], number, block, e);
        damaged -= w->scans[s].damage.blocks;
    }
    *ret_is_known = code == SK_OK && !damaged;
    if (code == SK_OK && !damaged && all->count)
        code = find_spans(r, w, spans, e);
    if (code != SK_OK || damaged || !all->count)
        return code;
    const scan_worker *selected = &w->scans[SCAN_SELECTION], *base = &w->scans[SCAN_BASELINE];
    for (uint32_t i = 0; i < VECTOR_WORDS; i++) {
        uint64_t whole = all->selected[i] & spans[i];
        uint64_t in = selected->count ? whole & selected->selected[i] : 0;
        uint64_t rest = whole & ~in;
        if (r->has_baseline)
            rest &= base->count ? base->selected[i] : 0;
        w->sides[DIFFER_SELECTION][i] = in;
        w->sides[DIFFER_BASELINE][i] = rest;
    }
    return SK_OK;
}

sk_code differ__look_at_traces(differ_run *r, differ_worker *w, err *e)
{
    const vector *v, *times = NULL;
    scan_worker *all = &w->scans[SCAN_ALL];
    uint64_t last[DIFFER_SIDES] = {0};
    bool is_sample = r->keep[0] != UINT64_MAX || r->keep[1] != UINT64_MAX;
    if (!is_sample && !r->query->wants_suspects && !r->query->wants_words)
        return SK_OK;
    sk_code code = scan_read(all, PART_TRACE_ID, &v, e);
    if (code == SK_OK && !v->all_present)
        code = scan_read(all, PART_TIME, &times, e);
    for (uint32_t side = 0; code == SK_OK && side < DIFFER_SIDES; side++) {
        bool is_noted = side == DIFFER_SELECTION || !r->all_others_are_baseline;
        if (!is_noted && !is_sample)
            continue;
        for (uint32_t word = 0; word < VECTOR_WORDS; word++)
            for (uint64_t left = w->sides[side][word]; left; left &= left - 1) {
                uint32_t row = word * 64 + (uint32_t)__builtin_ctzll(left);
                bool has_trace = vector_has(v, row) && trace_id_is_set(v->trace_ids[row]);
                uint64_t hash = has_trace ? differ__trace_hash(v->trace_ids[row])
                                : times   ? hash_mix((uint64_t)times->ints[row]) | 1
                                          : 1;
                if (!differ__is_kept(r, hash, side))
                    w->sides[side][word] &= ~(left & -left);
                if (!has_trace || !is_noted || hash == last[side])
                    continue;
                last[side] = hash;
                if (!item_list_add(&r->budget, &w->traces[side], &hash, sizeof hash))
                    return finish_budget_error(&r->budget, e);
            }
    }
    return code;
}

/* ---- between the passes ---- */

bool differ__gather_traces(differ_run *r)
{
    for (uint32_t i = 0; i < r->worker_count; i++)
        for (uint32_t side = 0; side < DIFFER_SIDES; side++) {
            const uint64_t *hashes = r->workers[i]->traces[side].at;
            for (uint32_t n = 0; n < r->workers[i]->traces[side].count; n++)
                (void)differ__put(r, &r->traces[side], hashes[n]);
            item_list_free(&r->budget, &r->workers[i]->traces[side], sizeof *hashes);
        }
    return !atomic_load(&r->budget.failed);
}

/* The traces that were met in more than one run. A hash shared by two traces only makes them wait. */
bool differ__find_split(differ_run *r)
{
    differ_set met = {0};
    for (uint32_t i = 0; i < r->worker_count; i++) {
        const uint64_t *hashes = r->workers[i]->runs.at;
        for (uint32_t n = 0; n < r->workers[i]->runs.count; n++)
            if (!differ__put(r, &met, hashes[n]))
                (void)differ__put(r, &r->split, hashes[n]);
        item_list_free(&r->budget, &r->workers[i]->runs, sizeof *hashes);
    }
    agg_free(&r->budget, met.slots, met.slot_count * sizeof *met.slots);
    return !atomic_load(&r->budget.failed);
}
