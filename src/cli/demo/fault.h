/*
 * cli/demo/fault.h: what is wrong with the shop. A seed plants one fault of six kinds, in a place of its own choice; around it
 * are distractors that look worse than they are (the nightly report has the longest spans, logins burn CPU, another
 * service is deployed at the same minute, bots get 404s). The culprit is never simply the longest span.
 */
#ifndef CLI_DEMO_FAULT_H
#define CLI_DEMO_FAULT_H

#include "base/buf.h"
#include "cli/demo/random.h"
#include "cli/demo/shop.h"

typedef enum fault_kind {
    FAULT_SLOW_QUERY, /* one collection is slow for visitors of one country */
    FAULT_NETWORK_DELAY, /* calls between two services lose time on the way: the callee is as quick as ever */
    FAULT_CPU,           /* one pod of a service is starved: its own time grows */
    FAULT_BAD_DEPLOY, /* a new version fails for one card type, fast; its caller retries */
    FAULT_N_PLUS_ONE, /* a new version asks for each row by itself */
    FAULT_QUEUE_LAG,  /* one consumer pod is stuck: its messages wait */
    FAULT_KIND_COUNT
} fault_kind;

typedef struct fault {
    fault_kind kind;
    int64_t from_ns;              /* wall clock */
    shop_service service, caller; /* culprit; for network delay: callee and caller */
    uint32_t pod;
    int op; /* of shop_ops: slow query, n+1; -1 when it does not apply */
    const char *country, *card;
    double strength;
    shop_service decoy; /* deployed at the same time, and harmless */
} fault;

extern const char *const fault_countries[];
extern const uint32_t fault_country_count;
extern const char *const fault_cards[];
extern const uint32_t fault_card_count;

fault fault_of_seed(uint64_t seed, int64_t from_ns);
/* The truth, in words and as a query that shows it. */
void fault_reveal(const fault *f, buf *out);

#endif
