/* SPDX-License-Identifier: Apache-2.0 */
/* The answers of the control socket. */
#include "proxy/internal.h"
#include "proxy/notices/notices.h"
#include "proxy/syscalls.h"

#include "base/clock.h"
#include "proxy/sms/inbound.h"

#include <string.h>
#include <unistd.h>

static const char *tls_name(enum tls_mode mode)
{
    static const char *const names[] = {"none", "optional", "required", "implicit"};
    return names[mode];
}

static const char *or_null(const char *text)
{
    return text[0] != '\0' ? text : NULL;
}

static void open_list(struct strbuf *out, const char *key)
{
    strbuf_add_format(out, ",\"%s\":[", key);
}

static void next_item(struct strbuf *out)
{
    if (out->length > 0 && out->data[out->length - 1] == '}')
        strbuf_add_char(out, ',');
    strbuf_add_char(out, '{');
}

static void add_listeners(const struct gateway *gateway, struct strbuf *out)
{
    const struct config *config = gateway->snapshot->config;
    open_list(out, "listeners");
    for (size_t i = 0; i < config->n_listeners; i++) {
        const struct listener_config *listener = &config->listeners[i];
        unsigned sessions = 0;
        for (size_t j = 0; j < gateway->n_entrances; j++)
            if (strcmp(gateway->entrances[j]->bind, listener->bind) == 0)
                sessions = atomic_load(&gateway->entrances[j]->sessions);
        next_item(out);
        strbuf_add_json_field(out, "name", listener->name);
        strbuf_add_json_field(out, "protocol", config_protocol_name(listener->protocol));
        strbuf_add_json_field(out, "bind", listener->bind);
        strbuf_add_json_field(out, "tls", tls_name(listener->tls));
        strbuf_add_json_number(out, "sessions", sessions);
        strbuf_add_char(out, '}');
    }
    strbuf_add_char(out, ']');
}

static void add_capabilities(const struct capabilities *capabilities, struct strbuf *out)
{
    const char *separator = "";
    strbuf_add_str(out, ",\"capabilities\":[");
    for (const struct capability_name *known = capability_names; known->name != NULL; known++) {
        if ((capabilities->bits & known->bit) == 0)
            continue;
        strbuf_add_format(out, "%s\"%s\"", separator, known->name);
        separator = ",";
    }
    strbuf_add_char(out, ']');
}

static void add_providers(const struct gateway *gateway, struct strbuf *out)
{
    const struct config *config = gateway->snapshot->config;
    open_list(out, "providers");
    for (size_t i = 0; i < config->n_providers; i++) {
        struct provider_state state;
        provider_state(gateway->snapshot->providers[i], &state);
        next_item(out);
        strbuf_add_json_field(out, "name", config->providers[i].name);
        strbuf_add_json_field(out, "adapter", config_adapter_name(config->providers[i].adapter));
        strbuf_add_json_field(out, "breaker", state.breaker);
        strbuf_add_json_number(out, "attempts_failed", state.attempts_failed);
        char retry_at[CLOCK_TEXT];
        clock_format(state.retry_at, retry_at);
        strbuf_add_json_field(out, "retry_at", state.retry_at != 0 ? retry_at : NULL);
        strbuf_add_json_number(out, "connections", state.connections);
        strbuf_add_json_number(out, "limit", state.limit);
        strbuf_add_json_number(out, "busy", state.busy);
        strbuf_add_json_number(out, "accepted", (int64_t)state.accepted);
        strbuf_add_json_number(out, "refused", (int64_t)state.refused);
        strbuf_add_json_number(out, "unknown", (int64_t)state.unknown);
        strbuf_add_json_number(out, "failed", (int64_t)state.failed);
        add_capabilities(&state.capabilities, out);
        strbuf_add_json_field(out, "last_error", or_null(state.last_error));
        strbuf_add_char(out, '}');
    }
    strbuf_add_char(out, ']');
}

static void add_journal(const struct gateway *gateway, struct strbuf *out)
{
    struct journal_state state;
    uint64_t indexed;
    char head[2 * SHA256_BYTES + 1];
    journal_state(gateway->journal, &state);
    hex_encode(state.head, SHA256_BYTES, head);
    strbuf_add_str(out, ",\"journal\":{");
    strbuf_add_json_number(out, "rows", (int64_t)state.rows);
    strbuf_add_json_number(out, "segment", (int64_t)state.segment);
    strbuf_add_json_number(out, "waiting", (int64_t)state.waiting);
    if (indexer_rows(gateway->indexer, &indexed))
        strbuf_add_json_number(out, "index_lag",
                               state.rows > indexed ? (int64_t)(state.rows - indexed) : 0);
    strbuf_add_json_field(out, "head", head);
    strbuf_add_str(out, state.failing ? ",\"failing\":true" : ",\"failing\":false");
    strbuf_add_json_field(out, "last_error", state.failing ? state.last_error.text : NULL);
    strbuf_add_char(out, '}');
}

