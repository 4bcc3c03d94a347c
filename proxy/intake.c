/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/intake.h"

#include "base/log.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { INFLOWS_MOST = 8, LINE_MAX_BYTES = 64, READ_AT_ONCE = 256 * 1024, UNREAD_MOST = 64 * 1024 };

struct intake {
    struct loop *loop;       /* borrowed */
    struct journal *journal; /* borrowed */
    struct inflow *inflows;  /* owned */
    unsigned n_inflows;
    bool draining;
};

/* A batch on its way. */
struct parcel {
    struct loop_task task; /* first: the journal's answer finds the parcel by it */
    struct parcel *next;
    struct inflow *inflow;       /* borrowed; outlives it */
    struct journal_batch *batch; /* owned until it is the journal's */
    size_t rows;
    enum result result;
};

/* One conversation. It stays, and with it its claim, until the journal answered. */
struct inflow {
    struct inflow *next, **link;
    struct intake *intake;
    struct bufferevent *bev; /* owned; NULL once nobody is there to be answered */
    char claim[INTAKE_CLAIM_MAX];
    bool in_batch; /* its line was read, its records not yet */
    size_t rows;
    size_t bytes;
    struct parcel *waiting; /* owned; behind the one in the journal */
    struct parcel **last;
    unsigned n_waiting;
    bool in_journal; /* a batch is */
    bool ending;     /* nothing more is taken */
};

static void read_on(struct inflow *inflow);

/* ---- the end of a conversation ---- */

static void forget_waiting(struct inflow *inflow)
{
    while (inflow->waiting != NULL) {
        struct parcel *parcel = inflow->waiting;
        inflow->waiting = parcel->next;
        journal_batch_free(&parcel->batch);
        free(parcel);
    }
    inflow->last = &inflow->waiting;
    inflow->n_waiting = 0;
}

static void free_if_done(struct inflow *inflow)
{
    if (inflow->bev != NULL || inflow->in_journal)
        return;
    *inflow->link = inflow->next;
    if (inflow->next != NULL)
        inflow->next->link = inflow->link;
    inflow->intake->n_inflows--;
    free(inflow);
}

/* Nobody is there any more. What was not given to the journal was not promised either. */
static void hang_up(struct inflow *inflow)
{
    bufferevent_free(inflow->bev);
    inflow->bev = NULL;
    forget_waiting(inflow);
    free_if_done(inflow);
}

static void on_event(struct bufferevent *bev, short what, void *arg)
{
    (void)bev;
    (void)what;
    hang_up(arg);
}

static void on_written(struct bufferevent *bev, void *arg)
{
    (void)bev;
    hang_up(arg);
}

/* The last word; the connection ends once it is out. */
static void conclude(struct inflow *inflow, const char *word, const char *why)
{
    inflow->ending = true;
    forget_waiting(inflow);
    bufferevent_disable(inflow->bev, EV_READ);
    bufferevent_setcb(inflow->bev, NULL, on_written, on_event, inflow);
    if (evbuffer_add_printf(bufferevent_get_output(inflow->bev), "%s%s%s\n", word,
                            *why != '\0' ? " " : "", why) < 0)
        hang_up(inflow);
}

/* ---- into the journal ---- */

static void on_answer(struct loop_task *task);

static void append_next(struct inflow *inflow)
{
    struct parcel *parcel = inflow->waiting;
    if (parcel == NULL || inflow->in_journal)
        return;
    inflow->waiting = parcel->next;
    if (inflow->waiting == NULL)
        inflow->last = &inflow->waiting;
    inflow->n_waiting--;
    inflow->in_journal = true;
    parcel->task.run = on_answer;
    parcel->result = RESULT_UNAVAILABLE;
    struct journal_batch *batch = parcel->batch;
    parcel->batch = NULL;
    journal_append(inflow->intake->journal, batch, inflow->intake->loop, &parcel->task,
                   &parcel->result);
}

static void say_failed(struct inflow *inflow)
{
    struct journal_state state;
    journal_state(inflow->intake->journal, &state);
    conclude(inflow, "failed",
             state.failing ? state.last_error.text : "the journal could not be written");
}

