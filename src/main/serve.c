/*
 * main/serve.c: the server's life: everything is opened in the order of the data's way, and closed in the reverse.
 *
 * Start: lock the directory, control plane, engine (segments), intake, journal (replay), listeners, ready line.
 * End (SIGTERM, SIGINT): stop accepting and finish what is in flight, journal (nothing new can be acknowledged), server,
 * intake, engine, control plane. A second signal ends the process at once; the journal makes that safe.
 *
 * Standard output carries one line of JSON, when ready. People read standard error.
 */
#include "main/serve.h"

#include <errno.h>
#include <malloc.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/thread.h"
#include "engine/local/local.h"
#include "main/limits.h"
#include "main/log.h"
#include "main/ready.h"
#include "main/resident.h"
#include "main/version.h"
#include "serve/auth.h"
#include "serve/proxy.h"
#include "serve/route/table.h"

#define DRAIN_MS        10000u
#define HOUSEKEEPING_MS 60000
/* Blocks of up to so many bytes are reused, and so much free memory is kept on top of a heap: else
 * each request's bodies and arenas are mapped, faulted in page by page, and unmapped again. */
#define MALLOC_MMAP_BYTES   (32 * 1024 * 1024)
#define MALLOC_TRIM_BYTES   (64 * 1024 * 1024)
#define MALLOC_TRIM_SHARE   32 /* of the memory bound: there are as many heaps as busy threads */
#define UNSEALED_SHARE      2 /* of the memory bound: 1/2 may be open rows, beyond it senders wait */
#define JOURNAL_QUEUE_BYTES (64 * MIB)
#define UNSEALED_DISK_SHARE 2 /* and of the disk bound: what is not sealed is in the journal */
#define SEAL_SHARE          4 /* of that: one table is sealed at it, long before senders wait */
#define SEAL_BYTES_MAX      (256 * MIB)
/* Of the disk bound: one journal file, of which two or three exist at least; and what the journal
 * may keep for readers of what is sealed. Both have the journal's own defaults as their most. */
#define JOURNAL_FILE_SHARE 16u
#define JOURNAL_FILE_MAX   (64 * MIB)
#define JOURNAL_KEEP_SHARE 4u
#define JOURNAL_KEEP_MAX   (256 * MIB)

typedef struct seen_hash {
    uint32_t environment;
    hash128 hash;
    int64_t arrival_ns;
} seen_hash;

typedef struct release {
    uint32_t environment;
    family family;
    uint64_t first_seq, last_seq;
} release;

typedef struct skep {
    config config;
    arena *mem;
    char *path_store, *path_journal;
    file *dir_lock;
    memory *memory;
    resident *resident;
    meta *meta;
    engine *engine;
    intake *intake;
    server *server;
    services services;
    proxy_list proxies;
    first_keys first;
    pid_t demo_pid;
    uint64_t bytes_seen; /* received at the last look of keep_house */
    /* What the store said before intake and journal were there to hear it. */
    lock early_lock;
    journal *journal;  /* guarded by early_lock until serving */
    release *releases; /* guarded by early_lock */
    uint32_t release_count, release_capacity;
    seen_hash *hashes; /* only during engine_open_local */
    uint32_t hash_count, hash_capacity;
} skep;

/* ---- what the layers tell each other through us ---- */

static void on_sealed(void *ctx, uint32_t environment_id, family f, uint64_t first_seq,
                      uint64_t last_seq)
{
    skep *s = ctx;
    lock_take(&s->early_lock);
    journal *j = s->journal;
    if (!j &&
        base_reserve(&s->releases, &s->release_capacity, s->release_count + 1, sizeof *s->releases))
        s->releases[s->release_count++] = (release){environment_id, f, first_seq, last_seq};
    lock_drop(&s->early_lock);
    if (j)
        journal_release(j, environment_id, f, first_seq, last_seq);
}

static void on_recent_hash(void *ctx, uint32_t environment_id, hash128 body_hash,
                           int64_t arrival_ns)
{
    skep *s = ctx;
    if (base_reserve(&s->hashes, &s->hash_capacity, s->hash_count + 1, sizeof *s->hashes))
        s->hashes[s->hash_count++] = (seen_hash){environment_id, body_hash, arrival_ns};
}

static void on_notice(void *ctx, const char *text)
{
    log_line(LOG_LEVEL_WARN, "%s", text);
}

static void on_note(const services *s, const char *line)
{
    log_line(LOG_LEVEL_WARN, "%s", line);
}

