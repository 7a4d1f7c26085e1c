/* tests/unit/meta_saved.c: what people keep: stored results. */
#include "check.h"

#include "meta/meta_private.h"

static meta *open_saved(uint64_t results_bytes_max)
{
    meta *m = NULL;
    err e = {0};
    meta_options o = {.dir = check_dir(), .results_bytes_max = results_bytes_max};
    check_ok(meta_open(&o, &m, NULL, &e), &e);
    return m;
}

/* ---- results ---- */

static saved_result a_result(span answer)
{
    return (saved_result){.environment = 1,
                          .kind = SAVED_DIFFERENCES,
                          .actor = "user:ann",
                          .question = SPAN("{\"text\" :\"COUNT\"}"),
                          .state = SPAN("{ }"),
                          .answer = answer};
}

static void a_result_comes_back_byte_by_byte(void **state)
{
    meta *m = open_saved(0);
    arena *mem = arena_new(64 * MIB);
    saved_result kept = a_result(SPAN("{\"data\": [1.50, \"\xc3\xa4\\u0000\"] }")), got;
    err e;
    check_ok(meta_result_keep(m, &kept, &e), &e);
    assert_int_equal(strlen(kept.id), META_ID_MAX - 1);
    for (int i = 0; i < 2; i++) {
        check_ok(meta_result_get(m, span_text(kept.id), mem, &got, &e), &e);
        assert_int_equal(got.environment, 1);
        assert_int_equal(got.kind, SAVED_DIFFERENCES);
        assert_string_equal(got.actor, "user:ann");
        assert_int_equal(got.created_ns, kept.created_ns);
        assert_int_equal(got.kept_bytes, kept.kept_bytes);
        check_span(got.question, kept.question);
        check_span(got.state, kept.state);
        check_span(got.answer, kept.answer);
        meta_close(m);
        m = open_saved(0);
    }
    check_code(meta_result_get(m, SPAN("00000000000"), mem, &got, &e), SK_NOT_FOUND, &e);
    check_code(meta_result_get(m, SPAN("' OR 1=1 --"), mem, &got, &e), SK_NOT_FOUND, &e);
    check_code(meta_result_get(m, SPAN(""), mem, &got, &e), SK_NOT_FOUND, &e);
    meta_close(m);
    arena_free(mem);
}

static void results_are_listed_and_deleted(void **state)
{
    meta *m = open_saved(0);
    arena *mem = arena_new(64 * MIB);
    saved_result kept[3], *list;
    saved_counts n;
    uint32_t count;
    err e;
    for (uint32_t i = 0; i < COUNT_OF(kept); i++) {
        kept[i] = a_result(SPAN("{}"));
        check_ok(meta_result_keep(m, &kept[i], &e), &e);
    }
    check_ok(meta_result_list(m, 1, 2, mem, &list, &count, &e), &e);
    assert_int_equal(count, 2);
    assert_string_equal(list[0].id, kept[2].id);
    assert_string_equal(list[1].id, kept[1].id);
    assert_int_equal(list[0].answer.len, 0);
    check_ok(meta_result_list(m, 2, 9, mem, &list, &count, &e), &e);
    assert_int_equal(count, 0);
    check_code(meta_result_delete(m, 2, span_text(kept[0].id), &e), SK_NOT_FOUND, &e);
    check_ok(meta_result_delete(m, 1, span_text(kept[0].id), &e), &e);
    check_code(meta_result_delete(m, 1, span_text(kept[0].id), &e), SK_NOT_FOUND, &e);
    check_ok(meta_saved_counts(m, 1, &n, &e), &e);
    assert_int_equal(n.results, 2);
    assert_int_equal(n.result_bytes, 2 * kept[1].kept_bytes);
    check_ok(meta_saved_counts(m, 2, &n, &e), &e);
    assert_int_equal(n.results, 0);
    meta_close(m);
    arena_free(mem);
}

