/* SPDX-License-Identifier: Apache-2.0 */
/* Of the person's page: where the data came from, what happened, and what was shown. */
#include "office/officer_words.h"
#include "office/person_page.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* ---- uses ---- */

/* For how long a consent counts, on each channel the address is for. */
static void staleness(const struct person *person, struct sheet *sheet)
{
    sheet_put(sheet, "<ul>\n");
    for (int i = 0; i < CHANNEL_COUNT; i++) {
        const struct channel_policy *policy = &person->from.config->policies[i];
        unsigned months = (unsigned)policy->stale_after.months;
        if ((person->channels & CHANNEL_BIT(i)) == 0 || months == 0)
            continue;
        sheet_put(sheet, "<li>");
        sheet_format(
            sheet,
            months % 12 == 0 ? trn(sheet->language, "%s: %u year after you were last in contact",
                                   "%s: %u years after you were last in contact", months / 12)
                             : trn(sheet->language, "%s: %u month after you were last in contact",
                                   "%s: %u months after you were last in contact", months),
            tr(sheet->language, person_channel(i)), months % 12 == 0 ? months / 12 : months);
        sheet_put(sheet, "</li>\n");
    }
    sheet_put(sheet, "</ul>\n");
}

/* A period in its largest whole unit, as the configuration would say it. */
static const char *period_text(const struct sheet *sheet, struct duration period,
                               char out[LEAF_TIME])
{
    enum language language = sheet->language;
    unsigned months = (unsigned)period.months;
    unsigned hours = (unsigned)(period.microseconds / (CLOCK_DAY / 24));
    if (months > 0 && months % 12 == 0)
        snprintf(out, LEAF_TIME, trn(language, "%u year", "%u years", months / 12), months / 12);
    else if (months > 0)
        snprintf(out, LEAF_TIME, trn(language, "%u month", "%u months", months), months);
    else if (hours % 24 == 0)
        snprintf(out, LEAF_TIME, trn(language, "%u day", "%u days", hours / 24), hours / 24);
    else
        snprintf(out, LEAF_TIME, trn(language, "%u hour", "%u hours", hours), hours);
    return out;
}

/* For how long each kind of thing is kept, as configured: what is past it, `octroi purge` erases.
 */
static void retention(const struct person *person, struct sheet *sheet)
{
    const struct retention_config *kept = &person->from.config->retention;
    enum language language = sheet->language;
    char period[LEAF_TIME];
    leaf_paragraph(sheet, N_("What is kept is erased when its time is over:"));
    sheet_put(sheet, "<ul>\n<li>");
    sheet_format(sheet,
                 tr(language, "a consent ends for good %s after the last thing you did "
                              "yourself"),
                 period_text(sheet, kept->consent, period));
    sheet_put(sheet, "</li>\n<li>");
    sheet_format(sheet,
                 tr(language, "what shows that you gave a consent: %s after it has ended, to "
                              "prove it"),
                 period_text(sheet, kept->proof, period));
    sheet_put(sheet, "</li>\n<li>");
    sheet_format(sheet,
                 tr(language, "that you withdrew a consent or objected: %s after you did, to "
                              "honour it"),
                 period_text(sheet, kept->opposition, period));
    sheet_put(sheet, "</li>\n<li>");
    sheet_format(sheet, tr(language, "the decisions about you: %s after each, to answer for it"),
                 period_text(sheet, kept->journal, period));
    sheet_put(sheet, "</li>\n</ul>\n");
}

void leaf_uses(const struct person *person, struct sheet *sheet)
{
    leaf_heading(sheet, "uses", N_("What your data are used for, and for how long"));
    leaf_paragraph(sheet, N_("What is kept: a code computed from your address, its shortened form, "
                             "the events and the forms they name, and the decisions. Not kept: "
                             "your address itself, and the content of messages."));
    leaf_paragraph(sheet, N_("What for: to ask, before anything is sent to you or your data are "
                             "passed on, whether that is allowed, and to be able to prove the "
                             "answer. The law demands this proof (articles 5-2 and 7-1)."));
    leaf_paragraph(sheet,
                   N_("How it is decided: by fixed rules, the same for everybody. Below each "
                      "partner you see how they came out. No profile is made of you."));
    leaf_paragraph(sheet, N_("How long: a consent stops counting by itself, as follows."));
    staleness(person, sheet);
    retention(person, sheet);
}

