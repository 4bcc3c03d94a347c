/* SPDX-License-Identifier: Apache-2.0 */
#include "adapters/buffer.h"

#include "base/log.h"

#include <event2/buffer.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK_SIZE (16 * 1024)

struct pending_answer {
    struct pending_answer *next;
    unsigned index;
    bool taken;
};

enum buffer_state {
    BUFFER_OPEN,      /* recipients and content come */
    BUFFER_COMPLETE,  /* mail_finish was called; the file may still be written */
    BUFFER_SUBMITTED, /* the adapter has the letter */
    BUFFER_ENDED,     /* freed when the loop comes round and no helper needs it */
};

/* From each state, those that may follow. */
static const unsigned transitions[] = {
    [BUFFER_OPEN] = 1u << BUFFER_COMPLETE | 1u << BUFFER_ENDED,
    [BUFFER_COMPLETE] = 1u << BUFFER_SUBMITTED | 1u << BUFFER_ENDED,
    [BUFFER_SUBMITTED] = 1u << BUFFER_ENDED,
    [BUFFER_ENDED] = 0,
};

struct buffered {
    struct mail_transaction base; /* first */
    const struct buffer_ops *ops;
    struct provider_port *port; /* borrowed; not after the end: it may be gone */
    struct loop *loop;          /* borrowed */
    enum buffer_state state;
    struct loop_task step;
    bool step_queued;
    struct letter *letter;          /* owned; NULL once submitted */
    struct submission *submission;  /* the adapter's, NULL when there is none */
    struct pending_answer *answers; /* not yet given, oldest first; owned */
    struct pending_answer **last_answer;
    bool lost;        /* no recipient can be answered any more: why, with nothing said */
    bool failed;      /* why; the message is refused at its end */
    struct error why; /* of lost and failed */

    /* The content beyond LETTER_IN_MEMORY, on its way into the file. */
    struct worker_job write;
    bool writing;        /* a helper has the letter's file, and batch */
    struct strbuf batch; /* what it writes; owned */
    enum result wrote;
    struct error write_error;
    bool above; /* pending was above MAIL_PENDING_HIGH, and on_drained was not called since */
};

static struct buffered *of(const struct mail_transaction *transaction)
{
    return (struct buffered *)transaction;
}

static void enter(struct buffered *buffered, enum buffer_state state)
{
    if (buffered->state == state)
        return;
    if ((transitions[buffered->state] & 1u << state) == 0) {
        log_event(LOG_LEVEL_ERROR, "impossible transition", LOG_TEXT("machine", "buffer"),
                  LOG_NUMBER("from", buffered->state), LOG_NUMBER("to", state));
        state = BUFFER_ENDED;
    }
    buffered->state = state;
}

static void kick(struct buffered *buffered)
{
    if (buffered->step_queued)
        return;
    buffered->step_queued = true;
    loop_defer(buffered->loop, &buffered->step);
}

static void end(struct buffered *buffered)
{
    enter(buffered, BUFFER_ENDED);
    kick(buffered);
}

static void fail(struct buffered *buffered, const struct error *why)
{
    if (buffered->failed)
        return;
    buffered->failed = true;
    buffered->why = *why;
}

static void buffered_free(struct buffered *buffered)
{
    while (buffered->answers != NULL) {
        struct pending_answer *answer = buffered->answers;
        buffered->answers = answer->next;
        free(answer);
    }
    letter_free(&buffered->letter);
    strbuf_free(&buffered->batch);
    free(buffered);
}

/* ---- into the file ---- */

static size_t pending(const struct buffered *buffered)
{
    bool to_file = buffered->writing || (buffered->letter != NULL && buffered->letter->fd >= 0);
    return to_file && buffered->letter != NULL
               ? buffered->letter->memory.length + buffered->batch.length
               : 0;
}

static void write_work(struct worker_job *job)
{
    struct buffered *buffered = CONTAINER_OF(job, struct buffered, write);
    buffered->wrote = letter_write_file(buffered->letter, buffered->batch.data,
                                        buffered->batch.length, &buffered->write_error);
}

