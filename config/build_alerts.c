/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who is told by mail how the gate is, and by which way. Addresses are of ASCII: such a mail must
 * go through any provider.
 */
#include "config/build.h"
#include "config/checks.h"
#include "policy/recipient.h"

#include <string.h>

static void check_address(struct build *build, struct node *node)
{
    struct address address;
    struct error why = {0};
    for (const char *at = node->text; *at != '\0'; at++) {
        if ((unsigned char)*at <= ' ' || (unsigned char)*at >= 0x7f) {
            node_problem(build->problems, node, "holds something that is not visible ASCII");
            return;
        }
    }
    if (address_parse_email(node->text, &address, &why) != RESULT_OK)
        node_problem(build->problems, node, "\"%s\" is no e-mail address: %s", node->text,
                     why.text);
}

static const struct provider_config *find_provider(struct build *build, const struct node *group)
{
    struct node *node = build_node(group, "provider");
    if (node == NULL)
        return NULL;
    const struct provider_config *provider = config_provider(build->config, node->text);
    if (provider == NULL) {
        /* One that is there and has mistakes of its own is not a mistake here, too. */
        if (node_child(build_group(build, NULL, "providers"), node->text) == NULL)
            node_problem(build->problems, node, "there is no provider \"%s\"", node->text);
        return NULL;
    }
    if (provider->adapter == ADAPTER_SMPP || provider->adapter == ADAPTER_HTTP) {
        node_problem(build->problems, node, "%s carries text messages, not mail", node->text);
        return NULL;
    }
    return provider;
}

static int read_time(struct build *build, const struct node *group)
{
    struct node *node = build_node(group, "digest_at");
    const char *text = build_text(build, group, "digest_at");
    int minute = strlen(text) == strlen("07:30") ? minutes_parse(text) : -1;
    if (minute >= 0 && minute < 24 * 60)
        return minute;
    if (node != NULL)
        node_problem(build->problems, node, "\"%s\" is no time of day such as \"07:30\"",
                     node->text);
    return 0;
}

void build_alerts(struct build *build)
{
    static const char *const required[] = {"to", "from", "provider"};
    static const char *const words[] = {"who is told", "who it comes from",
                                        "which provider takes it there"};
    const struct node *group = node_child(build->tree->root, "alerts");
    struct alerts_config *alerts = &build->config->alerts;
    alerts->timezone = "Europe/Paris"; /* the console's, too, where nobody is told by mail */
    if (group == NULL || group->type != NODE_GROUP)
        return;
    for (size_t i = 0; i < sizeof(required) / sizeof(required[0]); i++)
        if (node_child(group, required[i]) == NULL)
            node_key_problem(build->problems, group, required[i], "is missing: %s", words[i]);
    struct node *list = build_node(group, "to");
    for (struct node *item = list != NULL ? list->first : NULL; item != NULL; item = item->next)
        if (!item->bad)
            check_address(build, item);
    if (build_node(group, "from") != NULL)
        check_address(build, build_node(group, "from"));
    alerts->to = build_texts(build, group, "to", &alerts->n_to);
    alerts->from = build_text(build, group, "from");
    alerts->provider = find_provider(build, group);
    alerts->language = (enum language)build_number(group, "language");
    alerts->timezone = build_text(build, group, "timezone");
    alerts->digest_minute = read_time(build, group);
    alerts->repeat_after = build_number(group, "repeat_after");
    alerts->provider_down_after = build_number(group, "provider_down_after");
    alerts->verify_every = build_number(group, "verify_every");
    alerts->mails_an_hour = (unsigned)build_number(group, "mails_an_hour");
}