/* ---- sources ---- */

void leaf_sources(const struct person *person, struct sheet *sheet)
{
    static const char *const names[] = {N_("Who handed it over"), N_("Events"),
                                        N_("First recorded"), N_("Last recorded"), NULL};
    leaf_heading(sheet, "sources", N_("Where your data come from"));
    leaf_paragraph(sheet, N_("A supplier is who handed an event over to us. Where there is none, "
                             "it came from the company that ran the form, or from you."));
    leaf_columns(sheet, names);
    for (size_t i = 0; i < person->n_suppliers; i++) {
        const struct person_supplier *supplier = &person->suppliers[i];
        struct strbuf number = {0};
        char date[LEAF_TIME];
        language_add_number(&number, sheet->language, (int64_t)supplier->events);
        sheet_put(sheet, "<tr>");
        leaf_cell(sheet, supplier->id[0] != '\0'
                             ? supplier->id
                             : tr(sheet->language, "nobody in between: the collector, or you"));
        leaf_cell(sheet, number.data != NULL ? number.data : "");
        leaf_cell(sheet, leaf_date(sheet, supplier->first_at, date));
        leaf_cell(sheet, leaf_date(sheet, supplier->last_at, date));
        sheet_put(sheet, "</tr>\n");
        strbuf_free(&number);
    }
    sheet_put(sheet, "</tbody></table>\n");
}

/* ---- events ---- */

static void add_name(struct strbuf *out, const struct person *person, const char *id)
{
    const char *name = person_partner_name(person, id);
    strbuf_add_str(out, out->length > 0 ? ", " : "");
    strbuf_add_str(out, name);
    if (strcmp(name, id) != 0)
        strbuf_add_format(out, " (%s)", id);
}

/* Ids joined by '|' as names. */
static void name_partners(struct strbuf *out, const struct person *person, const char *ids)
{
    while (*ids != '\0') {
        size_t length = strcspn(ids, "|");
        char id[128];
        str_copy_n(id, sizeof(id), ids, length);
        add_name(out, person, id);
        ids += length;
        ids += *ids == '|';
    }
}

static const char *whom(const struct sheet *sheet, const struct past_event *event)
{
    if (event->collector[0] != '\0')
        return tr(sheet->language, "all partners, as far as this collector is concerned");
    if (!past_is_grant(event))
        return tr(sheet->language, "all partners");
    return event->form_id != NULL ? tr(sheet->language, "those on the form's list")
                                  : tr(sheet->language, "it does not say");
}

/* The form's name, and the way to its words. */
static void form_link(struct sheet *sheet, const struct past_event *event)
{
    char form[PAST_FORM];
    if (event->form == NULL) {
        leaf_pair(sheet, N_("Form"), past_form_name(event, form));
        return;
    }
    sheet_element(sheet, "dt", tr(sheet->language, "Form"));
    sheet_put(sheet, "<dd><a href=\"#");
    sheet_text(sheet, past_form_name(event, form));
    sheet_put(sheet, "\">");
    sheet_text(sheet, form);
    sheet_put(sheet, "</a></dd>\n");
}

static void event_pairs(const struct person *person, struct sheet *sheet,
                        const struct past_event *event)
{
    struct strbuf partners = {0}, origin = {0};
    char when[LEAF_TIME];
    bool grant = past_is_grant(event);
    name_partners(&partners, person, event->partners);
    leaf_pair(sheet, N_("Channel"), tr(sheet->language, person_channel(event->channel)));
    if (event->kind != EVENT_ACTIVE || partners.length > 0)
        leaf_pair(sheet, N_("Partners concerned"),
                  partners.length > 0 ? partners.data : whom(sheet, event));
    form_link(sheet, event);
    if (grant)
        leaf_pair(sheet, N_("Ground in law"), tr(sheet->language, person_basis(event->basis)));
    leaf_pair(sheet, N_("Collector"), event->collector);
    leaf_pair(sheet, N_("Supplier"), event->supplier);
    leaf_pair(sheet, N_("What shows it"),
              event->evidence[0] != '\0' ? event->evidence
              : grant                    ? tr(sheet->language, "nothing")
                                         : "");
    leaf_pair(sheet, N_("Recorded on"), leaf_time(sheet, event->recorded_at, when));
    officer_who(&origin, sheet->language, event->origin);
    leaf_pair(sheet, N_("How it was recorded"), origin.data);
    if (partners.failed || origin.failed)
        sheet->buf.failed = true;
    strbuf_free(&partners);
    strbuf_free(&origin);
}

