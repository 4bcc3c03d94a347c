/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From the list to verdicts. This thread reads, looks up and judges, while the journal's own
 * thread, or the gateway, chains and syncs the batch before. A row is handed to its output only
 * from a batch that is durable.
 */
#include "cli/screen.h"

#include "base/clock.h"
#include "store/registry_read.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { CHUNK = 256 * 1024 };

/* What is withdrawn must count from the next batch: none lasts longer than about this. */
#define BATCH_TIME (60 * (CLOCK_SECOND / 1000))
#define LOOK_EVERY 16

static bool fail_memory(struct screen *screen)
{
    struct error err;
    error_no_memory(&err);
    return screen_fail(screen, RESULT_NO_MEMORY, &err);
}

/* ---- batches ---- */

static struct screen_batch *current(struct screen *screen)
{
    return &screen->batches[(screen->first + screen->on_their_way) % SCREEN_BATCHES];
}

/* One row may have been large: what it took is not kept for ever. */
static void clear_batch(struct screen_batch *batch)
{
    if (batch->raw.capacity > 2 * SCREEN_BYTES)
        strbuf_free(&batch->raw);
    strbuf_clear(&batch->raw);
    strbuf_clear(&batch->notes);
    batch->count = batch->records = 0;
}

/* What became durable is written. */
static bool settle(struct screen *screen)
{
    uint64_t durable = journal_link_durable(screen->link) - screen->records_before;
    while (screen->on_their_way > 0) {
        struct screen_batch *batch = &screen->batches[screen->first];
        if (screen->settled + batch->records > durable)
            return true;
        if (!screen_write_batch(screen, batch))
            return false;
        screen->settled += batch->records;
        clear_batch(batch);
        screen->first = (screen->first + 1) % SCREEN_BATCHES;
        screen->on_their_way--;
    }
    return true;
}

static bool end_reading(struct screen *screen)
{
    struct error err;
    if (!screen->reading)
        return true;
    screen->reading = false;
    enum result result = registry_read_end(screen->registry, &err);
    return result == RESULT_OK || screen_fail(screen, result, &err);
}

/* All of it is durable since the run before; behind what is still on its way. */
static bool end_recalled(struct screen *screen, struct screen_batch *batch)
{
    struct error err;
    enum result result =
        screen->on_their_way > 0 ? journal_link_flush(screen->link, &err) : RESULT_OK;
    if (result != RESULT_OK)
        return screen_fail(screen, result, &err);
    if (!settle(screen) || !screen_write_batch(screen, batch))
        return false;
    clear_batch(batch);
    return true;
}

static bool end_batch(struct screen *screen)
{
    struct screen_batch *batch = current(screen);
    struct error err;
    if (!end_reading(screen))
        return false;
    if (batch->count == 0)
        return true;
    if (batch->raw.failed || batch->notes.failed)
        return fail_memory(screen);
    if (batch->records == 0)
        return end_recalled(screen, batch);
    enum result result = journal_link_send(screen->link, &batch->lines, batch->records, &err);
    if (result == RESULT_OK)
        screen->on_their_way++;
    else
        screen_fail(screen, result, &err);
    return settle(screen) && result == RESULT_OK;
}

static bool begin_judging(struct screen *screen)
{
    struct error err;
    if (screen->reading)
        return true;
    enum result result = registry_read_begin(screen->registry, &err);
    if (result != RESULT_OK)
        return screen_fail(screen, result, &err);
    screen->reading = true;
    screen->batch_at = clock_now();
    screen->batch_began = clock_monotonic();
    return true;
}

static bool is_full(const struct screen *screen, const struct screen_batch *batch)
{
    return batch->count == SCREEN_ROWS || batch->raw.length >= SCREEN_BYTES ||
           batch->lines.length >= SCREEN_LINES ||
           (screen->reading && batch->count % LOOK_EVERY == 0 &&
            clock_monotonic() - screen->batch_began >= BATCH_TIME);
}

/* ---- whom it is about ---- */

