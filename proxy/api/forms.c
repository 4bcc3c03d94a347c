/* SPDX-License-Identifier: Apache-2.0 */
/* Collection forms: what there is, a new version, and a version that counts no more. */
#include "store/form.h"

#include "base/clock.h"
#include "proxy/api/work.h"
#include "store/registry_view.h"

#include <string.h>

static void add_instant(struct strbuf *out, const char *name, int64_t at)
{
    char text[CLOCK_TEXT];
    clock_format(at, text);
    strbuf_add_json_field(out, name, at != 0 && at != INT64_MAX ? text : NULL);
}

/* "email|sms" as an array. */
static void add_words(struct strbuf *out, const char *name, const char *words)
{
    strbuf_add_format(out, ",\"%s\":[", name);
    for (const char *word = words; *word != '\0';) {
        size_t length = strcspn(word, "|");
        strbuf_add_str(out, word == words ? "\"" : ",\"");
        strbuf_add_json(out, word, length);
        strbuf_add_char(out, '"');
        word += length + (word[length] == '|');
    }
    strbuf_add_char(out, ']');
}

static void add_form(struct strbuf *out, const struct form_row *row)
{
    char words[64];
    strbuf_add_char(out, '{');
    strbuf_add_json_field(out, "id", row->id);
    strbuf_add_json_number(out, "version", row->version);
    strbuf_add_str(out, ",\"collector\":{");
    strbuf_add_json_field(out, "name", row->collector_name);
    strbuf_add_json_field(out, "siren", row->collector_siren[0] ? row->collector_siren : NULL);
    strbuf_add_char(out, '}');
    channels_text(row->channels, words, sizeof(words));
    add_words(out, "channels", words);
    purposes_text(row->purposes, words, sizeof(words));
    add_words(out, "purposes", words);
    strbuf_add_json_field(out, "language", row->language);
    add_instant(out, "effective_from", row->effective_from);
    add_instant(out, "effective_until", row->effective_until);
    add_instant(out, "added_at", row->added_at);
    add_instant(out, "invalidated_at", row->invalidated_at);
    strbuf_add_json_field(out, "invalid_reason",
                          row->invalidated_at != 0 ? row->invalid_reason : NULL);
}

struct listed {
    struct strbuf *out;
    size_t count;
};

static bool add_listed(void *arg, const struct form_row *row)
{
    struct listed *listed = arg;
    struct strbuf *out = listed->out;
    strbuf_add_str(out, listed->count++ > 0 ? "," : "");
    add_form(out, row);
    strbuf_add_json_number(out, "partners", (int64_t)row->n_partners);
    strbuf_add_json_number(out, "events", (int64_t)row->events);
    strbuf_add_char(out, '}');
    return !out->failed;
}

enum result api_forms(struct api_work *work, struct desk_tools *tools, struct error *err)
{
    const char *id = api_parameter(work, "id");
    struct listed listed = {.out = &work->out};
    if (id != NULL && !form_id_valid(id))
        return api_nothing(work, "form");
    strbuf_add_str(&work->out, "{\"forms\":[");
    enum result result = registry_forms(tools->registry, id, 0, add_listed, &listed, err);
    strbuf_add_str(&work->out, "]}\n");
    return result == RESULT_NOT_FOUND ? api_nothing(work, "form") : result;
}

/* ---- one ---- */

static bool read_version(const struct api_work *work, int *version_out)
{
    int64_t version;
    if (!form_id_valid(work->tails[0]) || !http_number(work->tails[1], 1000000, &version) ||
        version == 0)
        return false;
    *version_out = (int)version;
    return true;
}

static bool add_shown(void *arg, const struct form_row *row)
{
    struct strbuf *out = arg;
    add_form(out, row);
    strbuf_add_str(out, ",\"file\":");
    strbuf_add_str(out, row->json); /* was parsed when it was added */
    strbuf_add_str(out, "}\n");
    return false;
}

enum result api_form(struct api_work *work, struct desk_tools *tools, struct error *err)
{
    int version;
    if (!read_version(work, &version))
        return api_nothing(work, "form version");
    enum result result = registry_form_versions(tools->registry, work->tails[0], version, add_shown,
                                                &work->out, err);
    return result == RESULT_NOT_FOUND ? api_nothing(work, "form version") : result;
}

/* ---- acts ---- */

static void note_act(struct api_work *work, const char *act, const char *id, int version)
{
    char name[96];
    snprintf(name, sizeof(name), "%.64s@%d", id, version);
    const char *kept = arena_str(work->arena, name);
    work->access.act = act;
    work->access.subject = kept != NULL ? kept : "";
    strbuf_add_char(&work->out, '{');
    strbuf_add_json_field(&work->out, "id", id);
    strbuf_add_json_number(&work->out, "version", version);
}

static enum result add(struct api_work *work, struct desk_tools *tools, const struct form *form,
                       struct error *err)
{
    bool added = false;
    enum result result = registry_add_form(tools->registry, form, &added, err);
    if (result == RESULT_CONFLICT)
        return api_refuse(work, 409, "form-version", "This version is there already", "%s",
                          err->text);
    if (result != RESULT_OK)
        return result;
    note_act(work, "form.add", form->id, form->version);
    work->status = added ? 201 : 200;
    work->access.answer = added ? "added" : "there already";
    strbuf_add_str(&work->out, added ? ",\"added\":true}\n" : ",\"added\":false}\n");
    return RESULT_OK;
}

enum result api_form_add(struct api_work *work, struct desk_tools *tools, struct error *err)
{
    struct form *form = NULL;
    struct error why = {0};
    enum result result = form_parse(work->body, work->length, &form, &why);
    if (result == RESULT_BAD_INPUT)
        return api_refuse(work, 422, "form", "This is no form", "%s", why.text);
    if (result != RESULT_OK) {
        *err = why;
        return result;
    }
    result = add(work, tools, form, err);
    form_free(&form);
    return result;
}

enum result api_form_invalidate(struct api_work *work, struct desk_tools *tools, struct error *err)
{
    static const char *const names[] = {"reason", NULL};
    const char *reason;
    int version;
    if (!read_version(work, &version))
        return api_nothing(work, "form version");
    if (!api_known(work, work->in, names) || !api_reason(work, &reason))
        return RESULT_OK;
    enum result result =
        registry_invalidate_form(tools->registry, work->tails[0], version, reason, work->now, err);
    if (result == RESULT_NOT_FOUND)
        return api_nothing(work, "form version");
    if (result == RESULT_CONFLICT)
        return api_refuse(work, 409, "no-change", "Nothing was changed", "%s", err->text);
    if (result != RESULT_OK)
        return result;
    note_act(work, "form.invalidate", work->tails[0], version);
    work->access.answer = "done";
    add_instant(&work->out, "invalidated_at", work->now);
    strbuf_add_str(&work->out, "}\n");
    return RESULT_OK;
}
