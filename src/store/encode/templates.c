/*
 * store/encode/templates.c: see templates.h: finding templates while pages of texts are written. Two texts may share one when
 * they are the same but for their tokens (marks.h). Its first texts' tokens that are all the same are part of it; a text that fits no
 * template of its kind makes another one with more slots. Called by texts.c.
 * Never: keeps a text between pages; looks back at more than VERSIONS_MAX templates for a text.
 */
#include "store/encode/templates.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/hash.h"
#include "store/encode/marks.h"

#define NONE           UINT32_MAX
#define VERSIONS_MAX   8u /* of one kind of text; the last has a slot for every token */
#define KINDS_MAX      (1u << 18)
#define TOKENS_MAX     (1u << 17) /* of a page */
#define HEADS          (2 * TEXTS_PAGE_COUNT)
#define PAGE_BYTES     (2 * MIB) /* of a page's texts, some escaped */
#define GAIN_PERCENT   5
#define HOPELESS_PAGES 4u /* so many without gain, and none is tried any more */

/* A kind of text: those with the same skeleton. */
typedef struct kind {
    uint64_t hash;   /* 0: free */
    uint32_t newest; /* template; NONE: the kind was seen once */
} kind;

typedef struct text_state {
    marked m;
    uint64_t hash; /* of its skeleton; never 0 */
    uint32_t first_token;
    uint32_t next;        /* text of the same kind in this page that has no template yet */
    uint32_t code;        /* template, or NONE */
    uint32_t first_value; /* of its slots */
} text_state;

struct templates {
    buf bytes; /* of the templates */
    uint32_t *starts, *older, *local;
    uint8_t *slots, *versions;
    uint32_t count, capacity[5];
    kind *kinds;
    uint32_t kind_count, kind_mask;
    uint32_t pages, good_pages;
    /* Of the page at hand. */
    buf texts, skeleton, values, whole;
    text_state state[TEXTS_PAGE_COUNT];
    uint32_t heads[HEADS];
    token tokens[TOKENS_MAX + MARK_TOKENS_MAX];
    token in_slots[TOKENS_MAX + MARK_TOKENS_MAX];
    uint32_t token_count, value_count;
    uint32_t used[TEXTS_PAGE_COUNT], order[TEXTS_PAGE_COUNT], ends[TEXTS_PAGE_COUNT + 1];
    uint32_t used_count;
};

templates *templates_new(void)
{
    templates *t = base_alloc(sizeof *t);
    if (!t)
        return NULL;
    memset(t, 0, offsetof(templates, state));
    buf_init(&t->bytes, TEMPLATES_BYTES_MAX);
    buf_init(&t->texts, PAGE_BYTES);
    buf_init(&t->skeleton, PAGE_BYTES);
    buf_init(&t->values, PAGE_BYTES);
    buf_init(&t->whole, PAGE_BYTES);
    return t;
}

void templates_free(templates *take_t)
{
    if (!take_t)
        return;
    buf_done(&take_t->bytes);
    buf_done(&take_t->texts);
    buf_done(&take_t->skeleton);
    buf_done(&take_t->values);
    buf_done(&take_t->whole);
    base_free(take_t->starts);
    base_free(take_t->older);
    base_free(take_t->local);
    base_free(take_t->slots);
    base_free(take_t->versions);
    base_free(take_t->kinds);
    base_free(take_t);
}

uint32_t templates_count(const templates *t)
{
    return t->count;
}

/* ---- kinds ---- */

static bool grow_kinds(templates *t)
{
    uint32_t size = t->kinds ? (t->kind_mask + 1) * 2 : 1024;
    kind *grown = base_alloc_zero(size, sizeof *grown);
    if (!grown)
        return false;
    for (uint32_t i = 0; t->kinds && i <= t->kind_mask; i++) {
        uint32_t at = (uint32_t)t->kinds[i].hash & (size - 1);
        while (t->kinds[i].hash && grown[at].hash)
            at = (at + 1) & (size - 1);
        if (t->kinds[i].hash)
            grown[at] = t->kinds[i];
    }
    base_free(t->kinds);
    t->kinds = grown;
    t->kind_mask = size - 1;
    return true;
}

static kind *find_kind(const templates *t, uint64_t hash)
{
    for (uint32_t at = (uint32_t)hash & t->kind_mask; t->kinds && t->kinds[at].hash;
         at = (at + 1) & t->kind_mask)
        if (t->kinds[at].hash == hash)
            return &t->kinds[at];
    return NULL;
}

