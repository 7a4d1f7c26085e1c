/* tests/unit/meta_people.c: who may log in: roles, passwords, sessions, links, waits after failures, and older databases. */
#include "check.h"

#include <time.h>

#include "meta/meta_private.h"

static const login_origin here = {.address = {(const uint8_t *)"192.0.2.1", 9},
                                  .agent = {(const uint8_t *)"a browser", 9}};

static meta *open_people(void)
{
    meta *m = NULL;
    err e = {0};
    meta_options o = {.dir = check_dir()};
    check_ok(meta_open(&o, &m, NULL, &e), &e);
    return m;
}

static const span password = {(const uint8_t *)"correct horse", 13};

static void add_user(meta *m, const char *name, user_role role, span its_password)
{
    user_info u;
    err e;
    check_ok(meta_user_create(m, span_text(name), role, its_password, &u, &e), &e);
    assert_string_equal(u.name, name);
    assert_int_equal(u.role, role);
}

static void a_login_makes_a_session(void **state)
{
    meta *m = open_people();
    session_info s, again;
    char token[META_TOKEN_MAX], csrf[META_TOKEN_MAX];
    err e;
    assert_false(meta_has_people(m));
    add_user(m, "ann", ROLE_EDITOR, password);
    assert_true(meta_has_people(m));
    check_code(meta_login(m, SPAN("ann"), SPAN("wrong"), &here, &s, token, &e), SK_UNAUTHENTICATED,
               &e);
    check_code(meta_login(m, SPAN("nobody"), password, &here, &s, token, &e), SK_UNAUTHENTICATED,
               &e);
    check_ok(meta_login(m, SPAN(" Ann "), password, &here, &s, token, &e), &e);
    assert_string_equal(s.user_name, "ann");
    assert_string_equal(s.address, "192.0.2.1");
    assert_int_equal(s.ends_ns, s.created_ns + SESSION_IDLE_NS);
    assert_true(meta_session_check(m, span_text(token), &again));
    assert_string_equal(again.id, s.id);
    assert_false(meta_session_check(m, SPAN("short"), &again));
    meta_session_csrf(m, span_text(token), csrf);
    assert_string_not_equal(csrf, token);
    assert_true(meta_session_csrf_check(m, span_text(token), span_text(csrf)));
    csrf[3] = csrf[3] == '0' ? '1' : '0';
    assert_false(meta_session_csrf_check(m, span_text(token), span_text(csrf)));
    assert_false(meta_session_csrf_check(m, span_text(token), SPAN("")));
    check_ok(meta_session_end(m, span_text(s.id), &e), &e);
    assert_false(meta_session_check(m, span_text(token), &again));
    check_code(meta_session_end(m, span_text(s.id), &e), SK_NOT_FOUND, &e);
    meta_close(m);
}

static void no_user_has_more_sessions_than_the_limit(void **state)
{
    meta *m = open_people();
    session_info s;
    char first[META_TOKEN_MAX], token[META_TOKEN_MAX], link[META_TOKEN_MAX];
    user_info u;
    int64_t ends;
    session_info *list;
    uint32_t count;
    arena *mem = arena_new(MIB);
    err e;
    for (uint32_t i = 0; i <= META_SESSIONS_MAX; i++) {
        check_ok(meta_link_create(m, (span){0}, link, &u, &ends, &e), &e);
        check_ok(meta_link_use(m, span_text(link), &here, &s, i ? token : first, &e), &e);
    }
    check_ok(meta_session_list(m, u.id, mem, &list, &count, &e), &e);
    assert_int_equal(count, META_SESSIONS_MAX);
    assert_false(meta_session_check(m, span_text(first), &s));
    assert_true(meta_session_check(m, span_text(token), &s));
    arena_free(mem);
    meta_close(m);
}

static void sessions_end_when_idle_and_when_old(void **state)
{
    meta *m = open_people();
    session_info s;
    char token[META_TOKEN_MAX];
    err e;
    add_user(m, "ann", ROLE_VIEWER, password);
    for (int i = 0; i < 2; i++) {
        check_ok(meta_login(m, SPAN("ann"), password, &here, &s, token, &e), &e);
        assert_int_equal(m->session_count, 1);
        if (i == 0) {
            m->sessions[0].info.last_seen_ns -= SESSION_IDLE_NS;
        } else {
            m->sessions[0].info.created_ns -= SESSION_LIFE_NS;
            m->sessions[0].info.last_seen_ns -= NS_PER_S;
        }
        assert_false(meta_session_check(m, span_text(token), &s));
        lock_take(&m->lock);
        check_ok(meta__execute(m,
                               i ? "UPDATE sessions SET created_ns = 1"
                                 : "UPDATE sessions SET last_seen_ns = 1",
                               &e),
                 &e);
        lock_drop(&m->lock);
        meta_keep_house(m);
        assert_int_equal(m->session_count, 0);
    }
    meta_close(m);
}

