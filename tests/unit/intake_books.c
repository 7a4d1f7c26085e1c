/* tests/unit/intake_books.c: refusals, reasons, senders: coalesced, bounded, newest first. And the ring of requests. */
#include "unit/intake_stub.h"

#include "intake/intake_private.h"

static void refusals_are_coalesced(void **state)
{
    place p;
    arena *mem = arena_new(MIB);
    refusal *list, found;
    refusal a = {.code = SK_UNAUTHENTICATED,
                 .reason = "unknown_key",
                 .text = "first",
                 .path = "/v1/traces",
                 .source = "10.0.0.1",
                 .key_fingerprint = "aabbccddeeff-xyz",
                 .key_hash = {1}};
    refusal b = {.code = SK_NOT_FOUND,
                 .reason = "wrong_path",
                 .path = "/v1/trace",
                 .source = "10.0.0.1",
                 .count = 5};
    place_open(&p, MIB);
    intake_refused(p.intake, &a);
    intake_refused(p.intake, &b);
    snprintf(a.text, sizeof a.text, "second");
    intake_refused(p.intake, &a);
    assert_int_equal(intake_refusals(p.intake, mem, &list), 2);
    assert_string_equal(list[0].reason, "unknown_key"); /* the newest first */
    assert_string_equal(list[0].text, "second");
    assert_int_equal(list[0].count, 2);
    assert_true(list[0].first_ns <= list[1].first_ns && list[0].last_ns >= list[1].last_ns);
    assert_int_equal(list[1].count, 5);
    assert_true(intake_refusal_by_fingerprint(p.intake, SPAN("aabbccddeeff-xyz"), &found));
    assert_int_equal(found.key_hash[0], 1);
    assert_false(intake_refusal_by_fingerprint(p.intake, SPAN("aabbccddeeff"), &found));
    assert_false(intake_refusal_by_fingerprint(p.intake, SPAN(""), &found));
    arena_free(mem);
    place_close(&p);
}

static void refusals_and_reasons_are_bounded(void **state)
{
    place p;
    arena *mem = arena_new(16 * MIB);
    refusal *list;
    reason_count *reasons;
    uint64_t sum = 0;
    place_open(&p, MIB);
    for (uint32_t i = 0; i < 2000; i++) {
        refusal r = {.code = SK_NOT_FOUND};
        snprintf(r.reason, sizeof r.reason, "reason_%u", i % 100);
        snprintf(r.path, sizeof r.path, "/%u", i);
        intake_refused(p.intake, &r);
    }
    assert_int_equal(intake_refusals(p.intake, mem, &list), INTAKE_REFUSALS_KEPT);
    assert_string_equal(list[0].path, "/1999");
    uint32_t count = intake_reason_counts(p.intake, mem, &reasons);
    assert_int_equal(count, REASONS_KEPT);
    assert_string_equal(reasons[count - 1].reason, "other");
    for (uint32_t i = 0; i < count; i++)
        sum += reasons[i].count;
    assert_int_equal(sum, 2000);
    arena_free(mem);
    place_close(&p);
}

static void senders_are_known_by_dataset_and_key(void **state)
{
    place p;
    arena *mem = arena_new(16 * MIB);
    sender *list;
    place_open(&p, MIB);
    batch *b = some_batch(7, 0);
    intake_accepted(p.intake, &(arrival){p.dev, "hcxik_a", "10.0.0.1:5", "otel", ""}, b);
    intake_accepted(p.intake, &(arrival){p.dev, "hcxik_a", "10.0.0.1:6", "otel", ""}, b);
    intake_accepted(p.intake, &(arrival){p.dev, NULL, "127.0.0.1:7", "", ""}, b);
    assert_int_equal(intake_senders(p.intake, mem, &list), 2);
    uint32_t keyed = list[0].key_id[0] ? 0 : 1;
    assert_string_equal(list[keyed].dataset, "shop");
    assert_int_equal(list[keyed].events[FAMILY_LOG], 14);
    assert_int_equal(list[1 - keyed].events[FAMILY_LOG], 7);
    for (uint32_t i = 0; i < 3000; i++) {
        char key[40];
        snprintf(key, sizeof key, "hcxik_%u", i);
        intake_accepted(p.intake, &(arrival){p.dev, key, "", "", ""}, b);
    }
    assert_int_equal(intake_senders(p.intake, mem, &list), SENDERS_KEPT);
    batch_free(b);
    arena_free(mem);
    place_close(&p);
}

static void conflicting_types_are_bounded(void **state)
{
    place p;
    arena *mem = arena_new(MIB);
    type_conflict *list;
    place_open(&p, MIB);
    assert_int_equal(intake_type_conflicts(p.intake, mem, &list), 0);
    for (uint32_t i = 0; i < 4 * CONFLICTS_KEPT; i++) {
        batch *b = batch_new(FAMILY_LOG, MIB);
        char name[32];
        snprintf(name, sizeof name, "field.%u", i / 2); /* each first a number, then text */
        batch_begin_row(b, 1, 1, batch_string(b, SPAN("shop")));
        if (i % 2)
            batch_put_string(b, batch_column(b, span_text(name), FIELD_STRING, NULL), SPAN("7"));
        else
            batch_put_int(b, batch_column(b, span_text(name), FIELD_INT, NULL), 7);
        assert_true(batch_freeze(b));
        intake_accepted(p.intake, &(arrival){.environment = 3 + i / 2}, b);
        batch_free(b);
    }
    assert_int_equal(intake_type_conflicts(p.intake, mem, &list), CONFLICTS_KEPT);
    assert_string_equal(list[1].field, "field.1");
    assert_int_equal(list[1].environment, 4);
    arena_free(mem);
    place_close(&p);
}

/* Against a plain list: the newest `capacity` requests are known, older ones and those taken back are not. */
static void the_ring_keeps_the_newest(void **state)
{
    enum { CAPACITY = 64, COUNT = 5000 };
    static bool taken_back[COUNT];
    recent r;
    uint64_t seed = 3;
    assert_true(recent_init(&r, CAPACITY));
    for (uint32_t i = 0; i < COUNT; i++) {
        hash128 h = {i / 2, i % 2}; /* halves that collide */
        assert_null(recent_find(&r, 1, h, i));
        recent_entry *entry = recent_add(&r, 1, h, i);
        taken_back[i] = check_random(&seed) % 5 == 0;
        if (taken_back[i])
            recent_remove(&r, entry);
        for (uint32_t back = 0; back < 100 && back <= i; back++) {
            uint32_t at = i - back;
            bool is_there = recent_find(&r, 1, (hash128){at / 2, at % 2}, i) != NULL;
            assert_int_equal(is_there, back < CAPACITY && !taken_back[at]);
            assert_null(recent_find(&r, 2, (hash128){at / 2, at % 2}, i));
        }
    }
    assert_null(recent_find(&r, 1, (hash128){(COUNT - 1) / 2, (COUNT - 1) % 2}, COUNT + RECENT_NS));
    recent_done(&r);
}

TEST_GROUP(intake_books, TEST(refusals_are_coalesced), TEST(refusals_and_reasons_are_bounded),
           TEST(senders_are_known_by_dataset_and_key), TEST(conflicting_types_are_bounded),
           TEST(the_ring_keeps_the_newest));
