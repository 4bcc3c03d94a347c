/* SPDX-License-Identifier: Apache-2.0 */
/* Of a person's page: who may write to her, and why. */
#include "console/explained.h"
#include "console/layout.h"
#include "console/person.h"
#include "office/person_words.h"
#include "office/words.h"

#include <string.h>

#define LINES_MOST 12

static const enum channel channel_order[] = {CHANNEL_EMAIL, CHANNEL_SMS, CHANNEL_CALL,
                                             CHANNEL_AUTOCALL, CHANNEL_POST};
enum { CHANNELS = sizeof(channel_order) / sizeof(channel_order[0]) };

static const struct person_answer *answer_to(const struct person_partner *partner,
                                             enum channel channel, enum purpose purpose)
{
    for (size_t i = 0; i < partner->n_answers; i++)
        if (partner->answers[i].channel == channel && partner->answers[i].purpose == purpose)
            return &partner->answers[i];
    return NULL;
}

/* ---- in a few sentences ---- */

static void line_of(struct person_view *view, const struct person_answer *answer)
{
    const struct past *history = &view->person->history;
    const struct past_event *event = past_event(history, answer->judgement.event);
    const struct question question = {
        .partner = answer->partner, .channel = answer->channel, .purpose = answer->purpose};
    char form[PAST_FORM];
    page_raw(&view->visit->page, "<li>");
    explained_line(view->visit, &question, &answer->judgement, history);
    if (event != NULL && event->form_id != NULL) {
        page_raw(&view->visit->page, " ");
        part_link_named(view->visit, explained_form_path(view->visit, event),
                        past_form_name(event, form));
    }
    page_raw(&view->visit->page, "</li>\n");
}

/* Whoever may write, a line each. */
static size_t permitted(struct person_view *view)
{
    const struct person *person = view->person;
    size_t n = 0;
    for (size_t i = 0; i < person->n_partners; i++)
        for (size_t j = 0; j < CHANNELS; j++) {
            const struct person_answer *answer =
                answer_to(&person->partners[i], channel_order[j], PURPOSE_RECEIPT);
            if (answer != NULL && answer->judgement.verdict == VERDICT_PASS && n++ < LINES_MOST)
                line_of(view, answer);
        }
    return n;
}

/* ---- what the person said no to ---- */

bool person_is_no(const struct judgement *judgement)
{
    return judgement->reason == REASON_WITHDRAWN || judgement->reason == REASON_OBJECTED;
}

/* Whether this "no" is why the partner may not write, or would be were it not suspended,
 * too. */
static bool is_stopped_by(const struct person_partner *partner, const struct past_event *event)
{
    const struct person_answer *answer = answer_to(partner, event->channel, PURPOSE_RECEIPT);
    return answer != NULL && answer->beneath.event == event->id && person_is_no(&answer->beneath);
}

static size_t n_everybody(const struct person *person)
{
    return person->n_partners + person->n_others;
}

/* Those that concern her, and then the rest. */
static const struct person_partner *everybody(const struct person *person, size_t i)
{
    return i < person->n_partners ? &person->partners[i] : &person->others[i - person->n_partners];
}

/* Whether both stop the very same partners: what was said once is then told once. */
static bool stop_the_same(const struct person *person, const struct past_event *one,
                          const struct past_event *other)
{
    if (one->occurred_at != other->occurred_at || one->kind != other->kind ||
        one->channel == other->channel)
        return false;
    for (size_t i = 0; i < n_everybody(person); i++)
        if (is_stopped_by(everybody(person, i), one) != is_stopped_by(everybody(person, i), other))
            return false;
    return true;
}

static bool stops_any(const struct person *person, const struct past_event *event)
{
    for (size_t i = 0; i < n_everybody(person); i++)
        if (is_stopped_by(everybody(person, i), event))
            return true;
    return false;
}
/* Events of one moment stand side by side. */
static bool told_before(const struct past *history, const struct person *person, size_t index)
{
    const struct past_event *event = &history->events[index];
    for (size_t i = index + 1; i < history->n_events; i++) {
        if (history->events[i].occurred_at != event->occurred_at)
            return false;
        if (stop_the_same(person, &history->events[i], event))
            return true;
    }
    return false;
}

static void stopped_channels(struct person_view *view, size_t index)
{
    struct visit *visit = view->visit;
    const struct past *history = &view->person->history;
    const struct past_event *event = &history->events[index];
    unsigned channels = CHANNEL_BIT(event->channel);
    for (size_t i = index; i > 0 && history->events[i - 1].occurred_at == event->occurred_at; i--)
        if (stop_the_same(view->person, event, &history->events[i - 1]))
            channels |= CHANNEL_BIT(history->events[i - 1].channel);
    for (size_t i = 0, n = 0; i < CHANNELS; i++) {
        if ((channels & CHANNEL_BIT(channel_order[i])) == 0)
            continue;
        page_raw(&visit->page, n++ > 0 ? ", " : "");
        page_tr(&visit->page, person_by_channel(channel_order[i]));
    }
}