/* The list's own blanks around an address mean nothing. */
static const char *trim(struct screen *screen, const char *text)
{
    size_t length = strlen(text);
    if (*text != ' ' && *text != '\t' &&
        (length == 0 || (text[length - 1] != ' ' && text[length - 1] != '\t')))
        return text;
    while (*text == ' ' || *text == '\t')
        text++;
    length = strlen(text);
    while (length > 0 && (text[length - 1] == ' ' || text[length - 1] == '\t'))
        length--;
    strbuf_clear(&screen->trimmed);
    strbuf_add(&screen->trimmed, text, length);
    return screen->trimmed.failed ? "" : screen->trimmed.data;
}

static enum result read_address(struct screen *screen, const char *text,
                                struct recipient *recipient, struct error *err)
{
    struct address address;
    const char *region = screen->context->config->region;
    enum result result;
    text = trim(screen, text);
    if (*text == '\0')
        return error_set(err, RESULT_BAD_INPUT, "the address is empty");
    if (screen->channel == CHANNEL_EMAIL && strchr(text, '@') == NULL)
        return error_set(err, RESULT_BAD_INPUT, "not an e-mail address: there is no @ in it");
    if (screen->channel == CHANNEL_EMAIL)
        result = address_parse_email(text, &address, err);
    else if (screen->channel == CHANNEL_POST)
        result = address_parse(text, region, &address, err);
    else
        result = address_parse_phone(text, region, &address, err);
    if (result == RESULT_OK)
        result = recipient_make(screen->context->hmac, &address, recipient, err);
    return result;
}

/* Two stray quotes make one row of several, where csv_suspect cannot tell: nobody may leave
 * unjudged inside a field of another's row, whether it is the first line's person or a later
 * one's. */
static bool may_hold_rows(const struct screen *screen, const char *field)
{
    struct address address;
    size_t length;
    if (strchr(field, '\n') == NULL)
        return false;
    bool emails = screen->channel == CHANNEL_EMAIL || screen->channel == CHANNEL_POST;
    bool holds = (emails && text_has_email(field)) ||
                 (screen->channel != CHANNEL_EMAIL &&
                  text_find_phone(field, screen->context->config->region, &address, &length));
    wipe(&address, sizeof(address));
    return holds;
}

/* RESULT_BAD_INPUT: err says why the row names nobody. */
static enum result read_row(struct screen *screen, const struct csv_row *row, bool *shapeless_out,
                            struct recipient *recipient, struct error *err)
{
    const struct layout *layout = &screen->list.layout;
    *shapeless_out = true;
    if (row->problem != NULL)
        return error_set(err, RESULT_BAD_INPUT, "the row cannot be read: %s", row->problem);
    if (row->count != layout->columns)
        return error_set(err, RESULT_BAD_INPUT, "the row has %zu field%s, not %zu", row->count,
                         plural(row->count), layout->columns);
    *shapeless_out = false;
    for (size_t i = 0; i < row->count; i++)
        if (may_hold_rows(screen, row->fields[i]))
            return error_set(err, RESULT_BAD_INPUT,
                             "a quoted field over several lines that may hold other people's rows");
    return read_address(screen, row->fields[layout->column], recipient, err);
}

/* ---- verdicts ---- */

static bool judge(struct screen *screen, const struct recipient *recipient,
                  struct judgement *judgement_out)
{
    const struct facts *facts = NULL;
    struct error err;
    *judgement_out = (struct judgement){.verdict = VERDICT_BLOCK, .reason = REASON_MALFORMED};
    if (!begin_judging(screen))
        return false;
    if (recipient != NULL) {
        const struct question question = {.partner = screen->partner,
                                          .policy = screen->policy,
                                          .channel = screen->channel,
                                          .purpose = PURPOSE_TRANSMISSION,
                                          .now = screen->batch_at};
        enum result result = registry_facts(screen->registry, recipient->key, screen->partner->id,
                                            NULL, &facts, &err);
        if (result != RESULT_OK)
            return screen_fail(screen, result, &err);
        policy_judge(&question, facts, judgement_out, NULL);
    }
    return true;
}

