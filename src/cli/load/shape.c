/*
 * cli/load/shape.c: which shape is which, and requests kept in memory. Called by the `load` command.
 */
#include "cli/load/shape.h"

#include "base/alloc.h"

bool load_shape_parse(span text, load_shape *ret)
{
    static const char *const names[] = {"A", "B", "logs"};
    for (size_t i = 0; i < COUNT_OF(names); i++)
        if (span_equal_nocase(text, span_text(names[i]))) {
            *ret = (load_shape)i;
            return true;
        }
    return false;
}

sk_code load_generate(const load_plan *plan, load_sink sink, err *e)
{
    switch (plan->shape) {
    case LOAD_SHAPE_A: return load_generate_a(plan, sink, e);
    case LOAD_SHAPE_B: return load_generate_b(plan, sink, e);
    case LOAD_SHAPE_LOGS: return load_generate_logs(plan, sink, e);
    }
    return err_set(e, SK_INTERNAL, "no such shape");
}

sk_code load_bodies_add(load_bodies *b, span body, uint32_t items, err *e)
{
    load_body made = {.items = items};
    buf_init(&made.bytes, 64 * MIB);
    buf_reserve(&made.bytes, body.len);
    buf_add_span(&made.bytes, body);
    if (made.bytes.failed || !base_reserve(&b->bodies, &b->capacity, b->count + 1, sizeof made)) {
        buf_done(&made.bytes);
        return err_set(e, SK_NO_MEMORY, "out of memory");
    }
    b->bodies[b->count++] = made;
    return SK_OK;
}

static sk_code take_body(void *ctx, span body, uint32_t items, err *e)
{
    return load_bodies_add(ctx, body, items, e);
}

load_sink load_bodies_sink(load_bodies *b)
{
    return (load_sink){take_body, b};
}

void load_bodies_done(load_bodies *b)
{
    for (uint32_t i = 0; i < b->count; i++)
        buf_done(&b->bodies[i].bytes);
    base_free(b->bodies);
    *b = (load_bodies){0};
}
