/* SPDX-License-Identifier: Apache-2.0 */
/* The dossier on what the register holds: forms as they were shown, suspensions, parties. */
#include "office/dossier.h"
#include "office/words.h"

#include <inttypes.h>
#include <string.h>

/* ---- forms ---- */

struct form_walk {
    struct dossier *dossier;
    struct error *err;
    enum result result;
    size_t shown;
};

/* "label: a, b, c", the values as they stand. */
static void name_list(struct page *page, const char *label, const char *const *values, size_t n)
{
    page_raw(page, "<li>");
    page_tr(page, label);
    page_text(page, " ");
    for (size_t i = 0; i < n; i++) {
        page_text(page, i > 0 ? ", " : "");
        page_text(page, values[i]);
    }
    if (n == 0)
        page_tr(page, N_("none"));
    page_raw(page, "</li>\n");
}

static void partner_list(struct dossier *dossier, const struct form *form)
{
    struct page *page = &dossier->page;
    struct strbuf text = {0};
    language_add_number(&text, page->language, (int64_t)form->n_partners);
    page_raw(page, "<li>");
    page_tr(page, N_("Partners named to the person:"));
    page_text(page, " ");
    for (size_t i = 0; i < form->n_partners; i++) {
        page_text(page, i > 0 ? ", " : "");
        page_text(page, dossier_partner_name(dossier, form->partners[i]));
    }
    page_text(page, form->n_partners > 0 ? " (" : "");
    page_text(page, form->n_partners > 0 && text.data != NULL ? text.data : "");
    page_text(page, form->n_partners > 0 ? ")" : "");
    if (form->n_partners == 0)
        page_tr(page, N_("none"));
    page_raw(page, "</li>\n");
    strbuf_free(&text);
}

static void code_list(struct page *page, const char *label, unsigned bits, size_t count,
                      const char *(*word)(enum language, size_t))
{
    const char *words[8];
    size_t n = 0;
    for (size_t i = 0; i < count && n < 8; i++)
        if ((bits & (1u << i)) != 0)
            words[n++] = word(page->language, i);
    name_list(page, label, words, n);
}

static const char *channel_text(enum language language, size_t i)
{
    return word_channel(language, channel_name((enum channel)i));
}

static const char *purpose_text(enum language language, size_t i)
{
    return word_purpose(language, purpose_name((enum purpose)i));
}

static void form_life(struct page *page, const struct form_row *row)
{
    struct strbuf from = {0};
    struct strbuf until = {0};
    struct strbuf text = {0};
    language_add_date(&from, page->language, row->effective_from);
    if (row->effective_until == INT64_MAX) {
        strbuf_add_format(&text, tr(page->language, N_("In use since %s.")),
                          from.data != NULL ? from.data : "");
    } else {
        language_add_date(&until, page->language, row->effective_until);
        strbuf_add_format(&text, tr(page->language, N_("In use from %s until %s.")),
                          from.data != NULL ? from.data : "", until.data != NULL ? until.data : "");
    }
    page_element(page, "p class=\"note\"", text.data != NULL ? text.data : "");
    page->html.failed = page->html.failed || text.failed || from.failed || until.failed;
    strbuf_free(&from);
    strbuf_free(&until);
    strbuf_free(&text);
}

static void form_invalid(struct page *page, const struct form_row *row)
{
    struct strbuf when = {0};
    struct strbuf text = {0};
    if (row->invalidated_at == 0)
        return;
    language_add_time(&when, page->language, row->invalidated_at);
    strbuf_add_format(&text,
                      tr(page->language, N_("Invalidated on %s, for this reason: %s. Since then no "
                                            "consent given through it permits anything.")),
                      when.data != NULL ? when.data : "",
                      row->invalid_reason != NULL ? row->invalid_reason : "");
    page_raw(page, "<p><strong>");
    page_text(page, text.data != NULL ? text.data : "");
    page_raw(page, "</strong></p>\n");
    page->html.failed = page->html.failed || text.failed || when.failed;
    strbuf_free(&when);
    strbuf_free(&text);
}

