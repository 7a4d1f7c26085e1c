/*
 * tests/fault/journal_faults.c: the journal on a disk that fails, fills up and forgets. Whatever happens, the promises of
 * unit/journal_model.h hold: nothing acknowledged is lost, nothing is invented, nothing doubled, order kept.
 * SKEP_TEST_ROUNDS bounds the seeds of the power losses.
 */
#include <errno.h>

#include "unit/journal_model.h"

#define ROUNDS_DEFAULT 500

static uint64_t rounds(void)
{
    const char *text = getenv("SKEP_TEST_ROUNDS");
    uint64_t count;
    return text && span_to_u64(span_text(text), &count) && count > 0 ? count : ROUNDS_DEFAULT;
}

static void clear_dir(void)
{
    err e;
    check_ok(file_remove_tree(check_dir(), &e), &e);
    check_ok(file_make_dir(check_dir(), &e), &e);
}

/* Random work on an open journal: single and grouped records of two busy tables and a quiet one, releases. */
static void work(model *m, uint64_t *random, uint32_t steps)
{
    for (uint32_t i = 0; i < steps; i++) {
        err e;
        uint32_t group = 1 + (uint32_t)(check_random(random) % 4);
        for (uint32_t k = 0; k < group; k++) {
            uint64_t dice = check_random(random);
            uint32_t environment = dice % 20 == 0 ? 9 : 1 + dice % 2;
            size_t len = dice % 7 == 0 ? dice / 7 % 6000 : dice / 7 % 700;
            if (model_send(m, environment, FAMILY_LOG, len, dice, &e) != SK_OK)
                return;
        }
        if (check_random(random) % 3)
            model_wait(m);
        if (check_random(random) % 4 == 0) {
            model_wait(m);
            uint64_t before = m->max_seq - check_random(random) % 10;
            model_release(m, 1 + check_random(random) % 2, FAMILY_LOG, 1, before);
        }
    }
    model_wait(m);
}

static void small_files(model *m)
{
    m->options.file_bytes = 16 * KIB;
    m->options.keep_ns = 1;
    m->options.keep_bytes = 48 * KIB;
}

/* ---- each operation fails, once or from then on ---- */
static void fail_each(int error, bool from_then_on, uint64_t seed)
{
    for (int64_t n = 0;; n++) {
        model m;
        err e;
        uint64_t random = seed;
        file_faults faults = {check_dir(), n, from_then_on, error};
        model_init(&m);
        small_files(&m);
        file_faults_install(&faults);
        for (int session = 0; session < 2; session++)
            if (model_open(&m, &e) == SK_OK) {
                model_verify(&m);
                work(&m, &random, 12);
                model_close(&m);
            }
        bool was_hit = (int64_t)file_faults_count() > n;
        file_faults_install(NULL);
        model_reopen(&m);
        assert_int_equal(m.damage_count, 0);
        work(&m, &random, 3);
        model_reopen(&m);
        model_done(&m);
        clear_dir();
        if (!was_hit)
            break;
    }
}

static void one_operation_fails(void **state)
{
    fail_each(EIO, false, 1);
}

static void operations_fail_from_one_on(void **state)
{
    fail_each(EIO, true, 2);
}

static void the_disk_fills_at_an_operation(void **state)
{
    fail_each(ENOSPC, true, 3);
}

/* ---- power loss ---- */
static void lose_power(uint64_t seed, bool is_relaxed)
{
    model m;
    err e;
    uint64_t random = seed;
    model_init(&m);
    small_files(&m);
    m.is_relaxed = is_relaxed;
    m.options.durability = is_relaxed ? JOURNAL_RELAXED : JOURNAL_FSYNC;
    for (int session = 0; session < 4; session++) {
        uint64_t cut_at = check_random(&random) % (session ? 60 : 100);
        file_faults faults = {check_dir(), (int64_t)cut_at, true, EIO};
        file_faults_install(&faults);
        if (model_open(&m, &e) == SK_OK) {
            model_verify(&m);
            assert_int_equal(m.damage_count, 0);
            work(&m, &random, 40);
            model_close(&m);
        }
        check_ok(file_faults_power_loss(check_random(&random), &e), &e);
        file_faults_install(NULL);
    }
    model_reopen(&m);
    assert_int_equal(m.damage_count, 0);
    work(&m, &random, 5);
    model_reopen(&m);
    model_done(&m);
    clear_dir();
}

static void power_loss_loses_nothing_acknowledged(void **state)
{
    for (uint64_t seed = 1; seed <= rounds(); seed++)
        lose_power(seed, false);
}

/* Relaxed: what was acknowledged may be lost, but never doubled, changed, or its number given out again. */
static void power_loss_when_relaxed_invents_nothing(void **state)
{
    for (uint64_t seed = 1; seed <= (rounds() + 4) / 5; seed++)
        lose_power(seed * 7919, true);
}

/* ---- a full disk: the head has room, the next file cannot be had ---- */
static void a_full_disk_refuses_and_recovers_by_itself(void **state)
{
    model m;
    err e;
    char spare[400];
    journal_stats stats;
    uint32_t refused = 0;
    model_init(&m);
    snprintf(spare, sizeof spare, "%s/journal-spare", check_dir());
    file_faults faults = {spare, 0, true, ENOSPC};
    check_ok(model_open(&m, &e), &e);
    file_faults_install(&faults);
    for (uint32_t i = 0; i < 60; i++)
        refused += model_send_wait(&m, 1, FAMILY_LOG, 3000, 2 * i + 1) == SK_IO;
    assert_in_range(refused, 30, 45); /* the head took what it has room for */
    journal_stats_get(m.j, &stats);
    assert_false(stats.is_stopped);
    file_faults_install(NULL);
    for (uint32_t i = 0; i < 60; i++)
        assert_int_equal(model_send_wait(&m, 1, FAMILY_LOG, 3000, 2 * i + 1), SK_OK);
    model_reopen(&m);
    assert_int_equal(m.replayed, 120 - refused);
    model_done(&m);
}

