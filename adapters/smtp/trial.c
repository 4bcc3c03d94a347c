/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The test of a provider (`octroi provider test`): one connection of its own through the same
 * states as every other, up to READY and QUIT, with a finding for each state it leaves. It listens
 * in where the states change; it decides nothing, and what it reports never holds a secret: of AUTH
 * it tells the codes alone.
 */
#include "adapters/smtp/smtp.h"

#include "base/clock.h"
#include "base/str.h"

#include <arpa/inet.h>
#include <event2/bufferevent_ssl.h>
#include <netdb.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct smtp_trial {
    struct loop_task begin;
    struct smtp_port *port; /* borrowed */
    provider_finding_fn *report;
    void *arg;
    int64_t since; /* clock_monotonic: when the state was entered */
    bool over;     /* what is still to come is the closing */
    bool works;
    char heard[200];
    char certificate[600]; /* subject, issuer, expiry */
    char unverified[120];  /* "" when it was verified */
};

static void find(struct smtp_trial *trial, const char *step, bool ok, const char *detail)
{
    int64_t now = clock_monotonic();
    const struct provider_finding finding = {
        .step = step, .ok = ok, .took = now - trial->since, .detail = detail};
    trial->report(trial->arg, &finding);
    trial->since = clock_monotonic();
}

/* ---- what is worth telling of each state ---- */

static void add_address(struct strbuf *out, const struct addrinfo *address)
{
    char text[NI_MAXHOST] = "?";
    (void)getnameinfo(address->ai_addr, address->ai_addrlen, text, sizeof(text), NULL, 0,
                      NI_NUMERICHOST);
    strbuf_add_str(out, text);
}

static void describe_offer(const struct smtp_connection *connection, struct strbuf *out)
{
    const char *separator = "";
    for (const struct capability_name *known = capability_names; known->name != NULL; known++) {
        if ((connection->offer.bits & known->bit) == 0)
            continue;
        strbuf_add_format(out, "%s%s", separator, known->name);
        if (known->bit == CAPABILITY_SIZE && connection->offer.max_size > 0)
            strbuf_add_format(out, " %llu", (unsigned long long)connection->offer.max_size);
        separator = ", ";
    }
    if (connection->offer.auth_plain || connection->offer.auth_login)
        strbuf_add_format(out, "%sAUTH%s%s", separator,
                          connection->offer.auth_plain ? " PLAIN" : "",
                          connection->offer.auth_login ? " LOGIN" : "");
    if (out->length == 0)
        strbuf_add_str(out, "no extensions");
}

static void describe_tls(const struct smtp_connection *connection, struct strbuf *out)
{
    const struct smtp_trial *trial = connection->trial;
    SSL *ssl = bufferevent_openssl_get_ssl(connection->bev);
    if (ssl != NULL)
        strbuf_add_format(out, "%s %s; ", SSL_get_version(ssl), SSL_get_cipher_name(ssl));
    strbuf_add_str(out, trial->certificate);
    if (trial->unverified[0] == '\0')
        strbuf_add_str(out, "; verified");
    else
        strbuf_add_format(out, "; NOT verified, and tls_verify does not ask for it: %s",
                          trial->unverified);
}

static void describe(const struct smtp_connection *connection, struct strbuf *out)
{
    switch (connection->state) {
    case SMTP_RESOLVING:
        for (const struct addrinfo *each = connection->addresses; each != NULL;
             each = each->ai_next) {
            add_address(out, each);
            if (each->ai_next != NULL)
                strbuf_add_str(out, ", ");
        }
        break;
    case SMTP_CONNECTING:
        add_address(out, connection->address);
        strbuf_add_format(out, " port %u", smtp_config(connection->port)->port);
        break;
    case SMTP_HANDSHAKE:
        describe_tls(connection, out);
        break;
    case SMTP_EHLO:
        describe_offer(connection, out);
        break;
    default:
        strbuf_add_str(out, connection->trial->heard);
        break;
    }
}

static void describe_loss(const struct smtp_connection *connection, const struct error *why,
                          struct strbuf *out)
{
    strbuf_add_str(out, why->text);
    if (connection->state == SMTP_HANDSHAKE && connection->trial->certificate[0] != '\0')
        strbuf_add_format(out, "; %s", connection->trial->certificate);
}

/* ---- listening in ---- */

void smtp_trial_step(struct smtp_connection *connection, enum smtp_state to,
                     const struct error *why)
{
    static const char *const steps[SMTP_STATE_COUNT] = {
        [SMTP_RESOLVING] = "resolve", [SMTP_CONNECTING] = "connect", [SMTP_HANDSHAKE] = "tls",
        [SMTP_GREETING] = "greeting", [SMTP_EHLO] = "ehlo",          [SMTP_STARTTLS] = "starttls",
        [SMTP_AUTH] = "auth",         [SMTP_QUIT] = "quit",
    };
    struct smtp_trial *trial = connection->trial;
    const char *step = steps[connection->state];
    if (trial->over || step == NULL)
        return;
    struct strbuf detail = {0};
    bool lost = to == SMTP_CLOSED && connection->state != SMTP_QUIT;
    if (lost && why != NULL)
        describe_loss(connection, why, &detail);
    else if (connection->state != SMTP_QUIT)
        describe(connection, &detail);
    find(trial, step, !lost, detail.data != NULL ? detail.data : "");
    strbuf_free(&detail);
    trial->heard[0] = '\0';
    trial->works = to == SMTP_READY || (trial->works && !lost);
    trial->over = to == SMTP_CLOSED;
}

