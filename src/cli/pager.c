/*
 * cli/pager.c: pager.h. Called by commands.c around a command that prints a result.
 * Never: starts a pager for what is live, or for what fits on the screen.
 */
#include "cli/pager.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

/* Left when all fits after all, colors kept, the text left on the screen. */
#define LESS_OPTIONS "FRX"
#define OTHERWISE    "if command -v less >/dev/null; then exec less; else exec cat; fi"

static const char *pager_of_user(void)
{
    const char *ours = getenv("SKEP_PAGER"), *any = getenv("PAGER");
    return ours ? ours : any ? any : OTHERWISE;
}

static bool is_longer_than_screen(const term *t)
{
    struct winsize size;
    uint32_t lines = 0;
    for (size_t i = 0; i < t->text.len; i++)
        lines += t->text.at[i] == '\n';
    return ioctl(t->fd, TIOCGWINSZ, &size) == 0 && size.ws_row && lines >= size.ws_row;
}

static void become_pager(int input, const char *pager)
{
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL); /* ours are blocked: they come through a descriptor */
    signal(SIGPIPE, SIG_DFL);
    setenv("LESS", LESS_OPTIONS, 0);
    if (dup2(input, STDIN_FILENO) >= 0)
        execl("/bin/sh", "sh", "-c", pager, (char *)NULL);
    _exit(127);
}

static void begin(term *t)
{
    const char *pager = pager_of_user();
    int ends[2];
    t->before_flush = NULL;
    if (!is_longer_than_screen(t) || pipe2(ends, O_CLOEXEC) != 0)
        return;
    pid_t child = fork();
    if (child == 0)
        become_pager(ends[0], pager);
    close(ends[0]);
    if (child < 0) {
        close(ends[1]);
        return;
    }
    t->pager = child;
    t->fd = ends[1];
    if (t->beside->is_terminal)
        t->beside->fd = ends[1];
}

void pager_allow(cli *c)
{
    const char *pager = pager_of_user();
    if (!c->out.is_terminal || c->no_pager || !*pager || strcmp(pager, "cat") == 0)
        return;
    c->out.beside = &c->talk;
    c->out.before_flush = begin;
}

void pager_end(cli *c)
{
    term_flush(&c->out);
    c->out.before_flush = NULL;
    if (!c->out.pager)
        return;
    term_flush(&c->talk);
    close(c->out.fd);
    c->out.fd = STDOUT_FILENO;
    if (c->talk.is_terminal)
        c->talk.fd = STDERR_FILENO;
    while (waitpid(c->out.pager, NULL, 0) < 0 && errno == EINTR)
        ;
    c->out.pager = 0;
}
