/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Draws dossiers up for who asked over the console, one after the other, in a thread of its own:
 * one with the journal's files in it takes minutes, and the desk is for what takes seconds. What is
 * ready lies in a file without a name for an hour, of each user the last one alone, and goes with
 * the gateway.
 */
#ifndef OCTROI_OFFICE_CLERK_H
#define OCTROI_OFFICE_CLERK_H

#include "base/language.h"
#include "config/config.h"

#define CLERK_MOST 8 /* users with one asked for or ready */
#define CLERK_KEEP ((int64_t)3600 * 1000 * 1000)
#define CLERK_USER 80
#define CLERK_ID   129
#define CLERK_NAME 64

struct clerk;

enum clerk_state { CLERK_NOTHING, CLERK_WAITING, CLERK_WORKING, CLERK_READY, CLERK_FAILED };

struct clerk_order {
    int64_t since, until;   /* until is exclusive */
    int64_t change;         /* a midnight between: compared before and after; 0: not compared */
    char partner[CLERK_ID]; /* "": all */
    enum language language;
    bool with_journal;
};

struct clerk_entry {
    enum clerk_state state;
    struct clerk_order order;
    int64_t asked_at;
    int64_t ended_at;      /* ready or failed */
    uint64_t bytes;        /* of what is ready */
    enum result why;       /* failed: BAD_INPUT: too big; UNAVAILABLE: no room on the disk; … */
    char name[CLERK_NAME]; /* of the file: "dossier-2026-09-01-2026-09-30.zip" */
};

struct clerk_options {
    const char *registry_path, *index_path, *journal_path; /* copied, as the next */
    const char *spool;                                     /* what is drawn up lies there */
    const struct signing_key *key;                         /* borrowed; the journal's private one */
};

enum result clerk_start(const struct clerk_options *options, struct clerk **clerk_out,
                        struct error *err);
/* What is under way is given up, what is ready goes. */
void clerk_stop(struct clerk **clerk);

/* All of these from any thread. Takes the user's place, whatever was ready there. RESULT_CONFLICT:
 * one is under way for this user. RESULT_UNAVAILABLE: all places are taken. Config is referred to.
 */
enum result clerk_ask(struct clerk *clerk, const char *user, const struct clerk_order *order,
                      struct config *config, int64_t now, struct error *err);
void clerk_look(struct clerk *clerk, const char *user, int64_t now, struct clerk_entry *entry_out);
/* What is ready, as a descriptor of the caller's own; its offset means nothing. -1: nothing is. */
int clerk_open(struct clerk *clerk, const char *user, int64_t now, struct clerk_entry *entry_out);

/* The gateway's public key in PEM, which checks what it signed. */
const char *clerk_public_key(const struct clerk *clerk);

#endif
