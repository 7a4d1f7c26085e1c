/*
 * tests/unit/base_file.c: plain files and folders: what is written is read back, and errors name
 * the path.
 */
#include "check.h"

#include <sys/stat.h>

#include "base/buf.h"
#include "base/file.h"

static const char *in_dir(char *out, const char *name)
{
    snprintf(out, 512, "%s/%s", check_dir(), name);
    return out;
}

static void reads_back_what_was_written(void **state)
{
    char path[512], got[11] = {0};
    file *f;
    err e;
    uint64_t size;
    check_ok(file_open(in_dir(path, "a"), FILE_CREATE_NEW, &f, &e), &e);
    check_ok(file_write_at(f, 5, SPAN("world"), &e), &e);
    check_ok(file_write_at(f, 0, SPAN("hello"), &e), &e);
    check_ok(file_sync(f, &e), &e);
    check_ok(file_size(f, &size, &e), &e);
    assert_int_equal(size, 10);
    check_ok(file_read_at(f, 0, got, 10, &e), &e);
    assert_string_equal(got, "helloworld");
    check_code(file_read_at(f, 1, got, 10, &e), SK_CORRUPT, &e);
    assert_non_null(strstr(e.text, path));
    check_ok(file_truncate(f, 3, &e), &e);
    check_ok(file_allocate(f, 600000, &e), &e);
    check_ok(file_size(f, &size, &e), &e);
    assert_int_equal(size, 600000);
    check_ok(file_read_at(f, 2, got, 3, &e), &e);
    assert_memory_equal(got, "l\0\0", 3);
    file_write_behind(f, 0, 4096);
    file_forget_cache(f);
    assert_string_equal(file_path(f), path);
    file_close(f);
}

static void modes_decide_what_may_exist(void **state)
{
    char path[512];
    file *f;
    err e;
    check_code(file_open(in_dir(path, "a"), FILE_READ, &f, &e), SK_NOT_FOUND, &e);
    check_ok(file_open(path, FILE_WRITE, &f, &e), &e);
    file_close(f);
    check_code(file_open(path, FILE_CREATE_NEW, &f, &e), SK_CONFLICT, &e);
    check_ok(file_open(path, FILE_READ, &f, &e), &e);
    check_code(file_write_at(f, 0, SPAN("x"), &e), SK_IO, &e);
    file_close(f);
}

static void a_lock_keeps_a_second_opener_out(void **state)
{
    char path[512];
    file *first, *second;
    err e;
    check_ok(file_open(in_dir(path, "lock"), FILE_WRITE, &first, &e), &e);
    check_ok(file_open(path, FILE_WRITE, &second, &e), &e);
    check_ok(file_lock(first, &e), &e);
    check_code(file_lock(second, &e), SK_CONFLICT, &e);
    file_close(first);
    check_ok(file_lock(second, &e), &e);
    file_close(second);
}

static sk_code note_name(void *ctx, const char *name, bool is_dir, err *e)
{
    buf_print(ctx, "%s%s ", name, is_dir ? "/" : "");
    return SK_OK;
}

static sk_code stop_at_b(void *ctx, const char *name, bool is_dir, err *e)
{
    return name[0] == 'b' ? err_set(e, SK_BAD_INPUT, "stopped") : SK_OK;
}

static void touch(const char *path)
{
    file *f;
    err e;
    check_ok(file_open(path, FILE_WRITE, &f, &e), &e);
    file_close(f);
}

static void lists_in_order_and_removes_trees(void **state)
{
    char path[512], link[512];
    err e;
    buf names;
    buf_init(&names, 1000);
    check_ok(file_make_dir(in_dir(path, "b"), &e), &e);
    check_ok(file_make_dir(path, &e), &e);
    check_ok(file_make_dir(in_dir(path, "b/deep"), &e), &e);
    touch(in_dir(path, "b/deep/file"));
    touch(in_dir(path, "kept"));
    assert_int_equal(symlink(path, in_dir(link, "b/link")), 0);
    touch(in_dir(path, "B"));
    check_ok(file_list_dir(check_dir(), note_name, &names, &e), &e);
    check_text(buf_span(&names), "B b/ kept ");
    check_code(file_list_dir(check_dir(), stop_at_b, NULL, &e), SK_BAD_INPUT, &e);
    check_code(file_make_dir(in_dir(path, "B"), &e), SK_CONFLICT, &e);
    check_ok(file_remove_tree(in_dir(path, "b"), &e), &e);
    check_ok(file_remove_tree(path, &e), &e);
    check_ok(file_rename(in_dir(path, "B"), in_dir(link, "A"), &e), &e);
    check_ok(file_remove(path, &e), &e);
    check_ok(file_sync_dir(check_dir(), &e), &e);
    buf_clear(&names);
    check_ok(file_list_dir(check_dir(), note_name, &names, &e), &e);
    check_text(buf_span(&names), "A kept ");
    buf_done(&names);
}

