/* SPDX-License-Identifier: Apache-2.0 */
/*
 * /u/TOKEN: the link opened, and pressed (RFC 8058). GET and HEAD change nothing, so that whatever
 * follows links on its own does no harm; POST acts at once, without cookies, login or redirect, and
 * is answered with success only when event and access record are durable. The registry is the
 * desk's; what is said of it is written on the loop.
 */
#include "base/clock.h"
#include "base/log.h"
#include "office/access.h"
#include "office/past.h"
#include "proxy/desk/desk.h"
#include "proxy/http/service.h"
#include "proxy/rate.h"
#include "proxy/snapshot.h"
#include "proxy/unsubscribe/link.h"
#include "proxy/unsubscribe/page.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LATER (60 * CLOCK_SECOND) /* Retry-After */

/* At a time of one address: a person's browser needs few; whoever presses for many, as a provider
 * of mailboxes does, needs more. */
#define VIEWS_MOST   8
#define PRESSES_MOST 64
/* Of one link, at a time and a second. */
#define LINK_MOST 2
#define LINK_RATE 5
/* A look, or a press that changes nothing, leaves one record in this time and link: whoever has a
 * link could fill the disk. */
#define RECORD_EVERY (60 * CLOCK_SECOND)

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
    bool already;     /* it holds; pressed: and need not be said anew */
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
    if (status == 503 || status == 429)
        call->http.answer.retry_after = status == 503 ? LATER : CLOCK_SECOND;
    return !call->http.answer.body.failed;
}

/* In the browser's language, else in that of the gateway's country. */
static enum language language_of(const struct service_call *call, bool *spoken_out)
{
    enum language language =
        strcmp(call->http.config->region, "FR") == 0 ? LANGUAGE_FR : LANGUAGE_EN;
    const char *accept = http_header(&call->http, "Accept-Language");
    *spoken_out = accept != NULL && language_of_accept(accept, &language);
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

static enum result find_stop(const struct leave *leave, struct registry *registry,
                             struct stop_standing *standing_out, struct error *err)
{
    const struct stop_scope scope = {
        .kind = leave->press == PRESS_ALL ? EVENT_OBJECTED : EVENT_WITHDRAWN,
        .channel = leave->link.channel,
        .partner = leave->press == PRESS_ALL ? NULL : leave->link.partner,
    };
    return registry_find_stop(registry, leave->recipient.key, &scope, leave->now, standing_out,
                              err);
}

/* Looked at and written in one transaction: who presses twice at once leaves one event. */
static enum result press(struct leave *leave, struct registry *registry, struct error *err)
{
    struct stop_standing standing;
    enum result result = registry_begin(registry, err);
    if (result != RESULT_OK)
        return result;
    result = find_stop(leave, registry, &standing, err);
    leave->already = result == RESULT_OK && standing.said;
    if (result == RESULT_OK && !leave->already)
        result = add_event(leave, registry, err);
    if (result == RESULT_OK)
        return registry_commit(registry, err);
    registry_rollback(registry);
    return result;
}

static enum result look(struct leave *leave, struct registry *registry, struct error *err)
{
    struct stop_standing standing;
    enum result result = find_stop(leave, registry, &standing, err);
    leave->already = result == RESULT_OK && standing.holds;
    if (result == RESULT_OK)
        result = past_read(registry, leave->recipient.key, &leave->past, err);
    return result;
}

static enum result run(struct desk_job *job, struct desk_tools *tools, struct error *err)
{
    struct leave *leave = CONTAINER_OF(job, struct leave, job);
    enum result result = recipient_make(tools->hmac, &leave->link.address, &leave->recipient, err);
    if (result != RESULT_OK)
        return result;
    return leave->press != PRESS_NONE ? press(leave, tools->registry, err)
                                      : look(leave, tools->registry, err);
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

/* Changed or seen: what of it is to be remembered for RECORD_EVERY. */
static const char *kind_of(bool pressed)
{
    return pressed ? "link.press" : "link.view";
}

static bool is_recorded(const struct leave *leave)
{
    bool pressed = leave->press != PRESS_NONE;
    return (pressed && !leave->already) ||
           rates_first(leave->lane->gate->rates, kind_of(pressed), leave->link.ref, RECORD_EVERY,
                       clock_monotonic());
}

/* The journal did not take it. What was pressed is with the registry all the same. */
static void answer_unrecorded(struct service_call *call)
{
    bool pressed = call->http.method == HTTP_METHOD_POST;
    const char *ref = call->own;
    if (ref != NULL)
        rates_forget(call->lane->gate->rates, kind_of(pressed), ref, clock_monotonic());
    answer_plain(call, 503, pressed ? LEAVE_UNSURE : LEAVE_LATER);
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
        (void)language_of_accept(form->language, &page.language);
    (void)put_page(call, 200, &page);
    if (is_recorded(leave))
        service_answer_recorded_or(call, rows_of(leave), answer_unrecorded);
    else
        service_answer(call);
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
        struct journal_batch *batch = is_recorded(leave) ? rows_of(leave) : NULL;
        if (batch != NULL)
            store_append(leave->lane->store, batch, NULL, NULL, (struct ticket){0});
    }
    free_leave(leave);
}

/* ---- arriving ---- */

/* Whether the part whose headers stand at `at` has the value of one click. */
static bool says_one_click(const char *at, const char *end)
{
    static const char value[] = "\r\n\r\nOne-Click\r\n";
    const char *empty = memmem(at, (size_t)(end - at), value, 4);
    return empty != NULL && (size_t)(end - empty) >= sizeof(value) - 1 &&
           memcmp(empty, value, sizeof(value) - 1) == 0;
}

/* The part of that name, whatever else its headers say. */
static bool has_one_click_part(const struct http_call *http)
{
    static const char *const names[] = {"name=\"List-Unsubscribe\"", "name=List-Unsubscribe\r\n",
                                        "name=List-Unsubscribe;"};
    const char *end = http->body + http->length;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        size_t length = strlen(names[i]);
        const char *at = memmem(http->body, http->length, names[i], length);
        /* The line end may be the first of the empty line. */
        if (at != NULL && says_one_click(at + length - (names[i][length - 1] == '\n' ? 2 : 0), end))
            return true;
    }
    return false;
}

