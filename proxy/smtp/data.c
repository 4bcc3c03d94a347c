/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DATA: the header block is held until the rules on content have spoken and the rows are durable;
 * then the body streams through. What is refused after 354 is read to its end and answered there.
 */
#include "proxy/smtp/session.h"

#include "base/clock.h"
#include "base/crypto.h"
#include "base/log.h"
#include "proxy/smtp/header.h"
#include "proxy/unsubscribe/link.h"
#include "store/journal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- the command ---- */

static void on_data_refused(void *lane, struct ticket ticket, enum result result)
{
    (void)result; /* durable or not, the answer is to come again */
    struct smtp_session *session = smtp_redeem(lane, ticket);
    if (session == NULL || session->state != SMTP_REFUSING)
        return;
    smtp_reply(session, 451, "4.4.0 The provider was lost, try again later");
    smtp_transaction_end(session);
    smtp_enter(session, SMTP_COMMAND);
    smtp_continue(session);
}

/* Rows for the accepted recipients that have none yet, each with its effect. */
static bool record_accepted(struct smtp_session *session, struct journal_batch *batch)
{
    bool ok = batch != NULL;
    for (struct smtp_recipient *r = session->transaction->first; r != NULL && ok; r = r->next)
        if (r->accepted && !r->recorded)
            ok = smtp_record_decision(session, batch, r, r->effect);
    return ok;
}

static void set_effect(struct smtp_transaction *transaction, enum effect effect)
{
    for (struct smtp_recipient *r = transaction->first; r != NULL; r = r->next)
        if (r->accepted && !r->recorded)
            r->effect = effect;
}

void smtp_data_command(struct smtp_session *session)
{
    struct smtp_transaction *transaction = session->transaction;
    if (evbuffer_get_length(connection_input(session->connection)) > 0) {
        /* RFC 2920, 3.1: DATA ends a pipeline. What came behind it could be taken for content or
         * for commands, depending on the answer; here it is neither. */
        smtp_reply(session, 503, "5.5.0 Wait for the answer to DATA");
        smtp_close(session);
        return;
    }
    if (transaction == NULL || transaction->n_recipients == 0) {
        smtp_refuse(session, 503, "5.5.1 Say MAIL and RCPT first");
        return;
    }
    if (transaction->n_accepted == 0 && transaction->n_discarded == 0) {
        smtp_refuse(session, 554, "5.5.1 No recipient was accepted");
        return;
    }
    if (transaction->failed && transaction->n_accepted > 0) {
        struct journal_batch *batch = journal_batch_new();
        set_effect(transaction, EFFECT_DEFERRED);
        smtp_enter(session, SMTP_REFUSING);
        smtp_append(session, batch, record_accepted(session, batch), on_data_refused, 0);
        return;
    }
    transaction->header = evbuffer_new();
    if (transaction->header == NULL) {
        smtp_reply(session, 451, SMTP_UNABLE);
        return;
    }
    content_start(&transaction->scan);
    smtp_reply(session, 354, "End the message with a dot on a line of its own");
    if (session->ended)
        return;
    if (transaction->n_accepted > 0) {
        smtp_enter(session, SMTP_HEADER);
        return;
    }
    transaction->final_code = 250;
    transaction->final_text = "2.0.0 Ok";
    smtp_enter(session, SMTP_DRAIN);
}

/* ---- reading to the end ---- */

static void answer_drained(struct smtp_session *session, bool recorded)
{
    struct smtp_transaction *transaction = session->transaction;
    if (recorded)
        smtp_reply(session, transaction->final_code, transaction->final_text);
    else
        smtp_reply(session, 451, SMTP_UNABLE);
    if (session->ended)
        return; /* the reply found no memory, and the transaction is gone */
    if (transaction->close_after) {
        smtp_close(session);
        return;
    }
    smtp_transaction_end(session);
    smtp_enter(session, SMTP_COMMAND);
    smtp_continue(session);
}

static void on_drained_rows(void *lane, struct ticket ticket, enum result result)
{
    struct smtp_session *session = smtp_redeem(lane, ticket);
    if (session != NULL && session->state == SMTP_DRAINED)
        answer_drained(session, result == RESULT_OK);
}

