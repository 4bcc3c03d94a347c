/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The contract's nine columns to one struct event_input, whatever the input they come from. A value
 * that might be an address is never repeated in a reason.
 */
#include "store/import_internal.h"

#include "base/clock.h"

#include <stdlib.h>
#include <string.h>

/* ---- what may be repeated in a reason ---- */

static enum result refuse(struct import_event *event, enum import_column column, const char *why,
                          struct error *err)
{
    event->refused = column;
    return error_set(err, RESULT_BAD_INPUT, "%s", why);
}

/* A mistyped word is worth repeating; a value that slipped in from another column is not, for it
 * may be an address. Only short lower-case words pass. */
static enum result refuse_word(struct import_event *event, enum import_column column,
                               const char *word, struct error *err)
{
    size_t length = strspn(word, "abcdefghijklmnopqrstuvwxyz-");
    event->refused = column;
    if (length > 0 && length <= 20 && word[length] == '\0')
        return error_set(err, RESULT_BAD_INPUT, "\"%s\" is unknown", word);
    return error_set(err, RESULT_BAD_INPUT, "unknown value");
}

/* A date is repeated when it begins like one of this age, "2026-01-31", and goes on like one. */
static bool looks_like_date(const char *text)
{
    static const char shape[] = "dddd-dd-dd";
    for (size_t i = 0; shape[i] != '\0'; i++)
        if (shape[i] == 'd' ? text[i] < '0' || text[i] > '9' : text[i] != shape[i])
            return false;
    size_t length = strspn(text, "0123456789-+:.TZtz ");
    return length <= 36 && text[length] == '\0' &&
           (strncmp(text, "19", 2) == 0 || strncmp(text, "20", 2) == 0);
}

/* ---- columns ---- */

static enum result read_recipient(struct import_event *event, struct error *err)
{
    const struct import_settings *settings = event->settings;
    event->refused = COLUMN_RECIPIENT;
    enum result result =
        address_parse(event->fields[COLUMN_RECIPIENT], settings->region, &event->address, err);
    if (result == RESULT_OK)
        result =
            recipient_make_key(settings->hmac, &event->address, event->event.recipient_key, err);
    event->event.address_kind = event->address.kind;
    return result;
}

typedef enum result take_item(struct import_event *event, char *item, struct error *err);

/* Calls take for each '|'-separated item of the column. The items live until the next call. */
static enum result each_item(struct import_event *event, enum import_column column, take_item *take,
                             struct error *err)
{
    struct strbuf *copy = &event->lists;
    strbuf_clear(copy);
    strbuf_add_str(copy, event->fields[column]);
    if (copy->failed)
        return error_no_memory(err);
    char *item = copy->data;
    enum result result = RESULT_OK;
    while (result == RESULT_OK && item != NULL) {
        char *bar = strchr(item, '|');
        if (bar != NULL)
            *bar++ = '\0';
        if (*item == '\0')
            return refuse(event, column, "an empty value before or after '|'", err);
        result = take(event, item, err);
        item = bar;
    }
    return result;
}

static enum result take_channel(struct import_event *event, char *item, struct error *err)
{
    enum channel channel;
    if (!channel_parse(item, &channel))
        return refuse_word(event, COLUMN_CHANNEL, item, err);
    event->refused = COLUMN_CHANNEL;
    if (!address_fits(event->address.kind, channel))
        return error_set(err, RESULT_BAD_INPUT, "%s cannot be reached by %s",
                         event->address.kind == ADDRESS_EMAIL ? "an e-mail address"
                                                              : "a phone number",
                         channel_name(channel));
    event->event.channels |= CHANNEL_BIT(channel);
    return RESULT_OK;
}

static enum result take_partner(struct import_event *event, char *item, struct error *err)
{
    event->refused = COLUMN_PARTNERS;
    if (!form_partner_valid(item))
        return error_set(err, RESULT_BAD_INPUT, "value %zu is not a partner id",
                         event->event.n_partners + 1);
    if (event->event.n_partners == event->partners_capacity) {
        size_t capacity = event->partners_capacity > 0 ? event->partners_capacity * 2 : 16;
        const char **partners = realloc(event->partners, capacity * sizeof(*partners));
        if (partners == NULL)
            return error_no_memory(err);
        event->partners = partners;
        event->partners_capacity = capacity;
    }
    event->partners[event->event.n_partners++] = item;
    return RESULT_OK;
}

