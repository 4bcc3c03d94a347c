/* SPDX-License-Identifier: Apache-2.0 */
/* The journal's decisions, newest first, by pages. */
#include "office/decision.h"

#include "base/str.h"
#include "proxy/api/work.h"

#include <string.h>

struct page {
    struct strbuf *out;
    unsigned limit, count;
    bool more;
    int64_t last_at;
    uint64_t last_seq;
    /* Of the last one: who it is about. */
    char key[2 * RECIPIENT_KEY_BYTES + 1];
    char masked[sizeof(((struct recipient *)NULL)->masked)];
};

static bool add_entry(void *arg, const struct log_entry *entry)
{
    struct page *page = arg;
    if (page->count == page->limit) {
        page->more = true;
        return false;
    }
    strbuf_add_str(page->out, page->count++ > 0 ? ",{" : "{");
    decision_add_json(entry, page->out);
    strbuf_add_char(page->out, '}');
    page->last_at = entry->instant;
    page->last_seq = entry->seq;
    str_copy(page->key, sizeof(page->key),
             entry->recipient_key != NULL ? entry->recipient_key : "");
    str_copy(page->masked, sizeof(page->masked), entry->recipient != NULL ? entry->recipient : "");
    return !page->out->failed;
}

/* False: refused. */
static bool read_filter(struct api_work *work, struct log_filter *filter,
                        uint8_t key[RECIPIENT_KEY_BYTES])
{
    const char *verdict = api_parameter(work, "verdict");
    const char *channel = api_parameter(work, "channel");
    const char *recipient = api_parameter(work, "recipient_key");
    enum reason reason;
    *filter = (struct log_filter){.reason = api_parameter(work, "reason")};
    if (!api_partner_parameter(work, &filter->partner))
        return false;
    filter->has_verdict = verdict != NULL;
    filter->has_channel = channel != NULL;
    if (verdict != NULL && !verdict_parse(verdict, &filter->verdict))
        (void)api_malformed(work, "verdict", "must be pass, block or defer");
    else if (channel != NULL && !channel_parse(channel, &filter->channel))
        (void)api_malformed(work, "channel", "must be email, sms, call, autocall or post");
    else if (filter->reason != NULL && !reason_parse(filter->reason, &reason))
        (void)api_malformed(work, "reason", "is no reason code");
    else if (recipient != NULL &&
             !hex_decode(recipient, strlen(recipient), key, RECIPIENT_KEY_BYTES))
        (void)api_malformed(work, "recipient_key", "must be 64 hexadecimal digits");
    else
        return api_instant(work, "since", INT64_MIN, &filter->since) &&
               api_instant(work, "until", INT64_MAX, &filter->until);
    return false;
}

static void note_look(struct api_work *work, const struct log_filter *filter, unsigned count)
{
    work->access.act = "decision.list";
    work->access.partner = filter->partner != NULL ? filter->partner : "";
    work->access.channel = filter->has_channel ? channel_name(filter->channel) : "";
    work->access.subject = filter->reason != NULL ? filter->reason : "";
    work->access.count = count;
}

enum result api_decisions(struct api_work *work, struct desk_tools *tools, struct error *err)
{
    struct log_filter filter;
    uint8_t *key = arena_alloc(work->arena, RECIPIENT_KEY_BYTES);
    struct page page = {.out = &work->out};
    int64_t seq = 0;
    bool given;
    if (key == NULL)
        return error_no_memory(err);
    if (!read_filter(work, &filter, key) || !api_limit(work, &page.limit) ||
        !api_cursor(work, &given, &filter.before_at, &seq))
        return RESULT_OK;
    if (given && seq == 0) /* no row has that number: it would ask for all */
        return api_malformed(work, "cursor", "must be `next` of an earlier answer");
    filter.before_seq = (uint64_t)seq;
    filter.limit = page.limit + 1;
    if (api_parameter(work, "recipient_key") != NULL) {
        filter.recipient_key = key;
        work->access.key = key;
        work->access.masked = "";
    }
    enum result result = desk_index(tools, err);
    strbuf_add_str(&work->out, "{\"decisions\":[");
    if (result == RESULT_OK)
        result = journal_index_log(tools->index, &filter, add_entry, &page, err);
    strbuf_add_char(&work->out, ']');
    if (page.more)
        api_cursor_add(&work->out, "next", page.last_at, (int64_t)page.last_seq);
    else
        strbuf_add_json_field(&work->out, "next", NULL);
    strbuf_add_str(&work->out, "}\n");
    note_look(work, &filter, page.count);
    return result;
}

/* Whoever was looked at can learn of it. A decision that named nobody, or is erased, is of nobody.
 */
static void note_person(struct api_work *work, const struct page *page)
{
    uint8_t *key = arena_alloc(work->arena, RECIPIENT_KEY_BYTES);
    const char *masked = arena_str(work->arena, page->masked);
    if (key == NULL || masked == NULL ||
        !hex_decode(page->key, strlen(page->key), key, RECIPIENT_KEY_BYTES))
        return;
    work->access.key = key;
    work->access.masked = masked;
}

enum result api_decision(struct api_work *work, struct desk_tools *tools, struct error *err)
{
    const struct log_filter filter = {
        .id = work->tails[0], .since = INT64_MIN, .until = INT64_MAX, .limit = 1};
    struct page page = {.out = &work->out, .limit = 1};
    enum result result = desk_index(tools, err);
    if (result == RESULT_OK)
        result = journal_index_log(tools->index, &filter, add_entry, &page, err);
    if (result == RESULT_OK && page.count == 0)
        return api_nothing(work, "decision");
    strbuf_add_char(&work->out, '\n');
    work->access.act = "decision.read";
    work->access.subject = work->tails[0];
    note_person(work, &page);
    return result;
}
