/* SPDX-License-Identifier: Apache-2.0 */
/* What an officer records for a person who wrote or called: an objection or a withdrawal. It counts
 * from the next message on. */
#include "console/explained.h"
#include "console/layout.h"
#include "console/pages.h"
#include "console/person.h"
#include "office/stops.h"
#include "office/words.h"

#include "base/clock.h"
#include "store/notices.h"

#include <stdio.h>
#include <string.h>

#define LATEST       200 /* deliveries that are looked at */
#define NOT_RECORDED N_("This was not recorded")
#define OVERCOME     "said-before" /* layout.c has its line */

static const enum channel channel_order[] = {CHANNEL_EMAIL, CHANNEL_SMS, CHANNEL_CALL,
                                             CHANNEL_AUTOCALL, CHANNEL_POST};
enum { CHANNELS = sizeof(channel_order) / sizeof(channel_order[0]) };

/* ---- the forms ---- */

static unsigned channels_of(const struct visit *visit)
{
    unsigned channels = 0;
    enum channel channel;
    for (const struct visit_field *field = visit->fields; field != NULL; field = field->next)
        if (strcmp(field->name, "channel") == 0 && channel_parse(field->value, &channel))
            channels |= CHANNEL_BIT(channel);
    return channels;
}

static void partner_field(struct visit *visit, const char *all, const char *chosen)
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
    select_field(visit, "partner", N_("Whose offers"), options, config->n_partners + 1, chosen);
}

struct act_form {
    const char *below, *button; /* of the path; on the button */
    unsigned channels;          /* that can be chosen */
    bool again;                 /* filled in as it was sent */
};

static void form_of(struct visit *visit, const struct person_link *link,
                    const struct act_form *form)
{
    const char *path = person_link_below(visit, link, form->below);
    unsigned ticked = form->again ? channels_of(visit) : form->channels;
    act_begin(visit, path != NULL ? path : "");
    visit->page.html.failed = visit->page.html.failed || path == NULL;
    partner_field(visit, N_("all partners"), form->again ? visit_field(visit, "partner") : "");
    checks_begin(visit, N_("On which channels"), "");
    for (size_t i = 0; i < CHANNELS; i++) {
        const char *name = channel_name(channel_order[i]);
        unsigned bit = CHANNEL_BIT(channel_order[i]);
        if ((form->channels & bit) != 0)
            check_field(visit, "channel", name, word_channel(LANGUAGE_EN, name),
                        (ticked & bit) != 0);
    }
    checks_end(visit);
    text_field(visit, "evidence", N_("How it reached us"),
               N_("So that it can be found again: letter of 3 March, reference 2026-114; call to "
                  "customer service. Addresses in it are hidden."),
               form->again ? visit_field(visit, "evidence") : "", 1000, true);
    date_field(visit, "day", N_("When it was said (leave empty for now)"),
               form->again ? visit_field(visit, "day") : "");
    act_end(visit, form->button, "danger");
}

static void objection_form(struct visit *visit, const struct person_link *link, unsigned channels,
                           bool again)
{
    form_of(visit, link,
            &(struct act_form){"objections", N_("Record the objection"), channels, again});
}

static void withdrawal_form(struct visit *visit, const struct person_link *link, unsigned channels,
                            bool again)
{
    form_of(visit, link,
            &(struct act_form){"withdrawals", N_("Record the withdrawal"), channels, again});
}

static bool tells_anybody(const struct config *config)
{
    for (size_t i = 0; i < config->n_partners; i++)
        if (config_notices(config, config->partners[i].id) != NULL)
            return true;
    return false;
}

