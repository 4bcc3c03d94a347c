/* SPDX-License-Identifier: Apache-2.0 */
/* Of the person's page: what was decided, what was passed on to whom, and what was stopped. */
#include "office/person_page.h"

#include <stdio.h>
#include <string.h>

#define ON_A_LIST N_("on a list that could be released to this partner")

/* A word of the journal as a channel or purpose, or the word itself. */
static const char *channel_word(const struct sheet *sheet, const char *name)
{
    enum channel channel;
    return channel_parse(name, &channel) ? tr(sheet->language, person_channel(channel)) : name;
}

static const char *purpose_word(const struct sheet *sheet, const char *name)
{
    enum purpose purpose;
    return purpose_parse(name, &purpose) && purpose == PURPOSE_TRANSMISSION
               ? tr(sheet->language, "your data passed on")
               : tr(sheet->language, "a message to you");
}

static const char *given(const char *text)
{
    return text != NULL ? text : "";
}

static bool is_transfer(const char *purpose)
{
    return strcmp(purpose, purpose_name(PURPOSE_TRANSMISSION)) == 0;
}

static void what_cell(struct sheet *sheet, const char *purpose, const char *channel)
{
    sheet_put(sheet, "<td>");
    sheet_text(sheet, purpose_word(sheet, purpose));
    sheet_put(sheet, "<br>");
    sheet_text(sheet, channel_word(sheet, channel));
    sheet_put(sheet, "</td>");
}

/* Which list the data were on, by its fingerprint: whoever has the list can find it by that. It is
 * long: in a row of its own, it leaves the columns their width. */
static void list_line(struct sheet *sheet, const char *list)
{
    sheet_text(sheet, tr(sheet->language, "fingerprint of the list:"));
    sheet_put(sheet, " <code>");
    sheet_text(sheet, list);
    sheet_put(sheet, "</code>");
}

/* ---- what is no longer known ---- */

/* "12 months" or "30 days". */
static const char *period(const struct sheet *sheet, struct duration duration, char out[LEAF_TIME])
{
    if (duration.months > 0)
        snprintf(out, LEAF_TIME,
                 trn(sheet->language, "%u month", "%u months", (unsigned)duration.months),
                 (unsigned)duration.months);
    else
        snprintf(out, LEAF_TIME,
                 trn(sheet->language, "%u day", "%u days",
                     (unsigned)(duration.microseconds / CLOCK_DAY)),
                 (unsigned)(duration.microseconds / CLOCK_DAY));
    return out;
}

void leaf_erased(const struct person *person, struct sheet *sheet)
{
    const struct retention_config *retention = &person->from.config->retention;
    const struct journal_erased *erased = &person->erased;
    char time[LEAF_TIME];
    char date[LEAF_TIME];
    if (erased->decisions_before != 0) {
        sheet_put(sheet, "<p>");
        sheet_format(sheet,
                     tr(sheet->language, "The journal is kept for %s. What it said of the time "
                                         "before %s was erased: older messages are no longer "
                                         "known."),
                     period(sheet, retention->journal, time),
                     leaf_date(sheet, erased->decisions_before, date));
        sheet_put(sheet, "</p>\n");
    }
    if (erased->detail_before > erased->decisions_before) {
        sheet_put(sheet, "<p>");
        sheet_format(sheet,
                     tr(sheet->language,
                        "Messages the rules did not allow, which were let through because their "
                        "partner was being observed only, are kept for %s. Those of before %s were "
                        "erased, all but their number: whether any went to you is no longer "
                        "known."),
                     period(sheet, retention->observe_detail, time),
                     leaf_date(sheet, erased->detail_before, date));
        sheet_put(sheet, "</p>\n");
    }
}

/* From when on silence means that there was nothing. 0: from the beginning. */
static int64_t known_since(const struct person *person)
{
    const struct journal_erased *erased = &person->erased;
    return erased->detail_before > erased->decisions_before ? erased->detail_before
                                                            : erased->decisions_before;
}

/* ---- passed on ---- */