static void results_go_with_their_environment(void **state)
{
    meta *m = open_saved(0);
    environment env;
    saved_counts n;
    saved_result kept = a_result(SPAN("{}"));
    err e;
    check_ok(meta_environment_create(m, SPAN("brief"), &env, &e), &e);
    kept.environment = env.id;
    check_ok(meta_result_keep(m, &kept, &e), &e);
    check_ok(meta_environment_delete(m, env.id, &e), &e);
    check_ok(meta_saved_counts(m, 0, &n, &e), &e);
    assert_int_equal(n.results, 0);
    check_code(meta_result_keep(m, &kept, &e), SK_CONFLICT, &e); /* deleted while it was asked */
    meta_close(m);
}

static span filled(arena *mem, size_t len)
{
    uint8_t *bytes = arena_alloc(mem, len, 1);
    assert_non_null(bytes);
    memset(bytes, 'x', len);
    return span_of(bytes, len);
}

static void results_are_bounded(void **state)
{
    meta *m = open_saved(4000);
    arena *mem = arena_new(128 * MIB);
    saved_result kept = a_result(SPAN("{}")), large = kept;
    uint32_t count = 0;
    err e;
    large.state = filled(mem, META_STATE_MAX + 1);
    check_code(meta_result_keep(m, &large, &e), SK_TOO_LARGE, &e);
    assert_non_null(strstr(e.text, "16384"));
    large = kept;
    large.answer = filled(mem, META_ANSWER_BYTES_MAX + 1);
    check_code(meta_result_keep(m, &large, &e), SK_TOO_LARGE, &e);
    assert_non_null(strstr(e.text, "33554432"));
    large.answer.len--; /* it is small when compressed */
    check_ok(meta_result_keep(m, &large, &e), &e);
    check_ok(meta_result_delete(m, 1, span_text(large.id), &e), &e);
    sk_code code;
    while ((code = meta_result_keep(m, &kept, &e)) == SK_OK)
        count++;
    check_code(code, SK_CONFLICT, &e);
    assert_non_null(strstr(e.text, "--results-max"));
    assert_int_equal(count, 4000 / kept.kept_bytes);
    meta_close(m);
    arena_free(mem);
}

static void a_damaged_answer_is_said(void **state)
{
    meta *m = open_saved(0);
    arena *mem = arena_new(64 * MIB);
    saved_result kept = a_result(SPAN("{}")), got;
    err e;
    check_ok(meta_result_keep(m, &kept, &e), &e);
    lock_take(&m->lock);
    check_ok(meta__execute(m, "UPDATE results SET answer = x'00010203'", &e), &e);
    lock_drop(&m->lock);
    check_code(meta_result_get(m, span_text(kept.id), mem, &got, &e), SK_CORRUPT, &e);
    meta_close(m);
    arena_free(mem);
}

/* ---- history ---- */

static history_entry an_entry(uint32_t environment_id, const char *actor, const char *text)
{
    history_entry h = {.environment = environment_id,
                       .text = span_text(text),
                       .state = SPAN("{}"),
                       .elapsed_ns = 1500000,
                       .rows = HISTORY_UNKNOWN};
    snprintf(h.actor, sizeof h.actor, "%s", actor);
    return h;
}

static void note(meta *m, uint32_t environment_id, const char *actor, const char *text)
{
    history_entry h = an_entry(environment_id, actor, text);
    err e;
    check_ok(meta_history_add(m, &h, &e), &e);
}

static void history_is_by_environment_and_asker(void **state)
{
    meta *m = open_saved(0);
    arena *mem = arena_new(MIB);
    history_entry *list;
    uint32_t count;
    err e;
    note(m, 1, "user:ann", "COUNT");
    note(m, 1, "user:ann", "COUNT"); /* again: one entry */
    note(m, 1, "user:bob", "COUNT");
    note(m, 1, "user:ann", "COUNT");
    note(m, 1, "user:ann", "AVG(x)");
    note(m, 2, "user:ann", "MAX(x)");
    meta_close(m);
    m = open_saved(0);
    check_ok(meta_history_list(m, 1, NULL, 100, mem, &list, &count, &e), &e);
    assert_int_equal(count, 3);
    check_span(list[0].text, SPAN("AVG(x)"));
    assert_string_equal(list[0].actor, "user:ann");
    assert_int_equal(list[0].elapsed_ns, 1500000);
    assert_int_equal(list[0].rows, HISTORY_UNKNOWN);
    assert_string_equal(list[1].actor, "user:ann");
    assert_true(list[1].at_ns >= list[2].at_ns);
    check_ok(meta_history_list(m, 1, "user:bob", 100, mem, &list, &count, &e), &e);
    assert_int_equal(count, 1);
    check_ok(meta_history_list(m, 1, "user:ann", 1, mem, &list, &count, &e), &e);
    assert_int_equal(count, 1);
    check_span(list[0].text, SPAN("AVG(x)"));
    meta_close(m);
    arena_free(mem);
}

