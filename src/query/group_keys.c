/*
 * query/group_keys.c: see group_keys.h. Per breakdown an array of entries and an open-addressing table of their numbers.
 */
#include "query/group_keys.h"

#include "base/hash.h"
#include "base/must.h"
#include "base/thread.h"

#define ENTRIES_FIRST 64u
#define CHUNK_BYTES   (64 * KIB)

typedef enum entry_kind { ENTRY_TEXT, ENTRY_TRACE_ID, ENTRY_SPAN_ID } entry_kind;

typedef struct entry {
    union {
        span text;
        trace_id id;
    };
    uint32_t hash;
    uint8_t kind, form;
} entry;

typedef struct text_chunk {
    struct text_chunk *next;
    size_t used, capacity;
    uint8_t bytes[];
} text_chunk;

typedef struct key_table {
    lock guard;     /* all below */
    entry *entries; /* [0] is absent */
    uint32_t count, capacity;
    uint32_t *slots; /* entry numbers, 0 = free; at most half full */
    uint32_t slot_count;
    text_chunk *chunks;
} key_table;

struct group_keys {
    agg_budget *budget;
    uint32_t table_count;
    key_table tables[];
};

static size_t keys_bytes(uint32_t count)
{
    return sizeof(group_keys) + count * sizeof(key_table);
}

group_keys *group_keys_new(uint32_t breakdown_count, agg_budget *budget)
{
    group_keys *k = agg_alloc(budget, keys_bytes(breakdown_count));
    if (!k)
        return NULL;
    k->budget = budget;
    k->table_count = breakdown_count;
    for (uint32_t i = 0; i < breakdown_count; i++) {
        lock_init(&k->tables[i].guard, RANK_LEAF);
        k->tables[i].count = 1;
    }
    return k;
}

void group_keys_free(group_keys *take_k)
{
    if (!take_k)
        return;
    agg_budget *budget = take_k->budget;
    for (uint32_t i = 0; i < take_k->table_count; i++) {
        key_table *t = &take_k->tables[i];
        for (text_chunk *c = t->chunks, *next; c; c = next) {
            next = c->next;
            agg_free(budget, c, sizeof *c + c->capacity);
        }
        agg_free(budget, t->entries, t->capacity * sizeof *t->entries);
        agg_free(budget, t->slots, t->slot_count * sizeof *t->slots);
        lock_done(&t->guard);
    }
    agg_free(budget, take_k, keys_bytes(take_k->table_count));
}

void group_keys_begin(group_keys *k, uint32_t breakdown)
{
    lock_take(&k->tables[breakdown].guard);
}

void group_keys_end(group_keys *k, uint32_t breakdown)
{
    lock_drop(&k->tables[breakdown].guard);
}

static bool same(const entry *a, const entry *b)
{
    if (a->hash != b->hash || a->kind != b->kind)
        return false;
    return a->kind == ENTRY_TEXT ? span_equal(a->text, b->text) : trace_id_equal(a->id, b->id);
}

static bool set_slots(agg_budget *budget, key_table *t, uint32_t slot_count)
{
    uint32_t *slots = agg_alloc(budget, slot_count * sizeof *slots);
    if (!slots)
        return false;
    for (uint32_t n = 1; n < t->count; n++) {
        uint32_t i = t->entries[n].hash & (slot_count - 1);
        while (slots[i])
            i = (i + 1) & (slot_count - 1);
        slots[i] = n;
    }
    agg_free(budget, t->slots, t->slot_count * sizeof *t->slots);
    t->slots = slots;
    t->slot_count = slot_count;
    return true;
}

static bool grow(agg_budget *budget, key_table *t)
{
    if (t->count >= t->capacity) {
        uint32_t capacity = t->capacity ? t->capacity * 2 : ENTRIES_FIRST;
        entry *entries = agg_realloc(budget, t->entries, t->capacity * sizeof *entries,
                                     capacity * sizeof *entries);
        if (!entries)
            return false;
        t->entries = entries;
        t->capacity = capacity;
    }
    if (2 * t->count < t->slot_count)
        return true;
    return set_slots(budget, t, t->slot_count ? t->slot_count * 2 : 2 * ENTRIES_FIRST);
}

void group_keys_expect(group_keys *k, uint32_t breakdown, uint32_t count)
{
    key_table *t = &k->tables[breakdown];
    uint32_t slot_count = 2 * ENTRIES_FIRST;
    while (slot_count < 2ul * count && slot_count < 1u << 30)
        slot_count *= 2;
    group_keys_begin(k, breakdown);
    if (slot_count > t->slot_count && slot_count * sizeof(uint32_t) < k->budget->max_bytes / 8)
        (void)!set_slots(k->budget, t, slot_count);
    group_keys_end(k, breakdown);
}

