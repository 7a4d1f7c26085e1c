/*
 * tests/unit/query_filter.c: plan_filter_matches, operator by operator over values of every type. Each row is a WHERE
 * and the values of `x` it takes, out of the list below.
 */
#include "check.h"
#include "query/plan.h"

#define MEM (64 * KIB)

/* a: absent, e: "", t: "apple", p: "pineapple", n: "200", i: 200, f: 200.0, h: 0.5, m: -3, y: true, s: "true",
 * N: nan, H: a histogram */
static const struct {
    char letter;
    value v;
} cells[] = {
    {'a', {.is_set = false}},
    {'e', {.is_set = true, .type = FIELD_STRING, .text = {(const uint8_t *)"", 0}}},
    {'t', {.is_set = true, .type = FIELD_STRING, .text = {(const uint8_t *)"apple", 5}}},
    {'p', {.is_set = true, .type = FIELD_STRING, .text = {(const uint8_t *)"pineapple", 9}}},
    {'n', {.is_set = true, .type = FIELD_STRING, .text = {(const uint8_t *)"200", 3}}},
    {'i', {.is_set = true, .type = FIELD_INT, .i = 200}},
    {'f', {.is_set = true, .type = FIELD_FLOAT, .f = 200.0}},
    {'h', {.is_set = true, .type = FIELD_FLOAT, .f = 0.5}},
    {'m', {.is_set = true, .type = FIELD_INT, .i = -3}},
    {'y', {.is_set = true, .type = FIELD_BOOL, .b = true}},
    {'s', {.is_set = true, .type = FIELD_STRING, .text = {(const uint8_t *)"true", 4}}},
};

static const struct {
    const char *name, *takes;
} rows[] = {
    {"x = \"apple\"", "t"},
    {"x != \"apple\"", "aepnifhmys"},
    {"x = 200", "nif"},
    {"x = 200.0", "nif"},
    {"x = \"200\"", "nif"},
    {"x = true", "ys"},
    {"x = \"\"", "e"},
    {"x = 0.5", "h"},
    {"x > 0", "nifh"},
    {"x >= 200", "nif"},
    {"x > 200", ""},
    {"x < 0.5", "m"},
    {"x <= 0.5", "hm"},
    {"x <= \"0.5\"", "hm"},
    {"x starts-with \"2\"", "nif"},
    {"x starts-with \"\"", "etpnifhmys"},
    {"x does-not-start-with \"2\"", "aetphmys"},
    {"x ends-with \"apple\"", "tp"},
    {"x does-not-end-with \"apple\"", "aenifhmys"},
    {"x contains \"app\"", "tp"},
    {"x contains 0", "nifh"},
    {"x does-not-contain \"app\"", "aenifhmys"},
    {"x exists", "etpnifhmys"},
    {"x does-not-exist", "a"},
    {"x in (\"apple\", 200, false)", "tnif"},
    {"x not-in (\"apple\", 200)", "aephmys"},
    {"x in ()", ""},
    {"x not-in ()", "aetpnifhmys"},
};

static void operators_take_what_they_say(void **state)
{
    EACH_ROW(row, rows)
    {
        char text[80], taken[COUNT_OF(cells) + 1];
        size_t count = 0;
        query_spec s;
        plan p;
        err e;
        arena *mem = arena_new(MEM);
        snprintf(text, sizeof text, "WHERE %s", row->name);
        check_ok(spec_from_text(span_text(text), mem, &s, &e), &e);
        check_ok(plan_make(&s, 0, false, mem, &p, &e), &e);
        for (size_t i = 0; i < COUNT_OF(cells); i++)
            if (plan_filter_matches(&p.filters[0], cells[i].v))
                taken[count++] = cells[i].letter;
        taken[count] = 0;
        assert_string_equal(taken, row->takes);
        arena_free(mem);
    }
}

TEST_GROUP(query_filter, TEST(operators_take_what_they_say));
