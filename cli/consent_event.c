/* SPDX-License-Identifier: Apache-2.0 */
/* `octroi consent record` and `octroi consent withdraw`: one event of one person. */
#include "base/clock.h"
#include "cli/context.h"
#include "cli/options.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* Partners named in an event that takes something away must exist: a typing mistake there would
 * leave the person written to. In a grant it only gives nothing, so a warning will do. */
static bool partners_known(const struct config *config, const struct event_input *event)
{
    bool takes_away = event->kind == EVENT_WITHDRAWN || event->kind == EVENT_OBJECTED;
    bool known = true;
    for (size_t i = 0; i < event->n_partners; i++) {
        if (config_partner(config, event->partners[i]) != NULL)
            continue;
        if (takes_away) {
            command_failed_text("the configuration knows no partner '%s'; nothing was recorded",
                                event->partners[i]);
            known = false;
        } else {
            command_warn("the configuration knows no partner '%s'", event->partners[i]);
        }
    }
    return known;
}

struct collector_search {
    const char *collector;
    bool found;
};

static bool compare_collector(void *arg, const struct form_row *row)
{
    struct collector_search *search = arg;
    search->found = ascii_equal(search->collector, row->collector_name) ||
                    ascii_equal(search->collector, row->collector_siren);
    return !search->found;
}

/* As with partners: an objection to a name no form bears would be on record and stop nothing. */
static bool collector_known(struct context *context, const char *collector)
{
    struct error err = {0};
    struct collector_search search = {.collector = collector,
                                      .found = collector == NULL || *collector == '\0'};
    if (!search.found &&
        registry_forms(context->registry, NULL, 0, compare_collector, &search, &err) != RESULT_OK)
        command_failed(&err);
    else if (!search.found)
        command_failed_text("no form was collected by '%s' (its name or SIREN); nothing was "
                            "recorded",
                            collector);
    return search.found;
}

static unsigned fitting_channels(enum address_kind kind)
{
    unsigned channels = 0;
    for (enum channel channel = 0; channel < CHANNEL_COUNT; channel++)
        if (address_fits(kind, channel))
            channels |= CHANNEL_BIT(channel);
    return channels;
}

/* The person is known: checks what is left, and writes. */
static int record_for(struct context *context, const struct recipient *recipient,
                      struct event_input *event)
{
    struct error err = {0};
    char channels[64];
    char when[CLOCK_TEXT];
    unsigned added = 0;
    unsigned fitting = fitting_channels(event->address_kind);
    channels_text(event->channels & ~fitting, channels, sizeof(channels));
    if (*channels != '\0')
        return command_failed_text("%s cannot be reached on %s; nothing was recorded",
                                   recipient->masked, channels);
    if (event->channels == 0)
        event->channels = fitting;
    if (!partners_known(context->config, event) || !collector_known(context, event->collector))
        return EXIT_FAILED;
    if (registry_add_event(context->registry, event, clock_now(), &added, &err) != RESULT_OK)
        return command_failed(&err);
    channels_text(event->channels, channels, sizeof(channels));
    clock_format_seconds(event->occurred_at, when);
    if (added == 0)
        printf("%s: this event was on record already; nothing changed\n", recipient->masked);
    else
        printf("%s: recorded %s on %s at %s, counted from the next verdict on\n", recipient->masked,
               event_kind_name(event->kind), channels, when);
    return EXIT_DONE;
}

/* text: the address as typed. event: everything but the person; channels 0 means all that fit.
 * Evidence that repeats the address is kept with its masked form instead. */
static int record(struct context *context, const char *text, struct event_input *event)
{
    struct address address;
    struct recipient recipient;
    struct strbuf evidence = {0};
    if (!context_recipient(context, text, &address, &recipient))
        return EXIT_FAILED;
    memcpy(event->recipient_key, recipient.key, sizeof(event->recipient_key));
    event->address_kind = address.kind;
    event->origin = "command";
    event->address = address.text;
    recipient_hide(event->evidence, text, &address, &recipient, &evidence);
    event->evidence = evidence.data;
    int code = evidence.failed ? command_failed_text("out of memory")
                               : record_for(context, &recipient, event);
    wipe(address.text, sizeof(address.text));
    event->address = NULL;
    strbuf_free(&evidence);
    return code;
}

static int open_and_record(const struct invocation *invocation, const char *text,
                           struct event_input *event)
{
    struct context context;
    if (!context_open(invocation, CONTEXT_REGISTRY | CONTEXT_RECIPIENT_KEY, &context))
        return EXIT_FAILED;
    int code = record(&context, text, event);
    context_close(&context);
    return code;
}

