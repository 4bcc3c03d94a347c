/* SPDX-License-Identifier: Apache-2.0 */
#include "adapters/http/request.h"

#include "base/clock.h"
#include "base/crypto.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Of what may hold a secret: wiped before it is given back. */
static void discard(struct strbuf *text)
{
    if (text->data != NULL)
        wipe(text->data, text->capacity);
    strbuf_free(text);
}

/* ---- facts ---- */

void http_facts_begin(const struct http_template *template, const struct provider_config *config,
                      int64_t now, struct http_facts *facts)
{
    const char **of = facts->values.of;
    /* Not the text: it is large, and written before it is read. */
    memset(facts, 0, offsetof(struct http_facts, text));
    of[HTTP_USERNAME] = config->username;
    of[HTTP_PASSWORD] = config->password;
    of[HTTP_URL] = template->url;
    of[HTTP_REPORT_URL] = template->report_url;
    of[HTTP_INBOUND_URL] = template->inbound_url;
    snprintf(facts->timestamp, sizeof(facts->timestamp), "%lld", (long long)(now / CLOCK_SECOND));
    of[HTTP_TIMESTAMP] = facts->timestamp;
}

static bool refuse(struct sms_answer *answer, uint32_t status, const char *text)
{
    *answer = (struct sms_answer){.outcome = OUTCOME_REFUSED,
                                  .refusal = SMS_REFUSED_FOR_GOOD,
                                  .id = "",
                                  .smpp_status = status,
                                  .text = text};
    return false;
}

/* It is no message for this provider, which has not been asked. */
static bool refuse_form(struct sms_answer *answer, uint32_t status, const char *text)
{
    refuse(answer, status, text);
    answer->cannot_carry = true;
    return false;
}

/* A message as SMPP has it, if it is one text. */
static bool decode(const struct provider_config *config, const struct sms_raw *raw,
                   struct http_facts *facts, struct sms_answer *answer)
{
    static const char segments[] =
        "this provider carries whole texts only: send long messages as message_payload";
    uint32_t total = 0;
    if ((raw->esm_class & SMPP_ESM_UDHI) != 0)
        return refuse_form(answer, SMPP_RINVESMCLASS, segments);
    if (smpp_tlv_number(raw->tlvs, SMPP_TAG_SAR_TOTAL_SEGMENTS, &total) && total > 1)
        return refuse_form(answer, SMPP_RINVESMCLASS, segments);
    if (raw->schedule != NULL && *raw->schedule != '\0')
        return refuse(answer, SMPP_RINVSCHED, "this provider sends at once: ask for no schedule");
    if (!sms_decode(raw->data_coding, config->alphabet, raw->body.data, raw->body.length,
                    facts->text, sizeof(facts->text)))
        return refuse_form(
            answer, SMPP_RINVESMCLASS,
            "this provider carries texts only: the message is binary, too long, or its "
            "data_coding is not known");
    return true;
}

bool http_facts_add(const struct provider_config *config, const struct sms_message *message,
                    struct http_facts *facts, struct sms_answer *answer)
{
    const char **of = facts->values.of;
    struct sms_shape shape;
    if (message->text == NULL && !decode(config, message->raw, facts, answer))
        return false;
    of[HTTP_TEXT] = message->text != NULL ? message->text : facts->text;
    if (!sms_measure(of[HTTP_TEXT], SMS_ALPHABET_GSM, &shape))
        return refuse(answer, 0, "the text is not UTF-8");
    if (shape.parts == 0)
        return refuse(answer, 0, "the text is too long: it takes more than 255 parts");
    snprintf(facts->parts, sizeof(facts->parts), "%u", shape.parts);
    of[HTTP_PARTS] = facts->parts;
    of[HTTP_UNICODE] = shape.data_coding != 0 ? "1" : "";
    of[HTTP_TO] = message->to;
    of[HTTP_TO_DIGITS] = message->to + (*message->to == '+');
    of[HTTP_SENDER] = message->sender;
    of[HTTP_REFERENCE] = message->reference;
    of[HTTP_PROSPECTING] = message->prospecting ? "1" : "";
    of[HTTP_REPORT] = message->report ? "1" : "";
    if (!message->report)
        of[HTTP_REPORT_URL] = "";
    if (message->validity > 0) {
        long long seconds = (message->validity + CLOCK_SECOND - 1) / CLOCK_SECOND;
        snprintf(facts->validity, sizeof(facts->validity), "%lld", seconds);
        snprintf(facts->minutes, sizeof(facts->minutes), "%lld", (seconds + 59) / 60);
        of[HTTP_VALIDITY] = facts->validity;
        of[HTTP_VALIDITY_MINUTES] = facts->minutes;
    }
    return true;
}

/* ---- the request ---- */

