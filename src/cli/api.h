/*
 * cli/api.h: calls of the server's HTTP API, with the key, the timeout and Ctrl-C seen to; and what goes wrong said in one
 * line.
 */
#ifndef CLI_API_H
#define CLI_API_H

#include "cli/command.h"
#include "cli/node.h"

/* Finds the key (flag, SKEP_KEY, --key-file, the local server's keys.json for a loopback URL) and fills c->url. */
int api_prepare(cli *c);
/* The "ingest" or "full" key of one environment in the local server's keys.json; NULL: there is none, or the key was given. */
const char *api_ring_key(cli *c, const char *environment, const char *kind);

/* "/skep/v1/…?…" being built. */
typedef struct api_path {
    buf text;
    bool has_query;
} api_path;

void api_path_init(api_path *p, const char *path);
void api_path_segment(api_path *p, span segment);               /* "/" and the segment, encoded */
void api_path_query(api_path *p, const char *name, span value); /* nothing when value.at == NULL */
void api_path_environment(api_path *p, const cli *c);           /* from --env */
int api_path_times(api_path *p, cli *c); /* start, end from --since, --until */
void api_path_done(api_path *p);

/* The reply's text and tree; both live in c->mem. `ret_text` may be NULL. Gives the path back. EXIT_OK, or the exit
 * code of what it has said. */
int api_get(cli *c, api_path *take_path, span *ret_text, const node **ret);
int api_send(cli *c, const char *method, api_path *take_path, span body, span *ret_text,
             const node **ret);

/* Server-sent events: `each` gets the event's name and data; false ends the stream (EXIT_OK). */
typedef struct api_stream {
    bool (*each)(void *ctx, span event, span data);
    void (*opened)(void *ctx); /* the server has begun to send; may be NULL */
    void *ctx;
    bool said_errors; /* out: an error was printed */
    int64_t timeout_ms;
    bool is_quiet; /* a broken connection is not said: the caller goes on */
} api_stream;
int api_stream_run(cli *c, const char *method, api_path *take_path, span body, api_stream *s);

/* A time as asked: "10m" ago, RFC 3339, unix seconds; in ns. */
bool api_time(span text, int64_t now_ns, int64_t *ret_ns);

#endif
