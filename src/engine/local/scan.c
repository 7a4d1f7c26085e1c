/*
 * engine/local/scan.c: parts, blocks and columns of a scan (scan.h). Predicates are in scan_filter.c.
 * Never: keeps a vector past its block; reads a column that nobody asked for.
 */
#include "engine/local/scan.h"

#include "base/alloc.h"
#include "base/must.h"
#include "engine/local/kept_columns.h"
#include "engine/local/structure.h"
#include "event/fields.h"

#define MORSEL_BLOCKS 4u
#define STRUCTURE_MORSEL_BLOCKS                                                                    \
    16u /* a block's neighbours are read with it: at a morsel's ends for nothing else */
#define PEERS_MAX 2u
#define SOURCES_MAX                                                                                \
    (16u * (FIELD_TYPE_COUNT + 1)) /* of one field: names of a convention, by type, and the id */

/* ---- opening ---- */

static bool is_in_time(const scan *s, const scan_part *p)
{
    return p->info.min_time_ns < s->plan->end_ns && p->info.max_time_ns >= s->plan->start_ns;
}

static uint32_t count_blocks(const scan *s, const scan_part *p)
{
    uint32_t count = 0;
    if (!is_in_time(s, p))
        return 0;
    for (uint32_t b = 0; b < p->info.block_count; b++) {
        part_block at;
        part_block_get(p->part, b, &at);
        count += at.min_time_ns < s->plan->end_ns && at.max_time_ns >= s->plan->start_ns;
    }
    return count;
}

/* Runs of neighbouring blocks that have rows in time. */
static void add_morsels(scan *s, uint32_t number)
{
    const scan_part *p = &s->parts[number];
    scan_morsel *open = NULL;
    uint32_t most = structure_is_needed(s->plan) ? STRUCTURE_MORSEL_BLOCKS : MORSEL_BLOCKS;
    for (uint32_t b = 0; is_in_time(s, p) && b < p->info.block_count; b++) {
        part_block at;
        part_block_get(p->part, b, &at);
        if (at.min_time_ns >= s->plan->end_ns || at.max_time_ns < s->plan->start_ns) {
            open = NULL;
            continue;
        }
        s->rows_total += at.row_count;
        if (!open || b - open->first_block == most) {
            open = &s->morsels[s->morsel_count++];
            *open = (scan_morsel){number, b, b};
        }
        open->end_block = b + 1;
    }
}

sk_code scan_open(scan *s, const plan *p, snapshot *snap, agg_budget *budget, arena *mem, err *e)
{
    *s = (scan){.plan = p, .budget = budget, .mem = mem};
    lock_init(&s->guard, RANK_LEAF);
    condition_init(&s->prepared);
    s->parts = ARENA_ARRAY(mem, scan_part, snapshot_part_count(snap) + 1);
    if (!s->parts)
        return err_set(e, SK_NO_MEMORY, "memory ran out while a query was prepared");
    s->part_count = snapshot_part_count(snap);
    size_t morsels = 0;
    for (uint32_t i = 0; i < s->part_count; i++) {
        s->parts[i].part = snapshot_part(snap, i);
        part_info_get(s->parts[i].part, &s->parts[i].info);
        morsels += count_blocks(s, &s->parts[i]);
    }
    s->morsels = ARENA_ARRAY(mem, scan_morsel, morsels + 1);
    if (!s->morsels)
        return err_set(e, SK_NO_MEMORY, "memory ran out while a query was prepared");
    for (uint32_t i = 0; i < s->part_count; i++)
        add_morsels(s, i);
    return scan__filters_open(s, e);
}

static void free_by_code(scan *s, scan_source *of)
{
    agg_free(s->budget, (void *)(uintptr_t)of->keys, of->code_count * sizeof *of->keys);
    agg_free(s->budget, (void *)(uintptr_t)of->places, of->code_count * sizeof *of->places);
    agg_free(s->budget, (void *)(uintptr_t)of->numbers, of->code_count * sizeof *of->numbers);
    agg_free(s->budget, (void *)(uintptr_t)of->hashes, of->code_count * sizeof *of->hashes);
}

