/*
 * serve/route/ingest.c: see ingest.h: one request of any ingest protocol, from its body to its acknowledgement.
 * Called on a decode worker through the route table; the reply leaves from the committer thread once the batch is durable.
 * Never: answers success before that, or says nothing about an item that was not kept (partial success, counters, doctor).
 */
#include "serve/route/ingest.h"

#include <stdio.h>

#include "base/hash.h"
#include "base/must.h"
#include "receive/receive.h"
#include "serve/auth.h"

/* The batch may grow to this multiple of the body; what really is reserved for decoding is the smaller one (typed columns
 * and a dictionary take about as much as the body; the batch itself is accounted by intake). */
#define BATCH_CAP_RATIO      32u
#define DECODE_RESERVE_RATIO 2u

/* One request between intake_submit and its reply. Both the worker and `done` must be through with it. */
typedef struct pending {
    exchange *x;
    const receive_row *row;
    receive_form form;
    receive_output output; /* batch is NULL: given away */
    intake_report report;
    span service; /* the first row's dataset, for the books */
    err outcome;
    atomic_uint parts; /* of worker and done: who comes last replies */
} pending;

static const char *reason_of(sk_code code)
{
    static const struct {
        sk_code code;
        const char *reason;
    } reasons[] = {{SK_BAD_INPUT, "bad_body"},
                   {SK_TOO_LARGE, "too_large"},
                   {SK_UNSUPPORTED, "wrong_content_type"},
                   {SK_NO_MEMORY, "no_memory"},
                   {SK_BUSY, "busy"},
                   {SK_IO, "disk"},
                   {SK_NOT_FOUND, "gone_environment"},
                   {SK_THROTTLED, "quota"},
                   {SK_CLOSING, "closing"}};
    for (size_t i = 0; i < COUNT_OF(reasons); i++)
        if (reasons[i].code == code)
            return reasons[i].reason;
    return sk_name(code);
}

static void refuse(exchange *take_x, span service, const err *why)
{
    auth_note_refusal(exchange_services(take_x), take_x, reason_of(why->code),
                      exchange_caller(take_x)->environment, service, 1, why);
    exchange_fail(take_x, why);
}

/* ---- the request ---- */

static const receive_row *row_of(const exchange *x)
{
    const char *name = exchange_route(x)->data;
    for (size_t i = 0; i < receive_table_count; i++)
        if (strcmp(receive_table[i].name, name) == 0)
            return &receive_table[i];
    never();
}

static sk_code read_form(const exchange *x, const receive_row *row, receive_form *ret, err *e)
{
    span rest = exchange_header(x, "content-type");
    span type = span_trim(span_cut(&rest, ';'));
    *ret = FORM_PROTOBUF;
    if (exchange_is_grpc(x))
        return SK_OK;
    bool is_known = span_equal_nocase(type, SPAN("application/x-protobuf")) ||
                    span_equal_nocase(type, SPAN("application/protobuf"));
    if (span_equal_nocase(type, SPAN("application/json"))) {
        *ret = FORM_JSON;
        is_known = true;
    }
    if (is_known && (row->forms & 1u << *ret))
        return SK_OK;
    if (type.len == 0)
        return err_set(e, SK_UNSUPPORTED,
                       "the content-type header is missing; send application/x-protobuf or "
                       "application/json");
    return err_set(
        e, SK_UNSUPPORTED,
        "content-type \"%.*s\" is not taken at %s; send application/x-protobuf or application/json",
        SPAN_FMT(span_first(type, 60)), row->http_path);
}

/* Two requests are one and the same when their inflated bytes, their kind and their dataset are. (Compressed bytes may
 * differ between tries: gzip stores a time.) Never all zero, which would mean "no hash". */
static hash128 identity_of(const receive_row *row, span body, span dataset)
{
    hash128 h = hash128_of(body);
    h.lo ^= hash64(span_text(row->name));
    h.hi ^= hash_mix(hash64(dataset));
    if ((h.lo | h.hi) == 0)
        h.lo = 1;
    return h;
}

/* ---- the reply ---- */

/* What policy refused joins what the receiver dropped. */
static void merge_report(pending *p)
{
    receive_output *out = &p->output;
    const intake_report *r = &p->report;
    if (r->refused_rows == 0)
        return;
    receive_drop drop = {.code = SK_BAD_INPUT, .count = r->refused_rows};
    snprintf(drop.text, sizeof drop.text, "%s", r->text);
    if (out->drop_count == RECEIVE_REASONS_MAX)
        out->drop_count--;
    out->drops[out->drop_count++] = drop;
    out->rejected += r->refused_items;
    if (out->rejected > out->item_count)
        out->rejected = out->item_count;
}

