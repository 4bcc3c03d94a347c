/* SPDX-License-Identifier: Apache-2.0 */
/* Who handed consents over: all suppliers side by side, and one with what came of what it brought,
 * the immediate stop, and the end for good. */
#include "console/counts.h"
#include "console/layout.h"
#include "console/pages.h"
#include "console/stop.h"
#include "office/words.h"

#include <string.h>

#define DAYS      90
#define ROWS_MOST 500

static void supplier_path(struct strbuf *out, const char *id)
{
    stop_path(out, SUSPEND_SUPPLIER, id);
}

/* ---- all ---- */

struct listing {
    struct visit *visit;
    const struct tally *counts;
    const struct stop *stops;
    unsigned rows;
};

static void state_badges(struct visit *visit, const struct supplier_total *supplier,
                         const struct stop *stop)
{
    page_raw(&visit->page, " ");
    stop_badge(visit, stop);
    if (supplier->invalidated_at != 0)
        badge_add(visit, "bad", N_("invalidated"));
}

static bool add_row(void *arg, const struct supplier_total *supplier)
{
    static const char *const heads[] = {N_("Supplier"),
                                        N_("#Consents brought"),
                                        N_("First"),
                                        N_("Last"),
                                        N_("#Messages on them, 90 days"),
                                        N_("#Share blocked"),
                                        NULL};
    struct listing *listing = arg;
    struct visit *visit = listing->visit;
    struct page *page = &visit->page;
    struct strbuf path = {0};
    struct tally_counts sum = counts_of(listing->counts, supplier->id);
    if (listing->rows++ == ROWS_MOST)
        return false;
    if (listing->rows == 1)
        grid_begin(visit, N_("Suppliers"), heads);
    supplier_path(&path, supplier->id);
    page_row(page);
    page_raw(page, "<td>");
    part_link_named(visit, path.failed ? "" : path.data, supplier->id);
    state_badges(visit, supplier, stop_find(listing->stops, SUSPEND_SUPPLIER, supplier->id));
    page_raw(page, "</td>");
    page_number(page, (int64_t)supplier->consents);
    page_date(page, supplier->first_at);
    if (supplier->last_at != 0)
        page_date(page, supplier->last_at);
    else
        page_cell(page, tr(visit->language, N_("none")));
    page_number(page, (int64_t)sum.decisions);
    page_share(page, tally_stopped(&sum), sum.decisions);
    page->html.failed = page->html.failed || path.failed;
    strbuf_free(&path);
    return !page->html.failed;
}

enum result suppliers_page(struct visit *visit, struct error *err)
{
    static const enum tally_by by[] = {TALLY_SUPPLIER};
    const struct layout layout = {
        .place = PLACE_SUPPLIERS,
        .title = N_("Suppliers"),
        .lead = N_("Who handed consents over that somebody else had collected. Where much of what "
                   "one brought is blocked, its files are worth a look: choose it to see why, or "
                   "to suspend it."),
    };
    struct period period;
    struct stop *stops;
    struct tally *counts = NULL;
    struct listing listing = {.visit = visit};
    period_last(visit, DAYS, &period);
    enum result result = stops_read(visit, &stops, err);
    if (result == RESULT_OK)
        result = counts_read(visit, &period, NULL, by, 1, &counts, err);
    layout_begin(visit, &layout);
    page_raw(&visit->page, "<section>\n");
    listing.counts = counts;
    listing.stops = stops;
    if (result == RESULT_OK)
        result = registry_suppliers(visit->registry, NULL, add_row, &listing, err);
    if (listing.rows > 0)
        grid_end(visit);
    else
        part_empty(
            visit,
            N_("No supplier is known yet. One is once a consent that is imported names it in "
               "the column “supplier”."),
            NULL, NULL);
    if (listing.rows > ROWS_MOST)
        part_text(visit, N_("Only the five hundred that brought most are shown."));
    part_end(visit);
    layout_end(visit);
    tally_free(&counts);
    return result;
}

/* ---- one ---- */

struct one {
    struct visit *visit;
    struct supplier_total row;
    bool failed;
};

static bool take(void *arg, const struct supplier_total *row)
{
    struct one *one = arg;
    struct arena *arena = one->visit->arena;
    one->row = *row;
    one->row.id = arena_str(arena, row->id);
    one->row.invalid_reason = arena_str(arena, row->invalid_reason);
    one->failed = one->row.id == NULL || one->row.invalid_reason == NULL;
    return false;
}

static void facts_part(struct visit *visit, const struct supplier_total *supplier)
{
    part_begin(visit, N_("What it brought"));
    facts_begin(visit);
    fact_number(visit, N_("Consents brought"), (int64_t)supplier->consents);
    fact_time(visit, N_("First record"), supplier->first_at);
    if (supplier->last_at != 0)
        fact_time(visit, N_("Last consent"), supplier->last_at);
    facts_end(visit);
    part_end(visit);
}

