/* SPDX-License-Identifier: Apache-2.0 */
/* The door of adapter.h: hands each call to the adapter that the provider was configured with. */
#include "adapters/internal.h"
#include "base/clock.h"

struct mail_transaction *mail_begin(struct provider *provider, struct loop *loop,
                                    const struct mail_envelope *envelope,
                                    const struct mail_handler *handler, void *session,
                                    struct error *err)
{
    struct provider_port *port = provider->ports[loop_index(loop)];
    struct mail_transaction *transaction = provider->ops->begin(port, envelope, err);
    if (transaction == NULL)
        return NULL;
    transaction->ops = provider->ops;
    transaction->provider = provider_ref(provider);
    transaction->handler = handler;
    transaction->session = session;
    return transaction;
}

void mail_recipient(struct mail_transaction *transaction, unsigned index,
                    const struct mail_rcpt *rcpt)
{
    transaction->ops->recipient(transaction, index, rcpt);
}

void mail_content(struct mail_transaction *transaction, struct evbuffer *from)
{
    transaction->ops->content(transaction, from);
}

size_t mail_pending(const struct mail_transaction *transaction)
{
    return transaction->ops->pending(transaction);
}

void mail_finish(struct mail_transaction *transaction)
{
    transaction->finished_at = clock_monotonic();
    transaction->ops->finish(transaction);
}

void mail_abort(struct mail_transaction **transaction)
{
    if (*transaction == NULL)
        return;
    (*transaction)->ops->abort(*transaction);
    *transaction = NULL;
}

void provider_test(struct provider *provider, struct loop *loop, provider_finding_fn *report,
                   void *arg)
{
    provider->ops->test(provider->ports[loop_index(loop)], report, arg);
}

void provider_warm(struct provider *provider, struct loop *loop)
{
    provider->ops->warm(provider->ports[loop_index(loop)]);
}
