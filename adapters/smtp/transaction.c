/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One message on its way: what the session asked for, what was said of it, what was answered. It
 * owns the recipients not yet answered and the content held until 354. Once a connection is given
 * to it, it speaks on it; it never says the final dot but after mail_finish, and never calls an
 * answer accepted that was not given to that dot.
 */
#include "adapters/smtp/smtp.h"

#include "base/str.h"
#include "base/tls.h"

#include <stdlib.h>
#include <string.h>

static struct smtp_transaction *of(const struct mail_transaction *transaction)
{
    return (struct smtp_transaction *)transaction;
}

/* What must not happen inside the session's call, and the end, happen in the deferred step. */
void smtp_transaction_kick(struct smtp_transaction *transaction)
{
    if (transaction->step_queued)
        return;
    transaction->step_queued = true;
    loop_defer(transaction->port->base.loop, &transaction->step);
}

void smtp_transaction_pop(struct smtp_transaction *transaction)
{
    struct smtp_recipient *recipient = transaction->first;
    transaction->first = recipient->next;
    if (transaction->first == NULL)
        transaction->last = &transaction->first;
    free(recipient);
}

static void transaction_free(struct smtp_transaction *transaction)
{
    while (transaction->first != NULL)
        smtp_transaction_pop(transaction);
    if (transaction->held != NULL)
        evbuffer_free(transaction->held);
    free(transaction->sender);
    free(transaction->envid);
    provider_unref(&transaction->base.provider);
    free(transaction);
}

/* ---- ends ---- */

static void end(struct smtp_transaction *transaction)
{
    transaction->ended = true;
    smtp_transaction_kick(transaction);
}

void smtp_transaction_fail(struct smtp_transaction *transaction, bool nothing_said,
                           const struct error *why)
{
    if (transaction->ended || transaction->failed || transaction->outcome != OUTCOME_NONE)
        return;
    provider_count_failed(smtp_provider_of(transaction), why);
    transaction->failed = true;
    transaction->nothing_said = nothing_said;
    transaction->why = *why;
    smtp_transaction_kick(transaction);
}

void smtp_transaction_finished(struct smtp_transaction *transaction, enum outcome outcome)
{
    provider_count(smtp_provider_of(transaction), outcome);
    provider_note_answer(smtp_provider_of(transaction), outcome, transaction->base.finished_at);
    transaction->outcome = outcome;
    smtp_transaction_kick(transaction);
}

/* From now on each recipient and the content get this reply, without a connection. */
void smtp_transaction_refuse(struct smtp_transaction *transaction, const struct mail_reply *reply)
{
    transaction->refusal = *reply;
    evbuffer_drain(transaction->held, evbuffer_get_length(transaction->held));
    provider_count(smtp_provider_of(transaction), OUTCOME_REFUSED);
    smtp_transaction_kick(transaction);
}

/* Lets go of the connection, which is in ENVELOPE or DATA with its commands answered or awaited. */
void smtp_transaction_let_go(struct smtp_transaction *transaction)
{
    struct smtp_connection *connection = transaction->connection;
    smtp_connection_unbind(connection);
    if (transaction->mail_sent)
        smtp_connection_reset(connection);
    else
        smtp_pool_ready(connection);
}

/* ---- the deferred step: callbacks that are not born of a reply ---- */

static void answer_refused_recipients(struct smtp_transaction *transaction)
{
    transaction->unsent = NULL;
    while (transaction->first != NULL && !transaction->ended) {
        unsigned index = transaction->first->index;
        smtp_transaction_pop(transaction);
        transaction->answered++;
        transaction->base.handler->on_recipient(transaction->base.session, index,
                                                &transaction->refusal);
    }
}

static void tell_drained(struct smtp_transaction *transaction)
{
    transaction->above_high = false;
    transaction->base.handler->on_drained(transaction->base.session);
}

static void step_refused(struct smtp_transaction *transaction)
{
    const struct mail_handler *handler = transaction->base.handler;
    void *session = transaction->base.session;
    if (transaction->connection != NULL)
        smtp_transaction_let_go(transaction);
    answer_refused_recipients(transaction);
    if (!transaction->ended && transaction->content_given && !transaction->content_refused_told) {
        transaction->content_refused_told = true;
        handler->on_content_refused(session, &transaction->refusal);
    }
    if (!transaction->ended && transaction->above_high)
        tell_drained(transaction);
    if (!transaction->ended && transaction->finish_given) {
        end(transaction);
        handler->on_finished(session, OUTCOME_REFUSED, &transaction->refusal, NULL);
    }
}

