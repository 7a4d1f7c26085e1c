/*
 * intake/oddities.c: what is odd about what was accepted, counted as it comes: spans that come twice, clocks that are off, fields
 * that are both text and number. Called by books.c under the senders' lock. Bounded: tables of one size, in which the
 * newest takes the place of what was there. Never: refuses, or looks at more of a batch than its columns and a few rows.
 */
#include "intake/intake_private.h"

#define SPANS_LOOKED_AT 8u /* of one dataset in one request */

static uint64_t id_of(const batch *b, uint32_t row, uint32_t environment_id)
{
    uint64_t id = hash64_seeded(batch_text(b, b->dataset[row]), environment_id);
    id = hash_mix(id ^ b->trace_id[row].hi);
    id = hash_mix(id ^ b->trace_id[row].lo);
    id = hash_mix(id ^ b->span_id[row]);
    return id ? id : 1;
}

static void look_at_spans(oddity_book *book, sender *s, uint32_t environment_id, const batch *b,
                          uint32_t first, uint32_t end)
{
    for (uint32_t row = first, seen = 0; row < end && seen < SPANS_LOOKED_AT; row++) {
        if (b->span_id[row] == 0) /* an annotation */
            continue;
        uint64_t id = id_of(b, row, environment_id);
        uint64_t *place = &book->spans[id % SPAN_IDS_KEPT];
        s->spans_seen++;
        s->spans_twice += *place == id;
        *place = id;
        seen++;
    }
}

void oddities_of_rows(oddity_book *book, sender *s, uint32_t environment_id, const batch *b,
                      uint32_t first, uint32_t end, int64_t now_ns)
{
    int64_t newest_ns = b->time_ns[first];
    for (uint32_t row = first; row < end; row++)
        newest_ns = b->time_ns[row] > newest_ns ? b->time_ns[row] : newest_ns;
    s->ahead_ns = newest_ns - now_ns;
    if (b->family == FAMILY_TRACE)
        look_at_spans(book, s, environment_id, b, first, end);
}

static void note_conflict(oddity_book *book, uint32_t environment_id, span name)
{
    for (uint32_t i = 0; i < book->conflict_count; i++)
        if (book->conflicts[i].environment == environment_id &&
            span_is(name, book->conflicts[i].field))
            return;
    if (book->conflict_count == CONFLICTS_KEPT)
        return;
    type_conflict *to = &book->conflicts[book->conflict_count++];
    to->environment = environment_id;
    books__copy_text(to->field, sizeof to->field, name);
}

void oddities_of_fields(oddity_book *book, uint32_t environment_id, const batch *b)
{
    const uint8_t text = 1u << FIELD_STRING,
                  number = (uint8_t)(1u << FIELD_INT | 1u << FIELD_FLOAT);
    for (uint32_t i = 0; i < b->column_count; i++) {
        const column *c = &b->columns[i];
        uint8_t type = (uint8_t)(1u << c->type);
        uint64_t id = hash64_seeded(c->name, environment_id);
        field_types *f = &book->fields[id % FIELDS_KEPT];
        if (f->id != id || !f->environment) {
            *f = (field_types){.id = id, .environment = environment_id};
            if (c->name.len < sizeof f->field.name)
                books__copy_text(f->field.name, sizeof f->field.name, c->name);
        }
        f->field.requests++;
        if (f->types & type)
            continue;
        f->types |= type;
        if ((type & (text | number)) && (f->types & text) && (f->types & number))
            note_conflict(book, environment_id, c->name);
    }
}
