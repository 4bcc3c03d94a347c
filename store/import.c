/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Records into the registry, in short transactions, each with the progress it brings. Problems
 * found inside a transaction are kept and told after it: whoever prints them may block on a full
 * pipe, and must not do so while the registry is locked.
 */
#include "store/import_internal.h"

#include "base/clock.h"
#include "store/registry_internal.h"

#include <string.h>

/* A transaction ends at whichever of these comes first, or when its time is over. */
#define BATCH_LINES 50000
#define BATCH_TEXTS (1024 * 1024)
/* The clock is looked at once in so many lines. */
#define CLOCK_EVERY 16

/* ---- transactions ---- */

bool import_fail(struct import *import, enum result result, const struct error *err)
{
    import->failure = result;
    import->error = *err;
    return false;
}

static void tell_problems(struct import *import)
{
    for (size_t i = 0; i < import->n_problems; i++) {
        struct kept_problem *kept = &import->problems[i];
        kept->problem.reason = import->texts.data + kept->reason;
        if (import->settings.keep_texts)
            kept->problem.text = import->texts.data + kept->text;
        import->settings.on_problem(import->settings.arg, &kept->problem);
    }
    import->n_problems = 0;
    strbuf_clear(&import->texts);
}

static void add_counts(struct import_counts *sum, const struct import_counts *more)
{
    sum->lines += more->lines;
    sum->accepted += more->accepted;
    sum->duplicates += more->duplicates;
    sum->refused += more->refused;
    sum->events_added += more->events_added;
    for (int i = 0; i < IMPORT_CLASS_COUNT; i++)
        sum->classes[i] += more->classes[i];
}

static bool keeps_progress(const struct import *import)
{
    return import->settings.resumable && !import->settings.dry_run;
}

/* The batch's own problems are told after the commit, and a kill may come between: until the next
 * commit the place before them is kept, too. */
static enum result save_progress(struct import *import, bool done, struct error *err)
{
    struct import_progress *progress = &import->progress;
    if (done)
        return import_progress_drop(import->settings.registry, import->settings.origin, err);
    enum result result = import->held ? RESULT_OK : import_note_place(import, err);
    if (result == RESULT_OK)
        result = import_copy_place(&progress->told,
                                   import->n_problems > 0 ? &import->saved : &progress->place, err);
    if (result == RESULT_OK)
        result = import_copy_place(&import->saved, &progress->place, err);
    if (result != RESULT_OK)
        return result;
    progress->counts = import->counts;
    add_counts(&progress->counts, &import->pending);
    return import_progress_save(import->settings.registry, import->settings.origin, progress, err);
}

static bool begin_batch(struct import *import)
{
    struct error err = {0};
    if (import->open || import->settings.dry_run)
        return true;
    import_pace_look(import);
    enum result result = registry_begin(import->settings.registry, &err);
    if (result != RESULT_OK)
        return import_fail(import, result, &err);
    import->open = true;
    import->opened_at = clock_monotonic();
    return true;
}

/* Rows, and how far they bring the input, in one commit. */
static bool commit(struct import *import, bool done)
{
    struct error err = {0};
    bool moved = import->moved && !import->replays;
    bool keeps = keeps_progress(import) && import->reader != NULL && (moved || done);
    if (keeps && !begin_batch(import))
        return false;
    if (!import->open)
        return true;
    enum result result = keeps ? save_progress(import, done, &err) : RESULT_OK;
    if (result == RESULT_OK)
        result = registry_commit(import->settings.registry, &err);
    else
        registry_rollback(import->settings.registry);
    import->open = false;
    import->moved = false;
    import_pace_pause(import);
    return result == RESULT_OK || import_fail(import, result, &err);
}

/* Ends the batch. Rows count only once they are committed. */
bool import_end_batch(struct import *import, bool done)
{
    if (import->failure == RESULT_OK)
        (void)commit(import, done);
    else if (import->open)
        registry_rollback(import->settings.registry);
    import->open = false;
    if (import->failure != RESULT_OK) {
        /* What was refused is refused all the same, and is about to be told. */
        import->pending.accepted = import->pending.duplicates = import->pending.events_added = 0;
        import->pending.lines = import->pending.refused;
    }
    add_counts(&import->counts, &import->pending);
    import->pending = (struct import_counts){0};
    tell_problems(import);
    import->now = clock_now();
    return import->failure == RESULT_OK;
}

