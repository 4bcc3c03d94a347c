/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One letter through libESMTP, on a worker thread. What became of it is decided here from what was
 * seen on the wire and from what the library was handed, never from what its functions return:
 *
 * - accepted: all of the content was pulled, and the dot was answered 2xx;
 * - refused: the peer said so, to MAIL, RCPT, DATA or the dot;
 * - unknown: all of the content was pulled, and the library brought no answer to the dot;
 * - failed: everything else. The dot was not said, so nothing can have been accepted.
 *
 * Once stopped, nothing more is heard or said but QUIT (wire.c), and the callback that the content
 * is pulled from refuses with errno set: the library then closes without the dot.
 */
#include "adapters/esmtp/session.h"

#include "base/clock.h"
#include "base/str.h"
#include "base/tls.h"

#include <auth-client.h>
#include <errno.h>
#include <libesmtp.h>
#include <openssl/err.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* How much longer than our own deadlines the library waits: the deadline speaks first, and a
 * worker that was given up comes back by itself. A write that timed out loses bytes and goes on;
 * on_pull sees the time that passed and ends it there. */
#define LIBRARY_GRACE (5 * CLOCK_SECOND)
/* libESMTP formats a command into 1024 bytes and sends what it would have liked to format. */
#define ADDRESS_MAX_LENGTH 512
/* It encodes these as xtext into 256 bytes. */
#define XTEXT_MAX_LENGTH 80

/* A field that makes libESMTP believe there was a Message-ID, so that it does not add one: it is
 * prohibited, so the library drops it, and remembers having seen it. */
static const char decoy[] = "Message-Id: <>\r\n";

/* ---- what became of it ---- */

static void failure_text(const struct session *session, char out[256])
{
    char library[128], tls[128];
    const struct wire_watch *watch = &session->watch;
    if (watch->negative.code != 0) {
        snprintf(out, 256, "it answered %d %.200s", watch->negative.code, watch->negative.text);
        return;
    }
    if (ERR_peek_error() != 0) {
        snprintf(out, 256, "TLS failed: %s", tls_last_error(tls, sizeof(tls)));
        return;
    }
    snprintf(out, 256, "the connection failed: %s",
             smtp_strerror(smtp_errno(), library, sizeof(library)));
}

static void set_failed(struct session *session)
{
    struct submission_result *result = &session->submission->result;
    char text[256];
    result->outcome = OUTCOME_NONE;
    result->nothing_said = !session->watch.mail_said;
    if (!session->stopped) {
        failure_text(session, text);
        for (char *c = text; *c != '\0'; c++)
            if (*c == '\n')
                *c = ' ';
        session_stop(session, RESULT_UNAVAILABLE, text);
    }
    result->why = session->why;
}

static void set_refused(struct submission_result *result, const struct mail_reply *reply)
{
    result->outcome = OUTCOME_REFUSED;
    result->reply = *reply;
}

static void set_unknown(struct session *session, const char *how)
{
    struct submission_result *result = &session->submission->result;
    result->outcome = OUTCOME_UNKNOWN;
    error_set(&result->why, RESULT_UNAVAILABLE, "provider %s: %s", session->route->config->name,
              how);
    reply_format(&result->reply, 451, "4.4.2 the answer to the message was lost: %s",
                 result->why.text);
}

static void conclude(struct session *session)
{
    struct submission_result *result = &session->submission->result;
    const struct mail_reply *final = &session->watch.final;
    if (!session_given(session)) {
        const struct mail_reply *last = &session->watch.reply;
        bool data_refused = session->sent && session->watch.mail_said && last->code >= 400;
        if (session->stopped)
            set_failed(session);
        else if (session->refusal.code != 0)
            set_refused(result, &session->refusal);
        else if (data_refused)
            set_refused(result, last);
        else
            set_failed(session); /* whatever it said: it has not seen the dot */
        return;
    }
    if (!session->sent)
        set_unknown(session, "no answer to the message that can be relied upon");
    else if (final->code / 100 == 2) {
        result->outcome = OUTCOME_ACCEPTED;
        result->reply = *final;
        if (!reply_queue_id(final, result->queue_id))
            result->queue_id[0] = '\0';
    } else if (final->code / 100 == 4 || final->code / 100 == 5) {
        set_refused(result, final);
    } else {
        set_unknown(session, "an answer to the message that means nothing");
    }
}