void person_acts_part(struct person_view *view)
{
    struct visit *visit = view->visit;
    if (!visit_may(visit, PERMIT_ACT) || (!view->link->known && person_is_unknown(view->person)))
        return;
    part_begin_at(visit, "acts", N_("Record what the person says"));
    part_text(visit, N_("When a person writes or calls to say no, record it here: it counts from "
                        "the next message on, and cannot be taken back by an officer; only the "
                        "person can agree again, on a form."));
    part_text(visit, tells_anybody(visit->config)
                         ? N_("Partners for which that is set up learn of it at once; the others "
                              "are named under \"Which partners were told\": tell them yourself.")
                         : N_("No partner is set up to learn of it from the gateway: tell the "
                              "partners yourself. They are named under \"Which partners were "
                              "told\" below."));
    act_fold_begin(visit, N_("Record an objection"));
    part_text(visit, N_("\"I want no offers.\" It stands against whatever the person agreed to "
                        "before, and against lists that arrive later."));
    objection_form(visit, view->link, view->person->channels, false);
    act_fold_end(visit);
    act_fold_begin(visit, N_("Record a withdrawal"));
    part_text(visit, N_("\"I take my consent back.\" Use it when the person speaks of a consent "
                        "given once; when in doubt, record an objection: it goes further."));
    withdrawal_form(visit, view->link, view->person->channels, false);
    act_fold_end(visit);
    part_end(visit);
}

/* ---- where a later consent goes before what was recorded ---- */

/* What was recorded of that moment, the last of them: all its channels. NULL: nothing. */
static const struct past_event *said_at(const struct past *history, int64_t moment,
                                        struct event_input *no_out)
{
    const struct past_event *found = NULL;
    for (size_t i = 0; i < history->n_events; i++) {
        const struct past_event *event = &history->events[i];
        if (event->occurred_at == moment &&
            (event->kind == EVENT_OBJECTED || event->kind == EVENT_WITHDRAWN) &&
            (found == NULL || event->id > found->id))
            found = event;
    }
    *no_out = (struct event_input){0};
    for (size_t i = 0; found != NULL && i < history->n_events; i++) {
        const struct past_event *event = &history->events[i];
        if (event->occurred_at == moment && event->kind == found->kind &&
            strcmp(event->partners, found->partners) == 0)
            no_out->channels |= CHANNEL_BIT(event->channel);
    }
    return found;
}

static enum result overcome_lines(struct person_view *view, const struct event_input *no,
                                  const char *of)
{
    struct visit *visit = view->visit;
    const struct config *config = visit->config;
    enum result result = RESULT_OK;
    page_raw(&visit->page, "<ul>\n");
    for (size_t i = 0; i < config->n_partners && result == RESULT_OK; i++) {
        const struct partner *partner = &config->partners[i];
        int64_t consent = 0;
        if (of[0] == '\0' || strcmp(of, partner->id) == 0)
            result = stop_overcome(config, visit->registry, no, partner, visit->now, &consent,
                                   view->err);
        const struct past_event *event = past_event(&view->person->history, consent);
        if (event == NULL)
            continue;
        page_raw(&visit->page, "<li><strong>");
        page_text(&visit->page, partner->name);
        page_raw(&visit->page, "</strong> · ");
        explained_event_line(visit, event);
        page_raw(&visit->page, "</li>\n");
    }
    page_raw(&visit->page, "</ul>\n");
    return result;
}

static void record_now(struct person_view *view, const struct past_event *said,
                       const struct event_input *no)
{
    struct visit *visit = view->visit;
    const char *path = person_link_below(
        visit, view->link, said->kind == EVENT_OBJECTED ? "objections" : "withdrawals");
    act_begin(visit, path != NULL ? path : "");
    visit->page.html.failed = visit->page.html.failed || path == NULL;
    hidden_field(visit, "partner", said->partners);
    for (size_t i = 0; i < CHANNELS; i++)
        if ((no->channels & CHANNEL_BIT(channel_order[i])) != 0)
            hidden_field(visit, "channel", channel_name(channel_order[i]));
    hidden_field(visit, "evidence", said->evidence);
    act_end(visit, N_("Record it as of now"), "danger");
}