void smtp_trial_heard(struct smtp_connection *connection, const struct mail_reply *reply)
{
    struct smtp_trial *trial = connection->trial;
    if (trial == NULL)
        return;
    /* A server may repeat in its text what it was given. */
    bool secret = connection->state == SMTP_AUTH;
    snprintf(trial->heard, sizeof(trial->heard), "%d %.*s", reply->code,
             secret ? 0 : (int)strcspn(reply->text, "\n"), reply->text);
}

static void describe_certificate(X509 *certificate, char *out, size_t size)
{
    BIO *text = BIO_new(BIO_s_mem());
    struct tm expiry = {0};
    char day[32] = "?";
    if (text == NULL)
        return;
    if (ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &expiry) == 1)
        strftime(day, sizeof(day), "%Y-%m-%d", &expiry);
    BIO_puts(text, "certificate of ");
    X509_NAME_print_ex(text, X509_get_subject_name(certificate), 0, XN_FLAG_RFC2253);
    BIO_puts(text, ", issued by ");
    X509_NAME_print_ex(text, X509_get_issuer_name(certificate), 0, XN_FLAG_RFC2253);
    BIO_printf(text, ", expires %s", day);
    char *bytes = NULL;
    long length = BIO_get_mem_data(text, &bytes);
    snprintf(out, size, "%.*s", (int)length, bytes);
    BIO_free(text);
}

static int on_verify(int verified, X509_STORE_CTX *store)
{
    const SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
    struct smtp_trial *trial = SSL_get_app_data(ssl);
    X509 *certificate = X509_STORE_CTX_get0_cert(store);
    if (certificate != NULL)
        describe_certificate(certificate, trial->certificate, sizeof(trial->certificate));
    if (!verified)
        str_copy(trial->unverified, sizeof(trial->unverified),
                 X509_verify_cert_error_string(X509_STORE_CTX_get_error(store)));
    return verified;
}

void smtp_trial_watch_tls(struct smtp_connection *connection, SSL *ssl)
{
    const struct provider_config *config = smtp_config(connection->port);
    const char *name = config->tls_name != NULL ? config->tls_name : config->host;
    unsigned char address[16];
    connection->trial->certificate[0] = connection->trial->unverified[0] = '\0';
    /* Where verification is not asked for, what it would have said is still worth telling. */
    if (!config->tls_verify) {
        bool numeric =
            inet_pton(AF_INET, name, address) == 1 || inet_pton(AF_INET6, name, address) == 1;
        X509_VERIFY_PARAM *param = SSL_get0_param(ssl);
        (void)(numeric ? X509_VERIFY_PARAM_set1_ip_asc(param, name)
                       : X509_VERIFY_PARAM_set1_host(param, name, 0));
    }
    SSL_set_app_data(ssl, connection->trial);
    SSL_set_verify(ssl, SSL_get_verify_mode(ssl), on_verify);
}

/* ---- beginning and end ---- */

static void finish(struct smtp_trial *trial)
{
    provider_finding_fn *report = trial->report;
    void *arg = trial->arg;
    const struct provider_finding end = {.ok = trial->works, .detail = ""};
    free(trial);
    report(arg, &end);
}

void smtp_trial_end(struct smtp_connection *connection)
{
    struct smtp_trial *trial = connection->trial;
    connection->trial = NULL;
    if (trial != NULL)
        finish(trial);
}

static void run_begin(struct loop_task *task)
{
    struct smtp_trial *trial = CONTAINER_OF(task, struct smtp_trial, begin);
    struct smtp_port *port = trial->port;
    struct smtp_connection *connection = NULL;
    if (smtp_places_reserve(port)) {
        connection = smtp_connection_open(port);
        if (connection == NULL)
            smtp_places_release(port);
    }
    trial->since = clock_monotonic();
    if (connection == NULL) {
        find(trial, "connect", false, "no connection can be made now");
        finish(trial);
        return;
    }
    connection->trial = trial;
    smtp_dial(connection);
}

void smtp_trial_begin(struct provider_port *port, provider_finding_fn *report, void *arg)
{
    struct smtp_trial *trial = calloc(1, sizeof(*trial));
    if (trial == NULL) {
        const struct provider_finding end = {.detail = "out of memory"};
        report(arg, &end);
        return;
    }
    trial->port = (struct smtp_port *)port;
    trial->report = report;
    trial->arg = arg;
    trial->begin.run = run_begin;
    loop_defer(port->loop, &trial->begin);
}
