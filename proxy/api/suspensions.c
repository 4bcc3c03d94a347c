/* SPDX-License-Identifier: Apache-2.0 */
/* The immediate stop, its end, and the history of both. */
#include "base/clock.h"
#include "office/stops.h"
#include "proxy/api/work.h"

#include <string.h>

struct rows {
    struct strbuf *out;
    const char *kind; /* NULL: any */
    bool in_force;    /* those alone */
    size_t count;
};

static void add_instant(struct strbuf *out, const char *name, int64_t at)
{
    char text[CLOCK_TEXT];
    clock_format(at, text);
    strbuf_add_json_field(out, name, text);
}

static bool add_row(void *arg, const struct suspension_row *row)
{
    struct rows *rows = arg;
    struct strbuf *out = rows->out;
    if ((rows->in_force && row->resumed) ||
        (rows->kind != NULL && strcmp(rows->kind, suspension_kind_name(row->kind)) != 0))
        return true;
    strbuf_add_str(out, rows->count++ > 0 ? ",{" : "{");
    strbuf_add_json_field(out, "kind", suspension_kind_name(row->kind));
    strbuf_add_json_field(out, "id", row->id);
    add_instant(out, "suspended_at", row->suspended_at);
    strbuf_add_json_field(out, "reason", row->reason);
    if (row->resumed) {
        add_instant(out, "resumed_at", row->resumed_at);
        strbuf_add_json_field(out, "resume_reason", row->resume_reason);
    } else {
        strbuf_add_json_field(out, "resumed_at", NULL);
    }
    strbuf_add_char(out, '}');
    return !out->failed;
}

enum result api_suspensions(struct api_work *work, struct desk_tools *tools, struct error *err)
{
    struct rows rows = {.out = &work->out, .kind = api_parameter(work, "kind")};
    enum suspension_kind kind;
    const char *in_force = api_parameter(work, "in_force");
    if (rows.kind != NULL && !suspension_kind_parse(rows.kind, &kind))
        return api_malformed(work, "kind", "must be partner, stream, form or supplier");
    if (in_force != NULL && strcmp(in_force, "true") != 0 && strcmp(in_force, "false") != 0)
        return api_malformed(work, "in_force", "must be true or false");
    rows.in_force = in_force != NULL && strcmp(in_force, "true") == 0;
    strbuf_add_str(&work->out, "{\"suspensions\":[");
    enum result result = registry_suspensions(tools->registry, add_row, &rows, err);
    strbuf_add_str(&work->out, "]}\n");
    return result;
}

/* ---- acts ---- */

struct act {
    enum suspension_kind kind;
    const char *id;
    const char *reason;
};

/* False: refused. */
static bool read_act(struct api_work *work, struct act *act_out)
{
    static const char *const names[] = {"kind", "id", "reason", NULL};
    const char *kind = api_text(work->in, "kind");
    act_out->id = api_text(work->in, "id");
    if (!api_known(work, work->in, names))
        return false;
    if (kind == NULL || !suspension_kind_parse(kind, &act_out->kind))
        (void)api_malformed(work, "kind", "must be partner, stream, form or supplier");
    else if (act_out->id == NULL || !http_is_plain(act_out->id, 200))
        (void)api_malformed(work, "id", "must be the id of what is meant");
    else
        return api_reason(work, &act_out->reason);
    return false;
}

static enum result finish(struct api_work *work, const struct act *act, enum result result,
                          bool suspended)
{
    if (result == RESULT_NOT_FOUND)
        return api_nothing(work, suspension_kind_name(act->kind));
    if (result == RESULT_CONFLICT)
        return api_refuse(work, 409, "no-change", "Nothing was changed",
                          suspended ? "It is suspended already." : "It is not suspended.");
    if (result != RESULT_OK)
        return result;
    work->status = suspended ? 201 : 200;
    work->access.act = suspended ? "suspend" : "resume";
    work->access.partner = act->kind == SUSPEND_PARTNER ? arena_str(work->arena, act->id) : "";
    work->access.subject = arena_str(work->arena, act->id);
    work->access.answer = suspension_kind_name(act->kind);
    strbuf_add_char(&work->out, '{');
    strbuf_add_json_field(&work->out, "kind", suspension_kind_name(act->kind));
    strbuf_add_json_field(&work->out, "id", act->id);
    strbuf_add_str(&work->out, suspended ? ",\"suspended\":true" : ",\"suspended\":false");
    add_instant(&work->out, "at", work->now);
    strbuf_add_str(&work->out, "}\n");
    return RESULT_OK;
}

enum result api_suspend(struct api_work *work, struct desk_tools *tools, struct error *err)
{
    struct act act;
    if (!read_act(work, &act))
        return RESULT_OK;
    if (!stop_target_known(work->config, act.kind, act.id))
        return api_nothing(work, suspension_kind_name(act.kind));
    return finish(work, &act,
                  registry_suspend(tools->registry, act.kind, act.id, act.reason, work->now, err),
                  true);
}

enum result api_resume(struct api_work *work, struct desk_tools *tools, struct error *err)
{
    struct act act;
    if (!read_act(work, &act))
        return RESULT_OK;
    return finish(work, &act,
                  registry_resume(tools->registry, act.kind, act.id, act.reason, work->now, err),
                  false);
}
