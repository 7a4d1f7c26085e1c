/*
 * store/encode/templates_read.c: see templates.h: pages of texts with templates taken apart and spelled. Called by texts.c and
 * dictionary loading. Never: trusts a byte; changes anything shared.
 */
#include "base/alloc.h"
#include "store/encode/marks.h"
#include "store/encode/templates.h"

#define PAGE_BYTES_LIMIT (2 * MIB) /* of a page's values, and of its whole texts */
#define TEXTS_BYTES_MAX  (4 * MIB) /* spelled */

/* ---- the templates ---- */

sk_code template_list_decode(span page, template_list **ret)
{
    reader r = reader_of(page);
    uint64_t count = reader_varint(&r);
    span bytes = reader_bytes(&r, reader_left(&r));
    if (r.failed || count == 0 || count > TEMPLATES_MAX || bytes.len > TEMPLATES_BYTES_MAX ||
        bytes.len < count || bytes.at[bytes.len - 1] != MARK_END)
        return SK_CORRUPT;
    size_t held = sizeof(template_list) + (count + 1) * sizeof(uint32_t) + count + bytes.len;
    template_list *t = base_alloc(held);
    if (!t)
        return SK_NO_MEMORY;
    t->count = (uint32_t)count;
    t->held = held;
    t->starts = (uint32_t *)(t + 1);
    t->slots = (uint8_t *)(t->starts + count + 1);
    t->bytes = t->slots + count;
    memcpy(t->bytes, bytes.at, bytes.len);
    uint32_t number = 0, slots = 0;
    t->starts[0] = 0;
    for (size_t i = 0; i < bytes.len && number < count; i++) {
        slots += bytes.at[i] == MARK_SLOT;
        if (bytes.at[i] != MARK_END)
            continue;
        if (slots > MARK_TOKENS_MAX)
            break;
        t->slots[number++] = (uint8_t)slots;
        t->starts[number] = (uint32_t)i + 1;
        slots = 0;
    }
    if (number != count || t->starts[count] != bytes.len) {
        base_free(t);
        return SK_CORRUPT;
    }
    *ret = t;
    return SK_OK;
}

/* ---- a page taken apart ---- */

typedef struct squeezed {
    span stored;
    uint32_t len;
    uint8_t method;
} squeezed;

static squeezed read_squeezed(reader *r)
{
    squeezed s = {0};
    uint64_t len = reader_varint(r), stored = reader_varint(r);
    s.method = reader_u8(r);
    s.stored = reader_bytes(r, stored <= reader_left(r) ? stored : SIZE_MAX);
    if (len > PAGE_BYTES_LIMIT)
        r->failed = true;
    s.len = (uint32_t)len;
    return s;
}

static bool has_ends(const uint8_t *at, uint32_t len, uint64_t count)
{
    uint64_t ends = 0;
    for (uint32_t i = 0; i < len; i++)
        ends += at[i] == MARK_END;
    return ends == count && (len == 0 || at[len - 1] == MARK_END);
}

/* Tokens that are not empty: searches count on it. */
static bool are_values(const uint8_t *at, uint32_t len, uint64_t count)
{
    for (uint32_t i = 0; i < len; i++)
        if (at[i] == MARK_END ? i == 0 || at[i - 1] == MARK_END : !marks_is_of_token(at[i]))
            return false;
    return has_ends(at, len, count);
}

static template_page *new_page(uint32_t count, uint32_t used, uint32_t values, uint32_t whole)
{
    size_t held = sizeof(template_page) + count * 6ul + used * 4ul + values + whole;
    template_page *p = base_alloc(held);
    if (!p)
        return NULL;
    *p = (template_page){
        .count = count, .used_count = used, .values_len = values, .whole_len = whole, .held = held};
    p->rows = (uint32_t *)(p + 1);
    p->used = p->rows + count;
    p->codes = (uint16_t *)(p->used + used);
    p->values = (uint8_t *)(p->codes + count);
    p->whole = p->values + values;
    return p;
}

