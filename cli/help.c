/* SPDX-License-Identifier: Apache-2.0 */
/* `octroi help` and `octroi version`. */
#include "cli/command.h"
#include "cli/options.h"

#include <stdio.h>
#include <string.h>

static void print_names(void)
{
    for (const struct command *command = commands; command->name != NULL; command++)
        puts(command->name);
}

static void print_overview(void)
{
    puts("octroi lets a prospecting message through only when consent for it is on record.\n\n"
         "usage: octroi [-c FILE] COMMAND ...\n");
    for (const struct command *command = commands; command->name != NULL; command++)
        printf("  %-17s %s\n", command->name, command->summary);
    puts("\nThe configuration is FILE, else $OCTROI_CONF, else /etc/octroi/octroi.conf.\n"
         "octroi help COMMAND explains one. Exit codes: 0 done, 1 it could not or a check\n"
         "failed, 2 wrong usage.");
}

/* A first word of two-word commands explains them all. */
static bool print_group(const char *word)
{
    bool found = false;
    size_t length = strlen(word);
    for (const struct command *command = commands; command->name != NULL; command++)
        if (length > 0 && strncmp(command->name, word, length) == 0 &&
            command->name[length] == ' ') {
            if (found)
                putchar('\n');
            command_print_help(command);
            found = true;
        }
    return found;
}

int cli_help(const struct invocation *invocation, int argc, char **argv)
{
    bool names = false;
    char **operands;
    const struct option_spec specs[] = {{"names", OPTION_FLAG, &names}, {0}};
    int code = options_read(invocation, argc, argv, specs, 0, 2, &operands);
    if (code != OPTIONS_GO)
        return code;
    if (names && operands[0] != NULL)
        return command_usage(invocation, "--names stands alone");
    if (names) {
        print_names();
        return EXIT_DONE;
    }
    if (operands[0] == NULL) {
        print_overview();
        return EXIT_DONE;
    }
    int given = operands[1] == NULL ? 1 : 2;
    int words = 0;
    const struct command *command = command_find(given, operands, &words);
    if (command != NULL && words == given) {
        command_print_help(command);
        return EXIT_DONE;
    }
    if (given == 1 && print_group(operands[0]))
        return EXIT_DONE;
    return command_unknown(given, operands);
}

int cli_version(const struct invocation *invocation, int argc, char **argv)
{
    const struct option_spec specs[] = {{0}};
    int code = options_read(invocation, argc, argv, specs, 0, 0, NULL);
    if (code != OPTIONS_GO)
        return code;
    puts("octroi " PACKAGE_VERSION);
    return EXIT_DONE;
}
