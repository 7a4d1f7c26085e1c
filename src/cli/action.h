/*
 * cli/action.h: commands with actions of their own: skep keys create, skep user add NAME.
 */
#ifndef CLI_ACTION_H
#define CLI_ACTION_H

#include "cli/command.h"

typedef struct action {
    const char *name; /* NULL ends a table */
    uint32_t words;   /* that follow it: 0 or 1 */
    const char *takes;
    int (*run)(cli *c, void *own, const char *word);
} action;

/* The first action is what happens when none is named. */
int action_run(cli *c, void *own, const action *actions);
/* Asks on the terminal; without one, or with --no-input, only --yes will do. */
bool action_is_agreed(cli *c, bool yes, const char *question);

#endif
