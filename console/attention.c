/* SPDX-License-Identifier: Apache-2.0 */
/* What needs somebody's attention now, whatever period the page is about. */
#include "console/attention.h"

#include "base/clock.h"
#include "console/chooser.h"
#include "console/decisions.h"
#include "console/health.h"
#include "console/layout.h"
#include "console/stop.h"
#include "office/digest.h"
#include "store/notices.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define SUSPENDED_SHOWN 8
#define UNUSUAL_SHOWN   8
/* A check takes a while, and the gate may have been down. */
#define CHECK_GRACE (3600 * CLOCK_SECOND)

struct attention {
    struct visit *visit;
    size_t n;
};

static void begin(struct attention *attention, const char *kind, const char *badge,
                  const char *sentence, const char *one, const char *two, const char *three)
{
    if (attention->n++ == 0)
        states_begin(attention->visit);
    state_open(attention->visit, kind, badge, sentence, one, two, three);
}

static void say(struct attention *attention, const char *kind, const char *badge,
                const char *sentence, const char *one, const char *two, const char *three)
{
    begin(attention, kind, badge, sentence, one, two, three);
    state_close(attention->visit);
}

/* ---- the journal, the providers, the configuration ---- */

static void look_at_chain(struct attention *attention, const struct visit_health *health)
{
    struct visit *visit = attention->visit;
    struct strbuf place = {0};
    if (health->check == VISIT_CHECK_BROKEN) {
        digest_add_place(&place, visit->language, health->checked_why);
        begin(
            attention, "bad", N_("Journal"),
            N_("The journal does not hold at %s: it was changed, or a disk failed. Have it looked "
               "at before anything is repaired, and keep a copy."),
            place.failed ? "" : place.data, NULL, NULL);
        part_link(visit, "/console/dossier", N_("What verification found"));
        state_close(visit);
    } else if (health->check == VISIT_CHECK_FAILED) {
        say(attention, "warn", N_("Journal"), N_("The journal could not be verified: %s"),
            health->checked_why, NULL, NULL);
    } else if (health->check_every > 0 && !health->checking &&
               visit->now - (health->checked_at != 0 ? health->checked_at : health->started_at) >
                   2 * health->check_every + CHECK_GRACE) {
        begin(attention, "warn", N_("Journal"),
              N_("The journal was not verified for longer than it should be."), NULL, NULL, NULL);
        part_link(visit, "/console/dossier", N_("Verify it"));
        state_close(visit);
    }
    strbuf_free(&place);
}

static void look_at_gateway(struct attention *attention, const struct visit_health *health)
{
    if (health->failing)
        say(attention, "bad", N_("Journal"),
            N_("The journal cannot be written, so nothing passes: whoever sends is told to come "
               "again. Tell your administrator at once."),
            NULL, NULL, NULL);
    look_at_chain(attention, health);
    for (size_t i = 0; i < health->n_providers; i++) {
        const struct visit_provider *provider = &health->providers[i];
        if (strcmp(provider->breaker, "open") == 0)
            say(attention, "bad", N_("Provider"),
                N_("%s is out of service: it failed several times in a row. Where there is no "
                   "other "
                   "provider, partners are told to come again; nothing is lost."),
                provider->name, NULL, NULL);
        else if (strcmp(provider->breaker, "half-open") == 0)
            say(attention, "warn", N_("Provider"),
                N_("%s was out of service and is being tried again."), provider->name, NULL, NULL);
    }
    if (health->reload_failed)
        say(attention, "warn", N_("Configuration"),
            N_("The configuration was changed and could not be taken: the one before stays in "
               "force. Your administrator sees why with octroi check-config."),
            NULL, NULL, NULL);
}

/* ---- the registry ---- */

