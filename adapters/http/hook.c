/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an HTTP provider sends to us: replies of people and delivery reports. A call is verified,
 * read by the template, and each message in it given to the sink; the provider hears "taken" once
 * all of them were, else that it shall come again. Nothing of a call is kept, or logged.
 */
#include "adapters/http/http.h"

#include "base/clock.h"
#include "base/log.h"

#include <stdlib.h>
#include <string.h>

/* Messages of one call. */
#define ITEMS_MAX 1000

/* A call under way: until every message in it is answered for. */
struct call {
    struct provider *provider;   /* owned: one reference */
    const struct sms_hook *hook; /* borrowed while it is read */
    struct provider_port *port;
    const struct http_hook_form *form;
    bool report;
    unsigned pending;
    bool later;  /* one of them is to come again */
    bool bad;    /* one of them cannot be read */
    bool excess; /* there are more than are read */
    sms_hooked_fn *answer;
    void *owner;
    struct ticket ticket;
};

/* ---- answers ---- */

static void settle(struct call *call)
{
    if (--call->pending > 0)
        return;
    if (call->later)
        call->answer(call->owner, call->ticket, 503, "text/plain", "Try again later.\n");
    else if (call->excess)
        call->answer(call->owner, call->ticket, 413, "text/plain",
                     "There are more than 1000 messages: those behind them were not read.\n");
    else if (call->bad)
        call->answer(call->owner, call->ticket, 400, "text/plain", "This cannot be read.\n");
    else
        call->answer(call->owner, call->ticket, call->form->status, call->form->content_type,
                     call->form->body);
    struct provider *provider = call->provider;
    free(call);
    provider_unref(&provider);
}

static void on_taken(void *owner, struct ticket ticket, enum sms_taken taken)
{
    struct call *call = owner;
    (void)ticket;
    if (taken != SMS_TAKEN)
        call->later = true;
    settle(call);
}

/* ---- one message of a call ---- */

struct item {
    struct strbuf from, to, text, id, state, error;
};

static void free_item(struct item *item)
{
    strbuf_free(&item->from);
    strbuf_free(&item->to);
    strbuf_free(&item->text);
    strbuf_free(&item->id);
    strbuf_free(&item->state);
    strbuf_free(&item->error);
}

/* Without its NULs, which would hide what stands behind them. */
static void look(bool given, const struct http_path *path, json_t *value, struct strbuf *out)
{
    struct strbuf found = {0};
    if (given)
        (void)http_path_text(path, value, &found);
    for (size_t i = 0; i < found.length; i++)
        if (found.data[i] != '\0')
            strbuf_add_char(out, found.data[i]);
    strbuf_add(out, "", 0);
    out->failed = out->failed || found.failed;
    strbuf_free(&found);
}

static bool read_item(const struct http_hook_form *form, bool report, json_t *value,
                      struct item *item)
{
    look(form->has_from, &form->from, value, &item->from);
    look(form->has_to, &form->to, value, &item->to);
    look(form->has_text, &form->text, value, &item->text);
    look(form->has_id, &form->id, value, &item->id);
    look(report, &form->state, value, &item->state);
    look(form->has_error, &form->error, value, &item->error);
    return !item->from.failed && !item->to.failed && !item->text.failed && !item->id.failed &&
           !item->state.failed && !item->error.failed;
}

/* Kannel gives what came in UCS-2 as it came. */
static void read_utf16(const struct call *call, struct strbuf *text)
{
    const struct sms_hook *hook = call->hook;
    const char *name = call->form->text_name;
    struct strbuf bytes = {0};
    char decoded[HTTP_TEXT_CAP];
    bool found = http_form_bytes(hook->query, strlen(hook->query), name, &bytes) ||
                 http_form_bytes(hook->body, hook->length, name, &bytes);
    /* What is no UTF-16 after all stays as it was read. */
    if (found && sms_decode(8, SMS_ALPHABET_GSM, (const uint8_t *)bytes.data, bytes.length, decoded,
                            sizeof(decoded))) {
        strbuf_clear(text);
        strbuf_add_str(text, decoded);
    }
    strbuf_free(&bytes);
}

static void give(struct call *call, const struct sms_inbound *inbound)
{
    const struct sms_sink *sink = call->provider->sink;
    call->pending++;
    sink->on_inbound(sink->gate, call->provider, call->port->loop, inbound, on_taken, call,
                     call->ticket);
}

static const struct http_state_words *find_state(const struct http_hook_form *form,
                                                 const char *text)
{
    for (const struct http_state_words *words = form->states; words != NULL; words = words->next)
        for (size_t i = 0; i < words->n_words; i++)
            if (ascii_equal(words->words[i], text))
                return words;
    return NULL;
}

static void give_report(struct call *call, const struct item *item)
{
    const struct http_state_words *state = find_state(call->form, item->state.data);
    struct receipt receipt = {0};
    if (state == NULL) {
        /* Perhaps on its way only: nobody is told that it ended. */
        log_event(LOG_LEVEL_WARN, "delivery report ignored",
                  LOG_TEXT("provider", call->provider->config->name),
                  LOG_TEXT("error", "its state is none that the template knows"));
        return;
    }
    /* An id that is too long was not kept when the message was accepted. */
    if (state->ignored || item->id.length == 0 ||
        !str_copy(receipt.id, sizeof(receipt.id), item->id.data))
        return;
    receipt.state = state->state;
    (void)str_copy(receipt.error, sizeof(receipt.error), item->error.data);
    const struct sms_inbound inbound = {.kind = SMS_INBOUND_REPORT,
                                        .from = item->from.data,
                                        .to = item->to.data,
                                        .text = "",
                                        .id = receipt.id,
                                        .receipt = &receipt};
    give(call, &inbound);
}