static void record(struct screen *screen, const struct recipient *recipient,
                   const struct judgement *judgement, struct screen_row *row)
{
    row->passes = judgement->verdict == VERDICT_PASS;
    row->reason = judgement->reason;
    record_new_id(row->id);
    const struct decision decision = {
        .id = row->id,
        .at = screen->batch_at,
        .gateway = screen->context->config->hostname,
        .session = screen->id,
        .partner = screen->partner->id,
        .channel = screen->channel,
        .purpose = PURPOSE_TRANSMISSION,
        .recipient = recipient,
        .verdict = judgement->verdict,
        .reason = judgement->reason,
        .effect = row->passes ? EFFECT_PASSED : EFFECT_REFUSED,
        .mode = MODE_ENFORCE, /* of a list nothing is ever handed over on trial */
        .policy = screen->policy->version,
        .event = judgement->event,
        .list = screen->list.hex,
        .row = screen->number,
    };
    struct screen_batch *batch = current(screen);
    record_decision(&batch->lines, &decision);
    strbuf_add_char(&batch->lines, '\n');
    batch->records++;
}

/* What was permitted then may be so no more: then that is recorded of the same row, once more, and
 * the row is blocked. What was blocked stays so. */
static bool judge_again(struct screen *screen, const struct recipient *recipient,
                        struct screen_row *row)
{
    struct judgement judgement;
    if (!judge(screen, recipient, &judgement))
        return false;
    if (judgement.verdict == VERDICT_PASS)
        return true;
    record(screen, recipient, &judgement, row);
    screen->corrected++;
    return true;
}

/* The verdict of the run before, as long as there is one. *there_out is false from the first row on
 * that has none. */
static bool recall(struct screen *screen, const struct recipient *recipient, struct screen_row *row,
                   bool *there_out)
{
    struct listed_decision decision;
    struct error err;
    enum result result = listed_decisions_next(screen->earlier, there_out, &decision, &err);
    if (result != RESULT_OK)
        return screen_fail(screen, result, &err);
    if (!*there_out && screen->ended) {
        error_set(&err, RESULT_CONFLICT,
                  "the screening that is resumed has fewer rows than the list: say --separator and "
                  "--no-header as then");
        return screen_fail(screen, RESULT_CONFLICT, &err);
    }
    if (!*there_out) {
        listed_decisions_free(&screen->earlier);
        return end_batch(screen);
    }
    bool same = recipient == NULL
                    ? decision.recipient_key == NULL
                    : decision.recipient_key != NULL &&
                          memcmp(recipient->key, decision.recipient_key, RECIPIENT_KEY_BYTES) == 0;
    if (!same) {
        error_set(&err, RESULT_CONFLICT,
                  "row %" PRIu64 " is about somebody else than in the screening that is resumed: "
                  "say --column, --separator and --no-header as then",
                  screen->number);
        return screen_fail(screen, RESULT_CONFLICT, &err);
    }
    row->passes = decision.verdict == VERDICT_PASS;
    row->reason = decision.reason;
    str_copy(row->id, sizeof(row->id), decision.id);
    screen->resumed++;
    return !row->passes || judge_again(screen, recipient, row);
}

static bool decide(struct screen *screen, const struct recipient *recipient, struct screen_row *row)
{
    struct judgement judgement;
    bool there = false;
    if (screen->earlier != NULL && !recall(screen, recipient, row, &there))
        return false;
    if (there)
        return true;
    if (!judge(screen, recipient, &judgement))
        return false;
    record(screen, recipient, &judgement, row);
    return true;
}

static bool take_row(struct screen *screen, const struct csv_row *csv_row)
{
    struct recipient recipient;
    struct screen_row row = {.line = csv_row->line};
    struct error why;
    screen->number++;
    enum result read = read_row(screen, csv_row, &row.shapeless, &recipient, &why);
    if (read != RESULT_OK && read != RESULT_BAD_INPUT)
        return screen_fail(screen, read, &why);
    if (!decide(screen, read == RESULT_OK ? &recipient : NULL, &row))
        return false;
    struct screen_batch *batch = current(screen);
    row.length = csv_row->raw_length;
    row.offset = batch->raw.length;
    strbuf_add(&batch->raw, csv_row->raw, csv_row->raw_length);
    row.note = batch->notes.length;
    if (read != RESULT_OK)
        strbuf_add(&batch->notes, why.text, strlen(why.text) + 1);
    batch->rows[batch->count++] = row;
    return !is_full(screen, batch) || end_batch(screen);
}

