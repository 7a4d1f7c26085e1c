/*
 * engine/local/map_rows.c: rows to the spans and links of the service map. Every text is turned into a number once per dictionary
 * code of a part: a kind, a yes or no, or the number of the text that the rules ask for. Runs of rows of one trace that is
 * nowhere else go through map__trace at once; the spans of other traces are put aside.
 */
#include <math.h>

#include "base/hash.h"
#include "base/must.h"
#include "engine/local/map.h"
#include "event/fields.h"

/* ---- lists ---- */

/* ---- fields ---- */

bool map__plan(const plan *asked, arena *mem, plan *ret)
{
    static const char *const names[MAP_FIELD_COUNT][4] = {
        [MAP_SERVICE] = {F_SERVICE_NAME},
        [MAP_KIND] = {F_SPAN_KIND},
        [MAP_ERROR] = {F_ERROR},
        [MAP_STATUS] = {F_STATUS_CODE},
        [MAP_DURATION] = {F_DURATION_MS},
        [MAP_NAME] = {F_NAME},
        [MAP_ANNOTATION] = {F_ANNOTATION_TYPE},
        [MAP_LINK_TRACE] = {F_LINK_TRACE_ID},
        [MAP_LINK_SPAN] = {F_LINK_SPAN_ID},
        [MAP_QUEUE_SYSTEM] = {"messaging.system"},
        [MAP_QUEUE_NAME] = {"messaging.destination.name", "messaging.destination"},
        [MAP_DB_SYSTEM] = {"db.system.name", "db.system"},
        [MAP_DB_NAMESPACE] = {"db.namespace", "db.name"},
        [MAP_PEER] = {"service.peer.name", "peer.service"},
        [MAP_ADDRESS] = {"server.address", "net.peer.name"},
        [MAP_PORT] = {"server.port", "net.peer.port"},
        [MAP_NETWORK] = {"network.peer.address", "net.sock.peer.addr", "net.peer.ip"},
        [MAP_URL] = {"url.full", "http.url"},
        [MAP_RPC_SERVICE] = {"rpc.service"},
        [MAP_RPC_METHOD] = {"rpc.method"},
    };
    uint32_t count = MAP_FIELD_COUNT + asked->field_count;
    plan_field *fields = ARENA_ARRAY(mem, plan_field, count);
    span *candidates = ARENA_ARRAY(mem, span, MAP_FIELD_COUNT * 4);
    plan_filter *related = ARENA_ARRAY(mem, plan_filter, asked->related_count + 1ul);
    if (!fields || !candidates || !related)
        return false;
    for (uint32_t f = 0; f < MAP_FIELD_COUNT; f++) {
        fields[f].candidates = candidates + (size_t)f * 4;
        for (uint32_t c = 0; c < 4 && names[f][c]; c++)
            candidates[(size_t)f * 4 + fields[f].candidate_count++] = span_text(names[f][c]);
        fields[f].name = fields[f].candidates[0];
    }
    for (uint32_t i = 0; i < asked->field_count; i++)
        fields[MAP_FIELD_COUNT + i] = asked->fields[i];
    for (uint32_t i = 0; i < asked->related_count; i++) {
        related[i] = asked->related[i];
        related[i].field += MAP_FIELD_COUNT;
    }
    *ret = (plan){.start_ns = asked->start_ns,
                  .end_ns = asked->end_ns,
                  .fields = fields,
                  .field_count = count,
                  .related = related,
                  .related_count = asked->related_count};
    return true;
}

span map__text(const map_run *m, uint32_t text)
{
    return group_keys_value(m->texts, 0, text, m->scratch).text;
}

uint32_t map__put_text(map_run *m, span text, bool is_lasting)
{
    group_keys_begin(m->texts, 0);
    uint32_t key = group_keys_text(m->texts, 0, text, GROUP_KEY_TEXT, is_lasting);
    group_keys_end(m->texts, 0);
    return key == GROUP_KEY_NONE ? MAP_ANSWER_ABSENT : key;
}