/* NULL: there are too many kinds, or memory is short. */
static kind *add_kind(templates *t, uint64_t hash)
{
    if (t->kind_count == KINDS_MAX ||
        (t->kind_count * 2 >= (t->kinds ? t->kind_mask + 1 : 0) && !grow_kinds(t)))
        return NULL;
    uint32_t at = (uint32_t)hash & t->kind_mask;
    while (t->kinds[at].hash)
        at = (at + 1) & t->kind_mask;
    t->kinds[at] = (kind){hash, NONE};
    t->kind_count++;
    return &t->kinds[at];
}

/* ---- does a text fit a template ---- */

/* What stands in its slots goes to `ret`, whose room is MARK_TOKENS_MAX. */
static bool fits(const templates *t, uint32_t number, const marked *m, token *ret)
{
    const uint8_t *is = t->bytes.at + t->starts[number], *text = t->texts.at;
    uint32_t at = m->at, end = m->at + m->len, count = 0;
    for (;;) {
        uint64_t a, b;
        while (at + 8 <= end) { /* a text has neither slots nor ends: equal bytes are neither */
            memcpy(&a, is, 8);
            memcpy(&b, text + at, 8);
            if (a != b)
                break;
            is += 8;
            at += 8;
        }
        while (at < end && *is == text[at]) {
            is++;
            at++;
        }
        if (*is != MARK_SLOT)
            return *is == MARK_END && at == end;
        size_t n = marks_token(span_of(text + at, end - at));
        if (!n)
            return false;
        ret[count++] = (token){at, (uint32_t)n};
        at += (uint32_t)n;
        is++;
    }
}

/* The template with the fewest slots that the text fits. */
static void choose_template(templates *t, text_state *s)
{
    const kind *k = find_kind(t, s->hash);
    s->code = NONE;
    if (!k || t->value_count >= TOKENS_MAX)
        return;
    for (uint32_t i = k->newest; i != NONE; i = t->older[i])
        if ((s->code == NONE || t->slots[i] < t->slots[s->code]) &&
            fits(t, i, &s->m, t->in_slots + t->value_count))
            s->code = i;
    if (s->code == NONE)
        return;
    s->first_value = t->value_count;
    (void)fits(t, s->code, &s->m, t->in_slots + t->value_count);
    t->value_count += t->slots[s->code];
}

/* ---- making templates ---- */

static bool make_room(templates *t)
{
    uint32_t need = t->count + 1;
    return t->count < TEMPLATES_MAX &&
           base_reserve(&t->starts, &t->capacity[0], need, sizeof t->starts[0]) &&
           base_reserve(&t->older, &t->capacity[1], need, sizeof t->older[0]) &&
           base_reserve(&t->local, &t->capacity[2], need, sizeof t->local[0]) &&
           base_reserve(&t->slots, &t->capacity[3], need, sizeof t->slots[0]) &&
           base_reserve(&t->versions, &t->capacity[4], need, sizeof t->versions[0]);
}

static bool is_same_token(const templates *t, token a, token b)
{
    return a.len == b.len && memcmp(t->texts.at + a.at, t->texts.at + b.at, a.len) == 0;
}

/* Which tokens of the texts from `first` on (all of one kind) are not always the same. */
static void find_varying(const templates *t, uint32_t first, bool *varies)
{
    const text_state *s = &t->state[first];
    memset(varies, 0, MARK_TOKENS_MAX);
    for (uint32_t i = s->next; i != NONE; i = t->state[i].next)
        for (uint32_t k = 0; k < s->m.tokens && k < t->state[i].m.tokens; k++)
            varies[k] |= !is_same_token(t, t->tokens[s->first_token + k],
                                        t->tokens[t->state[i].first_token + k]);
}

/* Slots of the kind's newest template stay slots, and what differs from it is one. */
static void widen(const templates *t, const text_state *s, uint32_t newest, bool *varies)
{
    const uint8_t *is = t->bytes.at + t->starts[newest];
    uint32_t at = s->m.at;
    for (uint32_t k = 0; k < s->m.tokens; k++) {
        token here = t->tokens[s->first_token + k];
        uint32_t literal = here.at - at;
        size_t left = (size_t)(t->bytes.at + t->bytes.len - is);
        if (left <= literal || memcmp(is, t->texts.at + at, literal) != 0)
            return; /* another skeleton with the same hash */
        is += literal;
        at = here.at + here.len;
        if (*is == MARK_SLOT) {
            varies[k] = true;
            is++;
            continue;
        }
        size_t n = marks_token(span_of(is, left - literal));
        varies[k] |= n != here.len || memcmp(is, t->texts.at + here.at, n) != 0;
        is += n;
    }
}

