/* SPDX-License-Identifier: Apache-2.0 */
/* A transaction's memory, and the journal rows that tell its story. */
#include "proxy/smtp/session.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/str.h"
#include "proxy/metrics/metrics.h"
#include "store/journal.h"

#include <stdlib.h>
#include <string.h>

/* Holds the recipients: at most max_recipients of about one kilobyte, addresses included. */
#define ARENA_CAP (16 * 1024 * 1024)

struct smtp_transaction *smtp_transaction_new(const struct smtp_mail *mail)
{
    struct smtp_transaction *transaction = calloc(1, sizeof(*transaction));
    if (transaction == NULL)
        return NULL;
    transaction->arena = arena_new(ARENA_CAP);
    if (transaction->arena == NULL) {
        free(transaction);
        return NULL;
    }
    transaction->mail = *mail;
    transaction->last = &transaction->first;
    return transaction;
}

/* What was let pass, or was on its way to the provider, and then given up by the partner. */
static void record_abandoned(struct smtp_session *session)
{
    struct smtp_transaction *transaction = session->transaction;
    struct journal_batch *batch = NULL;
    bool ok = true;
    for (struct smtp_recipient *r = transaction->first; r != NULL && ok; r = r->next) {
        if (r->recorded || (!r->accepted && r->state != RECIPIENT_OFFERED))
            continue;
        if (batch == NULL)
            batch = journal_batch_new();
        enum effect effect = session->state == SMTP_DRAIN ? r->effect
                             : transaction->failed        ? EFFECT_DEFERRED
                                                          : EFFECT_ABANDONED;
        ok = batch != NULL && smtp_record_decision(session, batch, r, effect);
    }
    if (batch != NULL)
        smtp_append(session, batch, ok, NULL, 0);
    if (transaction->passed && session->state == SMTP_DRAIN)
        smtp_record_outcomes(session, OUTCOME_NONE, EFFECT_REFUSED, transaction->said, NULL);
    else if (transaction->passed || session->state == SMTP_JUDGING)
        smtp_record_outcomes(session, session->state == SMTP_FINAL ? OUTCOME_UNKNOWN : OUTCOME_NONE,
                             session->state == SMTP_FINAL ? EFFECT_PASSED : EFFECT_ABANDONED, NULL,
                             NULL);
}

void smtp_transaction_end(struct smtp_session *session)
{
    struct smtp_transaction *transaction = session->transaction;
    if (transaction == NULL)
        return;
    record_abandoned(session);
    smtp_relay_abort(session);
    session->transaction = NULL;
    if (transaction->header != NULL)
        evbuffer_free(transaction->header);
    arena_free(&transaction->arena);
    free(transaction);
}

const struct provider_config *smtp_provider(const struct smtp_session *session)
{
    const struct stream_config *stream = session->account->stream;
    size_t index = session->transaction != NULL ? session->transaction->provider : 0;
    return stream->providers[index < stream->n_providers ? index : stream->n_providers - 1];
}

bool smtp_record_decision(struct smtp_session *session, struct journal_batch *batch,
                          struct smtp_recipient *recipient, enum effect effect)
{
    const struct account_config *account = session->account;
    const struct stream *stream = &account->stream->terms;
    struct decision row = {
        .id = recipient->id,
        .at = clock_now(),
        .gateway = session->snapshot->config->hostname,
        .session = session->id,
        .partner = stream->partner->id,
        .stream = stream->id,
        .account = account->name,
        .channel = stream->channel,
        .purpose = PURPOSE_RECEIPT,
        .recipient = recipient->address != NULL ? &recipient->who : NULL,
        .verdict = recipient->judgement.verdict,
        .reason = recipient->judgement.reason,
        .effect = effect,
        .mode = stream->partner->mode,
        .policy = session->snapshot->config->policies[stream->channel].version,
        .event = recipient->judgement.event,
        .provider = recipient->offered ? smtp_provider(session)->name : NULL,
    };
    recipient->effect = effect;
    recipient->recorded = true;
    atomic_fetch_add(&session->lane->gate->verdicts[row.verdict], 1);
    metrics_count_decision(session->lane->gate->metrics, &row);
    return journal_batch_decision(batch, &row);
}

