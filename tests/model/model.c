/*
 * tests/model/model.c: the model's rows: publish, drop, statistics.
 */
#include "base/alloc.h"
#include "base/must.h"
#include "event/fields.h"
#include "model_private.h"

void *model_alloc(arena *mem, size_t count, size_t item_bytes)
{
    void *p = arena_alloc_zero(mem, count * item_bytes + 1, 16);
    must(p != NULL);
    return p;
}

static span copy_text(arena *mem, span s)
{
    span copy;
    must(arena_copy(mem, s, &copy));
    return copy;
}

static value copy_value(arena *mem, value v)
{
    if (v.is_set && (v.type == FIELD_STRING || v.type == FIELD_HISTOGRAM))
        v.text = copy_text(mem, v.text);
    return v;
}

value model_get(const model_row *r, span name)
{
    for (size_t i = 0; i < COUNT_OF(r->ids); i++)
        if (r->ids[i].v.is_set && span_equal(r->ids[i].name, name))
            return r->ids[i].v;
    for (uint32_t i = 0; i < r->field_count; i++)
        if (span_equal(r->fields[i].name, name))
            return r->fields[i].v;
    return (value){.is_set = false};
}

value model_get_text(const model_row *r, const char *name)
{
    return model_get(r, span_text(name));
}

span model_text(const model_row *r, const char *name, arena *mem)
{
    char scratch[VALUE_TEXT_MAX];
    span text = value_text(model_get_text(r, name), scratch);
    return text.len ? copy_text(mem, text) : (span){NULL, 0};
}

static model_field id_field(arena *mem, const char *name, const char *text, size_t len)
{
    model_field f = {.name = span_text(name)};
    if (len)
        f.v = (value){
            .is_set = true, .type = FIELD_STRING, .text = copy_text(mem, span_of(text, len))};
    return f;
}

static void take_ids(model *m, model_row *r)
{
    char text[33];
    size_t len = trace_id_is_set(r->trace) ? trace_id_print(r->trace, text) : 0;
    r->ids[0] = id_field(m->mem, F_TRACE_ID, text, len);
    len = r->span_id ? span_id_print(r->span_id, text) : 0;
    r->ids[1] = id_field(m->mem, F_SPAN_ID, text, len);
    len = r->parent_id ? span_id_print(r->parent_id, text) : 0;
    r->ids[2] = id_field(m->mem, F_PARENT_ID, text, len);
}

static void take_row(model *m, uint32_t environment, const batch *b, uint32_t row)
{
    if (m->row_count == m->row_capacity) {
        uint32_t capacity = m->row_capacity ? m->row_capacity * 2 : 1024;
        model_row *rows = MODEL_ARRAY(m->mem, model_row, capacity);
        if (m->row_count)
            memcpy(rows, m->rows, m->row_count * sizeof *rows);
        m->rows = rows;
        m->row_capacity = capacity;
    }
    model_row *r = &m->rows[m->row_count++];
    *r = (model_row){.environment = environment,
                     .family = b->family,
                     .time_ns = b->time_ns[row],
                     .rate = b->rate[row],
                     .dataset = copy_text(m->mem, batch_text(b, b->dataset[row])),
                     .trace = b->trace_id[row],
                     .span_id = b->span_id[row],
                     .parent_id = b->parent_id[row]};
    take_ids(m, r);
    r->fields = MODEL_ARRAY(m->mem, model_field, b->column_count);
    for (uint32_t i = 0; i < b->column_count; i++) {
        value v = batch_cell(b, i, row);
        if (!v.is_set)
            continue;
        model_field *f = &r->fields[r->field_count++];
        f->name = copy_text(m->mem, b->columns[i].name);
        f->v = copy_value(m->mem, v);
    }
}

static sk_code publish_batch(engine *e, const publish *p, err *er)
{
    model *m = (model *)e;
    lock_take(&m->lock);
    for (uint32_t row = 0; row < p->take_batch->row_count; row++)
        take_row(m, p->environment, p->take_batch, row);
    lock_drop(&m->lock);
    batch_free(p->take_batch);
    return SK_OK;
}

static sk_code drop_rows(engine *e, const drop_query *q, err *er)
{
    model *m = (model *)e;
    lock_take(&m->lock);
    for (uint32_t i = 0; i < m->row_count; i++) {
        model_row *r = &m->rows[i];
        if (r->environment == q->environment &&
            (!q->dataset.at || span_equal(r->dataset, q->dataset)) &&
            (!q->before_ns || r->time_ns < q->before_ns))
            r->is_dropped = true;
    }
    lock_drop(&m->lock);
    return SK_OK;
}

static sk_code settle(engine *e, err *er)
{
    return SK_OK;
}

static void stats(engine *e, uint32_t environment, engine_stats *ret)
{
    model *m = (model *)e;
    lock_take(&m->lock);
    for (uint32_t i = 0; i < m->row_count; i++) {
        const model_row *r = &m->rows[i];
        if (r->is_dropped || (environment && r->environment != environment))
            continue;
        if (!ret->rows || r->time_ns < ret->oldest_ns)
            ret->oldest_ns = r->time_ns;
        if (!ret->rows || r->time_ns > ret->newest_ns)
            ret->newest_ns = r->time_ns;
        ret->rows++;
    }
    lock_drop(&m->lock);
}

static void close_model(engine *take_e)
{
    model *m = (model *)take_e;
    lock_done(&m->lock);
    arena_free(m->mem);
    base_free(m);
}

sk_code engine_open_model(engine **ret)
{
    static const engine_ops ops = {
        .name = "model",
        .publish = publish_batch,
        .run = model_run,
        .rows = model_rows,
        .trace = model_trace,
        .service_map = model_service_map,
        .fields = model_fields,
        .differences = model_differences,
        .drop = drop_rows,
        .settle = settle,
        .stats = stats,
        .close = close_model,
    };
    model *m = base_alloc_zero(1, sizeof *m);
    must(m != NULL);
    m->base.ops = &ops;
    m->mem = arena_new(8 * GIB);
    must(m->mem != NULL);
    lock_init(&m->lock, RANK_ENGINE);
    *ret = &m->base;
    return SK_OK;
}
