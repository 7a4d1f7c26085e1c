/*
 * cli/load/words.c: an operation's number picks words; so its names never change. Called by shape_b.c and shape_logs.c.
 */
#include "cli/load/words.h"

#include <stdio.h>

#include "base/hash.h"

static const char *const services[] = {
    "gateway",   "accounts",  "addresses", "adverts",  "baskets",   "bookings",  "cancellations",
    "catalog",   "checkout",  "contacts",  "currency", "delivery",  "documents", "emails",
    "fares",     "insurance", "inventory", "invoices", "loyalty",   "meals",     "media",
    "messages",  "orders",    "partners",  "payments", "pricing",   "profiles",  "quotes",
    "refunds",   "reports",   "reviews",   "routes",   "search",    "seats",     "security",
    "sessions",  "shipping",  "stations",  "stock",    "suppliers", "taxes",     "tickets",
    "timetable", "tracking",  "trips",     "users",    "vehicles",  "vouchers"};
static const char *const nouns[] = {
    "order",    "item",    "price",   "station", "trip",    "ticket",  "seat",   "user",
    "contact",  "invoice", "payment", "route",   "voucher", "address", "quote",  "parcel",
    "currency", "session", "basket",  "refund",  "carrier", "product", "advert", "policy"};
static const char *const verbs[] = {"find",    "list",   "create", "check",   "update",
                                    "resolve", "cancel", "quote",  "convert", "load"};
static const char *const http_verbs[] = {"GET", "GET", "GET", "POST", "POST", "PUT", "DELETE"};
static const char *const layers[] = {"Controller", "Service", "Repository",
                                     "Handler",    "Cache",   "Validator"};

const char *words_service(uint32_t service)
{
    return services[service % COUNT_OF(services)];
}

const char *words_noun(uint32_t n)
{
    return nouns[n % COUNT_OF(nouns)];
}

static void set_code(op_words *w, const char *service, const char *noun, const char *verb,
                     uint64_t h)
{
    snprintf(w->code, sizeof w->code, "com.example.%s.%c%s%s.%s", service, noun[0] - 'a' + 'A',
             noun + 1, layers[(h >> 32) % COUNT_OF(layers)], verb);
}

static void set_statement(op_words *w, const char *table, uint64_t h)
{
    w->table = table;
    w->verb = (const char *const[]){"SELECT", "SELECT", "SELECT", "INSERT", "UPDATE"}[(h >> 8) % 5];
    if (w->verb[0] == 'S')
        snprintf(w->statement, sizeof w->statement,
                 "SELECT t.id, t.%s_id, t.state, t.amount, t.created_at, t.updated_at FROM %ss t "
                 "WHERE t.%s_id = ? AND t.state <> ?",
                 words_noun((uint32_t)(h >> 16)), table, words_noun((uint32_t)(h >> 20)));
    else if (w->verb[0] == 'I')
        snprintf(w->statement, sizeof w->statement,
                 "INSERT INTO %ss (id, %s_id, state, amount, created_at) VALUES (?, ?, ?, ?, ?)",
                 table, words_noun((uint32_t)(h >> 16)));
    else
        snprintf(w->statement, sizeof w->statement,
                 "UPDATE %ss SET state = ?, amount = ?, updated_at = ? WHERE id = ?", table);
}

void words_of_op(uint32_t op, op_words *ret)
{
    const tree_op *o = &tree_ops[op];
    uint64_t h = hash_mix(0x6c6f6164 + op);
    const char *service = words_service(o->service), *noun = words_noun(op),
               *verb = verbs[h % COUNT_OF(verbs)];
    *ret = (op_words){.method = verb, .verb = http_verbs[h % COUNT_OF(http_verbs)], .table = noun};
    ret->peer = words_service((uint32_t)(h >> 24));
    ret->has_id = (h >> 12) % 3 != 0;
    set_code(ret, service, noun, verb, h);
    snprintf(ret->rpc_service, sizeof ret->rpc_service, "example.%s.%c%s", service,
             noun[0] - 'a' + 'A', noun + 1);
    snprintf(ret->route, sizeof ret->route, "/api/v1/%s/%ss%s", service, noun,
             ret->has_id ? "/{id}" : "");
    switch ((tree_kind)o->kind) {
    case TREE_HTTP_SERVER:
        snprintf(ret->name, sizeof ret->name, "%s %s", ret->verb, ret->route);
        break;
    case TREE_HTTP_CLIENT: snprintf(ret->name, sizeof ret->name, "%s", ret->verb); break;
    case TREE_RPC_SERVER:
    case TREE_RPC_CLIENT:
        snprintf(ret->name, sizeof ret->name, "%s/%s", ret->rpc_service, verb);
        break;
    case TREE_DATABASE:
        set_statement(ret, noun, h);
        snprintf(ret->name, sizeof ret->name, "%s %s.%ss", ret->verb, service, noun);
        break;
    case TREE_PRODUCER: snprintf(ret->name, sizeof ret->name, "%ss publish", noun); break;
    case TREE_CONSUMER: snprintf(ret->name, sizeof ret->name, "%ss process", noun); break;
    case TREE_INTERNAL:
        snprintf(ret->name, sizeof ret->name, "%s", ret->code + sizeof "com.example");
        break;
    }
}