/* Which texts have which template: d->values. Counts what must be in the slots. */
static bool take_codes(template_page *p, const decoder *d, const template_list *list)
{
    for (uint32_t i = 0; i < p->count; i++) {
        uint64_t code = d->values[i];
        if (code > p->used_count)
            return false;
        p->codes[i] = (uint16_t)code;
        p->whole_count += code == 0;
        p->value_count += code ? list->slots[p->used[code - 1]] : 0;
    }
    return true;
}

static bool take_used(template_page *p, const decoder *d, const template_list *list)
{
    for (uint32_t i = 0; i < p->used_count; i++) {
        if (!list || d->backs[i] >= list->count || (i && d->backs[i] <= d->backs[i - 1]))
            return false;
        p->used[i] = (uint32_t)d->backs[i];
    }
    return true;
}

sk_code template_page_decode(decoder *d, reader *r, uint32_t count, const template_list *list,
                             template_page **ret)
{
    uint64_t rows[INTS_MAX + DECODE_SLACK];
    int64_t zone = reader_zigzag(r);
    if (count == 0 || count > TEXTS_PAGE_COUNT || !ints_decode_u64(&d->ints, r, count, rows))
        return SK_CORRUPT;
    uint64_t used = reader_varint(r);
    if (r->failed || used > count || zone < -MARK_ZONE_MAX || zone > MARK_ZONE_MAX ||
        (used && !ints_decode_u64(&d->ints, r, (uint32_t)used, d->backs)) ||
        !ints_decode_u64(&d->ints, r, count, d->values))
        return SK_CORRUPT;
    squeezed values = read_squeezed(r), whole = read_squeezed(r);
    if (r->failed || reader_left(r))
        return SK_CORRUPT;
    template_page *p = new_page(count, (uint32_t)used, values.len, whole.len);
    if (!p)
        return SK_NO_MEMORY;
    p->zone = (int)zone;
    bool is_good = take_used(p, d, list) && take_codes(p, d, list);
    for (uint32_t i = 0; is_good && i < count; i++) {
        is_good = rows[i] <= UINT32_MAX;
        p->rows[i] = (uint32_t)rows[i];
    }
    is_good = is_good &&
              unsqueeze(d->unsqueezer, values.method, values.stored, p->values, values.len) &&
              unsqueeze(d->unsqueezer, whole.method, whole.stored, p->whole, whole.len) &&
              are_values(p->values, p->values_len, p->value_count) &&
              has_ends(p->whole, p->whole_len, p->whole_count);
    if (!is_good) {
        base_free(p);
        return SK_CORRUPT;
    }
    *ret = p;
    return SK_OK;
}

/* ---- spelling ---- */

typedef struct speller {
    const template_page *page;
    const template_list *list;
    uint32_t *starts;     /* of each value, and behind the last */
    uint32_t *first;      /* by used template: its first value */
    uint32_t *texts;      /* by used template: how many texts have it */
    uint32_t *ordinal;    /* by text: which of its template's it is */
    const uint8_t *whole; /* of the next text without a template */
} speller;

static void find_starts(const uint8_t *bytes, uint32_t count, uint32_t *starts)
{
    const uint8_t *at = bytes;
    for (uint32_t i = 0; i < count; i++) {
        starts[i] = (uint32_t)(at - bytes);
        at = (const uint8_t *)rawmemchr(at, MARK_END) + 1;
    }
    starts[count] = (uint32_t)(at - bytes);
}

static sk_code speller_init(speller *s, const template_page *p, const template_list *list)
{
    size_t numbers = p->value_count + 1ul + p->used_count * 2ul + p->count;
    *s = (speller){.page = p, .list = list};
    s->starts = base_alloc_zero(numbers, sizeof s->starts[0]);
    if (!s->starts)
        return SK_NO_MEMORY;
    s->first = s->starts + p->value_count + 1;
    s->texts = s->first + p->used_count;
    s->ordinal = s->texts + p->used_count;
    find_starts(p->values, p->value_count, s->starts);
    for (uint32_t i = 0; i < p->count; i++)
        if (p->codes[i])
            s->ordinal[i] = s->texts[p->codes[i] - 1]++;
    for (uint32_t u = 0, at = 0; u < p->used_count; u++) {
        s->first[u] = at;
        at += s->texts[u] * list->slots[p->used[u]];
    }
    return SK_OK;
}

