/* SPDX-License-Identifier: Apache-2.0 */
/*
 * submit_multi: one message to many numbers, each judged and sent by itself, a few at a time. The
 * response comes when all are answered and says which were refused, and why. Each number has its
 * own id in the journal and in delivery reports; the response has room for one only, that of the
 * first number that was accepted.
 */
#include "proxy/smpp/session.h"

#include "base/str.h"

#include <stdlib.h>
#include <string.h>

/* Numbers of one submit_multi with sms_submit at a time: in an account's window it counts once. */
#define AT_ONCE 16

struct esme_multi {
    struct esme_multi *next; /* the session's */
    uint32_t sequence;
    uint8_t *body;               /* owned; what message borrows from */
    struct smpp_message message; /* of what all numbers get */
    struct esme_content content;
    size_t n;
    size_t begun;     /* handed to sms_submit, or refused here */
    size_t in_flight; /* of them, not yet replied to */
    bool beginning;   /* guards against re-entry: a reply may come at once */
    size_t accepted;
    size_t first; /* the accepted one whose id was kept */
    char id[SMPP_ID_MAX];
    struct {
        struct smpp_destination to;
        uint32_t status;
    } numbers[];
};

static void free_multi(struct esme_multi *multi)
{
    esme_content_free(&multi->content);
    free(multi->body);
    free(multi);
}

static void remove_multi(struct smpp_session *session, struct esme_multi *multi)
{
    struct esme_multi **at = &session->multis;
    while (*at != multi)
        at = &(*at)->next;
    *at = multi->next;
    free_multi(multi);
}

void esme_multi_free_all(struct smpp_session *session)
{
    while (session->multis != NULL)
        remove_multi(session, session->multis);
}

/* ---- the response ---- */

/* When nothing went: what all numbers were refused with, if that is one thing. */
static uint32_t common_status(const struct esme_multi *multi)
{
    for (size_t i = 1; i < multi->n; i++)
        if (multi->numbers[i].status != multi->numbers[0].status)
            return SMPP_RSUBMITFAIL;
    return multi->numbers[0].status;
}

static void respond(struct smpp_session *session, const struct esme_multi *multi)
{
    struct smpp_refused_destination refused[SMPP_MULTI_MAX];
    uint8_t pdu[SMPP_HEADER_BYTES + SMPP_ID_MAX + 1 + SMPP_MULTI_MAX * (2 + 21 + 4)];
    size_t n = 0;
    if (multi->accepted == 0) {
        esme_answer(session, SMPP_SUBMIT_MULTI, common_status(multi), multi->sequence);
        return;
    }
    for (size_t i = 0; i < multi->n; i++)
        if (multi->numbers[i].status != SMPP_ROK)
            refused[n++] = (struct smpp_refused_destination){multi->numbers[i].to.address,
                                                             multi->numbers[i].status};
    size_t length =
        smpp_multi_response_write(pdu, sizeof(pdu), multi->sequence, multi->id, refused, n);
    esme_write(session, pdu, length);
}

/* ---- its numbers ---- */

/* Nobody would hear of what is left of it. */
static bool nobody_listens(const struct smpp_session *session)
{
    return session->ended || session->state == ESME_CLOSING;
}

/* Hands over as many numbers as may be under way, and answers when all are. What is left when the
 * connection has broken is never judged. */
static void go_on(struct smpp_session *session, struct esme_multi *multi)
{
    if (multi->beginning)
        return;
    multi->beginning = true;
    while (multi->begun < multi->n && multi->in_flight < AT_ONCE && !nobody_listens(session)) {
        size_t i = multi->begun++;
        const struct smpp_destination *to = &multi->numbers[i].to;
        struct esme_flight flight = {.command = SMPP_SUBMIT_MULTI,
                                     .sequence = multi->sequence,
                                     .destination = (uint32_t)i,
                                     .multi = multi};
        if (to->list) {
            multi->numbers[i].status = SMPP_RCNTSUBDL; /* who is on it cannot be judged here */
            continue;
        }
        multi->in_flight++;
        if (!esme_fly(session, &flight, &multi->message, &multi->content, &to->address)) {
            multi->in_flight--;
            multi->numbers[i].status = SMPP_RSYSERR;
        }
    }
    multi->beginning = false;
    if (multi->in_flight > 0 || (multi->begun < multi->n && !nobody_listens(session)))
        return;
    if (multi->begun == multi->n && !session->ended)
        respond(session, multi);
    esme_opened_over(session);
    remove_multi(session, multi);
}

void esme_multi_reply(struct smpp_session *session, const struct esme_flight *flight,
                      const struct sms_reply *reply)
{
    struct esme_multi *multi = flight->multi;
    uint32_t status = esme_status(session, reply);
    multi->numbers[flight->destination].status = status;
    multi->in_flight--;
    /* The first by its place in the list, not in time: the same list gives the same answer. */
    if (status == SMPP_ROK && (multi->accepted++ == 0 || flight->destination < multi->first)) {
        multi->first = flight->destination;
        str_copy(multi->id, sizeof(multi->id), reply->ref);
    }
    go_on(session, multi);
}

/* ---- its beginning ---- */

/* The PDU is gone when the last of its numbers leaves: a copy, and read from that. NULL: no memory.
 */
static struct esme_multi *new_multi(const uint8_t *body, size_t length, uint32_t *status_out)
{
    struct smpp_destination destinations[SMPP_MULTI_MAX];
    struct smpp_message message;
    size_t n = 0;
    uint8_t *copy = malloc(length + 1);
    struct esme_multi *multi = NULL;
    *status_out = SMPP_RSYSERR;
    if (copy == NULL)
        return NULL;
    memcpy(copy, body, length);
    *status_out = smpp_multi_read(copy, length, &message, destinations, &n);
    if (*status_out == SMPP_ROK) {
        multi = calloc(1, sizeof(*multi) + n * sizeof(multi->numbers[0]));
        *status_out = multi != NULL ? SMPP_ROK : SMPP_RSYSERR;
    }
    if (multi == NULL) {
        free(copy);
        return NULL;
    }
    multi->body = copy;
    multi->message = message;
    multi->n = n;
    for (size_t i = 0; i < n; i++)
        multi->numbers[i].to = destinations[i];
    return multi;
}

void esme_multi(struct smpp_session *session, const struct smpp_header *header, const uint8_t *body,
                size_t length)
{
    uint32_t status;
    struct esme_multi *multi = new_multi(body, length, &status);
    if (multi == NULL && status != SMPP_RSYSERR) {
        esme_malformed(session, header->command, status, header->sequence);
        return;
    }
    if (multi != NULL)
        status = esme_content_make(session, &multi->message, &multi->content);
    if (status == SMPP_ROK)
        status = esme_open(session);
    if (status != SMPP_ROK) {
        if (multi != NULL)
            free_multi(multi);
        esme_answer(session, header->command, status, header->sequence);
        return;
    }
    multi->sequence = header->sequence;
    multi->next = session->multis;
    session->multis = multi;
    go_on(session, multi);
}
