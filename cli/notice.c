/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `octroi notice`: which partners were told of which withdrawals and objections, who is yet to be,
 * and what answered. People are shown as the numbers of their events: no address, no key.
 */
#include "base/clock.h"
#include "cli/context.h"
#include "cli/options.h"
#include "store/notices.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static const struct column columns[] = {{"event", CELL_NUMBER, false},
                                        {"partner", CELL_TEXT, false},
                                        {"state", CELL_TEXT, false},
                                        {"overdue", CELL_FLAG, false},
                                        {"kind", CELL_TEXT, false},
                                        {"channel", CELL_TEXT, false},
                                        {"created_at", CELL_TEXT, false},
                                        {"attempts", CELL_NUMBER, false},
                                        {"last_at", CELL_TEXT, true},
                                        {"answer", CELL_TEXT, false},
                                        {"next_at", CELL_TEXT, false},
                                        {"ended_at", CELL_TEXT, true},
                                        {0}};

struct listing {
    struct output *output;
    enum output_format format;
    const struct config *config;
    int64_t now;
    bool overdue_only;
    uint64_t limit; /* 0: all */
    uint64_t shown;
};

/* The partner's own measure, also of one that is configured no more: the default's three days. */
static bool is_overdue(const struct listing *listing, const struct delivery *delivery)
{
    const struct notices_config *notices = config_notices(listing->config, delivery->partner);
    int64_t after = notices != NULL ? notices->overdue_after : 3 * CLOCK_DAY;
    return delivery->state == DELIVERY_WAITING &&
           listing->now - delivery->notice.created_at > after;
}

static struct cell cell_moment(const struct listing *listing, int64_t moment, char text[CLOCK_TEXT])
{
    if (moment <= 0)
        return cell_none();
    if (listing->format == OUTPUT_TABLE)
        clock_format_seconds(moment, text);
    else
        clock_format(moment, text);
    return cell_text(text);
}

static bool print_delivery(void *arg, const struct delivery *delivery)
{
    struct listing *listing = arg;
    char created[CLOCK_TEXT], last[CLOCK_TEXT], next[CLOCK_TEXT], ended[CLOCK_TEXT];
    const struct event_row *event = &delivery->notice.event;
    bool overdue = is_overdue(listing, delivery);
    bool waits = delivery->state == DELIVERY_WAITING;
    if (listing->overdue_only && !overdue)
        return true;
    const struct cell cells[] = {cell_number(event->id),
                                 cell_text(delivery->partner),
                                 cell_text(delivery_state_name(delivery->state)),
                                 cell_flag(overdue),
                                 cell_text(event_kind_name(event->kind)),
                                 cell_text(channel_name(event->channel)),
                                 cell_moment(listing, delivery->notice.created_at, created),
                                 cell_number(delivery->attempts),
                                 cell_moment(listing, delivery->last_at, last),
                                 cell_filled(delivery->last_answer),
                                 cell_moment(listing, waits ? delivery->next_at : 0, next),
                                 cell_moment(listing, delivery->ended_at, ended)};
    listing->shown++;
    return output_row(listing->output, cells) &&
           (listing->limit == 0 || listing->shown < listing->limit);
}

/* A partner that left the configuration may yet have deliveries: it is warned of, no more. */
static void warn_of_partner(const struct context *context, const char *partner)
{
    if (partner != NULL && config_partner(context->config, partner) == NULL)
        command_warn("the configuration knows no partner '%s'", partner);
}

static int list(struct context *context, struct listing *listing,
                const struct delivery_filter *filter)
{
    struct error err = {0};
    warn_of_partner(context, filter->partner);
    listing->config = context->config;
    listing->output = output_new(stdout, listing->format, columns);
    enum result result =
        listing->output == NULL
            ? error_no_memory(&err)
            : registry_deliveries(context->registry, filter, print_delivery, listing, &err);
    return command_listed(&listing->output, result, &err);
}

int cli_notice_list(const struct invocation *invocation, int argc, char **argv)
{
    char **operands;
    const char *partner = NULL, *state = NULL, *limit = NULL, *format = NULL;
    struct listing listing = {.format = OUTPUT_TABLE, .now = clock_now()};
    struct delivery_filter filter = {.created_before = INT64_MAX, .before_id = INT64_MAX};
    struct context context;
    const struct option_spec specs[] = {{"partner", OPTION_TEXT, &partner},
                                        {"state", OPTION_TEXT, &state},
                                        {"overdue", OPTION_FLAG, &listing.overdue_only},
                                        {"limit", OPTION_TEXT, &limit},
                                        {"format", OPTION_TEXT, &format},
                                        {0}};
    int code = options_read(invocation, argc, argv, specs, 0, 0, &operands);
    if (code != OPTIONS_GO)
        return code;
    if (state != NULL && !delivery_state_parse(state, &filter.state))
        return command_usage(
            invocation, "--state is waiting, acknowledged, given-up or untold, not '%s'", state);
    if (!option_count(invocation, "limit", limit, &listing.limit) ||
        !option_format(invocation, format, &listing.format))
        return EXIT_USAGE;
    filter.partner = partner;
    filter.has_state = state != NULL || listing.overdue_only;
    if (listing.overdue_only && state == NULL)
        filter.state = DELIVERY_WAITING;
    if (!context_open(invocation, CONTEXT_REGISTRY, &context))
        return EXIT_FAILED;
    code = list(&context, &listing, &filter);
    context_close(&context);
    return code;
}

int cli_notice_retry(const struct invocation *invocation, int argc, char **argv)
{
    char **operands;
    const char *partner = NULL;
    struct context context;
    struct error err = {0};
    uint64_t count = 0;
    const struct option_spec specs[] = {{"partner", OPTION_TEXT, &partner}, {0}};
    int code = options_read(invocation, argc, argv, specs, 0, 0, &operands);
    if (code != OPTIONS_GO)
        return code;
    if (!context_open(invocation, CONTEXT_REGISTRY, &context))
        return EXIT_FAILED;
    warn_of_partner(&context, partner);
    code =
        registry_retry_deliveries(context.registry, partner, clock_now(), &count, &err) == RESULT_OK
            ? EXIT_DONE
            : command_failed(&err);
    if (code == EXIT_DONE)
        printf("%" PRIu64 " deliver%s due now; the gateway tries within a second\n", count,
               count == 1 ? "y is" : "ies are");
    context_close(&context);
    return code;
}