/* What is in memory goes to the file, if it must and no helper is at it already. */
static void write_more(struct buffered *buffered)
{
    struct letter *letter = buffered->letter;
    if (buffered->writing || buffered->failed || letter->memory.length == 0)
        return;
    if (letter->fd < 0 && letter->memory.length <= LETTER_IN_MEMORY)
        return;
    buffered->batch = letter->memory;
    letter->memory = (struct strbuf){0};
    if (!provider_submit(buffered->port->provider, &buffered->write)) {
        struct error why;
        error_set(&why, RESULT_UNAVAILABLE, "too many large messages are being written");
        strbuf_free(&buffered->batch);
        fail(buffered, &why);
        return;
    }
    buffered->writing = true;
}

static void write_done(struct loop_task *task)
{
    struct buffered *buffered = CONTAINER_OF(task, struct buffered, write.task);
    buffered->writing = false;
    strbuf_free(&buffered->batch);
    kick(buffered);
    if (buffered->state == BUFFER_ENDED)
        return;
    if (buffered->wrote != RESULT_OK)
        fail(buffered, &buffered->write_error);
    write_more(buffered);
    if (buffered->above && buffered->state == BUFFER_OPEN &&
        (buffered->failed || pending(buffered) < MAIL_PENDING_LOW)) {
        buffered->above = false;
        buffered->base.handler->on_drained(buffered->base.session);
    }
}

/* ---- the end ---- */

static void refuse(struct buffered *buffered)
{
    struct provider *provider = buffered->port->provider;
    struct mail_reply reply;
    log_event(LOG_LEVEL_ERROR, "message not kept", LOG_TEXT("provider", provider->config->name),
              LOG_TEXT("error", buffered->why.text));
    provider_count(provider, OUTCOME_REFUSED);
    provider_attempt_failed(provider, &buffered->why);
    reply_format(&reply, 451, "4.3.0 the message could not be stored");
    end(buffered);
    buffered->base.handler->on_finished(buffered->base.session, OUTCOME_REFUSED, &reply, NULL);
}

static void on_done(void *arg, const struct submission_result *result)
{
    struct buffered *buffered = arg;
    struct provider *provider = buffered->port->provider;
    buffered->submission = NULL;
    end(buffered);
    if (result->outcome == OUTCOME_NONE) {
        provider_count_failed(provider, &result->why);
        buffered->base.handler->on_failed(buffered->base.session, result->nothing_said,
                                          &result->why);
        return;
    }
    provider_count(provider, result->outcome);
    provider_note_answer(provider, result->outcome, buffered->base.finished_at);
    if (result->why.code != RESULT_OK)
        provider_attempt_failed(provider, &result->why);
    buffered->base.handler->on_finished(buffered->base.session, result->outcome, &result->reply,
                                        result->queue_id[0] != '\0' ? result->queue_id : NULL);
}

static void submit(struct buffered *buffered)
{
    struct letter *letter = buffered->letter;
    struct error why;
    if (letter->n_recipients == 0) {
        error_set(&why, RESULT_BAD_INPUT, "a message without a recipient");
        fail(buffered, &why);
    }
    if (letter->memory.failed) {
        error_no_memory(&why);
        fail(buffered, &why);
    }
    if (buffered->failed) {
        refuse(buffered);
        return;
    }
    buffered->letter = NULL;
    enter(buffered, BUFFER_SUBMITTED);
    buffered->submission = buffered->ops->submit(buffered->port, letter, on_done, buffered, &why);
    if (buffered->submission == NULL) {
        provider_count_failed(buffered->port->provider, &why);
        end(buffered);
        buffered->base.handler->on_failed(buffered->base.session, true, &why);
    }
}

/* ---- the deferred step: what the session is told comes from here ---- */

static void answer_recipients(struct buffered *buffered)
{
    while (buffered->answers != NULL && buffered->state != BUFFER_ENDED && !buffered->lost) {
        struct pending_answer *answer = buffered->answers;
        struct mail_reply reply;
        unsigned index = answer->index;
        if (answer->taken)
            reply_format(&reply, 250, "2.1.5 Ok");
        else
            reply_format(&reply, 452, "4.5.3 too many recipients");
        buffered->answers = answer->next;
        if (buffered->answers == NULL)
            buffered->last_answer = &buffered->answers;
        free(answer);
        buffered->base.handler->on_recipient(buffered->base.session, index, &reply);
    }
}

