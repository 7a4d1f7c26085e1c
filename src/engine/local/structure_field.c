/*
 * engine/local/structure_field.c: results as the scan sees them: derived fields and fields of other spans as sources of a field and as columns of
 * a block, filters on other spans as the rows that pass. Called by scan.c.
 *
 * A field of another span has the sources of that field in the part_number, each a column whose rows are taken from the other
 * span's rows; and, for spans that were gathered before the scan, one column per type with their values. No row is in both.
 */
#include "base/must.h"
#include "engine/local/structure.h"

/* ---- sources ---- */

static uint32_t number_of(uint32_t field, uint32_t source)
{
    return SCAN_DERIVED + field * DERIVED_SOURCES + source;
}

static void add_gathered(structure *s, uint32_t field, uint32_t types, scan_source *sources,
                         uint32_t *count)
{
    for (int t = 0; t < FIELD_TYPE_COUNT; t++) {
        if (!(types >> t & 1))
            continue;
        scan_source *of = &sources[(*count)++];
        *of = (scan_source){.column = number_of(field, DERIVED_GATHERED + (uint32_t)t),
                            .type = (field_type)t};
        if (t == FIELD_STRING || t == FIELD_HISTOGRAM) {
            of->dictionary = &s->gathered_texts;
            of->code_count = s->gathered_texts.count;
        }
    }
}

static uint32_t list_sources(structure *s, uint32_t part_number, uint32_t field,
                             scan_source *sources, bool *ret_overlaps)
{
    const plan_field *f = &s->plan->fields[field];
    uint32_t count = 0;
    if (f->derived && f->derived != DERIVED_ROOT_NAME) {
        sources[count++] =
            (scan_source){.column = number_of(field, 0),
                          .type = f->derived == DERIVED_DEPTH ? FIELD_INT : FIELD_FLOAT};
        return count;
    }
    if (!s->value_of[field])
        return 0; /* of filters only: they are not asked here */
    const structure_value *v = &s->values[s->value_of[field] - 1];
    const scan_part *p = &s->inner.parts[part_number];
    const scan_field *own = &p->fields[v->inner_field];
    *ret_overlaps = own->overlaps;
    for (uint32_t i = 0; !p->info.is_open && i < own->count && i < STRUCTURE_COLUMNS; i++) {
        const scan_source *from = &own->sources[i];
        sources[count++] = (scan_source){.column = number_of(field, i),
                                         .type = from->type,
                                         .is_id = from->is_id,
                                         .code_count = from->code_count,
                                         .dictionary = from->dictionary};
    }
    add_gathered(s, field, v->types, sources, &count);
    return count;
}

bool structure_prepare_field(structure *s, agg_budget *budget, uint32_t part_number, uint32_t field,
                             scan_field *ret)
{
    scan_source sources[STRUCTURE_COLUMNS + FIELD_TYPE_COUNT];
    if (s->inner.parts[part_number].info.family != FAMILY_TRACE)
        return true;
    if (!scan_prepare(&s->inner, part_number))
        return false;
    uint32_t count = list_sources(s, part_number, field, sources, &ret->overlaps);
    if (count == 0)
        return true;
    ret->sources = agg_alloc(budget, count * sizeof *sources);
    if (!ret->sources)
        return false;
    ret->count = count;
    memcpy(ret->sources, sources, count * sizeof *sources);
    return true;
}

/* ---- columns ---- */

static sk_code judge(scan_worker *w, structure_worker **ret, err *e)
{
    structure *s = w->scan->structure;
    if (!w->structure)
        w->structure = structure_worker_new(s);
    structure_worker *own = w->structure;
    if (!own)
        return err_set(e, SK_NO_MEMORY, "memory ran out while a query was reading");
    own->scan.peer = w;
    *ret = own;
    if (own->part == w->part && own->block == w->block)
        return SK_OK;
    own->part = own->block = UINT32_MAX;
    sk_code code = structure__judge(own, w->part, w->block, e);
    if (code == SK_OK) {
        own->part = w->part;
        own->block = w->block;
    }
    return code;
}

static void start(vector *v, vector_kind kind, field_type type, uint32_t row_count)
{
    v->kind = kind;
    v->type = type;
    v->row_count = row_count;
    v->all_present = v->is_constant = false;
    v->dictionary = NULL;
    memset(v->present, 0, sizeof v->present);
}

