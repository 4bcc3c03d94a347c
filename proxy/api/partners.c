/* SPDX-License-Identifier: Apache-2.0 */
/* The partners and streams of the configuration, and whether they are stopped. */
#include "proxy/api/work.h"

#include <string.h>

#define STOPPED_MOST 1000

/* Ids of what is suspended now; in the work's arena. */
struct stopped {
    struct api_work *work;
    const char *ids[STOPPED_MOST];
    enum suspension_kind kinds[STOPPED_MOST];
    size_t count;
    bool failed;
};

static bool note(void *arg, const struct suspension_row *row)
{
    struct stopped *stopped = arg;
    if (row->resumed || (row->kind != SUSPEND_PARTNER && row->kind != SUSPEND_STREAM))
        return true;
    const char *id = arena_str(stopped->work->arena, row->id);
    stopped->failed = id == NULL || stopped->count == STOPPED_MOST;
    if (stopped->failed)
        return false;
    stopped->kinds[stopped->count] = row->kind;
    stopped->ids[stopped->count++] = id;
    return true;
}

static bool is_stopped(const struct stopped *stopped, enum suspension_kind kind, const char *id)
{
    for (size_t i = 0; i < stopped->count; i++)
        if (stopped->kinds[i] == kind && strcmp(stopped->ids[i], id) == 0)
            return true;
    return false;
}

static void add_flag(struct strbuf *out, const char *name, bool value)
{
    strbuf_add_format(out, ",\"%s\":%s", name, value ? "true" : "false");
}

static void add_stream(struct strbuf *out, const struct stream *stream,
                       const struct stopped *stopped)
{
    char id[300];
    snprintf(id, sizeof(id), "%s/%s", stream->partner->id, stream->id);
    strbuf_add_char(out, '{');
    strbuf_add_json_field(out, "id", stream->id);
    strbuf_add_json_field(out, "channel", channel_name(stream->channel));
    strbuf_add_json_field(out, "class", stream_class_name(stream->class));
    strbuf_add_json_field(out, "sector", stream->sector[0] != '\0' ? stream->sector : NULL);
    add_flag(out, "suspended", is_stopped(stopped, SUSPEND_STREAM, id));
    strbuf_add_char(out, '}');
}

static void add_partner(struct api_work *work, const struct partner *partner,
                        const struct stopped *stopped)
{
    struct strbuf *out = &work->out;
    const char *separator = "";
    strbuf_add_char(out, '{');
    strbuf_add_json_field(out, "id", partner->id);
    strbuf_add_json_field(out, "name", partner->name);
    strbuf_add_json_field(out, "siren", partner->siren[0] != '\0' ? partner->siren : NULL);
    strbuf_add_json_field(out, "mode", mode_name(partner->mode));
    add_flag(out, "suspended", is_stopped(stopped, SUSPEND_PARTNER, partner->id));
    strbuf_add_str(out, ",\"streams\":[");
    for (size_t i = 0; i < work->config->n_streams; i++) {
        const struct stream *stream = &work->config->streams[i].terms;
        if (stream->partner != partner)
            continue;
        strbuf_add_str(out, separator);
        add_stream(out, stream, stopped);
        separator = ",";
    }
    strbuf_add_str(out, "]}");
}

static enum result read_stopped(struct api_work *work, struct desk_tools *tools,
                                struct stopped **stopped_out, struct error *err)
{
    struct stopped *stopped = arena_alloc(work->arena, sizeof(*stopped));
    if (stopped == NULL)
        return error_no_memory(err);
    stopped->work = work;
    stopped->count = 0;
    stopped->failed = false;
    *stopped_out = stopped;
    enum result result = registry_suspensions(tools->registry, note, stopped, err);
    return result == RESULT_OK && stopped->failed ? error_no_memory(err) : result;
}

enum result api_partners(struct api_work *work, struct desk_tools *tools, struct error *err)
{
    struct stopped *stopped;
    enum result result = read_stopped(work, tools, &stopped, err);
    if (result != RESULT_OK)
        return result;
    strbuf_add_str(&work->out, "{\"partners\":[");
    for (size_t i = 0; i < work->config->n_partners; i++) {
        strbuf_add_str(&work->out, i > 0 ? "," : "");
        add_partner(work, &work->config->partners[i], stopped);
    }
    strbuf_add_str(&work->out, "]}\n");
    return RESULT_OK;
}

enum result api_partner(struct api_work *work, struct desk_tools *tools, struct error *err)
{
    struct stopped *stopped;
    const struct partner *partner = config_partner(work->config, work->tails[0]);
    if (partner == NULL)
        return api_nothing(work, "partner");
    enum result result = read_stopped(work, tools, &stopped, err);
    if (result != RESULT_OK)
        return result;
    add_partner(work, partner, stopped);
    strbuf_add_char(&work->out, '\n');
    return RESULT_OK;
}