/* "The person objected on 3 March 2026. That stops offers by e-mail, by post from: ACME, Beta." */
static bool no_line(struct person_view *view, size_t index)
{
    const struct person *person = view->person;
    struct visit *visit = view->visit;
    const struct past_event *event = &person->history.events[index];
    if (!stops_any(person, event) || told_before(&person->history, person, index))
        return false;
    page_raw(&visit->page, "<li><strong>");
    explained_event_line(visit, event);
    page_raw(&visit->page, "</strong> ");
    page_tr(&visit->page, N_("That stops offers"));
    page_raw(&visit->page, " ");
    stopped_channels(view, index);
    page_raw(&visit->page, " ");
    page_tr(&visit->page, N_("from these partners:"));
    for (size_t i = 0, n = 0; i < n_everybody(person); i++)
        if (is_stopped_by(everybody(person, i), event)) {
            page_raw(&visit->page, n++ > 0 ? ", " : " ");
            page_text(&visit->page, everybody(person, i)->partner->name);
        }
    page_raw(&visit->page, ".</li>\n");
    return true;
}

/* What the person said no to, the newest first. */
static size_t stopped(struct person_view *view)
{
    const struct past *history = &view->person->history;
    size_t n = 0;
    for (size_t i = history->n_events; i > 0 && n < LINES_MOST; i--)
        if (!past_is_grant(&history->events[i - 1]))
            n += no_line(view, i - 1);
    return n;
}

/* ---- what goes out though the rules say no ---- */

static bool sends_on(const struct config *config, const struct partner *partner,
                     enum channel channel)
{
    for (size_t i = 0; i < config->n_streams; i++)
        if (config->streams[i].terms.partner == partner &&
            config->streams[i].terms.channel == channel)
            return true;
    return false;
}

static bool is_let_through(const struct person_answer *answer)
{
    const struct judgement *judgement = &answer->judgement;
    return answer->purpose == PURPOSE_RECEIPT && judgement->verdict != VERDICT_PASS &&
           policy_effect(answer->partner->mode, judgement->verdict, judgement->reason) ==
               EFFECT_PASSED;
}

static bool lets_through(const struct config *config, const struct person_partner *partner)
{
    for (size_t i = 0; i < partner->n_answers; i++)
        if (is_let_through(&partner->answers[i]) &&
            sends_on(config, partner->partner, partner->answers[i].channel))
            return true;
    return false;
}

static void let_through(struct person_view *view)
{
    const struct person *person = view->person;
    struct page *page = &view->visit->page;
    size_t n = 0;
    for (size_t i = 0; i < n_everybody(person); i++) {
        if (!lets_through(person->from.config, everybody(person, i)))
            continue;
        if (n == 0) {
            page_raw(page, "<li><strong>");
            page_tr(page, N_("Though the rules say no, messages of these partners still go out, "
                             "because they are only being observed:"));
            page_raw(page, "</strong>");
        }
        page_raw(page, n++ > 0 ? ", " : " ");
        page_text(page, everybody(person, i)->partner->name);
    }
    if (n > 0)
        page_raw(page, ".</li>\n");
}

static bool any_let_through(const struct person *person)
{
    for (size_t i = 0; i < n_everybody(person); i++)
        if (lets_through(person->from.config, everybody(person, i)))
            return true;
    return false;
}

static void in_short(struct person_view *view)
{
    page_raw(&view->visit->page, "<ul>\n");
    size_t passing = permitted(view);
    if (passing == 0 && any_let_through(view->person))
        page_element_tr(&view->visit->page, "li",
                        N_("By the rules, no partner may send this person offers now."));
    else if (passing == 0)
        page_element_tr(&view->visit->page, "li",
                        N_("No partner may send this person offers now."));
    let_through(view);
    size_t no = stopped(view);
    page_raw(&view->visit->page, "</ul>\n");
    if (passing > LINES_MOST || no == LINES_MOST)
        part_text(view->visit, N_("Not all are named here; the table has every one."));
}

/* ---- the table ---- */

struct counts {
    uint64_t decided, passed;
};

static struct counts count(const struct person *person, const char *partner, const char *channel)
{
    struct counts counts = {0};
    for (size_t i = 0; i < person->n_sums; i++) {
        const struct person_sum *sum = &person->sums[i];
        if (strcmp(sum->partner, partner) != 0 || strcmp(sum->channel, channel) != 0)
            continue;
        counts.decided += sum->count;
        counts.passed += person_sum_passed(sum) ? sum->count : 0;
    }
    return counts;
}

