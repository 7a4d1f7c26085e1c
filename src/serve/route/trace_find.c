/*
 * serve/route/trace_find.c: which spans of a trace hold every word of a text, in the name or value of any field, of
 * themselves or of what hangs on them. Called by route/trace.c on a query worker; the skeleton that a reader has holds
 * names and services alone.
 */
#include <string.h>

#include "serve/route/common.h"
#include "serve/route/trace.h"

#define WORDS_MAX 16u   /* bits of a row's mask */
#define FIELD_MAX 4096u /* bytes of a field looked at: its name, '=', its value */

typedef struct finder {
    span words[WORDS_MAX]; /* lower case */
    uint32_t count;
    uint8_t field[FIELD_MAX];
} finder;

static uint8_t lower(uint8_t c)
{
    return c >= 'A' && c <= 'Z' ? (uint8_t)(c + ('a' - 'A')) : c;
}

static sk_code read_words(finder *f, span text, arena *mem, err *e)
{
    uint8_t *copy = ARENA_ARRAY(mem, uint8_t, text.len + 1);
    if (!copy)
        return err_set(e, SK_NO_MEMORY, "memory ran out");
    for (size_t i = 0; i < text.len; i++)
        copy[i] = lower(text.at[i]);
    for (span rest = span_of(copy, text.len); rest.len;) {
        span word = span_trim(span_cut(&rest, ' '));
        if (!word.len)
            continue;
        if (f->count == WORDS_MAX)
            return err_set(e, SK_BAD_INPUT, "find takes at most %u words", WORDS_MAX);
        f->words[f->count++] = word;
    }
    return f->count ? SK_OK : err_set(e, SK_BAD_INPUT, "find takes the words to look for");
}

static size_t put_lower(finder *f, size_t len, span text)
{
    for (size_t i = 0; i < text.len && len < FIELD_MAX; i++)
        f->field[len++] = lower(text.at[i]);
    return len;
}

/* The words that stand in "name=value", as bits. */
static uint32_t words_of_field(finder *f, span name, span text)
{
    size_t len = put_lower(f, 0, name);
    len = put_lower(f, len, SPAN("="));
    len = put_lower(f, len, text);
    uint32_t mask = 0;
    for (uint32_t i = 0; i < f->count; i++)
        if (span_contains(span_of(f->field, len), f->words[i]))
            mask |= 1u << i;
    return mask;
}

static uint32_t words_of_row(finder *f, const trace_row *row)
{
    uint32_t mask = 0;
    char scratch[VALUE_TEXT_MAX], id[17];
    if (row->span_id)
        mask |=
            words_of_field(f, SPAN("trace.span_id"), span_of(id, span_id_print(row->span_id, id)));
    for (uint32_t i = 0; i < row->field_count; i++)
        mask |= words_of_field(f, row->names[i], value_text(row->values[i], scratch));
    return mask;
}

sk_code trace_find_print(const trace_result *t, span text, arena *mem, buf *out, err *e)
{
    finder f = {0};
    sk_code code = read_words(&f, text, mem, e);
    if (code != SK_OK)
        return code;
    uint32_t *found = ARENA_ARRAY(mem, uint32_t, t->row_count + 1);
    if (!found)
        return err_set(e, SK_NO_MEMORY, "memory ran out");
    memset(found, 0, sizeof(*found) * (t->row_count + 1));
    for (uint32_t row = 0; row < t->row_count; row++) {
        uint32_t of = t->rows[row].span_id ? row : t->tree.nodes[row].parent;
        if (of != TREE_NONE)
            found[of] |= words_of_row(&f, &t->rows[row]);
    }
    json_writer w = {.out = out};
    uint32_t index = 0;
    jw_object(&w);
    jw_key_text(&w, "found");
    jw_array(&w);
    for (uint32_t row = 0; row < t->row_count; row++) {
        if (!t->rows[row].span_id)
            continue;
        if (found[row] == (1u << f.count) - 1)
            jw_u64(&w, index);
        index++;
    }
    jw_array_end(&w);
    jw_object_end(&w);
    return SK_OK;
}
