/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The provider's side of a transaction. It opens when the first recipient passes, each recipient
 * is answered with the provider's own words, and another provider is tried only while nothing was
 * said to the one before.
 */
#include "proxy/smtp/session.h"

#include "base/log.h"
#include "store/journal.h"

#include <string.h>

/* ---- rows that go with the provider's refusal of a recipient ---- */

static void on_refusal_recorded(void *lane, struct ticket ticket, enum result result)
{
    struct smtp_session *session = smtp_redeem(lane, ticket);
    if (session == NULL || session->transaction == NULL)
        return;
    struct smtp_recipient *r = session->transaction->unanswered;
    while (r != NULL && r->index != ticket.item)
        r = r->next;
    if (r == NULL || r->state != RECIPIENT_RECORDING)
        return;
    /* The answer was prepared when the row was handed over. */
    if (result == RESULT_OK)
        smtp_answer_recipient(session, r, r->code, r->text);
    else
        smtp_answer_recipient(session, r, 451, SMTP_UNABLE);
}

/* Answers code and text once the decision and the provider's answer are durable. */
static void record_and_answer(struct smtp_session *session, struct smtp_recipient *recipient,
                              enum effect effect, enum outcome outcome, const char *provider_said,
                              int code, const char *text)
{
    const char *copy = arena_str(session->transaction->arena, text);
    recipient->state = RECIPIENT_RECORDING;
    recipient->code = code;
    recipient->text = copy != NULL ? copy
                                   : (code >= 500 ? "5.0.0 Refused by the provider"
                                                  : "4.0.0 Refused by the provider");
    struct journal_batch *batch = journal_batch_new();
    bool ok = batch != NULL && smtp_record_decision(session, batch, recipient, effect) &&
              smtp_record_outcome(session, batch, recipient, outcome, effect, provider_said);
    smtp_append(session, batch, ok, on_refusal_recorded, recipient->index);
}

/* ---- what the adapter tells ---- */

/* The provider's refusal as the partner is given it. 421 says that a connection closes, and that
 * is the provider's, not the partner's. */
static int refusal_code(const struct mail_reply *reply)
{
    return reply->code >= 400 && reply->code <= 599 && reply->code != 421 ? reply->code : 451;
}

static void on_recipient(void *arg, unsigned index, const struct mail_reply *reply)
{
    struct smtp_session *session = arg;
    struct smtp_transaction *transaction = session->transaction;
    if (transaction == NULL || index >= transaction->n_offered)
        return;
    struct smtp_recipient *recipient = transaction->offered[index];
    if (recipient->state != RECIPIENT_OFFERED)
        return;
    if (reply->code < 200 || reply->code > 299) {
        int code = refusal_code(reply);
        record_and_answer(session, recipient, EFFECT_PASSED, OUTCOME_REFUSED, reply->text, code,
                          reply->text);
        return;
    }
    const char *text = arena_str(transaction->arena, reply->text);
    recipient->accepted = true;
    transaction->n_accepted++;
    smtp_answer_recipient(session, recipient, 250, text != NULL ? text : "2.1.5 Ok");
}

void smtp_content_refused(struct smtp_session *session, const struct mail_reply *reply)
{
    int code = refusal_code(reply);
    smtp_record_outcomes(session, OUTCOME_REFUSED, EFFECT_PASSED, reply->text, NULL);
    smtp_drain_content(session, code, reply->text);
}

static void on_content_refused(void *arg, const struct mail_reply *reply)
{
    struct smtp_session *session = arg;
    struct smtp_transaction *transaction = session->transaction;
    if (transaction == NULL)
        return;
    if (transaction->passed) {
        smtp_content_refused(session, reply);
        return;
    }
    /* DATA, and the decisions it follows from are not on record yet: their outcome waits for them.
     */
    transaction->refused = arena_alloc(transaction->arena, sizeof(*reply));
    if (transaction->refused != NULL)
        *transaction->refused = *reply;
    else
        transaction->failed = true;
}

static void on_drained(void *arg)
{
    struct smtp_session *session = arg;
    if (session->transaction == NULL || !session->transaction->reading_paused)
        return;
    session->transaction->reading_paused = false;
    smtp_pause_reading(session, false);
    smtp_continue(session);
}

static void on_finished(void *arg, enum outcome outcome, const struct mail_reply *reply,
                        const char *queue_id)
{
    struct smtp_session *session = arg;
    struct smtp_transaction *transaction = session->transaction;
    if (transaction == NULL || session->state != SMTP_FINAL)
        return;
    transaction->upstream = NULL; /* it ended with this call */
    smtp_record_outcomes(session, outcome, EFFECT_PASSED, reply->text, queue_id);
    if (outcome == OUTCOME_UNKNOWN) {
        /* Never retried here, never called a success: the partner's own queue decides. */
        smtp_reply(session, 451, "4.3.0 The provider's answer was lost, it may have the message");
        smtp_close(session);
        return;
    }
    /* Whatever a provider may say: only what it took is ever answered with success. */
    smtp_reply(session, outcome == OUTCOME_ACCEPTED ? 250 : refusal_code(reply), reply->text);
    smtp_transaction_end(session);
    smtp_enter(session, SMTP_COMMAND);
    smtp_continue(session);
}

static void on_failed(void *session, bool nothing_said, const struct error *why);

static const struct mail_handler handler = {
    .on_recipient = on_recipient,
    .on_content_refused = on_content_refused,
    .on_drained = on_drained,
    .on_finished = on_finished,
    .on_failed = on_failed,
};

/* ---- choosing and losing a provider ---- */

