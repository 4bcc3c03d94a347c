/* SPDX-License-Identifier: Apache-2.0 */
#include "office/explain.h"

#include "base/language.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* ---- asking ---- */

static void keep_opinion(void *arg, const struct grant_opinion *opinion)
{
    struct explanation *explanation = arg;
    struct explained_grant *grants =
        realloc(explanation->grants, (explanation->n_grants + 1) * sizeof(*grants));
    if (grants == NULL) {
        explanation->failed = true;
        return;
    }
    explanation->grants = grants;
    struct explained_grant *grant = &grants[explanation->n_grants++];
    *grant = (struct explained_grant){
        .id = opinion->grant->id,
        .occurred_at = opinion->grant->occurred_at,
        .passes = opinion->passes,
        .decides = opinion->decides,
        .event = opinion->event,
        .reason = opinion->reason,
        .rule = "20",
    };
    if (opinion->passes) {
        str_copy(grant->note, sizeof(grant->note), "It would do by itself.");
        return;
    }
    const struct trace_step *last = &opinion->trace->steps[opinion->trace->count - 1];
    grant->rule = last->rule;
    str_copy(grant->note, sizeof(grant->note), last->note);
}

/* In the order of the history. */
static int compare_grants(const void *a, const void *b)
{
    const struct explained_grant *one = a;
    const struct explained_grant *other = b;
    if (one->occurred_at != other->occurred_at)
        return one->occurred_at > other->occurred_at ? 1 : -1;
    return (one->id > other->id) - (one->id < other->id);
}

enum result explanation_make(const struct question *question, const struct facts *facts,
                             const struct recipient *recipient, const struct past *history,
                             struct explanation *explanation, struct error *err)
{
    *explanation =
        (struct explanation){.question = question, .recipient = recipient, .history = history};
    policy_judge(question, facts, &explanation->judgement, &explanation->trace);
    policy_judge_grants(question, facts, keep_opinion, explanation);
    if (explanation->failed) {
        explanation_free(explanation);
        return error_no_memory(err);
    }
    if (explanation->n_grants > 0)
        qsort(explanation->grants, explanation->n_grants, sizeof(*explanation->grants),
              compare_grants);
    return RESULT_OK;
}

void explanation_free(struct explanation *explanation)
{
    free(explanation->grants);
    explanation->grants = NULL;
    explanation->n_grants = 0;
}

const struct explained_grant *explanation_grant(const struct explanation *explanation,
                                                const struct past_event *event)
{
    const struct explained_grant key = {.id = event->id, .occurred_at = event->occurred_at};
    return explanation->n_grants > 0 ? bsearch(&key, explanation->grants, explanation->n_grants,
                                               sizeof(key), compare_grants)
                                     : NULL;
}

/* ---- words ---- */

static const char *by_channel(enum channel channel)
{
    static const char *const texts[CHANNEL_COUNT] = {[CHANNEL_EMAIL] = "by e-mail",
                                                     [CHANNEL_SMS] = "by SMS",
                                                     [CHANNEL_CALL] = "by telephone",
                                                     [CHANNEL_AUTOCALL] = "by automated call",
                                                     [CHANNEL_POST] = "by post"};
    return texts[channel];
}

const char *explanation_event_words(const struct past_event *event)
{
    switch (event->kind) {
    case EVENT_GIVEN:
    case EVENT_RENEWED:
        break;
    case EVENT_WITHDRAWN:
        return "the person withdrew";
    case EVENT_OBJECTED:
        return "the person objected";
    case EVENT_ACTIVE:
    case EVENT_KIND_COUNT:
        return "the person was active";
    }
    switch (event->basis) {
    case BASIS_SOFT_OPT_IN:
        return "the person was told of such offers as a customer";
    case BASIS_PROFESSIONAL:
        return "the person was told of such offers in a professional role";
    case BASIS_INFORMED:
        return "the person was informed and did not object";
    case BASIS_CONSENT:
    case BASIS_COUNT:
        break;
    }
    return event->kind == EVENT_RENEWED ? "the person renewed the consent" : "the person consented";
}

void explanation_add_moment(struct strbuf *out, int64_t instant, bool time)
{
    static const char space[] = "\xc2\xa0";
    struct strbuf text = {0};
    if (time)
        language_add_time(&text, LANGUAGE_EN, instant);
    else
        language_add_date(&text, LANGUAGE_EN, instant);
    for (const char *at = text.data; at != NULL && *at != '\0';) {
        const char *end = strstr(at, space);
        if (end == NULL)
            end = at + strlen(at);
        strbuf_add(out, at, (size_t)(end - at));
        if (*end != '\0') {
            strbuf_add_char(out, ' ');
            end += strlen(space);
        }
        at = end;
    }
    out->failed = out->failed || text.failed;
    strbuf_free(&text);
}

void explanation_sentence(const struct explanation *explanation, struct strbuf *out)
{
    const struct question *question = explanation->question;
    const struct judgement *judgement = &explanation->judgement;
    const char *partner = question->partner->name;
    const char *channel = by_channel(question->channel);
    bool transmission = question->purpose == PURPOSE_TRANSMISSION;
    bool pass = judgement->verdict == VERDICT_PASS;
    strbuf_add_str(out, pass                                  ? "Yes: "
                        : judgement->verdict == VERDICT_DEFER ? "Not now: "
                                                              : "No: ");
    if (transmission)
        strbuf_add_format(out, "this person's data %s be passed on to %s for offers %s",
                          pass ? "may" : "may not", partner, channel);
    else
        strbuf_add_format(out, "%s %s write to this person %s", partner, pass ? "may" : "may not",
                          channel);
    const struct past_event *event = past_event(explanation->history, judgement->event);
    if (pass && event != NULL) {
        strbuf_add_format(out, ", because %s on ", explanation_event_words(event));
        explanation_add_moment(out, event->occurred_at, false);
        strbuf_add_format(out, " (event %" PRId64 ")", event->id);
    }
    strbuf_add_char(out, '.');
    if (!pass && explanation->trace.count > 0)
        strbuf_add_format(out, " %s", explanation->trace.steps[explanation->trace.count - 1].note);
}
