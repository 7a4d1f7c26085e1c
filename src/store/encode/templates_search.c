/*
 * store/encode/templates_search.c: see templates.h: which texts of a page hold some bytes, mostly told by their template alone.
 * A mark stands for bytes of a few kinds; the bytes looked for lie in what is written, or reach into a mark, which is possible
 * only where they fit the kind. Called by dictionary searches.
 * Never: says no or yes without being sure.
 */
#include <string.h>

#include "store/encode/marks.h"
#include "store/encode/templates.h"

#define PART_MAX  256u  /* longer bytes are not looked for */
#define STEPS_MAX 4096u /* of one text; then it is not known */

bool search_can(span part)
{
    for (size_t i = 0; i < part.len; i++)
        if (part.at[i] <= MARK_LAST)
            return false;
    return part.len && part.len <= PART_MAX;
}

static bool is_hex(uint8_t c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
}

/* Whether what a mark stands for may have this byte. */
static bool may_have(uint8_t mark, uint8_t c)
{
    bool is_digit = c >= '0' && c <= '9';
    switch (mark) {
    case MARK_TRACE_ID:
    case MARK_SPAN_ID: return is_hex(c);
    case MARK_CLOCK: return is_digit || c == ':';
    case MARK_MS:
    case MARK_US: return is_digit;
    case MARK_DATE: return is_digit || c == '-';
    default: return marks_is_of_token(c);
    }
}

typedef struct search {
    span part;
    uint16_t marks[PART_MAX]; /* by byte of it: which marks may have that, a bit each */
    const uint8_t *end;       /* of the text at hand */
    uint32_t steps;
} search;

static search search_of(span part)
{
    search s = {.part = part};
    for (size_t i = 0; i < part.len; i++)
        for (uint8_t m = MARK_TRACE_ID; m <= MARK_LAST; m++)
            s.marks[i] |= (uint16_t)(may_have(m, part.at[i]) << m);
    return s;
}

static const uint8_t *next_mark(const search *s, const uint8_t *at)
{
    for (;;) {
        at += marks_plain_bytes(at, (size_t)(s->end - at));
        if (at == s->end || *at != MARK_ESCAPE)
            return at;
        at++;
    }
}

/* Whether part[from …] may begin with the mark at `at`, of which it takes at least a byte, and go on behind it, or end in it. */
static bool may_follow(search *s, const uint8_t *at, size_t from, bool may_end)
{
    const uint8_t *literal = at + 1, *next = NULL;
    span part = s->part;
    for (size_t i = from; i < part.len && s->marks[i] >> *at & 1; i++) {
        size_t left = part.len - i - 1;
        if (left == 0)
            return may_end;
        if (literal<s->end && * literal> MARK_LAST && *literal != part.at[i + 1])
            continue;
        if (s->steps++ > STEPS_MAX)
            return true;
        next = next ? next : next_mark(s, literal);
        size_t len = (size_t)(next - literal), n = left < len ? left : len;
        if (memcmp(literal, part.at + i + 1, n) == 0 &&
            (left <= len || (next < s->end && may_follow(s, next, i + 1 + len, true))))
            return true;
    }
    return false;
}

/* Whether it may reach into the mark at `at`, whose literal before begins at `from`; what stands wholly in a slot is told apart. */
static bool may_reach(search *s, const uint8_t *from, const uint8_t *at, bool *ret_in_slot)
{
    size_t len = (size_t)(at - from), inside = 0;
    span part = s->part;
    bool is_slot = *at == MARK_SLOT;
    while (inside < part.len && s->marks[inside] >> *at & 1)
        inside++;
    *ret_in_slot |= is_slot && inside == part.len;
    if (inside && may_follow(s, at, 0, !is_slot))
        return true;
    for (size_t i = 1; i <= len && i < part.len; i++)
        if (at[-1] == part.at[i - 1] && s->marks[i] >> *at & 1 && memcmp(at - i, part.at, i) == 0 &&
            may_follow(s, at, i, true))
            return true;
    return false;
}

static uint8_t verdict_of(search *s, span text)
{
    bool in_slot = false;
    /* Bytes of the text between two marks lie side by side. */
    if (memmem(text.at, text.len, s->part.at, s->part.len))
        return memchr(text.at, MARK_ESCAPE, text.len) ? SEARCH_UNKNOWN : SEARCH_YES;
    s->end = text.at + text.len;
    s->steps = 0;
    for (const uint8_t *from = text.at, *at; (at = next_mark(s, from)) < s->end; from = at + 1)
        if (may_reach(s, from, at, &in_slot))
            return SEARCH_UNKNOWN;
    return in_slot ? SEARCH_IN_SLOT : SEARCH_NO;
}

void template_list_search(const template_list *list, span part, uint8_t *verdicts)
{
    search s = search_of(part);
    for (uint32_t i = 0; i < list->count; i++) {
        uint32_t start = list->starts[i];
        verdicts[i] = verdict_of(&s, span_of(list->bytes + start, list->starts[i + 1] - start - 1));
    }
}

void template_page_search(const template_page *p, span part, const uint8_t *of_templates,
                          uint8_t *verdicts)
{
    search s = search_of(part);
    uint8_t by_code[TEXTS_PAGE_COUNT + 1] = {SEARCH_UNKNOWN}, in_slot = SEARCH_IN_SLOT;
    for (uint32_t u = 0; u < p->used_count; u++) {
        by_code[u + 1] = of_templates[p->used[u]];
        if (by_code[u + 1] != SEARCH_IN_SLOT)
            continue;
        if (in_slot == SEARCH_IN_SLOT) /* not looked for yet */
            in_slot = p->values_len && memmem(p->values, p->values_len, part.at, part.len)
                          ? SEARCH_UNKNOWN
                          : SEARCH_NO;
        by_code[u + 1] = in_slot;
    }
    for (uint32_t i = 0; i < p->count; i++)
        verdicts[i] = by_code[p->codes[i]];
    const uint8_t *whole = p->whole;
    for (uint32_t i = 0, left = p->whole_count; left; i++) {
        if (p->codes[i])
            continue;
        const uint8_t *end = rawmemchr(whole, MARK_END);
        verdicts[i] = verdict_of(&s, span_of(whole, (size_t)(end - whole)));
        whole = end + 1;
        left--;
    }
}
