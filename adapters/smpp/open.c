/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How a link comes to be bound, and when it is tried again: the provider's breaker says when nobody
 * is tried, and a bind that is refused while others stand has pauses of its own. A bind that is
 * lost is opened again whether or not messages wait.
 */
#include "adapters/smpp/smpp.h"

#include "base/crypto.h"
#include "base/log.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* A bind that was lost sooner than this counts as one that failed. */
#define STEADY (10 * CLOCK_SECOND)

static struct provider *provider_of(const struct smpp_link *link)
{
    return link->port->base.provider;
}

/* ---- opened ---- */

void smpp_link_say_bind(struct smpp_link *link)
{
    const struct provider_config *config = smpp_config(link->port);
    struct smpp_port *port = link->port;
    struct smpp_bind bind = {.version = SMPP_VERSION};
    link->asked = smpp_link_next(link);
    smpp_link_set_state(link, LINK_BINDING);
    snprintf(bind.system_id, sizeof(bind.system_id), "%s",
             config->username != NULL ? config->username : "");
    snprintf(bind.password, sizeof(bind.password), "%s",
             config->password != NULL ? config->password : "");
    snprintf(bind.system_type, sizeof(bind.system_type), "%s",
             config->system_type != NULL ? config->system_type : "");
    size_t length =
        smpp_bind_write(port->out, sizeof(port->out), link->command, link->asked, &bind);
    bool said = smpp_link_write(link, port->out, length);
    explicit_bzero(&bind, sizeof(bind));
    explicit_bzero(port->out, length);
    if (said)
        smpp_link_set_deadline(link, config->reply_timeout);
}

static void on_resolved(struct dial *dial)
{
    smpp_link_set_state(CONTAINER_OF(dial, struct smpp_link, dial), LINK_CONNECTING);
}

static void on_trying(struct dial *dial)
{
    struct smpp_link *link = CONTAINER_OF(dial, struct smpp_link, dial);
    smpp_link_set_deadline(link, smpp_config(link->port)->connect_timeout);
}

static void on_connected(struct dial *dial, int fd)
{
    struct smpp_link *link = CONTAINER_OF(dial, struct smpp_link, dial);
    const struct provider_config *config = smpp_config(link->port);
    bool tls = config->tls != TLS_NONE;
    link->bev = dial_wrap(dial, fd, tls, link->trial != NULL ? smpp_trial_certificate(link) : NULL);
    if (link->bev == NULL) {
        close(fd);
        smpp_link_fail(link, "out of memory");
        return;
    }
    if (!smpp_link_listen(link)) {
        smpp_link_fail(link, "out of memory");
        return;
    }
    if (!tls) {
        smpp_link_say_bind(link);
        return;
    }
    smpp_link_set_deadline(link, config->connect_timeout);
    smpp_link_set_state(link, LINK_HANDSHAKE);
}

static void on_dial_failed(struct dial *dial, const struct error *why)
{
    smpp_link_lost(CONTAINER_OF(dial, struct smpp_link, dial), why);
}

const struct dial_ops smpp_dial_ops = {.resolved = on_resolved,
                                       .trying = on_trying,
                                       .connected = on_connected,
                                       .failed = on_dial_failed};

/* ---- opened, and opened again ---- */

static void retry_in(struct smpp_link *link, int64_t microseconds)
{
    link->retry_at = clock_monotonic() + microseconds;
    smpp_link_arm(link);
}

void smpp_link_open(struct smpp_link *link)
{
    struct error why;
    link->retry_at = 0;
    if (link->port->abandoned)
        return;
    if (link->trial == NULL && !provider_admit(provider_of(link), false, &link->probe, &why)) {
        retry_in(link, provider_retry_in(provider_of(link)));
        return;
    }
    link->refused = false;
    link->stranger_told = false;
    link->sequence = 0;
    smpp_link_set_state(link, LINK_RESOLVING);
    smpp_link_set_deadline(link, smpp_config(link->port)->connect_timeout);
    dial_begin(&link->dial);
}

void smpp_link_hurry(struct smpp_link *link)
{
    /* One that fails by itself keeps its pauses. */
    if (link->state == LINK_DOWN && link->trial == NULL && link->failures == 0)
        smpp_link_open(link);
}

void smpp_link_bound(struct smpp_link *link)
{
    link->deadline = 0;
    link->heard_at = link->ready_at = clock_monotonic();
    link->paused_until = link->pause = 0;
    if (link->trial != NULL) {
        smpp_link_set_state(link, LINK_READY);
        smpp_link_set_state(link, LINK_CHECKING);
        (void)smpp_link_enquire(link);
        return;
    }
    bool first = !smpp_places_stand(link->port, smpp_link_sends(link));
    link->probe = false;
    provider_connected(provider_of(link));
    smpp_link_set_state(link, LINK_READY);
    log_event(LOG_LEVEL_INFO, "smpp bound", LOG_TEXT("provider", smpp_config(link->port)->name),
              LOG_TEXT("as", smpp_command_name(link->command)));
    smpp_link_arm(link);
    /* Those of other loops need not wait for their time. */
    smpp_places_wake(link->port, first);
    smpp_queue_pump(link->port);
}

static int64_t own_pause(struct smpp_link *link)
{
    uint32_t chance = 0;
    (void)random_bytes(&chance, sizeof(chance)); /* without chance all pauses are the shortest */
    if (link->failures < 32)
        link->failures++;
    return breaker_pause(link->failures - 1, chance);
}

/* It was not bound yet. While other binds that do as much stand, the provider is well and only this
 * one is not wanted. */
static int64_t attempt_failed(struct smpp_link *link, const struct error *why)
{
    struct provider *provider = provider_of(link);
    bool others = smpp_places_stand(link->port, smpp_link_sends(link));
    bool probe = link->probe;
    link->probe = false;
    if (!others || (probe && !link->refused)) {
        if (provider_unconnected(provider, probe, why))
            smpp_places_wake(link->port, true);
        return others ? own_pause(link) : provider_retry_in(provider);
    }
    if (probe) /* a refusal is an answer */
        provider_connected(provider);
    provider_attempt_failed(provider, why);
    return own_pause(link);
}

void smpp_link_reopen(struct smpp_link *link, enum link_state lost_in, const struct error *why)
{
    int64_t pause = 0;
    if (lost_in < LINK_READY) {
        pause = attempt_failed(link, why);
    } else {
        bool steady = clock_monotonic() - link->ready_at >= STEADY;
        if (steady)
            link->failures = 0;
        pause = steady ? provider_retry_in(provider_of(link)) : own_pause(link);
    }
    retry_in(link, pause);
}