static void finish_drain(struct smtp_session *session)
{
    struct journal_batch *batch = journal_batch_new();
    bool ok = record_accepted(session, batch);
    /* What had passed and was refused in its midst: the refusal, too, is on record before it is
     * answered. */
    if (session->transaction->passed)
        ok = ok && smtp_add_outcomes(session, batch, OUTCOME_NONE, EFFECT_REFUSED,
                                     session->transaction->said, NULL);
    smtp_enter(session, SMTP_DRAINED);
    if (ok && journal_batch_rows(batch) == 0) {
        journal_batch_free(&batch);
        answer_drained(session, true);
        return;
    }
    smtp_append(session, batch, ok, on_drained_rows, 0);
}

void smtp_drain_content(struct smtp_session *session, int code, const char *text)
{
    struct smtp_transaction *transaction = session->transaction;
    const char *copy = arena_str(transaction->arena, text);
    smtp_relay_abort(session);
    transaction->final_code = code;
    transaction->final_text = copy != NULL ? copy : (code >= 500 ? "5.0.0 Refused" : SMTP_UNABLE);
    if (transaction->reading_paused) {
        transaction->reading_paused = false;
        smtp_pause_reading(session, false);
    }
    if (session->state == SMTP_FINAL) {
        /* The dot was read already: this is the answer to it. */
        smtp_reply(session, code, transaction->final_text);
        smtp_transaction_end(session);
        smtp_enter(session, SMTP_COMMAND);
    } else {
        smtp_enter(session, SMTP_DRAIN);
        if (transaction->complete)
            finish_drain(session);
    }
    smtp_continue(session);
}

void smtp_content_lost(struct smtp_session *session, const char *why)
{
    static const char text[] = "4.4.0 The provider was lost, try again later";
    switch (session->state) {
    case SMTP_HEADER:
        set_effect(session->transaction, EFFECT_DEFERRED);
        smtp_drain_content(session, 451, text);
        break;
    case SMTP_BODY:
    case SMTP_FINAL:
        smtp_record_outcomes(session, OUTCOME_NONE, EFFECT_DEFERRED, why, NULL);
        smtp_drain_content(session, 451, text);
        break;
    case SMTP_JUDGING:
        /* Found out once the rows are durable. */
        session->transaction->lost = arena_str(session->transaction->arena, why);
        break;
    default:
        /* COMMAND: DATA will say so. */
        break;
    }
}

/* The text with the reference of the first row it is about, by which the partner can ask. */
static const char *with_reference(struct smtp_transaction *transaction, const char *text)
{
    struct smtp_recipient *r = transaction->first;
    while (r != NULL && !r->accepted)
        r = r->next;
    char full[256];
    snprintf(full, sizeof(full), "%.200s%s%s", text, r != NULL ? ", ref " : "",
             r != NULL ? r->id : "");
    const char *copy = arena_str(transaction->arena, full);
    return copy != NULL ? copy : text;
}

/* What is wrong with the message itself; nothing of it may count as delivered. */
static void reject_content(struct smtp_session *session, int code, const char *text, bool at_once)
{
    struct smtp_transaction *transaction = session->transaction;
    log_event(LOG_LEVEL_WARN, "content refused", LOG_TEXT("session", session->id),
              LOG_TEXT("account", session->account->name), LOG_TEXT("reason", text));
    if (transaction->passed && transaction->said == NULL) {
        char said[200];
        snprintf(said, sizeof(said), "octroi: %s", text);
        transaction->said = arena_str(transaction->arena, said);
    }
    if (session->state == SMTP_DRAIN && transaction->final_code >= 400) {
        /* It was refused already; the first reason stands, for the partner and in the journal. */
    } else {
        transaction->final_code = code;
        transaction->final_text = with_reference(transaction, text);
        for (struct smtp_recipient *r = transaction->first; r != NULL; r = r->next)
            if (r->accepted && !r->recorded) {
                r->judgement.verdict = VERDICT_BLOCK;
                r->judgement.reason = REASON_MALFORMED;
                r->effect = EFFECT_REFUSED;
            }
    }
    transaction->complete |= at_once;
    transaction->close_after |= at_once;
    if (session->state == SMTP_DRAIN) {
        if (at_once)
            finish_drain(session);
        return;
    }
    smtp_drain_content(session, transaction->final_code, transaction->final_text);
}

/* ---- the rules on content ---- */

