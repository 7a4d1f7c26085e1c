/*
 * tests/unit/base_fault_names.c: names through a power loss, against a model: what was durable is never lost, what was
 * not comes and goes.
 */
#include "base_disk.h"

#include <errno.h>
#include <sys/stat.h>

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

TEST_GROUP(base_fault_names, FAULT_TEST(a_failed_sync_of_a_folder_dooms_its_names),
           FAULT_TEST(names_survive_once_their_folder_is_synced),
           FAULT_TEST(unsynced_names_come_and_go), FAULT_TEST(names_can_be_swapped_back),
           FAULT_TEST(moving_out_of_a_folder_that_goes_loses_nothing),
           FAULT_TEST(random_changes_of_names_lose_nothing_durable));