/* That nothing of it counts any more; or what that would mean, folded, to be confirmed by its
 * name. */
static void invalidation_part(struct visit *visit, const struct supplier_total *supplier)
{
    struct strbuf path = {0};
    struct page *page = &visit->page;
    if (supplier->invalidated_at != 0) {
        page_raw(page, "<div class=\"notice bad\">\n<p><strong>");
        page_tr(page, N_("Invalidated for good"));
        page_raw(page, "</strong> · ");
        time_add(visit, supplier->invalidated_at);
        page_raw(page, "</p>\n");
        page_element(page, "p", supplier->invalid_reason);
        page_raw(page, "</div>\n");
        return;
    }
    if (!visit_may(visit, PERMIT_ACT))
        return;
    supplier_path(&path, supplier->id);
    strbuf_add_str(&path, "/invalidation");
    act_fold_begin(visit, N_("Invalidate for good all that it brought"));
    act_begin(visit, path.failed ? "" : path.data);
    part_text(visit, N_("From the next message on, no consent that this supplier brought, or will "
                        "ever bring, lets anything pass. This cannot be taken back; consents that "
                        "others brought still count. To stop it for a while only, suspend it."));
    area_field(visit, "reason", N_("Why it is invalidated"),
               N_("Kept in the history and shown to whoever looks into it later."), true);
    text_field(visit, "confirm", N_("Type the supplier's name to confirm"), "", "", 128, true);
    act_end(visit, N_("Invalidate for good"), "danger");
    act_fold_end(visit);
    page->html.failed = page->html.failed || path.failed;
    strbuf_free(&path);
}

static void reason_rows(struct visit *visit, const struct tally *tally)
{
    static const char *const heads[] = {N_("Verdict"), N_("Reason"), N_("#Messages"),
                                        N_("#Share"),  NULL,         NULL};
    const struct tally_counts sum = counts_sum(tally);
    const char *these[sizeof(heads) / sizeof(heads[0])];
    memcpy(these, heads, sizeof(heads));
    if (sum.let_through > 0)
        these[4] = N_("#Of these let through while observed");
    grid_begin(visit, N_("Decisions that relied on its consents, by reason"), these);
    for (size_t i = 0; i < tally_count(tally); i++) {
        const struct tally_row *row = tally_row(tally, i);
        page_row(&visit->page);
        cell_verdict(visit, row->keys[0]);
        cell_code(visit, word_reason(visit->language, row->keys[1]), row->keys[1]);
        page_number(&visit->page, (int64_t)row->counts.decisions);
        page_share(&visit->page, row->counts.decisions, sum.decisions);
        if (sum.let_through > 0)
            page_number(&visit->page, (int64_t)row->counts.let_through);
    }
    grid_end(visit);
}

static void partner_rows(struct visit *visit, const struct tally *tally)
{
    static const char *const heads[] = {N_("Partner"), N_("#Messages"), N_("#Blocked"),
                                        N_("#Share blocked"), NULL};
    struct strbuf path = {0};
    grid_begin(visit, N_("Decisions that relied on its consents, by partner"), heads);
    for (size_t i = 0; i < tally_count(tally); i++) {
        const struct tally_row *row = tally_row(tally, i);
        const struct partner *partner = config_partner(visit->config, row->keys[0]);
        page_row(&visit->page);
        strbuf_clear(&path);
        stop_path(&path, SUSPEND_PARTNER, row->keys[0]);
        if (partner != NULL)
            cell_link(visit, path.failed ? "" : path.data, partner->name);
        else
            page_cell(&visit->page, row->keys[0]);
        page_number(&visit->page, (int64_t)row->counts.decisions);
        page_number(&visit->page, (int64_t)tally_stopped(&row->counts));
        page_share(&visit->page, tally_stopped(&row->counts), row->counts.decisions);
    }
    grid_end(visit);
    visit->page.html.failed = visit->page.html.failed || path.failed;
    strbuf_free(&path);
}

/* The tally of the last 90 days by these columns, the last of which is the supplier, of one. */
static enum result counts_of_one(struct visit *visit, const char *id, const enum tally_by *by,
                                 size_t n, struct tally **tally_out, struct error *err)
{
    struct period period;
    period_last(visit, DAYS, &period);
    enum result result = counts_read(visit, &period, NULL, by, n, tally_out, err);
    return result == RESULT_OK ? counts_narrow(tally_out, id, false, err) : result;
}

