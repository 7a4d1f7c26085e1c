/*
 * serve/mailbox.c: see mailbox.h. Called by workers and the committer (post) and by each I/O loop
 * (run). Never: runs a task while the lock is held.
 */
#include "serve/mailbox.h"

#include "base/must.h"

void mailbox_init(mailbox *m, void (*wake)(void *ctx), void *ctx)
{
    *m = (mailbox){.wake = wake, .ctx = ctx};
    lock_init(&m->guard, RANK_LEAF);
}

void mailbox_done(mailbox *m)
{
    must(m->first == NULL);
    lock_done(&m->guard);
}

void mailbox_post(mailbox *m, task *t)
{
    t->next = NULL;
    lock_take(&m->guard);
    bool was_empty = m->first == NULL;
    if (was_empty)
        m->first = t;
    else
        m->last->next = t;
    m->last = t;
    /* Under the lock: once it is dropped the loop may have run the task and be gone. */
    if (was_empty && m->wake)
        m->wake(m->ctx);
    lock_drop(&m->guard);
}

uint32_t mailbox_run(mailbox *m)
{
    uint32_t count = 0;
    for (;;) {
        lock_take(&m->guard);
        task *t = m->first;
        m->first = m->last = NULL;
        lock_drop(&m->guard);
        if (!t)
            return count;
        for (task *next; t; t = next, count++) {
            next = t->next; /* run may free t */
            t->run(t);
        }
    }
}
