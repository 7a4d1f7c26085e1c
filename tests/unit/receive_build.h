/*
 * tests/unit/receive_build.h: requests made by hand, and what is expected of them.
 */
#ifndef TESTS_RECEIVE_BUILD_H
#define TESTS_RECEIVE_BUILD_H

#include "check.h"
#include "receive/receive.h"
#include "receive_dump.h"
#include "wire/protobuf.h"

#define ARRIVAL 1790000000000000000ll

static maybe_unused const receive_row *row_named(const char *name)
{
    for (size_t i = 0; i < receive_table_count; i++)
        if (strcmp(receive_table[i].name, name) == 0)
            return &receive_table[i];
    fail_msg("no row %s", name);
    return NULL;
}

static maybe_unused sk_code decode(const char *row, span body, receive_form form,
                                   receive_output *ret, err *e)
{
    receive_input in = {
        .body = body, .form = form, .arrival_ns = ARRIVAL, .batch_cap_bytes = 64 * MIB};
    return row_named(row)->decode(&in, ret, e);
}

/* The dump of what the body becomes; the caller frees it with buf_done. */
static maybe_unused buf dump_of(const char *row, span body, receive_form form)
{
    err e = {.code = SK_OK};
    receive_output done;
    buf out;
    check_ok(decode(row, body, form, &done, &e), &e);
    buf_init(&out, 64 * MIB);
    dump_output(&done, &out);
    batch_free(done.batch);
    return out;
}

static maybe_unused void expect_dump(const char *row, span body, receive_form form,
                                     const char *want)
{
    buf got = dump_of(row, body, form);
    check_text(buf_span(&got), want);
    buf_done(&got);
}

#endif
