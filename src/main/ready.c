/*
 * main/ready.c: what a start says: one line of JSON for programs, a welcome for people, and the URL
 * that both show. Called by serve.c once the server listens.
 */
#include "main/ready.h"

#include <stdio.h>
#include <string.h>

#include "main/version.h"
#include "wire/json.h"

/* The listener to show: a plain one of port 8080 if there is one, else the first. */
void ready_choose_url(const server *s, char *out, size_t size)
{
    uint32_t best = 0;
    bool is_tls = false, best_tls = false;
    for (uint32_t i = 0; i < serve_listener_count(s); i++) {
        const char *address = serve_listener(s, i, &is_tls);
        bool is_main = span_ends_with(span_text(address), SPAN(":8080")) && address[0] != '[';
        if (i == 0 || is_main) {
            best = i;
            best_tls = is_tls;
        }
        if (is_main)
            break;
    }
    const char *address = serve_listener(s, best, NULL);
    bool is_any = span_starts_with(span_text(address), SPAN("0.0.0.0:"));
    snprintf(out, size, "%s://%s%s", best_tls ? "https" : "http", is_any ? "127.0.0.1" : "",
             is_any ? address + 7 : address);
}

bool ready_is_off_loopback(const server *s)
{
    for (uint32_t i = 0; i < serve_listener_count(s); i++) {
        span address = span_text(serve_listener(s, i, NULL));
        if (!span_starts_with(address, SPAN("127.")) && !span_starts_with(address, SPAN("[::1]")))
            return true;
    }
    return false;
}

static void print_keys(json_writer *w, const char *environment_slug, const char *ingest,
                       const char *full)
{
    jw_key_text(w, environment_slug);
    jw_object(w);
    jw_key_text(w, "ingest");
    jw_text(w, ingest);
    jw_key_text(w, "full");
    jw_text(w, full);
    jw_object_end(w);
}

/* One line of JSON for programs. */
void ready_print_line(const ready *r, const char *url)
{
    buf out;
    buf_init(&out, 64 * KIB);
    json_writer w = {.out = &out};
    jw_object(&w);
    jw_key_text(&w, "ready");
    jw_bool(&w, true);
    jw_key_text(&w, "version");
    jw_text(&w, SKEP_VERSION);
    jw_key_text(&w, "url");
    jw_text(&w, url);
    jw_key_text(&w, "listen");
    jw_array(&w);
    for (uint32_t i = 0; i < serve_listener_count(r->server); i++)
        jw_text(&w, serve_listener(r->server, i, NULL));
    jw_array_end(&w);
    if (r->first->is_first_start) {
        jw_key_text(&w, "keys");
        jw_object(&w);
        print_keys(&w, "dev", r->first->dev_ingest, r->first->dev_full);
        print_keys(&w, "demo", r->first->demo_ingest, r->first->demo_full);
        jw_object_end(&w);
    }
    if (r->login_token[0]) {
        char link[256];
        snprintf(link, sizeof link, "%s/login#token=%s", url, r->login_token);
        jw_key_text(&w, "login");
        jw_text(&w, link);
    }
    jw_object_end(&w);
    buf_add_u8(&out, '\n');
    fwrite(out.at, 1, out.len, stdout);
    fflush(stdout);
    buf_done(&out);
}

/* The same for people: the address that works, and what to do next, as commands that can be pasted where this one ran. */
void ready_print_welcome(const ready *r, const char *program, const char *url)
{
    const char *name = strchr(program, '/') ? program : "skep";
    const char *option = strcmp(url, "http://127.0.0.1:8080") == 0 ? "" : " --url ";
    const char *where = *option ? url : "";
    if (r->config->quiet)
        return;
    fprintf(stderr, "\nskep %s  %s\n", SKEP_VERSION, url);
    for (uint32_t i = 0; i < serve_skipped_count(r->server); i++)
        fprintf(stderr, "  note: %s\n", serve_skipped(r->server, i));
    bool is_small = r->config->disk_max_bytes < GIB;
    fprintf(stderr, "  data: %s (at most %.1f %s; --disk-max)\n", r->config->data_dir,
            (double)r->config->disk_max_bytes / (double)(is_small ? MIB : GIB),
            is_small ? "MiB" : "GiB");
    if (r->first->is_first_start)
        fprintf(stderr, "  keys: %s/keys.json (kept for local skep commands)\n",
                r->config->data_dir);
    if (r->login_token[0])
        fprintf(stderr,
                "\nNobody has logged in yet. This link makes you the administrator; it works once, "
                "for 15 minutes\n  %s/login#token=%s\n"
                "(from another machine with this one's name in it; `%s open` prints a new one)\n",
                url, r->login_token, name);
    if (r->config->demo)
        fprintf(stderr,
                "\nA demo shop runs in environment demo. In a second terminal, three things to "
                "ask it:\n"
                "  %s query 'COUNT, P99(duration_ms) GROUP BY service.name ORDER BY "
                "P99(duration_ms) DESC SINCE 10m' --env demo%s%s\n"
                "  %s query 'HEATMAP(duration_ms) FROM checkout SINCE 10m' --heatmap --env "
                "demo%s%s\n"
                "  %s map --env demo%s%s\n"
                "and, once you have a guess, what was planted\n  %s demo%s%s --reveal\n",
                name, option, where, name, option, where, name, option, where, name,
                r->config->demo_seed ? " --seed " : "",
                r->config->demo_seed ? r->config->demo_seed : "");
    fprintf(stderr,
            "\nYour own first span: paste what this prints into the shell that runs your program\n"
            "  %s env --shell python%s%s\n"
            "\nNothing there? This says who was refused, and why\n  %s doctor%s%s\n\n",
            name, option, where, name, option, where);
}
