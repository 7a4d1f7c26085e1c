/*
 * cli/load/words.h: invented names for the operations of the table of call trees, made once from an operation's number.
 */
#ifndef CLI_LOAD_WORDS_H
#define CLI_LOAD_WORDS_H

#include "cli/load/trees.h"

#define WORDS_OPS_MAX 512u

typedef struct op_words {
    char name[80];       /* of the span */
    char route[64];      /* /api/v1/orders/{id}: servers, and clients of one */
    char code[80];       /* com.example.orders.OrderService.find */
    char statement[192]; /* database */
    char rpc_service[48];
    const char *verb, *table, *method, *peer;
    bool has_id; /* the route ends in {id} */
} op_words;

void words_of_op(uint32_t op, op_words *ret);
const char *words_service(uint32_t service);
/* One of many small words, for texts. */
const char *words_noun(uint32_t n);

#endif
