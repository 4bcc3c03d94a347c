/* SPDX-License-Identifier: Apache-2.0 */
/*
 * All that a scrape shows, family by family. What the parts of the gateway know of themselves is
 * asked of them here; what only passes by was counted in metrics.c. A name that is in use stays:
 * dashboards and alarms hang on it (docs/monitoring/).
 */
#include "proxy/internal.h"
#include "proxy/metrics/metrics.h"
#include "proxy/metrics/process.h"
#include "proxy/metrics/text.h"
#include "proxy/notices/notices.h"
#include "proxy/sms/inbound.h"

#include <string.h>

static void one(struct metrics_text *text, const char *name, const char *unit, const char *help,
                uint64_t value)
{
    metrics_family(text, METRICS_GAUGE, name, unit, help);
    metrics_number(text, NULL, value);
}

/* ---- the gateway itself ---- */

static void add_build(const struct snapshot *snapshot, struct metrics_text *text)
{
    metrics_family(text, METRICS_INFO, "octroi_build", "", "The program that runs.");
    metrics_number(text, METRICS_LABELS("version", PACKAGE_VERSION), 1);
    metrics_family(text, METRICS_INFO, "octroi_config", "",
                   "The configuration in force, as octroi status names it.");
    metrics_number(text, METRICS_LABELS("version", snapshot->config->version), 1);
}

static void add_reloads(const struct gateway *gateway, struct metrics_text *text)
{
    int64_t at;
    bool ok = metrics_reloaded(gateway->metrics, &at);
    one(text, "octroi_config_last_reload_successful", "",
        "1 when the configuration file was taken the last time it was read, else 0: the one before "
        "stays in force.",
        ok);
    metrics_family(text, METRICS_GAUGE, "octroi_config_last_reload_success_timestamp_seconds",
                   "seconds", "When the configuration in force was read, in seconds since 1970.");
    metrics_duration(text, NULL, at);
}

/* ---- decisions ---- */

static void add_decisions_of(void *arg, const struct metrics_decisions *found)
{
    metrics_number(arg,
                   METRICS_LABELS("partner", found->partner, "channel",
                                  channel_name(found->channel), "verdict",
                                  verdict_name(found->verdict), "reason",
                                  reason_name(found->reason), "effect", effect_name(found->effect)),
                   found->count);
}

static void add_decisions(const struct gateway *gateway, struct metrics_text *text)
{
    struct histogram_reading reading;
    metrics_family(text, METRICS_COUNTER, "octroi_decisions", "",
                   "Decisions on one recipient each, as they were given to the journal: effect is "
                   "what was done with the message. A partner in observe mode has blocks that "
                   "passed.");
    metrics_each_decisions(gateway->metrics, add_decisions_of, text);
    metrics_family(text, METRICS_HISTOGRAM, "octroi_decision_duration_seconds", "seconds",
                   "From the arrival of a recipient to the verdict on it, without what the journal "
                   "and the provider take.");
    static const enum channel channels[] = {CHANNEL_EMAIL, CHANNEL_SMS};
    for (size_t i = 0; i < sizeof(channels) / sizeof(channels[0]); i++) {
        metrics_verdict_times(gateway->metrics, channels[i], &reading);
        metrics_histogram(text, METRICS_LABELS("channel", channel_name(channels[i])), &reading);
    }
}

/* ---- the journal ---- */

static void add_journal(const struct gateway *gateway, struct metrics_text *text)
{
    struct journal_state state;
    struct histogram_reading waits;
    uint64_t indexed;
    if (gateway->journal == NULL)
        return; /* on the way down */
    journal_state(gateway->journal, &state);
    journal_waits(gateway->journal, &waits);
    metrics_family(text, METRICS_COUNTER, "octroi_journal_rows", "",
                   "Durable rows of the journal, since it began.");
    metrics_number(text, NULL, state.rows);
    one(text, "octroi_journal_waiting_rows", "", "Rows that are not durable yet.", state.waiting);
    one(text, "octroi_journal_failing", "",
        "1 when the journal cannot be written: nothing passes and everybody is told to come again.",
        state.failing);
    one(text, "octroi_journal_segment", "", "Number of the segment file that is written.",
        state.segment);
    metrics_family(
        text, METRICS_HISTOGRAM, "octroi_journal_wait_seconds", "seconds",
        "From handing rows to the journal until they were durable, where somebody waited "
        "for it.");
    metrics_histogram(text, NULL, &waits);
    if (indexer_rows(gateway->indexer, &indexed))
        one(text, "octroi_journal_index_lag_rows", "",
            "Durable rows that the index (octroi log, octroi report) does not have yet.",
            state.rows > indexed ? state.rows - indexed : 0);
}

