/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The trial provider: takes every message and puts it into a Maildir, byte for byte, below the
 * envelope it came with (Return-Path, and X-Octroi-Recipient once a recipient). A message is
 * accepted once it is synced under new/. It holds clear addresses by its nature, so it is not for
 * real mail. Files are written on the loop, a block at a time.
 */
#include "adapters/internal.h"
#include "adapters/smtp/reply.h"
#include "base/clock.h"
#include "base/crypto.h"
#include "base/file.h"
#include "base/log.h"
#include "base/str.h"

#include <errno.h>
#include <event2/buffer.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CAPTURE_RECIPIENTS 100
#define BLOCK_SIZE         (16 * 1024)

struct pending_answer {
    struct pending_answer *next;
    unsigned index;
    bool taken;
};

struct capture_transaction {
    struct mail_transaction base; /* first */
    struct provider_port *port;   /* borrowed */
    struct loop_task step;
    bool step_queued;
    struct strbuf envelope;         /* the header lines to put first; owned */
    struct pending_answer *answers; /* not yet given, oldest first; owned */
    struct pending_answer **last_answer;
    unsigned n_taken;
    bool line_start; /* the next byte begins a line: a dot there was stuffed */
    char name[80];   /* the file's, "" until it was made */
    int fd;          /* owned; -1: none */
    bool finish_given;
    bool ended;
    bool lost;   /* a recipient found no memory: nobody can be answered any more */
    bool failed; /* why says how; the message is refused at its end */
    struct error why;
};

static struct capture_transaction *of(const struct mail_transaction *transaction)
{
    return (struct capture_transaction *)transaction;
}

static void kick(struct capture_transaction *capture)
{
    if (capture->step_queued)
        return;
    capture->step_queued = true;
    loop_defer(capture->port->loop, &capture->step);
}

static const char *directory_of(const struct capture_transaction *capture)
{
    return capture->port->provider->config->directory;
}

/* "DIRECTORY/FOLDER/NAME", owned by the caller; NULL when memory is short. */
static char *path_of(const struct capture_transaction *capture, const char *folder)
{
    struct strbuf path = {0};
    strbuf_add_format(&path, "%s/%s/%s", directory_of(capture), folder, capture->name);
    return strbuf_take(&path);
}

static void fail(struct capture_transaction *capture, int failed, const char *what)
{
    if (capture->failed)
        return;
    capture->failed = true;
    error_errno(&capture->why, RESULT_SYSTEM, failed, "provider %s: cannot %s",
                capture->port->provider->config->name, what);
}

/* ---- the file ---- */

static void write_bytes(struct capture_transaction *capture, const char *bytes, size_t length)
{
    while (length > 0 && !capture->failed) {
        ssize_t wrote = write(capture->fd, bytes, length);
        if (wrote < 0 && errno == EINTR)
            continue;
        if (wrote < 0) {
            fail(capture, errno, "write the message");
            return;
        }
        bytes += wrote;
        length -= (size_t)wrote;
    }
}

/* Maildir's unique name: time, something random, the host. */
static void open_file(struct capture_transaction *capture)
{
    uint8_t noise[8];
    char hex[2 * sizeof(noise) + 1];
    if (!random_bytes(noise, sizeof(noise))) {
        fail(capture, EIO, "make a name for the message");
        return;
    }
    hex_encode(noise, sizeof(noise), hex);
    int64_t now = clock_now();
    snprintf(capture->name, sizeof(capture->name), "%lld.M%06lldP%ldR%s.octroi",
             (long long)(now / CLOCK_SECOND), (long long)(now % CLOCK_SECOND), (long)getpid(), hex);
    char *path = path_of(capture, "tmp");
    if (path == NULL) {
        fail(capture, ENOMEM, "create the message");
        return;
    }
    capture->fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0640);
    if (capture->fd < 0) {
        fail(capture, errno, "create the message");
        capture->name[0] = '\0';
    } else if (capture->envelope.failed) {
        fail(capture, ENOMEM, "write the message");
    } else {
        write_bytes(capture, capture->envelope.data, capture->envelope.length);
    }
    free(path);
}

/* block: wire form; the first dot of a line was put there for the wire (RFC 5321, 4.5.2). */
static void write_unstuffed(struct capture_transaction *capture, const char *block, size_t length)
{
    const char *end = block + length;
    while (block < end && !capture->failed) {
        if (capture->line_start && *block == '.') {
            block++;
            capture->line_start = false;
            continue;
        }
        const char *newline = memchr(block, '\n', (size_t)(end - block));
        const char *until = newline != NULL ? newline + 1 : end;
        /* Lines that need no change are written together. */
        while (newline != NULL && until < end && *until != '.') {
            newline = memchr(until, '\n', (size_t)(end - until));
            until = newline != NULL ? newline + 1 : end;
        }
        write_bytes(capture, block, (size_t)(until - block));
        capture->line_start = newline != NULL;
        block = until;
    }
}