static void end(vector *v)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < VECTOR_WORDS; i++)
        count += bit_count(v->present[i]);
    v->all_present = count == v->row_count;
    if (count == 0)
        v->kind = VECTOR_ABSENT;
}

static inline void set_present(vector *v, uint32_t row, bool is)
{
    v->present[row >> 6] |= (uint64_t)is << (row & 63);
}

static void fill_times(const int64_t *ns, vector *out)
{
    for (uint32_t from = 0; from < out->row_count; from += 64) {
        uint32_t end = from + 64 < out->row_count ? from + 64 : out->row_count;
        uint64_t present = 0;
        for (uint32_t row = from; row < end; row++) {
            out->floats[row] = (double)ns[row] / 1e6;
            present |= (uint64_t)(ns[row] >= 0) << (row & 63);
        }
        out->present[from >> 6] = present;
    }
}

static void fill_depths(const uint32_t *depths, vector *out)
{
    for (uint32_t row = 0; row < out->row_count; row++) {
        out->ints[row] = depths[row];
        set_present(out, row, depths[row] != DERIVE_NONE);
    }
}

static const span_block *near_block(const structure_worker *w, uint32_t row)
{
    for (int i = 0; i < 3; i++)
        if (w->near[i] && w->near[i]->block == row / VECTOR_ROWS)
            return w->near[i];
    return NULL;
}

static void copy_value(const vector *from, uint32_t at, vector *out, uint32_t row)
{
    switch (from->kind) {
    case VECTOR_CODES:
    case VECTOR_BOOLS: out->codes[row] = from->codes[at]; break;
    case VECTOR_INTS:
    case VECTOR_FLOATS:
    case VECTOR_IDS: out->ids[row] = from->ids[at]; break;
    case VECTOR_TRACE_IDS: out->trace_ids[row] = from->trace_ids[at]; break;
    case VECTOR_ABSENT: return;
    }
    set_present(out, row, true);
}

/* Rows of other spans of this part. */
static void fill_from_part(const structure_worker *w, const structure_value *v, uint32_t source,
                           vector *out)
{
    const structure *s = w->structure;
    const uint32_t *chosen = w->chosen[v->relation];
    size_t place = (size_t)(v - s->values) * STRUCTURE_COLUMNS + source;
    bool is_started = false;
    for (int i = 0; i < 3; i++) {
        const span_block *b = w->near[i];
        if (!b || !b->has_value[place] || is_started)
            continue;
        start(out, b->values[place]->kind, b->values[place]->type, out->row_count);
        out->dictionary = b->values[place]->dictionary;
        is_started = true;
    }
    for (uint32_t row = 0; is_started && row < out->row_count; row++) {
        if (chosen[row] == DERIVE_NONE || w->gathered[row] != DERIVE_NONE)
            continue;
        const span_block *b = near_block(w, chosen[row]);
        uint32_t at = chosen[row] % VECTOR_ROWS;
        if (b && b->has_value[place] && vector_has(b->values[place], at))
            copy_value(b->values[place], at, out, row);
    }
}

static void fill_from_gathered(const structure_worker *w, const structure_value *v, field_type type,
                               vector *out)
{
    static const vector_kind kinds[] = {[FIELD_STRING] = VECTOR_CODES,
                                        [FIELD_INT] = VECTOR_INTS,
                                        [FIELD_FLOAT] = VECTOR_FLOATS,
                                        [FIELD_BOOL] = VECTOR_BOOLS,
                                        [FIELD_HISTOGRAM] = VECTOR_CODES};
    const structure *s = w->structure;
    const uint32_t *chosen = w->chosen[v->relation];
    size_t number = (size_t)(v - s->values);
    start(out, kinds[type], type, out->row_count);
    if (out->kind == VECTOR_CODES)
        out->dictionary = &s->gathered_texts;
    for (uint32_t row = 0; row < out->row_count; row++) {
        if (w->gathered[row] == DERIVE_NONE || chosen[row] == DERIVE_NONE)
            continue;
        const gathered_value *x = &s->span_values[(size_t)chosen[row] * s->value_count + number];
        if (x->type1 != (uint32_t)type + 1)
            continue;
        if (out->kind == VECTOR_CODES || out->kind == VECTOR_BOOLS)
            out->codes[row] = (uint32_t)x->bits;
        else
            out->ids[row] = x->bits;
        set_present(out, row, true);
    }
}

