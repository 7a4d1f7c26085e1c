/*
 * tests/unit/journal_recover.c: what is left of a journal's folder after kill -9, torn writes, flipped bits and lost
 * headers, and what opening makes of it.
 */
#include "unit/journal_model.h"

#include "base/hash.h"
#include "journal/journal_private.h"

static void path_of(char out[512], const char *name)
{
    snprintf(out, 512, "%s/%s", check_dir(), name);
}

/* The folder as it is now, as a process that dies would leave it. */
static sk_code copy_file(void *ctx, const char *name, bool is_dir, err *e)
{
    char from[512], to[800];
    uint8_t *bytes;
    size_t len;
    if (is_dir)
        return SK_OK;
    path_of(from, name);
    snprintf(to, sizeof to, "%s/%s", (const char *)ctx, name);
    check_ok(file_read_all(from, 10 * MIB, &bytes, &len, e), e);
    check_ok(file_replace(to, span_of(bytes, len), 0600, e), e);
    base_free(bytes);
    return SK_OK;
}

static void change(const char *name, uint64_t offset, const void *bytes, size_t len)
{
    char path[512];
    file *f;
    err e;
    path_of(path, name);
    check_ok(file_open(path, FILE_WRITE, &f, &e), &e);
    check_ok(file_write_at(f, offset, span_of(bytes, len), &e), &e);
    file_close(f);
}

static void flip(const char *name, uint64_t offset)
{
    char path[512];
    uint8_t byte;
    file *f;
    err e;
    path_of(path, name);
    check_ok(file_open(path, FILE_READ, &f, &e), &e);
    check_ok(file_read_at(f, offset, &byte, 1, &e), &e);
    file_close(f);
    byte ^= 0x10;
    change(name, offset, &byte, 1);
}

static bool exists(const char *name)
{
    char path[512];
    path_of(path, name);
    return access(path, F_OK) == 0;
}

/* A journal with `count` records of `len` incompressible bytes, each synced by itself. */
static void fill(model *m, uint32_t count, size_t len)
{
    err e;
    model_init(m);
    check_ok(model_open(m, &e), &e);
    for (uint32_t i = 0; i < count; i++)
        assert_int_equal(model_send_wait(m, i % 2, FAMILY_TRACE, len, 2 * i + 1), SK_OK);
}

static uint64_t place(uint32_t index,
                      size_t len) /* of the record made by fill; behind the START mark */
{
    return RECORDS_START + sizeof(record_header) + index * record_bytes((uint32_t)len);
}

static void survives_kill(void **state)
{
    char dead[300];
    model m;
    err e;
    fill(&m, 30, 3000);
    snprintf(dead, sizeof dead, "%s/dead", check_dir());
    check_ok(file_make_dir(dead, &e), &e);
    check_ok(file_list_dir(check_dir(), copy_file, dead, &e), &e);
    model_close(&m);
    m.options.dir = dead;
    check_ok(model_open(&m, &e), &e);
    model_verify(&m);
    assert_int_equal(m.replayed, 30);
    assert_int_equal(m.damage_count, 0);
    assert_int_equal(model_send_wait(&m, 1, FAMILY_LOG, 10, 1), SK_OK);
    assert_true(m.items[30].r.seq > 31); /* counting goes on far above after an unclean end */
    model_reopen(&m);
    model_done(&m);
}

static void torn_tail_is_cut(void **state)
{
    for (uint64_t cut = 1; cut < 200;
         cut += 13) { /* bytes of the last record that never reached the disk */
        static const uint8_t zeros[300];
        model m;
        err e;
        fill(&m, 5, 104);
        model_close(&m);
        uint64_t end = place(5, 104);
        change("journal-00000001", end - cut, zeros,
               cut + sizeof(record_header)); /* and no CLOSE mark */
        m.items[4].is_done = cut > 184;      /* past it the fourth is hit too */
        if (cut <= 184)
            m.items[4].result = SK_IO; /* the test's word: it was not acknowledged */
        else
            m.items[3].result = m.items[4].result = SK_IO;
        check_ok(model_open(&m, &e), &e);
        model_verify(&m);
        assert_int_equal(m.damage_count, 0);
        assert_int_equal(m.replayed, cut <= 184 ? 4 : 3);
        assert_int_equal(model_send_wait(&m, 7, FAMILY_LOG, 77, 5), SK_OK);
        model_reopen(&m);
        assert_int_equal(m.damage_count, 0);
        model_done(&m);
        check_ok(file_remove_tree(check_dir(), &e), &e);
    }
}