static void passed_row(const struct person *person, struct sheet *sheet,
                       const struct person_sum *sum)
{
    struct strbuf number = {0};
    char first[LEAF_TIME];
    char last[LEAF_TIME];
    language_add_number(&number, sheet->language, (int64_t)sum->count);
    sheet_put(sheet, "<tr>");
    leaf_cell(sheet, person_partner_name(person, sum->partner));
    what_cell(sheet, sum->purpose, sum->channel);
    leaf_cell(sheet, number.data != NULL ? number.data : "");
    sheet_put(sheet, "<td>");
    sheet_text(sheet, leaf_date(sheet, sum->first_at, first));
    if (strcmp(first, leaf_date(sheet, sum->last_at, last)) != 0) {
        sheet_put(sheet, "<br>");
        sheet_text(sheet, last);
    }
    sheet_put(sheet, "</td><td>");
    if (sum->outcome[0] != '\0')
        sheet_text(sheet, tr(sheet->language, person_outcome(sum->outcome)));
    else if (is_transfer(sum->purpose))
        sheet_text(sheet, tr(sheet->language, ON_A_LIST));
    if (strcmp(sum->verdict, verdict_name(VERDICT_PASS)) != 0) {
        sheet_put(sheet, " <span class=\"no\">");
        sheet_text(sheet, tr(sheet->language, "although no rule allowed it: this partner was "
                                              "being observed only"));
        sheet_put(sheet, "</span>");
    }
    sheet_put(sheet, "</td></tr>\n");
    if (sum->list[0] != '\0') {
        sheet_put(sheet, "<tr class=\"small\"><td colspan=\"5\">");
        list_line(sheet, sum->list);
        sheet_put(sheet, "</td></tr>\n");
    }
    strbuf_free(&number);
}

void leaf_passed(const struct person *person, struct sheet *sheet)
{
    static const char *const names[] = {
        N_("Partner"), N_("What"), N_("Times"), N_("First and last time"), N_("Outcome"), NULL};
    bool any = false;
    leaf_heading(sheet, "passed", N_("What was passed on, and to whom"));
    leaf_paragraph(
        sheet,
        N_("For each partner: the messages of it that were let through to you, "
           "and the times your data were on a list that could be released to it. What does not "
           "go through this gateway is not known here."));
    leaf_erased(person, sheet);
    for (size_t i = 0; i < person->n_sums; i++)
        any = any || person_sum_passed(&person->sums[i]);
    if (!any) {
        char date[LEAF_TIME];
        sheet_put(sheet, "<p>");
        if (known_since(person) == 0)
            sheet_text(sheet, tr(sheet->language, "Nothing was passed on to anybody."));
        else
            sheet_format(sheet, tr(sheet->language, "Since %s nothing was passed on to anybody."),
                         leaf_date(sheet, known_since(person), date));
        sheet_put(sheet, "</p>\n");
        return;
    }
    leaf_columns(sheet, names);
    for (size_t i = 0; i < person->n_sums; i++)
        if (person_sum_passed(&person->sums[i]))
            passed_row(person, sheet, &person->sums[i]);
    sheet_put(sheet, "</tbody></table>\n");
}

/* ---- stops ---- */

static void stop_row(const struct person *person, struct sheet *sheet,
                     const struct person_stop *stop)
{
    char when[LEAF_TIME];
    sheet_put(sheet, "<tr>");
    leaf_cell(sheet, tr(sheet->language, person_stop_kind(stop->kind)));
    leaf_cell(sheet, strcmp(stop->kind, suspension_kind_name(SUSPEND_PARTNER)) == 0
                         ? person_partner_name(person, stop->id)
                         : stop->id);
    leaf_cell(sheet, leaf_time(sheet, stop->at, when));
    leaf_cell(sheet, stop->reason);
    sheet_put(sheet, "<td>");
    if (stop->resumed) {
        sheet_text(sheet, leaf_time(sheet, stop->resumed_at, when));
        sheet_put(sheet, "<br>");
        sheet_text(sheet, stop->resume_reason);
    } else {
        sheet_text(sheet, tr(sheet->language, "still in force"));
    }
    sheet_put(sheet, "</td></tr>\n");
}

void leaf_stops(const struct person *person, struct sheet *sheet)
{
    static const char *const names[] = {N_("What"), N_("Which"), N_("Since"),
                                        N_("Why"),  N_("Until"), NULL};
    leaf_heading(sheet, "stops", N_("What was stopped or declared invalid"));
    leaf_paragraph(sheet, N_("As long as something is stopped, nothing that rests on it may be "
                             "sent. What is declared invalid stays so."));
    if (person->n_stops == 0) {
        leaf_paragraph(sheet, N_("Nothing that concerns you."));
        return;
    }
    leaf_columns(sheet, names);
    for (size_t i = 0; i < person->n_stops; i++)
        stop_row(person, sheet, &person->stops[i]);
    sheet_put(sheet, "</tbody></table>\n");
}

/* ---- decisions ---- */

struct decisions {
    const struct person *person;
    struct sheet *sheet;
};

static void when_cell(struct sheet *sheet, const char *at)
{
    int64_t instant = 0;
    char when[LEAF_TIME];
    leaf_cell(sheet, at != NULL && clock_parse(at, strlen(at), &instant)
                         ? leaf_time(sheet, instant, when)
                         : given(at));
}

