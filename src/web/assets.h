/*
 * web/assets.h: the files of the web interface, compressed, as web/build.mjs wrote them into the binary. index.html is the page
 * behind every route of the interface; all other names hold a hash of what is in them or are asked for by name.
 */
#ifndef WEB_ASSETS_H
#define WEB_ASSETS_H

#include <stddef.h>
#include <stdint.h>

typedef struct web_bytes {
    const uint8_t *at;
    size_t len;
} web_bytes;

typedef struct web_asset {
    const char *path; /* "app-BJSFLK5W.js" */
    const char *type; /* Content-Type */
    const char *tag;  /* hash of the plain bytes, hex */
    size_t len;       /* plain */
    web_bytes gzip, brotli;
} web_asset;

extern const web_asset web_assets[]; /* ascending by path */
extern const size_t web_asset_count;

#endif
