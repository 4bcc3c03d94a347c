/* SPDX-License-Identifier: Apache-2.0 */
/* The dossier on what the gate went by: the rules of each channel, and the configuration's history.
 */
#include "office/dossier.h"
#include "office/words.h"
#include "policy/calendar.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- a policy in words; what a later version adds is in the canonical text all the same ---- */

static void say_accepted(struct page *page, const char *label, int64_t accept)
{
    bool first = true;
    page_raw(page, "<li>");
    page_text(page, label);
    for (int i = 0; i < BASIS_COUNT; i++) {
        if ((accept & BASIS_BIT(i)) == 0)
            continue;
        page_text(page, first ? " " : ", ");
        page_text(page, word_basis(page->language, basis_name((enum basis)i)));
        first = false;
    }
    page_raw(page, "</li>\n");
}

/* The law's day begins at midnight where the law holds, which is another day in UTC. */
static void add_local_date(struct strbuf *out, enum language language, const char *timezone,
                           int64_t instant)
{
    struct local_time local;
    char text[CLOCK_TEXT];
    int64_t noon = instant;
    if (local_time_at(timezone, instant, &local)) {
        int length = snprintf(text, sizeof(text), "%04d-%02d-%02dT12:00:00Z", local.year,
                              local.month, local.day);
        if (length < 0 || !clock_parse(text, (size_t)length, &noon))
            noon = instant;
    }
    language_add_date(out, language, noon);
}

/* The law may change the bases from one day on; then both are said. */
static void say_bases(struct page *page, const json_t *policy)
{
    int64_t since = json_integer_value(json_object_get(policy, "accept_since"));
    int64_t accept = json_integer_value(json_object_get(policy, "accept"));
    struct strbuf date = {0};
    struct strbuf label = {0};
    if (since == 0) {
        say_accepted(page, tr(page->language, N_("Legal bases accepted:")), accept);
        return;
    }
    add_local_date(&date, page->language, history_text(policy, "timezone"), since);
    strbuf_add_format(&label, tr(page->language, N_("Legal bases accepted before %s:")),
                      date.data != NULL ? date.data : "");
    say_accepted(page, label.data != NULL ? label.data : "",
                 json_integer_value(json_object_get(policy, "accept_before")));
    strbuf_clear(&label);
    strbuf_add_format(&label, tr(page->language, N_("Legal bases accepted from %s on:")),
                      date.data != NULL ? date.data : "");
    say_accepted(page, label.data != NULL ? label.data : "", accept);
    page->html.failed = page->html.failed || date.failed || label.failed;
    strbuf_free(&date);
    strbuf_free(&label);
}

static void say_months(struct page *page, int64_t months)
{
    struct strbuf text = {0};
    if (months > 0 && months % 12 == 0)
        strbuf_add_format(&text,
                          trn(page->language,
                              "A consent lapses %d year after the last act of the person.",
                              "A consent lapses %d years after the last act of the person.",
                              (uint64_t)months / 12),
                          (int)(months / 12));
    else
        strbuf_add_format(
            &text,
            trn(page->language, "A consent lapses %d month after the last act of the person.",
                "A consent lapses %d months after the last act of the person.", (uint64_t)months),
            (int)months);
    page_element(page, "li", text.data != NULL ? text.data : "");
    page->html.failed = page->html.failed || text.failed;
    strbuf_free(&text);
}

/* Keys that come several times, which JSON readers give only once: every "key":"text" in turn. */
static bool next_text(const char **at, const char *quoted_key, struct strbuf *out)
{
    const char *found = strstr(*at, quoted_key);
    if (found == NULL)
        return false;
    const char *value = found + strlen(quoted_key);
    const char *end = value + 1;
    while (*end != '\0' && *end != '"')
        end += *end == '\\' && end[1] != '\0' ? 2 : 1;
    if (*value != '"' || *end == '\0')
        return false;
    json_t *text = json_loadb(value, (size_t)(end + 1 - value), JSON_DECODE_ANY, NULL);
    strbuf_clear(out);
    strbuf_add_str(out, json_string_value(text) != NULL ? json_string_value(text) : "");
    json_decref(text);
    *at = end + 1;
    return true;
}

static void say_sectors(struct page *page, const char *canonical)
{
    struct strbuf sector = {0};
    const char *at = canonical;
    bool first = true;
    while (next_text(&at, "\"banned_sector\":", &sector)) {
        if (first) {
            page_raw(page, "<li>");
            page_tr(page, N_("Sectors banned on this channel:"));
        }
        page_text(page, first ? " " : ", ");
        page_text(page, sector.data != NULL ? sector.data : "");
        first = false;
    }
    if (!first)
        page_raw(page, "</li>\n");
    strbuf_free(&sector);
}

/* The minutes of the day behind "name":, which come several times; false when there are no more. */
static bool next_minutes(const char **at, const char *name, long *minutes_out)
{
    const char *found = strstr(*at, name);
    char *end;
    if (found == NULL)
        return false;
    found += strlen(name);
    *minutes_out = strtol(found, &end, 10);
    *at = end;
    return end != found && *minutes_out >= 0 && *minutes_out <= 24 * 60;
}

