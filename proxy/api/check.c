/* SPDX-License-Identifier: Apache-2.0 */
/*
 * POST /v1/check: may this partner write to this person on this channel? Judged as `octroi consent
 * show` does, on the loop; that somebody asked is on record before it is answered.
 */
#include "proxy/api/work.h"

#include "base/clock.h"
#include "office/access.h"
#include "office/explain.h"
#include "policy/judge.h"

#include <stdio.h>
#include <string.h>

/* In the call's arena, while the facts are looked up. */
struct check {
    struct question question;
    struct recipient recipient;
    bool explain;
};

/* ---- members: each answers what is wrong with the request, and is then false ---- */

static bool malformed(struct service_call *call, const char *detail)
{
    service_problem(call, 400, "malformed", "The request cannot be read", detail);
    return false;
}

static bool unfit(struct service_call *call, const char *type, const char *title,
                  const char *detail)
{
    service_problem(call, 422, type, title, detail);
    return false;
}

static bool is_known(const char *const *known, const char *name)
{
    while (*known != NULL && strcmp(*known, name) != 0)
        known++;
    return *known != NULL;
}

static bool unknown_member(struct service_call *call, const char *const *known, const char *name)
{
    struct strbuf detail = {0};
    api_unknown(&detail, "member", name, known);
    malformed(call, detail.failed ? "unknown member" : detail.data);
    strbuf_free(&detail);
    return false;
}

/* The body is a JSON object with no member but these: a misspelt one must not be a question without
 * it. */
static bool read_object(struct service_call *call, const char *const *known)
{
    char why[200];
    const char *name;
    json_t *value;
    if (strcmp(call->http.media, "application/json") != 0) {
        service_problem(call, 415, "media-type", "JSON is expected",
                        "The Content-Type must be application/json.");
        return false;
    }
    if (!http_json(&call->http, why, sizeof(why)))
        return malformed(call, why);
    json_object_foreach(call->http.json, name, value)
    {
        if (!is_known(known, name))
            return unknown_member(call, known, name);
    }
    return true;
}

static bool read_text(struct service_call *call, const char *name, bool required,
                      const char **text_out)
{
    const json_t *value = json_object_get(call->http.json, name);
    char detail[80];
    *text_out = json_string_value(value);
    /* A NUL would hide what is behind it. */
    if (*text_out != NULL && strlen(*text_out) == json_string_length(value))
        return true;
    if (value == NULL && !required)
        return true;
    snprintf(detail, sizeof(detail), value == NULL ? "\"%s\" is missing" : "\"%s\" must be text",
             name);
    return malformed(call, detail);
}

static bool read_flag(struct service_call *call, const char *name, bool *flag_out)
{
    const json_t *value = json_object_get(call->http.json, name);
    char detail[80];
    *flag_out = json_is_true(value);
    if (value == NULL || json_is_boolean(value))
        return true;
    snprintf(detail, sizeof(detail), "\"%s\" must be true or false", name);
    return malformed(call, detail);
}

static bool read_instant(struct service_call *call, const char *name, int64_t *instant_out)
{
    const char *text;
    char detail[120];
    if (!read_text(call, name, false, &text))
        return false;
    if (text == NULL || clock_parse(text, strlen(text), instant_out))
        return true;
    snprintf(detail, sizeof(detail), "\"%s\" must be a time such as 2026-01-31T09:30:00Z", name);
    return malformed(call, detail);
}

/* The address itself is in address_out alone: to be wiped. */
static bool read_recipient(struct service_call *call, enum channel channel,
                           struct address *address_out, struct recipient *recipient_out)
{
    struct error err = {0};
    const char *text;
    if (!read_text(call, "recipient", true, &text))
        return false;
    if (address_parse(text, call->http.config->region, address_out, &err) != RESULT_OK)
        return unfit(call, "bad-recipient", "This is no address", err.text);
    if (!address_fits(address_out->kind, channel))
        return unfit(call, "bad-recipient", "The address does not fit the channel",
                     address_out->kind == ADDRESS_EMAIL
                         ? "An e-mail address cannot be reached on this channel."
                         : "A telephone number cannot be reached on this channel.");
    if (recipient_make(call->lane->hmac, address_out, recipient_out, &err) == RESULT_OK)
        return true;
    service_problem(call, 503, "unable", "The gate cannot do this now", err.text);
    return false;
}

/* Of the configuration, and within the token's. */
static bool read_partner(struct service_call *call, const struct partner **partner_out)
{
    const char *id;
    if (!read_text(call, "partner", true, &id) || !service_concerns(call, id))
        return false;
    *partner_out = config_partner(call->http.config, id);
    return *partner_out != NULL || unfit(call, "unknown-partner", "There is no such partner",
                                         "\"partner\" must be a partner's id as the "
                                         "configuration has it.");
}

/* ---- the question ---- */

static bool read_channel(struct service_call *call, struct question *question)
{
    const char *channel, *purpose;
    if (!read_text(call, "channel", true, &channel) || !read_text(call, "purpose", false, &purpose))
        return false;
    if (!channel_parse(channel, &question->channel))
        return malformed(call, "\"channel\" must be email, sms, call, autocall or post");
    if (purpose != NULL && !purpose_parse(purpose, &question->purpose))
        return malformed(call, "\"purpose\" must be receipt or transmission");
    question->policy = &call->http.config->policies[question->channel];
    return true;
}

