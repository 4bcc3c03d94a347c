/* SPDX-License-Identifier: Apache-2.0 */
/* Of a person's page: what she said and when, what was decided, who was told, and who looked. */
#include "console/explained.h"
#include "console/layout.h"
#include "console/person.h"
#include "office/officer_words.h"
#include "office/person_words.h"
#include "office/words.h"
#include "store/notices.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROWS 50

static const char *given(const char *text)
{
    return text != NULL ? text : "";
}

/* ---- what she said ---- */

static const char *kind_of(const struct past_event *event)
{
    switch (event->kind) {
    case EVENT_GIVEN:
    case EVENT_RENEWED:
        return "good";
    case EVENT_WITHDRAWN:
    case EVENT_OBJECTED:
        return "bad";
    case EVENT_ACTIVE:
    case EVENT_KIND_COUNT:
        break;
    }
    return "info";
}

static void event_item(struct person_view *view, const struct past_event *event)
{
    struct visit *visit = view->visit;
    struct page *page = &visit->page;
    char form[PAST_FORM];
    page_raw(page, "<li><details>\n<summary>");
    time_add(visit, event->occurred_at);
    page_raw(page, " ");
    badge_add(visit, kind_of(event), officer_event(event));
    page_raw(page, " ");
    page_text(page, word_channel(visit->language, channel_name(event->channel)));
    if (event->form_id != NULL) {
        page_raw(page, " <code>");
        page_text(page, past_form_name(event, form));
        page_raw(page, "</code>");
    }
    page_raw(page, "</summary>\n");
    explained_event(visit, event);
    page_raw(page, "</details></li>\n");
}

static void further_events(struct person_view *view, size_t next)
{
    struct visit *visit = view->visit;
    struct strbuf path = {0};
    char number[24];
    snprintf(number, sizeof(number), "%zu", next);
    strbuf_add_str(&path, visit->path);
    visit_add_query(visit, &path, "events", number);
    strbuf_add_str(&path, "#events");
    page_raw(&visit->page, "<p class=\"pager\">");
    part_link(visit, path.failed ? visit->path : path.data, N_("Further back"));
    page_raw(&visit->page, "</p>\n");
    visit->page.html.failed = visit->page.html.failed || path.failed;
    strbuf_free(&path);
}

void person_events_part(struct person_view *view)
{
    struct visit *visit = view->visit;
    const struct past *history = &view->person->history;
    size_t skipped = (size_t)visit_number_field(visit, "events", 1000000, 0);
    part_begin_at(visit, "events", N_("What the person agreed to, and what was said since"));
    if (history->n_events == 0) {
        part_empty(visit,
                   N_("Nothing: no form, supplier or partner ever handed in a consent of this "
                      "person. Consents come in through imports and the interface for programs."),
                   NULL, NULL);
        part_end(visit);
        return;
    }
    part_text(visit, N_("Newest first. Open an entry for what was shown, who collected it and what "
                        "proves it. Entries are never changed or taken out before their time is "
                        "over."));
    page_raw(&visit->page, "<ol class=\"timeline\">\n");
    size_t left = history->n_events > skipped ? history->n_events - skipped : 0;
    size_t shown = left < ROWS ? left : ROWS;
    for (size_t i = 0; i < shown; i++)
        event_item(view, &history->events[left - 1 - i]);
    page_raw(&visit->page, "</ol>\n");
    if (left > shown)
        further_events(view, skipped + shown);
    part_end(visit);
}

/* ---- what was decided ---- */

struct decisions {
    struct person_view *view;
    unsigned n;
    bool more;
    int64_t last_at;
    uint64_t last_seq;
};

static void decision_link(struct visit *visit, const struct log_entry *entry)
{
    struct strbuf path = {0};
    strbuf_add_str(&path, "/console/blocked/");
    visit_add_encoded(&path, given(entry->id));
    page_raw(&visit->page, "<td class=\"time\"><a href=\"");
    page_text(&visit->page, path.failed ? "/console/blocked" : path.data);
    page_raw(&visit->page, "\">");
    time_add(visit, entry->instant);
    page_raw(&visit->page, "</a></td>");
    visit->page.html.failed = visit->page.html.failed || path.failed;
    strbuf_free(&path);
}

