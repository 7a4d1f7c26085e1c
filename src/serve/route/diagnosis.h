/*
 * serve/route/diagnosis.h: what the doctor concludes from refusals and senders: findings, the one to look at first, and how far
 * each sender comes. For doctor.c.
 */
#ifndef SERVE_ROUTE_DIAGNOSIS_H
#define SERVE_ROUTE_DIAGNOSIS_H

#include "intake/intake.h"
#include "serve/serve.h"

/* The way of an event, in the order in which it can fail. */
typedef enum hop { HOP_NONE, HOP_TRANSPORT, HOP_PATH, HOP_KEY, HOP_BODY, HOP_STORE, HOP_COUNT } hop;
const char *hop_name(hop h);

typedef struct advice {
    const char *reason;
    hop hop; /* where a request with this reason stopped; HOP_NONE: it was no sender's */
    const char *text;
} advice;
advice advice_for(const char *reason);
/* The same, with HOP_NONE for those who asked (a query, whoami) and did not send. */
advice advice_for_sender(const refusal *r);

typedef struct finding {
    const char *kind, *subject, *text, *fix;
} finding;

typedef struct patient {
    const services *s;
    arena *mem;
    environment env;
    int64_t now_ns;
    bool sees_all;           /* may know of other environments */
    const refusal *refusals; /* in reach, newest first */
    uint32_t refusal_count;
    const sender *senders; /* of all environments, newest first */
    uint32_t sender_count;
    finding *findings; /* the worst first */
    uint32_t finding_count;
    finding first; /* what to do first; kind NULL: nothing */
} patient;

/* Fills findings and first. */
void diagnose(patient *p);
/* Whether the refused sender was let in later. */
bool is_healed(const patient *p, const refusal *r);

#endif