static void on_refused(const services *s, exchange *x, const char *reason, const err *why)
{
    auth_note_refusal(s, x, reason, 0, (span){0}, 1, why);
}

static bool is_released(void *ctx, uint32_t environment_id, family f, uint64_t seq)
{
    skep *s = ctx;
    return store_is_sealed(engine_local_store(s->engine), environment_id, f, seq);
}

static sk_code on_replay(void *ctx, const journal_record *r, err *e)
{
    skep *s = ctx;
    return intake_replay(s->intake, r, e);
}

static void on_damaged(void *ctx, const char *path, uint64_t offset, const char *what)
{
    log_line(LOG_LEVEL_ERROR,
             "journal file %s is damaged at byte %llu (%s); it was set aside, what is before it "
             "was kept",
             path, (unsigned long long)offset, what);
}

/* ---- opening ---- */

static char *join_path(skep *s, const char *name)
{
    span path = arena_print(s->mem, "%s/%s%c", s->config.data_dir, name, 0);
    return path.at ? (char *)(uintptr_t)path.at : NULL;
}

/* All missing folders of the path, then the lock that keeps a second server out. */
static sk_code open_dir(skep *s, err *e)
{
    sk_code code = SK_OK;
    char *path = join_path(s, "");
    for (char *at = path ? path + 1 : NULL; at && *at && code == SK_OK; at++)
        if (*at == '/') {
            *at = 0;
            code = file_make_dir(path, e);
            *at = '/';
        }
    if (code != SK_OK)
        return code;
    s->path_store = join_path(s, "store");
    s->path_journal = join_path(s, "journal");
    char *lock_path = join_path(s, "lock");
    if (arena_failed(s->mem))
        return err_set(e, SK_NO_MEMORY, "out of memory");
    const char *folders[] = {s->path_store, s->path_journal};
    for (size_t i = 0; i < COUNT_OF(folders) && code == SK_OK; i++)
        code = file_make_dir(folders[i], e);
    if (code == SK_OK)
        code = file_open(lock_path, FILE_WRITE, &s->dir_lock, e);
    if (code == SK_OK && (code = file_lock(s->dir_lock, e)) == SK_CONFLICT) {
        char holder[32] = "";
        uint8_t *bytes;
        size_t len;
        if (file_read_all(lock_path, sizeof holder - 1, &bytes, &len, NULL) == SK_OK) {
            snprintf(holder, sizeof holder, " (process %.*s)", (int)(len < 12 ? len : 12),
                     (const char *)bytes);
            base_free(bytes);
        }
        return err_set(e, SK_CONFLICT,
                       "another skep%s uses %s; stop it, or give this one its own --data-dir",
                       holder, s->config.data_dir);
    }
    if (code != SK_OK)
        return code;
    char pid[16];
    int len = snprintf(pid, sizeof pid, "%ld", (long)getpid());
    code = file_truncate(s->dir_lock, 0, e);
    return code == SK_OK ? file_write_at(s->dir_lock, 0, span_of(pid, (size_t)len), e) : code;
}

/* The default bound is chosen once, at first start, from what was free then, and kept. */
static sk_code choose_disk_max(skep *s, err *e)
{
    span kept;
    char text[24];
    uint64_t free_bytes, total_bytes;
    if (s->config.disk_max_bytes)
        return SK_OK;
    if (meta_setting_get(s->meta, "disk_max_bytes", s->mem, &kept, NULL) == SK_OK &&
        span_to_u64(kept, &s->config.disk_max_bytes))
        return SK_OK;
    sk_code code = file_disk_free(s->config.data_dir, &free_bytes, &total_bytes, e);
    if (code != SK_OK)
        return code;
    s->config.disk_max_bytes = limits_disk_bytes(free_bytes);
    int len = snprintf(text, sizeof text, "%llu", (unsigned long long)s->config.disk_max_bytes);
    return meta_setting_set(s->meta, "disk_max_bytes", span_of(text, (size_t)len), e);
}

static sk_code read_preset_key(skep *s, err *e)
{
    uint8_t *bytes;
    size_t len;
    if (!s->config.preset_ingest_key_file)
        return SK_OK;
    sk_code code = file_read_all(s->config.preset_ingest_key_file, 4096, &bytes, &len, e);
    if (code != SK_OK)
        return code;
    span key = span_trim(span_of(bytes, len)),
         copy = arena_print(s->mem, "%.*s%c", SPAN_FMT(key), 0);
    base_free(bytes);
    if (!copy.at)
        return err_set(e, SK_NO_MEMORY, "out of memory");
    s->config.preset_ingest_key = (const char *)copy.at;
    return SK_OK;
}