/* reply_scrub finds what looks like an address; that a word is somebody's name only we know. */
static void hide_name(const struct smtp_recipient *recipient, char reply[REPLY_TEXT_MAX])
{
    char copy[REPLY_TEXT_MAX];
    char original[DSN_ORCPT_MAX + 1];
    str_copy(copy, sizeof(copy), reply);
    reply_hide(copy, recipient->address, reply, REPLY_TEXT_MAX);
    /* ORCPT names the person, too, or another one. */
    const char *orcpt = strchr(recipient->orcpt, ';');
    if (orcpt == NULL)
        return;
    if (!xtext_decode(orcpt + 1, original, sizeof(original)))
        str_copy(original, sizeof(original), orcpt + 1);
    str_copy(copy, sizeof(copy), reply);
    reply_hide(copy, original, reply, REPLY_TEXT_MAX);
}

/* reply: free of addresses and names, or NULL. */
static bool add_outcome(struct smtp_session *session, struct journal_batch *batch,
                        const struct smtp_recipient *recipient, enum outcome outcome,
                        enum effect effect, const char *reply, const char *queue_id, int64_t size)
{
    struct outcome_row row = {
        .id = recipient->id,
        .at = clock_now(),
        .outcome = outcome,
        .effect = effect,
        .provider = smtp_provider(session)->name,
        .provider_reply = reply,
        .queue_id = queue_id,
        .size = size,
    };
    return journal_batch_outcome(batch, &row);
}

bool smtp_record_outcome(struct smtp_session *session, struct journal_batch *batch,
                         const struct smtp_recipient *recipient, enum outcome outcome,
                         enum effect effect, const char *provider_reply)
{
    char reply[REPLY_TEXT_MAX];
    if (provider_reply != NULL) {
        reply_scrub(provider_reply, reply, sizeof(reply));
        hide_name(recipient, reply);
    }
    return add_outcome(session, batch, recipient, outcome, effect,
                       provider_reply != NULL ? reply : NULL, NULL, -1);
}

bool smtp_add_outcomes(struct smtp_session *session, struct journal_batch *batch,
                       enum outcome outcome, enum effect effect, const char *provider_reply,
                       const char *queue_id)
{
    struct smtp_transaction *transaction = session->transaction;
    bool ok = batch != NULL;
    char reply[REPLY_TEXT_MAX];
    if (provider_reply != NULL) {
        reply_scrub(provider_reply, reply, sizeof(reply));
        /* The answer to the whole message may name any of them, in every row. */
        for (struct smtp_recipient *r = transaction->first; r != NULL; r = r->next)
            if (r->accepted)
                hide_name(r, reply);
    }
    for (struct smtp_recipient *r = transaction->first; r != NULL && ok; r = r->next)
        if (r->accepted)
            ok = add_outcome(session, batch, r, outcome, effect,
                             provider_reply != NULL ? reply : NULL, queue_id,
                             (int64_t)transaction->scan.bytes);
    transaction->passed = false;
    return ok;
}

void smtp_record_outcomes(struct smtp_session *session, enum outcome outcome, enum effect effect,
                          const char *provider_reply, const char *queue_id)
{
    struct journal_batch *batch = journal_batch_new();
    bool ok = smtp_add_outcomes(session, batch, outcome, effect, provider_reply, queue_id);
    smtp_append(session, batch, ok, NULL, 0);
}

void smtp_append(struct smtp_session *session, struct journal_batch *batch, bool ok,
                 store_durable_fn *answer, uint32_t item)
{
    struct ticket ticket = session->ticket;
    ticket.item = item;
    if (ok) {
        store_append(session->lane->store, batch, answer, session->lane, ticket);
        return;
    }
    if (batch != NULL)
        journal_batch_free(&batch);
    if (answer != NULL)
        answer(session->lane, ticket, RESULT_NO_MEMORY);
    else
        log_event(LOG_LEVEL_ERROR, "out of memory, rows of the journal are lost",
                  LOG_TEXT("session", session->id));
}
