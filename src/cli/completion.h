/*
 * cli/completion.h: what the shell's completion scripts are told.
 */
#ifndef CLI_COMPLETION_H
#define CLI_COMPLETION_H

#include "cli/command.h"

/* Prints "candidate TAB help" lines for the last of `words` (what stands before the cursor, after "skep"); ":files" where
 * the shell shall offer files. */
void completion_print(cli *c, char **words, uint32_t count);

/* What names the server knows: "DATASET" or "SERVICE", "FIELD", "ENVIRONMENT", as options call them; NULL for other kinds,
 * and when it does not say so quickly. Kept for a minute. `c` has its URL and key; it prints nothing. */
bool completion_is_asked(const char *kind);
span completion_names(cli *c, const char *kind); /* lines */

#endif