static void say_hours(struct page *page, const char *canonical, const json_t *policy)
{
    if (json_integer_value(json_object_get(policy, "always_open")) != 0) {
        page_element_tr(page, "li", N_("No restriction of hours."));
        return;
    }
    const char *at = canonical;
    long from;
    long to;
    page_raw(page, "<li>");
    page_tr(page, N_("Hours at which messages may leave:"));
    for (bool first = true;
         next_minutes(&at, "\"from\":", &from) && next_minutes(&at, "\"to\":", &to); first = false)
        strbuf_add_format(&page->html, "%s%02ld:%02ld\u2013%02ld:%02ld", first ? " " : ", ",
                          from / 60, from % 60, to / 60, to % 60);
    page_text(page, " (");
    page_text(page, history_text(policy, "timezone"));
    page_raw(page, ")</li>\n");
}

static void say_policy(struct page *page, const char *canonical)
{
    json_t *policy = json_loads(canonical, 0, NULL);
    if (policy == NULL)
        return;
    const json_t *months = json_object_get(policy, "stale_months");
    page_raw(page, "<ul>\n");
    say_bases(page, policy);
    page_element_tr(page, "li",
                    json_integer_value(json_object_get(policy, "partner_naming")) == NAMING_NAMED
                        ? N_("The partner must have been shown to the person by name.")
                        : N_("It is enough that a category of partners was shown to the person."));
    page_element_tr(
        page, "li",
        json_integer_value(json_object_get(policy, "partner_added_later")) == ADDED_LATER_BLOCK
            ? N_("A partner added to the list after the person consented is blocked.")
            : N_("A partner added to the list after the person consented is permitted."));
    if (json_is_integer(months) && json_integer_value(months) > 0)
        say_months(page, json_integer_value(months));
    say_sectors(page, canonical);
    say_hours(page, canonical, policy);
    page_raw(page, "</ul>\n");
    json_decref(policy);
}

/* ---- versions in force ---- */

static void since_text(struct dossier *dossier, size_t first, struct strbuf *out)
{
    const struct history *history = &dossier->history;
    struct page *page = &dossier->page;
    if (first == 0 && history->entries[0].at <= dossier->filter.since) {
        strbuf_add_str(out, tr(page->language, N_("in force since before the period")));
        return;
    }
    struct strbuf time = {0};
    language_add_time(&time, page->language, history->entries[first].at);
    strbuf_add_format(out, tr(page->language, N_("in force since %s")),
                      time.data != NULL ? time.data : "");
    strbuf_free(&time);
}

static const struct tally_counts *decisions_under(const struct dossier *dossier,
                                                  const char *channel, const char *version)
{
    const struct tally *policies = dossier->tallies[DOSSIER_POLICIES];
    for (size_t i = 0; i < tally_count(policies); i++)
        if (strcmp(tally_row(policies, i)->keys[0], channel) == 0 &&
            strcmp(tally_row(policies, i)->keys[1], version) == 0)
            return &tally_row(policies, i)->counts;
    return NULL;
}

/* One version of one channel's policy, first seen in entry `first`. */
static void policy_version(struct dossier *dossier, size_t first, const json_t *policy)
{
    struct page *page = &dossier->page;
    struct strbuf text = {0};
    const char *channel = history_text(policy, "channel");
    const char *version = history_text(policy, "version");
    const struct tally_counts *counts = decisions_under(dossier, channel, version);
    page_raw(page, "<h3>");
    page_text(page, word_channel(page->language, channel));
    page_raw(page, ", <code>");
    page_text(page, version);
    page_raw(page, "</code></h3>\n");
    since_text(dossier, first, &text);
    strbuf_add_str(&text, page->language == LANGUAGE_FR ? "\u202f; " : "; ");
    struct strbuf number = {0};
    language_add_number(&number, page->language, counts != NULL ? (int64_t)counts->decisions : 0);
    strbuf_add_format(&text, tr(page->language, N_("decisions made under it: %s")),
                      number.data != NULL ? number.data : "");
    page_element(page, "p class=\"note\"", text.data != NULL ? text.data : "");
    page->html.failed = page->html.failed || text.failed || number.failed;
    strbuf_free(&text);
    strbuf_free(&number);
    say_policy(page, history_text(policy, "text"));
    page_element(page, "pre", history_text(policy, "text"));
}

/* Channels nobody uses have rules too; they are left out unless something was decided by them. */
static bool is_used(const struct dossier *dossier, const struct history_entry *entry,
                    const char *channel)
{
    const struct tally *policies = dossier->tallies[DOSSIER_POLICIES];
    for (size_t i = 0; i < tally_count(policies); i++)
        if (strcmp(tally_row(policies, i)->keys[0], channel) == 0)
            return true;
    return history_find(entry->streams, "channel", channel) != NULL;
}

