/* SPDX-License-Identifier: Apache-2.0 */
/*
 * consent-record.jsonld: the person's consents as records in the shape of ISO/IEC TS 27560, in the
 * words of the W3C Data Privacy Vocabulary (DPV 2). One record for each consent; what ended it
 * later is a status of that record. Withdrawals and objections that no record takes have one of
 * their own. What rests on another ground than consent is a process with that ground, not a
 * consent.
 *
 * Every prefix is spelled out in the file and names are the vocabulary's own: nothing is fetched
 * to read it. What it leaves out, and why it says less than person.json: docs/PERSON.md.
 */
#include "office/person.h"
#include "office/sheet.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const char context[] =
    "{\"@context\":{\"dpv\":\"https://w3id.org/dpv#\",\"pd\":\"https://w3id.org/dpv/pd#\","
    "\"eu-gdpr\":\"https://w3id.org/dpv/legal/eu/gdpr#\",\"dct\":\"http://purl.org/dc/terms/\","
    "\"xsd\":\"http://www.w3.org/2001/XMLSchema#\",\n"
    "\"dct:created\":{\"@type\":\"xsd:dateTime\"},\"dct:valid\":{\"@type\":\"xsd:dateTime\"},"
    "\"dct:date\":{\"@type\":\"xsd:dateTime\"},"
    "\"dct:conformsTo\":{\"@type\":\"@id\"},\"dct:source\":{\"@type\":\"@id\"},"
    "\"dpv:isIndicatedAtTime\":{\"@type\":\"xsd:dateTime\"},"
    "\"dpv:isIndicatedBy\":{\"@type\":\"@id\"},\"dpv:hasDataSubject\":{\"@type\":\"@id\"},"
    "\"dpv:hasDataController\":{\"@type\":\"@id\"},\"dpv:hasRecipient\":{\"@type\":\"@id\"},"
    "\"dpv:hasDataSource\":{\"@type\":\"@id\"},\"dpv:hasPurpose\":{\"@type\":\"@id\"},"
    "\"dpv:hasProcessing\":{\"@type\":\"@id\"},\"dpv:hasPersonalData\":{\"@type\":\"@id\"},"
    "\"dpv:hasLegalBasis\":{\"@type\":\"@id\"},\"dpv:hasNotice\":{\"@type\":\"@id\"}},\n"
    "\"@graph\":[";

struct writing {
    const struct person *person;
    struct sheet *sheet;
    bool any; /* a node was written */
};

static void node(struct writing *writing)
{
    strbuf_add_str(&writing->sheet->buf, writing->any ? ",\n{" : "\n{");
    writing->any = true;
    sheet_turn(writing->sheet);
}

static void node_end(struct writing *writing)
{
    strbuf_add_char(&writing->sheet->buf, '}');
}

static void instant(struct strbuf *json, const char *key, int64_t at)
{
    char text[CLOCK_TEXT];
    clock_format(at, text);
    strbuf_add_json_field(json, key, text);
}

/* ---- names of nodes ---- */

/* A urn of ours. Each byte of text that is not plainly allowed in one is written as %XX. */
static void add_urn(struct strbuf *json, const char *kind, const char *text)
{
    static const char digits[] = "0123456789ABCDEF";
    strbuf_add_format(json, "\"urn:octroi:%s:", kind);
    for (; *text != '\0'; text++) {
        unsigned char c = (unsigned char)*text;
        bool plain = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
                     strchr("-._~@", c) != NULL;
        if (plain) {
            strbuf_add_char(json, *text);
        } else {
            strbuf_add_char(json, '%');
            strbuf_add_char(json, digits[c >> 4]);
            strbuf_add_char(json, digits[c & 15]);
        }
    }
    strbuf_add_char(json, '"');
}

static void link_to(struct strbuf *json, const char *key, const char *kind, const char *text)
{
    strbuf_add_format(json, ",\"%s\":", key);
    add_urn(json, kind, text);
}

/* The key under which the records know the person. */
static void add_subject(const struct person *person, char out[2 * RECIPIENT_KEY_BYTES + 1])
{
    hex_encode(person->recipient->key, RECIPIENT_KEY_BYTES, out);
}

static void id_of(struct strbuf *json, const char *kind, const char *text)
{
    strbuf_add_str(json, "\"@id\":");
    add_urn(json, kind, text);
}

static void entity(struct writing *writing, const char *kind, const char *id, const char *type,
                   const char *name)
{
    struct strbuf *json = &writing->sheet->buf;
    node(writing);
    id_of(json, kind, id);
    strbuf_add_format(json, ",\"@type\":\"%s\"", type);
    strbuf_add_json_field(json, "dpv:hasName", name);
    node_end(writing);
}

