/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The trial provider for SMS: writes each message as one JSON object into a file of its own and
 * takes it once that is synced. It holds clear numbers and texts by its nature, so it is not for
 * real messages. Files are written by the provider's helper threads, never on a loop.
 */
#include "adapters/capture_sms.h"

#include "base/clock.h"
#include "base/crypto.h"
#include "base/file.h"
#include "base/log.h"
#include "base/str.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <unistd.h>

struct capture_sms {
    struct worker_job task; /* first */
    TAILQ_ENTRY(capture_sms) entry;
    struct sms_job *job; /* owned; with it the provider stays. NULL: it was abandoned */
    char id[33];         /* and the file's name, without its ending */
    unsigned parts;
    struct error why; /* RESULT_OK: it was written */
};

TAILQ_HEAD(capture_list, capture_sms);

/* The provider's `own`. */
struct captures {
    atomic_bool abandoned;       /* nothing is written any more */
    struct capture_list lists[]; /* each its loop's: those a helper has, or had */
};

enum result capture_sms_start(struct provider *provider, struct error *err)
{
    struct captures *captures =
        calloc(1, sizeof(*captures) + provider->n_ports * sizeof(captures->lists[0]));
    if (captures == NULL)
        return error_no_memory(err);
    atomic_init(&captures->abandoned, false);
    for (unsigned i = 0; i < provider->n_ports; i++)
        TAILQ_INIT(&captures->lists[i]);
    provider->own = captures;
    return RESULT_OK;
}

void capture_sms_stop(struct provider *provider)
{
    free(provider->own);
    provider->own = NULL;
}

static struct capture_list *list_of(const struct sms_job *job)
{
    struct captures *captures = job->provider->own;
    return &captures->lists[loop_index(job->home)];
}

/* ---- the object, on a helper thread ---- */

/* The text behind the user data header, if it is one; else JSON's null. */
static json_t *decoded(const struct sms_raw *raw, enum sms_alphabet alphabet)
{
    size_t header = 0;
    if ((raw->esm_class & SMPP_ESM_UDHI) != 0)
        header = sms_header_length(raw->body.data, raw->body.length);
    size_t length = raw->body.length - header, size = 3 * length + 1;
    char *text = malloc(size);
    if (text == NULL)
        return NULL;
    text[0] = '\0';
    bool readable = length == 0 || sms_decode(raw->data_coding, alphabet, raw->body.data + header,
                                              length, text, size);
    json_t *value = readable ? json_string(text) : json_null();
    free(text);
    return value;
}

static json_t *hex_of(struct smpp_span bytes)
{
    char *hex = malloc(2 * bytes.length + 1);
    if (hex == NULL)
        return NULL;
    hex_encode(bytes.data, bytes.length, hex);
    json_t *value = json_string(hex);
    free(hex);
    return value;
}

/* Both forms of a message have the same keys. NULL: memory is short, or a text is not UTF-8. */
static char *object_of(const struct sms_message *message, enum sms_alphabet alphabet,
                       unsigned *parts_out)
{
    const struct sms_raw *raw = message->raw;
    struct sms_shape shape = {.parts = 1};
    char at[CLOCK_TEXT];
    clock_format(clock_now(), at);
    if (raw == NULL && !sms_measure(message->text, alphabet, &shape))
        return NULL;
    *parts_out = shape.parts;
    json_t *text = raw != NULL ? decoded(raw, alphabet) : json_string(message->text);
    json_t *body = raw != NULL ? hex_of(raw->body) : json_null();
    /* A value that could not be made fails the whole. */
    json_t *object = json_pack("{s:s, s:s, s:o, s:i, s:o, s:s, s:b, s:s}", "to", message->to,
                               "sender", message->sender, "text", text, "data_coding",
                               raw != NULL ? raw->data_coding : shape.data_coding, "body_hex", body,
                               "reference", message->reference != NULL ? message->reference : "",
                               "report", message->report, "at", at);
    char *line = object != NULL ? json_dumps(object, JSON_COMPACT) : NULL;
    json_decref(object);
    return line;
}

