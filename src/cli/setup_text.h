/*
 * cli/setup_text.h: what a compose file, an env block, set-up code or a console exporter's output says about why nothing
 * arrives. Pure. The page of the web interface reads the same: web/src/pages/doctor/pasted.ts; tests/data/doctor/read/cases.json
 * holds both to the same answers.
 */
#ifndef CLI_SETUP_TEXT_H
#define CLI_SETUP_TEXT_H

#include "base/arena.h"

#define SETUP_FINDINGS_MAX 64u

typedef struct setup_finding {
    uint32_t line;
    const char *kind;
    span text, fix;
} setup_finding;

typedef struct setup_report {
    setup_finding items[SETUP_FINDINGS_MAX]; /* by line */
    uint32_t count;
} setup_report;

/* `server`: the address that senders should use. False when memory is short. */
bool setup_read(span text, span server, arena *mem, setup_report *ret);

#endif