/* RFC 8058 lets a mail program send a form of either encoding. */
static bool is_one_click(struct http_call *http)
{
    if (strcmp(http->media, "multipart/form-data") == 0)
        return has_one_click_part(http);
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

/* False: that was answered. */
static bool has_room(struct service_call *call, const struct link *link, bool pressed)
{
    const struct peer_key *peer = call->peer_key;
    if (service_hold(call, pressed ? PEER_PRESS : PEER_VIEW, peer, sizeof(*peer),
                     pressed ? PRESSES_MOST : VIEWS_MOST) &&
        service_hold(call, pressed ? PEER_PRESSED : PEER_VIEWED, link->ref, strlen(link->ref),
                     LINK_MOST) &&
        rates_admit(call->lane->gate->rates, pressed ? "press" : "view", link->ref, LINK_RATE,
                    clock_monotonic()))
        return true;
    answer_plain(call, 429, LEAVE_LATER);
    return false;
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
    call->own = arena_str(call->http.arena, link->ref);
    leave->job.pace = press == PRESS_NONE ? DESK_SHORT : DESK_URGENT;
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
    else if (has_room(call, &link, press != PRESS_NONE))
        go_to_desk(call, &link, press, by_mail);
    wipe(&link, sizeof(link));
}

const struct service_route unsubscribe_routes[] = {
    {"/u/*", HTTP_METHOD_GET | HTTP_METHOD_HEAD | HTTP_METHOD_POST, SERVICE_UNSUBSCRIBE, 0, false,
     false, leave_handle},
    {0},
};
