/*
 * tests/unit/base_faults.c: the fault recorder against models of its own contract: what was durable is never lost,
 * what was not is lost in every way it may be and in no other.
 */
#include "base_disk.h"

#include <errno.h>

#include "base/thread.h"

static void the_chosen_operation_fails(void **state)
{
    file *f;
    err e;
    watch(3, false, ENOSPC);
    check_ok(file_open(in_dir("a"), FILE_WRITE, &f, &e), &e);
    check_ok(file_write_at(f, 0, SPAN("12345678"), &e), &e);
    check_ok(file_sync(f, &e), &e);
    check_code(file_write_at(f, 0, SPAN("abcdefgh"), &e), SK_IO, &e);
    assert_non_null(strstr(e.text, "No space left"));
    check_ok(file_truncate(f, 6, &e), &e);
    file_close(f);
    check_ok(file_rename(in_dir("a"), in_dir("b"), &e), &e);
    check_ok(file_sync_dir(in_dir("."), &e), &e);
    check_ok(file_remove(in_dir("b"), &e), &e);
    check_ok(file_make_dir(in_dir("c"), &e), &e);
    assert_int_equal(file_faults_count(), 9);

    watch(1, true, 0);
    check_ok(file_open(in_dir("a"), FILE_WRITE, &f, &e), &e);
    check_code(file_write_at(f, 0, SPAN("x"), &e), SK_IO, &e);
    check_code(file_sync(f, &e), SK_IO, &e);
    check_code(file_truncate(f, 0, &e), SK_IO, &e);
    check_code(file_rename(in_dir("a"), in_dir("b"), &e), SK_IO, &e);
    check_code(file_remove(in_dir("a"), &e), SK_IO, &e);
    check_code(file_sync_dir(check_dir(), &e), SK_IO, &e);
    check_code(file_make_dir(in_dir("d"), &e), SK_IO, &e);
    file_close(f);
    file_faults_install(NULL);
    check_ok(file_remove(in_dir("a"), &e), &e);
    assert_int_equal(file_faults_count(), 0);
}

static void outside_the_root_nothing_happens(void **state)
{
    file *f;
    err e;
    check_ok(file_make_dir(in_dir("root"), &e), &e);
    file_faults_install(&(file_faults){in_dir("root"), 0, true, EIO});
    check_ok(file_open(in_dir("rooted"), FILE_WRITE, &f, &e), &e);
    check_ok(file_write_at(f, 0, SPAN("x"), &e), &e);
    file_close(f);
    assert_int_equal(file_faults_count(), 0);
}

static void a_failed_write_leaves_its_first_half(void **state)
{
    uint8_t got[100];
    file *f;
    err e;
    watch(1, false, ENOSPC);
    check_ok(file_open(in_dir("a"), FILE_WRITE, &f, &e), &e);
    check_code(file_write_at(f, 0, SPAN("12345678"), &e), SK_IO, &e);
    file_close(f);
    check_text(get_file("a", got, sizeof got), "1234");
}

#define IMAGE_PAGES 6
#define IMAGE_BYTES ((size_t)IMAGE_PAGES * 4096)
#define IMAGES_MAX  40

/* All contents that a file has had since it was last durable, the durable one first. */
typedef struct history {
    uint8_t bytes[IMAGES_MAX][IMAGE_BYTES];
    size_t sizes[IMAGES_MAX];
    unsigned count;
} history;

static bool is_some_size(const history *h, size_t size)
{
    size_t least = h->sizes[0], most = h->sizes[0];
    for (unsigned i = 0; i < h->count; i++) {
        if (h->sizes[i] == size)
            return true;
        least = h->sizes[i] < least ? h->sizes[i] : least;
        most = h->sizes[i] > most ? h->sizes[i] : most;
    }
    return size > least && size < most && size % 4096 == 0;
}

/* Some sectors of one image, then the rest of an older one; `len` is where the file ends in this page. */
static bool is_some_page(const history *h, size_t offset, const uint8_t *page, size_t len)
{
    for (unsigned newer = 0; newer < h->count; newer++) {
        size_t same = 0;
        while (same < len && page[same] == h->bytes[newer][offset + same])
            same++;
        same = same == len ? len : same / 512 * 512;
        for (unsigned older = 0; older <= newer; older++)
            if (memcmp(page + same, h->bytes[older] + offset + same, len - same) == 0)
                return true;
    }
    return false;
}

static void push_image(history *h)
{
    assert_true(h->count < IMAGES_MAX);
    memcpy(h->bytes[h->count], h->bytes[h->count - 1], IMAGE_BYTES);
    h->sizes[h->count] = h->sizes[h->count - 1];
    h->count++;
}

