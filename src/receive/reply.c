/*
 * receive/reply.c: what a sender hears: the success reply of the OTLP rows, and google.rpc.Status
 * for every error. Called by serve through receive/table.c. Never: more than 4 KiB of text (clients
 * accept 4 MiB answers at most). Source: otlp.md §2, §3, §4; proto3's JSON mapping for int64
 * (strings) and Any ("@type").
 */
#include <stdio.h>

#include "receive/reply_private.h"
#include "wire/json.h"
#include "wire/protobuf.h"

#define RETRY_DEFAULT_S  1u /* base/err.h: retry_after_s 0 */
#define BAD_REQUEST_TYPE "type.googleapis.com/google.rpc.BadRequest"
#define RETRY_INFO_TYPE  "type.googleapis.com/google.rpc.RetryInfo"
#define REPLY_TEXT_MAX   (4 * KIB)

/* "2 of 512 spans were not stored. 2 × resourceSpans[0]…; …" */
static void print_drops(const receive_output *done, buf *text)
{
    if (done->rejected > 0)
        buf_print(text, "%llu of %llu items were not stored; do not send them again. ",
                  (unsigned long long)done->rejected, (unsigned long long)done->item_count);
    for (uint32_t i = 0; i < done->drop_count; i++) {
        const receive_drop *drop = &done->drops[i];
        buf_print(text, "%s%s", i > 0 ? "; " : "", drop->text);
        if (drop->count > 1)
            buf_print(text, " (and %u more like it)", drop->count - 1);
    }
}

static void put_protobuf_reply(uint64_t rejected, span text, buf *out)
{
    size_t partial = pb_begin(out, 1);
    if (rejected > 0)
        pb_put_var(out, 1, rejected);
    pb_put_bytes(out, 2, text);
    pb_finish(out, partial);
}

static void put_json_reply(uint64_t rejected, const char *key, span text, buf *out)
{
    json_writer w = {.out = out};
    jw_object(&w);
    jw_key_text(&w, "partialSuccess");
    jw_object(&w);
    if (rejected > 0) {
        jw_key_text(&w, key);
        jw_i64_text(&w, (int64_t)rejected);
    }
    jw_key_text(&w, "errorMessage");
    jw_string(&w, text);
    jw_object_end(&w);
    jw_object_end(&w);
}

void otlp_reply(const receive_output *done, receive_form form, const char *rejected_json_key,
                buf *out)
{
    if (done->drop_count == 0) { /* full success: an empty message */
        if (form == FORM_JSON)
            buf_add_text(out, "{}");
        return;
    }
    buf text;
    buf_init(&text, REPLY_TEXT_MAX);
    print_drops(done, &text);
    if (form == FORM_JSON)
        put_json_reply(done->rejected, rejected_json_key, buf_span(&text), out);
    else
        put_protobuf_reply(done->rejected, buf_span(&text), out);
    buf_done(&text);
}

/* ---- google.rpc.Status ---- */

static void put_protobuf_detail(const char *type, const buf *message, buf *out)
{
    size_t any = pb_begin(out, 3);
    pb_put_bytes(out, 1, span_text(type));
    pb_put_bytes(out, 2, buf_span(message));
    pb_finish(out, any);
}

static void put_protobuf_status(const err *e, span field, uint32_t retry_s, buf *out)
{
    pb_put_var(out, 1, (uint64_t)sk_grpc_status(e->code));
    pb_put_bytes(out, 2, span_text(e->text));
    buf detail;
    buf_init(&detail, REPLY_TEXT_MAX);
    if (e->code == SK_BAD_INPUT) {
        size_t violation = pb_begin(&detail, 1);
        pb_put_bytes(&detail, 1, field);
        pb_put_bytes(&detail, 2, span_text(e->text));
        pb_finish(&detail, violation);
        put_protobuf_detail(BAD_REQUEST_TYPE, &detail, out);
    } else if (sk_may_retry(e->code)) {
        size_t delay = pb_begin(&detail, 1);
        pb_put_var(&detail, 1, retry_s);
        pb_finish(&detail, delay);
        put_protobuf_detail(RETRY_INFO_TYPE, &detail, out);
    }
    buf_done(&detail);
}

static void put_json_status(const err *e, span field, uint32_t retry_s, buf *out)
{
    char delay[16];
    json_writer w = {.out = out};
    jw_object(&w);
    jw_key_text(&w, "code");
    jw_i64(&w, sk_grpc_status(e->code));
    jw_key_text(&w, "message");
    jw_text(&w, e->text);
    jw_key_text(&w, "details");
    jw_array(&w);
    if (e->code == SK_BAD_INPUT) {
        jw_object(&w);
        jw_key_text(&w, "@type");
        jw_text(&w, BAD_REQUEST_TYPE);
        jw_key_text(&w, "fieldViolations");
        jw_array(&w);
        jw_object(&w);
        jw_key_text(&w, "field");
        jw_string(&w, field);
        jw_key_text(&w, "description");
        jw_text(&w, e->text);
        jw_object_end(&w);
        jw_array_end(&w);
        jw_object_end(&w);
    } else if (sk_may_retry(e->code)) {
        snprintf(delay, sizeof(delay), "%us", retry_s);
        jw_object(&w);
        jw_key_text(&w, "@type");
        jw_text(&w, RETRY_INFO_TYPE);
        jw_key_text(&w, "retryDelay");
        jw_text(&w, delay);
        jw_object_end(&w);
    }
    jw_array_end(&w);
    jw_object_end(&w);
}

void receive_error_body(const err *e, receive_form form, buf *out)
{
    char field[40];
    uint32_t retry_s = e->retry_after_s > 0 ? e->retry_after_s : RETRY_DEFAULT_S;
    snprintf(field, sizeof(field), e->offset > 0 ? "body at byte %zu" : "body", e->offset);
    if (form == FORM_JSON)
        put_json_status(e, span_text(field), retry_s, out);
    else
        put_protobuf_status(e, span_text(field), retry_s, out);
}
