/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rows come from base/csv, become struct event_input here, and go to the registry in short
 * transactions. Problems found inside a transaction are kept and told after it: whoever prints
 * them may block on a full pipe, and must not do so while the registry is locked.
 */
#include "store/consent_csv.h"

#include "base/clock.h"
#include "base/csv.h"
#include "base/str.h"
#include "store/registry_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BATCH_ROWS 1000
#define BATCH_TIME (80 * CLOCK_SECOND / 1000)
/* Keyed addresses fall anywhere in the table's indexes: with SQLite's usual 2 MiB nearly every row
 * of a large registry reads and writes pages anew. Memory of the import alone, in KiB. */
#define CACHE_KIB "-131072"
/* And the log is folded into the file once in 64 MiB, not with every batch: pages are written
 * once for many rows. Neither readers nor writers wait for that. */
#define WAL_PAGES "16384"

enum column {
    COLUMN_RECIPIENT,
    COLUMN_CHANNEL,
    COLUMN_EVENT,
    COLUMN_OCCURRED_AT,
    COLUMN_FORM,
    COLUMN_PARTNERS,
    COLUMN_BASIS,
    COLUMN_SUPPLIER,
    COLUMN_EVIDENCE,
    COLUMN_COUNT
};

static const char *const column_names[COLUMN_COUNT] = {
    "recipient", "channel", "event",    "occurred_at", "form",
    "partners",  "basis",   "supplier", "evidence",
};

struct problem {
    uint64_t line;
    char reason[256];
};

struct consent_csv {
    struct registry *registry; /* borrowed */
    struct hmac *hmac;         /* borrowed */
    const char *region;        /* borrowed */
    const char *origin;        /* borrowed */
    consent_csv_problem_fn *on_problem;
    void *arg; /* borrowed */
    bool dry_run;
    struct csv *csv; /* owned */
    bool has_header;
    size_t places[COLUMN_COUNT]; /* where each column stands in a row */

    bool open; /* a transaction is */
    int64_t opened_at;
    struct consent_csv_counts pending; /* rows of the open transaction */
    struct consent_csv_counts counts;
    struct problem *problems; /* owned; of the current batch */
    size_t n_problems;

    struct strbuf lists;   /* a row's '|'-joined values, cut up */
    struct strbuf masked;  /* evidence without the address */
    const char **partners; /* owned; grows */
    size_t partners_capacity;

    enum result failure; /* why reading stopped */
    struct error error;
};

/* One row on its way to the registry. The pointers of event lead into the row and csv. */
struct reading {
    struct consent_csv *csv;
    const char *fields[COLUMN_COUNT];
    struct event_input event;
    struct address address; /* clear: wiped as soon as the columns are read */
    struct recipient recipient;
    char form_id[72];
    struct error *err; /* why the row is refused: "column: reason" */
};

/* ---- what may be repeated in a reason ---- */

/* A mistyped word is worth repeating; a value that slipped in from another column is not, for it
 * may be an address. Only short lower-case words pass. */
static enum result refuse_word(struct error *err, enum column column, const char *word)
{
    size_t length = strspn(word, "abcdefghijklmnopqrstuvwxyz-");
    if (length > 0 && length <= 20 && word[length] == '\0')
        return error_set(err, RESULT_BAD_INPUT, "%s: \"%s\" is unknown", column_names[column],
                         word);
    return error_set(err, RESULT_BAD_INPUT, "%s: unknown value", column_names[column]);
}

/* A date is repeated when it begins like one of this age, "2026-01-31", and goes on like one. */
static bool looks_like_date(const char *text)
{
    static const char shape[] = "dddd-dd-dd";
    for (size_t i = 0; shape[i] != '\0'; i++)
        if (shape[i] == 'd' ? text[i] < '0' || text[i] > '9' : text[i] != shape[i])
            return false;
    size_t length = strspn(text, "0123456789-+:.TZtz ");
    return length <= 36 && text[length] == '\0' &&
           (strncmp(text, "19", 2) == 0 || strncmp(text, "20", 2) == 0);
}