static bool add_piece(span piece, const row_marks *m, uint8_t *out, uint32_t *len)
{
    uint32_t n = marks_spell(piece, m, out ? out + *len : NULL);
    if (n == UINT32_MAX || *len + n > EVENT_STRING_MAX)
        return false;
    *len += n;
    return true;
}

/* A text of a template into `out`, or with NULL only measured; UINT32_MAX: it is none. */
static uint32_t spell_one(const speller *s, uint32_t text, const row_marks *m, uint8_t *out)
{
    uint32_t u = s->page->codes[text] - 1u, number = s->page->used[u], len = 0;
    const uint8_t *is = s->list->bytes + s->list->starts[number];
    const uint8_t *end = s->list->bytes + s->list->starts[number + 1] - 1;
    uint32_t value = s->first[u] + s->ordinal[text];
    for (uint32_t slot = 0; slot < s->list->slots[number]; slot++, value += s->texts[u]) {
        const uint8_t *at = memchr(is, MARK_SLOT, (size_t)(end - is));
        span in_slot = span_of(s->page->values + s->starts[value],
                               s->starts[value + 1] - s->starts[value] - 1);
        if (!add_piece(span_of(is, (size_t)(at - is)), m, out, &len) ||
            !add_piece(in_slot, m, out, &len))
            return UINT32_MAX;
        is = at + 1;
    }
    return add_piece(span_of(is, (size_t)(end - is)), m, out, &len) ? len : UINT32_MAX;
}

static uint32_t spell_next(speller *s, uint32_t text, const row_marks *m, uint8_t *out)
{
    if (s->page->codes[text])
        return spell_one(s, text, m, out);
    const uint8_t *end = rawmemchr(s->whole, MARK_END);
    span whole = span_of(s->whole, (size_t)(end - s->whole));
    s->whole = end + 1;
    return marks_spell(whole, m, out);
}

static void marks_of(const speller *s, const decoder *d, const uint64_t *span_ids,
                     const int64_t *times, uint32_t text, row_marks *m)
{
    row_marks_of(d->ids[text], span_ids[text], times[text], s->page->zone, m);
}

static sk_code spell_all(speller *s, const decoder *d, const uint64_t *span_ids,
                         const int64_t *times, text_list **ret)
{
    uint32_t count = s->page->count, offsets[TEXTS_PAGE_COUNT + 1] = {0};
    row_marks m = {.is_printed = false};
    s->whole = s->page->whole;
    for (uint32_t i = 0; i < count; i++) {
        marks_of(s, d, span_ids, times, i, &m);
        uint32_t len = spell_next(s, i, &m, NULL);
        if (len == UINT32_MAX || offsets[i] + len > TEXTS_BYTES_MAX)
            return SK_CORRUPT;
        offsets[i + 1] = offsets[i] + len;
    }
    text_list *t = texts_new(count, offsets[count]);
    if (!t)
        return SK_NO_MEMORY;
    memcpy(t->offsets, offsets, (count + 1ul) * sizeof offsets[0]);
    s->whole = s->page->whole;
    for (uint32_t i = 0; i < count; i++) {
        marks_of(s, d, span_ids, times, i, &m);
        (void)spell_next(s, i, &m, t->bytes + offsets[i]);
    }
    *ret = t;
    return SK_OK;
}

sk_code template_page_spell(const template_page *p, decoder *d, const template_list *list,
                            const text_id_source *ids, text_list **ret)
{
    uint64_t *span_ids = base_alloc(p->count * sizeof span_ids[0] * 2);
    if (!span_ids)
        return SK_NO_MEMORY;
    int64_t *times = (int64_t *)(span_ids + p->count);
    for (uint32_t i = 0; i < p->count; i++)
        d->backs[i] = p->rows[i];
    speller s = {0};
    sk_code code = ids->get(ids->ctx, d->backs, p->count, d->ids, span_ids, times);
    if (code == SK_OK)
        code = speller_init(&s, p, list);
    if (code == SK_OK)
        code = spell_all(&s, d, span_ids, times, ret);
    base_free(s.starts);
    base_free(span_ids);
    return code;
}
