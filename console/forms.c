/* SPDX-License-Identifier: Apache-2.0 */
/* What people agreed to: the collection forms, their versions, and one version as it was shown. */
#include "console/counts.h"
#include "console/form_words.h"
#include "console/layout.h"
#include "console/pages.h"
#include "console/stop.h"
#include "office/words.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DAYS      90
#define FORM_NAME 96 /* "jeu-ete@3" */

/* ---- the list ---- */

struct listing {
    struct visit *visit;
    const struct tally *counts; /* by form */
    const struct stop *stops;
    size_t rows;
};

static void form_name(const char *id, int version, char out[FORM_NAME])
{
    snprintf(out, FORM_NAME, "%.64s@%d", id, version);
}

static void form_path(struct strbuf *out, const char *id, int version)
{
    stop_path(out, SUSPEND_FORM, id);
    if (version > 0)
        strbuf_add_format(out, "/%d", version);
}

static void state_badges(struct visit *visit, const struct form_row *row, const struct stop *stop)
{
    if (row->invalidated_at != 0)
        badge_add(visit, "bad", N_("invalid"));
    else if (row->effective_from > visit->now)
        badge_add(visit, "info", N_("not yet in use"));
    else if (row->effective_until == INT64_MAX || row->effective_until > visit->now)
        badge_add(visit, "good", N_("in use"));
    else
        badge_add(visit, "info", N_("replaced by a later version"));
    page_raw(&visit->page, " ");
    stop_badge(visit, stop);
}

static void list_row(struct listing *listing, const struct form_row *row)
{
    char name[FORM_NAME];
    struct visit *visit = listing->visit;
    struct page *page = &visit->page;
    struct strbuf path = {0};
    form_name(row->id, row->version, name);
    form_path(&path, row->id, row->version);
    struct tally_counts counts = counts_of(listing->counts, name);
    page_row(page);
    cell_link(visit, path.failed ? "" : path.data, name);
    page_cell(page, row->collector_name);
    page_date(page, row->effective_from);
    page_number(page, (int64_t)row->n_partners);
    page_number(page, (int64_t)row->events);
    page_number(page, (int64_t)counts.decisions);
    page_share(page, tally_stopped(&counts), counts.decisions);
    page_raw(page, "<td>");
    state_badges(visit, row, stop_find(listing->stops, SUSPEND_FORM, row->id));
    page_raw(page, "</td>");
    strbuf_free(&path);
}

static bool on_listed(void *arg, const struct form_row *row)
{
    static const char *const heads[] = {
        N_("Form"),    N_("Collector"), N_("In use from"),    N_("#Partners shown"),
        N_("#Events"), N_("#Messages"), N_("#Share blocked"), N_("State"),
        NULL};
    struct listing *listing = arg;
    if (listing->rows++ == 0)
        grid_begin(listing->visit, N_("Forms and their versions"), heads);
    list_row(listing, row);
    return !listing->visit->page.html.failed;
}

static enum result read_counts(struct visit *visit, struct tally **counts_out, struct error *err)
{
    static const enum tally_by by[] = {TALLY_FORM};
    struct period period;
    period_read(visit, DAYS, &period);
    return counts_read(visit, &period, NULL, by, 1, counts_out, err);
}

static enum result write_list(struct visit *visit, const char *id, const struct tally *counts,
                              const struct stop *stops, struct error *err)
{
    struct listing listing = {.visit = visit, .counts = counts, .stops = stops};
    page_raw(&visit->page, "<section>\n");
    enum result result = registry_forms(visit->registry, id, 0, on_listed, &listing, err);
    if (listing.rows > 0) {
        grid_end(visit);
        part_text(
            visit,
            N_("Messages are those of the last 90 days that were judged by a consent given with "
               "that version; blocked is what was not sent."));
    } else if (result == RESULT_OK) {
        part_empty(visit,
                   N_("No collection form is registered. Without one no consent is proven, and "
                      "everything is blocked: octroi form add registers one, or a program over the "
                      "interface."),
                   NULL, NULL);
    }
    part_end(visit);
    return result;
}

enum result forms_page(struct visit *visit, struct error *err)
{
    const struct layout layout = {
        .place = PLACE_FORMS,
        .title = N_("Forms"),
        .lead = N_("What people read when they agreed. A version never changes: what is changed is "
                   "a new version. Choose one to read its wording and whom it names."),
    };
    struct stop *stops;
    struct tally *counts = NULL;
    enum result result = stops_read(visit, &stops, err);
    if (result == RESULT_OK)
        result = read_counts(visit, &counts, err);
    if (result == RESULT_OK) {
        layout_begin(visit, &layout);
        result = write_list(visit, NULL, counts, stops, err);
        layout_end(visit);
    }
    tally_free(&counts);
    return result;
}

