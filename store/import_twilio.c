/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Twilio's consent bulk shape as the contract's columns. It knows a contact, in or out, where that
 * was said, and mostly when; it knows neither the form the person saw nor the partners it was for.
 * Those come from the command line, or the opt-in is taken without proof. An opt-out is never
 * refused for what it does not need: a missing date or an unheard-of source lets no message
 * through.
 *
 * correlation_id only pairs a request's items with the reply's and changes with each export, so it
 * is no part of the event: the same fact exported twice must stay one event.
 */
#include "store/import_internal.h"

#include "base/clock.h"

#include <string.h>

static const char *const octroi_names[COLUMN_COUNT] = {
    "recipient", "channel", "event",    "occurred_at", "form",
    "partners",  "basis",   "supplier", "evidence",
};
static const unsigned char octroi_places[COLUMN_COUNT] = {0, 1, 2, 3, 4, 5, 6, 7, 8};

const struct import_schema import_schema_octroi = {
    .names = octroi_names,
    .count = COLUMN_COUNT,
    .required = 1u << COLUMN_RECIPIENT | 1u << COLUMN_CHANNEL | 1u << COLUMN_EVENT |
                1u << COLUMN_OCCURRED_AT,
    .lists = 1u << COLUMN_CHANNEL | 1u << COLUMN_PARTNERS,
    .reported = octroi_names,
    .places = octroi_places,
};

static const char *const twilio_names[TWILIO_KEY_COUNT] = {
    "contact_id", "correlation_id", "sender_id", "status", "source", "date_of_consent",
};
static const char *const twilio_reported[COLUMN_COUNT] = {
    "contact_id", "contact_id", "status",     "date_of_consent", "--form",
    "--partner",  "status",     "--supplier", "source",
};
static const unsigned char twilio_places[COLUMN_COUNT] = {
    TWILIO_CONTACT_ID,
    TWILIO_CONTACT_ID,
    TWILIO_STATUS,
    TWILIO_DATE_OF_CONSENT,
    0xff,
    0xff,
    TWILIO_STATUS,
    0xff,
    TWILIO_SOURCE,
};

const struct import_schema import_schema_twilio = {
    .names = twilio_names,
    .count = TWILIO_KEY_COUNT,
    .required = 1u << TWILIO_CONTACT_ID | 1u << TWILIO_STATUS,
    .lists = 0,
    .reported = twilio_reported,
    .places = twilio_places,
};

/* What Twilio documents; anything else might hold an address and is not repeated. */
static const char *known_source(const char *source)
{
    static const char *const sources[] = {"website", "offline", "opt-in-message", "opt-out-message",
                                          "others"};
    for (size_t i = 0; i < sizeof(sources) / sizeof(sources[0]); i++)
        if (strcmp(source, sources[i]) == 0)
            return sources[i];
    return NULL;
}

/* A messaging service's id says which of the company's senders the person knows; a sender that is
 * a number says no more than that and is left out. */
static bool is_service(const char *sender)
{
    return strncmp(sender, "MG", 2) == 0 && strlen(sender) == 34 &&
           strspn(sender + 2, "0123456789abcdef") == 32;
}

static enum result refuse(struct import_event *event, enum import_column column, const char *why,
                          struct error *err)
{
    event->refused = column;
    return error_set(err, RESULT_BAD_INPUT, "%s", why);
}

/* Begins a text in scratch; its offset, for scratch may still move. */
static size_t begin(const struct strbuf *scratch)
{
    return scratch->length;
}

static size_t write_evidence(const struct import_settings *settings, const char *const *values,
                             bool given, struct strbuf *scratch)
{
    size_t at = begin(scratch);
    const char *source = known_source(values[TWILIO_SOURCE]);
    if (given && settings->evidence[0] != '\0') {
        strbuf_add_str(scratch, settings->evidence);
        strbuf_add_str(scratch, "; ");
    }
    strbuf_add_str(scratch, "Twilio consent, source ");
    strbuf_add_str(scratch, source != NULL ? source : "not known");
    if (is_service(values[TWILIO_SENDER_ID])) {
        strbuf_add_str(scratch, ", sender ");
        strbuf_add_str(scratch, values[TWILIO_SENDER_ID]);
    }
    strbuf_add_char(scratch, '\0');
    return at;
}

