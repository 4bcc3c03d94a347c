/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `octroi key add`: a new key for what is sealed (base/seal.h). The file is whoever's the gateway's
 * other keys are; those that are in it stay, or nothing made before could be opened any more.
 */
#include "base/file.h"
#include "base/seal.h"
#include "cli/context.h"
#include "cli/options.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Whose the file is to be: as it was, or as the recipient key is, which the gateway can read. */
static int take_example(const char *path, const struct config *config, struct stat *example)
{
    if (stat(path, example) == 0)
        return EXIT_DONE;
    if (errno != ENOENT)
        return command_failed_text("cannot look at %s: %s", path, strerror(errno));
    if (stat(config->recipient_key_file, example) != 0)
        return command_failed_text("cannot look at %s: %s", config->recipient_key_file,
                                   strerror(errno));
    return EXIT_DONE;
}

static int add(const struct config *config)
{
    const char *path = config->seal_key_file;
    struct stat example;
    struct error err = {0};
    int code = take_example(path, config, &example);
    if (code != EXIT_DONE)
        return code;
    /* Not as root in a folder that is somebody else's. */
    if (!context_become_owner(config->recipient_key_file))
        return EXIT_FAILED;
    bool first = !file_exists(path);
    if ((first ? seal_create(path, &err) : seal_rotate(path, &err)) != RESULT_OK)
        return command_failed(&err);
    if (geteuid() == 0 && (chown(path, example.st_uid, example.st_gid) != 0 ||
                           chmod(path, example.st_mode & 07777) != 0))
        return command_failed_text("cannot give %s its owner and mode: %s", path, strerror(errno));
    if (first)
        printf("made %s: back it up, apart. A gateway that runs uses it once it is restarted\n",
               path);
    else
        printf("%s begins with a new key: back it up again. A gateway that runs uses it once it "
               "is reloaded (SIGHUP)\n",
               path);
    return EXIT_DONE;
}

int cli_key_add(const struct invocation *invocation, int argc, char **argv)
{
    const struct option_spec specs[] = {{0}};
    int code = options_read(invocation, argc, argv, specs, 0, 0, NULL);
    struct config *config = NULL;
    struct error err = {0};
    size_t mistakes;
    if (code != OPTIONS_GO)
        return code;
    if (config_load_essentials(invocation->config_file, context_print_problem, NULL, &config,
                               &mistakes, &err) != RESULT_OK)
        return command_failed(&err);
    code = config->seal_key_file != NULL
               ? add(config)
               : command_failed_text("seal_key_file in %s is not good (octroi check-config)",
                                     invocation->config_file);
    config_unref(&config);
    return code;
}