static span url_host(span url)
{
    size_t at = 0;
    while (at + 3 <= url.len && memcmp(url.at + at, "://", 3) != 0)
        at++;
    if (at + 3 > url.len)
        return SPAN("");
    span host = span_from(url, at + 3);
    for (size_t i = 0; i < host.len; i++)
        if (host.at[i] == '/' || host.at[i] == '?' || host.at[i] == '#')
            host.len = i;
    for (size_t i = host.len; i-- > 0;)
        if (host.at[i] == '@')
            return span_from(host, i + 1);
    return host;
}

static span before_last_slash(span method)
{
    for (size_t i = method.len; i-- > 0;)
        if (method.at[i] == '/')
            return span_first(method, i);
    return SPAN("");
}

/* What the map makes of one value: never 0. */
static uint32_t answer_of(map_run *m, map_field f, value v, bool is_lasting)
{
    char scratch[VALUE_TEXT_MAX];
    double number;
    span text = value_text(v, scratch);
    if (f == MAP_STATUS)
        return value_number(v, &number) && number == 2 ? MAP_ANSWER_YES : MAP_ANSWER_NO;
    if (f == MAP_ERROR)
        return text.len && !span_is(text, "false") && !span_is(text, "0") ? MAP_ANSWER_YES
                                                                          : MAP_ANSWER_NO;
    if (f == MAP_KIND)
        return (uint32_t)span_kind_parse(text) + 1;
    if (f == MAP_ANNOTATION)
        return span_is(text, "link") ? MAP_ANSWER_YES : MAP_ANSWER_NO;
    if (text.len == 0 || (f == MAP_SERVICE && span_trim(text).len == 0))
        return MAP_ANSWER_ABSENT;
    if (f == MAP_URL)
        text = url_host(text);
    else if (f == MAP_RPC_METHOD)
        text = before_last_slash(text);
    return text.len ? map__put_text(m, text, is_lasting && v.type == FIELD_STRING)
                    : MAP_ANSWER_NONE;
}

static inline uint32_t position(const scan_taken *t, uint32_t n)
{
    return t->all ? n : t->at[n];
}

static void answer_codes(map_run *m, map_worker *w, map_field f, scan_source *of, const vector *v)
{
    _Atomic(uint32_t) *known = scan_keys_of(&m->scan, of);
    for (uint32_t n = 0; known && n < w->taken.count; n++) {
        uint32_t k = position(&w->taken, n), code = v->codes[w->scan.rows[k]];
        uint32_t answer = atomic_load_explicit(&known[code], memory_order_relaxed);
        if (unlikely(!answer)) {
            value x = {.is_set = true, .type = of->type};
            x.text = of->dictionary->text(of->dictionary->of, code);
            answer = answer_of(m, f, x, m->engine != NULL);
            atomic_store_explicit(&known[code], answer, memory_order_relaxed);
        }
        w->answers[f][k] = answer;
    }
}

static void answer_others(map_run *m, map_worker *w, map_field f, const scan_source *of,
                          const vector *v)
{
    scan_scratch scratch;
    for (uint32_t n = 0; n < w->taken.count; n++) {
        uint32_t k = position(&w->taken, n), row = w->scan.rows[k];
        uint64_t bits = v->kind == VECTOR_BOOLS ? v->codes[row] : v->ids[row];
        map_cached *c = &w->numbers[f][(hash_mix(bits) + v->kind) & (MAP_NUMBER_CACHE - 1)];
        if (c->kind != v->kind + 1u || c->bits != bits)
            *c = (map_cached){bits, v->kind + 1u,
                              answer_of(m, f, scan_value(v, of->type, row, &scratch), false)};
        w->answers[f][k] = c->answer;
    }
}