static size_t write_channels(const struct import_settings *settings, const char *contact,
                             struct strbuf *scratch)
{
    size_t at = begin(scratch);
    size_t words = 0;
    for (int i = 0; i < CHANNEL_COUNT; i++)
        if (settings->channels & CHANNEL_BIT(i)) {
            strbuf_add_str(scratch, words++ > 0 ? "|" : "");
            strbuf_add_str(scratch, channel_name((enum channel)i));
        }
    if (words == 0)
        strbuf_add_str(scratch,
                       channel_name(strchr(contact, '@') != NULL ? CHANNEL_EMAIL : CHANNEL_SMS));
    strbuf_add_char(scratch, '\0');
    return at;
}

static size_t write_partners(const struct import_settings *settings, struct strbuf *scratch)
{
    size_t at = begin(scratch);
    for (size_t i = 0; i < settings->n_partners; i++) {
        strbuf_add_str(scratch, i > 0 ? "|" : "");
        strbuf_add_str(scratch, settings->partners[i]);
    }
    strbuf_add_char(scratch, '\0');
    return at;
}

static enum result check_status(struct import_event *event, const char *const *values,
                                bool *given_out, struct error *err)
{
    const char *status = values[TWILIO_STATUS];
    *given_out = strcmp(status, "opt-in") == 0;
    if (!*given_out && strcmp(status, "opt-out") != 0)
        return refuse(event, COLUMN_EVENT,
                      status[0] == '\0' ? "empty" : "neither opt-in nor opt-out", err);
    if (*given_out && known_source(values[TWILIO_SOURCE]) == NULL)
        return refuse(event, COLUMN_EVIDENCE,
                      values[TWILIO_SOURCE][0] == '\0'
                          ? "empty: an opt-in must say where it was collected"
                          : "not a source Twilio knows: website, offline, opt-in-message, "
                            "opt-out-message or others",
                      err);
    if (*given_out && values[TWILIO_DATE_OF_CONSENT][0] == '\0' && event->settings->given_at == 0)
        return refuse(event, COLUMN_OCCURRED_AT,
                      "empty: an opt-in counts from a date (or give --occurred-at)", err);
    return RESULT_OK;
}

enum result import_twilio_fields(struct import_event *event, const char *const *values,
                                 struct strbuf *scratch, const char *fields_out[COLUMN_COUNT],
                                 struct error *err)
{
    const struct import_settings *settings = event->settings;
    bool given;
    enum result result = check_status(event, values, &given, err);
    if (result != RESULT_OK)
        return result;
    strbuf_clear(scratch);
    size_t channels = write_channels(settings, values[TWILIO_CONTACT_ID], scratch);
    size_t partners = write_partners(settings, scratch);
    size_t evidence = write_evidence(settings, values, given, scratch);
    size_t moment = begin(scratch);
    char when[CLOCK_TEXT];
    clock_format(given ? settings->given_at : settings->stopped_at, when);
    strbuf_add(scratch, when, strlen(when) + 1);
    size_t form = begin(scratch);
    if (given && settings->form_id != NULL)
        strbuf_add_format(scratch, "%s@%d", settings->form_id, settings->form_version);
    strbuf_add_char(scratch, '\0');
    if (scratch->failed)
        return error_no_memory(err);
    fields_out[COLUMN_RECIPIENT] = values[TWILIO_CONTACT_ID];
    fields_out[COLUMN_CHANNEL] = scratch->data + channels;
    fields_out[COLUMN_EVENT] = given ? "given" : "withdrawn";
    fields_out[COLUMN_OCCURRED_AT] = values[TWILIO_DATE_OF_CONSENT][0] != '\0'
                                         ? values[TWILIO_DATE_OF_CONSENT]
                                         : scratch->data + moment;
    fields_out[COLUMN_FORM] = scratch->data + form;
    fields_out[COLUMN_PARTNERS] = scratch->data + partners;
    fields_out[COLUMN_BASIS] = "";
    fields_out[COLUMN_SUPPLIER] = settings->supplier;
    fields_out[COLUMN_EVIDENCE] = scratch->data + evidence;
    return RESULT_OK;
}
