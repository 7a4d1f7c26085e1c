/*
 * tests/unit/base_faults.c: the fault recorder against models of its own contract: what was durable is never lost,
 * what was not is lost in every way it may be and in no other.
 */
#include "check.h"

#include <errno.h>
#include <sys/stat.h>

#include "base/file.h"

static char path_memory[8][512];

/* Eight paths below the test's folder may be in use at a time. */
static const char *in_dir(const char *name)
{
    static unsigned turn;
    char *out = path_memory[turn++ % 8];
    snprintf(out, sizeof path_memory[0], "%s/%s", check_dir(), name);
    return out;
}

static void watch(int64_t fail_at, bool from_then_on, int error)
{
    file_faults_install(&(file_faults){check_dir(), fail_at, from_then_on, error});
}

static void put_file(const char *name, span content, bool is_synced)
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
static void put_anew(const char *name, span content)
{
    check_ok(file_remove(in_dir(name), NULL), NULL);
    put_file(name, content, false);
}

/* Up to `size` bytes of a file, or an empty span with at == NULL when it is not there. */
static span get_file(const char *name, uint8_t *out, size_t size)
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

static void power_loss(uint64_t seed)
{
    err e;
    check_ok(file_faults_power_loss(seed, &e), &e);
}

static void sync_dir(const char *name)
{
    err e;
    check_ok(file_sync_dir(in_dir(name), &e), &e);
}

static int done_with_faults(void **state)
{
    file_faults_install(NULL);
    return check__end(state);
}

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

static void a_failed_sync_of_a_folder_dooms_its_names(void **state)
{
    unsigned lost = 0;
    for (uint64_t seed = 0; seed < 40; seed++) {
        uint8_t got[10];
        file_faults_install(NULL);
        check_ok(file_remove(in_dir("a"), NULL), NULL);
        watch(3, false, EIO);
        put_file("a", SPAN("a"), true);
        check_code(file_sync_dir(check_dir(), NULL), SK_IO, NULL);
        sync_dir(".");
        power_loss(seed);
        lost += get_file("a", got, sizeof got).at == NULL;
    }
    assert_true(lost > 5 && lost < 35);
}

static void names_survive_once_their_folder_is_synced(void **state)
{
    for (uint64_t seed = 0; seed < 30; seed++) {
        uint8_t got[10];
        watch(-1, false, 0);
        put_file("created", SPAN("1"), true);
        put_file("x", SPAN("2"), true);
        put_file("removed", SPAN("3"), true);
        check_ok(file_rename(in_dir("x"), in_dir("renamed"), NULL), NULL);
        check_ok(file_remove(in_dir("removed"), NULL), NULL);
        check_ok(file_make_dir(in_dir("folder"), NULL), NULL);
        put_file("folder/deep", SPAN("4"), true);
        sync_dir("folder");
        sync_dir(".");
        power_loss(seed);
        check_text(get_file("created", got, sizeof got), "1");
        check_text(get_file("renamed", got, sizeof got), "2");
        check_text(get_file("folder/deep", got, sizeof got), "4");
        assert_null(get_file("x", got, sizeof got).at);
        assert_null(get_file("removed", got, sizeof got).at);
        file_faults_install(NULL);
        check_ok(file_remove_tree(in_dir("folder"), NULL), NULL);
        check_ok(file_remove(in_dir("created"), NULL), NULL);
        check_ok(file_remove(in_dir("renamed"), NULL), NULL);
    }
}

