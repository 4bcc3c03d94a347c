/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The trial provider: takes every message and puts it into a Maildir, byte for byte, below the
 * envelope it came with (Return-Path, and X-Octroi-Recipient once a recipient). A message is
 * accepted once it is synced under new/. It holds clear addresses by its nature, so it is not for
 * real mail. The buffer helper collects the message; files are written and synced by the
 * provider's helper threads, never on a loop. SMS is capture_sms.c's.
 */
#include "adapters/buffer.h"
#include "adapters/capture_sms.h"
#include "base/clock.h"
#include "base/crypto.h"
#include "base/file.h"
#include "base/log.h"
#include "base/str.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CAPTURE_RECIPIENTS 100
#define BLOCK_SIZE         (16 * 1024)

/* Syncing is what they do; more threads than this would only queue in the kernel. */
#define HELPERS 2
/* Messages and pieces of large ones that may wait for a helper. */
#define HELPER_QUEUE 4096

/* One letter on its way into the Maildir; freed on its loop. */
struct submission {
    struct worker_job job;
    struct letter *letter; /* owned */
    struct config *owner;  /* owned reference: of these two. The provider may be gone before */
    const char *provider;  /* the loop hears of the end */
    const char *directory;
    submission_done_fn *done;
    void *arg;
    atomic_bool cancelled;
    char name[80]; /* the file's, "" when it is not under tmp/ */
    int fd;        /* owned; -1: none */
    bool delivered;
    struct submission_result result;
};

/* "DIRECTORY/FOLDER/NAME", owned by the caller; NULL when memory is short. */
static char *path_of(const struct submission *submission, const char *folder)
{
    struct strbuf path = {0};
    strbuf_add_format(&path, "%s/%s/%s", submission->directory, folder, submission->name);
    return strbuf_take(&path);
}

static bool failed(const struct submission *submission)
{
    return submission->result.why.code != RESULT_OK;
}

static void fail(struct submission *submission, int failed_with, const char *what)
{
    if (!failed(submission))
        error_errno(&submission->result.why, RESULT_SYSTEM, failed_with, "provider %s: cannot %s",
                    submission->provider, what);
}

/* ---- the file, on a helper thread ---- */

static void write_bytes(struct submission *submission, const char *bytes, size_t length)
{
    while (length > 0 && !failed(submission)) {
        ssize_t wrote = write(submission->fd, bytes, length);
        if (wrote < 0 && errno == EINTR)
            continue;
        if (wrote < 0) {
            fail(submission, errno, "write the message");
            return;
        }
        bytes += wrote;
        length -= (size_t)wrote;
    }
}

/* Maildir's unique name: time, something random, the host. */
static void open_file(struct submission *submission)
{
    uint8_t noise[8];
    char hex[2 * sizeof(noise) + 1];
    if (!random_bytes(noise, sizeof(noise))) {
        fail(submission, EIO, "make a name for the message");
        return;
    }
    hex_encode(noise, sizeof(noise), hex);
    int64_t now = clock_now();
    snprintf(submission->name, sizeof(submission->name), "%lld.M%06lldP%ldR%s.octroi",
             (long long)(now / CLOCK_SECOND), (long long)(now % CLOCK_SECOND), (long)getpid(), hex);
    char *path = path_of(submission, "tmp");
    if (path == NULL) {
        fail(submission, ENOMEM, "create the message");
        return;
    }
    submission->fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0640);
    if (submission->fd < 0) {
        fail(submission, errno, "create the message");
        submission->name[0] = '\0';
    }
    free(path);
}

static void write_letter(struct submission *submission)
{
    const struct letter *letter = submission->letter;
    struct strbuf head = {0};
    strbuf_add_format(&head, "Return-Path: <%s>\r\n", letter->sender);
    for (size_t i = 0; i < letter->n_recipients; i++)
        strbuf_add_format(&head, "X-Octroi-Recipient: <%s>\r\n", letter->recipients[i].address);
    if (head.failed)
        fail(submission, ENOMEM, "write the message");
    else
        write_bytes(submission, head.data, head.length);
    strbuf_free(&head);
    char block[BLOCK_SIZE];
    uint64_t offset = 0;
    ptrdiff_t got = 0;
    struct error why;
    while (!failed(submission) &&
           (got = letter_read(letter, offset, block, sizeof(block), &why)) > 0) {
        write_bytes(submission, block, (size_t)got);
        offset += (uint64_t)got;
    }
    if (got < 0)
        submission->result.why = why;
}

