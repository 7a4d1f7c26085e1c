/*
 * cli/completion_command.c: skep completion: the script of a shell, which asks `skep completion words` at every TAB. So
 * what is offered are always the commands and options of the skep that is called.
 */
#include <stdio.h>

#include "cli/completion.h"

/* Bash cuts words at = and : too; they are put together again, and cut off what is offered. */
static const char bash_script[] =
    "_skep() {\n"
    "    local word line glued; local -a words=()\n"
    "    for word in \"${COMP_WORDS[@]:1:COMP_CWORD}\"; do\n"
    "        if (( ${#words[@]} )) && [[ $word == [=:]* || ${words[-1]} == *[=:] ]]; then\n"
    "            words[-1]+=$word\n"
    "        else\n"
    "            words+=(\"$word\")\n"
    "        fi\n"
    "    done\n"
    "    glued=${words[-1]%\"${words[-1]##*[=:]}\"}\n"
    "    COMPREPLY=()\n"
    "    while IFS=$'\\t' read -r line _; do\n"
    "        if [[ $line == :files ]]; then\n"
    "            compopt -o default\n"
    "        else\n"
    "            COMPREPLY+=(\"${line#\"$glued\"}\")\n"
    "        fi\n"
    "    done < <(\"${COMP_WORDS[0]/#\\~/$HOME}\" completion words -- \"${words[@]}\" "
    "2>/dev/null)\n"
    "}\n"
    "complete -F _skep skep\n";

static const char zsh_script[] =
    "#compdef skep\n"
    "_skep() {\n"
    "    local line word help; local -a found\n"
    "    for line in \"${(@f)$(\"${(Q)words[1]/#\\~/$HOME}\" completion words -- "
    "\"${(@Q)words[2,CURRENT]}\" 2>/dev/null)}\"; do\n"
    "        if [[ $line == :files ]]; then\n"
    "            _files\n"
    "            return\n"
    "        fi\n"
    "        word=${${line%%$'\\t'*}//:/\\\\:}\n"
    "        help=${line#*$'\\t'}\n"
    "        [[ -n $word ]] && found+=(\"$word${help:+:$help}\")\n"
    "    done\n"
    "    _describe skep found\n"
    "}\n"
    "if [[ $funcstack[1] == _skep ]]; then _skep; else compdef _skep skep; fi\n";

static const char fish_script[] =
    "function __skep_offer\n"
    "    set -l words (commandline -opc)\n"
    "    set -l word (commandline -ct)\n"
    "    set -l skep $words[1]\n"
    "    set -e words[1]\n"
    "    for line in ($skep completion words -- $words \"$word\" 2>/dev/null)\n"
    "        if test \"$line\" = :files\n"
    "            __fish_complete_path \"$word\"\n"
    "        else\n"
    "            echo $line\n"
    "        end\n"
    "    end\n"
    "end\n"
    "complete -c skep -f -a '(__skep_offer)'\n";

static int run(cli *c, void *own)
{
    static const struct {
        const char *shell, *script;
    } scripts[] = {{"bash", bash_script}, {"zsh", zsh_script}, {"fish", fish_script}};
    const char *asked = c->word_count ? c->words[0] : "";
    if (strcmp(asked, "words") == 0) {
        completion_print(c, c->words + 1, c->word_count - 1);
        return EXIT_OK;
    }
    for (size_t i = 0; i < COUNT_OF(scripts); i++)
        if (strcmp(asked, scripts[i].shell) == 0 && c->word_count == 1) {
            term_print(&c->out, "%s", scripts[i].script);
            return EXIT_OK;
        }
    return cli_fail(c, EXIT_USAGE, "for which shell? skep completion bash, zsh or fish");
}

const command command_completion = {
    .name = "completion",
    .summary = "TAB in bash, zsh or fish knows commands, options, names",
    .usage = "bash | zsh | fish",
    .examples = "  eval \"$(skep completion bash)\"         (in ~/.bashrc)\n"
                "  eval \"$(skep completion zsh)\"          (in ~/.zshrc, after compinit)\n"
                "  skep completion fish > ~/.config/fish/completions/skep.fish\n",
    .more =
        "Names of datasets, services, fields and environments come from the server; it is asked\n"
        "for 150 ms at most, and its answer is kept for a minute.\n",
    .word = "bash|zsh|fish",
    .run = run,
};