/* A quote that is never closed, or only in another person's row, must not swallow people: what it
 * took comes again as rows of their own. */
static void expect_rows(struct screen *screen)
{
    size_t columns = screen->list.layout.columns;
    csv_expect(screen->csv, columns);
    csv_suspect(screen->csv, columns - 1); /* of one column: never */
}

static bool on_row(void *arg, const struct csv_row *row)
{
    struct screen *screen = arg;
    if (!screen->header || screen->header_seen)
        return take_row(screen, row);
    screen->header_seen = true;
    expect_rows(screen);
    return screen_write_header(screen, row->raw, row->raw_length);
}

/* ---- the whole ---- */

static bool feed_all(struct screen *screen, char *chunk)
{
    struct error err;
    size_t got = 0;
    do {
        enum result result = list_read(&screen->list, chunk, CHUNK, &got, &err);
        if (result != RESULT_OK)
            return screen_fail(screen, result, &err);
        bool ok = got > 0 ? csv_feed(screen->csv, chunk, got) : csv_finish(screen->csv);
        if (!ok)
            return screen->failure != RESULT_OK ? false : fail_memory(screen);
        progress_show(&screen->progress, screen->list.read, screen->list.size, screen->number);
    } while (got > 0);
    return true;
}

/* The list was read to its end: so must the decisions be. */
static bool end_recall(struct screen *screen)
{
    struct listed_decision decision;
    struct error err;
    bool there = false;
    if (screen->earlier == NULL)
        return true;
    enum result result = listed_decisions_next(screen->earlier, &there, &decision, &err);
    if (result == RESULT_OK && there)
        result = error_set(&err, RESULT_CONFLICT,
                           "the screening that is resumed has more rows than the list: say "
                           "--separator and --no-header as then");
    return result == RESULT_OK || screen_fail(screen, result, &err);
}

static bool run(struct screen *screen, char *chunk)
{
    struct error err;
    screen->records_before = journal_link_durable(screen->link);
    if (!feed_all(screen, chunk) || !end_recall(screen) || !end_batch(screen))
        return false;
    enum result result = journal_link_flush(screen->link, &err);
    if (result != RESULT_OK)
        screen_fail(screen, result, &err);
    if (!settle(screen) || result != RESULT_OK)
        return false;
    result = list_unchanged(&screen->list, &err);
    return result == RESULT_OK || screen_fail(screen, result, &err);
}

enum result screen_run(struct screen *screen, struct error *err)
{
    char *chunk = malloc(CHUNK);
    screen->batches = calloc(SCREEN_BATCHES, sizeof(*screen->batches));
    screen->csv = csv_new(on_row, screen);
    if (chunk == NULL || screen->batches == NULL || screen->csv == NULL) {
        free(chunk);
        return error_no_memory(err);
    }
    csv_set_separator(screen->csv, screen->list.layout.separator);
    if (!screen->header)
        expect_rows(screen);
    bool ok = run(screen, chunk);
    if (!ok)
        *err = screen->error;
    (void)end_reading(screen);
    wipe(chunk, CHUNK);
    free(chunk);
    return screen->failure;
}

static void release_text(struct strbuf *text)
{
    if (text->data != NULL)
        wipe(text->data, text->capacity);
    strbuf_free(text);
}

void screen_release(struct screen *screen)
{
    for (size_t i = 0; screen->batches != NULL && i < SCREEN_BATCHES; i++) {
        release_text(&screen->batches[i].raw);
        strbuf_free(&screen->batches[i].notes);
        strbuf_free(&screen->batches[i].lines);
    }
    free(screen->batches);
    release_text(&screen->trimmed);
    csv_free(&screen->csv);
    listed_decisions_free(&screen->earlier);
    journal_link_close(&screen->link);
    registry_close(&screen->registry);
    read_ahead_end(&screen->ahead); /* behind it: read_ahead.h */
    list_close(&screen->list);
    outfile_close(&screen->passed);
    outfile_close(&screen->blocked);
    outfile_close(&screen->summary);
}