/* Of a partner that is only observed, what is answered is not always what is done. */
static void verdict_badges(struct visit *visit, const struct person_answer *answer)
{
    verdict_add(visit, verdict_name(answer->judgement.verdict));
    if (is_let_through(answer)) {
        page_raw(&visit->page, " ");
        badge_add(visit, "warn", N_("observed: let through"));
    }
}

/* Verdict, reason, and the form and day of the event behind it. A "no" is said behind a suspension,
 * too. */
static void answer_cell(struct person_view *view, const struct person_answer *answer)
{
    struct visit *visit = view->visit;
    const struct judgement *judgement = &answer->judgement;
    const struct judgement *ground = person_is_no(&answer->beneath) ? &answer->beneath : judgement;
    const char *code = reason_name(judgement->reason), *also = reason_name(ground->reason);
    const struct past_event *event = past_event(&view->person->history, ground->event);
    char form[PAST_FORM];
    page_raw(&visit->page, "<td class=\"words\">");
    verdict_badges(visit, answer);
    page_raw(&visit->page, "<br>");
    code_add(visit, word_reason(visit->language, code), code);
    if (ground->reason != judgement->reason) {
        page_raw(&visit->page, "<br>");
        code_add(visit, word_reason(visit->language, also), also);
    }
    if (event != NULL) {
        page_raw(&visit->page, "<br><span class=\"note\">");
        page_tr(&visit->page, N_("since"));
        page_raw(&visit->page, " ");
        date_add(visit, event->occurred_at);
        if (event->form_id != NULL) {
            page_raw(&visit->page, " · ");
            part_link_named(visit, explained_form_path(visit, event), past_form_name(event, form));
        }
        page_raw(&visit->page, "</span>");
    }
    page_raw(&visit->page, "</td>");
}

static void explain_cell(struct visit *visit, const struct person_answer *answer)
{
    struct strbuf path = {0};
    strbuf_add_str(&path, visit->path);
    strbuf_add_str(&path, "?partner=");
    visit_add_encoded(&path, answer->partner->id);
    strbuf_add_format(&path, "&channel=%s#why", channel_name(answer->channel));
    page_raw(&visit->page, "<td>");
    part_link(visit, path.failed ? visit->path : path.data, N_("Explain"));
    page_raw(&visit->page, "</td>");
    visit->page.html.failed = visit->page.html.failed || path.failed;
    strbuf_free(&path);
}

static void partner_cell(struct visit *visit, const struct partner *partner, enum channel channel)
{
    struct strbuf path = {0};
    strbuf_add_str(&path, "/console/partners/");
    visit_add_encoded(&path, partner->id);
    page_raw(&visit->page, "<td>");
    part_link_named(visit, path.failed ? "/console/partners" : path.data, partner->name);
    page_raw(&visit->page, "<br>");
    page_text(&visit->page, word_channel(visit->language, channel_name(channel)));
    page_raw(&visit->page, "</td>");
    visit->page.html.failed = visit->page.html.failed || path.failed;
    strbuf_free(&path);
}

/* Whether the partner sends on the channel, or the person ever said something about it. */
static bool in_use(const struct person *person, const struct partner *partner, enum channel channel)
{
    if (sends_on(person->from.config, partner, channel))
        return true;
    for (size_t i = 0; i < person->history.n_events; i++)
        if (person->history.events[i].channel == channel)
            return true;
    return false;
}

static void standing_row(struct person_view *view, const struct person_partner *partner,
                         enum channel channel)
{
    struct visit *visit = view->visit;
    const struct person_answer *message = answer_to(partner, channel, PURPOSE_RECEIPT);
    const struct person_answer *transfer = answer_to(partner, channel, PURPOSE_TRANSMISSION);
    if (message == NULL || transfer == NULL)
        return;
    struct counts counts = count(view->person, partner->partner->id, channel_name(channel));
    if (message->judgement.verdict != VERDICT_PASS && counts.decided == 0 &&
        !in_use(view->person, partner->partner, channel))
        return;
    page_row(&visit->page);
    partner_cell(visit, partner->partner, channel);
    answer_cell(view, message);
    page_raw(&visit->page, "<td>");
    verdict_badges(visit, transfer);
    page_raw(&visit->page, "</td>");
    page_number(&visit->page, (int64_t)counts.decided);
    page_number(&visit->page, (int64_t)counts.passed);
    explain_cell(visit, message);
}

/* Whether the person said no to it: it is named with that "no". */
static bool is_refused(const struct person_partner *partner)
{
    for (size_t i = 0; i < partner->n_answers; i++)
        if (person_is_no(&partner->answers[i].beneath))
            return true;
    return false;
}

