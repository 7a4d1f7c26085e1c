/* engine/local/map_seal.h: what the service map wants kept of each sealed span. */
#ifndef ENGINE_LOCAL_MAP_SEAL_H
#define ENGINE_LOCAL_MAP_SEAL_H

#include "store/store.h"

extern const store_cacher map_cacher;

#endif