/* The folder comes with its first message: who captures mail alone has a plain Maildir. */
static void write_file(struct capture_sms *capture)
{
    const struct provider_config *config = capture->job->provider->config;
    struct error *why = &capture->why;
    char *line = object_of(&capture->job->message, config->alphabet, &capture->parts);
    char *folder = file_join(config->directory, "sms");
    struct strbuf path = {0};
    strbuf_add_format(&path, "%s/%s.json", folder != NULL ? folder : "", capture->id);
    if (line == NULL || folder == NULL || path.failed) {
        error_set(why, RESULT_SYSTEM, "the message cannot be written");
    } else if (file_make_folder(folder, 0750, why) == RESULT_OK) {
        why->code = file_replace(path.data, 0640, line, strlen(line), why);
        /* What was not taken must not be found there later. */
        if (why->code != RESULT_OK)
            unlink(path.data);
    }
    if (why->code != RESULT_OK)
        error_prefix(why, "provider %s", config->name);
    free(line);
    free(folder);
    strbuf_free(&path);
}

static void work(struct worker_job *task)
{
    struct capture_sms *capture = (struct capture_sms *)task;
    uint8_t noise[8];
    char hex[2 * sizeof(noise) + 1];
    const struct captures *captures = capture->job->provider->own;
    if (atomic_load(&captures->abandoned)) {
        error_set(&capture->why, RESULT_UNAVAILABLE, "the gateway ended");
        return;
    }
    if (!random_bytes(noise, sizeof(noise))) {
        error_set(&capture->why, RESULT_SYSTEM, "no random bytes for a name");
        return;
    }
    /* In the order of their time, as ls shows them. */
    hex_encode(noise, sizeof(noise), hex);
    snprintf(capture->id, sizeof(capture->id), "%015llx%s", (unsigned long long)clock_now(), hex);
    write_file(capture);
}

/* ---- on the loop ---- */

static void tell(struct capture_sms *capture)
{
    bool taken = capture->why.code == RESULT_OK;
    TAILQ_REMOVE(list_of(capture->job), capture, entry);
    if (!taken && capture->why.code != RESULT_UNAVAILABLE)
        log_event(LOG_LEVEL_ERROR, "capture failed", LOG_TEXT("error", capture->why.text));
    const struct sms_answer answer = {
        .outcome = taken ? OUTCOME_ACCEPTED : OUTCOME_NONE,
        .id = taken ? capture->id : "",
        .parts = taken ? capture->parts : 0,
        .text = taken ? "written to a file" : capture->why.text,
    };
    sms_job_answer(&capture->job, &answer);
}

static void done(struct loop_task *task)
{
    struct capture_sms *capture = CONTAINER_OF(task, struct capture_sms, task.task);
    if (capture->job != NULL)
        tell(capture);
    free(capture);
}

static void not_taken(struct loop_task *task)
{
    struct sms_job *job = CONTAINER_OF(task, struct sms_job, task);
    const struct sms_answer answer = {
        .outcome = OUTCOME_NONE, .id = "", .text = "too many messages wait to be stored"};
    sms_job_answer(&job, &answer);
}

void capture_sms_send(struct provider_port *port, struct sms_job *job)
{
    struct capture_sms *capture = calloc(1, sizeof(*capture));
    if (capture != NULL) {
        capture->job = job;
        capture->task.work = work;
        capture->task.task.run = done;
        capture->task.home = job->home;
        TAILQ_INSERT_TAIL(list_of(job), capture, entry);
        if (provider_submit(port->provider, &capture->task))
            return;
        TAILQ_REMOVE(list_of(job), capture, entry);
        free(capture);
    }
    job->task.run = not_taken;
    loop_defer(job->home, &job->task);
}

void capture_sms_abandon(struct provider_port *port)
{
    struct captures *captures = port->provider->own;
    struct capture_list *list = &captures->lists[loop_index(port->loop)];
    struct capture_sms *capture;
    atomic_store(&captures->abandoned, true);
    if (TAILQ_EMPTY(list))
        return;
    workers_settle(port->provider->helpers);
    /* Their tasks are in this loop's mailbox, which frees them. */
    while ((capture = TAILQ_FIRST(list)) != NULL)
        tell(capture);
}
