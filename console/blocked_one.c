/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One decision by its reference: what was answered and why, what it rested on, the rules asked
 * again of what was known then and of what is known now, who looked at it, and how it is proven.
 */
#include "console/decisions.h"
#include "console/explained.h"
#include "console/layout.h"
#include "console/pages.h"
#include "office/person_words.h"
#include "office/then.h"
#include "office/words.h"
#include "store/index_person.h"
#include "store/registry_view.h"

#include <string.h>

#define THEN_BYTES (64u * 1024 * 1024) /* as much as the registry's own answer may take */
#define LOOKS_MOST 20

/* The rules asked again at some moment. */
struct asked {
    bool done;
    struct question question;
    struct explanation explanation; /* owned where done */
};

struct look {
    int64_t at;
    const char *who;
};

struct story {
    struct visit *visit;
    struct log_entry entry; /* texts in the visit's arena */
    bool found;
    enum channel channel;
    enum purpose purpose;
    enum verdict verdict;
    enum reason reason;
    struct recipient recipient; /* key and mask; has_person */
    bool has_person;
    const struct partner *partner; /* of the configuration; NULL: it is no longer in it */
    struct partner stranger;       /* what it is called then */
    struct past history;           /* owned */
    const struct past_event *event;
    struct arena *then_arena; /* owned */
    struct then then;
    struct asked was, now;
    struct look looks[LOOKS_MOST]; /* a ring */
    size_t n_looks;
    bool failed; /* no memory */
};

/* ---- reading ---- */

static const char *kept(struct story *story, const char *text)
{
    const char *copy = text != NULL ? arena_str(story->visit->arena, text) : NULL;
    story->failed = story->failed || (text != NULL && copy == NULL);
    return copy;
}

static bool take_entry(void *arg, const struct log_entry *entry)
{
    struct story *story = arg;
    struct log_entry *own = &story->entry;
    *own = *entry;
    const char **const texts[] = {
        &own->id,       &own->at,           &own->gateway,        &own->session,  &own->partner,
        &own->stream,   &own->account,      &own->channel,        &own->purpose,  &own->recipient,
        &own->verdict,  &own->reason,       &own->effect,         &own->mode,     &own->policy,
        &own->provider, &own->outcome,      &own->provider_reply, &own->queue_id, &own->hash,
        &own->list,     &own->recipient_key};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        *texts[i] = kept(story, *texts[i]);
    story->found = true;
    return false;
}

static const char *or_nothing(const char *text)
{
    return text != NULL ? text : "";
}

/* What the words of the entry stand for. A word of a later version is none of ours. */
static bool understand(struct story *story)
{
    const struct log_entry *entry = &story->entry;
    const char *key = or_nothing(entry->recipient_key);
    const char *partner = or_nothing(entry->partner);
    story->stranger = (struct partner){.id = partner, .name = partner, .siren = ""};
    story->partner = config_partner(story->visit->config, partner);
    story->has_person =
        hex_decode(key, strlen(key), story->recipient.key, sizeof(story->recipient.key));
    str_copy(story->recipient.masked, sizeof(story->recipient.masked),
             or_nothing(entry->recipient));
    return channel_parse(or_nothing(entry->channel), &story->channel) &&
           purpose_parse(or_nothing(entry->purpose), &story->purpose) &&
           verdict_parse(or_nothing(entry->verdict), &story->verdict) &&
           reason_parse(or_nothing(entry->reason), &story->reason);
}

static const struct stream *stream_of(const struct story *story)
{
    const struct config *config = story->visit->config;
    for (size_t i = 0; story->entry.stream != NULL && i < config->n_streams; i++) {
        const struct stream *stream = &config->streams[i].terms;
        if (stream->partner == story->partner && stream->channel == story->channel &&
            strcmp(stream->id, story->entry.stream) == 0)
            return stream;
    }
    return NULL;
}

static struct question question_at(const struct story *story, int64_t at)
{
    return (struct question){
        .partner = story->partner,
        .stream = story->purpose == PURPOSE_RECEIPT ? stream_of(story) : NULL,
        .policy = &story->visit->config->policies[story->channel],
        .channel = story->channel,
        .purpose = story->purpose,
        .now = at,
    };
}

static enum result ask(struct story *story, struct asked *asked, int64_t at,
                       const struct facts *facts, struct error *err)
{
    asked->question = question_at(story, at);
    enum result result = explanation_make(&asked->question, facts, &story->recipient,
                                          &story->history, &asked->explanation, err);
    asked->done = result == RESULT_OK;
    return result;
}

