/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the judge share; nobody else includes it. */
#ifndef OCTROI_POLICY_RULES_H
#define OCTROI_POLICY_RULES_H

#include "policy/judge.h"

/* One run of the rules. */
struct inquiry {
    const struct question *question;
    const struct facts *facts;
    struct trace *trace; /* NULL: nobody asks why */
};

/* Each rule ends in one of these three. The note is one English sentence for a compliance officer;
 * it names events and forms, never an address. */
void rule_skipped(struct trace *trace, const char *rule, enum reason reason, const char *format,
                  ...) __attribute__((format(printf, 4, 5)));
void rule_holds(struct trace *trace, const char *rule, enum reason reason, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
void rule_fails(struct trace *trace, const char *rule, enum reason reason, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

#define NOTE_DATE 11
/* "2026-11-23" (UTC), for a note. */
const char *note_date(int64_t instant, char out[NOTE_DATE]);

/* What the rules on one grant came to. */
struct grant_finding {
    const struct consent_event *grant; /* NULL: there is none */
    unsigned rank; /* how many of the rules on a grant it got through: more is nearer */
    enum reason reason;
    const struct consent_event *event; /* relied on, or the one that blocks */
    bool passes;
};

/* Rules 5 to 17 and the reason of 20: the best grant, or what stands in place of one. */
void find_grant(const struct inquiry *inquiry, struct grant_finding *finding_out);

/* Whether the string is among n values. */
bool among(const char *const *values, size_t n, const char *text);

#endif