static void on_answer(struct loop_task *task)
{
    struct parcel *parcel = (struct parcel *)task;
    struct inflow *inflow = parcel->inflow;
    size_t rows = parcel->rows;
    bool durable = parcel->result == RESULT_OK;
    free(parcel);
    inflow->in_journal = false;
    if (inflow->bev == NULL) {
        free_if_done(inflow);
        return;
    }
    if (!durable) {
        say_failed(inflow);
        return;
    }
    if (inflow->ending && !inflow->intake->draining)
        return; /* its last word is on its way */
    struct evbuffer *output = bufferevent_get_output(inflow->bev);
    if (evbuffer_get_length(output) > UNREAD_MOST ||
        evbuffer_add_printf(output, "durable %zu\n", rows) < 0) {
        hang_up(inflow);
        return;
    }
    if (inflow->intake->draining) {
        conclude(inflow, "ended", "the gateway is ending");
        return;
    }
    append_next(inflow);
    bufferevent_enable(inflow->bev, EV_READ);
    read_on(inflow);
}

/* ---- from the command ---- */

/* False when the conversation is over. */
static bool take_batch(struct inflow *inflow, struct evbuffer *input)
{
    struct error err = {0};
    struct parcel *parcel = calloc(1, sizeof(*parcel));
    struct strbuf text = {.data = malloc(inflow->bytes + 1), .capacity = inflow->bytes + 1};
    enum result result = parcel == NULL || text.data == NULL ? error_no_memory(&err) : RESULT_OK;
    if (result == RESULT_OK) {
        text.length = (size_t)evbuffer_remove(input, text.data, inflow->bytes);
        text.data[text.length] = '\0';
        result = journal_batch_of(&text, &parcel->batch, &err);
    }
    if (result == RESULT_OK && journal_batch_rows(parcel->batch) != inflow->rows) {
        journal_batch_free(&parcel->batch);
        result = error_set(&err, RESULT_BAD_INPUT, "a batch has not as many records as it says");
    }
    if (result != RESULT_OK) {
        strbuf_free(&text);
        free(parcel);
        conclude(inflow, "refused", err.text);
        return false;
    }
    parcel->inflow = inflow;
    parcel->rows = inflow->rows;
    *inflow->last = parcel;
    inflow->last = &parcel->next;
    inflow->n_waiting++;
    append_next(inflow);
    return true;
}

/* Moves behind a number from 1 to most and the character that must follow it. */
static bool take_number(const char **at, char follows, size_t most, size_t *number_out)
{
    char *end;
    if (**at < '1' || **at > '9')
        return false;
    unsigned long number = strtoul(*at, &end, 10);
    if (*end != follows || number > most)
        return false;
    *number_out = number;
    *at = end + 1;
    return true;
}

/* "rows COUNT BYTES" */
static bool read_size(struct inflow *inflow, struct evbuffer *input)
{
    char *line = evbuffer_readln(input, NULL, EVBUFFER_EOL_LF);
    if (line == NULL) {
        if (evbuffer_get_length(input) > LINE_MAX_BYTES)
            conclude(inflow, "refused", "not the beginning of a batch");
        return false;
    }
    const char *at = line + strlen("rows ");
    bool fits = strncmp(line, "rows ", strlen("rows ")) == 0 &&
                take_number(&at, ' ', INTAKE_ROWS_MAX, &inflow->rows) &&
                take_number(&at, '\0', INTAKE_BYTES_MAX, &inflow->bytes);
    free(line);
    if (!fits)
        conclude(inflow, "refused", "not the beginning of a batch");
    return fits;
}

static void read_on(struct inflow *inflow)
{
    struct evbuffer *input = bufferevent_get_input(inflow->bev);
    while (!inflow->ending) {
        if (inflow->n_waiting + inflow->in_journal >= INTAKE_WINDOW) {
            bufferevent_disable(inflow->bev, EV_READ);
            return;
        }
        if (!inflow->in_batch && !read_size(inflow, input))
            return;
        inflow->in_batch = true;
        if (evbuffer_get_length(input) < inflow->bytes) {
            bufferevent_setwatermark(inflow->bev, EV_READ, inflow->bytes,
                                     INTAKE_BYTES_MAX + READ_AT_ONCE);
            return;
        }
        inflow->in_batch = false;
        bufferevent_setwatermark(inflow->bev, EV_READ, 0, INTAKE_BYTES_MAX + READ_AT_ONCE);
        if (!take_batch(inflow, input))
            return;
    }
}

static void on_read(struct bufferevent *bev, void *arg)
{
    (void)bev;
    read_on(arg);
}