/* Rows whose answer is MAP_ANSWER_ABSENT are free for the next name. */
static void release_absent(map_worker *w, map_field f, uint64_t *claimed)
{
    for (uint32_t n = 0; n < w->taken.count; n++) {
        uint32_t k = position(&w->taken, n), row = w->scan.rows[k];
        if (w->answers[f][k] != MAP_ANSWER_ABSENT)
            continue;
        w->answers[f][k] = 0;
        claimed[row >> 6] &= ~((uint64_t)1 << (row & 63));
    }
}

static sk_code answer_field(map_run *m, map_worker *w, map_field f, err *e)
{
    const scan_field *field = &w->scan.at->fields[f];
    uint64_t claimed[VECTOR_WORDS] = {0};
    w->has[f] = false;
    for (uint32_t i = 0; i < field->count; i++) {
        scan_source *of = &field->sources[i];
        const vector *v;
        if (of->column >= PART_COLUMNS &&
            !part_block_has_column(w->scan.at->part, of->column, w->scan.block))
            continue;
        sk_code code = scan_read_source(&w->scan, of, &v, e);
        if (code != SK_OK)
            return code;
        scan_take(&w->scan, v, claimed, &w->taken);
        if (!w->taken.count)
            continue;
        if (!w->answers[f])
            w->answers[f] = agg_alloc(&m->budget, VECTOR_ROWS * sizeof **w->answers);
        if (!w->answers[f])
            return finish_budget_error(&m->budget, e);
        if (!w->has[f])
            memset(w->answers[f], 0, w->scan.count * sizeof **w->answers);
        w->has[f] = true;
        if (v->kind == VECTOR_CODES)
            answer_codes(m, w, f, of, v);
        else
            answer_others(m, w, f, of, v);
        release_absent(w, f, claimed);
    }
    return SK_OK;
}

/* ---- duration, name, dataset ---- */

sk_code map__read_durations(map_worker *w, err *e)
{
    const scan_field *field = &w->scan.at->fields[MAP_DURATION];
    for (uint32_t k = 0; k < w->scan.count; k++)
        w->durations[k] = NAN;
    for (uint32_t i = 0; i < field->count; i++) {
        const scan_source *of = &field->sources[i];
        scan_scratch scratch;
        const vector *v;
        sk_code code = scan_read_source(&w->scan, of, &v, e);
        if (code != SK_OK)
            return code;
        scan_take(&w->scan, v, NULL, &w->taken);
        for (uint32_t n = 0; n < w->taken.count; n++) {
            uint32_t k = position(&w->taken, n), row = w->scan.rows[k];
            double number;
            if (v->kind == VECTOR_FLOATS)
                w->durations[k] = isfinite(v->floats[row]) ? v->floats[row] : NAN;
            else if (value_number(scan_value(v, of->type, row, &scratch), &number))
                w->durations[k] = number;
        }
    }
    return SK_OK;
}

/* Where each row's name is; the text itself is only looked at when two spans must be told apart. */
sk_code map__read_names(map_run *m, map_worker *w, err *e)
{
    const scan_field *field = &w->scan.at->fields[MAP_NAME];
    memset(w->name_sources, NAME_NONE, w->scan.count);
    for (uint32_t i = 0; i < field->count; i++) {
        const scan_source *of = &field->sources[i];
        scan_scratch scratch;
        const vector *v;
        sk_code code = scan_read_source(&w->scan, of, &v, e);
        if (code != SK_OK)
            return code;
        scan_take(&w->scan, v, NULL, &w->taken);
        for (uint32_t n = 0; n < w->taken.count; n++) {
            uint32_t k = position(&w->taken, n), row = w->scan.rows[k];
            if (v->kind == VECTOR_CODES && of->type == FIELD_STRING) {
                w->name_sources[k] = (uint8_t)i;
                w->name_codes[k] = v->codes[row];
                continue;
            }
            char text[VALUE_TEXT_MAX];
            w->name_sources[k] = NAME_KEY;
            w->name_codes[k] =
                map__put_text(m, value_text(scan_value(v, of->type, row, &scratch), text), false);
        }
    }
    return atomic_load(&m->budget.failed) ? finish_budget_error(&m->budget, e) : SK_OK;
}

