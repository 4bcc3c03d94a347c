/* SPDX-License-Identifier: Apache-2.0 */
/* What a command does to a token or user, and that it is put on record: an `access` record of the
 * journal. */
#ifndef OCTROI_CLI_ACT_H
#define OCTROI_CLI_ACT_H

#include "cli/context.h"
#include "cli/journal_link.h"

/* Opens the way into the journal; the rest of the time it takes is short. */
enum result act_open(const struct context *context, struct journal_link **link_out,
                     struct error *err);
/* Done by "command"; waits until it is durable. partner: "" for none. */
enum result act_note(struct journal_link *link, const struct context *context, const char *act,
                     const char *subject, const char *partner, struct error *err);
/* Both. */
enum result act_note_once(const struct context *context, const char *act, const char *subject,
                          const char *partner, struct error *err);

/* A command about one name, without options of its own: reads it, opens the registry and acts.
 * Returns the exit code. */
typedef int act_fn(struct context *context, const char *name, const void *arg);
int act_on_name(const struct invocation *invocation, int argc, char **argv, act_fn *act,
                const void *arg);

#endif