/* ---- providers ---- */

typedef void provider_sample_fn(struct metrics_text *text, const char *name,
                                const struct provider *provider);

static void each_provider(const struct snapshot *snapshot, struct metrics_text *text,
                          enum metrics_type type, const char *name, const char *unit,
                          const char *help, provider_sample_fn *sample)
{
    metrics_family(text, type, name, unit, help);
    for (size_t i = 0; i < snapshot->config->n_providers; i++)
        sample(text, snapshot->config->providers[i].name, snapshot->providers[i]);
}

static void add_outcomes(struct metrics_text *text, const char *name,
                         const struct provider *provider)
{
    struct provider_state state;
    provider_state(provider, &state);
    metrics_number(text, METRICS_LABELS("provider", name, "outcome", "accepted"), state.accepted);
    metrics_number(text, METRICS_LABELS("provider", name, "outcome", "refused"), state.refused);
    metrics_number(text, METRICS_LABELS("provider", name, "outcome", "unknown"), state.unknown);
    metrics_number(text, METRICS_LABELS("provider", name, "outcome", "failed"), state.failed);
}

static void add_answers(struct metrics_text *text, const char *name,
                        const struct provider *provider)
{
    struct histogram_reading reading;
    provider_answer_times(provider, &reading);
    metrics_histogram(text, METRICS_LABELS("provider", name), &reading);
}

static void add_connections(struct metrics_text *text, const char *name,
                            const struct provider *provider)
{
    struct provider_state state;
    provider_state(provider, &state);
    metrics_number(text, METRICS_LABELS("provider", name), state.connections);
}

static void add_busy(struct metrics_text *text, const char *name, const struct provider *provider)
{
    struct provider_state state;
    provider_state(provider, &state);
    metrics_number(text, METRICS_LABELS("provider", name), state.busy);
}

static void add_limit(struct metrics_text *text, const char *name, const struct provider *provider)
{
    struct provider_state state;
    provider_state(provider, &state);
    metrics_number(text, METRICS_LABELS("provider", name), state.limit);
}

static void add_breaker(struct metrics_text *text, const char *name,
                        const struct provider *provider)
{
    static const char *const states[] = {"closed", "half-open", "open"};
    struct provider_state state;
    provider_state(provider, &state);
    for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++)
        metrics_number(text, METRICS_LABELS("provider", name, "state", states[i]),
                       strcmp(state.breaker, states[i]) == 0);
}

static void add_attempts(struct metrics_text *text, const char *name,
                         const struct provider *provider)
{
    struct provider_state state;
    provider_state(provider, &state);
    metrics_number(text, METRICS_LABELS("provider", name), state.attempts_failed);
}