static bool decision_row(void *arg, const struct log_entry *entry)
{
    static const char *const heads[] = {N_("When"), N_("Partner and channel"),
                                        N_("Decision, and why"), N_("What was done"), NULL};
    struct decisions *decisions = arg;
    struct visit *visit = decisions->view->visit;
    struct page *page = &visit->page;
    decisions->more = decisions->n == ROWS;
    if (decisions->more)
        return false;
    if (decisions->n++ == 0)
        grid_begin(visit, N_("Decisions about this person"), heads);
    decisions->last_at = entry->instant;
    decisions->last_seq = entry->seq;
    page_row(page);
    decision_link(visit, entry);
    page_raw(page, "<td>");
    page_text(page, person_view_partner(decisions->view, given(entry->partner)));
    page_raw(page, "<br>");
    page_text(page, word_channel(visit->language, given(entry->channel)));
    if (strcmp(given(entry->purpose), purpose_name(PURPOSE_TRANSMISSION)) == 0) {
        page_raw(page, ", ");
        page_text(page, word_purpose(visit->language, entry->purpose));
    }
    page_raw(page, "</td><td class=\"words\">");
    verdict_add(visit, given(entry->verdict));
    page_raw(page, " ");
    code_add(visit, word_reason(visit->language, given(entry->reason)), given(entry->reason));
    page_raw(page, "</td><td>");
    page_tr(page, person_effect(given(entry->effect)));
    if (entry->outcome != NULL) {
        page_raw(page, ", ");
        page_tr(page, person_outcome(entry->outcome));
    }
    page_raw(page, "</td>");
    return !page->html.failed;
}

/* "AT.SEQ"; nothing else begins anywhere. */
static bool read_cursor(const struct visit *visit, struct log_filter *filter)
{
    char *end;
    const char *text = visit_field(visit, "cursor");
    if (text[0] < '0' || text[0] > '9')
        return false;
    filter->before_at = strtoll(text, &end, 10);
    if (*end != '.' || end[1] < '0' || end[1] > '9')
        return false;
    filter->before_seq = strtoull(end + 1, &end, 10);
    return *end == '\0' && filter->before_seq > 0;
}

static void erased(struct person_view *view)
{
    struct strbuf text = {0};
    words_erased_decisions(&text, view->visit->language, &view->person->erased, INT64_MIN);
    if (text.length > 0)
        page_element(&view->visit->page, "p class=\"note\"", text.data);
    view->visit->page.html.failed = view->visit->page.html.failed || text.failed;
    strbuf_free(&text);
}

enum result person_decisions_part(struct person_view *view)
{
    struct visit *visit = view->visit;
    struct decisions decisions = {.view = view};
    char cursor[64] = "";
    struct log_filter filter = {
        .since = INT64_MIN,
        .until = INT64_MAX,
        .recipient_key = view->link->recipient.key,
        .limit = ROWS + 1,
    };
    bool first = !read_cursor(visit, &filter);
    if (first)
        filter.before_at = 0, filter.before_seq = 0;
    part_begin_at(visit, "decisions", N_("What was decided about messages to this person"));
    enum result result =
        journal_index_log(visit->index, &filter, decision_row, &decisions, view->err);
    if (result != RESULT_OK)
        return result;
    if (decisions.n > 0)
        grid_end(visit);
    else
        part_empty(visit,
                   first ? N_("No partner has tried to write to this person through the gateway, "
                              "as far as the journal goes back.")
                         : N_("There is nothing further back."),
                   NULL, NULL);
    if (decisions.more)
        snprintf(cursor, sizeof(cursor), "%" PRId64 ".%" PRIu64, decisions.last_at,
                 decisions.last_seq);
    pager(visit, cursor, first);
    erased(view);
    part_end(visit);
    return RESULT_OK;
}

/* ---- who was told ---- */

/* What became of the newest notice to a partner. */
struct told {
    struct told *next;
    const char *partner;
    bool untold;
};

struct notices {
    struct person_view *view;
    unsigned n;
    struct told *first, **end;
    bool pending; /* a "no" of which it is not known yet who is to be told */
};

