/* query/differ_json.c: the JSON of an answer (docs/openapi.yaml, POST /skep/v1/differences). Called by serve. */
#include "base/clock.h"
#include "query/differences.h"
#include "wire/json.h"

const char *differ_rows_name(differ_rows r)
{
    static const char *const names[DIFFER_ROWS_COUNT] = {"spans", "logs", "all"};
    return names[r];
}

static void pair(json_writer *w, const char *key, const uint64_t of[DIFFER_SIDES])
{
    if (key)
        jw_key_text(w, key);
    jw_object(w);
    jw_key_text(w, "selection");
    jw_u64(w, of[DIFFER_SELECTION]);
    jw_key_text(w, "baseline");
    jw_u64(w, of[DIFFER_BASELINE]);
    jw_object_end(w);
}

static void number(json_writer *w, const char *key, double v)
{
    jw_key_text(w, key);
    jw_double(w, v);
}

static void print_value(json_writer *w, const differ_value *v, bool is_range)
{
    jw_object(w);
    if (v->is_other || v->is_absent) {
        jw_key_text(w, v->is_other ? "other" : "absent");
        jw_bool(w, true);
    } else if (is_range) {
        number(w, "low", v->low);
        number(w, "high", v->high);
    } else {
        jw_key_text(w, "value");
        if (v->is_number)
            jw_double(w, v->low);
        else
            jw_string(w, v->text);
    }
    jw_key_text(w, "selection");
    jw_u64(w, v->weight[DIFFER_SELECTION]);
    jw_key_text(w, "baseline");
    jw_u64(w, v->weight[DIFFER_BASELINE]);
    jw_object_end(w);
}

static void print_field(json_writer *w, const differ_field *f)
{
    jw_object(w);
    jw_key_text(w, "name");
    jw_string(w, f->name);
    number(w, "score", f->score);
    number(w, "divergence", f->divergence);
    number(w, "expected_by_chance", f->expected);
    number(w, "share", f->share);
    jw_key_text(w, "distinct");
    jw_u64(w, f->distinct);
    pair(w, "rows", f->weight);
    jw_key_text(w, "follows_from_selection");
    jw_bool(w, f->follows);
    if (f->sentence.len) {
        jw_key_text(w, "sentence");
        jw_string(w, f->sentence);
    }
    jw_key_text(w, "alike");
    jw_array(w);
    for (uint32_t i = 0; i < f->alike_count; i++)
        jw_string(w, f->alike[i]);
    jw_array_end(w);
    jw_key_text(w, f->is_ranges ? "ranges" : "values");
    jw_array(w);
    for (uint32_t i = 0; i < f->value_count; i++)
        print_value(w, &f->values[i], f->is_ranges);
    jw_array_end(w);
    jw_object_end(w);
}

static void print_dropped(json_writer *w, const differ_list *l)
{
    static const char *const why[] = {"", "constant", "unique", "too many values"};
    jw_key_text(w, "left_out");
    jw_array(w);
    for (uint32_t i = 0; i < l->dropped_count; i++) {
        jw_object(w);
        jw_key_text(w, "name");
        jw_string(w, l->dropped[i].name);
        jw_key_text(w, "why");
        jw_text(w, why[l->dropped[i].dropped]);
        jw_object_end(w);
    }
    jw_array_end(w);
}

static void print_part(json_writer *w, const char *key, const differ_part *p)
{
    if (!p->name.at)
        return;
    jw_key_text(w, key);
    jw_object(w);
    jw_key_text(w, "name");
    jw_string(w, p->name);
    number(w, "score", p->score);
    jw_key_text(w, "spans");
    jw_u64(w, p->rows);
    jw_object_end(w);
}

static void print_suspect(json_writer *w, const differ_suspect *s)
{
    jw_object(w);
    jw_key_text(w, "service");
    jw_string(w, s->service);
    number(w, "score", s->score);
    number(w, "own", s->own);
    number(w, "between", s->between);
    number(w, "errors", s->errors);
    jw_key_text(w, "spans");
    jw_u64(w, s->rows);
    number(w, "excess_ms", s->excess_ms);
    number(w, "share", s->share);
    jw_key_text(w, "confidence");
    jw_text(w, s->is_weak ? "low" : "high");
    print_part(w, "instance", &s->instance);
    print_part(w, "operation", &s->operation);
    jw_object_end(w);
}

static void print_word(json_writer *w, const differ_word *x)
{
    jw_object(w);
    jw_key_text(w, "service");
    jw_string(w, x->service);
    jw_key_text(w, "word");
    jw_string(w, x->word);
    number(w, "strength", x->strength);
    pair(w, "traces_with", x->with);
    pair(w, "traces", x->all);
    jw_object_end(w);
}

void differences_to_json(const differences_result *r, const differences_query *q, buf *out)
{
    json_writer w = {.out = out};
    jw_object(&w);
    if (r->sentence.len) {
        jw_key_text(&w, "sentence");
        jw_string(&w, r->sentence);
    }
    pair(&w, "rows", r->totals.weight);
    jw_key_text(&w, "fields");
    jw_array(&w);
    for (uint32_t i = 0; i < r->fields.count; i++)
        print_field(&w, &r->fields.fields[i]);
    jw_array_end(&w);
    print_dropped(&w, &r->fields);
    if (q->wants_suspects) {
        jw_key_text(&w, "suspects");
        jw_array(&w);
        for (uint32_t i = 0; i < r->suspects.count; i++)
            print_suspect(&w, &r->suspects.suspects[i]);
        jw_array_end(&w);
    }
    if (q->wants_words) {
        jw_key_text(&w, "words");
        jw_array(&w);
        for (uint32_t i = 0; i < r->words.count; i++)
            print_word(&w, &r->words.words[i]);
        jw_array_end(&w);
    }
    jw_key_text(&w, "is_sampled");
    jw_bool(&w, r->is_sampled);
    jw_key_text(&w, "meta");
    jw_object(&w);
    jw_key_text(&w, "rows_scanned");
    jw_u64(&w, r->rows_scanned);
    jw_key_text(&w, "damaged_blocks");
    jw_u64(&w, r->damaged_blocks);
    number(&w, "elapsed_ms", (double)r->elapsed_ns / (double)NS_PER_MS);
    jw_object_end(&w);
    jw_object_end(&w);
}
