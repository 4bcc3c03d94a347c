/* SPDX-License-Identifier: Apache-2.0 */
/* Of the person's page: who may write, why, and what may be done about it. */
#include "office/person_page.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const struct person_answer *answer_to(const struct person_partner *partner,
                                             enum channel channel, enum purpose purpose)
{
    for (size_t i = 0; i < partner->n_answers; i++)
        if (partner->answers[i].channel == channel && partner->answers[i].purpose == purpose)
            return &partner->answers[i];
    return NULL;
}

static void verdict_cell(struct sheet *sheet, const struct person_answer *answer)
{
    bool pass = answer->judgement.verdict == VERDICT_PASS;
    sheet_put(sheet, pass ? "<td><span class=\"yes\">" : "<td><span class=\"no\">");
    sheet_text(sheet, pass ? tr(sheet->language, "yes") : tr(sheet->language, "no"));
    sheet_put(sheet, "</span><br>");
    sheet_text(sheet, tr(sheet->language, person_reason(answer->judgement.reason)));
    sheet_put(sheet, "</td>");
}

/* "By e-mail, what happened on 3 March 2026 decided: you renewed your consent (event 12)." */
static void ground(const struct person *person, struct sheet *sheet,
                   const struct person_answer *answer)
{
    const struct past_event *event = past_event(&person->history, answer->judgement.event);
    char date[LEAF_TIME];
    char form[PAST_FORM];
    char number[24];
    if (event == NULL)
        return;
    snprintf(number, sizeof(number), "%" PRId64, event->id);
    sheet_put(sheet, "<p>");
    sheet_format(sheet, tr(sheet->language, "What this rests on: event %s, of %s. %s."), number,
                 leaf_date(sheet, event->occurred_at, date),
                 tr(sheet->language, person_event(event)));
    if (event->form_id != NULL) {
        sheet_put(sheet, " ");
        sheet_format(sheet, tr(sheet->language, "Form: %s."), past_form_name(event, form));
    }
    sheet_put(sheet, "</p>\n");
}

static void rules(struct sheet *sheet, const struct trace *trace)
{
    bool listless = false;
    sheet_put(sheet, "<ul class=\"rules\">\n");
    for (size_t i = 0; i < trace->count; i++) {
        const struct trace_step *step = &trace->steps[i];
        const char *text = person_rule(step);
        /* Where there was no list, saying when and how it named the partner would mislead. */
        if (strcmp(step->rule, "9") == 0)
            listless = step->finding == FINDING_SKIPPED;
        if (text == NULL ||
            (listless && (strcmp(step->rule, "10") == 0 || strcmp(step->rule, "11") == 0)))
            continue;
        bool holds = step->finding == FINDING_HOLDS;
        sheet_put(sheet,
                  holds ? "<li><span class=\"yes\">✓</span> " : "<li><span class=\"no\">✗</span> ");
        sheet_text(sheet, tr(sheet->language, text));
        sheet_put(sheet, "</li>\n");
    }
    sheet_put(sheet, "</ul>\n");
}

static const enum channel channel_order[] = {CHANNEL_EMAIL, CHANNEL_SMS, CHANNEL_CALL,
                                             CHANNEL_AUTOCALL, CHANNEL_POST};
enum { CHANNELS = sizeof(channel_order) / sizeof(channel_order[0]) };

static void answers_table(struct sheet *sheet, const struct person_partner *partner)
{
    static const char *const names[] = {N_("How"), N_("May it send you offers?"),
                                        N_("May your data be passed on to it?"), NULL};
    leaf_columns(sheet, names);
    for (size_t i = 0; i < CHANNELS; i++) {
        const struct person_answer *message = answer_to(partner, channel_order[i], PURPOSE_RECEIPT);
        const struct person_answer *transfer =
            answer_to(partner, channel_order[i], PURPOSE_TRANSMISSION);
        if (message == NULL || transfer == NULL)
            continue;
        sheet_put(sheet, "<tr>");
        leaf_cell(sheet, tr(sheet->language, person_by_channel(channel_order[i])));
        verdict_cell(sheet, message);
        verdict_cell(sheet, transfer);
        sheet_put(sheet, "</tr>\n");
    }
    sheet_put(sheet, "</tbody></table>\n");
}

/* What is answered is not always what is done while the rules are only tried out. */
static void observed(struct sheet *sheet, const struct partner *partner)
{
    if (partner->mode == MODE_OBSERVE)
        leaf_paragraph(sheet, N_("At present this partner is only observed: messages the rules do "
                                 "not allow are let through all the same, except after a "
                                 "withdrawal, an objection or a suspension."));
}

static void partner_section(const struct person *person, struct sheet *sheet,
                            const struct person_partner *partner)
{
    sheet_put(sheet, "<section><h3>");
    sheet_text(sheet, partner->partner->name);
    sheet_put(sheet, "</h3>\n");
    observed(sheet, partner->partner);
    answers_table(sheet, partner);
    for (size_t i = 0; i < CHANNELS; i++) {
        const struct person_answer *answer = answer_to(partner, channel_order[i], PURPOSE_RECEIPT);
        /* A way on which nothing was ever said needs no list of rules. */
        if (answer == NULL || answer->judgement.event == 0)
            continue;
        sheet_put(sheet, "<p><strong>");
        sheet_format(sheet, tr(sheet->language, "Why: offers %s"),
                     tr(sheet->language, person_by_channel(channel_order[i])));
        sheet_put(sheet, "</strong></p>\n");
        rules(sheet, answer->trace);
        ground(person, sheet, answer);
    }
    sheet_put(sheet, "</section>\n");
}

