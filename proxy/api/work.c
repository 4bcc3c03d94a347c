/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/api/work.h"

#include "base/clock.h"
#include "base/log.h"
#include "store/form.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WORK_ARENA  (1024 * 1024) /* beside what the body may take */
#define WHY_MOST    400           /* bytes of a problem's detail */
#define REASON_MOST 1000

static void free_work(struct api_work *work)
{
    snapshot_unref(&work->snapshot);
    strbuf_free(&work->out);
    journal_batch_free(&work->batch);
    arena_free(&work->arena);
    free(work);
}

/* ---- on the loop ---- */

static const char *gateway_of(const struct api_work *work)
{
    return work->config->hostname;
}

/* The rows of what was done; NULL: none, or with *whole_out false no memory. */
static struct journal_batch *rows_of(struct api_work *work, bool *whole_out)
{
    struct journal_batch *batch = work->batch;
    work->batch = NULL;
    *whole_out = true;
    if (work->access.act == NULL)
        return batch;
    if (batch == NULL)
        batch = journal_batch_new();
    *whole_out = batch != NULL && access_record(batch, &work->access, gateway_of(work), work->now);
    if (!*whole_out)
        journal_batch_free(&batch);
    return batch;
}

static void answer(struct service_call *call, struct api_work *work)
{
    bool whole;
    struct journal_batch *batch = rows_of(work, &whole);
    http_answer(&call->http, work->status, work->type);
    strbuf_free(&call->http.answer.body);
    call->http.answer.body = work->out;
    work->out = (struct strbuf){0};
    if (batch != NULL || !whole)
        service_answer_recorded(call, batch);
    else
        service_answer(call);
}

static void answer_failure(struct service_call *call, const struct api_work *work)
{
    if (work->job.late) {
        service_problem(call, 503, "too-long", "The answer takes too long",
                        "There is too much to be read for this. Narrow the question: a shorter "
                        "period, one partner, a smaller page.");
        return;
    }
    bool passing = work->job.result == RESULT_UNAVAILABLE || work->job.result == RESULT_NO_MEMORY;
    log_event(LOG_LEVEL_ERROR, "a request could not be answered",
              LOG_TEXT("request", call->request_id), LOG_TEXT("reason", work->job.err.text));
    service_problem(call, passing ? 503 : 500, passing ? "unable" : "internal",
                    passing ? "The gate cannot answer this now" : "The gate could not answer this",
                    passing ? "Registry or journal cannot be read now. Try again later."
                            : "The gate's log says why, under the ref of this answer.");
}

/* It was done, though nobody waits any more, or what it came to cannot be told: on record it goes
 * all the same. */
static void record_alone(struct api_work *work)
{
    const char *act = work->access.act;
    bool whole;
    struct journal_batch *batch = rows_of(work, &whole);
    if (batch != NULL)
        store_append(work->lane->store, batch, NULL, NULL, (struct ticket){0});
    else if (!whole)
        log_event(LOG_LEVEL_ERROR, "what a program did is not on record",
                  LOG_TEXT("request", work->access.id), LOG_TEXT("who", work->who),
                  LOG_TEXT("act", act), LOG_TEXT("reason", "no memory"));
}

static void on_done(struct loop_task *task)
{
    struct api_work *work =
        CONTAINER_OF(CONTAINER_OF(task, struct desk_job, task), struct api_work, job);
    struct service_call *call = service_redeem(work->lane, work->ticket);
    bool done = work->job.result == RESULT_OK;
    if (done && !work->out.failed && call != NULL) {
        answer(call, work);
    } else {
        if (done)
            record_alone(work);
        if (done && work->out.failed)
            work->job.result = error_no_memory(&work->job.err);
        if (call != NULL)
            answer_failure(call, work);
    }
    free_work(work);
}

/* ---- at the desk ---- */

/* The body is read here: a long one would keep the loop. */
static enum result run(struct desk_job *job, struct desk_tools *tools, struct error *err)
{
    struct api_work *work = CONTAINER_OF(job, struct api_work, job);
    char why[200];
    if (work->posted && !http_json_read(work->body, work->length, &work->in, why, sizeof(why)))
        return api_refuse(work, 400, "malformed", "The request cannot be read", "%s", why);
    enum result result = work->action(work, tools, err);
    json_decref(work->in);
    work->in = NULL;
    return result;
}

/* ---- on the loop ---- */

/* The query's fields, copied: the call's may go before the work is done. False: no memory. */
static bool take_fields(struct api_work *work, const struct http_call *call)
{
    struct http_field **link = &work->fields;
    for (const struct http_field *from = call->fields; from != NULL; from = from->next) {
        struct http_field *field = arena_alloc(work->arena, sizeof(*field));
        if (field == NULL)
            return false;
        field->next = NULL;
        field->name = arena_str(work->arena, from->name);
        field->value = arena_copy(work->arena, from->value, from->length);
        field->length = from->length;
        if (field->name == NULL || field->value == NULL)
            return false;
        *link = field;
        link = &field->next;
    }
    return true;
}

