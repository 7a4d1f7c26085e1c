/*
 * tests/check.h: the house's few additions to cmocka, for every unit test.
 *
 * One program per layer. A file of tests ends with its group; the layer's main lists the groups:
 *
 *   static void cuts_at_separator(void **state) { … }
 *   TEST_GROUP(base_span, TEST(cuts_at_separator), TEST(…));        in tests/unit/base_span.c
 *
 *   TEST_MAIN(base_span, base_arena)                                in tests/unit/base_main.c
 *
 * and tests/unit/meson.build names the files: 'base': files('base_main.c', 'base_span.c', …). A
 * layer with one file puts TEST_MAIN below its TEST_GROUP. `unit-base GROUP` runs one group,
 * `unit-base GROUP PATTERN` some of its tests.
 *
 * Tables: EACH_ROW(row, rows) { … } over an array whose items start with `const char *name`; a
 * failure inside names the row. Faults: EACH_ALLOC_FAILURE(n) { … } runs its block with the n-th
 * allocation failing, for n = 0, 1, … until it runs untouched; inside, alloc_did_fail() tells
 * whether the failure has happened. Folders: check_dir() is an empty folder of this test, removed
 * after it.
 */
#ifndef TESTS_CHECK_H
#define TESTS_CHECK_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/err.h"
#include "base/span.h"

typedef struct test_group {
    const char *name;
    const struct CMUnitTest *tests;
    size_t count;
} test_group;

#define TEST(function) cmocka_unit_test_setup_teardown(function, check__begin, check__end)
#define TEST_GROUP(group, ...)                                                                     \
    static const struct CMUnitTest group##__tests[] = {__VA_ARGS__};                               \
    extern const test_group group;                                                                 \
    const test_group group = {#group, group##__tests, COUNT_OF(group##__tests)}

/* Up to eight groups a line of arguments; each is declared here and run in this order. */
#define TEST_MAIN(...)                                                                             \
    extern const test_group __VA_ARGS__;                                                           \
    int main(int argc, char **argv)                                                                \
    {                                                                                              \
        const test_group groups[] = {__VA_ARGS__};                                                 \
        return check__run(argc, argv, groups, COUNT_OF(groups));                                   \
    }

#define EACH_ROW(row, rows)                                                                        \
    for (const __typeof__((rows)[0]) *row = (rows);                                                \
         (check__row = row < (rows) + COUNT_OF(rows) ? row->name : NULL); row++)

#define EACH_ALLOC_FAILURE(n)                                                                      \
    for (int64_t n = (alloc_fail_at(0, false), 0); n >= 0; n = check__next_failure(n))

#define check_span(got, want)       check__span((got), (want), __FILE__, __LINE__)
#define check_text(got, text)       check__span((got), span_text(text), __FILE__, __LINE__)
#define check_code(got, want, e)    check__code((got), (want), (e), __FILE__, __LINE__)
#define check_ok(got, e)            check__code((got), SK_OK, (e), __FILE__, __LINE__)
#define check_near(got, want, most) check__near((got), (want), (most), __FILE__, __LINE__)

#define maybe_unused                __attribute__((unused))

static const char *check__row;
static char check__folder[256];

static maybe_unused int check__begin(void **state)
{
    check__row = NULL;
    return 0;
}

static int check__remove(const char *path, const struct stat *s, int kind, struct FTW *where)
{
    return remove(path);
}

static maybe_unused int check__end(void **state)
{
    if (check__row)
        print_error("in row: %s\n", check__row);
    alloc_fail_at(-1, false);
    if (check__folder[0])
        nftw(check__folder, check__remove, 16, FTW_DEPTH | FTW_PHYS);
    check__folder[0] = 0;
    return 0;
}

static maybe_unused const char *check_dir(void)
{
    const char *base = getenv("TMPDIR");
    if (check__folder[0])
        return check__folder;
    snprintf(check__folder, sizeof check__folder, "%s/skep-test-XXXXXX", base ? base : "/tmp");
    if (!mkdtemp(check__folder))
        fail_msg("no temporary folder at %s", check__folder);
    return check__folder;
}

/* A repeatable stream of random numbers (splitmix64). */
static maybe_unused uint64_t check_random(uint64_t *state)
{
    uint64_t v = *state += 0x9e3779b97f4a7c15ull;
    v = (v ^ v >> 30) * 0xbf58476d1ce4e5b9ull;
    v = (v ^ v >> 27) * 0x94d049bb133111ebull;
    return v ^ v >> 31;
}

static maybe_unused int64_t check__next_failure(int64_t n)
{
    bool did_fail = alloc_did_fail();
    alloc_fail_at(did_fail ? n + 1 : -1, false);
    return did_fail ? n + 1 : -1;
}

static void check__hex(const char *label, span s, size_t around)
{
    size_t from = around > 16 ? around - 16 : 0;
    print_error("%s %zu bytes, from %zu:", label, s.len, from);
    for (size_t i = from; i < s.len && i < from + 48; i++)
        print_error(i == around ? " [%02x]" : " %02x", s.at[i]);
    print_error("  \"");
    for (size_t i = from; i < s.len && i < from + 48; i++)
        print_error("%c", s.at[i] >= 32 && s.at[i] < 127 ? s.at[i] : '.');
    print_error("\"\n");
}

static maybe_unused void check__span(span got, span want, const char *file, int line)
{
    if (span_equal(got, want))
        return;
    size_t same = 0;
    while (same < got.len && same < want.len && got.at[same] == want.at[same])
        same++;
    check__hex("got ", got, same);
    check__hex("want", want, same);
    _fail(file, line);
}

static maybe_unused void check__code(sk_code got, sk_code want, const err *e, const char *file,
                                     int line)
{
    if (got == want)
        return;
    print_error("got %s (%s), want %s\n", sk_name(got), e && got ? e->text : "", sk_name(want));
    _fail(file, line);
}

static maybe_unused void check__near(double got, double want, double most, const char *file,
                                     int line)
{
    double off = got > want ? got - want : want - got;
    if (off <= most)
        return;
    print_error("got %.17g, want %.17g within %g\n", got, want, most);
    _fail(file, line);
}

static maybe_unused int check__run(int argc, char **argv, const test_group *groups, size_t count)
{
    int failed = 0;
    if (argc > 2)
        cmocka_set_test_filter(argv[2]);
    for (size_t i = 0; i < count; i++)
        if (argc < 2 || strcmp(argv[1], groups[i].name) == 0)
            failed += _cmocka_run_group_tests(groups[i].name, groups[i].tests, groups[i].count,
                                              NULL, NULL);
    return failed != 0;
}

#endif
