/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Called on a thread of the desk, which ends before journal, notices and checker do, and begins
 * after they are there: each of them may be asked from any thread. What is the main thread's
 * (the gateway's snapshot, its last mistake) is left alone.
 */
#include "proxy/console/health.h"

#include "console/health.h"
#include "proxy/internal.h"
#include "proxy/metrics/metrics.h"
#include "proxy/notices/notices.h"

static const char *kept(struct visit *visit, const char *text, bool *whole)
{
    const char *copy = arena_str(visit->arena, text);
    *whole = *whole && copy != NULL;
    return copy;
}

static void take_provider(struct visit *visit, const struct provider_config *config,
                          const struct provider *provider, struct visit_provider *out, bool *whole)
{
    struct provider_state state;
    char said[sizeof(state.last_error)];
    provider_state(provider, &state);
    reply_scrub(state.last_error, said, sizeof(said));
    *out = (struct visit_provider){
        .name = kept(visit, config->name, whole),
        .adapter = config_adapter_name(config->adapter),
        .breaker = state.breaker,
        .said = kept(visit, said, whole),
        .retry_at = state.retry_at,
        .attempts_failed = state.attempts_failed,
        .connections = state.connections,
        .busy = state.busy,
        .limit = state.limit,
        .accepted = state.accepted,
        .refused = state.refused,
        .unknown = state.unknown,
        .failed = state.failed,
    };
}

static void take_providers(struct visit *visit, struct visit_health *health,
                           const struct snapshot *snapshot, bool *whole)
{
    size_t n = snapshot->config->n_providers;
    struct visit_provider *providers =
        arena_alloc(visit->arena, (n > 0 ? n : 1) * sizeof(*providers));
    *whole = *whole && providers != NULL;
    for (size_t i = 0; providers != NULL && i < n; i++)
        take_provider(visit, &snapshot->config->providers[i], snapshot->providers[i], &providers[i],
                      whole);
    health->providers = providers;
    health->n_providers = providers != NULL ? n : 0;
}

static void take_journal(struct visit *visit, struct visit_health *health,
                         const struct gateway *gateway, bool *whole)
{
    struct journal_state state;
    uint64_t indexed = 0;
    journal_state(gateway->journal, &state);
    health->rows = state.rows;
    health->waiting = state.waiting;
    health->failing = state.failing;
    health->failing_why = kept(visit, state.failing ? state.last_error.text : "", whole);
    health->has_behind = indexer_rows(gateway->indexer, &indexed);
    health->behind = state.rows > indexed ? state.rows - indexed : 0;
}

static void take_check(struct visit *visit, struct visit_health *health, struct checker *checker,
                       bool *whole)
{
    struct checked checked;
    struct checking checking;
    checker_last(checker, &checked);
    checker_now(checker, &checking);
    health->checking = checking.wanted || checking.running;
    health->check_every = visit->config->alerts.to != NULL ? visit->config->alerts.verify_every : 0;
    health->checked_why = "";
    if (checked.ended_at == 0)
        return;
    health->checked_at = checked.began_at;
    health->checked_rows = checked.report.rows;
    health->check = checked.result == RESULT_OK        ? VISIT_CHECK_HOLDS
                    : checked.result == RESULT_DAMAGED ? VISIT_CHECK_BROKEN
                                                       : VISIT_CHECK_FAILED;
    if (checked.result != RESULT_OK)
        health->checked_why =
            kept(visit, checked.report.where[0] != '\0' ? checked.report.where : checked.why.text,
                 whole);
}

static void take_notices(struct visit_health *health, struct notices *notices)
{
    struct delivery_counts counts;
    notices_counts(notices, &counts);
    health->notices_waiting = counts.states[DELIVERY_WAITING];
    health->notices_overdue = counts.overdue;
    health->notices_given_up = counts.states[DELIVERY_GIVEN_UP];
    health->notices_untold = counts.states[DELIVERY_UNTOLD];
    health->notices_oldest = counts.oldest_waiting;
}

enum result console_health(struct visit *visit, const struct gate *gate,
                           const struct snapshot *snapshot, struct error *err)
{
    const struct gateway *gateway = gate->gateway;
    bool whole = true;
    int64_t reloaded_at;
    if (gateway == NULL)
        return RESULT_OK;
    struct visit_health *health = arena_alloc(visit->arena, sizeof(*health));
    if (health == NULL)
        return error_no_memory(err);
    *health = (struct visit_health){
        .version = PACKAGE_VERSION,
        .config_version = kept(visit, snapshot->config->version, &whole),
        .started_at = gateway->started_at,
        .config_loaded_at = snapshot->loaded_at,
        .reload_failed = !metrics_reloaded(gateway->metrics, &reloaded_at),
        .sessions = atomic_load(&gate->sessions),
        .messages = atomic_load(&gate->flights),
    };
    take_providers(visit, health, snapshot, &whole);
    take_journal(visit, health, gateway, &whole);
    take_check(visit, health, gate->checker, &whole);
    take_notices(health, gateway->notices);
    if (!whole)
        return error_no_memory(err);
    visit->health = health;
    return RESULT_OK;
}
