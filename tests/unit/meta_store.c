/* tests/unit/meta_store.c: the control plane: first start, environments, keys, settings, and what is never on the disk. */
#include "check.h"

#include <sys/stat.h>

#include "base/file.h"
#include "meta/meta.h"

static meta *open_meta(const char *preset, first_keys *ret_first)
{
    meta *m = NULL;
    err e = {0};
    meta_options o = {.dir = check_dir(), .preset_ingest_key = preset};
    check_ok(meta_open(&o, &m, ret_first, &e), &e);
    return m;
}

static void check_key(meta *m, const char *secret, key_kind kind, const char *slug,
                      uint32_t permissions)
{
    key_info k;
    err e;
    check_ok(meta_key_check(m, span_text(secret), &k, &e), &e);
    assert_int_equal(k.kind, kind);
    assert_string_equal(k.environment_slug, slug);
    assert_int_equal(k.permissions, permissions);
}

static const uint32_t sends = MAY_SEND | MAY_CREATE_DATASETS;
static const uint32_t all =
    MAY_SEND | MAY_CREATE_DATASETS | MAY_QUERY | MAY_CONFIGURE | MAY_ADMINISTER;

static void the_first_start_makes_two_environments(void **state)
{
    first_keys first, again;
    char path[300];
    struct stat s;
    err e;
    uint8_t *bytes;
    size_t len;
    meta *m = open_meta(NULL, &first);
    assert_true(first.is_first_start);
    check_key(m, first.dev_ingest, KEY_INGEST, "dev", sends);
    check_key(m, first.dev_full, KEY_CONFIGURATION, "dev", all);
    check_key(m, first.demo_ingest, KEY_INGEST, "demo", sends);
    check_key(m, first.demo_full, KEY_CONFIGURATION, "demo", all);
    assert_int_equal(strlen(first.dev_ingest), 64);
    assert_memory_equal(first.dev_ingest, "hcxik_", 6);
    assert_int_equal(strlen(first.dev_full), 22);
    snprintf(path, sizeof path, "%s/keys.json", check_dir());
    assert_int_equal(stat(path, &s), 0);
    assert_int_equal(s.st_mode & 0777, 0600);
    check_ok(file_read_all(path, 4096, &bytes, &len, &e), &e);
    assert_true(span_contains(span_of(bytes, len), span_text(first.dev_ingest)));
    assert_true(span_contains(span_of(bytes, len), span_text(first.demo_full)));
    base_free(bytes);
    meta_close(m);
    m = open_meta(NULL, &again);
    assert_false(again.is_first_start);
    assert_string_equal(again.dev_ingest, "");
    check_key(m, first.dev_ingest, KEY_INGEST, "dev", sends);
    meta_close(m);
}

typedef struct search {
    const char *needle;
    uint32_t hits;
} search;

static sk_code search_file(void *ctx, const char *name, bool is_dir, err *e)
{
    search *s = ctx;
    char path[600];
    uint8_t *bytes;
    size_t len;
    struct stat st;
    snprintf(path, sizeof path, "%s/%s", check_dir(), name);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 077, 0); /* nobody else's */
    if (strcmp(name, "keys.json") == 0)
        return SK_OK;
    check_ok(file_read_all(path, 16 * MIB, &bytes, &len, e), e);
    s->hits += span_contains(span_of(bytes, len), span_text(s->needle));
    base_free(bytes);
    return SK_OK;
}

