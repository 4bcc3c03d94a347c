/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The verdict: the rules of the consent model in order, the first that speaks decides. Pure: what
 * is known (struct facts) and what is asked (struct question) go in, a verdict comes out; no
 * clock, no I/O, no memory kept.
 */
#ifndef OCTROI_POLICY_JUDGE_H
#define OCTROI_POLICY_JUDGE_H

#include "policy/facts.h"
#include "policy/partner.h"

struct question {
    const struct partner *partner;
    /* NULL when a list is screened or an officer asks: rules 1 (stream), 2, 3, 4 (without
     * sector), 18 and 19 are then skipped. */
    const struct stream *stream;
    const struct channel_policy *policy;
    enum channel channel;
    enum purpose purpose;
    int64_t now;
    /* The sender identity claimed: the domain of MAIL FROM (lower-case A-label, "" for the empty
     * reverse path), or an SMS sender id. NULL: not part of this question. */
    const char *sender;
};

#define TRACE_MAX 32

enum finding { FINDING_HOLDS, FINDING_FAILS, FINDING_SKIPPED };

/* The rules tried, in order, so that a verdict can be explained to someone who never read code. */
struct trace {
    struct trace_step {
        const char *rule; /* "1" … "20", "8a" */
        enum finding finding;
        enum reason reason; /* the code this rule gives when it speaks */
        char note[160];     /* English, one sentence, no address */
    } steps[TRACE_MAX];
    size_t count;
};

struct judgement {
    enum verdict verdict;
    enum reason reason;
    int64_t event;       /* the consent event relied on, or the one that blocks; 0 when none */
    const char *form_id; /* of that event; borrowed from the facts; NULL when none */
    int form_version;
};

/* Rules 1 to 17, 19 and 20. trace may be NULL. */
void policy_judge(const struct question *question, const struct facts *facts,
                  struct judgement *judgement_out, struct trace *trace);

/* What one grant came to when it was judged alone. */
struct grant_opinion {
    const struct consent_event *grant; /* given or renewed, not later than the moment asked about */
    bool passes;
    /* The one whose verdict policy_judge gives when no rule before the grants speaks. */
    bool decides;
    enum reason reason;        /* of the rule that spoke, or of rule 20 */
    int64_t event;             /* relied on, or the one that blocks; 0 when none */
    const struct trace *trace; /* its own, rules 5 to 17; the last step is the one that spoke */
};
typedef void grant_opinion_fn(void *arg, const struct grant_opinion *opinion);

/* Every grant's own answer, in the order of the facts, for who wonders why none of the others did:
 * policy_judge tells of the deciding one alone. The question as a whole (rules 1 to 4 and 19) is
 * left aside. */
void policy_judge_grants(const struct question *question, const struct facts *facts,
                         grant_opinion_fn *on_opinion, void *arg);

/* What a mail shows once its header block is known. */
struct mail_content {
    /* Domains (lower-case A-labels) of all mailboxes of the From header. */
    const char **from_domains;
    size_t n_from_domains;
    unsigned from_headers;      /* how many From header fields */
    bool from_unreadable;       /* a From field that does not follow RFC 5322 */
    bool list_unsubscribe;      /* an HTTPS URI in List-Unsubscribe */
    bool list_unsubscribe_post; /* List-Unsubscribe-Post: List-Unsubscribe=One-Click */
    /* Either field is there, whatever it says, or a DKIM signature covers its name, so that to add
     * one would break it. */
    bool unsubscribe_taken;
};

/* Rules 2 and 18 on the content of a mail, after policy_judge let it pass. Returns true when the
 * content holds; else fills the verdict and reason of judgement (its event is left as it is). Two
 * From fields, an unreadable one or a foreign domain are SENDER_NOT_ALLOWED, for every class; none
 * at all is IDENTITY_MISSING. Where a way out is to be added and its place is taken, that is
 * MALFORMED, or by the stream's `existing` left as it is, if it works: else OPTOUT_MISSING. */
bool policy_judge_mail(const struct stream *stream, const struct mail_content *content,
                       struct judgement *judgement);

/* Rule 18 on the text of an SMS (UTF-8, of all its parts; NULL: it could not be read), after
 * policy_judge let it pass: a prospecting one must tell how to stop (stop_mentioned) where the
 * policy says so. Returns true when the text holds; else as policy_judge_mail, STOP_MISSING. */
bool policy_judge_sms(const struct stream *stream, const struct channel_policy *policy,
                      const char *text, struct judgement *judgement);

/* Observe mode never lets these pass. */
bool reason_always_enforced(enum reason reason);

/* What the mode makes of a verdict: passed, refused, deferred or discarded. */
enum effect policy_effect(enum mode mode, enum verdict verdict, enum reason reason);

#endif