static void show_form(struct dossier *dossier, const struct form_row *row, const struct form *form)
{
    struct page *page = &dossier->page;
    char name[100];
    snprintf(name, sizeof(name), "%s@%d", row->id, row->version);
    page_element(page, "h3", name);
    form_life(page, row);
    form_invalid(page, row);
    page_raw(page, "<blockquote lang=\"");
    page_text(page, form->language);
    page_raw(page, "\">");
    page_text(page, form->wording);
    page_raw(page, "</blockquote>\n<ul>\n");
    page_raw(page, "<li>");
    page_tr(page, N_("Collected by:"));
    page_text(page, " ");
    page_text(page, form->collector_name);
    page_text(page, *form->collector_siren != '\0' ? ", SIREN " : "");
    page_text(page, form->collector_siren);
    page_raw(page, "</li>\n");
    code_list(page, N_("Channels consented to:"), form->channels, CHANNEL_COUNT, channel_text);
    code_list(page, N_("Purposes consented to:"), form->purposes, PURPOSE_COUNT, purpose_text);
    partner_list(dossier, form);
    if (form->n_categories > 0)
        name_list(page, N_("Categories of partners shown:"), form->categories, form->n_categories);
    page_raw(page, "<li>");
    page_tr(page, strcmp(form->display, "link") == 0
                      ? N_("The list of partners was behind a link:")
                      : N_("The list of partners stood on the form itself:"));
    page_text(page, " ");
    page_text(page, form->url);
    page_raw(page, "</li>\n</ul>\n");
}

/* Whether the version's life meets the period, or consents given by it were relied on in it. */
static bool concerns(const struct dossier *dossier, const struct form_row *row)
{
    const struct tally_filter *filter = &dossier->filter;
    const struct tally *origins = dossier->tallies[DOSSIER_ORIGINS];
    char name[100];
    if (row->effective_from < filter->until && row->effective_until > filter->since)
        return true;
    snprintf(name, sizeof(name), "%s@%d", row->id, row->version);
    for (size_t i = 0; i < tally_count(origins); i++)
        if (strcmp(tally_row(origins, i)->keys[0], name) == 0)
            return true;
    return false;
}

static bool on_form(void *arg, const struct form_row *row)
{
    struct form_walk *walk = arg;
    struct form *form = NULL;
    if (!concerns(walk->dossier, row))
        return true;
    walk->result = form_parse(row->json, strlen(row->json), &form, walk->err);
    if (walk->result != RESULT_OK) {
        error_prefix(walk->err, "form %s@%d", row->id, row->version);
        return false;
    }
    show_form(walk->dossier, row, form);
    form_free(&form);
    walk->shown++;
    return true;
}

enum result dossier_forms(struct dossier *dossier, struct error *err)
{
    struct page *page = &dossier->page;
    struct form_walk walk = {.dossier = dossier, .err = err, .result = RESULT_OK};
    dossier_heading(dossier, N_("Collection forms"));
    page_element_tr(page, "p",
                    N_("The forms in use during the period, and those through which consents "
                       "relied on in the period were given, as they were registered. A version is "
                       "never altered: each change of wording or of the list of partners is a new "
                       "version."));
    enum result result = registry_forms(dossier->registry, NULL, 0, on_form, &walk, err);
    if (result == RESULT_OK)
        result = walk.result;
    if (result == RESULT_OK && walk.shown == 0)
        page_element_tr(page, "p", N_("None."));
    return result;
}

/* ---- suspensions ---- */

static const char *suspension_word(enum language language, enum suspension_kind kind)
{
    static const char *const words[SUSPENSION_KIND_COUNT] = {
        [SUSPEND_PARTNER] = N_("Partner"),
        [SUSPEND_STREAM] = N_("Stream"),
        [SUSPEND_FORM] = N_("Form"),
        [SUSPEND_SUPPLIER] = N_("Supplier"),
    };
    return tr(language, words[kind]);
}

struct suspension_walk {
    struct dossier *dossier;
    size_t shown;
};

bool dossier_suspended(const struct dossier *dossier, const struct suspension_row *row)
{
    const struct tally_filter *filter = &dossier->filter;
    return row->suspended_at < filter->until && (!row->resumed || row->resumed_at >= filter->since);
}

static bool on_suspension(void *arg, const struct suspension_row *row)
{
    static const char *const heads[] = {N_("What was suspended"), N_("Suspended on"), N_("Reason"),
                                        N_("Resumed on"), NULL};
    struct suspension_walk *walk = arg;
    struct page *page = &walk->dossier->page;
    if (!dossier_suspended(walk->dossier, row))
        return true;
    if (walk->shown++ == 0)
        page_table(page, heads);
    page_row(page);
    page_raw(page, "<td>");
    page_text(page, suspension_word(page->language, row->kind));
    page_text(page, " ");
    page_text(page, row->kind == SUSPEND_PARTNER ? dossier_partner_name(walk->dossier, row->id)
                                                 : row->id);
    page_raw(page, "</td>");
    page_time(page, row->suspended_at);
    page_cell(page, row->reason);
    if (row->resumed) {
        page_raw(page, "<td>");
        language_add_time(&page->html, page->language, row->resumed_at);
        page_text(page, " \u2013 ");
        page_text(page, row->resume_reason);
        page_raw(page, "</td>");
    } else {
        page_cell(page, tr(page->language, N_("still suspended")));
    }
    return true;
}

