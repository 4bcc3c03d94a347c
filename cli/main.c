/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The entry: reads what stands before the command, finds the command in the table, runs it, and
 * makes sure that what it printed has really been written. Any command may hold keys, passwords or
 * addresses: none of them leaves a memory image.
 */
#include "base/harden.h"
#include "cli/command.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CONFIG_DEFAULT "/etc/octroi/octroi.conf"

static const char *default_config(void)
{
    const char *file = getenv("OCTROI_CONF");
    return file != NULL && *file != '\0' ? file : CONFIG_DEFAULT;
}

/* A full disk behind a redirection must not look like success. */
static int finish(int code)
{
    if (fflush(stdout) != 0 || ferror(stdout)) {
        fprintf(stderr, "octroi: cannot write the output: %s\n", strerror(errno));
        return code == EXIT_DONE ? EXIT_FAILED : code;
    }
    return code;
}

static int run(struct invocation *invocation, int argc, char **argv)
{
    int words = 0;
    invocation->command = command_find(argc, argv, &words);
    if (invocation->command == NULL)
        return command_unknown(argc, argv);
    return invocation->command->run(invocation, argc - words + 1, argv + words - 1);
}

static int unknown_option(char *const *argv)
{
    if (optopt != 0) /* one letter, maybe of several: optind may not have moved yet */
        fprintf(stderr, "octroi: unknown option -%c; see octroi help\n", optopt);
    else
        fprintf(stderr, "octroi: unknown option %s; see octroi help\n", argv[optind - 1]);
    return EXIT_USAGE;
}

int main(int argc, char **argv)
{
    static const struct option long_options[] = {
        {"help", no_argument, NULL, 'h'}, {"version", no_argument, NULL, 'V'}, {NULL, 0, NULL, 0}};
    char help[] = "help";
    char version[] = "version";
    struct error err;
    if (harden_no_dumps(&err) != RESULT_OK)
        return command_failed(&err);
    struct invocation invocation = {.config_file = default_config()};
    opterr = 0;
    for (;;) {
        int option = getopt_long(argc, argv, "+:c:hV", long_options, NULL);
        if (option < 0)
            break;
        switch (option) {
        case 'c':
            invocation.config_file = optarg;
            break;
        case 'h':
            return finish(run(&invocation, 1, (char *[]){help, NULL}));
        case 'V':
            return finish(run(&invocation, 1, (char *[]){version, NULL}));
        case ':':
            fprintf(stderr, "octroi: -c needs a file\n");
            return EXIT_USAGE;
        default:
            return unknown_option(argv);
        }
    }
    if (*invocation.config_file == '\0') {
        fprintf(stderr, "octroi: -c needs a file\n");
        return EXIT_USAGE;
    }
    return finish(run(&invocation, argc - optind, argv + optind));
}
