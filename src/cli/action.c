/* cli/action.c: see action.h. Called by keys, environments, user. */
#include "cli/action.h"

#include <unistd.h>

#include "query/suggest.h"

static const char *action_name_at(size_t index, const void *ctx)
{
    const action *actions = ctx;
    return actions[index].name;
}

int action_run(cli *c, void *own, const action *actions)
{
    const char *word = c->word_count ? c->words[0] : actions[0].name;
    for (const action *a = actions; a->name; a++) {
        if (strcmp(a->name, word) != 0)
            continue;
        uint32_t given = c->word_count ? c->word_count - 1 : 0;
        if (given != a->words)
            return cli_fail(c, EXIT_USAGE, "skep %s %s takes %s", c->command->name, a->name,
                            a->words ? a->takes : "nothing more");
        return a->run(c, own, given ? c->words[1] : NULL);
    }
    const char *near = suggest_nearest(span_text(word), action_name_at, actions);
    if (near)
        return cli_fail(c, EXIT_USAGE, "skep %s cannot \"%s\"; did you mean %s?", c->command->name,
                        word, near);
    return cli_fail(c, EXIT_USAGE, "skep %s cannot \"%s\"; skep %s --help lists what it can",
                    c->command->name, word, c->command->name);
}

bool action_is_agreed(cli *c, bool yes, const char *question)
{
    char answer[16];
    if (yes || c->dry_run)
        return true;
    if (c->no_input || !isatty(STDIN_FILENO)) {
        cli_fail(c, EXIT_USAGE, "%s Say so with --yes", question);
        return false;
    }
    term_flush(&c->out);
    term_print(&c->talk, "%s [y/N] ", question);
    term_flush(&c->talk);
    ssize_t got = read(STDIN_FILENO, answer, sizeof answer - 1);
    return got > 0 && (answer[0] == 'y' || answer[0] == 'Y');
}
