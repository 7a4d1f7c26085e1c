/*
 * cli/doctor_command.c: skep doctor: who was refused and why, what is odd about what was accepted, and the one thing to do
 * about each.
 */
#include <stdio.h>

#include "base/clock.h"
#include "cli/api.h"

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

static int run(cli *c, void *own)
{
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
    .usage = "[OPTIONS]",
    .examples = "  skep doctor\n  skep doctor --env demo --json\n",
    .pages = true,
    .run = run,
};
