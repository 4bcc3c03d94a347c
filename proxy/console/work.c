/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/console/work.h"

#include "base/clock.h"
#include "base/log.h"
#include "console/layout.h"
#include "console/send.h"
#include "proxy/console/health.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WORK_ARENA (1024 * 1024) /* beside what the request may take */

/* Nothing but what is ours and stands in files: no script and no style inside a page, nothing from
 * elsewhere, no frame around it, no form that leads away. */
static const char content_policy[] =
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

void console_drop(struct console_work *work)
{
    struct strbuf *html = &work->visit.page.html;
    if (html->data != NULL) /* names, and an address that was typed in */
        wipe(html->data, html->capacity);
    strbuf_free(html);
    journal_batch_free(&work->visit.batch);
    visit_send_drop(&work->visit);
    arena_free(&work->visit.arena);
    snapshot_unref(&work->snapshot);
    free(work);
}

/* ---- answering, on the loop ---- */

/* Where others vouch nobody logs in: the first visit after a while is as good as that. */
static bool add_coming(struct journal_batch *batch, const struct visit *visit)
{
    char who[USER_NAME + 8];
    struct access access = {.who = who, .act = "user.login", .answer = "single-sign-on"};
    snprintf(who, sizeof(who), "user %s", visit->user);
    return access_record(batch, &access, visit->config->hostname, visit->now);
}

/* The rows of what was seen or done; NULL: none, or with *whole_out false no memory. */
static struct journal_batch *rows_of(struct console_work *work, bool *whole_out)
{
    struct visit *visit = &work->visit;
    struct journal_batch *batch = visit->batch;
    visit->batch = NULL;
    *whole_out = true;
    if (visit->access.act == NULL && !visit->came)
        return batch;
    if (batch == NULL)
        batch = journal_batch_new();
    *whole_out = batch != NULL && (!visit->came || add_coming(batch, visit)) &&
                 (visit->access.act == NULL ||
                  access_record(batch, &visit->access, visit->config->hostname, visit->now));
    if (!*whole_out)
        journal_batch_free(&batch);
    return batch;
}

static const char *kept(struct service_call *call, const char *text)
{
    if (text == NULL)
        return NULL;
    const char *copy = arena_str(call->http.arena, text);
    call->http.answer.body.failed = call->http.answer.body.failed || copy == NULL;
    return copy;
}

static void put_answer(struct service_call *call, struct visit *visit)
{
    struct http_answer *answer = &call->http.answer;
    http_answer(&call->http, visit->status, "text/html; charset=utf-8");
    strbuf_free(&answer->body);
    answer->body = visit->page.html;
    visit->page.html = (struct strbuf){0};
    answer->disposition = NULL; /* of a download that came to nothing */
    answer->content_policy = content_policy;
    answer->referrer_policy = "same-origin"; /* the guard wants to see a form's Origin */
    answer->location = kept(call, visit->location);
    for (size_t i = 0; i < HTTP_COOKIES; i++)
        answer->cookies[i] = kept(call, visit->cookies[i]);
    if (visit->status == 503)
        answer->retry_after = HTTP_STRAIGHT_AWAY;
}

/* A page of its own instead of what cannot be answered. */
static void answer_sorry(struct service_call *call, struct visit *visit, int status,
                         const char *title, const char *sentence)
{
    visit->cookies[0] = visit->cookies[1] = NULL;
    visit->page.html.failed = false;
    (void)visit_refuse(visit, status, title, sentence);
    put_answer(call, visit);
    service_answer(call);
}

/* The journal did not take the record. An act was done all the same: a "no" does not wait for it.
 */
