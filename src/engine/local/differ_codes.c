/*
 * engine/local/differ_codes.c: columns that follow from the codes of another (store/snapshot.h): the rows of a block are counted by those codes, once
 * for all that follow from them, and no such column is decoded. Called by differ_count.c. Rows that weigh more than 1 are
 * counted one by one.
 */
#include "engine/local/differ.h"

#define CODES_MAX 65536u /* a dictionary with more is not counted in this way */

bool differ__open_codes(differ_run *r, differ_worker *w, uint32_t columns)
{
    w->code_column_count = PART_COLUMNS + columns;
    w->codes = agg_alloc(&r->budget, w->code_column_count * sizeof *w->codes);
    return w->codes != NULL;
}

void differ__close_codes(differ_run *r, differ_worker *w)
{
    for (uint32_t i = 0; w->codes && i < w->code_column_count; i++) {
        code_counts *c = &w->codes[i];
        agg_free(&r->budget, c->touched, c->entry_count * sizeof *c->touched);
        agg_free(&r->budget, c->rows, c->entry_count * sizeof *c->rows);
    }
    agg_free(&r->budget, w->codes, w->code_column_count * sizeof *w->codes);
    w->codes = NULL;
}

void differ__forget_codes(differ_worker *w)
{
    for (uint32_t i = 0; i < w->code_column_count; i++)
        w->codes[i].is_counted = false;
}

static bool make_room(differ_run *r, differ_worker *w, code_counts *c, uint32_t number)
{
    if (c->rows)
        return true;
    uint32_t count = part_dictionary(w->scans[SCAN_ALL].at->part, number)->count;
    c->entry_count = count + 1;
    c->touched = agg_alloc(&r->budget, c->entry_count * sizeof *c->touched);
    c->rows = agg_alloc(&r->budget, c->entry_count * sizeof *c->rows);
    return c->touched && c->rows;
}

static void count_entries(differ_worker *w, code_counts *c, uint32_t number, const vector *v)
{
    uint32_t(*rows)[DIFFER_SIDES] = c->rows;
    totals t;
    bool has_total = differ__total(w, number, v, &t),
         at_once = has_total || (w->is_whole && v->all_present);
    if (has_total) {
        rows[0][DIFFER_BASELINE] = v->row_count - t.present;
        for (uint32_t i = 0; i < t.count; i++)
            rows[t.keys[i] + 1][DIFFER_BASELINE] = t.rows[i];
    }
    for (uint32_t row = 0; at_once && !has_total && row < v->row_count; row++)
        rows[v->codes[row] + 1][DIFFER_BASELINE]++;
    for (uint32_t side = 0; side < DIFFER_SIDES; side++)
        for (uint32_t word = 0; word < VECTOR_WORDS; word++) {
            if (at_once && side == DIFFER_BASELINE)
                break;
            for (uint64_t left = w->sides[side][word]; left; left &= left - 1) {
                uint32_t row = word * 64 + (uint32_t)__builtin_ctzll(left);
                bool has = v->kind != VECTOR_ABSENT && vector_has(v, row);
                uint32_t entry = has ? v->codes[row] + 1 : 0;
                rows[entry][side]++;
                rows[entry][DIFFER_BASELINE] -= at_once;
            }
        }
}

/* Counts the block by the codes of a column, unless that is done. NULL: see `e`. */
static code_counts *count_codes(differ_run *r, differ_worker *w, uint32_t number, err *e)
{
    code_counts *c = &w->codes[number];
    const vector *v;
    if (c->is_counted)
        return c;
    if (!make_room(r, w, c, number)) {
        (void)finish_budget_error(&r->budget, e);
        return NULL;
    }
    if (scan_read(&w->scans[SCAN_ALL], number, &v, e) != SK_OK)
        return NULL;
    if (v->kind == VECTOR_CODES && v->dictionary->count >= c->entry_count) {
        (void)err_set(e, SK_CORRUPT, "a dictionary could not be read");
        return NULL;
    }
    for (uint32_t i = 0; i < c->touched_count; i++)
        memset(c->rows[c->touched[i]], 0, sizeof *c->rows);
    count_entries(w, c, number, v);
    c->touched_count = 0;
    for (uint32_t i = 0; i < c->entry_count; i++) {
        c->touched[c->touched_count] = i;
        c->touched_count += (c->rows[i][0] | c->rows[i][1]) != 0;
    }
    c->is_counted = true;
    return c;
}

/* Whether every row finds its value in the table. */
static bool is_sound(const code_counts *c, const part_table *t, vector_kind kind, uint32_t count)
{
    uint64_t max = kind == VECTOR_BOOLS ? 1 : t->max;
    uint64_t min = kind == VECTOR_BOOLS ? 0 : t->min;
    if (kind == VECTOR_CODES && max >= count)
        return false;
    for (uint32_t i = 0; i < c->touched_count; i++) {
        uint32_t entry = c->touched[i];
        if (entry >= t->entry_count)
            return false;
        if ((kind == VECTOR_CODES || kind == VECTOR_BOOLS) && t->has[entry] &&
            (t->values[entry] < min || t->values[entry] > max))
            return false;
    }
    return true;
}

