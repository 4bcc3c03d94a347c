/* SPDX-License-Identifier: Apache-2.0 */
/* RCPT: from an address to the person, to the facts, to the verdict, to an answer in its turn. */
#include "proxy/smtp/session.h"

#include "base/clock.h"
#include "proxy/metrics/metrics.h"
#include "store/journal.h"

#include <stdio.h>
#include <string.h>

int smtp_verdict_code(enum verdict verdict)
{
    return verdict == VERDICT_BLOCK ? 550 : 451;
}

const char *smtp_verdict_text(struct smtp_transaction *transaction, enum verdict verdict,
                              enum reason reason, const char *id)
{
    char text[320];
    const char *status = verdict == VERDICT_BLOCK  ? "5.7.1"
                         : reason == REASON_UNABLE ? "4.3.0"
                                                   : "4.7.1";
    const char *sentence = reason_text(reason);
    snprintf(text, sizeof(text), "%s %s %.*s, ref %s", status, reason_name(reason),
             (int)strcspn(sentence, "."), sentence, id);
    const char *copy = arena_str(transaction->arena, text);
    return copy != NULL ? copy
                        : (verdict == VERDICT_BLOCK ? "5.7.1 Refused by the gate" : SMTP_UNABLE);
}

/* ---- answers, in the order of the commands ---- */

static void send_answers(struct smtp_session *session)
{
    struct smtp_transaction *transaction = session->transaction;
    while (transaction->unanswered != NULL &&
           transaction->unanswered->state == RECIPIENT_ANSWERED) {
        struct smtp_recipient *recipient = transaction->unanswered;
        transaction->unanswered = recipient->next;
        /* Only what is wrong with the command counts as an error; a verdict does not. */
        if (recipient->faulty)
            smtp_refuse(session, recipient->code, recipient->text);
        else
            smtp_reply(session, recipient->code, recipient->text);
        if (session->ended || session->transaction != transaction)
            return;
    }
    if (transaction->unanswered == NULL)
        smtp_continue(session);
}

void smtp_answer_recipient(struct smtp_session *session, struct smtp_recipient *recipient, int code,
                           const char *text)
{
    recipient->state = RECIPIENT_ANSWERED;
    recipient->code = code;
    recipient->text = text;
    send_answers(session);
}

/* The recipient an answer is for, while the answer is still wanted; else NULL. */
static struct smtp_recipient *redeem(void *lane, struct ticket ticket,
                                     struct smtp_session **session_out)
{
    struct smtp_session *session = smtp_redeem(lane, ticket);
    if (session == NULL || session->transaction == NULL)
        return NULL;
    *session_out = session;
    /* RSET and a new MAIL wait until every recipient is answered, so an index cannot be of an
     * earlier transaction while its answer is outstanding. */
    for (struct smtp_recipient *r = session->transaction->unanswered; r != NULL; r = r->next)
        if (r->index == ticket.item)
            return r;
    return NULL;
}

/* ---- verdicts ---- */

static void on_recorded(void *lane, struct ticket ticket, enum result result)
{
    struct smtp_session *session;
    struct smtp_recipient *recipient = redeem(lane, ticket, &session);
    if (recipient == NULL || recipient->state != RECIPIENT_RECORDING)
        return;
    if (result != RESULT_OK) {
        smtp_answer_recipient(session, recipient, 451, SMTP_UNABLE);
        return;
    }
    if (recipient->effect == EFFECT_DISCARDED) {
        recipient->discarded = true;
        session->transaction->n_discarded++;
        smtp_answer_recipient(session, recipient, 250, "2.1.5 Ok");
        return;
    }
    enum verdict verdict = recipient->judgement.verdict;
    smtp_answer_recipient(session, recipient, smtp_verdict_code(verdict),
                          smtp_verdict_text(session->transaction, verdict,
                                            recipient->judgement.reason, recipient->id));
}

/* The row of a recipient that will not pass, durable before it is told. */
static void record_refusal(struct smtp_session *session, struct smtp_recipient *recipient,
                           enum effect effect)
{
    struct journal_batch *batch = journal_batch_new();
    recipient->state = RECIPIENT_RECORDING;
    bool ok = batch != NULL && smtp_record_decision(session, batch, recipient, effect);
    smtp_append(session, batch, ok, on_recorded, recipient->index);
}

static void time_verdict(const struct smtp_session *session, const struct smtp_recipient *recipient)
{
    metrics_time_verdict(session->lane->gate->metrics, session->account->stream->terms.channel,
                         clock_monotonic() - recipient->arrived_at);
}

static void decide(struct smtp_session *session, struct smtp_recipient *recipient,
                   const struct facts *facts)
{
    const struct stream *stream = &session->account->stream->terms;
    const struct channel_policy *policy = &session->snapshot->config->policies[stream->channel];
    struct question question = {
        .partner = stream->partner,
        .stream = stream,
        .policy = policy,
        .channel = stream->channel,
        .purpose = PURPOSE_RECEIPT,
        .now = clock_now(),
        .sender = session->transaction->mail.domain,
    };
    policy_judge(&question, facts, &recipient->judgement, NULL);
    time_verdict(session, recipient);
    recipient->judgement.form_id = NULL; /* it is borrowed from the facts, which end here */
    enum effect effect = policy_effect(stream->partner->mode, recipient->judgement.verdict,
                                       recipient->judgement.reason);
    if (effect == EFFECT_PASSED)
        smtp_offer(session, recipient);
    else
        record_refusal(session, recipient, effect);
}