/* It would have no connection more at the moment, as its smtp sibling understands it. */
static bool turned_away(const struct wire_watch *watch)
{
    int code = watch->negative.code;
    if (watch->refused == WIRE_CONNECT || watch->refused == WIRE_EHLO)
        return code / 100 == 4;
    return code == 421 && (watch->refused == WIRE_STARTTLS || watch->refused == WIRE_AUTH);
}

static enum esmtp_reach reach_of(const struct session *session)
{
    const struct submission *submission = session->submission;
    enum outcome outcome = submission->result.outcome;
    if (outcome == OUTCOME_ACCEPTED || outcome == OUTCOME_REFUSED)
        return REACH_ANSWER;
    if (session->connected)
        return session->silent ? REACH_SILENCE : REACH_CONNECTED;
    if (!session->tried || atomic_load(&submission->content) == CONTENT_CANCELLED)
        return REACH_NOWHERE;
    return turned_away(&session->watch) ? REACH_AWAY : REACH_ATTEMPT;
}

static void report(struct session *session)
{
    struct submission *submission = session->submission;
    conclude(session);
    submission->reach = reach_of(session);
    session->submission = NULL;
    esmtp_report(submission);
}

/* ---- what the library says ---- */

static void on_rejected(struct session *session, int code)
{
    /* The library's status and the wire must agree on what was refused. */
    if (code / 100 == 4 || code / 100 == 5)
        if (session->refusal.code == 0 && session->watch.reply.code == code)
            session->refusal = session->watch.reply;
}

static void on_secured(struct session *session)
{
    if (session->watch.owed > 0 || evbuffer_get_length(session->watch.input) > 0)
        session->watch.ahead = true;
    watch_secured(&session->watch);
}

static void on_event(smtp_session_t library, int event, void *arg, ...)
{
    struct session *session = arg;
    const struct provider_config *config = session->route->config;
    va_list args;
    (void)library;
    if (session->submission == NULL)
        return;
    va_start(args, arg);
    switch (event) {
    case SMTP_EV_CONNECT:
        watch_connected(&session->watch);
        session_expect_within(session, config->connect_timeout);
        break;
    case SMTP_EV_MAILSTATUS: {
        (void)va_arg(args, const char *);
        on_rejected(session, smtp_reverse_path_status(va_arg(args, smtp_message_t))->code);
        break;
    }
    case SMTP_EV_RCPTSTATUS:
        (void)va_arg(args, const char *);
        on_rejected(session, smtp_recipient_status(va_arg(args, smtp_recipient_t))->code);
        break;
    case SMTP_EV_MESSAGESENT:
        session->sent = true;
        report(session); /* nobody waits for a QUIT to be answered */
        break;
    case SMTP_EV_STARTTLS_OK:
        on_secured(session);
        break;
    case SMTP_EV_INVALID_PEER_CERTIFICATE: {
        (void)va_arg(args, long);
        *va_arg(args, int *) = !config->tls_verify;
        break;
    }
    case SMTP_EV_NO_PEER_CERTIFICATE:
        *va_arg(args, int *) = !config->tls_verify;
        break;
    case SMTP_EV_WRONG_PEER_CERTIFICATE:
        /* The library has compared with the wrong name; OpenSSL did with the right one, and no
         * handshake ends well without it if verification was asked for. */
        *va_arg(args, int *) = 1;
        break;
    case SMTP_EV_EXTNA_STARTTLS:
        session_stop(session, RESULT_UNAVAILABLE, "it does not offer STARTTLS");
        break;
    case SMTP_EV_EXTNA_DSN:
        *va_arg(args, int *) = 1;
        break;
    default:
        break;
    }
    va_end(args);
}

