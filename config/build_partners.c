/* SPDX-License-Identifier: Apache-2.0 */
/* Partners and their streams; the accounts are in build_accounts.c. */
#include "config/build.h"

#include "config/build_accounts.h"
#include "config/checks.h"
#include "policy/recipient.h"
#include "wire/smpp.h"

#include <string.h>

/* A domain of a mail sender, with a leading dot for its subdomains, as policy compares it. */
static const char *sender_domain(struct build *build, struct node *item)
{
    char domain[DOMAIN_MAX + 1] = ".";
    struct error why = {0};
    bool dot = item->text[0] == '.';
    if (strchr(item->text, '@') != NULL) { /* an address is not repeated */
        node_problem(build->problems, item, "holds an address: a sender is a domain");
        return NULL;
    }
    if (domain_normalise(item->text + dot, domain + 1, &why) != RESULT_OK) {
        node_problem(build->problems, item, "\"%.128s\" is no domain: %s", item->text, why.text);
        return NULL;
    }
    if (!host_name_valid(domain + 1)) {
        node_problem(build->problems, item, "\"%.128s\" is no domain", item->text);
        return NULL;
    }
    if (dot && strchr(domain + 1, '.') == NULL) {
        node_problem(build->problems, item, "\"%.128s\" would be all of a top-level domain",
                     item->text);
        return NULL;
    }
    return build_copy(build, dot ? domain : domain + 1);
}

static const char *sender_id(struct build *build, struct node *item)
{
    if (sender_id_valid(item->text))
        return build_copy(build, item->text);
    /* It may be somebody's number: not repeated. */
    node_problem(
        build->problems, item,
        "holds what is no sender id: 1 to 11 letters of ASCII, digits, spaces and ._- with "
        "a letter among them, or a number of 3 to 15 digits");
    return NULL;
}

static void build_senders(struct build *build, const struct node *group, struct stream *terms)
{
    const struct node *node = build_node(group, "senders");
    if (node == NULL || build_node(group, "channel") == NULL)
        return; /* what a sender is depends on the channel */
    terms->senders = build_array(build, node->n_children, sizeof(*terms->senders));
    if (terms->senders == NULL)
        return;
    for (struct node *item = node->first; item != NULL; item = item->next) {
        if (item->bad)
            continue;
        const char *sender =
            terms->channel == CHANNEL_SMS ? sender_id(build, item) : sender_domain(build, item);
        if (sender != NULL)
            terms->senders[terms->n_senders++] = sender;
    }
}

static bool carries(enum adapter_kind adapter, enum channel channel)
{
    switch (adapter) {
    case ADAPTER_CAPTURE:
        return true;
    case ADAPTER_SMPP:
    case ADAPTER_HTTP:
        return channel == CHANNEL_SMS;
    default:
        return channel == CHANNEL_EMAIL;
    }
}

/* channel_known: else nothing is said of what the provider carries. */
static void add_route(struct build *build, struct node *item, bool channel_known,
                      struct stream_config *out)
{
    const struct provider_config *provider = config_provider(build->config, item->text);
    if (provider == NULL) {
        node_problem(build->problems, item, "there is no providers.%.128s", item->text);
        return;
    }
    for (size_t i = 0; i < out->n_providers; i++)
        if (out->providers[i] == provider) {
            node_problem(build->problems, item, "\"%s\" stands twice", item->text);
            return;
        }
    /* A provider without a digest has no good adapter, and that was said there. */
    if (channel_known && provider->digest[0] != '\0' &&
        !carries(provider->adapter, out->terms.channel)) {
        node_problem(build->problems, item, "\"%s\" carries no %s: its adapter is \"%s\"",
                     item->text, channel_name(out->terms.channel),
                     config_adapter_name(provider->adapter));
        return;
    }
    out->providers[out->n_providers++] = provider;
}

static void build_routes(struct build *build, const struct node *group, struct stream_config *out)
{
    const struct node *node = build_node(group, "providers");
    if (node == NULL)
        return;
    out->providers = build_array(build, node->n_children, sizeof(*out->providers));
    if (out->providers == NULL)
        return;
    for (struct node *item = node->first; item != NULL; item = item->next)
        if (!item->bad)
            add_route(build, item, build_node(group, "channel") != NULL, out);
}

/* Where the links of an added way out lead: by https (RFC 8058), only on this machine also in
 * clear, which is for trials. */
static void check_way_out(struct build *build, struct node *unsubscribe)
{
    const char *url = build->config->public_url;
    char host[URL_HOST_MAX + 1];
    bool secure = false;
    if (url == NULL || url[0] == '\0')
        node_problem(build->problems, unsubscribe,
                     "\"add\" needs public_url, which its links begin with");
    else if (strlen(url) > LINK_URL_MAX)
        node_problem(build->problems, unsubscribe,
                     "\"add\" needs a public_url of at most %d bytes, or its links do not fit a "
                     "header line",
                     LINK_URL_MAX);
    else if (url_parse(url, false, &secure, host) && !secure && !host_is_loopback(host))
        node_problem(build->problems, unsubscribe,
                     "\"add\" needs a public_url that begins with https:// (RFC 8058)");
    for (size_t i = 0; i < build->config->n_listeners; i++)
        if ((build->config->listeners[i].services & SERVICE_UNSUBSCRIBE) != 0)
            return;
    node_problem(build->problems, unsubscribe,
                 "\"add\" needs a listener with the service \"unsubscribe\", or nobody answers its "
                 "links");
}

