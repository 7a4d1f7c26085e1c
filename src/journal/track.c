/*
 * journal/track.c: which records are not in durable segments yet, by table, ordered by sequence
 * number; 24 bytes each. The store releases ranges of a table from its front, so removal is nearly
 * always of a prefix. Not thread-safe: the journal's lock guards it.
 */
#include "base/alloc.h"
#include "journal/journal_private.h"

void track_done(track *t)
{
    for (uint32_t i = 0; i < t->count; i++)
        base_free(t->tables[i].entries);
    base_free(t->tables);
    *t = (track){0};
}

static track_table *find_table(track *t, uint32_t environment, family f)
{
    for (uint32_t i = 0; i < t->count; i++) {
        uint32_t at = (t->last + i) % t->count;
        if (t->tables[at].environment == environment && t->tables[at].family == f) {
            t->last = at;
            return &t->tables[at];
        }
    }
    return NULL;
}

/* The first entry whose number is not below `seq`. */
static uint32_t lower_bound(const track_table *table, uint64_t seq)
{
    uint32_t low = 0, high = table->count;
    if (high > 0 && table->entries[high - 1].seq < seq)
        return high;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (table->entries[middle].seq < seq)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

track_entry *track_find(track *t, uint32_t environment, family f, uint64_t seq)
{
    track_table *table = find_table(t, environment, f);
    if (!table)
        return NULL;
    uint32_t at = lower_bound(table, seq);
    return at < table->count && table->entries[at].seq == seq ? &table->entries[at] : NULL;
}

track_entry *track_put(track *t, uint32_t environment, family f, uint64_t seq)
{
    track_table *table = find_table(t, environment, f);
    if (!table) {
        if (!base_reserve(&t->tables, &t->capacity, t->count + 1, sizeof *t->tables))
            return NULL;
        table = &t->tables[t->count];
        *table = (track_table){.environment = environment, .family = f};
        t->last = t->count++;
    }
    uint32_t at = lower_bound(table, seq);
    if (at < table->count && table->entries[at].seq == seq)
        return &table->entries[at];
    if (!base_reserve(&table->entries, &table->capacity, table->count + 1, sizeof(track_entry)))
        return NULL;
    memmove(table->entries + at + 1, table->entries + at,
            (table->count - at) * sizeof(track_entry));
    table->count++;
    table->entries[at] = (track_entry){.seq = seq};
    return &table->entries[at];
}

void track_remove(track *t, uint32_t environment, family f, uint64_t first, uint64_t last,
                  void (*gone)(void *ctx, const track_entry *e), void *ctx)
{
    track_table *table = find_table(t, environment, f);
    if (!table)
        return;
    uint32_t from = lower_bound(table, first), to = from;
    while (to < table->count && table->entries[to].seq <= last)
        gone(ctx, &table->entries[to++]);
    if (to == from)
        return;
    memmove(table->entries + from, table->entries + to, (table->count - to) * sizeof(track_entry));
    table->count -= to - from;
    if (table->count == 0) { /* an idle table keeps no memory */
        base_free(table->entries);
        table->entries = NULL;
        table->capacity = 0;
    }
}

uint64_t track_count(const track *t)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < t->count; i++)
        sum += t->tables[i].count;
    return sum;
}
