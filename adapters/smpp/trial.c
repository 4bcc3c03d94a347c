/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The test of a provider (`octroi provider test`): one link of its own through the same states as
 * every other, then enquire_link and unbind, with a finding for each state it leaves. It listens in
 * where the states change; it sends no message, and what arrives meanwhile is asked to come again.
 * Of separate binds it tries the transmitter, then the receiver.
 */
#include "adapters/smpp/smpp.h"

#include "base/str.h"

#include <event2/bufferevent_ssl.h>
#include <stdio.h>
#include <stdlib.h>

struct smpp_trial {
    struct loop_task task;  /* its begin, then its end */
    struct smpp_port *port; /* borrowed */
    struct smpp_link *link; /* owned; while it runs */
    provider_finding_fn *report;
    void *arg;
    int64_t since; /* clock_monotonic: when the state was entered */
    uint32_t next; /* what to bind as after this one; 0: nothing */
    bool over;     /* what is still to come is the closing */
    bool works;
    char heard[200];
    struct certificate_seen certificate;
};

static void find(struct smpp_trial *trial, const char *step, bool ok, const char *detail)
{
    int64_t now = clock_monotonic();
    const struct provider_finding finding = {
        .step = step, .ok = ok, .took = now - trial->since, .detail = detail};
    trial->report(trial->arg, &finding);
    trial->since = clock_monotonic();
}

/* ---- listening in ---- */

static void describe(const struct smpp_link *link, struct strbuf *out)
{
    const struct smpp_trial *trial = link->trial;
    switch (link->state) {
    case LINK_RESOLVING:
        dial_describe(link->dial.addresses, true, out);
        break;
    case LINK_CONNECTING:
        dial_describe(link->dial.address, false, out);
        strbuf_add_format(out, " port %u", smpp_config(link->port)->port);
        break;
    case LINK_HANDSHAKE:
        certificate_describe(&trial->certificate, bufferevent_openssl_get_ssl(link->bev), out);
        break;
    case LINK_BINDING:
        strbuf_add_str(out, trial->heard);
        break;
    default:
        break;
    }
}

static void describe_loss(const struct smpp_link *link, const struct error *why, struct strbuf *out)
{
    strbuf_add_str(out, why->text);
    if (link->state == LINK_HANDSHAKE && link->trial->certificate.text[0] != '\0')
        strbuf_add_format(out, "; %s", link->trial->certificate.text);
}

void smpp_trial_step(struct smpp_link *link, enum link_state to, const struct error *why)
{
    static const char *const steps[LINK_STATE_COUNT] = {
        [LINK_RESOLVING] = "resolve", [LINK_CONNECTING] = "connect", [LINK_HANDSHAKE] = "tls",
        [LINK_BINDING] = "bind",      [LINK_CHECKING] = "enquire",   [LINK_UNBINDING] = "unbind",
    };
    struct smpp_trial *trial = link->trial;
    const char *step = steps[link->state];
    struct strbuf detail = {0};
    if (trial->over || step == NULL) {
        trial->over = trial->over || to == LINK_DOWN;
        return;
    }
    /* Some close where they should answer unbind: it serves as well. */
    bool lost = to == LINK_DOWN && link->state != LINK_UNBINDING;
    if (lost && why != NULL)
        describe_loss(link, why, &detail);
    else
        describe(link, &detail);
    find(trial, step, !lost, detail.data != NULL ? detail.data : "");
    strbuf_free(&detail);
    if (link->state == LINK_CHECKING)
        trial->works = to == LINK_UNBINDING;
    trial->over = to == LINK_DOWN;
}

struct certificate_seen *smpp_trial_certificate(const struct smpp_link *link)
{
    return &link->trial->certificate;
}

void smpp_trial_heard(struct smpp_link *link, const struct smpp_response *response)
{
    struct smpp_trial *trial = link->trial;
    uint32_t version = 0;
    char says[60] = "SMPP before 3.4 (it names no version)";
    if (smpp_tlv_number(response->tlvs, SMPP_TAG_SC_INTERFACE_VERSION, &version))
        snprintf(says, sizeof(says), "SMPP %u.%u", (unsigned)(version >> 4) & 0xf,
                 (unsigned)version & 0xf);
    snprintf(trial->heard, sizeof(trial->heard), "%s; the SMSC is \"%s\", and it speaks %s",
             smpp_command_name(link->command), response->message_id, says);
}

/* ---- beginning and end ---- */

static void finish(struct smpp_trial *trial)
{
    provider_finding_fn *report = trial->report;
    void *arg = trial->arg;
    const struct provider_finding end = {.ok = trial->works, .detail = ""};
    free(trial);
    report(arg, &end);
}

static void begin(struct smpp_trial *trial, uint32_t command)
{
    trial->link = smpp_link_new(trial->port, command);
    trial->since = clock_monotonic();
    trial->over = trial->works = false;
    if (trial->link != NULL && trial->port->abandoned)
        smpp_link_free(&trial->link);
    if (trial->link == NULL) {
        find(trial, "connect", false,
             trial->port->abandoned ? "the gateway ended" : "out of memory");
        finish(trial);
        return;
    }
    trial->link->trial = trial;
    TAILQ_INSERT_TAIL(&trial->port->links, trial->link, entry);
    smpp_link_open(trial->link);
}

static void run_end(struct loop_task *task)
{
    struct smpp_trial *trial = CONTAINER_OF(task, struct smpp_trial, task);
    uint32_t next = trial->next;
    trial->next = 0;
    smpp_link_free(&trial->link);
    if (next != 0 && trial->works)
        begin(trial, next);
    else
        finish(trial);
}

void smpp_trial_end(struct smpp_link *link)
{
    struct smpp_trial *trial = link->trial;
    TAILQ_REMOVE(&link->port->links, link, entry);
    if (link->port->closing || link->port->abandoned)
        trial->next = 0;
    trial->task.run = run_end;
    loop_defer(link->port->base.loop, &trial->task);
}

static void run_begin(struct loop_task *task)
{
    struct smpp_trial *trial = CONTAINER_OF(task, struct smpp_trial, task);
    enum smpp_bind_kind binds = smpp_config(trial->port)->binds;
    trial->next = binds == SMPP_BINDS_SEPARATE ? SMPP_BIND_RECEIVER : 0;
    begin(trial, binds == SMPP_BINDS_TRANSCEIVER ? SMPP_BIND_TRANSCEIVER : SMPP_BIND_TRANSMITTER);
}

void smpp_trial_begin(struct provider_port *port, provider_finding_fn *report, void *arg)
{
    struct smpp_trial *trial = calloc(1, sizeof(*trial));
    if (trial == NULL) {
        const struct provider_finding end = {.detail = "out of memory"};
        report(arg, &end);
        return;
    }
    trial->port = (struct smpp_port *)port;
    trial->report = report;
    trial->arg = arg;
    trial->task.run = run_begin;
    loop_defer(port->loop, &trial->task);
}