static void a_secret_is_on_no_disk(void **state)
{
    first_keys first;
    key_info k;
    char secret[META_SECRET_MAX];
    environment env;
    err e;
    meta *m = open_meta(NULL, &first);
    assert_true(meta_environment(m, SPAN("dev"), &env));
    check_ok(meta_key_create(m, env.id, KEY_INGEST, SPAN("ci"), sends, &k, secret, &e), &e);
    check_key(m, secret, KEY_INGEST, "dev", sends);
    const char *needles[] = {secret + 38, first.dev_ingest + 38, first.dev_full};
    for (size_t i = 0; i < COUNT_OF(needles); i++) {
        search s = {.needle = needles[i]};
        check_ok(file_list_dir(check_dir(), search_file, &s, &e), &e);
        assert_int_equal(s.hits, 0);
    }
    search seen = {.needle = k.id}; /* the id may be seen: the search works */
    check_ok(file_list_dir(check_dir(), search_file, &seen, &e), &e);
    assert_true(seen.hits > 0);
    meta_close(m);
}

static void wrong_keys_are_told_apart(void **state)
{
    static const struct {
        const char *name, *key, *says;
    } rows[] = {{"empty", "", "empty"},
                {"literal", "${HONEYCOMB_API_KEY}", "variable"},
                {"shell", "$HONEYCOMB_API_KEY", "variable"},
                {"unknown", "hcaik_01hq0000000000000000000000secret", "unknown API key"},
                {"short", "x", "unknown API key"}};
    first_keys first;
    key_info k;
    err e;
    char fingerprint[20];
    meta *m = open_meta(NULL, &first);
    EACH_ROW(row, rows)
    {
        check_code(meta_key_check(m, span_text(row->key), &k, &e), SK_UNAUTHENTICATED, &e);
        assert_non_null(strstr(e.text, row->says));
        if (strlen(row->key) > 1)
            assert_null(strstr(e.text, row->key));
    }
    meta_key_fingerprint(m, SPAN("hcaik_01hq0000000000000000000000secret"), fingerprint);
    assert_int_equal(strlen(fingerprint), 16);
    assert_string_equal(fingerprint + 12, "-ret");
    meta_key_fingerprint(m, SPAN("tiny"),
                         fingerprint); /* three of four characters would be too much */
    assert_string_equal(fingerprint + 12, "-***");
    meta_close(m);
}

static void keys_are_revoked_and_adopted(void **state)
{
    first_keys first;
    key_info k, *list;
    environment env;
    err e;
    uint32_t count;
    uint8_t hash[META_KEY_HASH_BYTES];
    arena *mem = arena_new(MIB);
    meta *m = open_meta(NULL, &first);
    assert_true(meta_environment(m, SPAN("dev"), &env));
    check_code(meta_key_check(m, SPAN("somebody-elses-key-12345"), &k, &e), SK_UNAUTHENTICATED, &e);
    meta_key_hash(m, SPAN("somebody-elses-key-12345"), hash);
    check_ok(meta_key_adopt(m, hash, env.id, SPAN("old app"), &k, &e), &e);
    check_key(m, "somebody-elses-key-12345", KEY_INGEST, "dev", sends);
    check_code(meta_key_adopt(m, hash, env.id, SPAN("again"), &k, &e), SK_CONFLICT, &e);
    check_ok(meta_key_revoke(m, span_text(k.id), &e), &e);
    check_code(meta_key_check(m, SPAN("somebody-elses-key-12345"), &k, &e), SK_UNAUTHENTICATED, &e);
    assert_non_null(strstr(e.text, "revoked"));
    check_code(meta_key_revoke(m, SPAN("hcxik_nothing"), &e), SK_NOT_FOUND, &e);
    check_ok(meta_key_list(m, env.id, mem, &list, &count, &e), &e);
    assert_int_equal(count, 3);
    assert_string_equal(list[2].name, "old app");
    assert_true(list[2].is_revoked);
    assert_true(list[2].last_used_ns > 0);
    check_ok(meta_key_list(m, 0, mem, &list, &count, &e), &e);
    assert_int_equal(count, 5);
    meta_close(m);
    m = open_meta(NULL, &first);
    check_code(meta_key_check(m, SPAN("somebody-elses-key-12345"), &k, &e), SK_UNAUTHENTICATED, &e);
    check_ok(meta_key_list(m, env.id, mem, &list, &count, &e), &e);
    assert_true(list[2].last_used_ns > 0); /* kept over a restart */
    meta_close(m);
    arena_free(mem);
}

