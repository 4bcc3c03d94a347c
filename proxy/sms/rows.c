/* SPDX-License-Identifier: Apache-2.0 */
/* The journal's rows that tell a message's story. */
#include "base/clock.h"
#include "base/log.h"
#include "base/str.h"
#include "proxy/metrics/metrics.h"
#include "proxy/sms/inbound.h"
#include "proxy/sms/internal.h"
#include "store/journal.h"

const struct provider_config *sms_flight_provider(const struct sms_flight *flight)
{
    return flight->account->stream->providers[flight->provider];
}

/* A batch of NULL, or one that could not take its row (ok false), is answered as if the journal had
 * failed. */
static void append(struct sms_flight *flight, struct journal_batch *batch, bool ok,
                   store_durable_fn *answer)
{
    if (ok) {
        store_append(flight->lane->store, batch, answer, flight->lane, flight->ticket);
        return;
    }
    if (batch != NULL)
        journal_batch_free(&batch);
    if (answer != NULL)
        answer(flight->lane, flight->ticket, RESULT_NO_MEMORY);
    else
        log_event(LOG_LEVEL_ERROR, "out of memory, rows of the journal are lost",
                  LOG_TEXT("ref", flight->id));
}

void sms_record_decision(struct sms_flight *flight, store_durable_fn *answer)
{
    const struct stream *stream = &flight->account->stream->terms;
    struct journal_batch *batch = journal_batch_new();
    struct decision row = {
        .id = flight->id,
        .at = clock_now(),
        .gateway = flight->snapshot->config->hostname,
        .session = flight->session,
        .partner = stream->partner->id,
        .stream = stream->id,
        .account = flight->account->name,
        .channel = CHANNEL_SMS,
        .purpose = PURPOSE_RECEIPT,
        .recipient = &flight->who,
        .verdict = flight->judgement.verdict,
        .reason = flight->judgement.reason,
        .effect = flight->effect,
        .mode = stream->partner->mode,
        .policy = flight->snapshot->config->policies[CHANNEL_SMS].version,
        .event = flight->judgement.event,
        .provider = flight->effect == EFFECT_PASSED ? sms_flight_provider(flight)->name : NULL,
    };
    atomic_fetch_add(&flight->lane->gate->verdicts[row.verdict], 1);
    metrics_count_decision(flight->lane->gate->metrics, &row);
    append(flight, batch, batch != NULL && journal_batch_decision(batch, &row), answer);
}

/* Bytes of the text as it was given: a size, as it is kept of mail. */
static int64_t size_of(const struct sms_flight *flight)
{
    const struct sms_message *message = &flight->message;
    return (int64_t)(message->raw != NULL ? message->raw->body.length : strlen(message->text));
}

void sms_record_outcome(struct sms_flight *flight, enum outcome outcome, enum effect effect,
                        const char *reply, const char *provider_id, store_durable_fn *answer)
{
    char scrubbed[REPLY_TEXT_MAX];
    struct journal_batch *batch = journal_batch_new();
    if (reply != NULL)
        reply_scrub(reply, scrubbed, sizeof(scrubbed));
    struct outcome_row row = {
        .id = flight->id,
        .at = clock_now(),
        .outcome = outcome,
        .effect = effect,
        .provider = sms_flight_provider(flight)->name,
        .provider_reply = reply != NULL ? scrubbed : NULL,
        .queue_id = provider_id != NULL && provider_id[0] != '\0' ? provider_id : NULL,
        .size = size_of(flight),
        .report = flight->message.report && outcome == OUTCOME_ACCEPTED,
    };
    append(flight, batch, batch != NULL && journal_batch_outcome(batch, &row), answer);
}

void sms_note_opted_out(struct sms_flight *flight)
{
    inbox_opted_out(flight->lane->gate->inbox, sms_flight_provider(flight)->name,
                    flight->account->stream->terms.partner->id, flight->who.key, flight->to);
}