/* ---- one form: its versions, and the stop ---- */

enum result form_page(struct visit *visit, struct error *err)
{
    const char *id = visit->tails[0];
    const struct layout layout = {.place = PLACE_FORMS,
                                  .title = N_("Form"),
                                  .name = id,
                                  .up = "/console/forms",
                                  .up_name = N_("Forms")};
    struct stop *stops;
    struct tally *counts = NULL;
    if (!form_id_valid(id))
        return visit_nothing(visit, N_("There is no form of this name."));
    enum result result = stops_read(visit, &stops, err);
    if (result == RESULT_OK)
        result = read_counts(visit, &counts, err);
    if (result == RESULT_OK) {
        layout_begin(visit, &layout);
        stop_part(
            visit, SUSPEND_FORM, id, stop_find(stops, SUSPEND_FORM, id),
            N_("From now on no consent given with this form lets a message pass, whatever its "
               "version. The consents stay on record and count again when it is resumed."));
        result = write_list(visit, id, counts, stops, err);
        if (result == RESULT_OK)
            result = stop_history_part(visit, SUSPEND_FORM, id, err);
        layout_end(visit);
    }
    tally_free(&counts);
    return result == RESULT_NOT_FOUND ? visit_nothing(visit, N_("There is no form of this name."))
                                      : result;
}

/* ---- one version ---- */

struct versions {
    struct visit *visit;
    int version;
    struct form *form, *before; /* owned */
    struct form_row row;        /* of form; its texts in the arena */
    bool failed;
};

static void keep_row(struct versions *versions, const struct form_row *row)
{
    struct arena *arena = versions->visit->arena;
    versions->row = *row;
    versions->row.id = arena_str(arena, row->id);
    versions->row.invalid_reason = arena_str(arena, row->invalid_reason);
    versions->row.json = NULL;
    versions->failed = versions->row.id == NULL || versions->row.invalid_reason == NULL;
}

/* In order of version: the one before it is the last that was seen. */
static bool on_version(void *arg, const struct form_row *row)
{
    struct versions *versions = arg;
    struct error why;
    if (row->version > versions->version)
        return false;
    struct form **form = row->version == versions->version ? &versions->form : &versions->before;
    form_free(form);
    if (form_parse(row->json, strlen(row->json), form, &why) != RESULT_OK)
        versions->failed = true;
    else if (form == &versions->form)
        keep_row(versions, row);
    return !versions->failed;
}

static void invalidation_part(struct visit *visit, const struct form_row *row, const char *name)
{
    struct page *page = &visit->page;
    struct strbuf path = {0};
    if (row->invalidated_at != 0) {
        page_raw(page, "<div class=\"notice bad\">\n<p><strong>");
        page_tr(page, N_("Invalid"));
        page_raw(page, "</strong> · ");
        time_add(visit, row->invalidated_at);
        page_raw(page, "</p>\n");
        page_element(page, "p", row->invalid_reason);
        page_raw(page, "</div>\n");
        return;
    }
    if (!visit_may(visit, PERMIT_ACT))
        return;
    form_path(&path, row->id, row->version);
    strbuf_add_str(&path, "/invalidation");
    act_fold_begin(visit, N_("Invalidate this version for good"));
    act_begin(visit, path.failed ? "" : path.data);
    part_text(visit, N_("No consent that was given with this version will let a message pass any "
                        "more, for anybody. This cannot be taken back. The consents and their "
                        "evidence stay on record. To stop it for a while only, suspend the form."));
    area_field(visit, "reason", N_("Why it is invalid"),
               N_("Shown to whoever asks why a consent does not count."), true);
    part_sentence(visit, "p class=\"note\"", N_("To confirm, type its name: %s"), name, NULL, NULL);
    text_field(visit, "confirm", N_("Name of the version"), "", "", 80, true);
    act_end(visit, N_("Invalidate for good"), "danger");
    act_fold_end(visit);
    strbuf_free(&path);
}

