/* tests/unit/store_templates.c: pages of long texts with templates: back as they were, small, searched as their texts say. */
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/hash.h"
#include "check.h"
#include "store/encode/marks.h"
#include "store/encode/templates.h"

#define TEXTS 700u
#define PAGES 3u

typedef struct made {
    char text[TEXTS][400];
    size_t len[TEXTS];
    span list[TEXTS];
    uint32_t rows[TEXTS];
    trace_id trace_ids[TEXTS];
    uint64_t span_ids[TEXTS];
    int64_t times[TEXTS];
} made;

static uint64_t draws;

static uint32_t below(uint32_t n)
{
    draws = hash_mix(draws + 1);
    return (uint32_t)(draws % n);
}

static sk_code get_rows(void *ctx, const uint64_t *rows, uint32_t count, trace_id *trace_ids,
                        uint64_t *span_ids, int64_t *times)
{
    const made *m = ctx;
    for (uint32_t i = 0; i < count; i++) {
        if (rows[i] >= TEXTS)
            return SK_CORRUPT;
        trace_ids[i] = m->trace_ids[rows[i]];
        span_ids[i] = m->span_ids[rows[i]];
        times[i] = m->times[rows[i]];
    }
    return SK_OK;
}

/* What a row says, as texts spell it: two hours ahead of UTC. */
static row_marks said(const made *m, uint32_t i)
{
    row_marks marks = {.is_printed = false};
    row_marks_of(m->trace_ids[i], m->span_ids[i], m->times[i], 8, &marks);
    return marks;
}

static void fill_line(made *m, uint32_t i)
{
    static const char *const words[] = {"alpha", "beta", "gamma9", "x_1", "7"};
    row_marks k = said(m, i);
    char *out = m->text[i];
    size_t room = sizeof m->text[i];
    const char *word = words[below(COUNT_OF(words))];
    int len = 0;
    switch (below(7)) {
    case 0:
        len =
            snprintf(out, room, "%.8s.%.3s%.3s INFO  worker#%u trace=%s %s took %u ms and gave %u",
                     k.clock, k.ms, k.us, below(3), m->trace_ids[i].lo ? k.trace : "-",
                     m->span_ids[i] ? k.span : "none", below(900), below(2));
        break;
    case 1:
        len = snprintf(out, room,
                       "%.10sT%.8s,%.3sZ ERROR connection to %s refused after %u tries [order "
                       "%08x-%04x-4%03x-%04x-%012llx]",
                       k.date, k.clock, k.ms, word, below(5), below(UINT32_MAX), below(65536),
                       below(4096), below(65536), (unsigned long long)draws >> 16);
        break;
    case 2:
        len = snprintf(out, room, "%s%.10s %.8s%s\1\3\x08 of its own \2%s, then %u.%u%%", word,
                       k.date, k.clock, word, k.span_len ? k.span : "", below(100), below(10));
        break;
    case 3: /* nearly the row's */
        len =
            snprintf(out, room, "%.8s.%.2s seen by %.15s and %sx while it was still being made, %u",
                     k.clock, k.ms, k.trace_len ? k.trace : "", k.trace_len ? k.trace : "", i);
        break;
    case 4:
        len = snprintf(
            out, room,
            "one of a kind %08x%08x with a long %u tail of words that nobody else has %llx",
            below(UINT32_MAX), below(UINT32_MAX), i, (unsigned long long)draws);
        if (below(2))
            out[below(20)] = (char)('a' + below(26));
        break;
    case 5:
        len = snprintf(
            out, room,
            "the very same line each time, with 12 numbers and 7 more, for all who write it");
        break;
    default:
        for (; len < 60 + (int)below(200); len++)
            out[len] = (char)below(256);
    }
    m->len[i] = (size_t)len < room ? (size_t)len : room - 1;
    if (below(40) == 0)
        m->len[i] = 0;
    m->list[i] = span_of(out, m->len[i]);
}

