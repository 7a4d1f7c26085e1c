/*
 * serve/route/trace_columns.c: the skeleton of a trace: per span its parent, start, duration, self time, service, name, host
 * and flags, as arrays in order of start; texts in dictionaries; span events, links and logs as light rows beside them.
 * Called by route/trace.c on a query worker. Span ids are left out: random bytes are half of such a reply, and a span is
 * asked for by its index.
 */
#include <math.h>

#include "base/intern.h"
#include "event/fields.h"
#include "serve/route/common.h"
#include "serve/route/trace.h"

#define NOTES_MAX     20000u      /* light rows; what is past them is counted */
#define NOTE_TEXT_MAX 200u        /* bytes of a log line: what a row of the waterfall shows */
#define TEXTS_MAX     (128 * MIB) /* of one dictionary */
#define HAS_NO_SPAN   (-1)

enum { FLAG_ERROR = 1, FLAG_CRITICAL = 2, FLAG_SAMPLED = 4, KIND_SHIFT = 3 };
enum { NOTE_EVENT, NOTE_LINK, NOTE_LOG };

typedef struct said { /* what a row says of itself */
    span name, service, host, kind, annotation, signal, link, body;
    double duration_ms;
    int64_t severity;
    bool is_error;
} said;

typedef struct columns {
    const trace_result *t;
    uint32_t span_count, note_count, notes_left_out;
    uint32_t *rows;   /* of spans */
    uint32_t *notes;  /* of notes */
    uint32_t *places; /* per row: its index among the spans */
    said *said;       /* per span */
    said *noted;      /* per note */
    int64_t start_ns; /* of the earliest span */
} columns;

static span text_of(value v)
{
    return v.type == FIELD_STRING ? v.text : (span){0};
}

static said read_row(const trace_row *row)
{
    said s = {0};
    span host_id = {0};
    for (uint32_t i = 0; i < row->field_count; i++) {
        span name = row->names[i];
        value v = row->values[i];
        if (span_is(name, F_NAME))
            s.name = text_of(v);
        else if (span_is(name, F_SERVICE_NAME))
            s.service = text_of(v);
        else if (span_is(name, F_DURATION_MS))
            s.duration_ms = v.type == FIELD_FLOAT ? v.f : v.type == FIELD_INT ? (double)v.i : 0;
        else if (span_is(name, F_ERROR))
            s.is_error |= v.type == FIELD_BOOL && v.b;
        else if (span_is(name, F_STATUS_CODE))
            s.is_error |= v.type == FIELD_INT && v.i == 2;
        else if (span_is(name, F_SPAN_KIND))
            s.kind = text_of(v);
        else if (span_is(name, F_ANNOTATION_TYPE))
            s.annotation = text_of(v);
        else if (span_is(name, F_SIGNAL_TYPE))
            s.signal = text_of(v);
        else if (span_is(name, F_LINK_TRACE_ID))
            s.link = text_of(v);
        else if (span_is(name, F_BODY))
            s.body = text_of(v);
        else if (span_is(name, F_SEVERITY_CODE))
            s.severity = v.type == FIELD_INT ? v.i : 0;
        else if (span_is(name, "host.id"))
            host_id = text_of(v);
        else if (span_is(name, "host.name"))
            s.host = text_of(v);
    }
    if (!s.service.len)
        s.service = row->dataset;
    if (host_id.len)
        s.host = host_id;
    return s;
}