void scan_close(scan *s)
{
    for (uint32_t i = 0; i < s->part_count; i++) {
        scan_part *p = &s->parts[i];
        if (!p->fields)
            continue;
        scan__filters_close(s, p);
        for (uint32_t f = 0; f <= s->plan->field_count; f++) {
            for (uint32_t k = 0; k < p->fields[f].count; k++)
                free_by_code(s, &p->fields[f].sources[k]);
            agg_free(s->budget, p->fields[f].sources, p->fields[f].count * sizeof(scan_source));
        }
        agg_free(s->budget, p->fields, (s->plan->field_count + 1) * sizeof *p->fields);
    }
    condition_done(&s->prepared);
    lock_done(&s->guard);
}

/* ---- preparing a part, when its first block comes up ---- */

static uint32_t id_column(span name)
{
    return span_is(name, F_TRACE_ID)    ? PART_TRACE_ID
           : span_is(name, F_SPAN_ID)   ? PART_SPAN_ID
           : span_is(name, F_PARENT_ID) ? PART_PARENT_ID
                                        : UINT32_MAX;
}

static void add_source(const scan_part *p, scan_source *sources, uint32_t *count, uint32_t number,
                       field_type type, bool is_id)
{
    scan_source *s = &sources[(*count)++];
    *s = (scan_source){.column = number, .type = type, .is_id = is_id};
    if (!is_id && (type == FIELD_STRING || type == FIELD_HISTOGRAM)) {
        s->dictionary = part_dictionary(p->part, number);
        s->code_count = s->dictionary->count;
    }
}

/* The sources of one name; returns how many it has. */
static uint32_t add_name(const scan_part *p, span name, scan_source *sources, uint32_t *count)
{
    uint32_t before = *count, columns[FIELD_TYPE_COUNT], id = id_column(name);
    if (id != UINT32_MAX)
        add_source(p, sources, count, id, FIELD_STRING, true);
    uint32_t n = part_find(p->part, name, columns);
    for (uint32_t i = 0; i < n; i++)
        add_source(p, sources, count, columns[i], part_column_get(p->part, columns[i]).type, false);
    return *count - before;
}

static bool prepare_field(scan *s, const scan_part *p, const plan_field *of, scan_field *ret)
{
    if (of->derived || of->relation)
        return structure_prepare_field(s->structure, s->budget, (uint32_t)(p - s->parts),
                                       (uint32_t)(of - s->plan->fields), ret);
    scan_source sources[SOURCES_MAX];
    uint32_t count = 0, names = 0;
    for (uint32_t c = 0; c < of->candidate_count && count + FIELD_TYPE_COUNT + 1 <= SOURCES_MAX;
         c++)
        names += add_name(p, of->candidates[c], sources, &count) > 0;
    ret->overlaps = names > 1 || (count > 1 && sources[0].is_id);
    if (count == 0)
        return true;
    ret->sources = agg_alloc(s->budget, count * sizeof *sources);
    if (!ret->sources)
        return false;
    ret->count = count;
    memcpy(ret->sources, sources, count * sizeof *sources);
    return true;
}

static bool prepare_dataset(scan *s, const scan_part *p, scan_field *ret)
{
    uint32_t count = 0;
    ret->sources = agg_alloc(s->budget, sizeof(scan_source));
    if (!ret->sources)
        return false;
    add_source(p, ret->sources, &count, PART_DATASET, FIELD_STRING, false);
    ret->count = count;
    return true;
}

static bool prepare(scan *s, scan_part *p)
{
    uint32_t field_count = s->plan->field_count;
    p->fields = agg_alloc(s->budget, (field_count + 1) * sizeof *p->fields);
    if (!p->fields || !prepare_dataset(s, p, &p->fields[field_count]))
        return false;
    for (uint32_t f = 0; f < field_count; f++)
        if (!prepare_field(s, p, &s->plan->fields[f], &p->fields[f]))
            return false;
    return scan__filters_prepare(s, p);
}

