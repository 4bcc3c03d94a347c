/* SPDX-License-Identifier: Apache-2.0 */
#include "console/decisions.h"

#include "console/layout.h"
#include "office/words.h"
#include "store/tally.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- what is asked for ---- */

static bool reason_passes(const char *code)
{
    static const enum reason passing[] = {REASON_SERVICE, REASON_CONSENT, REASON_SOFT_OPTIN,
                                          REASON_PROFESSIONAL, REASON_INFORMED};
    for (size_t i = 0; i < sizeof(passing) / sizeof(passing[0]); i++)
        if (strcmp(reason_name(passing[i]), code) == 0)
            return true;
    return false;
}

static void read_verdict(const struct visit *visit, struct decision_query *query)
{
    const char *text = visit_field(visit, "verdict");
    struct log_filter *filter = &query->filter;
    query->verdict = text;
    if (verdict_parse(text, &filter->verdict)) {
        filter->has_verdict = true;
    } else if (strcmp(text, DECISIONS_OBSERVED) == 0) {
        filter->has_verdict = true;
        filter->verdict = VERDICT_BLOCK;
        filter->effect = effect_name(EFFECT_PASSED);
    } else if (strcmp(text, DECISIONS_STOPPED) == 0) {
        filter->not_sent = true;
    } else if (strcmp(text, DECISIONS_ALL) != 0) {
        query->verdict = "";
        filter->stopped = filter->reason == NULL || !reason_passes(filter->reason);
    }
}

static void read_days(const struct visit *visit, struct decision_query *query)
{
    struct log_filter *filter = &query->filter;
    bool since = visit_day_field(visit, "from", false, &filter->since);
    bool until = visit_day_field(visit, "to", true, &filter->until);
    query->dated = since || until;
    query->utc = query->dated && strcmp(visit_field(visit, DECISIONS_ZONE), DECISIONS_UTC) == 0;
    if (since && !query->utc)
        filter->since = time_off_wall(visit, filter->since);
    if (until && !query->utc)
        filter->until = time_off_wall(visit, filter->until);
}

/* "INSTANT.ROW", of the last one shown. */
static void read_cursor(const struct visit *visit, struct log_filter *filter)
{
    const char *text = visit_field(visit, "cursor");
    char *end = NULL;
    if (text[0] < '0' || text[0] > '9')
        return;
    int64_t at = strtoll(text, &end, 10);
    if (*end != '.' || end[1] < '0' || end[1] > '9')
        return;
    uint64_t seq = strtoull(end + 1, &end, 10);
    if (*end != '\0')
        return;
    filter->before_at = at;
    filter->before_seq = seq;
}

void decision_query_read(const struct visit *visit, struct decision_query *query)
{
    const char *partner = visit_id_field(visit, "partner");
    const char *stream = visit_id_field(visit, "stream");
    const char *reason = visit_field(visit, "reason");
    const char *person = visit_field(visit, "person");
    const char *purpose = visit_field(visit, "purpose");
    enum purpose known_purpose;
    enum reason known;
    *query = (struct decision_query){
        .filter = {.since = INT64_MIN, .until = INT64_MAX, .limit = DECISIONS_PAGE + 1}};
    struct log_filter *filter = &query->filter;
    filter->partner = partner[0] != '\0' ? partner : NULL;
    filter->stream = partner[0] != '\0' && stream[0] != '\0' ? stream : NULL;
    filter->reason = reason_parse(reason, &known) ? reason : NULL;
    filter->has_channel = channel_parse(visit_field(visit, "channel"), &filter->channel);
    filter->purpose = purpose_parse(purpose, &known_purpose) ? purpose : NULL;
    read_days(visit, query);
    if (hex_decode(person, strlen(person), query->key, sizeof(query->key)))
        filter->recipient_key = query->key;
    read_verdict(visit, query);
    read_cursor(visit, filter);
    query->narrowed = query->dated || filter->partner != NULL || filter->reason != NULL ||
                      filter->purpose != NULL || filter->has_channel ||
                      filter->recipient_key != NULL;
}

/* ---- how many ---- */

/* Whether a row of the tally (below) is of what passes the filter; the period and the partner were
 * asked for already. */