/* Every outcome of one unsynced change of each kind is seen, and no other. */
static void unsynced_names_come_and_go(void **state)
{
    unsigned created = 0, renamed = 0, removed = 0, made = 0, tree = 0;
    for (uint64_t seed = 0; seed < 60; seed++) {
        uint8_t got[10];
        file_faults_install(NULL);
        check_ok(file_remove_tree(in_dir("t"), NULL), NULL);
        check_ok(file_make_dir(in_dir("t"), NULL), NULL);
        check_ok(file_make_dir(in_dir("t/tree"), NULL), NULL);
        put_file("t/old", SPAN("old"), false);
        put_file("t/moves", SPAN("moves"), false);
        put_file("t/goes", SPAN("goes"), false);
        put_file("t/tree/leaf", SPAN("leaf"), false);
        watch(-1, false, 0);
        put_file("t/new", SPAN("new"), true);
        check_ok(file_rename(in_dir("t/moves"), in_dir("t/old"), NULL), NULL);
        check_ok(file_remove(in_dir("t/goes"), NULL), NULL);
        check_ok(file_make_dir(in_dir("t/made"), NULL), NULL);
        put_file("t/made/in", SPAN("in"), true);
        sync_dir("t/made");
        check_ok(file_remove_tree(in_dir("t/tree"), NULL), NULL);
        power_loss(seed);

        span new = get_file("t/new", got, sizeof got);
        assert_true(!new.at || span_is(new, "new"));
        created += new.at != NULL;
        bool has_moved = span_is(get_file("t/old", got, sizeof got), "moves");
        if (has_moved) {
            assert_null(get_file("t/moves", got, sizeof got).at);
        } else {
            check_text(get_file("t/old", got, sizeof got), "old");
            check_text(get_file("t/moves", got, sizeof got), "moves");
        }
        renamed += has_moved;
        span goes = get_file("t/goes", got, sizeof got);
        assert_true(!goes.at || span_is(goes, "goes"));
        removed += !goes.at;
        struct stat s;
        bool has_made = stat(in_dir("t/made"), &s) == 0, has_tree = stat(in_dir("t/tree"), &s) == 0;
        if (has_made)
            check_text(get_file("t/made/in", got, sizeof got), "in");
        made += has_made;
        span leaf = get_file("t/tree/leaf", got, sizeof got);
        assert_true(!leaf.at || span_is(leaf, "leaf"));
        tree += !has_tree;
    }
    assert_true(created > 10 && created < 50);
    assert_true(renamed > 10 && renamed < 50);
    assert_true(removed > 10 && removed < 50);
    assert_true(made > 10 && made < 50);
    assert_true(tree > 5 && tree < 50);
}

static void names_can_be_swapped_back(void **state)
{
    unsigned swapped = 0, kept = 0;
    for (uint64_t seed = 0; seed < 40; seed++) {
        uint8_t a[10], b[10];
        file_faults_install(NULL);
        put_file("a", SPAN("A"), false);
        put_file("b", SPAN("B"), false);
        watch(-1, false, 0);
        check_ok(file_rename(in_dir("a"), in_dir("c"), NULL), NULL);
        check_ok(file_rename(in_dir("b"), in_dir("a"), NULL), NULL);
        check_ok(file_rename(in_dir("c"), in_dir("b"), NULL), NULL);
        power_loss(seed);
        span at_a = get_file("a", a, sizeof a), at_b = get_file("b", b, sizeof b);
        swapped += span_is(at_a, "B") && span_is(at_b, "A");
        kept += span_is(at_a, "A") && span_is(at_b, "B");
        file_faults_install(NULL);
        check_ok(file_remove(in_dir("c"), NULL), NULL);
    }
    assert_true(swapped > 2 && kept > 2);
}

/* A folder cannot have gone before what was moved out of it. */
static void moving_out_of_a_folder_that_goes_loses_nothing(void **state)
{
    unsigned stayed = 0, moved = 0;
    for (uint64_t seed = 0; seed < 80; seed++) {
        bool is_synced = seed % 2;
        uint8_t got[10];
        file_faults_install(NULL);
        check_ok(file_remove_tree(in_dir("a"), NULL), NULL);
        check_ok(file_make_dir(in_dir("a"), NULL), NULL);
        check_ok(file_make_dir(in_dir("b"), NULL), NULL);
        check_ok(file_remove(in_dir("b/f"), NULL), NULL);
        put_file("a/f", SPAN("f"), false);
        watch(-1, false, 0);
        check_ok(file_rename(in_dir("a/f"), in_dir("b/f"), NULL), NULL);
        check_ok(file_remove_tree(in_dir("a"), NULL), NULL);
        if (is_synced)
            sync_dir(".");
        power_loss(seed);
        bool is_at_a = get_file("a/f", got, sizeof got).at != NULL;
        assert_true(is_at_a != (get_file("b/f", got, sizeof got).at != NULL));
        assert_true(!is_synced || !is_at_a);
        stayed += is_at_a;
        moved += !is_at_a && !is_synced;
    }
    assert_true(stayed > 5 && moved > 5);
}

#define NAMES 12 /* half in folder A, half in B */
#define IDS   400

/* Files whose content is their number: where each is, and where it might be after a power loss. */
typedef struct name_model {
    unsigned current[NAMES];
    bool allowed[NAMES][IDS]; /* 0: no such name */
    bool has_left[IDS];       /* to the other folder */
    bool is_anchored[IDS];    /* its name was once durable and it was never removed */
    unsigned next_id;
} name_model;

static const char *name_of(unsigned slot)
{
    char text[8];
    snprintf(text, sizeof text, "%c/%u", slot < NAMES / 2 ? 'A' : 'B', slot);
    return in_dir(text);
}

