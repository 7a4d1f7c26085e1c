/*
 * cli/demo/shop.c: the rows of shop.h. Ops are named by the enum below so that calls read as names; a test checks that every
 * call names a row and that nothing calls itself.
 */
#include "cli/demo/shop.h"

// clang-format off
const shop_service_row shop_services[SHOP_SERVICE_COUNT] = {
    [SHOP_WEB]            = {"web",            "2026.31", "2026.31", 1, "webjs"},
    [SHOP_GATEWAY]        = {"gateway",        "5.14.0",  "5.14.1",  3, "go"},
    [SHOP_CATALOG]        = {"catalog",        "3.2.7",   "3.3.0",   4, "java"},
    [SHOP_CART]           = {"cart",           "1.9.2",   "1.9.3",   2, "nodejs"},
    [SHOP_PRICING]        = {"pricing",        "0.18.0",  "0.19.0",  3, "python"},
    [SHOP_RECOMMENDATION] = {"recommendation", "2.4.1",   "2.5.0",   2, "python"},
    [SHOP_CHECKOUT]       = {"checkout",       "7.0.3",   "7.1.0",   3, "java"},
    [SHOP_PAYMENT]        = {"payment",        "4.6.0",   "4.7.0",   3, "go"},
    [SHOP_INVENTORY]      = {"inventory",      "2.0.9",   "2.1.0",   2, "rust"},
    [SHOP_SHIPPING]       = {"shipping",       "1.3.5",   "1.4.0",   2, "dotnet"},
    [SHOP_IDENTITY]       = {"identity",       "6.1.1",   "6.2.0",   2, "java"},
    [SHOP_EMAIL]          = {"email",          "1.1.0",   "1.1.1",   3, "ruby"},
    [SHOP_REPORTS]        = {"reports",        "0.7.4",   "0.7.5",   1, "python"},
};

enum {
    OP_HOME, OP_PRODUCT, OP_ADD_TO_CART, OP_CHECKOUT, OP_ORDER, OP_LOGIN, OP_SEARCH, OP_REPORT,
    OP_LIST_PRODUCTS, OP_GET_PRODUCT, OP_SEARCH_PRODUCTS, OP_QUOTE, OP_RECOMMEND, OP_RANK, OP_ADD_ITEM, OP_GET_CART,
    OP_PLACE_ORDER, OP_GET_ORDER, OP_CHARGE, OP_FRAUD, OP_RESERVE, OP_SHIP_QUOTE, OP_AUTHENTICATE, OP_HASH, OP_VERIFY, OP_SEND_EMAIL, OP_RENDER,
    OP_DB_PRODUCTS, OP_DB_PRODUCT, OP_DB_PRICES, OP_DB_STOCK, OP_DB_ORDER, OP_DB_INSERT_ORDER, OP_DB_USER, OP_DB_REPORT,
    OP_CACHE_GET, OP_CACHE_CART, OP_CACHE_SESSION, OP_CARD, OP_PUBLISH,
};
#define C(op, min, max)     {1 + (op), (min), (max), false}
#define P(op, min, max)     {1 + (op), (min), (max), true}

