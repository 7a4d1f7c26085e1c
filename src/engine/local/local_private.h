/*
 * engine/local/local_private.h: the local engine's insides, shared by the files of this folder.
 */
#ifndef ENGINE_LOCAL_LOCAL_PRIVATE_H
#define ENGINE_LOCAL_LOCAL_PRIVATE_H

#include "engine/local/local.h"
#include "engine/local/pool.h"
#include "store/snapshot.h"

typedef struct local {
    engine base;
    local_options o;
    store *store;
    pool *pool;
    struct straddle_cache *straddles;
    struct block_flags *flags;
    struct kept_blocks *kept;
    atomic_bool has_patient; /* patience.c's */
} local;

#define FAMILY_BIT(f)   (1u << (f))
#define FAMILIES_EVENTS (FAMILY_BIT(FAMILY_TRACE) | FAMILY_BIT(FAMILY_LOG))

/* The code with which a running question must end, or SK_OK: cancelled, or past its deadline. */
sk_code local__must_end(const run_control *c, err *e);

/* The families that a question about a dataset (at == NULL: all) reads: aggregate.h "families". */
sk_code local__families(local *l, uint32_t environment, span dataset, uint32_t *ret, err *e);

/* ---- one file each ---- */
sk_code local__run(engine *e, uint32_t environment, const plan *p, const run_control *c, arena *mem,
                   result *ret, err *er);
sk_code local__trace(engine *e, uint32_t environment, trace_id id, int64_t start_ns, int64_t end_ns,
                     arena *mem, trace_result *ret, err *er);
sk_code local__rows(engine *e, uint32_t environment, const rows_query *q, const run_control *c,
                    arena *mem, rows_result *ret, err *er);
sk_code local__service_map(engine *e, uint32_t environment, const plan *p, const run_control *c,
                           arena *mem, service_map *ret, err *er);
sk_code local__fields(engine *e, uint32_t environment, const fields_query *q, arena *mem,
                      fields_result *ret, err *er);
sk_code local__differences(engine *e, uint32_t environment, const differences_query *q,
                           const run_control *c, arena *mem, differences_result *ret, err *er);

/* ---- patience.c: the same, asked again while there was no room for it ---- */
sk_code local__patient_run(engine *e, uint32_t environment, const plan *p, const run_control *c,
                           arena *mem, result *ret, err *er);
sk_code local__patient_rows(engine *e, uint32_t environment, const rows_query *q,
                            const run_control *c, arena *mem, rows_result *ret, err *er);
sk_code local__patient_map(engine *e, uint32_t environment, const plan *p, const run_control *c,
                           arena *mem, service_map *ret, err *er);
sk_code local__patient_differences(engine *e, uint32_t environment, const differences_query *q,
                                   const run_control *c, arena *mem, differences_result *ret,
                                   err *er);

#endif