/* ---- who ---- */

static void subject(struct writing *writing)
{
    const struct person *person = writing->person;
    struct strbuf *json = &writing->sheet->buf;
    char key[2 * RECIPIENT_KEY_BYTES + 1];
    add_subject(person, key);
    node(writing);
    id_of(json, "person", key);
    strbuf_add_str(json, ",\"@type\":\"dpv:DataSubject\"");
    strbuf_add_json_field(json, "dct:identifier", key);
    strbuf_add_json_field(json, "dct:title", person->recipient->masked);
    node_end(writing);
}

static const char *controller_key(const struct form *form)
{
    return form->collector_siren[0] != '\0' ? form->collector_siren : form->collector_name;
}

/* Each collector once, though several versions name it. */
static void controllers(struct writing *writing)
{
    const struct past *history = &writing->person->history;
    for (size_t i = 0; i < history->n_forms; i++) {
        const char *key = controller_key(history->forms[i].form);
        bool seen = false;
        for (size_t j = 0; j < i; j++)
            seen = seen || strcmp(controller_key(history->forms[j].form), key) == 0;
        if (!seen)
            entity(writing, "collector", key, "dpv:DataController",
                   history->forms[i].form->collector_name);
    }
}

static void sources(struct writing *writing)
{
    const struct person *person = writing->person;
    for (size_t i = 0; i < person->n_suppliers; i++)
        if (person->suppliers[i].id[0] != '\0')
            entity(writing, "supplier", person->suppliers[i].id, "dpv:DataSource",
                   person->suppliers[i].id);
}

/* Partners are written where they are first needed, as links; their names here. */
static bool named_before(const struct past *history, size_t form, size_t partner)
{
    const char *id = history->forms[form].form->partners[partner];
    for (size_t i = 0; i <= form; i++) {
        const struct form *other = history->forms[i].form;
        size_t end = i == form ? partner : other->n_partners;
        for (size_t j = 0; j < end; j++)
            if (strcmp(other->partners[j], id) == 0)
                return true;
    }
    return false;
}

static void recipients(struct writing *writing)
{
    const struct past *history = &writing->person->history;
    for (size_t i = 0; i < history->n_forms; i++)
        for (size_t j = 0; j < history->forms[i].form->n_partners; j++) {
            const char *id = history->forms[i].form->partners[j];
            if (!named_before(history, i, j))
                entity(writing, "partner", id, "dpv:Recipient",
                       person_partner_name(writing->person, id));
        }
}

/* ---- what was shown ---- */

static void notices(struct writing *writing)
{
    const struct past *history = &writing->person->history;
    struct strbuf *json = &writing->sheet->buf;
    for (size_t i = 0; i < history->n_forms; i++) {
        const struct past_form *kept = &history->forms[i];
        char name[PAST_FORM];
        snprintf(name, sizeof(name), "%.64s@%d", kept->form->id, kept->form->version);
        node(writing);
        id_of(json, "form", name);
        strbuf_add_str(json, ",\"@type\":\"dpv:ConsentNotice\"");
        strbuf_add_json_field(json, "dct:identifier", name);
        strbuf_add_json_field(json, "dct:language", kept->form->language);
        strbuf_add_json_field(json, "dct:description", kept->form->wording);
        instant(json, "dct:date", kept->form->effective_from);
        if (kept->form->url[0] != '\0')
            strbuf_add_json_field(json, "dct:source", kept->form->url);
        node_end(writing);
    }
}

/* ---- consents ---- */

/* The ids joined by '|' as links, or the form's list. */
static void link_partners(struct strbuf *json, const struct past_event *event)
{
    const struct form *form = event->form != NULL ? event->form->form : NULL;
    bool first = true;
    if (event->partners[0] == '\0' && (form == NULL || form->n_partners == 0))
        return;
    strbuf_add_str(json, ",\"dpv:hasRecipient\":[");
    for (const char *at = event->partners; *at != '\0'; first = false) {
        size_t length = strcspn(at, "|");
        char id[128];
        str_copy_n(id, sizeof(id), at, length);
        strbuf_add_str(json, first ? "" : ",");
        add_urn(json, "partner", id);
        at += length;
        at += *at == '|';
    }
    for (size_t i = 0; first && form != NULL && i < form->n_partners; i++) {
        strbuf_add_str(json, i > 0 ? "," : "");
        add_urn(json, "partner", form->partners[i]);
    }
    strbuf_add_char(json, ']');
}

static const char *legal_basis(enum basis basis)
{
    return basis == BASIS_CONSENT ? "dpv:Consent" : "dpv:LegitimateInterest";
}

