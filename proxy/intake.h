/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rows for the journal from commands beside the running gateway (the other end is
 * cli/journal_link.c), as a conversation on the control socket:
 *
 *     command   {"command":"journal","claim":"TEXT"}        what the rows are for
 *     gateway   journal 1                                   or: busy, refused WHY, ended WHY
 *     command   rows COUNT BYTES, then BYTES bytes of COUNT records, each ended by LF; again and
 *               again, with at most INTAKE_WINDOW of these unanswered
 *     gateway   durable COUNT                               once a batch is, in their order
 *               refused WHY, failed WHY, ended WHY          and nothing more is taken
 *
 * One conversation a claim: whoever goes on where another one stopped is answered "busy" until the
 * last row of that one is durable or given up, so that he finds all of them in the journal and none
 * comes after. For the same reason a conversation's batches enter the journal one by one: behind a
 * batch that could not be written none of the later ones may stand.
 *
 * The main loop never waits for any of this, and what a conversation holds in memory has a cap.
 */
#ifndef OCTROI_PROXY_INTAKE_H
#define OCTROI_PROXY_INTAKE_H

#include "base/loop.h"
#include "store/journal.h"

#define INTAKE_WINDOW    4
#define INTAKE_BYTES_MAX (4 * 1024 * 1024) /* of a batch */
#define INTAKE_ROWS_MAX  10000
#define INTAKE_CLAIM_MAX 256

struct intake;

/* NULL when memory is short. Both are borrowed. */
struct intake *intake_new(struct loop *loop, struct journal *journal);
/* A control_take_fn: true when the request begins such a conversation; fd is then the intake's. */
bool intake_take(struct intake *intake, const char *request, int fd);
/* The gateway is ending: what entered the journal is still answered, nothing more is taken. */
void intake_drain(struct intake *intake);
/* At once, before the journal is closed: nobody is answered any more. */
void intake_shut(struct intake *intake);
/* When the journal was closed and the loop's mailbox is empty. */
void intake_free(struct intake **intake);

#endif