static bool gather(columns *c, arena *mem)
{
    const trace_result *t = c->t;
    c->rows = ARENA_ARRAY(mem, uint32_t, t->row_count + 1);
    c->notes = ARENA_ARRAY(mem, uint32_t, t->row_count + 1);
    c->places = ARENA_ARRAY(mem, uint32_t, t->row_count + 1);
    if (!c->rows || !c->notes || !c->places)
        return false;
    for (uint32_t i = 0; i < t->row_count; i++) {
        c->places[i] = c->span_count;
        if (t->rows[i].span_id)
            c->rows[c->span_count++] = i;
        else if (c->note_count < NOTES_MAX)
            c->notes[c->note_count++] = i;
        else
            c->notes_left_out++;
    }
    c->said = ARENA_ARRAY(mem, said, c->span_count + 1);
    c->noted = ARENA_ARRAY(mem, said, c->note_count + 1);
    if (!c->said || !c->noted)
        return false;
    for (uint32_t i = 0; i < c->span_count; i++)
        c->said[i] = read_row(&t->rows[c->rows[i]]);
    for (uint32_t i = 0; i < c->note_count; i++)
        c->noted[i] = read_row(&t->rows[c->notes[i]]);
    uint32_t first = c->span_count ? c->rows[0] : 0;
    c->start_ns = t->row_count ? t->rows[first].time_ns : 0;
    return true;
}

/* -1: none; -2-k: missing_parents[k]; else the index of the span above. */
static int64_t place_above(const columns *c, uint32_t row)
{
    const tree *t = &c->t->tree;
    uint64_t id = c->t->rows[row].parent_id;
    if (t->nodes[row].parent != TREE_NONE)
        return c->places[t->nodes[row].parent];
    for (uint32_t low = 0, high = t->missing_count; id && low < high;) {
        uint32_t middle = low + (high - low) / 2;
        if (t->missing_parents[middle] == id)
            return -2 - (int64_t)middle;
        if (t->missing_parents[middle] < id)
            low = middle + 1;
        else
            high = middle;
    }
    return HAS_NO_SPAN;
}

static int64_t us_since(const columns *c, uint32_t row)
{
    return (c->t->rows[row].time_ns - c->start_ns) / 1000;
}

static void begin_column(json_writer *w, const char *name)
{
    jw_key_text(w, name);
    jw_array(w);
}

static bool print_texts(json_writer *w, const char *values, const char *dictionary,
                        const said *rows, uint32_t count, size_t field)
{
    intern *texts = intern_new(TEXTS_MAX);
    bool is_whole = texts != NULL;
    begin_column(w, values);
    for (uint32_t i = 0; is_whole && i < count; i++) {
        uint32_t code = intern_put(texts, *(const span *)((const char *)&rows[i] + field));
        is_whole = code != INTERN_NONE;
        jw_u64(w, code);
    }
    jw_array_end(w);
    begin_column(w, dictionary);
    for (uint32_t i = 0; is_whole && i < intern_count(texts); i++)
        jw_string(w, intern_text(texts, i));
    jw_array_end(w);
    intern_free(texts);
    return is_whole;
}

static void print_numbers(json_writer *w, const columns *c)
{
    const trace_result *t = c->t;
    begin_column(w, "parent");
    for (uint32_t i = 0; i < c->span_count; i++)
        jw_i64(w, place_above(c, c->rows[i]));
    jw_array_end(w);
    begin_column(w, "start_us");
    for (uint32_t i = 0; i < c->span_count; i++)
        jw_i64(w, us_since(c, c->rows[i]));
    jw_array_end(w);
    begin_column(w, "duration_us");
    for (uint32_t i = 0; i < c->span_count; i++) {
        double us = c->said[i].duration_ms * 1000;
        jw_i64(w, us > 0 && us < 9e15 ? (int64_t)llround(us) : 0);
    }
    jw_array_end(w);
    begin_column(w, "self_us");
    for (uint32_t i = 0; i < c->span_count; i++)
        jw_i64(w, t->tree.nodes[c->rows[i]].self_ns / 1000);
    jw_array_end(w);
    begin_column(w, "flags");
    for (uint32_t i = 0; i < c->span_count; i++) {
        const trace_row *row = &t->rows[c->rows[i]];
        unsigned flags = c->said[i].is_error ? FLAG_ERROR : 0;
        flags |= t->tree.nodes[c->rows[i]].is_critical ? FLAG_CRITICAL : 0;
        flags |= row->rate != 1 ? FLAG_SAMPLED : 0;
        jw_u64(w, flags | (unsigned)span_kind_parse(c->said[i].kind) << KIND_SHIFT);
    }
    jw_array_end(w);
}

