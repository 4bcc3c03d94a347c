/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the partner sends, taken one step at a time: strict CRLF lines for commands, content behind
 * DATA. Commands are run one at a time, except that RCPTs may overlap while their verdicts and the
 * provider's answers are on their way; their replies leave in order all the same.
 */
#include "proxy/smtp/session.h"

#include <event2/event.h>
#include <string.h>

#define OUTPUT_HIGH (64 * 1024) /* bytes of replies the peer does not read: no more commands */

/* ---- lines ---- */

enum line_kind { LINE_NONE, LINE_GOOD, LINE_LONG, LINE_BARE, LINE_NUL };

static bool ends_in_crlf(struct evbuffer *input, size_t length)
{
    char end[2];
    struct evbuffer_ptr at;
    return length >= sizeof(end) &&
           evbuffer_ptr_set(input, &at, length - sizeof(end), EVBUFFER_PTR_SET) == 0 &&
           evbuffer_copyout_from(input, &at, end, sizeof(end)) == (ev_ssize_t)sizeof(end) &&
           end[0] == '\r' && end[1] == '\n';
}

/* Looks at the first line of the input without taking it. line: SMTP_LONGEST_LINE bytes; holds the
 * line without its CRLF when good. *length_out: bytes to drain once it is taken. */
static enum line_kind peek_line(struct smtp_session *session, char *line, size_t *length_out)
{
    struct evbuffer *input = connection_input(session->connection);
    struct evbuffer_ptr feed = evbuffer_search_eol(input, NULL, NULL, EVBUFFER_EOL_LF);
    if (feed.pos < 0) {
        size_t held = evbuffer_get_length(input);
        /* The last byte stays: it may be the CR of the line's end. */
        *length_out = held > 0 ? held - 1 : 0;
        return held > SMTP_LONGEST_LINE || (session->skipping_line && held > 1) ? LINE_LONG
                                                                                : LINE_NONE;
    }
    size_t length = (size_t)feed.pos + 1;
    *length_out = length;
    if (length > SMTP_LONGEST_LINE || session->skipping_line)
        return ends_in_crlf(input, length) ? LINE_LONG : LINE_BARE;
    evbuffer_copyout(input, line, length);
    if (length < 2 || line[length - 2] != '\r' || memchr(line, '\r', length - 2) != NULL)
        return LINE_BARE;
    if (memchr(line, '\0', length) != NULL)
        return LINE_NUL;
    line[length - 2] = '\0';
    return LINE_GOOD;
}

static void take_bad_line(struct smtp_session *session, enum line_kind kind, size_t length)
{
    struct evbuffer *input = connection_input(session->connection);
    if (kind == LINE_BARE) {
        smtp_reply(session, 554, "5.5.2 A line must end in CRLF and hold no other CR or LF");
        smtp_close(session);
        return;
    }
    char last = 0;
    struct evbuffer_ptr end;
    evbuffer_ptr_set(input, &end, length - 1, EVBUFFER_PTR_SET);
    evbuffer_copyout_from(input, &end, &last, 1);
    evbuffer_drain(input, length);
    bool was_skipping = session->skipping_line;
    session->skipping_line = kind == LINE_LONG && last != '\n';
    if (kind == LINE_NUL)
        smtp_refuse(session, 500, "5.5.2 A command holds no NUL");
    else if (!was_skipping)
        smtp_refuse(session, 500, "5.5.6 The line is too long");
}

static bool recipients_wait(const struct smtp_session *session)
{
    return session->transaction != NULL && session->transaction->unanswered != NULL;
}

/* A line that holds a password leaves nothing in memory that libevent frees. */
static void drain_secret(struct evbuffer *input, size_t length)
{
    struct evbuffer_iovec piece;
    while (length > 0 && evbuffer_peek(input, 1, NULL, &piece, 1) == 1) {
        size_t here = piece.iov_len < length ? piece.iov_len : length;
        wipe(piece.iov_base, here);
        evbuffer_drain(input, here);
        length -= here;
    }
}