static enum result counts_part(struct visit *visit, const char *name, struct error *err)
{
    static const enum tally_by by[] = {TALLY_FORM};
    struct period period;
    struct tally *counts = NULL, *lists = NULL;
    period_read(visit, DAYS, &period);
    enum result result = counts_read(visit, &period, NULL, by, 1, &counts, err);
    if (result == RESULT_OK)
        result = counts_read_lists(visit, &period, NULL, by, 1, &lists, err);
    if (result != RESULT_OK) {
        tally_free(&counts);
        return result;
    }
    const struct tally_counts sum = counts_of(counts, name);
    const struct tally_counts rows = counts_of(lists, name);
    part_begin(visit, N_("Decisions that relied on it, last 90 days"));
    if (sum.decisions > 0) {
        counts_tiles(visit, &sum);
    } else {
        part_empty(visit, N_("No message relied on it."), NULL, NULL);
    }
    counts_lists_line(visit, &period, &rows, NULL);
    part_end(visit);
    tally_free(&counts);
    tally_free(&lists);
    return RESULT_OK;
}

static enum result write_version(struct visit *visit, const struct versions *versions,
                                 const struct stop *stops, struct error *err)
{
    char name[FORM_NAME];
    struct strbuf up = {0};
    const struct form_row *row = &versions->row;
    const struct stop *stop = stop_find(stops, SUSPEND_FORM, row->id);
    form_name(row->id, row->version, name);
    form_path(&up, row->id, 0);
    const struct layout layout = {.place = PLACE_FORMS,
                                  .title = N_("Form"),
                                  .name = name,
                                  .up = up.failed ? "/console/forms" : up.data,
                                  .up_name = N_("All its versions")};
    layout_begin(visit, &layout);
    page_raw(&visit->page, "<p>");
    state_badges(visit, row, stop);
    page_raw(&visit->page, "</p>\n");
    invalidation_part(visit, row, name);
    form_shown_part(visit, versions->form, row);
    form_differences_part(visit, versions->form, versions->before);
    enum result result = counts_part(visit, name, err);
    layout_end(visit);
    strbuf_free(&up);
    return result;
}

static int version_of(const char *text)
{
    size_t length = strlen(text);
    return length > 0 && length <= 7 && strspn(text, "0123456789") == length
               ? (int)strtol(text, NULL, 10)
               : 0;
}

enum result form_version_page(struct visit *visit, struct error *err)
{
    struct stop *stops;
    const char *id = visit->tails[0];
    struct versions versions = {.visit = visit, .version = version_of(visit->tails[1])};
    if (!form_id_valid(id) || versions.version == 0)
        return visit_nothing(visit, N_("There is no such version of a form."));
    enum result result = stops_read(visit, &stops, err);
    if (result == RESULT_OK)
        result = registry_forms(visit->registry, id, 0, on_version, &versions, err);
    if (result == RESULT_OK && versions.failed)
        result = error_set(err, RESULT_DAMAGED, "form %s@%d cannot be read", id, versions.version);
    if (result == RESULT_NOT_FOUND || (result == RESULT_OK && versions.form == NULL))
        result = visit_nothing(visit, N_("There is no such version of a form."));
    else if (result == RESULT_OK)
        result = write_version(visit, &versions, stops, err);
    form_free(&versions.form);
    form_free(&versions.before);
    return result;
}

/* ---- the act ---- */

enum result form_invalidate_act(struct visit *visit, struct error *err)
{
    char name[FORM_NAME];
    struct strbuf path = {0};
    const char *id = visit->tails[0];
    int version = version_of(visit->tails[1]);
    const char *reason = visit_reason_field(visit, "reason");
    if (!form_id_valid(id) || version == 0)
        return visit_nothing(visit, N_("There is no such version of a form."));
    form_name(id, version, name);
    if (strcmp(visit_field(visit, "confirm"), name) != 0)
        return visit_refuse(visit, 400, N_("Not confirmed"),
                            N_("The name that was typed is not that of this version. Nothing was "
                               "changed."));
    if (reason == NULL)
        return visit_refuse(visit, 400, N_("A reason is missing"),
                            N_("Say why, in up to 1000 characters. Go back and try again: nothing "
                               "was changed."));
    enum result result =
        registry_invalidate_form(visit->registry, id, version, reason, visit->now, err);
    if (result == RESULT_NOT_FOUND)
        return visit_nothing(visit, N_("There is no such version of a form."));
    bool changed = result == RESULT_OK;
    if (!changed && result != RESULT_CONFLICT)
        return result;
    const struct access what = {.subject = name, .answer = changed ? "done" : "unchanged"};
    form_path(&path, id, version);
    result = visit_note(visit, "form.invalidate", &what) && !path.failed
                 ? visit_done(visit, path.data, changed ? "invalidated" : "unchanged", err)
                 : error_no_memory(err);
    strbuf_free(&path);
    return result;
}
