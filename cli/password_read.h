/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Passwords at the command line: asked for, and hashed for keeping. Never echoed, never an argument
 * (others could see it in the process list); the caller wipes what it was given.
 */
#ifndef OCTROI_CLI_PASSWORD_READ_H
#define OCTROI_CLI_PASSWORD_READ_H

#include <crypt.h>
#include <stdbool.h>

#define PASSWORD_TEXT CRYPT_MAX_PASSPHRASE_SIZE
#define PASSWORD_HASH CRYPT_OUTPUT_SIZE

/* Twice from a terminal, else one line of standard input. False after having printed why. */
bool password_read(char out[PASSWORD_TEXT]);
/* yescrypt. False after having printed why. */
bool password_hash(const char *password, char out[PASSWORD_HASH]);

#endif