static void the_oldest_questions_go(void **state)
{
    meta *m = open_saved(0);
    arena *mem = arena_new(16 * MIB);
    history_entry *list;
    uint32_t count;
    err e;
    note(m, 2, "local", "of another environment");
    lock_take(&m->lock);
    check_ok(meta__execute(m,
                           "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n"
                           " WHERE i < 10000) INSERT INTO history (environment, actor, at_ns,"
                           " elapsed_ns, rows, text, state) SELECT 1, 'local', i, 0, 0, i, '{}'"
                           " FROM n",
                           &e),
             &e);
    lock_drop(&m->lock);
    note(m, 1, "local", "one more");
    note(m, 1, "local", "and another");
    check_ok(meta_history_list(m, 1, NULL, META_HISTORY_MAX + 5, mem, &list, &count, &e), &e);
    assert_int_equal(count, META_HISTORY_MAX);
    check_span(list[0].text, SPAN("and another"));
    check_span(list[count - 1].text, SPAN("3"));
    check_ok(meta_history_list(m, 2, NULL, 9, mem, &list, &count, &e), &e);
    assert_int_equal(count, 1);
    meta_close(m);
    arena_free(mem);
}

static void what_cannot_be_noted_is_said(void **state)
{
    meta *m = open_saved(0);
    arena *mem = arena_new(MIB);
    history_entry *list, h = an_entry(1, "local", "  ");
    uint32_t count;
    err e;
    check_code(meta_history_add(m, &h, &e), SK_BAD_INPUT, &e);
    h.text = SPAN("\xff");
    check_code(meta_history_add(m, &h, &e), SK_BAD_INPUT, &e);
    h.text = filled(mem, META_HISTORY_TEXT_MAX + 1);
    check_code(meta_history_add(m, &h, &e), SK_TOO_LARGE, &e);
    assert_non_null(strstr(e.text, "8192"));
    h = an_entry(1, "local", "COUNT");
    h.state = filled(mem, META_HISTORY_STATE_MAX + 1);
    check_code(meta_history_add(m, &h, &e), SK_TOO_LARGE, &e);
    h = an_entry(77, "local", "COUNT"); /* there is no such environment: all of it is undone */
    check_code(meta_history_add(m, &h, &e), SK_CONFLICT, &e);
    note(m, 1, "local", "COUNT");
    check_ok(meta_history_list(m, 1, NULL, 9, mem, &list, &count, &e), &e);
    assert_int_equal(count, 1);
    meta_close(m);
    arena_free(mem);
}

/* ---- queries ---- */

static saved_query a_query(uint32_t environment_id, const char *name)
{
    return (saved_query){.environment = environment_id,
                         .changed_by = "user:ann",
                         .name = span_text(name),
                         .description = SPAN("what hurts"),
                         .text = SPAN("COUNT WHERE error = true"),
                         .dataset = SPAN("shop"),
                         .state = SPAN("{\"tab\":\"table\"}")};
}