static void discard_file(struct capture_transaction *capture)
{
    if (capture->fd >= 0)
        close(capture->fd);
    capture->fd = -1;
    char *path = capture->name[0] != '\0' ? path_of(capture, "tmp") : NULL;
    if (path != NULL)
        unlink(path);
    free(path);
    capture->name[0] = '\0';
}

/* Synced, then shown under new/. */
static void deliver(struct capture_transaction *capture)
{
    if (fsync(capture->fd) != 0)
        fail(capture, errno, "sync the message");
    if (close(capture->fd) != 0)
        fail(capture, errno, "close the message");
    capture->fd = -1;
    char *from = path_of(capture, "tmp");
    char *to = path_of(capture, "new");
    char *folder = file_join(directory_of(capture), "new");
    struct error err;
    if (from == NULL || to == NULL || folder == NULL)
        fail(capture, ENOMEM, "deliver the message");
    else if (!capture->failed && rename(from, to) != 0)
        fail(capture, errno, "deliver the message");
    if (!capture->failed && to != NULL && folder != NULL &&
        file_sync_folder(folder, &err) != RESULT_OK) {
        /* A refused message must not be found there later. */
        unlink(to);
        capture->failed = true;
        capture->why = err;
    }
    free(from);
    free(to);
    free(folder);
}

/* ---- the deferred step: every callback comes from here ---- */

static void capture_free(struct capture_transaction *capture)
{
    discard_file(capture);
    while (capture->answers != NULL) {
        struct pending_answer *answer = capture->answers;
        capture->answers = answer->next;
        free(answer);
    }
    strbuf_free(&capture->envelope);
    provider_unref(&capture->base.provider);
    free(capture);
}

static void answer_recipients(struct capture_transaction *capture)
{
    while (capture->answers != NULL && !capture->ended) {
        struct pending_answer *answer = capture->answers;
        struct mail_reply reply;
        unsigned index = answer->index;
        if (answer->taken)
            reply_format(&reply, 250, "2.1.5 Ok");
        else
            reply_format(&reply, 452, "4.5.3 too many recipients");
        capture->answers = answer->next;
        if (capture->answers == NULL)
            capture->last_answer = &capture->answers;
        free(answer);
        capture->base.handler->on_recipient(capture->base.session, index, &reply);
    }
}

static void end(struct capture_transaction *capture)
{
    capture->ended = true;
    kick(capture);
}

static void complete(struct capture_transaction *capture)
{
    struct provider *provider = capture->port->provider;
    struct mail_reply reply;
    char queue_id[sizeof(capture->name)];
    if (!capture->failed)
        deliver(capture);
    str_copy(queue_id, sizeof(queue_id), capture->name);
    end(capture);
    if (!capture->failed) {
        capture->name[0] = '\0'; /* it is not under tmp/ any more */
        provider_count(provider, OUTCOME_ACCEPTED);
        reply_format(&reply, 250, "2.0.0 Ok: queued as %s", queue_id);
        capture->base.handler->on_finished(capture->base.session, OUTCOME_ACCEPTED, &reply,
                                           queue_id);
        return;
    }
    log_event(LOG_LEVEL_ERROR, "capture failed", LOG_TEXT("error", capture->why.text));
    provider_count(provider, OUTCOME_REFUSED);
    provider_attempt_failed(provider, &capture->why);
    reply_format(&reply, 451, "4.3.0 the message could not be stored");
    capture->base.handler->on_finished(capture->base.session, OUTCOME_REFUSED, &reply, NULL);
}

static void run_step(struct loop_task *task)
{
    struct capture_transaction *capture = CONTAINER_OF(task, struct capture_transaction, step);
    capture->step_queued = false;
    if (capture->ended) {
        capture_free(capture);
        return;
    }
    answer_recipients(capture);
    if (!capture->ended && capture->lost) {
        struct error why;
        error_no_memory(&why);
        provider_count_failed(capture->port->provider, &why);
        end(capture);
        capture->base.handler->on_failed(capture->base.session, true, &why);
    } else if (!capture->ended && capture->finish_given)
        complete(capture);
}

/* ---- what the session calls ---- */

static struct mail_transaction *
capture_begin(struct provider_port *port, const struct mail_envelope *envelope, struct error *err)
{
    struct capture_transaction *capture = calloc(1, sizeof(*capture));
    if (capture == NULL) {
        error_no_memory(err);
        return NULL;
    }
    capture->port = port;
    capture->fd = -1;
    capture->line_start = true;
    capture->last_answer = &capture->answers;
    capture->step.run = run_step;
    strbuf_add_format(&capture->envelope, "Return-Path: <%s>\r\n", envelope->sender);
    return &capture->base;
}

