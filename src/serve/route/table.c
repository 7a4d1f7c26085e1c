/*
 * serve/route/table.c: every route of the product. Columns: name, kind, method, pattern, permission, pool, error form, CORS,
 * handler, the row's own data. Ingest rows stand first: they are asked for most.
 */
#include "serve/route/table.h"

#include "meta/meta.h"
#include "serve/route/admin.h"
#include "serve/route/differences.h"
#include "serve/route/explore.h"
#include "serve/route/grpc_health.h"
#include "serve/route/health.h"
#include "serve/route/history.h"
#include "serve/route/ingest.h"
#include "serve/route/markers.h"
#include "serve/route/people.h"
#include "serve/route/query.h"
#include "serve/route/redaction.h"
#include "serve/route/results.h"
#include "serve/route/rows.h"
#include "serve/route/saved.h"
#include "serve/route/tail.h"
#include "serve/route/trace.h"
#include "serve/route/web.h"

#define ASK       MAY_QUERY, POOL_QUERY, ERROR_JSON, CORS_NONE
#define CONFIGURE MAY_CONFIGURE, POOL_QUERY, ERROR_JSON, CORS_NONE
#define SAVE      MAY_SAVE, POOL_QUERY, ERROR_JSON, CORS_NONE
#define MARK      MAY_MARK, POOL_QUERY, ERROR_JSON, CORS_NONE
#define PEOPLE    MAY_ADMINISTER, POOL_QUERY, ERROR_JSON, CORS_NONE
#define OPEN      0, POOL_INLINE, ERROR_JSON, CORS_NONE
#define WEB       OPEN, route_web_page, NULL
#define INGEST    MAY_SEND, POOL_INGEST, ERROR_OTLP, CORS_ANY, route_ingest