static void add_rows(field_counts *f, const uint32_t *rows)
{
    for (uint32_t side = 0; side < DIFFER_SIDES; side++) {
        f->rows[side] += rows[side];
        f->weight[side] += rows[side];
    }
}

static bool add_number(differ_run *r, differ_worker *w, field_counts *f, field_type type,
                       uint64_t bits, const uint32_t *rows)
{
    double number;
    if (type == FIELD_INT)
        number = (double)(int64_t)bits;
    else
        memcpy(&number, &bits, sizeof number);
    for (uint32_t side = 0; side < DIFFER_SIDES; side++)
        if (rows[side] && !differ__count_number(r, w, f, number, side, rows[side]))
            return false;
    return true;
}

static bool add_values(differ_run *r, differ_worker *w, const code_counts *c, const part_table *t,
                       uint32_t number, field_type type, field_counts *f)
{
    uint64_t bools[2][DIFFER_SIDES] = {{0}};
    column_counts *own = NULL;
    if (type == FIELD_STRING) {
        own = differ__column(r, w, number);
        if (!own)
            return false;
        own->is_touched = true;
    }
    for (uint32_t i = 0; i < c->touched_count; i++) {
        uint32_t entry = c->touched[i];
        const uint32_t *rows = c->rows[entry];
        if (!t->has[entry])
            continue;
        uint64_t *to = own                  ? own->weights + t->values[entry] * DIFFER_SIDES
                       : type == FIELD_BOOL ? bools[t->values[entry]]
                                            : NULL;
        add_rows(f, rows);
        for (uint32_t side = 0; to && side < DIFFER_SIDES; side++)
            to[side] += rows[side];
        if (!to && !add_number(r, w, f, type, t->values[entry], rows))
            return false;
    }
    bool is_done = true;
    if (bools[0][0] | bools[0][1])
        is_done = differ__count_text(r, f, SPAN("false"), bools[0]);
    if (is_done && (bools[1][0] | bools[1][1]))
        is_done = differ__count_text(r, f, SPAN("true"), bools[1]);
    return is_done;
}

static bool add_codes(differ_run *r, differ_worker *w, const code_counts *c, uint32_t number,
                      field_counts *f)
{
    column_counts *own = differ__column(r, w, number);
    if (!own)
        return false;
    own->is_touched = true;
    for (uint32_t i = 0; i < c->touched_count; i++) {
        uint32_t entry = c->touched[i];
        if (entry == 0)
            continue;
        add_rows(f, c->rows[entry]);
        for (uint32_t side = 0; side < DIFFER_SIDES; side++)
            own->weights[(size_t)(entry - 1) * DIFFER_SIDES + side] += c->rows[entry][side];
    }
    return true;
}

sk_code differ__follow(differ_run *r, differ_worker *w, uint32_t number, uint32_t field,
                       bool counts, bool *ret, err *e)
{
    scan_worker *all = &w->scans[SCAN_ALL];
    field_counts *f = &w->fields[field];
    part_table t;
    *ret = false;
    if (w->has_weights)
        return SK_OK;
    if (counts && w->codes[number].is_counted) {
        *ret = true;
        return add_codes(r, w, &w->codes[number], number, f) ? SK_OK
                                                             : finish_budget_error(&r->budget, e);
    }
    sk_code code = part_read_table(all->reader, number, all->block, &t, e);
    if (code != SK_OK || (!t.is_constant && t.entry_count == 0))
        return code;
    static const uint8_t has = 1;
    uint32_t whole_entry = 0;
    code_counts whole = {.entry_count = 1, .touched_count = 1, .touched = &whole_entry};
    const code_counts *c = &whole;
    if (t.is_constant) { /* as if it followed from a column that no row has */
        whole.rows = &w->block_rows;
        t.entry_count = 1;
        t.has = &has;
        t.values = &t.constant;
    } else if (part_dictionary(all->at->part, t.source)->count >= CODES_MAX) {
        return SK_OK;
    } else {
        c = count_codes(r, w, t.source, e);
        if (!c)
            return e->code;
    }
    *ret = true;
    field_type type = part_column_get(all->at->part, number).type;
    vector_kind kind = type == FIELD_STRING ? VECTOR_CODES
                       : type == FIELD_BOOL ? VECTOR_BOOLS
                                            : VECTOR_INTS;
    uint32_t count = kind == VECTOR_CODES ? part_dictionary(all->at->part, number)->count : 0;
    if (!is_sound(c, &t, kind, count))
        return err_set(e, SK_CORRUPT, "a block that follows from another column is damaged");
    if (!counts || add_values(r, w, c, &t, number, type, f))
        return SK_OK;
    return finish_budget_error(&r->budget, e);
}
