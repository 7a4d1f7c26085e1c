/*
 * serve/route/admin.c: the control plane over HTTP. Keys are shown once, when they are made; nothing here ever prints a
 * stored one. Runs on query workers (SQLite may wait for the disk).
 */
#include "serve/route/admin.h"

#include <stdio.h>

#include "base/clock.h"
#include "serve/auth.h"
#include "serve/route/common.h"

/* ---- GET /1/auth (honeycomb.md §3.2) ---- */

static void print_access(json_writer *w, uint32_t permissions)
{
    static const struct {
        const char *name;
        uint32_t bit;
    } names[] = {{"events", MAY_SEND},
                 {"markers", MAY_MARK},
                 {"triggers", MAY_CONFIGURE},
                 {"boards", MAY_CONFIGURE},
                 {"queries", MAY_QUERY},
                 {"columns", MAY_CONFIGURE},
                 {"createDatasets", MAY_CREATE_DATASETS},
                 {"create_datasets", MAY_CREATE_DATASETS},
                 {"slos", MAY_CONFIGURE},
                 {"recipients", MAY_CONFIGURE},
                 {"privateBoards", MAY_CONFIGURE}};
    jw_object(w);
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        jw_key_text(w, names[i].name);
        jw_bool(w, (permissions & names[i].bit) != 0);
    }
    jw_object_end(w);
}

static void print_named(json_writer *w, const char *key, const char *name, const char *slug)
{
    jw_key_text(w, key);
    jw_object(w);
    jw_key_text(w, "name");
    jw_text(w, name);
    jw_key_text(w, "slug");
    jw_text(w, slug);
    jw_object_end(w);
}

void route_whoami(exchange *take_x)
{
    const services *s = exchange_services(take_x);
    err e = {0};
    key_info info;
    environment env;
    span key = auth_key(take_x);
    sk_code code =
        key.at ? meta_key_check(s->meta, key, &info, &e)
               : err_set(&e, SK_UNAUTHENTICATED,
                         "missing 'x-honeycomb-team' header: the key to look up goes there");
    if (code == SK_OK && !meta_environment_by_id(s->meta, info.environment, &env))
        code = err_set(&e, SK_NOT_FOUND, "the environment of this key was deleted");
    if (code != SK_OK) {
        auth_note_refusal(s, take_x, key.at ? auth_key_reason(key, &e) : "missing_key", 0,
                          (span){0}, 1, &e);
        route_fail(take_x, code, &e);
        return;
    }
    buf out;
    buf_init(&out, 64 * KIB);
    json_writer w = {.out = &out};
    jw_object(&w);
    jw_key_text(&w, "id");
    jw_text(&w, info.id);
    jw_key_text(&w, "name");
    jw_text(&w, info.name);
    jw_key_text(&w, "type");
    jw_text(&w, info.kind == KEY_CONFIGURATION ? "configuration" : "ingest");
    jw_key_text(&w, "api_key_access");
    print_access(&w, auth_implied(info.permissions, info.kind == KEY_BROWSER));
    print_named(&w, "environment", env.name, env.slug);
    print_named(&w, "team", "skep", "skep");
    jw_object_end(&w);
    route_reply(take_x, 200, &out);
}

/* ---- keys ---- */

static void print_origins(json_writer *w, const key_info *k)
{
    jw_key_text(w, "origins");
    jw_array(w);
    for (span rest = span_text(k->origins); rest.len;)
        jw_string(w, span_cut(&rest, ' '));
    jw_array_end(w);
}

static void print_key(json_writer *w, const key_info *k, const char *secret)
{
    jw_object(w);
    jw_key_text(w, "id");
    jw_text(w, k->id);
    jw_key_text(w, "name");
    jw_text(w, k->name);
    jw_key_text(w, "kind");
    jw_text(w, k->kind == KEY_INGEST         ? "ingest"
               : k->kind == KEY_BROWSER      ? "browser"
               : k->kind == KEY_REFUSED      ? "refused"
               : k->permissions == MAY_QUERY ? "query"
                                             : "configuration");
    jw_key_text(w, "environment");
    jw_text(w, k->environment_slug);
    if (k->kind == KEY_BROWSER)
        print_origins(w, k);
    jw_key_text(w, "permissions");
    print_access(w, k->permissions);
    jw_key_text(w, "created");
    jw_time(w, k->created_ns);
    jw_key_text(w, "last_used");
    if (k->last_used_ns)
        jw_time(w, k->last_used_ns);
    else
        jw_null(w);
    jw_key_text(w, "revoked");
    jw_bool(w, k->is_revoked);
    if (secret) {
        jw_key_text(w, "secret");
        jw_text(w, secret);
    }
    jw_object_end(w);
}