const shop_op shop_ops[] = {
    [OP_HOME]            = {SHOP_GATEWAY, "GET /", "/", 900, .4, KIND_SERVER, NULL, {C(OP_VERIFY, 1, 1), C(OP_LIST_PRODUCTS, 1, 1), P(OP_RECOMMEND, 1, 1)}},
    [OP_PRODUCT]         = {SHOP_GATEWAY, "GET /product/{id}", "/product/{id}", 700, .4, KIND_SERVER, NULL, {C(OP_VERIFY, 1, 1), C(OP_GET_PRODUCT, 1, 1), P(OP_QUOTE, 1, 1), P(OP_RECOMMEND, 0, 1)}},
    [OP_ADD_TO_CART]     = {SHOP_GATEWAY, "POST /cart", "/cart", 600, .4, KIND_SERVER, NULL, {C(OP_VERIFY, 1, 1), C(OP_GET_PRODUCT, 1, 1), C(OP_ADD_ITEM, 1, 1)}},
    [OP_CHECKOUT]        = {SHOP_GATEWAY, "POST /checkout", "/checkout", 1100, .4, KIND_SERVER, NULL, {C(OP_VERIFY, 1, 1), C(OP_PLACE_ORDER, 1, 1)}},
    [OP_ORDER]           = {SHOP_GATEWAY, "GET /orders/{id}", "/orders/{id}", 500, .4, KIND_SERVER, NULL, {C(OP_VERIFY, 1, 1), C(OP_GET_ORDER, 1, 1)}},
    [OP_LOGIN]           = {SHOP_GATEWAY, "POST /login", "/login", 500, .4, KIND_SERVER, NULL, {C(OP_AUTHENTICATE, 1, 1)}},
    [OP_SEARCH]          = {SHOP_GATEWAY, "GET /search", "/search", 800, .4, KIND_SERVER, NULL, {C(OP_VERIFY, 1, 1), C(OP_SEARCH_PRODUCTS, 1, 1)}},
    [OP_REPORT]          = {SHOP_REPORTS, "build daily report", "/internal/report", 900000, .5, KIND_INTERNAL, NULL, {C(OP_DB_REPORT, 2, 5)}},
    [OP_LIST_PRODUCTS]   = {SHOP_CATALOG, "catalog.Catalog/List", "catalog.Catalog/List", 2500, .4, KIND_SERVER, NULL, {C(OP_CACHE_GET, 1, 1), C(OP_DB_PRODUCTS, 0, 1)}},
    [OP_GET_PRODUCT]     = {SHOP_CATALOG, "catalog.Catalog/Get", "catalog.Catalog/Get", 900, .4, KIND_SERVER, NULL, {C(OP_CACHE_GET, 1, 1), C(OP_DB_PRODUCT, 0, 1)}},
    [OP_SEARCH_PRODUCTS] = {SHOP_CATALOG, "catalog.Catalog/Search", "catalog.Catalog/Search", 9000, .5, KIND_SERVER, NULL, {C(OP_DB_PRODUCTS, 1, 1), C(OP_QUOTE, 1, 2)}},
    [OP_QUOTE]           = {SHOP_PRICING, "pricing.Pricing/Quote", "pricing.Pricing/Quote", 1800, .4, KIND_SERVER, NULL, {C(OP_DB_PRICES, 1, 1)}},
    [OP_RECOMMEND]       = {SHOP_RECOMMENDATION, "recommend.Recommend/For", "recommend.Recommend/For", 2200, .4, KIND_SERVER, NULL, {C(OP_RANK, 1, 1), C(OP_GET_PRODUCT, 2, 3)}},
    [OP_RANK]            = {SHOP_RECOMMENDATION, "rank candidates", NULL, 6000, .5, KIND_INTERNAL, NULL, {{0}}},
    [OP_ADD_ITEM]        = {SHOP_CART, "cart.Cart/Add", "cart.Cart/Add", 800, .4, KIND_SERVER, NULL, {C(OP_CACHE_CART, 2, 2)}},
    [OP_GET_CART]        = {SHOP_CART, "cart.Cart/Get", "cart.Cart/Get", 700, .4, KIND_SERVER, NULL, {C(OP_CACHE_CART, 1, 1)}},
    [OP_PLACE_ORDER]     = {SHOP_CHECKOUT, "checkout.Checkout/PlaceOrder", "checkout.Checkout/PlaceOrder", 3500, .4, KIND_SERVER, NULL, {C(OP_GET_CART, 1, 1), C(OP_QUOTE, 1, 3), C(OP_RESERVE, 1, 2), C(OP_SHIP_QUOTE, 1, 1), C(OP_CHARGE, 1, 1), C(OP_DB_INSERT_ORDER, 1, 1), C(OP_PUBLISH, 1, 1)}},
    [OP_GET_ORDER]       = {SHOP_CHECKOUT, "checkout.Checkout/GetOrder", "checkout.Checkout/GetOrder", 1200, .4, KIND_SERVER, NULL, {C(OP_DB_ORDER, 1, 1)}},
    [OP_CHARGE]          = {SHOP_PAYMENT, "payment.Payment/Charge", "payment.Payment/Charge", 2500, .4, KIND_SERVER, NULL, {C(OP_FRAUD, 1, 1), C(OP_CARD, 1, 1)}},
    [OP_FRAUD]           = {SHOP_PAYMENT, "score fraud", NULL, 4000, .4, KIND_INTERNAL, NULL, {{0}}},
    [OP_RESERVE]         = {SHOP_INVENTORY, "inventory.Inventory/Reserve", "inventory.Inventory/Reserve", 900, .4, KIND_SERVER, NULL, {C(OP_DB_STOCK, 1, 1)}},
    [OP_SHIP_QUOTE]      = {SHOP_SHIPPING, "shipping.Shipping/Quote", "shipping.Shipping/Quote", 2800, .4, KIND_SERVER, NULL, {C(OP_CACHE_GET, 1, 1)}},
    [OP_AUTHENTICATE]    = {SHOP_IDENTITY, "identity.Identity/Login", "identity.Identity/Login", 1500, .3, KIND_SERVER, NULL, {C(OP_DB_USER, 1, 1), C(OP_HASH, 1, 1)}},
    [OP_HASH]            = {SHOP_IDENTITY, "argon2id", NULL, 85000, .15, KIND_INTERNAL, NULL, {{0}}},
    [OP_VERIFY]          = {SHOP_IDENTITY, "identity.Identity/Verify", "identity.Identity/Verify", 400, .3, KIND_SERVER, NULL, {C(OP_CACHE_SESSION, 1, 1)}},
    [OP_SEND_EMAIL]      = {SHOP_EMAIL, "process orders", "orders", 15000, .5, KIND_CONSUMER, NULL, {C(OP_RENDER, 1, 1)}},
    [OP_RENDER]          = {SHOP_EMAIL, "render receipt", NULL, 9000, .4, KIND_INTERNAL, NULL, {{0}}},
    [OP_DB_PRODUCTS]     = {SHOP_POSTGRES, "SELECT products", "products", 6000, .5, KIND_CLIENT, "SELECT id, name, price_id FROM products WHERE shelf = $1 LIMIT 40", {{0}}},
    [OP_DB_PRODUCT]      = {SHOP_POSTGRES, "SELECT products", "products", 1300, .5, KIND_CLIENT, "SELECT * FROM products WHERE id = $1", {{0}}},
    [OP_DB_PRICES]       = {SHOP_POSTGRES, "SELECT prices", "prices", 1500, .5, KIND_CLIENT, "SELECT amount, currency FROM prices WHERE id = $1 AND valid_from < now()", {{0}}},
    [OP_DB_STOCK]        = {SHOP_POSTGRES, "UPDATE stock", "stock", 2600, .5, KIND_CLIENT, "UPDATE stock SET reserved = reserved + $2 WHERE sku = $1", {{0}}},
    [OP_DB_ORDER]        = {SHOP_POSTGRES, "SELECT orders", "orders", 2200, .5, KIND_CLIENT, "SELECT * FROM orders WHERE id = $1", {{0}}},
    [OP_DB_INSERT_ORDER] = {SHOP_POSTGRES, "INSERT orders", "orders", 3800, .5, KIND_CLIENT, "INSERT INTO orders (user_id, total, items) VALUES ($1, $2, $3)", {{0}}},
    [OP_DB_USER]         = {SHOP_POSTGRES, "SELECT users", "users", 1400, .5, KIND_CLIENT, "SELECT id, password FROM users WHERE email = $1", {{0}}},
    [OP_DB_REPORT]       = {SHOP_POSTGRES, "SELECT orders", "orders", 1200000, .5, KIND_CLIENT, "SELECT date_trunc('hour', created), sum(total) FROM orders GROUP BY 1", {{0}}},
    [OP_CACHE_GET]       = {SHOP_REDIS, "GET", "product", 350, .4, KIND_CLIENT, "GET product:?", {{0}}},
    [OP_CACHE_CART]      = {SHOP_REDIS, "HSET", "cart", 380, .4, KIND_CLIENT, "HSET cart:? ? ?", {{0}}},
    [OP_CACHE_SESSION]   = {SHOP_REDIS, "GET", "session", 320, .4, KIND_CLIENT, "GET session:?", {{0}}},
    [OP_CARD]            = {SHOP_CARD_API, "POST", "/v2/charges", 65000, .35, KIND_CLIENT, NULL, {{0}}},
    [OP_PUBLISH]         = {SHOP_QUEUE, "send orders", "orders", 700, .4, KIND_PRODUCER, NULL, {C(OP_SEND_EMAIL, 1, 1)}},
};
const uint32_t shop_op_count = COUNT_OF(shop_ops);

const shop_visit shop_visits[] = {
    {OP_HOME, 280}, {OP_PRODUCT, 300}, {OP_SEARCH, 120}, {OP_ADD_TO_CART, 120}, {OP_CHECKOUT, 90}, {OP_ORDER, 50}, {OP_LOGIN, 36}, {OP_REPORT, 4},
};
const uint32_t shop_visit_count = COUNT_OF(shop_visits);
// clang-format on
