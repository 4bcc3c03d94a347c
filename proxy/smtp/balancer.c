/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whose connection it is when a balancer stands before the gate: the PROXY header before everything
 * else, or XCLIENT. Either is believed only from the listener's trusted networks, and only what the
 * balancer can know: the client's address. Who the client says it is, it says here itself.
 */
#include "proxy/smtp/session.h"

#include "base/sockaddr.h"
#include "proxy/net/proxy_protocol.h"
#include "proxy/smtp/xclient.h"

bool smtp_is_trusted(const struct smtp_session *session, const struct sockaddr_storage *peer)
{
    return listener_trusts(session->listener, (const struct sockaddr *)peer);
}

static void log_via(const struct smtp_session *session, enum log_level level, const char *what)
{
    char via[SOCKADDR_TEXT]; /* the socket's other end, which for a forwarded session is not peer */
    sockaddr_text((const struct sockaddr *)connection_peer(session->connection), via, sizeof(via));
    log_event(level, what, LOG_TEXT("session", session->id),
              LOG_TEXT("listener", session->listener->name), LOG_TEXT("peer", session->peer),
              LOG_TEXT("via", via));
}

/* ---- the PROXY protocol ---- */

void smtp_await_header(struct smtp_session *session)
{
    session->state = SMTP_PROXY;
    smtp_touch(session);
    if (!smtp_is_trusted(session, connection_peer(session->connection))) {
        log_via(session, LOG_LEVEL_WARN, "connection past the balancers refused");
        smtp_end(session, "not from a trusted balancer");
        return;
    }
    /* What is behind the header stays in the kernel: a ClientHello must be there for TLS to find.
     */
    connection_read_at_most(session->connection, PROXY_HEADER_MIN);
    connection_open(session->connection);
}

bool smtp_header_step(struct smtp_session *session)
{
    struct evbuffer *input = connection_input(session->connection);
    size_t held = evbuffer_get_length(input);
    struct sockaddr_storage client;
    size_t length = 0;
    const uint8_t *bytes = held > 0 ? evbuffer_pullup(input, -1) : NULL;
    if (bytes == NULL)
        return false;
    switch (proxy_protocol_parse(bytes, held, &length, &client)) {
    case PROXY_MORE:
        connection_read_at_most(session->connection, length - held);
        return false;
    case PROXY_BAD:
        log_via(session, LOG_LEVEL_WARN, "PROXY header expected");
        smtp_end(session, "no PROXY header");
        return false;
    case PROXY_LOCAL:
        client = *connection_peer(session->connection);
        break;
    case PROXY_UNKNOWN: /* somebody's, so that no network is theirs: the family is AF_UNSPEC */
    case PROXY_CLIENT:
        break;
    }
    evbuffer_drain(input, length);
    connection_read_at_most(session->connection, 0);
    if (!smtp_client_known(session, &client))
        return false;
    log_via(session, LOG_LEVEL_DEBUG, "session forwarded");
    if (session->listener->tls != TLS_IMPLICIT)
        smtp_enter(session, SMTP_COMMAND);
    smtp_begin(session);
    return true;
}

/* ---- XCLIENT ---- */

void smtp_xclient_command(struct smtp_session *session, const char *arguments)
{
    struct smtp_xclient client;
    if (!session->balancer) {
        smtp_refuse(session, 550, "5.7.0 XCLIENT is not for you");
        return;
    }
    if (session->transaction != NULL) {
        smtp_refuse(session, 503, "5.5.1 Not during a message");
        return;
    }
    struct smtp_refusal refusal = smtp_parse_xclient(arguments, &client);
    if (refusal.code != 0) {
        smtp_refuse(session, refusal.code, refusal.text);
        return;
    }
    if (client.has_address)
        connection_disown_certificate(session->connection);
    smtp_start_over(session);
    /* From here on the client speaks, and it is the client who is, or is not, a balancer. */
    if (!smtp_client_known(session, client.has_address ? &client.address
                                                       : connection_client(session->connection)))
        return;
    log_via(session, LOG_LEVEL_DEBUG, "session forwarded");
    smtp_greet(session);
}
