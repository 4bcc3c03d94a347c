/* SPDX-License-Identifier: Apache-2.0 */
#include "console/form_words.h"

#include "console/layout.h"
#include "console/stop.h"
#include "office/words.h"

#include <string.h>

/* ---- as it was shown ---- */

static void channels_fact(struct visit *visit, unsigned channels)
{
    const char *separator = "";
    fact_open(visit, N_("For messages by"));
    for (int i = 0; i < CHANNEL_COUNT; i++)
        if ((channels & CHANNEL_BIT(i)) != 0) {
            page_raw(&visit->page, separator);
            page_text(&visit->page, word_channel(visit->language, channel_name((enum channel)i)));
            separator = ", ";
        }
    fact_close(visit);
}

static void purposes_fact(struct visit *visit, unsigned purposes)
{
    bool receipt = (purposes & PURPOSE_BIT(PURPOSE_RECEIPT)) != 0;
    bool transmission = (purposes & PURPOSE_BIT(PURPOSE_TRANSMISSION)) != 0;
    fact_tr(visit, N_("Agreed to"),
            receipt && transmission ? N_("receiving messages, and their data being handed over")
            : receipt               ? N_("receiving messages")
                                    : N_("their data being handed over"));
}

static void link_of_partner(struct visit *visit, const char *id)
{
    struct strbuf path = {0};
    const struct partner *partner = config_partner(visit->config, id);
    page_raw(&visit->page, "<li>");
    stop_path(&path, SUSPEND_PARTNER, id);
    if (partner != NULL && !path.failed) {
        part_link_named(visit, path.data, partner->name);
        page_raw(&visit->page, " <code>");
        page_text(&visit->page, id);
        page_raw(&visit->page, "</code>");
    } else {
        page_text(&visit->page, id);
        page_raw(&visit->page, " <span class=\"note\">");
        page_tr(&visit->page, N_("(not in this gateway's configuration)"));
        page_raw(&visit->page, "</span>");
    }
    page_raw(&visit->page, "</li>\n");
    strbuf_free(&path);
}

static void shown_list(struct visit *visit, const struct form *form)
{
    struct page *page = &visit->page;
    page_element_tr(page, "h3", N_("Partners it names"));
    if (form->n_partners == 0)
        part_text(visit, N_("None by name."));
    else
        page_raw(page, "<ul class=\"names\">\n");
    for (size_t i = 0; i < form->n_partners; i++)
        link_of_partner(visit, form->partners[i]);
    if (form->n_partners > 0)
        page_raw(page, "</ul>\n");
    if (form->n_categories == 0)
        return;
    page_element_tr(page, "h3", N_("Categories it names"));
    page_raw(page, "<ul class=\"names\">\n");
    for (size_t i = 0; i < form->n_categories; i++)
        page_element(page, "li", form->categories[i]);
    page_raw(page, "</ul>\n");
    part_text(visit,
              N_("A category is not a name: unless the policy says otherwise, a partner that "
                 "is only in a category is blocked."));
}

static void artefacts(struct visit *visit, const struct form *form)
{
    static const char *const heads[] = {N_("File"), N_("SHA-256"), NULL};
    if (form->n_artefacts == 0)
        return;
    page_element_tr(&visit->page, "h3", N_("What the collector keeps to show it"));
    grid_begin(visit, N_("What the collector keeps to show it"), heads);
    for (size_t i = 0; i < form->n_artefacts; i++) {
        page_row(&visit->page);
        page_cell(&visit->page, form->artefacts[i].name);
        page_code(&visit->page, form->artefacts[i].sha256);
    }
    grid_end(visit);
}