static void capture_recipient(struct mail_transaction *base, unsigned index,
                              const struct mail_rcpt *rcpt)
{
    struct capture_transaction *capture = of(base);
    if (capture->ended || capture->lost)
        return;
    struct pending_answer *answer = calloc(1, sizeof(*answer));
    if (answer == NULL) {
        capture->lost = true;
        kick(capture);
        return;
    }
    answer->index = index;
    answer->taken = capture->n_taken < CAPTURE_RECIPIENTS;
    *capture->last_answer = answer;
    capture->last_answer = &answer->next;
    if (answer->taken) {
        capture->n_taken++;
        strbuf_add_format(&capture->envelope, "X-Octroi-Recipient: <%s>\r\n", rcpt->address);
    }
    kick(capture);
}

static void capture_content(struct mail_transaction *base, struct evbuffer *from)
{
    struct capture_transaction *capture = of(base);
    if (!capture->ended && !capture->failed && !capture->finish_given && capture->fd < 0)
        open_file(capture);
    bool taken = !capture->ended && !capture->failed && !capture->finish_given;
    char block[BLOCK_SIZE];
    int got;
    while (taken && (got = evbuffer_remove(from, block, sizeof(block))) > 0)
        write_unstuffed(capture, block, (size_t)got);
    evbuffer_drain(from, evbuffer_get_length(from));
}

static size_t capture_pending(const struct mail_transaction *base)
{
    (void)base;
    return 0;
}

static void capture_finish(struct mail_transaction *base)
{
    struct capture_transaction *capture = of(base);
    if (capture->ended || capture->finish_given)
        return;
    if (capture->n_taken == 0)
        fail(capture, EINVAL, "take a message without a recipient");
    else if (capture->fd < 0 && !capture->failed)
        open_file(capture);
    capture->finish_given = true;
    kick(capture);
}

static void capture_abort(struct mail_transaction *base)
{
    if (!of(base)->ended)
        end(of(base));
}

/* ---- the provider's part ---- */

static enum result capture_start(struct provider *provider, struct error *err)
{
    static const char *const folders[] = {"tmp", "new", "cur"};
    const char *directory = provider->config->directory;
    enum result result = file_make_folder(directory, 0750, err);
    for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]) && result == RESULT_OK; i++) {
        char *path = file_join(directory, folders[i]);
        result = path != NULL ? file_make_folder(path, 0750, err) : error_no_memory(err);
        free(path);
    }
    provider->state.capabilities = (struct capabilities){
        .bits = CAPABILITY_KNOWN | CAPABILITY_8BITMIME | CAPABILITY_PIPELINING | CAPABILITY_SIZE};
    return result;
}

static struct provider_port *capture_port_new(void)
{
    return calloc(1, sizeof(struct provider_port));
}

static void capture_port_close(struct provider_port *port)
{
    struct provider *provider = port->provider;
    free(port);
    provider_port_gone(provider);
}

static void capture_warm(struct provider_port *port)
{
    (void)port; /* there is nothing to connect to */
}

struct capture_test {
    struct loop_task task;
    struct provider_port *port; /* borrowed */
    provider_finding_fn *report;
    void *arg;
};

/* Whether a message could be put there. */
static void run_test(struct loop_task *task)
{
    struct capture_test *test = CONTAINER_OF(task, struct capture_test, task);
    const char *directory = test->port->provider->config->directory;
    struct strbuf path = {0};
    struct error why = {.text = ""};
    int64_t begun = clock_monotonic();
    strbuf_add_format(&path, "%s/tmp/octroi-test.%ld", directory, (long)getpid());
    int fd = path.failed ? -1 : open(path.data, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0640);
    bool ok = fd >= 0 && write(fd, "test\n", 5) == 5 && fsync(fd) == 0;
    if (!ok)
        error_errno(&why, RESULT_SYSTEM, path.failed ? ENOMEM : errno, "cannot write in %s",
                    directory);
    if (fd >= 0) {
        close(fd);
        unlink(path.data);
    }
    strbuf_free(&path);
    const struct provider_finding finding = {.step = "directory",
                                             .ok = ok,
                                             .took = clock_monotonic() - begun,
                                             .detail = ok ? directory : why.text};
    const struct provider_finding end = {.ok = ok, .detail = ""};
    test->report(test->arg, &finding);
    test->report(test->arg, &end);
    free(test);
}

static void capture_test(struct provider_port *port, provider_finding_fn *report, void *arg)
{
    struct capture_test *test = calloc(1, sizeof(*test));
    if (test == NULL) {
        const struct provider_finding end = {.detail = "out of memory"};
        report(arg, &end);
        return;
    }
    *test = (struct capture_test){.task.run = run_test, .port = port, .report = report, .arg = arg};
    loop_defer(port->loop, &test->task);
}

const struct mail_ops capture_ops = {
    .max_recipients = CAPTURE_RECIPIENTS,
    .start = capture_start,
    .port_new = capture_port_new,
    .port_close = capture_port_close,
    .warm = capture_warm,
    .test = capture_test,
    .begin = capture_begin,
    .recipient = capture_recipient,
    .content = capture_content,
    .pending = capture_pending,
    .finish = capture_finish,
    .abort = capture_abort,
};
