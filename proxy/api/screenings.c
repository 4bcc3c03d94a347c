/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A list before it is handed over to a partner: who may be on it. As `octroi screen`, of a list
 * that comes in one request: one row of the journal for each of its rows, durable before any of it
 * is answered, and one moment for all verdicts.
 */
#include "base/clock.h"
#include "policy/judge.h"
#include "proxy/api/work.h"
#include "store/registry_read.h"

#include <string.h>

#define ROWS_MOST 10000
#define NAME_MOST 200
#define TRIMMED   1024 /* bytes of an address with its blanks gone, more than any has */

struct screening_work {
    struct api_work *work;
    struct desk_tools *tools;
    const struct partner *partner;
    enum channel channel;
    const struct channel_policy *policy;
    const json_t *recipients;
    char id[RECORD_ID];
    char list[2 * SHA256_BYTES + 1];
    struct strbuf lines;              /* owned; records */
    struct strbuf permitted, blocked; /* owned; JSON */
    uint64_t passes, blocks[REASON_COUNT];
};

/* ---- what was asked ---- */

/* False: refused. */
static bool read_list(struct screening_work *screening)
{
    struct api_work *work = screening->work;
    size_t count = json_array_size(screening->recipients);
    if (count == 0 || count > ROWS_MOST) {
        (void)api_malformed(work, "recipients", "must be a list of 1 to 10000 addresses");
        return false;
    }
    for (size_t i = 0; i < count; i++)
        if (!json_is_string(json_array_get(screening->recipients, i))) {
            (void)api_malformed(work, "recipients", "holds something that is no text");
            return false;
        }
    return true;
}

static bool read_request(struct screening_work *screening)
{
    static const char *const names[] = {"partner", "channel", "recipients", "name", NULL};
    struct api_work *work = screening->work;
    const char *partner = api_text(work->in, "partner");
    const char *channel = api_text(work->in, "channel");
    const char *name = api_text(work->in, "name");
    screening->recipients = json_object_get(work->in, "recipients");
    screening->partner = partner != NULL ? config_partner(work->config, partner) : NULL;
    if (!api_known(work, work->in, names))
        return false;
    if (partner == NULL)
        (void)api_malformed(work, "partner", "is missing, or no text");
    else if (screening->partner == NULL)
        (void)api_refuse(work, 422, "unknown-partner", "There is no such partner",
                         "\"partner\" must be a partner's id as the configuration has it.");
    else if (channel == NULL || !channel_parse(channel, &screening->channel))
        (void)api_malformed(work, "channel", "must be email, sms, call, autocall or post");
    else if (json_object_get(work->in, "name") != NULL &&
             (name == NULL || !http_is_plain(name, NAME_MOST)))
        (void)api_malformed(work, "name", "must have 1 to 200 printable characters");
    else
        return api_concerns(work, screening->partner->id) && read_list(screening);
    return false;
}

/* As if the list were a file of one address a line. */
static bool hash_list(struct screening_work *screening)
{
    uint8_t digest[SHA256_BYTES];
    struct sha256_stream *stream = sha256_stream_new();
    bool good = stream != NULL;
    for (size_t i = 0; i < json_array_size(screening->recipients) && good; i++) {
        const char *text = json_string_value(json_array_get(screening->recipients, i));
        good = sha256_stream_add(stream, text, strlen(text)) && sha256_stream_add(stream, "\n", 1);
    }
    good = good && sha256_stream_now(stream, digest);
    sha256_stream_free(&stream);
    if (good)
        hex_encode(digest, SHA256_BYTES, screening->list);
    return good;
}

/* ---- verdicts ---- */

/* Without blanks around it, as the command reads a field. What is too long for trimmed is no
 * address either way. */
static const char *trim(const char *text, char trimmed[TRIMMED])
{
    text += strspn(text, " \t");
    size_t length = strlen(text);
    while (length > 0 && (text[length - 1] == ' ' || text[length - 1] == '\t'))
        length--;
    return str_copy_n(trimmed, TRIMMED, text, length) ? trimmed : text;
}

static enum result read_address(const struct screening_work *screening, const char *given,
                                struct recipient *recipient, struct error *err)
{
    struct address address;
    char trimmed[TRIMMED];
    const char *text = trim(given, trimmed);
    const char *region = screening->work->config->region;
    enum result result;
    if (screening->channel == CHANNEL_EMAIL)
        result = address_parse_email(text, &address, err);
    else if (screening->channel == CHANNEL_POST)
        result = address_parse(text, region, &address, err);
    else
        result = address_parse_phone(text, region, &address, err);
    if (result == RESULT_OK)
        result = recipient_make(screening->tools->hmac, &address, recipient, err);
    wipe(&address, sizeof(address));
    wipe(trimmed, sizeof(trimmed));
    return result;
}

static enum result judge(struct screening_work *screening, const struct recipient *recipient,
                         struct judgement *judgement, struct error *err)
{
    const struct facts *facts = NULL;
    const struct question question = {.partner = screening->partner,
                                      .policy = screening->policy,
                                      .channel = screening->channel,
                                      .purpose = PURPOSE_TRANSMISSION,
                                      .now = screening->work->now};
    enum result result = registry_facts(screening->tools->registry, recipient->key,
                                        screening->partner->id, NULL, &facts, err);
    if (result == RESULT_OK)
        policy_judge(&question, facts, judgement, NULL);
    return result;
}