static void fill(made *m)
{
    int64_t time = 1795888846123456789 - 86400 * NS_PER_S * (int64_t)below(3);
    for (uint32_t i = 0; i < TEXTS; i++) {
        m->rows[i] = i;
        m->trace_ids[i] =
            below(5) ? (trace_id){below(3) ? hash_mix(below(90)) : 0, hash_mix(7 + below(90))}
                     : (trace_id){0, 0};
        m->span_ids[i] = below(4) ? hash_mix(below(400)) : 0;
        m->times[i] = time += below(2000) * NS_PER_MS / 3;
        fill_line(m, i);
    }
    m->text[0][0] = '\0'; /* a clock, so that the zone is known */
    row_marks k = said(m, 0);
    m->len[0] = (size_t)snprintf(m->text[0], sizeof m->text[0], "%.8s first", k.clock);
    m->list[0] = span_of(m->text[0], m->len[0]);
}

typedef struct page {
    buf bytes;
    template_page *apart;
    text_list *texts;
} page;

static span with_slack(buf *b)
{
    size_t len = b->len;
    for (int i = 0; i < DECODE_SLACK; i++)
        buf_add_u8(b, 0);
    assert_false(b->failed);
    return span_of(b->at, len);
}

static void check_page(const made *m, page *p, decoder *d, const template_list *list)
{
    reader r = reader_of(with_slack(&p->bytes));
    assert_int_equal(template_page_decode(d, &r, TEXTS, list, &p->apart), SK_OK);
    text_id_source source = {get_rows, (void *)(uintptr_t)m};
    assert_int_equal(template_page_spell(p->apart, d, list, &source, &p->texts), SK_OK);
    for (uint32_t i = 0; i < TEXTS; i++)
        if (!span_equal(texts_at(p->texts, i), m->list[i]))
            fail_msg("text %u: %.*s", i, SPAN_FMT(texts_at(p->texts, i)));
}

/* Verdicts are right, and no text that holds bytes across a mark is missed. */
static void check_search(const made *m, const page *p, const template_list *list, span needle,
                         uint32_t *known)
{
    uint8_t *of_templates = malloc(list->count), verdicts[TEXTS];
    template_list_search(list, needle, of_templates);
    template_page_search(p->apart, needle, of_templates, verdicts);
    for (uint32_t i = 0; i < TEXTS; i++) {
        bool holds = span_contains(m->list[i], needle);
        *known += verdicts[i] != SEARCH_UNKNOWN;
        if (verdicts[i] != SEARCH_UNKNOWN && (verdicts[i] == SEARCH_YES) != holds)
            fail_msg("\"%.*s\" in text %u: %.*s", SPAN_FMT(needle), i, SPAN_FMT(m->list[i]));
    }
    free(of_templates);
}

static void search_for_all(const made *m, const page *p, const template_list *list)
{
    static const char *const words[] = {"refused",  "zanzibar",           "took", "g", "T",
                                        "3Z ERROR", "ERROR connection to"};
    uint32_t known = 0, asked = 0;
    for (uint32_t i = 0; i < COUNT_OF(words); i++)
        check_search(m, p, list, span_text(words[i]), &known);
    assert_true(known > COUNT_OF(words) * TEXTS * 8 / 10);
    for (uint32_t i = 0; i < 400; i++) {
        span from = m->list[below(TEXTS)];
        if (from.len < 2)
            continue;
        size_t at = below((uint32_t)from.len), len = 1 + below(i % 3 ? 12 : 60);
        span needle = span_first(span_from(from, at), len);
        if (!search_can(needle))
            continue;
        asked++;
        check_search(m, p, list, needle, &known);
    }
    assert_true(asked > 200);
}

static void texts_come_back(void **state)
{
    encoder *e = encoder_new(3);
    decoder *d = decoder_new();
    templates *t = templates_new();
    made *m = malloc(PAGES * sizeof *m);
    page pages[PAGES] = {{{0}, NULL, NULL}};
    buf listed;
    draws = 11;
    for (uint32_t i = 0; i < PAGES; i++) {
        fill(&m[i]);
        buf_init(&pages[i].bytes, MIB);
        text_ids ids = {m[i].rows, m[i].trace_ids, m[i].span_ids, m[i].times};
        assert_true(templates_encode(t, e, m[i].list, TEXTS, &ids, &pages[i].bytes));
    }
    buf_init(&listed, 16 * MIB);
    templates_encode_list(t, &listed);
    template_list *list;
    assert_int_equal(template_list_decode(buf_span(&listed), &list), SK_OK);
    assert_int_equal(list->count, templates_count(t));
    for (uint32_t i = 0; i < PAGES; i++) {
        check_page(&m[i], &pages[i], d, list);
        search_for_all(&m[i], &pages[i], list);
        buf_done(&pages[i].bytes);
        base_free(pages[i].apart);
        texts_free(pages[i].texts);
    }
    base_free(list);
    buf_done(&listed);
    templates_free(t);
    encoder_free(e);
    decoder_free(d);
    free(m);
}