static void note_drops(const pending *p)
{
    const services *s = exchange_services(p->x);
    uint32_t env = exchange_caller(p->x)->environment;
    err why = {0};
    for (uint32_t i = 0; i < p->output.drop_count; i++) {
        const receive_drop *d = &p->output.drops[i];
        err_set(&why, d->code, "%s", d->text);
        auth_note_refusal(s, p->x, "dropped_items", env, p->service, d->count, &why);
    }
    if (p->report.refused_rows) {
        err_set(&why, SK_BAD_INPUT, "%s", p->report.text);
        auth_note_refusal(s, p->x, "too_old", env, p->service, p->report.refused_rows, &why);
    }
}

static void answer(pending *p)
{
    exchange *x = p->x;
    if (p->outcome.code) {
        refuse(x, p->service, &p->outcome);
        return;
    }
    if (!p->report.is_repeat) /* its first copy was counted */
        note_drops(p);
    merge_report(p);
    buf out;
    buf_init(&out, 16 * KIB);
    p->row->reply(&p->output, p->form, &out);
    exchange_reply_buf(x, 200, p->form == FORM_JSON ? "application/json" : "application/x-protobuf",
                       &out);
}

static void finish_part(pending *p)
{
    if (atomic_fetch_sub(&p->parts, 1) == 1)
        answer(p);
}

static void on_done(void *ctx, const err *outcome)
{
    pending *p = ctx;
    p->outcome = *outcome;
    finish_part(p);
}

/* ---- the way in ---- */

static sk_code decode(pending *p, span body, err *e)
{
    exchange *x = p->x;
    if (!exchange_reserve(x, body.len * DECODE_RESERVE_RATIO))
        return err_set(e, SK_NO_MEMORY,
                       "the server's memory bound is reached; send it again in a moment");
    const receive_input in = {
        .body = body,
        .form = p->form,
        .dataset_header = span_trim(exchange_header(x, "x-honeycomb-dataset")),
        .arrival_ns = exchange_arrival_ns(x),
        .batch_cap_bytes = body.len * BATCH_CAP_RATIO + MIB,
    };
    sk_code code = p->row->decode(&in, &p->output, e);
    if (code)
        return code;
    const batch *b = p->output.batch;
    span dataset;
    if (b->row_count > 0 && arena_copy(exchange_arena(x), batch_text(b, b->dataset[0]), &dataset))
        p->service = dataset;
    return SK_OK;
}

static sk_code submit(pending *p, span body, err *e)
{
    exchange *x = p->x;
    const services *s = exchange_services(x);
    const caller *who = exchange_caller(x);
    char user_agent[96], source[64], origin[96];
    span address = span_text(exchange_peer(x)->text);
    while (address.len > 0 && address.at[address.len - 1] != ':')
        address.len--; /* the port changes with every connection */
    snprintf(source, sizeof source, "%.*s", (int)(address.len ? address.len - 1 : 0),
             (const char *)address.at);
    snprintf(user_agent, sizeof user_agent, "%.*s", SPAN_FMT(exchange_header(x, "user-agent")));
    snprintf(origin, sizeof origin, "%.*s", SPAN_FMT(exchange_header(x, "origin")));
    intake_accepted(s->intake,
                    &(arrival){.environment = who->environment,
                               .key_id = who->key_id,
                               .source = source,
                               .user_agent = user_agent,
                               .origin = origin},
                    p->output.batch);
    submission in = {
        .environment = who->environment,
        .body_hash = identity_of(p->row, body, exchange_header(x, "x-honeycomb-dataset")),
        .take_batch = p->output.batch,
    };
    p->output.batch = NULL;
    return intake_submit(s->intake, &in, &p->report, on_done, p, e);
}

void route_ingest(exchange *take_x)
{
    exchange *x = take_x;
    err e = {0};
    span body, service = SPAN("");
    pending *p = ARENA_NEW(exchange_arena(x), pending);
    sk_code code = p ? SK_OK : err_set(&e, SK_NO_MEMORY, "out of memory");
    if (!code) {
        p->x = x;
        p->row = row_of(x);
        atomic_init(&p->parts, 2);
        code = read_form(x, p->row, &p->form, &e);
    }
    if (!code)
        code = exchange_body(x, &body, &e);
    if (!code && !(code = decode(p, body, &e)))
        code = submit(p, body, &e);
    if (code) {
        if (p)
            service = p->service;
        e.code = code;
        refuse(x, service, &e);
        return;
    }
    finish_part(p);
}
