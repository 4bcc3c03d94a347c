/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/journal_link.h"

#include "base/clock.h"
#include "base/loop.h"
#include "proxy/control.h"
#include "proxy/intake.h"
#include "store/state_lock.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

_Static_assert(JOURNAL_LINK_BYTES_MAX <= INTAKE_BYTES_MAX, "a batch fits");
_Static_assert(JOURNAL_LINK_ROWS_MAX <= INTAKE_ROWS_MAX, "a batch fits");

#define PATIENCE (10 * CLOCK_SECOND)
/* A gateway under load on a slow disk still answers within this. */
#define ANSWER_S    60
#define ANSWER_MOST 600 /* bytes of a line */

struct journal_link {
    size_t sent[INTAKE_WINDOW]; /* rows of each batch not yet durable, oldest first */
    unsigned n_sent;
    uint64_t durable;

    int fd; /* owned; to the gateway, or -1: the journal is ours */
    char answer[ANSWER_MOST];
    size_t answered; /* bytes of answer that are there */

    int lock_fd;                /* owned */
    struct loop *loop;          /* owned; the journal answers there */
    struct signing_key *key;    /* owned */
    struct journal *journal;    /* owned */
    struct loop_task task;      /* of the batch in the journal */
    enum result result;         /* of it */
    bool answered_by_journal;   /* it has one */
    const char *index_path;     /* borrowed */
    const char *journal_folder; /* borrowed */
    const char *registry_path;
};

static void note_durable(struct journal_link *link)
{
    link->durable += link->sent[0];
    link->n_sent--;
    memmove(link->sent, link->sent + 1, link->n_sent * sizeof(link->sent[0]));
}

/* ---- through the gateway ---- */

static enum result cut_off(struct error *err)
{
    return error_set(err, RESULT_UNAVAILABLE, "the gateway went away while it wrote the journal");
}