struct record_options {
    const char *event, *form, *basis, *supplier, *collector, *evidence, *occurred_at;
    struct option_words channels, partners;
};

/* EXIT_DONE when event is filled; form_id_out is the caller's to free. */
static int fill_event(const struct invocation *invocation, const struct record_options *options,
                      struct event_input *event, char **form_id_out)
{
    if (options->event == NULL || options->channels.count == 0)
        return command_usage(invocation, "--%s is missing",
                             options->event == NULL ? "event" : "channel");
    if (!event_kind_parse(options->event, &event->kind))
        return command_usage(invocation,
                             "--event is given, renewed, active, withdrawn or objected, not '%s'",
                             options->event);
    bool grant = event->kind == EVENT_GIVEN || event->kind == EVENT_RENEWED;
    if (options->basis != NULL && !basis_parse(options->basis, &event->basis))
        return command_usage(invocation,
                             "--basis is consent, soft-opt-in, professional or informed, not '%s'",
                             options->basis);
    if (options->basis != NULL && !grant)
        return command_usage(invocation, "--basis belongs to given and renewed");
    if (options->collector != NULL && event->kind != EVENT_OBJECTED)
        return command_usage(invocation, "--collector belongs to objected");
    event->occurred_at = clock_now();
    if (!option_channels(invocation, &options->channels, &event->channels) ||
        !option_instant(invocation, "occurred-at", options->occurred_at, &event->occurred_at) ||
        !option_form(invocation, options->form, form_id_out, &event->form_version))
        return EXIT_USAGE;
    event->form_id = *form_id_out;
    event->partners = options->partners.values;
    event->n_partners = options->partners.count;
    event->supplier = options->supplier != NULL ? options->supplier : "";
    event->collector = options->collector != NULL ? options->collector : "";
    event->evidence = options->evidence != NULL ? options->evidence : "";
    return EXIT_DONE;
}

int cli_consent_record(const struct invocation *invocation, int argc, char **argv)
{
    char **operands;
    struct record_options options = {0};
    struct event_input event = {.basis = BASIS_CONSENT};
    char *form_id = NULL;
    const struct option_spec specs[] = {{"event", OPTION_TEXT, &options.event},
                                        {"channel", OPTION_WORDS, &options.channels},
                                        {"form", OPTION_TEXT, &options.form},
                                        {"partners", OPTION_WORDS, &options.partners},
                                        {"basis", OPTION_TEXT, &options.basis},
                                        {"supplier", OPTION_TEXT, &options.supplier},
                                        {"collector", OPTION_TEXT, &options.collector},
                                        {"evidence", OPTION_TEXT, &options.evidence},
                                        {"occurred-at", OPTION_TEXT, &options.occurred_at},
                                        {0}};
    int code = options_read(invocation, argc, argv, specs, 1, 1, &operands);
    if (code != OPTIONS_GO)
        return code;
    code = fill_event(invocation, &options, &event, &form_id);
    if (code == EXIT_DONE)
        code = open_and_record(invocation, operands[0], &event);
    free(form_id);
    option_words_free(&options.channels);
    option_words_free(&options.partners);
    return code;
}

int cli_consent_withdraw(const struct invocation *invocation, int argc, char **argv)
{
    char **operands;
    bool objection = false;
    const char *evidence = NULL;
    const char *occurred_at = NULL;
    struct option_words partners = {0};
    struct option_words channels = {0};
    const struct option_spec specs[] = {
        {"partner", OPTION_WORDS, &partners},       {"channel", OPTION_WORDS, &channels},
        {"objection", OPTION_FLAG, &objection},     {"evidence", OPTION_TEXT, &evidence},
        {"occurred-at", OPTION_TEXT, &occurred_at}, {0}};
    int code = options_read(invocation, argc, argv, specs, 1, 1, &operands);
    if (code != OPTIONS_GO)
        return code;
    struct event_input event = {.kind = objection ? EVENT_OBJECTED : EVENT_WITHDRAWN,
                                .occurred_at = clock_now(),
                                .partners = partners.values,
                                .n_partners = partners.count,
                                .supplier = "",
                                .collector = "",
                                .evidence = evidence != NULL ? evidence : ""};
    code = EXIT_USAGE;
    if (option_channels(invocation, &channels, &event.channels) &&
        option_instant(invocation, "occurred-at", occurred_at, &event.occurred_at))
        code = open_and_record(invocation, operands[0], &event);
    option_words_free(&partners);
    option_words_free(&channels);
    return code;
}
