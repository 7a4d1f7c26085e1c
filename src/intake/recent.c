/*
 * intake/recent.c: the requests of the last hour by the hash of their bytes, as far as a fixed ring holds them: how a
 * sender's retry is told. Memory is taken as it fills (the ring's pages are untouched before). Guarded by the owner's lock.
 */
#include "base/alloc.h"
#include "intake/intake_private.h"

bool recent_init(recent *r, uint32_t capacity)
{
    uint32_t buckets = 1;
    while (buckets < capacity)
        buckets *= 2;
    *r = (recent){.capacity = capacity, .bucket_mask = buckets - 1, .seed = random_u64()};
    r->entries = base_alloc_zero(capacity, sizeof *r->entries);
    r->buckets = base_alloc_zero(buckets, sizeof *r->buckets);
    return r->entries && r->buckets;
}

void recent_done(recent *r)
{
    base_free(r->entries);
    base_free(r->buckets);
    *r = (recent){0};
}

static uint32_t *bucket_of(recent *r, uint32_t environment_id, hash128 hash)
{
    return &r->buckets[hash_mix(hash.lo ^ environment_id ^ r->seed) & r->bucket_mask];
}

recent_entry *recent_find(recent *r, uint32_t environment_id, hash128 hash, int64_t now_ns)
{
    for (uint32_t at = *bucket_of(r, environment_id, hash); at; at = r->entries[at - 1].next) {
        recent_entry *entry = &r->entries[at - 1];
        if (entry->environment == environment_id && entry->hash.lo == hash.lo &&
            entry->hash.hi == hash.hi && now_ns - entry->arrival_ns <= RECENT_NS)
            return entry;
    }
    return NULL;
}

void recent_remove(recent *r, recent_entry *entry)
{
    uint32_t index = (uint32_t)(entry - r->entries);
    uint32_t *at = bucket_of(r, entry->environment, entry->hash);
    while (*at && *at != index + 1)
        at = &r->entries[*at - 1].next;
    if (*at)
        *at = entry->next;
    *entry = (recent_entry){0};
}

recent_entry *recent_add(recent *r, uint32_t environment_id, hash128 hash, int64_t arrival_ns)
{
    recent_entry *entry = &r->entries[r->head];
    if (entry->environment)
        recent_remove(r, entry);
    uint32_t *bucket = bucket_of(r, environment_id, hash);
    *entry = (recent_entry){
        .hash = hash, .arrival_ns = arrival_ns, .environment = environment_id, .next = *bucket};
    *bucket = r->head + 1;
    r->head = (r->head + 1) % r->capacity;
    return entry;
}