static void note_told(struct notices *notices, const char *partner, bool untold)
{
    struct visit *visit = notices->view->visit;
    struct told *told = notices->first;
    while (told != NULL && strcmp(told->partner, partner) != 0)
        told = told->next;
    if (told != NULL)
        return;
    told = arena_alloc(visit->arena, sizeof(*told));
    if (told != NULL)
        *told = (struct told){.partner = arena_str(visit->arena, partner), .untold = untold};
    if (told == NULL || told->partner == NULL) {
        visit->page.html.failed = true;
        return;
    }
    *notices->end = told;
    notices->end = &told->next;
}

/* "Objection · E-mail": there is one for each channel. */
static void of_what(struct notices *notices, const struct delivery *delivery)
{
    struct visit *visit = notices->view->visit;
    const struct past_event *event =
        past_event(&notices->view->person->history, delivery->notice.event.id);
    page_raw(&visit->page, "<td>");
    if (event != NULL) {
        page_tr(&visit->page, officer_event(event));
        page_raw(&visit->page, " · ");
    }
    page_text(&visit->page,
              word_channel(visit->language, channel_name(delivery->notice.event.channel)));
    page_raw(&visit->page, "</td>");
}

static bool notice_row(void *arg, const struct delivery *delivery)
{
    static const char *const heads[] = {N_("Partner"),   N_("Of what"),     N_("State"),
                                        N_("#Attempts"), N_("Last answer"), NULL};
    static const char *const kinds[DELIVERY_STATES] = {[DELIVERY_WAITING] = "warn",
                                                       [DELIVERY_ACKNOWLEDGED] = "good",
                                                       [DELIVERY_GIVEN_UP] = "bad",
                                                       [DELIVERY_UNTOLD] = "bad"};
    struct notices *notices = arg;
    struct visit *visit = notices->view->visit;
    note_told(notices, delivery->partner,
              delivery->state == DELIVERY_UNTOLD || delivery->state == DELIVERY_GIVEN_UP);
    if (notices->n++ == 0)
        grid_begin(visit, N_("Notices to partners"), heads);
    page_row(&visit->page);
    page_cell(&visit->page, person_view_partner(notices->view, delivery->partner));
    of_what(notices, delivery);
    page_raw(&visit->page, "<td class=\"words\">");
    badge_add(visit, kinds[delivery->state], person_delivery(delivery->state));
    page_raw(&visit->page, "<br><span class=\"note\">");
    time_add(visit, delivery->ended_at != 0 ? delivery->ended_at : delivery->notice.created_at);
    page_raw(&visit->page, "</span></td>");
    page_number(&visit->page, delivery->attempts);
    page_cell(&visit->page,
              tr(visit->language, officer_notice_answer(given(delivery->last_answer))));
    return !visit->page.html.failed;
}

static bool see_pending(void *arg, const struct notice *notice)
{
    struct notices *notices = arg;
    notices->pending =
        memcmp(notice->recipient_key, notices->view->link->recipient.key, RECIPIENT_KEY_BYTES) == 0;
    return !notices->pending;
}

/* Those she knows of, who have to respect a "no" and cannot be told of it. */
static void foresee(struct notices *notices)
{
    const struct person *person = notices->view->person;
    for (size_t i = 0; notices->pending && i < person->n_partners; i++) {
        const struct person_partner *partner = &person->partners[i];
        for (size_t j = 0; j < partner->n_answers; j++)
            if (person_is_no(&partner->answers[j].beneath) &&
                config_notices(notices->view->visit->config, partner->partner->id) == NULL)
                note_told(notices, partner->partner->id, true);
    }
}

static void tell_yourself(struct notices *notices)
{
    struct visit *visit = notices->view->visit;
    struct page *page = &visit->page;
    unsigned n = 0;
    for (const struct told *told = notices->first; told != NULL; told = told->next) {
        if (!told->untold)
            continue;
        if (n == 0) {
            page_raw(page, "<div class=\"notice warn\"><p><strong>");
            page_tr(page, N_("The gateway cannot tell these partners. Tell them yourself:"));
            page_raw(page, "</strong>");
        }
        page_raw(page, n++ > 0 ? ", " : " ");
        page_text(page, person_view_partner(notices->view, told->partner));
    }
    if (n > 0)
        page_raw(page, ".</p></div>\n");
}