static enum result refuse(struct error *err, enum column column, const char *why)
{
    return error_set(err, RESULT_BAD_INPUT, "%s: %s", column_names[column], why);
}

/* ---- columns ---- */

static enum result read_recipient(struct reading *row)
{
    enum result result =
        address_parse(row->fields[COLUMN_RECIPIENT], row->csv->region, &row->address, row->err);
    if (result == RESULT_OK)
        result = recipient_make(row->csv->hmac, &row->address, &row->recipient, row->err);
    if (result != RESULT_OK) {
        error_prefix(row->err, "%s", column_names[COLUMN_RECIPIENT]);
        return result;
    }
    row->event.address_kind = row->address.kind;
    memcpy(row->event.recipient_key, row->recipient.key, RECIPIENT_KEY_BYTES);
    return RESULT_OK;
}

/* Calls take for each '|'-separated item of the column. */
static enum result each_item(struct reading *row, enum column column,
                             enum result (*take)(struct reading *row, char *item))
{
    struct strbuf *copy = &row->csv->lists;
    strbuf_clear(copy);
    strbuf_add_str(copy, row->fields[column]);
    if (copy->failed)
        return error_no_memory(row->err);
    char *item = copy->data;
    enum result result = RESULT_OK;
    while (result == RESULT_OK && item != NULL) {
        char *bar = strchr(item, '|');
        if (bar != NULL)
            *bar++ = '\0';
        if (*item == '\0')
            return refuse(row->err, column, "an empty value before or after '|'");
        result = take(row, item);
        item = bar;
    }
    return result;
}

static enum result take_channel(struct reading *row, char *item)
{
    enum channel channel;
    if (!channel_parse(item, &channel))
        return refuse_word(row->err, COLUMN_CHANNEL, item);
    if (!address_fits(row->event.address_kind, channel))
        return error_set(row->err, RESULT_BAD_INPUT, "channel: %s cannot be reached by %s",
                         row->event.address_kind == ADDRESS_EMAIL ? "an e-mail address"
                                                                  : "a phone number",
                         channel_name(channel));
    row->event.channels |= CHANNEL_BIT(channel);
    return RESULT_OK;
}

static enum result take_partner(struct reading *row, char *item)
{
    struct consent_csv *csv = row->csv;
    if (!form_partner_valid(item))
        return error_set(row->err, RESULT_BAD_INPUT, "partners: value %zu is not a partner id",
                         row->event.n_partners + 1);
    if (row->event.n_partners == csv->partners_capacity) {
        size_t capacity = csv->partners_capacity > 0 ? csv->partners_capacity * 2 : 16;
        const char **partners = realloc(csv->partners, capacity * sizeof(*partners));
        if (partners == NULL)
            return error_no_memory(row->err);
        csv->partners = partners;
        csv->partners_capacity = capacity;
    }
    csv->partners[row->event.n_partners++] = item;
    return RESULT_OK;
}

static enum result read_words(struct reading *row)
{
    const char *kind = row->fields[COLUMN_EVENT];
    const char *basis = row->fields[COLUMN_BASIS];
    if (row->fields[COLUMN_CHANNEL][0] == '\0')
        return refuse(row->err, COLUMN_CHANNEL, "empty");
    enum result result = each_item(row, COLUMN_CHANNEL, take_channel);
    if (result != RESULT_OK)
        return result;
    if (kind[0] == '\0')
        return refuse(row->err, COLUMN_EVENT, "empty");
    if (!event_kind_parse(kind, &row->event.kind))
        return refuse_word(row->err, COLUMN_EVENT, kind);
    row->event.basis = BASIS_CONSENT;
    if (basis[0] != '\0' && !basis_parse(basis, &row->event.basis))
        return refuse_word(row->err, COLUMN_BASIS, basis);
    return RESULT_OK;
}

