/*
 * base/intern.c: an open-addressing table from bytes to codes, and a list of chunks from codes to
 * bytes. Called by batches and open tables: one writer; readers of published codes on any thread.
 * Never: moves a string or a published entry. A slot carries 32 bits of its string's hash, so
 * growing the table and passing over strangers touch no string.
 */
#include "base/intern.h"

#include <stdatomic.h>

#include "base/alloc.h"
#include "base/hash.h"
#include "base/must.h"

#define ENTRIES_FIRST 16u /* entries of chunk 0; chunk k holds 16 << k */
#define CHUNK_COUNT   29  /* 16 * (2^29 - 1) > 2^32 */
#define SLOTS_FIRST   32u
#define TEXT_FIRST    ((size_t)256)
#define TEXT_LAST     ((size_t)128 * KIB)

typedef struct slot {
    uint32_t hash; /* upper half of the 64-bit hash; its low bits choose the slot */
    uint32_t code; /* INTERN_NONE: free */
} slot;

typedef struct text_chunk {
    struct text_chunk *older;
    size_t size, used;
    uint8_t at[];
} text_chunk;

struct intern {
    span *entries[CHUNK_COUNT]; /* a pointer is written once, before the first code of its chunk is
                                   published */
    slot *slots;
    uint32_t mask;          /* slots - 1; 0: no table yet */
    _Atomic uint32_t count; /* released after the entry is whole */
    text_chunk *texts;
    size_t cap;
    _Atomic size_t bytes; /* held: strings, entries and slots; relaxed, a figure only */
    uint64_t seed;
};

intern *intern_new(size_t cap_bytes)
{
    intern *t = base_alloc_zero(1, sizeof *t);
    if (!t)
        return NULL;
    t->cap = cap_bytes;
    t->seed = random_u64();
    return t;
}

void intern_free(intern *take_t)
{
    if (!take_t)
        return;
    for (text_chunk *c = take_t->texts, *older; c; c = older) {
        older = c->older;
        base_free(c);
    }
    for (size_t i = 0; i < CHUNK_COUNT; i++)
        base_free(take_t->entries[i]);
    base_free(take_t->slots);
    base_free(take_t);
}

static size_t held(const intern *t)
{
    return atomic_load_explicit(&t->bytes, memory_order_relaxed);
}

static bool take_bytes(intern *t, size_t bytes)
{
    size_t have = held(t);
    if (bytes > t->cap - have)
        return false;
    atomic_store_explicit(&t->bytes, have + bytes, memory_order_relaxed);
    return true;
}

static void give_bytes(intern *t, size_t bytes)
{
    atomic_store_explicit(&t->bytes, held(t) - bytes, memory_order_relaxed);
}

/* Memory that counts against the cap. */
static void *take_memory(intern *t, size_t bytes)
{
    if (!take_bytes(t, bytes))
        return NULL;
    void *p = base_alloc(bytes);
    if (!p)
        give_bytes(t, bytes);
    return p;
}

static unsigned chunk_of(uint32_t code, uint32_t *ret_offset)
{
    uint64_t place = (uint64_t)code + ENTRIES_FIRST;
    unsigned k = (unsigned)(63 - __builtin_clzll(place)) - 4;
    *ret_offset = (uint32_t)(place - ((uint64_t)ENTRIES_FIRST << k));
    return k;
}

span intern_text(const intern *t, uint32_t code)
{
    uint32_t offset;
    unsigned k = chunk_of(code, &offset);
    must_slow(code < intern_count(t));
    return t->entries[k][offset];
}

/* The slot that holds `s`, or the free one where it belongs. Needs a table. */
static slot *find_slot(const intern *t, span s, uint32_t hash)
{
    for (uint32_t i = hash & t->mask;; i = (i + 1) & t->mask) {
        slot *at = &t->slots[i];
        if (at->code == INTERN_NONE)
            return at;
        if (at->hash == hash && span_equal(intern_text(t, at->code), s))
            return at;
    }
}