/* ---- the content ---- */

/* No more of it, and no dot either: the library closes when errno is set. */
static const char *refuse_content(int *length)
{
    *length = 0;
    errno = ECANCELED;
    return NULL;
}

static const char *end_content(struct session *session, int *length)
{
    int expected = CONTENT_OPEN;
    *length = 0;
    /* From here on nobody can say any more that nothing was accepted. */
    if (!atomic_compare_exchange_strong(&session->submission->content, &expected, CONTENT_GIVEN) &&
        expected != CONTENT_GIVEN)
        return refuse_content(length);
    if (expected == CONTENT_OPEN) {
        session_expect_within(session, session->route->config->final_timeout);
        watch_content_given(&session->watch);
    }
    errno = 0;
    return NULL;
}

static const char *on_pull(void **context, int *length, void *arg)
{
    struct session *session = arg;
    struct submission *submission = session->submission;
    int64_t now = clock_monotonic();
    (void)context;
    if (submission == NULL)
        return length != NULL ? refuse_content(length) : NULL;
    if (length == NULL) { /* from the beginning */
        if (session_given(session))
            session_stop(session, RESULT_SYSTEM, "the content was asked for twice");
        session->offset = 0;
        session->decoy_given = session->shape.message_id;
        session->last_pull = now;
        return NULL;
    }
    if (session->route->config->username != NULL && !session->watch.authenticated)
        session_stop(session, RESULT_DENIED, "AUTH was left out");
    if (session->watch.ahead && !session_given(session))
        session_stop(session, RESULT_DENIED, "it said more than it was asked, or no SMTP");
    if (!session_given(session) &&
        (session->watch.answered != WIRE_DATA || session->watch.reply.code != 354))
        session_stop(session, RESULT_UNAVAILABLE, "it has not asked for the content by 354");
    /* The library may have timed out writing, and lost what it had to write. */
    if (now - session->last_pull >= submission->content_stall && !session_given(session)) {
        session->silent = true;
        session_stop(session, RESULT_UNAVAILABLE, "it took no content for too long");
    }
    session->last_pull = now;
    if (session->stopped)
        return refuse_content(length);
    if (!session->decoy_given) {
        session->decoy_given = true;
        *length = (int)sizeof(decoy) - 1;
        return decoy;
    }
    struct error err;
    ptrdiff_t got = letter_read(submission->letter, session->offset, session->block,
                                sizeof(session->block), &err);
    if (got < 0) {
        session_stop(session, RESULT_SYSTEM, err.text);
        return refuse_content(length);
    }
    if (got == 0)
        return end_content(session, length);
    if (atomic_load(&submission->content) == CONTENT_CANCELLED) {
        session_stop(session, RESULT_UNAVAILABLE, "given up");
        return refuse_content(length);
    }
    session->offset += (uint64_t)got;
    session_expect_within(session, submission->content_stall);
    *length = (int)got;
    return session->block;
}

/* ---- setting the library up ---- */

static int on_interact(auth_client_request_t request, char **result, int fields, void *arg)
{
    const struct provider_config *config = arg;
    for (int i = 0; i < fields; i++) {
        if ((request[i].flags & AUTH_USER) != 0)
            result[i] = (char *)config->username;
        else if ((request[i].flags & AUTH_PASS) != 0)
            result[i] = (char *)config->password;
        else
            result[i] = NULL;
    }
    return 1;
}

static long library_timeout(int64_t timeout)
{
    return (long)((timeout + LIBRARY_GRACE) / (CLOCK_SECOND / 1000)); /* milliseconds */
}

static void set_timeouts(const struct session *session, smtp_session_t library)
{
    const struct provider_config *config = session->route->config;
    const struct {
        int which;
        int64_t timeout;
    } timeouts[] = {
        {Timeout_GREETING, config->connect_timeout + config->reply_timeout},
        {Timeout_ENVELOPE, config->reply_timeout},
        {Timeout_DATA, config->reply_timeout},
        {Timeout_TRANSFER, session->submission->content_stall},
        {Timeout_DATA2, config->final_timeout},
    };
    for (size_t i = 0; i < sizeof(timeouts) / sizeof(timeouts[0]); i++)
        smtp_set_timeout(library, timeouts[i].which | Timeout_OVERRIDE_RFC2822_MINIMUM,
                         library_timeout(timeouts[i].timeout));
}