static void run_step(struct loop_task *task)
{
    struct smtp_transaction *transaction = CONTAINER_OF(task, struct smtp_transaction, step);
    const struct mail_handler *handler = transaction->base.handler;
    void *session = transaction->base.session;
    transaction->step_queued = false;
    if (transaction->ended) {
        transaction_free(transaction);
    } else if (transaction->failed) {
        end(transaction);
        handler->on_failed(session, transaction->nothing_said, &transaction->why);
    } else if (transaction->outcome != OUTCOME_NONE) {
        end(transaction);
        handler->on_finished(session, transaction->outcome, &transaction->final,
                             transaction->has_queue_id ? transaction->queue_id : NULL);
    } else if (transaction->refusal.code != 0) {
        step_refused(transaction);
    } else {
        smtp_transaction_answer_ours(transaction);
    }
}

/* ---- the content ---- */

bool smtp_transaction_pass(struct smtp_transaction *transaction, struct evbuffer *from)
{
    struct smtp_connection *connection = transaction->connection;
    if (evbuffer_get_length(from) == 0)
        return true;
    if (evbuffer_add_buffer(smtp_output(connection), from) != 0) {
        smtp_connection_fail(connection, "out of memory");
        return false;
    }
    if (connection->deadline == 0)
        smtp_set_deadline(connection, smtp_provider_of(transaction)->content_stall);
    return true;
}

void smtp_transaction_dot(struct smtp_transaction *transaction)
{
    struct smtp_connection *connection = transaction->connection;
    if (evbuffer_add(smtp_output(connection), ".\r\n", 3) != 0) {
        smtp_connection_fail(connection, "out of memory");
        return;
    }
    smtp_set_state(connection, SMTP_FINAL);
    if (connection->deadline == 0)
        smtp_set_deadline(connection, smtp_provider_of(transaction)->content_stall);
}

static size_t pending(const struct smtp_transaction *transaction)
{
    const struct smtp_connection *connection = transaction->connection;
    size_t length = evbuffer_get_length(transaction->held);
    if (connection != NULL &&
        (connection->state == SMTP_CONTENT || connection->state == SMTP_FINAL))
        length += evbuffer_get_length(smtp_output(connection));
    return length;
}

void smtp_transaction_written(struct smtp_transaction *transaction)
{
    if (transaction->above_high && !transaction->ended && pending(transaction) < MAIL_PENDING_LOW)
        tell_drained(transaction);
}

/* ---- what the session calls ---- */

static struct mail_transaction *smtp_begin(struct provider_port *base,
                                           const struct mail_envelope *envelope, struct error *err)
{
    struct smtp_transaction *transaction = calloc(1, sizeof(*transaction));
    char *sender = strdup(envelope->sender);
    char *envid = strdup(envelope->envid);
    struct evbuffer *held = evbuffer_new();
    if (transaction == NULL || sender == NULL || envid == NULL || held == NULL) {
        free(transaction);
        free(sender);
        free(envid);
        if (held != NULL)
            evbuffer_free(held);
        error_no_memory(err);
        return NULL;
    }
    transaction->port = (struct smtp_port *)base;
    transaction->sender = sender;
    transaction->envid = envid;
    /* A word that is cut is none the provider knows: it refuses it. */
    str_copy(transaction->ret, sizeof(transaction->ret), envelope->ret);
    transaction->utf8 = envelope->utf8;
    transaction->held = held;
    transaction->size = envelope->size;
    transaction->eight_bit = envelope->eight_bit;
    transaction->last = &transaction->first;
    transaction->step.run = run_step;
    smtp_pool_acquire(transaction->port, transaction, false);
    return &transaction->base;
}

/* NULL when memory is short. */
static struct smtp_recipient *recipient_new(unsigned index, const struct mail_rcpt *rcpt)
{
    size_t address = strlen(rcpt->address) + 1;
    size_t notify = strlen(rcpt->notify) + 1;
    size_t orcpt = strlen(rcpt->orcpt) + 1;
    struct smtp_recipient *recipient = calloc(1, sizeof(*recipient) + address + notify + orcpt);
    if (recipient == NULL)
        return NULL;
    recipient->index = index;
    memcpy(recipient->address, rcpt->address, address);
    recipient->notify = memcpy(recipient->address + address, rcpt->notify, notify);
    recipient->orcpt = memcpy(recipient->address + address + notify, rcpt->orcpt, orcpt);
    return recipient;
}

static void smtp_recipient_add(struct mail_transaction *base, unsigned index,
                               const struct mail_rcpt *rcpt)
{
    struct smtp_transaction *transaction = of(base);
    if (transaction->ended || transaction->failed || transaction->content_given)
        return;
    struct smtp_recipient *recipient = recipient_new(index, rcpt);
    if (recipient == NULL) {
        struct error why;
        error_no_memory(&why);
        if (transaction->connection != NULL)
            smtp_connection_lost(transaction->connection, false, &why);
        smtp_pool_cancel(transaction->port, transaction);
        smtp_transaction_fail(transaction, !transaction->mail_sent, &why);
        return;
    }
    *transaction->last = recipient;
    transaction->last = &recipient->next;
    if (transaction->unsent == NULL)
        transaction->unsent = recipient;
    if (transaction->refusal.code == 0 && !smtp_transaction_sayable(transaction, recipient)) {
        struct error why;
        error_set(&why, RESULT_BAD_INPUT, "the envelope holds what SMTP cannot say");
        if (transaction->connection != NULL && transaction->connection->state == SMTP_ENVELOPE)
            smtp_transaction_let_go(transaction);
        else if (transaction->connection != NULL)
            smtp_connection_unbind(transaction->connection);
        smtp_pool_cancel(transaction->port, transaction);
        smtp_transaction_fail(transaction, !transaction->mail_sent, &why);
        return;
    }
    if (transaction->refusal.code != 0)
        smtp_transaction_kick(transaction);
    else
        smtp_transaction_say(transaction);
}