static void answer_unrecorded(struct service_call *call)
{
    struct arena *arena = arena_new(WORK_ARENA);
    struct visit visit = {
        .arena = arena,
        .config = call->http.config,
        .timezone = "UTC",
        .user = "",
        .csrf = "",
        .path = "/console",
        .query = "",
        .request_id = call->request_id,
        .page = {.language =
                     strcmp(call->http.config->region, "FR") == 0 ? LANGUAGE_FR : LANGUAGE_EN},
    };
    const char *accept = http_header(&call->http, "Accept-Language");
    if (accept != NULL)
        (void)language_of_accept(accept, &visit.page.language);
    visit.language = visit.page.language;
    answer_sorry(call, &visit, 503, N_("This cannot be put on record now"),
                 call->http.method == HTTP_METHOD_POST
                     ? N_("The journal cannot be written. What you asked for may have been done "
                          "all the same: look at the page again later, it says so.")
                     : N_("The journal cannot be written, and what is not on record is not shown. "
                          "Try again later, and tell your administrator."));
    strbuf_free(&visit.page.html);
    arena_free(&arena);
}

static void answer(struct service_call *call, struct console_work *work)
{
    bool whole;
    struct journal_batch *batch = rows_of(work, &whole);
    if (work->visit.send != NULL) {
        console_send(call, work, batch, batch != NULL || !whole, answer_unrecorded);
        return;
    }
    put_answer(call, &work->visit);
    service_tell_late(call, work->not_before);
    if (batch != NULL || !whole)
        service_answer_recorded_or(call, batch, answer_unrecorded);
    else
        service_answer(call);
}

static void answer_failure(struct service_call *call, struct console_work *work)
{
    if (work->job.late) {
        answer_sorry(call, &work->visit, 503, N_("This takes too long"),
                     N_("There is too much to be read for this. Ask for a shorter period, or for "
                        "one partner."));
        return;
    }
    log_event(LOG_LEVEL_ERROR, "a page could not be made", LOG_TEXT("request", call->request_id),
              LOG_TEXT("reason", work->job.err.text));
    answer_sorry(call, &work->visit, work->job.result == RESULT_UNAVAILABLE ? 503 : 500,
                 N_("The gate cannot answer this now"),
                 N_("Registry or journal cannot be read. Try again later; if it stays so, tell "
                    "your administrator."));
}

/* It was done, though nobody waits any more: on record it goes all the same. */
static void record_alone(struct console_work *work)
{
    bool whole;
    struct journal_batch *batch = rows_of(work, &whole);
    if (batch != NULL)
        store_append(work->lane->store, batch, NULL, NULL, (struct ticket){0});
    else if (!whole)
        log_event(
            LOG_LEVEL_ERROR, "what a user did is not on record",
            LOG_TEXT("request", work->visit.request_id), LOG_TEXT("who", work->who),
            LOG_TEXT("act", work->visit.access.act != NULL ? work->visit.access.act : "user.login"),
            LOG_TEXT("reason", "no memory"));
}

/* Nothing was done, but somebody came. */
static void record_coming(struct console_work *work)
{
    journal_batch_free(&work->visit.batch);
    work->visit.access.act = NULL;
    record_alone(work);
}

void console_finish(struct console_work *work)
{
    struct service_call *call = service_redeem(work->lane, work->ticket);
    bool done = work->job.result == RESULT_OK;
    if (call != NULL && work->admitted && work->visit.user[0] != '\0')
        service_identified(call);
    if (!done)
        record_coming(work);
    if (done && call != NULL)
        answer(call, work);
    else if (done)
        record_alone(work);
    else if (call != NULL)
        answer_failure(call, work);
    console_drop(work);
}

static void on_done(struct loop_task *task)
{
    struct console_work *work =
        CONTAINER_OF(CONTAINER_OF(task, struct desk_job, task), struct console_work, job);
    console_step *then = work->then;
    work->then = NULL;
    if (then != NULL && work->job.result == RESULT_OK)
        then(work, service_redeem(work->lane, work->ticket));
    else
        console_finish(work);
}

/* ---- at the desk ---- */