void form_shown_part(struct visit *visit, const struct form *form, const struct form_row *row)
{
    struct page *page = &visit->page;
    part_begin(visit, N_("As people saw it"));
    page_raw(page, "<blockquote lang=\"");
    page_text(page, form->language);
    page_raw(page, "\">");
    page_text(page, form->wording);
    page_raw(page, "</blockquote>\n");
    facts_begin(visit);
    fact(visit, N_("Collected by"), form->collector_name);
    fact(visit, N_("SIREN"), form->collector_siren);
    channels_fact(visit, form->channels);
    purposes_fact(visit, form->purposes);
    fact_time(visit, N_("In use from"), row->effective_from);
    if (row->effective_until != INT64_MAX)
        fact_time(visit, N_("until"), row->effective_until);
    fact_tr(visit, N_("The list of partners was shown"),
            strcmp(form->display, "link") == 0 ? N_("behind a link") : N_("on the form itself"));
    fact(visit, N_("Address of the list or form"), form->url);
    fact_number(visit, N_("Events on record that name it"), (int64_t)row->events);
    fact_time(visit, N_("Registered"), row->added_at);
    facts_end(visit);
    shown_list(visit, form);
    artefacts(visit, form);
    act_fold_begin(visit, N_("The file as it was registered"));
    page_element(page, "pre", form->json);
    act_fold_end(visit);
    part_end(visit);
}

/* ---- in what it differs ---- */

static bool names(const char *const *list, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(list[i], name) == 0)
            return true;
    return false;
}

/* An item for each of `these` that is not among `those`. */
static size_t only_in(struct visit *visit, const char *sentence, const char *const *these,
                      size_t n_these, const char *const *those, size_t n_those)
{
    size_t n = 0;
    for (size_t i = 0; i < n_these; i++) {
        if (names(those, n_those, these[i]))
            continue;
        const struct partner *partner = config_partner(visit->config, these[i]);
        part_sentence(visit, "li", sentence, partner != NULL ? partner->name : these[i], NULL,
                      NULL);
        n++;
    }
    return n;
}

static size_t sets(struct visit *visit, const char *sentence, unsigned these, unsigned those)
{
    size_t n = 0;
    for (int i = 0; i < CHANNEL_COUNT; i++)
        if ((these & ~those & CHANNEL_BIT(i)) != 0) {
            part_sentence(visit, "li", sentence,
                          word_channel(visit->language, channel_name((enum channel)i)), NULL, NULL);
            n++;
        }
    return n;
}

static size_t items(struct visit *visit, const struct form *form, const struct form *before)
{
    size_t n = 0;
    const char *const *now = (const char *const *)form->partners;
    const char *const *then = (const char *const *)before->partners;
    n += only_in(visit, N_("Partner added: %s"), now, form->n_partners, then, before->n_partners);
    n += only_in(visit, N_("Partner taken off: %s"), then, before->n_partners, now,
                 form->n_partners);
    now = (const char *const *)form->categories;
    then = (const char *const *)before->categories;
    n += only_in(visit, N_("Category added: %s"), now, form->n_categories, then,
                 before->n_categories);
    n += only_in(visit, N_("Category taken off: %s"), then, before->n_categories, now,
                 form->n_categories);
    n += sets(visit, N_("Channel added: %s"), form->channels, before->channels);
    n += sets(visit, N_("Channel taken off: %s"), before->channels, form->channels);
    if (strcmp(form->collector_name, before->collector_name) != 0) {
        part_sentence(visit, "li", N_("Collected by %s, before by %s"), form->collector_name,
                      before->collector_name, NULL);
        n++;
    }
    if (form->purposes != before->purposes) {
        page_element_tr(&visit->page, "li", N_("What people agreed to has changed."));
        n++;
    }
    return n;
}

void form_differences_part(struct visit *visit, const struct form *form, const struct form *before)
{
    struct page *page = &visit->page;
    if (before == NULL)
        return;
    bool worded = strcmp(form->wording, before->wording) != 0;
    part_begin(visit, N_("What changed since the version before"));
    page_raw(page, "<ul>\n");
    size_t n = items(visit, form, before);
    if (worded)
        page_element_tr(page, "li", N_("The wording has changed. Before it was:"));
    else if (n == 0)
        page_element_tr(page, "li", N_("Neither wording, nor partners, nor channels."));
    page_raw(page, "</ul>\n");
    if (worded) {
        page_raw(page, "<blockquote lang=\"");
        page_text(page, before->language);
        page_raw(page, "\">");
        page_text(page, before->wording);
        page_raw(page, "</blockquote>\n");
    }
    part_text(visit, N_("Who agreed on an earlier version agreed to what that version said: a "
                        "partner added later is blocked for them unless they agree anew."));
    part_end(visit);
}