/* ---- the beginning ---- */

static bool claimed(const struct intake *intake, const char *claim)
{
    const struct inflow *inflow = intake->inflows;
    while (inflow != NULL && strcmp(inflow->claim, claim) != 0)
        inflow = inflow->next;
    return inflow != NULL;
}

/* Not yet in a conversation: the word is all there is. A socket that does not take it is gone. */
static void turn_away(int fd, const char *word)
{
    ssize_t ignored = write(fd, word, strlen(word));
    (void)ignored;
    close(fd);
}

static void begin(struct intake *intake, const char *claim, int fd)
{
    struct inflow *inflow = calloc(1, sizeof(*inflow));
    struct bufferevent *bev =
        bufferevent_socket_new(loop_base(intake->loop), fd, BEV_OPT_CLOSE_ON_FREE);
    if (inflow == NULL || bev == NULL) {
        if (bev != NULL)
            bufferevent_free(bev);
        else
            close(fd);
        free(inflow);
        return;
    }
    inflow->intake = intake;
    inflow->bev = bev;
    inflow->last = &inflow->waiting;
    str_copy(inflow->claim, sizeof(inflow->claim), claim);
    inflow->link = &intake->inflows;
    inflow->next = intake->inflows;
    if (inflow->next != NULL)
        inflow->next->link = &inflow->next;
    intake->inflows = inflow;
    intake->n_inflows++;
    bufferevent_set_max_single_read(bev, READ_AT_ONCE);
    bufferevent_setwatermark(bev, EV_READ, 0, INTAKE_BYTES_MAX + READ_AT_ONCE);
    bufferevent_setcb(bev, on_read, NULL, on_event, inflow);
    if (evbuffer_add_printf(bufferevent_get_output(bev), "journal 1\n") < 0 ||
        bufferevent_enable(bev, EV_READ | EV_WRITE) != 0)
        hang_up(inflow);
}

bool intake_take(struct intake *intake, const char *request, int fd)
{
    json_t *json = json_loads(request, JSON_REJECT_DUPLICATES, NULL);
    const char *command = json_string_value(json_object_get(json, "command"));
    const char *claim = json_string_value(json_object_get(json, "claim"));
    bool ours = command != NULL && strcmp(command, "journal") == 0;
    if (!ours) {
        json_decref(json);
        return false;
    }
    if (claim == NULL || *claim == '\0' || strlen(claim) >= INTAKE_CLAIM_MAX)
        turn_away(fd, "refused no claim\n");
    else if (intake->draining)
        turn_away(fd, "ended the gateway is ending\n");
    else if (claimed(intake, claim))
        turn_away(fd, "busy\n");
    else if (intake->n_inflows >= INFLOWS_MOST)
        turn_away(fd, "refused too many commands write to the journal at once\n");
    else
        begin(intake, claim, fd);
    json_decref(json);
    return true;
}

/* ---- life ---- */

struct intake *intake_new(struct loop *loop, struct journal *journal)
{
    struct intake *intake = calloc(1, sizeof(*intake));
    if (intake == NULL)
        return NULL;
    intake->loop = loop;
    intake->journal = journal;
    return intake;
}

void intake_drain(struct intake *intake)
{
    if (intake == NULL || intake->draining)
        return;
    intake->draining = true;
    for (struct inflow *next, *inflow = intake->inflows; inflow != NULL; inflow = next) {
        next = inflow->next;
        if (inflow->bev == NULL || inflow->ending)
            continue;
        forget_waiting(inflow);
        bufferevent_disable(inflow->bev, EV_READ);
        inflow->ending = true;
        if (!inflow->in_journal)
            conclude(inflow, "ended", "the gateway is ending");
    }
}

void intake_shut(struct intake *intake)
{
    if (intake == NULL)
        return;
    intake->draining = true;
    for (struct inflow *next, *inflow = intake->inflows; inflow != NULL; inflow = next) {
        next = inflow->next;
        if (inflow->bev != NULL)
            hang_up(inflow);
    }
}

void intake_free(struct intake **intake)
{
    if (*intake == NULL)
        return;
    /* Each conversation went with the journal's answer to it. */
    if ((*intake)->inflows != NULL)
        log_event(LOG_LEVEL_ERROR, "rows of commands are without an answer at the end");
    free(*intake);
    *intake = NULL;
}
