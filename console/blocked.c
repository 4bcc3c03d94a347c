/* SPDX-License-Identifier: Apache-2.0 */
/* What was blocked or deferred, newest first: narrowed, paged, and the way to each message's own
 * page (blocked_one.c). */
#include "console/decisions.h"
#include "console/layout.h"
#include "console/pages.h"
#include "office/words.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#define PATH "/console/blocked"
/* In "person", where what was typed is no address. */
#define NO_ADDRESS     "unknown"
#define REFERENCE_MOST 64 /* as it is typed, and read */
/* "01KB3ZQ5M8-7GQX3D": characters before the hyphen, and all but the hyphen */
#define REFERENCE_TIME 10
#define REFERENCE_ALL  16

/* ---- filters ---- */

static const char *const narrowing[] = {"verdict", "purpose", "partner", "stream",       "channel",
                                        "reason",  "from",    "to",      DECISIONS_ZONE, NULL};

static void select_verdict(struct visit *visit, const struct decision_query *query)
{
    static const struct option options[] = {
        {"", N_("Blocked or deferred"), true},
        {DECISIONS_STOPPED, N_("Blocked, not sent"), true},
        {"block", N_("Blocked by the rules, sent or not"), true},
        {"defer", N_("Deferred"), true},
        {DECISIONS_OBSERVED, N_("Let through while observed"), true},
        {"pass", N_("Permitted"), true},
        {DECISIONS_ALL, N_("All decisions"), true},
    };
    select_field(visit, "verdict", N_("What"), options, sizeof(options) / sizeof(options[0]),
                 query->verdict);
}

static void select_partner(struct visit *visit, const struct decision_query *query)
{
    const struct config *config = visit->config;
    const char *chosen = query->filter.partner != NULL ? query->filter.partner : "";
    struct option *options = arena_alloc(visit->arena, (config->n_partners + 2) * sizeof(*options));
    size_t n = 0;
    if (options == NULL) {
        visit->page.html.failed = true;
        return;
    }
    options[n++] = (struct option){"", N_("All partners"), true};
    for (size_t i = 0; i < config->n_partners; i++)
        options[n++] = (struct option){config->partners[i].id, config->partners[i].name, false};
    if (chosen[0] != '\0' && config_partner(config, chosen) == NULL)
        options[n++] = (struct option){chosen, chosen, false}; /* one of former times */
    select_field(visit, "partner", N_("Partner"), options, n, chosen);
}

/* Only of the partner that was chosen: names of streams alone say nothing. */
static void select_stream(struct visit *visit, const struct decision_query *query)
{
    const struct config *config = visit->config;
    const char *chosen = query->filter.stream != NULL ? query->filter.stream : "";
    struct option *options = arena_alloc(visit->arena, (config->n_streams + 2) * sizeof(*options));
    bool known = false;
    size_t n = 0;
    if (query->filter.partner == NULL)
        return;
    if (options == NULL) {
        visit->page.html.failed = true;
        return;
    }
    options[n++] = (struct option){"", N_("All streams"), true};
    for (size_t i = 0; i < config->n_streams; i++) {
        const struct stream *stream = &config->streams[i].terms;
        if (strcmp(stream->partner->id, query->filter.partner) != 0)
            continue;
        options[n++] = (struct option){stream->id, stream->id, false};
        known = known || strcmp(stream->id, chosen) == 0;
    }
    if (chosen[0] != '\0' && !known)
        options[n++] = (struct option){chosen, chosen, false};
    select_field(visit, "stream", N_("Stream"), options, n, chosen);
}

static void select_channel(struct visit *visit, const struct decision_query *query)
{
    struct option options[CHANNEL_COUNT + 1] = {{"", N_("All channels"), true}};
    for (int i = 0; i < CHANNEL_COUNT; i++) {
        const char *code = channel_name((enum channel)i);
        options[i + 1] = (struct option){code, word_channel(visit->language, code), false};
    }
    select_field(visit, "channel", N_("Channel"), options, CHANNEL_COUNT + 1,
                 query->filter.has_channel ? channel_name(query->filter.channel) : "");
}

