/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A bind makes the session a partner's account: its password is looked at by the helpers, never on
 * the loop, and guessing is slow (proxy/guesses.h). Whatever is wrong with a login has one answer,
 * so that nobody learns which names exist. And how many connections an address and a partner have.
 */
#include "proxy/smpp/session.h"

#include "base/clock.h"
#include "base/crypto.h"
#include "base/log.h"
#include "base/str.h"

#include <string.h>

#define AUTH_FAILURES_MAX 3
#define SYSTEM_ID_MAX     16 /* with its NUL */
#define VERSION_34        0x34

/* ---- who holds how many ---- */

bool esme_admit_address(struct smpp_session *session)
{
    if (connection_admit_address(session->connection,
                                 session->listener->max_connections_per_address))
        return true;
    connection_turn_away(session->connection, REFUSAL_ADDRESS, session->listener->name);
    esme_end(session, "refused"); /* SMPP has no word for it before a bind */
    return false;
}

/* ---- conditions ---- */

static bool is_sms(const struct account_config *account)
{
    return account != NULL && account->stream->terms.channel == CHANNEL_SMS;
}

/* All of an account's conditions must hold, whatever the password says. */
static bool admits(const struct smpp_session *session, const struct account_config *account)
{
    return account_admits(account, (const struct sockaddr *)connection_client(session->connection),
                          connection_fingerprint(session->connection));
}

/* An account that does not log in is its network's or its certificate's: one of them at least. */
static bool is_open_to(const struct smpp_session *session, const struct account_config *account)
{
    return is_sms(account) && !account_logs_in(account) &&
           (account->n_networks > 0 || account->certificate_sha256 != NULL) &&
           admits(session, account);
}

/* As by mail: what others may have read on the way is a password no more, and not looked at. */
static bool may_say_password(const struct smpp_session *session,
                             const struct listener_config *listener)
{
    return connection_is_secured(session->connection) || listener->plain_passwords ||
           connection_is_local(session->connection);
}

/* ---- a new configuration ---- */

/* NULL: nobody listens there any more, or not to such a connection. */
static const struct listener_config *find_listener(const struct smpp_session *session,
                                                   const struct config *config)
{
    const struct listener_config *listener = config_listener(config, session->listener->bind);
    bool in_clear = !connection_is_secured(session->connection);
    return listener != NULL && listener->tls == TLS_IMPLICIT && in_clear ? NULL : listener;
}

/* Whether who is bound would be bound as account as well. */
static bool is_same(const struct smpp_session *session, const struct listener_config *listener,
                    const struct account_config *account)
{
    const struct account_config *before = session->account;
    if (!is_sms(account) ||
        strcmp(account->stream->terms.partner->id, before->stream->terms.partner->id) != 0)
        return false;
    if (before->password == NULL || account->password == NULL)
        return before->password == account->password && is_open_to(session, account);
    return strcmp(before->password, account->password) == 0 && admits(session, account) &&
           may_say_password(session, listener);
}

bool esme_adopt(struct smpp_session *session)
{
    struct snapshot *next = session->lane->snapshot;
    const struct account_config *account = NULL;
    if (next == session->snapshot || session->leaving != NULL)
        return session->leaving == NULL;
    const struct listener_config *listener = find_listener(session, next->config);
    bool stays = listener != NULL;
    if (stays && session->account != NULL) {
        account = config_account(next->config, session->account->name);
        stays = is_same(session, listener, account);
    }
    if (!stays) {
        session->leaving = "the configuration has changed";
        return false;
    }
    if (account != NULL) /* the same partner, by the word of the new one */
        connection_admit_partner(session->connection, next, account);
    session->account = account;
    session->listener = listener;
    snapshot_unref(&session->snapshot);
    session->snapshot = snapshot_ref(next);
    esme_arm(session);
    return true;
}

/* ---- the answer ---- */

