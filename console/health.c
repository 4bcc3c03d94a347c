/* SPDX-License-Identifier: Apache-2.0 */
/* Is the gate well? What it knows of itself, in words; figures for who looks after it. */
#include "console/health.h"

#include "console/attention.h"
#include "console/layout.h"

#include <string.h>

#define BEHIND_MUCH 20000 /* rows: more than the index takes in a second or two */

static const char *number(struct visit *visit, uint64_t value)
{
    struct strbuf text = {0};
    const char *copy = NULL;
    language_add_number(&text, visit->language, (int64_t)value);
    if (!text.failed)
        copy = arena_str(visit->arena, text.data);
    visit->page.html.failed = visit->page.html.failed || copy == NULL;
    strbuf_free(&text);
    return copy != NULL ? copy : "";
}

static void line(struct visit *visit, const char *kind, const char *badge, const char *sentence,
                 const char *one, const char *two)
{
    state_open(visit, kind, badge, sentence, one, two, NULL);
    state_close(visit);
}

/* ---- in words ---- */

static void say_check(struct visit *visit, const struct visit_health *health)
{
    switch (health->check) {
    case VISIT_CHECK_HOLDS:
        state_open(visit, "good", N_("Untouched"),
                   N_("The journal was verified row by row and holds: %s rows, none changed, none "
                      "missing."),
                   number(visit, health->checked_rows), NULL, NULL);
        break;
    case VISIT_CHECK_BROKEN:
        state_open(visit, "bad", N_("Not whole"),
                   N_("The journal does not hold: it was changed, or a disk failed."), NULL, NULL,
                   NULL);
        break;
    case VISIT_CHECK_FAILED:
        state_open(visit, "warn", N_("Not verified"), N_("The journal could not be verified: %s"),
                   health->checked_why, NULL, NULL);
        break;
    default:
        state_open(
            visit, "info", N_("Not verified"),
            health->check_every > 0 || health->checking
                ? N_("The journal is being verified for the first time.")
                : N_("The gate has never verified the journal: it does so unasked only where "
                     "mail to compliance is configured (alerts)."),
            NULL, NULL, NULL);
    }
    if (health->checked_at != 0) {
        page_raw(&visit->page, "<span class=\"note\">");
        time_add(visit, health->checked_at);
        page_raw(&visit->page, "</span> ");
    }
    part_link(visit, "/console/dossier", N_("Verification and dossier"));
    state_close(visit);
}

static void say_provider(struct visit *visit, const struct visit_provider *provider)
{
    if (strcmp(provider->breaker, "open") == 0)
        line(visit, "bad", N_("Out of service"),
             N_("Provider %s does not take messages: it failed several times in a row and is tried "
                "again by itself."),
             provider->name, NULL);
    else if (strcmp(provider->breaker, "half-open") == 0)
        line(visit, "warn", N_("Being tried"), N_("Provider %s is being tried again."),
             provider->name, NULL);
    else if (provider->attempts_failed > 0)
        line(visit, "warn", N_("Failing"), N_("Provider %s failed the last time it was asked."),
             provider->name, NULL);
    else
        line(visit, "good", N_("In service"), N_("Provider %s takes messages."), provider->name,
             NULL);
}

static void say_notices(struct visit *visit, const struct visit_health *health)
{
    if (health->notices_overdue > 0)
        line(visit, "warn", N_("Overdue"),
             N_("Withdrawals and objections that partners should have confirmed by now: %s."),
             number(visit, health->notices_overdue), NULL);
    else if (visit->config->n_notices > 0)
        line(visit, "good", N_("Told"),
             N_("Partners learn of withdrawals and objections in time. On their way now: %s."),
             number(visit, health->notices_waiting), NULL);
    if (health->notices_given_up > 0)
        line(visit, "warn", N_("Not told"),
             N_("Withdrawals and objections that could not be passed on to a partner at all: %s. "
                "octroi notice list names them."),
             number(visit, health->notices_given_up), NULL);
}

static void words(struct visit *visit, const struct visit_health *health)
{
    states_begin(visit);
    if (health->failing)
        line(visit, "bad", N_("Not writing"),
             N_("The journal cannot be written, and without it nothing passes."), NULL, NULL);
    else
        line(visit, "good", N_("Recording"),
             N_("Every decision is put on record before it takes effect: %s rows so far."),
             number(visit, health->rows), NULL);
    say_check(visit, health);
    for (size_t i = 0; i < health->n_providers; i++)
        say_provider(visit, &health->providers[i]);
    say_notices(visit, health);
    if (health->has_behind && health->behind > BEHIND_MUCH)
        line(visit, "info", N_("Catching up"),
             N_("%s rows of the journal are not counted on these pages yet; they follow by "
                "themselves."),
             number(visit, health->behind), NULL);
    if (health->reload_failed)
        line(visit, "warn", N_("Configuration"),
             N_("The last change of the configuration was not taken: the one before stays in "
                "force."),
             NULL, NULL);
    states_end(visit);
}

/* ---- in figures ---- */

static void provider_row(struct visit *visit, const struct visit_provider *provider)
{
    struct page *page = &visit->page;
    page_row(page);
    page_cell(page, provider->name);
    page_cell(page, provider->adapter);
    page_cell(page, provider->breaker);
    page_number(page, provider->connections);
    page_number(page, provider->limit);
    page_number(page, (int64_t)provider->accepted);
    page_number(page, (int64_t)provider->refused);
    page_number(page, (int64_t)provider->unknown);
    page_number(page, (int64_t)provider->failed);
    page_cell(page, provider->said);
}

static void figures(struct visit *visit, const struct visit_health *health)
{
    static const char *const heads[] = {N_("Provider"),
                                        N_("Adapter"),
                                        N_("Breaker"),
                                        N_("#Connections"),
                                        N_("#At most"),
                                        N_("#Accepted"),
                                        N_("#Refused"),
                                        N_("#Unknown"),
                                        N_("#Failed"),
                                        N_("It last said"),
                                        NULL};
    act_fold_begin(visit, N_("Figures for administrators"));
    facts_begin(visit);
    fact(visit, N_("Program"), health->version);
    fact_time(visit, N_("Serving since"), health->started_at);
    fact_code(visit, N_("Configuration"), "", health->config_version);
    fact_time(visit, N_("Configuration read"), health->config_loaded_at);
    fact_number(visit, N_("Connections of clients"), health->sessions);
    fact_number(visit, N_("SMS under way"), health->messages);
    fact_number(visit, N_("Rows on their way to the disk"), (int64_t)health->waiting);
    if (health->has_behind)
        fact_number(visit, N_("Rows not in the index yet"), (int64_t)health->behind);
    fact(visit, N_("Why the journal cannot be written"), health->failing_why);
    fact(visit, N_("What verification found"), health->checked_why);
    fact_number(visit, N_("Notices to partners that wait"), (int64_t)health->notices_waiting);
    facts_end(visit);
    grid_begin(visit, N_("Providers since they were configured, or the gate started"), heads);
    for (size_t i = 0; i < health->n_providers; i++)
        provider_row(visit, &health->providers[i]);
    grid_end(visit);
    act_fold_end(visit);
}

void health_part(struct visit *visit)
{
    const struct visit_health *health = visit->health;
    if (health == NULL)
        return;
    part_begin(visit, N_("Is the gate well?"));
    words(visit, health);
    if (visit_may(visit, PERMIT_ADMIN))
        figures(visit, health);
    part_end(visit);
}