void route_keys_list(exchange *take_x)
{
    static const char *const parameters[] = {"environment", NULL};
    err e = {0};
    environment env = {0};
    key_info *keys;
    uint32_t count;
    span asked = exchange_query(take_x, "environment");
    sk_code code = route_check_query(take_x, parameters, &e);
    if (code == SK_OK && (asked.len || !exchange_caller(take_x)->is_any_environment))
        code = route_environment(take_x, asked, &env, &e);
    if (code == SK_OK)
        code = meta_key_list(exchange_services(take_x)->meta, env.id, exchange_arena(take_x), &keys,
                             &count, &e);
    if (code != SK_OK) {
        route_fail(take_x, code, &e);
        return;
    }
    buf out;
    json_writer w = route_list_begin(&out, "keys");
    for (uint32_t i = 0; i < count; i++)
        print_key(&w, &keys[i], NULL);
    route_list_end(take_x, &w);
}

typedef struct admin_body {
    span name, environment, kind, fingerprint, slug;
    span origins[META_ORIGINS_COUNT];
    uint32_t origin_count;
    bool has_origins;
} admin_body;

static sk_code read_origins(admin_body *b, json *j, err *e)
{
    b->has_origins = true;
    if (j->kind != JSON_ARRAY)
        return err_set(e, SK_BAD_INPUT, "\"origins\" must be a list of strings");
    while (json_next(j) == JSON_STRING) {
        if (b->origin_count == META_ORIGINS_COUNT)
            return err_set(e, SK_BAD_INPUT, "\"origins\" names at most %u", META_ORIGINS_COUNT);
        b->origins[b->origin_count++] = j->text;
    }
    return j->kind == JSON_ARRAY_END
               ? SK_OK
               : err_set(e, SK_BAD_INPUT, "\"origins\" must be a list of strings");
}

static sk_code read_admin_member(void *ctx, span key, json *j, err *e)
{
    admin_body *b = ctx;
    if (span_is(key, "origins"))
        return read_origins(b, j, e);
    span *field = span_is(key, "name")          ? &b->name
                  : span_is(key, "environment") ? &b->environment
                  : span_is(key, "kind")        ? &b->kind
                  : span_is(key, "fingerprint") ? &b->fingerprint
                                                : NULL;
    if (!field)
        return err_set(
            e, SK_BAD_INPUT,
            "unknown key \"%.*s\": known are name, environment, kind, origins, fingerprint",
            SPAN_FMT(key));
    if (j->kind != JSON_STRING)
        return err_set(e, SK_BAD_INPUT, "\"%.*s\" must be a string", SPAN_FMT(key));
    *field = j->text;
    return SK_OK;
}

static void reply_key(exchange *take_x, sk_code code, const key_info *k, const char *secret,
                      const char *action, err *e)
{
    if (code != SK_OK) {
        route_fail(take_x, code, e);
        return;
    }
    buf out;
    meta_audit(exchange_services(take_x)->meta, exchange_caller(take_x)->actor, action, k->id);
    buf_init(&out, 64 * KIB);
    json_writer w = {.out = &out};
    print_key(&w, k, secret);
    route_reply(take_x, 201, &out);
}

typedef struct kind_row {
    const char *name;
    key_kind kind;
    uint32_t permissions;
} kind_row;

static const kind_row kinds[] = {
    {"ingest", KEY_INGEST, MAY_SEND | MAY_CREATE_DATASETS},
    {"browser", KEY_BROWSER, MAY_SEND | MAY_CREATE_DATASETS},
    {"query", KEY_CONFIGURATION, MAY_QUERY},
    {"configuration", KEY_CONFIGURATION,
     MAY_SEND | MAY_CREATE_DATASETS | MAY_QUERY | MAY_CONFIGURE},
};

static const kind_row *find_kind(span name)
{
    for (size_t i = 0; i < COUNT_OF(kinds); i++)
        if (span_is(name, kinds[i].name))
            return &kinds[i];
    return name.len ? NULL : &kinds[0];
}