/* Within one view of the registry: history and both sets of facts are of one moment. */
static enum result read_person(struct story *story, struct error *err)
{
    struct registry *registry = story->visit->registry;
    const uint8_t *key = story->recipient.key;
    const char *stream = story->purpose == PURPOSE_RECEIPT ? story->entry.stream : NULL;
    const struct facts *now = NULL;
    enum result result = past_read(registry, key, &story->history, err);
    if (result != RESULT_OK)
        return result;
    story->event = past_event(&story->history, story->entry.event);
    if (story->partner == NULL)
        return RESULT_OK;
    result = then_read(registry, key, story->partner->id, stream, story->entry.instant,
                       &story->history, story->then_arena, &story->then, err);
    if (result == RESULT_OK)
        result = ask(story, &story->was, story->entry.instant, &story->then.facts, err);
    if (result == RESULT_OK)
        result = registry_facts(registry, key, story->partner->id, stream, &now, err);
    if (result == RESULT_OK)
        result = ask(story, &story->now, story->visit->now, now, err);
    return result;
}

/* Of looks at the person those at this message; the newest are kept. */
static bool take_look(void *arg, const struct log_access *access)
{
    struct story *story = arg;
    if (access->subject == NULL || strcmp(access->subject, story->entry.id) != 0)
        return true;
    story->looks[story->n_looks++ % LOOKS_MOST] =
        (struct look){.at = access->at, .who = kept(story, or_nothing(access->who))};
    return !story->failed;
}

static enum result read_story(struct story *story, struct error *err)
{
    enum result result = registry_view_begin(story->visit->registry, err);
    if (result != RESULT_OK)
        return result;
    result = read_person(story, err);
    registry_view_end(story->visit->registry);
    if (result == RESULT_OK)
        result = journal_index_accesses(story->visit->index, story->recipient.key, take_look, story,
                                        err);
    return result == RESULT_OK && story->failed ? error_no_memory(err) : result;
}

static void story_free(struct story *story)
{
    if (story->was.done)
        explanation_free(&story->was.explanation);
    if (story->now.done)
        explanation_free(&story->now.explanation);
    past_free(&story->history);
    arena_free(&story->then_arena);
}

/* ---- the answer ---- */

static bool effect_is(const struct story *story, enum effect effect)
{
    return strcmp(or_nothing(story->entry.effect), effect_name(effect)) == 0;
}

static const char *title_of(const struct story *story)
{
    if (story->purpose == PURPOSE_TRANSMISSION)
        return N_("A row of a list that was screened");
    if (effect_is(story, EFFECT_REFUSED))
        return N_("A message that was blocked");
    if (effect_is(story, EFFECT_DEFERRED))
        return N_("A message that was deferred");
    if (effect_is(story, EFFECT_DISCARDED))
        return N_("A message that was discarded");
    if (effect_is(story, EFFECT_ABANDONED))
        return N_("A message that the partner gave up");
    return story->verdict == VERDICT_PASS ? N_("A message that passed")
                                          : N_("A message that was let through while observed");
}

static const char *what_was_done(const struct story *story)
{
    if (story->purpose == PURPOSE_TRANSMISSION)
        return story->verdict == VERDICT_PASS
                   ? N_("The list that was handed over had this person in it.")
                   : N_("This person was left out of the list that was handed over.");
    if (effect_is(story, EFFECT_REFUSED))
        return N_("The gate refused it to the partner at once: nothing was sent to the person.");
    if (effect_is(story, EFFECT_DEFERRED))
        return N_("The partner was told to try again later: nothing was sent to the person.");
    if (effect_is(story, EFFECT_DISCARDED))
        return N_("The partner was answered as if it had been sent, but nothing was sent to the "
                  "person.");
    if (effect_is(story, EFFECT_ABANDONED))
        return N_("The partner broke off before the end: nothing was sent to the person.");
    return story->verdict == VERDICT_PASS
               ? N_("It went on to the provider.")
               : N_("It went on to the provider all the same, because this partner was only "
                    "observed at that time. Had the rules been enforced, it would not have been "
                    "sent.");
}

static void answer(struct story *story)
{
    struct visit *visit = story->visit;
    struct question question = question_at(story, story->entry.instant);
    struct explanation recorded = {
        .question = &question,
        .recipient = &story->recipient,
        .history = &story->history,
        .judgement = {story->verdict, story->reason, story->entry.event, NULL, 0},
    };
    if (story->partner == NULL)
        question.partner = &story->stranger;
    part_begin(visit, N_("What was decided, and why"));
    explained_answer(visit, &recorded);
    page_raw(&visit->page, "<p>");
    time_add(visit, story->entry.instant);
    page_raw(&visit->page, " · ");
    page_tr(&visit->page, what_was_done(story));
    page_raw(&visit->page, "</p>\n");
    if (story->entry.outcome != NULL)
        part_sentence(visit, "p", N_("What became of it there: %s."),
                      tr(visit->language, person_outcome(story->entry.outcome)), NULL, NULL);
    part_end(visit);
}