static struct api_work *new_work(struct service_call *call, api_action *action)
{
    struct http_call *http = &call->http;
    struct api_work *work = calloc(1, sizeof(*work));
    if (work == NULL)
        return NULL;
    work->arena = arena_new(WORK_ARENA + http->length * 4);
    work->job.home = call->lane->loop;
    work->job.work = run;
    work->job.task.run = on_done;
    work->lane = call->lane;
    work->ticket = service_ticket(call);
    work->action = action;
    work->snapshot = snapshot_ref(call->lane->snapshot);
    work->config = work->snapshot->config;
    work->token = call->token;
    work->now = clock_now();
    work->status = 200;
    work->type = "application/json";
    snprintf(work->who, sizeof(work->who), "token %s", call->token.name);
    work->access = (struct access){
        .who = work->who, .partner = "", .channel = "", .subject = "", .answer = ""};
    str_copy(work->access.id, sizeof(work->access.id), call->request_id);
    work->posted = http->method == HTTP_METHOD_POST;
    work->length = work->posted ? http->length : 0;
    bool whole = work->arena != NULL && take_fields(work, http);
    if (whole)
        work->body = arena_copy(work->arena, http->body, work->length);
    whole = whole && work->body != NULL;
    for (size_t i = 0; i < HTTP_TAILS && whole; i++) {
        work->tails[i] = arena_str(work->arena, http->tails[i]);
        whole = work->tails[i] != NULL;
    }
    if (!whole)
        free_work(work);
    return whole ? work : NULL;
}

static bool malformed(struct service_call *call, const char *detail)
{
    service_problem(call, 400, "malformed", "The request cannot be read", detail);
    return false;
}

static bool is_among(const char *const *names, const char *name)
{
    while (*names != NULL && strcmp(*names, name) != 0)
        names++;
    return *names != NULL;
}

static bool unknown_parameter(struct service_call *call, const char *name,
                              const char *const *parameters)
{
    struct strbuf why = {0};
    api_unknown(&why, "parameter", name, parameters);
    malformed(call, why.failed ? "unknown parameter" : why.data);
    strbuf_free(&why);
    return false;
}

bool api_query(struct service_call *call, const char *const *parameters)
{
    char why[80];
    struct http_call *http = &call->http;
    const char *query = http->query;
    if (query[0] == '\0')
        return true;
    if (!http_fields(http))
        return malformed(call, "The query cannot be decoded.");
    for (const struct http_field *field = http->fields; field != NULL; field = field->next) {
        if (field->name[0] == '\0' && field->length == 0)
            continue; /* of "&&" */
        if (!is_among(parameters, field->name))
            return unknown_parameter(call, field->name, parameters);
        if (http_find_field(http, field->name) != field)
            snprintf(why, sizeof(why), "%s: is given twice", field->name);
        else if (strlen(field->value) != field->length)
            snprintf(why, sizeof(why), "%s: has a NUL in it", field->name);
        else
            continue;
        return malformed(call, why);
    }
    return true;
}

/* False: answered. */
static bool read_request(struct service_call *call, const char *const *parameters)
{
    struct http_call *http = &call->http;
    if (http->method == HTTP_METHOD_POST && strcmp(http->media, "application/json") != 0) {
        service_problem(call, 415, "media-type", "The body must be JSON",
                        "Send Content-Type: application/json.");
        return false;
    }
    return api_query(call, parameters);
}

void api_work(struct service_call *call, api_action *action, enum desk_pace pace,
              const char *const *parameters)
{
    if (!read_request(call, parameters))
        return;
    const char *id = call->token.id;
    if (pace == DESK_LONG && !service_hold(call, PEER_LONG, id, strlen(id), API_LONG_MOST)) {
        service_refuse_crowd(call, "This token has two questions of this sort under way, which is "
                                   "as many as it may: wait for their answers.");
        return;
    }
    struct api_work *work = new_work(call, action);
    if (work != NULL)
        work->job.pace = pace;
    if (work == NULL || !desk_submit(call->lane->gate->desk, &work->job)) {
        if (work != NULL)
            free_work(work);
        service_problem(call, 503, "unable", "The gate cannot answer this now",
                        "Too much is asked of it at once. Try again later.");
    }
}

/* ---- refusing ---- */

static void write_problem(struct api_work *work, int status, const char *type, const char *title,
                          const char *detail)
{
    work->status = status;
    work->type = "application/problem+json";
    work->access.act = NULL;
    strbuf_clear(&work->out);
    strbuf_add_format(&work->out, "{\"type\":\"urn:octroi:problem:%s\"", type);
    strbuf_add_json_field(&work->out, "title", title);
    strbuf_add_json_number(&work->out, "status", status);
    strbuf_add_json_field(&work->out, "detail", detail);
    strbuf_add_json_field(&work->out, "ref", work->access.id);
    strbuf_add_str(&work->out, "}\n");
}

enum result api_refuse(struct api_work *work, int status, const char *type, const char *title,
                       const char *format, ...)
{
    char detail[WHY_MOST];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(detail, sizeof(detail), format, arguments);
    va_end(arguments);
    write_problem(work, status, type, title, detail);
    return RESULT_OK;
}