/* One worker prepares a part, without a lock, because that reads from the store; the others wait for it. */
static sk_code make_ready(scan *s, scan_part *p, err *e)
{
    lock_take(&s->guard);
    while (p->state == SCAN_PART_PREPARING)
        condition_wait(&s->prepared, &s->guard);
    if (p->state == SCAN_PART_NEW) {
        p->state = SCAN_PART_PREPARING;
        lock_drop(&s->guard);
        bool is_ready = prepare(s, p);
        lock_take(&s->guard);
        p->state = is_ready ? SCAN_PART_READY : SCAN_PART_FAILED;
        condition_wake_all(&s->prepared);
    }
    bool is_ready = p->state == SCAN_PART_READY;
    lock_drop(&s->guard);
    return is_ready ? SK_OK : err_set(e, SK_TOO_LARGE, "the query's memory limit was passed");
}

bool scan_prepare(scan *s, uint32_t part_number)
{
    err ignored;
    return make_ready(s, &s->parts[part_number], &ignored) == SK_OK;
}

static void *by_code(scan *s, _Atomic(void *) *place, size_t bytes)
{
    void *made = atomic_load_explicit(place, memory_order_acquire);
    if (made || bytes == 0)
        return made;
    lock_take(&s->guard);
    made = atomic_load_explicit(place, memory_order_relaxed);
    if (!made) {
        made = agg_alloc(s->budget, bytes);
        /* Release: who sees the pointer sees the zeros. */
        atomic_store_explicit(place, made, memory_order_release);
    }
    lock_drop(&s->guard);
    return made;
}

_Atomic(uint32_t) *scan_keys_of(scan *s, scan_source *of)
{
    return by_code(s, (_Atomic(void *) *)(void *)&of->keys, of->code_count * sizeof *of->keys);
}

_Atomic(uint16_t) *scan_places_of(scan *s, scan_source *of)
{
    return by_code(s, (_Atomic(void *) *)(void *)&of->places, of->code_count * sizeof *of->places);
}

_Atomic(uint64_t) *scan_numbers_of(scan *s, scan_source *of)
{
    return by_code(s, (_Atomic(void *) *)(void *)&of->numbers,
                   of->code_count * sizeof *of->numbers);
}

_Atomic(uint64_t) *scan_hashes_of(scan *s, scan_source *of)
{
    return by_code(s, (_Atomic(void *) *)(void *)&of->hashes, of->code_count * sizeof *of->hashes);
}

/* ---- a worker's block ---- */

void scan_worker_init(scan_worker *w, scan *s)
{
    w->scan = s;
    w->part = UINT32_MAX;
    w->at = NULL;
    w->reader = NULL;
    w->slots = NULL;
    w->structure = NULL;
    w->peer = NULL;
    w->slot_count = w->slot_capacity = w->slots_used = w->count = w->rows_in_order = 0;
    w->rows_scanned = w->bytes_read = w->bytes_of_reader = 0;
    w->damage = (scan_damage){0};
    w->error = (err){0};
}

static void note_bytes(scan_worker *w)
{
    if (!w->reader)
        return;
    uint64_t bytes = part_reader_bytes(w->reader);
    w->bytes_read += bytes - w->bytes_of_reader;
    w->bytes_of_reader = bytes;
}

static void leave_part(scan_worker *w)
{
    note_bytes(w);
    part_reader_free(w->reader);
    w->reader = NULL;
    w->bytes_of_reader = 0;
    w->part = UINT32_MAX;
}

void scan_worker_done(scan_worker *w)
{
    leave_part(w);
    structure_worker_free(w->structure);
    w->structure = NULL;
    for (uint32_t i = 0; i < w->slot_count; i++)
        base_free(w->slots[i].vector);
    base_free(w->slots);
    w->slots = NULL;
    w->slot_count = w->slot_capacity = 0;
}

void scan_leave_out(scan_worker *w, const err *e)
{
    if (w->damage.blocks++ == 0)
        memcpy(w->damage.first, e->text, sizeof w->damage.first - 1);
    w->count = 0;
}

static scan_slot *find_slot(const scan_worker *w, uint32_t number)
{
    for (uint32_t i = 0; i < w->slots_used; i++)
        if (w->slots[i].column == number)
            return &w->slots[i];
    return NULL;
}

/* Derived columns are numbered by each scan's own plan. */
static const vector *find_beside(const scan_worker *w, uint32_t number, bool with_texts)
{
    const scan_worker *p = w->peer;
    for (uint32_t i = 0; i < PEERS_MAX && p && number < SCAN_DERIVED; i++, p = p->peer) {
        const scan_slot *slot =
            p->part == w->part && p->block == w->block ? find_slot(p, number) : NULL;
        if (slot && !(with_texts && slot->without_texts))
            return slot->vector;
    }
    return NULL;
}

