/* SPDX-License-Identifier: Apache-2.0 */
/* What an officer records for a person who wrote or called: an objection or a withdrawal. It counts
 * from the next message on. */
#include "console/layout.h"
#include "console/pages.h"
#include "console/person.h"
#include "office/words.h"

#include "base/clock.h"

#include <stdio.h>
#include <string.h>

#define NOT_RECORDED N_("This was not recorded")

/* How long a page may have been open before "now" means when its form came back. */
#define FORM_OPEN (12 * 3600 * CLOCK_SECOND)

static const enum channel channel_order[] = {CHANNEL_EMAIL, CHANNEL_SMS, CHANNEL_CALL,
                                             CHANNEL_AUTOCALL, CHANNEL_POST};
enum { CHANNELS = sizeof(channel_order) / sizeof(channel_order[0]) };

/* ---- the forms ---- */

static void partner_field(struct visit *visit, const char *all)
{
    const struct config *config = visit->config;
    struct option *options = arena_alloc(visit->arena, (config->n_partners + 1) * sizeof(*options));
    if (options == NULL) {
        visit->page.html.failed = true;
        return;
    }
    options[0] = (struct option){"", all, true};
    for (size_t i = 0; i < config->n_partners; i++)
        options[i + 1] = (struct option){config->partners[i].id, config->partners[i].name, false};
    select_field(visit, "partner", N_("Whose offers"), options, config->n_partners + 1, "");
}

static void form_of(struct person_view *view, const char *below, const char *all,
                    const char *button)
{
    struct visit *visit = view->visit;
    const char *path = person_link_below(visit, view->link, below);
    char moment[24];
    snprintf(moment, sizeof(moment), "%lld", (long long)visit->now);
    act_begin(visit, path != NULL ? path : "");
    visit->page.html.failed = visit->page.html.failed || path == NULL;
    hidden_field(visit, "moment", moment);
    partner_field(visit, all);
    checks_begin(visit, N_("On which channels"), "");
    for (size_t i = 0; i < CHANNELS; i++) {
        const char *name = channel_name(channel_order[i]);
        if ((view->person->channels & CHANNEL_BIT(channel_order[i])) != 0)
            check_field(visit, "channel", name, word_channel(LANGUAGE_EN, name), true);
    }
    checks_end(visit);
    text_field(visit, "evidence", N_("How it reached us"),
               N_("So that it can be found again: letter of 3 March, reference 2026-114; call to "
                  "customer service. Addresses in it are hidden."),
               "", 1000, true);
    date_field(visit, "day", N_("When it was said (leave empty for now)"), "");
    act_end(visit, button, "danger");
}

void person_acts_part(struct person_view *view)
{
    struct visit *visit = view->visit;
    if (!visit_may(visit, PERMIT_ACT) || (!view->link->known && person_is_unknown(view->person)))
        return;
    part_begin_at(visit, "acts", N_("Record what the person says"));
    part_text(visit, N_("When a person writes or calls to say no, record it here: it counts from "
                        "the next message on, and cannot be taken back by an officer; only the "
                        "person can agree again, on a form. Partners that are told of it learn of "
                        "it at once."));
    act_fold_begin(visit, N_("Record an objection"));
    part_text(visit, N_("\"I want no offers.\" It stands against whatever the person agreed to "
                        "before, and against lists that arrive later."));
    form_of(view, "objections", N_("all partners"), N_("Record the objection"));
    act_fold_end(visit);
    act_fold_begin(visit, N_("Record a withdrawal"));
    part_text(visit, N_("\"I take my consent back.\" Use it when the person speaks of a consent "
                        "given once; when in doubt, record an objection: it goes further."));
    form_of(view, "withdrawals", N_("all partners"), N_("Record the withdrawal"));
    act_fold_end(visit);
    part_end(visit);
}

/* ---- reading them ---- */

struct said {
    struct event_input event;
    const char *partner; /* what event.partners is made of */
    const char *why;     /* it cannot be taken: a constant */
};

static unsigned channels_of(const struct visit *visit)
{
    unsigned channels = 0;
    enum channel channel;
    for (const struct visit_field *field = visit->fields; field != NULL; field = field->next)
        if (strcmp(field->name, "channel") == 0 && channel_parse(field->value, &channel))
            channels |= CHANNEL_BIT(channel);
    return channels;
}

/* When it was said: the page's own moment, so that who presses twice records it once, or a day. Of
 * a day gone by it is the end, so that whatever else is on record of that day gives way to it. */