static bool print_spans(json_writer *w, const columns *c)
{
    print_numbers(w, c);
    bool is_whole =
        print_texts(w, "service", "services", c->said, c->span_count, offsetof(said, service));
    is_whole &= print_texts(w, "name", "names", c->said, c->span_count, offsetof(said, name));
    is_whole &= print_texts(w, "host", "hosts", c->said, c->span_count, offsetof(said, host));
    return is_whole;
}

/* A log line that names a span is an annotation too (span_event): its signal tells it apart. */
static unsigned note_kind(const said *s)
{
    if (!span_is(s->signal, "trace"))
        return NOTE_LOG;
    return span_is(s->annotation, "link") ? NOTE_LINK : NOTE_EVENT;
}

/* The start of a text, not cut within a character. */
static span short_text(span s)
{
    size_t len = s.len < NOTE_TEXT_MAX ? s.len : NOTE_TEXT_MAX;
    while (len < s.len && len > 0 && (s.at[len] & 0xc0) == 0x80)
        len--;
    return span_of(s.at, len);
}

static void print_notes(json_writer *w, const columns *c)
{
    jw_key_text(w, "notes");
    jw_object(w);
    begin_column(w, "span");
    for (uint32_t i = 0; i < c->note_count; i++)
        jw_i64(w, place_above(c, c->notes[i]));
    jw_array_end(w);
    begin_column(w, "time_us");
    for (uint32_t i = 0; i < c->note_count; i++)
        jw_i64(w, us_since(c, c->notes[i]));
    jw_array_end(w);
    begin_column(w, "kind");
    for (uint32_t i = 0; i < c->note_count; i++)
        jw_u64(w, note_kind(&c->noted[i]));
    jw_array_end(w);
    begin_column(w, "severity");
    for (uint32_t i = 0; i < c->note_count; i++)
        jw_i64(w, c->noted[i].severity);
    jw_array_end(w);
    begin_column(w, "text");
    for (uint32_t i = 0; i < c->note_count; i++) {
        const said *s = &c->noted[i];
        unsigned kind = note_kind(s);
        span text = kind == NOTE_LINK                    ? s->link
                    : kind == NOTE_EVENT || !s->body.len ? s->name
                                                         : s->body;
        jw_string(w, short_text(text));
    }
    jw_array_end(w);
    jw_key_text(w, "left_out");
    jw_u64(w, c->notes_left_out);
    jw_object_end(w);
}

sk_code trace_columns_print(const trace_result *t, arena *mem, buf *out, err *e)
{
    columns c = {.t = t};
    json_writer w = {.out = out};
    char text[33];
    if (!gather(&c, mem))
        return err_set(e, SK_NO_MEMORY, "no memory for the trace's columns");
    jw_object(&w);
    jw_key_text(&w, "trace_id");
    jw_string(&w, span_of(text, trace_id_print(t->id, text)));
    jw_key_text(&w, "start_ns");
    jw_i64_text(&w, c.start_ns);
    jw_key_text(&w, "count");
    jw_u64(&w, c.span_count);
    if (!print_spans(&w, &c))
        return err_set(e, SK_NO_MEMORY, "no memory for the trace's texts");
    print_notes(&w, &c);
    begin_column(&w, "missing_parents");
    for (uint32_t i = 0; i < t->tree.missing_count; i++)
        jw_string(&w, span_of(text, span_id_print(t->tree.missing_parents[i], text)));
    jw_array_end(&w);
    jw_key_text(&w, "folded_rows");
    jw_u64(&w, t->folded_rows);
    jw_key_text(&w, "damaged_blocks");
    jw_u64(&w, t->damaged_blocks);
    jw_object_end(&w);
    return SK_OK;
}