/* Not bound after all: it may try again. */
static void refuse(struct smpp_session *session, uint32_t status)
{
    if (session->state != ESME_OPEN)
        esme_enter(session, ESME_OPEN);
    esme_answer(session, session->bind_command, status, session->bind_sequence);
}

/* For now, and with the end of the connection: whoever comes again comes later. */
static void turn_away(struct smpp_session *session, const char *why)
{
    refuse(session, SMPP_RBINDFAIL);
    esme_close(session, why);
}

static enum esme_state bound_state(uint32_t command)
{
    return command == SMPP_BIND_TRANSMITTER ? ESME_BOUND_TX
           : command == SMPP_BIND_RECEIVER  ? ESME_BOUND_RX
                                            : ESME_BOUND_TRX;
}

static void welcome(struct smpp_session *session)
{
    const struct account_config *account =
        config_account(session->snapshot->config, session->bind_name);
    if (!connection_admit_partner(session->connection, session->snapshot, account)) {
        connection_turn_away(session->connection, REFUSAL_PARTNER,
                             account->stream->terms.partner->id);
        turn_away(session, "refused");
        return;
    }
    session->account = account;
    enum esme_state state = bound_state(session->bind_command);
    /* Who binds with an older version is not sent what came with 3.4 (3.4, 5.2.4). */
    session->tlvs = session->bind_version >= VERSION_34;
    if ((ESME_BIT(state) & ESME_RECEIVES) != 0 && !esme_receive(session)) {
        turn_away(session, "out of memory");
        return;
    }
    char name[SYSTEM_ID_MAX];
    uint8_t pdu[64];
    str_copy(name, sizeof(name), session->snapshot->config->hostname);
    esme_enter(session, state);
    session->errors = 0;
    session->busy_at = session->heard_at = clock_monotonic();
    log_event(LOG_LEVEL_INFO, "authenticated", LOG_TEXT("session", session->id),
              LOG_TEXT("peer", session->peer), LOG_TEXT("account", account->name),
              LOG_TEXT("as", esme_state_name(state)));
    size_t length =
        smpp_bind_response_write(pdu, sizeof(pdu), SMPP_RESP(session->bind_command), SMPP_ROK,
                                 session->bind_sequence, name, session->tlvs ? VERSION_34 : 0);
    if (esme_write(session, pdu, length))
        esme_adopt(session); /* there may be a new one since the password came */
}

void esme_penalty_over(struct smpp_session *session)
{
    if (session->auth_answer == AUTH_RIGHT) {
        welcome(session);
    } else if (session->auth_answer == AUTH_HELD) {
        turn_away(session, "too many failed binds");
    } else {
        refuse(session, session->auth_answer == AUTH_BUSY ? SMPP_RBINDFAIL : SMPP_RINVPASWD);
        if (session->auth_failures >= AUTH_FAILURES_MAX)
            esme_close(session, "too many failed binds");
    }
    esme_continue(session);
}

/* ---- the password ---- */

/* The answer is given when the penalty is over: guessing is slow, and nobody else waits. */
static void answer_late(struct smpp_session *session, int answer, int64_t delay)
{
    session->auth_answer = answer;
    session->auth_delay = delay;
    esme_enter(session, ESME_PENALTY);
    esme_continue(session); /* it may have hung up, or the gate drains */
}

static void on_checked(void *lane, struct ticket ticket, bool matches)
{
    struct smpp_session *session = esme_redeem(lane, ticket);
    if (session == NULL || session->ended || session->state != ESME_AUTH_CHECK)
        return;
    struct gate *gate = session->lane->gate;
    const struct account_config *account =
        config_account(session->snapshot->config, session->bind_name);
    bool right =
        matches && is_sms(account) && account->password != NULL && admits(session, account);
    int64_t delay = guesses_note(gate->guesses, connection_key(session->connection),
                                 session->bind_name, right, clock_monotonic());
    if (right && delay == 0) {
        welcome(session);
        esme_continue(session);
        return;
    }
    if (!right) {
        session->auth_failures++;
        connection_refuse(session->connection, REFUSAL_AUTH_FAILED, NULL);
        if (delay < (int64_t)session->auth_failures * CLOCK_SECOND)
            delay = (int64_t)session->auth_failures * CLOCK_SECOND;
    }
    answer_late(session, right ? AUTH_RIGHT : AUTH_WRONG, delay);
}