static void replaces_and_reads_whole_files(void **state)
{
    char path[512];
    uint8_t *bytes;
    size_t len;
    err e;
    struct stat s;
    check_ok(file_replace(in_dir(path, "conf"), SPAN("first"), 0600, &e), &e);
    check_ok(file_replace(path, SPAN("second"), 0640, &e), &e);
    assert_int_equal(stat(path, &s), 0);
    assert_int_equal(s.st_mode & 0777, 0640);
    check_ok(file_read_all(path, 6, &bytes, &len, &e), &e);
    check_text(span_of(bytes, len), "second");
    assert_int_equal(bytes[len], 0);
    base_free(bytes);
    check_code(file_read_all(path, 5, &bytes, &len, &e), SK_TOO_LARGE, &e);
    check_ok(file_read_all("/proc/self/status", 100000, &bytes, &len, &e), &e);
    assert_true(len > 100);
    base_free(bytes);
    EACH_ALLOC_FAILURE(n)
    {
        sk_code code = file_read_all(path, 100, &bytes, &len, &e);
        if (alloc_did_fail()) {
            check_code(code, SK_NO_MEMORY, &e);
        } else {
            check_ok(code, &e);
            base_free(bytes);
        }
    }
}

static void knows_the_free_space(void **state)
{
    uint64_t available = 0, total = 0;
    err e;
    check_ok(file_disk_free(check_dir(), &available, &total, &e), &e);
    assert_true(total >= available && total > 0);
    check_code(file_disk_free("/no/such/place", &available, &total, &e), SK_NOT_FOUND, &e);
}

static sk_code ignore_name(void *ctx, const char *name, bool is_dir, err *e)
{
    return SK_OK;
}

static void survives_a_lack_of_memory(void **state)
{
    char path[512];
    EACH_ALLOC_FAILURE(n)
    {
        file *f;
        err e;
        sk_code code = file_make_dir(in_dir(path, "d"), &e);
        assert_int_equal(code, SK_OK);
        code = file_open(in_dir(path, "d/a"), FILE_WRITE, &f, &e);
        if (code == SK_OK) {
            file_close(f);
            code = file_list_dir(in_dir(path, "d"), ignore_name, NULL, &e);
        }
        if (code == SK_OK)
            code = file_remove_tree(in_dir(path, "d"), &e);
        check_code(code, alloc_did_fail() ? SK_NO_MEMORY : SK_OK, &e);
    }
}

static void errors_say_what_and_why(void **state)
{
    char path[512], inside[512];
    uint8_t *bytes;
    size_t len;
    uint64_t size;
    file *f;
    err e;
    file_close(NULL);
    check_code(file_list_dir(in_dir(path, "none"), ignore_name, NULL, &e), SK_NOT_FOUND, &e);
    check_code(file_sync_dir(path, &e), SK_NOT_FOUND, &e);
    assert_string_equal(strrchr(e.text, ':'), ": No such file or directory");
    check_code(file_read_all(check_dir(), 10, &bytes, &len, &e), SK_IO, &e);
    check_code(file_remove(check_dir(), &e), SK_IO, &e);
    check_ok(file_open(check_dir(), FILE_READ, &f, &e), &e);
    check_code(file_read_at(f, 0, &size, sizeof size, &e), SK_IO, &e);
    file_close(f);
    touch(in_dir(path, "a"));
    check_code(file_open(in_dir(inside, "a/b"), FILE_READ, &f, &e), SK_IO, &e);
    check_ok(file_remove_tree(path, &e), &e); /* of a file too */
    check_code(file_replace(in_dir(path, "none/a"), SPAN("x"), 0600, &e), SK_NOT_FOUND, &e);
}

TEST_GROUP(base_file, TEST(survives_a_lack_of_memory), TEST(errors_say_what_and_why),
           TEST(reads_back_what_was_written), TEST(modes_decide_what_may_exist),
           TEST(a_lock_keeps_a_second_opener_out), TEST(lists_in_order_and_removes_trees),
           TEST(replaces_and_reads_whole_files), TEST(knows_the_free_space));