static bool identifier_row(void *arg, const char *partner, const char *identifier, int64_t set_at)
{
    static const char *const heads[] = {N_("Partner"), N_("What it calls the person"), N_("Since"),
                                        NULL};
    struct notices *identifiers = arg;
    struct visit *visit = identifiers->view->visit;
    if (identifiers->n++ == 0) {
        part_text(visit, N_("So that they can be told without the address, these partners gave the "
                            "identifier by which they know this person:"));
        grid_begin(visit, N_("What partners call this person"), heads);
    }
    page_row(&visit->page);
    page_cell(&visit->page, person_view_partner(identifiers->view, partner));
    page_code(&visit->page, identifier);
    cell_time(visit, set_at);
    return !visit->page.html.failed;
}

enum result person_notices_part(struct person_view *view)
{
    struct visit *visit = view->visit;
    struct notices notices = {.view = view}, identifiers = {.view = view};
    notices.end = &notices.first;
    const struct delivery_filter filter = {.recipient_key = view->link->recipient.key,
                                           .created_before = INT64_MAX,
                                           .before_id = INT64_MAX,
                                           .limit = ROWS};
    part_begin_at(visit, "notices", N_("Which partners were told of a \"no\""));
    part_text(visit, N_("After a withdrawal or an objection the partners concerned are told, so "
                        "that they stop elsewhere, too."));
    enum result result =
        registry_deliveries(visit->registry, &filter, notice_row, &notices, view->err);
    if (notices.n > 0)
        grid_end(visit);
    if (result == RESULT_OK)
        result =
            registry_unspread_notices(visit->registry, false, see_pending, &notices, view->err);
    if (notices.pending)
        part_text(visit, N_("A \"no\" has just been recorded: the gateway is finding out which "
                            "partners are to be told. Look again in a minute."));
    else if (notices.n == 0)
        part_empty(visit,
                   N_("Nobody was to be told: there was no \"no\", or it concerned no partner that "
                      "knew the person."),
                   NULL, NULL);
    foresee(&notices);
    tell_yourself(&notices);
    if (result == RESULT_OK)
        result = registry_identifiers(visit->registry, view->link->recipient.key, identifier_row,
                                      &identifiers, view->err);
    if (identifiers.n > 0)
        grid_end(visit);
    part_end(visit);
    return result;
}

/* ---- who looked ---- */

struct accesses {
    struct person_view *view;
    unsigned n;
};

static bool access_row(void *arg, const struct log_access *access)
{
    static const char *const heads[] = {N_("When"),    N_("Who"),    N_("What"),
                                        N_("Partner"), N_("Answer"), NULL};
    struct accesses *accesses = arg;
    struct visit *visit = accesses->view->visit;
    enum reason reason;
    if (accesses->n++ == 0)
        grid_begin(visit, N_("Looks and acts"), heads);
    page_row(&visit->page);
    cell_time(visit, access->at);
    page_raw(&visit->page, "<td>");
    explained_who(visit, given(access->who));
    page_raw(&visit->page, "</td>");
    page_raw(&visit->page, "<td class=\"words\">");
    code_add(visit, tr(visit->language, officer_act(given(access->act))), given(access->act));
    page_raw(&visit->page, "</td>");
    page_cell(&visit->page,
              access->partner != NULL ? person_view_partner(accesses->view, access->partner) : "");
    if (access->answer != NULL && reason_parse(access->answer, &reason))
        cell_code(visit, word_reason(visit->language, access->answer), access->answer);
    else if (officer_access_answer(given(access->answer)) != NULL)
        page_cell(&visit->page, tr(visit->language, officer_access_answer(access->answer)));
    else
        page_code(&visit->page, given(access->answer));
    return !visit->page.html.failed;
}

enum result person_accesses_part(struct person_view *view)
{
    struct visit *visit = view->visit;
    struct accesses accesses = {.view = view};
    part_begin_at(visit, "accesses", N_("Who looked at this, and who did something"));
    part_text(visit, N_("People in the console and programs over HTTP, the latest fifty; what is "
                        "handed out to the person has them all. Looking here is on record, too."));
    enum result result = journal_index_latest_accesses(visit->index, view->link->recipient.key,
                                                       ROWS, access_row, &accesses, view->err);
    if (accesses.n > 0)
        grid_end(visit);
    else
        part_empty(visit, N_("Nobody has before you, as far as the journal goes back."), NULL,
                   NULL);
    part_end(visit);
    return result;
}
