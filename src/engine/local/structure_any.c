/*
 * engine/local/structure_any.c: any., any2., any3. and none.: before the scan the query workers look for rows of any trace, spans and logs
 * alike, on which all filters of a relation hold, and note whose they are. The scan then asks for a row's trace.
 */
#include "base/hash.h"
#include "base/must.h"
#include "engine/local/structure.h"

#define MORSEL_BLOCKS 16u

void any_set_done(any_set *s)
{
    agg_free(s->budget, s->slots, s->slot_count * sizeof *s->slots);
    s->slots = NULL;
    s->count = s->slot_count = 0;
}

static any_slot *slot_of(any_slot *slots, uint32_t slot_count, trace_id id)
{
    uint32_t i = (uint32_t)hash_mix(id.hi ^ hash_mix(id.lo)) & (slot_count - 1);
    while (trace_id_is_set(slots[i].trace) && !trace_id_equal(slots[i].trace, id))
        i = (i + 1) & (slot_count - 1);
    return &slots[i];
}

uint8_t any_bits_of(const any_set *s, trace_id id)
{
    return s->count && trace_id_is_set(id) ? slot_of(s->slots, s->slot_count, id)->bits : 0;
}

static bool add_trace(any_set *s, trace_id id, uint8_t bits)
{
    if (3 * (s->count + 1) > 2 * s->slot_count) {
        uint32_t slot_count = s->slot_count ? s->slot_count * 2 : 256;
        any_slot *slots = slot_count ? agg_alloc(s->budget, slot_count * sizeof *slots) : NULL;
        if (!slots)
            return false;
        for (uint32_t i = 0; i < s->slot_count; i++)
            if (trace_id_is_set(s->slots[i].trace))
                *slot_of(slots, slot_count, s->slots[i].trace) = s->slots[i];
        agg_free(s->budget, s->slots, s->slot_count * sizeof *s->slots);
        s->slots = slots;
        s->slot_count = slot_count;
    }
    any_slot *slot = slot_of(s->slots, s->slot_count, id);
    s->count += !trace_id_is_set(slot->trace);
    slot->trace = id;
    slot->bits |= bits;
    return true;
}

/* ---- the search ---- */

typedef struct searcher {
    scan_worker scan;
    any_set set;
} searcher;

typedef struct any_search {
    structure *s;
    uint32_t slot_count;
    searcher *searchers;
    uint32_t morsel_count;
    scan_morsel *morsels;
} any_search;

static sk_code note_rows(structure *s, searcher *w, uint8_t bit, const uint64_t *rows, err *e)
{
    const vector *v;
    trace_id last = {0, 0};
    sk_code code = scan_read(&w->scan, PART_TRACE_ID, &v, e);
    if (code != SK_OK || v->kind != VECTOR_TRACE_IDS)
        return code;
    for (uint32_t word = 0; word < VECTOR_WORDS; word++)
        for (uint64_t left = rows[word]; left; left &= left - 1) {
            trace_id id = v->trace_ids[word * 64 + (uint32_t)__builtin_ctzll(left)];
            if (!trace_id_is_set(id) || trace_id_equal(id, last))
                continue;
            last = id;
            if (!add_trace(&w->set, id, bit))
                return structure__budget_error(s, e);
        }
    return SK_OK;
}

static sk_code search_block(structure *s, searcher *w, uint32_t part_number, uint32_t block, err *e)
{
    sk_code code = scan_go_to(&w->scan, part_number, block, e);
    for (int r = RELATION_ANY; code == SK_OK && r <= RELATION_NONE; r++) {
        uint64_t holds[VECTOR_WORDS], out[VECTOR_WORDS], any = 1;
        uint8_t bit = (uint8_t)(1u << (r - RELATION_ANY));
        if (!(s->any_bits & bit))
            continue;
        memset(holds, 0, sizeof holds);
        for (uint32_t row = 0; row < w->scan.row_count; row++)
            holds[row >> 6] |= (uint64_t)1 << (row & 63);
        for (uint32_t i = 0; code == SK_OK && any && i < s->inner.filter_count; i++) {
            if (s->relation_of_inner[s->inner.filters[i].field] != (uint32_t)r)
                continue;
            if (!scan__filter_may_match(&s->inner, w->scan.at, i, block)) {
                any = 0;
                break;
            }
            code = scan__filter_match(&w->scan, i, holds, out, e);
            any = 0;
            for (uint32_t k = 0; code == SK_OK && k < VECTOR_WORDS; k++)
                any |= holds[k] = out[k];
        }
        if (code == SK_OK && any)
            code = note_rows(s, w, bit, holds, e);
    }
    return code;
}

