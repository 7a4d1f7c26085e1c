/*
 * cli/doctor_command.c: skep doctor: who was refused and why, what is odd about what was accepted, and the one thing to do
 * about each. With a file: what it says about why nothing arrives, read here and sent nowhere.
 */
#include <stdio.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/file.h"
#include "cli/api.h"
#include "cli/setup_text.h"
#include "wire/json.h"

#define SETUP_BYTES (4 * MIB)

static void print_age(cli *c, const node *time)
{
    char age[FORM_MAX];
    int64_t ns, now = clock_wall_ns();
    if (!clock_parse_rfc3339(node_text(time), &ns))
        return;
    form_age(now > ns ? now - ns : 0, age);
    term_print(&c->out, "%s ago", age);
}

static void print_field(cli *c, const char *label, span text)
{
    if (!text.len)
        return;
    term_print(&c->out, "   %-9s ", label);
    term_text(&c->out, text);
    term_print(&c->out, "\n");
}

static void print_refusal(cli *c, const node *r)
{
    char count[FORM_MAX];
    form_count(node_count(node_get(r, "count")), count);
    term_color_on(&c->out, COLOR_RED);
    term_print(&c->out, "%s ", c->out.has_unicode ? "\xe2\x9c\x97" : "x");
    term_color_off(&c->out);
    term_color_on(&c->out, COLOR_BOLD);
    term_text(&c->out, node_text(node_get(r, "reason")));
    term_color_off(&c->out);
    bool is_once = node_count(node_get(r, "count")) == 1;
    term_print(&c->out, is_once ? "  once, " : "  %s times, last ", count);
    print_age(c, node_get(r, "time"));
    term_print(&c->out, "\n");
    span service = node_text(node_get(r, "service")), source = node_text(node_get(r, "source"));
    term_print(&c->out, "   %-9s ", "from");
    term_text(&c->out, source);
    if (service.len) {
        term_print(&c->out, " as ");
        term_text(&c->out, service);
    }
    term_print(&c->out, " to ");
    term_text(&c->out, node_text(node_get(r, "path")));
    term_print(&c->out, " (%d)\n", (int)node_count(node_get(r, "status")));
    print_field(c, "key", node_text(node_get(r, "key_fingerprint")));
    print_field(c, "said", node_text(node_get(r, "text")));
    term_color_on(&c->out, COLOR_GREEN);
    print_field(c, "do", node_text(node_get(r, "advice")));
    term_color_off(&c->out);
}

static void print_finding(cli *c, const node *f)
{
    term_color_on(&c->out, COLOR_YELLOW);
    term_print(&c->out, "! ");
    term_color_off(&c->out);
    span subject = node_text(node_get(f, "subject"));
    if (subject.len) {
        term_text(&c->out, subject);
        term_print(&c->out, ": ");
    }
    term_text(&c->out, node_text(node_get(f, "text")));
    term_print(&c->out, "\n");
    term_color_on(&c->out, COLOR_GREEN);
    print_field(c, "do", node_text(node_get(f, "fix")));
    term_color_off(&c->out);
}

/* One line per sender: how far its newest request came. */
static void print_way(cli *c, const node *way)
{
    static const struct {
        const char *state, *unicode, *ascii;
        term_color color;
    } ticks[] = {{"ok", "\xe2\x9c\x93", "+", COLOR_GREEN},
                 {"bad", "\xe2\x9c\x97", "x", COLOR_RED},
                 {"wait", "\xc2\xb7", ".", COLOR_DIM}};
    term_text(&c->out, node_text(node_get(way, "sender")));
    term_print(&c->out, ":");
    for (const node *h = node_first(node_get(way, "hops")); h; h = h->next)
        for (size_t i = 0; i < COUNT_OF(ticks); i++) {
            if (!span_is(node_text(node_get(h, "state")), ticks[i].state))
                continue;
            term_color_on(&c->out, ticks[i].color);
            term_print(&c->out, " %s ", c->out.has_unicode ? ticks[i].unicode : ticks[i].ascii);
            term_color_off(&c->out);
            term_text(&c->out, node_text(node_get(h, "hop")));
        }
    term_print(&c->out, "\n");
}

/* ---- a set-up that is read ---- */