static void on_facts(void *lane, struct ticket ticket, enum result result,
                     const struct facts *facts)
{
    struct smtp_session *session;
    struct smtp_recipient *recipient = redeem(lane, ticket, &session);
    if (recipient == NULL || recipient->state != RECIPIENT_JUDGING)
        return;
    if (result == RESULT_OK) {
        decide(session, recipient, facts);
        return;
    }
    recipient->judgement = (struct judgement){.verdict = VERDICT_DEFER, .reason = REASON_UNABLE};
    time_verdict(session, recipient);
    record_refusal(session, recipient, EFFECT_DEFERRED);
}

/* ---- the command ---- */

static struct smtp_recipient *add_recipient(struct smtp_transaction *transaction)
{
    struct smtp_recipient *recipient = arena_alloc(transaction->arena, sizeof(*recipient));
    if (recipient == NULL)
        return NULL;
    recipient->index = transaction->n_recipients++;
    *transaction->last = recipient;
    transaction->last = &recipient->next;
    if (transaction->unanswered == NULL)
        transaction->unanswered = recipient;
    return recipient;
}

/* Who the address is. Sets recipient->address, and with it that the command itself was good. */
static enum result key_recipient(struct smtp_session *session, struct smtp_recipient *recipient,
                                 const struct smtp_rcpt *rcpt)
{
    struct arena *arena = session->transaction->arena;
    struct address normal;
    struct error err;
    enum result result = address_parse_email(rcpt->address, &normal, &err);
    if (result == RESULT_OK)
        result = recipient_make(session->lane->hmac, &normal, &recipient->who, &err);
    wipe(&normal, sizeof(normal));
    if (result != RESULT_OK)
        return result;
    recipient->notify = arena_str(arena, rcpt->notify);
    recipient->orcpt = arena_str(arena, rcpt->orcpt);
    if (recipient->notify == NULL || recipient->orcpt == NULL)
        return RESULT_NO_MEMORY;
    recipient->address = arena_str(arena, rcpt->address);
    return recipient->address != NULL ? RESULT_OK : RESULT_NO_MEMORY;
}

struct smtp_route smtp_route(const struct smtp_session *session)
{
    unsigned bits = snapshot_stream_capabilities(session->snapshot, session->account->stream).bits;
    bool eight_bit = (bits & CAPABILITY_8BITMIME) != 0;
    return (struct smtp_route){
        .eight_bit = eight_bit,
        .dsn = (bits & CAPABILITY_DSN) != 0,
        /* RFC 6531, 3.1: who offers SMTPUTF8 offers 8BITMIME. */
        .utf8 = eight_bit && (bits & CAPABILITY_SMTPUTF8) != 0,
    };
}

void smtp_rcpt_command(struct smtp_session *session, const char *arguments)
{
    struct smtp_transaction *transaction = session->transaction;
    if (transaction == NULL) {
        smtp_refuse(session, 503, "5.5.1 Say MAIL first");
        return;
    }
    if (transaction->n_recipients >= session->listener->max_recipients) {
        smtp_reply(session, 452, "4.5.3 Too many recipients");
        return;
    }
    struct smtp_recipient *recipient = add_recipient(transaction);
    if (recipient == NULL) {
        smtp_reply(session, 421, SMTP_UNABLE);
        smtp_close(session);
        return;
    }
    struct smtp_rcpt rcpt;
    struct smtp_route route = smtp_route(session);
    struct smtp_refusal refusal = smtp_parse_rcpt(arguments, &route, transaction->mail.utf8, &rcpt);
    if (refusal.code != 0) {
        wipe(&rcpt, sizeof(rcpt));
        recipient->faulty = true;
        smtp_answer_recipient(session, recipient, refusal.code, refusal.text);
        return;
    }
    const struct stream_config *stream = session->account->stream;
    recipient->arrived_at = clock_monotonic();
    if (!rates_admit(session->lane->gate->rates, stream->terms.partner->id, stream->terms.id,
                     stream->rate, recipient->arrived_at)) {
        wipe(&rcpt, sizeof(rcpt));
        smtp_answer_recipient(session, recipient, 450, "4.7.1 Over the agreed rate, slow down");
        return;
    }
    record_new_id(recipient->id);
    enum result result = key_recipient(session, recipient, &rcpt);
    wipe(&rcpt, sizeof(rcpt));
    if (result != RESULT_OK) {
        smtp_answer_recipient(session, recipient, 451, SMTP_UNABLE);
        return;
    }
    struct store_query query = {.partner = stream->terms.partner->id, .stream = stream->terms.id};
    memcpy(query.recipient_key, recipient->who.key, sizeof(query.recipient_key));
    struct ticket ticket = session->ticket;
    ticket.item = recipient->index;
    store_look_up(session->lane->store, &query, on_facts, session->lane, ticket);
}