static bool set_up_session(struct session *session, smtp_session_t library, auth_context_t auth)
{
    const struct provider_config *config = session->route->config;
    char server[320];
    snprintf(server, sizeof(server), "%s:%u", config->host, config->port);
    bool ok = smtp_set_server(library, server) != 0 &&
              smtp_set_hostname(library, session->route->owner->hostname) != 0 &&
              smtp_set_eventcb(library, on_event, session) != 0 &&
              smtp_set_monitorcb(library, session_on_wire, session, 0) != 0 &&
              smtp_option_require_all_recipients(library, 1) != 0;
    set_timeouts(session, library);
    if (ok && session->route->tls != NULL)
        ok = smtp_starttls_set_ctx(library, session->route->tls) != 0 &&
             smtp_starttls_enable(library, config->tls == TLS_REQUIRED ? Starttls_REQUIRED
                                                                       : Starttls_ENABLED) != 0;
    if (ok && auth != NULL)
        ok = auth_set_mechanism_flags(auth, AUTH_PLUGIN_PLAIN, 0) != 0 &&
             auth_set_interact_cb(auth, on_interact, (void *)config) != 0 &&
             smtp_auth_set_context(library, auth) != 0;
    return ok;
}

/* The library takes these decoded, and encodes them again. */
static bool xtext_decode(const char *text, char out[XTEXT_MAX_LENGTH + 1])
{
    size_t length = 0;
    for (; *text != '\0'; text++) {
        uint8_t byte = (uint8_t)*text;
        if (*text == '+') {
            if (!hex_decode(text + 1, strnlen(text + 1, 2), &byte, 1) || byte == 0)
                return false;
            text += 2;
        }
        if (length == XTEXT_MAX_LENGTH)
            return false;
        out[length++] = (char)byte;
    }
    out[length] = '\0';
    return true;
}

static int notify_flags(const char *notify)
{
    static const struct {
        const char *word;
        int flag;
    } words[] = {{"NEVER", Notify_NEVER},
                 {"SUCCESS", Notify_SUCCESS},
                 {"FAILURE", Notify_FAILURE},
                 {"DELAY", Notify_DELAY}};
    int flags = Notify_NOTSET;
    while (*notify != '\0') {
        size_t length = strcspn(notify, ",");
        for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
            if (ascii_equal_n(notify, length, words[i].word))
                flags |= words[i].flag;
        notify += length;
        notify += *notify == ',';
    }
    return flags;
}

static bool set_up_dsn(const struct letter *letter, smtp_message_t message,
                       smtp_recipient_t recipient)
{
    const struct mail_rcpt *rcpt = &letter->recipients[0];
    char text[XTEXT_MAX_LENGTH + 1];
    bool ok = true;
    if (letter->ret[0] != '\0')
        ok = smtp_dsn_set_ret(message, ascii_equal(letter->ret, "FULL") ? Ret_FULL : Ret_HDRS) != 0;
    if (ok && letter->envid[0] != '\0')
        ok = xtext_decode(letter->envid, text) && smtp_dsn_set_envid(message, text) != 0;
    if (ok && rcpt->notify[0] != '\0')
        ok = smtp_dsn_set_notify(recipient, (enum notify_flags)notify_flags(rcpt->notify)) != 0;
    const char *semicolon = strchr(rcpt->orcpt, ';');
    if (ok && semicolon != NULL) {
        char type[32];
        ok = str_copy_n(type, sizeof(type), rcpt->orcpt, (size_t)(semicolon - rcpt->orcpt)) &&
             xtext_decode(semicolon + 1, text) && smtp_dsn_set_orcpt(recipient, type, text) != 0;
    }
    return ok;
}

