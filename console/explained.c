/* SPDX-License-Identifier: Apache-2.0 */
#include "console/explained.h"

#include "console/layout.h"
#include "office/officer_words.h"
#include "office/person_words.h"
#include "office/words.h"

#include <inttypes.h>
#include <string.h>

#define GRANTS_MOST 100

/* Each %s of a translated sentence in its turn, as text; at most two. */
static void add_filled(struct visit *visit, const char *sentence, const char *one, const char *two)
{
    const char *const values[] = {one, two};
    const char *at = tr(visit->language, sentence);
    size_t n = 0;
    for (const char *hole; n < 2 && (hole = strstr(at, "%s")) != NULL; at = hole + 2) {
        const char *before = arena_copy(visit->arena, at, (size_t)(hole - at));
        visit->page.html.failed = visit->page.html.failed || before == NULL;
        page_text(&visit->page, before != NULL ? before : "");
        page_text(&visit->page, values[n++]);
    }
    page_text(&visit->page, at);
}

void explained_event_line(struct visit *visit, const struct past_event *event)
{
    const char *at = tr(visit->language, officer_event_on(event));
    const char *hole = strstr(at, "%s");
    const char *before = hole != NULL ? arena_copy(visit->arena, at, (size_t)(hole - at)) : at;
    visit->page.html.failed = visit->page.html.failed || before == NULL;
    page_text(&visit->page, before != NULL ? before : "");
    if (hole == NULL)
        return;
    date_add(visit, event->occurred_at);
    page_text(&visit->page, hole + 2);
}

/* Whether the event says by itself why. */
static bool speaks(const struct judgement *judgement, const struct past_event *event)
{
    return event != NULL &&
           (judgement->verdict == VERDICT_PASS || judgement->reason == REASON_WITHDRAWN ||
            judgement->reason == REASON_OBJECTED);
}

void explained_line(struct visit *visit, const struct question *question,
                    const struct judgement *judgement, const struct past *history)
{
    const char *code = reason_name(judgement->reason);
    const struct past_event *event = past_event(history, judgement->event);
    const char *note = officer_consent_note(judgement->reason);
    page_raw(&visit->page, "<strong>");
    add_filled(visit, officer_answer(question->purpose, judgement->verdict, judgement->reason),
               question->partner->name, tr(visit->language, person_by_channel(question->channel)));
    page_raw(&visit->page, "</strong> ");
    if (!speaks(judgement, event)) {
        code_add(visit, word_reason(visit->language, code), code);
        if (note != NULL) {
            page_raw(&visit->page, " ");
            page_tr(&visit->page, note);
        }
        return;
    }
    explained_event_line(visit, event);
    page_raw(&visit->page, " <code>");
    page_text(&visit->page, code);
    page_raw(&visit->page, "</code>");
}

void explained_answer(struct visit *visit, const struct explanation *explanation)
{
    page_raw(&visit->page, "<p class=\"answer\">");
    verdict_add(visit, verdict_name(explanation->judgement.verdict));
    page_raw(&visit->page, " ");
    explained_line(visit, explanation->question, &explanation->judgement, explanation->history);
    page_raw(&visit->page, "</p>\n");
}

void explained_rules(struct visit *visit, const struct trace *trace)
{
    static const char *const heads[] = {N_("Rule"), N_("Finding"), N_("In words"), NULL};
    static const char *const kinds[] = {
        [FINDING_HOLDS] = "good", [FINDING_FAILS] = "bad", [FINDING_SKIPPED] = ""};
    static const char *const findings[] = {[FINDING_HOLDS] = N_("met"),
                                           [FINDING_FAILS] = N_("not met"),
                                           [FINDING_SKIPPED] = N_("not asked")};
    part_text(visit, N_("The rules are asked in this order. The first that is not met decides; "
                        "those behind it are not asked any more."));
    grid_begin(visit, N_("The rules that were asked"), heads);
    for (size_t i = 0; i < trace->count; i++) {
        const struct trace_step *step = &trace->steps[i];
        const char *words = officer_rule(step);
        page_row(&visit->page);
        page_cell(&visit->page, step->rule);
        page_raw(&visit->page, "<td>");
        badge_add(visit, kinds[step->finding], findings[step->finding]);
        page_raw(&visit->page, "</td>");
        cell_code(visit, words != NULL ? tr(visit->language, words) : step->note,
                  step->finding == FINDING_FAILS ? reason_name(step->reason) : "");
    }
    grid_end(visit);
}

/* ---- an event ---- */

const char *explained_form_path(struct visit *visit, const struct past_event *event)
{
    struct strbuf path = {0};
    if (event->form_id == NULL)
        return NULL;
    strbuf_add_str(&path, "/console/forms/");
    visit_add_encoded(&path, event->form_id);
    strbuf_add_format(&path, "/%d", event->form_version);
    const char *out = path.failed ? NULL : arena_str(visit->arena, path.data);
    visit->page.html.failed = visit->page.html.failed || out == NULL;
    strbuf_free(&path);
    return out;
}

