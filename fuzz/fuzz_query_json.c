/*
 * fuzz/fuzz_query_json.c: any bytes as a query spec's JSON. What is accepted must write a normal form that reads back as
 * an equal tree.
 */
#include "fuzz.h"
#include "query/plan.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    arena *mem = arena_new(4 * MIB);
    query_spec s, again;
    plan p;
    err e = {0};
    if (spec_from_json(span_of(data, size), mem, &s, &e) == SK_OK) {
        buf json;
        buf_init(&json, 16 * MIB);
        spec_to_json(&s, &json);
        must(!json.failed);
        must(spec_from_json(buf_span(&json), mem, &again, &e) == SK_OK || e.code != SK_BAD_INPUT);
        if (e.code == SK_OK)
            must(spec_equal(&s, &again));
        buf_done(&json);
        if (plan_make(&s, INT64_C(1795341600000000000), false, mem, &p, &e) == SK_OK)
            must(p.bucket_count <= PLAN_BUCKETS_MAX);
    } else {
        must(e.text[0] != 0);
        must(e.offset <= size);
    }
    arena_free(mem);
    return 0;
}