void dossier_rules(struct dossier *dossier)
{
    const struct history *history = &dossier->history;
    struct page *page = &dossier->page;
    dossier_heading(dossier, N_("Rules in force"));
    if (history->count == 0) {
        page_element_tr(page, "p", N_("The journal holds no configuration of this period."));
        return;
    }
    page_element_tr(page, "p",
                    N_("Every decision in the journal names the version of the rules it was made "
                       "under: the first twelve digits of the SHA-256 hash of the text in the grey "
                       "box. Channels that were not used are left out."));
    for (size_t i = 0; i < history->count; i++) {
        const struct history_entry *entry = &history->entries[i];
        for (size_t j = 0; j < json_array_size(entry->policies); j++) {
            const json_t *policy = json_array_get(entry->policies, j);
            const char *channel = history_text(policy, "channel");
            if (history_policy_since(history, i, channel) == i && is_used(dossier, entry, channel))
                policy_version(dossier, i, policy);
        }
    }
}

/* ---- the configuration's history ---- */

__attribute__((format(printf, 2, 3))) static void change(struct page *page, const char *format, ...)
{
    char text[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    page_element(page, "div", text);
}

static bool partner_changes(struct dossier *dossier, const struct history_entry *before,
                            const struct history_entry *now)
{
    struct page *page = &dossier->page;
    bool any = false;
    for (size_t i = 0; i < json_array_size(now->partners); i++) {
        const json_t *partner = json_array_get(now->partners, i);
        const json_t *old = history_find(before->partners, "id", history_text(partner, "id"));
        const char *name = history_text(partner, "name");
        const char *mode = word_regime(page->language, history_text(partner, "mode"));
        if (old == NULL)
            change(page, tr(page->language, N_("%s: partner added (%s)")), name, mode);
        else if (strcmp(history_text(old, "mode"), history_text(partner, "mode")) != 0)
            change(
                page,
                tr(page->language, N_("%s: regime changed from \u201c%s\u201d to \u201c%s\u201d")),
                name, word_regime(page->language, history_text(old, "mode")), mode);
        else
            continue;
        any = true;
    }
    for (size_t i = 0; i < json_array_size(before->partners); i++) {
        const json_t *partner = json_array_get(before->partners, i);
        if (history_find(now->partners, "id", history_text(partner, "id")) != NULL)
            continue;
        change(page, tr(page->language, N_("%s: partner removed")), history_text(partner, "name"));
        any = true;
    }
    return any;
}

static bool policy_changes(struct dossier *dossier, const struct history_entry *before,
                           const struct history_entry *now)
{
    struct page *page = &dossier->page;
    bool any = false;
    for (size_t i = 0; i < json_array_size(now->policies); i++) {
        const json_t *policy = json_array_get(now->policies, i);
        const char *channel = history_text(policy, "channel");
        const json_t *old = history_find(before->policies, "channel", channel);
        if (old == NULL ||
            strcmp(history_text(old, "version"), history_text(policy, "version")) == 0)
            continue;
        change(page, tr(page->language, N_("Rules for %s: version %s replaced by %s")),
               word_channel(page->language, channel), history_text(old, "version"),
               history_text(policy, "version"));
        any = true;
    }
    return any;
}

static void configuration_row(struct dossier *dossier, size_t i)
{
    struct page *page = &dossier->page;
    const struct history_entry *entry = &dossier->history.entries[i];
    char fingerprint[17];
    str_copy_n(fingerprint, sizeof(fingerprint), entry->sha256, strnlen(entry->sha256, 16));
    page_row(page);
    page_time(page, entry->at);
    page_cell(page, strcmp(entry->cause, "reload") == 0
                        ? tr(page->language, N_("Change while running"))
                        : tr(page->language, N_("Start")));
    page_code(page, fingerprint);
    page_raw(page, "<td>");
    if (i == 0) {
        page_tr(page, N_("First configuration on record for the period"));
    } else {
        bool partners = partner_changes(dossier, entry - 1, entry);
        bool policies = policy_changes(dossier, entry - 1, entry);
        if (!partners && !policies)
            page_tr(page, N_("Neither partners nor rules changed"));
    }
    page_raw(page, "</td>");
}

void dossier_configurations(struct dossier *dossier)
{
    static const char *const heads[] = {N_("Moment"), N_("Occasion"), N_("Fingerprint"),
                                        N_("What changed"), NULL};
    struct page *page = &dossier->page;
    const struct history *history = &dossier->history;
    struct strbuf text = {0};
    uint64_t same = 0;
    if (history->count == 0)
        return;
    dossier_heading(dossier, N_("History of the configuration"));
    page_element_tr(page, "p",
                    N_("The gateway puts its configuration on record in the journal when it starts "
                       "and whenever it changes. The fingerprint is the beginning of the SHA-256 "
                       "hash of the configuration files; configuration.csv has it in full."));
    page_table(page, heads);
    for (size_t i = 0; i < history->count; i++) {
        if (history_changed(history, i))
            configuration_row(dossier, i);
        else
            same++;
    }
    page_table_end(page);
    if (same > 0) {
        strbuf_add_format(
            &text,
            trn(page->language, "%d further start with an unchanged configuration is not listed.",
                "%d further starts with an unchanged configuration are not listed.", same),
            (int)same);
        page_element(page, "p class=\"note\"", text.data != NULL ? text.data : "");
        strbuf_free(&text);
    }
}
