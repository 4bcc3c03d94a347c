/* SPDX-License-Identifier: Apache-2.0 */
/* The lists as files: our columns first, then those of the company's own list as they were. */
#include "cli/remediation.h"

#include <stdlib.h>
#include <string.h>

enum { OWN_COLUMNS = 11 };

static const struct column own_columns[OWN_COLUMNS] = {
    {"partner", CELL_TEXT, false},       {"form", CELL_TEXT, false},
    {"supplier", CELL_TEXT, false},      {"channel", CELL_TEXT, false},
    {"reason", CELL_TEXT, false},        {"why", CELL_TEXT, false},
    {"recipient_key", CELL_TEXT, false}, {"recipient_masked", CELL_TEXT, false},
    {"last_act", CELL_TEXT, false},      {"last_sent", CELL_TEXT, false},
    {"partner_name", CELL_TEXT, false},
};

static const char *const remedy_names[REMEDY_COUNT] = {
    [REMEDY_ASK] = "ask-again",
    [REMEDY_DELETE] = "delete",
    [REMEDY_TELL] = "tell",
};

static enum result open_sheet(struct remediation *remediation, struct remedy_sheet *sheet,
                              struct error *err)
{
    struct column *columns = calloc(OWN_COLUMNS + remediation->n_columns + 1, sizeof(*columns));
    if (columns == NULL)
        return error_no_memory(err);
    memcpy(columns, own_columns, sizeof(own_columns));
    for (size_t i = 0; i < remediation->n_columns; i++)
        columns[OWN_COLUMNS + i] = (struct column){remediation->names[i], CELL_TEXT, false};
    enum result result = folder_add(remediation->folder, sheet->name, &sheet->file, err);
    if (result == RESULT_OK) {
        sheet->output = output_new(sheet->file, OUTPUT_CSV, columns);
        if (sheet->output == NULL)
            result = error_no_memory(err);
        else /* what is the company's own goes back as it came, to be found in its files again */
            output_guard(sheet->output, OWN_COLUMNS);
    }
    sheet->columns = columns; /* borrowed by the output */
    return result;
}

static enum result find_sheet(struct remediation *remediation, enum remedy remedy,
                              const char *partner, struct remedy_sheet **sheet_out,
                              struct error *err)
{
    bool own = remedy == REMEDY_TELL;
    struct remedy_sheet *sheet = remediation->sheets;
    while (sheet != NULL &&
           (sheet->remedy != remedy || (own && strcmp(sheet->partner, partner) != 0)))
        sheet = sheet->next;
    *sheet_out = sheet;
    if (sheet != NULL)
        return RESULT_OK;
    sheet = calloc(1, sizeof(*sheet));
    if (sheet == NULL)
        return error_no_memory(err);
    sheet->remedy = remedy;
    str_copy(sheet->partner, sizeof(sheet->partner), partner);
    snprintf(sheet->name, sizeof(sheet->name), "%s%s%s%s.csv", remediation->prefix,
             remedy_names[remedy], own ? "-" : "", own ? partner : "");
    sheet->next = remediation->sheets;
    remediation->sheets = sheet;
    *sheet_out = sheet;
    return open_sheet(remediation, sheet, err);
}

static enum result count(struct remediation *remediation, enum remedy remedy,
                         const struct remedy_row *row, struct error *err)
{
    const char *values[TALLY_BY_COUNT] = {[TALLY_PARTNER] = row->partner,
                                          [TALLY_FORM] = row->form,
                                          [TALLY_SUPPLIER] = row->supplier,
                                          [TALLY_REASON] = row->reason};
    const struct tally_counts one = {.decisions = 1};
    return tally_add(remediation->counts[remedy], values, &one) ? RESULT_OK : error_no_memory(err);
}