void leaf_standing(const struct person *person, struct sheet *sheet)
{
    char when[LEAF_TIME];
    leaf_heading(sheet, "standing", N_("Who may write to you now, and why"));
    sheet_put(sheet, "<p>");
    sheet_format(sheet,
                 tr(sheet->language, "A partner is a company whose offers would be sent. For each "
                                     "message this gateway asks anew whether it may be sent; this "
                                     "is how it would answer on %s. Every rule must hold. The "
                                     "first that does not hold stops the message."),
                 leaf_time(sheet, person->at, when));
    sheet_put(sheet, "</p>\n");
    for (size_t i = 0; i < person->n_partners; i++)
        partner_section(person, sheet, &person->partners[i]);
    if (person->n_others == 0)
        return;
    leaf_paragraph(sheet, N_("No other partner of this gateway may send you offers or receive "
                             "your data for that. Messages that are part of a service, such as "
                             "a receipt, are not meant. They are:"));
    sheet_put(sheet, "<p class=\"note\">");
    for (size_t i = 0; i < person->n_others; i++) {
        sheet_text(sheet, i > 0 ? ", " : "");
        sheet_text(sheet, person->others[i].partner->name);
    }
    sheet_put(sheet, "</p>\n");
    for (size_t i = 0; i < person->n_others; i++) {
        if (person->others[i].partner->mode != MODE_OBSERVE)
            continue;
        sheet_element(sheet, "strong", person->others[i].partner->name);
        observed(sheet, person->others[i].partner);
    }
}

/* ---- rights ---- */

void leaf_rights(const struct person *person, struct sheet *sheet)
{
    static const char *const rights[] = {
        N_("Withdraw your consent at any time: from one partner or from all, on one channel or on "
           "all. It counts for the very next message (article 7-3)."),
        N_("Object to receiving offers, without giving a reason (article 21)."),
        N_("Have what is wrong corrected (article 16)."),
        N_("Have your data erased (article 17). What shows that you objected is kept, as a code "
           "only, because without it the next list could bring you back."),
        N_("Have the use of your data restricted while a question is open (article 18)."),
        N_("Receive your data in a form that programs can read (article 20): it is in person.json, "
           "beside this page."),
    };
    const struct config *config = person->from.config;
    leaf_heading(sheet, "rights", N_("Your rights, and how to use them"));
    leaf_paragraph(sheet, N_("You may:"));
    sheet_put(sheet, "<ul>\n");
    for (size_t i = 0; i < sizeof(rights) / sizeof(rights[0]); i++) {
        sheet_element(sheet, "li", tr(sheet->language, rights[i]));
        sheet_put(sheet, "\n");
    }
    sheet_put(sheet, "</ul>\n<p>");
    if (config->controller_contact[0] != '\0')
        sheet_format(sheet, tr(sheet->language, "To do so, write to: %s"),
                     config->controller_contact);
    else
        sheet_text(sheet, tr(sheet->language, "To do so, answer the letter or message with which "
                                              "you received this page."));
    sheet_put(sheet, "</p>\n");
    leaf_paragraph(sheet, N_("It costs nothing. You will have an answer within a month. Each "
                             "message also has to offer a way to stop it: using that is enough. If "
                             "an e-mail address and a telephone number of yours are known, say so "
                             "for both."));
    leaf_paragraph(sheet, N_("If the answer does not satisfy you, you may complain to the data "
                             "protection authority (article 77); in France it is the CNIL, 3 place "
                             "de Fontenoy, TSA 80715, 75334 Paris cedex 07, www.cnil.fr."));
}

/* ---- proof ---- */

void leaf_proof(const struct person *person, struct sheet *sheet)
{
    static const struct {
        const char *name, *text;
    } files[] = {
        {"person.html", N_("this page")},
        {"person.json", N_("all of it, for programs")},
        {"consent-record.jsonld",
         N_("your consents in a form other services can read (W3C Data Privacy Vocabulary)")},
        {"events.csv", N_("the events, as a table")},
        {"decisions.csv", N_("the decisions, as a table")},
        {"accesses.csv", N_("who looked you up, as a table")},
        {"notices.csv", N_("who was told that you said no, as a table")},
    };
    leaf_heading(sheet, "proof", N_("The proof, and the other files"));
    leaf_paragraph(sheet, N_("Each decision is written into a journal before anybody is told of "
                             "it. Its entries are chained: each has a fingerprint that depends on "
                             "all entries before it, so that none can be changed, added or taken "
                             "out afterwards without this showing. The fingerprint stands beside "
                             "each decision above. A data protection authority can check it in the "
                             "journal itself."));
    sheet_put(sheet, "<dl>\n");
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
        leaf_pair(sheet, files[i].name, tr(sheet->language, files[i].text));
    if (person->history.n_forms > 0)
        leaf_pair(sheet, "forms/", tr(sheet->language, "the forms, as they were put on record"));
    sheet_put(sheet, "</dl>\n");
}