static void random_change(file *f, history *h, uint64_t *seed)
{
    err e;
    push_image(h);
    uint8_t *image = h->bytes[h->count - 1];
    size_t *size = &h->sizes[h->count - 1];
    uint64_t from = check_random(seed) % IMAGE_BYTES, what = check_random(seed) % 8;
    if (what == 0) {
        check_ok(file_truncate(f, from, &e), &e);
        if (from < *size)
            memset(image + from, 0, *size - from);
        *size = from;
    } else if (what == 1) {
        check_ok(file_sync(f, &e), &e);
        memcpy(h->bytes[0], image, IMAGE_BYTES);
        h->sizes[0] = *size;
        h->count = 1;
    } else {
        uint64_t len = check_random(seed) % (what < 4 ? 9000 : 300);
        len = len < IMAGE_BYTES - from ? len : IMAGE_BYTES - from;
        memset(image + from, (int)(1 + check_random(seed) % 255), len);
        check_ok(file_write_at(f, from, span_of(image + from, len), &e), &e);
        *size = len && from + len > *size ? from + len : *size;
    }
}

static void contents_are_old_new_or_torn_by_sectors(void **state)
{
    history *h = malloc(sizeof *h);
    uint64_t seed = 11;
    unsigned kept = 0, lost = 0, other = 0;
    put_file("a", SPAN("seed"), false);
    watch(-1, false, 0);
    for (unsigned round = 0; round < 300; round++) {
        uint8_t got[IMAGE_BYTES];
        file *f;
        err e;
        span before = get_file("a", got, sizeof got);
        memset(h->bytes[0], 0, IMAGE_BYTES);
        memcpy(h->bytes[0], before.at, before.len);
        h->sizes[0] = before.len;
        h->count = 1;
        check_ok(file_open(in_dir("a"), FILE_WRITE, &f, &e), &e);
        for (uint64_t n = check_random(&seed) % 20; n; n--)
            random_change(f, h, &seed);
        file_close(f);
        power_loss(round);
        span after = get_file("a", got, sizeof got);
        assert_true(is_some_size(h, after.len));
        for (size_t at = 0; at < after.len; at += 4096) {
            size_t len = after.len - at < 4096 ? after.len - at : 4096;
            if (!is_some_page(h, at, got + at, len))
                fail_msg("round %u: page at %zu was never so", round, at);
        }
        bool is_old = span_equal(after, span_of(h->bytes[0], h->sizes[0]));
        bool is_new = span_equal(after, span_of(h->bytes[h->count - 1], h->sizes[h->count - 1]));
        kept += is_new && !is_old;
        lost += is_old && !is_new;
        other += !is_old && !is_new;
        if (h->count == 1)
            assert_true(is_old);
    }
    assert_true(kept > 10 && lost > 10 && other > 50);
    free(h);
}

static void the_same_seed_gives_the_same_disk(void **state)
{
    uint8_t first[40000], second[40000];
    span got[2];
    bool has_b[2];
    for (int round = 0; round < 2; round++) {
        uint8_t bytes[30000];
        file_faults_install(NULL);
        put_file("a", SPAN("old"), false);
        memset(bytes, 'n', sizeof bytes);
        watch(-1, false, 0);
        put_file("a", span_of(bytes, sizeof bytes), false);
        put_file("b", SPAN("b"), true);
        power_loss(7);
        got[round] = get_file("a", round ? second : first, sizeof first);
        has_b[round] = get_file("b", bytes, sizeof bytes).at != NULL;
        check_ok(file_remove(in_dir("a"), NULL), NULL);
        check_ok(file_remove(in_dir("b"), NULL), NULL);
    }
    check_span(got[0], got[1]);
    assert_int_equal(has_b[0], has_b[1]);
}

static void a_failed_sync_dooms_what_was_written_before(void **state)
{
    unsigned lost = 0;
    for (uint64_t seed = 0; seed < 40; seed++) {
        uint8_t got[5000], page[4096];
        file *f;
        err e;
        file_faults_install(NULL);
        memset(page, 'p', sizeof page);
        put_anew("a", SPAN("old"));
        watch(1, false, EIO);
        check_ok(file_open(in_dir("a"), FILE_WRITE, &f, &e), &e);
        check_ok(file_write_at(f, 0, SPAN("new"), &e), &e);
        check_code(file_sync(f, &e), SK_IO, &e);
        check_ok(file_sync(f, &e), &e);
        file_close(f);
        power_loss(seed);
        span after = get_file("a", got, sizeof got);
        lost += span_is(after, "old");
        assert_true(span_is(after, "old") || span_is(after, "new"));

        file_faults_install(NULL);
        put_file("a", span_of(page, sizeof page), false);
        watch(1, false, EIO);
        check_ok(file_open(in_dir("a"), FILE_WRITE, &f, &e), &e);
        check_ok(file_write_at(f, 0, SPAN("new"), &e), &e);
        check_code(file_sync(f, &e), SK_IO, &e);
        memset(page, 'q', sizeof page);
        check_ok(file_write_at(f, 0, span_of(page, sizeof page), &e), &e);
        check_ok(file_sync(f, &e), &e); /* all of the page was written again */
        file_close(f);
        power_loss(seed);
        check_span(get_file("a", got, sizeof got), span_of(page, sizeof page));
    }
    assert_true(lost > 5 && lost < 35);
}