static bool go_on(struct import *import)
{
    bool due = import->pending.lines >= BATCH_LINES || import->n_problems >= IMPORT_PROBLEMS ||
               import->texts.length >= BATCH_TEXTS;
    if (!due && import->open && import->pending.lines % CLOCK_EVERY == 0)
        due = import_pace_due(import);
    return due ? import_end_batch(import, false) : import->failure == RESULT_OK;
}

/* ---- records ---- */

static bool note_problem(struct import *import, const struct import_fault *fault)
{
    struct kept_problem *kept = &import->problems[import->n_problems++];
    size_t length = fault->text_length < IMPORT_TEXT_MAX ? fault->text_length : IMPORT_TEXT_MAX;
    *kept = (struct kept_problem){.problem = {.line = fault->line,
                                              .about = fault->about,
                                              .column = fault->column != NULL ? fault->column : "",
                                              .number = fault->number,
                                              .text_length = length},
                                  .reason = import->texts.length};
    strbuf_add(&import->texts, fault->reason, strlen(fault->reason) + 1);
    kept->text = import->texts.length;
    if (import->settings.keep_texts && fault->text != NULL)
        strbuf_add(&import->texts, fault->text, length);
    if (!import->replays) {
        import->pending.lines++;
        import->pending.refused++;
        import->pending.classes[fault->about]++;
    }
    if (!import->texts.failed)
        return true;
    import->n_problems--;
    struct error err = {0};
    return import_fail(import, error_no_memory(&err), &err);
}

static void begin_record(struct import *import)
{
    import->held = false;
    if (import->taken > import->progress.place.bytes)
        import->replays = false;
}

bool import_fault(struct import *import, const struct import_fault *fault)
{
    begin_record(import);
    return note_problem(import, fault) && go_on(import);
}

/* The registry names the contract's column it refuses for. */
static enum import_column refused_column(const struct import *import)
{
    const struct import_schema *schema = &import_schema_octroi;
    for (int column = 0; column < COLUMN_COUNT; column++)
        if (strcmp(schema->names[column], import->settings.registry->refused) == 0)
            return (enum import_column)column;
    return COLUMN_RECIPIENT;
}

static bool refuse_record(struct import *import, const struct import_record *record,
                          const struct error *err)
{
    enum import_column column = import->event.refused;
    unsigned char place = import->schema->places[column];
    return note_problem(
        import,
        &(struct import_fault){.line = record->line,
                               .about = COLUMN_CLASS(column),
                               .column = import->schema->reported[column],
                               .number = record->numbers != NULL && place < import->schema->count
                                             ? record->numbers[place]
                                             : 0,
                               .reason = err->text,
                               .text = record->text,
                               .text_length = record->text_length});
}

static enum result read_event(struct import *import, const struct import_record *record,
                              struct error *err)
{
    const char *fields[COLUMN_COUNT];
    if (import->schema == &import_schema_octroi)
        return import_event_read(&import->event, record->values, err);
    enum result result =
        import_twilio_fields(&import->event, record->values, &import->scratch, fields, err);
    return result == RESULT_OK ? import_event_read(&import->event, fields, err) : result;
}

static enum result store_event(struct import *import, unsigned *added_out, struct error *err)
{
    struct registry *registry = import->settings.registry;
    bool checks = import->settings.dry_run || import->replays;
    enum result result = (checks ? registry_check_event : registry_add_event)(
        registry, &import->event.event, import->now, added_out, err);
    if (result == RESULT_BAD_INPUT)
        import->event.refused = refused_column(import);
    return result;
}

bool import_record(struct import *import, const struct import_record *record)
{
    struct error err = {0};
    unsigned added = 0;
    begin_record(import);
    enum result result = read_event(import, record, &err);
    if (result == RESULT_OK) {
        if (!import->replays && !begin_batch(import)) {
            import_event_wipe(&import->event);
            return false;
        }
        result = store_event(import, &added, &err);
        import_event_wipe(&import->event);
    }
    if (result == RESULT_BAD_INPUT)
        return refuse_record(import, record, &err) && go_on(import);
    if (result != RESULT_OK)
        return import_fail(import, result, &err);
    if (import->replays)
        return go_on(import);
    import->pending.lines++;
    if (added > 0)
        import->pending.accepted++;
    else
        import->pending.duplicates++;
    import->pending.events_added += added;
    return go_on(import);
}