void route_keys_create(exchange *take_x)
{
    err e = {0};
    admin_body b = {0};
    environment env;
    key_info made = {0};
    char secret[META_SECRET_MAX];
    sk_code code = route_object(take_x, read_admin_member, &b, &e);
    const kind_row *kind = find_kind(b.kind);
    if (code == SK_OK && !kind)
        code = err_set(&e, SK_BAD_INPUT,
                       "\"kind\" is \"ingest\" (writes only), \"browser\" (writes only, for "
                       "pages of \"origins\"), \"query\" (asks only) or \"configuration\"");
    if (code == SK_OK && b.has_origins && kind->kind != KEY_BROWSER)
        code = err_set(&e, SK_BAD_INPUT, "\"origins\" goes with \"kind\": \"browser\"");
    if (code == SK_OK)
        code = route_environment(take_x, b.environment, &env, &e);
    if (code == SK_OK && kind->kind == KEY_BROWSER)
        code = meta_browser_key_create(exchange_services(take_x)->meta, env.id, b.name, b.origins,
                                       b.origin_count, &made, secret, &e);
    else if (code == SK_OK)
        code = meta_key_create(exchange_services(take_x)->meta, env.id, kind->kind, b.name,
                               kind->permissions, &made, secret, &e);
    reply_key(take_x, code, &made, secret, "key.create", &e);
}

/* What shall become of a key that was refused as unknown. */
static void decide(exchange *take_x, bool is_adopted)
{
    const services *s = exchange_services(take_x);
    err e = {0};
    admin_body b = {0};
    environment env;
    refusal refused;
    key_info made = {0};
    sk_code code = route_object(take_x, read_admin_member, &b, &e);
    if (code == SK_OK)
        code = route_environment(take_x, b.environment, &env, &e);
    if (code == SK_OK && !intake_refusal_by_fingerprint(s->intake, b.fingerprint, &refused))
        code = err_set(&e, SK_NOT_FOUND,
                       "no refused key has the fingerprint \"%.*s\"; `skep doctor` lists them",
                       SPAN_FMT(b.fingerprint));
    if (code == SK_OK && is_adopted)
        code = meta_key_adopt(s->meta, refused.key_hash, env.id,
                              b.name.len ? b.name : SPAN("adopted"), &made, &e);
    else if (code == SK_OK)
        code = meta_key_refuse(s->meta, refused.key_hash, env.id,
                               b.name.len ? b.name : SPAN("refused"), &made, &e);
    if (code == SK_OK)
        intake_forget(s->intake, "unknown_key", b.fingerprint, SPAN(""));
    reply_key(take_x, code, &made, NULL, is_adopted ? "key.adopt" : "key.refuse", &e);
}

void route_keys_adopt(exchange *take_x)
{
    decide(take_x, true);
}

void route_keys_refuse(exchange *take_x)
{
    decide(take_x, false);
}

/* A key or environment outside the caller's own is his only when he may reach any environment. */
static sk_code check_key_is_mine(exchange *x, span id, err *e)
{
    key_info *keys;
    uint32_t count;
    const caller *who = exchange_caller(x);
    sk_code code =
        meta_key_list(exchange_services(x)->meta, who->is_any_environment ? 0 : who->environment,
                      exchange_arena(x), &keys, &count, e);
    for (uint32_t i = 0; code == SK_OK && i < count; i++)
        if (span_is(id, keys[i].id))
            return SK_OK;
    return code != SK_OK
               ? code
               : err_set(e, SK_NOT_FOUND, "there is no key %.*s in reach of yours", SPAN_FMT(id));
}

void route_keys_revoke(exchange *take_x)
{
    const services *s = exchange_services(take_x);
    err e = {0};
    span id = exchange_param(take_x, "id");
    sk_code code = check_key_is_mine(take_x, id, &e);
    if (code == SK_OK)
        code = meta_key_revoke(s->meta, id, &e);
    if (code != SK_OK) {
        route_fail(take_x, code, &e);
        return;
    }
    char subject[64];
    snprintf(subject, sizeof subject, "%.*s", SPAN_FMT(id));
    meta_audit(s->meta, exchange_caller(take_x)->actor, "key.revoke", subject);
    exchange_reply(take_x, 204, JSON_TYPE, (span){0});
}