static void form_of(struct visit *visit, const struct past_event *event)
{
    char name[PAST_FORM];
    const char *path = explained_form_path(visit, event);
    fact_open(visit, N_("Form"));
    if (path == NULL) {
        page_tr(&visit->page, N_("none"));
    } else if (event->form == NULL) {
        page_text(&visit->page, past_form_name(event, name));
        page_raw(&visit->page, " ");
        badge_add(visit, "warn", N_("never registered"));
    } else {
        part_link_named(visit, path, past_form_name(event, name));
        if (event->form->invalidated_at != 0) {
            page_raw(&visit->page, " ");
            badge_add(visit, "bad", N_("invalidated"));
        }
    }
    fact_close(visit);
}

/* What partners it names, by what the configuration calls them. */
static void partners_of(struct visit *visit, const struct past_event *event)
{
    struct page *page = &visit->page;
    fact_open(visit, N_("Partners"));
    if (event->partners[0] == '\0')
        page_tr(page, past_is_grant(event) ? N_("those of the form's list") : N_("all partners"));
    for (const char *at = event->partners; *at != '\0';) {
        size_t length = strcspn(at, "|");
        const char *id = arena_copy(visit->arena, at, length);
        const struct partner *partner = id != NULL ? config_partner(visit->config, id) : NULL;
        page->html.failed = page->html.failed || id == NULL;
        page_text(page, partner != NULL ? partner->name : id != NULL ? id : "");
        at += length;
        if (*at == '|') {
            page_raw(page, ", ");
            at++;
        }
    }
    fact_close(visit);
}

static void wording_of(struct visit *visit, const struct past_event *event)
{
    struct page *page = &visit->page;
    if (event->form == NULL)
        return;
    page_element_tr(page, "p", N_("What was shown, in these words:"));
    page_raw(page, "<blockquote lang=\"");
    page_text(page, event->form->form->language);
    page_raw(page, "\">");
    page_text(page, event->form->form->wording);
    page_raw(page, "</blockquote>\n");
}

void explained_who(struct visit *visit, const char *who)
{
    struct strbuf text = {0};
    officer_who(&text, visit->language, who);
    page_text(&visit->page, text.data != NULL ? text.data : "");
    visit->page.html.failed = visit->page.html.failed || text.failed;
    strbuf_free(&text);
}

static void recorded_by(struct visit *visit, const char *origin)
{
    if (origin[0] == '\0')
        return;
    fact_open(visit, N_("Recorded by"));
    explained_who(visit, origin);
    fact_close(visit);
}

void explained_event(struct visit *visit, const struct past_event *event)
{
    facts_begin(visit);
    fact_open(visit, N_("What happened"));
    code_add(visit, tr(visit->language, officer_event(event)), event_kind_name(event->kind));
    fact_close(visit);
    fact_time(visit, N_("When"), event->occurred_at);
    fact_code(visit, N_("Channel"), word_channel(visit->language, channel_name(event->channel)),
              channel_name(event->channel));
    partners_of(visit, event);
    if (past_is_grant(event) || event->form_id != NULL)
        form_of(visit, event);
    if (past_is_grant(event))
        fact_code(visit, N_("Legal basis"), word_basis(visit->language, basis_name(event->basis)),
                  basis_name(event->basis));
    if (event->form != NULL)
        fact(visit, N_("Collected by"), event->form->form->collector_name);
    fact(visit, N_("Objection to what this collector brought"), event->collector);
    fact(visit, N_("Supplier"), event->supplier);
    if (event->evidence[0] != '\0')
        fact(visit, N_("Evidence"), event->evidence);
    else
        fact_tr(visit, N_("Evidence"), N_("none on record"));
    fact_time(visit, N_("Recorded"), event->recorded_at);
    recorded_by(visit, event->origin);
    fact_number(visit, N_("Event"), event->id);
    facts_end(visit);
    wording_of(visit, event);
}

/* ---- all grants ---- */

static void grant_row(struct visit *visit, const struct explanation *explanation,
                      const struct explained_grant *grant)
{
    const struct past_event *event = past_find(explanation->history, grant->occurred_at, grant->id);
    const char *code = reason_name(grant->reason);
    char form[PAST_FORM] = "";
    page_row(&visit->page);
    cell_time(visit, grant->occurred_at);
    page_cell(&visit->page,
              event != NULL ? word_channel(visit->language, channel_name(event->channel)) : "");
    page_code(&visit->page, event != NULL ? past_form_name(event, form) : "");
    page_raw(&visit->page, "<td>");
    badge_add(visit, grant->passes ? "good" : "bad",
              grant->passes ? N_("would do by itself") : N_("would not do"));
    page_raw(&visit->page, "</td>");
    cell_code(visit, word_reason(visit->language, code), code);
}

void explained_grants(struct visit *visit, const struct explanation *explanation)
{
    static const char *const heads[] = {N_("Given on"),  N_("Channel"), N_("Form"),
                                        N_("By itself"), N_("Why"),     NULL};
    size_t n = explanation->n_grants;
    if (n == 0)
        return;
    part_text(visit, N_("Each consent on record is looked at by itself; one that does is enough, "
                        "unless a rule before them stops the message."));
    grid_begin(visit, N_("What each consent on record comes to"), heads);
    for (size_t i = n; i > 0 && n - i < GRANTS_MOST; i--)
        grant_row(visit, explanation, &explanation->grants[i - 1]);
    grid_end(visit);
    if (n > GRANTS_MOST)
        part_text(visit, N_("Only the newest hundred are shown."));
}
