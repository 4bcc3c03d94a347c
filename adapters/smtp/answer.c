/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the provider's replies mean to a transaction: which command each of them answers, what the
 * session is told of it, what becomes of the connection. It refuses to let a reply that makes no
 * sense pass for an answer, and never takes one for the message's that was not given to its dot.
 */
#include "adapters/smtp/smtp.h"

/* ---- to MAIL and RCPT ---- */

/* A reply of a class that this command cannot have. */
static void senseless(struct smtp_transaction *transaction, const char *command, int code)
{
    smtp_connection_fail(transaction->connection, "it answered %s with %d", command, code);
}

static void mail_reply(struct smtp_transaction *transaction, const struct mail_reply *reply)
{
    struct smtp_connection *connection = transaction->connection;
    transaction->mail_answered = true;
    if (reply->code / 100 == 2) {
        smtp_transaction_say(transaction);
    } else if (reply->code / 100 == 3) {
        senseless(transaction, "MAIL", reply->code);
    } else {
        smtp_transaction_refuse(transaction, reply);
        smtp_connection_unbind(connection);
        if (reply->code == 421)
            smtp_connection_close(connection);
        else
            smtp_connection_reset(connection);
    }
}

static void recipient_reply(struct smtp_transaction *transaction, const struct mail_reply *reply)
{
    struct smtp_connection *connection = transaction->connection;
    if (reply->code / 100 == 3) {
        senseless(transaction, "RCPT", reply->code);
        return;
    }
    /* Those who were not said stand before the one this is about. */
    smtp_transaction_answer_ours(transaction);
    if (transaction->ended)
        return;
    unsigned index = transaction->first->index;
    smtp_transaction_pop(transaction);
    transaction->answered++;
    if (reply->code / 100 == 2)
        transaction->accepted++;
    if (reply->code == 421)
        smtp_connection_fail(connection, "it answered RCPT with 421 and is closing");
    else
        smtp_transaction_say(transaction);
    transaction->base.handler->on_recipient(transaction->base.session, index, reply);
}

static void envelope_reply(struct smtp_transaction *transaction, const struct mail_reply *reply)
{
    struct smtp_connection *connection = transaction->connection;
    if (connection->outstanding == 0) {
        smtp_connection_fail(connection, "it said %d unasked", reply->code);
        return;
    }
    connection->outstanding--;
    smtp_set_deadline(connection, connection->outstanding > 0
                                      ? smtp_config(transaction->port)->reply_timeout
                                      : 0);
    if (!transaction->mail_answered)
        mail_reply(transaction, reply);
    else
        recipient_reply(transaction, reply);
}

/* ---- to DATA and the content ---- */

static void data_reply(struct smtp_transaction *transaction, const struct mail_reply *reply)
{
    struct smtp_connection *connection = transaction->connection;
    if (reply->code == 354) {
        smtp_set_deadline(connection, 0);
        smtp_set_state(connection, SMTP_CONTENT);
        /* Whatever follows 354 is said before the content: it is judged before any is sent. */
        if (evbuffer_get_length(bufferevent_get_input(connection->bev)) > 0)
            return;
        if (smtp_transaction_pass(transaction, transaction->held) && transaction->finish_given)
            smtp_transaction_dot(transaction);
        return;
    }
    struct mail_reply own;
    bool sensible = reply->code / 100 >= 4;
    if (!sensible) {
        /* A 2xx here must never reach a partner as if it were the message's. */
        reply_format(&own, 451, "4.3.0 the provider answered DATA with %d", reply->code);
        reply = &own;
    }
    smtp_transaction_refuse(transaction, reply);
    smtp_connection_unbind(connection);
    if (sensible && reply->code != 421)
        smtp_connection_reset(connection);
    else
        smtp_connection_close(connection);
}

/* A refusal before the end of the content is one; anything else makes no sense. */
static void early_reply(struct smtp_transaction *transaction, const struct mail_reply *reply)
{
    struct smtp_connection *connection = transaction->connection;
    if (reply->code / 100 < 4) {
        smtp_connection_fail(connection, "it said %d before the end of the content", reply->code);
        return;
    }
    smtp_transaction_refuse(transaction, reply);
    smtp_connection_close(connection);
}

static void final_reply(struct smtp_transaction *transaction, const struct mail_reply *reply)
{
    struct smtp_connection *connection = transaction->connection;
    bool dot_written = evbuffer_get_length(smtp_output(connection)) == 0;
    int class = reply->code / 100;
    if (class == 3 || (class == 2 && !dot_written)) {
        senseless(transaction, "the final dot", reply->code);
        return;
    }
    transaction->final = *reply;
    transaction->has_queue_id = class == 2 && reply_queue_id(reply, transaction->queue_id);
    smtp_connection_unbind(connection);
    provider_answered(smtp_provider_of(transaction));
    smtp_transaction_finished(transaction, class == 2 ? OUTCOME_ACCEPTED : OUTCOME_REFUSED);
    if (dot_written && reply->code != 421)
        smtp_pool_ready(connection);
    else
        smtp_connection_close(connection);
}

void smtp_transaction_reply(struct smtp_transaction *transaction, const struct mail_reply *reply)
{
    transaction->replies++;
    switch (transaction->connection->state) {
    case SMTP_ENVELOPE:
        envelope_reply(transaction, reply);
        break;
    case SMTP_DATA:
        data_reply(transaction, reply);
        break;
    case SMTP_CONTENT:
        early_reply(transaction, reply);
        break;
    default:
        final_reply(transaction, reply);
        break;
    }
}

void smtp_transaction_lost(struct smtp_transaction *transaction, enum smtp_state state,
                           bool may_retry, const struct error *why)
{
    if (state == SMTP_FINAL) {
        reply_format(&transaction->final, 451, "4.4.2 the answer to the message was lost: %s",
                     why->text);
        smtp_transaction_finished(transaction, OUTCOME_UNKNOWN);
        return;
    }
    if (transaction->refusal.code != 0)
        return; /* refused by ourselves: the step that says so is on its way, and needs nobody */
    if (state == SMTP_ENVELOPE && may_retry && transaction->replies == 0 && !transaction->retried) {
        /* The provider had left before it was spoken to: once more, on a new connection. */
        transaction->retried = true;
        transaction->mail_sent = false;
        transaction->unsent = transaction->first;
        for (struct smtp_recipient *each = transaction->first; each != NULL; each = each->next)
            each->ours = false;
        smtp_pool_acquire(transaction->port, transaction, true);
        return;
    }
    smtp_transaction_fail(transaction, !transaction->mail_sent, why);
}