// clang-format off
const route route_table[] = {
    {"otlp-traces",         ROUTE_HTTP, HTTP_METHOD_POST,   "/v1/traces",                     INGEST, "otlp-traces"},
    {"otlp-logs",           ROUTE_HTTP, HTTP_METHOD_POST,   "/v1/logs",                       INGEST, "otlp-logs"},
    {"otlp-metrics",        ROUTE_HTTP, HTTP_METHOD_POST,   "/v1/metrics",                    INGEST, "otlp-metrics"},
    {"otlp-traces-grpc",    ROUTE_GRPC, HTTP_METHOD_POST,   "/opentelemetry.proto.collector.trace.v1.TraceService/Export",     INGEST, "otlp-traces"},
    {"otlp-logs-grpc",      ROUTE_GRPC, HTTP_METHOD_POST,   "/opentelemetry.proto.collector.logs.v1.LogsService/Export",       INGEST, "otlp-logs"},
    {"otlp-metrics-grpc",   ROUTE_GRPC, HTTP_METHOD_POST,   "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export", INGEST, "otlp-metrics"},
    {"query",               ROUTE_HTTP, HTTP_METHOD_POST,   "/skep/v1/query",                 ASK, route_query, NULL},
    {"rows",                ROUTE_HTTP, HTTP_METHOD_POST,   "/skep/v1/rows",                  ASK, route_rows, NULL},
    {"differences",         ROUTE_HTTP, HTTP_METHOD_POST,   "/skep/v1/differences",           ASK, route_differences, NULL},
    {"results-list",        ROUTE_HTTP, HTTP_METHOD_GET,    "/skep/v1/results",               ASK, route_results_list, NULL},
    {"results-keep",        ROUTE_HTTP, HTTP_METHOD_POST,   "/skep/v1/results",               SAVE, route_results_keep, NULL},
    {"results-get",         ROUTE_HTTP, HTTP_METHOD_GET,    "/skep/v1/results/{id}",          ASK, route_results_get, NULL},
    {"results-delete",      ROUTE_HTTP, HTTP_METHOD_DELETE, "/skep/v1/results/{id}",          SAVE, route_results_delete, NULL},
    {"history-list",        ROUTE_HTTP, HTTP_METHOD_GET,    "/skep/v1/history",               ASK, route_history_list, NULL},
    {"history-add",         ROUTE_HTTP, HTTP_METHOD_POST,   "/skep/v1/history",               ASK, route_history_add, NULL},
    {"saved-list",          ROUTE_HTTP, HTTP_METHOD_GET,    "/skep/v1/saved",                 ASK, route_saved_list, NULL},
    {"saved-create",        ROUTE_HTTP, HTTP_METHOD_POST,   "/skep/v1/saved",                 SAVE, route_saved_create, NULL},
    {"saved-get",           ROUTE_HTTP, HTTP_METHOD_GET,    "/skep/v1/saved/{id}",            ASK, route_saved_get, NULL},
    {"saved-change",        ROUTE_HTTP, HTTP_METHOD_PUT,    "/skep/v1/saved/{id}",            SAVE, route_saved_change, NULL},
    {"saved-delete",        ROUTE_HTTP, HTTP_METHOD_DELETE, "/skep/v1/saved/{id}",            SAVE, route_saved_delete, NULL},
    {"markers-list",        ROUTE_HTTP, HTTP_METHOD_GET,    "/skep/v1/markers",               ASK, route_markers_list, NULL},
    {"markers-add",         ROUTE_HTTP, HTTP_METHOD_POST,   "/skep/v1/markers",               MARK, route_markers_add, NULL},
    {"markers-delete",      ROUTE_HTTP, HTTP_METHOD_DELETE, "/skep/v1/markers/{id}",          SAVE, route_markers_delete, NULL},
    {"trace",               ROUTE_HTTP, HTTP_METHOD_GET,    "/skep/v1/traces/{trace_id}",     ASK, route_trace, NULL},
    {"service-map",         ROUTE_HTTP, HTTP_METHOD_GET,    "/skep/v1/service-map",           ASK, route_service_map, NULL},
    {"fields",              ROUTE_HTTP, HTTP_METHOD_GET,    "/skep/v1/fields",                ASK, route_fields, NULL},
    {"tail",                ROUTE_HTTP, HTTP_METHOD_GET,    "/skep/v1/tail",                  ASK, route_tail, NULL},
    {"status",              ROUTE_HTTP, HTTP_METHOD_GET,    "/skep/v1/status",                ASK, route_status, NULL},
    {"doctor",              ROUTE_HTTP, HTTP_METHOD_GET,    "/skep/v1/doctor",                ASK, route_doctor, NULL},
    {"keys-list",           ROUTE_HTTP, HTTP_METHOD_GET,    "/skep/v1/keys",                  CONFIGURE, route_keys_list, NULL},
    {"keys-create",         ROUTE_HTTP, HTTP_METHOD_POST,   "/skep/v1/keys",                  CONFIGURE, route_keys_create, NULL},
    {"keys-adopt",          ROUTE_HTTP, HTTP_METHOD_POST,   "/skep/v1/keys/adopt",            CONFIGURE, route_keys_adopt, NULL},
    {"keys-refuse",         ROUTE_HTTP, HTTP_METHOD_POST,   "/skep/v1/keys/refuse",           CONFIGURE, route_keys_refuse, NULL},
    {"keys-allow-origin",   ROUTE_HTTP, HTTP_METHOD_POST,   "/skep/v1/keys/{id}/origins",     CONFIGURE, route_keys_allow_origin, NULL},
    {"keys-revoke",         ROUTE_HTTP, HTTP_METHOD_DELETE, "/skep/v1/keys/{id}",             CONFIGURE, route_keys_revoke, NULL},
    {"environments-list",   ROUTE_HTTP, HTTP_METHOD_GET,    "/skep/v1/environments",          ASK, route_environments_list, NULL},
    {"environments-create", ROUTE_HTTP, HTTP_METHOD_POST,   "/skep/v1/environments",          CONFIGURE, route_environments_create, NULL},
    {"environments-change", ROUTE_HTTP, HTTP_METHOD_PATCH,  "/skep/v1/environments/{slug}",   CONFIGURE, route_environments_change, NULL},
    {"environments-delete", ROUTE_HTTP, HTTP_METHOD_DELETE, "/skep/v1/environments/{slug}",   CONFIGURE, route_environments_delete, NULL},
    {"redaction-list",      ROUTE_HTTP, HTTP_METHOD_GET,    "/skep/v1/environments/{slug}/redaction", ASK, route_redaction_list, NULL},
    {"redaction-set",       ROUTE_HTTP, HTTP_METHOD_PUT,    "/skep/v1/environments/{slug}/redaction", CONFIGURE, route_redaction_set, NULL},
    {"data-delete",         ROUTE_HTTP, HTTP_METHOD_DELETE, "/skep/v1/data",                  CONFIGURE, route_data_delete, NULL},
    {"login",               ROUTE_HTTP, HTTP_METHOD_POST,   "/skep/v1/login",                 0, POOL_QUERY, ERROR_JSON, CORS_NONE, route_login, NULL},
    {"logout",              ROUTE_HTTP, HTTP_METHOD_POST,   "/skep/v1/logout",                ASK, route_logout, NULL},
    {"me",                  ROUTE_HTTP, HTTP_METHOD_GET,    "/skep/v1/me",                    ASK, route_me, NULL},
    {"me-password",         ROUTE_HTTP, HTTP_METHOD_POST,   "/skep/v1/me/password",           ASK, route_my_password, NULL},
    {"sessions-list",       ROUTE_HTTP, HTTP_METHOD_GET,    "/skep/v1/sessions",              ASK, route_sessions_list, NULL},
    {"sessions-end",        ROUTE_HTTP, HTTP_METHOD_DELETE, "/skep/v1/sessions/{id}",         ASK, route_sessions_end, NULL},
    {"login-links-create",  ROUTE_HTTP, HTTP_METHOD_POST,   "/skep/v1/login-links",           PEOPLE, route_login_links_create, NULL},
    {"users-list",          ROUTE_HTTP, HTTP_METHOD_GET,    "/skep/v1/users",                 PEOPLE, route_users_list, NULL},
    {"users-create",        ROUTE_HTTP, HTTP_METHOD_POST,   "/skep/v1/users",                 PEOPLE, route_users_create, NULL},
    {"users-change",        ROUTE_HTTP, HTTP_METHOD_PATCH,  "/skep/v1/users/{name}",          PEOPLE, route_users_change, NULL},
    {"users-delete",        ROUTE_HTTP, HTTP_METHOD_DELETE, "/skep/v1/users/{name}",          PEOPLE, route_users_delete, NULL},
    {"auth",                ROUTE_HTTP, HTTP_METHOD_GET,    "/1/auth",                        OPEN, route_whoami, NULL},
    {"grpc-health",         ROUTE_GRPC, HTTP_METHOD_POST,   GRPC_HEALTH_PATH,                 OPEN, route_grpc_health, NULL},
    {"healthz",             ROUTE_HTTP, HTTP_METHOD_GET,    "/healthz",                       OPEN, route_live, NULL},
    {"readyz",              ROUTE_HTTP, HTTP_METHOD_GET,    "/readyz",                        OPEN, route_ready, NULL},
    {"metrics",             ROUTE_HTTP, HTTP_METHOD_GET,    "/metrics",                       ASK, route_metrics, NULL},
    {"web-home",            ROUTE_HTTP, HTTP_METHOD_GET,    "/",                              WEB},
    {"web-query",             ROUTE_HTTP, HTTP_METHOD_GET,    "/query",                          WEB},
    {"web-traces",            ROUTE_HTTP, HTTP_METHOD_GET,    "/traces",                         WEB},
    {"web-trace",             ROUTE_HTTP, HTTP_METHOD_GET,    "/trace",                          WEB},
    {"web-compare",           ROUTE_HTTP, HTTP_METHOD_GET,    "/compare",                        WEB},
    {"web-map",               ROUTE_HTTP, HTTP_METHOD_GET,    "/map",                            WEB},
    {"web-service",           ROUTE_HTTP, HTTP_METHOD_GET,    "/service",                        WEB},
    {"web-logs",              ROUTE_HTTP, HTTP_METHOD_GET,    "/logs",                           WEB},
    {"web-doctor",            ROUTE_HTTP, HTTP_METHOD_GET,    "/doctor",                         WEB},
    {"web-keys",              ROUTE_HTTP, HTTP_METHOD_GET,    "/keys",                           WEB},
    {"web-usage",             ROUTE_HTTP, HTTP_METHOD_GET,    "/usage",                          WEB},
    {"web-settings",          ROUTE_HTTP, HTTP_METHOD_GET,    "/settings",                       WEB},
    {"web-people",            ROUTE_HTTP, HTTP_METHOD_GET,    "/people",                         WEB},
    {"web-login",             ROUTE_HTTP, HTTP_METHOD_GET,    "/login",                          WEB},
    {"web-file",            ROUTE_HTTP, HTTP_METHOD_GET,    "/_/{file}",                      OPEN, route_web_file, NULL},
};
// clang-format on
const size_t route_table_count = COUNT_OF(route_table);
