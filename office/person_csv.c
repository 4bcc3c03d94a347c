/* SPDX-License-Identifier: Apache-2.0 */
/*
 * events.csv and decisions.csv: RFC 4180, for a spreadsheet. Others wrote some of the fields, and a
 * spreadsheet takes a field that begins with = + - or @ for a formula: it gets an apostrophe before
 * it. person.json has every field as it is.
 */
#include "base/csv_write.h"
#include "office/decision_csv.h"
#include "office/person.h"
#include "office/sheet.h"

#include <inttypes.h>

/* One that others wrote. */
static void foreign(struct sheet *sheet, const char *text, bool first)
{
    if (!first)
        strbuf_add_char(&sheet->buf, ',');
    if (text != NULL)
        csv_add_foreign(&sheet->buf, text);
}

static void line_end(struct sheet *sheet)
{
    strbuf_add_str(&sheet->buf, "\r\n");
    sheet_turn(sheet);
}

void person_write_events_csv(const struct person *person, struct sheet *sheet)
{
    sheet_put(sheet, "id,occurred_at,recorded_at,event,channel,form,partners,basis,supplier,"
                     "collector,evidence,origin\r\n");
    for (size_t i = 0; i < person->history.n_events; i++) {
        const struct past_event *event = &person->history.events[i];
        char occurred[CLOCK_TEXT];
        char recorded[CLOCK_TEXT];
        char form[PAST_FORM];
        clock_format(event->occurred_at, occurred);
        clock_format(event->recorded_at, recorded);
        strbuf_add_format(&sheet->buf, "%" PRId64, event->id);
        const char *const fields[] = {occurred,
                                      recorded,
                                      event_kind_name(event->kind),
                                      channel_name(event->channel),
                                      past_form_name(event, form),
                                      event->partners,
                                      past_is_grant(event) ? basis_name(event->basis) : "",
                                      event->supplier,
                                      event->collector,
                                      event->evidence,
                                      event->origin};
        for (size_t j = 0; j < sizeof(fields) / sizeof(fields[0]); j++)
            foreign(sheet, fields[j], false);
        line_end(sheet);
    }
}

static bool write_decision(void *arg, const struct log_entry *entry)
{
    struct sheet *sheet = arg;
    decision_csv_row(entry, &sheet->buf);
    sheet_turn(sheet);
    return sheet->result == RESULT_OK;
}

void person_write_decisions_csv(const struct person *person, struct sheet *sheet)
{
    decision_csv_names(&sheet->buf);
    enum result result = person_decisions(person, write_decision, sheet, sheet->err);
    if (result != RESULT_OK && sheet->result == RESULT_OK)
        sheet->result = result;
}
