/* SPDX-License-Identifier: Apache-2.0 */
/* The dossier's numbers for a spreadsheet: names of columns and codes are English in any language,
 * so that one program reads every dossier. Of the texts some are others': none is a formula. */
#include "office/dossier.h"
#include "office/tally_rows.h"

#include <string.h>

struct sheet {
    struct dossier *dossier;
    const char *name;
    FILE *file;
    struct output *output;
};

static enum result sheet_open(struct sheet *sheet, struct dossier *dossier, const char *name,
                              const struct column *columns, struct error *err)
{
    *sheet = (struct sheet){.dossier = dossier, .name = name};
    enum result result = folder_add(dossier->folder, name, &sheet->file, err);
    if (result != RESULT_OK)
        return result;
    sheet->output = output_new(sheet->file, OUTPUT_CSV, columns);
    if (sheet->output != NULL) {
        output_guard(sheet->output, SIZE_MAX);
        return RESULT_OK;
    }
    fclose(sheet->file);
    return error_no_memory(err);
}

static enum result sheet_close(struct sheet *sheet, struct error *err)
{
    enum result result = output_end(&sheet->output, err);
    if (result == RESULT_OK)
        return folder_finish(sheet->dossier->folder, sheet->name, &sheet->file, err);
    fclose(sheet->file);
    return result;
}

static enum result write_tally(struct dossier *dossier, const char *name, const struct tally *tally,
                               struct error *err)
{
    struct column columns[TALLY_ROWS_COLUMNS];
    struct sheet sheet;
    tally_rows_columns(tally, columns);
    enum result result = sheet_open(&sheet, dossier, name, columns, err);
    if (result != RESULT_OK)
        return result;
    tally_rows_write(tally, sheet.output);
    return sheet_close(&sheet, err);
}

static void halves_row(struct sheet *sheet, const char *scope, const char *partner, bool after,
                       const struct tally_counts *counts)
{
    const struct dossier *dossier = sheet->dossier;
    char from[CLOCK_TEXT];
    char to[CLOCK_TEXT];
    clock_format(after ? dossier->change : dossier->filter.since, from);
    clock_format((after ? dossier->filter.until : dossier->change) - 1, to);
    from[strlen("2026-01-31")] = to[strlen("2026-01-31")] = '\0';
    const struct cell cells[] = {cell_text(scope),
                                 cell_filled(partner),
                                 cell_text(after ? "after" : "before"),
                                 cell_text(from),
                                 cell_text(to),
                                 cell_number((int64_t)counts->decisions),
                                 cell_number((int64_t)counts->pass),
                                 cell_number((int64_t)counts->block),
                                 cell_number((int64_t)counts->defer),
                                 cell_number((int64_t)counts->let_through),
                                 cell_number((int64_t)counts->discarded)};
    output_row(sheet->output, cells);
}

/* The comparison that was asked for, and only then. */
static enum result write_halves(struct dossier *dossier, struct error *err)
{
    static const struct column columns[] = {
        {"scope", CELL_TEXT, false},       {"partner", CELL_TEXT, false},
        {"half", CELL_TEXT, false},        {"from", CELL_TEXT, false},
        {"to", CELL_TEXT, false},          {"count", CELL_NUMBER, false},
        {"pass", CELL_NUMBER, false},      {"block", CELL_NUMBER, false},
        {"defer", CELL_NUMBER, false},     {"let_through", CELL_NUMBER, false},
        {"discarded", CELL_NUMBER, false}, {0}};
    struct sheet sheet;
    struct dossier_halves halves;
    const char *partner;
    if (dossier->change == 0)
        return RESULT_OK;
    enum result result = sheet_open(&sheet, dossier, "before-after.csv", columns, err);
    if (result != RESULT_OK)
        return result;
    dossier_halves(dossier, &halves);
    halves_row(&sheet, "total", "", false, &halves.before);
    halves_row(&sheet, "total", "", true, &halves.after);
    for (size_t at = 0; dossier_halves_next(dossier, &at, &partner, &halves);) {
        halves_row(&sheet, "partner", partner, false, &halves.before);
        halves_row(&sheet, "partner", partner, true, &halves.after);
    }
    return sheet_close(&sheet, err);
}