static bool copy_text(agg_budget *budget, key_table *t, span *text)
{
    text_chunk *c = t->chunks;
    if (!c || c->capacity - c->used < text->len) {
        size_t capacity = text->len > CHUNK_BYTES ? text->len : CHUNK_BYTES;
        c = agg_alloc(budget, sizeof *c + capacity);
        if (!c)
            return false;
        c->capacity = capacity;
        c->next = t->chunks;
        t->chunks = c;
    }
    uint8_t *at = c->bytes + c->used;
    if (text->len)
        memcpy(at, text->at, text->len);
    c->used += text->len;
    text->at = at;
    return true;
}

static uint32_t put(group_keys *k, uint32_t breakdown, entry wanted, bool is_lasting)
{
    key_table *t = &k->tables[breakdown];
    if (!grow(k->budget, t))
        return GROUP_KEY_NONE;
    uint32_t i = wanted.hash & (t->slot_count - 1);
    for (; t->slots[i]; i = (i + 1) & (t->slot_count - 1)) {
        entry *e = &t->entries[t->slots[i]];
        if (same(e, &wanted)) {
            e->form = e->form > wanted.form ? e->form : wanted.form;
            return t->slots[i];
        }
    }
    if (!is_lasting && !copy_text(k->budget, t, &wanted.text))
        return GROUP_KEY_NONE;
    t->entries[t->count] = wanted;
    t->slots[i] = t->count;
    return t->count++;
}

uint32_t group_keys_text(group_keys *k, uint32_t breakdown, span text, group_key_form form,
                         bool is_lasting)
{
    entry e = {
        .text = text, .hash = (uint32_t)hash64(text), .kind = ENTRY_TEXT, .form = (uint8_t)form};
    return put(k, breakdown, e, is_lasting);
}

static uint32_t hash_trace(trace_id id)
{
    return (uint32_t)hash_mix(id.hi ^ hash_mix(id.lo));
}

bool group_keys_trace_ids(group_keys *k, uint32_t breakdown, const trace_id *ids, uint32_t count,
                          uint32_t *ret)
{
    const key_table *t = &k->tables[breakdown];
    for (uint32_t i = 0; i < count; i++) {
        ret[i] = hash_trace(ids[i]);
        if (t->slots)
            __builtin_prefetch(&t->slots[ret[i] & (t->slot_count - 1)]);
    }
    for (uint32_t i = 0; i < count; i++) {
        ret[i] =
            put(k, breakdown, (entry){.id = ids[i], .hash = ret[i], .kind = ENTRY_TRACE_ID}, true);
        if (ret[i] == GROUP_KEY_NONE)
            return false;
    }
    return true;
}

bool group_keys_is_trace_id(group_keys *k, uint32_t breakdown, uint32_t key, trace_id *ret)
{
    group_keys_begin(k, breakdown);
    must(key < k->tables[breakdown].count || key == GROUP_KEY_ABSENT);
    bool is_id =
        key != GROUP_KEY_ABSENT && k->tables[breakdown].entries[key].kind == ENTRY_TRACE_ID;
    if (is_id)
        *ret = k->tables[breakdown].entries[key].id;
    group_keys_end(k, breakdown);
    return is_id;
}

uint32_t group_keys_span_id(group_keys *k, uint32_t breakdown, uint64_t id)
{
    entry e = {.id = {0, id}, .hash = (uint32_t)hash_mix(id), .kind = ENTRY_SPAN_ID};
    return put(k, breakdown, e, true);
}

uint32_t group_keys_count(group_keys *k, uint32_t breakdown)
{
    group_keys_begin(k, breakdown);
    uint32_t count = k->tables[breakdown].count;
    group_keys_end(k, breakdown);
    return count;
}

static result_value shown(span text, group_key_form form)
{
    int64_t i;
    double f;
    if (form == GROUP_KEY_BOOL)
        return (result_value){.kind = RESULT_BOOL, .b = span_is(text, "true")};
    if (form == GROUP_KEY_NUMBER && span_to_i64(text, &i))
        return (result_value){.kind = RESULT_INT, .i = i};
    if (form == GROUP_KEY_NUMBER && span_to_double(text, &f))
        return (result_value){.kind = RESULT_NUMBER, .f = f};
    return (result_value){.kind = RESULT_TEXT, .text = text};
}

result_value group_keys_value(group_keys *k, uint32_t breakdown, uint32_t key, arena *mem)
{
    if (key == GROUP_KEY_ABSENT)
        return (result_value){.kind = RESULT_NULL};
    key_table *t = &k->tables[breakdown];
    group_keys_begin(k, breakdown);
    must(key < t->count);
    entry e = t->entries[key];
    group_keys_end(k, breakdown);
    if (e.kind == ENTRY_TEXT)
        return shown(e.text, (group_key_form)e.form);
    char out[33];
    size_t len = e.kind == ENTRY_TRACE_ID ? trace_id_print(e.id, out) : span_id_print(e.id.lo, out);
    span text = {0};
    if (!arena_copy(mem, span_of(out, len), &text))
        return (result_value){.kind = RESULT_NULL};
    return (result_value){.kind = RESULT_TEXT, .text = text};
}