static enum result read_moment(struct reading *row)
{
    const char *text = row->fields[COLUMN_OCCURRED_AT];
    if (clock_parse(text, strlen(text), &row->event.occurred_at))
        return RESULT_OK;
    if (text[0] == '\0')
        return refuse(row->err, COLUMN_OCCURRED_AT, "empty");
    if (looks_like_date(text))
        return error_set(row->err, RESULT_BAD_INPUT,
                         "occurred_at: \"%s\" is not an RFC 3339 instant with its offset", text);
    return refuse(row->err, COLUMN_OCCURRED_AT,
                  "not an RFC 3339 instant such as 2026-01-31T12:00:00Z");
}

static enum result read_form(struct reading *row)
{
    static const char shape[] = "not written as ID@VERSION";
    const char *text = row->fields[COLUMN_FORM];
    if (text[0] == '\0')
        return RESULT_OK;
    const char *at = strchr(text, '@');
    if (at == NULL || !str_copy_n(row->form_id, sizeof(row->form_id), text, (size_t)(at - text)) ||
        !form_id_valid(row->form_id))
        return refuse(row->err, COLUMN_FORM, shape);
    size_t digits = strspn(at + 1, "0123456789");
    if (digits < 1 || digits > 7 || at[1 + digits] != '\0' || at[1] == '0')
        return refuse(row->err, COLUMN_FORM, shape);
    row->event.form_id = row->form_id;
    row->event.form_version = (int)strtol(at + 1, NULL, 10);
    return RESULT_OK;
}

/* Evidence such as "opt-in mail confirmed by jean@example.org" would bring the clear address to
 * rest in the registry; its masked form says the same to who checks it. */
static enum result mask_evidence(struct reading *row)
{
    struct strbuf *out = &row->csv->masked;
    strbuf_clear(out);
    recipient_hide(row->fields[COLUMN_EVIDENCE], row->fields[COLUMN_RECIPIENT], &row->address,
                   &row->recipient, out);
    row->event.evidence = out->data;
    return out->failed ? error_no_memory(row->err) : RESULT_OK;
}

static enum result read_supplier(struct reading *row)
{
    size_t length;
    row->event.supplier = row->fields[COLUMN_SUPPLIER];
    return recipient_find(row->event.supplier, row->fields[COLUMN_RECIPIENT], &row->address,
                          &length) == NULL
               ? RESULT_OK
               : refuse(row->err, COLUMN_SUPPLIER, "repeats the recipient");
}

static enum result read_columns(struct reading *row)
{
    enum result result = read_recipient(row);
    if (result == RESULT_OK)
        result = read_words(row);
    if (result == RESULT_OK)
        result = read_moment(row);
    if (result == RESULT_OK)
        result = read_form(row);
    if (result == RESULT_OK && row->fields[COLUMN_PARTNERS][0] != '\0')
        result = each_item(row, COLUMN_PARTNERS, take_partner);
    if (result == RESULT_OK)
        result = read_supplier(row);
    if (result == RESULT_OK)
        result = mask_evidence(row);
    row->event.partners = row->csv->partners;
    wipe(&row->address, sizeof(row->address));
    return result;
}

/* ---- transactions ---- */

static bool fail(struct consent_csv *csv, enum result result, const struct error *err)
{
    csv->failure = result;
    csv->error = *err;
    return false;
}

static void tell_problems(struct consent_csv *csv)
{
    for (size_t i = 0; i < csv->n_problems; i++)
        csv->on_problem(csv->arg, csv->problems[i].line, csv->problems[i].reason);
    csv->n_problems = 0;
}

static void add_counts(struct consent_csv_counts *sum, const struct consent_csv_counts *more)
{
    sum->lines += more->lines;
    sum->accepted += more->accepted;
    sum->duplicates += more->duplicates;
    sum->refused += more->refused;
    sum->events_added += more->events_added;
}