static sk_code read_origin(void *ctx, span key, json *j, err *e)
{
    if (!span_is(key, "origin") || j->kind != JSON_STRING)
        return err_set(e, SK_BAD_INPUT, "the body is {\"origin\": \"https://shop.example\"}");
    *(span *)ctx = j->text;
    return SK_OK;
}

void route_keys_allow_origin(exchange *take_x)
{
    err e = {0};
    key_info changed = {0};
    span origin = {0}, id = exchange_param(take_x, "id");
    sk_code code = route_object(take_x, read_origin, &origin, &e);
    if (code == SK_OK)
        code = check_key_is_mine(take_x, id, &e);
    if (code == SK_OK)
        code = meta_key_allow_origin(exchange_services(take_x)->meta, id, origin, &changed, &e);
    if (code == SK_OK)
        intake_forget(exchange_services(take_x)->intake, "wrong_origin", SPAN(""), origin);
    reply_key(take_x, code, &changed, NULL, "key.allow-origin", &e);
}

/* ---- environments ---- */

static void print_environment(json_writer *w, const services *s, const environment *env)
{
    engine_stats stats = {0};
    engine_stats_get(s->engine, env->id, &stats);
    jw_object(w);
    jw_key_text(w, "slug");
    jw_text(w, env->slug);
    jw_key_text(w, "name");
    jw_text(w, env->name);
    jw_key_text(w, "created");
    jw_time(w, env->created_ns);
    jw_key_text(w, "rows");
    jw_u64(w, stats.rows);
    jw_key_text(w, "bytes");
    jw_u64(w, stats.disk_bytes);
    jw_key_text(w, "oldest");
    if (stats.oldest_ns)
        jw_time(w, stats.oldest_ns);
    else
        jw_null(w);
    jw_key_text(w, "retention_s");
    if (env->retention_ns)
        jw_i64(w, env->retention_ns / NS_PER_S);
    else
        jw_null(w);
    jw_key_text(w, "kept_s");
    jw_i64(w, intake_retention_ns(s->intake, env) / NS_PER_S);
    jw_object_end(w);
}

void route_environments_list(exchange *take_x)
{
    static const char *const parameters[] = {NULL};
    const services *s = exchange_services(take_x);
    const caller *who = exchange_caller(take_x);
    err e = {0};
    environment *list;
    uint32_t count;
    sk_code code = route_check_query(take_x, parameters, &e);
    if (code == SK_OK)
        code = meta_environment_list(s->meta, exchange_arena(take_x), &list, &count, &e);
    if (code != SK_OK) {
        route_fail(take_x, code, &e);
        return;
    }
    buf out;
    json_writer w = route_list_begin(&out, "environments");
    for (uint32_t i = 0; i < count; i++)
        if (who->is_any_environment || list[i].id == who->environment)
            print_environment(&w, s, &list[i]);
    route_list_end(take_x, &w);
}

static sk_code check_may_administer(const exchange *x, err *e)
{
    if (exchange_caller(x)->permissions & MAY_ADMINISTER)
        return SK_OK;
    return err_set(
        e, SK_FORBIDDEN,
        "only a full key (keys.json of the data directory) makes or deletes environments");
}

void route_environments_create(exchange *take_x)
{
    const services *s = exchange_services(take_x);
    err e = {0};
    admin_body b = {0};
    environment made;
    sk_code code = check_may_administer(take_x, &e);
    if (code == SK_OK)
        code = route_object(take_x, read_admin_member, &b, &e);
    if (code == SK_OK)
        code = meta_environment_create(s->meta, b.name, &made, &e);
    if (code != SK_OK) {
        route_fail(take_x, code, &e);
        return;
    }
    buf out;
    meta_audit(s->meta, exchange_caller(take_x)->actor, "environment.create", made.slug);
    buf_init(&out, 64 * KIB);
    json_writer w = {.out = &out};
    print_environment(&w, s, &made);
    route_reply(take_x, 201, &out);
}

/* ---- retention ---- */
#define RETENTION_MIN_S 3600
#define RETENTION_MAX_S (100ll * 366 * 86400)

