/*
 * engine/local/families.c: which families of rows a question about a dataset reads (aggregate.h "families"): a dataset of metrics is one that
 * has no other rows, whatever their time. Called by every kind of question.
 */
#include "base/alloc.h"
#include "engine/local/local_private.h"

static sk_code part_has_dataset(const part *p, span dataset, bool *ret, err *e)
{
    part_info info;
    part_info_get(p, &info);
    vector *v = base_alloc(sizeof *v);
    part_reader *reader = NULL;
    if (!v)
        return err_set(e, SK_NO_MEMORY, "memory ran out while a query was prepared");
    sk_code code = part_reader_new(p, &reader, e);
    uint32_t last = UINT32_MAX;
    for (uint32_t b = 0; code == SK_OK && b < info.block_count && !*ret; b++) {
        code = part_read(reader, PART_DATASET, b, v, e);
        if (code == SK_CORRUPT) {
            code = SK_OK;
            continue;
        }
        for (uint32_t row = 0; code == SK_OK && row < v->row_count && !*ret; row++) {
            if (v->codes[row] != last)
                *ret = span_equal(v->dictionary->text(v->dictionary->of, v->codes[row]), dataset);
            last = v->codes[row];
        }
    }
    part_reader_free(reader);
    base_free(v);
    return code == SK_CORRUPT ? SK_OK : code;
}

/* Whether a dictionary rules the dataset out: small ones are looked through. */
static bool may_have_dataset(const part *p, span dataset)
{
    part_info info;
    part_info_get(p, &info);
    const dictionary *d = part_dictionary(p, PART_DATASET);
    if (d->count > info.row_count)
        return true;
    for (uint32_t i = 0; i < d->count; i++)
        if (span_equal(d->text(d->of, i), dataset))
            return true;
    return false;
}

static sk_code has_dataset(local *l, uint32_t environment, uint32_t families, span dataset,
                           bool *ret, err *e)
{
    snapshot *s;
    sk_code code = store_snapshot(l->store, environment, families, INT64_MIN, INT64_MAX, &s, e);
    if (code != SK_OK)
        return code;
    *ret = false;
    for (uint32_t i = 0; code == SK_OK && !*ret && i < snapshot_part_count(s); i++)
        if (may_have_dataset(snapshot_part(s, i), dataset))
            code = part_has_dataset(snapshot_part(s, i), dataset, ret, e);
    snapshot_release(s);
    return code;
}

sk_code local__families(local *l, uint32_t environment, span dataset, uint32_t *ret, err *e)
{
    *ret = FAMILIES_EVENTS;
    if (!dataset.at)
        return SK_OK;
    bool is_there = false;
    sk_code code = has_dataset(l, environment, FAMILIES_EVENTS, dataset, &is_there, e);
    if (code != SK_OK || is_there)
        return code;
    code = has_dataset(l, environment, FAMILY_BIT(FAMILY_METRIC), dataset, &is_there, e);
    if (is_there)
        *ret = FAMILY_BIT(FAMILY_METRIC);
    return code;
}
