/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a command needs of a gateway, opened in the one order that works: the configuration and the
 * keys first, with the rights of who typed the command; then, when that is root and the state
 * belongs to the service user, as that user, so that no file of the gateway ever changes hands.
 * Input files named on the command line are opened before that, too (input_open).
 */
#ifndef OCTROI_CLI_CONTEXT_H
#define OCTROI_CLI_CONTEXT_H

#include "base/crypto.h"
#include "base/seal.h"
#include "cli/command.h"
#include "config/config.h"
#include "policy/recipient.h"
#include "store/journal.h"
#include "store/registry.h"

#include <stdbool.h>
#include <stdio.h>

/* Everything is owned; NULL what was not asked for. */
struct context {
    struct config *config;
    struct hmac *hmac;
    struct signing_key *journal_public;
    struct seal *seal; /* with the registry, which seals with it; NULL: there is no key */
    struct registry *registry;
    struct journal_index *index;
    char *registry_path; /* state_dir/registry.db */
    char *journal_path;  /* state_dir/journal */
    char *index_path;    /* state_dir/journal.db */
};

enum context_needs {
    CONTEXT_REGISTRY = 1,       /* opened, never made: `init` does that */
    CONTEXT_RECIPIENT_KEY = 2,  /* hmac */
    CONTEXT_JOURNAL_PUBLIC = 4, /* the public key beside journal_key_file */
    CONTEXT_INDEX = 8,
    CONTEXT_STRICT = 16 /* a configuration with any mistake will not do */
};

/* False after having printed why. The configuration and the paths are always there. */
bool context_open(const struct invocation *invocation, unsigned needs, struct context *context_out);
void context_close(struct context *context);

/* "file:line: message" on standard error: a config_problem_fn. */
void context_print_problem(void *arg, const char *file, int line, const char *message);
/* Parts of it, for `init` and `check-config`. Both print why they fail. */
bool context_load_config(const char *file, struct config **config_out);
/* Root becomes the owner of folder, for good; nobody else becomes anybody. */
bool context_become_owner(const char *folder);

/* The key of an address from the command line; prints why not. The address itself is never
 * repeated. */
bool context_recipient(struct context *context, const char *text, struct address *address_out,
                       struct recipient *recipient_out);

/* The public key's file: PRIVATE with .pub for .key, or .pub appended. Owned; NULL when memory is
 * short. */
char *context_public_key_path(const char *private_path);

/* A file to be read, or standard input for "-"; NULL after having printed why. */
FILE *input_open(const char *path);
/* How messages name it: "standard input" for "-". */
const char *input_name(const char *path);
void input_close(FILE **input);

#endif
