/* SPDX-License-Identifier: Apache-2.0 */
#include "store/configuration.h"

#include "store/segment.h"

/* Partners and streams are one object each, so that a record can end between any two. What one of
 * them takes has to fit behind this. */
#define PART_FULL (SEGMENT_RECORD_MAX / 2)

/* One record being written. Parts are numbered so that a reader knows how many belong together; the
 * last one is marked, because their number is not known before. */
struct part {
    struct journal_batch *batch; /* borrowed */
    const struct config *config;
    const struct configuration_note *note;
    struct strbuf text;
    int64_t number;
    bool ok;
};

static void begin_part(struct part *part)
{
    char at[CLOCK_TEXT];
    clock_format(part->note->at, at);
    strbuf_clear(&part->text);
    strbuf_add_str(&part->text, "{\"type\":\"configuration\"");
    strbuf_add_json_field(&part->text, "at", at);
    strbuf_add_json_field(&part->text, "gateway", part->config->hostname);
    strbuf_add_json_field(&part->text, "program", part->note->program);
    strbuf_add_json_field(&part->text, "cause", part->note->cause);
    strbuf_add_json_field(&part->text, "sha256", part->config->sha256);
    strbuf_add_json_number(&part->text, "part", ++part->number);
}

static void end_part(struct part *part, bool last)
{
    strbuf_add_str(&part->text, last ? ",\"last\":true}" : ",\"last\":false}");
    part->ok = part->ok && !part->text.failed &&
               journal_batch_record(part->batch, part->text.data, part->text.length);
}

/* Before an element of a list: a comma, or a new record with that list begun again. */
static void separate(struct part *part, const char *list, bool first)
{
    if (!first && part->text.length < PART_FULL) {
        strbuf_add_char(&part->text, ',');
        return;
    }
    if (!first) {
        strbuf_add_char(&part->text, ']');
        end_part(part, false);
        begin_part(part);
    }
    strbuf_add_format(&part->text, ",\"%s\":[", list);
}

static void end_list(struct part *part, size_t count)
{
    if (count > 0)
        strbuf_add_char(&part->text, ']');
}

static void add_policies(struct part *part)
{
    struct strbuf canonical = {0};
    for (int i = 0; i < CHANNEL_COUNT; i++) {
        const struct channel_policy *policy = &part->config->policies[i];
        separate(part, "policies", i == 0);
        strbuf_clear(&canonical);
        channel_policy_canonical(&canonical, policy);
        strbuf_add_char(&part->text, '{');
        strbuf_add_json_field(&part->text, "channel", channel_name(policy->channel));
        strbuf_add_json_field(&part->text, "version", policy->version);
        strbuf_add_json_field(&part->text, "text", canonical.data);
        strbuf_add_char(&part->text, '}');
        part->ok = part->ok && !canonical.failed;
    }
    end_list(part, CHANNEL_COUNT);
    strbuf_free(&canonical);
}

static void add_partners(struct part *part)
{
    const struct config *config = part->config;
    for (size_t i = 0; i < config->n_partners; i++) {
        const struct partner *partner = &config->partners[i];
        separate(part, "partners", i == 0);
        strbuf_add_char(&part->text, '{');
        strbuf_add_json_field(&part->text, "id", partner->id);
        strbuf_add_json_field(&part->text, "name", partner->name);
        strbuf_add_json_field(&part->text, "siren", partner->siren);
        strbuf_add_json_field(&part->text, "mode", mode_name(partner->mode));
        strbuf_add_char(&part->text, '}');
    }
    end_list(part, config->n_partners);
}

static void add_streams(struct part *part)
{
    const struct config *config = part->config;
    for (size_t i = 0; i < config->n_streams; i++) {
        const struct stream *stream = &config->streams[i].terms;
        separate(part, "streams", i == 0);
        strbuf_add_char(&part->text, '{');
        strbuf_add_json_field(&part->text, "partner", stream->partner->id);
        strbuf_add_json_field(&part->text, "id", stream->id);
        strbuf_add_json_field(&part->text, "channel", channel_name(stream->channel));
        strbuf_add_json_field(&part->text, "class", stream_class_name(stream->class));
        strbuf_add_json_field(&part->text, "sector", stream->sector);
        strbuf_add_char(&part->text, '}');
    }
    end_list(part, config->n_streams);
}

struct journal_batch *configuration_batch(const struct config *config,
                                          const struct configuration_note *note)
{
    struct journal_batch *batch = journal_batch_new();
    if (batch == NULL)
        return NULL;
    struct part part = {.batch = batch, .config = config, .note = note, .ok = true};
    begin_part(&part);
    add_policies(&part);
    add_partners(&part);
    add_streams(&part);
    end_part(&part, true);
    strbuf_free(&part.text);
    if (!part.ok)
        journal_batch_free(&batch);
    return batch;
}
