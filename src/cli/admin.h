/*
 * cli/admin.h: what commands share about keys.
 */
#ifndef CLI_ADMIN_H
#define CLI_ADMIN_H

#include "cli/api.h"
#include "wire/json.h"

/* Makes a key of the asked environment; the reply holds its secret, which no one can show again. */
/* `origins`: a comma list for browser keys, else NULL. */
int admin_key_create(cli *c, const char *name, const char *kind, const char *origins,
                     span *ret_text, const node **ret);

int admin_print_json(cli *c, span text);
/* "key": "text"; nothing when text is NULL. */
void admin_add_member(json_writer *w, const char *key, const char *text);

#endif
