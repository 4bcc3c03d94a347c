/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From the greeting to a connection that may carry mail: EHLO, STARTTLS (RFC 3207), AUTH (RFC
 * 4954). Whatever was learned in clear is forgotten after the handshake. It refuses to give a
 * password to anything but TLS or the loopback, and to go on without an AUTH that was configured.
 */
#include "adapters/smtp/smtp.h"

#include "base/crypto.h"
#include "base/str.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

static void say_ehlo(struct smtp_connection *connection)
{
    const struct config *config = connection->port->base.provider->owner;
    connection->offer = (struct smtp_offer){0};
    smtp_set_state(connection, SMTP_EHLO);
    smtp_command(connection, "EHLO %s", config->hostname);
}

void smtp_hello_secured(struct smtp_connection *connection)
{
    connection->secure = true;
    if (smtp_config(connection->port)->tls == TLS_IMPLICIT) {
        smtp_set_deadline(connection, smtp_config(connection->port)->connect_timeout);
        smtp_set_state(connection, SMTP_GREETING);
        return;
    }
    say_ehlo(connection);
}

/* ---- what EHLO offers ---- */

static bool is_keyword(const char *line, size_t length, const char *keyword)
{
    size_t n = strlen(keyword);
    return length >= n && ascii_equal_n(line, n, keyword) && (length == n || line[n] == ' ');
}

static uint64_t parse_size(const char *text, size_t length)
{
    uint64_t size = 0;
    for (size_t i = 0; i < length; i++) {
        if (text[i] < '0' || text[i] > '9' || size > (INT64_MAX - 9) / 10)
            return 0;
        size = size * 10 + (uint64_t)(text[i] - '0');
    }
    return size;
}

static void take_mechanisms(struct smtp_offer *offer, const char *text, size_t length)
{
    while (length > 0) {
        const char *space = memchr(text, ' ', length);
        size_t word = space != NULL ? (size_t)(space - text) : length;
        offer->auth_plain |= ascii_equal_n(text, word, "PLAIN");
        offer->auth_login |= ascii_equal_n(text, word, "LOGIN");
        size_t skip = space != NULL ? word + 1 : word;
        text += skip;
        length -= skip;
    }
}

void smtp_hello_line(void *arg, unsigned number, const char *text, size_t length)
{
    struct smtp_offer *offer = &((struct smtp_connection *)arg)->offer;
    if (number == 0) /* the server's name */
        return;
    if (is_keyword(text, length, "PIPELINING"))
        offer->bits |= CAPABILITY_PIPELINING;
    else if (is_keyword(text, length, "8BITMIME"))
        offer->bits |= CAPABILITY_8BITMIME;
    else if (is_keyword(text, length, "DSN"))
        offer->bits |= CAPABILITY_DSN;
    else if (is_keyword(text, length, "SMTPUTF8"))
        offer->bits |= CAPABILITY_SMTPUTF8;
    else if (is_keyword(text, length, "STARTTLS"))
        offer->bits |= CAPABILITY_STARTTLS;
    else if (is_keyword(text, length, "SIZE")) {
        offer->bits |= CAPABILITY_SIZE;
        offer->max_size = length > 5 ? parse_size(text + 5, length - 5) : 0;
    } else if (is_keyword(text, length, "AUTH") && length > 5) {
        take_mechanisms(offer, text + 5, length - 5);
    }
}

/* ---- AUTH ---- */

struct wiped {
    size_t size;
    char bytes[];
};

static void wipe_sent(const void *data, size_t length, void *arg)
{
    (void)data;
    (void)length;
    struct wiped *wiped = arg;
    wipe(wiped->bytes, wiped->size);
    free(wiped);
}

/* Sends prefix, the secret in base64 and CRLF. The only copy is wiped once it is written. */
static bool send_secret(struct smtp_connection *connection, const char *prefix, const void *secret,
                        size_t length)
{
    size_t prefix_length = strlen(prefix);
    size_t size = prefix_length + 4 * ((length + 2) / 3) + 3;
    struct wiped *wiped = calloc(1, sizeof(*wiped) + size);
    if (wiped == NULL)
        return false;
    wiped->size = size;
    memcpy(wiped->bytes, prefix, prefix_length);
    base64_encode(secret, length, wiped->bytes + prefix_length);
    size_t total = strlen(wiped->bytes);
    memcpy(wiped->bytes + total, "\r\n", 2);
    if (evbuffer_add_reference(smtp_output(connection), wiped->bytes, total + 2, wipe_sent,
                               wiped) != 0) {
        wipe_sent(NULL, 0, wiped);
        return false;
    }
    smtp_set_deadline(connection, smtp_config(connection->port)->reply_timeout);
    return true;
}