static void process(struct strbuf *json, const struct person *person,
                    const struct past_event *event)
{
    unsigned purposes = event->form != NULL ? event->form->form->purposes : 0;
    strbuf_add_str(json, ",\"dpv:hasPurpose\":\"dpv:DirectMarketing\"");
    strbuf_add_format(json, ",\"dpv:hasLegalBasis\":\"%s\"", legal_basis(event->basis));
    strbuf_add_format(json, ",\"dpv:hasPersonalData\":\"pd:%s\"",
                      person->address->kind == ADDRESS_EMAIL ? "EmailAddress" : "TelephoneNumber");
    strbuf_add_str(json, ",\"dpv:hasProcessing\":[\"dpv:Use\"");
    if (purposes & PURPOSE_BIT(PURPOSE_TRANSMISSION))
        strbuf_add_str(json, ",\"dpv:DiscloseByTransmission\"");
    strbuf_add_char(json, ']');
    strbuf_add_json_field(json, "dct:subject", channel_name(event->channel));
    link_partners(json, event);
    if (event->supplier[0] != '\0')
        link_to(json, "dpv:hasDataSource", "supplier", event->supplier);
}

/* A status of a consent: what, when, by whom, how. */
static void status(struct strbuf *json, const char *type, int64_t at, bool by_person,
                   const struct past_event *event)
{
    strbuf_add_format(json, "{\"@type\":\"%s\"", type);
    instant(json, "dpv:isIndicatedAtTime", at);
    strbuf_add_format(json, ",\"dpv:isIndicatedBy\":\"%s\"",
                      by_person ? "dpv:DataSubject" : "dpv:DataController");
    if (event != NULL) {
        char number[24];
        snprintf(number, sizeof(number), "%" PRId64, event->id);
        strbuf_add_json_field(json, "dct:identifier", number);
        if (event->evidence[0] != '\0')
            strbuf_add_json_field(json, "dpv:hasIndicationMethod", event->evidence);
        if (!past_is_grant(event))
            link_partners(json, event);
    }
    strbuf_add_char(json, '}');
}

static bool share_partner(const struct past_event *a, const struct past_event *b)
{
    for (const char *at = a->partners; *at != '\0';) {
        size_t length = strcspn(at, "|");
        for (const char *other = b->partners; *other != '\0';) {
            size_t other_length = strcspn(other, "|");
            if (length == other_length && memcmp(at, other, length) == 0)
                return true;
            other += other_length;
            other += *other == '|';
        }
        at += length;
        at += *at == '|';
    }
    return false;
}

static bool on_list(const struct form *form, const struct past_event *event)
{
    for (size_t i = 0; i < form->n_partners; i++) {
        const struct past_event one = {.partners = form->partners[i]};
        if (share_partner(&one, event))
            return true;
    }
    return false;
}

/* Whether the withdrawal or objection bears on this consent: not earlier, on its channel, and for
 * one of its partners. */
static bool bears_on(const struct past_event *stop, const struct past_event *grant)
{
    bool is_stop = stop->kind == EVENT_WITHDRAWN || stop->kind == EVENT_OBJECTED;
    const struct form *form = grant->form != NULL ? grant->form->form : NULL;
    if (!is_stop || stop->channel != grant->channel || stop->occurred_at < grant->occurred_at)
        return false;
    if (stop->collector[0] != '\0')
        return form != NULL && (ascii_equal(stop->collector, form->collector_name) ||
                                ascii_equal(stop->collector, form->collector_siren));
    if (stop->partners[0] == '\0')
        return true;
    if (grant->partners[0] != '\0')
        return share_partner(stop, grant);
    return form != NULL && on_list(form, stop);
}

static const char *given_status(const struct past_event *grant)
{
    /* A consent that nothing shows is one about which nothing is known. */
    if (grant->form == NULL || grant->evidence[0] == '\0')
        return "dpv:ConsentUnknown";
    return grant->kind == EVENT_RENEWED ? "dpv:RenewedConsentGiven" : "dpv:ConsentGiven";
}

static int64_t supplier_invalidated(const struct person *person, const struct past_event *grant)
{
    for (size_t i = 0; i < person->n_suppliers; i++)
        if (strcmp(person->suppliers[i].id, grant->supplier) == 0)
            return person->suppliers[i].invalidated_at;
    return 0;
}