static enum result run(struct desk_job *job, struct desk_tools *tools, struct error *err)
{
    struct console_work *work = CONTAINER_OF(job, struct console_work, job);
    struct visit *visit = &work->visit;
    bool admitted = true;
    enum result result = RESULT_OK;
    visit->registry = tools->registry;
    visit->journal_path = tools->journal_path;
    visit->hmac = tools->hmac;
    visit->seal = tools->seal;
    if (!work->admitted) {
        bool anybody = (work->task->needs & NEED_NOBODY) != 0;
        result = guard_admit(visit, &work->request, work->task->permits, anybody, &admitted, err);
        if (result != RESULT_OK || !admitted)
            return result;
        work->admitted = true;
        snprintf(work->who, sizeof(work->who), "user %s", visit->user);
    }
    if ((work->task->needs & NEED_INDEX) != 0)
        result = desk_index(tools, err);
    visit->index = tools->index;
    if (result == RESULT_OK && (work->task->needs & NEED_HEALTH) != 0)
        result = console_health(visit, visit->gate, work->snapshot, err);
    if (result == RESULT_OK)
        result = work->page(visit, err);
    if (result == RESULT_OK && visit->page.html.failed)
        return error_no_memory(err);
    return result;
}

/* ---- on the loop ---- */

/* NULL: no memory. */
static const char *header_of(struct visit *visit, const struct http_call *http, const char *name)
{
    const char *value = http_header(http, name);
    return arena_str(visit->arena, value != NULL ? value : "");
}

/* Whom a balancer that the listener trusts has signed in. Behind a chunked body stand a client's
 * own trailers, which look the same: then nobody is. NULL: no memory. */
static const char *identity_of(struct visit *visit, const struct service_call *call)
{
    const char *name = visit->config->console.identity_header;
    bool believed = name[0] != '\0' && call->vouched &&
                    http_header_clear(call->http.headers, "Transfer-Encoding") &&
                    http_header(&call->http, "Transfer-Encoding") == NULL;
    return believed ? header_of(visit, &call->http, name) : "";
}

/* The fields of query and form, copied: the call's may go before the work is done. What has a NUL
 * in it is not taken. False: no memory. */
static bool take_fields(struct visit *visit, const struct http_call *http)
{
    const struct visit_field **link = &visit->fields;
    for (const struct http_field *from = http->fields; from != NULL; from = from->next) {
        if (strlen(from->value) != from->length)
            continue;
        struct visit_field *field = arena_alloc(visit->arena, sizeof(*field));
        if (field == NULL)
            return false;
        field->name = arena_str(visit->arena, from->name);
        field->value = arena_str(visit->arena, from->value);
        field->next = NULL;
        if (field->name == NULL || field->value == NULL)
            return false;
        *link = field;
        link = (const struct visit_field **)&field->next;
    }
    return true;
}

/* As the reader chose, else as the browser asks, else as the gateway's country speaks. */
static enum language language_of(const struct console_work *work, const struct http_call *http)
{
    enum language language = strcmp(http->config->region, "FR") == 0 ? LANGUAGE_FR : LANGUAGE_EN;
    const char *chosen = guard_cookie(&work->visit, work->request.cookie, "octroi_language");
    const char *accept = http_header(http, "Accept-Language");
    if (!language_parse(chosen, &language) && accept != NULL)
        (void)language_of_accept(accept, &language);
    return language;
}

