/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What libESMTP's monitor callback shows is judged here, and the library stopped where it would go
 * on wrongly. It has no function for that. But what it shows are its own buffers: a reply that it
 * must not act upon is made unreadable before it looks at it, whereupon it says QUIT. This spares
 * the peer a MAIL that could only be abandoned; what is relied upon is that the content is refused
 * to the library (session.c).
 */
#include "adapters/esmtp/session.h"

#include "base/clock.h"
#include "base/str.h"
#include "config/checks.h"

#include <string.h>

void session_stop(struct session *session, enum result code, const char *text)
{
    if (session->stopped)
        return;
    session->stopped = true;
    error_set(&session->why, code, "provider %s: %s", session->route->config->name, text);
}

bool session_given(const struct session *session)
{
    return atomic_load(&session->submission->content) == CONTENT_GIVEN;
}

void session_expect_within(struct session *session, int64_t timeout)
{
    atomic_store(&session->submission->deadline, clock_monotonic() + timeout);
}

/* Nothing stands between it and the provider's mail any more. */
static void note_connected(struct session *session)
{
    if (session->connected)
        return;
    session->connected = true;
    esmtp_connected(session->submission);
}

/* What it offers does not do for this letter; for others it may. */
static void stop_letter(struct session *session, const char *text)
{
    if (session->route->config->username == NULL)
        note_connected(session);
    session_stop(session, RESULT_UNAVAILABLE, text);
}

/* The last EHLO was answered and no STARTTLS follows: may MAIL? */
static void judge_offer(struct session *session)
{
    const struct provider_config *config = session->route->config;
    const struct letter *letter = session->submission->letter;
    const struct wire_watch *watch = &session->watch;
    bool wants_dsn = letter->ret[0] != '\0' || letter->envid[0] != '\0' ||
                     letter->recipients[0].notify[0] != '\0' ||
                     letter->recipients[0].orcpt[0] != '\0';
    if (config->username != NULL && !watch->secure && !host_is_loopback(config->host))
        session_stop(session, RESULT_DENIED,
                     "it offers no TLS, and the password must not go in clear");
    else if (config->username != NULL && !watch->offers_auth)
        session_stop(session, RESULT_DENIED, "it offers no AUTH that can be used");
    else if (watch->offers_chunking && !session->chunking_hidden)
        session_stop(session, RESULT_UNAVAILABLE, "what it offers came in pieces");
    else if (letter->eight_bit && (watch->offers.bits & CAPABILITY_8BITMIME) == 0)
        stop_letter(session, "it does not offer 8BITMIME");
    else if (wants_dsn && (watch->offers.bits & CAPABILITY_DSN) == 0)
        stop_letter(session, "it does not offer DSN");
    else
        session->submission->offers = watch->offers;
}

static void judge_reply(struct session *session)
{
    const struct provider_config *config = session->route->config;
    const struct wire_watch *watch = &session->watch;
    int code = watch->reply.code;
    if (watch->owed > 0)
        return;
    switch (watch->answered) {
    case WIRE_EHLO:
        if (code / 100 == 2 && (watch->secure || config->tls == TLS_NONE ||
                                (watch->offers.bits & CAPABILITY_STARTTLS) == 0))
            judge_offer(session);
        break;
    case WIRE_HELO:
        judge_offer(session);
        break;
    case WIRE_AUTH:
        if (code / 100 != 2 && code != 334)
            session_stop(session, RESULT_DENIED, "it refused the password");
        break;
    case WIRE_MAIL:
        if (config->username != NULL && !watch->authenticated)
            session_stop(session, RESULT_DENIED, "AUTH was left out");
        break;
    default:
        break;
    }
}

/* Lines stay lines, so that the library does not wait for more. */
static void make_unreadable(char *bytes, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if (bytes[i] != '\r' && bytes[i] != '\n')
            bytes[i] = 'X';
}

/* What the library would still say is said as NOOP, so that no MAIL follows a refused password even
 * if the refusal came in pieces, and the library had its code before it could be made unreadable.
 */
static void mute(char *bytes, size_t length)
{
    static const char noop[] = "NOOP";
    const size_t n = sizeof(noop) - 1;
    char *end = bytes + length;
    while (bytes < end) {
        char *newline = memchr(bytes, '\n', (size_t)(end - bytes));
        char *next = newline != NULL ? newline + 1 : end;
        if ((size_t)(next - bytes) > n + 1 && memcmp(bytes, "QUIT", 4) != 0) {
            memset(bytes, ' ', (size_t)(next - bytes) - 2);
            memcpy(bytes, noop, n);
        }
        bytes = next;
    }
}

/* The library prefers BDAT wherever CHUNKING is offered, and with BDAT it says LAST also when the
 * content was refused to it: what was cut off could be taken for whole. So it never sees the word.
 * A word that a read has cut in two stays, and judge_offer stops there. */
static void hide_chunking(struct session *session, char *bytes, size_t length)
{
    static const char word[] = "CHUNKING";
    const size_t n = sizeof(word) - 1;
    for (size_t i = 0; i + n <= length; i++)
        if (ascii_equal_n(bytes + i, n, word)) {
            bytes[i] = 'X';
            session->chunking_hidden = true;
        }
}

void session_on_wire(const char *bytes, int length, int writing, void *arg)
{
    struct session *session = arg;
    const struct provider_config *config = session->route->config;
    if (length <= 0 || session->submission == NULL)
        return;
    if (writing != 0) {
        if (session->stopped && !session_given(session))
            mute((char *)bytes, (size_t)length); /* the library's own write buffer */
        watch_said(&session->watch, bytes, (size_t)length);
        session->chunking_hidden = false;
        atomic_store(&session->submission->said, session->watch.mail_said);
        if (session->watch.mail_said && (config->username == NULL || session->watch.authenticated))
            note_connected(session);
        if (!session_given(session))
            session_expect_within(session, config->reply_timeout);
        return;
    }
    watch_heard(&session->watch, bytes, (size_t)length);
    if (session_given(session))
        return; /* whatever it says now, the dot was said */
    if (session->watch.verb == WIRE_EHLO)
        hide_chunking(session, (char *)bytes, (size_t)length);
    if (session->watch.ahead)
        session_stop(session, RESULT_DENIED, "it said more than it was asked, or no SMTP");
    else
        judge_reply(session);
    if (atomic_load(&session->submission->content) == CONTENT_CANCELLED)
        session_stop(session, RESULT_UNAVAILABLE, "given up");
    if (session->stopped)
        make_unreadable((char *)bytes, (size_t)length); /* the library's own read buffer */
}
