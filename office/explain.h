/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A verdict explained: the answer in a sentence, what it rests on, the rules in order, what each
 * other grant would have come to, and the history it was all read from. It prints; it decides
 * nothing, and knows the person by mask only.
 */
#ifndef OCTROI_OFFICE_EXPLAIN_H
#define OCTROI_OFFICE_EXPLAIN_H

#include "base/str.h"
#include "office/past.h"
#include "policy/judge.h"

/* What one grant alone came to; strings are its own. */
struct explained_grant {
    int64_t id; /* of the grant */
    int64_t occurred_at;
    bool passes;   /* it alone would do */
    bool decides;  /* the one the verdict speaks of */
    int64_t event; /* relied on, or the one that blocks */
    enum reason reason;
    const char *rule;
    char note[160];
};

struct explanation {
    const struct question *question;
    const struct recipient *recipient;
    const struct past *history;
    struct judgement judgement;
    struct trace trace;
    struct explained_grant *grants; /* owned; as many as the person has, by time */
    size_t n_grants;
    bool failed; /* memory was short */
};

/* Asks policy, twice: for the verdict, and for each grant. facts and history are of one moment. */
enum result explanation_make(const struct question *question, const struct facts *facts,
                             const struct recipient *recipient, const struct past *history,
                             struct explanation *explanation_out, struct error *err);
void explanation_free(struct explanation *explanation);

/* "Yes: ACME may write to this person by e-mail, because …". */
void explanation_sentence(const struct explanation *explanation, struct strbuf *out);

/* The whole as one JSON object. */
void explanation_add_json(const struct explanation *explanation, struct strbuf *json);

/* The rules tried, as a JSON array. */
void explanation_add_rules(struct strbuf *json, const struct trace *trace);

/* "jeu-ete@3": the form the verdict speaks of, or "". */
void explanation_form(const struct explanation *explanation, char out[PAST_FORM]);
/* What came of this grant alone; NULL when the event is none that was looked at. */
const struct explained_grant *explanation_grant(const struct explanation *explanation,
                                                const struct past_event *event);
/* "the person consented". */
const char *explanation_event_words(const struct past_event *event);
/* A date, or a date and time, for a terminal, where who searches for "20 September" types plain
 * spaces. */
void explanation_add_moment(struct strbuf *out, int64_t instant, bool time);

#endif