static bool read_stream(struct service_call *call, struct question *question)
{
    const struct config *config = call->http.config;
    const char *id;
    if (!read_text(call, "stream", false, &id))
        return false;
    if (id == NULL)
        return true;
    for (size_t i = 0; i < config->n_streams; i++) {
        const struct stream *stream = &config->streams[i].terms;
        if (stream->partner == question->partner && strcmp(stream->id, id) == 0)
            question->stream = stream;
    }
    if (question->stream == NULL)
        return unfit(call, "unknown-stream", "There is no such stream",
                     "\"stream\" must be one of the partner's streams.");
    return question->stream->channel == question->channel ||
           unfit(call, "unknown-stream", "The stream is of another channel",
                 "\"stream\" and \"channel\" do not go together.");
}

static bool read_question(struct service_call *call, struct check *check)
{
    static const char *const known[] = {"recipient", "partner", "channel", "purpose",
                                        "stream",    "at",      "explain", NULL};
    struct question *question = &check->question;
    struct address address;
    question->purpose = PURPOSE_RECEIPT;
    question->now = clock_now();
    if (!read_object(call, known) || !read_partner(call, &question->partner) ||
        !read_channel(call, question) || !read_stream(call, question) ||
        !read_instant(call, "at", &question->now) || !read_flag(call, "explain", &check->explain))
        return false;
    if (check->explain && call->token.partner[0] != '\0') {
        service_problem(call, 403, "other-partner", "This token is not for that",
                        "The rules tell of consents given to others. A token of one partner is "
                        "told the reason: ask without \"explain\".");
        return false;
    }
    bool read = read_recipient(call, question->channel, &address, &check->recipient);
    wipe(address.text, sizeof(address.text));
    return read;
}

/* ---- the answer ---- */

/* What speaks against a partner may be what the person told another: its own token is told the
 * reason alone, as it is when it sends. */
static bool may_know(const struct service_call *call, const struct judgement *judgement)
{
    return call->token.partner[0] == '\0' || judgement->verdict == VERDICT_PASS;
}

static void render(struct service_call *call, const struct check *check,
                   const struct judgement *judgement, const struct trace *trace)
{
    const struct question *question = &check->question;
    struct strbuf *body = &call->http.answer.body;
    char at[CLOCK_TEXT];
    clock_format(question->now, at);
    http_answer(&call->http, 200, "application/json");
    strbuf_add_char(body, '{');
    strbuf_add_json_field(body, "ref", call->request_id);
    strbuf_add_json_field(body, "recipient", check->recipient.masked);
    strbuf_add_json_field(body, "partner", question->partner->id);
    strbuf_add_json_field(body, "channel", channel_name(question->channel));
    strbuf_add_json_field(body, "purpose", purpose_name(question->purpose));
    strbuf_add_json_field(body, "stream", question->stream != NULL ? question->stream->id : NULL);
    strbuf_add_json_field(body, "at", at);
    strbuf_add_json_field(body, "verdict", verdict_name(judgement->verdict));
    strbuf_add_json_field(body, "reason", reason_name(judgement->reason));
    if (judgement->event != 0 && may_know(call, judgement))
        strbuf_add_json_number(body, "event", judgement->event);
    else
        strbuf_add_json_field(body, "event", NULL);
    strbuf_add_json_field(body, "policy", question->policy->version);
    if (judgement->form_id != NULL && may_know(call, judgement)) {
        strbuf_add_str(body, ",\"form\":\"");
        strbuf_add_json(body, judgement->form_id, strlen(judgement->form_id));
        strbuf_add_format(body, "@%d\"", judgement->form_version);
    } else {
        strbuf_add_json_field(body, "form", NULL);
    }
    if (check->explain) {
        strbuf_add_str(body, ",\"rules\":");
        explanation_add_rules(body, trace);
    }
    strbuf_add_str(body, "}\n");
}

/* NULL: no memory. */
static struct journal_batch *note(const struct service_call *call, const struct check *check,
                                  const struct judgement *judgement)
{
    char who[sizeof("token ") + TOKEN_NAME];
    struct access access = {
        .who = who,
        .act = "check",
        .key = check->recipient.key,
        .masked = check->recipient.masked,
        .partner = check->question.partner->id,
        .channel = channel_name(check->question.channel),
        .answer = reason_name(judgement->reason),
    };
    snprintf(who, sizeof(who), "token %s", call->token.name);
    str_copy(access.id, sizeof(access.id), call->request_id);
    struct journal_batch *batch = journal_batch_new();
    if (batch != NULL && !access_record(batch, &access, call->http.config->hostname, clock_now()))
        journal_batch_free(&batch);
    return batch;
}

static void on_facts(void *lane, struct ticket ticket, enum result result,
                     const struct facts *facts)
{
    struct service_call *call = service_redeem(lane, ticket);
    struct judgement judgement = {0};
    struct trace trace = {0};
    if (call == NULL)
        return;
    struct check *check = call->own;
    if (result != RESULT_OK) {
        service_problem(call, 503, "unable", "The gate cannot decide now",
                        "The registry cannot be read. Until it can, nothing may be sent.");
        return;
    }
    policy_judge(&check->question, facts, &judgement, check->explain ? &trace : NULL);
    render(call, check, &judgement, &trace);
    service_answer_recorded(call, note(call, check, &judgement));
}

void api_check(struct service_call *call)
{
    static const char *const no_parameters[] = {NULL};
    struct check *check = arena_alloc(call->http.arena, sizeof(*check));
    struct store_query query = {0};
    if (check == NULL) {
        service_problem(call, 503, "unable", "The gate cannot decide now",
                        http_trouble_text(TROUBLE_MEMORY));
        return;
    }
    call->own = check;
    if (!api_query(call, no_parameters) || !read_question(call, check))
        return;
    memcpy(query.recipient_key, check->recipient.key, sizeof(query.recipient_key));
    query.partner = check->question.partner->id;
    query.stream = check->question.stream != NULL ? check->question.stream->id : NULL;
    store_look_up(call->lane->store, &query, on_facts, call->lane, service_ticket(call));
}