static void print_setup_json(cli *c, const char *name, const setup_report *report)
{
    buf out;
    buf_init(&out, 16 * MIB);
    json_writer w = {.out = &out};
    jw_object(&w);
    for (uint32_t pass = 0; pass < 2; pass++) {
        bool is_list = pass == 1;
        jw_key_text(&w, is_list ? "findings" : "first");
        if (is_list)
            jw_array(&w);
        else if (!report->count)
            jw_null(&w);
        for (uint32_t i = 0; i < (is_list || !report->count ? report->count : 1); i++) {
            const setup_finding *f = &report->items[i];
            jw_object(&w);
            jw_key_text(&w, "kind");
            jw_text(&w, f->kind);
            jw_key_text(&w, "subject");
            jw_text(&w, name);
            jw_key_text(&w, "line");
            jw_u64(&w, f->line);
            jw_key_text(&w, "text");
            jw_string(&w, f->text);
            jw_key_text(&w, "fix");
            jw_string(&w, f->fix);
            jw_object_end(&w);
        }
        if (is_list)
            jw_array_end(&w);
    }
    jw_object_end(&w);
    buf_add_span(&c->out.text, buf_span(&out));
    buf_add_text(&c->out.text, "\n");
    buf_done(&out);
}

static int read_setup(cli *c, const char *name, span text)
{
    setup_report *report = ARENA_NEW(c->mem, setup_report);
    if (!report || !setup_read(text, span_text(c->url), c->mem, report))
        return cli_fail(c, EXIT_FAILED, "%s cannot be read with the server %s", name, c->url);
    if (c->json) {
        print_setup_json(c, name, report);
        return EXIT_OK;
    }
    for (uint32_t i = 0; i < report->count; i++) {
        const setup_finding *f = &report->items[i];
        term_color_on(&c->out, COLOR_YELLOW);
        term_print(&c->out, "! ");
        term_color_off(&c->out);
        term_print(&c->out, "line %u: ", f->line);
        term_text(&c->out, f->text);
        term_print(&c->out, "\n");
        term_color_on(&c->out, COLOR_GREEN);
        print_field(c, "do", f->fix);
        term_color_off(&c->out);
    }
    if (!report->count)
        term_print(&c->out, "nothing in it explains why events would not arrive\n");
    return report->count || !c->fail_empty ? EXIT_OK : EXIT_NOTHING;
}

static int read_stdin(cli *c)
{
    char piece[4096];
    buf text;
    buf_init(&text, SETUP_BYTES);
    for (size_t got; (got = fread(piece, 1, sizeof piece, stdin)) > 0;)
        buf_add(&text, piece, got);
    int code = text.failed ? cli_fail(c, EXIT_FAILED, "what stands on stdin is too large")
                           : read_setup(c, "stdin", buf_span(&text));
    buf_done(&text);
    return code;
}

static int read_file(cli *c, const char *path)
{
    uint8_t *bytes;
    size_t len;
    err e;
    if (file_read_all(path, SETUP_BYTES, &bytes, &len, &e) != SK_OK)
        return cli_fail(c, EXIT_FAILED, "%s", e.text);
    int code = read_setup(c, path, span_of(bytes, len));
    base_free(bytes);
    return code;
}

static int run(cli *c, void *own)
{
    if (c->word_count)
        return strcmp(c->words[0], "-") == 0 ? read_stdin(c) : read_file(c, c->words[0]);
    api_path path;
    span text;
    const node *reply;
    api_path_init(&path, "/skep/v1/doctor");
    api_path_environment(&path, c);
    int code = api_get(c, &path, &text, &reply);
    if (code)
        return code;
    const node *refusals = node_get(reply, "refusals"), *findings = node_get(reply, "findings");
    bool is_well = !node_first(refusals) && !node_first(findings);
    if (c->json) {
        buf_add_span(&c->out.text, text);
        buf_add_text(&c->out.text, "\n");
    } else {
        for (const node *r = node_first(refusals); r; r = r->next) {
            print_refusal(c, r);
            term_print(&c->out, "\n");
        }
        for (const node *f = node_first(findings); f; f = f->next)
            print_finding(c, f);
        for (const node *way = node_first(node_get(reply, "ways")); way; way = way->next)
            print_way(c, way);
        if (is_well)
            term_print(&c->out, "%s the server answers, nothing was refused, nothing looks odd\n",
                       c->out.has_unicode ? "\xe2\x9c\x93" : "ok:");
    }
    return is_well && c->fail_empty ? EXIT_NOTHING : EXIT_OK;
}

const command command_doctor = {
    .name = "doctor",
    .summary = "nothing there? who was refused, why, and what to do",
    .usage = "[FILE] [OPTIONS]",
    .examples = "  skep doctor\n"
                "  skep doctor --env demo --json\n"
                "  skep doctor compose.yaml       (or an .env file, set-up code, what the console\n"
                "                                  exporter printed; it stays here)\n",
    .word = "FILE",
    .pages = true,
    .run = run,
};