/* One field's text in made (cleared first). An empty value is left out: *empty_out. */
static enum result make_text(const struct http_field *field, const struct http_values *values,
                             struct strbuf *made, bool *empty_out, struct error *err)
{
    char number[24];
    strbuf_clear(made);
    *empty_out = http_text_absent(&field->text, values);
    if (*empty_out)
        return RESULT_OK;
    switch (field->kind) {
    case HTTP_FIELD_NUMBER:
        snprintf(number, sizeof(number), "%lld", (long long)field->number);
        strbuf_add_str(made, number);
        break;
    case HTTP_FIELD_BOOLEAN:
        strbuf_add_str(made, field->number != 0 ? "true" : "false");
        break;
    default: {
        enum result result = http_text_write(&field->text, values, HTTP_AS_IS, made, err);
        *empty_out = made->length == 0 && !field->text.constant;
        return result;
    }
    }
    *empty_out = false;
    return RESULT_OK;
}

/* Of a query or form. */
static enum result add_pairs(const struct http_field *field, const struct http_values *values,
                             const char *separator, struct strbuf *out, struct error *err)
{
    struct strbuf made = {0};
    enum result result = RESULT_OK;
    for (; field != NULL && result == RESULT_OK; field = field->next) {
        bool empty = false;
        result = make_text(field, values, &made, &empty, err);
        if (result != RESULT_OK || empty)
            continue;
        strbuf_add_str(out, separator);
        separator = "&";
        http_add_url(out, field->name, strlen(field->name));
        strbuf_add_char(out, '=');
        if (made.length > 0)
            http_add_url(out, made.data, made.length);
    }
    out->failed = out->failed || made.failed;
    discard(&made);
    return result;
}

/* A JSON value that writes itself, as deep as the tree reader lets groups be. */
static enum result add_json(const struct http_field *field, const struct http_values *values,
                            struct strbuf *out, struct error *err);

static enum result add_member(const struct http_field *field, const struct http_values *values,
                              bool *first, struct strbuf *out, struct error *err)
{
    struct strbuf made = {0};
    bool empty = false, group = field->kind == HTTP_FIELD_GROUP || field->kind == HTTP_FIELD_LIST;
    enum result result = group ? RESULT_OK : make_text(field, values, &made, &empty, err);
    if (result == RESULT_OK && !empty) {
        if (!*first)
            strbuf_add_char(out, ',');
        *first = false;
        if (field->name != NULL) {
            strbuf_add_char(out, '"');
            strbuf_add_json(out, field->name, strlen(field->name));
            strbuf_add_str(out, "\":");
        }
        if (group) {
            result = add_json(field, values, out, err);
        } else if (field->kind == HTTP_FIELD_TEXT) {
            strbuf_add_char(out, '"');
            if (made.length > 0)
                strbuf_add_json(out, made.data, made.length);
            strbuf_add_char(out, '"');
        } else if (made.length > 0) {
            strbuf_add(out, made.data, made.length);
        }
    }
    out->failed = out->failed || made.failed;
    discard(&made);
    return result;
}

static enum result add_json(const struct http_field *field, const struct http_values *values,
                            struct strbuf *out, struct error *err)
{
    bool list = field->kind == HTTP_FIELD_LIST, first = true;
    enum result result = RESULT_OK;
    strbuf_add_char(out, list ? '[' : '{');
    for (const struct http_field *child = field->first; child != NULL && result == RESULT_OK;
         child = child->next)
        result = add_member(child, values, &first, out, err);
    strbuf_add_char(out, list ? ']' : '}');
    return result;
}

static enum result add_body(const struct http_request *request, const struct http_values *values,
                            struct strbuf *out, struct error *err)
{
    const struct http_field whole = {.kind = HTTP_FIELD_GROUP, .first = request->fields};
    strbuf_add(out, "", 0);
    switch (request->body) {
    case HTTP_BODY_NONE:
        return RESULT_OK;
    case HTTP_BODY_FORM:
        return add_pairs(request->fields, values, "", out, err);
    case HTTP_BODY_JSON:
        return add_json(&whole, values, out, err);
    case HTTP_BODY_TEXT:
        return http_text_write(&request->text, values, request->escape, out, err);
    }
    return RESULT_OK;
}

static enum result add_url(const struct http_request *request, const struct http_values *values,
                           struct strbuf *out, struct error *err)
{
    enum result result = http_text_write(&request->url, values, HTTP_FOR_URL, out, err);
    if (result != RESULT_OK || request->query == NULL)
        return result;
    bool begun = out->data != NULL && strchr(out->data, '?') != NULL;
    return add_pairs(request->query, values, begun ? "&" : "?", out, err);
}

static bool add_line(struct curl_slist **list, const struct strbuf *line)
{
    struct curl_slist *longer = line->failed ? NULL : curl_slist_append(*list, line->data);
    if (longer == NULL)
        return false;
    *list = longer;
    return true;
}