static bool add_received(struct smtp_session *session, struct evbuffer *out)
{
    char date[32];
    clock_format_mail(clock_now(), date);
    /* RFC 3848; what greets with HELO speaks plain SMTP. */
    const char *with = !session->extended ? "SMTP"
                       : connection_is_secured(session->connection)
                           ? (session->authenticated ? "ESMTPSA" : "ESMTPS")
                           : (session->authenticated ? "ESMTPA" : "ESMTP");
    return evbuffer_add_printf(
               out, "Received: from %s ([%s%s])\r\n\tby %s with %s id %s;\r\n\t%s\r\n",
               session->helo, strchr(session->peer, ':') != NULL ? "IPv6:" : "", session->peer,
               session->snapshot->config->hostname, with, session->id, date) > 0;
}

/* Nothing stands between the message and the provider any more. */
static void let_pass(struct smtp_session *session)
{
    struct smtp_transaction *transaction = session->transaction;
    struct evbuffer *out = evbuffer_new();
    if (out == NULL || !add_received(session, out) ||
        (transaction->way_out != NULL &&
         evbuffer_add(out, transaction->way_out, strlen(transaction->way_out)) != 0) ||
        evbuffer_add_buffer(out, transaction->header) != 0) {
        if (out != NULL)
            evbuffer_free(out);
        smtp_record_outcomes(session, OUTCOME_NONE, EFFECT_DEFERRED, "octroi: out of memory", NULL);
        smtp_drain_content(session, 451, SMTP_UNABLE);
        return;
    }
    smtp_enter(session, SMTP_BODY);
    mail_content(transaction->upstream, out);
    evbuffer_free(out);
    if (session->state == SMTP_BODY && transaction->complete) {
        smtp_enter(session, SMTP_FINAL);
        mail_finish(transaction->upstream);
    }
    smtp_continue(session);
}

static void on_judged_rows(void *lane, struct ticket ticket, enum result result)
{
    struct smtp_session *session = smtp_redeem(lane, ticket);
    ((struct lane *)lane)->unrecorded = result != RESULT_OK;
    if (session == NULL || session->state != SMTP_JUDGING)
        return;
    if (result != RESULT_OK) {
        smtp_drain_content(session, 451, SMTP_UNABLE);
        return;
    }
    session->transaction->passed = true;
    if (session->transaction->refused != NULL) {
        smtp_content_refused(session, session->transaction->refused);
        return;
    }
    if (session->transaction->failed) {
        const char *lost = session->transaction->lost;
        smtp_record_outcomes(
            session, OUTCOME_NONE, EFFECT_DEFERRED,
            lost != NULL ? lost : "octroi: the provider was lost before the content", NULL);
        smtp_drain_content(session, 451, "4.4.0 The provider was lost, try again later");
        return;
    }
    let_pass(session);
}

/* Says DATA while the rows become durable, so that the provider's go-ahead is there by then: it
 * commits to nothing, and of the content nothing leaves before. Only that a connection would be
 * lost with each message while the journal fails. */
static void announce_content(struct smtp_session *session)
{
    struct evbuffer *nothing = session->lane->unrecorded ? NULL : evbuffer_new();
    if (nothing == NULL)
        return; /* it is said with the content */
    if (session->transaction->upstream != NULL)
        mail_content(session->transaction->upstream, nothing);
    evbuffer_free(nothing);
}

/* The link of the one recipient there is, sealed before the rows say that the message passed.
 * False: it could not be. */
static bool make_way_out(struct smtp_session *session)
{
    struct smtp_transaction *transaction = session->transaction;
    const struct stream *stream = &session->account->stream->terms;
    const struct smtp_recipient *r = transaction->first;
    struct link link = {.channel = CHANNEL_EMAIL};
    struct strbuf fields = {0};
    struct error err;
    if (!stream_adds_unsubscribe(stream) || transaction->taken)
        return true;
    while (r != NULL && !r->accepted)
        r = r->next;
    bool made = r != NULL && session->lane->gate->seal != NULL &&
                address_parse_email(r->address, &link.address, &err) == RESULT_OK &&
                str_copy(link.partner, sizeof(link.partner), stream->partner->id) &&
                str_copy(link.stream, sizeof(link.stream), stream->id) &&
                str_copy(link.ref, sizeof(link.ref), r->id);
    if (made) {
        strbuf_add_str(&fields, "List-Unsubscribe:\r\n <");
        made = link_add(session->lane->gate->seal, session->snapshot->config->public_url, &link,
                        &fields);
        strbuf_add_str(&fields, ">\r\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n");
    }
    if (made && !fields.failed)
        transaction->way_out = arena_str(transaction->arena, fields.data);
    strbuf_free(&fields);
    wipe(&link, sizeof(link));
    return transaction->way_out != NULL;
}

