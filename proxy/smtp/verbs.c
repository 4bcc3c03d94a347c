/* SPDX-License-Identifier: Apache-2.0 */
/* The commands that need no more than a few lines, and the order they may come in. */
#include "proxy/smtp/session.h"

#include "base/clock.h"
#include "base/str.h"
#include "proxy/smtp/xclient.h"
#include "store/journal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint64_t offered_size(const struct smtp_session *session)
{
    uint64_t size = session->listener->max_message_size;
    struct capabilities route =
        session->account != NULL
            ? snapshot_stream_capabilities(session->snapshot, session->account->stream)
            : snapshot_capabilities(session->snapshot);
    return route.max_size > 0 && route.max_size < size ? route.max_size : size;
}

/* RFC 4954, 4 forbids AUTH where nobody could use it; so does good sense. */
static bool offers_auth(const struct smtp_session *session)
{
    const struct config *config = session->snapshot->config;
    if (!smtp_auth_allowed(session) || session->authenticated ||
        (session->listener->tls == TLS_REQUIRED && !connection_is_secured(session->connection)))
        return false;
    for (size_t i = 0; i < config->n_accounts; i++)
        if (config->accounts[i].password != NULL)
            return true;
    return false;
}

static bool offers_starttls(const struct smtp_session *session)
{
    return !connection_is_secured(session->connection) &&
           (session->listener->tls == TLS_OPTIONAL || session->listener->tls == TLS_REQUIRED);
}

static void hello(struct smtp_session *session, bool extended, const char *name)
{
    if (!smtp_valid_helo(name)) {
        smtp_refuse(session, 501, "5.5.4 Give your host name or address literal");
        return;
    }
    char *copy = strdup(name);
    if (copy == NULL) {
        smtp_reply(session, 421, SMTP_UNABLE);
        smtp_close(session);
        return;
    }
    smtp_transaction_end(session);
    free(session->helo);
    session->helo = copy;
    session->greeted = true;
    session->extended = extended;
    if (!extended) {
        smtp_reply(session, 250, session->snapshot->config->hostname);
        return;
    }
    char text[640];
    unsigned all = snapshot_capabilities(session->snapshot).bits;
    bool eight_bit = (all & CAPABILITY_8BITMIME) != 0;
    bool utf8 = eight_bit && (all & CAPABILITY_SMTPUTF8) != 0; /* RFC 6531, 3.1 */
    snprintf(text, sizeof(text), "%s\nPIPELINING\nSIZE %llu%s%s%s\nENHANCEDSTATUSCODES%s%s%s",
             session->snapshot->config->hostname, (unsigned long long)offered_size(session),
             eight_bit ? "\n8BITMIME" : "", utf8 ? "\nSMTPUTF8" : "",
             (all & CAPABILITY_DSN) != 0 ? "\nDSN" : "",
             offers_starttls(session) ? "\nSTARTTLS" : "",
             offers_auth(session) ? "\nAUTH PLAIN LOGIN" : "",
             session->balancer ? "\n" XCLIENT_OFFER : "");
    smtp_reply(session, 250, text);
}

static void starttls(struct smtp_session *session, const char *arguments)
{
    if (*arguments != '\0') {
        smtp_refuse(session, 501, "5.5.4 STARTTLS takes no parameter");
    } else if (connection_is_secured(session->connection)) {
        smtp_refuse(session, 503, "5.5.1 TLS is active already");
    } else if (!offers_starttls(session)) {
        smtp_refuse(session, 502, "5.5.1 TLS is not offered here");
    } else {
        smtp_transaction_end(session);
        smtp_reply(session, 220, "2.0.0 Ready to start TLS");
        smtp_pause_reading(session, true);
        smtp_enter(session, SMTP_TLS_FLUSH);
    }
}

/* ---- MAIL ---- */

static void on_mail_refused(void *lane, struct ticket ticket, enum result result)
{
    struct smtp_session *session = smtp_redeem(lane, ticket);
    if (session == NULL || session->state != SMTP_REFUSING)
        return;
    if (result == RESULT_OK)
        smtp_refuse(session, session->transaction->final_code, session->transaction->final_text);
    else
        smtp_reply(session, 451, SMTP_UNABLE);
    if (session->state == SMTP_REFUSING) {
        smtp_enter(session, SMTP_COMMAND);
        smtp_transaction_end(session);
    }
    smtp_continue(session);
}

/*
 * The empty reverse path says "do not answer": no prospecting message may. There is no recipient
 * yet, so the row has none. In discard mode the refusal may not show: each RCPT then says so to the
 * journal alone.
 */
static void refuse_null_sender(struct smtp_session *session)
{
    struct smtp_transaction *transaction = session->transaction;
    struct smtp_recipient nobody = {
        .judgement = {.verdict = VERDICT_BLOCK, .reason = REASON_SENDER_NOT_ALLOWED},
    };
    record_new_id(nobody.id);
    transaction->final_code = 550;
    transaction->final_text =
        smtp_verdict_text(transaction, VERDICT_BLOCK, REASON_SENDER_NOT_ALLOWED, nobody.id);
    struct journal_batch *batch = journal_batch_new();
    bool ok = batch != NULL && smtp_record_decision(session, batch, &nobody, EFFECT_REFUSED);
    smtp_enter(session, SMTP_REFUSING);
    smtp_append(session, batch, ok, on_mail_refused, 0);
}

