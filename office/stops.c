/* SPDX-License-Identifier: Apache-2.0 */
#include "office/stops.h"

#include "policy/judge.h"

bool stop_target_known(const struct config *config, enum suspension_kind kind, const char *id)
{
    if (kind == SUSPEND_PARTNER)
        return config_partner(config, id) != NULL;
    return kind != SUSPEND_STREAM || config_has_stream(config, id);
}

enum result stop_drop_known(struct registry *registry, struct event_input *event,
                            const char *partner, struct error *err)
{
    struct stop_scope scope = {.kind = event->kind, .partner = partner};
    enum result result = RESULT_OK;
    for (int i = 0; i < CHANNEL_COUNT && result == RESULT_OK; i++) {
        struct stop_standing standing;
        scope.channel = (enum channel)i;
        if ((event->channels & CHANNEL_BIT(i)) == 0)
            continue;
        result = registry_find_stop(registry, event->recipient_key, &scope, event->occurred_at,
                                    &standing, err);
        if (result == RESULT_OK && standing.said)
            event->channels &= ~CHANNEL_BIT(i);
    }
    return result;
}

enum result stop_overcome(const struct config *config, struct registry *registry,
                          const struct event_input *no, const struct partner *partner, int64_t now,
                          int64_t *consent_out, struct error *err)
{
    const struct facts *known = NULL;
    *consent_out = 0;
    enum result result =
        registry_facts(registry, no->recipient_key, partner->id, NULL, &known, err);
    if (result != RESULT_OK)
        return result;
    struct facts facts = *known;
    facts.partner_suspended = false;
    for (int i = 0; i < CHANNEL_COUNT && *consent_out == 0; i++) {
        const struct question question = {.partner = partner,
                                          .policy = &config->policies[i],
                                          .channel = (enum channel)i,
                                          .purpose = PURPOSE_RECEIPT,
                                          .now = now};
        struct judgement judgement;
        if ((no->channels & CHANNEL_BIT(i)) == 0)
            continue;
        policy_judge(&question, &facts, &judgement, NULL);
        if (judgement.verdict == VERDICT_PASS)
            *consent_out = judgement.event;
    }
    return RESULT_OK;
}