static void defer_content(struct smtp_session *session)
{
    set_effect(session->transaction, EFFECT_DEFERRED);
    smtp_drain_content(session, 451, SMTP_UNABLE);
}

static void pass_content(struct smtp_session *session)
{
    if (!make_way_out(session)) {
        defer_content(session);
        return;
    }
    struct journal_batch *batch = journal_batch_new();
    set_effect(session->transaction, EFFECT_PASSED);
    bool ok = record_accepted(session, batch);
    smtp_enter(session, SMTP_JUDGING);
    if (ok)
        announce_content(session);
    smtp_append(session, batch, ok, on_judged_rows, 0);
}

/* What policy_judge_mail finds malformed is this alone, and the partner is told what to change. */
static const char *taken_text(struct smtp_transaction *transaction, const char *id)
{
    char text[256];
    snprintf(text, sizeof(text),
             "5.7.1 MALFORMED The gate adds List-Unsubscribe here, and this message has it, or has "
             "signed its name, ref %s",
             id);
    const char *copy = arena_str(transaction->arena, text);
    return copy != NULL ? copy : "5.7.1 Refused by the gate";
}

/* The content breaks a rule; what becomes of it depends on the partner's mode. */
static void block_content(struct smtp_session *session, const struct judgement *judgement)
{
    struct smtp_transaction *transaction = session->transaction;
    enum mode mode = session->account->stream->terms.partner->mode;
    enum effect effect = policy_effect(mode, judgement->verdict, judgement->reason);
    const char *id = NULL;
    for (struct smtp_recipient *r = transaction->first; r != NULL; r = r->next) {
        if (!r->accepted || r->recorded)
            continue;
        /* In observe mode a recipient may be here with a verdict of its own: the first stands. */
        if (effect != EFFECT_PASSED || r->judgement.verdict == VERDICT_PASS) {
            r->judgement.verdict = judgement->verdict;
            r->judgement.reason = judgement->reason;
        }
        r->effect = effect;
        id = id == NULL ? r->id : id;
    }
    if (effect == EFFECT_PASSED)
        pass_content(session);
    else if (effect == EFFECT_DISCARDED)
        smtp_drain_content(session, 250, "2.0.0 Ok");
    else
        smtp_drain_content(session, smtp_verdict_code(judgement->verdict),
                           judgement->reason == REASON_MALFORMED
                               ? taken_text(transaction, id != NULL ? id : session->id)
                               : smtp_verdict_text(transaction, judgement->verdict,
                                                   judgement->reason,
                                                   id != NULL ? id : session->id));
}

/*
 * The header block as its reader will see it: a dot that begins a line is the wire's, not the
 * message's (RFC 5321, 4.5.2). Judged with its dots, ".From:" would hide a From field.
 */
static enum result read_header(struct smtp_transaction *transaction, struct mail_content *content,
                               struct error *err)
{
    size_t length = (size_t)transaction->scan.header_bytes;
    char *block = malloc(length + 1);
    if (block == NULL ||
        evbuffer_copyout(transaction->header, block, length) != (ev_ssize_t)length) {
        free(block);
        return error_no_memory(err);
    }
    size_t kept = 0;
    for (size_t i = 0; i < length; i++)
        if (block[i] != '.' || (i > 0 && block[i - 1] != '\n'))
            block[kept++] = block[i];
    enum result result =
        header_read(block, kept, transaction->mail.utf8, transaction->arena, content, err);
    free(block);
    return result;
}

