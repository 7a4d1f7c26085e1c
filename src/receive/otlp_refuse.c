/*
 * receive/otlp_refuse.c: items that are not stored, and why: one entry per reason with a count and
 * the first case in words: which item, which field, which limit, what to do. Called by the OTLP
 * decoders.
 */
#include <stdarg.h>
#include <stdio.h>

#include "receive/otlp_private.h"

static const struct {
    sk_code code;
    const char *sentence; /* for attributes; behind "<item>.<where>[<index>]" */
} reasons[REASON_COUNT] = {
    [REASON_TRACE_ID] = {SK_BAD_INPUT, NULL},
    [REASON_SPAN_ID] = {SK_BAD_INPUT, NULL},
    [REASON_FIELDS] = {SK_TOO_LARGE, " makes more than 2,000 fields; send fewer attributes"},
    [REASON_NAME] = {SK_TOO_LARGE, " has a name of more than 1,024 bytes; shorten it"},
    [REASON_DEPTH] = {SK_TOO_LARGE, " is nested deeper than 32 levels; send it flatter or as text"},
    [REASON_MISTYPED] = {SK_BAD_INPUT, NULL},
    [REASON_HISTOGRAM] = {SK_BAD_INPUT, NULL},
    [REASON_CONTEXT] = {SK_BAD_INPUT, NULL},
};
_Static_assert(EVENT_FIELDS_MAX == 2000 && EVENT_FIELD_NAME_MAX == 1024 && OTLP_NEST_MAX == 32,
               "the sentences above name these limits");

void otlp_path(const otlp *o, otlp_level level, char *out, size_t size)
{
    const char *const names[] = {"", o->signal->resource_path, o->signal->scope_path,
                                 o->signal->item_path, o->point_path};
    const uint32_t indexes[] = {0, o->resource_index, o->scope_index, o->item_index,
                                o->point_index};
    size_t len = 0, steps = level == OTLP_IN_ITEM && o->point_path ? 4 : (size_t)level;
    snprintf(out, size, "the request");
    for (size_t i = 1; i <= steps && len < size; i++) {
        int n = snprintf(out + len, size - len, "%s%s[%u]", i > 1 ? "." : "", names[i], indexes[i]);
        len += n > 0 ? (size_t)n : 0;
    }
}

/* The entry of a reason, made on first use: NULL when it is there already (its text stands). */
static char *first_of_reason(otlp *o, otlp_reason reason, uint32_t **ret_count)
{
    receive_output *out = o->out;
    bool is_new = o->drop_of_reason[reason] == 0;
    if (is_new && out->drop_count < RECEIVE_REASONS_MAX) {
        out->drops[out->drop_count].code = reasons[reason].code;
        o->drop_of_reason[reason] = (uint8_t)++out->drop_count;
    } else if (is_new) {
        o->drop_of_reason[reason] = RECEIVE_REASONS_MAX;
        is_new = false;
    }
    receive_drop *drop = &out->drops[o->drop_of_reason[reason] - 1];
    *ret_count = &drop->count;
    return is_new ? drop->text : NULL;
}

static void note(otlp *o, otlp_reason reason, const char *format, va_list args)
{
    uint32_t *count;
    char *text = first_of_reason(o, reason, &count);
    ++*count;
    if (!text)
        return;
    char path[112], why[192];
    otlp_path(o, o->level, path, sizeof(path));
    vsnprintf(why, sizeof(why), format, args);
    err e; /* err_set makes the sender's bytes printable */
    err_set(&e, reasons[reason].code, "%s%s", path, why);
    size_t len = strlen(e.text);
    while (len >= sizeof(o->out->drops[0].text) || (len > 0 && (e.text[len] & 0xC0) == 0x80))
        len--; /* not within a UTF-8 sequence */
    memcpy(text, e.text, len);
    text[len] = 0;
}

void otlp_reject(otlp *o, otlp_reason reason, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    note(o, reason, format, args);
    va_end(args);
    o->out->rejected++;
}

void otlp_warn(otlp *o, otlp_reason reason, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    note(o, reason, format, args);
    va_end(args);
}

bool otlp_list_is_bad(otlp *o, const otlp_list *list, const char *where)
{
    if (likely(list->bad == REASON_NONE))
        return false;
    otlp_reject(o, list->bad, ".%s[%u]%s", where, list->bad_index, reasons[list->bad].sentence);
    return true;
}

void otlp_reject_value(otlp *o, otlp_reason bad, const char *where)
{
    otlp_reject(o, bad, "%s%s", where, reasons[bad].sentence);
}

void otlp_reject_fields(otlp *o)
{
    otlp_reject(
        o, REASON_FIELDS,
        " makes more than 2,000 fields with its resource's and scope's; send fewer attributes");
}

void otlp_warn_context(otlp *o, const otlp_list *list, const char *where)
{
    if (list->bad == REASON_NONE)
        return;
    uint32_t *count;
    char *text = first_of_reason(o, REASON_CONTEXT, &count);
    ++*count;
    if (text)
        snprintf(text, sizeof(o->out->drops[0].text),
                 "%s[%u].%s.attributes[%u]%s (left out; the items are kept)",
                 o->signal->resource_path, o->resource_index, where, list->bad_index,
                 reasons[list->bad].sentence);
}