/* What is the same in all texts, or follows from their rows, costs next to nothing; what has nothing in common has no templates. */
static void lines_are_small(void **state)
{
    encoder *e = encoder_new(3);
    made *m = malloc(sizeof *m);
    static const struct {
        const char *name;
        uint32_t bytes_max; /* 0: no templates */
    } rows[] = {{"alike", 300}, {"a number", 1600}, {"nothing", 0}};
    EACH_ROW(row, rows)
    {
        templates *t = templates_new();
        buf out, listed;
        buf_init(&out, MIB);
        buf_init(&listed, MIB);
        draws = 3;
        fill(m);
        for (uint32_t i = 0; i < TEXTS; i++) {
            row_marks k = said(m, i);
            if (row->bytes_max)
                m->len[i] = (size_t)snprintf(
                    m->text[i], sizeof m->text[i], "%.8s.%.3s %.*s: a line of the log that says %u",
                    k.clock, k.ms, k.trace_len, k.trace, row->bytes_max > 300 ? below(100) : 5);
            else
                for (m->len[i] = 0; m->len[i] < 70; m->len[i]++)
                    m->text[i][m->len[i]] = (char)(' ' + below(90));
            m->list[i] = span_of(m->text[i], m->len[i]);
        }
        text_ids ids = {m->rows, m->trace_ids, m->span_ids, m->times};
        assert_int_equal(templates_encode(t, e, m->list, TEXTS, &ids, &out), row->bytes_max != 0);
        templates_encode_list(t, &listed);
        if (row->bytes_max)
            assert_in_range(out.len + listed.len, 1, row->bytes_max);
        else
            assert_int_equal(out.len, 0);
        buf_done(&out);
        buf_done(&listed);
        templates_free(t);
    }
    encoder_free(e);
    free(m);
}

/* Any byte of a page or of the templates may be wrong: an error or other texts, never a read past the end. */
static void damage_is_noticed_or_harmless(void **state)
{
    encoder *e = encoder_new(3);
    decoder *d = decoder_new();
    templates *t = templates_new();
    made *m = malloc(sizeof *m);
    buf out, listed;
    buf_init(&out, MIB);
    buf_init(&listed, MIB);
    draws = 5;
    fill(m);
    text_ids ids = {m->rows, m->trace_ids, m->span_ids, m->times};
    assert_true(templates_encode(t, e, m->list, TEXTS, &ids, &out));
    templates_encode_list(t, &listed);
    text_id_source source = {get_rows, m};
    span bytes = with_slack(&out);
    for (size_t i = 0; i < bytes.len + listed.len; i += 1 + i / 900) {
        uint8_t *at = i < bytes.len ? out.at + i : listed.at + i - bytes.len;
        uint8_t was = *at;
        *at ^= (uint8_t)(1u << i % 8);
        template_list *list;
        template_page *p;
        text_list *texts;
        reader r = reader_of(bytes);
        if (template_list_decode(buf_span(&listed), &list) == SK_OK) {
            if (template_page_decode(d, &r, TEXTS, list, &p) == SK_OK) {
                if (template_page_spell(p, d, list, &source, &texts) == SK_OK)
                    texts_free(texts);
                base_free(p);
            }
            base_free(list);
        }
        *at = was;
    }
    buf_done(&out);
    buf_done(&listed);
    templates_free(t);
    encoder_free(e);
    decoder_free(d);
    free(m);
}

TEST_GROUP(store_templates, TEST(texts_come_back), TEST(lines_are_small),
           TEST(damage_is_noticed_or_harmless));