/* The service of rows that do not name one. */
static sk_code read_datasets(map_run *m, map_worker *w, err *e)
{
    scan_source *of = &w->scan.at->fields[m->plan.field_count].sources[0];
    const vector *v;
    sk_code code = scan_read_source(&w->scan, of, &v, e);
    _Atomic(uint32_t) *known = code == SK_OK ? scan_keys_of(&m->scan, of) : NULL;
    for (uint32_t k = 0; known && k < w->scan.count; k++) {
        uint32_t at = v->codes[w->scan.rows[k]],
                 answer = atomic_load_explicit(&known[at], memory_order_relaxed);
        if (unlikely(!answer)) {
            answer =
                map__put_text(m, of->dictionary->text(of->dictionary->of, at), m->engine != NULL);
            atomic_store_explicit(&known[at], answer, memory_order_relaxed);
        }
        w->datasets[k] = answer;
    }
    if (code == SK_OK && atomic_load(&m->budget.failed))
        return finish_budget_error(&m->budget, e);
    return code;
}

/* ---- queue and leaf names ---- */

static uint32_t join(map_run *m, uint32_t a, const char *between, uint32_t b)
{
    arena *mem = arena_new(MIB);
    span x = map__text(m, a), y = map__text(m, b), whole = {0};
    if (mem)
        whole = arena_print(mem, "%.*s%s%.*s", SPAN_FMT(x), between, SPAN_FMT(y));
    uint32_t text = whole.at ? map__put_text(m, whole, false) : MAP_ANSWER_ABSENT;
    arena_free(mem);
    return text;
}

static uint32_t first_of(uint32_t a, uint32_t b)
{
    return a ? a : b;
}

static void name_leaf(map_run *m, map_details *d)
{
#define DETAIL(f) d->texts[(f)-MAP_DETAILS]
    uint32_t name = DETAIL(MAP_PEER), address = DETAIL(MAP_ADDRESS), db = DETAIL(MAP_DB_NAMESPACE);
    if (DETAIL(MAP_QUEUE_SYSTEM) && DETAIL(MAP_QUEUE_NAME))
        d->queue = join(m, DETAIL(MAP_QUEUE_SYSTEM), ":", DETAIL(MAP_QUEUE_NAME));
    if (DETAIL(MAP_DB_SYSTEM) || db) {
        d->leaf_kind = NODE_DATABASE;
        if (!name && db && address)
            name = join(m, db, "@", address);
        name = first_of(first_of(first_of(first_of(name, db), address), DETAIL(MAP_NETWORK)),
                        DETAIL(MAP_DB_SYSTEM));
    } else {
        d->leaf_kind = NODE_EXTERNAL;
        if (!name && address && DETAIL(MAP_PORT))
            name = join(m, address, ":", DETAIL(MAP_PORT));
        name = first_of(first_of(first_of(name, address), DETAIL(MAP_NETWORK)), DETAIL(MAP_URL));
        name = first_of(first_of(name, DETAIL(MAP_RPC_SERVICE)), DETAIL(MAP_RPC_METHOD));
    }
    d->leaf = name;
#undef DETAIL
}

/* The names that a row's details give, by a cache of what was met. */
const map_details *map__details(map_run *m, map_worker *w, uint32_t k)
{
    uint32_t texts[MAP_DETAIL_COUNT] = {0}, any = 0;
    uint64_t hash = 0;
    for (uint32_t i = 0; i < w->detail_count; i++) {
        map_field f = (map_field)w->detail_fields[i];
        uint32_t text = map__answer(w, f, k);
        texts[f - MAP_DETAILS] = text;
        any |= text;
        hash = (hash ^ (text + f)) * 0x9e3779b97f4a7c15ull;
        hash ^= hash >> 29;
    }
    if (!any)
        return NULL;
    map_details *d = &w->details[hash & (MAP_DETAILS_CACHE - 1)];
    if (!d->is_used || memcmp(d->texts, texts, sizeof texts) != 0) {
        *d = (map_details){.is_used = true};
        memcpy(d->texts, texts, sizeof texts);
        name_leaf(m, d);
    }
    return d;
}

