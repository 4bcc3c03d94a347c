/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One message to one number, from the submission to the reply. A flight belongs to its lane and
 * outlives whoever submitted it: what was said to a provider is journalled whoever still listens.
 */
#include "base/clock.h"
#include "base/log.h"
#include "base/str.h"
#include "proxy/metrics/metrics.h"
#include "proxy/sms/ids.h"
#include "proxy/sms/internal.h"
#include "store/journal.h"

#include <stdlib.h>
#include <string.h>

/* ---- states ---- */

#define BIT(state) (1u << (state))

static const struct {
    const char *name;
    unsigned next;
} states[FLIGHT_STATE_COUNT] = {
    [FLIGHT_JUDGING] = {"JUDGING",
                        BIT(FLIGHT_REFUSING) | BIT(FLIGHT_RECORDING) | BIT(FLIGHT_ENDED)},
    [FLIGHT_REFUSING] = {"REFUSING", BIT(FLIGHT_ENDED)},
    [FLIGHT_RECORDING] = {"RECORDING", BIT(FLIGHT_SENDING) | BIT(FLIGHT_ENDED)},
    [FLIGHT_SENDING] = {"SENDING", BIT(FLIGHT_MAPPING) | BIT(FLIGHT_ENDED)},
    [FLIGHT_MAPPING] = {"MAPPING", BIT(FLIGHT_ENDED)},
    [FLIGHT_ENDED] = {"ENDED", 0},
};

static void enter(struct sms_flight *flight, enum flight_state state)
{
    /* Each step has one place that takes it; a wrong one is a mistake in this file, and a message
     * must not be lost for it. */
    if ((states[flight->state].next & BIT(state)) == 0)
        log_event(LOG_LEVEL_ERROR, "sms state transition not allowed", LOG_TEXT("ref", flight->id),
                  LOG_TEXT("from", states[flight->state].name), LOG_TEXT("to", states[state].name));
    log_event(LOG_LEVEL_DEBUG, "sms state", LOG_TEXT("ref", flight->id),
              LOG_TEXT("from", states[flight->state].name), LOG_TEXT("to", states[state].name));
    flight->state = state;
}

static void free_flight(struct loop_task *task)
{
    struct sms_flight *flight = CONTAINER_OF(task, struct sms_flight, end_task);
    snapshot_unref(&flight->snapshot);
    wipe(flight->to, sizeof(flight->to));
    free(flight);
}

/* ---- the reply ---- */

static void end(struct sms_flight *flight, struct sms_reply *reply)
{
    struct lane *lane = flight->lane;
    enter(flight, FLIGHT_ENDED);
    ticket_revoke(lane->flights, flight->ticket);
    atomic_fetch_sub(&lane->gate->flights, 1);
    reply->ref = flight->id;
    reply->to = flight->to;
    if (reply->provider == NULL)
        reply->provider = "";
    if (reply->provider_id == NULL)
        reply->provider_id = "";
    if (reply->text == NULL)
        reply->text = "";
    flight->end_task.run = free_flight;
    loop_defer(lane->loop, &flight->end_task);
    flight->reply(flight->owner, flight->owner_ticket, reply);
}

static void end_with(struct sms_flight *flight, enum sms_end how, const char *text)
{
    struct sms_reply reply = {.end = how, .reason = REASON_UNABLE, .text = text};
    end(flight, &reply);
}

#define UNABLE "The gate cannot decide or record this now, try again later"

static void end_unable(struct sms_flight *flight)
{
    end_with(flight, SMS_END_UNABLE, UNABLE);
}

static void end_accepted(struct sms_flight *flight, const char *provider_id, unsigned parts)
{
    struct sms_reply reply = {
        .end = SMS_END_ACCEPTED,
        .reason = flight->judgement.reason,
        .provider = provider_id != NULL ? sms_flight_provider(flight)->name : NULL,
        .provider_id = provider_id,
        .parts = parts > 0 ? parts : sms_flight_parts(flight),
    };
    end(flight, &reply);
}

static void end_refused(struct sms_flight *flight)
{
    const struct judgement *judgement = &flight->judgement;
    const struct channel_policy *policy = &flight->snapshot->config->policies[CHANNEL_SMS];
    struct sms_reply reply = {
        .end = judgement->verdict == VERDICT_BLOCK  ? SMS_END_BLOCKED
               : judgement->reason == REASON_UNABLE ? SMS_END_UNABLE
                                                    : SMS_END_DEFERRED,
        .reason = judgement->reason,
        .text = reason_text(judgement->reason),
    };
    if (reply.end == SMS_END_DEFERRED) {
        int64_t now = clock_now(), opens = policy_opens_at(policy, now);
        reply.retry_after = opens > now ? opens - now : 0;
    }
    end(flight, &reply);
}

