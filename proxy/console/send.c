/* SPDX-License-Identifier: Apache-2.0 */
/* Downloads as the answer: text at once, a file in pieces (proxy/http/stream.h). */
#include "console/send.h"
#include "base/clock.h"
#include "base/log.h"
#include "proxy/console/work.h"
#include "proxy/http/stream.h"

#include <stdlib.h>

static const char *disposition(struct service_call *call, const char *name)
{
    struct strbuf text = {0};
    strbuf_add_format(&text, "attachment; filename=\"%s\"", name);
    const char *kept = text.failed ? NULL : arena_str(call->http.arena, text.data);
    strbuf_free(&text);
    return kept;
}

static void send_text(struct service_call *call, struct visit *visit, struct journal_batch *batch,
                      bool recorded, service_handler *unrecorded)
{
    strbuf_free(&call->http.answer.body);
    call->http.answer.body = visit->page.html;
    visit->page.html = (struct strbuf){0};
    if (recorded)
        service_answer_recorded_or(call, batch, unrecorded);
    else
        service_answer(call);
}

/* ---- pieces ---- */

/* What of a visit outlives it. */
struct pieces {
    struct visit_pieces from;  /* owned */
    struct snapshot *snapshot; /* owned reference */
    char who[sizeof(((struct console_work *)NULL)->who)];
    char record[RECORD_ID]; /* what it began with */
};

static void free_pieces(void *own)
{
    struct pieces *pieces = own;
    pieces->from.free(pieces->from.own);
    snapshot_unref(&pieces->snapshot);
    free(pieces);
}

static enum result make_piece(void *own, struct desk_tools *tools, struct strbuf *out,
                              bool *last_out, struct error *err)
{
    const struct visit_pieces *from = &((struct pieces *)own)->from;
    enum result result = desk_index(tools, err);
    return result == RESULT_OK ? from->make(from->own, tools->index, out, last_out, err) : result;
}

static struct journal_batch *record_end(void *own, bool whole)
{
    const struct pieces *pieces = own;
    struct journal_batch *batch = journal_batch_new();
    struct access access = {.who = pieces->who,
                            .act = "decision.exported",
                            .partner = "",
                            .channel = "",
                            .subject = pieces->record,
                            .answer = whole ? "whole" : "broken off",
                            .count = pieces->from.count(pieces->from.own)};
    if (batch != NULL &&
        !access_record(batch, &access, pieces->snapshot->config->hostname, clock_now()))
        journal_batch_free(&batch);
    return batch;
}

/* Takes the visit's. False: no memory. */
static bool take_pieces(struct console_work *work, struct stream_source *source_out)
{
    struct visit_send *send = work->visit.send;
    struct pieces *pieces = calloc(1, sizeof(*pieces));
    if (pieces == NULL)
        return false;
    pieces->from = send->pieces;
    send->pieces = (struct visit_pieces){0};
    pieces->snapshot = snapshot_ref(work->snapshot);
    str_copy(pieces->who, sizeof(pieces->who), work->who);
    str_copy(pieces->record, sizeof(pieces->record), work->visit.access.id);
    *source_out = (struct stream_source){
        .own = pieces, .make = make_piece, .ended = record_end, .free = free_pieces};
    return true;
}

static bool take_file(struct service_call *call, struct visit_send *send,
                      struct stream_source *source_out, int64_t *length_out)
{
    struct error err = {0};
    int fd = send->fd;
    send->fd = -1;
    if (stream_file(fd, source_out, length_out, &err) == RESULT_OK)
        return true;
    log_event(LOG_LEVEL_ERROR, "a file cannot be sent", LOG_TEXT("request", call->request_id),
              LOG_TEXT("reason", err.text));
    return false;
}

void console_send(struct service_call *call, struct console_work *work, struct journal_batch *batch,
                  bool recorded, service_handler *unrecorded)
{
    struct visit *visit = &work->visit;
    struct visit_send *send = visit->send;
    struct stream_source source;
    int64_t length = STREAM_ANY_LENGTH;
    bool text = send->fd < 0 && send->pieces.own == NULL;
    if (!text && !service_stream_admit(call, visit->user)) {
        journal_batch_free(&batch);
        service_refuse_crowd(call, "You have as many downloads under way as you may.");
        return;
    }
    http_answer(&call->http, visit->status, send->type);
    call->http.answer.disposition = disposition(call, send->name);
    /* Whatever it holds, no browser shows it as a page of the console's. */
    call->http.answer.content_policy = "default-src 'none'; sandbox; frame-ancestors 'none'";
    bool ready = call->http.answer.disposition != NULL;
    if (ready && !text)
        ready =
            send->fd >= 0 ? take_file(call, send, &source, &length) : take_pieces(work, &source);
    if (!ready) {
        journal_batch_free(&batch);
        unrecorded(call);
    } else if (text) {
        send_text(call, visit, batch, recorded, unrecorded);
    } else {
        service_stream(call, &source, length, batch, unrecorded);
    }
}