static void model_sync(name_model *m, unsigned folder)
{
    for (unsigned slot = folder * NAMES / 2; slot < (folder + 1) * NAMES / 2; slot++) {
        unsigned id = m->current[slot];
        for (unsigned i = 0; i < IDS; i++)
            m->allowed[slot][i] = i == id || (id == 0 && m->has_left[i] && m->allowed[slot][i]);
        m->is_anchored[id] = id != 0;
    }
}

static void model_put(name_model *m, unsigned slot, unsigned id)
{
    m->is_anchored[m->current[slot]] = false;
    m->current[slot] = id;
    m->allowed[slot][id] = true;
}

static void random_name_change(name_model *m, uint64_t *seed)
{
    unsigned slot = (unsigned)(check_random(seed) % NAMES),
             to = (unsigned)(check_random(seed) % NAMES);
    unsigned id = m->current[slot];
    uint64_t what = check_random(seed) % 8;
    err e;
    if (what == 0) {
        unsigned folder = slot < NAMES / 2 ? 0 : 1;
        check_ok(file_sync_dir(in_dir(folder ? "B" : "A"), &e), &e);
        model_sync(m, folder);
    } else if (!id && m->next_id < IDS) {
        file *f;
        id = m->next_id++;
        check_ok(file_open(name_of(slot), FILE_CREATE_NEW, &f, &e), &e);
        check_ok(file_write_at(f, 0, span_of(&id, sizeof id), &e), &e);
        check_ok(file_sync(f, &e), &e);
        file_close(f);
        model_put(m, slot, id);
    } else if (id && what < 3) {
        check_ok(file_remove(name_of(slot), &e), &e);
        model_put(m, slot, 0);
    } else if (id && slot != to) {
        bool was_anchored = m->is_anchored[id];
        check_ok(file_rename(name_of(slot), name_of(to), &e), &e);
        model_put(m, to, id);
        model_put(m, slot, 0);
        m->is_anchored[id] = was_anchored;
        m->has_left[id] |= (slot < NAMES / 2) != (to < NAMES / 2);
    }
}

static void check_names(const name_model *m, unsigned round)
{
    unsigned seen[IDS] = {0};
    for (unsigned slot = 0; slot < NAMES; slot++) {
        uint8_t *bytes;
        size_t len;
        unsigned id = 0;
        if (file_read_all(name_of(slot), sizeof id, &bytes, &len, NULL) == SK_OK) {
            assert_int_equal(len, sizeof id);
            memcpy(&id, bytes, sizeof id);
            base_free(bytes);
        }
        if (!m->allowed[slot][id])
            fail_msg("round %u: name %u holds file %u", round, slot, id);
        seen[id]++;
    }
    for (unsigned id = 1; id < IDS; id++) {
        if (seen[id] > 1)
            fail_msg("round %u: file %u has two names", round, id);
        if (m->is_anchored[id] && !seen[id])
            fail_msg("round %u: file %u is lost", round, id);
    }
}

static void random_changes_of_names_lose_nothing_durable(void **state)
{
    uint64_t seed = 21;
    name_model *m = malloc(sizeof *m);
    check_ok(file_make_dir(in_dir("A"), NULL), NULL);
    check_ok(file_make_dir(in_dir("B"), NULL), NULL);
    for (unsigned round = 0; round < 300; round++) {
        memset(m, 0, sizeof *m);
        m->next_id = 1;
        for (unsigned slot = 0; slot < NAMES; slot++) {
            check_ok(file_remove(name_of(slot), NULL), NULL);
            m->allowed[slot][0] = true;
        }
        watch(-1, false, 0);
        for (uint64_t n = check_random(&seed) % 60; n; n--)
            random_name_change(m, &seed);
        power_loss(round);
        check_names(m, round);
        file_faults_install(NULL);
    }
    free(m);
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

#define FAULT_TEST(f) cmocka_unit_test_setup_teardown(f, check__begin, done_with_faults)

TEST_GROUP(base_faults, FAULT_TEST(the_chosen_operation_fails),
           FAULT_TEST(outside_the_root_nothing_happens),
           FAULT_TEST(a_failed_write_leaves_its_first_half),
           FAULT_TEST(contents_are_old_new_or_torn_by_sectors),
           FAULT_TEST(the_same_seed_gives_the_same_disk),
           FAULT_TEST(a_failed_sync_dooms_what_was_written_before),
           FAULT_TEST(a_failed_sync_of_a_folder_dooms_its_names),
           FAULT_TEST(names_survive_once_their_folder_is_synced),
           FAULT_TEST(unsynced_names_come_and_go), FAULT_TEST(names_can_be_swapped_back),
           FAULT_TEST(moving_out_of_a_folder_that_goes_loses_nothing),
           FAULT_TEST(random_changes_of_names_lose_nothing_durable),
           FAULT_TEST(a_replacement_is_whole_whenever_the_power_goes));
