/*
 * engine/local/patience.c: a question for which --memory-max has no room is asked again when others have let go, one such question at a
 * time, so that a page of many charts is answered rather than refused. What it held, and what is kept of blocks, is given back before it waits.
 * Never: waits where memory was short otherwise, or longer than WAIT_NS in all.
 */
#include <errno.h>
#include <time.h>

#include "base/clock.h"
#include "engine/local/kept_blocks.h"
#include "engine/local/local_private.h"

#define WAIT_NS (5 * NS_PER_S)
#define LOOK_NS (20 * NS_PER_MS)

typedef struct patience {
    bool has_turn;
    uint64_t refusals; /* of the account, before the question was asked */
    int64_t waited_ns;
} patience;

static uint64_t refusals_of(const local *l)
{
    return l->o.store.memory ? memory_refusals(l->o.store.memory, MEMORY_QUERY) : 0;
}

static void sleep_a_little(void)
{
    struct timespec left = {.tv_nsec = LOOK_NS};
    while (nanosleep(&left, &left) != 0 && errno == EINTR)
        continue;
}

static patience begin(local *l)
{
    kept_blocks_begin(l->kept);
    return (patience){.refusals = refusals_of(l)};
}

/* After an answer: whether to ask again. */
static bool asks_again(local *l, patience *p, const run_control *c, sk_code code)
{
    err ignored;
    if (p->has_turn)
        atomic_store(&l->has_patient, false);
    p->has_turn = false;
    if (code != SK_NO_MEMORY || refusals_of(l) == p->refusals)
        return false;
    kept_blocks_drop(l->kept);
    while (p->waited_ns < WAIT_NS && local__must_end(c, &ignored) == SK_OK) {
        sleep_a_little();
        p->waited_ns += LOOK_NS;
        if (memory_is_tight(l->o.store.memory))
            continue;
        if (atomic_exchange(&l->has_patient, true))
            continue;
        p->has_turn = true;
        p->refusals = refusals_of(l);
        return true;
    }
    return false;
}

sk_code local__patient_run(engine *e, uint32_t environment, const plan *p, const run_control *c,
                           arena *mem, result *ret, err *er)
{
    sk_code code;
    patience own = begin((local *)e);
    do
        code = local__run(e, environment, p, c, mem, ret, er);
    while (asks_again((local *)e, &own, c, code));
    return code;
}

sk_code local__patient_rows(engine *e, uint32_t environment, const rows_query *q,
                            const run_control *c, arena *mem, rows_result *ret, err *er)
{
    sk_code code;
    patience own = begin((local *)e);
    do
        code = local__rows(e, environment, q, c, mem, ret, er);
    while (asks_again((local *)e, &own, c, code));
    return code;
}

sk_code local__patient_map(engine *e, uint32_t environment, const plan *p, const run_control *c,
                           arena *mem, service_map *ret, err *er)
{
    sk_code code;
    patience own = begin((local *)e);
    do
        code = local__service_map(e, environment, p, c, mem, ret, er);
    while (asks_again((local *)e, &own, c, code));
    return code;
}

sk_code local__patient_differences(engine *e, uint32_t environment, const differences_query *q,
                                   const run_control *c, arena *mem, differences_result *ret,
                                   err *er)
{
    sk_code code;
    patience own = begin((local *)e);
    do
        code = local__differences(e, environment, q, c, mem, ret, er);
    while (asks_again((local *)e, &own, c, code));
    return code;
}
