/*
 * cli/options.h: what was asked on the command line, in SKEP_* variables and in the user's file.
 */
#ifndef CLI_OPTIONS_H
#define CLI_OPTIONS_H

#include "cli/command.h"

extern const cli_option common_options[]; /* ended by a NULL name */

/* Fills common options of `c` and the command's own; leaves the other words in c->words. Flags win over variables, those
 * over the file. Returns EXIT_OK or, having said why, EXIT_USAGE. */
int options_parse(cli *c, void *own, int argc, char **argv);
/* "--name" or "-l": the command's own option, else the common one; NULL. */
const cli_option *options_find(const command *of, span given);
/* "500ms", "90s", "5m", "2h", "7d", "1w". */
bool options_duration(span text, int64_t *ret_ns);

#endif
