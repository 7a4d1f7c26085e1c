/*
 * tests/unit/receive_golden.c: every request in tests/data/<row>/ against the dump beside it,
 * NAME.expected; and what each row of receive_table must bring along. Runs in the source root.
 * SKEP_WRITE_GOLDEN=1 writes the dumps anew: read the difference before it is committed.
 */
#include <dirent.h>

#include "check.h"
#include "receive_build.h"

#define FILE_MAX_BYTES (16 * MIB)

static buf read_file(const char *path)
{
    buf b;
    uint8_t part[4096];
    buf_init(&b, FILE_MAX_BYTES);
    FILE *f = fopen(path, "rb");
    if (!f)
        return b;
    for (size_t n; (n = fread(part, 1, sizeof(part), f)) > 0;)
        buf_add(&b, part, n);
    fclose(f);
    assert_false(b.failed);
    return b;
}

static void write_file(const char *path, span s)
{
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(s.at, 1, s.len, f), s.len);
    fclose(f);
}

static void check_one(const char *row, const char *path, receive_form form)
{
    char expected_path[600];
    snprintf(expected_path, sizeof(expected_path), "%s.expected", path);
    buf body = read_file(path), want = read_file(expected_path);
    buf got = dump_of(row, buf_span(&body), form);
    if (getenv("SKEP_WRITE_GOLDEN"))
        write_file(expected_path, buf_span(&got));
    else
        check_span(buf_span(&got), buf_span(&want));
    buf_done(&body);
    buf_done(&want);
    buf_done(&got);
}

/* How many inputs of the form the row has, each checked. */
static int check_inputs(const char *row, const char *folder, receive_form form)
{
    static char path[512];
    span ending = form == FORM_JSON ? SPAN(".json") : SPAN(".pb");
    int count = 0;
    DIR *dir = opendir(folder);
    if (!dir)
        return 0;
    for (struct dirent *entry; (entry = readdir(dir));) {
        if (!span_ends_with(span_text(entry->d_name), ending))
            continue;
        snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name);
        check__row = path;
        check_one(row, path, form);
        count++;
    }
    closedir(dir);
    check__row = NULL;
    return count;
}

static void golden_inputs_decode_as_written_down(void **state)
{
    char folder[128];
    for (size_t i = 0; i < receive_table_count; i++) {
        const receive_row *row = &receive_table[i];
        snprintf(folder, sizeof(folder), "tests/data/%s", row->name);
        for (int form = 0; form < FORM_COUNT; form++)
            if (row->forms >> form & 1 && check_inputs(row->name, folder, (receive_form)form) == 0)
                fail_msg("%s has no golden input in form %d: run this in the source root", folder,
                         form);
    }
}

static bool some_page_names(const char *row)
{
    static char path[512];
    bool found = false;
    DIR *dir = opendir("docs/ingest");
    assert_non_null(dir);
    for (struct dirent *entry; (entry = readdir(dir));) {
        if (!span_ends_with(span_text(entry->d_name), SPAN(".md")))
            continue;
        snprintf(path, sizeof(path), "docs/ingest/%s", entry->d_name);
        buf page = read_file(path);
        found |= span_contains(buf_span(&page), span_text(row));
        buf_done(&page);
    }
    closedir(dir);
    return found;
}

static void each_row_has_a_fuzz_target_and_a_page(void **state)
{
    char path[128];
    for (size_t i = 0; i < receive_table_count; i++) {
        const char *name = receive_table[i].name;
        snprintf(path, sizeof(path), "fuzz/fuzz_%s.c", name);
        for (char *c = path; *c; c++)
            *c = *c == '-' ? '_' : *c;
        if (access(path, R_OK) != 0)
            fail_msg("row %s has no fuzz target %s", name, path);
        if (!some_page_names(name))
            fail_msg("no page of docs/ingest names row %s", name);
    }
}

static void rows_are_found_by_path_and_method(void **state)
{
    assert_string_equal(receive_by_path(SPAN("/v1/logs"))->name, "otlp-logs");
    assert_null(receive_by_path(SPAN("/v1/logs/")));
    assert_string_equal(
        receive_by_grpc(SPAN("/opentelemetry.proto.collector.metrics.v1.MetricsService/Export"))
            ->name,
        "otlp-metrics");
    assert_null(
        receive_by_grpc(SPAN("/opentelemetry.proto.collector.metrics.v1.MetricsService/Import")));
}

TEST_GROUP(receive_golden, TEST(golden_inputs_decode_as_written_down),
           TEST(each_row_has_a_fuzz_target_and_a_page), TEST(rows_are_found_by_path_and_method));