static enum result read_words(struct import_event *event, struct error *err)
{
    const char *kind = event->fields[COLUMN_EVENT];
    const char *basis = event->fields[COLUMN_BASIS];
    if (event->fields[COLUMN_CHANNEL][0] == '\0')
        return refuse(event, COLUMN_CHANNEL, "empty", err);
    enum result result = each_item(event, COLUMN_CHANNEL, take_channel, err);
    if (result != RESULT_OK)
        return result;
    if (kind[0] == '\0')
        return refuse(event, COLUMN_EVENT, "empty", err);
    if (!event_kind_parse(kind, &event->event.kind))
        return refuse_word(event, COLUMN_EVENT, kind, err);
    event->event.basis = BASIS_CONSENT;
    if (basis[0] != '\0' && !basis_parse(basis, &event->event.basis))
        return refuse_word(event, COLUMN_BASIS, basis, err);
    return RESULT_OK;
}

static enum result read_moment(struct import_event *event, struct error *err)
{
    const char *text = event->fields[COLUMN_OCCURRED_AT];
    if (clock_parse(text, strlen(text), &event->event.occurred_at))
        return RESULT_OK;
    if (text[0] == '\0')
        return refuse(event, COLUMN_OCCURRED_AT, "empty", err);
    event->refused = COLUMN_OCCURRED_AT;
    if (looks_like_date(text))
        return error_set(err, RESULT_BAD_INPUT, "\"%s\" is not an RFC 3339 instant with its offset",
                         text);
    return error_set(err, RESULT_BAD_INPUT, "not an RFC 3339 instant such as 2026-01-31T12:00:00Z");
}

static enum result read_form(struct import_event *event, struct error *err)
{
    static const char shape[] = "not written as ID@VERSION";
    const char *text = event->fields[COLUMN_FORM];
    if (text[0] == '\0')
        return RESULT_OK;
    const char *at = strchr(text, '@');
    if (at == NULL ||
        !str_copy_n(event->form_id, sizeof(event->form_id), text, (size_t)(at - text)) ||
        !form_id_valid(event->form_id))
        return refuse(event, COLUMN_FORM, shape, err);
    size_t digits = strspn(at + 1, "0123456789");
    if (digits < 1 || digits > 7 || at[1 + digits] != '\0' || at[1] == '0')
        return refuse(event, COLUMN_FORM, shape, err);
    event->event.form_id = event->form_id;
    event->event.form_version = (int)strtol(at + 1, NULL, 10);
    return RESULT_OK;
}

static bool repeats_recipient(const struct import_event *event, const char *text)
{
    size_t length;
    return text[0] != '\0' &&
           recipient_find(text, event->fields[COLUMN_RECIPIENT], &event->address, &length) != NULL;
}

/* Evidence such as "opt-in mail confirmed by jean@example.org" would bring the clear address to
 * rest in the registry; its masked form says the same to who checks it. */
static enum result read_evidence(struct import_event *event, struct error *err)
{
    event->event.evidence = event->fields[COLUMN_EVIDENCE];
    if (!repeats_recipient(event, event->event.evidence))
        return RESULT_OK;
    struct recipient recipient;
    recipient_mask(&event->address, &recipient);
    strbuf_clear(&event->text);
    recipient_hide(event->fields[COLUMN_EVIDENCE], event->fields[COLUMN_RECIPIENT], &event->address,
                   &recipient, &event->text);
    event->event.evidence = event->text.data;
    return event->text.failed ? error_no_memory(err) : RESULT_OK;
}

static enum result read_supplier(struct import_event *event, struct error *err)
{
    event->event.supplier = event->fields[COLUMN_SUPPLIER];
    return repeats_recipient(event, event->event.supplier)
               ? refuse(event, COLUMN_SUPPLIER, "repeats the recipient", err)
               : RESULT_OK;
}

enum result import_event_read(struct import_event *event, const char *const *fields,
                              struct error *err)
{
    event->fields = fields;
    event->event =
        (struct event_input){.supplier = "", .collector = "", .origin = event->settings->origin};
    enum result result = read_recipient(event, err);
    if (result == RESULT_OK)
        result = read_words(event, err);
    if (result == RESULT_OK)
        result = read_moment(event, err);
    if (result == RESULT_OK)
        result = read_form(event, err);
    if (result == RESULT_OK && fields[COLUMN_PARTNERS][0] != '\0')
        result = each_item(event, COLUMN_PARTNERS, take_partner, err);
    if (result == RESULT_OK)
        result = read_supplier(event, err);
    if (result == RESULT_OK)
        result = read_evidence(event, err);
    event->event.partners = event->partners;
    event->event.address = event->address.text;
    if (result != RESULT_OK)
        import_event_wipe(event);
    return result;
}

void import_event_wipe(struct import_event *event)
{
    event->event.address = NULL;
    wipe(&event->address, sizeof(event->address));
}

void import_event_free(struct import_event *event)
{
    strbuf_free(&event->lists);
    strbuf_free(&event->text);
    free(event->partners);
    *event = (struct import_event){0};
}