/* ---- traces ---- */

int map__compare_targets(const void *left, const void *right)
{
    const map_target *a = left, *b = right;
    if (a->trace.hi != b->trace.hi)
        return a->trace.hi < b->trace.hi ? -1 : 1;
    if (a->trace.lo != b->trace.lo)
        return a->trace.lo < b->trace.lo ? -1 : 1;
    return (a->span > b->span) - (a->span < b->span);
}

/* A link row's target: its texts must be ids in their own form. */
static bool link_target(map_worker *w, uint32_t k, map_target *ret, err *e)
{
    static const map_field fields[] = {MAP_LINK_TRACE, MAP_LINK_SPAN};
    *ret = (map_target){0};
    for (size_t i = 0; i < COUNT_OF(fields); i++) {
        const scan_field *field = &w->scan.at->fields[fields[i]];
        for (uint32_t n = 0; n < field->count; n++) {
            const vector *v;
            scan_scratch scratch;
            char text[VALUE_TEXT_MAX];
            if (scan_read_source(&w->scan, &field->sources[n], &v, e) != SK_OK)
                return false;
            uint32_t row = w->scan.rows[k];
            if (v->kind == VECTOR_ABSENT || !vector_has(v, row))
                continue;
            span s = value_text(scan_value(v, field->sources[n].type, row, &scratch), text);
            if (i == 0)
                (void)trace_id_parse(s, false, &ret->trace);
            else
                (void)span_id_parse(s, false, &ret->span);
        }
    }
    return true;
}

sk_code map__read_ids(map_worker *w, map_ids *ret, err *e)
{
    sk_code code = scan_read(&w->scan, PART_TRACE_ID, &ret->trace, e);
    if (code == SK_OK)
        code = scan_read(&w->scan, PART_SPAN_ID, &ret->span, e);
    if (code == SK_OK)
        code = scan_read(&w->scan, PART_PARENT_ID, &ret->parent, e);
    if (code == SK_OK)
        code = scan_read(&w->scan, PART_TIME, &ret->time, e);
    return code == SK_OK ? scan_read(&w->scan, PART_RATE, &ret->rate, e) : code;
}

/* ---- first pass ---- */

static sk_code note_links(map_run *m, map_worker *w, err *e)
{
    const scan_field *annotations = &w->scan.at->fields[MAP_ANNOTATION];
    bool may_have = false;
    for (uint32_t i = 0; i < annotations->count; i++)
        may_have |=
            part_block_has_column(w->scan.at->part, annotations->sources[i].column, w->scan.block);
    if (!may_have)
        return SK_OK;
    sk_code code = answer_field(m, w, MAP_ANNOTATION, e);
    for (uint32_t k = 0; code == SK_OK && k < w->scan.count; k++) {
        map_target t;
        if (map__answer(w, MAP_ANNOTATION, k) != MAP_ANSWER_YES)
            continue;
        if (!link_target(w, k, &t, e))
            return e->code;
        if (trace_id_is_set(t.trace) && t.span &&
            !item_list_add(&m->budget, &w->targets, &t, sizeof t))
            return finish_budget_error(&m->budget, e);
    }
    return code;
}

sk_code map__note_block(map_run *m, map_worker *w, uint32_t number, uint32_t block, err *e)
{
    sk_code code = scan_block(&w->scan, number, block, e);
    if (code == SK_OK && w->scan.count)
        code = note_links(m, w, e);
    return code == SK_CORRUPT ? SK_OK : code; /* the second pass meets it again, and notes it */
}