static void write_event(const struct person *person, struct sheet *sheet,
                        const struct past_event *event)
{
    char when[LEAF_TIME];
    char number[24];
    snprintf(number, sizeof(number), "%" PRId64, event->id);
    sheet_put(sheet, "<div class=\"entry\"><h3>");
    sheet_text(sheet, leaf_time(sheet, event->occurred_at, when));
    sheet_put(sheet, " — ");
    sheet_text(sheet, tr(sheet->language, person_event(event)));
    sheet_put(sheet, " <span class=\"small\">(");
    sheet_format(sheet, trn(sheet->language, "event %s", "events %s", 1), number);
    sheet_put(sheet, ")</span></h3>\n");
    leaf_paragraph(sheet, person_event_meaning(event));
    sheet_put(sheet, "<dl>\n");
    event_pairs(person, sheet, event);
    sheet_put(sheet, "</dl></div>\n");
    sheet_turn(sheet);
}

void leaf_events(const struct person *person, struct sheet *sheet)
{
    leaf_heading(sheet, "events", N_("What happened, in order"));
    leaf_paragraph(sheet, N_("The oldest first. An event is never changed or taken out: what ends "
                             "a consent is a later event. E-mail addresses inside these notes are "
                             "shortened."));
    if (person->history.n_events == 0)
        leaf_paragraph(sheet, N_("No event is on record."));
    for (size_t i = 0; i < person->history.n_events; i++)
        write_event(person, sheet, &person->history.events[i]);
}

/* ---- forms ---- */

static void join_partners(struct strbuf *out, const struct person *person, const struct form *form)
{
    for (size_t i = 0; i < form->n_partners; i++)
        add_name(out, person, form->partners[i]);
}

static void join_channels(struct strbuf *out, const struct sheet *sheet, unsigned channels)
{
    for (int i = 0; i < CHANNEL_COUNT; i++)
        if (channels & CHANNEL_BIT(i)) {
            strbuf_add_str(out, out->length > 0 ? ", " : "");
            strbuf_add_str(out, tr(sheet->language, person_channel(i)));
        }
}

static void join_purposes(struct strbuf *out, const struct sheet *sheet, unsigned purposes)
{
    for (int i = 0; i < PURPOSE_COUNT; i++)
        if (purposes & PURPOSE_BIT(i)) {
            strbuf_add_str(out, out->length > 0 ? ", " : "");
            strbuf_add_str(out, tr(sheet->language, person_purpose(i)));
        }
}

/* The numbers of the events that name the form version, said to be numbers: one alone would read as
 * how many there are. */
static void join_events(struct strbuf *out, const struct sheet *sheet, const struct person *person,
                        const struct past_form *form)
{
    struct strbuf numbers = {0};
    size_t count = 0;
    for (size_t i = 0; i < person->history.n_events; i++)
        if (person->history.events[i].form == form)
            strbuf_add_format(&numbers, "%s%" PRId64, count++ > 0 ? ", " : "",
                              person->history.events[i].id);
    if (count > 0)
        strbuf_add_format(out, trn(sheet->language, "event %s", "events %s", count),
                          numbers.data != NULL ? numbers.data : "");
    if (numbers.failed)
        out->failed = true;
    strbuf_free(&numbers);
}

/* The value of a pair, composed. */
static void composed(struct sheet *sheet, const char *name, struct strbuf *text)
{
    leaf_pair(sheet, name, text->data);
    if (text->failed)
        sheet->buf.failed = true;
    strbuf_clear(text);
}

