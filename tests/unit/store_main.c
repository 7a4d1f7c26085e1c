/* tests/unit/store_main.c: the groups of the store's unit tests. */
#include "check.h"

TEST_MAIN(store_open_sets, store_sealing, store_merging, store_damage, store_crafted, store_derive,
          store_ids, store_rare, store_cached, store_templates)
