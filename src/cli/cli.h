/*
 * cli/cli.h: the terminal: every command but `serve` and the tools that open a data directory. A client of the HTTP API
 * like any other. Data goes to stdout, talk to stderr.
 */
#ifndef CLI_CLI_H
#define CLI_CLI_H

/* Runs `skep COMMAND …`; returns the exit code (cli/command.h). */
int cli_main(int argc, char **argv);

#endif