enum result person_overcome_part(struct person_view *view)
{
    struct visit *visit = view->visit;
    struct event_input no;
    int64_t moment = visit_number_field(visit, "said", visit->now, 0);
    const struct past_event *said = said_at(&view->person->history, moment, &no);
    if (said == NULL || !visit_may(visit, PERMIT_ACT) ||
        strcmp(visit_was_done(visit), OVERCOME) != 0)
        return RESULT_OK;
    memcpy(no.recipient_key, view->link->recipient.key, sizeof(no.recipient_key));
    part_begin(visit, N_("A later consent still lets them write"));
    page_raw(&visit->page, "<p>");
    explained_event_line(visit, said);
    page_raw(&visit->page, " ");
    page_tr(&visit->page, N_("But what the person agreed to after that day counts, so that these "
                             "may still write:"));
    page_raw(&visit->page, "</p>\n");
    enum result result = overcome_lines(view, &no, said->partners);
    part_text(visit, N_("If the person does not want to hear from them any more, record it as of "
                        "now, too: it then stands against these consents as well."));
    record_now(view, said, &no);
    part_end(visit);
    return result;
}

/* ---- reading them ---- */

struct said {
    struct event_input event;
    const char *partner; /* what event.partners is made of */
    bool before;         /* it was said on a day gone by */
    const char *why;     /* it cannot be taken: a constant */
};

/* When it was said: the moment it is recorded, or a day. Of a day gone by it is the end, so that
 * whatever else is on record of that day gives way to it. */
static void read_moment(const struct visit *visit, struct said *said)
{
    int64_t begin, end;
    said->event.occurred_at = visit->now;
    if (visit_field(visit, "day")[0] == '\0')
        return;
    if (!visit_day_field(visit, "day", false, &begin) ||
        !visit_day_field(visit, "day", true, &end)) {
        said->why = N_("The day cannot be read. Write it as 2026-01-31.");
        return;
    }
    end = time_off_wall(visit, end) - CLOCK_SECOND;
    said->before = end < visit->now;
    if (said->before)
        said->event.occurred_at = end;
    else if (time_off_wall(visit, begin) > visit->now)
        said->why = N_("This day has not come yet. Leave the day empty to record it as of now.");
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
    else
        read_moment(visit, said);
}

/* ---- what cannot be taken ---- */

/* On which she may be reached, as far as her address, or else what was chosen, tells. */
static unsigned channels_offered(const struct visit *visit, const struct person_link *link)
{
    enum address_kind kind;
    unsigned channels = 0;
    bool known = kind_of(link, link->known ? 0 : channels_of(visit), &kind);
    for (size_t i = 0; i < CHANNELS; i++)
        if (!known || address_fits(kind, channel_order[i]) ||
            (!link->known && channels_of(visit) == 0))
            channels |= CHANNEL_BIT(channel_order[i]);
    return channels;
}