void esme_bind_abandoned(struct smpp_session *session)
{
    struct gate *gate = session->lane->gate;
    const struct peer_key *key = connection_key(session->connection);
    int64_t now = clock_monotonic();
    if (session->ended || !esme_is(session, ESME_BIT(ESME_AUTH_CHECK) | ESME_BIT(ESME_PENALTY)))
        return;
    /* Else whoever cuts the connection in time could have passwords hashed without end. */
    if (session->state == ESME_AUTH_CHECK) {
        credentials_abandon(gate->credentials, session->lane, session->ticket);
        session->auth_delay = guesses_note(gate->guesses, key, session->bind_name, false, now);
    }
    guesses_fled(gate->guesses, key, session->auth_began + session->auth_delay, now);
}

bool esme_bind_waits(const struct smpp_session *session)
{
    int64_t now = clock_monotonic();
    /* A peer that closed only its sending side is answered, if that is soon: where nobody has
     * failed and while nobody guesses the helpers look at once. */
    return session->state == ESME_AUTH_CHECK && now < session->auth_began + GUESS_DELAY_FIRST &&
           guesses_rank(session->lane->gate->guesses, connection_key(session->connection),
                        session->bind_name, now) <= 1;
}

/* Told late that it was not looked at. */
static void hold(struct smpp_session *session, int answer)
{
    answer_late(session, answer,
                guesses_unseen(session->lane->gate->guesses, connection_key(session->connection),
                               session->auth_began));
}

static void check(struct smpp_session *session, const struct account_config *account,
                  const char *password)
{
    struct gate *gate = session->lane->gate;
    if (!may_say_password(session, session->listener)) {
        connection_turn_away(session->connection, REFUSAL_AUTH_HELD,
                             "a password in clear, see plain_passwords");
        turn_away(session, "a password in clear");
        return;
    }
    session->auth_began = clock_monotonic();
    if (!guesses_admit(gate->guesses, connection_key(session->connection), session->bind_name,
                       session->auth_began)) {
        connection_turn_away(session->connection, REFUSAL_AUTH_HELD, "too many failures");
        hold(session, AUTH_HELD);
        return;
    }
    esme_enter(session, ESME_AUTH_CHECK);
    if (!credentials_check(gate->credentials, connection_key(session->connection),
                           session->bind_name, is_sms(account) ? account->password : NULL, password,
                           session->lane->loop, on_checked, session->lane, session->ticket)) {
        connection_refuse(session->connection, REFUSAL_AUTH_HELD, "no helper is free");
        hold(session, AUTH_BUSY);
    }
}

void esme_bind(struct smpp_session *session, const struct smpp_header *header, uint8_t *body,
               size_t length)
{
    struct smpp_bind bind;
    uint32_t status = smpp_bind_read(body, length, &bind);
    session->bind_command = header->command;
    session->bind_sequence = header->sequence;
    if (status != SMPP_ROK) {
        wipe(&bind, sizeof(bind));
        esme_malformed(session, header->command, status, header->sequence);
        return;
    }
    session->bind_version = bind.version;
    str_copy(session->bind_name, sizeof(session->bind_name), bind.system_id);
    if (!esme_adopt(session)) {
        wipe(&bind, sizeof(bind));
        turn_away(session, session->leaving);
        return;
    }
    const struct account_config *account =
        config_account(session->snapshot->config, session->bind_name);
    if (is_open_to(session, account))
        welcome(session);
    else
        check(session, account, bind.password);
    wipe(&bind, sizeof(bind));
}