/* Doubles the table; when that fails it is as it was. Kept at most 3/4 full. */
static bool grow_slots(intern *t)
{
    uint64_t wanted = t->mask ? ((uint64_t)t->mask + 1) * 2 : SLOTS_FIRST;
    if (wanted > (uint64_t)1 << 32)
        return false;
    slot *slots = take_memory(t, (size_t)wanted * sizeof *slots);
    if (!slots)
        return false;
    memset(slots, 0xff, (size_t)wanted * sizeof *slots);
    uint32_t mask = (uint32_t)(wanted - 1);
    for (uint64_t i = 0; t->mask && i <= t->mask; i++) {
        slot moved = t->slots[i];
        if (moved.code == INTERN_NONE)
            continue;
        uint32_t to = moved.hash & mask;
        while (slots[to].code != INTERN_NONE)
            to = (to + 1) & mask;
        slots[to] = moved;
    }
    if (t->mask)
        give_bytes(t, ((size_t)t->mask + 1) * sizeof *slots);
    base_free(t->slots);
    t->slots = slots;
    t->mask = mask;
    return true;
}

static uint8_t *copy_text(intern *t, span s)
{
    text_chunk *c = t->texts;
    if (!c || s.len > c->size - c->used) {
        size_t size = c && c->size * 2 > TEXT_FIRST ? c->size * 2 : TEXT_FIRST;
        if (size > TEXT_LAST)
            size = TEXT_LAST;
        bool is_alone =
            s.len > size / 4; /* long strings get their own, so that no chunk's rest is lost */
        if (is_alone)
            size = s.len;
        if (s.len > SIZE_MAX / 2)
            return NULL;
        text_chunk *fresh = take_memory(t, sizeof *fresh + size);
        if (!fresh)
            return NULL;
        fresh->size = size;
        fresh->used = 0;
        if (is_alone && c) {
            fresh->older = c->older;
            c->older = fresh;
        } else {
            fresh->older = c;
            t->texts = fresh;
        }
        c = fresh;
    }
    uint8_t *at = c->at + c->used;
    if (s.len)
        memcpy(at, s.at, s.len);
    c->used += s.len;
    return at;
}

static bool add_entry(intern *t, span s, uint32_t code)
{
    uint32_t offset;
    unsigned k = chunk_of(code, &offset);
    if (!t->entries[k]) {
        t->entries[k] = take_memory(t, ((size_t)ENTRIES_FIRST << k) * sizeof(span));
        if (!t->entries[k])
            return false;
    }
    const uint8_t *at = copy_text(t, s);
    if (!at)
        return false;
    t->entries[k][offset] = (span){at, s.len};
    return true;
}

uint32_t intern_put_hashed(intern *t, span s, uint64_t hash)
{
    uint32_t short_hash = (uint32_t)(hash >> 32);
    uint32_t code = atomic_load_explicit(&t->count, memory_order_relaxed);
    slot *at = NULL;
    if (likely(t->mask)) {
        at = find_slot(t, s, short_hash);
        if (at->code != INTERN_NONE)
            return at->code;
    }
    if ((uint64_t)code + 1 > ((uint64_t)t->mask + (t->mask != 0)) / 4 * 3) {
        if (code >= INTERN_NONE - 1 || !grow_slots(t))
            return INTERN_NONE;
        at = find_slot(t, s, short_hash);
    }
    if (!add_entry(t, s, code))
        return INTERN_NONE;
    *at = (slot){short_hash, code};
    atomic_store_explicit(&t->count, code + 1, memory_order_release);
    return code;
}

uint32_t intern_put(intern *t, span s)
{
    return intern_put_hashed(t, s, hash64_seeded(s, t->seed));
}

void intern_prefetch(const intern *t, uint64_t hash)
{
    if (likely(t->mask))
        __builtin_prefetch(&t->slots[(uint32_t)(hash >> 32) & t->mask]);
}

uint64_t intern_seed(const intern *t)
{
    return t->seed;
}

uint32_t intern_find(const intern *t, span s)
{
    if (!t->mask)
        return INTERN_NONE;
    return find_slot(t, s, (uint32_t)(hash64_seeded(s, t->seed) >> 32))->code;
}

uint32_t intern_count(const intern *t)
{
    return atomic_load_explicit(&t->count, memory_order_acquire);
}

size_t intern_bytes(const intern *t)
{
    return held(t);
}