static bool send_plain(struct smtp_connection *connection, const char *username,
                       const char *password)
{
    size_t name_length = strlen(username), password_length = strlen(password);
    size_t length = name_length + password_length + 2;
    char *message = calloc(1, length);
    if (message == NULL)
        return false;
    memcpy(message + 1, username, name_length);
    memcpy(message + 2 + name_length, password, password_length);
    bool sent = send_secret(connection, "AUTH PLAIN ", message, length);
    wipe(message, length);
    free(message);
    return sent;
}

static void authenticate(struct smtp_connection *connection)
{
    const struct provider_config *config = smtp_config(connection->port);
    if (config->username == NULL) {
        smtp_pool_ready(connection);
        return;
    }
    const char *password = config->password != NULL ? config->password : "";
    bool sent = true;
    if (!connection->secure && !connection->dial.loopback) {
        smtp_connection_fail(connection, "no TLS, so no password is given to it");
        return;
    }
    if (connection->offer.auth_plain) {
        connection->auth = AUTH_PLAIN;
        smtp_set_state(connection, SMTP_AUTH);
        sent = send_plain(connection, config->username, password);
    } else if (connection->offer.auth_login) {
        connection->auth = AUTH_LOGIN_NAME;
        smtp_set_state(connection, SMTP_AUTH);
        smtp_command(connection, "AUTH LOGIN");
    } else {
        smtp_connection_fail(connection, "it offers neither AUTH PLAIN nor AUTH LOGIN");
    }
    if (!sent)
        smtp_connection_fail(connection, "out of memory");
}

static void auth_reply(struct smtp_connection *connection, int code)
{
    const struct provider_config *config = smtp_config(connection->port);
    const char *secret = connection->auth == AUTH_LOGIN_NAME ? config->username : config->password;
    bool asks = connection->auth == AUTH_LOGIN_NAME || connection->auth == AUTH_LOGIN_PASSWORD;
    if (code / 100 == 2 && !asks) {
        smtp_pool_ready(connection);
    } else if (code == 334 && asks) {
        connection->auth++;
        if (secret == NULL)
            secret = "";
        if (!send_secret(connection, "", secret, strlen(secret)))
            smtp_connection_fail(connection, "out of memory");
    } else {
        smtp_connection_refused(connection, code == 421, "it answered AUTH with %d", code);
    }
}

/* ---- the conversation ---- */

static void ehlo_done(struct smtp_connection *connection)
{
    enum tls_mode tls = smtp_config(connection->port)->tls;
    bool offered = (connection->offer.bits & CAPABILITY_STARTTLS) != 0;
    if (connection->secure || tls == TLS_NONE || (tls == TLS_OPTIONAL && !offered)) {
        authenticate(connection);
        return;
    }
    if (!offered) {
        smtp_connection_fail(connection, "TLS is required and it does not offer STARTTLS");
        return;
    }
    connection->starttls_seen = true;
    smtp_set_state(connection, SMTP_STARTTLS);
    smtp_command(connection, "STARTTLS");
}

static void starttls_reply(struct smtp_connection *connection, int code)
{
    if (code == 220) {
        if (!smtp_connection_wrap(connection, true)) {
            smtp_connection_fail(connection, "out of memory");
            return;
        }
        smtp_set_deadline(connection, smtp_config(connection->port)->connect_timeout);
        smtp_set_state(connection, SMTP_HANDSHAKE);
    } else if (smtp_config(connection->port)->tls == TLS_OPTIONAL && code != 421) {
        authenticate(connection);
    } else {
        smtp_connection_refused(connection, code == 421, "it answered STARTTLS with %d", code);
    }
}

void smtp_hello_reply(struct smtp_connection *connection, const struct mail_reply *reply)
{
    /* Nothing of a message has been said yet, so the text holds no address of one. */
    int line = (int)strcspn(reply->text, "\n");
    int shown = line < 160 ? line : 160;
    switch (connection->state) {
    case SMTP_GREETING:
        if (reply->code == 220)
            say_ehlo(connection);
        else
            smtp_connection_refused(connection, reply->code / 100 == 4, "it greeted with %d %.*s",
                                    reply->code, shown, reply->text);
        break;
    case SMTP_EHLO:
        if (reply->code == 250)
            ehlo_done(connection);
        else
            smtp_connection_refused(connection, reply->code / 100 == 4,
                                    "it answered EHLO with %d %.*s", reply->code, shown,
                                    reply->text);
        break;
    case SMTP_STARTTLS:
        starttls_reply(connection, reply->code);
        break;
    default:
        auth_reply(connection, reply->code);
        break;
    }
}