static void ingest_keys_only_send(void **state)
{
    first_keys first;
    key_info k;
    char secret[META_SECRET_MAX];
    err e;
    meta *m = open_meta(NULL, &first);
    check_code(meta_key_create(m, 1, KEY_INGEST, SPAN("x"), all, &k, secret, &e), SK_BAD_INPUT, &e);
    check_code(meta_key_create(m, 1, KEY_INGEST, SPAN(" "), sends, &k, secret, &e), SK_BAD_INPUT,
               &e);
    check_code(meta_key_create(m, 77, KEY_INGEST, SPAN("x"), sends, &k, secret, &e), SK_NOT_FOUND,
               &e);
    check_ok(meta_key_create(m, 1, KEY_CONFIGURATION, SPAN("x"), MAY_QUERY, &k, secret, &e), &e);
    assert_int_equal(strlen(secret), 22);
    assert_memory_equal(k.id, "hcxlk_", 6);
    meta_close(m);
}

static void environments_come_and_go(void **state)
{
    static const struct {
        const char *name, *slug;
    } rows[] = {
        {"Production EU!", "production-eu-"}, {"a_b~c.d-e", "a_b~c.d-e"}, {"\xc3\xa4", "--"}};
    first_keys first;
    environment env, *list;
    key_info k;
    char secret[META_SECRET_MAX];
    uint32_t count, last = 0;
    err e;
    arena *mem = arena_new(MIB);
    meta *m = open_meta(NULL, &first);
    EACH_ROW(row, rows)
    {
        check_ok(meta_environment_create(m, span_text(row->name), &env, &e), &e);
        assert_string_equal(env.slug, row->slug);
        assert_string_equal(env.name, row->name);
        assert_true(env.id > last);
        last = env.id;
        check_code(meta_environment_create(m, span_text(row->name), &env, &e), SK_CONFLICT, &e);
    }
    check_code(meta_environment_create(m, SPAN("  "), &env, &e), SK_BAD_INPUT, &e);
    check_code(meta_environment_create(m, SPAN("\xff"), &env, &e), SK_BAD_INPUT, &e);
    check_ok(meta_environment_set_retention(m, last, 5 * NS_PER_S, &e), &e);
    assert_true(meta_environment_by_id(m, last, &env));
    assert_int_equal(env.retention_ns, 5 * NS_PER_S);
    check_ok(meta_key_create(m, last, KEY_INGEST, SPAN("k"), sends, &k, secret, &e), &e);
    check_ok(meta_environment_delete(m, last, &e), &e);
    check_code(meta_environment_delete(m, last, &e), SK_NOT_FOUND, &e);
    assert_false(meta_environment_by_id(m, last, &env));
    check_code(meta_key_check(m, span_text(secret), &k, &e), SK_UNAUTHENTICATED, &e);
    check_ok(meta_environment_create(m, SPAN("next"), &env, &e), &e);
    assert_true(env.id > last); /* numbers are never used again */
    assert_true(meta_environment(m, SPAN("dev"), &env));
    check_code(meta_environment_delete(m, env.id, &e), SK_CONFLICT, &e);
    check_ok(meta_environment_list(m, mem, &list, &count, &e), &e);
    assert_int_equal(count, 5);
    assert_string_equal(list[0].slug, "dev");
    meta_close(m);
    arena_free(mem);
}

