/*
 * cli/pager.h: results longer than the screen are shown by $PAGER (else less, where there is one), on a terminal only.
 */
#ifndef CLI_PAGER_H
#define CLI_PAGER_H

#include "cli/command.h"

/* From now on the first flush of c->out decides: is it longer than the screen, then both stdout and stderr go to the pager,
 * so that remarks stay in their place. */
void pager_allow(cli *c);
void pager_end(cli *c); /* writes what is left and waits until the reader is done */

#endif
