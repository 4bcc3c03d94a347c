/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SMS providers that are spoken to by HTTP, each by the template its configuration names. A message
 * waits, for connect_timeout at most, for the provider's address and for one of its `connections`;
 * then it is one request and one answer. What surely did not reach the provider is OUTCOME_NONE, an
 * answer is what the template says of it, and all between is OUTCOME_UNKNOWN: nothing is ever sent
 * twice.
 */
#include "adapters/http/http.h"

#include "base/clock.h"
#include "base/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define GATEWAY_ENDED "the gateway ended"

/* ---- states ---- */

void http_set_state(struct http_transfer *transfer, enum http_state to)
{
#define TO(state) (1u << HTTP_##state)
    static const struct {
        const char *name;
        unsigned next;
    } states[HTTP_STATE_COUNT] = {
        [HTTP_WAITING] = {"waiting", TO(RUNNING) | TO(ENDED)},
        [HTTP_RUNNING] = {"running", TO(ENDED)},
        [HTTP_ENDED] = {"ended", 0},
    };
#undef TO
    if ((states[transfer->state].next & (1u << to)) == 0)
        log_event(LOG_LEVEL_ERROR, "impossible state of a request",
                  LOG_TEXT("provider", http_config(transfer->port)->name),
                  LOG_TEXT("from", states[transfer->state].name), LOG_TEXT("to", states[to].name));
    transfer->state = to;
}

/* ---- ends ---- */

/* The transfer is gone when this returns. */
static void end(struct http_transfer *transfer, const struct sms_answer *answer)
{
    struct sms_job *job = transfer->job;
    http_set_state(transfer, HTTP_ENDED);
    sms_job_answer(&job, answer);
    http_client_release(transfer);
    free(transfer->facts);
    free(transfer);
}

static void end_unsent(struct http_transfer *transfer, const char *text)
{
    const struct sms_answer none = {.outcome = OUTCOME_NONE, .id = "", .text = text};
    end(transfer, &none);
}

/* What the exchange says of the provider's health. */
static void judge_health(struct http_transfer *transfer, const struct http_end *how)
{
    struct provider *provider = transfer->port->base.provider;
    struct error why;
    if (how->stopped) {
        provider_abandoned(provider, transfer->probe);
        return;
    }
    error_set(&why, RESULT_UNAVAILABLE, "%s", how->why);
    if (!how->connected && how->status == 0) {
        http_lookup_doubt(transfer->port);
        (void)provider_unconnected(provider, transfer->probe, &why);
        return;
    }
    provider_connected(provider);
    if (how->status != 0)
        provider_answered(provider);
    else
        (void)provider_unanswered(provider, &why);
}

static void on_done(struct http_transfer *transfer, const struct http_end *how)
{
    struct http_port *port = transfer->port;
    const struct http_own *own = http_own(port);
    struct http_verdict verdict;
    judge_health(transfer, how);
    /* The job's reference keeps the provider until the answer; its place is given back before. */
    http_place_give(port);
    if (how->status != 0) {
        http_judge(&own->template, http_config(port), transfer->facts, how->status, how->complete,
                   transfer->body.data != NULL ? transfer->body.data : "", transfer->body.length,
                   &verdict);
        end(transfer, &verdict.answer);
    } else if (!how->connected) {
        end_unsent(transfer, how->why);
    } else {
        const struct sms_answer unknown = {.outcome = OUTCOME_UNKNOWN, .id = "", .text = how->why};
        end(transfer, &unknown);
    }
}

/* ---- the queue ---- */

static void arm_expiry(struct http_port *port)
{
    if (port->expiry == NULL)
        return;
    if (port->first == NULL) {
        (void)event_del(port->expiry);
        return;
    }
    int64_t left = port->first->until - clock_monotonic();
    if (left < 0)
        left = 0;
    const struct timeval after = {.tv_sec = (time_t)(left / CLOCK_SECOND),
                                  .tv_usec = (suseconds_t)(left % CLOCK_SECOND)};
    if (event_add(port->expiry, &after) != 0) /* needs no memory, and looks at the time itself */
        event_active(port->expiry, EV_TIMEOUT, 0);
}

static struct http_transfer *take_first(struct http_port *port)
{
    struct http_transfer *transfer = port->first;
    port->first = transfer->next;
    if (port->first == NULL)
        port->last = NULL;
    port->waiting--;
    transfer->next = NULL;
    return transfer;
}

/* Answers all that wait; why is theirs. */
static void fail_waiting(struct http_port *port, const char *why)
{
    while (port->first != NULL)
        end_unsent(take_first(port), why);
}

static void on_expiry(evutil_socket_t fd, short what, void *arg)
{
    struct http_port *port = arg;
    char why[160];
    (void)fd;
    (void)what;
    int64_t now = clock_monotonic();
    snprintf(why, sizeof(why), "provider %.64s: %s", http_config(port)->name,
             port->lookup != NULL ? "its host is not resolved in time"
                                  : "all its connections were busy for too long");
    while (port->first != NULL && port->first->until <= now)
        end_unsent(take_first(port), why);
    if (port->first == NULL)
        http_place_forget(port);
    arm_expiry(port);
}