static sk_code read_retention(void *ctx, span key, json *j, err *e)
{
    int64_t *seconds = ctx;
    if (!span_is(key, "retention_s"))
        return err_set(e, SK_BAD_INPUT, "unknown key \"%.*s\": known is retention_s",
                       SPAN_FMT(key));
    if (j->kind == JSON_NULL) {
        *seconds = 0;
        return SK_OK;
    }
    if (j->kind != JSON_NUMBER || !json_i64(j, seconds) || *seconds < RETENTION_MIN_S ||
        *seconds > RETENTION_MAX_S)
        return err_set(e, SK_BAD_INPUT,
                       "\"retention_s\" is a whole number of seconds from %d to %lld, or null for "
                       "what --retention says",
                       RETENTION_MIN_S, RETENTION_MAX_S);
    return SK_OK;
}

/* PATCH: what is older than the new retention goes before the answer does. */
void route_environments_change(exchange *take_x)
{
    const services *s = exchange_services(take_x);
    err e = {0};
    environment env;
    int64_t seconds = -1;
    sk_code code = route_environment(take_x, exchange_param(take_x, "slug"), &env, &e);
    if (code == SK_OK)
        code = route_object(take_x, read_retention, &seconds, &e);
    if (code == SK_OK && seconds < 0)
        code = err_set(&e, SK_BAD_INPUT, "say how long: {\"retention_s\": 604800}");
    if (code == SK_OK)
        code = meta_environment_set_retention(s->meta, env.id, seconds * NS_PER_S, &e);
    if (code == SK_OK) {
        env.retention_ns = seconds * NS_PER_S;
        char subject[META_SLUG_MAX + 32];
        snprintf(subject, sizeof subject, "%s %lld s", env.slug, (long long)seconds);
        meta_audit(s->meta, exchange_caller(take_x)->actor, "environment.retention", subject);
        drop_query old = {.environment = env.id,
                          .before_ns = clock_wall_ns() - intake_retention_ns(s->intake, &env)};
        if (old.before_ns > 0)
            code = engine_drop(s->engine, &old, &e);
    }
    if (code != SK_OK) {
        route_fail(take_x, code, &e);
        return;
    }
    buf out;
    buf_init(&out, 64 * KIB);
    json_writer w = {.out = &out};
    print_environment(&w, s, &env);
    route_reply(take_x, 200, &out);
}

void route_environments_delete(exchange *take_x)
{
    const services *s = exchange_services(take_x);
    err e = {0};
    environment env;
    sk_code code = check_may_administer(take_x, &e);
    if (code == SK_OK)
        code = route_environment(take_x, exchange_param(take_x, "slug"), &env, &e);
    if (code == SK_OK)
        code = meta_environment_delete(s->meta, env.id, &e);
    if (code == SK_OK)
        code = engine_drop(s->engine, &(drop_query){.environment = env.id}, &e);
    if (code != SK_OK) {
        route_fail(take_x, code, &e);
        return;
    }
    meta_audit(s->meta, exchange_caller(take_x)->actor, "environment.delete", env.slug);
    exchange_reply(take_x, 204, JSON_TYPE, (span){0});
}

/* DELETE /skep/v1/data?environment=…&dataset=…: events go, the environment and its keys stay. */
void route_data_delete(exchange *take_x)
{
    static const char *const parameters[] = {"environment", "dataset", NULL};
    const services *s = exchange_services(take_x);
    err e = {0};
    environment env;
    span asked = exchange_query(take_x, "environment"), dataset = exchange_query(take_x, "dataset");
    sk_code code = route_check_query(take_x, parameters, &e);
    if (code == SK_OK && !asked.len)
        code = err_set(&e, SK_BAD_INPUT, "say whose data: ?environment=…");
    if (code == SK_OK)
        code = route_environment(take_x, asked, &env, &e);
    drop_query what = {0};
    if (dataset.len && !span_is(dataset, "__all__"))
        what.dataset = dataset;
    if (code == SK_OK) {
        what.environment = env.id;
        code = engine_drop(s->engine, &what, &e);
    }
    if (code != SK_OK) {
        route_fail(take_x, code, &e);
        return;
    }
    char subject[160];
    snprintf(subject, sizeof subject, "%s/%.*s", env.slug,
             (int)(dataset.len < 60 ? dataset.len : 60),
             dataset.len ? (const char *)dataset.at : "");
    meta_audit(s->meta, exchange_caller(take_x)->actor, "data.delete", subject);
    exchange_reply(take_x, 204, JSON_TYPE, (span){0});
}
