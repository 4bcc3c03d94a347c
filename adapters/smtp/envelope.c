/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is said of a message before its content: MAIL and RCPT, each with what this connection's
 * EHLO allows. It refuses a message that needs what the provider does not offer (any more), and
 * never says a byte that could become a command of its own.
 */
#include "adapters/smtp/smtp.h"

#include <stdio.h>
#include <string.h>

static bool say_mail(struct smtp_transaction *transaction)
{
    struct smtp_connection *connection = transaction->connection;
    unsigned offer = connection->offer.bits;
    char size[40] = "";
    if (transaction->size > 0 && (offer & CAPABILITY_SIZE) != 0)
        snprintf(size, sizeof(size), " SIZE=%llu", (unsigned long long)transaction->size);
    transaction->mail_sent = true;
    return smtp_command(connection, "MAIL FROM:<%s>%s%s", transaction->sender, size,
                        transaction->eight_bit ? " BODY=8BITMIME" : "");
}

/* Says what may be said now. */
void smtp_transaction_say(struct smtp_transaction *transaction)
{
    struct smtp_connection *connection = transaction->connection;
    if (connection == NULL || connection->state != SMTP_ENVELOPE || transaction->failed)
        return;
    bool pipelining = (connection->offer.bits & CAPABILITY_PIPELINING) != 0;
    unsigned window = pipelining ? PIPELINE_WINDOW : 1;
    if (!transaction->mail_sent && transaction->unsent != NULL) {
        if (!say_mail(transaction))
            return;
        connection->outstanding++;
    }
    while (transaction->unsent != NULL && connection->outstanding < window) {
        if (!smtp_command(connection, "RCPT TO:<%s>", transaction->unsent->address))
            return;
        connection->outstanding++;
        transaction->unsent = transaction->unsent->next;
    }
}

void smtp_transaction_start(struct smtp_transaction *transaction)
{
    struct smtp_connection *connection = transaction->connection;
    if (transaction->eight_bit && (connection->offer.bits & CAPABILITY_8BITMIME) == 0) {
        struct mail_reply reply;
        reply_format(&reply, 554, "5.6.3 the provider does not take 8-bit content");
        /* The step lets go of the connection: here it would start the next waiter within this. */
        smtp_transaction_refuse(transaction, &reply);
        return;
    }
    smtp_transaction_say(transaction);
}