static void life(struct sheet *sheet, const struct past_form *form)
{
    char when[LEAF_TIME];
    leaf_pair(sheet, N_("In use from"), leaf_time(sheet, form->form->effective_from, when));
    leaf_pair(sheet, N_("In use until"),
              form->effective_until == INT64_MAX ? tr(sheet->language, "still in use")
                                                 : leaf_time(sheet, form->effective_until, when));
    if (form->invalidated_at == 0)
        return;
    leaf_pair(sheet, N_("Declared invalid on"), leaf_time(sheet, form->invalidated_at, when));
    leaf_pair(sheet, N_("Why it is invalid"), form->invalid_reason);
}

static void form_pairs(const struct person *person, struct sheet *sheet,
                       const struct past_form *kept)
{
    const struct form *form = kept->form;
    struct strbuf text = {0};
    strbuf_add_str(&text, form->collector_name);
    if (form->collector_siren[0] != '\0')
        strbuf_add_format(&text, " (SIREN %s)", form->collector_siren);
    composed(sheet, N_("Collected by"), &text);
    join_partners(&text, person, form);
    composed(sheet, N_("Partners on the list"), &text);
    for (size_t i = 0; i < form->n_categories; i++)
        strbuf_add_format(&text, "%s%s", i > 0 ? ", " : "", form->categories[i]);
    composed(sheet, N_("Kinds of partners on the list"), &text);
    leaf_pair(sheet, N_("Where the list was"),
              strcmp(form->display, "link") == 0 ? tr(sheet->language, "behind a link")
                                                 : tr(sheet->language, "on the form itself"));
    leaf_pair(sheet, N_("Address of the list or form"), form->url);
    join_channels(&text, sheet, form->channels);
    composed(sheet, N_("Channels"), &text);
    join_purposes(&text, sheet, form->purposes);
    composed(sheet, N_("For"), &text);
    leaf_pair(sheet, N_("Language"), form->language);
    life(sheet, kept);
    join_events(&text, sheet, person, kept);
    composed(sheet, N_("Your events that name it"), &text);
    strbuf_free(&text);
}

static void artefacts(struct sheet *sheet, const struct form *form)
{
    if (form->n_artefacts == 0)
        return;
    leaf_paragraph(sheet, N_("Kept to show how it looked, with the fingerprint (SHA-256) of each "
                             "file:"));
    sheet_put(sheet, "<ul>\n");
    for (size_t i = 0; i < form->n_artefacts; i++) {
        sheet_put(sheet, "<li>");
        sheet_text(sheet, form->artefacts[i].name);
        sheet_put(sheet, " <code>");
        sheet_text(sheet, form->artefacts[i].sha256);
        sheet_put(sheet, "</code></li>\n");
    }
    sheet_put(sheet, "</ul>\n");
}

void leaf_forms(const struct person *person, struct sheet *sheet)
{
    leaf_heading(sheet, "forms", N_("What was shown to you"));
    leaf_paragraph(sheet, N_("A form is kept in versions, none of which ever changes. These are "
                             "the versions your events name, with the words and the list of that "
                             "version."));
    if (person->history.n_forms == 0)
        leaf_paragraph(sheet, N_("No form is on record."));
    for (size_t i = 0; i < person->history.n_forms; i++) {
        const struct past_form *kept = &person->history.forms[i];
        sheet_put(sheet, "<section id=\"");
        sheet_format(sheet, "%s@%d", kept->form->id, kept->form->version);
        sheet_put(sheet, "\"><h3>");
        sheet_format(sheet, tr(sheet->language, "Form %s, version %d"), kept->form->id,
                     kept->form->version);
        sheet_put(sheet, "</h3>\n<blockquote class=\"said\" lang=\"");
        sheet_text(sheet, kept->form->language);
        sheet_put(sheet, "\">");
        sheet_text(sheet, kept->form->wording);
        sheet_put(sheet, "</blockquote>\n<dl>\n");
        form_pairs(person, sheet, kept);
        sheet_put(sheet, "</dl>\n");
        artefacts(sheet, kept->form);
        sheet_put(sheet, "</section>\n");
        sheet_turn(sheet);
    }
}