static void suspended(struct attention *attention, const struct stop *stop)
{
    static const char *const sentences[SUSPENSION_KIND_COUNT] = {
        [SUSPEND_PARTNER] = N_("Nothing passes any more: %s. The reason given: %s"),
        [SUSPEND_STREAM] = N_("Nothing of this stream passes any more, the partner's other streams "
                              "go on: %s. The reason given: %s"),
        [SUSPEND_FORM] = N_("Consents given on it let nothing pass any more, others still count: "
                            "%s. The reason given: %s"),
        [SUSPEND_SUPPLIER] = N_("Consents it brought let nothing pass any more, others still "
                                "count: %s. The reason given: %s"),
    };
    struct visit *visit = attention->visit;
    struct strbuf name = {0}, path = {0}, reason = {0};
    digest_add_suspended(&name, visit->language, visit->config, stop->kind, stop->id);
    text_hide_addresses(stop->reason, visit->config->region, &reason);
    stop_path(&path, stop->kind, stop->id);
    if (name.failed || path.failed || reason.failed) {
        visit->page.html.failed = true;
    } else {
        begin(attention, "warn", N_("Stopped"), sentences[stop->kind], name.data,
              reason.data != NULL ? reason.data : "", NULL);
        page_raw(&visit->page, "<span class=\"note\">");
        time_add(visit, stop->since);
        page_raw(&visit->page, "</span> ");
        part_link(visit, path.data, N_("Look at it"));
        state_close(visit);
    }
    strbuf_free(&name);
    strbuf_free(&path);
    strbuf_free(&reason);
}

static enum result look_at_suspensions(struct attention *attention, struct error *err)
{
    struct visit *visit = attention->visit;
    struct stop *stops;
    size_t n = 0, more = 0;
    enum result result = stops_read(visit, &stops, err);
    if (result != RESULT_OK)
        return result;
    for (const struct stop *stop = stops; stop != NULL; stop = stop->next) {
        if (n++ < SUSPENDED_SHOWN)
            suspended(attention, stop);
        else
            more++;
    }
    if (more > 0) {
        char text[24];
        snprintf(text, sizeof(text), "%zu", more);
        say(attention, "warn", N_("Stopped"), N_("%s more partners, forms or suppliers."), text,
            NULL, NULL);
    }
    return RESULT_OK;
}

static void overdue(struct attention *attention, const struct partner *partner, uint64_t count,
                    int64_t oldest)
{
    struct visit *visit = attention->visit;
    struct strbuf number = {0}, path = {0};
    language_add_number(&number, visit->language, (int64_t)count);
    strbuf_add_str(&path, "/console/partners/");
    visit_add_encoded(&path, partner->id);
    if (number.failed || path.failed) {
        visit->page.html.failed = true;
    } else {
        begin(
            attention, "warn", N_("Overdue"),
            N_("%s has not confirmed in time that it took note of withdrawals and objections: %s. "
               "It may still be using those addresses elsewhere."),
            partner->name, number.data, NULL);
        page_raw(&visit->page, "<span class=\"note\">");
        page_tr(&visit->page, N_("The oldest:"));
        page_raw(&visit->page, " ");
        time_add(visit, oldest);
        page_raw(&visit->page, "</span> ");
        part_link(visit, path.data, N_("Look at the partner"));
        state_close(visit);
    }
    strbuf_free(&number);
    strbuf_free(&path);
}

/* Asked of the registry only where the gateway counted some: it reads much. */
static enum result look_at_notices(struct attention *attention, struct error *err)
{
    struct visit *visit = attention->visit;
    const struct config *config = visit->config;
    enum result result = RESULT_OK;
    if (visit->health != NULL && visit->health->notices_overdue == 0)
        return RESULT_OK;
    for (size_t i = 0; i < config->n_notices && result == RESULT_OK; i++) {
        const struct notices_config *notices = &config->notices[i];
        uint64_t count = 0;
        int64_t oldest = 0;
        result =
            registry_overdue_deliveries(visit->registry, notices->partner->id,
                                        visit->now - notices->overdue_after, &count, &oldest, err);
        if (result == RESULT_OK && count > 0)
            overdue(attention, notices->partner, count, oldest);
    }
    return result;
}

/* ---- unusual blocks ---- */

struct line {
    const char *partner, *channel;
    struct tally_counts today, yesterday, week; /* the week before yesterday */
};

