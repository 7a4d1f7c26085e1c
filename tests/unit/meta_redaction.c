/* tests/unit/meta_redaction.c: rules of redaction: what they match, that they stay, and what they count. */
#include "check.h"

#include "meta/redaction.h"

static meta *open_rules(void)
{
    meta *m = NULL;
    err e = {0};
    meta_options o = {.dir = check_dir()};
    check_ok(meta_open(&o, &m, NULL, &e), &e);
    return m;
}

static redaction rule_of(redaction_action does, const char *field)
{
    redaction r;
    err e;
    check_ok(meta_redaction_make(does, span_text(field), &r, &e), &e);
    return r;
}

static void globs_match_whole_names(void **state)
{
    static const struct {
        const char *pattern, *name;
        bool is_match;
    } cases[] = {
        {"user.email", "user.email", true},
        {"user.email", "user.emails", false},
        {"user.email", "a.user.email", false},
        {"user.*", "user.email", true},
        {"user.*", "user.", true},
        {"user.*", "user", false},
        {"*.email", "a.b.email", true},
        {"*.email", "email", false},
        {"*mail*", "gmail.com", true},
        {"a*b*c", "aXbbYc", true},
        {"a*b*c", "aXcYb", false},
        {"*a*a*a*a*b", "aaaaaaaaaaaaaaaaaaaaaaaa", false},
        {"**", "anything", true},
        {"*", "service.name", false},
        {"*", "meta.signal_type", false},
        {"trace.*", "trace.trace_id", false},
        {"trace.*", "trace.trace_state", true},
        {"n*", "name", false},
        {"User", "user", false},
        {"*\xc3\xa4", "n\xc3\xa4", true},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        redaction r = rule_of(REDACT_MASK, cases[i].pattern);
        if (meta_redaction_matches(&r, span_text(cases[i].name)) != cases[i].is_match)
            fail_msg("%s on %s", cases[i].pattern, cases[i].name);
    }
}

static void some_fields_stay(void **state)
{
    static const char *const kept[] = {"trace.trace_id", "trace.span_id", "trace.parent_id",
                                       "time",           "duration_ms",   "name",
                                       "service.name",   "meta.*",        "meta.signal_type"};
    char longest[META_PATTERN_MAX + 2] = {0};
    redaction r;
    err e;
    for (size_t i = 0; i < COUNT_OF(kept); i++)
        check_code(meta_redaction_make(REDACT_DROP, span_text(kept[i]), &r, &e), SK_BAD_INPUT, &e);
    check_code(meta_redaction_make(REDACT_DROP, SPAN(" "), &r, &e), SK_BAD_INPUT, &e);
    check_code(meta_redaction_make(REDACT_DROP, SPAN("a\xff"), &r, &e), SK_BAD_INPUT, &e);
    check_code(meta_redaction_make(REDACT_DROP, SPAN("a\0b"), &r, &e), SK_BAD_INPUT, &e);
    memset(longest, 'a', META_PATTERN_MAX + 1);
    check_code(meta_redaction_make(REDACT_DROP, span_text(longest), &r, &e), SK_BAD_INPUT, &e);
    check_ok(meta_redaction_make(REDACT_DROP, span_of(longest, META_PATTERN_MAX), &r, &e), &e);
}

static void rules_stay_in_their_order(void **state)
{
    meta *m = open_rules();
    environment env;
    err e;
    redaction two[] = {rule_of(REDACT_HASH, "user.id"), rule_of(REDACT_DROP, "user.*")};
    redaction twice[] = {two[0], two[0]}, got[META_REDACTIONS_MAX];
    assert_true(meta_environment_by_id(m, 1, &env));
    assert_false(env.is_redacted);
    check_ok(meta_redaction_set(m, 1, two, 2, &e), &e);
    check_code(meta_redaction_set(m, 1, twice, 2, &e), SK_BAD_INPUT, &e);
    check_code(meta_redaction_set(m, 1, two, META_REDACTIONS_MAX + 1, &e), SK_TOO_LARGE, &e);
    for (int i = 0; i < 2; i++) {
        assert_true(meta_environment_by_id(m, 1, &env) && env.is_redacted);
        assert_true(meta_environment_by_id(m, 2, &env) && !env.is_redacted);
        assert_int_equal(meta_redactions(m, 1, got), 2);
        assert_string_equal(got[0].field, "user.id");
        assert_int_equal(got[0].action, REDACT_HASH);
        assert_string_equal(got[1].field, "user.*");
        assert_int_equal(meta_redactions(m, 2, got), 0);
        meta_close(m);
        m = open_rules();
    }
    check_ok(meta_redaction_set(m, 1, NULL, 0, &e), &e);
    assert_true(meta_environment_by_id(m, 1, &env) && !env.is_redacted);
    meta_close(m);
}

static void counts_outlive_other_rules(void **state)
{
    meta *m = open_rules();
    err e;
    redaction rules[] = {rule_of(REDACT_HASH, "a"), rule_of(REDACT_MASK, "b")},
              got[META_REDACTIONS_MAX];
    check_ok(meta_redaction_set(m, 2, rules, 2, &e), &e);
    rules[1].redacted = 3;
    meta_redaction_count(m, 2, rules, 2);
    meta_redaction_count(m, 2, rules, 2);
    meta_redaction_count(m, 1, rules, 2);
    redaction next[] = {rules[1], rule_of(REDACT_DROP, "a")};
    check_ok(meta_redaction_set(m, 2, next, 2, &e), &e);
    assert_int_equal(meta_redactions(m, 2, got), 2);
    assert_int_equal(got[0].redacted, 6);
    assert_int_equal(got[1].redacted, 0);
    meta_close(m);
}

static void hashes_tell_environments_apart(void **state)
{
    meta *m = open_rules();
    char a[META_REDACTED_MAX], again[META_REDACTED_MAX], other[META_REDACTED_MAX],
        elsewhere[META_REDACTED_MAX];
    meta_redaction_hash(m, 1, SPAN("ann"), a);
    meta_redaction_hash(m, 1, SPAN("bob"), other);
    meta_redaction_hash(m, 2, SPAN("ann"), elsewhere);
    meta_close(m);
    m = open_rules();
    meta_redaction_hash(m, 1, SPAN("ann"), again);
    assert_int_equal(strlen(a), META_REDACTED_MAX - 1);
    assert_string_equal(a, again);
    assert_string_not_equal(a, other);
    assert_string_not_equal(a, elsewhere);
    meta_close(m);
}

TEST_GROUP(meta_redacting, TEST(globs_match_whole_names), TEST(some_fields_stay),
           TEST(rules_stay_in_their_order), TEST(counts_outlive_other_rules),
           TEST(hashes_tell_environments_apart));