/* Ends the batch. Rows count only once they are committed. */
static bool end_batch(struct consent_csv *csv)
{
    bool ok = true;
    struct error err = {0};
    if (csv->open && csv->failure == RESULT_OK) {
        enum result result = registry_commit(csv->registry, &err);
        if (result != RESULT_OK)
            ok = fail(csv, result, &err);
    } else if (csv->open) {
        registry_rollback(csv->registry);
    }
    csv->open = false;
    if (csv->failure != RESULT_OK) {
        /* What was refused is refused all the same, and is about to be told. */
        csv->pending.accepted = csv->pending.duplicates = csv->pending.events_added = 0;
        csv->pending.lines = csv->pending.refused;
    }
    add_counts(&csv->counts, &csv->pending);
    csv->pending = (struct consent_csv_counts){0};
    tell_problems(csv);
    return ok;
}

static bool begin_batch(struct consent_csv *csv)
{
    struct error err = {0};
    if (csv->open || csv->dry_run)
        return true;
    enum result result = registry_begin(csv->registry, &err);
    if (result != RESULT_OK)
        return fail(csv, result, &err);
    csv->open = true;
    csv->opened_at = clock_monotonic();
    return true;
}

static void note_problem(struct consent_csv *csv, uint64_t line, const char *reason)
{
    struct problem *problem = &csv->problems[csv->n_problems++];
    problem->line = line;
    str_copy(problem->reason, sizeof(problem->reason), reason);
    csv->pending.refused++;
}

static bool store_row(struct consent_csv *csv, struct reading *row, uint64_t line)
{
    struct error err = {0};
    unsigned added = 0;
    row->err = &err;
    enum result result = read_columns(row);
    if (result == RESULT_OK) {
        if (!begin_batch(csv))
            return false;
        result = (csv->dry_run ? registry_check_event : registry_add_event)(
            csv->registry, &row->event, clock_now(), &added, &err);
        if (result == RESULT_BAD_INPUT)
            error_prefix(&err, "%s", csv->registry->refused);
    }
    if (result == RESULT_BAD_INPUT) {
        note_problem(csv, line, err.text);
        return true;
    }
    if (result != RESULT_OK)
        return fail(csv, result, &err);
    if (added > 0)
        csv->pending.accepted++;
    else
        csv->pending.duplicates++;
    csv->pending.events_added += added;
    return true;
}

/* ---- rows ---- */

static enum result read_header(struct consent_csv *csv, const struct csv_row *row,
                               struct error *err)
{
    bool seen[COLUMN_COUNT] = {false};
    if (row->problem != NULL)
        return error_set(err, RESULT_BAD_INPUT, "%llu: %s", (unsigned long long)row->line,
                         row->problem);
    for (size_t i = 0; i < row->count; i++) {
        size_t column = 0;
        while (column < COLUMN_COUNT && strcmp(column_names[column], row->fields[i]) != 0)
            column++;
        /* A file without its header would show an address here: only plain words are repeated. */
        const char *name = row->fields[i];
        size_t plain = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_ -");
        if (column == COLUMN_COUNT && plain > 0 && plain <= 40 && name[plain] == '\0')
            return error_set(err, RESULT_BAD_INPUT, "%llu: unknown column \"%s\"",
                             (unsigned long long)row->line, name);
        if (column == COLUMN_COUNT)
            return error_set(err, RESULT_BAD_INPUT, "%llu: column %zu has no known name",
                             (unsigned long long)row->line, i + 1);
        if (seen[column])
            return error_set(err, RESULT_BAD_INPUT, "%llu: column \"%s\" stands twice",
                             (unsigned long long)row->line, name);
        seen[column] = true;
        csv->places[column] = i;
    }
    for (size_t column = 0; column < COLUMN_COUNT; column++)
        if (!seen[column])
            return error_set(err, RESULT_BAD_INPUT, "%llu: column \"%s\" is missing",
                             (unsigned long long)row->line, column_names[column]);
    csv->has_header = true;
    return RESULT_OK;
}

