/*
 * fuzz/fuzz_query_text.c: any bytes as query text. What is accepted must print, read back as an equal tree and, when
 * the planner takes it, make a plan whose numbers are sound.
 */
#include "fuzz.h"
#include "query/plan.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    arena *mem = arena_new(4 * MIB);
    query_spec s, again;
    plan p;
    err e = {0};
    if (spec_from_text(span_of(data, size), mem, &s, &e) == SK_OK) {
        buf text;
        buf_init(&text, 4 * MIB);
        spec_to_text(&s, &text);
        must(!text.failed);
        if (text.len <= 64 * KIB) {
            must(spec_from_text(buf_span(&text), mem, &again, &e) == SK_OK);
            must(spec_equal(&s, &again));
        }
        buf_done(&text);
        if (plan_make(&s, INT64_C(1795341600000000000), true, mem, &p, &e) == SK_OK) {
            must(p.start_ns < p.end_ns);
            must(p.bucket_count >= 1);
            must(p.bucket_count <= PLAN_BUCKETS_MAX);
            value v = {.is_set = true, .type = FIELD_INT, .i = 200};
            for (uint32_t i = 0; i < p.filter_count; i++)
                (void)plan_filter_matches(&p.filters[i], v);
        }
    } else {
        must(e.text[0] != 0);
        must(e.offset <= size);
    }
    arena_free(mem);
    return 0;
}
