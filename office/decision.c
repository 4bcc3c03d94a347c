/* SPDX-License-Identifier: Apache-2.0 */
#include "office/decision.h"

void decision_add_json(const struct log_entry *entry, struct strbuf *json)
{
    const struct {
        const char *key, *value;
    } fields[] = {
        {"id", entry->id},
        {"at", entry->at},
        {"gateway", entry->gateway},
        {"session", entry->session},
        {"partner", entry->partner},
        {"stream", entry->stream},
        {"account", entry->account},
        {"channel", entry->channel},
        {"purpose", entry->purpose},
        {"recipient", entry->recipient},
        {"recipient_key", entry->recipient_key},
        {"verdict", entry->verdict},
        {"reason", entry->reason},
        {"effect", entry->effect},
        {"mode", entry->mode},
        {"policy", entry->policy},
        {"provider", entry->provider},
        {"outcome", entry->outcome},
        {"provider_reply", entry->provider_reply},
        {"queue_id", entry->queue_id},
        {"hash", entry->hash},
        {"list", entry->list},
    };
    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
        strbuf_add_json_field(json, fields[i].key, fields[i].value);
    if (entry->event != 0)
        strbuf_add_json_number(json, "event", entry->event);
    else
        strbuf_add_json_field(json, "event", NULL);
    if (entry->size >= 0)
        strbuf_add_json_number(json, "size", entry->size);
    else
        strbuf_add_json_field(json, "size", NULL);
}