static void add_share(struct strbuf *out, const struct visit *visit,
                      const struct tally_counts *counts)
{
    language_add_share(out, visit->language, tally_stopped(counts), counts->decisions);
}

static void unusual(struct attention *attention, const struct line *line, const struct period *day,
                    const struct tally_counts *counts, const char *sentence)
{
    struct visit *visit = attention->visit;
    struct strbuf now = {0}, before = {0}, path = {0};
    add_share(&now, visit, counts);
    add_share(&before, visit, &line->week);
    counts_list_path(&path, day, DECISIONS_STOPPED);
    strbuf_add_str(&path, "&partner=");
    visit_add_encoded(&path, line->partner);
    strbuf_add_format(&path, "&channel=%s", line->channel);
    if (now.failed || before.failed || path.failed) {
        visit->page.html.failed = true;
    } else {
        begin(attention, "warn", N_("Unusual"), sentence, partner_words(visit, line->partner),
              now.data, before.data);
        part_link(visit, path.data, N_("Look at these messages"));
        state_close(visit);
    }
    strbuf_free(&now);
    strbuf_free(&before);
    strbuf_free(&path);
}

static void look_at_line(struct attention *attention, const struct line *line,
                         const struct period *yesterday, const struct period *today, size_t *n)
{
    if (*n >= UNUSUAL_SHOWN || line->partner == NULL)
        return;
    if (digest_is_unusual(&line->today, &line->week)) {
        unusual(attention, line, today, &line->today,
                N_("%s: %s of its messages were blocked today, %s in the week before."));
        ++*n;
    } else if (digest_is_unusual(&line->yesterday, &line->week)) {
        unusual(attention, line, yesterday, &line->yesterday,
                N_("%s: %s of its messages were blocked yesterday, %s in the week before."));
        ++*n;
    }
}

/* Today and yesterday, each against the seven days before yesterday, by partner and channel. */
static enum result look_at_blocks(struct attention *attention, struct error *err)
{
    static const enum tally_by by[] = {TALLY_PARTNER, TALLY_CHANNEL, TALLY_DAY};
    struct visit *visit = attention->visit;
    struct period all, today, yesterday;
    struct tally *tally = NULL;
    struct line line = {0};
    size_t n = 0;
    period_last(visit, DIGEST_PERIOD + 2, &all);
    period_last(visit, 1, &today);
    period_before(&today, &yesterday);
    enum result result = counts_read(visit, &all, NULL, by, 3, &tally, err);
    for (size_t i = 0; result == RESULT_OK && i < tally_count(tally); i++) {
        const struct tally_row *row = tally_row(tally, i);
        if (line.partner == NULL || strcmp(line.partner, row->keys[0]) != 0 ||
            strcmp(line.channel, row->keys[1]) != 0) {
            look_at_line(attention, &line, &yesterday, &today, &n);
            line = (struct line){.partner = row->keys[0], .channel = row->keys[1]};
        }
        tally_counts_add(strcmp(row->keys[2], today.to) == 0       ? &line.today
                         : strcmp(row->keys[2], yesterday.to) == 0 ? &line.yesterday
                                                                   : &line.week,
                         &row->counts);
    }
    look_at_line(attention, &line, &yesterday, &today, &n);
    tally_free(&tally);
    return result;
}

/* ---- all of it ---- */

enum result attention_part(struct visit *visit, struct error *err)
{
    struct attention attention = {.visit = visit};
    part_begin(visit, N_("To be looked at"));
    if (visit->health != NULL)
        look_at_gateway(&attention, visit->health);
    enum result result = look_at_notices(&attention, err);
    if (result == RESULT_OK)
        result = look_at_blocks(&attention, err);
    if (result == RESULT_OK)
        result = look_at_suspensions(&attention, err);
    if (attention.n > 0)
        states_end(visit);
    else
        part_text(visit, N_("Nothing needs your attention: nothing is suspended, no partner is "
                            "behind with what it has to confirm, and no more is blocked than "
                            "usual."));
    part_end(visit);
    return result;
}
