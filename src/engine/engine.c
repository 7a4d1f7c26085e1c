/*
 * engine/engine.c: the door (engine.h): each call is checked here once for every engine, then handed on.
 */
#include "engine/engine.h"

#include "base/clock.h"
#include "base/must.h"

static sk_code check_control(const run_control *c, err *er)
{
    if (c && c->cancel && atomic_load_explicit(c->cancel, memory_order_relaxed))
        return err_set(er, SK_CANCELLED, "the query was cancelled");
    if (c && c->deadline_mono_ns && clock_mono_ns() >= c->deadline_mono_ns)
        return err_set(er, SK_TIMEOUT, "the query did not end within its time limit");
    return SK_OK;
}

static sk_code check_range(int64_t start_ns, int64_t end_ns, err *er)
{
    if (start_ns < end_ns)
        return SK_OK;
    return err_set(er, SK_BAD_INPUT,
                   "the time range is empty: its end must be later than its start");
}

sk_code engine_publish(engine *e, const publish *p, err *er)
{
    must(p->take_batch);
    must(!p->take_batch->builder); /* frozen */
    if (p->take_batch->row_count == 0) {
        batch_free(p->take_batch);
        return SK_OK;
    }
    return e->ops->publish(e, p, er);
}

sk_code engine_run(engine *e, uint32_t environment, const plan *p, const run_control *c, arena *mem,
                   result *ret, err *er)
{
    must(p->start_ns < p->end_ns);
    must(p->granularity_ns > 0);
    must(p->bucket_count > 0 && p->bucket_count <= PLAN_BUCKETS_MAX);
    must(p->limit > 0);
    sk_code code = check_control(c, er);
    if (code == SK_OK)
        code = e->ops->run(e, environment, p, c, mem, ret, er);
    return code;
}

sk_code engine_trace(engine *e, uint32_t environment, trace_id id, int64_t start_ns, int64_t end_ns,
                     arena *mem, trace_result *ret, err *er)
{
    if (!trace_id_is_set(id))
        return err_set(er, SK_BAD_INPUT, "a trace id is 16 or 32 hex digits and not all zero");
    if (start_ns && end_ns && end_ns <= start_ns)
        return check_range(start_ns, end_ns, er);
    return e->ops->trace(e, environment, id, start_ns, end_ns, mem, ret, er);
}

sk_code engine_rows(engine *e, uint32_t environment, const rows_query *q, const run_control *c,
                    arena *mem, rows_result *ret, err *er)
{
    must(q->limit > 0 && q->limit <= ROWS_LIMIT_MAX);
    sk_code code = check_range(q->plan->start_ns, q->plan->end_ns, er);
    if (code == SK_OK)
        code = check_control(c, er);
    return code == SK_OK ? e->ops->rows(e, environment, q, c, mem, ret, er) : code;
}

sk_code engine_service_map(engine *e, uint32_t environment, const plan *p, const run_control *c,
                           arena *mem, service_map *ret, err *er)
{
    must(p->filter_count == 0);
    sk_code code = check_range(p->start_ns, p->end_ns, er);
    if (code == SK_OK)
        code = check_control(c, er);
    return code == SK_OK ? e->ops->service_map(e, environment, p, c, mem, ret, er) : code;
}

sk_code engine_fields(engine *e, uint32_t environment, const fields_query *q, arena *mem,
                      fields_result *ret, err *er)
{
    sk_code code = check_range(q->start_ns, q->end_ns, er);
    return code == SK_OK ? e->ops->fields(e, environment, q, mem, ret, er) : code;
}

sk_code engine_differences(engine *e, uint32_t environment, const differences_query *q,
                           const run_control *c, arena *mem, differences_result *ret, err *er)
{
    sk_code code = check_range(q->all->start_ns, q->all->end_ns, er);
    if (code == SK_OK)
        code = check_range(q->selection->start_ns, q->selection->end_ns, er);
    if (code == SK_OK && q->baseline)
        code = check_range(q->baseline->start_ns, q->baseline->end_ns, er);
    if (code == SK_OK)
        code = check_control(c, er);
    return code == SK_OK ? e->ops->differences(e, environment, q, c, mem, ret, er) : code;
}

sk_code engine_drop(engine *e, const drop_query *q, err *er)
{
    if (q->dataset.at && q->before_ns)
        return err_set(er, SK_BAD_INPUT,
                       "drop a dataset or what is older than a time, not both at once");
    return e->ops->drop(e, q, er);
}

sk_code engine_settle(engine *e, err *er)
{
    return e->ops->settle(e, er);
}

void engine_stats_get(engine *e, uint32_t environment, engine_stats *ret)
{
    *ret = (engine_stats){0};
    e->ops->stats(e, environment, ret);
}

void engine_close(engine *take_e)
{
    if (take_e)
        take_e->ops->close(take_e);
}
