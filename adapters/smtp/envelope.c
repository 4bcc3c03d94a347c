/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is said of a message before its content: MAIL and RCPT, each with what this connection's
 * EHLO allows. It refuses a message that needs what the provider does not offer (any more), and
 * never says a byte that could become a command or a parameter of its own.
 */
#include "adapters/smtp/smtp.h"

#include "base/str.h"

#include <stdio.h>
#include <string.h>

/* RFC 5321 allows 254 for an address, RFC 3461 500 for a parameter: beyond these it is no slip. */
#define ADDRESS_MAX   1000
#define PARAMETER_MAX 600

/* ---- the last look at what a partner wrote ---- */

static bool is_text(const char *text, bool utf8, size_t max)
{
    size_t length = strlen(text);
    if (length > max)
        return false;
    for (size_t i = 0; i < length; i++) {
        unsigned char byte = (unsigned char)text[i];
        if (byte < 0x20 || byte == 0x7f || (byte > 0x7f && !utf8))
            return false;
    }
    return !utf8 || utf8_valid(text, length);
}

/* What stands between < and >: neither of them, nor a space, but within a quoted local part. */
static bool is_address(const char *text, bool utf8)
{
    bool quoted = false;
    if (!is_text(text, utf8, ADDRESS_MAX))
        return false;
    for (; *text != '\0'; text++) {
        if (*text == '"')
            quoted = !quoted;
        else if (quoted && *text == '\\' && text[1] != '\0')
            text++;
        else if (!quoted && strchr("<> ", *text) != NULL)
            return false;
    }
    return !quoted;
}

static bool is_parameter(const char *text, bool utf8)
{
    return is_text(text, utf8, PARAMETER_MAX) && strchr(text, ' ') == NULL;
}

bool smtp_transaction_sayable(const struct smtp_transaction *transaction,
                              const struct smtp_recipient *recipient)
{
    bool utf8 = transaction->utf8;
    return is_address(transaction->sender, utf8) && is_parameter(transaction->ret, false) &&
           is_parameter(transaction->envid, false) && is_address(recipient->address, utf8) &&
           is_parameter(recipient->notify, false) && is_parameter(recipient->orcpt, utf8);
}

/* ---- what this connection does not carry ---- */

/* Whether reply now holds why the message cannot go over a connection that offers this. */
static bool lacks(const struct smtp_transaction *transaction, unsigned offer,
                  struct mail_reply *reply)
{
    if (transaction->utf8 && (offer & CAPABILITY_SMTPUTF8) == 0)
        reply_format(reply, 553, "5.6.7 the provider does not take internationalized mail");
    else if (transaction->eight_bit && (offer & CAPABILITY_8BITMIME) == 0)
        reply_format(reply, 554, "5.6.3 the provider does not take 8-bit content");
    else if ((transaction->ret[0] != '\0' || transaction->envid[0] != '\0') &&
             (offer & CAPABILITY_DSN) == 0)
        reply_format(reply, 555, "5.5.4 the provider does not take delivery status parameters");
    else
        return false;
    return true;
}

/* Recipients that ask for notifications which nobody here could send are not said: the gate answers
 * them itself, in their turn. */
static void skip_unsayable(struct smtp_transaction *transaction)
{
    if ((transaction->connection->offer.bits & CAPABILITY_DSN) != 0)
        return;
    struct smtp_recipient *next;
    while ((next = transaction->unsent) != NULL &&
           (next->notify[0] != '\0' || next->orcpt[0] != '\0')) {
        next->ours = true;
        transaction->unsent = next->next;
    }
}

void smtp_transaction_answer_ours(struct smtp_transaction *transaction)
{
    struct mail_reply reply;
    reply_format(&reply, 555, "5.5.4 the provider does not take delivery status parameters");
    while (!transaction->ended && transaction->first != NULL && transaction->first->ours) {
        unsigned index = transaction->first->index;
        smtp_transaction_pop(transaction);
        transaction->answered++;
        transaction->base.handler->on_recipient(transaction->base.session, index, &reply);
    }
}

/* ---- saying ---- */

static bool say_mail(struct smtp_transaction *transaction)
{
    struct smtp_connection *connection = transaction->connection;
    char size[40] = "";
    if (transaction->size > 0 && (connection->offer.bits & CAPABILITY_SIZE) != 0)
        snprintf(size, sizeof(size), " SIZE=%llu", (unsigned long long)transaction->size);
    transaction->mail_sent = true;
    return smtp_command(connection, "MAIL FROM:<%s>%s%s%s%s%s%s%s", transaction->sender, size,
                        transaction->eight_bit ? " BODY=8BITMIME" : "",
                        transaction->utf8 ? " SMTPUTF8" : "",
                        transaction->ret[0] != '\0' ? " RET=" : "", transaction->ret,
                        transaction->envid[0] != '\0' ? " ENVID=" : "", transaction->envid);
}

static bool say_recipient(struct smtp_connection *connection,
                          const struct smtp_recipient *recipient)
{
    return smtp_command(connection, "RCPT TO:<%s>%s%s%s%s", recipient->address,
                        recipient->notify[0] != '\0' ? " NOTIFY=" : "", recipient->notify,
                        recipient->orcpt[0] != '\0' ? " ORCPT=" : "", recipient->orcpt);
}

void smtp_transaction_say(struct smtp_transaction *transaction)
{
    struct smtp_connection *connection = transaction->connection;
    if (connection == NULL || connection->state != SMTP_ENVELOPE || transaction->failed)
        return;
    bool pipelining = (connection->offer.bits & CAPABILITY_PIPELINING) != 0;
    unsigned window = pipelining ? PIPELINE_WINDOW : 1;
    skip_unsayable(transaction);
    if (!transaction->mail_sent && transaction->unsent != NULL) {
        if (!say_mail(transaction))
            return;
        connection->outstanding++;
    }
    while (transaction->unsent != NULL && connection->outstanding < window) {
        if (!say_recipient(connection, transaction->unsent))
            return;
        connection->outstanding++;
        transaction->unsent = transaction->unsent->next;
        skip_unsayable(transaction);
    }
    if (transaction->first != NULL && transaction->first->ours)
        smtp_transaction_kick(transaction);
}

void smtp_transaction_start(struct smtp_transaction *transaction)
{
    struct mail_reply reply;
    if (lacks(transaction, transaction->connection->offer.bits, &reply)) {
        /* The step lets go of the connection: here it would start the next waiter within this. */
        smtp_transaction_refuse(transaction, &reply);
        return;
    }
    smtp_transaction_say(transaction);
}