static void mail(struct smtp_session *session, const char *arguments)
{
    const struct account_config *account = session->account;
    if (session->transaction != NULL) {
        smtp_refuse(session, 503, "5.5.1 One message at a time");
        return;
    }
    if (account == NULL) {
        smtp_refuse(session, 530,
                    smtp_auth_allowed(session) ? "5.7.0 Authentication required"
                                               : "5.7.0 Start TLS, then authenticate");
        return;
    }
    struct smtp_mail mail;
    struct smtp_route route = smtp_route(session);
    struct smtp_refusal refusal = smtp_parse_mail(arguments, &route, &mail);
    if (refusal.code == 0 && mail.size > offered_size(session))
        refusal = (struct smtp_refusal){552, "5.3.4 The message is larger than what is taken here"};
    if (refusal.code != 0) {
        smtp_refuse(session, refusal.code, refusal.text);
        return;
    }
    session->transaction = smtp_transaction_new(&mail);
    if (session->transaction == NULL) {
        smtp_reply(session, 451, SMTP_UNABLE);
        return;
    }
    const struct stream *stream = &account->stream->terms;
    if (mail.sender[0] == '\0' && stream->class == CLASS_PROSPECTING &&
        stream->partner->mode != MODE_DISCARD)
        refuse_null_sender(session);
    else
        smtp_reply(session, 250, "2.1.0 Ok");
}

/* ---- dispatch ---- */

static void quit(struct smtp_session *session)
{
    smtp_reply(session, 221, "2.0.0 Goodbye");
    smtp_close(session);
}

/* What may be said before TLS where TLS is required (RFC 3207, 4). */
static bool needs_tls(const struct smtp_session *session, enum smtp_verb verb)
{
    return session->listener->tls == TLS_REQUIRED && !connection_is_secured(session->connection) &&
           (verb == VERB_AUTH || verb == VERB_MAIL || verb == VERB_RCPT || verb == VERB_DATA ||
            verb == VERB_VRFY);
}

static bool needs_greeting(enum smtp_verb verb)
{
    return verb == VERB_AUTH || verb == VERB_MAIL || verb == VERB_RCPT || verb == VERB_DATA ||
           verb == VERB_STARTTLS;
}

static bool takes_no_argument(enum smtp_verb verb)
{
    return verb == VERB_DATA || verb == VERB_RSET || verb == VERB_QUIT;
}

/* RFC 3030 is not offered (docs/adr/0010-no-chunking.md). Behind BDAT comes a chunk, and to take
 * its bytes for commands would be to obey a message. */
static void bdat(struct smtp_session *session)
{
    smtp_reply(session, 502, "5.5.1 CHUNKING is not offered here, use DATA; closing");
    smtp_close(session);
}

void smtp_run_command(struct smtp_session *session, enum smtp_verb verb, const char *arguments)
{
    if (verb == VERB_BDAT) {
        bdat(session);
        return;
    }
    if (needs_tls(session, verb)) {
        smtp_refuse(session, 530, "5.7.0 Start TLS first");
        return;
    }
    if (needs_greeting(verb) && !session->greeted) {
        smtp_refuse(session, 503, "5.5.1 Say EHLO first");
        return;
    }
    if (takes_no_argument(verb) && arguments[strspn(arguments, " ")] != '\0') {
        smtp_refuse(session, 501, "5.5.4 This command takes no parameter");
        return;
    }
    switch (verb) {
    case VERB_EHLO:
    case VERB_HELO:
        hello(session, verb == VERB_EHLO, arguments);
        break;
    case VERB_STARTTLS:
        starttls(session, arguments);
        break;
    case VERB_AUTH:
        smtp_auth_command(session, arguments);
        break;
    case VERB_MAIL:
        mail(session, arguments);
        break;
    case VERB_RCPT:
        smtp_rcpt_command(session, arguments);
        break;
    case VERB_DATA:
        smtp_data_command(session);
        break;
    case VERB_RSET:
        smtp_transaction_end(session);
        smtp_reply(session, 250, "2.0.0 Ok");
        break;
    case VERB_NOOP:
        smtp_reply(session, 250, "2.0.0 Ok");
        break;
    case VERB_XCLIENT:
        smtp_xclient_command(session, arguments);
        break;
    case VERB_EXPN:
        smtp_refuse(session, 502, "5.5.1 There are no lists here");
        break;
    case VERB_VRFY:
        /* Also with SMTPUTF8 (RFC 6531, 3.7.4.2): nothing is looked up, and the answer is ASCII. */
        smtp_reply(session, 252, "2.5.2 Send a message and see");
        break;
    case VERB_HELP:
        smtp_reply(session, 214,
                   "2.0.0 This gate passes mail to people who agreed to it; "
                   "see the guide for partners");
        break;
    case VERB_QUIT:
        quit(session);
        break;
    default:
        smtp_refuse(session, 500, "5.5.2 Command not known");
    }
}
