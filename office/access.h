/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who looked at whom, and who did what: the journal's `access` records (docs/JOURNAL.md). Each look
 * at a person and each act over HTTP leaves one, durable before it is answered.
 */
#ifndef OCTROI_OFFICE_ACCESS_H
#define OCTROI_OFFICE_ACCESS_H

#include "policy/recipient.h"
#include "store/journal.h"

struct access {
    char id[RECORD_ID];  /* the call's request_id, so that the answer names its record; "": one is
                            made */
    const char *who;     /* "token NAME", "link", "user NAME" */
    const char *act;     /* "check", "person.read", "event.add", "partner.suspend", … */
    const uint8_t *key;  /* of the person; NULL: none in particular */
    const char *masked;  /* NULL with key NULL */
    const char *partner; /* "" */
    const char *channel; /* "" */
    const char *subject; /* a form, a supplier, a list, a decision's id; never an address; "" */
    const char *answer;  /* what was answered, in a word: a reason, "done", "refused"; "" */
    uint64_t count;      /* of what there were many of; 0: not said */
};
/* The record as text, one JSON object without a line end. */
void access_write(struct strbuf *out, struct access *access, const char *gateway, int64_t at);
/* Adds it to a batch. False: no memory. */
bool access_record(struct journal_batch *batch, struct access *access, const char *gateway,
                   int64_t at);

#endif