static sk_code open_meta(skep *s, err *e)
{
    sk_code code = read_preset_key(s, e);
    meta_options options = {.dir = s->config.data_dir,
                            .preset_ingest_key = s->config.preset_ingest_key,
                            .results_bytes_max = s->config.results_max_bytes};
    if (code == SK_OK)
        code = meta_open(&options, &s->meta, &s->first, e);
    return code == SK_OK ? choose_disk_max(s, e) : code;
}

static uint64_t at_most(uint64_t bytes, uint64_t most)
{
    return bytes < most ? bytes : most;
}

static uint64_t unsealed_max_bytes(const skep *s)
{
    uint64_t of_memory = s->config.memory_max_bytes / UNSEALED_SHARE,
             of_disk = s->config.disk_max_bytes / UNSEALED_DISK_SHARE;
    return at_most(of_memory, of_disk);
}

static sk_code open_engine(skep *s, err *e)
{
    local_options options = {
        .store = {.dir = s->path_store,
                  .data_dir = s->config.data_dir,
                  .memory = s->memory,
                  .disk_max_bytes = s->config.disk_max_bytes,
                  .seal_bytes = at_most(unsealed_max_bytes(s) / SEAL_SHARE, SEAL_BYTES_MAX),
                  .threads = true,
                  .sealed = on_sealed,
                  .recent_hash = on_recent_hash,
                  .notice = on_notice,
                  .ctx = s}};
    return engine_open_local(&options, &s->engine, e);
}

static sk_code open_intake(skep *s, err *e)
{
    intake_options options = {.engine = s->engine,
                              .meta = s->meta,
                              .memory = s->memory,
                              .retention_ns = s->config.retention_ns,
                              .unsealed_max_bytes = unsealed_max_bytes(s)};
    sk_code code = intake_open(&options, &s->intake, e);
    for (uint32_t i = 0; code == SK_OK && i < s->hash_count; i++)
        intake_note_hash(s->intake, s->hashes[i].environment, s->hashes[i].hash,
                         s->hashes[i].arrival_ns);
    base_free(s->hashes);
    s->hashes = NULL;
    return code;
}

static sk_code open_journal(skep *s, err *e)
{
    journal *j;
    uint64_t disk = s->config.disk_max_bytes;
    journal_options options = {.dir = s->path_journal,
                               .durability = s->config.relaxed ? JOURNAL_RELAXED : JOURNAL_FSYNC,
                               .file_bytes = at_most(disk / JOURNAL_FILE_SHARE, JOURNAL_FILE_MAX),
                               .queued_max_bytes = JOURNAL_QUEUE_BYTES,
                               .keep_bytes = at_most(disk / JOURNAL_KEEP_SHARE, JOURNAL_KEEP_MAX),
                               .keep_ns = 3600 * NS_PER_S};
    journal_replay replay = {
        .is_released = is_released, .record = on_replay, .damaged = on_damaged, .ctx = s};
    sk_code code = journal_open(&options, &replay, &j, e);
    if (code != SK_OK)
        return code;
    lock_take(&s->early_lock);
    s->journal = j;
    lock_drop(&s->early_lock);
    for (uint32_t i = 0; i < s->release_count;
         i++) /* no more are added: on_sealed sees the journal now */
        journal_release(j, s->releases[i].environment, s->releases[i].family,
                        s->releases[i].first_seq, s->releases[i].last_seq);
    base_free(s->releases);
    s->releases = NULL;
    intake_start(s->intake, j);
    return SK_OK;
}

static serve_options server_options(skep *s)
{
    return (serve_options){.listen = s->config.listen.items,
                           .listen_count = s->config.listen.count,
                           .tls_cert_file = s->config.tls_cert,
                           .tls_key_file = s->config.tls_key,
                           .routes = route_table,
                           .route_count = route_table_count,
                           .services = &s->services,
                           .authorize = auth_authorize,
                           .refused = on_refused,
                           .note = on_note};
}

static sk_code open_server(skep *s, err *e)
{
    s->services = (services){.engine = s->engine,
                             .meta = s->meta,
                             .intake = s->intake,
                             .memory = s->memory,
                             .proxies = &s->proxies,
                             .auth_required = s->config.auth_required,
                             .started_ns = clock_wall_ns(),
                             .disk_max_bytes = s->config.disk_max_bytes,
                             .version = SKEP_VERSION};
    serve_options options = server_options(s);
    sk_code code = serve_open(&options, &s->server, e);
    return code == SK_OK ? serve_run(s->server, e) : code;
}