/* The next free slot, which has no column yet; NULL: no memory. */
static scan_slot *free_slot(scan_worker *w)
{
    if (w->slots_used < w->slot_count)
        return &w->slots[w->slots_used];
    vector *v = base_reserve(&w->slots, &w->slot_capacity, w->slot_count + 1, sizeof *w->slots)
                    ? base_alloc(sizeof *v)
                    : NULL;
    if (!v)
        return NULL;
    w->slots[w->slot_count] = (scan_slot){.vector = v};
    return &w->slots[w->slot_count++];
}

static sk_code read_into(scan_worker *w, uint32_t number, bool with_texts, const vector **ret,
                         err *e)
{
    scan_slot *slot = find_slot(w, number);
    bool is_new = !slot;
    *ret = slot && !(with_texts && slot->without_texts) ? slot->vector
           : is_new                                     ? find_beside(w, number, with_texts)
                                                        : NULL;
    if (*ret)
        return SK_OK;
    if (is_new && !(slot = free_slot(w)))
        return err_set(e, SK_NO_MEMORY, "memory ran out while a query was reading");
    sk_code code = number >= SCAN_DERIVED
                       ? structure_read(w, number, slot->vector, e)
                       : kept_columns_read(w->scan->kept, w->at->part, w->reader, number, w->block,
                                           with_texts, slot->vector, &w->bytes_read, e);
    if (code != SK_OK)
        return code;
    slot->without_texts = !with_texts;
    slot->column = number;
    w->slots_used += is_new;
    *ret = slot->vector;
    return SK_OK;
}

sk_code scan_read(scan_worker *w, uint32_t number, const vector **ret, err *e)
{
    return read_into(w, number, true, ret, e);
}

sk_code scan_read_codes(scan_worker *w, uint32_t number, const vector **ret, err *e)
{
    return read_into(w, number, false, ret, e);
}

sk_code scan_read_source(scan_worker *w, const scan_source *of, const vector **ret, err *e)
{
    sk_code code = scan_read(w, of->column, ret, e);
    if (code == SK_OK && (*ret)->kind == VECTOR_CODES && (*ret)->dictionary->count > of->code_count)
        return err_set(e, SK_CORRUPT, "a dictionary could not be read");
    return code;
}

static sk_code move_to_part(scan_worker *w, uint32_t number, err *e)
{
    if (w->part == number)
        return SK_OK;
    leave_part(w);
    w->at = &w->scan->parts[number];
    sk_code code = make_ready(w->scan, w->at, e);
    if (code == SK_OK)
        code = part_reader_new(w->at->part, &w->reader, e);
    if (code == SK_OK)
        w->part = number;
    return code;
}

static void select_all(scan_worker *w)
{
    uint32_t words = w->row_count / 64, rest = w->row_count % 64;
    memset(w->selected, 0, sizeof w->selected);
    memset(w->selected, 0xff, words * sizeof *w->selected);
    if (rest)
        w->selected[words] = ((uint64_t)1 << rest) - 1;
}

static sk_code select_time(scan_worker *w, err *e)
{
    const plan *p = w->scan->plan;
    select_all(w);
    if (w->bounds.min_time_ns >= p->start_ns && w->bounds.max_time_ns < p->end_ns)
        return SK_OK;
    const vector *v;
    sk_code code = scan_read(w, PART_TIME, &v, e);
    if (code != SK_OK)
        return code;
    for (uint32_t row = 0; row < w->row_count; row++) {
        bool is_in = v->ints[row] >= p->start_ns && v->ints[row] < p->end_ns;
        w->selected[row >> 6] &= ~((uint64_t)!is_in << (row & 63));
    }
    return SK_OK;
}

static void list_rows(scan_worker *w)
{
    uint32_t count = 0;
    for (uint32_t word = 0; word < VECTOR_WORDS; word++)
        count += bit_count(w->selected[word]);
    w->all = count == w->row_count;
    w->count = count;
    if (w->all && count <= w->rows_in_order)
        return;
    count = 0;
    for (uint32_t word = 0; word < VECTOR_WORDS; word++)
        for (uint64_t bits = w->selected[word]; bits; bits &= bits - 1)
            w->rows[count++] = (uint16_t)(word * 64 + (uint32_t)__builtin_ctzll(bits));
    w->rows_in_order = w->all ? count : 0;
}

