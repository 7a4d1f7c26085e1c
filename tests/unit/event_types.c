/*
 * tests/unit/event_types.c: ids, names, words, the table of semantic conventions.
 */
#include "event/fields.h"
#include "event/token.h"
#include "event/tree.h"
#include "event/types.h"

#include "check.h"

static void ids_print_as_honeycomb_shows_them(void **state)
{
    char out[33];
    assert_int_equal(trace_id_print((trace_id){0x5b8efff798038103, 0xd269b633813fc60c}, out), 32);
    assert_string_equal(out, "5b8efff798038103d269b633813fc60c");
    assert_int_equal(trace_id_print((trace_id){0, 0xd269b633813fc60c}, out), 16);
    assert_string_equal(out, "d269b633813fc60c");
    assert_int_equal(trace_id_print((trace_id){1, 0}, out), 32);
    assert_string_equal(out, "00000000000000010000000000000000");
    assert_int_equal(span_id_print(0xabc, out), 16);
    assert_string_equal(out, "0000000000000abc");
}

static void only_text_forms_are_ids(void **state)
{
    static const struct {
        const char *name; /* the text */
        bool exact, any_case;
        uint64_t hi, lo;
    } rows[] = {
        {"5b8efff798038103d269b633813fc60c", true, true, 0x5b8efff798038103, 0xd269b633813fc60c},
        {"5B8EFFF798038103D269B633813FC60C", false, true, 0x5b8efff798038103, 0xd269b633813fc60c},
        {"d269b633813fc60c", true, true, 0, 0xd269b633813fc60c},
        {"D269b633813fc60c", false, true, 0, 0xd269b633813fc60c},
        {"0000000000000000d269b633813fc60c", false, true, 0, 0xd269b633813fc60c},
        {"00000000000000010000000000000000", true, true, 1, 0},
        {"0000000000000000", false, false, 0, 0},
        {"00000000000000000000000000000000", false, false, 0, 0},
        {"", false, false, 0, 0},
        {"d269b633813fc60", false, false, 0, 0},
        {"d269b633813fc60cd", false, false, 0, 0},
        {"d269b633813fc60g", false, false, 0, 0},
        {"d269b633 13fc60c", false, false, 0, 0},
        {"+269b633813fc60c", false, false, 0, 0},
    };
    EACH_ROW(row, rows)
    {
        trace_id id = {7, 7};
        assert_int_equal(trace_id_parse(span_text(row->name), false, &id), row->exact);
        if (row->exact)
            assert_true(id.hi == row->hi && id.lo == row->lo);
        else
            assert_true(id.hi == 7 && id.lo == 7);
        assert_int_equal(trace_id_parse(span_text(row->name), true, &id), row->any_case);
        if (row->any_case)
            assert_true(id.hi == row->hi && id.lo == row->lo);
        uint64_t span_id = 7;
        bool is_short = strlen(row->name) == 16;
        assert_int_equal(span_id_parse(span_text(row->name), false, &span_id),
                         is_short && row->exact);
        assert_int_equal(span_id_parse(span_text(row->name), true, &span_id),
                         is_short && row->any_case);
        assert_true(span_id == (is_short && row->any_case ? row->lo : 7));
    }
}

static void everything_has_a_name(void **state)
{
    assert_string_equal(family_name(FAMILY_TRACE), "trace");
    assert_string_equal(family_name(FAMILY_METRIC), "metric");
    assert_string_equal(field_type_name(FIELD_STRING), "string");
    assert_string_equal(field_type_name(FIELD_HISTOGRAM), "histogram");
    for (int k = KIND_UNSPECIFIED; k <= KIND_CONSUMER; k++)
        assert_int_equal(span_kind_parse(span_text(span_kind_name((span_kind)k))), k);
    assert_int_equal(span_kind_parse(SPAN("SERVER")), KIND_UNSPECIFIED);
    assert_string_equal(span_kind_name((span_kind)99), "unspecified");
}

static void semantic_conventions_new_name_first(void **state)
{
    const char *const *names = NULL;
    assert_int_equal(semconv_names(SPAN("http.response.status_code"), &names), 2);
    assert_string_equal(names[0], "http.response.status_code");
    assert_string_equal(names[1], "http.status_code");
    assert_int_equal(semconv_names(SPAN("db.collection.name"), &names), 5);
    assert_string_equal(names[4], "db.cosmosdb.container");
    assert_int_equal(semconv_names(SPAN("http.route"), &names), 1);
    assert_int_equal(semconv_names(SPAN("http.status_code"), &names), 0);
    assert_int_equal(semconv_names(SPAN(""), &names), 0);
    const char *name = NULL, *before = "";
    size_t count = 0;
    for (; semconv_row(count, &name); count++) {
        assert_true(strcmp(before, name) < 0); /* in order, none twice */
        size_t n = semconv_names(span_text(name), &names);
        assert_true(n >= 1);
        for (size_t i = 1; i < n; i++) {
            const char *const *other;
            assert_int_equal(semconv_names(span_text(names[i]), &other), 0);
        }
        before = name;
    }
    assert_true(count > 60);
}

static void text_falls_into_words(void **state)
{
    span rest = SPAN("  GET /api/users_v2?id=42 – naïve\0é!");
    static const char *const words[] = {"GET", "api", "users_v2", "id", "42", "–", "naïve", "é"};
    for (size_t i = 0; i < COUNT_OF(words); i++)
        check_text(token_next(&rest), words[i]);
    assert_int_equal(token_next(&rest).len, 0);
    assert_int_equal(token_next(&rest).len, 0);
    assert_true(token_hash(SPAN("GeT_9")) == token_hash(SPAN("get_9")));
    assert_true(token_hash(SPAN("get")) != token_hash(SPAN("got")));
    assert_true(token_hash(SPAN("\xC3\x89")) !=
                token_hash(SPAN("\xC3\xA9"))); /* only ASCII is folded */
    char word[300];
    memset(word, 'W', sizeof word);
    uint64_t hash = token_hash(span_of(word, sizeof word));
    memset(word, 'w', sizeof word);
    assert_true(token_hash(span_of(word, sizeof word)) == hash);
    span none = SPAN("@[`{/:");
    assert_int_equal(token_next(&none).len, 0);
}

TEST_GROUP(event_types, TEST(ids_print_as_honeycomb_shows_them), TEST(only_text_forms_are_ids),
           TEST(everything_has_a_name), TEST(semantic_conventions_new_name_first),
           TEST(text_falls_into_words));