static bool counts(const struct log_filter *filter, const struct tally_row *row)
{
    const char *const *keys = row->keys;
    return (!filter->has_verdict || strcmp(keys[0], verdict_name(filter->verdict)) == 0) &&
           (!filter->stopped || strcmp(keys[0], verdict_name(VERDICT_PASS)) != 0) &&
           (filter->reason == NULL || strcmp(keys[1], filter->reason) == 0) &&
           (filter->effect == NULL || strcmp(keys[2], filter->effect) == 0) &&
           (!filter->not_sent || (strcmp(keys[0], verdict_name(VERDICT_BLOCK)) == 0 &&
                                  strcmp(keys[2], effect_name(EFFECT_PASSED)) != 0)) &&
           (!filter->has_channel || strcmp(keys[3], channel_name(filter->channel)) == 0) &&
           (filter->stream == NULL || strcmp(keys[4], filter->stream) == 0);
}

enum result decision_query_count(struct visit *visit, const struct decision_query *query,
                                 bool *known_out, uint64_t *count_out, struct error *err)
{
    static const enum tally_by by[] = {TALLY_VERDICT, TALLY_REASON, TALLY_EFFECT, TALLY_CHANNEL,
                                       TALLY_STREAM};
    const struct log_filter *filter = &query->filter;
    const struct tally_filter period = {.since = filter->since,
                                        .until = filter->until,
                                        .partner = filter->partner,
                                        .purpose = filter->purpose};
    *known_out = filter->recipient_key == NULL;
    *count_out = 0;
    if (!*known_out)
        return RESULT_OK;
    struct tally *tally = tally_new(by, filter->stream != NULL ? 5 : 4);
    if (tally == NULL)
        return error_no_memory(err);
    enum result result = journal_index_tally(visit->index, &period, &tally, 1, err);
    for (size_t i = 0; result == RESULT_OK && i < tally_count(tally); i++)
        if (counts(filter, tally_row(tally, i)))
            *count_out += tally_row(tally, i)->counts.decisions;
    tally_free(&tally);
    return result;
}

/* ---- ways ---- */

void decision_path(struct strbuf *out, const char *id)
{
    strbuf_add_str(out, "/console/blocked/");
    visit_add_encoded(out, id);
}

void decision_person_path(struct strbuf *out, const char *key)
{
    strbuf_add_str(out, "/console/persons/");
    visit_add_encoded(out, key);
}

void decision_partner_path(struct strbuf *out, const char *partner)
{
    strbuf_add_str(out, "/console/partners/");
    visit_add_encoded(out, partner);
}

const char *decision_partner_name(const struct visit *visit, const char *id)
{
    const struct partner *partner = config_partner(visit->config, id);
    return partner != NULL ? partner->name : id;
}

/* ---- the table ---- */

struct table {
    struct visit *visit;
    bool alone;
    struct decisions_shown *shown;
    bool more;
    int64_t last_at;
    uint64_t last_seq;
    struct strbuf path; /* scratch */
    struct error *err;
    enum result result; /* of what is looked up for a row */
};

static const char *path_of(struct table *table, void (*add)(struct strbuf *, const char *),
                           const char *name)
{
    strbuf_clear(&table->path);
    add(&table->path, name);
    table->visit->page.html.failed = table->visit->page.html.failed || table->path.failed;
    return table->path.failed ? "" : table->path.data;
}

static const char *or_nothing(const char *text)
{
    return text != NULL ? text : "";
}

void decision_verdict_add(struct visit *visit, const struct log_entry *entry)
{
    const char *effect = or_nothing(entry->effect);
    verdict_add(visit, entry->verdict);
    const char *aside = NULL;
    if (strcmp(effect, effect_name(EFFECT_ABANDONED)) == 0)
        aside = N_("given up by the partner");
    else if (strcmp(effect, effect_name(EFFECT_DISCARDED)) == 0)
        aside = N_("answered as if sent");
    else if (strcmp(effect, effect_name(EFFECT_PASSED)) == 0 &&
             strcmp(entry->verdict, verdict_name(VERDICT_PASS)) != 0)
        aside = N_("let through, observed");
    if (aside == NULL)
        return;
    page_raw(&visit->page, "<br><span class=\"note\">");
    page_tr(&visit->page, aside);
    page_raw(&visit->page, "</span>");
}

static void time_cell(struct table *table, const struct log_entry *entry)
{
    struct page *page = &table->visit->page;
    page_raw(page, "<td class=\"when\"><a href=\"");
    page_text(page, path_of(table, decision_path, entry->id));
    page_raw(page, "\">");
    time_add(table->visit, entry->instant);
    page_raw(page, "</a></td>");
}

static void partner_cell(struct table *table, const char *partner)
{
    struct visit *visit = table->visit;
    if (config_partner(visit->config, partner) == NULL)
        page_cell(&visit->page, partner);
    else
        cell_link(visit, path_of(table, decision_partner_path, partner),
                  decision_partner_name(visit, partner));
}

