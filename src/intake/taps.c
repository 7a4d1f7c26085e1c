/*
 * intake/taps.c: those who watch batches as they are published: live tail. They run on the committer thread under
 * tap_lock, so that after intake_tap_close returned nothing of the tap runs any more.
 */
#include "base/alloc.h"
#include "intake/intake_private.h"

struct tap {
    intake *owner;
    tap *next;
    uint32_t environment;
    void (*each)(void *ctx, const batch *b);
    void *ctx;
};

tap *intake_tap_open(intake *i, uint32_t environment_id, void (*each)(void *ctx, const batch *b),
                     void *ctx)
{
    tap *t = base_alloc(sizeof *t);
    if (!t)
        return NULL;
    *t = (tap){.owner = i, .environment = environment_id, .each = each, .ctx = ctx};
    lock_take(&i->tap_lock);
    t->next = i->taps;
    i->taps = t;
    lock_drop(&i->tap_lock);
    return t;
}

void intake_tap_close(tap *take_t)
{
    if (!take_t)
        return;
    intake *i = take_t->owner;
    lock_take(&i->tap_lock);
    tap **at = &i->taps;
    while (*at != take_t)
        at = &(*at)->next;
    *at = take_t->next;
    lock_drop(&i->tap_lock);
    base_free(take_t);
}

void intake__tell_taps(intake *i, uint32_t environment_id, const batch *b)
{
    lock_take(&i->tap_lock);
    for (const tap *t = i->taps; t; t = t->next)
        if (t->environment == environment_id)
            t->each(t->ctx, b);
    lock_drop(&i->tap_lock);
}
