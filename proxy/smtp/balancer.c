/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whose connection it is when a balancer stands before the gate: the PROXY header before everything
 * else, or XCLIENT. Either is believed only from the listener's trusted networks, and only what the
 * balancer can know: the client's address. Who the client says it is, it says here itself.
 */
#include "proxy/smtp/session.h"

#include "base/log.h"
#include "proxy/net/proxy_protocol.h"
#include "proxy/smtp/xclient.h"

#include <arpa/inet.h>
#include <event2/event.h>

bool smtp_is_trusted(const struct smtp_session *session, const struct sockaddr_storage *peer)
{
    return listener_trusts(session->listener, (const struct sockaddr *)peer);
}

/* The address of the socket's other end, which for a forwarded session is not peer_text. */
static const char *via(const struct smtp_session *session, char out[INET6_ADDRSTRLEN])
{
    const struct sockaddr_storage *end = &session->connection;
    const void *address = end->ss_family == AF_INET6
                              ? (const void *)&((const struct sockaddr_in6 *)end)->sin6_addr
                              : (const void *)&((const struct sockaddr_in *)end)->sin_addr;
    const char *text = inet_ntop(end->ss_family, address, out, INET6_ADDRSTRLEN);
    return text != NULL ? text : "unknown";
}

static void log_via(const struct smtp_session *session, enum log_level level, const char *what)
{
    char address[INET6_ADDRSTRLEN];
    log_event(level, what, LOG_TEXT("session", session->id),
              LOG_TEXT("listener", session->listener->name), LOG_TEXT("peer", session->peer_text),
              LOG_TEXT("via", via(session, address)));
}

/* ---- the PROXY protocol ---- */

void smtp_await_header(struct smtp_session *session)
{
    session->state = SMTP_PROXY;
    smtp_touch(session);
    if (!smtp_is_trusted(session, &session->connection)) {
        log_via(session, LOG_LEVEL_WARN, "connection past the balancers refused");
        smtp_end(session, "not from a trusted balancer");
        return;
    }
    /* What is behind the header stays in the kernel: a ClientHello must be there for TLS to find.
     */
    bufferevent_set_max_single_read(session->bev, PROXY_HEADER_MIN);
    bufferevent_enable(session->bev, EV_READ | EV_WRITE);
}

bool smtp_header_step(struct smtp_session *session)
{
    struct evbuffer *input = bufferevent_get_input(session->bev);
    size_t held = evbuffer_get_length(input);
    struct sockaddr_storage client;
    size_t length = 0;
    const uint8_t *bytes = held > 0 ? evbuffer_pullup(input, -1) : NULL;
    if (bytes == NULL)
        return false;
    switch (proxy_protocol_parse(bytes, held, &length, &client)) {
    case PROXY_MORE:
        bufferevent_set_max_single_read(session->bev, length - held);
        return false;
    case PROXY_BAD:
        log_via(session, LOG_LEVEL_WARN, "PROXY header expected");
        smtp_end(session, "no PROXY header");
        return false;
    case PROXY_LOCAL:
        session->peer = session->connection;
        break;
    case PROXY_UNKNOWN: /* somebody's, so that no network is theirs: the family is AF_UNSPEC */
    case PROXY_CLIENT:
        session->peer = client;
        break;
    }
    evbuffer_drain(input, length);
    bufferevent_set_max_single_read(session->bev, 0); /* libevent's own */
    if (!smtp_peer_known(session))
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
    if (client.has_address) {
        session->peer = client.address;
        session->forwarded = true;
        session->fingerprint[0] = '\0';
    }
    smtp_start_over(session);
    /* From here on the client speaks, and it is the client who is, or is not, a balancer. */
    if (!smtp_peer_known(session))
        return;
    log_via(session, LOG_LEVEL_DEBUG, "session forwarded");
    smtp_greet(session);
}