enum result remediation_row(struct remediation *remediation, enum remedy remedy,
                            const struct person *person, const struct remedy_row *row,
                            struct error *err)
{
    struct remedy_sheet *sheet;
    struct cell cells[OWN_COLUMNS + CSV_FIELDS_MAX];
    char key[2 * RECIPIENT_KEY_BYTES + 1];
    char acted[CLOCK_TEXT] = "";
    char sent[CLOCK_TEXT] = "";
    enum result result = find_sheet(remediation, remedy, row->partner, &sheet, err);
    if (result != RESULT_OK)
        return result;
    const struct partner *partner = config_partner(remediation->context->config, row->partner);
    hex_encode(person->key, RECIPIENT_KEY_BYTES, key);
    if (row->last_act != 0)
        clock_format_seconds(row->last_act, acted);
    if (row->sent_at != 0)
        clock_format_seconds(row->sent_at, sent);
    const char *own[OWN_COLUMNS] = {row->partner,
                                    row->form,
                                    row->supplier,
                                    row->channel,
                                    row->reason,
                                    row->why,
                                    key,
                                    row->recipient,
                                    acted,
                                    sent,
                                    partner != NULL ? partner->name : ""};
    for (size_t i = 0; i < OWN_COLUMNS; i++)
        cells[i] = cell_filled(own[i]);
    for (size_t i = 0; i < remediation->n_columns; i++)
        cells[OWN_COLUMNS + i] = cell_text(remediation->fields[i]);
    if (!output_row(sheet->output, cells))
        return error_no_memory(err);
    return count(remediation, remedy, row, err);
}

enum result remediation_begin(struct remediation *remediation, struct error *err)
{
    struct remedy_sheet *sheet;
    enum result result = find_sheet(remediation, REMEDY_ASK, "", &sheet, err);
    if (result == RESULT_OK && remediation->only == NULL)
        result = find_sheet(remediation, REMEDY_DELETE, "", &sheet, err);
    return result;
}

enum result remediation_end(struct remediation *remediation, struct error *err)
{
    enum result result = RESULT_OK;
    while (remediation->sheets != NULL) {
        struct remedy_sheet *sheet = remediation->sheets;
        struct error own = {0};
        enum result ended = RESULT_OK;
        remediation->sheets = sheet->next;
        if (sheet->output != NULL)
            ended = output_end(&sheet->output, &own);
        if (ended == RESULT_OK && sheet->file != NULL)
            ended = folder_finish(remediation->folder, sheet->name, &sheet->file, &own);
        else if (sheet->file != NULL)
            fclose(sheet->file);
        if (result == RESULT_OK && ended != RESULT_OK)
            result = error_set(err, ended, "%s", own.text);
        free(sheet->columns);
        free(sheet);
    }
    return result;
}

enum result remediation_summary(struct remediation *remediation, struct error *err)
{
    static const struct column columns[] = {{"list", CELL_TEXT, false},
                                            {"partner", CELL_TEXT, false},
                                            {"form", CELL_TEXT, false},
                                            {"supplier", CELL_TEXT, false},
                                            {"reason", CELL_TEXT, false},
                                            {"count", CELL_NUMBER, false},
                                            {0}};
    FILE *file;
    enum result result = folder_add(remediation->folder, "summary.csv", &file, err);
    if (result != RESULT_OK)
        return result;
    struct output *output = output_new(file, OUTPUT_CSV, columns);
    if (output != NULL)
        output_guard(output, SIZE_MAX);
    for (size_t i = 0; output != NULL && i < REMEDY_COUNT; i++) {
        const struct tally *tally = remediation->counts[i];
        tally_sort(remediation->counts[i]);
        for (size_t j = 0; j < tally_count(tally); j++) {
            const struct tally_row *row = tally_row(tally, j);
            const struct cell cells[] = {
                cell_text(remedy_names[i]), cell_filled(row->keys[0]),
                cell_text(row->keys[1]),    cell_text(row->keys[2]),
                cell_text(row->keys[3]),    cell_number((int64_t)row->counts.decisions)};
            output_row(output, cells); /* output_end says what went wrong */
        }
    }
    if (output != NULL && remediation->unjudged > 0) {
        const struct cell cells[] = {cell_text("not-judged"),
                                     cell_none(),
                                     cell_none(),
                                     cell_none(),
                                     cell_text("NO_STREAM"),
                                     cell_number((int64_t)remediation->unjudged)};
        output_row(output, cells);
    }
    result = output != NULL ? output_end(&output, err) : error_no_memory(err);
    if (result == RESULT_OK)
        return folder_finish(remediation->folder, "summary.csv", &file, err);
    fclose(file);
    return result;
}