/* ---- second pass ---- */

map_span map__span(map_run *m, map_worker *w, const map_ids *ids, uint32_t k)
{
    uint32_t row = w->scan.rows[k], kind = map__answer(w, MAP_KIND, k);
    map_span s = {.trace = map__trace_at(ids->trace, row),
                  .id = map__id_at(ids->span, row),
                  .parent_id = map__id_at(ids->parent, row),
                  .time_ns = ids->time->ints[row],
                  .duration_ms = w->durations[k],
                  .weight = (uint32_t)ids->rate->ints[row],
                  .service = first_of(map__answer(w, MAP_SERVICE, k), w->datasets[k]),
                  .part = w->scan.part,
                  .name_code = w->name_codes[k],
                  .name_source = w->name_sources[k],
                  .kind = kind ? (uint8_t)(kind - 1) : KIND_UNSPECIFIED,
                  .is_error = map__answer(w, MAP_ERROR, k) == MAP_ANSWER_YES ||
                              map__answer(w, MAP_STATUS, k) == MAP_ANSWER_YES,
                  .parent = MAP_NO_SPAN};
    if (s.kind != KIND_CLIENT && s.kind != KIND_PRODUCER && s.kind != KIND_CONSUMER)
        return s;
    const map_details *d = map__details(m, w, k);
    if (!d)
        return s;
    s.queue = d->queue;
    s.leaf = d->leaf;
    s.leaf_kind = d->leaf_kind;
    if (s.kind == KIND_CLIENT && d->queue) {
        s.leaf = d->queue;
        s.leaf_kind = NODE_MESSAGING;
    }
    return s;
}

static bool put_aside(map_run *m, map_worker *w)
{
    const map_span *spans = w->spans.at;
    const map_link *links = w->links.at;
    for (uint32_t i = 0; i < w->spans.count; i++)
        if (!item_list_add(&m->budget, &w->deferred_spans, &spans[i], sizeof *spans))
            return false;
    for (uint32_t i = 0; i < w->links.count; i++)
        if (!item_list_add(&m->budget, &w->deferred_links, &links[i], sizeof *links))
            return false;
    return true;
}

static bool end_run(map_run *m, map_worker *w, bool waits)
{
    if (w->spans.count + w->links.count == 0)
        return true;
    return waits ? put_aside(m, w)
                 : map__trace(m, w, w->spans.at, w->spans.count, w->links.at, w->links.count);
}

sk_code map__read_links(map_run *m, map_worker *w, err *e)
{
    memset(w->has, 0, sizeof w->has);
    return answer_field(m, w, MAP_ANNOTATION, e);
}

sk_code map__read_answers(map_run *m, map_worker *w, err *e)
{
    sk_code code = SK_OK;
    for (uint32_t f = 0; code == SK_OK && f < MAP_FIELD_COUNT; f++)
        if (f != MAP_DURATION && f != MAP_NAME && f != MAP_LINK_TRACE && f != MAP_LINK_SPAN)
            code = answer_field(m, w, (map_field)f, e);
    w->detail_count = 0;
    for (uint32_t f = MAP_DETAILS; f < MAP_FIELD_COUNT; f++)
        if (w->has[f])
            w->detail_fields[w->detail_count++] = (uint8_t)f;
    if (code == SK_OK)
        code = map__read_durations(w, e);
    return code == SK_OK ? read_datasets(m, w, e) : code;
}