static sk_code search_morsel(void *ctx, uint32_t slot, uint32_t number, err *e)
{
    any_search *a = ctx;
    const scan_morsel *m = &a->morsels[number];
    searcher *w = &a->searchers[slot];
    sk_code code = SK_OK;
    for (uint32_t b = m->first_block; code == SK_OK && b < m->end_block; b++) {
        code = local__must_end(a->s->control, e);
        if (code == SK_OK)
            code = search_block(a->s, w, m->part, b, e);
        if (code == SK_CORRUPT) {
            scan_leave_out(&w->scan, e);
            code = SK_OK;
        }
    }
    return code;
}

static bool is_searched(const scan_part *p)
{
    return p->info.family == FAMILY_TRACE || p->info.family == FAMILY_LOG;
}

static bool make_morsels(any_search *a)
{
    const scan *s = &a->s->inner;
    size_t count = 1;
    for (uint32_t i = 0; i < s->part_count; i++)
        count += s->parts[i].info.block_count / MORSEL_BLOCKS + 1ul;
    a->morsels = ARENA_ARRAY(a->s->mem, scan_morsel, count);
    for (uint32_t i = 0; a->morsels && i < s->part_count; i++)
        for (uint32_t b = 0; is_searched(&s->parts[i]) && b < s->parts[i].info.block_count;
             b += MORSEL_BLOCKS) {
            uint32_t left = s->parts[i].info.block_count - b;
            a->morsels[a->morsel_count++] =
                (scan_morsel){i, b, b + (left < MORSEL_BLOCKS ? left : MORSEL_BLOCKS)};
        }
    return a->morsels != NULL;
}

static sk_code join_sets(any_search *a, err *e)
{
    structure *s = a->s;
    for (uint32_t i = 0; i < a->slot_count; i++) {
        const any_set *from = &a->searchers[i].set;
        for (uint32_t n = 0; n < from->slot_count; n++)
            if (trace_id_is_set(from->slots[n].trace) &&
                !add_trace(&s->any, from->slots[n].trace, from->slots[n].bits))
                return structure__budget_error(s, e);
        sk_code code = local__must_end(s->control, e);
        if (code != SK_OK)
            return code;
        any_set_done(&a->searchers[i].set);
        const scan_damage *d = &a->searchers[i].scan.damage;
        if (d->blocks && !s->damage.blocks)
            memcpy(s->damage.first, d->first, sizeof d->first);
        s->damage.blocks += d->blocks;
    }
    return SK_OK;
}

sk_code structure__find_any(structure *s, err *e)
{
    any_search a = {.s = s, .slot_count = pool_workers(s->engine->pool)};
    a.searchers = ARENA_ARRAY(s->mem, searcher, a.slot_count);
    if (!a.searchers || !make_morsels(&a))
        return err_set(e, SK_NO_MEMORY, "memory ran out while a query was prepared");
    for (uint32_t i = 0; i < a.slot_count; i++) {
        scan_worker_init(&a.searchers[i].scan, &s->inner);
        a.searchers[i].set.budget = s->budget;
    }
    sk_code code = pool_run(s->engine->pool, search_morsel, &a, a.morsel_count, e);
    if (code == SK_OK)
        code = join_sets(&a, e);
    for (uint32_t i = 0; i < a.slot_count; i++) {
        any_set_done(&a.searchers[i].set);
        scan_worker_done(&a.searchers[i].scan);
    }
    return code;
}