/* ---- what comes back, if it is still wanted ---- */

static struct sms_flight *redeem(struct lane *lane, struct ticket ticket, enum flight_state state)
{
    struct sms_flight *flight = ticket_redeem(lane->flights, ticket);
    return flight != NULL && flight->state == state ? flight : NULL;
}

/* ---- the provider ---- */

static void on_answer(void *owner, struct ticket ticket, const struct sms_answer *answer);

static void ask_provider(struct sms_flight *flight)
{
    struct provider *provider = snapshot_provider(flight->snapshot, sms_flight_provider(flight));
    sms_send(provider, flight->lane->loop, &flight->message, on_answer, flight->lane,
             flight->ticket);
}

/* The map from the provider's id to ours is the outcome's row: who waits for reports is answered
 * once it is durable. */
static void on_mapped(void *owner, struct ticket ticket, enum result result)
{
    struct sms_flight *flight = redeem(owner, ticket, FLIGHT_MAPPING);
    if (flight == NULL)
        return;
    if (result != RESULT_OK) {
        /* The message has left: to call that a failure would send it twice. */
        log_event(LOG_LEVEL_ERROR, "a delivery report may not find its message after a restart",
                  LOG_TEXT("ref", flight->id));
        sms_record_outcome(flight, OUTCOME_ACCEPTED, EFFECT_PASSED, NULL, flight->recorded_id,
                           NULL);
    }
    /* Not before: a report would overtake the answer that names the message it is about. */
    sent_note(flight->lane->gate->sent, sms_flight_provider(flight)->name, flight->recorded_id,
              flight->who.key, flight->id, flight->account->name);
    end_accepted(flight, flight->provider_id, flight->parts);
}

static void on_accepted(struct sms_flight *flight, const struct sms_answer *answer)
{
    str_copy(flight->provider_id, sizeof(flight->provider_id), answer->id);
    sms_id_on_record(flight->lane->hmac, flight->provider_id, flight->to, flight->recorded_id);
    flight->parts = answer->parts;
    if (!flight->message.report || answer->id[0] == '\0') {
        sms_record_outcome(flight, OUTCOME_ACCEPTED, EFFECT_PASSED, NULL, flight->recorded_id,
                           NULL);
        end_accepted(flight, answer->id, answer->parts);
        return;
    }
    enter(flight, FLIGHT_MAPPING);
    sms_record_outcome(flight, OUTCOME_ACCEPTED, EFFECT_PASSED, NULL, flight->recorded_id,
                       on_mapped);
}

/* Nothing was said to this provider: the next of the stream's list may have it. */
static bool try_next(struct sms_flight *flight)
{
    if (flight->lane->ending || flight->provider + 1 >= flight->account->stream->n_providers)
        return false;
    flight->provider++;
    ask_provider(flight);
    return true;
}

static void end_not_asked(struct sms_flight *flight, const struct sms_answer *answer)
{
    sms_record_outcome(flight, OUTCOME_NONE, EFFECT_DEFERRED, answer->text, NULL, NULL);
    end_with(flight, SMS_END_BUSY, "No provider can be reached now, try again later");
}

static void on_provider_refused(struct sms_flight *flight, const struct sms_answer *answer)
{
    if (answer->cannot_carry && try_next(flight))
        return;
    if (answer->cannot_carry && flight->unreached) {
        /* Who could carry it is away for now: that is no answer for good. */
        end_not_asked(flight, answer);
        return;
    }
    bool for_now = answer->refusal == SMS_REFUSED_FOR_NOW;
    struct sms_reply reply = {
        .end = for_now                                    ? SMS_END_BUSY
               : answer->refusal == SMS_REFUSED_OPTED_OUT ? SMS_END_BLOCKED
                                                          : SMS_END_REFUSED,
        .reason = answer->refusal == SMS_REFUSED_OPTED_OUT ? REASON_WITHDRAWN : REASON_UNABLE,
        .refusal = answer->refusal,
        .smpp_status = answer->smpp_status,
        .provider = sms_flight_provider(flight)->name,
        .text = answer->text,
    };
    sms_record_outcome(flight, OUTCOME_REFUSED, EFFECT_PASSED, answer->text, NULL, NULL);
    if (answer->refusal == SMS_REFUSED_OPTED_OUT)
        sms_note_opted_out(flight);
    end(flight, &reply);
}