static enum result send_all(int fd, const char *data, size_t length, struct error *err)
{
    while (length > 0) {
        ssize_t sent = send(fd, data, length, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
            return error_set(err, RESULT_UNAVAILABLE, "the gateway does not take rows");
        if (sent < 0)
            return cut_off(err);
        data += sent;
        length -= (size_t)sent;
    }
    return RESULT_OK;
}

/* A line of the gateway, without its LF, into line_out (ANSWER_MOST bytes). *there_out is false
 * when there is none and wait is not asked for. */
static enum result receive_line(struct journal_link *link, bool wait, char *line_out,
                                bool *there_out, struct error *err)
{
    for (;;) {
        char *end = memchr(link->answer, '\n', link->answered);
        *there_out = end != NULL;
        if (end != NULL) {
            size_t length = (size_t)(end - link->answer);
            memcpy(line_out, link->answer, length);
            line_out[length] = '\0';
            link->answered -= length + 1;
            memmove(link->answer, end + 1, link->answered);
            return RESULT_OK;
        }
        if (link->answered == sizeof(link->answer))
            return error_set(err, RESULT_SYSTEM, "the gateway's answer is too long");
        ssize_t got = recv(link->fd, link->answer + link->answered,
                           sizeof(link->answer) - link->answered, wait ? 0 : MSG_DONTWAIT);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
            return wait ? error_set(err, RESULT_UNAVAILABLE, "the gateway does not answer")
                        : RESULT_OK;
        if (got <= 0)
            return cut_off(err);
        link->answered += (size_t)got;
    }
}

/* Any line but the one awaited is the gateway's last. */
static enum result last_word(const char *line, struct error *err)
{
    if (strcmp(line, "busy") == 0)
        return error_set(err, RESULT_CONFLICT, "another command is doing the same right now");
    const char *why = strchr(line, ' ');
    why = why != NULL ? why + 1 : line;
    if (strncmp(line, "failed", 6) == 0)
        return error_set(err, RESULT_UNAVAILABLE, "the gateway cannot write its journal: %s", why);
    if (strncmp(line, "ended", 5) == 0)
        return error_set(err, RESULT_UNAVAILABLE, "%s", why);
    return error_set(err, RESULT_SYSTEM, "the gateway refuses rows for its journal: %s", why);
}

static enum result take_answer(struct journal_link *link, bool wait, bool *took_out,
                               struct error *err)
{
    char line[ANSWER_MOST];
    char expected[64];
    enum result result = receive_line(link, wait, line, took_out, err);
    if (result != RESULT_OK || !*took_out)
        return result;
    if (strncmp(line, "durable ", strlen("durable ")) != 0)
        return last_word(line, err);
    snprintf(expected, sizeof(expected), "durable %zu", link->n_sent > 0 ? link->sent[0] : 0);
    if (link->n_sent == 0 || strcmp(line, expected) != 0)
        return error_set(err, RESULT_SYSTEM, "the gateway answered what was not asked");
    note_durable(link);
    return RESULT_OK;
}

/* What the gateway said before it went is more telling than that it went. */
static enum result send_to_gateway(struct journal_link *link, const struct strbuf *lines,
                                   size_t rows, struct error *err)
{
    char header[64];
    struct error said = {0};
    bool took = true;
    snprintf(header, sizeof(header), "rows %zu %zu\n", rows, lines->length);
    enum result result = send_all(link->fd, header, strlen(header), err);
    if (result == RESULT_OK)
        result = send_all(link->fd, lines->data, lines->length, err);
    if (result == RESULT_OK)
        return RESULT_OK;
    while (took && take_answer(link, false, &took, &said) == RESULT_OK)
        ;
    if (*said.text != '\0')
        *err = said;
    return result;
}

static enum result greet(struct journal_link *link, const char *claim, struct error *err)
{
    const struct timeval patience = {.tv_sec = ANSWER_S};
    struct strbuf request = {0};
    char line[ANSWER_MOST];
    bool there;
    setsockopt(link->fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    setsockopt(link->fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
    strbuf_add_str(&request, "{\"command\":\"journal\"");
    strbuf_add_json_field(&request, "claim", claim);
    strbuf_add_str(&request, "}\n");
    enum result result = request.failed ? error_no_memory(err)
                                        : send_all(link->fd, request.data, request.length, err);
    strbuf_free(&request);
    if (result == RESULT_OK)
        result = receive_line(link, true, line, &there, err);
    if (result == RESULT_OK && strcmp(line, "journal 1") != 0)
        result = last_word(line, err);
    return result;
}

/* ---- our own journal ---- */

static void on_written(struct loop_task *task)
{
    struct journal_link *link = CONTAINER_OF(task, struct journal_link, task);
    link->answered_by_journal = true;
    loop_stop(link->loop);
}

static enum result take_result(struct journal_link *link, bool wait, struct error *err)
{
    struct journal_state state;
    if (wait && !link->answered_by_journal)
        loop_run(link->loop);
    else
        loop_turn(link->loop);
    if (!link->answered_by_journal)
        return RESULT_OK;
    link->answered_by_journal = false;
    if (link->result == RESULT_OK) {
        note_durable(link);
        return RESULT_OK;
    }
    journal_state(link->journal, &state);
    link->n_sent = 0;
    return error_set(err, link->result, "the journal cannot be written: %s",
                     state.failing ? state.last_error.text : "it was closed");
}

static enum result write_ourselves(struct journal_link *link, struct strbuf *lines,
                                   struct error *err)
{
    struct journal_batch *batch = NULL;
    enum result result = journal_batch_of(lines, &batch, err);
    if (result != RESULT_OK)
        return result;
    link->task.run = on_written;
    link->result = RESULT_UNAVAILABLE;
    journal_append(link->journal, batch, link->loop, &link->task, &link->result);
    return RESULT_OK;
}

static enum result open_journal(struct journal_link *link, const struct context *context,
                                struct error *err)
{
    const struct config *config = context->config;
    enum result result = loop_new(0, &link->loop, err);
    if (result == RESULT_OK)
        result = signing_key_load_private(config->journal_key_file, &link->key, err);
    if (result != RESULT_OK)
        return result;
    const struct journal_options options = {
        .directory = context->journal_path,
        .index_path = context->index_path,
        .gateway = config->hostname,
        .key = link->key,
        .segment_size = config->journal.segment_size,
        .checkpoint_every = config->journal.checkpoint_every,
    };
    result = journal_open(&options, &link->journal, err);
    if (result != RESULT_OK)
        error_prefix(err, "journal");
    return result;
}

/* As the gateway does: what is in the journal now must be there the next time. */
static void note_end(struct journal_link *link)
{
    struct journal_index *index = NULL;
    struct journal_state state;
    struct error err = {0};
    journal_state(link->journal, &state);
    enum result result = journal_index_open(link->index_path, link->journal_folder,
                                            link->registry_path, &index, &err);
    if (result == RESULT_OK)
        result = journal_index_note(index, &state, &err);
    if (result != RESULT_OK)
        command_warn("the journal's index does not know the last rows yet: %s", err.text);
    journal_index_close(&index);
}

/* ---- either way ---- */

static enum result try_open(struct journal_link *link, const struct context *context,
                            const char *claim, struct error *err)
{
    enum result result = control_connect(context->config->state_dir, &link->fd, err);
    if (result == RESULT_OK) {
        result = greet(link, claim, err);
        if (result != RESULT_OK) {
            close(link->fd);
            link->fd = -1;
            link->answered = 0;
        }
        return result;
    }
    if (result != RESULT_NOT_FOUND)
        return result;
    result = state_lock_take(context->config->state_dir, 0, &link->lock_fd, err);
    return result == RESULT_OK ? open_journal(link, context, err) : result;
}

enum result journal_link_open(const struct context *context, const char *claim,
                              struct journal_link **link_out, struct error *err)
{
    int64_t until = clock_monotonic() + PATIENCE;
    struct journal_link *link = calloc(1, sizeof(*link));
    if (link == NULL)
        return error_no_memory(err);
    link->fd = link->lock_fd = -1;
    signal(SIGXFSZ, SIG_IGN); /* a write that fails is enough */
    link->index_path = context->index_path;
    link->journal_folder = context->journal_path;
    link->registry_path = context->registry_path;
    enum result result;
    for (;;) {
        /* Another one, or a gateway that is being started or ended, may need a moment. */
        result = try_open(link, context, claim, err);
        bool passing = result == RESULT_CONFLICT || result == RESULT_UNAVAILABLE;
        if (!passing || link->lock_fd >= 0 || clock_monotonic() >= until)
            break;
        clock_sleep(CLOCK_SECOND / 20);
    }
    if (result != RESULT_OK) {
        journal_link_close(&link);
        return result;
    }
    *link_out = link;
    return RESULT_OK;
}

enum result journal_link_look(struct journal_link *link, struct error *err)
{
    bool took = true;
    enum result result = RESULT_OK;
    if (link->fd < 0)
        return link->n_sent > 0 ? take_result(link, false, err) : RESULT_OK;
    while (result == RESULT_OK && took && link->n_sent > 0)
        result = take_answer(link, false, &took, err);
    return result;
}

/* Until at most so many batches are not durable. */
static enum result wait_for(struct journal_link *link, unsigned most, struct error *err)
{
    bool took;
    enum result result = RESULT_OK;
    while (result == RESULT_OK && link->n_sent > most)
        result = link->fd < 0 ? take_result(link, true, err) : take_answer(link, true, &took, err);
    return result;
}

enum result journal_link_send(struct journal_link *link, struct strbuf *lines, size_t rows,
                              struct error *err)
{
    /* Our own journal gets one batch after the other: behind one that failed it would still write
     * the next. */
    enum result result = lines->failed ? error_no_memory(err) : RESULT_OK;
    if (result == RESULT_OK)
        result = journal_link_look(link, err);
    if (result == RESULT_OK)
        result = wait_for(link, link->fd < 0 ? 0 : INTAKE_WINDOW - 1, err);
    if (result == RESULT_OK)
        result = link->fd < 0 ? write_ourselves(link, lines, err)
                              : send_to_gateway(link, lines, rows, err);
    if (result == RESULT_OK)
        link->sent[link->n_sent++] = rows;
    strbuf_free(lines);
    return result;
}

enum result journal_link_flush(struct journal_link *link, struct error *err)
{
    return wait_for(link, 0, err);
}

uint64_t journal_link_durable(const struct journal_link *link)
{
    return link->durable;
}

void journal_link_close(struct journal_link **link_pointer)
{
    struct journal_link *link = *link_pointer;
    if (link == NULL)
        return;
    if (link->journal != NULL) {
        note_end(link);
        journal_close(&link->journal); /* its last answer comes to the loop */
    }
    loop_free(&link->loop);
    signing_key_free(&link->key);
    if (link->fd >= 0)
        close(link->fd);
    if (link->lock_fd >= 0)
        close(link->lock_fd);
    free(link);
    *link_pointer = NULL;
}
