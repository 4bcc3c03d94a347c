/* SPDX-License-Identifier: Apache-2.0 */
#include "console/chooser.h"

#include "base/clock.h"
#include "console/layout.h"
#include "office/words.h"
#include "policy/model.h"

#include <stdio.h>
#include <string.h>

#define DAYS_MOST 3660

void chooser_read(const struct visit *visit, int64_t days, struct chooser *chooser_out)
{
    enum channel channel;
    *chooser_out = (struct chooser){.partner = visit_id_field(visit, "partner"),
                                    .channel = visit_id_field(visit, "channel")};
    if (!channel_parse(chooser_out->channel, &channel))
        chooser_out->channel = "";
    period_read(visit, visit_number_field(visit, "days", DAYS_MOST, days), &chooser_out->period);
}

static void add_pair(struct strbuf *out, const char *name, const char *value)
{
    if (value[0] == '\0')
        return;
    strbuf_add_format(out, out->length > 0 ? "&%s=" : "%s=", name);
    visit_add_encoded(out, value);
}

void chooser_narrow_query(struct strbuf *out, const struct chooser *chooser)
{
    add_pair(out, "partner", chooser->partner);
    add_pair(out, "channel", chooser->channel);
}

void chooser_add_query(struct strbuf *out, const struct chooser *chooser)
{
    period_add_query(out, &chooser->period);
    add_pair(out, "partner", chooser->partner);
    add_pair(out, "channel", chooser->channel);
}

void chooser_list_path(struct strbuf *out, const struct chooser *chooser, const char *verdict)
{
    counts_list_path(out, &chooser->period, verdict);
    add_pair(out, "partner", chooser->partner);
    add_pair(out, "channel", chooser->channel);
}

const char *partner_words(const struct visit *visit, const char *id)
{
    const struct partner *partner = config_partner(visit->config, id);
    return partner != NULL ? partner->name : id;
}

/* ---- the usual periods ---- */

/* The last so many days, up to and with today. */
static bool is_last(const struct visit *visit, const struct period *period, int64_t days)
{
    return period->days == days && period->until > visit->now &&
           period->until - visit->now <= CLOCK_DAY;
}

static void days_link(struct visit *visit, const struct chooser *chooser, int days)
{
    struct page *page = &visit->page;
    struct strbuf path = {0};
    strbuf_add_format(&path, "%s?days=%d", visit->path, days);
    add_pair(&path, "partner", chooser->partner);
    add_pair(&path, "channel", chooser->channel);
    page->html.failed = page->html.failed || path.failed;
    page_raw(page, "<li><a href=\"");
    page_text(page, path.failed ? "" : path.data);
    page_raw(page, is_last(visit, &chooser->period, days) ? "\" aria-current=\"true\">" : "\">");
    strbuf_add_format(&page->html, trn(visit->language, "%u day", "%u days", (uint64_t)days),
                      (unsigned)days);
    page_raw(page, "</a></li>\n");
    strbuf_free(&path);
}

/* ---- all else ---- */

static void partner_field(struct visit *visit, const struct chooser *chooser, bool one)
{
    const struct config *config = visit->config;
    size_t n = 0;
    struct option *options = arena_alloc(visit->arena, (config->n_partners + 2) * sizeof(*options));
    if (options == NULL) {
        visit->page.html.failed = true;
        return;
    }
    if (!one)
        options[n++] = (struct option){"", N_("All partners"), true};
    for (size_t i = 0; i < config->n_partners; i++)
        options[n++] = (struct option){config->partners[i].id, config->partners[i].name, false};
    /* One that is not configured any more may be in the journal all the same. */
    if (chooser->partner[0] != '\0' && config_partner(config, chooser->partner) == NULL)
        options[n++] = (struct option){chooser->partner, chooser->partner, false};
    select_field(visit, "partner", N_("Partner"), options, n, chooser->partner);
}

static void channel_field(struct visit *visit, const struct chooser *chooser)
{
    struct option options[CHANNEL_COUNT + 1] = {{"", N_("All channels"), true}};
    for (int i = 0; i < CHANNEL_COUNT; i++) {
        const char *name = channel_name((enum channel)i);
        options[i + 1] = (struct option){name, word_channel(visit->language, name), false};
    }
    select_field(visit, "channel", N_("Channel"), options, CHANNEL_COUNT + 1, chooser->channel);
}

void chooser_write(struct visit *visit, const struct chooser *chooser, unsigned with)
{
    static const int usual[] = {7, 30, 90};
    struct page *page = &visit->page;
    page_raw(page, "<ul class=\"choices\" aria-label=\"");
    page_tr(page, N_("Period"));
    page_raw(page, "\">\n");
    for (size_t i = 0; i < sizeof(usual) / sizeof(usual[0]); i++)
        days_link(visit, chooser, usual[i]);
    page_raw(page, "</ul>\n");
    filter_begin(visit);
    date_field(visit, "from", N_("From"), chooser->period.from);
    date_field(visit, "to", N_("Up to and with"), chooser->period.to);
    partner_field(visit, chooser, (with & CHOOSE_ONE_PARTNER) != 0);
    if ((with & CHOOSE_CHANNEL) != 0)
        channel_field(visit, chooser);
    filter_end(visit, N_("Show"));
}
