/*
 * serve/mailbox.h: what other threads want from an I/O loop: a list of tasks that the loop runs in
 * order. The only way into a loop's state from outside it.
 */
#ifndef SERVE_MAILBOX_H
#define SERVE_MAILBOX_H

#include "base/thread.h"

typedef struct task {
    struct task *next;
    void (*run)(struct task *t); /* on the loop; may free the task */
} task;

typedef struct mailbox {
    lock guard; /* first, last */
    task *first, *last;
    void (*wake)(void *ctx); /* makes the loop call mailbox_run soon; any thread. NULL: the owner
                                runs it by itself */
    void *ctx;
} mailbox;

void mailbox_init(mailbox *m, void (*wake)(void *ctx), void *ctx);
void mailbox_done(mailbox *m); /* must be empty */
/* A task must not be posted again before it ran. */
void mailbox_post(mailbox *m, task *t);
/* Runs what is there, and what those tasks post; returns how many. On the loop only. */
uint32_t mailbox_run(mailbox *m);

#endif
