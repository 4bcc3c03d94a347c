/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A verdict explained: the answer in a sentence, what it rests on, the rules in order, what each
 * other grant would have come to, and the history it was all read from. It prints; it decides
 * nothing, and knows the person by mask only.
 */
#ifndef OCTROI_CLI_CONSENT_EXPLAIN_H
#define OCTROI_CLI_CONSENT_EXPLAIN_H

#include "cli/output.h"
#include "cli/past.h"
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

/* Each returns an exit code, after having printed what went wrong. */
int explanation_print(const struct explanation *explanation);
int explanation_print_row(const struct explanation *explanation, enum output_format format);

/* What they share: cli/consent_explain_row.c. */
extern const char *const finding_names[];

#endif