/* A group was torn: its first record is bad, later ones of it are whole. None was acknowledged; none may come back. */
static void records_behind_a_torn_one_stay_gone(void **state)
{
    char path[512];
    uint8_t *bytes;
    size_t len;
    model m;
    err e;
    fill(&m, 3, 504);
    model_close(&m);
    path_of(path, "journal-00000001");
    check_ok(file_read_all(path, MIB, &bytes, &len, &e), &e);
    uint64_t id;
    check_ok(journal__page_get(bytes, path, &id, &e), &e);
    for (uint32_t i = 1; i < 3; i++) { /* as if records 1 and 2 had been one group */
        record_header h;
        memcpy(&h, bytes + place(i, 504), sizeof h);
        h.durable_to = (uint32_t)place(1, 504);
        journal__seal_header(&h, id);
        change("journal-00000001", place(i, 504), &h, sizeof h);
    }
    base_free(bytes);
    flip("journal-00000001", place(1, 504) + 200);
    change("journal-00000001", place(3, 504), (uint8_t[80]){0}, 80); /* no CLOSE mark */
    m.items[1].result = m.items[2].result = SK_IO;
    check_ok(model_open(&m, &e), &e);
    model_verify(&m);
    assert_int_equal(m.replayed, 1);
    assert_int_equal(m.damage_count, 0);
    assert_true(exists("journal-00000002")); /* nothing may be written before the stale record */
    for (int i = 0; i < 3; i++) {
        assert_int_equal(model_send_wait(&m, 0, FAMILY_TRACE, 504, 9), SK_OK);
        model_reopen(&m);
        assert_int_equal(m.damage_count, 0);
    }
    model_done(&m);
}

static void damage_is_named_and_set_aside(void **state)
{
    static const struct {
        const char *name;
        uint64_t in_record;
    } rows[] = {{"magic", 0}, {"length", 5}, {"sequence", 16}, {"kind", 56}, {"payload", 90}};
    EACH_ROW(row, rows)
    {
        model m;
        err e;
        fill(&m, 20, 1000);
        model_close(&m);
        flip("journal-00000001", place(7, 1000) + row->in_record);
        m.items[7].result = SK_IO; /* lost to the damage, and only that */
        check_ok(model_open(&m, &e), &e);
        model_verify(&m);
        assert_int_equal(m.replayed, 19);
        assert_int_equal(m.damage_count, 1);
        assert_int_equal(m.damage_at, place(7, 1000));
        assert_non_null(strstr(m.damage_path, "journal-00000001"));
        assert_true(exists("journal-00000001.damaged"));
        assert_false(exists("journal-00000001"));
        assert_int_equal(model_send_wait(&m, 0, FAMILY_LOG, 10, 1), SK_OK);
        for (int i = 0; i < 2; i++) {
            model_reopen(&m);
            assert_int_equal(m.damage_count, 0);
            assert_int_equal(m.replayed, 20);
        }
        model_done(&m);
        check_ok(file_remove_tree(check_dir(), &e), &e);
    }
}

/* Every byte of a small journal's used part, flipped one at a time: what was acknowledged before it and after it stays. */
static void any_flipped_byte_loses_one_record_at_most(void **state)
{
    enum { COUNT = 6, LEN = 40 };
    for (uint64_t at = 0; at < place(COUNT, LEN); at += at < 100             ? 1
                                                        : at < RECORDS_START ? 997
                                                                             : 3) {
        model m;
        err e;
        fill(&m, COUNT, LEN);
        model_close(&m);
        flip("journal-00000001", at);
        for (uint32_t i = 0; i < COUNT; i++)
            if (at >= place(i, LEN) && at < place(i + 1, LEN))
                m.items[i].is_done = false; /* it may be lost, or not: padding is not checked */
        check_ok(model_open(&m, &e), &e);
        model_verify(&m);
        assert_true(m.replayed >= COUNT - 1);
        model_reopen(&m);
        assert_int_equal(m.damage_count, 0);
        model_done(&m);
        check_ok(file_remove_tree(check_dir(), &e), &e);
    }
}

