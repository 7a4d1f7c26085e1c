/*
 * cli/query_view.h: an answer to a query, as a table, charts, tabs or CSV.
 */
#ifndef CLI_QUERY_VIEW_H
#define CLI_QUERY_VIEW_H

#include "cli/command.h"
#include "cli/node.h"
#include "cli/table.h"
#include "query/plan.h"

typedef struct query_view {
    plan plan; /* made here, for the names of columns and buckets */
    bool has_series;
} query_view;

typedef struct query_look {
    bool chart, heatmap, series;
    table_form form;
} query_look;

bool query_has_heatmap(const plan *p);
/* `answer`: the reply of POST /skep/v1/query. */
void query_show(cli *c, const query_view *v, const node *answer, const query_look *look);
/* The text, a caret below the byte that is wrong, the sentence. Returns EXIT_USAGE. */
int query_say_error(cli *c, span text, const err *e);

#endif
