/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Mails of the gate's own that are to be sent: a file each in state_dir/post, synced before anybody
 * counts it as said, removed when a provider took it. Commands put mails there, too; only the gate
 * takes them out. When the disk takes nothing, a few are kept in memory: that may be the very thing
 * they are about.
 */
#ifndef OCTROI_PROXY_POST_OUTBOX_H
#define OCTROI_PROXY_POST_OUTBOX_H

#include "base/error.h"
#include "base/str.h"

#include <stdbool.h>

#define OUTBOX_MOST       500 /* mails that wait; more are not taken */
#define OUTBOX_HELD_MOST  20  /* of them in memory */
#define OUTBOX_ASIDE_MOST 100 /* that are kept although nobody took them */
#define OUTBOX_NAME       96
#define OUTBOX_MAIL_MOST  ((size_t)4 * 1024 * 1024)

/* Both in wire form; addresses without brackets. */
struct outbox_mail {
    char from[321], to[321];
    struct strbuf text; /* owned */
};
void outbox_mail_free(struct outbox_mail *mail);

struct outbox;

/* Makes the folder when missing (0700). */
enum result outbox_open(const char *folder, struct outbox **outbox_out, struct error *err);
void outbox_close(struct outbox **outbox);
/* For the gate, at its start: what a killed process did not finish goes. */
void outbox_tidy(const struct outbox *outbox);

/* name: letters, digits and '-', the identity: RESULT_CONFLICT when one of that name waits.
 * RESULT_UNAVAILABLE: too many wait. Copies mail; RESULT_OK: it will be sent. */
enum result outbox_put(struct outbox *outbox, const char *name, const struct outbox_mail *mail,
                       struct error *err);
/* Whether one of that name waits. */
bool outbox_has(const struct outbox *outbox, const char *name);
/* Takes it out, sent or not needed any more. */
void outbox_remove(struct outbox *outbox, const char *name);
/* Puts it aside, as NAME.undelivered, for the administrator to look at; when there are
 * OUTBOX_ASIDE_MOST already it is gone. */
void outbox_set_aside(struct outbox *outbox, const char *name);

/* The names of all that wait, in their order; free() each and the list. */
enum result outbox_list(const struct outbox *outbox, char ***names_out, size_t *n_out,
                        struct error *err);
/* RESULT_NOT_FOUND: it waits no more. RESULT_DAMAGED: it is no mail. */
enum result outbox_read(const struct outbox *outbox, const char *name, struct outbox_mail *mail_out,
                        struct error *err);

#endif
