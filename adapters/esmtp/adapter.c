/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The `esmtp` adapter: libESMTP behind the buffer helper. It takes one recipient a transaction: the
 * recipient is answered before the provider has heard of it, so what the provider says of it must
 * be able to become the answer to the whole message.
 */
#include "adapters/esmtp/esmtp.h"

/* They write large messages into files, and the file of the capabilities. */
#define HELPERS      2
#define HELPER_QUEUE 4096

static const struct buffer_ops buffer_ops = {
    .max_recipients = 1,
    .ready = esmtp_ready,
    .submit = esmtp_send,
    .cancel = esmtp_cancel,
};

static struct mail_transaction *esmtp_begin(struct provider_port *port,
                                            const struct mail_envelope *envelope, struct error *err)
{
    return buffer_begin(port, envelope, &buffer_ops, err);
}

static enum result esmtp_start(struct provider *provider, struct error *err)
{
    struct esmtp_route route = {.config = provider->config};
    struct esmtp_pool *pool = NULL;
    enum result result = RESULT_OK;
    if (route.config->tls != TLS_NONE)
        result = esmtp_tls_new(route.config, &route.tls, err);
    if (result != RESULT_OK)
        return result;
    route.owner = provider->owner != NULL ? config_ref(provider->owner) : NULL;
    result = esmtp_pool_new(route, &pool, err);
    provider->own = pool;
    if (result == RESULT_OK)
        result = workers_new(HELPERS, HELPER_QUEUE, &provider->helpers, err);
    return result;
}

static void esmtp_stop(struct provider *provider)
{
    struct esmtp_pool *pool = provider->own;
    provider->own = NULL;
    if (pool != NULL)
        esmtp_pool_close(&pool);
}

static void esmtp_warm(struct provider_port *port)
{
    /* libESMTP cannot connect without a message to send. What EHLO offers is learned from the
     * first, and until then counts as absent. */
    (void)port;
}

const struct adapter_ops esmtp_ops = {
    .max_recipients = 1,
    .start = esmtp_start,
    .stop = esmtp_stop,
    .helpers_touch_it = true,
    .port_new = buffer_port_new,
    .port_close = buffer_port_close,
    .warm = esmtp_warm,
    .begin = esmtp_begin,
    .recipient = buffer_recipient,
    .content = buffer_content,
    .pending = buffer_pending,
    .finish = buffer_finish,
    .abort = buffer_abort,
};