static void select_purpose(struct visit *visit, const struct decision_query *query)
{
    struct option options[PURPOSE_COUNT + 1] = {{"", N_("Messages and rows of lists"), true}};
    options[1] = (struct option){purpose_name(PURPOSE_RECEIPT), N_("Messages"), true};
    options[2] =
        (struct option){purpose_name(PURPOSE_TRANSMISSION), N_("Rows of lists screened"), true};
    select_field(visit, "purpose", N_("Act judged"), options, PURPOSE_COUNT + 1,
                 query->filter.purpose != NULL ? query->filter.purpose : "");
}

static void select_reason(struct visit *visit, const struct decision_query *query)
{
    struct option options[REASON_COUNT + 1] = {{"", N_("All reasons"), true}};
    for (int i = 0; i < REASON_COUNT; i++) {
        const char *code = reason_name((enum reason)i);
        options[i + 1] = (struct option){code, word_reason(visit->language, code), false};
    }
    select_field(visit, "reason", N_("Reason"), options, REASON_COUNT + 1,
                 query->filter.reason != NULL ? query->filter.reason : "");
}

static void filters(struct visit *visit, const struct decision_query *query)
{
    filter_begin(visit);
    select_verdict(visit, query);
    select_partner(visit, query);
    select_stream(visit, query);
    select_channel(visit, query);
    select_purpose(visit, query);
    select_reason(visit, query);
    date_field(visit, "from", N_("From"), visit_field(visit, "from"));
    date_field(visit, "to", N_("To, included"), visit_field(visit, "to"));
    if (query->utc)
        hidden_field(visit, DECISIONS_ZONE, DECISIONS_UTC);
    if (query->filter.recipient_key != NULL)
        hidden_field(visit, "person", visit_field(visit, "person"));
    filter_end(visit, N_("Show"));
}

/* Two ways straight to what one looks for. The address goes in the body of a request: it comes into
 * no link, no log and no history. */
static void shortcuts(struct visit *visit, const char *reference)
{
    act_fold_begin_as(visit, N_("Look for one person, or for a reference"), reference[0] != '\0');
    page_raw(&visit->page, "<div class=\"beside\">\n");
    if (visit_may(visit, PERMIT_PERSONS)) {
        act_begin(visit, PATH);
        for (size_t i = 0; narrowing[i] != NULL; i++)
            if (visit_field(visit, narrowing[i])[0] != '\0')
                hidden_field(visit, narrowing[i], visit_field(visit, narrowing[i]));
        text_field(visit, "person", N_("E-mail address or telephone number"),
                   N_("It is not kept: what is looked for is its fingerprint."), "", 320, true);
        act_end(visit, N_("Show this person's"), "");
    }
    page_raw(&visit->page, "<form method=\"get\" action=\"" PATH "\">\n");
    text_field(visit, "ref", N_("Reference"),
               N_("Each refusal ends with one: “ref 01KB3ZQ5M8-7GQX3D”."), reference,
               REFERENCE_MOST, true);
    page_raw(&visit->page, "<div class=\"buttons\"><button>");
    page_tr(&visit->page, N_("Open"));
    page_raw(&visit->page, "</button></div>\n</form>\n</div>\n");
    act_fold_end(visit);
}

/* ---- what was found ---- */

/* This list's path with what narrows it, without its days unless `dated`, for this person. */
static const char *list_path(struct visit *visit, bool dated, const char *person)
{
    struct strbuf path = {0};
    char mark = '?';
    strbuf_add_str(&path, PATH);
    for (size_t i = 0; narrowing[i] != NULL; i++) {
        const char *value = visit_field(visit, narrowing[i]);
        bool day = strcmp(narrowing[i], "from") == 0 || strcmp(narrowing[i], "to") == 0 ||
                   strcmp(narrowing[i], DECISIONS_ZONE) == 0;
        if (value[0] == '\0' || (day && !dated))
            continue;
        strbuf_add_format(&path, "%c%s=", mark, narrowing[i]);
        visit_add_encoded(&path, value);
        mark = '&';
    }
    if (person[0] != '\0') {
        strbuf_add_format(&path, "%cperson=", mark);
        visit_add_encoded(&path, person);
    }
    const char *out = path.failed ? NULL : arena_str(visit->arena, path.data);
    visit->page.html.failed = visit->page.html.failed || out == NULL;
    strbuf_free(&path);
    return out != NULL ? out : PATH;
}

