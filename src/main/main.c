/*
 * main/main.c: which command. `serve` and the tools that open a stopped server's directory are ours; every other command is
 * a client of the HTTP API and lives in `cli`.
 */
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "main/serve.h"
#include "main/verify.h"
#include "main/version.h"

int main(int argc, char **argv)
{
    const char *command = argc > 1 ? argv[1] : "help";
    if (strcmp(command, "serve") == 0)
        return main_serve(argv[0], argc - 1, argv + 1);
    if (strcmp(command, "verify") == 0)
        return main_verify(argc - 1, argv + 1);
    if (strcmp(command, "--version") == 0 || strcmp(command, "version") == 0) {
        printf("skep %s\n", SKEP_VERSION);
        return 0;
    }
    return cli_main(argc, argv);
}