/* False: it cannot be read. */
static bool give_item(struct call *call, json_t *value)
{
    const struct http_hook_form *form = call->form;
    struct item item = {0};
    bool good = true;
    if (form->has_only && !http_condition_holds(&form->only, 0, value))
        return true;
    bool opted_out = form->has_opt_out && http_condition_holds(&form->opt_out, 0, value);
    if (!read_item(form, call->report, value, &item)) {
        call->later = true; /* no memory */
    } else if (item.from.length == 0 && (!call->report || opted_out)) {
        good = false; /* whose it is, is the least it must say */
    } else {
        struct sms_inbound inbound = {.kind = opted_out ? SMS_INBOUND_OPT_OUT : SMS_INBOUND_MESSAGE,
                                      .from = item.from.data,
                                      .to = item.to.data,
                                      .text = opted_out ? "" : item.text.data,
                                      .id = item.id.data};
        if (!opted_out && form->has_utf16 && http_condition_holds(&form->utf16, 0, value)) {
            read_utf16(call, &item.text);
            inbound.text = item.text.data;
        }
        if (!call->report || opted_out)
            give(call, &inbound);
        if (call->report)
            give_report(call, &item);
    }
    free_item(&item);
    return good;
}

/* ---- the call ---- */

/* The fields of the body, and of the query where the body has none of the name and what is verified
 * covers it. NULL: it cannot be read. */
static json_t *read_call(const struct http_template *template, const struct sms_hook *hook)
{
    bool json = ascii_has_prefix(hook->content_type, "application/json");
    json_t *value = hook->length == 0 ? json_object()
                    : json ? http_value_read(HTTP_FORMAT_JSON, "", hook->body, hook->length)
                           : http_value_read(HTTP_FORMAT_FORM, "", hook->body, hook->length);
    bool body_only =
        template->verify.kind == HTTP_VERIFY_HMAC || template->verify.kind == HTTP_VERIFY_JWT;
    if (value != NULL && !json_is_object(value) && !json_is_array(value)) {
        json_decref(value);
        return NULL;
    }
    if (value == NULL || body_only || !json_is_object(value))
        return value;
    json_t *query = json_object();
    bool good = query != NULL && http_value_add_form(query, hook->query, strlen(hook->query)) &&
                (template->hook_token == NULL || json_object_del(query, "token") == 0 ||
                 json_object_get(query, "token") == NULL) &&
                json_object_update_missing(value, query) == 0;
    json_decref(query);
    if (!good) {
        json_decref(value);
        return NULL;
    }
    return value;
}

/* All messages of value. False: one of them cannot be read. */
static bool give_all(struct call *call, json_t *value)
{
    const struct http_hook_form *form = call->form;
    if (!form->has_each)
        return give_item(call, value);
    json_t *list = http_path_find(&form->each, value);
    if (!json_is_array(list))
        return false;
    bool good = true;
    size_t count = json_array_size(list);
    call->excess = count > ITEMS_MAX;
    if (call->excess)
        count = ITEMS_MAX;
    for (size_t i = 0; i < count; i++)
        good = give_item(call, json_array_get(list, i)) && good;
    return good;
}

/* Anybody can call as often as he likes: a line a minute is enough to be seen. */
static void refuse(const struct provider_port *port, const struct sms_hook *hook, const char *why)
{
    struct http_own *own = http_own((const struct http_port *)port);
    int64_t minute = clock_monotonic() / (60 * CLOCK_SECOND) + 1;
    if (atomic_exchange(&own->refused_minute, minute) == minute) {
        atomic_fetch_add(&own->refused_hidden, 1);
        return;
    }
    log_event(LOG_LEVEL_WARN, "webhook refused", LOG_TEXT("provider", port->provider->config->name),
              LOG_TEXT("hook", hook->name), LOG_TEXT("error", why),
              LOG_NUMBER("more", atomic_exchange(&own->refused_hidden, 0)));
}

void http_hook(struct provider_port *port, const struct sms_hook *hook, sms_hooked_fn *answer,
               void *owner, struct ticket ticket)
{
    const struct http_template *template = &http_own((struct http_port *)port)->template;
    bool report = strcmp(hook->name, "report") == 0;
    const struct http_hook_form *form = report ? &template->report : &template->inbound;
    const char *why = NULL;
    bool known = (report || strcmp(hook->name, "inbound") == 0) && form->present;
    json_t *value = known ? read_call(template, hook) : NULL;
    struct call *call = NULL;
    if (!known)
        why = "this provider has no such webhook";
    /* Who is not verified is told no more than that, so that nobody learns which names there are.
     */
    if (!known || !http_verify(template, hook, value, clock_now(), &why)) {
        refuse(port, hook, why);
        answer(owner, ticket, 401, "text/plain", SMS_HOOK_NOT_VERIFIED);
    } else if (value == NULL) {
        refuse(port, hook, "it cannot be read");
        answer(owner, ticket, 400, "text/plain", "This cannot be read.\n");
    } else if (port->provider->sink == NULL || (call = calloc(1, sizeof(*call))) == NULL) {
        answer(owner, ticket, 503, "text/plain", "Try again later.\n");
    } else {
        *call = (struct call){.provider = provider_ref(port->provider),
                              .hook = hook,
                              .port = port,
                              .form = form,
                              .report = report,
                              .pending = 1, /* this function's own */
                              .answer = answer,
                              .owner = owner,
                              .ticket = ticket};
        /* What can be read is given all the same: it may be a STOP. */
        if (!give_all(call, value)) {
            refuse(port, hook, "what it says cannot be read");
            call->bad = true;
        }
        settle(call);
    }
    json_decref(value);
}
