/* SPDX-License-Identifier: Apache-2.0 */
/* Of a person's archive: which partners were told that she withdrew or objected, and what partners
 * call her. Read anew by each part, as decisions are. */
#include "base/csv_write.h"
#include "office/person_page.h"
#include "store/notices.h"

#include <inttypes.h>
#include <string.h>

static void settle(struct sheet *sheet, enum result result)
{
    if (result != RESULT_OK && sheet->result == RESULT_OK)
        sheet->result = result;
}

static void each_delivery(const struct person *person, struct sheet *sheet, delivery_fn *write,
                          void *arg)
{
    const struct delivery_filter filter = {.recipient_key = person->recipient->key,
                                           .created_before = INT64_MAX,
                                           .before_id = INT64_MAX};
    settle(sheet, registry_deliveries(person->from.registry, &filter, write, arg, sheet->err));
}

static const char *moment(int64_t at, char text[CLOCK_TEXT])
{
    if (at == 0)
        return NULL;
    clock_format(at, text);
    return text;
}

/* ---- notices.csv ---- */

static bool write_row(void *arg, const struct delivery *delivery)
{
    struct sheet *sheet = arg;
    char created[CLOCK_TEXT], last[CLOCK_TEXT], ended[CLOCK_TEXT];
    strbuf_add_format(&sheet->buf, "%" PRId64, delivery->notice.event.id);
    const char *const fields[] = {delivery->partner,
                                  delivery_state_name(delivery->state),
                                  moment(delivery->notice.created_at, created),
                                  moment(delivery->last_at, last),
                                  moment(delivery->ended_at, ended),
                                  delivery->last_answer};
    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
        strbuf_add_char(&sheet->buf, ',');
        if (fields[i] != NULL)
            csv_add_foreign(&sheet->buf, fields[i]);
    }
    strbuf_add_str(&sheet->buf, "\r\n");
    sheet_turn(sheet);
    return sheet->result == RESULT_OK;
}

void person_write_notices_csv(const struct person *person, struct sheet *sheet)
{
    sheet_put(sheet, "event,partner,state,created_at,last_at,ended_at,answer\r\n");
    each_delivery(person, sheet, write_row, sheet);
}

/* ---- person.json ---- */

struct items {
    struct sheet *sheet;
    const struct person *person; /* of the page */
    size_t written;
};

static bool write_item(void *arg, const struct delivery *delivery)
{
    struct items *items = arg;
    struct strbuf *json = &items->sheet->buf;
    char text[CLOCK_TEXT];
    strbuf_add_str(json, items->written++ > 0 ? ",\n{" : "\n{");
    strbuf_add_json_number(json, "event", delivery->notice.event.id);
    strbuf_add_json_field(json, "partner", delivery->partner);
    strbuf_add_json_field(json, "state", delivery_state_name(delivery->state));
    strbuf_add_json_field(json, "created_at", moment(delivery->notice.created_at, text));
    strbuf_add_json_number(json, "attempts", delivery->attempts);
    strbuf_add_json_field(json, "last_at", moment(delivery->last_at, text));
    strbuf_add_json_field(json, "ended_at", moment(delivery->ended_at, text));
    strbuf_add_json_field(json, "answer", delivery->last_answer);
    strbuf_add_char(json, '}');
    sheet_turn(items->sheet);
    return items->sheet->result == RESULT_OK;
}

static bool write_identifier(void *arg, const char *partner, const char *identifier, int64_t set_at)
{
    struct items *items = arg;
    struct strbuf *json = &items->sheet->buf;
    char text[CLOCK_TEXT];
    strbuf_add_str(json, items->written++ > 0 ? ",\n{" : "\n{");
    strbuf_add_json_field(json, "partner", partner);
    strbuf_add_json_field(json, "identifier", identifier);
    strbuf_add_json_field(json, "set_at", moment(set_at, text));
    strbuf_add_char(json, '}');
    sheet_turn(items->sheet);
    return items->sheet->result == RESULT_OK;
}

void person_add_notices(const struct person *person, struct sheet *sheet)
{
    struct items notices = {.sheet = sheet}, identifiers = {.sheet = sheet};
    sheet_put(sheet, ",\"notices\":[");
    each_delivery(person, sheet, write_item, &notices);
    sheet_put(sheet, "],\"identifiers\":[");
    settle(sheet, registry_identifiers(person->from.registry, person->recipient->key,
                                       write_identifier, &identifiers, sheet->err));
    sheet_put(sheet, "]");
}

/* ---- the page ---- */

static bool show(void *arg, const struct delivery *delivery)
{
    struct items *items = arg;
    struct sheet *sheet = items->sheet;
    static const char *const names[] = {N_("Partner"), N_("Since"), N_("State"), N_("On"), NULL};
    char when[LEAF_TIME];
    if (items->written++ == 0)
        leaf_columns(sheet, names);
    sheet_put(sheet, "<tr>");
    leaf_cell(sheet, person_partner_name(items->person, delivery->partner));
    leaf_cell(sheet, leaf_time(sheet, delivery->notice.created_at, when));
    leaf_cell(sheet, tr(sheet->language, person_delivery(delivery->state)));
    leaf_cell(sheet, delivery->ended_at != 0 ? leaf_time(sheet, delivery->ended_at, when) : "");
    sheet_put(sheet, "</tr>\n");
    return sheet->result == RESULT_OK;
}

static bool show_identifier(void *arg, const char *partner, const char *identifier, int64_t set_at)
{
    struct items *items = arg;
    struct sheet *sheet = items->sheet;
    static const char *const names[] = {N_("Partner"), N_("Its identifier for you"), N_("Since"),
                                        NULL};
    char when[LEAF_TIME];
    if (items->written++ == 0) {
        leaf_paragraph(sheet, N_("So that they can be told without your address, these companies "
                                 "gave the identifier by which they know you:"));
        leaf_columns(sheet, names);
    }
    sheet_put(sheet, "<tr>");
    leaf_cell(sheet, person_partner_name(items->person, partner));
    leaf_cell(sheet, identifier);
    leaf_cell(sheet, leaf_time(sheet, set_at, when));
    sheet_put(sheet, "</tr>\n");
    return sheet->result == RESULT_OK;
}

void leaf_notices(const struct person *person, struct sheet *sheet)
{
    struct items items = {.sheet = sheet, .person = person};
    struct items identifiers = {.sheet = sheet, .person = person};
    leaf_heading(sheet, "notices", N_("Who was told that you said no"));
    leaf_paragraph(sheet, N_("When you withdraw a consent or object, the companies concerned are "
                             "told, so that they stop elsewhere, too."));
    each_delivery(person, sheet, show, &items);
    if (items.written == 0)
        leaf_paragraph(sheet, N_("Nobody was to be told."));
    else
        sheet_put(sheet, "</tbody></table>\n");
    settle(sheet, registry_identifiers(person->from.registry, person->recipient->key,
                                       show_identifier, &identifiers, sheet->err));
    if (identifiers.written > 0)
        sheet_put(sheet, "</tbody></table>\n");
}