static void add_providers(const struct snapshot *snapshot, struct metrics_text *text)
{
    each_provider(snapshot, text, METRICS_COUNTER, "octroi_provider_messages", "",
                  "Messages by what came of them: accepted, refused, unknown (the answer was lost, "
                  "it may have the message), failed (it could not be asked).",
                  add_outcomes);
    each_provider(snapshot, text, METRICS_HISTOGRAM, "octroi_provider_answer_duration_seconds",
                  "seconds",
                  "How long the provider took to answer a message that was whole: a mail after its "
                  "last line, an SMS since it was handed over.",
                  add_answers);
    each_provider(snapshot, text, METRICS_GAUGE, "octroi_provider_connections", "",
                  "Open connections to the provider.", add_connections);
    each_provider(snapshot, text, METRICS_GAUGE, "octroi_provider_busy_connections", "",
                  "Connections to the provider with a message under way.", add_busy);
    each_provider(snapshot, text, METRICS_GAUGE, "octroi_provider_connections_limit", "",
                  "Connections there may be now: as configured, or fewer while the provider turns "
                  "more away.",
                  add_limit);
    each_provider(snapshot, text, METRICS_GAUGE, "octroi_provider_breaker", "",
                  "1 for the state the provider is in: closed (in service), open (not asked, since "
                  "it failed three times in a row), half-open (being tried).",
                  add_breaker);
    each_provider(snapshot, text, METRICS_GAUGE, "octroi_provider_failed_attempts", "",
                  "Attempts in a row that failed; 0 while the provider works.", add_attempts);
}

/* ---- who comes in ---- */

static unsigned sessions_of(const struct gateway *gateway, const char *bind_text)
{
    const struct entrance *entrance = atomic_load(&gateway->gate.entrances);
    while (entrance != NULL && strcmp(entrance->bind, bind_text) != 0)
        entrance = entrance->next;
    return entrance != NULL ? atomic_load(&entrance->sessions) : 0;
}

static void add_sessions(const struct gateway *gateway, const struct snapshot *snapshot,
                         struct metrics_text *text)
{
    metrics_family(text, METRICS_GAUGE, "octroi_sessions", "",
                   "Connections of clients, by listener.");
    for (size_t i = 0; i < snapshot->config->n_listeners; i++) {
        const struct listener_config *listener = &snapshot->config->listeners[i];
        metrics_number(text,
                       METRICS_LABELS("listener", listener->name, "protocol",
                                      config_protocol_name(listener->protocol)),
                       sessions_of(gateway, listener->bind));
    }
    one(text, "octroi_sessions_limit", "",
        "Connections of clients there are descriptors for, over all listeners; 0: as many as come.",
        atomic_load(&gateway->gate.sessions_most));
    metrics_family(text, METRICS_COUNTER, "octroi_refusals", "",
                   "What clients were denied before a message was looked at, by kind.");
    for (int i = 0; i < REFUSAL_COUNT; i++)
        metrics_number(text, METRICS_LABELS("kind", refusal_name((enum refusal)i)),
                       atomic_load(&gateway->gate.refusals.kinds[i].count));
}

static void add_requests(const struct gateway *gateway, struct metrics_text *text)
{
    static const char *const classes[] = {"", "1xx", "2xx", "3xx", "4xx", "5xx"};
    struct histogram_reading reading;
    metrics_family(text, METRICS_COUNTER, "octroi_http_requests", "",
                   "Requests over HTTP that were answered, by service and class of the status; "
                   "service none: there is nothing at that path.");
    for (int i = 0; i < METRICS_SERVICE_COUNT; i++)
        for (unsigned class = 2; class <= 5; class ++)
            metrics_number(text,
                           METRICS_LABELS("service", metrics_service_name((enum metrics_service)i),
                                          "status", classes[class]),
                           metrics_requests(gateway->metrics, (enum metrics_service)i, class));
    metrics_family(text, METRICS_HISTOGRAM, "octroi_http_request_duration_seconds", "seconds",
                   "From the last byte of a request to its answer. What comes with a wrong login "
                   "or token is answered late on purpose.");
    for (int i = 0; i < METRICS_SERVICE_COUNT; i++) {
        metrics_request_times(gateway->metrics, (enum metrics_service)i, &reading);
        metrics_histogram(text,
                          METRICS_LABELS("service", metrics_service_name((enum metrics_service)i)),
                          &reading);
    }
    one(text, "octroi_http_requests_running", "",
        "Requests of services other than SMS that are not answered yet.",
        atomic_load(&gateway->gate.calls));
    metrics_family(text, METRICS_COUNTER, "octroi_token_failures", "",
                   "Requests that came without a good token: none (missing), a wrong one, one not "
                   "looked at after too many wrong ones (held), one sent in clear, one that could "
                   "not be looked up (unchecked), one without that scope, one over its rate.");
    for (int i = 0; i < METRICS_TOKEN_FAILURES; i++)
        metrics_number(
            text,
            METRICS_LABELS("cause", metrics_token_failure_name((enum metrics_token_failure)i)),
            metrics_token_failures(gateway->metrics, (enum metrics_token_failure)i));
}

