/* SPDX-License-Identifier: Apache-2.0 */
/* Of a person's archive: who looked her up over HTTP, and what was done about her there. */
#include "base/csv_write.h"
#include "office/officer_words.h"
#include "office/person_page.h"
#include "office/person_words.h"

#include <string.h>

static void settle(struct sheet *sheet, enum result result)
{
    if (result != RESULT_OK && sheet->result == RESULT_OK)
        sheet->result = result;
}

/* ---- accesses.csv ---- */

static bool write_row(void *arg, const struct log_access *access)
{
    struct sheet *sheet = arg;
    char at[CLOCK_TEXT];
    clock_format(access->at, at);
    const char *const fields[] = {access->id,      at,
                                  access->gateway, access->who,
                                  access->act,     access->partner,
                                  access->channel, access->subject,
                                  access->answer};
    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
        if (i > 0)
            strbuf_add_char(&sheet->buf, ',');
        if (fields[i] != NULL)
            csv_add_foreign(&sheet->buf, fields[i]);
    }
    strbuf_add_str(&sheet->buf, "\r\n");
    sheet_turn(sheet);
    return sheet->result == RESULT_OK;
}

void person_write_accesses_csv(const struct person *person, struct sheet *sheet)
{
    sheet_put(sheet, "id,at,gateway,who,act,partner,channel,subject,answer\r\n");
    settle(sheet, person_accesses(person, write_row, sheet, sheet->err));
}

/* ---- person.json ---- */

struct items {
    struct sheet *sheet;
    size_t written;
};

static bool write_item(void *arg, const struct log_access *access)
{
    struct items *items = arg;
    struct strbuf *json = &items->sheet->buf;
    char at[CLOCK_TEXT];
    clock_format(access->at, at);
    strbuf_add_str(json, items->written++ > 0 ? ",\n{" : "\n{");
    strbuf_add_json_field(json, "id", access->id);
    strbuf_add_json_field(json, "at", at);
    strbuf_add_json_field(json, "gateway", access->gateway);
    strbuf_add_json_field(json, "who", access->who);
    strbuf_add_json_field(json, "act", access->act);
    strbuf_add_json_field(json, "partner", access->partner);
    strbuf_add_json_field(json, "channel", access->channel);
    strbuf_add_json_field(json, "subject", access->subject);
    strbuf_add_json_field(json, "answer", access->answer);
    strbuf_add_char(json, '}');
    sheet_turn(items->sheet);
    return items->sheet->result == RESULT_OK;
}

void person_add_accesses(const struct person *person, struct sheet *sheet)
{
    struct items items = {.sheet = sheet};
    sheet_put(sheet, ",\"accesses\":[");
    settle(sheet, person_accesses(person, write_item, &items, sheet->err));
    sheet_put(sheet, "]");
}

/* ---- the page ---- */

static void access_row(const struct person *person, struct sheet *sheet,
                       const struct person_access *access)
{
    struct strbuf count = {0}, who = {0};
    char when[LEAF_TIME];
    language_add_number(&count, sheet->language, (int64_t)access->count);
    sheet_put(sheet, "<tr>");
    officer_who(&who, sheet->language, access->who);
    leaf_cell(sheet, who.data != NULL ? who.data : "");
    leaf_cell(sheet, tr(sheet->language, person_act(access->act)));
    leaf_cell(sheet, person_partner_name(person, access->partner));
    leaf_cell(sheet, count.data != NULL ? count.data : "");
    leaf_cell(sheet, leaf_time(sheet, access->first_at, when));
    leaf_cell(sheet, leaf_time(sheet, access->last_at, when));
    sheet_put(sheet, "</tr>\n");
    sheet->buf.failed = sheet->buf.failed || who.failed;
    strbuf_free(&count);
    strbuf_free(&who);
}

void leaf_accesses(const struct person *person, struct sheet *sheet)
{
    static const char *const names[] = {N_("Who"),
                                        N_("What"),
                                        N_("For"),
                                        N_("How often"),
                                        N_("For the first time"),
                                        N_("For the last time"),
                                        NULL};
    leaf_heading(sheet, "accesses", N_("Who looked you up"));
    leaf_paragraph(sheet, N_("Other systems may ask whether you may be written to, read what is "
                             "held on you, or hand in what you said. Each time it is noted; "
                             "accesses.csv has them all."));
    if (person->n_accesses == 0) {
        leaf_paragraph(sheet, N_("Nobody has, as far as the journal goes back."));
        return;
    }
    leaf_columns(sheet, names);
    for (size_t i = 0; i < person->n_accesses; i++)
        access_row(person, sheet, &person->accesses[i]);
    sheet_put(sheet, "</tbody></table>\n");
}
