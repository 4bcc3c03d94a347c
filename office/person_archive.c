/* SPDX-License-Identifier: Apache-2.0 */
/* The archive: each part in its place, in an order that never changes. */
#include "office/person.h"
#include "office/sheet.h"
#include "office/zip.h"

#include <stdio.h>
#include <string.h>

typedef void part_fn(const struct person *person, struct sheet *sheet);

static enum result write_part(const struct person *person, struct zip *zip, const char *name,
                              part_fn *write, struct error *err)
{
    struct sheet sheet = {.language = person->language};
    sheet_begin(&sheet, zip, name, err);
    write(person, &sheet);
    enum result result = sheet_end(&sheet);
    if (result != RESULT_OK)
        error_prefix(err, "%s", name);
    return result;
}

static enum result write_forms(const struct person *person, struct zip *zip, struct error *err)
{
    enum result result = RESULT_OK;
    for (size_t i = 0; result == RESULT_OK && i < person->history.n_forms; i++) {
        const struct past_form *kept = &person->history.forms[i];
        char name[PAST_FORM + 16];
        snprintf(name, sizeof(name), "forms/%.64s@%d.json", kept->form->id, kept->form->version);
        result = zip_entry(zip, name, err);
        if (result == RESULT_OK)
            result = zip_write(zip, kept->json, strlen(kept->json), err);
    }
    return result;
}

static void line(struct sheet *sheet, const char *text)
{
    strbuf_add_str(&sheet->buf, text);
    strbuf_add_str(&sheet->buf, "\r\n");
}

void person_write_readme(const struct person *person, struct sheet *sheet)
{
    static const char *const files[] = {
        N_("person.html            the answer, to be read: open it in any browser, or print it"),
        N_("person.json            the same, for programs"),
        N_("consent-record.jsonld  the consents, in the W3C Data Privacy Vocabulary"),
        N_("events.csv             the events, as a table"),
        N_("decisions.csv          the decisions, as a table"),
        N_("accesses.csv           who looked you up, as a table"),
        N_("notices.csv            who was told that you said no, as a table"),
    };
    const struct config *config = person->from.config;
    struct strbuf when = {0};
    language_add_time(&when, person->language, person->at);
    line(sheet, tr(person->language, "What is held on one person, and meant for that person "
                                     "alone."));
    line(sheet, "");
    if (config->controller_name[0] != '\0')
        line(sheet, config->controller_name);
    line(sheet, config->hostname);
    line(sheet, when.data != NULL ? when.data : "");
    line(sheet, "");
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
        line(sheet, tr(person->language, files[i]));
    if (person->history.n_forms > 0)
        line(sheet, tr(person->language,
                       N_("forms/                 the forms, as they were put on record")));
    if (person_is_unknown(person)) {
        line(sheet, "");
        line(sheet, tr(person->language, "Nothing is held on this person."));
    }
    strbuf_free(&when);
}

enum result person_write_archive(const struct person *person, int fd, struct error *err)
{
    const struct {
        const char *name;
        part_fn *write;
    } parts[] = {
        {person->language == LANGUAGE_FR ? "LISEZMOI.txt" : "README.txt", person_write_readme},
        {"person.html", person_write_page},
        {"person.json", person_write_json},
        {"consent-record.jsonld", person_write_record},
        {"events.csv", person_write_events_csv},
        {"decisions.csv", person_write_decisions_csv},
        {"accesses.csv", person_write_accesses_csv},
        {"notices.csv", person_write_notices_csv},
    };
    struct zip *zip = NULL;
    enum result result = zip_new(fd, &zip, err);
    for (size_t i = 0; result == RESULT_OK && i < sizeof(parts) / sizeof(parts[0]); i++)
        result = write_part(person, zip, parts[i].name, parts[i].write, err);
    if (result == RESULT_OK)
        result = write_forms(person, zip, err);
    if (result == RESULT_OK)
        result = zip_finish(zip, err);
    zip_free(&zip);
    return result;
}