static bool moment_of(const struct visit *visit, int64_t *moment_out)
{
    int64_t begin, end;
    int64_t shown = visit_number_field(visit, "moment", visit->now, 0);
    *moment_out = shown > visit->now - FORM_OPEN ? shown : visit->now;
    if (visit_field(visit, "day")[0] == '\0')
        return true;
    if (!visit_day_field(visit, "day", false, &begin) || !visit_day_field(visit, "day", true, &end))
        return false;
    begin = time_off_wall(visit, begin);
    end = time_off_wall(visit, end) - CLOCK_SECOND;
    if (end < visit->now)
        *moment_out = end;
    else if (begin > visit->now)
        *moment_out = begin;
    return true;
}

/* An address that is not known was an e-mail address or a number; where nothing on record says
 * which, the channels do. */
static bool kind_of(const struct person_link *link, unsigned channels, enum address_kind *kind_out)
{
    for (int kind = ADDRESS_EMAIL; kind <= ADDRESS_PHONE; kind++) {
        bool fits = true;
        for (int i = 0; i < CHANNEL_COUNT; i++)
            fits = fits && ((channels & CHANNEL_BIT(i)) == 0 || address_fits(kind, i));
        *kind_out = kind;
        if (fits && (!link->known || link->address.kind == (enum address_kind)kind))
            return true;
    }
    return false;
}

static void read_said(struct visit *visit, const struct person_link *link, enum event_kind kind,
                      struct said *said)
{
    struct event_input *event = &said->event;
    *said = (struct said){.partner = visit_id_field(visit, "partner")};
    *event = (struct event_input){
        .kind = kind,
        .channels = channels_of(visit),
        .basis = BASIS_CONSENT,
        .supplier = "",
        .collector = "",
        .evidence = visit_reason_field(visit, "evidence"),
        .origin = visit->who,
        .address = link->known ? link->address.text : NULL,
    };
    memcpy(event->recipient_key, link->recipient.key, sizeof(event->recipient_key));
    if (said->partner[0] != '\0') {
        event->partners = &said->partner;
        event->n_partners = 1;
    }
    if (event->evidence == NULL)
        said->why = N_("Say how it reached us, in a sentence.");
    else if (event->channels == 0)
        said->why = N_("Choose at least one channel.");
    else if (!kind_of(link, event->channels, &event->address_kind))
        said->why = N_("This address cannot be reached on one of these channels.");
    else if (visit_field(visit, "partner")[0] != '\0' &&
             config_partner(visit->config, said->partner) == NULL)
        said->why = N_("The configuration knows no such partner.");
    else if (!moment_of(visit, &event->occurred_at))
        said->why = N_("The day cannot be read. Write it as 2026-01-31.");
}

/* ---- recording ---- */

static bool note(struct visit *visit, const struct person_link *link, const struct said *said,
                 unsigned added)
{
    const struct access access = {
        .key = link->recipient.key,
        /* A "no" does not wait for the index, which knows the mask. */
        .masked = link->known ? link->recipient.masked : "•••",
        .partner = said->partner,
        .subject = event_kind_name(said->event.kind),
        .answer = added > 0 ? "taken" : "there already",
        .count = added,
    };
    return visit_note(visit, "event.add", &access);
}

static enum result record(struct visit *visit, const struct person_link *link,
                          const struct said *said, struct error *err)
{
    unsigned added = 0;
    bool objected = said->event.kind == EVENT_OBJECTED;
    enum result result = registry_add_event(visit->registry, &said->event, visit->now, &added, err);
    if (result == RESULT_BAD_INPUT)
        return person_refuse(visit, link, NOT_RECORDED,
                             N_("The registry does not take this as it is."));
    if (result == RESULT_OK && !note(visit, link, said, added))
        return error_no_memory(err);
    if (result != RESULT_OK)
        return result;
    return visit_done(visit, link->path,
                      added == 0 ? "unchanged"
                      : objected ? "objected"
                                 : "withdrawn",
                      err);
}

static enum result act(struct visit *visit, enum event_kind kind, struct error *err)
{
    struct person_link link;
    struct said said;
    enum result result = person_link_open(visit, visit->tails[0], &link, err);
    if (result == RESULT_NOT_FOUND)
        return visit_nothing(visit, N_("This link to a person has ended, or was never whole. Look "
                                       "the person up again."));
    if (result == RESULT_OK) {
        read_said(visit, &link, kind, &said);
        result = said.why != NULL ? person_refuse(visit, &link, NOT_RECORDED, said.why)
                                  : record(visit, &link, &said, err);
    }
    person_link_wipe(&link);
    return result;
}

enum result objection_act(struct visit *visit, struct error *err)
{
    return act(visit, EVENT_OBJECTED, err);
}

enum result withdrawal_act(struct visit *visit, struct error *err)
{
    return act(visit, EVENT_WITHDRAWN, err);
}