enum result api_malformed(struct api_work *work, const char *name, const char *why)
{
    return api_refuse(work, 400, "malformed", "The request cannot be read", "%s: %s", name, why);
}

enum result api_nothing(struct api_work *work, const char *what)
{
    return api_refuse(work, 404, "not-found", "There is no such thing", "There is no such %s.",
                      what);
}

bool api_concerns(struct api_work *work, const char *partner)
{
    if (work->token.partner[0] == '\0' || strcmp(work->token.partner, partner) == 0)
        return true;
    (void)api_refuse(work, 403, "other-partner", "This token is not for that",
                     "This token concerns one partner only, and not the one that was named.");
    return false;
}

/* ---- reading ---- */

const char *api_parameter(const struct api_work *work, const char *name)
{
    for (const struct http_field *field = work->fields; field != NULL; field = field->next)
        if (strcmp(field->name, name) == 0)
            return field->value;
    return NULL;
}

const char *api_text(const json_t *object, const char *name)
{
    const json_t *value = json_object_get(object, name);
    const char *text = json_string_value(value);
    return text != NULL && strlen(text) == json_string_length(value) ? text : NULL;
}

/* The unknown one is repeated only if it cannot be an address. */
void api_unknown(struct strbuf *out, const char *what, const char *name, const char *const *names)
{
    bool word = name[strspn(name, "abcdefghijklmnopqrstuvwxyz_")] == '\0' && strlen(name) <= 40;
    strbuf_add_format(out, "unknown %s", what);
    if (word)
        strbuf_add_format(out, " \"%s\"", name);
    strbuf_add_str(out, *names == NULL ? ": there is none" : "");
    for (const char *const *at = names; *at != NULL; at++)
        strbuf_add_format(out, "%s%s", at == names ? ": there are " : ", ", *at);
}

static void refuse_member(struct api_work *work, const char *name, const char *const *known)
{
    struct strbuf why = {0};
    api_unknown(&why, "member", name, known);
    (void)api_malformed(work, "body", why.failed ? "unknown member" : why.data);
    strbuf_free(&why);
}

bool api_known(struct api_work *work, const json_t *object, const char *const *names)
{
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)object, name, value)
    {
        if (is_among(names, name))
            continue;
        refuse_member(work, name, names);
        return false;
    }
    return true;
}

bool api_partner_parameter(struct api_work *work, const char **partner_out)
{
    *partner_out = api_parameter(work, "partner");
    if (*partner_out == NULL || form_partner_valid(*partner_out))
        return true;
    (void)api_malformed(work, "partner", "must be a partner's id");
    return false;
}

bool api_reason(struct api_work *work, const char **reason_out)
{
    const char *given = api_text(work->in, "reason");
    struct strbuf hidden = {0};
    *reason_out = NULL;
    if (given == NULL || !http_is_plain(given, REASON_MOST)) {
        (void)api_malformed(work, "reason", "must say why, in 1 to 1000 characters");
        return false;
    }
    text_hide_addresses(given, work->config->region, &hidden);
    if (!hidden.failed)
        *reason_out = arena_str(work->arena, hidden.data);
    strbuf_free(&hidden);
    work->out.failed = work->out.failed || *reason_out == NULL;
    return *reason_out != NULL;
}

bool api_limit(struct api_work *work, unsigned *limit_out)
{
    int64_t number = API_PAGE;
    const char *text = api_parameter(work, "limit");
    if (text != NULL && (!http_number(text, API_PAGE_MOST, &number) || number == 0)) {
        (void)api_malformed(work, "limit", "must be a number from 1 to 1000");
        return false;
    }
    *limit_out = (unsigned)number;
    return true;
}

bool api_instant(struct api_work *work, const char *name, int64_t fallback, int64_t *instant_out)
{
    const char *text = api_parameter(work, name);
    char whole[CLOCK_TEXT];
    *instant_out = fallback;
    if (text == NULL || clock_parse(text, strlen(text), instant_out))
        return true;
    if (strlen(text) == 10) {
        snprintf(whole, sizeof(whole), "%sT00:00:00Z", text);
        if (clock_parse(whole, strlen(whole), instant_out))
            return true;
    }
    (void)api_malformed(work, name,
                        "must be a day such as 2026-01-31 or an RFC 3339 instant such as "
                        "2026-01-31T12:00:00Z");
    return false;
}

void api_cursor_add(struct strbuf *out, const char *name, int64_t first, int64_t second)
{
    char text[48];
    snprintf(text, sizeof(text), "%" PRId64 ".%" PRId64, first, second);
    strbuf_add_json_field(out, name, text);
}

bool api_cursor(struct api_work *work, bool *given_out, int64_t *first_out, int64_t *second_out)
{
    const char *text = api_parameter(work, "cursor");
    char first[24];
    *given_out = text != NULL;
    if (text == NULL)
        return true;
    size_t length = strcspn(text, ".");
    if (text[length] == '.' && str_copy_n(first, sizeof(first), text, length) &&
        http_number(first, INT64_MAX / 16, first_out) &&
        http_number(text + length + 1, INT64_MAX / 16, second_out))
        return true;
    (void)api_malformed(work, "cursor", "must be `next` of an earlier answer");
    return false;
}
