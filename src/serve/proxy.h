/*
 * serve/proxy.h: who asked, and by which address, when a reverse proxy or a forwarded port stands in between. Forwarding headers
 * are believed only from the peers that --trusted-proxy names: anyone can write them.
 */
#ifndef SERVE_PROXY_H
#define SERVE_PROXY_H

#include "serve/http.h"

#define PROXIES_MAX 16u

typedef struct proxy_network {
    uint8_t address[16]; /* IPv4 as ::ffff:a.b.c.d */
    uint32_t bits;
} proxy_network;

typedef struct proxy_list {
    proxy_network networks[PROXIES_MAX];
    uint32_t count;
} proxy_list;

/* "10.0.0.7", "10.0.0.0/8", "fd00::/8", "loopback". */
sk_code proxy_add(proxy_list *list, const char *text, err *e) must_use;
bool proxy_has(const proxy_list *list, span address);

typedef struct client_view {
    bool is_https;
    span host;         /* "name:port" as the browser wrote it */
    span prefix;       /* "/" or "/path/": below it the browser finds us */
    char address[64];  /* without port */
    bool is_forwarded; /* by a trusted proxy */
} client_view;

/* `list` may be NULL. */
void proxy_view(const proxy_list *list, exchange *x, client_view *ret);

#endif
