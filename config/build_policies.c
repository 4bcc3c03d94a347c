/* SPDX-License-Identifier: Apache-2.0 */
/* The policies: each channel starts from its strict default, then takes what the file says. */
#include "config/build.h"

#include "config/checks.h"

#include <stdlib.h>
#include <string.h>

/* What the law bans outright: training accounts on every electronic channel, energy renovation by
 * phone and text message. */
static const char *banned_everywhere[] = {"cpf"};
static const char *banned_by_phone[] = {"cpf", "energy-renovation"};

static void default_sectors(struct channel_policy *policy)
{
    policy->banned_sectors = NULL;
    policy->n_banned_sectors = 0;
    if (policy->channel == CHANNEL_EMAIL) {
        policy->banned_sectors = banned_everywhere;
        policy->n_banned_sectors = 1;
    } else if (policy->channel != CHANNEL_POST) {
        policy->banned_sectors = banned_by_phone;
        policy->n_banned_sectors = 2;
    }
}

static void take_accept(const struct node *group, struct channel_policy *policy)
{
    const struct node *node = build_node(group, "accept");
    if (node == NULL)
        return;
    unsigned bases = 0;
    for (const struct node *item = node->first; item != NULL; item = item->next)
        if (!item->bad)
            bases |= BASIS_BIT((unsigned)item->number);
    /* Who says what permits a call says it for every date. */
    channel_policy_accept(policy, bases);
}

static int compare_openings(const void *left, const void *right)
{
    const struct opening *a = left;
    const struct opening *b = right;
    return a->from < b->from ? -1 : a->from > b->from;
}

/* In order of the day, so that the same hours make the same policy version. */
static void take_hours(struct build *build, const struct node *group, struct channel_policy *policy)
{
    struct node *node = build_node(group, "hours");
    if (node == NULL)
        return;
    policy->hours = NULL; /* an empty list: always open */
    policy->n_hours = 0;
    if (node->n_children == 0)
        return;
    policy->hours = build_array(build, node->n_children, sizeof(*policy->hours));
    for (struct node *item = node->first; policy->hours && item != NULL; item = item->next) {
        if (item->bad)
            continue;
        if (opening_parse(item->text, &policy->hours[policy->n_hours]))
            policy->n_hours++;
        else
            node_problem(build->problems, item,
                         "\"%.64s\" are no hours such as \"08:00-21:30\" (within one day)",
                         item->text);
    }
    if (policy->n_hours > 1)
        qsort(policy->hours, policy->n_hours, sizeof(policy->hours[0]), compare_openings);
    for (size_t i = 1; i < policy->n_hours; i++)
        if (policy->hours[i].from < policy->hours[i - 1].to) {
            node_problem(build->problems, node, "the hours overlap each other");
            return;
        }
}

static void take_days(struct build *build, const struct node *group, struct channel_policy *policy)
{
    struct node *node = build_node(group, "days");
    if (node != NULL && !days_parse(node->text, &policy->days))
        node_problem(build->problems, node,
                     "\"%.64s\" are no days such as \"mon-sat\" or "
                     "\"mon,wed,fri\"",
                     node->text);
}

static void take_stop_mention(struct build *build, const struct node *group,
                              struct channel_policy *policy)
{
    struct node *node = build_node(group, "stop_mention");
    if (node == NULL)
        return;
    policy->stop_mention = node->number != 0;
    if (policy->channel != CHANNEL_SMS)
        node_problem(build->problems, node, "is for sms only");
}

static void build_policy(struct build *build, const struct node *group,
                         struct channel_policy *policy)
{
    const struct node *stale = build_node(group, "stale_after");
    take_accept(group, policy);
    take_hours(build, group, policy);
    take_days(build, group, policy);
    take_stop_mention(build, group, policy);
    if (build_node(group, "partner_naming") != NULL)
        policy->partner_naming = (enum partner_naming)build_number(group, "partner_naming");
    if (build_node(group, "partner_added_later") != NULL)
        policy->partner_added_later = (enum added_later)build_number(group, "partner_added_later");
    if (stale != NULL) /* the schema has read it once already */
        duration_parse(stale->text, &policy->stale_after);
    if (build_node(group, "banned_sectors") != NULL)
        policy->banned_sectors =
            build_texts(build, group, "banned_sectors", &policy->n_banned_sectors);
    if (build_node(group, "holidays") != NULL)
        policy->holidays = build_text(build, group, "holidays");
    if (build_node(group, "timezone") != NULL)
        policy->timezone = build_text(build, group, "timezone");
}

void build_policies(struct build *build)
{
    const struct node *all = build_group(build, NULL, "policies");
    struct channel_policy *policies = build->config->policies;
    for (int i = 0; i < CHANNEL_COUNT; i++) {
        channel_policy_default((enum channel)i, &policies[i]);
        default_sectors(&policies[i]);
    }
    for (struct node *group = all->first; group != NULL; group = group->next) {
        enum channel channel = CHANNEL_EMAIL;
        if (group->type != NODE_GROUP)
            continue;
        if (channel_parse(group->name, &channel))
            build_policy(build, group, &policies[channel]);
        else
            node_problem(build->problems, group,
                         "is no channel: email, sms, call, autocall or post");
    }
    for (int i = 0; i < CHANNEL_COUNT; i++)
        channel_policy_stamp(&policies[i]);
}