static void note_row(struct screening_work *screening, size_t row,
                     const struct recipient *recipient, const struct judgement *judgement)
{
    char id[RECORD_ID];
    bool passes = judgement->verdict == VERDICT_PASS;
    record_new_id(id);
    const struct decision decision = {
        .id = id,
        .at = screening->work->now,
        .gateway = screening->work->config->hostname,
        .session = screening->id,
        .partner = screening->partner->id,
        .channel = screening->channel,
        .purpose = PURPOSE_TRANSMISSION,
        .recipient = recipient,
        .verdict = judgement->verdict,
        .reason = judgement->reason,
        .effect = passes ? EFFECT_PASSED : EFFECT_REFUSED,
        .mode = MODE_ENFORCE,
        .policy = screening->policy->version,
        .event = judgement->event,
        .list = screening->list,
        .row = row,
    };
    record_decision(&screening->lines, &decision);
    strbuf_add_char(&screening->lines, '\n');
    if (passes) {
        strbuf_add_format(&screening->permitted, screening->passes++ > 0 ? ",%zu" : "%zu", row);
        return;
    }
    screening->blocks[judgement->reason]++;
    strbuf_add_str(&screening->blocked, screening->blocked.length > 0 ? ",{" : "{");
    strbuf_add_json_number(&screening->blocked, "row", (int64_t)row);
    strbuf_add_json_field(&screening->blocked, "reason", reason_name(judgement->reason));
    strbuf_add_json_field(&screening->blocked, "ref", id);
    strbuf_add_char(&screening->blocked, '}');
}

static enum result judge_rows(struct screening_work *screening, struct error *err)
{
    for (size_t i = 0; i < json_array_size(screening->recipients); i++) {
        const char *text = json_string_value(json_array_get(screening->recipients, i));
        struct judgement judgement = {.verdict = VERDICT_BLOCK, .reason = REASON_MALFORMED};
        struct recipient recipient;
        struct error why = {0};
        enum result result = read_address(screening, text, &recipient, &why);
        bool named = result == RESULT_OK;
        if (named)
            result = judge(screening, &recipient, &judgement, err);
        else if (result != RESULT_BAD_INPUT)
            *err = why;
        if (result != RESULT_OK && result != RESULT_BAD_INPUT)
            return result;
        note_row(screening, i + 1, named ? &recipient : NULL, &judgement);
    }
    return RESULT_OK;
}

/* ---- rows and answer ---- */

static void begin_record(struct screening_work *screening)
{
    struct strbuf name = {0};
    const char *given = api_text(screening->work->in, "name");
    text_hide_addresses(given != NULL ? given : "over HTTP", screening->work->config->region,
                        &name);
    const struct screening record = {.id = screening->id,
                                     .at = screening->work->now,
                                     .gateway = screening->work->config->hostname,
                                     .partner = screening->partner->id,
                                     .channel = screening->channel,
                                     .purpose = PURPOSE_TRANSMISSION,
                                     .list = screening->list,
                                     .name = name.data != NULL ? name.data : ""};
    record_screening(&screening->lines, &record);
    strbuf_add_char(&screening->lines, '\n');
    screening->lines.failed = screening->lines.failed || name.failed;
    strbuf_free(&name);
}

static void end_record(struct screening_work *screening)
{
    const struct screened record = {.id = screening->id,
                                    .at = clock_now(),
                                    .rows = json_array_size(screening->recipients),
                                    .passed = screening->passes,
                                    .blocked = screening->blocks};
    record_screened(&screening->lines, &record);
    strbuf_add_char(&screening->lines, '\n');
}

static void write_answer(struct screening_work *screening)
{
    struct strbuf *out = &screening->work->out;
    size_t rows = json_array_size(screening->recipients);
    strbuf_add_char(out, '{');
    strbuf_add_json_field(out, "screening", screening->id);
    strbuf_add_json_field(out, "list", screening->list);
    strbuf_add_json_number(out, "rows", (int64_t)rows);
    strbuf_add_json_number(out, "passed", (int64_t)screening->passes);
    strbuf_add_str(out, ",\"permitted\":[");
    strbuf_add(out, screening->permitted.data, screening->permitted.length);
    strbuf_add_str(out, "],\"blocked\":[");
    strbuf_add(out, screening->blocked.data, screening->blocked.length);
    strbuf_add_str(out, "]}\n");
    out->failed = out->failed || screening->permitted.failed || screening->blocked.failed;
}

static enum result run(struct screening_work *screening, struct error *err)
{
    record_new_id(screening->id);
    screening->policy = &screening->work->config->policies[screening->channel];
    if (!hash_list(screening))
        return error_no_memory(err);
    begin_record(screening);
    enum result result = judge_rows(screening, err);
    if (result != RESULT_OK)
        return result;
    end_record(screening);
    write_answer(screening);
    return journal_batch_of(&screening->lines, &screening->work->batch, err);
}

enum result api_screening(struct api_work *work, struct desk_tools *tools, struct error *err)
{
    struct screening_work screening = {.work = work, .tools = tools};
    if (!read_request(&screening))
        return RESULT_OK;
    enum result result = run(&screening, err);
    const char *id = arena_str(work->arena, screening.id);
    work->access.act = "list.screen";
    work->access.partner = screening.partner->id;
    work->access.channel = channel_name(screening.channel);
    work->access.subject = id != NULL ? id : "";
    work->access.count = json_array_size(screening.recipients);
    strbuf_free(&screening.lines);
    strbuf_free(&screening.permitted);
    strbuf_free(&screening.blocked);
    return result;
}
