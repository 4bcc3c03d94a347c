/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The journal's records as text. One record is one JSON object on one line; a line of a segment is
 *
 *     HASH SPACE SALT SPACE RECORD LF
 *
 * HASH  64 hex digits: SHA-256(previous HASH as 32 bytes ‖ INNER)
 * SALT  32 hex digits: 16 random bytes
 * INNER SHA-256(SALT as 16 bytes ‖ RECORD), 32 bytes
 *
 * A record erased by retention keeps its place as  HASH SPACE INNER SPACE - LF  (INNER: 64 hex
 * digits), so the chain still verifies. The hash before the first record of the first segment is
 * 32 zero bytes; each later segment goes on where the one before ended.
 */
#ifndef OCTROI_STORE_RECORD_H
#define OCTROI_STORE_RECORD_H

#include "base/clock.h"
#include "base/str.h"
#include "policy/model.h"
#include "policy/recipient.h"

#define RECORD_ID 20 /* "01KB3ZQ5M8-7GQX3D" and its NUL: time in ms and a counter, base 32 */

/* A new id, unique in the process and, by time and a random start, over gateways. Sorts by time.
 * Any thread. */
void record_new_id(char out[RECORD_ID]);

struct decision {
    const char *id;
    int64_t at;
    const char *gateway;
    const char *session;
    const char *partner;
    const char *stream;
    const char *account;
    enum channel channel;
    enum purpose purpose;
    const struct recipient *recipient; /* NULL when refused before any recipient was named */
    enum verdict verdict;
    enum reason reason;
    enum effect effect;
    enum mode mode;
    const char *policy;   /* version of the channel policy */
    int64_t event;        /* 0: null */
    const char *provider; /* NULL when none was chosen */
    const char *list;     /* screening: SHA-256 of the whole list in hex; else NULL */
    uint64_t row;         /* screening: which of the list's rows, from 1 */
};

struct outcome_row {
    const char *id; /* of the decision */
    int64_t at;
    enum outcome outcome;
    /* The effect when it turned out other than decided (abandoned, deferred), else the same. */
    enum effect effect;
    const char *provider;       /* the one that answered; NULL: as decided */
    const char *provider_reply; /* NULL when none; already free of addresses (reply_scrub) */
    const char *queue_id;       /* NULL when the provider named none */
    int64_t size;               /* bytes of content relayed; -1 unknown */
    bool report;                /* sms: the partner wants to be told what becomes of it */
};

/* How far the registry's chain of events was (docs/REGISTRY.md): the journal vouches for it. */
struct registry_anchor {
    int64_t at;
    const char *gateway;
    int64_t event; /* number of the last one */
    uint8_t hash[SHA256_BYTES];
};

/* A list that is screened before it is handed over; its decisions have the id as their session. */
struct screening {
    const char *id;
    int64_t at;
    const char *gateway;
    const char *partner;
    enum channel channel;
    enum purpose purpose;
    const char *list; /* SHA-256 of the whole file, hex */
    const char *name; /* of the file, without its folder and without addresses */
};

/* The end of it. What has none was interrupted. */
struct screened {
    const char *id;
    int64_t at;
    uint64_t rows;
    uint64_t passed;
    const uint64_t *blocked; /* REASON_COUNT of them */
};

void record_decision(struct strbuf *out, const struct decision *decision);
void record_screening(struct strbuf *out, const struct screening *screening);
void record_screened(struct strbuf *out, const struct screened *screened);
void record_outcome(struct strbuf *out, const struct outcome_row *outcome);

void record_registry(struct strbuf *out, const struct registry_anchor *anchor);
/* False when the record is none. */
bool record_registry_parse(const char *record, size_t length, int64_t *event_out,
                           uint8_t hash_out[SHA256_BYTES]);

/* Whether a record may be taken from who composed it elsewhere (record_check.c): NULL, or what is
 * wrong with it. The journal's own kinds may not. */
const char *record_fault(const char *record, size_t length);

/* Copies a provider's reply without what could be an address (anything with an '@', and runs of
 * eight or more digits that could be a phone number), each replaced by "[…]". */
void reply_scrub(const char *reply, char *out, size_t size);
/* Copies reply without the local part of this address, standing alone and however it is written in
 * upper and lower case, with its tag ("+news") or without: with the domain, which the mask keeps,
 * it would be the address. reply and out may not overlap. */
void reply_hide(const char *reply, const char *address, char *out, size_t size);

#endif