static void on_not_asked(struct sms_flight *flight, const struct sms_answer *answer)
{
    flight->unreached = true;
    if (!try_next(flight))
        end_not_asked(flight, answer);
}

static void on_answer(void *owner, struct ticket ticket, const struct sms_answer *answer)
{
    struct sms_flight *flight = redeem(owner, ticket, FLIGHT_SENDING);
    if (flight == NULL)
        return;
    switch (answer->outcome) {
    case OUTCOME_ACCEPTED:
        on_accepted(flight, answer);
        break;
    case OUTCOME_REFUSED:
        on_provider_refused(flight, answer);
        break;
    case OUTCOME_NONE:
        on_not_asked(flight, answer);
        break;
    default:
        sms_record_outcome(flight, OUTCOME_UNKNOWN, EFFECT_PASSED, answer->text, NULL, NULL);
        end_with(flight, SMS_END_LOST, "The provider's answer was lost, it may have the message");
        break;
    }
}

/* ---- the verdict ---- */

static void on_refusal_recorded(void *owner, struct ticket ticket, enum result result)
{
    struct sms_flight *flight = redeem(owner, ticket, FLIGHT_REFUSING);
    if (flight == NULL)
        return;
    if (result != RESULT_OK)
        end_unable(flight);
    else if (flight->effect == EFFECT_DISCARDED)
        end_accepted(flight, NULL, 0);
    else
        end_refused(flight);
}

static void on_recorded(void *owner, struct ticket ticket, enum result result)
{
    struct sms_flight *flight = redeem(owner, ticket, FLIGHT_RECORDING);
    if (flight == NULL)
        return;
    if (result != RESULT_OK) {
        end_unable(flight);
        return;
    }
    enter(flight, FLIGHT_SENDING);
    ask_provider(flight);
}

static void settle(struct sms_flight *flight)
{
    const struct stream *stream = &flight->account->stream->terms;
    flight->effect =
        policy_effect(stream->partner->mode, flight->judgement.verdict, flight->judgement.reason);
    bool passes = flight->effect == EFFECT_PASSED;
    enter(flight, passes ? FLIGHT_RECORDING : FLIGHT_REFUSING);
    sms_record_decision(flight, passes ? on_recorded : on_refusal_recorded);
}

static void on_facts(void *owner, struct ticket ticket, enum result result,
                     const struct facts *facts)
{
    struct sms_flight *flight = redeem(owner, ticket, FLIGHT_JUDGING);
    if (flight == NULL)
        return;
    if (result == RESULT_OK)
        sms_judge(flight, facts);
    else
        flight->judgement = (struct judgement){.verdict = VERDICT_DEFER, .reason = REASON_UNABLE};
    metrics_time_verdict(flight->lane->gate->metrics, CHANNEL_SMS,
                         clock_monotonic() - flight->arrived_at);
    settle(flight);
}

/* ---- the beginning ---- */

/* The submission as the provider is to be told it. */
static struct sms_message as_message(const struct sms_submission *submission, const char *to,
                                     const char *id)
{
    const struct stream *stream = &submission->account->stream->terms;
    struct sms_message message = {
        .reference = id,
        .sender = submission->sender,
        .sender_ton = submission->sender_ton,
        .sender_npi = submission->sender_npi,
        .to = to,
        .text = submission->text,
        .raw = submission->raw,
        .prospecting = stream->class == CLASS_PROSPECTING,
        .report = submission->report,
        .validity = submission->validity,
    };
    if (message.sender[0] == '\0') {
        /* It leaves the choice to us, and the stream's first sender id is what was agreed. */
        message.sender = stream->senders[0];
        sms_sender_kind(message.sender, &message.sender_ton, &message.sender_npi);
    }
    return message;
}