/* The text with slots where it varies. NONE: there is no room. */
static uint32_t add_template(templates *t, const text_state *s, const bool *varies)
{
    if (!make_room(t) || t->bytes.len + s->m.len + 1 + 8 > TEMPLATES_BYTES_MAX ||
        !buf_reserve(&t->bytes, s->m.len + 1 + 8)) /* 8: read as words */
        return NONE;
    uint32_t at = s->m.at, slots = 0;
    t->starts[t->count] = (uint32_t)t->bytes.len;
    for (uint32_t k = 0; k < s->m.tokens; k++) {
        token here = t->tokens[s->first_token + k];
        if (!varies[k])
            continue;
        buf_add(&t->bytes, t->texts.at + at, here.at - at);
        buf_add_u8(&t->bytes, MARK_SLOT);
        at = here.at + here.len;
        slots++;
    }
    buf_add(&t->bytes, t->texts.at + at, s->m.at + s->m.len - at);
    buf_add_u8(&t->bytes, MARK_END);
    t->slots[t->count] = (uint8_t)slots;
    return t->count++;
}

/* Texts of one kind that fit no template, from `first` on, get one when there are several or their kind was seen before. */
static void make_template(templates *t, uint32_t first)
{
    text_state *s = &t->state[first];
    kind *k = find_kind(t, s->hash);
    if (!k && s->next == NONE) {
        (void)add_kind(t, s->hash);
        return;
    }
    if (!k && !(k = add_kind(t, s->hash)))
        return;
    bool varies[MARK_TOKENS_MAX];
    find_varying(t, first, varies);
    uint32_t version = k->newest == NONE ? 1 : t->versions[k->newest] + 1u;
    if (version > VERSIONS_MAX)
        return;
    if (version > 1)
        widen(t, s, k->newest, varies);
    if (version == VERSIONS_MAX)
        memset(varies, 1, sizeof varies);
    uint32_t number = add_template(t, s, varies);
    if (number == NONE)
        return;
    t->older[number] = k->newest;
    t->versions[number] = (uint8_t)version;
    k->newest = number;
    for (uint32_t i = first; i != NONE; i = t->state[i].next)
        choose_template(t, &t->state[i]);
}

/* ---- a page ---- */

/* Chains texts of one kind that have no template; `heads` is by hash. */
static void chain(templates *t, uint32_t text, uint32_t *tails)
{
    text_state *s = &t->state[text];
    s->next = NONE;
    uint32_t at = (uint32_t)(s->hash >> 32) % HEADS;
    while (t->heads[at] != NONE && t->state[t->heads[at]].hash != s->hash)
        at = (at + 1) % HEADS;
    if (t->heads[at] == NONE) {
        t->heads[at] = text;
        tails[at] = text;
        return;
    }
    t->state[tails[at]].next = text;
    tails[at] = text;
}

static void find_templates(templates *t, uint32_t count)
{
    uint32_t tails[HEADS];
    memset(t->heads, 0xff, sizeof t->heads);
    for (uint32_t i = 0; i < count; i++)
        if (t->state[i].code == NONE && t->state[i].hash)
            chain(t, i, tails);
    for (uint32_t i = 0; i < count; i++) {
        const text_state *s = &t->state[i];
        if (s->code != NONE || !s->hash)
            continue;
        uint32_t at = (uint32_t)(s->hash >> 32) % HEADS;
        while (t->state[t->heads[at]].hash != s->hash)
            at = (at + 1) % HEADS;
        if (t->heads[at] == i)
            make_template(t, i);
    }
}

/* Marks in every text, and the template that each fits; how many name an id. */
static uint32_t mark_texts(templates *t, const span *list, uint32_t count, const text_ids *ids,
                           int zone)
{
    row_marks marks = {.is_printed = false};
    uint32_t named = 0;
    buf_clear(&t->texts);
    t->token_count = t->value_count = 0;
    for (uint32_t i = 0; i < count; i++) {
        text_state *s = &t->state[i];
        row_marks_of(ids->trace_ids[i], ids->span_ids[i], ids->times[i], zone, &marks);
        s->first_token = t->token_count;
        s->m = marks_put(list[i], &marks, &t->texts, t->tokens + t->token_count, &t->skeleton);
        s->hash = t->token_count < TOKENS_MAX ? hash64(buf_span(&t->skeleton)) | 1 : 0;
        t->token_count += t->token_count < TOKENS_MAX ? s->m.tokens : 0;
        named += s->m.has_ids;
    }
    if (!buf_reserve(&t->texts, 8) || t->skeleton.failed)
        t->texts.failed = true;
    for (uint32_t i = 0; i < count && !t->texts.failed; i++)
        choose_template(t, &t->state[i]);
    return named;
}

