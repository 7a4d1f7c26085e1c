/*
 * engine/local/block_flags.c: see block_flags.h. Forgets everything when it is over its bound and nobody is within.
 */
#include "engine/local/block_flags.h"

#include "base/alloc.h"
#include "base/hash.h"
#include "base/thread.h"

#define FLAG_BYTES (1 * MIB)

typedef struct flag_entry {
    struct flag_entry *next;
    uint64_t part_id;
    uint32_t block_count;
    _Atomic(uint8_t) flags[];
} flag_entry;

struct block_flags {
    lock guard;
    uint32_t users;
    size_t bytes;
    flag_entry *chains[256];
};

block_flags *block_flags_new(void)
{
    block_flags *f = base_alloc_zero(1, sizeof *f);
    if (f)
        lock_init(&f->guard, RANK_LEAF);
    return f;
}

static void forget_all(block_flags *f)
{
    for (size_t i = 0; i < COUNT_OF(f->chains); i++) {
        for (flag_entry *x = f->chains[i], *next; x; x = next) {
            next = x->next;
            base_free(x);
        }
        f->chains[i] = NULL;
    }
    f->bytes = 0;
}

void block_flags_free(block_flags *take_f)
{
    if (!take_f)
        return;
    forget_all(take_f);
    lock_done(&take_f->guard);
    base_free(take_f);
}

void block_flags_enter(block_flags *f)
{
    lock_take(&f->guard);
    f->users++;
    lock_drop(&f->guard);
}

void block_flags_leave(block_flags *f)
{
    lock_take(&f->guard);
    if (--f->users == 0 && f->bytes > FLAG_BYTES)
        forget_all(f);
    lock_drop(&f->guard);
}

_Atomic(uint8_t) *block_flags_get(block_flags *f, uint64_t part_id, uint32_t block_count)
{
    size_t bytes = sizeof(flag_entry) + block_count;
    lock_take(&f->guard);
    flag_entry **chain = &f->chains[hash_mix(part_id) % COUNT_OF(f->chains)], *x = *chain;
    while (x && (x->part_id != part_id || x->block_count != block_count))
        x = x->next;
    if (!x && f->bytes <= FLAG_BYTES && (x = base_alloc_zero(1, bytes))) {
        x->part_id = part_id;
        x->block_count = block_count;
        x->next = *chain;
        *chain = x;
        f->bytes += bytes;
    }
    lock_drop(&f->guard);
    return x ? x->flags : NULL;
}