/* Rows of lists that relied on what it brought. */
static enum result lists_line(struct visit *visit, const char *id, struct error *err)
{
    static const enum tally_by by[] = {TALLY_SUPPLIER};
    struct period period;
    struct tally *lists = NULL;
    period_last(visit, DAYS, &period);
    enum result result = counts_read_lists(visit, &period, NULL, by, 1, &lists, err);
    if (result == RESULT_OK) {
        const struct tally_counts rows = counts_of(lists, id);
        counts_lists_line(visit, &period, &rows, NULL);
    }
    tally_free(&lists);
    return result;
}

static enum result counts_part(struct visit *visit, const char *id, struct error *err)
{
    static const enum tally_by by_reason[] = {TALLY_VERDICT, TALLY_REASON, TALLY_SUPPLIER};
    static const enum tally_by by_partner[] = {TALLY_PARTNER, TALLY_SUPPLIER};
    struct tally *reasons = NULL, *partners = NULL;
    enum result result = counts_of_one(visit, id, by_reason, 3, &reasons, err);
    if (result == RESULT_OK)
        result = counts_of_one(visit, id, by_partner, 2, &partners, err);
    if (result == RESULT_OK) {
        part_begin(visit, N_("Decisions that relied on what it brought, last 90 days"));
        if (tally_count(reasons) > 0) {
            reason_rows(visit, reasons);
            partner_rows(visit, partners);
        } else {
            part_empty(visit, N_("No message relied on it."), NULL, NULL);
        }
        result = lists_line(visit, id, err);
        part_end(visit);
    }
    tally_free(&reasons);
    tally_free(&partners);
    return result;
}

static enum result write_one(struct visit *visit, const struct supplier_total *supplier,
                             const struct stop *stops, struct error *err)
{
    const struct layout layout = {.place = PLACE_SUPPLIERS,
                                  .title = N_("Supplier"),
                                  .name = supplier->id,
                                  .up = "/console/suppliers",
                                  .up_name = N_("Suppliers")};
    layout_begin(visit, &layout);
    if (supplier->invalidated_at == 0)
        stop_part(
            visit, SUSPEND_SUPPLIER, supplier->id, stop_find(stops, SUSPEND_SUPPLIER, supplier->id),
            N_("From the next message on, no consent that this supplier brought lets anything "
               "pass, whoever sends. Consents that others brought still count. It can be "
               "resumed."));
    invalidation_part(visit, supplier);
    facts_part(visit, supplier);
    enum result result = counts_part(visit, supplier->id, err);
    if (result == RESULT_OK)
        result = stop_history_part(visit, SUSPEND_SUPPLIER, supplier->id, err);
    layout_end(visit);
    return result;
}

enum result supplier_page(struct visit *visit, struct error *err)
{
    struct stop *stops;
    struct one one = {.visit = visit};
    enum result result = stops_read(visit, &stops, err);
    if (result == RESULT_OK)
        result = registry_suppliers(visit->registry, visit->tails[0], take, &one, err);
    if (result == RESULT_NOT_FOUND)
        return visit_nothing(visit, N_("There is no such supplier."));
    if (result == RESULT_OK && one.failed)
        return error_no_memory(err);
    return result == RESULT_OK ? write_one(visit, &one.row, stops, err) : result;
}

/* ---- the act ---- */

enum result supplier_invalidate_act(struct visit *visit, struct error *err)
{
    struct strbuf path = {0};
    const char *id = visit->tails[0];
    const char *confirmed = visit_field(visit, "confirm");
    const char *reason = visit_reason_field(visit, "reason");
    const struct invalidation what = {.supplier = id};
    /* Blanks at its ends cannot be seen, so that nobody would type them. */
    if (confirmed[0] == '\0' || strcmp(confirmed, visit_trimmed(visit, id)) != 0)
        return visit_refuse(visit, 400, N_("Not confirmed"),
                            N_("The name that was typed is not that of this supplier. Nothing was "
                               "changed."));
    if (reason == NULL)
        return visit_refuse(visit, 400, N_("A reason is missing"),
                            N_("Say why, in up to 1000 characters. Go back and try again: nothing "
                               "was changed."));
    enum result result = registry_invalidate(visit->registry, &what, reason, visit->now, err);
    if (result == RESULT_NOT_FOUND)
        return visit_nothing(visit, N_("There is no such supplier."));
    bool changed = result == RESULT_OK;
    if (!changed && result != RESULT_CONFLICT)
        return result;
    const struct access access = {.subject = id, .answer = changed ? "done" : "unchanged"};
    supplier_path(&path, id);
    result = visit_note(visit, "supplier.invalidate", &access) && !path.failed
                 ? visit_done(visit, path.data, changed ? "supplier-invalidated" : "unchanged", err)
                 : error_no_memory(err);
    strbuf_free(&path);
    return result;
}
