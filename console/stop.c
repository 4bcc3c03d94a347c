/* SPDX-License-Identifier: Apache-2.0 */
#include "console/stop.h"

#include "console/layout.h"
#include "console/pages.h"
#include "office/stops.h"

#include <string.h>

/* ---- what is on record ---- */

struct reading {
    struct visit *visit;
    struct stop **end;
    bool failed;
};

static bool take(void *arg, const struct suspension_row *row)
{
    struct reading *reading = arg;
    struct arena *arena = reading->visit->arena;
    if (row->resumed)
        return true;
    struct stop *stop = arena_alloc(arena, sizeof(*stop));
    if (stop != NULL)
        *stop = (struct stop){.kind = row->kind,
                              .id = arena_str(arena, row->id),
                              .since = row->suspended_at,
                              .reason = arena_str(arena, row->reason)};
    reading->failed = stop == NULL || stop->id == NULL || stop->reason == NULL;
    if (reading->failed)
        return false;
    *reading->end = stop;
    reading->end = &stop->next;
    return true;
}

enum result stops_read(struct visit *visit, struct stop **stops_out, struct error *err)
{
    struct reading reading = {.visit = visit, .end = stops_out};
    *stops_out = NULL;
    enum result result = registry_suspensions(visit->registry, take, &reading, err);
    return result == RESULT_OK && reading.failed ? error_no_memory(err) : result;
}

const struct stop *stop_find(const struct stop *stops, enum suspension_kind kind, const char *id)
{
    while (stops != NULL && (stops->kind != kind || strcmp(stops->id, id) != 0))
        stops = stops->next;
    return stops;
}

void stop_path(struct strbuf *out, enum suspension_kind kind, const char *id)
{
    static const char *const folders[SUSPENSION_KIND_COUNT] = {
        [SUSPEND_PARTNER] = "/console/partners/",
        [SUSPEND_STREAM] = "/console/partners/",
        [SUSPEND_FORM] = "/console/forms/",
        [SUSPEND_SUPPLIER] = "/console/suppliers/",
    };
    char name[256];
    size_t length = kind == SUSPEND_STREAM ? strcspn(id, "/") : strlen(id);
    strbuf_add_str(out, folders[kind]);
    if (str_copy_n(name, sizeof(name), id, length))
        visit_add_encoded(out, name);
}

/* ---- parts ---- */

void stop_badge(struct visit *visit, const struct stop *stop)
{
    if (stop != NULL)
        badge_add(visit, "bad", N_("suspended"));
}

static void fields(struct visit *visit, enum suspension_kind kind, const char *id)
{
    hidden_field(visit, "kind", suspension_kind_name(kind));
    hidden_field(visit, "id", id);
}

static void part_suspended(struct visit *visit, enum suspension_kind kind, const char *id,
                           const struct stop *stop)
{
    struct page *page = &visit->page;
    page_raw(page, "<div class=\"notice bad\">\n<p><strong>");
    page_tr(page, N_("Suspended since"));
    page_raw(page, "</strong> ");
    time_add(visit, stop->since);
    page_raw(page, "</p>\n");
    page_element(page, "p", stop->reason);
    page_raw(page, "</div>\n");
    if (!visit_may(visit, PERMIT_STOP))
        return;
    act_fold_begin(visit, N_("Resume"));
    act_begin(visit, "/console/resumptions");
    part_text(visit, N_("Messages are judged again as before the suspension, from the next one on. "
                        "The suspension stays in the history."));
    fields(visit, kind, id);
    area_field(visit, "reason", N_("Why it is resumed"),
               N_("Kept with the suspension, word for word."), true);
    act_end(visit, N_("Resume"), "");
    act_fold_end(visit);
}

void stop_part(struct visit *visit, enum suspension_kind kind, const char *id,
               const struct stop *stop, const char *what)
{
    if (stop != NULL) {
        part_suspended(visit, kind, id, stop);
        return;
    }
    if (!visit_may(visit, PERMIT_STOP))
        return;
    act_fold_begin(visit, N_("Suspend at once"));
    act_begin(visit, "/console/suspensions");
    part_text(visit, what);
    fields(visit, kind, id);
    area_field(visit, "reason", N_("Why it is suspended"),
               N_("Kept in the history and shown to whoever looks into it later."), true);
    act_end(visit, N_("Suspend now"), "danger");
    act_fold_end(visit);
}

/* ---- the history ---- */

struct history {
    struct visit *visit;
    enum suspension_kind kind;
    const char *id;
    size_t rows;
};