static bool take_first(void *arg, const struct log_entry *entry)
{
    struct decisions_shown *shown = arg;
    shown->count = 1;
    str_copy(shown->masked, sizeof(shown->masked),
             entry->recipient != NULL ? entry->recipient : "");
    return false;
}

/* Of one person's (key), or of all (NULL), one decision. */
static enum result first_of(struct visit *visit, const uint8_t *key, struct decisions_shown *shown,
                            struct error *err)
{
    const struct log_filter one = {
        .recipient_key = key, .since = INT64_MIN, .until = INT64_MAX, .limit = 1};
    *shown = (struct decisions_shown){0};
    return journal_index_log(visit->index, &one, take_first, shown, err);
}

/* Nothing was found: why, as far as that can be told, and where to look next. */
static enum result nothing(struct visit *visit, const struct decision_query *query,
                           struct error *err)
{
    struct decisions_shown any;
    enum result result = first_of(visit, NULL, &any, err);
    if (result != RESULT_OK)
        return result;
    if (any.count == 0)
        part_empty(visit,
                   N_("No message has come through this gate yet. Each one that a partner sends is "
                      "judged and stands here from then on. Your administrator connects partners."),
                   NULL, NULL);
    else if (query->filter.before_seq != 0)
        part_empty(visit, N_("Nothing is further back."),
                   list_path(visit, true, visit_field(visit, "person")), N_("Back to the newest"));
    else if (query->dated)
        part_empty(visit, N_("Nothing of this kind is on record in this period."),
                   list_path(visit, false, visit_field(visit, "person")), N_("Look at all days"));
    else if (query->narrowed)
        part_empty(visit, N_("Nothing of this kind is on record."), PATH,
                   N_("Show all that was blocked or deferred"));
    else
        part_empty(visit,
                   N_("Nothing of this kind is on record: so far everything came out "
                      "otherwise."),
                   PATH "?verdict=" DECISIONS_ALL, N_("Show all decisions"));
    return RESULT_OK;
}

static void dated_note(struct visit *visit, const char *sentence, int64_t instant)
{
    struct strbuf date = {0};
    language_add_date(&date, visit->language, instant);
    if (date.failed)
        visit->page.html.failed = true;
    else
        part_sentence(visit, "p class=\"note\"", sentence, date.data, NULL, NULL);
    strbuf_free(&date);
}

/* What of the list retention has taken. */
static enum result erased_note(struct visit *visit, const struct decision_query *query,
                               struct error *err)
{
    struct journal_erased erased;
    enum result result = journal_index_erased(visit->index, &erased, err);
    if (result != RESULT_OK)
        return result;
    if (erased.decisions_before != 0 && query->filter.since < erased.decisions_before)
        dated_note(visit, N_("Decisions of before %s are erased, at the end of their retention."),
                   erased.decisions_before);
    else if (erased.detail_before != 0 && query->filter.since < erased.detail_before)
        dated_note(visit,
                   N_("What was let through under observation before %s is erased in detail: it is "
                      "counted, but not listed."),
                   erased.detail_before);
    return RESULT_OK;
}

/* Days that are not those of the times in the table. */
static void utc_note(struct visit *visit)
{
    struct strbuf path = {0};
    strbuf_add_str(&path, PATH);
    visit_add_query(visit, &path, DECISIONS_ZONE, "");
    page_raw(&visit->page, "<p class=\"note\">");
    page_tr(&visit->page, N_("These days go from midnight to midnight UTC, as those that the "
                             "numbers are counted by; the times below are of your clock."));
    page_raw(&visit->page, " ");
    part_link(visit, path.failed ? PATH : path.data, N_("Go by the days of your clock"));
    page_raw(&visit->page, "</p>\n");
    visit->page.html.failed = visit->page.html.failed || path.failed;
    strbuf_free(&path);
}