static bool set_up_message(struct session *session, smtp_session_t library)
{
    const struct letter *letter = session->submission->letter;
    smtp_message_t message = smtp_add_message(library);
    if (message == NULL)
        return false;
    smtp_recipient_t recipient = smtp_add_recipient(message, letter->recipients[0].address);
    bool ok =
        recipient != NULL &&
        smtp_set_reverse_path(message, letter->sender[0] != '\0' ? letter->sender : NULL) != 0 &&
        smtp_set_messagecb(message, on_pull, session) != 0 &&
        smtp_size_set_estimate(message, (unsigned long)letter_size(letter)) != 0;
    if (ok && !session->shape.message_id)
        ok = smtp_set_header_option(message, "Message-Id", Hdr_PROHIBIT, 1) != 0;
    if (ok && letter->eight_bit)
        ok = smtp_8bitmime_set_body(message, E8bitmime_8BITMIME) != 0;
    return ok && set_up_dsn(letter, message, recipient);
}

/* ---- the letter itself ---- */

static void refuse_letter(struct session *session, int code, const char *why)
{
    struct submission_result *result = &session->submission->result;
    result->outcome = OUTCOME_REFUSED;
    reply_format(&result->reply, code, "%s", why);
}

/* What could not arrive as it is, is refused before anybody is connected to. */
static bool may_leave(struct session *session)
{
    const struct letter *letter = session->submission->letter;
    struct error err;
    char text[sizeof(err.text) + 16];
    if (letter->n_recipients != 1) {
        refuse_letter(session, 554, "5.5.0 one recipient at a time");
        return false;
    }
    if (letter->utf8) {
        refuse_letter(session, 554, "5.6.7 this route cannot carry SMTPUTF8");
        return false;
    }
    if (strlen(letter->sender) > ADDRESS_MAX_LENGTH ||
        strlen(letter->recipients[0].address) > ADDRESS_MAX_LENGTH ||
        strlen(letter->envid) > XTEXT_MAX_LENGTH ||
        strlen(letter->recipients[0].orcpt) > XTEXT_MAX_LENGTH) {
        refuse_letter(session, 553, "5.1.3 an address or parameter is too long for this route");
        return false;
    }
    enum result inspected = letter_inspect(letter, &session->shape, &err);
    if (inspected == RESULT_BAD_INPUT) {
        snprintf(text, sizeof(text), "5.6.0 %s", err.text);
        refuse_letter(session, 554, text);
    } else if (inspected != RESULT_OK) {
        session_stop(session, inspected, err.text);
        set_failed(session);
    }
    return inspected == RESULT_OK;
}

static void converse(struct session *session)
{
    bool wants_auth = session->route->config->username != NULL;
    smtp_session_t library = smtp_create_session();
    auth_context_t auth = wants_auth && library != NULL ? auth_create_context() : NULL;
    ERR_clear_error();
    if (library == NULL || (wants_auth && auth == NULL) ||
        !set_up_session(session, library, auth) || !set_up_message(session, library)) {
        session_stop(session, RESULT_NO_MEMORY, "libESMTP cannot be set up");
    } else {
        session->tried = true;
        /* What it returns means nothing: it is 1 after a message that was lost, too. */
        (void)smtp_start_session(library);
    }
    if (session->submission != NULL)
        report(session);
    if (library != NULL)
        smtp_destroy_session(library);
    if (auth != NULL)
        auth_destroy_context(auth);
}

void esmtp_deliver(const struct esmtp_route *route, struct submission *submission)
{
    struct session *session = calloc(1, sizeof(*session));
    submission->result = (struct submission_result){.outcome = OUTCOME_NONE, .nothing_said = true};
    if (session == NULL || !watch_init(&session->watch)) {
        error_no_memory(&submission->result.why);
        free(session);
        esmtp_report(submission);
        return;
    }
    session->route = route;
    session->submission = submission;
    session_expect_within(session, route->config->connect_timeout);
    if (may_leave(session))
        converse(session);
    else
        esmtp_report(submission);
    watch_clear(&session->watch);
    free(session);
}