static enum result write_configurations(struct dossier *dossier, struct error *err)
{
    static const struct column columns[] = {
        {"at", CELL_TEXT, false},      {"cause", CELL_TEXT, false},
        {"program", CELL_TEXT, false}, {"sha256", CELL_TEXT, false},
        {"kind", CELL_TEXT, false},    {"id", CELL_TEXT, false},
        {"name", CELL_TEXT, false},    {"value", CELL_TEXT, false},
        {"text", CELL_TEXT, false},    {0}};
    struct sheet sheet;
    enum result result = sheet_open(&sheet, dossier, "configuration.csv", columns, err);
    if (result != RESULT_OK)
        return result;
    for (size_t i = 0; i < dossier->history.count; i++) {
        const struct history_entry *entry = &dossier->history.entries[i];
        char at[CLOCK_TEXT];
        clock_format(entry->at, at);
        for (size_t j = 0; j < json_array_size(entry->policies); j++) {
            const json_t *policy = json_array_get(entry->policies, j);
            const struct cell cells[] = {cell_text(at),
                                         cell_text(entry->cause),
                                         cell_text(entry->program),
                                         cell_text(entry->sha256),
                                         cell_text("policy"),
                                         cell_text(history_text(policy, "channel")),
                                         cell_none(),
                                         cell_text(history_text(policy, "version")),
                                         cell_text(history_text(policy, "text"))};
            output_row(sheet.output, cells);
        }
        for (size_t j = 0; j < json_array_size(entry->partners); j++) {
            const json_t *partner = json_array_get(entry->partners, j);
            const struct cell cells[] = {cell_text(at),
                                         cell_text(entry->cause),
                                         cell_text(entry->program),
                                         cell_text(entry->sha256),
                                         cell_text("partner"),
                                         cell_text(history_text(partner, "id")),
                                         cell_text(history_text(partner, "name")),
                                         cell_text(history_text(partner, "mode")),
                                         cell_none()};
            output_row(sheet.output, cells);
        }
    }
    return sheet_close(&sheet, err);
}

static bool on_form(void *arg, const struct form_row *row)
{
    struct sheet *sheet = arg;
    char from[CLOCK_TEXT];
    char until[CLOCK_TEXT] = "";
    char invalidated[CLOCK_TEXT] = "";
    clock_format(row->effective_from, from);
    if (row->effective_until != INT64_MAX)
        clock_format(row->effective_until, until);
    if (row->invalidated_at != 0)
        clock_format(row->invalidated_at, invalidated);
    const struct cell cells[] = {cell_text(row->id),
                                 cell_number(row->version),
                                 cell_text(row->collector_name),
                                 cell_text(row->collector_siren),
                                 cell_text(from),
                                 cell_filled(until),
                                 cell_filled(invalidated),
                                 cell_filled(row->invalid_reason),
                                 cell_number((int64_t)row->events),
                                 cell_text(row->json)};
    return output_row(sheet->output, cells);
}

static enum result write_forms(struct dossier *dossier, struct error *err)
{
    static const struct column columns[] = {{"id", CELL_TEXT, false},
                                            {"version", CELL_NUMBER, false},
                                            {"collector", CELL_TEXT, false},
                                            {"collector_siren", CELL_TEXT, false},
                                            {"effective_from", CELL_TEXT, false},
                                            {"effective_until", CELL_TEXT, false},
                                            {"invalidated_at", CELL_TEXT, false},
                                            {"invalid_reason", CELL_TEXT, false},
                                            {"events", CELL_NUMBER, false},
                                            {"form", CELL_TEXT, false},
                                            {0}};
    struct sheet sheet;
    struct error end = {0};
    enum result result = sheet_open(&sheet, dossier, "forms.csv", columns, err);
    if (result != RESULT_OK)
        return result;
    result = registry_forms(dossier->registry, NULL, 0, on_form, &sheet, err);
    enum result closed = sheet_close(&sheet, result == RESULT_OK ? err : &end);
    return result == RESULT_OK ? closed : result;
}

