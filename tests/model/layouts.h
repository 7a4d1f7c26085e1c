/*
 * tests/model/layouts.h: the real engine holding one world in different ways: what is asked may not show in the answers.
 */
#ifndef TESTS_MODEL_LAYOUTS_H
#define TESTS_MODEL_LAYOUTS_H

#include "engine/local/local.h"
#include "world.h"

typedef enum layout {
    LAYOUT_OPEN,     /* all in open batches */
    LAYOUT_SEALED,   /* one seal at the end */
    LAYOUT_SEGMENTS, /* a seal every few batches */
    LAYOUT_MERGED,   /* the same, then merged */
    LAYOUT_MIXED,    /* seals, merges, restarts and open batches as chance has it */
    LAYOUT_COUNT
} layout;

extern const char *const layout_names[LAYOUT_COUNT];

typedef struct holder {
    engine *engine;
    char dir[300];
    uint32_t workers;
    bool keeps_nothing; /* as it was opened last: another time it is the other way */
} holder;

void holder_open(holder *h, world *w); /* below check_dir() */
/* Gives it the world's batches from the first-th on. */
void holder_fill(holder *h, world *w, uint32_t first, layout l);
void holder_seal(holder *h);
/* Closes and opens it again; what was not sealed is published again, as a journal's replay would. */
void holder_restart(holder *h, const world *w, uint32_t published);
void holder_close(holder *h);

#endif