static void queries_are_saved_and_changed(void **state)
{
    meta *m = open_saved(0);
    arena *mem = arena_new(4 * MIB);
    saved_query kept = a_query(1, " errors "), got, *list, other = a_query(1, "ERRORS"),
                elsewhere = a_query(2, "errors");
    uint32_t count;
    err e;
    check_ok(meta_query_save(m, &kept, &e), &e);
    check_span(kept.name, SPAN("errors"));
    check_code(meta_query_save(m, &other, &e), SK_CONFLICT, &e);
    assert_non_null(strstr(e.text, "saved already"));
    check_ok(meta_query_save(m, &elsewhere, &e), &e);
    other.name = SPAN("all");
    check_ok(meta_query_save(m, &other, &e), &e);
    meta_close(m);
    m = open_saved(0);
    check_ok(meta_query_get(m, 1, span_text(kept.id), mem, &got, &e), &e);
    assert_int_equal(got.version, 1);
    check_span(got.text, kept.text);
    check_span(got.description, kept.description);
    check_span(got.dataset, kept.dataset);
    check_span(got.state, kept.state);
    check_code(meta_query_get(m, 2, span_text(kept.id), mem, &got, &e), SK_NOT_FOUND, &e);
    check_ok(meta_query_list(m, 1, mem, &list, &count, &e), &e);
    assert_int_equal(count, 2);
    check_span(list[0].name, SPAN("all"));
    got = a_query(1, "all");
    got.version = 1;
    check_code(meta_query_change(m, span_text(kept.id), mem, &got, &e), SK_CONFLICT, &e);
    got = a_query(1, "Errors"); /* its own name in other capitals */
    got.version = 1;
    got.text = SPAN("COUNT");
    check_ok(meta_query_change(m, span_text(kept.id), mem, &got, &e), &e);
    assert_int_equal(got.version, 2);
    assert_int_equal(got.created_ns, kept.created_ns);
    check_ok(meta_query_get(m, 1, span_text(kept.id), mem, &got, &e), &e);
    check_span(got.name, SPAN("Errors"));
    check_span(got.text, SPAN("COUNT"));
    check_ok(meta_query_delete(m, 1, span_text(kept.id), 0, mem, &e), &e);
    check_code(meta_query_delete(m, 1, span_text(kept.id), 0, mem, &e), SK_NOT_FOUND, &e);
    meta_close(m);
    arena_free(mem);
}

static void two_changes_do_not_undo_each_other(void **state)
{
    meta *m = open_saved(0);
    arena *mem = arena_new(4 * MIB);
    saved_query kept = a_query(1, "errors"), anns, bobs, got;
    err e;
    check_ok(meta_query_save(m, &kept, &e), &e);
    anns = bobs = kept;
    snprintf(bobs.changed_by, sizeof bobs.changed_by, "user:bob");
    bobs.text = SPAN("COUNT");
    check_ok(meta_query_change(m, span_text(kept.id), mem, &bobs, &e), &e);
    check_code(meta_query_change(m, span_text(kept.id), mem, &anns, &e), SK_CONFLICT, &e);
    assert_non_null(strstr(e.text, "changed meanwhile by user:bob"));
    check_code(meta_query_delete(m, 1, span_text(kept.id), 1, mem, &e), SK_CONFLICT, &e);
    check_ok(meta_query_get(m, 1, span_text(kept.id), mem, &got, &e), &e);
    check_span(got.text, SPAN("COUNT"));
    assert_string_equal(got.created_by, "user:ann");
    assert_string_equal(got.changed_by, "user:bob");
    anns.version = got.version;
    check_ok(meta_query_change(m, span_text(kept.id), mem, &anns, &e), &e);
    check_ok(meta_query_delete(m, 1, span_text(kept.id), 3, mem, &e), &e);
    meta_close(m);
    arena_free(mem);
}

