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

#include <event2/bufferevent_ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct smtp_trial {
    struct loop_task begin;
    struct smtp_port *port; /* borrowed */
    provider_finding_fn *report;
    void *arg;
    int64_t since; /* clock_monotonic: when the state was entered */
    bool over;     /* what is still to come is the closing */
    bool works;
    char heard[200];
    struct certificate_seen certificate;
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

static void describe(const struct smtp_connection *connection, struct strbuf *out)
{
    switch (connection->state) {
    case SMTP_RESOLVING:
        dial_describe(connection->dial.addresses, true, out);
        break;
    case SMTP_CONNECTING:
        dial_describe(connection->dial.address, false, out);
        strbuf_add_format(out, " port %u", smtp_config(connection->port)->port);
        break;
    case SMTP_HANDSHAKE:
        certificate_describe(&connection->trial->certificate,
                             bufferevent_openssl_get_ssl(connection->bev), out);
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
    if (connection->state == SMTP_HANDSHAKE && connection->trial->certificate.text[0] != '\0')
        strbuf_add_format(out, "; %s", connection->trial->certificate.text);
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

struct certificate_seen *smtp_trial_certificate(const struct smtp_connection *connection)
{
    return &connection->trial->certificate;
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
    smtp_connection_dial(connection);
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