static struct sms_flight *flight_new(struct lane *lane, const struct sms_submission *submission,
                                     const struct address *to)
{
    char id[RECORD_ID];
    record_new_id(id);
    struct sms_message message = as_message(submission, to->text, id);
    struct sms_flight *flight = calloc(1, sizeof(*flight) + sms_message_room(&message));
    if (flight == NULL)
        return NULL;
    flight->ticket = ticket_issue(lane->flights, flight);
    if (flight->ticket.generation == 0) {
        free(flight);
        return NULL;
    }
    flight->lane = lane;
    flight->snapshot = snapshot_ref(submission->snapshot);
    flight->account = submission->account;
    memcpy(flight->id, id, sizeof(flight->id));
    str_copy(flight->session, sizeof(flight->session), submission->session);
    str_copy(flight->to, sizeof(flight->to), to->text);
    sms_message_keep(&message, flight->memory, &flight->message, &flight->raw);
    atomic_fetch_add(&lane->gate->flights, 1);
    return flight;
}

/* Of what never became a flight. */
static void refuse(enum sms_end how, const char *text, sms_reply_fn *reply, void *owner,
                   struct ticket ticket)
{
    struct sms_reply answer = {
        .end = how,
        .reason = REASON_UNABLE,
        .ref = "",
        .to = "",
        .provider = "",
        .provider_id = "",
        .retry_after = how == SMS_END_OVER_RATE ? CLOCK_SECOND : 0,
        .text = text,
    };
    reply(owner, ticket, &answer);
}

void sms_submit(struct lane *lane, const struct sms_submission *submission, sms_reply_fn *reply,
                void *owner, struct ticket ticket)
{
    const struct stream_config *stream = submission->account->stream;
    const struct stream *terms = &stream->terms;
    struct address to;
    int64_t arrived_at = clock_monotonic();
    if (!rates_admit(lane->gate->rates, terms->partner->id, terms->id, stream->rate, arrived_at)) {
        refuse(SMS_END_OVER_RATE, "Over the agreed rate, slow down", reply, owner, ticket);
        return;
    }
    if (submission->scheduled) {
        refuse(SMS_END_BAD_SCHEDULE,
               "Nothing is kept here to be sent later: send it when it is time", reply, owner,
               ticket);
        return;
    }
    if (!sms_read_number(submission, &to)) {
        refuse(SMS_END_BAD_NUMBER, "No valid telephone number", reply, owner, ticket);
        return;
    }
    struct sms_flight *flight = flight_new(lane, submission, &to);
    struct error err;
    if (flight == NULL) {
        wipe(&to, sizeof(to));
        refuse(SMS_END_UNABLE, UNABLE, reply, owner, ticket);
        return;
    }
    flight->arrived_at = arrived_at;
    flight->reply = reply;
    flight->owner = owner;
    flight->owner_ticket = ticket;
    enum result result = recipient_make(lane->hmac, &to, &flight->who, &err);
    wipe(&to, sizeof(to));
    if (result != RESULT_OK) {
        end_unable(flight);
        return;
    }
    struct store_query query = {.partner = terms->partner->id, .stream = terms->id};
    memcpy(query.recipient_key, flight->who.key, sizeof(query.recipient_key));
    store_look_up(lane->store, &query, on_facts, lane, flight->ticket);
}

size_t sms_in_flight(const struct lane *lane)
{
    return ticket_count(lane->flights);
}

/* ---- the gateway ends ---- */

/* Those that live on this loop are answered at once, and end as they would have; every loop that
 * has one of the provider's is told as well, whichever lane it came from (sms_abandon). */
static void give_up(void *object, void *arg)
{
    (void)arg;
    struct sms_flight *flight = object;
    if (flight->state == FLIGHT_SENDING)
        sms_abandon(snapshot_provider(flight->snapshot, sms_flight_provider(flight)),
                    flight->lane->loop);
}

static void give_up_rest(void *object, void *arg)
{
    (void)arg;
    struct sms_flight *flight = object;
    if (flight->state == FLIGHT_SENDING)
        /* It is with another loop, or on its way there: that one abandons it too, but its answer
         * would come when the journal takes nothing any more. */
        sms_record_outcome(flight, OUTCOME_UNKNOWN, EFFECT_PASSED, "the gateway ended", NULL, NULL);
    else if (flight->state == FLIGHT_RECORDING)
        sms_record_outcome(flight, OUTCOME_NONE, EFFECT_ABANDONED, "the gateway ended", NULL, NULL);
    end_unable(flight);
}

void sms_abort_all(struct lane *lane)
{
    lane->ending = true;
    ticket_each(lane->flights, give_up, NULL);
    ticket_each(lane->flights, give_up_rest, NULL);
}
