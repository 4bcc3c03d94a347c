/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A page of the console without a browser: configuration, registry, journal and index of its own, a
 * user of any role, and what a page or an act answers. Each test of a stage_suite finds one open:
 *
 *     stage_decide(&(struct decision){.verdict = VERDICT_BLOCK, .reason = REASON_WITHDRAWN}, NULL);
 *     stage_get(blocked_page, "/console/blocked?partner=acme");
 *     must_show("withdrew");
 */
#ifndef OCTROI_TESTS_STAGE_CONSOLE_H
#define OCTROI_TESTS_STAGE_CONSOLE_H

#include "console/pages.h"
#include "store/users.h"
#include "tests/unit/test_config_help.h"
#include "tests/unit/test_journal.h"
#include "tests/unit/test_registry.h" /* at(), put_form(), grant(), put() */

struct stage {
    /* Set by stage_open; a test may change them before a request. */
    int64_t now; /* NOW (test_registry.h) */
    enum language language;
    enum user_role role;               /* compliance */
    const char *timezone;              /* UTC */
    const struct visit_health *health; /* of the gateway; NULL */
    struct checker *checker;           /* a test's own, as the clerk; NULL: there is none */
    struct clerk *clerk;
    /* What there is. */
    struct config *config;
    struct registry *registry;
    struct hmac *hmac;
    struct seal *seal;
    const char *registry_path;
    /* The last request: status, location, page, access are what a test looks at. */
    struct visit visit;
    /* The stage's own. */
    struct sandbox sandbox;
    struct box box;
    struct journal_index *index;
    struct strbuf seen; /* the page with plain spaces */
};
extern struct stage stage;

/* config NULL: partners acme ("ACME Voyages"), beta ("Beta <SA>") and ombre ("Ombre", observed),
 * each with a stream "news" for e-mail and "texto" for SMS. */
void stage_open(const char *config);
void stage_close(void);
/* Each test on a stage of its own, opened with NULL before it and closed after it. */
Suite *stage_suite(const char *name, const TTest *const *tests);

/* The person with this address: key and mask. */
void stage_person(const char *address, struct recipient *recipient_out);
/* A decision on record. What it does not say is filled in: an id, stage.now, acme's news, the
 * effect that goes with verdict and mode … `recipient` NULL names j•••@example.org; with `account`
 * "nobody" none is named. id_out NULL: nobody asks. */
void stage_decide(const struct decision *decision, char id_out[RECORD_ID]);
/* What became of it. */
void stage_outcome(const struct outcome_row *outcome);

/* Asks for path, which may carry a query; the tails are what the route's stars stand for, NULL for
 * none. The page must be made (RESULT_OK); what it answers is in stage.visit. */
void stage_get(console_page *page, const char *path);
void stage_get_at(console_page *page, const char *path, const char *tail, const char *second);
/* Sends a form, its fields as in a query: "reason=…&id=acme"; the token is the stage's. */
void stage_post(console_page *page, const char *path, const char *form);
void stage_post_at(console_page *page, const char *path, const char *form, const char *tail,
                   const char *second);

/* In the page, as it is written: < stands as &lt;. No-break spaces count as spaces. */
void stage_must_show(const char *file, int line, const char *text, bool shown);
#define must_show(text)     stage_must_show(__FILE__, __LINE__, text, true)
#define must_not_show(text) stage_must_show(__FILE__, __LINE__, text, false)
/* How often text is in the page. */
unsigned stage_count(const char *text);
/* The answer leads there (303); a line of what was done may follow. */
void must_lead_to(const char *path);

#endif
