/* SPDX-License-Identifier: Apache-2.0 */
#include "office/decision.h"

#include <stddef.h>

const struct decision_field decision_fields[DECISION_FIELDS] = {
    {"id", offsetof(struct log_entry, id), DECISION_TEXT},
    {"at", offsetof(struct log_entry, at), DECISION_TEXT},
    {"gateway", offsetof(struct log_entry, gateway), DECISION_TEXT},
    {"session", offsetof(struct log_entry, session), DECISION_TEXT},
    {"partner", offsetof(struct log_entry, partner), DECISION_TEXT},
    {"stream", offsetof(struct log_entry, stream), DECISION_TEXT},
    {"account", offsetof(struct log_entry, account), DECISION_TEXT},
    {"channel", offsetof(struct log_entry, channel), DECISION_TEXT},
    {"purpose", offsetof(struct log_entry, purpose), DECISION_TEXT},
    {"recipient", offsetof(struct log_entry, recipient), DECISION_TEXT},
    {"recipient_key", offsetof(struct log_entry, recipient_key), DECISION_TEXT},
    {"verdict", offsetof(struct log_entry, verdict), DECISION_TEXT},
    {"reason", offsetof(struct log_entry, reason), DECISION_TEXT},
    {"effect", offsetof(struct log_entry, effect), DECISION_TEXT},
    {"mode", offsetof(struct log_entry, mode), DECISION_TEXT},
    {"policy", offsetof(struct log_entry, policy), DECISION_TEXT},
    {"event", offsetof(struct log_entry, event), DECISION_EVENT},
    {"provider", offsetof(struct log_entry, provider), DECISION_TEXT},
    {"outcome", offsetof(struct log_entry, outcome), DECISION_TEXT},
    {"provider_reply", offsetof(struct log_entry, provider_reply), DECISION_TEXT},
    {"queue_id", offsetof(struct log_entry, queue_id), DECISION_TEXT},
    {"size", offsetof(struct log_entry, size), DECISION_SIZE},
    {"hash", offsetof(struct log_entry, hash), DECISION_TEXT},
    {"list", offsetof(struct log_entry, list), DECISION_TEXT},
};

static const void *member(const struct log_entry *entry, const struct decision_field *field)
{
    return (const char *)entry + field->offset;
}

const char *decision_text(const struct log_entry *entry, const struct decision_field *field)
{
    return field->kind == DECISION_TEXT ? *(const char *const *)member(entry, field) : NULL;
}

bool decision_number(const struct log_entry *entry, const struct decision_field *field,
                     int64_t *number_out)
{
    if (field->kind == DECISION_TEXT)
        return false;
    *number_out = *(const int64_t *)member(entry, field);
    return field->kind == DECISION_EVENT ? *number_out != 0 : *number_out >= 0;
}

void decision_add_json(const struct log_entry *entry, struct strbuf *json)
{
    for (size_t i = 0; i < DECISION_FIELDS; i++) {
        const struct decision_field *field = &decision_fields[i];
        int64_t number;
        if (decision_number(entry, field, &number))
            strbuf_add_json_number(json, field->name, number);
        else
            strbuf_add_json_field(json, field->name, decision_text(entry, field));
    }
}