/* ---- what it rests on ---- */

static bool is_nearest(const struct story *story)
{
    return story->verdict != VERDICT_PASS && past_is_grant(story->event);
}

/* Whether the consent was given for the partner that sent; true also where nothing can tell. */
static bool concerns_partner(const struct story *story, const struct past_event *event)
{
    const struct facts *facts = &story->then.facts;
    for (size_t i = 0; story->was.done && i < facts->n_events; i++) {
        const struct consent_event *grant = &facts->events[i];
        if (grant->id != event->id)
            continue;
        if (grant->names_partners)
            return grant->names_this_partner;
        return grant->form == NULL || grant->form->presence != PRESENCE_NEVER ||
               grant->form->n_categories > 0;
    }
    return true;
}

/* Of the consents that were on record when this was decided the newest that comes nearest: for this
 * partner, or else on this channel. NULL: there is none. */
static const struct past_event *agreed(const struct story *story)
{
    const struct past_event *found = NULL;
    int nearest = -1;
    for (size_t i = 0; i < story->history.n_events; i++) {
        const struct past_event *event = &story->history.events[i];
        if (!past_is_grant(event) || event->recorded_at > story->entry.instant)
            continue;
        int near = 2 * concerns_partner(story, event) + (event->channel == story->channel);
        if (near >= nearest) {
            nearest = near;
            found = event;
        }
    }
    return found;
}

/* Whether it would have let the message pass by itself. */
static bool sufficed(const struct story *story, const struct past_event *event)
{
    const struct explained_grant *grant =
        story->was.done ? explanation_grant(&story->was.explanation, event) : NULL;
    return grant != NULL && grant->passes;
}

/* Where it was stopped by a "no", by nothing said, or by something else than consent: what she had
 * agreed to all the same. */
static void agreement(struct story *story)
{
    const struct past_event *event = agreed(story);
    if (event == NULL || story->verdict == VERDICT_PASS ||
        (story->event != NULL && past_is_grant(story->event)))
        return;
    page_element_tr(&story->visit->page, "h3", N_("What the person had agreed to"));
    if (!concerns_partner(story, event))
        part_text(story->visit, N_("The latest consent that was on record by then; it was not "
                                   "given for this partner."));
    else if (sufficed(story, event))
        part_text(story->visit, N_("The latest consent that was on record by then. It counts: what "
                                   "stopped the message is not about consent."));
    else
        part_text(story->visit, N_("The latest consent that was on record by then; it does not "
                                   "count here, for the reason above."));
    explained_event(story->visit, event);
}

static void ground(struct story *story)
{
    struct visit *visit = story->visit;
    part_begin(visit, N_("What the person had said"));
    if (!story->has_person)
        part_text(visit, N_("Nobody had been named yet when this was decided."));
    else if (story->event != NULL && is_nearest(story))
        part_text(visit, N_("This is what came nearest to letting the message pass:"));
    else if (story->event != NULL)
        part_text(visit, N_("The decision rests on this:"));
    else if (story->entry.event != 0)
        part_text(visit, N_("The decision rests on something that is no longer on record: it was "
                            "erased at the end of its retention."));
    else if (story->history.n_events == 0)
        part_text(visit, N_("Nothing is on record of this person: no consent, no objection."));
    else
        part_text(visit, N_("The decision rests on nothing the person had said."));
    if (story->event != NULL)
        explained_event(visit, story->event);
    agreement(story);
    if (story->has_person && visit_may(visit, PERMIT_PERSONS)) {
        struct strbuf path = {0};
        decision_person_path(&path, story->entry.recipient_key);
        page_raw(&visit->page, "<p>");
        part_link(visit, path.failed ? "/console/persons" : path.data,
                  N_("All that is on record of this person"));
        page_raw(&visit->page, "</p>\n");
        strbuf_free(&path);
    }
    part_end(visit);
}

/* ---- the rules, then and now ---- */

/* Found in the message itself, or in the gate: not to be asked again. */
static bool asks_message(enum reason reason)
{
    switch (reason) {
    case REASON_SENDER_NOT_ALLOWED:
    case REASON_OPTOUT_MISSING:
    case REASON_IDENTITY_MISSING:
    case REASON_STOP_MISSING:
    case REASON_MALFORMED:
    case REASON_UNABLE:
        return true;
    default:
        return false;
    }
}

