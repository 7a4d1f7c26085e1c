/* engine/local/local.h: the engine on our own store. Query workers are its own threads (nice 10). */
#ifndef ENGINE_LOCAL_LOCAL_H
#define ENGINE_LOCAL_LOCAL_H

#include "engine/engine.h"
#include "store/store.h"

typedef struct local_options {
    store_options store; /* its cacher is the engine's */
    bool keeps_nothing;  /* segments as they were before anything was kept in them (tests) */
    uint32_t workers;    /* 0 = one per core */
    uint64_t
        query_memory_max; /* bytes of group tables of one query: 256 MiB; beyond it SK_TOO_LARGE naming it */
} local_options;

sk_code engine_open_local(const local_options *o, engine **ret, err *e) must_use;
store *engine_local_store(engine *e); /* for the owner that wires journal and store */

#endif