/* False: no memory. */
static bool take_request(struct console_work *work, struct service_call *call)
{
    struct visit *visit = &work->visit;
    struct guard_request *request = &work->request;
    const struct http_call *http = &call->http;
    request->cookie = header_of(visit, http, "Cookie");
    request->origin = header_of(visit, http, "Origin");
    request->fetch_site = header_of(visit, http, "Sec-Fetch-Site");
    request->host = header_of(visit, http, "Host");
    request->identity = identity_of(visit, call);
    request->secured = http->secured;
    request->https = http->https;
    visit->path = arena_str(visit->arena, http->path);
    visit->query = arena_str(visit->arena, http->query);
    visit->request_id = arena_str(visit->arena, call->request_id);
    for (size_t i = 0; i < 2; i++)
        visit->tails[i] = arena_str(visit->arena, http->tails[i]);
    if (request->cookie == NULL || request->identity == NULL || request->origin == NULL ||
        request->fetch_site == NULL || request->host == NULL || visit->path == NULL ||
        visit->query == NULL || visit->request_id == NULL || visit->tails[0] == NULL ||
        visit->tails[1] == NULL)
        return false;
    visit->language = visit->page.language = language_of(work, http);
    return take_fields(visit, http);
}

static struct console_work *new_work(struct service_call *call, const struct console_task *task)
{
    struct http_call *http = &call->http;
    struct console_work *work = calloc(1, sizeof(*work));
    if (work == NULL)
        return NULL;
    work->job.pace = task->pace;
    work->job.home = call->lane->loop;
    work->job.work = run;
    work->job.task.run = on_done;
    work->lane = call->lane;
    work->ticket = service_ticket(call);
    work->task = task;
    work->page = task->page;
    work->snapshot = snapshot_ref(call->lane->snapshot);
    struct visit *visit = &work->visit;
    visit->config = work->snapshot->config;
    visit->timezone = visit->config->alerts.timezone;
    visit->arena = arena_new(WORK_ARENA + http->length * 4);
    visit->user = visit->role = visit->csrf = "";
    visit->who = work->who;
    visit->posted = http->method == HTTP_METHOD_POST;
    visit->now = clock_now();
    visit->status = 200;
    visit->gate = call->lane->gate;
    visit->checker = call->lane->gate->checker;
    visit->clerk = call->lane->gate->clerk;
    visit->access = (struct access){
        .who = work->who, .partner = "", .channel = "", .subject = "", .answer = ""};
    str_copy(visit->access.id, sizeof(visit->access.id), call->request_id);
    if (visit->arena != NULL && take_request(work, call))
        return work;
    console_drop(work);
    return NULL;
}

struct console_work *console_work_of(struct visit *visit)
{
    return CONTAINER_OF(visit, struct console_work, visit);
}

static void refuse(struct service_call *call, int status, const char *type, const char *title,
                   const char *detail)
{
    service_problem(call, status, type, title, detail);
}

static void refuse_busy(struct service_call *call)
{
    refuse(call, 503, "unable", "The gate cannot answer this now",
           "Too much is asked of it at once. Try again later.");
}

void console_work(struct service_call *call, const struct console_task *task)
{
    struct http_call *http = &call->http;
    bool posted = http->method == HTTP_METHOD_POST;
    if (posted && strcmp(http->media, "application/x-www-form-urlencoded") != 0) {
        refuse(call, 415, "media-type", "The body must be a form",
               "Send what the console's own pages send.");
        return;
    }
    if (!http_fields(http)) {
        refuse(call, 400, "malformed", "The request cannot be read",
               "The query or the form cannot be decoded.");
        return;
    }
    if (!service_hold(call, PEER_CONSOLE, call->peer_key, sizeof(*call->peer_key),
                      CONSOLE_ADDRESS_MOST)) {
        service_refuse_crowd(call, "Your address has as many requests under way as it may.");
        return;
    }
    struct console_work *work = new_work(call, task);
    if (work != NULL && desk_submit(call->lane->gate->desk, &work->job))
        return;
    if (work != NULL)
        console_drop(work);
    refuse_busy(call);
}

void console_go_on(struct console_work *work, console_page *page)
{
    struct service_call *call = service_redeem(work->lane, work->ticket);
    work->page = page;
    if (desk_submit(work->lane->gate->desk, &work->job))
        return;
    console_drop(work);
    if (call != NULL)
        refuse_busy(call);
}