/* One command line; false when there is none, or it has to wait for the answers before it. */
static bool step_command(struct smtp_session *session)
{
    char line[SMTP_LONGEST_LINE];
    size_t length = 0;
    enum line_kind kind = peek_line(session, line, &length);
    if (kind == LINE_NONE)
        return false;
    const char *arguments = NULL;
    enum smtp_verb verb = kind == LINE_GOOD ? smtp_verb_of(line, &arguments) : VERB_UNKNOWN;
    if (recipients_wait(session) &&
        (verb != VERB_RCPT || length > smtp_verb_limit(verb) ||
         session->transaction->n_recipients >= session->listener->max_recipients))
        return false;
    smtp_touch(session);
    if (kind != LINE_GOOD) {
        take_bad_line(session, kind, length);
        return true;
    }
    if (verb == VERB_AUTH)
        drain_secret(connection_input(session->connection), length);
    else
        evbuffer_drain(connection_input(session->connection), length);
    bool envelope = session->transaction != NULL;
    if (length > smtp_verb_limit(verb))
        smtp_refuse(session, 500, "5.5.6 The line is too long");
    else if (!smtp_talks_idly(session, verb))
        smtp_run_command(session, verb, arguments);
    if (!envelope && session->transaction != NULL)
        smtp_pace_start(session);
    if (verb == VERB_AUTH)
        wipe(line, length);
    return true;
}

static bool step_auth(struct smtp_session *session)
{
    char line[SMTP_LONGEST_LINE];
    size_t length = 0;
    enum line_kind kind = peek_line(session, line, &length);
    if (kind == LINE_NONE)
        return false;
    if (kind != LINE_GOOD) {
        smtp_enter(session, SMTP_COMMAND);
        take_bad_line(session, kind, length);
        return true;
    }
    drain_secret(connection_input(session->connection), length);
    smtp_auth_line(session, line);
    wipe(line, length);
    return true;
}

/* ---- the input loop ---- */

static bool step(struct smtp_session *session)
{
    if (session->ended || evbuffer_get_length(connection_output(session->connection)) > OUTPUT_HIGH)
        return false;
    switch (session->state) {
    case SMTP_PROXY:
        return smtp_header_step(session);
    case SMTP_COMMAND:
        return step_command(session);
    case SMTP_AUTH:
        return step_auth(session);
    case SMTP_HEADER:
    case SMTP_BODY:
    case SMTP_DRAIN:
        return smtp_content(session);
    default:
        return false;
    }
}

bool smtp_waits_for_peer(const struct smtp_session *session)
{
    switch (session->state) {
    case SMTP_COMMAND:
        return !recipients_wait(session);
    case SMTP_PROXY:
    case SMTP_AUTH:
    case SMTP_HEADER:
    case SMTP_DRAIN:
        return true;
    case SMTP_BODY:
        return !session->transaction->reading_paused;
    default:
        return false;
    }
}

bool smtp_awaits_written(const void *arg)
{
    const struct smtp_session *session = arg;
    return session->state == SMTP_TLS_FLUSH ||
           evbuffer_get_length(connection_output(session->connection)) > OUTPUT_HIGH;
}

/* A peer that closed only its sending side still reads: what was answered must reach it. */
static void end_for_closed_peer(struct smtp_session *session)
{
    size_t unsent = evbuffer_get_length(connection_output(session->connection));
    if (unsent == 0 || !connection_writes(session->connection))
        smtp_end(session, "closed by the peer");
    else if (unsent <= OUTPUT_HIGH)
        smtp_close(session);
    /* Else there may be more commands to answer, once this is out. */
}

/* Reads on unless somebody else's step is awaited or enough was read already. */
static void update_reading(struct smtp_session *session)
{
    size_t held = evbuffer_get_length(connection_input(session->connection));
    connection_read(session->connection, !session->reading_paused && held < SMTP_INPUT_HIGH);
}

void smtp_continue(struct smtp_session *session)
{
    if (session->processing) {
        session->input_again = true;
        return;
    }
    session->processing = true;
    smtp_pace(session);
    do {
        session->input_again = false;
        while (step(session))
            continue;
    } while (session->input_again && !session->ended);
    session->processing = false;
    if (session->ended)
        return;
    update_reading(session);
    smtp_pace(session);
    connection_flush(session->connection);
    if (smtp_auth_let_go(session))
        return;
    if (connection_was_hung_up(session->connection) && smtp_waits_for_peer(session))
        end_for_closed_peer(session);
    else if (session->lane->draining && session->transaction == NULL &&
             (session->state == SMTP_COMMAND || session->state == SMTP_AUTH ||
              session->state == SMTP_PENALTY)) {
        /* Nobody's message is lost, and a guesser's penalty does not hold up a restart. */
        smtp_reply(session, 421, "4.3.2 The gate is shutting down");
        smtp_close(session);
    }
}

void smtp_pause_reading(struct smtp_session *session, bool pause)
{
    session->reading_paused = pause;
    update_reading(session);
}