/* The person by her mask, and the channel. */
static void person_cell(struct table *table, const struct log_entry *entry)
{
    struct visit *visit = table->visit;
    struct page *page = &visit->page;
    page_raw(page, "<td>");
    if (table->alone) {
        page_text(page, word_channel(visit->language, or_nothing(entry->channel)));
        page_raw(page, "</td>");
        return;
    }
    if (entry->recipient == NULL)
        page_tr(page, N_("nobody was named yet"));
    else if (entry->recipient_key != NULL && visit_may(visit, PERMIT_PERSONS))
        part_link_named(visit, path_of(table, decision_person_path, entry->recipient_key),
                        entry->recipient);
    else
        page_text(page, entry->recipient);
    page_raw(page, "<br><span class=\"note\">");
    page_text(page, word_channel(visit->language, or_nothing(entry->channel)));
    page_raw(page, "</span></td>");
}

static bool add_form(void *arg, const struct event_row *event)
{
    struct table *table = arg;
    struct visit *visit = table->visit;
    char name[160];
    if (event->form_id == NULL) {
        page_raw(&visit->page, "<span class=\"note\">");
        page_tr(&visit->page, N_("without a form"));
        page_raw(&visit->page, "</span>");
        return true;
    }
    strbuf_clear(&table->path);
    strbuf_add_str(&table->path, "/console/forms/");
    visit_add_encoded(&table->path, event->form_id);
    strbuf_add_format(&table->path, "/%d", event->form_version);
    snprintf(name, sizeof(name), "%.140s@%d", event->form_id, event->form_version);
    part_link_named(visit, table->path.failed ? "" : table->path.data, name);
    return true;
}

/* Of the event it relied on. */
static void form_cell(struct table *table, const struct log_entry *entry)
{
    struct page *page = &table->visit->page;
    page_raw(page, "<td>");
    if (entry->event != 0) {
        enum result result =
            registry_find_event(table->visit->registry, entry->event, add_form, table, table->err);
        if (result == RESULT_NOT_FOUND) {
            page_raw(page, "<span class=\"note\">");
            page_text(page, word_origin(table->visit->language, TALLY_GONE));
            page_raw(page, "</span>");
        } else {
            table->result = result;
        }
    }
    page_raw(page, "</td>");
}

static void begin_table(struct table *table)
{
    static const char *const heads[] = {N_("When"), N_("Partner"), N_("Person"), N_("Verdict"),
                                        N_("Why"),  N_("Form"),    NULL};
    static const char *const alone_heads[] = {
        N_("When"), N_("Partner"), N_("Channel"), N_("Verdict"), N_("Why"), N_("Form"), NULL};
    grid_begin(table->visit, N_("Decisions, newest first"), table->alone ? alone_heads : heads);
}

static bool add_row(void *arg, const struct log_entry *entry)
{
    struct table *table = arg;
    struct visit *visit = table->visit;
    if (table->shown->count == DECISIONS_PAGE) {
        table->more = true;
        return false;
    }
    if (table->shown->count++ == 0) {
        str_copy(table->shown->masked, sizeof(table->shown->masked), or_nothing(entry->recipient));
        begin_table(table);
    }
    page_row(&visit->page);
    time_cell(table, entry);
    partner_cell(table, or_nothing(entry->partner));
    person_cell(table, entry);
    page_raw(&visit->page, "<td>");
    decision_verdict_add(visit, entry);
    page_raw(&visit->page, "</td>");
    page_raw(&visit->page, "<td class=\"why\">");
    code_add(visit, word_reason(visit->language, or_nothing(entry->reason)), entry->reason);
    page_raw(&visit->page, "</td>");
    form_cell(table, entry);
    table->last_at = entry->instant;
    table->last_seq = entry->seq;
    return table->result == RESULT_OK && !visit->page.html.failed;
}

enum result decisions_part(struct visit *visit, const struct log_filter *filter, bool alone,
                           struct decisions_shown *shown, struct error *err)
{
    struct table table = {.visit = visit, .alone = alone, .shown = shown, .err = err};
    char cursor[48] = "";
    *shown = (struct decisions_shown){0};
    enum result result = journal_index_log(visit->index, filter, add_row, &table, err);
    strbuf_free(&table.path);
    if (result == RESULT_OK)
        result = table.result;
    if (result != RESULT_OK)
        return result;
    if (shown->count > 0)
        grid_end(visit);
    if (table.more)
        snprintf(cursor, sizeof(cursor), "%" PRId64 ".%" PRIu64, table.last_at, table.last_seq);
    pager(visit, cursor, filter->before_seq == 0);
    return RESULT_OK;
}