/* Synced, then shown under new/. */
static void deliver(struct submission *submission)
{
    if (fsync(submission->fd) != 0)
        fail(submission, errno, "sync the message");
    if (close(submission->fd) != 0)
        fail(submission, errno, "close the message");
    submission->fd = -1;
    char *from = path_of(submission, "tmp");
    char *to = path_of(submission, "new");
    char *folder = file_join(submission->directory, "new");
    struct error err;
    if (from == NULL || to == NULL || folder == NULL)
        fail(submission, ENOMEM, "deliver the message");
    else if (atomic_load(&submission->cancelled))
        fail(submission, ECANCELED, "deliver the message");
    else if (!failed(submission) && rename(from, to) != 0)
        fail(submission, errno, "deliver the message");
    if (!failed(submission) && to != NULL && folder != NULL &&
        file_sync_folder(folder, &err) != RESULT_OK) {
        /* A refused message must not be found there later. */
        unlink(to);
        submission->result.why = err;
    }
    submission->delivered = !failed(submission);
    free(from);
    free(to);
    free(folder);
}

static void discard_file(struct submission *submission)
{
    if (submission->fd >= 0)
        close(submission->fd);
    submission->fd = -1;
    char *path =
        submission->name[0] != '\0' && !submission->delivered ? path_of(submission, "tmp") : NULL;
    if (path != NULL)
        unlink(path);
    free(path);
}

static void deliver_work(struct worker_job *job)
{
    struct submission *submission = CONTAINER_OF(job, struct submission, job);
    struct submission_result *result = &submission->result;
    open_file(submission);
    if (!failed(submission))
        write_letter(submission);
    if (!failed(submission))
        deliver(submission);
    discard_file(submission);
    if (failed(submission)) {
        if (!atomic_load(&submission->cancelled))
            log_event(LOG_LEVEL_ERROR, "capture failed", LOG_TEXT("error", result->why.text));
        result->outcome = OUTCOME_REFUSED;
        reply_format(&result->reply, 451, "4.3.0 the message could not be stored");
        return;
    }
    result->outcome = OUTCOME_ACCEPTED;
    str_copy(result->queue_id, sizeof(result->queue_id), submission->name);
    reply_format(&result->reply, 250, "2.0.0 Ok: queued as %s", result->queue_id);
}

/* ---- on the loop ---- */

static void deliver_done(struct loop_task *task)
{
    struct submission *submission = CONTAINER_OF(task, struct submission, job.task);
    if (!atomic_load(&submission->cancelled)) {
        submission->done(submission->arg, &submission->result);
    } else if (submission->delivered) {
        /* Nobody was told that it was taken. */
        char *path = path_of(submission, "new");
        if (path != NULL)
            unlink(path);
        free(path);
    }
    letter_free(&submission->letter);
    if (submission->owner != NULL)
        config_unref(&submission->owner);
    free(submission);
}

static bool capture_ready(struct provider_port *port, struct error *err)
{
    (void)port;
    (void)err;
    return true;
}

static struct submission *capture_submit(struct provider_port *port, struct letter *letter,
                                         submission_done_fn *done, void *arg, struct error *err)
{
    struct submission *submission = calloc(1, sizeof(*submission));
    if (submission == NULL) {
        error_no_memory(err);
        letter_free(&letter);
        return NULL;
    }
    submission->letter = letter;
    submission->provider = port->provider->config->name;
    submission->directory = port->provider->config->directory;
    submission->done = done;
    submission->arg = arg;
    submission->fd = -1;
    submission->job.work = deliver_work;
    submission->job.task.run = deliver_done;
    submission->job.home = port->loop;
    if (!provider_submit(port->provider, &submission->job)) {
        error_set(err, RESULT_UNAVAILABLE, "provider %s: too many messages wait to be stored",
                  submission->provider);
        letter_free(&submission->letter);
        free(submission);
        return NULL;
    }
    if (port->provider->owner != NULL)
        submission->owner = config_ref(port->provider->owner);
    return submission;
}

static void capture_cancel(struct submission **submission)
{
    atomic_store(&(*submission)->cancelled, true);
    *submission = NULL;
}

static const struct buffer_ops buffer_ops = {
    .max_recipients = CAPTURE_RECIPIENTS,
    .ready = capture_ready,
    .submit = capture_submit,
    .cancel = capture_cancel,
};

static struct mail_transaction *
capture_begin(struct provider_port *port, const struct mail_envelope *envelope, struct error *err)
{
    return buffer_begin(port, envelope, &buffer_ops, err);
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
    if (result == RESULT_OK)
        result = capture_sms_start(provider, err);
    if (result == RESULT_OK)
        result = workers_new(HELPERS, HELPER_QUEUE, &provider->helpers, err);
    return result;
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

const struct adapter_ops capture_ops = {
    .max_recipients = CAPTURE_RECIPIENTS,
    .start = capture_start,
    .stop = capture_sms_stop,
    .helpers_touch_it = true,
    .port_new = buffer_port_new,
    .port_close = buffer_port_close,
    .warm = capture_warm,
    .test = capture_test,
    .begin = capture_begin,
    .recipient = buffer_recipient,
    .content = buffer_content,
    .pending = buffer_pending,
    .finish = buffer_finish,
    .abort = buffer_abort,
    .send = capture_sms_send,
    .abandon = capture_sms_abandon,
};
