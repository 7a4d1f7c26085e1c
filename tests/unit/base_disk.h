/*
 * tests/unit/base_disk.h: files of a test that watches them: shared by base_faults.c and base_fault_names.c.
 */
#ifndef TESTS_BASE_DISK_H
#define TESTS_BASE_DISK_H

#include "check.h"

#include "base/file.h"

static char path_memory[8][512];

/* Eight paths below the test's folder may be in use at a time. */
static maybe_unused const char *in_dir(const char *name)
{
    static unsigned turn;
    char *out = path_memory[turn++ % 8];
    snprintf(out, sizeof path_memory[0], "%s/%s", check_dir(), name);
    return out;
}

static maybe_unused void watch(int64_t fail_at, bool from_then_on, int error)
{
    file_faults_install(&(file_faults){check_dir(), fail_at, from_then_on, error});
}

static maybe_unused void put_file(const char *name, span content, bool is_synced)
{
    file *f;
    err e;
    check_ok(file_open(in_dir(name), FILE_WRITE, &f, &e), &e);
    check_ok(file_write_at(f, 0, content, &e), &e);
    if (is_synced)
        check_ok(file_sync(f, &e), &e);
    file_close(f);
}

/* Before the faults are installed: what is there then counts as durable. */
static maybe_unused void put_anew(const char *name, span content)
{
    check_ok(file_remove(in_dir(name), NULL), NULL);
    put_file(name, content, false);
}

/* Up to `size` bytes of a file, or an empty span with at == NULL when it is not there. */
static maybe_unused span get_file(const char *name, uint8_t *out, size_t size)
{
    uint8_t *bytes;
    size_t len;
    sk_code code = file_read_all(in_dir(name), size, &bytes, &len, NULL);
    if (code == SK_NOT_FOUND)
        return (span){NULL, 0};
    check_ok(code, NULL);
    memcpy(out, bytes, len);
    base_free(bytes);
    return span_of(out, len);
}

static maybe_unused void power_loss(uint64_t seed)
{
    err e;
    check_ok(file_faults_power_loss(seed, &e), &e);
}

static maybe_unused void sync_dir(const char *name)
{
    err e;
    check_ok(file_sync_dir(in_dir(name), &e), &e);
}

static maybe_unused int done_with_faults(void **state)
{
    file_faults_install(NULL);
    return check__end(state);
}

#define FAULT_TEST(f) cmocka_unit_test_setup_teardown(f, check__begin, done_with_faults)

#endif