static void judge_header(struct smtp_session *session)
{
    struct smtp_transaction *transaction = session->transaction;
    struct mail_content content;
    struct error err;
    enum result result = read_header(transaction, &content, &err);
    if (result == RESULT_NO_MEMORY) {
        defer_content(session);
        return;
    }
    if (result != RESULT_OK) {
        char text[200];
        snprintf(text, sizeof(text), "5.6.0 %.180s", err.text);
        const char *copy = arena_str(transaction->arena, text);
        reject_content(session, 554, copy != NULL ? copy : "5.6.0 The header is not valid", false);
        return;
    }
    struct judgement judgement = {.verdict = VERDICT_PASS};
    transaction->taken = content.unsubscribe_taken;
    if (policy_judge_mail(&session->account->stream->terms, &content, &judgement))
        pass_content(session);
    else
        block_content(session, &judgement);
}

/* ---- the stream ---- */

/* Moves the first bytes of the input to what goes to the provider. evbuffer_remove_buffer does not
 * say when the last part of them found no memory: a message would miss lines and still be taken. */
static bool keep(struct smtp_transaction *transaction, struct evbuffer *input, size_t bytes)
{
    size_t before = evbuffer_get_length(transaction->header);
    return evbuffer_remove_buffer(input, transaction->header, bytes) == (int)bytes &&
           evbuffer_get_length(transaction->header) - before == bytes;
}

/* What no message may be, whatever stage it is at; false when it was rejected. */
static bool within_limits(struct smtp_session *session, enum content_verdict verdict)
{
    struct smtp_transaction *transaction = session->transaction;
    const struct content_scan *scan = &transaction->scan;
    if (verdict == CONTENT_BARE) {
        reject_content(session, 554, "5.5.2 Lines must end in CRLF and hold no other CR or LF",
                       true);
        return false;
    }
    if (session->state == SMTP_DRAIN)
        return true;
    if (scan->too_long)
        reject_content(session, 500, "5.5.6 A line is longer than 1000 bytes", false);
    else if (scan->bytes + scan->column > session->listener->max_message_size)
        reject_content(session, 552, "5.3.4 The message is larger than what is taken here", false);
    else if ((scan->in_header ? scan->header_bytes + scan->column : scan->header_bytes) >
             HEADER_CAP)
        reject_content(session, 552, "5.3.4 The header is larger than 64 KiB", false);
    else
        return true;
    return false;
}

static void forward(struct smtp_session *session)
{
    struct smtp_transaction *transaction = session->transaction;
    if (evbuffer_get_length(transaction->header) > 0)
        mail_content(transaction->upstream, transaction->header);
    if (session->state != SMTP_BODY)
        return; /* the provider was lost, and the session moved on */
    if (transaction->complete) {
        smtp_enter(session, SMTP_FINAL);
        mail_finish(transaction->upstream);
    } else if (mail_pending(transaction->upstream) > MAIL_PENDING_HIGH) {
        transaction->reading_paused = true;
        smtp_pause_reading(session, true);
    }
}

bool smtp_content(struct smtp_session *session)
{
    struct smtp_transaction *transaction = session->transaction;
    struct evbuffer *input = connection_input(session->connection);
    struct evbuffer_iovec chunk;
    size_t total = evbuffer_get_length(input);
    if (total == 0 || transaction->reading_paused || evbuffer_peek(input, -1, NULL, &chunk, 1) < 1)
        return false;
    size_t used = 0;
    enum content_verdict verdict =
        content_scan(&transaction->scan, chunk.iov_base, chunk.iov_len, &used);
    if (used == 0 && verdict == CONTENT_MORE) {
        /* A dot, or dot and CR, at the very end of the chunk: look again with more of the input. */
        size_t more = total < 8 ? total : 8;
        return more > chunk.iov_len && evbuffer_pullup(input, (ev_ssize_t)more) != NULL;
    }
    size_t kept = verdict == CONTENT_END ? used - 3 : used;
    if (session->state == SMTP_DRAIN || verdict == CONTENT_BARE)
        evbuffer_drain(input, kept);
    else if (!keep(transaction, input, kept)) {
        smtp_end(session, "out of memory");
        return false;
    }
    if (verdict == CONTENT_END) {
        evbuffer_drain(input, 3);
        transaction->complete = true;
    }
    smtp_touch(session);
    if (!within_limits(session, verdict))
        return true;
    if (session->state == SMTP_DRAIN && transaction->complete)
        finish_drain(session);
    else if (session->state == SMTP_HEADER &&
             (transaction->scan.header_ended || transaction->complete))
        judge_header(session);
    else if (session->state == SMTP_BODY)
        forward(session);
    return true;
}
