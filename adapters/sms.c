/* SPDX-License-Identifier: Apache-2.0 */
/* The door of sms.h: copies each message into one piece of memory that goes with it, wherever the
 * adapter takes it, and hands it to the adapter the provider was configured with. */
#include "adapters/sms.h"

#include "adapters/internal.h"
#include "base/clock.h"
#include "base/str.h"

#include <stdlib.h>

struct sms_job *sms_job_new(struct provider *provider, struct loop *home,
                            const struct sms_message *message)
{
    struct sms_job *job = calloc(1, sizeof(*job) + sms_message_room(message));
    if (job == NULL)
        return NULL;
    job->provider = provider_ref(provider);
    job->home = home;
    job->given_at = clock_monotonic();
    sms_message_keep(message, (char *)(job + 1), &job->message, &job->raw);
    return job;
}

/* ---- answers ---- */

static void count(struct provider *provider, const struct sms_answer *answer)
{
    struct error why = {.code = RESULT_UNAVAILABLE};
    if (answer->outcome != OUTCOME_NONE) {
        provider_count(provider, answer->outcome);
        return;
    }
    str_copy(why.text, sizeof(why.text), answer->text);
    provider_count_failed(provider, &why);
}

void sms_job_answer(struct sms_job **job_pointer, const struct sms_answer *answer)
{
    struct sms_job *job = *job_pointer;
    *job_pointer = NULL;
    count(job->provider, answer);
    provider_note_answer(job->provider, answer->outcome, job->given_at);
    job->answer(job->owner, job->ticket, answer);
    provider_unref(&job->provider);
    free(job);
}

/* An answer on its way to another loop. */
struct sent_answer {
    struct loop_task task;
    struct sms_job *job; /* owned */
    struct sms_answer answer;
    char id[SMPP_ID_MAX];
    char text[REPLY_TEXT_MAX];
};

static void run_answer(struct loop_task *task)
{
    struct sent_answer *sent = CONTAINER_OF(task, struct sent_answer, task);
    sms_job_answer(&sent->job, &sent->answer);
    free(sent);
}

/* Memory was too short to carry what was said: all that is left is whether it may have the message.
 */
static void run_bare(struct loop_task *task)
{
    struct sms_job *job = CONTAINER_OF(task, struct sms_job, task);
    const struct sms_answer answer = {
        .outcome = OUTCOME_UNKNOWN, .id = "", .text = "out of memory, the answer was lost"};
    sms_job_answer(&job, &answer);
}

void sms_job_answer_from(struct sms_job **job_pointer, const struct sms_answer *answer)
{
    struct sms_job *job = *job_pointer;
    *job_pointer = NULL;
    struct sent_answer *sent = calloc(1, sizeof(*sent));
    if (sent == NULL) {
        job->task.run = run_bare;
        loop_post(job->home, &job->task);
        return;
    }
    sent->task.run = run_answer;
    sent->job = job;
    sent->answer = *answer;
    str_copy(sent->id, sizeof(sent->id), answer->id != NULL ? answer->id : "");
    str_copy(sent->text, sizeof(sent->text), answer->text);
    sent->answer.id = sent->id;
    sent->answer.text = sent->text;
    loop_post(job->home, &sent->task);
}

/* ---- the door ---- */

/* What could not even be begun, told once the caller has returned. */
struct unsent {
    struct loop_task task;
    sms_answer_fn *answer;
    void *owner;
    struct ticket ticket;
};

static void run_unsent(struct loop_task *task)
{
    struct unsent *unsent = CONTAINER_OF(task, struct unsent, task);
    const struct sms_answer answer = {.outcome = OUTCOME_NONE, .id = "", .text = "out of memory"};
    unsent->answer(unsent->owner, unsent->ticket, &answer);
    free(unsent);
}

void sms_send(struct provider *provider, struct loop *loop, const struct sms_message *message,
              sms_answer_fn *answer, void *owner, struct ticket ticket)
{
    struct sms_job *job = sms_job_new(provider, loop, message);
    if (job != NULL) {
        job->answer = answer;
        job->owner = owner;
        job->ticket = ticket;
        provider->ops->send(provider->ports[loop_index(loop)], job);
        return;
    }
    struct unsent *unsent = calloc(1, sizeof(*unsent));
    if (unsent == NULL) {
        /* Not even that: at once is all there is left, and who asked holds nothing it could lose.
         */
        const struct sms_answer none = {.outcome = OUTCOME_NONE, .id = "", .text = "out of memory"};
        answer(owner, ticket, &none);
        return;
    }
    *unsent =
        (struct unsent){.task.run = run_unsent, .answer = answer, .owner = owner, .ticket = ticket};
    loop_defer(loop, &unsent->task);
}

/* ---- the end ---- */

/* On another loop than the one that began it. */
static void run_abandon(struct loop_task *task)
{
    struct provider_port *port = CONTAINER_OF(task, struct provider_port, abandon);
    struct provider *provider = port->provider;
    provider->ops->abandon(port);
    provider_unref(&provider);
}

void sms_abandon(struct provider *provider, struct loop *loop)
{
    struct provider_port *here = provider->ports[loop_index(loop)];
    if (provider->ops->abandon == NULL)
        return;
    /* What is answered here may give back the last reference. */
    (void)provider_ref(provider);
    bool first = !atomic_exchange(&provider->abandoned, true);
    provider->ops->abandon(here);
    for (unsigned i = 0; first && i < provider->n_ports; i++) {
        struct provider_port *port = provider->ports[i];
        if (port == here)
            continue;
        (void)provider_ref(provider);
        port->abandon.run = run_abandon;
        loop_post(port->loop, &port->abandon);
    }
    provider_unref(&provider);
}

void provider_set_sink(struct provider *provider, const struct sms_sink *sink)
{
    provider->sink = sink;
}

void sms_hooked(struct provider *provider, struct loop *loop, const struct sms_hook *hook,
                sms_hooked_fn *answer, void *owner, struct ticket ticket)
{
    struct provider_port *port = provider->ports[loop_index(loop)];
    if (provider->ops->hook == NULL) {
        answer(owner, ticket, 404, "text/plain", "This provider has no webhooks.\n");
        return;
    }
    provider->ops->hook(port, hook, answer, owner, ticket);
}
