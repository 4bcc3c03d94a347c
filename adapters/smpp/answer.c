/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What becomes of a message: the provider's status as an outcome, the next segment of a long text,
 * and the honest word where nobody knows. A work is answered once and gone.
 */
#include "adapters/smpp/smpp.h"

#include "base/log.h"
#include "base/str.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void smpp_status_text(uint32_t status, char *out, size_t size)
{
    snprintf(out, size, "%s (0x%08x)", smpp_status_name(status), status);
}

/* ---- the end ---- */

/* waiting: it was not out. */
static void finish(struct smpp_work *work, bool waiting, const struct sms_answer *answer)
{
    struct sms_job *job = work->job;
    struct loop *here = job->home;
    if (work->at != NULL) {
        here = work->at->base.loop;
        smpp_places_leave(work->at, waiting);
    }
    if (here == job->home)
        sms_job_answer(&job, answer);
    else
        sms_job_answer_from(&job, answer);
    smpp_work_free(&work);
}

static void finish_unknown(struct smpp_work *work, bool waiting, const char *what)
{
    char text[REPLY_TEXT_MAX];
    if (work->requests > 1)
        snprintf(text, sizeof(text), "%u of %u parts were taken; then: %s", work->taken,
                 work->requests, what);
    else
        str_copy(text, sizeof(text), what);
    const struct sms_answer answer = {.outcome = OUTCOME_UNKNOWN, .id = "", .text = text};
    finish(work, waiting, &answer);
}

void smpp_work_lost(struct smpp_work *work, const struct error *why)
{
    finish_unknown(work, false, why->text);
}

void smpp_work_unsaid(struct smpp_work *work, bool waiting, const struct error *why)
{
    if (work->taken > 0) {
        finish_unknown(work, waiting, why->text);
        return;
    }
    const struct sms_answer answer = {.outcome = OUTCOME_NONE, .id = "", .text = why->text};
    finish(work, waiting, &answer);
}

void smpp_work_refused(struct smpp_work *work, bool waiting)
{
    const struct sms_answer answer = work->refusal;
    if (work->taken > 0)
        finish_unknown(work, waiting, answer.text);
    else
        finish(work, waiting, &answer);
}

/* ---- the provider's word ---- */

static enum sms_refusal refusal_of(uint32_t status)
{
    switch (status) {
    case SMPP_RTHROTTLED:
    case SMPP_RMSGQFUL:
    case SMPP_RSYSERR:
    case SMPP_RX_T_APPN:
        return SMS_REFUSED_FOR_NOW;
    case SMPP_RINVDSTADR:
        return SMS_REFUSED_NUMBER;
    default:
        return SMS_REFUSED_FOR_GOOD;
    }
}

static void refused(struct smpp_work *work, uint32_t status)
{
    char text[80];
    smpp_status_text(status, text, sizeof(text));
    work->refusal = (struct sms_answer){.outcome = OUTCOME_REFUSED,
                                        .refusal = refusal_of(status),
                                        .id = "",
                                        .smpp_status = status,
                                        .text = text};
    smpp_work_refused(work, false);
}

/* 0: only the provider knows how many messages its payload makes. */
static unsigned parts_of(const struct smpp_work *work)
{
    if (work->job->message.raw == NULL)
        return work->shape.parts;
    return work->payload ? 0 : 1;
}

static void accepted(struct smpp_work *work)
{
    const struct sms_answer answer = {
        .outcome = OUTCOME_ACCEPTED, .id = work->id, .parts = parts_of(work), .text = "ESME_ROK"};
    finish(work, false, &answer);
}

/* The next segment goes before messages of which nothing is out yet. */
static void go_on(struct smpp_work *work, struct smpp_port *port)
{
    work->deadline = clock_monotonic() + smpp_config(port)->connect_timeout;
    smpp_places_waits(port);
    TAILQ_INSERT_TAIL(&port->urgent, work, entry);
    smpp_queue_pump(port);
}

void smpp_work_answered(struct smpp_work *work, struct smpp_link *link, uint32_t status,
                        const struct smpp_response *response)
{
    provider_answered(link->port->base.provider);
    if (status == SMPP_RTHROTTLED || status == SMPP_RMSGQFUL)
        smpp_link_throttle(link, false);
    if (status != SMPP_ROK) {
        refused(work, status);
        return;
    }
    smpp_link_throttle(link, true);
    work->taken++;
    if (work->taken == 1)
        str_copy(work->id, sizeof(work->id), response->message_id);
    if (work->taken < work->requests)
        go_on(work, link->port);
    else
        accepted(work);
}