static void a_link_works_once_and_not_for_ever(void **state)
{
    meta *m = open_people();
    session_info s;
    user_info u;
    int64_t ends;
    char link[META_TOKEN_MAX], token[META_TOKEN_MAX];
    err e;
    check_ok(meta_link_create(m, (span){0}, link, &u, &ends, &e), &e);
    assert_string_equal(u.name, FIRST_USER);
    assert_int_equal(u.role, ROLE_ADMIN);
    assert_false(meta_session_check(m, span_text(link), &s)); /* a link is no session */
    check_ok(meta_link_use(m, span_text(link), &here, &s, token, &e), &e);
    check_code(meta_link_use(m, span_text(link), &here, &s, token, &e), SK_UNAUTHENTICATED, &e);
    check_code(meta_link_use(m, span_text(token), &here, &s, token, &e), SK_UNAUTHENTICATED, &e);
    check_ok(meta_link_create(m, SPAN("ADMIN"), link, &u, &ends, &e), &e);
    lock_take(&m->lock);
    check_ok(meta__execute(m, "UPDATE links SET ends_ns = 1", &e), &e);
    lock_drop(&m->lock);
    check_code(meta_link_use(m, span_text(link), &here, &s, token, &e), SK_UNAUTHENTICATED, &e);
    check_code(meta_link_create(m, SPAN("nobody"), link, &u, &ends, &e), SK_NOT_FOUND, &e);
    meta_close(m);
}

static void changes_count_at_once(void **state)
{
    meta *m = open_people();
    session_info s;
    user_info u;
    char token[META_TOKEN_MAX];
    err e;
    add_user(m, "root", ROLE_ADMIN, password);
    add_user(m, "ann", ROLE_VIEWER, password);
    check_ok(meta_login(m, SPAN("ann"), password, &here, &s, token, &e), &e);
    user_change promoted = {.sets_role = true, .role = ROLE_EDITOR},
                disabled = {.sets_disabled = true, .is_disabled = true};
    check_ok(meta_user_change(m, SPAN("ann"), &promoted, &u, &e), &e);
    assert_true(meta_session_check(m, span_text(token), &s));
    assert_int_equal(user_role_permissions(s.role), MAY_QUERY | MAY_SAVE);
    check_ok(meta_user_change(m, SPAN("ann"), &disabled, &u, &e), &e);
    assert_false(meta_session_check(m, span_text(token), &s));
    check_code(meta_login(m, SPAN("ann"), password, &here, &s, token, &e), SK_UNAUTHENTICATED, &e);
    check_code(meta_user_change(m, SPAN("root"), &disabled, &u, &e), SK_CONFLICT, &e);
    check_code(meta_user_change(m, SPAN("root"), &promoted, &u, &e), SK_CONFLICT, &e);
    check_code(meta_user_delete(m, SPAN("root"), &e), SK_CONFLICT, &e);
    check_ok(meta_user_delete(m, SPAN("ann"), &e), &e);
    check_code(meta_user_create(m, SPAN("a b"), ROLE_VIEWER, (span){0}, &u, &e), SK_BAD_INPUT, &e);
    check_code(meta_user_create(m, SPAN("x"), ROLE_VIEWER, SPAN("short"), &u, &e), SK_BAD_INPUT,
               &e);
    check_code(meta_user_create(m, SPAN("ROOT"), ROLE_VIEWER, (span){0}, &u, &e), SK_CONFLICT, &e);
    meta_close(m);
}

static void unknown_names_cost_as_much(void **state)
{
    meta *m = open_people();
    char hash[PASSWORD_HASH_MAX];
    bool is_right;
    err e;
    check_ok(meta__password_hash(m, password, hash, &e), &e);
    clock_t start = clock();
    check_ok(meta__password_check(m, password, hash, &is_right, &e), &e);
    clock_t known = clock() - start;
    assert_true(is_right);
    start = clock();
    check_ok(meta__password_check(m, password, "", &is_right, &e), &e);
    clock_t unknown = clock() - start;
    assert_false(is_right);
    assert_true(unknown > known / 4); /* a hash that cannot be read would cost nothing */
    m->is_hashing = true;
    check_code(meta__password_check(m, password, hash, &is_right, &e), SK_BUSY, &e);
    meta_close(m);
}