/* With a place. */
static void begin(struct http_transfer *transfer)
{
    struct http_port *port = transfer->port;
    const struct http_template *template = &http_own(port)->template;
    const struct provider_config *config = http_config(port);
    struct sms_answer refusal;
    struct error err = {.text = ""};
    struct http_facts *facts = transfer->facts = malloc(sizeof(*facts));
    if (facts == NULL) {
        http_place_give(port);
        end_unsent(transfer, "out of memory");
        return;
    }
    http_facts_begin(template, config, clock_now(), facts);
    if (!http_facts_add(config, &transfer->job->message, facts, &refusal)) {
        http_place_give(port);
        end(transfer, &refusal);
        return;
    }
    enum result result = http_build(template, &template->request, facts, &transfer->built, &err);
    if (result == RESULT_BAD_INPUT) {
        const struct sms_answer refused = {.outcome = OUTCOME_REFUSED,
                                           .refusal = SMS_REFUSED_FOR_GOOD,
                                           .id = "",
                                           .text = err.text};
        http_place_give(port);
        end(transfer, &refused);
        return;
    }
    if (result == RESULT_OK && !provider_admit(port->base.provider, false, &transfer->probe, &err))
        result = err.code;
    else if (result == RESULT_OK && (result = http_client_begin(transfer, &err)) != RESULT_OK)
        provider_abandoned(port->base.provider, transfer->probe);
    if (result != RESULT_OK) {
        http_place_give(port);
        end_unsent(transfer, err.text);
        return;
    }
    http_set_state(transfer, HTTP_RUNNING);
}

void http_pump(struct http_port *port)
{
    if (port->abandoned)
        fail_waiting(port, GATEWAY_ENDED);
    while (port->first != NULL) {
        struct error why;
        enum http_known known = http_look_up(port, &why);
        if (known == HTTP_LOST)
            fail_waiting(port, why.text);
        if (known != HTTP_KNOWN || !http_place_take(port))
            break;
        begin(take_first(port));
    }
    if (port->first == NULL)
        http_place_forget(port);
    arm_expiry(port);
}

void http_looked_up(struct http_port *port, const struct error *why)
{
    bool probe;
    struct error out;
    if (why != NULL && port->first != NULL) {
        /* As an attempt to connect that failed: the breaker hears of it once. */
        if (provider_admit(port->base.provider, false, &probe, &out))
            (void)provider_unconnected(port->base.provider, probe, why);
        fail_waiting(port, why->text);
        http_place_forget(port);
    }
    http_trial_looked_up(port, why);
    http_pump(port);
}

static void run_pump(struct loop_task *task)
{
    struct http_port *port = CONTAINER_OF(task, struct http_port, pump);
    port->pumping = false;
    http_pump(port);
}

static void pump_soon(struct http_port *port)
{
    if (port->pumping)
        return;
    port->pumping = true;
    port->pump.run = run_pump;
    loop_defer(port->base.loop, &port->pump);
}

/* ---- messages ---- */

static void run_no_memory(struct loop_task *task)
{
    struct sms_job *job = CONTAINER_OF(task, struct sms_job, task);
    const struct sms_answer none = {.outcome = OUTCOME_NONE, .id = "", .text = "out of memory"};
    sms_job_answer(&job, &none);
}

static void run_crowded(struct loop_task *task)
{
    struct sms_job *job = CONTAINER_OF(task, struct sms_job, task);
    const struct sms_answer none = {
        .outcome = OUTCOME_NONE, .id = "", .text = "too many messages wait for this provider"};
    sms_job_answer(&job, &none);
}

static void http_send(struct provider_port *base, struct sms_job *job)
{
    struct http_port *port = (struct http_port *)base;
    struct http_transfer *transfer = NULL;
    if (port->expiry == NULL)
        port->expiry = event_new(loop_base(base->loop), -1, 0, on_expiry, port);
    if (port->expiry != NULL && port->waiting < HTTP_QUEUE_MAX)
        transfer = calloc(1, sizeof(*transfer));
    if (transfer == NULL) {
        job->task.run = port->waiting < HTTP_QUEUE_MAX ? run_no_memory : run_crowded;
        loop_defer(base->loop, &job->task);
        return;
    }
    transfer->port = port;
    transfer->job = job;
    transfer->done = on_done;
    transfer->until = clock_monotonic() + http_config(port)->connect_timeout;
    if (port->last != NULL)
        port->last->next = transfer;
    else
        port->first = transfer;
    port->last = transfer;
    port->waiting++;
    pump_soon(port);
}

/* ---- ports ---- */

static struct provider_port *http_port_new(void)
{
    struct http_port *port = calloc(1, sizeof(*port));
    if (port == NULL)
        return NULL;
    port->wake.run = http_place_woken;
    TAILQ_INIT(&port->running);
    return &port->base;
}

static void http_port_close(struct provider_port *base)
{
    struct http_port *port = (struct http_port *)base;
    struct provider *provider = base->provider;
    if (port->pumping) { /* nothing waits, but the task is still to run */
        loop_defer(base->loop, &base->close);
        return;
    }
    http_lookup_close(port);
    http_client_close(port);
    if (port->expiry != NULL)
        event_free(port->expiry);
    free(port);
    provider_port_gone(provider);
}

static void http_warm(struct provider_port *port)
{
    (void)port; /* HTTP has nothing to say before there is a request */
}

static void http_abandon(struct provider_port *base)
{
    struct http_port *port = (struct http_port *)base;
    const struct error why = {.code = RESULT_UNAVAILABLE, .text = GATEWAY_ENDED};
    port->abandoned = true;
    http_lookup_give_up(port);
    http_pump(port);
    http_trial_looked_up(port, &why);
    http_client_stop_all(port, GATEWAY_ENDED " before an answer came");
}

/* ---- the provider ---- */

const struct adapter_ops http_ops = {
    .start = http_start,
    .stop = http_stop,
    .check = http_check,
    .port_new = http_port_new,
    .port_close = http_port_close,
    .warm = http_warm,
    .test = http_trial_begin,
    .send = http_send,
    .abandon = http_abandon,
    .hook = http_hook,
};