static void decision_cell(struct sheet *sheet, const struct log_entry *entry)
{
    enum verdict verdict;
    enum reason reason;
    bool known = verdict_parse(given(entry->verdict), &verdict);
    sheet_put(sheet, known && verdict == VERDICT_PASS ? "<td><span class=\"yes\">"
                                                      : "<td><span class=\"no\">");
    sheet_text(sheet, known ? tr(sheet->language, person_verdict(verdict)) : given(entry->verdict));
    sheet_put(sheet, "</span><br>");
    sheet_text(sheet, reason_parse(given(entry->reason), &reason)
                          ? tr(sheet->language, person_reason(reason))
                          : given(entry->reason));
    sheet_put(sheet, "</td>");
}

/* A list is screened here and handed over elsewhere: that it could be is all that is known. */
static const char *effect_word(const struct log_entry *entry)
{
    const char *effect = given(entry->effect);
    bool transfer = is_transfer(given(entry->purpose));
    if (transfer && strcmp(effect, effect_name(EFFECT_PASSED)) == 0)
        return ON_A_LIST;
    if (transfer && strcmp(effect, effect_name(EFFECT_REFUSED)) == 0)
        return N_("refused: nothing was passed on");
    return person_effect(effect);
}

static void done_cell(struct sheet *sheet, const struct log_entry *entry)
{
    sheet_put(sheet, "<td>");
    sheet_text(sheet, tr(sheet->language, effect_word(entry)));
    if (entry->outcome != NULL) {
        sheet_put(sheet, ", ");
        sheet_text(sheet, tr(sheet->language, person_outcome(entry->outcome)));
    }
    if (entry->provider_reply != NULL) {
        sheet_put(sheet, "<br><span class=\"small\">");
        sheet_format(sheet, tr(sheet->language, "The provider said: %s"), entry->provider_reply);
        sheet_put(sheet, "</span>");
    }
    sheet_put(sheet, "</td>");
}

/* The reference the partner was given, and the fingerprint in the journal. */
static void proof_row(struct sheet *sheet, const struct log_entry *entry)
{
    sheet_put(sheet, "<tr class=\"small\"><td colspan=\"5\">");
    sheet_format(sheet, tr(sheet->language, "Reference: %s"), given(entry->id));
    sheet_put(sheet, " · ");
    sheet_text(sheet, tr(sheet->language, "fingerprint in the journal:"));
    sheet_put(sheet, " <code>");
    sheet_text(sheet, given(entry->hash));
    sheet_put(sheet, "</code>");
    if (given(entry->list)[0] != '\0') {
        sheet_put(sheet, "<br>");
        list_line(sheet, entry->list);
    }
    sheet_put(sheet, "</td></tr>\n");
}

static bool write_decision(void *arg, const struct log_entry *entry)
{
    const struct decisions *decisions = arg;
    struct sheet *sheet = decisions->sheet;
    sheet_put(sheet, "<tr>");
    when_cell(sheet, entry->at);
    leaf_cell(sheet, person_partner_name(decisions->person, given(entry->partner)));
    what_cell(sheet, given(entry->purpose), given(entry->channel));
    decision_cell(sheet, entry);
    done_cell(sheet, entry);
    sheet_put(sheet, "</tr>\n");
    proof_row(sheet, entry);
    sheet_turn(sheet);
    return sheet->result == RESULT_OK;
}

void leaf_decisions(const struct person *person, struct sheet *sheet)
{
    static const char *const names[] = {
        N_("When"), N_("Partner"), N_("What"), N_("Decision, and why"), N_("What was done"), NULL};
    struct decisions decisions = {.person = person, .sheet = sheet};
    leaf_heading(sheet, "decisions", N_("Every decision"));
    leaf_paragraph(sheet, N_("Each time a partner wanted to write to you through this gateway, or "
                             "a list with your data was to be handed to it, the oldest first. The "
                             "content of messages is not kept."));
    leaf_erased(person, sheet);
    if (person->n_decisions == 0) {
        char date[LEAF_TIME];
        sheet_put(sheet, "<p>");
        if (known_since(person) == 0)
            sheet_text(sheet, tr(sheet->language, "There was none."));
        else
            sheet_format(sheet, tr(sheet->language, "Since %s there was none."),
                         leaf_date(sheet, known_since(person), date));
        sheet_put(sheet, "</p>\n");
        return;
    }
    leaf_columns(sheet, names);
    enum result result = person_decisions(person, write_decision, &decisions, sheet->err);
    if (result != RESULT_OK && sheet->result == RESULT_OK)
        sheet->result = result;
    sheet_put(sheet, "</tbody></table>\n");
}