/* Says DATA, or refuses the content when there is nobody to send it to. */
static void begin_content(struct smtp_transaction *transaction)
{
    struct smtp_connection *connection = transaction->connection;
    transaction->content_given = true;
    if (transaction->refusal.code != 0 || transaction->failed) {
        smtp_transaction_kick(transaction);
        return;
    }
    if (connection == NULL || connection->state != SMTP_ENVELOPE || transaction->accepted == 0 ||
        transaction->first != NULL) {
        struct mail_reply reply;
        reply_format(&reply, 503, "5.5.1 no recipient was accepted");
        smtp_pool_cancel(transaction->port, transaction);
        smtp_transaction_refuse(transaction, &reply);
        if (connection != NULL && connection->state == SMTP_ENVELOPE)
            smtp_transaction_let_go(transaction);
        else if (connection != NULL)
            smtp_connection_unbind(connection);
        return;
    }
    smtp_set_state(connection, SMTP_DATA);
    smtp_command(connection, "DATA");
}

static void smtp_content(struct mail_transaction *base, struct evbuffer *from)
{
    struct smtp_transaction *transaction = of(base);
    if (!transaction->content_given && !transaction->ended)
        begin_content(transaction);
    if (transaction->ended || transaction->failed || transaction->refusal.code != 0 ||
        transaction->finish_given || transaction->connection == NULL) {
        evbuffer_drain(from, evbuffer_get_length(from));
        return;
    }
    if (transaction->connection->state == SMTP_CONTENT) {
        if (!smtp_transaction_pass(transaction, from))
            return;
    } else if (evbuffer_add_buffer(transaction->held, from) != 0) {
        smtp_connection_fail(transaction->connection, "out of memory");
        return;
    }
    if (pending(transaction) > MAIL_PENDING_HIGH)
        transaction->above_high = true;
}

static size_t smtp_pending(const struct mail_transaction *base)
{
    return pending(of(base));
}

static void smtp_finish(struct mail_transaction *base)
{
    struct smtp_transaction *transaction = of(base);
    if (transaction->ended || transaction->finish_given)
        return;
    if (!transaction->content_given)
        begin_content(transaction);
    transaction->finish_given = true;
    if (transaction->connection != NULL && transaction->connection->state == SMTP_CONTENT)
        smtp_transaction_dot(transaction);
    else if (transaction->refusal.code != 0)
        smtp_transaction_kick(transaction);
}

static void smtp_abort(struct mail_transaction *base)
{
    struct smtp_transaction *transaction = of(base);
    struct smtp_connection *connection = transaction->connection;
    if (transaction->ended)
        return;
    smtp_pool_cancel(transaction->port, transaction);
    end(transaction);
    if (connection == NULL)
        return;
    if (transaction->answered > 0 && transaction->accepted == 0)
        provider_count(smtp_provider_of(transaction), OUTCOME_REFUSED);
    if (connection->state < SMTP_READY)
        smtp_connection_unbind(connection); /* it goes on, for the next one */
    else if (connection->state == SMTP_ENVELOPE)
        smtp_transaction_let_go(transaction);
    else
        smtp_connection_close(connection);
}

static enum result smtp_start(struct provider *provider, struct error *err)
{
    const struct provider_config *config = provider->config;
    if (config->connections == 0)
        return error_set(err, RESULT_BAD_INPUT, "provider %s may have no connection", config->name);
    enum result result = RESULT_OK;
    if (config->tls != TLS_NONE)
        result = tls_client_context(config->tls_verify, config->tls_ca_file, &provider->tls, err);
    if (result == RESULT_OK)
        result = workers_new(2, config->connections + 16, &provider->helpers, err);
    return result;
}

const struct adapter_ops smtp_ops = {
    .max_recipients = 1000,
    .start = smtp_start,
    .port_new = smtp_port_new,
    .port_close = smtp_port_close,
    .warm = smtp_pool_warm,
    .test = smtp_trial_begin,
    .begin = smtp_begin,
    .recipient = smtp_recipient_add,
    .content = smtp_content,
    .pending = smtp_pending,
    .finish = smtp_finish,
    .abort = smtp_abort,
};