static bool take_row(struct consent_csv *csv, const struct csv_row *row)
{
    if (row->problem != NULL) {
        note_problem(csv, row->line, row->problem);
        return true;
    }
    if (row->count != COLUMN_COUNT) {
        char reason[64];
        snprintf(reason, sizeof(reason), "%zu fields, the header has %d", row->count, COLUMN_COUNT);
        note_problem(csv, row->line, reason);
        return true;
    }
    struct reading reading = {.csv = csv,
                              .event = {.supplier = "", .collector = "", .origin = csv->origin}};
    for (size_t i = 0; i < COLUMN_COUNT; i++)
        reading.fields[i] = row->fields[csv->places[i]];
    return store_row(csv, &reading, row->line);
}

static bool on_row(void *arg, const struct csv_row *row)
{
    struct consent_csv *csv = arg;
    struct error err = {0};
    if (!csv->has_header) {
        enum result result = read_header(csv, row, &err);
        return result == RESULT_OK || fail(csv, result, &err);
    }
    csv->pending.lines++;
    if (!take_row(csv, row))
        return false;
    bool due = csv->pending.lines >= BATCH_ROWS ||
               (csv->open && clock_monotonic() - csv->opened_at >= BATCH_TIME);
    return !due || end_batch(csv);
}

/* ---- the interface ---- */

struct consent_csv *consent_csv_new(struct registry *registry, struct hmac *hmac,
                                    const char *region, const char *origin,
                                    consent_csv_problem_fn *on_problem, void *arg)
{
    struct consent_csv *csv = calloc(1, sizeof(*csv));
    if (csv == NULL)
        return NULL;
    csv->registry = registry;
    csv->hmac = hmac;
    csv->region = region;
    csv->origin = origin;
    csv->on_problem = on_problem;
    csv->arg = arg;
    csv->problems = calloc(BATCH_ROWS, sizeof(*csv->problems));
    csv->csv = csv_new(on_row, csv);
    if (csv->problems == NULL || csv->csv == NULL) {
        consent_csv_free(&csv);
        return NULL;
    }
    (void)sql_exec(registry->db,
                   "PRAGMA cache_size = " CACHE_KIB "; PRAGMA wal_autocheckpoint = " WAL_PAGES,
                   NULL);
    return csv;
}

void consent_csv_dry_run(struct consent_csv *csv)
{
    csv->dry_run = true;
}

/* What the last feed or finish came to; more is refused after a failure. */
static enum result settle(struct consent_csv *csv, bool went_on, struct error *err)
{
    if (!went_on && csv->failure == RESULT_OK && csv_out_of_memory(csv->csv)) {
        csv->failure = RESULT_NO_MEMORY;
        error_no_memory(&csv->error);
    }
    end_batch(csv);
    if (csv->failure != RESULT_OK && err != NULL)
        *err = csv->error;
    return csv->failure;
}

enum result consent_csv_feed(struct consent_csv *csv, const char *bytes, size_t length,
                             struct error *err)
{
    bool went_on = csv->failure == RESULT_OK && csv_feed(csv->csv, bytes, length);
    return settle(csv, went_on, err);
}

enum result consent_csv_finish(struct consent_csv *csv, struct error *err)
{
    bool went_on = csv->failure == RESULT_OK && csv_finish(csv->csv);
    if (went_on && !csv->has_header) {
        struct error empty;
        error_set(&empty, RESULT_BAD_INPUT, "1: the header is missing");
        went_on = fail(csv, RESULT_BAD_INPUT, &empty);
    }
    return settle(csv, went_on, err);
}

const struct consent_csv_counts *consent_csv_counts(const struct consent_csv *csv)
{
    return &csv->counts;
}

void consent_csv_free(struct consent_csv **csv_pointer)
{
    struct consent_csv *csv = *csv_pointer;
    if (csv == NULL)
        return;
    if (csv->open)
        registry_rollback(csv->registry);
    csv_free(&csv->csv);
    strbuf_free(&csv->masked);
    strbuf_free(&csv->lists);
    free(csv->problems);
    free(csv->partners);
    free(csv);
    *csv_pointer = NULL;
}
