/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/net/connection.h"

#include "base/flush.h"
#include "base/sockaddr.h"
#include "proxy/net/admission.h"
#include "store/record.h"

#include <event2/bufferevent.h>
#include <event2/bufferevent_ssl.h>
#include <event2/event.h>
#include <openssl/err.h>
#include <stdlib.h>

struct connection {
    struct loop *loop;                    /* borrowed */
    const struct connection_calls *calls; /* borrowed */
    void *session;                        /* borrowed */
    struct bufferevent *bev;              /* owned; NULL: shut */
    struct flush flush;                   /* of its output */
    struct deadline deadline;
    struct admission admission;
    bool handshaking;
    bool secured;
    bool hung_up;
    bool closing;
    bool ended;
    bool turned_away;
    bool disowned; /* a certificate would be the balancer's */
    struct sockaddr_storage peer;
    struct sockaddr_storage client;
    char shown[SOCKADDR_TEXT];
    char fingerprint[65]; /* "" when none */
    char id[RECORD_ID];
};

/* ---- libevent's callbacks ---- */

static void on_read(struct bufferevent *bev, void *arg)
{
    (void)bev;
    struct connection *connection = arg;
    connection->calls->heard(connection->session);
}

/* All output is out; but under TLS this is told late, and more may have been written meanwhile:
 * then it comes again. */
static void on_written(struct bufferevent *bev, void *arg)
{
    struct connection *connection = arg;
    if (evbuffer_get_length(bufferevent_get_output(bev)) > 0)
        return;
    connection->calls->written(connection->session);
}

static void on_secured(struct connection *connection)
{
    SSL *ssl = bufferevent_openssl_get_ssl(connection->bev);
    connection->handshaking = false;
    connection->secured = true;
    if (connection->disowned || !tls_peer_fingerprint(ssl, connection->fingerprint))
        connection->fingerprint[0] = '\0';
    connection->calls->secured(connection->session);
}

static void on_handshake_failed(struct connection *connection)
{
    unsigned long code = bufferevent_get_openssl_error(connection->bev);
    char reason[160] = "peer closed the connection";
    if (code != 0)
        ERR_error_string_n(code, reason, sizeof(reason));
    connection_refuse(connection, REFUSAL_HANDSHAKE, reason);
    connection->calls->lost(connection->session, "TLS handshake failed");
}

static void on_event(struct bufferevent *bev, short what, void *arg)
{
    (void)bev;
    struct connection *connection = arg;
    bool handshaking = connection->handshaking && !connection->closing;
    if ((what & BEV_EVENT_CONNECTED) != 0) {
        if (handshaking)
            on_secured(connection);
        return;
    }
    if (handshaking) {
        on_handshake_failed(connection);
        return;
    }
    connection->hung_up = true;
    if ((what & BEV_EVENT_EOF) != 0)
        connection->calls->hung_up(connection->session);
    else
        connection->calls->lost(connection->session, "connection lost");
}

static void on_deadline(void *arg)
{
    struct connection *connection = arg;
    connection->calls->late(connection->session);
}

static void set_callbacks(struct connection *connection)
{
    bufferevent_setcb(connection->bev, on_read, on_written, on_event, connection);
}

/* ---- beginning and end ---- */

static bool may_flush(const struct connection *connection)
{
    return connection->bev != NULL && !connection->ended && !connection->closing &&
           !connection->handshaking && !connection->calls->awaits_written(connection->session);
}

static struct bufferevent *flush_source(struct flush *flush)
{
    struct connection *connection = CONTAINER_OF(flush, struct connection, flush);
    return may_flush(connection) ? connection->bev : NULL;
}

struct connection *connection_new(struct lane *lane, struct entrance *entrance,
                                  struct bufferevent *bev, const struct sockaddr *peer,
                                  const struct connection_calls *calls, void *session)
{
    struct admission admission = {.gate = lane->gate, .entrance = entrance, .inside = true};
    struct connection *connection = calloc(1, sizeof(*connection));
    if (connection == NULL ||
        !deadline_begin(&connection->deadline, loop_base(lane->loop), on_deadline, connection)) {
        free(connection);
        bufferevent_free(bev);
        admission_leave(&admission);
        return NULL;
    }
    connection->loop = lane->loop;
    connection->calls = calls;
    connection->session = session;
    connection->bev = bev;
    connection->flush.source = flush_source;
    connection->admission = admission;
    sockaddr_copy(&connection->peer, peer);
    record_new_id(connection->id);
    set_callbacks(connection);
    return connection;
}

void connection_end(struct connection *connection, const char *account,
                    const struct log_field *work, const char *why)
{
    /* Of strangers there may be thousands a second: what they were refused is counted already. */
    bool stranger = connection->turned_away || account == NULL;
    const struct log_field reason = LOG_TEXT("why", why);
    const struct log_field fields[] = {LOG_FIRST,
                                       LOG_TEXT("session", connection->id),
                                       LOG_TEXT("peer", connection->shown),
                                       LOG_TEXT("account", account),
                                       work != NULL ? *work : reason,
                                       reason};
    connection->ended = true;
    log_fields(stranger ? LOG_LEVEL_DEBUG : LOG_LEVEL_INFO, "session ended", fields,
               sizeof(fields) / sizeof(fields[0]) - (work == NULL));
    bufferevent_setcb(connection->bev, NULL, NULL, NULL, NULL);
    connection_silence(connection);
    deadline_stop(&connection->deadline);
    admission_leave(&connection->admission);
}

void connection_shut(struct connection *connection)
{
    if (connection->bev == NULL)
        return;
    flush_forget(connection->loop, &connection->flush);
    tls_say_goodbye(connection->bev);
    bufferevent_free(connection->bev);
    connection->bev = NULL;
    deadline_end(&connection->deadline);
}

