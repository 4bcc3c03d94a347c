/* SPDX-License-Identifier: Apache-2.0 */
/* Which partners were told of which withdrawals and objections, newest first, by pages. */
#include "store/notices.h"

#include "base/clock.h"
#include "proxy/api/work.h"

#include <string.h>

struct page {
    struct strbuf *out;
    unsigned limit, count;
    bool more;
    int64_t last; /* notice */
};

static void add_instant(struct strbuf *out, const char *name, int64_t at)
{
    char text[CLOCK_TEXT];
    clock_format(at, text);
    strbuf_add_json_field(out, name, at != 0 ? text : NULL);
}

/* A page ends between notices, so that the cursor can name the last one. */
static bool add_delivery(void *arg, const struct delivery *delivery)
{
    struct page *page = arg;
    struct strbuf *out = page->out;
    const struct notice *notice = &delivery->notice;
    if (page->count >= page->limit && notice->event.id != page->last) {
        page->more = true;
        return false;
    }
    strbuf_add_str(out, page->count++ > 0 ? ",{" : "{");
    strbuf_add_json_number(out, "event", notice->event.id);
    strbuf_add_json_field(out, "kind", event_kind_name(notice->event.kind));
    strbuf_add_json_field(out, "channel", channel_name(notice->event.channel));
    add_instant(out, "created_at", notice->created_at);
    strbuf_add_json_field(out, "partner", delivery->partner);
    strbuf_add_json_field(out, "state", delivery_state_name(delivery->state));
    strbuf_add_json_number(out, "attempts", delivery->attempts);
    add_instant(out, "last_at", delivery->last_at);
    strbuf_add_json_field(out, "last_answer",
                          delivery->last_answer[0] != '\0' ? delivery->last_answer : NULL);
    add_instant(out, "next_at", delivery->state == DELIVERY_WAITING ? delivery->next_at : 0);
    add_instant(out, "ended_at", delivery->ended_at);
    strbuf_add_char(out, '}');
    page->last = notice->event.id;
    return !out->failed;
}

enum result api_notices(struct api_work *work, struct desk_tools *tools, struct error *err)
{
    struct page page = {.out = &work->out};
    struct delivery_filter filter = {.created_before = INT64_MAX, .before_id = INT64_MAX};
    const char *state = api_parameter(work, "state");
    int64_t last = 0, unused = 0;
    bool given;
    filter.has_state = state != NULL;
    if (state != NULL && !delivery_state_parse(state, &filter.state))
        return api_malformed(work, "state", "must be waiting, acknowledged, given-up or untold");
    if (!api_partner_parameter(work, &filter.partner) || !api_limit(work, &page.limit) ||
        !api_cursor(work, &given, &last, &unused))
        return RESULT_OK;
    if (unused != 0)
        return api_malformed(work, "cursor", "must be `next` of an earlier answer");
    if (given)
        filter.before_id = last;
    strbuf_add_str(&work->out, "{\"notices\":[");
    enum result result = registry_deliveries(tools->registry, &filter, add_delivery, &page, err);
    strbuf_add_char(&work->out, ']');
    if (page.more)
        api_cursor_add(&work->out, "next", page.last, 0);
    else
        strbuf_add_json_field(&work->out, "next", NULL);
    strbuf_add_str(&work->out, "}\n");
    return result;
}
