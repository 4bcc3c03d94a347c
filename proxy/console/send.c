/* SPDX-License-Identifier: Apache-2.0 */
/* Downloads as the answer: text at once, a file in pieces (proxy/http/stream.h). */
#include "console/send.h"
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

void console_send(struct service_call *call, struct console_work *work, struct journal_batch *batch,
                  bool recorded, service_handler *unrecorded)
{
    struct visit *visit = &work->visit;
    struct visit_send *send = visit->send;
    struct stream_source source;
    struct error err = {0};
    int64_t length;
    if (send->fd >= 0 && !service_stream_admit(call, visit->user)) {
        journal_batch_free(&batch);
        service_refuse_crowd(call, "You have as many downloads under way as you may.");
        return;
    }
    http_answer(&call->http, visit->status, send->type);
    call->http.answer.disposition = disposition(call, send->name);
    if (call->http.answer.disposition == NULL) {
        journal_batch_free(&batch);
        unrecorded(call);
        return;
    }
    if (send->fd < 0) {
        send_text(call, visit, batch, recorded, unrecorded);
        return;
    }
    int fd = send->fd;
    send->fd = -1;
    if (stream_file(fd, &source, &length, &err) != RESULT_OK) {
        log_event(LOG_LEVEL_ERROR, "a file cannot be sent", LOG_TEXT("request", call->request_id),
                  LOG_TEXT("reason", err.text));
        journal_batch_free(&batch);
        unrecorded(call);
        return;
    }
    service_stream(call, &source, length, batch, unrecorded);
}
