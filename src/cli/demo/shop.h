/*
 * cli/demo/shop.h: the demo shop as data: its services, where they run, and what their operations call. One row each.
 */
#ifndef CLI_DEMO_SHOP_H
#define CLI_DEMO_SHOP_H

#include "base/port.h"
#include "event/tree.h"

typedef enum shop_service {
    SHOP_WEB, /* the browser */
    SHOP_GATEWAY,
    SHOP_CATALOG,
    SHOP_CART,
    SHOP_PRICING,
    SHOP_RECOMMENDATION,
    SHOP_CHECKOUT,
    SHOP_PAYMENT,
    SHOP_INVENTORY,
    SHOP_SHIPPING,
    SHOP_IDENTITY,
    SHOP_EMAIL,
    SHOP_REPORTS,
    SHOP_SERVICE_COUNT,
    SHOP_POSTGRES =
        SHOP_SERVICE_COUNT, /* what follows has no spans of its own: callers' CLIENT spans tell of it */
    SHOP_REDIS,
    SHOP_CARD_API,
    SHOP_QUEUE,
    SHOP_PEER_COUNT
} shop_service;

typedef struct shop_service_row {
    const char *name;
    const char *version, *next_version; /* the second is deployed in the middle of the story */
    uint32_t pods;
    const char *language;
} shop_service_row;

extern const shop_service_row shop_services[SHOP_SERVICE_COUNT];

#define SHOP_CALLS_MAX 7u

typedef struct shop_call {
    int op;            /* 1 + index of shop_ops; 0 ends the list */
    uint32_t min, max; /* how often */
    bool is_parallel;  /* together with the call before it */
} shop_call;

typedef struct shop_op {
    shop_service service;
    const char *
        name; /* of the SERVER, CONSUMER or INTERNAL span; of the CLIENT span for peers without spans */
    const char *route; /* http.route, rpc.method, db.collection.name or destination */
    double own_us;     /* median of what it does itself */
    double sigma;
    span_kind kind;
    const char *statement; /* db.query.text */
    shop_call calls[SHOP_CALLS_MAX];
} shop_op;

extern const shop_op shop_ops[];
extern const uint32_t shop_op_count;

/* What visitors do: an operation of the gateway (or the batch job) and how often, of 1000. */
typedef struct shop_visit {
    uint32_t op; /* index of shop_ops */
    uint32_t per_mille;
} shop_visit;

extern const shop_visit shop_visits[];
extern const uint32_t shop_visit_count;

#endif