static void failures_make_wait(void **state)
{
    meta *m = open_people();
    err e = {0};
    int64_t now = 1000 * NS_PER_S;
    uint32_t waits[14], count = 0;
    for (int i = 0; i < 5; i++)
        check_ok(meta__attempt(m, SPAN("ann"), SPAN("192.0.2.1"), now, &e), &e);
    while (count < COUNT_OF(waits)) {
        check_code(meta__attempt(m, SPAN("ANN"), SPAN("192.0.2.2"), now, &e), SK_THROTTLED, &e);
        waits[count++] = e.retry_after_s;
        now += e.retry_after_s * NS_PER_S;
        check_ok(meta__attempt(m, SPAN("ann"), SPAN("192.0.2.3"), now, &e), &e);
    }
    assert_int_equal(waits[0], 1);
    assert_int_equal(waits[3], 8);
    assert_int_equal(waits[13], 900);
    check_ok(meta__attempt(m, SPAN("bob"), SPAN("192.0.2.4"), now, &e), &e);
    meta__forgive(m, SPAN("ann"), SPAN("192.0.2.3"));
    check_ok(meta__attempt(m, SPAN("ann"), SPAN("192.0.2.4"), now, &e), &e);
    /* Many names from one place; an IPv6 network is one place. */
    char text[40];
    for (int i = 0; i < 20; i++) {
        snprintf(text, sizeof text, "2001:db8::%x", i);
        check_ok(meta__attempt(m, span_text(text), span_text(text), now, &e), &e);
    }
    check_code(meta__attempt(m, SPAN("x"), SPAN("2001:db8::ffff"), now, &e), SK_THROTTLED, &e);
    check_ok(meta__attempt(m, SPAN("x"), SPAN("2001:db8:0:1::1"), now, &e), &e);
    /* More subjects than are kept push out the quiet ones only. */
    for (uint32_t i = 0; i < 2 * ATTEMPTS_KEPT; i++) {
        snprintf(text, sizeof text, "name%u", i);
        check_ok(meta__attempt(m, span_text(text), (span){(const uint8_t *)text, strlen(text)},
                               now + (int64_t)i, &e),
                 &e);
    }
    meta_close(m);
}

static void browser_keys_are_bound_to_origins(void **state)
{
    meta *m = open_people();
    key_info k, seen;
    char secret[META_SECRET_MAX];
    err e;
    span good[] = {SPAN("https://Shop.example:443/"), SPAN("https://*.shop.example"),
                   SPAN("http://[::1]:3000")};
    check_ok(meta_browser_key_create(m, 1, SPAN("shop"), good, 3, &k, secret, &e), &e);
    assert_string_equal(k.origins, "https://shop.example https://*.shop.example http://[::1]:3000");
    check_ok(meta_key_check(m, span_text(secret), &seen, &e), &e);
    assert_int_equal(seen.kind, KEY_BROWSER);
    assert_int_equal(seen.permissions, MAY_SEND | MAY_CREATE_DATASETS);
    static const char *const allowed[] = {"https://shop.example", "https://shop.example:443",
                                          "https://a.b.shop.example", "http://[::1]:3000"};
    static const char *const refused[] = {"http://shop.example",
                                          "https://shop.example:1",
                                          "https://evilshop.example",
                                          "https://*.shop.example",
                                          "null",
                                          "",
                                          "https://shop.example.evil"};
    for (size_t i = 0; i < COUNT_OF(allowed); i++)
        assert_true(meta_origin_is_allowed(&seen, span_text(allowed[i])));
    for (size_t i = 0; i < COUNT_OF(refused); i++)
        assert_false(meta_origin_is_allowed(&seen, span_text(refused[i])));
    static const char *const bad[] = {"shop.example",  "https://", "https://a/b", "https://*",
                                      "https://a.*.b", "ftp://a",  "https://a b"};
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        span one = span_text(bad[i]);
        check_code(meta_browser_key_create(m, 1, SPAN("x"), &one, 1, &k, secret, &e), SK_BAD_INPUT,
                   &e);
        assert_non_null(strstr(e.text, "is not an origin"));
    }
    check_code(meta_browser_key_create(m, 1, SPAN("x"), good, 0, &k, secret, &e), SK_BAD_INPUT, &e);
    meta_close(m);
}

/* As the first version wrote it: its keys still work, and people are there. */
static void an_older_database_is_brought_up(void **state)
{
    meta *m = NULL;
    first_keys first;
    key_info k;
    err e;
    meta_options o = {.dir = check_dir()};
    check_ok(meta_open(&o, &m, &first, &e), &e);
    lock_take(&m->lock);
    check_ok(meta__execute(m,
                           "DROP TABLE redactions; DROP TABLE markers; DROP TABLE queries; DROP "
                           "TABLE history; DROP TABLE results;"
                           "DROP TABLE links; DROP TABLE sessions; DROP TABLE users;"
                           "ALTER TABLE keys DROP COLUMN origins; PRAGMA user_version = 1",
                           &e),
             &e);
    lock_drop(&m->lock);
    meta_close(m);
    m = open_people();
    check_ok(meta_key_check(m, span_text(first.dev_full), &k, &e), &e);
    assert_string_equal(k.origins, "");
    add_user(m, "ann", ROLE_VIEWER, password);
    meta_close(m);
    m = open_people();
    assert_true(meta_has_people(m));
    meta_close(m);
}

TEST_GROUP(meta_people, TEST(a_login_makes_a_session),
           TEST(no_user_has_more_sessions_than_the_limit),
           TEST(sessions_end_when_idle_and_when_old), TEST(a_link_works_once_and_not_for_ever),
           TEST(changes_count_at_once), TEST(unknown_names_cost_as_much), TEST(failures_make_wait),
           TEST(browser_keys_are_bound_to_origins), TEST(an_older_database_is_brought_up));