static void a_lost_header_is_damage(void **state)
{
    uint8_t zeros[RECORDS_START] = {0};
    model m;
    err e;
    fill(&m, 10, 100);
    model_close(&m);
    change("journal-00000001", 0, zeros, 64); /* its copy serves */
    check_ok(model_open(&m, &e), &e);
    model_verify(&m);
    assert_int_equal(m.damage_count, 0);
    model_close(&m);
    change("journal-00000001", 0, zeros, sizeof zeros);
    for (uint32_t i = 0; i < m.count; i++) {
        m.items[i].result = SK_IO;
        m.items[i].fate = FATE_UNKNOWN;
    }
    check_ok(model_open(&m, &e), &e);
    model_verify(&m);
    assert_int_equal(m.damage_count, 1);
    assert_true(exists("journal-00000001.damaged"));
    assert_true(exists("journal-00000002"));
    model_done(&m);
}

static void a_cut_older_file_is_damage(void **state)
{
    char path[512];
    model m;
    file *f;
    err e;
    fill(&m, 80, 1500); /* three files */
    model_close(&m);
    path_of(path, "journal-00000001");
    check_ok(file_open(path, FILE_WRITE, &f, &e), &e);
    check_ok(file_truncate(f, place(10, 1500) + 17, &e), &e);
    file_close(f);
    for (uint32_t i = 10; i < m.count && place(i + 1, 1500) < 64 * KIB; i++)
        m.items[i].result = SK_IO;
    check_ok(model_open(&m, &e), &e);
    model_verify(&m);
    assert_int_equal(m.damage_count, 1);
    assert_int_equal(m.damage_at, place(10, 1500));
    model_reopen(&m);
    model_done(&m);
}

static void a_newer_format_is_refused_by_name(void **state)
{
    struct {
        uint8_t magic[8];
        uint32_t version, zero;
        uint64_t rest[5], check;
    } page = {.magic = "skepjrnl", .version = 2};
    _Static_assert(sizeof page == 64, "as the file header");
    model m;
    err e;
    fill(&m, 1, 10);
    model_close(&m);
    memcpy(page.magic, "skepjrnl", 8);
    page.check = hash64(span_of(&page, 56));
    change("journal-00000001", 0, &page, sizeof page);
    check_code(model_open(&m, &e), SK_UNSUPPORTED, &e);
    assert_non_null(strstr(e.text, "journal-00000001"));
    assert_null(m.j);
    model_done(&m);
}

static sk_code refuse(void *ctx, const journal_record *r, err *e)
{
    return r->seq == 5 ? err_set(e, SK_NO_MEMORY, "no room for it") : SK_OK;
}

static void an_error_of_the_replayer_changes_nothing(void **state)
{
    model m;
    err e;
    fill(&m, 10, 100);
    model_close(&m);
    journal_replay replay = {.record = refuse};
    check_code(journal_open(&m.options, &replay, &m.j, &e), SK_NO_MEMORY, &e);
    assert_string_equal(e.text, "no room for it");
    assert_null(m.j);
    model_reopen(&m);
    model_done(&m);
}

static void numbers_start_above_the_floor(void **state)
{
    model m;
    err e;
    model_init(&m);
    m.options.first_seq = 1000;
    check_ok(model_open(&m, &e), &e);
    assert_int_equal(model_send_wait(&m, 1, FAMILY_LOG, 10, 1), SK_OK);
    assert_int_equal(m.items[0].r.seq, 1000);
    m.options.first_seq = 500;
    model_reopen(&m);
    assert_int_equal(model_send_wait(&m, 1, FAMILY_LOG, 10, 1), SK_OK);
    assert_int_equal(m.items[1].r.seq, 1001);
    model_done(&m);
}

TEST_GROUP(journal_recovery, TEST(survives_kill), TEST(torn_tail_is_cut),
           TEST(records_behind_a_torn_one_stay_gone), TEST(damage_is_named_and_set_aside),
           TEST(any_flipped_byte_loses_one_record_at_most), TEST(a_lost_header_is_damage),
           TEST(a_cut_older_file_is_damage), TEST(a_newer_format_is_refused_by_name),
           TEST(an_error_of_the_replayer_changes_nothing), TEST(numbers_start_above_the_floor));
