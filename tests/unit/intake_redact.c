/* tests/unit/intake_redact.c: what a rule names is in no column and in no text of a batch; all else is as it was. */
#include "unit/intake_stub.h"

#include "base/buf.h"
#include "event/codec.h"
#include "intake/intake_private.h"

static redaction rule_of(redaction_action does, const char *field)
{
    redaction r;
    err e;
    check_ok(meta_redaction_make(does, span_text(field), &r, &e), &e);
    return r;
}

/* Four log records of one resource: "host" a range; "user" text on two rows, a number on the third; a body that is a map on the
 * last. */
static batch *four_rows(void)
{
    batch *b = batch_new(FAMILY_LOG, MIB);
    uint32_t dataset = batch_string(b, SPAN("shop"));
    uint32_t host = batch_column(b, SPAN("host"), FIELD_STRING, NULL);
    uint32_t user = batch_column(b, SPAN("user"), FIELD_STRING, NULL);
    uint32_t number = batch_column(b, SPAN("user"), FIELD_INT, NULL);
    uint32_t body = batch_column(b, SPAN("body"), FIELD_STRING, NULL);
    uint32_t leaf = batch_column(b, SPAN("body.pin"), FIELD_STRING, NULL);
    uint32_t n = batch_column(b, SPAN("n"), FIELD_INT, NULL);
    batch_put_range(b, host, 0, BATCH_RANGE_OPEN, batch_string(b, SPAN("raw-host")));
    for (uint32_t i = 0; i < 4; i++) {
        batch_begin_row(b, 1, 1, dataset);
        batch_put_int(b, n, i);
        if (i < 2)
            batch_put_string(b, user, SPAN("raw-user"));
        else if (i == 2)
            batch_put_int(b, number, 4711);
        batch_put_string(b, body, i < 3 ? SPAN("plain") : SPAN("{\"pin\":\"raw-pin\"}"));
        if (i == 3)
            batch_put_string(b, leaf, SPAN("raw-pin"));
    }
    batch_close_ranges(b, 0);
    assert_true(batch_freeze(b));
    return b;
}

/* Encoded and read again, as the journal has it; the first is freed. */
static batch *written(batch *take_b, bool holds[4])
{
    static const char *const raw[] = {"raw-host", "raw-user", "raw-pin", "plain"};
    buf out;
    batch *again;
    err e;
    buf_init(&out, MIB);
    check_ok(batch_encode(take_b, &out, &e), &e);
    for (size_t i = 0; i < COUNT_OF(raw); i++)
        holds[i] = span_contains(buf_span(&out), span_text(raw[i]));
    check_ok(batch_decode(buf_span(&out), MIB, &again, &e), &e);
    buf_done(&out);
    batch_free(take_b);
    return again;
}

static void check_field(const batch *b, const char *field, uint32_t row, const char *text)
{
    arena *mem = arena_new(MIB);
    value v = batch_get(b, span_text(field), row, mem);
    assert_int_equal(v.is_set, text != NULL);
    if (text)
        check_span(v.text, span_text(text));
    arena_free(mem);
}

static void each_action_does_what_it_says(void **state)
{
    place p;
    bool holds[4];
    char hash[META_REDACTED_MAX];
    place_open(&p, GIB);
    redaction rules[] = {rule_of(REDACT_MASK, "host"), rule_of(REDACT_HASH, "us*"),
                         rule_of(REDACT_DROP, "body.p*"), rule_of(REDACT_DROP, "user"),
                         rule_of(REDACT_DROP, "absent")};
    batch *b = four_rows();
    assert_true(intake__redact_by(p.meta, p.dev, b, rules, COUNT_OF(rules)));
    b = written(b, holds);
    assert_false(holds[0] || holds[1] || holds[2]);
    assert_true(holds[3]);
    meta_redaction_hash(p.meta, p.dev, SPAN("raw-user"), hash);
    for (uint32_t row = 0; row < 4; row++) {
        check_field(b, "host", row, "***");
        check_field(b, "user", row, row < 2 ? hash : NULL);
        check_field(b, "body", row, row < 3 ? "plain" : "***");
        check_field(b, "body.pin", row, NULL);
        check_span(batch_text(b, b->dataset[row]), SPAN("shop"));
    }
    assert_int_equal(rules[0].redacted, 1); /* of the resource, once */
    assert_int_equal(rules[1].redacted, 3);
    assert_int_equal(rules[2].redacted, 1);
    assert_int_equal(rules[3].redacted, 0); /* the first that matches holds */
    batch_free(b);
    place_close(&p);
}

static void a_rule_for_the_body_is_for_its_leaves(void **state)
{
    place p;
    bool holds[4];
    place_open(&p, GIB);
    for (redaction_action does = REDACT_DROP; does <= REDACT_HASH; does++) {
        redaction rule = rule_of(does, "body");
        batch *b = four_rows();
        assert_true(intake__redact_by(p.meta, p.dev, b, &rule, 1));
        b = written(b, holds);
        assert_true(holds[0] && holds[1]);
        assert_false(holds[2] || holds[3]);
        assert_int_equal(rule.redacted, 5);
        batch_free(b);
    }
    place_close(&p);
}

static void what_no_rule_names_is_untouched(void **state)
{
    place p;
    place_open(&p, GIB);
    redaction rule = rule_of(REDACT_DROP, "absent");
    batch *b = four_rows();
    uint32_t columns = b->column_count, strings = b->string_count;
    const span *held = b->strings;
    assert_true(intake__redact_by(p.meta, p.dev, b, &rule, 1));
    assert_true(b->strings == held && b->string_count == strings && b->column_count == columns);
    batch_free(b);
    place_close(&p);
}

static void what_is_published_was_redacted(void **state)
{
    place p;
    intake_report report;
    err e = {0};
    redaction rules[] = {rule_of(REDACT_MASK, "body")}, told[META_REDACTIONS_MAX];
    place_open(&p, GIB);
    check_ok(meta_redaction_set(p.meta, p.dev, rules, 1, &e), &e);
    assert_int_equal(submit(&p, p.dev, 1, some_batch(3, clock_wall_ns()), &report, &e), SK_OK);
    assert_int_equal(submit(&p, p.demo, 2, some_batch(3, clock_wall_ns()), &report, &e), SK_OK);
    assert_int_equal(p.engine.count, 2);
    check_field(p.engine.kept[0].take_batch, "body", 1, "***");
    check_field(p.engine.kept[1].take_batch, "body", 1, "odd");
    assert_int_equal(meta_redactions(p.meta, p.dev, told), 1);
    assert_int_equal(told[0].redacted, 3);
    place_reopen(&p);
    check_field(p.engine.kept[0].take_batch, "body", 1, "***");
    place_close(&p);
}

TEST_GROUP(intake_redaction, TEST(each_action_does_what_it_says),
           TEST(a_rule_for_the_body_is_for_its_leaves), TEST(what_no_rule_names_is_untouched),
           TEST(what_is_published_was_redacted));