static void policy_note(struct story *story)
{
    const char *then = or_nothing(story->entry.policy);
    const char *now = story->was.question.policy->version;
    if (strcmp(then, now) != 0)
        part_sentence(story->visit, "p class=\"note\"",
                      N_("The rules' settings for this channel have been changed since (version %s "
                         "then, %s now): they are asked with those of now."),
                      then, now, NULL);
}

static void rules_then(struct story *story)
{
    struct visit *visit = story->visit;
    const struct judgement *judgement = &story->was.explanation.judgement;
    bool same = judgement->verdict == story->verdict && judgement->reason == story->reason &&
                judgement->event == story->entry.event;
    part_begin(visit, N_("The rules, as they were asked then"));
    if (asks_message(story->reason))
        part_text(visit,
                  N_("What stopped it was found in the message itself, or in the gate's own state, "
                     "of which nothing is kept: that cannot be asked again. Asked of the consents "
                     "on record at that moment alone, the rules say:"));
    else if (same)
        part_text(visit, N_("Asked again of what was on record at that moment, the rules come to "
                            "the same answer."));
    else if (story->then.near)
        part_notice(visit, "info",
                    N_("Something was recorded in the seconds around this message, and with it the "
                       "rules come to another answer. It counted once it was written, a moment "
                       "after it was asked for: this message was decided upon before that."),
                    NULL);
    else
        part_notice(visit, "warn",
                    N_("Asked again of what is left on record of that moment, the rules come to "
                       "another answer. Something they rest on has changed since without leaving "
                       "what was before: the configuration, a form's later version, or an event "
                       "that was erased. What counts is what the journal says above."),
                    NULL);
    policy_note(story);
    explained_rules(visit, &story->was.explanation.trace);
    part_end(visit);
}

static void rules_now(struct story *story)
{
    struct visit *visit = story->visit;
    part_begin(visit, N_("The same question today"));
    explained_answer(visit, &story->now.explanation);
    if (story->then.later > 0) {
        struct page *page = &visit->page;
        page_raw(page, "<p>");
        page_tr(page, N_("On record of the person since then:"));
        page_raw(page, " ");
        language_add_number(&page->html, visit->language, (int64_t)story->then.later);
        page_raw(page, "</p>\n");
    }
    act_fold_begin(visit, N_("The rules, asked now"));
    explained_rules(visit, &story->now.explanation.trace);
    explained_grants(visit, &story->now.explanation);
    act_fold_end(visit);
    part_end(visit);
}

static void rules(struct story *story)
{
    if (story->was.done)
        rules_then(story);
    if (story->now.done)
        rules_now(story);
    if (story->was.done)
        return;
    part_begin(story->visit, N_("The rules"));
    if (!story->has_person)
        part_text(story->visit, N_("It was refused before anybody was named, so that the rules on "
                                   "consent were not asked."));
    else
        part_text(story->visit, N_("This partner is no longer in the configuration, so that the "
                                   "rules cannot be asked again."));
    part_end(story->visit);
}

/* ---- the message, who looked, the proof ---- */

static void partner_fact(struct story *story)
{
    struct visit *visit = story->visit;
    struct strbuf path = {0};
    fact_open(visit, N_("Partner"));
    decision_partner_path(&path, or_nothing(story->entry.partner));
    if (story->partner != NULL)
        part_link_named(visit, path.failed ? "/console/partners" : path.data, story->partner->name);
    else
        page_text(&visit->page, story->stranger.name);
    fact_close(visit);
    strbuf_free(&path);
}

static void message(struct story *story)
{
    struct visit *visit = story->visit;
    const struct log_entry *entry = &story->entry;
    part_begin(visit, story->purpose == PURPOSE_TRANSMISSION ? N_("The row") : N_("The message"));
    part_text(visit, N_("Of a message only this is kept: no subject, no text, no address in "
                        "clear."));
    facts_begin(visit);
    fact(visit, N_("Reference"), entry->id);
    partner_fact(story);
    fact(visit, N_("Stream"), entry->stream);
    fact(visit, N_("Account"), entry->account);
    fact_code(visit, N_("Channel"), word_channel(visit->language, entry->channel), entry->channel);
    fact_code(visit, N_("Purpose"), word_purpose(visit->language, entry->purpose), entry->purpose);
    fact(visit, N_("Person"), entry->recipient);
    fact_code(visit, N_("Reason"), word_reason(visit->language, entry->reason), entry->reason);
    fact_code(visit, N_("What was done"),
              tr(visit->language, person_effect(or_nothing(entry->effect))),
              or_nothing(entry->effect));
    fact_code(visit, N_("Mode"), word_mode(visit->language, or_nothing(entry->mode)),
              or_nothing(entry->mode));
    fact(visit, N_("Provider"), entry->provider);
    fact(visit, N_("Provider's answer"), entry->provider_reply);
    fact(visit, N_("Provider's number for it"), entry->queue_id);
    if (entry->size >= 0)
        fact_number(visit, N_("Size in bytes"), entry->size);
    fact(visit, N_("Session"), entry->session);
    fact(visit, N_("Gateway"), entry->gateway);
    fact(visit, N_("Policy version"), entry->policy);
    fact(visit, N_("List (SHA-256)"), entry->list);
    facts_end(visit);
    part_end(visit);
}

