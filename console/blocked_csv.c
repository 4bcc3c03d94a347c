/* SPDX-License-Identifier: Apache-2.0 */
/* The list of blocked messages as a file: all that its filters let through, not a page of it. */
#include "console/pages.h"
#include "console/send.h"

#include <string.h>

static const char *given(const char *text)
{
    return text[0] != '\0' ? text : NULL;
}

static void read_filter(const struct visit *visit, struct log_filter *filter_out)
{
    const char *verdict = visit_field(visit, "verdict");
    const char *reason = visit_field(visit, "reason");
    const char *channel = visit_field(visit, "channel");
    enum reason known;
    struct log_filter filter = {.since = INT64_MIN, .until = INT64_MAX};
    filter.has_verdict = strcmp(verdict, "all") != 0;
    if (!verdict_parse(verdict, &filter.verdict))
        filter.verdict = VERDICT_BLOCK;
    filter.has_channel = channel_parse(channel, &filter.channel);
    filter.partner = given(visit_id_field(visit, "partner"));
    filter.reason = reason_parse(reason, &known) ? reason : NULL;
    (void)visit_day_field(visit, "from", false, &filter.since);
    (void)visit_day_field(visit, "to", true, &filter.until);
    *filter_out = filter;
}

enum result blocked_csv(struct visit *visit, struct error *err)
{
    struct log_filter filter;
    read_filter(visit, &filter);
    return visit_send_decisions(visit, &filter, "octroi-decisions.csv", err);
}