/* The form again, as it was filled in, below what is wrong with it. */
static enum result ask_again(struct visit *visit, const struct person_link *link,
                             const struct said *said)
{
    const struct layout layout = {
        .place = PLACE_PERSONS,
        .title = NOT_RECORDED,
        .up = link->path,
        .up_name = N_("Back to the person"),
    };
    unsigned channels = channels_offered(visit, link);
    bool objection = said->event.kind == EVENT_OBJECTED;
    visit->status = 422;
    layout_begin(visit, &layout);
    part_notice(visit, "bad", said->why, NULL);
    part_text(visit, N_("Nothing was changed. Correct it here; the rest is as you filled it in."));
    part_begin(visit, objection ? N_("Record an objection") : N_("Record a withdrawal"));
    if (objection)
        objection_form(visit, link, channels, true);
    else
        withdrawal_form(visit, link, channels, true);
    part_end(visit);
    layout_end(visit);
    return RESULT_OK;
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

static bool lacks_address(void *arg, const struct delivery *delivery)
{
    bool *lacks = arg;
    *lacks = delivery->notice.sealed == NULL &&
             (delivery->state == DELIVERY_WAITING ||
              (delivery->state == DELIVERY_UNTOLD && delivery->last_at != 0));
    return !*lacks;
}

/* Whether what was recorded without her address did not reach a partner for want of it: then it is
 * said anew, as her page advises. */
static enum result wants_address(struct visit *visit, const struct person_link *link,
                                 bool *wants_out, struct error *err)
{
    const struct delivery_filter of_person = {
        .recipient_key = link->recipient.key, .created_before = INT64_MAX, .before_id = INT64_MAX};
    *wants_out = false;
    return link->known
               ? registry_deliveries(visit->registry, &of_person, lacks_address, wants_out, err)
               : RESULT_OK;
}

/* One transaction, so that who presses twice records it once. What was said on a day gone by is
 * recorded whatever is on record of other days. */
static enum result add(struct visit *visit, const struct person_link *link, struct said *said,
                       unsigned *added_out, struct error *err)
{
    bool anew = said->before;
    struct registry *registry = visit->registry;
    struct event_input event = said->event;
    *added_out = 0;
    enum result result = registry_begin(registry, err);
    if (result != RESULT_OK)
        return result;
    if (!anew)
        result = wants_address(visit, link, &anew, err);
    if (result == RESULT_OK && !anew)
        result =
            stop_drop_known(registry, &event, said->partner[0] != '\0' ? said->partner : NULL, err);
    if (result == RESULT_OK && event.channels != 0)
        result = registry_add_event(registry, &event, visit->now, added_out, err);
    if (result == RESULT_OK)
        return registry_commit(registry, err);
    registry_rollback(registry);
    return result;
}

/* Whether somebody may write all the same, by what the person agreed to after the day given. */
static enum result is_overcome(struct visit *visit, const struct said *said, bool *overcome_out,
                               struct error *err)
{
    const struct config *config = visit->config;
    enum result result = RESULT_OK;
    *overcome_out = false;
    for (size_t i = 0; i < config->n_partners && said->before && result == RESULT_OK; i++) {
        const struct partner *partner = &config->partners[i];
        int64_t consent = 0;
        if (said->partner[0] == '\0' || strcmp(said->partner, partner->id) == 0)
            result = stop_overcome(config, visit->registry, &said->event, partner, visit->now,
                                   &consent, err);
        *overcome_out = *overcome_out || consent != 0;
    }
    return result;
}

static enum result lead_on(struct visit *visit, const struct person_link *link,
                           const struct said *said, unsigned added, struct error *err)
{
    struct strbuf path = {0};
    bool overcome;
    enum result result = is_overcome(visit, said, &overcome, err);
    if (result != RESULT_OK)
        return result;
    if (!overcome)
        return visit_done(visit, link->path,
                          added == 0                           ? "unchanged"
                          : said->event.kind == EVENT_OBJECTED ? "objected"
                                                               : "withdrawn",
                          err);
    strbuf_add_format(&path, "%s?said=%lld", link->path, (long long)said->event.occurred_at);
    result = path.failed ? error_no_memory(err) : visit_done(visit, path.data, OVERCOME, err);
    strbuf_free(&path);
    return result;
}

static enum result record(struct visit *visit, const struct person_link *link, struct said *said,
                          struct error *err)
{
    unsigned added;
    enum result result = add(visit, link, said, &added, err);
    if (result == RESULT_BAD_INPUT)
        return person_refuse(visit, link, NOT_RECORDED,
                             N_("The registry does not take this as it is."));
    if (result == RESULT_OK && !note(visit, link, said, added))
        return error_no_memory(err);
    return result == RESULT_OK ? lead_on(visit, link, said, added, err) : result;
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
        result =
            said.why != NULL ? ask_again(visit, &link, &said) : record(visit, &link, &said, err);
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