/* "1,234 decisions". */
static enum result total(struct visit *visit, const struct decision_query *query, struct error *err)
{
    struct page *page = &visit->page;
    bool known;
    uint64_t count;
    enum result result = decision_query_count(visit, query, &known, &count, err);
    if (result != RESULT_OK || !known || count == 0)
        return result;
    page_raw(page, "<p><strong>");
    language_add_number(&page->html, visit->language, (int64_t)count);
    page_raw(page, "</strong> ");
    page_text(page, trn(visit->language, "decision", "decisions", count));
    page_raw(page, "</p>\n");
    return RESULT_OK;
}

/* The same list whole, as a file. */
static void as_file(struct visit *visit)
{
    struct strbuf path = {0};
    if (!visit_may(visit, PERMIT_PERSONS))
        return;
    strbuf_add_str(&path, PATH ".csv");
    visit_add_query(visit, &path, "cursor", "");
    page_raw(&visit->page, "<p>");
    part_link(visit, path.failed ? PATH : path.data,
              N_("Download all of them for a spreadsheet (CSV)"));
    page_raw(&visit->page, "</p>\n");
    visit->page.html.failed = visit->page.html.failed || path.failed;
    strbuf_free(&path);
}

/* *of_out: her mask, where she has any decision. */
static enum result one_person(struct visit *visit, const struct decision_query *query,
                              struct decisions_shown *of_out, struct error *err)
{
    struct page *page = &visit->page;
    struct strbuf path = {0};
    const char *key = visit_field(visit, "person");
    enum result result = first_of(visit, query->key, of_out, err);
    if (result != RESULT_OK)
        return result;
    decision_person_path(&path, key);
    page_raw(page, "<div class=\"notice info\"><p>");
    page_tr(page, N_("Of one person only:"));
    page_raw(page, " ");
    part_link_named(visit, path.failed ? PATH : path.data,
                    of_out->masked[0] != '\0' ? of_out->masked
                                              : tr(visit->language, N_("nothing on record")));
    page_raw(page, " · ");
    part_link(visit, list_path(visit, true, ""), N_("Show everybody's"));
    page_raw(page, "</p></div>\n");
    page->html.failed = page->html.failed || path.failed;
    strbuf_free(&path);
    return RESULT_OK;
}

/* ---- the page ---- */

static bool note_look(struct visit *visit, const struct decision_query *query,
                      const struct decisions_shown *shown, const struct decisions_shown *of)
{
    const struct log_filter *filter = &query->filter;
    return visit_note(
        visit, "decision.list",
        &(struct access){.key = filter->recipient_key,
                         .masked = filter->recipient_key != NULL ? of->masked : NULL,
                         .partner = filter->partner,
                         .channel = filter->has_channel ? channel_name(filter->channel) : NULL,
                         .subject = filter->reason,
                         .count = shown->count});
}

static bool is_there(void *arg, const struct log_entry *entry)
{
    (void)entry;
    *(bool *)arg = true;
    return false;
}

/* As somebody copied it out of a partner's log: with "ref " before it, in small letters, without
 * its hyphen. id_out has room for REFERENCE_MOST. */
static void read_reference(const char *text, char *id_out)
{
    size_t n = 0;
    bool hyphen = false;
    if (strncasecmp(text, "ref", 3) == 0)
        text += 3 + strspn(text + 3, " :=");
    for (; *text != '\0' && n + 2 < REFERENCE_MOST; text++) {
        hyphen = hyphen || *text == '-';
        if (isalnum((unsigned char)*text) || *text == '-')
            id_out[n++] = (char)toupper((unsigned char)*text);
    }
    if (!hyphen && n == REFERENCE_ALL) {
        memmove(id_out + REFERENCE_TIME + 1, id_out + REFERENCE_TIME, n - REFERENCE_TIME);
        id_out[REFERENCE_TIME] = '-';
        n++;
    }
    id_out[n] = '\0';
}