static bool write_row(void *arg, const struct suspension_row *row)
{
    struct history *history = arg;
    struct visit *visit = history->visit;
    struct page *page = &visit->page;
    static const char *const heads[] = {N_("Suspended on"), N_("Why"), N_("Resumed"),
                                        N_("Why resumed"), NULL};
    if (row->kind != history->kind || strcmp(row->id, history->id) != 0)
        return true;
    if (history->rows++ == 0) {
        part_begin(visit, N_("Suspensions so far"));
        grid_begin(visit, N_("Suspensions so far"), heads);
    }
    page_row(page);
    cell_time(visit, row->suspended_at);
    page_cell(page, row->reason);
    if (row->resumed)
        cell_time(visit, row->resumed_at);
    else
        page_cell(page, tr(visit->language, N_("still in force")));
    page_cell(page, row->resumed ? row->resume_reason : "");
    return !page->html.failed;
}

enum result stop_history_part(struct visit *visit, enum suspension_kind kind, const char *id,
                              struct error *err)
{
    struct history history = {.visit = visit, .kind = kind, .id = id};
    enum result result = registry_suspensions(visit->registry, write_row, &history, err);
    if (history.rows > 0) {
        grid_end(visit);
        part_end(visit);
    }
    return result;
}

/* ---- acts ---- */

/* False: refused. */
static bool read_target(struct visit *visit, enum suspension_kind *kind_out, const char **id_out,
                        const char **reason_out)
{
    const char *kind = visit_field(visit, "kind");
    /* A supplier's is any name. */
    *id_out = strcmp(kind, suspension_kind_name(SUSPEND_SUPPLIER)) == 0
                  ? visit_whole_field(visit, "id")
                  : visit_id_field(visit, "id");
    *reason_out = visit_reason_field(visit, "reason");
    if (!suspension_kind_parse(kind, kind_out) || (*id_out)[0] == '\0') {
        (void)visit_refuse(visit, 400, N_("This cannot be read"),
                           N_("It does not say what is meant. Go back and use the page's form."));
        return false;
    }
    if (*reason_out == NULL) {
        (void)visit_refuse(visit, 400, N_("A reason is missing"),
                           N_("Say why, in up to 1000 characters. Go back and try again: nothing "
                              "was changed."));
        return false;
    }
    return true;
}

static const char *done_of(enum suspension_kind kind, bool suspended, bool changed)
{
    static const char *const lines[SUSPENSION_KIND_COUNT] = {
        [SUSPEND_PARTNER] = "suspended-partner",
        [SUSPEND_STREAM] = "suspended-stream",
        [SUSPEND_FORM] = "suspended-form",
        [SUSPEND_SUPPLIER] = "suspended-supplier",
    };
    if (!suspended)
        return changed ? "resumed" : "not-suspended";
    return changed ? lines[kind] : "already-suspended";
}

static enum result finish(struct visit *visit, enum suspension_kind kind, const char *id,
                          enum result result, bool suspended, struct error *err)
{
    struct strbuf path = {0};
    if (result == RESULT_NOT_FOUND)
        return visit_nothing(visit, N_("What should be suspended or resumed is not known here."));
    if (result != RESULT_OK && result != RESULT_CONFLICT)
        return result;
    bool changed = result == RESULT_OK;
    const struct access what = {.partner = kind == SUSPEND_PARTNER ? id : "",
                                .subject = id,
                                .answer = changed ? suspension_kind_name(kind) : "unchanged"};
    stop_path(&path, kind, id);
    bool whole = visit_note(visit, suspended ? "suspend" : "resume", &what) && !path.failed;
    result = whole ? visit_done(visit, path.data, done_of(kind, suspended, changed), err)
                   : error_no_memory(err);
    strbuf_free(&path);
    return result;
}

enum result suspend_act(struct visit *visit, struct error *err)
{
    enum suspension_kind kind;
    const char *id, *reason;
    if (!read_target(visit, &kind, &id, &reason))
        return RESULT_OK;
    if (!stop_target_known(visit->config, kind, id))
        return visit_nothing(visit, N_("What should be suspended or resumed is not known here."));
    return finish(visit, kind, id,
                  registry_suspend(visit->registry, kind, id, reason, visit->now, err), true, err);
}

enum result resume_act(struct visit *visit, struct error *err)
{
    enum suspension_kind kind;
    const char *id, *reason;
    if (!read_target(visit, &kind, &id, &reason))
        return RESULT_OK;
    return finish(visit, kind, id,
                  registry_resume(visit->registry, kind, id, reason, visit->now, err), false, err);
}