static void saved_queries_are_bounded(void **state)
{
    meta *m = open_saved(0);
    arena *mem = arena_new(4 * MIB);
    err e;
    saved_query q = a_query(1, " ");
    check_code(meta_query_save(m, &q, &e), SK_BAD_INPUT, &e);
    assert_non_null(strstr(e.text, "\"name\""));
    q = a_query(1, "x");
    q.text = SPAN("\n");
    check_code(meta_query_save(m, &q, &e), SK_BAD_INPUT, &e);
    const struct {
        span *field;
        size_t max;
        const char *said;
    } limits[] = {{&q.name, META_NAME_MAX, "\"name\" is 101 bytes"},
                  {&q.description, META_DESCRIPTION_MAX, "\"description\" is 2001"},
                  {&q.text, META_QUERY_TEXT_MAX, "\"text\" is 16385"},
                  {&q.dataset, META_DATASET_MAX, "\"dataset\" is 257"},
                  {&q.state, META_STATE_MAX, "\"state\" is 16385"}};
    for (size_t i = 0; i < COUNT_OF(limits); i++) {
        q = a_query(1, "x");
        *limits[i].field = filled(mem, limits[i].max + 1);
        check_code(meta_query_save(m, &q, &e), SK_TOO_LARGE, &e);
        assert_non_null(strstr(e.text, limits[i].said));
    }
    lock_take(&m->lock);
    check_ok(meta__execute(m,
                           "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n"
                           " WHERE i < 1000) INSERT INTO queries SELECT i, 1, 1, 0, 0, '', '', i,"
                           " '', '', '', '{}' FROM n",
                           &e),
             &e);
    lock_drop(&m->lock);
    q = a_query(1, "x");
    check_code(meta_query_save(m, &q, &e), SK_CONFLICT, &e);
    assert_non_null(strstr(e.text, "1000"));
    q.environment = 2;
    check_ok(meta_query_save(m, &q, &e), &e);
    meta_close(m);
    arena_free(mem);
}

/* ---- markers ---- */

static marker a_marker(int64_t start_ns, int64_t end_ns, const char *type)
{
    return (marker){.environment = 1,
                    .start_ns = start_ns,
                    .end_ns = end_ns,
                    .actor = "hcxik_ci",
                    .message = SPAN("v2.31 deployed"),
                    .type = span_text(type),
                    .url = SPAN("https://ci.example/7")};
}

static void markers_are_found_by_time_and_type(void **state)
{
    meta *m = open_saved(0);
    arena *mem = arena_new(4 * MIB);
    err e;
    marker made[] = {a_marker(100, MARKER_NO_END, "deploy"), a_marker(200, 300, "incident"),
                     a_marker(400, MARKER_NO_END, "deploy"), a_marker(0, 1000, "deploy")},
           *list;
    made[3].environment = 2;
    uint32_t count;
    for (size_t i = 0; i < COUNT_OF(made); i++)
        check_ok(meta_marker_add(m, &made[i], &e), &e);
    meta_close(m);
    m = open_saved(0);
    const struct {
        const char *name;
        int64_t start_ns, end_ns;
        const char *type, *starts; /* of those found */
    } rows[] = {{"all", INT64_MIN, INT64_MAX, "", "400 200 100 "},
                {"its moment", 100, 101, "", "100 "},
                {"just before", 0, 100, "", ""},
                {"within a long one", 250, 260, "", "200 "},
                {"its end", 300, 301, "", "200 "},
                {"past its end", 301, 400, "", ""},
                {"a type", INT64_MIN, INT64_MAX, "deploy", "400 100 "},
                {"no such type", INT64_MIN, INT64_MAX, "Deploy", ""}};
    EACH_ROW(row, rows)
    {
        char starts[100] = "";
        marker_filter which = {.environment = 1,
                               .limit = 10,
                               .start_ns = row->start_ns,
                               .end_ns = row->end_ns,
                               .type = span_text(row->type)};
        check_ok(meta_marker_list(m, &which, mem, &list, &count, &e), &e);
        for (uint32_t i = 0; i < count; i++)
            snprintf(starts + strlen(starts), sizeof starts - strlen(starts), "%lld ",
                     (long long)list[i].start_ns);
        assert_string_equal(starts, row->starts);
    }
    marker_filter first = {.environment = 1, .limit = 1, .start_ns = 250, .end_ns = 260};
    check_ok(meta_marker_list(m, &first, mem, &list, &count, &e), &e);
    assert_int_equal(count, 1);
    assert_string_equal(list[0].id, made[1].id);
    assert_int_equal(list[0].end_ns, 300);
    assert_int_equal(list[0].created_ns, made[1].created_ns);
    assert_string_equal(list[0].actor, "hcxik_ci");
    check_span(list[0].message, SPAN("v2.31 deployed"));
    check_span(list[0].url, SPAN("https://ci.example/7"));
    check_code(meta_marker_delete(m, 2, span_text(made[1].id), &e), SK_NOT_FOUND, &e);
    check_ok(meta_marker_delete(m, 1, span_text(made[1].id), &e), &e);
    check_code(meta_marker_delete(m, 1, span_text(made[1].id), &e), SK_NOT_FOUND, &e);
    meta_close(m);
    arena_free(mem);
}