static bool on_invalid_supplier(void *arg, const struct supplier_row *row)
{
    static const char *const heads[] = {N_("Supplier"), N_("Invalid since"), N_("Reason"), NULL};
    struct suspension_walk *walk = arg;
    struct page *page = &walk->dossier->page;
    if (row->invalidated_at >= walk->dossier->filter.until)
        return true;
    if (walk->shown++ == 0) {
        page_element_tr(page, "h3", N_("Invalidated suppliers"));
        page_element_tr(page, "p",
                        N_("Since the moment named, no consent that the supplier brought permits "
                           "a message. This is final."));
        page_table(page, heads);
    }
    page_row(page);
    page_cell(page, row->id);
    page_time(page, row->invalidated_at);
    page_cell(page, row->invalid_reason);
    return true;
}

/* Forms that were invalidated say so themselves; suppliers stand nowhere else. Those of before the
 * period count in it, too. */
static enum result invalid_suppliers(struct dossier *dossier, struct error *err)
{
    struct suspension_walk walk = {.dossier = dossier};
    enum result result =
        registry_invalid_suppliers(dossier->registry, NULL, 0, on_invalid_supplier, &walk, err);
    if (walk.shown > 0)
        page_table_end(&dossier->page);
    return result;
}

enum result dossier_suspensions(struct dossier *dossier, struct error *err)
{
    struct page *page = &dossier->page;
    struct suspension_walk walk = {.dossier = dossier};
    dossier_heading(dossier, N_("Suspensions"));
    page_element_tr(page, "p",
                    N_("A suspension stops at once whatever relies on the partner, the form or the "
                       "supplier, also for consents that were given before it."));
    enum result result = registry_suspensions(dossier->registry, on_suspension, &walk, err);
    if (walk.shown > 0)
        page_table_end(page);
    else
        page_element_tr(page, "p", N_("None in the period."));
    return result == RESULT_OK ? invalid_suppliers(dossier, err) : result;
}

/* ---- parties ---- */

static void partners_table(struct dossier *dossier)
{
    static const char *const heads[] = {N_("Partner"),
                                        N_("Identifier"),
                                        N_("#Decisions"),
                                        N_("#Permitted"),
                                        N_("#Let through under observation"),
                                        N_("#Blocked"),
                                        N_("#Share the rules block"),
                                        NULL};
    struct page *page = &dossier->page;
    const struct tally *partners = dossier->tallies[DOSSIER_PARTNERS];
    page_table(page, heads);
    for (size_t i = 0; i < tally_count(partners); i++) {
        const struct tally_row *row = tally_row(partners, i);
        page_row(page);
        page_cell(page, dossier_partner_name(dossier, row->keys[0]));
        page_code(page, row->keys[0]);
        dossier_counts_cells(page, &row->counts, false);
    }
    page_table_end(page);
}

/* Only decisions that relied on a consent say where it came from. */
static void origins_table(struct dossier *dossier)
{
    static const char *const heads[] = {N_("Form of the consent relied on"),
                                        N_("Collector"),
                                        N_("Supplier"),
                                        N_("#Decisions"),
                                        N_("#Permitted"),
                                        N_("#Let through under observation"),
                                        N_("#Blocked"),
                                        N_("#Share the rules block"),
                                        NULL};
    struct page *page = &dossier->page;
    const struct tally *origins = dossier->tallies[DOSSIER_ORIGINS];
    page_table(page, heads);
    for (size_t i = 0; i < tally_count(origins); i++) {
        const struct tally_row *row = tally_row(origins, i);
        page_row(page);
        for (size_t j = 0; j < 3; j++)
            page_cell(page, word_origin(page->language, row->keys[j]));
        dossier_counts_cells(page, &row->counts, false);
    }
    page_table_end(page);
}

void dossier_parties(struct dossier *dossier)
{
    struct page *page = &dossier->page;
    dossier_heading(dossier, N_("Partners, collectors and suppliers"));
    if (tally_count(dossier->tallies[DOSSIER_PARTNERS]) == 0) {
        page_element_tr(page, "p", N_("No decision was made in the period."));
        return;
    }
    partners_table(dossier);
    page_element_tr(page, "p",
                    N_("Where the consents came from that the decisions relied on. A decision that "
                       "found no consent relied on none."));
    origins_table(dossier);
}
