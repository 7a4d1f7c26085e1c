/*
 * cli/completion.c: the candidates for one TAB, from the tables that --help prints too. Called by completion_command.c.
 * Never: says anything of a mistake in the line, or waits for a server (completion_names.c).
 */
#include "cli/completion.h"

#include "cli/api.h"
#include "cli/options.h"

typedef struct completing {
    term *out;
    span before,
        typed; /* of the last word: what stays as it is, and the beginning of what is to be found */
} completing;

static void offer(const completing *p, const char *mark, span word, const char *help)
{
    if (!word.len || !span_starts_with(word, p->typed))
        return;
    term_text(p->out, p->before);
    term_print(p->out, "%s", mark);
    term_text(p->out, word);
    term_print(p->out, "\t%s\n", help ? help : "");
}

static void offer_each(const completing *p, span words, uint8_t separator)
{
    for (span word; words.at;) {
        word = span_cut(&words, separator);
        offer(p, "", word, NULL);
    }
}

static void offer_commands(const completing *p)
{
    for (size_t i = 0; command_at(i); i++)
        offer(p, "", span_text(command_at(i)->name), command_at(i)->summary);
    for (size_t i = 0; other_command_at(i); i++)
        offer(p, "", span_text(other_command_at(i)->name), other_command_at(i)->summary);
}

static void offer_options(completing *p, const cli_option *options)
{
    for (const cli_option *o = options; o && o->name; o++)
        offer(p, "--", span_text(o->name), o->help);
}

/* `kind` as options name what they take: "a|b|c", FILE, or a list of the server's. */
static void offer_values(completing *p, cli *line, const char *kind)
{
    if (!kind)
        return;
    if (strchr(kind, '|')) {
        offer_each(p, span_text(kind), '|');
    } else if (strcmp(kind, "FILE") == 0 || strcmp(kind, "DIR") == 0) {
        term_print(p->out, ":files\n");
    } else if (strcmp(kind, "FIELD,…") == 0) {
        while (memchr(p->typed.at, ',', p->typed.len))
            (void)span_cut(&p->typed, ',');
        p->before.len += (size_t)(p->typed.at - p->before.at) - p->before.len;
        offer_each(p, completion_names(line, "FIELD"), '\n');
    } else if (completion_is_asked(kind)) {
        offer_each(p, completion_names(line, kind), '\n');
    }
}

/* The options that stand in the line count for what the server is asked; a mistake in them is not said. */
static void read_line(cli *line, char **words, uint32_t count)
{
    void *own = arena_alloc_zero(line->mem, line->command->own_bytes + 1, 16);
    if (own) {
        (void)options_parse(line, own, (int)count, words);
        (void)api_prepare(line);
    }
}

static void complete_command(cli *c, completing *p, const command *of, char **words, uint32_t count)
{
    cli line = {.command = of, .mem = c->mem, .http = c->http, .signal_fd = c->signal_fd};
    span before = span_text(words[count - 2]);
    const cli_option *takes = count > 2 ? options_find(of, before) : NULL;
    takes = takes && takes->kind != OPTION_FLAG ? takes : NULL;
    line.out.is_gone = line.talk.is_gone = true;
    buf_init(&line.out.text, 64 * KIB);
    buf_init(&line.talk.text, 64 * KIB);
    read_line(&line, words + 1, count - (takes ? 3 : 2));
    span rest = p->typed, name = span_cut(&rest, '=');
    if (takes) {
        offer_values(p, &line, takes->takes);
    } else if (p->typed.len && p->typed.at[0] == '-' && rest.at) {
        takes = options_find(of, name);
        p->before = span_of(p->typed.at, name.len + 1);
        p->typed = rest;
        offer_values(p, &line, takes ? takes->takes : NULL);
    } else if (p->typed.len && p->typed.at[0] == '-') {
        p->typed = span_from(p->typed, p->typed.len > 1 ? 2 : 1);
        offer_options(p, of->options);
        offer_options(p, common_options);
    } else if (line.word_count == 0) {
        offer_values(p, &line, of->word);
    }
    term_done(&line.out);
    term_done(&line.talk);
}

void completion_print(cli *c, char **words, uint32_t count)
{
    completing p = {.out = &c->out};
    if (count == 0)
        return;
    p.typed = span_text(words[count - 1]);
    p.before = span_of(p.typed.at, 0);
    const command *of = count > 1 ? command_named(words[0]) : NULL;
    if (count == 1 || (count == 2 && strcmp(words[0], "help") == 0))
        offer_commands(&p);
    else if (of)
        complete_command(c, &p, of, words, count);
}
