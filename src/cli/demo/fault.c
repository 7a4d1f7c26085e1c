/*
 * cli/demo/fault.c: which fault a seed plants, and its description. Called by the demo command; the effects are in
 * cli/demo/visit.c, where a visit asks the fault what it does to each step.
 */
#include "cli/demo/fault.h"

const char *const fault_countries[] = {"de", "fr", "us", "br", "in", "jp", "nl", "za"};
const uint32_t fault_country_count = COUNT_OF(fault_countries);
const char *const fault_cards[] = {"visa", "mastercard", "amex", "maestro"};
const uint32_t fault_card_count = COUNT_OF(fault_cards);

static int find_op(shop_service peer, const char *route, const char *name)
{
    for (uint32_t i = 0; i < shop_op_count; i++)
        if (shop_ops[i].service == peer && shop_ops[i].route &&
            strcmp(shop_ops[i].route, route) == 0 && (!name || strcmp(shop_ops[i].name, name) == 0))
            return (int)i;
    return -1;
}

fault fault_of_seed(uint64_t seed, int64_t from_ns)
{
    static const shop_service busy[] = {SHOP_CATALOG, SHOP_PRICING, SHOP_RECOMMENDATION,
                                        SHOP_INVENTORY, SHOP_SHIPPING};
    static const struct {
        shop_service caller, callee;
    } calls[] = {{SHOP_GATEWAY, SHOP_CATALOG},
                 {SHOP_GATEWAY, SHOP_IDENTITY},
                 {SHOP_CHECKOUT, SHOP_PRICING},
                 {SHOP_CHECKOUT, SHOP_INVENTORY},
                 {SHOP_RECOMMENDATION, SHOP_CATALOG}};
    static const char *const collections[] = {"products", "prices", "stock"};
    dice d = {seed * 0x9e3779b97f4a7c15ull + 1};
    fault f = {.kind = (fault_kind)(seed % FAULT_KIND_COUNT), .from_ns = from_ns, .op = -1};
    f.country = fault_countries[dice_below(&d, fault_country_count)];
    f.card = fault_cards[dice_below(&d, fault_card_count)];
    f.strength = 0.8 + 0.6 * dice_unit(&d);
    f.service = busy[dice_below(&d, COUNT_OF(busy))];
    uint32_t call = dice_below(&d, COUNT_OF(calls)),
             collection = dice_below(&d, COUNT_OF(collections));
    switch (f.kind) {
    case FAULT_SLOW_QUERY: f.op = find_op(SHOP_POSTGRES, collections[collection], NULL); break;
    case FAULT_NETWORK_DELAY:
        f.caller = calls[call].caller;
        f.service = calls[call].callee;
        break;
    case FAULT_CPU: break;
    case FAULT_BAD_DEPLOY: f.service = SHOP_PAYMENT; break;
    case FAULT_N_PLUS_ONE:
        f.service = dice_chance(&d, 0.5) ? SHOP_CATALOG : SHOP_PRICING;
        f.op = f.service == SHOP_CATALOG ? find_op(SHOP_POSTGRES, "products", NULL)
                                         : find_op(SHOP_POSTGRES, "prices", NULL);
        break;
    case FAULT_QUEUE_LAG: f.service = SHOP_EMAIL; break;
    case FAULT_KIND_COUNT: break;
    }
    f.pod = dice_below(&d, shop_services[f.service].pods);
    f.decoy = f.service == SHOP_SHIPPING ? SHOP_CART : SHOP_SHIPPING;
    return f;
}

void fault_reveal(const fault *f, buf *out)
{
    const shop_service_row *s = &shop_services[f->service];
    buf_add_text(out, "What was planted: ");
    switch (f->kind) {
    case FAULT_SLOW_QUERY:
        buf_print(out,
                  "a slow query. Statements on collection %s take about %.0f ms more, for visitors "
                  "of country %s only.\n"
                  "  skep query 'COUNT, P50(duration_ms) WHERE db.collection.name = \"%s\" GROUP "
                  "BY app.country SINCE 10m' --env demo\n",
                  shop_ops[f->op].route, 350 * f->strength, f->country, shop_ops[f->op].route);
        break;
    case FAULT_NETWORK_DELAY:
        buf_print(out,
                  "a slow network. Calls from %s to %s lose about %.0f ms on the way; %s itself is "
                  "as quick as ever.\n"
                  "  skep query 'P50(duration_ms) FROM %s WHERE span.kind = \"client\" AND "
                  "service.peer.name = \"%s\" SINCE 10m' --env demo\n"
                  "  skep query 'P50(duration_ms) FROM %s WHERE span.kind = \"server\" SINCE 10m' "
                  "--env demo\n",
                  shop_services[f->caller].name, s->name, 180 * f->strength, s->name,
                  shop_services[f->caller].name, s->name, s->name);
        break;
    case FAULT_CPU:
        buf_print(out,
                  "a starved pod. What %s does itself takes about %.0f times as long on its pod "
                  "%u, and only there.\n"
                  "  skep query 'P50(duration_ms), P95(duration_ms) FROM %s GROUP BY "
                  "service.instance.id SINCE 10m' --env demo\n",
                  s->name, 25 * f->strength, f->pod, s->name);
        break;
    case FAULT_BAD_DEPLOY:
        buf_print(out,
                  "a bad deploy. Version %s of %s refuses cards of type %s, quickly; checkout "
                  "retries and only looks slow.\n"
                  "  skep query 'COUNT FROM %s WHERE error = true GROUP BY service.version, "
                  "app.card_type SINCE 10m' --env demo\n",
                  s->next_version, s->name, f->card, s->name);
        break;
    case FAULT_N_PLUS_ONE:
        buf_print(out,
                  "a query per row. Version %s of %s asks for each row of %s by itself: about %.0f "
                  "quick statements instead of one.\n"
                  "  skep query 'COUNT FROM %s WHERE db.collection.name = \"%s\" GROUP BY "
                  "service.version, trace.trace_id SINCE 10m LIMIT 10' --env demo\n",
                  s->next_version, s->name, shop_ops[f->op].route, 45 * f->strength, s->name,
                  shop_ops[f->op].route);
        break;
    case FAULT_QUEUE_LAG:
        buf_print(out,
                  "a stuck consumer. Pod %u of %s takes its messages about %.0f s late; the work "
                  "itself is quick.\n"
                  "  skep query 'MAX(messaging.wait_ms) FROM %s WHERE span.kind = \"consumer\" "
                  "GROUP BY service.instance.id SINCE 10m' --env demo\n",
                  f->pod, s->name, 25 * f->strength, s->name);
        break;
    case FAULT_KIND_COUNT: break;
    }
    buf_print(out,
              "Not to blame: the report job (always slow), logins (argon2id takes its time), %s "
              "(deployed at the same minute), 404s (bots).\n",
              shop_services[f->decoy].name);
}
