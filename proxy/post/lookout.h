/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is wrong and what was said of it: each trouble once, again after a while as long as it
 * lasts, and that it is over, to those who were told that it began. Kept over restarts as JSON.
 * What may not be said now (too many mails) stays due. Pure: no clock, no file.
 */
#ifndef OCTROI_PROXY_POST_LOOKOUT_H
#define OCTROI_PROXY_POST_LOOKOUT_H

#include "base/error.h"
#include "base/str.h"

enum trouble_kind {
    TROUBLE_CHAIN,     /* the journal does not verify */
    TROUBLE_JOURNAL,   /* it cannot be written */
    TROUBLE_PROVIDER,  /* one is out of service; subject: its name */
    TROUBLE_OVERDUE,   /* a partner with notices; subject: its id */
    TROUBLE_SUSPENDED, /* somebody suspended something; subject: "partner acme" */
    TROUBLE_KINDS
};

enum saying_kind { SAYING_NEW, SAYING_AGAIN, SAYING_OVER };

#define TROUBLE_SUBJECT 256
#define TROUBLE_DETAIL  512
#define TROUBLES_MOST   256

struct trouble {
    enum trouble_kind kind;
    char subject[TROUBLE_SUBJECT];
    char detail[TROUBLE_DETAIL];
    int64_t since;   /* first seen */
    int64_t said_at; /* 0: not yet */
    bool over;       /* it was said, and that it is over is still to be said */
    bool seen;       /* in this look */
    bool live;       /* seen by this process, not only remembered from one before */
};

struct lookout {
    struct trouble troubles[TROUBLES_MOST];
    size_t n;
    bool looked[TROUBLE_KINDS];
    int64_t suspensions_until; /* what was suspended and resumed before is known */
    int32_t digest_sent_on;    /* local date */
};

/* A look begins: nothing was seen, no kind looked at. */
void lookout_begin(struct lookout *lookout);
/* This kind was looked at, all of it: what is not seen is over. */
void lookout_looked(struct lookout *lookout, enum trouble_kind kind);
/* False: there are too many to remember one more. */
bool lookout_see(struct lookout *lookout, enum trouble_kind kind, const char *subject,
                 const char *detail, int64_t now);
/* Whether it lasts nobody can tell yet: what was only remembered of it stays as it is. */
void lookout_keep(struct lookout *lookout, enum trouble_kind kind, const char *subject);
/* Ends the look. What was never said and is gone is forgotten. */
void lookout_end(struct lookout *lookout);

struct saying {
    enum saying_kind kind;
    size_t trouble; /* index into lookout->troubles */
};
/* What is due to be said, oldest trouble first, into sayings_out (TROUBLES_MOST of them). patience:
 * microseconds that a trouble of each kind has to last. */
size_t lookout_due(const struct lookout *lookout, int64_t now,
                   const int64_t patience[TROUBLE_KINDS], int64_t repeat_after,
                   struct saying *sayings_out);
/* It was said. lookout_sweep then forgets what is over: only after all of one look's sayings. */
void lookout_said(struct lookout *lookout, const struct saying *saying, int64_t now);
void lookout_sweep(struct lookout *lookout);

bool lookout_write(const struct lookout *lookout, struct strbuf *out);
/* RESULT_DAMAGED: it is none; lookout is then empty. */
enum result lookout_read(struct lookout *lookout, const char *text, size_t length,
                         struct error *err);

#endif
