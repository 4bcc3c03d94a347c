/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How long things are kept. What erases is not to be undone, so every bound that the law or the
 * rules set is checked here, before `purge` can act on a slip: an opposition lasts three years at
 * least, the journal three years at most, and no consent may still pass that has ended already.
 */
#include "config/build.h"

#include <stdio.h>

static const struct duration three_years = {.months = 36};
static const struct duration one_day = {.microseconds = CLOCK_DAY};

/* Months have no length of their own: compared over the same stretch of the calendar. */
static bool longer(struct duration a, struct duration b)
{
    return clock_add(0, a) > clock_add(0, b);
}

static struct duration take(struct build *build, const struct node *group, const char *key)
{
    struct duration period = {0};
    const char *text = build_text(build, group, key);
    if (text != NULL)
        (void)duration_parse(text, &period); /* the schema has read it once already */
    return period;
}

/* Only what the file says can be wrong: the defaults are within all bounds. */
static void finding(struct build *build, const struct node *group, const char *key,
                    const char *text)
{
    struct node *node = build_node(group, key);
    if (node != NULL)
        node_problem(build->problems, node, "%s", text);
}

/* Where stale_after is longer, a consent that has ended would go on passing. Said where somebody
 * wrote something: at the period here, else at the channel's. */
static void check_staleness(struct build *build, const struct node *group)
{
    const struct node *policies = build_group(build, NULL, "policies");
    bool here = build_node(group, "consent") != NULL;
    for (int i = 0; i < CHANNEL_COUNT; i++) {
        const char *channel = channel_name((enum channel)i);
        char text[200];
        if (!longer(build->config->policies[i].stale_after, build->config->retention.consent))
            continue;
        snprintf(text, sizeof(text),
                 here ? "is shorter than policies.%s.stale_after: what has ended here would still "
                        "pass there"
                      : "is longer than retention.consent: a consent would pass on %s after it has "
                        "ended",
                 channel);
        finding(build, here ? group : build_group(build, policies, channel),
                here ? "consent" : "stale_after", text);
        if (here)
            return;
    }
}

void build_retention(struct build *build)
{
    /* With its pattern, so that the defaults are found where there is no such group. */
    static const struct node none = {.type = NODE_GROUP, .pattern = "retention"};
    const struct node *group = node_child(build->tree->root, "retention");
    if (group == NULL || group->type != NODE_GROUP)
        group = &none;
    struct retention_config *retention = &build->config->retention;
    retention->consent = take(build, group, "consent");
    retention->proof = take(build, group, "proof");
    retention->opposition = take(build, group, "opposition");
    retention->journal = take(build, group, "journal");
    retention->observe_detail = take(build, group, "observe_detail");
    if (longer(three_years, retention->opposition))
        finding(build, group, "opposition",
                "objections and withdrawals are kept for 3 years at least (\"3 years\" or longer)");
    if (longer(retention->journal, three_years))
        finding(build, group, "journal", "the journal is kept for 3 years at most");
    if (longer(one_day, retention->journal))
        finding(build, group, "journal", "the journal is kept for a day at least");
    if (longer(one_day, retention->observe_detail))
        finding(build, group, "observe_detail", "is a day at least");
    check_staleness(build, group);
}