static void others(struct person_view *view)
{
    const struct person *person = view->person;
    struct page *page = &view->visit->page;
    size_t n = 0;
    for (size_t i = 0; i < person->n_others; i++) {
        if (is_refused(&person->others[i]))
            continue;
        if (n == 0) {
            page_raw(page, "<p>");
            page_tr(page, N_("Nothing on record says that the person ever heard of these partners; "
                             "by the rules they may neither send offers nor receive the data for "
                             "that:"));
        }
        page_raw(page, n++ > 0 ? ", " : " ");
        page_text(page, person->others[i].partner->name);
    }
    if (n > 0)
        page_raw(page, ".</p>\n");
}

void person_summary_part(struct person_view *view)
{
    static const char *const heads[] = {N_("Partner and channel"),
                                        N_("May it send offers, and why"),
                                        N_("Passing the data on"),
                                        N_("#Decisions"),
                                        N_("#Let through"),
                                        N_("Rule by rule"),
                                        NULL};
    const struct person *person = view->person;
    part_begin(view->visit, N_("Who may write to this person now"));
    in_short(view);
    if (person->n_partners > 0) {
        grid_begin(view->visit, N_("Partners and channels"), heads);
        for (size_t i = 0; i < person->n_partners; i++)
            for (size_t j = 0; j < CHANNELS; j++)
                standing_row(view, &person->partners[i], channel_order[j]);
        grid_end(view->visit);
    }
    others(view);
    part_text(view->visit, N_("The gateway asks anew for each message; this is how it would answer "
                              "now. Service messages, such as a receipt, need no consent and are "
                              "not meant."));
    part_end(view->visit);
}

/* ---- why ---- */

static enum result explain(struct person_view *view, const struct question *question)
{
    struct visit *visit = view->visit;
    const struct past *history = &view->person->history;
    const struct facts *facts = NULL;
    struct explanation explanation;
    enum result result = registry_facts(visit->registry, view->link->recipient.key,
                                        question->partner->id, NULL, &facts, view->err);
    if (result == RESULT_OK)
        result = explanation_make(question, facts, &view->link->recipient, history, &explanation,
                                  view->err);
    if (result != RESULT_OK)
        return result;
    const struct past_event *event = past_event(history, explanation.judgement.event);
    explained_answer(visit, &explanation);
    explained_rules(visit, &explanation.trace);
    if (event != NULL) {
        page_element_tr(&visit->page, "h3", N_("What it rests on"));
        explained_event(visit, event);
    }
    if (explanation.n_grants > 0)
        page_element_tr(&visit->page, "h3", N_("Each consent by itself"));
    explained_grants(visit, &explanation);
    explanation_free(&explanation);
    return RESULT_OK;
}

/* Any partner and channel may be asked about, also one she never heard of. */
static void ask_another(struct person_view *view, const struct partner *partner,
                        enum channel channel)
{
    struct visit *visit = view->visit;
    const struct config *config = visit->config;
    struct option channels[CHANNEL_COUNT];
    size_t n = 0;
    struct option *partners =
        arena_alloc(visit->arena, (config->n_partners + 1) * sizeof(*partners));
    if (partners == NULL || config->n_partners == 0) {
        visit->page.html.failed = visit->page.html.failed || partners == NULL;
        return;
    }
    for (size_t i = 0; i < config->n_partners; i++)
        partners[i] = (struct option){config->partners[i].id, config->partners[i].name, false};
    for (size_t i = 0; i < CHANNELS; i++) {
        const char *name = channel_name(channel_order[i]);
        if ((view->person->channels & CHANNEL_BIT(channel_order[i])) != 0)
            channels[n++] = (struct option){name, word_channel(visit->language, name), false};
    }
    filter_begin(visit);
    select_field(visit, "partner", N_("Partner"), partners, config->n_partners,
                 partner != NULL ? partner->id : "");
    select_field(visit, "channel", N_("Channel"), channels, n,
                 partner != NULL ? channel_name(channel) : "");
    filter_end(visit, N_("Explain"));
}

enum result person_why_part(struct person_view *view)
{
    struct visit *visit = view->visit;
    enum channel channel = CHANNEL_EMAIL;
    const struct partner *partner = config_partner(visit->config, visit_id_field(visit, "partner"));
    bool asked = partner != NULL && channel_parse(visit_field(visit, "channel"), &channel) &&
                 (view->person->channels & CHANNEL_BIT(channel)) != 0;
    enum result result = RESULT_OK;
    part_begin_at(visit, "why", N_("Why, rule by rule"));
    if (asked) {
        const struct question question = {
            .partner = partner,
            .policy = &visit->config->policies[channel],
            .channel = channel,
            .purpose = PURPOSE_RECEIPT,
            .now = visit->now,
        };
        result = explain(view, &question);
    } else {
        part_text(visit, N_("Choose a partner and a channel to see each rule and what it found."));
    }
    ask_another(view, asked ? partner : NULL, channel);
    part_end(visit);
    return result;
}
