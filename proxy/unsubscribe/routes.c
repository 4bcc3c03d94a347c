/* SPDX-License-Identifier: Apache-2.0 */
/*
 * /u/TOKEN: the link opened, and pressed (RFC 8058). GET and HEAD change nothing, so that whatever
 * follows links on its own does no harm; POST acts at once, without cookies, login or redirect, and
 * is answered with success only when event and access record are durable. The registry is the
 * desk's; what is said of it is written on the loop.
 */
#include "base/clock.h"
#include "base/log.h"
#include "office/past.h"
#include "proxy/desk/access.h"
#include "proxy/desk/desk.h"
#include "proxy/http/service.h"
#include "proxy/snapshot.h"
#include "proxy/unsubscribe/link.h"
#include "proxy/unsubscribe/page.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LATER (60 * CLOCK_SECOND) /* Retry-After */

enum press {
    PRESS_NONE,    /* the page alone */
    PRESS_PARTNER, /* this partner may no longer write on this channel */
    PRESS_ALL,     /* nobody may */
    PRESS_UNCLEAR,
};

/* A request at the desk. */
struct leave {
    struct desk_job job; /* first */
    struct lane *lane;   /* borrowed; the loop's alone, as the ticket */
    struct ticket ticket;
    struct snapshot *snapshot; /* owned reference */
    struct link link;          /* wiped */
    enum press press;
    bool by_mail; /* pressed by a mail program */
    bool spoken;  /* the browser asked for language */
    enum language language;
    int64_t now;
    char id[RECORD_ID]; /* the call's */
    /* What came of it. */
    struct recipient recipient;
    struct past past; /* PRESS_NONE */
    bool already;
};

/* ---- answering ---- */

/* The page as the answer; false: no memory, and service_answer will say 503. */
static bool put_page(struct service_call *call, int status, const struct leave_page *page)
{
    struct strbuf policy = {0};
    http_answer(&call->http, status, "text/html; charset=utf-8");
    if (leave_page_policy(&policy))
        call->http.answer.content_policy = arena_str(call->http.arena, policy.data);
    strbuf_free(&policy);
    leave_page_write(page, &call->http.answer.body);
    if (call->http.answer.content_policy == NULL)
        call->http.answer.body.failed = true;
    if (status == 503)
        call->http.answer.retry_after = LATER;
    return !call->http.answer.body.failed;
}

/* In the browser's language, else in that of the gateway's country. */
static enum language language_of(const struct service_call *call, bool *spoken_out)
{
    enum language language =
        strcmp(call->http.config->region, "FR") == 0 ? LANGUAGE_FR : LANGUAGE_EN;
    const char *accept = http_header(&call->http, "Accept-Language");
    *spoken_out = accept != NULL && leave_language(accept, &language);
    return language;
}

/* What needs nobody's data. */
static void answer_plain(struct service_call *call, int status, enum leave_page_kind kind)
{
    bool spoken;
    const struct config *config = call->http.config;
    struct leave_page page = {.kind = kind,
                              .language = language_of(call, &spoken),
                              .controller = config->controller_name,
                              .contact = config->controller_contact};
    (void)put_page(call, status, &page);
    service_answer(call);
}

/* ---- what is on record ---- */

/* When the person last agreed on the channel, and last took it back. */
struct standing {
    const struct leave *leave;
    int64_t granted, left_partner, left_all; /* INT64_MIN: never */
};

static bool names(const char *list, const char *name)
{
    size_t length = strlen(name);
    for (const char *at = list; *at != '\0';) {
        size_t item = strcspn(at, "|");
        if (item == length && strncmp(at, name, length) == 0)
            return true;
        at += item + (at[item] == '|');
    }
    return false;
}

static void later(int64_t *moment, int64_t other)
{
    if (other > *moment)
        *moment = other;
}

static bool stand(void *arg, const struct event_row *row)
{
    struct standing *standing = arg;
    const struct link *link = &standing->leave->link;
    bool leaves = row->kind == EVENT_WITHDRAWN || row->kind == EVENT_OBJECTED;
    if (row->channel != link->channel)
        return true;
    if (row->kind == EVENT_GIVEN || row->kind == EVENT_RENEWED)
        later(&standing->granted, row->occurred_at);
    if (!leaves || row->collector[0] != '\0')
        return true;
    if (row->partners[0] == '\0')
        later(&standing->left_all, row->occurred_at);
    if (row->partners[0] == '\0' || names(row->partners, link->partner))
        later(&standing->left_partner, row->occurred_at);
    return true;
}

/* Whether what is pressed for holds already: to press again changes nothing. */
static enum result is_left(struct leave *leave, struct registry *registry, struct error *err)
{
    struct standing standing = {leave, INT64_MIN, INT64_MIN, INT64_MIN};
    enum result result = registry_events(registry, leave->recipient.key, stand, &standing, err);
    int64_t left = leave->press == PRESS_ALL ? standing.left_all : standing.left_partner;
    leave->already = left != INT64_MIN && left >= standing.granted;
    return result;
}

