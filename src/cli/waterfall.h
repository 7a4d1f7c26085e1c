/*
 * cli/waterfall.h: one trace as people read it: a tree with bars, a table, or the critical path. Pure: rows in, text out.
 */
#ifndef CLI_WATERFALL_H
#define CLI_WATERFALL_H

#include "base/arena.h"
#include "base/err.h"
#include "cli/node.h"
#include "cli/table.h"
#include "event/tree.h"

typedef struct trace_view_row {
    span service, name, kind, message, span_id;
    int64_t start_ns, duration_ns;
    bool is_error;
} trace_view_row;

typedef struct trace_view {
    span trace_id;
    uint32_t count; /* spans; annotations and logs are only counted */
    trace_view_row *rows;
    tree_span *spans;
    tree tree;
    uint32_t event_count, link_count, log_count, error_count;
    int64_t start_ns, end_ns;
} trace_view;

typedef struct trace_filter {
    int64_t min_ns;
    uint32_t depth; /* 0: all */
    bool errors;
    const char *service;
} trace_filter;

/* Reads GET /skep/v1/traces/{id}; computes self times and the critical path by event/tree.h. */
sk_code trace_view_read(const node *reply, arena *mem, trace_view *ret, err *e) must_use;

void waterfall_print(const trace_view *v, const trace_filter *f, arena *mem, term *t);
void waterfall_print_table(const trace_view *v, const trace_filter *f, table_form form, arena *mem,
                           term *t);
/* The critical path: what each span on it contributes to the total. */
void waterfall_print_critical(const trace_view *v, table_form form, arena *mem, term *t);

/* Where the time went: like spans below like parents as one box. TABLE_PLAIN: folded stacks, for other tools. */
void waterfall_print_flame(const trace_view *v, const trace_filter *f, table_form form, arena *mem,
                           term *t);

/* What the forms share. Per row not 0 when it was asked for or stands above one that was; NULL: no memory. */
uint8_t *waterfall_shown(const trace_view *v, const trace_filter *f, arena *mem,
                         uint32_t *ret_hidden);
void waterfall_heading(const trace_view *v, arena *mem, term *t);
term_color waterfall_color(span service);

/* ns of every span that lie on the critical path and in none of its critical children; `ret` has v->count entries. */
bool waterfall_critical_ns(const trace_view *v, arena *mem, int64_t *ret) must_use;

#endif
