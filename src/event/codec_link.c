/*
 * event/codec_link.c: what a decoded batch's columns have to do with each other. Called by codec.c
 * at the end of decoding.
 */
#include "base/hash.h"
#include "event/codec_private.h"

/* Slot of the first column of the name, or the empty one (0) where it belongs; slots hold 1 +
 * column. */
static uint32_t *find_slot(const batch *b, uint32_t *slots, uint32_t mask, span name)
{
    for (uint32_t i = (uint32_t)hash64(name) & mask;; i = (i + 1) & mask)
        if (!slots[i] || span_equal(b->columns[slots[i] - 1].name, name))
            return &slots[i];
}

/* Appends column `index` to the chain; false when its type is there already. */
static bool link_column(batch *b, uint32_t first, uint32_t index)
{
    uint32_t last = first;
    for (uint32_t i = first; i != COLUMN_NONE; i = b->columns[i].next_same_name) {
        if (b->columns[i].type == b->columns[index].type)
            return false;
        last = i;
    }
    b->columns[last].next_same_name = index;
    return true;
}

/* True when two types of one name have a value on the same row. `owner` is scratch, a byte per row.
 */
static bool types_clash(const batch *b, uint32_t first, uint8_t *owner)
{
    uint8_t mark = 0, clash = 0;
    memset(owner, 0, b->row_count);
    for (uint32_t i = first; i != COLUMN_NONE; i = b->columns[i].next_same_name) {
        const column *c = &b->columns[i];
        mark++;
        for (uint32_t p = 0; p < c->count; p++) {
            uint8_t *at = &owner[c->rows ? c->rows[p] : p];
            clash |= *at != 0;
            *at = mark;
        }
        for (uint32_t r = 0; r < c->range_count; r++) {
            for (uint32_t row = c->ranges[r].first_row; row < c->ranges[r].end_row; row++) {
                clash |= owner[row] != 0 && owner[row] != mark;
                owner[row] = mark;
            }
        }
    }
    return clash;
}

static bool link_all(batch *b, uint32_t *slots, uint32_t mask, uint8_t *owner,
                     const char **ret_damage)
{
    for (uint32_t i = 0; i < b->column_count; i++) {
        uint32_t *slot = find_slot(b, slots, mask, b->columns[i].name);
        if (*slot == 0) {
            *slot = i + 1;
        } else if (!link_column(b, *slot - 1, i)) {
            *ret_damage = "a column is there twice";
            return false;
        }
    }
    for (uint32_t i = 0; i <= mask; i++) {
        if (slots[i] && b->columns[slots[i] - 1].next_same_name != COLUMN_NONE &&
            types_clash(b, slots[i] - 1, owner)) {
            *ret_damage = "a field has two values on one row";
            return false;
        }
    }
    return true;
}

bool codec__link_columns(batch *b, const char **ret_damage)
{
    uint32_t slot_count = 16;
    while (slot_count / 2 < b->column_count)
        slot_count *= 2;
    arena_mark before = arena_here(b->mem);
    uint32_t *slots = ARENA_ARRAY(b->mem, uint32_t, slot_count);
    uint8_t *owner = slots ? arena_alloc(b->mem, b->row_count + 1ul, 1) : NULL;
    bool ok = owner && link_all(b, slots, slot_count - 1, owner, ret_damage);
    arena_rewind(b->mem, before);
    return ok;
}