/* At every operation of a replacement the power goes: old or new, and new once it was said to be done. */
static void a_replacement_is_whole_whenever_the_power_goes(void **state)
{
    unsigned old_seen = 0, new_seen = 0;
    for (int64_t cut = 0; cut < 10; cut++) {
        for (uint64_t seed = 0; seed < 20; seed++) {
            uint8_t got[9000], old[6000], new[8000];
            memset(old, 'o', sizeof old);
            memset(new, 'n', sizeof new);
            file_faults_install(NULL);
            put_anew("conf", span_of(old, sizeof old));
            watch(cut, true, EIO);
            sk_code code = file_replace(in_dir("conf"), span_of(new, sizeof new), 0600, NULL);
            power_loss(seed);
            span after = get_file("conf", got, sizeof got);
            bool is_new = span_equal(after, span_of(new, sizeof new));
            assert_true(is_new || span_equal(after, span_of(old, sizeof old)));
            assert_true(is_new || code != SK_OK);
            new_seen += is_new;
            old_seen += !is_new;
        }
    }
    assert_true(old_seen > 20 && new_seen > 20);
}

#define SHARED_BYTES 60000u

typedef struct shared_file {
    const char *path;
    uint8_t fill;
} shared_file;

static void write_and_sync(void *ctx)
{
    const shared_file *s = ctx;
    uint8_t bytes[1000];
    file *f;
    err e;
    memset(bytes, s->fill, sizeof bytes);
    if (file_open(s->path, FILE_WRITE, &f, &e) != SK_OK)
        return;
    for (uint64_t at = 0; at < SHARED_BYTES; at += sizeof bytes)
        if (file_write_at(f, at, span_of(bytes, sizeof bytes), &e) != SK_OK ||
            file_sync(f, &e) != SK_OK)
            break;
    file_close(f);
}

static void threads_are_recorded_together(void **state)
{
    shared_file files[3];
    thread threads[3];
    watch(-1, false, 0);
    for (unsigned i = 0; i < 3; i++) {
        files[i] = (shared_file){in_dir(i == 0 ? "a" : i == 1 ? "b" : "c"), (uint8_t)(i + 1)};
        assert_true(thread_start(&threads[i], "writer", write_and_sync, &files[i]));
    }
    for (unsigned i = 0; i < 3; i++)
        thread_join(&threads[i]);
    sync_dir(".");
    assert_int_equal(file_faults_count(), 3 * (1 + 2 * SHARED_BYTES / 1000) + 1);
    power_loss(3);
    for (unsigned i = 0; i < 3; i++) {
        uint8_t *got;
        size_t len;
        check_ok(file_read_all(files[i].path, 100000, &got, &len, NULL), NULL);
        assert_int_equal(len, SHARED_BYTES);
        for (size_t at = 0; at < len; at++)
            assert_int_equal(got[at], files[i].fill);
        base_free(got);
    }
}

static void a_failed_allocation_gives_its_space_back(void **state)
{
    uint64_t size;
    uint8_t got[10];
    file *f;
    err e;
    put_anew("a", SPAN("kept"));
    watch(2, false, ENOSPC);
    check_ok(file_open(in_dir("a"), FILE_WRITE, &f, &e), &e);
    check_code(file_allocate(f, 2000000, &e), SK_IO, &e);
    check_ok(file_size(f, &size, &e), &e);
    assert_int_equal(size, 4);
    assert_int_equal(file_faults_count(), 4); /* two writes, the one that failed, the truncation */
    check_ok(file_sync(f, &e), &e);
    file_close(f);
    power_loss(1);
    check_text(get_file("a", got, sizeof got), "kept");
}

static void a_missing_folder_is_no_folder(void **state)
{
    err e;
    watch(-1, false, 0);
    check_code(file_sync_dir(in_dir("none"), &e), SK_NOT_FOUND, &e);
    put_file("a", SPAN("a"), false);
    check_code(file_sync_dir(in_dir("a"), &e), SK_IO, &e);
    check_code(file_rename(in_dir("none"), in_dir("b"), &e), SK_NOT_FOUND, &e);
    check_code(file_rename(in_dir("a"), in_dir("none/a"), &e), SK_NOT_FOUND, &e);
    check_ok(file_remove(in_dir("none/a"), &e), &e);
}

TEST_GROUP(base_faults, FAULT_TEST(the_chosen_operation_fails),
           FAULT_TEST(outside_the_root_nothing_happens),
           FAULT_TEST(a_failed_write_leaves_its_first_half),
           FAULT_TEST(contents_are_old_new_or_torn_by_sectors),
           FAULT_TEST(the_same_seed_gives_the_same_disk),
           FAULT_TEST(a_failed_sync_dooms_what_was_written_before),
           FAULT_TEST(a_replacement_is_whole_whenever_the_power_goes),
           FAULT_TEST(threads_are_recorded_together),
           FAULT_TEST(a_failed_allocation_gives_its_space_back),
           FAULT_TEST(a_missing_folder_is_no_folder));