static void add_verdicts(const struct gateway *gateway, struct strbuf *out)
{
    strbuf_add_str(out, ",\"verdicts\":{");
    for (int i = 0; i < VERDICT_COUNT; i++)
        strbuf_add_json_number(out, verdict_name((enum verdict)i),
                               (int64_t)atomic_load(&gateway->gate.verdicts[i]));
    strbuf_add_char(out, '}');
}

static void add_sms(const struct gateway *gateway, struct strbuf *out)
{
    struct inbox_counts counts;
    inbox_counts(gateway->inbox, &counts);
    strbuf_add_str(out, ",\"sms\":{");
    strbuf_add_json_number(out, "under_way", atomic_load(&gateway->gate.flights));
    strbuf_add_json_number(out, "stops_recorded", (int64_t)counts.stops_recorded);
    strbuf_add_json_number(out, "stops_failed", (int64_t)counts.stops_failed);
    strbuf_add_json_number(out, "stops_unreadable", (int64_t)counts.stops_unreadable);
    strbuf_add_json_number(out, "reports_delivered", (int64_t)counts.reports_delivered);
    strbuf_add_json_number(out, "reports_later", (int64_t)counts.reports_later);
    strbuf_add_json_number(out, "reports_unknown", (int64_t)counts.reports_unknown);
    strbuf_add_json_number(out, "reports_unwanted", (int64_t)counts.reports_unwanted);
    strbuf_add_json_number(out, "replies_delivered", (int64_t)counts.messages_delivered);
    strbuf_add_json_number(out, "replies_later", (int64_t)counts.messages_later);
    strbuf_add_json_number(out, "replies_nobodys", (int64_t)counts.messages_nobodys);
    strbuf_add_json_number(out, "replies_unwanted", (int64_t)counts.messages_unwanted);
    strbuf_add_char(out, '}');
}

static void add_notices(const struct gateway *gateway, struct strbuf *out)
{
    struct delivery_counts counts;
    char when[CLOCK_TEXT];
    notices_counts(gateway->notices, &counts);
    clock_format_seconds(counts.oldest_waiting, when);
    strbuf_add_str(out, ",\"notices\":{");
    strbuf_add_json_number(out, "waiting", (int64_t)counts.states[DELIVERY_WAITING]);
    strbuf_add_json_number(out, "overdue", (int64_t)counts.overdue);
    strbuf_add_json_field(out, "oldest", counts.oldest_waiting != 0 ? when : NULL);
    strbuf_add_json_number(out, "acknowledged", (int64_t)counts.states[DELIVERY_ACKNOWLEDGED]);
    strbuf_add_json_number(out, "given_up", (int64_t)counts.states[DELIVERY_GIVEN_UP]);
    strbuf_add_json_number(out, "untold", (int64_t)counts.states[DELIVERY_UNTOLD]);
    strbuf_add_char(out, '}');
}

static void add_refusals(const struct gateway *gateway, struct strbuf *out)
{
    strbuf_add_str(out, ",\"refusals\":{");
    for (int i = 0; i < REFUSAL_COUNT; i++)
        strbuf_add_json_number(out, refusal_name((enum refusal)i),
                               (int64_t)atomic_load(&gateway->gate.refusals.kinds[i].count));
    strbuf_add_char(out, '}');
}

static void add_status(const struct gateway *gateway, struct strbuf *out)
{
    char when[CLOCK_TEXT];
    const struct config *config = gateway->snapshot->config;
    strbuf_add_char(out, '{');
    strbuf_add_json_number(out, "pid", getpid());
    strbuf_add_json_field(out, "version", PACKAGE_VERSION);
    strbuf_add_json_field(out, "gateway", config->hostname);
    clock_format(gateway->started_at, when);
    strbuf_add_json_field(out, "started_at", when);
    strbuf_add_json_field(out, "syscall_filter", syscalls_state());
    strbuf_add_str(out, ",\"config\":{");
    strbuf_add_json_field(out, "file", config->file);
    strbuf_add_json_field(out, "version", config->version);
    clock_format(gateway->snapshot->loaded_at, when);
    strbuf_add_json_field(out, "loaded_at", when);
    strbuf_add_json_field(out, "last_reload_error", or_null(gateway->reload_error));
    strbuf_add_char(out, '}');
    strbuf_add_json_number(out, "loops", gateway->n_lanes);
    strbuf_add_json_number(out, "sessions", atomic_load(&gateway->gate.sessions));
    strbuf_add_json_number(out, "requests", atomic_load(&gateway->gate.calls));
    strbuf_add_json_number(out, "sessions_most", atomic_load(&gateway->gate.sessions_most));
    add_listeners(gateway, out);
    add_providers(gateway, out);
    add_journal(gateway, out);
    add_verdicts(gateway, out);
    add_sms(gateway, out);
    add_notices(gateway, out);
    add_refusals(gateway, out);
    strbuf_add_char(out, '}');
}

void gateway_answer(void *gateway, const char *request, struct strbuf *reply)
{
    if (strcmp(request, "{\"command\":\"status\"}") == 0)
        add_status(gateway, reply);
    else
        strbuf_add_str(reply, "{\"error\":\"unknown command\"}");
}
