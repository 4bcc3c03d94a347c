/* SPDX-License-Identifier: Apache-2.0 */
/* The lines of the handover: written and read, nothing else. */
#include "proxy/net/handover.h"

#include <jansson.h>
#include <string.h>

#define PROTOCOL 1

void handover_write_offer(struct strbuf *out, const struct inlet *list, size_t n, int64_t drain_us,
                          bool more)
{
    strbuf_add_format(out, "{\"takeover\":%d", PROTOCOL);
    strbuf_add_json_number(out, "drain_us", drain_us);
    strbuf_add_str(out, more ? ",\"more\":true" : ",\"more\":false");
    strbuf_add_str(out, ",\"sockets\":[");
    for (size_t i = 0; i < n; i++) {
        strbuf_add_str(out, i > 0 ? ",{" : "{");
        strbuf_add_json_field(out, "bind", list[i].bind);
        strbuf_add_str(out, list[i].lent ? ",\"lent\":true}" : ",\"lent\":false}");
    }
    strbuf_add_str(out, "]}");
}

static bool read_text(const json_t *value, char out[INLET_BIND])
{
    /* Jansson refuses a NUL inside a text unless asked to take it. */
    return json_is_string(value) && json_string_length(value) > 0 &&
           str_copy(out, INLET_BIND, json_string_value(value));
}

static bool fill_offer(const json_t *root, struct handover_offer *offer)
{
    const json_t *drain = json_object_get(root, "drain_us");
    const json_t *more = json_object_get(root, "more");
    const json_t *sockets = json_object_get(root, "sockets");
    if (!json_is_integer(drain) || json_integer_value(drain) < 0 || !json_is_boolean(more) ||
        !json_is_array(sockets) || json_array_size(sockets) > HANDOVER_BATCH)
        return false;
    offer->drain_us = json_integer_value(drain);
    offer->more = json_is_true(more);
    offer->n = json_array_size(sockets);
    for (size_t i = 0; i < offer->n; i++) {
        const json_t *socket = json_array_get(sockets, i);
        const json_t *lent = json_object_get(socket, "lent");
        if (!read_text(json_object_get(socket, "bind"), offer->sockets[i].bind) ||
            !json_is_boolean(lent))
            return false;
        offer->sockets[i].lent = json_is_true(lent);
    }
    return true;
}

enum result handover_read_offer(const char *line, struct handover_offer *offer_out,
                                struct error *err)
{
    enum result result = RESULT_OK;
    *offer_out = (struct handover_offer){0};
    json_t *root = json_loads(line, JSON_REJECT_DUPLICATES, NULL);
    const json_t *why = json_object_get(root, "error");
    const json_t *version = json_object_get(root, "takeover");
    if (json_is_string(why) && strcmp(json_string_value(why), "unknown command") == 0)
        result = error_set(err, RESULT_UNAVAILABLE,
                           "the gateway that runs is of a version that cannot hand over");
    else if (json_is_string(why))
        result = error_set(err, RESULT_UNAVAILABLE, "the gateway that runs does not hand over: %s",
                           json_string_value(why));
    else if (json_integer_value(version) != PROTOCOL || !fill_offer(root, offer_out))
        result = error_set(err, RESULT_BAD_INPUT,
                           "the gateway that runs hands over in a way this one does not know");
    json_decref(root);
    return result;
}

void handover_write_commit(struct strbuf *out, const struct config *config)
{
    strbuf_add_str(out, "{\"command\":\"commit\",\"binds\":[");
    for (size_t i = 0; i < config->n_listeners; i++) {
        strbuf_add_str(out, i > 0 ? ",\"" : "\"");
        strbuf_add_json(out, config->listeners[i].bind, strlen(config->listeners[i].bind));
        strbuf_add_char(out, '"');
    }
    strbuf_add_str(out, "]}");
}

enum result handover_read_commit(const char *line, struct handover_commit *commit_out,
                                 struct error *err)
{
    commit_out->n = 0;
    json_t *root = json_loads(line, JSON_REJECT_DUPLICATES, NULL);
    const json_t *command = json_object_get(root, "command");
    const json_t *binds = json_object_get(root, "binds");
    bool good = json_is_string(command) && strcmp(json_string_value(command), "commit") == 0 &&
                json_is_array(binds) && json_array_size(binds) <= HANDOVER_BINDS;
    for (size_t i = 0; good && i < json_array_size(binds); i++)
        good = read_text(json_array_get(binds, i), commit_out->binds[commit_out->n++]);
    json_decref(root);
    return good ? RESULT_OK : error_set(err, RESULT_BAD_INPUT, "no commit");
}