sk_code scan_go_to(scan_worker *w, uint32_t part_number, uint32_t block, err *e)
{
    w->slots_used = 0;
    sk_code code = move_to_part(w, part_number, e);
    if (code != SK_OK)
        return code;
    w->block = block;
    part_block_get(w->at->part, block, &w->bounds);
    w->row_count = w->bounds.row_count;
    return SK_OK;
}

sk_code scan_block(scan_worker *w, uint32_t part_number, uint32_t block, err *e)
{
    w->count = 0;
    sk_code code = scan_go_to(w, part_number, block, e);
    if (code != SK_OK) {
        if (code == SK_CORRUPT)
            scan_leave_out(w, e);
        return code == SK_CORRUPT ? SK_OK : code;
    }
    w->rows_scanned += w->row_count;
    if (w->at->is_hopeless || !scan__filters_may_match(w->scan, w->at, block))
        return SK_OK;
    code = select_time(w, e);
    if (code == SK_OK)
        code = scan__filters_apply(w, e);
    if (code == SK_OK && w->scan->structure)
        code = structure_narrow(w, e);
    if (code == SK_OK)
        list_rows(w);
    note_bytes(w);
    if (code != SK_CORRUPT)
        return code;
    scan_leave_out(w, e);
    return SK_OK;
}

/* ---- rows of a vector ---- */

void scan_present(const vector *v, uint64_t out[VECTOR_WORDS])
{
    if (v->kind == VECTOR_ABSENT) {
        memset(out, 0, VECTOR_WORDS * sizeof *out);
        return;
    }
    uint32_t words = v->row_count / 64, rest = v->row_count % 64;
    if (v->all_present)
        memset(out, 0xff, (words + (rest > 0)) * sizeof *out);
    else
        memcpy(out, v->present, (words + (rest > 0)) * sizeof *out);
    if (rest)
        out[words++] &= ((uint64_t)1 << rest) - 1;
    memset(out + words, 0, (VECTOR_WORDS - words) * sizeof *out);
}

void scan_take(const scan_worker *w, const vector *v, uint64_t *claimed, scan_taken *ret)
{
    ret->count = 0;
    ret->all = !claimed && v->all_present && v->kind != VECTOR_ABSENT;
    if (ret->all) {
        ret->count = w->count;
        return;
    }
    uint64_t mine[VECTOR_WORDS];
    scan_present(v, mine);
    uint64_t missing = 0;
    for (uint32_t i = 0; i < VECTOR_WORDS; i++) {
        mine[i] &= w->selected[i] & (claimed ? ~claimed[i] : ~(uint64_t)0);
        missing |= mine[i] ^ w->selected[i];
        if (claimed)
            claimed[i] |= mine[i];
    }
    ret->all = missing == 0;
    if (ret->all) {
        ret->count = w->count;
        return;
    }
    uint32_t n = 0;
    for (uint32_t k = 0; k < w->count; k++) {
        ret->at[n] = (uint16_t)k;
        n += mine[w->rows[k] >> 6] >> (w->rows[k] & 63) & 1;
    }
    ret->count = n;
}

value scan_value(const vector *v, field_type type, uint32_t row, scan_scratch *scratch)
{
    value ret = {.is_set = true, .type = type};
    switch (v->kind) {
    case VECTOR_ABSENT: ret.is_set = false; break;
    case VECTOR_CODES: ret.text = v->dictionary->text(v->dictionary->of, v->codes[row]); break;
    case VECTOR_INTS: ret.i = v->ints[row]; break;
    case VECTOR_FLOATS: ret.f = v->floats[row]; break;
    case VECTOR_BOOLS: ret.b = v->codes[row] != 0; break;
    case VECTOR_IDS:
        ret.text = span_of(scratch->text, span_id_print(v->ids[row], scratch->text));
        break;
    case VECTOR_TRACE_IDS:
        ret.text = span_of(scratch->text, trace_id_print(v->trace_ids[row], scratch->text));
        break;
    }
    return ret;
}
