/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A signed checkpoint of the journal that was kept elsewhere: found again in whatever it was kept
 * in (the line itself, a mail as it was saved or printed to text), and its signature checked. It
 * says that at that moment the journal had this row with this hash; whether it still has is for
 * journal_verify. Pure.
 */
#ifndef OCTROI_OFFICE_CHECKPOINT_H
#define OCTROI_OFFICE_CHECKPOINT_H

#include "base/crypto.h"
#include "base/error.h"
#include "base/str.h"

#define CHECKPOINT_MAX 2048 /* bytes of one; a gateway's name has at most 253 */

struct checkpoint {
    char line[CHECKPOINT_MAX]; /* the record as it stands in the journal */
    char gateway[256];
    char at[64];
    uint64_t row; /* how many rows the journal had */
    uint8_t head[SHA256_BYTES];
};

/* A record of the journal. RESULT_BAD_INPUT: it is none, or not signed with this key. */
enum result checkpoint_of(const char *record, size_t length, const struct signing_key *key,
                          struct checkpoint *checkpoint_out, struct error *err);
/* The first good one in text: plain, wrapped or quoted by a mail program, quoted-printable or
 * base64. RESULT_NOT_FOUND: there is none; RESULT_BAD_INPUT: there is one, and it is not good. */
enum result checkpoint_find(const char *text, size_t length, const struct signing_key *key,
                            struct checkpoint *checkpoint_out, struct error *err);

#endif