static enum result add_headers(const struct http_header *header, const struct http_values *values,
                               bool *typed, struct http_built *out, struct error *err)
{
    enum result result = RESULT_OK;
    for (; header != NULL && result == RESULT_OK; header = header->next) {
        struct strbuf line = {0};
        if (http_text_absent(&header->value, values))
            continue;
        strbuf_add_format(&line, "%s: ", header->name);
        size_t before = line.length;
        result = http_text_write(&header->value, values, HTTP_FOR_HEADER, &line, err);
        *typed = *typed || ascii_equal(header->name, "Content-Type");
        /* An empty one is left out, as a field would be. */
        if (result == RESULT_OK && (line.failed || line.length > before) &&
            !add_line(&out->headers, &line))
            result = error_no_memory(err);
        discard(&line);
    }
    return result;
}

static enum result add_own_headers(const struct http_template *template,
                                   const struct http_request *request,
                                   const struct http_values *values, bool typed,
                                   struct http_built *out, struct error *err)
{
    struct strbuf line = {0}, pair = {0};
    bool ok = true;
    if (template->auth == HTTP_AUTH_BASIC) {
        strbuf_add_format(&pair, "%s:%s", values->of[HTTP_USERNAME], values->of[HTTP_PASSWORD]);
        size_t size = 4 * ((pair.length + 2) / 3) + 1;
        char *coded = pair.failed ? NULL : malloc(size);
        if (coded != NULL)
            base64_encode((const uint8_t *)pair.data, pair.length, coded);
        strbuf_add_format(&line, "Authorization: Basic %s", coded != NULL ? coded : "");
        line.failed = line.failed || coded == NULL;
        if (coded != NULL)
            wipe(coded, size);
        free(coded);
    } else if (template->auth == HTTP_AUTH_BEARER) {
        strbuf_add_format(&line, "Authorization: Bearer %s", values->of[HTTP_PASSWORD]);
    }
    if (line.length > 0 || line.failed)
        ok = add_line(&out->headers, &line);
    strbuf_clear(&line);
    if (ok && request->content_type != NULL && !typed) {
        strbuf_add_format(&line, "Content-Type: %s", request->content_type);
        ok = add_line(&out->headers, &line);
    }
    discard(&line);
    discard(&pair);
    return ok ? RESULT_OK : error_no_memory(err);
}

static enum result sign(const struct http_signature *signature, struct http_values *values,
                        struct strbuf *out, struct error *err)
{
    struct strbuf text = {0}, key = {0};
    char digest[HTTP_DIGEST_TEXT_MAX];
    enum result result = http_text_write(&signature->text, values, HTTP_AS_IS, &text, err);
    if (result == RESULT_OK)
        result = http_text_write(&signature->key, values, HTTP_AS_IS, &key, err);
    if (result == RESULT_OK && (text.failed || key.failed))
        result = error_no_memory(err);
    if (result == RESULT_OK &&
        !http_digest_text(signature->algorithm, signature->base64, key.data,
                          text.data != NULL ? text.data : "", text.length, digest))
        result = error_set(err, RESULT_SYSTEM, "cannot compute %s", signature->algorithm->name);
    if (result == RESULT_OK) {
        strbuf_add_str(out, signature->prefix);
        strbuf_add_str(out, digest);
    }
    discard(&text);
    discard(&key);
    wipe(digest, sizeof(digest));
    return result;
}

enum result http_build(const struct http_template *template, const struct http_request *request,
                       struct http_facts *facts, struct http_built *out, struct error *err)
{
    struct http_values *values = &facts->values;
    struct strbuf signature = {0};
    bool typed = false;
    *out = (struct http_built){.method = request->method};
    enum result result = add_url(request, values, &out->url, err);
    if (result == RESULT_OK)
        result = add_body(request, values, &out->body, err);
    if (result == RESULT_OK && (out->url.failed || out->body.failed))
        result = error_no_memory(err);
    values->of[HTTP_METHOD] = request->method;
    values->of[HTTP_REQUEST_URL] = out->url.data;
    values->of[HTTP_BODY] = out->body.data;
    if (result == RESULT_OK && template->signature.algorithm != NULL)
        result = sign(&template->signature, values, &signature, err);
    values->of[HTTP_SIGNATURE] = signature.data;
    if (result == RESULT_OK)
        result = add_headers(template->headers, values, &typed, out, err);
    if (result == RESULT_OK)
        result = add_headers(request->headers, values, &typed, out, err);
    if (result == RESULT_OK)
        result = add_own_headers(template, request, values, typed, out, err);
    if (result == RESULT_OK && signature.failed)
        result = error_no_memory(err);
    values->of[HTTP_SIGNATURE] = NULL;
    discard(&signature);
    return result;
}

void http_built_free(struct http_built *built)
{
    discard(&built->url);
    discard(&built->body);
    for (struct curl_slist *line = built->headers; line != NULL; line = line->next)
        wipe(line->data, strlen(line->data));
    curl_slist_free_all(built->headers);
    *built = (struct http_built){0};
}