static void looks(struct story *story)
{
    static const char *const heads[] = {N_("When"), N_("Who"), NULL};
    struct visit *visit = story->visit;
    size_t n = story->n_looks < LOOKS_MOST ? story->n_looks : LOOKS_MOST;
    if (!story->has_person)
        return;
    part_begin(visit, N_("Who looked at this"));
    if (n == 0) {
        part_empty(visit, N_("Nobody before you. That you looked is on record from now on."), NULL,
                   NULL);
    } else {
        grid_begin(visit, N_("Who looked at this, newest first"), heads);
        for (size_t i = 1; i <= n; i++) {
            const struct look *look = &story->looks[(story->n_looks - i) % LOOKS_MOST];
            page_row(&visit->page);
            cell_time(visit, look->at);
            page_raw(&visit->page, "<td>");
            explained_who(visit, look->who);
            page_raw(&visit->page, "</td>");
        }
        grid_end(visit);
    }
    part_end(visit);
}

static void proof(struct story *story)
{
    struct visit *visit = story->visit;
    part_begin(visit, N_("Proof"));
    part_text(visit,
              N_("This decision is a link in the journal's chain: its hash is made of what it "
                 "says and of the hash before it, so that nobody can change it later without "
                 "breaking the chain. Anybody can check that, without this program."));
    facts_begin(visit);
    fact_number(visit, N_("Row in the journal"), (int64_t)story->entry.seq);
    fact_open(visit, N_("Hash (SHA-256)"));
    page_raw(&visit->page, "<code>");
    page_text(&visit->page, or_nothing(story->entry.hash));
    page_raw(&visit->page, "</code>");
    fact_close(visit);
    facts_end(visit);
    page_raw(&visit->page, "<p>");
    part_link(visit, "/console/dossier", N_("Check the chain"));
    page_raw(&visit->page, "</p>\n");
    part_end(visit);
}

/* ---- the page ---- */

static bool note_look(const struct story *story)
{
    const struct log_entry *entry = &story->entry;
    return visit_note(story->visit, "decision.read",
                      &(struct access){.key = story->has_person ? story->recipient.key : NULL,
                                       .masked = story->has_person ? story->recipient.masked : NULL,
                                       .partner = entry->partner,
                                       .channel = entry->channel,
                                       .subject = entry->id});
}

static enum result show(struct story *story, struct error *err)
{
    struct visit *visit = story->visit;
    enum result result = story->has_person ? read_story(story, err) : RESULT_OK;
    if (result != RESULT_OK)
        return result;
    const struct layout layout = {.place = PLACE_BLOCKED,
                                  .title = title_of(story),
                                  .up = "/console/blocked",
                                  .up_name = N_("Blocked messages")};
    layout_begin(visit, &layout);
    answer(story);
    ground(story);
    rules(story);
    message(story);
    looks(story);
    proof(story);
    layout_end(visit);
    return note_look(story) ? RESULT_OK : error_no_memory(err);
}

enum result blocked_one_page(struct visit *visit, struct error *err)
{
    const struct log_filter filter = {
        .id = visit->tails[0], .since = INT64_MIN, .until = INT64_MAX, .limit = 1};
    struct story story = {.visit = visit};
    enum result result = journal_index_log(visit->index, &filter, take_entry, &story, err);
    if (result != RESULT_OK)
        return result;
    if (story.failed)
        return error_no_memory(err);
    if (!story.found)
        return visit_nothing(visit, N_("No decision has this reference: it may be misspelt, of "
                                       "another gateway, or erased at the end of its retention."));
    if (!understand(&story))
        return error_set(err, RESULT_DAMAGED, "decision %s holds an unknown word", story.entry.id);
    story.then_arena = arena_new(THEN_BYTES);
    result = story.then_arena != NULL ? show(&story, err) : error_no_memory(err);
    story_free(&story);
    return result;
}