/* ---- at the desk ---- */

static enum result add_event(struct leave *leave, struct registry *registry, struct error *err)
{
    char evidence[96];
    unsigned added;
    const char *partners[] = {leave->link.partner};
    struct event_input event = {
        .address = leave->link.address.text,
        .address_kind = leave->link.address.kind,
        .kind = leave->press == PRESS_ALL ? EVENT_OBJECTED : EVENT_WITHDRAWN,
        .channels = CHANNEL_BIT(leave->link.channel),
        .occurred_at = leave->now,
        .partners = partners,
        .n_partners = leave->press == PRESS_ALL ? 0 : 1,
        .supplier = "",
        .collector = "",
        .evidence = evidence,
        .origin = "link",
    };
    snprintf(evidence, sizeof(evidence), "%s of the message with ref %s",
             leave->by_mail ? "one click" : "page behind the link", leave->link.ref);
    memcpy(event.recipient_key, leave->recipient.key, sizeof(event.recipient_key));
    return registry_add_event(registry, &event, leave->now, &added, err);
}

/* Looked at and written in one transaction: who presses twice at once leaves one event. */
static enum result press(struct leave *leave, struct registry *registry, struct error *err)
{
    enum result result = registry_begin(registry, err);
    if (result != RESULT_OK)
        return result;
    result = is_left(leave, registry, err);
    if (result == RESULT_OK && !leave->already)
        result = add_event(leave, registry, err);
    if (result == RESULT_OK)
        return registry_commit(registry, err);
    registry_rollback(registry);
    return result;
}

static enum result run(struct desk_job *job, struct desk_tools *tools, struct error *err)
{
    struct leave *leave = CONTAINER_OF(job, struct leave, job);
    enum result result = recipient_make(tools->hmac, &leave->link.address, &leave->recipient, err);
    if (result == RESULT_OK && leave->press != PRESS_NONE)
        return press(leave, tools->registry, err);
    if (result == RESULT_OK)
        result = is_left(leave, tools->registry, err);
    if (result == RESULT_OK)
        result = past_read(tools->registry, leave->recipient.key, &leave->past, err);
    return result;
}

/* ---- back on the loop ---- */

/* The latest consent on the channel; NULL: none. */
static const struct past_event *latest_grant(const struct leave *leave)
{
    const struct past_event *found = NULL;
    for (size_t i = 0; i < leave->past.n_events; i++) {
        const struct past_event *event = &leave->past.events[i];
        if (past_is_grant(event) && event->channel == leave->link.channel)
            found = event;
    }
    return found;
}

static struct journal_batch *rows_of(const struct leave *leave)
{
    struct access access = {
        .who = "link",
        .act = leave->press == PRESS_NONE  ? "link.view"
               : leave->press == PRESS_ALL ? "event.object"
                                           : "event.withdraw",
        .key = leave->recipient.key,
        .masked = leave->recipient.masked,
        .partner = leave->link.partner,
        .channel = channel_name(leave->link.channel),
        .subject = leave->link.ref,
        .answer = leave->press == PRESS_NONE ? ""
                  : leave->already           ? "unchanged"
                                             : "done",
    };
    struct journal_batch *batch = journal_batch_new();
    str_copy(access.id, sizeof(access.id), leave->id);
    if (batch != NULL &&
        !access_record(batch, &access, leave->snapshot->config->hostname, leave->now))
        journal_batch_free(&batch);
    return batch;
}

static void answer(struct service_call *call, const struct leave *leave)
{
    const struct config *config = leave->snapshot->config;
    const struct partner *partner = config_partner(config, leave->link.partner);
    const struct past_event *event = latest_grant(leave);
    const struct form *form = event != NULL && event->form != NULL ? event->form->form : NULL;
    char name[PAST_FORM] = "";
    struct leave_grant grant = {0};
    if (event != NULL)
        grant = (struct leave_grant){
            .occurred_at = event->occurred_at,
            .form = past_form_name(event, name),
            .wording = form != NULL ? form->wording : "",
            .language = form != NULL ? form->language : "",
            .collector = form != NULL ? form->collector_name : "",
            .supplier = event->supplier,
        };
    struct leave_page page = {
        .kind = leave->press == PRESS_NONE ? LEAVE_ASK : LEAVE_DONE,
        .language = leave->language,
        .channel = leave->link.channel,
        .partner = partner != NULL ? partner->name : leave->link.partner,
        .masked = leave->recipient.masked,
        .all = leave->press == PRESS_ALL,
        .already = leave->already,
        .reference = call->request_id,
        .grant = event != NULL ? &grant : NULL,
        .controller = config->controller_name,
        .contact = config->controller_contact,
    };
    if (!leave->spoken && form != NULL)
        (void)leave_language(form->language, &page.language);
    (void)put_page(call, 200, &page);
    service_answer_recorded(call, rows_of(leave));
}