/* ---- the demo ---- */

/* The demo is a client like any other, in a process of its own that ends with us. */
static void start_demo(skep *s, const char *url)
{
    char self[4096], keys[4200];
    ssize_t len = readlink("/proc/self/exe", self, sizeof self - 1);
    if (len < 0)
        return;
    self[len] = 0;
    snprintf(keys, sizeof keys, "%s/keys.json", s->config.data_dir);
    pid_t parent = getpid();
    s->demo_pid = fork();
    if (s->demo_pid != 0)
        return;
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != parent)
        _exit(0);
    unsetenv("SKEP_KEY"); /* the user's own is not for the shop */
    unsetenv("SKEP_KEY_FILE");
    const char *seed = s->config.demo_seed;
    execl(self, self, "demo", "--quiet", "--url", url, "--keys-file", keys, seed ? "--seed" : NULL,
          seed, (char *)NULL);
    _exit(127);
}

/* ---- running ---- */

static void keep_house(skep *s)
{
    environment *list;
    uint32_t count;
    err e;
    arena *mem = arena_new(1 * MIB);
    meta_keep_house(s->meta);
    if (mem && meta_environment_list(s->meta, mem, &list, &count, &e) == SK_OK)
        for (uint32_t i = 0; i < count; i++) {
            int64_t keep_ns = intake_retention_ns(s->intake, &list[i]);
            drop_query what = {.environment = list[i].id, .before_ns = clock_wall_ns() - keep_ns};
            if (what.before_ns > 0 && engine_drop(s->engine, &what, &e) != SK_OK)
                log_line(LOG_LEVEL_WARN, "retention of environment %s: %s", list[i].slug, e.text);
        }
    arena_free(mem);
}

/* At rest, what malloc keeps for the next request goes back to the system. */
static void give_back(skep *s)
{
    serve_stats stats;
    err e;
    arena *mem = arena_new(1 * MIB);
    if (mem && serve_stats_get(s->server, mem, &stats, &e) == SK_OK) {
        if (stats.bytes_received == s->bytes_seen)
            malloc_trim(0);
        s->bytes_seen = stats.bytes_received;
    }
    arena_free(mem);
}

/* Returns the signal that asks to end. */
static struct signalfd_siginfo wait_for_signal(skep *s, int signals)
{
    for (;;) {
        struct pollfd wanted = {.fd = signals, .events = POLLIN};
        struct signalfd_siginfo info;
        if (poll(&wanted, 1, HOUSEKEEPING_MS) == 0) {
            keep_house(s);
            give_back(s);
            continue;
        }
        if (read(signals, &info, sizeof info) != (ssize_t)sizeof info)
            continue;
        if (info.ssi_signo == SIGCHLD) {
            if (s->demo_pid > 0 && waitpid(s->demo_pid, NULL, WNOHANG) == s->demo_pid) {
                log_line(LOG_LEVEL_WARN, "the demo shop ended");
                s->demo_pid = 0;
            }
            continue;
        }
        return info;
    }
}

static void close_all(skep *s)
{
    if (s->demo_pid > 0)
        kill(s->demo_pid, SIGTERM);
    if (s->server)
        serve_drain(s->server, DRAIN_MS);
    if (s->journal)
        journal_close(s->journal);
    if (s->server)
        serve_close(s->server);
    if (s->intake)
        intake_close(s->intake);
    lock_take(&s->early_lock);
    s->journal =
        NULL; /* the store may still finish a seal; its records are released at the next start */
    lock_drop(&s->early_lock);
    if (s->engine)
        engine_close(s->engine);
    if (s->meta)
        meta_close(s->meta);
    if (s->dir_lock)
        file_close(s->dir_lock);
    resident_stop(s->resident);
    memory_free(s->memory);
    base_free(s->releases);
    lock_done(&s->early_lock);
}

static sk_code open_all(skep *s, err *e)
{
    if (!s->config.memory_max_bytes)
        s->config.memory_max_bytes = limits_memory_bytes();
    mallopt(M_TRIM_THRESHOLD,
            (int)at_most(s->config.memory_max_bytes / MALLOC_TRIM_SHARE, MALLOC_TRIM_BYTES));
    s->memory = memory_new(s->config.memory_max_bytes);
    if (!s->memory)
        return err_set(e, SK_NO_MEMORY, "out of memory");
    sk_code (*const steps[])(skep *, err *) = {open_dir,    open_meta,    open_engine,
                                               open_intake, open_journal, open_server};
    sk_code code = resident_start(s->memory, &s->resident, e);
    for (size_t i = 0; i < COUNT_OF(steps) && code == SK_OK; i++)
        code = steps[i](s, e);
    return code;
}

