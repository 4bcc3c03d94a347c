/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Golden cases as text (tests/golden/README.md says how they are written), read into what the
 * judge takes. The reader is strict: a word it does not know, a repeated line, a case without a
 * question or an expectation is an error with its line, so that no case is ever skipped by a typo.
 */
#ifndef OCTROI_TESTS_GOLDEN_PARSE_H
#define OCTROI_TESTS_GOLDEN_PARSE_H

#include "base/arena.h"
#include "base/error.h"
#include "policy/judge.h"

#define GOLDEN_EVENTS 16
#define GOLDEN_FORMS  8
#define GOLDEN_WORDS  16

struct golden_list {
    const char *words[GOLDEN_WORDS];
    size_t count;
};

struct golden_form {
    struct form_facts facts;
    struct golden_list partners;
    struct golden_list categories;
};

struct golden_case {
    const char *title;
    int line;
    struct partner partner;
    struct golden_list partner_categories;
    struct stream stream;
    struct golden_list senders;
    struct channel_policy policy;
    struct golden_list banned;
    struct opening hours[GOLDEN_WORDS];
    struct golden_form forms[GOLDEN_FORMS];
    size_t n_forms;
    struct consent_event events[GOLDEN_EVENTS];
    const char *event_forms[GOLDEN_EVENTS]; /* "id@version", resolved at the end of the case */
    struct golden_list event_partners[GOLDEN_EVENTS];
    size_t n_events;
    struct facts facts;
    struct question question;
    bool asked;
    bool expected;
    enum verdict verdict;
    enum reason reason;
    int64_t event;      /* -1: not said */
    const char *effect; /* NULL: not said */
    /* Codes whose rule is looked at in this case and does not speak. */
    bool misses[REASON_COUNT];
};

typedef void golden_fn(void *arg, const struct golden_case *golden);

/* Calls each once for every case of the text (which is cut up in place; arena holds the rest).
 * An error's text begins with the line. */
enum result golden_read(char *text, struct arena *arena, golden_fn *each, void *arg,
                        size_t *count_out, struct error *err);

#endif