/* After a failed sync nothing is acknowledged any more, and the reason is told. */
static void a_failed_write_stops_the_journal(void **state)
{
    model m;
    err e;
    journal_stats stats;
    model_init(&m);
    check_ok(model_open(&m, &e), &e);
    assert_int_equal(model_send_wait(&m, 1, FAMILY_LOG, 100, 1), SK_OK);
    file_faults faults = {check_dir(), 1, false,
                          EIO}; /* the sync behind the next write, and only that */
    file_faults_install(&faults);
    assert_int_equal(model_send_wait(&m, 1, FAMILY_LOG, 100, 2), SK_IO);
    check_code(model_send(&m, 1, FAMILY_LOG, 100, 3, &e), SK_IO, &e);
    assert_non_null(strstr(e.text, "journal-00000001"));
    journal_stats_get(m.j, &stats);
    assert_true(stats.is_stopped);
    assert_non_null(strstr(stats.stop_reason, "journal-00000001"));
    file_faults_install(NULL);
    model_reopen(&m);
    assert_int_equal(model_send_wait(&m, 1, FAMILY_LOG, 100, 4), SK_OK);
    model_done(&m);
}

/* ---- opening a journal that has seen worse, on a disk that fails ---- */
static void break_file(const char *name, uint64_t offset)
{
    char path[400];
    file *f;
    err e;
    uint8_t byte;
    snprintf(path, sizeof path, "%s/%s", check_dir(), name);
    check_ok(file_open(path, FILE_WRITE, &f, &e), &e);
    check_ok(file_read_at(f, offset, &byte, 1, &e), &e);
    byte ^= 0xff;
    check_ok(file_write_at(f, offset, span_of(&byte, 1), &e), &e);
    file_close(f);
}

static void setting_aside_survives_failures(void **state)
{
    for (int64_t n = 0;; n++) {
        model m;
        err e;
        model_init(&m);
        small_files(&m);
        check_ok(model_open(&m, &e), &e);
        for (uint32_t i = 0; i < 30; i++)
            assert_int_equal(model_send_wait(&m, i % 3, FAMILY_TRACE, 1000, 2 * i + 1), SK_OK);
        model_close(&m);
        break_file("journal-00000002", 4096 + 80 + 3 * 1080 + 500);
        uint32_t lost = 0; /* the one that was hit */
        file_faults faults = {check_dir(), n, true, EIO};
        file_faults_install(&faults);
        if (model_open(&m, &e) == SK_OK)
            model_close(&m);
        bool was_hit = (int64_t)file_faults_count() > n;
        check_ok(file_faults_power_loss((uint64_t)n, &e), &e);
        file_faults_install(NULL);
        check_ok(model_open(&m, &e), &e);
        for (uint32_t i = 0; i < m.count; i++)
            lost += m.items[i].replays == 0;
        assert_int_equal(lost, 1);
        assert_int_equal(m.replayed, 29);
        assert_int_equal(m.inventions + m.differences + m.order_breaks, 0);
        model_close(&m);
        check_ok(model_open(&m, &e), &e);
        assert_int_equal(m.damage_count, 0);
        assert_int_equal(m.replayed, 29);
        model_done(&m);
        clear_dir();
        if (!was_hit)
            break;
    }
}

/* ---- memory ---- */
static size_t resident_bytes(void)
{
    unsigned long pages = 0, resident = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    if (!f || fscanf(f, "%lu %lu", &pages, &resident) != 2)
        fail_msg("no /proc/self/statm");
    fclose(f);
    return resident * (size_t)sysconf(_SC_PAGESIZE);
}

static size_t most_resident;

static sk_code look(void *ctx, const journal_record *r, err *e)
{
    size_t now = resident_bytes();
    if (now > most_resident)
        most_resident = now;
    return SK_OK;
}

/* 48 MiB of unreleased records: replay holds one of them and a window. */
static void replay_needs_little_memory(void **state)
{
    journal_options options = {.dir = check_dir(), .file_bytes = 16 * MIB};
    journal_replay replay = {.record = look};
    journal *j;
    err e;
    check_ok(journal_open(&options, &replay, &j, &e), &e);
    uint8_t *payload = model_payload(1, 64 * KIB);
    for (uint32_t i = 0; i < 768; i++) {
        journal_record r = {.environment = 1, .payload = {payload, 64 * KIB}};
        check_ok(journal_append(j, &r, NULL, NULL, &e), &e);
    }
    free(payload);
    journal_close(j);
    size_t before = most_resident = resident_bytes();
    check_ok(journal_open(&options, &replay, &j, &e), &e);
    assert_true(most_resident - before < 8 * MIB);
    journal_close(j);
}

TEST_GROUP(journal_faults, TEST(one_operation_fails), TEST(operations_fail_from_one_on),
           TEST(the_disk_fills_at_an_operation), TEST(power_loss_loses_nothing_acknowledged),
           TEST(power_loss_when_relaxed_invents_nothing),
           TEST(a_full_disk_refuses_and_recovers_by_itself), TEST(a_failed_write_stops_the_journal),
           TEST(setting_aside_survives_failures), TEST(replay_needs_little_memory));
TEST_MAIN(journal_faults)