/* What can be known to be wrong before anything is opened, so that a bad start leaves no trace. */
static sk_code check_settings(skep *s, err *e)
{
    serve_options options = server_options(s);
    if (s->config.disk_max_bytes && s->config.disk_max_bytes < LIMITS_DISK_MIN)
        return err_set(e, SK_BAD_INPUT,
                       "--disk-max is at least %llu MiB: journal, segments and the control plane "
                       "have no room in less",
                       (unsigned long long)(LIMITS_DISK_MIN / MIB));
    sk_code code = SK_OK;
    for (uint32_t i = 0; i < s->config.trusted_proxies.count && code == SK_OK; i++)
        code = proxy_add(&s->proxies, s->config.trusted_proxies.items[i], e);
    return code == SK_OK ? serve_check(&options, e) : code;
}

/* Until someone has an account, a start that can be reached from elsewhere shows the way in. */
static void make_login_link(skep *s, char ret_token[META_TOKEN_MAX])
{
    user_info who;
    int64_t ends_ns;
    err e = {0};
    ret_token[0] = 0;
    if (!ready_is_off_loopback(s->server) || meta_has_people(s->meta))
        return;
    if (meta_link_create(s->meta, (span){0}, ret_token, &who, &ends_ns, &e) != SK_OK) {
        log_line(LOG_LEVEL_WARN, "no login link could be made: %s", e.text);
        ret_token[0] = 0;
    }
}

static void help(void)
{
    buf out;
    buf_init(&out, 64 * KIB);
    config_help(&out);
    printf("skep serve: keeps traces, logs and metrics, and answers questions about them\n\n"
           "  skep serve\n  skep serve --demo\n  skep serve --listen 0.0.0.0:8080 --auth required "
           "--data-dir /var/lib/skep\n\n%.*s\n"
           "Every option is also a variable (SKEP_DATA_DIR, …) and a key of the --config file.\n",
           (int)out.len, (const char *)out.at);
    buf_done(&out);
}

int main_serve(const char *program, int argc, char **argv)
{
    skep s = {.demo_pid = 0};
    err e = {0};
    char url[128];
    for (int i = 1; i < argc; i++)
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            help();
            return 0;
        }
    mallopt(M_MMAP_THRESHOLD, MALLOC_MMAP_BYTES);
    s.mem = arena_new(4 * MIB);
    if (!s.mem || config_parse(argc, argv, s.mem, &s.config, &e) != SK_OK ||
        check_settings(&s, &e) != SK_OK) {
        fprintf(stderr, "skep serve: %s\n", s.mem ? e.text : "out of memory");
        arena_free(s.mem);
        return 2;
    }
    sigset_t mask;
    sigemptyset(&mask);
    sigaddset(&mask, SIGTERM);
    sigaddset(&mask, SIGINT);
    sigaddset(&mask, SIGCHLD);
    sigprocmask(SIG_BLOCK, &mask, NULL);
    signal(SIGPIPE, SIG_IGN);
    int signals = signalfd(-1, &mask, SFD_CLOEXEC);
    lock_init(&s.early_lock, RANK_CONFIG);
    sk_code code = signals < 0 ? err_set(&e, SK_INTERNAL, "no signalfd") : open_all(&s, &e);
    if (code == SK_OK) {
        char login_token[META_TOKEN_MAX];
        make_login_link(&s, login_token);
        ready said = {&s.config, s.server, &s.first, login_token};
        ready_choose_url(s.server, url, sizeof url);
        serve_set_ready(s.server, true);
        ready_print_welcome(&said, program, url);
        ready_print_line(&said, url);
        if (s.config.demo)
            start_demo(&s, url);
        struct signalfd_siginfo by = wait_for_signal(&s, signals);
        if (!s.config.quiet)
            log_line(LOG_LEVEL_INFO,
                     "ending, as %s of process %u asked: finishing what is in flight; a second "
                     "signal ends at once",
                     by.ssi_signo == SIGINT ? "SIGINT" : "SIGTERM", by.ssi_pid);
        sigprocmask(SIG_UNBLOCK, &mask, NULL);
    } else {
        fprintf(stderr, "skep serve: %s\n", e.text);
    }
    close_all(&s);
    if (signals >= 0)
        close(signals);
    arena_free(s.mem);
    return code == SK_OK ? 0 : 1;
}