static void the_earliest_markers_go(void **state)
{
    meta *m = open_saved(0);
    arena *mem = arena_new(16 * MIB);
    marker *list, early = a_marker(-5, MARKER_NO_END, "deploy");
    uint32_t count;
    err e;
    lock_take(&m->lock);
    check_ok(meta__execute(m,
                           "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n"
                           " WHERE i < 10000) INSERT INTO markers"
                           " SELECT i, 1, i, NULL, 0, '', '', '', '' FROM n",
                           &e),
             &e);
    lock_drop(&m->lock);
    check_ok(meta_marker_add(m, &early, &e), &e);
    marker_filter all = {.environment = 1,
                         .limit = META_MARKERS_MAX + 5,
                         .start_ns = INT64_MIN,
                         .end_ns = INT64_MAX};
    check_ok(meta_marker_list(m, &all, mem, &list, &count, &e), &e);
    assert_int_equal(count, META_MARKERS_MAX);
    assert_string_equal(list[count - 1].id, early.id); /* what was just made is there */
    assert_int_equal(list[count - 2].start_ns, 2);
    meta_close(m);
    arena_free(mem);
}

static void what_is_no_marker_is_said(void **state)
{
    meta *m = open_saved(0);
    arena *mem = arena_new(4 * MIB);
    err e;
    marker k = a_marker(5, 4, "deploy");
    check_code(meta_marker_add(m, &k, &e), SK_BAD_INPUT, &e);
    assert_non_null(strstr(e.text, "\"end_time\" is before"));
    k = a_marker(5, 5, " ");
    check_ok(meta_marker_add(m, &k, &e), &e);
    k.message = SPAN(" ");
    check_code(meta_marker_add(m, &k, &e), SK_BAD_INPUT, &e);
    assert_non_null(strstr(e.text, "\"message\" or \"type\""));
    static const char *const bad[] = {"javascript:alert(1)", "//x", "ci.example", " https://x"};
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        k = a_marker(5, MARKER_NO_END, "deploy");
        k.url = span_text(bad[i]);
        check_code(meta_marker_add(m, &k, &e), SK_BAD_INPUT, &e);
        assert_non_null(strstr(e.text, "\"url\""));
    }
    const struct {
        span *field;
        size_t max;
        const char *said;
    } limits[] = {{&k.message, META_MARKER_MESSAGE_MAX, "\"message\" is 1001"},
                  {&k.type, META_MARKER_TYPE_MAX, "\"type\" is 101"},
                  {&k.url, META_MARKER_URL_MAX, "\"url\" is 2001"}};
    for (size_t i = 0; i < COUNT_OF(limits); i++) {
        k = a_marker(5, MARKER_NO_END, "deploy");
        *limits[i].field = filled(mem, limits[i].max + 1);
        check_code(meta_marker_add(m, &k, &e), SK_TOO_LARGE, &e);
        assert_non_null(strstr(e.text, limits[i].said));
    }
    meta_close(m);
    arena_free(mem);
}

TEST_GROUP(meta_saved, TEST(a_result_comes_back_byte_by_byte), TEST(results_are_listed_and_deleted),
           TEST(results_go_with_their_environment), TEST(results_are_bounded),
           TEST(a_damaged_answer_is_said), TEST(history_is_by_environment_and_asker),
           TEST(the_oldest_questions_go), TEST(what_cannot_be_noted_is_said),
           TEST(queries_are_saved_and_changed), TEST(two_changes_do_not_undo_each_other),
           TEST(saved_queries_are_bounded), TEST(markers_are_found_by_time_and_type),
           TEST(the_earliest_markers_go), TEST(what_is_no_marker_is_said));