static bool on_suspension(void *arg, const struct suspension_row *row)
{
    struct sheet *sheet = arg;
    if (!dossier_suspended(sheet->dossier, row))
        return true;
    char suspended[CLOCK_TEXT];
    char resumed[CLOCK_TEXT] = "";
    clock_format(row->suspended_at, suspended);
    if (row->resumed)
        clock_format(row->resumed_at, resumed);
    const struct cell cells[] = {cell_text(suspension_kind_name(row->kind)),
                                 cell_text(row->id),
                                 cell_text(suspended),
                                 cell_text(row->reason),
                                 cell_filled(resumed),
                                 cell_filled(row->resume_reason)};
    return output_row(sheet->output, cells);
}

static enum result write_suspensions(struct dossier *dossier, struct error *err)
{
    static const struct column columns[] = {{"kind", CELL_TEXT, false},
                                            {"id", CELL_TEXT, false},
                                            {"suspended_at", CELL_TEXT, false},
                                            {"reason", CELL_TEXT, false},
                                            {"resumed_at", CELL_TEXT, false},
                                            {"resume_reason", CELL_TEXT, false},
                                            {0}};
    struct sheet sheet;
    struct error end = {0};
    enum result result = sheet_open(&sheet, dossier, "suspensions.csv", columns, err);
    if (result != RESULT_OK)
        return result;
    result = registry_suspensions(dossier->registry, on_suspension, &sheet, err);
    enum result closed = sheet_close(&sheet, result == RESULT_OK ? err : &end);
    return result == RESULT_OK ? closed : result;
}

static bool on_invalid_supplier(void *arg, const struct supplier_row *row)
{
    struct sheet *sheet = arg;
    if (row->invalidated_at >= sheet->dossier->filter.until)
        return true;
    char invalidated[CLOCK_TEXT];
    clock_format(row->invalidated_at, invalidated);
    const struct cell cells[] = {cell_text(row->id), cell_text(invalidated),
                                 cell_text(row->invalid_reason)};
    return output_row(sheet->output, cells);
}

static enum result write_invalid_suppliers(struct dossier *dossier, struct error *err)
{
    static const struct column columns[] = {{"id", CELL_TEXT, false},
                                            {"invalidated_at", CELL_TEXT, false},
                                            {"invalid_reason", CELL_TEXT, false},
                                            {0}};
    struct sheet sheet;
    struct error end = {0};
    enum result result = sheet_open(&sheet, dossier, "invalid-suppliers.csv", columns, err);
    if (result != RESULT_OK)
        return result;
    result =
        registry_invalid_suppliers(dossier->registry, NULL, 0, on_invalid_supplier, &sheet, err);
    enum result closed = sheet_close(&sheet, result == RESULT_OK ? err : &end);
    return result == RESULT_OK ? closed : result;
}

enum result dossier_csv(struct dossier *dossier, struct error *err)
{
    enum result result = write_tally(dossier, "series.csv", dossier->tallies[DOSSIER_SERIES], err);
    if (result == RESULT_OK)
        result = write_tally(dossier, "origins.csv", dossier->tallies[DOSSIER_ORIGINS], err);
    if (result == RESULT_OK)
        result = write_tally(dossier, "policies.csv", dossier->tallies[DOSSIER_POLICIES], err);
    if (result == RESULT_OK)
        result = write_halves(dossier, err);
    if (result == RESULT_OK)
        result = write_configurations(dossier, err);
    if (result == RESULT_OK)
        result = write_forms(dossier, err);
    if (result == RESULT_OK)
        result = write_suspensions(dossier, err);
    if (result == RESULT_OK)
        result = write_invalid_suppliers(dossier, err);
    return result;
}