bool connection_is_shut(const struct connection *connection)
{
    return connection->bev == NULL;
}

void connection_free(struct connection **connection_pointer)
{
    struct connection *connection = *connection_pointer;
    *connection_pointer = NULL;
    if (connection == NULL)
        return;
    connection_shut(connection);
    admission_leave(&connection->admission);
    free(connection);
}

/* ---- whose it is ---- */

const char *connection_id(const struct connection *connection)
{
    return connection->id;
}

const struct sockaddr_storage *connection_client(const struct connection *connection)
{
    return &connection->client;
}

const struct sockaddr_storage *connection_peer(const struct connection *connection)
{
    return &connection->peer;
}

const struct sockaddr_storage *connection_shown(const struct connection *connection)
{
    return connection->client.ss_family != AF_UNSPEC ? &connection->client : &connection->peer;
}

const char *connection_shown_text(const struct connection *connection)
{
    return connection->shown;
}

void connection_name_client(struct connection *connection, const struct sockaddr_storage *client)
{
    connection->client = *client;
    sockaddr_text((const struct sockaddr *)connection_shown(connection), connection->shown,
                  sizeof(connection->shown));
}

bool connection_is_local(const struct connection *connection)
{
    return sockaddr_is_loopback((const struct sockaddr *)&connection->peer) &&
           sockaddr_is_loopback((const struct sockaddr *)&connection->client);
}

const char *connection_fingerprint(const struct connection *connection)
{
    return connection->fingerprint[0] != '\0' ? connection->fingerprint : NULL;
}

void connection_disown_certificate(struct connection *connection)
{
    connection->disowned = true;
    connection->fingerprint[0] = '\0';
}

/* ---- what it is counted under ---- */

bool connection_admit_address(struct connection *connection, unsigned most)
{
    return admission_address(&connection->admission,
                             (const struct sockaddr *)connection_shown(connection), most);
}

bool connection_admit_partner(struct connection *connection, struct snapshot *snapshot,
                              const struct account_config *account)
{
    return admission_partner(&connection->admission, snapshot, account);
}

const struct peer_key *connection_key(const struct connection *connection)
{
    return &connection->admission.address;
}

void connection_refuse(struct connection *connection, enum refusal refusal, const char *why)
{
    refusals_add(&connection->admission.gate->refusals, refusal, connection->id, connection->shown,
                 why);
}

void connection_turn_away(struct connection *connection, enum refusal refusal, const char *why)
{
    connection_refuse(connection, refusal, why);
    connection->turned_away = true;
}

/* ---- TLS ---- */

bool connection_start_tls(struct connection *connection, SSL_CTX *context)
{
    struct bufferevent *plain = connection->bev;
    connection->handshaking = true;
    bufferevent_disable(plain, EV_READ | EV_WRITE);
    bufferevent_setcb(plain, NULL, NULL, NULL, NULL);
    flush_forget(connection->loop, &connection->flush);
    struct bufferevent *secure = tls_bufferevent(loop_base(connection->loop),
                                                 bufferevent_getfd(plain), SSL_new(context), true);
    if (secure == NULL)
        return false; /* the plain one still has the socket, and closes it */
    bufferevent_setfd(plain, -1);
    bufferevent_free(plain);
    connection->bev = secure;
    set_callbacks(connection);
    connection_open(connection);
    return true;
}

bool connection_is_secured(const struct connection *connection)
{
    return connection->secured;
}

/* ---- input, output, time ---- */

struct evbuffer *connection_input(const struct connection *connection)
{
    return bufferevent_get_input(connection->bev);
}

struct evbuffer *connection_output(const struct connection *connection)
{
    return bufferevent_get_output(connection->bev);
}

void connection_open(struct connection *connection)
{
    bufferevent_enable(connection->bev, EV_READ | EV_WRITE);
}

void connection_read(struct connection *connection, bool wanted)
{
    if (connection->hung_up || wanted == connection_reads(connection))
        return; /* where there is nothing to read libevent has disabled it */
    if (wanted)
        bufferevent_enable(connection->bev, EV_READ);
    else
        bufferevent_disable(connection->bev, EV_READ);
}

bool connection_reads(const struct connection *connection)
{
    return (bufferevent_get_enabled(connection->bev) & EV_READ) != 0;
}

void connection_read_at_most(struct connection *connection, size_t bytes)
{
    bufferevent_set_max_single_read(connection->bev, bytes);
}

void connection_silence(struct connection *connection)
{
    bufferevent_disable(connection->bev, EV_READ | EV_WRITE);
}

bool connection_writes(const struct connection *connection)
{
    return (bufferevent_get_enabled(connection->bev) & EV_WRITE) != 0;
}

bool connection_was_hung_up(const struct connection *connection)
{
    return connection->hung_up;
}

void connection_flush(struct connection *connection)
{
    if (may_flush(connection))
        flush_later(connection->loop, &connection->flush);
    else /* libevent writes, and calls when it has: it must not find that somebody else did */
        flush_forget(connection->loop, &connection->flush);
}

void connection_flush_now(struct connection *connection)
{
    if (!connection->handshaking)
        flush_now(connection->bev);
}

bool connection_close(struct connection *connection)
{
    connection->closing = true;
    bufferevent_disable(connection->bev, EV_READ);
    flush_forget(connection->loop, &connection->flush);
    return evbuffer_get_length(connection_output(connection)) == 0;
}

void connection_set_deadline(struct connection *connection, int64_t at)
{
    if (!connection->ended)
        deadline_set(&connection->deadline, at);
}

const struct deadline *connection_deadline(const struct connection *connection)
{
    return &connection->deadline;
}