static void a_preset_key_is_devs(void **state)
{
    first_keys first;
    meta *m;
    err e;
    meta_options o = {.dir = check_dir(), .preset_ingest_key = "too-short"};
    check_code(meta_open(&o, &m, &first, &e), SK_BAD_INPUT, &e);
    o.preset_ingest_key =
        "${SKEP_INGEST_KEY}"; /* a known key, and every sender's would be refused */
    check_code(meta_open(&o, &m, &first, &e), SK_BAD_INPUT, &e);
    m = open_meta("compose-preset-key-1", &first);
    assert_true(first.is_first_start); /* the refused start left nothing behind */
    assert_string_equal(first.dev_ingest, "compose-preset-key-1");
    check_key(m, "compose-preset-key-1", KEY_INGEST, "dev", sends);
    meta_close(m);
    m = open_meta("compose-preset-key-2", &first);
    check_key(m, "compose-preset-key-1", KEY_INGEST, "dev", sends);
    check_key(m, "compose-preset-key-2", KEY_INGEST, "dev", sends);
    meta_close(m);
}

static void settings_are_kept(void **state)
{
    first_keys first;
    span got;
    err e;
    arena *mem = arena_new(MIB);
    meta *m = open_meta(NULL, &first);
    check_code(meta_setting_get(m, "disk_max", mem, &got, &e), SK_NOT_FOUND, &e);
    check_ok(meta_setting_set(m, "disk_max", SPAN("20"), &e), &e);
    check_ok(meta_setting_set(m, "disk_max", SPAN("21\0x"), &e), &e);
    check_ok(meta_setting_set(m, "empty", (span){0}, &e), &e);
    meta_audit(m, "hcxik_a", "key.create", "hcxik_b");
    meta_close(m);
    m = open_meta(NULL, &first);
    check_ok(meta_setting_get(m, "disk_max", mem, &got, &e), &e);
    check_span(got, SPAN("21\0x"));
    check_ok(meta_setting_get(m, "empty", mem, &got, &e), &e);
    assert_int_equal(got.len, 0);
    meta_close(m);
    arena_free(mem);
}

static void a_lost_secret_is_said(void **state)
{
    first_keys first;
    char path[300];
    meta *m = open_meta(NULL, &first);
    err e;
    meta_options o = {.dir = check_dir()};
    meta_close(m);
    snprintf(path, sizeof path, "%s/secret", check_dir());
    check_ok(file_replace(path, SPAN("short"), 0600, &e), &e);
    check_code(meta_open(&o, &m, &first, &e), SK_CORRUPT, &e);
    check_ok(file_remove(path, &e), &e);
    check_code(meta_open(&o, &m, &first, &e), SK_CORRUPT, &e);
    assert_non_null(strstr(e.text, "backup"));
}

static void damage_and_newer_formats_are_refused(void **state)
{
    first_keys first;
    char path[300];
    uint8_t version[4] = {0, 0, 0, 9}, junk[4096] = {7};
    file *f;
    meta *m = open_meta(NULL, &first);
    err e;
    meta_options o = {.dir = check_dir()};
    meta_close(m);
    snprintf(path, sizeof path, "%s/meta.db", check_dir());
    check_ok(file_open(path, FILE_WRITE, &f, &e), &e);
    check_ok(file_write_at(f, 60, span_of(version, 4), &e), &e); /* SQLite's user_version */
    check_code(meta_open(&o, &m, &first, &e), SK_UNSUPPORTED, &e);
    assert_non_null(strstr(e.text, "meta.db"));
    check_ok(file_write_at(f, 0, span_of(junk, sizeof junk), &e), &e);
    check_code(meta_open(&o, &m, &first, &e), SK_CORRUPT, &e);
    file_close(f);
}

TEST_GROUP(meta_store, TEST(the_first_start_makes_two_environments), TEST(a_secret_is_on_no_disk),
           TEST(wrong_keys_are_told_apart), TEST(keys_are_revoked_and_adopted),
           TEST(ingest_keys_only_send), TEST(environments_come_and_go), TEST(a_preset_key_is_devs),
           TEST(settings_are_kept), TEST(a_lost_secret_is_said),
           TEST(damage_and_newer_formats_are_refused));
TEST_MAIN(meta_store, meta_people, meta_saved, meta_redacting)