/* ---- SMS ---- */

static void add_sms(const struct gateway *gateway, struct metrics_text *text)
{
    struct inbox_counts counts;
    inbox_counts(gateway->inbox, &counts);
    one(text, "octroi_sms_running", "", "SMS that are judged, recorded or with a provider now.",
        atomic_load(&gateway->gate.flights));
    metrics_family(text, METRICS_COUNTER, "octroi_sms_stops", "",
                   "STOPs that came back: recorded as withdrawals, failed (the provider is to send "
                   "them again), unreadable (from what is no telephone number).");
    metrics_number(text, METRICS_LABELS("result", "recorded"), counts.stops_recorded);
    metrics_number(text, METRICS_LABELS("result", "failed"), counts.stops_failed);
    metrics_number(text, METRICS_LABELS("result", "unreadable"), counts.stops_unreadable);
    metrics_family(text, METRICS_COUNTER, "octroi_sms_reports", "",
                   "Delivery reports of providers: delivered to the partner, later (nobody took "
                   "them), unknown (of no message on record), unwanted.");
    metrics_number(text, METRICS_LABELS("result", "delivered"), counts.reports_delivered);
    metrics_number(text, METRICS_LABELS("result", "later"), counts.reports_later);
    metrics_number(text, METRICS_LABELS("result", "unknown"), counts.reports_unknown);
    metrics_number(text, METRICS_LABELS("result", "unwanted"), counts.reports_unwanted);
    metrics_family(text, METRICS_COUNTER, "octroi_sms_replies", "",
                   "What people wrote back that was no STOP: delivered to the partner, later "
                   "(nobody took it), nobodys (to no partner's number), unwanted.");
    metrics_number(text, METRICS_LABELS("result", "delivered"), counts.messages_delivered);
    metrics_number(text, METRICS_LABELS("result", "later"), counts.messages_later);
    metrics_number(text, METRICS_LABELS("result", "nobodys"), counts.messages_nobodys);
    metrics_number(text, METRICS_LABELS("result", "unwanted"), counts.messages_unwanted);
}

/* ---- notices ---- */

static void add_notices(const struct gateway *gateway, struct metrics_text *text)
{
    struct delivery_counts counts;
    notices_counts(gateway->notices, &counts);
    metrics_family(text, METRICS_GAUGE, "octroi_notices", "",
                   "Withdrawals and objections that partners are to learn of, by state: waiting, "
                   "acknowledged, given-up, untold (there is no way to tell that partner). Counted "
                   "some seconds ago.");
    for (int i = 0; i < DELIVERY_STATES; i++)
        metrics_number(text, METRICS_LABELS("state", delivery_state_name((enum delivery_state)i)),
                       counts.states[i]);
    one(text, "octroi_notices_overdue", "",
        "Of those that wait: longer than the partner may take (overdue_after).", counts.overdue);
    if (counts.oldest_waiting == 0)
        return;
    metrics_family(text, METRICS_GAUGE, "octroi_notices_oldest_waiting_timestamp_seconds",
                   "seconds", "When the oldest that waits was made, in seconds since 1970.");
    metrics_duration(text, NULL, counts.oldest_waiting);
}

void gateway_collect(void *arg, const struct snapshot *snapshot, struct metrics_text *text)
{
    struct gateway *gateway = arg;
    add_build(snapshot, text);
    add_reloads(gateway, text);
    add_decisions(gateway, text);
    add_journal(gateway, text);
    add_providers(snapshot, text);
    add_sessions(gateway, snapshot, text);
    add_requests(gateway, text);
    add_sms(gateway, text);
    add_notices(gateway, text);
    metrics_add_process(text, gateway->started_at);
}