/* What means something on one channel only. */
static void check_channel_keys(struct build *build, const struct node *group,
                               const struct stream *terms)
{
    struct node *unsubscribe = build_node(group, "unsubscribe");
    struct node *window = build_node(group, "window");
    if (build_node(group, "channel") == NULL)
        return;
    if (terms->channel != CHANNEL_EMAIL && terms->unsubscribe != UNSUBSCRIBE_OFF)
        node_problem(build->problems, unsubscribe, "is for email only");
    if (terms->channel != CHANNEL_EMAIL && build_node(group, "unsubscribe_existing") != NULL)
        node_problem(build->problems, build_node(group, "unsubscribe_existing"),
                     "is for email only");
    if (stream_adds_unsubscribe(terms))
        check_way_out(build, unsubscribe);
    if (terms->channel != CHANNEL_SMS && window != NULL)
        node_problem(build->problems, window, "is for sms only");
}

static void build_stream(struct build *build, const struct node *group,
                         const struct partner *partner, const struct node *partner_group)
{
    struct config *config = build->config;
    struct stream_config *out = &config->streams[config->n_streams];
    out->index = (unsigned)config->n_streams++;
    out->terms.id = build_copy(build, group->name);
    out->terms.partner = partner;
    out->terms.channel = (enum channel)build_number(group, "channel");
    out->terms.class = (enum stream_class)build_number(group, "class");
    out->terms.sector = build_text(build, group, "sector");
    out->terms.unsubscribe = (enum unsubscribe)build_number(group, "unsubscribe");
    out->terms.existing = (enum unsubscribe_existing)build_number(group, "unsubscribe_existing");
    out->rate = (unsigned)build_number(group, "rate");
    out->window = (unsigned)build_number(group, "window");
    out->smpp_refusal = (uint32_t)build_number(partner_group, "smpp_refusal");
    out->partner_connections = (unsigned)build_number(partner_group, "max_connections");
    check_channel_keys(build, group, &out->terms);
    build_senders(build, group, &out->terms);
    build_routes(build, group, out);
}

/* Statuses at which the usual clients keep the message and send it again. */
static void check_refusal(struct build *build, const struct node *group)
{
    static const uint32_t tried_again[] = {SMPP_RTHROTTLED, SMPP_RMSGQFUL, SMPP_RSYSERR,
                                           SMPP_RX_T_APPN};
    struct node *node = build_node(group, "smpp_refusal");
    for (size_t i = 0; node != NULL && i < sizeof(tried_again) / sizeof(tried_again[0]); i++)
        if (node->number == tried_again[i]) {
            node_problem(build->problems, node,
                         "at 0x%02x the partner's software would try again and again; a refusal is "
                         "for good",
                         tried_again[i]);
            return;
        }
}

static void build_partner(struct build *build, const struct node *group, struct partner *out)
{
    struct node *siren = build_node(group, "siren");
    out->id = build_copy(build, group->name);
    out->name = build_text(build, group, "name");
    out->siren = build_text(build, group, "siren");
    out->categories = build_texts(build, group, "categories", &out->n_categories);
    out->mode = (enum mode)build_number(group, "mode");
    check_refusal(build, group);
    if (siren != NULL && siren->text[0] != '\0' && !siren_valid(siren->text))
        node_problem(build->problems, siren, "\"%s\" is no SIREN, which has nine digits",
                     siren->text);
}

static size_t count_streams(const struct build *build, const struct node *partners)
{
    size_t count = 0;
    for (const struct node *group = partners->first; group != NULL; group = group->next)
        count += build_group(build, group, "streams")->n_children;
    return count;
}

void build_partners(struct build *build)
{
    struct config *config = build->config;
    const struct node *all = build_group(build, NULL, "partners");
    size_t n_streams = count_streams(build, all);
    config->partners = build_array(build, all->n_children, sizeof(*config->partners));
    config->streams = build_array(build, n_streams, sizeof(*config->streams));
    config->notices = build_array(build, all->n_children, sizeof(*config->notices));
    if (config->partners == NULL || config->streams == NULL || config->notices == NULL)
        return;
    for (const struct node *group = all->first; group != NULL; group = group->next) {
        if (group->type != NODE_GROUP)
            continue;
        struct partner *partner = &config->partners[config->n_partners++];
        build_partner(build, group, partner);
        build_notices(build, group, partner);
        const struct node *streams = build_group(build, group, "streams");
        for (const struct node *stream = streams->first; stream; stream = stream->next)
            if (stream->type == NODE_GROUP)
                build_stream(build, stream, partner, group);
    }
    build_accounts(build, all);
}