static void tell_recipient(struct smtp_transaction *transaction, uint32_t index)
{
    const struct smtp_recipient *recipient = transaction->offered[index];
    struct mail_rcpt rcpt = {
        .address = recipient->address,
        .notify = recipient->notify,
        .orcpt = recipient->orcpt,
    };
    mail_recipient(transaction->upstream, index, &rcpt);
}

/* Begins at the preferred provider not yet tried; all offered recipients go there. */
static enum result begin(struct smtp_session *session, struct error *err)
{
    struct smtp_transaction *transaction = session->transaction;
    struct mail_envelope envelope = {
        .sender = transaction->mail.sender,
        .size = transaction->mail.size,
        .eight_bit = transaction->mail.eight_bit,
        .utf8 = transaction->mail.utf8,
        .ret = transaction->mail.ret,
        .envid = transaction->mail.envid,
    };
    struct provider *provider = snapshot_provider(session->snapshot, smtp_provider(session));
    transaction->upstream =
        mail_begin(provider, session->lane->loop, &envelope, &handler, session, err);
    if (transaction->upstream == NULL)
        return RESULT_NO_MEMORY;
    for (uint32_t i = 0; i < transaction->n_offered; i++)
        tell_recipient(transaction, i);
    return RESULT_OK;
}

/* Nothing was said to the provider that failed, and another one is left. */
static bool try_next(struct smtp_session *session)
{
    struct smtp_transaction *transaction = session->transaction;
    /* Who has been answered by one provider may not be offered to another. */
    for (uint32_t i = 0; i < transaction->n_offered; i++)
        if (transaction->offered[i]->state != RECIPIENT_OFFERED)
            return false;
    while (transaction->provider + 1 < session->account->stream->n_providers) {
        transaction->provider++;
        struct provider *next = snapshot_provider(session->snapshot, smtp_provider(session));
        struct error err;
        if (transaction->n_offered <= provider_max_recipients(next) &&
            begin(session, &err) == RESULT_OK)
            return true;
    }
    return false;
}

static void lose_provider(struct smtp_session *session, const char *why)
{
    struct smtp_transaction *transaction = session->transaction;
    transaction->failed = true;
    for (uint32_t i = 0; i < transaction->n_offered; i++) {
        struct smtp_recipient *recipient = transaction->offered[i];
        if (recipient->state != RECIPIENT_OFFERED)
            continue;
        record_and_answer(session, recipient, EFFECT_DEFERRED, OUTCOME_NONE, why, 451,
                          "4.4.0 The provider cannot be reached now, try again later");
        if (session->ended || session->transaction != transaction)
            return;
    }
    smtp_content_lost(session, why);
}

static void on_failed(void *arg, bool nothing_said, const struct error *why)
{
    struct smtp_session *session = arg;
    struct smtp_transaction *transaction = session->transaction;
    if (transaction == NULL)
        return;
    transaction->upstream = NULL; /* it ended with this call */
    char reason[sizeof(why->text)];
    reply_scrub(why->text, reason, sizeof(reason)); /* it may quote a reply, and that an address */
    log_event(LOG_LEVEL_WARN, "provider failed", LOG_TEXT("session", session->id),
              LOG_TEXT("provider", smtp_provider(session)->name), LOG_TEXT("reason", reason));
    if (nothing_said && transaction->n_accepted == 0 && try_next(session))
        return;
    lose_provider(session, why->text);
}

void smtp_relay_abort(struct smtp_session *session)
{
    if (session->transaction->upstream != NULL)
        mail_abort(&session->transaction->upstream);
}

unsigned smtp_max_recipients(const struct smtp_session *session, const struct provider *provider)
{
    return stream_adds_unsubscribe(&session->account->stream->terms)
               ? 1
               : provider_max_recipients(provider);
}

/* Room for one recipient more; the list it grew out of stays in the arena until the end. */
static bool reserve_offered(struct smtp_transaction *transaction)
{
    if (transaction->n_offered < transaction->offered_room)
        return true;
    uint32_t room = transaction->offered_room > 0 ? transaction->offered_room * 2 : 4;
    struct smtp_recipient **offered =
        arena_alloc(transaction->arena, room * sizeof(*transaction->offered));
    if (offered == NULL)
        return false;
    if (transaction->n_offered > 0)
        memcpy(offered, transaction->offered, transaction->n_offered * sizeof(*offered));
    transaction->offered = offered;
    transaction->offered_room = room;
    return true;
}

void smtp_offer(struct smtp_session *session, struct smtp_recipient *recipient)
{
    struct smtp_transaction *transaction = session->transaction;
    struct provider *provider = snapshot_provider(session->snapshot, smtp_provider(session));
    struct error err;
    if (transaction->n_offered >= smtp_max_recipients(session, provider)) {
        /* Nothing was decided yet that would have to be on record: it comes again by itself. */
        smtp_answer_recipient(
            session, recipient, 452,
            transaction->n_offered >= provider_max_recipients(provider)
                ? "4.5.3 The provider takes no more recipients in one message"
                : "4.5.3 Each recipient is given a link of their own: one in a message");
        return;
    }
    if (!reserve_offered(transaction)) {
        record_and_answer(session, recipient, EFFECT_DEFERRED, OUTCOME_NONE, NULL, 451,
                          SMTP_UNABLE);
        return;
    }
    recipient->offered = true;
    transaction->offered[transaction->n_offered++] = recipient;
    recipient->state = RECIPIENT_OFFERED;
    if (transaction->failed)
        lose_provider(session, "the provider was lost earlier in this transaction");
    else if (transaction->upstream != NULL)
        tell_recipient(transaction, transaction->n_offered - 1);
    else if (begin(session, &err) != RESULT_OK)
        lose_provider(session, err.text);
}