sk_code structure_read(scan_worker *w, uint32_t number, vector *out, err *e)
{
    structure_worker *own;
    uint32_t field = (number - SCAN_DERIVED) / DERIVED_SOURCES;
    uint32_t source = (number - SCAN_DERIVED) % DERIVED_SOURCES;
    const structure *s = w->scan->structure;
    const plan_field *f = &s->plan->fields[field];
    sk_code code = judge(w, &own, e);
    if (code != SK_OK)
        return code;
    start(out, VECTOR_ABSENT, FIELD_FLOAT, w->row_count);
    if (f->derived == DERIVED_SELF_MS || f->derived == DERIVED_GAP_MS) {
        out->kind = VECTOR_FLOATS;
        fill_times(f->derived == DERIVED_SELF_MS ? own->self_ns : own->gap_ns, out);
    } else if (f->derived == DERIVED_DEPTH) {
        out->kind = VECTOR_INTS;
        out->type = FIELD_INT;
        fill_depths(own->depths, out);
    } else {
        const structure_value *v = &s->values[s->value_of[field] - 1];
        if (source >= DERIVED_GATHERED)
            fill_from_gathered(own, v, (field_type)(source - DERIVED_GATHERED), out);
        else
            fill_from_part(own, v, source, out);
    }
    end(out);
    return SK_OK;
}

bool structure_span(const scan_worker *w, uint32_t row, span_identity *ret)
{
    const structure_worker *own = w->structure;
    if (!own || own->part != w->part || own->block != w->block)
        return false;
    if (own->structure->times && own->gathered[row] != DERIVE_NONE) {
        *ret = own->structure->times[own->gathered[row]].span;
        return true;
    }
    const span_block *b = own->near[1], *of = b;
    if (!b)
        return false;
    uint32_t parent = b->parents[row];
    if (parent != DERIVE_NONE) {
        of = near_block(own, parent);
        if (!of)
            return false;
    }
    ret->id = b->ids[row];
    ret->parent_id = parent == DERIVE_NONE ? b->parent_ids[row] : of->ids[parent - of->first_row];
    ret->time_ns = b->times[row];
    ret->duration_ns = b->durations[row];
    return true;
}

/* ---- filters ---- */

static sk_code narrow_by_spans(scan_worker *w, err *e)
{
    const structure *s = w->scan->structure;
    structure_worker *own;
    if (w->at->info.family != FAMILY_TRACE) {
        memset(w->selected, 0, sizeof w->selected);
        return SK_OK;
    }
    sk_code code = judge(w, &own, e);
    if (code != SK_OK)
        return code;
    for (uint32_t row = 0; row < w->row_count; row++) {
        bool passes = true;
        for (int r = 0; r < DERIVE_RELATIONS; r++)
            passes &= !(s->filtered & DERIVE_BIT(r)) || own->chosen[r][row] != DERIVE_NONE;
        w->selected[row >> 6] &= ~((uint64_t)!passes << (row & 63));
    }
    return SK_OK;
}

static sk_code narrow_by_any(scan_worker *w, err *e)
{
    const structure *s = w->scan->structure;
    const uint8_t none = 1u << (RELATION_NONE - RELATION_ANY);
    const vector *v;
    trace_id last = {0, 0};
    bool passes = s->any_bits == none; /* of a row without a trace */
    sk_code code = scan_read(w, PART_TRACE_ID, &v, e);
    if (code != SK_OK)
        return code;
    for (uint32_t row = 0; row < w->row_count; row++) {
        trace_id id = v->kind == VECTOR_TRACE_IDS ? v->trace_ids[row] : (trace_id){0, 0};
        if (!trace_id_equal(id, last)) {
            uint8_t bits = any_bits_of(&s->any, id);
            passes = ((bits ^ none) & s->any_bits) == s->any_bits;
            last = id;
        }
        w->selected[row >> 6] &= ~((uint64_t)!passes << (row & 63));
    }
    return SK_OK;
}

sk_code structure_narrow(scan_worker *w, err *e)
{
    const structure *s = w->scan->structure;
    uint64_t any = 0;
    sk_code code = SK_OK;
    for (uint32_t i = 0; i < VECTOR_WORDS; i++)
        any |= w->selected[i];
    if (any && s->any_bits)
        code = narrow_by_any(w, e);
    if (code == SK_OK && any && s->filtered)
        code = narrow_by_spans(w, e);
    return code;
}