/* What is said of a row takes the place of its answers. */
static map_span coded_span(map_worker *w, const map_ids *ids, const map_said *said, uint32_t k)
{
    uint32_t row = w->scan.rows[k];
    return (map_span){.trace = map__trace_at(ids->trace, row),
                      .id = map__id_at(ids->span, row),
                      .parent_id = map__id_at(ids->parent, row),
                      .time_ns = ids->time->ints[row],
                      .duration_ms = w->durations[k],
                      .weight = (uint32_t)ids->rate->ints[row],
                      .service = said->service,
                      .queue = said->queue,
                      .leaf = said->leaf,
                      .leaf_kind = said->leaf_kind,
                      .part = w->scan.part,
                      .name_code = w->name_codes[k],
                      .name_source = w->name_sources[k],
                      .kind = said->kind,
                      .is_error = (said->flags & SAID_ERROR) != 0,
                      .parent = MAP_NO_SPAN};
}

static sk_code put_row(map_run *m, map_worker *w, const map_ids *ids, const map_coded *said,
                       uint32_t k, err *e)
{
    uint32_t row = w->scan.rows[k];
    bool is_done = true;
    if (map__id_at(ids->span, row)) {
        const vector *codes = NULL;
        if (said)
            must(scan_read(&w->scan, said->column, &codes, NULL) == SK_OK); /* read before */
        bool is_coded = codes && codes->kind == VECTOR_CODES && vector_has(codes, row);
        if (said && !is_coded)
            return err_set(e, SK_CORRUPT, "a span of which nothing is said");
        map_span s =
            said ? coded_span(w, ids, &said->said[codes->codes[row]], k) : map__span(m, w, ids, k);
        is_done = item_list_add(&m->budget, &w->spans, &s, sizeof s);
    } else if (map__id_at(ids->parent, row) &&
               map__answer(w, MAP_ANNOTATION, k) == MAP_ANSWER_YES) {
        map_target t;
        if (!link_target(w, k, &t, e))
            return e->code;
        map_link l = {map__trace_at(ids->trace, row), t.trace, map__id_at(ids->parent, row),
                      t.span};
        is_done = item_list_add(&m->budget, &w->links, &l, sizeof l);
    }
    return is_done ? SK_OK : finish_budget_error(&m->budget, e);
}

sk_code map__read_run(map_run *m, map_worker *w, const map_ids *ids, trace_id id, uint32_t first,
                      uint32_t end, bool waits, const map_coded *said, err *e)
{
    sk_code code = SK_OK;
    for (uint32_t k = first; code == SK_OK && trace_id_is_set(id) && k < end; k++)
        code = put_row(m, w, ids, said, k, e);
    if (code == SK_OK && !end_run(m, w, waits))
        code = finish_budget_error(&m->budget, e);
    w->spans.count = w->links.count = 0;
    return code;
}

/* Traces that are in several places, or may go on in the blocks beside this one, wait until all of them is there.
 * A damaged column found half-way (of links, or of what only some traces need) leaves out what follows it in the block; the
 * rest is counted. */
sk_code map__read_block(map_run *m, map_worker *w, uint32_t number, uint32_t block, err *e)
{
    map_ids ids = {0};
    sk_code code = scan_block(&w->scan, number, block, e);
    if (code != SK_OK || w->scan.count == 0)
        return code;
    code = map__read_answers(m, w, e);
    if (code == SK_OK)
        code = map__read_ids(w, &ids, e);
    if (code == SK_OK)
        code = map__read_names(m, w, e);
    for (uint32_t first = 0, end; code == SK_OK && first < w->scan.count; first = end) {
        trace_id id = map__trace_at(ids.trace, w->scan.rows[first]);
        for (end = first + 1; end < w->scan.count &&
                              trace_id_equal(map__trace_at(ids.trace, w->scan.rows[end]), id);)
            end++;
        bool waits = (first == 0 && block > 0) ||
                     (end == w->scan.count && block + 1 < w->scan.at->info.block_count) ||
                     straddle_has(&m->straddling, part_trace_hash(id));
        code = map__read_run(m, w, &ids, id, first, end, waits, NULL, e);
    }
    if (code != SK_CORRUPT)
        return code;
    scan_leave_out(&w->scan, e);
    return SK_OK;
}