static void free_leave(struct leave *leave)
{
    past_free(&leave->past);
    snapshot_unref(&leave->snapshot);
    wipe(&leave->link, sizeof(leave->link));
    free(leave);
}

static void on_done(struct loop_task *task)
{
    struct leave *leave =
        CONTAINER_OF(CONTAINER_OF(task, struct desk_job, task), struct leave, job);
    struct service_call *call = service_redeem(leave->lane, leave->ticket);
    if (leave->job.result != RESULT_OK)
        log_event(LOG_LEVEL_ERROR, "a link could not be followed", LOG_TEXT("request", leave->id),
                  LOG_TEXT("reason", leave->job.err.text));
    if (call != NULL && leave->job.result == RESULT_OK) {
        answer(call, leave);
    } else if (call != NULL) {
        answer_plain(call, 503, LEAVE_LATER);
    } else if (leave->job.result == RESULT_OK) {
        /* Nobody waits any more, but it was done. */
        struct journal_batch *batch = rows_of(leave);
        if (batch != NULL)
            store_append(leave->lane->store, batch, NULL, NULL, (struct ticket){0});
    }
    free_leave(leave);
}

/* ---- arriving ---- */

/* RFC 8058 lets a mail program send a form of either encoding. */
static bool is_one_click(struct http_call *http)
{
    static const char part[] = "name=\"List-Unsubscribe\"\r\n\r\nOne-Click\r\n";
    if (strcmp(http->media, "multipart/form-data") == 0)
        return memmem(http->body, http->length, part, sizeof(part) - 1) != NULL;
    const char *value = http_fields(http) ? http_field(http, "List-Unsubscribe") : NULL;
    return value != NULL && strcmp(value, "One-Click") == 0;
}

static enum press read_press(struct http_call *http, bool *by_mail_out)
{
    *by_mail_out = false;
    if (http->method != HTTP_METHOD_POST)
        return PRESS_NONE;
    *by_mail_out = is_one_click(http);
    if (*by_mail_out)
        return PRESS_PARTNER;
    const char *choice = http_fields(http) ? http_field(http, "choice") : NULL;
    if (choice != NULL && strcmp(choice, "partner") == 0)
        return PRESS_PARTNER;
    return choice != NULL && strcmp(choice, "all") == 0 ? PRESS_ALL : PRESS_UNCLEAR;
}

/* Takes link over. */
static void go_to_desk(struct service_call *call, struct link *link, enum press press, bool by_mail)
{
    struct leave *leave = calloc(1, sizeof(*leave));
    if (leave == NULL) {
        wipe(link, sizeof(*link));
        answer_plain(call, 503, LEAVE_LATER);
        return;
    }
    leave->job.home = call->lane->loop;
    leave->job.work = run;
    leave->job.task.run = on_done;
    leave->lane = call->lane;
    leave->ticket = service_ticket(call);
    leave->snapshot = snapshot_ref(call->lane->snapshot);
    leave->link = *link;
    leave->press = press;
    leave->by_mail = by_mail;
    leave->language = language_of(call, &leave->spoken);
    leave->now = clock_now();
    str_copy(leave->id, sizeof(leave->id), call->request_id);
    wipe(link, sizeof(*link));
    if (!desk_submit(call->lane->gate->desk, &leave->job)) {
        free_leave(leave);
        answer_plain(call, 503, LEAVE_LATER);
    }
}

/* As the page would be, without looking anything up. */
static void answer_head(struct service_call *call)
{
    http_answer(&call->http, 200, "text/html; charset=utf-8");
    service_answer(call);
}

static void leave_handle(struct service_call *call)
{
    struct link link;
    struct error err;
    bool by_mail;
    const struct seal *seal = call->lane->gate->seal;
    enum press press = read_press(&call->http, &by_mail);
    enum result result = seal != NULL ? link_read(seal, call->http.tails[0], &link, &err)
                                      : error_set(&err, RESULT_UNAVAILABLE, "there is no key");
    if (result == RESULT_BAD_INPUT)
        answer_plain(call, 404, LEAVE_NO_LINK);
    else if (result != RESULT_OK)
        answer_plain(call, 503, LEAVE_LATER);
    else if (press == PRESS_UNCLEAR)
        answer_plain(call, 400, LEAVE_UNCLEAR);
    else if (call->http.method == HTTP_METHOD_HEAD)
        answer_head(call);
    else
        go_to_desk(call, &link, press, by_mail);
    wipe(&link, sizeof(link));
}

const struct service_route unsubscribe_routes[] = {
    {"/u/*", HTTP_METHOD_GET | HTTP_METHOD_HEAD | HTTP_METHOD_POST, SERVICE_UNSUBSCRIBE, 0, false,
     false, leave_handle},
    {0},
};
