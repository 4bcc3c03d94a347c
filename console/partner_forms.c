/* SPDX-License-Identifier: Apache-2.0 */
#include "console/partner_forms.h"

#include "console/layout.h"
#include "console/stop.h"
#include "store/registry_view.h"

#include <stdio.h>
#include <string.h>

struct listing {
    struct visit *visit;
    const struct partner *partner;
    size_t rows;
    bool failed;
};

enum naming { NAMED, BY_CATEGORY, NOT_SHOWN };

static enum naming naming_of(const struct form *form, const struct partner *partner)
{
    for (size_t i = 0; i < form->n_partners; i++)
        if (strcmp(form->partners[i], partner->id) == 0)
            return NAMED;
    for (size_t i = 0; i < form->n_categories; i++)
        for (size_t j = 0; j < partner->n_categories; j++)
            if (strcmp(form->categories[i], partner->categories[j]) == 0)
                return BY_CATEGORY;
    return NOT_SHOWN;
}

static void write_row(struct visit *visit, const struct form_row *row, enum naming naming)
{
    char name[96];
    struct page *page = &visit->page;
    struct strbuf path = {0};
    stop_path(&path, SUSPEND_FORM, row->id);
    strbuf_add_format(&path, "/%d", row->version);
    snprintf(name, sizeof(name), "%.64s@%d", row->id, row->version);
    page_row(page);
    cell_link(visit, path.failed ? "" : path.data, name);
    page_cell(page, row->collector_name);
    page_date(page, row->effective_from);
    if (row->effective_until == INT64_MAX)
        page_cell(page, tr(visit->language, N_("in use")));
    else
        page_date(page, row->effective_until);
    page_cell(page,
              tr(visit->language, naming == NAMED ? N_("named") : N_("by its category only")));
    page_raw(page, "<td>");
    if (row->invalidated_at != 0)
        badge_add(visit, "bad", N_("invalid"));
    page_raw(page, "</td>");
    strbuf_free(&path);
}

static bool on_form(void *arg, const struct form_row *row)
{
    static const char *const heads[] = {N_("Form"),  N_("Collector"), N_("In use from"),
                                        N_("until"), N_("Shown"),     N_("State"),
                                        NULL};
    struct listing *listing = arg;
    struct visit *visit = listing->visit;
    struct form *form = NULL;
    struct error why;
    enum result result = form_parse(row->json, strlen(row->json), &form, &why);
    if (result != RESULT_OK) { /* it was one when it was added */
        listing->failed = true;
        return false;
    }
    enum naming naming = naming_of(form, listing->partner);
    form_free(&form);
    if (naming == NOT_SHOWN)
        return true;
    if (listing->rows++ == 0)
        grid_begin(visit, N_("Forms on which it is shown"), heads);
    write_row(visit, row, naming);
    return !visit->page.html.failed;
}

enum result partner_forms_part(struct visit *visit, const struct partner *partner,
                               struct error *err)
{
    struct listing listing = {.visit = visit, .partner = partner};
    part_begin(visit, N_("Forms on which it is shown"));
    enum result result = registry_form_versions(visit->registry, NULL, 0, on_form, &listing, err);
    if (result == RESULT_OK && listing.failed)
        result = error_set(err, RESULT_DAMAGED, "a form in the registry cannot be read");
    if (listing.rows > 0)
        grid_end(visit);
    else
        part_empty(visit,
                   N_("No form shows this partner, so nobody can have agreed to its messages: they "
                      "are blocked."),
                   "/console/forms", N_("See the forms"));
    part_end(visit);
    return result;
}