static void run_step(struct loop_task *task)
{
    struct buffered *buffered = CONTAINER_OF(task, struct buffered, step);
    buffered->step_queued = false;
    if (buffered->state == BUFFER_ENDED) {
        /* Before the helper is done: the last reference waits for it while the loop is there. */
        provider_unref(&buffered->base.provider);
        if (!buffered->writing) /* else write_done comes back here */
            buffered_free(buffered);
        return;
    }
    answer_recipients(buffered);
    if (buffered->state != BUFFER_ENDED && buffered->lost) {
        provider_count_failed(buffered->port->provider, &buffered->why);
        end(buffered);
        buffered->base.handler->on_failed(buffered->base.session, true, &buffered->why);
    } else if (buffered->state == BUFFER_COMPLETE && !buffered->writing) {
        submit(buffered);
    }
}

/* ---- what the session calls ---- */

struct mail_transaction *buffer_begin(struct provider_port *port,
                                      const struct mail_envelope *envelope,
                                      const struct buffer_ops *ops, struct error *err)
{
    const struct config *owner = port->provider->owner;
    struct buffered *buffered = calloc(1, sizeof(*buffered));
    if (buffered != NULL)
        buffered->letter = letter_new(envelope, owner != NULL ? owner->state_dir : NULL);
    if (buffered == NULL || buffered->letter == NULL) {
        free(buffered);
        error_no_memory(err);
        return NULL;
    }
    buffered->ops = ops;
    buffered->port = port;
    buffered->loop = port->loop;
    buffered->last_answer = &buffered->answers;
    buffered->step.run = run_step;
    buffered->write.work = write_work;
    buffered->write.task.run = write_done;
    buffered->write.home = port->loop;
    return &buffered->base;
}

static void lose(struct buffered *buffered)
{
    buffered->lost = true;
    kick(buffered);
}

void buffer_recipient(struct mail_transaction *base, unsigned index, const struct mail_rcpt *rcpt)
{
    struct buffered *buffered = of(base);
    if (buffered->state != BUFFER_OPEN || buffered->lost)
        return;
    if (buffered->letter->n_recipients == 0 &&
        !buffered->ops->ready(buffered->port, &buffered->why)) {
        lose(buffered);
        return;
    }
    struct pending_answer *answer = calloc(1, sizeof(*answer));
    bool taken = buffered->letter->n_recipients < buffered->ops->max_recipients;
    if (answer == NULL || (taken && !letter_add_recipient(buffered->letter, rcpt))) {
        free(answer);
        error_no_memory(&buffered->why);
        lose(buffered);
        return;
    }
    answer->index = index;
    answer->taken = taken;
    *buffered->last_answer = answer;
    buffered->last_answer = &answer->next;
    kick(buffered);
}

void buffer_content(struct mail_transaction *base, struct evbuffer *from)
{
    struct buffered *buffered = of(base);
    char block[BLOCK_SIZE];
    int got;
    while (buffered->state == BUFFER_OPEN && !buffered->failed && !buffered->lost &&
           (got = evbuffer_remove(from, block, sizeof(block))) > 0) {
        letter_add_wire(buffered->letter, block, (size_t)got);
        if (buffered->letter->memory.failed) {
            struct error why;
            error_no_memory(&why);
            fail(buffered, &why);
        }
        write_more(buffered);
    }
    evbuffer_drain(from, evbuffer_get_length(from));
    if (pending(buffered) > MAIL_PENDING_HIGH)
        buffered->above = true;
}

size_t buffer_pending(const struct mail_transaction *base)
{
    const struct buffered *buffered = of(base);
    return buffered->state == BUFFER_OPEN && !buffered->failed ? pending(buffered) : 0;
}

void buffer_finish(struct mail_transaction *base)
{
    struct buffered *buffered = of(base);
    if (buffered->state != BUFFER_OPEN)
        return;
    enter(buffered, BUFFER_COMPLETE);
    write_more(buffered);
    kick(buffered);
}

void buffer_abort(struct mail_transaction *base)
{
    struct buffered *buffered = of(base);
    if (buffered->state == BUFFER_ENDED)
        return;
    if (buffered->submission != NULL)
        buffered->ops->cancel(&buffered->submission);
    end(buffered);
}

/* ---- ports ---- */

struct provider_port *buffer_port_new(void)
{
    return calloc(1, sizeof(struct provider_port));
}

void buffer_port_close(struct provider_port *port)
{
    struct provider *provider = port->provider;
    free(port);
    provider_port_gone(provider);
}