static int compare_numbers(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

/* The templates of this page, ascending, and the texts by them; how many have one. */
static uint32_t sort_by_template(templates *t, uint32_t count)
{
    uint32_t with = 0;
    if (t->count)
        memset(t->local, 0, t->count * sizeof t->local[0]);
    t->used_count = 0;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t code = t->state[i].code;
        with += code != NONE;
        if (code != NONE && t->local[code]++ == 0)
            t->used[t->used_count++] = code;
    }
    qsort(t->used, t->used_count, sizeof t->used[0], compare_numbers);
    uint32_t at = 0;
    for (uint32_t i = 0; i < t->used_count; i++) {
        uint32_t texts = t->local[t->used[i]];
        t->local[t->used[i]] = i;
        t->ends[i] = at;
        at += texts;
    }
    for (uint32_t i = 0; i < count; i++)
        if (t->state[i].code != NONE)
            t->order[t->ends[t->local[t->state[i].code]]++] = i;
    return with;
}

static void gather_values(templates *t)
{
    buf_clear(&t->values);
    for (uint32_t u = 0, first = 0; u < t->used_count; first = t->ends[u++])
        for (uint32_t slot = 0; slot < t->slots[t->used[u]]; slot++)
            for (uint32_t i = first; i < t->ends[u]; i++) {
                token v = t->in_slots[t->state[t->order[i]].first_value + slot];
                buf_add(&t->values, t->texts.at + v.at, v.len);
                buf_add_u8(&t->values, MARK_END);
            }
}

static void gather_whole(templates *t, uint32_t count)
{
    buf_clear(&t->whole);
    for (uint32_t i = 0; i < count; i++)
        if (t->state[i].code == NONE)
            buf_add(&t->whole, t->texts.at + t->state[i].m.at, t->state[i].m.len + 1);
}

static void add_squeezed(encoder *e, const buf *bytes, buf *out)
{
    buf_clear(&e->other);
    squeeze_method method = squeeze(e->squeezer, buf_span(bytes), GAIN_PERCENT, &e->other);
    if (e->other.failed || bytes->failed)
        out->failed = true;
    buf_add_varint(out, bytes->len);
    buf_add_varint(out, e->other.len);
    buf_add_u8(out, (uint8_t)method);
    buf_add_span(out, buf_span(&e->other));
}

/* Zone, rows, the templates in use, the template of each text, what is in their slots, texts without one. */
static void write_page(const templates *t, encoder *e, uint32_t count, const text_ids *ids,
                       int zone, buf *out)
{
    buf_add_zigzag(out, zone);
    for (uint32_t i = 0; i < count; i++)
        e->values[i] = ids->rows[i];
    ints_encode(&e->ints, e->values, count, out);
    buf_add_varint(out, t->used_count);
    for (uint32_t i = 0; i < t->used_count; i++)
        e->values[i] = t->used[i];
    if (t->used_count)
        ints_encode(&e->ints, e->values, t->used_count, out);
    for (uint32_t i = 0; i < count; i++)
        e->values[i] = t->state[i].code == NONE ? 0 : 1 + t->local[t->state[i].code];
    ints_encode(&e->ints, e->values, count, out);
    add_squeezed(e, &t->values, out);
    add_squeezed(e, &t->whole, out);
}

bool templates_encode(templates *t, encoder *e, const span *list, uint32_t count,
                      const text_ids *ids, buf *out)
{
    if (t->pages >= HOPELESS_PAGES && t->good_pages == 0)
        return false;
    t->pages++;
    int zone = marks_zone(list, ids->times, count);
    uint32_t named = mark_texts(t, list, count, ids, zone);
    if (t->texts.failed)
        return false;
    find_templates(t, count);
    uint32_t with = sort_by_template(t, count);
    if (with < count / 2 && named <= count / 4)
        return false;
    t->good_pages++;
    gather_values(t);
    gather_whole(t, count);
    write_page(t, e, count, ids, zone, out);
    return true;
}

void templates_encode_list(const templates *t, buf *out)
{
    buf_add_varint(out, t->count);
    buf_add_span(out, buf_span(&t->bytes));
}
