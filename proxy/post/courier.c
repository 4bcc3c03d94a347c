/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/post/courier.h"

#include <event2/buffer.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct courier {
    struct loop_task task;
    struct provider *provider; /* owned reference */
    struct loop *loop;         /* borrowed */
    struct outbox_mail mail;   /* owned */
    struct mail_transaction *transaction;
    courier_done_fn *done;
    void *arg;
    bool over;
};

static void free_courier(struct courier *courier)
{
    provider_unref(&courier->provider);
    outbox_mail_free(&courier->mail);
    free(courier);
}

static void run_free(struct loop_task *task)
{
    free_courier(CONTAINER_OF(task, struct courier, task));
}

/* The transaction is over, or is given up here. */
static void tell(struct courier *courier, bool accepted, const char *why)
{
    if (courier->over)
        return;
    courier->over = true;
    if (courier->transaction != NULL)
        mail_abort(&courier->transaction);
    courier->done(courier->arg, accepted, why);
    courier->task.run = run_free;
    loop_defer(courier->loop, &courier->task);
}

static void tell_reply(struct courier *courier, const struct mail_reply *reply)
{
    char why[REPLY_TEXT_MAX + 16];
    snprintf(why, sizeof(why), "%d %s", reply->code, reply->text);
    tell(courier, false, why);
}

static void on_recipient(void *arg, unsigned index, const struct mail_reply *reply)
{
    struct courier *courier = arg;
    (void)index;
    if (courier->over)
        return;
    if (reply->code < 200 || reply->code > 299) {
        tell_reply(courier, reply);
        return;
    }
    struct evbuffer *content = evbuffer_new();
    if (content == NULL ||
        evbuffer_add(content, courier->mail.text.data, courier->mail.text.length) != 0) {
        tell(courier, false, "out of memory");
    } else {
        mail_content(courier->transaction, content);
        mail_finish(courier->transaction);
    }
    if (content != NULL)
        evbuffer_free(content);
}

static void on_content_refused(void *arg, const struct mail_reply *reply)
{
    tell_reply(arg, reply);
}

static void on_drained(void *arg)
{
    (void)arg; /* it was given at once: OUTBOX_MAIL_MOST bounds it */
}

static void on_finished(void *arg, enum outcome outcome, const struct mail_reply *reply,
                        const char *queue_id)
{
    (void)queue_id;
    if (outcome == OUTCOME_ACCEPTED)
        tell(arg, true, "");
    else
        tell_reply(arg, reply);
}

static void on_failed(void *arg, bool nothing_said, const struct error *why)
{
    (void)nothing_said;
    tell(arg, false, why->text);
}

static void run_begin(struct loop_task *task)
{
    static const struct mail_handler handler = {
        .on_recipient = on_recipient,
        .on_content_refused = on_content_refused,
        .on_drained = on_drained,
        .on_finished = on_finished,
        .on_failed = on_failed,
    };
    struct courier *courier = CONTAINER_OF(task, struct courier, task);
    struct error err = {0};
    const struct mail_envelope envelope = {
        .sender = courier->mail.from, .ret = "", .envid = "", .size = courier->mail.text.length};
    const struct mail_rcpt rcpt = {.address = courier->mail.to, .notify = "", .orcpt = ""};
    courier->transaction =
        mail_begin(courier->provider, courier->loop, &envelope, &handler, courier, &err);
    if (courier->transaction == NULL)
        tell(courier, false, err.text);
    else
        mail_recipient(courier->transaction, 0, &rcpt);
}

struct courier *courier_send(struct provider *provider, struct loop *loop,
                             const struct outbox_mail *mail, courier_done_fn *done, void *arg)
{
    struct courier *courier = calloc(1, sizeof(*courier));
    if (courier == NULL)
        return NULL;
    courier->mail = *mail;
    courier->mail.text = (struct strbuf){0};
    strbuf_add(&courier->mail.text, mail->text.data, mail->text.length);
    if (courier->mail.text.failed) {
        outbox_mail_free(&courier->mail);
        free(courier);
        return NULL;
    }
    courier->provider = provider_ref(provider);
    courier->loop = loop;
    courier->done = done;
    courier->arg = arg;
    courier->task.run = run_begin;
    loop_post(loop, &courier->task);
    return courier;
}

void courier_end(struct courier **courier_pointer)
{
    struct courier *courier = *courier_pointer;
    if (courier == NULL)
        return;
    courier->over = true;
    if (courier->transaction != NULL)
        mail_abort(&courier->transaction);
    free_courier(courier);
    *courier_pointer = NULL;
}