/* *found_out false: nothing was written yet. */
static enum result open_reference(struct visit *visit, const char *text, bool *found_out,
                                  struct error *err)
{
    struct strbuf path = {0};
    char id[REFERENCE_MOST];
    read_reference(text, id);
    const struct log_filter filter = {.id = id, .since = INT64_MIN, .until = INT64_MAX, .limit = 1};
    *found_out = false;
    if (id[0] == '\0')
        return RESULT_OK;
    enum result result = journal_index_log(visit->index, &filter, is_there, found_out, err);
    if (result != RESULT_OK || !*found_out)
        return result;
    decision_path(&path, id);
    result = path.failed ? error_no_memory(err) : visit_go(visit, path.data, err);
    strbuf_free(&path);
    return result;
}

static enum result list(struct visit *visit, const struct decision_query *query, struct error *err)
{
    struct decisions_shown shown, of = {0};
    bool alone = query->filter.recipient_key != NULL;
    enum result result = alone ? one_person(visit, query, &of, err) : RESULT_OK;
    part_begin(visit, N_("Decisions"));
    filters(visit, query);
    if (query->utc)
        utc_note(visit);
    if (result == RESULT_OK)
        result = total(visit, query, err);
    if (result == RESULT_OK)
        result = decisions_part(visit, &query->filter, alone, &shown, err);
    if (result == RESULT_OK && shown.count == 0)
        result = nothing(visit, query, err);
    else if (result == RESULT_OK)
        as_file(visit);
    if (result == RESULT_OK)
        result = erased_note(visit, query, err);
    part_end(visit);
    if (result == RESULT_OK && !note_look(visit, query, &shown, &of))
        result = error_no_memory(err);
    return result;
}

enum result blocked_page(struct visit *visit, struct error *err)
{
    static const struct layout layout = {
        .place = PLACE_BLOCKED,
        .title = N_("Blocked messages"),
        .lead = N_("Each message is judged before it leaves. Here stands what was blocked or "
                   "deferred, and why; open one to see which rule spoke, and what the person had "
                   "agreed to."),
    };
    struct decision_query query;
    const char *reference = visit_field(visit, "ref");
    bool found = false;
    if (reference[0] != '\0') {
        enum result opened = open_reference(visit, reference, &found, err);
        if (opened != RESULT_OK || found)
            return opened;
    }
    decision_query_read(visit, &query);
    if (query.filter.recipient_key != NULL && !visit_may(visit, PERMIT_PERSONS))
        return visit_refuse(visit, 403, N_("This is not for your role"),
                            N_("Only compliance officers look at what concerns one person."));
    layout_begin(visit, &layout);
    if (strcmp(visit_field(visit, "person"), NO_ADDRESS) == 0)
        part_notice(visit, "bad",
                    N_("What you typed is neither an e-mail address nor a telephone number. "
                       "Nothing was narrowed."),
                    NULL);
    if (reference[0] != '\0') {
        visit->status = 404;
        part_notice(visit, "bad",
                    N_("No decision has this reference: it may be misspelt, of another gateway, or "
                       "erased at the end of its retention. Correct it below; an address or a "
                       "telephone number is none."),
                    NULL);
    }
    shortcuts(visit, reference);
    enum result result = list(visit, &query, err);
    layout_end(visit);
    return result;
}

/* ---- one person's: POST, so that the address stands in no link ---- */

enum result blocked_person_act(struct visit *visit, struct error *err)
{
    struct address address;
    char key[2 * RECIPIENT_KEY_BYTES + 1];
    uint8_t bytes[RECIPIENT_KEY_BYTES];
    struct error why;
    enum result result =
        address_parse(visit_field(visit, "person"), visit->config->region, &address, &why);
    if (result != RESULT_OK && result != RESULT_BAD_INPUT) {
        *err = why;
        return result;
    }
    if (result == RESULT_BAD_INPUT)
        return visit_go(visit, list_path(visit, true, NO_ADDRESS), err);
    result = recipient_make_key(visit->hmac, &address, bytes, err);
    wipe(&address, sizeof(address));
    if (result != RESULT_OK)
        return result;
    hex_encode(bytes, sizeof(bytes), key);
    return visit_go(visit, list_path(visit, true, key), err);
}
