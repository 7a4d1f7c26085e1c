/*
 * cli/table.h: rows and columns on a terminal, as tabs (--plain) or as CSV.
 */
#ifndef CLI_TABLE_H
#define CLI_TABLE_H

#include "base/arena.h"
#include "cli/term.h"

typedef struct table table;

typedef enum table_form { TABLE_ALIGNED, TABLE_PLAIN, TABLE_CSV } table_form;

table *table_new(arena *mem, uint32_t column_count); /* NULL when memory is short */
void table_column(table *t, uint32_t column, span name, bool right);
void table_keep_whole(table *t, uint32_t column); /* cut only when nothing else can be: ids */
/* Cells come row by row, left to right. The text must live as long as the table. */
void table_cell(table *t, span text, term_color color);
void table_printf(table *t, term_color color, const char *format, ...) format_like(3, 4);
/* RFC 3339 text: as local time to the second where people read it; "" stays empty. */
void table_time(table *t, span time, table_form form);
void table_age(table *t, span time, table_form form); /* "3s ago"; "never" when empty */
uint32_t table_rows(const table *t);
/* On a terminal that is too narrow the widest columns are cut. */
void table_print(const table *t, table_form form, term *out);

#endif
