/* SPDX-License-Identifier: Apache-2.0 */
/* `octroi password`: a password in, its yescrypt hash out. */
#include "base/crypto.h"
#include "cli/options.h"
#include "cli/password_read.h"

#include <stdio.h>
#include <string.h>

#define SMPP_PASSWORD_BYTES 8

int cli_password(const struct invocation *invocation, int argc, char **argv)
{
    const struct option_spec specs[] = {{0}};
    char password[PASSWORD_TEXT];
    char hash[PASSWORD_HASH];
    int code = options_read(invocation, argc, argv, specs, 0, 0, NULL);
    if (code != OPTIONS_GO)
        return code;
    if (!password_read(password))
        return EXIT_FAILED;
    code = password_hash(password, hash) ? EXIT_DONE : EXIT_FAILED;
    if (code == EXIT_DONE)
        puts(hash);
    /* The hash does not show it any more, and an administrator would look for it elsewhere. */
    if (code == EXIT_DONE && strlen(password) > SMPP_PASSWORD_BYTES)
        command_warn("this password has more than %d bytes, which is all that SMPP has room for: "
                     "it serves for SMTP and HTTP only",
                     SMPP_PASSWORD_BYTES);
    wipe(password, sizeof(password));
    return code;
}