static void statuses(struct strbuf *json, const struct person *person,
                     const struct past_event *grant)
{
    const struct past *history = &person->history;
    int64_t invalidated = supplier_invalidated(person, grant);
    strbuf_add_str(json, ",\"dpv:hasConsentStatus\":[");
    status(json, given_status(grant), grant->occurred_at, true, grant);
    for (size_t i = 0; i < history->n_events; i++)
        if (bears_on(&history->events[i], grant)) {
            strbuf_add_char(json, ',');
            status(json, "dpv:ConsentWithdrawn", history->events[i].occurred_at, true,
                   &history->events[i]);
        }
    if (grant->form != NULL && grant->form->invalidated_at != 0) {
        strbuf_add_char(json, ',');
        status(json, "dpv:ConsentInvalidated", grant->form->invalidated_at, false, NULL);
    }
    if (invalidated != 0) {
        strbuf_add_char(json, ',');
        status(json, "dpv:ConsentInvalidated", invalidated, false, NULL);
    }
    strbuf_add_char(json, ']');
}

static void rights(struct strbuf *json, const struct config *config)
{
    static const char *const terms[] = {"eu-gdpr:A7-3", "eu-gdpr:A15", "eu-gdpr:A17", "eu-gdpr:A21",
                                        "eu-gdpr:A77"};
    strbuf_add_str(json, ",\"dpv:hasRight\":[");
    for (size_t i = 0; i < sizeof(terms) / sizeof(terms[0]); i++)
        strbuf_add_format(json, "%s{\"@id\":\"%s\"}", i > 0 ? "," : "", terms[i]);
    strbuf_add_str(json, "],\"dpv:hasConsentControl\":{\"@type\":\"dpv:WithdrawConsent\"");
    if (config->controller_contact[0] != '\0')
        strbuf_add_json_field(json, "dpv:isExercisedAt", config->controller_contact);
    strbuf_add_char(json, '}');
}

static void record_head(struct writing *writing, const struct past_event *event, const char *type)
{
    struct strbuf *json = &writing->sheet->buf;
    char number[24];
    char key[2 * RECIPIENT_KEY_BYTES + 1];
    snprintf(number, sizeof(number), "%" PRId64, event->id);
    add_subject(writing->person, key);
    node(writing);
    id_of(json, "event", number);
    strbuf_add_format(json, ",\"@type\":\"%s\"", type);
    strbuf_add_json_field(json, "dct:identifier", number);
    instant(json, "dct:created", event->recorded_at);
    link_to(json, "dpv:hasDataSubject", "person", key);
    if (event->form != NULL)
        link_to(json, "dpv:hasDataController", "collector", controller_key(event->form->form));
}

static void grant_node(struct writing *writing, const struct past_event *grant)
{
    struct strbuf *json = &writing->sheet->buf;
    bool consent = grant->basis == BASIS_CONSENT;
    char name[PAST_FORM];
    record_head(writing, grant, consent ? "dpv:ConsentRecord" : "dpv:Process");
    if (consent)
        strbuf_add_json_field(json, "dct:conformsTo",
                              "https://w3id.org/dpv/schema/dpv-27560#record");
    if (grant->form != NULL)
        link_to(json, "dpv:hasNotice", "form", past_form_name(grant, name));
    if (consent) {
        strbuf_add_str(json, ",\"dpv:hasProcess\":{\"@type\":\"dpv:Process\"");
        process(json, writing->person, grant);
        strbuf_add_char(json, '}');
        statuses(json, writing->person, grant);
    } else {
        process(json, writing->person, grant);
    }
    rights(json, writing->person->from.config);
    node_end(writing);
}

static void stop_node(struct writing *writing, const struct past_event *stop)
{
    struct strbuf *json = &writing->sheet->buf;
    record_head(writing, stop, "dpv:ConsentRecord");
    strbuf_add_str(json, ",\"dpv:hasConsentStatus\":[");
    status(json, "dpv:ConsentWithdrawn", stop->occurred_at, true, stop);
    strbuf_add_char(json, ']');
    node_end(writing);
}

static bool taken(const struct past *history, const struct past_event *stop)
{
    for (size_t i = 0; i < history->n_events; i++)
        if (past_is_grant(&history->events[i]) && history->events[i].basis == BASIS_CONSENT &&
            bears_on(stop, &history->events[i]))
            return true;
    return false;
}

void person_write_record(const struct person *person, struct sheet *sheet)
{
    const struct past *history = &person->history;
    struct writing writing = {.person = person, .sheet = sheet};
    sheet_put(sheet, context);
    subject(&writing);
    controllers(&writing);
    sources(&writing);
    recipients(&writing);
    notices(&writing);
    for (size_t i = 0; i < history->n_events; i++) {
        const struct past_event *event = &history->events[i];
        bool stop = event->kind == EVENT_WITHDRAWN || event->kind == EVENT_OBJECTED;
        if (past_is_grant(event))
            grant_node(&writing, event);
        else if (stop && !taken(history, event))
            stop_node(&writing, event);
    }
    sheet_put(sheet, "]}\n");
}
