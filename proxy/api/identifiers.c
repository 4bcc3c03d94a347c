/* SPDX-License-Identifier: Apache-2.0 */
/* What a partner calls a person: by that it is told of her withdrawals, if it asked for it. */
#include "proxy/api/work.h"
#include "store/notices.h"

#include <string.h>

struct naming {
    const char *partner, *identifier;
    struct address address; /* clear: wiped */
    struct recipient recipient;
};

/* Whether the identifier is, or holds, the clear address that it is to stand for. */
static bool repeats(const struct naming *naming, const char *recipient, const char *region)
{
    struct address other = {0};
    struct error err;
    size_t length;
    if (naming->identifier[0] == '\0')
        return false;
    bool same = recipient_find(naming->identifier, recipient, &naming->address, &length) != NULL ||
                (naming->address.text[0] == '+' &&
                 strstr(naming->identifier, naming->address.text + 1) != NULL) ||
                (address_parse(naming->identifier, region, &other, &err) == RESULT_OK &&
                 strcmp(other.text, naming->address.text) == 0);
    wipe(&other, sizeof(other));
    return same;
}

/* False: refused. */
static bool read_naming(struct api_work *work, struct naming *naming)
{
    static const char *const names[] = {"recipient", "partner", "identifier", NULL};
    const char *recipient = api_text(work->in, "recipient");
    struct error why = {0};
    naming->partner = api_text(work->in, "partner");
    naming->identifier = api_text(work->in, "identifier");
    if (!api_known(work, work->in, names))
        return false;
    if (recipient == NULL || naming->partner == NULL || naming->identifier == NULL)
        (void)api_malformed(work, "body", "recipient, partner and identifier must be texts");
    else if (naming->identifier[0] != '\0' && !http_is_plain(naming->identifier, IDENTIFIER_MOST))
        (void)api_malformed(work, "identifier",
                            "must have at most 256 bytes, all printable characters");
    else if (text_has_email(naming->identifier))
        (void)api_malformed(work, "identifier", "must not be an address");
    else if (!api_concerns(work, naming->partner))
        return false;
    else if (config_partner(work->config, naming->partner) == NULL)
        (void)api_refuse(work, 422, "unknown-partner", "There is no such partner",
                         "\"partner\" must be a partner's id as the configuration has it.");
    else if (address_parse(recipient, work->config->region, &naming->address, &why) != RESULT_OK)
        (void)api_refuse(work, 422, "bad-recipient", "This is no address", "%s", why.text);
    else if (repeats(naming, recipient, work->config->region))
        (void)api_malformed(work, "identifier", "must not be an address");
    else
        return true;
    return false;
}

static enum result name(struct api_work *work, struct desk_tools *tools, struct naming *naming,
                        struct error *err)
{
    enum result result = recipient_make(tools->hmac, &naming->address, &naming->recipient, err);
    if (result == RESULT_OK)
        result = registry_set_identifier(tools->registry, naming->recipient.key, naming->partner,
                                         naming->identifier, work->now, err);
    if (result != RESULT_OK)
        return result;
    work->access.act = "identifier.set";
    work->access.key = naming->recipient.key;
    work->access.masked = naming->recipient.masked;
    work->access.partner = config_partner(work->config, naming->partner)->id;
    work->access.answer = naming->identifier[0] != '\0' ? "set" : "forgotten";
    strbuf_add_char(&work->out, '{');
    strbuf_add_json_field(&work->out, "recipient", naming->recipient.masked);
    strbuf_add_json_field(&work->out, "partner", naming->partner);
    strbuf_add_str(&work->out, "}\n");
    return RESULT_OK;
}

enum result api_identifier(struct api_work *work, struct desk_tools *tools, struct error *err)
{
    struct naming *naming = arena_alloc(work->arena, sizeof(*naming));
    if (naming == NULL)
        return error_no_memory(err);
    enum result result = RESULT_OK;
    if (read_naming(work, naming))
        result = name(work, tools, naming, err);
    wipe(&naming->address, sizeof(naming->address));
    return result;
}
